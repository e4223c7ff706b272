//! Tortures the release binary and prints what became of it: `rivulet-torture [--seconds N] [--cuts N] [--seed N]`.
//!
//! Exits with 1 at the first anomaly. Parts that need privileges this machine does not give are skipped, with the reason.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::{Clock, Random, RealClock, SeededRandom};
use rivulet_tests::Server;
use rivulet_tests::torture::checker::{Anomaly, check};
use rivulet_tests::torture::history::{History, Recorder};
use rivulet_tests::torture::power::Rig;
use rivulet_tests::torture::proxy::{Plan, Proxy};
use rivulet_tests::torture::workload::{PARTITIONS, TOPIC, Workload, begin_anew, committed_offsets, read_everything};

/// After the last fault, for what hangs to come to its end: the transactions' time-out and a little.
const HEAL: Duration = Duration::from_secs(3);
const CUTS_EVERY: Duration = Duration::from_millis(250);

struct Arguments {
    /// For each of the two parts under faults.
    seconds: u64,
    cuts: usize,
    seed: u64,
}

fn arguments() -> Arguments {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let named: HashMap<&str, u64> = words
        .chunks(2)
        .filter_map(|pair| Some((pair[0].strip_prefix("--")?, pair.get(1)?.parse().ok()?)))
        .collect();
    let number = |name: &str, default: u64| named.get(name).copied().unwrap_or(default);
    Arguments {
        seconds: number("seconds", 150),
        cuts: number("cuts", 60) as usize,
        seed: number("seed", 1),
    }
}

/// A row of the table.
struct Part {
    name: &'static str,
    faults: String,
    acknowledged: usize,
    committed: usize,
    polled: usize,
    anomalies: Vec<Anomaly>,
}

