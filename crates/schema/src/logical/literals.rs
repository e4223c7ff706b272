//! Values as they stand in data definitions: written as Java writes them.

use super::Ty;

/// A value of a default.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    /// A number, a date or a time, as it is written.
    Plain(String),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    pub(super) fn text(&self) -> String {
        match self {
            Value::Bool(flag) => flag.to_string(),
            Value::Plain(text) | Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The value as a literal of the type.
    pub(super) fn literal(&self, ty: &Ty) -> String {
        match ty {
            Ty::Boolean => self.text().to_uppercase(),
            Ty::Binary(_) | Ty::Varbinary(_) => hexadecimal(self),
            Ty::TinyInt | Ty::SmallInt | Ty::Int | Ty::BigInt | Ty::Float | Ty::Double | Ty::Decimal { .. } => {
                self.text()
            }
            Ty::Date | Ty::Time(_) | Ty::Timestamp(_) | Ty::TimestampLtz(_) => self.text(),
            _ => quoted(&self.text()),
        }
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn hexadecimal(value: &Value) -> String {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let digits = match value {
        Value::Bytes(bytes) => digits(bytes),
        other => digits(other.text().as_bytes()),
    };
    format!("x'{digits}'")
}

/// A floating point number; `digits` is its shortest decimal form with an exponent, as `{:e}` prints it.
fn floating(digits: &str) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    let or_zero = |text: &str| {
        if text.is_empty() {
            "0".to_owned()
        } else {
            text.to_owned()
        }
    };
    let unsigned = match usize::try_from(exponent) {
        _ if digits.bytes().all(|byte| byte == b'0') => "0.0".to_owned(),
        Ok(whole) if whole < 7 => {
            let padded = format!("{digits:0<width$}", width = whole + 1);
            let (whole, part) = padded.split_at(whole + 1);
            format!("{whole}.{}", or_zero(part))
        }
        Err(_) if exponent >= -3 => format!("0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        _ => {
            let (first, rest) = digits.split_at(1);
            format!("{first}.{}E{exponent}", or_zero(rest))
        }
    };
    format!("{sign}{unsigned}")
}

pub(super) fn double(number: f64) -> Value {
    Value::Plain(match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        _ => floating(&format!("{number:e}")),
    })
}

pub(super) fn float(number: f32) -> Value {
    if number.is_finite() {
        Value::Plain(floating(&format!("{number:e}")))
    } else {
        double(f64::from(number))
    }
}

/// A decimal number by its digits, with a sign if it has one, and by how many of them stand behind the point.
pub(super) fn decimal(unscaled: &str, scale: i64) -> Value {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let sign = if digits == "0" { "" } else { sign };
    let count = digits.len() as i64;
    let adjusted = count - 1 - scale;
    let unsigned = if scale == 0 {
        digits.to_owned()
    } else if scale > 0 && adjusted >= -6 {
        let places = scale as usize;
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, part) = padded.split_at(padded.len() - places);
        format!("{whole}.{part}")
    } else {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent = if adjusted == 0 {
            String::new()
        } else {
            format!("E{adjusted:+}")
        };
        format!("{first}{point}{rest}{exponent}")
    };
    Value::Plain(format!("{sign}{unsigned}"))
}

/// A decimal number by its text, which is one.
pub(super) fn decimal_of(text: &str) -> Value {
    let (digits, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse().unwrap_or(0)),
        None => (text, 0_i64),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let unscaled = format!("{whole}{part}");
    decimal(unscaled.trim_start_matches('+'), part.len() as i64 - exponent)
}

const DAY_SECONDS: i64 = 86_400;

/// A day by its distance from that on which 1970 began.
pub(super) fn date(days: i64) -> String {
    // Years begin in March here, so that the leap day is the last of one.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let year = match year {
        0..=9_999 => format!("{year:04}"),
        10_000.. => format!("+{year}"),
        _ => format!("-{:04}", -year),
    };
    format!("{year}-{month:02}-{day:02}")
}

/// The distance of a day from that on which 1970 began.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn fraction(nanos: i64) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

/// A time of the day; seconds are left out if there are none.
pub(super) fn time(seconds: i64, nanos: i64) -> String {
    let clock = format!("{:02}:{:02}", seconds / 3_600, seconds / 60 % 60);
    if seconds % 60 == 0 && nanos == 0 {
        return clock;
    }
    format!("{clock}:{:02}{}", seconds % 60, fraction(nanos))
}

/// A date and a time, by the seconds since 1970 began.
pub(super) fn date_time(seconds: i64, nanos: i64) -> String {
    let (day, clock) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    format!("{}T{}", date(day), time(clock, nanos))
}

/// A moment, by the seconds since 1970 began.
pub(super) fn instant(seconds: i64, nanos: i64) -> String {
    let (day, clock) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let clock = format!("{:02}:{:02}:{:02}", clock / 3_600, clock / 60 % 60, clock % 60);
    format!("{}T{clock}{}Z", date(day), fraction(nanos))
}

#[cfg(test)]
mod tests {
    use super::{Value, date, date_time, days, decimal_of, double, instant, time};

    /// What Java prints.
    #[test]
    fn values_are_written_as_java_writes_them() {
        let plain = |value: Value| value.text();
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (-123.456, "-123.456"),
            (1.5e300, "1.5E300"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(plain(double(number)), text);
        }
        for (given, text) in [
            ("1.50", "1.50"),
            ("1e5", "1E+5"),
            ("12e5", "1.2E+6"),
            ("-0.0000001", "-1E-7"),
            ("0.000001", "0.000001"),
            ("+5", "5"),
            ("0e3", "0E+3"),
        ] {
            assert_eq!(plain(decimal_of(given)), text);
        }
        for day in [-1_000_000, -719_529, -1, 0, 59, 11_016, 18_321, 3_000_000] {
            let text = date(day);
            let parts: Vec<i64> = text
                .trim_start_matches(['-', '+'])
                .split('-')
                .map(|part| part.parse().unwrap())
                .collect();
            let year = if text.starts_with('-') { -parts[0] } else { parts[0] };
            assert_eq!(days(year, parts[1], parts[2]), day, "{text}");
        }
        assert_eq!(
            (date(18_321), date(-719_529)),
            ("2020-02-29".to_owned(), "-0001-12-31".to_owned())
        );
        assert_eq!(
            (time(43_200, 0), time(43_201, 5_000_000)),
            ("12:00".to_owned(), "12:00:01.005".to_owned())
        );
        assert_eq!(date_time(-1, 0), "1969-12-31T23:59:59");
        assert_eq!(instant(0, 1_000), "1970-01-01T00:00:00.000001Z");
    }
}
