//! Compatibility levels and their checks.

use crate::difference::{Difference, Policy, Reader};
use crate::{Parsed, RegistryError, SchemaType};

/// What a new version of a subject must keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
        found
            .map(|(level, _)| *level)
            .ok_or_else(|| RegistryError::invalid_level(word))
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

/// An earlier version to compare with.
pub struct Earlier<'a> {
    pub version: i32,
    pub schema_type: SchemaType,
    pub parsed: &'a Parsed,
}

/// Compares a new schema with earlier ones, newest first; gives the messages of the first that does not fit.
pub fn check(level: Level, schema_type: SchemaType, new: &Parsed, earlier: &[Earlier<'_>]) -> Vec<String> {
    if level == Level::None {
        return Vec::new();
    }
    let compared = if level.is_transitive() {
        earlier
    } else {
        &earlier[..earlier.len().min(1)]
    };
    for old in compared {
        let mut messages = differences(level, schema_type, new, old);
        if !messages.is_empty() {
            messages.push(format!("{{oldSchemaVersion: {}}}", old.version));
            messages.push(format!("{{oldSchema: '{}'}}", cut(&old.parsed.canonical)));
            messages.push(format!(
                "{{validateFields: 'false', compatibility: '{}'}}",
                level.word()
            ));
            return messages;
        }
    }
    Vec::new()
}

fn differences(level: Level, schema_type: SchemaType, new: &Parsed, old: &Earlier<'_>) -> Vec<String> {
    if schema_type != old.schema_type {
        let (new, old) = (schema_type.word(), old.schema_type.word());
        return vec![format!(
            "Incompatible because of different schema type: `{new}` after `{old}`"
        )];
    }
    let mut found = Vec::new();
    if level.new_reads_old() {
        found.extend(new.compare(old.parsed, Reader::New, Policy::Strict));
    }
    if level.old_reads_new() {
        found.extend(old.parsed.compare(new, Reader::Old, Policy::Strict));
    }
    found.iter().map(|found| message(schema_type, found)).collect()
}

/// A difference as a registry's message.
fn message(schema_type: SchemaType, found: &Difference) -> String {
    let Difference { rule, description, .. } = found;
    match schema_type {
        SchemaType::Avro => {
            let additional = found.additional.as_deref().unwrap_or_default();
            format!("{{errorType:'{rule}', description:'{description}', additionalInfo:'{additional}'}}")
        }
        SchemaType::Json | SchemaType::Protobuf => format!("{{errorType:\"{rule}\", description:\"{description}\"}}"),
    }
}

/// A message repeats at most this much of a schema.
const QUOTED_BYTES_MAX: usize = 10 * 1024;

fn cut(text: &str) -> &str {
    let mut end = text.len().min(QUOTED_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
