//! The keys of client-side field encryption: key encryption keys (KEKs), which a KMS holds, and data encryption keys
//! (DEKs), which they encrypt; as a state machine over the records of a DEK registry's topic.
//!
//! Payloads are encrypted by clients. The registry keeps the encrypted DEKs; only for a shared KEK, and with a KMS it can
//! reach, does it see a DEK itself.

mod decide;
mod kms;
mod record;

use std::collections::BTreeMap;

pub use decide::{NewDek, NewKek, UpdatedKek};
pub use kms::{KeyMaterial, LocalKms, NONCE_BYTES};
pub use record::Change;

/// What a DEK is used with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Algorithm {
    #[serde(rename = "AES128_GCM")]
    Aes128Gcm,
    #[default]
    #[serde(rename = "AES256_GCM")]
    Aes256Gcm,
    #[serde(rename = "AES256_SIV")]
    Aes256Siv,
}

impl Algorithm {
    pub fn from_word(word: &str) -> Option<Algorithm> {
        match word {
            "AES128_GCM" => Some(Algorithm::Aes128Gcm),
            "AES256_GCM" => Some(Algorithm::Aes256Gcm),
            "AES256_SIV" => Some(Algorithm::Aes256Siv),
            _ => None,
        }
    }
}

/// A key encryption key: its name here, and which key of which KMS it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kek {
    pub name: String,
    pub kms_type: String,
    pub kms_key_id: String,
    pub kms_props: BTreeMap<String, String>,
    pub doc: Option<String>,
    /// Whether the registry may use the key.
    pub shared: bool,
    pub deleted: bool,
    /// When it was written.
    pub ts: i64,
}

impl Kek {
    /// Whether it is the same key, whenever it was written and whether it is deleted.
    fn is_equivalent(&self, other: &Kek) -> bool {
        let essence = |kek: &Kek| Kek {
            deleted: false,
            ts: 0,
            ..kek.clone()
        };
        essence(self) == essence(other)
    }
}

/// Which DEK: of a KEK, for a subject, of an algorithm, in a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DekId {
    pub kek: String,
    pub subject: String,
    pub algorithm: Algorithm,
    pub version: i32,
}

/// A data encryption key as it is kept: encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dek {
    pub encrypted: Option<String>,
    pub deleted: bool,
    pub ts: i64,
}

/// Every key there is.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keks: BTreeMap<String, Kek>,
    deks: BTreeMap<DekId, Dek>,
}

impl Keys {
    /// Takes in one record, in the topic's order, written at `ts`.
    pub fn apply(&mut self, change: Change, ts: i64) {
        match change {
            Change::PutKek(kek) => {
                self.keks.insert(kek.name.clone(), Kek { ts, ..kek });
            }
            Change::DropKek(name) => {
                self.keks.remove(&name);
            }
            Change::PutDek(id, dek) => {
                self.deks.insert(id, Dek { ts, ..dek });
            }
            Change::DropDek(id) => {
                self.deks.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
