//! The write-ahead log's files: their names, the place of the next frame, the pool of recycled files.
//!
//! A file is named by its generation, which is never used twice; frames carry it in their checksum. So a recycled file
//! needs no clearing: what an earlier life left in it can never pass for a frame of this one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::TimestampMs;
use base::disk::{Disk, DiskFile, OpenMode};

use crate::frame::FrameMeta;

/// Size of the first file of a new directory; each next one is larger by [`WAL_GROWTH`], up to the setting.
pub(crate) const WAL_FIRST_BYTES: u64 = 1 << 20;
const WAL_GROWTH: u64 = 8;
/// Zeros are written and synced in steps, so that a commit meanwhile never waits for all of them.
const ZERO_STEP_BYTES: usize = 1 << 20;

/// Where a frame ends, and what the next one must carry on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalPosition {
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
    /// The checksum of the frame that ends here.
    pub(crate) chain: u32,
}

/// One file of the WAL.
#[derive(Clone)]
pub(crate) struct WalFile {
    pub(crate) generation: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// How far it is written with zeros or old frames: up to here a sync need not touch the file's metadata.
    pub(crate) bytes: u64,
}

pub(crate) fn wal_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{generation:020}.wal"))
}

/// The generations that have a file, sorted.
pub(crate) fn generations(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let names = disk.list(dir)?;
    let generation = |name: &String| {
        name.strip_suffix(".wal")
            .filter(|digits| digits.len() == 20)?
            .parse()
            .ok()
    };
    Ok(names.iter().filter_map(generation).collect())
}

/// How large the file after one of `bytes` should be.
pub(crate) fn next_bytes(bytes: u64, bytes_max: u64) -> u64 {
    bytes
        .saturating_mul(WAL_GROWTH)
        .clamp(WAL_FIRST_BYTES.min(bytes_max), bytes_max)
}

/// Makes a file full of zeros, durable with its name.
pub(crate) fn create(disk: &dyn Disk, dir: &Path, generation: u64, bytes: u64) -> io::Result<WalFile> {
    let file = disk.open(&wal_path(dir, generation), OpenMode::Create)?;
    let zeros = vec![0; ZERO_STEP_BYTES.min(bytes as usize)];
    let mut at = 0;
    while at < bytes {
        let step = zeros.len().min((bytes - at) as usize);
        file.write_all_at(&zeros[..step], at)?;
        at += step as u64;
        if at % (8 * ZERO_STEP_BYTES as u64) == 0 {
            file.sync_data()?;
        }
    }
    file.sync_data()?;
    disk.sync_dir(dir)?;
    Ok(WalFile {
        generation,
        file,
        bytes,
    })
}

/// Gives a file that is no longer needed a new name, and with it a new life.
pub(crate) fn recycle(disk: &dyn Disk, dir: &Path, old: u64, generation: u64) -> io::Result<WalFile> {
    let path = wal_path(dir, generation);
    disk.rename(&wal_path(dir, old), &path)?;
    disk.sync_dir(dir)?;
    let file = disk.open(&path, OpenMode::Write)?;
    let bytes = file.len()?;
    Ok(WalFile {
        generation,
        file,
        bytes,
    })
}

/// The end of the WAL that is written to.
pub(crate) struct Wal {
    pub(crate) current: WalFile,
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
    pub(crate) chain: u32,
    /// The last frame known to be synced.
    pub(crate) durable_through: u64,
}

impl Wal {
    pub(crate) fn position(&self) -> WalPosition {
        let (offset, sequence, chain) = (self.offset, self.sequence, self.chain);
        WalPosition {
            generation: self.current.generation,
            offset,
            sequence,
            chain,
        }
    }

    /// Whether a frame may go into the current file behind `unwritten` other bytes. A frame larger than any file gets
    /// one of its own.
    pub(crate) fn fits(&self, unwritten: u64, frame_bytes: u64) -> bool {
        let at = self.offset + unwritten;
        at == 0 || at + frame_bytes <= self.current.bytes
    }

    /// What the next frame's header must say.
    pub(crate) fn next_meta(&self, op_count: u32, wall_ms: TimestampMs) -> FrameMeta {
        FrameMeta {
            op_count,
            generation: self.current.generation,
            sequence: self.sequence + 1,
            durable_through: self.durable_through,
            previous: self.chain,
            wall_ms,
        }
    }

    /// Goes on in another file.
    pub(crate) fn switch(&mut self, next: WalFile) {
        self.current = next;
        self.offset = 0;
    }
}
