//! A partition in memory: what is accepted (the head, for commits) and what is durable (the view, for readers).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::{Offset, TimestampMs};
use bytes::BufMut;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use wire::{BatchHeader, EndMarker};

use crate::aborted::{ABORTED_MAX, Aborted};
use crate::api::{Bounds, PartitionId, SegmentLimits};
use crate::codec::Fields;
use crate::files::SegmentId;
use crate::frame::Place;
use crate::producers::{Producer, Producers};
use crate::segment::Segment;

/// From `start` on batches carry `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochStart {
    pub(crate) epoch: i32,
    pub(crate) start: Offset,
}

/// The epoch of the batch with this base offset; -1 before the first.
pub(crate) fn epoch_of(epochs: &[EpochStart], base_offset: Offset) -> i32 {
    let after = epochs.partition_point(|entry| entry.start <= base_offset);
    after.checked_sub(1).map_or(-1, |at| epochs[at].epoch)
}

/// A segment as the head knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentMeta {
    pub(crate) base: Offset,
    /// 0 as it was written; each compaction that it went through raises it.
    pub(crate) version: u32,
    pub(crate) bytes: u64,
    /// Of its first batch; [`TimestampMs::MIN`] while there is none.
    pub(crate) first_timestamp: TimestampMs,
    pub(crate) max_timestamp: TimestampMs,
    /// How many aborted transactions have their markers here.
    pub(crate) aborted: u32,
}

impl SegmentMeta {
    pub(crate) fn fresh(base: Offset) -> SegmentMeta {
        SegmentMeta {
            base,
            version: 0,
            bytes: 0,
            first_timestamp: TimestampMs::MIN,
            max_timestamp: TimestampMs::MIN,
            aborted: 0,
        }
    }

    pub(crate) fn id(&self) -> SegmentId {
        SegmentId {
            base: self.base,
            version: self.version,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64_le(self.base);
        out.put_u32_le(self.version);
        out.put_u64_le(self.bytes);
        out.put_i64_le(self.first_timestamp);
        out.put_i64_le(self.max_timestamp);
        out.put_u32_le(self.aborted);
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<SegmentMeta> {
        Some(SegmentMeta {
            base: fields.i64()?,
            version: fields.u32()?,
            bytes: fields.u64()?,
            first_timestamp: fields.i64()?,
            max_timestamp: fields.i64()?,
            aborted: fields.u32()?,
        })
    }
}

/// What has been accepted for a partition, durable or not. Commits are judged by it and change it.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) partition: Arc<Partition>,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    /// Compaction has seen to the records before it.
    pub(crate) cleaned_to: Offset,
    pub(crate) limits: Option<SegmentLimits>,
    /// The next append begins a new segment.
    pub(crate) sealed: bool,
    pub(crate) segments: Vec<SegmentMeta>,
    pub(crate) epochs: Vec<EpochStart>,
    pub(crate) producers: Producers,
    /// Those whose markers stand in the active segment.
    pub(crate) aborted: Vec<Aborted>,
}

/// How a head was before an append, for taking the append back.
pub(crate) struct HeadMark {
    log_end: Offset,
    segment_count: usize,
    last_segment: Option<SegmentMeta>,
    epoch_count: usize,
    aborted_count: usize,
    was_sealed: bool,
}

/// What an append adds to a head.
pub(crate) struct Addition {
    pub(crate) bytes: u64,
    pub(crate) next_offset: Offset,
    pub(crate) first_timestamp: TimestampMs,
    pub(crate) max_timestamp: TimestampMs,
}

/// A segment that nothing will be appended to any more, and the aborted transactions in it.
pub(crate) type Sealed = (SegmentMeta, Vec<Aborted>);

impl Head {
    pub(crate) fn new(partition: Arc<Partition>) -> Head {
        Head {
            partition,
            log_start: 0,
            log_end: 0,
            cleaned_to: 0,
            limits: None,
            sealed: false,
            segments: Vec::new(),
            epochs: Vec::new(),
            producers: Producers::default(),
            aborted: Vec::new(),
        }
    }

    pub(crate) fn latest_epoch(&self) -> i32 {
        self.epochs.last().map_or(-1, |entry| entry.epoch)
    }

