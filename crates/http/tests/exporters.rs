//! `/exporters` over a topic in memory: every request, every verdict, and what a restart leaves.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "../../catalog/tests/common/mod.rs"]
mod memory;

use std::sync::Arc;

use base::{OsRandom, RealClock};
use catalog::{DekRegistry, ExporterRegistry, Registry};
use memory::Memory;
use rivulet_http::{Serving, registry, serve};
use schema::exporter::{Report, State};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Face {
    address: String,
    exporters: Arc<ExporterRegistry>,
    _serving: Serving,
}

async fn face(topics: &Arc<Memory>) -> Face {
    let clock = || Arc::new(RealClock::new());
    let opened = Registry::open(Arc::<Memory>::default(), clock(), "cluster");
    let deks = DekRegistry::open(Arc::<Memory>::default(), clock(), Arc::new(OsRandom), None);
    let exporters = ExporterRegistry::open(Arc::clone(topics) as _, clock());
    let (opened, deks, exporters) = tokio::try_join!(opened, deks, exporters).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Face {
        address: listener.local_addr().unwrap().to_string(),
        exporters: Arc::clone(&exporters),
        _serving: serve(listener, registry::router(opened, deks, exporters)),
    }
}

impl Face {
    async fn call(&self, method: &str, path: &str, body: &Json) -> (u16, Json) {
        let body = match body {
            Json::Null => String::new(),
            body => body.to_string(),
        };
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        (&mut stream).take(1 << 20).read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Plays requests; each answer must hold what is expected of it.
    async fn play(&self, requests: &[(&str, &str, Json, u16, Json)]) {
        for (method, path, body, status, expected) in requests {
            let (given, answer) = self.call(method, path, body).await;
            let told = format!("{method} {path} {body}: {given} {answer}");
            assert_eq!(given, *status, "{told}");
            match expected {
                Json::Object(fields) => {
                    for (field, value) in fields {
                        assert_eq!(answer.get(field), Some(value), "{told}");
                    }
                }
                other => assert_eq!(answer, *other, "{told}"),
            }
        }
    }
}

fn config() -> Json {
    json!({"schema.registry.url": "http://127.0.0.1:1"})
}

fn code(code: i64) -> Json {
    json!({"error_code": code})
}

#[tokio::test]
async fn every_request_has_its_answer() {
    let topics = Arc::<Memory>::default();
    let face = face(&topics).await;
    let named = json!({"name": "one"});
    let nothing = Json::Null;
    let secret = json!({
        "schema.registry.url": "https://h/",
        "basic.auth.credentials.source": "USER_INFO",
        "basic.auth.user.info": "user:password",
    });
    let hidden = json!({
        "schema.registry.url": "https://h/",
        "basic.auth.credentials.source": "USER_INFO",
        "basic.auth.user.info": "[hidden]",
    });
    face.play(&[
        ("GET", "/exporters", nothing.clone(), 200, json!([])),
        // What does not exist.
        ("GET", "/exporters/one", nothing.clone(), 404, code(40450)),
        ("GET", "/exporters/one/status", nothing.clone(), 404, code(40450)),
        ("GET", "/exporters/one/config", nothing.clone(), 404, code(40450)),
        ("PUT", "/exporters/one", json!({}), 404, code(40450)),
        ("PUT", "/exporters/one/config", config(), 404, code(40450)),
        ("PUT", "/exporters/one/pause", nothing.clone(), 404, code(40450)),
        ("PUT", "/exporters/one/resume", nothing.clone(), 404, code(40450)),
        ("PUT", "/exporters/one/reset", nothing.clone(), 404, code(40450)),
        ("DELETE", "/exporters/one", nothing.clone(), 404, code(40450)),
        ("GET", "/exporters/one/more", nothing.clone(), 404, code(404)),
        ("POST", "/exporters/one", json!({}), 405, code(405)),
        ("GET", "/exporters/one/pause", nothing.clone(), 405, code(405)),
        // Made.
        (
            "POST",
            "/exporters",
            json!({"name": "one", "config": config()}),
            200,
            named.clone(),
        ),
        ("GET", "/exporters", nothing.clone(), 200, json!(["one"])),
        (
            "GET",
            "/exporters/one",
            nothing.clone(),
            200,
            json!({
                "name": "one", "contextType": "AUTO", "subjects": ["*"], "config": config(),
            }),
        ),
        (
            "GET",
            "/exporters/one/status",
            nothing.clone(),
            200,
            json!({
                "name": "one", "state": "STARTING", "offset": -1, "ts": 0,
            }),
        ),
        ("GET", "/exporters/one/config", nothing.clone(), 200, config()),
        // At work.
        ("PUT", "/exporters/one", json!({}), 409, code(40963)),
        ("PUT", "/exporters/one/config", config(), 409, code(40963)),
        ("PUT", "/exporters/one/reset", nothing.clone(), 409, code(40963)),
        ("PUT", "/exporters/one/resume", nothing.clone(), 409, code(40961)),
        ("DELETE", "/exporters/one", nothing.clone(), 409, code(40963)),
        ("PUT", "/exporters/one/pause", nothing.clone(), 200, named.clone()),
        // Paused.
        ("PUT", "/exporters/one/pause", nothing.clone(), 200, named.clone()),
        (
            "GET",
            "/exporters/one/status",
            nothing.clone(),
            200,
            json!({"state": "PAUSED"}),
        ),
        (
            "PUT",
            "/exporters/one",
            json!({
                "contextType": "CUSTOM", "context": "dr", "subjects": ["orders*"],
                "subjectRenameFormat": "dc_${subject}", "kekRenameFormat": "${kek}",
            }),
            200,
            named.clone(),
        ),
        (
            "GET",
            "/exporters/one",
            nothing.clone(),
            200,
            json!({
                "contextType": "CUSTOM", "context": "dr", "subjects": ["orders*"],
                "subjectRenameFormat": "dc_${subject}", "kekRenameFormat": "${kek}", "config": config(),
            }),
        ),
        ("PUT", "/exporters/one/config", secret.clone(), 200, named.clone()),
        ("GET", "/exporters/one/config", nothing.clone(), 200, hidden.clone()),
        ("GET", "/exporters/one", nothing.clone(), 200, json!({"config": hidden})),
        ("PUT", "/exporters/one/config", hidden.clone(), 200, named.clone()),
        (
            "PUT",
            "/exporters/one",
            json!({"contextType": "custom", "context": ""}),
            200,
            named.clone(),
        ),
        ("PUT", "/exporters/one/reset", nothing.clone(), 200, named.clone()),
        (
            "GET",
            "/exporters/one/status",
            nothing.clone(),
            200,
            json!({"state": "PAUSED", "offset": -1}),
        ),
        ("PUT", "/exporters/one/resume", nothing.clone(), 200, named.clone()),
        (
            "GET",
            "/exporters/one/status",
            nothing.clone(),
            200,
            json!({"state": "STARTING"}),
        ),
        ("PUT", "/exporters/one/pause", nothing.clone(), 200, named.clone()),
        ("DELETE", "/exporters/one", nothing.clone(), 204, Json::Null),
        ("GET", "/exporters", nothing.clone(), 200, json!([])),
    ])
    .await;
}

#[tokio::test]
async fn wrong_exporters_are_refused() {
    let face = face(&Arc::default()).await;
    let with = |field: &str, value: Json| {
        let mut body = json!({"name": "e", "config": config()});
        body[field] = value;
        body
    };
    let url = |url: &str| with("config", json!({"schema.registry.url": url}));
    let long = "x".repeat(2000);
    let cases = [
        (json!({"config": config()}), 409, 40950),
        (with("name", json!("")), 409, 40950),
        (with("name", json!("a b")), 409, 40950),
        (with("name", json!("a/b")), 409, 40950),
        (with("name", json!(long)), 409, 40950),
        (json!({"name": "e"}), 409, 40951),
        (with("config", json!({})), 409, 40951),
        (
            with("config", json!({"schema.registry.url": "http://h", "no.such": "x"})),
            409,
            40951,
        ),
        (url("localhost:8081"), 409, 40951),
        (url("file:///etc/passwd"), 409, 40951),
        (url("http://user:password@h"), 409, 40951),
        (url("http://h:99999"), 409, 40951),
        (with("contextType", json!("CUSTOM")), 409, 40951),
        (with("subjectRenameFormat", json!("constant")), 409, 40951),
        (with("subjectRenameFormat", json!(":.c:${subject}")), 409, 40951),
        (with("kekRenameFormat", json!("dc_${kek}")), 409, 40951),
        (with("subjects", json!([])), 409, 40952),
        (with("subjects", json!([""])), 409, 40952),
        (with("subjects", json!(["a*b"])), 409, 40952),
        (with("subjects", json!(["a\u{1}"])), 409, 40952),
        (with("subjects", json!(vec!["a"; 1001])), 409, 40952),
        (with("contextType", json!("SOME")), 400, 400),
        (with("subjects", json!("*")), 400, 400),
        (with("config", json!({"schema.registry.url": 1})), 400, 400),
        (json!([]), 400, 400),
        (Json::Null, 422, 422),
    ];
    for (body, status, error) in &cases {
        face.play(&[("POST", "/exporters", body.clone(), *status, code(*error))])
            .await;
    }
    face.play(&[("GET", "/exporters", Json::Null, 200, json!([]))]).await;
    for number in 0..10 {
        let name = format!("e{number}");
        let body = json!({"name": name, "config": config()});
        face.play(&[("POST", "/exporters", body, 200, json!({"name": name}))])
            .await;
    }
    face.play(&[
        (
            "POST",
            "/exporters",
            json!({"name": "e0", "config": config()}),
            409,
            code(40960),
        ),
        (
            "POST",
            "/exporters",
            json!({"name": "e", "config": config()}),
            409,
            code(40964),
        ),
    ])
    .await;
}

/// How far an exporter has come is there after a restart, and so is why it was paused.
#[tokio::test]
async fn exporters_outlive_their_process() {
    let topics = Arc::<Memory>::default();
    let before = face(&topics).await;
    let body = json!({"name": "one", "config": config()});
    before
        .play(&[("POST", "/exporters", body, 200, json!({"name": "one"}))])
        .await;
    let report = |state, trace: Option<&str>| Report {
        state,
        offset: 5,
        ts: 50,
        trace: trace.map(str::to_owned),
    };
    let run = before.exporters.state().get("one").unwrap().progress.run;
    assert!(
        before
            .exporters
            .report("one", run, &report(State::Running, None))
            .await
            .unwrap()
    );
    assert!(
        !before
            .exporters
            .report("one", run + 1, &report(State::Running, None))
            .await
            .unwrap()
    );
    assert!(
        !before
            .exporters
            .report("two", run, &report(State::Running, None))
            .await
            .unwrap()
    );
    let running = json!({"name": "one", "state": "RUNNING", "offset": 5, "ts": 50});
    let status = "/exporters/one/status";
    before.play(&[("GET", status, Json::Null, 200, running.clone())]).await;

    let after = face(&topics).await;
    after.play(&[("GET", status, Json::Null, 200, running)]).await;
    let refused = report(State::Paused, Some("it was refused"));
    assert!(after.exporters.report("one", run, &refused).await.unwrap());
    let paused = json!({"state": "PAUSED", "offset": 5, "trace": "it was refused"});
    after.play(&[("GET", status, Json::Null, 200, paused)]).await;
    assert!(
        !after
            .exporters
            .report("one", run, &report(State::Running, None))
            .await
            .unwrap()
    );
}
