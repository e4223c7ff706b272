//! AlterConfigs: replaces all settings of a topic. Old tools use it; new ones change single settings.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::alter_configs_request::{AlterConfigsRequest, AlterConfigsResource};
use wire::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

use super::Context;
use super::describe_configs::{RESOURCE_BROKER, RESOURCE_TOPIC};
use crate::errors::Refusal;
use crate::{Broker, errors, settings};

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
    topic_settings(broker, resource.resource_type, &resource.resource_name)?;
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
    set(broker, &resource.resource_name, wanted, dry).await
}

/// The settings a topic has now; refuses resources whose settings cannot be changed.
pub(super) fn topic_settings(
    broker: &Broker,
    resource_type: i8,
    name: &str,
) -> Result<BTreeMap<String, String>, Refusal> {
    match resource_type {
        RESOURCE_TOPIC => match broker.catalog.topic(name) {
            Some(topic) => Ok(topic.settings.clone()),
            None => {
                let why = format!("The topic '{name}' does not exist.");
                Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, why))
            }
        },
        RESOURCE_BROKER => {
            let why = "the broker's settings are given at start and cannot be changed by clients".to_owned();
            Err(Refusal::new(ErrorCode::InvalidRequest, why))
        }
        other => {
            let why = format!("settings of resource type {other} are not served by this broker");
            Err(Refusal::new(ErrorCode::InvalidRequest, why))
        }
    }
}

/// Checks and stores a topic's settings.
pub(super) async fn set(
    broker: &Broker,
    name: &str,
    wanted: BTreeMap<String, String>,
    dry: bool,
) -> Result<(), Refusal> {
    settings::check(&wanted)?;
    if dry {
        return Ok(());
    }
    let refuse = |error: catalog::CatalogError| Refusal::new(errors::of_catalog(&error), error.to_string());
    broker
        .catalog
        .set_settings(name, wanted)
        .await
        .map(drop)
        .map_err(refuse)
}
