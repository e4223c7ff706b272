//! InitProducerId: a number for an idempotent producer.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::init_producer_id_response::InitProducerIdResponse;

use super::Context;
use crate::Broker;

pub(crate) async fn handle(broker: Arc<Broker>, _: Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let refused = |error: ErrorCode| InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        ..InitProducerIdResponse::default()
    };
    match request.transactional_id {
        Some(id) if id.is_empty() => return refused(ErrorCode::InvalidRequest),
        // See `find_coordinator`: the code that clients report at once instead of trying again.
        Some(_) => return refused(ErrorCode::UnsupportedVersion),
        None => {}
    }
    // Without a transactional id there is nothing to resume: always a fresh id.
    match broker.producer_ids.next(&broker.catalog).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(error) => {
            tracing::warn!("no producer id can be given: {error}");
            refused(ErrorCode::CoordinatorNotAvailable)
        }
    }
}
