//! State that is kept as records of a compacted topic of one partition: read at start, and every change written to the
//! topic before anyone sees it.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, ErrorKind, TimestampMs};
use bytes::Bytes;
use client::{NewTopic, Output, Position, ReadLimits, Record, Step, Topics, TopicsError};
use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

const READ_BYTES_MAX: usize = 4 << 20;

/// A state that records of a topic amount to.
pub(crate) trait Replayed: Clone + Default + Send + Sync + 'static {
    type Change: Send + 'static;

    /// What a record changes; `None` for one that means nothing here, an error for one that cannot be read.
    fn read(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self::Change>, String>;

    /// Key and value of the record that says a change; none for a change that is not kept.
    fn write(change: &Self::Change) -> Option<(Vec<u8>, Option<Vec<u8>>)>;

    /// Takes a change in that was written at `ts`.
    fn apply(&mut self, change: Self::Change, ts: TimestampMs);
}

/// A state with its topic.
pub(crate) struct Kept<S: Replayed> {
    topics: Arc<dyn Topics>,
    clock: Arc<dyn Clock>,
    topic: &'static str,
    /// The writer's name to the log: a second one fences the first.
    writer: &'static str,
    run: u64,
    /// Readers hold a state of their own: none waits for a change that is being decided or written.
    state: Arc<RwLock<Arc<S>>>,
    /// Held while a change is decided and on its way to the topic.
    writing: Arc<Mutex<()>>,
}

impl<S: Replayed> Kept<S> {
    /// Takes in what the topic holds; one that there is not yet is created with the first change.
    pub(crate) async fn open(
        topics: Arc<dyn Topics>,
        clock: Arc<dyn Clock>,
        topic: &'static str,
        writer: &'static str,
    ) -> Result<Kept<S>, TopicsError> {
        let state = match topics.partitions(topic).await {
            Ok(_) => replay(&*topics, topic).await?,
            Err(error) if error.kind == ErrorKind::NotFound => S::default(),
            Err(error) => return Err(error),
        };
        let run = topics.start_job(writer).await?.run;
        Ok(Kept {
            topics,
            clock,
            topic,
            writer,
            run,
            state: Arc::new(RwLock::new(Arc::new(state))),
            writing: Arc::default(),
        })
    }

    /// The state as it stands; later changes make another one.
    pub(crate) fn state(&self) -> Arc<S> {
        Arc::clone(&self.state.read())
    }

    /// Creates the topic if there is none.
    pub(crate) async fn create(&self) -> Result<(), TopicsError> {
        create(&*self.topics, self.topic).await
    }

    /// Waits until nobody else is changing the state, and keeps others from it.
    pub(crate) async fn to_change(&self) -> Changing<S> {
        let writing = Arc::clone(&self.writing).lock_owned().await;
        Changing {
            writing,
            state: self.state(),
            now_ms: self.clock.wall_ms(),
        }
    }

    /// Makes changes durable, and only then shows them.
    pub(crate) async fn write(&self, changing: Changing<S>, changes: Vec<S::Change>) -> Result<(), TopicsError> {
        if changes.is_empty() {
            return Ok(());
        }
        let Changing { writing, now_ms, .. } = changing;
        let output = |(key, value): (Vec<u8>, Option<Vec<u8>>)| Output {
            topic: self.topic.into(),
            partition: Some(0),
            key: Some(Bytes::from(key)),
            value: value.map(Bytes::from),
            timestamp: Some(now_ms),
            ..Output::default()
        };
        let step = Step {
            job: self.writer.into(),
            run: self.run,
            outputs: changes.iter().filter_map(S::write).map(output).collect(),
            ..Step::default()
        };
        let (topics, state, topic) = (Arc::clone(&self.topics), Arc::clone(&self.state), self.topic);
        // In a task of its own: a client that goes away must not leave the state behind the topic.
        let written = tokio::spawn(async move {
            let _writing = writing;
            create(&*topics, topic).await?;
            topics.commit(step).await?;
            let mut next = S::clone(&state.read());
            changes.into_iter().for_each(|change| next.apply(change, now_ms));
            *state.write() = Arc::new(next);
            Ok(())
        });
        written
            .await
            .unwrap_or_else(|stopped| Err(TopicsError::new(ErrorKind::Unavailable, stopped.to_string())))
    }
}

/// The right to change a state, with the state as it is and the time that changes will carry.
pub(crate) struct Changing<S> {
    writing: OwnedMutexGuard<()>,
    pub(crate) state: Arc<S>,
    pub(crate) now_ms: TimestampMs,
}

async fn create(topics: &dyn Topics, topic: &str) -> Result<(), TopicsError> {
    match topics.partitions(topic).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let new = NewTopic {
        name: topic.to_owned(),
        partitions: 1,
        settings: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
    };
    topics.create(new).await
}

/// Reads a topic from its start to its present end.
async fn replay<S: Replayed>(topics: &dyn Topics, topic: &str) -> Result<S, TopicsError> {
    let mut state = S::default();
    let bounds = topics.bounds(topic, 0).await?;
    let mut position = Position {
        topic: topic.into(),
        partition: 0,
        offset: bounds.start,
    };
    let limits = ReadLimits {
        bytes_max: READ_BYTES_MAX,
        wait_max: Duration::ZERO,
    };
    while position.offset < bounds.end {
        let fetched = topics.read(std::slice::from_ref(&position), limits).await?;
        let before = position.offset;
        for partition in fetched {
            position.offset = partition.next_offset;
            for record in &partition.records {
                take_in(&mut state, topic, record);
            }
        }
        if position.offset == before {
            let end = bounds.end;
            let message = format!("`{topic}` ends at offset {end} but nothing can be read at {before}");
            return Err(TopicsError::new(ErrorKind::Data, message));
        }
    }
    Ok(state)
}

/// A record that cannot be read is left out and said to be: the others are worth having.
fn take_in<S: Replayed>(state: &mut S, topic: &str, record: &Record) {
    let Some(key) = &record.key else { return };
    match S::read(key, record.value.as_deref()) {
        Ok(Some(change)) => state.apply(change, record.timestamp),
        Ok(None) => {}
        Err(why) => tracing::error!(topic, offset = record.offset, "a record was left out: {why}"),
    }
}
