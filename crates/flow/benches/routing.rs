//! How many records a second one job routes on one core, from memory to memory: `cargo bench -p rivulet-flow`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement prints and fails by panicking"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use base::{Clock, RealClock};
use client::SchemaType;
use common::Platform;

const RECORDS: usize = 300_000;
const SCHEMA: &str = r#"{"type":"record","name":"Event","fields":[{"name":"id","type":"string"},{"name":"event_name","type":"string"},{"name":"event_type","type":"string"},{"name":"created","type":"long"},{"name":"amount","type":["null","double"],"default":null},{"name":"header","type":{"type":"record","name":"Header","fields":[{"name":"uuid","type":"string"},{"name":"source","type":"string"},{"name":"tags","type":{"type":"array","items":"string"}}]}},{"name":"note","type":"string"}]}"#;
const EVENT: &str = r#"{"id":"e-0000001","event_name":"Loan Created","event_type":"LoanCreated","created":1767323045678,"amount":1250.5,"header":{"uuid":"2c1f8f0e-9a8b-4b7e-8a70-0d1f6f1b2c3d","source":"branch-17","tags":["a","b","c"]},"note":"a note of some length, as such events carry for whoever reads them later on"}"#;

fn main() {
    let json = "CREATE TABLE event (id STRING, event_type STRING, note STRING) WITH ('connector' = 'kafka', 'topic' = 'json', 'format' = 'json');";
    measure(
        "avro to avro, 7 of 7 columns",
        "avro",
        "INSERT INTO routed SELECT * FROM avro WHERE event_type = 'LoanCreated';",
    );
    measure(
        "avro to avro, 3 of 7 columns",
        "avro",
        "CREATE TABLE few (id STRING NOT NULL, event_name STRING, created BIGINT) WITH ('topic' = 'routed', 'value.format' = 'avro-registry'); INSERT INTO few SELECT id, event_name, created FROM avro WHERE event_type = 'LoanCreated';",
    );
    measure(
        "avro, none passes the filter",
        "avro",
        "INSERT INTO routed SELECT * FROM avro WHERE event_type = 'CarCreated';",
    );
    measure(
        "json to json, 3 of 7 columns",
        "json",
        &format!(
            "{json} CREATE TABLE out_json WITH ('connector' = 'kafka', 'topic' = 'routed', 'format' = 'json') AS SELECT * FROM event WHERE event_type = 'LoanCreated';"
        ),
    );
}

fn measure(name: &str, topic: &str, sql: &str) {
    let platform = Platform::new();
    platform.create_topic(topic, 1);
    if topic == "avro" {
        platform.register("avro-value", SchemaType::Avro, SCHEMA);
        platform.create_topic("routed", 1);
        if sql.contains("SELECT *") {
            platform.register("routed-value", SchemaType::Avro, SCHEMA);
        }
    }
    let value = platform.encode(&format!("{topic}-value"), EVENT);
    for _ in 0..RECORDS {
        platform.produce(topic, None, Some(value.clone()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let engine = platform.engine();
        let clock = RealClock::new();
        let statements = match engine.apply_script("bench", sql, &BTreeMap::new()).await {
            Ok(statements) => statements,
            Err(error) => panic!("{}", error.render(sql)),
        };
        let job = &statements.last().unwrap().name;
        loop {
            let now = engine.get(job).await.unwrap();
            assert!(now.phase == rivulet_flow::Phase::Running, "{}", now.detail);
            if now
                .latest_offsets
                .iter()
                .any(|position| position.offset == RECORDS as i64)
            {
                break;
            }
            tokio::task::yield_now().await;
        }
        let seconds = clock.monotonic().as_secs_f64();
        println!(
            "{name}: {:.0} records/s ({} bytes each)",
            RECORDS as f64 / seconds,
            value.len()
        );
        engine.shutdown().await;
    });
}
