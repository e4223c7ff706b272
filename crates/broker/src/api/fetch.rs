//! Fetch: reads batches as they lie in the log, and waits for more without asking again and again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use log::{PartitionId, ReadWish};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use wire::messages::fetch_request::FetchRequest;
use wire::messages::fetch_response::{AbortedTransaction, FetchResponse, FetchableTopicResponse, PartitionData};
use wire::{ErrorCode, Piece};

use super::{Context, LEADER_EPOCH};
use crate::Broker;
use crate::errors;
use crate::fetch_sessions::{Asked, Relation, Told, Want};
use crate::net::{Close, Permit, Reply};
use crate::partitions::{TopicKey, check_leader_epoch};

/// Topics are named by id from this version on.
const IDS_FROM: i16 = 13;
/// A fetch is never made to do with less than this because others hold the memory.
const FETCH_BYTES_MIN: usize = 1 << 20;
/// A reader that wants more than there is lets this much time gather before it looks again.
const GATHER: Duration = Duration::from_millis(5);
const READ_COMMITTED: i8 = 1;

/// What one partition has for the reader.
struct Found {
    want: Want,
    data: PartitionData,
}

impl Found {
    fn failed(want: Want, error: ErrorCode) -> Found {
        // Kafka says null once it has looked at the partition, and nothing wrong is done by saying the same.
        let looked_at = matches!(
            error,
            ErrorCode::OffsetOutOfRange | ErrorCode::FencedLeaderEpoch | ErrorCode::UnknownLeaderEpoch
        );
        let data = PartitionData {
            aborted_transactions: (!looked_at).then(Vec::new),
            partition_index: want.partition,
            error_code: error.code(),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            records: Some(Piece::Memory(Bytes::new())),
            ..PartitionData::default()
        };
        Found { want, data }
    }

    fn bytes(&self) -> usize {
        self.data.records.as_ref().map_or(0, Piece::len)
    }

    /// Whether there are records, and they lie in a file, or in memory.
    fn is_in(&self, file: bool) -> bool {
        let records = self.data.records.as_ref().filter(|records| !records.is_empty());
        records.is_some_and(|records| records.memory().is_none() == file)
    }

    /// What a session remembers; nothing after an error.
    fn told(&self) -> Option<Told> {
        (self.data.error_code == 0).then_some(Told {
            high_watermark: self.data.high_watermark,
            log_start: self.data.log_start_offset,
        })
    }
}

pub(super) async fn handle(broker: Arc<Broker>, context: Context, request: FetchRequest) -> Result<Reply, Close> {
    let by_id = context.version >= IDS_FROM;
    let mut limits = Limits::of(&broker, &request);
    limits.bytes_max = limits.bytes_max.min(broker.quotas.fetch_bytes_max(context.client()));
    limits.bytes_min = limits.bytes_min.min(limits.bytes_max);
    let asked = asked(request, by_id);
    let plan = match broker.fetch_sessions.plan(asked, broker.clock.monotonic()) {
        Ok(plan) => plan,
        Err(error) => {
            let refused = FetchResponse {
                error_code: error.code(),
                ..FetchResponse::default()
            };
            return context.reply(&broker, refused);
        }
    };
    let (found, held) = read_or_wait(&broker, &plan.wants, &limits).await;
    let throttle_time_ms = broker
        .quotas
        .fetch(context.client(), found.iter().map(Found::bytes).sum());
    if throttle_time_ms > 0 {
        // Nothing now: the client asks for the same again when it has waited.
        let nothing = FetchResponse {
            throttle_time_ms,
            session_id: plan.session.id(),
            ..FetchResponse::default()
        };
        return context.reply(&broker, nothing);
    }
    let (session_id, found) = account(&broker, plan.session, by_id, found);
    let response = FetchResponse {
        session_id,
        responses: by_topic(found),
        ..FetchResponse::default()
    };
    let mut reply = context.reply(&broker, response)?;
    reply._held = held;
    Ok(reply)
}

struct Limits {
    deadline: Instant,
    bytes_min: usize,
    bytes_max: usize,
    read_committed: bool,
    /// Somebody who says to be a follower: there are none.
    follower: bool,
}

