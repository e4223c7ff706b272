//! Canonical text, refusals and the compatibility rules of Protobuf, each as a table.

use super::Schema;
use crate::difference::{Difference, Policy, Reader};

fn schema(text: &str) -> Schema {
    Schema::parse(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn can_read(reader: &Schema, writer: &Schema) -> Vec<Difference> {
    super::compare(reader, writer, Reader::New, Policy::Strict)
}

#[test]
fn text_and_descriptor_are_both_read() {
    let text = "syntax = \"proto3\"; package p; message Order { string id = 1; repeated double total = 2; }";
    let first = schema(text);
    let again = schema(&first.serialized());
    assert_eq!(again.canonical(), first.canonical());
    assert!(can_read(&again, &first).is_empty());
}

#[test]
fn what_is_no_schema_is_refused_with_its_cause() {
    for (text, cause) in [
        ("message {", "Syntax error in :1:"),
        ("!!!", "Syntax error in :1:1: expected a word"),
        ("syntax = \"proto4\";", "unexpected syntax: proto4"),
        ("edition = \"2023\";", "edition is not currently supported"),
        ("message A { string a = 1; }", "unexpected label: string"),
        (
            "syntax = \"proto3\"; message A { required int32 a = 1; }",
            "forbidden in proto3",
        ),
        (
            "syntax = \"proto3\"; message A { map<float, int32> a = 1; }",
            "map key must be",
        ),
        (
            "syntax = \"proto3\"; message A {} message A {}",
            "A (:1:33) is already defined at :1:20",
        ),
        (
            "syntax = \"proto3\"; message A { B b = 1; }",
            "Could not resolve type: B",
        ),
        (
            "syntax = \"proto3\"; import \"b.proto\"; message A { B b = 1; }",
            "no reference has the name of the import `b.proto`",
        ),
        (
            "syntax = \"proto3\"; service S { rpc R (A) returns (A); }",
            "Could not resolve type: A",
        ),
    ] {
        let error = Schema::parse(text, &[])
            .err()
            .unwrap_or_else(|| panic!("{text} was accepted"));
        assert!(error.contains(cause), "{text}: `{error}` should say `{cause}`");
    }
    for (open, close) in [("message A {", "}"), ("option (o) = ", ";"), ("option (o) = {a: ", "}")] {
        let deep = format!("{}{}", open.repeat(5_000), close.repeat(5_000));
        assert!(Schema::parse(&deep, &[]).is_err());
    }
    let lists = format!("option (o) = {}1{};", "[".repeat(50_000), "]".repeat(50_000));
    assert!(Schema::parse(&lists, &[]).is_err());
}

/// A descriptor may nest as deeply as its library reads it: that has to be printed, resolved and written again.
#[test]
fn a_deep_descriptor_is_read_or_refused() {
    use super::descriptor::BASE64;
    use super::descriptor_proto::{FileProto, MessageProto};
    use base64::Engine;
    use prost::Message;

    let mut read = 0;
    for depth in [10, 60, 90, 98, 99, 100, 150] {
        let innermost = MessageProto {
            name: Some("Innermost".to_owned()),
            ..MessageProto::default()
        };
        let message = (0..depth).fold(innermost, |inner, number| MessageProto {
            name: Some(format!("M{number}")),
            nested_type: vec![inner],
            ..MessageProto::default()
        });
        let file = FileProto {
            message_type: vec![message],
            ..FileProto::default()
        };
        if let Ok(schema) = Schema::parse(&BASE64.encode(file.encode_to_vec()), &[]) {
            assert!(schema.normalized().len() + schema.serialized().len() > depth);
            assert!(can_read(&schema, &schema).is_empty());
            assert!(schema.check_payload(&[0]).is_ok());
            read += 1;
        }
    }
    assert!(read >= 2, "{read} were read");
}
