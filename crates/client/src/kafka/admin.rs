//! Topics and groups of a cluster: list, describe, create, delete.
//!
//! Calls block: commands have nothing else to do meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{ErrorKind, Offset, PartitionIndex};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic as KafkaTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::Connection;
use crate::{Bounds, NewTopic, TopicsError};

/// How long one question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A topic with what is known of its partitions.
#[derive(Clone, Debug)]
pub struct TopicDescription {
    pub name: String,
    pub partitions: PartitionIndex,
}

/// A consumer group as the cluster lists it.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub state: String,
    pub protocol: String,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    pub client_id: String,
    pub host: String,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub topic: String,
    pub partition: PartitionIndex,
    pub committed: Offset,
    pub end: Offset,
}

/// A connection for administration.
pub struct Admin {
    connection: Connection,
    admin: AdminClient<DefaultClientContext>,
    consumer: BaseConsumer,
}

impl Admin {
    pub fn new(connection: &Connection) -> Result<Admin, TopicsError> {
        connection.check_reachable()?;
        let failed = |error| connection.failed("connect", &error);
        let admin = connection.config().create().map_err(failed)?;
        let consumer = connection.config().create().map_err(failed)?;
        Ok(Admin {
            connection: connection.clone(),
            admin,
            consumer,
        })
    }

    /// Every topic, sorted by name.
    pub fn topics(&self) -> Result<Vec<TopicDescription>, TopicsError> {
        let metadata = self.consumer.fetch_metadata(None, ASK_TIMEOUT);
        let metadata = metadata.map_err(|error| self.connection.failed("list topics", &error))?;
        let mut topics: Vec<TopicDescription> = metadata
            .topics()
            .iter()
            .map(|topic| TopicDescription {
                name: topic.name().to_owned(),
                partitions: topic.partitions().len() as PartitionIndex,
            })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    pub fn topic(&self, name: &str) -> Result<TopicDescription, TopicsError> {
        let found = self.topics()?.into_iter().find(|topic| topic.name == name);
        found.ok_or_else(|| TopicsError::new(ErrorKind::NotFound, format!("there is no topic `{name}`")))
    }

    pub fn bounds(&self, topic: &str, partition: PartitionIndex) -> Result<Bounds, TopicsError> {
        let marks = self.consumer.fetch_watermarks(topic, partition, ASK_TIMEOUT);
        let (start, end) = marks.map_err(|error| self.connection.failed("read the topic's bounds", &error))?;
        Ok(Bounds { start, end })
    }

    /// The topic's settings with their values; those set on the topic itself come with `true`.
    pub async fn settings(&self, topic: &str) -> Result<BTreeMap<String, (String, bool)>, TopicsError> {
        let answers = self
            .admin
            .describe_configs(&[ResourceSpecifier::Topic(topic)], &options())
            .await;
        let failed = |error| self.connection.failed("describe the topic", &error);
        let mut settings = BTreeMap::new();
        for answer in answers.map_err(failed)? {
            let resource = answer.map_err(|code| failed(rdkafka::error::KafkaError::AdminOp(code)))?;
            for entry in resource.entries {
                let own = matches!(entry.source, rdkafka::admin::ConfigSource::DynamicTopic);
                settings.insert(entry.name, (entry.value.unwrap_or_default(), own));
            }
        }
        Ok(settings)
    }

    pub async fn create(&self, topic: &NewTopic) -> Result<(), TopicsError> {
        let mut new = KafkaTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(-1));
        for (name, value) in &topic.settings {
            new = new.set(name, value);
        }
        let doing = format!("create topic `{}`", topic.name);
        let answers = self.admin.create_topics(&[new], &options()).await;
        self.only(&doing, answers)
    }

    /// Replaces what is set on the topic itself.
    pub async fn set_settings(&self, topic: &str, settings: BTreeMap<String, String>) -> Result<(), TopicsError> {
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in &settings {
            wanted = wanted.set(name, value);
        }
        let answers = self.admin.alter_configs([&wanted], &options()).await;
        let failed = |error| {
            self.connection
                .failed(&format!("set the settings of `{topic}`"), &error)
        };
        match answers.map_err(failed)?.into_iter().next() {
            Some(Err((_, code))) => Err(failed(rdkafka::error::KafkaError::AdminOp(code))),
            _ => Ok(()),
        }
    }

    pub async fn delete(&self, topic: &str) -> Result<(), TopicsError> {
        let answers = self.admin.delete_topics(&[topic], &options()).await;
        self.only(&format!("delete topic `{topic}`"), answers)
    }

    pub async fn add_partitions(&self, topic: &str, total: PartitionIndex) -> Result<(), TopicsError> {
        let answers = self
            .admin
            .create_partitions(&[NewPartitions::new(topic, total as usize)], &options())
            .await;
        self.only(&format!("add partitions to `{topic}`"), answers)
    }

    /// Every group, sorted by name; or the one named.
    pub fn groups(&self, name: Option<&str>) -> Result<Vec<Group>, TopicsError> {
        let list = self.consumer.fetch_group_list(name, ASK_TIMEOUT);
        let list = list.map_err(|error| self.connection.failed("list groups", &error))?;
        let mut groups: Vec<Group> = list
            .groups()
            .iter()
            .map(|group| Group {
                name: group.name().to_owned(),
                state: group.state().to_owned(),
                protocol: group.protocol().to_owned(),
                members: group
                    .members()
                    .iter()
                    .map(|member| Member {
                        id: member.id().to_owned(),
                        client_id: member.client_id().to_owned(),
                        host: member.client_host().to_owned(),
                    })
                    .collect(),
            })
            .collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// What a group has committed, over all topics there are.
    pub fn group_offsets(&self, group: &str) -> Result<Vec<GroupOffset>, TopicsError> {
        let failed = |error| self.connection.failed("read the group's offsets", &error);
        let consumer: BaseConsumer = self
            .connection
            .config()
            .set("group.id", group)
            .create()
            .map_err(failed)?;
        let mut asked = TopicPartitionList::new();
        for topic in self.topics()? {
            asked.add_partition_range(&topic.name, 0, topic.partitions - 1);
        }
        let committed = consumer.committed_offsets(asked, ASK_TIMEOUT).map_err(failed)?;
        let mut offsets = Vec::new();
        for element in committed.elements() {
            if let rdkafka::Offset::Offset(committed) = element.offset() {
                let end = self.bounds(element.topic(), element.partition())?.end;
                let (topic, partition) = (element.topic().to_owned(), element.partition());
                offsets.push(GroupOffset {
                    topic,
                    partition,
                    committed,
                    end,
                });
            }
        }
        Ok(offsets)
    }

    fn only(
        &self,
        doing: &str,
        answers: rdkafka::error::KafkaResult<Vec<rdkafka::admin::TopicResult>>,
    ) -> Result<(), TopicsError> {
        let answers = answers.map_err(|error| self.connection.failed(doing, &error))?;
        match answers.into_iter().next() {
            Some(Err((_, code))) => Err(self
                .connection
                .failed(doing, &rdkafka::error::KafkaError::AdminOp(code))),
            _ => Ok(()),
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(ASK_TIMEOUT))
        .request_timeout(Some(ASK_TIMEOUT))
}
