//! A command's end without success: the cause, a hint, an exit status.

use std::process::ExitCode;

use base::ErrorKind;
use client::TopicsError;

/// Why a command failed. Exit status: 1 failed, 2 usage, 3 not found, 5 unavailable.
#[derive(Debug)]
pub(crate) struct CliError {
    pub kind: ErrorKind,
    pub message: String,
    pub hint: Option<String>,
}

impl CliError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> CliError {
        CliError {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn internal(message: impl Into<String>) -> CliError {
        CliError::new(ErrorKind::Internal, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> CliError {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the error and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        // Rendered SQL mistakes begin with the word themselves.
        let message = self.message.trim_end();
        eprintln!("error: {}", message.strip_prefix("error: ").unwrap_or(message));
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        // Exit status 2 is for what the command line itself got wrong; clap says that.
        let status = if self.kind == ErrorKind::Invalid {
            1
        } else {
            self.kind.exit_code()
        };
        ExitCode::from(status)
    }
}

impl From<TopicsError> for CliError {
    fn from(error: TopicsError) -> CliError {
        let unreachable = error.kind == ErrorKind::Unavailable && error.message.contains(" answers at ");
        let error = CliError::new(error.kind, error.message);
        if unreachable {
            error.hint("start a platform with `rivulet up`, or name one with `--bootstrap`")
        } else {
            error
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> CliError {
        CliError::internal(error.to_string())
    }
}
