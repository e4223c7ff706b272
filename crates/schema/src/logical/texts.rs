//! Texts that clients wrote for defaults, read as the registry the world knows reads them.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use super::java::parse_int;
use super::literals::{self, Value};
use super::moments::{instant, moment};
use super::{Converted, Ty};

/// Bits that make no whole byte are passed over.
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// The value of the type that a text stands for; the error says why it is none, in the words of that registry.
pub(super) fn value(ty: &Ty, text: &str) -> Converted<Value> {
    Ok(match ty {
        Ty::Boolean => Value::Bool(text.eq_ignore_ascii_case("true")),
        Ty::Char(_) | Ty::Varchar(_) | Ty::Enum(_) => Value::Text(text.to_owned()),
        Ty::TinyInt => small(text, i64::from(i8::MIN)..=i64::from(i8::MAX))?,
        Ty::SmallInt => small(text, i64::from(i16::MIN)..=i64::from(i16::MAX))?,
        Ty::Int => Value::Plain(parse_int(text)?.to_string()),
        Ty::BigInt => match text.parse::<i64>() {
            Ok(number) => Value::Plain(number.to_string()),
            Err(_) => return Err(not_a_number(text)),
        },
        Ty::Float => literals::float(floating(text)? as f32),
        Ty::Double => literals::double(floating(text)?),
        Ty::Binary(_) | Ty::Varbinary(_) => Value::Bytes(base64(text)?),
        Ty::Decimal { .. } => {
            check_decimal(text)?;
            literals::decimal_of(text)
        }
        Ty::Date => Value::Plain(literals::date(moment(text, |at| at.date())?)),
        Ty::Time(_) => {
            let (seconds, nanos) = moment(text, |at| at.time(false))?;
            Value::Plain(literals::time(seconds, nanos))
        }
        Ty::Timestamp(_) => {
            let (seconds, nanos) = moment(text, |at| at.date_time())?;
            Value::Plain(literals::date_time(seconds, nanos))
        }
        Ty::TimestampLtz(_) => {
            let (seconds, nanos) = instant(text)?;
            Value::Plain(literals::instant(seconds, nanos))
        }
        Ty::Union(branches) => match branches.first() {
            Some(branch) => return value(&branch.schema.ty, text),
            None => return Err("Index 0 out of bounds for length 0".to_owned()),
        },
        Ty::Ref(_) => return Err("Default values are not supported for type: NAMED_TYPE_REF".to_owned()),
        Ty::Variant | Ty::Struct(_) | Ty::Array(_) | Ty::Multiset(_) | Ty::Map(_, _) => {
            return Err(format!("Default values are not supported for type: {}", ty.rendered()));
        }
    })
}

fn not_a_number(text: &str) -> String {
    format!("For input string: \"{text}\"")
}

fn small(text: &str, range: std::ops::RangeInclusive<i64>) -> Converted<Value> {
    let number = parse_int(text)?;
    if range.contains(&number) {
        return Ok(Value::Plain(number.to_string()));
    }
    Err(format!("Value out of range. Value:\"{text}\" Radix:10"))
}

/// A floating point number: decimal or hexadecimal, with a letter for its size behind it if need be.
pub(crate) fn floating(text: &str) -> Converted<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    if text.is_empty() {
        return Err("empty String".to_owned());
    }
    if !is_floating(text) {
        return Err(not_a_number(text));
    }
    let (sign, bare) = match text.strip_prefix('-') {
        Some(bare) => (-1.0, bare),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X"));
    let digits = bare.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(bare);
    let number = match hexadecimal {
        Some(rest) => hexadecimal_number(rest),
        None => digits.parse().unwrap_or(f64::NAN),
    };
    Ok(sign * number)
}

