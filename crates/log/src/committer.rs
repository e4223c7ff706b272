//! The commit thread: everything that arrived meanwhile becomes one write and one sync, then visible, then acknowledged.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::disk::BLOCK_BYTES;

use crate::api::{Durability, LogError};
use crate::checkpoint;
use crate::frame::{self, FRAME_ALIGN, FRAME_HEADER_BYTES};
use crate::shared::{CheckpointJob, Pending, Removal, Shared, State};
use crate::wal::{self, Wal};

mod effects;

use effects::{Effect, encode_op, index_only};

/// The buffer for a group shrinks to this when it has not been needed larger for [`SMALL_GROUPS`] groups.
const BUFFER_KEPT_BYTES: usize = 256 << 10;
const SMALL_GROUPS: u32 = 64;
/// Segment files that may wait for their sync.
const DIRTY_FILES_MAX: usize = 256;
/// The WAL may grow to this many times the checkpoint distance before commits wait for the checkpoint.
const WAL_BACKLOG_FACTOR: u64 = 4;
/// So long after a commit nothing else has come, it is marked as durable.
const MARK_AFTER: Duration = Duration::from_millis(20);
/// How much is appended between two looks at the free space.
const SPACE_CHECK_BYTES: u64 = 8 << 20;

/// The state of the commit thread.
pub(crate) struct Committer {
    wal: Wal,
    /// The frames of a group, behind what [`Wal::lead`] put there.
    buffer: Vec<u8>,
    /// Where the first frame begins in it.
    first: usize,
    effects: Vec<Effect>,
    /// WAL bytes since the last checkpoint was taken.
    wal_bytes: u64,
    /// Of partitions and segments deleted since the last checkpoint was taken.
    removals: Vec<Removal>,
    unchecked_space_bytes: u64,
    small_groups: u32,
    /// No mark stands behind the last frame.
    unmarked: bool,
}

/// What the commit thread does next.
enum Turn {
    Group {
        pending: VecDeque<Pending>,
        heads: Option<Vec<u8>>,
    },
    /// It is quiet, and the last frame is not marked yet.
    Mark,
    Nothing,
    Close,
    Stop,
}

impl Committer {
    pub(crate) fn new(wal: Wal, removals: Vec<Removal>) -> Committer {
        Committer {
            wal,
            buffer: Vec::new(),
            first: 0,
            effects: Vec::new(),
            wal_bytes: 0,
            removals,
            unchecked_space_bytes: 0,
            small_groups: 0,
            unmarked: false,
        }
    }

    /// The thread's life.
    pub(crate) fn run(mut self, shared: &Shared) {
        loop {
            match self.turn(shared, true) {
                Turn::Group { pending, heads } => self.group(shared, pending, heads),
                Turn::Mark => self.mark_or_fail(shared),
                Turn::Nothing => {}
                Turn::Close => return self.close(shared),
                Turn::Stop => return,
            }
        }
    }

    /// One turn without waiting; whether there was anything to do. For a driven log.
    pub(crate) fn step(&mut self, shared: &Shared) -> bool {
        match self.turn(shared, false) {
            Turn::Group { pending, heads } => {
                self.group(shared, pending, heads);
                true
            }
            Turn::Mark => {
                self.mark_or_fail(shared);
                true
            }
            Turn::Close => {
                self.close(shared);
                true
            }
            Turn::Nothing | Turn::Stop => false,
        }
    }

    fn checkpoint_due(&self, shared: &Shared) -> bool {
        let wanted = self.wal_bytes >= shared.options.checkpoint_wal_bytes || !self.removals.is_empty();
        wanted && shared.keeps_files() && !shared.jobs.lock().checkpoint_underway
    }

    fn turn(&self, shared: &Shared, wait: bool) -> Turn {
        let due = self.checkpoint_due(shared);
        let mut intake = shared.intake.lock();
        loop {
            match intake.state {
                State::Stopped(_) => return Turn::Stop,
                State::Closing if intake.queue.is_empty() => return Turn::Close,
                State::Open | State::Closing => {}
            }
            if due {
                // A checkpoint shows the state after all that is queued: take all of it, and the heads with it.
                let pending = std::mem::take(&mut intake.queue);
                let heads = self.encode_heads(shared, &mut intake);
                return Turn::Group {
                    pending,
                    heads: Some(heads),
                };
            }
            if !intake.queue.is_empty() {
                return Turn::Group {
                    pending: take_group(&mut intake.queue, shared),
                    heads: None,
                };
            }
            if !wait {
                return if self.unmarked { Turn::Mark } else { Turn::Nothing };
            }
            if self.unmarked {
                if shared.arrived.wait_for(&mut intake, MARK_AFTER).timed_out() {
                    return Turn::Mark;
                }
            } else {
                shared.arrived.wait(&mut intake);
            }
            if intake.queue.is_empty() {
                // Woken for something else: a checkpoint may be due by now.
                return Turn::Nothing;
            }
        }
    }

