//! Records of the `_schemas` topic, to and from Confluent's JSON, byte for byte: compaction goes by the key's bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use super::associations::Association;
use super::{Config, Metadata, Mode, Name, Reference, RuleSet, lenient};
use crate::SchemaType;

/// The only tenant there is.
const TENANT: &str = "default";

/// One change of the registry's state: a record's key and value, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A version, new or with another `deleted` flag.
    Version(Box<VersionRecord>),
    /// A version gone for good.
    DropVersion { subject: Name, version: i32 },
    /// All versions up to this one soft-deleted.
    DeleteSubject { subject: Name, version: i32 },
    /// Soft-deleted versions of a subject or a context forgotten.
    ClearSubject { subject: Name },
    /// Settings, or with `None` their removal.
    Config { subject: Name, config: Option<Box<Config>> },
    /// A mode, or with `None` its removal.
    Mode { subject: Name, mode: Option<Mode> },
    /// A context that is listed, or no longer.
    Context { context: String, listed: bool },
    /// A topic tied to a subject, or with `None` no longer.
    Association {
        key: AssociationKey,
        association: Option<Box<Association>>,
    },
    /// A record that changes nothing.
    Noop,
    /// A record of a kind this version does not know.
    Unknown { kind: String },
}

/// A version as the topic keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionRecord {
    pub subject: Name,
    pub version: i32,
    pub id: i32,
    /// The identity as its writer knew it; written where the stored metadata are not those that identify.
    pub md5: Option<Uuid>,
    pub schema_type: SchemaType,
    pub references: Vec<Reference>,
    pub metadata: Option<Metadata>,
    pub rule_set: Option<RuleSet>,
    pub schema: String,
    pub deleted: bool,
}

/// What makes an association one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssociationKey {
    pub resource_name: String,
    pub resource_namespace: String,
    pub resource_type: String,
    pub association_type: String,
    pub subject: Name,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionValue {
    #[serde(default)]
    subject: Option<String>,
    version: i32,
    id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    references: Vec<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule_set: Option<RuleSet>,
    schema: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    deleted: bool,
}

#[derive(Deserialize)]
struct Key {
    keytype: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    version: Option<i32>,
    #[serde(default)]
    context: Option<String>,
    #[serde(default, rename = "resourceName")]
    resource_name: Option<String>,
    #[serde(default, rename = "resourceNamespace")]
    resource_namespace: Option<String>,
    #[serde(default, rename = "resourceType")]
    resource_type: Option<String>,
    #[serde(default, rename = "associationType")]
    association_type: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SubjectValue {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct ModeValue {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    mode: Mode,
}

#[derive(Serialize, Deserialize)]
struct ConfigValue {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(flatten)]
    config: Config,
}

#[derive(Serialize)]
struct ContextValue<'a> {
    tenant: &'a str,
    context: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssociationValue {
    guid: String,
    tenant: String,
    resource_name: String,
    resource_namespace: String,
    resource_id: String,
    resource_type: String,
    association_type: String,
    subject: String,
    lifecycle: super::associations::Lifecycle,
    #[serde(default)]
    frozen: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    create_ts: Option<i64>,
}

/// A record's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub key: Vec<u8>,
    /// `None` takes the key away.
    pub value: Option<Vec<u8>>,
}

/// The subject as settings' keys and values hold it: the top level has none.
fn setting(name: &Name) -> Option<String> {
    (!name.is_top()).then(|| name.to_string())
}

fn setting_key(kind: &str, name: &Name) -> Json {
    // A registry leaves the subject of the top level out of keys only when it is null, and it is null then.
    match setting(name) {
        Some(subject) => serde_json::json!({"keytype": kind, "subject": subject, "magic": 0}),
        None => serde_json::json!({"keytype": kind, "magic": 0}),
    }
}

fn bytes(value: &impl Serialize) -> Option<Vec<u8>> {
    serde_json::to_vec(value).ok()
}

