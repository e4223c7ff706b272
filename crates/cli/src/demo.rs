//! `rivulet demo`: a whole system on a platform of its own, verified at the end.

mod grocery;
mod latency;
mod platform;
mod screen;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::error::CliError;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(subcommand)]
    system: System,
}

#[derive(Debug, Subcommand)]
enum System {
    /// Grocery orders become pick lists, each exactly once
    Grocery(GroceryArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GroceryArgs {
    /// End after this many orders; without it, 1,000 where there is no terminal, and no end on one
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    orders: Option<u64>,
    /// Orders a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Kill the server (SIGKILL) and restart it at least five times during the run
    #[arg(long)]
    kill: bool,
    /// The folder for the demo's data; what an earlier demo left there is removed
    #[arg(long, default_value = ".rivulet/demo-grocery", value_name = "FOLDER")]
    data_dir: PathBuf,
}

pub(crate) async fn run(demo: DemoArgs) -> Result<(), CliError> {
    match demo.system {
        System::Grocery(grocery) => grocery::run(grocery).await,
    }
}
