//! `rivulet topic tail`: records as they come, decoded through the registry.

use std::collections::HashSet;
use std::time::Duration;

use base::ErrorKind;
use clap::Args;
use client::kafka::{Admin, Connection, Consumed, Next, Reader, Start};
use serde_json::{Map, Value as Json, json};

use crate::args::Output;
use crate::error::CliError;
use crate::output::{self, form};
use crate::record_text::RecordText;
use crate::topic::existing;

const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The topic's name
    topic: String,
    /// Begin this many records before the end of each partition; 0 shows only new ones
    #[arg(short = 'n', long, default_value_t = 10, value_name = "COUNT")]
    last: i64,
    /// Begin with the first record there is
    #[arg(short = 'b', long, conflicts_with = "last")]
    from_beginning: bool,
    /// Begin at this offset
    #[arg(long, conflicts_with_all = ["last", "from_beginning"], value_name = "OFFSET")]
    from_offset: Option<i64>,
    /// Only this partition
    #[arg(short, long)]
    partition: Option<i32>,
    /// End when all there is has been shown
    #[arg(short = 'e', long)]
    exit: bool,
    /// How to show a record: %t topic, %p partition, %o offset, %T timestamp, %k key, %v value, %h headers, \n, \t
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

pub(crate) async fn run(
    connection: &Connection,
    registry: &str,
    tail: TailArgs,
    asked: Option<Output>,
) -> Result<(), CliError> {
    let topic = existing(&Admin::new(connection)?, &tail.topic)?;
    let partitions = match tail.partition {
        Some(one) if (0..topic.partitions).contains(&one) => one..one + 1,
        Some(one) => {
            let message = format!(
                "topic `{}` has partitions 0 to {}, not {one}",
                topic.name,
                topic.partitions - 1
            );
            return Err(CliError::new(ErrorKind::NotFound, message));
        }
        None => 0..topic.partitions,
    };
    let start = match (tail.from_beginning, tail.from_offset, tail.last) {
        (true, ..) => Start::Beginning,
        (_, Some(offset), _) => Start::Offset(offset),
        (_, _, 0) => Start::End,
        (_, _, last) => Start::Last(last),
    };
    let reader = Reader::new(connection, &topic.name, partitions.clone(), start)?;
    let mut text = RecordText::new(registry);
    let mut ended = HashSet::new();
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let next = tokio::select! {
            biased;
            _ = &mut interrupt => return Ok(()),
            next = async { tokio::task::block_in_place(|| reader.next(POLL)) } => next?,
        };
        match next {
            None => {}
            Some(Next::End(partition)) => {
                ended.insert(partition);
                if tail.exit && ended.len() == partitions.len() {
                    return Ok(());
                }
            }
            Some(Next::Record(record)) => show(&record, &mut text, &tail, asked).await?,
        }
    }
}

async fn show(
    consumed: &Consumed,
    text: &mut RecordText,
    tail: &TailArgs,
    asked: Option<Output>,
) -> Result<(), CliError> {
    let record = &consumed.record;
    let key = text.show(record.key.as_deref()).await;
    let value = text.show(record.value.as_deref()).await;
    let mut headers = Map::new();
    for (name, value) in &record.headers {
        headers.insert(
            String::from_utf8_lossy(name).into_owned(),
            text.show(value.as_deref()).await,
        );
    }
    if let Some(format) = &tail.format {
        let filled = fill(format, consumed, &key, &value, &Json::from(headers));
        print!("{filled}");
        return Ok(());
    }
    if form(asked) == Output::Json {
        return output::line(
            &json!({
                "topic": consumed.topic, "partition": consumed.partition, "offset": record.offset,
                "timestamp_ms": record.timestamp, "key": key, "value": value, "headers": headers,
            })
            .to_string(),
        );
    }
    let headers = if headers.is_empty() {
        String::new()
    } else {
        format!("  {}", Json::from(headers))
    };
    output::line(&format!(
        "{}/{}  {}  {}  {}{headers}",
        consumed.partition,
        record.offset,
        time(record.timestamp),
        bare(&key),
        bare(&value)
    ))
}

/// Text without quotation marks, anything else as JSON.
fn bare(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        Json::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn time(timestamp_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(timestamp_ms).map_or_else(|_| timestamp_ms.to_string(), |time| time.to_string())
}

fn fill(format: &str, consumed: &Consumed, key: &Json, value: &Json, headers: &Json) -> String {
    let mut filled = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        let piece = match c {
            '%' => match chars.next() {
                Some('t') => consumed.topic.clone(),
                Some('p') => consumed.partition.to_string(),
                Some('o') => consumed.record.offset.to_string(),
                Some('T') => consumed.record.timestamp.to_string(),
                Some('k') => bare(key),
                Some('v') => bare(value),
                Some('h') => headers.to_string(),
                Some('%') => "%".to_owned(),
                Some(other) => format!("%{other}"),
                None => "%".to_owned(),
            },
            '\\' => match chars.next() {
                Some('n') => "\n".to_owned(),
                Some('t') => "\t".to_owned(),
                Some(other) => other.to_string(),
                None => "\\".to_owned(),
            },
            other => other.to_string(),
        };
        filled.push_str(&piece);
    }
    filled
}