    fn encode_heads(&self, shared: &Shared, intake: &mut crate::shared::Intake) -> Vec<u8> {
        let now = shared.clock.wall_ms();
        for head in intake.heads.values_mut() {
            head.producers.expire(now, shared.options.producer_expiration_ms);
            #[cfg(test)]
            if shared.options.planted == crate::api::Planted::NoProducers {
                head.producers = Default::default();
            }
            #[cfg(test)]
            if shared.options.planted == crate::api::Planted::NoAborted {
                head.forget_aborted();
            }
        }
        checkpoint::encode_heads(intake.deleting.iter(), intake.heads.iter())
    }

    fn group(&mut self, shared: &Shared, mut pending: VecDeque<Pending>, heads: Option<Vec<u8>>) {
        while !pending.is_empty() {
            let group = take_group(&mut pending, shared);
            #[cfg(test)]
            let group = if shared.options.planted == crate::api::Planted::EarlyAck {
                group.into_iter().map(Pending::acknowledged).collect()
            } else {
                group
            };
            let result = self.commit(shared, &group).map_err(|error| shared.fail(error));
            self.answer(shared, group, &result);
            if let Err(error) = result {
                for stranded in pending {
                    stranded.done.send(Err(error.clone())).ok();
                }
                return;
            }
        }
        if let Some(heads) = heads {
            self.take_checkpoint(shared, &heads, false);
        }
    }

    fn mark_or_fail(&mut self, shared: &Shared) {
        if let Err(error) = self.mark(shared) {
            shared.fail(error);
        }
    }

    fn answer(&self, shared: &Shared, group: VecDeque<Pending>, result: &Result<(), LogError>) {
        {
            let mut intake = shared.intake.lock();
            for pending in &group {
                intake.held_bytes = intake.held_bytes.saturating_sub(pending.bytes);
                intake.held_commits = intake.held_commits.saturating_sub(1);
            }
        }
        shared.room.notify_waiters();
        for pending in group {
            // A receiver that is gone does not want to know.
            pending.done.send(result.clone()).ok();
        }
    }

    /// Makes a group durable and visible.
    fn commit(&mut self, shared: &Shared, group: &VecDeque<Pending>) -> Result<(), LogError> {
        self.effects.clear();
        let bytes: u64 = group.iter().map(|pending| pending.bytes + FRAME_ALIGN as u64).sum();
        let lead = self.wal.lead(&mut self.buffer, bytes as usize, shared.clock.wall_ms());
        self.first = lead.map_err(|error| self.wal_error(shared, "writing", error))?;
        let mut written = self.first;
        for pending in group {
            if !pending.ops.is_empty() {
                self.encode(shared, pending, &mut written)?;
            }
        }
        if self.buffer.len() == self.first {
            return Ok(());
        }
        #[cfg(test)]
        if shared.options.planted == crate::api::Planted::ReadBeforeSync {
            self.write_wal(shared, written..self.buffer.len())?;
            self.write_segments(shared)?;
            self.apply(shared);
            return self.sync_wal(shared);
        }
        if shared.keeps_files() {
            self.write_wal(shared, written..self.buffer.len())?;
            self.sync_wal(shared)?;
        }
        self.write_segments(shared)?;
        self.apply(shared);
        if shared.keeps_files() {
            self.keep_budgets(shared)?;
        }
        self.unmarked = shared.options.durability == Durability::Fsync;
        if self.wal.current.through.is_none() && self.unmarked && shared.intake.lock().queue.is_empty() {
            // Into the page cache: that costs next to nothing. Past it, a mark waits for a quiet moment.
            self.mark(shared)?;
        }
        self.shrink();
        Ok(())
    }

