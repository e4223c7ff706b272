//! What administrators ask: quotas, elections, reassignments, log folders, quorum, features, resources.

use wire::messages::alter_client_quotas_request as alter;
use wire::messages::alter_partition_reassignments_request::*;
use wire::messages::alter_replica_log_dirs_request::*;
use wire::messages::api_versions_request::ApiVersionsRequest;
use wire::messages::describe_client_quotas_request as quotas;
use wire::messages::describe_log_dirs_request::*;
use wire::messages::describe_quorum_request::*;
use wire::messages::describe_user_scram_credentials_request::*;
use wire::messages::elect_leaders_request as elect;
use wire::messages::list_config_resources_request::ListConfigResourcesRequest;
use wire::messages::list_partition_reassignments_request::*;
use wire::messages::sasl_handshake_request::SaslHandshakeRequest;
use wire::messages::unregister_broker_request::UnregisterBrokerRequest;
use wire::messages::update_features_request::*;

use super::create;
use crate::differential::Observer;

const TOPIC: &str = "administered";

pub(super) fn play(observer: &mut Observer) {
    create(observer, TOPIC, 2, &[]);
    versions(observer);
    client_quotas(observer);
    leaders(observer);
    folders(observer);
    features(observer);
    nobody(observer);
    no_such_broker(observer);
}

fn versions(observer: &mut Observer) {
    for version in 3..=4 {
        let names = [
            ("good", "my-client", "1.2.3"),
            ("a space", "my client", "1"),
            ("nothing", "", ""),
            ("a dash first", "-x", "1"),
        ];
        for (step, name, number) in names {
            let request = ApiVersionsRequest {
                client_software_name: name.into(),
                client_software_version: number.into(),
            };
            observer.ask(&format!("named with {step}"), version, &request);
        }
    }
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "GSSAPI", ""] {
        let request = SaslHandshakeRequest {
            mechanism: mechanism.into(),
        };
        observer.ask(&format!("mechanism `{mechanism}`"), 1, &request);
    }
}

