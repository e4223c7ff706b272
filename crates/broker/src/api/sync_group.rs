//! SyncGroup: the leader hands out assignments, everybody gets its own.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::sync_group_request::SyncGroupRequest;
use wire::messages::sync_group_response::SyncGroupResponse;

use super::Context;
use crate::Broker;
use crate::group::{Caller, SyncRequest, Synced};

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: SyncGroupRequest) -> SyncGroupResponse {
    let named = request.protocol_type.is_some() && request.protocol_name.is_some();
    let synced = if context.version >= 5 && !named {
        Synced::refused(ErrorCode::InconsistentGroupProtocol)
    } else if request.group_id.is_empty() {
        Synced::refused(ErrorCode::InvalidGroupId)
    } else {
        let sync = SyncRequest {
            caller: Caller {
                member_id: request.member_id,
                instance_id: request.group_instance_id,
                generation: request.generation_id,
            },
            protocol_type: request.protocol_type,
            protocol: request.protocol_name,
            assignments: request
                .assignments
                .into_iter()
                .map(|part| (part.member_id, part.assignment))
                .collect(),
        };
        broker.coordinator.sync(&request.group_id, sync).await
    };
    SyncGroupResponse {
        error_code: synced.error.code(),
        protocol_type: synced.protocol_type,
        protocol_name: synced.protocol,
        assignment: synced.assignment,
        ..SyncGroupResponse::default()
    }
}
