//! Where Rivulet's registry answers otherwise than Confluent's 8.5 did when it was recorded, a file says why.

use rivulet_tests::Server;
use rivulet_tests::registry_differential::{
    SERVER, answers, differences, documented, folder, play, requests, scenarios, unexplained,
};

#[test]
fn every_difference_is_documented_and_every_documented_one_is_there() {
    let kept = answers(&folder().join("answers.txt"));
    let names: Vec<&String> = kept.iter().map(|(name, _)| name).collect();
    let scenarios = scenarios();
    assert_eq!(
        names,
        scenarios.iter().collect::<Vec<_>>(),
        "a scenario without recorded answers"
    );
    let count: usize = kept.iter().map(|(_, exchanges)| exchanges.len()).sum();
    assert!(count > 500, "only {count} answers");
    let mut found = Vec::new();
    for (scenario, theirs) in &kept {
        let server = Server::start_with(&SERVER);
        let address = server.registry.trim_start_matches("http://");
        let ours = play(address, &requests(&folder().join(format!("scenarios/{scenario}.txt"))));
        found.extend(differences(scenario, theirs, &ours));
    }
    let document = std::fs::read_to_string(folder().join("differences.txt")).expect("the differences' file");
    let patterns = documented(&document);
    let (new, stale) = unexplained(&found, &patterns);
    let lines: Vec<String> = new.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "not in tests/registry/differences.txt:\n{}",
        lines.join("\n")
    );
    assert!(
        stale.is_empty(),
        "in tests/registry/differences.txt, but no difference: {stale:?}"
    );
}
