//! Tables and statements as the store keeps them: JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use sql::ast::StatementKind;
use sql::{Bound, Relation, Table, View};

use crate::statement::{Counters, Phase, Statement};
use crate::tables::{Sight, complete};

pub(crate) const TABLE_PREFIX: &str = "table/";
pub(crate) const STATEMENT_PREFIX: &str = "statement/";

pub(crate) fn table_key(name: &str) -> String {
    format!("{TABLE_PREFIX}{name}")
}

pub(crate) fn statement_key(name: &str) -> String {
    format!("{STATEMENT_PREFIX}{name}")
}

/// A table or view that DDL made.
#[derive(Clone)]
pub(crate) enum Definition {
    Table { table: Arc<Table>, text: String },
    View(Arc<View>),
}

impl Definition {
    pub(crate) fn table(table: Arc<Table>) -> Definition {
        let text = table.create_sql();
        Definition::Table { table, text }
    }

    /// `text` is the statement that made it, which the view's spans may point past: the record keeps both.
    pub(crate) fn view(view: View, text: &str) -> Definition {
        // Read again from its own text, so that spans and text belong together.
        let own = view_of(text, view.columns.clone()).unwrap_or(view);
        Definition::View(Arc::new(own))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Definition::Table { table, .. } => &table.name,
            Definition::View(view) => &view.name,
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Definition::Table { text, .. } => text,
            Definition::View(view) => &view.source,
        }
    }

    pub(crate) fn is_view(&self) -> bool {
        matches!(self, Definition::View(_))
    }

    pub(crate) fn relation(&self) -> Relation {
        match self {
            Definition::Table { table, .. } => Relation::Table(Arc::clone(table)),
            Definition::View(view) => Relation::View(Arc::clone(view)),
        }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        let record = match self {
            Definition::Table { text, .. } => json!({"sql": text}),
            Definition::View(view) => json!({"sql": view.source.as_ref(), "view_columns": view.columns}),
        };
        Bytes::from(record.to_string())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Definition, String> {
        let record: Json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let text = record["sql"].as_str().ok_or("the record has no `sql`")?;
        if let Some(columns) = record["view_columns"].as_array() {
            let columns = columns.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            return view_of(text, columns)
                .map(|view| Definition::View(Arc::new(view)))
                .ok_or("it is not a view".to_owned());
        }
        let script = sql::parse_script(text);
        let statement = script
            .items
            .into_iter()
            .find_map(|item| item.statement)
            .ok_or("it is not a statement")?;
        match sql::bind(text, &statement, &Sight::default()) {
            Ok(Bound::CreateTable { table, .. }) => Ok(Definition::table(complete(table))),
            Ok(_) => Err("it is not a table".to_owned()),
            Err(errors) => Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }
}

fn view_of(text: &str, columns: Vec<String>) -> Option<View> {
    let script = sql::parse_script(text);
    match script.items.into_iter().find_map(|item| item.statement)?.kind {
        StatementKind::CreateView(view) => Some(View {
            name: view.name.table().to_owned(),
            columns,
            query: view.query,
            source: text.into(),
        }),
        _ => None,
    }
}

const JOB_KINDS: &[&str] = &["INSERT_INTO", "STATEMENT_SET", "CREATE_TABLE_AS"];

/// Whether a statement of this kind runs as a job that is kept.
pub(crate) fn is_job(kind: &str) -> bool {
    JOB_KINDS.contains(&kind)
}

pub(crate) fn statement_bytes(statement: &Statement, definitions: &str) -> Bytes {
    let record = json!({
        "name": statement.name,
        "uid": statement.uid,
        "text": statement.text,
        "properties": statement.properties,
        "created_at": statement.created_at,
        "updated_at": statement.updated_at,
        "resource_version": statement.resource_version,
        "phase": statement.phase.as_str(),
        "detail": statement.detail,
        "kind": statement.kind,
        "is_bounded": statement.is_bounded,
        "warnings": statement.warnings,
        "definitions": definitions,
    });
    Bytes::from(record.to_string())
}

/// The statement and the definitions it was planned with.
pub(crate) fn parse_statement(bytes: &[u8]) -> Option<(Statement, String)> {
    let record: Json = serde_json::from_slice(bytes).ok()?;
    let text = |key: &str| record[key].as_str().map(str::to_owned);
    let kind = record["kind"].as_str()?;
    let properties: BTreeMap<String, String> = serde_json::from_value(record["properties"].clone()).ok()?;
    let statement = Statement {
        name: text("name")?,
        uid: text("uid")?,
        text: text("text")?,
        properties,
        created_at: record["created_at"].as_i64()?,
        updated_at: record["updated_at"].as_i64()?,
        resource_version: record["resource_version"].as_u64()?,
        phase: Phase::parse(record["phase"].as_str()?)?,
        detail: text("detail")?,
        kind: JOB_KINDS.iter().find(|known| **known == kind)?,
        is_bounded: record["is_bounded"].as_bool()?,
        is_append_only: true,
        columns: None,
        warnings: serde_json::from_value(record["warnings"].clone()).ok()?,
        counters: Counters::default(),
        latest_offsets: Vec::new(),
    };
    Some((statement, text("definitions")?))
}
