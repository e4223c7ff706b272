//! Streams groups as a raw client sees them, also across a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;

use rivulet_broker::BrokerOptions;
use support::{Client, quick_options, start_with};
use wire::ErrorCode;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::messages::streams_group_describe_request::StreamsGroupDescribeRequest;
use wire::messages::streams_group_describe_response::DescribedGroup;
use wire::messages::streams_group_heartbeat_request::{
    CopartitionGroup, Endpoint, KeyValue, StreamsGroupHeartbeatRequest as Beat, Subtopology, TaskIds, TopicInfo,
    Topology,
};
use wire::messages::streams_group_heartbeat_response::{self as told, StreamsGroupHeartbeatResponse as Told};

const MISSING_SOURCE: i8 = 1;
const MISSING_INTERNAL: i8 = 3;
const SHUTDOWN: i8 = 4;

fn options() -> BrokerOptions {
    let mut options = quick_options();
    options.group.streams.assignment_interval_ms = 0;
    options.group.streams.initial_rebalance_delay_ms = 0;
    options
}

fn info(name: &str) -> TopicInfo {
    TopicInfo {
        name: name.to_owned(),
        topic_configs: vec![KeyValue {
            key: "cleanup.policy".to_owned(),
            value: if name.ends_with("changelog") {
                "compact"
            } else {
                "delete"
            }
            .to_owned(),
        }],
        ..TopicInfo::default()
    }
}

/// Reads `lines`, repartitions, and keeps counts.
fn topology() -> Topology {
    let first = Subtopology {
        subtopology_id: "0".to_owned(),
        source_topics: vec!["lines".to_owned()],
        repartition_sink_topics: vec!["g-words-repartition".to_owned()],
        ..Subtopology::default()
    };
    let second = Subtopology {
        subtopology_id: "1".to_owned(),
        repartition_source_topics: vec![info("g-words-repartition")],
        state_changelog_topics: vec![info("g-counts-changelog")],
        ..Subtopology::default()
    };
    Topology {
        epoch: 0,
        subtopologies: vec![first, second],
    }
}

