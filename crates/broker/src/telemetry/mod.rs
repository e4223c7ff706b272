//! Client telemetry (KIP-714): what clients measure, pushed by them and kept as records of a topic.
//!
//! Offered only if `client.telemetry.topic` names that topic. Each push is one record: its key is the client instance,
//! its value JSON with who pushed and what.

mod instances;
mod json;
mod otlp;
mod subscriptions;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, ErrorKind, Random};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use catalog::Catalog;
use client::Output;
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use tokio::sync::Semaphore;
use wire::messages::push_telemetry_request::PushTelemetryRequest;
use wire::{BatchError, Compression, ErrorCode};

pub(crate) use subscriptions::check_match;

use self::instances::{Instances, Push, Speaker};
use self::json::Unreadable;
use self::subscriptions::{Subscriptions, Wanted};
use crate::settings::Resource;
use crate::{Broker, LocalTopics};

pub(crate) type InstanceId = [u8; 16];

/// What Kafka itself means something by.
const RESERVED: [InstanceId; 2] = [[0; 16], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]];
/// How many pushes are read at a time: a small push can be large once it is read.
const READ_AT_ONCE: usize = 2;
/// What a push may become as JSON, also where the topic takes more: attributes stand with each point they hold for.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// What a batch has beside the record's value.
const BATCH_OVERHEAD_BYTES: usize = 256;
/// A longer name or version of a client's software is not kept.
const SOFTWARE_BYTES_MAX: usize = 256;
/// How often it is said at most that pushes are refused: any client could fill the log.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// What Kafka calls software that has not said what it is.
const UNKNOWN: &str = "unknown";

/// Who is at the other end, as far as it has said.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) software_name: String,
    pub(crate) software_version: String,
    pub(crate) address: SocketAddr,
}

/// What a client is to push.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) instance: InstanceId,
    pub(crate) subscription_id: i32,
    pub(crate) metrics: Vec<String>,
    pub(crate) interval_ms: i32,
    pub(crate) bytes_max: usize,
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Connection {
    software: Option<(String, String)>,
    instance: Option<InstanceId>,
}

/// The receiver.
pub(crate) struct Telemetry {
    topic: Arc<str>,
    /// `telemetry.max.bytes`.
    bytes_max: usize,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// With a number that grows with every change.
    subscriptions: RwLock<(u64, Arc<Subscriptions>)>,
    instances: Mutex<Instances>,
    connections: Mutex<HashMap<u64, Connection>>,
    reading: Semaphore,
    refusal_logged: Mutex<Option<Duration>>,
}

/// Forgets a connection when it ends.
pub(crate) struct Connected {
    telemetry: Arc<Telemetry>,
    connection: u64,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let gone = self.telemetry.connections.lock().remove(&self.connection);
        if let Some(instance) = gone.and_then(|gone| gone.instance) {
            self.telemetry.instances.lock().disconnected(&instance, self.connection);
        }
    }
}

/// As Kafka writes an id.
pub(crate) fn text_of(id: &InstanceId) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

