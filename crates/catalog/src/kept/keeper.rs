//! The task that alone touches a state's topic: it writes what was decided, as much at once as waits, and takes in what
//! others write.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base::ErrorKind;
use bytes::Bytes;
use client::{Fetched, Output, ReadLimits, Step, Topics, TopicsError, Written};
use parking_lot::RwLock;
use tokio::sync::{Mutex, mpsc, watch};

use super::reading::{Place, change_of, replay};
use super::{Fate, Replayed, States, Waiting, create};

/// A commit takes no more changes once it is this large.
const COMMIT_BYTES_MAX: usize = 4 << 20;
/// What is taken in at once of others' records: deciders wait meanwhile.
const FOLLOW_BYTES_MAX: usize = 256 << 10;
/// How long one read waits for others' records.
const READ_WAIT: Duration = Duration::from_secs(1);
/// How soon a topic that is not there, or cannot be read, is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Keeper<S> {
    topics: Arc<dyn Topics>,
    topic: &'static str,
    writer: &'static str,
    run: u64,
    states: Arc<States<S>>,
    line: mpsc::Receiver<Waiting<S>>,
    /// Taken from the line, in its order.
    behind: VecDeque<Waiting<S>>,
    /// So many of those are committed alone, to find the one that is refused.
    singly: usize,
    /// Open until all who have to decide again have done so, or have gone away.
    holds: Option<mpsc::Receiver<()>>,
    place: Place,
    /// Why the topic cannot be read at present.
    trouble: Option<String>,
    pauses: bool,
}

impl<S: Replayed> Keeper<S> {
    pub(super) async fn open(
        topics: Arc<dyn Topics>,
        topic: &'static str,
        writer: &'static str,
        line: mpsc::Receiver<Waiting<S>>,
    ) -> Result<Keeper<S>, TopicsError> {
        // Whatever an earlier writer has begun is there to be read after this.
        let run = topics.start_job(writer).await?.run;
        let (state, place) = match topics.partitions(topic).await {
            Ok(_) => replay::<S>(&*topics, topic).await?,
            Err(error) if error.kind == ErrorKind::NotFound => Default::default(),
            Err(error) => return Err(error),
        };
        let state = Arc::new(state);
        let states = States {
            shown: RwLock::new(Arc::clone(&state)),
            next: watch::channel(place.next).0,
            pending: Mutex::new(state),
        };
        Ok(Keeper {
            topics,
            topic,
            writer,
            run,
            states: Arc::new(states),
            line,
            behind: VecDeque::new(),
            singly: 0,
            holds: None,
            place,
            trouble: None,
            pauses: false,
        })
    }

    pub(super) fn states(&self) -> Arc<States<S>> {
        Arc::clone(&self.states)
    }

