//! A segment's sparse index: from offset, and from time, to a position; a cache that can be rebuilt from the segment.
//!
//! One file serves both searches. Entries are appended as intervals of the segment close, never synced, and each has a
//! checksum. A batch that follows a gap in the offsets always has an entry of its own: so a reader can tell a gap from
//! a damaged base offset, which no batch checksum covers.

use std::io;
use std::sync::Arc;

use base::disk::DiskFile;
use base::{Offset, TimestampMs};
use bytes::BufMut;

use crate::codec::Fields;

/// An entry is made at most every so many bytes of a segment.
pub(crate) const INDEX_INTERVAL_BYTES: u64 = 64 << 10;
pub(crate) const ENTRY_BYTES: usize = 32;
/// So many entries are looked at together.
const RECENT_ENTRIES: u64 = 64;
/// Entries are written to the file when so many wait.
const TAIL_ENTRIES_MAX: usize = 64;

/// Where an interval of the segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) base_offset: Offset,
    pub(crate) position: u64,
    /// The largest timestamp from the segment's beginning to the end of this interval.
    pub(crate) max_timestamp: TimestampMs,
}

impl Entry {
    fn checksum(&self, segment_base: Offset, number: u64) -> u32 {
        let mut covered = Vec::with_capacity(40);
        covered.put_i64_le(segment_base);
        covered.put_u64_le(number);
        self.put(&mut covered);
        crc32c::crc32c(&covered)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_i64_le(self.base_offset);
        out.put_u64_le(self.position);
        out.put_i64_le(self.max_timestamp);
    }

    fn encode(&self, segment_base: Offset, number: u64, out: &mut Vec<u8>) {
        self.put(out);
        out.put_u32_le(self.checksum(segment_base, number));
        out.put_u32_le(0);
    }

    /// Gives an entry the checksum it ought to have.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn mend(bytes: &mut [u8], segment_base: Offset, number: u64) {
        let mut fields = Fields::new(bytes);
        if let (Some(base_offset), Some(position), Some(max_timestamp)) = (fields.i64(), fields.u64(), fields.i64()) {
            let entry = Entry {
                base_offset,
                position,
                max_timestamp,
            };
            let mut mended = Vec::with_capacity(ENTRY_BYTES);
            entry.encode(segment_base, number, &mut mended);
            bytes.copy_from_slice(&mended);
        }
    }

    fn decode(bytes: &[u8], segment_base: Offset, number: u64) -> Option<Entry> {
        let mut fields = Fields::new(bytes);
        let entry = Entry {
            base_offset: fields.i64()?,
            position: fields.u64()?,
            max_timestamp: fields.i64()?,
        };
        (fields.u32()? == entry.checksum(segment_base, number)).then_some(entry)
    }
}

/// What is known of one segment's index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) loaded: bool,
    /// Entries in the file.
    pub(crate) stored: u64,
    /// Closed entries that are not in the file yet.
    tail: Vec<Entry>,
    /// The interval that is still growing.
    open: Option<Entry>,
    /// Entries one after another that were looked at last: where gaps are many, readers ask for one entry per batch.
    recent: Vec<Entry>,
}

/// An entry of the index file does not hold: rebuild.
#[derive(Debug)]
pub(crate) struct Stale;

impl Index {
    /// The index of a segment that is empty.
    pub(crate) fn fresh() -> Index {
        Index {
            loaded: true,
            ..Index::default()
        }
    }

    /// Takes a batch in. `gap`: its base offset is not the one after the batch before.
    pub(crate) fn note(&mut self, base_offset: Offset, position: u64, max_timestamp: TimestampMs, gap: bool) {
        match &mut self.open {
            Some(open) if !gap && position - open.position < INDEX_INTERVAL_BYTES => {
                open.max_timestamp = open.max_timestamp.max(max_timestamp);
            }
            open => {
                let so_far = open.map_or(TimestampMs::MIN, |open| open.max_timestamp);
                self.tail.extend(*open);
                *open = Some(Entry {
                    base_offset,
                    position,
                    max_timestamp: max_timestamp.max(so_far),
                });
            }
        }
    }

    /// Whether entries should be moved to the file.
    pub(crate) fn wants_flush(&self) -> bool {
        self.tail.len() >= TAIL_ENTRIES_MAX
    }

    pub(crate) fn has_tail(&self) -> bool {
        !self.tail.is_empty()
    }

    /// Writes the closed entries, and with `seal` the open one too.
    pub(crate) fn flush(&mut self, file: &dyn DiskFile, segment_base: Offset, seal: bool) -> io::Result<()> {
        if seal {
            self.tail.extend(self.open.take());
        }
        if self.stored == 0 {
            // Entries of an earlier life must not follow ours.
            file.set_len(0)?;
        }
        let mut bytes = Vec::with_capacity(self.tail.len() * ENTRY_BYTES);
        for (number, entry) in (self.stored..).zip(&self.tail) {
            entry.encode(segment_base, number, &mut bytes);
        }
        file.write_all_at(&bytes, self.stored * ENTRY_BYTES as u64)?;
        self.stored += self.tail.len() as u64;
        self.tail = Vec::new();
        Ok(())
    }

