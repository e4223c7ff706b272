//! What the platform of the registry that the world knows does with values: casts, texts, and which values are
//! defaults.

use crate::json::decimal::Decimal;
use crate::json::value::Json;

use super::literals::{self, Value};
use super::{Converted, Ty, texts};

/// A number that is kept as an integer of 32 bits.
pub(super) fn int(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.as_i32().map(i64::from),
        _ => None,
    }
}

/// What is said of a value that is not of the class it should have.
pub(super) fn cast(value: &Json, wanted: &str) -> String {
    const NULL: &str = "org.json.JSONObject$Null";
    let class = match value {
        Json::Null => NULL,
        Json::Bool(_) => "java.lang.Boolean",
        Json::String(_) => "java.lang.String",
        Json::Array(_) => "java.util.ArrayList",
        Json::Object(_) => "java.util.HashMap",
        Json::Number(number) if !number.is_integer() => "java.math.BigDecimal",
        Json::Number(number) if number.as_i32().is_some() => "java.lang.Integer",
        Json::Number(number) if number.text().parse::<i64>().is_ok() => "java.lang.Long",
        Json::Number(_) => "java.math.BigInteger",
    };
    let homes = if class == NULL {
        format!("{class} is in unnamed module of loader 'app'; {wanted} is in module java.base of loader 'bootstrap'")
    } else {
        format!("{class} and {wanted} are in module java.base of loader 'bootstrap'")
    };
    format!("class {class} cannot be cast to class {wanted} ({homes})")
}

pub(super) fn parse_int(text: &str) -> Converted<i64> {
    let parsed = text.parse::<i32>().map(i64::from);
    parsed.map_err(|_| format!("For input string: \"{text}\""))
}

/// The text of a value.
pub(super) fn to_string(value: &Json) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => format!("[{}]", list(items.iter().map(to_string).collect())),
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| format!("{key}={}", to_string(value));
            format!("{{{}}}", list(members.iter().map(member).collect()))
        }
        other => other.text(),
    }
}

/// Names of columns, branches and symbols hold no blanks.
pub(super) fn check_name(name: &str, role: &str) -> Converted<()> {
    if name.is_empty() {
        return Err(format!("{role} name must not be empty"));
    }
    let is_blank = |c: char| c.is_control() || (c.is_whitespace() && !['\u{a0}', '\u{2007}', '\u{202f}'].contains(&c));
    if name.contains(is_blank) {
        return Err(format!(
            "{role} name must not contain whitespace or control characters; got: '{name}'"
        ));
    }
    Ok(())
}

/// The value of the type that a default stands for; none if it is no value of it.
pub(super) fn value(ty: &Ty, default: &Json) -> Option<Value> {
    let text = default.as_str();
    match (ty, default) {
        (Ty::Boolean, Json::Bool(flag)) => Some(Value::Bool(*flag)),
        (Ty::TinyInt, Json::Number(number)) => Some(whole(number, |number| i128::from(number as i8))),
        (Ty::SmallInt, Json::Number(number)) => Some(whole(number, |number| i128::from(number as i16))),
        (Ty::Int, Json::Number(number)) => Some(whole(number, |number| i128::from(number as i32))),
        (Ty::BigInt, Json::Number(number)) => Some(whole(number, |number| i128::from(number as i64))),
        (Ty::Float, Json::Number(number)) => number.text().parse().ok().map(literals::float),
        (Ty::Double, Json::Number(number)) => number.text().parse().ok().map(literals::double),
        (Ty::Decimal { .. }, Json::Number(number)) => Some(literals::decimal_of(number.text())),
        (Ty::TimestampLtz(_), Json::Number(number)) => {
            let millis = truncated(number) as i64;
            let (seconds, rest) = (millis.div_euclid(1_000), millis.rem_euclid(1_000));
            Some(Value::Plain(literals::instant(seconds, rest * 1_000_000)))
        }
        (Ty::Char(_) | Ty::Varchar(_) | Ty::Enum(_) | Ty::Binary(_) | Ty::Varbinary(_), _)
        | (Ty::Decimal { .. } | Ty::Date | Ty::Time(_) | Ty::Timestamp(_) | Ty::TimestampLtz(_), _) => {
            texts::value(ty, text?).ok()
        }
        (Ty::Union(branches), _) => value(&branches.first()?.schema.ty, default),
        _ => None,
    }
}

fn whole(number: &Decimal, narrowed: impl Fn(i128) -> i128) -> Value {
    Value::Plain(narrowed(truncated(number)).to_string())
}

/// A number without what stands behind its point.
fn truncated(number: &Decimal) -> i128 {
    let text = number.text();
    text.parse()
        .unwrap_or_else(|_| text.parse().map_or(0, |number: f64| number as i128))
}
