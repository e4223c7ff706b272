//! `rivulet schema`: the subjects of a schema registry, ours or any other, and folders of schema files.

mod check;
mod compat;
mod delete;
mod diff;
mod export;
mod folder;
mod import;
mod list;
mod mode;
mod register;
mod show;

use clap::Subcommand;
use project::rest::Rest;

use crate::args::{Output, Target};
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// List the subjects with their latest versions
    List(list::ListArgs),
    /// Show a schema: a subject's version, or one by its id
    Show(show::ShowArgs),
    /// Register a file as a subject's next version
    Register(register::RegisterArgs),
    /// Say whether a folder of schemas fits what is registered, or another folder; exit status 1 if one does not
    Check(check::CheckArgs),
    /// Say in words what changed between two schemas, and who can read what
    Diff(diff::DiffArgs),
    /// Delete a subject or one of its versions
    Delete(delete::DeleteArgs),
    /// Show or set what new versions must keep: of a subject, or of all
    Compat(compat::CompatArgs),
    /// Show or set what may be written: of a subject, or of all
    Mode(mode::ModeArgs),
    /// Register a folder: one that `export` wrote, or any with schema files
    Import(import::ImportArgs),
    /// Write every schema into a folder, with ids, versions and settings
    Export(export::ExportArgs),
}

pub(crate) async fn run(command: SchemaCommand, target: &Target, asked: Option<Output>) -> Result<(), CliError> {
    let registry = Rest::registry(&target.endpoints().registry);
    match command {
        SchemaCommand::List(list) => list::run(&registry, &list, asked).await,
        SchemaCommand::Show(show) => show::run(&registry, &show, asked).await,
        SchemaCommand::Register(register) => register::run(&registry, &register, asked).await,
        SchemaCommand::Check(check) => check::run(&registry, &check, asked).await,
        SchemaCommand::Diff(diff) => diff::run(&registry, &diff, asked).await,
        SchemaCommand::Delete(delete) => delete::run(&registry, &delete).await,
        SchemaCommand::Compat(compat) => compat::run(&registry, &compat, asked).await,
        SchemaCommand::Mode(mode) => mode::run(&registry, &mode, asked).await,
        SchemaCommand::Import(import) => import::run(&registry, &import, asked).await,
        SchemaCommand::Export(export) => export::run(&registry, &export).await,
    }
}

/// The path of a subject.
fn path_of(subject: &str) -> String {
    format!("/subjects/{}", project::rest::encode(subject))
}

/// A subject, and the version behind an `@` if there is one.
fn named(text: &str) -> (&str, Option<&str>) {
    let is_version = |version: &str| version == "latest" || version.parse::<i32>().is_ok();
    match text.rsplit_once('@') {
        Some((subject, version)) if is_version(version) => (subject, Some(version)),
        _ => (text, None),
    }
}

/// The path of a setting (`config` or `mode`), of a subject or of all.
fn setting_path(setting: &str, subject: Option<&str>) -> String {
    match subject {
        Some(subject) => format!("/{setting}/{}", project::rest::encode(subject)),
        None => format!("/{setting}"),
    }
}

/// A subject's name is a likely mistake: an error about one says where the names are.
fn hinted(error: client::TopicsError) -> CliError {
    let not_found = error.kind == base::ErrorKind::NotFound;
    let error = CliError::from(error);
    if not_found {
        error.hint("see `rivulet schema list`")
    } else {
        error
    }
}
