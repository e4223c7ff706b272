//! Numbers, texts and enums of JSON Schemas as types of tables.

use std::collections::HashSet;

use crate::json::model::{NodeId, Text};
use crate::json::value::Json;

use super::super::java::{self, cast, check_name};
use super::super::{Converted, LENGTH_MAX, Said, Symbol, Ty};
use super::Converter;
use super::said::{check_hint, of_hint};

impl Converter<'_> {
    pub(super) fn number(&self, id: NodeId, integer: bool) -> Converted<Ty> {
        let Some(word) = self.said_text(id, "connect.type")? else {
            return Ok(if integer { Ty::BigInt } else { Ty::Double });
        };
        let title = self.title(id);
        let precision = || Ok::<_, String>(self.said_int(id, "flink.precision")?.unwrap_or(3));
        Ok(match word {
            "int8" => Ty::TinyInt,
            "int16" => Ty::SmallInt,
            "int32" => match title {
                Some("org.apache.kafka.connect.data.Time") => Ty::time(precision()?)?,
                Some("org.apache.kafka.connect.data.Date") => Ty::Date,
                _ => Ty::Int,
            },
            "int64" if title == Some("org.apache.kafka.connect.data.Timestamp") => Ty::timestamp_ltz(precision()?)?,
            "int64" if self.said(id, "flink.type").and_then(Json::as_str) == Some("timestamp") => {
                Ty::timestamp(precision()?)?
            }
            "int64" => Ty::BigInt,
            "float32" => Ty::Float,
            "float64" => Ty::Double,
            "bytes" if title == Some("org.apache.kafka.connect.data.Decimal") => self.decimal(id)?,
            "bytes" => return Err("Expected decimal type".to_owned()),
            other => return Err(format!("Unsupported type {other}")),
        })
    }

    pub(super) fn decimal(&self, id: NodeId) -> Converted<Ty> {
        let parameters = match self.said(id, "connect.parameters") {
            None => None,
            Some(Json::Object(parameters)) => Some(parameters),
            Some(other) => return Err(cast(other, "java.util.Map")),
        };
        let part = |key: &str, otherwise: i64| match parameters.and_then(|parameters| parameters.get(key)) {
            None | Some(Json::Null) => Ok(otherwise),
            Some(Json::String(text)) => java::parse_int(text),
            Some(other) => Err(cast(other, "java.lang.String")),
        };
        let scale = part("scale", 18)?;
        Ok(Ty::decimal(part("connect.decimal.precision", 38)?, scale))
    }

    pub(super) fn text_type(&self, id: NodeId, text: &Text) -> Converted<Ty> {
        if self.said_text(id, "connect.type")? == Some("bytes") {
            let shortest = self.said_int(id, "flink.minLength")?;
            let longest = self.said_int(id, "flink.maxLength")?;
            return Ok(match longest {
                Some(length) if shortest == longest => Ty::Binary(super::super::length(length)),
                Some(length) => Ty::Varbinary(super::super::length(length)),
                None => Ty::Varbinary(LENGTH_MAX),
            });
        }
        Ok(match text.max_length.map(i64::from) {
            Some(length) if text.min_length == text.max_length => Ty::Char(super::super::length(length)),
            Some(length) => Ty::Varchar(super::super::length(length)),
            None => Ty::Varchar(LENGTH_MAX),
        })
    }

    pub(super) fn symbols(&self, id: NodeId, values: &[Json]) -> Converted<Ty> {
        let hints = self.hints(id, "confluent:enum")?;
        let mut seen = HashSet::new();
        let mut symbols = Vec::new();
        for (at, value) in values.iter().enumerate() {
            if *value == Json::Null {
                return Err(
                    "Cannot invoke \"Object.toString()\" because the return value of \"java.util.List.get(int)\" is null"
                        .to_owned(),
                );
            }
            let symbol = java::to_string(value);
            if seen.contains(&symbol) {
                continue;
            }
            if let Some(hint) = hints.get(at) {
                check_hint(hint)?;
            }
            check_name(&symbol, "Enum symbol")?;
            let Said { doc, params, .. } = of_hint(hints.get(at));
            symbols.push(Symbol {
                name: symbol.clone(),
                doc,
                params,
            });
            seen.insert(symbol);
        }
        Ok(Ty::Enum(symbols))
    }
}
