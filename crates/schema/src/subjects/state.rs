//! The registry's state: what the records read so far amount to.
//!
//! A state is cheap to clone, so that readers hold one while the next is made.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

use super::associations::Associations;
use super::parses::Parses;
use super::record::{Change, VersionRecord};
use super::{Config, Metadata, Mode, Name, Reference, RuleSet};
use crate::{SchemaType, guid};

/// A schema's content under its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub id: i32,
    pub schema_type: SchemaType,
    pub text: String,
    pub references: Vec<Reference>,
    pub metadata: Option<Metadata>,
    pub rule_set: Option<RuleSet>,
    pub guid: Uuid,
    /// Whether `guid` was read rather than computed; it is written again then.
    pub(super) guid_is_given: bool,
}

/// One version of a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub number: i32,
    pub deleted: bool,
    /// When the record that says this was written, in milliseconds since 1970.
    pub written_ms: i64,
    pub schema: Arc<Stored>,
}

/// A subject's versions, rising.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Versions(pub(super) Vec<Version>);

impl Versions {
    pub(super) fn get(&self, number: i32) -> Option<&Version> {
        let at = self.0.binary_search_by_key(&number, |version| version.number).ok()?;
        self.0.get(at)
    }

    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = &Version> {
        self.0.iter().filter(|version| !version.deleted)
    }

    pub(super) fn latest(&self) -> Option<&Version> {
        self.live().next_back()
    }
}

/// An id in a context: its content, and the last version of each subject that uses it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) schema: Arc<Stored>,
    /// Sorted by subject.
    pub(super) uses: Arc<Vec<(Arc<str>, i32)>>,
}

/// What one context knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Context {
    pub(super) ids: OrdMap<i32, Entry>,
    pub(super) guids: OrdMap<Uuid, i32>,
    /// The highest id ever seen: ids are not given twice.
    pub(super) id_max: i32,
}

/// A version that others refer to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) subject: Name,
    pub(super) version: i32,
}

/// An id in its context, as what refers to something is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContextId {
    pub context: Arc<str>,
    pub id: i32,
}

/// Everything a registry knows.
#[derive(Clone, Debug, Default)]
pub struct Subjects {
    pub(super) subjects: OrdMap<Name, Arc<Versions>>,
    pub(super) contexts: OrdMap<Arc<str>, Context>,
    /// Contexts that have a record of their own, which is what listings go by.
    pub(super) listed: OrdSet<Arc<str>>,
    pub(super) referrers: OrdMap<Target, Arc<Vec<ContextId>>>,
    pub(super) configs: OrdMap<Name, Arc<Config>>,
    pub(super) modes: OrdMap<Name, Mode>,
    pub(super) associations: Associations,
    /// Parsed schemas, shared by all clones; what is in it can be made again at any time.
    pub(super) parses: Parses,
}

/// Two states are equal if they would give the same answers.
impl PartialEq for Subjects {
    fn eq(&self, other: &Subjects) -> bool {
        self.subjects == other.subjects
            && self.contexts == other.contexts
            && self.listed == other.listed
            && self.referrers == other.referrers
            && self.configs == other.configs
            && self.modes == other.modes
            && self.associations == other.associations
    }
}

impl Subjects {
    /// Takes in one record, in the topic's order; `written_ms` is the record's timestamp.
    pub fn apply(&mut self, change: Change, written_ms: i64) {
        match change {
            Change::Version(record) => self.put_version(*record, written_ms),
            Change::DropVersion { subject, version } => self.drop_version(&subject, version),
            Change::DeleteSubject { subject, version } => {
                if let Some(versions) = self.subjects.get_mut(&subject) {
                    let versions = &mut Arc::make_mut(versions).0;
                    for entry in versions.iter_mut().filter(|entry| entry.number <= version) {
                        entry.deleted = true;
                    }
                }
            }
            Change::ClearSubject { subject } => {
                let covered = self
                    .covered(&subject)
                    .map(|(name, versions)| (name.clone(), Arc::clone(versions)));
                for (name, versions) in covered.collect::<Vec<_>>() {
                    for version in versions.0.iter().filter(|version| version.deleted) {
                        self.drop_version(&name, version.number);
                    }
                }
            }
            Change::Config { subject, config } => match config {
                Some(config) => {
                    self.configs.insert(subject, Arc::new(*config));
                }
                None => {
                    self.configs.remove(&subject);
                }
            },
            Change::Mode { subject, mode } => match mode {
                Some(mode) => {
                    self.modes.insert(subject, mode);
                }
                None => {
                    self.modes.remove(&subject);
                }
            },
            Change::Context { context, listed } => {
                if listed {
                    self.listed.insert(context.into());
                } else {
                    self.listed.remove(context.as_str());
                }
            }
            Change::Association { key, association } => match association {
                Some(association) => self.associations.put(key, *association, written_ms),
                None => self.associations.remove(&key),
            },
            Change::Noop | Change::Unknown { .. } => {}
        }
    }

