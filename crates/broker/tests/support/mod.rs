//! A broker on a loopback port, and a client that speaks whatever version it is told.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, OsRandom, Random, RealClock};
use bytes::Bytes;
use catalog::Catalog;
use log::{Env, Log, LogOptions};
use rivulet_broker as broker;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use wire::messages::fetch_response::PartitionData;
use wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::messages::produce_response::PartitionProduceResponse;
use wire::{BatchBuilder, Compression, NewRecord, Record, RecordLimits, Request, frame};

/// Long enough for anything that is to happen, short enough to see a hang.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) broker: Arc<broker::Broker>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
    pub(crate) dir: TempDir,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

pub(crate) fn quick_options() -> broker::BrokerOptions {
    let group = broker::GroupLimits {
        initial_rebalance_delay_ms: 0,
        ..broker::GroupLimits::default()
    };
    broker::BrokerOptions {
        group,
        ..broker::BrokerOptions::default()
    }
}

pub(crate) async fn start() -> Running {
    start_with(quick_options()).await
}

pub(crate) async fn start_with(options: broker::BrokerOptions) -> Running {
    start_in(TempDir::new().expect("a temporary folder"), options).await
}

pub(crate) async fn start_in(dir: TempDir, options: broker::BrokerOptions) -> Running {
    start_over(dir, options, log::Durability::Os).await
}

pub(crate) async fn start_over(dir: TempDir, options: broker::BrokerOptions, durability: log::Durability) -> Running {
    let log_options = LogOptions {
        dir: dir.path().join("data"),
        durability,
        ..LogOptions::default()
    };
    let (log, _) = Log::open(log_options, Env::real()).expect("the log opens");
    let clock: Arc<dyn Clock> = Arc::new(RealClock::new());
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let catalog = Arc::new(
        Catalog::open(log.clone(), Arc::clone(&random))
            .await
            .expect("the catalog opens"),
    );
    let broker = broker::Broker::new(options, log.clone(), Arc::clone(&catalog), clock, random);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("the listener has an address");
    let (stop, stopped) = watch::channel(false);
    let served = broker.serve(listener, stopped);
    Running {
        broker,
        catalog,
        log,
        address,
        dir,
        stop,
        served,
    }
}

impl Running {
    /// Stops and starts again over the same data.
    pub(crate) async fn restart(self, options: broker::BrokerOptions) -> Running {
        let dir = self.stop().await;
        start_in(dir, options).await
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.stop.send(true).expect("the broker listens to its stop");
        self.served.await.expect("the listener ends");
        drop((self.broker, self.catalog));
        self.log.close().expect("the log closes");
        self.dir
    }

    pub(crate) async fn client(&self) -> Client {
        Client::over(TcpStream::connect(self.address).await.expect("the broker accepts"))
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn over(stream: TcpStream) -> Client {
        Client {
            stream,
            correlation_id: 0,
        }
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version).await
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let frame = frame::request(self.correlation_id, Some("test"), request, version).expect("the request encodes");
        self.stream.write_all(&frame).await.expect("the broker reads");
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let frame = self.receive_frame().await.expect("the broker answers");
        frame::read_response::<R::Response>(frame, version)
            .expect("the response decodes")
            .1
    }

    /// The next frame; `None` once the broker has closed the connection.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let read = async {
            let size = self.stream.read_i32().await.ok()?;
            let mut frame = vec![0; size as usize];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the broker answers or closes in time")
    }

    /// Whether the broker closes the connection without a word.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.receive_frame().await.is_none()
    }

    pub(crate) async fn create(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
        });
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            ..CreateTopicsRequest::default()
        };
        let response = self.call(7, &request).await;
        assert_eq!(
            response.topics[0].error_code, 0,
            "{:?}",
            response.topics[0].error_message
        );
    }

    pub(crate) async fn produce(&mut self, topic: &str, partition: i32, batch: Bytes) -> PartitionProduceResponse {
        let response = self.call(9, &produce_request(topic, partition, Some(batch), -1)).await;
        response.responses[0].partition_responses[0].clone()
    }

    pub(crate) async fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> PartitionData {
        let response = self.call(12, &fetch_request(topic, partition, offset)).await;
        assert_eq!(response.error_code, 0);
        response.responses[0].partitions[0].clone()
    }
}

pub(crate) fn produce_request(topic: &str, partition: i32, records: Option<Bytes>, acks: i16) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records,
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

pub(crate) fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions: vec![FetchPartition {
                partition,
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

/// Milliseconds since the epoch, now.
pub(crate) fn now_ms() -> i64 {
    RealClock::new().wall_ms()
}

/// A batch of records, each its key and value.
pub(crate) fn batch_of(builder: BatchBuilder, records: &[(Option<&str>, &str)]) -> Bytes {
    let mut builder = builder;
    for (key, value) in records {
        builder.push(NewRecord {
            timestamp: now_ms(),
            key: key.map(str::as_bytes),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    builder.build().expect("the batch builds")
}

pub(crate) fn batch(values: &[&str]) -> Bytes {
    let records: Vec<_> = values.iter().map(|value| (Some("k"), *value)).collect();
    batch_of(BatchBuilder::new(Compression::None), &records)
}

/// The record batches as they came.
pub(crate) fn fetched(data: &PartitionData) -> Bytes {
    let records = data.records.as_ref().expect("records are never null");
    records.memory().expect("what was decoded is in memory").clone()
}

pub(crate) fn records_of(data: &PartitionData) -> Vec<Record> {
    let bytes = fetched(data);
    let batches = wire::batches(&bytes).map(|batch| batch.expect("whole batches").1);
    let read = |batch: Bytes| wire::records(&batch, RecordLimits::default()).expect("the batch opens");
    batches
        .flat_map(read)
        .map(|record| record.expect("the record reads"))
        .collect()
}

pub(crate) fn values_of(data: &PartitionData) -> Vec<String> {
    let value = |record: Record| String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned();
    records_of(data).into_iter().map(value).collect()
}
