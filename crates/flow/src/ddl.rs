//! Doing DDL and answering SHOW and DESCRIBE.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::ErrorKind;
use client::NewTopic;
use sql::{DataType, Plan, Relation, TypeKind, Value};

use crate::error::FlowError;
use crate::manager::Inner;
use crate::options::{Connector, TableOptions};
use crate::records::{self, Definition};
use crate::sink::{RowWriter, SinkError};
use crate::statement::ResultColumn;
use crate::tables::complete;

/// Partitions of a topic that `CREATE TABLE` makes, as Confluent's has.
const PARTITIONS_DEFAULT: i32 = 6;

impl Inner {
    pub(crate) async fn create_table(&self, table: sql::Table, if_not_exists: bool) -> Result<String, FlowError> {
        if self.definitions.lock().contains_key(&table.name) {
            return match if_not_exists {
                true => Ok(format!("Table '{}' exists already", table.name)),
                false => Err(taken(&table.name)),
            };
        }
        let options = TableOptions::of(&table, &[]).map_err(option_error)?;
        if options.connector == Connector::Confluent {
            let partitions = table
                .buckets
                .and_then(|count| i32::try_from(count).ok())
                .unwrap_or(PARTITIONS_DEFAULT);
            let is_new = self
                .ensure_topic(&options.topic, partitions, topic_settings(&table))
                .await?;
            // Over a topic that is there, the table only names what to read; its schemas are registered when a job
            // writes to it.
            if is_new {
                let writable = table
                    .columns
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| column.is_writable());
                let all: Vec<usize> = writable.map(|(index, _)| index).collect();
                let table = Arc::new(table.clone());
                let registered = RowWriter::prepare(&table, &all, &*self.doors.schemas, false).await;
                registered.map_err(sink_error)?;
            }
        }
        let name = table.name.clone();
        self.define(Definition::table(complete(table))).await?;
        Ok(format!("Table '{name}' created"))
    }

    pub(crate) async fn create_view(
        &self,
        view: sql::View,
        if_not_exists: bool,
        text: &str,
    ) -> Result<String, FlowError> {
        if self.definitions.lock().contains_key(&view.name) {
            return match if_not_exists {
                true => Ok(format!("View '{}' exists already", view.name)),
                false => Err(taken(&view.name)),
            };
        }
        let name = view.name.clone();
        self.define(Definition::view(view, text)).await?;
        Ok(format!("View '{name}' created"))
    }

    async fn define(&self, definition: Definition) -> Result<(), FlowError> {
        let name = definition.name().to_owned();
        self.store
            .put(&records::table_key(&name), definition.to_bytes())
            .await?;
        self.definitions.lock().insert(name, definition);
        Ok(())
    }

    pub(crate) async fn drop_relation(&self, name: &str, if_exists: bool, is_view: bool) -> Result<String, FlowError> {
        let what = if is_view { "View" } else { "Table" };
        let known = self.definitions.lock().get(name).map(Definition::is_view);
        match known {
            Some(view) if view == is_view => {}
            Some(_) => {
                let other = if is_view {
                    "a table: DROP TABLE"
                } else {
                    "a view: DROP VIEW"
                };
                return Err(FlowError::new(
                    ErrorKind::Invalid,
                    format!("`{name}` is {other} `{name}`"),
                ));
            }
            None if if_exists => return Ok(format!("{what} '{name}' does not exist")),
            None => {
                let is_topic = self.doors.topics.partitions(name).await.is_ok();
                let hint = if is_topic {
                    format!("; it is a topic: `rivulet topic delete {name}` deletes it with its data")
                } else {
                    String::new()
                };
                return Err(FlowError::new(
                    ErrorKind::NotFound,
                    format!("there is no {} `{name}`{hint}", what.to_lowercase()),
                ));
            }
        }
        self.store.delete(&records::table_key(name)).await?;
        self.definitions.lock().remove(name);
        Ok(format!("{what} '{name}' dropped; its topic and data stay"))
    }

    pub(crate) async fn table_names(&self) -> Result<Vec<String>, FlowError> {
        let mut names = self.definition_names();
        let topics = self.doors.topics.list().await?;
        names.extend(
            topics
                .iter()
                .filter(|topic| !topic.starts_with('_'))
                .map(ToString::to_string),
        );
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn relation_named(&self, name: &str) -> Result<Relation, FlowError> {
        if let Some(relation) = self.definition(name) {
            return Ok(relation);
        }
        let inferred = crate::tables::infer(&*self.doors.topics, &*self.doors.schemas, name).await?;
        let missing = || FlowError::new(ErrorKind::NotFound, format!("there is no table or topic `{name}`"));
        inferred
            .map(|table| Relation::Table(Arc::new(table)))
            .ok_or_else(missing)
    }

    pub(crate) async fn show_create(&self, name: &str) -> Result<String, FlowError> {
        Ok(match self.relation_named(name).await? {
            Relation::Table(table) => table.create_sql(),
            Relation::View(view) => view.source.to_string(),
            Relation::Broken => String::new(),
        })
    }

    pub(crate) async fn describe(&self, name: &str) -> Result<(Vec<ResultColumn>, Vec<Vec<Value>>), FlowError> {
        let columns = ["Column Name", "Data Type", "Nullable", "Extras"]
            .map(text_column)
            .to_vec();
        let row = |name: &str, ty: &DataType, extras: String| {
            let nullable = if ty.nullable { "NULL" } else { "NOT NULL" };
            vec![
                Value::string(name),
                Value::string(ty.kind.to_string()),
                Value::string(nullable),
                Value::string(extras),
            ]
        };
        let rows = match self.relation_named(name).await? {
            Relation::Table(table) => table
                .columns
                .iter()
                .filter(|column| !column.hidden)
                .map(|column| {
                    let mut extras = Vec::new();
                    match &column.kind {
                        sql::ColumnKind::Metadata { key, is_virtual } => {
                            extras.push(format!(
                                "METADATA FROM '{key}'{}",
                                if *is_virtual { " VIRTUAL" } else { "" }
                            ));
                        }
                        sql::ColumnKind::Computed { text, .. } => extras.push(format!("AS {text}")),
                        sql::ColumnKind::Physical => {}
                    }
                    if table.primary_key.contains(&column.name) {
                        extras.push("PRIMARY KEY".to_owned());
                    }
                    if table.distributed_by.contains(&column.name) {
                        extras.push("BUCKET KEY".to_owned());
                    }
                    row(&column.name, &column.ty, extras.join(", "))
                })
                .collect(),
            Relation::View(view) => {
                let ready = self
                    .ready(&format!("SELECT * FROM {}", sql::quote(&view.name)), &BTreeMap::new())
                    .await?;
                let plan = ready.first().and_then(|one| one.bound.plan());
                let shown = plan.and_then(Plan::result_columns).unwrap_or(&[]);
                shown.iter().map(|(name, ty)| row(name, ty, String::new())).collect()
            }
            Relation::Broken => Vec::new(),
        };
        Ok((columns, rows))
    }

    /// Creates the topic unless it is there; whether it did.
    pub(crate) async fn ensure_topic(
        &self,
        topic: &str,
        partitions: i32,
        settings: Vec<(String, String)>,
    ) -> Result<bool, FlowError> {
        match self.doors.topics.partitions(topic).await {
            Ok(_) => return Ok(false),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let new = NewTopic {
            name: topic.to_owned(),
            partitions,
            settings,
        };
        match self.doors.topics.create(new).await {
            Ok(()) => {
                tracing::info!(topic, partitions, "topic created for a table");
                Ok(true)
            }
            // Somebody else was quicker.
            Err(error) if error.kind == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn taken(name: &str) -> FlowError {
    let message = format!(
        "there is a table or view `{name}` already; hint: CREATE TABLE IF NOT EXISTS, or DROP TABLE `{name}` first"
    );
    FlowError::new(ErrorKind::Conflict, message)
}

pub(crate) fn option_error(error: crate::options::OptionError) -> FlowError {
    FlowError::new(ErrorKind::Invalid, format!("{}; hint: {}", error.message, error.hint))
}

pub(crate) fn sink_error(error: SinkError) -> FlowError {
    match error {
        SinkError::Option(error) => option_error(error),
        SinkError::Schema(why) => FlowError::new(ErrorKind::Data, why),
        SinkError::Registry(error) => error,
    }
}

pub(crate) fn text_column(name: &str) -> ResultColumn {
    ResultColumn {
        name: name.to_owned(),
        ty: DataType::not_null(TypeKind::STRING),
    }
}

/// A topic's settings from Confluent's `kafka.*` options.
pub(crate) fn topic_settings(table: &sql::Table) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (option, setting) in [
        ("kafka.cleanup-policy", "cleanup.policy"),
        ("kafka.retention.size", "retention.bytes"),
        ("kafka.max-message-size", "max.message.bytes"),
        ("kafka.retention.time", "retention.ms"),
        ("kafka.message-timestamp-type", "message.timestamp.type"),
    ] {
        let Some(value) = table.option(option) else { continue };
        let value = match (option, duration_ms(value)) {
            ("kafka.cleanup-policy", _) => value.replace("delete-compact", "delete,compact"),
            // Zero means: for ever.
            ("kafka.retention.time" | "kafka.retention.size", Some(0)) => "-1".to_owned(),
            ("kafka.retention.time", Some(millis)) => millis.to_string(),
            ("kafka.message-timestamp-type", _) if value == "create-time" => "CreateTime".to_owned(),
            ("kafka.message-timestamp-type", _) => "LogAppendTime".to_owned(),
            _ => value.split_whitespace().next().unwrap_or(value).to_owned(),
        };
        settings.push((setting.to_owned(), value));
    }
    settings
}

/// `7 d`, `30 min`, `5000`: milliseconds.
fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}
