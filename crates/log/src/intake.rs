//! Takes commits in: checks every operation, gives appends their offsets, queues the whole or refuses the whole.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::{Offset, TimestampMs};
use bytes::Bytes;
use tokio::sync::oneshot;
use wire::batch::check_crc;
use wire::{BatchError, BatchHeader, EndMarker};

use crate::aborted::Aborted;
use crate::api::*;
use crate::frame::FRAME_HEADER_BYTES;
use crate::partition::{Addition, EpochStart, Head, HeadMark, Partition, Sealed, SegmentMeta};
use crate::producers::{BATCHES_REMEMBERED, Producer, Standing};
use crate::shared::{Intake, Pending, Prepared, PreparedAppend, Shared, State};

/// What an operation weighs besides its bytes: its fields in the frame.
const OP_OVERHEAD_BYTES: u64 = 64;
/// The settled outcomes, and where the word comes that they are durable.
pub(crate) type Answer = (Vec<Outcome>, oneshot::Receiver<Result<(), LogError>>);

/// How to take an operation back.
enum Undo {
    Create(PartitionId),
    Delete(PartitionId, Head),
    Append {
        partition: PartitionId,
        mark: HeadMark,
        sealed: Option<Sealed>,
        producers: Vec<(i64, Option<Producer>)>,
    },
    Start {
        partition: PartitionId,
        log_start: Offset,
        segments: Vec<SegmentMeta>,
        epochs: Vec<EpochStart>,
        aborted: Vec<Aborted>,
    },
}

/// Walks the batches that stand one after another; ends at the first whose header cannot be read.
pub(crate) fn walk(bytes: &[u8]) -> impl Iterator<Item = (BatchHeader, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let header = BatchHeader::parse(rest).ok()?;
        at += header.size_bytes();
        Some((header, &rest[..header.size_bytes().min(rest.len())]))
    })
}

/// As [`walk`], the headers alone.
pub(crate) fn headers(bytes: &[u8]) -> impl Iterator<Item = BatchHeader> {
    walk(bytes).map(|(header, _)| header)
}

/// The header of the one batch that `batch` must be. The caller has checked the checksum.
fn single(batch: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let (have, need) = (batch.len(), header.size_bytes());
    if have < need {
        return Err(BatchError::Truncated { have, need });
    }
    if have > need {
        return Err(BatchError::Length(header.length));
    }
    if header.count < 1 || header.last_offset_delta < 0 {
        let (count, last_offset_delta) = (header.count, header.last_offset_delta);
        return Err(BatchError::Count {
            count,
            last_offset_delta,
        });
    }
    Ok(header)
}

/// The headers of batches that another log gave their offsets.
fn followers(batches: &[u8]) -> Result<Vec<BatchHeader>, BatchError> {
    let mut headers = Vec::new();
    let mut at = 0;
    while at < batches.len() {
        let header = check_crc(&batches[at..])?;
        if header.last_offset_delta < 0 || header.base_offset < 0 {
            let (count, last_offset_delta) = (header.count, header.last_offset_delta);
            return Err(BatchError::Count {
                count,
                last_offset_delta,
            });
        }
        at += header.size_bytes();
        headers.push(header);
    }
    if headers.is_empty() {
        Err(BatchError::Empty)
    } else {
        Ok(headers)
    }
}

fn op_bytes(op: &Op) -> u64 {
    let bytes = match op {
        Op::Append { batch, .. } => batch.len(),
        Op::AppendAsFollower { batches, .. } => batches.len(),
        Op::Put { key, value, .. } => key.len() + value.as_ref().map_or(0, Bytes::len),
        Op::CreatePartition { .. } | Op::DeletePartition { .. } | Op::AdvanceStart { .. } => 0,
    };
    bytes as u64 + OP_OVERHEAD_BYTES
}

fn appends(op: &Op) -> bool {
    matches!(op, Op::Append { .. } | Op::AppendAsFollower { .. })
}

