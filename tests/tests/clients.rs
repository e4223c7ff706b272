//! Real clients, which nobody here wrote, against the release binary over TCP.

use std::io::Write;
use std::process::{Command, Stdio};

use rivulet_tests::{Server, client_folder, raw, run, workspace};

/// Each check of the suite prints `ok <name>`; the number guards against a suite that runs nothing.
fn assert_checks(printed: &str, count: usize) {
    assert_eq!(
        printed.lines().filter(|line| line.starts_with("ok ")).count(),
        count,
        "{printed}"
    );
}

#[test]
fn java() {
    let server = Server::start();
    let printed = run(rivulet_tests::java("Clients").arg(&server.kafka));
    assert_checks(&printed, 16);
}

/// A Kafka Streams application in a group of its own kind (KIP-1071), with instances that come and go.
#[test]
fn java_streams_group() {
    for guarantee in ["at_least_once", "exactly_once_v2"] {
        let server = Server::start();
        let printed = run(rivulet_tests::java("StreamsGroup").arg(&server.kafka).arg(guarantee));
        assert_checks(&printed, 1);
    }
}

#[test]
fn python() {
    let server = Server::start();
    let python = client_folder("python").join("bin/python");
    let suite = workspace().join("tests/python/clients.py");
    let printed = run(Command::new(python).arg(suite).args([&server.kafka, &server.registry]));
    assert_checks(&printed, 9);
}

/// Debian's kcat brings a librdkafka from before Kafka 4: it compresses only if Produce is advertised from version 0.
#[test]
fn kcat() {
    let server = Server::start();
    for (id, codec) in (0_u8..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let topic = format!("kcat-{codec}");
        server.rivulet_ok(&["topic", "create", &topic]);
        let lines: String = (0..1000)
            .map(|i| format!("key{i}:value {i} {}\n", "x".repeat(50)))
            .collect();
        let mut command = Command::new("kcat");
        command.args([
            "-b",
            &server.kafka,
            "-P",
            "-t",
            &topic,
            "-K:",
            "-z",
            codec,
            "-X",
            "linger.ms=50",
        ]);
        let mut kcat = command.stdin(Stdio::piped()).spawn().expect("kcat starts");
        kcat.stdin
            .take()
            .expect("stdin is piped")
            .write_all(lines.as_bytes())
            .expect("kcat reads");
        assert!(kcat.wait().expect("kcat ends").success(), "{codec}");
        let read = [
            "-b",
            &server.kafka,
            "-C",
            "-t",
            &topic,
            "-e",
            "-q",
            "-o",
            "beginning",
            "-f",
            "%k:%s\n",
        ];
        let back = run(Command::new("kcat").args(read));
        assert_eq!(back, lines, "{codec}");
        let batch = raw::fetch(&mut server.connect(), &topic);
        let codec_id = batch[raw::ATTRIBUTES_LOW_BYTE] & 7;
        assert_eq!(
            codec_id, id,
            "batches are kept as the producer compressed them: {codec}"
        );
    }
    let listed = run(Command::new("kcat").args(["-b", &server.kafka, "-L", "-J"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("kcat prints JSON");
    assert!(
        listed["topics"]
            .as_array()
            .is_some_and(|topics| topics.iter().any(|t| t["topic"] == "kcat-lz4"))
    );
}
