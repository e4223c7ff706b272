//! What all settings together amount to: for the broker, and for a topic.

use std::collections::BTreeMap;

use catalog::Topic;
use schema::validation::{SubjectNameStrategy, Validation};
use wire::{Compression, TimestampType};

use super::kind::items;
use super::server::ServerSetting;
use super::{SOURCE_ALL_BROKERS_NOW, SOURCE_BROKER, SOURCE_BROKER_NOW, SOURCE_DEFAULT, server_setting, topic};
use crate::options::BrokerOptions;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// Kafka's index has an entry of so many bytes for every interval.
const INDEX_ENTRY_BYTES: i64 = 8;

/// How batches of a topic lie in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompressionType {
    /// As they came.
    Producer,
    Own(Compression, Option<i32>),
}

/// What a topic's settings amount to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TopicSettings {
    pub(crate) compacted: bool,
    pub(crate) deleted: bool,
    pub(crate) compression: CompressionType,
    pub(crate) batch_bytes_max: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) retention_bytes: i64,
    pub(crate) retention_ms: i64,
    pub(crate) delete_retention_ms: i64,
    pub(crate) compaction_lag_ms_min: i64,
    pub(crate) compaction_lag_ms_max: i64,
    pub(crate) dirty_ratio_min: f64,
    pub(crate) segment_bytes: i64,
    pub(crate) segment_ms: i64,
    pub(crate) segment_jitter_ms: i64,
    pub(crate) key_validation: Validation,
    pub(crate) value_validation: Validation,
    index_bytes: i64,
    index_interval_bytes: i64,
    gzip_level: i32,
    zstd_level: i32,
}

impl TopicSettings {
    /// Kafka's defaults.
    const DEFAULT: TopicSettings = TopicSettings {
        compacted: false,
        deleted: true,
        compression: CompressionType::Producer,
        batch_bytes_max: 1_048_588,
        timestamp_after_max_ms: 3_600_000,
        timestamp_before_max_ms: i64::MAX,
        timestamp_type: TimestampType::CreateTime,
        retention_bytes: -1,
        retention_ms: 604_800_000,
        delete_retention_ms: 86_400_000,
        compaction_lag_ms_min: 0,
        compaction_lag_ms_max: i64::MAX,
        dirty_ratio_min: 0.5,
        segment_bytes: 1 << 30,
        segment_ms: 604_800_000,
        segment_jitter_ms: 0,
        key_validation: Validation::NONE,
        value_validation: Validation::NONE,
        index_bytes: 10_485_760,
        index_interval_bytes: 4_096,
        gzip_level: -1,
        zstd_level: 3,
    };

    /// Takes one setting in; what is not a number was refused when it was set.
    fn put(&mut self, name: &str, value: &str) {
        let value = value.trim();
        let long = |to: &mut i64| *to = value.parse().unwrap_or(*to);
        match name {
            "cleanup.policy" => {
                self.compacted = items(value).any(|item| item == "compact");
                self.deleted = items(value).any(|item| item == "delete");
            }
            "compression.type" => {
                self.compression = match Compression::ALL.into_iter().find(|codec| codec.name() == value) {
                    Some(codec) => CompressionType::Own(codec, None),
                    None if value == "uncompressed" => CompressionType::Own(Compression::None, None),
                    None => CompressionType::Producer,
                }
            }
            "compression.gzip.level" => self.gzip_level = value.parse().unwrap_or(self.gzip_level),
            "compression.zstd.level" => self.zstd_level = value.parse().unwrap_or(self.zstd_level),
            "max.message.bytes" => long(&mut self.batch_bytes_max),
            "message.timestamp.after.max.ms" => long(&mut self.timestamp_after_max_ms),
            "message.timestamp.before.max.ms" => long(&mut self.timestamp_before_max_ms),
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                }
            }
            "retention.bytes" => long(&mut self.retention_bytes),
            "retention.ms" => long(&mut self.retention_ms),
            "delete.retention.ms" => long(&mut self.delete_retention_ms),
            "min.compaction.lag.ms" => long(&mut self.compaction_lag_ms_min),
            "max.compaction.lag.ms" => long(&mut self.compaction_lag_ms_max),
            "min.cleanable.dirty.ratio" => self.dirty_ratio_min = value.parse().unwrap_or(self.dirty_ratio_min),
            "segment.bytes" => long(&mut self.segment_bytes),
            "segment.ms" => long(&mut self.segment_ms),
            "segment.jitter.ms" => long(&mut self.segment_jitter_ms),
            "segment.index.bytes" => long(&mut self.index_bytes),
            "index.interval.bytes" => long(&mut self.index_interval_bytes),
            "confluent.key.schema.validation" => self.key_validation.schema = value == "true",
            "confluent.key.subject.name.strategy" => self.key_validation.strategy = strategy(value),
            "confluent.value.schema.validation" => self.value_validation.schema = value == "true",
            "confluent.value.subject.name.strategy" => self.value_validation.strategy = strategy(value),
            "rivulet.key.payload.validation" => self.key_validation.payload = value == "true",
            "rivulet.value.payload.validation" => self.value_validation.payload = value == "true",
            _ => {}
        }
    }

    /// Brings together what depends on several settings.
    fn settled(mut self) -> TopicSettings {
        if let CompressionType::Own(codec, level) = &mut self.compression {
            *level = match codec {
                Compression::Gzip => Some(self.gzip_level).filter(|level| *level >= 1),
                Compression::Zstd => Some(self.zstd_level),
                Compression::None | Compression::Snappy | Compression::Lz4 => None,
            };
        }
        let entries = (self.index_bytes / INDEX_ENTRY_BYTES).max(1);
        let indexed = entries.saturating_mul(self.index_interval_bytes.max(1));
        self.segment_bytes = self.segment_bytes.min(indexed);
        self
    }
}

