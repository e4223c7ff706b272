//! Checkpoints: all that the log holds in memory at one place of the WAL, in two copies, so that one damaged byte costs
//! nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::disk::{Disk, OpenMode};
use bytes::BufMut;

use crate::aborted;
use crate::api::PartitionId;
use crate::codec::Fields;
use crate::partition::{EpochStart, Head, Partition, SegmentMeta};
use crate::producers::Producers;
use crate::tables::Tables;
use crate::wal::WalPosition;

const MAGIC: u32 = 0x5043_5652;
/// Version of the checkpoint's own layout; the directory's version stands in `FORMAT`.
const VERSION: u32 = 2;
/// Knew neither transactions nor compaction. Still read.
const VERSION_WITHOUT_TRANSACTIONS: u32 = 1;
const HEADER_BYTES: usize = 24;
const NAMES: [&str; 2] = ["checkpoint-a", "checkpoint-b"];
const TEMPORARY: &str = "checkpoint.tmp";

/// What a checkpoint holds.
pub(crate) struct Checkpoint {
    pub(crate) position: WalPosition,
    /// Written by an orderly stop: nothing follows in the WAL.
    pub(crate) clean: bool,
    /// Deleted partitions whose files may still be there.
    pub(crate) deleting: Vec<PartitionId>,
    pub(crate) heads: Vec<(PartitionId, Head)>,
    pub(crate) tables: Tables,
}

/// The partitions' part, taken while commits are held off.
pub(crate) fn encode_heads<'a>(
    deleting: impl ExactSizeIterator<Item = &'a PartitionId>,
    heads: impl Iterator<Item = (&'a PartitionId, &'a Head)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32_le(deleting.len() as u32);
    for id in deleting {
        out.put_u64_le(id.0);
    }
    let mut sorted: Vec<(&PartitionId, &Head)> = heads.collect();
    sorted.sort_unstable_by_key(|(id, _)| **id);
    out.put_u32_le(sorted.len() as u32);
    for (id, head) in sorted {
        out.put_u64_le(id.0);
        out.put_i64_le(head.log_start);
        out.put_i64_le(head.log_end);
        out.put_i64_le(head.cleaned_to);
        out.put_u32_le(head.segments.len() as u32);
        for segment in &head.segments {
            segment.encode(&mut out);
        }
        out.put_u32_le(head.aborted.len() as u32);
        aborted::encode(&head.aborted, &mut out);
        out.put_u32_le(head.epochs.len() as u32);
        for entry in &head.epochs {
            out.put_i32_le(entry.epoch);
            out.put_i64_le(entry.start);
        }
        head.producers.encode(&mut out);
    }
    out
}

/// The whole file.
pub(crate) fn encode(position: WalPosition, clean: bool, heads: &[u8], tables: &Tables) -> Vec<u8> {
    let mut out = vec![0; HEADER_BYTES];
    out.put_u64_le(position.generation);
    out.put_u64_le(position.offset);
    out.put_u64_le(position.sequence);
    out.put_u32_le(position.chain);
    out.put_u8(u8::from(clean));
    out.extend_from_slice(heads);
    tables.encode(&mut out);
    seal(&mut out, VERSION);
    out
}

/// Writes the header in front of a body that stands behind it.
fn seal(out: &mut [u8], version: u32) {
    let body_bytes = (out.len() - HEADER_BYTES) as u64;
    let body_crc = crc32c::crc32c(&out[HEADER_BYTES..]);
    let mut header = &mut out[..HEADER_BYTES];
    header.put_u32_le(MAGIC);
    header.put_u32_le(version);
    header.put_u64_le(body_bytes);
    header.put_u32_le(body_crc);
    let header_crc = crc32c::crc32c(&out[..HEADER_BYTES - 4]);
    out[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&header_crc.to_le_bytes());
}

