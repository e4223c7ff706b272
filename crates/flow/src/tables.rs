//! Tables: those that DDL made, and those a topic and its subjects imply.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::ErrorKind;
use client::{RegisteredSchema, SchemaType, Schemas, Topics};
use sql::{Column, ColumnKind, DataType, Relation, Table, Tables, TypeKind};

use crate::error::FlowError;
use crate::format::{avro, json};

/// The tables a statement can see, resolved beforehand so that binding needs no I/O.
#[derive(Clone, Default)]
pub(crate) struct Sight {
    pub relations: BTreeMap<String, Relation>,
    /// Every name there is, to suggest one from.
    pub names: Vec<String>,
}

impl Tables for Sight {
    fn resolve(&self, name: &str) -> Option<Relation> {
        self.relations.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .relations
            .keys()
            .cloned()
            .chain(self.names.iter().cloned())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The table a topic implies; `None` if there is no such topic.
pub(crate) async fn infer(topics: &dyn Topics, schemas: &dyn Schemas, topic: &str) -> Result<Option<Table>, FlowError> {
    let partitions = match topics.partitions(topic).await {
        Ok(partitions) => partitions,
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Invalid) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let key = schemas.latest(&format!("{topic}-key")).await?;
    let value = schemas.latest(&format!("{topic}-value")).await?;
    let (key_columns, key_format) = part(topic, "key", key.as_ref())?;
    let (value_columns, value_format) = part(topic, "val", value.as_ref())?;
    let mut columns: Vec<Column> = Vec::new();
    // A field of both key and value is read from the value.
    let overlap = key_columns
        .iter()
        .any(|(name, _)| value_columns.iter().any(|(other, _)| other == name));
    for (name, ty) in &key_columns {
        columns.push(Column::physical(name, ty.clone()));
    }
    for (name, ty) in &value_columns {
        match columns.iter_mut().find(|column| column.name == *name) {
            Some(column) => column.ty = ty.clone(),
            None => columns.push(Column::physical(name, ty.clone())),
        }
    }
    columns.extend(hidden_columns());
    let key_fields: Vec<String> = key_columns.iter().map(|(name, _)| name.clone()).collect();
    let mut options = vec![
        ("connector".to_owned(), "confluent".to_owned()),
        ("topic".to_owned(), topic.to_owned()),
        ("key.format".to_owned(), key_format.to_owned()),
        ("value.format".to_owned(), value_format.to_owned()),
        (
            "value.fields-include".to_owned(),
            if overlap { "ALL" } else { "EXCEPT_KEY" }.to_owned(),
        ),
    ];
    options.retain(|(name, value)| !(name == "topic" && value == topic));
    Ok(Some(Table {
        name: topic.to_owned(),
        columns,
        primary_key: Vec::new(),
        watermark: None,
        comment: None,
        distributed_by: key_fields,
        buckets: u32::try_from(partitions).ok(),
        options,
    }))
}

type Part = (Vec<(String, DataType)>, &'static str);

fn part(topic: &str, single: &str, registered: Option<&RegisteredSchema>) -> Result<Part, FlowError> {
    let side = if single == "key" { "key" } else { "value" };
    let Some(registered) = registered else {
        return Ok((vec![(single.to_owned(), DataType::bytes())], "raw"));
    };
    let data = |why: String| {
        let message = format!(
            "the schema of subject `{topic}-{side}` gives no table: {why}; hint: CREATE TABLE with the columns you need and 'topic' = '{topic}'"
        );
        FlowError::new(ErrorKind::Data, message)
    };
    match registered.schema_type {
        SchemaType::Avro => {
            let schema = avro::parse(registered).map_err(data)?;
            Ok((avro::mapping::columns(&schema, single).map_err(data)?, "avro-registry"))
        }
        SchemaType::Json => Ok((json::columns(&registered.text).map_err(data)?, "json-registry")),
        SchemaType::Protobuf => Err(data("Protobuf is not there yet".to_owned())),
    }
}

/// The columns every table has without showing them.
fn hidden_columns() -> [Column; 2] {
    let hidden = |name: &str, key: &str, ty: DataType| Column {
        name: name.to_owned(),
        ty,
        kind: ColumnKind::Metadata {
            key: key.to_owned(),
            is_virtual: true,
        },
        comment: None,
        hidden: true,
    };
    let headers = TypeKind::Map(
        Box::new(DataType::not_null(TypeKind::STRING)),
        Box::new(DataType::bytes()),
    );
    [
        hidden("$rowtime", "timestamp", DataType::not_null(TypeKind::TimestampLtz(3))),
        hidden("$headers", "headers", DataType::not_null(headers)),
    ]
}

/// A table as statements see it: with the hidden columns, where no column of that name is declared.
pub(crate) fn complete(mut table: Table) -> Arc<Table> {
    for column in hidden_columns() {
        if table.column(&column.name).is_none() {
            table.columns.push(column);
        }
    }
    Arc::new(table)
}
