//! Which segments may be compacted now, and whether it is time.

use std::sync::Arc;

use base::{Offset, TimestampMs};

use super::head_of;
use crate::api::*;
use crate::partition::{EpochStart, Partition, SegmentMeta};
use crate::segment::Segment;
use crate::shared::Shared;

/// What may be compacted now.
pub(super) struct Plan {
    /// Whole segments from the first on, each with the end of its offsets.
    pub(super) segments: Vec<(Arc<Segment>, Offset)>,
    pub(super) epochs: Arc<[EpochStart]>,
    /// What ends before it goes.
    pub(super) log_start: Offset,
    pub(super) cleaned_to: Offset,
    pub(super) dirty_bytes: u64,
    pub(super) clean_bytes: u64,
    /// Something has waited longer than the maximum lag.
    pub(super) overdue: bool,
    pub(super) segment_bytes: u64,
}

impl Plan {
    pub(super) fn end(&self) -> Offset {
        self.segments.last().map_or(self.cleaned_to, |(_, end)| *end)
    }

    pub(super) fn dirty_ratio(&self) -> f64 {
        let total = self.dirty_bytes + self.clean_bytes;
        if total == 0 {
            0.0
        } else {
            self.dirty_bytes as f64 / total as f64
        }
    }

    pub(super) fn due(&self, options: &CompactionOptions) -> bool {
        let ratio_reached = self.dirty_ratio() > options.min_dirty_ratio;
        (options.force && !self.segments.is_empty()) || (self.dirty_bytes > 0 && (ratio_reached || self.overdue))
    }

    /// Those that are compacted together.
    pub(super) fn groups(&self, end: Offset) -> Vec<&[(Arc<Segment>, Offset)]> {
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

    /// Whether all its segments are still what readers see.
    pub(super) fn still_stands(&self, partition: &Partition) -> bool {
        let view = partition.view.read();
        let there = |planned: &Arc<Segment>| view.segments.iter().any(|segment| Arc::ptr_eq(segment, planned));
        !view.deleted && self.segments.iter().all(|(segment, _)| there(segment))
    }
}

impl Shared {
    /// What may be compacted of the partition at `now`.
    pub(super) fn plan(
        &self,
        partition: &Partition,
        options: &CompactionOptions,
        now: TimestampMs,
    ) -> Result<Plan, CompactionError> {
        let (cleaned_to, sealed, metas, segment_bytes) = {
            let mut intake = self.intake.lock();
            let head = head_of(&mut intake, partition).map_err(|error| CompactionError::Commit(error.cause))?;
            let last = head.segments.last();
            let sealed = last.filter(|last| head.sealed || last.version > 0).map(SegmentMeta::id);
            let limits = head
                .limits
                .map_or(self.options.segment_bytes_max, |limits| limits.segment_bytes);
            (head.cleaned_to, sealed, head.segments.clone(), limits)
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
            segment_bytes,
            segments,
        })
    }
}
