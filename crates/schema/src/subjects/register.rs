//! Registering a schema: it is known, or it may follow what is there and gets an id and a version, or it is refused.

use std::sync::Arc;

use uuid::Uuid;

use super::lookup::{Candidate, Lookup};
use super::record::{Change, VersionRecord};
use super::state::{Stored, Version, Versions};
use super::tags::TagEdit;
use super::{Config, Metadata, Name, Outcome, Reference, RuleSet, Subjects};
use crate::error::quoted;
use crate::{RegistryError, SchemaType, guid};

/// A schema somebody wants registered, looked up or checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The version to become; 0 for the next one, -1 for the next one with its number put into the metadata.
    pub version: i32,
    /// The id to have, in a mode that allows it; negative for none.
    pub id: i32,
    /// As the client wrote it, such as `AVRO`.
    pub schema_type: String,
    /// Empty stands for the text of the latest version.
    pub text: String,
    pub references: Vec<Reference>,
    pub metadata: Option<Metadata>,
    pub rule_set: Option<RuleSet>,
    pub tags: TagEdit,
    /// Whether tags within the text of the latest version are put into this one.
    pub propagate_tags: bool,
}

impl Default for Registration {
    fn default() -> Registration {
        Registration {
            version: 0,
            id: -1,
            schema_type: SchemaType::Avro.word().to_owned(),
            text: String::new(),
            references: Vec::new(),
            metadata: None,
            rule_set: None,
            tags: TagEdit::default(),
            propagate_tags: false,
        }
    }
}

impl Registration {
    /// With what the request leaves out: metadata and rules of the version before, those of the configuration under and
    /// over them, and the new version's number where metadata name one.
    pub(super) fn filled(&self, config: &Config, previous: Option<&Stored>, new_version: Option<i32>) -> Registration {
        let own = self.metadata.as_ref();
        let own = own.or_else(|| previous.and_then(|stored| stored.metadata.as_ref()));
        let merged = Metadata::merged(config.default_metadata.as_ref(), own);
        let mut metadata = Metadata::merged(merged.as_ref(), config.override_metadata.as_ref());
        let own = self.rule_set.as_ref();
        let own = own.or_else(|| previous.and_then(|stored| stored.rule_set.as_ref()));
        let merged = RuleSet::merged(config.default_rule_set.as_ref(), own);
        let rule_set = RuleSet::merged(merged.as_ref(), config.override_rule_set.as_ref());
        if let Some(version) = new_version {
            let names_version = metadata.as_ref().is_some_and(|m| m.confluent_version().is_some());
            if self.version != 0 || names_version {
                metadata = Some(Metadata::with_confluent_version(metadata, version));
            }
        }
        Registration {
            metadata,
            rule_set,
            ..self.clone()
        }
    }

    /// What a client is told of a schema that cannot be read.
    pub(super) fn invalid(&self, subject: &Name, schema_type: SchemaType, error: RegistryError) -> RegistryError {
        let word = schema_type.word();
        let prefix = format!("Invalid schema of type {word}, details: ");
        let why = error.message.strip_prefix(&prefix).unwrap_or(&error.message);
        if schema_type != SchemaType::Avro {
            return RegistryError::invalid(format!("{prefix}{prefix}{why}"));
        }
        let references: Vec<String> = self.references.iter().map(Reference::shown).collect();
        let references = references.join(", ");
        let references = quoted(&references);
        let id = if self.id >= 0 { "0" } else { "null" };
        let guid = guid::of(
            &self.text,
            &self.references,
            self.metadata.as_ref(),
            self.rule_set.as_ref(),
        );
        let text = quoted(&self.text);
        RegistryError::invalid(format!(
            "{prefix}Invalid schema {{subject={subject},version=null,id={id},guid={guid},schemaType={word},\
             references=[{references}],metadata={},ruleSet={},schema={text},schemaTags=null,ts=null,deleted=null}} \
             with refs [{references}] of type {word}, details: {why}",
            company(self.metadata.is_some()),
            company(self.rule_set.is_some()),
        ))
    }
}

/// Metadata and rules are not repeated in messages.
fn company(is_given: bool) -> &'static str {
    if is_given { "..." } else { "null" }
}

impl Subjects {
    /// Registers a schema under a subject, or finds it there.
    pub fn register(
        &self,
        subject: &str,
        request: &Registration,
        normalize: bool,
        force: bool,
    ) -> Result<Outcome<Lookup>, RegistryError> {
        if let Some(rules) = &request.rule_set {
            rules.check().map_err(|why| RegistryError::invalid_rule_set(&why))?;
        }
        if !Name::is_valid(subject, false) {
            return Err(RegistryError::invalid_subject(subject));
        }
        let subject = Name::parse(subject);
        let config = self.config_in_scope(&subject);
        let normalize = normalize || config.normalize == Some(true);
        if let Some(found) = self.registered(&subject, request, &config, normalize)? {
            return Ok(Outcome::known(found));
        }
        let request = self.with_tags(&subject, request)?;
        self.register_as(&subject, request, normalize, force)
    }

