//! Records of the `_schemas` topic, to and from Confluent's JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Reference;
use crate::SchemaType;

/// One change of the registry's state: a record's key and value, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A version, new or with another `deleted` flag.
    Version {
        subject: String,
        version: i32,
        id: i32,
        schema_type: SchemaType,
        references: Vec<Reference>,
        schema: String,
        deleted: bool,
    },
    /// A version gone for good.
    DropVersion { subject: String, version: i32 },
    /// All versions up to this one soft-deleted.
    DeleteSubject { subject: String, version: i32 },
    /// A level set, or with `None` taken back; for one subject or for all.
    Level {
        subject: Option<String>,
        level: Option<String>,
    },
    /// A record that changes nothing here, such as a no-op or a mode.
    Other,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionValue {
    subject: String,
    version: i32,
    id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema_type: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    schema: String,
    #[serde(default)]
    deleted: bool,
}

impl Change {
    /// Key and value as the topic keeps them; `Other` has none.
    pub fn encode(&self) -> Option<(Json, Option<Json>)> {
        let subject_key =
            |kind: &str, subject: &Json| serde_json::json!({"keytype": kind, "subject": subject, "magic": 0});
        let version_key = |subject: &str, version: i32| serde_json::json!({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1});
        Some(match self {
            Change::Version {
                subject,
                version,
                id,
                schema_type,
                references,
                schema,
                deleted,
            } => {
                let value = VersionValue {
                    subject: subject.clone(),
                    version: *version,
                    id: *id,
                    schema_type: (*schema_type != SchemaType::Avro).then(|| schema_type.word().to_owned()),
                    references: references.clone(),
                    schema: schema.clone(),
                    deleted: *deleted,
                };
                (version_key(subject, *version), serde_json::to_value(value).ok())
            }
            Change::DropVersion { subject, version } => (version_key(subject, *version), None),
            Change::DeleteSubject { subject, version } => (
                subject_key("DELETE_SUBJECT", &Json::from(subject.as_str())),
                Some(serde_json::json!({"subject": subject, "version": version})),
            ),
            Change::Level { subject, level } => {
                let subject = subject.as_deref().map_or(Json::Null, Json::from);
                let value = level
                    .as_ref()
                    .map(|level| serde_json::json!({"compatibilityLevel": level}));
                (subject_key("CONFIG", &subject), value)
            }
            Change::Other => return None,
        })
    }

    /// Reads a record; the error names what is wrong with it.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Change, String> {
        let key: Json = serde_json::from_slice(key).map_err(|error| format!("key: {error}"))?;
        let value: Option<Json> = match value {
            Some(bytes) => Some(serde_json::from_slice(bytes).map_err(|error| format!("value: {error}"))?),
            None => None,
        };
        let value = value.filter(|value| !value.is_null());
        let subject = key.get("subject").and_then(Json::as_str).map(str::to_owned);
        let required = || subject.clone().ok_or_else(|| format!("the key `{key}` has no subject"));
        let number = |json: &Json| {
            json.get("version")
                .and_then(Json::as_i64)
                .and_then(|n| i32::try_from(n).ok())
        };
        match (key.get("keytype").and_then(Json::as_str), value) {
            (Some("SCHEMA"), None) => {
                let version = number(&key).ok_or_else(|| format!("the key `{key}` has no version"))?;
                Ok(Change::DropVersion {
                    subject: required()?,
                    version,
                })
            }
            (Some("SCHEMA"), Some(value)) => {
                let value: VersionValue = serde_json::from_value(value).map_err(|error| format!("value: {error}"))?;
                let word = value.schema_type.as_deref().unwrap_or("AVRO");
                let schema_type = SchemaType::from_word(word).ok_or_else(|| format!("`{word}` is no schema type"))?;
                let VersionValue {
                    subject,
                    version,
                    id,
                    references,
                    schema,
                    deleted,
                    ..
                } = value;
                Ok(Change::Version {
                    subject,
                    version,
                    id,
                    schema_type,
                    references,
                    schema,
                    deleted,
                })
            }
            (Some("DELETE_SUBJECT"), Some(value)) => {
                let version = number(&value).ok_or_else(|| format!("the value `{value}` has no version"))?;
                Ok(Change::DeleteSubject {
                    subject: required()?,
                    version,
                })
            }
            (Some("CONFIG"), value) => {
                let level = value
                    .as_ref()
                    .and_then(|value| value.get("compatibilityLevel"))
                    .and_then(Json::as_str);
                Ok(Change::Level {
                    subject,
                    level: level.map(str::to_owned),
                })
            }
            _ => Ok(Change::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Reference};
    use crate::SchemaType;

    #[test]
    fn records_survive_the_topic() {
        let reference = Reference {
            name: "p.proto".into(),
            subject: "p".into(),
            version: 2,
        };
        for change in [
            Change::Version {
                subject: "s-value".into(),
                version: 1,
                id: 7,
                schema_type: SchemaType::Protobuf,
                references: vec![reference],
                schema: "text".into(),
                deleted: true,
            },
            Change::DropVersion {
                subject: "s".into(),
                version: 3,
            },
            Change::DeleteSubject {
                subject: "s".into(),
                version: 4,
            },
            Change::Level {
                subject: None,
                level: Some("FULL".into()),
            },
            Change::Level {
                subject: Some("s".into()),
                level: None,
            },
        ] {
            let (key, value) = change.encode().unwrap();
            let value = value.map(|value| value.to_string().into_bytes());
            assert_eq!(
                Change::decode(key.to_string().as_bytes(), value.as_deref()).unwrap(),
                change
            );
        }
        assert!(Change::decode(b"{", None).is_err());
        assert_eq!(
            Change::decode(br#"{"keytype":"NOOP","magic":0}"#, None).unwrap(),
            Change::Other
        );
    }
}
