//! Tags within schemas' texts (`confluent:tags` of records and fields): found, added and removed.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::lookup::Candidate;
use super::register::Registration;
use super::state::Stored;
use super::{Name, Subjects, lenient};
use crate::{Parsed, RegistryError, SchemaType, protobuf};

/// The property that holds tags.
const TAGS: &str = "confluent:tags";
/// A schema's parts are looked through this deep.
const DEPTH_MAX: usize = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityType {
    #[default]
    #[serde(rename = "sr_record")]
    Record,
    #[serde(rename = "sr_field")]
    Field,
}

/// A part of a schema, by its path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Entity {
    #[serde(deserialize_with = "lenient::or_default")]
    pub entity_path: String,
    #[serde(deserialize_with = "lenient::or_default")]
    pub entity_type: EntityType,
}

/// The tags of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SchemaTags {
    #[serde(deserialize_with = "lenient::or_default")]
    pub schema_entity: Entity,
    #[serde(deserialize_with = "lenient::or_default")]
    pub tags: Vec<String>,
}

/// Tags to put into a text and to take out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagEdit {
    pub add: Vec<SchemaTags>,
    pub remove: Vec<SchemaTags>,
}

impl TagEdit {
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// A schema's canonical text after the edit; the error names a part that is not there.
    pub(super) fn applied(&self, parsed: &Parsed) -> Result<String, RegistryError> {
        if self.is_empty() {
            return Ok(parsed.canonical.clone());
        }
        if let Some(schema) = parsed.protobuf() {
            return schema.with_tags(&self.protobuf_edits()).map_err(RegistryError::invalid);
        }
        let is_avro = parsed.schema_type() == SchemaType::Avro;
        let mut root: Json = serde_json::from_str(&parsed.canonical)
            .map_err(|error| RegistryError::invalid(format!("the schema's text cannot be changed: {error}")))?;
        for edit in self.add.iter().chain(&self.remove) {
            let entity = &edit.schema_entity;
            let part = if is_avro {
                avro_part(&mut root, entity)
            } else {
                json_part(&mut root, entity)
            };
            let missing = || {
                let path = &entity.entity_path;
                RegistryError::invalid(format!("No matching path '{path}' found in the schema"))
            };
            let part = part.and_then(Json::as_object_mut).ok_or_else(missing)?;
            let mut tags = inline_tags(part.get(TAGS));
            for tag in tags_for(&self.add, entity) {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
            let removed = tags_for(&self.remove, entity);
            tags.retain(|tag| !removed.contains(tag));
            if tags.is_empty() {
                part.shift_remove(TAGS);
            } else {
                part.insert(TAGS.to_owned(), Json::from(tags));
            }
        }
        Ok(root.to_string())
    }

    fn protobuf_edits(&self) -> Vec<protobuf::Edit> {
        let edit = |tags: &SchemaTags| protobuf::Edit {
            path: tags.schema_entity.entity_path.clone(),
            is_field: tags.schema_entity.entity_type == EntityType::Field,
            add: tags_for(&self.add, &tags.schema_entity),
            remove: tags_for(&self.remove, &tags.schema_entity),
        };
        self.add.iter().chain(&self.remove).map(edit).collect()
    }
}

/// The tags that edits name for a part.
fn tags_for(edits: &[SchemaTags], entity: &Entity) -> Vec<String> {
    let here = edits.iter().filter(|other| other.schema_entity == *entity);
    here.flat_map(|other| other.tags.clone()).collect()
}

fn inline_tags(json: Option<&Json>) -> Vec<String> {
    let tags = json.and_then(Json::as_array).into_iter().flatten();
    let text = |tag: &Json| tag.as_str().map_or_else(|| tag.to_string(), str::to_owned);
    tags.map(text).collect()
}

/// Finds a record (`namespace.Record`) or a field of one (`namespace.Record.field`).
fn avro_part<'a>(root: &'a mut Json, entity: &Entity) -> Option<&'a mut Json> {
    let path = entity.entity_path.strip_prefix('.').unwrap_or(&entity.entity_path);
    let (record, field) = match entity.entity_type {
        EntityType::Record => (path, None),
        EntityType::Field => path.rsplit_once('.').map(|(record, field)| (record, Some(field)))?,
    };
    let (namespace, name) = record.rsplit_once('.').unwrap_or(("", record));
    let root_namespace = root.get("namespace").and_then(Json::as_str).map(str::to_owned);
    let mut open = VecDeque::from([root]);
    while let Some(part) = open.pop_front() {
        let is_record = part.get("type").and_then(Json::as_str) == Some("record");
        let has_name = part.get("name").and_then(Json::as_str) == Some(name);
        let own = part
            .get("namespace")
            .and_then(Json::as_str)
            .or(root_namespace.as_deref());
        if is_record && has_name && (namespace.is_empty() || own == Some(namespace)) {
            let Some(field) = field else {
                return Some(part);
            };
            let fields = part.get_mut("fields")?.as_array_mut()?.iter_mut();
            let mut named = fields.filter(|one| one.get("name").and_then(Json::as_str) == Some(field));
            return named.next();
        }
        match part {
            Json::Array(parts) => open.extend(parts),
            Json::Object(object) => {
                let inner = object
                    .iter_mut()
                    .filter(|(key, _)| matches!(key.as_str(), "type" | "fields" | "items" | "values"));
                open.extend(inner.map(|(_, value)| value));
            }
            _ => {}
        }
    }
    None
}

