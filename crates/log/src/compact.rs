//! Compaction: of every key only the last record stays, in its place.
//!
//! The rules are those of Kafka's cleaner. A pass learns the last offset of every key that was written since the last
//! one, as many as fit into memory; then it goes over all segments from the first on and writes what is left of them
//! into new segments, small ones together. Each new segment is synced under a name of its own, and a frame of the WAL
//! puts it in the place of the old ones; their files go when a checkpoint no longer names them. So a crash leaves
//! either, and whoever is reading from the old ones goes on with the new. What is damaged is never compacted.

use std::ops::ControlFlow;
use std::sync::Arc;

use base::{Offset, TimestampMs};
use bytes::Bytes;
use wire::BatchHeader;

use crate::Log;
use crate::aborted::Aborted;
use crate::api::*;
use crate::files::SegmentId;
use crate::partition::{EpochStart, Partition, SegmentMeta};
use crate::segment::{Reading, Segment};
use crate::shared::{Intake, Prepared, Replacement, Shared};

mod cleaner;
mod keys;
mod output;

use cleaner::{Cleaner, LastOfProducers, Left, Transactions, note_keys};
use keys::Keys;
use output::Output;

/// Nothing of a commit that compaction makes weighs much.
const COMMIT_BYTES: u64 = 256;

/// The right to compact a partition; one at a time has it.
struct Turn<'a> {
    shared: &'a Shared,
    partition: PartitionId,
}

impl Turn<'_> {
    fn take(shared: &Shared, partition: PartitionId) -> Result<Turn<'_>, CompactionError> {
        if shared.compacting.lock().insert(partition) {
            Ok(Turn { shared, partition })
        } else {
            Err(CompactionError::Busy)
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.shared.compacting.lock().remove(&self.partition);
    }
}

/// What may be compacted now.
struct Plan {
    /// Whole segments from the first on, each with the end of its offsets.
    segments: Vec<(Arc<Segment>, Offset)>,
    epochs: Arc<[EpochStart]>,
    /// What ends before it goes.
    log_start: Offset,
    cleaned_to: Offset,
    dirty_bytes: u64,
    clean_bytes: u64,
    /// Something has waited longer than the maximum lag.
    overdue: bool,
    last_of_producers: LastOfProducers,
    segment_bytes: u64,
}

impl Plan {
    fn end(&self) -> Offset {
        self.segments.last().map_or(self.cleaned_to, |(_, end)| *end)
    }

    fn dirty_ratio(&self) -> f64 {
        let total = self.dirty_bytes + self.clean_bytes;
        if total == 0 {
            0.0
        } else {
            self.dirty_bytes as f64 / total as f64
        }
    }

    fn due(&self, options: &CompactionOptions) -> bool {
        let ratio_reached = self.dirty_ratio() > options.min_dirty_ratio;
        (options.force && !self.segments.is_empty()) || (self.dirty_bytes > 0 && (ratio_reached || self.overdue))
    }

    /// Those that are compacted together.
    fn groups(&self, end: Offset) -> Vec<&[(Arc<Segment>, Offset)]> {
        let count = self.segments.partition_point(|(segment, _)| segment.base < end);
        let mut rest = &self.segments[..count];
        let mut groups = Vec::new();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|(segment, _)| {
                bytes += segment.bytes();
                bytes <= self.segment_bytes
            });
            let (group, others) = rest.split_at(fits.count().max(1));
            groups.push(group);
            rest = others;
        }
        groups
    }
}

impl Log {
    /// Compacts the partition if its dirty part is large enough or has waited long enough. Blocks; not from within an
    /// async task. Records of the segment that is written to, those at or above the last stable offset, and those
    /// younger than the minimum lag stay as they are.
    pub fn compact(
        &self,
        partition: PartitionId,
        options: &CompactionOptions,
    ) -> Result<CompactionReport, CompactionError> {
        let shared = self.shared();
        let _turn = Turn::take(shared, partition)?;
        let partition = self.partition(partition).ok_or(CompactionError::UnknownPartition)?;
        let now = shared.clock.wall_ms();
        self.roll_if_due(&partition, options, now)?;
        let mut plan = shared.plan(&partition, options, now)?;
        let mut report = CompactionReport {
            dirty_ratio: plan.dirty_ratio(),
            cleaned_to: plan.cleaned_to,
            ..CompactionReport::default()
        };
        let mut due = plan.due(options);
        while due {
            let pass = Pass {
                log: self,
                partition: &partition,
                plan: &plan,
                options,
                now,
            };
            let before = report.cleaned_to;
            match pass.run(&mut report) {
                Ok(true) => {}
                Ok(false) => break,
                // Trimmed or deleted under our hands: nothing is wrong, what is left is for the next time.
                Err(CompactionError::Read(_)) if !plan.still_stands(&partition) => break,
                Err(error) => return Err(error),
            }
            plan = shared.plan(&partition, options, now)?;
            due = report.cleaned_to > before && report.cleaned_to < plan.end();
        }
        Ok(report)
    }

    /// A segment that is written to so slowly that its first records wait longer than they may is closed.
    fn roll_if_due(
        &self,
        partition: &Partition,
        options: &CompactionOptions,
        now: TimestampMs,
    ) -> Result<(), CompactionError> {
        let answer = self.shared().enqueue(COMMIT_BYTES, true, |intake, _| {
            let head = head_of(intake, partition)?;
            let active = head
                .segments
                .last()
                .filter(|active| active.version == 0 && active.bytes > 0);
            let waits = |active: &SegmentMeta| now.saturating_sub(active.first_timestamp) > options.max_lag_ms;
            if active.is_some_and(waits) {
                head.sealed = true;
            }
            Ok((Vec::new(), Vec::new()))
        });
        // Whatever went to the segment before is durable after this.
        self.settled(answer)
    }

