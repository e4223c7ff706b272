//! IncrementalAlterConfigs: changes single settings of a topic, a broker, a group.

use std::collections::HashSet;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use wire::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use super::Context;
use super::alter_configs::{set, settings_now};
use crate::Broker;
use crate::errors::Refusal;
use crate::settings::{self, Resource};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut seen = HashSet::new();
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let (kind, name) = (resource.resource_type, resource.resource_name.clone());
        let outcome = if seen.insert((kind, name.clone())) {
            alter(&broker, resource, request.validate_only).await
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
    IncrementalAlterConfigsResponse {
        responses,
        ..IncrementalAlterConfigsResponse::default()
    }
}

async fn alter(broker: &Broker, resource: AlterConfigsResource, dry: bool) -> Result<(), Refusal> {
    let _altering = broker.altering.lock().await;
    let (kind, before) = settings_now(broker, resource.resource_type, &resource.resource_name)?;
    let mut wanted = before.clone();
    let mut named = HashSet::new();
    for config in resource.configs {
        let name = config.name.clone();
        if !named.insert(name.clone()) {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                format!("setting `{name}` is named twice"),
            ));
        }
        let now = wanted.remove(&name);
        if let Some(value) = changed(broker, kind, config, now)? {
            wanted.insert(name, value);
        }
    }
    set(broker, kind, &resource.resource_name, &before, wanted, dry).await
}

/// What one setting becomes; `None` for not set.
fn changed(
    broker: &Broker,
    kind: Resource,
    config: AlterableConfig,
    now: Option<String>,
) -> Result<Option<String>, Refusal> {
    let name = config.name;
    if config.config_operation == DELETE {
        return Ok(None);
    }
    let Some(value) = config.value else {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!("Null value not supported for : {name}"),
        ));
    };
    match config.config_operation {
        SET => Ok(Some(value)),
        APPEND | SUBTRACT => {
            let verb = if config.config_operation == APPEND {
                "APPEND"
            } else {
                "SUBTRACT"
            };
            if !settings::kind_of(kind, &name).is_some_and(|kind| kind.is_list()) {
                let why = format!("Can't {verb} to key {name} because its type is not LIST.");
                return Err(Refusal::new(ErrorCode::InvalidConfig, why));
            }
            // A list that is not set starts from what holds now.
            let default = holds_now(broker, kind, &name);
            let current = now.or(default).unwrap_or_default();
            let mut items: Vec<&str> = settings::items(&current).collect();
            let given: Vec<&str> = settings::items(&value).collect();
            if config.config_operation == APPEND {
                items.extend(
                    given
                        .into_iter()
                        .filter(|item| !current.split(',').any(|had| had.trim() == *item)),
                );
            } else {
                items.retain(|item| !given.contains(item));
            }
            Ok(Some(items.join(",")))
        }
        other => Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!("there is no alter operation {other}"),
        )),
    }
}

/// What a setting is that the resource does not set itself.
fn holds_now(broker: &Broker, kind: Resource, name: &str) -> Option<String> {
    let effective = broker.effective();
    let shown = match kind {
        Resource::Topic => settings::describe_topic(&effective, &Default::default()),
        Resource::Broker => return settings::server_setting(name)?.value_in(&effective.options),
        Resource::Group | Resource::ClientMetrics => settings::describe_small(kind, &effective, &Default::default()),
    };
    shown.into_iter().find(|shown| shown.name == name)?.value
}
