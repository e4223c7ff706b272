//! The log on the machine's own disk, with its threads: what a server does with it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rivulet_log::{
    Bounds, CommitCause, Durability, Env, Log, LogError, LogOptions, Op, Outcome, PartitionId, ReadError, ReadWish,
    RecoveryReport, Retention, TableId,
};
use tempfile::TempDir;
use tokio::sync::Notify;
use wire::{BatchBuilder, Compression, NewRecord, Piece};

const P1: PartitionId = PartitionId(1);
const TABLE: TableId = TableId(1);

fn options(dir: &TempDir) -> LogOptions {
    LogOptions {
        dir: dir.path().join("data"),
        segment_bytes_max: 64 << 10,
        wal_segment_bytes: 1 << 20,
        checkpoint_wal_bytes: 1 << 20,
        free_bytes_min: 0,
        ..LogOptions::default()
    }
}

fn open(dir: &TempDir) -> (Log, RecoveryReport) {
    Log::open(options(dir), Env::real()).unwrap()
}

fn batch(timestamps: &[i64], value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::Zstd);
    for &timestamp in timestamps {
        builder.push(NewRecord {
            timestamp,
            key: Some(b"key"),
            value: Some(value),
            headers: &[],
        });
    }
    builder.build().unwrap()
}

fn plain(value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(NewRecord {
        timestamp: 1,
        key: None,
        value: Some(value),
        headers: &[],
    });
    builder.build().unwrap()
}

fn append(log: &Log, partition: PartitionId, batch: Bytes) -> i64 {
    let outcomes = log
        .commit(vec![Op::Append {
            partition,
            batch,
            leader_epoch: 0,
        }])
        .unwrap()
        .wait()
        .unwrap();
    let Outcome::Appended(appended) = outcomes[0] else {
        panic!("{outcomes:?}")
    };
    appended.base_offset
}

fn create(log: &Log, partition: PartitionId) {
    log.commit(vec![Op::CreatePartition { partition }])
        .unwrap()
        .wait()
        .unwrap();
}

/// Small groups stand in the page cache, large ones go past it, and the next small one follows in the middle of a block.
#[test]
fn class_os_keeps_small_and_large_commits_in_their_order_over_a_kill() {
    let dir = TempDir::new().unwrap();
    let options = LogOptions {
        durability: Durability::Os,
        segment_bytes_max: 64 << 20,
        wal_segment_bytes: 4 << 20,
        ..options(&dir)
    };
    let mut expected: Vec<Bytes> = Vec::new();
    for round in 0..4_u8 {
        let (log, report) = Log::open(options.clone(), Env::real()).unwrap();
        assert_eq!(report.damage, Vec::<String>::new(), "round {round}");
        if round == 0 {
            create(&log, P1);
        }
        for (offset, bytes) in expected.iter().enumerate() {
            let read = log.read(P1, offset as i64, 1, true).unwrap();
            assert_eq!(
                read.records[21..bytes.len()],
                bytes[21..],
                "round {round}, offset {offset}"
            );
        }
        assert_eq!(log.bounds(P1).unwrap().high_watermark, expected.len() as i64);
        for number in 0..12_u8 {
            let length = if number % 3 == 1 {
                300_000
            } else {
                100 + 7 * usize::from(number)
            };
            let bytes = plain(&vec![number.wrapping_add(round); length]);
            append(&log, P1, bytes.clone());
            expected.push(bytes);
        }
    }
}

/// What somebody who passes records on gets: each piece's bytes, and whether it is a part of a file.
fn passed_on(log: &Log, bytes_max: usize) -> Vec<(Vec<u8>, bool)> {
    let end = log.bounds(P1).unwrap().high_watermark;
    let mut pieces = Vec::new();
    let mut offset = 0;
    while offset < end {
        let wish = ReadWish {
            offset,
            bytes_max,
            at_least_one: true,
            committed: false,
            apart: true,
        };
        let read = log.read_wish(P1, &wish).unwrap();
        pieces.push(match read.records {
            Piece::Memory(bytes) => (bytes.to_vec(), false),
            Piece::File(slice) => {
                let mut bytes = vec![0; slice.bytes];
                assert_eq!(slice.read(0, &mut bytes).unwrap(), slice.bytes);
                (bytes, true)
            }
        });
        offset = read.next_offset;
    }
    pieces
}

