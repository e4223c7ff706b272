//! Reads Avro: what is wanted goes into the row, the rest is passed over without making anything of it.

use std::sync::Arc;

use bytes::Bytes;
use schema::avro::{Kind, Logical, NodeId, Schema};
use serde_json::Value as Json;
use sql::{DataType, Decimal, Moment, Text, TypeKind, Value};

use super::DEPTH_MAX;
use super::mapping::branch_name;
use crate::format::{Wanted, json};

/// How to read one writer schema into the columns wanted of it.
#[derive(Debug)]
pub(crate) struct Program {
    schema: Arc<Schema>,
    root: Root,
}

#[derive(Debug)]
enum Root {
    Record {
        fields: Vec<FieldPlan>,
        /// Columns the writer knows nothing of, and what they get.
        missing: Vec<(usize, Value)>,
        /// Where the last wanted field is: nothing behind it needs a look.
        until: usize,
    },
    Single {
        slot: usize,
        read: Read,
    },
    Nothing,
}

#[derive(Debug)]
enum FieldPlan {
    Skip(NodeId),
    Into(usize, Read),
}

/// How a value of one Avro type becomes a value of one SQL type.
#[derive(Debug)]
enum Read {
    Null,
    Boolean,
    Int,
    /// Any integer into a DOUBLE, FLOAT or DECIMAL.
    IntAs(TypeKind),
    Float,
    Double,
    FloatAsDouble,
    String,
    Bytes,
    FixedBytes(usize),
    Decimal(Size, u8, TypeKind),
    Date,
    TimeMillis,
    TimeMicros,
    Millis(bool),
    Micros(bool),
    Enum(Vec<Text>),
    Array(Box<Read>),
    Map(Box<Read>),
    Row {
        fields: Vec<FieldPlan>,
        width: usize,
        missing: Vec<(usize, Value)>,
    },
    Union(Vec<Read>),
    /// A branch of a union of several types: its place among the row's fields.
    Branch(usize, usize, Box<Read>),
    /// Text and binary of anything simple.
    AsText(Box<Read>, TypeKind),
    Mismatch(String),
}

#[derive(Debug)]
enum Size {
    Prefixed,
    Fixed(usize),
}

/// What a reader's schema says of a column the writer does not have.
pub(crate) struct Defaults<'a> {
    /// The table's current schema, if it has one.
    pub reader: Option<&'a Schema>,
}

impl Defaults<'_> {
    fn of(&self, wanted: &Wanted) -> Result<Value, String> {
        let field = self.reader.and_then(|schema| match &schema.node(schema.root()).kind {
            Kind::Record(record) => record.fields.iter().find(|field| field.name == wanted.field),
            _ => None,
        });
        match field.and_then(|field| field.default.as_ref()) {
            Some(Json::Null) => Ok(Value::Null),
            Some(default) => json::from_json(default, &wanted.ty.kind, &json::Options::default()),
            None if wanted.ty.nullable => Ok(Value::Null),
            None => Err(format!(
                "the writer's schema has no field `{}`, and it has no default",
                wanted.field
            )),
        }
    }
}

