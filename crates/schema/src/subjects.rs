//! Subjects, versions, ids, settings and associations as a state machine: decisions read the state and give records,
//! records change it.
//!
//! The records are those of a registry's `_schemas` topic, keys and values in Confluent's own JSON, so that a topic
//! copied from elsewhere is read and ours can be read elsewhere.

pub mod associations;
mod compatibility;
mod config;
mod delete;
pub(crate) mod lenient;
mod level;
mod list;
mod lookup;
mod metadata;
mod mode;
mod name;
mod parses;
mod record;
mod references;
mod register;
pub mod requests;
pub mod rules;
mod settings;
mod state;
pub mod tags;

pub use config::{Config, ConfigUpdate};
pub use level::Level;
pub use list::{AssociationFilter, Listed, Page, SchemaFilter, Shown};
pub use lookup::{Kept, Lookup, Wanted};
pub use metadata::{CONFLUENT_VERSION, Metadata};
pub use mode::Mode;
pub use name::{DEFAULT_CONTEXT, Name, context_prefix};
pub use record::{AssociationKey, Change, Encoded, VersionRecord};
pub use register::Registration;
pub use rules::RuleSet;
pub use state::{ContextId, Stored, Subjects, Version};

/// A schema's mention of another subject's version, under the name its text uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Reference {
    pub name: String,
    pub subject: String,
    pub version: i32,
}

impl Reference {
    /// The reference as messages show it.
    fn shown(&self) -> String {
        let Reference { name, subject, version } = self;
        format!("{{name='{name}', subject='{subject}', version={version}}}")
    }
}

/// An answer together with the changes to make durable before it is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<T> {
    pub answer: T,
    pub changes: Vec<Change>,
}

impl<T> Outcome<T> {
    /// An answer that changes nothing.
    pub fn known(answer: T) -> Outcome<T> {
        Outcome {
            answer,
            changes: Vec::new(),
        }
    }
}
