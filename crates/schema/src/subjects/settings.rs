//! Setting and taking back configuration and modes, and which mode holds where.

use super::delete::dropped;
use super::record::Change;
use super::{Config, ConfigUpdate, Mode, Name, Outcome, Subjects};
use crate::RegistryError;

impl Subjects {
    /// The mode stored for exactly this name; the top level and all contexts have a default.
    pub fn own_mode(&self, name: &Name) -> Option<Mode> {
        let has_default = name.is_top() || &*name.context == super::name::GLOBAL_CONTEXT;
        self.modes
            .get(name)
            .copied()
            .or_else(|| has_default.then(Mode::default))
    }

    /// The mode that holds for a name: its own, its context's, that of all contexts, or the usual one.
    pub fn mode_in_scope(&self, name: &Name) -> Mode {
        let own = self.modes.get(name);
        let nearest = own.or_else(|| self.modes.get(&name.context_of()));
        let mode = nearest.or_else(|| self.modes.get(&Name::global()));
        mode.copied().unwrap_or_default()
    }

    /// Changes the settings of a name as a request says; the answer is what they are then.
    pub fn set_config(&self, subject: &str, update: &ConfigUpdate) -> Result<Outcome<Config>, RegistryError> {
        update.check()?;
        let name = Name::parse(subject);
        if !name.is_top() && !Name::is_valid(subject, true) {
            return Err(RegistryError::invalid_subject(subject));
        }
        self.check_writable(&name)?;
        let old = self.configs.get(&name).map(|config| (**config).clone());
        let config = old.unwrap_or_default().updated(update);
        let change = Change::Config {
            subject: name,
            config: Some(Box::new(config.clone())),
        };
        Ok(Outcome {
            answer: config,
            changes: vec![change],
        })
    }

    /// Takes the settings of a name back; the answer is what they were.
    pub fn delete_config(&self, name: &Name) -> Result<Outcome<Config>, RegistryError> {
        let old = self
            .own_config(name)
            .ok_or_else(|| RegistryError::subject_not_found(name))?;
        self.check_writable(name)?;
        let stored = self.configs.contains_key(name).then(|| Change::Config {
            subject: name.clone(),
            config: None,
        });
        Ok(Outcome {
            answer: old,
            changes: stored.into_iter().collect(),
        })
    }

    /// Sets the mode of a name, or takes it back. Import asks for a place without schemas, and forgets soft-deleted ones.
    pub fn set_mode(&self, subject: &str, word: Option<&str>, force: bool) -> Result<Outcome<()>, RegistryError> {
        if !Name::is_valid(subject, true) {
            return Err(RegistryError::invalid_subject(subject));
        }
        let name = Name::parse(subject);
        let mode = word.map(Mode::from_word).transpose()?;
        if mode == Some(Mode::Forward) && !name.is_global() {
            return Err(RegistryError::new(42204, "Forward mode only supported on global level"));
        }
        let mut changes = Vec::new();
        if mode == Some(Mode::Import) && self.mode_in_scope(&name) != Mode::Import && !force {
            if self.has_subjects(&name, false) {
                let message = "Cannot import since found existing subjects";
                return Err(RegistryError::not_permitted(message));
            }
            for (subject, versions) in self.covered(&name) {
                for version in &versions.0 {
                    if !self.referrers(subject, version.number, true).is_empty() {
                        return Err(RegistryError::version_referenced(subject, version.number));
                    }
                    changes.push(dropped(subject, version));
                }
            }
            changes.push(Change::ClearSubject { subject: name.clone() });
        }
        changes.push(Change::Mode { subject: name, mode });
        Ok(Outcome { answer: (), changes })
    }

    /// Takes the mode of a name back, with `recursive` also those of a context's subjects; the answer is what it was.
    pub fn delete_mode(&self, name: &Name, recursive: bool) -> Result<Outcome<Option<Mode>>, RegistryError> {
        let old = self.own_mode(name);
        if old.is_none() && !recursive {
            return Err(RegistryError::subject_not_found(name));
        }
        let is_below = |other: &&Name| recursive && name.is_context() && other.context == name.context;
        let gone = self.modes.keys().filter(|other| *other == name || is_below(other));
        let change = |subject: &Name| Change::Mode {
            subject: subject.clone(),
            mode: None,
        };
        Ok(Outcome {
            answer: old,
            changes: gone.map(change).collect(),
        })
    }
}
