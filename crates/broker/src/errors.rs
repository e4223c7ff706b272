//! From our errors to Kafka's codes, in one place.

use base::ErrorKind;
use catalog::CatalogError;
use wire::{BatchError, ErrorCode};

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
        BatchError::Magic(0 | 1) => ErrorCode::InvalidRecord,
        BatchError::Magic(_)
        | BatchError::Truncated { .. }
        | BatchError::Length(_)
        | BatchError::Crc { .. }
        | BatchError::Compressed(_)
        | BatchError::Record { .. } => ErrorCode::CorruptMessage,
        BatchError::Codec(_) => ErrorCode::UnsupportedCompressionType,
        BatchError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        BatchError::Count { .. } | BatchError::Empty => ErrorCode::InvalidRecord,
    }
}
