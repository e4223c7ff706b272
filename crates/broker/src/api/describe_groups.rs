//! DescribeGroups: a group's state and members.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_groups_request::DescribeGroupsRequest;
use wire::messages::describe_groups_response::{DescribeGroupsResponse, DescribedGroup, DescribedGroupMember};

use super::{Context, GROUP_OPERATIONS};
use crate::Broker;
use crate::group::{AnyGroup, Group, Member, State};

/// The first version that says when a group does not exist; before, it is dead.
const NOT_FOUND_FROM: i16 = 6;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let describe_one = |group_id: String| {
        let described = broker.coordinator.look(&group_id, |group| match group {
            AnyGroup::Classic(group) => Some(describe(group)),
            _ => None,
        });
        let mut described = match described {
            Some(Some(described)) => described,
            Some(None) => absent(format!("Group {group_id} is not a classic group."), context.version),
            None => absent(format!("Group {group_id} not found."), context.version),
        };
        if request.include_authorized_operations {
            described.authorized_operations = GROUP_OPERATIONS;
        }
        DescribedGroup { group_id, ..described }
    };
    DescribeGroupsResponse {
        groups: request.groups.into_iter().map(describe_one).collect(),
        ..DescribeGroupsResponse::default()
    }
}

fn absent(why: String, version: i16) -> DescribedGroup {
    let mut described = DescribedGroup {
        group_state: "Dead".to_owned(),
        ..DescribedGroup::default()
    };
    if version >= NOT_FOUND_FROM {
        described.error_code = ErrorCode::GroupIdNotFound.code();
        described.error_message = Some(why);
    }
    described
}

fn describe(group: &Group) -> DescribedGroup {
    // While a rebalance is under way there is neither a protocol nor an assignment to show.
    let protocol = if group.state() == State::Stable {
        group.protocol()
    } else {
        None
    };
    let member = |member: &Member| DescribedGroupMember {
        member_id: member.id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        member_metadata: protocol
            .and_then(|protocol| member.metadata(protocol))
            .cloned()
            .unwrap_or_default(),
        member_assignment: if protocol.is_some() {
            member.assignment.clone()
        } else {
            bytes::Bytes::new()
        },
    };
    DescribedGroup {
        group_state: group.state().name().to_owned(),
        protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
        protocol_data: protocol.unwrap_or_default().to_owned(),
        members: group.members().map(member).collect(),
        ..DescribedGroup::default()
    }
}