impl Program {
    /// Fails if a wanted column cannot be had from this schema.
    pub(crate) fn new(schema: Arc<Schema>, wanted: &[Wanted], defaults: &Defaults<'_>) -> Result<Program, String> {
        let root = match &schema.node(schema.root()).kind {
            _ if wanted.is_empty() => Root::Nothing,
            Kind::Record(record) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    let found = wanted
                        .iter()
                        .find(|w| w.field == field.name || field.aliases.contains(&w.field));
                    fields.push(match found {
                        Some(wanted) => {
                            let read = read_as(&schema, field.ty, &wanted.ty, 0);
                            if let Read::Mismatch(why) = read {
                                return Err(format!("field `{}`: {why}", field.name));
                            }
                            FieldPlan::Into(wanted.slot, read)
                        }
                        None => FieldPlan::Skip(field.ty),
                    });
                }
                let mut missing = Vec::new();
                for wanted in wanted {
                    let known = record
                        .fields
                        .iter()
                        .any(|f| f.name == wanted.field || f.aliases.contains(&wanted.field));
                    if !known {
                        missing.push((wanted.slot, defaults.of(wanted)?));
                    }
                }
                let until = fields
                    .iter()
                    .rposition(|plan| matches!(plan, FieldPlan::Into(..)))
                    .map_or(0, |at| at + 1);
                Root::Record { fields, missing, until }
            }
            _ => {
                let [wanted] = wanted else {
                    return Err(format!(
                        "the schema is not a record: it can fill one column, not {}",
                        wanted.len()
                    ));
                };
                let read = read_as(&schema, schema.root(), &wanted.ty, 0);
                if let Read::Mismatch(why) = read {
                    return Err(why);
                }
                Root::Single {
                    slot: wanted.slot,
                    read,
                }
            }
        };
        Ok(Program { schema, root })
    }

    /// Fills the row's slots from one record's bytes.
    pub(crate) fn read(&self, bytes: &Bytes, row: &mut [Value]) -> Result<(), String> {
        let mut input = Input { bytes, at: 0 };
        match &self.root {
            Root::Nothing => Ok(()),
            Root::Single { slot, read } => {
                row[*slot] = self.value(read, &mut input, 0)?;
                Ok(())
            }
            Root::Record { fields, missing, until } => {
                for plan in &fields[..*until] {
                    match plan {
                        FieldPlan::Skip(node) => self.skip(*node, &mut input, 0)?,
                        FieldPlan::Into(slot, read) => row[*slot] = self.value(read, &mut input, 0)?,
                    }
                }
                for (slot, value) in missing {
                    row[*slot] = value.clone();
                }
                Ok(())
            }
        }
    }

    fn value(&self, read: &Read, input: &mut Input<'_>, depth: u32) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err("the value is nested too deeply".to_owned());
        }
        Ok(match read {
            Read::Null => Value::Null,
            Read::Boolean => Value::Boolean(input.byte()? != 0),
            Read::Int => Value::Int(input.long()?),
            Read::IntAs(kind) => widen(input.long()?, kind),
            Read::Float => Value::Float(input.float()?),
            Read::FloatAsDouble => Value::Double(f64::from(input.float()?)),
            Read::Double => Value::Double(input.double()?),
            Read::String => Value::String(input.text()?),
            Read::Bytes => Value::Bytes(input.prefixed()?),
            Read::FixedBytes(size) => Value::Bytes(input.take(*size)?),
            Read::Decimal(size, scale, kind) => {
                let bytes = match size {
                    Size::Prefixed => input.prefixed()?,
                    Size::Fixed(size) => input.take(*size)?,
                };
                decimal(&bytes, *scale, kind)?
            }
            Read::Date => Value::Date(input.long()? as i32),
            Read::TimeMillis => Value::Time(input.long()? as i32),
            Read::TimeMicros => Value::Time((input.long()? / 1000) as i32),
            Read::Millis(local) => timestamp(Moment::from_millis(input.long()?), *local),
            Read::Micros(local) => timestamp(Moment::from_micros(input.long()?), *local),
            Read::Enum(symbols) => {
                let index = input.long()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
                Value::String(symbol.ok_or_else(|| format!("the enum has no symbol {index}"))?.clone())
            }
            Read::Array(item) => Value::Array(Arc::new(
                self.items(input, |program, input| program.value(item, input, depth + 1))?,
            )),
            Read::Map(value) => {
                let entry = |program: &Program, input: &mut Input<'_>| {
                    Ok((Value::String(input.text()?), program.value(value, input, depth + 1)?))
                };
                Value::Map(Arc::new(self.items(input, entry)?))
            }
            Read::Row { fields, width, missing } => {
                let mut row = vec![Value::Null; *width];
                for plan in fields {
                    match plan {
                        FieldPlan::Skip(node) => self.skip(*node, input, depth + 1)?,
                        FieldPlan::Into(slot, read) => row[*slot] = self.value(read, input, depth + 1)?,
                    }
                }
                for (slot, value) in missing {
                    row[*slot] = value.clone();
                }
                Value::Row(Arc::new(row))
            }
            Read::Union(branches) => {
                let index = input.long()?;
                let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
                self.value(
                    branch.ok_or_else(|| format!("the union has no branch {index}"))?,
                    input,
                    depth + 1,
                )?
            }
            Read::Branch(place, width, inner) => {
                let mut row = vec![Value::Null; *width];
                row[*place] = self.value(inner, input, depth + 1)?;
                Value::Row(Arc::new(row))
            }
            Read::AsText(inner, kind) => {
                let value = self.value(inner, input, depth + 1)?;
                Value::string(sql::to_text(&value, kind, &jiff::tz::TimeZone::UTC))
            }
            Read::Mismatch(why) => return Err(why.clone()),
        })
    }

    /// The blocks of an array or a map.
    fn items<T>(
        &self,
        input: &mut Input<'_>,
        mut read: impl FnMut(&Program, &mut Input<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        loop {
            let count = input.block()?;
            if count == 0 {
                return Ok(items);
            }
            for _ in 0..count {
                items.push(read(self, input)?);
            }
        }
    }

    fn skip(&self, id: NodeId, input: &mut Input<'_>, depth: u32) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err("the value is nested too deeply".to_owned());
        }
        match &self.schema.node(id).kind {
            Kind::Null => Ok(()),
            Kind::Boolean => input.pass(1),
            Kind::Int | Kind::Long | Kind::Enum(_) => input.long().map(drop),
            Kind::Float => input.pass(4),
            Kind::Double => input.pass(8),
            Kind::Bytes | Kind::String => {
                let length = input.length()?;
                input.pass(length)
            }
            Kind::Fixed(fixed) => input.pass(fixed.size),
            Kind::Array(item) => input.pass_blocks(|input| self.skip(*item, input, depth + 1)),
            Kind::Map(value) => input.pass_blocks(|input| {
                let length = input.length()?;
                input.pass(length)?;
                self.skip(*value, input, depth + 1)
            }),
            Kind::Record(record) => record
                .fields
                .iter()
                .try_for_each(|field| self.skip(field.ty, input, depth + 1)),
            Kind::Union(branches) => {
                let index = input.long()?;
                let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
                self.skip(
                    *branch.ok_or_else(|| format!("the union has no branch {index}"))?,
                    input,
                    depth + 1,
                )
            }
        }
    }
}

