//! What a compacted topic still has for its readers: records, tombstones, transactions and their markers, empty batches.

use base::{Clock, RealClock};
use bytes::Bytes;
use std::time::Duration;
use wire::messages::end_txn_request::EndTxnRequest;
use wire::messages::end_txn_response::EndTxnResponse;
use wire::messages::incremental_alter_configs_request as settings;
use wire::messages::list_offsets_response::ListOffsetsResponse;
use wire::{RecordLimits, records};

use super::*;

const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;
const WAIT: Duration = Duration::from_secs(20);
/// Records of different parts are too far apart in time for one segment.
const PART_MS: i64 = 20_000;
const SEGMENT_MS: &str = "10000";

type Pair<'a> = (Option<&'a str>, Option<&'a str>);

/// A topic that is filled before it is compacted, so that how quick the cleaner is shows nowhere.
struct Filled {
    name: &'static str,
    id: [u8; 16],
    part: i64,
    /// The time of the first record.
    from: i64,
}

impl Filled {
    fn new(observer: &mut Observer, name: &'static str, configs: &[(&str, &str)]) -> Filled {
        let configs = [
            &[("segment.ms", SEGMENT_MS), ("min.cleanable.dirty.ratio", "0.01")],
            configs,
        ]
        .concat();
        let id = create(observer, name, 1, &configs);
        Filled {
            name,
            id,
            part: 0,
            from: TIME,
        }
    }

