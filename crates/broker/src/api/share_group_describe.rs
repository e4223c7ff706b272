//! ShareGroupDescribe: share groups and what each member reads.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::share_group_describe_request::ShareGroupDescribeRequest;
use wire::messages::share_group_describe_response::{
    Assignment, DescribedGroup, Member, ShareGroupDescribeResponse, TopicPartitions,
};

use super::{Context, GROUP_OPERATIONS};
use crate::Broker;
use crate::group::{AnyGroup, Parts, ShareGroup};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: ShareGroupDescribeRequest,
) -> ShareGroupDescribeResponse {
    let describe_one = |group_id: String| {
        if group_id.is_empty() {
            return refused(group_id, ErrorCode::InvalidGroupId, None);
        }
        let described = broker.coordinator.look(&group_id, |group| match group {
            AnyGroup::Share(group) => Some(describe(&broker, group)),
            _ => None,
        });
        match described {
            Some(Some(described)) => DescribedGroup {
                group_id,
                authorized_operations: if request.include_authorized_operations {
                    GROUP_OPERATIONS
                } else {
                    described.authorized_operations
                },
                ..described
            },
            Some(None) => {
                let message = format!("Group {group_id} is not a share group.");
                refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
            }
            None => {
                let message = format!("Group {group_id} not found.");
                refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
            }
        }
    };
    ShareGroupDescribeResponse {
        groups: request.group_ids.into_iter().map(describe_one).collect(),
        ..ShareGroupDescribeResponse::default()
    }
}

fn refused(group_id: String, error: ErrorCode, error_message: Option<String>) -> DescribedGroup {
    DescribedGroup {
        error_code: error.code(),
        error_message,
        group_id,
        ..DescribedGroup::default()
    }
}

fn describe(broker: &Broker, group: &ShareGroup) -> DescribedGroup {
    let members = group.members().map(|member| Member {
        member_id: member.id.clone(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.epoch,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.names.iter().cloned().collect(),
        assignment: named(broker, &member.assigned),
    });
    DescribedGroup {
        group_state: group.state_name().to_owned(),
        group_epoch: group.epoch(),
        assignment_epoch: group.assignment_epoch(),
        assignor_name: "simple".to_owned(),
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

/// Topics that are gone since have no name to be shown by.
fn named(broker: &Broker, parts: &Parts) -> Assignment {
    let topics = parts.iter().filter_map(|(id, partitions)| {
        Some(TopicPartitions {
            topic_id: *id,
            topic_name: broker.catalog.topic_by_id(*id)?.name.to_string(),
            partitions: partitions.iter().copied().collect(),
        })
    });
    Assignment {
        topic_partitions: topics.collect(),
    }
}
