//! The topic settings that act: their types, defaults, ranges and words; and what a topic's settings amount to.

use std::collections::BTreeMap;

use catalog::Topic;
use wire::{ErrorCode, TimestampType};

use crate::errors::Refusal;
use crate::options::BrokerOptions;

/// Where a value comes from, as DescribeConfigs numbers it.
pub(crate) const SOURCE_TOPIC: i8 = 1;
pub(crate) const SOURCE_BROKER: i8 = 4;
pub(crate) const SOURCE_DEFAULT: i8 = 5;

const CLEANUP_POLICY: &str = "cleanup.policy";
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
const TIMESTAMP_AFTER: &str = "message.timestamp.after.max.ms";
const TIMESTAMP_BEFORE: &str = "message.timestamp.before.max.ms";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
const RETENTION_BYTES: &str = "retention.bytes";
const RETENTION_MS: &str = "retention.ms";

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int { min: i64 },
    Long { min: i64 },
    OneOf(&'static [&'static str]),
    ListOf(&'static [&'static str]),
}

impl Kind {
    /// As DescribeConfigs numbers it.
    pub(crate) fn code(self) -> i8 {
        match self {
            Kind::OneOf(_) => 2,
            Kind::Int { .. } => 3,
            Kind::Long { .. } => 5,
            Kind::ListOf(_) => 7,
        }
    }

    fn check(self, value: &str) -> Result<(), String> {
        match self {
            Kind::Int { min } => number(value, min, i64::from(i32::MAX)),
            Kind::Long { min } => number(value, min, i64::MAX),
            Kind::OneOf(allowed) if allowed.contains(&value) => Ok(()),
            Kind::ListOf(allowed) if items(value).all(|item| allowed.contains(&item)) => Ok(()),
            Kind::OneOf(allowed) | Kind::ListOf(allowed) => Err(format!("allowed are {}", allowed.join(", "))),
        }
    }
}

fn number(value: &str, min: i64, max: i64) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(()),
        Ok(_) => Err(format!("the value must be from {min} to {max}")),
        Err(_) => Err("not a number".to_owned()),
    }
}

/// The items of a comma-separated list.
pub(crate) fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// One topic setting.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The broker's setting of the same meaning, for topics that do not set theirs.
    pub(crate) synonym: &'static str,
    /// Kafka's own default.
    pub(crate) default: &'static str,
    pub(crate) documentation: &'static str,
    /// The broker's value, where it has one.
    broker: fn(&BrokerOptions) -> Option<String>,
}

/// Every topic setting that changes what the broker does. Others that Kafka knows are in [`ACCEPTED`].
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: CLEANUP_POLICY,
        kind: Kind::ListOf(&["compact", "delete"]),
        synonym: "log.cleanup.policy",
        default: "delete",
        documentation: "How old records go: `delete` by age and size; `compact` keeps the last of each key and so \
                        demands keys.",
        broker: |_| None,
    },
    Setting {
        name: MAX_MESSAGE_BYTES,
        kind: Kind::Int { min: 0 },
        synonym: "message.max.bytes",
        default: "1048588",
        documentation: "The largest batch taken, as sent: compressed, with its 12-byte prefix.",
        broker: |options| Some(options.batch_bytes_max.to_string()),
    },
    Setting {
        name: TIMESTAMP_AFTER,
        kind: Kind::Long { min: 0 },
        synonym: "log.message.timestamp.after.max.ms",
        default: "3600000",
        documentation: "How far in the future a record's timestamp may lie when it arrives.",
        broker: |_| None,
    },
    Setting {
        name: TIMESTAMP_BEFORE,
        kind: Kind::Long { min: 0 },
        synonym: "log.message.timestamp.before.max.ms",
        default: "9223372036854775807",
        documentation: "How far in the past a batch's first timestamp may lie when it arrives.",
        broker: |_| None,
    },
    Setting {
        name: TIMESTAMP_TYPE,
        kind: Kind::OneOf(&["CreateTime", "LogAppendTime"]),
        synonym: "log.message.timestamp.type",
        default: "CreateTime",
        documentation: "Whose clock a record's timestamp comes from: the producer's or the broker's.",
        broker: |_| None,
    },
    Setting {
        name: RETENTION_BYTES,
        kind: Kind::Long { min: -1 },
        synonym: "log.retention.bytes",
        default: "-1",
        documentation: "How many bytes each partition keeps at least before its oldest segments go; -1 is no limit.",
        broker: |options| Some(options.retention_bytes.to_string()),
    },
    Setting {
        name: RETENTION_MS,
        kind: Kind::Long { min: -1 },
        synonym: "log.retention.ms",
        default: "604800000",
        documentation: "How long records are kept at least before their segments go; -1 is for ever.",
        broker: |options| Some(options.retention_ms.to_string()),
    },
];