fn timestamp(moment: Moment, local: bool) -> Value {
    if local {
        Value::Timestamp(moment)
    } else {
        Value::TimestampLtz(moment)
    }
}

fn widen(value: i64, kind: &TypeKind) -> Value {
    match kind {
        TypeKind::Float => Value::Float(value as f32),
        TypeKind::Double => Value::Double(value as f64),
        TypeKind::Decimal { precision, scale } => Decimal::from_int(value)
            .fit(*precision, *scale)
            .map_or(Value::Null, Value::Decimal),
        _ => Value::Int(value),
    }
}

fn decimal(bytes: &[u8], scale: u8, kind: &TypeKind) -> Result<Value, String> {
    if bytes.len() > 16 {
        return Err(format!("a decimal of {} bytes does not fit 38 digits", bytes.len()));
    }
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let unscaled = bytes.iter().fold(if negative { -1 } else { 0_i128 }, |value, byte| {
        (value << 8) | i128::from(*byte)
    });
    let TypeKind::Decimal {
        precision,
        scale: wanted,
    } = kind
    else {
        return Ok(Value::Decimal(Decimal::new(unscaled, scale)));
    };
    Ok(Decimal::new(unscaled, scale)
        .fit(*precision, *wanted)
        .map_or(Value::Null, Value::Decimal))
}

