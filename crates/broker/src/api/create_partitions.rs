//! CreatePartitions: grows topics. Every topic named gets an entry in the answer.

use std::collections::HashMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use wire::messages::create_partitions_response::{CreatePartitionsResponse, CreatePartitionsTopicResult};

use super::alter_partition_reassignments::check_replicas;
use super::{Context, may_mutate, quota_exceeded};
use crate::errors::Refusal;
use crate::{Broker, errors};

/// From this version on what goes past the quota is refused; before, the client is only told to wait (KIP-599).
const STRICT_FROM: i16 = 3;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut named: HashMap<String, usize> = HashMap::new();
    for topic in &request.topics {
        *named.entry(topic.name.clone()).or_default() += 1;
    }
    let mut results = Vec::with_capacity(named.len());
    let mut throttle_time_ms = 0;
    for topic in request.topics {
        let name = topic.name.clone();
        let outcome = match named.remove(&name) {
            None => continue,
            Some(1) => match may_mutate(&broker, &context, STRICT_FROM) {
                Ok(()) => {
                    let grown = grow(&broker, topic, request.validate_only).await;
                    if let Ok(added) = grown
                        && !request.validate_only
                    {
                        let wait_ms = broker.quotas.mutated(context.client(), added);
                        throttle_time_ms = throttle_time_ms.max(wait_ms);
                    }
                    grown.map(drop)
                }
                Err(wait_ms) => {
                    throttle_time_ms = throttle_time_ms.max(wait_ms);
                    Err(quota_exceeded())
                }
            },
            Some(_) => Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "the request names this topic more than once".to_owned(),
            )),
        };
        let (error_code, error_message) = match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        };
        results.push(CreatePartitionsTopicResult {
            name,
            error_code: error_code.code(),
            error_message,
        });
    }
    CreatePartitionsResponse {
        throttle_time_ms,
        results,
    }
}

/// How many partitions are new.
async fn grow(broker: &Broker, wanted: CreatePartitionsTopic, dry: bool) -> Result<usize, Refusal> {
    let Some(topic) = broker.catalog.topic(&wanted.name) else {
        let why = "This server does not host this topic-partition.".to_owned();
        return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, why));
    };
    let now = topic.partitions.len() as i32;
    if wanted.count <= now {
        let relation = if wanted.count == now {
            "already has"
        } else {
            "currently has"
        };
        let than = if wanted.count == now {
            ""
        } else {
            ", which is higher than the requested"
        };
        let why = format!(
            "Topic {relation} {now} partition(s){than}{}.",
            if than.is_empty() {
                String::new()
            } else {
                format!(" {}", wanted.count)
            }
        );
        return Err(Refusal::new(ErrorCode::InvalidPartitions, why));
    }
    if wanted.count > catalog::topics::TOPIC_PARTITIONS_MAX {
        let why = format!(
            "a topic has at most {} partitions",
            catalog::topics::TOPIC_PARTITIONS_MAX
        );
        return Err(Refusal::new(ErrorCode::InvalidPartitions, why));
    }
    if let Some(assignments) = &wanted.assignments {
        if assignments.len() as i32 != wanted.count - now {
            let why = "as many partitions must be assigned as are new".to_owned();
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, why));
        }
        for assignment in assignments {
            check_replicas(broker, &assignment.broker_ids)?;
        }
    }
    let added = (wanted.count - now) as usize;
    if dry {
        return Ok(added);
    }
    let refuse = |error: catalog::CatalogError| Refusal::new(errors::of_catalog(&error), error.to_string());
    let grown = broker.catalog.add_partitions(&wanted.name, wanted.count).await;
    broker.apply_segment_limits_of(&*grown.map_err(refuse)?);
    if let Some(assignments) = wanted.assignments {
        let assigned = (now..)
            .zip(assignments)
            .map(|(index, assignment)| (index, assignment.broker_ids));
        let assigned = broker.catalog.assign(&wanted.name, assigned.collect()).await;
        assigned.map_err(refuse)?;
    }
    Ok(added)
}
