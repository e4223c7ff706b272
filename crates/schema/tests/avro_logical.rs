//! The LOGICAL policy for Avro against the messages of Confluent's registry: our own pairs of schemas, with what it
//! said of the new one by itself, of the new one reading the old, and of the old one reading the new.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use rivulet_schema::avro::{Schema, compare};
use rivulet_schema::difference::{Policy, Reader};
use rivulet_schema::logical;
use serde_json::Value;

#[test]
fn tables_are_judged_as_judged() {
    let (mut seen, mut told) = (0, 0);
    for line in include_str!("data/avro_logical.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let schema = |index: usize| Schema::parse(case[index].as_str().unwrap(), &[]).unwrap();
        let judged = |index: usize| -> Vec<String> { serde_json::from_value(case[index].clone()).unwrap() };
        let (old, new) = (schema(0), schema(1));
        assert_eq!(logical::invalid(&new), judged(2), "{case}");
        if judged(2)
            .iter()
            .any(|message| message.starts_with("Schema cannot be represented"))
        {
            assert_eq!(
                logical::incompatible(&new, &old, Reader::New),
                Vec::<String>::new(),
                "{case}"
            );
            continue;
        }
        let backward = logical::incompatible(&new, &old, Reader::New);
        assert_eq!(backward, judged(3), "BACKWARD {case}");
        assert_eq!(
            logical::incompatible(&old, &new, Reader::Old),
            judged(4),
            "FORWARD {case}"
        );
        for (is, schema) in [(Reader::New, &old), (Reader::Old, &new)] {
            assert_eq!(
                logical::incompatible(schema, schema, is),
                Vec::<String>::new(),
                "{case} holds itself"
            );
        }
        let all = compare(&new, &old, Reader::New, Policy::Logical);
        let strict = compare(&new, &old, Reader::New, Policy::Strict);
        assert_eq!(all.len(), strict.len() + backward.len(), "the policy only adds");
        assert!(all[strict.len()..].iter().all(|one| one.rule == logical::RULE));
        seen += 1;
        told += backward.len();
    }
    assert!(seen > 150 && told > 150, "{seen} pairs, {told} messages");
}
