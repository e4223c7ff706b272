//! The commands as a user types them: what they print, and how they end.

use std::process::{Command, Stdio};

use rivulet_tests::{Server, binary, run, workspace};
use serde_json::Value as Json;

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn topics_are_listed_shown_made_and_deleted() {
    let server = Server::start();
    server.rivulet_ok(&["topic", "create", "orders", "-p", "3", "-s", "retention.ms=1000"]);
    let mut produce = Command::new(binary());
    produce.args([
        "topic",
        "produce",
        "orders",
        "-s",
        ":",
        "--bootstrap",
        &server.kafka,
        "--registry",
        &server.registry,
    ]);
    let mut produce = produce.stdin(Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut produce.stdin.take().expect("stdin"), b"a:1\nb:2\na:3\n").expect("it reads");
    assert!(produce.wait().expect("it ends").success());

    let table = server.rivulet_ok(&["topic", "list", "-o", "table"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            vec!["TOPIC", "PARTITIONS", "RECORDS"],
            vec!["_schemas", "1", "0"],
            vec!["orders", "3", "3"]
        ]
    );

    let shown = json(&server.rivulet_ok(&["topic", "show", "orders"]));
    assert_eq!(
        shown["settings"]["retention.ms"],
        serde_json::json!({"value": "1000", "set": true})
    );
    assert_eq!(shown["partitions"].as_array().map(Vec::len), Some(3));

    let tail = server.rivulet_ok(&[
        "topic",
        "tail",
        "orders",
        "--from-beginning",
        "--exit",
        "-f",
        "%k=%v\\n",
    ]);
    let mut records: Vec<&str> = tail.lines().collect();
    records.sort_unstable();
    assert_eq!(records, ["a=1", "a=3", "b=2"]);

    server.rivulet_ok(&["topic", "delete", "orders"]);
    assert!(!server.rivulet_ok(&["topic", "list"]).contains("orders"));
}

/// Every way to end: 0 ok, 1 failed, 2 usage, 3 not found, 5 unavailable; each with its cause and a way out.
#[test]
fn exit_statuses_and_messages() {
    let server = Server::start();
    server.rivulet_ok(&["topic", "create", "orders"]);
    let nowhere = "localhost:1";
    let cases: [(&[&str], i32, &[&str]); 9] = [
        (&["topic", "list"], 0, &[]),
        (&["topic", "create", "orders"], 1, &["--if-not-exists"]),
        (&["topic", "create", "orders", "--if-not-exists"], 0, &[]),
        (&["topic", "create", "a b"], 1, &["a b"]),
        (&["topic", "shw"], 2, &["show"]),
        (
            &["topic", "show", "ordrs"],
            3,
            &["no topic `ordrs`", "did you mean `orders`"],
        ),
        (&["group", "show", "nobody"], 3, &["no group `nobody`", "group list"]),
        (&["sql", "missing.sql"], 3, &["missing.sql"]),
        (&["project", "check", "missing"], 1, &["rivulet.yaml"]),
    ];
    for (arguments, status, words) in cases {
        let output = server.rivulet(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
        for word in words {
            assert!(errors.contains(word), "{arguments:?} should say `{word}`: {errors}");
        }
    }
    let mut command = Command::new(binary());
    let output = command
        .args(["topic", "list", "--bootstrap", nowhere])
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(errors.contains(nowhere) && errors.contains("rivulet up"), "{errors}");
}

#[test]
fn up_status_and_down_find_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let rivulet = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("it runs")
    };
    assert_eq!(rivulet(&["status"]).status.code(), Some(5), "nothing runs here yet");
    let ports = ["--kafka-port", "0", "--registry-port", "0", "--api-port", "0"];
    let mut up = Command::new(binary());
    up.arg("up")
        .args(ports)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut up = up.spawn().expect("it starts");
    let stdout = up.stdout.take().expect("stdout");
    let mut first = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut first).expect("an address table");
    assert!(first.trim_start().starts_with("kafka"), "{first}");

    let status = json(&String::from_utf8_lossy(&rivulet(&["status", "-o", "json"]).stdout));
    assert_eq!(status["durability"], "fsync");
    assert_eq!(status["pid"], up.id());
    let second = rivulet(&[&["up"], &ports[..]].concat());
    assert_eq!(second.status.code(), Some(1), "one platform a folder");
    assert!(String::from_utf8_lossy(&second.stderr).contains("rivulet down"));
    assert!(
        rivulet(&["topic", "create", "kept"]).status.success(),
        "commands find the platform of this folder"
    );

    assert!(rivulet(&["down"]).status.success());
    assert!(up.wait().expect("it ends").success(), "a stop in order");
    assert_eq!(rivulet(&["status"]).status.code(), Some(5), "nothing runs any more");
}

/// Applying a project twice changes nothing the second time, and its job runs.
#[test]
fn a_project_is_applied_and_applied_again() {
    let server = Server::start();
    let example = workspace().join("examples/grocery").display().to_string();
    let outcomes = |text: String| -> Vec<(String, String)> {
        let rows = json(&text);
        let text = |row: &Json, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        rows.as_array()
            .into_iter()
            .flatten()
            .map(|row| (text(row, "name"), text(row, "outcome")))
            .collect()
    };
    let first = outcomes(server.rivulet_ok(&["project", "apply", &example]));
    assert!(
        first.contains(&("grocery.orders.v1".into(), "created".into())),
        "{first:?}"
    );
    let second = outcomes(server.rivulet_ok(&["project", "apply", &example]));
    assert!(
        second.contains(&("grocery.orders.v1".into(), "unchanged".into())),
        "{second:?}"
    );
    let running = |rows: &[(String, String)]| rows.iter().filter(|(_, outcome)| outcome == "running").count();
    assert_eq!((running(&first), running(&second)), (1, 1), "{first:?} {second:?}");
}

/// Without a terminal a list is JSON; help names every command.
#[test]
fn help_names_every_command() {
    let help = run(Command::new(binary()).arg("--help"));
    for command in ["up", "down", "status", "demo", "topic", "group", "sql", "project"] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}:\n{help}"
        );
    }
}
