//! Topics that demand schemas: what the broker takes and what it refuses, by id, by header, by strategy and by payload.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Message};
use rivulet_tests::Server;
use serde_json::Value as Json;
use std::sync::Mutex;

const RECORD: &str = r#"{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"string"}]}"#;
const PERSON: &str = r#"{"title":"Person","type":"object","properties":{"age":{"type":"integer"}},"required":["age"]}"#;
const PROTO: &str = "syntax = \"proto3\"; package shop; message A { int32 n = 1; } message B { string s = 1; }";

/// What came of the one record that is under way.
#[derive(Default)]
struct Outcome(Mutex<Option<Option<RDKafkaErrorCode>>>);

impl ClientContext for Outcome {}

impl ProducerContext for Outcome {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let code = result.as_ref().err().and_then(|(error, message)| {
            assert!(!message.topic().is_empty());
            error.rdkafka_error_code()
        });
        *self.0.lock().expect("not poisoned") = Some(code);
    }
}

struct Sender(BaseProducer<Outcome>);

impl Sender {
    fn new(server: &Server, compression: &str) -> Sender {
        let mut settings = ClientConfig::new();
        settings
            .set("bootstrap.servers", &server.kafka)
            .set("compression.type", compression);
        Sender(settings.create_with_context(Outcome::default()).expect("a producer"))
    }

    /// Whether the broker takes a record; a refusal must be INVALID_RECORD.
    fn takes(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) -> bool {
        let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(*value),
            })
        });
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).headers(headers);
        record.key = key;
        record.payload = value;
        self.0
            .send(record)
            .unwrap_or_else(|(error, _)| panic!("{topic}: {error}"));
        self.0
            .flush(Duration::from_secs(20))
            .unwrap_or_else(|error| panic!("{topic}: {error}"));
        let outcome = self.0.context().0.lock().expect("not poisoned").take();
        match outcome.expect("the record was answered") {
            None => true,
            Some(RDKafkaErrorCode::InvalidRecord) => false,
            Some(other) => panic!("{topic}: {other}"),
        }
    }
}

/// Registers a text; gives its id and GUID.
fn register(server: &Server, subject: &str, ending: &str, text: &str) -> (i32, [u8; 16]) {
    let file = server.folder().join(format!("schema.{ending}"));
    std::fs::write(&file, text).expect("the file is written");
    let registered = server.rivulet_ok(&["schema", "register", subject, &file.display().to_string()]);
    let registered: Json = serde_json::from_str(&registered).expect("the command prints JSON");
    let shown: Json = serde_json::from_str(&server.rivulet_ok(&["schema", "show", subject])).expect("JSON");
    let digits = shown["guid"].as_str().expect("a GUID").replace('-', "");
    let guid = u128::from_str_radix(&digits, 16).expect("a GUID").to_be_bytes();
    (registered["id"].as_i64().expect("an id") as i32, guid)
}

fn framed(id: i32, payload: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), payload].concat()
}

