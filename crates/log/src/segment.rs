//! One segment of a partition: finds and reads whole batches, checks every one before it is served.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use base::disk::DiskFile;
use base::{Offset, TimestampMs};
use bytes::Bytes;
use parking_lot::Mutex;
use wire::batch::{HEADER_BYTES, check_crc};
use wire::{BatchHeader, RecordLimits};

use crate::aborted::{Aborted, AbortedList};
use crate::api::{FoundByTime, PartitionId, ReadError};
use crate::files::{FileKey, FileKind, Files, SegmentId};
use crate::index::{Entry, Index, Stale};
use crate::partition::{EpochStart, SegmentMeta, epoch_of};
use crate::scan::Scanner;

/// Places where readers stopped last: the next read begins there without a search.
const HINTS: usize = 4;

/// A file of batches, from its base offset to the next segment's.
pub(crate) struct Segment {
    pub(crate) base: Offset,
    version: u32,
    /// What readers may see; batches are whole up to here.
    bytes: AtomicU64,
    max_timestamp: AtomicI64,
    hints: Mutex<[(Offset, u64); HINTS]>,
    index: Mutex<Index>,
    aborted: Mutex<AbortedList>,
}

/// Everything a read needs besides the segment.
pub(crate) struct Reading<'a> {
    pub(crate) files: &'a Files,
    pub(crate) partition: PartitionId,
    /// One past the last offset that this segment may serve.
    pub(crate) end: Offset,
    pub(crate) epochs: &'a [EpochStart],
}

/// What a segment gave.
pub(crate) enum Given {
    Batches {
        records: Bytes,
        next_offset: Offset,
    },
    /// Nothing at the offset or after it: ask the next segment.
    Nothing,
    /// The batch there is larger than allowed.
    TooLarge,
}

/// A batch that passed the checks a header allows.
struct Located {
    position: u64,
    header: BatchHeader,
}

fn failed(error: io::Error) -> ReadError {
    ReadError::Io(Arc::new(error))
}

impl Reading<'_> {
    fn file(&self, segment: &Segment, kind: FileKind) -> io::Result<Arc<dyn DiskFile>> {
        self.files.existing(FileKey {
            partition: self.partition,
            segment: segment.id(),
            kind,
        })
    }
}

impl Segment {
    /// A segment that begins now; no file of it exists.
    pub(crate) fn fresh(base: Offset) -> Segment {
        Segment {
            index: Mutex::new(Index::fresh()),
            ..Segment::known(&SegmentMeta::fresh(base), AbortedList::default())
        }
    }

    /// A segment of an earlier process, or what compaction made.
    pub(crate) fn known(meta: &SegmentMeta, aborted: AbortedList) -> Segment {
        Segment {
            base: meta.base,
            version: meta.version,
            bytes: AtomicU64::new(meta.bytes),
            max_timestamp: AtomicI64::new(meta.max_timestamp),
            hints: Mutex::new([(-1, 0); HINTS]),
            index: Mutex::default(),
            aborted: Mutex::new(aborted),
        }
    }

