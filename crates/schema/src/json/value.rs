//! JSON values that keep every number exactly, and the canonical text they are written as.

use std::hash::{Hash, Hasher};

use indexmap::IndexMap;

use super::decimal::Decimal;

pub(crate) type Object = IndexMap<String, Json>;

/// A JSON value. Objects keep the order of their keys but compare without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Decimal),
    String(String),
    Array(Vec<Json>),
    Object(Object),
}

impl Json {
    /// What the value is, with its article, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(number) if number.is_integer() => "an integer",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The member of that name, if this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.as_object()?.get(key)
    }

    /// How deeply arrays and objects are nested.
    pub(crate) fn levels(&self) -> usize {
        match self {
            Json::Array(items) => 1 + items.iter().map(Json::levels).max().unwrap_or(0),
            Json::Object(members) => 1 + members.values().map(Json::levels).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The value with every number in its simplest text, so that equal numbers are equal.
    pub(crate) fn simplest(&self) -> Json {
        match self {
            Json::Number(number) => Json::Number(number.simplest()),
            Json::Array(items) => Json::Array(items.iter().map(Json::simplest).collect()),
            Json::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(key, value)| (key.clone(), value.simplest()))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// The value with the numbers within it, but not one that it is itself, in their simplest texts.
    pub(crate) fn simplest_within(&self) -> Json {
        match self {
            Json::Number(_) => self.clone(),
            other => other.simplest(),
        }
    }

    /// The text without blanks, keys in their own order.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, false);
        out
    }

    /// The text without blanks, keys sorted by their UTF-16 code units.
    pub(crate) fn sorted_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, true);
        out
    }

    fn write(&self, out: &mut String, sorted: bool) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(number) => out.push_str(number.text()),
            Json::String(text) => write_string(text, out),
            Json::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out, sorted);
                }
                out.push(']');
            }
            Json::Object(object) => {
                let mut members: Vec<(&String, &Json)> = object.iter().collect();
                if sorted {
                    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
                }
                out.push('{');
                for (index, (key, value)) in members.into_iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(key, out);
                    out.push(':');
                    value.write(out, sorted);
                }
                out.push('}');
            }
        }
    }
}

/// Equal values hash alike, whatever the order of their keys.
impl Hash for Json {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Json::Null => {}
            Json::Bool(value) => value.hash(state),
            Json::Number(number) => number.hash(state),
            Json::String(text) => text.hash(state),
            Json::Array(items) => items.hash(state),
            Json::Object(object) => {
                let mut members: Vec<(&String, &Json)> = object.iter().collect();
                members.sort_by_key(|(key, _)| *key);
                members.hash(state);
            }
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                out.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
