//! What is played at both brokers, a file a subject; every scenario makes the topics and groups it needs.

mod admin;
mod admin_client;
mod classic_groups;
mod compaction;
mod consumer_groups;
mod every_api;
mod fetch;
mod offsets;
mod produce;
mod share_groups;
mod streams_groups;
mod streams_topologies;
mod telemetry;
mod tools;
mod topics;
mod transactions;

use bytes::Bytes;
use wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::delete_topics_request::DeleteTopicsRequest;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::{BatchBuilder, Compression, NewRecord};

use super::Observer;

pub const TIME: i64 = 1_700_000_000_000;

type Scenario = (&'static str, fn(&mut Observer));

/// What is played at one broker that nobody else has touched, in this order.
pub struct Stage {
    pub name: &'static str,
    /// What else Rivulet is started with.
    pub settings: &'static [&'static str],
    scenarios: &'static [Scenario],
}

impl Stage {
    /// Whether any of its scenarios has `only` in its name.
    pub fn has(&self, only: &str) -> bool {
        self.scenarios.iter().any(|(name, _)| name.contains(only))
    }

    /// Whether a scenario is one of its own.
    pub fn plays(&self, scenario: &str) -> bool {
        self.scenarios.iter().any(|(name, _)| *name == scenario)
    }
}

pub const STAGES: &[Stage] = &[
    Stage {
        name: "raw requests",
        settings: &[],
        scenarios: RAW,
    },
    Stage {
        name: "streams groups",
        settings: &[],
        scenarios: &[("streams groups", streams_groups::play)],
    },
    Stage {
        name: "client telemetry",
        settings: &["--set", "client.telemetry.topic=client-metrics"],
        scenarios: &[("telemetry", telemetry::play)],
    },
    Stage {
        name: "the cleaner",
        settings: &[],
        scenarios: &[("compaction", compaction::play)],
    },
    Stage {
        name: "Java's admin client",
        settings: &[],
        scenarios: &[("admin client", admin_client::play)],
    },
    Stage {
        name: "Kafka's tools",
        settings: &[],
        scenarios: &[("tools", tools::play)],
    },
];

const RAW: &[Scenario] = &[
    ("every api", every_api::play),
    ("topics", topics::play),
    ("produce", produce::play),
    ("fetch", fetch::play),
    ("offsets", offsets::play),
    ("transactions", transactions::play),
    ("classic groups", classic_groups::play),
    ("consumer groups", consumer_groups::play),
    ("share groups", share_groups::play),
    ("admin", admin::play),
];

/// Plays every scenario of a stage, or those whose name contains `only`.
pub fn play(stage: &Stage, observer: &mut Observer, only: &str) {
    warm_up(observer);
    for (name, scenario) in stage.scenarios.iter().filter(|(name, _)| name.contains(only)) {
        observer.begin(name);
        scenario(observer);
    }
}

/// A fresh Kafka makes its internal topics and hands out its first producer ids when first asked: ask until it has, so
/// that no answer depends on how quick it was.
fn warm_up(observer: &mut Observer) {
    let group = FindCoordinatorRequest {
        coordinator_keys: vec!["warm-up".into()],
        ..Default::default()
    };
    let transaction = FindCoordinatorRequest {
        key_type: 1,
        ..group.clone()
    };
    let producer = |transactional_id: Option<&str>| InitProducerIdRequest {
        transactional_id: transactional_id.map(str::to_owned),
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    for request in [group, transaction] {
        observer.wait(4, &request, |answer| {
            answer.coordinators.iter().all(|found| found.error_code == 0)
        });
    }
    for request in [producer(None), producer(Some("warm-up"))] {
        observer.wait(4, &request, |answer| answer.error_code == 0);
    }
    create(observer, "warm-up", 1, &[]);
    let commit = offsets::commit(9, "warm-up", ("warm-up", [0; 16]), 1);
    observer.wait(9, &commit, |answer| {
        answer
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|partition| partition.error_code == 0)
    });
    observer.wait(
        2,
        &DeleteGroupsRequest {
            groups_names: vec!["warm-up".into()],
        },
        |answer| answer.results.iter().all(|deleted| deleted.error_code == 0),
    );
    let topics = DeleteTopicsRequest {
        topic_names: vec!["warm-up".into()],
        timeout_ms: 10_000,
        ..Default::default()
    };
    observer.quietly(5, &topics);
}

