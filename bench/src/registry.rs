//! The schema registry's cases: reading by id, registering, starting with many schemas; beside any other registry.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use clap::Args;
use hdrhistogram::Histogram;
use rivulet_tests::Server;
use rivulet_tests::kafka::free_port;

use crate::measure::{cpu, latencies, resident_mib};

/// How many clients ask at once in the busy cases: more than there are cores.
const CLIENTS: usize = 8;
/// How many schemas the start is measured with.
const MANY: u64 = 100_000;
const READY_WITHIN: Duration = Duration::from_secs(120);

#[derive(Args)]
pub(crate) struct RegistryArguments {
    /// The registry's cases instead of the broker's
    #[arg(long)]
    pub(crate) registry: bool,
    /// The folder of an unpacked Apicurio Registry, which is then measured too (`bench/setup-registry` fetches one)
    #[arg(long, value_name = "FOLDER", requires = "registry")]
    apicurio: Option<PathBuf>,
    /// Any other registry that runs already, as `NAME=URL=PID`; it must be empty
    #[arg(long, value_name = "NAME=URL=PID", requires = "registry")]
    other: Option<String>,
}

/// A registry under test.
struct Registry {
    name: String,
    class: &'static str,
    address: String,
    /// What stands before `/subjects`.
    base: String,
    pid: u32,
}

pub(crate) fn run(arguments: &RegistryArguments, seconds: u64, clock: &dyn Clock) {
    let steady = Duration::from_secs(seconds);
    println!(
        "| case | registry | class | requests/s | p50 ms | p99 ms | p99.9 ms | server CPU us a request | resident MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let server = Server::start();
    cases(&rivulet(&server), steady, clock);
    drop(server);
    if let Some(folder) = &arguments.apicurio {
        let apicurio = Apicurio::start(folder);
        cases(&apicurio.registry(), steady, clock);
    }
    if let Some(other) = &arguments.other {
        let parts: Vec<&str> = other.split('=').collect();
        let [name, url, pid] = parts[..] else {
            panic!("`{other}` is not NAME=URL=PID");
        };
        let url = url.trim_start_matches("http://").trim_end_matches('/');
        let (address, base) = url
            .split_once('/')
            .map_or((url, String::new()), |(a, b)| (a, format!("/{b}")));
        let registry = Registry {
            name: name.to_owned(),
            class: "its own",
            address: address.to_owned(),
            base,
            pid: pid.parse().expect("the pid is a number"),
        };
        cases(&registry, steady, clock);
    }
    start_with_many(clock);
}

fn rivulet(server: &Server) -> Registry {
    Registry {
        name: "Rivulet".to_owned(),
        class: "fsync",
        address: server.registry.trim_start_matches("http://").to_owned(),
        base: String::new(),
        pid: server.pid(),
    }
}

fn cases(registry: &Registry, steady: Duration, clock: &dyn Clock) {
    let mut connection = Connection::open(registry);
    for at in 0..100 {
        connection.register(at, &text(at));
    }
    let known = text(7);
    let get = |connection: &mut Connection, at: u64| connection.get(&format!("/schemas/ids/{}", 1 + at % 100));
    let look_up = |connection: &mut Connection, _: u64| connection.post("/subjects/bench-7-value", &body(&known));
    let again = |connection: &mut Connection, _: u64| connection.register(7, &known);
    let new = |connection: &mut Connection, at: u64| connection.register(at + 1_000, &text(at + 1_000));
    row("GET /schemas/ids/{id}", registry, 1, steady, clock, 0, get);
    row(
        "GET /schemas/ids/{id}, 8 clients",
        registry,
        CLIENTS,
        steady,
        clock,
        0,
        get,
    );
    row(
        "look a schema up, 8 clients",
        registry,
        CLIENTS,
        steady,
        clock,
        0,
        look_up,
    );
    row(
        "register a known schema, 8 clients",
        registry,
        CLIENTS,
        steady,
        clock,
        0,
        again,
    );
    row("register a new schema", registry, 1, steady, clock, 0, new);
    row(
        "register a new schema, 8 clients",
        registry,
        CLIENTS,
        steady,
        clock,
        1_000_000,
        new,
    );
}

/// Lets `clients` ask one question after another for a while, and prints what came of it.
fn row(
    case: &str,
    registry: &Registry,
    clients: usize,
    steady: Duration,
    clock: &dyn Clock,
    from: u64,
    ask: impl Fn(&mut Connection, u64) + Sync,
) {
    let asked = AtomicU64::new(from);
    let cpu_before = cpu(registry.pid);
    let begun = clock.monotonic();
    let seen: Vec<Histogram<u64>> = std::thread::scope(|scope| {
        let client = || {
            let mut connection = Connection::open(registry);
            let mut seen = latencies();
            while clock.monotonic() - begun < steady {
                let before = clock.monotonic();
                ask(&mut connection, asked.fetch_add(1, Ordering::Relaxed));
                seen.saturating_record((clock.monotonic() - before).as_micros() as u64);
            }
            seen
        };
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client ends"))
            .collect()
    });
    let took = clock.monotonic() - begun;
    let used = cpu(registry.pid) - cpu_before;
    let mut all = latencies();
    for one in &seen {
        all.add(one).expect("histograms of one shape");
    }
    let count = all.len() as f64;
    let quantile = |at: f64| all.value_at_quantile(at) as f64 / 1000.0;
    println!(
        "| {case} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} |",
        registry.name,
        registry.class,
        count / took.as_secs_f64(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        used.as_micros() as f64 / count,
        resident_mib(registry.pid).0
    );
}

/// Fills a registry, kills it and measures its start.
fn start_with_many(clock: &dyn Clock) {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let mut server = Server::start_in(folder.path(), &[]);
    let next = AtomicU64::new(0);
    let registry = rivulet(&server);
    let begun = clock.monotonic();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = Connection::open(&registry);
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= MANY {
                        break;
                    }
                    connection.register(at, &text(at));
                }
            });
        }
    });
    let filled = clock.monotonic() - begun;
    server.kill();
    let begun = clock.monotonic();
    server.restart();
    let registry = rivulet(&server);
    Connection::open(&registry).get(&format!("/schemas/ids/{MANY}"));
    let started = clock.monotonic() - begun;
    println!(
        "\n{MANY} schemas: registered in {:.1} s; start after SIGKILL to the first answer {:.0} ms, resident {:.0} MiB",
        filled.as_secs_f64(),
        started.as_secs_f64() * 1000.0,
        resident_mib(registry.pid).0
    );
}

