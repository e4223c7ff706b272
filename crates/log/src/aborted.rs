//! The aborted transactions whose markers stand in one segment.
//!
//! Those of the segment that is written to are held in memory and go through checkpoints; when it is sealed they move
//! to a file beside it. A checkpoint keeps only their number for each sealed segment, so neither memory nor
//! checkpoints grow with a partition's age.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use base::Offset;
use bytes::BufMut;
use wire::EndMarker;

use crate::api::PartitionId;
use crate::codec::Fields;
use crate::files::{FileKey, FileKind, Files, SegmentId};
use crate::segment::{Reading, Segment};

/// A segment is sealed when it holds so many: bounds memory and checkpoints of a partition, and what one read takes up.
pub(crate) const ABORTED_MAX: usize = 4096;

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: Offset,
    /// Of its marker.
    pub(crate) last_offset: Offset,
    /// The last stable offset right behind the marker: whatever began before it has ended by then.
    pub(crate) last_stable: Offset,
}

pub(crate) fn encode(list: &[Aborted], out: &mut Vec<u8>) {
    for aborted in list {
        out.put_i64_le(aborted.producer_id);
        out.put_i64_le(aborted.first_offset);
        out.put_i64_le(aborted.last_offset);
        out.put_i64_le(aborted.last_stable);
    }
}

pub(crate) fn decode(fields: &mut Fields<'_>, count: u32) -> Option<Vec<Aborted>> {
    let one = |fields: &mut Fields<'_>| {
        Some(Aborted {
            producer_id: fields.i64()?,
            first_offset: fields.i64()?,
            last_offset: fields.i64()?,
            last_stable: fields.i64()?,
        })
    };
    (0..count).map(|_| one(fields)).collect()
}

const MAGIC: u32 = 0x5441_5652;
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// What one segment knows of them.
#[derive(Debug)]
pub(crate) enum AbortedList {
    /// Of the segment that is written to.
    Held(Vec<Aborted>),
    /// Of a sealed segment: so many stand in its file.
    Filed(u32),
}

impl Default for AbortedList {
    fn default() -> AbortedList {
        AbortedList::Held(Vec::new())
    }
}

fn key(partition: PartitionId, segment: SegmentId) -> FileKey {
    FileKey {
        partition,
        segment,
        kind: FileKind::Aborted,
    }
}

impl AbortedList {
    pub(crate) fn extend(&mut self, aborted: &[Aborted]) {
        match self {
            AbortedList::Held(list) => list.extend_from_slice(aborted),
            AbortedList::Filed(count) => *count += aborted.len() as u32,
        }
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            AbortedList::Held(list) => list.len(),
            AbortedList::Filed(count) => *count as usize,
        }
    }

    /// Moves what is held to the file. It can be found again in the segment, so an error must not stop appends.
    pub(crate) fn put_away(&mut self, files: &Files, partition: PartitionId, segment: SegmentId) {
        let AbortedList::Held(list) = self else { return };
        match write(files, partition, segment, list) {
            Ok(()) => *self = AbortedList::Filed(list.len() as u32),
            Err(error) => {
                tracing::warn!(segment = segment.base, %error, "aborted transactions stay in memory: their file was not written");
            }
        }
    }

    /// `None` if the file does not hold.
    pub(crate) fn get(
        &self,
        files: &Files,
        partition: PartitionId,
        segment: SegmentId,
    ) -> io::Result<Option<Vec<Aborted>>> {
        match self {
            AbortedList::Held(list) => Ok(Some(list.clone())),
            AbortedList::Filed(0) => Ok(Some(Vec::new())),
            AbortedList::Filed(count) => read(files, partition, segment, *count),
        }
    }
}

/// Nothing relies on the file, so nothing syncs it: it is used only if it is whole and has as many entries as the
/// checkpoint or the WAL say, and found again from the segments otherwise.
pub(crate) fn write(files: &Files, partition: PartitionId, segment: SegmentId, list: &[Aborted]) -> io::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    let (file, _) = files.create(key(partition, segment))?;
    file.set_len(0)?;
    file.write_all_at(&encode_file(partition, segment, list), 0)
}

fn read(files: &Files, partition: PartitionId, segment: SegmentId, count: u32) -> io::Result<Option<Vec<Aborted>>> {
    let file = match files.existing(key(partition, segment)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; HEADER_BYTES + count as usize * ENTRY_BYTES + CHECKSUM_BYTES];
    let read = file.read_at(&mut bytes, 0)?;
    Ok(decode_file(&bytes[..read], partition, segment))
}

