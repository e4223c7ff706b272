//! PushTelemetry: takes what a client has measured.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::push_telemetry_request::PushTelemetryRequest;
use wire::messages::push_telemetry_response::PushTelemetryResponse;

use super::Context;
use crate::Broker;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: PushTelemetryRequest,
) -> PushTelemetryResponse {
    let taken = match &broker.telemetry {
        Some(telemetry) => {
            let client = telemetry.client(context.connection, context.client(), context.peer);
            telemetry.push(&broker, context.connection, &client, request).await
        }
        None => Err(ErrorCode::UnsupportedVersion),
    };
    PushTelemetryResponse {
        error_code: taken.err().unwrap_or(ErrorCode::None).code(),
        ..PushTelemetryResponse::default()
    }
}
