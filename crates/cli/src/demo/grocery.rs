//! The grocery system: orders in, pick lists out, with a server that may be killed on the way.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{Clock, OsRandom, Random, RealClock};
use client::Output;
use client::kafka::{Connection, GroupConsumer, Producer};
use project::rest::Rest;
use schema::avro;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::GroceryArgs;
use super::latency::Latencies;
use super::platform::Platform;
use super::screen::Screen;
use super::verify::verify;
use crate::error::CliError;
use crate::output;
use crate::record_text::frame;

pub(super) const ORDERS: &str = "grocery.orders.v1";
pub(super) const PICKLISTS: &str = "grocery.picklist.v1";
const GROUP: &str = "picklist-consumer-group";
const ORDERS_WITHOUT_TERMINAL: u64 = 1_000;
/// Orders on their way at once.
const IN_FLIGHT_MAX: usize = 256;
const KILLS: u64 = 6;
/// How long the consumer may take to join its group.
const JOIN_MAX: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
/// How long the pick lists may lag behind the last order before the demo gives up waiting and verifies.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// The example project, so that the program shows it wherever it is installed.
const PROJECT: [(&str, &str); 4] = [
    (
        "rivulet.yaml",
        include_str!("../../../../examples/grocery/rivulet.yaml"),
    ),
    (
        "schemas/grocery-order.avsc",
        include_str!("../../../../examples/grocery/schemas/grocery-order.avsc"),
    ),
    (
        "schemas/grocery-picklist.avsc",
        include_str!("../../../../examples/grocery/schemas/grocery-picklist.avsc"),
    ),
    (
        "sql/picklists.sql",
        include_str!("../../../../examples/grocery/sql/picklists.sql"),
    ),
];

/// What a screen shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub orders: u64,
    pub picklists: u64,
    pub rate: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub kills: u64,
    pub last: String,
}

/// What producer, consumer and screen share.
struct Shared {
    clock: RealClock,
    random: OsRandom,
    /// When each order that has no pick list yet was sent.
    under_way: Mutex<HashMap<String, Duration>>,
    acknowledged: Mutex<HashSet<String>>,
    latencies: Mutex<Latencies>,
    last: Mutex<String>,
    orders: AtomicU64,
    picklists: AtomicU64,
    /// The consumer has its partitions: from now on latencies tell of the platform alone.
    consumer_ready: AtomicBool,
    /// No further orders.
    ending: AtomicBool,
    order_schema: avro::Schema,
    picklist_schema: avro::Schema,
}

/// Counters stay true even if a task panicked while it held the lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) async fn run(args: GroceryArgs) -> Result<(), CliError> {
    let mut screen = Screen::new();
    let limit = args
        .orders
        .or((!screen.is_terminal()).then_some(ORDERS_WITHOUT_TERMINAL));
    prepare(&args.data_dir)?;
    let mut platform = Platform::start(&args.data_dir).await?;
    let endpoints = platform.endpoints.clone();
    eprintln!(
        "platform ready in {} ms: kafka {}, registry {}",
        platform.ready_ms, endpoints.kafka, endpoints.registry
    );
    let project = load_project(&args.data_dir)?;
    for step in project::apply(&project, &endpoints).await? {
        eprintln!("applied {} `{}`: {}", step.what, step.name, step.outcome);
    }
    let shared = Arc::new(shared()?);
    let connection = Connection::new(endpoints.kafka.clone());
    let registry = Rest::registry(&endpoints.registry);
    let order_id = registry
        .register(&format!("{ORDERS}-value"), client::SchemaType::Avro, PROJECT[1].1)
        .await?;
    let producing = tokio::spawn(produce(
        Arc::clone(&shared),
        connection.clone(),
        order_id,
        args.rate,
        limit,
    ));
    let consuming = tokio::spawn(consume(Arc::clone(&shared), connection.clone()));
    let kills = watch(&shared, &mut platform, &mut screen, &args, limit, producing).await?;
    consuming.abort();

    let acknowledged = locked(&shared.acknowledged).clone();
    let verdict = tokio::task::block_in_place(|| {
        verify(
            &connection,
            &shared.order_schema,
            &shared.picklist_schema,
            &acknowledged,
        )
    })?;
    platform.stop().await?;
    if args.kill {
        eprintln!("the server was killed and restarted {kills} times");
    }
    let p99_ms = locked(&shared.latencies).percentile_ms(0.99);
    output::line(&format!(
        "orders {}  picklists {}  lost {}  duplicates {}  p99 {p99_ms:.1} ms",
        verdict.orders, verdict.picklists, verdict.lost, verdict.duplicates
    ))?;
    if verdict.is_good() && verdict.orders == acknowledged.len() as u64 {
        return Ok(());
    }
    let message = format!(
        "the promise was not kept: {} orders were acknowledged",
        acknowledged.len()
    );
    Err(CliError::internal(message).hint(format!("the data is kept in `{}`", args.data_dir.display())))
}

