//! Share groups: membership, acquiring, acknowledging, sessions.

use wire::messages::alter_share_group_offsets_request::*;
use wire::messages::delete_share_group_offsets_request::*;
use wire::messages::describe_share_group_offsets_request::*;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::incremental_alter_configs_request as settings;
use wire::messages::share_acknowledge_request as acknowledge;
use wire::messages::share_fetch_request as fetch;
use wire::messages::share_group_describe_request::ShareGroupDescribeRequest;
use wire::messages::share_group_heartbeat_request::ShareGroupHeartbeatRequest;

use super::{batch, create, fill};
use crate::differential::Observer;

const TOPIC: &str = "shared";
const GROUP: &str = "sharing";
const FIRST: &str = "CCCCCCCCCCCCCCCCCCCCCC";
const SECOND: &str = "DDDDDDDDDDDDDDDDDDDDDD";

fn beat(group: &str, member: &str, epoch: i32, topics: Option<&[&str]>) -> ShareGroupHeartbeatRequest {
    ShareGroupHeartbeatRequest {
        group_id: group.to_owned(),
        member_id: member.to_owned(),
        member_epoch: epoch,
        subscribed_topic_names: topics.map(|topics| topics.iter().map(|&topic| topic.to_owned()).collect()),
        ..Default::default()
    }
}

fn take(member: &str, epoch: i32, topic: Option<[u8; 16]>) -> fetch::ShareFetchRequest {
    fetch::ShareFetchRequest {
        group_id: Some(GROUP.into()),
        member_id: Some(member.to_owned()),
        share_session_epoch: epoch,
        max_wait_ms: 500,
        min_bytes: 0,
        max_bytes: 1 << 20,
        max_records: 100,
        batch_size: 100,
        topics: topic
            .map(|topic_id| fetch::FetchTopic {
                topic_id,
                partitions: vec![fetch::FetchPartition {
                    partition_index: 0,
                    ..Default::default()
                }],
            })
            .into_iter()
            .collect(),
        ..Default::default()
    }
}

fn settle(
    member: &str,
    epoch: i32,
    topic: [u8; 16],
    first: i64,
    last: i64,
    kinds: &[i8],
) -> acknowledge::ShareAcknowledgeRequest {
    acknowledge::ShareAcknowledgeRequest {
        group_id: Some(GROUP.into()),
        member_id: Some(member.to_owned()),
        share_session_epoch: epoch,
        topics: vec![acknowledge::AcknowledgeTopic {
            topic_id: topic,
            partitions: vec![acknowledge::AcknowledgePartition {
                partition_index: 0,
                acknowledgement_batches: vec![acknowledge::AcknowledgementBatch {
                    first_offset: first,
                    last_offset: last,
                    acknowledge_types: kinds.to_vec(),
                }],
            }],
        }],
        ..Default::default()
    }
}

pub(super) fn play(observer: &mut Observer) {
    let topic = create(observer, TOPIC, 1, &[]);
    membership(observer);
    from_the_start(observer);
    for _ in 0..2 {
        fill(observer, (TOPIC, topic), &batch(5));
    }
    observer.ask("the first joins", 1, &beat(GROUP, FIRST, 0, Some(&[TOPIC])));
    sessions(observer, topic);
    acknowledging(observer, topic);
    offsets(observer);
}

