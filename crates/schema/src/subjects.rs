//! Subjects, versions, ids and levels as a state machine: decisions read the state and give records, records change it.
//!
//! The records are those of a registry's `_schemas` topic, keys and values in Confluent's own JSON, so that a topic
//! copied from elsewhere is read and ours can be read elsewhere.

mod decide;
mod level;
mod record;
mod state;

pub use decide::{Lookup, Outcome, Registration, Wanted};
pub use level::{Level, check};
pub use record::Change;
pub use state::{Stored, Subjects, Version};

/// A schema's mention of another subject's version, under the name its text uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Reference {
    pub name: String,
    pub subject: String,
    pub version: i32,
}