#[test]
fn records_are_taken_or_refused_by_what_their_topic_demands() {
    let server = Server::start();
    let create = |topic: &str, settings: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["-s", setting]);
        let arguments: Vec<&str> = ["topic", "create", topic].into_iter().chain(settings).collect();
        server.rivulet_ok(&arguments);
    };
    create("free", &[]);
    create("values", &["confluent.value.schema.validation=true"]);
    create("keys", &["confluent.key.schema.validation=true"]);
    let record_strategy =
        "confluent.value.subject.name.strategy=io.confluent.kafka.serializers.subject.RecordNameStrategy";
    create("named", &["confluent.value.schema.validation=true", record_strategy]);
    for topic in ["avro", "json", "proto"] {
        create(topic, &["rivulet.value.payload.validation=true"]);
    }
    let (order, guid) = register(&server, "values-value", "avsc", RECORD);
    let (other, _) = register(&server, "elsewhere", "avsc", "\"int\"");
    let (key, _) = register(&server, "keys-key", "avsc", "\"string\"");
    assert_eq!(register(&server, "shop.Order", "avsc", RECORD).0, order);
    assert_eq!(register(&server, "avro-value", "avsc", RECORD).0, order);
    let (person, _) = register(&server, "json-value", "json", PERSON);
    let (proto, _) = register(&server, "proto-value", "proto", PROTO);
    let named = [&[1][..], &guid].concat();
    let strange = [&[1][..], &[9; 16]].concat();

    type Case<'a> = (
        &'a str,
        Option<Vec<u8>>,
        Option<Vec<u8>>,
        &'a [(&'a str, &'a [u8])],
        bool,
    );
    let cases: [Case<'_>; 30] = [
        ("free", None, Some(b"anything".to_vec()), &[], true),
        ("values", None, Some(framed(order, b"\x02a")), &[], true),
        ("values", Some(b"any key".to_vec()), Some(framed(order, b"")), &[], true),
        ("values", Some(b"a tombstone".to_vec()), None, &[], true),
        ("values", None, Some(framed(other, b"\x02")), &[], false),
        ("values", None, Some(framed(9999, b"")), &[], false),
        ("values", None, Some(framed(-1, b"")), &[], false),
        ("values", None, Some(b"plain text".to_vec()), &[], false),
        ("values", None, Some(vec![0, 0, 0]), &[], false),
        ("values", None, Some(vec![]), &[], false),
        (
            "values",
            None,
            Some(b"\x02a".to_vec()),
            &[("__value_schema_id", &named)],
            true,
        ),
        (
            "values",
            None,
            Some(b"\x02a".to_vec()),
            &[("__key_schema_id", &named)],
            false,
        ),
        (
            "values",
            None,
            Some(b"\x02a".to_vec()),
            &[("__value_schema_id", &strange)],
            false,
        ),
        (
            "values",
            None,
            Some(b"\x02a".to_vec()),
            &[("__value_schema_id", b"short")],
            false,
        ),
        (
            "keys",
            Some(framed(key, b"\x02k")),
            Some(b"any value".to_vec()),
            &[],
            true,
        ),
        (
            "keys",
            Some(framed(order, b"\x02k")),
            Some(b"any value".to_vec()),
            &[],
            false,
        ),
        ("keys", Some(b"k".to_vec()), None, &[], false),
        ("named", None, Some(framed(order, b"\x02a")), &[], true),
        ("named", None, Some(framed(other, b"\x02")), &[], false),
        ("avro", None, Some(framed(order, b"\x02a")), &[], true),
        ("avro", None, Some(framed(order, b"\x08a")), &[], false),
        ("avro", None, Some(framed(order, b"\x02aa")), &[], false),
        (
            "avro",
            None,
            Some(b"\x02a".to_vec()),
            &[("__value_schema_id", &named)],
            true,
        ),
        ("json", None, Some(framed(person, br#"{"age":3}"#)), &[], true),
        ("json", None, Some(framed(person, br#"{"age":"old"}"#)), &[], false),
        ("json", None, Some(framed(person, b"{")), &[], false),
        ("proto", None, Some(framed(proto, b"\x00\x08\x05")), &[], true),
        ("proto", None, Some(framed(proto, b"\x02\x02\x0a\x01x")), &[], true),
        ("proto", None, Some(framed(proto, b"\x02\x08\x0a\x01x")), &[], false),
        ("proto", None, Some(framed(proto, b"\x02\x02\x0a\x05x")), &[], false),
    ];
    for compression in ["none", "zstd"] {
        let sender = Sender::new(&server, compression);
        for (topic, key, value, headers, wanted) in &cases {
            let taken = sender.takes(topic, key.as_deref(), value.as_deref(), headers);
            assert_eq!(taken, *wanted, "{compression} {topic} {key:?} {value:?} {headers:?}");
        }
    }

    // A version that is deleted is registered no more; the setting can be taken back.
    let sender = Sender::new(&server, "none");
    server.rivulet_ok(&["schema", "delete", "values-value@1"]);
    assert!(!sender.takes("values", None, Some(&framed(order, b"\x02a")), &[]));
    let refused = server.rivulet(&[
        "topic",
        "create",
        "wrong",
        "-s",
        "confluent.value.schema.validation=yes",
    ]);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("InvalidConfig"),
        "{refused:?}"
    );
}
