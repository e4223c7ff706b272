//! Requests made up from the registry's published OpenAPI description, good and bad ones: nothing ends with a 5xx.

use std::process::Command;

use rivulet_tests::{Server, client_folder, run};

/// Of Confluent Cloud's products beside the registry, which the description covers too.
const ELSEWHERE: &str = "^/(catalog|asyncapi)";

#[test]
fn nothing_generated_from_the_openapi_is_a_server_error() {
    let server = Server::start();
    let python = client_folder("python").join("bin/python");
    let description = client_folder("serializers").join("openapi.yaml");
    // As a module: scripts of the environment name the folder it was made in, which a build cache does not keep.
    let printed = run(Command::new(python)
        .args(["-m", "schemathesis.cli", "run"])
        .arg(description)
        .args(["--url", &server.registry, "--checks", "not_a_server_error"])
        .args([
            "--exclude-path-regex",
            ELSEWHERE,
            "--max-examples",
            "20",
            "--seed",
            "1",
            "--no-color",
        ])
        .current_dir(server.folder()));
    // It ends with success only if no check failed; that it did test everything is said in its summary.
    assert!(printed.contains("Tested: 57"), "{printed}");
}
