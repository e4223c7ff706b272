//! Transactions as a coordinator and read-committed consumers see them, across restarts, retention and damage.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::disk::SimDisk;
use base::{ManualClock, Offset};
use bytes::Bytes;
use rivulet_log::{
    AbortedTransaction, CommitCause, Env, Log, LogOptions, Op, Outcome, PartitionId, ProducerInfo, ReadError,
};
use tokio::sync::Notify;
use wire::builder::end_transaction_marker;
use wire::{BatchBuilder, Compression, NewRecord};

const P1: PartitionId = PartitionId(1);
const COORDINATOR_EPOCH: i32 = 4;

/// Base offsets of batches, and what to pass over among them.
type Consumed = (Vec<Offset>, Vec<(i64, Offset)>);

struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    options: LogOptions,
    log: Option<Log>,
}

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

    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    fn restart(&mut self, how: Restart) {
        let log = self.log.take().unwrap();
        match how {
            Restart::Orderly => log.close().unwrap(),
            Restart::Killed => {}
        }
        drop(log);
        if how == Restart::Killed {
            self.disk.crash();
        }
        self.open();
    }

    fn append(&self, batch: Bytes) -> Result<Offset, CommitCause> {
        let op = Op::Append {
            partition: P1,
            batch,
            leader_epoch: 0,
        };
        let receipt = self.log().commit(vec![op]).map_err(|error| error.cause)?;
        match receipt.wait().unwrap()[0] {
            Outcome::Appended(appended) => Ok(appended.base_offset),
            Outcome::Done => panic!("an append without offsets"),
        }
    }

    fn data(&self, producer: (i64, i16), sequence: i32) -> Offset {
        self.append(batch(producer, sequence, true)).unwrap()
    }

    fn end(&self, producer: (i64, i16), commit: bool) -> Offset {
        self.append(marker(producer, commit)).unwrap()
    }

    fn last_stable(&self) -> Offset {
        self.log().bounds(P1).unwrap().last_stable
    }

    /// Everything a read-committed consumer gets from `offset` on, by base offsets, and what it is told to pass over.
    fn committed(&self, mut offset: Offset) -> Consumed {
        let (mut offsets, mut aborted) = (Vec::new(), Vec::new());
        loop {
            let read = self.log().read_committed(P1, offset, 200, true).unwrap();
            if read.next_offset == offset {
                return (offsets, aborted);
            }
            for batch in wire::batches(&read.records) {
                offsets.push(batch.unwrap().0.base_offset);
            }
            for AbortedTransaction {
                producer_id,
                first_offset,
            } in read.aborted
            {
                if !aborted.contains(&(producer_id, first_offset)) {
                    aborted.push((producer_id, first_offset));
                }
            }
            offset = read.next_offset;
        }
    }

    fn producer(&self, id: i64) -> Option<ProducerInfo> {
        self.log()
            .producers(P1)
            .into_iter()
            .find(|producer| producer.producer_id == id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restart {
    Orderly,
    Killed,
}

fn batch((id, epoch): (i64, i16), sequence: i32, transactional: bool) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None).producer(id, epoch, sequence);
    if transactional {
        builder = builder.transactional();
    }
    builder.push(NewRecord {
        timestamp: 7,
        key: None,
        value: Some(b"value"),
        headers: &[],
    });
    builder.build().unwrap()
}

fn marker((id, epoch): (i64, i16), commit: bool) -> Bytes {
    end_transaction_marker(id, epoch, COORDINATOR_EPOCH, commit, 8)
}

#[test]
fn the_last_stable_offset_waits_for_the_oldest_open_transaction() {
    let world = World::new(1 << 20);
    assert_eq!(world.data((10, 0), 0), 0);
    assert_eq!(world.data((11, 0), 0), 1);
    assert_eq!(world.append(batch((12, 0), 0, false)).unwrap(), 2);
    assert_eq!(world.last_stable(), 0);
    assert_eq!(world.committed(0), (vec![], vec![]));
    assert_eq!(world.end((10, 0), true), 3);
    assert_eq!(world.last_stable(), 1);
    assert_eq!(world.committed(0), (vec![0], vec![]));
    let info = world.producer(11).unwrap();
    assert_eq!((info.open_since, info.open_since_ms), (Some(1), Some(1_000_000)));
    assert_eq!((info.coordinator_epoch, info.last_sequence), (-1, 0));
    assert_eq!(world.end((11, 0), false), 4);
    assert_eq!(world.last_stable(), 5);
    assert_eq!(world.committed(0), (vec![0, 1, 2, 3, 4], vec![(11, 1)]));
    let info = world.producer(11).unwrap();
    assert_eq!((info.open_since, info.open_since_ms), (None, None));
    assert_eq!(info.coordinator_epoch, COORDINATOR_EPOCH);
    let read = world.log().read(P1, 0, 1 << 20, true).unwrap();
    assert_eq!((read.next_offset, read.aborted), (5, vec![]));
    let read = world.log().read_committed(P1, 5, 1 << 20, true).unwrap();
    assert_eq!((read.records.len(), read.next_offset), (0, 5));
    let beyond = world.log().read_committed(P1, 6, 1 << 20, true);
    assert!(matches!(beyond, Err(ReadError::OffsetOutOfRange { .. })));
}