/// How to read the node as the type; a mismatch says what both are.
fn read_as(schema: &Schema, id: NodeId, ty: &DataType, depth: u32) -> Read {
    if depth > DEPTH_MAX {
        return Read::Mismatch("the schema is recursive: SQL types are not".to_owned());
    }
    let node = schema.node(id);
    let mismatch = || {
        Read::Mismatch(format!(
            "Avro's {} cannot be read as {}{}",
            described(schema, id),
            ty.kind,
            advice(schema, id, &ty.kind)
        ))
    };
    match (&node.kind, &ty.kind) {
        (Kind::Union(branches), _) => union_as(schema, branches, ty, depth),
        (Kind::Null, _) => Read::Null,
        (Kind::Boolean, TypeKind::Boolean) => Read::Boolean,
        (Kind::Int | Kind::Long, kind) if kind.is_integer() && node.logical.is_none() => Read::Int,
        (Kind::Int, TypeKind::Date) => Read::Date,
        (Kind::Int, TypeKind::Time(_)) => Read::TimeMillis,
        (Kind::Long, TypeKind::Time(_)) if node.logical == Some(Logical::TimeMicros) => Read::TimeMicros,
        (Kind::Long, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_)) => {
            let local = matches!(ty.kind, TypeKind::Timestamp(_));
            match node.logical {
                Some(Logical::TimestampMillis | Logical::LocalTimestampMillis) => Read::Millis(local),
                Some(Logical::TimestampMicros | Logical::LocalTimestampMicros) => Read::Micros(local),
                _ => mismatch(),
            }
        }
        // A timestamp declared BIGINT is the number stored.
        (Kind::Int | Kind::Long, kind) if kind.is_integer() => Read::Int,
        (Kind::Int | Kind::Long, kind) if kind.is_numeric() => Read::IntAs(kind.clone()),
        (Kind::Float, TypeKind::Float) => Read::Float,
        (Kind::Float, TypeKind::Double) => Read::FloatAsDouble,
        (Kind::Double, TypeKind::Double) => Read::Double,
        (Kind::Bytes, TypeKind::Decimal { .. }) => match node.logical {
            Some(Logical::Decimal { scale, .. }) => Read::Decimal(Size::Prefixed, scale as u8, ty.kind.clone()),
            _ => mismatch(),
        },
        (Kind::Fixed(fixed), TypeKind::Decimal { .. }) => match node.logical {
            Some(Logical::Decimal { scale, .. }) => {
                Read::Decimal(Size::Fixed(fixed.size), scale as u8, ty.kind.clone())
            }
            _ => mismatch(),
        },
        (Kind::Fixed(fixed), kind) if kind.is_binary() => Read::FixedBytes(fixed.size),
        (Kind::Bytes | Kind::String, kind) if kind.is_binary() => Read::Bytes,
        (Kind::String | Kind::Bytes, kind) if kind.is_string() => Read::String,
        (Kind::Enum(symbols), kind) if kind.is_string() => Read::Enum(
            symbols
                .symbols
                .iter()
                .map(|symbol| Text::from(symbol.as_str()))
                .collect(),
        ),
        (Kind::Boolean, kind) if kind.is_string() => Read::AsText(Box::new(Read::Boolean), TypeKind::Boolean),
        (Kind::Int | Kind::Long, kind) if kind.is_string() && node.logical.is_none() => {
            Read::AsText(Box::new(Read::Int), TypeKind::BigInt)
        }
        (Kind::Double, kind) if kind.is_string() => Read::AsText(Box::new(Read::Double), TypeKind::Double),
        (Kind::Float, kind) if kind.is_string() => Read::AsText(Box::new(Read::Float), TypeKind::Float),
        (Kind::Array(item), TypeKind::Array(element)) => match read_as(schema, *item, element, depth + 1) {
            Read::Mismatch(why) => Read::Mismatch(why),
            read => Read::Array(Box::new(read)),
        },
        (Kind::Map(value), TypeKind::Map(key, element)) if key.kind.is_string() => {
            match read_as(schema, *value, element, depth + 1) {
                Read::Mismatch(why) => Read::Mismatch(why),
                read => Read::Map(Box::new(read)),
            }
        }
        (Kind::Record(record), TypeKind::Row(fields)) => record_as(schema, record, fields, depth),
        _ => mismatch(),
    }
}

fn record_as(schema: &Schema, record: &schema::avro::Record, fields: &[sql::Field], depth: u32) -> Read {
    let mut plans = Vec::new();
    for own in &record.fields {
        let target = fields
            .iter()
            .position(|field| field.name == own.name || own.aliases.contains(&field.name));
        plans.push(match target {
            Some(place) => match read_as(schema, own.ty, &fields[place].ty, depth + 1) {
                Read::Mismatch(why) => return Read::Mismatch(format!("field `{}`: {why}", own.name)),
                read => FieldPlan::Into(place, read),
            },
            None => FieldPlan::Skip(own.ty),
        });
    }
    let mut missing = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        let known = record
            .fields
            .iter()
            .any(|own| own.name == field.name || own.aliases.contains(&field.name));
        if !known && !field.ty.nullable {
            return Read::Mismatch(format!("record `{}` has no field `{}`", record.name.full(), field.name));
        }
        if !known {
            missing.push((place, Value::Null));
        }
    }
    Read::Row {
        fields: plans,
        width: fields.len(),
        missing,
    }
}

