//! Random clients against one transactional id over a bad network, judged by a naive model of what they were told.
//!
//! Requests arrive late, twice, or not at all; answers get lost; clients die and are followed by others; transactions
//! time out. The model knows only what each client was answered: what it was told is committed must be readable in
//! full, what it was told is aborted must never be, and everything else must be one or the other, never both.

use std::collections::HashMap;

use base::{Random, SeededRandom};

use super::*;

const PARTITIONS: u64 = 3;
const TIMEOUT_MS: i32 = 50;
const SEEDS: u64 = 400;
const STEPS: usize = 600;

/// What lies in a partition: a record of an attempt, or a marker.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Data { producer: Producer, attempt: usize },
    Marker { producer: Producer, commit: bool },
}

#[derive(Clone, Debug)]
enum Request {
    Init,
    Write { producer: Producer, partition: u64 },
    Offsets { producer: Producer },
    End { producer: Producer, commit: bool },
}

#[derive(Clone, Debug)]
enum Answer {
    Producer(Producer),
    Done,
    Error(ErrorCode),
}

/// A request in the network, of one client's one attempt.
#[derive(Clone, Debug)]
struct Packet {
    client: usize,
    number: usize,
    attempt: usize,
    request: Request,
}

/// What a client believes of one of its transactions.
#[derive(Clone, Debug, Default)]
struct Attempt {
    /// Acknowledged writes, by partition.
    written: Vec<u64>,
    offsets: bool,
    outcome: Option<bool>,
}

struct Client {
    producer: Option<Producer>,
    attempt: usize,
    number: usize,
    waiting: Option<Packet>,
    is_dead: bool,
}

