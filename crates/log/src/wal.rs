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
use crate::frame::{self, FRAME_ALIGN, FRAME_HEADER_BYTES, FrameMeta};

/// Size of the first file of a new directory; each next one is larger by [`WAL_GROWTH`], up to the setting.
pub(crate) const WAL_FIRST_BYTES: u64 = 1 << 20;
const WAL_GROWTH: u64 = 8;
/// In class `os` smaller groups go through the page cache, which gathers them into blocks; larger ones past it, which
/// saves a copy of every byte.
const OS_PAST_CACHE_BYTES: usize = 128 << 10;
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
    /// The way past the page cache, where the disk has one: it saves a copy of every byte and, where what is written
    /// must be durable, the sync.
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

/// Where WAL files are and how they are opened.
#[derive(Clone, Copy)]
pub(crate) struct WalDir<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) path: &'a Path,
    pub(crate) options: &'a LogOptions,
}

impl WalDir<'_> {
    /// Makes a file full of zeros, durable with its name.
    pub(crate) fn create(self, generation: u64, bytes: u64) -> io::Result<WalFile> {
        let made = self.open(generation, OpenMode::Create)?;
        let mut zeros = Vec::new();
        let step_bytes = ZERO_STEP_BYTES.min(bytes as usize);
        let start = begin_at_block(&mut zeros, step_bytes);
        zeros.resize(start + step_bytes, 0);
        let mut at = 0;
        while at < bytes {
            let step = &zeros[start..][..step_bytes.min((bytes - at) as usize)];
            match &made.through {
                // As frames will be written: the page cache would have to let go of its copy then.
                Some(through) if are_blocks(step) => through.write_blocks(step, at)?,
                _ => made.file.write_all_at(step, at)?,
            }
            at += step.len() as u64;
            if at % (8 * ZERO_STEP_BYTES as u64) == 0 {
                made.file.sync_data()?;
            }
        }
        made.file.sync_data()?;
        self.disk.sync_dir(self.path)?;
        Ok(WalFile { bytes, ..made })
    }

    /// Gives a file that is no longer needed a new name, and with it a new life.
    pub(crate) fn recycle(self, old: u64, generation: u64) -> io::Result<WalFile> {
        let path = wal_path(self.path, generation);
        self.disk.rename(&wal_path(self.path, old), &path)?;
        self.disk.sync_dir(self.path)?;
        self.open(generation, OpenMode::Write)
    }

    /// Opens a file, and the way past the page cache if there is one.
    fn open(self, generation: u64, mode: OpenMode) -> io::Result<WalFile> {
        let path = wal_path(self.path, generation);
        let file = self.disk.open(&path, mode)?;
        let bytes = file.len()?;
        let through = match self.options.durability {
            #[cfg(test)]
            _ if self.options.planted != Planted::Nothing => None, // The faults are about syncs that are missing or late.
            Durability::Memory => None,
            durability => self.disk.open_write_through(&path, durability == Durability::Fsync)?,
        };
        Ok(WalFile {
            generation,
            file,
            through,
            bytes,
        })
    }
}

/// Begins an empty buffer at a block's address, with room for `bytes` from there. Returns where that is.
fn begin_at_block(buffer: &mut Vec<u8>, bytes: usize) -> usize {
    buffer.clear();
    buffer.reserve(bytes + 2 * BLOCK_BYTES);
    let gap = buffer.as_ptr().align_offset(BLOCK_BYTES);
    // Without an answer the bytes go another way, see `are_blocks`.
    buffer.resize(gap.min(BLOCK_BYTES), 0);
    buffer.len()
}

/// Whether bytes can be written past the page cache as they stand in memory.
fn are_blocks(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(BLOCK_BYTES) && bytes.len().is_multiple_of(BLOCK_BYTES)
}

/// The end of the WAL that is written to.
pub(crate) struct Wal {
    pub(crate) current: WalFile,
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
    pub(crate) chain: u32,
    /// The last frame known to be synced.
    pub(crate) durable_through: u64,
    pub(crate) durability: Durability,
    /// The group under way goes past the page cache, where its file has that way.
    pub(crate) past_cache: bool,
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

