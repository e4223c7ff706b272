//! What a broker can be told at start, and every limit it keeps.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::group::GroupLimits;

/// What to do when a topic is to have more replicas than there are brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicationFactorPolicy {
    /// Refuse, as Kafka does.
    #[default]
    Strict,
    /// Accept any factor and have as many as there are brokers: for tools that always ask for three.
    Clamp,
}

/// How a broker presents itself and behaves. The names in backticks are Kafka's.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// `node.id`.
    pub node_id: i32,
    /// How many brokers clients see, with consecutive ids; [`crate::Broker::serve`] is called once for each.
    pub virtual_brokers: i32,
    /// `advertised.listeners`: what clients are told to connect to.
    pub advertised_host: String,
    /// Of the first broker, the others' follow; 0: the ports of the listeners in the order they are served.
    pub advertised_port: u16,
    /// `log.dirs`, as DescribeLogDirs tells it.
    pub log_dir: String,
    /// How many bytes the disk of a folder has, and how many of them are free; for those who cannot know, nothing.
    pub disk_space: fn(&Path) -> Option<(u64, u64)>,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `num.partitions`: of topics created without saying how many.
    pub partitions_default: i32,
    /// `default.replication.factor`.
    pub replication_factor_default: i16,
    pub replication_factor_policy: ReplicationFactorPolicy,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `log.cleaner.enable`.
    pub compaction: bool,
    /// `log.cleaner.backoff.ms`.
    pub compaction_check_interval: Duration,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_bytes_max: usize,
    /// `transaction.max.timeout.ms`.
    pub transaction_timeout_ms_max: i32,
    /// `transactional.id.expiration.ms`.
    pub transactional_id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub transaction_timeout_check_interval: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub transactional_id_check_interval: Duration,
    /// `client.telemetry.topic`: where what clients push is kept; empty for nowhere.
    pub telemetry_topic: String,
    pub group: GroupLimits,
    pub quotas: QuotaWindows,
    pub limits: Limits,
    /// Settings that have no field here, by Kafka's names; see [`BrokerOptions::set`].
    pub kept: BTreeMap<&'static str, String>,
}

/// The time that the rates of quotas are taken over: so many samples of so many seconds.
#[derive(Clone, Debug)]
pub struct QuotaWindows {
    /// `quota.window.num`.
    pub samples: u32,
    /// `quota.window.size.seconds`.
    pub sample_s: u32,
    /// `controller.quota.window.num`.
    pub controller_samples: u32,
    /// `controller.quota.window.size.seconds`.
    pub controller_sample_s: u32,
}

impl Default for QuotaWindows {
    fn default() -> QuotaWindows {
        QuotaWindows {
            samples: 11,
            sample_s: 1,
            controller_samples: 11,
            controller_sample_s: 1,
        }
    }
}

impl Default for BrokerOptions {
    fn default() -> BrokerOptions {
        BrokerOptions {
            node_id: 1,
            virtual_brokers: 1,
            advertised_host: "localhost".to_owned(),
            advertised_port: 0,
            log_dir: "data".to_owned(),
            disk_space: |_| None,
            auto_create_topics: true,
            partitions_default: 1,
            replication_factor_default: 1,
            replication_factor_policy: ReplicationFactorPolicy::default(),
            delete_topics: true,
            retention_check_interval: Duration::from_secs(300),
            compaction: true,
            compaction_check_interval: Duration::from_secs(15),
            offsets_retention_ms: 604_800_000,
            offsets_retention_check_interval: Duration::from_secs(600),
            offset_metadata_bytes_max: 4_096,
            transaction_timeout_ms_max: 900_000,
            transactional_id_expiration_ms: 604_800_000,
            transaction_timeout_check_interval: Duration::from_secs(10),
            transactional_id_check_interval: Duration::from_secs(3_600),
            telemetry_topic: String::new(),
            group: GroupLimits::default(),
            quotas: QuotaWindows::default(),
            limits: Limits::default(),
            kept: BTreeMap::new(),
        }
    }
}

/// Bounds on what all clients together, and each alone, can make the broker hold.
#[derive(Clone, Debug)]
pub struct Limits {
    pub connections_max: usize,
    pub connections_per_address_max: usize,
    /// `connections.max.idle.ms`.
    pub idle_max: Duration,
    /// How long a request may take to arrive once its size is known.
    pub request_arrival_max: Duration,
    /// How long a peer may take none of the bytes sent to it.
    pub write_stall_max: Duration,
    /// `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// Of requests read and not yet answered, over all connections. At least `request_bytes_max`.
    pub requests_in_flight_bytes_max: usize,
    /// Of fetched records not yet sent, over all connections.
    pub fetch_in_flight_bytes_max: usize,
    /// Of records that are being sent from files, over all connections, each from a file of its own; what goes beyond is
    /// read into memory.
    pub fetch_files_max: usize,
    /// Requests read and not yet answered on one connection; more are left in the socket.
    pub requests_in_flight_max: usize,
    /// `fetch.max.bytes`: the most one fetch may return, whatever it asks for.
    pub fetch_bytes_max: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
    /// Partitions in all fetch sessions together.
    pub fetch_session_partitions_max: usize,
    pub groups_max: usize,
    /// What the members of all groups together may leave with the broker.
    pub group_bytes_max: usize,
    pub transactional_ids_max: usize,
    /// Of the offsets that one transaction is about to commit.
    pub transaction_offsets_bytes_max: usize,
    /// What the records of one batch may grow to when they have to be looked into.
    pub decompressed_bytes_max: usize,
    /// `telemetry.max.bytes`: of one push, as it comes and decompressed.
    pub telemetry_bytes_max: usize,
    /// Clients that push and are remembered.
    pub telemetry_instances_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 10_000,
            connections_per_address_max: 5_000,
            idle_max: Duration::from_secs(600),
            request_arrival_max: Duration::from_secs(60),
            write_stall_max: Duration::from_secs(60),
            request_bytes_max: 104_857_600,
            requests_in_flight_bytes_max: 256 << 20,
            fetch_in_flight_bytes_max: 256 << 20,
            fetch_files_max: 512,
            requests_in_flight_max: 64,
            fetch_bytes_max: 57_671_680,
            fetch_sessions_max: 1_000,
            fetch_session_partitions_max: 200_000,
            groups_max: 100_000,
            group_bytes_max: 256 << 20,
            transactional_ids_max: 100_000,
            transaction_offsets_bytes_max: 16 << 20,
            decompressed_bytes_max: 256 << 20,
            telemetry_bytes_max: 1 << 20,
            telemetry_instances_max: 16_384,
        }
    }
}
