//! Records of the exporters' topic.

use serde::{Deserialize, Serialize};

use super::{Exporter, Progress};

/// One change of the exporters: a record's key and value, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new exporter, or another description of one.
    Put(Exporter),
    Drop(String),
    /// How far an exporter has come.
    Move(String, Progress),
    DropProgress(String),
}

#[derive(Serialize, Deserialize)]
struct Key {
    keytype: Kind,
    name: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Exporter,
    State,
}

impl Change {
    /// Key and value as the topic keeps them.
    pub fn encode(&self) -> serde_json::Result<(Vec<u8>, Option<Vec<u8>>)> {
        let key = |keytype, name: &str| {
            serde_json::to_vec(&Key {
                keytype,
                name: name.to_owned(),
            })
        };
        Ok(match self {
            Change::Put(exporter) => (
                key(Kind::Exporter, &exporter.name)?,
                Some(serde_json::to_vec(exporter)?),
            ),
            Change::Drop(name) => (key(Kind::Exporter, name)?, None),
            Change::Move(name, progress) => (key(Kind::State, name)?, Some(serde_json::to_vec(progress)?)),
            Change::DropProgress(name) => (key(Kind::State, name)?, None),
        })
    }

    /// Reads a record; the error names what is wrong with it.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Change, String> {
        let key: Key = serde_json::from_slice(key).map_err(|error| format!("key: {error}"))?;
        let wrong = |error: serde_json::Error| format!("value: {error}");
        Ok(match (key.keytype, value) {
            (Kind::Exporter, None) => Change::Drop(key.name),
            (Kind::State, None) => Change::DropProgress(key.name),
            (Kind::Exporter, Some(value)) => Change::Put(serde_json::from_slice(value).map_err(wrong)?),
            (Kind::State, Some(value)) => Change::Move(key.name, serde_json::from_slice(value).map_err(wrong)?),
        })
    }
}
