//! Compaction as Kafka's cleaner does it: what stays, what goes and when, and that nothing else changes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::disk::SimDisk;
use base::{Clock, ManualClock, Offset};
use bytes::Bytes;
use rivulet_log::{
    CommitCause, CompactionError, CompactionOptions, CompactionReport, Durability, Env, Log, LogOptions, Op, Outcome,
    PartitionId, ReadError, SegmentLimits,
};
use wire::builder::end_transaction_marker;
use wire::{BatchBuilder, BatchHeader, Compression, EndMarker, NewRecord, RecordLimits};

const P1: PartitionId = PartitionId(1);
const DAY_MS: i64 = 24 * 3600 * 1000;

struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    options: LogOptions,
    log: Option<Log>,
}

/// A record as written: key and value, either of which may be missing.
type Pair<'a> = (Option<&'a str>, Option<&'a str>);

impl World {
    fn new(segment_bytes_max: u64) -> World {
        let mut world = World {
            disk: SimDisk::new(1),
            clock: Arc::new(ManualClock::at(1_000_000)),
            options: LogOptions {
                dir: PathBuf::from("/data"),
                segment_bytes_max,
                wal_segment_bytes: 64 << 10,
                driven: true,
                ..LogOptions::default()
            },
            log: None,
        };
        world.open();
        let create = vec![Op::CreatePartition { partition: P1 }];
        world.log().commit(create).unwrap().wait().unwrap();
        world
    }

    fn open(&mut self) {
        let env = Env {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::<ManualClock>::clone(&self.clock),
        };
        let (log, report) = Log::open(self.options.clone(), env).unwrap();
        assert_eq!(report.damage, Vec::<String>::new());
        self.log = Some(log);
    }

    fn crash(&mut self) {
        drop(self.log.take());
        self.disk.crash();
        self.open();
    }

    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    fn append(&self, batch: Bytes) -> Offset {
        let op = Op::Append {
            partition: P1,
            batch,
            leader_epoch: 0,
        };
        match self.log().commit(vec![op]).unwrap().wait().unwrap()[0] {
            Outcome::Appended(appended) => appended.base_offset,
            Outcome::Done => panic!("an append without offsets"),
        }
    }