fn shared() -> Result<Shared, CliError> {
    let parse = |text: &str| avro::Schema::parse(text, &[]).map_err(|error| CliError::internal(error.to_string()));
    Ok(Shared {
        clock: RealClock::new(),
        random: OsRandom,
        under_way: Mutex::default(),
        acknowledged: Mutex::default(),
        latencies: Mutex::new(Latencies::new()),
        last: Mutex::new("none yet".to_owned()),
        orders: AtomicU64::new(0),
        picklists: AtomicU64::new(0),
        consumer_ready: AtomicBool::new(false),
        ending: AtomicBool::new(false),
        order_schema: parse(PROJECT[1].1)?,
        picklist_schema: parse(PROJECT[2].1)?,
    })
}

/// Empties the folder of an earlier demo, and only of one.
fn prepare(folder: &Path) -> Result<(), CliError> {
    let is_ours = folder.join("project").exists() || !folder.exists() || folder.read_dir()?.next().is_none();
    if !is_ours {
        let message = format!("`{}` holds something else than an earlier demo", folder.display());
        return Err(CliError::internal(message).hint("choose another folder with `--data-dir`"));
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    for (name, text) in PROJECT {
        let path = folder.join("project").join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn load_project(folder: &Path) -> Result<project::Project, CliError> {
    project::load(&folder.join("project")).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        CliError::internal(lines.join("\n"))
    })
}

/// A field of a framed Avro record, as text.
pub(super) fn field(schema: &avro::Schema, framed: Option<&[u8]>, name: &str) -> Result<String, CliError> {
    let payload = framed.and_then(|bytes| bytes.get(5..)).unwrap_or_default();
    let value = schema
        .decode(payload)
        .map_err(|error| CliError::internal(format!("a record cannot be read: {error}")))?;
    Ok(value
        .get(name)
        .and_then(|value| value.as_str())
        .unwrap_or_default()
        .to_owned())
}

/// Sends orders at a steady rate until the limit is reached or the demo ends; returns when all are acknowledged.
async fn produce(
    shared: Arc<Shared>,
    connection: Connection,
    schema_id: i32,
    rate: u64,
    limit: Option<u64>,
) -> Result<(), CliError> {
    let producer = Producer::new(&connection)?;
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let joined = async {
        while !shared.consumer_ready.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(JOIN_MAX, joined).await.is_err() {
        return Err(CliError::internal(
            "the consumer group gave its member no partitions in 20 s",
        ));
    }
    let mut sending = JoinSet::new();
    let mut pace = tokio::time::interval(Duration::from_nanos(1_000_000_000 / rate));
    let mut sent = 0;
    while !shared.ending.load(Ordering::Relaxed) && limit.is_none_or(|limit| sent < limit) {
        pace.tick().await;
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        sent += 1;
        let (shared, producer) = (Arc::clone(&shared), producer.clone());
        sending.spawn(async move {
            let _slot = slot;
            send_order(&shared, &producer, schema_id).await
        });
        while let Some(done) = sending.try_join_next() {
            done.map_err(|stopped| CliError::internal(stopped.to_string()))??;
        }
    }
    while let Some(done) = sending.join_next().await {
        done.map_err(|stopped| CliError::internal(stopped.to_string()))??;
    }
    Ok(())
}

async fn send_order(shared: &Shared, producer: &Producer, schema_id: i32) -> Result<(), CliError> {
    const GOODS: [&str; 5] = ["apple", "banana", "milk", "bread", "cheese"];
    let random = &shared.random;
    let id = uuid_text(random.uuid());
    let count = 1 + random.below(3) as usize;
    let first = random.below(5) as usize;
    let items: Vec<&str> = (0..count).map(|step| GOODS[(first + step) % GOODS.len()]).collect();
    let now = jiff::Timestamp::from_millisecond(shared.clock.wall_ms()).unwrap_or_default();
    let order = json!({
        "order_id": id,
        "customer_id": (1000 + random.below(9000)).to_string(),
        "items": items,
        "order_total": (1000 + random.below(9001)) as f64 / 100.0,
        "order_time": now.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    });
    let payload = shared
        .order_schema
        .encode(&order)
        .map_err(|error| CliError::internal(error.to_string()))?;
    let output = Output {
        topic: ORDERS.into(),
        key: Some(id.clone().into()),
        value: Some(frame(schema_id, &payload).into()),
        ..Output::default()
    };
    locked(&shared.under_way).insert(id.clone(), shared.clock.monotonic());
    producer.send(&output).await?;
    locked(&shared.acknowledged).insert(id);
    shared.orders.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Reads pick lists as a member of a group, as an application would.
async fn consume(shared: Arc<Shared>, connection: Connection) -> Result<(), CliError> {
    let consumer = GroupConsumer::new(&connection, GROUP, &[PICKLISTS])?;
    while !consumer.has_partitions() {
        // Polling is what makes a member join; there is nothing to read yet.
        if let Ok(early) = tokio::time::timeout(Duration::from_millis(20), consumer.next()).await {
            early?;
        }
    }
    shared.consumer_ready.store(true, Ordering::Relaxed);
    loop {
        let consumed = consumer.next().await?;
        let id = field(&shared.picklist_schema, consumed.record.value.as_deref(), "order_id")?;
        // A consumer group may read again what it read before a kill; the first time counts.
        let Some(sent_at) = locked(&shared.under_way).remove(&id) else {
            continue;
        };
        locked(&shared.latencies).add(shared.clock.monotonic().saturating_sub(sent_at));
        shared.picklists.fetch_add(1, Ordering::Relaxed);
        *locked(&shared.last) = format!("order {id}");
    }
}

/// Shows progress and kills the server on the way, until every order is through; gives the number of kills.
async fn watch(
    shared: &Shared,
    platform: &mut Platform,
    screen: &mut Screen,
    args: &GroceryArgs,
    limit: Option<u64>,
    mut producing: tokio::task::JoinHandle<Result<(), CliError>>,
) -> Result<u64, CliError> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let (mut kills, mut produced) = (0, false);
    let (mut shown_at, mut shown_orders) = (Duration::ZERO, 0);
    let mut done_at = None;
    loop {
        tokio::select! {
            _ = interrupt.recv() => shared.ending.store(true, Ordering::Relaxed),
            _ = terminate.recv() => shared.ending.store(true, Ordering::Relaxed),
            _ = hangup.recv() => shared.ending.store(true, Ordering::Relaxed),
            done = &mut producing, if !produced => {
                done.map_err(|stopped| CliError::internal(stopped.to_string()))??;
                produced = true;
                done_at = Some(shared.clock.monotonic());
            }
            _ = tick.tick() => {}
        }
        let (orders, now) = (shared.orders.load(Ordering::Relaxed), shared.clock.monotonic());
        if args.kill && is_time_to_kill(kills, orders, limit, args.rate) && !produced {
            platform.kill_and_restart().await?;
            kills += 1;
        }
        platform.check_alive()?;
        if now.saturating_sub(shown_at) >= SECOND {
            let rate = (orders - shown_orders) as f64 / (now - shown_at).as_secs_f64();
            screen.show(&snapshot(shared, rate, kills))?;
            (shown_at, shown_orders) = (now, orders);
        }
        let through = shared.picklists.load(Ordering::Relaxed) >= orders;
        let waited_out = done_at.is_some_and(|at| now.saturating_sub(at) > CATCH_UP_MAX);
        if produced && (through || waited_out) {
            screen.show(&snapshot(shared, 0.0, kills))?;
            return Ok(kills);
        }
    }
}

/// Kills are spread over the run: at even shares of a known number of orders, else every two seconds' worth.
fn is_time_to_kill(kills: u64, orders: u64, limit: Option<u64>, rate: u64) -> bool {
    match limit {
        Some(limit) => kills < KILLS && orders * (KILLS + 1) >= limit * (kills + 1),
        None => orders >= (kills + 1) * rate * 2,
    }
}

fn snapshot(shared: &Shared, rate: f64, kills: u64) -> Snapshot {
    let latencies = locked(&shared.latencies);
    Snapshot {
        orders: shared.orders.load(Ordering::Relaxed),
        picklists: shared.picklists.load(Ordering::Relaxed),
        rate,
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        kills,
        last: locked(&shared.last).clone(),
    }
}
