//! Schema exporters between two servers, each a process: at the end the destination has what the source has, with the
//! same ids, whatever happened to either.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use base::{Clock, RealClock};
use rivulet_tests::{Server, client_folder, run};
use serde_json::{Value as Json, json};

/// How soon what was exported must show.
const SHOWS_WITHIN: Duration = Duration::from_secs(30);
/// The exporters of these tests and what names become.
const ALL: &str = "all";

fn ask(server: &Server, method: &str, path: &str, body: Option<&Json>) -> Json {
    let mut command = Command::new("curl");
    command.args(["--silent", "--noproxy", "*", "--request", method]);
    if let Some(body) = body {
        command.args(["--header", "Content-Type: application/vnd.schemaregistry.v1+json"]);
        command.args(["--data", &body.to_string()]);
    }
    let answer = run(command.arg(format!("{}{path}", server.registry)));
    match answer.is_empty() {
        true => Json::Null,
        false => serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}")),
    }
}

/// Asks for a change that must be made.
fn make(server: &Server, method: &str, path: &str, body: Option<&Json>) -> Json {
    let answer = ask(server, method, path, body);
    assert!(answer.get("error_code").is_none(), "{method} {path}: {answer}");
    answer
}

fn register(server: &Server, subject: &str, kind: &str, text: &str, references: &[(&str, &str, i32)]) {
    let reference =
        |(name, subject, version): &(&str, &str, i32)| json!({"name": name, "subject": subject, "version": version});
    let references: Vec<Json> = references.iter().map(reference).collect();
    let body = json!({"schemaType": kind, "schema": text, "references": references});
    let path = format!("/subjects/{}/versions", subject.replace('/', "%2F"));
    make(server, "POST", &path, Some(&body));
}

fn exporter(server: &Server, name: &str, to: &Server, fields: &Json) {
    let mut body = fields.clone();
    body["name"] = json!(name);
    body["config"] = json!({"schema.registry.url": to.registry});
    make(server, "POST", "/exporters", Some(&body));
}

fn status(server: &Server, name: &str) -> Json {
    ask(server, "GET", &format!("/exporters/{name}/status"), None)
}

fn put(server: &Server, name: &str, what: &str) {
    make(server, "PUT", &format!("/exporters/{name}/{what}"), None);
}

/// Waits until an exporter says this of itself.
fn until(server: &Server, name: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    let clock = RealClock::new();
    loop {
        let status = status(server, name);
        if is_so(&status) {
            return status;
        }
        assert!(clock.monotonic() < SHOWS_WITHIN, "{status}");
        sleep(Duration::from_millis(20));
    }
}

/// Every version below a prefix: what it is, and whether it is deleted.
fn versions(server: &Server, prefix: &str) -> BTreeMap<(String, i64), Json> {
    let list = |deleted| {
        let path = format!(
            "/schemas?subjectPrefix={}&deleted={deleted}",
            prefix.replace('*', "%2A")
        );
        ask(server, "GET", &path, None)
    };
    let key = |one: &Json| {
        let subject = one["subject"].as_str().expect("a subject").to_owned();
        (subject, one["version"].as_i64().expect("a version"))
    };
    let live = list(false);
    let live: Vec<_> = live.as_array().expect("a list").iter().map(key).collect();
    let all = list(true);
    let view = |one: &Json| {
        let key = key(one);
        let fields = [
            "id",
            "guid",
            "schemaType",
            "schema",
            "references",
            "metadata",
            "ruleSet",
        ];
        let mut view: BTreeMap<&str, Json> = fields.iter().map(|field| (*field, one[*field].clone())).collect();
        view.insert("live", json!(live.contains(&key)));
        (key, json!(view))
    };
    all.as_array().expect("a list").iter().map(view).collect()
}

/// A name below a context.
fn below(context: &str, subject: &str) -> String {
    match subject.strip_prefix(":.").and_then(|rest| rest.split_once(':')) {
        Some((inner, subject)) => format!(":{context}.{inner}:{subject}"),
        None => format!(":{context}:{subject}"),
    }
}

