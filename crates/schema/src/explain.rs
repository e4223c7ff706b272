//! What changed between two schemas, for people: each schema as a list of its parts in words, and the two lists compared.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::{Parsed, SchemaType};

/// Parts are looked for this deep; what lies deeper is part of the words of what holds it.
const DEPTH_MAX: usize = 32;

/// A part that one schema has and the other has not, or has differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added { part: String, new: String },
    Removed { part: String, old: String },
    Changed { part: String, old: String, new: String },
}

/// Every difference between two schemas of one language, in the order of the parts' names.
pub fn changes(old: &Parsed, new: &Parsed) -> Vec<Change> {
    let (old, mut new) = (parts(old), parts(new));
    let mut changes = Vec::new();
    for (part, old) in old {
        match new.remove(&part) {
            None => changes.push(Change::Removed { part, old }),
            Some(new) if new != old => changes.push(Change::Changed { part, old, new }),
            Some(_) => {}
        }
    }
    changes.extend(new.into_iter().map(|(part, new)| Change::Added { part, new }));
    changes.sort_by(|a, b| a.part().cmp(b.part()));
    changes
}

impl Change {
    pub fn part(&self) -> &str {
        match self {
            Change::Added { part, .. } | Change::Removed { part, .. } | Change::Changed { part, .. } => part,
        }
    }
}

type Parts = BTreeMap<String, String>;

/// A schema's parts: where they are, and what they are in words.
fn parts(schema: &Parsed) -> Parts {
    let mut parts = Parts::new();
    match (schema.schema_type(), schema.protobuf()) {
        (_, Some(schema)) => return schema.parts(),
        (SchemaType::Avro, None) => avro(&json(&schema.canonical), "", 0, &mut parts),
        (_, None) => object("", &json(&schema.canonical), 0, &mut parts),
    }
    parts
}

/// Canonical text of Avro and JSON Schema is JSON.
fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_default()
}

fn inside(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn text<'a>(object: &'a Json, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Json::as_str)
}

fn avro(ty: &Json, path: &str, depth: usize, parts: &mut Parts) {
    if depth > DEPTH_MAX {
        return;
    }
    let below = |ty: &Json, parts: &mut Parts| avro(ty, path, depth + 1, parts);
    match ty {
        Json::Array(branches) => branches.iter().for_each(|branch| below(branch, parts)),
        Json::Object(object) => {
            if path.is_empty() {
                parts.insert(String::new(), avro_words(ty));
            }
            for key in ["items", "values", "type"] {
                if let Some(inner) = object.get(key).filter(|inner| !inner.is_string()) {
                    below(inner, parts);
                }
            }
            for field in object.get("fields").and_then(Json::as_array).into_iter().flatten() {
                let (Some(name), Some(ty)) = (text(field, "name"), field.get("type")) else {
                    continue;
                };
                let mut words = avro_words(ty);
                if let Some(default) = field.get("default") {
                    words += &format!(", default {default}");
                }
                if let Some(aliases) = field.get("aliases") {
                    words += &format!(", also known as {aliases}");
                }
                let place = inside(path, name);
                parts.insert(place.clone(), words);
                avro(ty, &place, depth + 1, parts);
            }
        }
        other => {
            if path.is_empty() {
                parts.insert(String::new(), avro_words(other));
            }
        }
    }
}

fn avro_words(ty: &Json) -> String {
    match ty {
        Json::String(name) => name.clone(),
        Json::Array(branches) => branches.iter().map(avro_words).collect::<Vec<_>>().join(" or "),
        Json::Object(object) => {
            let kind = object.get("type").map(avro_words).unwrap_or_default();
            let name = || text(ty, "name").unwrap_or_default();
            let of = |key: &str| object.get(key).map(avro_words).unwrap_or_default();
            let list = |key: &str| {
                let items = object.get(key).and_then(Json::as_array).into_iter().flatten();
                items.filter_map(Json::as_str).collect::<Vec<_>>().join(", ")
            };
            let stored = match kind.as_str() {
                "array" => format!("array of {}", of("items")),
                "map" => format!("map of {}", of("values")),
                "record" | "error" => format!("{kind} {}", name()),
                "enum" => format!("enum {} ({})", name(), list("symbols")),
                "fixed" => format!(
                    "fixed {} of {} bytes",
                    name(),
                    object.get("size").unwrap_or(&Json::Null)
                ),
                _ => kind,
            };
            match text(ty, "logicalType") {
                Some("decimal") => {
                    let number = |key: &str| object.get(key).and_then(Json::as_u64).unwrap_or(0);
                    format!("decimal({}, {}) as {stored}", number("precision"), number("scale"))
                }
                Some(logical) => format!("{logical} as {stored}"),
                None => stored,
            }
        }
        other => other.to_string(),
    }
}

