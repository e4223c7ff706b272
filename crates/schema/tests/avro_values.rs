//! Whatever we say one Avro schema reads of another is read: random values, really written and really resolved.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use base::{Random, SeededRandom};
use rivulet_schema::avro::{Field, Kind, Name, NodeId, Record, Schema, compare};
use rivulet_schema::difference::{Policy, Reader};
use serde_json::{Map, Value, json};

/// A random value of a type; recursive types end with `depth`.
fn value(schema: &Schema, id: NodeId, random: &SeededRandom, depth: usize) -> Option<Value> {
    let pick = random.next_u64();
    Some(match &schema.node(id).kind {
        Kind::Null => Value::Null,
        Kind::Boolean => json!(pick.is_multiple_of(2)),
        Kind::Int => json!(pick as i32),
        Kind::Long => json!(pick as i64),
        Kind::Float => json!(f64::from(pick as i16) / 4.0),
        Kind::Double => json!(pick as i32 as f64 / 8.0),
        // Bytes are read as strings too, and then they have to be UTF-8.
        Kind::Bytes | Kind::String => json!(["", "a", "text", "longer text"][pick as usize % 4]),
        Kind::Fixed(fixed) => json!("x".repeat(fixed.size)),
        Kind::Enum(symbols) => json!(symbols.symbols.get(pick as usize % symbols.symbols.len().max(1))?),
        Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record(_) if depth == 0 => return None,
        Kind::Array(items) => {
            let list = (0..pick % 3).map_while(|_| value(schema, *items, random, depth - 1));
            Value::Array(list.collect())
        }
        Kind::Map(values) => {
            let entries =
                (0..pick % 3).map_while(|n| Some((format!("k{n}"), value(schema, *values, random, depth - 1)?)));
            Value::Object(entries.collect())
        }
        Kind::Union(branches) => {
            let from = pick as usize % branches.len().max(1);
            let mut turned = branches.iter().cycle().skip(from).take(branches.len());
            turned.find_map(|branch| value(schema, *branch, random, depth - 1))?
        }
        Kind::Record(record) => {
            let mut object = Map::new();
            for field in &record.fields {
                object.insert(field.name.clone(), value(schema, field.ty, random, depth - 1)?);
            }
            Value::Object(object)
        }
    })
}

/// Reads with one schema what another wrote, by the specification's rules of resolution.
struct Resolver<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    rest: &'a [u8],
}

type Read = Result<Value, String>;

