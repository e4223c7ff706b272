//! A disk that fails or fills up: nothing is acknowledged that is not there, and reads go on.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::sync::Arc;

use base::disk::{SimDisk, sim::SimFaults};
use base::{ErrorKind, ManualClock};
use bytes::Bytes;
use rivulet_log::{CommitCause, Env, Log, LogError, LogOptions, Op, PartitionId, ReadError};
use wire::{BatchBuilder, Compression, NewRecord};

const P1: PartitionId = PartitionId(1);

fn options() -> LogOptions {
    LogOptions {
        dir: PathBuf::from("/data"),
        wal_segment_bytes: 64 << 10,
        driven: true,
        ..LogOptions::default()
    }
}

fn open(disk: &SimDisk) -> Log {
    let env = Env {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::at(1_000_000)),
    };
    Log::open(options(), env).unwrap().0
}

fn batch() -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(NewRecord {
        timestamp: 1,
        key: None,
        value: Some(&[7; 100]),
        headers: &[],
    });
    builder.build().unwrap()
}

fn append() -> Vec<Op> {
    vec![Op::Append {
        partition: P1,
        batch: batch(),
        leader_epoch: 0,
    }]
}

fn with_one_record(seed: u64) -> (SimDisk, Log) {
    let disk = SimDisk::new(seed);
    let log = open(&disk);
    let mut ops = vec![Op::CreatePartition { partition: P1 }];
    ops.extend(append());
    log.commit(ops).unwrap().wait().unwrap();
    (disk, log)
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_reads_go_on() {
    for seed in 0..50 {
        let (disk, log) = with_one_record(seed);
        disk.fail_syncs(1);
        let (first, second) = (log.commit(append()).unwrap(), log.commit(append()).unwrap());
        assert!(matches!(first.await, Err(LogError::Failed(_))), "seed {seed}");
        assert!(matches!(second.await, Err(LogError::Failed(_))), "seed {seed}");
        let later = log.commit(append()).unwrap_err();
        assert_eq!(later.cause.kind(), ErrorKind::Internal, "seed {seed}: {later}");
        assert!(matches!(log.failed().await, LogError::Failed(_)));
        assert_eq!(log.read(P1, 0, 1000, true).unwrap().next_offset, 1);
        assert_eq!(
            log.bounds(P1).unwrap().high_watermark,
            1,
            "what was not synced is not shown"
        );
        assert!(log.close().is_err());
        drop(log);
        disk.crash();
        assert!(
            (1..=3).contains(&open(&disk).bounds(P1).unwrap().high_watermark),
            "seed {seed}"
        );
    }
}

#[test]
fn every_write_may_fail_and_no_acknowledgement_is_false() {
    let mut failed = 0;
    for seed in 0..300 {
        let (disk, log) = with_one_record(seed);
        disk.set_faults(SimFaults {
            write_errors_per_mille: 100,
            sync_errors_per_mille: 100,
            ..SimFaults::default()
        });
        let mut acknowledged = 1;
        for _ in 0..20 {
            let Ok(receipt) = log.commit(append()) else { break };
            match receipt.wait() {
                Ok(_) => acknowledged += 1,
                Err(_) => break,
            }
        }
        failed += u64::from(acknowledged < 21);
        drop(log);
        disk.set_faults(SimFaults::default());
        disk.crash();
        let found = open(&disk).bounds(P1).unwrap().high_watermark;
        assert!(
            found >= acknowledged,
            "seed {seed}: {found} of {acknowledged} acknowledged records"
        );
    }
    assert!(failed > 200, "{failed}");
}

#[test]
fn a_read_error_refuses_that_read_only() {
    let (disk, log) = with_one_record(1);
    disk.set_faults(SimFaults {
        read_errors_per_mille: 1000,
        ..SimFaults::default()
    });
    assert!(matches!(log.read(P1, 0, 1000, true), Err(ReadError::Io(_))));
    disk.set_faults(SimFaults::default());
    assert_eq!(log.read(P1, 0, 1000, true).unwrap().next_offset, 1);
    assert!(log.commit(append()).unwrap().wait().is_ok());
}

#[test]
fn a_full_disk_refuses_appends_only_and_heals_by_itself() {
    let (disk, log) = with_one_record(1);
    drop(log);
    disk.set_free_bytes(1000);
    let log = open(&disk);
    let error = log.commit(append()).unwrap_err();
    assert!(
        matches!(error.cause, CommitCause::DiskFull { free_bytes: 1000 }),
        "{error}"
    );
    assert_eq!(error.cause.kind(), ErrorKind::Unavailable);
    assert_eq!(log.read(P1, 0, 1000, true).unwrap().next_offset, 1);
    log.commit(vec![Op::AdvanceStart {
        partition: P1,
        log_start: 1,
    }])
    .unwrap()
    .wait()
    .unwrap();
    disk.set_free_bytes(u64::MAX);
    log.commit(append()).unwrap().wait().unwrap();
}
