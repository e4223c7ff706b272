//! The few kinds every error of ours folds into: they say what the caller must do.

/// What a caller can do about an error. Each protocol face maps these to its own codes, in one table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request can never succeed as it stands: mend it.
    Invalid,
    /// The thing named does not exist.
    NotFound,
    /// The thing exists already, or changed meanwhile.
    Conflict,
    /// The caller may not do this.
    Denied,
    /// Not now: try again later.
    Unavailable,
    /// The data itself cannot be read or does not fit its schema.
    Data,
    /// A defect or a broken machine; the log says more.
    Internal,
}

impl ErrorKind {
    /// The exit status a command ends with: 1 failed, 2 usage, 3 not found, 4 denied, 5 unavailable.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Invalid => 2,
            ErrorKind::NotFound => 3,
            ErrorKind::Denied => 4,
            ErrorKind::Unavailable => 5,
            ErrorKind::Conflict | ErrorKind::Data | ErrorKind::Internal => 1,
        }
    }

    /// The HTTP status a REST face answers with.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorKind::Invalid => 400,
            ErrorKind::NotFound => 404,
            ErrorKind::Conflict => 409,
            ErrorKind::Denied => 403,
            ErrorKind::Unavailable => 503,
            ErrorKind::Data => 422,
            ErrorKind::Internal => 500,
        }
    }
}
