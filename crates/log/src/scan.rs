//! Walks the batches of a segment file, and finds the next whole one behind damage.

use std::io;
use std::sync::Arc;

use base::Offset;
use base::disk::DiskFile;
use wire::BatchHeader;
use wire::batch::{HEADER_BYTES, MAGIC, check_crc};

const WINDOW_BYTES: usize = 64 << 10;
const MAGIC_AT: usize = 16;

/// Reads a segment through a window. Batches must lie before `until` and their offsets before `end`.
pub(crate) struct Scanner {
    file: Arc<dyn DiskFile>,
    until: u64,
    end: Offset,
    window: Vec<u8>,
    window_at: u64,
}

impl Scanner {
    pub(crate) fn new(file: Arc<dyn DiskFile>, until: u64, end: Offset) -> Scanner {
        Scanner {
            file,
            until,
            end,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// Bytes from `position` on: `count` of them, fewer at the end.
    pub(crate) fn bytes(&mut self, position: u64, count: usize) -> io::Result<&[u8]> {
        let buffered = self.buffered(position, count, WINDOW_BYTES)?;
        Ok(&buffered[..count.min(buffered.len())])
    }

    /// At least `least` bytes from `position` on, fewer at the end; if that means reading, then `preferred` at once.
    pub(crate) fn buffered(&mut self, position: u64, least: usize, preferred: usize) -> io::Result<&[u8]> {
        let rest = self.until.saturating_sub(position) as usize;
        let least = least.min(rest);
        let window_end = self.window_at + self.window.len() as u64;
        if position < self.window_at || position + least as u64 > window_end {
            self.window.resize(least.max(preferred).min(rest), 0);
            let read = self.file.read_at(&mut self.window, position)?;
            self.window.truncate(read);
            self.window_at = position;
        }
        let from = ((position - self.window_at) as usize).min(self.window.len());
        Ok(&self.window[from..])
    }

    /// The header at `position` if one can stand there: its offsets and length fit. The checksum is not looked at.
    pub(crate) fn header(&mut self, position: u64, expected: Offset) -> io::Result<Option<BatchHeader>> {
        let (until, end) = (self.until, self.end);
        let Ok(header) = BatchHeader::parse(self.bytes(position, HEADER_BYTES)?) else {
            return Ok(None);
        };
        let fits = header.base_offset >= expected
            && header.last_offset_delta >= 0
            && header.next_offset() <= end
            && position + header.size_bytes() as u64 <= until;
        Ok(fits.then_some(header))
    }

    /// The header at `position` if a whole, undamaged batch stands there.
    pub(crate) fn batch(&mut self, position: u64, expected: Offset) -> io::Result<Option<BatchHeader>> {
        let Some(header) = self.header(position, expected)? else {
            return Ok(None);
        };
        let size = header.size_bytes();
        if check_crc(self.bytes(position, size)?).is_err() {
            return Ok(None);
        }
        if header.base_offset > expected {
            // A gap, or a damaged base offset, which the checksum does not cover: the batch behind it tells.
            let behind = position + size as u64;
            let contradicted = BatchHeader::parse(self.bytes(behind, HEADER_BYTES)?)
                .is_ok_and(|next| next.base_offset < header.next_offset());
            if contradicted {
                return Ok(None);
            }
        }
        Ok(Some(header))
    }

    /// The whole batch at `position`, or else the first behind it.
    pub(crate) fn next(&mut self, position: u64, expected: Offset) -> io::Result<Option<(u64, BatchHeader)>> {
        if position >= self.until {
            return Ok(None);
        }
        match self.batch(position, expected)? {
            Some(header) => Ok(Some((position, header))),
            None => self.resync(position, expected),
        }
    }

    /// The first whole batch after the damage at `position`.
    pub(crate) fn resync(&mut self, position: u64, expected: Offset) -> io::Result<Option<(u64, BatchHeader)>> {
        // Most often only the batch itself is damaged and its length still leads to the next.
        if let Some(damaged) = self.header(position, Offset::MIN)? {
            let behind = position + damaged.size_bytes() as u64;
            if let Some(header) = self.batch(behind, expected)? {
                return Ok(Some((behind, header)));
            }
        }
        let mut at = position + 1;
        while at + HEADER_BYTES as u64 <= self.until {
            let candidates = self.buffered(at, HEADER_BYTES, WINDOW_BYTES)?;
            let Some(usable) = candidates.len().checked_sub(MAGIC_AT) else {
                break;
            };
            if usable == 0 {
                break;
            }
            // Base offset's first byte and magic rule out nearly every place without parsing.
            let hit = (0..usable).find(|&from| candidates[from + MAGIC_AT] == MAGIC as u8 && candidates[from] == 0);
            let Some(hit) = hit else {
                at += usable as u64;
                continue;
            };
            at += hit as u64;
            if let Some(header) = self.batch(at, expected)? {
                return Ok(Some((at, header)));
            }
            at += 1;
        }
        Ok(None)
    }
}
