//! Compares a partition with the model through every way of reading it.

use base::{Offset, Random, SeededRandom};

use super::model::{ModelPartition, Seen, consume};
use super::{Check, ensure};
use crate::Log;
use crate::api::*;

/// Everything that readers of the partition can see must be as the model has it.
pub(super) fn compare_partition(
    log: &Log,
    id: PartitionId,
    model: &ModelPartition,
    random: &SeededRandom,
) -> Check<()> {
    let Some(bounds) = log.bounds(id) else {
        return Err("missing".into());
    };
    let expected = (model.log_start, model.last_stable(), model.log_end);
    let found = (bounds.log_start, bounds.last_stable, bounds.high_watermark);
    ensure!(found == expected, "bounds {found:?}, expected {expected:?}");
    compare_all(log, id, model, random)?;
    compare_committed(log, id, model, random)
}

/// Every batch comes as it was written.
fn compare_all(log: &Log, id: PartitionId, model: &ModelPartition, random: &SeededRandom) -> Check<()> {
    let mut readable = model
        .batches
        .iter()
        .filter(|batch| batch.last_offset >= model.log_start)
        .peekable();
    let mut offset = model.log_start;
    while offset < model.log_end {
        let read = log
            .read(id, offset, bytes_max(random), true)
            .map_err(|error| format!("reading {offset}: {error}"))?;
        ensure!(read.next_offset > offset, "a read at {offset} makes no progress");
        let mut records = read.records;
        while !records.is_empty() {
            let Some(batch) = readable.next() else {
                return Err(format!("more than was written, at {offset}"));
            };
            ensure!(
                records.starts_with(&batch.bytes),
                "batch at {} differs",
                batch.base_offset
            );
            records = records.slice(batch.bytes.len()..);
        }
        offset = read.next_offset;
    }
    ensure!(
        readable.peek().is_none(),
        "batches from {:?} on are missing",
        readable.peek()
    );
    // From a random offset the same batches come.
    if model.log_end > model.log_start {
        let asked = random_offset(model, random);
        let read = log
            .read(id, asked, 1, true)
            .map_err(|error| format!("reading {asked}: {error}"))?;
        let first = model.batches.iter().find(|batch| batch.last_offset >= asked);
        let expected = first.map(|batch| batch.bytes.clone()).unwrap_or_default();
        ensure!(read.records == expected, "a read at {asked} gives another batch");
    }
    Ok(())
}

/// A read-committed consumer gets what was committed, from the start and from anywhere.
fn compare_committed(log: &Log, id: PartitionId, model: &ModelPartition, random: &SeededRandom) -> Check<()> {
    let mut expected = model.committed();
    if random.below(2) == 0 && model.log_end > model.log_start {
        let from = random_offset(model, random);
        expected.retain(|record| record.offset >= from);
        let seen = read_committed(log, id, from, random)?;
        ensure!(
            seen == expected,
            "committed from {from}: {}",
            difference(&seen, &expected)
        );
    } else {
        let seen = read_committed(log, id, model.log_start, random)?;
        ensure!(seen == expected, "committed: {}", difference(&seen, &expected));
    }
    Ok(())
}

fn read_committed(log: &Log, id: PartitionId, from: Offset, random: &SeededRandom) -> Check<Vec<Seen>> {
    let mut seen = Vec::new();
    let mut offset = from;
    loop {
        let read = log
            .read_committed(id, offset, bytes_max(random), true)
            .map_err(|error| format!("reading committed data at {offset}: {error}"))?;
        seen.extend(consume(&read, offset));
        if read.next_offset == offset {
            ensure!(
                offset >= read.bounds.last_stable,
                "a committed read at {offset} makes no progress"
            );
            return Ok(seen);
        }
        offset = read.next_offset;
    }
}

fn bytes_max(random: &SeededRandom) -> usize {
    [1, 200, 5000, 1 << 20][random.below(4) as usize]
}

fn random_offset(model: &ModelPartition, random: &SeededRandom) -> Offset {
    model.log_start + random.below((model.log_end - model.log_start) as u64) as i64
}

fn difference(seen: &[Seen], expected: &[Seen]) -> String {
    let at = seen.iter().zip(expected).position(|(one, other)| one != other);
    let at = at.unwrap_or(seen.len().min(expected.len()));
    let offset = |list: &[Seen]| list.get(at).map(|record| record.offset);
    format!("record {at}: found {:?}, expected {:?}", offset(seen), offset(expected))
}
