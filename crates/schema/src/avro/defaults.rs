//! Whether each field's default fits its type: the first branch of a union decides.

use serde_json::Value as Json;

use super::{AvroError, Kind, NodeId, Schema};

pub(super) fn check(schema: &Schema) -> Result<(), AvroError> {
    for (index, node) in schema.nodes.iter().enumerate() {
        let Kind::Record(record) = &node.kind else { continue };
        if !schema.is_own(NodeId(index as u32)) {
            continue;
        }
        for field in &record.fields {
            if let Some(default) = &field.default
                && !fits(schema, field.ty, default)
            {
                let word = schema.node(field.ty).kind.word();
                return Err(AvroError(format!(
                    "invalid default for field `{}` of `{}`: `{default}` is not a `{word}`",
                    field.name,
                    record.name.full()
                )));
            }
        }
    }
    Ok(())
}

fn fits(schema: &Schema, ty: NodeId, json: &Json) -> bool {
    let integer = |low: i64, high: i64| json.as_i64().is_some_and(|number| (low..=high).contains(&number));
    match &schema.node(ty).kind {
        Kind::Null => json.is_null(),
        Kind::Boolean => json.is_boolean(),
        Kind::Int => integer(i32::MIN.into(), i32::MAX.into()),
        Kind::Long => integer(i64::MIN, i64::MAX),
        Kind::Float | Kind::Double => json.is_number(),
        Kind::String | Kind::Enum(_) => json.is_string(),
        // Bytes are written as characters 0 to 255.
        Kind::Bytes => json
            .as_str()
            .is_some_and(|text| text.chars().all(|c| u32::from(c) < 256)),
        Kind::Fixed(fixed) => json.as_str().is_some_and(|text| text.chars().count() == fixed.size),
        Kind::Array(items) => json
            .as_array()
            .is_some_and(|list| list.iter().all(|item| fits(schema, *items, item))),
        Kind::Map(values) => json
            .as_object()
            .is_some_and(|map| map.values().all(|value| fits(schema, *values, value))),
        // Java's Avro 1.11 lets any branch fit; so do we.
        Kind::Union(branches) => branches.iter().any(|branch| fits(schema, *branch, json)),
        Kind::Record(record) => json.as_object().is_some_and(|object| {
            record
                .fields
                .iter()
                .all(|field| match object.get(&field.name).or(field.default.as_ref()) {
                    Some(value) => fits(schema, field.ty, value),
                    None => false,
                })
        }),
    }
}
