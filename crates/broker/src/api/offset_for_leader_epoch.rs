//! OffsetForLeaderEpoch: where an epoch ends, so that a reader can tell whether its log and ours agree.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::offset_for_leader_epoch_request::{OffsetForLeaderEpochRequest, OffsetForLeaderPartition};
use wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

use super::Context;
use crate::Broker;
use crate::partitions::{TopicKey, check_leader_epoch};

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut response = OffsetForLeaderEpochResponse::default();
    for topic in request.topics {
        let key = TopicKey::Name(topic.topic.clone());
        let partitions = topic
            .partitions
            .into_iter()
            .map(|partition| find(&broker, &key, &partition))
            .collect();
        response.topics.push(OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions,
        });
    }
    response
}

fn find(broker: &Broker, key: &TopicKey, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let mut answer = EpochEndOffset {
        partition: asked.partition,
        ..EpochEndOffset::default()
    };
    let partition = check_leader_epoch(asked.current_leader_epoch)
        .and_then(|()| key.find_partition(&broker.catalog, asked.partition));
    let partition = match partition {
        Ok(partition) => partition,
        Err(error) => {
            answer.error_code = error.code();
            return answer;
        }
    };
    let latest = broker.log.latest_epoch(partition).unwrap_or(super::LEADER_EPOCH);
    if asked.leader_epoch == latest {
        answer.leader_epoch = latest;
        answer.end_offset = broker.log.bounds(partition).map_or(-1, |bounds| bounds.high_watermark);
    } else if (0..latest).contains(&asked.leader_epoch)
        && let Some((epoch, end)) = broker.log.epoch_end(partition, asked.leader_epoch)
    {
        answer.leader_epoch = epoch;
        answer.end_offset = end;
    }
    answer.error_code = ErrorCode::None.code();
    answer
}
