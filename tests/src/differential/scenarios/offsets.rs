//! ListOffsets by every kind of time; offsets of groups without members.

use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::list_offsets_request::*;
use wire::messages::offset_commit_request::*;
use wire::messages::offset_delete_request::*;
use wire::messages::offset_fetch_request::*;

use super::*;

pub(super) fn play(observer: &mut Observer) {
    listing(observer);
    committing(observer);
}

fn listing(observer: &mut Observer) {
    let topic = ("listed", create(observer, "listed", 2, &[]));
    for count in [2, 3] {
        fill(observer, topic, &batch(count));
    }
    let ask = |name: &str, partition_index: i32, timestamp: i64, epoch: i32| ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: name.to_owned(),
            partitions: vec![ListOffsetsPartition {
                partition_index,
                current_leader_epoch: epoch,
                timestamp,
            }],
        }],
        ..Default::default()
    };
    for version in 1..=11 {
        let times = [
            ("latest", -1),
            ("earliest", -2),
            ("of the highest time", -3),
            ("earliest local", -4),
            ("last tiered", -5),
            ("earliest pending upload", -6),
            ("minus seven", -7),
            ("time zero", 0),
            ("the first time", TIME),
            ("a time within a batch", TIME + 2),
            ("a time past all", TIME + 50),
        ];
        for (step, time) in times {
            observer.ask(step, version, &ask("listed", 0, time, -1));
        }
        observer.ask("latest of an empty one", version, &ask("listed", 1, -1, -1));
        observer.ask("a time in an empty one", version, &ask("listed", 1, TIME, -1));
        observer.ask("highest time of an empty one", version, &ask("listed", 1, -3, -1));
        observer.ask("an unknown topic", version, &ask("nobody-knows", 0, -1, -1));
        observer.ask("a partition too many", version, &ask("listed", 5, -1, -1));
        observer.ask_if_it_fits("leader epoch zero", version, &ask("listed", 0, -1, 0));
        observer.ask_if_it_fits("leader epoch four", version, &ask("listed", 0, -1, 4));
        let mut twice = ask("listed", 0, -1, -1);
        let again = twice.topics[0].partitions[0].clone();
        twice.topics[0].partitions.push(again);
        observer.ask("the same partition twice", version, &twice);
        let mut committed = ask("listed", 0, -1, -1);
        committed.isolation_level = 1;
        observer.ask_if_it_fits("latest committed", version, &committed);
    }
}

pub(super) fn commit(version: i16, group: &str, topic: (&str, [u8; 16]), offset: i64) -> OffsetCommitRequest {
    let by_id = version >= 10;
    OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: -1,
        retention_time_ms: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: if by_id { String::new() } else { topic.0.to_owned() },
            topic_id: if by_id { topic.1 } else { [0; 16] },
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: offset,
                committed_leader_epoch: -1,
                committed_metadata: Some("note".into()),
            }],
        }],
        ..Default::default()
    }
}

fn committed(version: i16, group: &str, topic: Option<(&str, [u8; 16])>) -> OffsetFetchRequest {
    if version < 8 {
        return OffsetFetchRequest {
            group_id: group.to_owned(),
            topics: topic.map(|(name, _)| {
                vec![OffsetFetchRequestTopic {
                    name: name.to_owned(),
                    partition_indexes: vec![0, 1, 9],
                }]
            }),
            ..Default::default()
        };
    }
    let by_id = version >= 10;
    OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            member_epoch: -1,
            topics: topic.map(|(name, id)| {
                vec![OffsetFetchRequestTopics {
                    name: if by_id { String::new() } else { name.to_owned() },
                    topic_id: if by_id { id } else { [0; 16] },
                    partition_indexes: vec![0, 1, 9],
                }]
            }),
            ..Default::default()
        }],
        topics: Some(Vec::new()),
        ..Default::default()
    }
}

fn committing(observer: &mut Observer) {
    let topic = ("committed", create(observer, "committed", 2, &[]));
    let stranger = ("nobody-knows", [3; 16]);
    for version in 2..=10 {
        let group = format!("standalone-{version}");
        observer.ask("one", version, &commit(version, &group, topic, 5));
        observer.ask("a negative offset", version, &commit(version, &group, topic, -5));
        observer.ask("of an unknown topic", version, &commit(version, &group, stranger, 5));
        let mut long = commit(version, &group, topic, 6);
        long.topics[0].partitions[0].committed_metadata = Some("x".repeat(5_000));
        observer.ask("with long metadata", version, &long);
        let mut null = commit(version, &group, topic, 6);
        null.topics[0].partitions[0].committed_metadata = None;
        observer.ask("with no metadata", version, &null);
        let mut partition = commit(version, &group, topic, 6);
        partition.topics[0].partitions[0].partition_index = 9;
        observer.ask("of a partition too many", version, &partition);
        let mut generation = commit(version, &format!("generation-{version}"), topic, 6);
        generation.generation_id_or_member_epoch = 3;
        observer.ask("with a generation of no group", version, &generation);
        let mut member = commit(version, &format!("member-{version}"), topic, 6);
        member.member_id = "nobody".into();
        observer.ask("as a member of no group", version, &member);
        observer.ask("with an empty group", version, &commit(version, "", topic, 6));
    }
    for version in 1..=10 {
        observer.ask(
            "what was committed",
            version,
            &committed(version, "standalone-9", Some(topic)),
        );
        observer.ask(
            "of an unknown group",
            version,
            &committed(version, "never-seen", Some(topic)),
        );
        observer.ask(
            "of an unknown topic",
            version,
            &committed(version, "standalone-9", Some(stranger)),
        );
        observer.ask_if_it_fits("everything", version, &committed(version, "standalone-9", None));
        observer.ask_if_it_fits(
            "everything of an unknown group",
            version,
            &committed(version, "never-seen", None),
        );
        let mut stable = committed(version, "standalone-9", Some(topic));
        stable.require_stable = true;
        observer.ask_if_it_fits("stable only", version, &stable);
    }
    let delete = |group: &str, name: &str, partition_index: i32| OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: vec![OffsetDeleteRequestTopic {
            name: name.to_owned(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index }],
        }],
    };
    observer.ask("one", 0, &delete("standalone-8", "committed", 0));
    observer.ask("one that is not", 0, &delete("standalone-8", "committed", 1));
    observer.ask("of an unknown topic", 0, &delete("standalone-8", "nobody-knows", 0));
    observer.ask("of an unknown group", 0, &delete("never-seen", "committed", 0));
    observer.ask("of an empty group id", 0, &delete("", "committed", 0));
    for version in 0..=2 {
        let groups = |names: &[&str]| DeleteGroupsRequest {
            groups_names: names.iter().map(|&name| name.to_owned()).collect(),
        };
        let name = format!("standalone-{}", version + 2);
        observer.ask("one and a stranger", version, &groups(&[&name, "never-seen"]));
        observer.ask("one again", version, &groups(&[&name]));
        observer.ask("an empty name", version, &groups(&[""]));
    }
}
