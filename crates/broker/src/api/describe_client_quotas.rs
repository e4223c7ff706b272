//! DescribeClientQuotas: which quotas there are, by whom they are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_client_quotas_request::{ComponentData, DescribeClientQuotasRequest};
use wire::messages::describe_client_quotas_response::{DescribeClientQuotasResponse, EntityData, EntryData, ValueData};

use super::Context;
use crate::Broker;
use crate::errors::Refusal;
use crate::quotas::{ADDRESS, CLIENT, Entity, USER};

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// What a name in an entity has to be.
enum Wanted {
    Named(String),
    Default,
    Any,
}

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let wanted = match filter(request.components) {
        Ok(wanted) => wanted,
        Err(refusal) => {
            return DescribeClientQuotasResponse {
                error_code: refusal.code.code(),
                error_message: Some(refusal.message),
                entries: None,
                ..DescribeClientQuotasResponse::default()
            };
        }
    };
    let is_wanted = |entity: &Entity| {
        let holds = |(kind, wanted): (&String, &Wanted)| match (entity.0.get(kind), wanted) {
            (Some(_), Wanted::Any) | (Some(None), Wanted::Default) => true,
            (Some(Some(name)), Wanted::Named(wanted)) => name == wanted,
            _ => false,
        };
        wanted.iter().all(holds) && (!request.strict || entity.0.len() == wanted.len())
    };
    let entries = broker.quotas.look(|book| {
        let found = book.entries.iter().filter(|(entity, _)| is_wanted(entity));
        let described = found.map(|(entity, values)| EntryData {
            entity: entity.0.iter().map(described).collect(),
            values: values
                .iter()
                .map(|(kind, value)| ValueData {
                    key: kind.key().to_owned(),
                    value: *value,
                })
                .collect(),
        });
        described.collect()
    });
    DescribeClientQuotasResponse {
        entries: Some(entries),
        ..DescribeClientQuotasResponse::default()
    }
}

fn described((kind, name): (&String, &Option<String>)) -> EntityData {
    EntityData {
        entity_type: kind.clone(),
        entity_name: name.clone(),
    }
}

fn filter(components: Vec<ComponentData>) -> Result<BTreeMap<String, Wanted>, Refusal> {
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    let mut wanted = BTreeMap::new();
    for component in components {
        let kind = component.entity_type;
        if kind.is_empty() {
            return refuse(
                ErrorCode::InvalidRequest,
                "Unexpected empty filter component type".to_owned(),
            );
        }
        if ![USER, CLIENT, ADDRESS].contains(&kind.as_str()) {
            return refuse(ErrorCode::UnsupportedVersion, format!("Unsupported entity type {kind}"));
        }
        let is = match (component.match_type, component.match_value) {
            (EXACT, Some(name)) => Wanted::Named(name),
            (DEFAULT, None) => Wanted::Default,
            (ANY, None) => Wanted::Any,
            (EXACT | DEFAULT | ANY, _) => {
                return refuse(
                    ErrorCode::InvalidRequest,
                    "a name goes with an exact match only".to_owned(),
                );
            }
            (other, _) => {
                return refuse(ErrorCode::InvalidRequest, format!("Unexpected match type {other}"));
            }
        };
        if wanted.insert(kind.clone(), is).is_some() {
            let why = format!("Entity type {kind} cannot appear more than once in the filter.");
            return refuse(ErrorCode::InvalidRequest, why);
        }
    }
    if wanted.contains_key(ADDRESS) && wanted.len() > 1 {
        let why = "Invalid entity filter component combination. IP filter component should not be used with user or \
                   clientId filter component.";
        return refuse(ErrorCode::InvalidRequest, why.to_owned());
    }
    Ok(wanted)
}