    /// Writes and follows until nobody can ask for a change any more.
    pub(super) async fn run(mut self) {
        // Whether what waits was decided with all that others wrote, as far as a look can tell.
        let mut is_current = false;
        loop {
            if let Some(mut holds) = self.holds.take() {
                // Nothing is ever sent: it ends with the last that holds the line.
                holds.recv().await;
                // Whoever writes without end makes nobody decide without end.
                is_current = true;
            }
            self.gather();
            if !self.behind.is_empty() {
                if std::mem::take(&mut is_current) || !self.is_overtaken().await {
                    self.commit().await;
                    self.say_place();
                }
                continue;
            }
            let pauses = self.pauses;
            let read = self.read(READ_WAIT);
            let read = async {
                if pauses {
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                read.await
            };
            tokio::select! {
                biased;
                read = read => self.follow(read).await,
                first = self.line.recv() => match first {
                    Some(first) => {
                        self.behind.push_back(first);
                        // The read has just found nothing.
                        is_current = !pauses;
                    }
                    None => return,
                },
            }
        }
    }

    /// What others wrote since; needs nothing of the keeper while it waits.
    fn read(&self, wait_max: Duration) -> impl Future<Output = Result<Vec<Fetched>, TopicsError>> + use<S> {
        let (topics, position) = (Arc::clone(&self.topics), self.place.position(self.topic));
        let limits = ReadLimits {
            bytes_max: FOLLOW_BYTES_MAX,
            wait_max,
        };
        async move { topics.read(&[position], limits).await }
    }

    /// Looks whether others wrote something that what waits was decided without.
    async fn is_overtaken(&mut self) -> bool {
        let read = self.read(Duration::ZERO).await;
        self.follow(read).await;
        self.holds.is_some()
    }

    fn gather(&mut self) {
        while let Ok(waiting) = self.line.try_recv() {
            self.behind.push_back(waiting);
        }
    }

    async fn commit(&mut self) {
        let batch = self.next_batch();
        let records: Vec<Output> = batch.iter().flat_map(|waiting| &waiting.records).cloned().collect();
        let written = match records.is_empty() {
            true => Ok(Vec::new()),
            false => self.write(records).await,
        };
        match written {
            Ok(written) => self.landed(batch, &written).await,
            Err(error) if error.kind == ErrorKind::Invalid && batch.len() > 1 => {
                // One record is at fault; the others' clients should not suffer.
                self.singly = batch.len();
                batch
                    .into_iter()
                    .rev()
                    .for_each(|waiting| self.behind.push_front(waiting));
            }
            Err(error) => self.failed(batch, &error).await,
        }
    }

    fn next_batch(&mut self) -> Vec<Waiting<S>> {
        let mut batch = Vec::new();
        let bytes_max = match self.singly {
            0 => COMMIT_BYTES_MAX,
            _ => 1,
        };
        self.singly = self.singly.saturating_sub(1);
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(waiting) = self.behind.pop_front()
        {
            bytes += 1 + waiting.records.iter().map(size_bytes).sum::<usize>();
            batch.push(waiting);
        }
        batch
    }

    async fn write(&self, records: Vec<Output>) -> Result<Vec<Written>, TopicsError> {
        create(&*self.topics, self.topic).await?;
        let step = Step {
            job: self.writer.into(),
            run: self.run,
            outputs: records,
            ..Step::default()
        };
        self.topics.commit(step).await
    }

    /// Shows what is durable now. If others wrote in between, their records come first, and what was decided without
    /// them is decided again.
    async fn landed(&mut self, batch: Vec<Waiting<S>>, written: &[Written]) {
        match (written.first(), written.last()) {
            (Some(first), Some(last)) if self.place.is_before(first) => {
                self.place = Place {
                    topic_id: Some(last.topic_id),
                    next: last.last_offset + 1,
                };
            }
            (Some(first), Some(last)) => {
                let states = Arc::clone(&self.states);
                let mut pending = states.pending.lock().await;
                let state = self.caught_up(first, last, &batch).await;
                self.rebase(&mut pending, state);
                return answer(batch, || Fate::Durable);
            }
            _ => {}
        }
        if let Some(last) = batch.last() {
            self.states.show(Arc::clone(&last.after));
        }
        answer(batch, || Fate::Durable);
    }

    /// The state with what others wrote before our records, and these.
    async fn caught_up(&mut self, first: &Written, last: &Written, batch: &[Waiting<S>]) -> S {
        let mut state = S::clone(&self.states.shown());
        if self.place.topic_id != Some(first.topic_id) {
            if self.place.topic_id.is_some() {
                self.say_gone();
            }
            state = S::default();
            self.place = Place {
                topic_id: Some(first.topic_id),
                next: 0,
            };
        }
        while self.place.next < first.first_offset {
            let read = self
                .place
                .read_on(&*self.topics, self.topic, first.first_offset, &mut state);
            match read.await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.report(&error);
                    break;
                }
            }
        }
        if self.place.next == first.first_offset {
            self.place.next = last.last_offset + 1;
        }
        // Otherwise something cannot be read yet, such as an open transaction. Our clients do not wait for it: once it
        // can be read, it is taken in and our records behind it again, so that the topic's order holds in the end.
        for waiting in batch {
            for record in &waiting.records {
                let key = record.key.as_deref().unwrap_or_default();
                if let Ok(Some(change)) = S::read(key, record.value.as_deref()) {
                    state.apply(change, waiting.now_ms);
                }
            }
        }
        state
    }

    /// A batch was not written, as far as can be said: what was decided on top of it has lost its ground.
    async fn failed(&mut self, batch: Vec<Waiting<S>>, error: &TopicsError) {
        let states = Arc::clone(&self.states);
        let mut pending = states.pending.lock().await;
        // What is there all the same is seen as others' records are, before anything is committed again.
        *pending = states.shown();
        answer(batch, || Fate::Failed(error.clone()));
        if error.kind == ErrorKind::Invalid {
            // Only one's records were refused.
            return self.overtake();
        }
        self.gather();
        self.singly = 0;
        let why = format!("a change that this one builds on was not written: {error}");
        answer(std::mem::take(&mut self.behind), || {
            Fate::Failed(TopicsError::new(error.kind, &*why))
        });
    }

    /// Takes in what others wrote.
    async fn follow(&mut self, read: Result<Vec<Fetched>, TopicsError>) {
        self.pauses = false;
        match read {
            Ok(fetched) => {
                self.trouble = None;
                for fetched in fetched {
                    self.take_in(fetched).await;
                }
                self.say_place();
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.pauses = true;
                self.begin_anew().await;
            }
            // The topic ends before our place: it is another one.
            Err(error) if error.kind == ErrorKind::Invalid && self.place != Place::default() => {
                self.begin_anew().await;
            }
            Err(error) => {
                self.pauses = true;
                self.report(&error);
            }
        }
    }

    async fn take_in(&mut self, fetched: Fetched) {
        if self.place.topic_id.is_some_and(|known| known != fetched.topic_id) {
            return self.begin_anew().await;
        }
        self.place = Place {
            topic_id: Some(fetched.topic_id),
            next: fetched.next_offset,
        };
        let changes = fetched.records.iter();
        let changes: Vec<_> = changes
            .filter_map(|record| change_of::<S>(self.topic, record))
            .collect();
        if changes.is_empty() {
            return;
        }
        let states = Arc::clone(&self.states);
        let mut pending = states.pending.lock().await;
        let mut state = S::clone(&states.shown());
        changes.into_iter().for_each(|(change, ts)| state.apply(change, ts));
        self.rebase(&mut pending, state);
    }

    /// The topic we know is gone, and with it the state; one made anew is read from its start.
    async fn begin_anew(&mut self) {
        if self.place == Place::default() {
            return;
        }
        self.say_gone();
        self.place = Place::default();
        let states = Arc::clone(&self.states);
        let mut pending = states.pending.lock().await;
        self.rebase(&mut pending, S::default());
    }

    /// Shows a state that is not what was decided on.
    fn rebase(&mut self, pending: &mut Arc<S>, state: S) {
        *pending = Arc::new(state);
        self.states.show(Arc::clone(pending));
        self.overtake();
    }

    /// Has everything decided again that is not yet on its way. Call only while the pending state is held.
    fn overtake(&mut self) {
        self.gather();
        self.singly = 0;
        if self.behind.is_empty() {
            return;
        }
        let (hold, holds) = mpsc::channel(1);
        for Waiting { room, done, .. } in self.behind.drain(..) {
            let hold = hold.clone();
            answer_one(done, Fate::Overtaken { room, hold });
        }
        self.holds = Some(holds);
    }

    fn say_gone(&self) {
        tracing::warn!(
            topic = self.topic,
            "the topic was deleted, and with it what was kept there"
        );
    }

    /// Tells those who wait how far the topic is shown.
    fn say_place(&self) {
        let place = self.place.next;
        self.states
            .next
            .send_if_modified(|next| std::mem::replace(next, place) != place);
    }

    /// Says once why the topic cannot be read.
    fn report(&mut self, error: &TopicsError) {
        if self.trouble.as_ref() != Some(&error.message) {
            tracing::error!(topic = self.topic, "what others write is not seen: {error}");
            self.trouble = Some(error.message.clone());
        }
    }
}

fn size_bytes(record: &Output) -> usize {
    record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len)
}

fn answer<S>(batch: impl IntoIterator<Item = Waiting<S>>, fate: impl Fn() -> Fate) {
    for waiting in batch {
        answer_one(waiting.done, fate());
    }
}

fn answer_one(done: tokio::sync::oneshot::Sender<Fate>, fate: Fate) {
    // A client that has gone away is told nothing.
    drop(done.send(fate));
}
