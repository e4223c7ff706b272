//! Fetch: places, limits, epochs, sessions.

use wire::messages::delete_records_request::*;
use wire::messages::fetch_request::*;
use wire::messages::offset_for_leader_epoch_request::*;

use super::*;

pub(super) fn from(version: i16, topic: (&str, [u8; 16]), partition: i32, offset: i64) -> FetchRequest {
    let by_id = version >= 13;
    FetchRequest {
        replica_id: -1,
        max_wait_ms: 0,
        min_bytes: 0,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: if by_id { String::new() } else { topic.0.to_owned() },
            topic_id: if by_id { topic.1 } else { [0; 16] },
            partitions: vec![FetchPartition {
                partition,
                current_leader_epoch: -1,
                fetch_offset: offset,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 1 << 20,
                high_watermark: i64::MAX,
                ..Default::default()
            }],
        }],
        ..Default::default()
    }
}

pub(super) fn play(observer: &mut Observer) {
    let topic = ("fetched", create(observer, "fetched", 2, &[]));
    for count in [3, 1, 5] {
        fill(observer, topic, &batch(count));
    }
    let stranger = ("nobody-knows", [3; 16]);
    for version in 4..=18 {
        observer.ask("from the start", version, &from(version, topic, 0, 0));
        observer.ask("within a batch", version, &from(version, topic, 0, 1));
        observer.ask("from the second batch", version, &from(version, topic, 0, 3));
        observer.ask("at the end", version, &from(version, topic, 0, 9));
        observer.ask("past the end", version, &from(version, topic, 0, 10));
        observer.ask("before the start", version, &from(version, topic, 0, -1));
        observer.ask("an empty partition", version, &from(version, topic, 1, 0));
        observer.ask("a partition too many", version, &from(version, topic, 7, 0));
        observer.ask("an unknown topic", version, &from(version, stranger, 0, 0));
        let mut small = from(version, topic, 0, 0);
        small.topics[0].partitions[0].partition_max_bytes = 1;
        observer.ask("a byte of a partition", version, &small);
        let mut small = from(version, topic, 0, 0);
        small.max_bytes = 1;
        observer.ask("a byte in all", version, &small);
        let mut none = from(version, topic, 0, 0);
        none.max_bytes = 0;
        none.topics[0].partitions[0].partition_max_bytes = 0;
        observer.ask("no byte at all", version, &none);
        let mut committed = from(version, topic, 0, 0);
        committed.isolation_level = 1;
        observer.ask("committed only", version, &committed);
        committed.isolation_level = 2;
        observer.ask("isolation level two", version, &committed);
        for (step, epoch) in [
            ("leader epoch zero", 0),
            ("leader epoch five", 5),
            ("leader epoch -2", -2),
        ] {
            let mut request = from(version, topic, 0, 0);
            request.topics[0].partitions[0].current_leader_epoch = epoch;
            observer.ask_if_it_fits(step, version, &request);
        }
        for (step, epoch) in [("last fetched epoch zero", 0), ("last fetched epoch three", 3)] {
            let mut request = from(version, topic, 0, 3);
            request.topics[0].partitions[0].last_fetched_epoch = epoch;
            observer.ask_if_it_fits(step, version, &request);
        }
        let mut twice = from(version, topic, 0, 0);
        let again = twice.topics[0].partitions[0].clone();
        twice.topics[0].partitions.push(again);
        observer.ask("the same partition twice", version, &twice);
    }
    sessions(observer, topic);
    after_deleted_records(observer, topic);
    epochs(observer);
}

