//! DescribeConfigs: settings of topics, and of the broker, with where each value comes from.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::{Context, group_configs};
use crate::Broker;
use crate::errors::Refusal;
use crate::settings::{self, SOURCE_BROKER, SOURCE_DEFAULT, Shown};

pub(super) const RESOURCE_TOPIC: i8 = 2;
pub(super) const RESOURCE_BROKER: i8 = 4;

const TYPE_BOOLEAN: i8 = 1;
const TYPE_INT: i8 = 3;
const TYPE_LONG: i8 = 5;

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
            Ok(configs) => result.configs = configs,
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

fn describe(
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let mut configs = match resource.resource_type {
        RESOURCE_TOPIC => of_topic(broker, &resource.resource_name)?,
        RESOURCE_BROKER => of_broker(broker, &resource.resource_name)?,
        group_configs::RESOURCE_GROUP => group_configs::describe(broker, &resource.resource_name),
        other => {
            let why = format!("settings of resource type {other} are not served by this broker");
            return Err(Refusal::new(ErrorCode::InvalidRequest, why));
        }
    };
    if let Some(keys) = &resource.configuration_keys {
        configs.retain(|config| keys.contains(&config.name));
    }
    Ok(configs)
}

fn of_topic(broker: &Broker, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let Some(topic) = broker.catalog.topic(name) else {
        return Err(match base::topic_name::check(name) {
            Ok(()) => Refusal::new(
                ErrorCode::UnknownTopicOrPartition,
                format!("there is no topic `{name}`"),
            ),
            Err(why) => Refusal::new(ErrorCode::InvalidTopicException, why.to_string()),
        });
    };
    let show = |shown: Shown| DescribeConfigsResourceResult {
        name: shown.setting.name.to_owned(),
        value: Some(shown.value),
        config_source: shown.source,
        synonyms: shown
            .synonyms
            .into_iter()
            .map(|(name, value, source)| synonym(name, value, source))
            .collect(),
        config_type: shown.setting.kind.code(),
        documentation: Some(shown.setting.documentation.to_owned()),
        ..DescribeConfigsResourceResult::default()
    };
    Ok(settings::describe(&broker.options, &topic.settings)
        .into_iter()
        .map(show)
        .collect())
}

fn synonym(name: &str, value: String, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym {
        name: name.to_owned(),
        value: Some(value),
        source,
    }
}

/// What the broker was started with. None of it can be changed by clients.
fn of_broker(broker: &Broker, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let options = &broker.options;
    if name.is_empty() {
        // Settings shared by all brokers: none was ever set.
        return Ok(Vec::new());
    }
    if name.parse() != Ok(options.node_id) {
        let why = format!(
            "Unexpected broker id, expected {} or empty string, but received {name}",
            options.node_id
        );
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    let delay_ms = options.group.initial_rebalance_delay_ms;
    let all = [
        (
            "auto.create.topics.enable",
            TYPE_BOOLEAN,
            options.auto_create_topics.to_string(),
            "true",
        ),
        ("default.replication.factor", TYPE_INT, "1".to_owned(), "1"),
        (
            "group.initial.rebalance.delay.ms",
            TYPE_INT,
            delay_ms.to_string(),
            "3000",
        ),
        (
            "group.max.session.timeout.ms",
            TYPE_INT,
            options.group.session_timeout_max_ms.to_string(),
            "1800000",
        ),
        (
            "group.min.session.timeout.ms",
            TYPE_INT,
            options.group.session_timeout_min_ms.to_string(),
            "6000",
        ),
        (
            "log.retention.bytes",
            TYPE_LONG,
            options.retention_bytes.to_string(),
            "-1",
        ),
        (
            "log.retention.ms",
            TYPE_LONG,
            options.retention_ms.to_string(),
            "604800000",
        ),
        (
            "message.max.bytes",
            TYPE_INT,
            options.batch_bytes_max.to_string(),
            "1048588",
        ),
        ("node.id", TYPE_INT, options.node_id.to_string(), ""),
        ("num.partitions", TYPE_INT, options.partitions_default.to_string(), "1"),
        (
            "offset.metadata.max.bytes",
            TYPE_INT,
            options.offset_metadata_bytes_max.to_string(),
            "4096",
        ),
        (
            "offsets.retention.minutes",
            TYPE_INT,
            (options.offsets_retention_ms / 60_000).to_string(),
            "10080",
        ),
        (
            "socket.request.max.bytes",
            TYPE_INT,
            options.limits.request_bytes_max.to_string(),
            "104857600",
        ),
    ];
    let show = |(name, config_type, value, default): (&str, i8, String, &str)| {
        let config_source = if value == default {
            SOURCE_DEFAULT
        } else {
            SOURCE_BROKER
        };
        let mut synonyms = vec![synonym(name, value.clone(), config_source)];
        if config_source == SOURCE_BROKER && !default.is_empty() {
            synonyms.push(synonym(name, default.to_owned(), SOURCE_DEFAULT));
        }
        DescribeConfigsResourceResult {
            name: name.to_owned(),
            value: Some(value),
            read_only: true,
            config_source,
            synonyms,
            config_type,
            ..DescribeConfigsResourceResult::default()
        }
    };
    Ok(all.into_iter().map(show).collect())
}
