//! Topics: made, grown, described, configured and deleted, rightly and wrongly.

use wire::messages::alter_configs_request as alter;
use wire::messages::create_partitions_request::*;
use wire::messages::create_topics_request::*;
use wire::messages::delete_topics_request::*;
use wire::messages::describe_cluster_request::DescribeClusterRequest;
use wire::messages::describe_configs_request::*;
use wire::messages::describe_topic_partitions_request::*;
use wire::messages::incremental_alter_configs_request as incremental;
use wire::messages::metadata_request::*;

use super::{create, metadata_of, new_topic};
use crate::differential::Observer;

pub(super) fn play(observer: &mut Observer) {
    creating(observer);
    metadata(observer);
    growing(observer);
    configuring(observer);
    deleting(observer);
}

fn creating(observer: &mut Observer) {
    let named = |name: &str| new_topic(name, 1, &[]);
    let assigned = |brokers: &[&[i32]]| CreatableTopic {
        num_partitions: -1,
        replication_factor: -1,
        assignments: (0_i32..)
            .zip(brokers)
            .map(|(partition_index, ids)| CreatableReplicaAssignment {
                partition_index,
                broker_ids: ids.to_vec(),
            })
            .collect(),
        ..named("assigned")
    };
    let with = |name: &str, setting: &str, value: &str| new_topic(name, 1, &[(setting, value)]);
    let cases: Vec<(&str, Vec<CreatableTopic>)> = vec![
        ("plain", vec![named("plain")]),
        ("plain again", vec![named("plain")]),
        (
            "the same name twice",
            vec![named("twice"), named("twice"), named("once")],
        ),
        (
            "defaults",
            vec![CreatableTopic {
                num_partitions: -1,
                replication_factor: -1,
                ..named("defaults")
            }],
        ),
        (
            "no partitions",
            vec![CreatableTopic {
                num_partitions: 0,
                ..named("zero")
            }],
        ),
        (
            "minus two partitions",
            vec![CreatableTopic {
                num_partitions: -2,
                ..named("minus")
            }],
        ),
        (
            "factor zero",
            vec![CreatableTopic {
                replication_factor: 0,
                ..named("factor")
            }],
        ),
        (
            "factor three",
            vec![CreatableTopic {
                replication_factor: 3,
                ..named("factor")
            }],
        ),
        ("no name", vec![named("")]),
        ("a dot", vec![named(".")]),
        ("two dots", vec![named("..")]),
        ("a space", vec![named("a b")]),
        ("a slash", vec![named("a/b")]),
        ("unicode", vec![named("über")]),
        ("249 characters", vec![named(&"n".repeat(249))]),
        ("250 characters", vec![named(&"n".repeat(250))]),
        ("with a dot", vec![named("col.lide")]),
        ("collides with the dot", vec![named("col_lide")]),
        ("assigned", vec![assigned(&[&[1]])]),
        ("assigned to a stranger", vec![assigned(&[&[7]])]),
        ("assigned to nobody", vec![assigned(&[&[]])]),
        ("assigned twice to one", vec![assigned(&[&[1, 1]])]),
        (
            "assigned and counted",
            vec![CreatableTopic {
                num_partitions: 1,
                ..assigned(&[&[1]])
            }],
        ),
        ("unknown setting", vec![with("unknown-setting", "no.such.setting", "1")]),
        ("retention as words", vec![with("words", "retention.ms", "a week")]),
        ("retention -2", vec![with("minus-two", "retention.ms", "-2")]),
        ("segment of a byte", vec![with("segment", "segment.bytes", "1")]),
        ("policy none", vec![with("policy", "cleanup.policy", "none")]),
        ("policy empty", vec![with("policy-empty", "cleanup.policy", "")]),
        (
            "policy both",
            vec![with("policy-both", "cleanup.policy", "compact,delete")],
        ),
        ("codec unknown", vec![with("codec", "compression.type", "rar")]),
        ("codec zstd", vec![with("codec-zstd", "compression.type", "zstd")]),
        ("time unknown", vec![with("time", "message.timestamp.type", "Never")]),
        ("dirty ratio two", vec![with("ratio", "min.cleanable.dirty.ratio", "2")]),
        ("insync two", vec![with("insync", "min.insync.replicas", "2")]),
        (
            "null value",
            vec![CreatableTopic {
                configs: vec![CreatableTopicConfig {
                    name: "retention.ms".into(),
                    value: None,
                }],
                ..named("null-value")
            }],
        ),
        ("internal", vec![named("__cluster_metadata")]),
        ("two good ones", vec![named("good-1"), named("good-2")]),
        ("one good, one bad", vec![named("good-3"), named("bad one")]),
    ];
    for (step, topics) in cases {
        let request = CreateTopicsRequest {
            topics,
            timeout_ms: 10_000,
            validate_only: false,
        };
        observer.ask(step, 7, &request);
    }
    for version in 2..=7 {
        let request = |validate_only| CreateTopicsRequest {
            topics: vec![new_topic(&format!("version-{version}"), 2, &[("retention.ms", "1000")])],
            timeout_ms: 10_000,
            validate_only,
        };
        observer.ask("validated only", version, &request(true));
        observer.ask("for good", version, &request(false));
        observer.ask("once more", version, &request(false));
        observer.ask("validated when there", version, &request(true));
    }
}

