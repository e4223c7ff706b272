//! A world of members of both protocols under a seed: they come, crash, fall silent, come back, change their minds, and
//! lose answers, while topics grow and the broker restarts. No partition is ever read by two at once, epochs only grow,
//! and in peace everything is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{PartitionIndex, Random, SeededRandom};
use bytes::Bytes;
use wire::messages::consumer_protocol_subscription::{ConsumerProtocolSubscription, TopicPartition};
use wire::{ErrorCode, Message};

use super::classic::{assigned, assignment};
use super::{BeatRequest, ConsumerGroup, MigrationPolicy};
use crate::group::topics::{Parts, TopicId, Topics};
use crate::group::{
    Answer, AnyGroup, Caller, ConsumerGroupLimits, Effects, Group, GroupLimits, JoinRequest, Joined, Kind, Now,
    SyncRequest, Waiter,
};

const CLIENTS: usize = 5;
const SEEDS: u64 = 200;
const STEPS: usize = 400;
const REBALANCE_MS: i64 = 20_000;
const SESSION_MS: i64 = 10_000;

struct World {
    random: SeededRandom,
    limits: GroupLimits,
    group: AnyGroup,
    /// What is on disk, as kind and rows.
    disk: (Kind, BTreeMap<Bytes, Bytes>),
    topics: Catalogue,
    clients: Vec<Client>,
    now: Now,
    next_waiter: Waiter,
    waiting: BTreeMap<Waiter, usize>,
    /// The highest group epoch, or generation, seen.
    epoch: i32,
    fresh: u64,
}

#[derive(Default)]
struct Catalogue {
    version: u64,
    topics: BTreeMap<Arc<str>, (TopicId, PartitionIndex)>,
}

