//! Exporters of schemas to other registries: what they are, what may be done to them, which subjects they take and
//! under which names these arrive.
//!
//! Names, codes and states are those of Confluent's Schema Linking API.

mod config;
mod decide;
mod mapping;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use config::{Credentials, Destination, HIDDEN};
pub use decide::{ExporterRequest, Report};
pub use mapping::Mapping;
pub use record::Change;

use crate::RegistryError;

/// So many exporters there may be.
pub const EXPORTERS_MAX: usize = 10;

/// An exporter as its owner described it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exporter {
    pub name: String,
    /// Names and patterns, as they were given.
    pub subjects: Vec<String>,
    pub context_type: ContextType,
    /// Given for [`ContextType::Custom`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_rename_format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kek_rename_format: Option<String>,
    /// How the destination is reached; may hold secrets.
    pub config: BTreeMap<String, String>,
}

/// What becomes of a subject's context at the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ContextType {
    /// It goes below a context named after the source's cluster.
    #[default]
    Auto,
    /// It goes below a context that was given.
    Custom,
    /// It stays what it is.
    None,
    /// The default context takes its place.
    Default,
}

impl ContextType {
    pub const WORDS: [(ContextType, &'static str); 4] = [
        (ContextType::Auto, "AUTO"),
        (ContextType::Custom, "CUSTOM"),
        (ContextType::None, "NONE"),
        (ContextType::Default, "DEFAULT"),
    ];

    fn from_word(word: &str) -> Option<ContextType> {
        let found = ContextType::WORDS
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(word));
        found.map(|(context_type, _)| *context_type)
    }
}

/// Where an exporter is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Exports what there was when it started.
    Starting,
    /// Exports what is new.
    Running,
    /// Exports nothing; its owner or an error has stopped it.
    Paused,
}

/// How far an exporter has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub state: State,
    /// Of the last record that was taken care of; -1 before any.
    pub offset: i64,
    /// That record's time; 0 before any.
    pub ts: i64,
    /// Why it was paused, if an error has paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Grows with every start: what an earlier run reports counts no more.
    pub run: u64,
}

impl Progress {
    fn beginning(run: u64) -> Progress {
        Progress {
            state: State::Starting,
            offset: -1,
            ts: 0,
            trace: None,
            run,
        }
    }
}

/// An exporter and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub exporter: Arc<Exporter>,
    pub progress: Progress,
}

/// All exporters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exporters {
    by_name: BTreeMap<String, Entry>,
    /// The highest run there was.
    run_max: u64,
}

impl Exporters {
    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.by_name.values()
    }

    pub fn get(&self, name: &str) -> Result<&Entry, RegistryError> {
        let found = self.by_name.get(name);
        found.ok_or_else(|| RegistryError::new(40450, format!("Exporter '{name}' not found.")))
    }

    /// Takes a change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(exporter) => {
                let progress = self.by_name.get(&exporter.name).map(|old| old.progress.clone());
                let entry = Entry {
                    progress: progress.unwrap_or_else(|| Progress::beginning(0)),
                    exporter: Arc::new(exporter),
                };
                self.by_name.insert(entry.exporter.name.clone(), entry);
            }
            Change::Drop(name) => {
                self.by_name.remove(&name);
            }
            Change::Move(name, progress) => {
                self.run_max = self.run_max.max(progress.run);
                if let Some(entry) = self.by_name.get_mut(&name) {
                    entry.progress = progress;
                }
            }
            Change::DropProgress(_) => {}
        }
    }
}
