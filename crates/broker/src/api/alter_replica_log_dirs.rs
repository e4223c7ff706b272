//! AlterReplicaLogDirs: there is one directory; what is asked to move there is there.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use wire::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsResponse,
};

use super::Context;
use crate::Broker;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for dir in request.dirs {
        let is_ours = dir.path == broker.options.log_dir;
        for topic in dir.topics {
            let known = broker.catalog.topic(&topic.name);
            let alter = |index: i32| {
                let is_known = known.as_ref().is_some_and(|known| known.partition(index).is_some());
                let code = match (is_ours, is_known) {
                    (false, _) => ErrorCode::LogDirNotFound,
                    (true, false) => ErrorCode::UnknownTopicOrPartition,
                    (true, true) => ErrorCode::None,
                };
                AlterReplicaLogDirPartitionResult {
                    partition_index: index,
                    error_code: code.code(),
                }
            };
            let altered = topic.partitions.iter().map(|index| alter(*index));
            match results.iter_mut().find(|result| result.topic_name == topic.name) {
                Some(result) => result.partitions.extend(altered),
                None => results.push(AlterReplicaLogDirTopicResult {
                    partitions: altered.collect(),
                    topic_name: topic.name,
                }),
            }
        }
    }
    AlterReplicaLogDirsResponse {
        results,
        ..AlterReplicaLogDirsResponse::default()
    }
}