/// Finds a part of a JSON Schema by a path such as `object.property` or `object.list.array.object.property`.
fn json_part<'a>(root: &'a mut Json, entity: &Entity) -> Option<&'a mut Json> {
    let path = entity.entity_path.strip_prefix('.').unwrap_or(&entity.entity_path);
    let mut words: VecDeque<&str> = path.split('.').collect();
    let mut part = root;
    while let Some(word) = words.pop_front() {
        part = match word {
            "object" => {
                let Some(next) = words.front().copied() else {
                    return (entity.entity_type == EntityType::Record).then_some(part);
                };
                let group = match next {
                    "definitions" | "$defs" => {
                        words.pop_front();
                        next
                    }
                    _ => "properties",
                };
                let group = part.get_mut(group)?.as_object_mut()?;
                // A name may hold dots itself.
                let mut name = words.pop_front()?.to_owned();
                while !group.contains_key(&name) {
                    name = format!("{name}.{}", words.pop_front()?);
                }
                group.get_mut(&name)?
            }
            "array" => part.get_mut("items")?,
            "not" => part.get_mut("not")?,
            "anyof" | "allof" | "oneof" => {
                let index: usize = words.pop_front()?.parse().ok()?;
                let list = match word {
                    "anyof" => "anyOf",
                    "allof" => "allOf",
                    _ => "oneOf",
                };
                // A list of types counts as a choice between them.
                if word == "anyof" && part.get(list).is_none() {
                    part
                } else {
                    part.get_mut(list)?.as_array_mut()?.get_mut(index)?
                }
            }
            _ => return None,
        };
    }
    Some(part)
}

/// The parts of a schema that have tags.
pub(super) fn tagged(parsed: &Parsed) -> Vec<SchemaTags> {
    if let Some(schema) = parsed.protobuf() {
        return schema.tagged().into_iter().map(SchemaTags::from).collect();
    }
    let mut found = Vec::new();
    let Ok(root) = serde_json::from_str::<Json>(&parsed.canonical) else {
        return found;
    };
    if parsed.schema_type() == SchemaType::Avro {
        avro_tags(&root, None, &mut found, 0);
    } else {
        json_tags(&root, "", false, &mut found, 0);
    }
    found
}

impl From<protobuf::Tagged> for SchemaTags {
    fn from(tagged: protobuf::Tagged) -> SchemaTags {
        let entity_type = if tagged.is_field {
            EntityType::Field
        } else {
            EntityType::Record
        };
        SchemaTags {
            schema_entity: Entity {
                entity_path: tagged.path,
                entity_type,
            },
            tags: tagged.tags,
        }
    }
}

fn push(found: &mut Vec<SchemaTags>, part: &Json, entity_path: String, entity_type: EntityType) {
    let tags = inline_tags(part.get(TAGS));
    if !tags.is_empty() {
        found.push(SchemaTags {
            schema_entity: Entity {
                entity_path,
                entity_type,
            },
            tags,
        });
    }
}

