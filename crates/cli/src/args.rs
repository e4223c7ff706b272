//! The command line's words: every command and option, with its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::demo::DemoArgs;
use crate::group::GroupCommand;
use crate::project_command::ProjectCommand;
use crate::schema_command::SchemaCommand;
use crate::sql::SqlArgs;
use crate::topic::TopicCommand;
use crate::up::UpArgs;

/// A whole streaming platform in one program: Kafka broker, schema registry, streaming SQL.
#[derive(Debug, Parser)]
#[command(name = "rivulet", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub target: Target,
    /// How results are shown: a table on a terminal, JSON elsewhere.
    #[arg(short, long, global = true, value_enum, value_name = "FORM")]
    pub output: Option<Output>,
    #[command(subcommand)]
    pub command: Command,
}

/// Which platform a command speaks to. Without a word it is the one running in this folder, or else localhost.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Platform")]
pub(crate) struct Target {
    /// Kafka's address.
    #[arg(long, global = true, env = "RIVULET_BOOTSTRAP", value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// The schema registry's address.
    #[arg(long, global = true, env = "RIVULET_REGISTRY", value_name = "URL")]
    pub registry: Option<String>,
    /// The address of Rivulet's own API (SQL, status).
    #[arg(long, global = true, env = "RIVULET_API", value_name = "URL")]
    pub api: Option<String>,
}

/// Which running platform a folder's data belongs to.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The folder that holds the platform's data.
    #[arg(long, default_value = ".rivulet", env = "RIVULET_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the platform and run it until Ctrl-C
    Up(UpArgs),
    /// Stop the platform that runs in this folder
    Down(Place),
    /// Show what runs and where
    Status(Place),
    /// Run a system that shows the platform at work, and check at the end that nothing was lost
    Demo(DemoArgs),
    /// Topics: list, show, create, delete, produce, tail
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Consumer groups: list, show
    #[command(subcommand)]
    Group(GroupCommand),
    /// Schemas: list, show, register, check, diff, delete, compat, mode, import, export
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Run SQL: a file, or a text given with -e
    Sql(SqlArgs),
    /// A folder with a `rivulet.yaml`: check, apply
    #[command(subcommand)]
    Project(ProjectCommand),
}
