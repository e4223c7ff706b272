//! The record batch (magic 2) from outside: its header, its checksum, its place in the log; never its records.

use base::{Offset, TimestampMs};
use bytes::Bytes;

use crate::compression::Compression;

/// Bytes before the first record.
pub const HEADER_BYTES: usize = 61;
/// Base offset and length, which the length itself does not count.
pub const PREFIX_BYTES: usize = 12;
/// The only format written since Kafka 0.11, and the only one read here.
pub const MAGIC: i8 = 2;

const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const COUNT_AT: usize = 57;

pub(crate) const CODEC_MASK: i16 = 0x07;
pub(crate) const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL_BIT: i16 = 1 << 4;
pub(crate) const CONTROL_BIT: i16 = 1 << 5;
pub(crate) const DELETE_HORIZON_BIT: i16 = 1 << 6;

/// What is wrong with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("batch is cut short: {have} bytes of {need}")]
    Truncated { have: usize, need: usize },
    #[error("batch has magic `{0}`, only `2` is accepted")]
    Magic(i8),
    #[error("batch length `{0}` is impossible")]
    Length(i32),
    #[error("batch checksum is `{found:#010x}`, its bytes give `{computed:#010x}`")]
    Crc { found: u32, computed: u32 },
    #[error("batch says {count} records and a last offset delta of {last_offset_delta}")]
    Count { count: i32, last_offset_delta: i32 },
    #[error("batch has compression codec `{0}`, known are 0 to 4")]
    Codec(i16),
    #[error("batch does not decompress as {0:?}")]
    Compressed(Compression),
    #[error("batch grows past {bytes_max} bytes when decompressed")]
    TooLarge { bytes_max: usize },
    #[error("record {index} of the batch is malformed")]
    Record { index: i32 },
    #[error("a batch has at least one record")]
    Empty,
}

