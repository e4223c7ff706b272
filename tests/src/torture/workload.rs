//! The clients: idempotent producers, transactional producers, a consumer group; all of librdkafka.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Random, SeededRandom};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset as ReadFrom, TopicPartitionList};

use super::history::{Commit, Found, Offset, Outcome, Partition, Poll, Recorder, Send, Transaction};

pub const TOPIC: &str = "torture";
pub const PARTITIONS: i32 = 4;
pub const GROUP: &str = "torture-group";
const WRITERS: u32 = 3;
const TRANSACTORS: u32 = 2;
const READERS: u32 = 2;
/// Between two sends of a writer: enough work to lose, little enough to write down.
const WRITE_EVERY: Duration = Duration::from_millis(3);
const TRANSACTION_EVERY: Duration = Duration::from_millis(15);
const COMMIT_EVERY: u64 = 50;
const CALL: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_millis(100);
/// A reader that finds nothing new for so long is at the end.
const END_AFTER: u32 = 20;

fn client(port: u16) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", format!("127.0.0.1:{port}"))
        .set("log_level", "0")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200")
        .set("retry.backoff.ms", "20")
        .set("socket.timeout.ms", "10000");
    config
}

/// Clients at work; [`Workload::stop`] ends them.
pub struct Workload {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Workload {
    pub fn start(port: u16, recorder: &Arc<Recorder>, seed: u64) -> Workload {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let mut run = |body: Box<dyn FnOnce(Arc<AtomicBool>, Arc<Recorder>) + std::marker::Send>| {
            let (stop, recorder) = (Arc::clone(&stop), Arc::clone(recorder));
            threads.push(std::thread::spawn(move || body(stop, recorder)));
        };
        for number in 0..WRITERS {
            run(Box::new(move |stop, recorder| write(port, number, &stop, &recorder)));
        }
        for number in 0..TRANSACTORS {
            let random = SeededRandom::new(seed ^ u64::from(number));
            run(Box::new(move |stop, recorder| {
                transact(port, number, &random, &stop, &recorder)
            }));
        }
        for number in 0..READERS {
            run(Box::new(move |stop, recorder| read(port, number, &stop, &recorder)));
        }
        Workload { stop, threads }
    }

    /// Waits for everybody to finish what it is at; the broker must be up.
    pub fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a client does not panic");
        }
    }
}

/// Writes down what becomes of sends; the opaque is a send's place in the history.
struct Deliveries(Arc<Recorder>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let now = self.0.now();
        self.0.note(|history| {
            let send = &mut history.sends[place];
            send.ended = now;
            if let Ok(message) = result {
                send.outcome = Outcome::Done;
                send.offset = Some(message.offset());
            }
        });
    }
}

fn send(
    producer: &ThreadedProducer<Deliveries>,
    recorder: &Recorder,
    number: u32,
    partition: i32,
    transaction: Option<u64>,
) {
    let value = recorder.value();
    let sent = recorder.now();
    let mut place = 0;
    recorder.note(|history| {
        place = history.sends.len();
        history.sends.push(Send {
            producer: number,
            partition,
            value,
            transaction,
            outcome: Outcome::Unknown,
            offset: None,
            sent,
            ended: sent,
        });
    });
    let bytes = value.to_be_bytes();
    let record = BaseRecord::<(), [u8], usize>::with_opaque_to(TOPIC, place)
        .partition(partition)
        .payload(&bytes[..]);
    if producer.send(record).is_err() {
        recorder.note(|history| history.sends[place].outcome = Outcome::Failed);
    }
}

fn idempotent(port: u16, recorder: &Arc<Recorder>) -> ThreadedProducer<Deliveries> {
    let mut config = client(port);
    config
        .set("enable.idempotence", "true")
        .set("linger.ms", "2")
        .set("message.timeout.ms", "600000");
    config
        .create_with_context(Deliveries(Arc::clone(recorder)))
        .expect("a producer")
}

/// Producers get numbers of their own whenever they begin anew: order is promised within one.
static PRODUCERS: AtomicU32 = AtomicU32::new(0);

