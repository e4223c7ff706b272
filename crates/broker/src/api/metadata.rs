//! Metadata: the broker, the topics, and where their partitions are.

use std::sync::Arc;

use catalog::Topic;
use wire::ErrorCode;
use wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

use super::{CLUSTER_OPERATIONS, Context, LEADER_EPOCH, TOPIC_OPERATIONS};
use crate::Broker;
use crate::errors;
use crate::nodes::Node;

const NO_ID: [u8; 16] = [0; 16];
/// The first version that may ask by id; the two before it have the field and no use for it.
const BY_ID_FROM: i16 = 12;

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: MetadataRequest) -> MetadataResponse {
    if context.version < BY_ID_FROM
        && let Some(topics) = request
            .topics
            .as_ref()
            .filter(|topics| topics.iter().any(|topic| topic.topic_id != NO_ID))
    {
        return refused(topics);
    }
    // Version 0 has no null: none named means all.
    let all = request.topics.is_none() || (context.version == 0 && request.topics.as_ref().is_some_and(Vec::is_empty));
    let create = request.allow_auto_topic_creation && broker.options.auto_create_topics;
    let mut topics = Vec::new();
    if all {
        topics.extend(broker.catalog.topics().iter().map(|topic| present(&broker, topic)));
    } else {
        for wanted in request.topics.unwrap_or_default() {
            topics.push(find(&broker, wanted, create).await);
        }
    }
    let operations = request.include_topic_authorized_operations;
    for topic in &mut topics {
        if operations && topic.error_code == 0 {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
        if context.version < BY_ID_FROM && topic.name.is_none() {
            topic.name = Some(String::new());
        }
    }
    let mut response = MetadataResponse {
        brokers: broker.nodes().map(described).collect(),
        cluster_id: Some(broker.catalog.cluster_id().to_owned()),
        controller_id: broker.options.node_id,
        topics,
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations && (8..=10).contains(&context.version) {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn refused(topics: &[MetadataRequestTopic]) -> MetadataResponse {
    let refused = |topic: &MetadataRequestTopic| {
        let name = topic.name.clone().unwrap_or_default();
        absent(Some(name), topic.topic_id, ErrorCode::InvalidRequest)
    };
    MetadataResponse {
        topics: topics.iter().map(refused).collect(),
        controller_id: -1,
        ..MetadataResponse::default()
    }
}

async fn find(broker: &Broker, wanted: MetadataRequestTopic, create: bool) -> MetadataResponseTopic {
    // Java's client sends an empty name beside the id.
    if wanted.topic_id != NO_ID {
        return match broker.catalog.topic_by_id(wanted.topic_id) {
            Some(topic) => present(broker, &topic),
            None => absent(None, wanted.topic_id, ErrorCode::UnknownTopicId),
        };
    }
    let name = wanted.name.unwrap_or_default();
    if let Some(topic) = broker.catalog.topic(&name) {
        return present(broker, &topic);
    }
    if base::topic_name::check(&name).is_err() {
        return absent(Some(name), NO_ID, ErrorCode::InvalidTopicException);
    }
    if !create {
        return absent(Some(name), NO_ID, ErrorCode::UnknownTopicOrPartition);
    }
    match broker.topic_or_new(&name).await {
        Ok(topic) => present(broker, &topic),
        Err(error) => absent(Some(name), NO_ID, errors::of_catalog(&error)),
    }
}

fn described(node: Node) -> MetadataResponseBroker {
    MetadataResponseBroker {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: None,
    }
}

fn absent(name: Option<String>, topic_id: [u8; 16], error: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: error.code(),
        name,
        topic_id,
        ..MetadataResponseTopic::default()
    }
}

fn present(broker: &Broker, topic: &Topic) -> MetadataResponseTopic {
    let partition = |index: usize| {
        let replicas = broker.replicas_of(topic, index);
        MetadataResponsePartition {
            partition_index: index as i32,
            leader_id: replicas[0],
            leader_epoch: LEADER_EPOCH,
            isr_nodes: replicas.clone(),
            replica_nodes: replicas,
            ..MetadataResponsePartition::default()
        }
    };
    MetadataResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: topic.internal,
        partitions: (0..topic.partitions.len()).map(partition).collect(),
        ..MetadataResponseTopic::default()
    }
}
