//! Dates and times: text in and out, calendar fields, and arithmetic, as Flink does them.

use jiff::civil::{self, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::ast::Unit;
use crate::value::Moment;

pub(crate) const MILLIS_PER_DAY: i64 = 86_400_000;
const MICROS_PER_MILLI: u32 = 1_000_000;

/// The wall-clock reading of a moment as if in UTC; `None` outside the years -9999 to 9999.
pub(crate) fn to_civil(moment: Moment) -> Option<civil::DateTime> {
    let seconds = moment.millis.div_euclid(1000);
    let nanos = moment.millis.rem_euclid(1000) as i32 * MICROS_PER_MILLI as i32 + moment.nanos as i32;
    Some(Offset::UTC.to_datetime(Timestamp::new(seconds, nanos).ok()?))
}

pub(crate) fn from_civil(datetime: civil::DateTime) -> Option<Moment> {
    Some(from_timestamp(Offset::UTC.to_timestamp(datetime).ok()?))
}

pub(crate) fn from_timestamp(timestamp: Timestamp) -> Moment {
    let nanos = timestamp.as_nanosecond();
    Moment {
        millis: nanos.div_euclid(1_000_000) as i64,
        nanos: nanos.rem_euclid(1_000_000) as u32,
    }
}

/// An instant's wall-clock reading in a zone.
pub(crate) fn to_local(moment: Moment, zone: &TimeZone) -> Option<Moment> {
    if *zone == TimeZone::UTC {
        return Some(moment);
    }
    let seconds = moment.millis.div_euclid(1000);
    let nanos = moment.millis.rem_euclid(1000) as i32 * MICROS_PER_MILLI as i32 + moment.nanos as i32;
    from_civil(zone.to_datetime(Timestamp::new(seconds, nanos).ok()?))
}

/// The instant at which a zone's clocks read so.
pub(crate) fn to_instant(local: Moment, zone: &TimeZone) -> Option<Moment> {
    if *zone == TimeZone::UTC {
        return Some(local);
    }
    Some(from_timestamp(zone.to_timestamp(to_civil(local)?).ok()?))
}

pub(crate) fn civil_date(days: i32) -> Option<civil::Date> {
    Some(to_civil(Moment::from_millis(i64::from(days) * MILLIS_PER_DAY))?.date())
}

pub(crate) fn days_of(date: civil::Date) -> Option<i32> {
    Some(
        (from_civil(date.to_datetime(civil::Time::midnight()))?
            .millis
            .div_euclid(MILLIS_PER_DAY)) as i32,
    )
}

pub(crate) fn date_of(moment: Moment) -> i32 {
    moment.millis.div_euclid(MILLIS_PER_DAY) as i32
}

pub(crate) fn time_of(moment: Moment) -> i32 {
    moment.millis.rem_euclid(MILLIS_PER_DAY) as i32
}

/// `2026-01-02`, `2026-1-2`, `2026-01`, `2026`.
pub fn parse_date(text: &str) -> Option<i32> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut parts = digits.split('-');
    let year = number(parts.next()?, 4)? as i16 * sign;
    let month = parts.next().map_or(Some(1), |part| number(part, 2))? as i8;
    let day = parts.next().map_or(Some(1), |part| number(part, 2))? as i8;
    if parts.next().is_some() {
        return None;
    }
    days_of(civil::Date::new(year, month, day).ok()?)
}

fn number(text: &str, digits_max: usize) -> Option<u32> {
    if text.is_empty() || text.len() > digits_max || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `12:30:45.123`, `12:30`, `12`: nanoseconds of the day.
fn parse_time_nanos(text: &str) -> Option<i64> {
    let mut parts = text.trim().split(':');
    let hour = i64::from(number(parts.next()?, 2)?);
    let minute = i64::from(parts.next().map_or(Some(0), |part| number(part, 2))?);
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
            if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let nanos = if fraction.is_empty() {
                0
            } else {
                format!("{fraction:0<9}").parse().ok()?
            };
            (i64::from(number(whole, 2)?), nanos)
        }
    };
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos)
}

pub fn parse_time(text: &str) -> Option<i32> {
    Some((parse_time_nanos(text)? / 1_000_000) as i32)
}

/// `2026-01-02 03:04:05.123` or `2026-01-02`; not the ISO form with `T`, as in Flink.
pub fn parse_timestamp(text: &str) -> Option<Moment> {
    let text = text.trim();
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, parse_time_nanos(time)?),
        None => (text, 0),
    };
    let millis = i64::from(parse_date(date)?) * MILLIS_PER_DAY + time / 1_000_000;
    Some(Moment {
        millis,
        nanos: (time % 1_000_000) as u32,
    })
}

