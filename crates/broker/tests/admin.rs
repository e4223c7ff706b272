//! Topics and their settings as a raw client sees them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;

use rivulet_broker::{BrokerOptions, ReplicationFactorPolicy};
use support::{Client, Running, batch, quick_options, start, start_with};
use wire::ErrorCode;
use wire::messages::alter_configs_request as replace;
use wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use wire::messages::describe_cluster_request::DescribeClusterRequest;
use wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use wire::messages::describe_topic_partitions_request::{DescribeTopicPartitionsRequest, TopicRequest};
use wire::messages::describe_user_scram_credentials_request::{DescribeUserScramCredentialsRequest, UserName};
use wire::messages::incremental_alter_configs_request as alter;
use wire::messages::unregister_broker_request::UnregisterBrokerRequest;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn topic(name: &str) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    }
}

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest {
        topics,
        ..CreateTopicsRequest::default()
    }
}

#[tokio::test]
async fn topics_are_created_or_refused_as_kafka_does() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("a.b", 3, &[]).await;
    let mut check = async |change: &dyn Fn(&mut CreatableTopic), expected: ErrorCode| {
        let mut wanted = topic("n");
        change(&mut wanted);
        let result = client.call(7, &create(vec![wanted])).await.topics[0].clone();
        assert_eq!(
            ErrorCode::from_code(result.error_code),
            Some(expected),
            "{:?}",
            result.error_message
        );
        assert_eq!(result.error_message.is_some(), !expected.is_none());
        assert!(
            running.catalog.topic("n").is_none() || expected.is_none(),
            "refused is not created"
        );
    };
    check(&|t| t.name = "a.b".to_owned(), ErrorCode::TopicAlreadyExists).await;
    check(&|t| t.name = "a_b".to_owned(), ErrorCode::InvalidTopicException).await;
    check(&|t| t.name = "a b".to_owned(), ErrorCode::InvalidTopicException).await;
    check(&|t| t.num_partitions = 0, ErrorCode::InvalidPartitions).await;
    check(&|t| t.replication_factor = 3, ErrorCode::InvalidReplicationFactor).await;
    check(&|t| t.replication_factor = 0, ErrorCode::InvalidReplicationFactor).await;
    let config = |name: &str, value: Option<&str>| {
        vec![CreatableTopicConfig {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        }]
    };
    check(
        &|t| t.configs = config("retention.mss", Some("1")),
        ErrorCode::InvalidConfig,
    )
    .await;
    check(
        &|t| t.configs = config("retention.ms", Some("soon")),
        ErrorCode::InvalidConfig,
    )
    .await;
    check(&|t| t.configs = config("retention.ms", None), ErrorCode::InvalidConfig).await;
    let assignment = |partition_index, broker| CreatableReplicaAssignment {
        partition_index,
        broker_ids: vec![broker],
    };
    check(&|t| t.assignments = vec![assignment(0, 1)], ErrorCode::InvalidRequest).await;
    let assigned = |t: &mut CreatableTopic, assignments| {
        *t = CreatableTopic {
            num_partitions: -1,
            replication_factor: -1,
            assignments,
            ..t.clone()
        };
    };
    check(
        &|t| assigned(t, vec![assignment(0, 7)]),
        ErrorCode::InvalidReplicaAssignment,
    )
    .await;
    check(
        &|t| assigned(t, vec![assignment(1, 1)]),
        ErrorCode::InvalidReplicaAssignment,
    )
    .await;
    check(
        &|t| assigned(t, vec![assignment(1, 1), assignment(0, 1)]),
        ErrorCode::None,
    )
    .await;
    assert_eq!(running.catalog.topic("n").unwrap().partitions.len(), 2);

    let twice = client
        .call(7, &create(vec![topic("d"), topic("d"), topic("e")]))
        .await
        .topics;
    let codes: BTreeMap<_, _> = twice
        .iter()
        .map(|topic| (topic.name.as_str(), topic.error_code))
        .collect();
    assert_eq!(
        codes,
        BTreeMap::from([("d", ErrorCode::InvalidRequest.code()), ("e", 0)])
    );
    let dry = CreateTopicsRequest {
        validate_only: true,
        ..create(vec![topic("f")])
    };
    assert_eq!(client.call(7, &dry).await.topics[0].error_code, 0);
    assert!(running.catalog.topic("f").is_none());
    for version in 2..=7 {
        let result = client
            .call(version, &create(vec![topic(&format!("v{version}"))]))
            .await
            .topics[0]
            .clone();
        assert_eq!(result.error_code, 0, "version {version}");
        assert_eq!(result.configs.is_some_and(|configs| !configs.is_empty()), version >= 5);
    }
}