/// `1.8p3`: sixteenths behind the point, and a power of two.
fn hexadecimal_number(text: &str) -> f64 {
    let (digits, power) = text.split_once(['p', 'P']).unwrap_or((text, "0"));
    let power = power.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(power);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let digit = |number: f64, c: char| number * 16.0 + f64::from(c.to_digit(16).unwrap_or(0));
    let mantissa = whole.chars().chain(part.chars()).fold(0.0, digit);
    mantissa * 2_f64.powi(power.parse().unwrap_or(0)) / 16_f64.powi(part.len() as i32)
}

fn is_floating(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c <= ' ');
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(text, "NaN" | "Infinity") {
        return true;
    }
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (body, mark, radix): (&str, [char; 2], u32) = match hexadecimal {
        Some(rest) => (rest, ['p', 'P'], 16),
        None => (text, ['e', 'E'], 10),
    };
    let (digits, exponent) = match body.split_once(mark) {
        Some((digits, exponent)) => (digits, Some(exponent)),
        None => (body, None),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str, radix: u32| text.chars().all(|c| c.is_digit(radix));
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && all_digits(digits, 10)
    };
    let fits = all_digits(whole, radix) && all_digits(part, radix) && whole.len() + part.len() > 0;
    fits && exponent.map_or(radix == 10, is_exponent)
}

fn base64(text: &str) -> Converted<Vec<u8>> {
    check_base64(text)?;
    let decoded = BASE64.decode(text.trim_end_matches('='));
    decoded.map_err(|error| error.to_string())
}

fn check_base64(text: &str) -> Converted<()> {
    if text.len() == 1 {
        return Err("Input byte[] should at least have 2 bytes for base64 bytes".to_owned());
    }
    let bytes: Vec<char> = text.chars().collect();
    let is_digit = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let digits = bytes.iter().take_while(|c| is_digit(**c)).count();
    let rest = &bytes[digits..];
    match (rest.first(), digits % 4) {
        (None, 0) => Ok(()),
        (None, 1) => Err("Last unit does not have enough valid bits".to_owned()),
        (None, _) => Ok(()),
        (Some('='), 2) if rest.get(1) != Some(&'=') => Err("Input byte array has wrong 4-byte ending unit".to_owned()),
        (Some('='), 0 | 1) => Err("Input byte array has wrong 4-byte ending unit".to_owned()),
        (Some('='), left) => {
            let padding = 4 - left;
            match rest.len() == padding {
                true => Ok(()),
                false => Err(format!(
                    "Input byte array has incorrect ending byte at {}",
                    digits + padding
                )),
            }
        }
        (Some(other), _) => Err(format!("Illegal base64 character {:x}", u32::from(*other))),
    }
}

fn check_decimal(text: &str) -> Converted<()> {
    /// Longer texts are read by other means there, with words of their own.
    const COMPACT_MAX: usize = 18;
    // What is said where there is nothing to say.
    let nothing = || "null".to_owned();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (digits, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let mut points = 0;
    for c in digits.chars() {
        match c {
            '.' if points == 0 => points = 1,
            '.' => return Err("Character array contains more than one decimal point.".to_owned()),
            c if c.is_ascii_digit() => {}
            _ if unsigned.len() > COMPACT_MAX => {
                return Err("Character array is missing \"e\" notation exponential mark.".to_owned());
            }
            c => {
                return Err(format!(
                    "Character {c} is neither a decimal digit number, decimal point, nor \"e\" notation exponential mark."
                ));
            }
        }
    }
    if let Some(exponent) = exponent {
        let number = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if number.is_empty() {
            return Err(nothing());
        }
        if number.trim_start_matches('0').len() > 10 {
            return Err("Too many nonzero exponent digits.".to_owned());
        }
        if !number.chars().all(|c| c.is_ascii_digit()) {
            return Err("Not a digit.".to_owned());
        }
    }
    if digits.len() == points {
        return Err(if unsigned.is_empty() {
            nothing()
        } else {
            "No digits found.".to_owned()
        });
    }
    Ok(())
}
