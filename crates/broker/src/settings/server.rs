//! The broker's own settings, by Kafka's names: what each does to [`BrokerOptions`], and which may change while it runs.

use std::time::Duration;

use base::topic_name;
use wire::ErrorCode;

use super::kind::Kind;
use super::topic;
use crate::errors::Refusal;
use crate::options::{BrokerOptions, ReplicationFactorPolicy};

/// When a setting can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only when the broker is started.
    Start,
    /// Also while it runs, for all brokers or for one.
    Now,
    /// Also while it runs, but only for all brokers together.
    NowForAll,
}

type Get = fn(&BrokerOptions) -> String;
type Put = fn(&mut BrokerOptions, &str) -> Result<(), String>;

/// Where a value goes.
#[derive(Clone, Copy, Debug)]
enum Target {
    Field(Get, Put),
    /// Kept by name, and looked up by those it concerns.
    Kept,
}

/// One setting of the broker.
#[derive(Debug)]
pub struct ServerSetting {
    pub name: &'static str,
    pub kind: Kind,
    /// `None` for one that is not set unless somebody sets it.
    pub default: Option<&'static str>,
    pub reach: Reach,
    pub documentation: &'static str,
    target: Target,
}

impl ServerSetting {
    /// The value it has there, given or by default.
    pub(crate) fn value_in(&self, options: &BrokerOptions) -> Option<String> {
        match self.target {
            Target::Field(get, _) => Some(get(options)),
            Target::Kept => {
                let kept = options.kept.get(self.name).cloned();
                kept.or_else(|| self.default.map(str::to_owned))
            }
        }
    }

    /// Gives it a value that was checked.
    pub(crate) fn put(&self, options: &mut BrokerOptions, value: &str) -> Result<(), String> {
        match self.target {
            Target::Field(_, put) => put(options, value.trim()),
            Target::Kept => {
                options.kept.insert(self.name, value.trim().to_owned());
                Ok(())
            }
        }
    }
}

fn parsed<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is out of range"))
}

/// Reads and writes a field of the options as the number it is.
macro_rules! field {
    ($($path:ident).+) => {
        Target::Field(
            |options| options.$($path).+.to_string(),
            |options, value| {
                options.$($path).+ = parsed(value)?;
                Ok(())
            },
        )
    };
}

/// The same for a duration, counted in milliseconds.
macro_rules! millis {
    ($($path:ident).+) => {
        Target::Field(
            |options| options.$($path).+.as_millis().to_string(),
            |options, value| {
                options.$($path).+ = Duration::from_millis(parsed(value)?);
                Ok(())
            },
        )
    };
}

/// A number of connections, where Kafka's largest number means no limit of its own.
macro_rules! connections {
    ($($path:ident).+) => {
        Target::Field(
            |options| options.$($path).+.to_string(),
            |options, value| {
                options.$($path).+ = parsed(value)?;
                Ok(())
            },
        )
    };
}

const fn at_start(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    target: Target,
    documentation: &'static str,
) -> ServerSetting {
    ServerSetting {
        name,
        kind,
        default: Some(default),
        reach: Reach::Start,
        documentation,
        target,
    }
}

const fn now(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    target: Target,
    documentation: &'static str,
) -> ServerSetting {
    ServerSetting {
        name,
        kind,
        default: Some(default),
        reach: Reach::Now,
        documentation,
        target,
    }
}

/// The default of a topic's setting; takes its kind and words from there.
const fn of_topic(name: &'static str, setting: &'static str) -> ServerSetting {
    let mut at = 0;
    while at < topic::SETTINGS.len() {
        if same(topic::SETTINGS[at].name, setting) {
            let of = &topic::SETTINGS[at];
            return ServerSetting {
                name,
                kind: of.kind,
                default: Some(of.default),
                reach: Reach::Now,
                documentation: of.documentation,
                target: Target::Kept,
            };
        }
        at += 1;
    }
    panic!("no topic has such a setting")
}

