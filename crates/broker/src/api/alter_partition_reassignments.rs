//! AlterPartitionReassignments: says which brokers have a partition. As all are this one process, it is done at once.

use std::collections::HashSet;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition,
};
use wire::messages::alter_partition_reassignments_response::{
    AlterPartitionReassignmentsResponse, ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::Context;
use crate::Broker;
use crate::errors::{self, Refusal};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let outcome = reassign(&broker, &topic.name, partition, request.allow_replication_factor_change).await;
            let (code, error_message) = match outcome {
                Ok(()) => (ErrorCode::None, None),
                Err(refusal) => (refusal.code, Some(refusal.message)),
            };
            partitions.push(ReassignablePartitionResponse {
                partition_index,
                error_code: code.code(),
                error_message,
            });
        }
        responses.push(ReassignableTopicResponse {
            name: topic.name,
            partitions,
        });
    }
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        error_message: None,
        responses,
        ..AlterPartitionReassignmentsResponse::default()
    }
}

async fn reassign(
    broker: &Broker,
    name: &str,
    wanted: ReassignablePartition,
    may_change_factor: bool,
) -> Result<(), Refusal> {
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    let index = wanted.partition_index;
    let Some(topic) = broker.catalog.topic(name) else {
        return refuse(
            ErrorCode::UnknownTopicOrPartition,
            format!("Unable to find a topic named {name}."),
        );
    };
    if topic.partition(index).is_none() {
        let why = format!("Unable to find partition {name}:{index}.");
        return refuse(ErrorCode::UnknownTopicOrPartition, why);
    }
    let Some(replicas) = wanted.replicas else {
        let why = "No partition reassignment is in progress.".to_owned();
        return refuse(ErrorCode::NoReassignmentInProgress, why);
    };
    check_replicas(broker, &replicas)?;
    let now = broker.replicas_of(&topic, index as usize);
    if !may_change_factor && replicas.len() != now.len() {
        let why = format!(
            "The replication factor is changed from {} to {}",
            now.len(),
            replicas.len()
        );
        return refuse(ErrorCode::InvalidReplicationFactor, why);
    }
    if replicas == now {
        return Ok(());
    }
    let assigned = broker.catalog.assign(name, [(index, replicas)].into()).await;
    assigned
        .map(drop)
        .map_err(|error| Refusal::new(errors::of_catalog(&error), error.to_string()))
}

/// Whether a partition can be on these brokers.
pub(super) fn check_replicas(broker: &Broker, replicas: &[i32]) -> Result<(), Refusal> {
    let invalid = |why: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, why));
    if replicas.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut seen = HashSet::new();
    for id in replicas {
        if !seen.insert(id) {
            return invalid(format!(
                "The manual partition assignment includes the broker {id} more than once."
            ));
        }
        if !broker.has_node(*id) {
            return invalid(format!(
                "The manual partition assignment includes broker {id}, but no such broker is registered."
            ));
        }
    }
    Ok(())
}
