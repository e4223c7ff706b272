//! Every limit of the broker's is kept: whoever reaches one is refused or has to wait, and nobody else is harmed.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod support;

use std::time::Duration;

use rivulet_broker::{BrokerOptions, Limits};
use support::{Running, batch, batch_of, fetch_request, now_ms, quick_options, start_with};
use tokio::io::AsyncWriteExt;
use wire::messages::api_versions_request::ApiVersionsRequest;
use wire::messages::fetch_request::FetchRequest;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use wire::messages::metadata_request::MetadataRequest;
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use wire::{BatchBuilder, Compression, ErrorCode};

async fn limited(limits: Limits) -> Running {
    start_with(BrokerOptions {
        limits,
        ..quick_options()
    })
    .await
}

#[tokio::test]
async fn there_are_only_so_many_connections() {
    let running = limited(Limits {
        connections_max: 1,
        ..Limits::default()
    })
    .await;
    let mut first = running.client().await;
    first.call(0, &ApiVersionsRequest::default()).await;
    assert!(running.client().await.is_closed().await);
    first.call(0, &ApiVersionsRequest::default()).await;
}

#[tokio::test]
async fn a_request_is_only_so_large() {
    let running = limited(Limits {
        request_bytes_max: 2_000,
        ..Limits::default()
    })
    .await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(client.produce("t", 0, batch(&[&"x".repeat(1_000)])).await.error_code, 0);
    client.stream.write_all(&2_001_i32.to_be_bytes()).await.unwrap();
    assert!(client.is_closed().await);
}

/// Who announces much and sends little holds others up only until its own time is over.
#[tokio::test]
async fn requests_share_a_budget() {
    let arrival_ms = 300;
    let running = limited(Limits {
        request_bytes_max: 64 << 10,
        requests_in_flight_bytes_max: 64 << 10,
        request_arrival_max: Duration::from_millis(arrival_ms),
        ..Limits::default()
    })
    .await;
    let mut slow = running.client().await;
    let mut other = running.client().await;
    other.call(0, &ApiVersionsRequest::default()).await;
    let began_ms = now_ms();
    slow.stream.write_all(&(64_i32 << 10).to_be_bytes()).await.unwrap();
    slow.stream.write_all(&[0; 100]).await.unwrap();
    assert!(slow.is_closed().await, "it took too long");
    other.call(0, &ApiVersionsRequest::default()).await;
    assert!(now_ms() - began_ms >= arrival_ms as i64);
}

/// A large request may be slow; small ones do not wait for it.
#[tokio::test]
async fn large_requests_keep_only_one_another_waiting() {
    let running = limited(Limits {
        request_bytes_max: 8 << 20,
        requests_in_flight_bytes_max: 8 << 20,
        ..Limits::default()
    })
    .await;
    let mut slow = running.client().await;
    slow.stream.write_all(&(8_i32 << 20).to_be_bytes()).await.unwrap();
    slow.stream.write_all(&[0; 100]).await.unwrap();
    let mut other = running.client().await;
    for _ in 0..20 {
        other.call(0, &ApiVersionsRequest::default()).await;
    }
}

#[tokio::test]
async fn what_is_fetched_and_not_taken_shares_a_budget() {
    let running = start_with(BrokerOptions {
        limits: Limits {
            fetch_in_flight_bytes_max: 4 << 20,
            write_stall_max: Duration::from_millis(300),
            ..Limits::default()
        },
        kept: [("message.max.bytes", (8 << 20).to_string())].into(),
        ..quick_options()
    })
    .await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    // Batches so small that they are read into memory.
    let small = "x".repeat(7_000);
    for _ in 0..600 {
        client.produce("t", 0, batch(&[&small])).await;
    }
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 8 << 20;
    request.max_bytes = 8 << 20;
    let mut lazy = Vec::new();
    for _ in 0..3 {
        let mut reader = running.client().await;
        for _ in 0..8 {
            reader.send(12, &request).await;
        }
        lazy.push(reader);
    }
    // None of them reads; each is cut off in the end, and what it held is there for this one.
    let response = client.call(12, &request).await;
    assert!(support::fetched(&response.responses[0].partitions[0]).len() > 1_000_000);
}

