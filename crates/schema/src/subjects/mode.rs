//! What may be done to subjects: written as usual, only read, or filled from elsewhere.

use serde::{Deserialize, Serialize};

use crate::RegistryError;

/// A subject's mode, or a context's, or everyone's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    #[default]
    #[serde(rename = "READWRITE")]
    ReadWrite,
    #[serde(rename = "READONLY")]
    ReadOnly,
    #[serde(rename = "READONLY_OVERRIDE")]
    ReadOnlyOverride,
    /// Ids and versions are given by the client.
    Import,
    /// As import, for everything at once.
    Forward,
}

const WORDS: [(Mode, &str); 5] = [
    (Mode::ReadWrite, "READWRITE"),
    (Mode::ReadOnly, "READONLY"),
    (Mode::ReadOnlyOverride, "READONLY_OVERRIDE"),
    (Mode::Import, "IMPORT"),
    (Mode::Forward, "FORWARD"),
];

impl Mode {
    pub fn word(self) -> &'static str {
        WORDS
            .iter()
            .find(|(mode, _)| *mode == self)
            .map_or("READWRITE", |(_, word)| word)
    }

    /// Reads a mode in any case.
    pub fn from_word(word: &str) -> Result<Mode, RegistryError> {
        let found = WORDS.iter().find(|(_, known)| known.eq_ignore_ascii_case(word));
        found.map(|(mode, _)| *mode).ok_or_else(RegistryError::invalid_mode)
    }

    pub fn is_read_only(self) -> bool {
        matches!(self, Mode::ReadOnly | Mode::ReadOnlyOverride)
    }

    /// Whether schemas come with their ids and are not checked.
    pub fn is_import(self) -> bool {
        matches!(self, Mode::Import | Mode::Forward)
    }
}
