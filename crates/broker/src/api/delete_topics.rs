//! DeleteTopics: by name, or by id from version 6.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use wire::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};

use super::Context;
use crate::{Broker, errors};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let mut wanted = request.topics;
    if context.version < 6 {
        let named = |name| DeleteTopicState {
            name: Some(name),
            ..DeleteTopicState::default()
        };
        wanted = request.topic_names.into_iter().map(named).collect();
    }
    let mut responses = Vec::with_capacity(wanted.len());
    for topic in wanted {
        responses.push(delete(&broker, topic).await);
    }
    DeleteTopicsResponse {
        responses,
        ..DeleteTopicsResponse::default()
    }
}

async fn delete(broker: &Broker, wanted: DeleteTopicState) -> DeletableTopicResult {
    let by_id = wanted.name.is_none();
    let found = match &wanted.name {
        Some(name) => broker.catalog.topic(name),
        None => broker.catalog.topic_by_id(wanted.topic_id),
    };
    let mut result = DeletableTopicResult {
        name: wanted.name,
        topic_id: wanted.topic_id,
        ..DeletableTopicResult::default()
    };
    let Some(topic) = found else {
        let code = if by_id {
            ErrorCode::UnknownTopicId
        } else {
            ErrorCode::UnknownTopicOrPartition
        };
        result.error_code = code.code();
        result.error_message = Some("This server does not host this topic.".to_owned());
        return result;
    };
    result.name = Some(topic.name.to_string());
    result.topic_id = topic.id;
    match broker.catalog.delete_topic(&topic.name).await {
        Ok(()) => {
            broker.transactions.forget_topic(&topic.name).await;
            broker.coordinator.forget_topic(&topic.name).await;
        }
        Err(error) => {
            result.error_code = errors::of_catalog(&error).code();
            result.error_message = Some(error.to_string());
        }
    }
    result
}
