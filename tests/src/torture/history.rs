//! What clients did and saw: sends, transactions, polls, committed offsets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Clock, RealClock};

pub type Partition = i32;
pub type Offset = i64;
/// Unique over a history: no two sends carry the same.
pub type Value = u64;

/// How an operation ended. `Unknown`: nobody can say, both are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Failed,
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Send {
    /// Whose order counts: sends of one producer to one partition arrive in the order they were sent.
    pub producer: u32,
    pub partition: Partition,
    pub value: Value,
    pub transaction: Option<u64>,
    pub outcome: Outcome,
    /// Where the broker said it is.
    pub offset: Option<Offset>,
    pub sent: Duration,
    /// When the outcome was known.
    pub ended: Duration,
}

/// A transaction as its producer knows it.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub number: u64,
    pub outcome: Outcome,
    /// When commit or abort was asked for; none of it may be read before a commit was asked for.
    pub decided: Option<Duration>,
    pub ended: Duration,
}

#[derive(Clone, Debug)]
pub struct Poll {
    pub consumer: u32,
    /// Raised whenever the consumer's partitions change: order holds within one.
    pub assignment: u32,
    pub partition: Partition,
    pub offset: Offset,
    pub value: Value,
    pub at: Duration,
}

/// An offset a consumer committed for its group.
#[derive(Clone, Debug)]
pub struct Commit {
    pub partition: Partition,
    pub offset: Offset,
    pub ended: Duration,
}

/// A record as a reader found it that began anew when all was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub partition: Partition,
    pub offset: Offset,
    pub value: Value,
}

#[derive(Clone, Debug, Default)]
pub struct History {
    pub sends: Vec<Send>,
    pub transactions: Vec<Transaction>,
    pub polls: Vec<Poll>,
    pub commits: Vec<Commit>,
}

impl History {
    /// The history as it stood at `moment`: what had not ended then is unknown, what had not begun is not there.
    pub fn until(&self, moment: Duration) -> History {
        let mut history = self.clone();
        history.sends.retain(|send| send.sent < moment);
        for send in &mut history.sends {
            if send.ended >= moment && send.outcome == Outcome::Done {
                send.outcome = Outcome::Unknown;
                send.offset = None;
            }
        }
        for transaction in &mut history.transactions {
            if transaction.ended >= moment && transaction.outcome == Outcome::Done {
                transaction.outcome = Outcome::Unknown;
            }
        }
        history.polls.retain(|poll| poll.at < moment);
        history.commits.retain(|commit| commit.ended < moment);
        history
    }
}

/// Where clients write down what they do.
pub struct Recorder {
    clock: RealClock,
    values: AtomicU64,
    history: Mutex<History>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder {
            clock: RealClock::new(),
            values: AtomicU64::new(1),
            history: Mutex::default(),
        }
    }
}

impl Recorder {
    pub fn shared() -> Arc<Recorder> {
        Arc::new(Recorder::default())
    }

    pub fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub fn value(&self) -> Value {
        self.values.fetch_add(1, Ordering::Relaxed)
    }

    pub fn note(&self, change: impl FnOnce(&mut History)) {
        change(&mut self.history.lock().expect("nobody panics while noting"));
    }

    pub fn history(&self) -> History {
        self.history.lock().expect("nobody panics while noting").clone()
    }

    /// Sends acknowledged and transactions committed so far.
    pub fn progress(&self) -> (usize, usize) {
        let history = self.history.lock().expect("nobody panics while noting");
        let sends = history
            .sends
            .iter()
            .filter(|send| send.outcome == Outcome::Done)
            .count();
        let done = history
            .transactions
            .iter()
            .filter(|transaction| transaction.outcome == Outcome::Done);
        (sends, done.count())
    }
}