    fn put(&self, pairs: &[Pair<'_>]) -> Offset {
        self.append(self.batch(pairs, Compression::None, None))
    }

    fn batch(&self, pairs: &[Pair<'_>], codec: Compression, producer: Option<(i64, i16, i32)>) -> Bytes {
        let mut builder = BatchBuilder::new(codec);
        if let Some((id, epoch, sequence)) = producer {
            builder = builder.producer(id, epoch, sequence);
            if id >= 100 {
                builder = builder.transactional();
            }
        }
        for (key, value) in pairs {
            builder.push(NewRecord {
                timestamp: self.clock.wall_ms(),
                key: key.map(str::as_bytes),
                value: value.map(str::as_bytes),
                headers: &[],
            });
        }
        builder.build().unwrap()
    }

    fn marker(&self, id: i64, epoch: i16, commit: bool) -> Offset {
        self.append(end_transaction_marker(id, epoch, 0, commit, self.clock.wall_ms()))
    }

    /// Closes the active segment: the next record is alone in one of its own.
    fn roll(&self) {
        self.log().set_segment_limits(P1, limits(1));
        self.put(&[(Some("roll"), Some("roll"))]);
        self.log()
            .set_segment_limits(P1, limits(self.options.segment_bytes_max));
    }

    fn compact(&self) -> CompactionReport {
        self.log().compact(P1, &forced()).unwrap()
    }

    fn advance(&self, ms: i64) {
        self.clock.advance(Duration::from_millis(ms as u64));
    }

    fn batches(&self) -> Vec<(BatchHeader, Bytes)> {
        let bounds = self.log().bounds(P1).unwrap();
        let (mut found, mut offset) = (Vec::new(), bounds.log_start);
        while offset < bounds.high_watermark {
            let read = self.log().read(P1, offset, 1 << 20, true).unwrap();
            found.extend(wire::batches(&read.records).map(Result::unwrap));
            offset = read.next_offset;
        }
        found
    }

    /// Offset, key and value of every data record but those of [`World::roll`].
    fn records(&self) -> Vec<(Offset, String, Option<String>)> {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let mut found = Vec::new();
        for (header, batch) in self.batches() {
            for record in wire::records(&batch, RecordLimits::default()).unwrap() {
                let record = record.unwrap();
                let key = record.key.map_or("-".to_owned(), text);
                if !header.is_control() && key != "roll" {
                    found.push((record.offset, key, record.value.map(text)));
                }
            }
        }
        found
    }

    fn check(&self, expected: &[(Offset, &str, Option<&str>)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(offset, key, value)| (*offset, (*key).to_owned(), value.map(str::to_owned)))
            .collect();
        assert_eq!(self.records(), expected);
    }

    fn segment_files(&self) -> usize {
        let is_log = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "log");
        self.disk.files().iter().filter(|path| is_log(path)).count()
    }
}

fn limits(segment_bytes: u64) -> SegmentLimits {
    SegmentLimits {
        segment_bytes,
        segment_ms: None,
    }
}

fn forced() -> CompactionOptions {
    CompactionOptions {
        force: true,
        ..CompactionOptions::default()
    }
}

#[test]
fn the_last_record_of_every_key_stays_where_it_was() {
    for codec in Compression::ALL {
        let mut world = World::new(400);
        let mut latest = BTreeMap::new();
        for round in 0..60 {
            let key = format!("key{}", round % 7);
            let value = format!("value{round}");
            let pairs = [
                (Some(key.as_str()), Some(value.as_str())),
                (Some("hot"), Some(value.as_str())),
                (None, Some("no key")),
            ];
            let base = world.append(world.batch(&pairs, codec, None));
            latest.insert(key, (base, value.clone()));
            latest.insert("hot".into(), (base + 1, value));
        }
        world.roll();
        let end = world.log().bounds(P1).unwrap().high_watermark;
        let report = world.compact();
        assert!(report.bytes_after < report.bytes_before / 3, "{report:?}");
        assert_eq!((report.passes, report.cleaned_to), (1, end - 1));
        let mut expected: Vec<_> = latest
            .iter()
            .map(|(key, (offset, value))| (*offset, key.clone(), Some(value.clone())))
            .collect();
        expected.sort();
        for _ in 0..2 {
            assert_eq!(world.records(), expected, "{codec:?}");
            assert_eq!(world.log().bounds(P1).unwrap().high_watermark, end);
            // Reads begin anywhere, gaps included.
            for offset in 0..end {
                let read = world.log().read(P1, offset, 1, true).unwrap();
                let first = wire::batches(&read.records).next().unwrap().unwrap().0;
                assert!(first.last_offset() >= offset && read.next_offset > offset);
            }
            for (offset, _, _) in &expected {
                let found = world.log().find_by_time(P1, 1_000_000).unwrap().unwrap();
                assert!(found.offset <= *offset);
            }
            world.crash();
        }
        assert_eq!(world.compact().records_dropped, 0);
        assert_eq!(world.records(), expected);
    }
}

#[test]
fn compaction_is_due_by_ratio_or_lag_and_leaves_the_young_alone() {
    let world = World::new(300);
    for round in 0..20 {
        world.put(&[(Some("a"), Some(&format!("{round}")))]);
    }
    let options = |min_dirty_ratio| CompactionOptions {
        min_dirty_ratio,
        ..CompactionOptions::default()
    };
    assert_eq!(
        world.log().compact(P1, &options(1.0)).unwrap().passes,
        0,
        "all is dirty, and more is asked"
    );
    assert_eq!(world.log().compact(P1, &options(0.5)).unwrap().passes, 1);
    assert_eq!(
        world.log().compact(P1, &options(0.0)).unwrap().passes,
        0,
        "nothing is dirty"
    );
    let young = CompactionOptions {
        min_lag_ms: 1000,
        ..forced()
    };
    let before = world.records();
    for round in 0..20 {
        world.put(&[(Some("a"), Some(&format!("young{round}")))]);
    }
    world.log().compact(P1, &young).unwrap();
    assert_eq!(world.records().len(), before.len() + 20, "too young");
    world.advance(1001);
    world.put(&[(Some("a"), Some("last"))]);
    world.log().compact(P1, &young).unwrap();
    assert!(world.records().len() < 8, "{:?}", world.records());
    // A slow partition: what waits too long is closed and compacted without another record.
    let world = World::new(1 << 20);
    for round in 0..5 {
        world.put(&[(Some("a"), Some(&format!("{round}")))]);
    }
    let lag = CompactionOptions {
        max_lag_ms: 5000,
        min_dirty_ratio: 1.0,
        ..CompactionOptions::default()
    };
    assert_eq!(world.log().compact(P1, &lag).unwrap().passes, 0);
    world.advance(5001);
    assert_eq!(world.log().compact(P1, &lag).unwrap().passes, 1);
    world.check(&[(4, "a", Some("4"))]);
    assert_eq!(world.put(&[(Some("a"), Some("5"))]), 5);
    world.check(&[(4, "a", Some("4")), (5, "a", Some("5"))]);
}

#[test]
fn tombstones_stay_until_their_horizon_and_never_let_older_values_back() {
    let mut world = World::new(1 << 20);
    world.put(&[(Some("a"), Some("1")), (Some("b"), Some("1"))]);
    world.roll();
    world.put(&[(Some("a"), None)]);
    world.roll();
    world.compact();
    world.check(&[(1, "b", Some("1")), (3, "a", None)]);
    let horizon = |world: &World| {
        world
            .batches()
            .iter()
            .find_map(|(header, _)| header.delete_horizon_ms())
    };
    assert_eq!(horizon(&world), Some(1_000_000 + DAY_MS), "of the first compaction");
    world.advance(DAY_MS - 1);
    world.compact();
    world.crash();
    world.check(&[(1, "b", Some("1")), (3, "a", None)]);
    assert_eq!(horizon(&world), Some(1_000_000 + DAY_MS));
    world.advance(1);
    world.compact();
    world.check(&[(1, "b", Some("1"))]);
    world.crash();
    world.check(&[(1, "b", Some("1"))]);
}

#[test]
fn aborted_records_go_at_once_and_markers_when_nothing_is_left_of_their_transactions() {
    let mut world = World::new(1 << 20);
    world.put(&[(Some("a"), Some("old")), (Some("b"), Some("old"))]);
    world.append(world.batch(&[(Some("a"), Some("aborted"))], Compression::Gzip, Some((100, 0, 0))));
    world.append(world.batch(&[(Some("b"), Some("new"))], Compression::None, Some((101, 0, 0))));
    world.marker(100, 0, false);
    world.marker(101, 0, true);
    world.append(world.batch(&[(Some("c"), Some("open"))], Compression::None, Some((102, 0, 0))));
    world.roll();
    // Batches that the state of an active producer stands on stay: move them on.
    for id in [100, 101] {
        world.append(world.batch(&[(Some("z"), Some("z"))], Compression::None, Some((id, 0, 1))));
        world.marker(id, 0, true);
    }
    world.compact();
    assert_eq!(
        world.batches().len(),
        11,
        "nothing at or above the last stable offset is decided"
    );
    world.marker(102, 0, true);
    world.compact();
    let markers = |world: &World| -> Vec<(Offset, bool)> {
        let batches = world.batches();
        let marker = |(header, batch): &(BatchHeader, Bytes)| {
            let marker = EndMarker::read(batch)?;
            (header.base_offset < 6).then_some((header.base_offset, marker.commit))
        };
        batches.iter().filter_map(marker).collect()
    };
    let values = |world: &World| -> Vec<(Offset, String)> {
        let records = world.records();
        records.into_iter().map(|(offset, key, _)| (offset, key)).collect()
    };
    let of = |list: &[(Offset, &str)]| -> Vec<(Offset, String)> {
        list.iter().map(|(offset, key)| (*offset, (*key).to_owned())).collect()
    };
    assert_eq!(values(&world), of(&[(0, "a"), (3, "b"), (6, "c"), (8, "z"), (10, "z")]));
    assert_eq!(markers(&world), [(4, false), (5, true)]);
    world.compact();
    assert_eq!(
        markers(&world),
        [(4, false), (5, true)],
        "the abort marker got its horizon only now"
    );
    world.advance(DAY_MS + 1);
    world.compact();
    world.crash();
    assert_eq!(
        markers(&world),
        [(5, true)],
        "something of the committed transaction is left"
    );
    assert_eq!(world.log().read_committed(P1, 0, 1 << 20, true).unwrap().aborted, []);
    assert_eq!(values(&world), of(&[(0, "a"), (3, "b"), (6, "c"), (8, "z"), (10, "z")]));
}

#[test]
fn an_aborted_transaction_that_reaches_behind_what_is_clean_replaces_nothing() {
    let world = World::new(1 << 20);
    let aborted = |sequence, key| {
        world.batch(
            &[(Some(key), Some("aborted"))],
            Compression::None,
            Some((100, 0, sequence)),
        )
    };
    world.put(&[(Some("a"), Some("1")), (Some("b"), Some("1"))]);
    world.append(aborted(0, "a"));
    world.roll();
    world.append(aborted(1, "b"));
    world.marker(100, 0, false);
    world.compact();
    world.check(&[(0, "a", Some("1")), (1, "b", Some("1")), (4, "b", Some("aborted"))]);
    world.roll();
    world.compact();
    world.check(&[(0, "a", Some("1")), (1, "b", Some("1"))]);
}

#[test]
fn an_aborted_transaction_that_was_trimmed_takes_no_later_one_along() {
    let world = World::new(1 << 20);
    let data = |sequence, key| {
        let pairs = [(Some(key), Some("value"))];
        world.append(world.batch(&pairs, Compression::None, Some((100, 0, sequence))))
    };
    data(0, "a");
    world.marker(100, 0, false);
    data(1, "b");
    world.marker(100, 0, true);
    let trim = Op::AdvanceStart {
        partition: P1,
        log_start: 2,
    };
    world.log().commit(vec![trim]).unwrap().wait().unwrap();
    world.roll();
    data(2, "c");
    world.marker(100, 0, true);
    world.compact();
    world.check(&[(2, "b", Some("value")), (5, "c", Some("value"))]);
    // The same where the walk for keys begins in the middle of a segment.
    world.roll();
    world.compact();
    world.check(&[(2, "b", Some("value")), (5, "c", Some("value"))]);
}

#[test]
fn the_last_batch_of_a_producer_is_emptied_and_stays() {
    let mut world = World::new(1 << 20);
    // Later than everything else: a search for the latest record must not end at an empty batch.
    let batch = |sequence, value: &str| {
        let mut builder = BatchBuilder::new(Compression::Lz4).producer(7, 3, sequence);
        builder.push(NewRecord {
            timestamp: 2_000_000,
            key: Some(b"a"),
            value: Some(value.as_bytes()),
            headers: &[],
        });
        builder.build().unwrap()
    };
    let (first, second) = (batch(0, "1"), batch(1, "2"));
    world.append(first.clone());
    world.append(second.clone());
    world.put(&[(Some("a"), Some("3"))]);
    world.roll();
    world.compact();
    let shape: Vec<_> = world
        .batches()
        .iter()
        .map(|(header, _)| (header.base_offset, header.count, header.last_sequence()))
        .collect();
    assert_eq!(shape, [(1, 0, 1), (2, 1, -1), (3, 1, -1)]);
    assert_eq!(world.log().max_timestamp(P1).unwrap().unwrap().offset, 2);
    world.crash();
    assert_eq!(world.append(first), 0, "a repeat is still known");
    assert_eq!(world.append(second), 1);
    world.check(&[(2, "a", Some("3"))]);
}

#[test]
fn small_segments_become_one_and_old_files_go() {
    let world = World::new(1000);
    for round in 0..200 {
        world.put(&[(Some(&format!("key{}", round % 10)), Some(&format!("{round}")))]);
    }
    let before = world.segment_files();
    assert!(before > 10, "{before}");
    world.compact();
    world.compact();
    world.compact();
    assert!(world.segment_files() <= 4, "{:?}", world.disk.files());
    assert!(world.records().len() < 30);
    assert_eq!(world.log().bounds(P1).unwrap().high_watermark, 200);
}

#[test]
fn more_keys_than_fit_take_several_passes() {
    let mut world = World::new(600);
    world.options.compaction_keys_max = 7;
    world.crash();
    for round in 0..150 {
        world.put(&[(Some(&format!("key{}", round % 40)), Some(&format!("{round}")))]);
    }
    world.roll();
    let report = world.compact();
    assert!(report.passes > 5, "{report:?}");
    assert_eq!(report.cleaned_to, 150);
    let records = world.records();
    assert_eq!(records.len(), 40);
    assert!(records.iter().all(|(offset, _, _)| *offset >= 110));
    world.crash();
    assert_eq!(world.records(), records);
}

#[test]
fn what_is_damaged_is_not_compacted() {
    let mut world = World::new(300);
    for round in 0..20 {
        world.put(&[(Some("a"), Some(&format!("{round}")))]);
    }
    let before = world.records();
    world.log.take().unwrap().close().unwrap();
    let is_log = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "log");
    let files = world.disk.files();
    let damaged = files.iter().filter(is_log).nth(1).unwrap();
    world.disk.damage(damaged, |bytes| bytes[80] ^= 1).unwrap();
    world.open();
    let error = world.log().compact(P1, &forced()).unwrap_err();
    assert!(
        matches!(error, CompactionError::Read(ReadError::Corrupt { .. })),
        "{error}"
    );
    world.disk.damage(damaged, |bytes| bytes[80] ^= 1).unwrap();
    assert_eq!(world.records(), before, "nothing was touched");
    world.compact();
    assert!(world.records().len() < 8);
}

