//! The handle everybody holds: commits, reads, tables, watches.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;

use base::{Offset, TimestampMs};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::api::*;
use crate::intake::Answer;
use crate::partition::{Partition, epoch_of};
use crate::recover;
use crate::segment::Segment;
use crate::shared::{Shared, State};

mod read;

/// The log of one data directory. Clones are the same log; when the last is dropped without [`Log::close`], what was
/// not durable yet is given up, as if the process had been killed.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop(&LogError::Closed);
        self.join();
    }
}

impl Inner {
    fn join(&self) {
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A thread that panicked has stopped the log already.
            thread.join().ok();
        }
    }
}

/// Stops the log if its thread panics: nobody may wait for a thread that is gone.
struct StopOnPanic(Arc<Shared>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(LogError::Failed(Arc::from("a thread of the log panicked")));
        }
    }
}

fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) + Send + 'static,
) -> Result<JoinHandle<()>, LogError> {
    let shared = Arc::clone(shared);
    let dir = shared.options.dir.clone();
    let life = move || {
        let guard = StopOnPanic(shared);
        work(&guard.0);
    };
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(life);
    spawned.map_err(|error| LogError::Io {
        what: "starting a thread for",
        path: dir,
        cause: Arc::new(error),
    })
}

impl Log {
    /// Opens the directory, recovers what the last process left, starts the threads.
    pub fn open(options: LogOptions, env: Env) -> Result<(Log, RecoveryReport), LogError> {
        let (shared, committer, report) = recover::open(options, env)?;
        let inner = Inner {
            shared: Arc::clone(&shared),
            threads: Mutex::default(),
        };
        if shared.options.driven {
            *shared.driven.lock() = Some(committer);
        } else {
            let keeper = spawn("log-keeper", &shared, Shared::keep)?;
            inner.threads.lock().push(keeper);
            let committer = spawn("log-commit", &shared, move |shared| committer.run(shared))?;
            inner.threads.lock().push(committer);
        }
        Ok((Log { inner: Arc::new(inner) }, report))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Ends in order: what was committed becomes durable, a checkpoint is written. Blocks. Later calls get
    /// [`LogError::Closed`].
    pub fn close(&self) -> Result<(), LogError> {
        {
            let mut intake = self.shared().intake.lock();
            match &intake.state {
                State::Open => intake.state = State::Closing,
                State::Closing => {}
                State::Stopped(error) => return Err(error.clone()),
            }
        }
        self.shared().arrived.notify_all();
        self.drive();
        self.inner.join();
        // Nothing writes any more: the directory may be opened anew, whoever still holds a handle.
        *self.shared().lock.lock() = None;
        match self.shared().stopped() {
            Some(LogError::Closed) | None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Resolves when the log had to stop, with the reason; never otherwise.
    pub async fn failed(&self) -> LogError {
        let mut failure = self.shared().failure.subscribe();
        match failure.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(error)) => error.clone(),
            _ => std::future::pending().await,
        }
    }

    /// Does all the work there is, when [`LogOptions::driven`]; otherwise nothing.
    pub fn drive(&self) {
        while self.drive_step() {}
    }

    /// One group of commits or one background job, when [`LogOptions::driven`]; whether there was one.
    pub fn drive_step(&self) -> bool {
        let shared = self.shared();
        if let Some(committer) = shared.driven.lock().as_mut()
            && committer.step(shared)
        {
            return true;
        }
        shared.options.driven && shared.keep_step()
    }

    /// Checks all operations, gives appends their offsets in the order of calls, and queues them as one unit: after
    /// whatever happens either all of them took place or none. Never blocks on the disk.
    pub fn commit(&self, ops: Vec<Op>) -> Result<Receipt, CommitError> {
        Ok(self.receipt(self.shared().commit(ops)?))
    }

    pub(crate) fn receipt(&self, (outcomes, done): Answer) -> Receipt {
        let driver = self.shared().options.driven.then(|| Arc::downgrade(&self.inner));
        Receipt { outcomes, done, driver }
    }

    /// Waits until [`CommitCause::Busy`] is over.
    pub async fn wait_for_room(&self) {
        let shared = self.shared();
        loop {
            let room = shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let intake = shared.intake.lock();
                let full = intake.held_commits >= shared.options.pending_commits_max
                    || intake.held_bytes * 2 > shared.options.pending_bytes_max;
                if !full || matches!(intake.state, State::Stopped(_)) {
                    return;
                }
            }
            room.await;
        }
    }

    pub(crate) fn partition(&self, partition: PartitionId) -> Option<Arc<Partition>> {
        self.shared().partitions.read().get(&partition).cloned()
    }

    /// Sets when the partition's segments are closed, from the next append on. Kept in memory only.
    pub fn set_segment_limits(&self, partition: PartitionId, limits: SegmentLimits) {
        if let Some(head) = self.shared().intake.lock().heads.get_mut(&partition) {
            head.limits = Some(limits);
        }
    }

    pub fn bounds(&self, partition: PartitionId) -> Option<Bounds> {
        Some(self.partition(partition)?.bounds())
    }

    /// The largest epoch not above `leader_epoch`, and the offset where it ends; `None` for an epoch not reached yet.
    /// An epoch before the first known one ends where that begins (as KIP-320 has it).
    pub fn epoch_end(&self, partition: PartitionId, leader_epoch: i32) -> Option<(i32, Offset)> {
        let partition = self.partition(partition)?;
        let view = partition.view.read();
        let latest = view.epochs.last()?;
        if leader_epoch > latest.epoch {
            return None;
        }
        let after = view.epochs.partition_point(|entry| entry.epoch <= leader_epoch);
        let epoch = after.checked_sub(1).map_or(leader_epoch, |at| view.epochs[at].epoch);
        let end = view.epochs.get(after).map_or(view.high_watermark, |next| next.start);
        Some((epoch, end))
    }

