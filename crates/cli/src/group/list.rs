//! `rivulet group list`.

use client::kafka::Admin;
use serde_json::json;

use crate::args::Output;
use crate::error::CliError;
use crate::output;

pub(crate) fn run(admin: &Admin, asked: Option<Output>) -> Result<(), CliError> {
    let row = |group: &client::kafka::Group| json!({"group": group.name, "state": group.state, "assignor": group.protocol, "members": group.members.len()});
    let rows: Vec<_> = admin.groups(None)?.iter().map(row).collect();
    output::list(asked, &["group", "state", "assignor", "members"], &rows)
}