#[tokio::test]
async fn any_replication_factor_is_taken_where_the_broker_is_told_to() {
    let options = BrokerOptions {
        replication_factor_policy: ReplicationFactorPolicy::Clamp,
        ..quick_options()
    };
    let running = start_with(options).await;
    let wanted = CreatableTopic {
        replication_factor: 3,
        ..topic("t")
    };
    assert_eq!(
        running.client().await.call(7, &create(vec![wanted])).await.topics[0].error_code,
        0
    );
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id() {
    let running = start().await;
    let mut client = running.client().await;
    for version in 1..=6 {
        client.create("t", 1, &[]).await;
        let mut request = DeleteTopicsRequest::default();
        if version < 6 {
            request.topic_names = vec!["t".to_owned(), "none".to_owned()];
        } else {
            let by_id = |topic_id| DeleteTopicState { name: None, topic_id };
            request.topics = vec![by_id(running.catalog.topic("t").unwrap().id), by_id([3; 16])];
        }
        let responses = client.call(version, &request).await.responses;
        let missing = if version < 6 {
            ErrorCode::UnknownTopicOrPartition
        } else {
            ErrorCode::UnknownTopicId
        };
        assert_eq!(
            (responses[0].error_code, responses[1].error_code),
            (0, missing.code()),
            "version {version}"
        );
        assert_eq!(responses[0].name.as_deref(), Some("t"));
        assert!(running.catalog.topic("t").is_none());
    }
}

#[tokio::test]
async fn topics_grow_and_never_shrink() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 2, &[]).await;
    let grow = |name: &str, count| CreatePartitionsTopic {
        name: name.to_owned(),
        count,
        assignments: None,
    };
    let request = CreatePartitionsRequest {
        topics: vec![grow("t", 5), grow("none", 2), grow("twice", 1), grow("twice", 2)],
        ..CreatePartitionsRequest::default()
    };
    let results = client.call(3, &request).await.results;
    let codes: Vec<_> = results
        .iter()
        .map(|result| (result.name.as_str(), result.error_code))
        .collect();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(
        codes,
        [("t", 0), ("none", unknown), ("twice", ErrorCode::InvalidRequest.code())]
    );
    assert_eq!(client.produce("t", 4, batch(&["x"])).await.error_code, 0);
    for (count, expected) in [(5, ErrorCode::InvalidPartitions), (1, ErrorCode::InvalidPartitions)] {
        let request = CreatePartitionsRequest {
            topics: vec![grow("t", count)],
            ..CreatePartitionsRequest::default()
        };
        assert_eq!(client.call(0, &request).await.results[0].error_code, expected.code());
    }
}

#[tokio::test]
async fn records_are_deleted_up_to_an_offset() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    client.create("compacted", 1, &[("cleanup.policy", "compact")]).await;
    client.produce("t", 0, batch(&["a", "b", "c"])).await;
    let mut check = async |name: &str, offset: i64, expected: (ErrorCode, i64)| {
        let partitions = vec![DeleteRecordsPartition {
            partition_index: 0,
            offset,
        }];
        let request = DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: name.to_owned(),
                partitions,
            }],
            ..DeleteRecordsRequest::default()
        };
        let found = client.call(2, &request).await.topics[0].partitions[0].clone();
        assert_eq!(
            (found.error_code, found.low_watermark),
            (expected.0.code(), expected.1),
            "{name} {offset}"
        );
    };
    check("t", 2, (ErrorCode::None, 2)).await;
    check("t", 1, (ErrorCode::None, 2)).await;
    check("t", 9, (ErrorCode::OffsetOutOfRange, -1)).await;
    check("t", -1, (ErrorCode::None, 3)).await;
    check("none", 0, (ErrorCode::UnknownTopicOrPartition, -1)).await;
    check("compacted", 0, (ErrorCode::PolicyViolation, -1)).await;
    assert_eq!(
        client.fetch("t", 0, 2).await.error_code,
        ErrorCode::OffsetOutOfRange.code()
    );
    assert_eq!(client.fetch("t", 0, 3).await.log_start_offset, 3);
}

