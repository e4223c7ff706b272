//! Laws of JSON Schema compatibility, held against random schemas and random values.

use fastrand::Rng;
use rivulet_schema::difference::{Policy, Reader};
use rivulet_schema::json::{Schema, compare};
use serde_json::{Map, Value, json};

const DRAFTS: [&str; 5] = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn parse(value: &Value) -> Schema {
    Schema::parse(&value.to_string(), &[]).unwrap_or_else(|cause| panic!("{value}: {cause}"))
}

/// What makes random schemas.
struct Maker {
    rng: Rng,
    /// Whether tuples are `prefixItems`.
    modern: bool,
    /// Whether to keep to what registries compare soundly; see `known_holes` for what they do not.
    sound: bool,
}

impl Maker {
    fn maybe(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn one_of<T, const N: usize>(&mut self, from: [T; N]) -> T {
        let at = self.rng.usize(0..N);
        from.into_iter().nth(at).expect("there is something to choose from")
    }

    fn number(&mut self) -> Value {
        let numbers = [json!(0), json!(1), json!(2), json!(5), json!(2.5), json!(10), json!(-1)];
        self.one_of(numbers)
    }

    fn count(&mut self) -> Value {
        json!(self.rng.u32(0..5))
    }

    fn value(&mut self) -> Value {
        let values = [
            json!(1),
            json!(2),
            json!("a"),
            json!("b"),
            json!(null),
            json!(true),
            json!([1]),
            json!({"a": 1}),
        ];
        self.one_of(values)
    }

    /// A whole schema with definitions to refer to.
    fn root(&mut self, draft: &str) -> Value {
        let mut root = match self.schema(3) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let mut definitions = Map::new();
        for name in ["x", "y"] {
            let definition = match self.object(1) {
                Value::Object(members) => members,
                _ => Map::new(),
            };
            definitions.insert(name.to_owned(), Value::Object(definition));
        }
        root.insert("definitions".to_owned(), Value::Object(definitions));
        root.insert("$schema".to_owned(), json!(draft));
        Value::Object(root)
    }

    fn schema(&mut self, depth: u32) -> Value {
        match self.rng.u32(0..if depth == 0 { 6 } else { 14 }) {
            0 => json!({}),
            1 => self.text(),
            2 | 3 => self.numeric(),
            4 => json!({"type": self.one_of(["boolean", "null"])}),
            5 => {
                let count = self.rng.usize(1..4);
                let mut values: Vec<Value> = (0..count).map(|_| self.value()).collect();
                values.dedup();
                json!({ "enum": values })
            }
            6..=8 => self.object(depth - 1),
            9 | 10 => self.array(depth - 1),
            11 => {
                let third = if self.sound { "anyOf" } else { "oneOf" };
                let word = self.one_of(["anyOf", "allOf", third]);
                let count = self.rng.usize(1..4);
                json!({ word: (0..count).map(|_| self.schema(depth - 1)).collect::<Vec<_>>() })
            }
            12 => json!({"not": self.schema(depth - 1)}),
            _ => json!({"$ref": self.one_of(["#/definitions/x", "#/definitions/y"])}),
        }
    }

    fn text(&mut self) -> Value {
        let mut schema = json!({"type": "string"});
        for key in ["minLength", "maxLength"] {
            if self.maybe(40) {
                schema[key] = self.count();
            }
        }
        if self.maybe(20) {
            schema["pattern"] = json!(self.one_of(["^a", "b$"]));
        }
        schema
    }

    fn numeric(&mut self) -> Value {
        let mut schema = json!({"type": self.one_of(["integer", "number"])});
        for key in ["minimum", "maximum"] {
            if self.maybe(40) {
                schema[key] = self.number();
            }
        }
        if self.maybe(30) {
            schema["multipleOf"] = self.one_of([json!(1), json!(2), json!(0.5), json!(5)]);
        }
        schema
    }

    fn object(&mut self, depth: u32) -> Value {
        let mut schema = json!({"type": "object"});
        let named: Vec<&str> = NAMES.into_iter().filter(|_| self.rng.bool()).collect();
        let mut properties = Map::new();
        for name in &named {
            let mut property = self.schema(depth);
            if self.sound && property == json!({}) {
                property = json!({"type": "boolean"});
            }
            if !self.sound && self.maybe(20) && property.is_object() {
                property["default"] = self.value();
            }
            properties.insert((*name).to_owned(), property);
        }
        schema["properties"] = Value::Object(properties);
        let among: &[&str] = if self.sound { &named } else { &NAMES };
        let required: Vec<&&str> = among.iter().filter(|_| self.rng.u32(0..3) == 0).collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        match self.rng.u32(0..4) {
            0 => schema["additionalProperties"] = json!(false),
            1 => schema["additionalProperties"] = self.schema(depth.min(1)),
            _ => {}
        }
        for key in ["minProperties", "maxProperties"] {
            if self.maybe(15) {
                schema[key] = self.count();
            }
        }
        if !self.sound && self.maybe(20) {
            schema["propertyNames"] = self.text();
            schema["patternProperties"] = json!({"^a": self.schema(0)});
        }
        schema
    }

    fn array(&mut self, depth: u32) -> Value {
        let mut schema = json!({"type": "array"});
        match self.rng.u32(0..3) {
            0 => schema["items"] = self.schema(depth),
            1 => {
                let first: Vec<Value> = (0..self.rng.usize(1..3)).map(|_| self.schema(depth)).collect();
                let (tuple, rest) = if self.modern {
                    ("prefixItems", "items")
                } else {
                    ("items", "additionalItems")
                };
                schema[tuple] = json!(first);
                match self.rng.u32(0..3) {
                    0 => schema[rest] = json!(false),
                    1 => schema[rest] = self.schema(0),
                    _ => {}
                }
            }
            _ => {}
        }
        for key in ["minItems", "maxItems"] {
            if self.maybe(20) {
                schema[key] = self.count();
            }
        }
        if self.maybe(20) {
            schema["uniqueItems"] = json!(true);
        }
        schema
    }

    /// A schema that differs from this one here and there.
    fn changed(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut changed = Map::new();
                for (key, value) in members {
                    let kept =
                        ["$schema", "definitions", "type", "required", "properties", "x", "y"].contains(&key.as_str());
                    if kept || !self.maybe(8) {
                        changed.insert(key.clone(), self.changed_member(key, value));
                    }
                }
                Value::Object(changed)
            }
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(|item| self.changed(item)).collect();
                if items.len() > 1 && self.maybe(15) {
                    items.remove(self.rng.usize(0..items.len()));
                }
                Value::Array(items)
            }
            other => other.clone(),
        }
    }

    fn changed_member(&mut self, key: &str, value: &Value) -> Value {
        match (key, value) {
            ("$schema" | "$ref", _) => value.clone(),
            ("required", Value::Array(names)) => {
                json!(names.iter().filter(|_| self.rng.u32(0..6) > 0).collect::<Vec<_>>())
            }
            ("enum", Value::Array(values)) => {
                let mut values = values.clone();
                if self.maybe(20) {
                    let value = self.value();
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                Value::Array(values)
            }
            ("multipleOf", _) if self.maybe(20) => self.one_of([json!(1), json!(2), json!(4)]),
            ("type", Value::String(word)) if word == "integer" && self.maybe(20) => json!("number"),
            (_, Value::Number(_)) if key != "multipleOf" && self.maybe(20) => self.count(),
            _ => self.changed(value),
        }
    }

    fn instance(&mut self, depth: u32) -> Value {
        match self.rng.u32(0..if depth == 0 { 4 } else { 8 }) {
            0 => self.number(),
            1 => json!(self.one_of(["", "a", "b", "ab", "aab", "abcdef"])),
            2 | 3 => self.value(),
            4..=6 => {
                let named: Vec<&str> = NAMES.into_iter().filter(|_| self.rng.bool()).collect();
                let members = named
                    .into_iter()
                    .map(|name| (name.to_owned(), self.instance(depth - 1)));
                Value::Object(members.collect())
            }
            _ => {
                let count = self.rng.usize(0..4);
                Value::Array((0..count).map(|_| self.instance(depth - 1)).collect())
            }
        }
    }
}