#[test]
fn refusals_say_what_is_wrong() {
    let world = World::new(300);
    let unknown = world.log().compact(PartitionId(9), &forced()).unwrap_err();
    assert!(matches!(unknown, CompactionError::UnknownPartition), "{unknown}");
    for round in 0..20 {
        world.put(&[(Some("a"), Some(&format!("{round}")))]);
    }
    let before = world.records();
    world.disk.set_free_bytes(1000);
    let full = world.log().compact(P1, &forced()).unwrap_err();
    assert!(
        matches!(full, CompactionError::Commit(CommitCause::DiskFull { .. })),
        "{full}"
    );
    assert_eq!(world.records(), before);
    world.disk.set_free_bytes(u64::MAX);
    world.disk.fail_syncs(1);
    assert!(world.log().compact(P1, &forced()).is_err());
    assert_eq!(
        world.records(),
        before,
        "a segment that could not be synced is not used"
    );
}

#[test]
fn nothing_on_disk_is_compacted_all_the_same() {
    let mut world = World::new(300);
    world.log.take().unwrap().close().unwrap();
    world.options.durability = Durability::Memory;
    world.open();
    world
        .log()
        .commit(vec![Op::CreatePartition { partition: P1 }])
        .unwrap()
        .wait()
        .unwrap();
    for round in 0..20 {
        world.put(&[(Some("a"), Some(&format!("{round}")))]);
    }
    world.roll();
    world.compact();
    world.check(&[(19, "a", Some("19"))]);
}