    /// Finds a request's schema as it stands, before anything is filled in.
    fn registered(
        &self,
        subject: &Name,
        request: &Registration,
        config: &Config,
        normalize: bool,
    ) -> Result<Option<Lookup>, RegistryError> {
        if !request.tags.is_empty() || request.propagate_tags || config.has_defaults_or_overrides() {
            return Ok(None);
        }
        let Some(candidate) = self.canonical(subject, request, config, false, normalize)? else {
            return Ok(None);
        };
        let is_latest = request.version == -1;
        let Some(found) = self.find(subject, &candidate, false, is_latest)? else {
            return Ok(None);
        };
        if request.version == 0 || is_latest {
            return Ok((request.id < 0 || request.id == found.schema.id).then_some(found));
        }
        if found.schema.id != request.id {
            return Ok(None);
        }
        if found.version == request.version {
            return Ok(Some(found));
        }
        let older = self.version_entry(subject, request.version);
        let is_same = |version: &&Version| !version.deleted && version.schema.guid == found.schema.guid;
        Ok(older.filter(is_same).map(|version| Lookup::of(subject, version)))
    }

    fn check_mode(&self, subject: &Name, request: &Registration) -> Result<(), RegistryError> {
        let mode = self.mode_in_scope(subject);
        let context = subject.qualified_context();
        if mode.is_read_only() {
            return Err(RegistryError::read_only(subject));
        }
        let (fits, wanted) = if request.id >= 0 {
            (mode.is_import(), "import")
        } else {
            (mode == super::Mode::ReadWrite, "read-write")
        };
        if fits {
            return Ok(());
        }
        let message = format!("Subject {subject} in context {context} is not in {wanted} mode");
        Err(RegistryError::not_permitted(message))
    }

    /// Registers a schema whose tags are in its text and that was not found as it stands.
    pub(super) fn register_as(
        &self,
        subject: &Name,
        mut request: Registration,
        normalize: bool,
        force: bool,
    ) -> Result<Outcome<Lookup>, RegistryError> {
        self.check_mode(subject, &request)?;
        let config = &self.config_in_scope(subject);
        let empty = Arc::default();
        let versions: &Versions = self.subjects.get(subject).unwrap_or(&empty);
        let highest = versions.0.last().map_or(0, |version| version.number);
        let next = highest
            .checked_add(1)
            .ok_or_else(|| RegistryError::not_permitted(format!("Subject {subject} has no version number left")))?;
        let is_import = self.mode_in_scope(subject).is_import();
        let live: Vec<&Version> = versions.live().collect();
        if !is_import {
            request = self.populated(subject, request, config, live.last().copied(), next)?;
        }
        let is_new = request.id < 0 && config.validates_new_schemas();
        let candidate = self.canonical(subject, &request, config, is_new, normalize)?;
        let candidate = candidate.ok_or_else(|| RegistryError::invalid("Empty schema"))?;
        self.check_targets(subject, &candidate.references)?;
        let mut id = (request.id >= 0).then_some(request.id);
        let known = self.known(subject, candidate.guid);
        if let Some((known, number)) = known.filter(|(known, _)| id.is_none_or(|id| id == *known)) {
            let version = number.and_then(|number| versions.get(number));
            if let Some(version) = version.filter(|version| request.version == 0 && !version.deleted) {
                return Ok(Outcome::known(Lookup {
                    kept: None,
                    ..Lookup::of(subject, version)
                }));
            }
            id = Some(known);
        }
        if request.version == 0 {
            let like = self.find(subject, &candidate, false, false)?;
            if let Some(found) = like.filter(|found| id.is_none_or(|id| id == found.schema.id)) {
                // The answer repeats what was asked for, which may be spelled out more than what is stored.
                let schema = Arc::new(candidate.stored(found.schema.id));
                let known = Lookup {
                    schema,
                    kept: None,
                    ..found
                };
                return Ok(Outcome::known(known));
            }
        }
        if !is_import && !force {
            let messages = self.check(subject, config, &candidate, &live)?;
            if !messages.is_empty() {
                return Err(RegistryError::incompatible(&subject.to_string(), &messages));
            }
        }
        let version = if request.version <= 0 { next } else { request.version };
        if version != next && !is_import {
            return Err(RegistryError::invalid("Version is not one more than previous version"));
        }
        let id = match id {
            Some(id) => id,
            None => self.next_id(subject)?,
        };
        let schema = self.stored_as(subject, id, candidate)?;
        Ok(self.written(subject, version, schema, versions))
    }