fn pairs(seed: u64, count: usize, sound: bool, mut check: impl FnMut(&mut Maker, &Value, &Value)) {
    for at in 0..count {
        let draft = DRAFTS[at % DRAFTS.len()];
        let mut maker = Maker {
            rng: Rng::with_seed(seed + at as u64),
            modern: at % DRAFTS.len() > 2,
            sound,
        };
        let old = maker.root(draft);
        let new = if maker.maybe(80) {
            maker.changed(&old)
        } else {
            maker.root(draft)
        };
        check(&mut maker, &old, &new);
    }
}

#[test]
fn every_schema_is_compatible_with_itself() {
    pairs(1, 800, false, |_, old, _| {
        let (one, other) = (parse(old), parse(old));
        for policy in [Policy::Strict, Policy::Lenient, Policy::Logical] {
            assert_eq!(compare(&one, &other, Reader::New, policy), [], "{old}");
        }
    });
}

#[test]
fn backward_is_forward_the_other_way_round() {
    pairs(2, 600, false, |_, old, new| {
        let (old_schema, new_schema) = (parse(old), parse(new));
        for policy in [Policy::Strict, Policy::Lenient] {
            let backward = compare(&new_schema, &old_schema, Reader::New, policy);
            let forward = compare(&new_schema, &old_schema, Reader::Old, policy);
            assert_eq!(backward.len(), forward.len());
            for (backward, forward) in backward.iter().zip(&forward) {
                assert_eq!((backward.rule, &backward.path), (forward.rule, &forward.path));
                let swapped = forward
                    .description
                    .replace("new", "\0")
                    .replace("old", "new")
                    .replace('\0', "old");
                assert_eq!(backward.description, swapped);
            }
        }
    });
}

