//! Reads by offset and by time, of everything that is durable or only of what is decided.

use std::ops::Range;
use std::sync::Arc;

use base::{Offset, TimestampMs};
use bytes::Bytes;
use wire::Piece;

use super::Log;
use crate::aborted::Aborted;
use crate::api::*;
use crate::intake::headers;
use crate::partition::{Partition, View};
use crate::segment::{Given, Reading, Segment};

impl Log {
    /// Whole batches from the one that contains `offset` on, up to the high watermark and to `bytes_max`, which only
    /// a first batch may exceed, and only if `at_least_one`. Ends at the end of a segment; `next_offset` goes on.
    pub fn read(
        &self,
        partition: PartitionId,
        offset: Offset,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<ReadResult, ReadError> {
        let wish = ReadWish {
            offset,
            bytes_max,
            at_least_one,
            committed: false,
            apart: false,
        };
        self.read_wish(partition, &wish).map(in_memory)
    }

    /// As [`Log::read`], but only what is decided: up to the last stable offset, with the aborted transactions that
    /// overlap the records given.
    pub fn read_committed(
        &self,
        partition: PartitionId,
        offset: Offset,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<ReadResult, ReadError> {
        let wish = ReadWish {
            offset,
            bytes_max,
            at_least_one,
            committed: true,
            apart: false,
        };
        self.read_wish(partition, &wish).map(in_memory)
    }

    /// As [`Log::read`] or [`Log::read_committed`], as `wish` has it.
    pub fn read_wish(&self, partition: PartitionId, wish: &ReadWish) -> Result<ReadResult<Piece>, ReadError> {
        let partition = self.partition(partition).ok_or(ReadError::UnknownPartition)?;
        // Records and the list of what to pass over among them must be of one state of the segments.
        let read = || {
            if wish.committed {
                self.read_committed_now(&partition, wish)
            } else {
                self.read_now(&partition, wish, Offset::MAX)
            }
        };
        steadily(&partition, wish.committed, read).map_err(|error| told_now(&partition, wish.offset, error))
    }

    /// What is to be given apart ends before `decided`.
    fn read_now(
        &self,
        partition: &Partition,
        wish: &ReadWish,
        decided: Offset,
    ) -> Result<ReadResult<Piece>, ReadError> {
        let offset = wish.offset;
        let (bounds, segments, epochs) = {
            let view = partition.view.read();
            let bounds = partition.bounds_of(&view);
            if offset < bounds.log_start || offset > bounds.high_watermark {
                return Err(ReadError::OffsetOutOfRange { bounds });
            }
            (bounds, from_segment(&view, offset), Arc::clone(&view.epochs))
        };
        let result = |records, next_offset| ReadResult {
            records,
            bounds,
            next_offset,
            aborted: Vec::new(),
        };
        let nothing = || Piece::Memory(Bytes::new());
        let log_start = bounds.log_start;
        for (segment, end) in segments {
            let reading = Reading {
                files: &self.shared().files,
                partition: partition.id,
                end,
                log_start,
                epochs: &epochs,
                apart_until: wish.apart.then_some(decided),
            };
            match segment.read(&reading, offset, wish.bytes_max, wish.at_least_one)? {
                Given::Batches { records, next_offset } => return Ok(result(records, next_offset)),
                Given::TooLarge => return Ok(result(nothing(), offset)),
                Given::Nothing => {}
            }
        }
        // The rest up to the high watermark is a gap.
        Ok(result(nothing(), bounds.high_watermark))
    }

    fn read_committed_now(&self, partition: &Partition, wish: &ReadWish) -> Result<ReadResult<Piece>, ReadError> {
        let bounds = partition.bounds();
        let offset = wish.offset;
        if (bounds.last_stable..=bounds.high_watermark).contains(&offset) {
            return Ok(ReadResult {
                records: Piece::Memory(Bytes::new()),
                bounds,
                next_offset: offset,
                aborted: Vec::new(),
            });
        }
        let mut result = self.read_now(partition, wish, bounds.last_stable)?;
        // By the bounds of before: what has been decided since waits for the next read.
        result.bounds = bounds;
        if result.next_offset > bounds.last_stable {
            if let Piece::Memory(records) = &mut result.records {
                let decided = headers(records).take_while(|header| header.base_offset < bounds.last_stable);
                let bytes = decided.map(|header| header.size_bytes()).sum();
                records.truncate(bytes);
            }
            result.next_offset = bounds.last_stable;
        }
        if !result.records.is_empty() {
            let overlapping = self.aborted_overlapping(partition, offset..result.next_offset)?;
            let aborted = overlapping.iter().map(|aborted| AbortedTransaction {
                producer_id: aborted.producer_id,
                first_offset: aborted.first_offset,
            });
            result.aborted = aborted.collect();
        }
        Ok(result)
    }

    /// The aborted transactions that overlap `range`, all of which is decided; by first offset.
    pub(crate) fn aborted_overlapping(
        &self,
        partition: &Partition,
        range: Range<Offset>,
    ) -> Result<Vec<Aborted>, ReadError> {
        let segments = partition.view.read().segments.clone();
        let reading = Reading {
            files: &self.shared().files,
            partition: partition.id,
            end: Offset::MAX,
            log_start: 0,
            epochs: &[],
            apart_until: None,
        };
        let first = segments.partition_point(|segment| segment.base <= range.start);
        let mut found: Vec<Aborted> = Vec::new();
        for at in first.saturating_sub(1)..segments.len() {
            let segment = &segments[at];
            if segment.aborted_count() == 0 {
                continue;
            }
            let list = segment.aborted(&reading, &segments[..at]);
            let list = list.map_err(|error| ReadError::Io(Arc::new(error)))?;
            let list = list.ok_or_else(|| ReadError::Corrupt {
                offset: range.start,
                next_offset: range.end,
                cause: format!("the aborted transactions of segment {} are lost", segment.base),
            })?;
            let overlap = |aborted: &&Aborted| aborted.last_offset >= range.start && aborted.first_offset < range.end;
            found.extend(list.iter().filter(overlap));
            if list.iter().any(|aborted| aborted.last_stable >= range.end) {
                break;
            }
        }
        found.sort_unstable_by_key(|aborted| aborted.first_offset);
        Ok(found)
    }

    /// The first record at or after `timestamp`.
    pub fn find_by_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> Result<Option<FoundByTime>, ReadError> {
        let partition = self.partition(partition).ok_or(ReadError::UnknownPartition)?;
        steadily(&partition, false, || self.find_by_time_now(&partition, timestamp))
    }

    fn find_by_time_now(
        &self,
        partition: &Partition,
        timestamp: TimestampMs,
    ) -> Result<Option<FoundByTime>, ReadError> {
        let (log_start, segments, epochs) = {
            let view = partition.view.read();
            (
                view.log_start,
                from_segment(&view, view.log_start),
                Arc::clone(&view.epochs),
            )
        };
        for (segment, end) in segments {
            if segment.max_timestamp() < timestamp {
                continue;
            }
            let reading = Reading {
                files: &self.shared().files,
                partition: partition.id,
                end,
                log_start,
                epochs: &epochs,
                apart_until: None,
            };
            if let Some(found) = segment.find_by_time(&reading, log_start, timestamp)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first of the records with the largest timestamp.
    pub fn max_timestamp(&self, partition: PartitionId) -> Result<Option<FoundByTime>, ReadError> {
        let shared = self.partition(partition).ok_or(ReadError::UnknownPartition)?;
        let segments = shared.view.read().segments.clone();
        let largest = segments.iter().map(|segment| segment.max_timestamp()).max();
        let Some(timestamp) = largest else { return Ok(None) };
        if let Some(found) = self.find_by_time(partition, timestamp)? {
            return Ok(Some(found));
        }
        // The batch that has it was emptied by compaction, or trimmed: what is left must be asked.
        match steadily(&shared, false, || self.largest_timestamp(&shared))? {
            Some(timestamp) => self.find_by_time(partition, timestamp),
            None => Ok(None),
        }
    }

    /// Of the batches that have records at or behind the log start.
    fn largest_timestamp(&self, partition: &Partition) -> Result<Option<TimestampMs>, ReadError> {
        let (log_start, segments) = {
            let view = partition.view.read();
            (view.log_start, view.segments.clone())
        };
        let reading = Reading {
            files: &self.shared().files,
            partition: partition.id,
            end: Offset::MAX,
            log_start,
            epochs: &[],
            apart_until: None,
        };
        let mut largest = None;
        for segment in segments {
            let walked = segment.for_each(&reading, |header, _| {
                if header.count > 0 && header.last_offset() >= log_start {
                    largest = largest.max(Some(header.max_timestamp));
                }
                Ok(())
            });
            walked.map_err(|error| ReadError::Io(Arc::new(error)))?;
        }
        Ok(largest)
    }
}

/// Of a read that was to be in memory.
fn in_memory(read: ReadResult<Piece>) -> ReadResult {
    let records = match read.records {
        Piece::Memory(records) => records,
        Piece::File(_) => unreachable!("only who asks for parts of files is given them"),
    };
    ReadResult {
        records,
        bounds: read.bounds,
        next_offset: read.next_offset,
        aborted: read.aborted,
    }
}

/// Reads again if compaction replaced segments meanwhile, at least when the read failed: its segment may be gone.
fn steadily<T>(partition: &Partition, exactly: bool, read: impl Fn() -> Result<T, ReadError>) -> Result<T, ReadError> {
    loop {
        let before = partition.view.read().replacements;
        let result = read();
        if (result.is_ok() && !exactly) || partition.view.read().replacements == before {
            return result;
        }
    }
}

/// A read that failed because its segment was removed meanwhile fails for that reason; other damage is made known.
fn told_now(partition: &Partition, offset: Offset, error: ReadError) -> ReadError {
    if let ReadError::OffsetOutOfRange { .. } = error {
        return error;
    }
    let view = partition.view.read();
    if view.deleted {
        return ReadError::UnknownPartition;
    }
    if offset < view.log_start {
        return ReadError::OffsetOutOfRange {
            bounds: partition.bounds_of(&view),
        };
    }
    tracing::error!(partition = partition.id.0, offset, %error, "a read failed");
    error
}

/// The segment that holds `offset` and those after it, each with the end of its offsets.
fn from_segment(view: &View, offset: Offset) -> Vec<(Arc<Segment>, Offset)> {
    let first = view
        .segments
        .partition_point(|segment| segment.base <= offset)
        .saturating_sub(1);
    let ends = view
        .segments
        .iter()
        .skip(first + 1)
        .map(|segment| segment.base)
        .chain([view.high_watermark]);
    view.segments.iter().skip(first).cloned().zip(ends).collect()
}