    pub fn latest_epoch(&self, partition: PartitionId) -> Option<i32> {
        Some(self.partition(partition)?.view.read().epochs.last()?.epoch)
    }

    /// The epoch of the batch that holds `offset`.
    pub fn epoch_at(&self, partition: PartitionId, offset: Offset) -> Option<i32> {
        let epoch = epoch_of(&self.partition(partition)?.view.read().epochs, offset);
        (epoch >= 0).then_some(epoch)
    }

    pub fn size_bytes(&self, partition: PartitionId) -> Option<u64> {
        Some(
            self.partition(partition)?
                .view
                .read()
                .segments
                .iter()
                .map(|segment| segment.bytes())
                .sum(),
        )
    }

    /// What the partition knows of its producers, sorted by producer id.
    pub fn producers(&self, partition: PartitionId) -> Vec<ProducerInfo> {
        let intake = self.shared().intake.lock();
        intake
            .heads
            .get(&partition)
            .map_or_else(Vec::new, |head| head.producers.list())
    }

    /// Every partition there is, sorted.
    pub fn partitions(&self) -> Vec<PartitionId> {
        let mut ids: Vec<PartitionId> = self.shared().partitions.read().keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Calls `waiter.notify_one()` whenever the high watermark of any of `partitions` moves or one is deleted, until
    /// the guard drops. Register first, read second: then nothing is missed.
    pub fn watch(&self, partitions: &[PartitionId], waiter: Arc<Notify>) -> WatchGuard {
        let number = self.shared().watch_numbers.fetch_add(1, Ordering::Relaxed);
        let watched: Vec<Arc<Partition>> = partitions.iter().filter_map(|id| self.partition(*id)).collect();
        for partition in &watched {
            partition.watch(number, Arc::clone(&waiter));
        }
        WatchGuard { number, watched }
    }

    /// Moves the log start past whole segments that `policy` does not keep at `now`; `None` if there are none. The
    /// segment that is written to goes only when everything in it is too old.
    pub fn delete_segments_before(
        &self,
        partition: PartitionId,
        policy: Retention,
        now: TimestampMs,
    ) -> Result<Option<Receipt>, CommitError> {
        let Some(shared) = self.partition(partition) else {
            return Err(CommitError {
                op: 0,
                cause: CommitCause::UnknownPartition(partition),
            });
        };
        let log_start = {
            let view = shared.view.read();
            let end_of = |at: usize| view.segments.get(at + 1).map_or(view.high_watermark, |next| next.base);
            let expired = |segment: &Segment| {
                policy
                    .retention_ms
                    .is_some_and(|ms| segment.max_timestamp() < now.saturating_sub(ms))
            };
            let mut gone = view.segments.iter().take_while(|segment| expired(segment)).count();
            if let Some(bytes_max) = policy.retention_bytes {
                let mut rest: u64 = view.segments.iter().skip(gone).map(|segment| segment.bytes()).sum();
                while gone + 1 < view.segments.len() && rest - view.segments[gone].bytes() >= bytes_max {
                    rest -= view.segments[gone].bytes();
                    gone += 1;
                }
            }
            match gone.checked_sub(1).map(end_of) {
                Some(log_start) if log_start > view.log_start => log_start,
                _ => return Ok(None),
            }
        };
        self.commit(vec![Op::AdvanceStart { partition, log_start }]).map(Some)
    }

    pub fn get(&self, table: TableId, key: &[u8]) -> Option<Bytes> {
        self.shared().tables.read().get(table, key)
    }

    /// All pairs whose key starts with `prefix`, in order of keys.
    pub fn scan(&self, table: TableId, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        self.shared().tables.read().scan(table, prefix)
    }
}

/// A commit on its way. A future, or [`Receipt::wait`]; dropping it does not stop the commit.
pub struct Receipt {
    outcomes: Vec<Outcome>,
    done: oneshot::Receiver<Result<(), LogError>>,
    /// Of a driven log; a receipt does not keep it open.
    driver: Option<Weak<Inner>>,
}

impl Receipt {
    /// What will have happened once the commit is durable: the offsets are settled already.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    fn drive(&self) {
        if let Some(inner) = self.driver.as_ref().and_then(Weak::upgrade) {
            Log { inner }.drive();
        }
    }

    /// Whether it is done, without doing any work for it.
    #[cfg(test)]
    pub(crate) fn try_done(&mut self) -> Option<Result<(), LogError>> {
        match self.done.try_recv() {
            Ok(result) => Some(result),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(LogError::Closed)),
        }
    }

    /// Blocks the thread until the commit is durable. Not from within an async task.
    pub fn wait(mut self) -> Result<Vec<Outcome>, LogError> {
        if self.driver.is_some() {
            self.drive();
            return match self.done.try_recv() {
                Ok(result) => result.map(|()| self.outcomes),
                Err(_) => Err(LogError::Closed),
            };
        }
        self.done
            .blocking_recv()
            .unwrap_or(Err(LogError::Closed))
            .map(|()| self.outcomes)
    }
}

impl Future for Receipt {
    type Output = Result<Vec<Outcome>, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.drive();
        let result = ready!(Pin::new(&mut self.done).poll(context)).unwrap_or(Err(LogError::Closed));
        Poll::Ready(result.map(|()| std::mem::take(&mut self.outcomes)))
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Receipt")
            .field("outcomes", &self.outcomes)
            .finish_non_exhaustive()
    }
}

/// Unregisters its waiter when dropped.
pub struct WatchGuard {
    number: u64,
    watched: Vec<Arc<Partition>>,
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        for partition in &self.watched {
            partition.unwatch(self.number);
        }
    }
}
