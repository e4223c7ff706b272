//! Statements' names: which may be, and which a script's statements get.

use std::collections::HashSet;

use base::ErrorKind;
use sql::{Bound, Sink};

use crate::error::FlowError;
use crate::statement::NAME_LENGTH_MAX;

/// At most 100 characters of lower-case letters, digits and `-`, in parts joined by dots.
pub(crate) fn check_name(name: &str) -> Result<(), FlowError> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if name.len() <= NAME_LENGTH_MAX && name.split('.').all(part) {
        return Ok(());
    }
    let message = format!(
        "`{name}` is not a statement's name: at most {NAME_LENGTH_MAX} lower-case letters, digits and hyphens, beginning and ending with a letter or digit; hint: `{}`",
        slug(name)
    );
    Err(FlowError::new(ErrorKind::Invalid, message))
}

/// The nearest text that may be a statement's name.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        };
        if c != '-' || !(out.is_empty() || out.ends_with('-')) {
            out.push(c);
        }
    }
    out.truncate(NAME_LENGTH_MAX - 4);
    let trimmed = out.trim_matches('-');
    if trimmed.is_empty() {
        "statement".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// A script's statement is named after what it writes, so that it keeps its name when the script is applied again.
pub(crate) fn script_name(prefix: &str, bound: &Bound, used: &mut HashSet<String>) -> String {
    let sink = bound.plan().and_then(|plan| {
        plan.sinks.iter().find_map(|sink| match sink {
            Sink::Table { table, .. } => Some(table.name.clone()),
            Sink::Result { .. } => None,
        })
    });
    let what = match (bound, sink) {
        (Bound::StatementSet(_), Some(sink)) => format!("set-{sink}"),
        (Bound::CreateTable { table, .. }, None) => format!("create-{}", table.name),
        (Bound::CreateView { view, .. }, _) => format!("create-{}", view.name),
        (_, Some(sink)) => sink,
        (other, None) => other.kind().to_owned(),
    };
    let base = slug(&format!("{prefix}-{what}"));
    let mut name = base.clone();
    let mut number = 1;
    while !used.insert(name.clone()) {
        number += 1;
        name = format!("{base}-{number}");
    }
    name
}

pub(crate) fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