/// Settings of Kafka's that do nothing here, on one machine with one replica, or not yet. They are taken and kept, so
/// that tools which set them work, and not shown, so that nobody believes they act.
const ACCEPTED: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Checks settings that a topic is to have.
pub(crate) fn check(wanted: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (name, value) in wanted {
        match find(name) {
            Some(setting) => setting.kind.check(value).map_err(|why| {
                let message = format!("Invalid value {value} for configuration {name}: {why}");
                Refusal::new(ErrorCode::InvalidConfig, message)
            })?,
            None if ACCEPTED.contains(&name.as_str()) => {}
            None => {
                return Err(Refusal::new(
                    ErrorCode::InvalidConfig,
                    format!("Unknown topic config name: {name}"),
                ));
            }
        }
    }
    Ok(())
}

/// A setting with the value that holds for one topic.
pub(crate) struct Shown {
    pub(crate) setting: &'static Setting,
    pub(crate) value: String,
    pub(crate) source: i8,
    /// Every value there is, the strongest first: name, value, source.
    pub(crate) synonyms: Vec<(&'static str, String, i8)>,
}

/// All settings of a topic that sets `set` itself.
pub(crate) fn describe(options: &BrokerOptions, set: &BTreeMap<String, String>) -> Vec<Shown> {
    let show = |setting: &'static Setting| {
        let mut synonyms = Vec::new();
        if let Some(value) = set.get(setting.name) {
            synonyms.push((setting.name, value.clone(), SOURCE_TOPIC));
        }
        if let Some(value) = (setting.broker)(options).filter(|value| value != setting.default) {
            synonyms.push((setting.synonym, value, SOURCE_BROKER));
        }
        synonyms.push((setting.synonym, setting.default.to_owned(), SOURCE_DEFAULT));
        let (_, value, source) = synonyms[0].clone();
        Shown {
            setting,
            value,
            source,
            synonyms,
        }
    };
    SETTINGS.iter().map(show).collect()
}

/// What a topic's settings amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    pub(crate) compacted: bool,
    pub(crate) deleted: bool,
    pub(crate) batch_bytes_max: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) retention_bytes: i64,
    pub(crate) retention_ms: i64,
}

impl TopicSettings {
    pub(crate) fn of(topic: &Topic, options: &BrokerOptions) -> TopicSettings {
        let set = &topic.settings;
        // What stands in the catalog was checked when it was set.
        let long = |name: &str, default: i64| {
            set.get(name)
                .and_then(|value| value.trim().parse().ok())
                .unwrap_or(default)
        };
        let policy = set.get(CLEANUP_POLICY).map_or("delete", String::as_str);
        TopicSettings {
            compacted: items(policy).any(|item| item == "compact"),
            deleted: items(policy).any(|item| item == "delete"),
            batch_bytes_max: long(MAX_MESSAGE_BYTES, i64::from(options.batch_bytes_max)),
            timestamp_after_max_ms: long(TIMESTAMP_AFTER, 3_600_000),
            timestamp_before_max_ms: long(TIMESTAMP_BEFORE, i64::MAX),
            timestamp_type: match set.get(TIMESTAMP_TYPE).map(String::as_str) {
                Some("LogAppendTime") => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            retention_bytes: long(RETENTION_BYTES, options.retention_bytes),
            retention_ms: long(RETENTION_MS, options.retention_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("retention.mss", "1", false),
        ] {
            let wanted = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert_eq!(check(&wanted).is_ok(), allowed, "{name}={value}");
        }
    }

    #[test]
    fn the_strongest_value_holds() {
        let options = BrokerOptions {
            retention_ms: 1000,
            ..BrokerOptions::default()
        };
        let value = |set: &[(&str, &str)]| {
            let set = set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let shown = describe(&options, &set)
                .into_iter()
                .find(|shown| shown.setting.name == RETENTION_MS);
            let shown = shown.unwrap();
            (shown.value, shown.source, shown.synonyms.len())
        };
        assert_eq!(value(&[]), ("1000".to_owned(), SOURCE_BROKER, 2));
        assert_eq!(value(&[("retention.ms", "5")]), ("5".to_owned(), SOURCE_TOPIC, 3));
    }
}
