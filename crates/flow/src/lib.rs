//! Runs SQL statements over topics: tables, formats, jobs, and the statements' life.
//!
//! Tables come from DDL or from a topic and its registry subjects; a job reads all partitions of its sources, decodes
//! the columns its plan needs, filters and computes them row by row, encodes what goes out, and commits outputs and
//! source offsets together through [`client::Topics`].
//!
//! What this crate does not know: the broker, connectors, HTTP. It sits above `sql`, `client` and `schema` and below
//! the server, which gives it its doors.
//!
//! Invariants:
//! - The records a step puts out and the offsets behind them are in one [`client::Step`]: exactly once, always.
//! - A record that cannot be decoded fails the job, is counted, or is kept in a dead-letter topic; never less.
//! - What the store holds says what runs: after a restart of the process the same jobs go on where they stood.

mod check;
mod ddl;
mod engine;
mod error;
mod format;
mod job;
mod layout;
mod manager;
mod names;
mod options;
mod records;
mod results;
mod sink;
mod source;
mod statement;
mod store;
mod tables;

pub use engine::{Checked, Engine};
pub use error::FlowError;
pub use statement::{
    Counters, NAME_LENGTH_MAX, Phase, ResultColumn, ResultPage, Statement, Submission, TEXT_LENGTH_MAX,
};
pub use store::{MemoryStore, StatementStore};
