//! The log: WAL and partitions on disk; append, flush, index, read, retain, compact, recover.
//!
//! One write-ahead log serves the whole process. A commit is one frame of it, the unit of atomicity: it may append to
//! any number of partitions and change tables. A commit thread turns all that arrived meanwhile into one write and one
//! sync, copies the batches to their partitions' segments, lets readers see them, then acknowledges. A keeper thread
//! syncs segments, writes checkpoints and frees the WAL behind them. Opening is the last checkpoint and a short replay.
//!
//! What this crate does not know: topics' names, clients, groups, the network, who coordinates a transaction, what a
//! record means beyond its key. Layer 2: `base` and `wire` are below; time and files come through the doors in `base`
//! only.
//!
//! **Invariants.** In class `fsync` nothing is acknowledged, and nothing is readable, that a power cut could take back.
//! After a failed write or sync nothing is acknowledged any more. A reader gets a batch as its producer wrote it, or an
//! error that names the range; what compaction rewrites keeps its place. Offsets are never given out twice. Nothing is
//! deleted because it is damaged, or compacted. Nothing of an open or aborted transaction passes for committed.
//!
//! **Where to begin.** `api` is the contract, `log` the handle; a commit goes through `intake` (checks, offsets),
//! `committer` (frame, sync, segments), a read through `partition` and `segment`; `producers` and `aborted` keep account
//! of transactions, `compact` is the cleaner; `recover` opens a directory.

mod aborted;
pub mod api;
mod checkpoint;
mod codec;
mod committer;
mod compact;
mod files;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod index;
mod intake;
mod keeper;
mod log;
#[cfg(test)]
mod model_test;
mod partition;
mod producers;
mod recover;
mod scan;
mod segment;
mod shared;
mod tables;
mod wal;
mod walk;

pub use api::*;
pub use log::{Log, Receipt, WatchGuard};
