//! Texts of a megabyte that are made to be slow or deep: each is read or refused, and what is read is printed and
//! compared, without exhausting the stack or anyone's patience.

use rivulet_schema::difference::{Policy, Reader};
use rivulet_schema::{avro, logical, protobuf};

const SIZE: usize = 60_000;

/// Text of about the size, from its parts.
fn fill(part: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() > SIZE {
            break;
        }
        text.push_str(&part(number));
    }
    text
}

fn try_protobuf(name: &str, text: &str) {
    if let Ok(schema) = protobuf::Schema::parse(text, &[]) {
        let printed = schema.normalized().len() + schema.canonical().len();
        assert!(
            printed < 100 * SIZE && !schema.serialized().is_empty(),
            "{name}: {printed}"
        );
        let found = protobuf::compare(&schema, &schema, Reader::New, Policy::Strict);
        assert!(found.is_empty(), "{name} reads itself");
        let _fits_or_not = schema.check_payload(&[0; 64]).is_ok();
    }
}

#[test]
fn protobuf_is_read_or_refused() {
    let syntax = "syntax = \"proto3\"; ";
    let message = |body: String| format!("{syntax}message A {{ {body} }}");
    let deep = "message A { ".repeat(60);
    let long = "x".repeat(900);
    for (name, text) in [
        (
            "many messages",
            format!("{syntax}{}", fill(|n| format!("message M{n} {{ M{} x = 1; }}", n / 2))),
        ),
        (
            "many services",
            format!("{syntax}{}", fill(|n| format!("service S{n} {{}}"))),
        ),
        ("many fields", message(fill(|n| format!("int32 f{n} = {n};")))),
        (
            "many oneofs",
            message(fill(|n| format!("oneof o{n} {{ int32 f{n} = {n}; }}"))),
        ),
        (
            "one wide oneof",
            message(format!("oneof o {{ {} }}", fill(|n| format!("A f{n} = {n};")))),
        ),
        ("many maps", message(fill(|n| format!("map<string, A> f{n} = {n};")))),
        (
            "many reserved",
            message(format!("reserved {}1;", fill(|n| format!("{n},")))),
        ),
        (
            "many extends",
            format!(
                "{syntax}message A {{}} {}",
                fill(|n| format!("extend A {{ int32 f{n} = {n}; }}"))
            ),
        ),
        (
            "many imports",
            format!("{syntax}{}", fill(|n| format!("import \"f{n}.proto\";"))),
        ),
        (
            "many options",
            format!("{syntax}{}", fill(|n| format!("option (o).tags = \"{n}\";"))),
        ),
        (
            "some options of one name",
            message(format!(
                "option (o) = 1; {}",
                (0..900)
                    .map(|n| format!("option (confluent.message_meta).tags = \"{n}\";"))
                    .collect::<String>()
            )),
        ),
        (
            "many entries",
            format!("{syntax}option (o) = {{ {} }};", fill(|n| format!("k{n}: 1 "))),
        ),
        (
            "many parts",
            format!("{syntax}option (o){} = 1;", ".a".repeat(SIZE / 2)),
        ),
        (
            "a long list",
            format!("{syntax}option (o) = [{}1];", fill(|n| format!("{n},"))),
        ),
        (
            "long names",
            format!(
                "{syntax}package p; message {long} {{ {} }}",
                fill(|n| format!("{long} f{n} = {n};"))
            ),
        ),
        ("too long a name", format!("{syntax}message {} {{}}", "x".repeat(SIZE))),
        (
            "a long package",
            format!("{syntax}package a{}; message A {{ A x = 1; }}", ".a".repeat(SIZE / 2)),
        ),
        (
            "deep messages",
            format!(
                "{syntax}{deep}{} {}",
                fill(|n| format!("A f{n} = {n};")),
                "}".repeat(60)
            ),
        ),
        (
            "too deep messages",
            format!("{syntax}{}", "message A { ".repeat(SIZE / 12)),
        ),
        ("deep groups", "message A { optional group G = 1 { ".repeat(SIZE / 40)),
        (
            "deep maps",
            message(format!("{}int32 f = 1;", "map<int32, ".repeat(SIZE / 12))),
        ),
        ("an open comment", format!("{syntax}/*{}", "* /".repeat(SIZE / 3))),
        (
            "an open string",
            format!("{syntax}import \"{}", "\\x4".repeat(SIZE / 4)),
        ),
        ("many strings", format!("{syntax}import {};", "\"\" ".repeat(SIZE / 3))),
        (
            "nested brackets",
            format!("{syntax}option (o) = {}", "[{a:".repeat(SIZE / 4)),
        ),
        ("words", "a.b-c ".repeat(SIZE / 6)),
        ("base64", "CgdkZWZhdWx0".repeat(SIZE / 12)),
    ] {
        try_protobuf(name, &text);
    }
}

