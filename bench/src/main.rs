//! Prints figures about the release binary: start to first acknowledged produce, and resident memory when idle.
//!
//! Each figure is the median of several starts on an empty directory, with minimum and maximum beside it.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base::{Clock, RealClock};
use rivulet_tests::{binary, raw};
use wire::{BatchBuilder, Compression, NewRecord};

const STARTS: usize = 11;
/// How long a server stays idle before its memory is read.
const IDLE: Duration = Duration::from_secs(2);
const TOPIC: &str = "bench";

fn main() {
    let clock = RealClock::new();
    for durability in ["fsync", "os"] {
        let (mut acked_ms, mut resident_mib) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let folder = tempfile::tempdir().expect("a folder for the data");
            let port = free_port();
            let start = clock.monotonic();
            let mut child = start_server(folder.path(), durability, port);
            produce_until_acknowledged(port);
            acked_ms.push((clock.monotonic() - start).as_secs_f64() * 1000.0);
            std::thread::sleep(IDLE);
            resident_mib.push(resident_kib(child.id()) / 1024.0);
            child.kill().expect("the server can be killed");
            child.wait().expect("the server is gone");
        }
        let starts = format!("{STARTS} starts, empty directory, durability {durability}");
        print_row(
            "process start to first acknowledged produce, ms",
            &mut acked_ms,
            &starts,
        );
        print_row("resident memory when idle, MiB", &mut resident_mib, &starts);
    }
}

fn print_row(what: &str, samples: &mut [f64], how: &str) {
    samples.sort_by(f64::total_cmp);
    let (low, middle, high) = (samples[0], samples[samples.len() / 2], samples[samples.len() - 1]);
    println!("{what}: median {middle:.1} (min {low:.1}, max {high:.1}; {how})");
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn start_server(folder: &std::path::Path, durability: &str, port: u16) -> Child {
    let mut command = Command::new(binary());
    command.args([
        "up",
        "--durability",
        durability,
        "--registry-port",
        "0",
        "--api-port",
        "0",
        "--kafka-port",
    ]);
    command.arg(port.to_string()).arg("--data-dir").arg(folder.join("data"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

/// Tries to connect, lets the server make the topic, and produces one record: as a client would that starts beside it.
fn produce_until_acknowledged(port: u16) {
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(Duration::from_micros(500)),
        }
    };
    stream.set_nodelay(true).expect("TCP_NODELAY");
    // Metadata version 4 for one topic, which may be made.
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend((TOPIC.len() as i16).to_be_bytes());
    body.extend(TOPIC.as_bytes());
    body.push(1);
    let metadata = raw::frame(3, 4, &body);
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(NewRecord {
        timestamp: 1_700_000_000_000,
        key: Some(b"k"),
        value: Some(b"v"),
        headers: &[],
    });
    let produce = raw::produce(TOPIC, &builder.build().expect("a batch of one record"));
    loop {
        raw::ask(&mut stream, &metadata).expect("metadata is answered");
        let answer = raw::ask(&mut stream, &produce).expect("a produce is answered");
        if raw::produce_error(&answer, TOPIC) == 0 {
            return;
        }
    }
}

fn resident_kib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("it has a size");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}
