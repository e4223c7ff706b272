//! Settings at work: those of the broker changed while it runs, those of groups, and what topics' do to their records.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod support;

use std::time::Duration;

use rivulet_broker as broker;
use support::{Client, batch, batch_of, now_ms, quick_options, start, start_with, values_of};
use wire::messages::alter_configs_request as replace;
use wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use wire::messages::incremental_alter_configs_request as alter;
use wire::messages::list_config_resources_request::ListConfigResourcesRequest;
use wire::{BatchBuilder, BatchHeader, Compression, ErrorCode, NewRecord};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const METRICS: i8 = 16;
const GROUP: i8 = 32;
const SET: i8 = 0;
const DELETE: i8 = 1;

async fn change(client: &mut Client, kind: i8, name: &str, operation: i8, setting: &str, value: &str) -> ErrorCode {
    let config = alter::AlterableConfig {
        name: setting.to_owned(),
        config_operation: operation,
        value: (operation != DELETE).then(|| value.to_owned()),
    };
    let request = alter::IncrementalAlterConfigsRequest {
        resources: vec![alter::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configs: vec![config],
        }],
        validate_only: false,
    };
    ErrorCode::from_code(client.call(1, &request).await.responses[0].error_code).unwrap()
}

/// Value and source of a setting; `-` for null.
async fn shown(client: &mut Client, kind: i8, name: &str, setting: &str) -> String {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configuration_keys: Some(vec![setting.to_owned()]),
        }],
        include_synonyms: true,
        ..DescribeConfigsRequest::default()
    };
    let result = client.call(4, &request).await.results[0].clone();
    match result.configs.first() {
        None => "none".to_owned(),
        Some(config) => {
            let secret = if config.is_sensitive { " secret" } else { "" };
            let fixed = if config.read_only { " fixed" } else { "" };
            let value = config.value.as_deref().unwrap_or("-");
            format!("{value} from {}{secret}{fixed}", config.config_source)
        }
    }
}

#[tokio::test]
async fn the_brokers_settings_change_while_it_runs() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let set = async |client: &mut Client, name: &str, setting: &str, value: &str| {
        change(client, BROKER, name, SET, setting, value).await
    };
    assert_eq!(set(&mut client, "", "message.max.bytes", "70").await, ErrorCode::None);
    assert_eq!(shown(&mut client, TOPIC, "t", "max.message.bytes").await, "70 from 3");
    assert_eq!(shown(&mut client, BROKER, "1", "message.max.bytes").await, "70 from 3");
    let large = batch(&["one", "two", "three"]);
    assert_eq!(
        client.produce("t", 0, large.clone()).await.error_code,
        ErrorCode::MessageTooLarge.code(),
        "it acts at once"
    );
    assert_eq!(
        set(&mut client, "1", "message.max.bytes", "1000").await,
        ErrorCode::None
    );
    assert_eq!(shown(&mut client, TOPIC, "t", "max.message.bytes").await, "1000 from 2");
    assert_eq!(client.produce("t", 0, large.clone()).await.error_code, 0);
    for (name, setting, value, code) in [
        ("1", "num.partitions", "3", ErrorCode::InvalidRequest),
        ("7", "message.max.bytes", "3", ErrorCode::InvalidRequest),
        ("", "message.max.bytes", "three", ErrorCode::InvalidConfig),
        ("1", "min.insync.replicas", "2", ErrorCode::InvalidConfig),
        ("", "min.insync.replicas", "2", ErrorCode::None),
        ("1", "some.plugin.secret", "s3cret", ErrorCode::None),
    ] {
        assert_eq!(
            set(&mut client, name, setting, value).await,
            code,
            "{name} {setting}={value}"
        );
    }
    assert_eq!(
        shown(&mut client, BROKER, "1", "some.plugin.secret").await,
        "- from 2 secret"
    );
    assert_eq!(
        shown(&mut client, BROKER, "1", "num.partitions").await,
        "1 from 5 fixed"
    );
    assert_eq!(shown(&mut client, TOPIC, "t", "min.insync.replicas").await, "2 from 3");
    let running = running.restart(quick_options()).await;
    let mut client = running.client().await;
    assert_eq!(shown(&mut client, TOPIC, "t", "max.message.bytes").await, "1000 from 2");
    assert_eq!(
        change(&mut client, BROKER, "1", DELETE, "message.max.bytes", "").await,
        ErrorCode::None
    );
    assert_eq!(
        client.produce("t", 0, large).await.error_code,
        ErrorCode::MessageTooLarge.code()
    );
    let everything = replace::AlterConfigsRequest {
        resources: vec![replace::AlterConfigsResource {
            resource_type: BROKER,
            resource_name: String::new(),
            configs: vec![replace::AlterableConfig {
                name: "min.insync.replicas".to_owned(),
                value: Some("2".to_owned()),
            }],
        }],
        validate_only: false,
    };
    assert_eq!(client.call(2, &everything).await.responses[0].error_code, 0);
    assert_eq!(
        shown(&mut client, TOPIC, "t", "max.message.bytes").await,
        "1048588 from 5"
    );
}

