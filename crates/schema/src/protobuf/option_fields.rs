//! The options that descriptors hold as fields: their names, tags and kinds, and both ways between text and bytes.

use super::file::{Opt, Value};
use super::normalize::{as_map, joined};
use super::options::put;
use super::wire::{Fields, Held, put_bytes, put_number};

/// What an option's field holds.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Text,
    Int,
    Constant(&'static [(&'static str, i32)]),
    Message(&'static [Spec]),
    /// Documentation, tags and rules for clients.
    Meta,
}

/// One option: its name, its tag, what it holds; in the order in which options are printed.
#[derive(Clone, Copy)]
pub(super) struct Spec(&'static str, u32, Kind);

use Kind::{Bool, Constant, Int, Meta, Text};

const FEATURES: &[Spec] = &[
    Spec(
        "field_presence",
        1,
        Constant(&[
            ("FIELD_PRESENCE_UNKNOWN", 0),
            ("EXPLICIT", 1),
            ("IMPLICIT", 2),
            ("LEGACY_REQUIRED", 3),
        ]),
    ),
    Spec(
        "enum_type",
        2,
        Constant(&[("ENUM_TYPE_UNKNOWN", 0), ("OPEN", 1), ("CLOSED", 2)]),
    ),
    Spec(
        "repeated_field_encoding",
        3,
        Constant(&[("REPEATED_FIELD_ENCODING_UNKNOWN", 0), ("PACKED", 1), ("EXPANDED", 2)]),
    ),
    Spec(
        "utf8_validation",
        4,
        Constant(&[("UTF8_VALIDATION_UNKNOWN", 0), ("VERIFY", 2), ("NONE", 3)]),
    ),
    Spec(
        "message_encoding",
        5,
        Constant(&[
            ("MESSAGE_ENCODING_UNKNOWN", 0),
            ("LENGTH_PREFIXED", 1),
            ("DELIMITED", 2),
        ]),
    ),
    Spec(
        "json_format",
        6,
        Constant(&[("JSON_FORMAT_UNKNOWN", 0), ("ALLOW", 1), ("LEGACY_BEST_EFFORT", 2)]),
    ),
];

const EDITIONS: Kind = Constant(&[
    ("EDITION_UNKNOWN", 0),
    ("EDITION_1_TEST_ONLY", 1),
    ("EDITION_2_TEST_ONLY", 2),
    ("EDITION_LEGACY", 900),
    ("EDITION_PROTO2", 998),
    ("EDITION_PROTO3", 999),
    ("EDITION_2023", 1000),
    ("EDITION_2024", 1001),
    ("EDITION_UNSTABLE", 9999),
    ("EDITION_99997_TEST_ONLY", 99997),
    ("EDITION_99998_TEST_ONLY", 99998),
    ("EDITION_99999_TEST_ONLY", 99999),
    ("EDITION_MAX", i32::MAX),
    // An old spelling, which is read only.
    ("2023", 1000),
]);

const FEATURE_SUPPORT: &[Spec] = &[
    Spec("edition_introduced", 1, EDITIONS),
    Spec("edition_deprecated", 2, EDITIONS),
    Spec("deprecation_warning", 3, Text),
    Spec("edition_removed", 4, EDITIONS),
];

const EDITION_DEFAULT: &[Spec] = &[Spec("edition", 3, EDITIONS), Spec("value", 2, Text)];

const DECLARATION: &[Spec] = &[
    Spec("number", 1, Int),
    Spec("full_name", 2, Text),
    Spec("type", 3, Text),
    Spec("reserved", 5, Bool),
    Spec("repeated", 6, Bool),
];

pub(super) const FILE: &[Spec] = &[
    Spec("java_package", 1, Text),
    Spec("java_outer_classname", 8, Text),
    Spec("java_multiple_files", 10, Bool),
    Spec("java_generate_equals_and_hash", 20, Bool),
    Spec("java_string_check_utf8", 27, Bool),
    Spec(
        "optimize_for",
        9,
        Constant(&[("SPEED", 1), ("CODE_SIZE", 2), ("LITE_RUNTIME", 3)]),
    ),
    Spec("go_package", 11, Text),
    Spec("cc_generic_services", 16, Bool),
    Spec("java_generic_services", 17, Bool),
    Spec("py_generic_services", 18, Bool),
    Spec("deprecated", 23, Bool),
    Spec("cc_enable_arenas", 31, Bool),
    Spec("objc_class_prefix", 36, Text),
    Spec("csharp_namespace", 37, Text),
    Spec("swift_prefix", 39, Text),
    Spec("php_class_prefix", 40, Text),
    Spec("php_namespace", 41, Text),
    Spec("php_metadata_namespace", 44, Text),
    Spec("ruby_package", 45, Text),
    Spec("features", 50, Kind::Message(FEATURES)),
    Spec("confluent.file_meta", META_TAG, Meta),
];

pub(super) const MESSAGE: &[Spec] = &[
    Spec("no_standard_descriptor_accessor", 2, Bool),
    Spec("deprecated", 3, Bool),
    Spec("map_entry", 7, Bool),
    Spec("features", 12, Kind::Message(FEATURES)),
    Spec("confluent.message_meta", META_TAG, Meta),
];

pub(super) const FIELD: &[Spec] = &[
    Spec("ctype", 1, Constant(&[("STRING", 0), ("CORD", 1), ("STRING_PIECE", 2)])),
    Spec("packed", 2, Bool),
    Spec(
        "jstype",
        6,
        Constant(&[("JS_NORMAL", 0), ("JS_STRING", 1), ("JS_NUMBER", 2)]),
    ),
    Spec("deprecated", 3, Bool),
    Spec("debug_redact", 16, Bool),
    Spec(
        "retention",
        17,
        Constant(&[
            ("RETENTION_UNKNOWN", 0),
            ("RETENTION_RUNTIME", 1),
            ("RETENTION_SOURCE", 2),
        ]),
    ),
    Spec(
        "targets",
        19,
        Constant(&[
            ("TARGET_TYPE_UNKNOWN", 0),
            ("TARGET_TYPE_FILE", 1),
            ("TARGET_TYPE_EXTENSION_RANGE", 2),
            ("TARGET_TYPE_MESSAGE", 3),
            ("TARGET_TYPE_FIELD", 4),
            ("TARGET_TYPE_ONEOF", 5),
            ("TARGET_TYPE_ENUM", 6),
            ("TARGET_TYPE_ENUM_ENTRY", 7),
            ("TARGET_TYPE_SERVICE", 8),
            ("TARGET_TYPE_METHOD", 9),
        ]),
    ),
    Spec("edition_defaults", 20, Kind::Message(EDITION_DEFAULT)),
    Spec("features", 21, Kind::Message(FEATURES)),
    Spec("feature_support", 22, Kind::Message(FEATURE_SUPPORT)),
    Spec("confluent.field_meta", META_TAG, Meta),
];

pub(super) const ENUM: &[Spec] = &[
    Spec("allow_alias", 2, Bool),
    Spec("deprecated", 3, Bool),
    Spec("features", 7, Kind::Message(FEATURES)),
    Spec("confluent.enum_meta", META_TAG, Meta),
];

pub(super) const ENUM_VALUE: &[Spec] = &[
    Spec("deprecated", 1, Bool),
    Spec("debug_redact", 3, Bool),
    Spec("features", 2, Kind::Message(FEATURES)),
    Spec("feature_support", 4, Kind::Message(FEATURE_SUPPORT)),
    Spec("confluent.enum_value_meta", META_TAG, Meta),
];

pub(super) const ONEOF: &[Spec] = &[Spec("features", 1, Kind::Message(FEATURES))];

pub(super) const EXTENSION_RANGE: &[Spec] = &[
    Spec("declaration", 2, Kind::Message(DECLARATION)),
    Spec("features", 50, Kind::Message(FEATURES)),
    Spec("verification", 3, Constant(&[("DECLARATION", 0), ("UNVERIFIED", 1)])),
];

pub(super) const SERVICE: &[Spec] = &[
    Spec("deprecated", 33, Bool),
    Spec("features", 34, Kind::Message(FEATURES)),
];

pub(super) const METHOD: &[Spec] = &[
    Spec("deprecated", 33, Bool),
    Spec(
        "idempotency_level",
        34,
        Constant(&[("IDEMPOTENCY_UNKNOWN", 0), ("NO_SIDE_EFFECTS", 1), ("IDEMPOTENT", 2)]),
    ),
    Spec("features", 35, Kind::Message(FEATURES)),
];

/// The tag of the registry's own options.
const META_TAG: u32 = 1088;
/// Options of which each occurrence counts.
const REPEATED: [&str; 3] = ["targets", "edition_defaults", "declaration"];

/// The options in a message of options, in the order in which they are printed; none if the bytes are no message.
pub(super) fn decoded(bytes: &[u8], specs: &[Spec]) -> Option<Vec<Opt>> {
    let fields: Vec<(u32, Held<'_>)> = Fields::of(bytes).collect::<Result<_, _>>().ok()?;
    let mut options = Vec::new();
    for Spec(name, tag, kind) in specs {
        let held = fields.iter().filter(|(number, _)| number == tag).map(|(_, held)| *held);
        let mut values: Vec<Value> = match kind {
            Meta | Kind::Message(_) if !REPEATED.contains(name) => {
                let parts: Vec<&[u8]> = held.filter_map(Held::bytes).collect();
                // A message that stands twice is one message.
                let whole = Some(parts.concat()).filter(|_| !parts.is_empty());
                whole
                    .iter()
                    .filter_map(|bytes| value(Held::Bytes(bytes), kind))
                    .collect()
            }
            _ => held.filter_map(|held| value(held, kind)).collect(),
        };
        if !REPEATED.contains(name) {
            values.drain(..values.len().saturating_sub(1));
        }
        options.extend(values.into_iter().map(|value| Opt {
            name: (*name).to_owned(),
            value,
            parenthesized: matches!(kind, Meta),
        }));
    }
    Some(options)
}

fn value(held: Held<'_>, kind: &Kind) -> Option<Value> {
    match kind {
        Bool => Some(Value::Boolean((held.number()? != 0).to_string())),
        Int => Some(Value::Number((held.number()? as i32).to_string())),
        Text => Some(Value::Text(text(held)?)),
        Constant(names) => {
            let number = held.number()? as i32;
            let (name, _) = names.iter().find(|(_, known)| *known == number)?;
            Some(Value::Constant((*name).to_owned()))
        }
        Kind::Message(specs) => {
            let options = decoded(held.bytes()?, specs)?;
            let entries = options.into_iter().map(|option| (option.name, option.value));
            Some(Value::Map(entries.collect()))
        }
        Meta => meta(held.bytes()?),
    }
}

fn text(held: Held<'_>) -> Option<String> {
    String::from_utf8(held.bytes()?.to_vec()).ok()
}

fn meta(bytes: &[u8]) -> Option<Value> {
    let mut doc = String::new();
    let mut params: Vec<(String, Value)> = Vec::new();
    let (mut tags, mut rules) = (Vec::new(), Vec::new());
    for field in Fields::of(bytes) {
        match field.ok()? {
            (1, held) => doc = text(held)?,
            (2, held) => {
                let [key, value] = texts(held.bytes()?)?;
                put(&mut params, key, Value::Text(value));
            }
            (3, held) => tags.push(Value::Text(text(held)?)),
            (4, held) => {
                let entries: Vec<(String, Value)> = ["name", "doc", "expr", "sql"]
                    .into_iter()
                    .zip(texts::<4>(held.bytes()?)?)
                    .filter(|(_, text)| !text.is_empty())
                    .map(|(name, text)| (name.to_owned(), Value::Text(text)))
                    .collect();
                if !entries.is_empty() {
                    rules.push(Value::Map(entries));
                }
            }
            _ => {}
        }
    }
    let mut map = Vec::new();
    if !doc.is_empty() {
        map.push(("doc".to_owned(), Value::Text(doc)));
    }
    let params: Vec<Value> = params.into_iter().map(param).collect();
    for (name, values) in [("params", params), ("tags", tags), ("rules", rules)] {
        if !values.is_empty() {
            map.push((name.to_owned(), Value::List(values)));
        }
    }
    Some(Value::Map(map)).filter(|map| *map != Value::Map(Vec::new()))
}

/// Two parameters are written value first, as old clients wrote them.
fn param((key, value): (String, Value)) -> Value {
    let value_first = matches!(key.as_str(), "precision" | "scale");
    let mut entry = vec![("key".to_owned(), Value::Text(key)), ("value".to_owned(), value)];
    if value_first {
        entry.reverse();
    }
    Value::Map(entry)
}

/// The string fields 1 to N of a message; what is absent is empty.
fn texts<const N: usize>(bytes: &[u8]) -> Option<[String; N]> {
    let mut out = std::array::from_fn(|_| String::new());
    for field in Fields::of(bytes) {
        let (tag, held) = field.ok()?;
        if let Some(slot) = out.get_mut(tag as usize - 1) {
            *slot = text(held)?;
        }
    }
    Some(out)
}

/// Options as the bytes of a message of options; none if none of them is known.
pub(super) fn encoded(options: &[Opt], specs: &[Spec]) -> Option<Vec<u8>> {
    let mut specs: Vec<&Spec> = specs.iter().collect();
    specs.sort_by_key(|Spec(_, tag, _)| *tag);
    let mut bytes = Vec::new();
    let mut any = false;
    for Spec(name, tag, kind) in specs {
        if REPEATED.contains(name) {
            for option in options.iter().filter(|option| option.name == *name) {
                any |= put_value(&mut bytes, *tag, kind, &option.value);
            }
        } else if let Some(value) = merged(options, name) {
            any |= put_value(&mut bytes, *tag, kind, &value);
        }
    }
    any.then_some(bytes)
}

/// The value of an option that may be written in several parts.
pub(super) fn merged(options: &[Opt], name: &str) -> Option<Value> {
    let parts = options.iter().filter(|option| option.plain_name() == name);
    parts
        .map(|option| as_map(option.value.clone()))
        .reduce(|old, new| match (old, new) {
            (Value::Map(mut old), Value::Map(new)) => {
                for (key, value) in new {
                    match old.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, known)) => {
                            let before = std::mem::replace(known, Value::List(Vec::new()));
                            *known = joined(before, value);
                        }
                        None => old.push((key, value)),
                    }
                }
                Value::Map(old)
            }
            (_, new) => new,
        })
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::List(values) => values,
        one => vec![one],
    }
}

