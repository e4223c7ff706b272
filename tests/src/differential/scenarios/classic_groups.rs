//! Classic groups: joining, syncing, leaving, static members, wrong members.

use bytes::Bytes;
use wire::messages::describe_groups_request::DescribeGroupsRequest;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::heartbeat_request::HeartbeatRequest;
use wire::messages::join_group_request::*;
use wire::messages::join_group_response::JoinGroupResponse;
use wire::messages::leave_group_request::*;
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::offset_commit_request::*;
use wire::messages::sync_group_request::*;

use super::create;
use crate::differential::{Lane, Observer};

const SESSION_MS: i32 = 30_000;

fn join(group: &str, member: &str, instance: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: SESSION_MS,
        member_id: member.to_owned(),
        group_instance_id: instance.map(str::to_owned),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"\0\0\0\0"),
        }],
        ..Default::default()
    }
}

fn sync(group: &str, generation_id: i32, member: &str, assigned: &[&str]) -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id,
        member_id: member.to_owned(),
        assignments: assigned
            .iter()
            .map(|&member| SyncGroupRequestAssignment {
                member_id: member.to_owned(),
                assignment: Bytes::from_static(b"yours"),
            })
            .collect(),
        ..Default::default()
    }
}

fn beat(group: &str, generation_id: i32, member: &str) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: group.to_owned(),
        generation_id,
        member_id: member.to_owned(),
        ..Default::default()
    }
}

