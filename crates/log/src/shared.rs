//! What the handle, the commit thread and the keeper thread share, and how the log stops when it must.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use base::disk::{Disk, DiskFile, DiskLock};
use base::{Clock, Offset, TimestampMs};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Notify, oneshot, watch};

use crate::aborted::Aborted;
use crate::api::{Durability, LogError, LogOptions, PartitionId, TableId};
use crate::committer::Committer;
use crate::files::{Files, SegmentId};
use crate::frame::Place;
use crate::partition::{Head, Partition, SegmentMeta};
use crate::segment::Segment;
use crate::tables::Tables;
use crate::wal::WalFile;

/// Everything of one open log but its threads.
pub(crate) struct Shared {
    pub(crate) options: LogOptions,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wal_dir: PathBuf,
    pub(crate) files: Files,
    pub(crate) intake: Mutex<Intake>,
    /// Rung for the commit thread: a commit came, or the log is to stop.
    pub(crate) arrived: Condvar,
    /// Rung for those refused as busy.
    pub(crate) room: Notify,
    pub(crate) partitions: RwLock<HashMap<PartitionId, Arc<Partition>>>,
    pub(crate) tables: RwLock<Tables>,
    pub(crate) jobs: Mutex<Jobs>,
    /// Rung for the keeper thread.
    pub(crate) job_arrived: Condvar,
    /// Rung when the keeper has finished something.
    pub(crate) job_done: Condvar,
    pub(crate) failure: watch::Sender<Option<LogError>>,
    /// Free space was below the limit when last looked at.
    pub(crate) low_space: AtomicBool,
    pub(crate) watch_numbers: AtomicU64,
    /// Partitions that someone compacts just now.
    pub(crate) compacting: Mutex<BTreeSet<PartitionId>>,
    /// The commit thread's work, done by callers when the log is driven.
    pub(crate) driven: Mutex<Option<Committer>>,
    /// Holds the directory until the log is closed or gone.
    pub(crate) lock: Mutex<Option<Box<dyn DiskLock>>>,
}

/// Where commits wait for the commit thread.
pub(crate) struct Intake {
    pub(crate) heads: HashMap<PartitionId, Head>,
    /// Deleted, but the files may still be there.
    pub(crate) deleting: BTreeSet<PartitionId>,
    pub(crate) queue: VecDeque<Pending>,
    /// Of all commits not yet durable, queued or being written.
    pub(crate) held_bytes: u64,
    pub(crate) held_commits: usize,
    pub(crate) state: State,
}

#[derive(Clone, Debug)]
pub(crate) enum State {
    Open,
    /// No more commits; those queued are finished, then a checkpoint is written.
    Closing,
    /// Everything ends where it stands.
    Stopped(LogError),
}

/// A commit with its offsets settled, on its way to the WAL.
pub(crate) struct Pending {
    pub(crate) ops: Vec<Prepared>,
    pub(crate) bytes: u64,
    pub(crate) wall_ms: TimestampMs,
    pub(crate) done: oneshot::Sender<Result<(), LogError>>,
}

#[cfg(test)]
impl Pending {
    /// The planted fault of answering early.
    pub(crate) fn acknowledged(mut self) -> Pending {
        let (nobody, _) = oneshot::channel();
        std::mem::replace(&mut self.done, nobody).send(Ok(())).ok();
        self
    }
}

/// An operation with its offsets settled.
pub(crate) enum Prepared {
    Create(Arc<Partition>),
    Delete(Arc<Partition>),
    Append(PreparedAppend),
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
    Cleaned {
        partition: Arc<Partition>,
        cleaned_to: Offset,
    },
}

/// What compaction puts in the place of the segments that begin in `base..end`.
#[derive(Clone)]
pub(crate) struct Replacement {
    pub(crate) partition: Arc<Partition>,
    pub(crate) base: Offset,
    pub(crate) end: Offset,
    /// Nothing, if nothing was left.
    pub(crate) added: Option<(SegmentMeta, Arc<Segment>)>,
}

