//! WriteTxnMarkers: ends a transaction on partitions without asking its coordinator, for administrators whose readers
//! are held up by one that hangs.

use std::sync::Arc;

use log::{Op, PartitionId};
use wire::ErrorCode;
use wire::builder::end_transaction_marker;
use wire::messages::write_txn_markers_request::{WritableTxnMarker, WriteTxnMarkersRequest};
use wire::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult, WriteTxnMarkersResponse,
};

use super::{Context, LEADER_EPOCH};
use crate::{Broker, errors};

/// From this transaction version on, a marker's epoch must be above the one of what it ends (KIP-1228).
const STRICT_FROM: i8 = 2;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let mut markers = Vec::with_capacity(request.markers.len());
    for marker in request.markers {
        let mut topics = Vec::with_capacity(marker.topics.len());
        for topic in &marker.topics {
            let known = broker.catalog.topic(&topic.name);
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for &index in &topic.partition_indexes {
                let outcome = match known.as_ref().and_then(|known| known.partition(index)) {
                    Some(partition) => write(&broker, &marker, partition).await,
                    None => Err(ErrorCode::UnknownTopicOrPartition),
                };
                partitions.push(WritableTxnMarkerPartitionResult {
                    partition_index: index,
                    error_code: outcome.err().unwrap_or(ErrorCode::None).code(),
                });
            }
            topics.push(WritableTxnMarkerTopicResult {
                name: topic.name.clone(),
                partitions,
            });
        }
        markers.push(WritableTxnMarkerResult {
            producer_id: marker.producer_id,
            topics,
        });
    }
    WriteTxnMarkersResponse { markers }
}

async fn write(broker: &Broker, marker: &WritableTxnMarker, partition: PartitionId) -> Result<(), ErrorCode> {
    let known = broker.log.producers(partition);
    let known = known.iter().find(|producer| producer.producer_id == marker.producer_id);
    if let Some(known) = known {
        if known.coordinator_epoch > marker.coordinator_epoch {
            return Err(ErrorCode::TransactionCoordinatorFenced);
        }
        if marker.transaction_version >= STRICT_FROM && marker.producer_epoch <= known.producer_epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
    }
    let batch = end_transaction_marker(
        marker.producer_id,
        marker.producer_epoch,
        marker.coordinator_epoch,
        marker.transaction_result,
        broker.clock.wall_ms(),
    );
    let append = Op::Append {
        partition,
        batch,
        leader_epoch: LEADER_EPOCH,
    };
    broker
        .commit(vec![append])
        .await
        .map(drop)
        .map_err(|error| errors::of_commit(&error))
}
