//! Bytes on their way out, which need not be in memory.

use std::fmt;

use base::disk::FileSlice;
use bytes::Bytes;

/// A part of a frame: in memory, or in a file from which it goes to the socket without being read here.
#[derive(Clone, PartialEq)]
pub enum Piece {
    Memory(Bytes),
    File(FileSlice),
}

impl Piece {
    pub fn len(&self) -> usize {
        match self {
            Piece::Memory(bytes) => bytes.len(),
            Piece::File(slice) => slice.bytes,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in memory: whatever was decoded is.
    pub fn memory(&self) -> Option<&Bytes> {
        match self {
            Piece::Memory(bytes) => Some(bytes),
            Piece::File(_) => None,
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Piece {
        Piece::Memory(bytes)
    }
}

/// As what it holds shows itself.
impl fmt::Debug for Piece {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Piece::Memory(bytes) => bytes.fmt(formatter),
            Piece::File(slice) => slice.fmt(formatter),
        }
    }
}
