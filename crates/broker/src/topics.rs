//! Topics for those within the process: [`client::Topics`] straight on the log.
//!
//! A step of a job is one commit of the log: its records, its offsets, its state, all or nothing. Offsets show as those
//! of a consumer group of the job's name. Only committed data is read: what belongs to a transaction shows once that
//! commits, and never if it aborts.

pub(crate) mod committed;
mod step;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_trait::async_trait;
use base::{ErrorKind, Offset, PartitionIndex, TimestampMs};
use catalog::Topic;
use client::{
    Bounds, Fetched, JobStart, NewTopic, Output, Position, ReadLimits, Record, Step, Topics, TopicsError, Written,
};
use log::{CommitCause, CommitError, Op, PartitionId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::{ErrorCode, RecordLimits, batches, records};

use self::committed::Aborted;
use self::step::Appends;
use crate::Broker;
use crate::settings;
use crate::storage::{self, CommitFailed};
use crate::tables::{self, Committed, Run};

/// The latest run of every job that this process has started or seen.
pub(crate) type Runs = Mutex<HashMap<Arc<str>, u64>>;

/// The in-process handle; see [`Broker::topics`].
pub struct LocalTopics {
    broker: Arc<Broker>,
    /// Records without key and partition take turns.
    next_partition: AtomicU32,
}

impl LocalTopics {
    pub(crate) fn new(broker: Arc<Broker>) -> LocalTopics {
        LocalTopics {
            broker,
            next_partition: AtomicU32::new(0),
        }
    }

    fn topic(&self, name: &str) -> Result<Arc<Topic>, TopicsError> {
        let missing = || TopicsError::new(ErrorKind::NotFound, format!("there is no topic `{name}`"));
        self.broker.catalog.topic(name).ok_or_else(missing)
    }

    fn partition(&self, name: &str, index: PartitionIndex) -> Result<PartitionId, TopicsError> {
        partition_of(&*self.topic(name)?, index)
    }

    fn read_one(&self, from: &Position, bytes_max: usize, at_least_one: bool) -> Result<(Fetched, usize), TopicsError> {
        let topic = self.topic(&from.topic)?;
        let partition = partition_of(&topic, from.partition)?;
        let bounds = self.broker.log.bounds(partition).ok_or_else(|| gone(from))?;
        let start = from.offset.max(bounds.log_start);
        let read = self
            .broker
            .log
            .read_committed(partition, start, bytes_max, at_least_one);
        let read = read.map_err(|error| read_failed(from, &error))?;
        let mut aborted = Aborted::new(&read.aborted);
        let limits = RecordLimits {
            bytes_max: self.broker.options.limits.decompressed_bytes_max,
        };
        let mut found = Vec::new();
        for batch in batches(&read.records) {
            let (header, batch) = batch.map_err(|error| damaged(from, &error))?;
            if !aborted.lets_through(&header) {
                continue;
            }
            for record in records(&batch, limits).map_err(|error| damaged(from, &error))? {
                let record = record.map_err(|error| damaged(from, &error))?;
                if record.offset < start {
                    continue;
                }
                found.push(Record {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                });
            }
        }
        let fetched = Fetched {
            topic: Arc::clone(&from.topic),
            partition: from.partition,
            records: found,
            next_offset: read.next_offset.max(start),
            end_offset: read.bounds.last_stable,
            topic_id: topic.id,
        };
        Ok((fetched, read.records.len()))
    }

    /// Everything there is now; whether there was anything.
    fn read_now(&self, from: &[Position], bytes_max: usize) -> Result<(Vec<Fetched>, bool), TopicsError> {
        let mut left = bytes_max;
        let mut any = false;
        let mut all = Vec::with_capacity(from.len());
        for position in from {
            let (fetched, bytes) = self.read_one(position, left, !any)?;
            any |= bytes > 0;
            left = left.saturating_sub(bytes);
            all.push(fetched);
        }
        Ok((all, any))
    }

    /// Appends a record that belongs to no job; done when durable.
    pub(crate) async fn append(&self, output: Output) -> Result<(), TopicsError> {
        let Appends { ops, .. } = self.appends(&[output])?;
        let committed = storage::commit(&self.broker.log, ops).await;
        committed.map(drop).map_err(of_commit)
    }

    /// Begins a new run, durably, together with what `more` gives; every earlier run can commit no more.
    async fn next_run(
        &self,
        job: &str,
        forgotten: bool,
        more: impl Fn() -> Vec<Op> + Send + Sync,
    ) -> Result<u64, TopicsError> {
        loop {
            let started = {
                let mut runs = self.broker.runs.lock();
                let number = self.latest_run(&runs, job) + 1;
                let mut ops = more();
                ops.push(Run { number, forgotten }.put(job));
                let started = self.broker.log.commit(ops);
                if started.is_ok() {
                    // From here on the earlier runs are over, durable or not.
                    runs.insert(job.into(), number);
                }
                started.map(|receipt| (number, receipt))
            };
            match started {
                Ok((number, receipt)) => {
                    receipt.await.map_err(|error| of_commit(error.into()))?;
                    return Ok(number);
                }
                Err(CommitError {
                    cause: CommitCause::Busy,
                    ..
                }) => self.broker.log.wait_for_room().await,
                Err(error) => return Err(of_commit(error.into())),
            }
        }
    }

    /// The job's latest run, from memory or, the first time, from the log.
    fn latest_run(&self, runs: &HashMap<Arc<str>, u64>, job: &str) -> u64 {
        runs.get(job)
            .copied()
            .unwrap_or_else(|| Run::of(&self.broker.log, job).number)
    }
}

fn partition_of(topic: &Topic, index: PartitionIndex) -> Result<PartitionId, TopicsError> {
    let missing = || {
        TopicsError::new(
            ErrorKind::NotFound,
            format!("topic `{}` has no partition {index}", topic.name),
        )
    };
    topic.partition(index).ok_or_else(missing)
}

fn gone(from: &Position) -> TopicsError {
    let why = format!(
        "partition {} of topic `{}` is being deleted",
        from.partition, from.topic
    );
    TopicsError::new(ErrorKind::NotFound, why)
}

fn damaged(from: &Position, error: &wire::BatchError) -> TopicsError {
    let why = format!(
        "a batch in partition {} of topic `{}` cannot be read: {error}",
        from.partition, from.topic
    );
    TopicsError::new(ErrorKind::Data, why)
}

fn read_failed(from: &Position, error: &log::ReadError) -> TopicsError {
    let kind = match error {
        log::ReadError::OffsetOutOfRange { .. } => ErrorKind::Invalid,
        log::ReadError::UnknownPartition => ErrorKind::NotFound,
        log::ReadError::Corrupt { .. } => ErrorKind::Data,
        log::ReadError::Io(_) => ErrorKind::Internal,
    };
    let why = format!(
        "partition {} of topic `{}` at offset {}: {error}",
        from.partition, from.topic, from.offset
    );
    TopicsError::new(kind, why)
}

fn of_catalog(error: catalog::CatalogError) -> TopicsError {
    TopicsError::new(error.kind(), error.to_string())
}

fn of_commit(error: CommitFailed) -> TopicsError {
    let kind = match &error {
        CommitFailed::Refused(refused) => refused.cause.kind(),
        CommitFailed::Lost(lost) => lost.kind(),
        CommitFailed::Unwritable(_) => ErrorKind::Internal,
    };
    TopicsError::new(kind, error.to_string())
}

#[async_trait]
impl Topics for LocalTopics {
    async fn list(&self) -> Result<Vec<Arc<str>>, TopicsError> {
        Ok(self
            .broker
            .catalog
            .topics()
            .iter()
            .map(|topic| Arc::clone(&topic.name))
            .collect())
    }

    async fn partitions(&self, topic: &str) -> Result<PartitionIndex, TopicsError> {
        Ok(self.topic(topic)?.partitions.len() as PartitionIndex)
    }

    async fn create(&self, topic: NewTopic) -> Result<(), TopicsError> {
        let wanted = topic.settings.into_iter().collect();
        settings::check_topic(&wanted, &self.broker.effective())
            .map_err(|refusal| TopicsError::new(ErrorKind::Invalid, refusal.message))?;
        let new = catalog::NewTopic {
            name: topic.name,
            partitions: topic.partitions,
            replication_factor: self.broker.options.replication_factor_default,
            assignments: Default::default(),
            settings: wanted,
        };
        let created = self.broker.catalog.create_topic(new).await.map_err(of_catalog)?;
        self.broker.apply_segment_limits_of(&created);
        Ok(())
    }

    async fn bounds(&self, topic: &str, partition: PartitionIndex) -> Result<Bounds, TopicsError> {
        let id = self.partition(topic, partition)?;
        let position = Position {
            topic: topic.into(),
            partition,
            offset: 0,
        };
        let bounds = self.broker.log.bounds(id).ok_or_else(|| gone(&position))?;
        Ok(Bounds {
            start: bounds.log_start,
            end: bounds.last_stable,
        })
    }

    async fn offset_for_time(
        &self,
        topic: &str,
        partition: PartitionIndex,
        timestamp: TimestampMs,
    ) -> Result<Offset, TopicsError> {
        let id = self.partition(topic, partition)?;
        let position = Position {
            topic: topic.into(),
            partition,
            offset: 0,
        };
        let found = self
            .broker
            .log
            .find_by_time(id, timestamp)
            .map_err(|error| read_failed(&position, &error))?;
        match found {
            Some(found) => Ok(found.offset),
            None => Ok(self.bounds(topic, partition).await?.end),
        }
    }

    async fn read(&self, from: &[Position], limits: ReadLimits) -> Result<Vec<Fetched>, TopicsError> {
        let (fetched, any) = self.read_now(from, limits.bytes_max)?;
        if any || limits.wait_max.is_zero() || from.is_empty() {
            return Ok(fetched);
        }
        let ids = from
            .iter()
            .map(|position| self.partition(&position.topic, position.partition));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let notify = Arc::new(Notify::new());
        // Registered first, looked again second: nothing is missed in between.
        let _guard = self.broker.log.watch(&ids, Arc::clone(&notify));
        let waited = tokio::time::timeout(limits.wait_max, async {
            loop {
                let (fetched, any) = self.read_now(from, limits.bytes_max)?;
                if any {
                    return Ok(fetched);
                }
                notify.notified().await;
            }
        });
        waited.await.unwrap_or(Ok(fetched))
    }

    async fn start_job(&self, job: &str) -> Result<JobStart, TopicsError> {
        // Whatever an earlier run had begun to commit is durable when this is.
        let run = self.next_run(job, false, Vec::new).await?;
        let prefix = tables::prefix(job);
        let mut start = JobStart {
            run,
            ..JobStart::default()
        };
        for (key, value) in self.broker.log.scan(tables::OFFSETS, &prefix) {
            if let (Some((_, topic, partition)), Ok(committed)) =
                (tables::split_offset_key(&key), Committed::decode(&value))
            {
                start.offsets.push(Position {
                    topic: topic.into(),
                    partition,
                    offset: committed.offset,
                });
            }
        }
        if !start.offsets.is_empty() {
            self.broker.coordinator.keep(job);
        }
        let state = self.broker.log.scan(tables::JOB_STATE, &prefix);
        start.state = state
            .into_iter()
            .map(|(key, value)| (key.slice(prefix.len()..), value))
            .collect();
        Ok(start)
    }

    async fn commit(&self, step: Step) -> Result<Vec<Written>, TopicsError> {
        let Appends { mut ops, places } = self.appends(&step.outputs)?;
        ops.extend(self.puts(&step));
        if ops.is_empty() {
            return Ok(Vec::new());
        }
        let receipt = loop {
            let started = {
                // Held over the check and the queueing, so that no other run can begin in between.
                let runs = self.broker.runs.lock();
                let latest = self.latest_run(&runs, &step.job);
                if step.run != latest {
                    let why = format!("run {} of job `{}` is over: run {latest} has begun", step.run, step.job);
                    return Err(TopicsError::new(ErrorKind::Conflict, why));
                }
                self.broker.log.commit(ops.clone())
            };
            match started {
                Ok(receipt) => break receipt,
                Err(CommitError {
                    cause: CommitCause::Busy,
                    ..
                }) => self.broker.log.wait_for_room().await,
                Err(error) => return Err(of_commit(error.into())),
            }
        };
        let outcomes = receipt.await.map_err(|error| of_commit(error.into()))?;
        // A job without offsets, such as the registry's writer, is no group to anybody.
        if !step.offsets.is_empty() {
            self.broker.coordinator.keep(&step.job);
        }
        // The appends come first.
        let written = places.into_iter().zip(outcomes);
        Ok(written.filter_map(|(place, outcome)| place.written(outcome)).collect())
    }

    async fn forget_job(&self, job: &str) -> Result<(), TopicsError> {
        let prefix = tables::prefix(job);
        let of = |table| {
            let found = self.broker.log.scan(table, &prefix);
            found.into_iter().map(move |(key, _)| Op::Put {
                table,
                key,
                value: None,
            })
        };
        // A run that is still about is fenced, or it would write down again what is forgotten here.
        self.next_run(job, true, || of(tables::OFFSETS).chain(of(tables::JOB_STATE)).collect())
            .await?;
        match self.broker.coordinator.delete(job).await {
            Ok(()) | Err(ErrorCode::GroupIdNotFound | ErrorCode::NonEmptyGroup) => Ok(()),
            Err(error) => Err(TopicsError::new(
                ErrorKind::Unavailable,
                format!("group `{job}` stays: {error:?}"),
            )),
        }
    }
}
