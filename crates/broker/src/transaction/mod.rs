//! One transactional id as a pure state machine: requests and time in, the next state and what must be written out.
//!
//! It knows nothing of connections, tasks or files. Nothing here changes in place: every decision gives the state that
//! is to follow, and whoever drives it puts that in force once the log has taken it. Because the log writes markers,
//! offsets and the new state as one unit, there is no prepared state: a transaction is open or it has ended. What
//! clients see follows Kafka's own coordinator, in the old flow ([`Flow::V1`]) and in that of KIP-890 ([`Flow::V2`]).

mod leftovers;
#[cfg(test)]
mod simulation;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use base::{PartitionIndex, TimestampMs};
use log::PartitionId;
use wire::ErrorCode;

use crate::tables::Committed;

pub(crate) use leftovers::{Leftovers, Line};

/// The last epoch a producer id is used with; then comes a new id. The one above it only ever fences.
const EPOCH_LAST: i16 = i16::MAX - 1;
const NO_EPOCH: i16 = -1;
const NO_PRODUCER: i64 = -1;

/// Which rules a client plays by; its request versions tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Partitions are added before they are written to; the epoch stays from one transaction to the next.
    V1,
    /// Writing adds; every end brings a new epoch, so that nothing late can touch a later transaction.
    V2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Empty,
    Ongoing,
    CompleteCommit,
    CompleteAbort,
}

impl State {
    /// As DescribeTransactions and ListTransactions spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
        }
    }
}

/// A producer as it names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// What a partition is called, for those who ask what a transaction holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) index: PartitionIndex,
}

/// Group, topic, partition.
pub(crate) type OffsetKey = (String, String, PartitionIndex);

/// A transactional id as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) producer: Producer,
    /// The epoch before the last InitProducerId that named one, for its retry; -1 when a new producer took over.
    last_epoch: i16,
    /// The id before this one, for the retry of the request that brought this one.
    previous_producer_id: i64,
    pub(crate) timeout_ms: i32,
    pub(crate) state: State,
    /// When the last transaction began; -1 before the first of this producer.
    pub(crate) started_ms: TimestampMs,
    pub(crate) updated_ms: TimestampMs,
    /// What the open transaction writes to. The log's number tells a topic from a later one of the same name.
    pub(crate) partitions: BTreeMap<PartitionId, Place>,
    /// The groups it commits offsets of.
    pub(crate) groups: BTreeSet<String>,
    /// The offsets that become those of their groups when it commits.
    pub(crate) offsets: BTreeMap<OffsetKey, Committed>,
}

/// Why a request is not done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    With(ErrorCode),
    /// The same request again, with a producer id never used.
    NeedsProducerId,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Refused {
        Refused::With(code)
    }
}

/// A transaction that ends: what is to be written as one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) commit: bool,
    /// As the markers name it.
    pub(crate) producer: Producer,
    pub(crate) partitions: BTreeMap<PartitionId, Place>,
    pub(crate) offsets: BTreeMap<OffsetKey, Committed>,
    pub(crate) next: Transaction,
}

/// What InitProducerId comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Initialised {
    Ready(Transaction),
    /// An earlier producer's transaction is open: it is aborted, and the caller is told to try again.
    Fences(Ending),
}

/// What EndTxn comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A retry: it has ended so already.
    Already,
    Now(Ending),
}

impl Transaction {
    /// One never heard of before: nobody has been told its producer id yet.
    pub(crate) fn new(producer_id: i64, now_ms: TimestampMs) -> Transaction {
        Transaction {
            producer: Producer {
                id: producer_id,
                epoch: NO_EPOCH,
            },
            last_epoch: NO_EPOCH,
            previous_producer_id: NO_PRODUCER,
            timeout_ms: 0,
            state: State::Empty,
            started_ms: -1,
            updated_ms: now_ms,
            partitions: BTreeMap::new(),
            groups: BTreeSet::new(),
            offsets: BTreeMap::new(),
        }
    }

    fn is_exhausted(&self) -> bool {
        self.producer.epoch >= EPOCH_LAST
    }

