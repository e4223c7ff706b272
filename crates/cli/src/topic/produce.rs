//! `rivulet topic produce`: lines of stdin become records.

use std::sync::Arc;

use base::ErrorKind;
use bytes::Bytes;
use clap::Args;
use client::Output;
use client::kafka::{Admin, Connection, Producer};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::task::JoinSet;

use super::create::pair;
use crate::error::CliError;
use crate::record_text::RecordText;
use crate::topic::existing;

/// So many records may be on their way at once.
const IN_FLIGHT_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct ProduceArgs {
    /// The topic's name
    topic: String,
    /// The key of every record
    #[arg(short, long)]
    key: Option<String>,
    /// What separates key and value within a line
    #[arg(short = 's', long, value_name = "TEXT", conflicts_with = "key")]
    key_separator: Option<String>,
    /// The partition; without it the key decides
    #[arg(short, long)]
    partition: Option<i32>,
    /// A header of every record; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// Write lines as they are, also where the topic has a schema
    #[arg(long)]
    raw: bool,
}

pub(crate) async fn run(connection: &Connection, registry: &str, produce: ProduceArgs) -> Result<(), CliError> {
    existing(&Admin::new(connection)?, &produce.topic)?;
    let framing = match produce.raw {
        true => None,
        false => {
            RecordText::new(registry)
                .framing(&format!("{}-value", produce.topic))
                .await?
        }
    };
    let producer = Producer::new(connection)?;
    let topic: Arc<str> = produce.topic.as_str().into();
    let (mut sending, mut sent, mut number) = (JoinSet::new(), 0_u64, 0_u64);
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        number += 1;
        let (key, value) = match &produce.key_separator {
            Some(separator) => match line.split_once(separator.as_str()) {
                Some((key, value)) => (Some(key.to_owned()), value.to_owned()),
                None => {
                    let message = format!("line {number} has no `{separator}` between key and value");
                    return Err(CliError::new(ErrorKind::Invalid, message));
                }
            },
            None => (produce.key.clone(), line),
        };
        let value = match &framing {
            Some(framing) => framing.encode(&value).map_err(|why| {
                let message = format!("line {number} does not fit the schema of `{topic}`: {why}");
                CliError::new(ErrorKind::Invalid, message).hint("`--raw` writes lines as they are")
            })?,
            None => value.into_bytes(),
        };
        let header = |(name, value): &(String, String)| (Bytes::from(name.clone()), Some(Bytes::from(value.clone())));
        let output = Output {
            topic: Arc::clone(&topic),
            partition: produce.partition,
            key: key.map(Bytes::from),
            value: Some(value.into()),
            headers: produce.headers.iter().map(header).collect(),
            timestamp: None,
        };
        if sending.len() >= IN_FLIGHT_MAX {
            settle(sending.join_next().await, &mut sent)?;
        }
        let producer = producer.clone();
        sending.spawn(async move { producer.send(&output).await.map(|_| ()) });
    }
    while !sending.is_empty() {
        settle(sending.join_next().await, &mut sent)?;
    }
    eprintln!("wrote {sent} records to `{topic}`");
    Ok(())
}

type Settled = Option<Result<Result<(), client::TopicsError>, tokio::task::JoinError>>;

fn settle(done: Settled, sent: &mut u64) -> Result<(), CliError> {
    match done {
        Some(Ok(Ok(()))) => *sent += 1,
        Some(Ok(Err(error))) => return Err(error.into()),
        Some(Err(stopped)) => return Err(CliError::internal(stopped.to_string())),
        None => {}
    }
    Ok(())
}
