//! The raw format: a key or value that is one column.

use bytes::{BufMut, Bytes, BytesMut};
use sql::{Text, TypeKind, Value};

/// The bytes as a value; numbers are big-endian.
pub(crate) fn read(bytes: &Bytes, kind: &TypeKind) -> Result<Value, String> {
    let number = |width: usize| -> Result<i64, String> {
        if bytes.len() != width {
            return Err(format!("{} bytes are not a {kind}, which has {width}", bytes.len()));
        }
        let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        Ok(bytes.iter().fold(if negative { -1 } else { 0 }, |value, byte| {
            (value << 8) | i64::from(*byte)
        }))
    };
    Ok(match kind {
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => Value::Bytes(bytes.clone()),
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            Value::String(Text::from_utf8(bytes.clone()).ok_or("the bytes are not UTF-8; declare the column BYTES")?)
        }
        TypeKind::Boolean => Value::Boolean(number(1)? != 0),
        TypeKind::TinyInt => Value::Int(number(1)?),
        TypeKind::SmallInt => Value::Int(number(2)?),
        TypeKind::Int => Value::Int(number(4)?),
        TypeKind::BigInt => Value::Int(number(8)?),
        TypeKind::Float => Value::Float(f32::from_bits(number(4)? as u32)),
        TypeKind::Double => Value::Double(f64::from_bits(number(8)? as u64)),
        other => return Err(format!("the raw format has no {other}")),
    })
}

pub(crate) fn supports(kind: &TypeKind) -> bool {
    kind.is_binary()
        || kind.is_string()
        || kind.is_integer()
        || kind.is_approximate()
        || matches!(kind, TypeKind::Boolean)
}

/// A value's bytes; `None` for NULL.
pub(crate) fn write(value: &Value, kind: &TypeKind) -> Option<Bytes> {
    let mut out = BytesMut::new();
    match value {
        Value::Bytes(bytes) => return Some(bytes.clone()),
        Value::String(text) => return Some(text.clone().into_bytes()),
        Value::Boolean(value) => out.put_u8(u8::from(*value)),
        Value::Int(value) => match kind {
            TypeKind::TinyInt => out.put_i8(*value as i8),
            TypeKind::SmallInt => out.put_i16(*value as i16),
            TypeKind::Int => out.put_i32(*value as i32),
            _ => out.put_i64(*value),
        },
        Value::Float(value) => out.put_f32(*value),
        Value::Double(value) => out.put_f64(*value),
        _ => return None,
    }
    Some(out.freeze())
}
