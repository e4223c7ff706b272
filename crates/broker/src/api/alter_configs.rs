//! AlterConfigs: replaces all settings of a topic, a broker, a group. Old tools use it; new ones change single settings.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::alter_configs_request::{AlterConfigsRequest, AlterConfigsResource};
use wire::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

use super::Context;
use crate::errors::Refusal;
use crate::settings::{self, Resource};
use crate::{Broker, errors};

pub(crate) async fn handle(broker: Arc<Broker>, _: Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut seen = HashSet::new();
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let (kind, name) = (resource.resource_type, resource.resource_name.clone());
        let outcome = if seen.insert((kind, name.clone())) {
            replace(&broker, resource, request.validate_only).await
        } else {
            Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "the request names this resource twice".to_owned(),
            ))
        };
        let (error, error_message) = match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        };
        responses.push(AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message,
            resource_type: kind,
            resource_name: name,
        });
    }
    AlterConfigsResponse {
        responses,
        ..AlterConfigsResponse::default()
    }
}

async fn replace(broker: &Broker, resource: AlterConfigsResource, dry: bool) -> Result<(), Refusal> {
    let _altering = broker.altering.lock().await;
    let (kind, now) = settings_now(broker, resource.resource_type, &resource.resource_name)?;
    let mut wanted = BTreeMap::new();
    for config in resource.configs {
        let Some(value) = config.value else {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                format!("Null value not supported for : {}", config.name),
            ));
        };
        if wanted.insert(config.name.clone(), value).is_some() {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                format!("setting `{}` is named twice", config.name),
            ));
        }
    }
    set(broker, kind, &resource.resource_name, &now, wanted, dry).await
}

/// What kind of resource it is and what is set for it; refuses resources whose settings cannot be changed.
pub(super) fn settings_now(
    broker: &Broker,
    resource_type: i8,
    name: &str,
) -> Result<(Resource, BTreeMap<String, String>), Refusal> {
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    match Resource::of_code(resource_type) {
        Some(Resource::Topic) => match broker.catalog.topic(name) {
            Some(topic) => Ok((Resource::Topic, topic.settings.clone())),
            None => refuse(
                ErrorCode::UnknownTopicOrPartition,
                format!("The topic '{name}' does not exist."),
            ),
        },
        Some(Resource::Broker) if !name.is_empty() && !broker.is_node(name) => {
            let node = broker.options.node_id;
            let why = format!("Unexpected broker id, expected {node} or empty string, but received {name}");
            refuse(ErrorCode::InvalidRequest, why)
        }
        Some(kind @ (Resource::Group | Resource::ClientMetrics)) if name.is_empty() => refuse(
            ErrorCode::InvalidRequest,
            format!("{} names must not be empty", kind.word()),
        ),
        Some(kind) => Ok((kind, broker.catalog.settings_of(kind.word(), name))),
        None => {
            let why = format!("settings of resource type {resource_type} are not served by this broker");
            refuse(ErrorCode::InvalidRequest, why)
        }
    }
}

/// Checks and stores settings, and puts them in force.
pub(super) async fn set(
    broker: &Broker,
    kind: Resource,
    name: &str,
    now: &BTreeMap<String, String>,
    wanted: BTreeMap<String, String>,
    dry: bool,
) -> Result<(), Refusal> {
    match kind {
        Resource::Topic => settings::check_topic(&wanted, &broker.effective())?,
        Resource::Broker => check_broker(name, now, &wanted)?,
        Resource::Group | Resource::ClientMetrics => settings::check_small(kind, &wanted, &broker.effective())?,
    }
    if dry {
        return Ok(());
    }
    let refuse = |error: catalog::CatalogError| Refusal::new(errors::of_catalog(&error), error.to_string());
    if kind == Resource::Topic {
        let topic = broker.catalog.set_settings(name, wanted).await.map_err(refuse)?;
        broker.apply_segment_limits_of(&topic);
        return Ok(());
    }
    let stored = broker.catalog.put_settings_of(kind.word(), name, &wanted).await;
    stored.map_err(refuse)?;
    match (kind, &broker.telemetry) {
        (Resource::Broker, _) => broker.refresh(),
        (Resource::ClientMetrics, Some(telemetry)) => telemetry.refresh(&broker.catalog),
        _ => {}
    }
    Ok(())
}

/// Only what changes is looked at: what stands was allowed once.
fn check_broker(name: &str, now: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let for_one = !name.is_empty();
    let changed = wanted
        .iter()
        .filter(|(setting, value)| now.get(*setting) != Some(value));
    for (setting, value) in changed {
        settings::may_be_altered(setting, Some(value), for_one)?;
    }
    for setting in now.keys().filter(|setting| !wanted.contains_key(*setting)) {
        settings::may_be_altered(setting, None, for_one)?;
    }
    Ok(())
}
