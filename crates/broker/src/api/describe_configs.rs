//! DescribeConfigs: settings of topics, brokers, groups and client metrics, with where each value comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::Context;
use crate::Broker;
use crate::errors::Refusal;
use crate::settings::{
    self, Effective, Kind, Reach, Resource, SOURCE_ALL_BROKERS_NOW, SOURCE_BROKER_NOW, SOURCE_DEFAULT, Shown,
};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let describe_one = |resource: DescribeConfigsResource| {
        let mut result = DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..DescribeConfigsResult::default()
        };
        match describe(&broker, &resource) {
            Ok(configs) => result.configs = configs.into_iter().map(shown).collect(),
            Err(refusal) => {
                result.error_code = refusal.code.code();
                result.error_message = Some(refusal.message);
            }
        }
        for config in &mut result.configs {
            if !request.include_synonyms {
                config.synonyms.clear();
            }
            if !request.include_documentation {
                config.documentation = None;
            }
        }
        result
    };
    DescribeConfigsResponse {
        results: request.resources.into_iter().map(describe_one).collect(),
        ..DescribeConfigsResponse::default()
    }
}

fn describe(broker: &Broker, resource: &DescribeConfigsResource) -> Result<Vec<Shown>, Refusal> {
    let name = &resource.resource_name;
    let effective = broker.effective();
    let mut configs = match Resource::of_code(resource.resource_type) {
        Some(Resource::Topic) => of_topic(broker, &effective, name)?,
        Some(Resource::Broker) => of_broker(broker, &effective, name)?,
        Some(kind) => {
            if name.is_empty() {
                let why = format!("{} names must not be empty", kind.word());
                return Err(Refusal::new(ErrorCode::InvalidRequest, why));
            }
            settings::describe_small(kind, &effective, &broker.catalog.settings_of(kind.word(), name))
        }
        None => {
            let why = format!(
                "settings of resource type {} are not served by this broker",
                resource.resource_type
            );
            return Err(Refusal::new(ErrorCode::InvalidRequest, why));
        }
    };
    // None named means all, in either way to name none.
    if let Some(keys) = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty()) {
        configs.retain(|config| keys.contains(&config.name));
    }
    Ok(configs)
}

fn shown(shown: Shown) -> DescribeConfigsResourceResult {
    let synonyms = shown
        .synonyms
        .into_iter()
        .map(|(name, value, source)| DescribeConfigsSynonym {
            name,
            value: Some(value),
            source,
        });
    DescribeConfigsResourceResult {
        name: shown.name,
        value: shown.value,
        read_only: shown.read_only,
        is_sensitive: shown.sensitive,
        config_source: shown.source,
        synonyms: synonyms.collect(),
        config_type: if shown.sensitive { 0 } else { shown.kind.code() },
        documentation: Some(shown.documentation.to_owned()),
    }
}

fn of_topic(broker: &Broker, effective: &Effective, name: &str) -> Result<Vec<Shown>, Refusal> {
    match broker.catalog.topic(name) {
        Some(topic) => Ok(settings::describe_topic(effective, &topic.settings)),
        None => Err(match base::topic_name::check(name) {
            Ok(()) => Refusal::new(
                ErrorCode::UnknownTopicOrPartition,
                format!("there is no topic `{name}`"),
            ),
            Err(why) => Refusal::new(ErrorCode::InvalidTopicException, why.to_string()),
        }),
    }
}

/// One broker's settings; without a name, what was set for all while they run.
fn of_broker(broker: &Broker, effective: &Effective, name: &str) -> Result<Vec<Shown>, Refusal> {
    if name.is_empty() {
        return Ok(set_while_running(effective.for_all(), SOURCE_ALL_BROKERS_NOW));
    }
    if !broker.is_node(name) {
        let why = format!(
            "Unexpected broker id, expected {} or empty string, but received {name}",
            broker.options.node_id
        );
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    let known = settings::server_settings().iter().map(|setting| {
        let synonyms = effective.values_of(setting);
        Shown {
            name: setting.name.to_owned(),
            value: synonyms.first().map(|(_, value, _)| value.clone()),
            kind: setting.kind,
            source: synonyms.first().map_or(SOURCE_DEFAULT, |(_, _, source)| *source),
            read_only: setting.reach == Reach::Start,
            sensitive: false,
            documentation: setting.documentation,
            synonyms,
        }
    });
    let for_all = set_while_running(effective.for_all(), SOURCE_ALL_BROKERS_NOW).into_iter();
    let for_one = set_while_running(effective.for_one(), SOURCE_BROKER_NOW).into_iter();
    // What nobody knows may be a secret.
    let unknown = for_one.chain(for_all).filter(|shown| shown.sensitive);
    let mut unknown: BTreeMap<String, Shown> = unknown.map(|shown| (shown.name.clone(), shown)).collect();
    Ok(known.chain(std::mem::take(&mut unknown).into_values()).collect())
}

fn set_while_running(set: &BTreeMap<String, String>, source: i8) -> Vec<Shown> {
    let show = |(name, value): (&String, &String)| {
        let known = settings::server_setting(name);
        let value = known.map(|_| value.clone());
        Shown {
            name: name.clone(),
            kind: known.map_or(Kind::Text, |setting| setting.kind),
            source,
            read_only: false,
            sensitive: known.is_none(),
            documentation: known.map_or("", |setting| setting.documentation),
            synonyms: value
                .iter()
                .map(|value| (name.clone(), value.clone(), source))
                .collect(),
            value,
        }
    };
    set.iter().map(show).collect()
}
