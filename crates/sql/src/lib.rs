//! SQL text to checked plan, in Apache Flink's dialect: lexer, parser, binder, expressions, plans, `EXPLAIN`.
//!
//! What this crate does not know: topics, registries, time, threads, I/O. Tables come in through [`Tables`]; the clock,
//! the zone and randomness through [`EvalContext`]. It sits above `base` and below `flow`, which runs the plans.
//!
//! Invariants:
//! - Nothing here panics on any text. Nesting, pattern work and text growth have named limits.
//! - Every mistake carries its place and a way out; independent mistakes of one script are all reported.
//! - What real Flink takes and this does not run is read to its end and refused by name, never misread.
//! - Apache Flink decides semantics: types of results, NULLs, rounding, text formats.

pub mod ast;
mod bind;
mod cast;
mod decimal;
mod error;
mod eval;
mod explain;
mod functions;
mod lexer;
mod parser;
mod plan;
mod table;
mod temporal;
mod token;
mod types;
mod value;

pub use bind::{Bound, bind, referenced_tables};
pub use cast::{java_double, java_float, to_text};
pub use decimal::Decimal;
pub use error::{Span, SqlError};
pub use eval::{EvalContext, EvalError, Expr};
pub use functions::json::to_json;
pub use functions::names as function_names;
pub use parser::{Script, ScriptItem, parse_script, parse_type};
pub use plan::{Input, Op, Pipeline, Plan, Scan, Sink};
pub use table::{Column, ColumnKind, Relation, Table, Tables, View, quote, string};
pub use temporal::{parse_date, parse_iso, parse_time, parse_timestamp};
pub use types::{DataType, Field, LENGTH_MAX, TypeKind};
pub use value::{Moment, Text, Value};

/// A time zone by its IANA name, or an offset such as `+02:00` or `GMT+2`.
pub fn time_zone(name: &str) -> Option<jiff::tz::TimeZone> {
    use jiff::tz::{Offset, TimeZone};
    if name.eq_ignore_ascii_case("UTC") || name == "Z" || name.eq_ignore_ascii_case("GMT") {
        return Some(TimeZone::UTC);
    }
    let digits = name.strip_prefix("GMT").or(name.strip_prefix("UTC")).unwrap_or(name);
    if let Some(sign) = digits.chars().next().filter(|c| *c == '+' || *c == '-') {
        let (hours, minutes) = digits[1..].split_once(':').unwrap_or((&digits[1..], "0"));
        let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
        let offset = Offset::from_seconds(if sign == '-' { -seconds } else { seconds }).ok()?;
        return Some(TimeZone::fixed(offset));
    }
    TimeZone::get(name).ok()
}
