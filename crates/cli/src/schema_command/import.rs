//! `rivulet schema import`: registers what `export` wrote, or any folder with schema files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::ErrorKind;
use clap::Args;
use project::rest::Rest;
use serde_json::{Map, Value as Json, json};

use super::folder::{self, INDEX};
use super::register::read;
use super::{path_of, setting_path};
use crate::args::Output;
use crate::error::CliError;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A folder that `rivulet schema export` wrote, or any with .avsc, .json and .proto files
    folder: PathBuf,
    /// Keep the ids and versions of the export; its subjects must be new here
    #[arg(long)]
    keep_ids: bool,
}

pub(crate) async fn run(registry: &Rest, import: &ImportArgs, asked: Option<Output>) -> Result<(), CliError> {
    let index = import.folder.join(INDEX);
    let rows = if index.is_file() {
        let index = serde_json::from_str(&read(&index)?).map_err(|error| {
            CliError::new(
                ErrorKind::Invalid,
                format!("`{}` is not JSON: {error}", index.display()),
            )
        })?;
        exported(registry, import, &index).await?
    } else if import.keep_ids {
        let message = format!("`{}` has no `{INDEX}` that says ids", import.folder.display());
        return Err(CliError::new(ErrorKind::Invalid, message).hint("`rivulet schema export` writes one"));
    } else {
        plain(registry, &import.folder).await?
    };
    output::list(asked, &["subject", "version", "id", "file", "note"], &rows)
}

/// Registers a folder's files under their subjects, dependencies first.
async fn plain(registry: &Rest, folder: &Path) -> Result<Vec<Json>, CliError> {
    let files = folder::load(folder)?;
    let mut rows = Vec::with_capacity(files.len());
    let mut versions: BTreeMap<&str, Json> = BTreeMap::new();
    for file in &files {
        let reference = |one: &folder::Reference| {
            let version = versions.get(one.subject.as_str());
            json!({"name": one.name, "subject": one.subject, "version": version})
        };
        let references: Vec<Json> = file.references.iter().map(reference).collect();
        let body = json!({"schemaType": file.schema_type.word(), "schema": file.text, "references": references});
        let place = file.path.display().to_string();
        let registered = register(registry, &file.subject, &body, &place).await;
        let (id, version) = registered.map_err(|error| so_far(error, rows.len(), files.len()))?;
        let note = file
            .document
            .map(|(at, of)| format!("document {at} of {of} in its file"));
        rows.push(json!({"subject": file.subject, "version": version, "id": id, "file": place, "note": note}));
        versions.insert(&file.subject, version);
    }
    let split = files
        .iter()
        .filter(|file| file.document.is_some_and(|(at, _)| at == 1))
        .count();
    if split > 0 {
        eprintln!(
            "note: {split} files hold several schemas one after another, which no registry takes as one; each was \
             registered under the subject of its full name"
        );
    }
    Ok(rows)
}

/// Registers what an export's index lists, in the order of ids: what is referred to came first.
async fn exported(registry: &Rest, import: &ImportArgs, index: &Json) -> Result<Vec<Json>, CliError> {
    let mut schemas: Vec<&Json> = index["schemas"].as_array().into_iter().flatten().collect();
    schemas.sort_by_key(|one| (one["id"].as_i64(), one["version"].as_i64()));
    let empty = Map::new();
    let subjects = index["subjects"].as_object().unwrap_or(&empty);
    if import.keep_ids {
        for subject in subjects.keys() {
            registry
                .put(&setting_path("mode", Some(subject)), &json!({"mode": "IMPORT"}))
                .await?;
        }
    }
    let registered = register_all(registry, import, &schemas).await;
    // Whatever came of it, the subjects are not left open for writing any id.
    for (subject, settings) in subjects {
        if import.keep_ids {
            registry.delete(&setting_path("mode", Some(subject))).await?;
        }
        if registered.is_ok() {
            restore(registry, subject, settings).await?;
        }
    }
    registered
}

async fn register_all(registry: &Rest, import: &ImportArgs, schemas: &[&Json]) -> Result<Vec<Json>, CliError> {
    let mut rows = Vec::with_capacity(schemas.len());
    let mut deleted = Vec::new();
    for schema in schemas {
        let subject = schema["subject"].as_str().unwrap_or_default();
        let file = schema["file"].as_str().unwrap_or_default();
        let mut body: Map<String, Json> = Map::new();
        let kept: &[&str] = if import.keep_ids { &["id", "version"] } else { &[] };
        for key in ["schemaType", "references", "metadata", "ruleSet"].iter().chain(kept) {
            if let Some(value) = schema.get(*key) {
                body.insert((*key).to_owned(), value.clone());
            }
        }
        body.insert("schema".to_owned(), read(&import.folder.join(file))?.into());
        let registered = register(registry, subject, &body.into(), file).await;
        let (id, version) = registered.map_err(|error| so_far(error, rows.len(), schemas.len()))?;
        if schema["deleted"] == json!(true) {
            deleted.push(format!("{}/versions/{version}", path_of(subject)));
        }
        rows.push(json!({"subject": subject, "version": version, "id": id, "file": file, "note": null}));
    }
    for path in deleted.iter().rev() {
        registry.delete(path).await?;
    }
    Ok(rows)
}

/// Sets a subject's own config and mode as they were exported.
async fn restore(registry: &Rest, subject: &str, settings: &Json) -> Result<(), CliError> {
    if let Some(config) = settings.get("config").and_then(Json::as_object) {
        let mut config = config.clone();
        if let Some(level) = config.remove("compatibilityLevel") {
            config.insert("compatibility".to_owned(), level);
        }
        registry
            .put(&setting_path("config", Some(subject)), &config.into())
            .await?;
    }
    if let Some(mode) = settings.get("mode") {
        registry.put(&setting_path("mode", Some(subject)), mode).await?;
    }
    Ok(())
}

/// An error in the middle says what is done already.
fn so_far(error: CliError, done: usize, all: usize) -> CliError {
    error.hint(format!(
        "{done} of {all} are registered; importing again goes on from there"
    ))
}

/// Registers one schema; gives its id and version.
async fn register(registry: &Rest, subject: &str, body: &Json, file: &str) -> Result<(Json, Json), CliError> {
    let named = |error: client::TopicsError| {
        let error = CliError::from(error);
        CliError {
            message: format!("`{file}` for `{subject}`: {}", error.message),
            ..error
        }
    };
    let answer = registry
        .post(&format!("{}/versions", path_of(subject)), body)
        .await
        .map_err(named)?;
    // Older registries say the id only.
    let version = match answer.get("version") {
        Some(version) => version.clone(),
        None => registry.post(&path_of(subject), body).await.map_err(named)?["version"].clone(),
    };
    Ok((answer["id"].clone(), version))
}
