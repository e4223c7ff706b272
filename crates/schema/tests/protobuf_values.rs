//! Whatever we say one Protobuf schema reads of another is read: random messages, really written with the descriptors
//! we hand out and really decoded by another library.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use base::{Random, SeededRandom};
use prost_reflect::prost::Message as _;
use prost_reflect::prost::bytes::Bytes;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use rivulet_schema::difference::{Policy, Reader};
use rivulet_schema::protobuf::{Schema, compare};

/// The descriptors of a schema; none if the library refuses what the registry takes, such as a tag that stands twice.
fn pool(schema: &Schema) -> Option<DescriptorPool> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(schema.serialized())
        .unwrap();
    let file = prost_reflect::prost_types::FileDescriptorProto::decode(bytes.as_slice()).unwrap();
    let mut pool = DescriptorPool::global();
    pool.add_file_descriptor_proto(file).ok()?;
    Some(pool)
}

fn message(descriptor: &MessageDescriptor, random: &SeededRandom, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let wanted = random.below(4) > 0 || field.cardinality() == Cardinality::Required;
        if !wanted || (depth == 0 && matches!(field.kind(), Kind::Message(_))) {
            continue;
        }
        message.set_field(&field, value(&field, random, depth));
    }
    message
}

fn value(field: &FieldDescriptor, random: &SeededRandom, depth: usize) -> Value {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else {
            unreachable!("a map holds entries")
        };
        let inner = entry.map_entry_value_field();
        if depth == 0 && matches!(inner.kind(), Kind::Message(_)) {
            return Value::Map([].into());
        }
        let key = match single(&entry.map_entry_key_field().kind(), random, depth) {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::I64(key) => MapKey::I64(key),
            Value::U32(key) => MapKey::U32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            other => unreachable!("{other:?} is no key"),
        };
        return Value::Map([(key, single(&inner.kind(), random, depth))].into());
    }
    if field.is_list() {
        let count = random.below(4);
        return Value::List((0..count).map(|_| single(&field.kind(), random, depth)).collect());
    }
    single(&field.kind(), random, depth)
}

fn single(kind: &Kind, random: &SeededRandom, depth: usize) -> Value {
    let pick = random.next_u64() >> random.below(64);
    match kind {
        Kind::Bool => Value::Bool(pick.is_multiple_of(2)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(pick as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(pick as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(pick as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(pick),
        Kind::Float => Value::F32(pick as f32),
        Kind::Double => Value::F64(pick as f64),
        Kind::String => Value::String("text".repeat(pick as usize % 3)),
        // Bytes are read as strings too, and then they have to be UTF-8.
        Kind::Bytes => Value::Bytes(Bytes::from("bytes".repeat(pick as usize % 3))),
        Kind::Enum(one) => Value::EnumNumber(one.values().nth(pick as usize % one.values().len()).unwrap().number()),
        Kind::Message(inner) => Value::Message(message(inner, random, depth.saturating_sub(1))),
    }
}

fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let own = pool
        .all_messages()
        .filter(|message| message.parent_file().name() == "default");
    own.filter(|message| !message.is_map_entry()).collect()
}

/// Many numbers where one was, or one where many were: the registry does not report it of fields without a label, and
/// this library does not read packed numbers as a single one. (Java takes them for an unknown field.)
fn repeats_otherwise(old: &MessageDescriptor, new: &MessageDescriptor, seen: &mut Vec<String>) -> bool {
    if seen.contains(&old.full_name().to_owned()) {
        return false;
    }
    seen.push(old.full_name().to_owned());
    old.fields().any(|field| {
        let Some(other) = new.get_field(field.number()) else {
            return false;
        };
        let inner = match (field.kind(), other.kind()) {
            (Kind::Message(old), Kind::Message(new)) => repeats_otherwise(&old, &new, seen),
            _ => false,
        };
        inner || field.is_list() != other.is_list()
    })
}

/// A message that must hold a message may have no finite value at all.
fn requires_messages(descriptor: &MessageDescriptor) -> bool {
    let required = |field: &FieldDescriptor| field.cardinality() == Cardinality::Required;
    let all = descriptor
        .parent_pool()
        .all_messages()
        .flat_map(|message| message.fields().collect::<Vec<_>>());
    all.filter(required)
        .any(|field| matches!(field.kind(), Kind::Message(_)))
}

#[test]
fn what_is_said_to_be_read_is_read() {
    let random = SeededRandom::new(11);
    let (mut read, mut skipped) = (0, 0);
    for line in include_str!("data/protobuf_pairs.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        if case.get(4).is_some() {
            // Descriptors of referenced files are not handed out with a schema's own.
            continue;
        }
        let schema = |index: usize| Schema::parse(case[index].as_str().unwrap(), &[]).ok();
        let (Some(first), Some(second)) = (schema(0), schema(1)) else {
            continue;
        };
        for (writer, reader) in [(&first, &second), (&second, &first)] {
            if !compare(reader, writer, Reader::New, Policy::Strict).is_empty() {
                continue;
            }
            let (Some(written), Some(read_with)) = (pool(writer), pool(reader)) else {
                continue;
            };
            for (place, descriptor) in messages(&written).into_iter().enumerate() {
                let other = read_with.get_message_by_name(descriptor.full_name());
                let other = other.unwrap_or_else(|| panic!("{case}: `{}` is gone", descriptor.full_name()));
                if repeats_otherwise(&descriptor, &other, &mut Vec::new()) {
                    skipped += 1;
                    continue;
                }
                for _ in 0..20 {
                    let bytes = message(&descriptor, &random, 3).encode_to_vec();
                    let decoded = DynamicMessage::decode(other.clone(), bytes.as_slice());
                    assert!(decoded.is_ok(), "{case}: `{}`: {decoded:?}", descriptor.full_name());
                    if place == 0 && !requires_messages(&descriptor) {
                        let payload = [&[0][..], &bytes].concat();
                        assert_eq!(writer.check_payload(&payload), Ok(()), "{case}");
                    }
                    read += 1;
                }
            }
        }
    }
    assert!(read > 5_000 && skipped < 60, "{read} messages, {skipped} left out");
}
