//! DeleteTopics: by name, or by id from version 6.

use std::collections::HashMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use wire::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};

use super::{Context, may_mutate, quota_exceeded};
use crate::{Broker, errors};

/// From this version on what goes past the quota is refused; before, the client is only told to wait (KIP-599).
const STRICT_FROM: i16 = 5;
const NO_ID: [u8; 16] = [0; 16];

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
    let mut throttle_time_ms = 0;
    let ambiguous = ambiguous(&wanted);
    for topic in wanted {
        if let Some(why) = ambiguous(&topic) {
            if why != TWICE
                || !responses
                    .iter()
                    .any(|told: &DeletableTopicResult| told.name == topic.name)
            {
                responses.push(DeletableTopicResult {
                    name: topic.name,
                    topic_id: topic.topic_id,
                    error_code: ErrorCode::InvalidRequest.code(),
                    error_message: Some(why.to_owned()),
                });
            }
            continue;
        }
        let partitions = topic
            .name
            .as_ref()
            .map_or_else(
                || broker.catalog.topic_by_id(topic.topic_id),
                |name| broker.catalog.topic(name),
            )
            .map_or(0, |topic| topic.partitions.len());
        let result = match may_mutate(&broker, &context, STRICT_FROM) {
            Ok(()) => delete(&broker, topic).await,
            Err(wait_ms) => {
                throttle_time_ms = throttle_time_ms.max(wait_ms);
                let refusal = quota_exceeded();
                DeletableTopicResult {
                    name: topic.name,
                    topic_id: topic.topic_id,
                    error_code: refusal.code.code(),
                    error_message: Some(refusal.message),
                }
            }
        };
        if result.error_code == 0 {
            let wait_ms = broker.quotas.mutated(context.client(), partitions);
            throttle_time_ms = throttle_time_ms.max(wait_ms);
        }
        responses.push(result);
    }
    DeleteTopicsResponse {
        throttle_time_ms,
        responses,
    }
}

const TWICE: &str = "the request names this topic more than once";

/// Says of each topic why it is not clear what is meant, if it is not.
fn ambiguous(wanted: &[DeleteTopicState]) -> impl Fn(&DeleteTopicState) -> Option<&'static str> + use<> {
    let mut named: HashMap<String, usize> = HashMap::new();
    for name in wanted.iter().filter_map(|topic| topic.name.clone()) {
        *named.entry(name).or_default() += 1;
    }
    move |topic| match &topic.name {
        Some(_) if topic.topic_id != NO_ID => Some("a topic is named or given by id, not both"),
        Some(name) if named.get(name).is_some_and(|times| *times > 1) => Some(TWICE),
        None if topic.topic_id == NO_ID => Some("neither a name nor an id is given"),
        _ => None,
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
    if !broker.options.delete_topics {
        result.error_code = ErrorCode::TopicDeletionDisabled.code();
        result.error_message = Some("Topic deletion is disabled.".to_owned());
        return result;
    }
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
