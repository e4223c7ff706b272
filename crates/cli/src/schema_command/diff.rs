//! `rivulet schema diff`: what changed, in words.

use std::path::Path;

use base::ErrorKind;
use clap::Args;
use project::rest::Rest;
use schema::Parsed;
use schema::difference::{Policy, Reader};
use schema::explain::{self, Change};
use serde_json::{Value as Json, json};

use super::check::{fetch, in_words, unreadable};
use super::{folder, named, path_of};
use crate::args::Output;
use crate::error::CliError;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The old schema: a file, or SUBJECT@VERSION; a SUBJECT alone compares its last two versions
    old: String,
    /// The new schema: a file, or SUBJECT[@VERSION]
    new: Option<String>,
}

pub(crate) async fn run(registry: &Rest, diff: &DiffArgs, asked: Option<Output>) -> Result<(), CliError> {
    let (old, new) = match &diff.new {
        Some(new) => (side(registry, &diff.old).await?, side(registry, new).await?),
        None => last_two(registry, &diff.old).await?,
    };
    if old.schema_type() != new.schema_type() {
        let (old, new) = (old.schema_type().word(), new.schema_type().word());
        let message = format!("these are of different languages: {old} and {new}");
        return Err(CliError::new(ErrorKind::Invalid, message));
    }
    let changes = explain::changes(&old, &new);
    let backward = unreadable(&new, &old, Reader::New, Policy::Strict);
    let forward = unreadable(&new, &old, Reader::Old, Policy::Strict);
    if output::form(asked) == Output::Json {
        let changes: Vec<Json> = changes.iter().map(row).collect();
        return output::line(&json!({"changes": changes, "backward": backward, "forward": forward}).to_string());
    }
    if changes.is_empty() {
        output::line("nothing that a reader or writer would notice")?;
    }
    for change in &changes {
        output::line(&sentence(change))?;
    }
    output::line("")?;
    can("the new schema reads what the old one wrote (BACKWARD)", &backward)?;
    can("the old schema reads what the new one writes (FORWARD)", &forward)
}

fn can(what: &str, problems: &[Json]) -> Result<(), CliError> {
    output::line(&format!("{what}: {}", if problems.is_empty() { "yes" } else { "no" }))?;
    for problem in problems {
        output::line(&format!("  {}", in_words(problem)))?;
    }
    Ok(())
}

fn row(change: &Change) -> Json {
    match change {
        Change::Added { part, new } => json!({"change": "added", "part": part, "new": new}),
        Change::Removed { part, old } => json!({"change": "removed", "part": part, "old": old}),
        Change::Changed { part, old, new } => json!({"change": "changed", "part": part, "old": old, "new": new}),
    }
}

fn sentence(change: &Change) -> String {
    let name = |part: &str| match part {
        "" => "the schema itself".to_owned(),
        part => format!("`{part}`"),
    };
    match change {
        Change::Added { part, new } => format!("added    {}: {new}", name(part)),
        Change::Removed { part, old } => format!("removed  {}: it was {old}", name(part)),
        Change::Changed { part, old, new } => format!("changed  {}: from {old} to {new}", name(part)),
    }
}

async fn side(registry: &Rest, text: &str) -> Result<Parsed, CliError> {
    let path = Path::new(text);
    if path.is_file() {
        let files = folder::load(path)?;
        return match files.last() {
            Some(file) => folder::parse(file, &files),
            None => Err(CliError::new(ErrorKind::Invalid, format!("`{text}` is no schema file"))),
        };
    }
    let (subject, version) = named(text);
    let found = fetch(registry, subject, version.unwrap_or("latest")).await;
    found.map(|found| found.parsed).map_err(|error| match error.kind {
        ErrorKind::NotFound => error.hint(format!(
            "`{text}` is neither a file nor SUBJECT@VERSION; see `rivulet schema list`"
        )),
        _ => error,
    })
}

async fn last_two(registry: &Rest, subject: &str) -> Result<(Parsed, Parsed), CliError> {
    let versions = registry
        .get(&format!("{}/versions", path_of(subject)))
        .await
        .map_err(super::hinted)?;
    let versions = versions.as_array().cloned().unwrap_or_default();
    let [.., old, new] = versions.as_slice() else {
        let message = format!("`{subject}` has one version: there is nothing to compare it with");
        return Err(CliError::new(ErrorKind::Invalid, message).hint("name two schemas: `rivulet schema diff OLD NEW`"));
    };
    let old = fetch(registry, subject, &old.to_string()).await?;
    let new = fetch(registry, subject, &new.to_string()).await?;
    Ok((old.parsed, new.parsed))
}
