//! The topics behind the registries, written to by others: a real producer's records take effect while they run.

use std::process::Command;
use std::time::Duration;

use base::{Clock, RealClock};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rivulet_tests::{Server, run};
use serde_json::{Value as Json, json};

/// How soon a record must show.
const SHOWS_WITHIN: Duration = Duration::from_secs(1);

/// Every record must be taken.
struct Taken;

impl ClientContext for Taken {}

impl ProducerContext for Taken {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            panic!("a record was not taken: {error}");
        }
    }
}

fn producer(server: &Server) -> BaseProducer<Taken> {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &server.kafka);
    settings.create_with_context(Taken).expect("a producer")
}

/// Writes a record and waits until the broker has it.
fn write(producer: &BaseProducer<Taken>, topic: &str, key: &str, value: Option<&str>) {
    let mut record = BaseRecord::<str, str>::to(topic).key(key);
    record.payload = value;
    producer.send(record).unwrap_or_else(|(error, _)| panic!("{error}"));
    producer.flush(Duration::from_secs(20)).expect("it is delivered");
}

fn ask(server: &Server, method: &str, path: &str, body: Option<&Json>) -> Json {
    let mut command = Command::new("curl");
    command.args(["--silent", "--request", method]);
    if let Some(body) = body {
        command.args(["--header", "Content-Type: application/vnd.schemaregistry.v1+json"]);
        command.args(["--data", &body.to_string()]);
    }
    let answer = run(command.arg(format!("{}{path}", server.registry)));
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}

/// Asks until the answer has this in a field; it must within a second.
fn shows(server: &Server, path: &str, field: &str, wanted: &Json) {
    let clock = RealClock::new();
    loop {
        let answer = ask(server, "GET", path, None);
        if answer.pointer(field) == Some(wanted) {
            return;
        }
        assert!(
            clock.monotonic() < SHOWS_WITHIN,
            "{path} {field} is not {wanted}: {answer}"
        );
    }
}

fn schema_key(subject: &str, version: i32) -> String {
    json!({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}).to_string()
}

#[test]
fn records_of_others_take_effect_while_the_registries_run() {
    let mut server = Server::start();
    let producer = producer(&server);
    let own = json!({"schema": "\"int\""});
    assert_eq!(ask(&server, "POST", "/subjects/own/versions", Some(&own))["id"], 1);

    let schema = r#"{"type":"record","name":"R","fields":[]}"#;
    let value = json!({"subject": "theirs", "version": 3, "id": 70, "schema": schema, "deleted": false});
    let config = r#"{"keytype":"CONFIG","subject":"theirs","magic":0}"#;
    let delete = r#"{"keytype":"DELETE_SUBJECT","subject":"theirs","magic":0}"#;
    let (key, value) = (schema_key("theirs", 3), value.to_string());
    let cases: [(&str, Option<&str>, &str, &str, Json); 6] = [
        (&key, Some(&value), "/schemas/ids/70", "/schema", json!(schema)),
        // Left out, and what follows is not.
        (&key, Some("no JSON"), "/subjects/theirs/versions", "", json!([3])),
        (
            config,
            Some(r#"{"compatibilityLevel":"FULL"}"#),
            "/config/theirs",
            "/compatibilityLevel",
            json!("FULL"),
        ),
        (config, None, "/config/theirs", "/error_code", json!(40408)),
        (
            delete,
            Some(r#"{"subject":"theirs","version":3}"#),
            "/subjects",
            "",
            json!(["own"]),
        ),
        (&key, None, "/schemas/ids/70", "/error_code", json!(40403)),
    ];
    for (key, value, path, field, wanted) in &cases {
        write(&producer, "_schemas", key, *value);
        shows(&server, path, field, wanted);
    }
    assert!(server.log().contains("a record was left out"), "{}", server.log());
    let next = json!({"schema": "\"long\""});
    let next = ask(&server, "POST", "/subjects/own/versions", Some(&next));
    assert_eq!((&next["id"], &next["version"]), (&json!(71), &json!(2)), "{next}");

    // The other registry's topic is there once somebody writes to it.
    server.rivulet_ok(&["topic", "create", "_dek_registry_keys", "-s", "cleanup.policy=compact"]);
    let key = r#"{"tenant":"default","name":"k","type":"KEK"}"#;
    let value = r#"{"name":"k","kmsType":"local-kms","kmsKeyId":"x","shared":false,"deleted":false,"type":"KEK"}"#;
    write(&producer, "_dek_registry_keys", key, Some(value));
    shows(&server, "/dek-registry/v1/keks", "", &json!(["k"]));

    let paths = ["/subjects?deleted=true", "/schemas", "/dek-registry/v1/keks/k"];
    let before = paths.map(|path| ask(&server, "GET", path, None));
    server.kill();
    server.restart();
    assert_eq!(paths.map(|path| ask(&server, "GET", path, None)), before);
}

#[test]
fn a_schema_that_the_topic_has_no_room_for_is_refused_and_harms_no_other() {
    let server = Server::start();
    let schema = |bytes: usize| {
        let doc = "x".repeat(bytes);
        json!({"schema": format!(r#"{{"type":"record","name":"R","doc":"{doc}","fields":[]}}"#)})
    };
    let register = |bytes: usize| {
        let body = server.folder().join("schema.json");
        std::fs::write(&body, schema(bytes).to_string()).expect("a file");
        let url = format!("{}/subjects/large/versions", server.registry);
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--header",
            "Content-Type: application/vnd.schemaregistry.v1+json",
        ]);
        command.args(["--data-binary", &format!("@{}", body.display()), &url]);
        serde_json::from_str::<Json>(&run(&mut command)).expect("JSON")
    };
    let answer = register(1_100_000);
    assert_eq!(answer["error_code"], 42209, "{answer}");
    assert_eq!(register(1_000_000)["id"], 1);
}
