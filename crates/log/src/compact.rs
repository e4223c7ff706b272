//! Compaction: of every key only the last record stays, in its place.
//!
//! The rules are those of Kafka's cleaner. A pass learns the last offset of every key that was written since the last
//! one, as many as fit into memory; then it goes over all segments from the first on and writes what is left of them
//! into new segments, small ones together. Each new segment is synced under a name of its own, and a frame of the WAL
//! puts it in the place of the old ones; their files go when a checkpoint no longer names them. So a crash leaves
//! either, and whoever is reading from the old ones goes on with the new. What is damaged is never compacted.

use base::TimestampMs;

use crate::Log;
use crate::api::*;
use crate::partition::{Head, Partition, SegmentMeta};
use crate::shared::{Intake, Shared};

mod cleaner;
mod keys;
mod output;
mod pass;
mod plan;

use pass::Pass;

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

    /// Waits until what was queued is durable.
    fn settled(&self, answer: Result<crate::intake::Answer, CommitError>) -> Result<(), CompactionError> {
        let refused = |error: CommitError| CompactionError::Commit(error.cause);
        let receipt = self.receipt(answer.map_err(refused)?);
        receipt
            .wait()
            .map(|_| ())
            .map_err(|error| CompactionError::Commit(error.into()))
    }
}

fn head_of<'a>(intake: &'a mut Intake, partition: &Partition) -> Result<&'a mut Head, CommitError> {
    intake.heads.get_mut(&partition.id).ok_or(CommitError {
        op: 0,
        cause: CommitCause::UnknownPartition(partition.id),
    })
}
