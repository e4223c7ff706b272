//! The registry's face over a topic in memory: what is answered to requests as they should not be, under many hands at
//! once, and after a restart.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "tests fail loudly, and their lists are short"
)]

#[path = "../../catalog/tests/common/mod.rs"]
mod memory;

use std::sync::Arc;

use base::{OsRandom, RealClock};
use catalog::registry::SCHEMAS_TOPIC;
use catalog::{DekRegistry, ExporterRegistry, Registry};
use client::Topics;
use memory::Memory;
use rivulet_http::{Serving, registry, serve};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A registry on a port of its own.
struct Face {
    address: String,
    topics: Arc<Memory>,
    _serving: Serving,
}

async fn face_over(topics: Arc<Memory>) -> Face {
    let shared: Arc<dyn Topics> = Arc::clone(&topics) as Arc<dyn Topics>;
    let opened = Registry::open(shared, Arc::new(RealClock::new()), "cluster")
        .await
        .unwrap();
    let deks = DekRegistry::open(
        Arc::<Memory>::default(),
        Arc::new(RealClock::new()),
        Arc::new(OsRandom),
        None,
    );
    let deks = deks.await.unwrap();
    let exporters = ExporterRegistry::open(Arc::<Memory>::default(), Arc::new(RealClock::new()));
    let exporters = exporters.await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // Hundreds connect at once.
    let listener = socket.listen(1024).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    Face {
        address,
        topics,
        _serving: serve(listener, registry::router(opened, deks, exporters)),
    }
}

async fn face() -> Face {
    face_over(Arc::default()).await
}

impl Face {
    /// Sends a request; gives status and body.
    async fn call(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that has refused a body need not read it.
        let _unread = stream.write_all(body).await.is_err();
        let mut answer = Vec::new();
        #[allow(clippy::disallowed_methods, reason = "capped by `take`")]
        let _cut = (&mut stream).take(64 << 20).read_to_end(&mut answer).await.is_err();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let body = text
            .split_once("\r\n\r\n")
            .map_or(String::new(), |(_, body)| body.to_owned());
        (status, body)
    }

    async fn json(&self, method: &str, path: &str, body: &Json) -> (u16, Json) {
        let bytes = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, body) = self.call(method, path, bytes.as_bytes()).await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Json) {
        self.json("GET", path, &Json::Null).await
    }
}

fn nested(depth: usize) -> String {
    format!(
        r#"{}"int"{}"#,
        r#"{"type":"array","items":"#.repeat(depth),
        "}".repeat(depth)
    )
}

