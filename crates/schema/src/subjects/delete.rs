//! Deleting: softly first, which hides a version, then for good.

use std::sync::Arc;

use super::lookup::Wanted;
use super::record::{Change, VersionRecord};
use super::state::Version;
use super::{Name, Outcome, Subjects};
use crate::RegistryError;

impl Subjects {
    /// Deletes one version.
    pub fn delete_version(
        &self,
        subject: &Name,
        wanted: Wanted,
        permanent: bool,
    ) -> Result<Outcome<i32>, RegistryError> {
        let missing = || {
            if self.has_subjects(subject, true) {
                RegistryError::version_not_found(wanted.shown())
            } else {
                RegistryError::subject_not_found(subject)
            }
        };
        let versions = self.subjects.get(subject).ok_or_else(missing)?;
        let found = match wanted {
            Wanted::Latest => versions.latest(),
            Wanted::Number(number) => versions.get(number),
        };
        let found = found.ok_or_else(missing)?;
        let number = found.number;
        if !permanent && found.deleted {
            return Err(RegistryError::version_soft_deleted(subject, number));
        }
        self.check_writable(subject)?;
        let is_last_live = || versions.live().all(|version| version.number == number);
        if !permanent && self.associations.has_any(subject) && is_last_live() {
            return Err(super::associations::no_active_version(subject));
        }
        if !self.referrers(subject, number, permanent).is_empty() {
            return Err(RegistryError::version_referenced(subject, number));
        }
        if permanent && !found.deleted {
            return Err(RegistryError::version_not_soft_deleted(subject, number));
        }
        let mut changes = Vec::new();
        if permanent {
            changes.push(dropped(subject, found));
            if versions.0.len() == 1 {
                changes.extend(self.settings_dropped(subject));
            }
        } else {
            let record = VersionRecord::of(subject, number, &found.schema, true);
            changes.push(Change::Version(Box::new(record)));
        }
        Ok(Outcome {
            answer: number,
            changes,
        })
    }

    /// Deletes all of a subject.
    pub fn delete_subject(&self, subject: &Name, permanent: bool) -> Result<Outcome<Vec<i32>>, RegistryError> {
        if !self.has_subjects(subject, true) {
            return Err(RegistryError::subject_not_found(subject));
        }
        if !permanent && !self.has_subjects(subject, false) {
            return Err(RegistryError::subject_soft_deleted(subject));
        }
        self.check_writable(subject)?;
        if self.associations.has_any(subject) {
            return Err(super::associations::exists_for_subject(subject));
        }
        let empty = Arc::default();
        let versions = self.subjects.get(subject).unwrap_or(&empty);
        let going: Vec<&Version> = versions
            .0
            .iter()
            .filter(|version| permanent || !version.deleted)
            .collect();
        for version in &going {
            let referrers = self.referrers(subject, version.number, permanent);
            let mut users = referrers.iter().flat_map(|referrer| {
                let context = Name::new(&referrer.context, "");
                self.uses(referrer.id, &context, permanent).unwrap_or_default()
            });
            if users.any(|(name, _)| name != *subject) {
                return Err(RegistryError::version_referenced(subject, version.number));
            }
            if permanent && !version.deleted {
                return Err(RegistryError::subject_not_soft_deleted(subject));
            }
        }
        let mut changes = Vec::new();
        if permanent {
            // From the newest on, for versions that refer to earlier ones.
            changes.extend(going.iter().rev().map(|version| dropped(subject, version)));
            changes.extend(self.settings_dropped(subject));
        } else if let Some(last) = going.last() {
            changes.push(Change::DeleteSubject {
                subject: subject.clone(),
                version: last.number,
            });
        }
        Ok(Outcome {
            answer: going.iter().map(|version| version.number).collect(),
            changes,
        })
    }

    /// Takes a context out of listings.
    pub fn delete_context(&self, context: &Name) -> Result<Outcome<()>, RegistryError> {
        if self.has_subjects(context, true) {
            return Err(RegistryError::context_not_empty(context));
        }
        let changes = if self.listed.contains(&context.context) {
            vec![Change::Context {
                context: context.context.to_string(),
                listed: false,
            }]
        } else {
            Vec::new()
        };
        Ok(Outcome { answer: (), changes })
    }

    /// A subject's mode and configuration go with it.
    fn settings_dropped(&self, subject: &Name) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.modes.contains_key(subject) {
            changes.push(Change::Mode {
                subject: subject.clone(),
                mode: None,
            });
        }
        if self.configs.contains_key(subject) {
            changes.push(Change::Config {
                subject: subject.clone(),
                config: None,
            });
        }
        changes
    }

    pub(super) fn check_writable(&self, subject: &Name) -> Result<(), RegistryError> {
        if self.mode_in_scope(subject).is_read_only() {
            return Err(RegistryError::read_only(subject));
        }
        Ok(())
    }
}

pub(super) fn dropped(subject: &Name, version: &Version) -> Change {
    Change::DropVersion {
        subject: subject.clone(),
        version: version.number,
    }
}
