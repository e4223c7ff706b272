//! Canonical text, refusals and the compatibility rules, each as a table.

use super::Schema;
use crate::difference::{Difference, Policy, Reader};

fn can_read(reader: &Schema, writer: &Schema) -> Vec<Difference> {
    super::compare(reader, writer, Reader::New, Policy::Strict)
}

fn schema(text: &str) -> Schema {
    Schema::parse(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn canonical_text_is_that_of_the_java_library() {
    for (text, canonical) in [
        (r#"{"type":"string"}"#, r#""string""#),
        (
            r#" { "type" : "int", "logicalType" : "date" } "#,
            r#"{"type":"int","logicalType":"date"}"#,
        ),
        (
            r#"{"namespace":"a.b","name":"R","type":"record","extra":1,"fields":[{"type":{"type":"long"},"name":"x","default":3,"doc":"d"}]}"#,
            r#"{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"x","type":"long","doc":"d","default":3}],"extra":1}"#,
        ),
        (
            r#"{"type":"record","name":"a.b.R","fields":[{"name":"e","type":{"type":"enum","name":"a.b.E","symbols":["A"]}},{"name":"f","type":["null","a.b.E"]},{"name":"self","type":["null","R"],"default":null}]}"#,
            r#"{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"f","type":["null","E"]},{"name":"self","type":["null","R"],"default":null}]}"#,
        ),
    ] {
        assert_eq!(schema(text).canonical(), canonical);
        assert_eq!(
            schema(canonical).canonical(),
            canonical,
            "canonical text is its own canonical text"
        );
    }
}

#[test]
fn a_referenced_type_prints_as_its_name() {
    let part = (
        "p".to_owned(),
        r#"{"type":"record","name":"x.P","fields":[]}"#.to_owned(),
    );
    let whole = r#"{"type":"record","name":"x.W","fields":[{"name":"p","type":"x.P"}]}"#;
    assert!(Schema::parse(whole, &[]).is_err());
    let canonical = Schema::parse(whole, &[part]).unwrap().canonical();
    assert_eq!(
        canonical,
        r#"{"type":"record","name":"W","namespace":"x","fields":[{"name":"p","type":"P"}]}"#
    );
}

#[test]
fn what_is_no_schema_is_refused_with_its_cause() {
    for (text, cause) in [
        ("{", "not JSON"),
        (r#"{"type":"string"}{"type":"int"}"#, "several JSON documents"),
        (r#""strin""#, "undefined name: `strin`"),
        (r#"{"type":"record","name":"R"}"#, "list of `fields`"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a b","type":"int"}]}"#,
            "illegal field name `a b`",
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "duplicate field `a`",
        ),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "lists `A` twice"),
        (r#"["int","int"]"#, "holds `int` twice"),
        (r#"["int",["null"]]"#, "another union"),
        (r#"{"type":"fixed","name":"F"}"#, "`size`"),
        (r#"{"type":"array"}"#, "needs `items`"),
        ("3", "is no type"),
    ] {
        let error = Schema::parse(text, &[])
            .err()
            .unwrap_or_else(|| panic!("{text} was accepted"))
            .to_string();
        assert!(error.contains(cause), "{text}: `{error}` should say `{cause}`");
    }
    let deep = format!(
        "{}\"int\"{}",
        r#"{"type":"array","items":"#.repeat(120),
        "}".repeat(120)
    );
    assert!(Schema::parse(&deep, &[]).is_err(), "120 levels are too many");
}

#[test]
fn defaults_must_fit_their_types() {
    let record = |ty: &str, default: &str| {
        schema(&format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{ty},"default":{default}}}]}}"#
        ))
    };
    for (ty, default, fits) in [
        (r#""int""#, "1", true),
        (r#""int""#, "\"1\"", false),
        (r#""int""#, "3000000000", false),
        (r#"["null","int"]"#, "null", true),
        (r#"{"type":"array","items":"int"}"#, "[1,2]", true),
        (r#"{"type":"array","items":"int"}"#, "[1,true]", false),
        (r#"{"type":"fixed","name":"F","size":2}"#, "\"ab\"", true),
        // The Java library does not count.
        (r#"{"type":"fixed","name":"F","size":2}"#, "\"abc\"", true),
        (r#"{"type":"fixed","name":"F","size":2}"#, "7", false),
    ] {
        assert_eq!(
            record(ty, default).check_defaults().is_ok(),
            fits,
            "{ty} default {default}"
        );
    }
}

#[test]
fn a_reader_reads_what_avros_rules_allow() {
    let with = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let a = r#"{"name":"a","type":"int"}"#;
    let b = r#"{"name":"b","type":"int"}"#;
    for (reader, writer, rule) in [
        (
            with(&format!(r#"{a},{{"name":"b","type":"int","default":0}}"#)),
            with(a),
            None,
        ),
        (with(a), with(&format!("{a},{b}")), None),
        (
            with(&format!("{a},{b}")),
            with(a),
            Some("READER_FIELD_MISSING_DEFAULT_VALUE"),
        ),
        (
            with(&format!(r#"{a},{{"name":"b","type":["null","int"]}}"#)),
            with(a),
            Some("READER_FIELD_MISSING_DEFAULT_VALUE"),
        ),
        (with(r#"{"name":"b","aliases":["a"],"type":"int"}"#), with(a), None),
        (with(r#"{"name":"a","type":"long"}"#), with(a), None),
        (with(a), with(r#"{"name":"a","type":"long"}"#), Some("TYPE_MISMATCH")),
        (r#""bytes""#.into(), r#""string""#.into(), None),
        (r#"["null","int"]"#.into(), r#""int""#.into(), None),
        (r#""int""#.into(), r#"["null","int"]"#.into(), Some("TYPE_MISMATCH")),
        (
            r#"["int"]"#.into(),
            r#"["int","string"]"#.into(),
            Some("MISSING_UNION_BRANCH"),
        ),
        (r#"["double","string"]"#.into(), r#"["int","string"]"#.into(), None),
        (
            r#"{"type":"enum","name":"E","symbols":["A"]}"#.into(),
            r#"{"type":"enum","name":"E","symbols":["A","B"]}"#.into(),
            Some("MISSING_ENUM_SYMBOLS"),
        ),
        (
            r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#.into(),
            r#"{"type":"enum","name":"E","symbols":["A","B"]}"#.into(),
            None,
        ),
        (
            r#"{"type":"fixed","name":"F","size":2}"#.into(),
            r#"{"type":"fixed","name":"F","size":3}"#.into(),
            Some("FIXED_SIZE_MISMATCH"),
        ),
        (
            r#"{"type":"record","name":"x.R","fields":[]}"#.into(),
            r#"{"type":"record","name":"y.R","fields":[]}"#.into(),
            None,
        ),
        (
            r#"{"type":"record","name":"S","fields":[]}"#.into(),
            r#"{"type":"record","name":"R","fields":[]}"#.into(),
            Some("NAME_MISMATCH"),
        ),
        (
            r#"{"type":"record","name":"S","aliases":["R"],"fields":[]}"#.into(),
            r#"{"type":"record","name":"R","fields":[]}"#.into(),
            None,
        ),
    ] {
        let found = can_read(&schema(&reader), &schema(&writer));
        assert_eq!(
            found.first().map(|one| one.rule),
            rule,
            "reader {reader} writer {writer}: {found:?}"
        );
        assert!(
            can_read(&schema(&reader), &schema(&reader)).is_empty(),
            "a schema reads itself: {reader}"
        );
    }
}

#[test]
fn recursive_types_compare() {
    let list =
        r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}"#;
    let longer = list.replace("\"int\"", "\"long\"");
    assert!(can_read(&schema(&longer), &schema(list)).is_empty());
    assert!(!can_read(&schema(list), &schema(&longer)).is_empty());
}
