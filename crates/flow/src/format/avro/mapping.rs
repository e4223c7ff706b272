//! Avro types to SQL types and back, as Flink maps them.

use schema::avro::{Kind, Logical, NodeId, Schema};
use serde_json::{Value as Json, json};
use sql::{DataType, Field, TypeKind};

use super::DEPTH_MAX;

/// The record name Flink gives a schema it derives.
const RECORD_NAME: &str = "record";
const RECORD_NAMESPACE: &str = "org.apache.flink.avro.generated";

/// The SQL type of an Avro type.
pub(crate) fn to_sql(schema: &Schema, id: NodeId, depth: u32) -> Result<DataType, String> {
    if depth > DEPTH_MAX {
        return Err("the schema is recursive: SQL types are not".to_owned());
    }
    let node = schema.node(id);
    let kind = match (&node.kind, node.logical) {
        (Kind::Null, _) => return Ok(DataType::new(TypeKind::STRING)),
        (Kind::Boolean, _) => TypeKind::Boolean,
        (Kind::Int, Some(Logical::Date)) => TypeKind::Date,
        (Kind::Int, Some(Logical::TimeMillis)) => TypeKind::Time(3),
        (Kind::Int, _) => TypeKind::Int,
        (Kind::Long, Some(Logical::TimeMicros)) => TypeKind::Time(6),
        (Kind::Long, Some(Logical::TimestampMillis)) => TypeKind::TimestampLtz(3),
        (Kind::Long, Some(Logical::TimestampMicros)) => TypeKind::TimestampLtz(6),
        (Kind::Long, Some(Logical::LocalTimestampMillis)) => TypeKind::Timestamp(3),
        (Kind::Long, Some(Logical::LocalTimestampMicros)) => TypeKind::Timestamp(6),
        (Kind::Long, _) => TypeKind::BigInt,
        (Kind::Float, _) => TypeKind::Float,
        (Kind::Double, _) => TypeKind::Double,
        (Kind::Bytes | Kind::Fixed(_), Some(Logical::Decimal { precision, scale })) if precision <= 38 => {
            TypeKind::Decimal {
                precision: precision as u8,
                scale: scale as u8,
            }
        }
        (Kind::Bytes, _) => TypeKind::BYTES,
        (Kind::Fixed(fixed), _) => TypeKind::Binary(fixed.size.max(1) as u32),
        (Kind::String | Kind::Enum(_), _) => TypeKind::STRING,
        (Kind::Array(item), _) => TypeKind::Array(Box::new(to_sql(schema, *item, depth + 1)?)),
        (Kind::Map(value), _) => {
            let key = DataType::not_null(TypeKind::STRING);
            TypeKind::Map(Box::new(key), Box::new(to_sql(schema, *value, depth + 1)?))
        }
        (Kind::Record(record), _) => {
            let field = |field: &schema::avro::Field| {
                Ok(Field {
                    name: field.name.clone(),
                    ty: to_sql(schema, field.ty, depth + 1)?,
                })
            };
            TypeKind::Row(record.fields.iter().map(field).collect::<Result<_, String>>()?)
        }
        (Kind::Union(branches), _) => return union_to_sql(schema, branches, depth),
    };
    Ok(DataType::not_null(kind))
}

fn union_to_sql(schema: &Schema, branches: &[NodeId], depth: u32) -> Result<DataType, String> {
    let (nulls, others): (Vec<&NodeId>, Vec<&NodeId>) = branches
        .iter()
        .partition(|branch| matches!(schema.node(**branch).kind, Kind::Null));
    let nullable = !nulls.is_empty();
    match others.as_slice() {
        [] => Ok(DataType::new(TypeKind::STRING)),
        [one] => Ok(to_sql(schema, **one, depth + 1)?.with_nullable(nullable)),
        many => {
            let field = |branch: &&NodeId| {
                let ty = to_sql(schema, **branch, depth + 1)?.with_nullable(true);
                Ok(Field {
                    name: branch_name(schema, **branch),
                    ty,
                })
            };
            let fields = many.iter().map(field).collect::<Result<_, String>>()?;
            Ok(DataType {
                kind: TypeKind::Row(fields),
                nullable,
            })
        }
    }
}

/// The field a union's branch becomes.
pub(crate) fn branch_name(schema: &Schema, id: NodeId) -> String {
    let kind = &schema.node(id).kind;
    kind.name()
        .map_or_else(|| kind.word().to_owned(), |name| name.name.clone())
}

/// The columns of a key's or value's schema: a record's fields, or one column of the name given.
pub(crate) fn columns(schema: &Schema, single: &str) -> Result<Vec<(String, DataType)>, String> {
    let root = to_sql(schema, schema.root(), 0)?;
    Ok(match (&schema.node(schema.root()).kind, root.kind) {
        (Kind::Record(_), TypeKind::Row(fields)) => fields.into_iter().map(|field| (field.name, field.ty)).collect(),
        (_, kind) => vec![(
            single.to_owned(),
            DataType {
                kind,
                nullable: root.nullable,
            },
        )],
    })
}

