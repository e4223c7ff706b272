//! ConsumerGroupDescribe: groups of KIP-848 with their epochs, and what each member has and is to have.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use wire::messages::consumer_group_describe_response::{
    Assignment, ConsumerGroupDescribeResponse, DescribedGroup, Member, TopicPartitions,
};

use super::{Context, GROUP_OPERATIONS};
use crate::Broker;
use crate::group::{self, AnyGroup, ConsumerGroup, Parts};

/// A member that speaks the classic protocol, and one that speaks that of KIP-848.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let describe_one = |group_id: String| {
        if group_id.is_empty() {
            return refused(group_id, ErrorCode::InvalidGroupId, None);
        }
        let described = broker.coordinator.look(&group_id, |group| match group {
            AnyGroup::Consumer(group) => Some(describe(&broker, group)),
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
                let message = format!("Group {group_id} is not a consumer group.");
                refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
            }
            None => {
                let message = format!("Group {group_id} not found.");
                refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
            }
        }
    };
    ConsumerGroupDescribeResponse {
        groups: request.group_ids.into_iter().map(describe_one).collect(),
        ..ConsumerGroupDescribeResponse::default()
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

fn describe(broker: &Broker, group: &ConsumerGroup) -> DescribedGroup {
    DescribedGroup {
        group_state: group.state_name().to_owned(),
        group_epoch: group.epoch(),
        assignment_epoch: group.assignment_epoch(),
        assignor_name: group.assignor().name().to_owned(),
        members: group.members().map(|member| describe_member(broker, member)).collect(),
        ..DescribedGroup::default()
    }
}

fn describe_member(broker: &Broker, member: &group::ConsumerMember) -> Member {
    let info = &member.info;
    Member {
        member_id: member.id.clone(),
        instance_id: info.instance_id.clone(),
        rack_id: info.rack_id.clone(),
        member_epoch: member.standing.epoch,
        client_id: info.client_id.clone(),
        client_host: info.client_host.clone(),
        subscribed_topic_names: info.names.iter().cloned().collect(),
        subscribed_topic_regex: Some(info.pattern.clone().unwrap_or_default()),
        assignment: named(broker, &member.assigned()),
        target_assignment: named(broker, &member.target),
        member_type: if info.classic.is_some() { CLASSIC } else { CONSUMER },
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
