//! Schemas as pure data and rules: Avro, JSON Schema and Protobuf parsed and compared, subjects and versions as a state
//! machine over the records of the `_schemas` topic.
//!
//! Invariants: nothing here does I/O, so nothing here can fail but for its input; the same records in the same order
//! give the same state.
//!
//! What this crate does not know: HTTP, who is asking, where the records are stored.

pub mod avro;
pub mod dek;
pub mod difference;
pub mod error;
pub mod explain;
pub mod exporter;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guid;
pub mod json;
pub mod language;
pub mod logical;
pub mod protobuf;
pub mod subjects;
pub mod validation;

pub use error::RegistryError;
pub use language::{Parsed, SchemaType};
