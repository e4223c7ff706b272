//! Several brokers to clients, one process: consistent wherever one asks.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod support;

use std::collections::BTreeSet;

use rivulet_broker as broker;
use support::{Client, batch, quick_options, start_with};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wire::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use wire::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use wire::messages::describe_cluster_request::DescribeClusterRequest;
use wire::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use wire::messages::describe_quorum_request::{self as quorum, DescribeQuorumRequest};
use wire::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use wire::messages::list_transactions_request::ListTransactionsRequest;
use wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::messages::update_features_request::{FeatureUpdateKey, UpdateFeaturesRequest};

const BROKERS: i32 = 3;

fn options() -> broker::BrokerOptions {
    broker::BrokerOptions {
        virtual_brokers: BROKERS,
        ..quick_options()
    }
}

/// Each partition's replicas, leader first.
async fn replicas(client: &mut Client, topic: &str) -> Vec<Vec<i32>> {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(topic.to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        ..MetadataRequest::default()
    };
    let response = client.call(9, &request).await;
    let partitions = response.topics[0].partitions.iter();
    partitions
        .map(|partition| {
            assert_eq!(partition.leader_id, partition.replica_nodes[0]);
            assert_eq!(partition.isr_nodes, partition.replica_nodes);
            partition.replica_nodes.clone()
        })
        .collect()
}

async fn create(client: &mut Client, name: &str, factor: i16, assigned: &[&[i32]]) -> i16 {
    let assignments = (0..)
        .zip(assigned)
        .map(|(partition_index, ids)| CreatableReplicaAssignment {
            partition_index,
            broker_ids: ids.to_vec(),
        });
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.to_owned(),
            num_partitions: if assigned.is_empty() { 6 } else { -1 },
            replication_factor: factor,
            assignments: assignments.collect(),
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    };
    client.call(7, &request).await.topics[0].error_code
}