/// ISO 8601 with `T`, and `Z` or an offset or neither: what JSON carries.
pub fn parse_iso(text: &str, zone: &TimeZone) -> Option<Moment> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(from_timestamp(timestamp));
    }
    let datetime: civil::DateTime = text.parse().ok()?;
    to_instant(from_civil(datetime)?, zone)
}

pub(crate) fn format_date(days: i32) -> String {
    match civil_date(days) {
        Some(date) => format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        None => "out of range".to_owned(),
    }
}

pub(crate) fn format_time(millis: i32, precision: u8) -> String {
    let seconds = millis / 1000;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut text, (millis % 1000) as u32 * MICROS_PER_MILLI, precision);
    text
}

/// At least `precision` digits of the second, and as many as it takes.
pub(crate) fn format_timestamp(moment: Moment, precision: u8) -> String {
    let Some(at) = to_civil(moment) else {
        return "out of range".to_owned();
    };
    let mut text = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    push_fraction(&mut text, at.subsec_nanosecond() as u32, precision);
    text
}

fn push_fraction(text: &mut String, nanos: u32, precision: u8) {
    let mut digits = format!("{nanos:09}");
    while digits.len() > usize::from(precision) && digits.ends_with('0') {
        digits.pop();
    }
    if !digits.is_empty() {
        text.push('.');
        text.push_str(&digits);
    }
}

