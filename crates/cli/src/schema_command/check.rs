//! `rivulet schema check`: a folder against a registry, or against another folder.

use std::path::PathBuf;

use base::ErrorKind;
use clap::Args;
use project::rest::Rest;
use schema::Parsed;
use schema::difference::{Difference, Policy, Reader};
use schema::subjects::Level;
use serde_json::{Value as Json, json};

use super::folder::{self, File};
use super::{path_of, setting_path};
use crate::args::Output;
use crate::error::CliError;
use crate::output;
use crate::registered::{language, referred};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The folder with the new schemas, or one file; a file's subject is its path without the ending
    new: PathBuf,
    /// The folder with the old schemas, in place of the registry
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// What new schemas must keep, in place of what the registry says (BACKWARD between folders)
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Option<Level>,
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_word(text).map_err(|error| error.message)
}

/// An earlier schema of a subject.
pub(super) struct Earlier {
    /// What to call it: `version 3`, or the other folder's file.
    pub name: String,
    pub parsed: Parsed,
}

/// What a subject's earlier schemas are, and how they bind the next one.
struct Rule {
    level: Level,
    policy: Policy,
    /// Newest first.
    earlier: Vec<Earlier>,
}

pub(crate) async fn run(registry: &Rest, check: &CheckArgs, asked: Option<Output>) -> Result<(), CliError> {
    let files = folder::load(&check.new)?;
    let old = match &check.against {
        Some(folder) => Some(folder::load(folder)?),
        None => None,
    };
    let mut verdicts = Vec::with_capacity(files.len());
    for file in &files {
        let rule = match &old {
            Some(old) => from_folder(old, file)?,
            None => from_registry(registry, file).await?,
        };
        verdicts.push(verdict(file, &files, rule, check.level));
    }
    show(&verdicts, asked)?;
    let broken = verdicts.iter().filter(|one| !is_fine(one)).count();
    match broken {
        0 => Ok(()),
        _ => {
            let message = format!("{broken} of {} schemas may not follow what is there", verdicts.len());
            Err(CliError::new(ErrorKind::Invalid, message))
        }
    }
}

fn from_folder(old: &[File], file: &File) -> Result<Option<Rule>, CliError> {
    let Some(earlier) = old.iter().find(|one| one.subject == file.subject) else {
        return Ok(None);
    };
    Ok(Some(Rule {
        level: Level::default(),
        policy: Policy::default(),
        earlier: vec![Earlier {
            name: earlier.path.display().to_string(),
            parsed: folder::parse(earlier, old)?,
        }],
    }))
}

