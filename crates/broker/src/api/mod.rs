//! The APIs: which are served in which versions, and the way from a frame to the code that answers it.
//!
//! One file per API. A handler takes the decoded request and gives the response; it knows neither sockets nor frames.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_share_group_offsets;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod push_telemetry;
mod share_acknowledge;
mod share_fetch;
mod share_group_describe;
mod share_group_heartbeat;
mod streams_group_describe;
mod streams_group_heartbeat;
mod sync_group;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod write_txn_markers;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use wire::frame::{self, RequestHeader};
use wire::messages::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnRequest;
use wire::messages::alter_client_quotas_request::AlterClientQuotasRequest;
use wire::messages::alter_configs_request::AlterConfigsRequest;
use wire::messages::alter_partition_reassignments_request::AlterPartitionReassignmentsRequest;
use wire::messages::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use wire::messages::alter_share_group_offsets_request::AlterShareGroupOffsetsRequest;
use wire::messages::api_versions_request::ApiVersionsRequest;
use wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use wire::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use wire::messages::create_partitions_request::CreatePartitionsRequest;
use wire::messages::create_topics_request::CreateTopicsRequest;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::delete_records_request::DeleteRecordsRequest;
use wire::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequest;
use wire::messages::delete_topics_request::DeleteTopicsRequest;
use wire::messages::describe_client_quotas_request::DescribeClientQuotasRequest;
use wire::messages::describe_cluster_request::DescribeClusterRequest;
use wire::messages::describe_configs_request::DescribeConfigsRequest;
use wire::messages::describe_groups_request::DescribeGroupsRequest;
use wire::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use wire::messages::describe_producers_request::DescribeProducersRequest;
use wire::messages::describe_quorum_request::DescribeQuorumRequest;
use wire::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequest;
use wire::messages::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use wire::messages::describe_transactions_request::DescribeTransactionsRequest;
use wire::messages::describe_user_scram_credentials_request::DescribeUserScramCredentialsRequest;
use wire::messages::elect_leaders_request::ElectLeadersRequest;
use wire::messages::end_txn_request::EndTxnRequest;
use wire::messages::fetch_request::FetchRequest;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest;
use wire::messages::heartbeat_request::HeartbeatRequest;
use wire::messages::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::join_group_request::JoinGroupRequest;
use wire::messages::leave_group_request::LeaveGroupRequest;
use wire::messages::list_config_resources_request::ListConfigResourcesRequest;
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::list_offsets_request::ListOffsetsRequest;
use wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use wire::messages::list_transactions_request::ListTransactionsRequest;
use wire::messages::metadata_request::MetadataRequest;
use wire::messages::offset_commit_request::OffsetCommitRequest;
use wire::messages::offset_delete_request::OffsetDeleteRequest;
use wire::messages::offset_fetch_request::OffsetFetchRequest;
use wire::messages::offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
use wire::messages::produce_request::ProduceRequest;
use wire::messages::push_telemetry_request::PushTelemetryRequest;
use wire::messages::share_acknowledge_request::ShareAcknowledgeRequest;
use wire::messages::share_fetch_request::ShareFetchRequest;
use wire::messages::share_group_describe_request::ShareGroupDescribeRequest;
use wire::messages::share_group_heartbeat_request::ShareGroupHeartbeatRequest;
use wire::messages::streams_group_describe_request::StreamsGroupDescribeRequest;
use wire::messages::streams_group_heartbeat_request::StreamsGroupHeartbeatRequest;
use wire::messages::sync_group_request::SyncGroupRequest;
use wire::messages::txn_offset_commit_request::TxnOffsetCommitRequest;
use wire::messages::unregister_broker_request::UnregisterBrokerRequest;
use wire::messages::update_features_request::UpdateFeaturesRequest;
use wire::messages::write_txn_markers_request::WriteTxnMarkersRequest;
use wire::{ErrorCode, Message, Reader, Request};

use crate::Broker;
use crate::errors::Refusal;
use crate::net::{Close, Peer, Reply, Work};
use crate::quotas::Meter;

