//! Groups of KIP-848 as a raw client sees them, also across a restart and when members fall silent.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;

use support::{Client, quick_options, start, start_with};
use wire::ErrorCode;
use wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use wire::messages::consumer_group_describe_response::DescribedGroup;
use wire::messages::consumer_group_heartbeat_request::{ConsumerGroupHeartbeatRequest as Beat, TopicPartitions};
use wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse as Told;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::delete_topics_request::DeleteTopicsRequest;
use wire::messages::describe_groups_request::DescribeGroupsRequest;
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use wire::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};

fn options() -> rivulet_broker::BrokerOptions {
    let mut options = quick_options();
    options.group.consumer.assignment_interval_ms = 0;
    options
}

fn join(member_id: &str) -> Beat {
    Beat {
        group_id: "g".to_owned(),
        member_id: member_id.to_owned(),
        rebalance_timeout_ms: 5_000,
        subscribed_topic_names: Some(vec!["t".to_owned()]),
        topic_partitions: Some(Vec::new()),
        ..Beat::default()
    }
}

fn beat(member_id: &str, epoch: i32) -> Beat {
    Beat {
        group_id: "g".to_owned(),
        member_id: member_id.to_owned(),
        member_epoch: epoch,
        ..Beat::default()
    }
}

fn owning(told: &Told, beat: Beat) -> Beat {
    let owned = told.assignment.clone().unwrap_or_default().topic_partitions;
    let owned = owned.into_iter().map(|topic| TopicPartitions {
        topic_id: topic.topic_id,
        partitions: topic.partitions,
    });
    Beat {
        topic_partitions: Some(owned.collect()),
        ..beat
    }
}

fn partitions(told: &Told) -> Option<BTreeSet<i32>> {
    let topics = &told.assignment.as_ref()?.topic_partitions;
    Some(
        topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().copied())
            .collect(),
    )
}

async fn expect(client: &mut Client, beat: Beat, error: ErrorCode) -> Told {
    let told = client.call(1, &beat).await;
    assert_eq!(told.error_code, error.code(), "{beat:?}: {:?}", told.error_message);
    told
}

async fn describe(client: &mut Client) -> DescribedGroup {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec!["g".to_owned()],
        include_authorized_operations: true,
    };
    client.call(1, &request).await.groups.remove(0)
}

