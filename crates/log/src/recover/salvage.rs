//! What can be saved when part of the WAL is lost: batches that hold by their own checksums.

use std::io;

use base::Offset;
use wire::BatchHeader;
use wire::batch::check_crc;

use super::replay::adopt;
use super::{Recovery, damage, failed};
use crate::api::{Durability, LogError, PartitionId};
use crate::files::{FileKey, FileKind, SegmentId};
use crate::frame::{self, FrameHeader, FrameOp, Place};
use crate::intake::headers;
use crate::partition::{Addition, Head};
use crate::scan::Scanner;

impl Recovery {
    pub(super) fn salvage_all(&mut self) -> Result<(), LogError> {
        let mut partitions: Vec<PartitionId> = self.heads.keys().copied().collect();
        partitions.sort_unstable();
        partitions.into_iter().try_for_each(|partition| self.salvage(partition))
    }

    /// Batches get to their segment only when they are durable: those that stand there whole, behind what the WAL
    /// tells, were acknowledged, and the WAL has lost them.
    pub(super) fn salvage(&mut self, partition: PartitionId) -> Result<(), LogError> {
        while let Some((place, batch)) = self.salvage_batch(partition)? {
            let Some(header) = headers(&batch).next() else { break };
            self.touch(partition, place)?;
            let now = self.env.clock.wall_ms();
            let line = format!(
                "partition {}: offsets {} to {} were missing from the WAL and found whole in their segment",
                partition.0,
                header.base_offset,
                header.last_offset()
            );
            match self.options.durability {
                Durability::Fsync => damage(&mut self.report, line),
                Durability::Os | Durability::Memory => self.report.lines.push(line),
            }
            if let Some((sealed, aborted)) = adopt(self.head(partition), place, &batch, now) {
                self.file_aborted(partition, &sealed, &aborted);
            }
        }
        Ok(())
    }

    pub(super) fn salvage_batch(&mut self, partition: PartitionId) -> Result<Option<(Place, Vec<u8>)>, LogError> {
        let head = self.head(partition);
        let expected = head.log_end;
        let active = head.segments.last().filter(|active| active.version == 0);
        let behind_active = active.map(|active| Place {
            segment_base: active.base,
            position: active.bytes,
        });
        let next_segment = Place {
            segment_base: expected,
            position: 0,
        };
        for place in behind_active.into_iter().chain([next_segment]) {
            let key = FileKey {
                partition,
                segment: SegmentId::first(place.segment_base),
                kind: FileKind::Log,
            };
            let path = self.files.path(key);
            let until = match self.disk().file_bytes(&path) {
                Ok(bytes) if bytes > place.position => bytes,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("reading", &path)(error)),
            };
            let file = self.files.existing(key).map_err(failed("opening", &path))?;
            let mut scanner = Scanner::new(file, until, Offset::MAX);
            let found = scanner
                .batch(place.position, expected)
                .map_err(failed("reading", &path))?;
            if let Some(header) = found.filter(|header| header.base_offset == expected) {
                let batch = scanner.bytes(place.position, header.size_bytes());
                return Ok(Some((place, batch.map_err(failed("reading", &path))?.to_vec())));
            }
        }
        Ok(None)
    }

    /// Of a frame whose payload is damaged: appends whose batches hold by their own checksums. Offsets that a damaged
    /// batch had are not given out again.
    pub(super) fn apply_what_holds(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), LogError> {
        for op in frame::ops(payload, header.op_count) {
            let FrameOp::Append {
                partition,
                base,
                place,
                batches,
            } = op
            else {
                continue;
            };
            let Some(head) = self.heads.get_mut(&partition) else {
                continue;
            };
            let batch_headers: Vec<BatchHeader> = headers(batches).collect();
            let bytes: usize = batch_headers.iter().map(BatchHeader::size_bytes).sum();
            let fits = base == head.log_end
                && bytes == batches.len()
                && batch_headers.first().is_some_and(|first| first.base_offset == base)
                && may_stand(head, base, place);
            if !fits {
                continue;
            }
            if whole(batches) {
                self.append(partition, base, place, batches, header.wall_ms)?;
                continue;
            }
            let next_offset = batch_headers.last().map_or(base, BatchHeader::next_offset);
            if next_offset > base && next_offset - base <= bytes as i64 {
                // Nothing that its bytes say is believed but where they stand: a marker among them ends nothing.
                let sealed = head.begin(place);
                let addition = Addition {
                    bytes: bytes as u64,
                    next_offset,
                    first_timestamp: header.wall_ms,
                    max_timestamp: header.wall_ms,
                };
                head.append(place, &addition);
                if let Some((sealed, aborted)) = sealed {
                    self.file_aborted(partition, &sealed, &aborted);
                }
                let line = format!(
                    "partition {}: offsets {base} to {} are damaged and are not served",
                    partition.0,
                    next_offset - 1
                );
                damage(&mut self.report, line);
            }
        }
        Ok(())
    }
}

/// Whether an append that begins at `base` can have gone to `place`: behind the active segment or into a new one.
fn may_stand(head: &Head, base: Offset, place: Place) -> bool {
    let behind = head.segments.last().is_some_and(|active| {
        active.version == 0 && place.segment_base == active.base && place.position == active.bytes
    });
    behind || (place.segment_base == base && place.position == 0)
}

/// Whether every batch holds by its own checksum.
pub(super) fn whole(batches: &[u8]) -> bool {
    let mut at = 0;
    while at < batches.len() {
        match check_crc(&batches[at..]) {
            Ok(header) => at += header.size_bytes(),
            Err(_) => return false,
        }
    }
    true
}
