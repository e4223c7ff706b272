//! Whether a schema may follow the versions before it, and if not, why: the messages clients show to people.

use std::sync::Arc;

use super::level::Level;
use super::lookup::Candidate;
use super::state::Version;
use super::{Config, Metadata, Name, Registration, Subjects, Wanted};
use crate::difference::{Difference, Policy, Reader};
use crate::{Parsed, RegistryError, SchemaType, logical};

/// A message repeats at most this many characters of an earlier schema.
const QUOTED_CHARS_MAX: usize = 10 * 1024;

impl Subjects {
    /// Compares a schema with what a subject holds; the messages say why it does not fit. An unknown subject fits.
    pub fn compatibility(
        &self,
        subject: &Name,
        request: &Registration,
        against: Option<Wanted>,
        normalize: bool,
    ) -> Result<Vec<String>, RegistryError> {
        let empty = Arc::default();
        let versions = self.subjects.get(subject).unwrap_or(&empty);
        let previous: Vec<&Version> = match against {
            None => versions.live().collect(),
            Some(Wanted::Latest) => versions.latest().into_iter().collect(),
            Some(Wanted::Number(number)) => {
                let found = versions.get(number).filter(|version| !version.deleted);
                vec![found.ok_or_else(|| RegistryError::version_not_found(number))?]
            }
        };
        let config = self.config_in_scope(subject);
        let normalize = normalize || config.normalize == Some(true);
        let request = self.with_tags(subject, request)?;
        let candidate = self.canonical(subject, &request, &config, config.validates_new_schemas(), normalize)?;
        let candidate = candidate.ok_or_else(|| RegistryError::invalid("Empty schema"))?;
        self.check(subject, &config, &candidate, &previous)
    }

    /// Compares a schema with earlier versions, given from the oldest on.
    pub(super) fn check(
        &self,
        subject: &Name,
        config: &Config,
        candidate: &Candidate,
        previous: &[&Version],
    ) -> Result<Vec<String>, RegistryError> {
        let mut messages = Vec::new();
        if config.validates_fields() {
            messages.extend(reserved_fields(candidate, previous.last().copied()));
        }
        let group_of = |metadata: Option<&Metadata>| {
            let group = config.compatibility_group.as_ref()?;
            metadata?.properties.get(group).cloned()
        };
        let group = group_of(candidate.metadata.as_ref());
        let (level, policy) = (config.level(), config.policy());
        let of_group = |version: &&&Version| group_of(version.schema.metadata.as_ref()) == group;
        let mut compared: Vec<&Version> = previous.iter().filter(of_group).copied().collect();
        let count = match level {
            Level::None => 0,
            level if level.is_transitive() => compared.len(),
            _ => compared.len().min(1),
        };
        compared.drain(..compared.len() - count);
        for old in compared.iter().rev() {
            let found = if old.schema.schema_type == candidate.schema_type {
                let parsed = self.parse_stored(subject, &old.schema)?;
                differences(level, policy, &candidate.parsed, &parsed, old)
            } else {
                vec!["Incompatible because of different schema type".to_owned()]
            };
            if !found.is_empty() {
                messages.extend(found);
                break;
            }
        }
        if policy == Policy::Logical {
            messages.extend(self.logical(subject, level, candidate, &compared)?);
        }
        if !messages.is_empty() {
            messages.push(format!(
                "{{validateFields: '{}', compatibility: '{}'}}",
                config.validates_fields(),
                level.word()
            ));
        }
        Ok(messages)
    }

    /// What the policy of logical types adds: whether the schema has a place in tables at all, and whether tables can
    /// follow it from each of the earlier versions, given from the oldest on.
    fn logical(
        &self,
        subject: &Name,
        level: Level,
        candidate: &Candidate,
        compared: &[&Version],
    ) -> Result<Vec<String>, RegistryError> {
        let new = &candidate.parsed;
        let properties = candidate.metadata.as_ref().map(|metadata| &metadata.properties);
        let mut messages = new.logical_problems(properties);
        if messages
            .iter()
            .any(|message| message.starts_with(logical::UNREPRESENTABLE))
        {
            return Ok(messages);
        }
        let same_type = |version: &&&Version| version.schema.schema_type == candidate.schema_type;
        for version in compared.iter().filter(same_type) {
            let old = self.parse_stored(subject, &version.schema)?;
            let before = version.schema.metadata.as_ref().map(|metadata| &metadata.properties);
            if level.new_reads_old() {
                messages.extend(new.logical_changes(properties, (&old, before), Reader::New));
            }
            if level.old_reads_new() {
                messages.extend(old.logical_changes(before, (new, properties), Reader::Old));
            }
        }
        Ok(messages)
    }
}

/// What keeps two schemas of one language apart at a level.
fn differences(level: Level, policy: Policy, new: &Parsed, old: &Parsed, version: &Version) -> Vec<String> {
    // Logical types are compared on their own.
    let policy = match policy {
        Policy::Logical => Policy::Strict,
        other => other,
    };
    let mut messages = Vec::new();
    if level.old_reads_new() {
        messages.extend(shown(&old.compare(new, Reader::Old, policy), new.schema_type()));
    }
    // Where both directions count, only the second one's messages are followed by the old schema.
    let mut has_last = !messages.is_empty();
    if level.new_reads_old() {
        let found = shown(&new.compare(old, Reader::New, policy), new.schema_type());
        has_last = !found.is_empty();
        messages.extend(found);
    }
    if has_last {
        messages.push(format!("{{oldSchemaVersion: {}}}", version.number));
        let text = &version.schema.text;
        let cut = text.char_indices().nth(QUOTED_CHARS_MAX);
        messages.push(match cut {
            None => format!("{{oldSchema: '{text}'}}"),
            Some((at, _)) => format!("{{oldSchema: <truncated> '{}...'}}", &text[..at]),
        });
    }
    messages
}

/// Differences as a registry's messages.
fn shown(found: &[Difference], schema_type: SchemaType) -> Vec<String> {
    found.iter().map(|found| message(schema_type, found)).collect()
}

fn message(schema_type: SchemaType, found: &Difference) -> String {
    let Difference { rule, description, .. } = found;
    match schema_type {
        SchemaType::Avro => {
            let additional = found.additional.as_deref().unwrap_or_default();
            format!("{{errorType:'{rule}', description:'{description}', additionalInfo:'{additional}'}}")
        }
        // The quotes do not pair there either.
        SchemaType::Json => format!("{{errorType:\"{rule}\", description:\"{description}'}}"),
        SchemaType::Protobuf => format!("{{errorType:\"{rule}\", description:\"{description}\"}}"),
    }
}

/// Fields that metadata reserve may neither be used nor given up.
fn reserved_fields(candidate: &Candidate, last: Option<&Version>) -> Vec<String> {
    fn reserved(metadata: Option<&Metadata>) -> std::collections::BTreeSet<&str> {
        metadata.map(Metadata::reserved_fields).unwrap_or_default()
    }
    let now = reserved(candidate.metadata.as_ref());
    let before = reserved(last.and_then(|version| version.schema.metadata.as_ref()));
    let removed = before.difference(&now).map(|field| {
        format!(
            "The new schema has reserved field {field} removed from its metadata which is present in the old schema's metadata."
        )
    });
    let mut messages: Vec<String> = removed.collect();
    let fields = if now.is_empty() {
        Vec::new()
    } else {
        candidate.parsed.field_names()
    };
    let used = now.iter().filter(|field| fields.iter().any(|name| name == *field));
    messages
        .extend(used.map(|field| format!("The new schema has field that conflicts with the reserved field {field}.")));
    messages
}
