//! Writes record batches: what our own writers and test clients send.

use std::borrow::Cow;

use base::TimestampMs;
use bytes::Bytes;

use crate::batch::{self, BatchError, BatchHeader, HEADER_BYTES, MAGIC, PREFIX_BYTES};
use crate::compression::Compression;
use crate::varint;

pub use crate::marker::end_transaction_marker;

/// One record to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    pub timestamp: TimestampMs,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(Bytes, Option<Bytes>)],
}

/// Gathers records into one batch. Offsets begin at 0: the log patches the base.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    attributes: i16,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: TimestampMs,
    max_timestamp: TimestampMs,
    count: i32,
    body: Vec<u8>,
}

impl BatchBuilder {
    pub fn new(compression: Compression) -> BatchBuilder {
        BatchBuilder {
            compression,
            attributes: compression.code(),
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            count: 0,
            body: Vec::new(),
        }
    }

    /// Numbers the batch as an idempotent producer does.
    #[must_use]
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of its producer's open transaction.
    #[must_use]
    pub fn transactional(mut self) -> BatchBuilder {
        self.attributes |= batch::TRANSACTIONAL_BIT;
        self
    }

    /// Makes the batch one that holds a marker instead of data.
    #[must_use]
    pub fn control(mut self) -> BatchBuilder {
        self.attributes |= batch::CONTROL_BIT;
        self
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    /// What the batch has grown to, before compression.
    pub fn size_bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    pub fn push(&mut self, record: NewRecord<'_>) {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
            self.max_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        write_record(
            &mut self.body,
            record.timestamp.wrapping_sub(self.base_timestamp),
            self.count,
            record.key,
            record.value,
            record.headers,
        );
        self.count += 1;
    }

    /// The sealed batch.
    pub fn build(self) -> Result<Bytes, BatchError> {
        if self.count == 0 {
            return Err(BatchError::Empty);
        }
        let body = pack(self.compression, &self.body)?;
        let header = BatchHeader {
            base_offset: 0,
            length: 0,
            leader_epoch: -1,
            magic: MAGIC,
            crc: 0,
            attributes: self.attributes,
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            count: self.count,
        };
        assemble(&header, &body)
    }
}

/// Appends one record to a batch's body.
pub(crate) fn write_record(
    body: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(Bytes, Option<Bytes>)],
) {
    // The length stands first but is known last: write the record apart, then its length, then the record.
    let mut fields = Vec::with_capacity(record_size_hint(key, value, headers));
    fields.push(0);
    varint::write_i64(&mut fields, timestamp_delta);
    varint::write_i32(&mut fields, offset_delta);
    write_bytes(&mut fields, key);
    write_bytes(&mut fields, value);
    varint::write_i32(&mut fields, headers.len() as i32);
    for (name, value) in headers {
        write_bytes(&mut fields, Some(name));
        write_bytes(&mut fields, value.as_deref());
    }
    varint::write_i32(body, fields.len() as i32);
    body.extend_from_slice(&fields);
}

/// A batch's body as its codec has it.
pub(crate) fn pack(compression: Compression, body: &[u8]) -> Result<Cow<'_, [u8]>, BatchError> {
    match compression {
        Compression::None => Ok(Cow::Borrowed(body)),
        codec => codec
            .compress(body)
            .map(Cow::Owned)
            .map_err(|_| BatchError::Compressed(codec)),
    }
}

/// The sealed batch of a header and a packed body; length and checksum are computed.
pub(crate) fn assemble(header: &BatchHeader, body: &[u8]) -> Result<Bytes, BatchError> {
    let size = HEADER_BYTES + body.len();
    let bytes_max = i32::MAX as usize;
    let length = i32::try_from(size - PREFIX_BYTES).map_err(|_| BatchError::TooLarge { bytes_max })?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&header.base_offset.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&header.leader_epoch.to_be_bytes());
    out.push(MAGIC as u8);
    out.extend_from_slice(&0_u32.to_be_bytes());
    out.extend_from_slice(&header.attributes.to_be_bytes());
    out.extend_from_slice(&header.last_offset_delta.to_be_bytes());
    out.extend_from_slice(&header.base_timestamp.to_be_bytes());
    out.extend_from_slice(&header.max_timestamp.to_be_bytes());
    out.extend_from_slice(&header.producer_id.to_be_bytes());
    out.extend_from_slice(&header.producer_epoch.to_be_bytes());
    out.extend_from_slice(&header.base_sequence.to_be_bytes());
    out.extend_from_slice(&header.count.to_be_bytes());
    out.extend_from_slice(body);
    batch::seal(&mut out);
    Ok(Bytes::from(out))
}

fn record_size_hint(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(Bytes, Option<Bytes>)]) -> usize {
    32 + key.map_or(0, <[u8]>::len)
        + value.map_or(0, <[u8]>::len)
        + headers
            .iter()
            .map(|(name, value)| 10 + name.len() + value.as_ref().map_or(0, Bytes::len))
            .sum::<usize>()
}

