//! An idempotent producer that outlives restarts of the server.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::Delivery;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

use super::Connection;
use crate::{Output, TopicsError};

/// Writes records; each is acknowledged on its own.
#[derive(Clone)]
pub struct Producer {
    connection: Connection,
    producer: FutureProducer,
}

impl Producer {
    pub fn new(connection: &Connection) -> Result<Producer, TopicsError> {
        let mut config = connection.config();
        config.set("enable.idempotence", "true");
        // As the Java clients place keys, so that what joins by key finds its partition.
        config.set("partitioner", "murmur2_random");
        config.set("linger.ms", "1");
        let producer = config.create().map_err(|error| connection.failed("connect", &error))?;
        Ok(Producer {
            connection: connection.clone(),
            producer,
        })
    }

    /// Sends one record and waits for its acknowledgement; gives partition and offset.
    pub async fn send(&self, output: &Output) -> Result<(i32, i64), TopicsError> {
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&output.topic);
        if let Some(key) = &output.key {
            record = record.key(key);
        }
        if let Some(value) = &output.value {
            record = record.payload(value);
        }
        if let Some(partition) = output.partition {
            record = record.partition(partition);
        }
        if let Some(timestamp) = output.timestamp {
            record = record.timestamp(timestamp);
        }
        if !output.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(output.headers.len());
            let headers = output.headers.iter().fold(headers, |headers, (name, value)| {
                let name = String::from_utf8_lossy(name);
                headers.insert(Header {
                    key: &name,
                    value: value.as_deref(),
                })
            });
            record = record.headers(headers);
        }
        let sent = self.producer.send(record, Timeout::Never).await;
        let doing = || format!("write to `{}`", output.topic);
        let Delivery { partition, offset, .. } = sent.map_err(|(error, _)| self.connection.failed(&doing(), &error))?;
        Ok((partition, offset))
    }
}
