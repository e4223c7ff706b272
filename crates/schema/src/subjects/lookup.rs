//! Finding what is there: versions by number, schemas by content, by id, by GUID.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::register::Registration;
use super::state::{ContextId, Stored, Version};
use super::{Config, Metadata, Name, Reference, RuleSet, Subjects};
use crate::error::quoted;
use crate::{Parsed, RegistryError, SchemaType, guid};

/// Which version a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Latest,
    Number(i32),
}

impl Wanted {
    /// Reads `latest` in any case, -1, or a number from 1.
    pub fn from_path(text: &str) -> Result<Wanted, RegistryError> {
        let bare = text.trim();
        if bare.eq_ignore_ascii_case("latest") || bare == "-1" {
            return Ok(Wanted::Latest);
        }
        match bare.parse::<i32>() {
            Ok(number) if number > 0 => Ok(Wanted::Number(number)),
            Ok(number) => Err(RegistryError::invalid_version(&number.to_string())),
            Err(_) => Err(RegistryError::invalid_version(text)),
        }
    }

    /// The number in messages.
    pub fn shown(self) -> i32 {
        match self {
            Wanted::Latest => -1,
            Wanted::Number(number) => number,
        }
    }
}

/// What the store says of a version beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub written_ms: i64,
    pub deleted: bool,
}

/// A version of a subject as answers show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    pub subject: Name,
    pub version: i32,
    pub schema: Arc<Stored>,
    /// Absent where the answer repeats the request rather than the store.
    pub kept: Option<Kept>,
}

impl Lookup {
    pub(super) fn of(subject: &Name, version: &Version) -> Lookup {
        Lookup {
            subject: subject.clone(),
            version: version.number,
            schema: Arc::clone(&version.schema),
            kept: Some(Kept {
                written_ms: version.written_ms,
                deleted: version.deleted,
            }),
        }
    }
}

/// A request's schema, read.
pub(super) struct Candidate {
    pub(super) schema_type: SchemaType,
    pub(super) parsed: Arc<Parsed>,
    pub(super) references: Vec<Reference>,
    pub(super) metadata: Option<Metadata>,
    pub(super) rule_set: Option<RuleSet>,
    pub(super) guid: Uuid,
}

impl Candidate {
    /// Whether an earlier version is this schema, if need be with references spelled out here or without the version
    /// that metadata name.
    fn is_like(&self, state: &Subjects, subject: &Name, old: &Version) -> Result<bool, RegistryError> {
        let stored = &old.schema;
        if self.schema_type != stored.schema_type || !self.has_company_of(old) {
            return Ok(false);
        }
        if self.references == stored.references {
            return Ok(self.parsed.canonical == stored.text);
        }
        if !self.references.is_empty() || self.schema_type != SchemaType::Avro {
            return Ok(false);
        }
        let resolved = state.parse_stored(subject, stored)?.formatted("resolved");
        Ok(self.parsed.formatted("resolved") == resolved)
    }

    /// Whether metadata and rules are those of an earlier version, leaving out the version they name where only one
    /// side names one.
    fn has_company_of(&self, old: &Version) -> bool {
        let version_of = |metadata: &Option<Metadata>| metadata.as_ref().and_then(Metadata::confluent_version_number);
        let without = |metadata: &Option<Metadata>| {
            let metadata = metadata.as_ref();
            metadata.map(Metadata::without_confluent_version).unwrap_or_default()
        };
        let is_same = match (version_of(&self.metadata), version_of(&old.schema.metadata)) {
            (None, Some(_)) => without(&self.metadata) == without(&old.schema.metadata),
            (Some(own), None) => own == old.number && without(&self.metadata) == without(&old.schema.metadata),
            _ => self.metadata == old.schema.metadata,
        };
        is_same && self.rule_set == old.schema.rule_set
    }
}

impl Subjects {
    /// Reads a request's schema; none if it holds no text.
    pub(super) fn canonical(
        &self,
        subject: &Name,
        request: &Registration,
        config: &Config,
        is_new: bool,
        normalize: bool,
    ) -> Result<Option<Candidate>, RegistryError> {
        debug_assert!(
            config.compatibility_level.is_some(),
            "a configuration in scope has a level"
        );
        if request.text.trim().is_empty() {
            return Ok(None);
        }
        let schema_type = SchemaType::from_word(&request.schema_type)
            .ok_or_else(|| RegistryError::invalid(format!("Invalid schema type {}", quoted(&request.schema_type))))?;
        let normalize = normalize && !self.mode_in_scope(subject).is_import();
        let parsed = self
            .resolve(subject, &request.references, !is_new)
            .map_err(RegistryError::invalid)
            .and_then(|(references, texts)| {
                let parsed = self.parse_text(schema_type, &request.text, &texts, normalize)?;
                if is_new {
                    parsed.check_new()?;
                }
                Ok((references, parsed))
            });
        let (mut references, parsed) = parsed.map_err(|error| request.invalid(subject, schema_type, error))?;
        if normalize {
            references.sort_by(|a, b| (&a.subject, a.version).cmp(&(&b.subject, b.version)));
            references.dedup();
        }
        let guid = guid::of(
            &parsed.canonical,
            &references,
            request.metadata.as_ref(),
            request.rule_set.as_ref(),
        );
        Ok(Some(Candidate {
            schema_type,
            parsed,
            references,
            metadata: request.metadata.clone(),
            rule_set: request.rule_set.clone(),
            guid,
        }))
    }

