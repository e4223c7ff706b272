//! Texts that clients wrote for defaults, read as the registry the world knows reads them.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use super::java::parse_int;
use super::literals::{self, Value};
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

/// Why a text is no date or time.
enum Fault {
    /// What stands at a place was not expected there.
    At(usize),
    /// A number is none of those that are possible.
    Value(String),
}

/// A place in a text of a date or time.
struct At<'t> {
    text: &'t [u8],
    at: usize,
}

type Reading<T> = Result<T, Fault>;

/// Seconds, of the day or since 1970 began, and the nanoseconds behind them.
type Moment = (i64, i64);

fn moment<T>(text: &str, read: impl Fn(&mut At<'_>) -> Reading<T>) -> Converted<T> {
    let mut at = At {
        text: text.as_bytes(),
        at: 0,
    };
    let shown: String = match text.chars().count() {
        0..=64 => text.to_owned(),
        _ => format!("{}...", text.chars().take(64).collect::<String>()),
    };
    match read(&mut at) {
        Ok(value) if at.at == text.len() => Ok(value),
        // A field of a value that cannot be is told only where the whole text could be read.
        Ok(_) => Err(format!(
            "Text '{shown}' could not be parsed, unparsed text found at index {}",
            at.at
        )),
        Err(Fault::At(place)) => Err(format!("Text '{shown}' could not be parsed at index {place}")),
        Err(Fault::Value(why)) if at.at == text.len() => Err(format!("Text '{shown}' could not be parsed: {why}")),
        Err(Fault::Value(_)) => Err(format!(
            "Text '{shown}' could not be parsed, unparsed text found at index {}",
            at.at
        )),
    }
}

/// A moment with its offset; a number that is not possible makes the whole text none.
fn instant(text: &str) -> Converted<Moment> {
    moment(text, |at| match at.instant() {
        Err(Fault::Value(_)) => Err(Fault::At(0)),
        other => other,
    })
}

impl At<'_> {
    fn date_time(&mut self) -> Reading<Moment> {
        let date = self.date();
        if let Err(Fault::At(place)) = date {
            return Err(Fault::At(place));
        }
        self.mark(b"Tt")?;
        let time = self.time(false);
        if let Err(Fault::At(place)) = time {
            return Err(Fault::At(place));
        }
        let (days, (seconds, nanos)) = (date?, time?);
        Ok((days * 86_400 + seconds, nanos))
    }

    fn instant(&mut self) -> Reading<Moment> {
        let date = self.date();
        if let Err(Fault::At(place)) = date {
            return Err(Fault::At(place));
        }
        self.mark(b"Tt")?;
        let time = self.time(true);
        if let Err(Fault::At(place)) = time {
            return Err(Fault::At(place));
        }
        let offset = self.offset()?;
        let (days, (seconds, nanos)) = (date?, time?);
        Ok((days * 86_400 + seconds - offset, nanos))
    }

    fn mark(&mut self, wanted: &[u8]) -> Reading<()> {
        match self.text.get(self.at) {
            Some(byte) if wanted.contains(byte) => {
                self.at += 1;
                Ok(())
            }
            _ => Err(Fault::At(self.at)),
        }
    }

    fn digits(&self) -> usize {
        let rest = &self.text[self.at..];
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// A number of so many digits.
    fn number(&mut self, count: usize) -> Reading<u32> {
        if self.digits() < count {
            return Err(Fault::At(self.at));
        }
        let digits = &self.text[self.at..self.at + count];
        self.at += count;
        let add = |number: u32, digit: &u8| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
        Ok(digits.iter().fold(0, add))
    }

    fn year(&mut self) -> Reading<i64> {
        let sign = self.text.get(self.at).copied().filter(|byte| b"+-".contains(byte));
        let start = self.at;
        self.at += usize::from(sign.is_some());
        let count = self.digits().min(10);
        let too_few = count < 4;
        let (without_need, in_need) = (sign == Some(b'+') && count == 4, sign.is_none() && count > 4);
        if too_few {
            return Err(Fault::At(self.at));
        }
        if without_need || in_need {
            return Err(Fault::At(start));
        }
        let year = self.number(count)?;
        if sign == Some(b'-') && year == 0 {
            return Err(Fault::At(start));
        }
        let year = i64::from(year);
        Ok(if sign == Some(b'-') { -year } else { year })
    }

    /// A date, by its distance from that on which 1970 began.
    fn date(&mut self) -> Reading<i64> {
        let year = self.year()?;
        self.mark(b"-")?;
        let month = self.number(2)?;
        self.mark(b"-")?;
        let day = self.number(2)?;
        within("MonthOfYear", 1, 12, month)?;
        within("DayOfMonth", 1, 31, day)?;
        let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leaps => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day <= days {
            return Ok(literals::days(year, i64::from(month), i64::from(day)));
        }
        if day == 29 {
            return Err(Fault::Value(format!(
                "Invalid date 'February 29' as '{year}' is not a leap year"
            )));
        }
        let name = match month {
            2 => "FEBRUARY",
            4 => "APRIL",
            6 => "JUNE",
            9 => "SEPTEMBER",
            _ => "NOVEMBER",
        };
        Err(Fault::Value(format!("Invalid date '{name} {day}'")))
    }

    /// Hours and minutes; seconds, which may be left out unless they must be there, and a fraction of them.
    fn time(&mut self, with_seconds: bool) -> Reading<Moment> {
        let hour = self.number(2)?;
        self.mark(b":")?;
        let minute = self.number(2)?;
        let before = self.at;
        let mut nanos = 0;
        let second = self.mark(b":").and_then(|()| self.number(2));
        let second = match second {
            Ok(second) => {
                if self.mark(b".").is_ok() {
                    let count = self.digits().min(9);
                    nanos = i64::from(self.number(count)?) * 10_i64.pow(9 - count as u32);
                }
                second
            }
            Err(fault) if with_seconds => return Err(fault),
            Err(_) => {
                self.at = before;
                0
            }
        };
        within("HourOfDay", 0, 23, hour)?;
        within("MinuteOfHour", 0, 59, minute)?;
        within("SecondOfMinute", 0, 59, second)?;
        Ok((i64::from(hour * 3_600 + minute * 60 + second), nanos))
    }

    /// How many seconds a clock is ahead.
    fn offset(&mut self) -> Reading<i64> {
        if self.mark(b"Zz").is_ok() {
            return Ok(0);
        }
        let start = self.at;
        let behind = self.text.get(start) == Some(&b'-');
        self.mark(b"+-")?;
        let hours = self.number(2).map_err(|_| Fault::At(start))?;
        let mut parts = [hours, 0, 0];
        for part in &mut parts[1..] {
            let before = self.at;
            match self.mark(b":").and_then(|()| self.number(2)) {
                Ok(number) => *part = number,
                Err(_) => {
                    self.at = before;
                    break;
                }
            }
        }
        if hours > 18 || parts[1] > 59 || parts[2] > 59 {
            return Err(Fault::At(start));
        }
        let ahead = i64::from(hours * 3_600 + parts[1] * 60 + parts[2]);
        Ok(if behind { -ahead } else { ahead })
    }
}

fn within(name: &str, least: u32, most: u32, number: u32) -> Reading<()> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(Fault::Value(format!(
        "Invalid value for {name} (valid values {least} - {most}): {number}"
    )))
}
