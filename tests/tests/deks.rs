//! Client-side field encryption: confluent-kafka encrypts a field with keys of our DEK registry, and only who has the KMS
//! reads it.

use std::process::Command;

use rivulet_tests::{Server, client_folder, run, workspace};

#[test]
fn fields_are_encrypted_by_clients_with_keys_of_ours() {
    let server = Server::start_with_env(&[], &[("LOCAL_SECRET", "mysecret")]);
    let python = client_folder("python").join("bin/python");
    let suite = workspace().join("tests/python/encryption.py");
    let printed = run(Command::new(python).arg(suite).args([&server.kafka, &server.registry]));
    let checks = printed.lines().filter(|line| line.starts_with("ok "));
    assert_eq!(checks.count(), 3, "{printed}");
}
