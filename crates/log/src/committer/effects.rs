//! What a durable frame changes: batches go to their segments, then readers see them.

use std::ops::Range;
use std::sync::Arc;

use base::Offset;
use bytes::Bytes;

use super::Committer;
use crate::aborted::Aborted;
use crate::api::{LogError, PartitionId, TableId};
use crate::files::{FileKey, FileKind, SegmentId};
use crate::frame::{self, Place};
use crate::intake::headers;
use crate::partition::{EpochStart, Partition, trim_epochs, trimmed};
use crate::segment::{Reading, Segment};
use crate::shared::{Dirty, Prepared, Removal, Replacement, Shared};

/// Small appends to one partition are gathered into one write up to this size.
const GATHER_BYTES_MAX: usize = 1 << 20;

/// A segment that has grown to this size gets disk space in steps: what is set aside is at most a quarter of what is there.
const SET_ASIDE_FROM_BYTES: u64 = 16 << 20;
const SET_ASIDE_STEP_BYTES: u64 = 4 << 20;

/// What a durable frame changes for readers.
pub(super) enum Effect {
    Create(Arc<Partition>),
    Delete(Arc<Partition>),
    Append(Written),
    AdvanceStart {
        partition: Arc<Partition>,
        log_start: Offset,
    },
    Put {
        table: TableId,
        key: Bytes,
        value: Option<Bytes>,
    },
    Replace(Replacement),
    /// Nothing that readers see.
    Nothing,
}

pub(super) struct Written {
    partition: Arc<Partition>,
    place: Place,
    next_offset: Offset,
    /// Of the batches in the group's buffer.
    range: Range<usize>,
    aborted: Vec<Aborted>,
    first_open: Option<Offset>,
}

