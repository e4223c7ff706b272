//! AlterClientQuotas: sets and removes quotas; each entity for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::messages::alter_client_quotas_request::{self as asked, AlterClientQuotasRequest};
use wire::messages::alter_client_quotas_response::{AlterClientQuotasResponse, EntityData, EntryData};

use super::Context;
use crate::Broker;
use crate::errors::{self, Refusal};
use crate::quotas::Entity;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let mut entries = Vec::with_capacity(request.entries.len());
    // From reading an entity's quotas to storing them changed nobody else may.
    let _altering = broker.altering.lock().await;
    for entry in request.entries {
        let entity = entry.entity.iter().map(|part| EntityData {
            entity_type: part.entity_type.clone(),
            entity_name: part.entity_name.clone(),
        });
        let mut answer = EntryData {
            entity: entity.collect(),
            error_message: None,
            ..EntryData::default()
        };
        if let Err(refusal) = alter(&broker, entry, request.validate_only).await {
            answer.error_code = refusal.code.code();
            answer.error_message = Some(refusal.message);
        }
        entries.push(answer);
    }
    AlterClientQuotasResponse {
        entries,
        ..AlterClientQuotasResponse::default()
    }
}

async fn alter(broker: &Broker, entry: asked::EntryData, dry: bool) -> Result<(), Refusal> {
    let parts = entry
        .entity
        .into_iter()
        .map(|part| (part.entity_type, part.entity_name));
    let entity = Entity::checked(parts)?;
    let mut values: BTreeMap<_, _> = broker
        .quotas
        .look(|book| book.entries.get(&entity).cloned())
        .unwrap_or_default();
    for op in entry.ops {
        if op.remove {
            values.remove(&entity.check(&op.key, None)?);
        } else {
            values.insert(entity.check(&op.key, Some(op.value))?, op.value);
        }
    }
    if dry {
        return Ok(());
    }
    let stored = broker.quotas.put(&broker.catalog, entity, values).await;
    stored.map_err(|error| Refusal::new(errors::of_catalog(&error), error.to_string()))
}
