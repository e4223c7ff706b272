//! The WAL frame, the unit of atomicity: its header, its checksums, the operations in it.
//!
//! A frame stands on a 64-byte boundary: 64 bytes of header, then the operations. The header's checksum covers all of
//! the header, and with it the payload's checksum, the generation of the file and the sequence number, so that neither
//! a torn frame nor one from a recycled file's earlier life is ever taken for a current one. `previous` chains it to
//! the frame before; `durable_through` says what was known to be synced when it was written.

use std::ops::Range;

use base::{Offset, TimestampMs};
use bytes::BufMut;

use crate::api::{PartitionId, TableId};
use crate::codec::Fields;
use crate::partition::SegmentMeta;

pub(crate) const FRAME_HEADER_BYTES: usize = 64;
/// Frames begin at multiples of this, so that a search for them need not look at every byte.
pub(crate) const FRAME_ALIGN: usize = 64;
pub(crate) const FRAME_MAGIC: u32 = 0x3146_5652;

const CHECKSUM_FROM: usize = 8;

const CREATE: u8 = 1;
const DELETE: u8 = 2;
const APPEND: u8 = 3;
const ADVANCE_START: u8 = 4;
const PUT: u8 = 5;
const REPLACE: u8 = 6;
const CLEANED: u8 = 7;

/// Where an append's bytes stand in the partition's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment_base: Offset,
    pub(crate) position: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_bytes: u32,
    pub(crate) op_count: u32,
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    /// Every frame up to this sequence number was synced when this one was written.
    pub(crate) durable_through: u64,
    /// The checksum of the frame before.
    pub(crate) previous: u32,
    pub(crate) payload_crc: u32,
    pub(crate) wall_ms: TimestampMs,
    /// The checksum over all of the above.
    pub(crate) checksum: u32,
}

impl FrameHeader {
    /// Reads and checks a header; `None` if there is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<FrameHeader> {
        let bytes = bytes.get(..FRAME_HEADER_BYTES)?;
        let mut fields = Fields::new(bytes);
        let magic = fields.u32()?;
        let checksum = fields.u32()?;
        if magic != FRAME_MAGIC || crc32c::crc32c(&bytes[CHECKSUM_FROM..]) != checksum {
            return None;
        }
        Some(FrameHeader {
            payload_bytes: fields.u32()?,
            op_count: fields.u32()?,
            generation: fields.u64()?,
            sequence: fields.u64()?,
            durable_through: fields.u64()?,
            previous: fields.u32()?,
            payload_crc: fields.u32()?,
            wall_ms: fields.i64()?,
            checksum,
        })
    }

    /// Header, payload and the room up to the next boundary.
    pub(crate) fn frame_bytes(&self) -> u64 {
        (FRAME_HEADER_BYTES as u64 + u64::from(self.payload_bytes)).next_multiple_of(FRAME_ALIGN as u64)
    }

    pub(crate) fn payload_holds(&self, payload: &[u8]) -> bool {
        crc32c::crc32c(payload) == self.payload_crc
    }
}

/// What the header of a frame being written must say besides its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameMeta {
    pub(crate) op_count: u32,
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) durable_through: u64,
    pub(crate) previous: u32,
    pub(crate) wall_ms: TimestampMs,
}

/// Makes room for a frame's header; its operations follow.
pub(crate) fn begin(buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    buffer.put_bytes(0, FRAME_HEADER_BYTES);
    start
}

/// The checksum of the payload written since [`begin`].
pub(crate) fn payload_crc(buffer: &[u8], start: usize) -> u32 {
    crc32c::crc32c(&buffer[start + FRAME_HEADER_BYTES..])
}

/// Fills the space behind the frame that begins at `start`, up to where the next one may begin.
pub(crate) fn pad(buffer: &mut Vec<u8>, start: usize) {
    let padded = (buffer.len() - start).next_multiple_of(FRAME_ALIGN);
    buffer.resize(start + padded, 0);
}

/// Writes the header in front of a payload; returns its checksum.
pub(crate) fn seal(header: &mut [u8], payload_bytes: u32, payload_crc: u32, meta: FrameMeta) -> u32 {
    let mut out = &mut header[CHECKSUM_FROM..FRAME_HEADER_BYTES];
    out.put_u32_le(payload_bytes);
    out.put_u32_le(meta.op_count);
    out.put_u64_le(meta.generation);
    out.put_u64_le(meta.sequence);
    out.put_u64_le(meta.durable_through);
    out.put_u32_le(meta.previous);
    out.put_u32_le(payload_crc);
    out.put_i64_le(meta.wall_ms);
    out.put_u64_le(0);
    let checksum = crc32c::crc32c(&header[CHECKSUM_FROM..FRAME_HEADER_BYTES]);
    let mut front = &mut header[..CHECKSUM_FROM];
    front.put_u32_le(FRAME_MAGIC);
    front.put_u32_le(checksum);
    checksum
}

