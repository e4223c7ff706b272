//! TxnOffsetCommit: offsets that become a group's own when the transaction commits.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::txn_offset_commit_request::TxnOffsetCommitRequest;
use wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use super::{Context, fenced};
use crate::Broker;
use crate::group;
use crate::tables::Committed;
use crate::transaction::{Flow, Producer};
use crate::transactions::Caller;

/// From this version on the request itself adds the group to the transaction (KIP-890).
const ADDS_FROM: i16 = 5;
/// The first version that knows TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 4;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let committed_ms = broker.clock.wall_ms();
    let mut offsets = Vec::new();
    let mut places = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = broker.catalog.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition_index;
            let metadata = partition.committed_metadata.unwrap_or_default();
            let code = if known.as_ref().is_none_or(|known| known.partition(index).is_none()) {
                ErrorCode::UnknownTopicOrPartition
            } else if metadata.len() > broker.options.offset_metadata_bytes_max {
                ErrorCode::OffsetMetadataTooLarge
            } else {
                let committed = Committed {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata,
                    committed_ms,
                    expires_ms: None,
                };
                places.extend(known.as_ref().map(|known| (known.id, index)));
                offsets.push(((request.group_id.clone(), topic.name.clone(), index), committed));
                ErrorCode::None
            };
            partitions.push(TxnOffsetCommitResponsePartition {
                partition_index: index,
                error_code: code.code(),
            });
        }
        topics.push(TxnOffsetCommitResponseTopic {
            name: topic.name,
            partitions,
        });
    }
    let mut response = TxnOffsetCommitResponse {
        topics,
        ..TxnOffsetCommitResponse::default()
    };
    if offsets.is_empty() {
        return response;
    }
    let caller = Caller {
        producer: Producer {
            id: request.producer_id,
            epoch: request.producer_epoch,
        },
        flow: if context.version >= ADDS_FROM {
            Flow::V2
        } else {
            Flow::V1
        },
        connection: context.connection,
    };
    let member = group::Caller {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
    };
    let allows = || {
        broker
            .coordinator
            .may_commit_in_transaction(&request.group_id, &member, &places)
    };
    let transactions = &broker.transactions;
    let outcome = if request.group_id.is_empty() {
        Err(ErrorCode::InvalidGroupId)
    } else {
        transactions
            .commit_offsets(&request.transactional_id, caller, &request.group_id, &offsets, allows)
            .await
    };
    if let Err(code) = outcome {
        let code = match code {
            ErrorCode::TransactionAbortable if context.version < ABORTABLE_FROM => ErrorCode::InvalidTxnState,
            // Group coordinators never say PRODUCER_FENCED.
            code => fenced(code, false),
        };
        let taken = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let taken = taken.filter(|partition| partition.error_code == 0);
        taken.for_each(|partition| partition.error_code = code.code());
    }
    response
}