fn client_quotas(observer: &mut Observer) {
    let entity = |pairs: &[(&str, Option<&str>)]| {
        pairs
            .iter()
            .map(|&(kind, name)| alter::EntityData {
                entity_type: kind.into(),
                entity_name: name.map(str::to_owned),
            })
            .collect::<Vec<_>>()
    };
    let set = |pairs: &[(&str, Option<&str>)], key: &str, value: f64, remove: bool| alter::AlterClientQuotasRequest {
        entries: vec![alter::EntryData {
            entity: entity(pairs),
            ops: vec![alter::OpData {
                key: key.into(),
                value,
                remove,
            }],
        }],
        validate_only: false,
    };
    let cases: &[(&str, alter::AlterClientQuotasRequest)] = &[
        (
            "producer rate of a client",
            set(&[("client-id", Some("slow"))], "producer_byte_rate", 1e9, false),
        ),
        (
            "consumer rate of a user",
            set(&[("user", Some("anna"))], "consumer_byte_rate", 1e9, false),
        ),
        (
            "request share by default",
            set(&[("client-id", None)], "request_percentage", 900.0, false),
        ),
        (
            "mutations of both",
            set(
                &[("user", Some("anna")), ("client-id", Some("slow"))],
                "controller_mutation_rate",
                1e6,
                false,
            ),
        ),
        (
            "connections of an address",
            set(&[("ip", Some("127.0.0.9"))], "connection_creation_rate", 1e6, false),
        ),
        (
            "an unknown key",
            set(&[("user", Some("anna"))], "strange_rate", 1.0, false),
        ),
        (
            "an unknown entity",
            set(&[("planet", Some("mars"))], "producer_byte_rate", 1.0, false),
        ),
        (
            "a negative rate",
            set(&[("user", Some("anna"))], "producer_byte_rate", -1.0, false),
        ),
        (
            "a fraction of a byte",
            set(&[("user", Some("anna"))], "producer_byte_rate", 0.5, false),
        ),
        ("no entity", set(&[], "producer_byte_rate", 1.0, false)),
        (
            "an address and a user",
            set(
                &[("ip", Some("127.0.0.9")), ("user", Some("anna"))],
                "connection_creation_rate",
                1.0,
                false,
            ),
        ),
        (
            "an address that is none",
            set(&[("ip", Some("no address"))], "connection_creation_rate", 1.0, false),
        ),
        (
            "an empty name",
            set(&[("user", Some(""))], "producer_byte_rate", 1.0, false),
        ),
        (
            "one that is not there",
            set(&[("user", Some("bert"))], "producer_byte_rate", 0.0, true),
        ),
    ];
    for (step, request) in cases {
        observer.ask(step, 1, request);
    }
    let part = |kind: &str, match_type: i8, value: Option<&str>| quotas::ComponentData {
        entity_type: kind.into(),
        match_type,
        match_value: value.map(str::to_owned),
    };
    let ask = |components: Vec<quotas::ComponentData>, strict: bool| quotas::DescribeClientQuotasRequest {
        components,
        strict,
    };
    let all = |answer: &wire::messages::describe_client_quotas_response::DescribeClientQuotasResponse| {
        answer.entries.as_ref().is_some_and(|entries| entries.len() >= 5)
    };
    observer.settle("all, in time", 1, &ask(vec![], false), all);
    for version in 0..=1 {
        observer.ask("all", version, &ask(vec![], true));
        observer.ask("of a user", version, &ask(vec![part("user", 0, Some("anna"))], false));
        observer.ask(
            "of a user, strictly",
            version,
            &ask(vec![part("user", 0, Some("anna"))], true),
        );
        observer.ask(
            "of the default client",
            version,
            &ask(vec![part("client-id", 1, None)], false),
        );
        observer.ask("of any client", version, &ask(vec![part("client-id", 2, None)], false));
        observer.ask(
            "of an unknown kind",
            version,
            &ask(vec![part("planet", 2, None)], false),
        );
        observer.ask("by an unknown match", version, &ask(vec![part("user", 7, None)], false));
        observer.ask(
            "of a kind twice",
            version,
            &ask(vec![part("user", 2, None), part("user", 2, None)], false),
        );
    }
    for (step, kind) in [("client", "client-id"), ("nobody", "user")] {
        let name = if kind == "client-id" { "slow" } else { "anna" };
        let key = if kind == "client-id" {
            "producer_byte_rate"
        } else {
            "consumer_byte_rate"
        };
        observer.ask(
            &format!("removed from {step}"),
            1,
            &set(&[(kind, Some(name))], key, 0.0, true),
        );
    }
}

fn leaders(observer: &mut Observer) {
    for version in 0..=2 {
        let ask = |kind: i8, topic: &str, partition: i32| elect::ElectLeadersRequest {
            election_type: kind,
            topic_partitions: Some(vec![elect::TopicPartitions {
                topic: topic.into(),
                partitions: vec![partition],
            }]),
            timeout_ms: 10_000,
        };
        observer.ask_if_it_fits("preferred", version, &ask(0, TOPIC, 0));
        observer.ask_if_it_fits("unclean", version, &ask(1, TOPIC, 0));
        observer.ask_if_it_fits("of kind five", version, &ask(5, TOPIC, 0));
        observer.ask_if_it_fits("of an unknown topic", version, &ask(0, "nobody-knows", 0));
        observer.ask_if_it_fits("of a partition too many", version, &ask(0, TOPIC, 9));
    }
    for version in 0..=1 {
        let ask = |topic: &str, partition_index: i32, replicas: Option<Vec<i32>>| AlterPartitionReassignmentsRequest {
            timeout_ms: 10_000,
            allow_replication_factor_change: true,
            topics: vec![ReassignableTopic {
                name: topic.into(),
                partitions: vec![ReassignablePartition {
                    partition_index,
                    replicas,
                }],
            }],
        };
        observer.ask("to itself", version, &ask(TOPIC, 0, Some(vec![1])));
        observer.ask("to a stranger", version, &ask(TOPIC, 0, Some(vec![5])));
        observer.ask("to nobody", version, &ask(TOPIC, 0, Some(vec![])));
        observer.ask("to one twice", version, &ask(TOPIC, 0, Some(vec![1, 1])));
        observer.ask("cancelled", version, &ask(TOPIC, 0, None));
        observer.ask("of an unknown topic", version, &ask("nobody-knows", 0, Some(vec![1])));
        observer.ask("of a partition too many", version, &ask(TOPIC, 9, Some(vec![1])));
    }
    let list = |topics: Option<Vec<ListPartitionReassignmentsTopics>>| ListPartitionReassignmentsRequest {
        timeout_ms: 10_000,
        topics,
    };
    observer.ask("all", 0, &list(None));
    let named = |name: &str| ListPartitionReassignmentsTopics {
        name: name.into(),
        partition_indexes: vec![0],
    };
    observer.ask("of a topic", 0, &list(Some(vec![named(TOPIC)])));
    observer.ask("of an unknown topic", 0, &list(Some(vec![named("nobody-knows")])));
}

