//! Opening: the last checkpoint, the WAL behind it, and everything that may be wrong with either.
//!
//! Nothing that is found is deleted. What recovery read is synced before it is served. The WAL goes on in a file of a
//! new generation and a new checkpoint names it before the first append: so a tail that was cut can never come back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::disk::{Disk, DiskLock, MemoryDisk, OpenMode};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Notify, watch};

use crate::aborted::AbortedList;
use crate::api::{Durability, Env, LogError, LogOptions, PartitionId, RecoveryReport};
use crate::checkpoint;
use crate::committer::Committer;
use crate::files::{Files, SegmentId};
use crate::partition::{Head, Partition, SegmentMeta, View};
use crate::segment::Segment;
use crate::shared::{Intake, Jobs, Removal, Shared, State};
use crate::tables::Tables;
use crate::wal::{self, Wal, WalDir, WalFile, WalPosition};
use crate::walk::WalReader;

mod replay;
mod salvage;
mod settle;

pub(crate) const PARTITIONS_DIR: &str = "partitions";
const WAL_DIR: &str = "wal";
const ASIDE_DIR: &str = "aside";
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_TEMPORARY: &str = "FORMAT.tmp";
/// Stands while replay writes to segments: what they hold may then never have been acknowledged.
const RECOVERING_FILE: &str = "RECOVERING";
const LOCK_FILE: &str = "LOCK";
/// The version of the directory's layout and of every file in it. A directory of an older version is read as it is and
/// gets the new number before anything is written that the older program does not know. 2 brought transactions and
/// compaction.
pub(crate) const FORMAT_VERSION: u32 = 2;
const FORMAT_PREFIX: &str = "rivulet log format ";

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    move |error| LogError::Io {
        what,
        path: path.to_path_buf(),
        cause: Arc::new(error),
    }
}

/// Opens the log of a directory, without threads yet.
pub(crate) fn open(options: LogOptions, env: Env) -> Result<(Arc<Shared>, Committer, RecoveryReport), LogError> {
    let disk: Arc<dyn Disk> = match options.durability {
        Durability::Memory => Arc::new(MemoryDisk::default()),
        Durability::Fsync | Durability::Os => Arc::clone(&env.disk),
    };
    let env = Env { disk, clock: env.clock };
    let dir = options.dir.clone();
    for made in [dir.clone(), dir.join(WAL_DIR), dir.join(PARTITIONS_DIR)] {
        env.disk.create_dir_all(&made).map_err(failed("creating", &made))?;
    }
    let lock = lock(env.disk.as_ref(), &dir)?;
    let mut report = RecoveryReport::default();
    check_format(env.disk.as_ref(), &dir, &mut report)?;
    let mut recovery = Recovery::new(&options, &env, report);
    recovery.load_checkpoint()?;
    recovery.replay()?;
    recovery.settle_files()?;
    recovery.finish(options, env, lock)
}

fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn DiskLock>, LogError> {
    let path = dir.join(LOCK_FILE);
    disk.lock(&path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => LogError::Locked(dir.to_path_buf()),
        _ => failed("locking", &path)(error),
    })
}

