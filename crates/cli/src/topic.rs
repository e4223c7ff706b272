//! `rivulet topic`: topics and their records.

mod create;
mod delete;
mod list;
mod produce;
mod show;
mod tail;

use clap::Subcommand;
use client::kafka::{Admin, Connection};

use crate::args::{Output, Target};
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// List the topics
    List,
    /// Show a topic's partitions and settings
    Show {
        /// The topic's name
        topic: String,
    },
    /// Create a topic
    Create(create::CreateArgs),
    /// Delete a topic and all its records
    Delete {
        /// The topic's name
        topic: String,
    },
    /// Write records, one a line of stdin
    Produce(produce::ProduceArgs),
    /// Show records as they come
    Tail(tail::TailArgs),
}

pub(crate) async fn run(command: TopicCommand, target: &Target, asked: Option<Output>) -> Result<(), CliError> {
    let endpoints = target.endpoints();
    let connection = Connection::new(endpoints.kafka.clone());
    match command {
        TopicCommand::List => list::run(&Admin::new(&connection)?, asked),
        TopicCommand::Show { topic } => show::run(&Admin::new(&connection)?, &topic, asked).await,
        TopicCommand::Create(create) => create::run(&Admin::new(&connection)?, create).await,
        TopicCommand::Delete { topic } => delete::run(&Admin::new(&connection)?, &topic).await,
        TopicCommand::Produce(produce) => produce::run(&connection, &endpoints.registry, produce).await,
        TopicCommand::Tail(tail) => tail::run(&connection, &endpoints.registry, tail, asked).await,
    }
}

/// The topic, or an error that names the nearest one.
fn existing(admin: &Admin, name: &str) -> Result<client::kafka::TopicDescription, CliError> {
    let topics = admin.topics()?;
    if let Some(topic) = topics.iter().find(|topic| topic.name == name) {
        return Ok(topic.clone());
    }
    let error = CliError::new(base::ErrorKind::NotFound, format!("there is no topic `{name}`"));
    let distance = |topic: &&client::kafka::TopicDescription| strsim::damerau_levenshtein(&topic.name, name);
    match topics
        .iter()
        .min_by_key(distance)
        .filter(|nearest| distance(nearest) * 3 <= name.len())
    {
        Some(nearest) => Err(error.hint(format!("did you mean `{}`?", nearest.name))),
        None => Err(error.hint("see `rivulet topic list`")),
    }
}
