//! EndTxn: commits or aborts; answered when markers, offsets and state are durable, all in one.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::end_txn_request::EndTxnRequest;
use wire::messages::end_txn_response::EndTxnResponse;

use super::{Context, fenced};
use crate::Broker;
use crate::transaction::{Flow, Producer};
use crate::transactions::Caller;

/// The first version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;
/// From this version on every end brings a new epoch (KIP-890).
const EPOCHS_FROM: i16 = 5;

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: EndTxnRequest) -> EndTxnResponse {
    let caller = Caller {
        producer: Producer {
            id: request.producer_id,
            epoch: request.producer_epoch,
        },
        flow: if context.version >= EPOCHS_FROM {
            Flow::V2
        } else {
            Flow::V1
        },
        connection: context.connection,
    };
    let outcome = if request.transactional_id.is_empty() {
        Err(ErrorCode::InvalidRequest)
    } else {
        let transactions = &broker.transactions;
        transactions
            .end(&request.transactional_id, caller, request.committed)
            .await
    };
    match outcome {
        Ok(next) => EndTxnResponse {
            producer_id: next.id,
            producer_epoch: next.epoch,
            ..EndTxnResponse::default()
        },
        Err(code) => EndTxnResponse {
            error_code: fenced(code, context.version >= FENCED_FROM).code(),
            ..EndTxnResponse::default()
        },
    }
}
