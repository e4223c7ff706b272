//! Records another registry's answers to a scenario, or plays all scenarios at Rivulet and prints where they differ.
//!
//! `registry-diff record HOST:PORT SCENARIO` plays one at a registry that must be empty; `registry-diff [SCENARIO]`
//! compares.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::process::ExitCode;

use rivulet_tests::Server;
use rivulet_tests::registry_differential::{
    SERVER, answers, differences, documented, folder, play, render, requests, scenarios, unexplained,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [word, address, scenario] if word == "record" => record(address, scenario),
        [] => compare(""),
        [scenario] => compare(scenario),
        _ => ExitCode::FAILURE,
    }
}

fn record(address: &str, scenario: &str) -> ExitCode {
    let kept = folder().join("answers.txt");
    let mut all = answers(&kept);
    all.retain(|(name, _)| name != scenario);
    let exchanges = play(address, &requests(&folder().join(format!("scenarios/{scenario}.txt"))));
    println!("recorded {} answers to `{scenario}`", exchanges.len());
    all.push((scenario.to_owned(), exchanges));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let text: String = all.iter().map(|(name, exchanges)| render(name, exchanges)).collect();
    std::fs::write(&kept, text).expect("the answers can be written");
    ExitCode::SUCCESS
}

fn compare(only: &str) -> ExitCode {
    let kept = answers(&folder().join("answers.txt"));
    let mut found = Vec::new();
    for scenario in scenarios().iter().filter(|name| name.starts_with(only)) {
        let server = Server::start_with(&SERVER);
        let ours = play(
            address(&server),
            &requests(&folder().join(format!("scenarios/{scenario}.txt"))),
        );
        let theirs = kept.iter().find(|(name, _)| name == scenario);
        let theirs = theirs.map(|(_, exchanges)| exchanges.as_slice()).unwrap_or_default();
        let differing = differences(scenario, theirs, &ours);
        println!("{scenario}: {} of {} answers differ", differing.len(), ours.len());
        found.extend(differing);
    }
    let document = std::fs::read_to_string(folder().join("differences.txt")).unwrap_or_default();
    let mut patterns = documented(&document);
    patterns.retain(|pattern| pattern.starts_with(only));
    let (new, stale) = unexplained(&found, &patterns);
    for difference in &new {
        println!("{difference}");
    }
    for pattern in &stale {
        println!("documented, but no difference any more: {pattern}");
    }
    if new.is_empty() && stale.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn address(server: &Server) -> &str {
    server.registry.trim_start_matches("http://")
}