impl<'a> Resolver<'a> {
    fn long(&mut self) -> i64 {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    fn text(&mut self) -> String {
        let length = self.long() as usize;
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn read(&mut self, read: NodeId, written: NodeId) -> Read {
        if let Kind::Union(branches) = &self.writer.node(written).kind {
            let branch = branches[self.long() as usize];
            return self.read(read, branch);
        }
        if let Kind::Union(branches) = &self.reader.node(read).kind {
            let exact = branches.iter().find(|branch| self.is_same(**branch, written));
            let branch = exact.or_else(|| branches.iter().find(|branch| self.matches(**branch, written)));
            return self.read(*branch.ok_or("no branch of the reader's union fits")?, written);
        }
        let (read, written) = (&self.reader.node(read).kind, &self.writer.node(written).kind);
        match (read, written) {
            (Kind::Null, Kind::Null) => Ok(Value::Null),
            (Kind::Boolean, Kind::Boolean) => Ok(json!(self.take(1)[0] == 1)),
            (Kind::Int | Kind::Long, Kind::Int) | (Kind::Long, Kind::Long) => Ok(json!(self.long())),
            (Kind::Float | Kind::Double, Kind::Int | Kind::Long) => Ok(json!(self.long() as f64)),
            (Kind::Float | Kind::Double, Kind::Float) => {
                Ok(json!(f32::from_le_bytes(self.take(4).try_into().unwrap())))
            }
            (Kind::Double, Kind::Double) => Ok(json!(f64::from_le_bytes(self.take(8).try_into().unwrap()))),
            (Kind::String | Kind::Bytes, Kind::String | Kind::Bytes) => Ok(json!(self.text())),
            (Kind::Fixed(read), Kind::Fixed(written)) if read.size == written.size => {
                Ok(json!(self.take(read.size).len()))
            }
            (Kind::Enum(read), Kind::Enum(written)) => {
                let symbol = &written.symbols[self.long() as usize];
                let known = read.symbols.contains(symbol).then_some(symbol);
                let symbol = known.or(read.default.as_ref());
                Ok(json!(
                    symbol.ok_or_else(|| format!("`{symbol:?}` is no symbol of the reader"))?
                ))
            }
            (Kind::Array(read), Kind::Array(written)) => {
                let mut list = Vec::new();
                loop {
                    match self.long() {
                        0 => return Ok(Value::Array(list)),
                        count => {
                            for _ in 0..count {
                                list.push(self.read(*read, *written)?);
                            }
                        }
                    }
                }
            }
            (Kind::Map(read), Kind::Map(written)) => {
                let mut map = Map::new();
                loop {
                    match self.long() {
                        0 => return Ok(Value::Object(map)),
                        count => {
                            for _ in 0..count {
                                let key = self.text();
                                map.insert(key, self.read(*read, *written)?);
                            }
                        }
                    }
                }
            }
            (Kind::Record(read), Kind::Record(written)) => self.record(read, written),
            (read, written) => Err(format!("`{}` does not read `{}`", read.word(), written.word())),
        }
    }

    fn record(&mut self, read: &'a Record, written: &'a Record) -> Read {
        let mut object = Map::new();
        for field in &written.fields {
            let takes = |other: &&Field| other.name == field.name || other.aliases.contains(&field.name);
            match read.fields.iter().find(takes) {
                Some(other) => {
                    let value = self.read(other.ty, field.ty)?;
                    object.insert(other.name.clone(), value);
                }
                None => {
                    let (writer, rest) = (self.writer, self.rest);
                    let mut skip = Resolver {
                        reader: writer,
                        writer,
                        rest,
                    };
                    skip.read(field.ty, field.ty)?;
                    self.rest = skip.rest;
                }
            }
        }
        for field in &read.fields {
            if object.contains_key(&field.name) {
                continue;
            }
            let Some(default) = &field.default else {
                return Err(format!("field `{}` has neither value nor default", field.name));
            };
            object.insert(field.name.clone(), default.clone());
        }
        Ok(Value::Object(object))
    }

    fn is_same(&self, read: NodeId, written: NodeId) -> bool {
        let (read, written) = (&self.reader.node(read).kind, &self.writer.node(written).kind);
        read.word() == written.word() && read.name().map(|name| &name.name) == written.name().map(|name| &name.name)
    }

    fn matches(&self, read: NodeId, written: NodeId) -> bool {
        let (read, written) = (&self.reader.node(read).kind, &self.writer.node(written).kind);
        let called = |aliases: &[Name]| written.name().is_some_and(|name| aliases.contains(name));
        match (read, written) {
            (Kind::Record(one), Kind::Record(_)) => called(&one.aliases),
            (Kind::Enum(one), Kind::Enum(_)) => called(&one.aliases),
            (Kind::Fixed(one), Kind::Fixed(_)) => called(&one.aliases),
            (Kind::Long, Kind::Int)
            | (Kind::Float, Kind::Int | Kind::Long)
            | (Kind::Double, Kind::Int | Kind::Long | Kind::Float)
            | (Kind::String, Kind::Bytes)
            | (Kind::Bytes, Kind::String) => true,
            _ => false,
        }
    }
}

#[test]
fn what_is_said_to_be_read_is_read() {
    let random = SeededRandom::new(7);
    let mut read = 0;
    for line in include_str!("data/avro_pairs.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let schema = |index: usize| Schema::parse(case[index].as_str().unwrap(), &[]).unwrap();
        for (writer, reader) in [(schema(0), schema(1)), (schema(1), schema(0))] {
            // A default that does not fit reads nothing; a registry refuses it in a new schema.
            if reader.check_defaults().is_err() || !compare(&reader, &writer, Reader::New, Policy::Strict).is_empty() {
                continue;
            }
            for _ in 0..60 {
                let Some(value) = value(&writer, writer.root(), &random, 6) else {
                    break;
                };
                let bytes = writer.encode(&value).unwrap();
                assert_eq!(writer.check_payload(&bytes), Ok(()), "{case} {value}");
                let (reader, writer) = (&reader, &writer);
                let mut resolver = Resolver {
                    reader,
                    writer,
                    rest: &bytes,
                };
                let result = resolver.read(reader.root(), writer.root());
                assert!(result.is_ok(), "{case}: {value}: {result:?}");
                assert!(resolver.rest.is_empty(), "{case}: {value}");
                read += 1;
            }
        }
    }
    assert!(read > 5_000, "{read} values");
}
