//! The LOGICAL policy for Protobuf against the messages of Confluent's registry: our own pairs of schemas, with what it
//! said of the new one by itself, of the new one reading the old, and of the old one reading the new.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use rivulet_schema::difference::{Policy, Reader};
use rivulet_schema::protobuf::{Schema, compare};
use rivulet_schema::{Parsed, SchemaType, logical};
use serde_json::Value;

const WITHOUT_TYPE: &str = "Schema cannot be represented as a logical type: ";

type References = Vec<(String, String)>;

/// The references of a case: its own, or those that all share.
fn references(case: &Value) -> References {
    let shared: Value = serde_json::from_str(include_str!("data/protobuf_references.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match &case[5] {
        Value::Bool(true) => {
            let shared = shared.as_object().unwrap();
            shared.iter().map(|(name, file)| (name.clone(), text(file))).collect()
        }
        own => {
            let own = own.as_array().into_iter().flatten();
            own.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
        }
    }
}

#[test]
fn tables_are_judged_as_judged() {
    let (mut seen, mut told, mut refused) = (0, 0, 0);
    for line in include_str!("data/protobuf_logical.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let references = references(&case);
        let text = |index: usize| case[index].as_str().unwrap();
        let schema = |index: usize| Schema::parse(text(index), &references).unwrap();
        let judged = |index: usize| -> Vec<String> { serde_json::from_value(case[index].clone()).unwrap() };
        let (old, new) = (schema(0), schema(1));
        let invalid = logical::invalid(&new);
        assert_eq!(invalid, judged(2), "{case}");
        let parsed = Parsed::parse(SchemaType::Protobuf, text(1), &references, false).unwrap();
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
        seen >= 250 && told >= 100 && refused >= 70,
        "{seen} pairs, {told} messages, {refused} refused"
    );
}

fn message(name: &str, next: &str, fields: usize) -> String {
    let fields: Vec<String> = (1..=fields).map(|tag| format!("{next} f{tag} = {tag};")).collect();
    format!("message {name} {{ {} }}", fields.join(" "))
}

/// Nested messages that each hold the next many times over are not written out without end.
#[test]
fn messages_that_double_end() {
    let (count, fields) = (60, 4);
    let inner: Vec<String> = (0..count)
        .map(|at| message(&format!("N{at}"), &format!("N{}", at + 1), fields))
        .collect();
    let text = format!(
        "syntax = \"proto3\"; message M {{ N0 n = 1; {} message N{count} {{ string z = 1; }} }}",
        inner.join(" ")
    );
    let schema = Schema::parse(&text, &[]).unwrap();
    let invalid = logical::invalid(&schema);
    assert!(invalid[0].starts_with(WITHOUT_TYPE), "{invalid:?}");
}

/// The words are those of Confluent's registry.
#[test]
fn messages_within_each_other_have_a_bound() {
    let nested = |count: usize| {
        let inner: Vec<String> = (0..count)
            .map(|at| message(&format!("N{at}"), &format!("N{}", at + 1), 1))
            .collect();
        let text = format!(
            "syntax = \"proto3\"; message M {{ N0 n = 1; {} message N{count} {{ string z = 1; }} }}",
            inner.join(" ")
        );
        logical::invalid(&Schema::parse(&text, &[]).unwrap())
    };
    assert_eq!(nested(255), Vec::<String>::new());
    let expected = format!("{WITHOUT_TYPE}Schema type nesting depth exceeds the maximum of 256");
    assert_eq!(nested(256), [expected]);
}

/// Messages of a reference that lead from one to the next are looked at on a bounded stack.
#[test]
fn long_chains_of_messages_end() {
    let count = 6_000;
    let chain: Vec<String> = (0..count)
        .map(|at| message(&format!("N{at}"), &format!("N{}", (at + 1) % count), 1))
        .collect();
    let chain = format!("syntax = \"proto3\"; package far; {}", chain.join(" "));
    let references = [("far.proto".to_owned(), chain)];
    let text = "syntax = \"proto3\"; import \"far.proto\"; message M { far.N0 n = 1; }";
    let schema = Schema::parse(text, &references).unwrap();
    let invalid = logical::invalid(&schema);
    assert!(invalid[0].starts_with(WITHOUT_TYPE), "{invalid:?}");
}
