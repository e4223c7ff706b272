//! The demo as a newcomer runs it: without a terminal, with and without kills, its verdict taken at its word.

use std::process::{Command, Output};

use rivulet_tests::binary;

fn demo(arguments: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let mut command = Command::new(binary());
    command
        .args(["demo", "grocery"])
        .args(arguments)
        .current_dir(folder.path());
    let output = command.output().expect("the binary runs");
    let last = String::from_utf8_lossy(&output.stdout)
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned();
    (output, last)
}

#[test]
fn every_order_becomes_one_pick_list() {
    let (output, last) = demo(&["--orders", "1000", "--rate", "500"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{last}\n{errors}");
    assert!(
        last.starts_with("orders 1000  picklists 1000  lost 0  duplicates 0  p99 "),
        "{last}\n{errors}"
    );
}

#[test]
fn kills_change_nothing() {
    let (output, last) = demo(&["--orders", "2000", "--rate", "400", "--kill"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{last}\n{errors}");
    assert!(
        last.starts_with("orders 2000  picklists 2000  lost 0  duplicates 0  p99 "),
        "{last}\n{errors}"
    );
    assert!(errors.contains("killed and restarted 6 times"), "{errors}");
}