async fn shown(client: &mut Client, kind: i8, name: &str) -> BTreeMap<String, (String, i8)> {
    let resource = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        ..DescribeConfigsRequest::default()
    };
    let result = client.call(4, &request).await.results[0].clone();
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    let value = |config: wire::messages::describe_configs_response::DescribeConfigsResourceResult| {
        (config.name, (config.value.unwrap_or_default(), config.config_source))
    };
    result.configs.into_iter().map(value).collect()
}

#[tokio::test]
async fn settings_are_shown_with_their_sources() {
    let running = start().await;
    let mut client = running.client().await;
    client
        .create("t", 1, &[("retention.ms", "5000"), ("min.insync.replicas", "1")])
        .await;
    let topic = shown(&mut client, TOPIC, "t").await;
    assert_eq!(topic["retention.ms"], ("5000".to_owned(), 1));
    assert_eq!(topic["cleanup.policy"], ("delete".to_owned(), 5));
    assert_eq!(topic["min.insync.replicas"], ("1".to_owned(), 1));
    assert_eq!(topic.len(), 33, "as many as Kafka 4.3 shows");
    let broker = shown(&mut client, BROKER, "1").await;
    assert_eq!(broker["num.partitions"], ("1".to_owned(), 5));
    assert_eq!(broker["group.initial.rebalance.delay.ms"], ("0".to_owned(), 4));
    for version in 1..=4 {
        let resource = |resource_type, name: &str, keys: Option<Vec<String>>| DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: keys,
        };
        let request = DescribeConfigsRequest {
            resources: vec![
                resource(TOPIC, "t", Some(vec!["retention.ms".to_owned()])),
                resource(TOPIC, "none", None),
                resource(BROKER, "7", None),
                resource(8, "1", None),
            ],
            include_synonyms: true,
            include_documentation: version >= 3,
        };
        let results = client.call(version, &request).await.results;
        let codes: Vec<_> = results
            .iter()
            .map(|result| ErrorCode::from_code(result.error_code).unwrap())
            .collect();
        let invalid = ErrorCode::InvalidRequest;
        assert_eq!(
            codes,
            [ErrorCode::None, ErrorCode::UnknownTopicOrPartition, invalid, invalid]
        );
        assert_eq!((results[0].configs.len(), results[0].configs[0].synonyms.len()), (1, 1));
        assert_eq!(
            results[0].configs[0]
                .documentation
                .as_ref()
                .is_some_and(|text| !text.is_empty()),
            version >= 3
        );
    }
}

async fn change(client: &mut Client, name: &str, operation: i8, value: Option<&str>) -> ErrorCode {
    let config = alter::AlterableConfig {
        name: name.to_owned(),
        config_operation: operation,
        value: value.map(str::to_owned),
    };
    let resource = alter::AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: "t".to_owned(),
        configs: vec![config],
    };
    let request = alter::IncrementalAlterConfigsRequest {
        resources: vec![resource],
        validate_only: false,
    };
    ErrorCode::from_code(client.call(1, &request).await.responses[0].error_code).unwrap()
}

#[tokio::test]
async fn settings_are_changed_one_by_one_or_all_at_once() {
    let running: Running = start().await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let (set, delete, append, subtract) = (0, 1, 2, 3);
    assert_eq!(
        change(&mut client, "retention.ms", set, Some("9")).await,
        ErrorCode::None
    );
    assert_eq!(
        change(&mut client, "cleanup.policy", append, Some("compact")).await,
        ErrorCode::None
    );
    assert_eq!(
        shown(&mut client, TOPIC, "t").await["cleanup.policy"].0,
        "delete,compact"
    );
    assert_eq!(
        change(&mut client, "cleanup.policy", subtract, Some("delete")).await,
        ErrorCode::None
    );
    let keyless = support::batch_of(wire::BatchBuilder::new(wire::Compression::None), &[(None, "x")]);
    assert_eq!(
        client.produce("t", 0, keyless).await.error_code,
        ErrorCode::InvalidRecord.code(),
        "it acts at once"
    );
    assert_eq!(
        change(&mut client, "retention.ms", append, Some("1")).await,
        ErrorCode::InvalidConfig
    );
    assert_eq!(
        change(&mut client, "retention.ms", set, None).await,
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        change(&mut client, "retention.ms", 9, Some("1")).await,
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        change(&mut client, "unheard.of", set, Some("1")).await,
        ErrorCode::InvalidConfig
    );
    assert_eq!(change(&mut client, "retention.ms", delete, None).await, ErrorCode::None);
    assert_eq!(
        running.catalog.topic("t").unwrap().settings,
        BTreeMap::from([("cleanup.policy".into(), "compact".into())])
    );
    let config = replace::AlterableConfig {
        name: "max.message.bytes".to_owned(),
        value: Some("77".to_owned()),
    };
    let resource = |kind, name: &str| replace::AlterConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned(),
        configs: vec![config.clone()],
    };
    let request = replace::AlterConfigsRequest {
        resources: vec![resource(TOPIC, "t"), resource(TOPIC, "none"), resource(BROKER, "7")],
        validate_only: false,
    };
    let codes: Vec<_> = client
        .call(2, &request)
        .await
        .responses
        .iter()
        .map(|response| response.error_code)
        .collect();
    let (unknown, invalid) = (
        ErrorCode::UnknownTopicOrPartition.code(),
        ErrorCode::InvalidRequest.code(),
    );
    assert_eq!(codes, [0, unknown, invalid]);
    assert_eq!(
        running.catalog.topic("t").unwrap().settings,
        BTreeMap::from([("max.message.bytes".into(), "77".into())])
    );
}

