//! Members of groups live through deaths of the broker: consumers go on where they were without a rebalance, and what
//! members of a share group acknowledged never comes again.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use rivulet_tests::{Server, java};

const KILLS: usize = 3;

#[test]
fn members_live_through_kills_of_the_broker() {
    let mut server = Server::start();
    let mut command = java("Survivors");
    command.arg(&server.kafka).arg(KILLS.to_string());
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut members = spawned.expect("java starts");
    let mut told = members.stdin.take().expect("stdin is piped");
    let said = BufReader::new(members.stdout.take().expect("stdout is piped"));
    let (mut lines, mut kills) = (Vec::new(), 0);
    for line in said.lines() {
        let line = line.expect("java writes text");
        if line == "kill" {
            kills += 1;
            server.kill();
            server.restart();
            told.write_all(b"\n").expect("java reads");
        }
        lines.push(line);
    }
    assert!(members.wait().expect("java ends").success(), "{}", lines.join("\n"));
    assert_eq!(kills, KILLS);
    assert_eq!(lines.last().map(String::as_str), Some("ok survivors"));
}
