//! What is checked of a new schema only: names of ASCII letters, and defaults that fit their types.

use serde_json::Value as Json;

use super::{AvroError, Field, Kind, Name, NodeId, Schema};

/// Defaults are followed no deeper: that of a record may bring in those of its fields, without end.
const DEPTH_MAX: usize = 128;

pub(super) fn check(schema: &Schema) -> Result<(), AvroError> {
    for (index, node) in schema.nodes.iter().enumerate() {
        if !schema.is_own(NodeId(index as u32)) {
            continue;
        }
        if let Some(name) = node.kind.name() {
            check_name(name)?;
        }
        match &node.kind {
            Kind::Enum(symbols) => {
                symbols
                    .aliases
                    .iter()
                    .try_for_each(|alias| check_word(&alias.name, "alias"))?;
                symbols
                    .symbols
                    .iter()
                    .try_for_each(|symbol| check_word(symbol, "enum symbol"))?;
            }
            Kind::Fixed(fixed) => fixed
                .aliases
                .iter()
                .try_for_each(|alias| check_word(&alias.name, "alias"))?,
            Kind::Record(record) => {
                record
                    .aliases
                    .iter()
                    .try_for_each(|alias| check_word(&alias.name, "alias"))?;
                for field in &record.fields {
                    check_word(&field.name, "field name")?;
                    check_default(schema, field, &record.name)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_name(name: &Name) -> Result<(), AvroError> {
    for part in name.namespace.iter().flat_map(|namespace| namespace.split('.')) {
        check_word(part, "namespace")?;
    }
    check_word(&name.name, "name")
}

fn check_word(word: &str, what: &str) -> Result<(), AvroError> {
    let mut bytes = word.bytes();
    let first_fits = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if first_fits && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(());
    }
    Err(AvroError(format!(
        "illegal {what} `{word}`: it must start with a letter or `_` and hold only letters, digits and `_`"
    )))
}

fn check_default(schema: &Schema, field: &Field, record: &Name) -> Result<(), AvroError> {
    match &field.default {
        Some(default) if is_odd_number(schema, field, default) => Ok(()),
        Some(default) if !fits(schema, field.ty, default, DEPTH_MAX) => Err(AvroError(format!(
            "invalid default for field `{}` of `{}`: `{default}` is not a `{}`",
            field.name,
            record.full(),
            schema.node(field.ty).kind.word()
        ))),
        _ => Ok(()),
    }
}

/// Not a number and the infinities are written as strings; the parser lets no other string stand there.
fn is_odd_number(schema: &Schema, field: &Field, default: &Json) -> bool {
    default.is_string() && matches!(schema.node(field.ty).kind, Kind::Float | Kind::Double)
}

fn fits(schema: &Schema, ty: NodeId, json: &Json, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let integer = |low: i64, high: i64| json.as_i64().is_some_and(|number| (low..=high).contains(&number));
    match &schema.node(ty).kind {
        Kind::Null => json.is_null(),
        Kind::Boolean => json.is_boolean(),
        Kind::Int => integer(i32::MIN.into(), i32::MAX.into()),
        Kind::Long => integer(i64::MIN, i64::MAX),
        Kind::Float | Kind::Double => json.is_number(),
        Kind::String | Kind::Enum(_) | Kind::Bytes | Kind::Fixed(_) => json.is_string(),
        Kind::Array(items) => json
            .as_array()
            .is_some_and(|list| list.iter().all(|item| fits(schema, *items, item, depth))),
        Kind::Map(values) => json
            .as_object()
            .is_some_and(|map| map.values().all(|value| fits(schema, *values, value, depth))),
        // Any branch may fit, as in the Java library.
        Kind::Union(branches) => branches.iter().any(|branch| fits(schema, *branch, json, depth)),
        Kind::Record(record) => json.as_object().is_some_and(|object| {
            record
                .fields
                .iter()
                .all(|field| match (object.get(&field.name), &field.default) {
                    (Some(value), _) => fits(schema, field.ty, value, depth),
                    (None, Some(default)) => {
                        is_odd_number(schema, field, default) || fits(schema, field.ty, default, depth)
                    }
                    (None, None) => false,
                })
        }),
    }
}
