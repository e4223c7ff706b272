//! Rows to records: a sink table's columns, encoded into key, value and metadata.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use client::{Output, SchemaType, Schemas};
use schema::avro::Schema;
use sql::{DataType, Table, TypeKind, Value};

use crate::error::FlowError;
use crate::format::avro::mapping;
use crate::format::avro::write::Program;
use crate::format::{Format, Wanted, avro, json, put_prefix, raw};
use crate::layout::{Layout, Meta};
use crate::options::{OptionError, TableOptions};

/// Encodes the rows that go into one table.
pub(crate) struct RowWriter {
    pub table: Arc<Table>,
    pub options: TableOptions,
    topic: Arc<str>,
    key: Option<SideWriter>,
    value: Option<SideWriter>,
    timestamp: Option<usize>,
    headers: Option<usize>,
    /// Columns that must not be NULL.
    not_null: Vec<(usize, String)>,
}

enum SideWriter {
    Raw(Wanted),
    Json {
        columns: Vec<Wanted>,
        options: json::Options,
        id: Option<i32>,
    },
    Avro {
        program: Program,
        id: Option<i32>,
    },
}

/// What a sink's preparation ran into.
pub(crate) enum SinkError {
    Option(OptionError),
    /// The registered schema and the table do not fit.
    Schema(String),
    Registry(FlowError),
}

impl From<OptionError> for SinkError {
    fn from(error: OptionError) -> SinkError {
        SinkError::Option(error)
    }
}

impl RowWriter {
    /// Looks up or, unless `dry`, registers the schemas the table writes with.
    pub(crate) async fn prepare(
        table: &Arc<Table>,
        columns: &[usize],
        schemas: &dyn Schemas,
        dry: bool,
    ) -> Result<RowWriter, SinkError> {
        let options = TableOptions::of(table, &[])?;
        let layout = Layout::new(table, &options, columns, true)?;
        let unset = unset_column(table, columns);
        let key = match options.key_format {
            Some(format) if !layout.key.is_empty() => {
                Some(side(format, layout.key, &options, true, None, schemas, dry).await?)
            }
            _ => None,
        };
        let value = Some(side(options.value_format, layout.value, &options, false, unset, schemas, dry).await?);
        let not_null = columns
            .iter()
            .enumerate()
            .filter(|(_, index)| !table.columns[**index].ty.nullable);
        let not_null = not_null
            .map(|(slot, index)| (slot, table.columns[*index].name.clone()))
            .collect();
        let place = |wanted: Meta| {
            layout
                .meta
                .iter()
                .find(|(meta, ..)| *meta == wanted)
                .map(|(.., slot)| *slot)
        };
        Ok(RowWriter {
            topic: options.topic.as_str().into(),
            key,
            value,
            timestamp: place(Meta::Timestamp),
            headers: place(Meta::Headers),
            not_null,
            table: Arc::clone(table),
            options,
        })
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// One record of the row.
    pub(crate) fn write(&self, row: &[Value]) -> Result<Output, String> {
        for (slot, name) in &self.not_null {
            if row[*slot].is_null() {
                return Err(format!(
                    "column `{name}` of `{}` is NOT NULL, but the row has NULL; hint: filter with WHERE … IS NOT NULL, or COALESCE it",
                    self.table.name
                ));
            }
        }
        let key = match &self.key {
            Some(side) => side
                .write(row)
                .map_err(|why| format!("the key for `{}`: {why}", self.table.name))?,
            None => None,
        };
        let value = match &self.value {
            Some(side) => side
                .write(row)
                .map_err(|why| format!("the value for `{}`: {why}", self.table.name))?,
            None => None,
        };
        let timestamp = self.timestamp.and_then(|slot| match &row[slot] {
            Value::Timestamp(moment) | Value::TimestampLtz(moment) => Some(moment.millis),
            Value::Int(millis) => Some(*millis),
            _ => None,
        });
        let headers = match self.headers.map(|slot| &row[slot]) {
            Some(Value::Map(entries)) => entries.iter().filter_map(header).collect(),
            _ => Vec::new(),
        };
        Ok(Output {
            topic: Arc::clone(&self.topic),
            partition: None,
            key,
            value,
            headers,
            timestamp,
        })
    }
}

fn header((name, value): &(Value, Value)) -> Option<(Bytes, Option<Bytes>)> {
    let Value::String(name) = name else { return None };
    let value = match value {
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::String(text) => Some(text.clone().into_bytes()),
        _ => None,
    };
    Some((name.clone().into_bytes(), value))
}

/// A NOT NULL column that gets no value.
fn unset_column<'a>(table: &'a Table, columns: &[usize]) -> Option<&'a str> {
    let unset = |(index, column): &(usize, &sql::Column)| {
        column.is_writable() && !column.ty.nullable && !columns.contains(index)
    };
    table
        .columns
        .iter()
        .enumerate()
        .find(unset)
        .map(|(_, column)| column.name.as_str())
}