/// The same for one that Kafka does not count as set by default.
const fn unset_of_topic(name: &'static str, setting: &'static str) -> ServerSetting {
    let mut made = of_topic(name, setting);
    made.default = None;
    made
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

const fn unset(name: &'static str, kind: Kind, documentation: &'static str) -> ServerSetting {
    ServerSetting {
        name,
        kind,
        default: None,
        reach: Reach::Start,
        documentation,
        target: Target::Kept,
    }
}

const ONE_MACHINE: &str = "Has no effect: there is one broker.";
const THREADS: &str = "Has no effect: work is shared by as many threads as the machine has cores.";
const CLEANER: &str = "Has no effect: compaction takes what one segment needs.";
const COORDINATOR_TOPIC: &str = "Has no effect: coordinators keep their state in tables of the log, not in a topic.";
const SESSION: &str = "How long a member may be silent before it counts as gone, unless its group says otherwise.";
const HEARTBEAT: &str = "How often members are told to call, unless their group says otherwise.";
const INTERVAL: &str = "The least time between two assignments, unless the group says otherwise.";
const BOUND: &str = "Bounds what a group may set.";
const SHARE: &str = "Of share groups that do not set their own.";
const QUOTA_WINDOW: &str = "How long a time the rate of a quota is taken over.";

/// Every setting of the broker, by name.
const SETTINGS: &[ServerSetting] = &[
    at_start(
        "auto.create.topics.enable",
        Kind::Boolean,
        "true",
        field!(auto_create_topics),
        "Whether topics are made when a client first names them.",
    ),
    at_start(
        "auto.leader.rebalance.enable",
        Kind::Boolean,
        "true",
        Target::Kept,
        ONE_MACHINE,
    ),
    now("background.threads", Kind::int(1), "10", Target::Kept, THREADS),
    ServerSetting {
        target: field!(node_id),
        ..unset("broker.id", Kind::int(0), "The number of the (first) broker.")
    },
    at_start(
        "client.telemetry.topic",
        Kind::Text,
        "",
        Target::Field(
            |options| options.telemetry_topic.clone(),
            |options, value| {
                if !value.is_empty() {
                    topic_name::check(value)?;
                    if value.starts_with('_') {
                        return Err("topics of the platform begin with `_`; name another".to_owned());
                    }
                }
                options.telemetry_topic = value.to_owned();
                Ok(())
            },
        ),
        "The topic that keeps what clients measure and push (KIP-714), a JSON record a push; empty: clients are not \
         asked to push. What is pushed by whom is said with kafka-client-metrics.",
    ),
    of_topic("compression.gzip.level", "compression.gzip.level"),
    of_topic("compression.lz4.level", "compression.lz4.level"),
    of_topic("compression.type", "compression.type"),
    of_topic("compression.zstd.level", "compression.zstd.level"),
    at_start(
        "connections.max.idle.ms",
        Kind::Long { min: 1 },
        "600000",
        millis!(limits.idle_max),
        "How long a connection may be silent before it is closed.",
    ),
    at_start(
        "controller.quota.window.num",
        Kind::int(1),
        "11",
        field!(quotas.controller_samples),
        QUOTA_WINDOW,
    ),
    at_start(
        "controller.quota.window.size.seconds",
        Kind::int(1),
        "1",
        field!(quotas.controller_sample_s),
        QUOTA_WINDOW,
    ),
    at_start(
        "default.replication.factor",
        Kind::int(1),
        "1",
        field!(replication_factor_default),
        "How many replicas a topic has that is created without saying how many; see `replication.factor.policy`.",
    ),
    at_start(
        "delete.topic.enable",
        Kind::Boolean,
        "true",
        field!(delete_topics),
        "Whether topics may be deleted.",
    ),
    at_start(
        "fetch.max.bytes",
        Kind::int(1024),
        "57671680",
        field!(limits.fetch_bytes_max),
        "The most one fetch may return, whatever it asks for.",
    ),
    at_start(
        "group.consumer.assignment.interval.ms",
        Kind::int(0),
        "1000",
        field!(group.consumer.assignment_interval_ms),
        INTERVAL,
    ),
    at_start(
        "group.consumer.heartbeat.interval.ms",
        Kind::int(1),
        "5000",
        field!(group.consumer.heartbeat_interval_ms),
        HEARTBEAT,
    ),
    at_start(
        "group.consumer.max.heartbeat.interval.ms",
        Kind::int(1),
        "15000",
        Target::Kept,
        BOUND,
    ),
    at_start(
        "group.consumer.max.session.timeout.ms",
        Kind::int(1),
        "60000",
        Target::Kept,
        BOUND,
    ),
    at_start(
        "group.consumer.max.size",
        Kind::int(1),
        "10000",
        field!(group.consumer.members_max),
        "How many members a group of the KIP-848 protocol may have.",
    ),
    at_start(
        "group.consumer.min.heartbeat.interval.ms",
        Kind::int(1),
        "5000",
        Target::Kept,
        BOUND,
    ),
    at_start(
        "group.consumer.min.session.timeout.ms",
        Kind::int(1),
        "45000",
        Target::Kept,
        BOUND,
    ),
    at_start(
        "group.consumer.session.timeout.ms",
        Kind::int(1),
        "45000",
        field!(group.consumer.session_timeout_ms),
        SESSION,
    ),
    at_start(
        "group.initial.rebalance.delay.ms",
        Kind::int(0),
        "3000",
        field!(group.initial_rebalance_delay_ms),
        "How long an empty classic group waits for more members before its first rebalance.",
    ),
    at_start(
        "group.max.session.timeout.ms",
        Kind::int(1),
        "1800000",
        field!(group.session_timeout_max_ms),
        "The longest session a member of a classic group may ask for.",
    ),
    at_start(
        "group.max.size",
        Kind::int(1),
        "10000",
        field!(group.members_max),
        "How many members a classic group may have.",
    ),
    at_start(
        "group.min.session.timeout.ms",
        Kind::int(1),
        "6000",
        field!(group.session_timeout_min_ms),
        "The shortest session a member of a classic group may ask for.",
    ),
    at_start(
        "group.share.assignment.interval.ms",
        Kind::int(0),
        "1000",
        field!(group.share.assignment_interval_ms),
        INTERVAL,
    ),
    at_start(
        "group.share.delivery.count.limit",
        Kind::int(2),
        "5",
        field!(group.share.delivery_count_limit),
        SHARE,
    ),
    at_start(
        "group.share.heartbeat.interval.ms",
        Kind::int(1),
        "5000",
        field!(group.share.heartbeat_interval_ms),
        HEARTBEAT,
    ),
    at_start(
        "group.share.max.record.lock.duration.ms",
        Kind::int(1),
        "60000",
        Target::Kept,
        BOUND,
    ),
    at_start(
        "group.share.max.share.sessions",
        Kind::int(1),
        "2000",
        field!(group.share.sessions_max),
        "How many share sessions the members of all share groups may have.",
    ),
    at_start(
        "group.share.max.size",
        Kind::int(1),
        "200",
        field!(group.share.members_max),
        "How many members a share group may have.",
    ),
    at_start(
        "group.share.min.record.lock.duration.ms",
        Kind::int(1),
        "15000",
        Target::Kept,
        BOUND,
    ),
    at_start(
        "group.share.partition.max.record.locks",
        Kind::int(1),
        "2000",
        field!(group.share.record_locks_max),
        SHARE,
    ),
    at_start(
        "group.share.record.lock.duration.ms",
        Kind::int(1),
        "30000",
        field!(group.share.record_lock_ms),
        SHARE,
    ),
    at_start(
        "group.share.session.timeout.ms",
        Kind::int(1),
        "45000",
        field!(group.share.session_timeout_ms),
        SESSION,
    ),
    at_start(
        "group.streams.assignment.interval.ms",
        Kind::int(0),
        "1000",
        field!(group.streams.assignment_interval_ms),
        INTERVAL,
    ),
    at_start(
        "group.streams.heartbeat.interval.ms",
        Kind::int(1),
        "5000",
        field!(group.streams.heartbeat_interval_ms),
        HEARTBEAT,
    ),
    at_start(
        "group.streams.initial.rebalance.delay.ms",
        Kind::int(0),
        "3000",
        field!(group.streams.initial_rebalance_delay_ms),
        "How long an empty streams group waits for more members, unless it says otherwise.",
    ),
    at_start(
        "group.streams.num.standby.replicas",
        Kind::int(0),
        "0",
        field!(group.streams.standby_replicas),
        "Of streams groups that do not set their own.",
    ),
    at_start(
        "group.streams.session.timeout.ms",
        Kind::int(1),
        "45000",
        field!(group.streams.session_timeout_ms),
        SESSION,
    ),
    now(
        "log.cleaner.backoff.ms",
        Kind::Long { min: 0 },
        "15000",
        millis!(compaction_check_interval),
        "How long the cleaner rests before it looks again for partitions to compact.",
    ),
    now(
        "log.cleaner.dedupe.buffer.size",
        Kind::Long { min: 0 },
        "134217728",
        Target::Kept,
        CLEANER,
    ),
    of_topic("log.cleaner.delete.retention.ms", "delete.retention.ms"),
    at_start(
        "log.cleaner.enable",
        Kind::Boolean,
        "true",
        field!(compaction),
        "Whether compacted topics are compacted.",
    ),
    now(
        "log.cleaner.io.buffer.size",
        Kind::int(0),
        "524288",
        Target::Kept,
        CLEANER,
    ),
    of_topic("log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms"),
    of_topic("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"),
    of_topic("log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms"),
    now(
        "log.cleaner.threads",
        Kind::int(0),
        "1",
        Target::Kept,
        "Has no effect: one partition is compacted at a time.",
    ),
    of_topic("log.cleanup.policy", "cleanup.policy"),
    of_topic("log.flush.interval.messages", "flush.messages"),
    unset_of_topic("log.flush.interval.ms", "flush.ms"),
    of_topic("log.index.interval.bytes", "index.interval.bytes"),
    of_topic("log.index.size.max.bytes", "segment.index.bytes"),
    of_topic("log.local.retention.bytes", "local.retention.bytes"),
    of_topic("log.local.retention.ms", "local.retention.ms"),
    of_topic("log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms"),
    of_topic("log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms"),
    of_topic("log.message.timestamp.type", "message.timestamp.type"),
    of_topic("log.preallocate", "preallocate"),
    of_topic("log.retention.bytes", "retention.bytes"),
    at_start(
        "log.retention.check.interval.ms",
        Kind::Long { min: 1 },
        "300000",
        millis!(retention_check_interval),
        "How often old segments are looked for.",
    ),
    unset(
        "log.retention.hours",
        Kind::int(-1),
        "As `log.retention.ms`, which holds before it, in hours.",
    ),
    unset(
        "log.retention.minutes",
        Kind::int(-1),
        "As `log.retention.ms`, which holds before it, in minutes.",
    ),
    unset_of_topic("log.retention.ms", "retention.ms"),
    unset(
        "log.roll.hours",
        Kind::int(1),
        "As `log.roll.ms`, which holds before it, in hours.",
    ),
    unset_of_topic("log.roll.jitter.ms", "segment.jitter.ms"),
    unset_of_topic("log.roll.ms", "segment.ms"),
    of_topic("log.segment.bytes", "segment.bytes"),
    of_topic("log.segment.delete.delay.ms", "file.delete.delay.ms"),
    now(
        "max.connections",
        Kind::int(0),
        "10000",
        connections!(limits.connections_max),
        "How many connections there may be in all.",
    ),
    now(
        "max.connections.per.ip",
        Kind::int(0),
        "5000",
        connections!(limits.connections_per_address_max),
        "How many connections one address may have.",
    ),
    at_start(
        "max.incremental.fetch.session.cache.slots",
        Kind::int(0),
        "1000",
        field!(limits.fetch_sessions_max),
        "How many fetch sessions are remembered.",
    ),
    of_topic("message.max.bytes", "max.message.bytes"),
    ServerSetting {
        reach: Reach::NowForAll,
        ..of_topic("min.insync.replicas", "min.insync.replicas")
    },
    ServerSetting {
        target: field!(node_id),
        ..unset("node.id", Kind::int(0), "The number of the (first) broker.")
    },
    now("num.io.threads", Kind::int(1), "8", Target::Kept, THREADS),
    now("num.network.threads", Kind::int(1), "3", Target::Kept, THREADS),
    at_start(
        "num.partitions",
        Kind::int(1),
        "1",
        field!(partitions_default),
        "How many partitions a topic has that is created without saying how many.",
    ),
    now(
        "num.recovery.threads.per.data.dir",
        Kind::int(1),
        "2",
        Target::Kept,
        THREADS,
    ),
    now("num.replica.fetchers", Kind::int(1), "1", Target::Kept, ONE_MACHINE),
    at_start(
        "offset.metadata.max.bytes",
        Kind::int(0),
        "4096",
        field!(offset_metadata_bytes_max),
        "How long a note beside a committed offset may be.",
    ),
    at_start(
        "offsets.retention.check.interval.ms",
        Kind::Long { min: 1 },
        "600000",
        millis!(offsets_retention_check_interval),
        "How often offsets of no use any more are looked for.",
    ),
    at_start(
        "offsets.retention.minutes",
        Kind::int(1),
        "10080",
        Target::Field(
            |options| (options.offsets_retention_ms / MINUTE_MS).to_string(),
            |options, value| {
                options.offsets_retention_ms = parsed::<i64>(value)?.saturating_mul(MINUTE_MS);
                Ok(())
            },
        ),
        "How long committed offsets outlive their group's last member.",
    ),
    at_start(
        "offsets.topic.num.partitions",
        Kind::int(1),
        "50",
        Target::Kept,
        COORDINATOR_TOPIC,
    ),
    at_start(
        "offsets.topic.replication.factor",
        Kind::int(1),
        "1",
        Target::Kept,
        COORDINATOR_TOPIC,
    ),
    at_start(
        "producer.id.expiration.ms",
        Kind::int(1),
        "86400000",
        Target::Kept,
        "How long a partition remembers a producer that does not write to it.",
    ),
    at_start(
        "quota.window.num",
        Kind::int(1),
        "11",
        field!(quotas.samples),
        QUOTA_WINDOW,
    ),
    at_start(
        "quota.window.size.seconds",
        Kind::int(1),
        "1",
        field!(quotas.sample_s),
        QUOTA_WINDOW,
    ),
    at_start(
        "replication.factor.policy",
        Kind::OneOf(&["clamp", "strict"]),
        "strict",
        Target::Field(
            |options| match options.replication_factor_policy {
                ReplicationFactorPolicy::Strict => "strict".to_owned(),
                ReplicationFactorPolicy::Clamp => "clamp".to_owned(),
            },
            |options, value| {
                options.replication_factor_policy = match value {
                    "clamp" => ReplicationFactorPolicy::Clamp,
                    _ => ReplicationFactorPolicy::Strict,
                };
                Ok(())
            },
        ),
        "What becomes of a topic that is to have more replicas than there are brokers: `strict` refuses it as Kafka does, \
         `clamp` makes it with as many as there are, for tools that always ask for three.",
    ),
    at_start(
        "socket.request.max.bytes",
        Kind::int(1),
        "104857600",
        field!(limits.request_bytes_max),
        "The largest request taken.",
    ),
    at_start(
        "telemetry.max.bytes",
        Kind::int(1),
        "1048576",
        field!(limits.telemetry_bytes_max),
        "The largest push of client metrics taken, as it comes and decompressed.",
    ),
    at_start(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Kind::int(1),
        "10000",
        millis!(transaction_timeout_check_interval),
        "How often transactions open for too long are looked for.",
    ),
    at_start(
        "transaction.max.timeout.ms",
        Kind::int(1),
        "900000",
        field!(transaction_timeout_ms_max),
        "The longest time a producer may ask to have a transaction open.",
    ),
    now(
        "transaction.partition.verification.enable",
        Kind::Boolean,
        "true",
        Target::Kept,
        "Has no effect: every record of a transaction is checked against its transaction's state.",
    ),
    at_start(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Kind::int(1),
        "3600000",
        millis!(transactional_id_check_interval),
        "How often transactional ids that nobody uses are looked for.",
    ),
    at_start(
        "transaction.state.log.min.isr",
        Kind::int(1),
        "1",
        Target::Kept,
        COORDINATOR_TOPIC,
    ),
    at_start(
        "transaction.state.log.num.partitions",
        Kind::int(1),
        "50",
        Target::Kept,
        COORDINATOR_TOPIC,
    ),
    at_start(
        "transaction.state.log.replication.factor",
        Kind::int(1),
        "1",
        Target::Kept,
        COORDINATOR_TOPIC,
    ),
    at_start(
        "transactional.id.expiration.ms",
        Kind::int(1),
        "604800000",
        field!(transactional_id_expiration_ms),
        "How long a transactional id that nobody uses is remembered.",
    ),
    of_topic("unclean.leader.election.enable", "unclean.leader.election.enable"),
];

const MINUTE_MS: i64 = 60_000;

/// Names so much alike may be meant for each other.
const LIKENESS_MIN: f64 = 0.9;
const SUGGESTIONS_MAX: usize = 3;

/// All settings of the broker, by name.
pub fn server_settings() -> &'static [ServerSetting] {
    SETTINGS
}