impl Telemetry {
    pub(crate) fn new(
        options: &crate::BrokerOptions,
        catalog: &Catalog,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Option<Arc<Telemetry>> {
        if options.telemetry_topic.is_empty() {
            return None;
        }
        Some(Arc::new(Telemetry {
            topic: options.telemetry_topic.as_str().into(),
            bytes_max: options.limits.telemetry_bytes_max,
            clock,
            random,
            subscriptions: RwLock::new((
                1,
                Arc::new(Subscriptions::read(catalog, Resource::ClientMetrics.word())),
            )),
            instances: Mutex::new(Instances::new(options.limits.telemetry_instances_max)),
            connections: Mutex::default(),
            reading: Semaphore::new(READ_AT_ONCE),
            refusal_logged: Mutex::default(),
        }))
    }

    /// Subscriptions were changed.
    pub(crate) fn refresh(&self, catalog: &Catalog) {
        let mut subscriptions = self.subscriptions.write();
        let read = Subscriptions::read(catalog, Resource::ClientMetrics.word());
        *subscriptions = (subscriptions.0 + 1, Arc::new(read));
    }

    pub(crate) fn connected(self: &Arc<Self>, connection: u64) -> Connected {
        self.connections.lock().insert(connection, Connection::default());
        Connected {
            telemetry: Arc::clone(self),
            connection,
        }
    }

    /// A client has said what software it is.
    pub(crate) fn named(&self, connection: u64, name: &str, version: &str) {
        if name.len().max(version.len()) > SOFTWARE_BYTES_MAX {
            return;
        }
        if let Some(known) = self.connections.lock().get_mut(&connection) {
            known.software = Some((name.to_owned(), version.to_owned()));
        }
    }

    pub(crate) fn client(&self, connection: u64, id: &str, address: SocketAddr) -> Client {
        let connections = self.connections.lock();
        let software = connections.get(&connection).and_then(|known| known.software.clone());
        let (software_name, software_version) = software.unwrap_or_else(|| (UNKNOWN.to_owned(), UNKNOWN.to_owned()));
        Client {
            id: id.to_owned(),
            software_name,
            software_version,
            address,
        }
    }

    /// Tells a client what to push; one without an id gets one.
    pub(crate) fn ask(&self, connection: u64, id: InstanceId, client: &Client) -> Result<Told, ErrorCode> {
        let (version, subscriptions) = self.subscriptions.read().clone();
        let mut instances = self.instances.lock();
        let instance = if id == [0; 16] { self.new_id(&instances) } else { id };
        let wanted = subscriptions.wanted(&instance, client);
        instances.ask(self.speaker(instance, connection, version, &wanted))?;
        Ok(Told {
            instance,
            subscription_id: wanted.id,
            metrics: wanted.metrics,
            interval_ms: i32::try_from(wanted.interval_ms).unwrap_or(i32::MAX),
            bytes_max: self.bytes_max,
        })
    }

    /// Never begins with a minus, which command lines would take for an option.
    fn new_id(&self, instances: &Instances) -> InstanceId {
        loop {
            let id = self.random.uuid();
            if !text_of(&id).starts_with('-') && !instances.knows(&id) {
                return id;
            }
        }
    }

    fn speaker<'a>(&self, id: InstanceId, connection: u64, version: u64, wanted: &'a Wanted) -> Speaker<'a> {
        if let Some(known) = self.connections.lock().get_mut(&connection) {
            known.instance = Some(id);
        }
        Speaker {
            id,
            connection,
            now_ms: i64::try_from(self.clock.monotonic().as_millis()).unwrap_or(i64::MAX),
            version,
            wanted,
        }
    }

    /// Takes a push; done when it is durable.
    pub(crate) async fn push(
        &self,
        broker: &Arc<Broker>,
        connection: u64,
        client: &Client,
        push: PushTelemetryRequest,
    ) -> Result<(), ErrorCode> {
        let id = push.client_instance_id;
        if RESERVED.contains(&id) {
            return Err(ErrorCode::InvalidRequest);
        }
        let codec = Compression::from_code(i16::from(push.compression_type));
        {
            let (version, subscriptions) = self.subscriptions.read().clone();
            let wanted = subscriptions.wanted(&id, client);
            let speaker = self.speaker(id, connection, version, &wanted);
            let said = Push {
                wanted_id: push.subscription_id,
                is_last: push.terminating,
                is_readable: codec.is_some(),
                fits: push.metrics.len() <= self.bytes_max,
            };
            self.instances.lock().push(speaker, said)?;
        }
        if push.metrics.is_empty() {
            return Ok(());
        }
        let kept = self.keep(broker, client, &push, codec.unwrap_or_default()).await;
        kept.inspect_err(|error| self.instances.lock().failed(&id, *error))
    }

    async fn keep(
        &self,
        broker: &Arc<Broker>,
        client: &Client,
        push: &PushTelemetryRequest,
        codec: Compression,
    ) -> Result<(), ErrorCode> {
        let topic = self.ensure_topic(broker).await?;
        let bytes_max = broker.effective().of_topic(&topic).batch_bytes_max;
        let bytes_max = usize::try_from(bytes_max)
            .unwrap_or(0)
            .saturating_sub(BATCH_OVERHEAD_BYTES)
            .min(RECORD_BYTES_MAX);
        let value = {
            let _turn = self.reading.acquire().await;
            self.value(client, push, codec, bytes_max)?
        };
        let output = Output {
            topic: Arc::clone(&self.topic),
            partition: None,
            key: Some(Bytes::from(text_of(&push.client_instance_id))),
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
            timestamp: None,
        };
        let appended = LocalTopics::new(Arc::clone(broker)).append(output).await;
        appended.map_err(|error| {
            self.say_refused(push, client, &error);
            match error.kind {
                ErrorKind::Invalid | ErrorKind::Data => ErrorCode::InvalidRecord,
                _ => ErrorCode::KafkaStorageError,
            }
        })
    }

    fn value(
        &self,
        client: &Client,
        push: &PushTelemetryRequest,
        codec: Compression,
        bytes_max: usize,
    ) -> Result<String, ErrorCode> {
        let refuse = |why: &dyn std::fmt::Display, code: ErrorCode| {
            self.say_refused(push, client, why);
            code
        };
        let payload = codec
            .decompress(&push.metrics, self.bytes_max)
            .map_err(|error| match error {
                BatchError::TooLarge { .. } => refuse(&error, ErrorCode::TelemetryTooLarge),
                _ => refuse(&error, ErrorCode::InvalidRecord),
            })?;
        let head = json!({
            "client_instance_id": text_of(&push.client_instance_id),
            "client_id": client.id,
            "client_software_name": client.software_name,
            "client_software_version": client.software_version,
            "client_source_address": client.address.ip().to_string(),
            "client_source_port": client.address.port(),
            "terminating": push.terminating,
        });
        let head = head.as_object().cloned().unwrap_or_default();
        json::record(&head, payload, bytes_max).map_err(|error| match error {
            Unreadable::TooLarge { .. } => refuse(&error, ErrorCode::TelemetryTooLarge),
            Unreadable::Malformed(_) => refuse(&error, ErrorCode::InvalidRecord),
        })
    }

    fn say_refused(&self, push: &PushTelemetryRequest, client: &Client, why: &dyn std::fmt::Display) {
        let now = self.clock.monotonic();
        let mut logged = self.refusal_logged.lock();
        if logged.is_none_or(|logged| now > logged + REFUSAL_LOG_INTERVAL) {
            *logged = Some(now);
            let instance = text_of(&push.client_instance_id);
            tracing::warn!(
                instance,
                client = client.id,
                "metrics that a client pushed are refused: {why}"
            );
        }
    }

    async fn ensure_topic(&self, broker: &Broker) -> Result<Arc<catalog::Topic>, ErrorCode> {
        match broker.topic_or_new(&self.topic).await {
            Ok(topic) => Ok(topic),
            Err(error) => {
                tracing::warn!(
                    topic = &*self.topic,
                    "the topic for pushed metrics cannot be made: {error}"
                );
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }
}
