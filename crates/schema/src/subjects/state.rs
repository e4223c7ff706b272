//! The registry's state: what the records read so far amount to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::Reference;
use super::level::Level;
use super::record::Change;
use crate::{SchemaType, guid};

/// A schema under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub id: i32,
    pub schema_type: SchemaType,
    pub text: String,
    pub references: Vec<Reference>,
    pub guid: Uuid,
}

/// One version of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub id: i32,
    pub deleted: bool,
}

/// Everything a registry knows.
#[derive(Clone, Debug, Default)]
pub struct Subjects {
    pub(super) subjects: BTreeMap<String, BTreeMap<i32, Version>>,
    pub(super) schemas: BTreeMap<i32, Arc<Stored>>,
    pub(super) ids: HashMap<Uuid, i32>,
    pub(super) levels: HashMap<String, Level>,
    pub(super) global_level: Option<Level>,
    /// The highest id ever seen: ids are not given twice.
    pub(super) id_max: i32,
}

impl Subjects {
    /// Takes in one record, in the topic's order.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Version {
                subject,
                version,
                id,
                schema_type,
                references,
                schema,
                deleted,
            } => {
                let guid = guid::of(&schema, &references);
                self.id_max = self.id_max.max(id);
                self.ids.entry(guid).or_insert(id);
                let stored = || {
                    Arc::new(Stored {
                        id,
                        schema_type,
                        text: schema,
                        references,
                        guid,
                    })
                };
                self.schemas.entry(id).or_insert_with(stored);
                self.subjects
                    .entry(subject)
                    .or_default()
                    .insert(version, Version { id, deleted });
            }
            Change::DropVersion { subject, version } => {
                if let Some(versions) = self.subjects.get_mut(&subject) {
                    versions.remove(&version);
                    if versions.is_empty() {
                        self.subjects.remove(&subject);
                    }
                }
            }
            Change::DeleteSubject { subject, version } => {
                let versions = self.subjects.get_mut(&subject).into_iter().flatten();
                versions
                    .filter(|(number, _)| **number <= version)
                    .for_each(|(_, entry)| entry.deleted = true);
            }
            Change::Level { subject: None, level } => {
                self.global_level = level.and_then(|word| Level::from_word(&word).ok());
            }
            Change::Level {
                subject: Some(subject),
                level,
            } => {
                match level.and_then(|word| Level::from_word(&word).ok()) {
                    Some(level) => self.levels.insert(subject, level),
                    None => self.levels.remove(&subject),
                };
            }
            Change::Other => {}
        }
    }

    /// Names of subjects with at least one version that is not deleted (or any, with `deleted`).
    pub fn names(&self, deleted: bool) -> Vec<&str> {
        let shown = |versions: &BTreeMap<i32, Version>| versions.values().any(|version| deleted || !version.deleted);
        self.subjects
            .iter()
            .filter(|(_, versions)| shown(versions))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    pub fn schema(&self, id: i32) -> Option<&Arc<Stored>> {
        self.schemas.get(&id)
    }

    pub fn schema_by_guid(&self, guid: Uuid) -> Option<&Arc<Stored>> {
        self.schemas.get(self.ids.get(&guid)?)
    }

    /// The highest id given so far; 0 if none was.
    pub fn id_max(&self) -> i32 {
        self.id_max
    }

    /// Subject and version of every use of an id.
    pub fn uses(&self, id: i32, deleted: bool) -> Vec<(&str, i32)> {
        let mut uses = Vec::new();
        for (name, versions) in &self.subjects {
            let used = versions
                .iter()
                .filter(|(_, version)| version.id == id && (deleted || !version.deleted));
            uses.extend(used.map(|(number, _)| (name.as_str(), *number)));
        }
        uses
    }

    /// The level that holds for a subject.
    pub fn level_of(&self, subject: &str) -> Level {
        self.own_level(subject).unwrap_or_else(|| self.global_level())
    }

    pub fn own_level(&self, subject: &str) -> Option<Level> {
        self.levels.get(subject).copied()
    }

    pub fn global_level(&self) -> Level {
        self.global_level.unwrap_or_default()
    }
}
