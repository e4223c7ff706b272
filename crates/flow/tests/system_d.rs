//! The routing SQL of a published CDC system, in its variants: each runs unchanged and routes exactly what it should,
//! or is refused with a message that says what to write instead.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use client::SchemaType;
use common::Platform;
use rivulet_flow::{Engine, FlowError, Phase};
use serde_json::{Value as Json, json};

const TYPES: [(&str, &str, &str); 4] = [
    ("CarCreated", "Car Created", "filtered-car-created-events"),
    ("LoanCreated", "Loan Created", "filtered-loan-created-events"),
    (
        "LoanPaymentSubmitted",
        "Loan Payment Submitted",
        "filtered-loan-payment-submitted-events",
    ),
    ("CarServiceDone", "Car Service Done", "filtered-service-events"),
];

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/system_d")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

async fn apply(engine: &Engine, sql: &str) -> Vec<rivulet_flow::Statement> {
    match engine.apply_script("d", sql, &BTreeMap::new()).await {
        Ok(statements) => statements,
        Err(error) => panic!("refused:\n{}", error.render(sql)),
    }
}

/// A change record as the connector writes it.
fn change(id: &str, event_type: &str, event_name: &str, op: &str) -> Json {
    json!({
        "id": id, "event_name": event_name, "event_type": event_type, "created_date": "2026-01-02T03:04:05Z",
        "saved_date": "2026-01-02T03:04:06Z", "header_data": format!("{{\"uuid\":\"{id}\",\"note\":\"a \\\"quoted\\\" line\\n\"}}"),
        "__op": op, "__table": "event_headers", "__ts_ms": 1_767_323_045_678_i64
    })
}

/// 40 events of 4 types, 10 of each, among updates, deletes and blanks that must not pass where `__op` is asked for.
fn produce_events(platform: &Platform, framed: bool) {
    for number in 0..40 {
        let (event_type, event_name, _) = TYPES[number % 4];
        let put = |id: String, event_type: &str, op: &str| {
            let text = change(&id, event_type, event_name, op).to_string();
            let value = if framed {
                platform.encode("raw-event-headers-value", &text)
            } else {
                text.into_bytes()
            };
            platform.produce("raw-event-headers", Some(id.as_bytes()), Some(value));
        };
        put(format!("e-{number}"), event_type, "c");
        if number % 5 == 0 {
            put(format!("u-{number}"), event_type, "u");
            put(format!("d-{number}"), event_type, "d");
            put(format!("blank-{number}"), "", "c");
        }
    }
}

