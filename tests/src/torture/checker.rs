//! Looks for what must not be in a history: the anomalies of a log that others were caught with.
//!
//! The version order of a partition is its offsets, so no search is needed; offsets are renumbered densely first, since
//! markers and aborted records leave gaps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::history::{Found, History, Offset, Outcome, Partition, Poll, Send, Value};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// One offset, two values.
    InconsistentOffset {
        partition: Partition,
        offset: Offset,
        values: (Value, Value),
    },
    /// One value at two offsets.
    Duplicate {
        partition: Partition,
        value: Value,
        offsets: (Offset, Offset),
    },
    /// Acknowledged, a later one was read, and it was never read by anybody.
    LostWrite {
        partition: Partition,
        value: Value,
        sent_before_end_of: Offset,
    },
    /// Acknowledged, and not there when all was over.
    Unseen { partition: Partition, value: Value },
    /// Acknowledged at one offset, found at another.
    MovedOffset {
        partition: Partition,
        value: Value,
        offsets: (Offset, Offset),
    },
    /// Read although its transaction was aborted or its send refused.
    AbortedRead { partition: Partition, value: Value },
    /// Read before its transaction was asked to commit.
    UncommittedRead { partition: Partition, value: Value },
    /// Some of a transaction is there and some is not.
    PartialTransaction {
        transaction: u64,
        there: usize,
        missing: usize,
    },
    /// A consumer went back without a new assignment.
    NonMonotonicPoll {
        consumer: u32,
        partition: Partition,
        offsets: (Offset, Offset),
    },
    /// A consumer went past records without a new assignment.
    PollSkip {
        consumer: u32,
        partition: Partition,
        offsets: (Offset, Offset),
    },
    /// Two sends of a producer to a partition lie in reverse.
    NonMonotonicSend {
        producer: u32,
        partition: Partition,
        values: (Value, Value),
    },
    /// A value nobody sent.
    Foreign { partition: Partition, value: Value },
    /// The group's committed offset is lower than one that was acknowledged.
    CommitLost {
        partition: Partition,
        committed: Offset,
        found: Option<Offset>,
    },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

/// Every anomaly of a history whose end was read anew: `found` is what a read_committed reader then saw, `committed`
/// the group's offsets.
pub fn check(history: &History, found: &[Found], committed: &HashMap<Partition, Offset>) -> Vec<Anomaly> {
    let sends: HashMap<Value, &Send> = history.sends.iter().map(|send| (send.value, send)).collect();
    let mut anomalies = Vec::new();
    let places = places(history, found, &mut anomalies);
    offsets(&sends, &places, &mut anomalies);
    missing(history, found, &places, &mut anomalies);
    transactions(history, found, &sends, &mut anomalies);
    order_of_polls(history, &places, &mut anomalies);
    order_of_sends(history, &places, &mut anomalies);
    group(history, committed, &mut anomalies);
    anomalies.sort();
    anomalies.dedup();
    anomalies
}

/// Offset to value in each partition, of everything that anybody read.
type Places = BTreeMap<Partition, BTreeMap<Offset, Value>>;

fn places(history: &History, found: &[Found], anomalies: &mut Vec<Anomaly>) -> Places {
    let polled = history.polls.iter().map(|poll| Found {
        partition: poll.partition,
        offset: poll.offset,
        value: poll.value,
    });
    let mut places = Places::new();
    let mut at: HashMap<(Partition, Value), Offset> = HashMap::new();
    for Found {
        partition,
        offset,
        value,
    } in polled.chain(found.iter().copied())
    {
        let before = places.entry(partition).or_default().insert(offset, value);
        if let Some(before) = before.filter(|before| *before != value) {
            let values = (before.min(value), before.max(value));
            anomalies.push(Anomaly::InconsistentOffset {
                partition,
                offset,
                values,
            });
        }
        if let Some(before) = at.insert((partition, value), offset).filter(|before| *before != offset) {
            let offsets = (before.min(offset), before.max(offset));
            anomalies.push(Anomaly::Duplicate {
                partition,
                value,
                offsets,
            });
        }
    }
    places
}

