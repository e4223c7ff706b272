//! The `rivulet` command: words, tables, progress, hints, exit codes.
//!
//! Nouns have a folder and verbs a file each. What commands do, they do through public faces: Kafka's protocol, the
//! registry, the API; only `up` starts the server itself.
#![allow(clippy::print_stdout, reason = "stdout is what commands are for")]

mod args;
mod demo;
mod down;
mod error;
mod group;
mod output;
mod project_command;
mod record_text;
mod registered;
mod running;
mod schema_command;
mod sql;
mod status;
mod topic;
mod up;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use error::CliError;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return usage_exit(&usage),
    };
    start_tracing();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return CliError::internal(format!("no threads to run on: {error}")).report(),
    };
    let done = runtime.block_on(run(arguments));
    // Threads of client libraries may still wait for an answer that nobody needs any more.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

async fn run(arguments: Arguments) -> Result<(), CliError> {
    let Arguments {
        target,
        output,
        command,
    } = arguments;
    match command {
        Command::Up(up) => up::run(up, output).await,
        Command::Down(down) => down::run(&down).await,
        Command::Status(place) => status::run(&place, &target, output).await,
        Command::Demo(demo) => demo::run(demo).await,
        Command::Topic(command) => topic::run(command, &target, output).await,
        Command::Group(command) => group::run(command, &target, output).await,
        Command::Schema(command) => schema_command::run(command, &target, output).await,
        Command::Sql(sql) => sql::run(sql, &target, output).await,
        Command::Project(command) => project_command::run(command, &target, output).await,
    }
}

/// Help and version are answers, everything else is a usage error: exit status 2.
fn usage_exit(usage: &clap::Error) -> ExitCode {
    // Nothing can be said where even printing fails.
    let printed = usage.print();
    if usage.use_stderr() || printed.is_err() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}

/// Log lines go to stderr; `RIVULET_LOG` chooses how many, in the form `warn` or `broker=debug`.
fn start_tracing() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("RIVULET_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