#[tokio::test]
async fn partitions_are_described_page_by_page() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("b", 3, &[]).await;
    client.create("a", 2, &[]).await;
    let mut request = DescribeTopicPartitionsRequest {
        topics: ["b", "a", "none"]
            .map(|name| TopicRequest { name: name.to_owned() })
            .into(),
        response_partition_limit: 3,
        cursor: None,
    };
    let first = client.call(0, &request).await;
    let seen: Vec<_> = first
        .topics
        .iter()
        .map(|t| (t.name.clone().unwrap(), t.partitions.len()))
        .collect();
    assert_eq!(seen, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    let cursor = first.next_cursor.unwrap();
    assert_eq!((cursor.topic_name.as_str(), cursor.partition_index), ("b", 1));
    request.cursor = Some(wire::messages::describe_topic_partitions_request::Cursor {
        topic_name: cursor.topic_name,
        partition_index: cursor.partition_index,
    });
    let second = client.call(0, &request).await;
    let indexes: Vec<_> = second.topics[0].partitions.iter().map(|p| p.partition_index).collect();
    assert_eq!(
        (indexes, second.topics[1].error_code),
        (vec![1, 2], ErrorCode::UnknownTopicOrPartition.code())
    );
    assert!(second.next_cursor.is_none());
    for version in 0..=2 {
        let cluster = client.call(version, &DescribeClusterRequest::default()).await;
        assert_eq!(
            (cluster.error_code, cluster.brokers.len(), cluster.controller_id),
            (0, 1, 1)
        );
    }
}

#[tokio::test]
async fn nobody_has_scram_credentials() {
    let running = start().await;
    let mut client = running.client().await;
    for (names, expected) in [
        (None, vec![]),
        (Some(vec![]), vec![]),
        (
            Some(vec!["b", "a", "b"]),
            vec![("a", ErrorCode::ResourceNotFound), ("b", ErrorCode::DuplicateResource)],
        ),
    ] {
        let name = |name: &str| UserName { name: name.to_owned() };
        let request = DescribeUserScramCredentialsRequest {
            users: names.map(|names: Vec<&str>| names.into_iter().map(name).collect()),
        };
        let response = client.call(0, &request).await;
        assert_eq!(response.error_code, 0);
        let told: Vec<(&str, i16)> = response
            .results
            .iter()
            .map(|one| (one.user.as_str(), one.error_code))
            .collect();
        let expected: Vec<(&str, i16)> = expected.into_iter().map(|(name, code)| (name, code.code())).collect();
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn running_brokers_stay_on_the_list_and_others_never_were() {
    let running = start_with(BrokerOptions {
        virtual_brokers: 2,
        ..quick_options()
    })
    .await;
    let mut client = running.client().await;
    let first = quick_options().node_id;
    for (broker_id, expected) in [
        (first, ErrorCode::InvalidRequest),
        (first + 1, ErrorCode::InvalidRequest),
        (first + 2, ErrorCode::BrokerIdNotRegistered),
        (-1, ErrorCode::BrokerIdNotRegistered),
    ] {
        let response = client.call(0, &UnregisterBrokerRequest { broker_id }).await;
        assert_eq!(response.error_code, expected.code(), "{broker_id}");
        assert!(response.error_message.unwrap().contains(&broker_id.to_string()));
    }
    let cluster = client.call(0, &DescribeClusterRequest::default()).await;
    assert_eq!(cluster.brokers.len(), 2, "nobody is gone");
}
