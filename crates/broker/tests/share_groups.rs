//! Share groups as a raw client sees them, also across a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use rivulet_broker::BrokerOptions;
use support::{Client, Running, batch, batch_of, quick_options, start_with};
use wire::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
};
use wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use wire::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch, ShareAcknowledgeRequest,
};
use wire::messages::share_fetch_request::{FetchPartition, FetchTopic, ShareFetchRequest};
use wire::messages::share_group_describe_request::ShareGroupDescribeRequest;
use wire::messages::share_group_heartbeat_request::ShareGroupHeartbeatRequest;
use wire::{BatchBuilder, Compression, ErrorCode};

const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;

fn options() -> BrokerOptions {
    let mut options = quick_options();
    options.group.share.assignment_interval_ms = 0;
    options.set("group.share.min.record.lock.duration.ms", "100").unwrap();
    options
}

async fn set(client: &mut Client, name: &str, value: &str) -> i16 {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 32,
            resource_name: "g".to_owned(),
            configs: vec![AlterableConfig {
                name: name.to_owned(),
                config_operation: 0,
                value: Some(value.to_owned()),
            }],
        }],
        validate_only: false,
    };
    client.call(1, &request).await.responses[0].error_code
}

fn fetch(running: &Running, member: &str, epoch: i32) -> ShareFetchRequest {
    let topic = FetchTopic {
        topic_id: running.catalog.topic("t").unwrap().id,
        partitions: vec![FetchPartition {
            partition_index: 0,
            acknowledgement_batches: Vec::new(),
        }],
    };
    ShareFetchRequest {
        group_id: Some("g".to_owned()),
        member_id: Some(member.to_owned()),
        share_session_epoch: epoch,
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_records: 500,
        batch_size: 500,
        topics: if epoch == 0 { vec![topic] } else { Vec::new() },
        ..ShareFetchRequest::default()
    }
}

type Lines = Vec<(i64, i64, i16)>;

/// What a fetch gives: first offset, last offset, deliveries.
async fn take(client: &mut Client, request: &ShareFetchRequest) -> Lines {
    let response = client.call(2, request).await;
    assert_eq!(response.error_code, 0, "{request:?}");
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let lines = partitions
        .inspect(|partition| assert_eq!(partition.error_code, 0))
        .flat_map(|p| &p.acquired_records);
    lines
        .map(|line| (line.first_offset, line.last_offset, line.delivery_count))
        .collect()
}

async fn say(running: &Running, client: &mut Client, member: &str, epoch: i32, said: (i64, i64, i8)) -> (i16, i16) {
    let (first_offset, last_offset, kind) = said;
    let request = ShareAcknowledgeRequest {
        group_id: Some("g".to_owned()),
        member_id: Some(member.to_owned()),
        share_session_epoch: epoch,
        is_renew_ack: false,
        topics: vec![AcknowledgeTopic {
            topic_id: running.catalog.topic("t").unwrap().id,
            partitions: vec![AcknowledgePartition {
                partition_index: 0,
                acknowledgement_batches: vec![AcknowledgementBatch {
                    first_offset,
                    last_offset,
                    acknowledge_types: vec![kind],
                }],
            }],
        }],
    };
    let response = client.call(2, &request).await;
    let of_partition = response
        .responses
        .first()
        .map_or(-1, |topic| topic.partitions[0].error_code);
    (response.error_code, of_partition)
}

async fn offsets(client: &mut Client) -> Vec<(i64, i64)> {
    let request = DescribeShareGroupOffsetsRequest {
        groups: vec![DescribeShareGroupOffsetsRequestGroup {
            group_id: "g".to_owned(),
            topics: None,
        }],
    };
    let group = client.call(1, &request).await.groups.remove(0);
    let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|partition| (partition.start_offset, partition.lag))
        .collect()
}

