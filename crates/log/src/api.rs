//! What the log offers: commits of several operations as one unit, reads by offset and by time, keyed tables.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use base::disk::Disk;
use base::{Clock, ErrorKind, Offset, TimestampMs};
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
    /// are checked against the partition's producer state. A transactional batch opens its producer's transaction on
    /// the partition, a control batch that holds an end-of-transaction marker ends it.
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
    /// Where the oldest open transaction begins, else the high watermark: what read-committed consumers may read up
    /// to. Never below the log start.
    pub last_stable: Offset,
    /// One past the last durable record: what consumers may read up to.
    pub high_watermark: Offset,
    /// One past the last record accepted, durable or not.
    pub log_end: Offset,
}

/// Limits and places; every limit names its unit last.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The data directory; made if it does not exist.
    pub dir: PathBuf,
    pub durability: Durability,
    /// A partition's segment is closed when it would grow past this.
    pub segment_bytes_max: u64,
    /// Size of a WAL file; also the most one commit may weigh.
    pub wal_segment_bytes: u64,
    /// A checkpoint is due when the WAL has grown by this since the last one.
    pub checkpoint_wal_bytes: u64,
    /// Commits that are not yet durable may hold this much; beyond it `commit` answers [`CommitCause::Busy`].
    pub pending_bytes_max: u64,
    pub pending_commits_max: usize,
    /// One group (one sync) carries about this much at most.
    pub group_bytes_max: u64,
    /// Segment bytes that may wait for their sync; keeps the operating system's write-back from stalling the WAL.
    pub unsynced_bytes_max: u64,
    /// Segment and index files held open.
    pub open_files_max: usize,
    /// A producer that has not written to a partition for this long is forgotten there.
    pub producer_expiration_ms: i64,
    /// Keys that one pass of compaction holds in memory, 25 bytes each and as much again while their table grows; a
    /// partition with more takes several passes.
    pub compaction_keys_max: usize,
    /// With less free space than this, appends are refused; deletions, trims and table changes still work.
    pub free_bytes_min: u64,
    /// No threads: whoever calls [`crate::Log::drive`] or [`crate::Receipt::wait`] does the work. For simulations that
    /// must replay from a seed.
    pub driven: bool,
    #[cfg(test)]
    pub(crate) planted: Planted,
}

/// Faults for the tests to catch.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Planted {
    #[default]
    Nothing,
    /// Commits are acknowledged without a sync of the WAL.
    NoSync,
    /// Opening goes on without a checkpoint that fences off the old WAL.
    NoFence,
    /// New segment files' names are not synced.
    NoNameSync,
    /// What recovery replayed is not synced before the WAL that held it is given up.
    NoReplaySync,
    /// A checkpoint does not wait for the segments it tells of.
    CheckpointBeforeSegments,
    /// Checkpoints forget the producers.
    NoProducers,
    /// Readers see what is written before it is synced.
    ReadBeforeSync,
    /// Commits are acknowledged before they are written.
    EarlyAck,
    /// Producers' batches are known again for four batches only.
    ShortWindow,
    /// Recovery forgets where open transactions begin.
    StaleLastStable,
    /// Checkpoints forget the aborted transactions of the active segment.
    NoAborted,
    /// Compaction puts a segment in its place before it is synced.
    CompactionNotSynced,
    /// Compaction drops the last record of some keys.
    LiveKeyDropped,
    /// Compaction drops tombstones at once.
    HorizonIgnored,
    /// Compaction does not know the aborted transactions that began before the segments it walks.
    ReachForgotten,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            dir: PathBuf::from("data"),
            durability: Durability::Fsync,
            segment_bytes_max: 256 << 20,
            wal_segment_bytes: 64 << 20,
            checkpoint_wal_bytes: 64 << 20,
            pending_bytes_max: 64 << 20,
            pending_commits_max: 16 << 10,
            group_bytes_max: 4 << 20,
            unsynced_bytes_max: 64 << 20,
            open_files_max: 256,
            producer_expiration_ms: 24 * 60 * 60 * 1000,
            compaction_keys_max: 1_800_000,
            free_bytes_min: 128 << 20,
            driven: false,
            #[cfg(test)]
            planted: Planted::Nothing,
        }
    }
}

/// The doors the log goes through.
#[derive(Clone)]
pub struct Env {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
}

