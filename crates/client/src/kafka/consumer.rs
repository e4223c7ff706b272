//! Reading: as a member of a group, or a topic's partitions from chosen offsets to their end or on.

use std::time::Duration;

use base::{Offset, PartitionIndex};
use bytes::Bytes;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::Connection;
use crate::{Record, TopicsError};

/// A record with the place it came from.
#[derive(Clone, Debug)]
pub struct Consumed {
    pub topic: String,
    pub partition: PartitionIndex,
    pub record: Record,
}

fn take(message: &BorrowedMessage<'_>) -> Consumed {
    let header = |header: rdkafka::message::Header<'_, &[u8]>| {
        (
            Bytes::copy_from_slice(header.key.as_bytes()),
            header.value.map(Bytes::copy_from_slice),
        )
    };
    Consumed {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        record: Record {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers: message
                .headers()
                .map(|headers| headers.iter().map(header).collect())
                .unwrap_or_default(),
        },
    }
}

fn reading(connection: &Connection) -> ClientConfig {
    let mut config = connection.config();
    config.set("auto.offset.reset", "earliest");
    config.set("isolation.level", "read_committed");
    config.set("fetch.wait.max.ms", "100");
    config
}

/// A member of a consumer group; offsets are committed as it goes.
pub struct GroupConsumer {
    connection: Connection,
    consumer: StreamConsumer,
}

impl GroupConsumer {
    pub fn new(connection: &Connection, group: &str, topics: &[&str]) -> Result<GroupConsumer, TopicsError> {
        let mut config = reading(connection);
        config
            .set("group.id", group)
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500");
        let failed = |error| connection.failed("join the group", &error);
        let consumer: StreamConsumer = config.create().map_err(failed)?;
        consumer.subscribe(topics).map_err(failed)?;
        Ok(GroupConsumer {
            connection: connection.clone(),
            consumer,
        })
    }

    /// The next record. Errors on the way (a server that restarts) are ridden out by the client library; what is
    /// returned as an error is final.
    pub async fn next(&self) -> Result<Consumed, TopicsError> {
        loop {
            match self.consumer.recv().await {
                Ok(message) => return Ok(take(&message)),
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    return Err(self
                        .connection
                        .failed("read", &KafkaError::MessageConsumptionFatal(code)));
                }
                Err(_) => {}
            }
        }
    }

    /// Whether the group has given this member partitions.
    pub fn has_partitions(&self) -> bool {
        self.consumer.assignment().is_ok_and(|assigned| assigned.count() > 0)
    }
}

/// Where to begin in every partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Beginning,
    End,
    /// This many records before the end, in each partition.
    Last(Offset),
    Offset(Offset),
}

/// Reads a topic's partitions without a group.
pub struct Reader {
    connection: Connection,
    consumer: BaseConsumer,
}

impl Reader {
    /// Reads partitions 0 to `partitions` - 1, or only `partition`.
    pub fn new(
        connection: &Connection,
        topic: &str,
        partitions: impl Iterator<Item = PartitionIndex>,
        start: Start,
    ) -> Result<Reader, TopicsError> {
        let failed = |error| connection.failed("read the topic", &error);
        let mut config = reading(connection);
        config
            .set("group.id", "rivulet-reader")
            .set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().map_err(failed)?;
        let offset = match start {
            Start::Beginning => KafkaOffset::Beginning,
            Start::End => KafkaOffset::End,
            Start::Last(count) => KafkaOffset::OffsetTail(count),
            Start::Offset(offset) => KafkaOffset::Offset(offset),
        };
        let mut assigned = TopicPartitionList::new();
        for partition in partitions {
            assigned
                .add_partition_offset(topic, partition, offset)
                .map_err(failed)?;
        }
        consumer.assign(&assigned).map_err(failed)?;
        Ok(Reader {
            connection: connection.clone(),
            consumer,
        })
    }

    /// Waits for the next thing: a record, or the news that a partition has no more for now.
    pub fn next(&self, wait: Duration) -> Result<Option<Next>, TopicsError> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(Next::Record(take(&message)))),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Some(Next::End(partition))),
            Some(Err(error)) => Err(self.connection.failed("read the topic", &error)),
        }
    }
}

/// What a [`Reader`] came upon.
#[derive(Clone, Debug)]
pub enum Next {
    Record(Consumed),
    /// This partition was read to its end as of now.
    End(PartitionIndex),
}
