//! Names of partition files, and a bounded set of open handles to them.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use base::Offset;
use base::disk::{Disk, DiskFile, OpenMode};
use parking_lot::Mutex;

use crate::api::PartitionId;

/// Which of a segment's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Log,
    Index,
    /// The aborted transactions that ended in it.
    Aborted,
}

impl FileKind {
    pub(crate) const ALL: [FileKind; 3] = [FileKind::Log, FileKind::Index, FileKind::Aborted];

    fn ending(self) -> &'static str {
        match self {
            FileKind::Log => "log",
            FileKind::Index => "index",
            FileKind::Aborted => "aborted",
        }
    }
}

/// Names a segment's files within its partition. What compaction writes gets a version of its own, so that the files
/// before and after it never share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SegmentId {
    pub(crate) base: Offset,
    pub(crate) version: u32,
}

impl SegmentId {
    /// As segments are when they are written to.
    pub(crate) fn first(base: Offset) -> SegmentId {
        SegmentId { base, version: 0 }
    }
}

/// Names one file of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileKey {
    pub(crate) partition: PartitionId,
    pub(crate) segment: SegmentId,
    pub(crate) kind: FileKind,
}

/// Opens files when they are used and closes those longest unused when there are too many.
pub(crate) struct Files {
    disk: Arc<dyn Disk>,
    partitions_dir: PathBuf,
    open_max: usize,
    open: Mutex<OpenFiles>,
}

#[derive(Default)]
struct OpenFiles {
    by_key: HashMap<FileKey, (Arc<dyn DiskFile>, u64)>,
    uses: u64,
}

impl Files {
    pub(crate) fn new(disk: Arc<dyn Disk>, partitions_dir: PathBuf, open_max: usize) -> Files {
        Files {
            disk,
            partitions_dir,
            open_max: open_max.max(8),
            open: Mutex::default(),
        }
    }

    pub(crate) fn dir(&self, partition: PartitionId) -> PathBuf {
        self.partitions_dir.join(format!("{:020}", partition.0))
    }

    pub(crate) fn path(&self, key: FileKey) -> PathBuf {
        let SegmentId { base, version } = key.segment;
        let ending = key.kind.ending();
        let name = match version {
            0 => format!("{base:020}.{ending}"),
            _ => format!("{base:020}.v{version}.{ending}"),
        };
        self.dir(key.partition).join(name)
    }

    /// What [`Files::path`] made of a key's segment and kind.
    pub(crate) fn parse_name(name: &str) -> Option<(SegmentId, FileKind)> {
        let (front, ending) = name.rsplit_once('.')?;
        let kind = FileKind::ALL.into_iter().find(|kind| kind.ending() == ending)?;
        let (digits, version) = match front.split_once(".v") {
            Some((digits, version)) => (digits, version.parse().ok().filter(|version| *version > 0)?),
            None => (front, 0),
        };
        let base = digits.parse().ok().filter(|_| digits.len() == 20)?;
        Some((SegmentId { base, version }, kind))
    }

    /// A handle to a file that exists.
    pub(crate) fn existing(&self, key: FileKey) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = self.cached(key) {
            return Ok(file);
        }
        let file = self.disk.open(&self.path(key), OpenMode::Write)?;
        self.keep(key, &file);
        Ok(file)
    }

    /// A handle, and whether the file had to be made: then its name is not durable yet.
    pub(crate) fn create(&self, key: FileKey) -> io::Result<(Arc<dyn DiskFile>, bool)> {
        match self.existing(key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found.map(|file| (file, false)),
        }
        self.disk.create_dir_all(&self.dir(key.partition))?;
        let file = self.disk.open(&self.path(key), OpenMode::Create)?;
        self.keep(key, &file);
        Ok((file, true))
    }

    pub(crate) fn forget(&self, key: FileKey) {
        self.open.lock().by_key.remove(&key);
    }

    fn cached(&self, key: FileKey) -> Option<Arc<dyn DiskFile>> {
        let mut open = self.open.lock();
        open.uses += 1;
        let now = open.uses;
        let (file, used) = open.by_key.get_mut(&key)?;
        *used = now;
        Some(Arc::clone(file))
    }

    fn keep(&self, key: FileKey, file: &Arc<dyn DiskFile>) {
        let mut open = self.open.lock();
        if open.by_key.len() >= self.open_max {
            // An eighth at once, so that finding the oldest costs little per file.
            let mut uses: Vec<u64> = open.by_key.values().map(|(_, used)| *used).collect();
            uses.sort_unstable();
            let oldest_kept = uses[uses.len().div_ceil(8)];
            open.by_key.retain(|_, (_, used)| *used >= oldest_kept);
        }
        let now = open.uses;
        open.by_key.insert(key, (Arc::clone(file), now));
    }
}
