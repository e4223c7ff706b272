//! Runs SQL statements over topics: tables, formats, jobs, and the statements' life.

mod engine;
mod error;
mod statement;
mod store;

pub use engine::{Checked, Engine};
pub use error::FlowError;
pub use statement::{
    Counters, NAME_LENGTH_MAX, Phase, ResultColumn, ResultPage, Statement, Submission, TEXT_LENGTH_MAX,
};
pub use store::{MemoryStore, StatementStore};
