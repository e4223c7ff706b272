//! Every API in every version: an empty request, one version too many, a body cut short.

use wire::messages::produce_request::ProduceRequest;
use wire::messages::*;
use wire::{Message, Request, frame};

use crate::differential::Observer;

/// Empty requests of these act on the broker itself, or on all there is.
const SKIPPED: &[&str] = &[
    "UnregisterBrokerRequest",
    "AddRaftVoterRequest",
    "RemoveRaftVoterRequest",
];

pub(super) fn play(observer: &mut Observer) {
    macro_rules! each {
        ($($module:ident::$request:ident),* $(,)?) => { $(every_version::<$module::$request>(observer);)* };
    }
    each!(
        api_versions_request::ApiVersionsRequest,
        produce_request::ProduceRequest,
        fetch_request::FetchRequest,
        list_offsets_request::ListOffsetsRequest,
        metadata_request::MetadataRequest,
        offset_commit_request::OffsetCommitRequest,
        offset_fetch_request::OffsetFetchRequest,
        find_coordinator_request::FindCoordinatorRequest,
        join_group_request::JoinGroupRequest,
        heartbeat_request::HeartbeatRequest,
        leave_group_request::LeaveGroupRequest,
        sync_group_request::SyncGroupRequest,
        describe_groups_request::DescribeGroupsRequest,
        list_groups_request::ListGroupsRequest,
        sasl_handshake_request::SaslHandshakeRequest,
        create_topics_request::CreateTopicsRequest,
        delete_topics_request::DeleteTopicsRequest,
        delete_records_request::DeleteRecordsRequest,
        init_producer_id_request::InitProducerIdRequest,
        offset_for_leader_epoch_request::OffsetForLeaderEpochRequest,
        add_partitions_to_txn_request::AddPartitionsToTxnRequest,
        add_offsets_to_txn_request::AddOffsetsToTxnRequest,
        end_txn_request::EndTxnRequest,
        write_txn_markers_request::WriteTxnMarkersRequest,
        txn_offset_commit_request::TxnOffsetCommitRequest,
        describe_acls_request::DescribeAclsRequest,
        create_acls_request::CreateAclsRequest,
        delete_acls_request::DeleteAclsRequest,
        describe_configs_request::DescribeConfigsRequest,
        alter_configs_request::AlterConfigsRequest,
        alter_replica_log_dirs_request::AlterReplicaLogDirsRequest,
        describe_log_dirs_request::DescribeLogDirsRequest,
        sasl_authenticate_request::SaslAuthenticateRequest,
        create_partitions_request::CreatePartitionsRequest,
        create_delegation_token_request::CreateDelegationTokenRequest,
        renew_delegation_token_request::RenewDelegationTokenRequest,
        expire_delegation_token_request::ExpireDelegationTokenRequest,
        describe_delegation_token_request::DescribeDelegationTokenRequest,
        delete_groups_request::DeleteGroupsRequest,
        elect_leaders_request::ElectLeadersRequest,
        incremental_alter_configs_request::IncrementalAlterConfigsRequest,
        alter_partition_reassignments_request::AlterPartitionReassignmentsRequest,
        list_partition_reassignments_request::ListPartitionReassignmentsRequest,
        offset_delete_request::OffsetDeleteRequest,
        describe_client_quotas_request::DescribeClientQuotasRequest,
        alter_client_quotas_request::AlterClientQuotasRequest,
        describe_user_scram_credentials_request::DescribeUserScramCredentialsRequest,
        alter_user_scram_credentials_request::AlterUserScramCredentialsRequest,
        describe_quorum_request::DescribeQuorumRequest,
        update_features_request::UpdateFeaturesRequest,
        describe_cluster_request::DescribeClusterRequest,
        describe_producers_request::DescribeProducersRequest,
        unregister_broker_request::UnregisterBrokerRequest,
        describe_transactions_request::DescribeTransactionsRequest,
        list_transactions_request::ListTransactionsRequest,
        consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest,
        consumer_group_describe_request::ConsumerGroupDescribeRequest,
        get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest,
        push_telemetry_request::PushTelemetryRequest,
        list_config_resources_request::ListConfigResourcesRequest,
        describe_topic_partitions_request::DescribeTopicPartitionsRequest,
        share_group_heartbeat_request::ShareGroupHeartbeatRequest,
        share_group_describe_request::ShareGroupDescribeRequest,
        share_fetch_request::ShareFetchRequest,
        share_acknowledge_request::ShareAcknowledgeRequest,
        add_raft_voter_request::AddRaftVoterRequest,
        remove_raft_voter_request::RemoveRaftVoterRequest,
        streams_group_heartbeat_request::StreamsGroupHeartbeatRequest,
        streams_group_describe_request::StreamsGroupDescribeRequest,
        describe_share_group_offsets_request::DescribeShareGroupOffsetsRequest,
        alter_share_group_offsets_request::AlterShareGroupOffsetsRequest,
        delete_share_group_offsets_request::DeleteShareGroupOffsetsRequest,
    );
    observer.ask_raw(
        "a key that does not exist",
        &framed(&[0, 93, 0, 0, 0, 0, 0, 7, 255, 255]),
    );
    observer.ask_raw(
        "a controller's key",
        &framed(&[0, 62, 0, 4, 0, 0, 0, 7, 255, 255, 0, 0]),
    );
    observer.ask_raw("a negative key", &framed(&[255, 255, 0, 0, 0, 0, 0, 7, 255, 255]));
    observer.ask_raw("a frame of size zero", &0_i32.to_be_bytes());
    observer.ask_raw("a frame of size -1", &(-1_i32).to_be_bytes());
    observer.ask_raw("a frame of two GiB", &i32::MAX.to_be_bytes());
    observer.ask_raw("a header cut short", &framed(&[0, 18, 0]));
    observer.ask_raw("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    observer.ask_raw("ApiVersions v99", &framed(&[0, 18, 0, 99, 0, 0, 0, 7, 255, 255, 0]));
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes()[..], body].concat()
}

fn every_version<R: Request<Response: 'static>>(observer: &mut Observer) {
    if SKIPPED.contains(&R::NAME) {
        return;
    }
    let empty = R::default();
    if R::KEY != ProduceRequest::KEY {
        // An empty Produce asks for no acknowledgement, so it has no answer.
        observer.ask_each("empty", &empty);
    }
    let name = R::NAME.trim_end_matches("Request");
    for version in R::VERSION_MIN..=R::VERSION_MAX {
        let Ok(whole) = frame::request(7, None, &empty, version) else {
            continue;
        };
        let body = &whole[4..];
        // The version after the last: a body nobody can read.
        if version == R::VERSION_MAX {
            let mut later = body.to_vec();
            later[2..4].copy_from_slice(&(version + 1).to_be_bytes());
            observer.ask_raw(&format!("{name} v{} is one too many", version + 1), &framed(&later));
        }
        let header_bytes = 10 + usize::from(R::is_flexible(version));
        if body.len() > header_bytes {
            let cut = &body[..body.len() - 1];
            if R::KEY != ProduceRequest::KEY {
                observer.ask_raw(&format!("{name} v{version} cut short"), &framed(cut));
            }
        }
    }
}
