//! Produce, Fetch, ListOffsets and InitProducerId as a raw client sees them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rivulet_broker as broker;
use support::{batch, batch_of, fetch_request, now_ms, produce_request, records_of, start, start_with, values_of};
use tokio::io::AsyncReadExt;
use wire::messages::fetch_request::FetchRequest;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use wire::messages::produce_request::ProduceRequest;
use wire::{BatchBuilder, Compression, ErrorCode, NewRecord, batch::stamp_append_time};

#[tokio::test]
async fn every_codec_comes_back_as_it_was_sent() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 2, &[]).await;
    for (round, codec) in Compression::ALL.into_iter().enumerate() {
        let sent = batch_of(BatchBuilder::new(codec), &[(Some("a"), "1"), (None, "2")]);
        let produced = client.produce("t", 1, sent.clone()).await;
        assert_eq!(
            (produced.error_code, produced.base_offset, produced.log_start_offset),
            (0, round as i64 * 2, 0)
        );
        let data = client.fetch("t", 1, produced.base_offset).await;
        assert_eq!(
            support::fetched(&data)[21..],
            sent[21..],
            "{codec:?}: nothing after the checksum changed"
        );
        assert_eq!(
            records_of(&data).iter().map(|r| r.offset).collect::<Vec<_>>(),
            [round as i64 * 2, round as i64 * 2 + 1]
        );
    }
    let data = client.fetch("t", 1, 3).await;
    assert_eq!(
        records_of(&data)[0].offset,
        2,
        "a fetch inside a batch gets the whole batch"
    );
    let data = client.fetch("t", 0, 0).await;
    assert_eq!(
        (data.error_code, data.records),
        (0, Some(Bytes::new().into())),
        "empty is empty bytes, not null"
    );
}

#[tokio::test]
async fn every_version_of_produce_and_fetch_works() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let id = running.catalog.topic("t").unwrap().id;
    let mut count = 0;
    for version in 3..=13 {
        let mut request = produce_request("t", 0, Some(batch(&["x"])), -1);
        if version >= 13 {
            request.topic_data[0].topic_id = id;
        }
        let response = client.call(version, &request).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset),
            (0, count),
            "version {version}"
        );
        count += 1;
    }
    for version in 4..=18 {
        let mut request = fetch_request("t", 0, 0);
        if version >= 13 {
            request.topics[0].topic_id = id;
        }
        let response = client.call(version, &request).await;
        assert_eq!(response.responses[0].topic_id, if version >= 13 { id } else { [0; 16] });
        assert_eq!(
            values_of(&response.responses[0].partitions[0]).len() as i64,
            count,
            "version {version}"
        );
    }
}

async fn refused(
    config: &[(&str, &str)],
    version: i16,
    change: impl FnOnce(&mut ProduceRequest),
) -> (ErrorCode, usize) {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, config).await;
    let mut request = produce_request("t", 0, Some(batch(&["x"])), -1);
    change(&mut request);
    let response = client.call(version, &request).await;
    let partition = &response.responses[0].partition_responses[0];
    if partition.error_code != 0 {
        assert_eq!(partition.base_offset, -1);
        assert_eq!(
            running
                .log
                .bounds(running.catalog.topic("t").unwrap().partitions[0])
                .unwrap()
                .log_end,
            0
        );
    }
    (
        ErrorCode::from_code(partition.error_code).unwrap(),
        partition.record_errors.len(),
    )
}

fn with_records(records: impl Into<Bytes>) -> impl FnOnce(&mut ProduceRequest) {
    let records = records.into();
    move |request| request.topic_data[0].partition_data[0].records = Some(records)
}

