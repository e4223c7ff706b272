//! Groups and their offsets as a raw client sees them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use support::{Client, quick_options, start};
use wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::describe_groups_request::DescribeGroupsRequest;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::heartbeat_request::HeartbeatRequest;
use wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use wire::messages::join_group_response::JoinGroupResponse;
use wire::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use wire::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use wire::{ErrorCode, Message};

fn subscription(topics: &[&str]) -> Bytes {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let subscription = ConsumerProtocolSubscription {
        topics,
        ..ConsumerProtocolSubscription::default()
    };
    let body = subscription.to_bytes(1).unwrap();
    Bytes::from([&1_i16.to_be_bytes()[..], &body].concat())
}

fn join_request(member_id: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.to_owned(),
        group_instance_id: None,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: subscription(&["t"]),
        }],
        reason: None,
    }
}

/// Joins as new clients do: first for an id, then with it.
async fn join(client: &mut Client) -> JoinGroupResponse {
    let first = client.call(9, &join_request("")).await;
    assert_eq!(first.error_code, ErrorCode::MemberIdRequired.code());
    assert!(first.member_id.starts_with("test-"), "named after the client");
    client.call(9, &join_request(&first.member_id)).await
}

fn sync_request(joined: &JoinGroupResponse, assignments: &[(&str, &'static str)]) -> SyncGroupRequest {
    let part = |(member_id, assignment): &(&str, &'static str)| SyncGroupRequestAssignment {
        member_id: (*member_id).to_owned(),
        assignment: Bytes::from_static(assignment.as_bytes()),
    };
    SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: None,
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments: assignments.iter().map(part).collect(),
    }
}

fn heartbeat(joined: &JoinGroupResponse) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: None,
    }
}