fn leave(group: &str, member: &str, instance: Option<&str>) -> LeaveGroupRequest {
    LeaveGroupRequest {
        group_id: group.to_owned(),
        members: vec![MemberIdentity {
            member_id: member.to_owned(),
            group_instance_id: instance.map(str::to_owned),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(super) fn play(observer: &mut Observer) {
    create(observer, "classic", 1, &[]);
    for version in 0..=6 {
        let found = |keys: &[&str], key_type: i8| {
            let mut request = FindCoordinatorRequest {
                key_type,
                ..Default::default()
            };
            if version >= 4 {
                request.coordinator_keys = keys.iter().map(|&key| key.to_owned()).collect();
            } else {
                request.key = keys.first().copied().unwrap_or_default().to_owned();
            }
            request
        };
        observer.settle("of a group", version, &found(&["one"], 0), |answer| {
            answer.error_code == 0 && answer.coordinators.iter().all(|found| found.error_code == 0)
        });
        observer.ask_if_it_fits("of a nameless group", version, &found(&[""], 0));
        observer.ask_if_it_fits("of kind nine", version, &found(&["one"], 9));
        if version >= 4 {
            observer.ask("of three groups", version, &found(&["one", "two", "one"], 0));
            observer.ask("of none", version, &found(&[], 0));
        }
    }
    wrong(observer);
    for version in 0..=9 {
        alone(observer, version);
    }
    together(observer);
    fixed(observer);
    listed(observer);
}

fn wrong(observer: &mut Observer) {
    for version in [0, 3, 4, 5, 7, 9] {
        let group = format!("wrong-{version}");
        observer.ask("with no group id", version, &join("", "", None));
        let mut session = join(&group, "", None);
        session.session_timeout_ms = 1;
        observer.ask("with a session of a millisecond", version, &session);
        session.session_timeout_ms = 9_999_999;
        observer.ask("with a session of hours", version, &session);
        let mut protocols = join(&group, "", None);
        protocols.protocols.clear();
        observer.ask("without protocols", version, &protocols);
        let mut kind = join(&group, "", None);
        kind.protocol_type = String::new();
        observer.ask("without a protocol type", version, &kind);
        observer.ask("as an unknown member", version, &join(&group, "nobody", None));
    }
    for version in 0..=5 {
        observer.ask("no group", version, &sync("never-seen", 1, "nobody", &[]));
        observer.ask("no group id", version, &sync("", 1, "nobody", &[]));
    }
    for version in 0..=4 {
        observer.ask("no group", version, &beat("never-seen", 1, "nobody"));
        observer.ask("no group id", version, &beat("", 1, "nobody"));
    }
    for version in 0..=5 {
        let request = |group: &str| {
            if version >= 3 {
                leave(group, "nobody", None)
            } else {
                LeaveGroupRequest {
                    group_id: group.to_owned(),
                    member_id: "nobody".into(),
                    ..Default::default()
                }
            }
        };
        observer.ask("no group", version, &request("never-seen"));
        observer.ask("no group id", version, &request(""));
    }
}

/// Joins; where a member id is asked for first, joins again with it.
fn joined(observer: &mut Observer, version: i16, step: &str, request: &JoinGroupRequest) -> JoinGroupResponse {
    let answer = observer.ask(step, version, request).unwrap_or_default();
    if answer.error_code == 79 {
        let again = JoinGroupRequest {
            member_id: answer.member_id,
            ..request.clone()
        };
        return observer
            .ask(&format!("{step}, with the id"), version, &again)
            .unwrap_or_default();
    }
    answer
}

fn alone(observer: &mut Observer, version: i16) {
    let group = format!("alone-{version}");
    let answer = joined(observer, version, "alone", &join(&group, "", None));
    let (member, generation) = (answer.member_id.as_str(), answer.generation_id);
    let (sync_version, beat_version) = (version.min(5), version.min(4));
    observer.ask(
        &format!("before sync of {group}"),
        beat_version,
        &beat(&group, generation, member),
    );
    observer.ask(
        &format!("a stranger's of {group}"),
        sync_version,
        &sync(&group, generation, "nobody", &[]),
    );
    observer.ask(
        &format!("another generation's of {group}"),
        sync_version,
        &sync(&group, generation + 1, member, &[]),
    );
    let mut named = sync(&group, generation, member, &[member]);
    if sync_version >= 5 {
        named.protocol_type = Some("connect".into());
        named.protocol_name = Some("range".into());
        observer.ask(&format!("another protocol type of {group}"), 5, &named);
        named.protocol_type = Some("consumer".into());
        named.protocol_name = Some("roundrobin".into());
        observer.ask(&format!("another protocol of {group}"), 5, &named);
        named.protocol_name = Some("range".into());
    }
    observer.ask(&format!("of {group}"), sync_version, &named);
    observer.ask(&format!("again of {group}"), sync_version, &named);
    observer.ask(&format!("of {group}"), beat_version, &beat(&group, generation, member));
    observer.ask(
        &format!("a stranger's of {group}"),
        beat_version,
        &beat(&group, generation, "nobody"),
    );
    observer.ask(
        &format!("another generation's of {group}"),
        beat_version,
        &beat(&group, generation + 1, member),
    );
    let commit = |generation: i32, member: &str| OffsetCommitRequest {
        group_id: group.clone(),
        generation_id_or_member_epoch: generation,
        member_id: member.to_owned(),
        retention_time_ms: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: "classic".into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: 3,
                committed_leader_epoch: -1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let commit_version = version.clamp(2, 9);
    observer.ask(
        &format!("of a member of {group}"),
        commit_version,
        &commit(generation, member),
    );
    observer.ask(
        &format!("of a stranger to {group}"),
        commit_version,
        &commit(generation, "nobody"),
    );
    observer.ask(
        &format!("of another generation of {group}"),
        commit_version,
        &commit(generation + 1, member),
    );
    observer.ask(&format!("past the members of {group}"), commit_version, &commit(-1, ""));
    let mut other = join(&group, "", None);
    other.protocol_type = "connect".into();
    observer.ask("another protocol type", version, &other);
    let mut other = join(&group, "", None);
    other.protocols[0].name = "roundrobin".into();
    observer.ask("no common protocol", version, &other);
    let described = DescribeGroupsRequest {
        groups: vec![group.clone()],
        include_authorized_operations: version >= 3,
    };
    observer.ask(&format!("of {group}"), version.min(6), &described);
    let again = join(&group, member, None);
    observer.ask("again, unchanged", version, &again);
    let gone = if version.min(5) >= 3 {
        leave(&group, member, None)
    } else {
        LeaveGroupRequest {
            group_id: group.clone(),
            member_id: member.to_owned(),
            ..Default::default()
        }
    };
    observer.ask(&format!("of {group}"), version.min(5), &gone);
    observer.ask(&format!("of {group} again"), version.min(5), &gone);
    observer.ask(&format!("of {group} when empty"), version.min(6), &described);
}

/// Two members: the second's arrival is a rebalance for the first.
fn together(observer: &mut Observer) {
    let group = "together";
    let first = joined(observer, 9, "the first of two", &join(group, "", None));
    observer.ask(
        "of the first",
        5,
        &sync(group, first.generation_id, &first.member_id, &[&first.member_id]),
    );
    let mut lane = Lane::default();
    let asked = observer
        .ask("the second of two", 9, &join(group, "", None))
        .unwrap_or_default();
    let second = join(group, &asked.member_id, None);
    observer.send(&mut lane, 9, &second);
    let beating = beat(group, first.generation_id, &first.member_id);
    observer.settle("of the first, told to join again", 4, &beating, |answer| {
        answer.error_code == 27
    });
    let mut rejoin = join(group, &first.member_id, None);
    rejoin.reason = Some("told to".into());
    let mut first_lane = Lane::default();
    observer.send(&mut first_lane, 9, &rejoin);
    let first_again = observer
        .receive::<JoinGroupRequest>(&mut first_lane, "the first again", 9)
        .unwrap_or_default();
    let second = observer
        .receive::<JoinGroupRequest>(&mut lane, "the second at last", 9)
        .unwrap_or_default();
    let generation = first_again.generation_id;
    observer.send(&mut lane, 5, &sync(group, generation, &second.member_id, &[]));
    let both = sync(
        group,
        generation,
        &first.member_id,
        &[&first.member_id, &second.member_id],
    );
    observer.ask("of the leader", 5, &both);
    observer.receive::<SyncGroupRequest>(&mut lane, "of the follower", 5);
    observer.ask(
        "of two",
        6,
        &DescribeGroupsRequest {
            groups: vec![group.into()],
            ..Default::default()
        },
    );
    observer.ask("of the second", 5, &leave(group, &second.member_id, None));
    observer.settle(
        "of the first, after the other left",
        4,
        &beat(group, generation, &first.member_id),
        |answer| answer.error_code == 27,
    );
    observer.ask("of the first", 5, &leave(group, &first.member_id, None));
}

/// Members with an id of their own.
fn fixed(observer: &mut Observer) {
    let group = "fixed";
    let first = observer
        .ask("fixed", 9, &join(group, "", Some("one")))
        .unwrap_or_default();
    observer.ask(
        "of the fixed one",
        5,
        &sync(group, first.generation_id, &first.member_id, &[&first.member_id]),
    );
    let mut beating = beat(group, first.generation_id, &first.member_id);
    beating.group_instance_id = Some("one".into());
    observer.ask("of the fixed one", 4, &beating);
    let twin = observer
        .ask("its twin", 9, &join(group, "", Some("one")))
        .unwrap_or_default();
    observer.ask("of the fixed one after its twin", 4, &beating);
    observer.ask("its old member id", 9, &join(group, &first.member_id, Some("one")));
    beating.member_id = twin.member_id.clone();
    beating.generation_id = twin.generation_id;
    observer.ask("of the twin", 4, &beating);
    let mut stranger = beat(group, twin.generation_id, &twin.member_id);
    stranger.group_instance_id = Some("two".into());
    observer.ask("with another instance", 4, &stranger);
    observer.ask(
        "of fixed members",
        6,
        &DescribeGroupsRequest {
            groups: vec![group.into()],
            ..Default::default()
        },
    );
    observer.ask("by another instance", 5, &leave(group, "", Some("two")));
    observer.ask("by a wrong member id", 5, &leave(group, "nobody", Some("one")));
    observer.ask("by instance", 5, &leave(group, "", Some("one")));
    observer.ask("by instance again", 5, &leave(group, "", Some("one")));
}

fn listed(observer: &mut Observer) {
    for version in 0..=6 {
        let groups = vec!["never-seen".to_owned(), "alone-3".to_owned(), String::new()];
        observer.ask(
            "an unknown, an empty, a nameless",
            version,
            &DescribeGroupsRequest {
                groups,
                ..Default::default()
            },
        );
        observer.ask("none", version, &DescribeGroupsRequest::default());
    }
    for version in 4..=5 {
        let of = |states: &[&str], types: &[&str]| ListGroupsRequest {
            states_filter: states.iter().map(|&state| state.to_owned()).collect(),
            types_filter: types.iter().map(|&kind| kind.to_owned()).collect(),
        };
        observer.ask_if_it_fits("dead", version, &of(&["Dead"], &[]));
        observer.ask_if_it_fits("in a strange state", version, &of(&["Strange"], &[]));
        observer.ask_if_it_fits("of a strange type", version, &of(&[], &["Strange"]));
        observer.ask_if_it_fits("stable classic", version, &of(&["stable"], &["CLASSIC"]));
    }
}
