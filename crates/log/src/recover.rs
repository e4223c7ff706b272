//! Opening: the last checkpoint, the WAL behind it, and everything that may be wrong with either.
//!
//! Nothing that is found is deleted. What recovery read is synced before it is served. The WAL goes on in a file of a
//! new generation and a new checkpoint names it before the first append: so a tail that was cut can never come back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Offset;
use base::disk::{Disk, DiskLock, MemoryDisk, OpenMode};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Notify, watch};
use wire::BatchHeader;
use wire::batch::check_crc;

use crate::api::{Durability, Env, LogError, LogOptions, PartitionId, RecoveryReport};
use crate::checkpoint;
use crate::committer::Committer;
use crate::files::{FileKey, FileKind, Files};
use crate::frame::{self, FrameHeader, FrameOp, Place};
use crate::index;
use crate::intake::headers;
use crate::partition::{Addition, Head, Partition, View};
use crate::scan::Scanner;
use crate::segment::Segment;
use crate::shared::{Intake, Jobs, Removal, Shared, State};
use crate::tables::Tables;
use crate::wal::{self, Wal, WalFile, WalPosition};
use crate::walk::{Found, WalReader};

pub(crate) const PARTITIONS_DIR: &str = "partitions";
const WAL_DIR: &str = "wal";
const ASIDE_DIR: &str = "aside";
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_TEMPORARY: &str = "FORMAT.tmp";
/// Stands while replay writes to segments: what they hold may then never have been acknowledged.
const RECOVERING_FILE: &str = "RECOVERING";
const LOCK_FILE: &str = "LOCK";
/// The version of the directory's layout and of every file in it.
pub(crate) const FORMAT_VERSION: u32 = 1;
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
        .and_then(|rest| rest.trim_end().parse::<u32>().ok());
    match version {
        Some(found) if found > FORMAT_VERSION => {
            return Err(LogError::Format {
                dir: dir.to_path_buf(),
                found,
                known: FORMAT_VERSION,
            });
        }
        Some(FORMAT_VERSION) => return Ok(()),
        _ if content.is_empty() => {}
        _ => damage(
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
    touched: BTreeSet<(PartitionId, Offset)>,
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

    fn replay(&mut self) -> Result<(), LogError> {
        if self.report.clean {
            return Ok(());
        }
        let marker = self.options.dir.join(RECOVERING_FILE);
        self.interrupted = match self.disk().file_bytes(&marker) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed("reading", &marker)(error)),
        };
        let wal_dir = self.wal_dir.clone();
        let failed_reading = || failed("reading", &wal_dir);
        let mut reader = WalReader::new(Arc::clone(&self.env.disk), &wal_dir, &self.generations);
        let mut known_durable = self.position.sequence;
        loop {
            let at = self.position;
            let next = at.sequence + 1;
            let follows = |header: &FrameHeader| header.sequence == next && header.previous == at.chain;
            let found = reader.frame(at.generation, at.offset).map_err(failed_reading())?;
            if let Found::Whole(header, payload) = &found
                && follows(header)
            {
                known_durable = known_durable.max(header.durable_through);
                self.apply(header, payload)?;
                self.position = WalPosition {
                    offset: at.offset + header.frame_bytes(),
                    sequence: next,
                    chain: header.checksum,
                    ..at
                };
                continue;
            }
            if let Found::Whole(header, _) = reader.frame(at.generation + 1, 0).map_err(failed_reading())?
                && follows(&header)
            {
                self.position = WalPosition {
                    generation: at.generation + 1,
                    offset: 0,
                    ..at
                };
                continue;
            }
            let later = reader.later(at.generation, at.offset, next).map_err(failed_reading())?;
            let durable = later
                .iter()
                .map(|frame| frame.header.durable_through)
                .fold(known_durable, u64::max);
            if next > durable {
                self.cut(&found, &later, next);
                break;
            }
            let target = later.iter().find(|frame| frame.header.sequence <= durable + 1);
            let resumes = target.map_or(durable + 1, |frame| frame.header.sequence);
            self.report.frames_damaged += resumes - next;
            let line = format!(
                "WAL file {} is damaged at byte {}: acknowledged frames {next} to {} do not hold",
                at.generation,
                at.offset,
                resumes - 1
            );
            damage(&mut self.report, line);
            self.salvage_all()?;
            if let Found::Damaged(header, payload) = &found
                && follows(header)
            {
                self.apply_what_holds(header, payload)?;
            }
            let Some(target) = target else {
                self.position.sequence = durable;
                break;
            };
            self.position = WalPosition {
                generation: target.generation,
                offset: target.offset,
                sequence: resumes - 1,
                chain: target.header.previous,
            };
            known_durable = durable;
        }
        let replayed = self.report.frames_replayed;
        self.report.lines.push(format!(
            "the last stop was not orderly: {replayed} commits were replayed from the WAL"
        ));
        Ok(())
    }

    /// The rest of the WAL was never acknowledged.
    fn cut(&mut self, found: &Found, later: &[crate::walk::Later], next: u64) {
        let torn = match found {
            Found::Damaged(header, _) | Found::Whole(header, _) if header.sequence == next => header.frame_bytes(),
            _ => 0,
        };
        let bytes = torn + later.iter().map(|frame| frame.header.frame_bytes()).sum::<u64>();
        if bytes > 0 {
            self.report.tail_bytes_cut = bytes;
            let WalPosition { generation, offset, .. } = self.position;
            self.report.lines.push(format!(
                "cut {bytes} bytes of unacknowledged frames from WAL file {generation} at byte {offset}: frame {next} was not written whole"
            ));
        }
    }

    fn apply(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), LogError> {
        let mut count = 0;
        for op in frame::ops(payload, header.op_count) {
            self.apply_op(op, header.wall_ms)?;
            count += 1;
        }
        if count != header.op_count {
            let line = format!(
                "frame {} holds operations that this program cannot read",
                header.sequence
            );
            return Err(LogError::Damaged(line));
        }
        self.report.frames_replayed += u64::from(count > 0);
        Ok(())
    }

    fn apply_op(&mut self, op: FrameOp<'_>, wall_ms: i64) -> Result<(), LogError> {
        match op {
            FrameOp::Create { partition } => {
                self.head(partition);
            }
            FrameOp::Delete { partition } => {
                self.heads.remove(&partition);
                self.touched.retain(|(id, _)| *id != partition);
                self.deleting.insert(partition);
            }
            FrameOp::Append {
                partition,
                base,
                place,
                batches,
            } => {
                self.append(partition, base, place, batches, wall_ms)?;
            }
            FrameOp::AdvanceStart { partition, log_start } => {
                let head = self.head(partition);
                // Offsets before the start were given out, even if the frame that said so is lost.
                head.log_end = head.log_end.max(log_start);
                for base in head.advance_start(log_start) {
                    self.touched.remove(&(partition, base));
                    self.removals.push(Removal::Segment(partition, base));
                }
            }
            FrameOp::Put { table, key, value } => self.tables.put(table, key, value),
        }
        Ok(())
    }

    fn head(&mut self, partition: PartitionId) -> &mut Head {
        self.heads
            .entry(partition)
            .or_insert_with(|| Head::new(Arc::new(Partition::empty(partition))))
    }

    fn append(
        &mut self,
        partition: PartitionId,
        base: Offset,
        place: Place,
        batches: &[u8],
        wall_ms: i64,
    ) -> Result<(), LogError> {
        self.touch(partition, place)?;
        let key = FileKey {
            partition,
            base: place.segment_base,
            kind: FileKind::Log,
        };
        let written = self
            .files
            .create(key)
            .and_then(|(file, _)| file.write_all_at(batches, place.position));
        written.map_err(failed("writing", &self.files.path(key)))?;
        let head = self.head(partition);
        if base < head.log_end {
            // Salvaged from the segment already, after damage to the WAL.
            return Ok(());
        }
        let lost = head.log_end..base;
        let known = head.segments.last().filter(|active| active.base == place.segment_base);
        let hole = place.position > known.map_or(0, |active| active.bytes);
        adopt(
            head,
            place,
            batches.len() as u64,
            &headers(batches).collect::<Vec<_>>(),
            wall_ms,
        );
        if hole {
            let line = format!(
                "partition {}: offsets {} to {} are lost with a damaged WAL frame and are not served",
                partition.0,
                lost.start,
                lost.end - 1
            );
            damage(&mut self.report, line);
        }
        Ok(())
    }

    /// Before the first write to a segment: what its index says of bytes behind the checkpoint may be stale.
    fn touch(&mut self, partition: PartitionId, place: Place) -> Result<(), LogError> {
        if self.touched.is_empty() {
            self.mark_recovering()?;
        }
        if !self.touched.insert((partition, place.segment_base)) {
            return Ok(());
        }
        let known = self.heads.get(&partition).and_then(|head| head.segments.last());
        let known = known
            .filter(|active| active.base == place.segment_base)
            .map_or(0, |active| active.bytes);
        if known > 0 {
            // Replay writes behind what is missing, and would hide it.
            self.check_segment(partition, place.segment_base, known)?;
        }
        let path = self.files.path(FileKey {
            partition,
            base: place.segment_base,
            kind: FileKind::Index,
        });
        let cut = match self.disk().open(&path, OpenMode::Write) {
            Ok(file) => index::cut(file.as_ref(), place.segment_base, known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        cut.map_err(failed("cutting", &path))
    }

    fn salvage_all(&mut self) -> Result<(), LogError> {
        let mut partitions: Vec<PartitionId> = self.heads.keys().copied().collect();
        partitions.sort_unstable();
        partitions.into_iter().try_for_each(|partition| self.salvage(partition))
    }

    /// Says, before replay writes the first batch to a segment, that it will.
    fn mark_recovering(&self) -> Result<(), LogError> {
        let (disk, path) = (self.disk(), self.options.dir.join(RECOVERING_FILE));
        let opened = disk
            .open(&path, OpenMode::Create)
            .and_then(|_| disk.sync_dir(&self.options.dir));
        opened.map_err(failed("creating", &path))
    }

    /// Batches get to their segment only when they are durable: those that stand there whole, behind what the WAL
    /// tells, were acknowledged, and the WAL has lost them.
    fn salvage(&mut self, partition: PartitionId) -> Result<(), LogError> {
        while let Some((place, header)) = self.salvage_batch(partition)? {
            self.touch(partition, place)?;
            let now = self.env.clock.wall_ms();
            let line = format!(
                "partition {}: offsets {} to {} were missing from the WAL and found whole in their segment",
                partition.0,
                header.base_offset,
                header.last_offset()
            );
            match self.options.durability {
                Durability::Fsync => damage(&mut self.report, line),
                Durability::Os | Durability::Memory => self.report.lines.push(line),
            }
            adopt(self.head(partition), place, header.size_bytes() as u64, &[header], now);
        }
        Ok(())
    }

    fn salvage_batch(&mut self, partition: PartitionId) -> Result<Option<(Place, BatchHeader)>, LogError> {
        let head = self.head(partition);
        let expected = head.log_end;
        let behind_active = head.segments.last().map(|active| Place {
            segment_base: active.base,
            position: active.bytes,
        });
        let next_segment = Place {
            segment_base: expected,
            position: 0,
        };
        for place in behind_active.into_iter().chain([next_segment]) {
            let key = FileKey {
                partition,
                base: place.segment_base,
                kind: FileKind::Log,
            };
            let path = self.files.path(key);
            let until = match self.disk().file_bytes(&path) {
                Ok(bytes) if bytes > place.position => bytes,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("reading", &path)(error)),
            };
            let file = self.files.existing(key).map_err(failed("opening", &path))?;
            let mut scanner = Scanner::new(file, until, Offset::MAX);
            let found = scanner
                .batch(place.position, expected)
                .map_err(failed("reading", &path))?;
            if let Some(header) = found.filter(|header| header.base_offset == expected) {
                return Ok(Some((place, header)));
            }
        }
        Ok(None)
    }

    /// Of a frame whose payload is damaged: appends whose batches hold by their own checksums. Offsets that a damaged
    /// batch had are not given out again.
    fn apply_what_holds(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), LogError> {
        for op in frame::ops(payload, header.op_count) {
            let FrameOp::Append {
                partition,
                base,
                place,
                batches,
            } = op
            else {
                continue;
            };
            let Some(head) = self.heads.get_mut(&partition) else {
                continue;
            };
            let batch_headers: Vec<BatchHeader> = headers(batches).collect();
            let bytes: usize = batch_headers.iter().map(BatchHeader::size_bytes).sum();
            let fits = base == head.log_end
                && bytes == batches.len()
                && batch_headers.first().is_some_and(|first| first.base_offset == base)
                && place == head.place(base, u64::MAX / 2, place_limit(head, place));
            if !fits {
                continue;
            }
            if whole(batches) {
                self.append(partition, base, place, batches, header.wall_ms)?;
                continue;
            }
            let next_offset = batch_headers.last().map_or(base, BatchHeader::next_offset);
            if next_offset > base && next_offset - base <= bytes as i64 {
                adopt(head, place, bytes as u64, &batch_headers, header.wall_ms);
                let line = format!(
                    "partition {}: offsets {base} to {} are damaged and are not served",
                    partition.0,
                    next_offset - 1
                );
                damage(&mut self.report, line);
            }
        }
        Ok(())
    }

    /// Compares files with what should be there, moves strangers aside, syncs what replay wrote.
    fn settle_files(&mut self) -> Result<(), LogError> {
        if !self.report.clean {
            self.look_for_strangers()?;
        }
        self.check_segments()?;
        #[cfg(test)]
        if self.options.planted == crate::api::Planted::NoReplaySync {
            self.touched.clear();
        }
        for (partition, base) in &self.touched {
            let key = FileKey {
                partition: *partition,
                base: *base,
                kind: FileKind::Log,
            };
            let synced = self.files.existing(key).and_then(|file| file.sync_data());
            synced.map_err(failed("syncing", &self.files.path(key)))?;
        }
        let dirs: BTreeSet<PathBuf> = self
            .touched
            .iter()
            .map(|(partition, _)| self.files.dir(*partition))
            .collect();
        let partitions_dir = self.options.dir.join(PARTITIONS_DIR);
        for dir in dirs.iter().chain([&partitions_dir]) {
            self.disk().sync_dir(dir).map_err(failed("syncing", dir))?;
        }
        self.removals
            .extend(self.deleting.iter().map(|partition| Removal::Partition(*partition)));
        Ok(())
    }

    fn check_segments(&mut self) -> Result<(), LogError> {
        let untouched = |partition: PartitionId, base| !self.touched.contains(&(partition, base));
        let segments = self.heads.iter().flat_map(|(partition, head)| {
            head.segments
                .iter()
                .map(|segment| (*partition, segment.base, segment.bytes))
        });
        let mut segments: Vec<(PartitionId, Offset, u64)> = segments
            .filter(|(partition, base, _)| untouched(*partition, *base))
            .collect();
        segments.sort_unstable();
        segments
            .into_iter()
            .try_for_each(|(partition, base, bytes)| self.check_segment(partition, base, bytes))
    }

    fn check_segment(&mut self, partition: PartitionId, base: Offset, bytes: u64) -> Result<(), LogError> {
        let path = self.files.path(FileKey {
            partition,
            base,
            kind: FileKind::Log,
        });
        let found = match self.disk().file_bytes(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(failed("reading", &path)(error)),
        };
        if found < bytes {
            let path = path.display();
            let line = format!("`{path}` has {found} of {bytes} bytes: what is missing is not served");
            damage(&mut self.report, line);
        }
        Ok(())
    }

    fn look_for_strangers(&mut self) -> Result<(), LogError> {
        let partitions_dir = self.options.dir.join(PARTITIONS_DIR);
        let names = self
            .disk()
            .list(&partitions_dir)
            .map_err(failed("listing", &partitions_dir))?;
        for name in names {
            let path = partitions_dir.join(&name);
            let id = name
                .parse()
                .ok()
                .map(PartitionId)
                .filter(|id| self.files.dir(*id) == path);
            match id {
                Some(id) if self.heads.contains_key(&id) => self.look_into_partition(id)?,
                Some(id) if self.deleting.contains(&id) => {}
                _ => self.move_aside(&path, &name)?,
            }
        }
        Ok(())
    }

    fn look_into_partition(&mut self, partition: PartitionId) -> Result<(), LogError> {
        if !self.interrupted {
            self.salvage(partition)?;
        }
        self.cut_segment(partition)?;
        let dir = self.files.dir(partition);
        let head = &self.heads[&partition];
        let live: BTreeSet<Offset> = head.segments.iter().map(|segment| segment.base).collect();
        let first_live = live.first().copied().unwrap_or(head.log_end);
        for name in self.disk().list(&dir).map_err(failed("listing", &dir))? {
            match Files::parse_name(&name) {
                Some((base, _)) if live.contains(&base) => {}
                Some((base, _)) if base < first_live => self.removals.push(Removal::Segment(partition, base)),
                _ => self.move_aside(&dir.join(&name), &format!("{:020}-{name}", partition.0))?,
            }
        }
        Ok(())
    }

    /// Cuts what stands behind the last batch of the active segment, so that it can never be taken for data later.
    fn cut_segment(&mut self, partition: PartitionId) -> Result<(), LogError> {
        let Some(active) = self.heads[&partition].segments.last().copied() else {
            return Ok(());
        };
        let key = FileKey {
            partition,
            base: active.base,
            kind: FileKind::Log,
        };
        let path = self.files.path(key);
        let surplus = match self.disk().file_bytes(&path) {
            Ok(bytes) => bytes > active.bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed("reading", &path)(error)),
        };
        if surplus {
            let cut = self.files.existing(key).and_then(|file| file.set_len(active.bytes));
            cut.map_err(failed("cutting", &path))?;
            self.touched.insert((partition, active.base));
        }
        Ok(())
    }

    fn move_aside(&mut self, path: &Path, name: &str) -> Result<(), LogError> {
        let aside = self.options.dir.join(ASIDE_DIR);
        let moving = failed("moving aside", path);
        let moved = || -> io::Result<PathBuf> {
            self.disk().create_dir_all(&aside)?;
            let taken = self.disk().list(&aside)?;
            let mut target = name.to_owned();
            let mut number = 1;
            while taken.contains(&target) {
                target = format!("{name}.{number}");
                number += 1;
            }
            let target = aside.join(target);
            self.disk().rename(path, &target)?;
            self.disk().sync_dir(&self.options.dir)?;
            self.disk().sync_dir(&aside)?;
            Ok(target)
        };
        let target = moved().map_err(moving)?;
        let line = format!(
            "`{}` belongs to nothing known; it was moved to `{}`",
            path.display(),
            target.display()
        );
        tracing::warn!("{line}");
        self.report.lines.push(line);
        Ok(())
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
        let file = match unused {
            Some(old) => {
                free.remove(&old);
                wal::recycle(self.disk(), &self.wal_dir, old, generation)
            }
            None => wal::create(self.disk(), &self.wal_dir, generation, bytes),
        };
        Ok((file.map_err(failed("preparing", &path))?, free.into_iter().collect()))
    }
}

