//! A world of Streams instances under a seed: they come, crash, fall silent, come back and lose answers, while the broker
//! restarts. No task ever runs twice, no process ever has one twice, and in peace every task runs, with its standbys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{PartitionIndex, Random, SeededRandom};
use bytes::Bytes;
use wire::ErrorCode;
use wire::messages::streams_group_heartbeat_request::{Subtopology, TopicInfo, Topology};

use super::{Role, StreamsBeatRequest, StreamsGroup, StreamsGroupLimits, Tasks};
use crate::group::topics::{Parts, TopicId, Topics};
use crate::group::{Effects, GroupLimits, Now};

const CLIENTS: usize = 5;
const SEEDS: u64 = 80;
const STEPS: usize = 400;

#[derive(Default)]
struct Catalogue {
    version: u64,
    topics: BTreeMap<String, PartitionIndex>,
}

impl Topics for Catalogue {
    fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, name: &str) -> Option<(TopicId, PartitionIndex)> {
        Some(([1; 16], *self.topics.get(name)?))
    }

    fn name(&self, _: &TopicId) -> Option<Arc<str>> {
        None
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.topics.keys().map(|name| Arc::from(name.as_str())).collect()
    }
}

#[derive(Debug)]
struct Client {
    id: String,
    process_id: String,
    alive: bool,
    epoch: i32,
    /// What it does, and so nobody else may.
    does: Tasks,
    /// What it was told to do, when it does not yet do only that.
    told: Option<Tasks>,
    must_say_all: bool,
}

struct World {
    random: SeededRandom,
    limits: GroupLimits,
    group: StreamsGroup,
    disk: BTreeMap<Bytes, Bytes>,
    topics: Catalogue,
    clients: Vec<Client>,
    now: Now,
    fresh: u64,
}

fn topology() -> Topology {
    let info = |name: &str| TopicInfo {
        name: name.to_owned(),
        ..TopicInfo::default()
    };
    let first = Subtopology {
        subtopology_id: "0".to_owned(),
        source_topics: vec!["in".to_owned()],
        repartition_sink_topics: vec!["r".to_owned()],
        ..Subtopology::default()
    };
    let second = Subtopology {
        subtopology_id: "1".to_owned(),
        repartition_source_topics: vec![info("r")],
        state_changelog_topics: vec![info("s")],
        ..Subtopology::default()
    };
    Topology {
        epoch: 0,
        subtopologies: vec![first, second],
    }
}

impl World {
    fn new(seed: u64) -> World {
        let random = SeededRandom::new(seed);
        let limits = GroupLimits {
            streams: StreamsGroupLimits {
                session_timeout_ms: 10_000,
                assignment_interval_ms: [0, 1_000][random.below(2) as usize],
                initial_rebalance_delay_ms: [0, 3_000][random.below(2) as usize],
                standby_replicas: random.below(3) as usize,
                ..StreamsGroupLimits::default()
            },
            ..GroupLimits::default()
        };
        let mut world = World {
            group: StreamsGroup::new(limits.clone()),
            limits,
            disk: BTreeMap::new(),
            topics: Catalogue::default(),
            clients: Vec::new(),
            now: Now {
                monotonic_ms: 1_000,
                wall_ms: 1_700_000_000_000,
            },
            fresh: 0,
            random,
        };
        world.topics.topics.insert("in".to_owned(), 5);
        for index in 0..CLIENTS {
            let client = Client {
                id: world.fresh_id(),
                process_id: format!("p{}", index % 3),
                alive: true,
                epoch: 0,
                does: Tasks::new(),
                told: None,
                must_say_all: true,
            };
            world.clients.push(client);
        }
        world
    }

    fn fresh_id(&mut self) -> String {
        self.fresh += 1;
        format!("m{}", self.fresh)
    }

    fn apply(&mut self, effects: Effects) {
        if effects.store {
            for (key, value) in self.group.rows().unwrap() {
                match value {
                    Some(value) => drop(self.disk.insert(key, value)),
                    None => drop(self.disk.remove(&key)),
                }
            }
            self.group.is_written();
        }
        let mut held: BTreeMap<_, BTreeMap<String, u32>> = BTreeMap::new();
        for member in self.group.members() {
            assert!(
                member.standing.epoch <= self.group.assignment_epoch(),
                "members follow the assignment"
            );
            for key in member.held() {
                *held
                    .entry(key)
                    .or_default()
                    .entry(member.info.process_id.clone())
                    .or_default() += 1;
            }
        }
        let known: BTreeMap<_, _> = self.group.holders.clone().into_iter().collect();
        assert_eq!(held, known, "the index of holders is right");
    }

    fn check(&self, seed: u64) {
        let mut active = BTreeSet::new();
        let mut by_process = BTreeSet::new();
        for client in &self.clients {
            for ((role, subtopology), partitions) in &client.does {
                for partition in partitions {
                    let task = (subtopology, partition);
                    assert!(
                        *role == Role::Standby || active.insert(task),
                        "seed {seed}: {task:?} runs twice"
                    );
                    let here = (&client.process_id, task);
                    assert!(
                        by_process.insert(here),
                        "seed {seed}: {here:?} is there twice: {:#?}",
                        self.clients
                    );
                }
            }
        }
    }

