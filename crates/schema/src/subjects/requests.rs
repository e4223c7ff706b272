//! Bodies of requests, as JSON brings them.

use serde::Deserialize;

use super::tags::{SchemaTags, TagEdit};
use super::{Lookup, Metadata, Name, Outcome, Reference, Registration, RuleSet, Subjects, Wanted, lenient};
use crate::{RegistryError, SchemaType};

/// A reference of which anything may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct LooseReference {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    subject: Option<String>,
    #[serde(deserialize_with = "lenient::number")]
    version: Option<i32>,
}

/// The body of a registration, a lookup or a compatibility check.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SchemaRequest {
    #[serde(deserialize_with = "lenient::number")]
    version: Option<i32>,
    #[serde(deserialize_with = "lenient::number")]
    id: Option<i32>,
    #[serde(deserialize_with = "lenient::text")]
    schema_type: Option<String>,
    references: Option<Vec<LooseReference>>,
    #[serde(deserialize_with = "lenient::object")]
    metadata: Option<Metadata>,
    #[serde(deserialize_with = "lenient::object")]
    rule_set: Option<RuleSet>,
    #[serde(deserialize_with = "lenient::text")]
    schema: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    schema_tags_to_add: Vec<SchemaTags>,
    #[serde(deserialize_with = "lenient::or_default")]
    schema_tags_to_remove: Vec<SchemaTags>,
    #[serde(deserialize_with = "lenient::flag")]
    propagate_schema_tags: Option<bool>,
}

impl SchemaRequest {
    /// The subjects that the references name.
    pub(super) fn referred_subjects(&self) -> impl Iterator<Item = &str> {
        let references = self.references.iter().flatten();
        references.filter_map(|reference| reference.subject.as_deref())
    }

    /// The request with everything in its place; a reference that lacks something is refused.
    pub fn registration(self) -> Result<Registration, RegistryError> {
        let schema_type = self.schema_type.unwrap_or_else(|| SchemaType::Avro.word().to_owned());
        let mut references = Vec::new();
        for loose in self.references.unwrap_or_default() {
            let LooseReference {
                name: Some(name),
                subject: Some(subject),
                version: Some(version),
            } = loose
            else {
                let text = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
                let version = loose.version.map_or_else(|| "null".to_owned(), |n| n.to_string());
                let (name, subject) = (text(loose.name), text(loose.subject));
                return Err(RegistryError::invalid(format!(
                    "Invalid schema of type {schema_type}, details: Invalid reference: \
                     {{name='{name}', subject='{subject}', version={version}}}"
                )));
            };
            references.push(Reference { name, subject, version });
        }
        Ok(Registration {
            version: self.version.unwrap_or(0),
            id: self.id.unwrap_or(-1),
            schema_type,
            text: self.schema.unwrap_or_default(),
            references,
            metadata: self.metadata,
            rule_set: self.rule_set,
            tags: TagEdit {
                add: self.schema_tags_to_add,
                remove: self.schema_tags_to_remove,
            },
            propagate_tags: self.propagate_schema_tags == Some(true),
        })
    }
}

/// The body of a change of tags.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TagRequest {
    #[serde(deserialize_with = "lenient::number")]
    new_version: Option<i32>,
    #[serde(deserialize_with = "lenient::or_default")]
    tags_to_add: Vec<SchemaTags>,
    #[serde(deserialize_with = "lenient::or_default")]
    tags_to_remove: Vec<SchemaTags>,
    #[serde(deserialize_with = "lenient::object")]
    metadata: Option<Metadata>,
    #[serde(deserialize_with = "lenient::object")]
    rule_set: Option<RuleSet>,
    #[serde(deserialize_with = "lenient::object")]
    rules_to_merge: Option<RuleSet>,
    rules_to_remove: Option<Vec<String>>,
}

/// The body of a change of mode: absent, null to take it back, or a word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModeRequest {
    #[serde(deserialize_with = "lenient::given_text")]
    pub mode: Option<Option<String>>,
}

impl Subjects {
    /// Registers a version with other tags, metadata and rules under its subject.
    pub fn modify_tags(
        &self,
        subject: &str,
        wanted: Wanted,
        request: &TagRequest,
    ) -> Result<Outcome<Lookup>, RegistryError> {
        if !Name::is_valid(subject, false) {
            return Err(RegistryError::invalid_subject(subject));
        }
        let name = Name::parse(subject);
        let found = self.version(&name, wanted, false)?;
        let changes_rules = request.rules_to_merge.is_some() || request.rules_to_remove.is_some();
        if changes_rules && request.rule_set.is_some() {
            let why = "ruleSet should be omitted if specifying rulesToMerge or rulesToRemove";
            return Err(RegistryError::invalid_rule_set(why));
        }
        for rules in [&request.rules_to_merge, &request.rule_set].into_iter().flatten() {
            rules.check().map_err(|why| RegistryError::invalid_rule_set(&why))?;
        }
        let rule_set = if changes_rules {
            let before = match request.new_version {
                Some(version) => Wanted::Number(version.saturating_sub(1)),
                None => Wanted::Latest,
            };
            let before = self.version_here(&name, before, false);
            let before = before.as_ref().and_then(|found| found.schema.rule_set.as_ref());
            let merged = RuleSet::merged(before, request.rules_to_merge.as_ref());
            let removed = request.rules_to_remove.as_deref().unwrap_or_default();
            merged.map(|rules| rules.without(removed))
        } else {
            request.rule_set.clone()
        };
        let version = request.new_version.unwrap_or(0);
        let metadata = request.metadata.clone().or_else(|| found.schema.metadata.clone());
        let edit = TagEdit {
            add: request.tags_to_add.clone(),
            remove: request.tags_to_remove.clone(),
        };
        let parsed = self.parse_stored(&found.subject, &found.schema)?;
        let registration = Registration {
            version,
            schema_type: found.schema.schema_type.word().to_owned(),
            text: edit.applied(&parsed)?,
            references: found.schema.references.clone(),
            metadata: Some(Metadata::with_confluent_version(metadata, version)),
            rule_set,
            ..Registration::default()
        };
        self.register_as(&name, registration, false, false)
    }
}
