//! ListOffsets: offsets by time, and the special ones.

use std::collections::HashSet;
use std::sync::Arc;

use log::PartitionId;
use wire::ErrorCode;
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};

use super::{Context, LEADER_EPOCH};
use crate::partitions::{TopicKey, check_leader_epoch};
use crate::{Broker, errors};

/// The first version that tells a record's leader epoch.
const EPOCHS_FROM: i16 = 4;

const READ_COMMITTED: i8 = 1;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(crate) async fn handle(broker: Arc<Broker>, context: Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let place = (topic.name.clone(), partition.partition_index);
            if !seen.insert(place.clone()) {
                twice.insert(place);
            }
        }
    }
    let committed = request.isolation_level == READ_COMMITTED;
    let mut told = HashSet::new();
    let mut response = ListOffsetsResponse::default();
    for topic in request.topics {
        let key = TopicKey::Name(topic.name.clone());
        let answer = |partition: ListOffsetsPartition| {
            let index = partition.partition_index;
            let outcome = if twice.contains(&(topic.name.clone(), index)) {
                Err(ErrorCode::InvalidRequest)
            } else {
                check_leader_epoch(partition.current_leader_epoch)
                    .and_then(|()| key.find_partition(&broker.catalog, index))
                    .and_then(|id| find(&broker, context.version, committed, id, partition.timestamp))
            };
            match outcome {
                Ok((timestamp, offset, leader_epoch)) => ListOffsetsPartitionResponse {
                    partition_index: index,
                    timestamp,
                    offset,
                    leader_epoch: if context.version < EPOCHS_FROM {
                        -1
                    } else {
                        leader_epoch
                    },
                    ..ListOffsetsPartitionResponse::default()
                },
                Err(error) => ListOffsetsPartitionResponse {
                    partition_index: index,
                    error_code: error.code(),
                    ..ListOffsetsPartitionResponse::default()
                },
            }
        };
        let asked = topic.partitions.into_iter();
        let once = asked.filter(|partition| told.insert((topic.name.clone(), partition.partition_index)));
        let partitions = once.map(answer).collect();
        response.topics.push(ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions,
        });
    }
    response
}

/// The first version that knows a special timestamp.
fn known_from(timestamp: i64) -> Option<i16> {
    match timestamp {
        LATEST | EARLIEST => Some(1),
        MAX_TIMESTAMP => Some(7),
        EARLIEST_LOCAL => Some(8),
        LATEST_TIERED => Some(9),
        EARLIEST_PENDING_UPLOAD => Some(11),
        0.. => Some(1),
        _ => None,
    }
}

/// Timestamp, offset and leader epoch; -1 where there is none. With `committed`, what lies behind the last stable
/// offset is not there yet.
fn find(
    broker: &Broker,
    version: i16,
    committed: bool,
    partition: PartitionId,
    timestamp: i64,
) -> Result<(i64, i64, i32), ErrorCode> {
    if known_from(timestamp).is_none_or(|from| version < from) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let bounds = broker.log.bounds(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let read = |error: log::ReadError| errors::of_read(&error);
    let found = match timestamp {
        LATEST if committed => return Ok((-1, bounds.last_stable, LEADER_EPOCH)),
        LATEST => return Ok((-1, bounds.high_watermark, LEADER_EPOCH)),
        EARLIEST | EARLIEST_LOCAL => {
            let epoch = broker.log.epoch_at(partition, bounds.log_start).unwrap_or(LEADER_EPOCH);
            return Ok((-1, bounds.log_start, epoch));
        }
        // Nothing is ever tiered.
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return Ok((-1, -1, -1)),
        MAX_TIMESTAMP => broker.log.max_timestamp(partition).map_err(read)?,
        _ => broker.log.find_by_time(partition, timestamp).map_err(read)?,
    };
    let found = found.filter(|found| !committed || found.offset < bounds.last_stable);
    Ok(found.map_or((-1, -1, -1), |found| {
        (found.timestamp, found.offset, found.leader_epoch)
    }))
}