    /// Finds a schema under a subject; with `latest_only` nothing but the latest version is looked at.
    pub(super) fn find(
        &self,
        subject: &Name,
        candidate: &Candidate,
        deleted: bool,
        latest_only: bool,
    ) -> Result<Option<Lookup>, RegistryError> {
        let Some(versions) = self.subjects.get(subject) else {
            return Ok(None);
        };
        if latest_only {
            let Some(latest) = versions.latest() else {
                return Ok(None);
            };
            let is_like = candidate.is_like(self, subject, latest)?;
            return Ok(is_like.then(|| Lookup::of(subject, latest)));
        }
        if let Some((_, number)) = self.known(subject, candidate.guid) {
            let version = number.and_then(|number| versions.get(number));
            if let Some(version) = version.filter(|version| deleted || !version.deleted) {
                return Ok(Some(Lookup {
                    kept: None,
                    ..Lookup::of(subject, version)
                }));
            }
        }
        for version in versions.0.iter().rev() {
            if (deleted || !version.deleted) && candidate.is_like(self, subject, version)? {
                return Ok(Some(Lookup::of(subject, version)));
            }
        }
        Ok(None)
    }

    /// The id of a content in a subject's context, and the last version of the subject that has it.
    pub(super) fn known(&self, subject: &Name, guid: Uuid) -> Option<(i32, Option<i32>)> {
        let context = self.context(&subject.context)?;
        let id = *context.guids.get(&guid)?;
        let uses = &context.ids.get(&id)?.uses;
        let at = uses.binary_search_by(|(name, _)| (**name).cmp(&subject.subject));
        Some((id, at.ok().map(|at| uses[at].1)))
    }

    /// Finds a schema under a subject; a subject of the default context is looked for in the others, too.
    pub fn look_up(
        &self,
        subject: &Name,
        request: &Registration,
        normalize: bool,
        deleted: bool,
    ) -> Result<Lookup, RegistryError> {
        let normalize = normalize || self.config_in_scope(subject).normalize == Some(true);
        if let Some(found) = self.look_up_here(subject, request, normalize, deleted)? {
            return Ok(found);
        }
        for other in self.elsewhere(subject) {
            // What the text refers to may be missing there: then it is not there either.
            if let Ok(Some(found)) = self.look_up_here(&other, request, normalize, deleted) {
                return Ok(found);
            }
        }
        Err(if self.has_subjects(subject, deleted) {
            RegistryError::schema_not_found()
        } else {
            RegistryError::subject_not_found(subject)
        })
    }

    fn look_up_here(
        &self,
        subject: &Name,
        request: &Registration,
        normalize: bool,
        deleted: bool,
    ) -> Result<Option<Lookup>, RegistryError> {
        let config = self.config_in_scope(subject);
        let Some(candidate) = self.canonical(subject, request, &config, false, normalize)? else {
            return Ok(None);
        };
        if let Some(found) = self.find(subject, &candidate, deleted, false)? {
            return Ok(Some(found));
        }
        // As registering does: what the request leaves out is that of the latest version.
        let Some(latest) = self.subjects.get(subject).and_then(|versions| versions.latest()) else {
            return Ok(None);
        };
        let filled = request.filled(&config, Some(&latest.schema), None);
        if filled.metadata == request.metadata && filled.rule_set == request.rule_set {
            return Ok(None);
        }
        match self.canonical(subject, &filled, &config, false, normalize)? {
            Some(candidate) => self.find(subject, &candidate, deleted, false),
            None => Ok(None),
        }
    }

    /// The same subject in the other contexts, if the name is bare.
    fn elsewhere<'a>(&'a self, subject: &'a Name) -> impl Iterator<Item = Name> + 'a {
        let others = self.listed.iter().filter(|_| subject.is_in_default());
        others.map(|context| subject.within(context))
    }

    /// A version of exactly this subject.
    pub fn version_here(&self, subject: &Name, wanted: Wanted, deleted: bool) -> Option<Lookup> {
        let versions = self.subjects.get(subject)?;
        let version = match wanted {
            Wanted::Latest => versions.latest(),
            Wanted::Number(number) => versions.get(number).filter(|version| deleted || !version.deleted),
        };
        version.map(|version| Lookup::of(subject, version))
    }

    /// A version of a subject; one of the default context is looked for in the others, too.
    pub fn version(&self, subject: &Name, wanted: Wanted, deleted: bool) -> Result<Lookup, RegistryError> {
        let here = self.version_here(subject, wanted, deleted);
        let mut elsewhere = self.elsewhere(subject);
        let found = here.or_else(|| elsewhere.find_map(|other| self.version_here(&other, wanted, deleted)));
        found.ok_or_else(|| {
            if self.has_subjects(subject, deleted) {
                RegistryError::version_not_found(wanted.shown())
            } else {
                RegistryError::subject_not_found(subject)
            }
        })
    }