    /// Decides the way of a group of about `bytes`. Empties a buffer for its frames and begins it so that
    /// [`Wal::write_all`] can write from it as it is: at a block's address, if need be. Returns where the frames begin.
    pub(crate) fn lead(&mut self, buffer: &mut Vec<u8>, bytes: usize, wall_ms: TimestampMs) -> io::Result<usize> {
        self.past_cache = match self.durability {
            Durability::Memory => false,
            Durability::Os => {
                bytes >= OS_PAST_CACHE_BYTES && self.current.through.is_some() && self.fill_block(wall_ms)?
            }
            Durability::Fsync => true,
        };
        if self.through().is_some() {
            return Ok(begin_at_block(buffer, bytes));
        }
        buffer.clear();
        buffer.reserve(bytes);
        Ok(0)
    }

    fn through(&self) -> Option<&Arc<dyn WriteThrough>> {
        self.current.through.as_ref().filter(|_| self.past_cache)
    }

    /// Fills the block that earlier groups ended in; whether the next frame stands at a block now.
    fn fill_block(&mut self, wall_ms: TimestampMs) -> io::Result<bool> {
        let rest = self.offset.next_multiple_of(BLOCK_BYTES as u64) - self.offset;
        if rest > 0 && self.fits(0, rest) {
            self.past_cache = false;
            let filler = self.empty_frame(rest as usize, wall_ms);
            self.write(&filler)?;
        }
        Ok(self.offset.is_multiple_of(BLOCK_BYTES as u64))
    }

    /// A frame without operations, to stand behind `bytes` of frames that begin at `offset`: it fills their last block,
    /// so that what is acknowledged is never written again. Empty where blocks do not matter.
    pub(crate) fn filler(&mut self, bytes: usize, wall_ms: TimestampMs) -> Vec<u8> {
        let end = self.offset as usize + bytes;
        let rest = end.next_multiple_of(BLOCK_BYTES) - end;
        if self.through().is_none() || rest == 0 {
            return Vec::new();
        }
        self.empty_frame(rest, wall_ms)
    }

    /// A frame that says how far the WAL is durable, and nothing else.
    pub(crate) fn mark(&mut self, wall_ms: TimestampMs) -> Vec<u8> {
        let bytes = if self.through().is_some() {
            BLOCK_BYTES
        } else {
            FRAME_ALIGN
        };
        self.empty_frame(bytes, wall_ms)
    }

    /// `bytes` are a multiple of [`FRAME_ALIGN`], which a header fits into.
    fn empty_frame(&mut self, bytes: usize, wall_ms: TimestampMs) -> Vec<u8> {
        let mut frame = vec![0; bytes];
        let meta = self.next_meta(0, wall_ms);
        let payload_bytes = (bytes - FRAME_HEADER_BYTES) as u32;
        let payload_crc = frame::payload_crc(&frame, 0);
        self.chain = frame::seal(&mut frame, payload_bytes, payload_crc, meta);
        self.sequence = meta.sequence;
        frame
    }

    /// Writes a buffer from `start` to its end; [`Wal::lead`] has begun it.
    pub(crate) fn write_all(&mut self, buffer: &[u8], start: usize) -> io::Result<()> {
        let frames = &buffer[start..];
        match self.through().cloned() {
            Some(through) if are_blocks(frames) => {
                through.write_blocks(frames, self.offset)?;
                self.offset += frames.len() as u64;
                Ok(())
            }
            _ => self.write(frames),
        }
    }

    /// Writes frames behind those that are there. Past the page cache they are durable then.
    pub(crate) fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        match self.through().cloned() {
            None => self.current.file.write_all_at(frames, self.offset)?,
            Some(through) => {
                let mut copy = Vec::new();
                let start = begin_at_block(&mut copy, frames.len());
                copy.extend_from_slice(frames);
                through.write_blocks(&copy[start..], self.offset)?;
            }
        }
        self.offset += frames.len() as u64;
        Ok(())
    }
}
