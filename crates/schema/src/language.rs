//! The three schema languages behind one face: parse a text, give its canonical form, compare it.

use std::collections::BTreeMap;

use crate::difference::{Difference, Policy, Reader};
use crate::{RegistryError, avro, json, logical, protobuf};

/// A schema's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SchemaType {
    #[default]
    Avro,
    Json,
    Protobuf,
}

impl SchemaType {
    /// The name registries use.
    pub fn word(self) -> &'static str {
        match self {
            SchemaType::Avro => "AVRO",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "PROTOBUF",
        }
    }

    pub fn from_word(word: &str) -> Option<SchemaType> {
        [SchemaType::Avro, SchemaType::Json, SchemaType::Protobuf]
            .into_iter()
            .find(|one| one.word() == word)
    }
}

/// The properties of a schema's metadata.
type Properties = BTreeMap<String, String>;

/// A text that is a schema of its language.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The form under which the registry recognises the schema again, and which it hands out.
    pub canonical: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Avro(avro::Schema),
    Json(json::Schema),
    Protobuf(Box<protobuf::Schema>),
}

impl Parsed {
    /// Parses a schema; `references` are name and text of what it refers to, dependencies first.
    pub fn parse(
        schema_type: SchemaType,
        text: &str,
        references: &[(String, String)],
        normalize: bool,
    ) -> Result<Parsed, RegistryError> {
        let invalid = |why: String| RegistryError::invalid_schema(schema_type, &why);
        let (canonical, content) = match schema_type {
            SchemaType::Avro => {
                let schema = avro::Schema::parse(text, references).map_err(|error| invalid(error.to_string()))?;
                if normalize {
                    let canonical = schema.normalized();
                    // What the normal form leaves out, such as a default that no type has, is left out of comparisons.
                    let normal = avro::Schema::parse(&canonical, references).unwrap_or(schema);
                    (canonical, Content::Avro(normal))
                } else {
                    (schema.canonical(), Content::Avro(schema))
                }
            }
            SchemaType::Json => {
                let schema = json::Schema::parse(text, references).map_err(invalid)?;
                let canonical = if normalize {
                    schema.normalized()
                } else {
                    schema.canonical()
                };
                (canonical, Content::Json(schema))
            }
            SchemaType::Protobuf => {
                let schema = protobuf::Schema::parse(text, references).map_err(invalid)?;
                let canonical = if normalize {
                    schema.normalized()
                } else {
                    schema.canonical()
                };
                (canonical, Content::Protobuf(Box::new(schema)))
            }
        };
        Ok(Parsed { canonical, content })
    }

    /// What a registry checks of a new schema only, not of one that is looked up or was stored earlier.
    pub fn check_new(&self) -> Result<(), RegistryError> {
        match &self.content {
            Content::Avro(schema) => schema
                .check_defaults()
                .map_err(|error| RegistryError::invalid_schema(SchemaType::Avro, &error.to_string())),
            Content::Json(_) | Content::Protobuf(_) => Ok(()),
        }
    }

    pub fn schema_type(&self) -> SchemaType {
        match &self.content {
            Content::Avro(_) => SchemaType::Avro,
            Content::Json(_) => SchemaType::Json,
            Content::Protobuf(_) => SchemaType::Protobuf,
        }
    }

    pub(crate) fn protobuf(&self) -> Option<&protobuf::Schema> {
        match &self.content {
            Content::Protobuf(schema) => Some(schema),
            Content::Avro(_) | Content::Json(_) => None,
        }
    }

    /// The names of the fields at the schema's top, which metadata can reserve.
    pub(crate) fn field_names(&self) -> Vec<String> {
        match &self.content {
            Content::Avro(schema) => match &schema.node(schema.root()).kind {
                avro::Kind::Record(record) => record.fields.iter().map(|field| field.name.clone()).collect(),
                _ => Vec::new(),
            },
            Content::Json(schema) => schema.property_names().map(str::to_owned).collect(),
            Content::Protobuf(schema) => schema.field_names(),
        }
    }

    /// The text in a form that a client asked for by `format`; words that mean nothing here give the usual text.
    pub fn formatted(&self, format: &str) -> String {
        match (&self.content, format) {
            (Content::Avro(schema), "resolved") => schema.resolved(),
            (Content::Protobuf(schema), "serialized") => schema.serialized(),
            (Content::Protobuf(schema), "ignore_extensions") => schema.without_extensions(),
            _ => self.canonical.clone(),
        }
    }

