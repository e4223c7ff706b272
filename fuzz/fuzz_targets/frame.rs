//! Any bytes through the wire's door for them, see `wire::fuzzing::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::frame(data));
