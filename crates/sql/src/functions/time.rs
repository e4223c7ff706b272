//! Date and time functions.

use super::{Args, Bound, Def, Problem, cast_expr, def, double, int, text};
use crate::ast::Unit;
use crate::eval::{EvalContext, EvalError, Expr};
use crate::temporal::{self, Pattern, UnitLength};
use crate::types::{DataType, TypeKind};
use crate::value::{Moment, Value};

/// What `FROM_UNIXTIME` and `UNIX_TIMESTAMP` read and write unless told otherwise.
const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) const DEFS: &[Def] = &[
    def("CURRENT_TIMESTAMP", 0, 0, current_timestamp),
    def("CURRENT_ROW_TIMESTAMP", 0, 0, current_timestamp),
    def("NOW", 0, 0, current_timestamp),
    def("PROCTIME", 0, 0, current_timestamp),
    def("LOCALTIMESTAMP", 0, 0, local_timestamp),
    def("CURRENT_DATE", 0, 0, current_date),
    def("CURRENT_TIME", 0, 0, current_time),
    def("LOCALTIME", 0, 0, current_time),
    def("UNIX_TIMESTAMP", 0, 2, unix_timestamp),
    def("FROM_UNIXTIME", 1, 2, from_unixtime),
    def("TO_TIMESTAMP", 1, 2, to_timestamp),
    def("TO_TIMESTAMP_LTZ", 1, 3, to_timestamp_ltz),
    def("TO_DATE", 1, 2, to_date),
    def("DATE_FORMAT", 2, 2, date_format),
    def("YEAR", 1, 1, |args| field(args, Unit::Year)),
    def("QUARTER", 1, 1, |args| field(args, Unit::Quarter)),
    def("MONTH", 1, 1, |args| field(args, Unit::Month)),
    def("WEEK", 1, 1, |args| field(args, Unit::Week)),
    def("DAYOFYEAR", 1, 1, |args| field(args, Unit::DayOfYear)),
    def("DAYOFMONTH", 1, 1, |args| field(args, Unit::Day)),
    def("DAYOFWEEK", 1, 1, |args| field(args, Unit::DayOfWeek)),
    def("HOUR", 1, 1, |args| field(args, Unit::Hour)),
    def("MINUTE", 1, 1, |args| field(args, Unit::Minute)),
    def("SECOND", 1, 1, |args| field(args, Unit::Second)),
    def("CONVERT_TZ", 3, 3, convert_tz),
    def("SOURCE_WATERMARK", 0, 0, current_watermark),
    def("CURRENT_WATERMARK", 1, 1, current_watermark),
];

fn clock(args: Args, kind: TypeKind, read: fn(&EvalContext) -> Option<Value>) -> Bound {
    args.build_as(DataType::not_null(kind), true, false, move |_, cx| {
        Ok(read(cx).unwrap_or_default())
    })
}

fn current_timestamp(args: Args) -> Bound {
    clock(args, TypeKind::TimestampLtz(3), |cx| {
        Some(Value::TimestampLtz(cx.now.truncate(3)))
    })
}

fn local_timestamp(args: Args) -> Bound {
    clock(args, TypeKind::Timestamp(3), |cx| {
        Some(Value::Timestamp(temporal::to_local(cx.now, &cx.zone)?.truncate(3)))
    })
}

fn current_date(args: Args) -> Bound {
    clock(args, TypeKind::Date, |cx| {
        Some(Value::Date(temporal::date_of(temporal::to_local(cx.now, &cx.zone)?)))
    })
}

fn current_time(args: Args) -> Bound {
    clock(args, TypeKind::Time(0), |cx| {
        Some(Value::Time(
            temporal::time_of(temporal::to_local(cx.now, &cx.zone)?) / 1000 * 1000,
        ))
    })
}

/// No operator here waits for watermarks, so there is none to show.
fn current_watermark(args: Args) -> Bound {
    args.build_as(DataType::new(TypeKind::TimestampLtz(3)), false, true, |_, _| {
        Ok(Value::Null)
    })
}

/// A pattern argument: compiled now if it is a constant.
enum Format {
    Fixed(Pattern),
    Changing,
}

