//! What can go wrong with a statement.

use base::ErrorKind;
use client::TopicsError;
use sql::SqlError;

/// Why a call to the engine failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum FlowError {
    /// The SQL is wrong; every mistake found, in the order of the text.
    #[error("{}", summary(.0))]
    Sql(Vec<SqlError>),
    #[error("{message}")]
    Other { kind: ErrorKind, message: String },
}

impl FlowError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> FlowError {
        FlowError::Other {
            kind,
            message: message.into(),
        }
    }

    pub fn kind(&self) -> ErrorKind {
        match self {
            FlowError::Sql(_) => ErrorKind::Invalid,
            FlowError::Other { kind, .. } => *kind,
        }
    }

    /// The message for a person, with the source lines and carets where the SQL is wrong.
    pub fn render(&self, source: &str) -> String {
        match self {
            FlowError::Sql(errors) => errors
                .iter()
                .map(|error| error.render(source))
                .collect::<Vec<_>>()
                .join("\n"),
            FlowError::Other { message, .. } => message.clone(),
        }
    }
}

impl From<TopicsError> for FlowError {
    fn from(error: TopicsError) -> FlowError {
        FlowError::Other {
            kind: error.kind,
            message: error.message,
        }
    }
}

fn summary(errors: &[SqlError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