/// `+D HH:MM:SS.fff`.
pub(crate) fn format_day_interval(millis: i64) -> String {
    let (sign, rest) = (if millis < 0 { '-' } else { '+' }, millis.unsigned_abs());
    let (days, millis) = (rest / MILLIS_PER_DAY as u64, rest % MILLIS_PER_DAY as u64);
    let (seconds, fraction) = (millis / 1000, millis % 1000);
    format!(
        "{sign}{days} {:02}:{:02}:{:02}.{fraction:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `+Y-MM`.
pub(crate) fn format_month_interval(months: i64) -> String {
    let sign = if months < 0 { '-' } else { '+' };
    format!("{sign}{}-{:02}", months.unsigned_abs() / 12, months.unsigned_abs() % 12)
}

/// What `EXTRACT(unit FROM moment)` gives.
pub(crate) fn extract(unit: Unit, moment: Moment) -> Option<i64> {
    let at = to_civil(moment)?;
    let date = at.date();
    Some(match unit {
        Unit::Nanosecond => i64::from(at.subsec_nanosecond()),
        Unit::Microsecond => i64::from(at.second()) * 1_000_000 + i64::from(at.subsec_nanosecond() / 1000),
        Unit::Millisecond => i64::from(at.second()) * 1000 + i64::from(at.millisecond()),
        Unit::Second => i64::from(at.second()),
        Unit::Minute => i64::from(at.minute()),
        Unit::Hour => i64::from(at.hour()),
        Unit::Day => i64::from(at.day()),
        // Sunday is 1.
        Unit::DayOfWeek => i64::from(date.weekday().to_sunday_one_offset()),
        Unit::IsoDayOfWeek => i64::from(date.weekday().to_monday_one_offset()),
        Unit::DayOfYear => i64::from(date.day_of_year()),
        Unit::Week => i64::from(date.iso_week_date().week()),
        Unit::Month => i64::from(at.month()),
        Unit::Quarter => i64::from((at.month() - 1) / 3 + 1),
        Unit::Year => i64::from(at.year()),
        Unit::IsoYear => i64::from(date.iso_week_date().year()),
        Unit::Decade => i64::from(at.year()).div_euclid(10),
        Unit::Century => (i64::from(at.year()) + 99).div_euclid(100),
        Unit::Millennium => (i64::from(at.year()) + 999).div_euclid(1000),
        Unit::Epoch => moment.millis.div_euclid(1000),
    })
}

/// A moment moved by months; the day is clamped to the month's last.
pub(crate) fn add_months(moment: Moment, months: i64) -> Option<Moment> {
    let span = i32::try_from(months).ok()?.months();
    from_civil(to_civil(moment)?.checked_add(span).ok()?)
}

pub(crate) fn add_millis(moment: Moment, millis: i64) -> Option<Moment> {
    Some(Moment {
        millis: moment.millis.checked_add(millis)?,
        ..moment
    })
}

/// How long a unit is: months, or milliseconds.
pub(crate) enum UnitLength {
    Months(i64),
    Millis(i64),
    /// Shorter than a millisecond: so many of them make one.
    PerMilli(i64),
}

pub(crate) fn unit_length(unit: Unit) -> Option<UnitLength> {
    Some(match unit {
        Unit::Nanosecond => UnitLength::PerMilli(1_000_000),
        Unit::Microsecond => UnitLength::PerMilli(1000),
        Unit::Millisecond => UnitLength::Millis(1),
        Unit::Second => UnitLength::Millis(1000),
        Unit::Minute => UnitLength::Millis(60_000),
        Unit::Hour => UnitLength::Millis(3_600_000),
        Unit::Day => UnitLength::Millis(MILLIS_PER_DAY),
        Unit::Week => UnitLength::Millis(7 * MILLIS_PER_DAY),
        Unit::Month => UnitLength::Months(1),
        Unit::Quarter => UnitLength::Months(3),
        Unit::Year => UnitLength::Months(12),
        Unit::Decade => UnitLength::Months(120),
        Unit::Century => UnitLength::Months(1200),
        Unit::Millennium => UnitLength::Months(12_000),
        _ => return None,
    })
}

/// Whole units from `from` to `to`, towards zero.
pub(crate) fn difference(unit: Unit, from: Moment, to: Moment) -> Option<i64> {
    match unit_length(unit)? {
        UnitLength::Millis(length) => Some((to.millis - from.millis) / length),
        UnitLength::PerMilli(count) => {
            let part = (i64::from(to.nanos) - i64::from(from.nanos)) / (1_000_000 / count);
            (to.millis - from.millis).checked_mul(count)?.checked_add(part)
        }
        UnitLength::Months(length) => {
            let (a, b) = (to_civil(from)?, to_civil(to)?);
            let mut months =
                (i64::from(b.year()) - i64::from(a.year())) * 12 + i64::from(b.month()) - i64::from(a.month());
            let reached = add_months(from, months)?;
            if months > 0 && reached > to {
                months -= 1;
            } else if months < 0 && reached < to {
                months += 1;
            }
            Some(months / length)
        }
    }
}

/// `FLOOR(x TO unit)` or `CEIL(x TO unit)`.
pub(crate) fn round_to(unit: Unit, moment: Moment, up: bool) -> Option<Moment> {
    let at = to_civil(moment)?;
    let start = |year: i16, month: i8, day: i8| from_civil(civil::DateTime::new(year, month, day, 0, 0, 0, 0).ok()?);
    let floor = match unit {
        Unit::Millennium => start(at.year() - (at.year() - 1).rem_euclid(1000), 1, 1)?,
        Unit::Century => start(at.year() - (at.year() - 1).rem_euclid(100), 1, 1)?,
        Unit::Decade => start(at.year() - at.year().rem_euclid(10), 1, 1)?,
        Unit::Year => start(at.year(), 1, 1)?,
        Unit::Quarter => start(at.year(), (at.month() - 1) / 3 * 3 + 1, 1)?,
        Unit::Month => start(at.year(), at.month(), 1)?,
        Unit::Week => {
            // Weeks begin on Sunday.
            let days = i64::from(at.date().weekday().to_sunday_zero_offset());
            Moment::from_millis((moment.millis.div_euclid(MILLIS_PER_DAY) - days) * MILLIS_PER_DAY)
        }
        _ => match unit_length(unit)? {
            UnitLength::Millis(length) => Moment::from_millis(moment.millis.div_euclid(length) * length),
            _ => return Some(moment),
        },
    };
    if !up || floor == moment {
        return Some(floor);
    }
    match unit_length(unit)? {
        UnitLength::Months(months) => add_months(floor, months),
        UnitLength::Millis(millis) => add_millis(floor, millis),
        UnitLength::PerMilli(_) => Some(moment),
    }
}

/// A Java `DateTimeFormatter` pattern, compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Letter(char, usize),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

impl Pattern {
    /// What it does not know is named in the error.
    pub(crate) fn parse(text: &str) -> Result<Pattern, String> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut chars = text.chars().peekable();
        let literal = |pieces: &mut Vec<Piece>, c: char| match pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => pieces.push(Piece::Text(c.to_string())),
        };
        while let Some(c) = chars.next() {
            if c == '\'' {
                if chars.next_if_eq(&'\'').is_some() {
                    literal(&mut pieces, '\'');
                    continue;
                }
                loop {
                    match chars.next() {
                        Some('\'') if chars.next_if_eq(&'\'').is_some() => literal(&mut pieces, '\''),
                        Some('\'') => break,
                        Some(c) => literal(&mut pieces, c),
                        None => return Err(format!("the date pattern '{text}' has an open quote")),
                    }
                }
            } else if c.is_ascii_alphabetic() {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if !"yuMLdDEeaHhKkmsSnwWQqzZXxVGA".contains(c) {
                    return Err(format!(
                        "the date pattern '{text}' has a letter `{c}` that is not known; put text in quotes"
                    ));
                }
                pieces.push(Piece::Letter(c, count));
            } else if c != '[' && c != ']' {
                literal(&mut pieces, c);
            }
        }
        Ok(Pattern(pieces))
    }

    pub(crate) fn format(&self, local: Moment, instant: Option<Moment>, zone: &TimeZone) -> Option<String> {
        let at = to_civil(local)?;
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Letter(letter, count) => format_letter(&mut out, *letter, *count, at, local, instant, zone)?,
            }
        }
        Some(out)
    }

    /// The wall-clock time the text names; `None` if it does not fit the pattern.
    pub(crate) fn parse_moment(&self, text: &str) -> Option<Moment> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (index, piece) in self.0.iter().enumerate() {
            rest = match piece {
                Piece::Text(literal) => rest.strip_prefix(literal.as_str())?,
                Piece::Letter(letter, count) => {
                    let digits_follow =
                        matches!(self.0.get(index + 1), Some(Piece::Letter(next, _)) if !"aEzZXxVG".contains(*next));
                    fields.read(*letter, *count, rest, digits_follow)?
                }
            };
        }
        if rest.is_empty() { fields.moment() } else { None }
    }
}

