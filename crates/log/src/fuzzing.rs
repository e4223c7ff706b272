//! The doors for bytes that a disk may hand us: each takes any bytes, and neither panics nor takes memory for them
//! that they do not have.
//!
//! Called by the targets in `fuzz/` and, with the files of their corpus, by the tests. Checksums hide what lies behind
//! them from a fuzzer: the first byte says whether they are mended first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::disk::{Disk, DiskFile, MemoryDisk, OpenMode};
use base::{Offset, TimestampMs};
use bytes::{BufMut, Bytes};
use wire::batch::HEADER_BYTES;
use wire::{BatchHeader, RecordLimits};

use crate::aborted::{self, AbortedList};
use crate::api::PartitionId;
use crate::checkpoint;
use crate::files::{FileKey, FileKind, Files, SegmentId};
use crate::frame::{self, FRAME_ALIGN, FRAME_HEADER_BYTES, FrameHeader};
use crate::index::{ENTRY_BYTES, Entry, Index};
use crate::partition::{EpochStart, SegmentMeta};
use crate::segment::{Reading, Segment};
use crate::wal::wal_path;
use crate::walk::{Found, WalReader};

const PARTITION: PartitionId = PartitionId(1);
/// Reads of one input, at most.
const READS_MAX: usize = 200;
/// The CRC of a batch and what it covers.
const BATCH_CRC_AT: usize = 17;
const BATCH_COVERED_AT: usize = 21;
const GENERATION: u64 = 3;

/// The file's bytes, and whether their checksums are to be mended.
fn split(data: &[u8]) -> Option<(bool, Vec<u8>)> {
    let (first, rest) = data.split_first()?;
    Some((first % 2 == 1, rest.to_vec()))
}

fn files() -> (MemoryDisk, Files) {
    let disk = MemoryDisk::default();
    let files = Files::new(Arc::new(disk.clone()), PathBuf::from("/partitions"), 8);
    (disk, files)
}

fn file(disk: &MemoryDisk, path: &Path, bytes: &[u8]) -> Option<Arc<dyn DiskFile>> {
    disk.create_dir_all(path.parent()?).ok()?;
    let file = disk.open(path, OpenMode::Create).ok()?;
    file.write_all_at(bytes, 0).ok()?;
    Some(file)
}

fn segment_file(disk: &MemoryDisk, files: &Files, kind: FileKind, bytes: &[u8]) -> Option<Arc<dyn DiskFile>> {
    let key = FileKey {
        partition: PARTITION,
        segment: SegmentId::first(0),
        kind,
    };
    file(disk, &files.path(key), bytes)
}

/// Any bytes as an index file.
pub fn index(data: &[u8]) {
    let Some((mend, mut bytes)) = split(data) else { return };
    if mend {
        for (number, chunk) in (0..).zip(bytes.chunks_exact_mut(ENTRY_BYTES)) {
            Entry::mend(chunk, 0, number);
        }
    }
    let (disk, files) = files();
    let Some(file) = segment_file(&disk, &files, FileKind::Index, &bytes) else {
        return;
    };
    for until in [0, 1000, u64::MAX] {
        let mut index = Index::default();
        if let Ok(Some(from)) = index.take_up(file.as_ref(), 0, until) {
            index.resume(from);
        }
        for asked in [0, 1, 70, 1 << 20, Offset::MAX] {
            let before = |entry: &Entry| entry.base_offset <= asked;
            let reached = |entry: &Entry| entry.max_timestamp >= asked;
            // What the answers are is for the tests; here it counts that there are some.
            index.last_where(Some(&file), 0, before).map(drop).ok();
            index.first_where(Some(&file), 0, reached).map(drop).ok();
            index.holds(Some(&file), 0, asked, asked as u64).map(drop).ok();
        }
        index.note(5, 1 << 20, 7, true);
        index.flush(file.as_ref(), 0, true).ok();
    }
    crate::index::cut(file.as_ref(), 0, 500).ok();
}

/// Any bytes as a segment file: walked, read from many offsets, searched by time.
pub fn segment(data: &[u8]) {
    let Some((mend, mut bytes)) = split(data) else { return };
    if mend {
        mend_batches(&mut bytes);
    }
    let (disk, files) = files();
    if segment_file(&disk, &files, FileKind::Log, &bytes).is_none() {
        return;
    }
    let mut meta = SegmentMeta::fresh(0);
    meta.bytes = bytes.len() as u64;
    meta.max_timestamp = TimestampMs::MAX;
    let epochs = [EpochStart { epoch: 0, start: 0 }];
    for end in [1, 100, Offset::MAX] {
        let segment = Segment::known(&meta, AbortedList::default());
        let reading = Reading {
            files: &files,
            partition: PARTITION,
            end,
            log_start: 0,
            epochs: &epochs,
            apart_until: None,
        };
        segment.for_each(&reading, |_, _| Ok(())).ok();
        let mut offset = 0;
        for _ in 0..READS_MAX {
            match segment.read(&reading, offset, 1 << 10, true) {
                Ok(crate::segment::Given::Batches { next_offset, .. }) => {
                    assert!(next_offset > offset, "a read makes no progress");
                    offset = next_offset;
                }
                Ok(_) => break,
                Err(crate::api::ReadError::Corrupt { next_offset, .. }) => {
                    assert!(next_offset > offset, "an error that leads nowhere");
                    offset = next_offset;
                }
                Err(_) => break,
            }
            if offset >= end {
                break;
            }
        }
        for timestamp in [TimestampMs::MIN, 0, 1000, TimestampMs::MAX] {
            segment.find_by_time(&reading, 0, timestamp).map(drop).ok();
        }
        aborted::find_again(&reading, &segment, &[]).map(drop).ok();
    }
}