#[tokio::test]
async fn a_fetch_is_only_so_large() {
    let running = limited(Limits {
        fetch_bytes_max: 3_000,
        ..Limits::default()
    })
    .await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    for _ in 0..10 {
        client.produce("t", 0, batch(&[&"x".repeat(1_000)])).await;
    }
    let mut request = fetch_request("t", 0, 0);
    request.max_bytes = i32::MAX;
    let response = client.call(12, &request).await;
    let bytes = response.responses[0].partitions[0]
        .records
        .as_ref()
        .map_or(0, |records| records.len());
    assert!((2_000..=3_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_connection_may_ask_ahead_only_so_far() {
    let running = limited(Limits {
        requests_in_flight_max: 2,
        ..Limits::default()
    })
    .await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let mut waiting = fetch_request("t", 0, 0);
    waiting.max_wait_ms = 200;
    client.send(12, &waiting).await;
    for _ in 0..100 {
        client.send(9, &MetadataRequest::default()).await;
    }
    client.receive::<FetchRequest>(12).await;
    for _ in 0..100 {
        client.receive::<MetadataRequest>(9).await;
    }
}

#[tokio::test]
async fn there_are_only_so_many_fetch_sessions() {
    for limits in [
        Limits {
            fetch_sessions_max: 0,
            ..Limits::default()
        },
        Limits {
            fetch_session_partitions_max: 0,
            ..Limits::default()
        },
    ] {
        let running = limited(limits).await;
        let mut client = running.client().await;
        client.create("t", 1, &[]).await;
        let mut request = fetch_request("t", 0, 0);
        request.session_epoch = 0;
        let response = client.call(12, &request).await;
        assert_eq!(
            (response.session_id, response.responses.len()),
            (0, 1),
            "read all the same, without a session"
        );
    }
}

#[tokio::test]
async fn there_are_only_so_many_groups_with_only_so_much_in_them() {
    let running = limited(Limits {
        groups_max: 1,
        group_bytes_max: 10_000,
        ..Limits::default()
    })
    .await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    for (group, code) in [
        ("one", ErrorCode::None),
        ("two", ErrorCode::CoordinatorNotAvailable),
        ("one", ErrorCode::None),
    ] {
        let request = OffsetCommitRequest {
            group_id: group.to_owned(),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: "t".to_owned(),
                partitions: vec![OffsetCommitRequestPartition::default()],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        let found = client.call(8, &request).await.topics[0].partitions[0].error_code;
        assert_eq!(found, code.code(), "{group}");
    }
    for (bytes, code) in [
        (20_000, ErrorCode::GroupMaxSizeReached),
        (100, ErrorCode::MemberIdRequired),
    ] {
        let request = JoinGroupRequest {
            group_id: "one".to_owned(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".to_owned(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".to_owned(),
                metadata: vec![0; bytes].into(),
            }],
            ..JoinGroupRequest::default()
        };
        assert_eq!(client.call(5, &request).await.error_code, code.code(), "{bytes}");
    }
}

#[tokio::test]
async fn there_are_only_so_many_transactional_ids_with_only_so_many_offsets() {
    let running = limited(Limits {
        transactional_ids_max: 1,
        transaction_offsets_bytes_max: 400,
        ..Limits::default()
    })
    .await;
    let mut client = running.client().await;
    client.create("t", 9, &[]).await;
    let init = |id: &str| InitProducerIdRequest {
        transactional_id: Some(id.to_owned()),
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    let one = client.call(4, &init("one")).await;
    assert_eq!(one.error_code, 0);
    let two = client.call(4, &init("two")).await;
    assert_eq!(two.error_code, ErrorCode::CoordinatorNotAvailable.code());
    let commit = |index: i32| TxnOffsetCommitRequest {
        transactional_id: "one".to_owned(),
        group_id: "g".to_owned(),
        producer_id: one.producer_id,
        producer_epoch: one.producer_epoch,
        generation_id: -1,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![TxnOffsetCommitRequestPartition {
                partition_index: index,
                ..TxnOffsetCommitRequestPartition::default()
            }],
        }],
        ..TxnOffsetCommitRequest::default()
    };
    let mut codes = Vec::new();
    for index in 0..4 {
        codes.push(client.call(5, &commit(index)).await.topics[0].partitions[0].error_code);
    }
    assert_eq!(codes, [0, 0, 0, ErrorCode::InvalidCommitOffsetSize.code()]);
}

#[tokio::test]
async fn records_may_grow_only_so_much_when_they_are_looked_into() {
    let running = limited(Limits {
        decompressed_bytes_max: 100_000,
        ..Limits::default()
    })
    .await;
    let mut client = running.client().await;
    client.create("keyed", 1, &[("cleanup.policy", "compact")]).await;
    client.create("recoded", 1, &[("compression.type", "lz4")]).await;
    client.create("plain", 1, &[]).await;
    let bomb = batch_of(
        BatchBuilder::new(Compression::Zstd),
        &[(Some("k"), &"x".repeat(1 << 20))],
    );
    assert!(bomb.len() < 1_000);
    for (topic, code) in [
        ("keyed", ErrorCode::MessageTooLarge),
        ("recoded", ErrorCode::MessageTooLarge),
        ("plain", ErrorCode::None),
    ] {
        let found = client.produce(topic, 0, bomb.clone()).await.error_code;
        assert_eq!(found, code.code(), "{topic}");
    }
}
