//! The Kafka server: listeners, one file per API, groups, transactions; and [`client::Topics`] for those within the process.
//!
//! What this crate does not know: SQL, connectors, HTTP, how anything lies on disk.
//!
//! Invariants: what is not implemented is not advertised; nothing is acknowledged before the log says it is durable;
//! no peer can make the broker hold more than [`Limits`] says, nor disturb another peer's connection. The hot path looks
//! at batches, never at records. Layer 4: it stands on `catalog`, `log`, `client` and `wire`.

mod api;
mod cleaner;
mod coordinator;
mod errors;
mod fetch_sessions;
mod group;
mod group_settings;
mod net;
mod nodes;
mod options;
mod partitions;
mod producer_ids;
mod quotas;
mod retention;
mod segments;
mod settings;
mod share;
mod storage;
mod tables;
mod telemetry;
mod topics;
mod transaction;
mod transactions;
mod validation;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::{Clock, Random};
use catalog::{Catalog, CatalogError, NewTopic, Registry, Topic};
use log::{Log, Op, Outcome};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use group::{Assignor, ConsumerGroupLimits, GroupLimits, MigrationPolicy, ShareGroupLimits, StreamsGroupLimits};
pub use options::{BrokerOptions, Limits, QuotaWindows, ReplicationFactorPolicy};
pub use settings::{ServerSetting, server_setting, server_settings};
pub use topics::LocalTopics;

use coordinator::Coordinator;
use fetch_sessions::FetchSessions;
use net::{Budget, Buffers, Listeners, Slots};
use producer_ids::ProducerIds;
use quotas::Quotas;
use settings::{Effective, Resource};
use share::SharePartitions;
use telemetry::Telemetry;
use transactions::Transactions;

/// The part of the memory for requests that is for small ones.
const SMALL_REQUESTS_PART: usize = 4;

/// One broker over one log. Its background work ends when the last handle goes.
pub struct Broker {
    options: Arc<BrokerOptions>,
    log: Log,
    catalog: Arc<Catalog>,
    /// Whom to ask about the schemas of records. It writes through this broker, so it comes later.
    registry: OnceLock<Arc<Registry>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    coordinator: Arc<Coordinator>,
    shares: Arc<SharePartitions>,
    fetch_sessions: FetchSessions,
    producer_ids: Arc<ProducerIds>,
    transactions: Arc<Transactions>,
    quotas: Quotas,
    /// If there is a topic for what clients push.
    telemetry: Option<Arc<Telemetry>>,
    runs: topics::Runs,
    /// What all settings amount to now; replaced when one is changed.
    effective: RwLock<Arc<Effective>>,
    /// Of it, what the cleaner must hear of while it rests.
    cleaner_backoff: watch::Sender<Duration>,
    /// Held from reading a topic's settings to storing them changed, so that no change is lost.
    altering: tokio::sync::Mutex<()>,
    listeners: Listeners,
    /// Of large requests.
    buffers: Buffers,
    request_budget: Budget,
    /// Of requests large enough to be slow: they keep only one another waiting.
    large_request_budget: Budget,
    fetch_budget: Budget,
    fetch_files: Slots,
    /// Of the listeners, in the order they are served.
    ports: RwLock<Vec<u16>>,
    background: Mutex<Vec<AbortHandle>>,
}

