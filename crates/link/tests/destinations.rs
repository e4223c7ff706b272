//! Exporters against destinations that are scripted: what they are sent, in which order, and what comes of what they
//! answer.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "../../catalog/tests/common/mod.rs"]
mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::RealClock;
use catalog::{ExporterRegistry, Registry};
use client::Topics;
use memory::Memory;
use parking_lot::Mutex;
use rivulet_link::Linker;
use schema::exporter::{ExporterRequest, Progress, State};
use schema::subjects::{Reference, Registration};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How soon an exporter must be where it is expected.
const WITHIN: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Clone, Debug)]
struct Asked {
    /// Method and path.
    what: String,
    headers: Vec<String>,
    body: Json,
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Decides an answer, given how many requests like this one came before; none for what a registry would say.
type Script = fn(&Asked, usize) -> Option<(u16, Json)>;

#[derive(Clone)]
struct Destination {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Destination {
    async fn start(script: Script) -> Destination {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let destination = Destination {
            address,
            asked: Arc::clone(&asked),
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let asked = Arc::clone(&asked);
                tokio::spawn(async move { answer(stream, &asked, script).await });
            }
        });
        destination
    }

    /// Everything asked so far that is not about who and how the destination is.
    fn changes(&self) -> Vec<String> {
        let asked = self.asked.lock();
        let changes = asked.iter().filter(|asked| !asked.what.starts_with("GET"));
        changes.map(|asked| asked.what.clone()).collect()
    }
}

async fn answer(stream: TcpStream, asked: &Mutex<Vec<Asked>>, script: Script) {
    let mut stream = BufReader::new(stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            line => headers.push(line.to_owned()),
        }
    }
    let Some(first) = headers.first() else { return };
    let what = first.strip_suffix(" HTTP/1.1").unwrap().to_owned();
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    let request = Asked {
        what,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let before = {
        let mut asked = asked.lock();
        let before = asked.iter().filter(|other| other.what == request.what).count();
        asked.push(request.clone());
        before
    };
    let (status, body) = script(&request, before).unwrap_or_else(|| usual(&request));
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n");
    let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
}

/// What an empty registry says.
fn usual(asked: &Asked) -> (u16, Json) {
    let (method, path) = asked.what.split_once(' ').unwrap();
    match method {
        "GET" if path.starts_with("/mode/") => (200, json!({"mode": "READWRITE"})),
        "GET" if path.starts_with("/subjects/") => (404, json!({"error_code": 40401, "message": "none"})),
        "POST" => (200, json!({"id": asked.body["id"]})),
        _ => (200, json!({})),
    }
}

/// A source with two schemas, the second referring to the first.
struct Source {
    topics: Arc<Memory>,
    registry: Arc<Registry>,
    exporters: Arc<ExporterRegistry>,
}

