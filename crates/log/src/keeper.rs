//! The keeper thread: syncs segments within their budget, writes checkpoints, prepares WAL files, removes dead files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::api::{LogError, LogOptions, PartitionId};
use crate::checkpoint;
use crate::files::{FileKey, FileKind, SegmentId};
use crate::shared::{CheckpointJob, Dirty, Jobs, Removal, Shared};
use crate::wal::{self, WalDir};

/// Background syncing begins at this part of the budget.
const SYNC_PART: u64 = 4;
/// Background syncing begins when so many files wait.
const SYNC_FILES: usize = 128;
/// Recycled WAL files kept for use.
const FREE_WAL_FILES_MAX: usize = 2;

impl Jobs {
    pub(crate) fn sync_due(&self, options: &LogOptions) -> bool {
        let waiting: bool = !self.dirty.is_empty();
        waiting && (self.dirty_bytes >= options.unsynced_bytes_max / SYNC_PART || self.dirty.len() >= SYNC_FILES)
    }
}

enum Job {
    PrepareWal { generation: u64, bytes: u64 },
    Sync(BTreeMap<(PartitionId, SegmentId), Dirty>),
    Checkpoint(CheckpointJob),
}

impl Shared {
    /// The thread's life.
    pub(crate) fn keep(&self) {
        loop {
            let job = {
                let mut jobs = self.jobs.lock();
                loop {
                    if jobs.stop {
                        return;
                    }
                    if let Some(job) = self.next_job(&mut jobs) {
                        break job;
                    }
                    self.job_arrived.wait(&mut jobs);
                }
            };
            self.do_job(job);
        }
    }

    /// One job without waiting; whether there was one. For a driven log.
    pub(crate) fn keep_step(&self) -> bool {
        let job = {
            let mut jobs = self.jobs.lock();
            if jobs.stop {
                return false;
            }
            self.next_job(&mut jobs)
        };
        match job {
            Some(job) => self.do_job(job),
            None => false,
        }
    }

    fn next_job(&self, jobs: &mut Jobs) -> Option<Job> {
        if let Some((generation, bytes)) = jobs.wal.wanted.take() {
            jobs.wal.preparing = true;
            return Some(Job::PrepareWal { generation, bytes });
        }
        if jobs.sync_due(&self.options) {
            return Some(Job::Sync(std::mem::take(&mut jobs.dirty)));
        }
        jobs.checkpoint.take().map(Job::Checkpoint)
    }

    /// Whether it went well.
    fn do_job(&self, job: Job) -> bool {
        let result = match job {
            Job::PrepareWal { generation, bytes } => self.prepare_wal(generation, bytes),
            Job::Sync(dirty) => self.sync_segments(dirty),
            Job::Checkpoint(job) => self.write_checkpoint(job),
        };
        if let Err(error) = &result {
            self.fail(error.clone());
        }
        // Taken so that no waiter is between its look and its wait.
        let jobs = self.jobs.lock();
        self.job_done.notify_all();
        drop(jobs);
        result.is_ok()
    }

    fn prepare_wal(&self, generation: u64, bytes: u64) -> Result<(), LogError> {
        let free = {
            let pool = &mut self.jobs.lock().wal;
            let found = pool.free.iter().position(|(_, free_bytes)| *free_bytes >= bytes);
            found.map(|at| pool.free.remove(at))
        };
        let dir = WalDir {
            disk: self.disk.as_ref(),
            path: &self.wal_dir,
            options: &self.options,
        };
        let prepared = match free {
            Some((old, _)) => dir.recycle(old, generation),
            None => dir.create(generation, bytes),
        };
        let path = wal::wal_path(dir.path, generation);
        let prepared = prepared.map_err(|error| self.io_error("preparing", &path, error))?;
        let mut jobs = self.jobs.lock();
        jobs.wal.preparing = false;
        jobs.wal.prepared = Some(prepared);
        Ok(())
    }

    fn sync_segments(&self, dirty: BTreeMap<(PartitionId, SegmentId), Dirty>) -> Result<(), LogError> {
        let bytes: u64 = dirty.values().map(|dirty| dirty.bytes).sum();
        let created: BTreeSet<PartitionId> = dirty
            .iter()
            .filter(|(_, dirty)| dirty.created)
            .map(|((partition, _), _)| *partition)
            .collect();
        for ((partition, segment), dirty) in &dirty {
            let key = FileKey {
                partition: *partition,
                segment: *segment,
                kind: FileKind::Log,
            };
            let synced = dirty.file.sync_data();
            synced.map_err(|error| self.io_error("syncing", &self.files.path(key), error))?;
        }
        self.sync_names(created)?;
        let mut jobs = self.jobs.lock();
        jobs.dirty_bytes -= bytes;
        Ok(())
    }

