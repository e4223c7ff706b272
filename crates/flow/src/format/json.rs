//! JSON: the wanted fields of a document into the row, and rows as documents, by the rules of Flink's JSON format.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use jiff::tz::TimeZone;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value as Json, json};
use sql::{DataType, Decimal, Moment, TypeKind, Value, java_double, java_float, to_text};

use super::Wanted;

/// The `json.*` options of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub ignore_parse_errors: bool,
    pub fail_on_missing_field: bool,
    /// `ISO-8601` instead of `SQL`.
    pub iso_timestamps: bool,
    pub ignore_null_fields: bool,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Row,
    /// Parse errors are to be ignored, and this is no document.
    Ignored,
}

/// Fills the row's slots from one document.
pub(crate) fn read(bytes: &Bytes, wanted: &[Wanted], options: &Options, row: &mut [Value]) -> Result<Outcome, String> {
    for column in wanted {
        row[column.slot] = Value::Null;
    }
    let mut found = 0;
    let mut failure = None;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let visitor = Fields {
        wanted,
        options,
        row,
        found: &mut found,
        failure: &mut failure,
    };
    let parsed = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
    if let Err(error) = parsed {
        if options.ignore_parse_errors {
            return Ok(Outcome::Ignored);
        }
        let shown: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
        return Err(format!("it is not a JSON object: {error}; it begins with '{shown}'"));
    }
    if let Some(why) = failure {
        return Err(why);
    }
    if options.fail_on_missing_field && found < wanted.len() {
        return Err("a field that the table has is missing, and 'json.fail-on-missing-field' is set".to_owned());
    }
    Ok(Outcome::Row)
}

struct Fields<'a, 'r> {
    wanted: &'a [Wanted],
    options: &'a Options,
    row: &'r mut [Value],
    found: &'r mut usize,
    failure: &'r mut Option<String>,
}

impl<'de> Visitor<'de> for Fields<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let Some(column) = self.wanted.iter().find(|column| column.field == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            *self.found += 1;
            let value: Json = map.next_value()?;
            match from_json_owned(value, &column.ty.kind, self.options) {
                Ok(value) => self.row[column.slot] = value,
                Err(_) if self.options.ignore_parse_errors => {}
                Err(why) => *self.failure = Some(format!("field `{}`: {why}", column.field)),
            }
        }
        Ok(())
    }
}

fn from_json_owned(json: Json, kind: &TypeKind, options: &Options) -> Result<Value, String> {
    match (json, kind) {
        (Json::String(text), TypeKind::VarChar(_) | TypeKind::Char(_)) => Ok(Value::string(text)),
        (json, _) => from_json(&json, kind, options),
    }
}