#[tokio::test]
async fn bad_batches_are_refused_with_the_code_kafka_uses() {
    let good = batch(&["x"]).to_vec();
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        with_records(bytes)
    };
    let check = |found: (ErrorCode, usize), expected: ErrorCode| assert_eq!(found, (expected, 0));
    check(
        refused(&[], 9, damaged(&|bytes| bytes[16] = 1)).await,
        ErrorCode::InvalidRecord,
    );
    check(
        refused(&[], 9, damaged(&|bytes| bytes[16] = 3)).await,
        ErrorCode::CorruptMessage,
    );
    check(
        refused(&[], 9, damaged(&|bytes| bytes[66] ^= 1)).await,
        ErrorCode::CorruptMessage,
    );
    check(
        refused(&[], 9, damaged(&|bytes| bytes.truncate(65))).await,
        ErrorCode::InvalidRecord,
    );
    check(
        refused(&[], 9, with_records(Bytes::new())).await,
        ErrorCode::InvalidRecord,
    );
    check(
        refused(&[], 9, |request| request.topic_data[0].partition_data[0].records = None).await,
        ErrorCode::InvalidRecord,
    );
    check(
        refused(&[], 9, with_records([&good[..], &good[..]].concat())).await,
        ErrorCode::InvalidRecord,
    );
    check(
        refused(&[], 9, |request| request.acks = 2).await,
        ErrorCode::InvalidRequiredAcks,
    );
    check(
        refused(&[], 9, |request| request.topic_data[0].partition_data[0].index = 7).await,
        ErrorCode::UnknownTopicOrPartition,
    );
    check(
        refused(&[], 13, |request| request.topic_data[0].topic_id = [9; 16]).await,
        ErrorCode::UnknownTopicId,
    );
    let zstd = batch_of(BatchBuilder::new(Compression::Zstd), &[(None, "x")]);
    check(
        refused(&[], 6, with_records(zstd.clone())).await,
        ErrorCode::UnsupportedCompressionType,
    );
    check(refused(&[], 7, with_records(zstd)).await, ErrorCode::None);
    let transactional = batch_of(
        BatchBuilder::new(Compression::None).producer(1, 0, 0).transactional(),
        &[(None, "x")],
    );
    check(
        refused(&[], 9, with_records(transactional)).await,
        ErrorCode::TransactionalIdAuthorizationFailed,
    );
    let control = batch_of(BatchBuilder::new(Compression::None).control(), &[(None, "x")]);
    check(refused(&[], 9, with_records(control)).await, ErrorCode::InvalidRecord);
    check(
        refused(&[("max.message.bytes", "60")], 9, |_| {}).await,
        ErrorCode::MessageTooLarge,
    );
    let keyless = batch_of(BatchBuilder::new(Compression::Gzip), &[(Some("k"), "1"), (None, "2")]);
    assert_eq!(
        refused(&[("cleanup.policy", "compact")], 9, with_records(keyless)).await,
        (ErrorCode::InvalidRecord, 1),
        "the record at fault is named"
    );
    let mut future = BatchBuilder::new(Compression::None);
    future.push(NewRecord {
        timestamp: now_ms() + 7_200_000,
        value: Some(b"x"),
        ..NewRecord::default()
    });
    assert_eq!(
        refused(&[], 9, with_records(future.build().unwrap())).await,
        (ErrorCode::InvalidTimestamp, 1)
    );
}

#[tokio::test]
async fn the_brokers_clock_counts_where_the_topic_says_so() {
    let running = start().await;
    let mut client = running.client().await;
    client
        .create("t", 1, &[("message.timestamp.type", "LogAppendTime")])
        .await;
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.push(NewRecord {
        timestamp: 5,
        value: Some(b"x"),
        ..NewRecord::default()
    });
    let before = now_ms();
    let produced = client.produce("t", 0, builder.build().unwrap()).await;
    assert!(produced.error_code == 0 && produced.log_append_time_ms >= before);
    let data = client.fetch("t", 0, 0).await;
    assert_eq!(records_of(&data)[0].timestamp, produced.log_append_time_ms);
    let mut bytes = support::fetched(&data).to_vec();
    let sealed = bytes.clone();
    stamp_append_time(&mut bytes, produced.log_append_time_ms);
    assert_eq!(bytes, sealed, "stamped and sealed");
}