fn strategy(class: &str) -> SubjectNameStrategy {
    SubjectNameStrategy::from_class(class).unwrap_or_default()
}

/// The broker's settings as they are now.
#[derive(Debug)]
pub(crate) struct Effective {
    /// With everything taken in.
    pub(crate) options: BrokerOptions,
    /// As the broker was started.
    started: BrokerOptions,
    /// Set while it runs: for all brokers, and for this one.
    all: BTreeMap<String, String>,
    one: BTreeMap<String, String>,
    /// Of a topic that sets nothing itself.
    topic: TopicSettings,
}

impl Effective {
    pub(crate) fn new(
        started: BrokerOptions,
        mut all: BTreeMap<String, String>,
        one: BTreeMap<String, String>,
    ) -> Effective {
        // A new cluster of Kafka 4.3 has this one set.
        all.entry("min.insync.replicas".to_owned())
            .or_insert_with(|| "1".to_owned());
        let mut options = started.clone();
        for (name, value) in all.iter().chain(&one) {
            if let Some(setting) = server_setting(name)
                && let Err(why) = setting.put(&mut options, value)
            {
                tracing::warn!("setting `{name}` stays as it was: {why}");
            }
        }
        let mut topic = TopicSettings::DEFAULT;
        for setting in topic::SETTINGS {
            if let Some(value) = default_of(&options, setting.synonym) {
                topic.put(setting.name, &value);
            }
        }
        Effective {
            options,
            started,
            all,
            one,
            topic,
        }
    }

    /// What a topic's own settings amount to.
    pub(crate) fn of_settings(&self, set: &BTreeMap<String, String>) -> TopicSettings {
        let mut amount = self.topic;
        for (name, value) in set {
            amount.put(name, value);
        }
        amount.settled()
    }

    pub(crate) fn of_topic(&self, topic: &Topic) -> TopicSettings {
        self.of_settings(&topic.settings)
    }

    /// What is set for all brokers.
    pub(crate) fn for_all(&self) -> &BTreeMap<String, String> {
        &self.all
    }

    /// What is set for this one.
    pub(crate) fn for_one(&self) -> &BTreeMap<String, String> {
        &self.one
    }

    /// Every value a setting has, the strongest first: name, value, source.
    pub(crate) fn values_of(&self, setting: &ServerSetting) -> Vec<(String, String, i8)> {
        let mut values = Vec::new();
        let mut add = |value: Option<String>, source| {
            values.extend(value.map(|value| (setting.name.to_owned(), value, source)));
        };
        add(self.one.get(setting.name).cloned(), SOURCE_BROKER_NOW);
        add(self.all.get(setting.name).cloned(), SOURCE_ALL_BROKERS_NOW);
        let started = default_of(&self.started, setting.name);
        add(
            started.filter(|value| Some(value.as_str()) != setting.default),
            SOURCE_BROKER,
        );
        add(setting.default.map(str::to_owned), SOURCE_DEFAULT);
        values
    }
}

/// A setting's value there; some can be given in coarser units too.
fn default_of(options: &BrokerOptions, name: &str) -> Option<String> {
    let setting = server_setting(name)?;
    let coarser: &[(&str, i64)] = match name {
        "log.retention.ms" => &[("log.retention.minutes", MINUTE_MS), ("log.retention.hours", HOUR_MS)],
        "log.roll.ms" => &[("log.roll.hours", HOUR_MS)],
        _ => &[],
    };
    let scaled = |(name, unit_ms): &(&str, i64)| {
        let units: i64 = server_setting(name)?.value_in(options)?.parse().ok()?;
        let ms = if units < 0 { -1 } else { units.saturating_mul(*unit_ms) };
        Some(ms.to_string())
    };
    setting.value_in(options).or_else(|| coarser.iter().find_map(scaled))
}