fn avro_tags(part: &Json, namespace: Option<&str>, found: &mut Vec<SchemaTags>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match part {
        Json::Array(parts) => {
            for part in parts {
                avro_tags(part, namespace, found, depth + 1);
            }
        }
        Json::Object(object) => {
            let namespace = part.get("namespace").and_then(Json::as_str).or(namespace);
            let is_record = part.get("type").and_then(Json::as_str) == Some("record");
            let name = part.get("name").and_then(Json::as_str).filter(|_| is_record);
            if let Some(name) = name {
                let full = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"));
                push(found, part, full.clone(), EntityType::Record);
                for field in part.get("fields").and_then(Json::as_array).into_iter().flatten() {
                    let name = field.get("name").and_then(Json::as_str).unwrap_or_default();
                    push(found, field, format!("{full}.{name}"), EntityType::Field);
                    if let Some(inner) = field.get("type") {
                        avro_tags(inner, namespace, found, depth + 1);
                    }
                }
                return;
            }
            for key in ["type", "items", "values"] {
                if let Some(inner) = object.get(key) {
                    avro_tags(inner, namespace, found, depth + 1);
                }
            }
        }
        _ => {}
    }
}

fn json_tags(part: &Json, scope: &str, in_field: bool, found: &mut Vec<SchemaTags>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    for (key, word) in [("anyOf", "anyof"), ("allOf", "allof"), ("oneOf", "oneof")] {
        let parts = part.get(key).and_then(Json::as_array).into_iter().flatten();
        for (index, part) in parts.enumerate() {
            json_tags(part, &format!("{scope}{word}.{index}."), false, found, depth + 1);
        }
    }
    if let Some(inner) = part.get("items") {
        json_tags(inner, &format!("{scope}array."), false, found, depth + 1);
    }
    if let Some(inner) = part.get("not") {
        json_tags(inner, &format!("{scope}not."), false, found, depth + 1);
    }
    let is_object = part.get("type").and_then(Json::as_str) == Some("object") || part.get("properties").is_some();
    if !is_object {
        return;
    }
    let object = format!("{scope}object");
    if !in_field {
        push(found, part, object.clone(), EntityType::Record);
    }
    let properties = part.get("properties").and_then(Json::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        let path = format!("{object}.{name}");
        push(found, inner, path.clone(), EntityType::Field);
        json_tags(inner, &format!("{path}."), true, found, depth + 1);
    }
    for group in ["definitions", "$defs"] {
        let definitions = part.get(group).and_then(Json::as_object);
        for (name, inner) in definitions.into_iter().flatten() {
            json_tags(inner, &format!("{object}.{group}.{name}."), false, found, depth + 1);
        }
    }
}

impl Subjects {
    /// A request with its tags put into its text.
    pub(super) fn with_tags(&self, subject: &Name, request: &Registration) -> Result<Registration, RegistryError> {
        if request.tags.is_empty() {
            return Ok(request.clone());
        }
        let candidate = self.read_for_tags(subject, request)?;
        Ok(Registration {
            text: request.tags.applied(&candidate.parsed)?,
            references: candidate.references,
            tags: TagEdit::default(),
            version: if request.version == 0 { -1 } else { request.version },
            ..request.clone()
        })
    }

    /// A request with the tags within an earlier version's text put into its own.
    pub(super) fn with_tags_of(
        &self,
        subject: &Name,
        request: Registration,
        earlier: &Stored,
    ) -> Result<Registration, RegistryError> {
        let add = tagged(&*self.parse_stored(subject, earlier)?);
        if add.is_empty() {
            return Ok(request);
        }
        let candidate = self.read_for_tags(subject, &request)?;
        let edit = TagEdit {
            add,
            remove: Vec::new(),
        };
        Ok(Registration {
            text: edit.applied(&candidate.parsed)?,
            ..request
        })
    }

    fn read_for_tags(&self, subject: &Name, request: &Registration) -> Result<Candidate, RegistryError> {
        let config = self.config_in_scope(subject);
        let read = self.canonical(subject, request, &config, false, false)?;
        read.ok_or_else(|| RegistryError::invalid("Empty schema"))
    }

    /// The parts of a stored schema that have one of these tags, or any for `*`.
    pub fn find_tags(
        &self,
        subject: &Name,
        stored: &Stored,
        wanted: &[String],
    ) -> Result<Vec<SchemaTags>, RegistryError> {
        let is_wanted = |part: &SchemaTags| part.tags.iter().any(|tag| wanted.contains(tag));
        let any = wanted.iter().any(|tag| tag == "*");
        let mut found = tagged(&*self.parse_stored(subject, stored)?);
        found.retain(|part| any || is_wanted(part));
        Ok(found)
    }
}