#[tokio::test]
async fn groups_and_metrics_have_settings() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    for (kind, name, setting, value, code) in [
        (GROUP, "g", "consumer.session.timeout.ms", "50000", ErrorCode::None),
        (GROUP, "g", "consumer.session.timeout.ms", "1", ErrorCode::InvalidConfig),
        (GROUP, "g", "consumer.nonsense", "1", ErrorCode::InvalidConfig),
        (
            GROUP,
            "",
            "consumer.session.timeout.ms",
            "50000",
            ErrorCode::InvalidRequest,
        ),
        (METRICS, "m", "interval.ms", "1000", ErrorCode::None),
        (METRICS, "m", "interval.ms", "1", ErrorCode::InvalidRequest),
        (METRICS, "m", "interval.ms", "often", ErrorCode::InvalidConfig),
        (METRICS, "m", "nonsense", "1", ErrorCode::InvalidRequest),
        (METRICS, "m", "match", "client_id=(", ErrorCode::InvalidConfig),
        (METRICS, "m", "match", "client_id=a.*", ErrorCode::None),
        (9, "m", "interval.ms", "1", ErrorCode::InvalidRequest),
    ] {
        let found = change(&mut client, kind, name, SET, setting, value).await;
        assert_eq!(found, code, "{kind} {name} {setting}={value}");
    }
    assert_eq!(
        shown(&mut client, GROUP, "g", "consumer.session.timeout.ms").await,
        "50000 from 8"
    );
    assert_eq!(
        shown(&mut client, GROUP, "g", "share.auto.offset.reset").await,
        "latest from 5"
    );
    assert_eq!(shown(&mut client, METRICS, "m", "interval.ms").await, "1000 from 7");
    let list = async |client: &mut Client, version: i16, resource_types: &[i8]| {
        let request = ListConfigResourcesRequest {
            resource_types: resource_types.to_vec(),
        };
        let response = client.call(version, &request).await;
        if response.error_code != 0 {
            return vec![response.error_code.to_string()];
        }
        let mut found: Vec<String> = response
            .config_resources
            .iter()
            .map(|resource| format!("{}:{}", resource.resource_type, resource.resource_name))
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(list(&mut client, 1, &[]).await, ["16:m", "2:t", "32:g", "4:1"]);
    assert_eq!(list(&mut client, 1, &[GROUP, TOPIC]).await, ["2:t", "32:g"]);
    assert_eq!(list(&mut client, 1, &[77]).await, ["35"]);
    assert_eq!(
        change(&mut client, GROUP, "g", DELETE, "consumer.session.timeout.ms", "").await,
        ErrorCode::None
    );
    assert_eq!(list(&mut client, 1, &[GROUP]).await, [""; 0]);
}

#[tokio::test]
async fn a_topics_codec_holds_whatever_the_producer_chose() {
    let running = start().await;
    let mut client = running.client().await;
    for (wanted, stored) in [
        ("zstd", Compression::Zstd),
        ("uncompressed", Compression::None),
        ("gzip", Compression::Gzip),
        ("producer", Compression::Snappy),
    ] {
        client.create(wanted, 1, &[("compression.type", wanted)]).await;
        let builder = BatchBuilder::new(Compression::Snappy).producer(900, 0, 0);
        let sent = batch_of(builder, &[(Some("k"), "one"), (Some("k"), "two")]);
        assert_eq!(client.produce(wanted, 0, sent.clone()).await.error_code, 0);
        assert_eq!(
            client.produce(wanted, 0, sent).await.base_offset,
            0,
            "a repeat is known as one"
        );
        let data = client.fetch(wanted, 0, 0).await;
        let header = BatchHeader::parse(&support::fetched(&data)).unwrap();
        assert_eq!(
            (header.compression(), header.producer_id),
            (Ok(stored), 900),
            "{wanted}"
        );
        assert_eq!(values_of(&data), ["one", "two"]);
    }
}

