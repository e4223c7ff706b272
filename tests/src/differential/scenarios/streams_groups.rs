//! KIP-1071 groups: joining with a topology, tasks, stale epochs, topics that are missing, leaving, other groups' borders.

use wire::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::describe_groups_request::DescribeGroupsRequest;
use wire::messages::incremental_alter_configs_request as settings;
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::offset_fetch_request::*;
use wire::messages::share_group_heartbeat_request::ShareGroupHeartbeatRequest;
use wire::messages::streams_group_describe_request::StreamsGroupDescribeRequest;
use wire::messages::streams_group_heartbeat_request::*;
use wire::messages::streams_group_heartbeat_response::StreamsGroupHeartbeatResponse;

use super::streams_topologies::{UNFIT, unfit, unfit_group};
use super::*;

pub(super) const TOPIC: &str = "streamed";
pub(super) const NARROW: &str = "streamed-narrow";
pub(super) const FIRST: &str = "first-instance";
const SECOND: &str = "second-instance";
const GROUP_RESOURCE: i8 = 32;

pub(super) fn beat(group: &str, member: &str, epoch: i32) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: group.to_owned(),
        member_id: member.to_owned(),
        member_epoch: epoch,
        rebalance_timeout_ms: -1,
        ..Default::default()
    }
}

pub(super) fn joining(group: &str, member: &str, topology: Topology) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        rebalance_timeout_ms: 30_000,
        topology: Some(topology),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some(format!("process of {member}")),
        ..beat(group, member, 0)
    }
}