pub(crate) struct PreparedAppend {
    pub(crate) partition: Arc<Partition>,
    pub(crate) batches: Bytes,
    pub(crate) base_offset: Offset,
    pub(crate) next_offset: Offset,
    pub(crate) place: Place,
    /// The epoch to write into the (single) batch, with its offset; `None` leaves the batches as they are.
    pub(crate) leader_epoch: Option<i32>,
    /// The transactions that it aborts.
    pub(crate) aborted: Vec<Aborted>,
    /// Where the partition's oldest open transaction begins after it.
    pub(crate) first_open: Option<Offset>,
}

/// What waits for the keeper thread.
#[derive(Default)]
pub(crate) struct Jobs {
    /// Segment files with bytes that no sync has covered.
    pub(crate) dirty: BTreeMap<(PartitionId, SegmentId), Dirty>,
    /// Their bytes, those being synced included.
    pub(crate) dirty_bytes: u64,
    pub(crate) checkpoint: Option<CheckpointJob>,
    /// A checkpoint waits or is being written.
    pub(crate) checkpoint_underway: bool,
    pub(crate) wal: WalPool,
    pub(crate) stop: bool,
}

pub(crate) struct Dirty {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) bytes: u64,
    /// The file's name is not durable yet.
    pub(crate) created: bool,
}

pub(crate) struct CheckpointJob {
    pub(crate) bytes: Vec<u8>,
    /// WAL files of older generations are free when it is written.
    pub(crate) generation: u64,
    /// What may go when it is written.
    pub(crate) removals: Vec<Removal>,
}

/// Files that nobody can read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    Segment(PartitionId, SegmentId),
    Partition(PartitionId),
}

/// WAL files that wait for use.
#[derive(Default)]
pub(crate) struct WalPool {
    /// Ready for the commit thread.
    pub(crate) prepared: Option<WalFile>,
    /// The generation to prepare and its size.
    pub(crate) wanted: Option<(u64, u64)>,
    pub(crate) preparing: bool,
    /// Generations still on the disk that no recovery needs, with their sizes.
    pub(crate) free: Vec<(u64, u64)>,
    /// Generations in use before the current one, oldest first, with their sizes.
    pub(crate) used: VecDeque<(u64, u64)>,
}

impl Shared {
    pub(crate) fn io_error(&self, what: &'static str, path: &Path, error: io::Error) -> LogError {
        LogError::Io {
            what,
            path: path.to_path_buf(),
            cause: Arc::new(error),
        }
    }

    pub(crate) fn keeps_files(&self) -> bool {
        self.options.durability != Durability::Memory
    }

    /// Stops the log where it stands: nothing that is not durable yet is ever acknowledged.
    pub(crate) fn stop(&self, error: &LogError) {
        let stranded = {
            let mut intake = self.intake.lock();
            if let State::Stopped(_) = intake.state {
                return;
            }
            intake.state = State::Stopped(error.clone());
            intake.held_bytes = 0;
            intake.held_commits = 0;
            std::mem::take(&mut intake.queue)
        };
        for pending in stranded {
            // A receiver that is gone does not want to know.
            pending.done.send(Err(error.clone())).ok();
        }
        self.arrived.notify_all();
        self.room.notify_waiters();
        let mut jobs = self.jobs.lock();
        jobs.stop = true;
        self.job_arrived.notify_all();
        self.job_done.notify_all();
    }

    /// Stops the log because it cannot keep its promises any more, and says so to whoever listens.
    pub(crate) fn fail(&self, error: LogError) -> LogError {
        let failed = match error {
            LogError::Failed(_) | LogError::Closed => error,
            error => LogError::Failed(Arc::from(error.to_string())),
        };
        if let State::Stopped(earlier) = &self.intake.lock().state {
            return earlier.clone();
        }
        tracing::error!(error = %failed, "the log stops; restart the server to recover what the disk holds");
        self.stop(&failed);
        self.failure.send_replace(Some(failed.clone()));
        failed
    }

    pub(crate) fn stopped(&self) -> Option<LogError> {
        match &self.intake.lock().state {
            State::Stopped(error) => Some(error.clone()),
            State::Open | State::Closing => None,
        }
    }
}
