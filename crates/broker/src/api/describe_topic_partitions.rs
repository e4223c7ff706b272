//! DescribeTopicPartitions: topics page by page, sorted by name.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};

use super::{Context, LEADER_EPOCH, TOPIC_OPERATIONS};
use crate::Broker;

/// `max.request.partition.size.limit`.
const PARTITIONS_MAX: i32 = 2_000;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let mut names: Vec<String> = request.topics.into_iter().map(|topic| topic.name).collect();
    if names.is_empty() {
        names = broker
            .catalog
            .topics()
            .iter()
            .map(|topic| topic.name.to_string())
            .collect();
    }
    names.sort_unstable();
    names.dedup();
    let mut first_partition = 0;
    if let Some(refused) = request.cursor.as_ref().and_then(|cursor| refused(&names, cursor)) {
        return refused;
    }
    if let Some(cursor) = &request.cursor {
        names.retain(|name| *name >= cursor.topic_name);
        if names.first() == Some(&cursor.topic_name) {
            first_partition = usize::try_from(cursor.partition_index).unwrap_or(0);
        }
    }
    let mut left = request.response_partition_limit.clamp(1, PARTITIONS_MAX) as usize;
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        let from = std::mem::take(&mut first_partition);
        if left == 0 {
            response.next_cursor = Some(Cursor {
                topic_name: name,
                partition_index: from as i32,
            });
            break;
        }
        let (topic, taken, more) = describe(&broker, name, from, left);
        left -= taken;
        let cursor = more.then(|| Cursor {
            topic_name: topic.name.clone().unwrap_or_default(),
            partition_index: (from + taken) as i32,
        });
        response.topics.push(topic);
        if cursor.is_some() {
            response.next_cursor = cursor;
            break;
        }
    }
    response
}

/// A cursor that points nowhere: before a topic's first partition, or behind all that was asked for.
fn refused(
    names: &[String],
    cursor: &wire::messages::describe_topic_partitions_request::Cursor,
) -> Option<DescribeTopicPartitionsResponse> {
    let is_behind = names.last().is_some_and(|last| *last < cursor.topic_name);
    if cursor.partition_index >= 0 && !is_behind {
        return None;
    }
    let refused = |name: &String| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    Some(DescribeTopicPartitionsResponse {
        topics: names.iter().map(refused).collect(),
        ..DescribeTopicPartitionsResponse::default()
    })
}

/// Up to `limit` partitions of one topic; how many there were, and whether more remain.
fn describe(
    broker: &Broker,
    name: String,
    from: usize,
    limit: usize,
) -> (DescribeTopicPartitionsResponseTopic, usize, bool) {
    let Some(topic) = broker.catalog.topic(&name) else {
        let error = match base::topic_name::check(&name) {
            Ok(()) => ErrorCode::UnknownTopicOrPartition,
            Err(_) => ErrorCode::InvalidTopicException,
        };
        let absent = DescribeTopicPartitionsResponseTopic {
            error_code: error.code(),
            name: Some(name),
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..DescribeTopicPartitionsResponseTopic::default()
        };
        return (absent, 0, false);
    };
    let until = topic.partitions.len().min(from.saturating_add(limit));
    let partitions: Vec<_> = (from..until)
        .map(|index| {
            let replicas = broker.replicas_of(&topic, index);
            DescribeTopicPartitionsResponsePartition {
                partition_index: index as i32,
                leader_id: replicas[0],
                leader_epoch: LEADER_EPOCH,
                isr_nodes: replicas.clone(),
                replica_nodes: replicas,
                eligible_leader_replicas: Some(Vec::new()),
                last_known_elr: Some(Vec::new()),
                ..DescribeTopicPartitionsResponsePartition::default()
            }
        })
        .collect();
    let taken = partitions.len();
    let present = DescribeTopicPartitionsResponseTopic {
        name: Some(name),
        topic_id: topic.id,
        is_internal: topic.internal,
        partitions,
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    (present, taken, until < topic.partitions.len())
}
