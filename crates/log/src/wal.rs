//! The write-ahead log's files: their names, the place of the next frame, the pool of recycled files.
//!
//! A file is named by its generation, which is never used twice; frames carry it in their checksum. So a recycled file
//! needs no clearing: what an earlier life left in it can never pass for a frame of this one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::TimestampMs;
use base::disk::{BLOCK_BYTES, Disk, DiskFile, OpenMode, WriteThrough};

#[cfg(test)]
use crate::api::Planted;
use crate::api::{Durability, LogOptions};
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
    /// The way past the page cache, where the disk has one and what is written must be durable: it saves a copy of
    /// every byte, and the sync.
    pub(crate) through: Option<Arc<dyn WriteThrough>>,
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
        through: None,
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
        through: None,
        bytes,
    })
}

/// Opens the way past the page cache, if writes are to be durable and there is one.
pub(crate) fn opened(mut file: WalFile, options: &LogOptions, disk: &dyn Disk, dir: &Path) -> io::Result<WalFile> {
    #[cfg(test)]
    if options.planted != Planted::Nothing {
        // The faults are about syncs that are missing or late.
        return Ok(file);
    }
    if options.durability == Durability::Fsync {
        file.through = disk.open_write_through(&wal_path(dir, file.generation))?;
    }
    Ok(file)
}

/// The end of the WAL that is written to.
pub(crate) struct Wal {
    pub(crate) current: WalFile,
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
    pub(crate) chain: u32,
    /// The last frame known to be synced.
    pub(crate) durable_through: u64,
    /// What stands in the block at `offset` already: it is written again with what follows it there.
    pub(crate) tail: Vec<u8>,
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
        self.tail.clear();
    }

    /// Empties a buffer for about `bytes` of frames and begins it so that [`Wal::write_all`] can write from it as it
    /// is: with the tail, at a block's address. Returns where the frames begin.
    pub(crate) fn lead(&self, buffer: &mut Vec<u8>, bytes: usize) -> usize {
        buffer.clear();
        buffer.reserve(bytes + 3 * BLOCK_BYTES);
        if self.current.through.is_some() {
            let gap = buffer.as_ptr().align_offset(BLOCK_BYTES);
            // Without an answer the bytes are copied once more, see `write`.
            buffer.resize(gap.min(BLOCK_BYTES), 0);
            buffer.extend_from_slice(&self.tail);
        }
        buffer.len()
    }

    /// Writes a buffer from `start` to its end; [`Wal::lead`] has begun it, and nothing was written since.
    pub(crate) fn write_all(&mut self, buffer: &mut Vec<u8>, start: usize) -> io::Result<()> {
        let Some(through) = self.current.through.clone() else {
            return self.write(&buffer[start..]);
        };
        let (begin, end) = (start - self.tail.len(), buffer.len());
        buffer.resize(begin + (end - begin).next_multiple_of(BLOCK_BYTES), 0);
        let blocks = &buffer[begin..];
        let is_aligned = blocks.as_ptr().addr().is_multiple_of(BLOCK_BYTES);
        if is_aligned {
            through.write_blocks(blocks, self.offset - self.tail.len() as u64)?;
        }
        buffer.truncate(end);
        if is_aligned {
            self.advance(&buffer[start..]);
            Ok(())
        } else {
            self.write(&buffer[start..])
        }
    }

    /// Writes bytes behind those that are there. Past the page cache they are durable then.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.current.through.clone() {
            None => self.current.file.write_all_at(bytes, self.offset)?,
            Some(through) => {
                let mut copy = Vec::new();
                let start = self.lead(&mut copy, bytes.len());
                let begin = start - self.tail.len();
                copy.extend_from_slice(bytes);
                copy.resize(begin + (copy.len() - begin).next_multiple_of(BLOCK_BYTES), 0);
                through.write_blocks(&copy[begin..], self.offset - self.tail.len() as u64)?;
            }
        }
        self.advance(bytes);
        Ok(())
    }

    fn advance(&mut self, written: &[u8]) {
        self.offset += written.len() as u64;
        if self.current.through.is_some() {
            let kept = (self.offset % BLOCK_BYTES as u64) as usize;
            if written.len() >= kept {
                self.tail.clear();
            }
            self.tail
                .extend_from_slice(&written[written.len().saturating_sub(kept)..]);
        }
    }
}