/// An operation as a frame holds it; offsets and places are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameOp<'a> {
    Create {
        partition: PartitionId,
    },
    Delete {
        partition: PartitionId,
    },
    Append {
        partition: PartitionId,
        base: Offset,
        place: Place,
        batches: &'a [u8],
    },
    AdvanceStart {
        partition: PartitionId,
        log_start: Offset,
    },
    Put {
        table: TableId,
        key: &'a [u8],
        value: Option<&'a [u8]>,
    },
    /// The segments that begin in `base..end` gave way to what compaction left of them.
    Replace {
        partition: PartitionId,
        base: Offset,
        end: Offset,
        added: Option<SegmentMeta>,
    },
    Cleaned {
        partition: PartitionId,
        cleaned_to: Offset,
    },
}

pub(crate) fn put_create(buffer: &mut Vec<u8>, partition: PartitionId) {
    buffer.put_u8(CREATE);
    buffer.put_u64_le(partition.0);
}

pub(crate) fn put_delete(buffer: &mut Vec<u8>, partition: PartitionId) {
    buffer.put_u8(DELETE);
    buffer.put_u64_le(partition.0);
}

/// Returns where the batches stand in the buffer, for the caller to patch and to write on to the segment.
pub(crate) fn put_append(
    buffer: &mut Vec<u8>,
    partition: PartitionId,
    base: Offset,
    place: Place,
    batches: &[u8],
) -> Range<usize> {
    buffer.put_u8(APPEND);
    buffer.put_u64_le(partition.0);
    buffer.put_i64_le(base);
    buffer.put_i64_le(place.segment_base);
    buffer.put_u64_le(place.position);
    buffer.put_u32_le(batches.len() as u32);
    let start = buffer.len();
    buffer.extend_from_slice(batches);
    start..buffer.len()
}

pub(crate) fn put_advance_start(buffer: &mut Vec<u8>, partition: PartitionId, log_start: Offset) {
    buffer.put_u8(ADVANCE_START);
    buffer.put_u64_le(partition.0);
    buffer.put_i64_le(log_start);
}

pub(crate) fn put_put(buffer: &mut Vec<u8>, table: TableId, key: &[u8], value: Option<&[u8]>) {
    buffer.put_u8(PUT);
    buffer.put_u16_le(table.0);
    buffer.put_u32_le(key.len() as u32);
    buffer.extend_from_slice(key);
    buffer.put_u8(u8::from(value.is_some()));
    let value = value.unwrap_or_default();
    buffer.put_u32_le(value.len() as u32);
    buffer.extend_from_slice(value);
}

pub(crate) fn put_replace(
    buffer: &mut Vec<u8>,
    partition: PartitionId,
    base: Offset,
    end: Offset,
    added: Option<&SegmentMeta>,
) {
    buffer.put_u8(REPLACE);
    buffer.put_u64_le(partition.0);
    buffer.put_i64_le(base);
    buffer.put_i64_le(end);
    buffer.put_u8(u8::from(added.is_some()));
    if let Some(added) = added {
        added.encode(buffer);
    }
}

pub(crate) fn put_cleaned(buffer: &mut Vec<u8>, partition: PartitionId, cleaned_to: Offset) {
    buffer.put_u8(CLEANED);
    buffer.put_u64_le(partition.0);
    buffer.put_i64_le(cleaned_to);
}

/// The operations of a payload, up to the first that cannot be read.
pub(crate) fn ops(payload: &[u8], count: u32) -> impl Iterator<Item = FrameOp<'_>> {
    let mut fields = Fields::new(payload);
    (0..count).map_while(move |_| op(&mut fields))
}