    /// Takes up the file of an earlier process: the last entry's interval must be walked again. Returns the position
    /// to walk from and the largest timestamp before it.
    pub(crate) fn take_up(
        &mut self,
        file: &dyn DiskFile,
        segment_base: Offset,
        until: u64,
    ) -> io::Result<Option<Entry>> {
        let mut count = file.len()? / ENTRY_BYTES as u64;
        while count > 0 {
            let last = read_entry(file, segment_base, count - 1)?;
            if let Some(last) = last.filter(|entry| entry.position < until) {
                self.stored = count - 1;
                let before = match self.stored.checked_sub(1) {
                    Some(number) => read_entry(file, segment_base, number)?,
                    None => None,
                };
                if before.is_some() || self.stored == 0 {
                    let max_timestamp = before.map_or(TimestampMs::MIN, |entry| entry.max_timestamp);
                    return Ok(Some(Entry { max_timestamp, ..last }));
                }
            }
            count -= 1;
        }
        self.stored = 0;
        Ok(None)
    }

    /// Starts the open interval at an entry that [`Index::take_up`] gave.
    pub(crate) fn resume(&mut self, from: Entry) {
        self.tail = Vec::new();
        self.open = Some(from);
    }

    /// Whether an interval begins with this batch.
    pub(crate) fn holds(
        &mut self,
        file: Option<&Arc<dyn DiskFile>>,
        segment_base: Offset,
        base_offset: Offset,
        position: u64,
    ) -> io::Result<Result<bool, Stale>> {
        if !self.covers(position) {
            let (mut low, mut high) = (0, self.count());
            while low < high {
                let middle = low + (high - low) / 2;
                match self.entry(file, segment_base, middle)? {
                    Some(entry) if entry.position <= position => low = middle + 1,
                    Some(_) => high = middle,
                    None => return Ok(Err(Stale)),
                }
            }
            let first = low.saturating_sub(1);
            self.recent.clear();
            for number in first..self.count().min(first + RECENT_ENTRIES) {
                match self.entry(file, segment_base, number)? {
                    Some(entry) => self.recent.push(entry),
                    None => return Ok(Err(Stale)),
                }
            }
        }
        let found = self.recent.binary_search_by_key(&position, |entry| entry.position);
        Ok(Ok(found.is_ok_and(|at| self.recent[at].base_offset == base_offset)))
    }

    fn covers(&self, position: u64) -> bool {
        let ends = self.recent.first().zip(self.recent.last());
        ends.is_some_and(|(first, last)| (first.position..=last.position).contains(&position))
    }

    /// The last entry for which `before` holds; `before` must hold for a prefix of the entries.
    pub(crate) fn last_where(
        &self,
        file: Option<&Arc<dyn DiskFile>>,
        segment_base: Offset,
        before: impl Fn(&Entry) -> bool,
    ) -> io::Result<Result<Option<Entry>, Stale>> {
        let (mut low, mut high) = (0, self.count());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(entry) = self.entry(file, segment_base, middle)? else {
                return Ok(Err(Stale));
            };
            if before(&entry) {
                found = Some(entry);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Ok(found))
    }

    /// The first entry for which `reached` holds; `reached` must hold for a suffix of the entries.
    pub(crate) fn first_where(
        &self,
        file: Option<&Arc<dyn DiskFile>>,
        segment_base: Offset,
        reached: impl Fn(&Entry) -> bool,
    ) -> io::Result<Result<Option<Entry>, Stale>> {
        let (mut low, mut high) = (0, self.count());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(entry) = self.entry(file, segment_base, middle)? else {
                return Ok(Err(Stale));
            };
            if reached(&entry) {
                found = Some(entry);
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(Ok(found))
    }

    fn count(&self) -> u64 {
        self.stored + self.tail.len() as u64 + u64::from(self.open.is_some())
    }

    fn entry(&self, file: Option<&Arc<dyn DiskFile>>, segment_base: Offset, number: u64) -> io::Result<Option<Entry>> {
        if number >= self.stored {
            let number = (number - self.stored) as usize;
            return Ok(self.tail.get(number).copied().or(self.open));
        }
        match file {
            Some(file) => read_entry(file.as_ref(), segment_base, number),
            None => Ok(None),
        }
    }
}

/// Cuts off entries of bytes at or behind `until`, and everything behind an entry that does not hold.
pub(crate) fn cut(file: &dyn DiskFile, segment_base: Offset, until: u64) -> io::Result<()> {
    let count = file.len()? / ENTRY_BYTES as u64;
    let mut kept = 0;
    while kept < count && read_entry(file, segment_base, kept)?.is_some_and(|entry| entry.position < until) {
        kept += 1;
    }
    file.set_len(kept * ENTRY_BYTES as u64)
}

fn read_entry(file: &dyn DiskFile, segment_base: Offset, number: u64) -> io::Result<Option<Entry>> {
    let mut bytes = [0; ENTRY_BYTES];
    let read = file.read_at(&mut bytes, number * ENTRY_BYTES as u64)?;
    Ok(Entry::decode(&bytes[..read], segment_base, number))
}
