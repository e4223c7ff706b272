//! Starts and stops the whole platform in one process, in order.
//!
//! Invariants: every port is bound before anything else happens, so a taken port leaves no trace; what starts last
//! stops first; the log closes when nobody writes any more.
//!
//! What this crate does not know: terminals.

mod options;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, OsRandom, Random, RealClock};
use broker::{
    Broker, BrokerOptions, ConsumerGroupLimits, GroupLimits, ReplicationFactorPolicy, ShareGroupLimits,
    StreamsGroupLimits,
};
use catalog::{Catalog, DekRegistry, ExporterRegistry, Registry};
use client::Topics;
use flow::Engine;
use http::Serving;
use link::Linker;
use log::{Env, Log, LogOptions, RecoveryReport};
use rustix::process::{Resource, Rlimit};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use options::{Addresses, Durability, ServerError, ServerOptions};
use store::CatalogStore;

/// How long a stop waits for Kafka requests under way.
const KAFKA_DRAIN_MAX: Duration = Duration::from_secs(5);
/// How many connections may wait to be taken; the system may allow fewer.
const CONNECTIONS_WAITING_MAX: u32 = 4096;

/// A running platform.
pub struct Server {
    addresses: Addresses,
    log: Log,
    recovery: RecoveryReport,
    kafka_stop: watch::Sender<bool>,
    kafka: Vec<JoinHandle<()>>,
    engine: Engine,
    schemas: Arc<Registry>,
    deks: Arc<DekRegistry>,
    exporters: Arc<ExporterRegistry>,
    linker: Linker,
    http: Vec<Serving>,
}

impl Server {
    /// Binds all ports, recovers the data, starts everything.
    pub async fn start(options: ServerOptions) -> Result<Server, ServerError> {
        raise_open_files();
        let broker_options = broker_options(&options)?;
        let kafka = bind_kafka(&options)?;
        let registry = bind("registry", options.registry)?;
        let api = bind("api", options.api)?;
        let addresses = Addresses {
            kafka: local(&kafka[0])?,
            registry: local(&registry)?,
            api: local(&api)?,
        };

        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(RealClock::new()), Arc::new(OsRandom));
        let (log, recovery) = open_log(&options, &broker_options).await?;
        let catalog = Arc::new(Catalog::open(log.clone(), Arc::clone(&random)).await.map_err(start)?);
        let broker = Broker::new(
            broker_options,
            log.clone(),
            Arc::clone(&catalog),
            Arc::clone(&clock),
            Arc::clone(&random),
        );
        let topics: Arc<dyn Topics> = broker.topics();
        let schemas = Registry::open(Arc::clone(&topics), Arc::clone(&clock), catalog.cluster_id());
        let schemas = schemas.await.map_err(start)?;
        broker.validate_by(Arc::clone(&schemas));
        let deks = DekRegistry::open(
            Arc::clone(&topics),
            Arc::clone(&clock),
            Arc::clone(&random),
            options.local_kms_secret.as_deref(),
        );
        let deks = deks.await.map_err(start)?;
        let exporters = ExporterRegistry::open(Arc::clone(&topics), Arc::clone(&clock)).await;
        let exporters = exporters.map_err(start)?;
        let store = Arc::new(CatalogStore::new(Arc::clone(&catalog)));
        let engine = Engine::new(
            Arc::clone(&topics),
            Arc::clone(&schemas) as _,
            Arc::clone(&clock),
            random,
            store,
        );
        engine.recover().await.map_err(start)?;

        let (kafka_stop, stopped) = watch::channel(false);
        let kafka = kafka
            .into_iter()
            .map(|listener| broker.serve(listener, stopped.clone()))
            .collect();
        let state = http::api::ApiState {
            engine: engine.clone(),
            status: status(addresses, &options, Arc::clone(&catalog), clock, &recovery),
        };
        let http = vec![
            http::serve(
                registry,
                http::registry::router(Arc::clone(&schemas), Arc::clone(&deks), Arc::clone(&exporters)),
            ),
            http::serve(api, http::api::router(state)),
        ];
        let linker = Linker::start(topics, Arc::clone(&schemas), Arc::clone(&exporters));
        Ok(Server {
            addresses,
            log,
            recovery,
            kafka_stop,
            kafka,
            engine,
            schemas,
            deks,
            exporters,
            linker,
            http,
        })
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What recovery found, a line each; nothing after an orderly stop.
    pub fn recovery(&self) -> &[String] {
        if self.recovery.clean && self.recovery.damage.is_empty() {
            &[]
        } else {
            &self.recovery.lines
        }
    }

    /// Resolves when the log cannot go on, with the reason. The process must end then.
    pub async fn failed(&self) -> String {
        self.log.failed().await.to_string()
    }

    /// Ends jobs, faces, broker and registries in that order, then makes the log durable.
    pub async fn stop(self) -> Result<(), ServerError> {
        self.linker.stop();
        self.engine.shutdown().await;
        for face in self.http {
            face.stop().await;
        }
        self.kafka_stop.send_replace(true);
        let drained = futures::future::join_all(self.kafka);
        if tokio::time::timeout(KAFKA_DRAIN_MAX, drained).await.is_err() {
            tracing::warn!("some Kafka connections did not end in time");
        }
        self.schemas.stop().await;
        self.deks.stop().await;
        self.exporters.stop().await;
        let log = self.log;
        let closed = tokio::task::spawn_blocking(move || log.close()).await;
        closed.map_err(start)?.map_err(start)
    }
}