fn format_letter(
    out: &mut String,
    letter: char,
    count: usize,
    at: civil::DateTime,
    local: Moment,
    instant: Option<Moment>,
    zone: &TimeZone,
) -> Option<()> {
    let padded = |out: &mut String, value: i64| out.push_str(&format!("{value:0count$}"));
    match letter {
        'y' | 'u' if count == 2 => out.push_str(&format!("{:02}", at.year().rem_euclid(100))),
        'y' | 'u' => padded(out, i64::from(at.year())),
        'M' | 'L' if count <= 2 => padded(out, i64::from(at.month())),
        'M' | 'L' => {
            let name = MONTHS[at.month() as usize - 1];
            out.push_str(if count == 3 { &name[..3] } else { name });
        }
        'd' => padded(out, i64::from(at.day())),
        'D' => padded(out, i64::from(at.date().day_of_year())),
        'E' => {
            let name = DAYS[at.date().weekday().to_monday_zero_offset() as usize];
            out.push_str(if count <= 3 { &name[..3] } else { name });
        }
        'e' => padded(out, i64::from(at.date().weekday().to_sunday_one_offset())),
        'a' => out.push_str(if at.hour() < 12 { "AM" } else { "PM" }),
        'H' => padded(out, i64::from(at.hour())),
        'k' => padded(out, if at.hour() == 0 { 24 } else { i64::from(at.hour()) }),
        'K' => padded(out, i64::from(at.hour() % 12)),
        'h' => padded(
            out,
            if at.hour() % 12 == 0 {
                12
            } else {
                i64::from(at.hour() % 12)
            },
        ),
        'm' => padded(out, i64::from(at.minute())),
        's' => padded(out, i64::from(at.second())),
        'S' => {
            let digits = format!("{:09}", at.subsec_nanosecond());
            out.push_str(&digits[..count.min(9)]);
        }
        'n' => padded(out, i64::from(at.subsec_nanosecond())),
        'A' => padded(out, local.millis.rem_euclid(MILLIS_PER_DAY)),
        'w' => padded(out, week_of_year(at.date())),
        'W' => padded(
            out,
            (i64::from(at.day()) + i64::from(first_of_month_weekday(at.date())) - 1) / 7 + 1,
        ),
        'Q' | 'q' => padded(out, i64::from((at.month() - 1) / 3 + 1)),
        'G' => out.push_str(if at.year() > 0 { "AD" } else { "BC" }),
        'z' | 'V' => out.push_str(zone.iana_name().unwrap_or("UTC")),
        'Z' | 'X' | 'x' => {
            let instant = instant.unwrap_or(local);
            let timestamp = Timestamp::from_millisecond(instant.millis).ok()?;
            let seconds = zone.to_offset(timestamp).seconds();
            if letter == 'X' && seconds == 0 {
                out.push('Z');
            } else {
                let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                let colon = if letter != 'Z' && count >= 3 { ":" } else { "" };
                out.push_str(&format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60));
            }
        }
        _ => return None,
    }
    Some(())
}

fn first_of_month_weekday(date: civil::Date) -> i8 {
    date.first_of_month().weekday().to_sunday_zero_offset()
}

