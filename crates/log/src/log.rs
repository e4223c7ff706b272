//! The handle everybody holds: commits, reads, tables, watches.
#![allow(
    clippy::unimplemented,
    unused_variables,
    clippy::unused_async,
    reason = "signatures first"
)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base::{Offset, TimestampMs};
use bytes::Bytes;
use tokio::sync::Notify;

use crate::api::*;

/// The log of one data directory. Clones are the same log.
#[derive(Clone)]
pub struct Log {}

impl Log {
    /// Opens the directory, recovers what the last process left, starts the threads.
    pub fn open(options: LogOptions, env: Env) -> Result<(Log, RecoveryReport), LogError> {
        unimplemented!()
    }

    /// Ends in order: what was committed becomes durable, a checkpoint is written. Later calls get [`LogError::Closed`].
    pub fn close(&self) -> Result<(), LogError> {
        unimplemented!()
    }

    /// Resolves when the log had to stop, with the reason; never otherwise.
    pub async fn failed(&self) -> LogError {
        unimplemented!()
    }

    /// Does all the work there is, when [`LogOptions::driven`]; otherwise nothing.
    pub fn drive(&self) {
        unimplemented!()
    }

    /// Checks all operations, gives appends their offsets in the order of calls, and queues them as one unit: after
    /// whatever happens either all of them took place or none. Never blocks on the disk.
    pub fn commit(&self, ops: Vec<Op>) -> Result<Receipt, CommitError> {
        unimplemented!()
    }

    /// Waits until [`CommitCause::Busy`] is over.
    pub async fn wait_for_room(&self) {
        unimplemented!()
    }

    /// Whole batches from the one that contains `offset` on, up to the high watermark and to `bytes_max`, which only
    /// a first batch may exceed, and only if `at_least_one`.
    pub fn read(
        &self,
        partition: PartitionId,
        offset: Offset,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<ReadResult, ReadError> {
        unimplemented!()
    }

    pub fn bounds(&self, partition: PartitionId) -> Option<Bounds> {
        unimplemented!()
    }

    /// The first record at or after `timestamp`.
    pub fn find_by_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> Result<Option<FoundByTime>, ReadError> {
        unimplemented!()
    }

    /// The first of the records with the largest timestamp.
    pub fn max_timestamp(&self, partition: PartitionId) -> Result<Option<FoundByTime>, ReadError> {
        unimplemented!()
    }

    /// The largest epoch not above `leader_epoch`, and the offset where it ends.
    pub fn epoch_end(&self, partition: PartitionId, leader_epoch: i32) -> Option<(i32, Offset)> {
        unimplemented!()
    }

    pub fn latest_epoch(&self, partition: PartitionId) -> Option<i32> {
        unimplemented!()
    }

    /// The epoch of the batch that holds `offset`.
    pub fn epoch_at(&self, partition: PartitionId, offset: Offset) -> Option<i32> {
        unimplemented!()
    }

    pub fn size_bytes(&self, partition: PartitionId) -> Option<u64> {
        unimplemented!()
    }

    pub fn producer_state(&self, partition: PartitionId) -> Vec<ProducerInfo> {
        unimplemented!()
    }

    /// Every partition there is, sorted.
    pub fn partitions(&self) -> Vec<PartitionId> {
        unimplemented!()
    }

    /// Calls `waiter.notify_one()` whenever the high watermark of any of `partitions` moves or one is deleted, until
    /// the guard drops. Register first, read second: then nothing is missed.
    pub fn watch(&self, partitions: &[PartitionId], waiter: Arc<Notify>) -> WatchGuard {
        unimplemented!()
    }

    /// Moves the log start past whole segments that `policy` does not keep at `now`; `None` if there are none.
    pub fn delete_segments_before(
        &self,
        partition: PartitionId,
        policy: Retention,
        now: TimestampMs,
    ) -> Result<Option<Receipt>, CommitError> {
        unimplemented!()
    }

    pub fn get(&self, table: TableId, key: &[u8]) -> Option<Bytes> {
        unimplemented!()
    }

    /// All pairs whose key starts with `prefix`, in order of keys.
    pub fn scan(&self, table: TableId, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        unimplemented!()
    }
}

/// A commit on its way. A future, or [`Receipt::wait`]; dropping it does not stop the commit.
#[derive(Debug)]
pub struct Receipt {}

impl Receipt {
    /// What will have happened once the commit is durable: the offsets are settled already.
    pub fn outcomes(&self) -> &[Outcome] {
        unimplemented!()
    }

    /// Blocks the thread until the commit is durable. Not from within an async task.
    pub fn wait(self) -> Result<Vec<Outcome>, LogError> {
        unimplemented!()
    }
}

impl Future for Receipt {
    type Output = Result<Vec<Outcome>, LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        unimplemented!()
    }
}

/// Unregisters its waiter when dropped.
pub struct WatchGuard {}