#[tokio::test]
async fn a_repeated_batch_is_written_once() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let idempotent = InitProducerIdRequest {
        transactional_id: None,
        ..InitProducerIdRequest::default()
    };
    let first = client.call(4, &idempotent).await;
    let second = client.call(4, &idempotent).await;
    assert_eq!((first.error_code, first.producer_epoch), (0, 0));
    assert_ne!(first.producer_id, second.producer_id);
    let numbered = |sequence| {
        let builder = BatchBuilder::new(Compression::None).producer(first.producer_id, 0, sequence);
        batch_of(builder, &[(None, "a"), (None, "b")])
    };
    for sequence in [0, 2, 4] {
        let produced = client.produce("t", 0, numbered(sequence)).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, i64::from(sequence)));
    }
    let again = client.produce("t", 0, numbered(2)).await;
    assert_eq!((again.error_code, again.base_offset), (0, 2), "with its first offset");
    let gap = client.produce("t", 0, numbered(9)).await;
    assert_eq!(gap.error_code, ErrorCode::OutOfOrderSequenceNumber.code());
    assert_eq!(client.fetch("t", 0, 0).await.high_watermark, 6);
}

#[tokio::test]
async fn requests_are_answered_in_order_and_acks_0_not_at_all() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    for _ in 0..20 {
        client.send(9, &produce_request("t", 0, Some(batch(&["x"])), 0)).await;
        client.send(9, &produce_request("t", 0, Some(batch(&["y"])), 1)).await;
    }
    client
        .send(
            9,
            &MetadataRequest {
                topics: None,
                ..MetadataRequest::default()
            },
        )
        .await;
    for round in 0..20 {
        let response = client.receive::<ProduceRequest>(9).await;
        assert_eq!(response.responses[0].partition_responses[0].base_offset, round * 2 + 1);
    }
    assert_eq!(
        client.receive::<MetadataRequest>(9).await.topics[0].name.as_deref(),
        Some("t")
    );
    let mut hasty = running.client().await;
    hasty
        .send(9, &produce_request("missing", 0, Some(batch(&["x"])), 0))
        .await;
    assert!(
        hasty.is_closed().await,
        "a failure without acknowledgement closes the connection"
    );
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_data_and_by_nothing_else() {
    let running = start().await;
    let mut reader = running.client().await;
    let mut writer = running.client().await;
    writer.create("t", 1, &[]).await;
    let patient = FetchRequest {
        max_wait_ms: 15_000,
        ..fetch_request("t", 0, 0)
    };
    reader.send(12, &patient).await;
    writer.produce("t", 0, batch(&["x"])).await;
    let response = reader.receive::<FetchRequest>(12).await;
    assert_eq!(values_of(&response.responses[0].partitions[0]), ["x"]);
    let greedy = FetchRequest {
        max_wait_ms: 15_000,
        min_bytes: 200,
        ..fetch_request("t", 0, 0)
    };
    reader.send(12, &greedy).await;
    for _ in 0..4 {
        writer.produce("t", 0, batch(&["x"])).await;
    }
    let response = reader.receive::<FetchRequest>(12).await;
    assert!(response.responses[0].partitions[0].records.as_ref().unwrap().len() >= 200);
    let brief = FetchRequest {
        max_wait_ms: 30,
        ..fetch_request("t", 0, 5)
    };
    let response = reader.call(12, &brief).await;
    assert_eq!(response.responses[0].partitions[0].records, Some(Bytes::new().into()));
}

