//! The settings of topics, of the broker and of groups: types, defaults, ranges and words; and what they amount to.
//!
//! A topic's setting holds before the broker's of the same meaning, which holds before Kafka's default; the broker's own
//! can be set for one broker or for all while they run, or when the broker is started.

mod effective;
mod group;
mod kind;
mod server;
mod topic;

use std::collections::BTreeMap;

use wire::ErrorCode;

use crate::errors::Refusal;
use crate::telemetry::check_match;

pub(crate) use effective::{CompressionType, Effective, TopicSettings};
pub(crate) use kind::{Kind, items};
pub(crate) use server::{Reach, may_be_altered};
pub use server::{ServerSetting, server_setting, server_settings};

/// Where a value comes from, as DescribeConfigs numbers it.
pub(crate) const SOURCE_TOPIC: i8 = 1;
pub(crate) const SOURCE_BROKER_NOW: i8 = 2;
pub(crate) const SOURCE_ALL_BROKERS_NOW: i8 = 3;
pub(crate) const SOURCE_BROKER: i8 = 4;
pub(crate) const SOURCE_DEFAULT: i8 = 5;
pub(crate) const SOURCE_METRICS: i8 = 7;
pub(crate) const SOURCE_GROUP: i8 = 8;

/// A setting with the value that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) name: String,
    /// `None` for one that is not set and has no default, and for one that nobody may see.
    pub(crate) value: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) source: i8,
    pub(crate) read_only: bool,
    pub(crate) sensitive: bool,
    pub(crate) documentation: &'static str,
    /// Every value there is, the strongest first: name, value, source.
    pub(crate) synonyms: Vec<(String, String, i8)>,
}

/// What kind of thing has settings, as the requests number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    Topic,
    Broker,
    ClientMetrics,
    Group,
}

impl Resource {
    pub(crate) const ALL: [Resource; 4] = [
        Resource::Topic,
        Resource::Broker,
        Resource::ClientMetrics,
        Resource::Group,
    ];

    pub(crate) fn code(self) -> i8 {
        match self {
            Resource::Topic => 2,
            Resource::Broker => 4,
            Resource::ClientMetrics => 16,
            Resource::Group => 32,
        }
    }

    pub(crate) fn of_code(code: i8) -> Option<Resource> {
        Resource::ALL.into_iter().find(|resource| resource.code() == code)
    }

    /// The catalog's word for what is kept of it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Resource::Topic => "topic",
            Resource::Broker => "broker",
            Resource::ClientMetrics => "client-metrics",
            Resource::Group => "group",
        }
    }
}

fn invalid(name: &str, value: &str, why: &str) -> Refusal {
    let message = format!("Invalid value {value} for configuration {name}: {why}");
    Refusal::new(ErrorCode::InvalidConfig, message)
}

/// The kind of a setting, if there is one of the name.
pub(crate) fn kind_of(resource: Resource, name: &str) -> Option<Kind> {
    match resource {
        Resource::Topic => topic::find(name).map(|setting| setting.kind),
        Resource::Broker => server_setting(name).map(|setting| setting.kind),
        Resource::ClientMetrics | Resource::Group => group::find(resource, name).map(|setting| setting.kind),
    }
}

/// Checks settings that a topic is to have.
pub(crate) fn check_topic(wanted: &BTreeMap<String, String>, effective: &Effective) -> Result<(), Refusal> {
    for (name, value) in wanted {
        let Some(setting) = topic::find(name) else {
            let why = format!("Unknown topic config name: {name}");
            return Err(Refusal::new(ErrorCode::InvalidConfig, why));
        };
        setting.kind.check(value).map_err(|why| invalid(name, value, &why))?;
        if name == "remote.storage.enable" && value == "true" {
            let why = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote \
                       log storage.";
            return Err(Refusal::new(ErrorCode::InvalidConfig, why.to_owned()));
        }
    }
    let amount = effective.of_settings(wanted);
    if amount.compaction_lag_ms_min > amount.compaction_lag_ms_max {
        let why = format!(
            "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
            amount.compaction_lag_ms_min, amount.compaction_lag_ms_max
        );
        return Err(Refusal::new(ErrorCode::InvalidConfig, why));
    }
    Ok(())
}

/// What Kafka answers to a setting there is not, and to a number that is not allowed.
fn unfit(resource: Resource) -> ErrorCode {
    match resource {
        Resource::ClientMetrics => ErrorCode::InvalidRequest,
        Resource::Topic | Resource::Broker | Resource::Group => ErrorCode::InvalidConfig,
    }
}