#[test]
fn a_segment_spans_no_more_time_than_it_may() {
    let world = World::new(1 << 20);
    let limits = SegmentLimits {
        segment_bytes: 1 << 20,
        segment_ms: Some(1000),
    };
    world.log().set_segment_limits(P1, limits);
    for _ in 0..6 {
        world.put(&[(Some("a"), Some("1"))]);
        world.advance(400);
    }
    assert_eq!(world.segment_files(), 2, "{:?}", world.disk.files());
    world.compact();
    world.check(&[
        (2, "a", Some("1")),
        (3, "a", Some("1")),
        (4, "a", Some("1")),
        (5, "a", Some("1")),
    ]);
}

/// Writers, consumers and compaction at once, with threads and files: every consumer sees offsets rise and, at the end
/// of its way, the last value of every key.
#[test]
fn readers_go_on_while_segments_are_replaced() {
    const KEYS: u64 = 50;
    const ROUNDS: u64 = 4000;
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions {
        dir: dir.path().join("data"),
        durability: Durability::Os,
        segment_bytes_max: 8 << 10,
        wal_segment_bytes: 1 << 20,
        checkpoint_wal_bytes: 64 << 10,
        open_files_max: 8,
        free_bytes_min: 0,
        ..LogOptions::default()
    };
    let (log, _) = Log::open(options, Env::real()).unwrap();
    log.commit(vec![Op::CreatePartition { partition: P1 }])
        .unwrap()
        .wait()
        .unwrap();
    let write = || {
        for round in 0..ROUNDS {
            let mut builder = BatchBuilder::new(Compression::None);
            let (key, value) = ((round % KEYS).to_be_bytes(), round.to_be_bytes());
            builder.push(NewRecord {
                timestamp: round as i64,
                key: Some(&key),
                value: Some(&value),
                headers: &[],
            });
            let op = Op::Append {
                partition: P1,
                batch: builder.build().unwrap(),
                leader_epoch: 0,
            };
            let receipt = log.commit(vec![op]).unwrap();
            if round % 16 == 0 {
                receipt.wait().unwrap();
            }
        }
    };
    let consume = || {
        let mut latest = BTreeMap::new();
        let (mut offset, mut last) = (0, -1);
        while offset < ROUNDS as i64 {
            let read = log.read_committed(P1, offset, 2000, true).unwrap();
            for batch in wire::batches(&read.records) {
                for record in wire::records(&batch.unwrap().1, RecordLimits::default()).unwrap() {
                    let record = record.unwrap();
                    if record.offset >= offset {
                        assert!(record.offset > last);
                        last = record.offset;
                        latest.insert(record.key.unwrap(), record.value.unwrap());
                    }
                }
            }
            offset = read.next_offset;
        }
        let expected = |key: u64| Bytes::copy_from_slice(&(ROUNDS - KEYS + key).to_be_bytes());
        for key in 0..KEYS {
            assert_eq!(latest.get(&key.to_be_bytes()[..]), Some(&expected(key)), "key {key}");
        }
    };
    let compactions = std::thread::scope(|scope| {
        let writer = scope.spawn(write);
        let consumers = [scope.spawn(consume), scope.spawn(consume)];
        let mut compactions = 0;
        while !(writer.is_finished() && consumers.iter().all(|consumer| consumer.is_finished())) {
            compactions += log.compact(P1, &forced()).unwrap().passes;
        }
        compactions
    });
    assert!(compactions > 1, "{compactions}");
    log.close().unwrap();
}