/// Lets the process have as many files and connections open as the system allows; shells begin with few.
fn raise_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "only {:?} files and connections can be open at once", limit.current);
    }
}

fn start(error: impl std::fmt::Display) -> ServerError {
    ServerError::Start(error.to_string())
}

/// Says in words why the broker cannot be given a setting, and which names are near.
pub fn check_setting(name: &str, value: &str) -> Result<(), String> {
    BrokerOptions::default().set(name, value)
}

/// What the broker is told. Where one machine differs from a fleet, so do the defaults; settings hold before both.
fn broker_options(options: &ServerOptions) -> Result<BrokerOptions, ServerError> {
    // There is no fleet of consumers that start together: a group need not wait for more members, neither with its first
    // rebalance nor between two.
    let group = GroupLimits {
        initial_rebalance_delay_ms: 0,
        consumer: ConsumerGroupLimits {
            assignment_interval_ms: 0,
            ..ConsumerGroupLimits::default()
        },
        share: ShareGroupLimits {
            assignment_interval_ms: 0,
            ..ShareGroupLimits::default()
        },
        streams: StreamsGroupLimits {
            assignment_interval_ms: 0,
            initial_rebalance_delay_ms: 0,
            ..StreamsGroupLimits::default()
        },
        ..GroupLimits::default()
    };
    let mut broker = BrokerOptions {
        group,
        virtual_brokers: i32::from(options.virtual_brokers.max(1)),
        // Tools that were written for a fleet ask for three replicas.
        replication_factor_policy: ReplicationFactorPolicy::Clamp,
        log_dir: log_dir(options).display().to_string(),
        disk_space: base::disk::space_bytes,
        auto_create_topics: options.auto_create_topics,
        advertised_host: advertised_host(options.kafka),
        ..BrokerOptions::default()
    };
    for (name, value) in &options.settings {
        broker.set(name, value).map_err(ServerError::Setting)?;
    }
    Ok(broker)
}

fn log_dir(options: &ServerOptions) -> PathBuf {
    let dir = options.data_dir.join("log");
    std::path::absolute(&dir).unwrap_or(dir)
}

/// A listener for each broker that clients see, on consecutive ports, or on any free ones.
fn bind_kafka(options: &ServerOptions) -> Result<Vec<TcpListener>, ServerError> {
    let mut listeners = Vec::new();
    for at in 0..options.virtual_brokers.max(1) {
        let mut address = options.kafka;
        if address.port() != 0 {
            let port = address.port().checked_add(at);
            let port = port.ok_or_else(|| start("there are not so many ports for virtual brokers"))?;
            address.set_port(port);
        }
        listeners.push(bind("kafka", address)?);
    }
    Ok(listeners)
}

fn bind(face: &'static str, address: SocketAddr) -> Result<TcpListener, ServerError> {
    listen(address).map_err(|source| ServerError::Port { face, address, source })
}

/// As `TcpListener::bind`, whose queue is too short: of many clients that start at once some would be turned away.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Elsewhere the option lets two servers share a port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(CONNECTIONS_WAITING_MAX)
}

fn local(listener: &TcpListener) -> Result<SocketAddr, ServerError> {
    listener.local_addr().map_err(start)
}

/// Clients are told a name they can reach from where they are: this machine's, unless one address was chosen.
fn advertised_host(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        ip => ip.to_string(),
    }
}

async fn open_log(options: &ServerOptions, broker: &BrokerOptions) -> Result<(Log, RecoveryReport), ServerError> {
    let log_options = LogOptions {
        dir: log_dir(options),
        durability: match options.durability {
            Durability::Fsync => log::Durability::Fsync,
            Durability::Os => log::Durability::Os,
            Durability::Memory => log::Durability::Memory,
        },
        producer_expiration_ms: producer_expiration_ms(broker),
        ..LogOptions::default()
    };
    let memory = options.durability == Durability::Memory;
    let open = move || {
        let mut env = Env::real();
        if memory {
            env.disk = Arc::new(base::disk::MemoryDisk::default());
        }
        Log::open(log_options, env)
    };
    tokio::task::spawn_blocking(open).await.map_err(start)?.map_err(start)
}

fn producer_expiration_ms(broker: &BrokerOptions) -> i64 {
    let set = broker.value("producer.id.expiration.ms");
    let default_ms = LogOptions::default().producer_expiration_ms;
    set.and_then(|value| value.parse().ok()).unwrap_or(default_ms)
}

/// What `status` shows; computed when asked.
fn status(
    addresses: Addresses,
    options: &ServerOptions,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    recovery: &RecoveryReport,
) -> Arc<dyn Fn() -> serde_json::Value + Send + Sync> {
    let (data_dir, durability) = (options.data_dir.clone(), options.durability);
    let damage = recovery.damage.clone();
    Arc::new(move || {
        let topics = catalog.topics();
        let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "cluster_id": catalog.cluster_id(),
            "kafka": addresses.kafka.to_string(),
            "registry": format!("http://{}", addresses.registry),
            "api": format!("http://{}", addresses.api),
            "data_dir": data_dir,
            "durability": durability.word(),
            "uptime_s": clock.monotonic().as_secs(),
            "topics": topics.len(),
            "partitions": partitions,
            "damage": damage,
        })
    })
}
