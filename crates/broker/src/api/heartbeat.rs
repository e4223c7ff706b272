//! Heartbeat: a member says it lives, and hears of rebalances.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::heartbeat_request::HeartbeatRequest;
use wire::messages::heartbeat_response::HeartbeatResponse;

use super::Context;
use crate::Broker;
use crate::group::Caller;

pub(crate) async fn handle(broker: Arc<Broker>, _: Context, request: HeartbeatRequest) -> HeartbeatResponse {
    let error = if request.group_id.is_empty() {
        ErrorCode::InvalidGroupId
    } else {
        let caller = Caller {
            member_id: request.member_id,
            instance_id: request.group_instance_id,
            generation: request.generation_id,
        };
        broker.coordinator.heartbeat(&request.group_id, &caller)
    };
    HeartbeatResponse {
        error_code: error.code(),
        ..HeartbeatResponse::default()
    }
}
