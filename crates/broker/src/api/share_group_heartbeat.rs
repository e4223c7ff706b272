//! ShareGroupHeartbeat: the whole life of a member of a share group.

use std::sync::Arc;

use wire::messages::share_group_heartbeat_request::ShareGroupHeartbeatRequest;
use wire::messages::share_group_heartbeat_response::{Assignment, ShareGroupHeartbeatResponse, TopicPartitions};

use super::Context;
use crate::Broker;
use crate::group::{Parts, ShareBeatRequest};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: ShareGroupHeartbeatRequest,
) -> ShareGroupHeartbeatResponse {
    let beat = ShareBeatRequest {
        group_id: request.group_id,
        member_id: request.member_id,
        epoch: request.member_epoch,
        rack_id: request.rack_id,
        client_id: context.client_id.clone().unwrap_or_default(),
        client_host: format!("/{}", context.peer.ip()),
        names: request.subscribed_topic_names,
    };
    let outcome = match beat.check(&broker.options.group) {
        Ok(()) => broker.coordinator.share_beat(beat).await,
        Err(refusal) => Err(refusal),
    };
    let topics = |parts: Parts| {
        let topics = parts.into_iter().map(|(topic_id, partitions)| TopicPartitions {
            topic_id,
            partitions: partitions.into_iter().collect(),
        });
        Assignment {
            topic_partitions: topics.collect(),
        }
    };
    match outcome {
        Ok(beat) => ShareGroupHeartbeatResponse {
            member_id: Some(beat.member_id),
            member_epoch: beat.epoch,
            heartbeat_interval_ms: beat.heartbeat_interval_ms,
            assignment: beat.assignment.map(topics),
            ..ShareGroupHeartbeatResponse::default()
        },
        Err(refusal) => ShareGroupHeartbeatResponse {
            error_code: refusal.code.code(),
            error_message: Some(refusal.message),
            ..ShareGroupHeartbeatResponse::default()
        },
    }
}
