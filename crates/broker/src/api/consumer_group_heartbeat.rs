//! ConsumerGroupHeartbeat: the whole life of a member of a KIP-848 group.

use std::sync::Arc;

use wire::messages::consumer_group_heartbeat_request::{self as asked, ConsumerGroupHeartbeatRequest};
use wire::messages::consumer_group_heartbeat_response::{Assignment, ConsumerGroupHeartbeatResponse, TopicPartitions};

use super::Context;
use crate::Broker;
use crate::group::{Beat, BeatRequest, Parts, check_beat};

/// Members make their own ids from this version on.
const OWN_IDS_FROM: i16 = 1;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let mut beat = BeatRequest {
        group_id: request.group_id,
        member_id: request.member_id,
        epoch: request.member_epoch,
        instance_id: request.instance_id,
        rack_id: request.rack_id,
        rebalance_timeout_ms: Some(i64::from(request.rebalance_timeout_ms)).filter(|timeout_ms| *timeout_ms >= 0),
        client_id: context.client_id.clone().unwrap_or_default(),
        client_host: format!("/{}", context.peer.ip()),
        names: request.subscribed_topic_names,
        pattern: request.subscribed_topic_regex,
        assignor: request.server_assignor,
        owned: request.topic_partitions.map(owned),
    };
    let checked = check_beat(&beat, &broker.options.group, context.version >= OWN_IDS_FROM);
    if beat.member_id.is_empty() {
        beat.member_id = broker.coordinator.fresh_uuid();
    }
    let outcome = match checked {
        Ok(()) => broker.coordinator.beat(beat).await,
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(beat) => response(beat),
        Err(refusal) => ConsumerGroupHeartbeatResponse {
            error_code: refusal.code.code(),
            error_message: Some(refusal.message),
            ..ConsumerGroupHeartbeatResponse::default()
        },
    }
}

fn owned(topics: Vec<asked::TopicPartitions>) -> Parts {
    let mut parts = Parts::new();
    for topic in topics {
        parts.entry(topic.topic_id).or_default().extend(topic.partitions);
    }
    parts
}

fn response(beat: Beat) -> ConsumerGroupHeartbeatResponse {
    let topics = |parts: Parts| {
        let topics = parts.into_iter().map(|(topic_id, partitions)| TopicPartitions {
            topic_id,
            partitions: partitions.into_iter().collect(),
        });
        Assignment {
            topic_partitions: topics.collect(),
        }
    };
    ConsumerGroupHeartbeatResponse {
        member_id: Some(beat.member_id),
        member_epoch: beat.epoch,
        heartbeat_interval_ms: beat.heartbeat_interval_ms,
        assignment: beat.assignment.map(topics),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
