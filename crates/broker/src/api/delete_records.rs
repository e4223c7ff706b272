//! DeleteRecords: moves a partition's start forward.

use std::sync::Arc;

use log::Op;
use wire::ErrorCode;
use wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsRequest};
use wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use super::Context;
use crate::partitions::TopicKey;
use crate::{Broker, errors};

/// Everything there is.
const TO_HIGH_WATERMARK: i64 = -1;

pub(crate) async fn handle(broker: Arc<Broker>, _: Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let key = TopicKey::Name(topic.name.clone());
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let (low_watermark, error) = match delete(&broker, &key, &partition).await {
                Ok(low_watermark) => (low_watermark, ErrorCode::None),
                Err(error) => (-1, error),
            };
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark,
                error_code: error.code(),
            });
        }
        response.topics.push(DeleteRecordsTopicResult {
            name: topic.name,
            partitions,
        });
    }
    response
}

async fn delete(broker: &Broker, key: &TopicKey, asked: &DeleteRecordsPartition) -> Result<i64, ErrorCode> {
    let topic = key.find(&broker.catalog)?;
    let partition = topic
        .partition(asked.partition_index)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if !broker.effective().of_topic(&topic).deleted {
        // What compaction keeps is the latest of each key: cutting at an offset would lose keys.
        return Err(ErrorCode::PolicyViolation);
    }
    let bounds = broker.log.bounds(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let log_start = if asked.offset == TO_HIGH_WATERMARK {
        bounds.high_watermark
    } else {
        asked.offset
    };
    if log_start < 0 || log_start > bounds.high_watermark {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    if log_start <= bounds.log_start {
        return Ok(bounds.log_start);
    }
    broker
        .commit(vec![Op::AdvanceStart { partition, log_start }])
        .await
        .map_err(|error| errors::of_commit(&error))?;
    Ok(log_start)
}
