//! What the log offers: commits of several operations as one unit, reads by offset and by time, keyed tables.

use base::{Offset, TimestampMs};
use bytes::Bytes;

/// Names one partition's log. Given out by the catalog, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(pub u64);

/// Names one keyed table: small state that is held in memory, checkpointed, and changed atomically with appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u16);

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After fdatasync of the WAL: survives a power cut.
    #[default]
    Fsync,
    /// When the operating system has the bytes: survives the process, not the machine.
    Os,
    /// Nothing is kept on disk.
    Memory,
}

/// One change within a commit.
#[derive(Clone, Debug)]
pub enum Op {
    CreatePartition {
        partition: PartitionId,
    },
    DeletePartition {
        partition: PartitionId,
    },
    /// One validated magic-2 batch; the log gives it its base offset and patches `leader_epoch`. Idempotent producers
    /// are checked against the partition's producer state.
    Append {
        partition: PartitionId,
        batch: Bytes,
        leader_epoch: i32,
    },
    /// Batches that carry their offsets already (cluster links): each base offset must be at or past the log end; gaps
    /// are kept as gaps.
    AppendAsFollower {
        partition: PartitionId,
        batches: Bytes,
    },
    /// Records below `log_start` are no longer served.
    AdvanceStart {
        partition: PartitionId,
        log_start: Offset,
    },
    Put {
        table: TableId,
        key: Bytes,
        value: Option<Bytes>,
    },
}

/// What became of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Appended(Appended),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    /// The partition's start at the time of the append.
    pub log_start: Offset,
    /// The batch was there already (a producer's retry); the offsets are those of the first time.
    pub duplicate: bool,
}

/// A record found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundByTime {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub leader_epoch: i32,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub log_start: Offset,
    /// One past the last durable record: what consumers may read up to.
    pub high_watermark: Offset,
    /// One past the last record accepted, durable or not.
    pub log_end: Offset,
}
