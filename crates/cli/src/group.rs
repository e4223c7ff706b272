//! `rivulet group`: consumer groups.

mod list;
mod show;

use clap::Subcommand;
use client::kafka::{Admin, Connection};

use crate::args::{Output, Target};
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List the groups
    List,
    /// Show a group's members, offsets and lag
    Show {
        /// The group's name
        group: String,
    },
}

pub(crate) async fn run(command: GroupCommand, target: &Target, asked: Option<Output>) -> Result<(), CliError> {
    let admin = Admin::new(&Connection::new(target.endpoints().kafka))?;
    match command {
        GroupCommand::List => list::run(&admin, asked),
        GroupCommand::Show { group } => show::run(&admin, &group, asked),
    }
}
