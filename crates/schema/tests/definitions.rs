//! Schemas as data definitions, which `format=logical` asks for, against what Confluent's registry prints of the same
//! texts: language, text, definition (none where it has none), references.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use std::collections::BTreeMap;

use rivulet_schema::{Parsed, SchemaType};
use serde_json::Value;

fn schema_type(word: &str) -> SchemaType {
    match word {
        "avro" => SchemaType::Avro,
        "json" => SchemaType::Json,
        _ => SchemaType::Protobuf,
    }
}

#[test]
fn definitions_are_printed_as_judged() {
    let mut seen = BTreeMap::new();
    for line in include_str!("data/definitions.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let references = case[3].as_array().into_iter().flatten();
        let references: Vec<(String, String)> = references.map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
        let language = case[0].as_str().unwrap();
        let parsed = Parsed::parse(schema_type(language), case[1].as_str().unwrap(), &references, false).unwrap();
        let definition = parsed.definition(None);
        assert_eq!(definition.as_deref().ok(), case[2].as_str(), "{case}\n{definition:?}");
        *seen.entry(language.to_owned()).or_insert(0) += 1;
    }
    assert!(seen.len() == 3 && seen.values().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn metadata_name_what_avro_cannot() {
    let text = r#"["int", {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}]"#;
    let parsed = Parsed::parse(SchemaType::Avro, text, &[], false).unwrap();
    let property = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let properties = BTreeMap::from([
        property("confluent:namespace", "a.b"),
        property(
            "confluent:union",
            r#"[{"name": "number", "doc": "d"}, {"name": "row", "params": {"p": "q"}}]"#,
        ),
    ]);
    assert_eq!(
        parsed.definition(Some(&properties)).unwrap(),
        "NAMESPACE a.b;\nSTRUCT R (a INT NOT NULL);\nTYPE UNION(number INT NOT NULL COMMENT 'd', `row` R NOT NULL \
         WITH('p' = 'q')) NOT NULL;\n"
    );
}
