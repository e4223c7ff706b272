//! What real clients push of themselves, subscribed to with Kafka's own tool, is kept in a topic.

use std::process::Command;

use rivulet_tests::kafka::java_with_tools;
use rivulet_tests::{Server, client_folder, java, run, workspace};

const TOPIC: &str = "client-metrics";
const TOOL: &str = "org.apache.kafka.tools.ClientMetricsCommand";

fn tool(server: &Server, words: &str) -> String {
    let words = words.split(' ');
    run(java_with_tools(TOOL)
        .args(["--bootstrap-server", &server.kafka])
        .args(words))
}

#[test]
fn clients_push_what_the_tool_subscribes_to() {
    let server = Server::start_with(&["--set", "client.telemetry.topic=client-metrics"]);
    let said = tool(&server, "--alter --name all --metrics * --interval 500");
    assert!(said.contains("Altered client metrics config for all."), "{said}");
    assert_eq!(tool(&server, "--list").trim(), "all");
    let said = tool(&server, "--describe --name all");
    for setting in ["interval.ms=500", "match=", "metrics=*"] {
        assert!(said.contains(setting), "{said}");
    }
    let printed = run(java("Telemetry").args([&server.kafka, TOPIC]));
    for check in ["ok producer", "ok consumer"] {
        assert!(printed.contains(check), "{printed}");
    }
    let python = client_folder("python").join("bin/python");
    let suite = workspace().join("tests/python/telemetry.py");
    let printed = run(Command::new(python).arg(suite).args([&server.kafka, TOPIC]));
    for check in ["ok producer", "ok last push"] {
        assert!(printed.contains(check), "{printed}");
    }
    let said = tool(&server, "--delete --name all");
    assert!(said.contains("Deleted client metrics config for all."), "{said}");
    assert_eq!(tool(&server, "--list").trim(), "");
}
