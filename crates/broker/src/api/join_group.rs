//! JoinGroup: becoming part of a group's next generation.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::join_group_request::JoinGroupRequest;
use wire::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};

use super::Context;
use crate::Broker;
use crate::group::{JoinRequest, Joined};

/// The first version whose clients come back with the member id they are given (KIP-394).
const TWO_STEP_FROM: i16 = 4;
/// The first version in which there may be no protocol.
const NULL_PROTOCOL_FROM: i16 = 7;
/// The first version whose leaders can be told not to assign (KIP-814).
const SKIP_ASSIGNMENT_FROM: i16 = 9;

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: JoinGroupRequest) -> JoinGroupResponse {
    if request.group_id.is_empty() {
        return response(&context, Joined::refused(ErrorCode::InvalidGroupId, &request.member_id));
    }
    // Version 0 has one timeout for both.
    let rebalance_timeout_ms = if request.rebalance_timeout_ms < 0 {
        request.session_timeout_ms
    } else {
        request.rebalance_timeout_ms
    };
    let protocols = request
        .protocols
        .into_iter()
        .map(|protocol| (protocol.name, protocol.metadata))
        .collect();
    let join = JoinRequest {
        member_id: request.member_id,
        fresh_member_id: String::new(),
        instance_id: request.group_instance_id,
        client_id: context.client_id.clone().unwrap_or_default(),
        client_host: format!("/{}", context.peer.ip()),
        session_timeout_ms: i64::from(request.session_timeout_ms),
        rebalance_timeout_ms: i64::from(rebalance_timeout_ms),
        protocol_type: request.protocol_type,
        protocols,
        two_step: context.version >= TWO_STEP_FROM,
        may_skip_assignment: context.version >= SKIP_ASSIGNMENT_FROM,
    };
    let joined = broker.coordinator.join(&request.group_id, join).await;
    response(&context, joined)
}

fn response(context: &Context, joined: Joined) -> JoinGroupResponse {
    let member = |(member_id, group_instance_id, metadata)| JoinGroupResponseMember {
        member_id,
        group_instance_id,
        metadata,
    };
    let protocol_name = if context.version < NULL_PROTOCOL_FROM {
        Some(joined.protocol.unwrap_or_default())
    } else {
        joined.protocol
    };
    JoinGroupResponse {
        error_code: joined.error.code(),
        generation_id: joined.generation,
        protocol_type: joined.protocol_type,
        protocol_name,
        leader: joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: joined.member_id,
        members: joined.members.into_iter().map(member).collect(),
        ..JoinGroupResponse::default()
    }
}
