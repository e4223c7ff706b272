//! `rivulet schema list`.

use clap::Args;
use project::rest::{Rest, encode};
use serde_json::{Value as Json, json};

use crate::args::Output;
use crate::error::CliError;
use crate::output;

/// The registry gives at most so many schemas at once.
const PAGE: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only subjects that begin so; `:.name:` is a context, `:*:` all of them
    #[arg(long, default_value = ":*:", hide_default_value = true)]
    prefix: String,
    /// Soft-deleted ones too
    #[arg(long)]
    deleted: bool,
    /// Every version, not only the latest
    #[arg(long)]
    all_versions: bool,
}

pub(crate) async fn run(registry: &Rest, list: &ListArgs, asked: Option<Output>) -> Result<(), CliError> {
    let found = schemas(registry, &list.prefix, list.deleted, !list.all_versions).await?;
    let row = |one: &Json| {
        json!({
            "subject": one["subject"],
            "version": one["version"],
            "id": one["id"],
            "type": one.get("schemaType").and_then(Json::as_str).unwrap_or("AVRO"),
            "references": one.get("references").and_then(Json::as_array).map_or(0, Vec::len),
        })
    };
    let columns = ["subject", "version", "id", "type", "references"];
    output::list(asked, &columns, &found.iter().map(row).collect::<Vec<_>>())
}

/// All schemas of subjects with a prefix, page by page.
pub(super) async fn schemas(
    registry: &Rest,
    prefix: &str,
    deleted: bool,
    latest_only: bool,
) -> Result<Vec<Json>, CliError> {
    let mut all = Vec::new();
    loop {
        let path = format!(
            "/schemas?subjectPrefix={}&deleted={deleted}&latestOnly={latest_only}&offset={}&limit={PAGE}",
            encode(prefix),
            all.len()
        );
        let page = registry.get(&path).await?;
        let page = page.as_array().cloned().unwrap_or_default();
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}
