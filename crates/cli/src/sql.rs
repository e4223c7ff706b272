//! `rivulet sql`: runs a script on the platform and shows what came of each statement.

use std::io::Read;
use std::path::PathBuf;

use base::ErrorKind;
use clap::Args;
use project::rest::{Rest, encode};
use serde_json::{Value as Json, json};

use crate::args::{Output, Target};
use crate::error::CliError;
use crate::output;

const SCRIPT_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["file", "execute"])))]
pub(crate) struct SqlArgs {
    /// A file of statements separated by `;`, or `-` for stdin
    file: Option<PathBuf>,
    /// The statements themselves
    #[arg(short, long, value_name = "SQL")]
    execute: Option<String>,
    /// Begins the names of the statements that the script makes; without it the file's name does
    #[arg(long)]
    name: Option<String>,
    /// Only check: plan every statement, run none
    #[arg(long)]
    check: bool,
    /// A property such as `sql.tables.scan.startup.mode=latest-offset`; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    properties: Vec<String>,
}

pub(crate) async fn run(sql: SqlArgs, target: &Target, asked: Option<Output>) -> Result<(), CliError> {
    let script = script(&sql)?;
    let name = sql.name.clone().unwrap_or_else(|| default_name(sql.file.as_ref()));
    let mut properties = serde_json::Map::new();
    for property in &sql.properties {
        let Some((name, value)) = property.split_once('=') else {
            return Err(CliError::new(
                ErrorKind::Invalid,
                format!("`--set {property}`: expected NAME=VALUE"),
            ));
        };
        properties.insert(name.to_owned(), value.into());
    }
    let api = Rest::api(&target.endpoints().api);
    let body = json!({"name": name, "script": script, "properties": properties, "check": sql.check});
    let answer = api.post("/api/v1/sql/scripts", &body).await?;
    if sql.check {
        return show_plans(&answer);
    }
    for statement in answer.get("statements").and_then(Json::as_array).into_iter().flatten() {
        show(&api, statement, asked).await?;
    }
    Ok(())
}

fn script(sql: &SqlArgs) -> Result<String, CliError> {
    if let Some(text) = &sql.execute {
        return Ok(text.clone());
    }
    let path = sql.file.clone().unwrap_or_default();
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().take(SCRIPT_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(&path).and_then(|file| file.take(SCRIPT_BYTES_MAX).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => {
            let kind = if error.kind() == std::io::ErrorKind::NotFound {
                ErrorKind::NotFound
            } else {
                ErrorKind::Data
            };
            Err(CliError::new(
                kind,
                format!("`{}` cannot be read: {error}", path.display()),
            ))
        }
    }
}

/// A name that statements may have: lower-case letters, digits and `-`.
fn default_name(file: Option<&PathBuf>) -> String {
    let stem = file
        .and_then(|file| file.file_stem())
        .and_then(|stem| stem.to_str())
        .unwrap_or("sql");
    let plain: String = stem
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let plain = plain.trim_matches('-').to_owned();
    if plain.is_empty() { "sql".to_owned() } else { plain }
}

fn show_plans(answer: &Json) -> Result<(), CliError> {
    for checked in answer.get("checked").and_then(Json::as_array).into_iter().flatten() {
        let text = |key: &str| checked.get(key).and_then(Json::as_str).unwrap_or_default();
        output::line(&format!(
            "line {}: {} ok",
            checked.get("line").unwrap_or(&Json::Null),
            text("kind")
        ))?;
        if !text("plan").is_empty() {
            output::line(text("plan"))?;
        }
        warn(checked);
    }
    Ok(())
}

fn warn(statement: &Json) {
    for warning in statement.get("warnings").and_then(Json::as_array).into_iter().flatten() {
        eprintln!("warning: {}", warning.as_str().unwrap_or_default());
    }
}

/// A query's rows, or a line on what became of the statement.
async fn show(api: &Rest, statement: &Json, asked: Option<Output>) -> Result<(), CliError> {
    let text = |key: &str| statement.get(key).and_then(Json::as_str).unwrap_or_default();
    warn(statement);
    if text("phase") == "FAILED" {
        return Err(CliError::new(
            ErrorKind::Data,
            format!("{} `{}`: {}", text("kind"), text("name"), text("detail")),
        ));
    }
    let Some(columns) = statement.get("columns").and_then(Json::as_array) else {
        let detail = if text("detail").is_empty() {
            String::new()
        } else {
            format!(": {}", text("detail"))
        };
        eprintln!(
            "{} `{}` {}{detail}",
            text("kind"),
            text("name"),
            text("phase").to_lowercase()
        );
        return Ok(());
    };
    let names: Vec<&str> = columns
        .iter()
        .filter_map(|column| column.get("name")?.as_str())
        .collect();
    let mut rows = Vec::new();
    let path = format!("/api/v1/sql/statements/{}/results", encode(text("name")));
    let mut page = api.get(&path).await?;
    loop {
        for row in page.get("rows").and_then(Json::as_array).into_iter().flatten() {
            let cells = row.as_array().into_iter().flatten().cloned();
            rows.push(Json::Object(
                names.iter().map(|name| (*name).to_owned()).zip(cells).collect(),
            ));
        }
        let Some(next) = page.get("next").and_then(Json::as_str) else {
            break;
        };
        page = api.get(&format!("{path}?token={}", encode(next))).await?;
    }
    output::result(asked, &names, &rows)
}