struct World {
    random: SeededRandom,
    now_ms: i64,
    transaction: Transaction,
    next_id: i64,
    partitions: Vec<Vec<Entry>>,
    /// The attempt whose offsets are the group's.
    committed_offsets: Vec<usize>,
    pending_attempts: Vec<usize>,
    network: Vec<Packet>,
    attempts: Vec<Attempt>,
    clients: Vec<Client>,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            random: SeededRandom::new(seed),
            now_ms: 0,
            transaction: Transaction::new(1, 0),
            next_id: 1,
            partitions: vec![Vec::new(); PARTITIONS as usize],
            committed_offsets: Vec::new(),
            pending_attempts: Vec::new(),
            network: Vec::new(),
            attempts: Vec::new(),
            clients: Vec::new(),
        }
    }

    fn chance(&self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    fn finish(&mut self, ending: Ending) {
        for id in ending.partitions.keys() {
            self.partitions[id.0 as usize].push(Entry::Marker {
                producer: ending.producer,
                commit: ending.commit,
            });
        }
        let pending = std::mem::take(&mut self.pending_attempts);
        if ending.commit {
            self.committed_offsets.extend(pending);
        }
        self.transaction = ending.next;
    }

    /// The log's own rule: an epoch older than one seen is refused.
    fn is_stale(&self, partition: u64, producer: Producer) -> bool {
        self.partitions[partition as usize].iter().any(|entry| match entry {
            Entry::Data { producer: seen, .. } | Entry::Marker { producer: seen, .. } => {
                seen.id == producer.id && seen.epoch > producer.epoch
            }
        })
    }

    fn serve(&mut self, packet: &Packet) -> Answer {
        let fresh = Some(self.next_id + 1);
        match packet.request {
            Request::Init => match self.transaction.init(None, TIMEOUT_MS, fresh, self.now_ms) {
                Ok(Initialised::Ready(next)) => {
                    self.next_id = self.next_id.max(next.producer.id);
                    self.transaction = next;
                    Answer::Producer(self.transaction.producer)
                }
                Ok(Initialised::Fences(ending)) => {
                    self.finish(ending);
                    Answer::Error(ErrorCode::ConcurrentTransactions)
                }
                Err(refused) => panic!("{refused:?}"),
            },
            Request::Write { producer, partition } => {
                let place = Place {
                    topic: "t".to_owned(),
                    index: partition as i32,
                };
                let id = PartitionId(partition);
                match self.transaction.add_partitions(producer, &[(id, place)], self.now_ms) {
                    Ok(_) if self.is_stale(partition, producer) => panic!("the log refuses what the state allows"),
                    Ok(next) => {
                        self.transaction = next.unwrap_or_else(|| self.transaction.clone());
                        self.partitions[partition as usize].push(Entry::Data {
                            producer,
                            attempt: packet.attempt,
                        });
                        Answer::Done
                    }
                    Err(code) => Answer::Error(code),
                }
            }
            Request::Offsets { producer } => {
                match self
                    .transaction
                    .commit_offsets(producer, Flow::V2, "g", &[], self.now_ms)
                {
                    Ok(next) => {
                        self.transaction = next;
                        self.pending_attempts.push(packet.attempt);
                        Answer::Done
                    }
                    Err(code) => Answer::Error(code),
                }
            }
            Request::End { producer, commit } => {
                match self.transaction.end(producer, commit, Flow::V2, fresh, self.now_ms) {
                    Ok(Ended::Already) => Answer::Producer(self.transaction.producer),
                    Ok(Ended::Now(ending)) => {
                        self.finish(ending);
                        self.next_id = self.next_id.max(self.transaction.producer.id);
                        Answer::Producer(self.transaction.producer)
                    }
                    Err(Refused::With(code)) => Answer::Error(code),
                    Err(Refused::NeedsProducerId) => panic!("it has one"),
                }
            }
        }
    }

    /// What a client does with an answer it was waiting for.
    fn learn(&mut self, packet: &Packet, answer: Answer) {
        let client = &mut self.clients[packet.client];
        let awaited = client.waiting.as_ref().map(|waiting| waiting.number);
        if client.is_dead || awaited != Some(packet.number) {
            return;
        }
        client.waiting = None;
        let attempt = &mut self.attempts[packet.attempt];
        match (&packet.request, answer) {
            (Request::Init, Answer::Producer(producer)) => {
                client.producer = Some(producer);
                client.attempt = self.attempts.len();
                self.attempts.push(Attempt::default());
            }
            (Request::Write { partition, .. }, Answer::Done) => attempt.written.push(*partition),
            (Request::Offsets { .. }, Answer::Done) => attempt.offsets = true,
            (Request::End { commit, .. }, Answer::Producer(producer)) => {
                attempt.outcome = Some(*commit);
                client.producer = Some(producer);
                client.attempt = self.attempts.len();
                self.attempts.push(Attempt::default());
            }
            (Request::Init, Answer::Error(ErrorCode::ConcurrentTransactions)) => {}
            (_, Answer::Error(_)) => client.is_dead = true,
            (request, answer) => panic!("{request:?} was answered {answer:?}"),
        }
    }

    fn act(&mut self, at: usize) {
        let client = &self.clients[at];
        if client.is_dead {
            return;
        }
        if let Some(packet) = client.waiting.clone() {
            // No answer yet: ask again. A write's repeats are told apart by its sequence, which is the log's matter.
            if !matches!(packet.request, Request::Write { .. }) && self.chance(20) {
                self.network.push(packet);
            }
            return;
        }
        let (number, attempt) = (client.number + 1, client.attempt);
        let request = match client.producer {
            None => Request::Init,
            Some(producer) => match self.random.below(10) {
                0..=4 => Request::Write {
                    producer,
                    partition: self.random.below(PARTITIONS),
                },
                5 => Request::Offsets { producer },
                6..=8 if !self.attempts[attempt].written.is_empty() => Request::End { producer, commit: true },
                9 => Request::End {
                    producer,
                    commit: false,
                },
                _ => return,
            },
        };
        let packet = Packet {
            client: at,
            number,
            attempt,
            request,
        };
        self.clients[at].number = number;
        self.clients[at].waiting = Some(packet.clone());
        self.network.push(packet);
    }

    fn step(&mut self) {
        self.now_ms += self.random.below(4) as i64;
        if self.clients.iter().all(|client| client.is_dead) || self.chance(1) {
            self.attempts.push(Attempt::default());
            self.clients.push(Client {
                producer: None,
                attempt: self.attempts.len() - 1,
                number: 0,
                waiting: None,
                is_dead: false,
            });
        }
        let at = self.random.below(self.clients.len() as u64) as usize;
        self.act(at);
        if !self.network.is_empty() && self.chance(70) {
            let which = self.random.below(self.network.len() as u64) as usize;
            let packet = self.network[which].clone();
            // A write is delivered once: sequence numbers see to that.
            if matches!(packet.request, Request::Write { .. }) || self.chance(70) {
                self.network.swap_remove(which);
            }
            let answer = self.serve(&packet);
            if self.chance(80) {
                self.learn(&packet, answer);
            }
        }
        if self.chance(10)
            && let Some(ending) = self.transaction.time_out(self.now_ms)
        {
            self.finish(ending);
        }
    }

    /// Attempt to what became of its records: partitions in which they are committed, and in which they are not.
    fn read(&self) -> HashMap<usize, (Vec<u64>, Vec<u64>)> {
        let mut found: HashMap<usize, (Vec<u64>, Vec<u64>)> = HashMap::new();
        for (partition, entries) in (0..).zip(&self.partitions) {
            let mut open: Vec<(Producer, usize)> = Vec::new();
            for entry in entries {
                match *entry {
                    Entry::Data { producer, attempt } => open.push((producer, attempt)),
                    Entry::Marker { producer, commit } => {
                        for (_, attempt) in open.extract_if(.., |(by, _)| by.id == producer.id) {
                            let (committed, aborted) = found.entry(attempt).or_default();
                            if commit { committed } else { aborted }.push(partition);
                        }
                    }
                }
            }
            assert!(
                open.is_empty(),
                "partition {partition} has an open transaction: {open:?}"
            );
        }
        found
    }

    fn judge(&mut self) {
        // Let everything under way arrive, then let whatever is open time out.
        while let Some(packet) = self.network.pop() {
            let answer = self.serve(&packet);
            self.learn(&packet, answer);
        }
        self.now_ms += 1_000;
        if let Some(ending) = self.transaction.time_out(self.now_ms) {
            self.finish(ending);
        }
        let found = self.read();
        for (number, attempt) in self.attempts.iter().enumerate() {
            let (committed, aborted) = found.get(&number).cloned().unwrap_or_default();
            assert!(
                committed.is_empty() || aborted.is_empty(),
                "attempt {number} is half committed: {attempt:?}"
            );
            let offsets = self.committed_offsets.contains(&number);
            match attempt.outcome {
                Some(true) => {
                    for partition in &attempt.written {
                        assert!(
                            committed.contains(partition),
                            "attempt {number} lost a write: {attempt:?}"
                        );
                    }
                    assert_eq!(offsets, attempt.offsets, "attempt {number}: {attempt:?}");
                }
                Some(false) => {
                    assert!(committed.is_empty(), "attempt {number} was aborted: {attempt:?}");
                    assert!(!offsets, "attempt {number} was aborted: {attempt:?}");
                }
                None if !committed.is_empty() && attempt.offsets => assert!(offsets),
                None => {}
            }
        }
    }
}

#[test]
fn what_clients_were_told_is_so() {
    let mut ended = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        if seed % 8 == 0 {
            // Soon out of epochs.
            world.transaction.producer.epoch = EPOCH_LAST - 3;
        }
        for _ in 0..STEPS {
            world.step();
        }
        world.judge();
        ended += world
            .attempts
            .iter()
            .filter(|attempt| attempt.outcome.is_some())
            .count();
    }
    assert!(ended > SEEDS as usize * 5, "only {ended} transactions ended");
}
