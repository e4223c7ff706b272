//! LeaveGroup: members go; from version 3 several at once, static ones by their instance id.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use wire::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};

use super::Context;
use crate::Broker;

/// The first version that names several members.
const BATCHED_FROM: i16 = 3;

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: LeaveGroupRequest) -> LeaveGroupResponse {
    if request.group_id.is_empty() {
        return LeaveGroupResponse {
            error_code: ErrorCode::InvalidGroupId.code(),
            ..LeaveGroupResponse::default()
        };
    }
    let leave = |member: &MemberIdentity| {
        let left = broker.coordinator.leave(
            &request.group_id,
            &member.member_id,
            member.group_instance_id.as_deref(),
        );
        left.unwrap_or(ErrorCode::UnknownMemberId).code()
    };
    if context.version < BATCHED_FROM {
        let member = MemberIdentity {
            member_id: request.member_id,
            ..MemberIdentity::default()
        };
        return LeaveGroupResponse {
            error_code: leave(&member),
            ..LeaveGroupResponse::default()
        };
    }
    let members = request.members.into_iter().map(|member| MemberResponse {
        error_code: leave(&member),
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
    });
    LeaveGroupResponse {
        members: members.collect(),
        ..LeaveGroupResponse::default()
    }
}
