//! CreatePartitions: grows topics. Every topic named gets an entry in the answer.

use std::collections::HashMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use wire::messages::create_partitions_response::{CreatePartitionsResponse, CreatePartitionsTopicResult};

use super::Context;
use crate::errors::Refusal;
use crate::{Broker, errors};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut named: HashMap<String, usize> = HashMap::new();
    for topic in &request.topics {
        *named.entry(topic.name.clone()).or_default() += 1;
    }
    let mut results = Vec::with_capacity(named.len());
    for topic in request.topics {
        let name = topic.name.clone();
        let outcome = match named.remove(&name) {
            None => continue,
            Some(1) => grow(&broker, topic, request.validate_only).await,
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
        results,
        ..CreatePartitionsResponse::default()
    }
}

async fn grow(broker: &Broker, wanted: CreatePartitionsTopic, dry: bool) -> Result<(), Refusal> {
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
        let is_known = |ids: &[i32]| !ids.is_empty() && ids.iter().all(|id| broker.has_node(*id));
        if assignments.len() as i32 != wanted.count - now
            || !assignments.iter().all(|assignment| is_known(&assignment.broker_ids))
        {
            let why = "each new partition must be assigned to brokers that there are".to_owned();
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, why));
        }
    }
    if dry {
        return Ok(());
    }
    let refuse = |error: catalog::CatalogError| Refusal::new(errors::of_catalog(&error), error.to_string());
    let grown = broker.catalog.add_partitions(&wanted.name, wanted.count).await;
    broker.apply_segment_limits_of(&*grown.map_err(refuse)?);
    Ok(())
}