/// Changes a head by an append that stands in its segment.
fn adopt(head: &mut Head, place: Place, bytes: u64, batch_headers: &[BatchHeader], wall_ms: i64) {
    let mut addition = Addition {
        bytes,
        next_offset: head.log_end,
        max_timestamp: i64::MIN,
    };
    for header in batch_headers {
        head.producers.record(header, wall_ms);
        head.note_epoch(header.leader_epoch, header.base_offset);
        addition.next_offset = header.next_offset();
        addition.max_timestamp = addition.max_timestamp.max(header.max_timestamp);
    }
    head.append(place, &addition);
}

/// A size limit under which [`Head::place`] gives the active segment if `place` names it, and a new one if not.
fn place_limit(head: &Head, place: Place) -> u64 {
    let active = head
        .segments
        .last()
        .is_some_and(|active| active.base == place.segment_base);
    if active { u64::MAX } else { 0 }
}

/// Whether every batch holds by its own checksum.
fn whole(batches: &[u8]) -> bool {
    let mut at = 0;
    while at < batches.len() {
        match check_crc(&batches[at..]) {
            Ok(header) => at += header.size_bytes(),
            Err(_) => return false,
        }
    }
    true
}

/// Gives a recovered head the partition that readers share.
fn share((id, head): (&PartitionId, &mut Head)) -> (PartitionId, Arc<Partition>) {
    let known = |segment: &crate::partition::SegmentMeta| {
        Arc::new(Segment::known(segment.base, segment.bytes, segment.max_timestamp))
    };
    let view = View {
        log_start: head.log_start,
        high_watermark: head.log_end,
        segments: head.segments.iter().map(known).collect(),
        epochs: head.epochs.clone().into(),
        deleted: false,
    };
    head.partition = Arc::new(Partition::with_view(*id, view));
    (*id, Arc::clone(&head.partition))
}