fn commit_request(joined: Option<&JoinGroupResponse>, offset: i64, metadata: &str) -> OffsetCommitRequest {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: offset,
        committed_leader_epoch: 0,
        committed_metadata: Some(metadata.to_owned()),
    };
    OffsetCommitRequest {
        group_id: "g".to_owned(),
        generation_id_or_member_epoch: joined.map_or(-1, |joined| joined.generation_id),
        member_id: joined.map_or_else(String::new, |joined| joined.member_id.clone()),
        group_instance_id: None,
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![partition(0), partition(9)],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

async fn committed(client: &mut Client) -> (i64, String) {
    let topic = OffsetFetchRequestTopics {
        name: "t".to_owned(),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    };
    let group = OffsetFetchRequestGroup {
        group_id: "g".to_owned(),
        member_id: None,
        topics: Some(vec![topic]),
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![group],
        ..OffsetFetchRequest::default()
    };
    let found = client.call(9, &request).await.groups[0].topics[0].partitions[0].clone();
    assert_eq!(found.error_code, 0);
    (found.committed_offset, found.metadata.unwrap())
}

async fn state(client: &mut Client) -> (ErrorCode, String, usize) {
    let request = DescribeGroupsRequest {
        groups: vec!["g".to_owned()],
        include_authorized_operations: true,
    };
    let group = client.call(6, &request).await.groups[0].clone();
    assert_eq!(group.authorized_operations, 3400);
    (
        ErrorCode::from_code(group.error_code).unwrap(),
        group.group_state,
        group.members.len(),
    )
}

#[tokio::test]
async fn two_members_share_a_group_until_one_leaves() {
    let running = start().await;
    let (mut one, mut two) = (running.client().await, running.client().await);
    let found = one
        .call(
            4,
            &FindCoordinatorRequest {
                coordinator_keys: vec!["g".to_owned()],
                ..Default::default()
            },
        )
        .await;
    assert_eq!(
        (found.coordinators[0].error_code, found.coordinators[0].node_id),
        (0, 1)
    );
    let found = one
        .call(
            3,
            &FindCoordinatorRequest {
                key: "g".to_owned(),
                ..Default::default()
            },
        )
        .await;
    assert_eq!((found.error_code, found.error_message.as_deref()), (0, Some("NONE")));

    let first = join(&mut one).await;
    assert_eq!(
        (first.error_code, first.generation_id, &first.leader),
        (0, 1, &first.member_id)
    );
    assert_eq!(first.members.len(), 1);
    let synced = one.call(5, &sync_request(&first, &[(&first.member_id, "all")])).await;
    assert_eq!((synced.error_code, synced.assignment.as_ref()), (0, &b"all"[..]));
    assert_eq!(one.call(4, &heartbeat(&first)).await.error_code, 0);

    // The second wants in: the first hears of it, joins again, and both are told.
    let id = two.call(9, &join_request("")).await.member_id;
    two.send(9, &join_request(&id)).await;
    while one.call(4, &heartbeat(&first)).await.error_code != ErrorCode::RebalanceInProgress.code() {}
    let leader = one.call(9, &join_request(&first.member_id)).await;
    let follower = two.receive::<JoinGroupRequest>(9).await;
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    two.send(5, &sync_request(&follower, &[])).await;
    let parts = [
        (leader.member_id.as_str(), "left"),
        (follower.member_id.as_str(), "right"),
    ];
    assert_eq!(
        one.call(5, &sync_request(&leader, &parts)).await.assignment.as_ref(),
        b"left"
    );
    assert_eq!(two.receive::<SyncGroupRequest>(5).await.assignment.as_ref(), b"right");
    assert_eq!(state(&mut one).await, (ErrorCode::None, "Stable".to_owned(), 2));
    let stale = one.call(4, &heartbeat(&first)).await.error_code;
    assert_eq!(stale, ErrorCode::IllegalGeneration.code());

    let leaving = |member_id: &str| MemberIdentity {
        member_id: member_id.to_owned(),
        group_instance_id: None,
        reason: None,
    };
    let request = LeaveGroupRequest {
        group_id: "g".to_owned(),
        members: vec![leaving(&follower.member_id), leaving("stranger")],
        ..LeaveGroupRequest::default()
    };
    let left: Vec<_> = two
        .call(5, &request)
        .await
        .members
        .iter()
        .map(|member| member.error_code)
        .collect();
    assert_eq!(left, [0, ErrorCode::UnknownMemberId.code()]);
    assert_eq!(
        one.call(4, &heartbeat(&leader)).await.error_code,
        ErrorCode::RebalanceInProgress.code()
    );
    let alone = one.call(9, &join_request(&leader.member_id)).await;
    assert_eq!((alone.generation_id, alone.members.len()), (3, 1));
}

#[tokio::test]
async fn members_and_offsets_outlive_a_restart() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let joined = join(&mut client).await;
    client
        .call(5, &sync_request(&joined, &[(&joined.member_id, "all")]))
        .await;
    let response = client.call(8, &commit_request(Some(&joined), 42, "note")).await;
    let codes: Vec<_> = response.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()]);
    let running = running.restart(quick_options()).await;
    let mut client = running.client().await;
    assert_eq!(committed(&mut client).await, (42, "note".to_owned()));
    assert_eq!(
        client.call(4, &heartbeat(&joined)).await.error_code,
        0,
        "its generation goes on"
    );
    assert_eq!(state(&mut client).await, (ErrorCode::None, "Stable".to_owned(), 1));
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let id = running.catalog.topic("t").unwrap().id;
    for version in 2..=10 {
        let mut request = commit_request(None, i64::from(version), "m");
        request.topics[0].topic_id = if version >= 10 { id } else { [0; 16] };
        let response = client.call(version, &request).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 0, "version {version}");
        assert_eq!(committed(&mut client).await.0, i64::from(version));
    }
    for version in 1..=10 {
        let mut request = OffsetFetchRequest::default();
        if version < 8 {
            let topic = OffsetFetchRequestTopic {
                name: "t".to_owned(),
                partition_indexes: vec![0, 5],
            };
            request = OffsetFetchRequest {
                group_id: "g".to_owned(),
                topics: Some(vec![topic]),
                ..request
            };
            let found = client.call(version, &request).await.topics[0].partitions.clone();
            let offsets: Vec<_> = found.iter().map(|partition| partition.committed_offset).collect();
            assert_eq!(offsets, [10, -1], "version {version}");
        } else {
            let group = OffsetFetchRequestGroup {
                group_id: "g".to_owned(),
                member_id: None,
                topics: None,
                ..Default::default()
            };
            request.groups = vec![group];
            let found = client.call(version, &request).await.groups[0].topics.clone();
            assert_eq!(found[0].topic_id, if version >= 10 { id } else { [0; 16] });
            assert_eq!(found[0].partitions[0].committed_offset, 10, "version {version}");
        }
    }
    let long = commit_request(None, 1, &"x".repeat(4097));
    let refused = client.call(8, &long).await.topics[0].partitions[0].error_code;
    assert_eq!(refused, ErrorCode::OffsetMetadataTooLarge.code());
}

