//! Protobuf schemas against the verdicts of Confluent's registry: our own texts, with what it said of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use rivulet_schema::difference::{Difference, Policy, Reader};
use rivulet_schema::protobuf::{Schema, compare};
use serde_json::Value;

type References = Vec<(String, String)>;

fn lines(data: &str) -> impl Iterator<Item = Value> {
    data.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn pairs(list: &Value) -> References {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = list.as_array().into_iter().flatten();
    list.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// A descriptor without the scopes of the types its fields name. Confluent's registry gives names as they are written,
/// which clients that resolve no names cannot read; ours are in full.
fn descriptor(base64: &str) -> FileDescriptorProto {
    let bytes = STANDARD.decode(base64).unwrap();
    let mut file = FileDescriptorProto::decode(bytes.as_slice()).unwrap();
    let bare = |field: &mut FieldDescriptorProto| {
        let name = field.type_name.as_mut();
        name.into_iter()
            .for_each(|name| *name = name.rsplit('.').next().unwrap().to_owned());
    };
    fn each(message: &mut DescriptorProto, bare: &impl Fn(&mut FieldDescriptorProto)) {
        message.field.iter_mut().chain(&mut message.extension).for_each(bare);
        message.nested_type.iter_mut().for_each(|nested| each(nested, bare));
    }
    file.message_type.iter_mut().for_each(|message| each(message, &bare));
    file.extension.iter_mut().for_each(bare);
    file
}

#[test]
fn texts_are_printed_and_refused_as_judged() {
    let given: Value = serde_json::from_str(include_str!("data/protobuf_references.json")).unwrap();
    let given: References = given
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()))
        .collect();
    let (mut printed, mut refused) = (0, 0);
    for case in lines(include_str!("data/protobuf_texts.jsonl")) {
        let text = case["text"].as_str().unwrap();
        let references = if case["refs"] == true { given.as_slice() } else { &[] };
        match (Schema::parse(text, references), case["error"].as_str()) {
            (Err(error), Some(judged)) => {
                assert!(
                    error.starts_with(judged),
                    "{text}\nis refused with\n{error}\nnot\n{judged}"
                );
                refused += 1;
            }
            (Ok(schema), None) => {
                let canonical = case["canonical"].as_str().unwrap();
                let or_canonical = |key: &str| case[key].as_str().unwrap_or(canonical);
                assert_eq!(schema.canonical(), canonical, "{text}");
                assert_eq!(schema.normalized(), or_canonical("normalized"), "{text}");
                assert_eq!(schema.without_extensions(), or_canonical("ignore_extensions"), "{text}");
                if let Some(serialized) = case["serialized"].as_str() {
                    assert_eq!(descriptor(&schema.serialized()), descriptor(serialized), "{text}");
                }
                let again = Schema::parse(&schema.normalized(), references).unwrap();
                assert!(
                    compare(&again, &schema, Reader::New, Policy::Strict).is_empty(),
                    "{text}"
                );
                printed += 1;
            }
            (Ok(_), Some(judged)) => panic!("{text}\nis accepted, not refused with\n{judged}"),
            (Err(error), None) => panic!("{text}\nis refused with\n{error}"),
        }
    }
    assert!(printed > 150 && refused > 35, "{printed} printed, {refused} refused");
}

fn rules(found: &[Difference]) -> Vec<(String, String)> {
    found
        .iter()
        .map(|one| (one.rule.to_owned(), one.path.clone()))
        .collect()
}

#[test]
fn pairs_are_compared_as_judged() {
    let mut seen = 0;
    for case in lines(include_str!("data/protobuf_pairs.jsonl")) {
        let text = |index: usize| case[index].as_str().unwrap();
        // A pair of the table may hold a text that a registry would not take today: it compares all the same.
        let parse = |index: usize, references: &Value| {
            Schema::parse_unresolved(text(index), &pairs(references)).unwrap_or_else(|error| panic!("{case}: {error}"))
        };
        let (old, new) = (parse(0, &case[4]), parse(1, &case[5]));
        let backward = compare(&new, &old, Reader::New, Policy::Strict);
        let forward = compare(&old, &new, Reader::Old, Policy::Strict);
        assert_eq!(rules(&backward), pairs(&case[2]), "BACKWARD {case}");
        assert_eq!(rules(&forward), pairs(&case[3]), "FORWARD {case}");
        for schema in [&old, &new] {
            assert_eq!(
                compare(schema, schema, Reader::New, Policy::Strict),
                [],
                "{case} reads itself"
            );
        }
        // The other way round only the words change places.
        assert_eq!(
            rules(&compare(&new, &old, Reader::Old, Policy::Strict)),
            rules(&backward),
            "{case}"
        );
        for one in backward.iter().chain(&forward) {
            assert!(
                one.description.contains(&one.path) && one.description.contains("old schema"),
                "{one:?}"
            );
        }
        seen += 1;
    }
    assert!(seen >= 250, "{seen}");
}

/// The table has a row for each type a field had and a column for each type it has now.
#[test]
fn every_change_of_type_is_judged() {
    let rows: Vec<(&str, Vec<&str>)> = include_str!("data/protobuf_types.txt")
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(cells, ty)| (ty.trim(), cells.split_whitespace().collect()))
        .collect();
    let with = |ty: &str| {
        let text = format!("syntax = \"proto3\"; message A {{ {ty} f = 1; enum E {{ X = 0; }} message B {{}} }}");
        Schema::parse(&text, &[]).unwrap()
    };
    for (old, cells) in &rows {
        for ((new, _), cell) in rows.iter().zip(cells) {
            let found = compare(&with(new), &with(old), Reader::New, Policy::Strict);
            let letters: String = found
                .iter()
                .map(|one| match one.rule {
                    "FIELD_KIND_CHANGED" => 'K',
                    "FIELD_SCALAR_KIND_CHANGED" => 'S',
                    "FIELD_NAMED_TYPE_CHANGED" => 'N',
                    other => panic!("{other}"),
                })
                .collect();
            let letters = if letters.is_empty() { "." } else { &letters };
            assert_eq!(letters, *cell, "{old} to {new}");
        }
    }
    assert_eq!(rows.len(), 19);
}
