//! AddOffsetsToTxn: says that a transaction will commit a group's offsets.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use wire::messages::add_offsets_to_txn_response::AddOffsetsToTxnResponse;

use super::{Context, fenced};
use crate::Broker;
use crate::transaction::{Flow, Producer};
use crate::transactions::Caller;

/// The first version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let caller = Caller {
        producer: Producer {
            id: request.producer_id,
            epoch: request.producer_epoch,
        },
        flow: Flow::V1,
        connection: context.connection,
    };
    let outcome = if request.transactional_id.is_empty() {
        Err(ErrorCode::InvalidRequest)
    } else {
        let transactions = &broker.transactions;
        transactions
            .add_group(&request.transactional_id, caller, &request.group_id)
            .await
    };
    let code = outcome.err().unwrap_or(ErrorCode::None);
    AddOffsetsToTxnResponse {
        error_code: fenced(code, context.version >= FENCED_FROM).code(),
        ..AddOffsetsToTxnResponse::default()
    }
}