/// Appends records that later steps read.
fn fill(observer: &mut Observer, topic: (&str, [u8; 16]), records: &Bytes) {
    let request = to_partition(9, topic, 0, Some(records.clone()));
    observer.wait(9, &request, |answer| {
        answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses)
            .all(|partition| partition.error_code == 0)
    });
}

fn new_topic(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let configs = configs.iter().map(|&(name, value)| CreatableTopicConfig {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    });
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    }
}

/// Makes a topic that keeps records however old they are, and waits until it can be used; gives its id.
fn create(observer: &mut Observer, name: &str, partitions: i32, configs: &[(&str, &str)]) -> [u8; 16] {
    let configs = [
        &[
            ("retention.ms", "-1"),
            ("message.timestamp.after.max.ms", "9223372036854775807"),
        ],
        configs,
    ]
    .concat();
    let request = CreateTopicsRequest {
        topics: vec![new_topic(name, partitions, &configs)],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let made = observer.quietly(7, &request);
    let metadata = MetadataRequest {
        allow_auto_topic_creation: false,
        ..metadata_of(name)
    };
    let answer = observer.wait(12, &metadata, |answer| {
        answer.topics.first().is_some_and(|topic| {
            topic.error_code == 0
                && topic.partitions.len() == partitions as usize
                && topic.partitions.iter().all(|partition| partition.error_code == 0)
        })
    });
    // Kafka tells clients of a topic a little before its partitions can be used.
    let ends = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: name.to_owned(),
            partitions: (0..partitions)
                .map(|partition_index| ListOffsetsPartition {
                    partition_index,
                    current_leader_epoch: -1,
                    timestamp: -1,
                })
                .collect(),
        }],
        ..Default::default()
    };
    observer.wait(7, &ends, |answer| {
        answer
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|partition| partition.error_code == 0)
    });
    let topic = answer.and_then(|answer| answer.topics.into_iter().next());
    topic
        .unwrap_or_else(|| panic!("topic `{name}` does not come up: {made:?}"))
        .topic_id
}

fn metadata_of(name: &str) -> MetadataRequest {
    MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name.to_owned()),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

/// A producer's part of a batch: id, epoch, first sequence.
type Sequence = (i64, i16, i32);

fn batch(count: usize) -> Bytes {
    batch_from(BatchBuilder::new(Compression::None), count)
}

fn batch_of((id, epoch, sequence): Sequence, count: usize) -> Bytes {
    batch_from(
        BatchBuilder::new(Compression::None).producer(id, epoch, sequence),
        count,
    )
}

fn transactional_batch((id, epoch, sequence): Sequence, count: usize) -> Bytes {
    let builder = BatchBuilder::new(Compression::None).producer(id, epoch, sequence);
    batch_from(builder.transactional(), count)
}

fn batch_from(mut builder: BatchBuilder, count: usize) -> Bytes {
    for record in 0..count {
        builder.push(NewRecord {
            timestamp: TIME + record as i64,
            key: Some(format!("key-{record}").as_bytes()),
            value: Some(format!("value-{record}").as_bytes()),
            headers: &[],
        });
    }
    builder.build().expect("a batch of a few records")
}

/// A produce request to one partition, by name or by id as the version wants it.
fn to_partition(version: i16, topic: (&str, [u8; 16]), partition: i32, records: Option<Bytes>) -> ProduceRequest {
    let by_id = version >= 13;
    ProduceRequest {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: if by_id { String::new() } else { topic.0.to_owned() },
            topic_id: if by_id { topic.1 } else { [0; 16] },
            partition_data: vec![PartitionProduceData {
                index: partition,
                records,
            }],
        }],
        ..Default::default()
    }
}