fn metadata(observer: &mut Observer) {
    let id = create(observer, "known", 3, &[]);
    for version in 0..=13 {
        observer.ask("of one", version, &metadata_of("known"));
        if version < 4 {
            // These make what they are asked for; a broker does so in its own time.
            let made = metadata_of(&format!("made-by-version-{version}"));
            observer.settle("of none that was", version, &made, |answer| {
                answer.topics.iter().all(|topic| topic.error_code == 0)
            });
        } else {
            for (step, name) in [("of none that is", "nobody-knows"), ("of a bad name", "bad name")] {
                let request = MetadataRequest {
                    allow_auto_topic_creation: false,
                    ..metadata_of(name)
                };
                observer.ask(step, version, &request);
            }
        }
        let mut several = metadata_of("known");
        if let Some(topics) = &mut several.topics {
            topics.extend(metadata_of("plain").topics.unwrap_or_default());
            topics.extend(metadata_of("known").topics.unwrap_or_default());
        }
        observer.ask("of several", version, &several);
        let by_id = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                topic_id: id,
                name: None,
            }]),
            ..Default::default()
        };
        observer.ask_if_it_fits("by id", version, &by_id);
        let stranger = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                topic_id: [7; 16],
                name: None,
            }]),
            ..Default::default()
        };
        observer.ask_if_it_fits("by an id nobody has", version, &stranger);
        let with_operations = MetadataRequest {
            include_topic_authorized_operations: true,
            include_cluster_authorized_operations: true,
            ..metadata_of("known")
        };
        observer.ask_if_it_fits("with operations", version, &with_operations);
    }
    observer.settle(
        "made on demand",
        9,
        &MetadataRequest {
            allow_auto_topic_creation: true,
            ..metadata_of("made-on-demand")
        },
        |answer| answer.topics.first().is_some_and(|topic| topic.error_code == 0),
    );
    for version in 0..=2 {
        observer.ask(
            "cluster",
            version,
            &DescribeClusterRequest {
                endpoint_type: 1,
                ..Default::default()
            },
        );
        let asked = DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            endpoint_type: 1,
            ..Default::default()
        };
        observer.ask("cluster with operations", version, &asked);
        let controllers = DescribeClusterRequest {
            endpoint_type: 2,
            ..Default::default()
        };
        observer.ask_if_it_fits("controllers", version, &controllers);
        let strange = DescribeClusterRequest {
            endpoint_type: 9,
            ..Default::default()
        };
        observer.ask_if_it_fits("endpoint type nine", version, &strange);
        let fenced = DescribeClusterRequest {
            endpoint_type: 1,
            include_fenced_brokers: true,
            ..Default::default()
        };
        observer.ask_if_it_fits("fenced too", version, &fenced);
    }
    let pages = |names: &[&str], limit: i32, cursor: Option<Cursor>| DescribeTopicPartitionsRequest {
        topics: names
            .iter()
            .map(|&name| TopicRequest { name: name.to_owned() })
            .collect(),
        response_partition_limit: limit,
        cursor,
    };
    let at = |topic: &str, partition_index: i32| {
        Some(Cursor {
            topic_name: topic.to_owned(),
            partition_index,
        })
    };
    observer.ask("two topics", 0, &pages(&["plain", "known"], 100, None));
    observer.ask("a page of two", 0, &pages(&["known"], 2, None));
    observer.ask("from a cursor", 0, &pages(&["known", "plain"], 2, at("known", 2)));
    observer.ask("a limit of zero", 0, &pages(&["known"], 0, None));
    observer.ask("unknown topic", 0, &pages(&["nobody-knows"], 10, None));
    observer.ask("a cursor behind all", 0, &pages(&["known"], 10, at("zzz", 0)));
    observer.ask("a cursor at -1", 0, &pages(&["known"], 10, at("known", -1)));
}