#[test]
fn batches_and_markers_are_judged_as_kafka_judges_them() {
    let world = World::new(1 << 20);
    world.data((10, 3), 0);
    let outside = world.append(batch((10, 3), 1, false));
    assert!(
        matches!(outside, Err(CommitCause::InvalidTxnState { producer_id: 10 })),
        "{outside:?}"
    );
    assert_eq!(world.data((10, 3), 0), 0, "a repeated batch is one still");
    let stale = world.append(marker((10, 2), true));
    assert!(
        matches!(stale, Err(CommitCause::InvalidProducerEpoch { .. })),
        "{stale:?}"
    );
    assert_eq!(world.end((10, 4), false), 1, "the marker may raise the epoch");
    let fenced = world.append(batch((10, 3), 1, true));
    assert!(
        matches!(fenced, Err(CommitCause::InvalidProducerEpoch { .. })),
        "{fenced:?}"
    );
    let late = world.append(batch((10, 4), 1, true));
    assert!(
        matches!(late, Err(CommitCause::OutOfOrderSequence { expected: 0, .. })),
        "{late:?}"
    );
    assert_eq!(world.data((10, 4), 0), 2);
    assert_eq!(world.end((10, 4), true), 3);
    assert_eq!(world.data((10, 4), 1), 4, "an equal epoch goes on");
    assert_eq!(world.end((10, 4), true), 5);
    assert_eq!(
        world.append(batch((10, 4), 2, false)).unwrap(),
        6,
        "no transaction is open"
    );
    assert_eq!(world.end((99, 1), false), 7, "a marker for nothing is kept");
    assert_eq!(world.producer(99).unwrap().last_sequence, -1);
    assert_eq!(world.committed(0).1, [(10, 0)]);
    let mut forged = BatchBuilder::new(Compression::None).producer(10, 4, -1).control();
    forged.push(NewRecord::default());
    let forged = world.append(forged.build().unwrap());
    assert!(matches!(forged, Err(CommitCause::InvalidBatch(_))), "{forged:?}");
}

#[test]
fn a_refused_commit_leaves_no_transaction_behind() {
    let world = World::new(300);
    world.data((10, 0), 0);
    let append = |batch| Op::Append {
        partition: P1,
        batch,
        leader_epoch: 0,
    };
    let ops = vec![
        append(batch((10, 0), 1, true)),
        append(marker((10, 1), false)),
        append(batch((11, 0), 0, true)),
        append(marker((11, 0), false)),
        append(batch((10, 1), 7, true)),
    ];
    assert_eq!(world.log().commit(ops).unwrap_err().op, 4);
    assert_eq!(world.producer(11), None);
    assert_eq!(world.producer(10).unwrap().open_since, Some(0));
    assert_eq!(world.data((10, 0), 1), 1);
    assert_eq!(world.last_stable(), 0);
    world.end((10, 0), true);
    assert_eq!(world.committed(0), (vec![0, 1, 2], vec![]));
}

#[test]
fn open_and_aborted_transactions_survive_restarts_and_many_segments() {
    for how in [Restart::Orderly, Restart::Killed] {
        // Two batches a segment: transactions lie across several.
        let mut world = World::new(200);
        let (mut offsets, mut aborted) = (Vec::new(), Vec::new());
        for round in 0..20 {
            let epoch = round as i16;
            let first = world.data((10, epoch), 0);
            offsets.push(first);
            offsets.push(world.append(batch((12, 0), round, false)).unwrap());
            if round % 3 == 0 {
                offsets.push(world.data((10, epoch), 1));
            }
            if round % 7 == 3 {
                world.restart(how);
                assert_eq!(world.producer(10).unwrap().open_since, Some(first));
                assert_eq!(world.last_stable(), first);
            }
            let commit = round % 4 == 0;
            offsets.push(world.end((10, epoch), commit));
            if !commit {
                aborted.push((10, first));
            }
        }
        assert_eq!(world.committed(0), (offsets.clone(), aborted.clone()), "{how:?}");
        world.restart(how);
        assert_eq!(world.committed(0), (offsets, aborted), "{how:?}");
    }
}

#[tokio::test]
async fn watchers_are_woken_when_a_marker_moves_the_last_stable_offset() {
    let world = World::new(1 << 20);
    world.data((10, 0), 0);
    let waiter = Arc::new(Notify::new());
    let _guard = world.log().watch(&[P1], Arc::clone(&waiter));
    world.end((10, 0), true);
    waiter.notified().await;
    assert_eq!(world.last_stable(), 2);
}

#[test]
fn producers_with_an_open_transaction_do_not_expire() {
    let mut world = World::new(1 << 20);
    world.data((10, 0), 0);
    world.append(batch((11, 0), 0, false)).unwrap();
    world.clock.advance(Duration::from_secs(48 * 3600));
    world.restart(Restart::Orderly);
    assert_eq!(world.producer(11), None);
    assert_eq!(world.producer(10).unwrap().open_since, Some(0));
    let gap = world.append(batch((10, 0), 5, true));
    assert!(matches!(gap, Err(CommitCause::OutOfOrderSequence { .. })), "{gap:?}");
    assert_eq!(world.last_stable(), 0);
}

