//! Plain names for plain numbers, so that signatures read like the field's own language.

/// A record's place in its partition; the first record ever written has 0.
pub type Offset = i64;

/// A partition's number within its topic, from 0.
pub type PartitionIndex = i32;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type TimestampMs = i64;