    /// The newest version whose metadata hold all these properties.
    pub fn latest_with(
        &self,
        subject: &Name,
        properties: &BTreeMap<String, String>,
        deleted: bool,
    ) -> Result<Lookup, RegistryError> {
        let holds = |version: &&Version| {
            let metadata = version.schema.metadata.as_ref();
            metadata.is_some_and(|metadata| {
                let has = |(key, value): (&String, &String)| metadata.properties.get(key) == Some(value);
                properties.iter().all(has)
            })
        };
        let versions = self.subjects.get(subject).map(|versions| versions.0.as_slice());
        let shown = versions.into_iter().flatten().rev();
        let found = shown.filter(|version| deleted || !version.deleted).find(holds);
        match found {
            Some(version) => Ok(Lookup::of(subject, version)),
            None if self.has_subjects(subject, deleted) => Err(RegistryError::schema_not_found()),
            None => Err(RegistryError::subject_not_found(subject)),
        }
    }

    /// A schema by its id, as the version of `subject` that uses it, or of any in its context if it names only that. In
    /// the default context an id is looked for under that subject elsewhere, and then under any subject.
    pub fn schema(&self, id: i32, subject: &Name) -> Option<Lookup> {
        if subject.is_context() {
            return self.by_id(id, subject);
        }
        let mut elsewhere = self.elsewhere(subject);
        let found = self.by_id(id, subject);
        let found = found.or_else(|| elsewhere.find_map(|other| self.by_id(id, &other)));
        found.or_else(|| subject.is_in_default().then(|| self.by_id(id, &Name::top()))?)
    }

    fn by_id(&self, id: i32, subject: &Name) -> Option<Lookup> {
        let uses = &self.context(&subject.context)?.ids.get(&id)?.uses;
        let (name, number) = if subject.is_context() {
            let (first, number) = uses.first()?;
            let name = Name {
                context: Arc::clone(&subject.context),
                subject: Arc::clone(first),
            };
            (name, *number)
        } else {
            let at = uses.binary_search_by(|(name, _)| (**name).cmp(&subject.subject)).ok()?;
            (subject.clone(), uses[at].1)
        };
        Some(Lookup::of(&name, self.version_entry(&name, number)?))
    }

    /// Whether a version of a subject that is not deleted has an id.
    pub fn is_registered(&self, id: i32, subject: &Name) -> bool {
        let found = self.by_id(id, subject).filter(|_| !subject.is_context());
        found.is_some_and(|found| found.kept.is_some_and(|kept| !kept.deleted))
    }

    /// Subjects and versions that use what an id stands for, sorted by subject.
    pub fn uses(&self, id: i32, subject: &Name, deleted: bool) -> Option<Vec<(Name, i32)>> {
        let found = self.schema(id, subject)?;
        let context = self.context(&found.subject.context)?;
        let id = context.guids.get(&found.schema.guid)?;
        let uses = &context.ids.get(id)?.uses;
        let named = uses.iter().map(|(name, number)| {
            let name = Name {
                context: Arc::clone(&found.subject.context),
                subject: Arc::clone(name),
            };
            (name, *number)
        });
        let shown = |(name, number): &(Name, i32)| {
            let version = self.version_entry(name, *number);
            version.is_some_and(|version| deleted || !version.deleted)
        };
        Some(named.filter(shown).collect())
    }

    /// Contexts and ids of a content; the default context comes first.
    pub fn ids_of(&self, guid: Uuid) -> Vec<ContextId> {
        let known = |context: &Arc<str>| {
            let id = self.context(context)?.guids.get(&guid)?;
            self.context(context)?.ids.get(id).map(|_| ContextId {
                context: Arc::clone(context),
                id: *id,
            })
        };
        let default = Name::top().context;
        std::iter::once(&default)
            .chain(&self.listed)
            .filter_map(known)
            .collect()
    }

    /// A schema by its GUID.
    pub fn schema_by_guid(&self, guid: Uuid) -> Option<Lookup> {
        let found = self.ids_of(guid).into_iter().next()?;
        self.by_id(found.id, &Name::new(&found.context, ""))
    }

    /// Ids of what refers to a version, in their contexts.
    pub fn referrers(&self, subject: &Name, number: i32, deleted: bool) -> Vec<ContextId> {
        let target = super::state::Target {
            subject: subject.clone(),
            version: number,
        };
        let referrers = self
            .referrers
            .get(&target)
            .map(|found| found.as_slice())
            .unwrap_or_default();
        let is_live = |referrer: &&ContextId| {
            let context = Name::new(&referrer.context, "");
            deleted
                || self
                    .uses(referrer.id, &context, false)
                    .is_some_and(|uses| !uses.is_empty())
        };
        referrers.iter().filter(is_live).cloned().collect()
    }
}