impl Source {
    async fn new() -> Source {
        let topics = Arc::<Memory>::default();
        let shared = || Arc::clone(&topics) as Arc<dyn Topics>;
        let registry = Registry::open(shared(), Arc::new(RealClock::new()), "C1")
            .await
            .unwrap();
        let exporters = ExporterRegistry::open(shared(), Arc::new(RealClock::new()))
            .await
            .unwrap();
        let source = Source {
            topics,
            registry,
            exporters,
        };
        source
            .register("a/b", r#"{"type":"record","name":"A","fields":[]}"#, &[])
            .await;
        let refers = r#"{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}"#;
        source.register("c", refers, &[("A", "a/b")]).await;
        source
    }

    async fn register(&self, subject: &str, text: &str, references: &[(&str, &str)]) {
        let reference = |(name, subject): &(&str, &str)| Reference {
            name: (*name).to_owned(),
            subject: (*subject).to_owned(),
            version: 1,
        };
        let wanted = Registration {
            text: text.to_owned(),
            references: references.iter().map(reference).collect(),
            ..Registration::default()
        };
        let registered = self.registry.register_schema(subject, wanted, false, false).await;
        registered.unwrap();
    }

    fn link(&self) -> Linker {
        let topics = Arc::clone(&self.topics) as Arc<dyn Topics>;
        Linker::start(topics, Arc::clone(&self.registry), Arc::clone(&self.exporters))
    }

    async fn export(&self, to: &Destination, subjects: &str, extra: Pairs<'_>) {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut config: BTreeMap<String, String> = extra.iter().map(pair).collect();
        config.insert("schema.registry.url".to_owned(), format!("http://{}/", to.address));
        let request = ExporterRequest {
            name: Some("e".to_owned()),
            subjects: Some(vec![subjects.to_owned()]),
            config: Some(config),
            ..ExporterRequest::default()
        };
        self.exporters
            .change(|state| state.create(request.clone()))
            .await
            .unwrap();
    }

    fn progress(&self) -> Progress {
        self.exporters.state().get("e").unwrap().progress.clone()
    }

    async fn until(&self, is_so: impl Fn(&Progress) -> bool) -> Progress {
        let waited = tokio::time::timeout(WITHIN, async {
            loop {
                let progress = self.progress();
                if is_so(&progress) {
                    return progress;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{:?}", self.progress()))
    }
}

const MODE: &str = "PUT /mode/%3A%2EC1%3A";
const FIRST: &str = "POST /subjects/%3A%2EC1%3Aa%2Fb/versions";
const SECOND: &str = "POST /subjects/%3A%2EC1%3Ac/versions";

/// What is referred to comes first, whether it was chosen or not; what was exported is not exported again.
#[tokio::test]
async fn everything_is_sent_once_and_in_order() {
    for subjects in ["*", "c"] {
        let (source, destination) = (Source::new().await, Destination::start(|_, _| None).await);
        let linker = source.link();
        source.export(&destination, subjects, &[]).await;
        source.until(|progress| progress.state == State::Running).await;
        assert_eq!(destination.changes(), [MODE, FIRST, SECOND], "{subjects}");
        let sent = destination
            .asked
            .lock()
            .iter()
            .find(|asked| asked.what == SECOND)
            .unwrap()
            .body
            .clone();
        assert_eq!((&sent["id"], &sent["version"]), (&json!(2), &json!(1)), "{sent}");
        assert_eq!(
            sent["references"],
            json!([{"name": "A", "subject": "a/b", "version": 1}])
        );

        linker.stop();
        let (linker, before) = (source.link(), destination.asked.lock().len());
        source.register("c2", r#""int""#, &[]).await;
        let end = source.progress().offset + 1;
        source.until(|progress| progress.offset == end).await;
        let third = "POST /subjects/%3A%2EC1%3Ac2/versions";
        let changes = &destination.changes()[3..];
        match subjects {
            "*" => assert_eq!(changes, [MODE, third]),
            _ => assert!(changes.is_empty(), "{changes:?}"),
        }
        let asked = destination.asked.lock().len() - before;
        assert!(asked <= 4, "{asked}");
        linker.stop();
    }
}

#[tokio::test]
async fn destinations_are_told_who_asks() {
    let basic = [
        ("basic.auth.credentials.source", "USER_INFO"),
        ("basic.auth.user.info", "user:pass:word"),
    ];
    let bearer = [
        ("bearer.auth.credentials.source", "STATIC_TOKEN"),
        ("bearer.auth.token", "t0ken"),
        ("bearer.auth.logical.cluster", "lsrc-1"),
        ("bearer.auth.identity.pool.id", "pool-1"),
    ];
    let cases: [(Pairs, &[&str]); 3] = [
        (&[], &[]),
        (&basic, &["authorization: Basic dXNlcjpwYXNzOndvcmQ="]),
        (
            &bearer,
            &[
                "authorization: Bearer t0ken",
                "target-sr-cluster: lsrc-1",
                "confluent-identity-pool-id: pool-1",
            ],
        ),
    ];
    for (config, headers) in cases {
        let (source, destination) = (Source::new().await, Destination::start(|_, _| None).await);
        let linker = source.link();
        source.export(&destination, "*", config).await;
        source.until(|progress| progress.state == State::Running).await;
        for asked in destination.asked.lock().iter() {
            let told = asked.headers.iter().filter(|line| {
                let name = line.split(':').next().unwrap();
                ["authorization", "target-sr-cluster", "confluent-identity-pool-id"].contains(&name)
            });
            assert_eq!(told.collect::<Vec<_>>(), headers, "{asked:?}");
        }
        linker.stop();
    }
}

#[tokio::test]
async fn what_is_refused_pauses_and_what_fails_is_tried_again() {
    let secret = [
        ("basic.auth.credentials.source", "USER_INFO"),
        ("basic.auth.user.info", "user:s3cret"),
    ];
    let cases: [(Script, Result<(), &str>); 8] = [
        (|_, before| (before < 2).then(|| (503, json!({}))), Ok(())),
        (|_, before| (before < 1).then(|| (429, json!("no JSON object"))), Ok(())),
        (|_, _| Some((401, json!({}))), Err("with 401")),
        // Credentials do not go elsewhere.
        (|_, _| Some((302, json!({}))), Err("with 302")),
        (
            |asked, _| {
                asked
                    .what
                    .starts_with("PUT")
                    .then(|| (422, json!({"error_code": 42205, "message": "full"})))
            },
            Err("with 42205: full"),
        ),
        (
            |asked, _| (asked.what == SECOND).then(|| (409, json!({"error_code": 40901, "message": "unfit"}))),
            Err("with 40901: unfit"),
        ),
        (
            |asked, _| (asked.what == SECOND).then(|| (200, json!({"id": 77}))),
            Err("as something else"),
        ),
        (
            |asked, _| (asked.what == SECOND).then(|| (200, json!({"id": 2, "version": 9}))),
            Err("as something else"),
        ),
    ];
    for (number, (script, expected)) in cases.into_iter().enumerate() {
        let (source, destination) = (Source::new().await, Destination::start(script).await);
        let linker = source.link();
        source.export(&destination, "*", &secret).await;
        let progress = source.until(|progress| progress.state != State::Starting).await;
        let trace = progress.trace.unwrap_or_default();
        assert!(!trace.contains("s3cret") && !trace.contains("czNjcmV0"), "{trace}");
        match expected {
            Ok(()) => {
                assert_eq!((progress.state, &*trace), (State::Running, ""), "case {number}");
                let posted = destination.changes().into_iter().filter(|what| what == SECOND).count();
                assert!(posted > 1, "case {number}");
            }
            Err(why) => {
                assert_eq!(progress.state, State::Paused, "case {number}");
                assert!(trace.contains(why), "case {number}: {trace}");
                let asked = destination.asked.lock().len();
                // Nobody tries before it is resumed.
                tokio::time::sleep(Duration::from_millis(300)).await;
                assert_eq!(destination.asked.lock().len(), asked, "case {number}");
            }
        }
        linker.stop();
    }
}

/// A version that was deleted for good since is not sent at all, although its records are still there.
#[tokio::test]
async fn what_is_gone_is_left_out() {
    let refuse: Script =
        |asked, _| (asked.what == SECOND).then(|| (422, json!({"error_code": 42201, "message": "no"})));
    let (source, destination) = (Source::new().await, Destination::start(refuse).await);
    let name = schema::subjects::Name::parse("c");
    for permanent in [false, true] {
        let deleted = source
            .registry
            .change(|state, _| state.delete_subject(&name, permanent))
            .await;
        deleted.unwrap();
    }
    let linker = source.link();
    source.export(&destination, "*", &[]).await;
    let progress = source.until(|progress| progress.state != State::Starting).await;
    assert_eq!((progress.state, progress.trace), (State::Running, None));
    assert!(destination.changes().iter().all(|what| what != SECOND));
    linker.stop();
}

/// A deletion that something is in the way of waits; if nothing clears the way, the exporter pauses in front of it.
#[tokio::test]
async fn deletions_wait_for_each_other() {
    const GOES: &str = "DELETE /subjects/%3A%2EC1%3Ac/versions/1";
    let cases: [(Script, State); 2] = [
        (
            |asked, before| (asked.what == GOES && before < 1).then(|| (422, json!({"error_code": 42206}))),
            State::Running,
        ),
        (
            |asked, _| (asked.what == GOES).then(|| (422, json!({"error_code": 42206}))),
            State::Paused,
        ),
    ];
    for (script, expected) in cases {
        let (source, destination) = (Source::new().await, Destination::start(script).await);
        let linker = source.link();
        source.export(&destination, "*", &[]).await;
        let before = source.until(|progress| progress.state == State::Running).await;
        let name = schema::subjects::Name::parse("c");
        let deleted = source
            .registry
            .change(|state, _| state.delete_subject(&name, false))
            .await;
        deleted.unwrap();
        let ends = |progress: &Progress| progress.state == State::Paused || progress.offset > before.offset;
        let after = source.until(ends).await;
        assert_eq!(after.state, expected, "{after:?}");
        let asked = destination.changes().into_iter().filter(|what| what == GOES).count();
        assert_eq!(asked, 2);
        match expected {
            State::Paused => assert_eq!(after.offset, before.offset, "it would be left out"),
            _ => assert_eq!(after.offset, before.offset + 1),
        }
        linker.stop();
    }
}