    fn batch(&self, mut builder: BatchBuilder, pairs: &[Pair<'_>]) -> Bytes {
        for (at, (key, value)) in pairs.iter().enumerate() {
            builder.push(NewRecord {
                timestamp: self.from + self.part * PART_MS + at as i64,
                key: key.map(str::as_bytes),
                value: value.map(str::as_bytes),
                headers: &[],
            });
        }
        builder.build().expect("a batch of a few records")
    }

    fn append(&self, observer: &mut Observer, builder: BatchBuilder, pairs: &[Pair<'_>]) {
        let records = self.batch(builder, pairs);
        fill(observer, (self.name, self.id), &records);
    }

    fn plainly(&self, observer: &mut Observer, pairs: &[Pair<'_>]) {
        self.append(observer, BatchBuilder::new(Compression::None), pairs);
    }

    /// What follows goes to a segment of its own; the last one is never compacted.
    fn roll(&mut self, observer: &mut Observer) {
        self.part += 1;
        let key = format!("part {}", self.part);
        self.plainly(observer, &[(Some(&key), Some("begins"))]);
    }

    fn set(&self, observer: &mut Observer, step: &str, configs: &[(&str, &str)]) {
        alter(observer, step, TOPIC_RESOURCE, self.name, configs);
    }

    fn compact(&self, observer: &mut Observer) {
        self.set(
            observer,
            &format!("compact {}", self.name),
            &[("cleanup.policy", "compact")],
        );
    }

    /// Notes what is left when `done` says that the cleaner has been there.
    fn left(&self, observer: &mut Observer, step: &str, done: impl Fn(&[(String, String)]) -> bool) {
        let clock = RealClock::new();
        let until = clock.monotonic() + WAIT;
        loop {
            let lines = self.lines(observer);
            if done(&lines) || clock.monotonic() > until {
                observer.note_lines(step, lines.into_iter());
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every batch and every record there is, a line each.
    fn lines(&self, observer: &mut Observer) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let mut next = 0;
        loop {
            let request = fetch::from(12, (self.name, self.id), 0, next);
            let before = next;
            for set in observer.records(12, &request) {
                for (header, bytes) in wire::batches(&set).flatten() {
                    if header.last_offset() < next {
                        continue;
                    }
                    next = header.last_offset() + 1;
                    // A marker's is the broker's clock.
                    let time = match header.is_control() {
                        true => String::new(),
                        false => format!(", last after {} ms", header.max_timestamp - self.from),
                    };
                    lines.push((
                        format!("batch {}..{}", header.base_offset, header.last_offset()),
                        format!(
                            "{} records, attributes {}, epoch {}, sequence {}{time}",
                            header.count,
                            // The bit that says that the first time is the horizon of deletes comes and goes with passes.
                            header.attributes & !0x40,
                            header.producer_epoch,
                            header.base_sequence,
                        ),
                    ));
                    if header.is_control() {
                        continue;
                    }
                    let text = |part: Option<Bytes>| part.map(|part| String::from_utf8_lossy(&part).into_owned());
                    for record in records(&bytes, RecordLimits::default()).into_iter().flatten().flatten() {
                        let value = format!(
                            "{:?} = {:?}, after {} ms",
                            text(record.key),
                            text(record.value),
                            record.timestamp - self.from
                        );
                        lines.push((format!("record {}", record.offset), value));
                    }
                }
            }
            if next == before {
                return lines;
            }
        }
    }
}

fn alter(observer: &mut Observer, step: &str, kind: i8, name: &str, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|&(name, value)| settings::AlterableConfig {
        name: name.to_owned(),
        config_operation: 0,
        value: Some(value.to_owned()),
    });
    let request = settings::IncrementalAlterConfigsRequest {
        resources: vec![settings::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configs: configs.collect(),
        }],
        validate_only: false,
    };
    observer.ask(step, 1, &request);
}

/// Whether the record at an offset is gone.
fn without(offset: i64) -> impl Fn(&[(String, String)]) -> bool {
    let field = format!("record {offset}");
    move |lines| lines.iter().all(|(name, _)| *name != field)
}

pub(super) fn play(observer: &mut Observer) {
    alter(
        observer,
        "a restless cleaner",
        BROKER_RESOURCE,
        "",
        &[("log.cleaner.backoff.ms", "50")],
    );
    keys(observer);
    codecs(observer);
    tombstones(observer);
    sequences(observer);
    transactions(observer);
    lag(observer);
    policies(observer);
}

fn keys(observer: &mut Observer) {
    let mut topic = Filled::new(observer, "compacted-keys", &[]);
    topic.plainly(
        observer,
        &[(Some("a"), Some("1")), (Some("b"), Some("1")), (Some("c"), Some("1"))],
    );
    topic.plainly(
        observer,
        &[
            (Some("a"), Some("2")),
            (None, Some("keyless")),
            (Some(""), Some("empty key")),
        ],
    );
    topic.plainly(
        observer,
        &[(Some("a"), Some("3")), (Some("b"), None), (Some("d"), Some(""))],
    );
    topic.plainly(
        observer,
        &[(Some("c"), None), (Some("c"), Some("again")), (Some("a"), Some("4"))],
    );
    topic.plainly(observer, &[(Some("e"), Some("only"))]);
    topic.roll(observer);
    topic.plainly(observer, &[(Some("e"), Some("later than what is compacted"))]);
    topic.left(observer, "keys, before", |_| true);
    topic.compact(observer);
    topic.left(observer, "keys", without(0));
    topic.roll(observer);
    topic.left(observer, "keys, once more", without(12));
    observer.ask(
        "no key",
        9,
        &to_partition(
            9,
            (topic.name, topic.id),
            0,
            Some(topic.batch(BatchBuilder::new(Compression::None), &[(None, Some("v"))])),
        ),
    );
    for (step, time) in [
        ("earliest", -2),
        ("latest", -1),
        ("highest time", -3),
        ("of what is gone", TIME),
    ] {
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: topic.name.into(),
                partitions: vec![ListOffsetsPartition {
                    partition_index: 0,
                    current_leader_epoch: -1,
                    timestamp: time,
                }],
            }],
            ..Default::default()
        };
        observer.ask(step, 7, &request);
    }
}

fn codecs(observer: &mut Observer) {
    let mut topic = Filled::new(observer, "compacted-codecs", &[]);
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let own = format!("{codec:?}");
        topic.append(
            observer,
            BatchBuilder::new(codec),
            &[
                (Some("a"), Some("1")),
                (Some(&own), Some("1")),
                (Some("b"), Some("2")),
                (Some("b"), Some("3")),
            ],
        );
    }
    topic.roll(observer);
    topic.compact(observer);
    topic.left(observer, "codecs", without(0));
}

