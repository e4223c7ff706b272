//! Tells a request of the old flow that was left behind in the network from one of the transaction that is open now.
//!
//! In the old flow all transactions of a producer carry the same epoch, so a late or doubled request looks as if it
//! belonged to whatever is open when it arrives; in Kafka it then ends or joins a transaction it has nothing to do with.
//! What gives it away is its connection: a client repeats a request only over a new connection, and never goes back to
//! an old one. So what comes over a connection older than one that had a part in a transaction already ended is
//! refused.

use super::Producer;

/// The two kinds of connection a producer has: to the coordinator of its transaction, and to that of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Transaction,
    Group,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The newest connection heard of.
    newest: u64,
    /// The newest of those heard of before the last transaction ended.
    settled: u64,
}

/// The connections of one producer in one epoch, numbered in the order they were accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leftovers {
    producer: Option<Producer>,
    transaction: Seen,
    group: Seen,
}

impl Leftovers {
    fn seen(&mut self, line: Line) -> &mut Seen {
        match line {
            Line::Transaction => &mut self.transaction,
            Line::Group => &mut self.group,
        }
    }

    /// Whether a request of `producer` over `connection` is from before a transaction of it that has ended.
    pub(crate) fn is_leftover(&mut self, producer: Producer, line: Line, connection: u64) -> bool {
        if self.producer != Some(producer) {
            return false;
        }
        connection < self.seen(line).settled
    }

    /// Remembers that a request was obeyed.
    pub(crate) fn obeyed(&mut self, producer: Producer, line: Line, connection: u64) {
        if self.producer != Some(producer) {
            *self = Leftovers {
                producer: Some(producer),
                ..Leftovers::default()
            };
        }
        let seen = self.seen(line);
        seen.newest = seen.newest.max(connection);
    }

    /// Remembers that the transaction has ended.
    pub(crate) fn settle(&mut self) {
        self.transaction.settled = self.transaction.newest;
        self.group.settled = self.group.newest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: Producer = Producer { id: 7, epoch: 0 };

    #[test]
    fn an_older_connection_is_refused_once_a_transaction_has_ended() {
        let mut leftovers = Leftovers::default();
        leftovers.obeyed(PRODUCER, Line::Transaction, 5);
        assert!(
            !leftovers.is_leftover(PRODUCER, Line::Transaction, 3),
            "nothing has ended yet: who commits need not be who wrote"
        );
        leftovers.settle();
        assert!(leftovers.is_leftover(PRODUCER, Line::Transaction, 4));
        assert!(!leftovers.is_leftover(PRODUCER, Line::Transaction, 5));
        assert!(!leftovers.is_leftover(PRODUCER, Line::Group, 4), "another line");
        leftovers.obeyed(PRODUCER, Line::Transaction, 6);
        assert!(!leftovers.is_leftover(PRODUCER, Line::Transaction, 5));
        leftovers.settle();
        assert!(leftovers.is_leftover(PRODUCER, Line::Transaction, 5));
        let next = Producer { id: 7, epoch: 1 };
        assert!(
            !leftovers.is_leftover(next, Line::Transaction, 1),
            "a new epoch begins anew"
        );
        leftovers.obeyed(next, Line::Transaction, 1);
        assert!(!leftovers.is_leftover(next, Line::Transaction, 1));
    }
}