#[tokio::test]
async fn limits_cut_a_fetch_but_never_the_first_batch() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 2, &[]).await;
    let large = "x".repeat(1000);
    for partition in [0, 0, 0, 1] {
        client.produce("t", partition, batch(&[&large])).await;
    }
    let size = client.fetch("t", 0, 2).await.records.unwrap().len();
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 10;
    let second = request.topics[0].partitions[0].clone();
    request.topics[0]
        .partitions
        .push(wire::messages::fetch_request::FetchPartition { partition: 1, ..second });
    let response = client.call(12, &request).await;
    let sizes = |response: &wire::messages::fetch_response::FetchResponse| -> Vec<usize> {
        response.responses[0]
            .partitions
            .iter()
            .map(|data| data.records.as_ref().unwrap().len())
            .collect()
    };
    assert_eq!(
        sizes(&response),
        [size, 0],
        "one whole batch of the first, none of the second"
    );
    request.topics[0]
        .partitions
        .iter_mut()
        .for_each(|partition| partition.partition_max_bytes = 1 << 20);
    request.max_bytes = (size * 3 + 10) as i32;
    let response = client.call(12, &request).await;
    assert_eq!(sizes(&response), [size * 3, 0], "the total cap holds");
}

/// Large batches go from their files to the socket, from so many at once; small ones from memory; and in class `memory`
/// there are no files.
#[tokio::test]
async fn large_and_small_batches_arrive_as_they_were_sent_from_wherever_they_lie() {
    let runs = [
        (log::Durability::Os, 512),
        (log::Durability::Os, 1),
        (log::Durability::Memory, 512),
    ];
    for (durability, fetch_files_max) in runs {
        let limits = broker::Limits {
            fetch_files_max,
            ..broker::Limits::default()
        };
        let options = broker::BrokerOptions {
            limits,
            ..support::quick_options()
        };
        let dir = tempfile::TempDir::new().unwrap();
        let running = support::start_over(dir, options, durability).await;
        let mut client = running.client().await;
        client.create("t", 3, &[]).await;
        let value = |number: i32| format!("{number}-{}", "x".repeat([40, 20_000, 300_000][number as usize % 3]));
        for number in 0..18 {
            client.produce("t", number % 2, batch(&[&value(number)])).await;
        }
        let mut seen = vec![Vec::new(), Vec::new()];
        while seen[0].len() + seen[1].len() < 18 {
            let mut request = fetch_request("t", 0, seen[0].len() as i64);
            let mut other = request.topics[0].partitions[0].clone();
            (other.partition, other.fetch_offset) = (1, seen[1].len() as i64);
            request.topics[0].partitions.push(other);
            let response = client.call(12, &request).await;
            for (seen, data) in seen.iter_mut().zip(&response.responses[0].partitions) {
                seen.extend(values_of(data));
            }
        }
        let expected = |partition| (0..9).map(|at| value(2 * at + partition)).collect::<Vec<String>>();
        assert!(seen == [expected(0), expected(1)], "{durability:?}");
    }
}

/// Who reads slowly is given all that was promised, whatever becomes of the topic.
#[tokio::test]
async fn an_answer_under_way_outlives_its_topic() {
    let running = start().await;
    let mut reader = running.client().await;
    let mut other = running.client().await;
    other.create("t", 1, &[]).await;
    let large = "x".repeat(900_000);
    for _ in 0..30 {
        other.produce("t", 0, batch(&[&large])).await;
    }
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    reader.send(12, &request).await;
    let size = reader.stream.read_i32().await.unwrap();
    assert!(size > 27_000_000, "more than a socket buffers: {size}");
    let delete = wire::messages::delete_topics_request::DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 10_000,
        ..Default::default()
    };
    assert_eq!(other.call(5, &delete).await.responses[0].error_code, 0);
    let mut rest = vec![0; size as usize];
    reader.stream.read_exact(&mut rest).await.unwrap();
    let (_, response) =
        wire::frame::read_response::<wire::messages::fetch_response::FetchResponse>(rest.into(), 12).unwrap();
    let values = values_of(&response.responses[0].partitions[0]);
    assert!(values.len() == 30 && values.iter().all(|value| *value == large));
}

