//! Any bytes through the log's door for them, see `log::fuzzing::wal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| log::fuzzing::wal(data));
