//! What a registry answers instead of a result: Confluent's codes and wording.

use crate::SchemaType;
use crate::subjects::Name;

/// Messages repeat at most this much of what a client sent.
const QUOTED_CHARS_MAX: usize = 10 * 1024;

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

    pub fn subject_not_found(subject: impl std::fmt::Display) -> RegistryError {
        RegistryError::new(40401, format!("Subject '{subject}' not found."))
    }

    pub fn version_not_found(version: i32) -> RegistryError {
        RegistryError::new(40402, format!("Version {version} not found."))
    }

    pub fn schema_not_found() -> RegistryError {
        RegistryError::new(40403, "Schema not found")
    }

    pub fn schema_id_not_found(id: impl std::fmt::Display) -> RegistryError {
        RegistryError::new(40403, format!("Schema {id} not found"))
    }

    pub fn subject_soft_deleted(subject: &Name) -> RegistryError {
        let message = format!("Subject '{subject}' was soft deleted.Set permanent=true to delete permanently");
        RegistryError::new(40404, message)
    }

    pub fn subject_not_soft_deleted(subject: &Name) -> RegistryError {
        let message = format!("Subject '{subject}' was not deleted first before being permanently deleted");
        RegistryError::new(40405, message)
    }

    pub fn version_soft_deleted(subject: &Name, version: i32) -> RegistryError {
        let message =
            format!("Subject '{subject}' Version {version} was soft deleted.Set permanent=true to delete permanently");
        RegistryError::new(40406, message)
    }

    pub fn version_not_soft_deleted(subject: &Name, version: i32) -> RegistryError {
        let message =
            format!("Subject '{subject}' Version {version} was not deleted first before being permanently deleted");
        RegistryError::new(40407, message)
    }

    pub fn no_own_config(subject: &Name) -> RegistryError {
        let message = format!("Subject '{subject}' does not have subject-level compatibility configured");
        RegistryError::new(40408, message)
    }

    pub fn no_own_mode(subject: &Name) -> RegistryError {
        let message = format!("Subject '{subject}' does not have subject-level mode configured");
        RegistryError::new(40409, message)
    }

    /// A text its language does not take.
    pub fn invalid_schema(schema_type: SchemaType, why: &str) -> RegistryError {
        RegistryError::invalid(format!("Invalid schema of type {}, details: {why}", schema_type.word()))
    }

    /// A schema that cannot be taken, in a sentence of its own.
    pub fn invalid(message: impl Into<String>) -> RegistryError {
        RegistryError::new(42201, message)
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
            40901,
            format!(
                "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{details}]"
            ),
        )
    }

    pub fn invalid_level() -> RegistryError {
        RegistryError::new(
            42203,
            "Invalid compatibility level. Valid values are none, backward, forward, full, \
             backward_transitive, forward_transitive, and full_transitive",
        )
    }

    pub fn invalid_mode() -> RegistryError {
        RegistryError::new(
            42204,
            "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.",
        )
    }

    /// Something the mode, or another state, does not permit.
    pub fn not_permitted(message: impl Into<String>) -> RegistryError {
        RegistryError::new(42205, message)
    }

    pub fn read_only(subject: &Name) -> RegistryError {
        let context = subject.qualified_context();
        RegistryError::not_permitted(format!("Subject {subject} in context {context} is in read-only mode"))
    }

    /// A version, or whatever else `what` names, that others refer to.
    pub fn reference_exists(what: &str) -> RegistryError {
        RegistryError::new(42206, format!("One or more references exist to the schema {what}."))
    }

    pub fn version_referenced(subject: &Name, version: i32) -> RegistryError {
        RegistryError::reference_exists(&format!(
            "{{magic=1,keytype=SCHEMA,subject={subject},version={version}}}"
        ))
    }

    pub fn invalid_subject(subject: &str) -> RegistryError {
        RegistryError::new(42208, format!("The specified subject '{subject}' is not a valid."))
    }

    pub fn schema_too_large() -> RegistryError {
        RegistryError::new(42209, "Register operation failed because schema is too large")
    }

    pub fn invalid_rule_set(why: &str) -> RegistryError {
        RegistryError::new(42210, why)
    }

    pub fn context_not_empty(context: &Name) -> RegistryError {
        RegistryError::new(42211, format!("The specified context '{context}' is not empty."))
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

/// As much of a client's text as a message repeats.
pub fn quoted(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(QUOTED_CHARS_MAX)
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}
