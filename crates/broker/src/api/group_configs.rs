//! The settings of groups, as IncrementalAlterConfigs changes them and DescribeConfigs shows them.

use std::collections::BTreeMap;

use wire::ErrorCode;
use wire::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsSynonym};
use wire::messages::incremental_alter_configs_request::AlterConfigsResource;

use crate::Broker;
use crate::errors::{self, Refusal};
use crate::group_settings::{self, GroupSettings, SOURCE_GROUP};
use crate::settings::SOURCE_DEFAULT;

pub(super) const RESOURCE_GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;

/// Changes single settings of a group; the caller sees to it that nobody else does at the same time.
pub(super) async fn alter(broker: &Broker, resource: AlterConfigsResource, dry: bool) -> Result<(), Refusal> {
    let group = resource.resource_name;
    if group.is_empty() {
        let why = "Default group resources are not allowed.".to_owned();
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    let mut settings = GroupSettings::of(&broker.log, &group);
    let mut named = BTreeMap::new();
    for config in resource.configs {
        let name = config.name;
        if named.insert(name.clone(), ()).is_some() {
            let why = format!("setting `{name}` is named twice");
            return Err(Refusal::new(ErrorCode::InvalidRequest, why));
        }
        match (config.config_operation, config.value) {
            (DELETE, _) => {
                settings.values.remove(&name);
            }
            (SET, Some(value)) => {
                group_settings::check(&broker.options.group, &name, &value)?;
                settings.values.insert(name, value);
            }
            (SET, None) => {
                let why = format!("Null value not supported for : {name}");
                return Err(Refusal::new(ErrorCode::InvalidRequest, why));
            }
            _ => {
                let why = format!("setting `{name}` is no list: it can be set and deleted");
                return Err(Refusal::new(ErrorCode::InvalidConfig, why));
            }
        }
    }
    if dry {
        return Ok(());
    }
    let put = settings
        .put(&group)
        .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
    let stored = broker.commit(vec![put]).await.map(drop);
    stored.map_err(|error| Refusal::new(errors::of_commit(&error), error.to_string()))
}

/// Every setting a group can have.
pub(super) fn describe(broker: &Broker, group: &str) -> Vec<DescribeConfigsResourceResult> {
    let limits = &broker.options.group;
    let settings = GroupSettings::of(&broker.log, group);
    let defaults = group_settings::describe(limits, &GroupSettings::default());
    let shown = group_settings::describe(limits, &settings).into_iter().zip(defaults);
    let show = |((setting, value, is_set), (_, default, _))| {
        let source = if is_set { SOURCE_GROUP } else { SOURCE_DEFAULT };
        let synonym = |name: &str, value: String, source: i8| DescribeConfigsSynonym {
            name: name.to_owned(),
            value: Some(value),
            source,
        };
        let setting: &group_settings::GroupSetting = setting;
        let value: String = value;
        let mut synonyms = Vec::new();
        if is_set {
            synonyms.push(synonym(setting.name, value.clone(), SOURCE_GROUP));
        }
        let of_broker = if setting.synonym.is_empty() {
            setting.name
        } else {
            setting.synonym
        };
        synonyms.push(synonym(of_broker, default, SOURCE_DEFAULT));
        DescribeConfigsResourceResult {
            name: setting.name.to_owned(),
            value: Some(value),
            config_source: source,
            synonyms,
            config_type: setting.kind.code(),
            ..DescribeConfigsResourceResult::default()
        }
    };
    shown.map(show).collect()
}
