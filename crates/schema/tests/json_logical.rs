//! The LOGICAL policy for JSON Schema against the messages of Confluent's registry: our own pairs of schemas, with what
//! it said of the new one by itself, of the new one reading the old, and of the old one reading the new.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use rivulet_schema::difference::{Policy, Reader};
use rivulet_schema::json::{Schema, compare};
use rivulet_schema::{Parsed, SchemaType, logical};
use serde_json::Value;

const WITHOUT_TYPE: &str = "Schema cannot be represented as a logical type: ";

#[test]
fn tables_are_judged_as_judged() {
    let (mut seen, mut told, mut refused) = (0, 0, 0);
    for line in include_str!("data/json_logical.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |index: usize| case[index].as_str().unwrap();
        let schema = |index: usize| Schema::parse(text(index), &[]).unwrap();
        let judged = |index: usize| -> Vec<String> { serde_json::from_value(case[index].clone()).unwrap() };
        let (old, new) = (schema(0), schema(1));
        let invalid = logical::invalid(&new);
        assert_eq!(invalid, judged(2), "{case}");
        let parsed = Parsed::parse(SchemaType::Json, text(1), &[], false).unwrap();
        assert_eq!(parsed.logical_problems(None), invalid, "{case}");
        let backward = logical::incompatible(&new, &old, Reader::New);
        assert_eq!(backward, judged(3), "BACKWARD {case}");
        assert_eq!(
            logical::incompatible(&old, &new, Reader::Old),
            judged(4),
            "FORWARD {case}"
        );
        let all = compare(&new, &old, Reader::New, Policy::Logical);
        let strict = compare(&new, &old, Reader::New, Policy::Strict);
        assert_eq!(all.len(), strict.len() + backward.len(), "the policy only adds");
        assert!(all[strict.len()..].iter().all(|one| one.rule == logical::RULE));
        seen += 1;
        told += backward.len();
        refused += usize::from(invalid.iter().any(|message| message.starts_with(WITHOUT_TYPE)));
    }
    assert!(
        seen >= 100 && told >= 100 && refused >= 10,
        "{seen} pairs, {told} messages, {refused} refused"
    );
}

/// A definition that refers to the next, many times over, is looked at in bounded time and on a bounded stack.
#[test]
fn long_chains_of_definitions_end() {
    let count = 6_000;
    let link = |at: usize| {
        format!(
            r##""d{at}":{{"type":"object","properties":{{"n":{{"$ref":"#/$defs/d{}"}}}}}}"##,
            (at + 1) % count
        )
    };
    let links: Vec<String> = (0..count).map(link).collect();
    let text = format!(
        r##"{{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/$defs/d0","$defs":{{{}}}}}"##,
        links.join(",")
    );
    let schema = Schema::parse(&text, &[]).unwrap();
    assert!(!logical::invalid(&schema).is_empty(), "a circle has no place in tables");
    assert!(logical::incompatible(&schema, &schema, Reader::New).is_empty());
}

/// Combinations that hold the same definition twice, at every level, double with each.
#[test]
fn combinations_that_double_end() {
    let count = 60;
    let level = |at: usize| {
        let next = format!(r##"{{"allOf":[{{"$ref":"#/$defs/d{}"}}]}}"##, at + 1);
        format!(r##""d{at}":{{"type":"object","properties":{{"a":{next},"b":{next}}}}}"##)
    };
    let levels: Vec<String> = (0..count).map(level).collect();
    let text = format!(
        r##"{{"allOf":[{{"$ref":"#/$defs/d0"}}],"$defs":{{{},"d{count}":{{"type":"object","properties":{{"z":{{"type":"string"}}}}}}}}}}"##,
        levels.join(",")
    );
    let schema = Schema::parse(&text, &[]).unwrap();
    let invalid = logical::invalid(&schema);
    assert!(invalid[0].starts_with(WITHOUT_TYPE), "{invalid:?}");
}
