//! KIP-848 groups: joining, reconciling, leaving, wrong members, and the border to classic groups.

use bytes::Bytes;
use wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use wire::messages::consumer_group_heartbeat_request::*;
use wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::describe_groups_request::DescribeGroupsRequest;
use wire::messages::join_group_request::*;
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::offset_commit_request::*;
use wire::messages::offset_delete_request::*;
use wire::messages::offset_fetch_request::*;

use super::create;
use crate::differential::Observer;

const TOPIC: &str = "assigned-to-consumers";

/// Member ids that the member makes itself, as version 1 wants it.
const FIRST: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const SECOND: &str = "BBBBBBBBBBBBBBBBBBBBBB";

fn beat(group: &str, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: group.to_owned(),
        member_id: member.to_owned(),
        member_epoch: epoch,
        rebalance_timeout_ms: -1,
        ..Default::default()
    }
}

fn joining(group: &str, member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(topics.iter().map(|&topic| topic.to_owned()).collect()),
        topic_partitions: Some(Vec::new()),
        ..beat(group, member, 0)
    }
}

fn owning(group: &str, member: &str, epoch: i32, topic: [u8; 16], partitions: &[i32]) -> ConsumerGroupHeartbeatRequest {
    let owned = TopicPartitions {
        topic_id: topic,
        partitions: partitions.to_vec(),
    };
    ConsumerGroupHeartbeatRequest {
        topic_partitions: Some(if partitions.is_empty() { Vec::new() } else { vec![owned] }),
        ..beat(group, member, epoch)
    }
}

fn partitions(answer: &ConsumerGroupHeartbeatResponse) -> usize {
    let assigned = answer
        .assignment
        .iter()
        .flat_map(|assignment| &assignment.topic_partitions);
    assigned.map(|topic| topic.partitions.len()).sum()
}

pub(super) fn play(observer: &mut Observer) {
    let topic = create(observer, TOPIC, 4, &[]);
    wrong(observer);
    alone(observer, topic);
    two(observer, topic);
    fixed(observer, topic);
    patterns(observer);
    borders(observer);
}

fn wrong(observer: &mut Observer) {
    for version in 0..=1 {
        let member = if version == 0 { "" } else { FIRST };
        let group = format!("wrong-consumer-{version}");
        observer.ask("no group id", version, &joining("", member, &[TOPIC]));
        observer.ask("a blank group id", version, &joining(" ", member, &[TOPIC]));
        observer.ask("an unknown member", version, &beat(&group, "nobody", 3));
        observer.ask("an unknown member leaves", version, &beat(&group, "nobody", -1));
        observer.ask("an epoch of -5", version, &beat(&group, "nobody", -5));
        observer.ask(
            "joining with no subscription",
            version,
            &ConsumerGroupHeartbeatRequest {
                subscribed_topic_names: None,
                ..joining(&group, member, &[])
            },
        );
        observer.ask(
            "joining without a rebalance timeout",
            version,
            &ConsumerGroupHeartbeatRequest {
                rebalance_timeout_ms: -1,
                ..joining(&group, member, &[TOPIC])
            },
        );
        observer.ask(
            "joining with partitions",
            version,
            &ConsumerGroupHeartbeatRequest {
                topic_partitions: Some(vec![TopicPartitions {
                    topic_id: [3; 16],
                    partitions: vec![0],
                }]),
                ..joining(&group, member, &[TOPIC])
            },
        );
        observer.ask(
            "joining with null partitions",
            version,
            &ConsumerGroupHeartbeatRequest {
                topic_partitions: None,
                ..joining(&group, member, &[TOPIC])
            },
        );
        observer.ask(
            "an unknown assignor",
            version,
            &ConsumerGroupHeartbeatRequest {
                server_assignor: Some("strange".into()),
                ..joining(&group, member, &[TOPIC])
            },
        );
        observer.ask(
            "a blank instance",
            version,
            &ConsumerGroupHeartbeatRequest {
                instance_id: Some(String::new()),
                ..joining(&group, member, &[TOPIC])
            },
        );
        observer.ask(
            "a blank rack",
            version,
            &ConsumerGroupHeartbeatRequest {
                rack_id: Some(String::new()),
                ..joining(&group, member, &[TOPIC])
            },
        );
        observer.ask(
            "leaving for a while without an instance",
            version,
            &beat(&group, FIRST, -2),
        );
        let strangers = ConsumerGroupDescribeRequest {
            group_ids: vec!["never-seen".into(), String::new()],
            ..Default::default()
        };
        observer.ask("unknown and nameless", version, &strangers);
        observer.ask("none", version, &ConsumerGroupDescribeRequest::default());
    }
    observer.ask(
        "joining without a member id",
        1,
        &joining("wrong-consumer-1", "", &[TOPIC]),
    );
}