/// The week number of the US calendar that Java's default locale has: weeks begin on Sunday, the first may be short.
fn week_of_year(date: civil::Date) -> i64 {
    let first = date.first_of_year().weekday().to_sunday_zero_offset();
    let week = (i64::from(date.day_of_year()) + i64::from(first) - 1) / 7 + 1;
    let days_left = date.last_of_year().day_of_year() - date.day_of_year();
    let last_weekday = date.last_of_year().weekday();
    // The year's last days belong to week 1 of the next when that week has begun.
    if last_weekday != Weekday::Saturday && days_left <= i16::from(last_weekday.to_sunday_zero_offset()) {
        1
    } else {
        week
    }
}

/// What a text said, field by field.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nanos: Option<i64>,
    offset_seconds: Option<i64>,
}

impl Fields {
    fn read<'a>(&mut self, letter: char, count: usize, text: &'a str, digits_follow: bool) -> Option<&'a str> {
        let slot = match letter {
            'M' | 'L' if count >= 3 => {
                let at = MONTHS.iter().position(|name| {
                    let name = if count == 3 { &name[..3] } else { name };
                    text.get(..name.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(name))
                })?;
                self.month = Some(at as i64 + 1);
                return text.get(if count == 3 { 3 } else { MONTHS[at].len() }..);
            }
            'E' => {
                let name = DAYS.iter().map(|name| if count <= 3 { &name[..3] } else { name });
                let found = name.into_iter().find(|name| text.starts_with(*name))?;
                return text.get(found.len()..);
            }
            'a' => {
                self.afternoon = Some(match text.get(..2)?.to_ascii_uppercase().as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                return text.get(2..);
            }
            'X' | 'x' | 'Z' => return self.read_offset(text),
            'z' | 'V' | 'G' => {
                let length = text
                    .find(|c: char| !c.is_ascii_alphabetic() && c != '/')
                    .unwrap_or(text.len());
                return text.get(length..);
            }
            'S' => {
                let length = digits(text, count, count)?;
                self.nanos = format!("{:0<9}", &text[..length]).get(..9)?.parse().ok();
                return text.get(length..);
            }
            'y' | 'u' => &mut self.year,
            'M' | 'L' => &mut self.month,
            'd' => &mut self.day,
            'D' => &mut self.day_of_year,
            'H' | 'k' => &mut self.hour,
            'h' | 'K' => &mut self.hour_of_half,
            'm' => &mut self.minute,
            's' => &mut self.second,
            _ => return None,
        };
        let max = match letter {
            'y' | 'u' if count == 2 => 2,
            'y' | 'u' if !digits_follow => 9,
            _ if digits_follow || count > 1 => count.max(if letter == 'D' { 3 } else { 1 }),
            _ => 2,
        };
        let min = if count == 1 { 1 } else { count };
        let length = digits(text, min, max)?;
        let mut value: i64 = text[..length].parse().ok()?;
        if matches!(letter, 'y' | 'u') && count == 2 {
            value += 2000;
        }
        if letter == 'k' && value == 24 {
            value = 0;
        }
        *slot = Some(value);
        text.get(length..)
    }

    fn read_offset<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z') {
            self.offset_seconds = Some(0);
            return Some(rest);
        }
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours: i64 = text.get(1..3)?.parse().ok()?;
        let rest = text.get(3..)?;
        let after_colon = rest.strip_prefix(':').unwrap_or(rest);
        let (minutes, rest) = match after_colon.get(..2).and_then(|digits| digits.parse::<i64>().ok()) {
            Some(minutes) => (minutes, &after_colon[2..]),
            None => (0, rest),
        };
        self.offset_seconds = Some(sign * (hours * 3600 + minutes * 60));
        Some(rest)
    }

    fn moment(&self) -> Option<Moment> {
        let year = i16::try_from(self.year.unwrap_or(1970)).ok()?;
        let date = match self.day_of_year {
            Some(day) => civil::Date::new(year, 1, 1).ok()?.checked_add((day - 1).days()).ok()?,
            None => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?
            }
        };
        let hour = match (self.hour, self.hour_of_half) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour % 12 + if self.afternoon.unwrap_or(false) { 12 } else { 0 },
            (None, None) => 0,
        };
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let nanos = self.nanos.unwrap_or(0);
        let seconds = (hour * 60 + minute) * 60 + second - self.offset_seconds.unwrap_or(0);
        let millis = i64::from(days_of(date)?) * MILLIS_PER_DAY + seconds * 1000 + nanos / 1_000_000;
        Some(Moment {
            millis,
            nanos: (nanos % 1_000_000) as u32,
        })
    }
}

/// How many digits the text begins with, at least `min` and at most `max`.
fn digits(text: &str, min: usize, max: usize) -> Option<usize> {
    let length = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    (length >= min).then_some(length)
}
