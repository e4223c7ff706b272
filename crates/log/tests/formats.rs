//! Directories that older versions wrote open, hold what was put into them, and go on.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use bytes::Bytes;
use rivulet_log::{Env, Log, LogOptions, Op, Outcome, PartitionId, RecoveryReport, TableId};
use wire::builder::end_transaction_marker;
use wire::{BatchBuilder, Compression, NewRecord, RecordLimits};

fn options(dir: &Path) -> LogOptions {
    LogOptions {
        dir: dir.to_path_buf(),
        segment_bytes_max: 300,
        wal_segment_bytes: 4096,
        checkpoint_wal_bytes: 2048,
        producer_expiration_ms: i64::MAX / 2,
        free_bytes_min: 0,
        ..LogOptions::default()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn open(dir: &Path) -> (Log, RecoveryReport) {
    Log::open(options(dir), Env::real()).unwrap()
}

fn values(log: &Log, partition: PartitionId) -> Vec<(i64, i32, String)> {
    let bounds = log.bounds(partition).unwrap();
    let mut found = Vec::new();
    let mut offset = bounds.log_start;
    while offset < bounds.high_watermark {
        let read = log.read_committed(partition, offset, 1, true).unwrap();
        for batch in wire::batches(&read.records) {
            let (header, batch) = batch.unwrap();
            for record in wire::records(&batch, RecordLimits::default()).unwrap() {
                let record = record.unwrap();
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                found.push((record.offset, header.leader_epoch, value));
            }
        }
        offset = read.next_offset;
    }
    found
}

fn batch(producer_epoch: i16, sequence: i32, value: &str, transactional: bool) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None).producer(42, producer_epoch, sequence);
    if transactional {
        builder = builder.transactional();
    }
    builder.push(NewRecord {
        timestamp: 1018,
        key: Some(b"key"),
        value: Some(value.as_bytes()),
        headers: &[],
    });
    builder.build().unwrap()
}

fn append(log: &Log, batch: Bytes) -> (i64, bool) {
    let op = Op::Append {
        partition: PartitionId(1),
        batch,
        leader_epoch: 2,
    };
    match log.commit(vec![op]).unwrap().wait().unwrap()[0] {
        Outcome::Appended(appended) => (appended.base_offset, appended.duplicate),
        Outcome::Done => panic!("an append without offsets"),
    }
}

/// The images hold twenty commits: even values in partition 1 by producer 42, odd ones in partition 2, which was then
/// trimmed to 3; each commit wrote a row.
fn check(image: &str, clean: bool) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let dir = tempfile::tempdir().unwrap();
    copy(&fixtures.join(image), dir.path());
    let (log, report) = open(dir.path());
    assert_eq!(report.damage, Vec::<String>::new(), "{image}");
    assert_eq!((report.clean, report.partitions), (clean, 2), "{image}");
    let expected = |parity: u64, from: u64| -> Vec<(i64, i32, String)> {
        let value = |at: u64| 2 * at + parity;
        (from..10)
            .map(|at| (at as i64, (value(at) / 8) as i32, format!("value{}", value(at))))
            .collect()
    };
    assert_eq!(values(&log, PartitionId(1)), expected(0, 0), "{image}");
    assert_eq!(values(&log, PartitionId(2)), expected(1, 3), "{image}");
    assert_eq!(log.get(TableId(3), b"k3"), Some(Bytes::from("v19")));
    let format = std::fs::read_to_string(dir.path().join("FORMAT")).unwrap();
    assert_eq!(format, "rivulet log format 2\n");
    assert_eq!(append(&log, batch(1, 9, "value18", false)), (9, true), "{image}");
    assert_eq!(append(&log, batch(1, 10, "open", true)), (10, false), "{image}");
    assert_eq!(log.bounds(PartitionId(1)).unwrap().last_stable, 10);
    drop(log);
    let (log, report) = open(dir.path());
    assert_eq!(report.damage, Vec::<String>::new(), "{image}");
    assert_eq!(log.bounds(PartitionId(1)).unwrap().last_stable, 10);
    append(&log, end_transaction_marker(42, 1, 0, false, 5));
    assert_eq!(log.bounds(PartitionId(1)).unwrap().last_stable, 12);
    log.close().unwrap();
}

#[test]
fn directories_of_format_1_open_and_go_on() {
    check("format-1-killed", false);
    check("format-1-closed", true);
}
