//! What is measured: one entry a case.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, RealClock};
use rivulet_tests::raw;
use wire::{BatchBuilder, Compression, NewRecord};

use crate::generate::{self, Load};
use crate::measure::{cpu, drop_page_cache, latencies, resident_mib};
use crate::peer::{Kind, Peer, Stopped};
use crate::report::Row;

/// Before each measurement: connections are made, code is compiled, files are there.
const WARM_UP: Duration = Duration::from_secs(2);
const STARTS: usize = 5;
const RESTART_BYTES: u64 = 5 << 30;
const RESTART_PARTITIONS: i32 = 16;
const CONNECTIONS: usize = 1_000;
const IDLE_PARTITIONS: (i32, i32) = (10, 1_000);
/// How long an idle server is watched.
const IDLE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_micros(500);
const CONSUMED_BYTES: u64 = 1 << 30;

#[derive(Clone, Copy)]
enum What {
    Flood(Load),
    Pace(Load, u64),
    EndToEnd(Load, u64),
    Consume { load: Load, cold: bool },
    Start,
    Restart,
    IdleConnections,
    IdlePartitions,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    what: What,
}

const KIB: Load = Load {
    bytes: 1024,
    codec: "none",
    partitions: 16,
    producers: 1,
    linger_ms: 5,
};
const SMALL: Load = Load { bytes: 100, ..KIB };

const fn case(name: &'static str, what: What) -> Case {
    Case { name, what }
}

pub(crate) const CASES: &[Case] = &[
    case("produce 1 KiB, 1 partition", What::Flood(Load { partitions: 1, ..KIB })),
    case("produce 1 KiB, 16 partitions", What::Flood(KIB)),
    case(
        "produce 1 KiB, 16 partitions, 16 producers",
        What::Flood(Load { producers: 16, ..KIB }),
    ),
    case(
        "produce 1 KiB, 16 partitions, lz4",
        What::Flood(Load { codec: "lz4", ..KIB }),
    ),
    case(
        "produce 100 B, 1 partition",
        What::Flood(Load { partitions: 1, ..SMALL }),
    ),
    case("produce 100 B, 16 partitions", What::Flood(SMALL)),
    case(
        "produce 100 B, 16 partitions, lz4",
        What::Flood(Load { codec: "lz4", ..SMALL }),
    ),
    case(
        "acknowledgement at 100/s, linger 0",
        What::Pace(
            Load {
                partitions: 1,
                linger_ms: 0,
                ..KIB
            },
            100,
        ),
    ),
    case("acknowledgement at 20,000/s, 16 partitions", What::Pace(KIB, 20_000)),
    case(
        "end to end at 100/s, linger 0",
        What::EndToEnd(
            Load {
                partitions: 1,
                linger_ms: 0,
                ..KIB
            },
            100,
        ),
    ),
    case(
        "end to end at 20,000/s, linger 0",
        What::EndToEnd(
            Load {
                partitions: 1,
                linger_ms: 0,
                ..KIB
            },
            20_000,
        ),
    ),
    case(
        "consume 1 KiB, 1 partition, page cache",
        What::Consume {
            load: Load { partitions: 1, ..KIB },
            cold: false,
        },
    ),
    case(
        "consume 1 KiB, 16 partitions, page cache",
        What::Consume { load: KIB, cold: false },
    ),
    case(
        "consume 1 KiB, 16 partitions, disk",
        What::Consume { load: KIB, cold: true },
    ),
    case(
        "consume 100 B, 16 partitions, page cache",
        What::Consume {
            load: SMALL,
            cold: false,
        },
    ),
    case("start to first acknowledgement", What::Start),
    case("1,000 idle connections", What::IdleConnections),
    case("10,000 idle partitions", What::IdlePartitions),
    case("restart after SIGKILL with 5 GiB", What::Restart),
];

fn shared_clock() -> Arc<dyn Clock> {
    Arc::new(RealClock::new())
}

impl Case {
    /// Whether it runs on a server that is up already.
    pub(crate) fn is_steady(&self) -> bool {
        !matches!(
            self.what,
            What::Start | What::Restart | What::IdleConnections | What::IdlePartitions
        )
    }

