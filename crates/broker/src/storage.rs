//! Commits to the log that may wait their turn.

use log::{CommitCause, CommitError, Log, LogError, Op, Outcome};

/// Why a commit did not take place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitFailed {
    #[error(transparent)]
    Refused(#[from] CommitError),
    #[error(transparent)]
    Lost(#[from] LogError),
    #[error("what is to be stored cannot be written: {0}")]
    Unwritable(String),
}

impl CommitFailed {
    pub(crate) fn is_busy(&self) -> bool {
        matches!(
            self,
            CommitFailed::Refused(CommitError {
                cause: CommitCause::Busy,
                ..
            })
        )
    }
}

/// Commits and waits until durable; while too much is queued, waits for that first.
pub(crate) async fn commit(log: &Log, ops: Vec<Op>) -> Result<Vec<Outcome>, CommitFailed> {
    if ops.is_empty() {
        return Ok(Vec::new());
    }
    loop {
        match log.commit(ops.clone()) {
            Ok(receipt) => return Ok(receipt.await?),
            Err(CommitError {
                cause: CommitCause::Busy,
                ..
            }) => log.wait_for_room().await,
            Err(error) => return Err(CommitFailed::Refused(error)),
        }
    }
}
