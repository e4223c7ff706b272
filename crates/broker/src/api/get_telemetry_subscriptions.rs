//! GetTelemetrySubscriptions: what a client is to measure and how often to push it.

use std::sync::Arc;

use wire::messages::get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest;
use wire::messages::get_telemetry_subscriptions_response::GetTelemetrySubscriptionsResponse;
use wire::{Compression, ErrorCode};

use super::Context;
use crate::Broker;

/// The best first: clients take the first they know.
const CODECS: [Compression; 4] = [
    Compression::Zstd,
    Compression::Lz4,
    Compression::Gzip,
    Compression::Snappy,
];

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let told = match &broker.telemetry {
        Some(telemetry) => {
            let client = telemetry.client(context.connection, context.client(), context.peer);
            telemetry.ask(context.connection, request.client_instance_id, &client)
        }
        None => Err(ErrorCode::UnsupportedVersion),
    };
    match told {
        Ok(told) => GetTelemetrySubscriptionsResponse {
            client_instance_id: told.instance,
            subscription_id: told.subscription_id,
            accepted_compression_types: CODECS.map(|codec| codec.code() as i8).to_vec(),
            push_interval_ms: told.interval_ms,
            telemetry_max_bytes: i32::try_from(told.bytes_max).unwrap_or(i32::MAX),
            delta_temporality: true,
            requested_metrics: told.metrics,
            ..GetTelemetrySubscriptionsResponse::default()
        },
        Err(error) => GetTelemetrySubscriptionsResponse {
            error_code: error.code(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
    }
}
