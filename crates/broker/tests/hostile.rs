//! What strangers send: their connection ends, nobody else's does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use rivulet_broker::{BrokerOptions, Limits};
use support::{Client, Running, batch, fetch_request, produce_request, quick_options, start, start_with, values_of};
use tokio::io::AsyncWriteExt;
use wire::messages::api_versions_request::ApiVersionsRequest;
use wire::messages::api_versions_response::ApiVersionsResponse;
use wire::messages::fetch_request::FetchRequest;
use wire::{ErrorCode, Message, frame};

/// Sends raw bytes and expects the connection to end while another goes on.
async fn check_closed(running: &Running, what: &str, bytes: &[u8]) {
    let mut stranger = running.client().await;
    // The broker may close before everything is written.
    let _early = stranger.stream.write_all(bytes).await.is_err();
    assert!(stranger.is_closed().await, "{what}");
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes(), body].concat()
}

#[tokio::test]
async fn strangers_are_shown_out_and_others_are_still_served() {
    let running = start().await;
    let mut friend = running.client().await;
    friend.create("t", 1, &[]).await;
    let huge = [&0x7fff_ffff_i32.to_be_bytes()[..], &[0; 100]].concat();
    let header = |key: i16, version: i16| {
        [
            &key.to_be_bytes()[..],
            &version.to_be_bytes(),
            &[0, 0, 0, 1, 0xff, 0xff],
        ]
        .concat()
    };
    let claim = [&header(3, 1)[..], &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]].concat();
    let trailing = [&header(3, 1)[..], &[0, 0, 0, 0, 1, 2, 3]].concat();
    for (what, bytes) in [
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("an SSLv3 hello", b"\x80\x2e\x01\x03\x00\x00\x15\x00".to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("a size of 2 GiB", huge),
        ("a negative size", vec![0xff; 64]),
        ("a size of 0", vec![0; 4]),
        ("a frame shorter than a header", framed(&[0, 3, 0])),
        ("an API nobody knows", framed(&header(9_999, 0))),
        ("an API that is not served", framed(&header(52, 0))),
        ("a version that is not served", framed(&header(0, 2))),
        ("a body that claims more than it has", framed(&claim)),
    ] {
        check_closed(&running, what, &bytes).await;
        assert_eq!(
            friend.produce("t", 0, batch(&["x"])).await.error_code,
            0,
            "after {what}"
        );
    }
    assert_eq!(values_of(&friend.fetch("t", 0, 0).await).len(), 11);
    // Some clients send more than their message; what is behind it is nobody's harm.
    friend.stream.write_all(&framed(&trailing)).await.unwrap();
    assert!(friend.receive_frame().await.is_some());
}

#[tokio::test]
async fn half_a_request_is_not_waited_for_for_ever() {
    let limits = Limits {
        request_arrival_max: Duration::from_millis(50),
        idle_max: Duration::from_millis(300),
        ..Limits::default()
    };
    let running = start_with(BrokerOptions {
        limits,
        ..quick_options()
    })
    .await;
    check_closed(&running, "half a frame", &[0, 0, 1, 0, 0, 3]).await;
    check_closed(&running, "silence", &[]).await;
}

