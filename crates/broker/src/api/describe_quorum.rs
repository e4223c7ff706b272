//! DescribeQuorum: who decides about the cluster. One does, and what it has decided is durable.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_quorum_request::DescribeQuorumRequest;
use wire::messages::describe_quorum_response::{
    DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState, TopicData,
};

use super::Context;
use crate::Broker;

/// The topic Kafka keeps the cluster's state in; here it is tables of the log.
const METADATA: &str = "__cluster_metadata";
const LISTENER: &str = "PLAINTEXT";
/// The first version that tells where the voters are.
const NODES_FROM: i16 = 2;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let topics: Vec<TopicData> = request
        .topics
        .into_iter()
        .map(|topic| {
            let is_metadata = topic.topic_name == METADATA;
            let describe = |index: i32| match is_metadata && index == 0 {
                true => described(&broker),
                false => PartitionData {
                    partition_index: index,
                    error_code: ErrorCode::UnknownTopicOrPartition.code(),
                    error_message: Some("This server does not host this topic-partition.".to_owned()),
                    ..PartitionData::default()
                },
            };
            TopicData {
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| describe(partition.partition_index))
                    .collect(),
                topic_name: topic.topic_name,
            }
        })
        .collect();
    let is_answered = topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .any(|one| one.error_code == 0);
    let told = usize::from(context.version >= NODES_FROM && is_answered);
    let nodes = broker.nodes().take(told).map(|node| Node {
        node_id: node.id,
        listeners: vec![Listener {
            name: LISTENER.to_owned(),
            host: node.host,
            port: node.port as u16,
        }],
    });
    DescribeQuorumResponse {
        topics,
        nodes: nodes.collect(),
        ..DescribeQuorumResponse::default()
    }
}

fn described(broker: &Broker) -> PartitionData {
    let now_ms = broker.clock.wall_ms();
    // Decisions are not numbered: everybody has all of them.
    let state = |replica_id| ReplicaState {
        replica_id,
        log_end_offset: 0,
        last_fetch_timestamp: now_ms,
        last_caught_up_timestamp: now_ms,
        ..ReplicaState::default()
    };
    let mut nodes = broker.nodes().map(|node| state(node.id));
    PartitionData {
        leader_id: broker.options.node_id,
        leader_epoch: 1,
        current_voters: nodes.by_ref().take(1).collect(),
        observers: nodes.collect(),
        ..PartitionData::default()
    }
}
