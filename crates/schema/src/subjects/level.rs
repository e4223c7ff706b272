//! Compatibility levels: what a new version of a subject must keep.

use serde::{Deserialize, Serialize};

use crate::RegistryError;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    None,
    #[default]
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

const WORDS: [(Level, &str); 7] = [
    (Level::None, "NONE"),
    (Level::Backward, "BACKWARD"),
    (Level::BackwardTransitive, "BACKWARD_TRANSITIVE"),
    (Level::Forward, "FORWARD"),
    (Level::ForwardTransitive, "FORWARD_TRANSITIVE"),
    (Level::Full, "FULL"),
    (Level::FullTransitive, "FULL_TRANSITIVE"),
];

impl Level {
    pub fn word(self) -> &'static str {
        WORDS
            .iter()
            .find(|(level, _)| *level == self)
            .map_or("NONE", |(_, word)| word)
    }

    /// Reads a level in any case.
    pub fn from_word(word: &str) -> Result<Level, RegistryError> {
        let found = WORDS.iter().find(|(_, known)| known.eq_ignore_ascii_case(word));
        found.map(|(level, _)| *level).ok_or_else(RegistryError::invalid_level)
    }

    pub fn is_transitive(self) -> bool {
        matches!(
            self,
            Level::BackwardTransitive | Level::ForwardTransitive | Level::FullTransitive
        )
    }

    /// Whether a new schema must read what earlier ones wrote.
    pub fn new_reads_old(self) -> bool {
        !matches!(self, Level::None | Level::Forward | Level::ForwardTransitive)
    }

    /// Whether earlier schemas must read what a new one writes.
    pub fn old_reads_new(self) -> bool {
        !matches!(self, Level::None | Level::Backward | Level::BackwardTransitive)
    }
}
