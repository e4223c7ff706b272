//! Writes what is left of a group of segments into one new segment, under a name of its own.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use base::Offset;
use base::disk::DiskFile;
use wire::BatchHeader;

use crate::aborted::Aborted;
use crate::api::{Durability, LogError, PartitionId};
use crate::files::{FileKey, FileKind, SegmentId};
use crate::intake::headers;
use crate::partition::SegmentMeta;
use crate::segment::{Reading, Segment};
use crate::shared::Shared;

const WRITE_BYTES: usize = 1 << 20;
/// So much waits for a sync at most: write-back of more would stall the WAL.
const UNSYNCED_BYTES_MAX: u64 = 8 << 20;

/// A new segment being written.
pub(super) struct Output<'a> {
    shared: &'a Shared,
    partition: PartitionId,
    meta: SegmentMeta,
    segment: Segment,
    file: Option<Arc<dyn DiskFile>>,
    buffer: Vec<u8>,
    /// Of the next batch, were there no gap.
    expected: Offset,
    unsynced_bytes: u64,
}

impl<'a> Output<'a> {
    /// Begins a segment that takes the place of those from `base` on, whose largest version is `version`.
    pub(super) fn new(shared: &'a Shared, partition: PartitionId, base: Offset, version: u32) -> Output<'a> {
        let mut meta = SegmentMeta::fresh(base);
        meta.version = version;
        let mut output = Output {
            shared,
            partition,
            meta,
            segment: Segment::fresh(meta.id()),
            file: None,
            buffer: Vec::new(),
            expected: base,
            unsynced_bytes: 0,
        };
        // Any file of an attempt that came to nothing may still stand there, and may still be about to be removed.
        loop {
            output.meta.version += 1;
            let stands = |kind| {
                output
                    .shared
                    .disk
                    .file_bytes(&output.shared.files.path(output.key(kind)))
                    .is_ok()
            };
            if !FileKind::ALL.into_iter().any(stands) {
                output.segment = Segment::fresh(output.meta.id());
                return output;
            }
        }
    }

    fn key(&self, kind: FileKind) -> FileKey {
        FileKey {
            partition: self.partition,
            segment: self.meta.id(),
            kind,
        }
    }

    pub(super) fn id(&self) -> SegmentId {
        self.meta.id()
    }

    /// Appends a batch; `header` may be that of before it was rewritten.
    pub(super) fn push(&mut self, header: &BatchHeader, batch: &[u8]) -> io::Result<()> {
        if self.meta.bytes == 0 {
            self.meta.first_timestamp = header.max_timestamp;
        }
        self.meta.bytes += batch.len() as u64;
        self.buffer.extend_from_slice(batch);
        if self.buffer.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.shared.files.create(self.key(FileKind::Log))?.0,
        };
        let position = self.segment.bytes();
        file.write_all_at(&self.buffer, position)?;
        let reading = reading(self.shared, self.partition);
        self.segment
            .appended(&reading, position, self.expected, headers(&self.buffer));
        if let Some(last) = headers(&self.buffer).last() {
            self.expected = last.next_offset();
        }
        self.unsynced_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        if self.unsynced_bytes >= UNSYNCED_BYTES_MAX {
            self.unsynced_bytes = 0;
            self.sync(file.as_ref())?;
        }
        self.file = Some(file);
        Ok(())
    }

    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        #[cfg(test)]
        if self.shared.options.planted == crate::api::Planted::CompactionNotSynced {
            return Ok(());
        }
        match self.shared.options.durability {
            Durability::Memory => Ok(()),
            Durability::Fsync | Durability::Os => file.sync_data(),
        }
    }

    /// The finished segment, durable with its name; `None` if nothing was left. No WAL frame may name it before.
    pub(super) fn finish(mut self, aborted: Vec<Aborted>) -> Result<Option<(SegmentMeta, Arc<Segment>)>, LogError> {
        let path = self.shared.files.path(self.key(FileKind::Log));
        let failed = |error| self.shared.io_error("writing", &path, error);
        self.write().map_err(failed)?;
        let Some(file) = self.file.take() else { return Ok(None) };
        self.sync(file.as_ref()).map_err(failed)?;
        if self.shared.keeps_files() {
            self.shared.sync_names(BTreeSet::from([self.partition]))?;
        }
        self.meta.max_timestamp = self.segment.max_timestamp();
        self.meta.aborted = aborted.len() as u32;
        self.segment.note_aborted(&aborted);
        self.segment.seal(&reading(self.shared, self.partition));
        Ok(Some((self.meta, Arc::new(self.segment))))
    }

    /// Takes back what was written.
    pub(super) fn discard(self) {
        remove(self.shared, self.partition, self.meta.id());
    }
}

/// Removes a segment's files that nothing names.
pub(super) fn remove(shared: &Shared, partition: PartitionId, segment: SegmentId) {
    shared.remove(&[crate::shared::Removal::Segment(partition, segment)]);
}

pub(super) fn reading(shared: &Shared, partition: PartitionId) -> Reading<'_> {
    Reading {
        files: &shared.files,
        partition,
        end: Offset::MAX,
        log_start: 0,
        epochs: &[],
        apart_until: None,
    }
}
