//! ElectLeaders: every partition has the leader it prefers, always.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::elect_leaders_request::ElectLeadersRequest;
use wire::messages::elect_leaders_response::{ElectLeadersResponse, PartitionResult, ReplicaElectionResult};

use super::Context;
use crate::Broker;

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(crate) async fn handle(broker: Arc<Broker>, _: Context, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let is_known = (PREFERRED..=UNCLEAN).contains(&request.election_type);
    let elect = |name: &str, index: i32| {
        let topic = broker.catalog.topic(name);
        let (code, why) = match &topic {
            _ if !is_known => (ErrorCode::InvalidRequest, "Unknown election type.".to_owned()),
            None => (ErrorCode::UnknownTopicOrPartition, format!("No such topic as {name}")),
            Some(topic) if topic.partition(index).is_none() => (
                ErrorCode::UnknownTopicOrPartition,
                format!("No such partition as {name}-{index}"),
            ),
            Some(_) => (
                ErrorCode::ElectionNotNeeded,
                "Leader election not needed for topic partition.".to_owned(),
            ),
        };
        PartitionResult {
            partition_id: index,
            error_code: code.code(),
            error_message: Some(why),
        }
    };
    // Asked for all there are: only those that had an election are told, and there are none.
    let asked = request.topic_partitions.unwrap_or_default();
    let results = asked.into_iter().map(|topic| ReplicaElectionResult {
        partition_result: topic
            .partitions
            .iter()
            .map(|index| elect(&topic.topic, *index))
            .collect(),
        topic: topic.topic,
    });
    let error = if is_known {
        ErrorCode::None
    } else {
        ErrorCode::InvalidRequest
    };
    ElectLeadersResponse {
        error_code: error.code(),
        replica_election_results: results.collect(),
        ..ElectLeadersResponse::default()
    }
}
