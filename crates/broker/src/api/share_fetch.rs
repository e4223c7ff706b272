//! ShareFetch: takes what a member says of its records, and gives it others, waiting for some if need be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use wire::ErrorCode;
use wire::messages::share_fetch_request::ShareFetchRequest;
use wire::messages::share_fetch_response::{
    AcquiredRecords, PartitionData, ShareFetchResponse, ShareFetchableTopicResponse,
};

use super::Context;
use super::share_acknowledge::{Acks, member_key, verdicts};
use crate::Broker;
use crate::net::{Close, Permit, Reply};
use crate::share::{Acquired, CLOSES, Given, OPENS, Place, SessionKey, Wish};

/// Records are given out one by one instead of by batch.
const RECORD_LIMIT: i8 = 1;
/// A fetch is never made to do with less than this because others hold the memory.
const FETCH_BYTES_MIN: usize = 1 << 20;

/// What one partition has for the member.
struct Found {
    place: Place,
    data: PartitionData,
}

pub(super) async fn handle(broker: Arc<Broker>, context: Context, request: ShareFetchRequest) -> Result<Reply, Close> {
    let (response, permit) = match fetch(&broker, &context, request).await {
        Ok((mut response, permit)) => {
            let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
            let bytes = partitions
                .filter_map(|partition| partition.records.as_ref())
                .map(Bytes::len)
                .sum();
            // The records are the member's already: what was too much is paid for afterwards.
            response.throttle_time_ms = broker.quotas.fetch(context.client(), bytes);
            (response, permit)
        }
        Err(error) => {
            let refused = ShareFetchResponse {
                error_code: error.code(),
                ..ShareFetchResponse::default()
            };
            (refused, None)
        }
    };
    let mut reply = context.reply(&broker, response)?;
    reply._held.extend(permit);
    Ok(reply)
}

async fn fetch(
    broker: &Broker,
    context: &Context,
    request: ShareFetchRequest,
) -> Result<(ShareFetchResponse, Option<Permit>), ErrorCode> {
    let key = member_key(request.group_id.as_deref(), request.member_id.as_deref())?;
    let epoch = request.share_session_epoch;
    let limits = Limits::of(broker, &request);
    let only_renews = request.max_bytes == 0 && request.max_records == 0 && request.max_wait_ms == 0;
    if request.is_renew_ack && !(only_renews && request.min_bytes == 0) || request.share_acquire_mode > RECORD_LIMIT {
        return Err(ErrorCode::InvalidRequest);
    }
    let mut acks: Vec<Acks> = Vec::new();
    let mut named = Vec::new();
    for topic in request.topics {
        for partition in topic.partitions {
            let place = (topic.topic_id, partition.partition_index);
            named.push(place);
            let batches = partition.acknowledgement_batches.into_iter();
            let batches: Vec<_> = batches
                .map(|batch| (batch.first_offset, batch.last_offset, batch.acknowledge_types))
                .collect();
            if !batches.is_empty() {
                acks.push((place, batches));
            }
        }
    }
    if epoch == OPENS && !acks.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let forgotten = request.forgotten_topics_data.into_iter();
    let forgotten: Vec<Place> = forgotten
        .flat_map(|topic| {
            topic
                .partitions
                .into_iter()
                .map(move |partition| (topic.topic_id, partition))
        })
        .collect();
    let (known, unknown): (Vec<Place>, Vec<Place>) = named
        .iter()
        .partition(|place| epoch == CLOSES || broker.shares.check(**place).is_ok());
    let places = broker
        .shares
        .session(&key, epoch, context.connection, &known, &forgotten)?;
    let mut found: Vec<Found> = Vec::new();
    for place in unknown {
        found.push(Found::failed(place, broker.shares.check(place).err()));
    }
    for (place, batches) in acks {
        let renews = request.is_renew_ack && broker.shares.settings(&key.0).share_renews();
        let outcome = match verdicts(batches, renews) {
            Ok(verdicts) => broker.shares.acknowledge(&key, place, &verdicts).await,
            Err(refusal) => Err(refusal),
        };
        let found = entry(&mut found, place);
        if let Err(refusal) = outcome {
            found.data.acknowledge_error_code = refusal.code.code();
            found.data.acknowledge_error_message = Some(refusal.message).filter(|message| !message.is_empty());
        }
    }
    let permit = if epoch == CLOSES {
        broker.shares.close_session(&key);
        None
    } else {
        give_or_wait(broker, &key, &places, &limits, &mut found).await
    };
    if epoch == OPENS {
        // The first answer tells of everything.
        for place in places {
            entry(&mut found, place);
        }
    }
    let response = ShareFetchResponse {
        acquisition_lock_timeout_ms: lock_ms(broker, &key.0),
        responses: by_topic(found),
        ..ShareFetchResponse::default()
    };
    Ok((response, permit))
}

pub(super) fn lock_ms(broker: &Broker, group: &str) -> i32 {
    i32::try_from(broker.shares.rules(group).lock_ms).unwrap_or(i32::MAX)
}

