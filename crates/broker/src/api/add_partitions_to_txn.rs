//! AddPartitionsToTxn: says where a transaction will write (versions 0 to 3), or asks whether it may (4 and later, which
//! only brokers send).

use std::sync::Arc;

use log::PartitionId;
use wire::ErrorCode;
use wire::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use wire::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
};

use super::{Context, fenced};
use crate::Broker;
use crate::transaction::{Flow, Place, Producer};
use crate::transactions::Caller;

/// The first version with several transactions in one request.
const BATCHED_FROM: i16 = 4;
/// The first version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    if context.version < BATCHED_FROM {
        let asked = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        return AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: one(&broker, &context, asked).await,
            ..AddPartitionsToTxnResponse::default()
        };
    }
    let mut results = Vec::with_capacity(request.transactions.len());
    for asked in request.transactions {
        results.push(AddPartitionsToTxnResult {
            transactional_id: asked.transactional_id.clone(),
            topic_results: one(&broker, &context, asked).await,
        });
    }
    AddPartitionsToTxnResponse {
        results_by_transaction: results,
        ..AddPartitionsToTxnResponse::default()
    }
}

async fn one(
    broker: &Broker,
    context: &Context,
    asked: AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let find = |topic: &AddPartitionsToTxnTopic, index: i32| -> Option<(PartitionId, Place)> {
        let found = broker.catalog.topic(&topic.name)?.partition(index)?;
        let topic = topic.name.clone();
        Some((found, Place { topic, index }))
    };
    let places = asked.topics.iter().flat_map(|topic| {
        let indexes = topic.partitions.iter();
        indexes.map(move |index| find(topic, *index))
    });
    let places: Vec<Option<(PartitionId, Place)>> = places.collect();
    let caller = Caller {
        producer: Producer {
            id: asked.producer_id,
            epoch: asked.producer_epoch,
        },
        flow: Flow::V1,
        connection: context.connection,
    };
    let known: Vec<(PartitionId, Place)> = places.iter().flatten().cloned().collect();
    let outcome = if asked.transactional_id.is_empty() {
        Err(ErrorCode::InvalidRequest)
    } else if known.len() < places.len() && !asked.verify_only {
        // All or nothing.
        Err(ErrorCode::OperationNotAttempted)
    } else if asked.verify_only {
        Ok(())
    } else {
        let transactions = &broker.transactions;
        transactions
            .add_partitions(&asked.transactional_id, caller, &known)
            .await
    };
    let mut places = places.into_iter();
    let mut answer = |index: i32| {
        let place = places.next().flatten();
        let code = match (&place, outcome) {
            (None, _) => ErrorCode::UnknownTopicOrPartition,
            (_, Err(code)) => code,
            (Some((id, _)), Ok(())) if asked.verify_only => {
                let verified = broker
                    .transactions
                    .verify(&asked.transactional_id, caller.producer, *id);
                verified.err().unwrap_or(ErrorCode::None)
            }
            (_, Ok(())) => ErrorCode::None,
        };
        AddPartitionsToTxnPartitionResult {
            partition_index: index,
            partition_error_code: fenced(code, context.version >= FENCED_FROM).code(),
        }
    };
    let topics = asked.topics.into_iter().map(|topic| AddPartitionsToTxnTopicResult {
        name: topic.name,
        results_by_partition: topic.partitions.into_iter().map(&mut answer).collect(),
    });
    topics.collect()
}