fn write(port: u16, number: u32, stop: &AtomicBool, recorder: &Arc<Recorder>) {
    let mut producer = idempotent(port, recorder);
    let mut name = PRODUCERS.fetch_add(1, Ordering::SeqCst);
    let mut count = number as i32;
    while !stop.load(Ordering::SeqCst) {
        send(&producer, recorder, name, count % PARTITIONS, None);
        count += 1;
        if producer.client().fatal_error().is_some() {
            producer = idempotent(port, recorder);
            name = PRODUCERS.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::sleep(WRITE_EVERY);
    }
    producer
        .flush(Duration::from_secs(60))
        .expect("what was sent is acknowledged once the broker is up");
}

fn transactional(port: u16, number: u32, recorder: &Arc<Recorder>) -> ThreadedProducer<Deliveries> {
    loop {
        let mut config = client(port);
        config
            .set("transactional.id", format!("torture-{number}"))
            .set("transaction.timeout.ms", "20000")
            .set("linger.ms", "2");
        let producer: ThreadedProducer<Deliveries> = config
            .create_with_context(Deliveries(Arc::clone(recorder)))
            .expect("a producer");
        if producer.init_transactions(CALL).is_ok() {
            return producer;
        }
        std::thread::sleep(RETRY);
    }
}

/// Begins every transactional producer anew, as clients do that come back after a crash: what was open is aborted, and
/// nothing waits for a time-out.
pub fn begin_anew(port: u16) {
    let recorder = Recorder::shared();
    for number in 0..TRANSACTORS {
        drop(transactional(port, number, &recorder));
    }
}

fn transact(port: u16, number: u32, random: &SeededRandom, stop: &AtomicBool, recorder: &Arc<Recorder>) {
    let mut producer = transactional(port, number, recorder);
    let mut name = PRODUCERS.fetch_add(1, Ordering::SeqCst);
    while !stop.load(Ordering::SeqCst) {
        if !one_transaction(&producer, name, random, recorder) {
            producer = transactional(port, number, recorder);
            name = PRODUCERS.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::sleep(TRANSACTION_EVERY);
    }
}

/// Whether the producer can go on.
fn one_transaction(
    producer: &ThreadedProducer<Deliveries>,
    name: u32,
    random: &SeededRandom,
    recorder: &Recorder,
) -> bool {
    if producer.begin_transaction().is_err() {
        return false;
    }
    let number = recorder.value();
    let mut place = 0;
    let now = recorder.now();
    recorder.note(|history| {
        place = history.transactions.len();
        history.transactions.push(Transaction {
            number,
            outcome: Outcome::Unknown,
            decided: None,
            ended: now,
        });
    });
    for _ in 0..1 + random.below(5) {
        send(
            producer,
            recorder,
            name,
            random.below(PARTITIONS as u64) as i32,
            Some(number),
        );
    }
    let (outcome, goes_on) = if random.below(4) == 0 {
        (Outcome::Failed, aborted(producer))
    } else {
        let decided = recorder.now();
        recorder.note(|history| history.transactions[place].decided = Some(decided));
        committed(producer)
    };
    let ended = recorder.now();
    recorder.note(|history| {
        let transaction = &mut history.transactions[place];
        // An abort that could not be told to the broker is an abort all the same: nobody will ever commit it.
        transaction.outcome = outcome;
        transaction.ended = ended;
    });
    goes_on
}

fn aborted(producer: &ThreadedProducer<Deliveries>) -> bool {
    loop {
        match producer.abort_transaction(CALL) {
            Ok(()) => return true,
            Err(KafkaError::Transaction(error)) if error.is_retriable() => std::thread::sleep(RETRY),
            Err(_) => return false,
        }
    }
}

fn committed(producer: &ThreadedProducer<Deliveries>) -> (Outcome, bool) {
    loop {
        match producer.commit_transaction(CALL) {
            Ok(()) => return (Outcome::Done, true),
            Err(KafkaError::Transaction(error)) if error.is_retriable() => std::thread::sleep(RETRY),
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                return if aborted(producer) {
                    (Outcome::Failed, true)
                } else {
                    (Outcome::Unknown, false)
                };
            }
            Err(_) => return (Outcome::Unknown, false),
        }
    }
}

/// Counts the assignments of all consumers.
static ASSIGNMENTS: AtomicU32 = AtomicU32::new(0);

struct Assignments(AtomicU32);

impl ClientContext for Assignments {}

impl ConsumerContext for Assignments {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.0
            .store(ASSIGNMENTS.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    }
}

fn value(message: &impl Message) -> Option<u64> {
    Some(u64::from_be_bytes(message.payload()?.try_into().ok()?))
}

fn read(port: u16, number: u32, stop: &AtomicBool, recorder: &Arc<Recorder>) {
    let mut config = client(port);
    config
        .set("group.id", GROUP)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "500");
    let consumer: BaseConsumer<Assignments> = config
        .create_with_context(Assignments(AtomicU32::new(0)))
        .expect("a consumer");
    consumer.subscribe(&[TOPIC]).expect("the topic can be subscribed to");
    let mut places: HashMap<Partition, Offset> = HashMap::new();
    let mut assignment = 0;
    let mut count: u64 = 0;
    while !stop.load(Ordering::SeqCst) {
        let polled = consumer.poll(POLL);
        let now_assigned = consumer.context().0.load(Ordering::SeqCst);
        if now_assigned != assignment {
            (assignment, places) = (now_assigned, HashMap::new());
        }
        if let Some(Ok(message)) = polled
            && let Some(value) = value(&message)
        {
            places.insert(message.partition(), message.offset() + 1);
            let poll = Poll {
                consumer: number,
                assignment,
                partition: message.partition(),
                offset: message.offset(),
                value,
                at: recorder.now(),
            };
            recorder.note(|history| history.polls.push(poll));
            count += 1;
        }
        if count >= COMMIT_EVERY {
            count = 0;
            commit(&consumer, &places, recorder);
        }
    }
    commit(&consumer, &places, recorder);
}

