//! Every named thing (cluster, topic, statement, schema), kept in the log's tables and replayed from them.
//!
//! Readers see an immutable snapshot; changes go one after another through the log and are seen only once durable.
//! The registry service lives here too: it keeps the pure state machine of `schema` in step with the `_schemas` topic.
//!
//! What this crate does not know: Kafka's wire shapes, HTTP, who is asking.

pub mod deks;
pub mod error;
pub mod exporters;
mod kept;
pub mod records;
pub mod registry;
pub mod settings;
pub mod topics;

pub use deks::DekRegistry;
pub use error::CatalogError;
pub use exporters::ExporterRegistry;
pub use registry::Registry;
pub use topics::{Catalog, NewTopic, Topic};
