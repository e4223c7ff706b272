//! CreateTopics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use catalog::NewTopic;
use wire::ErrorCode;
use wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse};

use super::alter_partition_reassignments::check_replicas;
use super::{Context, may_mutate, quota_exceeded};
use crate::errors::Refusal;
use crate::options::ReplicationFactorPolicy;
use crate::{Broker, errors, settings};

/// From this version on what goes past the quota is refused; before, the client is only told to wait (KIP-599).
const STRICT_FROM: i16 = 6;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut named: HashMap<String, usize> = HashMap::new();
    for topic in &request.topics {
        *named.entry(topic.name.clone()).or_default() += 1;
    }
    let mut topics = Vec::with_capacity(named.len());
    let mut throttle_time_ms = 0;
    for topic in request.topics {
        match named.get_mut(&topic.name) {
            // Answered once, as the first of its name was reached.
            Some(0) => continue,
            Some(1) => {}
            Some(times) => {
                *times = 0;
                let why = "the request names this topic more than once".to_owned();
                topics.push(refused(topic.name, Refusal::new(ErrorCode::InvalidRequest, why)));
                continue;
            }
            None => continue,
        }
        let name = topic.name.clone();
        if let Err(wait_ms) = may_mutate(&broker, &context, STRICT_FROM) {
            throttle_time_ms = throttle_time_ms.max(wait_ms);
            topics.push(refused(name, quota_exceeded()));
            continue;
        }
        let result = create(&broker, topic, request.validate_only).await;
        if let Ok(created) = &result
            && !request.validate_only
        {
            let wait_ms = broker.quotas.mutated(context.client(), created.num_partitions as usize);
            throttle_time_ms = throttle_time_ms.max(wait_ms);
        }
        topics.push(result.unwrap_or_else(|refusal| refused(name, refusal)));
    }
    CreateTopicsResponse {
        throttle_time_ms,
        topics,
    }
}

fn refused(name: String, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: refusal.code.code(),
        error_message: Some(refusal.message),
        num_partitions: -1,
        replication_factor: -1,
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}

/// Kafka's own, which nobody may make.
const METADATA: &str = "__cluster_metadata";

async fn create(broker: &Broker, topic: CreatableTopic, dry: bool) -> Result<CreatableTopicResult, Refusal> {
    if topic.name == METADATA {
        let why = format!("Creation of internal topic {METADATA} is prohibited.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    if broker.catalog.topic(&topic.name).is_some() {
        let why = format!("Topic '{}' already exists.", topic.name);
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, why));
    }
    let (partitions, replication_factor) = shape(broker, &topic)?;
    let mut wanted = BTreeMap::new();
    for config in topic.configs {
        let Some(value) = config.value else {
            let why = format!("setting `{}` has no value", config.name);
            return Err(Refusal::new(ErrorCode::InvalidConfig, why));
        };
        wanted.insert(config.name, value);
    }
    let effective = broker.effective();
    settings::check_topic(&wanted, &effective)?;
    let new = NewTopic {
        name: topic.name.clone(),
        partitions,
        replication_factor,
        assignments: topic
            .assignments
            .iter()
            .map(|assignment| (assignment.partition_index, assignment.broker_ids.clone()))
            .collect(),
        settings: wanted.clone(),
    };
    let refuse = |error: catalog::CatalogError| Refusal::new(errors::of_catalog(&error), error.to_string());
    let topic_id = if dry {
        broker.catalog.check_new_topic(&new).map_err(refuse)?;
        // As Kafka has it: an id like the one it would get.
        broker.random.uuid()
    } else {
        let created = broker.catalog.create_topic(new).await.map_err(refuse)?;
        broker.apply_segment_limits_of(&created);
        created.id
    };
    let shown = settings::describe_topic(&effective, &wanted);
    let configs = shown.into_iter().map(|shown| CreatableTopicConfigs {
        name: shown.name,
        value: shown.value,
        read_only: shown.read_only,
        config_source: shown.source,
        is_sensitive: false,
    });
    Ok(CreatableTopicResult {
        name: topic.name,
        topic_id,
        error_message: None,
        num_partitions: partitions,
        replication_factor,
        configs: Some(configs.collect()),
        ..CreatableTopicResult::default()
    })
}

/// How many partitions and replicas are asked for; also checks that they can be.
fn shape(broker: &Broker, topic: &CreatableTopic) -> Result<(i32, i16), Refusal> {
    if !topic.assignments.is_empty() {
        return assigned_shape(broker, topic);
    }
    let brokers = broker.node_count();
    let is_clamped = broker.options.replication_factor_policy == ReplicationFactorPolicy::Clamp;
    let factor = match topic.replication_factor {
        -1 => broker.options.replication_factor_default,
        factor if factor > 0 => factor,
        _ => {
            let why = "Replication factor must be larger than 0, or -1 to use the default value.".to_owned();
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, why));
        }
    };
    if i32::from(factor) > brokers && !is_clamped {
        let why =
            format!("Unable to replicate the partition {factor} time(s): only {brokers} broker(s) are registered.");
        return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, why));
    }
    match topic.num_partitions {
        -1 => Ok((broker.options.partitions_default, factor)),
        count if count > 0 => Ok((count, factor)),
        _ => {
            let why = "Number of partitions was set to an invalid non-positive value.".to_owned();
            Err(Refusal::new(ErrorCode::InvalidPartitions, why))
        }
    }
}

/// The same where the brokers of each partition are named.
fn assigned_shape(broker: &Broker, topic: &CreatableTopic) -> Result<(i32, i16), Refusal> {
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let why = "with an explicit assignment, partitions and replication factor must both be -1".to_owned();
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    let assignments = &topic.assignments;
    let mut indexes: Vec<i32> = assignments
        .iter()
        .map(|assignment| assignment.partition_index)
        .collect();
    indexes.sort_unstable();
    let is_consecutive = indexes.iter().enumerate().all(|(place, index)| place as i32 == *index);
    let replicas = assignments.first().map_or(0, |assignment| assignment.broker_ids.len());
    let is_even = assignments
        .iter()
        .all(|assignment| assignment.broker_ids.len() == replicas);
    if !is_consecutive || !is_even {
        let why = "partitions must be numbered from 0 without gaps, each assigned to as many brokers as the others";
        return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, why.to_owned()));
    }
    for assignment in assignments {
        check_replicas(broker, &assignment.broker_ids)?;
    }
    Ok((indexes.len() as i32, replicas as i16))
}
