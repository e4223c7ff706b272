//! Administration with the Java client: brokers, partitions, settings, quotas, on a cluster of three that is one process.

use std::process::Command;

use rivulet_tests::{Server, binary, client_folder, java, run, workspace};

#[test]
fn the_java_client_administers_three_brokers() {
    let server = Server::start_with(&["--virtual-brokers", "3", "--set", "quota.window.num=2"]);
    let printed = run(java("Administration").arg(&server.kafka));
    let passed = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(passed, 6, "{printed}");
}

/// What a setting is not is said before anything starts, with the name that may have been meant.
#[test]
fn settings_that_there_are_not_are_refused_at_once() {
    for (setting, why) in [
        ("num.partition=3", "near it are `num.partitions`"),
        ("num.partitions=many", "`num.partitions` cannot be `many`"),
        ("num.partitions", "a setting is NAME=VALUE"),
    ] {
        let output = Command::new(binary()).args(["up", "--set", setting]).output();
        let output = output.expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{setting}: {errors}");
        assert!(errors.contains(why), "{setting}: {errors}");
    }
}

/// Every call of confluent-kafka's AdminClient.
#[test]
fn python_admin_client() {
    let server = Server::start();
    let python = client_folder("python").join("bin/python");
    let suite = workspace().join("tests/python/admin.py");
    let printed = run(Command::new(python).arg(suite).arg(&server.kafka));
    let checks = printed.lines().filter(|line| line.starts_with("ok "));
    assert_eq!(checks.count(), 7, "{printed}");
}