    /// Whether it takes minutes.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self.what, What::Restart | What::IdlePartitions)
    }

    pub(crate) fn run(&self, peer: &mut Peer, length: Duration, clock: &RealClock) -> Row {
        let topic = format!("bench-{}", clock.monotonic().as_nanos());
        let partitions = match self.what {
            What::Flood(load) | What::Pace(load, _) | What::EndToEnd(load, _) | What::Consume { load, .. } => {
                load.partitions
            }
            _ => 1,
        };
        let bootstrap = peer.bootstrap();
        generate::create_topic(&bootstrap, &topic, partitions);
        rustix::fs::sync();
        let row = match self.what {
            What::Consume { load, cold } => consume(peer, &topic, &load, cold),
            _ => self.load(peer, &topic, length),
        };
        generate::delete_topic(&bootstrap, &topic);
        row
    }

    fn load(&self, peer: &Peer, topic: &str, length: Duration) -> Row {
        let clock = shared_clock();
        let bootstrap = peer.bootstrap();
        let partitions = match self.what {
            What::Flood(load) | What::Pace(load, _) | What::EndToEnd(load, _) => load.partitions,
            _ => 1,
        };
        if !matches!(self.what, What::EndToEnd(..)) {
            let warm_up = Load { partitions, ..KIB };
            generate::pace(&bootstrap, topic, &warm_up, 5_000, WARM_UP, false, &clock);
        }
        let (server, own) = (cpu(peer.pid()), cpu(std::process::id()));
        let (produced, bytes, latency) = match self.what {
            What::Flood(load) => {
                let produced = generate::flood(&bootstrap, topic, &load, length, &clock);
                (produced, load.bytes, None)
            }
            What::Pace(load, rate) => {
                let produced = generate::pace(&bootstrap, topic, &load, rate, length, false, &clock);
                let latency = produced.latency.clone();
                (produced, load.bytes, latency)
            }
            What::EndToEnd(load, rate) => {
                let (produced, seen) = end_to_end(&bootstrap, topic, &load, rate, length, &clock);
                (produced, load.bytes, Some(seen))
            }
            _ => unreachable_case(),
        };
        let used = |pid: u32, before: Duration| (cpu(pid) - before).as_secs_f64() * 1e6 / produced.acked as f64;
        let rate = produced.acked as f64 / produced.took.as_secs_f64();
        Row {
            records_per_second: Some(rate),
            bytes_per_second: Some(rate * bytes as f64),
            latency_us: latency,
            server_us_per_record: Some(used(peer.pid(), server)),
            generator_us_per_record: Some(used(std::process::id(), own)),
            resident_mib: Some(resident_mib(peer.pid()).0),
            note: String::new(),
        }
    }

    /// Cases that start their servers themselves; a row a round.
    pub(crate) fn run_alone(&self, kind: Kind, folder: &Path, clock: &RealClock) -> Vec<Row> {
        match self.what {
            What::Start => start(kind, folder, clock),
            What::Restart => vec![restart(kind, folder, clock)],
            What::IdleConnections => vec![idle_connections(kind, folder)],
            What::IdlePartitions => vec![idle_partitions(kind, folder)],
            _ => unreachable_case(),
        }
    }
}

fn unreachable_case() -> ! {
    unreachable!("steady cases run on a server that is up, all others start their own")
}

fn end_to_end(
    bootstrap: &str,
    topic: &str,
    load: &Load,
    rate: u64,
    length: Duration,
    clock: &Arc<dyn Clock>,
) -> (generate::Produced, hdrhistogram::Histogram<u64>) {
    let total = rate * length.as_millis() as u64 / 1_000;
    let (ready, wait) = std::sync::mpsc::sync_channel::<()>(1);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            generate::follow(bootstrap, topic, load.partitions, total, clock, &|| {
                ready.send(()).expect("the producer waits");
            })
        });
        wait.recv().expect("the consumer is ready");
        let produced = generate::pace(bootstrap, topic, load, rate, length, true, clock);
        (produced, reader.join().expect("the consumer saw everything"))
    })
}

fn consume(peer: &Peer, topic: &str, load: &Load, cold: bool) -> Row {
    let clock = shared_clock();
    let bootstrap = peer.bootstrap();
    let wanted = CONSUMED_BYTES / load.bytes as u64;
    let mut total = 0;
    while total < wanted {
        total += generate::flood(&bootstrap, topic, load, Duration::from_millis(500), &clock).acked;
    }
    rustix::fs::sync();
    if cold && !drop_page_cache() {
        return Row {
            note: "skipped: the page cache cannot be dropped here (needs root)".into(),
            ..Row::default()
        };
    }
    let (server, own) = (cpu(peer.pid()), cpu(std::process::id()));
    let took = generate::drain(&bootstrap, topic, load.partitions, total, &clock);
    let used = |pid: u32, before: Duration| (cpu(pid) - before).as_secs_f64() * 1e6 / total as f64;
    let rate = total as f64 / took.as_secs_f64();
    Row {
        records_per_second: Some(rate),
        bytes_per_second: Some(rate * load.bytes as f64),
        server_us_per_record: Some(used(peer.pid(), server)),
        generator_us_per_record: Some(used(std::process::id(), own)),
        resident_mib: Some(resident_mib(peer.pid()).0),
        ..Row::default()
    }
}