impl Env {
    /// The machine's own disk and clocks.
    pub fn real() -> Env {
        Env {
            disk: Arc::new(base::disk::RealDisk),
            clock: Arc::new(base::RealClock::new()),
        }
    }
}

/// Why the log as a whole cannot go on or cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    #[error("{what} `{path}` failed: {cause}")]
    Io {
        what: &'static str,
        path: PathBuf,
        cause: Arc<io::Error>,
    },
    #[error("data directory `{0}` is used by another process; stop that one, or name another directory")]
    Locked(PathBuf),
    #[error(
        "data directory `{dir}` has format version {found}, this program knows versions up to {known}; run the newer program"
    )]
    Format { dir: PathBuf, found: u32, known: u32 },
    #[error("{0}")]
    Damaged(String),
    #[error("the log stopped after an error: {0}")]
    Failed(Arc<str>),
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            LogError::Locked(_) | LogError::Format { .. } => ErrorKind::Conflict,
            LogError::Damaged(_) => ErrorKind::Data,
            LogError::Io { .. } | LogError::Failed(_) => ErrorKind::Internal,
            LogError::Closed => ErrorKind::Unavailable,
        }
    }
}

/// A commit that was refused as a whole: nothing of it is kept.
#[derive(Clone, Debug, thiserror::Error)]
#[error("operation {op}: {cause}")]
pub struct CommitError {
    /// Index of the operation at fault; 0 when it is none's in particular.
    pub op: usize,
    pub cause: CommitCause,
}

/// Why a commit was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitCause {
    #[error("partition {0:?} does not exist")]
    UnknownPartition(PartitionId),
    #[error("partition {0:?} exists already")]
    PartitionExists(PartitionId),
    /// A gap, or a repeat older than the batches remembered (Kafka answers both alike).
    #[error("producer {producer_id} sent sequence {found}, expected {expected}")]
    OutOfOrderSequence {
        producer_id: i64,
        expected: i32,
        found: i32,
    },
    #[error("producer {producer_id} sent epoch {found}, the partition has seen {current}")]
    InvalidProducerEpoch { producer_id: i64, current: i16, found: i16 },
    /// A batch outside of transactions from a producer that has one open on the partition.
    #[error("producer {producer_id} has a transaction open on the partition, the batch is not part of it")]
    InvalidTxnState { producer_id: i64 },
    #[error("{0}")]
    InvalidBatch(#[from] wire::BatchError),
    #[error("offset {found} lies before the log end {log_end}")]
    OffsetTaken { log_end: Offset, found: Offset },
    #[error("offset {found} lies past the log end {log_end}")]
    OffsetOutOfRange { log_end: Offset, found: Offset },
    #[error("leader epoch {found} is older than the partition's {current}")]
    FencedLeaderEpoch { current: i32, found: i32 },
    #[error("the commit has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error("the disk has only {free_bytes} bytes left")]
    DiskFull { free_bytes: u64 },
    #[error("too much is waiting to become durable")]
    Busy,
    #[error(transparent)]
    Log(#[from] LogError),
}

impl CommitCause {
    pub fn kind(&self) -> ErrorKind {
        match self {
            CommitCause::UnknownPartition(_) => ErrorKind::NotFound,
            CommitCause::PartitionExists(_)
            | CommitCause::OutOfOrderSequence { .. }
            | CommitCause::InvalidProducerEpoch { .. }
            | CommitCause::InvalidTxnState { .. }
            | CommitCause::OffsetTaken { .. }
            | CommitCause::FencedLeaderEpoch { .. } => ErrorKind::Conflict,
            CommitCause::InvalidBatch(_) | CommitCause::OffsetOutOfRange { .. } | CommitCause::TooLarge { .. } => {
                ErrorKind::Invalid
            }
            CommitCause::DiskFull { .. } | CommitCause::Busy => ErrorKind::Unavailable,
            CommitCause::Log(error) => error.kind(),
        }
    }
}

/// What somebody wants to read of one partition.
#[derive(Clone, Copy, Debug)]
pub struct ReadWish {
    pub offset: Offset,
    pub bytes_max: usize,
    /// Even if the first batch exceeds `bytes_max`.
    pub at_least_one: bool,
    /// Only what is decided.
    pub committed: bool,
    /// For somebody who only passes records on: large batches that are known to hold are given as a part of their file.
    pub apart: bool,
}

/// Whole batches, the first of which contains the offset asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadResult<Records = Bytes> {
    /// Empty when there is nothing (yet) at the offset, or nothing that fits.
    pub records: Records,
    pub bounds: Bounds,
    /// Where to read on.
    pub next_offset: Offset,
    /// The aborted transactions that overlap `records`, by first offset; empty unless only committed data was asked.
    pub aborted: Vec<AbortedTransaction>,
}