impl Format {
    fn of(args: &Args, index: usize, default: &str) -> Result<Format, Problem> {
        let pattern = match args.list.get(index) {
            None => default.to_owned(),
            Some(_) => match args.literal_text(index) {
                Some(pattern) => pattern,
                None => return Ok(Format::Changing),
            },
        };
        match Pattern::parse(&pattern) {
            Ok(pattern) => Ok(Format::Fixed(pattern)),
            Err(message) => {
                let hint = "such as yyyy-MM-dd HH:mm:ss; text goes in quotes: yyyy-MM-dd''T''HH:mm:ss".to_owned();
                Err(Problem {
                    message,
                    hint,
                    arg: Some(index),
                })
            }
        }
    }

    fn with<T>(&self, pattern: Option<&Value>, using: impl FnOnce(&Pattern) -> T) -> Result<T, EvalError> {
        match self {
            Format::Fixed(pattern) => Ok(using(pattern)),
            Format::Changing => {
                let parsed = Pattern::parse(pattern.map_or("", text)).map_err(EvalError::new)?;
                Ok(using(&parsed))
            }
        }
    }
}

/// Seconds since 1970: of now, or of a text in the session's zone.
fn unix_timestamp(mut args: Args) -> Bound {
    if args.len() == 0 {
        return clock(args, TypeKind::BigInt, |cx| {
            Some(Value::Int(cx.now.millis.div_euclid(1000)))
        });
    }
    args.strings()?;
    let format = Format::of(&args, 1, DEFAULT_PATTERN)?;
    args.build(TypeKind::BigInt, move |a, cx| {
        let local = format.with(a.get(1), |pattern| pattern.parse_moment(text(&a[0])))?;
        let instant = local.and_then(|local| temporal::to_instant(local, &cx.zone));
        // Flink's answer to a text that does not fit.
        Ok(Value::Int(
            instant.map_or(i64::MIN, |instant| instant.millis.div_euclid(1000)),
        ))
    })
}

fn from_unixtime(mut args: Args) -> Bound {
    args.numeric(0)?;
    args.cast_to(0, TypeKind::BigInt);
    if args.len() == 2 {
        args.string(1)?;
    }
    let format = Format::of(&args, 1, DEFAULT_PATTERN)?;
    args.build_nullable(TypeKind::STRING, move |a, cx| {
        let instant = Moment::from_millis(int(&a[0]).saturating_mul(1000));
        let local = temporal::to_local(instant, &cx.zone);
        let shown = format.with(a.get(1), |pattern| {
            local.and_then(|local| pattern.format(local, Some(instant), &cx.zone))
        })?;
        Ok(shown.map_or(Value::Null, Value::string))
    })
}

fn to_timestamp(mut args: Args) -> Bound {
    args.strings()?;
    let plain = args.len() == 1;
    let format = Format::of(&args, 1, DEFAULT_PATTERN)?;
    args.build_nullable(TypeKind::Timestamp(3), move |a, _| {
        let source = text(&a[0]);
        let moment = if plain {
            temporal::parse_timestamp(source)
        } else {
            format.with(a.get(1), |pattern| pattern.parse_moment(source))?
        };
        Ok(moment.map_or(Value::Null, |moment| Value::Timestamp(moment.truncate(3))))
    })
}

fn to_timestamp_ltz(mut args: Args) -> Bound {
    if args.kind(0).is_string() {
        args.strings()?;
        let plain = args.len() == 1;
        let format = Format::of(&args, 1, DEFAULT_PATTERN)?;
        return args.build_nullable(TypeKind::TimestampLtz(3), move |a, cx| {
            let source = text(&a[0]);
            let local = if plain {
                temporal::parse_timestamp(source)
            } else {
                format.with(a.get(1), |pattern| pattern.parse_moment(source))?
            };
            let zone = match a.get(2) {
                Some(name) => zone_named(text(name))?,
                None if a.len() == 2 => jiff::tz::TimeZone::UTC,
                None => cx.zone.clone(),
            };
            Ok(local
                .and_then(|local| temporal::to_instant(local, &zone))
                .map_or(Value::Null, |at| Value::TimestampLtz(at.truncate(3))))
        });
    }
    args.numeric(0)?;
    let precision = match args.list.get(1) {
        None => 3,
        Some(arg) => match arg.as_literal().and_then(Value::as_int) {
            Some(0) => 0,
            Some(3) => 3,
            Some(6) => 6,
            Some(9) => 9,
            _ => {
                return Problem::new(
                    "the precision of `TO_TIMESTAMP_LTZ` must be a constant 0, 3, 6 or 9",
                    "0 for seconds, 3 for milliseconds",
                );
            }
        },
    };
    args.build_nullable(TypeKind::TimestampLtz(3), move |a, _| {
        let moment = match (&a[0], precision) {
            (Value::Int(value), 0) => value.checked_mul(1000).map(Moment::from_millis),
            (Value::Int(value), 3) => Some(Moment::from_millis(*value)),
            (Value::Int(value), 6) => Some(Moment::from_micros(*value)),
            (Value::Int(value), _) => Some(Moment::from_micros(value.div_euclid(1000))),
            (other, digits) => Some(Moment::from_micros((double(other) * 10_f64.powi(6 - digits)) as i64)),
        };
        Ok(moment.map_or(Value::Null, |moment| Value::TimestampLtz(moment.truncate(3))))
    })
}

