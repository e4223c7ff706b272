//! `rivulet schema register`.

use std::path::{Path, PathBuf};

use base::ErrorKind;
use clap::Args;
use project::rest::Rest;
use schema::SchemaType;
use serde_json::{Value as Json, json};

use super::path_of;
use crate::args::Output;
use crate::error::CliError;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The subject's name
    subject: String,
    /// The file with the schema: `.avsc`, `.json` or `.proto`
    file: PathBuf,
    /// The language, where the file's name does not tell
    #[arg(long, value_parser = word, value_name = "avro|json|protobuf")]
    r#type: Option<SchemaType>,
    /// What the text refers to, by the name it uses; may be repeated
    #[arg(short, long = "reference", value_name = "NAME=SUBJECT:VERSION", value_parser = reference)]
    references: Vec<Json>,
    /// Let the registry write the schema in its normal form
    #[arg(long)]
    normalize: bool,
}

pub(crate) async fn run(registry: &Rest, register: &RegisterArgs, asked: Option<Output>) -> Result<(), CliError> {
    let text = read(&register.file)?;
    let schema_type = match register.r#type.or_else(|| language_of(&register.file)) {
        Some(schema_type) => schema_type,
        None => {
            let message = format!("`{}` does not end in .avsc, .json or .proto", register.file.display());
            return Err(CliError::new(ErrorKind::Invalid, message).hint("say which it is with `--type`"));
        }
    };
    let body = json!({"schemaType": schema_type.word(), "schema": text, "references": register.references});
    let path = format!(
        "{}/versions?normalize={}",
        path_of(&register.subject),
        register.normalize
    );
    let answer = registry.post(&path, &body).await.map_err(|error| {
        let conflict = error.kind == ErrorKind::Conflict;
        let error = CliError::from(error);
        if conflict {
            error.hint(format!("`rivulet schema compat {}` shows the rule", register.subject))
        } else {
            error
        }
    })?;
    let found = registry.post(&path_of(&register.subject), &body).await?;
    let version = found.get("version").unwrap_or(&Json::Null);
    output::one(
        asked,
        &json!({"subject": register.subject, "version": version, "id": answer["id"]}),
    )
}

/// A file's text, or an error that names it.
pub(super) fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|error| {
        CliError::new(
            ErrorKind::NotFound,
            format!("`{}` cannot be read: {error}", file.display()),
        )
    })
}

/// The language that a file's name tells.
pub(super) fn language_of(file: &Path) -> Option<SchemaType> {
    match file.extension()?.to_str()? {
        "avsc" => Some(SchemaType::Avro),
        "json" => Some(SchemaType::Json),
        "proto" => Some(SchemaType::Protobuf),
        _ => None,
    }
}

/// What a file of the language is called at its end.
pub(super) fn extension_of(schema_type: SchemaType) -> &'static str {
    match schema_type {
        SchemaType::Avro => "avsc",
        SchemaType::Json => "json",
        SchemaType::Protobuf => "proto",
    }
}

pub(super) fn word(text: &str) -> Result<SchemaType, String> {
    SchemaType::from_word(&text.to_uppercase()).ok_or_else(|| "it is none of avro, json, protobuf".to_owned())
}

fn reference(text: &str) -> Result<Json, String> {
    let parts = text
        .split_once('=')
        .and_then(|(name, target)| Some((name, target.rsplit_once(':')?)));
    let Some((name, (subject, version))) = parts else {
        return Err("expected NAME=SUBJECT:VERSION".to_owned());
    };
    let version = match version {
        "latest" => -1,
        number => number.parse::<i32>().map_err(|_| format!("`{number}` is no version"))?,
    };
    Ok(json!({"name": name, "subject": subject, "version": version}))
}