/// What is known of a producer while segments are walked.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// Its first batch since its last marker.
    first_offset: Option<Offset>,
    marked: bool,
}

/// Walks the segment for markers, and those before it for the beginnings of what they end. Of a transaction whose
/// first records are gone the first that is still there counts: it says the same to a reader.
pub(crate) fn find_again(
    reading: &Reading<'_>,
    segment: &Segment,
    before: &[Arc<Segment>],
) -> io::Result<Vec<Aborted>> {
    let mut found = Vec::new();
    let mut tracks: HashMap<i64, Track> = HashMap::new();
    // By producer: the entry that ends what may have begun in an earlier segment.
    let mut unresolved = HashMap::new();
    segment.for_each(reading, |header, batch| {
        if !header.is_transactional() {
            return Ok(());
        }
        let track = tracks.entry(header.producer_id).or_default();
        if !header.is_control() {
            track.first_offset.get_or_insert(header.base_offset);
        } else if let Some(marker) = EndMarker::read(batch) {
            let before = std::mem::replace(
                track,
                Track {
                    first_offset: None,
                    marked: true,
                },
            );
            if !marker.commit {
                if !before.marked {
                    unresolved.insert(header.producer_id, found.len());
                }
                found.push(Aborted {
                    producer_id: header.producer_id,
                    first_offset: before.first_offset.unwrap_or(header.base_offset),
                    last_offset: header.last_offset(),
                    // Not known any more; too low only costs readers a look at later segments.
                    last_stable: 0,
                });
            }
        }
        Ok(())
    })?;
    for earlier in before.iter().rev() {
        if unresolved.is_empty() {
            break;
        }
        tracks.clear();
        earlier.for_each(reading, |header, batch| {
            if header.is_transactional() && unresolved.contains_key(&header.producer_id) {
                let track = tracks.entry(header.producer_id).or_default();
                if !header.is_control() {
                    track.first_offset.get_or_insert(header.base_offset);
                } else if EndMarker::read(batch).is_some() {
                    *track = Track {
                        first_offset: None,
                        marked: true,
                    };
                }
            }
            Ok(())
        })?;
        for (producer_id, track) in &tracks {
            if let (Some(entry), Some(first_offset)) = (unresolved.get(producer_id), track.first_offset) {
                found[*entry].first_offset = first_offset;
            }
            if track.marked {
                unresolved.remove(producer_id);
            }
        }
    }
    Ok(found)
}

fn encode_file(partition: PartitionId, segment: SegmentId, list: &[Aborted]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + list.len() * ENTRY_BYTES + CHECKSUM_BYTES);
    out.put_u32_le(MAGIC);
    out.put_u32_le(VERSION);
    out.put_u64_le(partition.0);
    out.put_i64_le(segment.base);
    out.put_u32_le(segment.version);
    out.put_u32_le(list.len() as u32);
    encode(list, &mut out);
    let checksum = crc32c::crc32c(&out);
    out.put_u32_le(checksum);
    out
}

/// The entries of a file that is whole and belongs to the segment.
pub(crate) fn decode_file(bytes: &[u8], partition: PartitionId, segment: SegmentId) -> Option<Vec<Aborted>> {
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    let mut fields = Fields::new(content);
    let ours = fields.u32()? == MAGIC
        && fields.u32()? == VERSION
        && fields.u64()? == partition.0
        && fields.i64()? == segment.base
        && fields.u32()? == segment.version
        && Fields::new(checksum).u32()? == crc32c::crc32c(content);
    if !ours {
        return None;
    }
    let count = fields.u32()?;
    let list = decode(&mut fields, count)?;
    fields.is_empty().then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_whole_and_for_its_segment_only() {
        let entry = |at: i64| Aborted {
            producer_id: at * 7,
            first_offset: at,
            last_offset: at + 5,
            last_stable: at + 2,
        };
        let list: Vec<Aborted> = (0..3).map(entry).collect();
        let (partition, segment) = (PartitionId(4), SegmentId { base: 70, version: 2 });
        let bytes = encode_file(partition, segment, &list);
        assert_eq!(decode_file(&bytes, partition, segment), Some(list));
        assert_eq!(decode_file(&bytes, partition, SegmentId::first(70)), None);
        assert_eq!(decode_file(&bytes, PartitionId(5), segment), None);
        for at in 0..bytes.len() {
            assert_eq!(decode_file(&bytes[..at], partition, segment), None, "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(decode_file(&damaged, partition, segment), None, "byte {at}");
        }
    }
}
