//! Any bytes through the log's door for them, see `log::fuzzing::segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| log::fuzzing::segment(data));