    /// Where an append goes: into the active segment, or into a new one that begins with it.
    pub(crate) fn place(
        &self,
        base_offset: Offset,
        bytes: u64,
        max_timestamp: TimestampMs,
        segment_bytes_max: u64,
    ) -> Place {
        let bytes_max = self.limits.map_or(segment_bytes_max, |limits| limits.segment_bytes);
        let span_max = self.limits.and_then(|limits| limits.segment_ms);
        let takes = |active: &SegmentMeta| {
            let span = max_timestamp.saturating_sub(active.first_timestamp);
            active.version == 0
                && active.bytes + bytes <= bytes_max
                && (active.aborted as usize) < ABORTED_MAX
                && span_max.is_none_or(|span_max| span <= span_max)
        };
        match self.segments.last() {
            Some(active) if !self.sealed && takes(active) => Place {
                segment_base: active.base,
                position: active.bytes,
            },
            _ => Place {
                segment_base: base_offset,
                position: 0,
            },
        }
    }

    /// Begins the segment that `place` names, if it is not the active one; gives back the one that is sealed by this.
    pub(crate) fn begin(&mut self, place: Place) -> Option<Sealed> {
        let active = self.segments.last().copied();
        if active.is_some_and(|active| active.base == place.segment_base) {
            return None;
        }
        self.segments.push(SegmentMeta::fresh(place.segment_base));
        self.sealed = false;
        let aborted = std::mem::take(&mut self.aborted);
        active.map(|active| (active, aborted))
    }

    /// Takes note of what a batch means for epochs, producers and transactions. Its segment has begun.
    pub(crate) fn note_batch(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        leader_epoch: i32,
        now: TimestampMs,
    ) -> Option<Aborted> {
        self.note_epoch(leader_epoch, header.base_offset);
        self.producers.record(header, now);
        if !header.is_control() || !header.is_idempotent() {
            return None;
        }
        let marker = EndMarker::read(batch)?;
        let aborted = self.producers.end(header, marker, now)?;
        self.aborted.push(aborted);
        if let Some(active) = self.segments.last_mut() {
            active.aborted += 1;
        }
        Some(aborted)
    }

    pub(crate) fn append(&mut self, place: Place, addition: &Addition) {
        if let Some(active) = self.segments.last_mut() {
            if active.bytes == 0 {
                active.first_timestamp = addition.first_timestamp;
            }
            active.bytes = place.position + addition.bytes;
            active.max_timestamp = active.max_timestamp.max(addition.max_timestamp);
        }
        self.log_end = addition.next_offset;
    }

    fn note_epoch(&mut self, epoch: i32, start: Offset) {
        if epoch > self.latest_epoch() {
            self.epochs.push(EpochStart { epoch, start });
        }
    }

    /// Moves the start; returns the segments that nobody can read any more.
    pub(crate) fn advance_start(&mut self, log_start: Offset) -> Vec<SegmentMeta> {
        self.log_start = self.log_start.max(log_start);
        let gone = trimmed(&self.segments, |segment| segment.base, self.log_start, self.log_end);
        let gone = self.segments.drain(..gone).collect();
        if self.segments.is_empty() {
            self.aborted.clear();
        }
        trim_epochs(&mut self.epochs, self.log_start);
        gone
    }

    /// Puts what compaction left in the place of the segments that begin in `base..end`; returns those.
    pub(crate) fn replace(&mut self, base: Offset, end: Offset, added: Option<SegmentMeta>) -> Vec<SegmentMeta> {
        let from = self.segments.partition_point(|segment| segment.base < base);
        let to = self.segments.partition_point(|segment| segment.base < end);
        if to == self.segments.len() {
            // Those of the last segment move to the new one's file.
            self.aborted.clear();
        }
        self.segments.splice(from..to, added).collect()
    }

    /// The planted fault of checkpoints without them.
    #[cfg(test)]
    pub(crate) fn forget_aborted(&mut self) {
        self.aborted.clear();
        if let Some(active) = self.segments.last_mut() {
            active.aborted = 0;
        }
    }

    /// Takes note of how things stand before an append.
    pub(crate) fn mark(&self) -> HeadMark {
        HeadMark {
            log_end: self.log_end,
            segment_count: self.segments.len(),
            last_segment: self.segments.last().copied(),
            epoch_count: self.epochs.len(),
            aborted_count: self.aborted.len(),
            was_sealed: self.sealed,
        }
    }