/// Whether the value was of the kind, and is written.
fn put_value(bytes: &mut Vec<u8>, tag: u32, kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Bool, value) => put_number(bytes, tag, u64::from(value.is_true())),
        (Int, value) => match value.word().and_then(|word| word.parse::<i32>().ok()) {
            Some(number) => put_number(bytes, tag, i64::from(number) as u64),
            None => return false,
        },
        (Text, value) => match value.word() {
            Some(word) => put_bytes(bytes, tag, word.as_bytes()),
            None => return false,
        },
        (Constant(names), value) => {
            let named = names.iter().find(|(name, _)| Some(*name) == value.word());
            match named.or_else(|| names.iter().find(|(name, _)| name.ends_with("_UNKNOWN"))) {
                Some((_, number)) => put_number(bytes, tag, i64::from(*number) as u64),
                None => return false,
            }
        }
        (Kind::Message(specs), Value::Map(entries)) => {
            let inner: Vec<Opt> = entries.iter().cloned().map(opt).collect();
            put_bytes(bytes, tag, &encoded(&inner, specs).unwrap_or_default());
        }
        (Meta, Value::Map(entries)) => match meta_bytes(entries) {
            Some(meta) => put_bytes(bytes, tag, &meta),
            None => return false,
        },
        _ => return false,
    }
    true
}

