//! What clients push, as a raw client sees it: told what to push, pushing, found again as records of a topic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use rivulet_broker::BrokerOptions;
use support::{Client, quick_options, start, start_with, values_of};
use wire::messages::api_versions_request::ApiVersionsRequest;
use wire::messages::get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest as Ask;
use wire::messages::incremental_alter_configs_request as alter;
use wire::messages::push_telemetry_request::PushTelemetryRequest as Push;
use wire::{Compression, ErrorCode};

const KEYS: [i16; 2] = [71, 72];

fn options(settings: &[(&str, &str)]) -> BrokerOptions {
    let mut options = quick_options();
    for (name, value) in [("client.telemetry.topic", "measured")].iter().chain(settings) {
        options.set(name, value).unwrap();
    }
    options
}

async fn says_its_software(client: &mut Client, name: &str) -> Vec<i16> {
    let request = ApiVersionsRequest {
        client_software_name: name.to_owned(),
        client_software_version: "1.2".to_owned(),
    };
    let response = client.call(3, &request).await;
    assert_eq!(response.error_code, 0);
    response.api_keys.iter().map(|api| api.api_key).collect()
}

async fn subscribe(client: &mut Client, name: &str, settings: &[(&str, &str)]) {
    let configs = settings.iter().map(|&(name, value)| alter::AlterableConfig {
        name: name.to_owned(),
        config_operation: 0,
        value: Some(value.to_owned()),
    });
    let request = alter::IncrementalAlterConfigsRequest {
        resources: vec![alter::AlterConfigsResource {
            resource_type: 16,
            resource_name: name.to_owned(),
            configs: configs.collect(),
        }],
        validate_only: false,
    };
    assert_eq!(client.call(1, &request).await.responses[0].error_code, 0);
}

/// A gauge `up` of one point, 1.5, as OpenTelemetry writes it.
fn metrics() -> Vec<u8> {
    let field = |tag: u8, body: &[u8]| [&[tag << 3 | 2, body.len() as u8][..], body].concat();
    let point = [&[4 << 3 | 1][..], &1.5_f64.to_le_bytes()].concat();
    let metric = [field(1, b"up"), field(5, &field(1, &point))].concat();
    field(1, &field(2, &field(2, &metric)))
}

fn push(id: [u8; 16], subscription_id: i32, metrics: Vec<u8>) -> Push {
    Push {
        client_instance_id: id,
        subscription_id,
        metrics: metrics.into(),
        ..Push::default()
    }
}

async fn pushed(client: &mut Client, push: Push) -> ErrorCode {
    ErrorCode::from_code(client.call(0, &push).await.error_code).unwrap()
}

