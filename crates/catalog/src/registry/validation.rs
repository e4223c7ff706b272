//! Whether a record's bytes are of a schema that is registered for them, for topics that demand it.

use schema::RegistryError;
use schema::subjects::Name;
use schema::validation::{Framed, Part, SchemaName, Validation};

use super::Registry;

impl Registry {
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
        let state = self.state();
        let found = match framed.schema {
            SchemaName::Id(id) => state.schema(id, &Name::top()),
            SchemaName::Guid(guid) => state.schema_by_guid(guid),
        };
        let found = found.ok_or_else(|| format!("{} is not registered", framed.schema))?;
        let said = |error: RegistryError| error.message;
        let parsed = state.parse_stored(&found.subject, &found.schema).map_err(said)?;
        let id = found.schema.id;
        let name = parsed.record_name(framed.indexes.unwrap_or(framed.payload))?;
        let subject = demanded.strategy.subject(topic, part, name.as_deref());
        let subject = subject
            .ok_or_else(|| format!("schema {id} has no name, which the topic's strategy needs for the subject"))?;
        let wanted = Name::parse(&subject);
        let uses = state.uses(id, &wanted, false).unwrap_or_default();
        if !uses.iter().any(|(used, _)| *used == wanted) {
            return Err(format!("schema {id} is not registered under subject `{subject}`"));
        }
        if demanded.payload {
            let checked = parsed.check_payload(framed.indexes, framed.payload);
            checked.map_err(|why| format!("it cannot be decoded by schema {id}: {why}"))?;
        }
        Ok(())
    }
}
