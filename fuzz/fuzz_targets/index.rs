//! Any bytes through the log's door for them, see `log::fuzzing::index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| log::fuzzing::index(data));
