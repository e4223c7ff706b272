//! ShareAcknowledge: a member says what became of its records; answered when durable.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::share_acknowledge_request::ShareAcknowledgeRequest;
use wire::messages::share_acknowledge_response::{
    PartitionData, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
};

use super::Context;
use super::share_fetch::lock_ms;
use crate::Broker;
use crate::errors::Refusal;
use crate::share::{CLOSES, OPENS, Place, SessionKey, Verdict, Verdicts};

/// The longest member id: a UUID's text.
const MEMBER_ID_CHARS_MAX: usize = 36;

/// First and last offset, and what becomes of them.
pub(super) type AckBatch = (i64, i64, Vec<i8>);
/// What is said of one partition.
pub(super) type Acks = (Place, Vec<AckBatch>);

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: ShareAcknowledgeRequest,
) -> ShareAcknowledgeResponse {
    let refused = |error: ErrorCode| ShareAcknowledgeResponse {
        error_code: error.code(),
        ..ShareAcknowledgeResponse::default()
    };
    let key = match member_key(request.group_id.as_deref(), request.member_id.as_deref()) {
        Ok(key) => key,
        Err(error) => return refused(error),
    };
    let epoch = request.share_session_epoch;
    if epoch == OPENS {
        return refused(ErrorCode::InvalidShareSessionEpoch);
    }
    if let Err(error) = broker.shares.advance_session(&key, epoch) {
        return refused(error);
    }
    let renews = request.is_renew_ack && broker.shares.settings(&key.0).share_renews();
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let place = (topic.topic_id, partition.partition_index);
            let batches = partition.acknowledgement_batches.into_iter();
            let batches = batches
                .map(|batch| (batch.first_offset, batch.last_offset, batch.acknowledge_types))
                .collect();
            let outcome = acknowledge(&broker, &key, place, batches, renews).await;
            partitions.push(partition_data(place, outcome));
        }
        responses.push(ShareAcknowledgeTopicResponse {
            topic_id: topic.topic_id,
            partitions,
        });
    }
    if epoch == CLOSES {
        broker.shares.close_session(&key);
    }
    ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms: lock_ms(&broker, &key.0),
        responses,
        ..ShareAcknowledgeResponse::default()
    }
}

async fn acknowledge(
    broker: &Broker,
    key: &SessionKey,
    place: Place,
    batches: Vec<AckBatch>,
    renews: bool,
) -> Result<(), Refusal> {
    let verdicts = verdicts(batches, renews)?;
    broker
        .shares
        .check(place)
        .map_err(|error| Refusal::new(error, String::new()))?;
    broker.shares.acknowledge(key, place, &verdicts).await
}

fn partition_data(place: Place, outcome: Result<(), Refusal>) -> PartitionData {
    let (error_code, error_message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (
            refusal.code,
            Some(refusal.message).filter(|message| !message.is_empty()),
        ),
    };
    PartitionData {
        partition_index: place.1,
        error_code: error_code.code(),
        error_message,
        ..PartitionData::default()
    }
}

/// Group and member, if they are fit to be that.
pub(super) fn member_key(group: Option<&str>, member: Option<&str>) -> Result<SessionKey, ErrorCode> {
    match (group, member) {
        (Some(group), Some(member))
            if !group.is_empty() && !member.is_empty() && member.chars().count() <= MEMBER_ID_CHARS_MAX =>
        {
            Ok((group.to_owned(), member.to_owned()))
        }
        _ => Err(ErrorCode::InvalidRequest),
    }
}

/// Reads what is said of offsets; each batch begins where the one before ended, or later.
pub(super) fn verdicts(batches: Vec<AckBatch>, renews: bool) -> Result<Vec<Verdicts>, Refusal> {
    let mut before = -1;
    let mut all = Vec::with_capacity(batches.len());
    for (first, last, codes) in batches {
        let each: Option<Vec<Verdict>> = codes.iter().map(|code| Verdict::from_code(*code)).collect();
        let count = i64::try_from(codes.len()).unwrap_or(i64::MAX);
        let fits = count == 1 || last.checked_sub(first).is_some_and(|span| span + 1 == count);
        match each {
            Some(verdicts) if first >= before && first <= last && fits && allowed(&verdicts, renews) => {
                all.push(Verdicts { first, last, verdicts });
            }
            _ => return Err(Refusal::new(ErrorCode::InvalidRequest, String::new())),
        }
        before = last;
    }
    Ok(all)
}

fn allowed(verdicts: &[Verdict], renews: bool) -> bool {
    renews || !verdicts.contains(&Verdict::Renew)
}