    /// InitProducerId: a producer begins, or goes on after an error and then names itself in `asked`.
    pub(crate) fn init(
        &self,
        asked: Option<Producer>,
        timeout_ms: i32,
        fresh_producer_id: Option<i64>,
        now_ms: TimestampMs,
    ) -> Result<Initialised, Refused> {
        let is_known = |asked: Producer| {
            self.producer.epoch == NO_EPOCH
                || asked.id == self.producer.id
                || (asked.id == self.previous_producer_id && asked.epoch >= EPOCH_LAST)
        };
        if !asked.is_none_or(is_known) {
            return Err(ErrorCode::ProducerFenced.into());
        }
        if self.state == State::Ongoing {
            // Unlike Kafka, one that is fenced already does not get to abort what its successor has open.
            return match asked {
                Some(asked) if asked != self.producer => Err(ErrorCode::ProducerFenced.into()),
                _ => Ok(Initialised::Fences(self.fence(now_ms))),
            };
        }
        let mut next = self.idle(State::Empty, now_ms);
        next.timeout_ms = timeout_ms;
        let is_current = |asked: Producer| {
            asked.epoch == self.producer.epoch
                // The epoch that only fences is never given out: who was fenced by it gets a new id.
                || (self.producer.epoch > EPOCH_LAST && asked.epoch == self.last_epoch)
        };
        if self.is_exhausted() && asked.is_none_or(is_current) {
            let id = fresh_producer_id.ok_or(Refused::NeedsProducerId)?;
            next.previous_producer_id = self.producer.id;
            next.last_epoch = asked.map_or(NO_EPOCH, |asked| asked.epoch);
            next.producer = Producer { id, epoch: 0 };
            return Ok(Initialised::Ready(next));
        }
        let is_unused = self.producer.epoch == NO_EPOCH;
        match asked {
            None => next.last_epoch = NO_EPOCH,
            Some(asked) if is_unused || asked.epoch == self.producer.epoch => next.last_epoch = self.producer.epoch,
            // The answer to the same request was lost. A new producer would have forgotten the last epoch.
            Some(asked) if self.last_epoch != NO_EPOCH && asked.epoch == self.last_epoch => {
                return Ok(Initialised::Ready(next));
            }
            Some(_) => return Err(ErrorCode::ProducerFenced.into()),
        }
        if self.is_exhausted() {
            return Err(ErrorCode::ProducerFenced.into());
        }
        next.producer.epoch += 1;
        Ok(Initialised::Ready(next))
    }

    /// Whether the producer is the one that may act now.
    fn check_producer(&self, producer: Producer) -> Result<(), ErrorCode> {
        if self.producer.id != producer.id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if self.producer.epoch != producer.epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        Ok(())
    }

    /// Begins a transaction, if none is open.
    fn open(&self, now_ms: TimestampMs) -> Transaction {
        let mut next = self.clone();
        if self.state != State::Ongoing {
            next.state = State::Ongoing;
            next.started_ms = now_ms;
        }
        next.updated_ms = now_ms;
        next
    }

    /// Adds partitions; `None` when all are there already.
    pub(crate) fn add_partitions(
        &self,
        producer: Producer,
        partitions: &[(PartitionId, Place)],
        now_ms: TimestampMs,
    ) -> Result<Option<Transaction>, ErrorCode> {
        self.check_producer(producer)?;
        if self.state == State::Ongoing && partitions.iter().all(|(id, _)| self.partitions.contains_key(id)) {
            return Ok(None);
        }
        let mut next = self.open(now_ms);
        next.partitions.extend(partitions.iter().cloned());
        Ok(Some(next))
    }

    /// Adds a group whose offsets will be committed; `None` when it is there already.
    pub(crate) fn add_group(
        &self,
        producer: Producer,
        group: &str,
        now_ms: TimestampMs,
    ) -> Result<Option<Transaction>, ErrorCode> {
        self.check_producer(producer)?;
        if self.state == State::Ongoing && self.groups.contains(group) {
            return Ok(None);
        }
        let mut next = self.open(now_ms);
        next.groups.insert(group.to_owned());
        Ok(Some(next))
    }

    /// Whether the producer may write to a partition; [`ErrorCode::TransactionAbortable`] if it was not added.
    pub(crate) fn check_partition(&self, producer: Producer, partition: PartitionId) -> Result<(), ErrorCode> {
        self.check_producer(producer)?;
        if self.state == State::Ongoing && self.partitions.contains_key(&partition) {
            Ok(())
        } else {
            Err(ErrorCode::TransactionAbortable)
        }
    }

    /// Takes offsets that a group is to have when the transaction commits. In the old flow the group must have been
    /// added: [`ErrorCode::TransactionAbortable`] if not.
    pub(crate) fn commit_offsets(
        &self,
        producer: Producer,
        flow: Flow,
        group: &str,
        offsets: &[(OffsetKey, Committed)],
        now_ms: TimestampMs,
    ) -> Result<Transaction, ErrorCode> {
        self.check_producer(producer)?;
        let is_added = self.state == State::Ongoing && self.groups.contains(group);
        if flow == Flow::V1 && !is_added {
            return Err(ErrorCode::TransactionAbortable);
        }
        let mut next = self.open(now_ms);
        next.groups.insert(group.to_owned());
        next.offsets.extend(offsets.iter().cloned());
        Ok(next)
    }

    /// EndTxn.
    pub(crate) fn end(
        &self,
        producer: Producer,
        commit: bool,
        flow: Flow,
        fresh_producer_id: Option<i64>,
        now_ms: TimestampMs,
    ) -> Result<Ended, Refused> {
        match flow {
            Flow::V1 => self.end_v1(producer, commit, now_ms),
            Flow::V2 => self.end_v2(producer, commit, fresh_producer_id, now_ms),
        }
    }