fn growing(observer: &mut Observer) {
    create(observer, "grown", 1, &[]);
    let to = |count: i32| CreatePartitionsTopic {
        name: "grown".into(),
        count,
        assignments: None,
    };
    let assigned = |count: i32, ids: &[&[i32]]| CreatePartitionsTopic {
        assignments: Some(
            ids.iter()
                .map(|ids| CreatePartitionsAssignment {
                    broker_ids: ids.to_vec(),
                })
                .collect(),
        ),
        ..to(count)
    };
    let cases = [
        ("to fewer", vec![to(0)]),
        ("to as many", vec![to(1)]),
        ("to minus one", vec![to(-1)]),
        (
            "of a stranger",
            vec![CreatePartitionsTopic {
                name: "nobody-knows".into(),
                ..to(2)
            }],
        ),
        ("of the same twice", vec![to(2), to(3)]),
        ("to two on a stranger", vec![assigned(2, &[&[9]])]),
        ("to two on too many", vec![assigned(2, &[&[1], &[1]])]),
        ("to two", vec![to(2)]),
        ("to three assigned", vec![assigned(3, &[&[1]])]),
        ("none", vec![]),
    ];
    for (step, topics) in cases {
        for validate_only in [true, false] {
            let request = CreatePartitionsRequest {
                topics: topics.clone(),
                timeout_ms: 10_000,
                validate_only,
            };
            let step = if validate_only {
                format!("{step}, validated")
            } else {
                step.to_owned()
            };
            observer.ask(&step, 3, &request);
        }
    }
}

fn configuring(observer: &mut Observer) {
    create(observer, "settings", 1, &[("max.message.bytes", "2000")]);
    let describe = |kind: i8, name: &str, keys: Option<&[&str]>| DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configuration_keys: keys.map(|keys| keys.iter().map(|&key| key.to_owned()).collect()),
        }],
        ..Default::default()
    };
    for version in 1..=4 {
        observer.ask("a topic", version, &describe(2, "settings", None));
        let synonyms = DescribeConfigsRequest {
            include_synonyms: true,
            ..describe(2, "settings", None)
        };
        observer.ask("a topic with synonyms", version, &synonyms);
        let documented = DescribeConfigsRequest {
            include_documentation: true,
            ..describe(2, "settings", Some(&["retention.ms"]))
        };
        observer.ask_if_it_fits("documented", version, &documented);
    }
    let cases: Vec<(&str, DescribeConfigsRequest)> = vec![
        (
            "some keys",
            describe(2, "settings", Some(&["max.message.bytes", "retention.ms", "no.such"])),
        ),
        ("no keys", describe(2, "settings", Some(&[]))),
        ("an unknown topic", describe(2, "nobody-knows", None)),
        ("a bad topic name", describe(2, "bad name", None)),
        ("an unknown broker", describe(4, "9", None)),
        ("a broker by a word", describe(4, "word", None)),
        ("all brokers", describe(4, "", None)),
        ("a broker's logger", describe(8, "7", None)),
        ("a group", describe(32, "some-group", None)),
        ("an unnamed group", describe(32, "", None)),
        ("client metrics", describe(16, "metrics", None)),
        ("a kind that is none", describe(3, "x", None)),
        (
            "broker settings",
            describe(
                4,
                "1",
                Some(&[
                    "num.partitions",
                    "auto.create.topics.enable",
                    "message.max.bytes",
                    "log.retention.ms",
                    "log.cleanup.policy",
                    "group.initial.rebalance.delay.ms",
                    "offsets.retention.minutes",
                    "transaction.max.timeout.ms",
                    "group.consumer.session.timeout.ms",
                    "node.id",
                    "log.segment.bytes",
                    "min.insync.replicas",
                ]),
            ),
        ),
    ];
    for (step, request) in cases {
        observer.ask(step, 4, &request);
    }
    let set = |operation: i8, name: &str, value: Option<&str>| incremental::AlterableConfig {
        name: name.to_owned(),
        config_operation: operation,
        value: value.map(str::to_owned),
    };
    let altered = |configs: Vec<incremental::AlterableConfig>| incremental::IncrementalAlterConfigsRequest {
        resources: vec![incremental::AlterConfigsResource {
            resource_type: 2,
            resource_name: "settings".into(),
            configs,
        }],
        validate_only: false,
    };
    let of = |kind: i8, name: &str, configs: Vec<incremental::AlterableConfig>| {
        let mut request = altered(configs);
        request.resources[0].resource_type = kind;
        request.resources[0].resource_name = name.to_owned();
        request
    };
    let cases: Vec<(&str, incremental::IncrementalAlterConfigsRequest)> = vec![
        ("set", altered(vec![set(0, "retention.ms", Some("5000"))])),
        ("set to words", altered(vec![set(0, "retention.ms", Some("soon"))])),
        ("set to null", altered(vec![set(0, "retention.ms", None)])),
        (
            "set the same twice",
            altered(vec![
                set(0, "retention.ms", Some("1")),
                set(0, "retention.ms", Some("2")),
            ]),
        ),
        ("delete", altered(vec![set(1, "retention.ms", None)])),
        ("delete what is not set", altered(vec![set(1, "segment.ms", None)])),
        ("delete what does not exist", altered(vec![set(1, "no.such", None)])),
        (
            "append to a list",
            altered(vec![set(2, "cleanup.policy", Some("compact"))]),
        ),
        (
            "append it again",
            altered(vec![set(2, "cleanup.policy", Some("compact"))]),
        ),
        (
            "append nonsense",
            altered(vec![set(2, "cleanup.policy", Some("nonsense"))]),
        ),
        (
            "subtract from a list",
            altered(vec![set(3, "cleanup.policy", Some("delete"))]),
        ),
        ("append to a number", altered(vec![set(2, "retention.ms", Some("1"))])),
        (
            "subtract from a number",
            altered(vec![set(3, "retention.ms", Some("1"))]),
        ),
        (
            "an operation that is none",
            altered(vec![set(9, "retention.ms", Some("1"))]),
        ),
        ("unknown setting", altered(vec![set(0, "no.such", Some("1"))])),
        ("nothing", altered(vec![])),
        (
            "unknown topic",
            of(2, "nobody-knows", vec![set(0, "retention.ms", Some("1"))]),
        ),
        ("unknown kind", of(3, "x", vec![set(0, "retention.ms", Some("1"))])),
        (
            "unknown broker",
            of(4, "9", vec![set(0, "log.retention.ms", Some("1000"))]),
        ),
        (
            "a group's",
            of(
                32,
                "some-group",
                vec![set(0, "consumer.session.timeout.ms", Some("50000"))],
            ),
        ),
        (
            "a group's unknown",
            of(32, "some-group", vec![set(0, "no.such", Some("1"))]),
        ),
        (
            "a group's too small",
            of(32, "some-group", vec![set(0, "consumer.session.timeout.ms", Some("1"))]),
        ),
    ];
    for (step, request) in cases {
        observer.ask(step, 1, &request);
    }
    let wanted = |answer: &wire::messages::describe_configs_response::DescribeConfigsResponse| {
        answer
            .results
            .iter()
            .flat_map(|result| &result.configs)
            .any(|config| config.name == "cleanup.policy" && config.value.as_deref() == Some("compact"))
    };
    observer.settle("after all", 4, &describe(2, "settings", None), wanted);
    for version in 0..=2 {
        let request = |name: &str, setting: &str, value: &str| alter::AlterConfigsRequest {
            resources: vec![alter::AlterConfigsResource {
                resource_type: 2,
                resource_name: name.to_owned(),
                configs: vec![alter::AlterableConfig {
                    name: setting.to_owned(),
                    value: Some(value.to_owned()),
                }],
            }],
            validate_only: false,
        };
        observer.ask("replace", version, &request("settings", "retention.bytes", "77777"));
        observer.ask(
            "replace of a stranger",
            version,
            &request("nobody-knows", "retention.bytes", "1"),
        );
        observer.ask(
            "replace wrongly",
            version,
            &request("settings", "retention.bytes", "much"),
        );
        observer.ask("replace unknown", version, &request("settings", "no.such", "1"));
    }
}

