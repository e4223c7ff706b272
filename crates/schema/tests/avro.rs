//! Avro schemas against the verdicts of Confluent's registry: our own texts, with what it said of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use rivulet_schema::avro::{Schema, compare};
use rivulet_schema::difference::{Difference, Policy, Reader};
use serde_json::Value;

fn lines(data: &str) -> impl Iterator<Item = Value> {
    data.lines().map(|line| serde_json::from_str(line).unwrap())
}

#[test]
fn texts_are_printed_and_refused_as_judged() {
    let given: Value = serde_json::from_str(include_str!("data/avro_references.json")).unwrap();
    let given: Vec<(String, String)> = given
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()))
        .collect();
    let (mut printed, mut refused) = (0, 0);
    for case in lines(include_str!("data/avro_texts.jsonl")) {
        let text = case["text"].as_str().unwrap();
        let references = if case["refs"] == true { given.as_slice() } else { &[] };
        let schema = match Schema::parse(text, references) {
            Ok(schema) => schema,
            Err(error) => {
                assert_eq!(case["refused"], true, "{text} is refused: {error}");
                refused += 1;
                continue;
            }
        };
        assert_ne!(case["refused"], true, "{text} is accepted");
        let new = schema.check_defaults();
        assert_eq!(new.is_err(), case["refused_new"] == true, "{text} as new: {new:?}");
        let canonical = case["canonical"].as_str().unwrap();
        let or_canonical = |key: &str| case[key].as_str().unwrap_or(canonical);
        assert_eq!(schema.canonical(), canonical, "{text}");
        assert_eq!(schema.resolved(), or_canonical("resolved"), "{text}");
        // The registry fails to normalise a few schemas whose defaults do not fit.
        if case.get("normalized") != Some(&Value::Null) {
            assert_eq!(schema.normalized(), or_canonical("normalized"), "{text}");
        }
        let again = Schema::parse(&schema.resolved(), &[]);
        // A name of the null namespace cannot always be written inside another one.
        if let Ok(again) = again {
            assert_eq!(again.resolved(), schema.resolved(), "{text}");
        }
        printed += 1;
    }
    assert!(printed > 100 && refused > 30, "{printed} printed, {refused} refused");
}

fn told(found: &[Difference]) -> Vec<(String, String, String)> {
    let one = |one: &Difference| (one.rule.to_owned(), one.path.clone(), one.additional.clone().unwrap());
    found.iter().map(one).collect()
}

#[test]
fn pairs_are_compared_as_judged() {
    let mut seen = 0;
    for case in lines(include_str!("data/avro_pairs.jsonl")) {
        let schema = |index: usize| Schema::parse(case[index].as_str().unwrap(), &[]).unwrap();
        let judged: Vec<(String, String, String)> = serde_json::from_value(case[2].clone()).unwrap();
        let judged_forward: Vec<(String, String, String)> = serde_json::from_value(case[3].clone()).unwrap();
        let (old, new) = (schema(0), schema(1));
        let backward = compare(&new, &old, Reader::New, Policy::Strict);
        let forward = compare(&old, &new, Reader::Old, Policy::Strict);
        assert_eq!(told(&backward), judged, "BACKWARD {case}");
        assert_eq!(told(&forward), judged_forward, "FORWARD {case}");
        for schema in [&old, &new] {
            assert_eq!(
                compare(schema, schema, Reader::New, Policy::Strict),
                [],
                "{case} reads itself"
            );
        }
        // The other way round only the words change places.
        assert_eq!(
            told(&compare(&new, &old, Reader::Old, Policy::Strict)),
            judged,
            "{case}"
        );
        seen += 1;
    }
    assert!(seen > 300, "{seen}");
}
