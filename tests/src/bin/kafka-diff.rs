//! Plays the scenarios at Apache Kafka and records its answers, plays them at Rivulet, prints where they differ.
//!
//! `kafka-diff` does both; `kafka-diff kafka scenario` records only the stages that have such a scenario, and
//! `kafka-diff rivulet [scenario]` leaves Kafka's recorded side as it is.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::process::ExitCode;

use rivulet_tests::differential::{Observer, SETTINGS, differences, documented, load, save, scenarios, unexplained};
use rivulet_tests::kafka::Kafka;
use rivulet_tests::{Server, workspace};

const HEAP_MIB: u32 = 512;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let ours_only = arguments.next().is_some_and(|word| word == "rivulet");
    let only = arguments.next().unwrap_or_default();
    let recorded = workspace().join("tests/kafka/answers.txt");
    if !ours_only {
        let before = load(&recorded).unwrap_or_default();
        let mut answers = Vec::new();
        for stage in scenarios::STAGES {
            if !stage.has(&only) {
                answers.extend(before.iter().filter(|seen| stage.plays(seen.scenario())).cloned());
                continue;
            }
            let folder = tempfile::tempdir().expect("a folder for Kafka");
            let kafka = Kafka::start(folder.path(), &[], HEAP_MIB);
            let mut observer = Observer::new(kafka.port);
            scenarios::play(stage, &mut observer, "");
            println!(
                "{}: {} answers of Apache Kafka",
                stage.name,
                observer.observations.len()
            );
            answers.append(&mut observer.observations);
        }
        save(&recorded, &answers).expect("Kafka's answers can be written");
    }
    let mut kafka = load(&recorded).expect("Kafka's answers are recorded");
    kafka.retain(|seen| seen.scenario().contains(&only));
    let mut ours = Vec::new();
    for stage in scenarios::STAGES.iter().filter(|stage| stage.has(&only)) {
        let server = Server::start_with(&[SETTINGS, stage.settings].concat());
        let mut observer = Observer::new(server.kafka_port());
        scenarios::play(stage, &mut observer, &only);
        ours.append(&mut observer.observations);
    }
    let found = differences(&kafka, &ours);
    let document = std::fs::read_to_string(workspace().join("docs/kafka-differences.md")).unwrap_or_default();
    let patterns = documented(&document);
    let (left, stale) = unexplained(&found, &patterns);
    for difference in &left {
        println!("{difference}");
    }
    for pattern in &stale {
        println!("documented, but no difference any more: {pattern}");
    }
    println!(
        "{} observations, {} fields differ, {} of them not documented",
        kafka.len(),
        found.len(),
        left.len()
    );
    if left.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