/// Checks settings that a group or a subscription of client metrics is to have.
pub(crate) fn check_small(
    resource: Resource,
    wanted: &BTreeMap<String, String>,
    effective: &Effective,
) -> Result<(), Refusal> {
    let number = |name: &str| effective.options.value(name)?.parse::<i64>().ok();
    for (name, value) in wanted {
        let Some(setting) = group::find(resource, name) else {
            let why = format!("Unknown {} config name: {name}", resource.word());
            return Err(Refusal::new(unfit(resource), why));
        };
        setting.kind.check(value).map_err(|why| {
            let is_number = value.trim().parse::<i64>().is_ok();
            Refusal {
                code: if is_number {
                    unfit(resource)
                } else {
                    ErrorCode::InvalidConfig
                },
                ..invalid(name, value, &why)
            }
        })?;
        if resource == Resource::ClientMetrics && name == "match" {
            check_match(value).map_err(|why| Refusal::new(ErrorCode::InvalidConfig, why))?;
        }
        if let Some((least, most)) = group::bounds(name)
            && let (Some(min), Some(max), Ok(value)) = (number(least), number(most), value.trim().parse::<i64>())
            && !(min..=max).contains(&value)
        {
            let why = format!("{name} must be from {least} ({min}) to {most} ({max})");
            return Err(Refusal::new(ErrorCode::InvalidConfig, why));
        }
    }
    Ok(())
}

/// All settings of a topic that sets `set` itself.
pub(crate) fn describe_topic(effective: &Effective, set: &BTreeMap<String, String>) -> Vec<Shown> {
    let show = |setting: &'static topic::TopicSetting| {
        let mut synonyms = Vec::new();
        if let Some(value) = set.get(setting.name) {
            synonyms.push((setting.name.to_owned(), value.clone(), SOURCE_TOPIC));
        }
        if let Some(of_broker) = server_setting(setting.synonym) {
            synonyms.extend(effective.values_of(of_broker));
        }
        let (value, source) = match synonyms.first() {
            Some((_, value, source)) => (value.clone(), *source),
            None => (setting.default.to_owned(), SOURCE_DEFAULT),
        };
        Shown {
            name: setting.name.to_owned(),
            value: Some(value),
            kind: setting.kind,
            source,
            read_only: false,
            sensitive: false,
            documentation: setting.documentation,
            synonyms,
        }
    };
    let more = topic::MORE.iter().filter(|setting| set.contains_key(setting.name));
    topic::SETTINGS.iter().chain(more).map(show).collect()
}