struct Limits {
    deadline: Instant,
    bytes_max: usize,
    wish: Wish,
}

impl Limits {
    fn of(broker: &Broker, request: &ShareFetchRequest) -> Limits {
        Limits {
            deadline: deadline(request.max_wait_ms),
            bytes_max: (request.max_bytes.max(0) as usize).min(broker.options.limits.fetch_bytes_max),
            wish: Wish {
                records_max: i64::from(request.max_records.max(0)),
                strict: request.share_acquire_mode == RECORD_LIMIT,
                line_records_max: i64::from(request.batch_size.max(1)),
            },
        }
    }
}

/// When a wait that begins now is over.
#[allow(clippy::disallowed_methods, reason = "the runtime's timers run on its own clock")]
fn deadline(wait_ms: i32) -> Instant {
    Instant::now() + Duration::from_millis(wait_ms.max(0) as u64)
}

#[allow(clippy::disallowed_methods, reason = "the runtime's timers run on its own clock")]
fn is_past(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

/// Gives what is free; if nothing is, waits until records come or become free, or until the member's patience ends.
async fn give_or_wait(
    broker: &Broker,
    key: &SessionKey,
    places: &[Place],
    limits: &Limits,
    found: &mut Vec<Found>,
) -> Option<Permit> {
    let come = Arc::new(Notify::new());
    let mut guard = None;
    loop {
        // Registered before looking, so that nothing is missed in between.
        let freed = broker.shares.freed.notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        let last = places.is_empty() || limits.wish.records_max == 0 || is_past(limits.deadline);
        let (permit, bytes_max) = broker.fetch_budget.take_some(limits.bytes_max, FETCH_BYTES_MIN).await;
        let gave = give(broker, key, places, limits, bytes_max, found).await;
        if gave {
            return Some(permit);
        }
        drop(permit);
        if last || found.iter().any(|found| found.data.error_code != 0) {
            return None;
        }
        if guard.is_none() {
            guard = Some(broker.log.watch(&broker.shares.logs(places), Arc::clone(&come)));
            continue;
        }
        let left_ms = broker
            .shares
            .lock_left_ms(&key.0, places)
            .unwrap_or(i64::from(i32::MAX));
        let lock_ends = deadline(i32::try_from(left_ms.saturating_add(1)).unwrap_or(i32::MAX));
        let wait = async {
            tokio::select! {
                () = come.notified() => {}
                () = &mut freed => {}
            }
        };
        // Whichever it is, the next look tells.
        let _elapsed = timeout_at(limits.deadline.min(lock_ends), wait).await.is_err();
    }
}

/// Gives records of the partitions, one after the other, up to what the member wants of all.
async fn give(
    broker: &Broker,
    key: &SessionKey,
    places: &[Place],
    limits: &Limits,
    mut bytes_left: usize,
    found: &mut Vec<Found>,
) -> bool {
    let mut wish = limits.wish;
    let mut gave = false;
    for place in places {
        if wish.records_max <= 0 || (gave && bytes_left == 0) {
            break;
        }
        match broker.shares.give(key, *place, &wish, bytes_left).await {
            Ok(given) => {
                wish.records_max -= given.count();
                bytes_left = bytes_left.saturating_sub(given.records.len());
                if !given.lines.is_empty() {
                    gave = true;
                    entry(found, *place).take(given);
                }
            }
            Err(error) => {
                let failed = Found::failed(*place, Some(error));
                entry(found, *place).data.error_code = failed.data.error_code;
            }
        }
    }
    gave
}

impl Found {
    fn nothing(place: Place) -> Found {
        let data = PartitionData {
            partition_index: place.1,
            records: Some(Bytes::new()),
            ..PartitionData::default()
        };
        Found { place, data }
    }

    fn failed(place: Place, error: Option<ErrorCode>) -> Found {
        let mut found = Found::nothing(place);
        found.data.error_code = error.unwrap_or(ErrorCode::None).code();
        found
    }

    fn take(&mut self, given: Given) {
        let line = |line: Acquired| AcquiredRecords {
            first_offset: line.first,
            last_offset: line.last,
            delivery_count: line.deliveries,
        };
        self.data.records = Some(given.records);
        self.data.acquired_records = given.lines.into_iter().map(line).collect();
    }
}

/// A partition's place in the answer.
fn entry(found: &mut Vec<Found>, place: Place) -> &mut Found {
    let at = found.iter().position(|found| found.place == place).unwrap_or_else(|| {
        found.push(Found::nothing(place));
        found.len() - 1
    });
    &mut found[at]
}

fn by_topic(found: Vec<Found>) -> Vec<ShareFetchableTopicResponse> {
    let mut topics: Vec<ShareFetchableTopicResponse> = Vec::new();
    for Found { place, data } in found {
        match topics.iter_mut().find(|topic| topic.topic_id == place.0) {
            Some(topic) => topic.partitions.push(data),
            None => topics.push(ShareFetchableTopicResponse {
                topic_id: place.0,
                partitions: vec![data],
            }),
        }
    }
    topics
}
