//! Writes rows as Avro, in the shape of the schema the topic's subject has.

use bytes::{BufMut, BytesMut};
use schema::avro::{Kind, Logical, NodeId, Schema};
use serde_json::Value as Json;
use sql::{DataType, Decimal, Moment, TypeKind, Value};

use super::DEPTH_MAX;
use super::mapping::branch_name;
use crate::format::Wanted;

/// How to write a sink's columns in one schema.
#[derive(Debug)]
pub(crate) struct Program {
    root: Write,
}

/// How a value of one SQL type becomes one Avro type.
#[derive(Debug)]
enum Write {
    Null,
    Boolean,
    Long,
    Float,
    Double,
    Bytes,
    Text(TypeKind),
    Fixed(usize),
    Decimal {
        scale: u8,
        precision: u8,
        fixed: Option<usize>,
    },
    Enum(Vec<String>),
    TimeMicros,
    Millis,
    Micros,
    Array(Box<Write>),
    Map(Box<Write>),
    /// From a row's fields.
    Record(Vec<FieldWrite>),
    /// Null goes to one branch, anything else to the other.
    Union {
        null: Option<usize>,
        branch: usize,
        inner: Box<Write>,
    },
    /// A row of one field per branch: the one that is set is written.
    Branches {
        null: Option<usize>,
        branches: Vec<(usize, usize, Write)>,
    },
}

#[derive(Debug)]
enum FieldWrite {
    From(usize, String, Write),
    /// The field's default, as bytes.
    Fixed(Vec<u8>),
}

impl Program {
    /// Fails naming the field or column that does not fit.
    pub(crate) fn new(schema: &Schema, columns: &[Wanted]) -> Result<Program, String> {
        let root = schema.root();
        let root = match &schema.node(root).kind {
            Kind::Record(record) => {
                let fields: Vec<(String, DataType, usize)> = columns
                    .iter()
                    .map(|column| (column.field.clone(), column.ty.clone(), column.slot))
                    .collect();
                Write::Record(record_fields(schema, record, &fields, 0)?)
            }
            _ => match columns {
                [one] => {
                    let write = write_as(schema, root, &one.ty, 0)?;
                    Write::Record(vec![FieldWrite::From(one.slot, one.column.clone(), write)])
                }
                _ => {
                    return Err(format!(
                        "the schema is not a record: it takes one column, not {}",
                        columns.len()
                    ));
                }
            },
        };
        Ok(Program { root })
    }

    /// Appends the row's bytes.
    pub(crate) fn write(&self, row: &[Value], out: &mut BytesMut) -> Result<(), String> {
        let Write::Record(fields) = &self.root else {
            return Ok(());
        };
        write_fields(fields, row, out)
    }
}

fn record_fields(
    schema: &Schema,
    record: &schema::avro::Record,
    columns: &[(String, DataType, usize)],
    depth: u32,
) -> Result<Vec<FieldWrite>, String> {
    for (name, ..) in columns {
        let known = record
            .fields
            .iter()
            .any(|field| field.name == *name || field.aliases.contains(name));
        if !known {
            let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
            return Err(format!(
                "column `{name}` is no field of the registered schema `{}`, whose fields are {}",
                record.name.full(),
                names.join(", ")
            ));
        }
    }
    let mut writes = Vec::new();
    for field in &record.fields {
        let column = columns
            .iter()
            .find(|(name, ..)| *name == field.name || field.aliases.contains(name));
        writes.push(match (column, &field.default) {
            (Some((_, ty, slot)), _) => {
                let write = write_as(schema, field.ty, ty, depth + 1)
                    .map_err(|why| format!("field `{}`: {why}", field.name))?;
                FieldWrite::From(*slot, field.name.clone(), write)
            }
            (None, Some(default)) => {
                let mut bytes = BytesMut::new();
                write_default(schema, field.ty, default, &mut bytes, 0)
                    .map_err(|why| format!("the default of field `{}`: {why}", field.name))?;
                FieldWrite::Fixed(bytes.to_vec())
            }
            (None, None) => {
                return Err(format!(
                    "the registered schema `{}` needs a field `{}`, which gets no value and has no default",
                    record.name.full(),
                    field.name
                ));
            }
        });
    }
    Ok(writes)
}

