//! What the registry's own options say of a part: documentation, parameters, tags and rules.
//!
//! They are read as the registry the world knows reads them, which fails on values of other kinds.

use super::file::{Opt, Value};
use super::normalize::as_map;
use super::option_fields::merged;

type Read<T> = Result<T, String>;

const PRIMITIVE: &str = "com.squareup.wire.schema.internal.parser.OptionElement$OptionPrimitive";
const TEXT: &str = "java.lang.String";
const MAP: &str = "java.util.Map";
/// What is said where something was left out that must be there.
const NULL: &str = "null";

#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) doc: Option<String>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) tags: Vec<String>,
    pub(crate) rules: Vec<Rule>,
}

/// A condition on values.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) expr: String,
    pub(crate) sql: String,
}

impl Meta {
    /// What the option of a name says; nothing if there is none.
    pub(super) fn of(options: &[Opt], name: &str) -> Read<Meta> {
        let Some(value) = merged(options, name).map(as_map) else {
            return Ok(Meta::default());
        };
        let Value::Map(entries) = value else {
            return Err(format!("Unexpected custom option kind {}", kind(&value)));
        };
        let entry = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let mut meta = Meta {
            doc: entry("doc").map(text).transpose()?.map(str::to_owned),
            ..Meta::default()
        };
        let mut params = Vec::new();
        for param in parts(entry("params"), "params")? {
            let part = |name: &str| map_text(param, name);
            params.push((part("key")?, part("value")?));
        }
        meta.tags = match entry("tags") {
            None => Vec::new(),
            Some(Value::List(tags)) => tags
                .iter()
                .map(|tag| text(tag).map(str::to_owned))
                .collect::<Read<_>>()?,
            Some(one) => vec![one.word().unwrap_or_default().to_owned()],
        };
        for rule in parts(entry("rules"), "rules")? {
            let part = |name: &str| map_text(rule, name).map(Option::unwrap_or_default);
            meta.rules.push(Rule {
                name: part("name")?,
                doc: part("doc")?,
                expr: part("expr")?,
                sql: part("sql")?,
            });
        }
        for param in params {
            let (Some(key), Some(value)) = param else {
                return Err(NULL.to_owned());
            };
            match meta.params.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => meta.params.push((key, value)),
            }
        }
        Ok(meta)
    }

    pub(crate) fn param(&self, key: &str) -> Option<&str> {
        let found = self.params.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is said to be true.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.param(key).map(|word| word.eq_ignore_ascii_case("true"))
    }
}

/// The maps that stand in a list, or the one that stands alone.
fn parts<'a>(value: Option<&'a Value>, name: &str) -> Read<Vec<&'a [(String, Value)]>> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Map(map)) => Ok(vec![map]),
        Some(Value::List(list)) => {
            let map = |value: &'a Value| match value {
                Value::Map(map) => Ok(map.as_slice()),
                other => Err(cast(other, MAP)),
            };
            list.iter().map(map).collect()
        }
        Some(other) => Err(format!("Unrecognized {name} type {}", class(other))),
    }
}

fn map_text(map: &[(String, Value)], name: &str) -> Read<Option<String>> {
    let found = map.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| text(value).map(str::to_owned)).transpose()
}

fn text(value: &Value) -> Read<&str> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(cast(other, TEXT)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "STRING",
        Value::Boolean(_) => "BOOLEAN",
        Value::Number(_) => "NUMBER",
        Value::Constant(_) => "ENUM",
        Value::Inner(_) => "OPTION",
        Value::Map(_) => "MAP",
        Value::List(_) => "LIST",
    }
}

fn class(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => TEXT,
        Value::Boolean(_) | Value::Number(_) | Value::Constant(_) => PRIMITIVE,
        Value::Inner(_) | Value::Map(_) => "java.util.LinkedHashMap",
        Value::List(_) => "java.util.ArrayList",
    }
}

fn cast(value: &Value, wanted: &str) -> String {
    let class = class(value);
    let homes = if class == PRIMITIVE {
        format!("{class} is in unnamed module of loader 'app'; {wanted} is in module java.base of loader 'bootstrap'")
    } else {
        format!("{class} and {wanted} are in module java.base of loader 'bootstrap'")
    };
    format!("class {class} cannot be cast to class {wanted} ({homes})")
}
