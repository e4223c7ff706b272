//! Administration with the Java client: brokers, partitions, settings, quotas, on a cluster of three that is one process.

use std::process::Command;

use rivulet_tests::{Server, client_folder, run};

#[test]
fn the_java_client_administers_three_brokers() {
    let server = Server::start_with(&["--virtual-brokers", "3", "--set", "quota.window.num=2"]);
    let folder = client_folder("java");
    let classpath = format!(
        "{}:{}/*",
        folder.join("classes").display(),
        folder.join("jars").display()
    );
    let printed = run(Command::new("java")
        .args([
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp",
            &classpath,
            "Administration",
        ])
        .arg(&server.kafka));
    let passed = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(passed, 6, "{printed}");
}
