//! Finds batches by offset and by time and reads them, past damage; nothing is given that was not seen to hold.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use base::disk::{DiskFile, FileSlice};
use base::{Offset, TimestampMs};
use bytes::Bytes;
use wire::batch::{HEADER_BYTES, check_crc};
use wire::{BatchHeader, Piece, RecordLimits};

use super::{Reading, Segment};
use crate::api::{FoundByTime, ReadError};
use crate::files::FileKind;
use crate::index::Index;
use crate::partition::epoch_of;
use crate::scan::Scanner;

/// Smaller batches are read together rather than looked at one by one; not in tests, where all are small.
const APART_BATCH_BYTES_MIN: usize = if cfg!(test) { 1 } else { 8 << 10 };

/// What a segment gave.
pub(crate) enum Given {
    Batches {
        records: Piece,
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

impl Segment {
    /// Whether the header may stand where it was found: no batch checksum covers base offset and leader epoch.
    fn plausible(
        &self,
        reading: &Reading<'_>,
        position: u64,
        expected: Offset,
        header: &BatchHeader,
    ) -> io::Result<bool> {
        let follows = header.base_offset == expected || self.has_entry(reading, header.base_offset, position)?;
        // The epochs of what lies before the log start are forgotten.
        let trimmed = header.last_offset() < reading.log_start;
        Ok(follows && (trimmed || header.leader_epoch == epoch_of(reading.epochs, header.base_offset)))
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

    /// Hands every batch that does not end before the log start to `visit`, in order, until it breaks off; the first
    /// that does not hold is an error.
    pub(crate) fn for_each_sound(
        &self,
        reading: &Reading<'_>,
        mut visit: impl FnMut(&BatchHeader, &[u8]) -> Result<ControlFlow<()>, ReadError>,
    ) -> Result<(), ReadError> {
        let until = self.bytes();
        let (mut position, mut expected) = (0, self.base);
        let file = reading
            .file(self, FileKind::Log)
            .map_err(|error| self.missing(reading, expected, error))?;
        let mut scanner = Scanner::new(file, until, reading.end);
        while position < until {
            let header = scanner.batch(position, expected).map_err(failed)?;
            let sound = match &header {
                Some(header) => self.plausible(reading, position, expected, header).map_err(failed)?,
                None => false,
            };
            let Some(header) = header.filter(|_| sound) else {
                let cause = format!("a batch at byte {position} does not hold");
                return Err(self.corrupt(reading, expected, expected + 1, cause));
            };
            let batch = scanner.bytes(position, header.size_bytes()).map_err(failed)?;
            if header.last_offset() >= reading.log_start && visit(&header, batch)?.is_break() {
                return Ok(());
            }
            position += header.size_bytes() as u64;
            expected = header.next_offset();
        }
        Ok(())
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
            let given = self.slice_at(reading, position, expected, bytes_max, at_least_one)?;
            if let Some(given) = given {
                return Ok(given);
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

    /// The place of batches that are known to hold, if that is wanted; `None` if they had better be read.
    fn slice_at(
        &self,
        reading: &Reading<'_>,
        position: u64,
        mut expected: Offset,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<Option<Given>, ReadError> {
        let verified = self.verified.lock().end(position);
        let (Some(until), Some(end)) = (reading.apart_until, verified) else {
            return Ok(None);
        };
        let file = reading
            .file(self, FileKind::Log)
            .map_err(|error| self.missing(reading, expected, error))?;
        let mut taken = 0;
        while position + ((taken + HEADER_BYTES) as u64) <= end {
            let at = position + taken as u64;
            let mut bytes = [0; HEADER_BYTES];
            file.read_at(&mut bytes, at).map_err(failed)?;
            let Ok(header) = BatchHeader::parse(&bytes) else { break };
            let size = header.size_bytes();
            let fits = taken + size <= bytes_max || (taken == 0 && at_least_one);
            let wanted = size >= APART_BATCH_BYTES_MIN && header.base_offset < until && fits;
            let sound = wanted
                && at + size as u64 <= end
                && header.next_offset() <= reading.end
                && header.base_offset >= expected
                && self.plausible(reading, at, expected, &header).map_err(failed)?;
            if !sound {
                break;
            }
            taken += size;
            expected = header.next_offset();
        }
        if taken == 0 {
            return Ok(None);
        }
        self.leave_hint(expected, position + taken as u64);
        // Of many partitions that are asked for at once, all are read at once then.
        file.will_read(position, taken as u64);
        Ok(Some(Given::Batches {
            records: Piece::File(FileSlice {
                file,
                at: position,
                bytes: taken,
            }),
            next_offset: expected,
        }))
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
        self.verified.lock().add(position..position + taken as u64);
        self.leave_hint(expected, position + taken as u64);
        Ok(Some(Given::Batches {
            records: Piece::Memory(Bytes::from(buffer)),
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
        let reached = |index: &mut Index, file: Option<&Arc<dyn DiskFile>>| {
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