/// What the broker said where a record is, against where it was read; values that nobody sent, or that were refused.
fn offsets(sends: &HashMap<Value, &Send>, places: &Places, anomalies: &mut Vec<Anomaly>) {
    for (&partition, values) in places {
        for (&offset, &value) in values {
            let Some(send) = sends.get(&value).filter(|send| send.partition == partition) else {
                anomalies.push(Anomaly::Foreign { partition, value });
                continue;
            };
            if send.outcome == Outcome::Failed {
                anomalies.push(Anomaly::AbortedRead { partition, value });
            }
            if let Some(said) = send.offset.filter(|said| *said != offset) {
                let offsets = (said, offset);
                anomalies.push(Anomaly::MovedOffset {
                    partition,
                    value,
                    offsets,
                });
            }
        }
    }
}

/// Acknowledged writes that are not there.
fn missing(history: &History, found: &[Found], places: &Places, anomalies: &mut Vec<Anomaly>) {
    let seen: HashSet<(Partition, Value)> = found.iter().map(|found| (found.partition, found.value)).collect();
    let outcomes: HashMap<u64, Outcome> = history
        .transactions
        .iter()
        .map(|one| (one.number, one.outcome))
        .collect();
    for send in history.sends.iter().filter(|send| send.outcome == Outcome::Done) {
        let counts = send
            .transaction
            .is_none_or(|number| outcomes.get(&number) == Some(&Outcome::Done));
        if !counts || seen.contains(&(send.partition, send.value)) {
            continue;
        }
        let (partition, value) = (send.partition, send.value);
        anomalies.push(Anomaly::Unseen { partition, value });
        let highest = places.get(&partition).and_then(|values| values.keys().next_back());
        let polled = places
            .get(&partition)
            .is_some_and(|values| values.values().any(|seen| *seen == value));
        if let (Some(&highest), Some(offset)) = (highest, send.offset)
            && highest > offset
            && !polled
        {
            anomalies.push(Anomaly::LostWrite {
                partition,
                value,
                sent_before_end_of: highest,
            });
        }
    }
}

fn transactions(history: &History, found: &[Found], sends: &HashMap<Value, &Send>, anomalies: &mut Vec<Anomaly>) {
    let outcomes: HashMap<u64, _> = history.transactions.iter().map(|one| (one.number, one)).collect();
    let mut there: HashMap<u64, usize> = HashMap::new();
    let read = found.iter().map(|found| (found.value, None));
    let polled = history.polls.iter().map(|poll| (poll.value, Some(poll.at)));
    for (value, at) in read.chain(polled) {
        let Some((send, number)) = sends.get(&value).and_then(|send| Some((send, send.transaction?))) else {
            continue;
        };
        let Some(transaction) = outcomes.get(&number) else {
            continue;
        };
        let partition = send.partition;
        match at {
            None => *there.entry(number).or_default() += 1,
            Some(at) if transaction.decided.is_none_or(|decided| at < decided) => {
                anomalies.push(Anomaly::UncommittedRead { partition, value });
            }
            Some(_) => {}
        }
        if transaction.outcome == Outcome::Failed {
            anomalies.push(Anomaly::AbortedRead { partition, value });
        }
    }
    let mut sizes: HashMap<u64, usize> = HashMap::new();
    for send in history.sends.iter().filter(|send| send.outcome == Outcome::Done) {
        if let Some(number) = send.transaction {
            *sizes.entry(number).or_default() += 1;
        }
    }
    for (transaction, there) in there {
        let missing = sizes.get(&transaction).copied().unwrap_or(0).saturating_sub(there);
        if missing > 0 {
            anomalies.push(Anomaly::PartialTransaction {
                transaction,
                there,
                missing,
            });
        }
    }
}