#[test]
fn lenient_finds_nothing_that_strict_does_not() {
    pairs(3, 600, false, |_, old, new| {
        let (old_schema, new_schema) = (parse(old), parse(new));
        let strict = compare(&new_schema, &old_schema, Reader::New, Policy::Strict);
        let lenient = compare(&new_schema, &old_schema, Reader::New, Policy::Lenient);
        assert!(
            strict.len() >= lenient.len() || strict.is_empty() == lenient.is_empty(),
            "{old} {new}"
        );
        assert!(!strict.is_empty() || lenient.is_empty(), "{old} {new}");
    });
}

#[test]
fn texts_are_read_back() {
    pairs(4, 300, false, |_, old, _| {
        let schema = parse(old);
        let (canonical, normalized) = (schema.canonical(), schema.normalized());
        assert_eq!(Schema::parse(&canonical, &[]).unwrap().canonical(), canonical);
        assert_eq!(Schema::parse(&normalized, &[]).unwrap().normalized(), normalized);
        assert_eq!(serde_json::from_str::<Value>(&canonical).unwrap(), *old);
    });
}

#[test]
fn what_the_old_schema_takes_the_new_one_takes() {
    let (mut compatible, mut valid) = (0, 0);
    pairs(5, 1_000, true, |maker, old, new| {
        let (old_schema, new_schema) = (parse(old), parse(new));
        if old == new || !compare(&new_schema, &old_schema, Reader::New, Policy::Strict).is_empty() {
            return;
        }
        let (Ok(old_check), Ok(new_check)) = (old_schema.validator(), new_schema.validator()) else {
            return;
        };
        compatible += 1;
        for _ in 0..20 {
            let instance = maker.instance(3).to_string();
            if old_check.check(instance.as_bytes()).is_ok() {
                valid += 1;
                let read = new_check.check(instance.as_bytes());
                assert_eq!(read, Ok(()), "{instance} is valid under\n{old}\nbut not under\n{new}");
            }
        }
    });
    assert!(
        compatible > 80 && valid > 400,
        "only {compatible} pairs and {valid} values"
    );
}