/// A transaction whose records a read-committed consumer passes over: those of the producer from the first offset on,
/// up to its next marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: Offset,
}

/// Why a read gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error("offset is outside {bounds:?}")]
    OffsetOutOfRange { bounds: Bounds },
    #[error("partition does not exist")]
    UnknownPartition,
    /// The offsets from `offset` up to `next_offset` are damaged on disk and not served; all others are.
    #[error("offsets {offset} to {} are damaged: {cause}", next_offset - 1)]
    Corrupt {
        offset: Offset,
        next_offset: Offset,
        cause: String,
    },
    #[error("reading failed: {0}")]
    Io(Arc<io::Error>),
}

/// How long and how much a partition keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Segments whose newest record is older go; `None` keeps all.
    pub retention_ms: Option<i64>,
    /// Oldest segments go while the rest still holds this much; `None` keeps all.
    pub retention_bytes: Option<u64>,
}

/// When a partition is compacted, and how long what only says "gone" stays (Kafka's topic settings of these names).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionOptions {
    /// Younger records stay as they are (`min.compaction.lag.ms`).
    pub min_lag_ms: i64,
    /// When a record has waited longer than this, the segment it is in is closed and compacted whatever the ratio
    /// (`max.compaction.lag.ms`).
    pub max_lag_ms: i64,
    /// Tombstones and markers stay so long after the first compaction that meets them (`delete.retention.ms`).
    pub delete_retention_ms: i64,
    /// The part of the bytes that must be new since the last time, 0 to 1 (`min.cleanable.dirty.ratio`).
    pub min_dirty_ratio: f64,
    /// Go over everything that may be compacted, new or not.
    pub force: bool,
}

impl Default for CompactionOptions {
    fn default() -> CompactionOptions {
        CompactionOptions {
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            min_dirty_ratio: 0.5,
            force: false,
        }
    }
}

/// What compaction did; all zero when nothing was due.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompactionReport {
    /// Ways through the log; more than one when the keys did not fit into memory at once.
    pub passes: u32,
    /// The part of the bytes that was new when it began.
    pub dirty_ratio: f64,
    /// Of the segments that were gone over, summed over all passes.
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub records_dropped: u64,
    /// Of the segments that the last pass went over.
    pub records_kept: u64,
    /// Records before this have been compacted.
    pub cleaned_to: Offset,
}

/// Why a partition could not be compacted; it is as it was, or as far as it came.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompactionError {
    #[error("partition does not exist")]
    UnknownPartition,
    #[error("the partition is being compacted already")]
    Busy,
    /// Damage: a partition with a batch that does not hold is left alone.
    #[error("compaction cannot read what it should compact: {0}")]
    Read(#[from] ReadError),
    #[error("compaction cannot go on: {0}")]
    Commit(CommitCause),
}

/// One producer's standing in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerInfo {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// -1 when no batch of this epoch is known.
    pub last_sequence: i32,
    /// -1 when no batch of this epoch is known.
    pub last_offset: Offset,
    pub last_timestamp: TimestampMs,
    /// Of the last marker; -1 when none was seen.
    pub coordinator_epoch: i32,
    /// The first offset of its open transaction.
    pub open_since: Option<Offset>,
    /// When its open transaction began here, by the log's clock.
    pub open_since_ms: Option<TimestampMs>,
}

/// When a partition's segment is closed and the next one begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// When it would grow past this (`segment.bytes`).
    pub segment_bytes: u64,
    /// When the timestamps in it would span more than this (`segment.ms`).
    pub segment_ms: Option<i64>,
}

/// What opening found: lines for the log, and the figures in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The last stop was an orderly one.
    pub clean: bool,
    pub partitions: usize,
    pub frames_replayed: u64,
    /// Frames that were acknowledged and cannot be read any more.
    pub frames_damaged: u64,
    /// Bytes of never acknowledged frames that were cut.
    pub tail_bytes_cut: u64,
    /// One sentence per finding, the routine ones included.
    pub lines: Vec<String>,
    /// Those of `lines` that tell of damage.
    pub damage: Vec<String>,
}
