//! DescribeShareGroupOffsets: how far share groups have read.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
};
use wire::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition, DescribeShareGroupOffsetsResponseTopic,
};

use super::{Context, LEADER_EPOCH};
use crate::Broker;
use crate::group::AnyGroup;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DescribeShareGroupOffsetsRequest,
) -> DescribeShareGroupOffsetsResponse {
    DescribeShareGroupOffsetsResponse {
        groups: request
            .groups
            .into_iter()
            .map(|group| describe(&broker, group))
            .collect(),
        ..DescribeShareGroupOffsetsResponse::default()
    }
}

fn describe(broker: &Broker, asked: DescribeShareGroupOffsetsRequestGroup) -> DescribeShareGroupOffsetsResponseGroup {
    let group = asked.group_id;
    let topics = match asked.topics {
        Some(topics) => topics
            .into_iter()
            .map(|topic| of_topic(broker, &group, topic.topic_name, topic.partitions))
            .collect(),
        None => everything(broker, &group),
    };
    DescribeShareGroupOffsetsResponseGroup {
        group_id: group,
        topics,
        ..DescribeShareGroupOffsetsResponseGroup::default()
    }
}

/// Whatever the group has read, or subscribes to.
fn everything(broker: &Broker, group: &str) -> Vec<DescribeShareGroupOffsetsResponseTopic> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    let mut add = |topic: [u8; 16], partition: i32| {
        if let Some(topic) = broker.catalog.topic_by_id(topic) {
            let partitions = topics.entry(topic.name.to_string()).or_default();
            if !partitions.contains(&partition) {
                partitions.push(partition);
            }
        }
    };
    for (topic, partition) in broker.shares.places(group) {
        add(topic, partition);
    }
    let subscribed = broker.coordinator.look(group, |group| match group {
        AnyGroup::Share(group) if !group.is_vacant() => group.topics().collect(),
        _ => Vec::new(),
    });
    for (topic, count) in subscribed.unwrap_or_default() {
        (0..count).for_each(|partition| add(topic, partition));
    }
    let mut described = Vec::with_capacity(topics.len());
    for (name, mut partitions) in topics {
        partitions.sort_unstable();
        described.push(of_topic(broker, group, name, partitions));
    }
    described
}

fn of_topic(
    broker: &Broker,
    group: &str,
    topic_name: String,
    partitions: Vec<i32>,
) -> DescribeShareGroupOffsetsResponseTopic {
    let topic = broker.catalog.topic(&topic_name);
    let describe_one = |partition_index: i32| {
        let mut described = DescribeShareGroupOffsetsResponsePartition {
            partition_index,
            start_offset: -1,
            leader_epoch: LEADER_EPOCH,
            lag: -1,
            ..DescribeShareGroupOffsetsResponsePartition::default()
        };
        match &topic {
            None => {
                described.error_code = ErrorCode::UnknownTopicOrPartition.code();
                described.error_message = Some("This server does not host this topic-partition.".to_owned());
            }
            Some(topic) => {
                if let Some(shown) = broker.shares.show(group, (topic.id, partition_index)) {
                    described.start_offset = shown.start;
                    described.lag = shown.lag;
                }
            }
        }
        described
    };
    DescribeShareGroupOffsetsResponseTopic {
        topic_id: topic.as_ref().map_or([0; 16], |topic| topic.id),
        partitions: partitions.into_iter().map(describe_one).collect(),
        topic_name,
    }
}