/// Two files whose referenced messages hold one another in every way: comparing each pair once has to do.
#[test]
fn references_that_hold_one_another_are_compared_once() {
    let levels = |leaf: &str| {
        let levels = (0..300).map(|n| {
            format!(
                "message L{n} {{ L{0} a = 1; L{0} b = 2; map<string, L{0}> c = 3; }}",
                n + 1
            )
        });
        format!(
            "syntax = \"proto3\"; package r; {} message L300 {{ {leaf} x = 1; }}",
            levels.collect::<String>()
        )
    };
    let schema = |leaf: &str| {
        let text = "syntax = \"proto3\"; import \"r.proto\"; message A { r.L0 a = 1; }";
        protobuf::Schema::parse(text, &[("r.proto".to_owned(), levels(leaf))])
    };
    let (Ok(old), Ok(new)) = (schema("int32"), schema("string")) else {
        panic!("both are schemas");
    };
    assert!(protobuf::compare(&old, &old, Reader::New, Policy::Strict).is_empty());
    let found = protobuf::compare(&new, &old, Reader::New, Policy::Strict);
    assert!(found.iter().any(|one| one.rule == "FIELD_SCALAR_KIND_CHANGED"));
}

fn try_avro(name: &str, text: &str) {
    if let Ok(schema) = avro::Schema::parse(text, &[]) {
        assert!(
            !schema.canonical().is_empty() && !schema.normalized().is_empty(),
            "{name}"
        );
        let found = avro::compare(&schema, &schema, Reader::New, Policy::Strict);
        assert!(found.is_empty(), "{name} reads itself: {:?}", found.first());
        let _new_or_not = schema.check_defaults().is_ok();
        let _table_or_not = logical::invalid(&schema).is_empty();
        let moved = logical::incompatible(&schema, &schema, Reader::New);
        assert!(moved.is_empty(), "{name} holds itself: {:?}", moved.first());
        let _fits_or_not = schema.check_payload(&[0; 64]).is_ok();
    }
}

#[test]
fn avro_is_read_or_refused() {
    let record = |fields: String| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let list = |part: &dyn Fn(usize) -> String| {
        let text = fill(|n| format!("{},", part(n)));
        text.trim_end_matches(',').to_owned()
    };
    let named = |n: usize, inside: &str| format!(r#"{{"type":"record","name":"N{n}","fields":[{inside}]}}"#);
    let next = |n: usize| {
        format!(
            r#"{{"name":"a","type":"N{0}"}},{{"name":"b","type":["null","N{0}"]}}"#,
            n + 1
        )
    };
    let chain: Vec<String> = (0..240).map(|n| named(n, &next(n))).collect();
    // Rings of 20 and of 21 types: from each type of one to each of the other there is a way.
    let ring = |name: &'static str, length: usize| -> Vec<String> {
        let one = |n: usize| {
            let next = (n + 1) % length;
            format!(r#"{{"type":"record","name":"{name}{n}","fields":[{{"name":"a","type":"{name}{next}"}}]}}"#)
        };
        (0..length).map(one).collect()
    };
    let rings = [ring("P", 20), ring("Q", 21)].concat().join(",");
    let long_chain: Vec<String> = (0..5_000).map(|n| named(n, &next(n))).collect();
    for (name, text) in [
        (
            "many fields",
            record(list(&|n| format!(r#"{{"name":"f{n}","type":"int"}}"#))),
        ),
        (
            "one field often",
            record(list(&|_| r#"{"name":"f","type":"int"}"#.to_owned())),
        ),
        (
            "many symbols",
            format!(
                r#"{{"type":"enum","name":"E","symbols":[{}]}}"#,
                list(&|n| format!("\"s{n}\""))
            ),
        ),
        (
            "many aliases",
            format!(
                r#"{{"type":"fixed","name":"F","size":1,"aliases":[{}]}}"#,
                list(&|n| format!("\"s{n}\""))
            ),
        ),
        (
            "many branches",
            format!(
                "[{}]",
                list(&|n| format!(r#"{{"type":"fixed","name":"F{n}","size":1}}"#))
            ),
        ),
        (
            "many properties",
            format!(r#"{{"type":"int",{}}}"#, list(&|n| format!("\"p{n}\":{n}"))),
        ),
        ("a chain", format!("[{},{}]", chain.join(","), named(240, ""))),
        ("keys of keys", {
            let key = |below: String, n: usize| {
                let again = if n == 1 {
                    "\"int\"".to_owned()
                } else {
                    format!("\"K{}\"", n - 1)
                };
                format!(
                    r#"{{"type":"record","name":"K{n}","fields":[{{"name":"a","type":{below}}},{{"name":"b","type":{again}}}]}}"#
                )
            };
            let keys = (1..=40).fold("\"int\"".to_owned(), key);
            let entry = format!(
                r#"{{"type":"record","name":"E","fields":[{{"name":"key","type":{keys}}},{{"name":"value","type":"int"}}]}}"#
            );
            format!(r#"{{"type":"array","logicalType":"map","items":{entry}}}"#)
        }),
        ("rings", format!("[{rings}]")),
        (
            "too long a chain",
            format!("[{},{}]", long_chain.join(","), named(5_000, "")),
        ),
        ("deep arrays", r#"{"type":"array","items":"#.repeat(SIZE / 24)),
        ("deep lists", "[".repeat(SIZE)),
        (
            "a recursive default",
            record(r#"{"name":"a","type":"R","default":{}}"#.to_owned()),
        ),
        ("an open comment", format!("/*{}", "* /".repeat(SIZE / 3))),
        ("many comments", format!("{}\"int\"", "/**/".repeat(SIZE / 4))),
        ("many documents", "{}".repeat(SIZE / 2)),
    ] {
        try_avro(name, &text);
        let _split_or_not = avro::split(&text).is_ok();
    }
}
