//! Records to rows: the columns a scan needs, decoded from key, value and metadata.

use std::collections::HashMap;
use std::sync::Arc;

use client::{Record, Schemas, TopicsError};
use schema::avro::Schema;
use sql::{Moment, Scan, Table, Text, TypeKind, Value};

use crate::format::avro::read::{Defaults, Program};
use crate::format::{Format, ReadFailure, Wanted, avro, json, raw, split_prefix};
use crate::layout::{Layout, Meta, side_format};
use crate::options::{OptionError, TableOptions};

/// What one record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Row,
    /// No row is meant: a tombstone, or a parse error that is to be ignored.
    Skipped,
}

/// Decodes the records of one scan.
pub(crate) struct RowReader {
    pub options: TableOptions,
    width: usize,
    key: Side,
    value: Side,
    meta: Vec<(Meta, TypeKind, usize)>,
}

struct Side {
    format: Option<Format>,
    wanted: Vec<Wanted>,
    json: json::Options,
    accept_plain_json: bool,
    subject: String,
    /// The schema that says what columns the writer lacks get.
    reader: Option<Arc<Schema>>,
    programs: HashMap<i32, Result<Program, String>>,
    plain: Option<Program>,
}

impl RowReader {
    pub(crate) fn new(scan: &Scan) -> Result<RowReader, OptionError> {
        let options = TableOptions::of(&scan.table, &scan.options)?;
        let layout = Layout::new(&scan.table, &options, &scan.columns, false)?;
        let plain_error = |why: String| OptionError {
            key: None,
            message: why,
            hint: "use 'avro-registry'".to_owned(),
        };
        let key = Side::new(&scan.table, &options, layout.key, true).map_err(plain_error)?;
        let value = Side::new(&scan.table, &options, layout.value, false).map_err(plain_error)?;
        Ok(RowReader {
            options,
            width: scan.columns.len(),
            key,
            value,
            meta: layout.meta,
        })
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Looks up what the table's subjects say now; fails if a needed column cannot come from them.
    pub(crate) async fn prepare(&mut self, schemas: &dyn Schemas) -> Result<(), String> {
        for side in [&mut self.key, &mut self.value] {
            side.prepare(schemas).await?;
        }
        Ok(())
    }

    /// Makes schema `id` known, or known not to fit; fails only if the registry does not answer.
    pub(crate) async fn learn(&mut self, id: i32, schemas: &dyn Schemas) -> Result<(), TopicsError> {
        let schema = match schemas.by_id(id).await {
            Ok(registered) if registered.schema_type == client::SchemaType::Avro => avro::parse(&registered),
            Ok(registered) => Err(format!(
                "schema {id} is {:?}, the table's format is avro-registry",
                registered.schema_type
            )),
            Err(error) if error.kind == base::ErrorKind::NotFound => Err(format!("the registry has no schema {id}")),
            Err(error) => return Err(error),
        };
        for side in [&mut self.key, &mut self.value] {
            let unfit = |why| format!("schema {id} does not fit the table: {why}");
            let program = schema.clone().and_then(|schema| side.program(schema).map_err(unfit));
            side.programs.insert(id, program);
        }
        Ok(())
    }

    /// Fills the row's first `width` slots.
    pub(crate) fn read(
        &self,
        topic: &str,
        partition: i32,
        record: &Record,
        row: &mut [Value],
    ) -> Result<Outcome, ReadFailure> {
        if self
            .key
            .read(record.key.as_ref(), row)
            .map_err(|failure| within("key", failure))?
            == Outcome::Skipped
        {
            for wanted in &self.key.wanted {
                row[wanted.slot] = Value::Null;
            }
        }
        if self
            .value
            .read(record.value.as_ref(), row)
            .map_err(|failure| within("value", failure))?
            == Outcome::Skipped
        {
            return Ok(Outcome::Skipped);
        }
        for (meta, kind, slot) in &self.meta {
            row[*slot] = metadata(*meta, kind, topic, partition, record);
        }
        Ok(Outcome::Row)
    }
}

fn within(side: &str, failure: ReadFailure) -> ReadFailure {
    match failure {
        ReadFailure::Bad(why) => ReadFailure::Bad(format!("the record's {side} cannot be read: {why}")),
        needed => needed,
    }
}

impl Side {
    fn new(table: &Table, options: &TableOptions, wanted: Vec<Wanted>, is_key: bool) -> Result<Side, String> {
        let format = side_format(options, is_key);
        let plain = match format {
            Some(Format::AvroPlain) => Some(plain_program(table, options, &wanted, is_key)?),
            _ => None,
        };
        Ok(Side {
            format,
            wanted,
            json: if is_key {
                options.key_json.clone()
            } else {
                options.value_json.clone()
            },
            accept_plain_json: options.accept_plain_json,
            subject: format!("{}-{}", options.topic, if is_key { "key" } else { "value" }),
            reader: None,
            programs: HashMap::new(),
            plain,
        })
    }

