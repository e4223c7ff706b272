//! Settings of what is not a topic (the brokers, groups, client metrics): by kind and name, changed while all runs.

use std::collections::BTreeMap;

use crate::CatalogError;
use crate::topics::Catalog;

/// Folder of a kind's records.
fn folder(kind: &str) -> String {
    format!("settings/{kind}")
}

impl Catalog {
    /// What was set; empty if nothing was.
    pub fn settings_of(&self, kind: &str, name: &str) -> BTreeMap<String, String> {
        let stored = self.record(&folder(kind), name);
        let read = stored.map(|bytes| serde_json::from_slice(&bytes));
        read.and_then(|read| {
            read.inspect_err(|error| tracing::error!(kind, name, "settings cannot be read: {error}"))
                .ok()
        })
        .unwrap_or_default()
    }

    /// The names of a kind for which something is set, sorted.
    pub fn names_with_settings(&self, kind: &str) -> Vec<String> {
        self.records(&folder(kind)).into_iter().map(|(name, _)| name).collect()
    }

    /// Replaces all settings; done when durable. An empty map leaves no trace.
    pub async fn put_settings_of(
        &self,
        kind: &str,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), CatalogError> {
        let value = (!settings.is_empty()).then(|| {
            let bytes = serde_json::to_vec(settings).expect("a map of strings always has a JSON form");
            bytes.into()
        });
        self.put_record(&folder(kind), name, value).await
    }
}
