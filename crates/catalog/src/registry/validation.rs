//! Whether a record's bytes are of a schema that is registered for them, for topics that demand it.

use std::sync::Arc;

use schema::subjects::{Lookup, Name};
use schema::validation::{Framed, Part, SchemaName, Validation};
use schema::{Parsed, RegistryError};

use super::Registry;

impl Registry {
    /// The schema that a record names, and its parse.
    fn named(&self, name: &SchemaName) -> Result<(Lookup, Arc<Parsed>), RegistryError> {
        self.read(|subjects| {
            let found = match name {
                SchemaName::Id(id) => subjects
                    .schema(*id, &Name::top())
                    .ok_or_else(|| RegistryError::schema_id_not_found(id))?,
                SchemaName::Guid(guid) => subjects.schema_by_guid(*guid).ok_or_else(|| {
                    RegistryError::new(40403, format!("no schema with the GUID {guid} is registered"))
                })?,
            };
            let parsed = subjects.parse_stored(&found.subject, &found.schema)?;
            Ok((found, parsed))
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
        let (found, parsed) = self.named(&framed.schema).map_err(|error| error.message)?;
        let id = found.schema.id;
        let name = parsed.record_name(framed.indexes.unwrap_or(framed.payload))?;
        let subject = demanded
            .strategy
            .subject(topic, part, name.as_deref())
            .ok_or_else(|| format!("schema {id} has no name, which the topic's strategy needs for the subject"))?;
        let wanted = found.subject.context_of().relative(&subject);
        let is_registered = self.read(|subjects| subjects.is_registered(id, &wanted));
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
