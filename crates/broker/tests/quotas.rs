//! Quotas: kept, shown and enforced by telling clients to wait and not listening to them meanwhile.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod support;

use rivulet_broker as broker;
use support::{Client, Running, batch, fetch_request, now_ms, produce_request, quick_options, start, start_with};
use wire::messages::alter_client_quotas_request::{AlterClientQuotasRequest, EntityData, EntryData, OpData};
use wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use wire::messages::describe_client_quotas_request::{ComponentData, DescribeClientQuotasRequest};
use wire::messages::metadata_request::MetadataRequest;

/// Sets quotas of an entity such as `user=u client-id`, each `key=value` or `key=` to remove it; gives the code.
async fn set(client: &mut Client, entity: &str, ops: &[&str]) -> i16 {
    let part = |part: &str| {
        let (kind, name) = part
            .split_once('=')
            .map_or((part, None), |(kind, name)| (kind, Some(name)));
        EntityData {
            entity_type: kind.to_owned(),
            entity_name: name.map(str::to_owned),
        }
    };
    let op = |op: &&str| {
        let (key, value) = op.split_once('=').unwrap();
        OpData {
            key: key.to_owned(),
            value: value.parse().unwrap_or(0.0),
            remove: value.is_empty(),
        }
    };
    let request = AlterClientQuotasRequest {
        entries: vec![EntryData {
            entity: entity.split_whitespace().map(part).collect(),
            ops: ops.iter().map(op).collect(),
        }],
        validate_only: false,
    };
    client.call(1, &request).await.entries[0].error_code
}

/// Quotas that match components such as `user=u client-id=* ip=<default>`, or an error code.
async fn described(client: &mut Client, components: &str, strict: bool) -> Vec<String> {
    let component = |text: &str| {
        let (kind, name) = text.split_once('=').unwrap();
        let (match_type, name) = match name {
            "*" => (2, None),
            "<default>" => (1, None),
            name => (0, Some(name.to_owned())),
        };
        ComponentData {
            entity_type: kind.to_owned(),
            match_type,
            match_value: name,
        }
    };
    let request = DescribeClientQuotasRequest {
        components: components.split_whitespace().map(component).collect(),
        strict,
    };
    let response = client.call(1, &request).await;
    if response.error_code != 0 {
        return vec![response.error_code.to_string()];
    }
    let entries = response.entries.unwrap().into_iter().map(|entry| {
        let entity = entry.entity.iter().map(|part| match &part.entity_name {
            Some(name) => format!("{}={name}", part.entity_type),
            None => part.entity_type.clone(),
        });
        let values = entry
            .values
            .iter()
            .map(|value| format!("{}={}", value.key, value.value));
        entity.chain(values).collect::<Vec<_>>().join(" ")
    });
    entries.collect()
}

#[tokio::test]
async fn quotas_are_kept_and_found() {
    let running: Running = start().await;
    let mut client = running.client().await;
    for (entity, op, code) in [
        ("user=u", "producer_byte_rate=100", 0),
        ("user", "consumer_byte_rate=100", 0),
        ("client-id=c", "request_percentage=50.5", 0),
        ("user=u client-id=c", "controller_mutation_rate=5", 0),
        ("ip=127.0.0.9", "connection_creation_rate=5", 0),
        ("user=u", "consumer_byte_rate=", 0),
        ("user=u", "producer_byte_rate=1.5", 42),
        ("user=u", "nonsense=1", 42),
        ("group=g", "producer_byte_rate=1", 42),
        ("user=u ip=1.2.3.4", "producer_byte_rate=1", 42),
    ] {
        assert_eq!(set(&mut client, entity, &[op]).await, code, "{entity} {op}");
    }
    let running = running.restart(quick_options()).await;
    let mut client = running.client().await;
    let of_both = "client-id=c user=u controller_mutation_rate=5";
    let of_user = "user=u producer_byte_rate=100";
    let of_any_user = "user consumer_byte_rate=100";
    let of_client = "client-id=c request_percentage=50.5";
    let of_address = "ip=127.0.0.9 connection_creation_rate=5";
    for (components, strict, expected) in [
        ("", false, vec![of_client, of_both, of_address, of_any_user, of_user]),
        ("user=*", false, vec![of_both, of_any_user, of_user]),
        ("user=*", true, vec![of_any_user, of_user]),
        ("user=u", false, vec![of_both, of_user]),
        ("user=<default>", false, vec![of_any_user]),
        ("user=u client-id=c", true, vec![of_both]),
        ("group=*", false, vec!["35"]),
        ("user=* ip=*", false, vec!["42"]),
        ("user=* user=u", false, vec!["42"]),
    ] {
        assert_eq!(
            described(&mut client, components, strict).await,
            expected,
            "{components} {strict}"
        );
    }
}

