//! Compares a partition with the model through every way of reading it.

use std::collections::BTreeMap;

use base::{Offset, Random, SeededRandom};
use bytes::Bytes;
use wire::{BatchHeader, Piece};

use super::model::{Fate, ModelPartition, Seen, consume, records_of};
use super::{Check, ensure};
use crate::Log;
use crate::api::*;
use crate::intake::walk;

/// A partition and what is to be expected of it.
pub(super) struct Compared<'a> {
    pub(super) log: &'a Log,
    pub(super) id: PartitionId,
    pub(super) model: &'a ModelPartition,
    pub(super) random: &'a SeededRandom,
    /// It may have been compacted: not every record must be there.
    pub(super) compacted: bool,
    /// Nothing is accepted that is not durable.
    pub(super) settled: bool,
    pub(super) now: i64,
    pub(super) delete_retention_ms: i64,
}

impl Compared<'_> {
    /// Everything that readers of the partition can see must be as the model has it.
    pub(super) fn check(&self) -> Check<()> {
        let Some(bounds) = self.log.bounds(self.id) else {
            return Err("missing".into());
        };
        let model = self.model;
        let expected = (model.log_start, model.last_stable(), model.log_end);
        let found = (bounds.log_start, bounds.last_stable, bounds.high_watermark);
        ensure!(found == expected, "bounds {found:?}, expected {expected:?}");
        if self.settled {
            self.check_producers()?;
        }
        if self.compacted {
            self.check_left()?;
            self.check_latest()
        } else {
            self.check_batches()?;
            self.check_committed()
        }
    }

    fn check_producers(&self) -> Check<()> {
        let known = self.log.producers(self.id);
        for (id, expected) in &self.model.producers {
            let found = known.iter().find(|info| info.producer_id == *id);
            let found = found.map(|info| (info.producer_epoch, info.open_since));
            let expected = Some((expected.epoch, expected.open_since));
            ensure!(found == expected, "producer {id} is {found:?}, expected {expected:?}");
        }
        Ok(())
    }

    /// Every batch, from wherever a reader begins.
    fn read_all(&self) -> Check<Vec<(BatchHeader, Bytes)>> {
        let mut found = Vec::new();
        let mut offset = self.model.log_start;
        while offset < self.model.log_end {
            let read = self
                .log
                .read(self.id, offset, self.bytes_max(), true)
                .map_err(|error| format!("reading {offset}: {error}"))?;
            ensure!(read.next_offset > offset, "a read at {offset} makes no progress");
            let mut at = 0;
            for (header, _) in walk(&read.records) {
                found.push((header, read.records.slice(at..at + header.size_bytes())));
                at += header.size_bytes();
            }
            offset = read.next_offset;
        }
        ensure!(offset == self.model.log_end, "reads end at {offset}");
        Ok(found)
    }

    /// Every batch comes as it was written.
    fn check_batches(&self) -> Check<()> {
        let model = self.model;
        let mut readable = model
            .batches
            .iter()
            .filter(|batch| batch.last_offset >= model.log_start);
        for (header, bytes) in self.read_all()? {
            let Some(batch) = readable.next() else {
                return Err(format!("more than was written, at {}", header.base_offset));
            };
            ensure!(bytes == batch.bytes, "batch at {} differs", batch.base_offset);
        }
        ensure!(readable.next().is_none(), "batches are missing at the end");
        if model.log_end > model.log_start {
            let asked = self.random_offset();
            let first = model.batches.iter().find(|batch| batch.last_offset >= asked);
            let expected = first.map(|batch| batch.bytes.clone()).unwrap_or_default();
            ensure!(
                self.first_at(asked)? == expected,
                "a read at {asked} gives another batch"
            );
        }
        Ok(())
    }

    fn first_at(&self, asked: Offset) -> Check<Bytes> {
        let read = self.log.read(self.id, asked, 1, true);
        let read = read.map_err(|error| format!("reading {asked}: {error}"))?;
        Ok(read.records)
    }

    /// A read-committed consumer gets what was committed, from the start and from anywhere.
    fn check_committed(&self) -> Check<()> {
        let mut expected = self.model.committed();
        let mut from = self.model.log_start;
        if self.random.below(2) == 0 && self.model.log_end > from {
            from = self.random_offset();
            expected.retain(|record| record.offset >= from);
        }
        let seen = self.read_committed(from)?;
        ensure!(
            seen == expected,
            "committed from {from}: {}",
            difference(&seen, &expected)
        );
        Ok(())
    }

    fn read_committed(&self, from: Offset) -> Check<Vec<Seen>> {
        let mut seen = Vec::new();
        let mut offset = from;
        loop {
            let wish = ReadWish {
                offset,
                bytes_max: self.bytes_max(),
                at_least_one: true,
                committed: true,
                apart: self.random.below(2) == 0,
            };
            let read = self.log.read_wish(self.id, &wish).map(fetched);
            let read = read.map_err(|error| format!("reading committed data at {offset}: {error}"))?;
            seen.extend(consume(&read, offset));
            if read.next_offset == offset {
                let last_stable = read.bounds.last_stable;
                ensure!(offset >= last_stable, "a committed read at {offset} makes no progress");
                return Ok(seen);
            }
            offset = read.next_offset;
        }
    }

    /// What compaction left was written so, stands where it stood, and what is not decided is all there.
    fn check_left(&self) -> Check<()> {
        let model = self.model;
        let written: BTreeMap<Offset, Seen> = model
            .batches
            .iter()
            .filter(|batch| batch.fate != Fate::Marker)
            .flat_map(|batch| records_of(&batch.bytes))
            .map(|record| (record.offset, record))
            .collect();
        let mut next = 0;
        let mut undecided = Vec::new();
        let all = self.read_all()?;
        for (header, bytes) in &all {
            ensure!(
                header.base_offset >= next,
                "batch {} comes out of order",
                header.base_offset
            );
            next = header.next_offset();
            if header.base_offset >= model.last_stable() {
                undecided.push(bytes.clone());
            }
            if header.is_control() {
                continue;
            }
            for record in records_of(bytes) {
                let expected = written.get(&record.offset);
                ensure!(expected == Some(&record), "{record:?} was written as {expected:?}");
            }
        }
        let last_stable = model.last_stable();
        let expected = model.batches.iter().filter(|batch| batch.base_offset >= last_stable);
        let expected: Vec<Bytes> = expected.map(|batch| batch.bytes.clone()).collect();
        ensure!(undecided == expected, "what is not decided has changed");
        if model.log_end > model.log_start {
            let asked = self.random_offset();
            let first = all.iter().find(|(header, _)| header.last_offset() >= asked);
            let expected = first.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
            ensure!(
                self.first_at(asked)? == expected,
                "a read at {asked} gives another batch"
            );
        }
        Ok(())
    }

    /// Of every key the last committed record is there, but for tombstones that have been there long enough.
    fn check_latest(&self) -> Check<()> {
        let committed = self.model.committed();
        let seen = self.read_committed(self.model.log_start)?;
        let mut rest = committed.iter();
        for record in &seen {
            ensure!(rest.any(|other| other == record), "{record:?} was not committed");
        }
        let latest = |records: &[Seen]| -> BTreeMap<Bytes, Seen> {
            let keyed = records
                .iter()
                .filter_map(|record| Some((record.key.clone()?, record.clone())));
            keyed.collect()
        };
        let found = latest(&seen);
        for (key, expected) in latest(&committed) {
            let gone = expected.value.is_none() && self.tombstone_may_be_gone(expected.offset);
            match found.get(&key) {
                Some(found) => ensure!(*found == expected, "{key:?} is {found:?}, expected {expected:?}"),
                None => ensure!(gone, "{expected:?} is missing"),
            }
        }
        Ok(())
    }

    fn tombstone_may_be_gone(&self, offset: Offset) -> bool {
        let batch = self.model.batches.iter().find(|batch| batch.last_offset >= offset);
        batch.is_some_and(|batch| batch.written_ms + self.delete_retention_ms <= self.now)
    }

    fn bytes_max(&self) -> usize {
        [1, 200, 5000, 1 << 20][self.random.below(4) as usize]
    }

    fn random_offset(&self) -> Offset {
        let (start, end) = (self.model.log_start, self.model.log_end);
        start + self.random.below((end - start) as u64) as i64
    }
}

fn difference(seen: &[Seen], expected: &[Seen]) -> String {
    let at = seen.iter().zip(expected).position(|(one, other)| one != other);
    let at = at.unwrap_or(seen.len().min(expected.len()));
    let offset = |list: &[Seen]| list.get(at).map(|record| record.offset);
    format!("record {at}: found {:?}, expected {:?}", offset(seen), offset(expected))
}

/// What a consumer has when a read that may name a part of a file was sent to it.
fn fetched(read: ReadResult<Piece>) -> ReadResult {
    let records = match read.records {
        Piece::Memory(records) => records,
        Piece::File(slice) => {
            let mut bytes = vec![0; slice.bytes];
            assert_eq!(slice.read(0, &mut bytes).ok(), Some(slice.bytes));
            Bytes::from(bytes)
        }
    };
    ReadResult {
        records,
        bounds: read.bounds,
        next_offset: read.next_offset,
        aborted: read.aborted,
    }
}