/// Changes that registries call compatible although the new schema refuses a value that the old one took. They are
/// followed here because their verdicts are; the test above keeps clear of them.
#[test]
fn known_holes() {
    for (why, old, new, instance) in [
        (
            "conditions are not looked into",
            json!({"if": {"minimum": 1}, "then": {"maximum": 9}}),
            json!({"if": {"minimum": 1}, "then": {"maximum": 5}}),
            json!(7),
        ),
        (
            "names of properties are not looked at",
            json!({"type": "object"}),
            json!({"type": "object", "propertyNames": {"maxLength": 1}}),
            json!({"ab": 1}),
        ),
        (
            "nor is what an array must contain",
            json!({"type": "array"}),
            json!({"type": "array", "contains": {"type": "string"}}),
            json!([1]),
        ),
        (
            "nor patterns of names, but for properties that come and go",
            json!({"type": "object"}),
            json!({"type": "object", "patternProperties": {"^a": {"type": "string"}}}),
            json!({"a": 1}),
        ),
        (
            "nor formats",
            json!({"type": "string"}),
            json!({"type": "string", "format": "ipv4"}),
            json!("a"),
        ),
        (
            "requiring a property that has no schema",
            json!({"type": "object"}),
            json!({"type": "object", "required": ["a"]}),
            json!({}),
        ),
        (
            "a required property may be missing if it has a default",
            json!({"type": "object", "properties": {"a": {"type": "string", "default": ""}}}),
            json!({"type": "object", "properties": {"a": {"type": "string", "default": ""}}, "required": ["a"]}),
            json!({}),
        ),
        (
            "a property that may be anything may be required",
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"a": {}}, "required": ["a"]}),
            json!({}),
        ),
        (
            "keywords count as if the type were named",
            json!({"minLength": 1}),
            json!({"type": "string", "minLength": 1}),
            json!(1),
        ),
        (
            "one more alternative may be the second that fits",
            json!({"oneOf": [{"type": "integer"}]}),
            json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
            json!(1),
        ),
        (
            "an exclusive maximum is held against the new maximum",
            json!({"type": "number", "exclusiveMaximum": 10, "maximum": 20}),
            json!({"type": "number", "exclusiveMaximum": 5, "maximum": 20}),
            json!(7),
        ),
        (
            "flags of draft 4 are not looked at",
            json!({"$schema": DRAFTS[0], "type": "number", "maximum": 4}),
            json!({"$schema": DRAFTS[0], "type": "number", "maximum": 4, "exclusiveMaximum": true}),
            json!(4),
        ),
        (
            "of a reference to a reference only the first is followed",
            json!({"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"type": "string"}}}),
            json!({"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"type": "null"}}}),
            json!("a"),
        ),
        (
            "bytes of Connect count as equal whatever they are written as",
            json!({"type": "string", "connect.type": "bytes"}),
            json!({"type": "number", "connect.type": "bytes"}),
            json!("a"),
        ),
        (
            "newer drafts: alternatives of several kinds come apart",
            json!({"$schema": DRAFTS[4], "anyOf": [{"type": "string"}, {"type": "null"}]}),
            json!({"$schema": DRAFTS[4], "anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
            json!("b"),
        ),
    ] {
        let (old_schema, new_schema) = (parse(&old), parse(&new));
        let found = compare(&new_schema, &old_schema, Reader::New, Policy::Strict);
        assert_eq!(found, [], "{why}");
        let payload = instance.to_string();
        assert_eq!(
            old_schema.validator().unwrap().check(payload.as_bytes()),
            Ok(()),
            "{why}"
        );
        assert!(
            new_schema.validator().unwrap().check(payload.as_bytes()).is_err(),
            "{why}"
        );
    }
}
