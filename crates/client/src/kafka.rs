//! Any Kafka cluster over the network, through librdkafka: what commands, projects and tests need of one.

mod admin;
mod consumer;
mod producer;

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use base::ErrorKind;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

pub use admin::{Admin, Group, GroupOffset, Member, TopicDescription};
pub use consumer::{Consumed, GroupConsumer, Next, Reader, Start};
pub use producer::Producer;

use crate::TopicsError;

/// How long a first look whether anybody listens may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `host:port`, several with commas.
    pub bootstrap: String,
}

impl Connection {
    pub fn new(bootstrap: impl Into<String>) -> Connection {
        Connection {
            bootstrap: bootstrap.into(),
        }
    }

    /// Says at once that nobody listens; librdkafka would go on trying until its time is up.
    fn check_reachable(&self) -> Result<(), TopicsError> {
        let mut cause = "no address is given".to_owned();
        for address in self.bootstrap.split(',') {
            let resolved = address.trim().to_socket_addrs();
            let addresses = match resolved {
                Ok(addresses) => addresses,
                Err(error) => {
                    cause = error.to_string();
                    continue;
                }
            };
            for address in addresses {
                match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                    Ok(_) => return Ok(()),
                    Err(error) => cause = error.to_string(),
                }
            }
        }
        let message = format!("no Kafka cluster answers at `{}`: {cause}", self.bootstrap);
        Err(TopicsError::new(ErrorKind::Unavailable, message))
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config.set("client.id", "rivulet");
        // Quick reconnects: a restarted server is back in a tenth of a second.
        config.set("reconnect.backoff.ms", "20");
        config.set("reconnect.backoff.max.ms", "500");
        config.set("retry.backoff.ms", "20");
        config.set("log_level", "2");
        config
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> TopicsError {
        let code = match error {
            KafkaError::AdminOp(code) => Some(*code),
            other => other.rdkafka_error_code(),
        };
        let kind = code.map_or(ErrorKind::Internal, kind_of);
        if kind == ErrorKind::Unavailable {
            let message = format!("no Kafka cluster answers at `{}` ({doing}: {error})", self.bootstrap);
            return TopicsError::new(kind, message);
        }
        TopicsError::new(
            kind,
            format!(
                "{doing}: {}",
                code.map_or_else(|| error.to_string(), |code| code.to_string())
            ),
        )
    }
}

fn kind_of(code: RDKafkaErrorCode) -> ErrorKind {
    use RDKafkaErrorCode as Code;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition | Code::GroupIdNotFound => {
            ErrorKind::NotFound
        }
        Code::TopicAlreadyExists | Code::NonEmptyGroup => ErrorKind::Conflict,
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::OperationTimedOut
        | Code::MessageTimedOut
        | Code::Resolve
        | Code::RequestTimedOut => ErrorKind::Unavailable,
        Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            ErrorKind::Denied
        }
        Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::InvalidReplicationFactor
        | Code::InvalidRecord
        | Code::MessageSizeTooLarge
        | Code::PolicyViolation => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}