#[test]
fn a_trimmed_transaction_stays_open_until_its_marker() {
    for how in [None, Some(Restart::Orderly), Some(Restart::Killed)] {
        let mut world = World::new(200);
        for sequence in 0..6 {
            world.data((10, 0), sequence);
        }
        let trim = Op::AdvanceStart {
            partition: P1,
            log_start: 4,
        };
        world.log().commit(vec![trim]).unwrap().wait().unwrap();
        if let Some(how) = how {
            world.restart(how);
        }
        assert_eq!(world.producer(10).unwrap().open_since, Some(0));
        assert_eq!(world.last_stable(), 4, "{how:?}");
        assert_eq!(world.committed(4), (vec![], vec![]));
        world.end((10, 0), false);
        assert_eq!(world.committed(4), (vec![4, 5, 6], vec![(10, 0)]), "{how:?}");
    }
}

#[test]
fn a_follower_learns_transactions_from_the_batches() {
    let mut world = World::new(1 << 20);
    let mut joined = Vec::new();
    let batches = [
        batch((10, 0), 0, true),
        batch((11, 0), 0, true),
        marker((10, 0), false),
        batch((10, 0), 1, true),
    ];
    for (offset, batch) in (100..).zip(batches) {
        let mut batch = batch.to_vec();
        wire::patch_base_offset(&mut batch, offset);
        wire::patch_leader_epoch(&mut batch, 0);
        joined.extend_from_slice(&batch);
    }
    let op = Op::AppendAsFollower {
        partition: P1,
        batches: Bytes::from(joined),
    };
    world.log().commit(vec![op]).unwrap().wait().unwrap();
    for _ in 0..2 {
        assert_eq!(world.last_stable(), 101);
        assert_eq!(world.committed(0), (vec![100], vec![(10, 100)]));
        assert_eq!(world.producer(10).unwrap().open_since, Some(103));
        world.restart(Restart::Killed);
    }
}

/// A partition of many small segments with transactions across them, stopped in an orderly way; with it what a
/// consumer gets.
fn stopped_with_aborted() -> (World, Consumed) {
    let mut world = World::new(200);
    for round in 0..24 {
        let epoch = round as i16;
        world.data((10 + i64::from(round % 2), epoch), 0);
        world.append(batch((12, 0), round, false)).unwrap();
        if round % 5 == 0 {
            world.data((10 + i64::from(round % 2), epoch), 1);
        }
        world.end((10 + i64::from(round % 2), epoch), round % 3 == 0);
    }
    let expected = world.committed(0);
    world.log.take().unwrap().close().unwrap();
    (world, expected)
}

#[test]
fn a_lost_or_damaged_file_of_aborted_transactions_costs_nothing() {
    let (mut world, expected) = stopped_with_aborted();
    assert!(expected.1.len() > 10);
    let is_aborted = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "aborted");
    let files: Vec<PathBuf> = world.disk.files().into_iter().filter(is_aborted).collect();
    assert!(files.len() > 5, "{files:?}");
    let mut change_all = |change: &dyn Fn(&mut Vec<u8>)| {
        for path in &files {
            world.disk.damage(path, change).unwrap();
        }
        world.open();
        assert_eq!(world.committed(0), expected);
        world.log.take().unwrap().close().unwrap();
    };
    change_all(&|_| {});
    change_all(&Vec::clear);
    change_all(&|bytes| bytes[40] ^= 1);
    change_all(&|bytes| bytes.truncate(50));
    change_all(&|bytes| bytes.fill(0));
}

#[test]
fn aborted_records_are_never_given_as_committed_even_if_their_marker_is_lost_too() {
    let (mut world, (offsets, aborted)) = stopped_with_aborted();
    for path in world.disk.files() {
        let ending = path.extension().unwrap_or_default().to_owned();
        world
            .disk
            .damage(&path, |bytes| match ending.to_str() {
                Some("aborted") => bytes.clear(),
                // The last byte of a segment's last batch: of a marker, in many.
                Some("log") => *bytes.last_mut().unwrap() ^= 1,
                _ => {}
            })
            .unwrap();
    }
    world.open();
    let (mut given, mut refused) = (0, 0);
    for offset in offsets {
        match world.log().read_committed(P1, offset, 1, true) {
            Ok(read) => {
                let (header, _) = wire::batches(&read.records).next().unwrap().unwrap();
                let told = |id: i64| read.aborted.iter().any(|aborted| aborted.producer_id == id);
                let lost = aborted.contains(&(header.producer_id, header.base_offset)) && !told(header.producer_id);
                assert!(!lost, "offset {offset} is given as committed");
                given += 1;
            }
            Err(ReadError::Corrupt { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(given > 0 && refused > 0, "{given} given, {refused} refused");
}