impl Shared {
    pub(crate) fn commit(&self, ops: Vec<Op>) -> Result<Answer, CommitError> {
        let at_first = |cause| CommitError { op: 0, cause };
        let bytes = FRAME_HEADER_BYTES as u64 + ops.iter().map(op_bytes).sum::<u64>();
        let bytes_max = self.options.wal_segment_bytes.max(1 << 16);
        if bytes > bytes_max {
            return Err(at_first(CommitCause::TooLarge { bytes, bytes_max }));
        }
        if let Some(op) = ops.iter().position(appends) {
            self.check_space().map_err(|cause| CommitError { op, cause })?;
        }
        self.enqueue(bytes, false, |intake, now| self.accept(intake, ops, now))
    }

    /// Queues what `accept` makes of the state, as one unit. What is urgent does not wait for room.
    pub(crate) fn enqueue(
        &self,
        bytes: u64,
        urgent: bool,
        accept: impl FnOnce(&mut Intake, TimestampMs) -> Result<(Vec<Prepared>, Vec<Outcome>), CommitError>,
    ) -> Result<Answer, CommitError> {
        let at_first = |cause| CommitError { op: 0, cause };
        let wall_ms = self.clock.wall_ms();
        let (sender, receiver) = oneshot::channel();
        let mut intake = self.intake.lock();
        match &intake.state {
            State::Open => {}
            State::Closing => return Err(at_first(LogError::Closed.into())),
            State::Stopped(error) => return Err(at_first(error.clone().into())),
        }
        let full = intake.held_commits >= self.options.pending_commits_max
            || (intake.held_commits > 0 && intake.held_bytes + bytes > self.options.pending_bytes_max);
        if full && !urgent {
            return Err(at_first(CommitCause::Busy));
        }
        let (prepared, outcomes) = accept(&mut intake, wall_ms)?;
        intake.held_bytes += bytes;
        intake.held_commits += 1;
        let was_idle = intake.queue.is_empty();
        intake.queue.push_back(Pending {
            ops: prepared,
            bytes,
            wall_ms,
            done: sender,
        });
        drop(intake);
        if was_idle {
            self.arrived.notify_one();
        }
        Ok((outcomes, receiver))
    }

    /// How many batches of a producer are known again when they come twice.
    fn window(&self) -> usize {
        #[cfg(test)]
        if self.options.planted == Planted::ShortWindow {
            return BATCHES_REMEMBERED - 1;
        }
        BATCHES_REMEMBERED
    }