impl Broker {
    /// Reads the groups that the log keeps and begins to look after them. Call within a tokio runtime.
    pub fn new(
        options: BrokerOptions,
        log: Log,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Arc<Broker> {
        let limits = &options.limits;
        let in_flight_bytes = limits.requests_in_flight_bytes_max.max(limits.request_bytes_max);
        let request_budget = Budget::new(in_flight_bytes / SMALL_REQUESTS_PART);
        let large_request_budget = Budget::new(in_flight_bytes - in_flight_bytes / SMALL_REQUESTS_PART);
        let fetch_budget = Budget::new(limits.fetch_in_flight_bytes_max);
        let fetch_files = Slots::new(limits.fetch_files_max);
        let fetch_sessions = FetchSessions::new(limits);
        let effective = Broker::take_in(&options, &catalog);
        let quotas = Quotas::open(&catalog, Arc::clone(&clock), &options.quotas);
        let options = Arc::new(options);
        let shares = SharePartitions::new(
            log.clone(),
            Arc::clone(&catalog),
            Arc::clone(&clock),
            Arc::clone(&options),
        );
        let coordinator = Coordinator::open(
            log.clone(),
            Arc::clone(&catalog),
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::clone(&options),
        );
        let producer_ids = Arc::<ProducerIds>::default();
        let transactions = Arc::new(Transactions::open(
            log.clone(),
            Arc::clone(&catalog),
            Arc::clone(&clock),
            Arc::clone(&options),
            Arc::clone(&coordinator),
            Arc::clone(&producer_ids),
        ));
        let cleaner_backoff = watch::Sender::new(effective.options.compaction_check_interval);
        let telemetry = Telemetry::new(&options, &catalog, Arc::clone(&clock), Arc::clone(&random));
        let broker = Arc::new(Broker {
            options,
            log,
            catalog,
            registry: OnceLock::new(),
            clock,
            random,
            coordinator,
            shares,
            fetch_sessions,
            producer_ids,
            transactions,
            quotas,
            telemetry,
            runs: topics::Runs::default(),
            effective: RwLock::new(Arc::new(effective)),
            cleaner_backoff,
            altering: tokio::sync::Mutex::default(),
            listeners: Listeners::default(),
            buffers: Buffers::default(),
            request_budget,
            large_request_budget,
            fetch_budget,
            fetch_files,
            ports: RwLock::default(),
            background: Mutex::default(),
        });
        broker.apply_segment_limits();
        broker.start_background();
        broker
    }

    /// Names the registry that topics' records are validated by, once.
    pub fn validate_by(&self, registry: Arc<Registry>) {
        if self.registry.set(registry).is_err() {
            tracing::warn!("the broker has a schema registry already");
        }
    }

    /// A handle for those within the process.
    pub fn topics(self: &Arc<Self>) -> Arc<LocalTopics> {
        Arc::new(LocalTopics::new(Arc::clone(self)))
    }

    fn start_background(self: &Arc<Self>) {
        let timers = tokio::spawn(Arc::clone(&self.coordinator).run_timers());
        let coordinator = Arc::clone(&self.coordinator);
        let shares = Arc::clone(&self.shares);
        let every = self.options.offsets_retention_check_interval;
        let expiry = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                coordinator.expire().await;
                shares.forget_gone().await;
            }
        });
        let transactions = Arc::clone(&self.transactions);
        let every = self.options.transaction_timeout_check_interval;
        let transaction_timeouts = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                transactions.time_out().await;
            }
        });
        let transactions = Arc::clone(&self.transactions);
        let every = self.options.transactional_id_check_interval;
        let transactional_ids = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                transactions.expire().await;
            }
        });
        // Weak: the rounds must not keep the broker alive.
        let broker = Arc::downgrade(self);
        let every = self.options.retention_check_interval;
        let retention = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(broker) = broker.upgrade() else { return };
                broker.retain().await;
            }
        });
        let cleaner = tokio::spawn(cleaner::run(Arc::downgrade(self), self.cleaner_backoff.subscribe()));
        *self.background.lock() = [
            timers,
            expiry,
            transaction_timeouts,
            transactional_ids,
            retention,
            cleaner,
        ]
        .map(|task| task.abort_handle())
        .into();
    }

    /// A topic, made with the broker's defaults if there is none.
    pub(crate) async fn topic_or_new(&self, name: &str) -> Result<Arc<Topic>, CatalogError> {
        if let Some(topic) = self.catalog.topic(name) {
            return Ok(topic);
        }
        let new = NewTopic {
            name: name.to_owned(),
            partitions: self.options.partitions_default,
            replication_factor: self.options.replication_factor_default,
            assignments: Default::default(),
            settings: Default::default(),
        };
        match self.catalog.create_topic(new).await {
            Ok(topic) => {
                self.apply_segment_limits_of(&topic);
                Ok(topic)
            }
            // Somebody else may have been faster.
            Err(error) => self.catalog.topic(name).ok_or(error),
        }
    }

    /// What all settings amount to now.
    pub(crate) fn effective(&self) -> Arc<Effective> {
        Arc::clone(&self.effective.read())
    }

    fn take_in(started: &BrokerOptions, catalog: &Catalog) -> Effective {
        let word = Resource::Broker.word();
        let (all, one) = (
            catalog.settings_of(word, ""),
            catalog.settings_of(word, &started.node_id.to_string()),
        );
        Effective::new(started.clone(), all, one)
    }

    /// Puts changed settings of the broker in force.
    fn refresh(&self) {
        let effective = Broker::take_in(&self.options, &self.catalog);
        let backoff = effective.options.compaction_check_interval;
        *self.effective.write() = Arc::new(effective);
        self.cleaner_backoff
            .send_if_modified(|now| std::mem::replace(now, backoff) != backoff);
        self.apply_segment_limits();
    }

    async fn commit(&self, ops: Vec<Op>) -> Result<Vec<Outcome>, storage::CommitFailed> {
        storage::commit(&self.log, ops).await
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.background.lock().iter().for_each(AbortHandle::abort);
    }
}
