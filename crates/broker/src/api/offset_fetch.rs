//! OffsetFetch: how far groups have read.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::Context;
use crate::Broker;
use crate::partitions::TopicKey;
use crate::tables::{self, Committed};

/// The first version that asks for several groups.
const BATCHED_FROM: i16 = 8;
/// Topics are named by id from this version on.
const IDS_FROM: i16 = 10;

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let by_id = context.version >= IDS_FROM;
    if context.version >= BATCHED_FROM {
        let groups = request
            .groups
            .into_iter()
            .map(|group| fetch(&broker, by_id, request.require_stable, group))
            .collect();
        return OffsetFetchResponse {
            groups,
            ..OffsetFetchResponse::default()
        };
    }
    // The same question in its old form.
    let topics = request.topics.map(|topics| {
        let renamed = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..OffsetFetchRequestTopics::default()
        });
        renamed.collect()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics,
        ..OffsetFetchRequestGroup::default()
    };
    let topics = fetch(&broker, by_id, request.require_stable, group)
        .topics
        .into_iter()
        .map(|topic| OffsetFetchResponseTopic {
            name: topic.name,
            partitions: topic.partitions.into_iter().map(old_form).collect(),
        });
    OffsetFetchResponse {
        topics: topics.collect(),
        ..OffsetFetchResponse::default()
    }
}

fn old_form(partition: OffsetFetchResponsePartitions) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    }
}

/// With `stable`, an offset that an open transaction may change is not told (KIP-447).
fn fetch(broker: &Broker, by_id: bool, stable: bool, asked: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let group = asked.group_id;
    if asked.member_id.is_some() || asked.member_epoch >= 0 {
        let member_id = asked.member_id.unwrap_or_default();
        let allowed = broker
            .coordinator
            .look(&group, |group| group.may_fetch(&member_id, asked.member_epoch));
        if let Some(error) = allowed.filter(|error| !error.is_none()) {
            return OffsetFetchResponseGroup {
                group_id: group,
                error_code: error.code(),
                ..OffsetFetchResponseGroup::default()
            };
        }
    }
    let topics = match asked.topics {
        None => everything(broker, by_id, stable, &group),
        Some(topics) => topics
            .into_iter()
            .map(|topic| of_topic(broker, by_id, stable, &group, topic))
            .collect(),
    };
    OffsetFetchResponseGroup {
        group_id: group,
        topics,
        ..OffsetFetchResponseGroup::default()
    }
}

fn of_topic(
    broker: &Broker,
    by_id: bool,
    stable: bool,
    group: &str,
    asked: OffsetFetchRequestTopics,
) -> OffsetFetchResponseTopics {
    let key = TopicKey::new(by_id, asked.name, asked.topic_id);
    let name = match &key {
        TopicKey::Name(name) => Ok(name.clone()),
        TopicKey::Id(_) => key.find(&broker.catalog).map(|topic| topic.name.to_string()),
    };
    let answer = |index: i32| match &name {
        Err(error) => none(index, *error),
        Ok(name) if stable && broker.transactions.is_pending(group, name, index) => {
            none(index, ErrorCode::UnstableOffsetCommit)
        }
        Ok(name) => match broker.log.get(tables::OFFSETS, &tables::offset_key(group, name, index)) {
            Some(value) => some(index, &value),
            None => none(index, ErrorCode::None),
        },
    };
    OffsetFetchResponseTopics {
        name: key.name(),
        topic_id: key.id(),
        partitions: asked.partition_indexes.into_iter().map(answer).collect(),
    }
}

fn everything(broker: &Broker, by_id: bool, stable: bool, group: &str) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: BTreeMap<String, Vec<OffsetFetchResponsePartitions>> = BTreeMap::new();
    for (key, value) in broker.log.scan(tables::OFFSETS, &tables::prefix(group)) {
        if let Some((_, topic, index)) = tables::split_offset_key(&key) {
            let told = if stable && broker.transactions.is_pending(group, topic, index) {
                none(index, ErrorCode::UnstableOffsetCommit)
            } else {
                some(index, &value)
            };
            topics.entry(topic.to_owned()).or_default().push(told);
        }
    }
    let named = topics.into_iter().filter_map(|(name, partitions)| {
        if !by_id {
            return Some(OffsetFetchResponseTopics {
                name,
                topic_id: [0; 16],
                partitions,
            });
        }
        // Offsets of a topic that is gone have no id to be named by.
        let topic_id = broker.catalog.topic(&name)?.id;
        Some(OffsetFetchResponseTopics {
            name: String::new(),
            topic_id,
            partitions,
        })
    });
    named.collect()
}

fn some(partition_index: i32, value: &bytes::Bytes) -> OffsetFetchResponsePartitions {
    match Committed::decode(value) {
        Ok(committed) => OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata),
            error_code: ErrorCode::None.code(),
        },
        Err(error) => {
            tracing::error!("a committed offset cannot be read: {error}");
            none(partition_index, ErrorCode::CoordinatorNotAvailable)
        }
    }
}

fn none(partition_index: i32, error: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code: error.code(),
    }
}