fn sessions(observer: &mut Observer, topic: (&str, [u8; 16])) {
    for version in [7, 12, 13, 18] {
        let open = |epoch: i32, id: i32| FetchRequest {
            session_id: id,
            session_epoch: epoch,
            ..from(version, topic, 0, 0)
        };
        let rest = |epoch: i32, id: i32| FetchRequest {
            topics: Vec::new(),
            ..open(epoch, id)
        };
        let answer = observer.ask("opens a session", version, &open(0, 0));
        let id = answer.map_or(0, |answer| answer.session_id);
        observer.ask("the session, unchanged", version, &rest(1, id));
        observer.ask("the session, epoch again", version, &rest(1, id));
        observer.ask("the session, epoch skipped", version, &rest(9, id));
        observer.ask("the session, next", version, &rest(2, id));
        let mut forget = rest(3, id);
        forget.forgotten_topics_data = vec![ForgottenTopic {
            topic: if version >= 13 {
                String::new()
            } else {
                topic.0.to_owned()
            },
            topic_id: if version >= 13 { topic.1 } else { [0; 16] },
            partitions: vec![0],
        }];
        observer.ask("the session, all forgotten", version, &forget);
        observer.ask("the session, once more", version, &rest(4, id));
        observer.ask("a session nobody has", version, &rest(1, 123_456));
        let closing = observer
            .ask("opens another", version, &open(0, 0))
            .map_or(0, |answer| answer.session_id);
        observer.ask("closes it", version, &rest(-1, closing));
        observer.ask("after it was closed", version, &rest(1, closing));
        observer.ask("an empty full fetch", version, &rest(0, 0));
        observer.ask("an empty fetch without session", version, &rest(-1, 0));
    }
}

fn after_deleted_records(observer: &mut Observer, topic: (&str, [u8; 16])) {
    let delete = |name: &str, partition_index: i32, offset: i64| DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: name.to_owned(),
            partitions: vec![DeleteRecordsPartition {
                partition_index,
                offset,
            }],
        }],
        timeout_ms: 10_000,
    };
    for version in 0..=2 {
        observer.ask("past the end", version, &delete("fetched", 0, 100));
        observer.ask("before minus one", version, &delete("fetched", 0, -2));
        observer.ask("of an unknown topic", version, &delete("nobody-knows", 0, 0));
        observer.ask("of a partition too many", version, &delete("fetched", 7, 0));
        observer.ask(
            "up to within a batch",
            version,
            &delete("fetched", 0, 4 + i64::from(version)),
        );
        observer.ask("up to less", version, &delete("fetched", 0, 1));
    }
    observer.ask("below the new start", 12, &from(12, topic, 0, 2));
    observer.ask("at the new start", 12, &from(12, topic, 0, 6));
    observer.ask("all of it", 2, &delete("fetched", 0, -1));
    observer.ask("where nothing is left", 12, &from(12, topic, 0, 6));
    observer.ask("at the end, nothing left", 12, &from(12, topic, 0, 9));
    create(observer, "fetched-compacted", 1, &[("cleanup.policy", "compact")]);
    let compacted = delete("fetched-compacted", 0, 0);
    observer.settle("of a compacted topic", 2, &compacted, |answer| {
        answer
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|partition| partition.error_code != 6)
    });
}

fn epochs(observer: &mut Observer) {
    let topic = ("epochs", create(observer, "epochs", 1, &[]));
    fill(observer, topic, &batch(4));
    let ask = |name: &str, partition: i32, current: i32, epoch: i32| OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: name.to_owned(),
            partitions: vec![OffsetForLeaderPartition {
                partition,
                current_leader_epoch: current,
                leader_epoch: epoch,
            }],
        }],
    };
    for version in 2..=4 {
        observer.ask("epoch zero", version, &ask("epochs", 0, -1, 0));
        observer.ask("epoch one", version, &ask("epochs", 0, -1, 1));
        observer.ask("epoch minus one", version, &ask("epochs", 0, -1, -1));
        observer.ask("current epoch five", version, &ask("epochs", 0, 5, 0));
        observer.ask("an unknown topic", version, &ask("nobody-knows", 0, -1, 0));
        observer.ask("a partition too many", version, &ask("epochs", 3, -1, 0));
    }
}