    /// A request with what it leaves out taken from the latest version and the configuration.
    fn populated(
        &self,
        subject: &Name,
        mut request: Registration,
        config: &Config,
        latest: Option<&Version>,
        next: i32,
    ) -> Result<Registration, RegistryError> {
        if request.text.trim().is_empty() {
            let latest = latest.ok_or_else(|| RegistryError::invalid("Empty schema"))?;
            request.text.clone_from(&latest.schema.text);
            request.schema_type = latest.schema.schema_type.word().to_owned();
            request.references.clone_from(&latest.schema.references);
        }
        if let Some(latest) = latest.filter(|_| request.propagate_tags) {
            request = self.with_tags_of(subject, request, &latest.schema)?;
        }
        Ok(request.filled(config, latest.map(|version| &*version.schema), Some(next)))
    }

    /// A subject that belongs to a topic alone is nothing to refer to.
    fn check_targets(&self, subject: &Name, references: &[Reference]) -> Result<(), RegistryError> {
        for reference in references {
            if self.associations.has_strong(&subject.relative(&reference.subject)) {
                return Err(RegistryError::not_permitted(format!(
                    "Subject '{}' has a strong association and cannot be referenced",
                    reference.subject
                )));
            }
        }
        Ok(())
    }

    fn next_id(&self, subject: &Name) -> Result<i32, RegistryError> {
        let used = self.context(&subject.context).map_or(0, |context| context.id_max);
        let context = subject.qualified_context();
        used.checked_add(1)
            .ok_or_else(|| RegistryError::not_permitted(format!("no id is left in context {context}")))
    }

    /// The content to store under an id, which must not be that of another content.
    fn stored_as(&self, subject: &Name, id: i32, candidate: Candidate) -> Result<Arc<Stored>, RegistryError> {
        let schema = candidate.stored(id);
        let entry = self.context(&subject.context).and_then(|context| context.ids.get(&id));
        let Some(entry) = entry else {
            return Ok(Arc::new(schema));
        };
        let known = &entry.schema;
        let is_same = Stored {
            guid: known.guid,
            guid_is_given: known.guid_is_given,
            ..schema
        } == **known;
        if !is_same {
            let context = subject.qualified_context();
            let message = format!("Overwrite new schema with id {id} in context {context} is not permitted.");
            return Err(RegistryError::not_permitted(message));
        }
        Ok(Arc::clone(known))
    }

    fn written(&self, subject: &Name, version: i32, schema: Arc<Stored>, versions: &Versions) -> Outcome<Lookup> {
        let mut changes = Vec::new();
        if !subject.is_in_default() && !self.listed.contains(&subject.context) {
            changes.push(Change::Context {
                context: subject.context.to_string(),
                listed: true,
            });
        }
        // Soft-deleted versions of the same id before this one go, unless somebody still refers to them.
        let forgotten = versions.0.iter().filter(|old| {
            old.deleted
                && old.schema.id == schema.id
                && old.number < version
                && self.referrers(subject, old.number, true).is_empty()
        });
        changes.extend(forgotten.map(|old| Change::DropVersion {
            subject: subject.clone(),
            version: old.number,
        }));
        changes.push(Change::Version(Box::new(VersionRecord::of(
            subject, version, &schema, false,
        ))));
        let answer = Lookup {
            subject: subject.clone(),
            version,
            schema,
            kept: None,
        };
        Outcome { answer, changes }
    }
}

impl Candidate {
    /// The content as it is stored under an id.
    fn stored(self, id: i32) -> Stored {
        Stored {
            id,
            schema_type: self.schema_type,
            text: self.parsed.canonical.clone(),
            references: self.references,
            metadata: self.metadata,
            rule_set: self.rule_set,
            guid: self.guid,
            guid_is_given: false,
        }
    }
}

impl VersionRecord {
    pub(super) fn of(subject: &Name, version: i32, schema: &Stored, deleted: bool) -> VersionRecord {
        VersionRecord {
            subject: subject.clone(),
            version,
            id: schema.id,
            md5: schema.guid_is_given.then_some::<Uuid>(schema.guid),
            schema_type: schema.schema_type,
            references: schema.references.clone(),
            metadata: schema.metadata.clone(),
            rule_set: schema.rule_set.clone(),
            schema: schema.text.clone(),
            deleted,
        }
    }
}
