//! What a project says: topics, schemas, SQL files.

use std::collections::BTreeMap;
use std::fmt;

use client::SchemaType;

/// A project as its file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Begins the names of its SQL statements.
    pub name: String,
    pub topics: Vec<Topic>,
    pub schemas: Vec<Schema>,
    pub sql: Vec<Sql>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub partitions: i32,
    pub settings: BTreeMap<String, String>,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    pub subject: String,
    pub schema_type: SchemaType,
    /// Relative to the project's folder.
    pub file: String,
    pub text: String,
    pub compatibility: Option<String>,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    pub file: String,
    pub text: String,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in, relative to the project's folder.
    pub file: String,
    /// From 1; 0 when the file as a whole is meant.
    pub line: usize,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message)?,
            line => write!(f, "{}:{line}: {}", self.file, self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