/// A JSON value as a SQL type.
pub(crate) fn from_json(json: &Json, kind: &TypeKind, options: &Options) -> Result<Value, String> {
    if json.is_null() {
        return Ok(Value::Null);
    }
    let wrong = || format!("{} is not a {kind}", shown(json));
    let text = || match json {
        Json::String(text) => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(match kind {
        TypeKind::Null => Value::Null,
        TypeKind::Char(_) | TypeKind::VarChar(_) => Value::string(match json {
            Json::String(text) => text.clone(),
            Json::Number(number) if number.is_f64() => java_double(number.as_f64().unwrap_or(f64::NAN)),
            other => other.to_string(),
        }),
        TypeKind::Boolean => Value::Boolean(match json {
            Json::Bool(value) => *value,
            Json::String(text) => text.trim().eq_ignore_ascii_case("true"),
            _ => return Err(wrong()),
        }),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => {
            let value = match json {
                Json::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
                _ => text().and_then(|text| text.parse().ok()),
            };
            Value::Int(value.filter(|value| in_range(*value, kind)).ok_or_else(wrong)?)
        }
        TypeKind::Float => Value::Float(text().and_then(|text| text.parse().ok()).ok_or_else(wrong)?),
        TypeKind::Double => Value::Double(text().and_then(|text| text.parse().ok()).ok_or_else(wrong)?),
        TypeKind::Decimal { precision, scale } => {
            let decimal = text().and_then(|text| Decimal::parse(&text)).ok_or_else(wrong)?;
            decimal.fit(*precision, *scale).map_or(Value::Null, Value::Decimal)
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
            let bytes = json
                .as_str()
                .and_then(|text| STANDARD.decode(text).ok())
                .ok_or_else(wrong)?;
            Value::Bytes(bytes.into())
        }
        TypeKind::Date => match json {
            Json::Number(number) => Value::Date(
                number
                    .as_i64()
                    .and_then(|days| i32::try_from(days).ok())
                    .ok_or_else(wrong)?,
            ),
            _ => Value::Date(json.as_str().and_then(sql::parse_date).ok_or_else(wrong)?),
        },
        TypeKind::Time(_) => match json {
            Json::Number(number) => Value::Time(
                number
                    .as_i64()
                    .and_then(|ms| i32::try_from(ms).ok())
                    .ok_or_else(wrong)?,
            ),
            _ => Value::Time(
                json.as_str()
                    .and_then(|text| sql::parse_time(text.trim_end_matches('Z')))
                    .ok_or_else(wrong)?,
            ),
        },
        TypeKind::Timestamp(precision) => {
            let moment = match json {
                Json::Number(number) => number.as_i64().map(Moment::from_millis),
                _ => json.as_str().and_then(|text| parse_moment(text, options)),
            };
            Value::Timestamp(moment.ok_or_else(wrong)?.truncate(*precision))
        }
        TypeKind::TimestampLtz(precision) => {
            let moment = match json {
                Json::Number(number) => number.as_i64().map(Moment::from_millis),
                _ => json.as_str().and_then(|text| parse_moment(text, options)),
            };
            Value::TimestampLtz(moment.ok_or_else(wrong)?.truncate(*precision))
        }
        TypeKind::Array(element) => {
            let items = json.as_array().ok_or_else(wrong)?;
            Value::Array(Arc::new(
                items
                    .iter()
                    .map(|item| from_json(item, &element.kind, options))
                    .collect::<Result<_, _>>()?,
            ))
        }
        TypeKind::Map(key, element) => {
            let fields = json.as_object().ok_or_else(wrong)?;
            let entry = |(name, value): (&String, &Json)| {
                let key = from_json(&Json::String(name.clone()), &key.kind, options)?;
                Ok((key, from_json(value, &element.kind, options)?))
            };
            Value::Map(Arc::new(fields.iter().map(entry).collect::<Result<_, String>>()?))
        }
        TypeKind::Row(fields) => {
            let object = json.as_object().ok_or_else(wrong)?;
            let field = |field: &sql::Field| match object.get(&field.name) {
                Some(value) => {
                    from_json(value, &field.ty.kind, options).map_err(|why| format!("field `{}`: {why}", field.name))
                }
                None => Ok(Value::Null),
            };
            Value::Row(Arc::new(fields.iter().map(field).collect::<Result<_, String>>()?))
        }
        TypeKind::Multiset(_) | TypeKind::IntervalYearMonth | TypeKind::IntervalDayTime => return Err(wrong()),
    })
}

/// `2026-01-02 03:04:05.6` with `Z` or without; with `T` where ISO 8601 is set or the text says so itself.
fn parse_moment(text: &str, options: &Options) -> Option<Moment> {
    let trimmed = text.trim();
    if options.iso_timestamps || trimmed.as_bytes().get(10) == Some(&b'T') {
        return sql::parse_iso(trimmed, &TimeZone::UTC);
    }
    sql::parse_timestamp(trimmed.trim_end_matches('Z'))
}

fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 9.0e18).then_some(value as i64)
}

fn in_range(value: i64, kind: &TypeKind) -> bool {
    match kind {
        TypeKind::TinyInt => i8::try_from(value).is_ok(),
        TypeKind::SmallInt => i16::try_from(value).is_ok(),
        TypeKind::Int => i32::try_from(value).is_ok(),
        _ => true,
    }
}

fn shown(json: &Json) -> String {
    json.to_string().chars().take(60).collect()
}

/// Appends the row's columns as one document.
pub(crate) fn write(row: &[Value], columns: &[Wanted], options: &Options, out: &mut BytesMut) -> Result<(), String> {
    out.put_u8(b'{');
    let mut first = true;
    for column in columns {
        let value = &row[column.slot];
        if value.is_null() && options.ignore_null_fields {
            continue;
        }
        if !first {
            out.put_u8(b',');
        }
        first = false;
        put_string(&column.field, out);
        out.put_u8(b':');
        put(value, &column.ty.kind, options, out)?;
    }
    out.put_u8(b'}');
    Ok(())
}