fn commit(consumer: &BaseConsumer<Assignments>, places: &HashMap<Partition, Offset>, recorder: &Recorder) {
    if places.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::new();
    for (&partition, &offset) in places {
        list.add_partition_offset(TOPIC, partition, ReadFrom::Offset(offset))
            .expect("an offset");
    }
    if consumer.commit(&list, CommitMode::Sync).is_ok() {
        let ended = recorder.now();
        recorder.note(|history| {
            let done = places.iter().map(|(&partition, &offset)| Commit {
                partition,
                offset,
                ended,
            });
            history.commits.extend(done);
        });
    }
}

/// Everything a read_committed reader finds that begins at the beginning.
pub fn read_everything(port: u16) -> Vec<Found> {
    let mut config = client(port);
    config
        .set("group.id", "torture-end")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(TOPIC, partition, ReadFrom::Beginning)
            .expect("an offset");
    }
    consumer.assign(&list).expect("the partitions can be assigned");
    let mut found = Vec::new();
    let mut silent = 0;
    let mut ended = std::collections::HashSet::new();
    while ended.len() < PARTITIONS as usize && silent < END_AFTER * 20 {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                silent = 0;
                if let Some(value) = value(&message) {
                    found.push(Found {
                        partition: message.partition(),
                        offset: message.offset(),
                        value,
                    });
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            Some(Err(_)) | None => silent += 1,
        }
    }
    assert_eq!(
        ended.len(),
        PARTITIONS as usize,
        "not every partition can be read to its end: is a transaction stuck?"
    );
    found
}

/// The offsets the group has committed.
pub fn committed_offsets(port: u16) -> KafkaResult<HashMap<Partition, Offset>> {
    let mut config = client(port);
    config.set("group.id", GROUP);
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition(TOPIC, partition);
    }
    let offsets = consumer.committed_offsets(list, Duration::from_secs(30))?;
    let known = offsets.elements();
    Ok(known
        .iter()
        .filter_map(|element| match element.offset() {
            ReadFrom::Offset(offset) => Some((element.partition(), offset)),
            _ => None,
        })
        .collect())
}
