//! The records inside a batch: a walk that slices and never copies.

use base::{Offset, TimestampMs};
use bytes::Bytes;

use crate::batch::{BatchError, BatchHeader, HEADER_BYTES, TimestampType};
use crate::varint;

/// What reading a batch's records may cost.
#[derive(Clone, Copy, Debug)]
pub struct RecordLimits {
    /// The most bytes the records may have when decompressed.
    pub bytes_max: usize,
}

impl Default for RecordLimits {
    /// 256 MiB: more than any batch that a broker of default settings takes can hold at ordinary ratios.
    fn default() -> RecordLimits {
        RecordLimits { bytes_max: 256 << 20 }
    }
}

/// One record; its bytes are slices of the (decompressed) batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// In the order written; names may repeat.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// The records of the batch at the start of `batch`. Checks neither checksum nor count; see [`crate::validate`].
pub fn records(batch: &Bytes, limits: RecordLimits) -> Result<Records, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let size = header.size_bytes();
    if size > batch.len() {
        return Err(BatchError::Truncated {
            have: batch.len(),
            need: size,
        });
    }
    let body = header
        .compression()?
        .decompress(&batch.slice(HEADER_BYTES..size), limits.bytes_max)?;
    Ok(Records {
        header,
        body,
        at: 0,
        index: 0,
        failed: false,
    })
}

/// See [`records`]. After an error the walk ends.
#[derive(Clone, Debug)]
pub struct Records {
    header: BatchHeader,
    body: Bytes,
    at: usize,
    index: i32,
    failed: bool,
}

impl Records {
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    fn read(&mut self) -> Option<Record> {
        let length = usize::try_from(varint::read_i32(&self.body, &mut self.at)?).ok()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.body.len())?;
        // Attributes: no bit of a record's own has a meaning.
        self.at += 1;
        let timestamp_delta = varint::read_i64(&self.body, &mut self.at)?;
        let offset_delta = varint::read_i32(&self.body, &mut self.at)?;
        let key = self.read_bytes(end)?;
        let value = self.read_bytes(end)?;
        let headers = self.read_headers(end)?;
        (self.at == end).then(|| Record {
            offset: self.header.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp: match self.header.timestamp_type() {
                TimestampType::CreateTime => self.header.base_timestamp.wrapping_add(timestamp_delta),
                TimestampType::LogAppendTime => self.header.max_timestamp,
            },
            key,
            value,
            headers,
        })
    }

    /// Bytes behind a length, `-1` for null. The outer option is `None` when malformed.
    #[allow(clippy::option_option, reason = "malformed and null differ")]
    fn read_bytes(&mut self, end: usize) -> Option<Option<Bytes>> {
        let length = varint::read_i32(&self.body, &mut self.at)?;
        if length == -1 {
            return Some(None);
        }
        let until = self
            .at
            .checked_add(usize::try_from(length).ok()?)
            .filter(|until| *until <= end)?;
        let bytes = self.body.slice(self.at..until);
        self.at = until;
        Some(Some(bytes))
    }

    fn read_headers(&mut self, end: usize) -> Option<Vec<(Bytes, Option<Bytes>)>> {
        let count = usize::try_from(varint::read_i32(&self.body, &mut self.at)?).ok()?;
        // A header has at least two bytes.
        if count > end.saturating_sub(self.at) / 2 {
            return None;
        }
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = self.read_bytes(end)??;
            headers.push((name, self.read_bytes(end)?));
        }
        Some(headers)
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.index == self.header.count {
            if self.at == self.body.len() {
                return None;
            }
            self.failed = true;
            return Some(Err(BatchError::Record { index: self.index }));
        }
        let record = self.read().ok_or(BatchError::Record { index: self.index });
        self.failed = record.is_err();
        self.index = self.index.wrapping_add(1);
        Some(record)
    }
}