impl Change {
    /// Key and value as the topic keeps them; what is not ours to write has none.
    pub fn encode(&self) -> Option<Encoded> {
        let (key, value) = match self {
            Change::Version(record) => {
                let key = version_key(&record.subject, record.version);
                return Some(Encoded {
                    key: bytes(&key)?,
                    value: Some(bytes(&VersionValue::of(record))?),
                });
            }
            Change::DropVersion { subject, version } => (version_key(subject, *version), None),
            Change::DeleteSubject { subject, version } => (
                serde_json::json!({"keytype": "DELETE_SUBJECT", "subject": subject.to_string(), "magic": 0}),
                bytes(&SubjectValue {
                    subject: Some(subject.to_string()),
                    version: Some(*version),
                }),
            ),
            Change::ClearSubject { subject } => (
                setting_key("CLEAR_SUBJECT", subject),
                bytes(&SubjectValue {
                    subject: setting(subject),
                    version: None,
                }),
            ),
            Change::Config { subject, config } => {
                let value = config.as_deref().map(|config| ConfigValue {
                    subject: setting(subject),
                    config: config.clone(),
                });
                (setting_key("CONFIG", subject), value.as_ref().and_then(bytes))
            }
            Change::Mode { subject, mode } => {
                let value = mode.map(|mode| ModeValue {
                    subject: setting(subject),
                    mode,
                });
                (setting_key("MODE", subject), value.as_ref().and_then(bytes))
            }
            Change::Context { context, listed } => {
                let key = serde_json::json!({"keytype": "CONTEXT", "tenant": TENANT, "context": context, "magic": 0});
                let value = ContextValue {
                    tenant: TENANT,
                    context,
                };
                (key, listed.then(|| bytes(&value)).flatten())
            }
            Change::Association { key, association } => {
                let AssociationKey {
                    resource_name,
                    resource_namespace,
                    resource_type,
                    association_type,
                    subject,
                } = key;
                let value = association.as_deref().map(|association| AssociationValue {
                    guid: association.guid.clone(),
                    tenant: TENANT.to_owned(),
                    resource_name: resource_name.clone(),
                    resource_namespace: resource_namespace.clone(),
                    resource_id: association.resource_id.clone(),
                    resource_type: resource_type.clone(),
                    association_type: association_type.clone(),
                    subject: subject.to_string(),
                    lifecycle: association.lifecycle,
                    frozen: association.frozen,
                    create_ts: None,
                });
                let key = serde_json::json!({
                    "keytype": "ASSOC", "tenant": TENANT, "resourceName": resource_name,
                    "resourceNamespace": resource_namespace, "resourceType": resource_type,
                    "associationType": association_type, "subject": subject.to_string(), "magic": 0,
                });
                (key, value.as_ref().and_then(bytes))
            }
            Change::Noop | Change::Unknown { .. } => return None,
        };
        Some(Encoded {
            key: bytes(&key)?,
            value,
        })
    }

