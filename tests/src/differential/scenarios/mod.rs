//! What is played at both brokers, a file a subject; every scenario makes the topics and groups it needs.

mod admin;
mod classic_groups;
mod consumer_groups;
mod every_api;
mod fetch;
mod offsets;
mod produce;
mod share_groups;
mod topics;
mod transactions;

use bytes::Bytes;
use wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::{BatchBuilder, Compression, NewRecord};

use super::Observer;

pub const TIME: i64 = 1_700_000_000_000;

type Scenario = (&'static str, fn(&mut Observer));

/// In the order they are played.
const SCENARIOS: &[Scenario] = &[
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

/// Plays every scenario, or those whose name contains `only`.
pub fn play(observer: &mut Observer, only: &str) {
    for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| name.contains(only)) {
        observer.begin(name);
        scenario(observer);
    }
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
    let configs = [&[("retention.ms", "-1"), ("message.timestamp.after.max.ms", "9223372036854775807")], configs].concat();
    let request = CreateTopicsRequest {
        topics: vec![new_topic(name, partitions, &configs)],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let made = observer.quietly(7, &request);
    let metadata = metadata_of(name);
    for _ in 0..500 {
        let answer = observer.quietly(12, &metadata).unwrap_or_default();
        if let Some(topic) = answer.topics.first()
            && topic.error_code == 0
            && topic.partitions.len() == partitions as usize
            && topic.partitions.iter().all(|partition| partition.error_code == 0)
        {
            return topic.topic_id;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("topic `{name}` does not come up: {made:?}\n{:?}", observer.quietly(12, &metadata));
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
    batch_from(BatchBuilder::new(Compression::None).producer(id, epoch, sequence), count)
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
