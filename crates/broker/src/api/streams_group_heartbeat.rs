//! StreamsGroupHeartbeat: the whole life of a member of a Streams application; creates the topics the application needs.

use std::sync::Arc;

use catalog::{CatalogError, NewTopic};
use wire::messages::streams_group_heartbeat_request::{self as asked, StreamsGroupHeartbeatRequest};
use wire::messages::streams_group_heartbeat_response::{
    self as told, EndpointToPartitions, Status, StreamsGroupHeartbeatResponse, TaskIds, TopicPartition,
};

use super::Context;
use crate::group::{Endpoint, InternalTopic, Parts, Role, StreamsBeat, StreamsBeatRequest, Tasks};
use crate::options::ReplicationFactorPolicy;
use crate::{Broker, settings};

/// The status that says which of the application's own topics are missing.
const MISSING_INTERNAL_TOPICS: i8 = 3;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: StreamsGroupHeartbeatRequest,
) -> StreamsGroupHeartbeatResponse {
    let beat = StreamsBeatRequest {
        group_id: request.group_id,
        member_id: request.member_id,
        epoch: request.member_epoch,
        endpoint_epoch: request.endpoint_information_epoch,
        instance_id: request.instance_id,
        rack_id: request.rack_id,
        rebalance_timeout_ms: Some(i64::from(request.rebalance_timeout_ms)).filter(|timeout_ms| *timeout_ms >= 0),
        client_id: context.client_id.clone().unwrap_or_default(),
        client_host: format!("/{}", context.peer.ip()),
        topology: request.topology,
        active: request.active_tasks.map(owned),
        standby: request.standby_tasks.map(owned),
        warmup: request.warmup_tasks.map(owned),
        process_id: request.process_id,
        endpoint: request.user_endpoint.map(|endpoint| Endpoint {
            host: endpoint.host,
            port: endpoint.port,
        }),
        tags: request
            .client_tags
            .map(|tags| tags.into_iter().map(|tag| (tag.key, tag.value)).collect()),
        offsets: request
            .task_offsets
            .map(|_| "TaskOffsets")
            .or(request.task_end_offsets.map(|_| "TaskEndOffsets")),
        shutdown: request.shutdown_application,
    };
    let group = beat.group_id.clone();
    let outcome = match beat.check(&broker.options.group) {
        Ok(()) => broker.coordinator.streams_beat(beat).await,
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(mut beat) => {
            let failed = create(&broker, &group, std::mem::take(&mut beat.create)).await;
            if !failed.is_empty()
                && let Some((_, words)) = beat
                    .status
                    .iter_mut()
                    .find(|(code, _)| *code == MISSING_INTERNAL_TOPICS)
            {
                words.push_str("; Creation failed: ");
                words.push_str(&failed.join(", "));
            }
            response(beat)
        }
        Err(refusal) => StreamsGroupHeartbeatResponse {
            error_code: refusal.code.code(),
            error_message: Some(refusal.message),
            status: Some(Vec::new()),
            ..StreamsGroupHeartbeatResponse::default()
        },
    }
}

/// Creates topics; gives those that could not be, with the reasons. The next heartbeat finds those that could.
async fn create(broker: &Broker, group: &str, topics: Vec<InternalTopic>) -> Vec<String> {
    let mut failed = Vec::new();
    for topic in topics {
        if let Err(refusal) = settings::check_topic(&topic.settings, &broker.effective()) {
            failed.push(format!("{} ({})", topic.name, refusal.message));
            continue;
        }
        let nodes = broker.nodes().count();
        let is_strict = broker.options.replication_factor_policy == ReplicationFactorPolicy::Strict;
        if is_strict && usize::try_from(topic.replication_factor).is_ok_and(|factor| factor > nodes) {
            failed.push(format!(
                "{} (replication factor {} for {nodes} brokers)",
                topic.name, topic.replication_factor
            ));
            continue;
        }
        let new = NewTopic {
            name: topic.name.clone(),
            partitions: topic.partitions,
            replication_factor: match topic.replication_factor {
                factor if factor > 0 => factor,
                _ => broker.options.replication_factor_default,
            },
            assignments: Default::default(),
            settings: topic.settings,
        };
        match broker.catalog.create_topic(new).await {
            // Another member's heartbeat was quicker.
            Err(CatalogError::TopicExists(_)) => {}
            Ok(created) => broker.apply_segment_limits_of(&created),
            Err(error) => {
                tracing::warn!(group, topic = topic.name, "internal topic is not created: {error}");
                failed.push(format!("{} ({error})", topic.name));
            }
        }
    }
    failed
}

fn owned(tasks: Vec<asked::TaskIds>) -> Parts<String> {
    let mut parts = Parts::new();
    for task in tasks {
        let partitions: &mut std::collections::BTreeSet<i32> = parts.entry(task.subtopology_id).or_default();
        partitions.extend(task.partitions);
    }
    parts
}

fn of_role(tasks: &Tasks, wanted: Role) -> Vec<TaskIds> {
    let of_role = tasks.iter().filter(|((role, _), _)| *role == wanted);
    let ids = of_role.map(|((_, subtopology_id), partitions)| TaskIds {
        subtopology_id: subtopology_id.clone(),
        partitions: partitions.iter().copied().collect(),
    });
    ids.collect()
}

fn response(beat: StreamsBeat) -> StreamsGroupHeartbeatResponse {
    let topics = |parts: Parts<String>| -> Vec<TopicPartition> {
        let topics = parts.into_iter().map(|(topic, partitions)| TopicPartition {
            topic,
            partitions: partitions.into_iter().collect(),
        });
        topics.collect()
    };
    let status = beat.status.into_iter().map(|(status_code, status_detail)| Status {
        status_code,
        status_detail,
    });
    let endpoints = beat.endpoints.map(|endpoints| {
        let shown = endpoints.into_iter().map(|shown| EndpointToPartitions {
            user_endpoint: told::Endpoint {
                host: shown.endpoint.host,
                port: shown.endpoint.port,
            },
            active_partitions: topics(shown.active),
            standby_partitions: topics(shown.standby),
        });
        shown.collect()
    });
    StreamsGroupHeartbeatResponse {
        member_id: beat.member_id,
        member_epoch: beat.epoch,
        heartbeat_interval_ms: beat.heartbeat_interval_ms,
        status: Some(status.collect()),
        active_tasks: beat.tasks.as_ref().map(|tasks| of_role(tasks, Role::Active)),
        standby_tasks: beat.tasks.as_ref().map(|tasks| of_role(tasks, Role::Standby)),
        warmup_tasks: beat.tasks.as_ref().map(|_| Vec::new()),
        endpoint_information_epoch: beat.endpoint_epoch,
        partitions_by_user_endpoint: endpoints,
        ..StreamsGroupHeartbeatResponse::default()
    }
}
