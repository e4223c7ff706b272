//! Texts that clients wrote for defaults of Protobuf fields, read as the registry the world knows reads them.

use super::java::parse_int;
use super::{Converted, Ty};

/// Whether a text is a value of the type; the error says why not, in the words of that registry.
pub(super) fn check_default(ty: &Ty, text: &str) -> Converted<()> {
    match ty {
        Ty::Boolean | Ty::Char(_) | Ty::Varchar(_) | Ty::Enum(_) => Ok(()),
        Ty::TinyInt => small(text, i64::from(i8::MIN)..=i64::from(i8::MAX)),
        Ty::SmallInt => small(text, i64::from(i16::MIN)..=i64::from(i16::MAX)),
        Ty::Int => parse_int(text).map(drop),
        Ty::BigInt => text.parse::<i64>().map(drop).map_err(|_| not_a_number(text)),
        Ty::Float | Ty::Double => floating(text),
        Ty::Binary(_) | Ty::Varbinary(_) => base64(text),
        Ty::Decimal { .. } => decimal(text),
        Ty::Date => moment(text, |at| at.date()),
        Ty::Time(_) => moment(text, |at| at.time(false)),
        Ty::Timestamp(_) => moment(text, |at| at.date_time()),
        Ty::TimestampLtz(_) => instant(text),
        Ty::Union(branches) => match branches.first() {
            Some(branch) => check_default(&branch.schema.ty, text),
            None => Err("Index 0 out of bounds for length 0".to_owned()),
        },
        Ty::Ref(_) => Err("Default values are not supported for type: NAMED_TYPE_REF".to_owned()),
        Ty::Variant | Ty::Struct(_) | Ty::Array(_) | Ty::Multiset(_) | Ty::Map(_, _) => {
            Err(format!("Default values are not supported for type: {}", ty.rendered()))
        }
    }
}

fn not_a_number(text: &str) -> String {
    format!("For input string: \"{text}\"")
}

fn small(text: &str, range: std::ops::RangeInclusive<i64>) -> Converted<()> {
    let number = parse_int(text)?;
    if range.contains(&number) {
        return Ok(());
    }
    Err(format!("Value out of range. Value:\"{text}\" Radix:10"))
}

fn floating(text: &str) -> Converted<()> {
    let text = text.trim_matches(|c: char| c <= ' ');
    if text.is_empty() {
        return Err("empty String".to_owned());
    }
    if is_floating(text) {
        Ok(())
    } else {
        Err(not_a_number(text))
    }
}

/// Whether a text is a floating point number: decimal or hexadecimal, with a letter for its size behind it if need be.
pub(crate) fn is_floating(text: &str) -> bool {
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

fn base64(text: &str) -> Converted<()> {
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

fn decimal(text: &str) -> Converted<()> {
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

fn moment<T>(text: &str, read: impl Fn(&mut At<'_>) -> Reading<T>) -> Converted<()> {
    let mut at = At {
        text: text.as_bytes(),
        at: 0,
    };
    let shown: String = match text.chars().count() {
        0..=64 => text.to_owned(),
        _ => format!("{}...", text.chars().take(64).collect::<String>()),
    };
    match read(&mut at) {
        Ok(_) if at.at == text.len() => Ok(()),
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
fn instant(text: &str) -> Converted<()> {
    moment(text, |at| match at.instant() {
        Err(Fault::Value(_)) => Err(Fault::At(0)),
        other => other,
    })
}

impl At<'_> {
    fn date_time(&mut self) -> Reading<()> {
        let date = self.date();
        if let Err(Fault::At(_)) = date {
            return date;
        }
        self.mark(b"Tt")?;
        let time = self.time(false);
        match time {
            Err(Fault::At(_)) => time,
            _ => date.and(time),
        }
    }

    fn instant(&mut self) -> Reading<()> {
        let date = self.date();
        if let Err(Fault::At(_)) = date {
            return date;
        }
        self.mark(b"Tt")?;
        let time = self.time(true);
        if let Err(Fault::At(_)) = time {
            return time;
        }
        self.offset()?;
        date.and(time)
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

    fn year(&mut self) -> Reading<(bool, u32)> {
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
        Ok((sign == Some(b'-'), year))
    }

    fn date(&mut self) -> Reading<()> {
        let (_, year) = self.year()?;
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
            return Ok(());
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
    fn time(&mut self, with_seconds: bool) -> Reading<()> {
        let hour = self.number(2)?;
        self.mark(b":")?;
        let minute = self.number(2)?;
        let before = self.at;
        let second = self.mark(b":").and_then(|()| self.number(2));
        let second = match second {
            Ok(second) => {
                if self.mark(b".").is_ok() {
                    self.at += self.digits().min(9);
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
        within("SecondOfMinute", 0, 59, second)
    }

    fn offset(&mut self) -> Reading<()> {
        if self.mark(b"Zz").is_ok() {
            return Ok(());
        }
        let start = self.at;
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
        Ok(())
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