/// The schema Flink would register for a row of these fields.
pub(crate) fn derive(fields: &[(String, DataType)]) -> Result<String, String> {
    let mut schema = record(fields, RECORD_NAME, 0)?;
    schema["namespace"] = json!(RECORD_NAMESPACE);
    Ok(schema.to_string())
}

fn record(fields: &[(String, DataType)], name: &str, depth: u32) -> Result<Json, String> {
    let mut all = Vec::new();
    for (field, ty) in fields {
        if !is_avro_name(field) {
            return Err(format!(
                "the column `{field}` cannot be a field of an Avro schema: only letters, digits and _ can"
            ));
        }
        let mut entry = json!({"name": field, "type": from_sql(ty, &format!("{name}_{field}"), depth + 1)?});
        if ty.nullable {
            entry["default"] = Json::Null;
        }
        all.push(entry);
    }
    Ok(json!({"type": "record", "name": name, "fields": all}))
}

fn is_avro_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn from_sql(ty: &DataType, name: &str, depth: u32) -> Result<Json, String> {
    if depth > DEPTH_MAX {
        return Err("the row is nested too deeply".to_owned());
    }
    let inner = match &ty.kind {
        TypeKind::Null => json!("null"),
        TypeKind::Boolean => json!("boolean"),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int => json!("int"),
        TypeKind::BigInt => json!("long"),
        TypeKind::Float => json!("float"),
        TypeKind::Double => json!("double"),
        TypeKind::Decimal { precision, scale } => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => json!("string"),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => json!("bytes"),
        TypeKind::Date => json!({"type": "int", "logicalType": "date"}),
        TypeKind::Time(_) => json!({"type": "int", "logicalType": "time-millis"}),
        TypeKind::Timestamp(0..=3) => json!({"type": "long", "logicalType": "local-timestamp-millis"}),
        TypeKind::Timestamp(_) => json!({"type": "long", "logicalType": "local-timestamp-micros"}),
        TypeKind::TimestampLtz(0..=3) => json!({"type": "long", "logicalType": "timestamp-millis"}),
        TypeKind::TimestampLtz(_) => json!({"type": "long", "logicalType": "timestamp-micros"}),
        TypeKind::Array(element) => json!({"type": "array", "items": from_sql(element, name, depth + 1)?}),
        TypeKind::Map(key, value) if key.kind.is_string() => {
            json!({"type": "map", "values": from_sql(value, name, depth + 1)?})
        }
        TypeKind::Row(fields) => {
            let fields: Vec<(String, DataType)> = fields
                .iter()
                .map(|field| (field.name.clone(), field.ty.clone()))
                .collect();
            record(&fields, name, depth + 1)?
        }
        other => return Err(format!("Avro has no type for {other}")),
    };
    Ok(if ty.nullable && ty.kind != TypeKind::Null {
        json!(["null", inner])
    } else {
        inner
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(ty: &str) -> String {
        let ty = sql::parse_type(ty).unwrap();
        let TypeKind::Row(fields) = ty.kind else {
            panic!("not a row")
        };
        let fields: Vec<_> = fields.into_iter().map(|field| (field.name, field.ty)).collect();
        let text = derive(&fields).unwrap();
        let schema = Schema::parse(&text, &[]).unwrap();
        let columns = columns(&schema, "value").unwrap();
        columns
            .iter()
            .map(|(name, ty)| format!("{name} {ty}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn derived_schemas_give_the_columns_back() {
        assert_eq!(
            round_trip(
                "ROW<a STRING NOT NULL, b DECIMAL(10, 2), c ARRAY<INT>, d MAP<STRING, BIGINT>, e TIMESTAMP(3), f TIMESTAMP_LTZ(6) NOT NULL>"
            ),
            "a STRING NOT NULL, b DECIMAL(10, 2), c ARRAY<INT>, d MAP<STRING NOT NULL, BIGINT>, e TIMESTAMP(3), f TIMESTAMP_LTZ(6) NOT NULL"
        );
        assert_eq!(
            round_trip("ROW<h ROW<x INT, y ROW<z DATE>>>"),
            "h ROW<`x` INT, `y` ROW<`z` DATE>>"
        );
    }

    #[test]
    fn nested_records_are_named_after_their_field() {
        let ty = DataType::new(TypeKind::Row(vec![Field {
            name: "x".into(),
            ty: DataType::string(),
        }]));
        let text = derive(&[("h".to_owned(), ty)]).unwrap();
        assert!(text.contains(r#""name":"record_h""#), "{text}");
        assert!(
            text.contains(r#""namespace":"org.apache.flink.avro.generated""#),
            "{text}"
        );
    }

    #[test]
    fn unions_become_rows_of_their_branches() {
        let text = r#"{"type":"record","name":"R","fields":[{"name":"u","type":["null","int","string"]}]}"#;
        let schema = Schema::parse(text, &[]).unwrap();
        let columns = columns(&schema, "value").unwrap();
        assert_eq!(columns[0].1.to_string(), "ROW<`int` INT, `string` STRING>");
    }
}