fn to_date(mut args: Args) -> Bound {
    args.strings()?;
    let plain = args.len() == 1;
    let format = Format::of(&args, 1, "yyyy-MM-dd")?;
    args.build_nullable(TypeKind::Date, move |a, _| {
        let source = text(&a[0]);
        let days = if plain {
            temporal::parse_date(source)
        } else {
            format
                .with(a.get(1), |pattern| pattern.parse_moment(source))?
                .map(temporal::date_of)
        };
        Ok(days.map_or(Value::Null, Value::Date))
    })
}

fn date_format(mut args: Args) -> Bound {
    args.string(1)?;
    let kind = args.kind(0).clone();
    if kind.is_string() {
        // A text is read as a timestamp first, as Flink does.
        args.cast_to(0, TypeKind::Timestamp(3));
    } else if !matches!(
        kind,
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) | TypeKind::Date | TypeKind::Null
    ) {
        return Problem::new(
            format!("`DATE_FORMAT` takes a timestamp, not {kind}"),
            "write TO_TIMESTAMP_LTZ(x, 3)",
        );
    }
    let format = Format::of(&args, 1, DEFAULT_PATTERN)?;
    args.build_nullable(TypeKind::STRING, move |a, cx| {
        let (local, instant) = match &a[0] {
            Value::Timestamp(moment) => (Some(*moment), None),
            Value::TimestampLtz(moment) => (temporal::to_local(*moment, &cx.zone), Some(*moment)),
            Value::Date(days) => (
                Some(Moment::from_millis(i64::from(*days) * temporal::MILLIS_PER_DAY)),
                None,
            ),
            _ => (None, None),
        };
        let shown = format.with(a.get(1), |pattern| {
            local.and_then(|local| pattern.format(local, instant, &cx.zone))
        })?;
        Ok(shown.map_or(Value::Null, Value::string))
    })
}

/// What a temporal value says on the wall clock.
fn local_of(value: &Value, cx: &EvalContext) -> Option<Moment> {
    match value {
        Value::Timestamp(moment) => Some(*moment),
        Value::TimestampLtz(moment) => temporal::to_local(*moment, &cx.zone),
        Value::Date(days) => Some(Moment::from_millis(i64::from(*days) * temporal::MILLIS_PER_DAY)),
        Value::Time(millis) => Some(Moment::from_millis(i64::from(*millis))),
        _ => None,
    }
}

fn need_time(args: &Args, what: &str) -> Result<(), Problem> {
    let kind = args.kind(0);
    if kind.is_temporal() || *kind == TypeKind::Null {
        return Ok(());
    }
    let hint = match kind {
        kind if kind.is_string() => {
            "write TO_TIMESTAMP(x) for a text such as 2026-01-02 03:04:05, or TO_TIMESTAMP_LTZ(millis, 3) for the number it came from"
        }
        kind if kind.is_numeric() => "write TO_TIMESTAMP_LTZ(x, 3) for milliseconds since 1970",
        _ => "pass a DATE or a TIMESTAMP",
    };
    Err(Problem {
        message: format!("{what} takes a date or timestamp, not {kind}"),
        hint: hint.to_owned(),
        arg: Some(0),
    })
}

fn field(args: Args, unit: Unit) -> Bound {
    need_time(&args, &format!("`{}`", args.name))?;
    args.build(TypeKind::BigInt, move |a, cx| {
        Ok(local_of(&a[0], cx)
            .and_then(|moment| temporal::extract(unit, moment))
            .map_or(Value::Null, Value::Int))
    })
}