fn write_as(schema: &Schema, id: NodeId, ty: &DataType, depth: u32) -> Result<Write, String> {
    if depth > DEPTH_MAX {
        return Err("the schema is recursive: SQL types are not".to_owned());
    }
    let node = schema.node(id);
    let mismatch = || Err(format!("{} cannot be written as Avro's {}", ty.kind, node.kind.word()));
    Ok(match (&node.kind, &ty.kind) {
        (Kind::Union(branches), _) => return union_as(schema, branches, ty, depth),
        (Kind::Null, TypeKind::Null) => Write::Null,
        (Kind::Boolean, TypeKind::Boolean) => Write::Boolean,
        (Kind::Int, TypeKind::BigInt) => return Err("BIGINT does not fit Avro's int: CAST it to INT".to_owned()),
        (Kind::Int | Kind::Long, kind) if kind.is_integer() => Write::Long,
        (Kind::Int, TypeKind::Date | TypeKind::Time(_)) => Write::Long,
        (Kind::Long, TypeKind::Time(_)) => Write::TimeMicros,
        (Kind::Long, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_)) => match node.logical {
            Some(Logical::TimestampMicros | Logical::LocalTimestampMicros) => Write::Micros,
            Some(Logical::TimestampMillis | Logical::LocalTimestampMillis) => Write::Millis,
            _ => return mismatch(),
        },
        (Kind::Float, kind) if kind.is_numeric() && *kind != TypeKind::Double => Write::Float,
        (Kind::Double, kind) if kind.is_numeric() => Write::Double,
        (Kind::Bytes | Kind::Fixed(_), kind) if kind.as_decimal().is_some() => match node.logical {
            Some(Logical::Decimal { precision, scale }) => {
                let fixed = if let Kind::Fixed(fixed) = &node.kind {
                    Some(fixed.size)
                } else {
                    None
                };
                Write::Decimal {
                    scale: scale as u8,
                    precision: precision.min(38) as u8,
                    fixed,
                }
            }
            _ => return mismatch(),
        },
        (Kind::Bytes, kind) if kind.is_binary() || kind.is_string() => Write::Bytes,
        (Kind::String, kind) if kind.is_string() => Write::Bytes,
        (Kind::String, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) | TypeKind::Date | TypeKind::Time(_)) => {
            Write::Text(ty.kind.clone())
        }
        (Kind::Fixed(fixed), kind) if kind.is_binary() => Write::Fixed(fixed.size),
        (Kind::Enum(symbols), kind) if kind.is_string() => Write::Enum(symbols.symbols.clone()),
        (Kind::Array(item), TypeKind::Array(element)) => {
            Write::Array(Box::new(write_as(schema, *item, element, depth + 1)?))
        }
        (Kind::Map(value), TypeKind::Map(key, element)) if key.kind.is_string() => {
            Write::Map(Box::new(write_as(schema, *value, element, depth + 1)?))
        }
        (Kind::Record(record), TypeKind::Row(fields)) => {
            // A ROW(…) without names is matched by place.
            let by_place =
                fields.iter().all(|field| field.name.starts_with("EXPR$")) && fields.len() == record.fields.len();
            let columns: Vec<(String, DataType, usize)> = fields
                .iter()
                .enumerate()
                .map(|(place, field)| {
                    let name = if by_place {
                        record.fields[place].name.clone()
                    } else {
                        field.name.clone()
                    };
                    (name, field.ty.clone(), place)
                })
                .collect();
            Write::Record(record_fields(schema, record, &columns, depth + 1)?)
        }
        // A NULL written out fits whatever takes null; elsewhere it fails when a row comes.
        (_, TypeKind::Null) => Write::Null,
        _ => return mismatch(),
    })
}