    /// The schema as a data definition, which `format=logical` asks for. `properties` are those of its metadata.
    pub fn definition(&self, properties: Option<&Properties>) -> Result<String, RegistryError> {
        let definition = logical::definition(self.tables(properties));
        definition.map_err(|why| {
            RegistryError::new(
                42201,
                format!("Stored schema cannot be represented as a logical type: {why}"),
            )
        })
    }

    /// The record type's full name, by which some subjects are named. `indexes` are those that choose a Protobuf message.
    pub fn record_name(&self, indexes: &[u8]) -> Result<Option<String>, String> {
        match &self.content {
            Content::Avro(schema) => Ok(schema.node(schema.root()).kind.name().map(avro::Name::full)),
            Content::Json(_) => {
                let json: serde_json::Value = serde_json::from_str(&self.canonical).unwrap_or_default();
                let title = json.get("title").and_then(|title| title.as_str());
                Ok(title.map(str::to_owned))
            }
            Content::Protobuf(schema) => schema.message_at(indexes).map(Some),
        }
    }

    /// Decodes a payload; the error says why it does not fit. `indexes` are those of a Protobuf message that do not stand
    /// before the payload.
    pub fn check_payload(&self, indexes: Option<&[u8]>, behind: &[u8]) -> Result<(), String> {
        match (&self.content, indexes) {
            (Content::Avro(schema), _) => schema.check_payload(behind),
            (Content::Json(schema), _) => schema.check_payload(behind),
            (Content::Protobuf(schema), None) => schema.check_payload(behind),
            (Content::Protobuf(schema), Some(indexes)) => schema.check_payload(&[indexes, behind].concat()),
        }
    }

    fn tables<'a>(&'a self, properties: Option<&'a Properties>) -> logical::Schema<'a> {
        match &self.content {
            Content::Avro(schema) => logical::Schema::Avro(schema, properties),
            Content::Json(schema) => logical::Schema::Json(schema),
            Content::Protobuf(schema) => logical::Schema::Protobuf(schema),
        }
    }

    /// Why the schema has no place in tables, which the policy LOGICAL asks of a new one: a registry's messages.
    /// `properties` are those of its metadata.
    pub fn logical_problems(&self, properties: Option<&Properties>) -> Vec<String> {
        logical::invalid(self.tables(properties))
    }

    /// Why tables of this schema cannot hold what `writer` wrote: a registry's messages. Each with the properties of its
    /// metadata.
    pub(crate) fn logical_changes(
        &self,
        properties: Option<&Properties>,
        (writer, before): (&Parsed, Option<&Properties>),
        is: Reader,
    ) -> Vec<String> {
        logical::incompatible(self.tables(properties), writer.tables(before), is)
    }

    /// All reasons why this schema cannot read what `writer` wrote; none if it can. Both are of one language.
    pub fn compare(&self, writer: &Parsed, is: Reader, policy: Policy) -> Vec<Difference> {
        match (&self.content, &writer.content) {
            (Content::Avro(reader), Content::Avro(writer)) => avro::compare(reader, writer, is, policy),
            (Content::Json(reader), Content::Json(writer)) => json::compare(reader, writer, is, policy),
            (Content::Protobuf(reader), Content::Protobuf(writer)) => protobuf::compare(reader, writer, is, policy),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Parsed, SchemaType};

    #[test]
    fn fields_of_each_language() {
        for (schema_type, text) in [
            (
                SchemaType::Avro,
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}"#,
            ),
            (
                SchemaType::Json,
                r#"{"type":"object","properties":{"a":{"type":"string"},"b":true}}"#,
            ),
            (
                SchemaType::Protobuf,
                "syntax = \"proto3\"; message M { string a = 1; int32 b = 2; } message N { string c = 1; }",
            ),
        ] {
            let parsed = Parsed::parse(schema_type, text, &[], false).unwrap();
            assert_eq!(parsed.field_names(), ["a", "b"], "{text}");
        }
        let parsed = Parsed::parse(SchemaType::Avro, "\"int\"", &[], false).unwrap();
        assert!(parsed.field_names().is_empty());
    }
}
