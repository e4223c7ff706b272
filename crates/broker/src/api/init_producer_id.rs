//! InitProducerId: a number for an idempotent producer, a number and an epoch for a transactional one.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::init_producer_id_response::InitProducerIdResponse;

use super::{Context, fenced};
use crate::Broker;
use crate::transaction::Producer;

/// The first version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 4;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match init(&broker, &request).await {
        Ok(producer) => InitProducerIdResponse {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            ..InitProducerIdResponse::default()
        },
        Err(code) => InitProducerIdResponse {
            error_code: fenced(code, context.version >= FENCED_FROM).code(),
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        },
    }
}

async fn init(broker: &Broker, request: &InitProducerIdRequest) -> Result<Producer, ErrorCode> {
    let asked = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Err(ErrorCode::InvalidRequest),
        (id, epoch) => Some(Producer { id, epoch }),
    };
    match request.transactional_id.as_deref() {
        // Without a transactional id there is nothing to resume: always a fresh id.
        None => {
            let fresh = broker.producer_ids.next(&broker.catalog).await;
            let fresh = fresh.inspect_err(|error| tracing::warn!("no producer id can be given: {error}"));
            let id = fresh.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
            Ok(Producer { id, epoch: 0 })
        }
        Some("") => Err(ErrorCode::InvalidRequest),
        Some(_) if !(1..=broker.options.transaction_timeout_ms_max).contains(&request.transaction_timeout_ms) => {
            Err(ErrorCode::InvalidTransactionTimeout)
        }
        Some(id) => {
            broker
                .transactions
                .init(id, asked, request.transaction_timeout_ms)
                .await
        }
    }
}