    fn end_v1(&self, producer: Producer, commit: bool, now_ms: TimestampMs) -> Result<Ended, Refused> {
        self.check_producer(producer)?;
        match (self.state, commit) {
            (State::Ongoing, _) => Ok(Ended::Now(self.ending(commit, self.producer, now_ms))),
            (State::CompleteCommit, true) | (State::CompleteAbort, false) => Ok(Ended::Already),
            _ => Err(ErrorCode::InvalidTxnState.into()),
        }
    }

    fn end_v2(
        &self,
        producer: Producer,
        commit: bool,
        fresh_producer_id: Option<i64>,
        now_ms: TimestampMs,
    ) -> Result<Ended, Refused> {
        let is_overflow_retry = self.previous_producer_id == producer.id
            && self.previous_producer_id != NO_PRODUCER
            && producer.epoch == EPOCH_LAST
            && self.producer.epoch == 0;
        let is_retry = is_overflow_retry
            || (self.producer.id == producer.id && self.producer.epoch.checked_sub(1) == Some(producer.epoch));
        if self.producer.id != producer.id && !is_overflow_retry {
            return Err(ErrorCode::InvalidProducerIdMapping.into());
        }
        let may_be_retry = matches!(self.state, State::CompleteCommit | State::CompleteAbort);
        if self.producer.epoch != producer.epoch && !(may_be_retry && is_retry) {
            return Err(ErrorCode::ProducerFenced.into());
        }
        match (self.state, commit, is_retry) {
            (State::CompleteCommit, true, true) | (State::CompleteAbort, false, true) => return Ok(Ended::Already),
            (State::Ongoing, ..) | (_, false, false) => {}
            _ => return Err(ErrorCode::InvalidTxnState.into()),
        }
        // The markers carry the next epoch, so that whatever this transaction still has under way is refused.
        let marked = Producer {
            id: self.producer.id,
            epoch: self.producer.epoch.saturating_add(1),
        };
        let mut ending = self.ending(commit, marked, now_ms);
        ending.next.last_epoch = self.producer.epoch;
        if self.is_exhausted() {
            let id = fresh_producer_id.ok_or(Refused::NeedsProducerId)?;
            ending.next.previous_producer_id = self.producer.id;
            ending.next.producer = Producer { id, epoch: 0 };
        }
        Ok(Ended::Now(ending))
    }

    /// Aborts under the next epoch, so that whoever wrote until now can no more.
    fn fence(&self, now_ms: TimestampMs) -> Ending {
        let marked = Producer {
            id: self.producer.id,
            epoch: self.producer.epoch.saturating_add(1),
        };
        let mut ending = self.ending(false, marked, now_ms);
        ending.next.last_epoch = self.producer.epoch;
        ending
    }

    /// Aborts a transaction that has been open for longer than its producer allowed.
    pub(crate) fn time_out(&self, now_ms: TimestampMs) -> Option<Ending> {
        let is_late = self.state == State::Ongoing && now_ms - self.started_ms > i64::from(self.timeout_ms);
        is_late.then(|| self.fence(now_ms))
    }

    /// Whether nobody has used the id for so long that it may be forgotten.
    pub(crate) fn is_expired(&self, now_ms: TimestampMs, expiration_ms: i64) -> bool {
        self.state != State::Ongoing && now_ms - self.updated_ms >= expiration_ms
    }

    /// Without the offsets of a topic or group that is no more; `None` if there are none.
    pub(crate) fn without_offsets(&self, is_gone: impl Fn(&OffsetKey) -> bool) -> Option<Transaction> {
        if !self.offsets.keys().any(&is_gone) {
            return None;
        }
        let mut next = self.clone();
        next.offsets.retain(|key, _| !is_gone(key));
        Some(next)
    }

    fn ending(&self, commit: bool, marked: Producer, now_ms: TimestampMs) -> Ending {
        let state = if commit {
            State::CompleteCommit
        } else {
            State::CompleteAbort
        };
        let mut next = self.idle(state, now_ms);
        next.started_ms = match self.state {
            State::Ongoing => self.started_ms,
            _ => now_ms,
        };
        next.producer = marked;
        Ending {
            commit,
            producer: marked,
            partitions: self.partitions.clone(),
            offsets: self.offsets.clone(),
            next,
        }
    }

    /// The same with no transaction open.
    fn idle(&self, state: State, now_ms: TimestampMs) -> Transaction {
        Transaction {
            state,
            started_ms: -1,
            updated_ms: now_ms,
            partitions: BTreeMap::new(),
            groups: BTreeSet::new(),
            offsets: BTreeMap::new(),
            ..self.clone()
        }
    }
}
