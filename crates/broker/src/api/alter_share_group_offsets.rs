//! AlterShareGroupOffsets: lets a share group that nobody is in go on from other offsets.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::alter_share_group_offsets_request::AlterShareGroupOffsetsRequest;
use wire::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponse, AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};

use super::Context;
use crate::Broker;
use crate::group::AnyGroup;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: AlterShareGroupOffsetsRequest,
) -> AlterShareGroupOffsetsResponse {
    let group = request.group_id;
    let refused = |error: ErrorCode, message: String| AlterShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: Some(message),
        ..AlterShareGroupOffsetsResponse::default()
    };
    if group.is_empty() {
        return refused(ErrorCode::InvalidGroupId, "a share group has a name".to_owned());
    }
    match broker.coordinator.keep_share_group(&group) {
        Ok(()) => {}
        Err(ErrorCode::GroupIdNotFound) => {
            return refused(
                ErrorCode::GroupIdNotFound,
                format!("Group {group} is not a share group."),
            );
        }
        Err(error) => return refused(error, "there is no room for a group".to_owned()),
    }
    if broker.coordinator.look(&group, AnyGroup::is_vacant) != Some(true) {
        return refused(ErrorCode::NonEmptyGroup, "The group is not empty.".to_owned());
    }
    let mut starts = Vec::new();
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = broker.catalog.topic(&topic.topic_name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition_index;
            let mut answer = AlterShareGroupOffsetsResponsePartition {
                partition_index: index,
                ..AlterShareGroupOffsetsResponsePartition::default()
            };
            match known.as_ref().filter(|topic| topic.partition(index).is_some()) {
                Some(topic) => starts.push(((topic.id, index), partition.start_offset)),
                None => {
                    answer.error_code = ErrorCode::UnknownTopicOrPartition.code();
                    answer.error_message = Some("This server does not host this topic-partition.".to_owned());
                }
            }
            partitions.push(answer);
        }
        responses.push(AlterShareGroupOffsetsResponseTopic {
            topic_id: known.map_or([0; 16], |topic| topic.id),
            topic_name: topic.topic_name,
            partitions,
        });
    }
    match broker.shares.restart_at(&group, &starts).await {
        Ok(()) => AlterShareGroupOffsetsResponse {
            responses,
            ..AlterShareGroupOffsetsResponse::default()
        },
        Err(error) => {
            tracing::error!(group, "share offsets are not altered: {error}");
            refused(ErrorCode::KafkaStorageError, "the offsets cannot be stored".to_owned())
        }
    }
}