/// The leader epoch of every partition: with one broker nobody else ever leads.
pub(crate) const LEADER_EPOCH: i32 = 0;
/// Every operation on a topic, a group, the cluster, as bits: without an authorizer everybody may do everything.
pub(crate) const TOPIC_OPERATIONS: i32 = 3576;
pub(crate) const GROUP_OPERATIONS: i32 = 3400;
pub(crate) const CLUSTER_OPERATIONS: i32 = 8096;

/// An API and the versions served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) min: i16,
    pub(crate) max: i16,
    /// What ApiVersions says `min` is. Lower than `min` where old clients take a gap at the bottom for a lack of whole
    /// features: librdkafka before 2.8 would send uncompressed (KAFKA-18659).
    pub(crate) advertised_min: i16,
}

const fn api<R: Request>(min: i16, max: i16) -> Api {
    assert!(
        R::VERSION_MIN <= min && max <= R::VERSION_MAX,
        "the codec reads every version served"
    );
    Api {
        key: R::KEY,
        min,
        max,
        advertised_min: min,
    }
}

/// What is served, by key; the ranges are those of Kafka 4.3.
const APIS: &[Api] = &[
    Api {
        advertised_min: 0,
        ..api::<ProduceRequest>(3, 13)
    },
    api::<FetchRequest>(4, 18),
    api::<ListOffsetsRequest>(1, 11),
    api::<MetadataRequest>(0, 13),
    api::<OffsetCommitRequest>(2, 10),
    api::<OffsetFetchRequest>(1, 10),
    api::<FindCoordinatorRequest>(0, 6),
    api::<JoinGroupRequest>(0, 9),
    api::<HeartbeatRequest>(0, 4),
    api::<LeaveGroupRequest>(0, 5),
    api::<SyncGroupRequest>(0, 5),
    api::<DescribeGroupsRequest>(0, 6),
    api::<ListGroupsRequest>(0, 5),
    api::<ApiVersionsRequest>(0, 4),
    api::<CreateTopicsRequest>(2, 7),
    api::<DeleteTopicsRequest>(1, 6),
    api::<DeleteRecordsRequest>(0, 2),
    api::<InitProducerIdRequest>(0, 5),
    api::<OffsetForLeaderEpochRequest>(2, 4),
    api::<AddPartitionsToTxnRequest>(0, 5),
    api::<AddOffsetsToTxnRequest>(0, 4),
    api::<EndTxnRequest>(0, 5),
    api::<WriteTxnMarkersRequest>(1, 2),
    api::<TxnOffsetCommitRequest>(0, 5),
    api::<DescribeConfigsRequest>(1, 4),
    api::<AlterConfigsRequest>(0, 2),
    api::<AlterReplicaLogDirsRequest>(1, 2),
    api::<DescribeLogDirsRequest>(1, 5),
    api::<CreatePartitionsRequest>(0, 3),
    api::<DeleteGroupsRequest>(0, 2),
    api::<ElectLeadersRequest>(0, 2),
    api::<IncrementalAlterConfigsRequest>(0, 1),
    api::<AlterPartitionReassignmentsRequest>(0, 1),
    api::<ListPartitionReassignmentsRequest>(0, 0),
    api::<OffsetDeleteRequest>(0, 0),
    api::<DescribeClientQuotasRequest>(0, 1),
    api::<AlterClientQuotasRequest>(0, 1),
    api::<DescribeUserScramCredentialsRequest>(0, 0),
    api::<DescribeQuorumRequest>(0, 2),
    api::<UpdateFeaturesRequest>(0, 2),
    api::<DescribeClusterRequest>(0, 2),
    api::<DescribeProducersRequest>(0, 0),
    api::<UnregisterBrokerRequest>(0, 0),
    api::<DescribeTransactionsRequest>(0, 0),
    api::<ListTransactionsRequest>(0, 2),
    api::<ConsumerGroupHeartbeatRequest>(0, 1),
    api::<ConsumerGroupDescribeRequest>(0, 1),
    api::<GetTelemetrySubscriptionsRequest>(0, 0),
    api::<PushTelemetryRequest>(0, 0),
    api::<ListConfigResourcesRequest>(0, 1),
    api::<DescribeTopicPartitionsRequest>(0, 0),
    api::<ShareGroupHeartbeatRequest>(1, 1),
    api::<ShareGroupDescribeRequest>(1, 1),
    api::<ShareFetchRequest>(1, 2),
    api::<ShareAcknowledgeRequest>(1, 2),
    api::<StreamsGroupHeartbeatRequest>(0, 0),
    api::<StreamsGroupDescribeRequest>(0, 0),
    api::<DescribeShareGroupOffsetsRequest>(0, 1),
    api::<AlterShareGroupOffsetsRequest>(0, 0),
    api::<DeleteShareGroupOffsetsRequest>(0, 0),
];

