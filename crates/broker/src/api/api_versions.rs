//! ApiVersions: what is served. The first thing a client asks, in a version it cannot know yet.

use std::sync::Arc;

use wire::messages::api_versions_request::ApiVersionsRequest;
use wire::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use wire::{ErrorCode, Message};

use super::{APIS, Api, Context};
use crate::Broker;
use crate::net::{Close, Reply};

const METADATA_VERSION: &str = "metadata.version";
/// The oldest and newest level of the cluster's metadata that Kafka 4.3 knows.
const METADATA_VERSION_MIN: i16 = 7;
const METADATA_VERSION_MAX: i16 = 30;

/// What is in force, by name. Clients choose their protocols by these.
const FINALIZED: &[(&str, i16)] = &[
    // A topic that asks for more in-sync replicas than there are is written to all the same, as with KIP-966.
    ("eligible.leader.replicas.version", 1),
    // Consumer groups of KIP-848.
    ("group.version", 1),
    (METADATA_VERSION, METADATA_VERSION_MAX),
    // Share groups of KIP-932.
    ("share.version", 1),
    // KIP-890.
    ("transaction.version", 2),
];

pub(crate) async fn handle(_: Arc<Broker>, context: Context, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version);
    if context.version >= 3 && !named {
        return ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            ..ApiVersionsResponse::default()
        };
    }
    ApiVersionsResponse {
        api_keys: APIS.iter().map(entry).collect(),
        supported_features: vec![SupportedFeatureKey {
            name: METADATA_VERSION.to_owned(),
            min_version: METADATA_VERSION_MIN,
            max_version: METADATA_VERSION_MAX,
        }],
        finalized_features_epoch: 0,
        finalized_features: FINALIZED.iter().map(finalized).collect(),
        ..ApiVersionsResponse::default()
    }
}

/// A client newer than we are is told, in the oldest form, which versions of this API it may ask with (KIP-511).
pub(super) fn unsupported(context: &Context) -> Result<Reply, Close> {
    let own = APIS.iter().filter(|api| api.key == ApiVersionsRequest::KEY);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: own.map(entry).collect(),
        ..ApiVersionsResponse::default()
    };
    Context {
        version: 0,
        ..context.clone()
    }
    .reply(&response)
}

fn finalized((name, level): &(&str, i16)) -> FinalizedFeatureKey {
    FinalizedFeatureKey {
        name: (*name).to_owned(),
        max_version_level: *level,
        min_version_level: *level,
    }
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