fn start(kind: Kind, folder: &Path, clock: &RealClock) -> Vec<Row> {
    let run = |number: usize| {
        let stopped = Peer::prepare(kind, &folder.join(number.to_string()));
        let (peer, took) = first_acknowledgement(&stopped, clock);
        std::thread::sleep(Duration::from_secs(2));
        Row {
            resident_mib: Some(resident_mib(peer.pid()).0),
            ..took_row(took)
        }
    };
    (0..STARTS).map(run).collect()
}

fn took_row(took: Duration) -> Row {
    let mut latency = latencies();
    latency.saturating_record(took.as_micros() as u64);
    Row {
        latency_us: Some(latency),
        ..Row::default()
    }
}

fn restart(kind: Kind, folder: &Path, clock: &RealClock) -> Row {
    let peer = Peer::start(kind, folder);
    generate::create_topic(&peer.bootstrap(), "kept", RESTART_PARTITIONS);
    let load = Load {
        partitions: RESTART_PARTITIONS,
        ..KIB
    };
    let mut written = 0;
    while written < RESTART_BYTES {
        written += 1024
            * generate::flood(
                &peer.bootstrap(),
                "kept",
                &load,
                Duration::from_secs(1),
                &shared_clock(),
            )
            .acked;
    }
    let stopped = peer.kill();
    let (peer, took) = first_acknowledgement(&stopped, clock);
    Row {
        resident_mib: Some(resident_mib(peer.pid()).0),
        note: format!("{:.1} GiB written", written as f64 / f64::from(1 << 30)),
        ..took_row(took)
    }
}

/// From the start of the process until a client that asks all the time has one record acknowledged.
fn first_acknowledgement(stopped: &Stopped, clock: &RealClock) -> (Peer, Duration) {
    let began = clock.monotonic();
    let peer = stopped.start_now();
    loop {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", peer.port))
            && stream.set_nodelay(true).is_ok()
            && acknowledged(&mut stream)
        {
            return (peer, clock.monotonic() - began);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

const FIRST: &str = "first-record";

/// Lets the server make the topic, and produces one record; whether it was acknowledged.
fn acknowledged(stream: &mut TcpStream) -> bool {
    // Metadata version 4 for one topic, which may be made.
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend((FIRST.len() as i16).to_be_bytes());
    body.extend(FIRST.as_bytes());
    body.push(1);
    let metadata = raw::frame(3, 4, &body);
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(NewRecord {
        timestamp: 1_700_000_000_000,
        key: Some(b"k"),
        value: Some(b"v"),
        headers: &[],
    });
    let produce = raw::produce(FIRST, &builder.build().expect("a batch of one record"));
    loop {
        if raw::ask(stream, &metadata).is_none() {
            return false;
        }
        match raw::ask(stream, &produce) {
            None => return false,
            Some(answer) if raw::produce_error(&answer, FIRST) == 0 => return true,
            Some(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Memory, and CPU over [`IDLE`], of a server that nobody asks anything.
fn idle(peer: &Peer, note: &str) -> Row {
    let before = cpu(peer.pid());
    std::thread::sleep(IDLE);
    let used = cpu(peer.pid()) - before;
    Row {
        resident_mib: Some(resident_mib(peer.pid()).0),
        note: format!(
            "{note}; {:.1} ms of CPU a second",
            used.as_secs_f64() * 1000.0 / IDLE.as_secs_f64()
        ),
        ..Row::default()
    }
}

fn idle_connections(kind: Kind, folder: &Path) -> Row {
    let peer = Peer::start(kind, folder);
    let before = resident_mib(peer.pid()).0;
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(("127.0.0.1", peer.port)).expect("the server accepts");
        assert!(raw::is_served(&mut stream), "the server answers");
        connections.push(stream);
    }
    idle(&peer, &format!("{before:.0} MiB before"))
}

fn idle_partitions(kind: Kind, folder: &Path) -> Row {
    let peer = Peer::start(kind, folder);
    let before = resident_mib(peer.pid()).0;
    let (topics, partitions) = IDLE_PARTITIONS;
    for topic in 0..topics {
        generate::create_topic(&peer.bootstrap(), &format!("idle-{topic}"), partitions);
    }
    std::thread::sleep(IDLE);
    idle(&peer, &format!("{before:.0} MiB before"))
}
