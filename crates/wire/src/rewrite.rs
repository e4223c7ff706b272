//! Makes of a batch what compaction leaves of it: fewer records, or none, in the same place of the log.

use base::TimestampMs;
use bytes::Bytes;

use crate::batch::{self, BatchError, BatchHeader, TimestampType};
use crate::builder;
use crate::records::Record;

/// The batch with these records only, each at its own offset. Base offset, last offset, codec and the producer's
/// numbers stay. `delete_horizon_ms` says, from now on, when tombstones and markers in it may go; a horizon that it has
/// already stays.
pub fn rewrite(
    header: &BatchHeader,
    records: &[Record],
    delete_horizon_ms: Option<TimestampMs>,
) -> Result<Bytes, BatchError> {
    if records.is_empty() {
        return Err(BatchError::Empty);
    }
    let mut header = *header;
    if let (Some(horizon), None) = (delete_horizon_ms, header.delete_horizon_ms()) {
        header.attributes |= batch::DELETE_HORIZON_BIT;
        header.base_timestamp = horizon;
    }
    if header.timestamp_type() == TimestampType::CreateTime {
        let latest = records.iter().map(|record| record.timestamp).max();
        header.max_timestamp = latest.unwrap_or(header.max_timestamp);
    }
    header.count = records.len() as i32;
    let mut body = Vec::new();
    for record in records {
        builder::write_record(
            &mut body,
            record.timestamp.wrapping_sub(header.base_timestamp),
            record.offset.wrapping_sub(header.base_offset) as i32,
            record.key.as_deref(),
            record.value.as_deref(),
            &record.headers,
        );
    }
    let body = builder::pack(header.compression()?, &body)?;
    builder::assemble(&header, &body)
}

/// The batch without records: what is left says which offsets and which of the producer's numbers were used.
pub fn emptied(header: &BatchHeader) -> Bytes {
    let mut header = *header;
    header.attributes &= !(batch::CODEC_MASK | batch::DELETE_HORIZON_BIT);
    header.base_timestamp = -1;
    header.count = 0;
    builder::assemble(&header, &[]).expect("a header alone is never too long")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::check_crc;
    use crate::{BatchBuilder, Compression, NewRecord, RecordLimits, records};

    fn original(codec: Compression) -> Bytes {
        let mut builder = BatchBuilder::new(codec).producer(7, 2, 40).transactional();
        for number in 0..4_u8 {
            builder.push(NewRecord {
                timestamp: 1000 + i64::from(number),
                key: Some(&[number]),
                value: (number != 2).then_some(&[number; 50]),
                headers: &[(Bytes::from("h"), None)],
            });
        }
        let mut batch = builder.build().unwrap().to_vec();
        batch::patch_base_offset(&mut batch, 90);
        batch::patch_leader_epoch(&mut batch, 5);
        Bytes::from(batch)
    }

    fn all(batch: &Bytes) -> Vec<Record> {
        records(batch, RecordLimits::default())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    #[test]
    fn what_is_left_stays_in_its_place() {
        for codec in Compression::ALL {
            let batch = original(codec);
            let before = check_crc(&batch).unwrap();
            let kept: Vec<Record> = all(&batch)
                .into_iter()
                .filter(|record| record.offset % 2 == 0)
                .collect();
            for (horizon, expected) in [(None, None), (Some(5000), Some(5000))] {
                let after = rewrite(&before, &kept, horizon).unwrap();
                let header = check_crc(&after).unwrap();
                assert_eq!(header.delete_horizon_ms(), expected);
                assert_eq!(
                    (header.base_offset, header.last_offset(), header.leader_epoch),
                    (90, 93, 5)
                );
                assert_eq!(
                    (header.count, header.max_timestamp, header.last_sequence()),
                    (2, 1002, 43)
                );
                assert!(header.is_transactional() && !header.is_control());
                assert_eq!(header.compression(), Ok(codec));
                assert_eq!(all(&after), kept);
                let again = rewrite(&header, &kept[1..], Some(9000)).unwrap();
                let again_header = check_crc(&again).unwrap();
                assert_eq!(
                    again_header.delete_horizon_ms(),
                    expected.or(Some(9000)),
                    "a horizon stays"
                );
                assert_eq!(all(&again), kept[1..]);
            }
            let empty = emptied(&before);
            let header = check_crc(&empty).unwrap();
            assert_eq!((header.base_offset, header.last_offset(), header.count), (90, 93, 0));
            assert_eq!(
                (header.last_sequence(), header.max_timestamp, header.base_timestamp),
                (43, 1003, -1)
            );
            assert_eq!(all(&empty), []);
            assert_eq!(rewrite(&before, &[], None), Err(BatchError::Empty));
        }
    }
}