/// What this broker serves: clients push what they measure only if there is a receiver.
pub(crate) fn served(broker: &Broker) -> impl Iterator<Item = &'static Api> {
    let receives = broker.telemetry.is_some();
    let pushes = [GetTelemetrySubscriptionsRequest::KEY, PushTelemetryRequest::KEY];
    APIS.iter().filter(move |api| receives || !pushes.contains(&api.key))
}

/// Who asks, and in which version.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<String>,
    pub(crate) peer: SocketAddr,
    /// Counts connections in the order they were accepted.
    pub(crate) connection: u64,
    /// The broker that the client believes to talk to.
    pub(crate) node: i32,
    /// Of the request as it was sent.
    pub(crate) request_bytes: usize,
    /// Set while the time spent on the client's requests is of interest.
    meter: Option<Arc<Meter>>,
}

impl Context {
    /// What the client calls itself.
    fn client(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// Frames a response; a client that has used up its time is told to wait.
    fn reply<M: Message>(&self, broker: &Broker, mut response: M) -> Result<Reply, Close> {
        if let Some(meter) = &self.meter {
            let throttle_ms = broker.quotas.request(self.client(), meter.spent_ns());
            response.set_throttle_time_ms(response.throttle_time_ms().max(throttle_ms));
        }
        Ok(Reply {
            pieces: frame::response(self.correlation_id, &response, self.version)?,
            throttle_ms: response.throttle_time_ms(),
            _held: Vec::new(),
        })
    }
}

/// Reads a frame and begins to work it off: produce requests are appended at once, all else is done in its turn.
pub(crate) async fn start(broker: &Arc<Broker>, from: &Peer, frame: Bytes) -> Result<Work, Close> {
    let request_bytes = frame.len();
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader)?;
    let (key, version) = (header.key, header.version);
    let mut context = Context {
        version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
        peer: from.address,
        connection: from.number,
        node: from.node,
        request_bytes,
        meter: None,
    };
    #[cfg(test)]
    if let Some(work) = planted(key) {
        return Ok(work);
    }
    let Some(api) = served(broker).find(|api| api.key == key) else {
        return Err(Close::UnknownKey { key });
    };
    if !(api.min..=api.max).contains(&version) {
        if key == ApiVersionsRequest::KEY {
            let broker = Arc::clone(broker);
            return Ok(Box::pin(async move { api_versions::unsupported(&broker, &context) }));
        }
        return Err(Close::UnknownVersion {
            key,
            version,
            min: api.min,
            max: api.max,
        });
    }
    if !broker.quotas.measures_requests(context.client()) {
        return dispatch(broker, key, context, reader).await;
    }
    let meter = Meter::new(Arc::clone(&broker.clock));
    context.meter = Some(Arc::clone(&meter));
    let broker = Arc::clone(broker);
    let begun: BoxFuture<'static, _> = Box::pin(async move { dispatch(&broker, key, context, reader).await });
    let work = Arc::clone(&meter).measure(begun).await?;
    Ok(Box::pin(meter.measure(work)))
}

