//! What the platform of the registry that the world knows does with values: casts, texts, and which texts are values.

use crate::json::value::Json;

use super::{Converted, Ty};

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

/// Whether a default is a value of the type.
pub(super) fn takes(ty: &Ty, default: &Json) -> bool {
    let text = default.as_str();
    let is_number = matches!(default, Json::Number(_));
    match ty {
        Ty::Boolean => matches!(default, Json::Bool(_)),
        Ty::TinyInt | Ty::SmallInt | Ty::Int | Ty::BigInt | Ty::Float | Ty::Double => is_number,
        Ty::Char(_) | Ty::Varchar(_) | Ty::Enum(_) => text.is_some(),
        Ty::Binary(_) | Ty::Varbinary(_) => text.is_some_and(is_base64),
        Ty::Decimal { .. } => is_number || text.is_some_and(is_decimal),
        Ty::Date => text.is_some_and(is_date),
        Ty::Time(_) => text.is_some_and(is_time),
        Ty::Timestamp(_) => text.is_some_and(is_date_time),
        Ty::TimestampLtz(_) => is_number || text.is_some_and(is_instant),
        Ty::Union(branches) => branches.first().is_some_and(|branch| takes(&branch.schema.ty, default)),
        Ty::Variant | Ty::Struct(_) | Ty::Array(_) | Ty::Multiset(_) | Ty::Map(_, _) | Ty::Ref(_) => false,
    }
}

/// Padding may be left out, but not in part.
pub(super) fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let fits = match digits.len() % 4 {
        0 => padding == 0,
        2 => padding == 0 || padding == 2,
        3 => padding == 0 || padding == 1,
        _ => false,
    };
    fits && digits.bytes().all(is_digit)
}

pub(super) fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole)
        && all_digits(part)
        && whole.len() + part.len() > 0
        && exponent.is_none_or(|exponent| exponent.parse::<i32>().is_ok())
}

pub(super) fn is_date(text: &str) -> bool {
    let signed = text.strip_prefix(['+', '-']);
    let digits = signed.unwrap_or(text);
    let mut parts = digits.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    // Years of more than four digits have a sign, and `+` stands before no others.
    let is_year = match year.len() {
        4 => !text.starts_with('+'),
        5..=9 => signed.is_some(),
        _ => false,
    };
    let (Some(year), Some(month), Some(day)) = (whole(year, year.len()), whole(month, 2), whole(day, 2)) else {
        return false;
    };
    let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leaps => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    is_year && (1..=days).contains(&day)
}

/// Hours and minutes, seconds if any, and their fraction.
pub(super) fn is_time(text: &str) -> bool {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let limits: &[u32] = match (parts.len(), fraction) {
        (2, None) => &[23, 59],
        (3, _) => &[23, 59, 59],
        _ => return false,
    };
    let is_fraction = |text: &str| text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    parts
        .iter()
        .zip(limits)
        .all(|(part, most)| whole(part, 2).is_some_and(|value| value <= *most))
        && fraction.is_none_or(is_fraction)
}

pub(super) fn is_date_time(text: &str) -> bool {
    text.split_once(['T', 't'])
        .is_some_and(|(date, time)| is_date(date) && is_time(time))
}

pub(super) fn is_instant(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else {
        return false;
    };
    let local = match time.strip_suffix(['Z', 'z']) {
        Some(local) => Some(local),
        None => time.find(['+', '-']).and_then(|at| {
            let (local, offset) = time.split_at(at);
            is_offset(&offset[1..]).then_some(local)
        }),
    };
    let has_seconds = |local: &str| local.split(':').count() == 3;
    local.is_some_and(|local| is_date(date) && has_seconds(local) && is_time(local))
}

/// An offset's hours, with minutes and seconds if any.
fn is_offset(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let within = |(part, most): (&&str, u32)| whole(part, 2).is_some_and(|value| value <= most);
    (1..=3).contains(&parts.len()) && parts.iter().zip([18, 59, 59]).all(within)
}

fn whole(text: &str, length: usize) -> Option<u32> {
    let is_number = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}
