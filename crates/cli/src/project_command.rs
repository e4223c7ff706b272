//! `rivulet project`: a folder's `rivulet.yaml`, checked and applied.

use std::path::PathBuf;

use base::ErrorKind;
use clap::Subcommand;
use project::{Applied, Problem};
use serde_json::json;

use crate::args::{Output, Target};
use crate::error::CliError;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Report every problem of the project at once
    Check {
        /// The project's folder
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Make the platform what the project says; applying again changes nothing
    Apply {
        /// The project's folder
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
}

pub(crate) async fn run(command: ProjectCommand, target: &Target, asked: Option<Output>) -> Result<(), CliError> {
    match command {
        ProjectCommand::Check { folder } => {
            let project = project::load(&folder).map_err(refused)?;
            let (topics, schemas, sql) = (project.topics.len(), project.schemas.len(), project.sql.len());
            eprintln!(
                "project `{}` is sound: {topics} topics, {schemas} schemas, {sql} SQL files",
                project.name
            );
            Ok(())
        }
        ProjectCommand::Apply { folder } => {
            let project = project::load(&folder).map_err(refused)?;
            let applied = project::apply(&project, &target.endpoints()).await?;
            let row = |one: &Applied| json!({"what": one.what, "name": one.name, "outcome": one.outcome});
            output::list(
                asked,
                &["what", "name", "outcome"],
                &applied.iter().map(row).collect::<Vec<_>>(),
            )
        }
    }
}

fn refused(problems: Vec<Problem>) -> CliError {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    CliError::new(
        ErrorKind::Invalid,
        format!("the project has {count}\n{}", lines.join("\n")),
    )
}