async fn dispatch(broker: &Arc<Broker>, key: i16, context: Context, reader: Reader) -> Result<Work, Close> {
    let (broker, version) = (Arc::clone(broker), context.version);
    match key {
        ProduceRequest::KEY => {
            let request = decode::<ProduceRequest>(reader, version)?;
            Ok(produce::start(broker, context, request).await)
        }
        FetchRequest::KEY => {
            let request = decode::<FetchRequest>(reader, version)?;
            Ok(Box::pin(fetch::handle(broker, context, request)))
        }
        ListOffsetsRequest::KEY => later(broker, context, reader, list_offsets::handle),
        MetadataRequest::KEY => later(broker, context, reader, metadata::handle),
        OffsetCommitRequest::KEY => later(broker, context, reader, offset_commit::handle),
        OffsetFetchRequest::KEY => later(broker, context, reader, offset_fetch::handle),
        FindCoordinatorRequest::KEY => later(broker, context, reader, find_coordinator::handle),
        JoinGroupRequest::KEY => later(broker, context, reader, join_group::handle),
        HeartbeatRequest::KEY => later(broker, context, reader, heartbeat::handle),
        LeaveGroupRequest::KEY => later(broker, context, reader, leave_group::handle),
        SyncGroupRequest::KEY => later(broker, context, reader, sync_group::handle),
        DescribeGroupsRequest::KEY => later(broker, context, reader, describe_groups::handle),
        ListGroupsRequest::KEY => later(broker, context, reader, list_groups::handle),
        ApiVersionsRequest::KEY => later(broker, context, reader, api_versions::handle),
        CreateTopicsRequest::KEY => later(broker, context, reader, create_topics::handle),
        DeleteTopicsRequest::KEY => later(broker, context, reader, delete_topics::handle),
        DeleteRecordsRequest::KEY => later(broker, context, reader, delete_records::handle),
        InitProducerIdRequest::KEY => later(broker, context, reader, init_producer_id::handle),
        OffsetForLeaderEpochRequest::KEY => later(broker, context, reader, offset_for_leader_epoch::handle),
        AddPartitionsToTxnRequest::KEY => later(broker, context, reader, add_partitions_to_txn::handle),
        AddOffsetsToTxnRequest::KEY => later(broker, context, reader, add_offsets_to_txn::handle),
        EndTxnRequest::KEY => later(broker, context, reader, end_txn::handle),
        WriteTxnMarkersRequest::KEY => later(broker, context, reader, write_txn_markers::handle),
        TxnOffsetCommitRequest::KEY => later(broker, context, reader, txn_offset_commit::handle),
        DescribeConfigsRequest::KEY => later(broker, context, reader, describe_configs::handle),
        AlterConfigsRequest::KEY => later(broker, context, reader, alter_configs::handle),
        CreatePartitionsRequest::KEY => later(broker, context, reader, create_partitions::handle),
        DeleteGroupsRequest::KEY => later(broker, context, reader, delete_groups::handle),
        IncrementalAlterConfigsRequest::KEY => later(broker, context, reader, incremental_alter_configs::handle),
        OffsetDeleteRequest::KEY => later(broker, context, reader, offset_delete::handle),
        DescribeClusterRequest::KEY => later(broker, context, reader, describe_cluster::handle),
        DescribeProducersRequest::KEY => later(broker, context, reader, describe_producers::handle),
        DescribeTransactionsRequest::KEY => later(broker, context, reader, describe_transactions::handle),
        ListTransactionsRequest::KEY => later(broker, context, reader, list_transactions::handle),
        GetTelemetrySubscriptionsRequest::KEY => later(broker, context, reader, get_telemetry_subscriptions::handle),
        PushTelemetryRequest::KEY => later(broker, context, reader, push_telemetry::handle),
        ListConfigResourcesRequest::KEY => later(broker, context, reader, list_config_resources::handle),
        ConsumerGroupHeartbeatRequest::KEY => later(broker, context, reader, consumer_group_heartbeat::handle),
        ConsumerGroupDescribeRequest::KEY => later(broker, context, reader, consumer_group_describe::handle),
        StreamsGroupHeartbeatRequest::KEY => later(broker, context, reader, streams_group_heartbeat::handle),
        StreamsGroupDescribeRequest::KEY => later(broker, context, reader, streams_group_describe::handle),
        ShareGroupHeartbeatRequest::KEY => later(broker, context, reader, share_group_heartbeat::handle),
        ShareGroupDescribeRequest::KEY => later(broker, context, reader, share_group_describe::handle),
        ShareFetchRequest::KEY => {
            let request = decode::<ShareFetchRequest>(reader, version)?;
            Ok(Box::pin(share_fetch::handle(broker, context, request)))
        }
        ShareAcknowledgeRequest::KEY => later(broker, context, reader, share_acknowledge::handle),
        DescribeShareGroupOffsetsRequest::KEY => later(broker, context, reader, describe_share_group_offsets::handle),
        AlterShareGroupOffsetsRequest::KEY => later(broker, context, reader, alter_share_group_offsets::handle),
        DeleteShareGroupOffsetsRequest::KEY => later(broker, context, reader, delete_share_group_offsets::handle),
        DescribeTopicPartitionsRequest::KEY => later(broker, context, reader, describe_topic_partitions::handle),
        AlterClientQuotasRequest::KEY => later(broker, context, reader, alter_client_quotas::handle),
        AlterPartitionReassignmentsRequest::KEY => {
            later(broker, context, reader, alter_partition_reassignments::handle)
        }
        AlterReplicaLogDirsRequest::KEY => later(broker, context, reader, alter_replica_log_dirs::handle),
        DescribeClientQuotasRequest::KEY => later(broker, context, reader, describe_client_quotas::handle),
        DescribeLogDirsRequest::KEY => later(broker, context, reader, describe_log_dirs::handle),
        DescribeQuorumRequest::KEY => later(broker, context, reader, describe_quorum::handle),
        ElectLeadersRequest::KEY => later(broker, context, reader, elect_leaders::handle),
        ListPartitionReassignmentsRequest::KEY => later(broker, context, reader, list_partition_reassignments::handle),
        DescribeUserScramCredentialsRequest::KEY => {
            later(broker, context, reader, describe_user_scram_credentials::handle)
        }
        UnregisterBrokerRequest::KEY => later(broker, context, reader, unregister_broker::handle),
        UpdateFeaturesRequest::KEY => later(broker, context, reader, update_features::handle),
        _ => Err(Close::UnknownKey { key }),
    }
}

