//! `rivulet schema show`.

use clap::Args;
use project::rest::Rest;
use serde_json::Value as Json;

use super::{hinted, named, path_of};
use crate::args::Output;
use crate::error::CliError;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The subject's name, and which version if it is not the latest: `orders-value@2`
    #[arg(required_unless_present = "id", value_name = "SUBJECT[@VERSION]")]
    subject: Option<String>,
    /// The schema with this id, whatever its subjects
    #[arg(long, conflicts_with = "subject")]
    id: Option<i32>,
    /// The schema's text alone
    #[arg(short, long)]
    text: bool,
}

pub(crate) async fn run(registry: &Rest, show: &ShowArgs, asked: Option<Output>) -> Result<(), CliError> {
    let path = match (&show.subject, show.id) {
        (Some(subject), _) => {
            let (subject, version) = named(subject);
            format!("{}/versions/{}", path_of(subject), version.unwrap_or("latest"))
        }
        (None, id) => format!("/schemas/ids/{}", id.unwrap_or_default()),
    };
    let mut found = registry.get(&path).await.map_err(hinted)?;
    let text = pretty(found.get("schema").and_then(Json::as_str).unwrap_or_default());
    if show.text {
        return output::line(&text);
    }
    if output::form(asked) == Output::Table {
        if let Some(object) = found.as_object_mut() {
            object.remove("schema");
        }
        output::one(asked, &found)?;
        return output::line(&format!("\n{text}"));
    }
    output::one(asked, &found)
}

/// JSON with line breaks; other languages have theirs.
fn pretty(text: &str) -> String {
    let json: Option<Json> = serde_json::from_str(text).ok();
    let pretty = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    pretty.unwrap_or_else(|| text.trim_end().to_owned())
}
