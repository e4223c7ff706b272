//! Where Rivulet answers otherwise than Apache Kafka 4.3 did when it was recorded, a document says why.

use rivulet_tests::differential::scenarios::Stage;
use rivulet_tests::differential::{
    Observation, Observer, SETTINGS, differences, documented, load, scenarios, unexplained,
};
use rivulet_tests::{Server, workspace};

/// What Rivulet answers to the scenarios of a stage, at a server of their own.
fn played(stage: &Stage) -> Vec<Observation> {
    let server = Server::start_with(&[SETTINGS, stage.settings].concat());
    let mut observer = Observer::new(server.kafka_port());
    scenarios::play(stage, &mut observer, "");
    observer.observations
}

#[test]
fn every_difference_is_documented_and_every_documented_one_is_there() {
    let kafka = load(&workspace().join("tests/kafka/answers.txt")).expect("Kafka's answers are recorded");
    assert!(kafka.len() > 1_000, "only {} observations", kafka.len());
    let ours: Vec<Observation> = std::thread::scope(|scope| {
        let stages: Vec<_> = scenarios::STAGES
            .iter()
            .map(|stage| scope.spawn(|| played(stage)))
            .collect();
        let observed = stages.into_iter().map(|stage| stage.join().expect("a stage"));
        observed.flatten().collect()
    });
    let found = differences(&kafka, &ours);
    let document = std::fs::read_to_string(workspace().join("docs/kafka-differences.md")).expect("the document");
    let patterns = documented(&document);
    let (left, stale) = unexplained(&found, &patterns);
    let lines: Vec<String> = left.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "not in docs/kafka-differences.md:\n{}",
        lines.join("\n")
    );
    assert!(
        stale.is_empty(),
        "in docs/kafka-differences.md, but no difference: {stale:?}"
    );
}