fn short_windows() -> broker::BrokerOptions {
    let mut options = quick_options();
    for (name, value) in [("quota.window.num", "2"), ("controller.quota.window.num", "1")] {
        options.set(name, value).unwrap();
    }
    options
}

#[tokio::test]
async fn who_produces_too_much_has_to_wait_and_is_not_heard_meanwhile() {
    let running = start_with(short_windows()).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(
        set(&mut client, "client-id=test", &["producer_byte_rate=10000"]).await,
        0
    );
    let request = produce_request("t", 0, Some(batch(&[&"x".repeat(12_000)])), -1);
    let began_ms = now_ms();
    let response = client.call(9, &request).await;
    assert_eq!(
        response.responses[0].partition_responses[0].error_code, 0,
        "it is written all the same"
    );
    let throttle_ms = i64::from(response.throttle_time_ms);
    assert!((150..400).contains(&throttle_ms), "{throttle_ms}");
    let mut other = running.client().await;
    other.call(9, &MetadataRequest::default()).await;
    let heard_ms = now_ms();
    client.call(9, &MetadataRequest::default()).await;
    assert!(now_ms() - began_ms >= throttle_ms, "it was heard before its time");
    assert!(heard_ms - began_ms < 5_000, "others are heard at once");
    assert_eq!(set(&mut client, "client-id=test", &["producer_byte_rate="]).await, 0);
    assert_eq!(client.call(9, &request).await.throttle_time_ms, 0);
}

#[tokio::test]
async fn who_fetches_too_much_gets_nothing_until_it_has_waited() {
    let running = start_with(short_windows()).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    for _ in 0..3 {
        client.produce("t", 0, batch(&[&"x".repeat(1_000)])).await;
    }
    assert_eq!(set(&mut client, "user", &["consumer_byte_rate=2000"]).await, 0);
    let mut request = fetch_request("t", 0, 0);
    request.max_bytes = 1 << 20;
    let first = client.call(12, &request).await;
    let bytes = |response: &wire::messages::fetch_response::FetchResponse| -> usize {
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        partitions
            .map(|partition| partition.records.as_ref().map_or(0, |records| records.len()))
            .sum()
    };
    assert!(
        first.throttle_time_ms == 0 && (1_000..=2_000).contains(&bytes(&first)),
        "{first:?}"
    );
    let second = client.call(12, &request).await;
    assert!(second.throttle_time_ms > 0 && bytes(&second) == 0, "{second:?}");
    let third = client.call(12, &request).await;
    assert!(bytes(&third) > 0, "having waited, it gets something: {third:?}");
}

#[tokio::test]
async fn the_time_requests_take_can_be_bounded() {
    let running = start().await;
    let mut client = running.client().await;
    assert_eq!(client.call(9, &MetadataRequest::default()).await.throttle_time_ms, 0);
    assert_eq!(
        set(&mut client, "client-id", &["request_percentage=0.0000001"]).await,
        0
    );
    let throttle_ms = client.call(9, &MetadataRequest::default()).await.throttle_time_ms;
    assert_eq!(throttle_ms, 1_000, "never longer than a sample");
}

#[tokio::test]
async fn who_makes_too_many_partitions_is_refused_or_told_to_wait() {
    let running = start_with(short_windows()).await;
    let mut client = running.client().await;
    assert_eq!(
        set(&mut client, "user=ANONYMOUS", &["controller_mutation_rate=2"]).await,
        0
    );
    let create = async |version: i16, name: &str, partitions: i32| {
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.to_owned(),
                num_partitions: partitions,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            ..CreateTopicsRequest::default()
        };
        // Who was told to wait is not heard: each asks over a connection of its own.
        let response = running.client().await.call(version, &request).await;
        (response.topics[0].error_code, response.throttle_time_ms > 0)
    };
    assert_eq!(create(7, "one", 100).await, (0, true), "on credit");
    assert_eq!(create(7, "two", 1).await, (89, true));
    assert_eq!(
        create(5, "three", 1).await,
        (0, true),
        "old clients are only told to wait"
    );
    assert_eq!(
        set(&mut client, "user=ANONYMOUS", &["controller_mutation_rate="]).await,
        0
    );
    assert_eq!(create(7, "four", 1).await, (0, false));
}

#[tokio::test]
async fn an_address_opens_so_many_connections_a_second() {
    let running = start_with(short_windows()).await;
    let mut client = running.client().await;
    assert_eq!(
        set(&mut client, "ip=127.0.0.1", &["connection_creation_rate=3"]).await,
        0
    );
    let mut refused = 0;
    for _ in 0..10 {
        let mut next = running.client().await;
        next.send(9, &MetadataRequest::default()).await;
        refused += u32::from(next.is_closed().await);
    }
    assert!(refused >= 4, "{refused} of 10 were refused");
    assert_eq!(
        client.call(9, &MetadataRequest::default()).await.throttle_time_ms,
        0,
        "who is in stays in"
    );
}
