//! CAST between types, with Flink's text formats.

use std::sync::Arc;

use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::decimal::Decimal;
use crate::eval::{Body, Computed, EvalContext, EvalError};
use crate::temporal;
use crate::types::{DataType, LENGTH_MAX, TypeKind};
use crate::value::{Moment, Value};

/// A double as Java prints it: `1.0`, `1.0E10`, `NaN`, `Infinity`.
pub fn java_double(value: f64) -> String {
    if !value.is_finite() {
        return non_finite(value).to_owned();
    }
    java_digits(&format!("{value:e}"), value == 0.0 && value.is_sign_negative())
}

/// A float as Java prints it.
pub fn java_float(value: f32) -> String {
    if !value.is_finite() {
        return non_finite(f64::from(value)).to_owned();
    }
    java_digits(&format!("{value:e}"), value == 0.0 && value.is_sign_negative())
}

fn non_finite(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}

/// From Rust's shortest `1.25e-3` to Java's layout: plain between 10^-3 and 10^7, else with an exponent.
fn java_digits(scientific: &str, negative_zero: bool) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => (if negative_zero { "-" } else { "" }, mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    if digits == "0" {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let fraction = if digits.len() > 1 { &digits[1..] } else { "0" };
        return format!("{sign}{}.{fraction}E{exponent}", &digits[..1]);
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}.0", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

/// A value as `CAST(x AS STRING)` writes it.
pub fn to_text(value: &Value, ty: &TypeKind, zone: &TimeZone) -> String {
    match (value, ty) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Boolean(value), _) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        (Value::Int(value), _) => value.to_string(),
        (Value::Float(value), _) => java_float(*value),
        (Value::Double(value), _) => java_double(*value),
        (Value::Decimal(value), _) => value.to_string(),
        (Value::String(text), _) => text.as_str().to_owned(),
        (Value::Bytes(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
        (Value::Date(days), _) => temporal::format_date(*days),
        (Value::Time(millis), TypeKind::Time(precision)) => temporal::format_time(*millis, *precision),
        (Value::Time(millis), _) => temporal::format_time(*millis, 0),
        (Value::Timestamp(moment), TypeKind::Timestamp(precision)) => temporal::format_timestamp(*moment, *precision),
        (Value::Timestamp(moment), _) => temporal::format_timestamp(*moment, 3),
        (Value::TimestampLtz(moment), _) => {
            let precision = if let TypeKind::TimestampLtz(precision) = ty {
                *precision
            } else {
                3
            };
            temporal::format_timestamp(temporal::to_local(*moment, zone).unwrap_or(*moment), precision)
        }
        (Value::IntervalMonths(months), _) => temporal::format_month_interval(*months),
        (Value::IntervalMillis(millis), _) => temporal::format_day_interval(*millis),
        (Value::Array(items), TypeKind::Array(element)) => {
            let items: Vec<String> = items.iter().map(|item| to_text(item, &element.kind, zone)).collect();
            format!("[{}]", items.join(", "))
        }
        (Value::Map(entries), TypeKind::Map(key, element)) => {
            let entry = |(k, v): &(Value, Value)| {
                format!("{}={}", to_text(k, &key.kind, zone), to_text(v, &element.kind, zone))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        (Value::Row(values), TypeKind::Row(fields)) => {
            let items: Vec<String> = values
                .iter()
                .zip(fields)
                .map(|(value, field)| to_text(value, &field.ty.kind, zone))
                .collect();
            format!("({})", items.join(", "))
        }
        (Value::Array(_) | Value::Map(_) | Value::Row(_), _) => format!("{value:?}"),
    }
}

/// Wraps to the width of an integer type, as Java's narrowing does.
pub(crate) fn wrap(value: i64, ty: &TypeKind) -> i64 {
    match ty {
        TypeKind::TinyInt => i64::from(value as i8),
        TypeKind::SmallInt => i64::from(value as i16),
        TypeKind::Int => i64::from(value as i32),
        _ => value,
    }
}

fn in_range(value: i128, ty: &TypeKind) -> Option<i64> {
    let fits = match ty {
        TypeKind::TinyInt => i8::try_from(value).is_ok(),
        TypeKind::SmallInt => i16::try_from(value).is_ok(),
        TypeKind::Int => i32::try_from(value).is_ok(),
        _ => true,
    };
    i64::try_from(value).ok().filter(|_| fits)
}

/// The body that casts; `None` if no such cast exists.
pub(crate) fn body(from: &TypeKind, to: &TypeKind) -> Option<Body> {
    if !exists(from, to) {
        return None;
    }
    let (from, to) = (from.clone(), to.clone());
    Some(Arc::new(move |args: &[Value], cx: &EvalContext| {
        cast(&args[0], &from, &to, cx)
    }))
}

/// Whether the cast changes nothing of a value's form, so that no call is needed.
pub(crate) fn is_free(from: &TypeKind, to: &TypeKind) -> bool {
    use TypeKind::*;
    match (from, to) {
        (Null, _) => true,
        _ if from == to => true,
        (TinyInt, SmallInt | Int | BigInt) | (SmallInt, Int | BigInt) | (Int, BigInt) => true,
        (Char(a) | VarChar(a), VarChar(b)) | (Binary(a) | VarBinary(a), VarBinary(b)) => a <= b,
        (Timestamp(a), Timestamp(b)) | (TimestampLtz(a), TimestampLtz(b)) => a <= b,
        (Time(_), Time(_)) => true,
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => is_free(&a.kind, &b.kind),
        (Map(ka, va), Map(kb, vb)) => is_free(&ka.kind, &kb.kind) && is_free(&va.kind, &vb.kind),
        (Row(a), Row(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_free(&a.ty.kind, &b.ty.kind)),
        _ => false,
    }
}

/// Whether `CAST(from AS to)` may be written.
pub(crate) fn exists(from: &TypeKind, to: &TypeKind) -> bool {
    use TypeKind::*;
    if from == to || *from == Null || to.is_string() {
        return true;
    }
    match (from, to) {
        (a, Boolean) => a.is_string() || a.is_numeric(),
        (Boolean, b) => b.is_numeric(),
        (a, b) if a.is_numeric() && b.is_numeric() => true,
        (a, b) if a.is_string() => b.is_numeric() || b.is_temporal() || b.is_binary(),
        (a, b) if a.is_binary() => b.is_binary(),
        (Int | BigInt | TinyInt | SmallInt, b) => b.is_binary() || b.is_interval(),
        (Date, Timestamp(_) | TimestampLtz(_)) | (Time(_), Timestamp(_) | TimestampLtz(_) | Time(_)) => true,
        (Timestamp(_) | TimestampLtz(_), Date | Time(_) | Timestamp(_) | TimestampLtz(_)) => true,
        (IntervalYearMonth | IntervalDayTime, BigInt) => true,
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => exists(&a.kind, &b.kind),
        (Map(ka, va), Map(kb, vb)) => exists(&ka.kind, &kb.kind) && exists(&va.kind, &vb.kind),
        (Row(a), Row(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| exists(&a.ty.kind, &b.ty.kind)),
        _ => false,
    }
}

/// Whether Flink casts without being asked, as an INSERT does.
pub(crate) fn is_implicit(from: &TypeKind, to: &TypeKind) -> bool {
    use TypeKind::*;
    match (from, to) {
        (Null, _) => true,
        _ if from == to => true,
        (Char(_) | VarChar(_), Char(_) | VarChar(_)) | (Binary(_) | VarBinary(_), Binary(_) | VarBinary(_)) => true,
        (TinyInt, SmallInt | Int | BigInt) | (SmallInt, Int | BigInt) | (Int, BigInt) => true,
        (a, Decimal { .. }) => a.is_integer() || matches!(a, Decimal { .. }),
        (a, Float) => a.is_integer() || matches!(a, Decimal { .. }),
        (a, Double) => a.is_numeric(),
        (Time(_), Time(_)) | (Timestamp(_), Date | Time(_)) => true,
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => true,
        (Date, Timestamp(_) | TimestampLtz(_)) => true,
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => is_implicit(&a.kind, &b.kind),
        (Map(ka, va), Map(kb, vb)) => is_implicit(&ka.kind, &kb.kind) && is_implicit(&va.kind, &vb.kind),
        (Row(a), Row(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_implicit(&a.ty.kind, &b.ty.kind)),
        _ => false,
    }
}

fn failed(value: &Value, from: &TypeKind, to: &TypeKind) -> EvalError {
    let text = to_text(value, from, &TimeZone::UTC);
    let hint = match to {
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) if text.contains('T') => {
            "; for ISO 8601 write TO_TIMESTAMP(x, 'yyyy-MM-dd''T''HH:mm:ss')"
        }
        _ => "; TRY_CAST gives NULL instead",
    };
    EvalError::new(format!("'{text}' cannot be cast to {to}{hint}"))
}

/// The cast itself.
pub(crate) fn cast(value: &Value, from: &TypeKind, to: &TypeKind, cx: &EvalContext) -> Computed {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let fail = || failed(value, from, to);
    match to {
        TypeKind::Char(_) | TypeKind::VarChar(_) => Ok(to_string(value, from, to, &cx.zone)),
        TypeKind::Boolean => to_boolean(value).ok_or_else(fail),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => to_int(value, to).ok_or_else(fail),
        TypeKind::Float => to_double(value).map(|v| Value::Float(v as f32)).ok_or_else(fail),
        TypeKind::Double => to_double(value).map(Value::Double).ok_or_else(fail),
        TypeKind::Decimal { precision, scale } => match to_decimal(value) {
            // A number with too many digits becomes NULL, as in Flink; a text that is no number is an error.
            Some(decimal) => Ok(decimal.fit(*precision, *scale).map_or(Value::Null, Value::Decimal)),
            None => Err(fail()),
        },
        TypeKind::Binary(length) | TypeKind::VarBinary(length) => {
            let fixed = matches!(to, TypeKind::Binary(_));
            to_binary(value, from, *length as usize, fixed).ok_or_else(fail)
        }
        TypeKind::Date | TypeKind::Time(_) | TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            to_temporal(value, to, cx).ok_or_else(fail)
        }
        TypeKind::IntervalYearMonth => value.as_int().map(Value::IntervalMonths).ok_or_else(fail),
        TypeKind::IntervalDayTime => value.as_int().map(Value::IntervalMillis).ok_or_else(fail),
        TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Multiset(_) | TypeKind::Row(_) => {
            nested(value, from, to, cx)
        }
        TypeKind::Null => Ok(Value::Null),
    }
}

fn nested(value: &Value, from: &TypeKind, to: &TypeKind, cx: &EvalContext) -> Computed {
    match (value, from, to) {
        (Value::Array(items), TypeKind::Array(a), TypeKind::Array(b)) => {
            let items = items
                .iter()
                .map(|item| cast(item, &a.kind, &b.kind, cx))
                .collect::<Result<_, _>>()?;
            Ok(Value::Array(Arc::new(items)))
        }
        (Value::Map(entries), TypeKind::Map(ka, va), TypeKind::Map(kb, vb)) => {
            let entry =
                |(k, v): &(Value, Value)| Ok((cast(k, &ka.kind, &kb.kind, cx)?, cast(v, &va.kind, &vb.kind, cx)?));
            Ok(Value::Map(Arc::new(
                entries.iter().map(entry).collect::<Result<_, EvalError>>()?,
            )))
        }
        (Value::Row(values), TypeKind::Row(a), TypeKind::Row(b)) => {
            let fields = values.iter().zip(a.iter().zip(b));
            let cast_field =
                |(value, (a, b)): (&Value, (&crate::Field, &crate::Field))| cast(value, &a.ty.kind, &b.ty.kind, cx);
            Ok(Value::Row(Arc::new(fields.map(cast_field).collect::<Result<_, _>>()?)))
        }
        _ => Ok(value.clone()),
    }
}

fn to_string(value: &Value, from: &TypeKind, to: &TypeKind, zone: &TimeZone) -> Value {
    let unchanged = matches!((value, to), (Value::String(_), TypeKind::VarChar(LENGTH_MAX)));
    if unchanged {
        return value.clone();
    }
    let text = to_text(value, from, zone);
    Value::string(match to {
        TypeKind::Char(length) => {
            let cut: String = text.chars().take(*length as usize).collect();
            let missing = (*length as usize).saturating_sub(cut.chars().count());
            cut + &" ".repeat(missing)
        }
        TypeKind::VarChar(length) if *length != LENGTH_MAX => text.chars().take(*length as usize).collect(),
        _ => text,
    })
}

fn to_boolean(value: &Value) -> Option<Value> {
    Some(Value::Boolean(match value {
        Value::Boolean(value) => *value,
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "1" => true,
            "f" | "false" | "n" | "no" | "0" => false,
            _ => return None,
        },
        other => other.as_f64()? != 0.0,
    }))
}

fn to_int(value: &Value, to: &TypeKind) -> Option<Value> {
    Some(Value::Int(match value {
        Value::Int(value) => wrap(*value, to),
        Value::Boolean(value) => i64::from(*value),
        // Java's narrowing: to the nearest of int or long, then by dropping bits.
        Value::Float(value) => from_double(f64::from(*value), to),
        Value::Double(value) => from_double(*value, to),
        Value::Decimal(value) => wrap(value.truncate_to_int() as i64, to),
        Value::String(text) => {
            let text = text.trim();
            match text.parse::<i64>() {
                Ok(value) => in_range(i128::from(value), to)?,
                Err(_) => in_range(Decimal::parse(text)?.truncate_to_int(), to)?,
            }
        }
        Value::IntervalMonths(value) | Value::IntervalMillis(value) => *value,
        _ => return None,
    }))
}

fn from_double(value: f64, to: &TypeKind) -> i64 {
    match to {
        TypeKind::BigInt => value as i64,
        _ => wrap(i64::from(value as i32), to),
    }
}

fn to_double(value: &Value) -> Option<f64> {
    match value {
        Value::Boolean(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) => match text.trim() {
            "NaN" => Some(f64::NAN),
            "Infinity" | "+Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            number if number.ends_with(|c: char| c.is_ascii_digit() || c == '.') => number.parse().ok(),
            _ => None,
        },
        other => other.as_f64(),
    }
}

fn to_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Boolean(value) => Some(Decimal::from_int(i64::from(*value))),
        Value::String(text) => Decimal::parse(text.trim()),
        other => other.as_decimal(),
    }
}

fn to_binary(value: &Value, from: &TypeKind, length: usize, fixed: bool) -> Option<Value> {
    let mut bytes = match value {
        Value::Bytes(bytes) => bytes.clone(),
        Value::String(text) => text.clone().into_bytes(),
        Value::Int(number) => Bytes::from(match from {
            TypeKind::TinyInt => vec![*number as u8],
            TypeKind::SmallInt => (*number as i16).to_be_bytes().to_vec(),
            TypeKind::Int => (*number as i32).to_be_bytes().to_vec(),
            _ => number.to_be_bytes().to_vec(),
        }),
        _ => return None,
    };
    bytes.truncate(length);
    if fixed && bytes.len() < length {
        let mut padded = bytes.to_vec();
        padded.resize(length, 0);
        bytes = Bytes::from(padded);
    }
    Some(Value::Bytes(bytes))
}

fn to_temporal(value: &Value, to: &TypeKind, cx: &EvalContext) -> Option<Value> {
    // What the value says on a wall clock; an instant is read in the session's zone.
    let local = match value {
        Value::Date(days) => Moment::from_millis(i64::from(*days) * temporal::MILLIS_PER_DAY),
        Value::Time(millis) => {
            let today = temporal::to_local(cx.now, &cx.zone)?;
            Moment::from_millis(today.millis - i64::from(temporal::time_of(today)) + i64::from(*millis))
        }
        Value::Timestamp(moment) => *moment,
        Value::TimestampLtz(moment) => match to {
            TypeKind::TimestampLtz(precision) => return Some(Value::TimestampLtz(moment.truncate(*precision))),
            _ => temporal::to_local(*moment, &cx.zone)?,
        },
        Value::String(text) => {
            return match to {
                TypeKind::Date => {
                    let date = text.trim().split(' ').next().unwrap_or_default();
                    temporal::parse_date(date).map(Value::Date)
                }
                TypeKind::Time(_) => {
                    let text = text.trim();
                    let time = text.split_once(' ').map_or(text, |(_, time)| time);
                    temporal::parse_time(time).map(Value::Time)
                }
                TypeKind::Timestamp(precision) => {
                    temporal::parse_timestamp(text).map(|moment| Value::Timestamp(moment.truncate(*precision)))
                }
                TypeKind::TimestampLtz(precision) => {
                    let local = temporal::parse_timestamp(text)?.truncate(*precision);
                    temporal::to_instant(local, &cx.zone).map(Value::TimestampLtz)
                }
                _ => None,
            };
        }
        _ => return None,
    };
    Some(match to {
        TypeKind::Date => Value::Date(temporal::date_of(local)),
        TypeKind::Time(_) => Value::Time(temporal::time_of(local)),
        TypeKind::Timestamp(precision) => Value::Timestamp(local.truncate(*precision)),
        TypeKind::TimestampLtz(precision) => {
            Value::TimestampLtz(temporal::to_instant(local.truncate(*precision), &cx.zone)?)
        }
        _ => return None,
    })
}

/// The type two branches, elements or operands meet at; `None` if they do not.
pub(crate) fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    let kind = common_kind(&a.kind, &b.kind)?;
    Some(DataType {
        kind,
        nullable: a.nullable || b.nullable,
    })
}