/// Requests that are wrong get a code that says so, and never a 500.
#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let face = face().await;
    let schema = |text: &str| json!({"schema": text}).to_string();
    let int = schema(r#""int""#);
    let (status, _) = face.call("POST", "/subjects/s/versions", int.as_bytes()).await;
    assert_eq!(status, 200);
    let deep = schema(&nested(200));
    let deeper = schema(&nested(100_000));
    let lists = format!(r#"{{"schema":{}"#, "[".repeat(100_000));
    let reference = |name: &str, subject: &str, version: i32| {
        let reference = json!({"name": name, "subject": subject, "version": version});
        json!({"schema": "\"int\"", "references": [reference]}).to_string()
    };
    let many =
        json!({"schema": "\"int\"", "references": vec![json!({"name": "n", "subject": "s", "version": 9}); 20_000]});
    let many = many.to_string();
    let long = "x".repeat(9 << 20);
    let versions = "/subjects/s/versions";
    let odd_kind = r#"{"schema":"\"int\"","ruleSet":{"domainRules":[{"kind":"ODD"}]}}"#;
    let no_name = r#"{"schema":"\"int\"","ruleSet":{"domainRules":[{}]}}"#;
    let table: &[(&str, &str, &str, u16, i64)] = &[
        ("POST", versions, "", 422, 422),
        ("POST", versions, "null", 422, 422),
        ("POST", versions, "[]", 400, 400),
        ("POST", versions, "7", 400, 400),
        ("POST", versions, "{", 400, 400),
        ("POST", versions, "{} x", 400, 400),
        ("POST", versions, "\u{feff}{}", 400, 400),
        ("POST", versions, r#"{"schema":"\ud800"}"#, 400, 400),
        ("POST", versions, r#"{"schema":{}}"#, 400, 400),
        ("POST", versions, r#"{"schema":"\"int\"","id":99999999999}"#, 400, 400),
        ("POST", versions, r#"{"schema":"\"int\"","version":1e300}"#, 400, 400),
        ("POST", versions, r#"{"schema":"\"int\"","metadata":[]}"#, 400, 400),
        ("POST", versions, odd_kind, 400, 400),
        ("POST", versions, no_name, 422, 42210),
        ("POST", versions, &lists, 400, 400),
        ("POST", versions, &deep, 422, 42201),
        ("POST", versions, &deeper, 422, 42201),
        ("POST", versions, &long, 413, 413),
        ("POST", versions, &schema("nonsense"), 422, 42201),
        ("POST", versions, &reference("n", "none", 1), 422, 42201),
        ("POST", versions, &reference("n", "s", 0), 422, 42201),
        ("POST", versions, &reference("n", "s", i32::MIN), 422, 42201),
        ("POST", versions, &reference("n", "http://localhost/x", 1), 422, 42201),
        ("POST", versions, &many, 422, 42201),
        ("POST", "/subjects/__EMPTY/versions", &int, 422, 42208),
        ("POST", "/subjects/a%00b/versions", &int, 422, 42208),
        ("POST", "/subjects/%FF/versions", &int, 400, 400),
        ("POST", "/subjects/%2/versions", &int, 400, 400),
        ("POST", "/subjects//versions", &int, 400, 400),
        ("GET", "/schemas/ids/2147483648", "", 404, 404),
        ("GET", "/schemas/ids/-7", "", 404, 40403),
        ("GET", "/schemas/ids/7/schema", "", 404, 40403),
        ("GET", "/schemas/guids/x", "", 404, 40403),
        ("GET", "/subjects/s/versions/2147483648", "", 422, 42202),
        ("GET", "/subjects/s/versions/-2", "", 422, 42202),
        ("GET", "/subjects?limit=x", "", 404, 404),
        ("PUT", "/mode", "{}", 422, 42204),
        ("PUT", "/mode/s", r#"{"mode":7}"#, 422, 42204),
        ("PUT", "/config/s", r#"{"compatibility":7}"#, 422, 42203),
        ("PUT", "/config/s", r#"{"normalize":[]}"#, 400, 400),
        ("POST", "/associations", "{}", 422, 42212),
        ("PUT", "/associations", "{}", 405, 405),
        ("PATCH", "/associations/resources/x", "{}", 405, 405),
        ("GET", "/associations/resources/a/b/c", "", 404, 404),
        ("DELETE", "/associations/resources/none", "", 404, 40410),
        ("GET", "/nowhere", "", 404, 404),
        ("GET", "/contexts/a:b/subjects", "", 400, 400),
    ];
    for (method, path, body, status, code) in table {
        let (got, answer) = face.call(method, path, body.as_bytes()).await;
        let shown: String = body.chars().take(80).collect();
        let answer: Json = serde_json::from_str(&answer).unwrap_or_default();
        assert_eq!(got, *status, "{method} {path} {shown}: {answer}");
        assert_eq!(answer["error_code"], json!(code), "{method} {path} {shown}: {answer}");
        assert!(answer["message"].is_string(), "{method} {path} {shown}");
        assert!(
            answer.to_string().len() < 64 << 10,
            "an answer that repeats too much: {method} {path} {shown}"
        );
    }
}

#[tokio::test]
async fn names_may_hold_anything_but_control_characters() {
    let face = face().await;
    let body = json!({"schema": "\"int\""});
    for (path, name) in [
        ("a%2Fb", "a/b"),
        ("dep%2Fd.proto", "dep/d.proto"),
        ("gr%C3%BC%C3%9Fe", "grüße"),
        ("with%20space", "with space"),
        ("a+b", "a+b"),
        ("100%25", "100%"),
        ("col:on", "col:on"),
        (":.ctx:%E2%9C%93", ":.ctx:✓"),
        ("..", ".."),
    ] {
        let path = format!("/subjects/{path}");
        let (status, answer) = face.json("POST", &path, &body).await;
        assert_eq!((status, &answer["error_code"]), (404, &json!(40401)), "{path} {answer}");
        let (status, answer) = face.json("POST", &format!("{path}/versions"), &body).await;
        assert_eq!(status, 200, "{path} {answer}");
        let (_, answer) = face.get(&format!("{path}/versions/latest/")).await;
        assert_eq!(answer["subject"], name);
        for query in ["", "?permanent=true"] {
            let gone = face.json("DELETE", &format!("{path}{query}"), &Json::Null).await;
            assert_eq!(gone, (200, json!([1])), "{path}");
        }
    }
}

/// One content gets one id and one version, however many ask at once; different ones get different ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hands_get_one_id() {
    let face = Arc::new(face().await);
    let mut same = Vec::new();
    let mut different = Vec::new();
    for number in 0..200 {
        let body = json!({"schema": r#"{"type":"record","name":"Same","fields":[]}"#});
        let one = Arc::clone(&face);
        same.push(tokio::spawn(async move {
            one.json("POST", "/subjects/same/versions", &body).await
        }));
        let body = json!({"schema": format!(r#"{{"type":"record","name":"R{number}","fields":[]}}"#)});
        let (one, path) = (Arc::clone(&face), format!("/subjects/own-{number}/versions"));
        different.push(tokio::spawn(async move { one.json("POST", &path, &body).await }));
    }
    let mut ids = std::collections::BTreeSet::new();
    for one in different {
        let (status, answer) = one.await.unwrap();
        assert_eq!((status, &answer["version"]), (200, &json!(1)), "{answer}");
        assert!(ids.insert(answer["id"].as_i64().unwrap()), "an id twice: {answer}");
    }
    let mut first = None;
    for one in same {
        let (status, answer) = one.await.unwrap();
        assert_eq!(status, 200, "{answer}");
        assert_eq!(*first.get_or_insert(answer["id"].clone()), answer["id"]);
        assert_eq!(answer["version"], 1);
    }
    assert!(ids.insert(first.unwrap().as_i64().unwrap()));
    let records = face.topics.records(SCHEMAS_TOPIC);
    assert_eq!(records, 201, "a record for each content");
}

/// Versions of one subject rise without gaps when many register at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_versions_have_no_gaps() {
    let face = Arc::new(face().await);
    face.json("PUT", "/config", &json!({"compatibility": "NONE"})).await;
    let mut asked = Vec::new();
    for number in 0..60 {
        let body = json!({"schema": format!(r#"{{"type":"record","name":"R{number}","fields":[]}}"#)});
        let face = Arc::clone(&face);
        asked.push(tokio::spawn(async move {
            face.json("POST", "/subjects/s/versions", &body).await
        }));
    }
    for one in asked {
        assert_eq!(one.await.unwrap().0, 200);
    }
    let (_, versions) = face.get("/subjects/s/versions").await;
    assert_eq!(versions, json!((1..=60).collect::<Vec<_>>()));
}

/// Whatever was answered is there after a restart, word for word.
#[tokio::test]
async fn a_restart_loses_nothing() {
    let before = face().await;
    let record = |fields: &str| json!({"schema": format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)});
    let a = r#"{"name":"a","type":"int"}"#;
    let b = r#"{"name":"b","type":"int","default":0}"#;
    let mut with_more = record(&format!("{a},{b}"));
    with_more["metadata"] = json!({"properties": {"owner": "x"}, "tags": {"R.a": ["PII"]}});
    with_more["ruleSet"] = json!({"domainRules": [{"name": "r", "type": "CEL", "expr": "true"}]});
    let association = json!({"resourceName": "t", "resourceNamespace": "lkc", "resourceId": "r1",
        "associations": [{"subject": "s", "associationType": "value"}]});
    for (method, path, body) in [
        ("POST", "/subjects/s/versions", record(a)),
        ("POST", "/subjects/s/versions", with_more),
        ("POST", "/subjects/:.c:s/versions", record(a)),
        ("POST", "/subjects/gone/versions", record(a)),
        ("DELETE", "/subjects/gone", Json::Null),
        ("PUT", "/config/s", json!({"compatibility": "FULL", "normalize": true})),
        ("PUT", "/mode/:.c:", json!({"mode": "READONLY"})),
        ("POST", "/associations", association),
    ] {
        let (status, answer) = before.json(method, path, &body).await;
        assert_eq!(status, 200, "{method} {path} {answer}");
    }
    let after = face_over(Arc::clone(&before.topics)).await;
    for path in [
        "/subjects?deleted=true",
        "/schemas?subjectPrefix=:*:&deleted=true",
        "/schemas/ids/1",
        "/schemas/ids/2",
        "/schemas/ids/2?subject=s&fetchMaxId=true",
        "/subjects/s/versions/latest",
        "/subjects/gone/versions?deletedAsNegative=true&deleted=true",
        "/config/s",
        "/config",
        "/mode/:.c:",
        "/contexts",
        "/associations/resources/r1",
        "/associations/resources/-/t?resourceType=topic&associationType=value",
    ] {
        assert_eq!(before.get(path).await, after.get(path).await, "{path}");
    }
    let (_, answer) = after.get("/subjects/s/versions/2").await;
    assert_eq!(answer["ruleSet"]["domainRules"][0]["expr"], "true");
    assert_eq!(answer["metadata"]["properties"]["owner"], "x");
}

/// A list read while its subjects are deleted is a list, and in the end an empty one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_are_deleted_during_listings() {
    let face = Arc::new(face().await);
    for number in 0..300 {
        let path = format!("/subjects/s{number}/versions");
        face.json("POST", &path, &json!({"schema": "\"int\""})).await;
    }
    let reader = Arc::clone(&face);
    let listing = tokio::spawn(async move {
        let mut last = usize::MAX;
        for _ in 0..100 {
            for path in [
                "/subjects?deleted=true",
                "/schemas",
                "/schemas/ids/1/versions?deleted=true",
            ] {
                let (status, list) = reader.get(path).await;
                let is_gone = path.starts_with("/schemas/ids") && status == 404;
                assert!(status == 200 || is_gone, "{path} {status} {list}");
                if path.starts_with("/subjects") {
                    let count = list.as_array().map_or(0, Vec::len);
                    assert!(count <= last, "subjects came back");
                    last = count;
                }
            }
        }
    });
    for number in 0..300 {
        for query in ["", "?permanent=true"] {
            let path = format!("/subjects/s{number}{query}");
            let gone = face.json("DELETE", &path, &Json::Null).await;
            assert_eq!(gone, (200, json!([1])));
        }
    }
    listing.await.unwrap();
    assert_eq!(face.get("/subjects?deleted=true").await, (200, json!([])));
}

/// A schema of a megabyte is registered, found again and compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_schemas_are_taken() {
    let face = face().await;
    let text = |more: &str| {
        let doc = "x".repeat(400);
        let fields = (0..2600).map(|number| format!(r#"{{"name":"f{number}","type":"int","doc":"{doc}"}}"#));
        let fields: Vec<String> = fields.collect();
        format!(
            r#"{{"type":"record","name":"Big","fields":[{}{more}]}}"#,
            fields.join(",")
        )
    };
    let (first, second) = (text(""), text(r#",{"name":"z","type":"int","default":0}"#));
    assert!(first.len() > 1 << 20);
    for (text, version) in [(&first, 1), (&second, 2), (&first, 1)] {
        let body = json!({"schema": text});
        let (status, answer) = face.json("POST", "/subjects/big/versions", &body).await;
        assert_eq!((status, &answer["version"]), (200, &json!(version)));
    }
    let (_, answer) = face.get("/schemas/ids/2").await;
    assert!(answer["schema"].as_str().unwrap().len() > 1 << 20);
}
