//! StreamsGroupDescribe: Streams applications with their topology, and the tasks each member has and is to have.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::streams_group_describe_request::StreamsGroupDescribeRequest;
use wire::messages::streams_group_describe_response::{
    Assignment, DescribedGroup, Endpoint, KeyValue, Member, StreamsGroupDescribeResponse, Subtopology, TaskIds,
    TopicInfo, Topology,
};
use wire::messages::streams_group_heartbeat_request as asked;

use super::{Context, GROUP_OPERATIONS};
use crate::Broker;
use crate::group::{AnyGroup, Configured, Role, StreamsGroup, StreamsMember, Tasks};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: StreamsGroupDescribeRequest,
) -> StreamsGroupDescribeResponse {
    let describe_one = |group_id: String| {
        if group_id.is_empty() {
            return refused(group_id, ErrorCode::InvalidGroupId, None);
        }
        let described = broker.coordinator.look(&group_id, |group| match group {
            AnyGroup::Streams(group) => Some(describe(group)),
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
                let message = format!("Group {group_id} is not a streams group.");
                refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
            }
            None => {
                let message = format!("Group {group_id} not found.");
                refused(group_id, ErrorCode::GroupIdNotFound, Some(message))
            }
        }
    };
    StreamsGroupDescribeResponse {
        groups: request.group_ids.into_iter().map(describe_one).collect(),
        ..StreamsGroupDescribeResponse::default()
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

fn describe(group: &StreamsGroup) -> DescribedGroup {
    DescribedGroup {
        group_state: group.state_name().to_owned(),
        group_epoch: group.epoch(),
        assignment_epoch: group.assignment_epoch(),
        topology: group
            .topology()
            .map(|topology| describe_topology(topology, group.configured())),
        members: group.members().map(describe_member).collect(),
        ..DescribedGroup::default()
    }
}

/// As the members gave it, whether or not the topics there are fit it; partitions are told where they are known.
fn describe_topology(topology: &asked::Topology, configured: &Configured) -> Topology {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    let one = |subtopology: &asked::Subtopology| Subtopology {
        subtopology_id: subtopology.subtopology_id.clone(),
        source_topics: sorted(&subtopology.source_topics),
        repartition_sink_topics: sorted(&subtopology.repartition_sink_topics),
        state_changelog_topics: infos(&subtopology.state_changelog_topics, configured),
        repartition_source_topics: infos(&subtopology.repartition_source_topics, configured),
    };
    Topology {
        epoch: topology.epoch,
        subtopologies: Some(topology.subtopologies.iter().map(one).collect()),
    }
}

fn infos(topics: &[asked::TopicInfo], configured: &Configured) -> Vec<TopicInfo> {
    let one = |topic: &asked::TopicInfo| {
        let pairs = topic.topic_configs.iter().map(|pair| KeyValue {
            key: pair.key.clone(),
            value: pair.value.clone(),
        });
        TopicInfo {
            name: topic.name.clone(),
            partitions: configured
                .partitions
                .get(&topic.name)
                .copied()
                .unwrap_or(topic.partitions),
            replication_factor: topic.replication_factor,
            topic_configs: pairs.collect(),
        }
    };
    topics.iter().map(one).collect()
}

fn describe_member(member: &StreamsMember) -> Member {
    let info = &member.info;
    let tags = info.tags.iter().map(|(key, value)| KeyValue {
        key: key.clone(),
        value: value.clone(),
    });
    Member {
        member_id: member.id.clone(),
        member_epoch: member.standing.epoch,
        rack_id: info.rack_id.clone(),
        client_id: info.client_id.clone(),
        client_host: info.client_host.clone(),
        topology_epoch: info.topology_epoch,
        process_id: info.process_id.clone(),
        user_endpoint: info.endpoint.as_ref().map(|endpoint| Endpoint {
            host: endpoint.host.clone(),
            port: endpoint.port,
        }),
        client_tags: tags.collect(),
        assignment: assignment(&member.assigned()),
        target_assignment: assignment(&member.target),
        ..Member::default()
    }
}

fn assignment(tasks: &Tasks) -> Assignment {
    let of_role = |wanted: Role| -> Vec<TaskIds> {
        let of_role = tasks.iter().filter(|((role, _), _)| *role == wanted);
        let ids = of_role.map(|((_, subtopology_id), partitions)| TaskIds {
            subtopology_id: subtopology_id.clone(),
            partitions: partitions.iter().copied().collect(),
        });
        ids.collect()
    };
    Assignment {
        active_tasks: of_role(Role::Active),
        standby_tasks: of_role(Role::Standby),
        warmup_tasks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_whose_topics_are_missing_is_described_too() {
        let given = asked::Topology {
            epoch: 1,
            subtopologies: vec![asked::Subtopology {
                subtopology_id: "0".into(),
                source_topics: vec!["missing".into()],
                ..Default::default()
            }],
        };
        let described = describe_topology(&given, &Configured::default());
        let subtopologies = described.subtopologies.unwrap_or_default();
        assert_eq!(subtopologies.len(), 1);
        assert_eq!(subtopologies[0].source_topics, ["missing"]);
    }
}
