//! Damage to every kind of file: right bytes or an error that names the range, the rest served, nothing forgotten.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use base::ManualClock;
use base::disk::SimDisk;
use bytes::Bytes;
use rivulet_log::{
    CompactionOptions, Env, Log, LogError, LogOptions, Op, Outcome, PartitionId, ReadError, RecoveryReport,
    SegmentLimits, TableId,
};
use wire::{BatchBuilder, Compression, NewRecord};

const TABLE: TableId = TableId(1);
const PARTITIONS: u64 = 3;

fn options() -> LogOptions {
    LogOptions {
        dir: PathBuf::from("/data"),
        segment_bytes_max: 2000,
        wal_segment_bytes: 16 << 10,
        checkpoint_wal_bytes: 20 << 10,
        driven: true,
        ..LogOptions::default()
    }
}

fn open(disk: &SimDisk) -> Result<(Log, RecoveryReport), LogError> {
    let env = Env {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::at(1_000_000)),
    };
    Log::open(options(), env)
}

fn batch(value: u64, records: u64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for record in 0..records {
        let bytes = vec![(value + record) as u8; 30 + (value * 37 % 300) as usize];
        builder.push(NewRecord {
            timestamp: 5000 + value as i64,
            // No key twice: compaction drops nothing.
            key: Some(&(value * 10 + record).to_be_bytes()),
            value: Some(&bytes),
            headers: &[],
        });
    }
    builder.build().unwrap()
}

struct Written {
    base_offset: i64,
    last_offset: i64,
    /// As the log must give it back.
    bytes: Bytes,
}

/// A disk whose process was killed, and all that was acknowledged on it.
struct Sample {
    disk: SimDisk,
    partitions: BTreeMap<PartitionId, Vec<Written>>,
    table: BTreeMap<Bytes, Bytes>,
}

fn sample() -> Sample {
    let disk = SimDisk::new(7);
    let (log, _) = open(&disk).unwrap();
    let mut sample = Sample {
        disk,
        partitions: BTreeMap::new(),
        table: BTreeMap::new(),
    };
    for id in 1..=PARTITIONS {
        log.commit(vec![Op::CreatePartition {
            partition: PartitionId(id),
        }])
        .unwrap()
        .wait()
        .unwrap();
    }
    for round in 0..120_u64 {
        let partition = PartitionId(1 + round % PARTITIONS);
        let bytes = batch(round, 1 + round % 3);
        let (key, value) = (
            Bytes::from(format!("key{}", round % 50)),
            Bytes::from(format!("value{round}")),
        );
        let ops = vec![
            Op::Append {
                partition,
                batch: bytes.clone(),
                leader_epoch: (round / 40) as i32,
            },
            Op::Put {
                table: TABLE,
                key: key.clone(),
                value: Some(value.clone()),
            },
        ];
        let outcomes = log.commit(ops).unwrap().wait().unwrap();
        let Outcome::Appended(appended) = outcomes[0] else {
            panic!("{outcomes:?}")
        };
        let mut expected = bytes.to_vec();
        wire::patch_base_offset(&mut expected, appended.base_offset);
        wire::patch_leader_epoch(&mut expected, (round / 40) as i32);
        let written = Written {
            base_offset: appended.base_offset,
            last_offset: appended.last_offset,
            bytes: Bytes::from(expected),
        };
        sample.partitions.entry(partition).or_default().push(written);
        sample.table.insert(key, value);
        if round == 60 || round == 110 {
            // Old news when the process is killed; and news that only the WAL has.
            compact(&log);
        }
    }
    drop(log);
    sample
}

/// Joins small segments of one partition, each time a bit more.
fn compact(log: &Log) {
    let limits = |segment_bytes| SegmentLimits {
        segment_bytes,
        segment_ms: None,
    };
    let options = CompactionOptions {
        force: true,
        ..CompactionOptions::default()
    };
    log.set_segment_limits(PartitionId(1), limits(5000));
    let report = log.compact(PartitionId(1), &options).unwrap();
    log.set_segment_limits(PartitionId(1), limits(2000));
    assert_eq!((report.passes, report.records_dropped), (1, 0));
}

/// What was not served after some damage.
#[derive(Debug, Default)]
struct Loss {
    batches: usize,
    rows: usize,
    reported: bool,
}

