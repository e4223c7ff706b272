//! UpdateFeatures: changes what is in force of the protocols that clients choose from.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::update_features_request::{FeatureUpdateKey, UpdateFeaturesRequest};
use wire::messages::update_features_response::{UpdatableFeatureResult, UpdateFeaturesResponse};

use super::Context;
use super::api_versions::{self, Feature};
use crate::Broker;
use crate::errors::{self, Refusal};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;
/// From this version on the answer tells of the whole only.
const WHOLE_FROM: i16 = 2;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let names: Vec<String> = request
        .feature_updates
        .iter()
        .map(|update| update.feature.clone())
        .collect();
    let updates = request.feature_updates.into_iter().map(|update| FeatureUpdateKey {
        upgrade_type: match (context.version, update.allow_downgrade) {
            (0, true) => UNSAFE_DOWNGRADE,
            (0, false) => UPGRADE,
            _ => update.upgrade_type,
        },
        ..update
    });
    let outcome = update(&broker, updates.collect(), request.validate_only).await;
    let (code, error_message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (
            refusal.code,
            Some(format!(
                "The update failed for all features since the following feature had an error: {}",
                refusal.message
            )),
        ),
    };
    let results = names.into_iter().map(|feature| UpdatableFeatureResult {
        feature,
        error_code: ErrorCode::None.code(),
        // Kafka spells the absence of an error out here.
        error_message: Some("NONE".to_owned()),
    });
    UpdateFeaturesResponse {
        results: if context.version < WHOLE_FROM && code.is_none() {
            results.collect()
        } else {
            Vec::new()
        },
        error_code: code.code(),
        error_message,
        ..UpdateFeaturesResponse::default()
    }
}

/// All or nothing.
async fn update(broker: &Broker, updates: Vec<FeatureUpdateKey>, dry: bool) -> Result<(), Refusal> {
    let _altering = broker.altering.lock().await;
    let mut levels = broker.catalog.settings_of(api_versions::FEATURES, "");
    for update in updates {
        let feature = check(broker, &update)?;
        levels.insert(feature.name.to_owned(), update.max_version_level.to_string());
    }
    if dry {
        return Ok(());
    }
    let stored = broker
        .catalog
        .put_settings_of(api_versions::FEATURES, "", &levels)
        .await;
    stored.map_err(|error| Refusal::new(errors::of_catalog(&error), error.to_string()))
}

fn check(broker: &Broker, update: &FeatureUpdateKey) -> Result<&'static Feature, Refusal> {
    let (name, wanted) = (&update.feature, update.max_version_level);
    let invalid = |why: String| {
        let message = format!("Invalid update version {wanted} for feature {name}. {why}");
        Err(Refusal::new(ErrorCode::InvalidUpdateVersion, message))
    };
    let node = broker.options.node_id;
    let Some(feature) = api_versions::feature(name) else {
        return invalid(format!("Local controller {node} does not support this feature."));
    };
    if !(feature.min..=feature.max).contains(&wanted) {
        let (min, max) = (feature.min, feature.max);
        return invalid(format!("Local controller {node} only supports versions {min}-{max}"));
    }
    let now = api_versions::level(broker, feature);
    let is_downgrade = [SAFE_DOWNGRADE, UNSAFE_DOWNGRADE].contains(&update.upgrade_type);
    if wanted < now && !is_downgrade {
        return invalid(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe \
             downgrade."
                .to_owned(),
        );
    }
    if wanted > now && is_downgrade {
        return invalid("Can't downgrade to a newer version.".to_owned());
    }
    if wanted != now && !feature.may_change {
        return invalid(format!("This broker always has it at level {now}."));
    }
    Ok(feature)
}