fn ids(platform: &Platform, topic: &str) -> Vec<String> {
    let mut ids: Vec<String> = platform
        .records(topic)
        .into_iter()
        .map(|(_, record)| {
            let value: Json = serde_json::from_str(&platform.decode(&record.value.unwrap())).unwrap();
            value["id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort();
    ids
}

async fn routes(file: &str, suffix: &str, framed: bool, every_op: bool) {
    let platform = Platform::new();
    platform.create_topic("raw-event-headers", 3);
    if framed {
        platform.register("raw-event-headers-value", SchemaType::Json, r#"{"type":"object"}"#);
    }
    let engine = platform.engine();
    let sql = read(file);
    assert_eq!(
        sql.matches("CREATE TABLE").count() + sql.matches("INSERT INTO").count(),
        9,
        "{file}"
    );
    let statements = apply(&engine, &sql).await;
    let running = statements
        .iter()
        .filter(|statement| statement.phase == Phase::Running)
        .count();
    assert_eq!(running, 4, "{file}: one job for each INSERT");
    produce_events(&platform, framed);
    let mut all_expected = Vec::new();
    for (number, (_, _, topic)) in TYPES.iter().enumerate() {
        let topic = format!("{topic}{suffix}");
        let mut expected: BTreeSet<String> = (0..40).filter(|n| n % 4 == number).map(|n| format!("e-{n}")).collect();
        if every_op {
            let changes = (0..40).filter(|n| n % 4 == number && n % 5 == 0);
            expected.extend(changes.flat_map(|n| [format!("u-{n}"), format!("d-{n}")]));
        }
        platform.wait_for(&topic, expected.len()).await;
        all_expected.push((topic, expected.into_iter().collect::<Vec<_>>()));
    }
    engine.shutdown().await;
    for (topic, expected) in all_expected {
        assert_eq!(ids(&platform, &topic), expected, "{file}, {topic}");
    }
}

#[tokio::test]
async fn the_current_set_routes_exactly_the_right_ids() {
    routes("current/confluent.sql", "-flink", true, false).await;
    routes("current/kafka.sql", "-flink", false, false).await;
    routes("current/msk.sql", "-msk", false, false).await;
    routes("current/generated.sql", "-flink", false, false).await;
    routes("current/no_op.sql", "-spring", false, true).await;
}

#[tokio::test]
async fn the_sink_keeps_fields_and_leaves_the_capture_time_out() {
    let platform = Platform::new();
    platform.create_topic("raw-event-headers", 1);
    let engine = platform.engine();
    apply(&engine, &read("current/generated.sql")).await;
    platform.produce(
        "raw-event-headers",
        None,
        Some(change("e-1", "CarCreated", "Car Created", "c").to_string().into_bytes()),
    );
    platform.wait_for("filtered-car-created-events-flink", 1).await;
    let (_, record) = platform.records("filtered-car-created-events-flink").remove(0);
    assert_eq!(
        record.key.as_deref(),
        Some(b"e-1".as_slice()),
        "`key` BYTES is the record's key"
    );
    let mut expected = change("e-1", "CarCreated", "Car Created", "c");
    expected.as_object_mut().unwrap().remove("__ts_ms");
    let value: Json = serde_json::from_str(&platform.decode(&record.value.unwrap())).unwrap();
    assert_eq!(value, expected);
    engine.shutdown().await;
}

#[tokio::test]
async fn plain_json_under_json_registry_fails_and_says_how_to_mend_it() {
    let platform = Platform::new();
    platform.create_topic("raw-event-headers", 1);
    let engine = platform.engine();
    let statements = apply(&engine, &read("current/confluent.sql")).await;
    platform.produce(
        "raw-event-headers",
        None,
        Some(change("e-1", "CarCreated", "Car Created", "c").to_string().into_bytes()),
    );
    let ended = engine.wait(&statements.last().unwrap().name).await.unwrap();
    assert_eq!(ended.phase, Phase::Failed);
    let wanted = "topic `raw-event-headers`, partition 0, offset 0: the record's value cannot be read: it begins with the bytes `7b 22";
    assert!(ended.detail.starts_with(wanted), "{}", ended.detail);
    assert!(ended.detail.contains("'value.format' = 'json'"), "{}", ended.detail);
    engine.shutdown().await;

    // The option that takes both.
    let platform = Platform::new();
    platform.create_topic("raw-event-headers", 1);
    let engine = platform.engine();
    let sql = read("current/confluent.sql").replacen(
        "'value.format' = 'json-registry'",
        "'value.format' = 'json-registry', 'json-registry.accept-plain-json' = 'true'",
        1,
    );
    apply(&engine, &sql).await;
    platform.produce(
        "raw-event-headers",
        None,
        Some(change("e-1", "CarCreated", "Car Created", "c").to_string().into_bytes()),
    );
    platform.wait_for("filtered-car-created-events-flink", 1).await;
    engine.shutdown().await;
}

fn nested(id: &str, event_type: &str, event_name: &str, entity: &str, attributes: &Json) -> String {
    json!({
        "eventHeader": {"uuid": id, "eventName": event_name, "eventType": event_type, "createdDate": 1_767_323_045_678_i64, "savedDate": 0},
        "eventBody": {"entities": [{"entityType": entity, "entityId": "x", "updatedAttributes": attributes}]},
        "sourceMetadata": {"table": "t", "operation": "INSERT", "timestamp": 0}
    })
    .to_string()
}

fn with_nested_source() -> Platform {
    let platform = Platform::new();
    platform.create_topic("raw_business_events", 2);
    platform.register(
        "raw_business_events-value",
        SchemaType::Avro,
        read("raw_business_event.avsc").trim(),
    );
    platform
}

#[tokio::test]
async fn nested_avro_is_routed_to_three_topics() {
    let platform = with_nested_source();
    let engine = platform.engine();
    let statements = apply(&engine, &read("nested_avro.sql")).await;
    let warned = statements
        .iter()
        .any(|statement| statement.warnings.iter().any(|w| w.contains("avro-confluent")));
    assert!(warned, "the spelling of the format is remarked on");
    for number in 0..40 {
        let (event_type, event_name, _) = TYPES[number % 4];
        let (entity, attributes) = match number % 4 {
            0 => ("Car", json!({})),
            3 => (
                "Car",
                json!({"dealerId": if number % 8 == 3 { "dealer-001" } else { "dealer-002" }}),
            ),
            _ => ("Loan", json!({"loan.loanAmount": "1000"})),
        };
        let value = platform.encode(
            "raw_business_events-value",
            &nested(&format!("e-{number}"), event_type, event_name, entity, &attributes),
        );
        platform.produce("raw_business_events", None, Some(value));
    }
    let mut got = BTreeMap::new();
    for (topic, count) in [
        ("filtered_loan_events", 20),
        ("filtered_service_events", 5),
        ("filtered_car_events", 10),
    ] {
        platform.wait_for(topic, count).await;
        let uuids: BTreeSet<usize> = platform
            .records(topic)
            .into_iter()
            .map(|(_, record)| {
                let value: Json = serde_json::from_str(&platform.decode(&record.value.unwrap())).unwrap();
                assert_eq!(value["filterMetadata"]["filteredAt"], json!(1_767_323_045_000_i64));
                value["eventHeader"]["uuid"].as_str().unwrap()[2..].parse().unwrap()
            })
            .collect();
        assert_eq!(platform.records(topic).len(), count);
        got.insert(topic, uuids);
    }
    assert_eq!(
        got["filtered_loan_events"],
        (0..40).filter(|n| n % 4 == 1 || n % 4 == 2).collect()
    );
    assert_eq!(got["filtered_service_events"], (0..40).filter(|n| n % 8 == 3).collect());
    assert_eq!(got["filtered_car_events"], (0..40).filter(|n| n % 4 == 0).collect());
    engine.shutdown().await;
}

#[tokio::test]
async fn json_documents_in_a_column_are_taken_apart() {
    let platform = Platform::new();
    platform.create_topic("raw_json_events", 1);
    let engine = platform.engine();
    apply(&engine, &read("flat_json.sql")).await;
    for (id, amount) in [("small", 5000.0), ("large", 250_000.5)] {
        let data = json!({"eventHeader": {"eventType": "LoanCreated"}, "loan": {"loanAmount": amount}}).to_string();
        let value = json!({"id": id, "data": data, "__op": "c"}).to_string();
        platform.produce("raw_json_events", None, Some(value.into_bytes()));
    }
    platform.produce("raw_json_events", None, Some(b"garbage".to_vec()));
    platform.wait_for("filtered_large_loans", 1).await;
    let (_, record) = platform.records("filtered_large_loans").remove(0);
    let value: Json = serde_json::from_slice(&record.value.unwrap()).unwrap();
    assert_eq!(
        (value["id"].as_str(), value["loan_amount"].as_f64()),
        (Some("large"), Some(250_000.5))
    );
    engine.shutdown().await;
}

/// What the examples read and write besides what they make themselves.
const EXAMPLE_TABLES: &str = "
CREATE TABLE filtered (eventHeader ROW<uuid STRING, eventName STRING, eventType STRING, createdDate BIGINT, savedDate BIGINT>, sourceMetadata ROW<`table` STRING, operation STRING, `timestamp` BIGINT>) WITH ('connector' = 'kafka', 'topic' = 'filtered', 'format' = 'json');
CREATE TABLE counts (window_start TIMESTAMP(3), event_name STRING, n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'counts', 'format' = 'json');
CREATE TABLE averages (window_start TIMESTAMP(3), average DOUBLE) WITH ('connector' = 'kafka', 'topic' = 'averages', 'format' = 'json');
CREATE TABLE dead_letters (id STRING, reason STRING, detail STRING) WITH ('connector' = 'kafka', 'topic' = 'dead_letters', 'format' = 'json');
";

#[tokio::test]
async fn nineteen_examples_run_or_are_refused_with_a_way_out() {
    let source = read("nested_avro.sql");
    let source_table = &source[..source.find(';').unwrap() + 1];
    let all = read("examples.sql");
    let examples: Vec<&str> = all.split("\n--- ").skip(1).collect();
    assert_eq!(examples.len(), 19);
    for example in examples {
        let (head, sql) = example.split_once('\n').unwrap();
        let (name, expected) = head.split_once(": ").unwrap();
        let platform = with_nested_source();
        let engine = platform.engine();
        apply(&engine, &format!("{source_table}{EXAMPLE_TABLES}")).await;
        let outcome = engine.apply_script("example", sql, &BTreeMap::new()).await;
        match (expected, outcome) {
            ("runs", Ok(statements)) => assert!(statements.iter().all(|s| s.phase == Phase::Running), "{name}"),
            ("runs", Err(error)) => panic!("{name} is refused:\n{}", error.render(sql)),
            (_, Ok(_)) => panic!("{name} runs"),
            (message, Err(FlowError::Sql(errors))) => {
                let found = errors.iter().find(|error| error.message.starts_with(message));
                let found = found.unwrap_or_else(|| panic!("{name}: {errors:#?}"));
                assert!(
                    found.hint.as_ref().is_some_and(|hint| hint.len() > 10),
                    "{name} says what to write instead"
                );
                assert!(found.line >= 1 && found.column >= 1);
            }
            (_, Err(other)) => panic!("{name}: {other}"),
        }
        engine.shutdown().await;
    }
}
