//! Ties of topics to subjects: kept, listed, and changed one by one or in batches.
//!
//! A strong tie makes the subject the topic's own: nothing else may use it, and it goes with the topic. A weak one only
//! says where the topic's schemas are.

mod change;
mod request;
mod settle;

pub use change::{Applied, BatchResult};
pub use request::{BatchGet, BatchMutate, CreateOrUpdate, GetQuery};

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::Name;
use super::record::AssociationKey;
use crate::RegistryError;

/// Namespaces and names of resources that stand for any.
pub const ANY: &str = "-";

/// Whose the subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Lifecycle {
    Strong,
    Weak,
}

impl Lifecycle {
    pub fn word(self) -> &'static str {
        match self {
            Lifecycle::Strong => "STRONG",
            Lifecycle::Weak => "WEAK",
        }
    }

    pub fn from_word(word: &str) -> Option<Lifecycle> {
        [Lifecycle::Strong, Lifecycle::Weak]
            .into_iter()
            .find(|one| one.word() == word)
    }
}

/// A tie of a topic to a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    pub subject: Name,
    pub guid: String,
    pub resource_name: String,
    pub resource_namespace: String,
    pub resource_id: String,
    pub resource_type: String,
    pub association_type: String,
    pub lifecycle: Lifecycle,
    pub frozen: bool,
    pub created_ms: i64,
    pub updated_ms: i64,
}

impl Association {
    pub(super) fn key(&self) -> AssociationKey {
        AssociationKey {
            resource_name: self.resource_name.clone(),
            resource_namespace: self.resource_namespace.clone(),
            resource_type: self.resource_type.clone(),
            association_type: self.association_type.clone(),
            subject: self.subject.clone(),
        }
    }
}

/// Which of the associations found are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub resource_type: Option<String>,
    /// Empty for all.
    pub association_types: Vec<String>,
    pub lifecycle: Option<Lifecycle>,
}

impl Filter {
    fn fits(&self, association: &Association) -> bool {
        let types = &self.association_types;
        self.resource_type
            .as_ref()
            .is_none_or(|wanted| *wanted == association.resource_type)
            && (types.is_empty() || types.contains(&association.association_type))
            && self.lifecycle.is_none_or(|wanted| wanted == association.lifecycle)
    }
}

type Keys = Arc<Vec<AssociationKey>>;

/// All associations, by what they are asked for by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Associations {
    all: OrdMap<AssociationKey, Arc<Association>>,
    by_subject: OrdMap<Name, Keys>,
    by_resource: OrdMap<String, Keys>,
}

impl Associations {
    pub(super) fn put(&mut self, key: AssociationKey, mut association: Association, written_ms: i64) {
        let created_ms = self.all.get(&key).map_or(written_ms, |old| old.created_ms);
        self.remove(&key);
        association.created_ms = created_ms;
        association.updated_ms = written_ms;
        let of_subject = self.by_subject.entry(association.subject.clone()).or_default();
        Arc::make_mut(of_subject).push(key.clone());
        let of_resource = self.by_resource.entry(association.resource_id.clone()).or_default();
        Arc::make_mut(of_resource).push(key.clone());
        self.all.insert(key, Arc::new(association));
    }

    pub(super) fn remove(&mut self, key: &AssociationKey) {
        let Some(old) = self.all.remove(key) else {
            return;
        };
        if let Some(keys) = self.by_subject.get_mut(&old.subject) {
            Arc::make_mut(keys).retain(|other| other != key);
            if keys.is_empty() {
                self.by_subject.remove(&old.subject);
            }
        }
        if let Some(keys) = self.by_resource.get_mut(&old.resource_id) {
            Arc::make_mut(keys).retain(|other| other != key);
            if keys.is_empty() {
                self.by_resource.remove(&old.resource_id);
            }
        }
    }

    fn found<'a>(&self, keys: impl IntoIterator<Item = &'a AssociationKey>, filter: &Filter) -> Vec<Association> {
        let known = keys.into_iter().filter_map(|key| self.all.get(key));
        let mut found: Vec<Association> = known
            .filter(|one| filter.fits(one))
            .map(|one| (**one).clone())
            .collect();
        found.sort_by_key(Association::key);
        found
    }

    /// Those of a subject.
    pub fn by_subject(&self, subject: &Name, filter: &Filter) -> Vec<Association> {
        let keys = self.by_subject.get(subject);
        self.found(keys.into_iter().flat_map(|keys| keys.iter()), filter)
    }

    pub(super) fn of_subject(&self, subject: &Name) -> Vec<Association> {
        self.by_subject(subject, &Filter::default())
    }

    pub(super) fn has_any(&self, subject: &Name) -> bool {
        self.by_subject.contains_key(subject)
    }

    pub(super) fn has_strong(&self, subject: &Name) -> bool {
        self.of_subject(subject)
            .iter()
            .any(|one| one.lifecycle == Lifecycle::Strong)
    }

    /// Those of a resource.
    pub fn by_resource_id(&self, id: &str, filter: &Filter) -> Vec<Association> {
        let keys = self.by_resource.get(id);
        self.found(keys.into_iter().flat_map(|keys| keys.iter()), filter)
    }

    /// Those of resources of a name in a namespace, either of which may be [`ANY`].
    pub fn by_resource_name(&self, namespace: &str, name: &str, filter: &Filter) -> Vec<Association> {
        let fits = |key: &&AssociationKey| {
            (name == ANY || key.resource_name == name) && (namespace == ANY || key.resource_namespace == namespace)
        };
        if name == ANY {
            return self.found(self.all.keys().filter(fits), filter);
        }
        let first = AssociationKey {
            resource_name: name.to_owned(),
            resource_namespace: String::new(),
            resource_type: String::new(),
            association_type: String::new(),
            subject: Name::top(),
        };
        let from = self.all.range(first..).map(|(key, _)| key);
        self.found(from.take_while(|key| key.resource_name == name).filter(fits), filter)
    }
}

impl super::Subjects {
    /// All associations.
    pub fn associations(&self) -> &Associations {
        &self.associations
    }
}

pub(super) fn exists_for_subject(subject: impl std::fmt::Display) -> RegistryError {
    RegistryError::new(40904, format!("An association already exists for subject '{subject}'"))
}

pub(super) fn no_active_version(subject: impl std::fmt::Display) -> RegistryError {
    let message = format!("No active (non-deleted) version exists for subject '{subject}'");
    RegistryError::new(40907, message)
}

fn exists_for_resource(association_type: &str, resource: &str) -> RegistryError {
    let message = format!("An association of type '{association_type}' already exists for resource '{resource}'");
    RegistryError::new(40903, message)
}

fn strong_exists(subject: &str) -> RegistryError {
    RegistryError::new(
        40905,
        format!("A strong association already exists for subject '{subject}'"),
    )
}

fn frozen(association: &Association) -> RegistryError {
    let Association {
        association_type,
        subject,
        ..
    } = association;
    let message = format!("The association of type  '{association_type}' is frozen for subject '{subject}'");
    RegistryError::new(40908, message)
}

/// A property of a request that cannot be so.
pub(super) fn invalid(property: &str, detail: impl std::fmt::Display) -> RegistryError {
    let message = format!("The association specified an invalid value for property: '{property}', detail: {detail}");
    RegistryError::new(42212, message)
}