/// Opens the damaged disk and reads everything: whatever is served must be right.
fn read_all(sample: &Sample, disk: &SimDisk, what: &str) -> Result<Loss, LogError> {
    let (log, report) = open(disk)?;
    let mut loss = Loss {
        reported: !report.damage.is_empty(),
        ..Loss::default()
    };
    for (partition, batches) in &sample.partitions {
        let bounds = log
            .bounds(*partition)
            .unwrap_or_else(|| panic!("{what}: {partition:?} is gone"));
        let end = batches.last().unwrap().last_offset + 1;
        assert!(
            bounds.high_watermark >= end,
            "{what}: {partition:?} ends at {bounds:?}, {end} was acknowledged"
        );
        for written in batches {
            for offset in BTreeSet::from([written.base_offset, written.last_offset]) {
                match log.read(*partition, offset, 1, true) {
                    Ok(read) => {
                        assert_eq!(read.records, written.bytes, "{what}: {partition:?} at {offset}");
                        assert_eq!(read.next_offset, written.last_offset + 1, "{what}");
                    }
                    Err(ReadError::Corrupt {
                        offset: from,
                        next_offset,
                        ..
                    }) => {
                        assert!(
                            from == offset && next_offset > offset,
                            "{what}: {from} to {next_offset}"
                        );
                        loss.batches += usize::from(offset == written.last_offset);
                    }
                    Err(error) => panic!("{what}: {partition:?} at {offset}: {error}"),
                }
            }
        }
        read_through(&log, *partition, batches, what);
    }
    let rows: BTreeMap<Bytes, Bytes> = log.scan(TABLE, b"").into_iter().collect();
    loss.rows = sample
        .table
        .iter()
        .filter(|(key, value)| rows.get(*key) != Some(*value))
        .count();
    // Goes on as if nothing had happened, behind all that was acknowledged.
    for partition in sample.partitions.keys() {
        let new = batch(99, 1);
        let outcomes = log.commit(vec![Op::Append {
            partition: *partition,
            batch: new.clone(),
            leader_epoch: 9,
        }]);
        let outcomes = outcomes.unwrap().wait().unwrap();
        let Outcome::Appended(appended) = outcomes[0] else {
            panic!("{outcomes:?}")
        };
        let read = log.read(*partition, appended.base_offset, 1 << 20, true).unwrap();
        assert_eq!(
            read.records[21..],
            new[21..],
            "{what}: a new batch at {}",
            appended.base_offset
        );
    }
    Ok(loss)
}