    /// Gives memory back that a burst needed and nothing since.
    fn shrink(&mut self) {
        self.small_groups = if self.buffer.len() > BUFFER_KEPT_BYTES {
            0
        } else {
            self.small_groups + 1
        };
        if self.small_groups >= SMALL_GROUPS {
            self.small_groups = 0;
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        }
    }

    /// Appends the frame of one commit to the buffer; `written` is how far the buffer stands in the WAL already.
    fn encode(&mut self, shared: &Shared, pending: &Pending, written: &mut usize) -> Result<(), LogError> {
        let start = frame::begin(&mut self.buffer);
        for op in &pending.ops {
            let effect = encode_op(&mut self.buffer, op);
            self.effects.push(effect);
        }
        let payload_bytes = (self.buffer.len() - start - FRAME_HEADER_BYTES) as u32;
        let payload_crc = frame::payload_crc(&self.buffer, start);
        frame::pad(&mut self.buffer, start);
        let frame_bytes = (self.buffer.len() - start) as u64;
        if shared.keeps_files() && !self.wal.fits((start - *written) as u64, frame_bytes) {
            self.write_wal(shared, *written..start)?;
            *written = start;
            self.roll(shared)?;
        }
        self.seal_frame(start, payload_bytes, payload_crc, pending);
        Ok(())
    }

    fn seal_frame(&mut self, start: usize, payload_bytes: u32, payload_crc: u32, pending: &Pending) {
        let meta = self.wal.next_meta(pending.ops.len() as u32, pending.wall_ms);
        self.wal.chain = frame::seal(&mut self.buffer[start..], payload_bytes, payload_crc, meta);
        self.wal.sequence = meta.sequence;
    }

    fn write_wal(&mut self, shared: &Shared, range: Range<usize>) -> Result<(), LogError> {
        if range.is_empty() {
            return Ok(());
        }
        let before = self.wal.offset;
        let filler = self.wal.filler(range.len(), shared.clock.wall_ms());
        let result = if range == (self.first..self.buffer.len()) {
            self.buffer.extend_from_slice(&filler);
            let result = self.wal.write_all(&self.buffer, range.start);
            self.buffer.truncate(range.end);
            result
        } else {
            self.wal.write(&[&self.buffer[range], &filler].concat())
        };
        result.map_err(|error| self.wal_error(shared, "writing", error))?;
        self.wal_bytes += self.wal.offset - before;
        Ok(())
    }

    fn sync_wal(&mut self, shared: &Shared) -> Result<(), LogError> {
        if shared.options.durability != Durability::Fsync {
            return Ok(());
        }
        #[cfg(test)]
        if shared.options.planted == crate::api::Planted::NoSync {
            self.wal.durable_through = self.wal.sequence;
            return Ok(());
        }
        if self.wal.current.through.is_none() {
            let synced = self.wal.current.file.sync_data();
            synced.map_err(|error| self.wal_error(shared, "syncing", error))?;
        }
        self.wal.durable_through = self.wal.sequence;
        Ok(())
    }

    /// Goes on in the next WAL file.
    fn roll(&mut self, shared: &Shared) -> Result<(), LogError> {
        self.sync_wal(shared)?;
        let current = (self.wal.current.generation, self.wal.current.bytes);
        self.want_next(shared);
        self.wait_for(shared, |jobs| jobs.wal.prepared.is_some())?;
        let mut jobs = shared.jobs.lock();
        let Some(next) = jobs.wal.prepared.take() else {
            return Err(LogError::Closed);
        };
        jobs.wal.used.push_back(current);
        drop(jobs);
        self.wal.switch(next);
        Ok(())
    }

    /// Asks the keeper for the file after this one.
    fn want_next(&self, shared: &Shared) {
        let current = &self.wal.current;
        let mut jobs = shared.jobs.lock();
        let pool = &mut jobs.wal;
        if pool.prepared.is_none() && !pool.preparing && pool.wanted.is_none() {
            let bytes = wal::next_bytes(current.bytes, shared.options.wal_segment_bytes);
            pool.wanted = Some((current.generation + 1, bytes));
            shared.job_arrived.notify_one();
        }
    }

    /// Blocks until the keeper has come so far; does the keeper's work itself when the log is driven.
    fn wait_for(&self, shared: &Shared, reached: impl Fn(&crate::shared::Jobs) -> bool) -> Result<(), LogError> {
        if shared.options.driven {
            while !reached(&shared.jobs.lock()) {
                if !shared.keep_step() {
                    return Err(shared.stopped().unwrap_or(LogError::Closed));
                }
            }
            return Ok(());
        }
        let mut jobs = shared.jobs.lock();
        while !reached(&jobs) {
            if jobs.stop {
                drop(jobs);
                return Err(shared.stopped().unwrap_or(LogError::Closed));
            }
            shared.job_done.wait(&mut jobs);
        }
        Ok(())
    }