/// Whose clock a batch's timestamps come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// The fixed fields in front of a batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// Bytes that follow this field; [`BatchHeader::size_bytes`] counts the prefix too.
    pub length: i32,
    pub leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: TimestampMs,
    pub max_timestamp: TimestampMs,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the batch may go on past the end of `bytes`. Checks magic and that the
    /// length can be, nothing else.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        // Old formats have their magic in the same place but a shorter header: say so before saying "cut short".
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic as i8 != MAGIC
        {
            return Err(BatchError::Magic(magic as i8));
        }
        if bytes.len() < HEADER_BYTES {
            return Err(BatchError::Truncated {
                have: bytes.len(),
                need: HEADER_BYTES,
            });
        }
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            length: i32::from_be_bytes(field(bytes, LENGTH_AT)),
            leader_epoch: i32::from_be_bytes(field(bytes, LEADER_EPOCH_AT)),
            magic: MAGIC,
            crc: u32::from_be_bytes(field(bytes, CRC_AT)),
            attributes: i16::from_be_bytes(field(bytes, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(bytes, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(bytes, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(bytes, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(bytes, PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(bytes, PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(bytes, BASE_SEQUENCE_AT)),
            count: i32::from_be_bytes(field(bytes, COUNT_AT)),
        };
        if header.length < (HEADER_BYTES - PREFIX_BYTES) as i32 {
            return Err(BatchError::Length(header.length));
        }
        Ok(header)
    }

    /// The whole batch in bytes, prefix included.
    pub fn size_bytes(&self) -> usize {
        PREFIX_BYTES + self.length as usize
    }

    pub fn last_offset(&self) -> Offset {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// The offset the next batch begins at.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().wrapping_add(1)
    }

    /// The sequence number of the last record; numbers go on at 0 after the largest.
    pub fn last_sequence(&self) -> i32 {
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        if sum > i64::from(i32::MAX) {
            (sum - i64::from(i32::MAX) - 1) as i32
        } else {
            sum as i32
        }
    }

    pub fn compression(&self) -> Result<Compression, BatchError> {
        Compression::from_code(self.attributes & CODEC_MASK).ok_or(BatchError::Codec(self.attributes & CODEC_MASK))
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Control batches hold markers, not data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// From when on compaction may drop the tombstones or the marker in the batch; set by compaction (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<TimestampMs> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    /// Written by a producer that numbers its batches.
    pub fn is_idempotent(&self) -> bool {
        self.producer_id >= 0
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Checks everything about the batch at the start of `bytes` that can be checked without looking at its records.
pub fn validate(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = check_crc(bytes)?;
    if header.count < 1 || i64::from(header.count) != i64::from(header.last_offset_delta) + 1 {
        return Err(BatchError::Count {
            count: header.count,
            last_offset_delta: header.last_offset_delta,
        });
    }
    header.compression()?;
    Ok(header)
}

/// Checks that the batch at the start of `bytes` is whole and as its writer left it. Compacted batches pass this and
/// may fail [`validate`], which also wants every offset filled.
pub fn check_crc(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    let size = header.size_bytes();
    let Some(batch) = bytes.get(..size) else {
        return Err(BatchError::Truncated {
            have: bytes.len(),
            need: size,
        });
    };
    let computed = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    if computed != header.crc {
        return Err(BatchError::Crc {
            found: header.crc,
            computed,
        });
    }
    Ok(header)
}

/// Gives the batch its place; outside the checksum.
///
/// # Panics
/// If `batch` is shorter than a header: callers have validated it.
pub fn patch_base_offset(batch: &mut [u8], base_offset: Offset) {
    batch[..LENGTH_AT].copy_from_slice(&base_offset.to_be_bytes());
}

/// Names the leader epoch the batch was written in; outside the checksum.
///
/// # Panics
/// If `batch` is shorter than a header: callers have validated it.
pub fn patch_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    batch[LEADER_EPOCH_AT..MAGIC_AT].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Makes the broker's clock the one that counts (`message.timestamp.type=LogAppendTime`) and seals the batch anew.
///
/// # Panics
/// If `batch` is shorter than a header: callers have validated it.
pub fn stamp_append_time(batch: &mut [u8], now: TimestampMs) {
    let attributes = i16::from_be_bytes(field(batch, ATTRIBUTES_AT)) | LOG_APPEND_TIME_BIT;
    batch[ATTRIBUTES_AT..LAST_OFFSET_DELTA_AT].copy_from_slice(&attributes.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..PRODUCER_ID_AT].copy_from_slice(&now.to_be_bytes());
    seal(batch);
}

/// The same records in another codec; everything that numbers or dates them stays. `bytes_max` bounds what they may
/// grow to in between.
pub fn recompress(
    batch: &Bytes,
    codec: Compression,
    level: Option<i32>,
    bytes_max: usize,
) -> Result<Bytes, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let size = header.size_bytes();
    if batch.len() < size {
        return Err(BatchError::Truncated {
            have: batch.len(),
            need: size,
        });
    }
    let records = header
        .compression()?
        .decompress(&batch.slice(HEADER_BYTES..size), bytes_max)?;
    let body = codec
        .compress_at(&records, level)
        .map_err(|_| BatchError::Compressed(codec))?;
    let size = HEADER_BYTES + body.len();
    let length = i32::try_from(size - PREFIX_BYTES).map_err(|_| BatchError::TooLarge { bytes_max })?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&batch[..HEADER_BYTES]);
    out.extend_from_slice(&body);
    out[LENGTH_AT..LEADER_EPOCH_AT].copy_from_slice(&length.to_be_bytes());
    let attributes = (header.attributes & !CODEC_MASK) | codec.code();
    out[ATTRIBUTES_AT..LAST_OFFSET_DELTA_AT].copy_from_slice(&attributes.to_be_bytes());
    seal(&mut out);
    Ok(Bytes::from(out))
}

/// Computes the checksum over what stands in the batch and writes it.
pub(crate) fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}

/// Walks the batches that stand one after another in `bytes`. Only headers are read; a batch that is cut short by the
/// end of `bytes` is the error [`BatchError::Truncated`], after which the walk ends.
pub fn batches(bytes: &Bytes) -> Batches {
    Batches { rest: bytes.clone() }
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
}

impl Iterator for Batches {
    type Item = Result<(BatchHeader, Bytes), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let next = BatchHeader::parse(&self.rest).and_then(|header| {
            let size = header.size_bytes();
            if size > self.rest.len() {
                return Err(BatchError::Truncated {
                    have: self.rest.len(),
                    need: size,
                });
            }
            Ok((header, self.rest.split_to(size)))
        });
        if next.is_err() {
            self.rest = Bytes::new();
        }
        Some(next)
    }
}