pub fn server_setting(name: &str) -> Option<&'static ServerSetting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl BrokerOptions {
    /// Gives a setting the value it has from the start, by Kafka's name; says in words why it cannot.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let Some(setting) = server_setting(name) else {
            let mut near: Vec<(f64, &str)> = SETTINGS
                .iter()
                .map(|setting| (strsim::jaro_winkler(name, setting.name), setting.name))
                .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
                .collect();
            near.sort_by(|one, other| other.0.total_cmp(&one.0));
            let near: Vec<String> = near
                .iter()
                .take(SUGGESTIONS_MAX)
                .map(|(_, name)| format!("`{name}`"))
                .collect();
            return Err(match near.as_slice() {
                [] => format!("the broker has no setting `{name}`"),
                near => format!("the broker has no setting `{name}`; near it are {}", near.join(", ")),
            });
        };
        let checked = setting.kind.check(value).and_then(|()| setting.put(self, value));
        checked.map_err(|why| format!("`{name}` cannot be `{value}`: {why}"))
    }

    /// What a setting that is kept by name was given, or its default.
    pub fn value(&self, name: &str) -> Option<String> {
        server_setting(name)?.value_in(self)
    }
}

/// Whether a setting of the broker may be changed while it runs, for all brokers or for one. What nobody knows is kept,
/// as Kafka keeps it: it may be meant for a plug-in.
pub(crate) fn may_be_altered(name: &str, value: Option<&str>, for_one: bool) -> Result<(), Refusal> {
    let Some(setting) = server_setting(name) else {
        return Ok(());
    };
    let refuse = |code, why| Err(Refusal::new(code, why));
    match (setting.reach, value) {
        (Reach::Start, _) => {
            let why = format!("Cannot update these configs dynamically: Set({name})");
            refuse(ErrorCode::InvalidRequest, why)
        }
        (Reach::NowForAll, _) if for_one => {
            let why = format!("Broker-level {name} cannot be altered while ELR is enabled.");
            refuse(ErrorCode::InvalidConfig, why)
        }
        (Reach::NowForAll, None) => {
            let why = format!("Cluster-level {name} cannot be removed while ELR is enabled.");
            refuse(ErrorCode::InvalidConfig, why)
        }
        (_, Some(value)) => setting
            .kind
            .check(value)
            .map_err(|why| super::invalid(name, value, &why)),
        (_, None) => Ok(()),
    }
}
