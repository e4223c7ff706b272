//! Bytes that no client should send: a clear end of that connection or a clear error, and a server that goes on.

use std::io::Write;
use std::process::Command;

use rivulet_tests::{Server, raw};
use wire::{BatchBuilder, Compression, NewRecord, validate};

/// A batch of one record, as the codec of this workspace writes it.
fn good_batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(NewRecord {
        timestamp: 1_700_000_000_000,
        key: Some(b"k"),
        value: Some(b"v"),
        headers: &[],
    });
    builder.build().expect("a batch of one record").to_vec()
}

#[test]
fn what_is_no_request_ends_that_connection_only() {
    let mut server = Server::start();
    let mut bystander = server.connect();
    assert!(raw::is_served(&mut bystander));
    let tls_hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let noise: Vec<u8> = (0..4096_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let cases: [(&str, Vec<u8>); 8] = [
        ("a 2 GiB length", vec![0x7f, 0xff, 0xff, 0xff, 0, 18, 0, 0]),
        ("a negative length", vec![0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0]),
        ("a length of zero", vec![0, 0, 0, 0]),
        ("a TLS hello", tls_hello.to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("noise", noise),
        ("an unknown api", raw::frame(999, 0, &[])),
        ("a body cut short", raw::frame(3, 1, &[0, 0, 0, 9, 0, 4, b't'])),
    ];
    for (what, bytes) in cases {
        let mut stream = server.connect();
        stream
            .write_all(&bytes)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        if what == "noise" {
            // Noise may begin like a size that is not reached: then its end ends the connection.
            stream.shutdown(std::net::Shutdown::Write).expect("the end can be sent");
        }
        assert_eq!(raw::answer(&mut stream), None, "{what}: the connection is closed");
        assert!(raw::is_served(&mut bystander), "{what}: another connection goes on");
    }
    let log = server.log();
    for reason in ["TLS", "HTTP"] {
        assert!(log.contains(reason), "the log names {reason}:\n{log}");
    }
    // A frame cut in the middle by a peer that goes away.
    let whole = raw::frame(18, 0, &[0; 100]);
    server.connect().write_all(&whole[..20]).expect("half a frame is sent");
    assert!(raw::is_served(&mut bystander));
    assert!(server.is_running());
}

#[test]
fn batches_that_lie_are_refused_with_the_right_code() {
    let server = Server::start();
    server.rivulet_ok(&["topic", "create", "lies"]);
    let mut stream = server.connect();
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good_batch();
        change(&mut bytes);
        bytes
    };
    const CORRUPT_MESSAGE: i16 = 2;
    const INVALID_RECORD: i16 = 87;
    for (what, records, code) in [
        ("a good batch", good_batch(), 0),
        ("a wrong checksum", changed(|bytes| bytes[17] ^= 1), CORRUPT_MESSAGE),
        (
            "a flipped byte in a record",
            changed(|bytes| *bytes.last_mut().expect("bytes") ^= 1),
            CORRUPT_MESSAGE,
        ),
        ("magic 1", changed(|bytes| bytes[16] = 1), INVALID_RECORD),
        ("magic 3", changed(|bytes| bytes[16] = 3), CORRUPT_MESSAGE),
        (
            "a length beyond the bytes",
            changed(|bytes| bytes[11] += 1),
            INVALID_RECORD,
        ),
        ("half a header", good_batch()[..30].to_vec(), INVALID_RECORD),
    ] {
        let answer = raw::ask(&mut stream, &raw::produce("lies", &records));
        let answer = answer.unwrap_or_else(|| panic!("{what}: the connection was closed"));
        assert_eq!(raw::produce_error(&answer, "lies"), code, "{what}");
    }
    let kept = raw::fetch(&mut stream, "lies");
    assert_eq!(kept.len(), good_batch().len(), "only the good batch is kept");
    assert!(validate(&kept).is_ok());
}

#[test]
fn five_mistakes_in_one_sql_file_are_five_errors() {
    let server = Server::start();
    let file = server.folder().join("wrong.sql");
    let sql = "CREATE TABLE a (id STRNG) WITH ('connector' = 'kafka', 'topic' = 'a', 'value.format' = 'json');\n\
               SELEC 1;\n\
               CREATE TABLE b (id STRING) WITH ('connector' = 'kafka', 'topic' = 'b', 'value.fromat' = 'json');\n\
               INSERT INTO nowhere SELECT 1;\n\
               CREATE TABLE c (id STRING) WITH ('connector' = 'kafka', 'topic' = 'c', 'value.format' = 'json');\n\
               INSERT INTO c SELECT CASE WHEN id != 'x' THEN id END FROM c;\n";
    std::fs::write(&file, sql).expect("the file is written");
    let output = server.rivulet(&["sql", &file.display().to_string()]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for (line, token) in [
        (1, "STRNG"),
        (2, "SELEC"),
        (3, "value.fromat"),
        (4, "nowhere"),
        (6, "<>"),
    ] {
        assert!(
            errors.contains(&format!("line {line}")),
            "line {line} is named:\n{errors}"
        );
        assert!(errors.contains(token), "`{token}` is named:\n{errors}");
    }
    let topics = server.rivulet_ok(&["topic", "list", "-o", "json"]);
    assert!(
        !topics.contains("\"c\""),
        "a script with mistakes does nothing: {topics}"
    );
}

#[test]
fn a_taken_port_names_the_flag_that_moves_it() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = holder.local_addr().expect("its number").port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    for (flag, others) in [
        ("--kafka-port", ["--registry-port", "--api-port"]),
        ("--registry-port", ["--kafka-port", "--api-port"]),
        ("--api-port", ["--kafka-port", "--registry-port"]),
    ] {
        let mut command = Command::new(rivulet_tests::binary());
        command
            .args(["up", flag, &port, others[0], "0", others[1], "0", "--data-dir"])
            .arg(folder.path().join("data"));
        let output = command.output().expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains(&port) && errors.contains(flag),
            "the port and its flag are named:\n{errors}"
        );
        assert!(!folder.path().join("data/log").exists(), "nothing was started");
    }
}
