//! Avro's binary form, read straight into rows and written straight from them.

pub(crate) mod mapping;
pub(crate) mod read;
pub(crate) mod write;

use std::sync::Arc;

use client::RegisteredSchema;
use schema::avro::Schema;

/// How deep values may nest.
pub(crate) const DEPTH_MAX: u32 = 64;

/// The registry's schema, parsed.
pub(crate) fn parse(registered: &RegisteredSchema) -> Result<Arc<Schema>, String> {
    let references: Vec<(String, String)> = registered
        .references
        .iter()
        .map(|(name, text)| (name.clone(), text.to_string()))
        .collect();
    Schema::parse(&registered.text, &references)
        .map(Arc::new)
        .map_err(|error| format!("schema {} cannot be parsed: {error}", registered.id))
}
