//! Records of the `_dek_registry_keys` topic, to and from Confluent's JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Algorithm, Dek, DekId, Kek};

/// One change of the keys: a record's key and value, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    PutKek(Kek),
    DropKek(String),
    PutDek(DekId, Dek),
    DropDek(DekId),
}

/// There is one tenant.
const TENANT: &str = "default";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KekKey {
    tenant: String,
    name: String,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KekValue {
    name: String,
    kms_type: String,
    kms_key_id: String,
    #[serde(default)]
    kms_props: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    deleted: bool,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DekKey {
    tenant: String,
    kek_name: String,
    subject: String,
    algorithm: Algorithm,
    version: i32,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DekValue {
    kek_name: String,
    subject: String,
    algorithm: Algorithm,
    version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted_key_material: Option<String>,
    #[serde(default)]
    deleted: bool,
    r#type: String,
}

impl Change {
    /// Key and value as the topic keeps them.
    pub fn encode(&self) -> serde_json::Result<(Vec<u8>, Option<Vec<u8>>)> {
        let kek_key = |name: &str| {
            serde_json::to_vec(&KekKey {
                tenant: TENANT.to_owned(),
                name: name.to_owned(),
                r#type: "KEK".to_owned(),
            })
        };
        let dek_key = |id: &DekId| {
            serde_json::to_vec(&DekKey {
                tenant: TENANT.to_owned(),
                kek_name: id.kek.clone(),
                subject: id.subject.clone(),
                algorithm: id.algorithm,
                version: id.version,
                r#type: "DEK".to_owned(),
            })
        };
        Ok(match self {
            Change::DropKek(name) => (kek_key(name)?, None),
            Change::DropDek(id) => (dek_key(id)?, None),
            Change::PutKek(kek) => {
                let value = KekValue {
                    name: kek.name.clone(),
                    kms_type: kek.kms_type.clone(),
                    kms_key_id: kek.kms_key_id.clone(),
                    kms_props: Some(kek.kms_props.clone()),
                    doc: kek.doc.clone(),
                    shared: kek.shared,
                    deleted: kek.deleted,
                    r#type: "KEK".to_owned(),
                };
                (kek_key(&kek.name)?, Some(serde_json::to_vec(&value)?))
            }
            Change::PutDek(id, dek) => {
                let value = DekValue {
                    kek_name: id.kek.clone(),
                    subject: id.subject.clone(),
                    algorithm: id.algorithm,
                    version: id.version,
                    encrypted_key_material: dek.encrypted.clone(),
                    deleted: dek.deleted,
                    r#type: "DEK".to_owned(),
                };
                (dek_key(id)?, Some(serde_json::to_vec(&value)?))
            }
        })
    }

    /// Reads a record; the error names what is wrong with it.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Change, String> {
        let said = |error: serde_json::Error| error.to_string();
        let kind: serde_json::Value = serde_json::from_slice(key).map_err(said)?;
        match kind.get("type").and_then(serde_json::Value::as_str) {
            Some("KEK") => {
                let key: KekKey = serde_json::from_slice(key).map_err(said)?;
                let Some(value) = value else {
                    return Ok(Change::DropKek(key.name));
                };
                let value: KekValue = serde_json::from_slice(value).map_err(said)?;
                Ok(Change::PutKek(Kek {
                    name: key.name,
                    kms_type: value.kms_type,
                    kms_key_id: value.kms_key_id,
                    kms_props: value.kms_props.unwrap_or_default(),
                    doc: value.doc,
                    shared: value.shared,
                    deleted: value.deleted,
                    ts: 0,
                }))
            }
            Some("DEK") => {
                let key: DekKey = serde_json::from_slice(key).map_err(said)?;
                let id = DekId {
                    kek: key.kek_name,
                    subject: key.subject,
                    algorithm: key.algorithm,
                    version: key.version,
                };
                let Some(value) = value else {
                    return Ok(Change::DropDek(id));
                };
                let value: DekValue = serde_json::from_slice(value).map_err(said)?;
                let dek = Dek {
                    encrypted: value.encrypted_key_material,
                    deleted: value.deleted,
                    ts: 0,
                };
                Ok(Change::PutDek(id, dek))
            }
            _ => Err(format!("the key `{kind}` is neither a KEK's nor a DEK's")),
        }
    }
}
