//! Record batches from strangers: random and damaged bytes are errors, never panics.

use base::{Random, SeededRandom};
use bytes::Bytes;
use rivulet_wire as wire;
use wire::{BatchBuilder, Compression, NewRecord, RecordLimits, batches, records, validate};

const LIMITS: RecordLimits = RecordLimits { bytes_max: 1 << 20 };

fn read_everything(bytes: &Bytes) -> usize {
    let _outcome = validate(bytes);
    let mut read = 0;
    for (_, batch) in batches(bytes).flatten() {
        if let Ok(records) = records(&batch, LIMITS) {
            read += records.filter(Result::is_ok).count();
        }
    }
    read
}

fn random_batch(random: &SeededRandom) -> (Bytes, usize) {
    let codec = Compression::ALL[random.below(5) as usize];
    let mut builder = BatchBuilder::new(codec);
    let count = 1 + random.below(20) as usize;
    for _ in 0..count {
        let value = vec![random.next_u64() as u8; random.below(300) as usize];
        let headers = vec![(Bytes::from_static(b"h"), Some(Bytes::from(value.clone()))); random.below(3) as usize];
        let key = (random.below(2) == 0).then_some(&value[..value.len() / 2]);
        builder.push(NewRecord {
            timestamp: random.below(1 << 41) as i64,
            key,
            value: (random.below(5) > 0).then_some(&value[..]),
            headers: &headers,
        });
    }
    (builder.build().expect("a batch of a few kilobytes builds"), count)
}

#[test]
fn damaged_batches_are_errors_and_never_panics() {
    let random = SeededRandom::new(7);
    for _ in 0..2000 {
        let (good, count) = random_batch(&random);
        assert_eq!(read_everything(&good), count);
        let mut bytes = good.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = [0, 0x7f, 0x80, 0xff, random.next_u64() as u8][random.below(5) as usize];
        }
        read_everything(&Bytes::from(bytes));
        read_everything(&good.slice(..random.below(good.len() as u64) as usize));
    }
}

#[test]
fn random_bytes_are_errors_and_never_panics() {
    let random = SeededRandom::new(8);
    for _ in 0..5000 {
        let mut bytes: Vec<u8> = (0..random.below(300)).map(|_| random.next_u64() as u8).collect();
        // Get past the first checks, or noise never reaches the records.
        if bytes.len() > 61 {
            bytes[16] = 2;
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[22] &= 0x3f;
        }
        read_everything(&Bytes::from(bytes));
    }
}

#[test]
fn a_bomb_stops_at_the_cap() {
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut builder = BatchBuilder::new(codec);
        builder.push(NewRecord {
            value: Some(&vec![0; 8 << 20]),
            ..NewRecord::default()
        });
        let bomb = builder.build().unwrap();
        assert!(bomb.len() < 1 << 20, "{codec:?} packs zeros");
        assert_eq!(
            records(&bomb, LIMITS).unwrap_err(),
            wire::BatchError::TooLarge { bytes_max: 1 << 20 }
        );
    }
}

#[test]
fn recompressing_keeps_every_record() {
    let random = SeededRandom::new(11);
    let read = |batch: &Bytes| -> Vec<_> { records(batch, LIMITS).unwrap().map(Result::unwrap).collect() };
    for _ in 0..200 {
        let (batch, _) = random_batch(&random);
        for (codec, level) in [
            (Compression::None, None),
            (Compression::Gzip, Some(1)),
            (Compression::Snappy, None),
            (Compression::Lz4, None),
            (Compression::Zstd, Some(9)),
        ] {
            let again = wire::batch::recompress(&batch, codec, level, LIMITS.bytes_max).unwrap();
            assert_eq!(validate(&again).unwrap().compression(), Ok(codec));
            assert_eq!(read(&again), read(&batch));
        }
    }
    let (batch, _) = random_batch(&random);
    assert!(wire::batch::recompress(&batch.slice(..batch.len() - 1), Compression::Gzip, None, 1 << 20).is_err());
}