/// Where each offset stands among those that anybody read.
fn dense(places: &Places) -> HashMap<(Partition, Offset), usize> {
    let ranked = places.iter().flat_map(|(&partition, values)| {
        values
            .keys()
            .enumerate()
            .map(move |(rank, &offset)| ((partition, offset), rank))
    });
    ranked.collect()
}

fn order_of_polls(history: &History, places: &Places, anomalies: &mut Vec<Anomaly>) {
    let ranks = dense(places);
    let mut last: HashMap<(u32, Partition), &Poll> = HashMap::new();
    for poll in &history.polls {
        let (consumer, partition) = (poll.consumer, poll.partition);
        let before = last.insert((consumer, partition), poll);
        let Some(before) = before.filter(|before| before.assignment == poll.assignment) else {
            continue;
        };
        let rank = |poll: &Poll| ranks.get(&(partition, poll.offset)).copied().unwrap_or(0);
        let offsets = (before.offset, poll.offset);
        if rank(poll) <= rank(before) {
            anomalies.push(Anomaly::NonMonotonicPoll {
                consumer,
                partition,
                offsets,
            });
        } else if rank(poll) > rank(before) + 1 {
            anomalies.push(Anomaly::PollSkip {
                consumer,
                partition,
                offsets,
            });
        }
    }
}

fn order_of_sends(history: &History, places: &Places, anomalies: &mut Vec<Anomaly>) {
    let mut at: HashMap<Value, Offset> = HashMap::new();
    for values in places.values() {
        at.extend(values.iter().map(|(&offset, &value)| (value, offset)));
    }
    let mut last: HashMap<(u32, Partition), (Offset, Value)> = HashMap::new();
    for send in history.sends.iter().filter(|send| send.outcome != Outcome::Failed) {
        let Some(&offset) = at.get(&send.value) else { continue };
        let (producer, partition) = (send.producer, send.partition);
        let before = last.insert((producer, partition), (offset, send.value));
        if let Some((before, value)) = before.filter(|(before, _)| *before >= offset) {
            if before == offset {
                continue;
            }
            let values = (value, send.value);
            anomalies.push(Anomaly::NonMonotonicSend {
                producer,
                partition,
                values,
            });
        }
    }
}