#[tokio::test]
async fn what_is_acknowledged_is_never_given_again_and_the_rest_is_also_after_a_restart() {
    let running = start_with(options()).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(set(&mut client, "share.auto.offset.reset", "earliest").await, 0);
    client.produce("t", 0, batch(&["0", "1", "2", "3", "4"])).await;
    assert_eq!(take(&mut client, &fetch(&running, "a", 0)).await, [(0, 4, 1)]);
    assert_eq!(say(&running, &mut client, "a", 1, (0, 1, ACCEPT)).await, (0, 0));
    assert_eq!(say(&running, &mut client, "a", 2, (3, 3, ACCEPT)).await, (0, 0));
    let running = running.restart(options()).await;
    let mut client = running.client().await;
    assert_eq!(offsets(&mut client).await, [(2, 2)]);
    let lost = say(&running, &mut client, "a", 3, (2, 2, ACCEPT)).await;
    assert_eq!(lost.0, ErrorCode::ShareSessionNotFound.code());
    assert_eq!(
        take(&mut client, &fetch(&running, "a", 0)).await,
        [(2, 2, 2), (4, 4, 2)]
    );
    assert_eq!(say(&running, &mut client, "a", 1, (2, 2, ACCEPT)).await, (0, 0));
    assert_eq!(say(&running, &mut client, "a", 2, (4, 4, ACCEPT)).await, (0, 0));
    assert_eq!(offsets(&mut client).await, [(5, 0)]);
}

#[tokio::test]
async fn a_waiting_member_hears_of_what_comes_and_of_what_is_given_back() {
    let running = start_with(options()).await;
    let (mut client, mut other) = (running.client().await, running.client().await);
    client.create("t", 1, &[]).await;
    let patient = |member: &str, epoch: i32| ShareFetchRequest {
        max_wait_ms: 15_000,
        ..fetch(&running, member, epoch)
    };
    // Nobody asked for the beginning: what is there already is not for this group.
    client.produce("t", 0, batch(&["before"])).await;
    assert_eq!(take(&mut client, &fetch(&running, "a", 0)).await, []);
    let next = patient("a", 1);
    client.send(2, &next).await;
    other.produce("t", 0, batch(&["x", "y"])).await;
    let told = client.receive::<ShareFetchRequest>(2).await;
    assert_eq!(told.responses[0].partitions[0].acquired_records[0].first_offset, 1);
    // The second member waits until the first gives one back; then until its lock ends; then until it is gone.
    assert_eq!(set(&mut client, "share.record.lock.duration.ms", "400").await, 0);
    assert_eq!(take(&mut other, &fetch(&running, "b", 0)).await, []);
    other.send(2, &patient("b", 1)).await;
    assert_eq!(say(&running, &mut client, "a", 2, (2, 2, RELEASE)).await, (0, 0));
    let told = other.receive::<ShareFetchRequest>(2).await;
    assert_eq!(told.responses[0].partitions[0].acquired_records[0].first_offset, 2);
    client.send(2, &patient("a", 3)).await;
    let told = client.receive::<ShareFetchRequest>(2).await;
    let line = told.responses[0].partitions[0].acquired_records[0].clone();
    assert_eq!((line.first_offset, line.delivery_count), (2, 3), "the lock has ended");
    assert_eq!(set(&mut other, "share.record.lock.duration.ms", "60000").await, 0);
    let mut third = running.client().await;
    assert_eq!(take(&mut third, &fetch(&running, "c", 0)).await, []);
    third.send(2, &patient("c", 1)).await;
    drop(client);
    let told = third.receive::<ShareFetchRequest>(2).await;
    let firsts: Vec<i64> = told.responses[0].partitions[0]
        .acquired_records
        .iter()
        .map(|line| line.first_offset)
        .collect();
    assert_eq!(firsts, [1, 2], "a connection that ends gives back what it had");
}

