//! Topics of one partition in memory, with faults: what the registries are tested against.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "tests fail loudly, and their lists are short"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use base::ErrorKind;
use bytes::Bytes;
use client::{
    Bounds, Fetched, JobStart, NewTopic, Output, Position, ReadLimits, Record, Step, TopicId, Topics, TopicsError,
    Written,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// A larger record is refused, as a topic's `max.message.bytes` does.
pub(crate) const RECORD_BYTES_MAX: usize = 4 << 20;

/// What befalls a commit.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing is written, and the writer is told so.
    Refused(ErrorKind),
    /// All is written, and the writer is told that it is not.
    Lost,
    /// Somebody else's records (key and value) come before it.
    Others(Vec<(String, Option<String>)>),
    /// They come right after it.
    Followed(Vec<(String, Option<String>)>),
}

#[derive(Clone, Default)]
struct Log {
    id: TopicId,
    start: i64,
    next: i64,
    records: Vec<Record>,
    /// Where an open transaction begins: readers see nothing from there on.
    open: Option<i64>,
}

impl Log {
    fn push(&mut self, key: Option<Bytes>, value: Option<Bytes>, timestamp: i64) -> i64 {
        let offset = self.next;
        self.next += 1;
        self.records.push(Record {
            offset,
            timestamp,
            key,
            value,
            headers: Vec::new(),
        });
        offset
    }

    fn end(&self) -> i64 {
        self.open.unwrap_or(self.next)
    }
}

#[derive(Default)]
struct Inner {
    topics: BTreeMap<String, Log>,
    /// Topics made so far.
    made: u8,
    runs: BTreeMap<String, u64>,
    /// Of the commits to come, first to last.
    faults: VecDeque<Fault>,
    commits: usize,
    reads: usize,
}

pub(crate) struct Memory {
    inner: Mutex<Inner>,
    changed: Notify,
    /// While closed, commits wait.
    open: watch::Sender<bool>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            inner: Mutex::default(),
            changed: Notify::new(),
            open: watch::Sender::new(true),
        }
    }
}

fn missing(topic: &str) -> TopicsError {
    TopicsError::new(ErrorKind::NotFound, format!("there is no topic `{topic}`"))
}

impl Memory {
    /// Lets commits wait, or go on.
    pub(crate) fn gate(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// The topics as they are, without faults and writers.
    pub(crate) fn copy(&self) -> Memory {
        let copy = Memory::default();
        copy.inner.lock().topics = self.inner.lock().topics.clone();
        copy
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.inner.lock().faults.push_back(fault);
    }

    /// Commits that were begun.
    pub(crate) fn commits(&self) -> usize {
        self.inner.lock().commits
    }

    pub(crate) fn reads(&self) -> usize {
        self.inner.lock().reads
    }

    pub(crate) fn records(&self, topic: &str) -> usize {
        self.inner.lock().topics.get(topic).map_or(0, |log| log.records.len())
    }

    /// Somebody else makes a topic.
    pub(crate) fn make(&self, topic: &str) {
        self.inner.lock().make(topic);
        self.changed.notify_waiters();
    }

    /// Somebody else writes.
    pub(crate) fn write(&self, topic: &str, key: Option<&str>, value: Option<&str>) {
        let bytes = |text: &str| Bytes::from(text.to_owned());
        let mut inner = self.inner.lock();
        let log = inner.topics.get_mut(topic).unwrap();
        log.push(key.map(bytes), value.map(bytes), 7);
        drop(inner);
        self.changed.notify_waiters();
    }

    pub(crate) fn delete(&self, topic: &str) {
        self.inner.lock().topics.remove(topic);
        self.changed.notify_waiters();
    }

    /// Keeps the last record of each key.
    pub(crate) fn compact(&self, topic: &str) {
        let mut inner = self.inner.lock();
        let log = inner.topics.get_mut(topic).unwrap();
        let last: BTreeMap<Option<Bytes>, i64> = log.records.iter().map(|one| (one.key.clone(), one.offset)).collect();
        log.records.retain(|one| last[&one.key] == one.offset);
    }

    /// Deletes all records there are.
    pub(crate) fn trim(&self, topic: &str) {
        let mut inner = self.inner.lock();
        let log = inner.topics.get_mut(topic).unwrap();
        log.start = log.next;
        log.records.clear();
    }

    /// A transaction begins at the end of the topic, or the one that is open commits.
    pub(crate) fn transaction(&self, topic: &str, open: bool) {
        let mut inner = self.inner.lock();
        let log = inner.topics.get_mut(topic).unwrap();
        log.open = open.then_some(log.next);
        drop(inner);
        self.changed.notify_waiters();
    }

    fn read_now(&self, from: &Position) -> Result<Fetched, TopicsError> {
        let mut inner = self.inner.lock();
        inner.reads += 1;
        let log = inner.topics.get(&*from.topic).ok_or_else(|| missing(&from.topic))?;
        let start = from.offset.max(log.start);
        if start > log.next {
            let why = format!("offset {start} is out of range: `{}` ends at {}", from.topic, log.next);
            return Err(TopicsError::new(ErrorKind::Invalid, why));
        }
        let end = log.end();
        let seen = log.records.iter().filter(|one| (start..end).contains(&one.offset));
        let records: Vec<Record> = seen.take(100).cloned().collect();
        let next_offset = match records.len() {
            100 => records[99].offset + 1,
            _ => end.max(start),
        };
        Ok(Fetched {
            topic: Arc::clone(&from.topic),
            partition: 0,
            records,
            next_offset,
            end_offset: end,
            topic_id: log.id,
        })
    }
}

impl Inner {
    fn make(&mut self, topic: &str) {
        self.made += 1;
        let log = Log {
            id: [self.made; 16],
            ..Log::default()
        };
        self.topics.insert(topic.to_owned(), log);
    }