/// Gives bytes the header that they ought to have; of which version, the first of them says.
#[cfg(any(test, fuzzing))]
pub(crate) fn mend(bytes: &mut [u8]) {
    if bytes.len() >= HEADER_BYTES {
        let version = u32::from(bytes[0]) % VERSION + 1;
        seal(bytes, version);
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Option<Checkpoint> {
    let (header, body) = bytes.split_at_checked(HEADER_BYTES)?;
    let mut fields = Fields::new(header);
    let (magic, version) = (fields.u32()?, fields.u32()?);
    let (body_bytes, body_crc, header_crc) = (fields.u64()?, fields.u32()?, fields.u32()?);
    let holds = magic == MAGIC
        && (VERSION_WITHOUT_TRANSACTIONS..=VERSION).contains(&version)
        && crc32c::crc32c(&header[..HEADER_BYTES - 4]) == header_crc
        && body.len() as u64 == body_bytes
        && crc32c::crc32c(body) == body_crc;
    if !holds {
        return None;
    }
    let mut fields = Fields::new(body);
    let position = WalPosition {
        generation: fields.u64()?,
        offset: fields.u64()?,
        sequence: fields.u64()?,
        chain: fields.u32()?,
    };
    let clean = fields.u8()? == 1;
    let deleting = (0..fields.u32()?)
        .map(|_| fields.u64().map(PartitionId))
        .collect::<Option<_>>()?;
    let heads = (0..fields.u32()?)
        .map(|_| decode_head(&mut fields, version))
        .collect::<Option<_>>()?;
    let tables = Tables::decode(&mut fields)?;
    fields.is_empty().then_some(Checkpoint {
        position,
        clean,
        deleting,
        heads,
        tables,
    })
}

fn decode_head(fields: &mut Fields<'_>, version: u32) -> Option<(PartitionId, Head)> {
    let id = PartitionId(fields.u64()?);
    let mut head = Head::new(Arc::new(Partition::empty(id)));
    head.log_start = fields.i64()?;
    head.log_end = fields.i64()?;
    if version > VERSION_WITHOUT_TRANSACTIONS {
        head.cleaned_to = fields.i64()?;
    }
    for _ in 0..fields.u32()? {
        head.segments.push(decode_segment(fields, version)?);
    }
    if version > VERSION_WITHOUT_TRANSACTIONS {
        let count = fields.u32()?;
        head.aborted = aborted::decode(fields, count)?;
    }
    for _ in 0..fields.u32()? {
        head.epochs.push(EpochStart {
            epoch: fields.i32()?,
            start: fields.i64()?,
        });
    }
    head.producers = Producers::decode(fields, version > VERSION_WITHOUT_TRANSACTIONS)?;
    Some((id, head))
}

fn decode_segment(fields: &mut Fields<'_>, version: u32) -> Option<SegmentMeta> {
    if version > VERSION_WITHOUT_TRANSACTIONS {
        return SegmentMeta::decode(fields);
    }
    let mut segment = SegmentMeta::fresh(fields.i64()?);
    segment.bytes = fields.u64()?;
    segment.max_timestamp = fields.i64()?;
    // Not kept then; the latest it can have been.
    segment.first_timestamp = segment.max_timestamp;
    Some(segment)
}

/// Replaces both copies, one after the other: at any moment at least one whole copy stands on the disk.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(TEMPORARY);
    for name in NAMES {
        let file = disk.open(&temporary, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        disk.rename(&temporary, &dir.join(name))?;
        disk.sync_dir(dir)?;
    }
    Ok(())
}

/// What was found of the two copies.
pub(crate) struct Loaded {
    /// The newest whole copy.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Copies that exist and do not hold.
    pub(crate) damaged: Vec<PathBuf>,
    pub(crate) missing: usize,
}

pub(crate) fn load(disk: &dyn Disk, dir: &Path) -> io::Result<Loaded> {
    let mut loaded = Loaded {
        checkpoint: None,
        damaged: Vec::new(),
        missing: 0,
    };
    for name in NAMES {
        let path = dir.join(name);
        let file = match disk.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                loaded.missing += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut bytes = vec![0; file.len()? as usize];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        match decode(&bytes) {
            Some(found) => {
                let place = |checkpoint: &Checkpoint| (checkpoint.position.generation, checkpoint.position.sequence);
                if loaded
                    .checkpoint
                    .as_ref()
                    .is_none_or(|other| place(other) < place(&found))
                {
                    loaded.checkpoint = Some(found);
                }
            }
            None => loaded.damaged.push(path),
        }
    }
    Ok(loaded)
}
