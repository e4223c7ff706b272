//! DeleteShareGroupOffsets: a share group that nobody is in forgets what it has read of topics.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequest;
use wire::messages::delete_share_group_offsets_response::{
    DeleteShareGroupOffsetsResponse, DeleteShareGroupOffsetsResponseTopic,
};

use super::Context;
use crate::Broker;
use crate::group::Kind;
use crate::share::Place;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DeleteShareGroupOffsetsRequest,
) -> DeleteShareGroupOffsetsResponse {
    let group = request.group_id;
    let refused = |error: ErrorCode, message: String| DeleteShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: Some(message),
        ..DeleteShareGroupOffsetsResponse::default()
    };
    if group.is_empty() {
        return refused(ErrorCode::InvalidGroupId, "a share group has a name".to_owned());
    }
    match broker
        .coordinator
        .look(&group, |group| (group.kind(), group.is_vacant()))
    {
        None => return refused(ErrorCode::GroupIdNotFound, format!("Group {group} not found.")),
        Some((Kind::Share, true)) => {}
        Some((Kind::Share, false)) => {
            return refused(ErrorCode::NonEmptyGroup, "The group is not empty.".to_owned());
        }
        Some(_) => {
            return refused(
                ErrorCode::GroupIdNotFound,
                format!("Group {group} is not a share group."),
            );
        }
    }
    let read = broker.shares.places(&group);
    let mut gone: Vec<Place> = Vec::new();
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut answer = DeleteShareGroupOffsetsResponseTopic {
            topic_name: topic.topic_name,
            ..DeleteShareGroupOffsetsResponseTopic::default()
        };
        let known = broker.catalog.topic(&answer.topic_name);
        let places = read
            .iter()
            .copied()
            .filter(|place| known.as_ref().is_some_and(|topic| topic.id == place.0));
        let places: Vec<Place> = places.collect();
        let why = match &known {
            None => Some("This server does not host this topic-partition."),
            Some(_) if places.is_empty() => Some("There is no offset information to delete."),
            Some(topic) => {
                answer.topic_id = topic.id;
                None
            }
        };
        if let Some(why) = why {
            answer.error_code = ErrorCode::UnknownTopicOrPartition.code();
            answer.error_message = Some(why.to_owned());
        }
        gone.extend(places);
        responses.push(answer);
    }
    match broker.shares.forget(&group, &gone).await {
        Ok(()) => DeleteShareGroupOffsetsResponse {
            responses,
            ..DeleteShareGroupOffsetsResponse::default()
        },
        Err(error) => {
            tracing::error!(group, "share offsets are not deleted: {error}");
            refused(ErrorCode::KafkaStorageError, "the change cannot be stored".to_owned())
        }
    }
}