fn op<'a>(fields: &mut Fields<'a>) -> Option<FrameOp<'a>> {
    match fields.u8()? {
        CREATE => Some(FrameOp::Create {
            partition: PartitionId(fields.u64()?),
        }),
        DELETE => Some(FrameOp::Delete {
            partition: PartitionId(fields.u64()?),
        }),
        APPEND => {
            let partition = PartitionId(fields.u64()?);
            let base = fields.i64()?;
            let place = Place {
                segment_base: fields.i64()?,
                position: fields.u64()?,
            };
            let bytes = fields.u32()? as usize;
            Some(FrameOp::Append {
                partition,
                base,
                place,
                batches: fields.bytes(bytes)?,
            })
        }
        ADVANCE_START => Some(FrameOp::AdvanceStart {
            partition: PartitionId(fields.u64()?),
            log_start: fields.i64()?,
        }),
        PUT => {
            let table = TableId(fields.u16()?);
            let key_bytes = fields.u32()? as usize;
            let key = fields.bytes(key_bytes)?;
            let present = fields.u8()? == 1;
            let value_bytes = fields.u32()? as usize;
            let value = fields.bytes(value_bytes)?;
            Some(FrameOp::Put {
                table,
                key,
                value: present.then_some(value),
            })
        }
        REPLACE => Some(FrameOp::Replace {
            partition: PartitionId(fields.u64()?),
            base: fields.i64()?,
            end: fields.i64()?,
            added: match fields.u8()? {
                0 => None,
                _ => Some(SegmentMeta::decode(fields)?),
            },
        }),
        CLEANED => Some(FrameOp::Cleaned {
            partition: PartitionId(fields.u64()?),
            cleaned_to: fields.i64()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_no_flipped_byte_passes() {
        let mut buffer = Vec::new();
        let start = begin(&mut buffer);
        let place = Place {
            segment_base: 7,
            position: 99,
        };
        put_create(&mut buffer, PartitionId(1));
        let range = put_append(&mut buffer, PartitionId(1), 7, place, b"batch");
        put_put(&mut buffer, TableId(3), b"key", None);
        put_put(&mut buffer, TableId(3), b"key", Some(b""));
        put_advance_start(&mut buffer, PartitionId(1), 9);
        put_delete(&mut buffer, PartitionId(1));
        let segment = SegmentMeta {
            version: 3,
            bytes: 44,
            first_timestamp: 5,
            max_timestamp: 6,
            aborted: 2,
            ..SegmentMeta::fresh(7)
        };
        put_replace(&mut buffer, PartitionId(1), 7, 12, Some(&segment));
        put_replace(&mut buffer, PartitionId(1), 12, 20, None);
        put_cleaned(&mut buffer, PartitionId(1), 20);
        let payload_bytes = (buffer.len() - FRAME_HEADER_BYTES) as u32;
        let crc = payload_crc(&buffer, start);
        let meta = FrameMeta {
            op_count: 9,
            generation: 4,
            sequence: 5,
            durable_through: 3,
            previous: 77,
            wall_ms: 1234,
        };
        let checksum = seal(&mut buffer[start..], payload_bytes, crc, meta);
        pad(&mut buffer, start);

        let header = FrameHeader::parse(&buffer).unwrap();
        assert_eq!((header.generation, header.sequence, header.durable_through), (4, 5, 3));
        assert_eq!((header.previous, header.wall_ms, header.checksum), (77, 1234, checksum));
        assert_eq!(header.frame_bytes() as usize, buffer.len());
        let payload = &buffer[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + header.payload_bytes as usize];
        assert!(header.payload_holds(payload));
        assert_eq!(&buffer[range], b"batch");
        let read: Vec<FrameOp<'_>> = ops(payload, header.op_count).collect();
        assert_eq!(read.len(), 9);
        let replace = FrameOp::Replace {
            partition: PartitionId(1),
            base: 7,
            end: 12,
            added: Some(segment),
        };
        assert_eq!(read[6], replace);
        assert_eq!(
            read[1],
            FrameOp::Append {
                partition: PartitionId(1),
                base: 7,
                place,
                batches: b"batch"
            }
        );
        assert_eq!(
            read[2],
            FrameOp::Put {
                table: TableId(3),
                key: b"key",
                value: None
            }
        );
        assert_eq!(
            read[3],
            FrameOp::Put {
                table: TableId(3),
                key: b"key",
                value: Some(b"")
            }
        );

        for at in 0..FRAME_HEADER_BYTES + payload_bytes as usize {
            let mut damaged = buffer.clone();
            damaged[at] ^= 0x10;
            let payload = &damaged[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + payload_bytes as usize];
            let holds = FrameHeader::parse(&damaged).is_some_and(|header| header.payload_holds(payload));
            assert!(!holds, "byte {at}");
        }
    }
}