fn union_as(schema: &Schema, branches: &[NodeId], ty: &DataType, depth: u32) -> Result<Write, String> {
    let null = branches
        .iter()
        .position(|branch| matches!(schema.node(*branch).kind, Kind::Null));
    let others: Vec<(usize, NodeId)> = branches
        .iter()
        .copied()
        .enumerate()
        .filter(|(index, _)| Some(*index) != null)
        .collect();
    if let TypeKind::Row(fields) = &ty.kind
        && others.len() > 1
        && fields
            .iter()
            .all(|field| others.iter().any(|(_, id)| branch_name(schema, *id) == field.name))
    {
        let mut writes = Vec::new();
        for (index, id) in others {
            if let Some(place) = fields.iter().position(|field| field.name == branch_name(schema, id)) {
                writes.push((place, index, write_as(schema, id, &fields[place].ty, depth + 1)?));
            }
        }
        return Ok(Write::Branches { null, branches: writes });
    }
    let mut refused = None;
    for (index, id) in others {
        match write_as(schema, id, ty, depth + 1) {
            Ok(inner) => {
                return Ok(Write::Union {
                    null,
                    branch: index,
                    inner: Box::new(inner),
                });
            }
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    match (refused, null) {
        (None, Some(branch)) => Ok(Write::Union {
            null,
            branch,
            inner: Box::new(Write::Null),
        }),
        (why, _) => Err(why.unwrap_or_else(|| "the union has no branches".to_owned())),
    }
}

fn write_fields(fields: &[FieldWrite], row: &[Value], out: &mut BytesMut) -> Result<(), String> {
    for field in fields {
        match field {
            FieldWrite::Fixed(bytes) => out.put_slice(bytes),
            FieldWrite::From(slot, name, write) => match put(write, &row[*slot], out) {
                Ok(()) => {}
                Err(why) => return Err(format!("field `{name}`: {why}")),
            },
        }
    }
    Ok(())
}

fn put(write: &Write, value: &Value, out: &mut BytesMut) -> Result<(), String> {
    match (write, value) {
        (Write::Union { null, branch, inner }, value) => {
            if value.is_null() {
                put_long(null.ok_or("it is NULL, which the schema does not take")? as i64, out);
                return Ok(());
            }
            put_long(*branch as i64, out);
            return put(inner, value, out);
        }
        (Write::Branches { null, branches }, value) => {
            let fields: &[Value] = if let Value::Row(fields) = value { fields } else { &[] };
            for (place, index, inner) in branches {
                if fields.get(*place).is_some_and(|field| !field.is_null()) {
                    put_long(*index as i64, out);
                    return put(inner, &fields[*place], out);
                }
            }
            put_long(null.ok_or("no branch of the union is set")? as i64, out);
            return Ok(());
        }
        (Write::Null, Value::Null) => {}
        (_, Value::Null) => return Err("it is NULL, which the schema does not take".to_owned()),
        (Write::Boolean, Value::Boolean(value)) => out.put_u8(u8::from(*value)),
        (Write::Long, Value::Int(value)) => put_long(*value, out),
        (Write::Long, Value::Date(value) | Value::Time(value)) => put_long(i64::from(*value), out),
        (Write::TimeMicros, Value::Time(value)) => put_long(i64::from(*value) * 1000, out),
        (Write::Millis, Value::Timestamp(Moment { millis, .. }) | Value::TimestampLtz(Moment { millis, .. })) => {
            put_long(*millis, out);
        }
        (Write::Micros, Value::Timestamp(moment) | Value::TimestampLtz(moment)) => put_long(moment.to_micros(), out),
        (Write::Float, value) => out.put_f32_le(value.as_f64().unwrap_or(f64::NAN) as f32),
        (Write::Double, value) => out.put_f64_le(value.as_f64().unwrap_or(f64::NAN)),
        (Write::Bytes, Value::String(text)) => put_bytes(text.as_bytes(), out),
        (Write::Bytes, Value::Bytes(bytes)) => put_bytes(bytes, out),
        (Write::Text(kind), value) => put_bytes(sql::to_text(value, kind, &jiff::tz::TimeZone::UTC).as_bytes(), out),
        (Write::Fixed(size), Value::Bytes(bytes)) => {
            if bytes.len() != *size {
                return Err(format!("{} bytes, the schema takes exactly {size}", bytes.len()));
            }
            out.put_slice(bytes);
        }
        (
            Write::Decimal {
                scale,
                precision,
                fixed,
            },
            value,
        ) => {
            let decimal = value.as_decimal().and_then(|decimal| decimal.fit(*precision, *scale));
            let decimal = decimal.ok_or_else(|| format!("it does not fit DECIMAL({precision}, {scale})"))?;
            put_decimal(decimal, *fixed, out)?;
        }
        (Write::Enum(symbols), Value::String(text)) => {
            let index = symbols.iter().position(|symbol| symbol == text.as_str());
            put_long(
                index.ok_or_else(|| format!("'{}' is not one of {}", text.as_str(), symbols.join(", ")))? as i64,
                out,
            );
        }
        (Write::Array(item), Value::Array(items)) => {
            if !items.is_empty() {
                put_long(items.len() as i64, out);
                items.iter().try_for_each(|value| put(item, value, out))?;
            }
            out.put_u8(0);
        }
        (Write::Map(inner), Value::Map(entries)) => {
            if !entries.is_empty() {
                put_long(entries.len() as i64, out);
                for (key, value) in entries.iter() {
                    put_bytes(key.as_str().ok_or("a map's key is NULL")?.as_bytes(), out);
                    put(inner, value, out)?;
                }
            }
            out.put_u8(0);
        }
        (Write::Record(fields), Value::Row(values)) => return write_fields(fields, values, out),
        (write, value) => return Err(format!("{value:?} cannot be written as {write:?}")),
    }
    Ok(())
}

/// A zig-zag varint.
#[inline]
fn put_long(value: i64, out: &mut BytesMut) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    put_long(bytes.len() as i64, out);
    out.put_slice(bytes);
}

/// Big-endian two's complement: as short as it goes, or padded to the fixed size.
fn put_decimal(decimal: Decimal, fixed: Option<usize>, out: &mut BytesMut) -> Result<(), String> {
    let all = decimal.unscaled.to_be_bytes();
    let sign = if decimal.unscaled < 0 { 0xff } else { 0 };
    let mut start = 0;
    while start < 15 && all[start] == sign && (all[start + 1] & 0x80) == (sign & 0x80) {
        start += 1;
    }
    match fixed {
        None => put_bytes(&all[start..], out),
        Some(size) => {
            let needed = all.len() - start;
            if needed > size {
                return Err(format!("it needs {needed} bytes, the schema has {size}"));
            }
            out.put_bytes(sign, size - needed);
            out.put_slice(&all[start..]);
        }
    }
    Ok(())
}

/// A field's default as Avro writes it; a union's default belongs to its first branch.
fn write_default(schema: &Schema, id: NodeId, default: &Json, out: &mut BytesMut, depth: u32) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("it is nested too deeply".to_owned());
    }
    let wrong = || format!("{default} is no {}", schema.node(id).kind.word());
    match &schema.node(id).kind {
        Kind::Null => {}
        Kind::Boolean => out.put_u8(u8::from(default.as_bool().ok_or_else(wrong)?)),
        Kind::Int | Kind::Long => put_long(default.as_i64().ok_or_else(wrong)?, out),
        Kind::Float => out.put_f32_le(default.as_f64().ok_or_else(wrong)? as f32),
        Kind::Double => out.put_f64_le(default.as_f64().ok_or_else(wrong)?),
        Kind::String => put_bytes(default.as_str().ok_or_else(wrong)?.as_bytes(), out),
        Kind::Bytes => {
            let bytes: Vec<u8> = default.as_str().ok_or_else(wrong)?.chars().map(|c| c as u8).collect();
            put_bytes(&bytes, out);
        }
        Kind::Fixed(_) => {
            let bytes: Vec<u8> = default.as_str().ok_or_else(wrong)?.chars().map(|c| c as u8).collect();
            out.put_slice(&bytes);
        }
        Kind::Enum(symbols) => {
            let index = symbols
                .symbols
                .iter()
                .position(|symbol| Some(symbol.as_str()) == default.as_str());
            put_long(index.ok_or_else(wrong)? as i64, out);
        }
        Kind::Array(item) => {
            let items = default.as_array().ok_or_else(wrong)?;
            if !items.is_empty() {
                put_long(items.len() as i64, out);
            }
            items
                .iter()
                .try_for_each(|value| write_default(schema, *item, value, out, depth + 1))?;
            out.put_u8(0);
        }
        Kind::Map(inner) => {
            let entries = default.as_object().ok_or_else(wrong)?;
            if !entries.is_empty() {
                put_long(entries.len() as i64, out);
            }
            for (key, value) in entries {
                put_bytes(key.as_bytes(), out);
                write_default(schema, *inner, value, out, depth + 1)?;
            }
            out.put_u8(0);
        }
        Kind::Union(branches) => {
            let index = branches
                .iter()
                .position(|branch| fits(&schema.node(*branch).kind, default))
                .ok_or_else(wrong)?;
            put_long(index as i64, out);
            write_default(schema, branches[index], default, out, depth + 1)?;
        }
        Kind::Record(record) => {
            for field in &record.fields {
                let value = default.get(&field.name).or(field.default.as_ref()).ok_or_else(wrong)?;
                write_default(schema, field.ty, value, out, depth + 1)?;
            }
        }
    }
    Ok(())
}

fn fits(kind: &Kind, default: &Json) -> bool {
    match kind {
        Kind::Null => default.is_null(),
        Kind::Boolean => default.is_boolean(),
        Kind::Int | Kind::Long => default.is_i64(),
        Kind::Float | Kind::Double => default.is_number(),
        Kind::String | Kind::Bytes | Kind::Fixed(_) => default.is_string(),
        Kind::Enum(symbols) => symbols
            .symbols
            .iter()
            .any(|symbol| Some(symbol.as_str()) == default.as_str()),
        Kind::Array(_) => default.is_array(),
        Kind::Map(_) | Kind::Record(_) => default.is_object(),
        Kind::Union(_) => false,
    }
}
