//! `rivulet schema delete`.

use clap::Args;
use project::rest::Rest;

use super::{hinted, named, path_of};
use crate::error::CliError;

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The subject's name, or one of its versions: `orders-value@2`
    #[arg(value_name = "SUBJECT[@VERSION]")]
    subject: String,
    /// For good. What is deleted without it can be registered again and its id still resolves
    #[arg(long)]
    permanent: bool,
}

pub(crate) async fn run(registry: &Rest, delete: &DeleteArgs) -> Result<(), CliError> {
    let (subject, version) = named(&delete.subject);
    let what = match version {
        Some(version) => format!("{}/versions/{version}", path_of(subject)),
        None => path_of(subject),
    };
    let answer = registry
        .delete(&format!("{what}?permanent={}", delete.permanent))
        .await
        .map_err(hinted)?;
    let how = if delete.permanent {
        "for good"
    } else {
        "softly: `--permanent` deletes for good"
    };
    let versions = answer.as_array().map_or_else(
        || answer.to_string(),
        |all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    );
    eprintln!("deleted version {versions} of `{subject}` {how}");
    Ok(())
}
