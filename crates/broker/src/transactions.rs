//! Drives the transactional ids: hands them requests and time, writes what they decide, waits until it is durable.
//!
//! Whoever looks at an id's state and then writes for it holds the id's lock until the log has queued the write, so no
//! record can be queued behind the marker that ends its transaction. What is in memory follows the queue; no answer
//! leaves before what it tells is durable.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base::{Clock, TimestampMs};
use bytes::Bytes;
use catalog::Catalog;
use log::{CommitCause, CommitError, Log, Op, PartitionId, Receipt};
use parking_lot::Mutex;
use wire::ErrorCode;
use wire::builder::end_transaction_marker;

use crate::api::LEADER_EPOCH;
use crate::coordinator::Coordinator;
use crate::options::BrokerOptions;
use crate::producer_ids::ProducerIds;
use crate::storage::CommitFailed;
use crate::tables::{self, Committed};
use crate::transaction::{
    Ended, Ending, Flow, Initialised, Leftovers, Line, OffsetKey, Place, Producer, Refused, Transaction,
};

/// There is one coordinator, and it never hands over.
pub(crate) const COORDINATOR_EPOCH: i32 = 0;
/// What a pending offset takes beside its metadata.
const OFFSET_BYTES: usize = 128;

/// All transactional ids of the broker.
pub(crate) struct Transactions {
    log: Log,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    options: Arc<BrokerOptions>,
    coordinator: Arc<Coordinator>,
    producer_ids: Arc<ProducerIds>,
    by_id: Mutex<HashMap<Arc<str>, Arc<Entry>>>,
}

struct Entry {
    held: Mutex<Held>,
}

struct Held {
    transaction: Transaction,
    leftovers: Leftovers,
    /// Expired, and no longer found by its id.
    forgotten: bool,
}

/// A request of the transactional protocol: who sends it, by which rules, over which connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) producer: Producer,
    pub(crate) flow: Flow,
    pub(crate) connection: u64,
}

/// What a decision wants written.
enum Change {
    /// Nothing new; the state as it is must be durable before it is told.
    Same,
    Put(Transaction),
    End(Ending),
}

/// Why an append within a transaction did not take place.
pub(crate) enum AppendRefused {
    With(ErrorCode),
    ByLog(CommitError),
}

impl Transactions {
    /// Reads the ids that the log keeps.
    pub(crate) fn open(
        log: Log,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        options: Arc<BrokerOptions>,
        coordinator: Arc<Coordinator>,
        producer_ids: Arc<ProducerIds>,
    ) -> Transactions {
        let mut by_id: HashMap<Arc<str>, Transaction> = HashMap::new();
        for (key, value) in log.scan(tables::TRANSACTIONS, b"") {
            let id = String::from_utf8_lossy(&key).into_owned();
            match Transaction::decode(value) {
                Ok(transaction) => drop(by_id.insert(id.into(), transaction)),
                Err(error) => tracing::error!(id, "transactional id is not restored: {error}"),
            }
        }
        for (key, value) in log.scan(tables::PENDING_OFFSETS, b"") {
            let read = tables::split_pending_key(&key).zip(Committed::decode(&value).ok());
            let Some(((group, topic, partition, id), committed)) = read else {
                tracing::error!("a pending offset cannot be read");
                continue;
            };
            coordinator.keep(group);
            if let Some(transaction) = by_id.get_mut(id) {
                let key = (group.to_owned(), topic.to_owned(), partition);
                transaction.offsets.insert(key, committed);
            }
        }
        let entries = by_id.into_iter().map(|(id, transaction)| (id, entry(transaction)));
        Transactions {
            log,
            catalog,
            clock,
            options,
            coordinator,
            producer_ids,
            by_id: Mutex::new(entries.collect()),
        }
    }

    fn entry(&self, id: &str) -> Option<Arc<Entry>> {
        self.by_id.lock().get(id).cloned()
    }

    fn entries(&self) -> Vec<(Arc<str>, Arc<Entry>)> {
        let by_id = self.by_id.lock();
        by_id
            .iter()
            .map(|(id, entry)| (Arc::clone(id), Arc::clone(entry)))
            .collect()
    }

