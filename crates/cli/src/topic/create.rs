//! `rivulet topic create`.

use base::ErrorKind;
use clap::Args;
use client::NewTopic;
use client::kafka::Admin;

use crate::error::CliError;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The topic's name
    topic: String,
    /// How many partitions it has
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    /// A setting, such as `retention.ms=604800000`; may be repeated
    #[arg(short, long = "setting", value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// Do nothing if the topic is there already
    #[arg(long)]
    if_not_exists: bool,
}

/// `name=value` in two.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

pub(crate) async fn run(admin: &Admin, create: CreateArgs) -> Result<(), CliError> {
    let topic = NewTopic {
        name: create.topic,
        partitions: create.partitions,
        settings: create.settings,
    };
    match admin.create(&topic).await {
        Ok(()) => eprintln!("created topic `{}` with {} partitions", topic.name, topic.partitions),
        Err(error) if error.kind == ErrorKind::Conflict && create.if_not_exists => {
            eprintln!("topic `{}` is there already", topic.name);
        }
        Err(error) if error.kind == ErrorKind::Conflict => {
            return Err(CliError::from(error).hint("`--if-not-exists` makes that no error"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
