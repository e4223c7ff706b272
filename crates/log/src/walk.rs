//! Reads WAL files frame by frame, and finds frames behind damage.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::disk::{Disk, OpenMode};

use crate::frame::{FRAME_ALIGN, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader};
use crate::scan::Scanner;
use crate::wal::wal_path;

const SEARCH_BYTES: usize = 1 << 20;

/// What stands at a place of the WAL.
pub(crate) enum Found {
    Whole(FrameHeader, Vec<u8>),
    /// The header holds, the payload does not.
    Damaged(FrameHeader, Vec<u8>),
    Nothing,
}

/// A whole frame behind damage.
pub(crate) struct Later {
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    pub(crate) header: FrameHeader,
}

/// Reads the WAL files of a directory.
pub(crate) struct WalReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    generations: Vec<u64>,
    /// The file read last, and its length.
    open: Option<(u64, Scanner, u64)>,
}

impl WalReader {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path, generations: &[u64]) -> WalReader {
        WalReader {
            disk,
            dir: dir.to_path_buf(),
            generations: generations.to_vec(),
            open: None,
        }
    }

    fn file(&mut self, generation: u64) -> io::Result<Option<(&mut Scanner, u64)>> {
        if !self.generations.contains(&generation) {
            return Ok(None);
        }
        if self.open.as_ref().is_none_or(|(open, _, _)| *open != generation) {
            let file = self.disk.open(&wal_path(&self.dir, generation), OpenMode::Read)?;
            let bytes = file.len()?;
            self.open = Some((generation, Scanner::new(file, bytes, 0), bytes));
        }
        Ok(self.open.as_mut().map(|(_, scanner, bytes)| (scanner, *bytes)))
    }

    /// The frame of `generation` at `offset`.
    pub(crate) fn frame(&mut self, generation: u64, offset: u64) -> io::Result<Found> {
        let Some((scanner, bytes)) = self.file(generation)? else {
            return Ok(Found::Nothing);
        };
        let header = FrameHeader::parse(scanner.bytes(offset, FRAME_HEADER_BYTES)?);
        let Some(header) = header.filter(|header| header.generation == generation) else {
            return Ok(Found::Nothing);
        };
        let payload_bytes = header.payload_bytes as usize;
        let payload_at = offset + FRAME_HEADER_BYTES as u64;
        if payload_at + payload_bytes as u64 > bytes {
            return Ok(Found::Damaged(header, Vec::new()));
        }
        let payload = scanner.bytes(payload_at, payload_bytes)?.to_vec();
        if payload.len() == payload_bytes && header.payload_holds(&payload) {
            Ok(Found::Whole(header, payload))
        } else {
            Ok(Found::Damaged(header, payload))
        }
    }

    /// Every whole frame behind `offset` with a sequence number above `sequence`, in order.
    pub(crate) fn later(&mut self, generation: u64, offset: u64, sequence: u64) -> io::Result<Vec<Later>> {
        let mut found = Vec::new();
        let generations = self.generations.clone();
        for &searched in generations.iter().filter(|searched| **searched >= generation) {
            let mut at = if searched == generation { offset } else { 0 };
            while let Some(candidate) = self.candidate(searched, at)? {
                at = candidate + FRAME_ALIGN as u64;
                if let Found::Whole(header, _) = self.frame(searched, candidate)?
                    && header.sequence > sequence
                {
                    at = candidate + header.frame_bytes();
                    found.push(Later {
                        generation: searched,
                        offset: candidate,
                        header,
                    });
                }
            }
        }
        found.sort_by_key(|frame| frame.header.sequence);
        Ok(found)
    }

    /// The first place from `at` on where a frame's magic stands.
    fn candidate(&mut self, generation: u64, mut at: u64) -> io::Result<Option<u64>> {
        let Some((scanner, _)) = self.file(generation)? else {
            return Ok(None);
        };
        let magic = FRAME_MAGIC.to_le_bytes();
        loop {
            let window = scanner.buffered(at, FRAME_HEADER_BYTES, SEARCH_BYTES)?;
            if window.len() < FRAME_HEADER_BYTES {
                return Ok(None);
            }
            let hit = window.chunks(FRAME_ALIGN).position(|slot| slot.starts_with(&magic));
            if let Some(slot) = hit {
                return Ok(Some(at + (slot * FRAME_ALIGN) as u64));
            }
            at += (window.len() / FRAME_ALIGN * FRAME_ALIGN) as u64;
        }
    }
}
