//! A fleet that connects at once, to a server that is busy with something else: nobody is turned away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rivulet_tests::{Server, binary, run};

const CLIENTS: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_thousand_clients_connect_at_once() {
    let server = Server::start();
    let address = server.registry.trim_start_matches("http://localhost:").to_owned();
    let address = format!("127.0.0.1:{address}").parse().expect("an address");
    let signal = |name: &str| run(Command::new("kill").args([name, &server.pid().to_string()]));
    signal("-STOP");
    let connected: Vec<_> = (0..CLIENTS)
        .map(|_| TcpStream::connect_timeout(&address, PATIENCE))
        .take_while(Result::is_ok)
        .collect();
    signal("-CONT");
    let count = connected.len();
    assert_eq!(count, CLIENTS, "so many came in while the server was busy");
    for mut stream in connected.into_iter().flatten() {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("it asks");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is answered");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// Shells allow 1,024 files to begin with, and a connection is one.
#[test]
fn the_server_may_open_as_many_files_as_the_system_allows() {
    const LIMITED: &str = "ulimit -Sn 300 && exec \"$@\"";
    let folder = tempfile::tempdir().expect("a folder for the data");
    let mut command = Command::new("sh");
    command.args(["-c", LIMITED, "sh"]).arg(binary());
    command.args([
        "up",
        "--output",
        "json",
        "--kafka-port",
        "0",
        "--registry-port",
        "0",
        "--api-port",
        "0",
    ]);
    command.arg("--data-dir").arg(folder.path().join("data"));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.expect("the binary starts");
    let mut ready = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    let said = BufReader::new(stdout).read_line(&mut ready);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id()));
    child.kill().expect("the server can be killed");
    child.wait().expect("the server is gone");
    assert!(said.is_ok() && ready.contains("kafka"), "{ready}");
    let limits = limits.expect("the system tells");
    let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut limit = open_files.expect("there is a limit").split_whitespace();
    let (soft, hard) = (limit.next(), limit.next());
    assert!(soft == hard && soft != Some("300"), "{soft:?} of {hard:?}");
}