/// Keywords that hold schemas, and so are parts of their own.
const JSON_PARTS: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
/// Keywords that say nothing about what fits.
const JSON_SILENT: [&str; 5] = ["$schema", "$id", "title", "description", "required"];

fn object(path: &str, schema: &Json, depth: usize, parts: &mut Parts) {
    let Some(object) = schema.as_object().filter(|_| depth <= DEPTH_MAX) else {
        return;
    };
    if path.is_empty() {
        parts.insert(String::new(), json_words(object));
    }
    let required: Vec<&str> = object
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    for keyword in JSON_PARTS {
        for (name, inner) in object.get(keyword).and_then(Json::as_object).into_iter().flatten() {
            let mut words = inner.as_object().map_or_else(|| inner.to_string(), json_words);
            if keyword == "properties" {
                words += if required.contains(&name.as_str()) {
                    ", required"
                } else {
                    ", optional"
                };
            }
            let place = match keyword {
                "properties" => inside(path, name),
                keyword => inside(path, &format!("{keyword}/{name}")),
            };
            parts.insert(place.clone(), words);
            self::object(&place, inner, depth + 1, parts);
        }
    }
    if let Some(items) = object.get("items").filter(|items| items.is_object()) {
        let place = format!("{path}[]");
        let words = items.as_object().map(json_words).unwrap_or_default();
        parts.insert(place.clone(), words);
        self::object(&place, items, depth + 1, parts);
    }
}

fn json_words(object: &Map<String, Json>) -> String {
    let plain = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let kind = match object.get("type") {
        Some(Json::Array(kinds)) => kinds.iter().map(plain).collect::<Vec<_>>().join(" or "),
        Some(kind) => plain(kind),
        None => "anything".to_owned(),
    };
    let says = |(keyword, _): &(&String, &Json)| {
        let keyword = keyword.as_str();
        keyword != "type" && keyword != "items" && !JSON_PARTS.contains(&keyword) && !JSON_SILENT.contains(&keyword)
    };
    object.iter().filter(says).fold(kind, |words, (keyword, value)| {
        format!("{words}, {keyword} {}", plain(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(schema_type: SchemaType, text: &str) -> Parsed {
        Parsed::parse(schema_type, text, &[], false).unwrap()
    }

    fn said(schema_type: SchemaType, old: &str, new: &str) -> Vec<String> {
        let (old, new) = (parsed(schema_type, old), parsed(schema_type, new));
        assert!(changes(&old, &old).is_empty(), "nothing differs from itself");
        let line = |change| match change {
            Change::Added { part, new } => format!("+ {part}: {new}"),
            Change::Removed { part, old } => format!("- {part}: {old}"),
            Change::Changed { part, old, new } => format!("~ {part}: {old} -> {new}"),
        };
        changes(&old, &new).into_iter().map(line).collect()
    }

    #[test]
    fn avro_in_words() {
        let old = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":["null",{"type":"record","name":"I","fields":[{"name":"x","type":"string"}]}]}]}"#;
        let new = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long","default":0},{"name":"b","type":["null",{"type":"record","name":"I","fields":[{"name":"y","type":{"type":"long","logicalType":"timestamp-millis"}}]}]}]}"#;
        assert_eq!(
            said(SchemaType::Avro, old, new),
            [
                "~ a: int -> long, default 0",
                "- b.x: string",
                "+ b.y: timestamp-millis as long"
            ]
        );
        assert_eq!(said(SchemaType::Avro, "\"int\"", "\"long\""), ["~ : int -> long"]);
    }

    #[test]
    fn json_schema_in_words() {
        let old = r#"{"type":"object","properties":{"a":{"type":"integer","minimum":1},"l":{"type":"array","items":{"type":"string"}}},"required":["a"]}"#;
        let new = r#"{"type":"object","properties":{"a":{"type":"integer"},"l":{"type":"array","items":{"type":["string","null"]}},"o":{"type":"object","properties":{"p":true}}},"additionalProperties":false}"#;
        assert_eq!(
            said(SchemaType::Json, old, new),
            [
                "~ : object -> object, additionalProperties false",
                "~ a: integer, minimum 1, required -> integer, optional",
                "~ l[]: string -> string or null",
                "+ o: object, optional",
                "+ o.p: true, optional"
            ]
        );
    }

    #[test]
    fn protobuf_in_words() {
        let old =
            "syntax = \"proto3\"; package p; message A { string a = 1; oneof k { int32 b = 2; } enum E { Z = 0; } }";
        let new = "syntax = \"proto3\"; package p; message A { optional string a = 1; repeated int64 c = 3; enum E { Z = 0; Y = 1; } }";
        assert_eq!(
            said(SchemaType::Protobuf, old, new),
            [
                "+ A.E.Y: number 1",
                "~ A.a: string, number 1 -> optional string, number 1",
                "- A.b: int32, number 2, one of `k`",
                "+ A.c: repeated int64, number 3"
            ]
        );
    }
}
