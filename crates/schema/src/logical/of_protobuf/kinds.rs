//! Scalars, and messages that everyone knows, as types of tables.

use crate::protobuf::meta::Meta;

use super::super::java::parse_int;
use super::super::{Converted, LENGTH_MAX, Ty, length};

pub(super) fn scalar(name: &str, meta: &Meta) -> Converted<Ty> {
    Ok(match name {
        "int32" | "sint32" | "sfixed32" => match meta.param("connect.type") {
            Some("int8") => Ty::TinyInt,
            Some("int16") => Ty::SmallInt,
            _ => Ty::Int,
        },
        "uint32" | "fixed32" | "int64" | "uint64" | "sint64" | "fixed64" | "sfixed64" => Ty::BigInt,
        "float" => Ty::Float,
        "double" => Ty::Double,
        "bool" => Ty::Boolean,
        "string" => match lengths(meta)? {
            Lengths::Fixed(length) => Ty::Char(length),
            Lengths::Longest(length) => Ty::Varchar(length),
        },
        _ => match lengths(meta)? {
            Lengths::Fixed(length) => Ty::Binary(length),
            Lengths::Longest(length) => Ty::Varbinary(length),
        },
    })
}

enum Lengths {
    Fixed(i64),
    Longest(i64),
}

fn lengths(meta: &Meta) -> Converted<Lengths> {
    let given = |key: &str| meta.param(key).map(parse_int).transpose();
    let shortest = given("flink.minLength")?.unwrap_or(-1);
    let longest = given("flink.maxLength")?.unwrap_or(LENGTH_MAX);
    Ok(if shortest > 0 && shortest == longest {
        Lengths::Fixed(longest)
    } else {
        Lengths::Longest(length(longest))
    })
}

/// A type that tables have by another name.
pub(super) fn well_known(full: &str, meta: &Meta) -> Converted<Option<Ty>> {
    let precision = || meta.param("flink.precision").map_or(Ok(9), parse_int);
    let given = |key: &str, otherwise: i64| {
        meta.param(key)
            .and_then(|text| parse_int(text).ok())
            .unwrap_or(otherwise)
    };
    Ok(Some(match full {
        "confluent.type.Decimal" => Ty::decimal(given("precision", 10), given("scale", 0)),
        "confluent.type.Variant" => Ty::Variant,
        "google.type.Date" => Ty::Date,
        "google.type.TimeOfDay" => Ty::time(precision()?)?,
        "google.protobuf.Timestamp" if meta.param("flink.type") == Some("timestamp") => Ty::timestamp(precision()?)?,
        "google.protobuf.Timestamp" => Ty::timestamp_ltz(precision()?)?,
        _ => return Ok(None),
    }))
}

/// What a message stands for that only wraps a value.
pub(super) fn unwrapped(full: &str) -> Option<Ty> {
    Some(match full {
        "google.protobuf.DoubleValue" => Ty::Double,
        "google.protobuf.FloatValue" => Ty::Float,
        "google.protobuf.Int64Value" | "google.protobuf.UInt64Value" | "google.protobuf.UInt32Value" => Ty::BigInt,
        "google.protobuf.Int32Value" => Ty::Int,
        "google.protobuf.BoolValue" => Ty::Boolean,
        "google.protobuf.StringValue" => Ty::Varchar(LENGTH_MAX),
        "google.protobuf.BytesValue" => Ty::Varbinary(LENGTH_MAX),
        "confluent.type.Variant" => Ty::Variant,
        _ => return None,
    })
}