/// Joins and waits for the assignment.
fn settled(
    observer: &mut Observer,
    step: &str,
    group: &str,
    member: &str,
    wanted: usize,
) -> ConsumerGroupHeartbeatResponse {
    let first = observer
        .ask(step, 1, &joining(group, member, &[TOPIC]))
        .unwrap_or_default();
    let mut answer = first;
    for _ in 0..500 {
        if partitions(&answer) == wanted {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        let next = observer
            .quietly(1, &beat(group, member, answer.member_epoch))
            .unwrap_or_default();
        if next.error_code != 0 {
            return next;
        }
        if next.assignment.is_some() || next.member_epoch != answer.member_epoch {
            answer = next;
        }
    }
    answer
}

fn alone(observer: &mut Observer, topic: [u8; 16]) {
    let group = "alone-consumer";
    let answer = settled(observer, "alone", group, FIRST, 4);
    let epoch = answer.member_epoch;
    observer.ask("owning all", 1, &owning(group, FIRST, epoch, topic, &[0, 1, 2, 3]));
    observer.ask("nothing new", 1, &beat(group, FIRST, epoch));
    observer.ask("an epoch behind", 1, &beat(group, FIRST, epoch - 1));
    observer.ask("an epoch ahead", 1, &beat(group, FIRST, epoch + 1));
    observer.ask(
        "another assignor",
        1,
        &ConsumerGroupHeartbeatRequest {
            server_assignor: Some("range".into()),
            ..beat(group, FIRST, epoch)
        },
    );
    let described = ConsumerGroupDescribeRequest {
        group_ids: vec![group.into()],
        include_authorized_operations: true,
    };
    for version in 0..=1 {
        observer.ask("a group of one", version, &described);
    }
    let classic = DescribeGroupsRequest {
        groups: vec![group.into()],
        ..Default::default()
    };
    observer.ask("a consumer group the classic way", 5, &classic);
    observer.ask("a consumer group the classic way", 6, &classic);
    let listed = ListGroupsRequest {
        types_filter: vec!["consumer".into()],
        ..Default::default()
    };
    observer.ask("consumer groups", 5, &listed);
    let commit = |epoch: i32, member: &str| OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: epoch,
        member_id: member.to_owned(),
        retention_time_ms: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: 2,
                committed_leader_epoch: -1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let latest = observer
        .quietly(1, &beat(group, FIRST, epoch))
        .unwrap_or_default()
        .member_epoch;
    let epoch = if latest > 0 { latest } else { epoch };
    for version in [8, 9] {
        observer.ask("by the member", version, &commit(epoch, FIRST));
        observer.ask("by the member, an epoch behind", version, &commit(epoch - 1, FIRST));
        observer.ask("by the member, an epoch ahead", version, &commit(epoch + 1, FIRST));
        observer.ask("by nobody", version, &commit(epoch, "nobody"));
        observer.ask("past the members", version, &commit(-1, ""));
        let fetch = |member: Option<&str>, epoch: i32| OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: group.into(),
                member_id: member.map(str::to_owned),
                member_epoch: epoch,
                topics: None,
            }],
            topics: Some(Vec::new()),
            ..Default::default()
        };
        observer.ask_if_it_fits("by the member", version, &fetch(Some(FIRST), epoch));
        observer.ask_if_it_fits("by nobody", version, &fetch(Some("nobody"), epoch));
        observer.ask_if_it_fits("an epoch behind", version, &fetch(Some(FIRST), epoch - 1));
        observer.ask_if_it_fits("past the members", version, &fetch(None, -1));
    }
    observer.ask(
        "of a subscribed topic",
        0,
        &OffsetDeleteRequest {
            group_id: group.into(),
            topics: vec![OffsetDeleteRequestTopic {
                name: TOPIC.into(),
                partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
            }],
        },
    );
    observer.ask(
        "with a member",
        2,
        &DeleteGroupsRequest {
            groups_names: vec![group.into()],
        },
    );
    observer.ask("leaving", 1, &beat(group, FIRST, -1));
    observer.ask("leaving again", 1, &beat(group, FIRST, -1));
    observer.ask("after the last left", 1, &described);
    observer.ask(
        "an empty consumer group",
        2,
        &DeleteGroupsRequest {
            groups_names: vec![group.into()],
        },
    );
}

