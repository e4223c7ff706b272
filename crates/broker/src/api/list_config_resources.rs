//! ListConfigResources: what has settings. Version 0 is the former ListClientMetricsResources and knows only those.

use std::collections::BTreeSet;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::list_config_resources_request::ListConfigResourcesRequest;
use wire::messages::list_config_resources_response::{ConfigResource, ListConfigResourcesResponse};

use super::Context;
use crate::Broker;
use crate::settings::Resource;

/// Loggers of brokers have resources of their own in Kafka, one a broker.
const BROKER_LOGGER: i8 = 8;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let every = Resource::ALL.map(Resource::code);
    let wanted: BTreeSet<i8> = match context.version {
        0 => [Resource::ClientMetrics.code()].into(),
        _ if request.resource_types.is_empty() => every.into(),
        _ => request.resource_types.into_iter().collect(),
    };
    if wanted
        .iter()
        .any(|code| !every.contains(code) && *code != BROKER_LOGGER)
    {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..ListConfigResourcesResponse::default()
        };
    }
    let mut config_resources = Vec::new();
    for kind in wanted.into_iter().filter_map(Resource::of_code) {
        let names = match kind {
            Resource::Topic => broker
                .catalog
                .topics()
                .iter()
                .map(|topic| topic.name.to_string())
                .collect(),
            Resource::Broker => broker.nodes().map(|node| node.id.to_string()).collect(),
            Resource::ClientMetrics | Resource::Group => broker.catalog.names_with_settings(kind.word()),
        };
        let named = |resource_name| ConfigResource {
            resource_name,
            resource_type: kind.code(),
        };
        config_resources.extend(names.into_iter().map(named));
    }
    ListConfigResourcesResponse {
        config_resources,
        ..ListConfigResourcesResponse::default()
    }
}
