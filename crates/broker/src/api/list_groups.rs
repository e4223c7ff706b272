//! ListGroups.

use std::sync::Arc;

use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::list_groups_response::{ListGroupsResponse, ListedGroup};

use super::Context;
use crate::Broker;

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: ListGroupsRequest) -> ListGroupsResponse {
    let wanted = |filter: &[String], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let listed = broker.coordinator.look_at_all(|id, group| ListedGroup {
        group_id: id.to_owned(),
        protocol_type: group.protocol_type().to_owned(),
        group_state: group.state_name().to_owned(),
        group_type: group.kind().name().to_owned(),
    });
    // A client asks every broker, and adds up.
    let is_here = |id: &str| broker.coordinator_of(id).id == context.node;
    let groups = listed.into_iter().filter(|group| {
        is_here(&group.group_id)
            && wanted(&request.states_filter, &group.group_state)
            && wanted(&request.types_filter, &group.group_type)
    });
    ListGroupsResponse {
        groups: groups.collect(),
        ..ListGroupsResponse::default()
    }
}