    /// Says in the WAL that the last frame is durable, so that damage to it later is not taken for a torn write. Needs no
    /// sync of its own.
    fn mark(&mut self, shared: &Shared) -> Result<(), LogError> {
        self.unmarked = false;
        if !self.wal.fits(0, BLOCK_BYTES as u64) {
            return Ok(());
        }
        let mark = self.wal.mark(shared.clock.wall_ms());
        let result = self.wal.write(&mark);
        result.map_err(|error| self.wal_error(shared, "writing", error))
    }

    fn wal_error(&self, shared: &Shared, what: &'static str, error: io::Error) -> LogError {
        let path = wal::wal_path(&shared.wal_dir, self.wal.current.generation);
        shared.io_error(what, &path, error)
    }

    /// Bounds what is unsynced, what the WAL holds, and looks after free space.
    fn keep_budgets(&mut self, shared: &Shared) -> Result<(), LogError> {
        if self.wal.offset > self.wal.current.bytes / 2 {
            self.want_next(shared);
        }
        if self.unchecked_space_bytes >= SPACE_CHECK_BYTES {
            self.unchecked_space_bytes = 0;
            let free_bytes = shared.disk.free_bytes(&shared.options.dir).unwrap_or(u64::MAX);
            if free_bytes < shared.options.free_bytes_min && !shared.low_space.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    free_bytes,
                    "the disk is nearly full: appends are refused until there is space"
                );
            }
        }
        let unsynced_bytes_max = shared.options.unsynced_bytes_max;
        self.wait_for(shared, |jobs| {
            jobs.dirty_bytes <= unsynced_bytes_max && jobs.dirty.len() <= DIRTY_FILES_MAX
        })?;
        if self.wal_bytes > WAL_BACKLOG_FACTOR * shared.options.checkpoint_wal_bytes {
            self.wait_for(shared, |jobs| !jobs.checkpoint_underway)?;
        }
        Ok(())
    }

    /// Hands the keeper a checkpoint of the state as it is after the last frame.
    fn take_checkpoint(&mut self, shared: &Shared, heads: &[u8], clean: bool) {
        let bytes = checkpoint::encode(self.wal.position(), clean, heads, &shared.tables.read());
        let generation = self.wal.current.generation;
        let removals = std::mem::take(&mut self.removals);
        self.wal_bytes = 0;
        let mut jobs = shared.jobs.lock();
        jobs.checkpoint = Some(CheckpointJob {
            bytes,
            generation,
            removals,
        });
        jobs.checkpoint_underway = true;
        drop(jobs);
        shared.job_arrived.notify_one();
    }

    /// An orderly end: all that was committed is durable; a last checkpoint says so.
    fn close(&mut self, shared: &Shared) {
        if shared.keeps_files() {
            let closed = self.close_files(shared);
            if let Err(error) = closed {
                shared.fail(error);
                return;
            }
        }
        shared.stop(&LogError::Closed);
    }

    fn close_files(&mut self, shared: &Shared) -> Result<(), LogError> {
        self.sync_wal(shared)?;
        self.wait_for(shared, |jobs| !jobs.checkpoint_underway)?;
        for partition in shared.partitions.read().values() {
            if let Some(active) = partition.view.read().segments.last() {
                active.save_index(&index_only(shared, partition));
            }
        }
        let heads = self.encode_heads(shared, &mut shared.intake.lock());
        self.take_checkpoint(shared, &heads, true);
        self.wait_for(shared, |jobs| !jobs.checkpoint_underway)
    }
}

/// Takes from the front about as much as one group carries.
fn take_group(queue: &mut VecDeque<Pending>, shared: &Shared) -> VecDeque<Pending> {
    let mut bytes = 0;
    let count = queue.iter().take_while(|pending| {
        let fits = bytes == 0 || bytes + pending.bytes <= shared.options.group_bytes_max;
        bytes += pending.bytes;
        fits
    });
    let count = count.count();
    if count == queue.len() {
        std::mem::take(queue)
    } else {
        queue.drain(..count).collect()
    }
}