/// A record of ten fields that no other number gives.
fn text(at: u64) -> String {
    let fields: Vec<String> = (0..10)
        .map(|field| format!(r#"{{"name":"field_{field}_{at}","type":["null","string"],"default":null}}"#))
        .collect();
    format!(
        r#"{{"type":"record","name":"Bench","namespace":"bench","fields":[{}]}}"#,
        fields.join(",")
    )
}

fn body(schema: &str) -> String {
    format!(r#"{{"schema":"{}"}}"#, schema.replace('"', "\\\""))
}

/// One client's connection, kept open.
struct Connection {
    stream: BufReader<TcpStream>,
    base: String,
    /// The answer's lines and body, kept so that reading does not allocate each time.
    line: String,
    answer: Vec<u8>,
}

impl Connection {
    fn open(registry: &Registry) -> Connection {
        let stream = TcpStream::connect(&registry.address).expect("the registry listens");
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        Connection {
            stream: BufReader::new(stream),
            base: registry.base.clone(),
            line: String::new(),
            answer: Vec::new(),
        }
    }

    fn get(&mut self, path: &str) {
        self.ask(&format!("GET {}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n", self.base));
    }

    fn post(&mut self, path: &str, body: &str) {
        self.ask(&format!(
            "POST {}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.base,
            body.len()
        ));
    }

    fn register(&mut self, at: u64, schema: &str) {
        self.post(&format!("/subjects/bench-{at}-value/versions"), &body(schema));
    }

    fn ask(&mut self, request: &str) {
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("the registry takes it");
        let mut length = None;
        let mut status = String::new();
        loop {
            self.line.clear();
            self.stream.read_line(&mut self.line).expect("the registry answers");
            if status.is_empty() {
                status.clone_from(&self.line);
            }
            if self.line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = self.line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let length = length.unwrap_or_else(|| panic!("an answer without a length to {request}: {status}"));
        self.answer.resize(length, 0);
        self.stream
            .read_exact(&mut self.answer)
            .expect("the registry answers whole");
        assert!(
            status.contains(" 200 "),
            "{status}{}: {request}",
            String::from_utf8_lossy(&self.answer)
        );
    }
}

/// An Apicurio Registry with its default storage, which is in memory: nothing is durable.
struct Apicurio {
    process: Child,
    port: u16,
}

impl Apicurio {
    fn start(folder: &Path) -> Apicurio {
        let jar = std::fs::read_dir(folder)
            .expect("the folder can be read")
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.to_string_lossy().ends_with("-runner.jar"))
            .expect("the folder holds Apicurio's runner jar");
        let port = free_port();
        let process = Command::new("java")
            .args(["-Xmx1g", &format!("-Dquarkus.http.port={port}"), "-jar"])
            .arg(jar)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("java starts");
        let clock = base::RealClock::new();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(clock.monotonic() < READY_WITHIN, "Apicurio does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Apicurio { process, port }
    }

    fn registry(&self) -> Registry {
        Registry {
            name: "Apicurio 3.0".to_owned(),
            class: "memory",
            address: format!("127.0.0.1:{}", self.port),
            base: "/apis/ccompat/v7".to_owned(),
            pid: self.process.id(),
        }
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        if self.process.kill().is_ok() && self.process.wait().is_err() {
            eprintln!("Apicurio could not be waited for");
        }
    }
}
