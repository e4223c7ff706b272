//! Any bytes as record batches: walk, validate, decompress, read every record.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::{RecordLimits, batches, records, validate};

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    for (_, batch) in batches(&bytes).flatten() {
        let _outcome = validate(&batch);
        if let Ok(records) = records(&batch, RecordLimits { bytes_max: 1 << 20 }) {
            records.for_each(drop);
        }
    }
});