#[tokio::test]
async fn three_brokers_are_one() {
    let running = start_with(options()).await;
    let (_stop, stopped) = watch::channel(false);
    let mut addresses = vec![running.address];
    for _ in 1..BROKERS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        running.broker.serve(listener, stopped.clone());
    }
    let mut clients = Vec::new();
    for address in &addresses {
        clients.push(Client::over(TcpStream::connect(address).await.unwrap()));
    }
    for client in &mut clients {
        let cluster = client.call(2, &DescribeClusterRequest::default()).await;
        let seen: Vec<(i32, u16)> = cluster
            .brokers
            .iter()
            .map(|node| (node.broker_id, node.port as u16))
            .collect();
        let expected: Vec<(i32, u16)> = (1..).zip(addresses.iter().map(|address| address.port())).collect();
        assert_eq!((seen, cluster.controller_id), (expected, 1));
    }
    assert_eq!(create(&mut clients[0], "t", 3, &[]).await, 0);
    assert_eq!(create(&mut clients[0], "u", 4, &[]).await, 38, "there are three");
    let spread = replicas(&mut clients[0], "t").await;
    assert!(spread.iter().all(|ids| ids.iter().collect::<BTreeSet<_>>().len() == 3));
    let leaders: BTreeSet<i32> = spread.iter().map(|ids| ids[0]).collect();
    assert_eq!(leaders, BTreeSet::from([1, 2, 3]), "leaders are spread");
    assert_eq!(replicas(&mut clients[2], "t").await, spread, "wherever one asks");
    for (partition, ids) in spread.iter().enumerate() {
        let leader = &mut clients[ids[0] as usize - 1];
        assert_eq!(leader.produce("t", partition as i32, batch(&["x"])).await.error_code, 0);
    }
    let mut coordinators = BTreeSet::new();
    for key in 0..30 {
        let request = FindCoordinatorRequest {
            coordinator_keys: vec![format!("group-{key}")],
            ..FindCoordinatorRequest::default()
        };
        let one = clients[0].call(4, &request).await.coordinators[0].clone();
        assert_eq!(clients[1].call(4, &request).await.coordinators[0], one);
        assert_eq!(addresses[one.node_id as usize - 1].port(), one.port as u16);
        coordinators.insert(one.node_id);
    }
    assert_eq!(coordinators.len(), 3);
    let (mut groups, mut ids) = (Vec::new(), Vec::new());
    for client in &mut clients {
        for name in ["a", "b", "c", "d"] {
            let partition = OffsetCommitRequestPartition::default();
            let commit = OffsetCommitRequest {
                group_id: name.to_owned(),
                generation_id_or_member_epoch: -1,
                topics: vec![OffsetCommitRequestTopic {
                    name: "t".to_owned(),
                    partitions: vec![partition],
                    ..OffsetCommitRequestTopic::default()
                }],
                ..OffsetCommitRequest::default()
            };
            client.call(8, &commit).await;
            let init = InitProducerIdRequest {
                transactional_id: Some(name.to_owned()),
                transaction_timeout_ms: 1_000,
                ..InitProducerIdRequest::default()
            };
            client.call(4, &init).await;
        }
    }
    for client in &mut clients {
        let found = client.call(4, &ListGroupsRequest::default()).await.groups;
        groups.extend(found.into_iter().map(|group| group.group_id));
        let found = client
            .call(0, &ListTransactionsRequest::default())
            .await
            .transaction_states;
        ids.extend(found.into_iter().map(|state| state.transactional_id));
    }
    groups.sort_unstable();
    ids.sort_unstable();
    assert_eq!(groups, ["a", "b", "c", "d"], "each broker lists its own");
    assert_eq!(ids, ["a", "b", "c", "d"]);
    assert_eq!(create(&mut clients[0], "assigned", -1, &[&[2, 3], &[1, 2]]).await, 0);
    assert_eq!(create(&mut clients[0], "wrong", -1, &[&[2, 7]]).await, 39);
    assert_eq!(create(&mut clients[0], "twice", -1, &[&[2, 2]]).await, 39);
    assert_eq!(replicas(&mut clients[0], "assigned").await, [vec![2, 3], vec![1, 2]]);
    for (node, client) in (1..).zip(&mut clients) {
        let request = DescribeLogDirsRequest { topics: None };
        let dirs = client.call(4, &request).await;
        let topic = dirs.results[0].topics.iter().find(|topic| topic.name == "assigned");
        let here: Vec<i32> = topic.map_or(Vec::new(), |topic| {
            topic.partitions.iter().map(|p| p.partition_index).collect()
        });
        assert_eq!(here, [vec![1], vec![0, 1], vec![0]][node - 1], "on broker {node}");
    }
}

#[tokio::test]
async fn partitions_are_moved_at_once_and_stay_there() {
    let running = start_with(options()).await;
    let mut client = running.client().await;
    assert_eq!(create(&mut client, "t", -1, &[&[1, 2]]).await, 0);
    for (topic, index, ids, allow, code) in [
        ("t", 0, Some(vec![3, 1]), true, 0),
        ("t", 0, Some(vec![3]), false, 38),
        ("t", 0, Some(vec![9]), true, 39),
        ("t", 0, Some(vec![1, 1]), true, 39),
        ("t", 0, Some(vec![]), true, 39),
        ("t", 0, None, true, 85),
        ("t", 5, Some(vec![1]), true, 3),
        ("none", 0, None, true, 3),
    ] {
        let request = AlterPartitionReassignmentsRequest {
            allow_replication_factor_change: allow,
            topics: vec![ReassignableTopic {
                name: topic.to_owned(),
                partitions: vec![ReassignablePartition {
                    partition_index: index,
                    replicas: ids.clone(),
                }],
            }],
            ..AlterPartitionReassignmentsRequest::default()
        };
        let response = client.call(1, &request).await;
        let found = response.responses[0].partitions[0].error_code;
        assert_eq!(found, code, "{topic} {index} {ids:?}");
    }
    let under_way = client.call(0, &ListPartitionReassignmentsRequest::default()).await;
    assert_eq!((under_way.error_code, under_way.topics.len()), (0, 0));
    let running = running.restart(options()).await;
    let mut client = running.client().await;
    assert_eq!(replicas(&mut client, "t").await, [vec![3, 1]]);
    let running = running.restart(quick_options()).await;
    let mut client = running.client().await;
    assert_eq!(
        replicas(&mut client, "t").await,
        [vec![1]],
        "with one broker it is there"
    );
}

