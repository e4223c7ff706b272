//! `rivulet topic show`: a line a partition, and the settings.

use client::kafka::Admin;
use serde_json::{Map, Value as Json, json};

use crate::args::Output;
use crate::error::CliError;
use crate::output::{self, form};
use crate::topic::existing;

pub(crate) async fn run(admin: &Admin, name: &str, asked: Option<Output>) -> Result<(), CliError> {
    let topic = existing(admin, name)?;
    let mut partitions = Vec::new();
    for partition in 0..topic.partitions {
        let bounds = admin.bounds(name, partition)?;
        let records = bounds.end - bounds.start;
        partitions.push(json!({"partition": partition, "start": bounds.start, "end": bounds.end, "records": records}));
    }
    let settings = admin.settings(name).await?;
    if form(asked) == Output::Json {
        let settings: Map<String, Json> = settings
            .into_iter()
            .map(|(name, (value, own))| (name, json!({"value": value, "set": own})))
            .collect();
        let whole = json!({"topic": name, "partitions": partitions, "settings": settings});
        return output::line(&whole.to_string());
    }
    output::line(&format!("topic {name}"))?;
    output::list(asked, &["partition", "start", "end", "records"], &partitions)?;
    output::line("")?;
    let row = |(name, (value, own)): (String, (String, bool))| json!({"setting": name, "value": value, "from": if own { "topic" } else { "default" }});
    output::list(
        asked,
        &["setting", "value", "from"],
        &settings.into_iter().map(row).collect::<Vec<_>>(),
    )
}