fn folders(observer: &mut Observer) {
    for version in 1..=5 {
        let ask = |topic: &str, partitions: Vec<i32>| DescribeLogDirsRequest {
            topics: Some(vec![DescribableLogDirTopic {
                topic: topic.into(),
                partitions,
            }]),
        };
        observer.ask("of a topic", version, &ask(TOPIC, vec![0, 1, 9]));
        observer.ask("of an unknown topic", version, &ask("nobody-knows", vec![0]));
    }
    for version in 1..=2 {
        let ask = |path: &str, topic: &str| AlterReplicaLogDirsRequest {
            dirs: vec![AlterReplicaLogDir {
                path: path.into(),
                topics: vec![AlterReplicaLogDirTopic {
                    name: topic.into(),
                    partitions: vec![0],
                }],
            }],
        };
        observer.ask("to a folder that is none", version, &ask("/nowhere/at/all", TOPIC));
        observer.ask("of an unknown topic", version, &ask("/nowhere/at/all", "nobody-knows"));
    }
}

fn features(observer: &mut Observer) {
    let ask = |name: &str, partition_index: i32| DescribeQuorumRequest {
        topics: vec![TopicData {
            topic_name: name.into(),
            partitions: vec![PartitionData { partition_index }],
        }],
    };
    for version in 0..=2 {
        observer.ask("of another topic", version, &ask("nobody-knows", 0));
        observer.ask("of a partition too many", version, &ask("__cluster_metadata", 3));
    }
    for version in 0..=2 {
        let ask = |feature: &str, level: i16, upgrade: i8| UpdateFeaturesRequest {
            timeout_ms: 10_000,
            feature_updates: vec![FeatureUpdateKey {
                feature: feature.into(),
                max_version_level: level,
                allow_downgrade: version == 0 && upgrade != 1,
                upgrade_type: if version == 0 { 1 } else { upgrade },
            }],
            validate_only: version > 0,
        };
        observer.ask_if_it_fits("as it is", version, &ask("group.version", 1, 1));
        observer.ask_if_it_fits("an unknown one", version, &ask("strange.version", 1, 1));
        observer.ask_if_it_fits("a level too high", version, &ask("group.version", 9, 1));
        observer.ask_if_it_fits("a level too low", version, &ask("group.version", 0, 1));
    }
    observer.ask(
        "groups and metrics",
        1,
        &ListConfigResourcesRequest {
            resource_types: vec![16, 32],
        },
    );
    observer.ask(
        "of a strange type",
        1,
        &ListConfigResourcesRequest {
            resource_types: vec![3],
        },
    );
    observer.ask("client metrics", 0, &ListConfigResourcesRequest::default());
}

fn nobody(observer: &mut Observer) {
    let named = |names: &[&str]| DescribeUserScramCredentialsRequest {
        users: Some(names.iter().map(|&name| UserName { name: name.into() }).collect()),
    };
    observer.ask("of everybody", 0, &DescribeUserScramCredentialsRequest { users: None });
    observer.ask("of nobody", 0, &named(&[]));
    observer.ask("of strangers", 0, &named(&["zoe", "anna", ""]));
    observer.ask("of somebody twice", 0, &named(&["zoe", "anna", "zoe"]));
}

fn no_such_broker(observer: &mut Observer) {
    for broker_id in [7, 0, -1, i32::MAX] {
        observer.ask(&format!("of {broker_id}"), 0, &UnregisterBrokerRequest { broker_id });
    }
}