/// All settings of a group, or of a subscription of client metrics, that sets `set` itself.
pub(crate) fn describe_small(resource: Resource, effective: &Effective, set: &BTreeMap<String, String>) -> Vec<Shown> {
    let own = match resource {
        Resource::Group => SOURCE_GROUP,
        _ => SOURCE_METRICS,
    };
    let show = |setting: &'static group::SmallSetting| {
        let mut synonyms = Vec::new();
        if let Some(value) = set.get(setting.name) {
            let value = match setting.kind {
                Kind::List => items(value).collect::<Vec<_>>().join(","),
                _ => value.clone(),
            };
            synonyms.push((setting.name.to_owned(), value, own));
        }
        match server_setting(setting.synonym) {
            Some(of_broker) => synonyms.extend(effective.values_of(of_broker)),
            // Of these Kafka shows only what is set.
            None if resource == Resource::ClientMetrics => {}
            None => synonyms.push((setting.name.to_owned(), setting.default.to_owned(), SOURCE_DEFAULT)),
        }
        let (value, source) = match synonyms.first() {
            Some((_, value, source)) => (value.clone(), *source),
            None => (setting.default.to_owned(), SOURCE_DEFAULT),
        };
        Shown {
            name: setting.name.to_owned(),
            value: Some(value),
            kind: setting.kind,
            source,
            read_only: false,
            sensitive: false,
            documentation: setting.documentation,
            synonyms,
        }
    };
    group::of(resource).iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::BrokerOptions;

    fn effective() -> Effective {
        Effective::new(BrokerOptions::default(), BTreeMap::new(), BTreeMap::new())
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn settings_are_checked_by_type_and_name() {
        for (name, value, allowed) in [
            ("retention.ms", "-1", true),
            ("retention.ms", "-2", false),
            ("retention.ms", "a week", false),
            ("max.message.bytes", "2147483648", false),
            ("cleanup.policy", "compact,delete", true),
            ("cleanup.policy", "", true),
            ("cleanup.policy", "shred", false),
            ("message.timestamp.type", "LogAppendTime", true),
            ("message.timestamp.type", "logappendtime", false),
            ("min.insync.replicas", "2", true),
            ("min.insync.replicas", "0", false),
            ("min.cleanable.dirty.ratio", "0.1", true),
            ("min.cleanable.dirty.ratio", "1.1", false),
            ("preallocate", "true", true),
            ("preallocate", "yes", false),
            ("segment.bytes", "1048575", false),
            ("compression.gzip.level", "0", false),
            ("compression.gzip.level", "-1", true),
            ("leader.replication.throttled.replicas", "*", true),
            ("leader.replication.throttled.replicas", "0:1,1:1", true),
            ("leader.replication.throttled.replicas", "all", false),
            ("remote.storage.enable", "true", false),
            ("remote.storage.enable", "false", true),
            ("max.compaction.lag.ms", "0", false),
            ("confluent.value.schema.validation", "true", true),
            ("confluent.value.schema.validation", "yes", false),
            (
                "confluent.value.subject.name.strategy",
                "io.confluent.kafka.serializers.subject.RecordNameStrategy",
                true,
            ),
            ("confluent.value.subject.name.strategy", "mine.Strategy", false),
            ("rivulet.key.payload.validation", "true", true),
            ("retention.mss", "1", false),
        ] {
            let outcome = check_topic(&map(&[(name, value)]), &effective());
            assert_eq!(outcome.is_ok(), allowed, "{name}={value}");
        }
        let lags = map(&[("min.compaction.lag.ms", "6"), ("max.compaction.lag.ms", "5")]);
        assert!(
            check_topic(&lags, &effective()).is_err(),
            "what may not be compacted yet need not be already"
        );
    }

    /// The value of a topic's `retention.ms` with these settings of the topic, of one broker, of all, and at start.
    #[test]
    fn the_strongest_value_holds() {
        let shown = |topic: &[(&str, &str)], one: &[(&str, &str)], all: &[(&str, &str)], start: &[(&str, &str)]| {
            let mut options = BrokerOptions::default();
            for (name, value) in start {
                options.set(name, value).unwrap();
            }
            let effective = Effective::new(options, map(all), map(one));
            let shown = describe_topic(&effective, &map(topic));
            let shown = shown.into_iter().find(|shown| shown.name == "retention.ms").unwrap();
            let amount = effective.of_settings(&map(topic)).retention_ms;
            assert_eq!(shown.value.unwrap(), amount.to_string());
            (amount, shown.source, shown.synonyms.len())
        };
        let of = [("retention.ms", "5")];
        let broker = |value: &'static str| [("log.retention.ms", value)];
        assert_eq!(shown(&[], &[], &[], &[]), (604_800_000, SOURCE_DEFAULT, 0));
        assert_eq!(shown(&[], &[], &[], &broker("4")), (4, SOURCE_BROKER, 1));
        assert_eq!(
            shown(&[], &[], &broker("3"), &broker("4")),
            (3, SOURCE_ALL_BROKERS_NOW, 2)
        );
        assert_eq!(
            shown(&[], &broker("2"), &broker("3"), &broker("4")),
            (2, SOURCE_BROKER_NOW, 3)
        );
        assert_eq!(
            shown(&of, &broker("2"), &broker("3"), &broker("4")),
            (5, SOURCE_TOPIC, 4)
        );
        assert_eq!(
            shown(&[], &[], &[], &[("log.retention.hours", "2")]),
            (7_200_000, SOURCE_BROKER, 1)
        );
    }

    #[test]
    fn every_default_is_allowed_and_every_synonym_known() {
        for setting in topic::SETTINGS.iter().chain(topic::MORE) {
            assert!(setting.kind.check(setting.default).is_ok(), "{}", setting.name);
            let is_known = setting.synonym.is_empty() || server_setting(setting.synonym).is_some();
            assert!(is_known, "{}", setting.name);
        }
        assert_eq!(topic::SETTINGS.len(), 33, "as many as Kafka 4.3 has");
        for setting in server_settings() {
            if let Some(default) = setting.default {
                assert!(setting.kind.check(default).is_ok(), "{}", setting.name);
            }
            let mut options = BrokerOptions::default();
            let value = setting.value_in(&options);
            if let Some(value) = value.filter(|_| setting.default.is_some()) {
                assert_eq!(
                    Some(value.as_str()),
                    setting.default,
                    "{} as it is by default",
                    setting.name
                );
                setting.put(&mut options, &value).unwrap();
                assert_eq!(setting.value_in(&options), Some(value), "{}", setting.name);
            }
        }
        for resource in [Resource::Group, Resource::ClientMetrics] {
            for setting in group::of(resource) {
                assert!(setting.kind.check(setting.default).is_ok(), "{}", setting.name);
            }
        }
    }
}
