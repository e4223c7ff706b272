//! `rivulet schema export`: every schema as a file, and an index with what files cannot say.

use std::path::{Path, PathBuf};

use base::ErrorKind;
use clap::Args;
use project::rest::{Rest, encode};
use serde_json::{Map, Value as Json, json};

use super::folder::INDEX;
use super::list::schemas;
use super::register::extension_of;
use super::setting_path;
use crate::error::CliError;
use crate::registered::language;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The folder to write; it must be new or empty
    folder: PathBuf,
    /// Only subjects that begin so; `:.name:` is a context, `:*:` all of them
    #[arg(long, default_value = ":*:", hide_default_value = true)]
    prefix: String,
    /// Soft-deleted ones too
    #[arg(long)]
    deleted: bool,
}

pub(crate) async fn run(registry: &Rest, export: &ExportArgs) -> Result<(), CliError> {
    if std::fs::read_dir(&export.folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("`{}` is not empty", export.folder.display());
        return Err(CliError::new(ErrorKind::Conflict, message).hint("name a new folder"));
    }
    let found = schemas(registry, &export.prefix, export.deleted, false).await?;
    let mut rows = Vec::with_capacity(found.len());
    let mut subjects = Map::new();
    for schema in found {
        let subject = schema["subject"].as_str().unwrap_or_default().to_owned();
        let file =
            Path::new(&encode(&subject)).join(format!("v{}.{}", schema["version"], extension_of(language(&schema))));
        let path = export.folder.join(&file);
        std::fs::create_dir_all(path.parent().unwrap_or(&export.folder))?;
        std::fs::write(&path, schema["schema"].as_str().unwrap_or_default())?;
        rows.push(row(schema, &file));
        if !subjects.contains_key(&subject) {
            let settings = settings(registry, Some(&subject)).await?;
            subjects.insert(subject, settings);
        }
    }
    let index = json!({"all": settings(registry, None).await?, "subjects": subjects, "schemas": rows});
    let text = serde_json::to_string_pretty(&index).map_err(|error| CliError::internal(error.to_string()))?;
    std::fs::create_dir_all(&export.folder)?;
    std::fs::write(export.folder.join(INDEX), text + "\n")?;
    eprintln!(
        "{} schemas of {} subjects in `{}`",
        rows.len(),
        subjects.len(),
        export.folder.display()
    );
    Ok(())
}

/// A schema as the index keeps it: the file in place of the text.
fn row(mut schema: Json, file: &Path) -> Json {
    if let Some(object) = schema.as_object_mut() {
        object.remove("schema");
        object.insert("file".to_owned(), Json::from(file.to_string_lossy().into_owned()));
    }
    schema
}

/// The config and mode of a subject (those it sets itself) or of all.
async fn settings(registry: &Rest, subject: Option<&str>) -> Result<Json, CliError> {
    let mut settings = Map::new();
    for setting in ["config", "mode"] {
        match registry.get(&setting_path(setting, subject)).await {
            Ok(value) => settings.insert(setting.to_owned(), value),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(settings.into())
}