impl Committer {
    /// Copies the batches to their segments; readers do not see them yet.
    pub(super) fn write_segments(&mut self, shared: &Shared) -> Result<(), LogError> {
        let appends = self.effects.iter().filter_map(|effect| match effect {
            Effect::Append(written) => Some(written),
            _ => None,
        });
        let mut sorted: Vec<(PartitionId, Place, Range<usize>)> = appends
            .map(|written| (written.partition.id, written.place, written.range.clone()))
            .collect();
        sorted.sort_unstable_by_key(|(id, place, _)| (*id, *place));
        let mut rest = &sorted[..];
        while let Some((partition, place, first)) = rest.first() {
            let mut bytes = first.len();
            let mut count = 1;
            for (id, next, range) in &rest[1..] {
                let follows = id == partition
                    && next.segment_base == place.segment_base
                    && next.position == place.position + bytes as u64
                    && bytes + range.len() <= GATHER_BYTES_MAX;
                if !follows {
                    break;
                }
                bytes += range.len();
                count += 1;
            }
            let parts: Vec<&[u8]> = rest[..count]
                .iter()
                .map(|(_, _, range)| &self.buffer[range.clone()])
                .collect();
            write_segment(shared, *partition, *place, &parts, bytes as u64)?;
            rest = &rest[count..];
        }
        self.unchecked_space_bytes += sorted.iter().map(|(_, _, range)| range.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Lets readers see what is durable.
    pub(super) fn apply(&mut self, shared: &Shared) {
        let effects = std::mem::take(&mut self.effects);
        let mut touched: Vec<&Arc<Partition>> = Vec::new();
        let mut touch = |partition| touched.push(partition);
        let mut tables = None;
        for effect in &effects {
            match effect {
                Effect::Create(partition) => {
                    shared.partitions.write().insert(partition.id, Arc::clone(partition));
                }
                Effect::Delete(partition) => {
                    shared.partitions.write().remove(&partition.id);
                    partition.view.write().deleted = true;
                    self.removals.push(Removal::Partition(partition.id));
                    touch(partition);
                }
                Effect::Append(written) => {
                    self.show(shared, written);
                    touch(&written.partition);
                }
                Effect::AdvanceStart { partition, log_start } => {
                    let gone = advance_start(partition, *log_start);
                    self.removals
                        .extend(gone.iter().map(|segment| Removal::Segment(partition.id, segment.id())));
                    touch(partition);
                }
                Effect::Replace(replacement) => {
                    let id = replacement.partition.id;
                    let gone = replace(replacement);
                    self.removals
                        .extend(gone.iter().map(|segment| Removal::Segment(id, segment.id())));
                }
                Effect::Nothing => {}
                Effect::Put { table, key, value } => {
                    tables
                        .get_or_insert_with(|| shared.tables.write())
                        .put(*table, key, value.as_deref());
                }
            }
        }
        drop(tables);
        touched.sort_unstable_by_key(|partition| partition.id);
        touched.dedup_by_key(|partition| partition.id);
        for partition in touched {
            partition.notify();
        }
        self.effects = effects;
        self.effects.clear();
        if !shared.keeps_files() {
            shared.remove(&std::mem::take(&mut self.removals));
        }
    }

    fn show(&self, shared: &Shared, written: &Written) {
        let partition = &written.partition;
        let bytes = &self.buffer[written.range.clone()];
        let reading = index_only(shared, partition);
        let (active, expected, sealed) = {
            let mut view = partition.view.write();
            let expected = view.high_watermark;
            let last = view.segments.last().cloned();
            match last {
                Some(active) if active.base == written.place.segment_base => (active, expected, None),
                sealed => {
                    let active = Arc::new(Segment::fresh(SegmentId::first(written.place.segment_base)));
                    view.segments.push(Arc::clone(&active));
                    (active, expected, sealed)
                }
            }
        };
        if let Some(sealed) = sealed {
            sealed.seal(&reading);
            if sealed.bytes() > SET_ASIDE_FROM_BYTES
                && let Ok(file) = shared.files.existing(log_key(partition.id, sealed.base))
            {
                file.give_back();
            }
        }
        active.appended(&reading, written.place.position, expected, headers(bytes));
        active.note_aborted(&written.aborted);
        let mut view = partition.view.write();
        for header in headers(bytes) {
            if header.leader_epoch > view.epochs.last().map_or(-1, |entry| entry.epoch) {
                let entry = EpochStart {
                    epoch: header.leader_epoch,
                    start: header.base_offset,
                };
                view.epochs = view.epochs.iter().copied().chain([entry]).collect();
            }
        }
        view.high_watermark = written.next_offset;
        view.first_open = written.first_open;
    }
}

/// Writes an operation into its frame; what it changes for readers is left for when the frame is durable.
pub(super) fn encode_op(buffer: &mut Vec<u8>, op: &Prepared) -> Effect {
    match op {
        Prepared::Create(partition) => {
            frame::put_create(buffer, partition.id);
            Effect::Create(Arc::clone(partition))
        }
        Prepared::Delete(partition) => {
            frame::put_delete(buffer, partition.id);
            Effect::Delete(Arc::clone(partition))
        }
        Prepared::Append(append) => {
            let id = append.partition.id;
            let range = frame::put_append(buffer, id, append.base_offset, append.place, &append.batches);
            if let Some(leader_epoch) = append.leader_epoch {
                let batch = &mut buffer[range.clone()];
                wire::patch_base_offset(batch, append.base_offset);
                wire::patch_leader_epoch(batch, leader_epoch);
            }
            let (partition, next_offset) = (Arc::clone(&append.partition), append.next_offset);
            Effect::Append(Written {
                partition,
                place: append.place,
                next_offset,
                range,
                aborted: append.aborted.clone(),
                first_open: append.first_open,
            })
        }
        Prepared::AdvanceStart { partition, log_start } => {
            frame::put_advance_start(buffer, partition.id, *log_start);
            Effect::AdvanceStart {
                partition: Arc::clone(partition),
                log_start: *log_start,
            }
        }
        Prepared::Replace(replacement) => {
            let added = replacement.added.as_ref().map(|(meta, _)| meta);
            let Replacement {
                partition, base, end, ..
            } = replacement;
            frame::put_replace(buffer, partition.id, *base, *end, added);
            Effect::Replace(replacement.clone())
        }
        Prepared::Cleaned { partition, cleaned_to } => {
            frame::put_cleaned(buffer, partition.id, *cleaned_to);
            Effect::Nothing
        }
        Prepared::Put { table, key, value } => {
            frame::put_put(buffer, *table, key, value.as_deref());
            Effect::Put {
                table: *table,
                key: key.clone(),
                value: value.clone(),
            }
        }
    }
}

/// For work on a segment's index and its aborted transactions, which asks for no epochs.
pub(super) fn index_only<'a>(shared: &'a Shared, partition: &Partition) -> Reading<'a> {
    Reading {
        files: &shared.files,
        partition: partition.id,
        end: Offset::MAX,
        log_start: 0,
        epochs: &[],
        apart_until: None,
    }
}