    fn settled(&self, answer: Result<crate::intake::Answer, CommitError>) -> Result<(), CompactionError> {
        let refused = |error: CommitError| CompactionError::Commit(error.cause);
        let receipt = self.receipt(answer.map_err(refused)?);
        receipt
            .wait()
            .map(|_| ())
            .map_err(|error| CompactionError::Commit(error.into()))
    }
}

fn head_of<'a>(intake: &'a mut Intake, partition: &Partition) -> Result<&'a mut crate::partition::Head, CommitError> {
    intake.heads.get_mut(&partition.id).ok_or(CommitError {
        op: 0,
        cause: CommitCause::UnknownPartition(partition.id),
    })
}

impl Shared {
    fn plan(
        &self,
        partition: &Partition,
        options: &CompactionOptions,
        now: TimestampMs,
    ) -> Result<Plan, CompactionError> {
        let (cleaned_to, sealed, metas, producers, segment_bytes) = {
            let mut intake = self.intake.lock();
            let head = head_of(&mut intake, partition).map_err(|error| CompactionError::Commit(error.cause))?;
            let last = head.segments.last();
            let sealed = last.filter(|last| head.sealed || last.version > 0).map(SegmentMeta::id);
            let limits = head
                .limits
                .map_or(self.options.segment_bytes_max, |limits| limits.segment_bytes);
            (
                head.cleaned_to,
                sealed,
                head.segments.clone(),
                head.producers.list(),
                limits,
            )
        };
        let view = partition.view.read();
        let last_stable = view.last_stable();
        let ends = view.segments.iter().skip(1).map(|segment| segment.base);
        let all = view.segments.iter().cloned().zip(ends.chain([view.high_watermark]));
        let old_enough = |segment: &Segment| {
            options.min_lag_ms <= 0 || segment.max_timestamp() <= now.saturating_sub(options.min_lag_ms)
        };
        let count = view.segments.len();
        let may = |(at, (segment, end)): &(usize, (Arc<Segment>, Offset))| {
            let closed = at + 1 < count || sealed == Some(segment.id());
            closed && *end <= last_stable && (*end <= cleaned_to || old_enough(segment))
        };
        let segments: Vec<(Arc<Segment>, Offset)> =
            all.enumerate().take_while(may).map(|(_, segment)| segment).collect();
        let dirty = segments.partition_point(|(_, end)| *end <= cleaned_to);
        let bytes = |list: &[(Arc<Segment>, Offset)]| list.iter().map(|(segment, _)| segment.bytes()).sum();
        let first_dirty = segments.get(dirty).map(|(segment, _)| segment.id());
        let waiting_since = first_dirty.and_then(|id| metas.iter().find(|meta| meta.id() == id));
        Ok(Plan {
            dirty_bytes: bytes(&segments[dirty..]),
            clean_bytes: bytes(&segments[..dirty]),
            overdue: waiting_since.is_some_and(|meta| now.saturating_sub(meta.first_timestamp) > options.max_lag_ms),
            epochs: Arc::clone(&view.epochs),
            log_start: view.log_start,
            cleaned_to,
            last_of_producers: LastOfProducers::of(&producers),
            segment_bytes,
            segments,
        })
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
}

impl Plan {
    /// Whether all its segments are still what readers see.
    fn still_stands(&self, partition: &Partition) -> bool {
        let view = partition.view.read();
        let there = |planned: &Arc<Segment>| view.segments.iter().any(|segment| Arc::ptr_eq(segment, planned));
        !view.deleted && self.segments.iter().all(|(segment, _)| there(segment))
    }
}

/// One way through the log with as many keys as fit into memory.
struct Pass<'a> {
    log: &'a Log,
    partition: &'a Arc<Partition>,
    plan: &'a Plan,
    options: &'a CompactionOptions,
    now: TimestampMs,
}

impl Pass<'_> {
    /// Whether it came to its end.
    fn run(&self, report: &mut CompactionReport) -> Result<bool, CompactionError> {
        let (keys, cleaned_to) = self.gather()?;
        let shared = self.log.shared();
        let mut cleaner = Cleaner {
            keys: &keys,
            transactions: Transactions::default(),
            last_of_producers: &self.plan.last_of_producers,
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
        for (segment, end) in plan.segments.iter().filter(|(_, end)| *end > plan.cleaned_to) {
            transactions.add(self.aborted_from(segment, *end)?);
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

    /// The aborted transactions that begin in a segment; for the first one those that began before it, too.
    fn aborted_from(&self, segment: &Segment, end: Offset) -> Result<Vec<Aborted>, CompactionError> {
        let first = self
            .plan
            .segments
            .first()
            .is_some_and(|(first, _)| first.base == segment.base);
        let mut list = self.log.aborted_overlapping(self.partition, segment.base..end)?;
        list.retain(|aborted| first || aborted.first_offset >= segment.base);
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
            Shared::accept_replacement(intake, &replaced, replacement).map(|ops| (ops, Vec::new()))
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
            cleaner.transactions.add(self.aborted_from(segment, *end)?);
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