/// Waits until the destination has below a context what the source has.
fn agree(source: &Server, destination: &Server, context: &str) {
    let clock = RealClock::new();
    let wanted = versions(source, ":*:").into_iter();
    let wanted: BTreeMap<_, _> = wanted
        .map(|((name, version), one)| ((below(context, &name), version), one))
        .collect();
    loop {
        let there = versions(destination, &format!(":{context}"));
        if there == wanted {
            return;
        }
        if clock.monotonic() > SHOWS_WITHIN {
            assert_eq!(there, wanted, "{}", status(source, ALL));
        }
        sleep(Duration::from_millis(50));
    }
}

fn context_of(server: &Server) -> String {
    let id = ask(server, "GET", "/v1/metadata/id", None);
    let cluster = id.pointer("/scope/clusters/kafka-cluster").and_then(Json::as_str);
    format!(".{}", cluster.expect("a cluster has an id"))
}

const ADDRESS: &str = r#"{"type":"record","name":"Address","namespace":"x","fields":[{"name":"a","type":"int"}]}"#;
const CUSTOMER: &str =
    r#"{"type":"record","name":"Customer","namespace":"x","fields":[{"name":"a","type":"Address"}]}"#;

/// Of every language, with references; in two contexts; versions and subjects that are deleted, softly and for good.
fn fill(server: &Server) {
    register(server, "address", "AVRO", ADDRESS, &[]);
    register(server, "customer", "AVRO", CUSTOMER, &[("x.Address", "address", 1)]);
    let common = r#"syntax = "proto3"; package p; message Common { int32 a = 1; }"#;
    register(server, "dir/common.proto", "PROTOBUF", common, &[]);
    let main = r#"syntax = "proto3"; package p; import "dir/common.proto"; message Main { Common c = 1; }"#;
    let import = [("dir/common.proto", "dir/common.proto", 1)];
    register(server, "orders-proto", "PROTOBUF", main, &import);
    register(server, "part", "JSON", r#"{"type":"object"}"#, &[]);
    let whole = r#"{"type":"object","properties":{"p":{"$ref":"part.json"}}}"#;
    register(server, "whole", "JSON", whole, &[("part.json", "part", 1)]);
    register(server, ":.inner:own", "AVRO", r#""long""#, &[]);
    register(server, ":.inner:address", "AVRO", ADDRESS, &[]);
    let across = [("x.Address", "address", 1)];
    register(server, ":.inner:customer", "AVRO", CUSTOMER, &across);
    register(server, "orders", "AVRO", r#""int""#, &[]);
    register(server, "orders", "AVRO", r#""long""#, &[]);
    register(server, "orders", "AVRO", r#""float""#, &[]);
    make(server, "DELETE", "/subjects/orders/versions/2", None);
    register(server, "gone", "AVRO", r#""bytes""#, &[]);
    make(server, "DELETE", "/subjects/gone", None);
    register(server, "never", "AVRO", r#""boolean""#, &[]);
    make(server, "DELETE", "/subjects/never", None);
    make(server, "DELETE", "/subjects/never?permanent=true", None);
    let ruled = json!({
        "schema": r#"{"type":"record","name":"Ruled","fields":[]}"#,
        "metadata": {"properties": {"owner": "sales"}, "sensitive": ["owner"]},
        "ruleSet": {"domainRules": [{"name": "r", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": "true"}]},
    });
    make(server, "POST", "/subjects/ruled/versions", Some(&ruled));
}

#[test]
fn the_destination_has_what_the_source_has() {
    let (source, mut destination) = (Server::start(), Server::start());
    let context = context_of(&source);
    fill(&source);
    exporter(&source, ALL, &destination, &json!({"subjects": [":*:"]}));
    agree(&source, &destination, &context);
    let running = until(&source, ALL, |status| status["state"] == "RUNNING");
    assert!(running.get("trace").is_none(), "{running}");
    let mode = ask(&destination, "GET", &format!("/mode/:{context}:"), None);
    assert_eq!(mode["mode"], "IMPORT");
    let mode = ask(&destination, "GET", "/mode", None);
    assert_eq!(mode["mode"], "READWRITE", "others are not in the way");

    // What comes later, and what goes.
    register(&source, "orders", "AVRO", r#""double""#, &[]);
    make(&source, "DELETE", "/subjects/customer", None);
    make(&source, "DELETE", "/subjects/orders/versions/2?permanent=true", None);
    agree(&source, &destination, &context);
    make(&source, "DELETE", "/subjects/orders", None);
    register(&source, "orders", "AVRO", r#""string""#, &[]);
    make(&source, "DELETE", "/subjects/customer?permanent=true", None);
    agree(&source, &destination, &context);

    // Paused, nothing is exported; resumed, what was missed is.
    put(&source, ALL, "pause");
    let before = versions(&destination, &format!(":{context}"));
    register(&source, "missed", "AVRO", r#""int""#, &[]);
    sleep(Duration::from_millis(300));
    assert_eq!(versions(&destination, &format!(":{context}")), before);
    put(&source, ALL, "resume");
    agree(&source, &destination, &context);

    // From the start, which leads to the same.
    put(&source, ALL, "pause");
    put(&source, ALL, "reset");
    assert_eq!(status(&source, ALL)["offset"], -1);
    put(&source, ALL, "resume");
    until(&source, ALL, |status| {
        status["offset"] == running["offset"] || status["state"] == "RUNNING"
    });
    agree(&source, &destination, &context);

    // Down, and up again.
    destination.kill();
    register(&source, "meanwhile", "AVRO", r#""int""#, &[]);
    let waiting = until(&source, ALL, |status| status.get("trace").is_some());
    assert_eq!(waiting["state"], "RUNNING", "{waiting}");
    destination.restart();
    agree(&source, &destination, &context);
    let after = until(&source, ALL, |status| status.get("trace").is_none());
    assert_eq!(after["state"], "RUNNING", "{after}");

    // What the destination refuses pauses the exporter until somebody has seen to it.
    let mode = format!("/mode/:{context}:?force=true");
    make(&destination, "PUT", &mode, Some(&json!({"mode": "READONLY"})));
    register(&source, "refused", "AVRO", r#""int""#, &[]);
    let refused = until(&source, ALL, |status| status["state"] == "PAUSED");
    let trace = refused["trace"].as_str().unwrap_or_default();
    assert!(trace.contains("read-only") && trace.contains("refused"), "{trace}");
    make(&destination, "PUT", &mode, Some(&json!({"mode": "IMPORT"})));
    put(&source, ALL, "resume");
    agree(&source, &destination, &context);
}

#[test]
fn a_killed_source_leaves_nothing_out() {
    let (mut source, destination) = (Server::start(), Server::start());
    let context = context_of(&source);
    fill(&source);
    for number in 0..150 {
        let text = format!(r#"{{"type":"enum","name":"E{number}","symbols":["A"]}}"#);
        register(&source, &format!("many-{}", number % 7), "AVRO", &text, &[]);
        if number == 0 {
            make(&source, "PUT", "/config", Some(&json!({"compatibility": "NONE"})));
        }
    }
    exporter(&source, ALL, &destination, &json!({"subjects": [":*:"]}));
    let all = versions(&source, ":*:").len();
    let mut unfinished = 0;
    for reached in [0, 60, 120] {
        let before = until(&source, ALL, |status| status["offset"].as_i64() > Some(reached));
        source.kill();
        let there = versions(&destination, &format!(":{context}"));
        assert!(!there.is_empty());
        unfinished += usize::from(there.len() < all);
        source.restart();
        assert!(
            status(&source, ALL)["offset"].as_i64() >= before["offset"].as_i64(),
            "it begins anew"
        );
    }
    assert!(unfinished > 0, "it was never killed in the middle");
    agree(&source, &destination, &context);
    until(&source, ALL, |status| status["state"] == "RUNNING");
    register(&source, "afterwards", "AVRO", r#""int""#, &[]);
    agree(&source, &destination, &context);
}

#[test]
fn subjects_are_chosen_and_renamed() {
    let (source, destination) = (Server::start(), Server::start());
    fill(&source);
    let own = json!({"schema": r#""int""#});
    make(&destination, "POST", "/subjects/own/versions", Some(&own));
    let live = |server: &Server, prefix: &str| {
        let live = versions(server, prefix)
            .into_iter()
            .filter(|(_, one)| one["live"] == true);
        live.map(|((name, version), one)| format!("{name}@{version} id {}", one["id"]))
            .collect::<Vec<_>>()
    };
    // Whom it refers to comes along, under the name it would have.
    let chosen = json!({
        "subjects": ["customer"], "contextType": "CUSTOM", "context": "dr", "subjectRenameFormat": "dc_${subject}",
    });
    exporter(&source, "chosen", &destination, &chosen);
    until(&source, "chosen", |status| status["state"] == "RUNNING");
    assert_eq!(
        live(&destination, ":.dr:"),
        [":.dr:dc_address@1 id 1", ":.dr:dc_customer@1 id 2"]
    );
    let body =
        json!({"schema": CUSTOMER, "references": [{"name": "x.Address", "subject": "dc_address", "version": 1}]});
    let found = ask(&destination, "POST", "/subjects/:.dr:dc_customer", Some(&body));
    assert_eq!(found["id"], 2, "{found}");

    // Contexts as they are, beside what is there.
    exporter(
        &source,
        "same",
        &destination,
        &json!({"subjects": [":.inner:*"], "contextType": "NONE"}),
    );
    until(&source, "same", |status| status["state"] == "RUNNING");
    let inner = versions(&source, ":.inner:");
    assert_eq!(versions(&destination, ":.inner:"), inner);
    // Into the default context, where id 1 is taken by another schema.
    let clash = json!({"subjects": ["address"], "contextType": "DEFAULT"});
    exporter(&source, "clash", &destination, &clash);
    let refused = until(&source, "clash", |status| status["state"] == "PAUSED");
    assert!(
        refused["trace"].as_str().unwrap_or_default().contains("id 1"),
        "{refused}"
    );
    assert_eq!(ask(&destination, "GET", "/subjects/own/versions/1", None)["id"], 1);

    // Into another context of the same registry, and not round and round.
    exporter(
        &source,
        ALL,
        &source,
        &json!({"subjects": [":*:"], "contextType": "CUSTOM", "context": ".copy"}),
    );
    until(&source, ALL, |status| status["state"] == "RUNNING");
    register(&source, "later", "AVRO", r#""int""#, &[]);
    let clock = RealClock::new();
    while live(&source, ":.copy:later").is_empty() {
        assert!(clock.monotonic() < SHOWS_WITHIN, "{}", status(&source, ALL));
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(300));
    let contexts = ask(&source, "GET", "/contexts", None);
    assert_eq!(contexts, json!([".", ".copy", ".copy.inner", ".inner"]));
    let round = json!({"subjects": ["*"], "contextType": "NONE", "subjectRenameFormat": "${subject}-again"});
    exporter(&source, "round", &source, &round);
    let refused = until(&source, "round", |status| status["state"] == "PAUSED");
    assert!(
        refused["trace"]
            .as_str()
            .unwrap_or_default()
            .contains("again and again"),
        "{refused}"
    );
    assert!(live(&source, "address-again").is_empty());
}

/// Confluent's own client of this API makes, changes and deletes an exporter, and the schemas arrive.
#[test]
fn the_client_others_use_leads_an_exporter() {
    let (source, destination) = (Server::start(), Server::start());
    register(&source, "one", "AVRO", r#""int""#, &[]);
    let client = client_folder("serializers").join("exporters/exporters");
    run(Command::new(client).args([&source.registry, &destination.registry]));
    let there = ask(&destination, "GET", "/subjects/:.go:one-copy/versions/1", None);
    assert_eq!(there["id"], 1, "{there}");
    assert_eq!(ask(&source, "GET", "/exporters", None), json!([]));
}