async fn from_registry(registry: &Rest, file: &File) -> Result<Option<Rule>, CliError> {
    let versions = match registry.get(&format!("{}/versions", path_of(&file.subject))).await {
        Ok(versions) => versions,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let path = format!("{}?defaultToGlobal=true", setting_path("config", Some(&file.subject)));
    let config = registry.get(&path).await?;
    let text = |key: &str| config.get(key).and_then(Json::as_str).unwrap_or_default();
    let level = Level::from_word(text("compatibilityLevel")).unwrap_or_default();
    let policy = match text("compatibilityPolicy") {
        "LENIENT" => Policy::Lenient,
        "LOGICAL" => Policy::Logical,
        _ => Policy::Strict,
    };
    let mut earlier = Vec::new();
    for version in versions.as_array().into_iter().flatten().rev() {
        earlier.push(fetch(registry, &file.subject, &version.to_string()).await?);
        if !level.is_transitive() {
            break;
        }
    }
    Ok(Some(Rule { level, policy, earlier }))
}

/// A version of a subject with everything it refers to.
pub(super) async fn fetch(registry: &Rest, subject: &str, version: &str) -> Result<Earlier, CliError> {
    let found = registry
        .get(&format!("{}/versions/{version}", path_of(subject)))
        .await?;
    let texts = referred(registry, &found).await?;
    let text = found["schema"].as_str().unwrap_or_default();
    let parsed = Parsed::parse(language(&found), text, &texts, false).map_err(|error| {
        CliError::new(
            ErrorKind::Data,
            format!("`{subject}` version {version}: {}", error.message),
        )
    })?;
    Ok(Earlier {
        name: format!("version {}", found["version"]),
        parsed,
    })
}

fn verdict(file: &File, all: &[File], rule: Option<Rule>, level: Option<Level>) -> Json {
    let new = match folder::parse(file, all) {
        Ok(new) => new,
        Err(error) => return row(file, "invalid", None, None, &[json!({"message": error.message})]),
    };
    let Some(rule) = rule else {
        return row(file, "new", None, None, &[]);
    };
    let level = level.unwrap_or(rule.level);
    let compared = if level.is_transitive() { rule.earlier.len() } else { 1 };
    for earlier in rule.earlier.iter().take(compared) {
        let problems = problems(&new, &earlier.parsed, level, rule.policy);
        if !problems.is_empty() {
            return row(file, "breaks", Some(level), Some(&earlier.name), &problems);
        }
    }
    let last = rule.earlier.first().map(|earlier| earlier.name.as_str());
    row(file, "fits", Some(level), last, &[])
}

/// Why a schema may not follow another at a level.
fn problems(new: &Parsed, old: &Parsed, level: Level, policy: Policy) -> Vec<Json> {
    if level == Level::None {
        return Vec::new();
    }
    if new.schema_type() != old.schema_type() {
        let (new, old) = (new.schema_type().word(), old.schema_type().word());
        return vec![json!({"message": "the language has changed", "old": old, "new": new})];
    }
    let mut problems = Vec::new();
    if level.new_reads_old() {
        problems.extend(unreadable(new, old, Reader::New, policy));
    }
    if level.old_reads_new() {
        problems.extend(unreadable(new, old, Reader::Old, policy));
    }
    problems
}

/// Why one of two schemas cannot read what the other wrote.
pub(super) fn unreadable(new: &Parsed, old: &Parsed, is: Reader, policy: Policy) -> Vec<Json> {
    let (reader, writer) = match is {
        Reader::New => (new, old),
        Reader::Old => (old, new),
    };
    let found = reader.compare(writer, is, policy);
    let problem = |found: &Difference| {
        let (new, old) = match is {
            Reader::New => (&found.reader, &found.writer),
            Reader::Old => (&found.writer, &found.reader),
        };
        json!({"rule": found.rule, "path": found.path, "message": found.description, "old": old, "new": new})
    };
    found.iter().map(problem).collect()
}

fn row(file: &File, verdict: &str, level: Option<Level>, against: Option<&str>, problems: &[Json]) -> Json {
    json!({
        "verdict": verdict,
        "file": file.path.display().to_string(),
        "subject": file.subject,
        "level": level.map(Level::word),
        "against": against,
        "problems": problems,
    })
}

fn is_fine(verdict: &Json) -> bool {
    verdict["problems"].as_array().is_none_or(Vec::is_empty)
}

fn show(verdicts: &[Json], asked: Option<Output>) -> Result<(), CliError> {
    if output::form(asked) == Output::Json {
        return output::line(&Json::from(verdicts.to_vec()).to_string());
    }
    output::list(asked, &["verdict", "file", "subject", "level", "against"], verdicts)?;
    for verdict in verdicts.iter().filter(|one| !is_fine(one)) {
        output::line(&format!("\n{}:", verdict["file"].as_str().unwrap_or_default()))?;
        for problem in verdict["problems"].as_array().into_iter().flatten() {
            output::line(&format!("  {}", in_words(problem)))?;
        }
    }
    Ok(())
}

/// A problem in one line: rule, place, sentence, old and new.
pub(super) fn in_words(problem: &Json) -> String {
    let text = |key: &str| problem.get(key).and_then(Json::as_str);
    let mut line = String::new();
    if let (Some(rule), Some(path)) = (text("rule"), text("path")) {
        line = format!("{rule} at {path}: ");
    }
    line += text("message").unwrap_or_default();
    if let (Some(old), Some(new)) = (text("old"), text("new")) {
        line += &format!(" (old: {old}, new: {new})");
    }
    line
}
