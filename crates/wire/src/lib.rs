//! Every Kafka shape that crosses the network: frames, messages, record batches, error codes.
//!
//! What this crate does not know: sockets, that a broker exists. It is pure: bytes in, values out; of files it knows that
//! a field may lie in one when it is sent.
//!
//! Invariants: nothing a peer says about a length is believed before it is compared with the bytes that remain; no
//! input panics; record bytes stay slices of the frame they came in. Layer 1: only `base` is below.

pub mod batch;
pub mod builder;
pub mod codec;
pub mod compression;
pub mod error_code;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod marker;
pub mod messages;
pub mod piece;
pub mod records;
pub mod rewrite;
mod varint;

pub use batch::{BatchError, BatchHeader, TimestampType, batches, patch_base_offset, patch_leader_epoch, validate};
pub use builder::{BatchBuilder, NewRecord};
pub use codec::{DecodeError, EncodeError, Message, Reader, Request, Source, Writer};
pub use compression::Compression;
pub use error_code::ErrorCode;
pub use marker::EndMarker;
pub use piece::Piece;
pub use records::{Record, RecordLimits, Records, records};
