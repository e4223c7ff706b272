//! The settings a topic has: all that Kafka 4.3 shows. Those that cannot mean anything on one machine with one replica
//! are checked and kept all the same, and say so.

use schema::validation::SubjectNameStrategy;

use super::kind::Kind;

/// One topic setting.
#[derive(Debug)]
pub(crate) struct TopicSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The broker's setting of the same meaning, for topics that do not set theirs; none if empty.
    pub(crate) synonym: &'static str,
    /// Kafka's own default.
    pub(crate) default: &'static str,
    pub(crate) documentation: &'static str,
}

const fn setting(
    name: &'static str,
    kind: Kind,
    synonym: &'static str,
    default: &'static str,
    documentation: &'static str,
) -> TopicSetting {
    TopicSetting {
        name,
        kind,
        synonym,
        default,
        documentation,
    }
}

const MIB: i64 = 1 << 20;

pub(crate) const SETTINGS: &[TopicSetting] = &[
    setting(
        "cleanup.policy",
        Kind::ListOf(&["compact", "delete"]),
        "log.cleanup.policy",
        "delete",
        "How old records go: `delete` by age and size; `compact` keeps the last of each key and so demands keys; both \
         together do both; neither keeps everything.",
    ),
    setting(
        "compression.gzip.level",
        Kind::GzipLevel,
        "compression.gzip.level",
        "-1",
        "The level if `compression.type` is `gzip`; -1 is the codec's own.",
    ),
    setting(
        "compression.lz4.level",
        Kind::Int { min: 1, max: 17 },
        "compression.lz4.level",
        "9",
        "Has no effect: lz4 is written at its fast level.",
    ),
    setting(
        "compression.type",
        Kind::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "compression.type",
        "producer",
        "How batches lie in the log: as the producer compressed them, or in a codec of the topic's own, for which the \
         broker compresses them anew.",
    ),
    setting(
        "compression.zstd.level",
        Kind::Int { min: -131_072, max: 22 },
        "compression.zstd.level",
        "3",
        "The level if `compression.type` is `zstd`.",
    ),
    setting(
        "delete.retention.ms",
        Kind::Long { min: 0 },
        "log.cleaner.delete.retention.ms",
        "86400000",
        "How long a compacted topic keeps the markers of deleted keys, so that readers learn of the deletion.",
    ),
    setting(
        "file.delete.delay.ms",
        Kind::Long { min: 0 },
        "log.segment.delete.delay.ms",
        "60000",
        "Has no effect: files go at once, and who is reading one reads to its end.",
    ),
    setting(
        "flush.messages",
        Kind::Long { min: 1 },
        "log.flush.interval.messages",
        "9223372036854775807",
        "Has no effect: when a record counts as durable is the server's durability class, which is never weaker than this.",
    ),
    setting(
        "flush.ms",
        Kind::Long { min: 0 },
        "log.flush.interval.ms",
        "9223372036854775807",
        "Has no effect: when a record counts as durable is the server's durability class, which is never weaker than this.",
    ),
    setting(
        "follower.replication.throttled.replicas",
        Kind::Replicas,
        "",
        "",
        "Has no effect: there are no followers.",
    ),
    setting(
        "index.interval.bytes",
        Kind::int(0),
        "log.index.interval.bytes",
        "4096",
        "With `segment.index.bytes` bounds a segment's size as it does in Kafka; the index itself has an interval of its \
         own.",
    ),
    setting(
        "leader.replication.throttled.replicas",
        Kind::Replicas,
        "",
        "",
        "Has no effect: there are no followers.",
    ),
    setting(
        "local.retention.bytes",
        Kind::Long { min: -2 },
        "log.local.retention.bytes",
        "-2",
        "Has no effect: there is no tiered storage.",
    ),
    setting(
        "local.retention.ms",
        Kind::Long { min: -2 },
        "log.local.retention.ms",
        "-2",
        "Has no effect: there is no tiered storage.",
    ),
    setting(
        "max.compaction.lag.ms",
        Kind::Long { min: 1 },
        "log.cleaner.max.compaction.lag.ms",
        "9223372036854775807",
        "How long a record of a compacted topic may stay as it was written; then it is compacted however little is dirty.",
    ),
    setting(
        "max.message.bytes",
        Kind::int(0),
        "message.max.bytes",
        "1048588",
        "The largest batch taken, as sent: compressed, with its 12-byte prefix.",
    ),
    setting(
        "message.timestamp.after.max.ms",
        Kind::Long { min: 0 },
        "log.message.timestamp.after.max.ms",
        "3600000",
        "How far in the future a record's timestamp may lie when it arrives.",
    ),
    setting(
        "message.timestamp.before.max.ms",
        Kind::Long { min: 0 },
        "log.message.timestamp.before.max.ms",
        "9223372036854775807",
        "How far in the past a batch's first timestamp may lie when it arrives.",
    ),
    setting(
        "message.timestamp.type",
        Kind::OneOf(&["CreateTime", "LogAppendTime"]),
        "log.message.timestamp.type",
        "CreateTime",
        "Whose clock a record's timestamp comes from: the producer's or the broker's.",
    ),
    setting(
        "min.cleanable.dirty.ratio",
        Kind::Double { min: 0.0, max: 1.0 },
        "log.cleaner.min.cleanable.ratio",
        "0.5",
        "A compacted partition is compacted when at least this part of it is dirty.",
    ),
    setting(
        "min.compaction.lag.ms",
        Kind::Long { min: 0 },
        "log.cleaner.min.compaction.lag.ms",
        "0",
        "How long a record of a compacted topic stays as it was written.",
    ),
    setting(
        "min.insync.replicas",
        Kind::int(1),
        "min.insync.replicas",
        "1",
        "Has no effect: there is one replica, it is in sync, and what it acknowledges is durable.",
    ),
    setting(
        "preallocate",
        Kind::Boolean,
        "log.preallocate",
        "false",
        "Has no effect: the write-ahead log is preallocated, segments are not.",
    ),
    setting(
        "remote.log.copy.disable",
        Kind::Boolean,
        "",
        "false",
        "Has no effect: there is no tiered storage.",
    ),
    setting(
        "remote.log.delete.on.disable",
        Kind::Boolean,
        "",
        "false",
        "Has no effect: there is no tiered storage.",
    ),
    setting(
        "remote.storage.enable",
        Kind::Boolean,
        "",
        "false",
        "Can only be `false`: there is no tiered storage.",
    ),
    setting(
        "retention.bytes",
        Kind::Long { min: -1 },
        "log.retention.bytes",
        "-1",
        "How many bytes each partition keeps at least before its oldest segments go; -1 is no limit.",
    ),
    setting(
        "retention.ms",
        Kind::Long { min: -1 },
        "log.retention.ms",
        "604800000",
        "How long records are kept at least before their segments go; -1 is for ever.",
    ),
    setting(
        "segment.bytes",
        Kind::Int {
            min: MIB,
            max: i32::MAX as i64,
        },
        "log.segment.bytes",
        "1073741824",
        "A partition's segment is closed when it would grow past this. Only closed segments go or are compacted.",
    ),
    setting(
        "segment.index.bytes",
        Kind::int(4),
        "log.index.size.max.bytes",
        "10485760",
        "Closes a segment when Kafka's index of it would grow past this: 8 bytes for every `index.interval.bytes`.",
    ),
    setting(
        "segment.jitter.ms",
        Kind::Long { min: 0 },
        "log.roll.jitter.ms",
        "0",
        "Takes up to this from `segment.ms`, for each partition differently, so that not all segments close at once.",
    ),
    setting(
        "segment.ms",
        Kind::Long { min: 1 },
        "log.roll.ms",
        "604800000",
        "A partition's segment is closed when the records in it would be of times further apart than this.",
    ),
    setting(
        "unclean.leader.election.enable",
        Kind::Boolean,
        "unclean.leader.election.enable",
        "false",
        "Has no effect: nobody but this broker ever leads.",
    ),
];