/// Gives the batches that lie one after another the checksums they ought to have.
fn mend_batches(bytes: &mut [u8]) {
    let mut at = 0;
    while let Ok(header) = BatchHeader::parse(bytes.get(at..).unwrap_or_default()) {
        let Some(batch) = bytes.get_mut(at..at + header.size_bytes()) else {
            return;
        };
        let crc = crc32c::crc32c(&batch[BATCH_COVERED_AT..]);
        batch[BATCH_CRC_AT..BATCH_COVERED_AT].copy_from_slice(&crc.to_be_bytes());
        at += header.size_bytes();
    }
}

/// Any bytes as a checkpoint; what is read is written and read again.
pub fn checkpoint(data: &[u8]) {
    let Some((mend, mut bytes)) = split(data) else { return };
    if mend {
        checkpoint::mend(&mut bytes);
    }
    if let Some(found) = checkpoint::decode(&bytes) {
        let heads = checkpoint::encode_heads(found.deleting.iter(), found.heads.iter().map(|(id, head)| (id, head)));
        let written = checkpoint::encode(found.position, found.clean, &heads, &found.tables);
        assert!(
            checkpoint::decode(&written).is_some(),
            "what was read cannot be written"
        );
    }
    let segment = SegmentId::first(0);
    if mend && bytes.len() > 4 {
        // The other file of ours that is read whole.
        let content = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[..content]);
        bytes[content..].copy_from_slice(&crc.to_le_bytes());
    }
    aborted::decode_file(&bytes, PARTITION, segment);
}

/// Any bytes as a WAL file: frames one after another, operations in them, frames behind damage.
pub fn wal(data: &[u8]) {
    let Some((mend, mut bytes)) = split(data) else { return };
    if mend {
        mend_frames(&mut bytes);
    }
    let disk = MemoryDisk::default();
    let dir = PathBuf::from("/wal");
    if file(&disk, &wal_path(&dir, GENERATION), &bytes).is_none() {
        return;
    }
    let mut reader = WalReader::new(Arc::new(disk), &dir, &[GENERATION]);
    let mut at = 0;
    while let Ok(Found::Whole(header, payload) | Found::Damaged(header, payload)) = reader.frame(GENERATION, at) {
        for op in frame::ops(&payload, header.op_count) {
            if let frame::FrameOp::Append { batches, .. } = op {
                for (header, batch) in crate::intake::walk(batches) {
                    wire::EndMarker::read(batch);
                    if batch.len() == header.size_bytes() && batch.len() > HEADER_BYTES {
                        let limits = RecordLimits { bytes_max: 1 << 20 };
                        wire::records(&Bytes::copy_from_slice(batch), limits)
                            .map(|read| read.for_each(drop))
                            .ok();
                    }
                }
            }
        }
        at += header.frame_bytes();
    }
    reader.later(GENERATION, 0, 0).map(drop).ok();
}

/// Gives the frames that lie one after another the magic, the generation and the checksums they ought to have.
fn mend_frames(bytes: &mut [u8]) {
    const PAYLOAD_BYTES_AT: usize = 8;
    const GENERATION_AT: usize = 16;
    const PAYLOAD_CRC_AT: usize = 44;
    let mut at = 0;
    while at + FRAME_HEADER_BYTES <= bytes.len() {
        let rest = &mut bytes[at..];
        let mut length = [0; 4];
        length.copy_from_slice(&rest[PAYLOAD_BYTES_AT..PAYLOAD_BYTES_AT + 4]);
        let payload_bytes = u32::from_le_bytes(length) as usize % (rest.len() - FRAME_HEADER_BYTES + 1);
        rest[PAYLOAD_BYTES_AT..PAYLOAD_BYTES_AT + 4].copy_from_slice(&(payload_bytes as u32).to_le_bytes());
        rest[GENERATION_AT..GENERATION_AT + 8].copy_from_slice(&GENERATION.to_le_bytes());
        let crc = crc32c::crc32c(&rest[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + payload_bytes]);
        rest[PAYLOAD_CRC_AT..PAYLOAD_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        let checksum = crc32c::crc32c(&rest[8..FRAME_HEADER_BYTES]);
        let mut front = &mut rest[..8];
        front.put_u32_le(frame::FRAME_MAGIC);
        front.put_u32_le(checksum);
        debug_assert!(FrameHeader::parse(rest).is_some());
        at += (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(FRAME_ALIGN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file that fuzzing found worth keeping goes through its door again.
    fn replay(target: &str, door: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            door(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= 10, "{count} files for {target}");
    }

    #[test]
    fn the_corpus_does_no_harm() {
        replay("index", index);
        replay("segment", segment);
        replay("checkpoint", checkpoint);
        replay("wal", wal);
    }
}
