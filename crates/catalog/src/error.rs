//! Why the catalog refused a change.

use base::ErrorKind;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("topic `{0}` already exists")]
    TopicExists(String),
    #[error("there is no topic `{0}`")]
    TopicNotFound(String),
    #[error("topic name `{name}` is not allowed: {why}")]
    InvalidName { name: String, why: String },
    #[error("topic name `{name}` collides with `{existing}`: names that differ only in `.` and `_` share metric names")]
    NameCollides { name: String, existing: String },
    #[error("{0}")]
    InvalidPartitions(String),
    #[error("topic `{0}` is internal and is managed by the platform")]
    Internal(String),
    #[error("the log refused the change: {0}")]
    Log(String),
    #[error("what the log keeps of `{name}` cannot be read: {why}")]
    Damaged { name: String, why: String },
}

impl CatalogError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            CatalogError::TopicExists(_) => ErrorKind::Conflict,
            CatalogError::TopicNotFound(_) => ErrorKind::NotFound,
            CatalogError::InvalidName { .. }
            | CatalogError::NameCollides { .. }
            | CatalogError::InvalidPartitions(_)
            | CatalogError::Internal(_) => ErrorKind::Invalid,
            CatalogError::Log(_) => ErrorKind::Unavailable,
            CatalogError::Damaged { .. } => ErrorKind::Internal,
        }
    }
}