fn deleting(observer: &mut Observer) {
    let by_name = |names: &[&str]| DeleteTopicsRequest {
        topic_names: names.iter().map(|&name| name.to_owned()).collect(),
        timeout_ms: 10_000,
        ..Default::default()
    };
    for version in 1..=5 {
        let name = format!("gone-{version}");
        create(observer, &name, 1, &[]);
        observer.ask("by name", version, &by_name(&[&name]));
        observer.ask("by name again", version, &by_name(&[&name, "nobody-knows"]));
        observer.ask("by a bad name", version, &by_name(&["bad name"]));
    }
    let id = create(observer, "gone-by-id", 1, &[]);
    let state = |name: Option<&str>, topic_id: [u8; 16]| DeleteTopicState {
        name: name.map(str::to_owned),
        topic_id,
    };
    let request = |topics: Vec<DeleteTopicState>| DeleteTopicsRequest {
        topics,
        timeout_ms: 10_000,
        ..Default::default()
    };
    observer.ask("by name and id", 6, &request(vec![state(Some("gone-by-id"), id)]));
    observer.ask("by nothing", 6, &request(vec![state(None, [0; 16])]));
    observer.ask("by an unknown id", 6, &request(vec![state(None, [9; 16])]));
    observer.ask("by id", 6, &request(vec![state(None, id)]));
    observer.ask("by id again", 6, &request(vec![state(None, id)]));
    create(observer, "gone-twice", 1, &[]);
    let twice = vec![state(Some("gone-twice"), [0; 16]), state(Some("gone-twice"), [0; 16])];
    observer.ask("twice in one request", 6, &request(twice));
}