fn put(value: &Value, kind: &TypeKind, options: &Options, out: &mut BytesMut) -> Result<(), String> {
    match (value, kind) {
        (Value::Null, _) => out.put_slice(b"null"),
        (Value::Boolean(value), _) => out.put_slice(if *value { b"true" } else { b"false" }),
        (Value::Int(value), _) => out.put_slice(value.to_string().as_bytes()),
        (Value::Float(value), _) => put_number(&java_float(*value), value.is_finite(), out),
        (Value::Double(value), _) => put_number(&java_double(*value), value.is_finite(), out),
        (Value::Decimal(value), _) => out.put_slice(value.to_string().as_bytes()),
        (Value::String(text), _) => put_string(text.as_str(), out),
        (Value::Bytes(bytes), _) => put_string(&STANDARD.encode(bytes), out),
        (Value::Timestamp(_), _) | (Value::TimestampLtz(_), _) => {
            let mut text = to_text(value, kind, &TimeZone::UTC);
            if options.iso_timestamps {
                text = text.replacen(' ', "T", 1);
            }
            if matches!(value, Value::TimestampLtz(_)) {
                text.push('Z');
            }
            put_string(&text, out);
        }
        (Value::Array(items), TypeKind::Array(element)) => {
            out.put_u8(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                put(item, &element.kind, options, out)?;
            }
            out.put_u8(b']');
        }
        (Value::Map(entries), TypeKind::Map(key, element)) => {
            out.put_u8(b'{');
            for (index, (name, item)) in entries.iter().enumerate() {
                if name.is_null() {
                    return Err("a map's key is NULL, which JSON cannot write".to_owned());
                }
                if index > 0 {
                    out.put_u8(b',');
                }
                put_string(&to_text(name, &key.kind, &TimeZone::UTC), out);
                out.put_u8(b':');
                put(item, &element.kind, options, out)?;
            }
            out.put_u8(b'}');
        }
        (Value::Row(values), TypeKind::Row(fields)) => {
            out.put_u8(b'{');
            for (index, (item, field)) in values.iter().zip(fields).enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                put_string(&field.name, out);
                out.put_u8(b':');
                put(item, &field.ty.kind, options, out)?;
            }
            out.put_u8(b'}');
        }
        (value, kind) => put_string(&to_text(value, kind, &TimeZone::UTC), out),
    }
    Ok(())
}

fn put_number(text: &str, finite: bool, out: &mut BytesMut) {
    if finite {
        out.put_slice(text.as_bytes());
    } else {
        put_string(text, out);
    }
}

fn put_string(text: &str, out: &mut BytesMut) {
    out.put_u8(b'"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => b"",
            _ => continue,
        };
        out.put_slice(&text.as_bytes()[from..at]);
        if escape.is_empty() {
            out.put_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.put_slice(escape);
        }
        from = at + 1;
    }
    out.put_slice(&text.as_bytes()[from..]);
    out.put_u8(b'"');
}

/// The JSON Schema registered for rows of these fields.
pub(crate) fn derive(fields: &[(String, DataType)], title: &str) -> String {
    let mut schema = object(fields);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(title);
    schema.to_string()
}