fn group(history: &History, committed: &HashMap<Partition, Offset>, anomalies: &mut Vec<Anomaly>) {
    let mut last: BTreeMap<Partition, Offset> = BTreeMap::new();
    for commit in &history.commits {
        last.insert(commit.partition, commit.offset);
    }
    for (partition, offset) in last {
        let found = committed.get(&partition).copied();
        // A commit after the last acknowledged one may have arrived too.
        if found.is_none_or(|found| found < offset) {
            let committed = offset;
            anomalies.push(Anomaly::CommitLost {
                partition,
                committed,
                found,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::history::{Commit, Transaction};
    use super::*;

    fn send(producer: u32, value: Value, offset: Offset) -> Send {
        Send {
            producer,
            partition: 0,
            value,
            transaction: None,
            outcome: Outcome::Done,
            offset: Some(offset),
            sent: Duration::from_secs(value),
            ended: Duration::from_secs(value + 1),
        }
    }

    fn within(mut send: Send, number: u64) -> Send {
        send.transaction = Some(number);
        send
    }

    fn poll(assignment: u32, offset: Offset, value: Value) -> Poll {
        Poll {
            consumer: 1,
            assignment,
            partition: 0,
            offset,
            value,
            at: Duration::from_secs(50),
        }
    }

    fn transaction(number: u64, outcome: Outcome, decided: u64) -> Transaction {
        Transaction {
            number,
            outcome,
            decided: Some(Duration::from_secs(decided)),
            ended: Duration::from_secs(decided + 1),
        }
    }

    fn at(offset: Offset, value: Value) -> Found {
        Found {
            partition: 0,
            offset,
            value,
        }
    }

    /// A good history: two producers, a committed transaction with its marker's gap, an aborted one, polls.
    fn good() -> (History, Vec<Found>, HashMap<Partition, Offset>) {
        let mut history = History {
            sends: vec![
                send(1, 1, 0),
                send(2, 2, 1),
                within(send(3, 3, 2), 7),
                within(send(3, 4, 3), 7),
                within(send(3, 5, 5), 8),
                send(1, 6, 7),
            ],
            transactions: vec![transaction(7, Outcome::Done, 5), transaction(8, Outcome::Failed, 6)],
            ..History::default()
        };
        history.polls = vec![
            poll(1, 0, 1),
            poll(1, 1, 2),
            poll(2, 0, 1),
            poll(2, 1, 2),
            poll(2, 2, 3),
            poll(2, 3, 4),
            poll(2, 7, 6),
        ];
        history.commits = vec![Commit {
            partition: 0,
            offset: 2,
            ended: Duration::from_secs(60),
        }];
        let found = vec![at(0, 1), at(1, 2), at(2, 3), at(3, 4), at(7, 6)];
        (history, found, HashMap::from([(0, 2)]))
    }

    fn names(anomalies: &[Anomaly]) -> Vec<String> {
        let name = |anomaly: &Anomaly| format!("{anomaly:?}").split(' ').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = anomalies.iter().map(name).collect();
        names.dedup();
        names
    }

    #[test]
    fn a_good_history_is_good() {
        let (history, found, committed) = good();
        assert_eq!(check(&history, &found, &committed), []);
    }

    type Spoil = fn(&mut History, &mut Vec<Found>, &mut HashMap<Partition, Offset>);

    #[test]
    fn every_anomaly_is_found_in_a_history_that_has_it() {
        let cases: &[(&str, Spoil)] = &[
            ("InconsistentOffset", |history, _, _| history.polls[0].value = 2),
            ("Duplicate", |_, found, _| found.push(at(9, 1))),
            ("LostWrite", |history, found, _| {
                found.retain(|found| found.value != 2);
                history.polls.retain(|poll| poll.value != 2);
            }),
            ("Unseen", |_, found, _| found.retain(|found| found.value != 6)),
            ("MovedOffset", |history, _, _| history.sends[5].offset = Some(8)),
            ("AbortedRead", |_, found, _| found.push(at(5, 5))),
            ("AbortedRead", |history, _, _| {
                history.sends[0].outcome = Outcome::Failed
            }),
            ("UncommittedRead", |history, _, _| {
                history.transactions[0].decided = Some(Duration::from_secs(51))
            }),
            ("PartialTransaction", |_, found, _| {
                found.retain(|found| found.value != 4)
            }),
            ("NonMonotonicPoll", |history, _, _| history.polls.swap(3, 4)),
            ("NonMonotonicPoll", |history, _, _| {
                let again = history.polls[1].clone();
                history.polls.insert(2, again);
            }),
            ("PollSkip", |history, _, _| {
                history.polls.remove(4);
            }),
            ("NonMonotonicSend", |history, _, _| history.sends[2..4].reverse()),
            ("Foreign", |_, found, _| found.push(at(11, 99))),
            ("CommitLost", |_, _, committed| {
                committed.insert(0, 1);
            }),
            ("CommitLost", |_, _, committed| committed.clear()),
        ];
        for (name, spoil) in cases {
            let (mut history, mut found, mut committed) = good();
            spoil(&mut history, &mut found, &mut committed);
            let anomalies = check(&history, &found, &committed);
            assert!(names(&anomalies).contains(&(*name).to_owned()), "{name}: {anomalies:?}");
        }
    }

    #[test]
    fn what_had_not_ended_at_the_cut_may_be_there_or_not() {
        let (history, mut found, committed) = good();
        let cut = history.until(Duration::from_millis(6_500));
        assert_eq!(check(&cut, &found, &HashMap::new()), []);
        found.retain(|found| found.value != 6);
        assert_eq!(check(&cut, &found, &committed), []);
        found.retain(|found| found.value != 1);
        assert!(!check(&cut, &found, &committed).is_empty());
    }
}