    /// Makes new segment files' names durable, and their directories'.
    pub(crate) fn sync_names(&self, partitions: BTreeSet<PartitionId>) -> Result<(), LogError> {
        if partitions.is_empty() {
            return Ok(());
        }
        #[cfg(test)]
        if self.options.planted == crate::api::Planted::NoNameSync {
            return Ok(());
        }
        let sync = |dir: &Path| match self.disk.sync_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io_error("syncing", dir, error)),
            _ => Ok(()),
        };
        for partition in partitions {
            let dir = self.files.dir(partition);
            sync(&dir)?;
        }
        sync(&self.options.dir.join(crate::recover::PARTITIONS_DIR))
    }

    fn write_checkpoint(&self, job: CheckpointJob) -> Result<(), LogError> {
        // What it says of segments must be on the disk before it says so.
        #[cfg(test)]
        let skipped = self.options.planted == crate::api::Planted::CheckpointBeforeSegments;
        #[cfg(not(test))]
        let skipped = false;
        if !skipped {
            let dirty = std::mem::take(&mut self.jobs.lock().dirty);
            self.sync_segments(dirty)?;
        }
        let dir = &self.options.dir;
        let written = checkpoint::write(self.disk.as_ref(), dir, &job.bytes);
        written.map_err(|error| self.io_error("writing the checkpoint in", dir, error))?;
        let surplus = self.free_wal(job.generation);
        for generation in surplus {
            self.remove_quietly(&wal::wal_path(&self.wal_dir, generation));
        }
        self.remove(&job.removals);
        let mut jobs = self.jobs.lock();
        // Another may have been handed over only after this one was done.
        jobs.checkpoint_underway = jobs.checkpoint.is_some();
        drop(jobs);
        // What was deleted meanwhile waits for the next one; taken so that the committer is not about to wait.
        let intake = self.intake.lock();
        self.arrived.notify_one();
        drop(intake);
        Ok(())
    }

    /// Frees the WAL files before `generation`; returns those not worth keeping.
    fn free_wal(&self, generation: u64) -> Vec<u64> {
        let mut jobs = self.jobs.lock();
        let pool = &mut jobs.wal;
        while let Some(oldest) = pool.used.pop_front_if(|(used, _)| *used < generation) {
            pool.free.push(oldest);
        }
        pool.free
            .sort_unstable_by_key(|(generation, bytes)| (std::cmp::Reverse(*bytes), *generation));
        let surplus = pool.free.split_off(pool.free.len().min(FREE_WAL_FILES_MAX));
        surplus.into_iter().map(|(generation, _)| generation).collect()
    }

    /// Removes files that a durable checkpoint does not name any more.
    pub(crate) fn remove(&self, removals: &[Removal]) {
        let mut gone = Vec::new();
        for removal in removals {
            match *removal {
                Removal::Segment(partition, segment) => {
                    self.jobs.lock().forget(partition, Some(segment));
                    for kind in FileKind::ALL {
                        let key = FileKey {
                            partition,
                            segment,
                            kind,
                        };
                        self.files.forget(key);
                        self.remove_quietly(&self.files.path(key));
                    }
                }
                Removal::Partition(partition) => gone.extend(self.remove_partition(partition)),
            }
        }
        if gone.is_empty() {
            return;
        }
        // Until its removal is durable a checkpoint names the partition: else its files would be strangers.
        let partitions_dir = self.options.dir.join(crate::recover::PARTITIONS_DIR);
        match self.disk.sync_dir(&partitions_dir) {
            Ok(()) => {
                let deleting = &mut self.intake.lock().deleting;
                gone.iter().for_each(|partition| {
                    deleting.remove(partition);
                });
            }
            Err(error) => tracing::warn!(%error, "removed partitions are not known to be gone"),
        }
    }

    /// The partition, if nothing of it is left.
    fn remove_partition(&self, partition: PartitionId) -> Option<PartitionId> {
        self.jobs.lock().forget(partition, None);
        let dir = self.files.dir(partition);
        let names = self.disk.list(&dir).unwrap_or_default();
        for name in &names {
            if let Some((segment, kind)) = crate::files::Files::parse_name(name) {
                self.files.forget(FileKey {
                    partition,
                    segment,
                    kind,
                });
            }
            self.remove_quietly(&dir.join(name));
        }
        match self.disk.remove_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(dir = %dir.display(), %error, "a deleted partition's directory stays behind");
                None
            }
            _ => Some(partition),
        }
    }

    /// A file that cannot be removed costs space, not data: the next start tries again.
    fn remove_quietly(&self, path: &Path) {
        if let Err(error) = self.disk.remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %path.display(), %error, "a dead file stays behind");
        }
    }
}

impl Jobs {
    /// A removed file needs no sync any more.
    fn forget(&mut self, partition: PartitionId, gone: Option<SegmentId>) {
        let dirty_bytes = &mut self.dirty_bytes;
        self.dirty.retain(|(id, segment), dirty| {
            let stays = *id != partition || gone.is_some_and(|gone| gone != *segment);
            if !stays {
                *dirty_bytes -= dirty.bytes;
            }
            stays
        });
    }
}