async fn side(
    format: Format,
    columns: Vec<Wanted>,
    options: &TableOptions,
    is_key: bool,
    unset: Option<&str>,
    schemas: &dyn Schemas,
    dry: bool,
) -> Result<SideWriter, SinkError> {
    let json_options = if is_key { &options.key_json } else { &options.value_json };
    let subject = format!("{}-{}", options.topic, if is_key { "key" } else { "value" });
    let complete = || match unset {
        Some(name) => Err(SinkError::Schema(format!(
            "column `{name}` is NOT NULL and gets no value"
        ))),
        None => Ok(()),
    };
    if format != Format::AvroRegistry {
        complete()?;
    }
    match format {
        Format::Raw => match columns.into_iter().next() {
            Some(column) => Ok(SideWriter::Raw(column)),
            None => Err(SinkError::Schema(
                "the raw format needs one column, the value has none".to_owned(),
            )),
        },
        Format::Json => Ok(SideWriter::Json {
            columns,
            options: json_options.clone(),
            id: None,
        }),
        Format::JsonRegistry => {
            let latest = schemas
                .latest(&subject)
                .await
                .map_err(|error| SinkError::Registry(error.into()))?;
            let id = match latest {
                Some(registered) if registered.schema_type != SchemaType::Json => {
                    return Err(wrong_type(&subject, registered.schema_type, format));
                }
                Some(registered) => registered.id,
                None if dry => 0,
                None => {
                    let text = json::derive(&fields(&columns), "Record");
                    register(schemas, &subject, SchemaType::Json, &text).await?
                }
            };
            Ok(SideWriter::Json {
                columns,
                options: json_options.clone(),
                id: Some(id),
            })
        }
        Format::AvroPlain => {
            let text = mapping::derive(&fields(&columns)).map_err(SinkError::Schema)?;
            Ok(SideWriter::Avro {
                program: derived_program(&text, &columns)?,
                id: None,
            })
        }
        Format::AvroRegistry => {
            let latest = schemas
                .latest(&subject)
                .await
                .map_err(|error| SinkError::Registry(error.into()))?;
            if let Some(registered) = latest {
                if registered.schema_type != SchemaType::Avro {
                    return Err(wrong_type(&subject, registered.schema_type, format));
                }
                let schema = avro::parse(&registered).map_err(SinkError::Schema)?;
                let program = Program::new(&schema, &columns)
                    .map_err(|why| SinkError::Schema(format!("subject `{subject}`: {why}")))?;
                return Ok(SideWriter::Avro {
                    program,
                    id: Some(registered.id),
                });
            }
            complete()?;
            let text = derive_for(&columns, is_key).map_err(SinkError::Schema)?;
            let program = derived_program(&text, &columns)?;
            let id = if dry {
                0
            } else {
                register(schemas, &subject, SchemaType::Avro, &text).await?
            };
            Ok(SideWriter::Avro { program, id: Some(id) })
        }
    }
}

fn derive_for(columns: &[Wanted], is_key: bool) -> Result<String, String> {
    match columns {
        // A key named `key` of a simple type is what a topic with a plain key schema shows.
        [one] if is_key && one.field == "key" => match &one.ty.kind {
            kind if kind.is_string() => Ok("\"string\"".to_owned()),
            TypeKind::BigInt => Ok("\"long\"".to_owned()),
            TypeKind::Int => Ok("\"int\"".to_owned()),
            _ => mapping::derive(&fields(columns)),
        },
        _ => mapping::derive(&fields(columns)),
    }
}

fn derived_program(text: &str, columns: &[Wanted]) -> Result<Program, SinkError> {
    let schema = Schema::parse(text, &[]).map_err(|error| SinkError::Schema(error.to_string()))?;
    Program::new(&schema, columns).map_err(SinkError::Schema)
}

fn fields(columns: &[Wanted]) -> Vec<(String, DataType)> {
    columns
        .iter()
        .map(|column| (column.field.clone(), column.ty.clone()))
        .collect()
}

fn wrong_type(subject: &str, is: SchemaType, format: Format) -> SinkError {
    SinkError::Schema(format!(
        "subject `{subject}` is {is:?}, the table writes {}",
        format.as_str()
    ))
}

async fn register(schemas: &dyn Schemas, subject: &str, ty: SchemaType, text: &str) -> Result<i32, SinkError> {
    schemas
        .register(subject, ty, text)
        .await
        .map_err(|error| SinkError::Registry(error.into()))
}

impl SideWriter {
    fn write(&self, row: &[Value]) -> Result<Option<Bytes>, String> {
        match self {
            SideWriter::Raw(column) => Ok(raw::write(&row[column.slot], &column.ty.kind)),
            SideWriter::Json { columns, options, id } => {
                let mut out = BytesMut::with_capacity(256);
                if let Some(id) = id {
                    put_prefix(&mut out, *id);
                }
                json::write(row, columns, options, &mut out)?;
                Ok(Some(out.freeze()))
            }
            SideWriter::Avro { program, id } => {
                let mut out = BytesMut::with_capacity(256);
                if let Some(id) = id {
                    put_prefix(&mut out, *id);
                }
                program.write(row, &mut out)?;
                Ok(Some(out.freeze()))
            }
        }
    }
}