impl Topics for Catalogue {
    fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, name: &str) -> Option<(TopicId, PartitionIndex)> {
        self.topics.get(name).copied()
    }

    fn name(&self, id: &TopicId) -> Option<Arc<str>> {
        self.topics
            .iter()
            .find(|(_, (known, _))| known == id)
            .map(|(name, _)| Arc::clone(name))
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.topics.keys().cloned().collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Doing {
    Nothing,
    Joining(Waiter),
    Syncing(Waiter),
    Working,
}

#[derive(Debug)]
struct Client {
    /// Speaks the classic protocol.
    classic: bool,
    alive: bool,
    id: String,
    instance_id: Option<String>,
    names: Vec<String>,
    pattern: Option<String>,
    epoch: i32,
    /// What it reads, and so nobody else may.
    reads: Parts,
    /// What it was told to read, when it has not done so yet.
    told: Option<Parts>,
    must_say_all: bool,
    doing: Doing,
}

impl World {
    fn new(seed: u64) -> World {
        let random = SeededRandom::new(seed);
        let assignors = [super::Assignor::Uniform, super::Assignor::Range];
        let limits = GroupLimits {
            initial_rebalance_delay_ms: 0,
            consumer: ConsumerGroupLimits {
                session_timeout_ms: SESSION_MS,
                assignment_interval_ms: [0, 1_000][random.below(2) as usize],
                assignors: vec![assignors[random.below(2) as usize]],
                migration_policy: MigrationPolicy::Bidirectional,
                ..ConsumerGroupLimits::default()
            },
            ..GroupLimits::default()
        };
        // A third of the worlds has no classic members.
        let mixed = random.below(3) > 0;
        let mut world = World {
            group: AnyGroup::new(Kind::Classic, limits.clone()),
            limits,
            disk: (Kind::Classic, BTreeMap::new()),
            topics: Catalogue::default(),
            clients: Vec::new(),
            now: Now {
                monotonic_ms: 1_000,
                wall_ms: 1_700_000_000_000,
            },
            next_waiter: 0,
            waiting: BTreeMap::new(),
            epoch: 0,
            fresh: 0,
            random,
        };
        world.grow("orders", 5);
        world.grow("orders-eu", 3);
        for index in 0..CLIENTS {
            let id = world.fresh_id();
            world.clients.push(Client {
                classic: mixed && index >= 3,
                alive: true,
                id,
                instance_id: index.is_multiple_of(3).then(|| format!("static-{index}")),
                names: vec!["orders".to_owned()],
                pattern: None,
                epoch: 0,
                reads: Parts::new(),
                told: None,
                must_say_all: true,
                doing: Doing::Nothing,
            });
        }
        world
    }

    fn fresh_id(&mut self) -> String {
        self.fresh += 1;
        format!("m{}", self.fresh)
    }

    fn grow(&mut self, name: &str, partitions: PartitionIndex) {
        let number = self.topics.topics.len() as u8 + 1;
        let entry = self.topics.topics.entry(Arc::from(name)).or_insert(([number; 16], 0));
        entry.1 = entry.1.max(partitions);
        self.topics.version += 1;
    }

    fn below(&self, bound: u64) -> usize {
        self.random.below(bound) as usize
    }

    /// Stores and answers as the coordinator does. `lost`: the answers never arrive.
    fn apply(&mut self, effects: Effects, lost: bool) {
        if effects.stale.is_some() {
            self.disk.1.clear();
        }
        if effects.store {
            self.disk.0 = self.group.kind();
            for (key, value) in self.group.rows().unwrap() {
                match value {
                    Some(value) => drop(self.disk.1.insert(key, value)),
                    None => drop(self.disk.1.remove(&key)),
                }
            }
            self.group.is_written();
        }
        let epoch = match &self.group {
            AnyGroup::Share(_) | AnyGroup::Streams(_) => unreachable!("no such members here"),
            AnyGroup::Classic(group) => group.generation,
            AnyGroup::Consumer(group) => {
                assert!(
                    group.assignment_epoch() <= group.epoch(),
                    "an assignment follows its group's epoch"
                );
                check_holders(group);
                group.epoch()
            }
        };
        if !self.group.is_vacant() {
            assert!(
                epoch >= self.epoch,
                "epochs never go back: {epoch} after {}",
                self.epoch
            );
            self.epoch = epoch;
        } else {
            // An empty group may begin anew.
            self.epoch = 0;
        }
        for (waiter, answer) in effects.answers {
            let Some(index) = self.waiting.remove(&waiter) else {
                continue;
            };
            if lost || !self.clients[index].alive {
                continue;
            }
            self.receive(index, waiter, answer);
        }
    }

    fn check_readers(&self) {
        let mut readers = BTreeMap::new();
        for (index, client) in self.clients.iter().enumerate() {
            for (topic, partitions) in &client.reads {
                for partition in partitions {
                    let other = readers.insert((*topic, *partition), index);
                    assert_eq!(other, None, "{topic:?} {partition} is read by {index} too");
                }
            }
        }
    }

    fn turn(&mut self, index: usize, lost: bool) {
        if self.clients[index].classic {
            self.classic_turn(index);
        } else {
            self.beat(index, lost);
        }
    }

    fn beat(&mut self, index: usize, lost: bool) {
        let client = &mut self.clients[index];
        if let Some(told) = client.told.take() {
            client.reads = told;
            client.must_say_all = true;
        }
        let joins = client.epoch == 0;
        let says_all = joins || client.must_say_all;
        let request = BeatRequest {
            group_id: "g".to_owned(),
            member_id: client.id.clone(),
            epoch: client.epoch,
            instance_id: client.instance_id.clone(),
            rebalance_timeout_ms: says_all.then_some(REBALANCE_MS),
            names: says_all.then(|| client.names.clone()),
            pattern: says_all.then(|| client.pattern.clone().unwrap_or_default()),
            owned: says_all.then(|| client.reads.clone()),
            ..BeatRequest::default()
        };
        client.must_say_all = lost;
        let (outcome, effects) = self.group.beat(self.now, &self.topics, &self.limits, &request);
        self.apply(effects, false);
        let client = &mut self.clients[index];
        match outcome {
            _ if lost => {}
            Ok(beat) => {
                assert!(joins || beat.epoch >= client.epoch, "a member's epoch never goes back");
                client.epoch = beat.epoch;
                if let Some(told) = beat.assignment {
                    // What is taken away is given up with the next turn, what is new begins at once.
                    let mut reads = client.reads.clone();
                    for (topic, partitions) in &told {
                        reads.entry(*topic).or_default().extend(partitions);
                    }
                    client.reads = reads;
                    client.told = Some(told);
                }
            }
            Err(refusal) => match refusal.code {
                ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId | ErrorCode::GroupIdNotFound => {
                    client.begin_anew();
                }
                ErrorCode::FencedInstanceId => {
                    client.begin_anew();
                    client.id = format!("{}x", client.id);
                }
                ErrorCode::UnreleasedInstanceId => {}
                other => panic!("client {index} was told {other:?}: {}", refusal.message),
            },
        }
        self.check_readers();
    }

    fn classic_turn(&mut self, index: usize) {
        match self.clients[index].doing {
            Doing::Nothing => self.join(index),
            Doing::Working => {
                let caller = self.clients[index].caller();
                let error = self.group.heartbeat(self.now, &caller);
                self.settle(index, error);
            }
            Doing::Joining(_) | Doing::Syncing(_) => {}
        }
    }

    fn waiter(&mut self, index: usize) -> Waiter {
        self.next_waiter += 1;
        self.waiting.insert(self.next_waiter, index);
        self.next_waiter
    }

    /// An eager member: gives everything up before it joins.
    fn join(&mut self, index: usize) {
        let waiter = self.waiter(index);
        let fresh_member_id = self.fresh_id();
        let client = &mut self.clients[index];
        client.reads.clear();
        client.doing = Doing::Joining(waiter);
        let subscription = ConsumerProtocolSubscription {
            topics: client.names.clone(),
            owned_partitions: Vec::<TopicPartition>::new(),
            ..ConsumerProtocolSubscription::default()
        };
        let metadata = [&1_i16.to_be_bytes()[..], &subscription.to_bytes(1).unwrap()].concat();
        let request = JoinRequest {
            member_id: client.id.clone(),
            fresh_member_id,
            instance_id: client.instance_id.clone(),
            client_id: "c".to_owned(),
            client_host: "/h".to_owned(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Bytes::from(metadata))],
            two_step: true,
            may_skip_assignment: false,
        };
        let effects = self.group.join(self.now, &self.topics, waiter, request);
        self.apply(effects, false);
    }

    fn sync(&mut self, index: usize, joined: &Joined) {
        let waiter = self.waiter(index);
        let client = &mut self.clients[index];
        client.doing = Doing::Syncing(waiter);
        let leads = joined.leader == client.id;
        let mut assignments: Vec<Parts> = vec![Parts::new(); joined.members.len()];
        if leads {
            let all = self
                .topics
                .topics
                .values()
                .flat_map(|(id, count)| (0..*count).map(move |number| (*id, number)));
            for (at, (id, partition)) in all.enumerate() {
                let place = at % assignments.len();
                assignments[place].entry(id).or_default().insert(partition);
            }
        }
        let of = |(place, parts): (usize, &Parts)| {
            let (id, _, metadata) = &joined.members[place];
            (id.clone(), assignment(parts, &self.topics, Some(metadata)))
        };
        let request = SyncRequest {
            caller: client.caller(),
            protocol_type: joined.protocol_type.clone(),
            protocol: joined.protocol.clone(),
            assignments: assignments.iter().enumerate().map(of).collect(),
        };
        let effects = self.group.sync(self.now, &self.topics, waiter, request);
        self.apply(effects, false);
    }

    fn receive(&mut self, index: usize, waiter: Waiter, answer: Answer) {
        let client = &mut self.clients[index];
        match answer {
            Answer::Join(joined) if client.doing == Doing::Joining(waiter) => {
                if joined.error != ErrorCode::None {
                    if joined.error == ErrorCode::MemberIdRequired {
                        client.id.clone_from(&joined.member_id);
                    }
                    return self.settle(index, joined.error);
                }
                client.id.clone_from(&joined.member_id);
                client.epoch = joined.generation;
                self.sync(index, &joined);
            }
            Answer::Sync(synced) if client.doing == Doing::Syncing(waiter) => {
                if synced.error != ErrorCode::None {
                    return self.settle(index, synced.error);
                }
                client.doing = Doing::Working;
                client.reads = assigned(&synced.assignment, &self.topics).unwrap();
                self.check_readers();
            }
            _ => {}
        }
    }

    fn settle(&mut self, index: usize, error: ErrorCode) {
        let client = &mut self.clients[index];
        match error {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress | ErrorCode::MemberIdRequired => {
                client.doing = Doing::Nothing;
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId => {
                client.id.clear();
                client.reads.clear();
                client.doing = Doing::Nothing;
            }
            other => panic!("client {index} was told {other:?}"),
        }
    }

    fn advance(&mut self, by_ms: i64) {
        let until = self.now.monotonic_ms + by_ms;
        while self.group.deadline_ms() <= until {
            let to = self.group.deadline_ms().max(self.now.monotonic_ms);
            self.now.wall_ms += to - self.now.monotonic_ms;
            self.now.monotonic_ms = to;
            // Whoever the group is about to give up has given up itself: a client knows its own timeouts.
            self.drop_late();
            let effects = self.group.tick(self.now, &self.topics);
            assert!(
                self.group.deadline_ms() > self.now.monotonic_ms,
                "time passes between two ticks"
            );
            self.apply(effects, false);
        }
        self.now.wall_ms += until - self.now.monotonic_ms;
        self.now.monotonic_ms = until;
    }

    /// Members with a deadline at this moment stop reading.
    fn drop_late(&mut self) {
        let now_ms = self.now.monotonic_ms;
        let late: Vec<String> = match &self.group {
            AnyGroup::Share(_) | AnyGroup::Streams(_) => unreachable!("no such members here"),
            AnyGroup::Consumer(group) => {
                let late = group
                    .members
                    .values()
                    .filter(|member| member.timers.earliest_ms() <= now_ms);
                late.map(|member| member.id.clone()).collect()
            }
            AnyGroup::Classic(group) => {
                let waits = group
                    .gathering
                    .is_some_and(|gathering| gathering.deadline_ms() <= now_ms);
                let unsynced = group.sync_deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms);
                let late = group.members.values().filter(|member| {
                    member.session_deadline_ms <= now_ms
                        || waits && member.join_waiter.is_none()
                        || unsynced && group.unsynced.contains(&member.id)
                });
                late.map(|member| member.id.clone()).collect()
            }
        };
        for client in &mut self.clients {
            if late.contains(&client.id) {
                client.reads.clear();
                client.told = None;
            }
        }
    }

    fn misbehave(&mut self, index: usize) {
        match self.below(8) {
            // The process dies, and so reads nothing any more.
            0 => {
                let client = &mut self.clients[index];
                client.alive = false;
                client.reads.clear();
                client.told = None;
            }
            // A new process, under a new id; for static members in the place of the old one.
            1 => {
                let id = if self.clients[index].classic {
                    String::new()
                } else {
                    self.fresh_id()
                };
                let client = &mut self.clients[index];
                client.begin_anew();
                client.alive = true;
                client.id = id;
            }
            2 => self.leave(index),
            // Changes its mind.
            3 => {
                let (names, pattern) = match self.below(4) {
                    0 => (vec!["orders".to_owned(), "none".to_owned()], None),
                    1 => (vec!["orders-eu".to_owned()], None),
                    2 => (Vec::new(), Some("orders.*".to_owned())),
                    _ => (vec!["orders".to_owned(), "orders-eu".to_owned()], None),
                };
                let client = &mut self.clients[index];
                if !client.classic {
                    (client.names, client.pattern) = (names, pattern);
                    client.must_say_all = true;
                }
            }
            4 => {
                let partitions = 3 + self.below(6) as PartitionIndex;
                let name = ["orders", "orders-eu", "orders-us"][self.below(3)];
                self.grow(name, partitions);
            }
            5 => self.restart_broker(),
            6 if self.clients[index].alive && !self.clients[index].classic => self.turn(index, true),
            _ => {}
        }
    }

    fn leave(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.reads.clear();
        client.told = None;
        let (id, instance_id) = (client.id.clone(), client.instance_id.clone());
        let effects = if client.classic {
            client.doing = Doing::Nothing;
            self.group.leave(self.now, &self.topics, &id, instance_id.as_deref()).1
        } else {
            let request = BeatRequest {
                group_id: "g".to_owned(),
                member_id: id,
                epoch: if instance_id.is_some() { -2 } else { -1 },
                instance_id,
                ..BeatRequest::default()
            };
            client.begin_anew();
            self.group.beat(self.now, &self.topics, &self.limits, &request).1
        };
        self.apply(effects, false);
    }

    /// Only what was stored comes back. A classic group in the middle of a rebalance stores nothing of it.
    fn restart_broker(&mut self) {
        if let AnyGroup::Classic(_) = &self.group
            && !matches!(self.group.state_name(), "Stable" | "Empty")
        {
            return;
        }
        let rows: Vec<(Bytes, Bytes)> = self.disk.1.clone().into_iter().collect();
        let before = (self.group.kind(), self.group.state_name());
        let Some((_, first)) = rows.first().cloned() else {
            return;
        };
        self.group = match self.disk.0 {
            Kind::Share | Kind::Streams => unreachable!("no such members here"),
            Kind::Classic => AnyGroup::Classic(Group::restore(first, self.limits.clone(), self.now).unwrap()),
            Kind::Consumer => AnyGroup::Consumer(ConsumerGroup::restore(rows, self.limits.clone(), self.now).unwrap()),
        };
        assert_eq!(
            (self.group.kind(), self.group.state_name()),
            before,
            "the group is what it was"
        );
        if self.group.is_vacant() {
            self.epoch = 0;
        }
        for (_, index) in std::mem::take(&mut self.waiting) {
            if self.clients[index].doing != Doing::Working {
                self.clients[index].doing = Doing::Nothing;
            }
        }
    }
}