    fn put_version(&mut self, record: VersionRecord, written_ms: i64) {
        let VersionRecord {
            subject,
            version: number,
            id,
            md5,
            schema_type,
            references,
            metadata,
            rule_set,
            schema,
            deleted,
        } = record;
        let guid = md5.unwrap_or_else(|| guid::of(&schema, &references, metadata.as_ref(), rule_set.as_ref()));
        let stored = Stored {
            id,
            schema_type,
            text: schema,
            references,
            metadata,
            rule_set,
            guid,
            guid_is_given: md5.is_some(),
        };
        // A version written over another one is rare: an import that corrects itself.
        if self
            .version_entry(&subject, number)
            .is_some_and(|old| old.schema.id != id)
        {
            self.drop_version(&subject, number);
        }
        let context = match self.contexts.get_mut(&subject.context) {
            Some(context) => context,
            None => self.contexts.entry(Arc::clone(&subject.context)).or_default(),
        };
        context.id_max = context.id_max.max(id);
        context.guids.insert(guid, id);
        let schema = match context.ids.get_mut(&id) {
            Some(entry) => {
                let schema = if *entry.schema == stored {
                    Arc::clone(&entry.schema)
                } else {
                    Arc::new(stored)
                };
                let uses = Arc::make_mut(&mut entry.uses);
                match uses.binary_search_by(|(name, _)| (**name).cmp(&subject.subject)) {
                    Ok(at) => uses[at].1 = number,
                    Err(at) => uses.insert(at, (Arc::clone(&subject.subject), number)),
                }
                schema
            }
            None => {
                let schema = Arc::new(stored);
                let entry = Entry {
                    schema: Arc::clone(&schema),
                    uses: Arc::new(vec![(Arc::clone(&subject.subject), number)]),
                };
                context.ids.insert(id, entry);
                schema
            }
        };
        for reference in &schema.references {
            let target = Target {
                subject: subject.relative(&reference.subject),
                version: reference.version,
            };
            let referrer = ContextId {
                context: Arc::clone(&subject.context),
                id,
            };
            let referrers = Arc::make_mut(self.referrers.entry(target).or_default());
            if let Err(at) = referrers.binary_search(&referrer) {
                referrers.insert(at, referrer);
            }
        }
        let version = Version {
            number,
            deleted,
            written_ms,
            schema,
        };
        let versions = Arc::make_mut(self.subjects.entry(subject).or_default());
        match versions.0.binary_search_by_key(&number, |version| version.number) {
            Ok(at) => versions.0[at] = version,
            Err(at) => versions.0.insert(at, version),
        }
    }

    fn drop_version(&mut self, subject: &Name, number: i32) {
        let Some(versions) = self.subjects.get_mut(subject) else {
            return;
        };
        let Ok(at) = versions.0.binary_search_by_key(&number, |version| version.number) else {
            return;
        };
        let dropped = Arc::make_mut(versions).0.remove(at).schema;
        let same_id = versions.0.iter().rev().find(|version| version.schema.id == dropped.id);
        let other_version = same_id.map(|version| version.number);
        if versions.0.is_empty() {
            self.subjects.remove(subject);
        }
        let Some(context) = self.contexts.get_mut(&subject.context) else {
            return;
        };
        let Some(entry) = context.ids.get_mut(&dropped.id) else {
            return;
        };
        let uses = Arc::make_mut(&mut entry.uses);
        if let Ok(at) = uses.binary_search_by(|(name, _)| (**name).cmp(&subject.subject)) {
            match other_version {
                Some(other) if uses[at].1 == number => uses[at].1 = other,
                Some(_) => {}
                None => {
                    uses.remove(at);
                }
            }
        }
        if !uses.is_empty() {
            return;
        }
        context.ids.remove(&dropped.id);
        if context.guids.get(&dropped.guid) == Some(&dropped.id) {
            context.guids.remove(&dropped.guid);
        }
        let referrer = ContextId {
            context: Arc::clone(&subject.context),
            id: dropped.id,
        };
        for reference in &dropped.references {
            let target = Target {
                subject: subject.relative(&reference.subject),
                version: reference.version,
            };
            if let Some(referrers) = self.referrers.get_mut(&target) {
                Arc::make_mut(referrers).retain(|one| *one != referrer);
                if referrers.is_empty() {
                    self.referrers.remove(&target);
                }
            }
        }
    }

    pub(super) fn version_entry(&self, subject: &Name, number: i32) -> Option<&Version> {
        self.subjects.get(subject)?.get(number)
    }

    /// Subjects that are this name, or in this context.
    pub(super) fn covered<'a>(
        &'a self,
        name: &'a Name,
    ) -> Box<dyn Iterator<Item = (&'a Name, &'a Arc<Versions>)> + 'a> {
        if name.is_top() || name.is_global() {
            Box::new(self.subjects.iter())
        } else if name.is_context() {
            let from = self.subjects.range(name.clone()..);
            Box::new(from.take_while(|(other, _)| other.context == name.context))
        } else {
            Box::new(self.subjects.get_key_value(name).into_iter())
        }
    }

    /// Whether a subject, or any of a context, has a version that is not deleted (or any, with `deleted`).
    pub fn has_subjects(&self, name: &Name, deleted: bool) -> bool {
        self.covered(name)
            .any(|(_, versions)| deleted || versions.latest().is_some())
    }

    pub(super) fn context(&self, context: &str) -> Option<&Context> {
        self.contexts.get(context)
    }

    /// Names of contexts, the default one first.
    pub fn context_names(&self) -> Vec<&str> {
        let listed = self.listed.iter().map(|context| &**context);
        std::iter::once(super::name::DEFAULT_CONTEXT).chain(listed).collect()
    }

    /// The highest id given so far in a context; 1 if none was.
    pub fn id_max(&self, context: &str) -> i32 {
        self.context(context).map_or(1, |context| context.id_max.max(1))
    }
}