#[tokio::test]
async fn segments_close_as_the_topic_says_and_then_may_go() {
    let running = start_with(broker::BrokerOptions {
        retention_check_interval: Duration::from_millis(10),
        ..quick_options()
    })
    .await;
    let mut client = running.client().await;
    let by_time = [("segment.ms", "60000"), ("retention.ms", "3600000")];
    let by_size = [("segment.bytes", "1048576"), ("retention.bytes", "1048576")];
    let by_index = [
        ("segment.index.bytes", "8"),
        ("index.interval.bytes", "100"),
        ("retention.bytes", "1000"),
    ];
    client.create("by-time", 1, &by_time).await;
    client.create("by-size", 1, &by_size).await;
    client.create("by-index", 1, &by_index).await;
    for hours in [5, 4, 0] {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(NewRecord {
            timestamp: now_ms() - hours * 3_600_000,
            value: Some(b"x"),
            ..NewRecord::default()
        });
        assert_eq!(
            client.produce("by-time", 0, builder.build().unwrap()).await.error_code,
            0
        );
    }
    let half = "x".repeat(600_000);
    for _ in 0..5 {
        assert_eq!(client.produce("by-size", 0, batch(&[&half])).await.error_code, 0);
    }
    for _ in 0..50 {
        assert_eq!(
            client
                .produce("by-index", 0, batch(&["some hundred bytes"]))
                .await
                .error_code,
            0
        );
    }
    let mut starts = Vec::new();
    for (topic, at_least) in [("by-time", 2), ("by-size", 2), ("by-index", 20)] {
        loop {
            let start = client.fetch(topic, 0, 49).await.log_start_offset;
            let start = match start {
                -1 => {
                    running
                        .log
                        .bounds(running.catalog.topic(topic).unwrap().partitions[0])
                        .unwrap()
                        .log_start
                }
                start => start,
            };
            if start >= at_least {
                starts.push(start);
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(starts[0], 2, "what is young stays");
    assert!(
        starts[1] < 5 && starts[2] < 50,
        "what is to be kept is kept: {starts:?}"
    );
}

#[tokio::test]
async fn what_was_given_at_the_start_holds() {
    let mut options = quick_options();
    for (name, value) in [
        ("num.partitions", "4"),
        ("auto.create.topics.enable", "false"),
        ("log.retention.hours", "2"),
        ("delete.topic.enable", "false"),
        ("replication.factor.policy", "clamp"),
    ] {
        options.set(name, value).unwrap();
    }
    let unknown = options.set("num.partition", "4").unwrap_err();
    assert_eq!(
        unknown,
        "the broker has no setting `num.partition`; near it are `num.partitions`"
    );
    assert_eq!(options.set("zzz", "4").unwrap_err(), "the broker has no setting `zzz`");
    let wrong = options.set("num.partitions", "many").unwrap_err();
    assert_eq!(wrong, "`num.partitions` cannot be `many`: Not a number");
    let running = start_with(options).await;
    let mut client = running.client().await;
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: "t".to_owned(),
            num_partitions: -1,
            replication_factor: 3,
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    };
    let created = client.call(7, &request).await.topics[0].clone();
    assert_eq!(
        (created.error_code, created.num_partitions, created.replication_factor),
        (0, 4, 3)
    );
    assert_eq!(created.configs.unwrap().len(), 33);
    assert_eq!(shown(&mut client, TOPIC, "t", "retention.ms").await, "7200000 from 4");
    assert_eq!(
        shown(&mut client, BROKER, "1", "num.partitions").await,
        "4 from 4 fixed"
    );
}

/// Every value from the start on; a fetch ends where a segment does.
async fn all_values(client: &mut Client, topic: &str) -> Vec<String> {
    let (mut found, mut offset) = (Vec::new(), 0);
    loop {
        let data = client.fetch(topic, 0, offset).await;
        assert_eq!(data.error_code, 0);
        found.extend(values_of(&data));
        let last = wire::batches(&support::fetched(&data)).last();
        offset = last.map_or(offset, |batch| batch.unwrap().0.last_offset()) + 1;
        if offset >= data.high_watermark {
            return found;
        }
    }
}

/// Waits until these values are left in a topic.
async fn settles_at(client: &mut Client, topic: &str, expected: &[&str]) {
    let deadline = now_ms() + 20_000;
    loop {
        let found = all_values(client, topic).await;
        if found == expected {
            return;
        }
        assert!(now_ms() < deadline, "`{topic}` stays at {found:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn compacted_topics_keep_the_last_of_each_key() {
    let running = start_with(broker::BrokerOptions {
        compaction_check_interval: Duration::from_millis(10),
        ..quick_options()
    })
    .await;
    let mut client = running.client().await;
    let quick = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("segment.ms", "100"),
        ("delete.retention.ms", "0"),
    ];
    let lagging = [quick[0], quick[1], quick[2], ("min.compaction.lag.ms", "3600000")];
    let late = [
        quick[0],
        ("min.cleanable.dirty.ratio", "1.0"),
        ("max.compaction.lag.ms", "1"),
    ];
    client.create("quick", 1, &quick).await;
    client.create("lagging", 1, &lagging).await;
    client.create("late", 1, &late).await;
    let started = now_ms() - 60_000;
    for (step, (key, value)) in [
        ("a", Some("a1")),
        ("b", Some("b1")),
        ("a", Some("a2")),
        ("c", Some("c1")),
        ("c", None),
        ("b", Some("b2")),
        ("d", Some("d1")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut builder = BatchBuilder::new(Compression::Lz4);
        builder.push(NewRecord {
            // Each in a segment of its own.
            timestamp: started + step as i64 * 1_000,
            key: Some(key.as_bytes()),
            value: value.map(str::as_bytes),
            headers: &[],
        });
        let batch = builder.build().unwrap();
        for topic in ["quick", "lagging", "late"] {
            assert_eq!(client.produce(topic, 0, batch.clone()).await.error_code, 0);
        }
    }
    settles_at(&mut client, "late", &["a2", "", "b2", "d1"]).await;
    // The marker of a deleted key is kept by the first compaction that meets it, and goes with a later one; each needs
    // something new.
    let mut newer = started + 30_000;
    let left = loop {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(NewRecord {
            timestamp: newer.min(now_ms()),
            key: Some(b"e"),
            value: Some(b"e1"),
            headers: &[],
        });
        let batch = builder.build().unwrap();
        assert_eq!(client.produce("quick", 0, batch).await.error_code, 0);
        newer += 1_000;
        let left = all_values(&mut client, "quick").await;
        if !left.iter().any(String::is_empty) {
            break left;
        }
        assert!(newer < started + 10_000_000, "`quick` stays at {left:?}");
    };
    assert_eq!(left[..3], ["a2", "b2", "d1"]);
    assert_eq!(
        all_values(&mut client, "lagging").await,
        ["a1", "b1", "a2", "c1", "", "b2", "d1"]
    );
    assert_eq!(
        change(&mut client, TOPIC, "lagging", SET, "min.compaction.lag.ms", "0").await,
        ErrorCode::None
    );
    settles_at(&mut client, "lagging", &["a2", "", "b2", "d1"]).await;
}

#[tokio::test]
async fn a_resting_cleaner_hears_of_a_shorter_rest() {
    let running = start_with(broker::BrokerOptions {
        compaction_check_interval: Duration::from_secs(3_600),
        ..quick_options()
    })
    .await;
    let mut client = running.client().await;
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("segment.ms", "100"),
    ];
    client.create("quick", 1, &settings).await;
    for (step, value) in ["a1", "a2", "a3"].into_iter().enumerate() {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(NewRecord {
            timestamp: now_ms() - 60_000 + step as i64 * 1_000,
            key: Some(b"a"),
            value: Some(value.as_bytes()),
            headers: &[],
        });
        assert_eq!(client.produce("quick", 0, builder.build().unwrap()).await.error_code, 0);
    }
    assert_eq!(all_values(&mut client, "quick").await, ["a1", "a2", "a3"]);
    for backoff_ms in ["1800000", "10"] {
        let set = change(&mut client, BROKER, "", SET, "log.cleaner.backoff.ms", backoff_ms).await;
        assert_eq!(set, ErrorCode::None);
    }
    // The last one lies in the segment that is written to.
    settles_at(&mut client, "quick", &["a2", "a3"]).await;
}

#[tokio::test]
async fn records_of_the_wrong_time_are_named() {
    let running = start().await;
    let mut client = running.client().await;
    let bounds = [
        ("message.timestamp.before.max.ms", "60000"),
        ("message.timestamp.after.max.ms", "60000"),
    ];
    client.create("t", 1, &bounds).await;
    let hour_ms = 3_600_000;
    for (hours, at_fault) in [
        (&[0, 0][..], &[][..]),
        (&[0, -1, 0, 1], &[1, 3]),
        (&[0, -1], &[1]),
        (&[1], &[0]),
    ] {
        let mut builder = BatchBuilder::new(Compression::Gzip);
        for hours in hours {
            builder.push(NewRecord {
                timestamp: now_ms() + hours * hour_ms,
                value: Some(b"x"),
                ..NewRecord::default()
            });
        }
        let produced = client.produce("t", 0, builder.build().unwrap()).await;
        let named: Vec<i32> = produced.record_errors.iter().map(|error| error.batch_index).collect();
        assert_eq!(named, at_fault, "{hours:?}");
        let code = if at_fault.is_empty() {
            0
        } else {
            ErrorCode::InvalidTimestamp.code()
        };
        assert_eq!((produced.error_code, produced.log_start_offset), (code, 0));
    }
}
