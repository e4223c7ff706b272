//! Whether a record's bytes are of a schema that is registered for them, for topics that demand it.

use schema::validation::{Framed, Part, SchemaName, Validation};

use super::Registry;
use schema::{Parsed, RegistryError};
use std::sync::Arc;

impl Registry {
    fn parsed(&self, id: i32) -> Result<Arc<Parsed>, RegistryError> {
        self.read(|subjects| {
            let stored = subjects
                .schema(id)
                .ok_or_else(|| RegistryError::schema_id_not_found(id))?;
            let references = subjects.resolve(&stored.references)?;
            Parsed::parse(stored.schema_type, &stored.text, &references, false).map(Arc::new)
        })
    }

    /// Checks a key or value as a topic demands; the error says what is wrong and what would be right.
    pub fn check_record(
        &self,
        topic: &str,
        part: Part,
        demanded: Validation,
        bytes: &[u8],
        header: Option<&[u8]>,
    ) -> Result<(), String> {
        let framed = Framed::read(bytes, header)?;
        let (id, parsed) = match framed.schema {
            SchemaName::Id(id) => (id, self.parsed(id)),
            SchemaName::Guid(guid) => {
                let id = self.read(|subjects| subjects.schema_by_guid(guid).map(|stored| stored.id));
                let id = id.ok_or_else(|| format!("no schema with the GUID {guid} is registered"))?;
                (id, self.parsed(id))
            }
        };
        let parsed = parsed.map_err(|error| error.message)?;
        let name = parsed.record_name(framed.indexes.unwrap_or(framed.payload))?;
        let subject = demanded
            .strategy
            .subject(topic, part, name.as_deref())
            .ok_or_else(|| format!("schema {id} has no name, which the topic's strategy needs for the subject"))?;
        let is_registered = self.read(|subjects| subjects.uses(id, false).iter().any(|(used, _)| **used == subject));
        if !is_registered {
            return Err(format!("schema {id} is not registered under subject `{subject}`"));
        }
        if demanded.payload {
            parsed
                .check_payload(framed.indexes, framed.payload)
                .map_err(|why| format!("it cannot be decoded by schema {id}: {why}"))?;
        }
        Ok(())
    }
}