fn tombstones(observer: &mut Observer) {
    let mut topic = Filled::new(observer, "compacted-tombstones", &[("delete.retention.ms", "0")]);
    topic.plainly(observer, &[(Some("a"), Some("1")), (Some("b"), Some("1"))]);
    topic.plainly(observer, &[(Some("a"), None)]);
    topic.plainly(observer, &[(Some("never"), None)]);
    topic.roll(observer);
    topic.compact(observer);
    topic.left(observer, "tombstones whose time has come", without(0));
    topic.roll(observer);
    topic.left(observer, "tombstones, once more", without(2));
    topic.roll(observer);
    topic.left(observer, "tombstones, at last", without(2));
}

/// An idempotent producer's batches: what is left must still tell the broker where it was.
fn sequences(observer: &mut Observer) {
    let mut topic = Filled::new(observer, "compacted-sequences", &[]);
    let id = observer
        .wait(
            4,
            &InitProducerIdRequest {
                producer_id: -1,
                producer_epoch: -1,
                transaction_timeout_ms: 60_000,
                ..Default::default()
            },
            |answer| answer.error_code == 0,
        )
        .unwrap_or_default()
        .producer_id;
    for sequence in 0..4 {
        let builder = BatchBuilder::new(Compression::None).producer(id, 0, sequence);
        topic.append(observer, builder, &[(Some("a"), Some("of a producer"))]);
    }
    topic.plainly(observer, &[(Some("a"), Some("of nobody"))]);
    topic.roll(observer);
    topic.compact(observer);
    topic.left(observer, "sequences", without(0));
    for sequence in [3, 9, 4] {
        let builder = BatchBuilder::new(Compression::None).producer(id, 0, sequence);
        let records = topic.batch(builder, &[(Some("a"), Some("after"))]);
        observer.ask(
            &format!("sequence {sequence} after compaction"),
            9,
            &to_partition(9, (topic.name, topic.id), 0, Some(records)),
        );
    }
}

struct Transactional {
    id: &'static str,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    /// The offset of the last batch.
    last: i64,
}

