//! The routing job of a published CDC system, from its own SQL text, through the commands a user types: 40 events of
//! 4 types in, exactly the right ids in the filtered topics, also when the server is killed on the way.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rivulet_tests::{Server, binary, workspace};
use serde_json::{Value as Json, json};

const ROUTES: [(&str, &str); 4] = [
    ("CarCreated", "filtered-car-created-events-flink"),
    ("LoanCreated", "filtered-loan-created-events-flink"),
    ("LoanPaymentSubmitted", "filtered-loan-payment-submitted-events-flink"),
    ("CarServiceDone", "filtered-service-events-flink"),
];

/// A change record as the CDC connector writes it, one a line.
fn change(id: &str, event_type: &str, op: &str) -> String {
    let record = json!({
        "id": id, "event_name": event_type, "event_type": event_type, "created_date": "2026-01-02T03:04:05Z",
        "saved_date": "2026-01-02T03:04:06Z", "header_data": format!("{{\"uuid\":\"{id}\"}}"),
        "__op": op, "__table": "event_headers", "__ts_ms": 1_767_323_045_678_i64,
    });
    format!("{record}\n")
}

fn produce(server: &Server, topic: &str, lines: &str) {
    let mut command = Command::new(binary());
    command.args([
        "topic",
        "produce",
        topic,
        "--raw",
        "--bootstrap",
        &server.kafka,
        "--registry",
        &server.registry,
    ]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(lines.as_bytes())
        .expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

/// The ids in a topic now, in order.
fn ids(server: &Server, topic: &str) -> Vec<String> {
    let printed = server.rivulet_ok(&["topic", "tail", topic, "--from-beginning", "--exit", "-o", "json"]);
    let id = |line: &str| -> String {
        let record: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let value = match &record["value"] {
            Json::String(text) => serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")),
            decoded => decoded.clone(),
        };
        value["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id: {line}"))
            .to_owned()
    };
    let mut ids: Vec<String> = printed.lines().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn forty_events_of_four_types_go_where_they_belong() {
    let mut server = Server::start();
    server.rivulet_ok(&["topic", "create", "raw-event-headers", "-p", "3"]);
    let sql = workspace().join("crates/flow/tests/system_d/current/kafka.sql");
    server.rivulet_ok(&["sql", &sql.display().to_string()]);
    let mut expected: [BTreeSet<String>; 4] = Default::default();
    for half in 0..2 {
        let mut lines = String::new();
        for number in half * 20..half * 20 + 20 {
            let (event_type, _) = ROUTES[number % 4];
            let id = format!("e-{number}");
            lines.push_str(&change(&id, event_type, "c"));
            // What must not pass: updates, deletes, blank types.
            lines.push_str(&change(&format!("u-{number}"), event_type, "u"));
            lines.push_str(&change(&format!("d-{number}"), event_type, "d"));
            lines.push_str(&change(&format!("b-{number}"), "", "c"));
            expected[number % 4].insert(id);
        }
        produce(&server, "raw-event-headers", &lines);
        // The jobs go on where they stopped: nothing is routed twice, nothing is left out.
        server.kill();
        server.restart();
    }
    for (expected, (_, topic)) in expected.iter().zip(ROUTES) {
        let expected: Vec<String> = expected.iter().cloned().collect();
        let mut found = ids(&server, topic);
        for _ in 0..100 {
            if found.len() >= expected.len() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            found = ids(&server, topic);
        }
        assert_eq!(found, expected, "{topic}");
    }
}
