//! Records of topics that demand schemas: each key and value is shown to the registry before it is taken.

use bytes::Bytes;
use schema::validation::Part;

use crate::Broker;
use crate::settings::TopicSettings;

/// A record's parts that may be of a schema.
pub(crate) struct Parts<'a> {
    pub(crate) key: Option<&'a Bytes>,
    pub(crate) value: Option<&'a Bytes>,
    pub(crate) headers: &'a [(Bytes, Option<Bytes>)],
}

impl TopicSettings {
    pub(crate) fn demands_schemas(&self) -> bool {
        self.key_validation.is_on() || self.value_validation.is_on()
    }
}

impl Broker {
    /// Checks a record as its topic demands; the error says which part is wrong and why.
    pub(crate) fn check_schemas(
        &self,
        topic: &str,
        settings: &TopicSettings,
        record: &Parts<'_>,
    ) -> Result<(), String> {
        let Some(registry) = self.registry.get() else {
            return Err("the topic demands schemas, but this broker has no registry to ask".to_owned());
        };
        for (part, demanded, bytes) in [
            (Part::Key, settings.key_validation, record.key),
            (Part::Value, settings.value_validation, record.value),
        ] {
            // Nothing is of no schema: a tombstone must be possible.
            let Some(bytes) = bytes.filter(|_| demanded.is_on()) else {
                continue;
            };
            let named = record.headers.iter().find(|(name, _)| name == part.header());
            let header = named.and_then(|(_, value)| value.as_deref());
            registry
                .check_record(topic, part, demanded, bytes, header)
                .map_err(|why| format!("the {}: {why}", part.word()))?;
        }
        Ok(())
    }
}
