//! Metadata beside a schema: tags of its parts, properties, and which of these are sensitive.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::lenient;

/// The property that names the version a schema was registered as.
pub const CONFLUENT_VERSION: &str = "confluent:version";
/// The property that lists fields kept for others.
const RESERVED: &str = "confluent:reserved";

/// A schema's metadata, sorted as identities and answers want it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::or_default")]
    pub tags: BTreeMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::texts")]
    pub properties: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty", deserialize_with = "lenient::or_default")]
    pub sensitive: BTreeSet<String>,
}

impl Metadata {
    /// These with `over` laid on top.
    pub fn merged(under: Option<&Metadata>, over: Option<&Metadata>) -> Option<Metadata> {
        let (Some(under), Some(over)) = (under, over) else {
            return over.or(under).cloned();
        };
        let mut merged = under.clone();
        merged.tags.extend(over.tags.clone());
        merged.properties.extend(over.properties.clone());
        merged.sensitive.extend(over.sensitive.iter().cloned());
        Some(merged)
    }

    /// The version the metadata names.
    pub fn confluent_version(&self) -> Option<&str> {
        self.properties.get(CONFLUENT_VERSION).map(String::as_str)
    }

    /// The version the metadata names, if it is a number.
    pub fn confluent_version_number(&self) -> Option<i32> {
        self.confluent_version()?.parse().ok()
    }

    /// These, naming a version.
    pub fn with_confluent_version(metadata: Option<Metadata>, version: i32) -> Metadata {
        let mut metadata = metadata.unwrap_or_default();
        metadata
            .properties
            .insert(CONFLUENT_VERSION.to_owned(), version.to_string());
        metadata
    }

    /// These, naming no version.
    pub fn without_confluent_version(&self) -> Metadata {
        let mut metadata = self.clone();
        metadata.properties.remove(CONFLUENT_VERSION);
        metadata
    }

    /// The fields that are kept for others.
    pub fn reserved_fields(&self) -> BTreeSet<&str> {
        let names = self.properties.get(RESERVED).map(String::as_str).unwrap_or_default();
        names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// Calls `take` with the texts that identify the metadata, in their order.
    pub(crate) fn each_text<'a>(&'a self, take: &mut impl FnMut(&'a str)) {
        for (key, tags) in &self.tags {
            take(key);
            tags.iter().for_each(|tag| take(tag));
        }
        for (key, value) in &self.properties {
            take(key);
            take(value);
        }
        self.sensitive.iter().for_each(|key| take(key));
    }
}
