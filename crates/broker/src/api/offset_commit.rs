//! OffsetCommit: a group remembers how far it has read; answered when durable.

use std::sync::Arc;

use log::Op;
use wire::ErrorCode;
use wire::messages::offset_commit_request::{OffsetCommitRequest, OffsetCommitRequestPartition};
use wire::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use super::Context;
use crate::Broker;
use crate::group::{Caller, CommitRoute};
use crate::partitions::TopicKey;
use crate::tables::{self, Committed};

/// Topics are named by id from this version on.
const IDS_FROM: i16 = 10;
/// The first version that knows of groups that do not exist.
const GROUP_ID_NOT_FOUND_FROM: i16 = 9;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    if request.topics.is_empty() && request.generation_id_or_member_epoch < 0 {
        // Nothing is committed, so no group comes to be.
        return OffsetCommitResponse::default();
    }
    let caller = Caller {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
    };
    let by_id = context.version >= IDS_FROM;
    let named = request.topics.iter().filter_map(|topic| {
        let key = TopicKey::new(by_id, topic.name.clone(), topic.topic_id);
        Some((key.find(&broker.catalog).ok()?.id, &topic.partitions))
    });
    let partitions: Vec<_> = named
        .flat_map(|(id, partitions)| partitions.iter().map(move |partition| (id, partition.partition_index)))
        .collect();
    let route = CommitRoute {
        version: Some(context.version),
        partitions: &partitions,
    };
    let allowed = match broker.coordinator.may_commit(&request.group_id, &caller, route) {
        Some(answer) => answer,
        None if context.version >= GROUP_ID_NOT_FOUND_FROM => ErrorCode::GroupIdNotFound,
        None => ErrorCode::IllegalGeneration,
    };
    let now_ms = broker.clock.wall_ms();
    let expires_ms = (request.retention_time_ms >= 0).then(|| now_ms.saturating_add(request.retention_time_ms));
    let mut ops = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let key = TopicKey::new(by_id, topic.name, topic.topic_id);
        let found = key.find(&broker.catalog);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let error = match (&found, allowed) {
                (_, error) if !error.is_none() => error,
                (Err(error), _) => *error,
                (Ok(known), _) if known.partition(partition.partition_index).is_none() => {
                    ErrorCode::UnknownTopicOrPartition
                }
                (Ok(_), _) if too_large(&broker, &partition) => ErrorCode::OffsetMetadataTooLarge,
                (Ok(known), _) => {
                    let committed = Committed {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: partition.committed_metadata.unwrap_or_default(),
                        committed_ms: now_ms,
                        expires_ms,
                    };
                    ops.push(Op::Put {
                        table: tables::OFFSETS,
                        key: tables::offset_key(&request.group_id, &known.name, partition.partition_index),
                        value: Some(committed.encode()),
                    });
                    ErrorCode::None
                }
            };
            partitions.push(OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.code(),
            });
        }
        topics.push(OffsetCommitResponseTopic {
            name: key.name(),
            topic_id: key.id(),
            partitions,
        });
    }
    if let Err(error) = broker.coordinator.change_offsets(ops).await {
        tracing::error!(group = request.group_id, "offsets are not committed: {error}");
        let succeeded = topics
            .iter_mut()
            .flat_map(|topic| &mut topic.partitions)
            .filter(|done| done.error_code == 0);
        succeeded.for_each(|partition| partition.error_code = ErrorCode::CoordinatorNotAvailable.code());
    }
    OffsetCommitResponse {
        topics,
        ..OffsetCommitResponse::default()
    }
}

fn too_large(broker: &Broker, partition: &OffsetCommitRequestPartition) -> bool {
    let metadata = partition.committed_metadata.as_ref();
    metadata.is_some_and(|metadata| metadata.len() > broker.options.offset_metadata_bytes_max)
}
