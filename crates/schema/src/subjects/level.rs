//! Compatibility levels and their checks. Avro is checked by its resolution rules; JSON Schema and Protobuf texts are
//! not compared yet, so only a change of language is refused for them.

use crate::avro::{self, Incompatibility};
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

    fn new_reads_old(self) -> bool {
        !matches!(self, Level::None | Level::Forward | Level::ForwardTransitive)
    }

    fn old_reads_new(self) -> bool {
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
    let (Some(new), Some(old)) = (&new.avro, &old.parsed.avro) else {
        return Vec::new();
    };
    let mut messages = Vec::new();
    if level.new_reads_old() {
        messages.extend(
            avro::can_read(new, old)
                .iter()
                .map(|found| message(found, "new", "old")),
        );
    }
    if level.old_reads_new() {
        messages.extend(
            avro::can_read(old, new)
                .iter()
                .map(|found| message(found, "old", "new")),
        );
    }
    messages
}

fn message(found: &Incompatibility, reader: &str, writer: &str) -> String {
    let Incompatibility { rule, path, detail } = found;
    let description = match *rule {
        "READER_FIELD_MISSING_DEFAULT_VALUE" => format!(
            "The field '{detail}' at path '{path}' in the {reader} schema has no default value and is missing in the {writer} schema"
        ),
        "NAME_MISMATCH" => format!("The name of the schema has changed (path '{path}')"),
        "FIXED_SIZE_MISMATCH" => {
            format!(
                "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema"
            )
        }
        "MISSING_ENUM_SYMBOLS" => {
            format!("The {reader} schema is missing enum symbols '{detail}' at path '{path}' in the {writer} schema")
        }
        "MISSING_UNION_BRANCH" => {
            format!(
                "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema"
            )
        }
        _ => format!(
            "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema"
        ),
    };
    format!("{{errorType:'{rule}', description:'{description}', additionalInfo:'{detail}'}}")
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