    fn beat(&mut self, index: usize, lost: bool) {
        let client = &mut self.clients[index];
        if let Some(told) = client.told.take() {
            client.does = told;
            client.must_say_all = true;
        }
        let joins = client.epoch == 0;
        let says_all = joins || client.must_say_all;
        let of = |wanted: Role| -> Option<Parts<String>> {
            let of_role = client.does.iter().filter(|((role, _), _)| *role == wanted);
            says_all.then(|| {
                of_role
                    .map(|((_, id), partitions)| (id.clone(), partitions.clone()))
                    .collect()
            })
        };
        let request = StreamsBeatRequest {
            group_id: "g".to_owned(),
            member_id: client.id.clone(),
            epoch: client.epoch,
            rebalance_timeout_ms: says_all.then_some(20_000),
            topology: joins.then(topology),
            active: of(Role::Active),
            standby: of(Role::Standby),
            warmup: says_all.then(Parts::new),
            process_id: joins.then(|| client.process_id.clone()),
            ..StreamsBeatRequest::default()
        };
        request.check(&self.limits).unwrap();
        client.must_say_all = lost;
        let (outcome, effects) = self.group.heartbeat(self.now, &self.topics, &request);
        self.apply(effects);
        let client = &mut self.clients[index];
        match outcome {
            _ if lost => {}
            Ok(beat) => {
                for topic in beat.create {
                    self.topics.topics.insert(topic.name, topic.partitions);
                    self.topics.version += 1;
                }
                client.epoch = beat.epoch;
                if let Some(told) = beat.tasks {
                    // What is taken away ends with the next turn, what is new begins at once.
                    for (task, partitions) in &told {
                        client.does.entry(task.clone()).or_default().extend(partitions);
                    }
                    client.told = Some(told);
                }
            }
            Err(refusal) => match refusal.code {
                ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => client.begin_anew(),
                other => panic!("client {index} was told {other:?}: {}", refusal.message),
            },
        }
    }

    fn advance(&mut self, by_ms: i64) {
        let until = self.now.monotonic_ms + by_ms;
        while self.group.deadline_ms() <= until {
            let to = self.group.deadline_ms().max(self.now.monotonic_ms);
            self.now.wall_ms += to - self.now.monotonic_ms;
            self.now.monotonic_ms = to;
            // Whoever the group is about to give up has given up itself: a client knows its own timeouts.
            let late = self.group.members().filter(|member| member.earliest_ms() <= to);
            let late: BTreeSet<String> = late.map(|member| member.id.clone()).collect();
            for client in self.clients.iter_mut().filter(|client| late.contains(&client.id)) {
                client.does.clear();
                client.told = None;
            }
            let effects = self.group.tick(self.now);
            assert!(
                self.group.deadline_ms() > self.now.monotonic_ms,
                "time passes between two ticks"
            );
            self.apply(effects);
        }
        self.now.wall_ms += until - self.now.monotonic_ms;
        self.now.monotonic_ms = until;
    }

    fn misbehave(&mut self, index: usize) {
        match self.random.below(5) {
            // The process dies, and so does nothing any more.
            0 => {
                let client = &mut self.clients[index];
                client.alive = false;
                client.begin_anew();
            }
            1 => {
                let id = self.fresh_id();
                let client = &mut self.clients[index];
                client.begin_anew();
                (client.alive, client.id) = (true, id);
            }
            2 => {
                let client = &mut self.clients[index];
                client.begin_anew();
                let request = StreamsBeatRequest {
                    group_id: "g".to_owned(),
                    member_id: client.id.clone(),
                    epoch: -1,
                    ..StreamsBeatRequest::default()
                };
                let (_, effects) = self.group.heartbeat(self.now, &self.topics, &request);
                self.apply(effects);
            }
            3 if !self.disk.is_empty() => {
                let before = (
                    self.group.epoch(),
                    self.group.assignment_epoch(),
                    self.group.members().count(),
                );
                let rows = self.disk.clone().into_iter().collect();
                self.group = StreamsGroup::restore(rows, self.limits.clone(), self.now).unwrap();
                let after = (
                    self.group.epoch(),
                    self.group.assignment_epoch(),
                    self.group.members().count(),
                );
                assert_eq!(after, before, "the group is what it was");
            }
            _ if self.clients[index].alive => self.beat(index, true),
            _ => {}
        }
    }
}

impl Client {
    fn begin_anew(&mut self) {
        self.epoch = 0;
        self.does.clear();
        self.told = None;
        self.must_say_all = true;
    }
}

#[test]
fn no_task_ever_runs_twice_and_in_peace_all_run() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            let index = world.random.below(CLIENTS as u64) as usize;
            match world.random.below(12) {
                0 => world.misbehave(index),
                1..=3 => {
                    let by_ms = [10, 500, 3_000, 12_000][world.random.below(4) as usize];
                    world.advance(by_ms);
                }
                _ if world.clients[index].alive => world.beat(index, false),
                _ => {}
            }
            world.check(seed);
        }
        for index in 0..CLIENTS {
            if !world.clients[index].alive {
                let id = world.fresh_id();
                let client = &mut world.clients[index];
                (client.alive, client.id) = (true, id);
            }
        }
        for _ in 0..60 {
            for index in 0..CLIENTS {
                world.beat(index, false);
            }
            world.advance(1_000);
            world.check(seed);
        }
        assert_eq!(world.group.state_name(), "Stable", "seed {seed}");
        let count = |wanted: Role| -> usize {
            let does = world.clients.iter().flat_map(|client| &client.does);
            does.filter(|((role, _), _)| *role == wanted)
                .map(|(_, partitions)| partitions.len())
                .sum()
        };
        assert_eq!(count(Role::Active), 10, "seed {seed}: every task runs");
        let standbys = 5 * world.limits.streams.standby_replicas;
        assert_eq!(count(Role::Standby), standbys, "seed {seed}: with its standbys");
    }
}