    pub(crate) fn id(&self) -> SegmentId {
        SegmentId {
            base: self.base,
            version: self.version,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub(crate) fn max_timestamp(&self) -> TimestampMs {
        self.max_timestamp.load(Ordering::Acquire)
    }

    /// Takes in batches that were written at `position`. `expected` is the offset the first would have without a gap.
    pub(crate) fn appended(
        &self,
        reading: &Reading<'_>,
        mut position: u64,
        mut expected: Offset,
        headers: impl Iterator<Item = BatchHeader>,
    ) {
        let mut index = self.index.lock();
        if !index.loaded {
            let loaded = self.load(&mut index, reading);
            self.shrug_off(&mut index, loaded);
        }
        let mut max_timestamp = self.max_timestamp();
        for header in headers {
            index.note(
                header.base_offset,
                position,
                header.max_timestamp,
                header.base_offset != expected,
            );
            position += header.size_bytes() as u64;
            expected = header.next_offset();
            max_timestamp = max_timestamp.max(header.max_timestamp);
        }
        if index.wants_flush() {
            let flushed = self.flush(&mut index, reading, false);
            self.shrug_off(&mut index, flushed);
        }
        drop(index);
        self.max_timestamp.store(max_timestamp, Ordering::Release);
        self.bytes.store(position, Ordering::Release);
    }

    /// No more will be appended.
    pub(crate) fn seal(&self, reading: &Reading<'_>) {
        let mut index = self.index.lock();
        if index.loaded {
            let flushed = self.flush(&mut index, reading, true);
            self.shrug_off(&mut index, flushed);
        }
        drop(index);
        self.aborted
            .lock()
            .put_away(reading.files, reading.partition, self.id());
    }

    /// Transactions were aborted by markers that stand here.
    pub(crate) fn note_aborted(&self, aborted: &[Aborted]) {
        if !aborted.is_empty() {
            self.aborted.lock().extend(aborted);
        }
    }

    /// The transactions that markers in this segment abort; `None` if what was kept of them does not hold.
    pub(crate) fn aborted(&self, reading: &Reading<'_>) -> io::Result<Option<Vec<Aborted>>> {
        self.aborted.lock().get(reading.files, reading.partition, self.id())
    }

    /// How many transactions markers in this segment abort.
    pub(crate) fn aborted_count(&self) -> usize {
        self.aborted.lock().count()
    }

    /// Writes what waits in memory, so that the next process need not walk the segment for it.
    pub(crate) fn save_index(&self, reading: &Reading<'_>) {
        let mut index = self.index.lock();
        if index.loaded && index.has_tail() {
            let flushed = self.flush(&mut index, reading, false);
            self.shrug_off(&mut index, flushed);
        }
    }

    /// The index is a cache: an error there must not stop appends. It is built anew when it is next needed.
    fn shrug_off(&self, index: &mut Index, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(segment = self.base, %error, "writing an index failed; it will be rebuilt");
            *index = Index::default();
        }
    }

    fn flush(&self, index: &mut Index, reading: &Reading<'_>, seal: bool) -> io::Result<()> {
        let key = FileKey {
            partition: reading.partition,
            segment: self.id(),
            kind: FileKind::Index,
        };
        let (file, _) = reading.files.create(key)?;
        index.flush(file.as_ref(), self.base, seal)
    }

    /// Takes up the index file and walks what it does not cover.
    fn load(&self, index: &mut Index, reading: &Reading<'_>) -> io::Result<()> {
        *index = Index::default();
        let from = match reading.file(self, FileKind::Index) {
            Ok(file) => index.take_up(file.as_ref(), self.base, self.bytes())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.walk(index, reading, from)?;
        if index.wants_flush() {
            self.flush(index, reading, false)
        } else {
            Ok(())
        }
    }

    /// Throws the index file away and walks the whole segment.
    fn rebuild(&self, index: &mut Index, reading: &Reading<'_>) -> io::Result<()> {
        tracing::warn!(
            partition = reading.partition.0,
            segment = self.base,
            "rebuilding a damaged index"
        );
        *index = Index::default();
        self.walk(index, reading, None)?;
        self.flush(index, reading, false)
    }

    fn walk(&self, index: &mut Index, reading: &Reading<'_>, from: Option<Entry>) -> io::Result<()> {
        let (until, mut position, mut expected) = (self.bytes(), 0, self.base);
        if let Some(from) = from {
            index.resume(from);
            (position, expected) = (from.position, from.base_offset);
        }
        if until > position {
            let mut scanner = Scanner::new(reading.file(self, FileKind::Log)?, until, Offset::MAX);
            while position < until {
                let found = match scanner.batch(position, expected)? {
                    Some(header) => Some((position, header)),
                    None => scanner.resync(position, expected)?,
                };
                let Some((at, header)) = found else { break };
                let gap = header.base_offset != expected || at != position;
                index.note(header.base_offset, at, header.max_timestamp, gap);
                position = at + header.size_bytes() as u64;
                expected = header.next_offset();
            }
        }
        index.loaded = true;
        Ok(())
    }

    /// Asks the index, which is loaded or rebuilt first if need be.
    fn ask<T>(
        &self,
        reading: &Reading<'_>,
        question: impl Fn(&Index, Option<&Arc<dyn DiskFile>>) -> io::Result<Result<T, Stale>>,
    ) -> io::Result<T> {
        let mut index = self.index.lock();
        if !index.loaded {
            self.load(&mut index, reading)?;
        }
        let file = if index.stored > 0 {
            reading.file(self, FileKind::Index).ok()
        } else {
            None
        };
        if let Ok(answer) = question(&index, file.as_ref())? {
            return Ok(answer);
        }
        self.rebuild(&mut index, reading)?;
        let file = reading.file(self, FileKind::Index).ok();
        question(&index, file.as_ref())?
            .map_err(|Stale| io::Error::other("an index does not hold right after it was built"))
    }

    /// Where to begin looking for `offset`. A segment's first batch stands at 0 and has the segment's base offset,
    /// even if it is too damaged to be in the index.
    fn entry_before(&self, reading: &Reading<'_>, offset: Offset) -> io::Result<Entry> {
        let before = |entry: &Entry| entry.base_offset <= offset;
        let found = self.ask(reading, |index, file| index.last_where(file, self.base, before))?;
        let beginning = Entry {
            base_offset: self.base,
            position: 0,
            max_timestamp: TimestampMs::MIN,
        };
        Ok(found.unwrap_or(beginning))
    }

    fn has_entry(&self, reading: &Reading<'_>, base_offset: Offset, position: u64) -> io::Result<bool> {
        let entry = self.entry_before(reading, base_offset)?;
        Ok(entry.base_offset == base_offset && entry.position == position)
    }

    /// Whether the header may stand where it was found: no batch checksum covers base offset and leader epoch.
    fn plausible(
        &self,
        reading: &Reading<'_>,
        position: u64,
        expected: Offset,
        header: &BatchHeader,
    ) -> io::Result<bool> {
        let follows = header.base_offset == expected || self.has_entry(reading, header.base_offset, position)?;
        Ok(follows && header.leader_epoch == epoch_of(reading.epochs, header.base_offset))
    }

    /// Finds the batch that contains `offset` or is the first after it; begins at a batch that is known to stand at
    /// `from`, or else where the index says.
    fn locate(
        &self,
        reading: &Reading<'_>,
        offset: Offset,
        from: Option<(u64, Offset)>,
    ) -> Result<Option<Located>, ReadError> {
        let until = self.bytes();
        let (mut position, mut expected) = match from {
            Some(from) => from,
            None => {
                let entry = self
                    .entry_before(reading, offset)
                    .map_err(|error| self.missing(reading, offset, error))?;
                (entry.position, entry.base_offset)
            }
        };
        let file = reading
            .file(self, FileKind::Log)
            .map_err(|error| self.missing(reading, offset, error))?;
        let mut scanner = Scanner::new(file, until, reading.end);
        let mut before = None;
        loop {
            let ended = position >= until || expected >= reading.end;
            let header = if ended {
                None
            } else {
                scanner.header(position, expected).map_err(failed)?
            };
            let gap = expected < reading.end && header.is_none_or(|header| header.base_offset != expected);
            if let Some((skipped, its_offset)) = before.take()
                && gap
                && scanner.batch(skipped, its_offset).map_err(failed)?.is_none()
            {
                // Not a gap: the batch that was skipped is damaged and says too little of itself.
                (position, expected) = self.past_damage(&mut scanner, reading, skipped, its_offset, offset)?;
                continue;
            }
            if ended {
                return Ok(None);
            }
            let sound = match &header {
                Some(header) => self.plausible(reading, position, expected, header).map_err(failed)?,
                None => false,
            };
            let Some(header) = header.filter(|_| sound) else {
                (position, expected) = self.past_damage(&mut scanner, reading, position, expected, offset)?;
                continue;
            };
            if header.last_offset() >= offset {
                return Ok(Some(Located { position, header }));
            }
            before = Some((position, expected));
            position += header.size_bytes() as u64;
            expected = header.next_offset();
        }
    }

    /// Where to go on behind the damage at `position`; the error if `offset` itself is lost in it.
    fn past_damage(
        &self,
        scanner: &mut Scanner,
        reading: &Reading<'_>,
        position: u64,
        expected: Offset,
        offset: Offset,
    ) -> Result<(u64, Offset), ReadError> {
        match scanner.resync(position, expected).map_err(failed)? {
            Some((at, header)) if header.base_offset <= offset => {
                if self
                    .plausible(reading, at, header.base_offset, &header)
                    .map_err(failed)?
                {
                    Ok((at, header.base_offset))
                } else {
                    self.past_damage(scanner, reading, at, header.base_offset, offset)
                }
            }
            found => {
                let next_offset = found.map_or(reading.end, |(_, header)| header.base_offset);
                Err(self.corrupt(
                    reading,
                    offset,
                    next_offset,
                    format!("a batch at byte {position} does not hold"),
                ))
            }
        }
    }

    fn corrupt(&self, reading: &Reading<'_>, offset: Offset, next_offset: Offset, cause: String) -> ReadError {
        let next_offset = next_offset.clamp(offset + 1, reading.end.max(offset + 1));
        let segment = self.base;
        ReadError::Corrupt {
            offset,
            next_offset,
            cause: format!("segment {segment}: {cause}"),
        }
    }

    fn missing(&self, reading: &Reading<'_>, offset: Offset, error: io::Error) -> ReadError {
        if error.kind() == io::ErrorKind::NotFound {
            self.corrupt(reading, offset, reading.end, "the segment's file is missing".into())
        } else {
            failed(error)
        }
    }

    pub(crate) fn read(
        &self,
        reading: &Reading<'_>,
        offset: Offset,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<Given, ReadError> {
        // A batch that fails its checksum may hide good ones that its header claims to contain: look behind it too.
        let mut from = None;
        let mut hint = self.hint(offset);
        loop {
            let (position, expected, first_bytes) = match hint.take() {
                Some(position) => (position, offset, HEADER_BYTES),
                None => match self.locate(reading, offset, from)? {
                    Some(found) => (found.position, found.header.base_offset, found.header.size_bytes()),
                    None => return Ok(Given::Nothing),
                },
            };
            if position >= self.bytes() {
                return Ok(Given::Nothing);
            }
            if first_bytes > bytes_max && !at_least_one {
                return Ok(Given::TooLarge);
            }
            let given = self.read_at(reading, position, expected, bytes_max.max(first_bytes), at_least_one)?;
            if let Some(given) = given {
                return Ok(given);
            }
            let file = reading.file(self, FileKind::Log).map_err(failed)?;
            let mut scanner = Scanner::new(file, self.bytes(), reading.end);
            from = Some(self.past_damage(&mut scanner, reading, position, expected, offset)?);
        }
    }

    /// Reads from a batch's beginning; `None` if the first batch does not hold.
    fn read_at(
        &self,
        reading: &Reading<'_>,
        position: u64,
        mut expected: Offset,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<Option<Given>, ReadError> {
        let rest = (self.bytes() - position) as usize;
        let file = reading
            .file(self, FileKind::Log)
            .map_err(|error| self.missing(reading, expected, error))?;
        let read = |bytes: usize| -> Result<Vec<u8>, ReadError> {
            let mut buffer = vec![0; bytes];
            let read = file.read_at(&mut buffer, position).map_err(failed)?;
            buffer.truncate(read);
            Ok(buffer)
        };
        let mut buffer = read(bytes_max.min(rest))?;
        if let Ok(first) = BatchHeader::parse(&buffer)
            && first.size_bytes() > buffer.len()
            && first.size_bytes() <= rest
            && buffer.len() == bytes_max
        {
            if !at_least_one {
                return Ok(Some(Given::TooLarge));
            }
            buffer = read(first.size_bytes())?;
        }
        let mut taken = 0;
        while let Ok(header) = check_crc(&buffer[taken..]) {
            let at = position + taken as u64;
            let sound = header.next_offset() <= reading.end
                && header.last_offset_delta >= 0
                && header.base_offset >= expected
                && self.plausible(reading, at, expected, &header).map_err(failed)?;
            if !sound {
                break;
            }
            taken += header.size_bytes();
            expected = header.next_offset();
        }
        if taken == 0 {
            // Only bytes that were written after the high watermark was read stand behind it.
            return Ok((expected >= reading.end).then_some(Given::Nothing));
        }
        buffer.truncate(taken);
        self.leave_hint(expected, position + taken as u64);
        Ok(Some(Given::Batches {
            records: Bytes::from(buffer),
            next_offset: expected,
        }))
    }

    fn hint(&self, offset: Offset) -> Option<u64> {
        let hints = self.hints.lock();
        hints
            .iter()
            .find(|(hinted, _)| *hinted == offset)
            .map(|(_, position)| *position)
    }

    fn leave_hint(&self, offset: Offset, position: u64) {
        let mut hints = self.hints.lock();
        if !hints.contains(&(offset, position)) {
            hints.rotate_right(1);
            hints[0] = (offset, position);
        }
    }

    /// The first record from offset `from` on with this timestamp or a later one. Damaged batches are passed over.
    pub(crate) fn find_by_time(
        &self,
        reading: &Reading<'_>,
        from: Offset,
        timestamp: TimestampMs,
    ) -> Result<Option<FoundByTime>, ReadError> {
        let reached = |index: &Index, file: Option<&Arc<dyn DiskFile>>| {
            index.first_where(file, self.base, |entry| entry.max_timestamp >= timestamp)
        };
        let Some(entry) = self.ask(reading, reached).map_err(failed)? else {
            return Ok(None);
        };
        let until = self.bytes();
        let file = reading
            .file(self, FileKind::Log)
            .map_err(|error| self.missing(reading, from, error))?;
        let mut scanner = Scanner::new(file, until, reading.end);
        let (mut position, mut expected) = (entry.position, entry.base_offset);
        while position < until && expected < reading.end {
            let found = match scanner.header(position, expected).map_err(failed)? {
                Some(header) => Some((position, header)),
                None => scanner.resync(position, expected).map_err(failed)?,
            };
            let Some((at, header)) = found else { break };
            position = at + header.size_bytes() as u64;
            expected = header.next_offset();
            if header.max_timestamp < timestamp || header.last_offset() < from {
                continue;
            }
            let batch = Bytes::copy_from_slice(scanner.bytes(at, header.size_bytes()).map_err(failed)?);
            if check_crc(&batch).is_err() {
                continue;
            }
            let Ok(records) = wire::records(&batch, RecordLimits::default()) else {
                continue;
            };
            let hit = records
                .map_while(Result::ok)
                .find(|record| record.timestamp >= timestamp && record.offset >= from);
            if let Some(record) = hit {
                let leader_epoch = header.leader_epoch;
                return Ok(Some(FoundByTime {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    leader_epoch,
                }));
            }
        }
        Ok(None)
    }
}
