//! What a registry answers instead of a result: Confluent's codes and wording.

use crate::SchemaType;

/// An error with the code a registry's clients know. The first three digits are the HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; error code: {code}")]
pub struct RegistryError {
    pub code: i32,
    pub message: String,
}

impl RegistryError {
    pub fn new(code: i32, message: impl Into<String>) -> RegistryError {
        RegistryError {
            code,
            message: message.into(),
        }
    }

    pub fn subject_not_found(subject: &str) -> RegistryError {
        RegistryError::new(40401, format!("Subject '{subject}' not found."))
    }

    pub fn version_not_found(version: i32) -> RegistryError {
        RegistryError::new(40402, format!("Version {version} not found."))
    }

    pub fn schema_not_found() -> RegistryError {
        RegistryError::new(40403, "Schema not found")
    }

    pub fn schema_id_not_found(id: i32) -> RegistryError {
        RegistryError::new(40403, format!("Schema {id} not found"))
    }

    pub fn invalid_schema(schema_type: SchemaType, why: &str) -> RegistryError {
        RegistryError::new(42201, format!("Invalid schema of type {}: {why}", schema_type.word()))
    }

    pub fn invalid_version(version: &str) -> RegistryError {
        let rule = "Allowed values are between [1, 2^31-1] and the string \"latest\"";
        RegistryError::new(
            42202,
            format!("The specified version '{version}' is not a valid version id. {rule}"),
        )
    }

    pub fn incompatible(subject: &str, messages: &[String]) -> RegistryError {
        let details = messages.join(", ");
        RegistryError::new(
            409,
            format!(
                "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{details}]"
            ),
        )
    }

    pub fn invalid_level(level: &str) -> RegistryError {
        RegistryError::new(
            42203,
            format!(
                "Invalid compatibility level `{level}`. Valid values are none, backward, forward, full, \
                 backward_transitive, forward_transitive, and full_transitive"
            ),
        )
    }

    pub fn store(why: impl std::fmt::Display) -> RegistryError {
        RegistryError::new(50001, format!("Error in the backend data store: {why}"))
    }

    /// The HTTP status that goes with the code.
    pub fn status(&self) -> u16 {
        let digits = if self.code < 1000 { self.code } else { self.code / 100 };
        u16::try_from(digits).unwrap_or(500)
    }
}