fn write_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::write_i32(out, -1),
        Some(bytes) => {
            varint::write_i32(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchHeader, RecordLimits, TimestampType, batches, records, validate};

    fn header(name: &'static str, value: Option<&'static str>) -> (Bytes, Option<Bytes>) {
        (Bytes::from(name), value.map(Bytes::from))
    }

    fn sample(compression: Compression) -> Bytes {
        let mut builder = BatchBuilder::new(compression).producer(7, 1, i32::MAX);
        let headers = [header("a", Some("1")), header("a", Some("2")), header("b", None)];
        builder.push(NewRecord {
            timestamp: 1000,
            key: Some(b"k"),
            value: Some(b"v"),
            headers: &headers,
        });
        builder.push(NewRecord {
            timestamp: 990,
            key: None,
            value: Some(&[7; 300]),
            headers: &[],
        });
        builder.push(NewRecord {
            timestamp: 2000,
            key: Some(b""),
            value: None,
            headers: &[],
        });
        builder.build().unwrap()
    }

    #[test]
    fn every_codec_reads_back_with_repeated_headers() {
        for codec in Compression::ALL {
            let mut bytes = sample(codec).to_vec();
            batch::patch_base_offset(&mut bytes, 40);
            batch::patch_leader_epoch(&mut bytes, 3);
            let found = validate(&bytes).unwrap();
            assert_eq!(
                (found.base_offset, found.last_offset(), found.leader_epoch),
                (40, 42, 3)
            );
            assert_eq!(
                (found.base_timestamp, found.max_timestamp, found.count),
                (1000, 2000, 3)
            );
            assert_eq!(
                (found.producer_id, found.producer_epoch, found.last_sequence()),
                (7, 1, 1)
            );
            assert_eq!(found.compression().unwrap(), codec);
            let read: Vec<_> = records(&Bytes::from(bytes), RecordLimits::default())
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(
                read.iter().map(|record| record.offset).collect::<Vec<_>>(),
                [40, 41, 42]
            );
            assert_eq!(
                read.iter().map(|record| record.timestamp).collect::<Vec<_>>(),
                [1000, 990, 2000]
            );
            assert_eq!(
                read[0].headers,
                [header("a", Some("1")), header("a", Some("2")), header("b", None)]
            );
            assert_eq!(
                (read[1].key.as_deref(), read[1].value.as_deref()),
                (None, Some(&[7; 300][..]))
            );
            assert_eq!(
                (read[2].key.as_deref(), read[2].value.as_deref()),
                (Some(&b""[..]), None)
            );
        }
    }

    #[test]
    fn append_time_is_stamped_and_sealed() {
        let mut bytes = sample(Compression::Zstd).to_vec();
        batch::stamp_append_time(&mut bytes, 5555);
        let found = validate(&bytes).unwrap();
        assert_eq!(
            (found.timestamp_type(), found.max_timestamp),
            (TimestampType::LogAppendTime, 5555)
        );
        let read: Result<Vec<_>, _> = records(&Bytes::from(bytes), RecordLimits::default()).unwrap().collect();
        assert!(read.unwrap().iter().all(|record| record.timestamp == 5555));
    }

    #[test]
    fn damage_is_named() {
        let good = sample(Compression::None);
        let check = |change: &dyn Fn(&mut Vec<u8>), expected: &dyn Fn(&BatchError) -> bool| {
            let mut bytes = good.to_vec();
            change(&mut bytes);
            let error = validate(&bytes).unwrap_err();
            assert!(expected(&error), "{error:?}");
        };
        check(&|bytes| bytes[16] = 1, &|error| *error == BatchError::Magic(1));
        check(&|bytes| bytes.truncate(60), &|error| {
            matches!(error, BatchError::Truncated { have: 60, .. })
        });
        check(&|bytes| bytes.truncate(90), &|error| {
            matches!(error, BatchError::Truncated { have: 90, .. })
        });
        check(&|bytes| bytes[8] = 0xff, &|error| {
            matches!(error, BatchError::Length(_))
        });
        check(&|bytes| bytes[100] ^= 1, &|error| {
            matches!(error, BatchError::Crc { .. })
        });
        check(
            &|bytes| {
                bytes[60] = 9;
                batch::seal(bytes);
            },
            &|error| {
                *error
                    == BatchError::Count {
                        count: 9,
                        last_offset_delta: 2,
                    }
            },
        );
        check(
            &|bytes| {
                bytes[22] = 5;
                batch::seal(bytes);
            },
            &|error| *error == BatchError::Codec(5),
        );
    }

    #[test]
    fn batches_are_walked_one_after_another() {
        let one = sample(Compression::None);
        let two = sample(Compression::Gzip);
        let joined = Bytes::from([&one[..], &two[..], &one[..70]].concat());
        let walked: Vec<_> = batches(&joined).collect();
        assert_eq!(walked.len(), 3);
        assert_eq!(walked[0].as_ref().unwrap().1, one);
        assert_eq!(walked[1].as_ref().unwrap().1, two);
        assert!(matches!(walked[2], Err(BatchError::Truncated { have: 70, .. })));
        assert_eq!(BatchHeader::parse(&one).unwrap().size_bytes(), one.len());
    }
}
