//! State that is kept as records of a compacted topic of one partition: read at start and followed from then on, and
//! every change written to the topic before anyone sees it.
//!
//! Changes are decided one after another, each on what was decided before it. Those that wait are written together, and
//! shown and answered once that is durable. The topic is the truth: what others write to it is taken in too, in the
//! topic's order, and what was decided without it and is not yet on its way is decided again.

mod keeper;
mod reading;

use std::sync::Arc;

use base::{Clock, ErrorKind, Offset, TimestampMs};
use bytes::Bytes;
use client::{NewTopic, Output, Topics, TopicsError};
use parking_lot::RwLock;
use schema::RegistryError;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use self::keeper::Keeper;

/// So many changes may be decided and not yet durable; others wait before they are decided.
const LINE_MAX: usize = 256;

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
    states: Arc<States<S>>,
    /// Bounds the line.
    room: Arc<Semaphore>,
    line: mpsc::Sender<Waiting<S>>,
    keeper: AbortHandle,
}

/// The state twice: as it is, and as it will be.
struct States<S> {
    /// Durable. Readers hold a state of their own: none waits for a change that is being decided or written.
    shown: RwLock<Arc<S>>,
    /// Up to where the topic is shown.
    next: watch::Sender<Offset>,
    /// With all that is decided. Whoever holds it decides; who only looks at `shown` need not.
    pending: Mutex<Arc<S>>,
}

/// Changes that were decided and are not yet durable.
struct Waiting<S> {
    records: Vec<Output>,
    now_ms: TimestampMs,
    /// The state that these changes lead to.
    after: Arc<S>,
    room: OwnedSemaphorePermit,
    done: oneshot::Sender<Fate>,
}

/// What became of changes.
enum Fate {
    Durable,
    /// Something else came before them: they have to be decided again. The line does not move on while there is `hold`.
    Overtaken {
        room: OwnedSemaphorePermit,
        hold: mpsc::Sender<()>,
    },
    Failed(TopicsError),
}

impl<S> States<S> {
    fn show(&self, state: Arc<S>) {
        *self.shown.write() = state;
    }

    fn shown(&self) -> Arc<S> {
        Arc::clone(&self.shown.read())
    }
}

impl<S: Replayed> Kept<S> {
    /// Takes in what the topic holds, and follows it; one that there is not yet is created with the first change.
    /// `writer` is the writer's name to the log: a second one fences the first.
    pub(crate) async fn open(
        topics: Arc<dyn Topics>,
        clock: Arc<dyn Clock>,
        topic: &'static str,
        writer: &'static str,
    ) -> Result<Kept<S>, TopicsError> {
        let (line, waiting) = mpsc::channel(LINE_MAX);
        let keeper = Keeper::open(Arc::clone(&topics), topic, writer, waiting).await?;
        let states = keeper.states();
        Ok(Kept {
            topics,
            clock,
            topic,
            states,
            room: Arc::new(Semaphore::new(LINE_MAX)),
            line,
            keeper: tokio::spawn(keeper.run()).abort_handle(),
        })
    }

    /// The state as it stands; later changes make another one.
    pub(crate) fn state(&self) -> Arc<S> {
        self.states.shown()
    }

    /// Waits until the state holds what the topic has at an offset.
    pub(crate) async fn shows(&self, offset: Offset) -> Result<(), RegistryError> {
        let mut next = self.states.next.subscribe();
        let shown = next.wait_for(|next| *next > offset).await;
        shown.map(drop).map_err(|_| self.stopped())
    }

    /// Creates the topic if there is none.
    pub(crate) async fn create(&self) -> Result<(), TopicsError> {
        create(&*self.topics, self.topic).await
    }

    /// Decides changes on the state and the time they will carry, and answers once they are durable. Decides again
    /// where something else came first. What is answered without a change holds as well: it waits for what it was
    /// decided on.
    pub(crate) async fn change<T, F>(
        &self,
        mut decide: impl FnMut(Arc<S>, TimestampMs) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<(T, Vec<S::Change>), RegistryError>>,
    {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let mut room = room.map_err(|_| self.stopped())?;
        let mut hold = None;
        loop {
            let mut pending = self.states.pending.lock().await;
            let now_ms = self.clock.wall_ms();
            let (answer, changes) = match decide(Arc::clone(&pending), now_ms).await {
                Ok((answer, changes)) => (Ok(answer), changes),
                Err(refusal) => (Err(refusal), Vec::new()),
            };
            if changes.is_empty() && Arc::ptr_eq(&pending, &self.state()) {
                return answer;
            }
            let (done, fate) = oneshot::channel();
            let records = self.records(&changes, now_ms);
            if !changes.is_empty() {
                let mut after = S::clone(&pending);
                changes.into_iter().for_each(|change| after.apply(change, now_ms));
                *pending = Arc::new(after);
            }
            let waiting = Waiting {
                records,
                now_ms,
                after: Arc::clone(&pending),
                room,
                done,
            };
            // There is room for everyone who holds some; only the keeper may be gone.
            self.line.try_send(waiting).map_err(|_| self.stopped())?;
            drop(pending);
            // From here on a client that goes away changes nothing.
            drop(hold.take());
            match fate.await {
                Ok(Fate::Durable) => return answer,
                Ok(Fate::Overtaken {
                    room: again,
                    hold: held,
                }) => (room, hold) = (again, Some(held)),
                Ok(Fate::Failed(error)) => return Err(self.refused(&error)),
                Err(_) => return Err(self.stopped()),
            }
        }
    }

    fn records(&self, changes: &[S::Change], now_ms: TimestampMs) -> Vec<Output> {
        let topic: Arc<str> = self.topic.into();
        let record = |(key, value): (Vec<u8>, Option<Vec<u8>>)| Output {
            topic: Arc::clone(&topic),
            partition: Some(0),
            key: Some(Bytes::from(key)),
            value: value.map(Bytes::from),
            timestamp: Some(now_ms),
            ..Output::default()
        };
        changes.iter().filter_map(S::write).map(record).collect()
    }

    /// Waits for the changes under way; then takes no more, and follows the topic no longer.
    pub(crate) async fn stop(&self) {
        let _all = self.room.acquire_many(LINE_MAX as u32).await;
        self.room.close();
        self.keeper.abort();
    }

    fn refused(&self, error: &TopicsError) -> RegistryError {
        if error.kind != ErrorKind::Invalid {
            return RegistryError::store(error);
        }
        // The topic takes every record of ours that is small enough for it.
        tracing::warn!(topic = self.topic, "a change was not taken: {error}");
        RegistryError::schema_too_large()
    }

    fn stopped(&self) -> RegistryError {
        RegistryError::store(format!("the writer of `{}` has stopped", self.topic))
    }
}

impl<S: Replayed> Drop for Kept<S> {
    fn drop(&mut self) {
        self.keeper.abort();
    }
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