fn owning(group: &str, member: &str, epoch: i32, tasks: &[(&str, &[i32])]) -> StreamsGroupHeartbeatRequest {
    let tasks = tasks.iter().map(|(id, partitions)| TaskIds {
        subtopology_id: (*id).to_owned(),
        partitions: partitions.to_vec(),
    });
    StreamsGroupHeartbeatRequest {
        rebalance_timeout_ms: 30_000,
        active_tasks: Some(tasks.collect()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        ..beat(group, member, epoch)
    }
}

pub(super) fn topology(epoch: i32, subtopologies: Vec<Subtopology>) -> Topology {
    Topology { epoch, subtopologies }
}

pub(super) fn reading(id: &str, topics: &[&str]) -> Subtopology {
    Subtopology {
        subtopology_id: id.to_owned(),
        source_topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
        ..Default::default()
    }
}

fn plain() -> Topology {
    topology(1, vec![reading("0", &[TOPIC])])
}

/// Reads, sends through a repartition topic, counts with a changelog.
fn counting(group: &str) -> Topology {
    let through = format!("{group}-words-repartition");
    let internal = |name: &str| TopicInfo {
        name: name.to_owned(),
        ..Default::default()
    };
    topology(
        1,
        vec![
            Subtopology {
                repartition_sink_topics: vec![through.clone()],
                ..reading("0", &[TOPIC])
            },
            Subtopology {
                repartition_source_topics: vec![internal(&through)],
                state_changelog_topics: vec![TopicInfo {
                    topic_configs: vec![KeyValue {
                        key: "cleanup.policy".into(),
                        value: "compact".into(),
                    }],
                    ..internal(&format!("{group}-counts-changelog"))
                }],
                ..reading("1", &[])
            },
        ],
    )
}

fn tasks(answer: &StreamsGroupHeartbeatResponse) -> usize {
    let active = answer.active_tasks.iter().flatten();
    active.map(|task| task.partitions.len()).sum()
}

pub(super) fn describe(groups: &[&str]) -> StreamsGroupDescribeRequest {
    StreamsGroupDescribeRequest {
        group_ids: groups.iter().map(|&group| group.to_owned()).collect(),
        include_authorized_operations: false,
    }
}

/// Its members need not wait for each other.
fn without_delay(observer: &mut Observer, group: &str) {
    let request = settings::IncrementalAlterConfigsRequest {
        resources: vec![settings::AlterConfigsResource {
            resource_type: GROUP_RESOURCE,
            resource_name: group.to_owned(),
            configs: vec![settings::AlterableConfig {
                name: "streams.initial.rebalance.delay.ms".into(),
                config_operation: 0,
                value: Some("0".into()),
            }],
        }],
        validate_only: false,
    };
    observer.ask(&format!("no delay for {group}"), 1, &request);
}

/// Heartbeats until the member has as many tasks as `wanted`; notes them, and gives the member's epoch.
fn settled(observer: &mut Observer, step: &str, group: &str, member: &str, epoch: i32, wanted: usize) -> i32 {
    let mut epoch = epoch;
    let mut had: Option<StreamsGroupHeartbeatResponse> = None;
    for _ in 0..600 {
        let answer = observer.quietly(0, &beat(group, member, epoch)).unwrap_or_default();
        if answer.error_code != 0 {
            had = Some(answer);
            break;
        }
        epoch = answer.member_epoch;
        if answer.active_tasks.is_some() {
            let done = tasks(&answer) == wanted;
            had = Some(answer);
            if done {
                break;
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let had = had.unwrap_or_default();
    let lines = [
        ("error".to_owned(), had.error_code.to_string()),
        ("active tasks".to_owned(), tasks(&had).to_string()),
        (
            "standby tasks".to_owned(),
            had.standby_tasks.map_or(0, |tasks| tasks.len()).to_string(),
        ),
    ];
    observer.note_lines(step, lines.into_iter());
    epoch
}

pub(super) fn play(observer: &mut Observer) {
    // Before the topics: when they have come up, Kafka's groups know of this too.
    for group in ["alone-streams", "two-streams", "counting-streams"] {
        without_delay(observer, group);
    }
    for at in 0..UNFIT {
        without_delay(observer, &unfit_group(at));
    }
    create(observer, TOPIC, 4, &[]);
    create(observer, NARROW, 2, &[]);
    wrong(observer);
    alone(observer);
    two(observer);
    internal_topics(observer);
    unfit(observer);
    delayed(observer);
    borders(observer);
}

fn wrong(observer: &mut Observer) {
    let group = "wrong-streams";
    let join = || joining(group, FIRST, plain());
    let task = || {
        Some(vec![TaskIds {
            subtopology_id: "0".into(),
            partitions: vec![0],
        }])
    };
    let steps: Vec<(&str, StreamsGroupHeartbeatRequest)> = vec![
        ("no group id", joining("", FIRST, plain())),
        ("a blank group id", joining(" ", FIRST, plain())),
        ("no member id", joining(group, "", plain())),
        ("a blank member id", joining(group, " ", plain())),
        ("an unknown member", beat(group, "nobody", 3)),
        ("an unknown member leaves", beat(group, "nobody", -1)),
        ("leaving for a while without an instance", beat(group, "nobody", -2)),
        ("an epoch of -5", beat(group, "nobody", -5)),
        (
            "a static member",
            StreamsGroupHeartbeatRequest {
                instance_id: Some("fixed".into()),
                ..join()
            },
        ),
        (
            "a blank instance",
            StreamsGroupHeartbeatRequest {
                instance_id: Some(String::new()),
                ..join()
            },
        ),
        (
            "a static member leaves for a while",
            StreamsGroupHeartbeatRequest {
                instance_id: Some("fixed".into()),
                ..beat(group, FIRST, -2)
            },
        ),
        (
            "a blank rack",
            StreamsGroupHeartbeatRequest {
                rack_id: Some(String::new()),
                ..join()
            },
        ),
        (
            "no topology",
            StreamsGroupHeartbeatRequest {
                topology: None,
                ..join()
            },
        ),
        (
            "no rebalance timeout",
            StreamsGroupHeartbeatRequest {
                rebalance_timeout_ms: -1,
                ..join()
            },
        ),
        (
            "no process",
            StreamsGroupHeartbeatRequest {
                process_id: None,
                ..join()
            },
        ),
        (
            "null active tasks",
            StreamsGroupHeartbeatRequest {
                active_tasks: None,
                ..join()
            },
        ),
        (
            "null standby tasks",
            StreamsGroupHeartbeatRequest {
                standby_tasks: None,
                ..join()
            },
        ),
        (
            "null tasks to warm up",
            StreamsGroupHeartbeatRequest {
                warmup_tasks: None,
                ..join()
            },
        ),
        (
            "joining with active tasks",
            StreamsGroupHeartbeatRequest {
                active_tasks: task(),
                ..join()
            },
        ),
        (
            "joining with standby tasks",
            StreamsGroupHeartbeatRequest {
                standby_tasks: task(),
                ..join()
            },
        ),
        (
            "joining with tasks to warm up",
            StreamsGroupHeartbeatRequest {
                warmup_tasks: task(),
                ..join()
            },
        ),
        (
            "tasks to warm up between joins",
            StreamsGroupHeartbeatRequest {
                warmup_tasks: task(),
                ..owning(group, FIRST, 4, &[])
            },
        ),
        (
            "joining with offsets",
            StreamsGroupHeartbeatRequest {
                task_offsets: Some(Vec::new()),
                ..join()
            },
        ),
        (
            "joining with end offsets",
            StreamsGroupHeartbeatRequest {
                task_end_offsets: Some(Vec::new()),
                ..join()
            },
        ),
        (
            "a topology between joins",
            StreamsGroupHeartbeatRequest {
                topology: Some(plain()),
                ..beat(group, FIRST, 4)
            },
        ),
        (
            "active tasks alone",
            StreamsGroupHeartbeatRequest {
                active_tasks: task(),
                ..beat(group, FIRST, 4)
            },
        ),
        (
            "a pattern of source topics",
            joining(
                group,
                FIRST,
                topology(
                    1,
                    vec![Subtopology {
                        source_topic_regex: vec!["streamed.*".into()],
                        ..reading("0", &[])
                    }],
                ),
            ),
        ),
    ];
    for (step, request) in &steps {
        observer.ask(step, 0, request);
    }
    observer.ask("unknown and nameless", 0, &describe(&["never-seen", ""]));
    observer.ask("none", 0, &describe(&[]));
}

fn alone(observer: &mut Observer) {
    let group = "alone-streams";
    let joined = observer
        .ask("alone", 0, &joining(group, FIRST, plain()))
        .unwrap_or_default();
    let epoch = settled(observer, "alone has", group, FIRST, joined.member_epoch, 4);
    observer.ask("alone, not owning yet", 0, &describe(&[group]));
    observer.ask("owning all", 0, &owning(group, FIRST, epoch, &[("0", &[0, 1, 2, 3])]));
    observer.ask("nothing new", 0, &beat(group, FIRST, epoch));
    observer.ask("an epoch behind", 0, &beat(group, FIRST, epoch - 1));
    observer.ask("an epoch far behind", 0, &beat(group, FIRST, epoch.min(1)));
    observer.ask("an epoch ahead", 0, &beat(group, FIRST, epoch + 1));
    observer.ask("a stranger", 0, &beat(group, "nobody", epoch));
    observer.ask("a stranger leaves", 0, &beat(group, "nobody", -1));
    observer.ask("alone, owning", 0, &describe(&[group]));
    observer.ask(
        "alone, with operations",
        0,
        &StreamsGroupDescribeRequest {
            include_authorized_operations: true,
            ..describe(&[group])
        },
    );
    let everything = StreamsGroupHeartbeatRequest {
        process_id: Some(format!("process of {FIRST}")),
        client_tags: Some(Vec::new()),
        ..owning(group, FIRST, epoch, &[("0", &[0, 1, 2, 3])])
    };
    observer.ask("saying everything again", 0, &everything);
    let offsets_too = StreamsGroupHeartbeatRequest {
        task_offsets: Some(Vec::new()),
        task_end_offsets: Some(Vec::new()),
        ..everything
    };
    observer.ask("with the offsets of tasks", 0, &offsets_too);
    observer.ask("losing some", 0, &owning(group, FIRST, epoch, &[("0", &[0])]));
    observer.ask(
        "owning what is not its own",
        0,
        &owning(group, FIRST, epoch, &[("0", &[0, 9]), ("7", &[1])]),
    );
    for (step, tasks) in [
        ("owning a task too many", owning(group, FIRST, epoch, &[("0", &[0, 4])])),
        ("owning a task below all", owning(group, FIRST, epoch, &[("0", &[-1])])),
        (
            "owning of another topology",
            owning(group, FIRST, epoch, &[("7", &[0])]),
        ),
    ] {
        observer.ask(step, 0, &tasks);
    }
    observer.ask(
        "owning all again",
        0,
        &owning(group, FIRST, epoch, &[("0", &[0, 1, 2, 3])]),
    );
    observer.ask(
        "an endpoint epoch ahead",
        0,
        &StreamsGroupHeartbeatRequest {
            endpoint_information_epoch: 5,
            ..beat(group, FIRST, epoch)
        },
    );
    let mut located = beat(group, FIRST, epoch);
    located.user_endpoint = Some(Endpoint {
        host: "here".into(),
        port: 9,
    });
    observer.ask("with an endpoint", 0, &located);
    let lists = ListGroupsRequest {
        types_filter: vec!["streams".into()],
        ..Default::default()
    };
    observer.ask("of streams", 5, &lists);
    let deleted = DeleteGroupsRequest {
        groups_names: vec![group.into()],
    };
    observer.ask("with a member", 2, &deleted);
    let fetched = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.into(),
            member_id: Some(FIRST.into()),
            member_epoch: epoch,
            ..Default::default()
        }],
        ..Default::default()
    };
    for version in [9, 10] {
        observer.ask("by the member", version, &fetched);
        let mut stale = fetched.clone();
        stale.groups[0].member_epoch = epoch + 1;
        observer.ask("by the member an epoch ahead", version, &stale);
        stale.groups[0].member_id = Some("nobody".into());
        observer.ask("by a stranger", version, &stale);
    }
    for (step, member, epoch) in [
        ("by the member", FIRST, epoch),
        ("an epoch ahead", FIRST, epoch + 1),
        ("by a stranger", "nobody", epoch),
        ("by nobody", "", -1),
    ] {
        let mut commit = offsets::commit(9, group, (TOPIC, [0; 16]), 3);
        commit.member_id = member.to_owned();
        commit.generation_id_or_member_epoch = epoch;
        observer.ask(step, 9, &commit);
    }
    observer.ask("joining again", 0, &joining(group, FIRST, plain()));
    let shutdown = StreamsGroupHeartbeatRequest {
        shutdown_application: true,
        ..beat(group, FIRST, epoch)
    };
    observer.ask("shut the application down", 0, &shutdown);
    observer.ask("leaving", 0, &beat(group, FIRST, -1));
    observer.ask("leaving again", 0, &beat(group, FIRST, -1));
    observer.ask("left alone", 0, &describe(&[group]));
    observer.ask("empty", 2, &deleted);
    observer.ask("empty again", 2, &deleted);
    observer.ask("deleted", 0, &describe(&[group]));
}

fn two(observer: &mut Observer) {
    let group = "two-streams";
    let joined = observer
        .ask("the first", 0, &joining(group, FIRST, plain()))
        .unwrap_or_default();
    let epoch = settled(observer, "the first has", group, FIRST, joined.member_epoch, 4);
    observer.quietly(0, &owning(group, FIRST, epoch, &[("0", &[0, 1, 2, 3])]));
    let second = observer
        .ask("the second", 0, &joining(group, SECOND, plain()))
        .unwrap_or_default();
    let epoch = settled(observer, "the first is left with", group, FIRST, epoch, 2);
    observer.ask("two, one giving up", 0, &describe(&[group]));
    // Which two it keeps is told with the answer; what it owns is what it was told.
    let kept = observer.quietly(0, &describe(&[group])).and_then(|answer| {
        let group = answer.groups.into_iter().next()?;
        group.members.into_iter().find(|member| member.member_id == FIRST)
    });
    let kept: Vec<i32> = kept
        .iter()
        .flat_map(|member| &member.target_assignment.active_tasks)
        .flat_map(|task| task.partitions.clone())
        .collect();
    let owned = observer
        .quietly(0, &owning(group, FIRST, epoch, &[("0", &kept)]))
        .unwrap_or_default();
    let second_epoch = settled(observer, "the second has", group, SECOND, second.member_epoch, 2);
    observer.ask("two", 0, &describe(&[group]));
    observer.ask("the first, nothing new", 0, &beat(group, FIRST, owned.member_epoch));
    let newer = topology(2, vec![reading("0", &[TOPIC])]);
    observer.ask("a newer topology", 0, &joining(group, "third-instance", newer));
    let other = topology(1, vec![reading("0", &[NARROW])]);
    observer.ask(
        "another topology of the same epoch",
        0,
        &joining(group, "fourth-instance", other),
    );
    let shutdown = StreamsGroupHeartbeatRequest {
        shutdown_application: true,
        ..beat(group, SECOND, second_epoch)
    };
    observer.quietly(0, &shutdown);
    for member in [FIRST, SECOND, "third-instance", "fourth-instance"] {
        observer.ask("one leaves", 0, &beat(group, member, -1));
    }
    observer.ask("two left", 0, &describe(&[group]));
}

fn internal_topics(observer: &mut Observer) {
    let group = "counting-streams";
    let joined = observer
        .ask("counting", 0, &joining(group, FIRST, counting(group)))
        .unwrap_or_default();
    for name in ["words-repartition", "counts-changelog"] {
        let name = format!("{group}-{name}");
        let made = |answer: &wire::messages::metadata_response::MetadataResponse| {
            let mut topics = answer.topics.iter();
            topics.all(|topic| {
                topic.error_code == 0 && topic.partitions.iter().all(|partition| partition.error_code == 0)
            })
        };
        let request = MetadataRequest {
            allow_auto_topic_creation: false,
            ..metadata_of(&name)
        };
        observer.settle("an internal topic", 12, &request, made);
    }
    let epoch = settled(observer, "counting has", group, FIRST, joined.member_epoch, 8);
    let all: &[i32] = &[0, 1, 2, 3];
    observer.ask(
        "counting, owning",
        0,
        &owning(group, FIRST, epoch, &[("0", all), ("1", all)]),
    );
    observer.ask("counting", 0, &describe(&[group]));
    observer.ask("counting leaves", 0, &beat(group, FIRST, -1));
}

/// The first rebalance waits for more members, as it does unless a group says otherwise.
fn delayed(observer: &mut Observer) {
    let group = "delayed-streams";
    let joined = observer
        .ask("delayed", 0, &joining(group, FIRST, plain()))
        .unwrap_or_default();
    observer.ask("delayed", 0, &describe(&[group]));
    settled(observer, "after the delay it has", group, FIRST, joined.member_epoch, 4);
}

fn borders(observer: &mut Observer) {
    let group = "delayed-streams";
    let consumer = ConsumerGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: SECOND.into(),
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(vec![TOPIC.into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    observer.ask("a consumer into a streams group", 1, &consumer);
    let sharer = ShareGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: SECOND.into(),
        subscribed_topic_names: Some(vec![TOPIC.into()]),
        ..Default::default()
    };
    observer.ask("a sharer into a streams group", 1, &sharer);
    let classic = DescribeGroupsRequest {
        groups: vec![group.into()],
        ..Default::default()
    };
    for version in [5, 6] {
        observer.ask("a streams group", version, &classic);
    }
    observer.quietly(
        1,
        &ConsumerGroupHeartbeatRequest {
            group_id: "of-consumers".into(),
            ..consumer
        },
    );
    observer.ask("into a consumer group", 0, &joining("of-consumers", FIRST, plain()));
    observer.ask("a consumer group", 0, &describe(&["of-consumers"]));
    observer.quietly(
        1,
        &ShareGroupHeartbeatRequest {
            group_id: "of-sharers".into(),
            ..sharer
        },
    );
    observer.ask("into a share group", 0, &joining("of-sharers", FIRST, plain()));
    observer.quietly(9, &offsets::commit(9, "of-offsets", (TOPIC, [0; 16]), 1));
    observer.ask(
        "into a group of mere offsets",
        0,
        &joining("of-offsets", FIRST, plain()),
    );
    observer.ask("what was of mere offsets", 0, &describe(&["of-offsets"]));
    observer.ask("leaving it", 0, &beat("of-offsets", FIRST, -1));
}
