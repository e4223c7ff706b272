//! Transactions as real clients use them: the Java client's, and a Kafka Streams application whose broker is killed.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use client::Output;
use client::kafka::{Connection, Next, Producer, Reader, Start};
use rivulet_tests::{Server, java, run};

const KILLS: usize = 3;
const LINES: usize = 600;
const WORDS: [&str; 7] = ["ash", "beech", "cedar", "elm", "fir", "oak", "yew"];
const PARTITIONS: i32 = 3;
/// How long nothing may come before the rest counts as lost: longer than a transaction may hang.
const SILENCE_MAX: u32 = 90;

/// So that nobody waits ten seconds for a transaction that is open for too long.
const OFTEN: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms=100";

fn check_java_client(options: &[&str]) {
    let server = Server::start_with(&[&["--set", OFTEN], options].concat());
    let printed = run(java("Transactions").arg(&server.kafka));
    let passed = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(passed, 5, "{printed}");
}

#[test]
fn the_java_client() {
    check_java_client(&[]);
}

#[test]
fn the_java_client_with_three_brokers() {
    check_java_client(&["--virtual-brokers", "3"]);
}

/// Ends the application with the test.
struct Application(Child);

impl Drop for Application {
    fn drop(&mut self) {
        if self.0.kill().is_ok() && self.0.wait().is_err() {
            eprintln!("the application could not be waited for");
        }
    }
}

#[test]
fn a_streams_application_counts_exactly_once_while_the_broker_is_killed() {
    let mut server = Server::start();
    for topic in ["lines", "counts"] {
        server.rivulet_ok(&["topic", "create", topic, "--partitions", &PARTITIONS.to_string()]);
    }
    let errors = File::create(server.folder().join("streams.log")).unwrap();
    let spawned = java("WordCount")
        .arg(&server.kafka)
        .arg(server.folder().join("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn();
    let mut application = Application(spawned.unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let connection = Connection::new(server.kafka.clone());
    let producer = Producer::new(&connection).unwrap();
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..LINES {
        let line: Vec<&str> = (0..5)
            .map(|word| WORDS[(number * 3 + word * word) % WORDS.len()])
            .collect();
        for word in &line {
            *expected.entry((*word).to_owned()).or_default() += 1;
        }
        let output = Output {
            topic: "lines".into(),
            key: Some(number.to_string().into()),
            value: Some(line.join(" ").into()),
            ..Output::default()
        };
        runtime.block_on(producer.send(&output)).unwrap();
        if number % (LINES / KILLS) == LINES / KILLS / 2 {
            // Only where the application is at work does a kill tell anything.
            let reached = expected.values().sum::<usize>() / 4;
            let before = counts(&connection, |found| total(found) >= reached);
            assert!(total(&before) >= reached, "{}", log_of(&server));
            server.kill();
            server.restart();
        }
    }
    let wanted: usize = expected.values().sum();
    let found = counts(&connection, |found| total(found) >= wanted);
    drop(application.0.stdin.take());
    let found_lengths: BTreeMap<&String, usize> = found.iter().map(|(word, counts)| (word, counts.len())).collect();
    assert_eq!(
        found_lengths,
        expected.iter().map(|(word, count)| (word, *count)).collect(),
        "{}",
        log_of(&server)
    );
    for (word, counts) in &found {
        let every_step: Vec<usize> = (1..=counts.len()).collect();
        assert_eq!(counts, &every_step, "each count of `{word}` is there once and in order");
    }
}

fn log_of(server: &Server) -> String {
    std::fs::read_to_string(server.folder().join("streams.log")).unwrap_or_default()
}

fn total(found: &BTreeMap<String, Vec<usize>>) -> usize {
    found.values().map(Vec::len).sum()
}

/// Reads every committed count from the start, until it is enough or nothing has come for long.
fn counts(
    connection: &Connection,
    is_enough: impl Fn(&BTreeMap<String, Vec<usize>>) -> bool,
) -> BTreeMap<String, Vec<usize>> {
    let reader = Reader::new(connection, "counts", 0..PARTITIONS, Start::Beginning).unwrap();
    let (mut found, mut silent) = (BTreeMap::<String, Vec<usize>>::new(), 0);
    while !is_enough(&found) && silent < SILENCE_MAX {
        match reader.next(Duration::from_secs(1)).unwrap() {
            Some(Next::Record(consumed)) => {
                silent = 0;
                let text = |bytes: Option<bytes::Bytes>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
                let count = text(consumed.record.value).parse().unwrap();
                found.entry(text(consumed.record.key)).or_default().push(count);
            }
            Some(Next::End(_)) => {}
            None => silent += 1,
        }
    }
    found
}