    pub(crate) fn undo_append(
        &mut self,
        mark: &HeadMark,
        sealed: Option<Sealed>,
        producers: Vec<(i64, Option<Producer>)>,
    ) {
        self.log_end = mark.log_end;
        self.sealed = mark.was_sealed;
        self.segments.truncate(mark.segment_count);
        if let (Some(active), Some(before)) = (self.segments.last_mut(), mark.last_segment) {
            *active = before;
        }
        self.epochs.truncate(mark.epoch_count);
        if let Some((_, aborted)) = sealed {
            self.aborted = aborted;
        }
        self.aborted.truncate(mark.aborted_count);
        for (producer_id, before) in producers.into_iter().rev() {
            self.producers.restore(producer_id, before);
        }
    }
}

/// How many of the first segments lie wholly before `log_start`.
pub(crate) fn trimmed<T>(segments: &[T], base: impl Fn(&T) -> Offset, log_start: Offset, log_end: Offset) -> usize {
    let ends = segments.iter().skip(1).map(base).chain([log_end]);
    ends.take(segments.len()).take_while(|&end| end <= log_start).count()
}

/// Forgets epochs that ended before `log_start`; the one in force there begins there now.
pub(crate) fn trim_epochs(epochs: &mut Vec<EpochStart>, log_start: Offset) {
    let ended = epochs.iter().skip(1).take_while(|next| next.start <= log_start).count();
    epochs.drain(..ended);
}

/// What readers see of a partition: only what is durable.
pub(crate) struct View {
    pub(crate) log_start: Offset,
    pub(crate) high_watermark: Offset,
    /// Where the oldest open transaction begins.
    pub(crate) first_open: Option<Offset>,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) epochs: Arc<[EpochStart]>,
    pub(crate) deleted: bool,
    /// How often compaction has replaced segments: a read that fails meanwhile is tried again.
    pub(crate) replacements: u64,
}

impl View {
    /// Of an open transaction whose first records were trimmed the rest is still undecided, so the start counts then.
    pub(crate) fn last_stable(&self) -> Offset {
        let undecided = self.first_open.map(|first| first.max(self.log_start));
        undecided.map_or(self.high_watermark, |first| first.min(self.high_watermark))
    }
}

/// A partition, shared by readers and the commit thread.
pub(crate) struct Partition {
    pub(crate) id: PartitionId,
    pub(crate) view: RwLock<View>,
    /// The head's log end, for reading without the intake's lock.
    log_end: AtomicI64,
    watchers: Mutex<Vec<Watcher>>,
}

struct Watcher {
    number: u64,
    waiter: Arc<Notify>,
}

impl Partition {
    pub(crate) fn empty(id: PartitionId) -> Partition {
        let view = View {
            log_start: 0,
            high_watermark: 0,
            first_open: None,
            segments: Vec::new(),
            epochs: Arc::from([]),
            deleted: false,
            replacements: 0,
        };
        Partition::with_view(id, view)
    }

    pub(crate) fn with_view(id: PartitionId, view: View) -> Partition {
        let log_end = AtomicI64::new(view.high_watermark);
        Partition {
            id,
            view: RwLock::new(view),
            log_end,
            watchers: Mutex::default(),
        }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds_of(&self.view.read())
    }

    pub(crate) fn bounds_of(&self, view: &View) -> Bounds {
        let (log_start, high_watermark) = (view.log_start, view.high_watermark);
        Bounds {
            log_start,
            last_stable: view.last_stable(),
            high_watermark,
            log_end: self.log_end.load(Ordering::Acquire).max(high_watermark),
        }
    }

    pub(crate) fn set_log_end(&self, log_end: Offset) {
        self.log_end.store(log_end, Ordering::Release);
    }

    pub(crate) fn watch(&self, number: u64, waiter: Arc<Notify>) {
        self.watchers.lock().push(Watcher { number, waiter });
    }

    pub(crate) fn unwatch(&self, number: u64) {
        let mut watchers = self.watchers.lock();
        watchers.retain(|watcher| watcher.number != number);
        if watchers.is_empty() {
            // Ten thousand idle partitions keep no list.
            *watchers = Vec::new();
        }
    }

    pub(crate) fn notify(&self) {
        for watcher in self.watchers.lock().iter() {
            watcher.waiter.notify_one();
        }
    }
}