/// Refuses what a newer program wrote; writes the version into a new directory, first of all files.
fn check_format(disk: &dyn Disk, dir: &Path, report: &mut RecoveryReport) -> Result<(), LogError> {
    let path = dir.join(FORMAT_FILE);
    let mut content = vec![0; 64];
    match disk.open(&path, OpenMode::Read) {
        Ok(file) => {
            let read = file.read_at(&mut content, 0).map_err(failed("reading", &path))?;
            content.truncate(read);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => content.clear(),
        Err(error) => return Err(failed("opening", &path)(error)),
    }
    let text = String::from_utf8_lossy(&content);
    let version = text
        .strip_prefix(FORMAT_PREFIX)
        .and_then(|rest| rest.trim_end().parse::<u32>().ok())
        .filter(|version| *version > 0);
    match version {
        Some(found) if found > FORMAT_VERSION => {
            return Err(LogError::Format {
                dir: dir.to_path_buf(),
                found,
                known: FORMAT_VERSION,
            });
        }
        Some(FORMAT_VERSION) => return Ok(()),
        Some(older) => report.lines.push(format!(
            "the directory goes from format version {older} to {FORMAT_VERSION}"
        )),
        None if content.is_empty() => {}
        None => damage(
            report,
            format!("`{}` does not hold and was written anew", path.display()),
        ),
    }
    let write = || -> io::Result<()> {
        let temporary = dir.join(FORMAT_TEMPORARY);
        let file = disk.open(&temporary, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_all_at(format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n").as_bytes(), 0)?;
        file.sync_data()?;
        disk.rename(&temporary, &path)?;
        disk.sync_dir(dir)?;
        match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => disk.sync_dir(parent),
            _ => Ok(()),
        }
    };
    write().map_err(failed("writing", &path))
}

fn damage(report: &mut RecoveryReport, line: String) {
    tracing::error!("{line}");
    report.lines.push(line.clone());
    report.damage.push(line);
}

struct Recovery {
    options: LogOptions,
    env: Env,
    wal_dir: PathBuf,
    files: Files,
    report: RecoveryReport,
    heads: HashMap<PartitionId, Head>,
    deleting: BTreeSet<PartitionId>,
    tables: Tables,
    /// The end of what was taken over from the WAL.
    position: WalPosition,
    generations: Vec<u64>,
    /// Older files were in no use when the last process stopped.
    first_needed: u64,
    /// Segments that replay wrote to.
    touched: BTreeSet<(PartitionId, SegmentId)>,
    removals: Vec<Removal>,
    /// The process before this one stopped while it was recovering.
    interrupted: bool,
}

impl Recovery {
    fn new(options: &LogOptions, env: &Env, report: RecoveryReport) -> Recovery {
        let partitions_dir = options.dir.join(PARTITIONS_DIR);
        Recovery {
            options: options.clone(),
            env: env.clone(),
            wal_dir: options.dir.join(WAL_DIR),
            files: Files::new(Arc::clone(&env.disk), partitions_dir, options.open_files_max),
            report,
            heads: HashMap::new(),
            deleting: BTreeSet::new(),
            tables: Tables::default(),
            position: WalPosition {
                generation: 0,
                offset: 0,
                sequence: 0,
                chain: 0,
            },
            generations: Vec::new(),
            first_needed: 0,
            touched: BTreeSet::new(),
            removals: Vec::new(),
            interrupted: false,
        }
    }

    fn disk(&self) -> &dyn Disk {
        self.env.disk.as_ref()
    }

    fn load_checkpoint(&mut self) -> Result<(), LogError> {
        let dir = self.options.dir.clone();
        self.generations = wal::generations(self.disk(), &self.wal_dir).map_err(failed("listing", &self.wal_dir))?;
        let loaded = checkpoint::load(self.disk(), &dir).map_err(failed("reading the checkpoint in", &dir))?;
        let Some(found) = loaded.checkpoint else {
            return self.without_checkpoint(&loaded.damaged);
        };
        for path in &loaded.damaged {
            let line = format!(
                "`{}` does not hold; the other copy was used and nothing is lost",
                path.display()
            );
            damage(&mut self.report, line);
        }
        if loaded.missing > 0 {
            self.report
                .lines
                .push("a copy of the checkpoint is missing; the other one was used".into());
        }
        self.report.clean = found.clean;
        self.position = found.position;
        self.first_needed = found.position.generation;
        self.heads = found.heads.into_iter().collect();
        self.deleting = found.deleting.into_iter().collect();
        self.tables = found.tables;
        if !self.generations.contains(&self.first_needed) {
            let path = wal::wal_path(&self.wal_dir, self.first_needed);
            let line = format!(
                "`{}`, which the checkpoint names, is missing: what followed is lost",
                path.display()
            );
            damage(&mut self.report, line);
        }
        Ok(())
    }

    /// Right for a new directory only: a checkpoint stands before the first commit is taken.
    fn without_checkpoint(&mut self, damaged: &[PathBuf]) -> Result<(), LogError> {
        let partitions_dir = self.options.dir.join(PARTITIONS_DIR);
        let partitions = self
            .disk()
            .list(&partitions_dir)
            .map_err(failed("listing", &partitions_dir))?;
        let mut reader = WalReader::new(Arc::clone(&self.env.disk), &self.wal_dir, &self.generations);
        let frames = reader.later(0, 0, 0).map_err(failed("reading", &self.wal_dir))?;
        if damaged.is_empty() && partitions.is_empty() && frames.is_empty() {
            self.report.clean = true;
            return Ok(());
        }
        Err(LogError::Damaged(format!(
            "both copies of the checkpoint in `{}` are damaged or missing; restore `checkpoint-a` from a backup",
            self.options.dir.display()
        )))
    }

    fn head(&mut self, partition: PartitionId) -> &mut Head {
        self.heads
            .entry(partition)
            .or_insert_with(|| Head::new(Arc::new(Partition::empty(partition))))
    }

    /// Fences off the old WAL and puts everything together.
    fn finish(
        mut self,
        options: LogOptions,
        env: Env,
        lock: Box<dyn DiskLock>,
    ) -> Result<(Arc<Shared>, Committer, RecoveryReport), LogError> {
        let (current, free) = self.next_wal_file()?;
        let fence = WalPosition {
            generation: current.generation,
            offset: 0,
            ..self.position
        };
        if options.durability != Durability::Memory && !self.unfenced() {
            let heads = checkpoint::encode_heads(self.deleting.iter(), self.heads.iter());
            let bytes = checkpoint::encode(fence, false, &heads, &self.tables);
            let written = checkpoint::write(self.disk(), &options.dir, &bytes);
            written.map_err(failed("writing the checkpoint in", &options.dir))?;
            let marker = options.dir.join(RECOVERING_FILE);
            match self.disk().remove_file(&marker) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("removing", &marker)(error));
                }
                _ => {}
            }
        }
        let partitions: HashMap<PartitionId, Arc<Partition>> = self.heads.iter_mut().map(share).collect();
        #[cfg(test)]
        if options.planted == crate::api::Planted::StaleLastStable {
            partitions
                .values()
                .for_each(|partition| partition.view.write().first_open = None);
        }
        self.report.partitions = partitions.len();
        self.report.lines.push(format!(
            "{} partitions, WAL goes on in file {}",
            partitions.len(),
            fence.generation
        ));
        let wal = Wal {
            current,
            offset: 0,
            sequence: fence.sequence,
            chain: fence.chain,
            durable_through: fence.sequence,
            durability: self.options.durability,
            past_cache: false,
        };
        let mut jobs = Jobs::default();
        jobs.wal.free = free;
        let free_bytes = env.disk.free_bytes(&options.dir).unwrap_or(u64::MAX);
        let low_space = free_bytes < options.free_bytes_min;
        let shared = Shared {
            disk: env.disk,
            clock: env.clock,
            wal_dir: self.wal_dir,
            files: self.files,
            intake: Mutex::new(Intake {
                heads: self.heads,
                deleting: self.deleting,
                queue: std::collections::VecDeque::new(),
                held_bytes: 0,
                held_commits: 0,
                state: State::Open,
            }),
            arrived: Condvar::new(),
            room: Notify::new(),
            partitions: RwLock::new(partitions),
            tables: RwLock::new(self.tables),
            jobs: Mutex::new(jobs),
            job_arrived: Condvar::new(),
            job_done: Condvar::new(),
            failure: watch::Sender::new(None),
            low_space: low_space.into(),
            watch_numbers: 0.into(),
            compacting: Mutex::default(),
            driven: Mutex::new(None),
            lock: Mutex::new(Some(lock)),
            options,
        };
        Ok((Arc::new(shared), Committer::new(wal, self.removals), self.report))
    }

    fn unfenced(&self) -> bool {
        #[cfg(test)]
        if self.options.planted == crate::api::Planted::NoFence && self.position.generation > 0 {
            return true;
        }
        false
    }

    /// A file of a generation never used before, and those that are free once the new checkpoint stands.
    fn next_wal_file(&self) -> Result<(WalFile, Vec<(u64, u64)>), LogError> {
        let newest = self
            .generations
            .last()
            .copied()
            .unwrap_or(0)
            .max(self.position.generation);
        let generation = newest + 1;
        let path = wal::wal_path(&self.wal_dir, generation);
        let bytes = match self.options.durability {
            Durability::Memory => 0,
            Durability::Fsync | Durability::Os => wal::WAL_FIRST_BYTES.min(self.options.wal_segment_bytes),
        };
        let mut free = BTreeMap::new();
        for &old in &self.generations {
            let path = wal::wal_path(&self.wal_dir, old);
            free.insert(old, self.disk().file_bytes(&path).map_err(failed("reading", &path))?);
        }
        // Only a file that was in no use before this start may be renamed before the new checkpoint stands.
        let unused = free
            .iter()
            .find(|(old, size)| **old < self.first_needed && **size >= bytes);
        let unused = unused.map(|(old, _)| *old);
        let dir = WalDir {
            disk: self.disk(),
            path: &self.wal_dir,
            options: &self.options,
        };
        let file = match unused {
            Some(old) => {
                free.remove(&old);
                dir.recycle(old, generation)
            }
            None => dir.create(generation, bytes),
        };
        Ok((file.map_err(failed("preparing", &path))?, free.into_iter().collect()))
    }
}

/// Gives a recovered head the partition that readers share.
fn share((id, head): (&PartitionId, &mut Head)) -> (PartitionId, Arc<Partition>) {
    let active = head.segments.last().filter(|active| active.version == 0);
    let active = active.map(SegmentMeta::id);
    let known = |segment: &SegmentMeta| {
        let aborted = match active == Some(segment.id()) {
            true => AbortedList::Held(head.aborted.clone()),
            false => AbortedList::Filed(segment.aborted),
        };
        Arc::new(Segment::known(segment, aborted))
    };
    let view = View {
        log_start: head.log_start,
        high_watermark: head.log_end,
        first_open: head.producers.first_open(),
        segments: head.segments.iter().map(known).collect(),
        epochs: head.epochs.clone().into(),
        deleted: false,
        replacements: 0,
    };
    head.partition = Arc::new(Partition::with_view(*id, view));
    (*id, Arc::clone(&head.partition))
}
