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
}

/// Names one file of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileKey {
    pub(crate) partition: PartitionId,
    pub(crate) base: Offset,
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
        let ending = match key.kind {
            FileKind::Log => "log",
            FileKind::Index => "index",
        };
        self.dir(key.partition).join(format!("{:020}.{ending}", key.base))
    }

    /// What [`Files::path`] made of a key's base and kind.
    pub(crate) fn parse_name(name: &str) -> Option<(Offset, FileKind)> {
        let (digits, ending) = name.split_once('.')?;
        let kind = match ending {
            "log" => FileKind::Log,
            "index" => FileKind::Index,
            _ => return None,
        };
        (digits.len() == 20).then_some((digits.parse().ok()?, kind))
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
