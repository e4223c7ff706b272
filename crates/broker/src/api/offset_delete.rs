//! OffsetDelete: a group forgets offsets of topics it does not read.

use std::sync::Arc;

use log::Op;
use wire::ErrorCode;
use wire::messages::offset_delete_request::OffsetDeleteRequest;
use wire::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::Context;
use crate::Broker;
use crate::group::{AnyGroup, State};
use crate::tables;

pub(crate) async fn handle(broker: Arc<Broker>, _: Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let refused = |error: ErrorCode| OffsetDeleteResponse {
        error_code: error.code(),
        ..OffsetDeleteResponse::default()
    };
    if request.group_id.is_empty() {
        return refused(ErrorCode::InvalidGroupId);
    }
    if tables::is_job(&broker.log, &request.group_id) {
        return refused(ErrorCode::NonEmptyGroup);
    }
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let subscribed = match broker.coordinator.look(&request.group_id, |group| in_use(group, names)) {
        None => return refused(ErrorCode::GroupIdNotFound),
        Some(Err(error)) => return refused(error),
        Some(Ok(subscribed)) => subscribed,
    };
    let mut ops = Vec::new();
    let mut response = OffsetDeleteResponse::default();
    for topic in request.topics {
        let known = broker.catalog.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition_index;
            let error = match &known {
                Some(known) if known.partition(index).is_some() => {
                    if subscribed.contains(&topic.name) {
                        ErrorCode::GroupSubscribedToTopic
                    } else {
                        let key = tables::offset_key(&request.group_id, &topic.name, index);
                        ops.push(Op::Put {
                            table: tables::OFFSETS,
                            key,
                            value: None,
                        });
                        ErrorCode::None
                    }
                }
                _ => ErrorCode::UnknownTopicOrPartition,
            };
            partitions.push(OffsetDeleteResponsePartition {
                partition_index: index,
                error_code: error.code(),
            });
        }
        response.topics.push(OffsetDeleteResponseTopic {
            name: topic.name,
            partitions,
        });
    }
    match broker.coordinator.change_offsets(ops).await {
        Ok(()) => response,
        Err(error) => {
            tracing::error!(group = request.group_id, "offsets are not deleted: {error}");
            refused(ErrorCode::CoordinatorNotAvailable)
        }
    }
}

/// Those of the topics whose offsets the members need; groups of an unknown kind may need any.
fn in_use(group: &AnyGroup, topics: Vec<String>) -> Result<Vec<String>, ErrorCode> {
    let group = match group {
        AnyGroup::Classic(group) => group,
        AnyGroup::Share(_) => return Err(ErrorCode::GroupIdNotFound),
        AnyGroup::Streams(group) => {
            return Ok(topics.into_iter().filter(|topic| group.is_subscribed(topic)).collect());
        }
        AnyGroup::Consumer(group) => {
            return Ok(topics.into_iter().filter(|topic| group.is_subscribed(topic)).collect());
        }
    };
    match group.state() {
        State::Empty => Ok(Vec::new()),
        _ if group.is_consumer() => {
            let subscribed = group.subscribed_topics().ok_or(ErrorCode::NonEmptyGroup)?;
            Ok(topics.into_iter().filter(|topic| subscribed.contains(topic)).collect())
        }
        _ => Err(ErrorCode::NonEmptyGroup),
    }
}
