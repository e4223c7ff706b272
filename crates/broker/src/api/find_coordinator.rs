//! FindCoordinator: who looks after a group or a transactional id. With one broker, it does.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};

use super::Context;
use crate::Broker;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// 16 bytes in base64 without padding.
const TOPIC_ID_CHARS: usize = 22;
const SHARE: i8 = 2;
/// Share-partitions can be asked for from this version on.
const SHARES_FROM: i16 = 6;
/// The first version that asks for several keys at once.
const BATCHED_FROM: i16 = 4;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let find = |key: String| match request.key_type {
        GROUP | TRANSACTION => found(&broker, key),
        SHARE if context.version >= SHARES_FROM && is_share_key(&key) => found(&broker, key),
        SHARE => refused(key, ErrorCode::InvalidRequest, ""),
        _ => refused(
            key,
            ErrorCode::InvalidRequest,
            "this type of coordinator is not served by this broker",
        ),
    };
    if context.version >= BATCHED_FROM {
        let coordinators = request.coordinator_keys.into_iter().map(find).collect();
        return FindCoordinatorResponse {
            coordinators,
            ..FindCoordinatorResponse::default()
        };
    }
    let one = find(request.key);
    FindCoordinatorResponse {
        error_code: one.error_code,
        // Kafka spells the absence of an error out here, and only here.
        error_message: if one.error_code == 0 {
            Some("NONE".to_owned())
        } else {
            one.error_message
        },
        node_id: one.node_id,
        host: one.host,
        port: one.port,
        ..FindCoordinatorResponse::default()
    }
}

/// A group, a topic's id as Kafka writes it, and a partition, with colons between them.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let (partition, topic, group) = (parts.next(), parts.next(), parts.next());
    let is_id = |id: &str| {
        id.len() == TOPIC_ID_CHARS
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    partition.is_some_and(|partition| partition.parse::<i32>().is_ok())
        && topic.is_some_and(is_id)
        && group.is_some_and(|group| !group.is_empty())
}

fn found(broker: &Broker, key: String) -> Coordinator {
    let node = broker.coordinator_of(&key);
    Coordinator {
        key,
        node_id: node.id,
        host: node.host,
        port: node.port,
        error_code: ErrorCode::None.code(),
        error_message: Some(String::new()),
    }
}

fn refused(key: String, error: ErrorCode, why: &str) -> Coordinator {
    Coordinator {
        key,
        node_id: -1,
        host: String::new(),
        port: -1,
        error_code: error.code(),
        error_message: Some(why.to_owned()),
    }
}