#[tokio::test]
async fn strangers_to_a_group_are_told_so() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let ghost = JoinGroupResponse {
        generation_id: 3,
        member_id: "ghost".to_owned(),
        ..JoinGroupResponse::default()
    };
    let ghost = JoinGroupResponse {
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        ..ghost
    };
    let unknown = ErrorCode::UnknownMemberId.code();
    assert_eq!(client.call(4, &heartbeat(&ghost)).await.error_code, unknown);
    assert_eq!(client.call(5, &sync_request(&ghost, &[])).await.error_code, unknown);
    assert_eq!(client.call(9, &join_request("ghost")).await.error_code, unknown);
    let nameless = JoinGroupRequest {
        group_id: String::new(),
        ..join_request("")
    };
    assert_eq!(
        client.call(9, &nameless).await.error_code,
        ErrorCode::InvalidGroupId.code()
    );
    let mut commit = async |version| {
        client.call(version, &commit_request(Some(&ghost), 1, "")).await.topics[0].partitions[0].error_code
    };
    assert_eq!(commit(8).await, ErrorCode::IllegalGeneration.code());
    assert_eq!(commit(9).await, ErrorCode::GroupIdNotFound.code());
    assert_eq!(
        state(&mut client).await,
        (ErrorCode::GroupIdNotFound, "Dead".to_owned(), 0)
    );
    let old = client
        .call(
            5,
            &DescribeGroupsRequest {
                groups: vec!["g".to_owned()],
                ..Default::default()
            },
        )
        .await;
    assert_eq!(
        (old.groups[0].error_code, old.groups[0].group_state.as_str()),
        (0, "Dead")
    );
    for version in 0..=9 {
        // Clients before the second step are members at once.
        let response = client.call(version, &join_request("")).await;
        let expected = if version < 4 {
            ErrorCode::None
        } else {
            ErrorCode::MemberIdRequired
        };
        if version < 4 {
            let leave = LeaveGroupRequest {
                group_id: "g".to_owned(),
                member_id: response.member_id,
                ..Default::default()
            };
            assert_eq!(client.call(1, &leave).await.error_code, 0);
        }
        assert_eq!(response.error_code, expected.code(), "version {version}");
    }
}

#[tokio::test]
async fn groups_are_listed_and_deleted_when_empty() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    client.call(8, &commit_request(None, 7, "")).await;
    let listed = client.call(5, &ListGroupsRequest::default()).await.groups;
    assert_eq!(
        (
            listed.len(),
            listed[0].group_state.as_str(),
            listed[0].group_type.as_str()
        ),
        (1, "Empty", "classic")
    );
    let filtered = ListGroupsRequest {
        states_filter: vec!["Stable".to_owned()],
        ..ListGroupsRequest::default()
    };
    assert_eq!(client.call(5, &filtered).await.groups.len(), 0);

    let joined = join(&mut client).await;
    client.call(5, &sync_request(&joined, &[])).await;
    let offsets = |topic: &str| OffsetDeleteRequest {
        group_id: "g".to_owned(),
        topics: vec![OffsetDeleteRequestTopic {
            name: topic.to_owned(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let used = client.call(0, &offsets("t")).await;
    assert_eq!(
        used.topics[0].partitions[0].error_code,
        ErrorCode::GroupSubscribedToTopic.code()
    );
    let delete = DeleteGroupsRequest {
        groups_names: vec!["g".to_owned(), "none".to_owned()],
    };
    let codes = |response: wire::messages::delete_groups_response::DeleteGroupsResponse| {
        response
            .results
            .iter()
            .map(|result| result.error_code)
            .collect::<Vec<_>>()
    };
    let not_found = ErrorCode::GroupIdNotFound.code();
    assert_eq!(
        codes(client.call(2, &delete).await),
        [ErrorCode::NonEmptyGroup.code(), not_found]
    );
    let leave = LeaveGroupRequest {
        group_id: "g".to_owned(),
        member_id: joined.member_id,
        ..Default::default()
    };
    assert_eq!(client.call(2, &leave).await.error_code, 0);
    assert_eq!(
        client.call(0, &offsets("t")).await.topics[0].partitions[0].error_code,
        0
    );
    assert_eq!(committed(&mut client).await.0, -1);
    assert_eq!(codes(client.call(2, &delete).await), [0, not_found]);
    assert_eq!(client.call(5, &ListGroupsRequest::default()).await.groups.len(), 0);
}
