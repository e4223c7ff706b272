//! Any bytes as a schema and a payload, see `schema::fuzzing::schema`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| schema::fuzzing::schema(data));