fn opt((name, value): (String, Value)) -> Opt {
    Opt {
        name,
        value,
        parenthesized: false,
    }
}

fn meta_bytes(entries: &[(String, Value)]) -> Option<Vec<u8>> {
    let all = |name: &str| {
        let found = entries.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| listed(value.clone())).unwrap_or_default()
    };
    let mut bytes = Vec::new();
    if let Some(doc) = all("doc").first().and_then(Value::word).filter(|doc| !doc.is_empty()) {
        put_bytes(&mut bytes, 1, doc.as_bytes());
    }
    let mut params: Vec<(String, Value)> = Vec::new();
    for param in all("params") {
        let [key, value] = ["key", "value"].map(|name| word_of(&param, name));
        put(&mut params, key, Value::Text(value));
    }
    for (key, value) in params {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, key.as_bytes());
        put_bytes(&mut entry, 2, value.word().unwrap_or_default().as_bytes());
        put_bytes(&mut bytes, 2, &entry);
    }
    for tag in all("tags") {
        put_bytes(&mut bytes, 3, tag.word().unwrap_or_default().as_bytes());
    }
    for rule in all("rules") {
        let mut entry = Vec::new();
        for (tag, name) in (1..).zip(["name", "doc", "expr", "sql"]) {
            let word = word_of(&rule, name);
            if !word.is_empty() {
                put_bytes(&mut entry, tag, word.as_bytes());
            }
        }
        if !entry.is_empty() {
            put_bytes(&mut bytes, 4, &entry);
        }
    }
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

fn word_of(map: &Value, name: &str) -> String {
    let Value::Map(entries) = map else {
        return String::new();
    };
    let found = entries.iter().find(|(key, _)| key == name);
    found.and_then(|(_, value)| value.word()).unwrap_or_default().to_owned()
}