/// `EXTRACT(unit FROM x)`.
pub(crate) fn extract(unit: Unit, from: Expr) -> Bound {
    let args = Args {
        name: "EXTRACT",
        list: vec![from],
    };
    need_time(&args, "`EXTRACT`")?;
    args.build(TypeKind::BigInt, move |a, cx| {
        let moment = match (&a[0], unit) {
            (Value::TimestampLtz(moment), Unit::Epoch) => Some(*moment),
            (value, _) => local_of(value, cx),
        };
        Ok(moment
            .and_then(|moment| temporal::extract(unit, moment))
            .map_or(Value::Null, Value::Int))
    })
}

/// `FLOOR(x TO unit)`, `CEIL(x TO unit)`.
pub(crate) fn round_to(up: bool, from: Expr, unit: Unit) -> Bound {
    let args = Args {
        name: if up { "CEIL" } else { "FLOOR" },
        list: vec![from],
    };
    need_time(&args, &format!("`{}(x TO …)`", args.name))?;
    let kind = args.kind(0).clone();
    args.build(kind, move |a, cx| {
        let rounded = local_of(&a[0], cx).and_then(|moment| temporal::round_to(unit, moment, up));
        Ok(match (rounded, &a[0]) {
            (Some(moment), Value::Timestamp(_)) => Value::Timestamp(moment),
            (Some(moment), Value::TimestampLtz(_)) => {
                temporal::to_instant(moment, &cx.zone).map_or(Value::Null, Value::TimestampLtz)
            }
            (Some(moment), Value::Date(_)) => Value::Date(temporal::date_of(moment)),
            (Some(moment), Value::Time(_)) => Value::Time(temporal::time_of(moment)),
            _ => Value::Null,
        })
    })
}

/// `TIMESTAMPADD(unit, n, x)`.
pub(crate) fn timestamp_add(unit: Unit, count: Expr, to: Expr) -> Bound {
    let mut args = Args {
        name: "TIMESTAMPADD",
        list: vec![to, count],
    };
    if args.kind(0).is_string() {
        args.cast_to(0, TypeKind::Timestamp(3));
    }
    need_time(&args, "`TIMESTAMPADD`")?;
    args.integer(1)?;
    if temporal::unit_length(unit).is_none() {
        return Problem::new(
            "`TIMESTAMPADD` does not know this unit",
            "SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR",
        );
    }
    let below_day =
        matches!(temporal::unit_length(unit), Some(UnitLength::Millis(length)) if length < temporal::MILLIS_PER_DAY);
    let kind = match args.kind(0) {
        TypeKind::Date if below_day => TypeKind::Timestamp(3),
        other => other.clone(),
    };
    let result = kind.clone();
    args.build_nullable(kind, move |a, _| {
        let count = int(&a[1]);
        let moved = |moment: Moment| match temporal::unit_length(unit)? {
            UnitLength::Months(months) => temporal::add_months(moment, count.checked_mul(months)?),
            UnitLength::Millis(millis) => temporal::add_millis(moment, count.checked_mul(millis)?),
            UnitLength::PerMilli(parts) => {
                let nanos = i128::from(moment.millis) * 1_000_000 + i128::from(moment.nanos);
                let moved = nanos + i128::from(count) * i128::from(1_000_000 / parts);
                let millis = i64::try_from(moved.div_euclid(1_000_000)).ok()?;
                Some(Moment {
                    millis,
                    nanos: moved.rem_euclid(1_000_000) as u32,
                })
            }
        };
        let value = match &a[0] {
            Value::Timestamp(moment) => moved(*moment).map(Value::Timestamp),
            Value::TimestampLtz(moment) => moved(*moment).map(Value::TimestampLtz),
            Value::Date(days) => {
                moved(Moment::from_millis(i64::from(*days) * temporal::MILLIS_PER_DAY)).map(|moment| {
                    if result == TypeKind::Date {
                        Value::Date(temporal::date_of(moment))
                    } else {
                        Value::Timestamp(moment)
                    }
                })
            }
            Value::Time(millis) => {
                moved(Moment::from_millis(i64::from(*millis))).map(|m| Value::Time(temporal::time_of(m)))
            }
            _ => None,
        };
        Ok(value.unwrap_or_default())
    })
}

