//! `rivulet schema mode`.

use clap::Args;
use project::rest::Rest;
use serde_json::json;

use super::{hinted, setting_path};
use crate::args::Output;
use crate::error::CliError;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ModeArgs {
    /// The subject's name; without one, what holds for all
    subject: Option<String>,
    /// READWRITE, READONLY, IMPORT or FORWARD
    #[arg(long, value_name = "MODE")]
    set: Option<String>,
    /// Set IMPORT although there are schemas already
    #[arg(long, requires = "set")]
    force: bool,
    /// Take the subject's own mode back
    #[arg(long, conflicts_with = "set")]
    unset: bool,
}

pub(crate) async fn run(registry: &Rest, mode: &ModeArgs, asked: Option<Output>) -> Result<(), CliError> {
    let subject = mode.subject.as_deref();
    let path = setting_path("mode", subject);
    if let Some(set) = &mode.set {
        let body = json!({"mode": set.to_uppercase()});
        registry.put(&format!("{path}?force={}", mode.force), &body).await?;
    } else if mode.unset {
        registry.delete(&path).await.map_err(hinted)?;
    }
    let answer = registry.get(&format!("{path}?defaultToGlobal=true")).await?;
    output::one(asked, &json!({"subject": subject, "mode": answer["mode"]}))
}