#[tokio::test]
async fn fetch_errors_are_those_of_kafka() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    client.produce("t", 0, batch(&["x"])).await;
    let mut check = async |change: &dyn Fn(&mut FetchRequest), expected: ErrorCode| {
        let mut request = FetchRequest {
            max_wait_ms: 15_000,
            ..fetch_request("t", 0, 1)
        };
        change(&mut request);
        let response = client.call(12, &request).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!(ErrorCode::from_code(data.error_code), Some(expected));
        assert_eq!(
            (data.high_watermark, data.last_stable_offset, data.log_start_offset),
            (-1, -1, -1)
        );
        assert_eq!(data.records, Some(Bytes::new().into()));
    };
    check(
        &|request| request.topics[0].partitions[0].fetch_offset = 2,
        ErrorCode::OffsetOutOfRange,
    )
    .await;
    check(
        &|request| request.topics[0].partitions[0].fetch_offset = -1,
        ErrorCode::OffsetOutOfRange,
    )
    .await;
    check(
        &|request| request.topics[0].partitions[0].partition = 1,
        ErrorCode::UnknownTopicOrPartition,
    )
    .await;
    check(
        &|request| request.topics[0].topic = "u".to_owned(),
        ErrorCode::UnknownTopicOrPartition,
    )
    .await;
    check(
        &|request| request.topics[0].partitions[0].current_leader_epoch = 1,
        ErrorCode::UnknownLeaderEpoch,
    )
    .await;
    check(
        &|request| request.topics[0].partitions[0].last_fetched_epoch = 4,
        ErrorCode::OffsetOutOfRange,
    )
    .await;
    check(&|request| request.replica_id = 2, ErrorCode::TopicAuthorizationFailed).await;
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].topic_id = [7; 16];
    let response = client.call(13, &request).await;
    assert_eq!(
        response.responses[0].partitions[0].error_code,
        ErrorCode::UnknownTopicId.code()
    );
}

#[tokio::test]
async fn an_incremental_fetch_says_only_what_is_new() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 2, &[]).await;
    let mut request = fetch_request("t", 0, 0);
    let second = request.topics[0].partitions[0].clone();
    request.topics[0]
        .partitions
        .push(wire::messages::fetch_request::FetchPartition { partition: 1, ..second });
    request.session_epoch = 0;
    let response = client.call(12, &request).await;
    let session_id = response.session_id;
    assert!(session_id > 0);
    assert_eq!(
        response.responses[0].partitions.len(),
        2,
        "the first answer is complete"
    );
    let more = |epoch| FetchRequest {
        topics: Vec::new(),
        session_id,
        session_epoch: epoch,
        ..request.clone()
    };
    let response = client.call(12, &more(1)).await;
    assert_eq!((response.session_id, response.responses.len()), (session_id, 0));
    client.produce("t", 1, batch(&["x"])).await;
    let response = client.call(12, &more(2)).await;
    assert_eq!(response.responses[0].partitions.len(), 1);
    assert_eq!(values_of(&response.responses[0].partitions[0]), ["x"]);
    let response = client.call(12, &more(2)).await;
    assert_eq!(response.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
    let response = client.call(13, &more(3)).await;
    assert_eq!(response.error_code, ErrorCode::FetchSessionTopicIdError.code());
    let anew = client
        .call(
            12,
            &FetchRequest {
                topics: Vec::new(),
                session_id,
                ..request.clone()
            },
        )
        .await;
    assert!(
        anew.error_code == 0 && ![0, session_id].contains(&anew.session_id),
        "another session begins"
    );
    let response = client.call(12, &more(3)).await;
    assert_eq!(response.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

#[tokio::test]
async fn offsets_are_found_by_time_and_by_name() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let base = now_ms() - 10_000;
    for round in 0..3 {
        let mut builder = BatchBuilder::new(Compression::None);
        for step in [0, 300, 100] {
            let timestamp = base + round * 1000 + step;
            builder.push(NewRecord {
                timestamp,
                value: Some(b"x"),
                ..NewRecord::default()
            });
        }
        client.produce("t", 0, builder.build().unwrap()).await;
    }
    let mut check = async |version: i16, timestamp: i64, expected: (i16, i64, i64)| {
        let partition = ListOffsetsPartition {
            timestamp,
            ..ListOffsetsPartition::default()
        };
        let request = ListOffsetsRequest {
            topics: vec![ListOffsetsTopic {
                name: "t".to_owned(),
                partitions: vec![partition],
            }],
            ..ListOffsetsRequest::default()
        };
        let response = client.call(version, &request).await;
        let found = &response.topics[0].partitions[0];
        assert_eq!(
            (found.error_code, found.timestamp, found.offset),
            expected,
            "v{version} {timestamp}"
        );
    };
    check(1, -1, (0, -1, 9)).await;
    check(11, -2, (0, -1, 0)).await;
    check(7, -3, (0, base + 2300, 7)).await;
    check(8, -4, (0, -1, 0)).await;
    check(9, -5, (0, -1, -1)).await;
    check(11, -6, (0, -1, -1)).await;
    check(6, -3, (ErrorCode::UnsupportedVersion.code(), -1, -1)).await;
    check(11, -9, (ErrorCode::UnsupportedVersion.code(), -1, -1)).await;
    check(2, base + 1001, (0, base + 1300, 4)).await;
    check(2, base + 5000, (0, -1, -1)).await;
    check(2, 0, (0, base, 0)).await;
    let epoch = OffsetForLeaderPartition {
        leader_epoch: 0,
        ..OffsetForLeaderPartition::default()
    };
    let request = OffsetForLeaderEpochRequest {
        topics: vec![OffsetForLeaderTopic {
            topic: "t".to_owned(),
            partitions: vec![epoch],
        }],
        ..OffsetForLeaderEpochRequest::default()
    };
    let found = client.call(4, &request).await.topics[0].partitions[0].clone();
    assert_eq!((found.error_code, found.leader_epoch, found.end_offset), (0, 0, 9));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[("retention.ms", "-1")]).await;
    client.produce("t", 0, batch(&["a", "b"])).await;
    let id = running.catalog.topic("t").unwrap().id;
    let cluster_id = running.catalog.cluster_id().to_owned();
    let running = running.restart(support::quick_options()).await;
    let mut client = running.client().await;
    assert_eq!(values_of(&client.fetch("t", 0, 0).await), ["a", "b"]);
    assert_eq!(running.catalog.topic("t").unwrap().id, id);
    let metadata = client.call(13, &MetadataRequest::default()).await;
    assert_eq!(metadata.cluster_id, Some(cluster_id));
}