    /// Looks at free space again only while it was short.
    fn check_space(&self) -> Result<(), CommitCause> {
        if !self.low_space.load(Ordering::Relaxed) {
            return Ok(());
        }
        let free_bytes = self.disk.free_bytes(&self.options.dir).unwrap_or(0);
        if free_bytes < self.options.free_bytes_min {
            return Err(CommitCause::DiskFull { free_bytes });
        }
        self.low_space.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn accept(
        &self,
        intake: &mut Intake,
        ops: Vec<Op>,
        now: TimestampMs,
    ) -> Result<(Vec<Prepared>, Vec<Outcome>), CommitError> {
        let mut prepared = Vec::with_capacity(ops.len());
        let mut outcomes = Vec::with_capacity(ops.len());
        let mut undo = Vec::new();
        for (index, op) in ops.into_iter().enumerate() {
            match self.accept_op(intake, op, now, &mut undo) {
                Ok((op, outcome)) => {
                    prepared.extend(op);
                    outcomes.push(outcome);
                }
                Err(cause) => {
                    while let Some(step) = undo.pop() {
                        take_back(intake, step);
                    }
                    return Err(CommitError { op: index, cause });
                }
            }
        }
        for op in &prepared {
            if let Prepared::Append(append) = op {
                append.partition.set_log_end(append.next_offset);
            }
        }
        Ok((prepared, outcomes))
    }

    /// One operation: what is to be written (nothing for a duplicate) and what the caller is told.
    fn accept_op(
        &self,
        intake: &mut Intake,
        op: Op,
        now: TimestampMs,
        undo: &mut Vec<Undo>,
    ) -> Result<(Option<Prepared>, Outcome), CommitCause> {
        match op {
            Op::CreatePartition { partition } => {
                if intake.deleting.contains(&partition) {
                    return Err(CommitCause::PartitionExists(partition));
                }
                let Entry::Vacant(vacant) = intake.heads.entry(partition) else {
                    return Err(CommitCause::PartitionExists(partition));
                };
                let shared = Arc::new(Partition::empty(partition));
                vacant.insert(Head::new(Arc::clone(&shared)));
                undo.push(Undo::Create(partition));
                Ok((Some(Prepared::Create(shared)), Outcome::Done))
            }
            Op::DeletePartition { partition } => {
                let head = intake
                    .heads
                    .remove(&partition)
                    .ok_or(CommitCause::UnknownPartition(partition))?;
                intake.deleting.insert(partition);
                let shared = Arc::clone(&head.partition);
                undo.push(Undo::Delete(partition, head));
                Ok((Some(Prepared::Delete(shared)), Outcome::Done))
            }
            Op::Append {
                partition,
                batch,
                leader_epoch,
            } => self.accept_append(intake, partition, batch, leader_epoch, now, undo),
            Op::AppendAsFollower { partition, batches } => {
                self.accept_as_follower(intake, partition, batches, now, undo)
            }
            Op::AdvanceStart { partition, log_start } => {
                let head = intake
                    .heads
                    .get_mut(&partition)
                    .ok_or(CommitCause::UnknownPartition(partition))?;
                if log_start > head.log_end {
                    return Err(CommitCause::OffsetOutOfRange {
                        log_end: head.log_end,
                        found: log_start,
                    });
                }
                undo.push(Undo::Start {
                    partition,
                    log_start: head.log_start,
                    segments: head.segments.clone(),
                    epochs: head.epochs.clone(),
                    aborted: head.aborted.clone(),
                });
                head.advance_start(log_start);
                let shared = Arc::clone(&head.partition);
                Ok((
                    Some(Prepared::AdvanceStart {
                        partition: shared,
                        log_start,
                    }),
                    Outcome::Done,
                ))
            }
            Op::Put { table, key, value } => Ok((Some(Prepared::Put { table, key, value }), Outcome::Done)),
        }
    }

    fn accept_append(
        &self,
        intake: &mut Intake,
        partition: PartitionId,
        batch: Bytes,
        leader_epoch: i32,
        now: TimestampMs,
        undo: &mut Vec<Undo>,
    ) -> Result<(Option<Prepared>, Outcome), CommitCause> {
        let mut header = single(&batch)?;
        let head = intake
            .heads
            .get_mut(&partition)
            .ok_or(CommitCause::UnknownPartition(partition))?;
        let log_start = head.log_start;
        let standing = head
            .producers
            .check(&header, now, self.options.producer_expiration_ms, self.window())?;
        if let Standing::Duplicate {
            base_offset,
            last_offset,
        } = standing
        {
            // Queued without anything to write: it resolves when all before it, the original included, is durable.
            let appended = Appended {
                base_offset,
                last_offset,
                log_start,
                duplicate: true,
            };
            return Ok((None, Outcome::Appended(appended)));
        }
        let current = head.latest_epoch();
        if leader_epoch < current {
            return Err(CommitCause::FencedLeaderEpoch {
                current,
                found: leader_epoch,
            });
        }
        if header.is_control() && header.is_idempotent() && EndMarker::read(&batch).is_none() {
            return Err(BatchError::Record { index: 0 }.into());
        }
        let base_offset = head.log_end;
        header.base_offset = base_offset;
        let (append, undone) = self.take_in(head, batch, &[header], Some(leader_epoch), now);
        undo.push(undone);
        let appended = Appended {
            base_offset,
            last_offset: header.last_offset(),
            log_start,
            duplicate: false,
        };
        Ok((Some(append), Outcome::Appended(appended)))
    }

    fn accept_as_follower(
        &self,
        intake: &mut Intake,
        partition: PartitionId,
        batches: Bytes,
        now: TimestampMs,
        undo: &mut Vec<Undo>,
    ) -> Result<(Option<Prepared>, Outcome), CommitCause> {
        let headers = followers(&batches)?;
        let head = intake
            .heads
            .get_mut(&partition)
            .ok_or(CommitCause::UnknownPartition(partition))?;
        let (mut log_end, mut current) = (head.log_end, head.latest_epoch());
        for header in &headers {
            if header.base_offset < log_end {
                return Err(CommitCause::OffsetTaken {
                    log_end,
                    found: header.base_offset,
                });
            }
            if header.leader_epoch < current {
                return Err(CommitCause::FencedLeaderEpoch {
                    current,
                    found: header.leader_epoch,
                });
            }
            log_end = header.next_offset();
            current = header.leader_epoch;
        }
        let base_offset = headers[0].base_offset;
        let log_start = head.log_start;
        let (append, undone) = self.take_in(head, batches, &headers, None, now);
        undo.push(undone);
        let appended = Appended {
            base_offset,
            last_offset: log_end - 1,
            log_start,
            duplicate: false,
        };
        Ok((Some(append), Outcome::Appended(appended)))
    }

    /// Changes the head by an append that was found good.
    fn take_in(
        &self,
        head: &mut Head,
        batches: Bytes,
        headers: &[BatchHeader],
        leader_epoch: Option<i32>,
        now: TimestampMs,
    ) -> (Prepared, Undo) {
        let bytes = batches.len() as u64;
        let base_offset = headers[0].base_offset;
        let timestamps = headers.iter().map(|header| header.max_timestamp);
        let max_timestamp = timestamps.fold(TimestampMs::MIN, TimestampMs::max);
        let place = head.place(base_offset, bytes, max_timestamp, self.options.segment_bytes_max);
        let mark = head.mark();
        let sealed = head.begin(place);
        let mut producers = Vec::new();
        let mut aborted = Vec::new();
        let mut at = 0;
        for header in headers {
            if header.is_idempotent() {
                producers.push((header.producer_id, head.producers.get(header.producer_id).cloned()));
            }
            let epoch = leader_epoch.unwrap_or(header.leader_epoch);
            aborted.extend(head.note_batch(header, &batches[at..], epoch, now));
            at += header.size_bytes();
        }
        let next_offset = headers[headers.len() - 1].next_offset();
        head.append(
            place,
            &Addition {
                bytes,
                next_offset,
                first_timestamp: headers[0].max_timestamp,
                max_timestamp,
            },
        );
        let append = PreparedAppend {
            partition: Arc::clone(&head.partition),
            batches,
            base_offset,
            next_offset,
            place,
            leader_epoch,
            aborted,
            first_open: head.producers.first_open(),
        };
        let undone = Undo::Append {
            partition: head.partition.id,
            mark,
            sealed,
            producers,
        };
        (Prepared::Append(append), undone)
    }
}

fn take_back(intake: &mut Intake, step: Undo) {
    match step {
        Undo::Create(partition) => {
            intake.heads.remove(&partition);
        }
        Undo::Delete(partition, head) => {
            intake.deleting.remove(&partition);
            intake.heads.insert(partition, head);
        }
        Undo::Append {
            partition,
            mark,
            sealed,
            producers,
        } => {
            if let Some(head) = intake.heads.get_mut(&partition) {
                head.undo_append(&mark, sealed, producers);
            }
        }
        Undo::Start {
            partition,
            log_start,
            segments,
            epochs,
            aborted,
        } => {
            if let Some(head) = intake.heads.get_mut(&partition) {
                head.log_start = log_start;
                head.segments = segments;
                head.epochs = epochs;
                head.aborted = aborted;
            }
        }
    }
}