/// A consumer that skips what is refused gets every batch once, in order.
fn read_through(log: &Log, partition: PartitionId, batches: &[Written], what: &str) {
    let mut offset = 0;
    let mut expected = batches.iter().peekable();
    let end = batches.last().unwrap().last_offset + 1;
    while offset < end {
        match log.read(partition, offset, 1000, true) {
            Ok(read) => {
                let mut records = read.records;
                while !records.is_empty() {
                    let next = expected.next().unwrap();
                    if next.last_offset < offset {
                        continue;
                    }
                    assert!(
                        records.starts_with(&next.bytes),
                        "{what}: {partition:?} at {}",
                        next.base_offset
                    );
                    records = records.slice(next.bytes.len()..);
                }
                assert!(read.next_offset > offset, "{what}: no progress at {offset}");
                offset = read.next_offset;
            }
            Err(ReadError::Corrupt { next_offset, .. }) => {
                while expected.peek().is_some_and(|next| next.base_offset < next_offset) {
                    expected.next();
                }
                offset = next_offset;
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

fn files(disk: &SimDisk, ending: &str) -> Vec<PathBuf> {
    disk.files()
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(ending))
        .collect()
}

/// Flips every `step`-th byte of the files, one at a time, and judges each loss.
fn flip_each(ending: &str, step: usize, judge: impl Fn(&str, Result<Loss, LogError>)) {
    let sample = sample();
    let found = files(&sample.disk, ending);
    assert!(!found.is_empty(), "no file {ending}");
    let mut flipped = 0;
    for path in found {
        let bytes = sample.disk.content(&path).unwrap().len();
        for at in (0..bytes).step_by(step) {
            let disk = sample.disk.copy(at as u64);
            disk.damage(&path, |content| content[at] ^= 1 << (at % 8)).unwrap();
            let what = format!("byte {at} of {}", path.display());
            judge(&what, read_all(&sample, &disk, &what));
            flipped += 1;
        }
    }
    assert!(flipped > 10, "{ending}: {flipped}");
}

#[test]
fn nothing_is_lost_without_damage() {
    let sample = sample();
    assert!(files(&sample.disk, ".log").len() > 6, "several segments each");
    assert!(
        files(&sample.disk, ".v").len() > 1,
        "some of them made by compaction: {:?}",
        sample.disk.files()
    );
    let loss = read_all(&sample, &sample.disk, "undamaged").unwrap();
    assert_eq!((loss.batches, loss.rows, loss.reported), (0, 0, false));
}

#[test]
fn a_flipped_byte_of_a_segment_costs_its_batch_only() {
    flip_each(".log", 23, |what, loss| {
        let loss = loss.unwrap();
        assert!(loss.batches <= 1 && loss.rows == 0, "{what}: {loss:?}");
    });
}

#[test]
fn a_flipped_byte_of_the_wal_costs_no_batch_and_is_reported() {
    flip_each(".wal", 41, |what, loss| {
        let loss = loss.unwrap();
        assert!(loss.batches == 0 && loss.rows <= 1, "{what}: {loss:?}");
        assert!(loss.rows == 0 || loss.reported, "{what}: silent loss {loss:?}");
    });
}

#[test]
fn a_flipped_byte_of_an_index_costs_nothing() {
    flip_each(".index", 3, |what, loss| {
        let loss = loss.unwrap();
        assert!(loss.batches == 0 && loss.rows == 0, "{what}: {loss:?}");
    });
}

#[test]
fn a_flipped_byte_of_a_checkpoint_costs_nothing_and_is_reported() {
    flip_each("checkpoint-", 17, |what, loss| {
        let loss = loss.unwrap();
        assert!(loss.batches == 0 && loss.rows == 0 && loss.reported, "{what}: {loss:?}");
    });
}

#[test]
fn a_flipped_byte_of_the_format_file_is_reported_or_refused() {
    flip_each("FORMAT", 1, |_, loss| match loss {
        Ok(loss) => assert!(loss.batches == 0 && loss.rows == 0, "{loss:?}"),
        Err(error) => assert!(matches!(error, LogError::Format { .. }), "{error}"),
    });
}

#[test]
fn the_wal_cut_at_any_length_costs_no_batch() {
    let sample = sample();
    for path in files(&sample.disk, ".wal") {
        let bytes = sample.disk.content(&path).unwrap().len();
        for keep in (0..bytes).step_by(64).flat_map(|at| [at.saturating_sub(1), at, at + 1]) {
            let disk = sample.disk.copy(keep as u64);
            disk.damage(&path, |content| content.truncate(keep)).unwrap();
            let what = format!("{} cut to {keep}", path.display());
            let loss = read_all(&sample, &disk, &what).unwrap();
            assert_eq!(loss.batches, 0, "{what}: {loss:?}");
        }
    }
}

#[test]
fn a_segment_cut_at_any_length_costs_what_was_cut() {
    let sample = sample();
    for path in files(&sample.disk, ".log") {
        let bytes = sample.disk.content(&path).unwrap().len();
        for keep in (0..bytes).step_by(53) {
            let disk = sample.disk.copy(keep as u64);
            disk.damage(&path, |content| content.truncate(keep)).unwrap();
            let what = format!("{} cut to {keep}", path.display());
            let loss = read_all(&sample, &disk, &what).unwrap();
            assert!(loss.batches == 0 || loss.reported, "{what}: {loss:?}");
        }
    }
}

#[test]
fn zeroed_pages_and_missing_and_exchanged_files_are_contained() {
    let sample = sample();
    let segments = files(&sample.disk, ".log");
    for (number, path) in segments.iter().enumerate() {
        let content = sample.disk.content(path).unwrap();
        for at in (0..content.len()).step_by(512) {
            let disk = sample.disk.copy(at as u64);
            let end = (at + 512).min(content.len());
            disk.damage(path, |content| content[at..end].fill(0)).unwrap();
            read_all(&sample, &disk, &format!("{} zeroed at {at}", path.display())).unwrap();
        }
        let disk = sample.disk.copy(1);
        let other = &segments[(number + 1) % segments.len()];
        let (mine, theirs) = (disk.content(path).unwrap(), disk.content(other).unwrap());
        disk.damage(path, |content| *content = theirs).unwrap();
        disk.damage(other, |content| *content = mine).unwrap();
        read_all(
            &sample,
            &disk,
            &format!("{} and {} exchanged", path.display(), other.display()),
        )
        .unwrap();
        let disk = sample.disk.copy(2);
        base::disk::Disk::remove_file(&disk, path).unwrap();
        let what = format!("{} removed", path.display());
        let loss = read_all(&sample, &disk, &what).unwrap();
        assert!(loss.batches == 0 || loss.reported, "{what}: {loss:?}");
    }
}

#[test]
fn without_either_checkpoint_the_log_refuses_to_open() {
    let sample = sample();
    for path in files(&sample.disk, "checkpoint-") {
        sample.disk.damage(&path, |content| content[30] ^= 1).unwrap();
    }
    let error = open(&sample.disk).err().unwrap();
    assert!(matches!(error, LogError::Damaged(_)), "{error}");
}

#[test]
fn strangers_are_moved_aside_and_named() {
    let sample = sample();
    let partition = files(&sample.disk, ".log")[0].parent().unwrap().to_path_buf();
    let stranger = partition.join("notes.txt");
    base::disk::Disk::open(&sample.disk, &stranger, base::disk::OpenMode::Create).unwrap();
    let (_log, report) = open(&sample.disk).unwrap();
    assert!(
        report
            .lines
            .iter()
            .any(|line| line.contains("notes.txt") && line.contains("aside")),
        "{report:?}"
    );
    assert!(!sample.disk.files().contains(&stranger));
    assert_eq!(files(&sample.disk, "aside").len(), 1);
}
