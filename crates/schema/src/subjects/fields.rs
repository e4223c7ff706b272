//! Names of a schema's outermost fields, which metadata can reserve.

use serde_json::Value as Json;

use crate::{Parsed, SchemaType};

/// The names of the fields at a schema's top.
pub(super) fn top_level(schema_type: SchemaType, parsed: &Parsed) -> Vec<String> {
    match (schema_type, parsed.protobuf()) {
        (_, Some(schema)) => schema.field_names(),
        (SchemaType::Avro, None) => avro(&parsed.formatted("resolved")),
        (_, None) => json(&parsed.canonical),
    }
}

fn avro(text: &str) -> Vec<String> {
    let root: Json = serde_json::from_str(text).unwrap_or_default();
    let fields = root.get("fields").and_then(Json::as_array);
    let names = fields
        .into_iter()
        .flatten()
        .filter_map(|field| field.get("name")?.as_str());
    names.map(str::to_owned).collect()
}

fn json(text: &str) -> Vec<String> {
    let root: Json = serde_json::from_str(text).unwrap_or_default();
    let properties = root.get("properties").and_then(Json::as_object);
    properties
        .into_iter()
        .flat_map(|properties| properties.keys().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::top_level;
    use crate::{Parsed, SchemaType};

    #[test]
    fn fields_of_each_language() {
        for (schema_type, text) in [
            (
                SchemaType::Avro,
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}"#,
            ),
            (
                SchemaType::Json,
                r#"{"type":"object","properties":{"a":{"type":"string"},"b":true}}"#,
            ),
            (
                SchemaType::Protobuf,
                "syntax = \"proto3\"; message M { string a = 1; int32 b = 2; } message N { string c = 1; }",
            ),
        ] {
            let parsed = Parsed::parse(schema_type, text, &[], false).unwrap();
            assert_eq!(top_level(schema_type, &parsed), ["a", "b"], "{text}");
        }
        let parsed = Parsed::parse(SchemaType::Avro, "\"int\"", &[], false).unwrap();
        assert!(top_level(SchemaType::Avro, &parsed).is_empty());
    }
}
