//! Lists and single things, as an aligned table on a terminal and as JSON otherwise.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value as Json;

use crate::args::Output;
use crate::error::CliError;

/// The form asked for, or the one that fits where stdout goes.
pub(crate) fn form(asked: Option<Output>) -> Output {
    asked.unwrap_or(if std::io::stdout().is_terminal() {
        Output::Table
    } else {
        Output::Json
    })
}

/// Shows rows: the named keys as columns, or everything as one JSON array.
pub(crate) fn list(asked: Option<Output>, columns: &[&str], rows: &[Json]) -> Result<(), CliError> {
    let headers: Vec<String> = columns
        .iter()
        .map(|column| column.to_uppercase().replace('_', " "))
        .collect();
    rows_under(asked, &headers, columns, rows)
}

/// Shows a query's rows: columns are headed by their names as they are.
pub(crate) fn result(asked: Option<Output>, columns: &[&str], rows: &[Json]) -> Result<(), CliError> {
    let headers: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    rows_under(asked, &headers, columns, rows)
}

fn rows_under(asked: Option<Output>, headers: &[String], columns: &[&str], rows: &[Json]) -> Result<(), CliError> {
    match form(asked) {
        Output::Json => line(&Json::from(rows.to_vec()).to_string()),
        Output::Table => {
            let mut table = plain_table();
            table.set_header(headers);
            for row in rows {
                table.add_row(columns.iter().map(|column| cell(row.get(column))));
            }
            line(&trimmed(&table))
        }
    }
}

/// Shows one thing: a line a key, or one JSON object.
pub(crate) fn one(asked: Option<Output>, thing: &Json) -> Result<(), CliError> {
    match (form(asked), thing.as_object()) {
        (Output::Table, Some(object)) => {
            let mut table = plain_table();
            for (key, value) in object {
                table.add_row([key.replace('_', " "), cell(Some(value))]);
            }
            line(&trimmed(&table))
        }
        _ => line(&thing.to_string()),
    }
}

pub(crate) fn plain_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// The table without the blanks that pad its last column.
pub(crate) fn trimmed(table: &Table) -> String {
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn cell(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "-".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Object(object)) => object
            .iter()
            .map(|(key, value)| format!("{key}={}", cell(Some(value))))
            .collect::<Vec<_>>()
            .join(" "),
        Some(other) => other.to_string(),
    }
}

/// One line to stdout. A reader that has gone away ends the command quietly, as with any filter.
pub(crate) fn line(text: &str) -> Result<(), CliError> {
    match say(text) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// One line to stdout in one write; for those who go on when nobody reads.
pub(crate) fn say(text: &str) -> std::io::Result<()> {
    std::io::stdout().lock().write_all(format!("{text}\n").as_bytes())
}