#[tokio::test]
async fn what_administrators_ask_of_a_cluster_is_answered() {
    let running = start_with(quick_options()).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let elect = ElectLeadersRequest {
        topic_partitions: Some(vec![TopicPartitions {
            topic: "t".to_owned(),
            partitions: vec![0, 4],
        }]),
        ..ElectLeadersRequest::default()
    };
    for version in 0..=2 {
        let elected = client.call(version, &elect).await;
        let results = &elected.replica_election_results[0].partition_result;
        let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [84, 3]);
    }
    let all = ElectLeadersRequest {
        topic_partitions: None,
        ..ElectLeadersRequest::default()
    };
    assert!(client.call(2, &all).await.replica_election_results.is_empty());
    for (path, topic, code) in [("data", "t", 0), ("data", "none", 3), ("/nowhere", "t", 57)] {
        let request = AlterReplicaLogDirsRequest {
            dirs: vec![AlterReplicaLogDir {
                path: path.to_owned(),
                topics: vec![AlterReplicaLogDirTopic {
                    name: topic.to_owned(),
                    partitions: vec![0],
                }],
            }],
        };
        let response = client.call(2, &request).await;
        assert_eq!(response.results[0].partitions[0].error_code, code, "{path} {topic}");
    }
    client.produce("t", 0, batch(&["x"])).await;
    for version in 1..=5 {
        let dirs = client.call(version, &DescribeLogDirsRequest { topics: None }).await;
        let partition = &dirs.results[0].topics[0].partitions[0];
        assert!(partition.partition_size > 60, "{dirs:?}");
    }
    let ask = |topic: &str| DescribeQuorumRequest {
        topics: vec![quorum::TopicData {
            topic_name: topic.to_owned(),
            partitions: vec![quorum::PartitionData { partition_index: 0 }],
        }],
    };
    for version in 0..=2 {
        let found = client.call(version, &ask("__cluster_metadata")).await;
        let partition = &found.topics[0].partitions[0];
        assert_eq!(
            (
                partition.error_code,
                partition.leader_id,
                partition.current_voters.len()
            ),
            (0, 1, 1)
        );
        let other = client.call(version, &ask("t")).await;
        assert_eq!(other.topics[0].partitions[0].error_code, 3);
    }
}

#[tokio::test]
async fn features_are_changed_where_they_can_be() {
    let running = start_with(quick_options()).await;
    let mut client = running.client().await;
    let (upgrade, downgrade) = (1, 2);
    for (feature, level, upgrade_type, code) in [
        ("transaction.version", 2, upgrade, 0),
        ("transaction.version", 3, upgrade, 95),
        ("transaction.version", 1, upgrade, 95),
        ("nonsense", 1, upgrade, 95),
        ("metadata.version", 29, downgrade, 95),
        ("metadata.version", 30, upgrade, 0),
        ("transaction.version", 1, downgrade, 0),
    ] {
        let request = UpdateFeaturesRequest {
            feature_updates: vec![FeatureUpdateKey {
                feature: feature.to_owned(),
                max_version_level: level,
                upgrade_type,
                ..FeatureUpdateKey::default()
            }],
            ..UpdateFeaturesRequest::default()
        };
        let response = client.call(2, &request).await;
        assert_eq!(
            response.error_code, code,
            "{feature} {level}: {:?}",
            response.error_message
        );
    }
    let running = running.restart(quick_options()).await;
    let mut client = running.client().await;
    let asked = wire::messages::api_versions_request::ApiVersionsRequest {
        client_software_name: "test".to_owned(),
        client_software_version: "1".to_owned(),
    };
    let found = client.call(3, &asked).await;
    let level = found
        .finalized_features
        .iter()
        .find(|feature| feature.name == "transaction.version");
    assert_eq!(level.unwrap().max_version_level, 1, "clients go back to the old flow");
}