impl Limits {
    fn of(broker: &Broker, request: &FetchRequest) -> Limits {
        let bytes_max = (request.max_bytes.max(0) as usize).min(broker.options.limits.fetch_bytes_max);
        Limits {
            deadline: deadline(request.max_wait_ms),
            bytes_min: (request.min_bytes.max(0) as usize).min(bytes_max),
            bytes_max,
            read_committed: request.isolation_level == READ_COMMITTED,
            follower: request.replica_id >= 0 || request.replica_state.replica_id >= 0,
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

fn asked(request: FetchRequest, by_id: bool) -> Asked {
    let mut wants = Vec::new();
    let mut seen = HashSet::new();
    for topic in request.topics {
        let key = TopicKey::new(by_id, topic.topic, topic.topic_id);
        for partition in topic.partitions {
            // Asked for twice, answered once.
            if seen.insert((key.clone(), partition.partition)) {
                wants.push(Want {
                    topic: key.clone(),
                    partition: partition.partition,
                    offset: partition.fetch_offset,
                    bytes_max: partition.partition_max_bytes,
                    leader_epoch: partition.current_leader_epoch,
                    last_fetched_epoch: partition.last_fetched_epoch,
                });
            }
        }
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let key = TopicKey::new(by_id, topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.into_iter().map(|partition| (key.clone(), partition)));
    }
    Asked {
        session_id: request.session_id,
        epoch: request.session_epoch,
        by_id,
        wants,
        forgotten,
    }
}

/// Reads; if there is less than wanted, waits until the log says there is more, or until the reader's patience ends.
async fn read_or_wait(broker: &Broker, wants: &[Want], limits: &Limits) -> (Vec<Found>, Vec<Permit>) {
    let notify = Arc::new(Notify::new());
    let mut guard = None;
    loop {
        let at_once = wants.is_empty() || limits.follower || limits.bytes_min == 0;
        let last = at_once || is_past(limits.deadline);
        if last || has_something(broker, wants, limits.read_committed) {
            let (permit, bytes_max) = broker.fetch_budget.take_some(limits.bytes_max, FETCH_BYTES_MIN).await;
            let files = broker.fetch_files.take_some(wants.len());
            let (found, files) = read(broker, wants, limits, bytes_max, files);
            let bytes: usize = found.iter().map(Found::bytes).sum();
            let failed = found.iter().any(|found| found.data.error_code != 0);
            if last || failed || bytes >= limits.bytes_min {
                // What goes out from files takes no memory.
                let memory = found.iter().any(|found| found.is_in(false)).then_some(permit);
                return (found, memory.into_iter().chain(files).collect());
            }
        }
        if guard.is_none() {
            // Register first, look again second: nothing is missed in between.
            let partitions: Vec<PartitionId> = wants
                .iter()
                .filter_map(|want| want.topic.find_partition(&broker.catalog, want.partition).ok())
                .collect();
            guard = Some(broker.log.watch(&partitions, Arc::clone(&notify)));
            continue;
        }
        if timeout_at(limits.deadline, notify.notified()).await.is_ok() && limits.bytes_min > 1 {
            tokio::time::sleep_until((deadline(0) + GATHER).min(limits.deadline)).await;
        }
    }
}

/// Whether a read would give data or an error. What belongs to an open transaction is nothing to a reader that wants
/// committed data only.
fn has_something(broker: &Broker, wants: &[Want], committed: bool) -> bool {
    wants.iter().any(|want| {
        let partition = want.topic.find_partition(&broker.catalog, want.partition);
        match partition.ok().and_then(|partition| broker.log.bounds(partition)) {
            Some(bounds) => {
                let end = if committed {
                    bounds.last_stable
                } else {
                    bounds.high_watermark
                };
                let waits = want.offset >= bounds.log_start && (end..=bounds.high_watermark).contains(&want.offset);
                !waits || check(want).is_err()
            }
            None => true,
        }
    })
}

/// What can be said without reading.
fn check(want: &Want) -> Result<(), ErrorCode> {
    check_leader_epoch(want.leader_epoch)?;
    if want.last_fetched_epoch > LEADER_EPOCH {
        // An epoch this partition never had.
        return Err(ErrorCode::OffsetOutOfRange);
    }
    Ok(())
}

/// Reads what is wanted, from as many files as there are permits; gives those that are needed.
fn read(
    broker: &Broker,
    wants: &[Want],
    limits: &Limits,
    bytes_max: usize,
    mut files: Option<Permit>,
) -> (Vec<Found>, Option<Permit>) {
    let files_max = files.as_ref().map_or(0, Permit::num_permits);
    let mut files_taken = 0;
    let mut left = bytes_max;
    let mut nothing_yet = true;
    let mut all = Vec::with_capacity(wants.len());
    for want in wants {
        let found = if limits.follower {
            Found::failed(want.clone(), ErrorCode::TopicAuthorizationFailed)
        } else {
            let wish = ReadWish {
                offset: want.offset,
                bytes_max: left.min(want.bytes_max.max(0) as usize),
                at_least_one: nothing_yet,
                committed: limits.read_committed,
                apart: files_taken < files_max,
            };
            read_one(broker, want, &wish)
        };
        files_taken += usize::from(found.is_in(true));
        let bytes = found.bytes();
        left = left.saturating_sub(bytes);
        nothing_yet &= bytes == 0;
        all.push(found);
    }
    let needed = files.as_mut().and_then(|files| files.split(files_taken));
    (all, needed.filter(|_| files_taken > 0))
}

fn read_one(broker: &Broker, want: &Want, wish: &ReadWish) -> Found {
    let partition = match check(want).and_then(|()| want.topic.find_partition(&broker.catalog, want.partition)) {
        Ok(partition) => partition,
        Err(error) => return Found::failed(want.clone(), error),
    };
    let read = match broker.log.read_wish(partition, wish) {
        Ok(read) => read,
        Err(error) => {
            if matches!(error, log::ReadError::Corrupt { .. } | log::ReadError::Io(_)) {
                tracing::error!(?want, "fetch failed: {error}");
            }
            return Found::failed(want.clone(), errors::of_read(&error));
        }
    };
    let data = PartitionData {
        partition_index: want.partition,
        high_watermark: read.bounds.high_watermark,
        last_stable_offset: read.bounds.last_stable,
        log_start_offset: read.bounds.log_start,
        aborted_transactions: wish.committed.then(|| read.aborted.into_iter().map(aborted).collect()),
        // Never null: old clients take null for damage.
        records: Some(read.records),
        ..PartitionData::default()
    };
    Found {
        want: want.clone(),
        data,
    }
}

fn aborted(transaction: log::AbortedTransaction) -> AbortedTransaction {
    AbortedTransaction {
        producer_id: transaction.producer_id,
        first_offset: transaction.first_offset,
    }
}

/// Brings the session up to date with the answer, and takes out of an incremental answer what has not changed.
fn account(broker: &Broker, session: Relation, by_id: bool, found: Vec<Found>) -> (i32, Vec<Found>) {
    match session {
        Relation::None => (0, found),
        Relation::New => {
            let told = found.iter().map(|found| (found.want.clone(), found.told())).collect();
            let fresh_id = 1 + broker.random.below(i32::MAX as u64 - 1) as i32;
            (
                broker
                    .fetch_sessions
                    .begin(fresh_id, by_id, told, broker.clock.monotonic()),
                found,
            )
        }
        Relation::Incremental(id) => {
            let must_tell = |found: &Found| {
                let key = (found.want.topic.clone(), found.want.partition);
                broker.fetch_sessions.tell(id, &key, found.told(), found.bytes() > 0)
            };
            (id, found.into_iter().filter(must_tell).collect())
        }
    }
}

fn by_topic(found: Vec<Found>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    let mut places: HashMap<TopicKey, usize> = HashMap::new();
    for Found { want, data } in found {
        let place = *places.entry(want.topic).or_insert_with_key(|key| {
            topics.push(FetchableTopicResponse {
                topic: key.name(),
                topic_id: key.id(),
                partitions: Vec::new(),
            });
            topics.len() - 1
        });
        topics[place].partitions.push(data);
    }
    topics
}