/// Keys whose handlers have a defect, for the tests: one while the request is read, one while it is worked off.
#[cfg(test)]
pub(crate) const PANICKING_KEYS: [i16; 2] = [9_001, 9_002];

#[cfg(test)]
fn planted(key: i16) -> Option<Work> {
    let [at_once, later] = PANICKING_KEYS;
    assert!(key != at_once, "a planted defect");
    (key == later).then(|| -> Work { Box::pin(async { panic!("a planted defect") }) })
}

/// Who does not know PRODUCER_FENCED is told INVALID_PRODUCER_EPOCH.
fn fenced(code: ErrorCode, is_known: bool) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced if !is_known => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}

/// Whether partitions may be made or deleted now, in versions that refuse it; else how long to wait.
fn may_mutate(broker: &Broker, context: &Context, strict_from: i16) -> Result<(), i32> {
    match broker.quotas.may_mutate(context.client()) {
        Err(wait_ms) if context.version >= strict_from => Err(wait_ms),
        _ => Ok(()),
    }
}

fn quota_exceeded() -> Refusal {
    let why = "The throttling quota has been exceeded.".to_owned();
    Refusal::new(ErrorCode::ThrottlingQuotaExceeded, why)
}

/// Bytes behind the message are left unread, as Kafka leaves them: librdkafka's Metadata request for all topics has
/// three too many.
fn decode<R: Request>(mut reader: Reader, version: i16) -> Result<R, Close> {
    Ok(R::decode(&mut reader, version)?)
}

/// Decodes now, answers when its turn comes.
fn later<R, F, Fut>(broker: Arc<Broker>, context: Context, reader: Reader, handler: F) -> Result<Work, Close>
where
    R: Request + Send + 'static,
    F: FnOnce(Arc<Broker>, Context, R) -> Fut + Send + 'static,
    Fut: Future<Output = R::Response> + Send,
    R::Response: Send,
{
    let request = decode::<R>(reader, context.version)?;
    Ok(Box::pin(async move {
        let response = handler(Arc::clone(&broker), context.clone(), request).await;
        context.reply(&broker, response)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_listed_once_and_by_key() {
        assert!(APIS.windows(2).all(|pair| pair[0].key < pair[1].key));
    }
}