#[test]
fn large_batches_are_passed_on_where_they_lie_once_they_are_known_to_hold() {
    let dir = TempDir::new().unwrap();
    let options = LogOptions {
        segment_bytes_max: 1 << 20,
        ..options(&dir)
    };
    let (log, _) = Log::open(options.clone(), Env::real()).unwrap();
    create(&log, P1);
    for value in [20_000, 30_000, 100, 200, 40_000, 8_000] {
        append(&log, P1, plain(&vec![1; value]));
    }
    let whole = log.read(P1, 0, 1 << 20, true).unwrap().records;
    let joined = |pieces: &[(Vec<u8>, bool)]| pieces.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<u8>>();
    let kinds = |pieces: &[(Vec<u8>, bool)]| pieces.iter().map(|(_, apart)| *apart).collect::<Vec<bool>>();
    let pieces = passed_on(&log, 1 << 20);
    assert_eq!(joined(&pieces), whole);
    assert_eq!(
        kinds(&pieces),
        [true, false],
        "two large batches, then what follows a small one"
    );
    let pieces = passed_on(&log, 10_000);
    assert_eq!(joined(&pieces), whole);
    assert_eq!(
        kinds(&pieces),
        [true, true, false, true, false],
        "each within its limit"
    );
    drop(log);
    let (log, _) = Log::open(options, Env::real()).unwrap();
    assert_eq!(kinds(&passed_on(&log, 25_000)), [false, false, false, false, false]);
    let pieces = passed_on(&log, 25_000);
    assert_eq!(joined(&pieces), whole);
    assert_eq!(
        kinds(&pieces),
        [true, true, false, true, false],
        "all was checked meanwhile"
    );
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_after_an_orderly_stop() {
    let dir = TempDir::new().unwrap();
    let mut expected = Vec::new();
    for round in 0..6_u8 {
        let (log, report) = open(&dir);
        assert_eq!(report.damage, Vec::<String>::new(), "round {round}");
        assert_eq!(report.clean, round == 0 || round % 2 == 0, "round {round}: {report:?}");
        if round == 0 {
            create(&log, P1);
        }
        for number in 0..200_u8 {
            let bytes = plain(&[number.wrapping_add(round); 500]);
            let offset = append(&log, P1, bytes.clone());
            assert_eq!(offset, expected.len() as i64);
            expected.push(bytes);
        }
        let mut offset = 0;
        while offset < expected.len() as i64 {
            let read = log.read(P1, offset, 10_000, true).unwrap();
            let mut records = &read.records[..];
            while !records.is_empty() {
                let bytes = &expected[offset as usize];
                assert_eq!(records[21..bytes.len()], bytes[21..], "round {round}, offset {offset}");
                records = &records[bytes.len()..];
                offset += 1;
            }
            assert_eq!(read.next_offset, offset);
        }
        if round % 2 == 1 {
            log.close().unwrap();
            assert!(matches!(
                log.commit(Vec::new()).unwrap_err().cause,
                CommitCause::Log(LogError::Closed)
            ));
        }
    }
}

#[test]
fn a_second_process_and_a_newer_format_are_refused() {
    let dir = TempDir::new().unwrap();
    let (log, _) = open(&dir);
    let error = Log::open(options(&dir), Env::real()).err().unwrap();
    assert!(matches!(error, LogError::Locked(_)), "{error}");
    assert!(error.to_string().contains("used by another process"), "{error}");
    log.close().unwrap();
    drop(log);
    std::fs::write(dir.path().join("data/FORMAT"), "rivulet log format 7\n").unwrap();
    let error = Log::open(options(&dir), Env::real()).err().unwrap();
    assert!(
        error.to_string().contains("format version 7") && error.to_string().contains("up to 2"),
        "{error}"
    );
}

#[test]
fn ten_thousand_partitions_open_quickly_and_hold_few_files() {
    let dir = TempDir::new().unwrap();
    let (log, _) = open(&dir);
    let ids: Vec<PartitionId> = (1..=10_000).map(PartitionId).collect();
    for chunk in ids.chunks(1000) {
        let ops = chunk
            .iter()
            .map(|partition| Op::CreatePartition { partition: *partition })
            .collect();
        log.commit(ops).unwrap().wait().unwrap();
    }
    // Files of more partitions than may be open at once.
    for chunk in ids[..600].chunks(100) {
        let ops = chunk
            .iter()
            .map(|id| Op::Append {
                partition: *id,
                batch: plain(b"v"),
                leader_epoch: 0,
            })
            .collect();
        log.commit(ops).unwrap().wait().unwrap();
    }
    let open_files = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open_files < 800, "{open_files} files are open");
    log.close().unwrap();
    drop(log);
    let (log, report) = open(&dir);
    assert_eq!((report.partitions, log.partitions().len()), (10_000, 10_000));
    assert_eq!(log.bounds(ids[599]).unwrap().high_watermark, 1);
    assert_eq!(log.bounds(ids[600]).unwrap().high_watermark, 0);
}