fn object(fields: &[(String, DataType)]) -> Json {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for (index, (name, ty)) in fields.iter().enumerate() {
        let mut property = property(ty);
        property["connect.index"] = json!(index);
        properties.insert(name.clone(), property);
        if !ty.nullable {
            required.push(name.clone());
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(ty: &DataType) -> Json {
    let inner = match &ty.kind {
        TypeKind::Boolean => json!({"type": "boolean"}),
        TypeKind::TinyInt => json!({"type": "number", "connect.type": "int8"}),
        TypeKind::SmallInt => json!({"type": "number", "connect.type": "int16"}),
        TypeKind::Int => json!({"type": "number", "connect.type": "int32"}),
        TypeKind::BigInt => json!({"type": "number", "connect.type": "int64"}),
        TypeKind::Float => json!({"type": "number", "connect.type": "float32"}),
        TypeKind::Double => json!({"type": "number", "connect.type": "float64"}),
        TypeKind::Decimal { precision, scale } => json!({
            "type": "number", "connect.type": "bytes", "title": "org.apache.kafka.connect.data.Decimal",
            "connect.parameters": {"scale": scale.to_string(), "connect.decimal.precision": precision.to_string()}
        }),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => json!({"type": "string", "connect.type": "bytes"}),
        TypeKind::Array(element) => json!({"type": "array", "items": property(element)}),
        TypeKind::Map(_, element) => {
            json!({"type": "object", "connect.type": "map", "additionalProperties": property(element)})
        }
        TypeKind::Row(fields) => {
            let fields: Vec<(String, DataType)> = fields.iter().map(|f| (f.name.clone(), f.ty.clone())).collect();
            object(&fields)
        }
        _ => json!({"type": "string"}),
    };
    if ty.nullable {
        json!({"oneOf": [{"type": "null"}, inner]})
    } else {
        inner
    }
}

/// The columns of a JSON Schema's object; what cannot be told apart is STRING.
pub(crate) fn columns(text: &str) -> Result<Vec<(String, DataType)>, String> {
    let schema: Json = serde_json::from_str(text).map_err(|error| format!("the JSON Schema is not JSON: {error}"))?;
    match to_sql(&schema, &schema, 0)?.kind {
        TypeKind::Row(fields) => Ok(fields.into_iter().map(|field| (field.name, field.ty)).collect()),
        _ => Err("the JSON Schema is not of an object".to_owned()),
    }
}

fn to_sql(schema: &Json, root: &Json, depth: u32) -> Result<DataType, String> {
    if depth > super::avro::DEPTH_MAX {
        return Err("the JSON Schema is nested too deeply".to_owned());
    }
    if let Some(pointer) = schema
        .get("$ref")
        .and_then(Json::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
    {
        let target = root
            .pointer(pointer)
            .ok_or_else(|| format!("the JSON Schema refers to `#{pointer}`, which is not in it"))?;
        return to_sql(target, root, depth + 1);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(branches) = schema.get(key).and_then(Json::as_array) {
            let is_null = |branch: &&Json| branch.get("type").and_then(Json::as_str) == Some("null");
            let others: Vec<&Json> = branches.iter().filter(|branch| !is_null(branch)).collect();
            let nullable = others.len() < branches.len();
            return match others.as_slice() {
                [one] => Ok(to_sql(one, root, depth + 1)?.with_nullable(nullable)),
                _ => Ok(DataType::string().with_nullable(nullable)),
            };
        }
    }
    let (name, nullable) = match schema.get("type") {
        Some(Json::String(name)) => (name.as_str(), false),
        Some(Json::Array(names)) => {
            let others: Vec<&str> = names
                .iter()
                .filter_map(Json::as_str)
                .filter(|name| *name != "null")
                .collect();
            (others.first().copied().unwrap_or("string"), others.len() < names.len())
        }
        _ if schema.get("properties").is_some() => ("object", false),
        _ => ("string", true),
    };
    let connect = schema.get("connect.type").and_then(Json::as_str);
    let kind = match (name, connect) {
        ("boolean", _) => TypeKind::Boolean,
        ("integer" | "number", Some("int8")) => TypeKind::TinyInt,
        ("integer" | "number", Some("int16")) => TypeKind::SmallInt,
        ("integer" | "number", Some("int32")) => TypeKind::Int,
        ("integer" | "number", Some("int64")) => TypeKind::BigInt,
        ("number", Some("float32")) => TypeKind::Float,
        ("number", Some("bytes")) => decimal(schema),
        ("integer", _) => TypeKind::BigInt,
        ("number", _) => TypeKind::Double,
        ("string", Some("bytes")) => TypeKind::BYTES,
        ("array", _) => {
            let items = schema.get("items").unwrap_or(&Json::Null);
            TypeKind::Array(Box::new(to_sql(items, root, depth + 1)?))
        }
        ("object", _) => return object_to_sql(schema, root, nullable, depth),
        _ => TypeKind::STRING,
    };
    Ok(DataType { kind, nullable })
}

fn decimal(schema: &Json) -> TypeKind {
    let parameter = |name: &str| {
        schema
            .get("connect.parameters")?
            .get(name)?
            .as_str()?
            .parse::<u8>()
            .ok()
    };
    let precision = parameter("connect.decimal.precision").unwrap_or(38).clamp(1, 38);
    TypeKind::Decimal {
        precision,
        scale: parameter("scale").unwrap_or(0).min(precision),
    }
}

fn object_to_sql(schema: &Json, root: &Json, nullable: bool, depth: u32) -> Result<DataType, String> {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        let value = match schema.get("additionalProperties") {
            Some(inner @ Json::Object(_)) => to_sql(inner, root, depth + 1)?,
            _ => DataType::string(),
        };
        let kind = TypeKind::Map(Box::new(DataType::not_null(TypeKind::STRING)), Box::new(value));
        return Ok(DataType { kind, nullable });
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Json::as_array)
        .map_or(Vec::new(), |names| names.iter().filter_map(Json::as_str).collect());
    let mut fields = Vec::new();
    for (name, property) in properties {
        let mut ty = to_sql(property, root, depth + 1)?;
        ty.nullable |= !required.contains(&name.as_str());
        let index = property.get("connect.index").and_then(Json::as_u64);
        fields.push((index.unwrap_or(u64::MAX), sql::Field { name: name.clone(), ty }));
    }
    fields.sort_by_key(|(index, _)| *index);
    let kind = TypeKind::Row(fields.into_iter().map(|(_, field)| field).collect());
    Ok(DataType { kind, nullable })
}
