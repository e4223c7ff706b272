//! ApiVersions: what is served. The first thing a client asks, in a version it cannot know yet.

use std::sync::Arc;

use wire::messages::api_versions_request::ApiVersionsRequest;
use wire::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use wire::{ErrorCode, Message};

use super::{Api, Context, served};
use crate::Broker;
use crate::net::{Close, Reply};

const METADATA_VERSION: &str = "metadata.version";
/// The oldest and newest level of the cluster's metadata that Kafka 4.3 knows.
const METADATA_VERSION_MIN: i16 = 7;
const METADATA_VERSION_MAX: i16 = 30;

/// The first version whose clients can read a feature that begins at 0.
const ZERO_MIN_FROM: i16 = 4;

/// The catalog's word for levels that were changed.
pub(super) const FEATURES: &str = "features";

/// What clients choose their protocols by.
#[derive(Debug)]
pub(super) struct Feature {
    pub(super) name: &'static str,
    pub(super) min: i16,
    pub(super) max: i16,
    /// Whether another level than the highest can be in force.
    pub(super) may_change: bool,
}

const fn fixed(name: &'static str, min: i16, max: i16) -> Feature {
    Feature {
        name,
        min,
        max,
        may_change: false,
    }
}

/// By name; at their highest level unless that was changed.
const FINALIZED: &[Feature] = &[
    // A topic that asks for more in-sync replicas than there are is written to all the same, as with KIP-966.
    fixed("eligible.leader.replicas.version", 0, 1),
    // Consumer groups of KIP-848.
    fixed("group.version", 0, 1),
    fixed(METADATA_VERSION, METADATA_VERSION_MIN, METADATA_VERSION_MAX),
    // Share groups of KIP-932.
    fixed("share.version", 0, 1),
    // Groups of Kafka Streams (KIP-1071).
    fixed("streams.version", 0, 1),
    // KIP-890; clients of level 1 go on in the old flow.
    Feature {
        may_change: true,
        ..fixed("transaction.version", 0, 2)
    },
];

pub(super) fn feature(name: &str) -> Option<&'static Feature> {
    FINALIZED.iter().find(|feature| feature.name == name)
}

/// The level that is in force.
pub(super) fn level(broker: &Broker, feature: &Feature) -> i16 {
    let changed = broker.catalog.settings_of(FEATURES, "");
    let changed = changed.get(feature.name).and_then(|level| level.parse().ok());
    changed.unwrap_or(feature.max)
}

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version);
    if context.version >= 3 && !named {
        return ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            ..ApiVersionsResponse::default()
        };
    }
    if let Some(telemetry) = broker.telemetry.as_ref().filter(|_| context.version >= 3) {
        let (name, version) = (&request.client_software_name, &request.client_software_version);
        telemetry.named(context.connection, name, version);
    }
    ApiVersionsResponse {
        api_keys: served(&broker).map(entry).collect(),
        supported_features: FINALIZED
            .iter()
            .filter(|feature| feature.min > 0 || context.version >= ZERO_MIN_FROM)
            .map(supported)
            .collect(),
        finalized_features_epoch: 0,
        finalized_features: FINALIZED
            .iter()
            .filter_map(|feature| finalized(&broker, feature))
            .collect(),
        ..ApiVersionsResponse::default()
    }
}

/// A client newer than we are is told, in the oldest form, which versions of this API it may ask with (KIP-511).
pub(super) fn unsupported(broker: &Broker, context: &Context) -> Result<Reply, Close> {
    let own = served(broker).filter(|api| api.key == ApiVersionsRequest::KEY);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: own.map(entry).collect(),
        ..ApiVersionsResponse::default()
    };
    Context {
        version: 0,
        ..context.clone()
    }
    .reply(broker, response)
}

fn supported(feature: &Feature) -> SupportedFeatureKey {
    SupportedFeatureKey {
        name: feature.name.to_owned(),
        min_version: feature.min,
        max_version: feature.max,
    }
}

/// What is not in force at any level is not told.
fn finalized(broker: &Broker, feature: &Feature) -> Option<FinalizedFeatureKey> {
    let level = level(broker, feature);
    (level > 0).then(|| FinalizedFeatureKey {
        name: feature.name.to_owned(),
        max_version_level: level,
        min_version_level: level,
    })
}

fn entry(api: &Api) -> ApiVersion {
    ApiVersion {
        api_key: api.key,
        min_version: api.advertised_min,
        max_version: api.max,
    }
}

/// Letters and digits, with `.` and `-` between them.
fn is_software_name(name: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    name.chars().all(inner) && edge(name.chars().next()) && edge(name.chars().last())
}
