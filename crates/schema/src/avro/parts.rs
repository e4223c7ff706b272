//! What stands in the JSON object of a type or a field: names, aliases, texts, properties, the logical type.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::parse::{Parsed, Place, fail};
use super::{Kind, Logical, Name};

pub(super) fn primitive(word: &str) -> Option<Kind> {
    Some(match word {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

pub(super) fn name_of(object: &Map<String, Json>, place: Place<'_>) -> Parsed<Name> {
    let Some(given) = object.get("name").and_then(Json::as_str) else {
        return fail(format!(
            "a `{}` has no name",
            object.get("type").and_then(Json::as_str).unwrap_or("type")
        ));
    };
    let namespace = object.get("namespace").and_then(Json::as_str).or(place.namespace);
    let name = split(given, namespace);
    check_word(&name.name, "name")?;
    Ok(name)
}

pub(super) fn split(given: &str, namespace: Option<&str>) -> Name {
    match given.rsplit_once('.') {
        Some((space, name)) => Name {
            namespace: Some(space.to_owned()).filter(|s| !s.is_empty()),
            name: name.to_owned(),
        },
        None => Name {
            namespace: namespace.filter(|s| !s.is_empty()).map(str::to_owned),
            name: given.to_owned(),
        },
    }
}

/// Letters of any language are letters here; a new schema is held to those of ASCII.
pub(super) fn check_word(word: &str, what: &str) -> Parsed<()> {
    let mut chars = word.chars();
    let first_fits = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if first_fits && chars.all(|c| c.is_alphanumeric() || c == '_') {
        return Ok(());
    }
    fail(format!(
        "illegal {what} `{word}`: it must start with a letter or `_` and hold only letters, digits and `_`"
    ))
}

pub(super) fn text_of(object: &Map<String, Json>, key: &str) -> Option<String> {
    object.get(key).and_then(Json::as_str).map(str::to_owned)
}

pub(super) fn strings_of(object: &Map<String, Json>, key: &str) -> Parsed<Vec<String>> {
    match object.get(key) {
        None => Ok(Vec::new()),
        Some(Json::Array(list)) => {
            let string = |json: &Json| match json.as_str() {
                Some(text) => Ok(text.to_owned()),
                None => fail(format!("`{key}` holds `{json}`, which is not a string")),
            };
            let mut seen = HashSet::new();
            let strings: Parsed<Vec<String>> = list.iter().map(string).collect();
            Ok(strings?.into_iter().filter(|one| seen.insert(one.clone())).collect())
        }
        Some(other) => fail(format!("`{key}` must be a list of strings, not `{other}`")),
    }
}

pub(super) fn aliases_of(object: &Map<String, Json>, namespace: Option<&str>) -> Parsed<Vec<Name>> {
    let mut seen = HashSet::new();
    let aliases = strings_of(object, "aliases")?
        .into_iter()
        .map(|alias| split(&alias, namespace));
    Ok(aliases.filter(|alias| seen.insert(alias.clone())).collect())
}

pub(super) fn properties(object: &Map<String, Json>, reserved: &[&str]) -> Vec<(String, Json)> {
    let is_property = |(key, _): &(&String, &Json)| !reserved.contains(&key.as_str());
    object
        .iter()
        .filter(is_property)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The logical type, if it fits the stored one; Avro ignores one that does not.
pub(super) fn logical_of(object: &Map<String, Json>, kind: &Kind) -> Option<Logical> {
    let number = |key: &str| {
        object
            .get(key)
            .and_then(Json::as_u64)
            .and_then(|number| u32::try_from(number).ok())
    };
    let word = object.get("logicalType").and_then(Json::as_str)?;
    match (word, kind) {
        ("decimal", Kind::Bytes | Kind::Fixed(_)) => {
            let precision = number("precision").filter(|precision| *precision > 0)?;
            let scale = number("scale").unwrap_or(0);
            (scale <= precision).then_some(Logical::Decimal { precision, scale })
        }
        ("date", Kind::Int) => Some(Logical::Date),
        ("time-millis", Kind::Int) => Some(Logical::TimeMillis),
        ("time-micros", Kind::Long) => Some(Logical::TimeMicros),
        ("timestamp-millis", Kind::Long) => Some(Logical::TimestampMillis),
        ("timestamp-micros", Kind::Long) => Some(Logical::TimestampMicros),
        ("local-timestamp-millis", Kind::Long) => Some(Logical::LocalTimestampMillis),
        ("local-timestamp-micros", Kind::Long) => Some(Logical::LocalTimestampMicros),
        ("uuid", Kind::String) => Some(Logical::Uuid),
        _ => None,
    }
}