#[tokio::test]
async fn nothing_is_offered_without_a_topic() {
    let running = start().await;
    let mut client = running.client().await;
    let keys = says_its_software(&mut client, "shop").await;
    assert!(KEYS.iter().all(|key| !keys.contains(key)), "{keys:?}");
    client.send(0, &Ask::default()).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn what_clients_push_becomes_records() {
    let running = start_with(options(&[])).await;
    let mut client = running.client().await;
    let keys = says_its_software(&mut client, "shop").await;
    assert!(KEYS.iter().all(|key| keys.contains(key)), "{keys:?}");
    subscribe(
        &mut client,
        "ours",
        &[("metrics", "up"), ("match", "client_software_name=shop")],
    )
    .await;
    let told = client.call(0, &Ask::default()).await;
    assert_eq!(
        (told.error_code, told.requested_metrics.as_slice()),
        (0, &["up".to_owned()][..])
    );
    assert_eq!((told.push_interval_ms, told.telemetry_max_bytes), (300_000, 1 << 20));
    assert!(told.delta_temporality);
    let mut stranger = running.client().await;
    let other = stranger.call(0, &Ask::default()).await;
    assert_eq!(other.requested_metrics, [""; 0], "its software has another name");
    assert_ne!(other.client_instance_id, told.client_instance_id);

    let id = told.client_instance_id;
    let zstd = Push {
        compression_type: Compression::Zstd.code() as i8,
        ..push(
            id,
            told.subscription_id,
            Compression::Zstd.compress(&metrics()).unwrap(),
        )
    };
    assert_eq!(pushed(&mut client, zstd.clone()).await, ErrorCode::None);
    assert_eq!(
        pushed(&mut client, zstd.clone()).await,
        ErrorCode::ThrottlingQuotaExceeded
    );
    let last = Push {
        terminating: true,
        ..zstd
    };
    assert_eq!(pushed(&mut client, last).await, ErrorCode::None);
    let kept = client.fetch("measured", 0, 0).await;
    let port = client.stream.local_addr().unwrap().port();
    let instance = URL_SAFE_NO_PAD.encode(id);
    let expected = |terminating: bool| {
        format!(
            r#"{{"client_instance_id":"{instance}","client_id":"test","client_software_name":"shop","client_software_version":"1.2","client_source_address":"127.0.0.1","client_source_port":{port},"terminating":{terminating},"metrics":[{{"name":"up","kind":"gauge","attributes":{{}},"value":1.5}}]}}"#
        )
    };
    assert_eq!(values_of(&kept), [expected(false), expected(true)]);
    let keys: Vec<Bytes> = support::records_of(&kept)
        .into_iter()
        .filter_map(|record| record.key)
        .collect();
    assert_eq!(keys, [&instance, &instance], "a client's pushes share a partition");

    // What is wanted of it is the same after a restart, so its pushes go on.
    let running = running.restart(options(&[])).await;
    let mut client = running.client().await;
    says_its_software(&mut client, "shop").await;
    assert_eq!(
        pushed(&mut client, push(id, told.subscription_id, metrics())).await,
        ErrorCode::None
    );
    subscribe(&mut client, "ours", &[("metrics", "up,down")]).await;
    let stale = push(id, told.subscription_id, metrics());
    assert_eq!(pushed(&mut client, stale).await, ErrorCode::UnknownSubscriptionId);
    let told = client.call(0, &Ask { client_instance_id: id }).await;
    assert_eq!(told.requested_metrics, ["down", "up"]);
    assert_eq!(values_of(&client.fetch("measured", 0, 0).await).len(), 3);
}

#[tokio::test]
async fn an_instance_is_forgotten_with_its_connection() {
    let running = start_with(options(&[])).await;
    let mut client = running.client().await;
    let told = client.call(0, &Ask::default()).await;
    let again = Ask {
        client_instance_id: told.client_instance_id,
    };
    let early = ErrorCode::ThrottlingQuotaExceeded.code();
    assert_eq!(client.call(0, &again).await.error_code, early);
    let mut other = running.client().await;
    assert_eq!(other.call(0, &again).await.error_code, early, "it still is connected");
    drop(client);
    while other.call(0, &again).await.error_code == early {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_is_too_large_is_refused() {
    let running = start_with(options(&[("telemetry.max.bytes", "1000")])).await;
    let mut client = running.client().await;
    let large = vec![0; 1_001];
    let zstd = |bytes: &[u8]| Compression::Zstd.compress(bytes).unwrap();
    for (at, (codec, metrics, expected)) in [
        (0, large.clone(), ErrorCode::TelemetryTooLarge),
        (4, zstd(&large), ErrorCode::TelemetryTooLarge),
        (4, b"not zstd".to_vec(), ErrorCode::InvalidRecord),
        (0, b"\xff\xff".to_vec(), ErrorCode::InvalidRecord),
        (5, metrics(), ErrorCode::UnsupportedCompressionType),
        (-1, metrics(), ErrorCode::UnsupportedCompressionType),
        (4, zstd(&metrics()), ErrorCode::None),
        (3, Compression::Lz4.compress(&metrics()).unwrap(), ErrorCode::None),
        (0, Vec::new(), ErrorCode::None),
    ]
    .into_iter()
    .enumerate()
    {
        let id = [at as u8 + 1; 16];
        let told = client.call(0, &Ask { client_instance_id: id }).await;
        assert_eq!(told.telemetry_max_bytes, 1_000);
        let push = Push {
            compression_type: codec,
            ..push(id, told.subscription_id, metrics)
        };
        assert_eq!(pushed(&mut client, push).await, expected, "push {at}");
    }
    assert_eq!(
        values_of(&client.fetch("measured", 0, 0).await).len(),
        2,
        "nothing is no record"
    );
    // Nor is more kept than the topic takes.
    let running = running.restart(options(&[("message.max.bytes", "300")])).await;
    let mut client = running.client().await;
    let told = client.call(0, &Ask::default()).await;
    let push = push(told.client_instance_id, told.subscription_id, metrics());
    assert_eq!(pushed(&mut client, push).await, ErrorCode::TelemetryTooLarge);
}

#[tokio::test]
async fn the_topic_must_be_one_of_the_users() {
    for (name, why) in [("a b", "` `"), ("_schemas", "platform")] {
        let refused = quick_options().set("client.telemetry.topic", name).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
