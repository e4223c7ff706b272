//! `rivulet group show`: a line a partition, with the lag.

use base::ErrorKind;
use client::kafka::{Admin, Group, GroupOffset, Member};
use serde_json::json;

use crate::args::Output;
use crate::error::CliError;
use crate::output::{self, form};

pub(crate) fn run(admin: &Admin, name: &str, asked: Option<Output>) -> Result<(), CliError> {
    let offsets = admin.group_offsets(name)?;
    let group = admin
        .groups(Some(name))?
        .into_iter()
        .find(|group| group.state != "Dead");
    if group.is_none() && offsets.is_empty() {
        let message = format!("there is no group `{name}`");
        return Err(CliError::new(ErrorKind::NotFound, message).hint("see `rivulet group list`"));
    }
    let row = |offset: &GroupOffset| {
        json!({
            "topic": offset.topic, "partition": offset.partition, "committed": offset.committed,
            "end": offset.end, "lag": (offset.end - offset.committed).max(0),
        })
    };
    let rows: Vec<_> = offsets.iter().map(row).collect();
    let lag: i64 = offsets
        .iter()
        .map(|offset| (offset.end - offset.committed).max(0))
        .sum();
    let member = |member: &Member| json!({"id": member.id, "client_id": member.client_id, "host": member.host});
    let (state, members) = match &group {
        Some(Group { state, members, .. }) => (state.as_str(), members.iter().map(member).collect::<Vec<_>>()),
        None => ("Empty", Vec::new()),
    };
    if form(asked) == Output::Json {
        let whole = json!({"group": name, "state": state, "members": members, "lag": lag, "offsets": rows});
        return output::line(&whole.to_string());
    }
    output::line(&format!(
        "group {name}  state {state}  members {}  lag {lag}",
        members.len()
    ))?;
    output::list(asked, &["topic", "partition", "committed", "end", "lag"], &rows)
}