#[test]
fn records_are_found_by_time_and_by_epoch() {
    let dir = TempDir::new().unwrap();
    let (log, _) = open(&dir);
    create(&log, P1);
    // Three segments and more: 40 batches of 4 records, timestamps 1000 apart, one out of order.
    let noise: Vec<u8> = (0..4000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for number in 0..40_i64 {
        let start = number * 4000;
        let batch = batch(&[start, start + 3000, start + 1000, start + 2000], &noise);
        let ops = vec![Op::Append {
            partition: P1,
            batch,
            leader_epoch: number as i32 / 10,
        }];
        log.commit(ops).unwrap().wait().unwrap();
    }
    let check = |log: &Log| {
        let find = |timestamp| {
            log.find_by_time(P1, timestamp)
                .unwrap()
                .map(|found| (found.offset, found.timestamp))
        };
        assert_eq!(find(0), Some((0, 0)));
        assert_eq!(find(4001), Some((5, 7000)), "the first record that is late enough");
        assert_eq!(find(100_000), Some((100, 100_000)));
        assert_eq!(find(159_000), Some((157, 159_000)));
        assert_eq!(find(159_001), None);
        let newest = log.max_timestamp(P1).unwrap().unwrap();
        assert_eq!(
            (newest.offset, newest.timestamp, newest.leader_epoch),
            (157, 159_000, 3)
        );
        assert_eq!(log.latest_epoch(P1), Some(3));
        assert_eq!(log.epoch_end(P1, 1), Some((1, 80)));
        assert_eq!(log.epoch_end(P1, 3), Some((3, 160)));
        assert_eq!(log.epoch_end(P1, 4), None);
        assert_eq!(log.epoch_at(P1, 85), Some(2));
    };
    check(&log);
    drop(log);
    let (log, _) = open(&dir);
    check(&log);
}

#[test]
fn retention_moves_the_start_and_frees_the_files() {
    let dir = TempDir::new().unwrap();
    let (log, _) = open(&dir);
    create(&log, P1);
    for number in 0..100_i64 {
        append(&log, P1, batch(&[number * 1000], &[number as u8; 10]));
        append(&log, P1, plain(&[0; 5000]));
    }
    let size = log.size_bytes(P1).unwrap();
    let policy = Retention {
        retention_bytes: Some(size / 2),
        retention_ms: None,
    };
    log.delete_segments_before(P1, policy, 0)
        .unwrap()
        .unwrap()
        .wait()
        .unwrap();
    let Bounds {
        log_start,
        high_watermark,
        ..
    } = log.bounds(P1).unwrap();
    assert!(log_start > 0 && high_watermark == 200);
    assert!(log.size_bytes(P1).unwrap() >= size / 2);
    assert!(
        log.delete_segments_before(P1, policy, 0).unwrap().is_none(),
        "nothing more to drop"
    );
    assert!(matches!(
        log.read(P1, 0, 100, true),
        Err(ReadError::OffsetOutOfRange { .. })
    ));
    let policy = Retention {
        retention_bytes: None,
        retention_ms: Some(10),
    };
    log.delete_segments_before(P1, policy, 10_000_000)
        .unwrap()
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(log.bounds(P1).unwrap().log_start, 200);
    assert_eq!(append(&log, P1, plain(b"next")), 200, "offsets go on");
    log.close().unwrap();
    drop(log);
    let (log, _) = open(&dir);
    assert_eq!(
        log.bounds(P1).unwrap(),
        Bounds {
            log_start: 200,
            last_stable: 201,
            high_watermark: 201,
            log_end: 201
        }
    );
    let partition_dir = dir.path().join("data/partitions").join(format!("{:020}", 1));
    let segments = std::fs::read_dir(partition_dir).unwrap().count();
    assert!(segments <= 2, "{segments} files are left");
}

#[test]
fn a_deleted_partition_takes_its_files_along() {
    let dir = TempDir::new().unwrap();
    let (log, _) = open(&dir);
    create(&log, P1);
    append(&log, P1, plain(b"v"));
    log.commit(vec![Op::DeletePartition { partition: P1 }])
        .unwrap()
        .wait()
        .unwrap();
    assert!(matches!(log.read(P1, 0, 1, true), Err(ReadError::UnknownPartition)));
    let again = log.commit(vec![Op::Append {
        partition: P1,
        batch: plain(b"v"),
        leader_epoch: 0,
    }]);
    assert!(matches!(again.unwrap_err().cause, CommitCause::UnknownPartition(P1)));
    log.close().unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path().join("data/partitions")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn watchers_are_told_of_new_records() {
    let dir = TempDir::new().unwrap();
    let (log, _) = open(&dir);
    let two = PartitionId(2);
    let ops = vec![
        Op::CreatePartition { partition: P1 },
        Op::CreatePartition { partition: two },
    ];
    log.commit(ops).unwrap().await.unwrap();
    let waiter = Arc::new(Notify::new());
    let guard = log.watch(&[P1, two], Arc::clone(&waiter));
    log.commit(vec![Op::Append {
        partition: two,
        batch: plain(b"v"),
        leader_epoch: 0,
    }])
    .unwrap()
    .await
    .unwrap();
    waiter.notified().await;
    log.commit(vec![Op::DeletePartition { partition: P1 }])
        .unwrap()
        .await
        .unwrap();
    waiter.notified().await;
    drop(guard);
    log.commit(vec![Op::Append {
        partition: two,
        batch: plain(b"v"),
        leader_epoch: 0,
    }])
    .unwrap()
    .await
    .unwrap();
    let told = tokio::time::timeout(Duration::ZERO, waiter.notified()).await;
    assert!(told.is_err(), "a dropped guard tells nobody");
}

#[test]
fn the_classes_keep_what_they_say() {
    for (durability, kept) in [
        (Durability::Fsync, true),
        (Durability::Os, true),
        (Durability::Memory, false),
    ] {
        let dir = TempDir::new().unwrap();
        let options = LogOptions {
            durability,
            ..options(&dir)
        };
        let (log, _) = Log::open(options.clone(), Env::real()).unwrap();
        create(&log, P1);
        for _ in 0..300 {
            append(&log, P1, plain(&[1; 1000]));
        }
        log.commit(vec![Op::Put {
            table: TABLE,
            key: "k".into(),
            value: Some("v".into()),
        }])
        .unwrap()
        .wait()
        .unwrap();
        assert_eq!(log.read(P1, 299, 10, true).unwrap().next_offset, 300);
        assert_eq!(log.get(TABLE, b"k"), Some("v".into()));
        drop(log);
        let (log, report) = Log::open(options, Env::real()).unwrap();
        assert_eq!(
            log.bounds(P1).map(|bounds| bounds.high_watermark),
            kept.then_some(300),
            "{report:?}"
        );
        assert_eq!(log.get(TABLE, b"k").is_some(), kept);
    }
}

#[test]
fn disk_space_set_aside_for_a_segment_is_given_back_when_it_is_full() {
    use std::os::unix::fs::MetadataExt;
    let dir = TempDir::new().unwrap();
    let options = LogOptions {
        segment_bytes_max: 18 << 20,
        ..options(&dir)
    };
    let (log, _) = Log::open(options.clone(), Env::real()).unwrap();
    create(&log, P1);
    let record = plain(&[7; 900_000]);
    (0..20).for_each(|_| _ = append(&log, P1, record.clone()));
    let first = options.dir.join(format!("partitions/{:020}/{:020}.log", P1.0, 0));
    let set_aside = std::fs::metadata(&first).unwrap();
    assert_eq!(
        set_aside.len(),
        20 * record.len() as u64,
        "of what was set aside nothing is seen"
    );
    append(&log, P1, record.clone());
    let full = std::fs::metadata(&first).unwrap();
    assert_eq!(full.len(), set_aside.len());
    assert!(
        full.blocks() * 512 <= full.len().next_multiple_of(4096) + 4096,
        "{} blocks",
        full.blocks()
    );
    drop(log);
    let (log, _) = Log::open(options, Env::real()).unwrap();
    assert_eq!(log.bounds(P1).unwrap().high_watermark, 21);
    for offset in 0..21 {
        assert_eq!(log.read(P1, offset, 1, true).unwrap().records[21..], record[21..]);
    }
}

#[test]
fn many_threads_commit_at_once_and_each_finds_its_own() {
    let dir = TempDir::new().unwrap();
    let (log, _) = open(&dir);
    let partitions: Vec<PartitionId> = (1..=4).map(PartitionId).collect();
    partitions.iter().for_each(|partition| create(&log, *partition));
    std::thread::scope(|scope| {
        for &partition in &partitions {
            for worker in 0..4_u8 {
                let log = &log;
                scope.spawn(move || {
                    for number in 0..100_u8 {
                        let bytes = plain(&[worker, number, 7]);
                        let offset = append(log, partition, bytes.clone());
                        let read = log.read(partition, offset, 1, true).unwrap();
                        assert_eq!(read.records[21..], bytes[21..]);
                    }
                });
            }
        }
    });
    for partition in partitions {
        assert_eq!(log.bounds(partition).unwrap().high_watermark, 400);
    }
    log.close().unwrap();
}

#[test]
fn too_much_at_once_is_refused_until_there_is_room() {
    let dir = TempDir::new().unwrap();
    let options = LogOptions {
        pending_commits_max: 4,
        driven: true,
        ..options(&dir)
    };
    let (log, _) = Log::open(options, Env::real()).unwrap();
    create(&log, P1);
    let op = || {
        vec![Op::Append {
            partition: P1,
            batch: plain(b"v"),
            leader_epoch: 0,
        }]
    };
    let receipts: Vec<_> = (0..4).map(|_| log.commit(op()).unwrap()).collect();
    let error = log.commit(op()).unwrap_err();
    assert!(matches!(error.cause, CommitCause::Busy), "{error}");
    assert_eq!(error.cause.kind(), base::ErrorKind::Unavailable);
    log.drive();
    assert!(receipts.into_iter().all(|receipt| receipt.wait().is_ok()));
    assert!(log.commit(op()).is_ok());
    let huge = plain(&vec![0; 2 << 20]);
    let error = log
        .commit(vec![Op::Append {
            partition: P1,
            batch: huge,
            leader_epoch: 0,
        }])
        .unwrap_err();
    assert!(matches!(error.cause, CommitCause::TooLarge { .. }), "{error}");
}
