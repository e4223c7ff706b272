//! DescribeTransactions: what each transactional id stands at.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_transactions_request::DescribeTransactionsRequest;
use wire::messages::describe_transactions_response::{DescribeTransactionsResponse, TopicData, TransactionState};

use super::Context;
use crate::Broker;
use crate::transaction::Transaction;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let mut transaction_states = Vec::with_capacity(request.transactional_ids.len());
    for transactional_id in request.transactional_ids {
        let refused = |code: ErrorCode| TransactionState {
            error_code: code.code(),
            ..TransactionState::default()
        };
        let state = if transactional_id.is_empty() {
            refused(ErrorCode::InvalidRequest)
        } else {
            let found = broker.transactions.look_durably(&transactional_id, described).await;
            found.unwrap_or_else(|| refused(ErrorCode::TransactionalIdNotFound))
        };
        transaction_states.push(TransactionState {
            transactional_id,
            ..state
        });
    }
    DescribeTransactionsResponse {
        transaction_states,
        ..DescribeTransactionsResponse::default()
    }
}

fn described(transaction: &Transaction) -> TransactionState {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for place in transaction.partitions.values() {
        topics.entry(place.topic.clone()).or_default().push(place.index);
    }
    let topics = topics
        .into_iter()
        .map(|(topic, partitions)| TopicData { topic, partitions });
    TransactionState {
        transaction_state: transaction.state.name().to_owned(),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.started_ms,
        producer_id: transaction.producer.id,
        producer_epoch: transaction.producer.epoch,
        topics: topics.collect(),
        ..TransactionState::default()
    }
}