    fn write_others(&mut self, topic: &str, others: &[(String, Option<String>)]) {
        let log = self.topics.get_mut(topic).unwrap();
        for (key, value) in others.iter().cloned() {
            log.push(Some(key.into()), value.map(Bytes::from), 7);
        }
    }

    fn write(&mut self, outputs: Vec<Output>) -> Result<Vec<Written>, TopicsError> {
        let size = |output: &Output| output.value.as_ref().map_or(0, Bytes::len);
        if outputs.iter().any(|output| size(output) > RECORD_BYTES_MAX) {
            return Err(TopicsError::new(ErrorKind::Invalid, "a record is too large"));
        }
        let mut written = Vec::new();
        for output in outputs {
            let log = self
                .topics
                .get_mut(&*output.topic)
                .ok_or_else(|| missing(&output.topic))?;
            let offset = log.push(output.key, output.value, output.timestamp.unwrap_or_default());
            written.push(Written {
                topic: output.topic,
                topic_id: log.id,
                partition: 0,
                first_offset: offset,
                last_offset: offset,
            });
        }
        Ok(written)
    }
}

#[async_trait]
impl Topics for Memory {
    async fn list(&self) -> Result<Vec<Arc<str>>, TopicsError> {
        Ok(self
            .inner
            .lock()
            .topics
            .keys()
            .map(|name| name.as_str().into())
            .collect())
    }

    async fn partitions(&self, topic: &str) -> Result<i32, TopicsError> {
        let inner = self.inner.lock();
        inner.topics.get(topic).map(|_| 1).ok_or_else(|| missing(topic))
    }

    async fn create(&self, topic: NewTopic) -> Result<(), TopicsError> {
        self.make(&topic.name);
        Ok(())
    }

    async fn bounds(&self, topic: &str, _partition: i32) -> Result<Bounds, TopicsError> {
        let inner = self.inner.lock();
        let log = inner.topics.get(topic).ok_or_else(|| missing(topic))?;
        Ok(Bounds {
            start: log.start,
            end: log.end(),
        })
    }

    async fn offset_for_time(&self, _topic: &str, _partition: i32, _timestamp: i64) -> Result<i64, TopicsError> {
        Err(TopicsError::new(ErrorKind::Invalid, "nothing here looks by time"))
    }

    async fn read(&self, from: &[Position], limits: ReadLimits) -> Result<Vec<Fetched>, TopicsError> {
        let deadline = tokio::time::sleep(limits.wait_max);
        tokio::pin!(deadline);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let fetched: Vec<Fetched> = from.iter().map(|one| self.read_now(one)).collect::<Result<_, _>>()?;
            if limits.wait_max.is_zero() || fetched.iter().any(|one| !one.records.is_empty()) {
                return Ok(fetched);
            }
            tokio::select! {
                () = changed => {}
                () = &mut deadline => return Ok(fetched),
            }
        }
    }

    async fn start_job(&self, job: &str) -> Result<JobStart, TopicsError> {
        let mut inner = self.inner.lock();
        let run = inner.runs.entry(job.to_owned()).or_default();
        *run += 1;
        Ok(JobStart {
            run: *run,
            ..JobStart::default()
        })
    }

    async fn commit(&self, step: Step) -> Result<Vec<Written>, TopicsError> {
        self.inner.lock().commits += 1;
        // As slow as a disk: others come in between.
        tokio::task::yield_now().await;
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        let mut inner = self.inner.lock();
        if inner.runs.get(&*step.job) != Some(&step.run) {
            return Err(TopicsError::new(ErrorKind::Conflict, "a newer run has begun"));
        }
        let topic = step.outputs[0].topic.to_string();
        let fault = inner.faults.pop_front();
        match &fault {
            Some(Fault::Refused(kind)) => return Err(TopicsError::new(*kind, "the disk is full")),
            Some(Fault::Others(others)) => inner.write_others(&topic, others),
            Some(Fault::Lost | Fault::Followed(_)) | None => {}
        }
        let written = inner.write(step.outputs)?;
        if let Some(Fault::Followed(others)) = &fault {
            inner.write_others(&topic, others);
        }
        drop(inner);
        self.changed.notify_waiters();
        match fault {
            Some(Fault::Lost) => Err(TopicsError::new(
                ErrorKind::Unavailable,
                "nobody knows what became of it",
            )),
            _ => Ok(written),
        }
    }

    async fn forget_job(&self, _job: &str) -> Result<(), TopicsError> {
        Ok(())
    }
}
