//! The generator: producers and consumers of librdkafka, at full speed or at a rate with intended send times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Clock;
use hdrhistogram::Histogram;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::measure::latencies;

const ADMIN_WAIT: Duration = Duration::from_secs(60);
const FLUSH_WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Different payloads, so that no compressor sees the same one over and over.
const PAYLOADS: usize = 1_000;
/// A consumer's first second is not counted: librdkafka waits out its first fetch then, whoever the server is.
const SETTLE_US: u64 = 1_000_000;
/// How long a sender at a rate sleeps between looks at the clock.
const TICK: Duration = Duration::from_micros(200);

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("log_level", "3");
    config
}

/// Blocks on a future of librdkafka, whose own threads do the work.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    client(bootstrap).create().expect("an admin client")
}

pub(crate) fn create_topic(bootstrap: &str, name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new()
        .operation_timeout(Some(ADMIN_WAIT))
        .request_timeout(Some(ADMIN_WAIT));
    let made = block_on(admin(bootstrap).create_topics([&topic], &options)).expect("topics can be made");
    made[0]
        .as_ref()
        .unwrap_or_else(|(name, code)| panic!("topic `{name}`: {code}"));
    // Kafka says so a little before its partitions have leaders.
    let consumer: BaseConsumer = client(bootstrap).create().expect("a consumer");
    loop {
        let known = consumer.fetch_metadata(Some(name), ADMIN_WAIT).expect("metadata");
        let ready = known.topics().first().is_some_and(|topic| {
            topic.partitions().len() == partitions as usize && topic.partitions().iter().all(|p| p.leader() >= 0)
        });
        if ready {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn delete_topic(bootstrap: &str, name: &str) {
    let options = AdminOptions::new()
        .operation_timeout(Some(ADMIN_WAIT))
        .request_timeout(Some(ADMIN_WAIT));
    block_on(admin(bootstrap).delete_topics(&[name], &options)).expect("topics can be deleted");
}

/// Payloads like an order in JSON, of exactly `bytes`.
pub(crate) fn payloads(bytes: usize) -> Vec<Vec<u8>> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut payload = |number: usize| {
        let mut text = format!(
            "{{\"order_id\":\"o-{number}-{}\",\"customer\":{}",
            random(1 << 40),
            random(100_000)
        );
        while text.len() < bytes {
            text.push_str(&format!(
                ",\"line\":{{\"sku\":\"SKU-{:05}\",\"quantity\":{},\"price\":{}.{:02},\"note\":\"{:x}\"}}",
                random(20_000),
                1 + random(9),
                random(200),
                random(100),
                random(1 << 48)
            ));
        }
        text.truncate(bytes - 1);
        text.push('}');
        text.into_bytes()
    };
    (0..PAYLOADS).map(&mut payload).collect()
}

/// What is produced and how.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) codec: &'static str,
    pub(crate) partitions: i32,
    pub(crate) producers: usize,
    pub(crate) linger_ms: u32,
}

/// Counts acknowledgements, with the time since the intended send where one is kept.
pub(crate) struct Acks {
    clock: Arc<dyn Clock>,
    acked: AtomicU64,
    failed: AtomicU64,
    seen: Option<Mutex<Histogram<u64>>>,
}

impl Acks {
    fn new(clock: &Arc<dyn Clock>, with_latency: bool) -> Arc<Acks> {
        Arc::new(Acks {
            clock: Arc::clone(clock),
            acked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            seen: with_latency.then(|| Mutex::new(latencies())),
        })
    }

    fn latency(&self) -> Option<Histogram<u64>> {
        self.seen
            .as_ref()
            .map(|seen| seen.lock().expect("nobody panics here").clone())
    }
}

struct Context(Arc<Acks>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    /// The intended time of sending, in microseconds of the clock.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, intended_us: usize) {
        if result.is_err() {
            self.0.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.0.acked.fetch_add(1, Ordering::Relaxed);
        if let Some(seen) = &self.0.seen {
            let now = self.0.clock.monotonic().as_micros() as u64;
            let mut seen = seen.lock().expect("nobody panics here");
            seen.saturating_record(now.saturating_sub(intended_us as u64));
        }
    }
}

fn producer(bootstrap: &str, load: &Load, acks: &Arc<Acks>) -> ThreadedProducer<Context> {
    let mut config = client(bootstrap);
    config
        .set("acks", "all")
        .set("linger.ms", load.linger_ms.to_string())
        .set("compression.type", load.codec)
        .set("batch.size", "1000000")
        .set("batch.num.messages", "100000")
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", "262144")
        .set("message.timeout.ms", "120000");
    config
        .create_with_context(Context(Arc::clone(acks)))
        .expect("a producer")
}

/// What a run of producers came to.
pub(crate) struct Produced {
    pub(crate) acked: u64,
    pub(crate) took: Duration,
    pub(crate) latency: Option<Histogram<u64>>,
}

/// As fast as it goes, for about `length`.
pub(crate) fn flood(bootstrap: &str, topic: &str, load: &Load, length: Duration, clock: &Arc<dyn Clock>) -> Produced {
    let acks = Acks::new(clock, false);
    let payloads = payloads(load.bytes);
    let began = clock.monotonic();
    std::thread::scope(|scope| {
        for number in 0..load.producers {
            let (acks, payloads) = (&acks, &payloads);
            scope.spawn(move || {
                let producer = producer(bootstrap, load, acks);
                let mut at = number * 31;
                while clock.monotonic() - began < length {
                    for _ in 0..1_000 {
                        send(
                            &producer,
                            topic,
                            (at % load.partitions as usize) as i32,
                            &payloads[at % PAYLOADS],
                            None,
                            0,
                        );
                        at += 1;
                    }
                }
                producer.flush(FLUSH_WAIT).expect("everything is acknowledged");
            });
        }
    });
    finish(&acks, clock.monotonic() - began)
}

/// So many records a second, each timed from when it should have been sent. `keyed` puts that time into the key.
pub(crate) fn pace(
    bootstrap: &str,
    topic: &str,
    load: &Load,
    rate: u64,
    length: Duration,
    keyed: bool,
    clock: &Arc<dyn Clock>,
) -> Produced {
    let acks = Acks::new(clock, true);
    let payloads = payloads(load.bytes);
    let producer = producer(bootstrap, load, &acks);
    // Connected before the first send is due: what a client needs for that is not the server's latency.
    producer
        .client()
        .fetch_metadata(Some(topic), ADMIN_WAIT)
        .expect("metadata");
    let began = clock.monotonic();
    let total = rate * length.as_millis() as u64 / 1_000;
    let mut sent = 0;
    while sent < total {
        let due = (1 + (clock.monotonic() - began).as_micros() as u64 * rate / 1_000_000).min(total);
        while sent < due {
            let intended = began.as_micros() as u64 + sent * 1_000_000 / rate;
            let key = intended.to_be_bytes();
            let partition = (sent % load.partitions as u64) as i32;
            let payload = &payloads[sent as usize % PAYLOADS];
            send(
                &producer,
                topic,
                partition,
                payload,
                keyed.then_some(&key[..]),
                intended as usize,
            );
            sent += 1;
        }
        std::thread::sleep(TICK);
    }
    producer.flush(FLUSH_WAIT).expect("everything is acknowledged");
    finish(&acks, clock.monotonic() - began)
}

fn finish(acks: &Acks, took: Duration) -> Produced {
    let failed = acks.failed.load(Ordering::Relaxed);
    assert_eq!(failed, 0, "{failed} records were not acknowledged");
    Produced {
        acked: acks.acked.load(Ordering::Relaxed),
        took,
        latency: acks.latency(),
    }
}

fn send(
    producer: &ThreadedProducer<Context>,
    topic: &str,
    partition: i32,
    payload: &[u8],
    key: Option<&[u8]>,
    intended_us: usize,
) {
    let mut record = BaseRecord::with_opaque_to(topic, intended_us)
        .partition(partition)
        .payload(payload);
    if let Some(key) = key {
        record = record.key(key);
    }
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                std::thread::sleep(TICK);
            }
            Err((error, _)) => panic!("sending failed: {error}"),
        }
    }
}