/// `TIMESTAMPDIFF(unit, from, to)`.
pub(crate) fn timestamp_diff(unit: Unit, from: Expr, to: Expr) -> Bound {
    let mut list = vec![from, to];
    for arg in &mut list {
        if arg.ty.kind.is_string() {
            *arg = cast_expr(arg.clone(), &TypeKind::Timestamp(3), false);
        }
        if !arg.ty.kind.is_temporal() && arg.ty.kind != TypeKind::Null {
            return Problem::new(
                format!("`TIMESTAMPDIFF` takes dates or timestamps, not {}", arg.ty.kind),
                "write TO_TIMESTAMP_LTZ(x, 3) for milliseconds since 1970",
            );
        }
    }
    if temporal::unit_length(unit).is_none() {
        return Problem::new(
            "`TIMESTAMPDIFF` does not know this unit",
            "SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR",
        );
    }
    Args {
        name: "TIMESTAMPDIFF",
        list,
    }
    .build_nullable(TypeKind::Int, move |a, cx| {
        let (Some(from), Some(to)) = (local_of(&a[0], cx), local_of(&a[1], cx)) else {
            return Ok(Value::Null);
        };
        Ok(temporal::difference(unit, from, to).map_or(Value::Null, |count| Value::Int(i64::from(count as i32))))
    })
}

fn zone_named(name: &str) -> Result<jiff::tz::TimeZone, EvalError> {
    crate::time_zone(name).ok_or_else(|| EvalError::new(format!("'{name}' is not a time zone")))
}

fn convert_tz(mut args: Args) -> Bound {
    args.strings()?;
    args.build_nullable(TypeKind::STRING, |a, _| {
        let (from, to) = (zone_named(text(&a[1]))?, zone_named(text(&a[2]))?);
        let shown = temporal::parse_timestamp(text(&a[0]))
            .and_then(|local| temporal::to_instant(local, &from))
            .and_then(|instant| temporal::to_local(instant, &to))
            .map(|local| temporal::format_timestamp(local, 0));
        Ok(shown.map_or(Value::Null, Value::string))
    })
}

/// `INTERVAL '1 02:03' DAY TO MINUTE` and the like.
pub(crate) fn interval_literal(text: &str, negative: bool, from: Unit, to: Option<Unit>) -> Result<Expr, Problem> {
    let wrong = || Problem {
        message: format!("'{text}' is not an interval of this unit"),
        hint: "such as INTERVAL '5' SECOND, INTERVAL '1-6' YEAR TO MONTH, INTERVAL '1 02:03:04' DAY TO SECOND"
            .to_owned(),
        arg: None,
    };
    let trimmed = text.trim();
    let (minus, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let sign = if negative != minus { -1 } else { 1 };
    let (value, kind) = match temporal::unit_length(from).ok_or_else(wrong)? {
        UnitLength::Months(length) => {
            let months = match (to, digits.split_once('-')) {
                (Some(_), Some((years, months))) => {
                    years.parse::<i64>().map_err(|_| wrong())? * 12 + months.parse::<i64>().map_err(|_| wrong())?
                }
                _ => digits
                    .parse::<i64>()
                    .map_err(|_| wrong())?
                    .checked_mul(length)
                    .ok_or_else(wrong)?,
            };
            (Value::IntervalMonths(sign * months), TypeKind::IntervalYearMonth)
        }
        UnitLength::Millis(length) => {
            let millis = match to {
                None => scaled(digits, length).ok_or_else(wrong)?,
                Some(_) => clock_millis(digits, from).ok_or_else(wrong)?,
            };
            (Value::IntervalMillis(sign * millis), TypeKind::IntervalDayTime)
        }
        UnitLength::PerMilli(_) => return Err(wrong()),
    };
    Ok(Expr::literal(value, DataType::not_null(kind)))
}

/// `1.5` units of so many milliseconds.
fn scaled(digits: &str, length: i64) -> Option<i64> {
    if let Ok(whole) = digits.parse::<i64>() {
        return whole.checked_mul(length);
    }
    let number: f64 = digits.parse().ok()?;
    Some((number * length as f64).round() as i64)
}

/// `D HH:MM:SS.f`, beginning at the unit `from`.
fn clock_millis(digits: &str, from: Unit) -> Option<i64> {
    let (days, clock) = match from {
        Unit::Day => {
            let (days, clock) = digits.split_once(' ')?;
            (days.parse::<i64>().ok()?, clock)
        }
        _ => (0, digits),
    };
    let mut length = match from {
        Unit::Day | Unit::Hour => 3_600_000,
        Unit::Minute => 60_000,
        _ => 1000,
    };
    let mut millis = days.checked_mul(temporal::MILLIS_PER_DAY)?;
    for part in clock.split(':') {
        millis += scaled(part, length)?;
        length /= 60;
    }
    Some(millis)
}