    /// Looks at one id.
    pub(crate) fn look<T>(&self, id: &str, look: impl FnOnce(&Transaction) -> T) -> Option<T> {
        let entry = self.entry(id)?;
        let held = entry.held.lock();
        (!held.forgotten).then(|| look(&held.transaction))
    }

    /// The same once what is seen is durable, for those who would take it for a promise.
    pub(crate) async fn look_durably<T>(&self, id: &str, look: impl Fn(&Transaction) -> T) -> Option<T> {
        let seen = self
            .change(id, |held, _, _| Ok((Change::Same, look(&held.transaction))))
            .await;
        seen.ok()
    }

    /// Every id as it stands, in no order.
    pub(crate) fn look_at_all<T>(&self, mut look: impl FnMut(&str, &Transaction) -> Option<T>) -> Vec<T> {
        let entries = self.entries();
        let seen = entries
            .iter()
            .filter_map(|(id, entry)| look(id, &entry.held.lock().transaction));
        seen.collect()
    }

    /// InitProducerId with a transactional id.
    pub(crate) async fn init(&self, id: &str, asked: Option<Producer>, timeout_ms: i32) -> Result<Producer, ErrorCode> {
        if self.entry(id).is_none() {
            let fresh = self.fresh_producer_id().await?;
            let mut by_id = self.by_id.lock();
            if by_id.len() >= self.options.limits.transactional_ids_max {
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
            by_id
                .entry(id.into())
                .or_insert_with(|| entry(Transaction::new(fresh, self.clock.wall_ms())));
        }
        let decided = self.change(id, |held, fresh, now_ms| {
            match held.transaction.init(asked, timeout_ms, fresh, now_ms)? {
                Initialised::Ready(next) => {
                    let producer = next.producer;
                    Ok((Change::Put(next), Some(producer)))
                }
                Initialised::Fences(ending) => Ok((Change::End(ending), None)),
            }
        });
        // Whose transaction was aborted for it has to come again, as with Kafka.
        decided.await?.ok_or(ErrorCode::ConcurrentTransactions)
    }

    /// AddPartitionsToTxn.
    pub(crate) async fn add_partitions(
        &self,
        id: &str,
        caller: Caller,
        partitions: &[(PartitionId, Place)],
    ) -> Result<(), ErrorCode> {
        let add = |held: &mut Held, _, now_ms| {
            held.check_leftover(caller, Line::Transaction)?;
            let next = held.transaction.add_partitions(caller.producer, partitions, now_ms)?;
            held.leftovers
                .obeyed(caller.producer, Line::Transaction, caller.connection);
            Ok((next.map_or(Change::Same, Change::Put), ()))
        };
        self.change(id, add).await
    }

    /// Whether a partition was added: [`ErrorCode::TransactionAbortable`] if not.
    pub(crate) fn verify(&self, id: &str, producer: Producer, partition: PartitionId) -> Result<(), ErrorCode> {
        self.look(id, |transaction| transaction.check_partition(producer, partition))
            .unwrap_or(Err(ErrorCode::InvalidProducerIdMapping))
    }

    /// AddOffsetsToTxn.
    pub(crate) async fn add_group(&self, id: &str, caller: Caller, group: &str) -> Result<(), ErrorCode> {
        let add = |held: &mut Held, _, now_ms| {
            held.check_leftover(caller, Line::Transaction)?;
            let next = held.transaction.add_group(caller.producer, group, now_ms)?;
            held.leftovers
                .obeyed(caller.producer, Line::Transaction, caller.connection);
            Ok((next.map_or(Change::Same, Change::Put), ()))
        };
        self.change(id, add).await
    }

    /// TxnOffsetCommit; `allows` asks the group.
    pub(crate) async fn commit_offsets(
        &self,
        id: &str,
        caller: Caller,
        group: &str,
        offsets: &[(OffsetKey, Committed)],
        allows: impl Fn() -> Result<(), ErrorCode> + Send + Sync,
    ) -> Result<(), ErrorCode> {
        let commit = |held: &mut Held, _, now_ms| {
            held.check_leftover(caller, Line::Group)?;
            let transaction = &held.transaction;
            let next = transaction.commit_offsets(caller.producer, caller.flow, group, offsets, now_ms)?;
            let metadata_bytes: usize = next.offsets.values().map(|offset| offset.metadata.len()).sum();
            if next.offsets.len() * OFFSET_BYTES + metadata_bytes > self.options.limits.transaction_offsets_bytes_max {
                return Err(ErrorCode::InvalidCommitOffsetSize.into());
            }
            allows()?;
            held.leftovers.obeyed(caller.producer, Line::Group, caller.connection);
            Ok((Change::Put(next), ()))
        };
        self.change(id, commit).await
    }

    /// EndTxn; gives the producer to go on as.
    pub(crate) async fn end(&self, id: &str, caller: Caller, commit: bool) -> Result<Producer, ErrorCode> {
        let end = |held: &mut Held, fresh, now_ms| {
            held.check_leftover(caller, Line::Transaction)?;
            let ended = held
                .transaction
                .end(caller.producer, commit, caller.flow, fresh, now_ms)?;
            held.leftovers
                .obeyed(caller.producer, Line::Transaction, caller.connection);
            Ok(match ended {
                Ended::Already => (Change::Same, held.transaction.producer),
                Ended::Now(ending) => {
                    let producer = ending.next.producer;
                    (Change::End(ending), producer)
                }
            })
        };
        self.change(id, end).await
    }

    /// Queues a batch of a transaction, adding its partition first where the flow has it so.
    pub(crate) fn append(
        &self,
        id: &str,
        producer: Producer,
        flow: Flow,
        place: &Place,
        partition: PartitionId,
        batch: Op,
    ) -> Result<Receipt, AppendRefused> {
        let unknown = || AppendRefused::With(ErrorCode::InvalidProducerIdMapping);
        let entry = self.entry(id).ok_or_else(unknown)?;
        let mut held = entry.held.lock();
        if held.forgotten {
            return Err(unknown());
        }
        let transaction = &held.transaction;
        let next = match flow {
            Flow::V1 => transaction.check_partition(producer, partition).map(|()| None),
            Flow::V2 => {
                let added = [(partition, place.clone())];
                transaction.add_partitions(producer, &added, self.clock.wall_ms())
            }
        };
        let next = next.map_err(AppendRefused::With)?;
        let mut ops = vec![batch];
        if let Some(next) = &next {
            ops.push(put(id, next).map_err(|_| AppendRefused::With(ErrorCode::KafkaStorageError))?);
        }
        let receipt = self.log.commit(ops).map_err(AppendRefused::ByLog)?;
        if let Some(next) = next {
            held.transaction = next;
        }
        Ok(receipt)
    }

    async fn fresh_producer_id(&self) -> Result<i64, ErrorCode> {
        self.producer_ids.next(&self.catalog).await.map_err(|error| {
            tracing::warn!("no producer id can be given: {error}");
            ErrorCode::CoordinatorNotAvailable
        })
    }

    /// Asks `decide` what is to happen to an id, and sees that through until it is durable.
    async fn change<T>(
        &self,
        id: &str,
        decide: impl Fn(&mut Held, Option<i64>, TimestampMs) -> Result<(Change, T), Refused>,
    ) -> Result<T, ErrorCode> {
        let entry = self.entry(id).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        let mut fresh = None;
        // Partitions that are no more, or that somebody has ended already: they need no marker.
        let mut gone = HashSet::new();
        loop {
            let queued = {
                let mut held = entry.held.lock();
                if held.forgotten {
                    return Err(ErrorCode::InvalidProducerIdMapping);
                }
                match decide(&mut held, fresh, self.clock.wall_ms()) {
                    Err(Refused::With(code)) => return Err(code),
                    Err(Refused::NeedsProducerId) => None,
                    Ok((change, answer)) => Some((self.queue(id, &mut held, change, &mut gone), answer)),
                }
            };
            match queued {
                None => fresh = Some(self.fresh_producer_id().await?),
                Some((Ok(Some(receipt)), answer)) => {
                    return receipt
                        .await
                        .map(|_| answer)
                        .map_err(|error| unavailable(id, &error.into()));
                }
                // Something was in the way of the markers and is left out now.
                Some((Ok(None), _)) => {}
                Some((Err(error), _)) if error.is_busy() => self.log.wait_for_room().await,
                Some((Err(error), _)) => return Err(unavailable(id, &error)),
            }
        }
    }

    /// Queues a change and puts it in force; `None` if it is to be tried again without what was added to `gone`.
    fn queue(
        &self,
        id: &str,
        held: &mut Held,
        change: Change,
        gone: &mut HashSet<PartitionId>,
    ) -> Result<Option<Receipt>, CommitFailed> {
        match change {
            Change::Same => Ok(Some(self.log.commit(vec![put(id, &held.transaction)?])?)),
            Change::Put(next) => {
                let mut ops = vec![put(id, &next)?];
                let changed = next
                    .offsets
                    .iter()
                    .filter(|(key, offset)| held.transaction.offsets.get(key) != Some(offset));
                ops.extend(changed.map(|(key, offset)| pending(id, key, Some(offset.encode()))));
                let dropped = held
                    .transaction
                    .offsets
                    .keys()
                    .filter(|key| !next.offsets.contains_key(key));
                ops.extend(dropped.map(|key| pending(id, key, None)));
                let receipt = self.log.commit(ops)?;
                held.transaction = next;
                Ok(Some(receipt))
            }
            Change::End(ending) => self.queue_end(id, held, ending, gone),
        }
    }

    fn queue_end(
        &self,
        id: &str,
        held: &mut Held,
        ending: Ending,
        gone: &mut HashSet<PartitionId>,
    ) -> Result<Option<Receipt>, CommitFailed> {
        let marked: Vec<PartitionId> = ending
            .partitions
            .keys()
            .filter(|at| !gone.contains(at))
            .copied()
            .collect();
        let now_ms = self.clock.wall_ms();
        let Producer { id: producer_id, epoch } = ending.producer;
        let marker = end_transaction_marker(producer_id, epoch, COORDINATOR_EPOCH, ending.commit, now_ms);
        let mut ops: Vec<Op> = marked
            .iter()
            .map(|partition| Op::Append {
                partition: *partition,
                batch: marker.clone(),
                leader_epoch: LEADER_EPOCH,
            })
            .collect();
        ops.push(put(id, &ending.next)?);
        ops.extend(ending.offsets.keys().map(|key| pending(id, key, None)));
        let moved = if ending.commit {
            ending.offsets.iter().collect()
        } else {
            Vec::new()
        };
        let groups: HashSet<&str> = moved.iter().map(|((group, ..), _)| group.as_str()).collect();
        let queued = {
            // What is committed meanwhile by a plain commit must be seen here, and not expire in between.
            let _offsets = self.coordinator.lock_offsets();
            ops.extend(moved.iter().filter_map(|(key, offset)| self.move_offset(key, offset)));
            self.log.commit(ops)
        };
        match queued {
            Ok(receipt) => {
                groups.into_iter().for_each(|group| self.coordinator.keep(group));
                held.transaction = ending.next;
                held.leftovers.settle();
                Ok(Some(receipt))
            }
            Err(error) => match (&error.cause, marked.get(error.op)) {
                (CommitCause::UnknownPartition(_) | CommitCause::InvalidProducerEpoch { .. }, Some(partition)) => {
                    tracing::debug!(id, "partition {partition:?} needs no marker: {error}");
                    gone.insert(*partition);
                    Ok(None)
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Makes a pending offset its group's own, unless the group has committed another since.
    fn move_offset(&self, (group, topic, partition): &OffsetKey, offset: &Committed) -> Option<Op> {
        self.catalog.topic(topic)?.partition(*partition)?;
        let key = tables::offset_key(group, topic, *partition);
        let existing = self.log.get(tables::OFFSETS, &key);
        let existing = existing.and_then(|value| Committed::decode(&value).ok());
        if existing.is_some_and(|existing| existing.committed_ms > offset.committed_ms) {
            return None;
        }
        Some(Op::Put {
            table: tables::OFFSETS,
            key,
            value: Some(offset.encode()),
        })
    }

    /// Aborts transactions that have been open for too long.
    pub(crate) async fn time_out(&self) {
        for (id, entry) in self.entries() {
            let is_late = |held: &Held| held.transaction.time_out(self.clock.wall_ms()).is_some();
            if !is_late(&entry.held.lock()) {
                continue;
            }
            let abort = |held: &mut Held, _, now_ms| {
                // It may have ended meanwhile.
                let change = held.transaction.time_out(now_ms).map_or(Change::Same, Change::End);
                Ok((change, ()))
            };
            match self.change(&id, abort).await {
                Ok(()) => tracing::info!(id = &*id, "a transaction was open for too long and is aborted"),
                Err(code) => tracing::warn!(id = &*id, "a transaction stays open for now: {code:?}"),
            }
        }
    }

    /// Forgets ids that nobody uses any more.
    pub(crate) async fn expire(&self) {
        let now_ms = self.clock.wall_ms();
        for (id, entry) in self.entries() {
            let queued = {
                let mut held = entry.held.lock();
                if !held
                    .transaction
                    .is_expired(now_ms, self.options.transactional_id_expiration_ms)
                {
                    continue;
                }
                let removed = Op::Put {
                    table: tables::TRANSACTIONS,
                    key: Bytes::from(id.to_string()),
                    value: None,
                };
                let queued = self.log.commit(vec![removed]);
                held.forgotten = queued.is_ok();
                queued
            };
            match queued {
                Ok(receipt) => {
                    self.by_id.lock().remove(&id);
                    if let Err(error) = receipt.await {
                        tracing::warn!(id = &*id, "an unused transactional id may come back: {error}");
                    }
                }
                Err(error) => tracing::warn!(id = &*id, "an unused transactional id stays for now: {error}"),
            }
        }
    }

    /// Drops pending offsets of what is no more.
    async fn forget_offsets(&self, is_gone: impl Fn(&OffsetKey) -> bool) {
        for (id, entry) in self.entries() {
            if entry.held.lock().transaction.without_offsets(&is_gone).is_none() {
                continue;
            }
            let forget = |held: &mut Held, _, _| {
                let next = held.transaction.without_offsets(&is_gone);
                Ok((next.map_or(Change::Same, Change::Put), ()))
            };
            if let Err(code) = self.change(&id, forget).await {
                tracing::warn!(id = &*id, "pending offsets of what is deleted stay: {code:?}");
            }
        }
    }

    pub(crate) async fn forget_topic(&self, topic: &str) {
        self.forget_offsets(|(_, of, _)| of == topic).await;
    }

    pub(crate) async fn forget_group(&self, group: &str) {
        self.forget_offsets(|(of, ..)| of == group).await;
    }

    /// Whether a transaction that is open would change an offset of a group.
    pub(crate) fn is_pending(&self, group: &str, topic: &str, partition: i32) -> bool {
        let key = tables::offset_key(group, topic, partition);
        !self.log.scan(tables::PENDING_OFFSETS, &key).is_empty()
    }
}

impl Held {
    /// Only the old flow has leftovers that look like something of now.
    fn check_leftover(&mut self, caller: Caller, line: Line) -> Result<(), ErrorCode> {
        if caller.flow == Flow::V1 && self.leftovers.is_leftover(caller.producer, line, caller.connection) {
            return Err(ErrorCode::ProducerFenced);
        }
        Ok(())
    }
}

fn entry(transaction: Transaction) -> Arc<Entry> {
    Arc::new(Entry {
        held: Mutex::new(Held {
            transaction,
            leftovers: Leftovers::default(),
            forgotten: false,
        }),
    })
}

fn put(id: &str, transaction: &Transaction) -> Result<Op, CommitFailed> {
    let value = transaction
        .encode()
        .map_err(|error| CommitFailed::Unwritable(error.to_string()))?;
    Ok(Op::Put {
        table: tables::TRANSACTIONS,
        key: Bytes::from(id.to_owned()),
        value: Some(value),
    })
}

fn pending(id: &str, (group, topic, partition): &OffsetKey, value: Option<Bytes>) -> Op {
    Op::Put {
        table: tables::PENDING_OFFSETS,
        key: tables::pending_key(group, topic, *partition, id),
        value,
    }
}

fn unavailable(id: &str, error: &CommitFailed) -> ErrorCode {
    tracing::error!(id, "a transaction's state is not stored: {error}");
    ErrorCode::CoordinatorNotAvailable
}
