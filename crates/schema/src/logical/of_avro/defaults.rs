//! Defaults of Avro fields as values of the types that tables have.

use serde_json::Value as Json;

use crate::json::order::{FRESH, map_order};

use super::super::literals::{self, Value};
use super::super::{Converted, Ty, texts};

const DAY_NANOS: i64 = 86_400_000_000_000;
/// Whole numbers of more bytes are not written in decimal digits.
const BYTES_MAX: usize = 16 * 1024;

/// The value of a default; the error says why it is none.
pub(super) fn value(ty: &Ty, default: &Json) -> Converted<Value> {
    let number = default.as_i64();
    Ok(match (ty, number) {
        (Ty::Boolean, _) => Value::Bool(default.as_bool().unwrap_or(false)),
        (Ty::TinyInt, Some(number)) => Value::Plain((number as i8).to_string()),
        (Ty::SmallInt, Some(number)) => Value::Plain((number as i16).to_string()),
        (Ty::Float, _) => literals::float(floating(default) as f32),
        (Ty::Double, _) => literals::double(floating(default)),
        (Ty::Date, Some(days)) => Value::Plain(literals::date(days)),
        (Ty::Time(precision), Some(number)) => time(*precision, number)?,
        (Ty::Timestamp(precision), Some(number)) => {
            let (seconds, nanos) = moment(*precision, number);
            Value::Plain(literals::date_time(seconds, nanos))
        }
        (Ty::TimestampLtz(precision), Some(number)) => {
            let (seconds, nanos) = moment(*precision, number);
            Value::Plain(literals::instant(seconds, nanos))
        }
        (Ty::Decimal { scale, .. }, _) => decimal(default, *scale)?,
        (Ty::Binary(_) | Ty::Varbinary(_), _) => Value::Bytes(bytes(default)),
        (Ty::Union(branches), _) => match branches.first() {
            Some(branch) => return value(&branch.schema.ty, default),
            None => Value::Text(text(default)),
        },
        (Ty::Array(element), _) => {
            let items: Vec<String> = inside(&element.ty, default.as_array().into_iter().flatten())?;
            Value::Plain(format!("[{}]", items.join(", ")))
        }
        (Ty::Map(_, element) | Ty::Multiset(element), _) => {
            let is_map = matches!(ty, Ty::Map(_, _));
            entries(is_map.then_some(&element.ty), default)?
        }
        _ => Value::Text(text(default)),
    })
}

/// A number, or the text of one.
fn floating(default: &Json) -> f64 {
    let text = default.as_str().and_then(|text| texts::floating(text).ok());
    text.or(default.as_f64()).unwrap_or(0.0)
}

fn inside<'a>(ty: &Ty, items: impl Iterator<Item = &'a Json>) -> Converted<Vec<String>> {
    items.map(|item| Ok(value(ty, item)?.text())).collect()
}

/// A map in the order of a hash map; its values have the type, if there is one.
fn entries(ty: Option<&Ty>, default: &Json) -> Converted<Value> {
    let entries: Vec<(&String, &Json)> = default.as_object().into_iter().flatten().collect();
    let mut shown = Vec::with_capacity(entries.len());
    for at in map_order(entries.iter().map(|(key, _)| key.as_str()), FRESH) {
        let (key, entry) = entries[at];
        let entry = match ty {
            Some(ty) => value(ty, entry)?.text(),
            None => text(entry),
        };
        shown.push(format!("{key}={entry}"));
    }
    Ok(Value::Plain(format!("{{{}}}", shown.join(", "))))
}

/// Milliseconds are written as an `int`, microseconds as a `long`; both count from midnight.
fn time(precision: i64, number: i64) -> Converted<Value> {
    let nanos = number.wrapping_mul(if precision <= 3 { 1_000_000 } else { 1_000 });
    if !(0..DAY_NANOS).contains(&nanos) {
        return Err(format!(
            "Invalid value for NanoOfDay (valid values 0 - {}): {nanos}",
            DAY_NANOS - 1
        ));
    }
    Ok(Value::Plain(literals::time(
        nanos / 1_000_000_000,
        nanos % 1_000_000_000,
    )))
}

fn moment(precision: i64, number: i64) -> (i64, i64) {
    let unit = match precision {
        ..=3 => 1_000,
        4..=6 => 1_000_000,
        _ => 1_000_000_000,
    };
    (
        number.div_euclid(unit),
        number.rem_euclid(unit) * (1_000_000_000 / unit),
    )
}

/// Bytes are written as characters of one byte each.
fn bytes(default: &Json) -> Vec<u8> {
    default.as_str().unwrap_or_default().chars().map(|c| c as u8).collect()
}

fn decimal(default: &Json, scale: i64) -> Converted<Value> {
    let bytes = bytes(default);
    if bytes.is_empty() {
        return Err("Zero length BigInteger".to_owned());
    }
    if bytes.len() > BYTES_MAX {
        return Ok(Value::Bytes(bytes));
    }
    Ok(literals::decimal(&whole(bytes), scale))
}

/// The decimal digits of a whole number in two's complement, the highest byte first.
fn whole(mut bytes: Vec<u8>) -> String {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    if negative {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    // Nine digits a part, the lowest first.
    const PART: u64 = 1_000_000_000;
    let mut parts: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(byte);
        for part in &mut parts {
            let sum = *part * 256 + carry;
            (*part, carry) = (sum % PART, sum / PART);
        }
        if carry > 0 {
            parts.push(carry);
        }
    }
    let digits: String = parts.iter().rev().map(|part| format!("{part:09}")).collect();
    if negative { format!("-{digits}") } else { digits }
}

/// A value as Java writes it.
pub(super) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) if number.is_f64() => literals::double(number.as_f64().unwrap_or(0.0)).text(),
        Json::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| format!("{key}={}", text(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
