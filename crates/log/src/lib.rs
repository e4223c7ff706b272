//! The log: WAL and partitions on disk; append, flush, index, read, retain, recover.
//!
//! What this crate does not know: topics' names, clients, groups, the network.

pub mod api;
pub mod log;

pub use api::*;
pub use log::{Log, Receipt, WatchGuard};