impl Client {
    fn begin_anew(&mut self) {
        self.epoch = 0;
        self.reads.clear();
        self.told = None;
        self.must_say_all = true;
        self.doing = Doing::Nothing;
    }

    fn caller(&self) -> Caller {
        Caller {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            generation: self.epoch,
        }
    }
}

fn check_holders(group: &ConsumerGroup) {
    let mut held = BTreeSet::new();
    for member in group.members() {
        for key in member.held() {
            assert!(held.insert(key), "{key:?} has two holders");
        }
        assert!(
            member.standing.epoch <= group.assignment_epoch(),
            "members follow the assignment"
        );
    }
    assert_eq!(
        held,
        group.holders.keys().copied().collect(),
        "the index of holders is right"
    );
}

#[test]
fn no_partition_ever_has_two_readers_and_in_peace_all_are_read() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            let index = world.below(CLIENTS as u64);
            match world.below(12) {
                0 => world.misbehave(index),
                1..=3 => {
                    let by_ms = [10, 500, 3_000, 12_000][world.below(4)];
                    world.advance(by_ms);
                }
                _ if world.clients[index].alive => world.turn(index, false),
                _ => {}
            }
            world.check_readers();
        }
        for index in 0..CLIENTS {
            if !world.clients[index].alive {
                let id = if world.clients[index].classic {
                    String::new()
                } else {
                    world.fresh_id()
                };
                world.clients[index].begin_anew();
                world.clients[index].alive = true;
                world.clients[index].id = id;
            }
            world.clients[index].names = vec!["orders".to_owned(), "orders-eu".to_owned()];
            world.clients[index].pattern = None;
            world.clients[index].must_say_all = true;
            if world.clients[index].classic {
                world.clients[index].doing = Doing::Nothing;
            }
        }
        for _ in 0..150 {
            for index in 0..CLIENTS {
                world.turn(index, false);
            }
            world.advance(1_000);
            world.check_readers();
        }
        assert_eq!(world.group.state_name(), "Stable", "seed {seed}: {:?}", world.clients);
        let wanted = ["orders", "orders-eu"].map(|name| world.topics.topics[name]);
        let read: BTreeSet<(TopicId, PartitionIndex)> = world
            .clients
            .iter()
            .flat_map(|client| &client.reads)
            .flat_map(|(id, partitions)| partitions.iter().map(|partition| (*id, *partition)))
            .collect();
        for (id, count) in wanted {
            assert!(
                (0..count).all(|partition| read.contains(&(id, partition))),
                "seed {seed}: all are read"
            );
        }
        for index in 0..CLIENTS {
            world.clients[index].instance_id = None;
        }
        let ids: Vec<String> = match &world.group {
            AnyGroup::Share(_) | AnyGroup::Streams(_) => unreachable!("no such members here"),
            AnyGroup::Consumer(group) => group.members().map(|member| member.id.clone()).collect(),
            AnyGroup::Classic(group) => group.members().map(|member| member.id.clone()).collect(),
        };
        for id in ids {
            let (error, effects) = world.group.leave(world.now, &world.topics, &id, None);
            assert_eq!(error, ErrorCode::None);
            world.apply(effects, false);
        }
        world.advance(REBALANCE_MS);
        assert!(world.group.is_vacant(), "seed {seed}");
    }
}