fn membership(observer: &mut Observer) {
    observer.ask("no group id", 1, &beat("", FIRST, 0, Some(&[TOPIC])));
    observer.ask("no member id", 1, &beat("share-wrong", "", 0, Some(&[TOPIC])));
    observer.ask("no subscription", 1, &beat("share-wrong", FIRST, 0, None));
    observer.ask("an unknown member", 1, &beat("share-wrong", "nobody", 4, None));
    observer.ask("an unknown member leaves", 1, &beat("share-wrong", "nobody", -1, None));
    observer.ask("an epoch of -2", 1, &beat("share-wrong", FIRST, -2, None));
    let group = "share-alone";
    let answer = observer
        .ask("alone", 1, &beat(group, FIRST, 0, Some(&[TOPIC])))
        .unwrap_or_default();
    let mut epoch = answer.member_epoch;
    for _ in 0..300 {
        let next = observer
            .quietly(1, &beat(group, FIRST, epoch, None))
            .unwrap_or_default();
        epoch = next.member_epoch.max(epoch);
        if next
            .assignment
            .is_some_and(|assignment| !assignment.topic_partitions.is_empty())
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    observer.ask("nothing new", 1, &beat(group, FIRST, epoch, None));
    observer.ask("an epoch ahead", 1, &beat(group, FIRST, epoch + 5, None));
    let described = ShareGroupDescribeRequest {
        group_ids: vec![group.into(), "never-seen".into(), String::new()],
        include_authorized_operations: true,
    };
    observer.ask("alone, unknown, nameless", 1, &described);
    observer.ask("leaving", 1, &beat(group, FIRST, -1, None));
    observer.ask("empty", 1, &described);
}

fn from_the_start(observer: &mut Observer) {
    let request = settings::IncrementalAlterConfigsRequest {
        resources: vec![settings::AlterConfigsResource {
            resource_type: 32,
            resource_name: GROUP.into(),
            configs: vec![settings::AlterableConfig {
                name: "share.auto.offset.reset".into(),
                config_operation: 0,
                value: Some("earliest".into()),
            }],
        }],
        validate_only: false,
    };
    observer.ask("share groups begin at the start", 1, &request);
}

fn sessions(observer: &mut Observer, topic: [u8; 16]) {
    let mut nameless = take(FIRST, 0, Some(topic));
    nameless.group_id = None;
    observer.ask("no group", 1, &nameless);
    let mut memberless = take(FIRST, 0, Some(topic));
    memberless.member_id = None;
    observer.ask("no member", 1, &memberless);
    observer.ask("a session nobody opened", 1, &take(FIRST, 3, Some(topic)));
    observer.ask("an unknown topic", 1, &take(SECOND, 0, Some([9; 16])));
    observer.ask("closing it", 1, &take(SECOND, -1, None));
    observer.ask("closing it again", 1, &take(SECOND, -1, None));
}

fn acknowledging(observer: &mut Observer, topic: [u8; 16]) {
    // The group's start offset is set when the partition is first asked for.
    let mut epoch = 0;
    for _ in 0..300 {
        let answer = observer
            .quietly(1, &take(FIRST, epoch, (epoch == 0).then_some(topic)))
            .unwrap_or_default();
        if answer.error_code != 0 {
            break;
        }
        epoch += 1;
        let acquired = answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .any(|found| !found.acquired_records.is_empty());
        if acquired {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    observer.note_lines(
        "the first acquired",
        [("opened".to_owned(), (epoch > 0).to_string())].into_iter(),
    );
    let steps: &[(&str, i64, i64, &[i8])] = &[
        ("accept two", 0, 1, &[1]),
        ("accept them again", 0, 1, &[1]),
        ("release one, reject one", 2, 3, &[2, 3]),
        ("a gap", 4, 4, &[0]),
        ("too many kinds", 5, 6, &[1, 1, 1]),
        ("an unknown kind", 5, 5, &[9]),
        ("renew without the flag", 5, 5, &[4]),
        ("backwards", 6, 5, &[1]),
        ("past the end", 50, 51, &[1]),
    ];
    for (step, first, last, kinds) in steps {
        let request = settle(FIRST, epoch, topic, *first, *last, kinds);
        let answer = observer.ask(step, 1, &request).unwrap_or_default();
        if answer.error_code == 0 {
            epoch += 1;
        }
    }
    let mut renewed = settle(FIRST, epoch, topic, 5, 5, &[4]);
    renewed.is_renew_ack = true;
    if observer.ask("renew", 2, &renewed).unwrap_or_default().error_code == 0 {
        epoch += 1;
    }
    observer.ask("an epoch skipped", 1, &settle(FIRST, epoch + 7, topic, 5, 5, &[1]));
    observer.ask("by a stranger", 1, &settle("nobody", 1, topic, 5, 5, &[1]));
    observer.ask("opening by acknowledging", 1, &settle(SECOND, 0, topic, 5, 5, &[1]));
    observer.ask("what was released, to the second", 1, &take(SECOND, 0, Some(topic)));
    observer.ask("the first closes", 1, &settle(FIRST, -1, topic, 5, 5, &[1]));
    // Records are let go in the broker's own time.
    std::thread::sleep(std::time::Duration::from_millis(500));
    observer.ask("what the first let go, to the second", 1, &take(SECOND, 1, None));
    let mut limited = take(SECOND, 2, None);
    limited.max_records = 1;
    limited.share_acquire_mode = 1;
    observer.ask("one record at most", 2, &limited);
}

fn offsets(observer: &mut Observer) {
    let keys = |keys: &[&str]| FindCoordinatorRequest {
        key_type: 2,
        coordinator_keys: keys.iter().map(|&key| key.to_owned()).collect(),
        ..Default::default()
    };
    for version in [4, 5, 6] {
        observer.ask("of a share partition, badly named", version, &keys(&["sharing"]));
    }
    let describe = |group: &str, topics: Option<&[&str]>| DescribeShareGroupOffsetsRequest {
        groups: vec![DescribeShareGroupOffsetsRequestGroup {
            group_id: group.to_owned(),
            topics: topics.map(|topics| {
                topics
                    .iter()
                    .map(|&topic| DescribeShareGroupOffsetsRequestTopic {
                        topic_name: topic.to_owned(),
                        partitions: vec![0, 7],
                    })
                    .collect()
            }),
        }],
    };
    for version in 0..=1 {
        observer.ask("of an unknown group", version, &describe("never-seen", None));
        observer.ask(
            "of an unknown topic",
            version,
            &describe(GROUP, Some(&["nobody-knows"])),
        );
        observer.ask("of none", version, &DescribeShareGroupOffsetsRequest::default());
    }
    let alter = |group: &str, topic: &str, offset: i64| AlterShareGroupOffsetsRequest {
        group_id: group.to_owned(),
        topics: vec![AlterShareGroupOffsetsRequestTopic {
            topic_name: topic.to_owned(),
            partitions: vec![AlterShareGroupOffsetsRequestPartition {
                partition_index: 0,
                start_offset: offset,
            }],
        }],
    };
    observer.ask("of a group with a member", 0, &alter(GROUP, TOPIC, 1));
    observer.ask("of an unknown group", 0, &alter("never-seen", TOPIC, 1));
    let delete = |group: &str, topic: &str| DeleteShareGroupOffsetsRequest {
        group_id: group.to_owned(),
        topics: vec![DeleteShareGroupOffsetsRequestTopic {
            topic_name: topic.to_owned(),
        }],
    };
    observer.ask("of a group with a member", 0, &delete(GROUP, TOPIC));
    observer.ask("of an unknown group", 0, &delete("never-seen", TOPIC));
    observer.ask("the first leaves", 1, &beat(GROUP, FIRST, -1, None));
    observer.ask("back to the start", 0, &alter(GROUP, TOPIC, 0));
    observer.ask("of an unknown topic", 0, &alter(GROUP, "nobody-knows", 0));
    observer.ask("of an unknown topic", 0, &delete(GROUP, "nobody-knows"));
    observer.ask("of the topic", 0, &delete(GROUP, TOPIC));
}