fn common_kind(a: &TypeKind, b: &TypeKind) -> Option<TypeKind> {
    use TypeKind::*;
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (Null, other) | (other, Null) => other.clone(),
        (Char(x) | VarChar(x), Char(y) | VarChar(y)) => VarChar(*x.max(y)),
        (Binary(x) | VarBinary(x), Binary(y) | VarBinary(y)) => VarBinary(*x.max(y)),
        (x, y) if x.is_numeric() && y.is_numeric() => common_numeric(x, y),
        (Date, Timestamp(p)) | (Timestamp(p), Date) => Timestamp(*p),
        (Date, TimestampLtz(p)) | (TimestampLtz(p), Date) => TimestampLtz(*p),
        (Timestamp(p), Timestamp(q)) => Timestamp(*p.max(q)),
        (TimestampLtz(p), TimestampLtz(q) | Timestamp(q)) | (Timestamp(q), TimestampLtz(p)) => TimestampLtz(*p.max(q)),
        (Time(p), Time(q)) => Time(*p.max(q)),
        (Array(x), Array(y)) => Array(Box::new(common_type(x, y)?)),
        (Multiset(x), Multiset(y)) => Multiset(Box::new(common_type(x, y)?)),
        (Map(kx, vx), Map(ky, vy)) => Map(Box::new(common_type(kx, ky)?), Box::new(common_type(vx, vy)?)),
        (Row(x), Row(y)) if x.len() == y.len() => {
            let field = |(x, y): (&crate::Field, &crate::Field)| {
                Some(crate::Field {
                    name: x.name.clone(),
                    ty: common_type(&x.ty, &y.ty)?,
                })
            };
            Row(x.iter().zip(y).map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn common_numeric(a: &TypeKind, b: &TypeKind) -> TypeKind {
    use TypeKind::*;
    let rank = |kind: &TypeKind| match kind {
        TinyInt => 0,
        SmallInt => 1,
        Int => 2,
        _ => 3,
    };
    match (a, b) {
        (Double, _) | (_, Double) => Double,
        (Float, Decimal { .. }) | (Decimal { .. }, Float) => Double,
        (Float, _) | (_, Float) => Float,
        (x, y) if x.is_integer() && y.is_integer() => {
            if rank(x) >= rank(y) {
                x.clone()
            } else {
                y.clone()
            }
        }
        (x, y) => {
            let ((p1, s1), (p2, s2)) = (x.as_decimal().unwrap_or((38, 0)), y.as_decimal().unwrap_or((38, 0)));
            let scale = s1.max(s2);
            let whole = (p1 - s1).max(p2 - s2);
            let precision = (whole + scale).min(38);
            Decimal {
                precision,
                scale: scale.min(precision - whole.min(precision)),
            }
        }
    }
}