fn two(observer: &mut Observer, topic: [u8; 16]) {
    let group = "two-consumers";
    let first = settled(observer, "the first", group, FIRST, 4);
    observer.ask(
        "the first owns all",
        1,
        &owning(group, FIRST, first.member_epoch, topic, &[0, 1, 2, 3]),
    );
    let second = observer
        .ask("the second joins", 1, &joining(group, SECOND, &[TOPIC]))
        .unwrap_or_default();
    // The first is told to give two up, at the latest when the assignor's interval is over.
    let mut told = ConsumerGroupHeartbeatResponse::default();
    for _ in 0..500 {
        told = observer
            .quietly(1, &beat(group, FIRST, first.member_epoch))
            .unwrap_or_default();
        if told.assignment.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    observer.note_lines(
        "the first is told",
        [
            ("partitions".to_owned(), partitions(&told).to_string()),
            ("error".to_owned(), told.error_code.to_string()),
        ]
        .into_iter(),
    );
    let kept: Vec<i32> = told
        .assignment
        .iter()
        .flat_map(|assignment| &assignment.topic_partitions)
        .flat_map(|topic| topic.partitions.clone())
        .collect();
    observer.ask(
        "the second before the first gave up",
        1,
        &beat(group, SECOND, second.member_epoch),
    );
    let gave = observer.ask(
        "the first gave up",
        1,
        &owning(group, FIRST, told.member_epoch, topic, &kept),
    );
    let mut given = ConsumerGroupHeartbeatResponse::default();
    let mut epoch = second.member_epoch;
    for _ in 0..500 {
        given = observer.quietly(1, &beat(group, SECOND, epoch)).unwrap_or_default();
        epoch = given.member_epoch;
        if partitions(&given) > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    observer.note_lines(
        "the second is given",
        [("partitions".to_owned(), partitions(&given).to_string())].into_iter(),
    );
    observer.ask(
        "two of them",
        1,
        &ConsumerGroupDescribeRequest {
            group_ids: vec![group.into()],
            ..Default::default()
        },
    );
    observer.ask("the second leaves", 1, &beat(group, SECOND, -1));
    let epoch = gave.map_or(told.member_epoch, |answer| answer.member_epoch);
    let mut back = ConsumerGroupHeartbeatResponse::default();
    let mut at = epoch;
    for _ in 0..500 {
        back = observer.quietly(1, &beat(group, FIRST, at)).unwrap_or_default();
        at = back.member_epoch;
        if partitions(&back) == 4 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    observer.note_lines(
        "the first has all again",
        [("partitions".to_owned(), partitions(&back).to_string())].into_iter(),
    );
    observer.ask("the first leaves", 1, &beat(group, FIRST, -1));
}

fn fixed(observer: &mut Observer, topic: [u8; 16]) {
    let group = "fixed-consumer";
    let with = |request: ConsumerGroupHeartbeatRequest| ConsumerGroupHeartbeatRequest {
        instance_id: Some("one".into()),
        ..request
    };
    let first = observer
        .ask("with an instance", 1, &with(joining(group, FIRST, &[TOPIC])))
        .unwrap_or_default();
    observer.ask("its twin", 1, &with(joining(group, SECOND, &[TOPIC])));
    observer.ask("gone for a while", 1, &with(beat(group, FIRST, -2)));
    observer.ask("its twin takes over", 1, &with(joining(group, SECOND, &[TOPIC])));
    observer.ask(
        "the first once more",
        1,
        &with(owning(group, FIRST, first.member_epoch, topic, &[])),
    );
    observer.ask("the twin leaves for good", 1, &with(beat(group, SECOND, -1)));
}

fn patterns(observer: &mut Observer) {
    let by = |member: &str, group: &str, pattern: &str| ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some(pattern.into()),
        ..joining(group, member, &[])
    };
    observer.ask("a bad pattern", 1, &by(FIRST, "patterns-bad", "("));
    observer.ask("a pattern", 1, &by(FIRST, "patterns", "assigned-to-.*"));
    observer.ask("an empty pattern", 1, &by(SECOND, "patterns-empty", ""));
    observer.ask("the one by pattern leaves", 1, &beat("patterns", FIRST, -1));
}

/// Where the two kinds meet.
fn borders(observer: &mut Observer) {
    let group = "border";
    observer.ask("a consumer member", 1, &joining(group, FIRST, &[TOPIC]));
    let classic = |protocol: &str, metadata: &'static [u8]| JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: protocol.into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(metadata),
        }],
        ..Default::default()
    };
    observer.ask("of another kind into a consumer group", 9, &classic("connect", b"x"));
    observer.ask("with metadata that is none", 9, &classic("consumer", b"x"));
    observer.ask("the consumer member leaves", 1, &beat(group, FIRST, -1));
    let stands = JoinGroupRequest {
        group_id: "border-connect".into(),
        ..classic("connect", b"x")
    };
    let asked = observer.ask("a connect group", 9, &stands).unwrap_or_default();
    observer.ask(
        "a connect group, with the id",
        9,
        &JoinGroupRequest {
            member_id: asked.member_id,
            ..stands
        },
    );
    observer.ask("into a connect group", 1, &joining("border-connect", FIRST, &[TOPIC]));
}