#[tokio::test]
async fn topics_are_made_on_demand_only_where_both_sides_want_it() {
    let asked = |name: &str, allow_auto_topic_creation| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name.to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation,
        ..MetadataRequest::default()
    };
    let running = start().await;
    let mut client = running.client().await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(client.call(9, &asked("t", false)).await.topics[0].error_code, unknown);
    let made = client.call(9, &asked("t", true)).await.topics[0].clone();
    assert_eq!((made.error_code, made.partitions.len()), (0, 1));
    let invalid = client.call(9, &asked("no/slash", true)).await.topics[0].error_code;
    assert_eq!(invalid, ErrorCode::InvalidTopicException.code());
    let by_id = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: None,
            topic_id: running.catalog.topic("t").unwrap().id,
        }]),
        ..MetadataRequest::default()
    };
    assert_eq!(client.call(12, &by_id).await.topics[0].name.as_deref(), Some("t"));
    for version in 0..=13 {
        let all = MetadataRequest {
            topics: if version == 0 { Some(Vec::new()) } else { None },
            ..MetadataRequest::default()
        };
        let response = client.call(version, &all).await;
        assert_eq!(
            (response.brokers.len(), response.topics.len()),
            (1, 1),
            "version {version}"
        );
        assert_eq!(i32::from(running.address.port()), response.brokers[0].port);
    }
    let strict = start_with(rivulet_broker::BrokerOptions {
        auto_create_topics: false,
        ..support::quick_options()
    })
    .await;
    assert_eq!(
        strict.client().await.call(9, &asked("t", true)).await.topics[0].error_code,
        unknown
    );
}
