//! What properties of Avro schemas say of types, fields, branches and symbols.

use serde_json::Value as Json;

use crate::avro::{Enum, Field as RecordField, Node};

use super::super::{Check, Said, Symbol, Ty, is_free};
use super::defaults::text;
use super::property;

pub(super) fn symbols(one: &Enum, node: &Node) -> Ty {
    let hints = property(node, "confluent:enum");
    let symbol = |(at, name): (usize, &String)| {
        let Said { doc, params, .. } = of_hint(hints.and_then(|hints| hints.get(at)));
        Symbol {
            name: name.clone(),
            doc,
            params,
        }
    };
    Ty::Enum(one.symbols.iter().enumerate().map(symbol).collect())
}

/// The default of a record, its fields as they were written.
pub(super) fn in_order(default: Json, written: Option<&Json>) -> Json {
    let Json::Object(mut fields) = default else {
        return default;
    };
    let names = written.and_then(Json::as_object).into_iter().flatten();
    let mut ordered = serde_json::Map::new();
    for (name, _) in names {
        if let Some(value) = fields.remove(name) {
            ordered.insert(name.clone(), value);
        }
    }
    ordered.extend(fields);
    Json::Object(ordered)
}

fn found<'a>(properties: &'a [(String, Json)], key: &str) -> Option<&'a Json> {
    properties.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn params(value: Option<&Json>) -> Vec<(String, String)> {
    let params = value.and_then(Json::as_object).into_iter().flatten();
    params.map(|(key, value)| (key.clone(), text(value))).collect()
}

/// What properties say.
pub(super) fn said(doc: Option<&String>, properties: &[(String, Json)]) -> Said {
    let tags = found(properties, "confluent:tags").and_then(Json::as_array);
    let rules = found(properties, "confluent:rules").and_then(Json::as_array);
    Said {
        doc: doc.cloned(),
        tags: tags.into_iter().flatten().map(text).collect(),
        params: params(found(properties, "confluent:params")),
        checks: rules.into_iter().flatten().filter_map(check).collect(),
    }
}

fn check(rule: &Json) -> Option<Check> {
    let part = |key: &str| rule.get(key).filter(|value| !value.is_null()).map(text);
    let name = |key: &str| {
        rule.get(key)?
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let (expr, sql) = (part("expr")?, part("sql")?);
    (!expr.is_empty() && !sql.is_empty()).then(|| Check {
        name: name("name"),
        doc: name("doc"),
        sql,
    })
}

pub(super) fn of_field(field: &RecordField) -> Said {
    let mut said = said(field.doc.as_ref(), &field.properties);
    said.params.retain(|(key, _)| is_free(key));
    if !field.aliases.is_empty() {
        said.params.push(("avro.aliases".to_owned(), field.aliases.join(",")));
    }
    said
}

/// What is said of a symbol or a branch by its place.
fn of_hint(hint: Option<&Json>) -> Said {
    Said {
        doc: hint.and_then(|hint| hint.get("doc")?.as_str()).map(str::to_owned),
        params: params(hint.and_then(|hint| hint.get("params"))),
        ..Said::default()
    }
}

pub(super) fn of_branch(hint: Option<&Json>) -> Said {
    let mut said = of_hint(hint);
    said.params.retain(|(key, _)| is_free(key));
    said
}