/// Settings that Kafka does not have: Confluent's brokers do, or only this one. They are shown where they are set.
pub(crate) const MORE: &[TopicSetting] = &[
    setting(
        "confluent.key.schema.validation",
        Kind::Boolean,
        "",
        "false",
        "Refuses records whose key does not name a schema that is registered under the key's subject.",
    ),
    setting(
        "confluent.key.subject.name.strategy",
        STRATEGY,
        "",
        SubjectNameStrategy::CLASSES[0],
        "How the key's subject is named.",
    ),
    setting(
        "confluent.value.schema.validation",
        Kind::Boolean,
        "",
        "false",
        "Refuses records whose value does not name a schema that is registered under the value's subject.",
    ),
    setting(
        "confluent.value.subject.name.strategy",
        STRATEGY,
        "",
        SubjectNameStrategy::CLASSES[0],
        "How the value's subject is named.",
    ),
    setting(
        "rivulet.key.payload.validation",
        Kind::Boolean,
        "",
        "false",
        "Refuses records whose key cannot be decoded by the schema it names; implies `confluent.key.schema.validation`.",
    ),
    setting(
        "rivulet.value.payload.validation",
        Kind::Boolean,
        "",
        "false",
        "Refuses records whose value cannot be decoded by the schema it names; implies `confluent.value.schema.validation`.",
    ),
];

const STRATEGY: Kind = Kind::OneOf(&SubjectNameStrategy::CLASSES);

pub(crate) fn find(name: &str) -> Option<&'static TopicSetting> {
    SETTINGS.iter().chain(MORE).find(|setting| setting.name == name)
}
