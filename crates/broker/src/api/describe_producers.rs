//! DescribeProducers: who has written to a partition, and whose transactions are open there.

use std::sync::Arc;

use log::ProducerInfo;
use wire::ErrorCode;
use wire::messages::describe_producers_request::DescribeProducersRequest;
use wire::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

use super::Context;
use crate::Broker;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let known = broker.catalog.topic(&topic.name);
        let describe = |index: i32| match known.as_ref().and_then(|known| known.partition(index)) {
            Some(partition) => PartitionResponse {
                partition_index: index,
                active_producers: broker.log.producers(partition).iter().map(described).collect(),
                ..PartitionResponse::default()
            },
            None => PartitionResponse {
                partition_index: index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                error_message: Some("This server does not host this topic-partition.".to_owned()),
                ..PartitionResponse::default()
            },
        };
        TopicResponse {
            partitions: topic.partition_indexes.iter().copied().map(describe).collect(),
            name: topic.name,
        }
    });
    DescribeProducersResponse {
        topics: topics.collect(),
        ..DescribeProducersResponse::default()
    }
}

fn described(producer: &ProducerInfo) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.producer_epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.open_since.unwrap_or(-1),
    }
}