fn main() -> ExitCode {
    let arguments = arguments();
    let mut parts = vec![kills_and_pauses(&arguments), network(&arguments)];
    let folder = tempfile::tempdir().expect("a folder");
    match Rig::make(folder.path()) {
        Ok(rig) => {
            let (full, cuts) = disk(rig, &arguments);
            parts.extend([full, cuts]);
        }
        Err(why) => println!("skipped: the full disk and the power cuts, because {why}"),
    }
    println!("\n| part | faults | acknowledged sends | committed transactions | polled | anomalies |");
    println!("|---|---|---|---|---|---|");
    for part in &parts {
        let (name, faults, found) = (part.name, &part.faults, part.anomalies.len());
        println!(
            "| {name} | {faults} | {} | {} | {} | {found} |",
            part.acknowledged, part.committed, part.polled
        );
    }
    let anomalies: Vec<&Anomaly> = parts.iter().flat_map(|part| &part.anomalies).collect();
    for anomaly in anomalies.iter().take(50) {
        println!("{anomaly}");
    }
    println!("seed {}", arguments.seed);
    if anomalies.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn create_topic(server: &Server) {
    server.rivulet_ok(&["topic", "create", TOPIC, "--partitions", &PARTITIONS.to_string()]);
}

fn part(name: &'static str, faults: String, history: &History, anomalies: Vec<Anomaly>) -> Part {
    use rivulet_tests::torture::history::Outcome::Done;
    Part {
        name,
        faults,
        acknowledged: history.sends.iter().filter(|send| send.outcome == Done).count(),
        committed: history.transactions.iter().filter(|one| one.outcome == Done).count(),
        polled: history.polls.len(),
        anomalies,
    }
}

/// Reads everything anew and looks for anomalies.
fn verdict(port: u16, history: &History) -> Vec<Anomaly> {
    let found = read_everything(port);
    let committed = committed_offsets(port).expect("the group's offsets can be asked for");
    check(history, &found, &committed)
}

fn kills_and_pauses(arguments: &Arguments) -> Part {
    let random = SeededRandom::new(arguments.seed);
    let mut server = Server::start();
    create_topic(&server);
    let recorder = Recorder::shared();
    let workload = Workload::start(server.kafka_port(), &recorder, arguments.seed);
    let (mut kills, mut pauses) = (0, 0);
    let clock = RealClock::new();
    let end = clock.monotonic() + Duration::from_secs(arguments.seconds);
    while clock.monotonic() < end {
        std::thread::sleep(Duration::from_millis(100 + random.below(900)));
        if random.below(5) == 0 {
            signal(&server, rustix::process::Signal::STOP);
            std::thread::sleep(Duration::from_millis(random.below(4_000)));
            signal(&server, rustix::process::Signal::CONT);
            pauses += 1;
        } else {
            server.kill();
            server.restart();
            kills += 1;
        }
    }
    std::thread::sleep(HEAL);
    workload.stop();
    let history = recorder.history();
    let anomalies = verdict(server.kafka_port(), &history);
    part(
        "SIGKILL and SIGSTOP",
        format!("{kills} kills, {pauses} pauses"),
        &history,
        anomalies,
    )
}

fn signal(server: &Server, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(server.pid() as i32).expect("a process has a number");
    rustix::process::kill_process(pid, signal).expect("the server can be signalled");
}

fn network(arguments: &Arguments) -> Part {
    let random = SeededRandom::new(arguments.seed ^ 0x5eed);
    let mut server = Server::start();
    create_topic(&server);
    let proxy = Proxy::start(server.kafka_port(), arguments.seed);
    proxy.set(Plan {
        delay: 5,
        drop_request: 3,
        drop_answer: 5,
        replay: 100,
        trickle: 2,
    });
    let recorder = Recorder::shared();
    let workload = Workload::start(proxy.port(), &recorder, arguments.seed);
    let (mut cuts, mut kills) = (0, 0);
    let clock = RealClock::new();
    let end = clock.monotonic() + Duration::from_secs(arguments.seconds);
    while clock.monotonic() < end {
        std::thread::sleep(Duration::from_millis(500 + random.below(3_000)));
        if random.below(3) == 0 {
            server.kill();
            server.restart();
            kills += 1;
        }
        proxy.cut_all();
        cuts += 1;
    }
    proxy.set(Plan::default());
    std::thread::sleep(HEAL);
    workload.stop();
    let history = recorder.history();
    let anomalies = verdict(server.kafka_port(), &history);
    let done = proxy.done();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let faults = format!(
        "{cuts} cuts, {kills} kills, {} requests lost, {} answers lost, {} repeated, {} delayed, {} byte by byte",
        count(&done.requests_dropped),
        count(&done.answers_dropped),
        count(&done.replayed),
        count(&done.delayed),
        count(&done.trickled)
    );
    part("network", faults, &history, anomalies)
}

/// A full disk, then power cuts, on the same file systems.
fn disk(mut rig: Rig, arguments: &Arguments) -> (Part, Part) {
    let mut server = Server::start_in(&rig.data(), &[]);
    create_topic(&server);
    let recorder = Recorder::shared();
    let workload = Workload::start(server.kafka_port(), &recorder, arguments.seed);
    std::thread::sleep(HEAL);
    let mut times_full = 0;
    for _ in 0..3 {
        let filler = rig.fill();
        std::thread::sleep(HEAL);
        times_full += 1;
        if times_full == 2 {
            server.kill();
        }
        std::fs::remove_file(&filler).expect("the filler can be removed");
        if !server.is_running() {
            server.restart();
        }
        std::thread::sleep(HEAL);
    }
    workload.stop();
    let history = recorder.history();
    let anomalies = verdict(server.kafka_port(), &history);
    let full = part(
        "full disk",
        format!("{times_full} times to the last byte, once killed meanwhile"),
        &history,
        anomalies,
    );
    let cuts = power_cuts(&mut rig, &server, &recorder, arguments);
    server.kill();
    (full, cuts)
}

fn power_cuts(rig: &mut Rig, server: &Server, recorder: &Arc<Recorder>, arguments: &Arguments) -> Part {
    let workload = Workload::start(server.kafka_port(), recorder, arguments.seed + 1);
    let mut images = Vec::new();
    for _ in 0..arguments.cuts {
        std::thread::sleep(CUTS_EVERY);
        let moment = recorder.now();
        images.push((moment, rig.cut().expect("a snapshot can be taken")));
    }
    workload.stop();
    let history = recorder.history();
    let mut anomalies = Vec::new();
    for (moment, image) in &images {
        let known = history.until(*moment);
        let found = rig.after(image, |folder: &Path| {
            let mut after = Server::start_in(folder, &[]);
            let found = after_cut(&after, &history, &known);
            after.kill();
            found
        });
        anomalies.extend(found.expect("an image can be mounted"));
    }
    let faults = format!("{} cuts, each recovered and read", images.len());
    part("power cuts", faults, &history, anomalies)
}

/// What must be there after a cut: what was acknowledged before it. What was sent before and ended later may be there.
fn after_cut(after: &Server, history: &History, known: &History) -> Vec<Anomaly> {
    begin_anew(after.kafka_port());
    let found = read_everything(after.kafka_port());
    let committed = committed_offsets(after.kafka_port()).expect("the group's offsets can be asked for");
    let anomalies = check(known, &found, &committed);
    // Sent while the snapshot was taken: not in the history as of its beginning, but sent all the same.
    let sent = |value: u64| history.sends.iter().any(|send| send.value == value);
    anomalies
        .into_iter()
        .filter(|anomaly| !matches!(anomaly, Anomaly::Foreign { value, .. } if sent(*value)))
        .collect()
}