#[tokio::test]
async fn limits_and_settings_act() {
    let mut options = options();
    options.group.share.sessions_max = 1;
    options.group.share.members_max = 1;
    let running = start_with(options).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    for (name, value) in [
        ("share.auto.offset.reset", "earliest"),
        ("share.delivery.count.limit", "2"),
    ] {
        assert_eq!(set(&mut client, name, value).await, 0);
    }
    assert_eq!(
        set(&mut client, "share.delivery.count.limit", "11").await,
        ErrorCode::InvalidConfig.code()
    );
    let records: Vec<(Option<&str>, &str)> = vec![(None, "v"); 150];
    client
        .produce("t", 0, batch_of(BatchBuilder::new(Compression::Lz4), &records))
        .await;
    client
        .produce("t", 0, batch_of(BatchBuilder::new(Compression::None), &records))
        .await;
    assert_eq!(set(&mut client, "share.partition.max.record.locks", "100").await, 0);
    let small = ShareFetchRequest {
        max_records: 10,
        share_acquire_mode: 1,
        ..fetch(&running, "a", 0)
    };
    assert_eq!(take(&mut client, &small).await, [(0, 9, 1)]);
    assert_eq!(
        take(&mut client, &fetch(&running, "a", 1)).await,
        [(10, 149, 1)],
        "batches are given whole"
    );
    assert_eq!(
        take(&mut client, &fetch(&running, "a", 2)).await,
        [],
        "and then the limit holds"
    );
    let second = client.call(2, &fetch(&running, "b", 0)).await;
    assert_eq!(second.error_code, ErrorCode::ShareSessionLimitReached.code());
    assert_eq!(say(&running, &mut client, "a", 3, (0, 149, RELEASE)).await, (0, 0));
    assert_eq!(take(&mut client, &fetch(&running, "a", 4)).await, [(0, 149, 2)]);
    assert_eq!(say(&running, &mut client, "a", 5, (0, 149, RELEASE)).await, (0, 0));
    assert_eq!(
        take(&mut client, &fetch(&running, "a", 6)).await,
        [(150, 299, 1)],
        "two tries were enough"
    );
    let join = |member: &str| ShareGroupHeartbeatRequest {
        group_id: "g".to_owned(),
        member_id: member.to_owned(),
        subscribed_topic_names: Some(vec!["t".to_owned()]),
        ..ShareGroupHeartbeatRequest::default()
    };
    assert_eq!(client.call(1, &join("a")).await.error_code, 0);
    assert_eq!(
        client.call(1, &join("b")).await.error_code,
        ErrorCode::GroupMaxSizeReached.code()
    );
    let describe = ShareGroupDescribeRequest {
        group_ids: vec!["g".to_owned()],
        include_authorized_operations: false,
    };
    let group = client.call(1, &describe).await.groups.remove(0);
    assert_eq!((group.group_state.as_str(), group.members.len()), ("Stable", 1));
    let running = running.restart(self::options()).await;
    let mut client = running.client().await;
    assert_eq!(
        client.call(1, &describe).await.groups.remove(0),
        group,
        "members are there after a restart"
    );
    let gone = ShareGroupHeartbeatRequest {
        member_epoch: -1,
        ..join("a")
    };
    assert_eq!(client.call(1, &gone).await.error_code, 0);
    assert_eq!(client.call(1, &describe).await.groups[0].group_state, "Empty");
}

#[tokio::test]
async fn readers_of_committed_data_get_no_aborted_records() {
    use wire::messages::end_txn_request::EndTxnRequest;
    use wire::messages::init_producer_id_request::InitProducerIdRequest;
    use wire::messages::produce_request::ProduceRequest;

    let running = start_with(options()).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    for (name, value) in [
        ("share.auto.offset.reset", "earliest"),
        ("share.isolation.level", "read_committed"),
    ] {
        assert_eq!(set(&mut client, name, value).await, 0);
    }
    let init = InitProducerIdRequest {
        transactional_id: Some("tx".to_owned()),
        transaction_timeout_ms: 10_000,
        ..InitProducerIdRequest::default()
    };
    let mut producer = client.call(5, &init).await;
    for committed in [false, true] {
        let (id, epoch) = (producer.producer_id, producer.producer_epoch);
        let builder = BatchBuilder::new(Compression::None)
            .producer(id, epoch, 0)
            .transactional();
        let records = Some(batch_of(builder, &[(None, "x"), (None, "y")]));
        let mut request = ProduceRequest {
            transactional_id: Some("tx".to_owned()),
            ..support::produce_request("t", 0, records, -1)
        };
        request.topic_data[0].topic_id = running.catalog.topic("t").unwrap().id;
        request.topic_data[0].name = String::new();
        let produced = client.call(13, &request).await.responses[0].partition_responses[0].clone();
        assert_eq!(produced.error_code, 0);
        if committed {
            assert_eq!(
                take(&mut client, &fetch(&running, "a", 0)).await,
                [],
                "not while it is open"
            );
        }
        let end = EndTxnRequest {
            transactional_id: "tx".to_owned(),
            producer_id: id,
            producer_epoch: epoch,
            committed,
        };
        let ended = client.call(5, &end).await;
        assert_eq!(ended.error_code, 0);
        (producer.producer_id, producer.producer_epoch) = (ended.producer_id, ended.producer_epoch);
    }
    // Offsets 0 to 2 are the aborted transaction's, with its marker.
    let patient = ShareFetchRequest {
        max_wait_ms: 10_000,
        ..fetch(&running, "a", 1)
    };
    assert_eq!(take(&mut client, &patient).await, [(3, 4, 1)]);
    assert_eq!(say(&running, &mut client, "a", 2, (3, 4, ACCEPT)).await, (0, 0));
}