    async fn prepare(&mut self, schemas: &dyn Schemas) -> Result<(), String> {
        if self.format != Some(Format::AvroRegistry) || self.wanted.is_empty() {
            return Ok(());
        }
        let Ok(Some(registered)) = schemas.latest(&self.subject).await else {
            return Ok(());
        };
        if registered.schema_type != client::SchemaType::Avro {
            return Err(format!(
                "subject `{}` is {:?}, the table's format is avro-registry",
                self.subject, registered.schema_type
            ));
        }
        let schema = avro::parse(&registered)?;
        self.reader = Some(Arc::clone(&schema));
        let program = self
            .program(schema)
            .map_err(|why| format!("the schema of subject `{}` does not fit the table: {why}", self.subject))?;
        self.programs.insert(registered.id, Ok(program));
        Ok(())
    }

    fn program(&self, writer: Arc<Schema>) -> Result<Program, String> {
        Program::new(
            writer,
            &self.wanted,
            &Defaults {
                reader: self.reader.as_deref(),
            },
        )
    }

    fn read(&self, bytes: Option<&bytes::Bytes>, row: &mut [Value]) -> Result<Outcome, ReadFailure> {
        if self.wanted.is_empty() {
            return Ok(Outcome::Row);
        }
        let Some(bytes) = bytes else {
            return Ok(match self.format {
                // A raw column simply is NULL.
                Some(Format::Raw) => {
                    row[self.wanted[0].slot] = Value::Null;
                    Outcome::Row
                }
                _ => Outcome::Skipped,
            });
        };
        match self.format {
            None => {}
            Some(Format::Raw) => {
                let wanted = &self.wanted[0];
                row[wanted.slot] = raw::read(bytes, &wanted.ty.kind)?;
            }
            Some(Format::Json) => return self.read_json(bytes, row),
            Some(Format::JsonRegistry) => {
                if self.accept_plain_json && matches!(bytes.first(), Some(b'{')) {
                    return self.read_json(bytes, row);
                }
                let (_, document) = split_prefix(bytes)?;
                return self.read_json(&document, row);
            }
            Some(Format::AvroRegistry) => {
                let (id, body) = split_prefix(bytes)?;
                match self.programs.get(&id).ok_or(ReadFailure::SchemaNeeded(id))? {
                    Ok(program) => program.read(&body, row)?,
                    Err(why) => return Err(ReadFailure::Bad(why.clone())),
                }
            }
            Some(Format::AvroPlain) => {
                if let Some(program) = &self.plain {
                    program.read(bytes, row)?;
                }
            }
        }
        Ok(Outcome::Row)
    }

    fn read_json(&self, bytes: &bytes::Bytes, row: &mut [Value]) -> Result<Outcome, ReadFailure> {
        Ok(match json::read(bytes, &self.wanted, &self.json, row)? {
            json::Outcome::Row => Outcome::Row,
            json::Outcome::Ignored => Outcome::Skipped,
        })
    }
}

/// Avro without a registry: the writer's schema is taken to be the one the table's columns give.
fn plain_program(table: &Table, options: &TableOptions, wanted: &[Wanted], is_key: bool) -> Result<Program, String> {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let layout = Layout::new(table, options, &all, true).map_err(|error| error.message)?;
    let side = if is_key { layout.key } else { layout.value };
    let fields: Vec<(String, sql::DataType)> = side.into_iter().map(|wanted| (wanted.field, wanted.ty)).collect();
    let text = avro::mapping::derive(&fields)?;
    let schema = Schema::parse(&text, &[]).map_err(|error| error.to_string())?;
    Program::new(Arc::new(schema), wanted, &Defaults { reader: None })
}

fn metadata(meta: Meta, kind: &TypeKind, topic: &str, partition: i32, record: &Record) -> Value {
    match meta {
        Meta::Topic => Value::string(topic),
        Meta::Partition => Value::Int(i64::from(partition)),
        Meta::Offset => Value::Int(record.offset),
        Meta::LeaderEpoch => Value::Int(0),
        Meta::TimestampType => Value::string("CreateTime"),
        Meta::Timestamp => match kind {
            TypeKind::BigInt => Value::Int(record.timestamp),
            TypeKind::Timestamp(_) => Value::Timestamp(Moment::from_millis(record.timestamp)),
            _ => Value::TimestampLtz(Moment::from_millis(record.timestamp)),
        },
        Meta::Headers => {
            let as_text = matches!(kind, TypeKind::Map(_, value) if value.kind.is_string());
            let entries = record.headers.iter().map(|(name, value)| {
                let name = Text::from_utf8(name.clone()).map_or(Value::Null, Value::String);
                let value = match value {
                    None => Value::Null,
                    Some(bytes) if as_text => Text::from_utf8(bytes.clone()).map_or(Value::Null, Value::String),
                    Some(bytes) => Value::Bytes(bytes.clone()),
                };
                (name, value)
            });
            Value::Map(Arc::new(entries.collect()))
        }
    }
}
