//! The markers that end transactions: control batches of one record, as Kafka's coordinators write them.

use base::TimestampMs;
use bytes::Bytes;

use crate::batch::{BatchHeader, HEADER_BYTES};
use crate::builder::{BatchBuilder, NewRecord};
use crate::compression::Compression;
use crate::varint;

/// Version of a marker's key and value.
const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// What the record of an end-of-transaction marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndMarker {
    pub commit: bool,
    pub coordinator_epoch: i32,
}

impl EndMarker {
    /// Reads the marker of the control batch at the start of `batch`; `None` if it has none: other kinds of control
    /// batches, markers that compaction has emptied, and what is no control batch. The checksum is not looked at.
    pub fn read(batch: &[u8]) -> Option<EndMarker> {
        let header = BatchHeader::parse(batch).ok()?;
        if !header.is_control() || header.count != 1 || header.compression() != Ok(Compression::None) {
            return None;
        }
        let body = batch.get(HEADER_BYTES..header.size_bytes())?;
        let mut at = 0;
        // Length, then attributes, timestamp and offset deltas: nothing of them counts here.
        varint::read_i32(body, &mut at)?;
        at += 1;
        varint::read_i64(body, &mut at)?;
        varint::read_i32(body, &mut at)?;
        let key = field(body, &mut at)?;
        let value = field(body, &mut at)?;
        let kind = i16::from_be_bytes(key.get(2..4)?.try_into().ok()?);
        let coordinator_epoch = i32::from_be_bytes(value.get(2..6)?.try_into().ok()?);
        let commit = match kind {
            ABORT => false,
            COMMIT => true,
            _ => return None,
        };
        Some(EndMarker {
            commit,
            coordinator_epoch,
        })
    }
}

fn field<'a>(body: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = usize::try_from(varint::read_i32(body, at)?).ok()?;
    let bytes = body.get(*at..at.checked_add(length)?)?;
    *at += length;
    Some(bytes)
}

/// The control batch that ends a producer's transaction on a partition.
pub fn end_transaction_marker(
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    commit: bool,
    timestamp: TimestampMs,
) -> Bytes {
    let kind = if commit { COMMIT } else { ABORT };
    let key = [VERSION.to_be_bytes(), kind.to_be_bytes()].concat();
    let value = [&VERSION.to_be_bytes()[..], &coordinator_epoch.to_be_bytes()].concat();
    let mut builder = BatchBuilder::new(Compression::None)
        .producer(producer_id, producer_epoch, -1)
        .transactional()
        .control();
    builder.push(NewRecord {
        timestamp,
        key: Some(&key),
        value: Some(&value),
        headers: &[],
    });
    builder.build().expect("a batch of one small, uncompressed record")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RecordLimits, records, validate};

    #[test]
    fn markers_have_the_bytes_that_clients_expect() {
        for (commit, kind) in [(false, 0), (true, 1)] {
            let batch = end_transaction_marker(77, 3, 9, commit, 1234);
            let header = validate(&batch).unwrap();
            assert!(header.is_control() && header.is_transactional());
            assert_eq!(
                (header.producer_id, header.producer_epoch, header.base_sequence),
                (77, 3, -1)
            );
            assert_eq!((header.count, header.max_timestamp), (1, 1234));
            let read: Vec<_> = records(&batch, RecordLimits::default()).unwrap().flatten().collect();
            assert_eq!(read[0].key.as_deref(), Some(&[0, 0, 0, kind][..]));
            assert_eq!(read[0].value.as_deref(), Some(&[0, 0, 0, 0, 0, 9][..]));
            let found = EndMarker {
                commit,
                coordinator_epoch: 9,
            };
            assert_eq!(EndMarker::read(&batch), Some(found));
            for cut in 0..batch.len() {
                assert_eq!(EndMarker::read(&batch[..cut]), None);
            }
        }
    }

    #[test]
    fn other_batches_hold_no_marker() {
        let mut data = BatchBuilder::new(Compression::None).transactional();
        data.push(NewRecord {
            timestamp: 1,
            key: Some(&[0, 0, 0, 1]),
            value: Some(&[0; 6]),
            headers: &[],
        });
        assert_eq!(EndMarker::read(&data.clone().build().unwrap()), None);
        let mut other = BatchBuilder::new(Compression::None).control();
        other.push(NewRecord {
            timestamp: 1,
            key: Some(&[0, 0, 0, 2]),
            value: Some(&[0; 6]),
            headers: &[],
        });
        assert_eq!(EndMarker::read(&other.build().unwrap()), None, "a leader change");
        assert!(EndMarker::read(&data.control().build().unwrap()).is_some());
    }
}
