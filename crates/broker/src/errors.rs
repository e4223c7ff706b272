//! From our errors to Kafka's codes, in one place.

use base::ErrorKind;
use catalog::CatalogError;
use log::{CommitCause, ReadError};
use wire::{BatchError, ErrorCode};

use crate::storage::CommitFailed;

/// A code and the words that go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: String) -> Refusal {
        Refusal { code, message }
    }
}

pub(crate) fn of_catalog(error: &CatalogError) -> ErrorCode {
    match error {
        CatalogError::TopicExists(_) => ErrorCode::TopicAlreadyExists,
        CatalogError::TopicNotFound(_) => ErrorCode::UnknownTopicOrPartition,
        CatalogError::InvalidName { .. } | CatalogError::NameCollides { .. } => ErrorCode::InvalidTopicException,
        CatalogError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
        CatalogError::Internal(_) => ErrorCode::InvalidRequest,
        other => match other.kind() {
            ErrorKind::Denied => ErrorCode::TopicAuthorizationFailed,
            ErrorKind::Invalid => ErrorCode::InvalidRequest,
            _ => ErrorCode::KafkaStorageError,
        },
    }
}

/// Why a produced batch is refused: what damage looks like is worth another try, what the producer meant is not.
pub(crate) fn of_batch(error: BatchError) -> ErrorCode {
    match error {
        // Too few bytes for what the header says is nothing that a second try would mend.
        BatchError::Magic(0 | 1) | BatchError::Truncated { .. } => ErrorCode::InvalidRecord,
        BatchError::Magic(_)
        | BatchError::Length(_)
        | BatchError::Crc { .. }
        | BatchError::Compressed(_)
        | BatchError::Record { .. } => ErrorCode::CorruptMessage,
        BatchError::Codec(_) => ErrorCode::UnsupportedCompressionType,
        BatchError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        BatchError::Count { .. } | BatchError::Empty => ErrorCode::InvalidRecord,
    }
}

/// Why an append was refused.
pub(crate) fn of_append(cause: &CommitCause) -> ErrorCode {
    match cause {
        CommitCause::UnknownPartition(_) => ErrorCode::UnknownTopicOrPartition,
        CommitCause::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        CommitCause::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        CommitCause::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
        CommitCause::InvalidBatch(error) => of_batch(*error),
        CommitCause::TooLarge { .. } => ErrorCode::MessageTooLarge,
        CommitCause::Busy => ErrorCode::RequestTimedOut,
        CommitCause::PartitionExists(_)
        | CommitCause::OffsetTaken { .. }
        | CommitCause::OffsetOutOfRange { .. }
        | CommitCause::FencedLeaderEpoch { .. }
        | CommitCause::DiskFull { .. }
        | CommitCause::Log(_) => ErrorCode::KafkaStorageError,
    }
}

/// Why a read gave nothing.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        ReadError::Corrupt { .. } => ErrorCode::CorruptMessage,
        ReadError::Io(_) => ErrorCode::KafkaStorageError,
    }
}

/// Why a change was not stored.
pub(crate) fn of_commit(error: &CommitFailed) -> ErrorCode {
    match error {
        CommitFailed::Refused(refused) => of_append(&refused.cause),
        CommitFailed::Lost(_) | CommitFailed::Unwritable(_) => ErrorCode::KafkaStorageError,
    }
}
