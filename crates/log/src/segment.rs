//! One segment of a partition: finds and reads whole batches, checks every one before it is served for the first time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use base::disk::DiskFile;
use base::{Offset, TimestampMs};
use parking_lot::Mutex;
use wire::BatchHeader;

use crate::aborted::{self, Aborted, AbortedList};
use crate::api::PartitionId;
use crate::files::{FileKey, FileKind, Files, SegmentId};
use crate::index::{Entry, Index, Stale};
use crate::partition::{EpochStart, SegmentMeta};
use crate::scan::Scanner;

mod read;
mod verified;

pub(crate) use read::Given;
use verified::Verified;

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
    verified: Mutex<Verified>,
    index: Mutex<Index>,
    aborted: Mutex<AbortedList>,
}

/// Everything a read needs besides the segment.
pub(crate) struct Reading<'a> {
    pub(crate) files: &'a Files,
    pub(crate) partition: PartitionId,
    /// One past the last offset that this segment may serve.
    pub(crate) end: Offset,
    pub(crate) log_start: Offset,
    pub(crate) epochs: &'a [EpochStart],
    /// Batches up to this offset may be given where they lie; `None` if they are wanted in memory.
    pub(crate) apart_until: Option<Offset>,
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
    pub(crate) fn fresh(id: SegmentId) -> Segment {
        let mut meta = SegmentMeta::fresh(id.base);
        meta.version = id.version;
        Segment {
            index: Mutex::new(Index::fresh()),
            ..Segment::known(&meta, AbortedList::default())
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
            verified: Mutex::default(),
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

    /// Takes in batches that were checked, then written at `position`. `expected` is the offset the first would have without a gap.
    pub(crate) fn appended(
        &self,
        reading: &Reading<'_>,
        from: u64,
        mut expected: Offset,
        headers: impl Iterator<Item = BatchHeader>,
    ) {
        let mut index = self.index.lock();
        if !index.loaded {
            let loaded = self.load(&mut index, reading);
            self.shrug_off(&mut index, loaded);
        }
        let mut position = from;
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
        self.verified.lock().add(from..position);
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

    /// The transactions that markers in this segment abort; `before` are the segments before it. `None` if neither
    /// the file that keeps them nor the segment holds.
    pub(crate) fn aborted(&self, reading: &Reading<'_>, before: &[Arc<Segment>]) -> io::Result<Option<Vec<Aborted>>> {
        let mut aborted = self.aborted.lock();
        if let Some(list) = aborted.get(reading.files, reading.partition, self.id())? {
            return Ok(Some(list));
        }
        tracing::warn!(
            partition = reading.partition.0,
            segment = self.base,
            "looking for aborted transactions again, their file is lost"
        );
        let found = aborted::find_again(reading, self, before)?;
        if found.len() < aborted.count() {
            return Ok(None);
        }
        *aborted = AbortedList::Held(found.clone());
        aborted.put_away(reading.files, reading.partition, self.id());
        Ok(Some(found))
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
            while let Some((at, header)) = scanner.next(position, expected)? {
                let gap = header.base_offset != expected || at != position;
                index.note(header.base_offset, at, header.max_timestamp, gap);
                position = at + header.size_bytes() as u64;
                expected = header.next_offset();
            }
        }
        index.loaded = true;
        Ok(())
    }

    /// Hands every whole batch to `visit`, in order; what is damaged is passed over.
    pub(crate) fn for_each(
        &self,
        reading: &Reading<'_>,
        mut visit: impl FnMut(&BatchHeader, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut scanner = Scanner::new(reading.file(self, FileKind::Log)?, self.bytes(), Offset::MAX);
        let (mut position, mut expected) = (0, self.base);
        while let Some((at, header)) = scanner.next(position, expected)? {
            visit(&header, scanner.bytes(at, header.size_bytes())?)?;
            position = at + header.size_bytes() as u64;
            expected = header.next_offset();
        }
        Ok(())
    }

    /// Asks the index, which is loaded or rebuilt first if need be.
    fn ask<T>(
        &self,
        reading: &Reading<'_>,
        mut question: impl FnMut(&mut Index, Option<&Arc<dyn DiskFile>>) -> io::Result<Result<T, Stale>>,
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
        if let Ok(answer) = question(&mut index, file.as_ref())? {
            return Ok(answer);
        }
        self.rebuild(&mut index, reading)?;
        let file = reading.file(self, FileKind::Index).ok();
        question(&mut index, file.as_ref())?
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
        self.ask(reading, |index, file| {
            index.holds(file, self.base, base_offset, position)
        })
    }
}
