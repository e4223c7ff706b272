//! ListTransactions: the transactional ids, by state, producer, age or name.

use std::sync::Arc;

use regex::Regex;
use wire::ErrorCode;
use wire::messages::list_transactions_request::ListTransactionsRequest;
use wire::messages::list_transactions_response::{ListTransactionsResponse, TransactionState};

use super::Context;
use crate::Broker;
use crate::transaction::Transaction;

/// Every state of Kafka's; here a transaction is only ever in some of them.
const STATES: &[&str] = &[
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let pattern = match request.transactional_id_pattern.as_deref() {
        None | Some("") => None,
        // The whole name has to match.
        Some(pattern) => match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                tracing::debug!("a pattern of transactional ids is refused: {error}");
                return ListTransactionsResponse {
                    error_code: ErrorCode::InvalidRegularExpression.code(),
                    ..ListTransactionsResponse::default()
                };
            }
        },
    };
    let now_ms = broker.clock.wall_ms();
    let is_wanted = |id: &str, transaction: &Transaction| {
        let (states, producers) = (&request.state_filters, &request.producer_id_filters);
        let age_ms = now_ms - transaction.started_ms;
        // A client asks every broker, and adds up.
        broker.coordinator_of(id).id == context.node
            && (states.is_empty() || states.iter().any(|state| state == transaction.state.name()))
            && (producers.is_empty() || producers.contains(&transaction.producer.id))
            && (request.duration_filter < 0 || age_ms > request.duration_filter)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    };
    let mut found = broker.transactions.look_at_all(|id, transaction| {
        is_wanted(id, transaction).then(|| TransactionState {
            transactional_id: id.to_owned(),
            producer_id: transaction.producer.id,
            transaction_state: transaction.state.name().to_owned(),
        })
    });
    found.sort_unstable_by(|one, other| one.transactional_id.cmp(&other.transactional_id));
    let unknown = request
        .state_filters
        .iter()
        .filter(|state| !STATES.contains(&state.as_str()));
    ListTransactionsResponse {
        unknown_state_filters: unknown.cloned().collect(),
        transaction_states: found,
        ..ListTransactionsResponse::default()
    }
}
