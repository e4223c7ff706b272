//! `rivulet topic list`.

use client::kafka::Admin;
use serde_json::json;

use crate::args::Output;
use crate::error::CliError;
use crate::output;

pub(crate) fn run(admin: &Admin, asked: Option<Output>) -> Result<(), CliError> {
    let mut rows = Vec::new();
    for topic in admin.topics()? {
        let mut records = 0;
        for partition in 0..topic.partitions {
            let bounds = admin.bounds(&topic.name, partition)?;
            records += bounds.end - bounds.start;
        }
        rows.push(json!({"topic": topic.name, "partitions": topic.partitions, "records": records}));
    }
    output::list(asked, &["topic", "partitions", "records"], &rows)
}
