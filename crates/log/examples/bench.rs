//! Measures the log by itself: appends per second and processor time per record, reads, opening. For `--release`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at the first error"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use base::disk::RealDisk;
use base::{Clock, RealClock};
use bytes::Bytes;
use rivulet_log::{CompactionOptions, Durability, Env, Log, LogOptions, Op, PartitionId};
use wire::{BatchBuilder, Compression, NewRecord};

const RECORD_BYTES: usize = 1024;
const IN_FLIGHT: usize = 64;

fn batch(records: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    let value = [7; RECORD_BYTES];
    for _ in 0..records {
        builder.push(NewRecord {
            timestamp: 1,
            key: None,
            value: Some(&value),
            headers: &[],
        });
    }
    builder.build().unwrap()
}

/// Processor time of this process, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn resident_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default()
        .to_owned()
}

fn appends(durability: Durability, records: usize, total_bytes: usize, partitions: u64) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let clock = RealClock::new();
    let env = Env {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
    };
    let options = LogOptions {
        dir: dir.path().join("data"),
        durability,
        ..LogOptions::default()
    };
    let start = clock.monotonic();
    let (log, _) = Log::open(options.clone(), env).unwrap();
    let opened = clock.monotonic() - start;
    let ops = (1..=partitions)
        .map(|id| Op::CreatePartition {
            partition: PartitionId(id),
        })
        .collect();
    log.commit(ops).unwrap().wait().unwrap();
    let batch = batch(records);
    let count = total_bytes / batch.len();
    let (start, cpu) = (clock.monotonic(), cpu_seconds());
    let mut in_flight = VecDeque::new();
    for number in 0..count {
        let partition = PartitionId(1 + number as u64 % partitions);
        in_flight.push_back(
            log.commit(vec![Op::Append {
                partition,
                batch: batch.clone(),
                leader_epoch: 0,
            }])
            .unwrap(),
        );
        if in_flight.len() == IN_FLIGHT {
            in_flight.pop_front().unwrap().wait().unwrap();
        }
    }
    in_flight.into_iter().for_each(|receipt| {
        receipt.wait().unwrap();
    });
    let (seconds, cpu) = ((clock.monotonic() - start).as_secs_f64(), cpu_seconds() - cpu);
    let written = (count * records) as f64;
    println!(
        "{durability:?} {partitions} partitions, {} KiB batches: opened in {:.1} ms, {:.0} records/s, {:.0} MB/s, {:.3} us cpu per record, {}",
        batch.len() / 1024,
        opened.as_secs_f64() * 1e3,
        written / seconds,
        written * RECORD_BYTES as f64 / seconds / 1e6,
        cpu / written * 1e6,
        resident_kib(),
    );
    let (start, cpu) = (clock.monotonic(), cpu_seconds());
    let mut bytes = 0;
    for id in 1..=partitions {
        let end = log.bounds(PartitionId(id)).unwrap().high_watermark;
        let mut offset = 0;
        while offset < end {
            let read = log.read(PartitionId(id), offset, 1 << 20, true).unwrap();
            bytes += read.records.len();
            offset = read.next_offset;
        }
    }
    let (seconds, cpu) = ((clock.monotonic() - start).as_secs_f64(), cpu_seconds() - cpu);
    let megabytes = bytes as f64 / 1e6;
    println!(
        "  read {:.0} MB/s, {:.3} us cpu per KiB",
        megabytes / seconds,
        cpu / (megabytes * 1e6 / 1024.0) * 1e6
    );
    drop(log);
    let start = clock.monotonic();
    let (_log, report) = Log::open(options, Env::real()).unwrap();
    let opened = (clock.monotonic() - start).as_secs_f64() * 1e3;
    println!(
        "  opened after a kill in {opened:.1} ms, {} commits replayed",
        report.frames_replayed
    );
}

fn latency() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let clock = RealClock::new();
    let options = LogOptions {
        dir: dir.path().join("data"),
        ..LogOptions::default()
    };
    let (log, _) = Log::open(options, Env::real()).unwrap();
    log.commit(vec![Op::CreatePartition {
        partition: PartitionId(1),
    }])
    .unwrap()
    .wait()
    .unwrap();
    let batch = batch(1);
    let mut times: Vec<u128> = (0..2000)
        .map(|_| {
            let start = clock.monotonic();
            let op = Op::Append {
                partition: PartitionId(1),
                batch: batch.clone(),
                leader_epoch: 0,
            };
            log.commit(vec![op]).unwrap().wait().unwrap();
            (clock.monotonic() - start).as_micros()
        })
        .collect();
    times.sort_unstable();
    println!(
        "one at a time: p50 {} us, p99 {} us",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
}

/// Many small records of few keys: what compaction costs per record, and reading what it left.
fn compaction() {
    const RECORDS: u64 = 4_000_000;
    const PER_BATCH: u64 = 100;
    const KEYS: u64 = 500_000;
    let dir = tempfile::tempdir_in(".").unwrap();
    let clock = RealClock::new();
    let options = LogOptions {
        dir: dir.path().join("data"),
        durability: Durability::Os,
        ..LogOptions::default()
    };
    let (log, _) = Log::open(options, Env::real()).unwrap();
    let partition = PartitionId(1);
    log.commit(vec![Op::CreatePartition { partition }])
        .unwrap()
        .wait()
        .unwrap();
    let mut last = None;
    for first in (0..RECORDS).step_by(PER_BATCH as usize) {
        let mut builder = BatchBuilder::new(Compression::Lz4);
        for number in first..first + PER_BATCH {
            let key = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS).to_be_bytes();
            let value = format!("value {number:<100}");
            builder.push(NewRecord {
                timestamp: number as i64,
                key: Some(&key),
                value: Some(value.as_bytes()),
                headers: &[],
            });
        }
        let batch = builder.build().unwrap();
        let op = Op::Append {
            partition,
            batch,
            leader_epoch: 0,
        };
        last = Some(log.commit(vec![op]).unwrap());
        if first % 10_000 == 0 {
            last.take().map(|receipt| receipt.wait().unwrap());
        }
    }
    last.map(|receipt| receipt.wait().unwrap());
    let options = CompactionOptions {
        // Closes the segment that is written to.
        max_lag_ms: 0,
        force: true,
        ..CompactionOptions::default()
    };
    let (start, cpu) = (clock.monotonic(), cpu_seconds());
    let report = log.compact(partition, &options).unwrap();
    let (seconds, cpu) = ((clock.monotonic() - start).as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "compaction: {:.0} records/s, {:.3} us cpu per record, {} of {} MB left, {} records, {}",
        RECORDS as f64 / seconds,
        cpu / RECORDS as f64 * 1e6,
        report.bytes_after >> 20,
        report.bytes_before >> 20,
        report.records_kept,
        resident_kib(),
    );
    let (start, mut offset, mut bytes) = (clock.monotonic(), 0, 0);
    while offset < RECORDS as i64 {
        let read = log.read_committed(partition, offset, 1 << 20, true).unwrap();
        bytes += read.records.len();
        offset = read.next_offset;
    }
    let seconds = (clock.monotonic() - start).as_secs_f64();
    println!("  read {:.0} MB/s", bytes as f64 / 1e6 / seconds);
}

fn main() {
    if std::env::args().any(|word| word == "compaction") {
        return compaction();
    }
    latency();
    for durability in [Durability::Fsync, Durability::Os, Durability::Memory] {
        appends(durability, 16, 1 << 30, 6);
        appends(durability, 64, 1 << 30, 6);
    }
    appends(Durability::Fsync, 1, 200 << 20, 6);
    compaction();
}