fn join(member_id: &str, process_id: &str) -> Beat {
    Beat {
        group_id: "g".to_owned(),
        member_id: member_id.to_owned(),
        rebalance_timeout_ms: 5_000,
        topology: Some(topology()),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some(process_id.to_owned()),
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
    let tasks = |tasks: &Option<Vec<told::TaskIds>>| {
        let tasks = tasks.iter().flatten().map(|task| TaskIds {
            subtopology_id: task.subtopology_id.clone(),
            partitions: task.partitions.clone(),
        });
        Some(tasks.collect())
    };
    Beat {
        active_tasks: tasks(&told.active_tasks),
        standby_tasks: tasks(&told.standby_tasks),
        warmup_tasks: Some(Vec::new()),
        ..beat
    }
}

fn set(tasks: &Option<Vec<told::TaskIds>>) -> Option<BTreeSet<String>> {
    let one = |task: &told::TaskIds| -> Vec<String> {
        task.partitions
            .iter()
            .map(|partition| format!("{}_{partition}", task.subtopology_id))
            .collect()
    };
    tasks.as_ref().map(|tasks| tasks.iter().flat_map(one).collect())
}

fn names(tasks: &[&str]) -> Option<BTreeSet<String>> {
    Some(tasks.iter().map(|task| (*task).to_owned()).collect())
}

fn statuses(told: &Told) -> Vec<i8> {
    told.status.iter().flatten().map(|status| status.status_code).collect()
}

async fn expect(client: &mut Client, beat: Beat, error: ErrorCode) -> Told {
    let told = client.call(0, &beat).await;
    assert_eq!(told.error_code, error.code(), "{beat:?}: {:?}", told.error_message);
    told
}

async fn describe(client: &mut Client) -> DescribedGroup {
    let request = StreamsGroupDescribeRequest {
        group_ids: vec!["g".to_owned()],
        include_authorized_operations: true,
    };
    client.call(0, &request).await.groups.remove(0)
}

/// One member with every task, the application's topics made.
async fn one_member(client: &mut Client) -> Told {
    let first = expect(client, join("a", "p"), ErrorCode::None).await;
    assert_eq!(
        (statuses(&first), set(&first.active_tasks)),
        (vec![MISSING_SOURCE], names(&[]))
    );
    assert_eq!(describe(client).await.group_state, "NotReady");
    client.create("lines", 2, &[]).await;
    let second = expect(client, beat("a", first.member_epoch), ErrorCode::None).await;
    assert_eq!(statuses(&second), [MISSING_INTERNAL]);
    let third = expect(client, beat("a", second.member_epoch), ErrorCode::None).await;
    assert_eq!(statuses(&third), Vec::<i8>::new());
    assert_eq!(set(&third.active_tasks), names(&["0_0", "0_1", "1_0", "1_1"]));
    third
}

#[tokio::test]
async fn tasks_are_handed_over_and_everything_survives_a_restart() {
    let running = start_with(options()).await;
    let mut client = running.client().await;
    let a = one_member(&mut client).await;
    let changelog = running.catalog.topic("g-counts-changelog").unwrap();
    assert_eq!(
        (
            changelog.partitions.len(),
            changelog.settings["cleanup.policy"].as_str()
        ),
        (2, "compact")
    );
    let with_endpoint = Beat {
        user_endpoint: Some(Endpoint {
            host: "h".to_owned(),
            port: 7,
        }),
        ..join("b", "q")
    };
    let b = expect(&mut client, with_endpoint, ErrorCode::None).await;
    assert_eq!(set(&b.active_tasks), names(&[]), "nothing before it is given up");
    let less = expect(&mut client, beat("a", a.member_epoch), ErrorCode::None).await;
    assert_eq!(set(&less.active_tasks), names(&["0_0", "1_0"]));
    let running = running.restart(options()).await;
    let mut client = running.client().await;
    let waiting = expect(&mut client, beat("b", b.member_epoch), ErrorCode::None).await;
    assert_eq!(set(&waiting.active_tasks), None, "still not given up");
    let done = expect(&mut client, owning(&less, beat("a", a.member_epoch)), ErrorCode::None).await;
    let more = expect(&mut client, beat("b", b.member_epoch), ErrorCode::None).await;
    assert_eq!(set(&more.active_tasks), names(&["0_1", "1_1"]));
    let shown = more.partitions_by_user_endpoint.unwrap();
    let topics: Vec<&str> = shown[0]
        .active_partitions
        .iter()
        .map(|part| part.topic.as_str())
        .collect();
    assert_eq!(
        topics,
        ["g-words-repartition", "lines"],
        "what questions the endpoint can answer"
    );
    let before = describe(&mut client).await;
    assert_eq!((before.group_state.as_str(), before.members.len()), ("Stable", 2));
    let running = running.restart(options()).await;
    let mut client = running.client().await;
    for (id, epoch) in [("a", done.member_epoch), ("b", more.member_epoch)] {
        let told = expect(&mut client, beat(id, epoch), ErrorCode::None).await;
        assert_eq!(
            (told.member_epoch, told.active_tasks),
            (epoch, None),
            "nothing changed for {id}"
        );
    }
    assert_eq!(describe(&mut client).await, before, "nothing is forgotten");
    let commit = |epoch: i32, partition: i32| OffsetCommitRequest {
        group_id: "g".to_owned(),
        member_id: "a".to_owned(),
        generation_id_or_member_epoch: epoch,
        topics: vec![OffsetCommitRequestTopic {
            name: "lines".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: 1,
                committed_leader_epoch: -1,
                committed_metadata: None,
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    let epoch = done.member_epoch;
    for (request, error) in [
        (commit(epoch, 0), ErrorCode::None),
        (commit(epoch - 1, 0), ErrorCode::None),
        (commit(epoch - 1, 1), ErrorCode::StaleMemberEpoch),
        (commit(epoch + 1, 0), ErrorCode::StaleMemberEpoch),
    ] {
        let found = client.call(9, &request).await.topics[0].partitions[0].error_code;
        assert_eq!(found, error.code(), "{request:?}");
    }
}

#[tokio::test]
async fn standbys_keep_state_on_another_process() {
    let mut options = options();
    options.group.streams.standby_replicas = 1;
    let running = start_with(options).await;
    let mut client = running.client().await;
    let a = one_member(&mut client).await;
    assert_eq!(set(&a.standby_tasks), names(&[]), "not on the same process");
    let b = expect(&mut client, join("b", "q"), ErrorCode::None).await;
    assert_eq!(
        set(&b.standby_tasks),
        names(&["1_0"]),
        "of what it will not have itself"
    );
    let less = expect(&mut client, beat("a", a.member_epoch), ErrorCode::None).await;
    assert_eq!(set(&less.active_tasks), names(&["0_0", "1_0"]));
    expect(&mut client, owning(&less, beat("a", a.member_epoch)), ErrorCode::None).await;
    let b = expect(&mut client, beat("b", b.member_epoch), ErrorCode::None).await;
    assert_eq!(set(&b.active_tasks), names(&["0_1", "1_1"]));
    let settled = describe(&mut client).await;
    let standby = |id: &str| {
        let member = settled.members.iter().find(|member| member.member_id == id).unwrap();
        member
            .target_assignment
            .standby_tasks
            .iter()
            .map(|task| task.partitions.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!((standby("a"), standby("b")), (vec![vec![1]], vec![vec![0]]));
    // `a` goes: whoever kept its state goes on with it.
    expect(&mut client, beat("a", -1), ErrorCode::None).await;
    let mut last = expect(&mut client, beat("b", b.member_epoch), ErrorCode::None).await;
    for _ in 0..2 {
        // First it stops keeping the state, then it works with it.
        last = expect(
            &mut client,
            owning(&last, beat("b", last.member_epoch)),
            ErrorCode::None,
        )
        .await;
    }
    assert_eq!(set(&last.active_tasks), names(&["0_0", "0_1", "1_0", "1_1"]));
}

#[tokio::test]
async fn a_topology_that_contradicts_itself_is_refused_with_the_cause() {
    let running = start_with(options()).await;
    let mut client = running.client().await;
    let one = || topology().subtopologies.remove(0);
    let with = |epoch: i32, subtopologies: Vec<Subtopology>| Beat {
        topology: Some(Topology { epoch, subtopologies }),
        ..join("a", "p")
    };
    let together = |places: &[i16], own: &[i16]| Subtopology {
        copartition_groups: vec![CopartitionGroup {
            source_topics: places.to_vec(),
            repartition_source_topics: own.to_vec(),
            ..CopartitionGroup::default()
        }],
        ..one()
    };
    let reading = |name: &str| Subtopology {
        source_topics: vec![name.to_owned()],
        ..one()
    };
    let changelog = |name: &str, partitions: i32| Subtopology {
        state_changelog_topics: vec![TopicInfo {
            partitions,
            ..info(name)
        }],
        ..one()
    };
    for (beat, error, names) in [
        (with(-1, vec![one()]), ErrorCode::StreamsInvalidTopologyEpoch, "-1"),
        (
            with(0, vec![one(), one()]),
            ErrorCode::StreamsInvalidTopology,
            "0 is there twice",
        ),
        (
            with(0, vec![together(&[1], &[])]),
            ErrorCode::StreamsInvalidTopology,
            "place 1, and there are 1",
        ),
        (
            with(0, vec![together(&[-1], &[])]),
            ErrorCode::StreamsInvalidTopology,
            "place -1",
        ),
        (
            with(0, vec![together(&[0], &[0])]),
            ErrorCode::StreamsInvalidTopology,
            "place 0, and there are 0",
        ),
        (
            with(0, vec![reading("a b")]),
            ErrorCode::StreamsInvalidTopology,
            "Topic names a b",
        ),
        (
            with(0, vec![reading("__consumer_offsets")]),
            ErrorCode::StreamsInvalidTopology,
            "prohibited",
        ),
        (
            with(0, vec![changelog("c", 3)]),
            ErrorCode::StreamsInvalidTopology,
            "set to 3",
        ),
        (
            with(0, vec![Subtopology::default()]),
            ErrorCode::StreamsInvalidTopology,
            "reads no topic",
        ),
    ] {
        let words = expect(&mut client, beat, error).await.error_message.unwrap();
        assert!(words.contains(names), "{words}");
    }
    let id = ErrorCode::GroupIdNotFound.code();
    assert_eq!(describe(&mut client).await.error_code, id, "nothing of it was taken");
    let a = one_member(&mut client).await;
    let says = |id: &str, partition: i32| Beat {
        active_tasks: Some(vec![TaskIds {
            subtopology_id: id.to_owned(),
            partitions: vec![partition],
        }]),
        ..owning(&a, beat("a", a.member_epoch))
    };
    for (beat, error) in [
        (says("0", 2), ErrorCode::InvalidRequest),
        (says("0", -1), ErrorCode::InvalidRequest),
        (says("2", 0), ErrorCode::InvalidRequest),
        (says("1", 1), ErrorCode::None),
    ] {
        expect(&mut client, beat, error).await;
    }
}

#[tokio::test]
async fn silence_shutdown_and_other_topologies() {
    let mut options = options();
    options.group.streams.session_timeout_ms = 400;
    let running = start_with(options).await;
    let mut client = running.client().await;
    let a = one_member(&mut client).await;
    let other = Beat {
        topology: Some(Topology {
            epoch: 1,
            subtopologies: topology().subtopologies,
        }),
        ..join("b", "q")
    };
    let refused = expect(&mut client, other.clone(), ErrorCode::InvalidRequest).await;
    assert_eq!(
        refused.error_message.as_deref(),
        Some("Topology updates are not supported yet.")
    );
    let regex = Beat {
        topology: Some(Topology {
            epoch: 0,
            subtopologies: vec![Subtopology {
                source_topic_regex: vec!["l.*".to_owned()],
                ..Subtopology::default()
            }],
        }),
        ..join("b", "q")
    };
    expect(&mut client, regex, ErrorCode::InvalidRequest).await;
    let fixed = Beat {
        instance_id: Some("i".to_owned()),
        ..join("b", "q")
    };
    expect(&mut client, fixed, ErrorCode::InvalidRequest).await;
    let b = expect(&mut client, join("b", "q"), ErrorCode::None).await;
    let ends = Beat {
        shutdown_application: true,
        ..beat("b", b.member_epoch)
    };
    assert_eq!(statuses(&expect(&mut client, ends, ErrorCode::None).await), [SHUTDOWN]);
    let mut epoch = a.member_epoch;
    let told = expect(&mut client, beat("a", epoch), ErrorCode::None).await;
    assert_eq!(statuses(&told), [SHUTDOWN], "everybody hears of it");
    // `b` says nothing any more: `a` has all again.
    let mut last = if told.active_tasks.is_some() { told } else { a };
    while set(&last.active_tasks).unwrap().len() < 4 || describe(&mut client).await.members.len() > 1 {
        let told = expect(&mut client, owning(&last, beat("a", epoch)), ErrorCode::None).await;
        epoch = told.member_epoch;
        if told.active_tasks.is_some() {
            last = told;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    expect(&mut client, beat("b", b.member_epoch), ErrorCode::UnknownMemberId).await;
    expect(&mut client, beat("a", -1), ErrorCode::None).await;
    assert_eq!(describe(&mut client).await.group_state, "Empty");
    // Also with nobody there the application stays what it was, until its group is deleted.
    expect(&mut client, other.clone(), ErrorCode::InvalidRequest).await;
    let delete = DeleteGroupsRequest {
        groups_names: vec!["g".to_owned()],
    };
    assert_eq!(client.call(2, &delete).await.results[0].error_code, 0);
    expect(&mut client, other, ErrorCode::None).await;
}
