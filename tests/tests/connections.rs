//! A fleet that connects at once, to a server that is busy with something else: nobody is turned away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rivulet_tests::{Server, run};

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