#[tokio::test]
async fn connections_past_the_limit_are_refused() {
    let limits = Limits {
        connections_per_address_max: 2,
        ..Limits::default()
    };
    let running = start_with(BrokerOptions {
        limits,
        ..quick_options()
    })
    .await;
    let mut first = running.client().await;
    let mut second = running.client().await;
    first.call(0, &ApiVersionsRequest::default()).await;
    second.call(0, &ApiVersionsRequest::default()).await;
    assert!(running.client().await.is_closed().await);
    first.call(0, &ApiVersionsRequest::default()).await;
    drop(second);
    // The seat is given back as soon as the broker notices; a new connection is refused until then.
    loop {
        let mut third = running.client().await;
        third.send(0, &ApiVersionsRequest::default()).await;
        if third.receive_frame().await.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let limits = Limits {
        write_stall_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let running = start_with(BrokerOptions {
        limits,
        kept: [("message.max.bytes", (8 << 20).to_string())].into(),
        ..quick_options()
    })
    .await;
    let mut writer = running.client().await;
    writer.create("t", 1, &[]).await;
    let large = "x".repeat(4 << 20);
    writer.produce("t", 0, batch(&[&large])).await;
    let mut reader = running.client().await;
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 8 << 20;
    for _ in 0..16 {
        reader.send(12, &request).await;
    }
    // Not reading: the socket's buffers fill, and the broker gives up.
    let mut other = running.client().await;
    assert_eq!(
        values_of(&other.call(12, &request).await.responses[0].partitions[0])[0].len(),
        large.len()
    );
    tokio::time::timeout(Duration::from_secs(20), async {
        while reader.stream.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the connection is cut");
}

#[tokio::test]
async fn api_versions_answers_whatever_it_is_asked() {
    let running = start().await;
    let mut client = running.client().await;
    let request = ApiVersionsRequest {
        client_software_name: "rivulet-test".to_owned(),
        client_software_version: "1.0".to_owned(),
    };
    for version in 0..=4 {
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, 0);
        let range = |key: i16| {
            let api = response.api_keys.iter().find(|api| api.api_key == key);
            api.map(|api| (api.min_version, api.max_version))
        };
        assert_eq!(
            range(0),
            Some((0, 13)),
            "old clients take a gap at the bottom for a lack of features"
        );
        assert_eq!(
            (range(1), range(11), range(18)),
            (Some((4, 18)), Some((0, 9)), Some((0, 4)))
        );
        assert_eq!(range(67), None, "what is not served is not advertised");
        // Version 3 cannot carry a feature whose lowest level is 0.
        let features = [0, 0, 0, 1, 6][version as usize];
        assert_eq!(response.supported_features.len(), features, "version {version}");
    }
    let odd = ApiVersionsRequest {
        client_software_name: "-odd-".to_owned(),
        ..request
    };
    let response = client.call(3, &odd).await;
    assert_eq!(
        (response.error_code, response.api_keys.len()),
        (ErrorCode::InvalidRequest.code(), 0)
    );
    // A version from the future, whatever its body.
    let body = [
        &18_i16.to_be_bytes()[..],
        &99_i16.to_be_bytes(),
        &7_i32.to_be_bytes(),
        &[0xff, 0xff, 0, 1, 2, 3],
    ]
    .concat();
    client.stream.write_all(&framed(&body)).await.unwrap();
    let answer = client.receive_frame().await.unwrap();
    let (correlation_id, response) = frame::read_response::<ApiVersionsResponse>(answer, 0).unwrap();
    assert_eq!(
        (correlation_id, response.error_code),
        (7, ErrorCode::UnsupportedVersion.code())
    );
    assert_eq!(response.api_keys.len(), 1);
    assert_eq!(response.api_keys[0].api_key, ApiVersionsRequest::KEY);
}

#[tokio::test]
async fn stopping_ends_connections_in_order() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let mut waiting: Client = running.client().await;
    waiting
        .send(
            12,
            &FetchRequest {
                max_wait_ms: 300,
                ..fetch_request("t", 0, 0)
            },
        )
        .await;
    client
        .send(9, &produce_request("t", 0, Some(batch(&["last"])), -1))
        .await;
    let produced = client
        .receive::<wire::messages::produce_request::ProduceRequest>(9)
        .await;
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    running.stop().await;
    let answer = waiting.receive::<FetchRequest>(12).await;
    assert_ne!(
        answer.responses[0].partitions[0].records,
        Some(Bytes::new().into()),
        "what was asked before is answered"
    );
    assert!(waiting.is_closed().await && client.is_closed().await);
}