fn consumer(bootstrap: &str, topic: &str, partitions: i32, from: Offset) -> BaseConsumer {
    let mut config = client(bootstrap);
    config
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("queued.min.messages", "1000000")
        .set("queued.max.messages.kbytes", "131072")
        .set("fetch.message.max.bytes", "10485760")
        .set("fetch.queue.backoff.ms", "5");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, from).expect("an offset");
    }
    consumer.assign(&list).expect("the partitions are assigned");
    consumer
}

/// Reads `total` records from the beginning; the time counts from the first.
pub(crate) fn drain(bootstrap: &str, topic: &str, partitions: i32, total: u64, clock: &Arc<dyn Clock>) -> Duration {
    let consumer = consumer(bootstrap, topic, partitions, Offset::Beginning);
    let mut began = None;
    let mut count = 0;
    while count < total {
        match consumer.poll(POLL) {
            Some(Ok(_)) => {
                began.get_or_insert_with(|| clock.monotonic());
                count += 1;
            }
            Some(Err(error)) => panic!("consuming failed: {error}"),
            None => {}
        }
    }
    clock.monotonic() - began.unwrap_or_default()
}

/// Reads what [`pace`] keys, from the end on, until it has seen `total`; the latencies from intended send to here.
pub(crate) fn follow(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    total: u64,
    clock: &Arc<dyn Clock>,
    ready: &dyn Fn(),
) -> Histogram<u64> {
    let consumer = consumer(bootstrap, topic, partitions, Offset::Beginning);
    // The partitions are empty: one poll has them asked for.
    consumer.poll(POLL);
    ready();
    let mut seen = latencies();
    let (mut count, mut first) = (0, None);
    while count < total {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let key = message
                    .key()
                    .and_then(|key| key.try_into().ok())
                    .map_or(0, u64::from_be_bytes);
                count += 1;
                if key >= *first.get_or_insert(key) + SETTLE_US {
                    seen.saturating_record((clock.monotonic().as_micros() as u64).saturating_sub(key));
                }
            }
            Some(Err(error)) => panic!("consuming failed: {error}"),
            None => {}
        }
    }
    seen
}