impl Transactional {
    fn begin(observer: &mut Observer, id: &'static str) -> Transactional {
        let request = InitProducerIdRequest {
            transactional_id: Some(id.to_owned()),
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let answer = observer
            .wait(4, &request, |answer| answer.error_code == 0)
            .unwrap_or_default();
        Transactional {
            id,
            producer_id: answer.producer_id,
            epoch: answer.producer_epoch,
            sequence: 0,
            last: -1,
        }
    }

    fn send(&mut self, observer: &mut Observer, topic: &Filled, pairs: &[Pair<'_>]) {
        let builder = BatchBuilder::new(Compression::None).producer(self.producer_id, self.epoch, self.sequence);
        let request = ProduceRequest {
            transactional_id: Some(self.id.to_owned()),
            ..to_partition(
                12,
                (topic.name, topic.id),
                0,
                Some(topic.batch(builder.transactional(), pairs)),
            )
        };
        self.sequence += pairs.len() as i32;
        let answer = observer.wait(12, &request, |answer| {
            let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            partitions.all(|partition| partition.error_code == 0)
        });
        let placed = answer.and_then(|answer| answer.responses.into_iter().next());
        self.last = placed.map_or(-1, |topic| topic.partition_responses[0].base_offset) + pairs.len() as i64 - 1;
    }

    fn end(&mut self, observer: &mut Observer, topic: &Filled, committed: bool) {
        let request = EndTxnRequest {
            transactional_id: self.id.to_owned(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
        };
        let ended = observer
            .wait(5, &request, |answer: &EndTxnResponse| answer.error_code == 0)
            .unwrap_or_default();
        // Kafka answers before the marker is written.
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: 1,
            topics: vec![ListOffsetsTopic {
                name: topic.name.into(),
                partitions: vec![ListOffsetsPartition {
                    partition_index: 0,
                    current_leader_epoch: -1,
                    timestamp: -1,
                }],
            }],
            ..Default::default()
        };
        observer.wait(7, &request, |answer: &ListOffsetsResponse| {
            let mut topics = answer.topics.iter();
            topics.all(|topic| topic.partitions[0].offset > self.last)
        });
        (self.producer_id, self.epoch, self.sequence) = (ended.producer_id, ended.producer_epoch, 0);
    }
}

fn transactions(observer: &mut Observer) {
    let mut topic = Filled::new(observer, "compacted-transactions", &[("delete.retention.ms", "0")]);
    // Markers have the broker's time, and a segment's records must not be far from each other.
    topic.from = RealClock::new().wall_ms();
    let mut first = Transactional::begin(observer, "compacted-first");
    let mut second = Transactional::begin(observer, "compacted-second");
    topic.plainly(observer, &[(Some("a"), Some("plain")), (Some("b"), Some("plain"))]);
    first.send(
        observer,
        &topic,
        &[(Some("a"), Some("committed")), (Some("own"), Some("committed"))],
    );
    first.end(observer, &topic, true);
    second.send(
        observer,
        &topic,
        &[(Some("a"), Some("aborted")), (Some("b"), Some("aborted"))],
    );
    second.end(observer, &topic, false);
    first.send(observer, &topic, &[(Some("only-aborted"), Some("aborted"))]);
    first.end(observer, &topic, false);
    second.send(observer, &topic, &[(Some("c"), Some("committed"))]);
    second.end(observer, &topic, true);
    topic.plainly(observer, &[(Some("c"), Some("plain, later"))]);
    topic.roll(observer);
    topic.left(observer, "transactions, before", |_| true);
    topic.compact(observer);
    topic.left(observer, "transactions", without(0));
    for time in 1..=3 {
        topic.roll(observer);
        // A pass is seen by what it takes; this one may take nothing that shows.
        let marker = format!("round-{time}");
        topic.plainly(observer, &[(Some(&marker), Some("1")), (Some(&marker), Some("2"))]);
        topic.roll(observer);
        let gone = format!("{marker:?}");
        topic.left(observer, &format!("transactions, pass {time} more"), |lines| {
            lines.iter().filter(|(_, value)| value.contains(&gone)).count() == 1
        });
    }
    let mut committed = fetch::from(12, (topic.name, topic.id), 0, 0);
    committed.isolation_level = 1;
    observer.ask("committed only, after compaction", 12, &committed);
    observer.ask(
        "within what is gone",
        12,
        &fetch::from(12, (topic.name, topic.id), 0, 5),
    );
}

fn lag(observer: &mut Observer) {
    let mut young = Filled::new(
        observer,
        "compacted-not-yet",
        &[("min.compaction.lag.ms", "3000000000000")],
    );
    let mut forced = Filled::new(
        observer,
        "compacted-forced",
        &[("min.cleanable.dirty.ratio", "1.0"), ("max.compaction.lag.ms", "1")],
    );
    for topic in [&mut young, &mut forced] {
        topic.plainly(observer, &[(Some("a"), Some("1")), (Some("a"), Some("2"))]);
        topic.roll(observer);
        topic.compact(observer);
    }
    forced.left(observer, "past the longest lag", without(0));
    young.left(observer, "within the shortest lag", |_| true);
    young.set(observer, "no lag any more", &[("min.compaction.lag.ms", "0")]);
    young.left(observer, "after the shortest lag", without(0));
}

fn policies(observer: &mut Observer) {
    let mut topic = Filled::new(observer, "compacted-and-deleted", &[]);
    topic.plainly(
        observer,
        &[(Some("a"), Some("1")), (Some("b"), Some("1")), (Some("a"), Some("2"))],
    );
    topic.roll(observer);
    topic.set(observer, "both policies", &[("cleanup.policy", "compact,delete")]);
    topic.left(observer, "compacted and kept", without(0));
    topic.set(observer, "neither policy", &[("cleanup.policy", "")]);
    topic.plainly(observer, &[(Some("b"), Some("2"))]);
    topic.roll(observer);
    topic.left(observer, "kept with neither", |_| true);
}
