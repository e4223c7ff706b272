//! One way through the log: learn keys, write what is left, put it in its place.

use std::ops::ControlFlow;
use std::sync::Arc;

use base::{Offset, TimestampMs};
use bytes::Bytes;
use wire::BatchHeader;

use super::cleaner::{Cleaner, LastOfProducers, Left, Transactions, note_keys};
use super::keys::Keys;
use super::output::{self, Output};
use super::plan::Plan;
use super::{COMMIT_BYTES, head_of};
use crate::Log;
use crate::aborted::Aborted;
use crate::api::*;
use crate::files::SegmentId;
use crate::partition::{Partition, SegmentMeta};
use crate::segment::{Reading, Segment};
use crate::shared::{Intake, Prepared, Replacement};

/// One way through the log with as many keys as fit into memory.
pub(super) struct Pass<'a> {
    pub(super) log: &'a Log,
    pub(super) partition: &'a Arc<Partition>,
    pub(super) plan: &'a Plan,
    pub(super) options: &'a CompactionOptions,
    pub(super) now: TimestampMs,
}

impl Pass<'_> {
    /// Whether it came to its end.
    pub(super) fn run(&self, report: &mut CompactionReport) -> Result<bool, CompactionError> {
        let (keys, cleaned_to) = self.gather()?;
        let last_of_producers = LastOfProducers::of(&self.log.producers(self.partition.id));
        let shared = self.log.shared();
        let mut cleaner = Cleaner {
            keys: &keys,
            transactions: Transactions::default(),
            last_of_producers: &last_of_producers,
            now: self.now,
            delete_retention_ms: self.options.delete_retention_ms,
            aborted: Vec::new(),
            records_dropped: 0,
            records_kept: 0,
            #[cfg(test)]
            planted: shared.options.planted,
        };
        for group in self.plan.groups(keys.end) {
            if !self.group(group, &mut cleaner, report)? {
                return Ok(false);
            }
        }
        report.passes += 1;
        report.records_dropped += cleaner.records_dropped;
        report.records_kept = cleaner.records_kept;
        let partition = Arc::clone(self.partition);
        let answer = shared.enqueue(COMMIT_BYTES, true, |intake, _| {
            head_of(intake, &partition)?.cleaned_to = cleaned_to;
            Ok((vec![Prepared::Cleaned { partition, cleaned_to }], Vec::new()))
        });
        self.log.settled(answer)?;
        report.cleaned_to = cleaned_to;
        Ok(true)
    }

    fn reading(&self, end: Offset) -> Reading<'_> {
        Reading {
            files: &self.log.shared().files,
            partition: self.partition.id,
            end,
            log_start: self.plan.log_start,
            epochs: &self.plan.epochs,
            apart_until: None,
        }
    }

    /// The keys of what is dirty, up to where they fit; and up to where all is clean when they have been used.
    fn gather(&self) -> Result<(Keys, Offset), CompactionError> {
        let plan = self.plan;
        let keys_max = self.log.shared().options.compaction_keys_max.max(1);
        let mut keys = Keys::default();
        keys.end = plan.cleaned_to.min(plan.end());
        let mut transactions = Transactions::default();
        let mut full = false;
        let dirty = plan.segments.iter().filter(|(_, end)| *end > plan.cleaned_to);
        let first = dirty.clone().next().map_or(0, |(segment, _)| segment.base);
        let from = plan.cleaned_to.max(plan.log_start).max(first);
        for (segment, end) in dirty {
            transactions.add(self.aborted_from(segment, *end, from)?);
            segment.for_each_sound(&self.reading(*end), |header, batch| {
                if header.next_offset() <= plan.cleaned_to {
                    return Ok(ControlFlow::Continue(()));
                }
                if header.is_control() {
                    transactions.pass_marker(header, batch);
                } else if !transactions.is_aborted(header) {
                    if keys.len() > 0 && keys.len() + header.count.max(0) as usize > keys_max {
                        full = true;
                        return Ok(ControlFlow::Break(()));
                    }
                    note_keys(&mut keys, &Bytes::copy_from_slice(batch));
                }
                keys.end = header.next_offset();
                Ok(ControlFlow::Continue(()))
            })?;
            if full {
                break;
            }
        }
        let cleaned_to = if full {
            keys.end
        } else {
            plan.end().max(plan.cleaned_to)
        };
        Ok((keys, cleaned_to))
    }

    /// The aborted transactions that a walk from `from` on has to know when it comes to a segment: at the walk's beginning
    /// all whose markers are still ahead, then those that begin in the segment.
    fn aborted_from(&self, segment: &Segment, end: Offset, from: Offset) -> Result<Vec<Aborted>, CompactionError> {
        let begins = from >= segment.base;
        #[cfg(test)]
        let begins = begins && self.log.shared().options.planted != Planted::ReachForgotten;
        let mut list = self
            .log
            .aborted_overlapping(self.partition, from.max(segment.base)..end)?;
        list.retain(|aborted| begins || aborted.first_offset >= segment.base);
        Ok(list)
    }

    /// Compacts segments into one; whether they were still there to be replaced.
    fn group(
        &self,
        group: &[(Arc<Segment>, Offset)],
        cleaner: &mut Cleaner<'_>,
        report: &mut CompactionReport,
    ) -> Result<bool, CompactionError> {
        let shared = self.log.shared();
        let (Some((first, _)), Some((_, end))) = (group.first(), group.last()) else {
            return Ok(true);
        };
        let bytes: u64 = group.iter().map(|(segment, _)| segment.bytes()).sum();
        let free_bytes = shared.disk.free_bytes(&shared.options.dir).unwrap_or(u64::MAX);
        if free_bytes < shared.options.free_bytes_min.saturating_add(bytes) {
            return Err(CompactionError::Commit(CommitCause::DiskFull { free_bytes }));
        }
        let version = group.iter().map(|(segment, _)| segment.id().version).max().unwrap_or(0);
        let mut output = Output::new(shared, self.partition.id, first.base, version);
        let written = self.write(group, cleaner, &mut output);
        report.bytes_before += bytes;
        match written {
            Ok(true) => {}
            Ok(false) => {
                // Nothing is to be dropped here.
                cleaner.aborted.clear();
                report.bytes_after += bytes;
                return Ok(true);
            }
            Err(error) => {
                output.discard();
                return Err(error);
            }
        }
        let id = output.id();
        let added = output.finish(std::mem::take(&mut cleaner.aborted));
        let added = added.map_err(|error| {
            output::remove(shared, self.partition.id, id);
            CompactionError::Commit(error.into())
        })?;
        report.bytes_after += added.as_ref().map_or(0, |(meta, _)| meta.bytes);
        let replaced: Vec<SegmentId> = group.iter().map(|(segment, _)| segment.id()).collect();
        let replacement = Replacement {
            partition: Arc::clone(self.partition),
            base: first.base,
            end: *end,
            added,
        };
        let answer = shared.enqueue(COMMIT_BYTES, true, |intake, _| {
            accept_replacement(intake, &replaced, replacement).map(|ops| (ops, Vec::new()))
        });
        let refused = matches!(
            &answer,
            Err(CommitError {
                cause: CommitCause::OffsetOutOfRange { .. } | CommitCause::UnknownPartition(_),
                ..
            })
        );
        if refused {
            output::remove(shared, self.partition.id, id);
            return Ok(false);
        }
        self.log.settled(answer)?;
        Ok(true)
    }

    /// Writes what is left of a group; whether that differs from what was there.
    fn write(
        &self,
        group: &[(Arc<Segment>, Offset)],
        cleaner: &mut Cleaner<'_>,
        output: &mut Output<'_>,
    ) -> Result<bool, CompactionError> {
        // As long as nothing has changed in a lone segment, nothing is copied.
        let mut same = if group.len() == 1 { Some(0) } else { None };
        let failed = |error| ReadError::Io(Arc::new(error));
        for (segment, end) in group {
            let first = self.plan.segments.first().map_or(0, |(first, _)| first.base);
            let from = self.plan.log_start.max(first);
            cleaner.transactions.add(self.aborted_from(segment, *end, from)?);
            let reading = self.reading(*end);
            segment.for_each_sound(&reading, |header, batch| {
                let bytes = Bytes::copy_from_slice(batch);
                let left = cleaner.clean(header, &bytes);
                if let (Left::Whole, Some(so_far)) = (&left, &mut same) {
                    *so_far = header.next_offset();
                    return Ok(ControlFlow::Continue(()));
                }
                if let Some(so_far) = same.take() {
                    self.copy(segment, &reading, so_far, output)?;
                }
                let pushed = match &left {
                    Left::Whole => output.push(header, batch),
                    Left::Rewritten(batch) => output.push(header, batch),
                    Left::Nothing => Ok(()),
                };
                pushed.map_err(failed)?;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(same.is_none())
    }

    /// The batches before `until`, as they are.
    fn copy(
        &self,
        segment: &Segment,
        reading: &Reading<'_>,
        until: Offset,
        output: &mut Output<'_>,
    ) -> Result<(), ReadError> {
        segment.for_each_sound(reading, |header: &BatchHeader, batch| {
            if header.next_offset() > until {
                return Ok(ControlFlow::Break(()));
            }
            output
                .push(header, batch)
                .map_err(|error| ReadError::Io(Arc::new(error)))?;
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// Puts `added` in the place of the segments `replaced`, which end at `end`; refused if they are not all there any more.
fn accept_replacement(
    intake: &mut Intake,
    replaced: &[SegmentId],
    replacement: Replacement,
) -> Result<Vec<Prepared>, CommitError> {
    let head = head_of(intake, &replacement.partition)?;
    let (base, end) = (replacement.base, replacement.end);
    let there = head
        .segments
        .iter()
        .filter(|segment| (base..end).contains(&segment.base));
    if !there.map(SegmentMeta::id).eq(replaced.iter().copied()) {
        let cause = CommitCause::OffsetOutOfRange {
            log_end: head.log_end,
            found: base,
        };
        return Err(CommitError { op: 0, cause });
    }
    head.replace(base, end, replacement.added.as_ref().map(|(meta, _)| *meta));
    Ok(vec![Prepared::Replace(replacement)])
}
