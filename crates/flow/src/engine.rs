//! The statement manager: submit, look at, stop, resume, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Clock, ErrorKind, Random};
use client::{Schemas, Topics};

use crate::error::FlowError;
use crate::statement::{ResultPage, Statement, Submission};
use crate::store::StatementStore;

/// Holds tables and statements and runs the jobs. Cloning gives another handle to the same engine.
#[derive(Clone)]
pub struct Engine {
    _topics: Arc<dyn Topics>,
}

/// What a script's statement would do, found without doing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// `INSERT_INTO`, `CREATE_TABLE`, ...
    pub kind: &'static str,
    /// 1-based line where the statement begins.
    pub line: u32,
    /// The plan, as `EXPLAIN` prints it; empty for DDL.
    pub plan: String,
    pub warnings: Vec<String>,
}

impl Engine {
    pub fn new(
        topics: Arc<dyn Topics>,
        _schemas: Arc<dyn Schemas>,
        _clock: Arc<dyn Clock>,
        _random: Arc<dyn Random>,
        _store: Arc<dyn StatementStore>,
    ) -> Engine {
        Engine { _topics: topics }
    }

    /// Loads what the store keeps and starts the jobs that were running; gives how many.
    pub async fn recover(&self) -> Result<usize, FlowError> {
        Err(soon())
    }

    /// Checks one statement and does it: DDL at once, a query or `INSERT` as a job. [`ErrorKind::Conflict`] if the
    /// name is taken. Returns when DDL is done or the job is RUNNING.
    pub async fn submit(&self, _submission: Submission) -> Result<Statement, FlowError> {
        Err(soon())
    }

    /// Checks a whole script, then does its statements in order: DDL is made where it is not there yet, each `INSERT`
    /// or statement set becomes a statement named `<prefix>-<sink>`. A statement of that name with the same text goes
    /// on as it is; with another text it is replaced and reads on where the old one stood. So a script can be applied
    /// again. Queries run to the end of what is there now and give their result.
    pub async fn apply_script(
        &self,
        _prefix: &str,
        _text: &str,
        _properties: &BTreeMap<String, String>,
    ) -> Result<Vec<Statement>, FlowError> {
        Err(soon())
    }

    /// Plans a whole script without doing anything; [`FlowError::Sql`] names every mistake.
    pub async fn check_script(
        &self,
        _text: &str,
        _properties: &BTreeMap<String, String>,
    ) -> Result<Vec<Checked>, FlowError> {
        Err(soon())
    }

    pub async fn get(&self, _name: &str) -> Result<Statement, FlowError> {
        Err(soon())
    }

    /// All statements, by name.
    pub async fn list(&self) -> Vec<Statement> {
        Vec::new()
    }

    /// Stops the job after the step it is in; offsets are kept.
    pub async fn stop(&self, _name: &str) -> Result<Statement, FlowError> {
        Err(soon())
    }

    /// Starts a STOPPED or FAILED job where it stood.
    pub async fn resume(&self, _name: &str) -> Result<Statement, FlowError> {
        Err(soon())
    }

    /// Stops the job and forgets statement, offsets and state.
    pub async fn delete(&self, _name: &str) -> Result<(), FlowError> {
        Err(soon())
    }

    /// A page of results; `token` is the last page's `next`. An empty page with a `next` means: nothing yet.
    pub async fn results(&self, _name: &str, _token: Option<&str>) -> Result<ResultPage, FlowError> {
        Err(soon())
    }

    /// Waits until the statement is COMPLETED, STOPPED or FAILED.
    pub async fn wait(&self, _name: &str) -> Result<Statement, FlowError> {
        Err(soon())
    }

    /// Ends all jobs after the step each is in; they run again after [`Engine::recover`].
    pub async fn shutdown(&self) {}
}

fn soon() -> FlowError {
    FlowError::new(ErrorKind::Unavailable, "the engine is not there yet")
}