fn log_key(partition: PartitionId, segment_base: Offset) -> FileKey {
    FileKey {
        partition,
        segment: SegmentId::first(segment_base),
        kind: FileKind::Log,
    }
}

fn write_segment(
    shared: &Shared,
    partition: PartitionId,
    place: Place,
    parts: &[&[u8]],
    bytes: u64,
) -> Result<(), LogError> {
    let key = log_key(partition, place.segment_base);
    let written = shared.files.create(key).and_then(|(file, created)| {
        if let Some((start, end)) = to_set_aside(place.position, bytes) {
            file.set_aside(start, end);
        }
        file.write_parts_at(parts, place.position)?;
        Ok((file, created))
    });
    let (file, created) = written.map_err(|error| shared.io_error("writing", &shared.files.path(key), error))?;
    if shared.keeps_files() {
        let mut jobs = shared.jobs.lock();
        let fresh = Dirty {
            file,
            bytes: 0,
            created: false,
        };
        let dirty = jobs.dirty.entry((partition, key.segment)).or_insert(fresh);
        dirty.bytes += bytes;
        dirty.created |= created;
        jobs.dirty_bytes += bytes;
        if jobs.sync_due(&shared.options) {
            shared.job_arrived.notify_one();
        }
    }
    Ok(())
}

/// The disk space to set aside before `bytes` are written at `position`.
fn to_set_aside(position: u64, bytes: u64) -> Option<(u64, u64)> {
    let have = if position > SET_ASIDE_FROM_BYTES {
        position.next_multiple_of(SET_ASIDE_STEP_BYTES)
    } else {
        position
    };
    let end = (position + bytes).next_multiple_of(SET_ASIDE_STEP_BYTES);
    (end > SET_ASIDE_FROM_BYTES && end > have).then_some((have, end))
}

fn replace(replacement: &Replacement) -> Vec<Arc<Segment>> {
    let mut view = replacement.partition.view.write();
    let from = view.segments.partition_point(|segment| segment.base < replacement.base);
    let to = view.segments.partition_point(|segment| segment.base < replacement.end);
    let added = replacement.added.as_ref().map(|(_, segment)| Arc::clone(segment));
    view.replacements += 1;
    view.segments.splice(from..to, added).collect()
}

fn advance_start(partition: &Partition, log_start: Offset) -> Vec<Arc<Segment>> {
    let mut view = partition.view.write();
    view.log_start = view.log_start.max(log_start);
    let gone = trimmed(
        &view.segments,
        |segment| segment.base,
        view.log_start,
        view.high_watermark,
    );
    let mut epochs = view.epochs.to_vec();
    trim_epochs(&mut epochs, view.log_start);
    view.epochs = Arc::from(epochs);
    view.segments.drain(..gone).collect()
}
