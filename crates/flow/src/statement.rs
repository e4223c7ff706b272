//! What a statement is, and how it stands.

use std::collections::BTreeMap;
use std::fmt;

use base::TimestampMs;
use client::Position;
use sql::DataType;

/// The longest statement name.
pub const NAME_LENGTH_MAX: usize = 100;
/// The longest statement text, in characters.
pub const TEXT_LENGTH_MAX: usize = 131_072;

/// What a caller hands in.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// `None`: one is made up.
    pub name: Option<String>,
    /// One SQL statement; `EXECUTE STATEMENT SET` counts as one.
    pub text: String,
    /// `sql.*` properties, such as `sql.snapshot.mode` = `now`.
    pub properties: BTreeMap<String, String>,
}

/// Where a statement is in its life; Confluent's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Pending,
    Running,
    Completed,
    Stopped,
    Failed,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "PENDING",
            Phase::Running => "RUNNING",
            Phase::Completed => "COMPLETED",
            Phase::Stopped => "STOPPED",
            Phase::Failed => "FAILED",
        }
    }

    pub fn parse(text: &str) -> Option<Phase> {
        [
            Phase::Pending,
            Phase::Running,
            Phase::Completed,
            Phase::Stopped,
            Phase::Failed,
        ]
        .into_iter()
        .find(|phase| phase.as_str() == text)
    }

    /// Nothing more happens unless somebody asks.
    pub fn is_terminal(self) -> bool {
        matches!(self, Phase::Completed | Phase::Stopped | Phase::Failed)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a job has done since the statement was submitted or the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub records_in: u64,
    pub records_out: u64,
    /// Records that could not be decoded and whose table says to skip such.
    pub records_skipped: u64,
    /// Records that could not be decoded and went to a dead-letter topic.
    pub records_dead_lettered: u64,
}

/// A column of a statement's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    pub name: String,
    pub ty: DataType,
}

/// A statement as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub name: String,
    /// A UUID, new for every submission.
    pub uid: String,
    pub text: String,
    pub properties: BTreeMap<String, String>,
    pub created_at: TimestampMs,
    pub updated_at: TimestampMs,
    /// Goes up by one at each change.
    pub resource_version: u64,
    pub phase: Phase,
    /// Why it failed, what it made, or empty.
    pub detail: String,
    /// Confluent's `sql_kind`: `SELECT`, `INSERT_INTO`, `STATEMENT_SET`, `CREATE_TABLE`, ...
    pub kind: &'static str,
    pub is_bounded: bool,
    pub is_append_only: bool,
    /// The schema of its results; `None` if it has none (an `INSERT`).
    pub columns: Option<Vec<ResultColumn>>,
    /// Such as options this platform does not act on.
    pub warnings: Vec<String>,
    pub counters: Counters,
    /// Where the job reads on.
    pub latest_offsets: Vec<Position>,
}

/// One page of a statement's results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultPage {
    pub rows: Vec<Vec<sql::Value>>,
    /// Ask with this for the next page; `None`: that was all.
    pub next: Option<String>,
}
