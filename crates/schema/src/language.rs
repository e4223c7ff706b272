//! The three schema languages behind one face: parse a text, give its canonical form.

use crate::RegistryError;
use crate::avro::Schema as AvroSchema;
use crate::protobuf;

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

/// A text that is a schema of its language.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The form under which the registry recognises the schema again, and which it hands out.
    pub canonical: String,
    /// The Avro types; the other languages are kept as text.
    pub avro: Option<AvroSchema>,
}

impl Parsed {
    /// Parses a schema; `references` are name and text of what it refers to, dependencies first.
    pub fn parse(
        schema_type: SchemaType,
        text: &str,
        references: &[(String, String)],
    ) -> Result<Parsed, RegistryError> {
        let invalid = |why: String| RegistryError::invalid_schema(schema_type, &why);
        match schema_type {
            SchemaType::Avro => {
                let schema = AvroSchema::parse(text, references).map_err(|error| invalid(error.to_string()))?;
                Ok(Parsed {
                    canonical: schema.canonical(),
                    avro: Some(schema),
                })
            }
            SchemaType::Json => {
                let json: serde_json::Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
                if !json.is_object() && !json.is_boolean() {
                    return Err(invalid("a JSON Schema is an object or a boolean".to_owned()));
                }
                Ok(Parsed {
                    canonical: json.to_string(),
                    avro: None,
                })
            }
            SchemaType::Protobuf => {
                protobuf::descriptor(text).map_err(invalid)?;
                Ok(Parsed {
                    canonical: text.to_owned(),
                    avro: None,
                })
            }
        }
    }
}