/// `a` and `b` with two of four partitions each.
async fn two_members(client: &mut Client) -> (i32, BTreeSet<i32>, BTreeSet<i32>) {
    client.create("t", 4, &[]).await;
    let a = expect(client, join("a"), ErrorCode::None).await;
    assert_eq!(partitions(&a).unwrap().len(), 4, "the first has all");
    let b = expect(client, join("b"), ErrorCode::None).await;
    assert_eq!(partitions(&b), Some(BTreeSet::new()), "nothing before it is given up");
    let less = expect(client, beat("a", a.member_epoch), ErrorCode::None).await;
    let of_a = partitions(&less).unwrap();
    assert_eq!(of_a.len(), 2);
    let still = expect(client, beat("b", b.member_epoch), ErrorCode::None).await;
    assert_eq!(partitions(&still), None, "silence confirms nothing");
    let done = expect(client, owning(&less, beat("a", a.member_epoch)), ErrorCode::None).await;
    assert_eq!(done.member_epoch, b.member_epoch);
    let more = expect(client, beat("b", b.member_epoch), ErrorCode::None).await;
    let of_b = partitions(&more).unwrap();
    assert_eq!(of_a.union(&of_b).copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    (done.member_epoch, of_a, of_b)
}

#[tokio::test]
async fn members_go_on_after_a_restart() {
    let running = start_with(options()).await;
    let mut client = running.client().await;
    let (epoch, of_a, of_b) = two_members(&mut client).await;
    let before = describe(&mut client).await;
    assert_eq!(before.group_state, "Stable");
    let running = running.restart(options()).await;
    let mut client = running.client().await;
    assert_eq!(describe(&mut client).await, before, "nothing is forgotten");
    for (id, part) in [("a", of_a), ("b", of_b)] {
        let told = expect(&mut client, beat(id, epoch), ErrorCode::None).await;
        assert_eq!(
            (told.member_epoch, partitions(&told)),
            (epoch, None),
            "nothing changed for {id}"
        );
        let complete = Beat {
            member_epoch: epoch,
            ..join(id)
        };
        let told = expect(&mut client, complete, ErrorCode::None).await;
        assert_eq!(partitions(&told), Some(part), "{id} has what it had");
    }
    // A rebalance half-way through goes on, too.
    let c = expect(&mut client, join("c"), ErrorCode::None).await;
    let less = expect(&mut client, beat("a", epoch), ErrorCode::None).await;
    let b = expect(&mut client, beat("b", epoch), ErrorCode::None).await;
    let (giver, less) = if partitions(&less).is_some() {
        ("a", less)
    } else {
        ("b", b)
    };
    let running = running.restart(options()).await;
    let mut client = running.client().await;
    let waiting = expect(&mut client, beat("c", c.member_epoch), ErrorCode::None).await;
    assert_eq!(partitions(&waiting), None);
    expect(&mut client, owning(&less, beat(giver, epoch)), ErrorCode::None).await;
    let told = expect(&mut client, beat("c", c.member_epoch), ErrorCode::None).await;
    assert_eq!(partitions(&told).map(|parts| parts.len()), Some(1));
}

#[tokio::test]
async fn silent_members_go_and_topics_that_change_are_noticed() {
    let mut options = options();
    options.group.consumer.session_timeout_ms = 400;
    let running = start_with(options).await;
    let mut client = running.client().await;
    let (mut epoch, ..) = two_members(&mut client).await;
    // `b` says nothing any more.
    let all = loop {
        let told = expect(&mut client, beat("a", epoch), ErrorCode::None).await;
        epoch = told.member_epoch;
        if let Some(parts) = partitions(&told) {
            break parts;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(all.len(), 4);
    expect(&mut client, beat("b", epoch), ErrorCode::UnknownMemberId).await;
    let grow = wire::messages::create_partitions_request::CreatePartitionsRequest {
        topics: vec![wire::messages::create_partitions_request::CreatePartitionsTopic {
            name: "t".to_owned(),
            count: 6,
            assignments: None,
        }],
        timeout_ms: 1_000,
        validate_only: false,
    };
    assert_eq!(client.call(3, &grow).await.results[0].error_code, 0);
    let told = expect(&mut client, beat("a", epoch), ErrorCode::None).await;
    assert_eq!(partitions(&told).unwrap().len(), 6);
    let delete = DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 1_000,
        ..DeleteTopicsRequest::default()
    };
    assert_eq!(client.call(5, &delete).await.responses[0].error_code, 0);
    let told = expect(&mut client, beat("a", told.member_epoch), ErrorCode::None).await;
    assert_eq!(partitions(&told), Some(BTreeSet::new()));
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_by_epoch() {
    let running = start_with(options()).await;
    let mut client = running.client().await;
    let (epoch, of_a, of_b) = two_members(&mut client).await;
    let (mine, others) = (*of_a.first().unwrap(), *of_b.first().unwrap());
    let commit = |member_id: &str, epoch: i32, partition: i32| OffsetCommitRequest {
        group_id: "g".to_owned(),
        member_id: member_id.to_owned(),
        generation_id_or_member_epoch: epoch,
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: 5,
                committed_leader_epoch: -1,
                committed_metadata: None,
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    for (version, request, expected) in [
        (9, commit("a", epoch, mine), ErrorCode::None),
        // From the epoch before, and still its own since then; the other's it has lost meanwhile.
        (9, commit("a", epoch - 1, mine), ErrorCode::None),
        (9, commit("a", epoch - 1, others), ErrorCode::StaleMemberEpoch),
        (9, commit("a", epoch + 1, mine), ErrorCode::StaleMemberEpoch),
        (8, commit("a", epoch, mine), ErrorCode::UnsupportedVersion),
        (9, commit("z", epoch, mine), ErrorCode::UnknownMemberId),
        (9, commit("", -1, mine), ErrorCode::UnknownMemberId),
    ] {
        let found = client.call(version, &request).await.topics[0].partitions[0].error_code;
        assert_eq!(found, expected.code(), "{request:?}");
    }
    let fetch = |member_id: Option<&str>, member_epoch: i32| OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "g".to_owned(),
            member_id: member_id.map(str::to_owned),
            member_epoch,
            topics: Some(vec![OffsetFetchRequestTopics {
                name: "t".to_owned(),
                partition_indexes: vec![mine],
                ..OffsetFetchRequestTopics::default()
            }]),
        }],
        ..OffsetFetchRequest::default()
    };
    for (request, expected) in [
        (fetch(Some("a"), epoch), ErrorCode::None),
        (fetch(Some("a"), epoch - 1), ErrorCode::StaleMemberEpoch),
        (fetch(Some("z"), epoch), ErrorCode::UnknownMemberId),
        (fetch(None, -1), ErrorCode::None),
    ] {
        let group = client.call(9, &request).await.groups.remove(0);
        assert_eq!(group.error_code, expected.code(), "{request:?}");
        let offsets = group.topics.iter().flat_map(|topic| &topic.partitions);
        let offsets: Vec<i64> = offsets.map(|partition| partition.committed_offset).collect();
        assert_eq!(offsets, if expected.is_none() { vec![5] } else { Vec::new() });
    }
}

#[tokio::test]
async fn the_other_group_apis_know_the_kind() {
    let running = start_with(options()).await;
    let mut client = running.client().await;
    let (epoch, ..) = two_members(&mut client).await;
    let list = |state: &str, kind: &str| ListGroupsRequest {
        states_filter: [state]
            .iter()
            .filter(|state| !state.is_empty())
            .map(|state| (*state).to_owned())
            .collect(),
        types_filter: [kind]
            .iter()
            .filter(|kind| !kind.is_empty())
            .map(|kind| (*kind).to_owned())
            .collect(),
    };
    for (state, kind, found) in [
        ("", "", 1),
        ("stable", "Consumer", 1),
        ("Empty", "", 0),
        ("", "classic", 0),
    ] {
        let groups = client.call(5, &list(state, kind)).await.groups;
        assert_eq!(groups.len(), found, "{state} {kind}");
        assert!(
            groups
                .iter()
                .all(|group| group.group_type == "consumer" && group.protocol_type == "consumer")
        );
    }
    let classic = DescribeGroupsRequest {
        groups: vec!["g".to_owned()],
        ..DescribeGroupsRequest::default()
    };
    assert_eq!(
        client.call(6, &classic).await.groups[0].error_code,
        ErrorCode::GroupIdNotFound.code()
    );
    assert_eq!(client.call(5, &classic).await.groups[0].group_state, "Dead");
    let delete = DeleteGroupsRequest {
        groups_names: vec!["g".to_owned()],
    };
    assert_eq!(
        client.call(2, &delete).await.results[0].error_code,
        ErrorCode::NonEmptyGroup.code()
    );
    let forget = OffsetDeleteRequest {
        group_id: "g".to_owned(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let used = client.call(0, &forget).await.topics[0].partitions[0].error_code;
    assert_eq!(used, ErrorCode::GroupSubscribedToTopic.code());
    for (member, error) in [
        ("a", ErrorCode::None),
        ("b", ErrorCode::None),
        ("b", ErrorCode::UnknownMemberId),
    ] {
        expect(&mut client, beat(member, -1), error).await;
    }
    expect(&mut client, beat("a", epoch), ErrorCode::UnknownMemberId).await;
    assert_eq!(describe(&mut client).await.group_state, "Empty");
    assert_eq!(client.call(2, &delete).await.results[0].error_code, 0);
    let running = running.restart(options()).await;
    let mut client = running.client().await;
    assert_eq!(
        describe(&mut client).await.error_code,
        ErrorCode::GroupIdNotFound.code(),
        "deleted for good"
    );
    expect(&mut client, beat("a", epoch), ErrorCode::GroupIdNotFound).await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_in_kafkas_words() {
    let mut options = options();
    options.group.consumer.members_max = 1;
    let running = start_with(options).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let twice = Beat {
        server_assignor: Some("fair".to_owned()),
        ..join("a")
    };
    let pattern = Beat {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some("(".to_owned()),
        ..join("a")
    };
    for (request, error, words) in [
        (
            Beat {
                group_id: String::new(),
                ..join("a")
            },
            ErrorCode::InvalidRequest,
            "GroupId can't be empty.",
        ),
        (join(""), ErrorCode::InvalidRequest, "MemberId can't be empty."),
        (beat("a", -3), ErrorCode::InvalidRequest, "MemberEpoch is invalid."),
        (beat("a", -2), ErrorCode::InvalidRequest, "InstanceId can't be null."),
        (
            twice,
            ErrorCode::UnsupportedAssignor,
            "Supported assignors: uniform, range.",
        ),
        (
            pattern,
            ErrorCode::InvalidRegularExpression,
            "`(` is not a valid regular expression",
        ),
        (beat("a", 1), ErrorCode::GroupIdNotFound, "Consumer group g not found."),
    ] {
        let told = expect(&mut client, request, error).await;
        let message = told.error_message.unwrap();
        assert!(message.contains(words), "{message}");
    }
    let groups = client.call(5, &ListGroupsRequest::default()).await.groups;
    assert_eq!(groups, [], "what was refused leaves nothing behind");
    expect(&mut client, join("a"), ErrorCode::None).await;
    expect(&mut client, join("b"), ErrorCode::GroupMaxSizeReached).await;
    // Version 0 gives members their ids.
    let named = client
        .call(
            0,
            &Beat {
                group_id: "h".to_owned(),
                ..join("")
            },
        )
        .await;
    assert_eq!(named.member_id.map(|id| id.len()), Some(36));
}

#[tokio::test]
async fn kafkas_pace_is_kept_where_it_is_asked_for() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 4, &[]).await;
    let a = expect(&mut client, join("a"), ErrorCode::None).await;
    let b = expect(&mut client, join("b"), ErrorCode::None).await;
    assert_eq!(
        b.member_epoch, a.member_epoch,
        "a second assignment comes a second later"
    );
    assert_eq!(describe(&mut client).await.group_state, "Assigning");
    let less = loop {
        let told = expect(&mut client, beat("a", a.member_epoch), ErrorCode::None).await;
        if told.assignment.is_some() {
            break told;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(partitions(&less).unwrap().len(), 2);
}
