//! Values at run time. Their type is known from the plan, so a value carries only what differs.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use crate::decimal::Decimal;

/// UTF-8 text that shares the bytes it was cut from, so that reading a record copies none.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// `None` if the bytes are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Option<Text> {
        std::str::from_utf8(&bytes).ok()?;
        Some(Text(bytes))
    }

    pub fn as_str(&self) -> &str {
        // Checked in every constructor; checking again would cost more than most functions do.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Bytes::from(text))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A point in time, or a wall-clock time as if it were in UTC: milliseconds since 1970 and the nanoseconds past them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    pub millis: i64,
    /// 0 to 999,999.
    pub nanos: u32,
}

impl Moment {
    pub fn from_millis(millis: i64) -> Moment {
        Moment { millis, nanos: 0 }
    }

    pub fn from_micros(micros: i64) -> Moment {
        Moment {
            millis: micros.div_euclid(1000),
            nanos: micros.rem_euclid(1000) as u32 * 1000,
        }
    }

    pub fn to_micros(self) -> i64 {
        self.millis
            .saturating_mul(1000)
            .saturating_add(i64::from(self.nanos / 1000))
    }

    /// Cut to `precision` digits of a second.
    pub fn truncate(self, precision: u8) -> Moment {
        match precision {
            0..=2 => {
                let unit = 10_i64.pow(3 - u32::from(precision));
                Moment {
                    millis: self.millis.div_euclid(unit) * unit,
                    nanos: 0,
                }
            }
            3 => Moment { nanos: 0, ..self },
            _ => {
                let unit = 10_u32.pow(9_u32.saturating_sub(u32::from(precision)));
                Moment {
                    nanos: self.nanos / unit * unit,
                    ..self
                }
            }
        }
    }
}

/// One value of a row.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Boolean(bool),
    /// Every integer type.
    Int(i64),
    Float(f32),
    Double(f64),
    Decimal(Decimal),
    String(Text),
    Bytes(Bytes),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds of the day.
    Time(i32),
    Timestamp(Moment),
    TimestampLtz(Moment),
    IntervalMonths(i64),
    IntervalMillis(i64),
    Array(Arc<Vec<Value>>),
    /// In the order written; a multiset maps each element to its count.
    Map(Arc<Vec<(Value, Value)>>),
    Row(Arc<Vec<Value>>),
}

impl Value {
    pub fn string(text: impl Into<Text>) -> Value {
        Value::String(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// As a double, whatever the numeric type.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(f64::from(*value)),
            Value::Double(value) => Some(*value),
            Value::Decimal(value) => Some(value.to_f64()),
            _ => None,
        }
    }

    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Value::Int(value) => Some(Decimal::from_int(*value)),
            Value::Decimal(value) => Some(*value),
            Value::Float(value) => Decimal::parse(&value.to_string()),
            Value::Double(value) => Decimal::from_f64(*value),
            _ => None,
        }
    }

    /// How two values of comparable types order; `None` if either is NULL or not a number.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        use Value::*;
        match (self, other) {
            (Null, _) | (_, Null) => None,
            (Int(a), Int(b)) => Some(a.cmp(b)),
            (String(a), String(b)) => Some(a.cmp(b)),
            (Boolean(a), Boolean(b)) => Some(a.cmp(b)),
            (Bytes(a), Bytes(b)) => Some(a.cmp(b)),
            (Date(a), Date(b)) | (Time(a), Time(b)) => Some(a.cmp(b)),
            (Timestamp(a) | TimestampLtz(a), Timestamp(b) | TimestampLtz(b)) => Some(a.cmp(b)),
            (IntervalMonths(a), IntervalMonths(b)) | (IntervalMillis(a), IntervalMillis(b)) => Some(a.cmp(b)),
            (Array(a), Array(b)) | (Row(a), Row(b)) => {
                for (left, right) in a.iter().zip(b.iter()) {
                    match left.compare_nulls_first(right) {
                        Some(Ordering::Equal) => {}
                        decided => return decided,
                    }
                }
                Some(a.len().cmp(&b.len()))
            }
            (Map(a), Map(b)) => (a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.iter().any(|(k, v)| k.same(key) && v.same(value))))
            .then_some(Ordering::Equal)
            .or(Some(Ordering::Less)),
            (Float(_) | Double(_), _) | (_, Float(_) | Double(_)) => self.as_f64()?.partial_cmp(&other.as_f64()?),
            _ => Some(self.as_decimal()?.cmp(&other.as_decimal()?)),
        }
    }

    fn compare_nulls_first(&self, other: &Value) -> Option<Ordering> {
        match (self.is_null(), other.is_null()) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => self.compare(other),
        }
    }

    /// Equal, where NULL equals NULL: what `IS NOT DISTINCT FROM` asks.
    pub fn same(&self, other: &Value) -> bool {
        match (self.is_null(), other.is_null()) {
            (true, true) => true,
            (false, false) => self.compare(other) == Some(Ordering::Equal),
            _ => false,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.same(other)
    }
}