fn union_as(schema: &Schema, branches: &[NodeId], ty: &DataType, depth: u32) -> Read {
    let others: Vec<NodeId> = branches
        .iter()
        .copied()
        .filter(|branch| !matches!(schema.node(*branch).kind, Kind::Null))
        .collect();
    if let TypeKind::Row(fields) = &ty.kind
        && others.len() > 1
    {
        let mut reads = Vec::new();
        for branch in branches {
            if matches!(schema.node(*branch).kind, Kind::Null) {
                reads.push(Read::Null);
                continue;
            }
            let name = branch_name(schema, *branch);
            let Some(place) = fields.iter().position(|field| field.name == name) else {
                reads.push(Read::Mismatch(format!(
                    "the row has no field for the union's branch `{name}`"
                )));
                continue;
            };
            let read = read_as(schema, *branch, &fields[place].ty, depth + 1);
            reads.push(Read::Branch(place, fields.len(), Box::new(read)));
        }
        return Read::Union(reads);
    }
    let reads: Vec<Read> = branches
        .iter()
        .map(|branch| read_as(schema, *branch, ty, depth + 1))
        .collect();
    let hopeless = reads.iter().all(|read| matches!(read, Read::Mismatch(_) | Read::Null));
    if hopeless && let Some(Read::Mismatch(why)) = reads.iter().find(|read| matches!(read, Read::Mismatch(_))) {
        return Read::Mismatch(why.clone());
    }
    Read::Union(reads)
}

fn described(schema: &Schema, id: NodeId) -> String {
    let node = schema.node(id);
    match (&node.logical, node.kind.name()) {
        (Some(logical), _) => format!("{} ({logical:?})", node.kind.word()),
        (None, Some(name)) => format!("{} `{}`", node.kind.word(), name.full()),
        (None, None) => node.kind.word().to_owned(),
    }
}

fn advice(schema: &Schema, id: NodeId, kind: &TypeKind) -> &'static str {
    match (&schema.node(id).kind, kind) {
        (Kind::Long, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_)) => {
            "; declare it BIGINT and write TO_TIMESTAMP_LTZ(x, 3)"
        }
        (Kind::Int | Kind::Long, _) => "; declare it BIGINT",
        (Kind::String, _) => "; declare it STRING and CAST it",
        _ => "",
    }
}

/// A cursor over a record's bytes.
struct Input<'a> {
    bytes: &'a Bytes,
    at: usize,
}

fn short() -> String {
    "the bytes end in the middle of a value".to_owned()
}

impl Input<'_> {
    #[inline]
    fn byte(&mut self) -> Result<u8, String> {
        let byte = *self.bytes.get(self.at).ok_or_else(short)?;
        self.at += 1;
        Ok(byte)
    }

    /// A zig-zag varint.
    #[inline]
    fn long(&mut self) -> Result<i64, String> {
        let mut value = 0_u64;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
            shift += 7;
            if shift > 63 {
                return Err("a number of more than 10 bytes".to_owned());
            }
        }
    }

    fn length(&mut self) -> Result<usize, String> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) if length <= self.bytes.len() - self.at => Ok(length),
            _ => Err(format!(
                "a length of {length} where {} bytes are left",
                self.bytes.len() - self.at
            )),
        }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, String> {
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len())
            .ok_or_else(short)?;
        let piece = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(piece)
    }

    fn pass(&mut self, length: usize) -> Result<(), String> {
        self.at = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len())
            .ok_or_else(short)?;
        Ok(())
    }

    fn prefixed(&mut self) -> Result<Bytes, String> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<Text, String> {
        Text::from_utf8(self.prefixed()?).ok_or_else(|| "a string is not UTF-8".to_owned())
    }

    fn float(&mut self) -> Result<f32, String> {
        let mut raw = [0; 4];
        raw.copy_from_slice(self.bytes.get(self.at..self.at + 4).ok_or_else(short)?);
        self.at += 4;
        Ok(f32::from_le_bytes(raw))
    }

    fn double(&mut self) -> Result<f64, String> {
        let mut raw = [0; 8];
        raw.copy_from_slice(self.bytes.get(self.at..self.at + 8).ok_or_else(short)?);
        self.at += 8;
        Ok(f64::from_le_bytes(raw))
    }

    /// How many items the block has; a negative count is followed by the block's size.
    fn block(&mut self) -> Result<u64, String> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        let count = count.unsigned_abs();
        // Each item but an empty one takes a byte, so more than are left cannot be honest.
        if count > (self.bytes.len() - self.at) as u64 {
            return Err(format!(
                "a block of {count} items where {} bytes are left",
                self.bytes.len() - self.at
            ));
        }
        Ok(count)
    }

    fn pass_blocks(&mut self, mut pass: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                let size = self.length()?;
                self.pass(size)?;
                continue;
            }
            if count as u64 > (self.bytes.len() - self.at) as u64 {
                return Err(format!(
                    "a block of {count} items where {} bytes are left",
                    self.bytes.len() - self.at
                ));
            }
            for _ in 0..count {
                pass(self)?;
            }
        }
    }
}