    /// Reads a record; the error names what is wrong with it.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Change, String> {
        let key: Key = serde_json::from_slice(key).map_err(|error| format!("key: {error}"))?;
        let value = value.filter(|bytes| bytes.trim_ascii() != b"null");
        let named = || match &key.subject {
            Some(subject) => Ok(Name::parse(subject)),
            None => Err(format!("a {} record without subject", key.keytype)),
        };
        let setting = || key.subject.as_deref().map_or_else(Name::top, Name::parse);
        match (key.keytype.as_str(), value) {
            ("SCHEMA", None) => Ok(Change::DropVersion {
                subject: named()?,
                version: key.version.ok_or("a SCHEMA record without version")?,
            }),
            ("SCHEMA", Some(value)) => {
                let value: VersionValue = read(value)?;
                let word = value.schema_type.as_deref().unwrap_or("AVRO");
                let schema_type = SchemaType::from_word(word).ok_or_else(|| format!("`{word}` is no schema type"))?;
                let subject = value
                    .subject
                    .as_deref()
                    .map_or_else(named, |text| Ok(Name::parse(text)))?;
                Ok(Change::Version(Box::new(VersionRecord {
                    subject,
                    version: value.version,
                    id: value.id,
                    md5: value.md5.as_deref().and_then(uuid_of),
                    schema_type,
                    references: value.references,
                    metadata: value.metadata,
                    rule_set: value.rule_set,
                    schema: value.schema,
                    deleted: value.deleted,
                })))
            }
            ("DELETE_SUBJECT", Some(value)) => {
                let value: SubjectValue = read(value)?;
                Ok(Change::DeleteSubject {
                    subject: value
                        .subject
                        .as_deref()
                        .map_or_else(named, |text| Ok(Name::parse(text)))?,
                    version: value.version.ok_or("a DELETE_SUBJECT record without version")?,
                })
            }
            ("CLEAR_SUBJECT", Some(_)) => Ok(Change::ClearSubject { subject: setting() }),
            ("CONFIG", value) => Ok(Change::Config {
                subject: setting(),
                config: value
                    .map(read::<ConfigValue>)
                    .transpose()?
                    .map(|value| Box::new(value.config)),
            }),
            ("MODE", value) => Ok(Change::Mode {
                subject: setting(),
                mode: value.map(read::<ModeValue>).transpose()?.map(|value| value.mode),
            }),
            ("CONTEXT", value) => Ok(Change::Context {
                context: key.context.ok_or("a CONTEXT record without context")?,
                listed: value.is_some(),
            }),
            ("ASSOC", value) => decode_association(key, value),
            ("NOOP" | "DELETE_SUBJECT" | "CLEAR_SUBJECT", _) => Ok(Change::Noop),
            (kind, _) => Ok(Change::Unknown { kind: kind.to_owned() }),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|error| format!("value: {error}"))
}

fn uuid_of(base64: &str) -> Option<Uuid> {
    Uuid::from_slice(&STANDARD.decode(base64).ok()?).ok()
}

fn version_key(subject: &Name, version: i32) -> Json {
    serde_json::json!({"keytype": "SCHEMA", "subject": subject.to_string(), "version": version, "magic": 1})
}

fn decode_association(key: Key, value: Option<&[u8]>) -> Result<Change, String> {
    let missing = "an ASSOC record without its resource";
    let subject = key.subject.as_deref().map(Name::parse).ok_or(missing)?;
    let key = AssociationKey {
        resource_name: key.resource_name.ok_or(missing)?,
        resource_namespace: key.resource_namespace.ok_or(missing)?,
        resource_type: key.resource_type.ok_or(missing)?,
        association_type: key.association_type.ok_or(missing)?,
        subject,
    };
    let association = value.map(read::<AssociationValue>).transpose()?.map(|value| {
        Box::new(Association {
            subject: key.subject.clone(),
            guid: value.guid,
            resource_name: value.resource_name,
            resource_namespace: value.resource_namespace,
            resource_id: value.resource_id,
            resource_type: value.resource_type,
            association_type: value.association_type,
            lifecycle: value.lifecycle,
            frozen: value.frozen,
            created_ms: value.create_ts.unwrap_or_default(),
            updated_ms: 0,
        })
    });
    Ok(Change::Association { key, association })
}

impl VersionValue {
    fn of(record: &VersionRecord) -> VersionValue {
        VersionValue {
            subject: Some(record.subject.to_string()),
            version: record.version,
            id: record.id,
            md5: record.md5.map(|md5| STANDARD.encode(md5.as_bytes())),
            schema_type: Some(record.schema_type.word().to_owned()),
            references: record.references.clone(),
            metadata: record.metadata.clone(),
            rule_set: record.rule_set.clone(),
            schema: record.schema.clone(),
            deleted: record.deleted,
        }
    }
}
