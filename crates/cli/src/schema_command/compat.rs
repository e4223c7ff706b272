//! `rivulet schema compat`.

use base::ErrorKind;
use clap::Args;
use project::rest::Rest;
use serde_json::{Value as Json, json};

use super::{hinted, setting_path};
use crate::args::Output;
use crate::error::CliError;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct CompatArgs {
    /// The subject's name; without one, what holds for all
    subject: Option<String>,
    /// NONE, or BACKWARD, FORWARD, FULL, each also with _TRANSITIVE
    #[arg(long, value_name = "LEVEL")]
    set: Option<String>,
    /// Take the subject's own level back
    #[arg(long, conflicts_with = "set")]
    unset: bool,
}

pub(crate) async fn run(registry: &Rest, compat: &CompatArgs, asked: Option<Output>) -> Result<(), CliError> {
    let subject = compat.subject.as_deref();
    let path = setting_path("config", subject);
    if let Some(level) = &compat.set {
        registry
            .put(&path, &json!({"compatibility": level.to_uppercase()}))
            .await?;
    } else if compat.unset {
        registry.delete(&path).await.map_err(hinted)?;
    }
    let level = level_of(registry, subject).await?;
    let own = match (subject, registry.get(&path).await) {
        (None, _) | (_, Ok(_)) => true,
        (_, Err(error)) if error.kind == ErrorKind::NotFound => false,
        (_, Err(error)) => return Err(error.into()),
    };
    output::one(
        asked,
        &json!({"subject": subject, "compatibility": level, "set_by": if own && subject.is_some() { "subject" } else { "all" }}),
    )
}

/// The level that holds for a subject.
pub(super) async fn level_of(registry: &Rest, subject: Option<&str>) -> Result<String, CliError> {
    let path = format!("{}?defaultToGlobal=true", setting_path("config", subject));
    let answer = registry.get(&path).await?;
    let level = answer.get("compatibilityLevel").and_then(Json::as_str);
    level.map(str::to_owned).ok_or_else(|| {
        let message = format!("the registry gave no compatibility level: {answer}");
        CliError::new(ErrorKind::Internal, message)
    })
}