/// The segments of a real Kafka 4.3 partition before and after its cleaner went over it, twice: five codecs, three
/// transactional producers that commit and abort, tombstones, records without keys; `delete.retention.ms` 3000, and
/// longer than that between the two.
#[test]
fn what_kafkas_cleaner_leaves_is_left_here() {
    let world = World::new(1 << 20);
    let options = CompactionOptions {
        delete_retention_ms: 3000,
        ..forced()
    };
    for round in 1..=2 {
        for segment in kafkas_segments(&format!("before{round}")) {
            for (number, batch) in wire::batches(&segment).enumerate() {
                // Each of Kafka's segments is one here.
                world
                    .log()
                    .set_segment_limits(P1, limits(if number == 0 { 1 } else { 1 << 20 }));
                let op = Op::AppendAsFollower {
                    partition: P1,
                    batches: batch.unwrap().1,
                };
                world.log().commit(vec![op]).unwrap().wait().unwrap();
            }
        }
        world.log().set_segment_limits(P1, limits(1 << 20));
        world.log().compact(P1, &options).unwrap();
        let expected: Vec<_> = kafkas_segments(&format!("after{round}"))
            .iter()
            .flat_map(|segment| shapes(wire::batches(segment).map(Result::unwrap)))
            .collect();
        assert_eq!(shapes(world.batches()), expected, "round {round}");
        world.advance(10_000);
    }
}

fn kafkas_segments(name: &str) -> Vec<Bytes> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/kafka-cleaner")
        .join(name);
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files: std::collections::BTreeSet<PathBuf> = files.collect();
    files
        .iter()
        .map(|path| Bytes::from(std::fs::read(path).unwrap()))
        .collect()
}

/// Everything of the batches but when their delete horizon is, and what only their writer can know: checksum, length.
fn shapes(batches: impl IntoIterator<Item = (BatchHeader, Bytes)>) -> Vec<(BatchHeader, bool, Vec<wire::Record>)> {
    let shape = |(header, batch): (BatchHeader, Bytes)| {
        let records = wire::records(&batch, RecordLimits::default()).unwrap();
        let known = BatchHeader {
            length: 0,
            crc: 0,
            base_timestamp: 0,
            ..header
        };
        let horizon = header.delete_horizon_ms().is_some();
        (known, horizon, records.map(Result::unwrap).collect())
    };
    batches.into_iter().map(shape).collect()
}
