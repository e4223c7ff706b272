//! Scenario files: topics, schemas and records in, SQL, records out.
//!
//! A file is made of sections. `== topic NAME PARTITIONS`, `== subject NAME avro|json` with the schema below,
//! `== input TOPIC` with lines `key | value` (`~` for none), `== sql`, and then what is expected: `== output TOPIC` with lines
//! `key | value`, sorted; `== rows` with a query's rows; `== refused` with the messages; `== statements` with names and phases.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use client::SchemaType;
use common::Platform;
use rivulet_flow::{FlowError, Phase, Statement};

#[tokio::test]
async fn scenarios_give_their_golden_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 10, "the scenario files are there");
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        for (expected, got, section) in run(&text).await {
            if expected.trim() != got.trim() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                wrong.push(format!(
                    "{name}, {section}\n--- expected\n{}\n--- got\n{}",
                    expected.trim(),
                    got.trim()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

fn sections(text: &str) -> Vec<(Vec<String>, String)> {
    let mut all: Vec<(Vec<String>, String)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("== ") {
            Some(head) => all.push((head.split_whitespace().map(str::to_owned).collect(), String::new())),
            None => {
                if let Some((_, body)) = all.last_mut() {
                    body.push_str(line);
                    body.push('\n');
                }
            }
        }
    }
    all
}

async fn run(text: &str) -> Vec<(String, String, String)> {
    let platform = Platform::new();
    let engine = platform.engine();
    let mut outcome: Result<Vec<Statement>, FlowError> = Ok(Vec::new());
    let mut sql = String::new();
    let mut compared = Vec::new();
    for (head, body) in sections(text) {
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        match head.as_slice() {
            ["topic", name, partitions] => platform.create_topic(name, partitions.parse().unwrap()),
            ["subject", name, language] => {
                let language = if *language == "avro" {
                    SchemaType::Avro
                } else {
                    SchemaType::Json
                };
                platform.register(name, language, body.trim());
            }
            ["input", topic] => body
                .lines()
                .filter(|line| !line.trim().is_empty())
                .for_each(|line| input(&platform, topic, line)),
            ["sql"] => {
                outcome = engine.apply_script("t", &body, &BTreeMap::new()).await;
                sql = body;
                if let Ok(statements) = &outcome {
                    settle(&engine, &platform, statements).await;
                }
            }
            ["output", topic] => compared.push((body, output(&platform, topic), format!("output {topic}"))),
            ["rows"] => compared.push((body, rows(&engine, &outcome).await, "rows".to_owned())),
            ["refused"] => {
                let got = match &outcome {
                    Ok(_) => "accepted".to_owned(),
                    Err(error) => error.render(&sql),
                };
                compared.push((body, got, "refused".to_owned()));
            }
            ["statements"] => {
                let mut got = String::new();
                for statement in engine.list().await {
                    let detail = if statement.detail.is_empty() {
                        String::new()
                    } else {
                        format!(": {}", statement.detail)
                    };
                    let counters = statement.counters;
                    let counted = format!(
                        " in {} out {} skipped {} dead {}",
                        counters.records_in,
                        counters.records_out,
                        counters.records_skipped,
                        counters.records_dead_lettered
                    );
                    let warnings: String = statement
                        .warnings
                        .iter()
                        .map(|warning| format!("\n  warning: {warning}"))
                        .collect();
                    got.push_str(&format!(
                        "{} {}{counted}{detail}{warnings}\n",
                        statement.name, statement.phase
                    ));
                }
                compared.push((body, got, "statements".to_owned()));
            }
            ["schema", subject] => {
                compared.push((
                    body,
                    platform.schema_text(subject).unwrap_or_default(),
                    format!("schema {subject}"),
                ));
            }
            other => panic!("a section `{other:?}` is not known"),
        }
    }
    let told = outcome.is_err() && !compared.iter().any(|(_, _, section)| section == "refused");
    if told {
        compared.push((
            String::new(),
            outcome.unwrap_err().render(&sql),
            "not refused".to_owned(),
        ));
    }
    compared
}

fn input(platform: &Platform, topic: &str, line: &str) {
    let (key, value) = line.split_once('|').unwrap_or(("~", line));
    let (key, value) = (key.trim(), value.trim());
    let key = (key != "~").then(|| platform.encode(&format!("{topic}-key"), key));
    let value = match value.strip_prefix("hex:") {
        Some(hex) => Some(
            (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
        ),
        None => (value != "~").then(|| platform.encode(&format!("{topic}-value"), value)),
    };
    platform.produce(topic, key.as_deref(), value);
}

/// Waits until every running job has read all there is.
async fn settle(engine: &rivulet_flow::Engine, platform: &Platform, statements: &[Statement]) {
    for statement in statements {
        loop {
            let now = engine.get(&statement.name).await.unwrap();
            let done = now.latest_offsets.iter().all(|position| {
                let count = platform
                    .records(&position.topic)
                    .iter()
                    .filter(|(p, _)| *p == position.partition)
                    .count();
                position.offset >= count as i64
            });
            let reads = !now.latest_offsets.is_empty();
            if now.phase != Phase::Running || now.columns.is_some() || (reads && done) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn output(platform: &Platform, topic: &str) -> String {
    let mut lines: Vec<String> = platform
        .records(topic)
        .into_iter()
        .map(|(_, record)| {
            let show = |bytes: Option<bytes::Bytes>| bytes.map_or("~".to_owned(), |bytes| platform.decode(&bytes));
            let headers: Vec<String> = record
                .headers
                .iter()
                .map(|(name, value)| {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    format!(
                        "{}={}",
                        text(name),
                        value.as_ref().map_or("~".to_owned(), |value| text(value))
                    )
                })
                .collect();
            let headers = if headers.is_empty() {
                String::new()
            } else {
                format!(" | {}", headers.join(", "))
            };
            format!("{} | {}{headers}", show(record.key), show(record.value))
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

async fn rows(engine: &rivulet_flow::Engine, outcome: &Result<Vec<Statement>, FlowError>) -> String {
    let Ok(statements) = outcome else {
        return "refused".to_owned();
    };
    let mut lines = Vec::new();
    for statement in statements {
        let Some(columns) = &statement.columns else { continue };
        let mut token: Option<String> = None;
        loop {
            let page = match engine.results(&statement.name, token.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    lines.push(error.to_string());
                    break;
                }
            };
            for row in &page.rows {
                let shown = row
                    .iter()
                    .zip(columns)
                    .map(|(value, column)| sql::to_text(value, &column.ty.kind, &jiff::tz::TimeZone::UTC));
                lines.push(shown.collect::<Vec<_>>().join(" | "));
            }
            if page.rows.is_empty() {
                tokio::task::yield_now().await;
            }
            match page.next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
    }
    lines.join("\n")
}
