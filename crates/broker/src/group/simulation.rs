//! A world of misbehaving members under a seed: whatever they do, every request is answered once, generations agree,
//! and when the misbehaviour stops the group settles.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base::{Random, SeededRandom};
use bytes::Bytes;
use wire::ErrorCode;

use super::{Answer, Caller, Effects, Group, GroupLimits, JoinRequest, Joined, Now, State, SyncRequest, Waiter};

const CLIENTS: usize = 6;
const SEEDS: u64 = 400;
const STEPS: usize = 300;
const SESSION_MS: i64 = 10_000;
const REBALANCE_MS: i64 = 30_000;

#[derive(Clone, Debug, PartialEq)]
enum Doing {
    Nothing,
    Joining(Waiter),
    Syncing(Waiter),
    Working,
}

#[derive(Debug)]
struct Client {
    member_id: String,
    instance_id: Option<String>,
    generation: i32,
    /// What the last join told: who leads and, to the leader, who is there.
    joined: Option<Joined>,
    doing: Doing,
    /// Silent clients neither send nor see answers.
    alive: bool,
    metadata: Bytes,
}

struct World {
    random: SeededRandom,
    group: Group,
    limits: GroupLimits,
    clients: Vec<Client>,
    now: Now,
    next_waiter: Waiter,
    waiting: HashMap<Waiter, usize>,
    /// What each generation's leader decided.
    decided: BTreeMap<(i32, String), Bytes>,
    /// What each generation was told about itself.
    told: BTreeMap<i32, (Option<String>, String)>,
    generation: i32,
}

impl World {
    fn new(seed: u64) -> World {
        let random = SeededRandom::new(seed);
        let initial_rebalance_delay_ms = [0, 3_000][random.below(2) as usize];
        let limits = GroupLimits {
            initial_rebalance_delay_ms,
            ..GroupLimits::default()
        };
        let clients = (0..CLIENTS)
            .map(|index| Client {
                member_id: String::new(),
                instance_id: index.is_multiple_of(3).then(|| format!("static-{index}")),
                generation: -1,
                joined: None,
                doing: Doing::Nothing,
                alive: true,
                metadata: Bytes::from_static(b"topics"),
            })
            .collect();
        World {
            random,
            group: Group::new(limits.clone()),
            limits,
            clients,
            now: Now {
                monotonic_ms: 1_000,
                wall_ms: 1_700_000_000_000,
            },
            next_waiter: 0,
            waiting: HashMap::new(),
            decided: BTreeMap::new(),
            told: BTreeMap::new(),
            generation: 0,
        }
    }

    fn waiter(&mut self, client: usize) -> Waiter {
        self.next_waiter += 1;
        self.waiting.insert(self.next_waiter, client);
        self.next_waiter
    }

    fn join(&mut self, index: usize) {
        let waiter = self.waiter(index);
        let client = &mut self.clients[index];
        client.doing = Doing::Joining(waiter);
        let request = JoinRequest {
            member_id: client.member_id.clone(),
            fresh_member_id: format!("client-{index}-{waiter}"),
            instance_id: client.instance_id.clone(),
            client_id: format!("client-{index}"),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), client.metadata.clone())],
            two_step: index.is_multiple_of(2),
            may_skip_assignment: index.is_multiple_of(2),
        };
        let effects = self.group.join(self.now, waiter, request);
        self.apply(effects);
    }

    fn sync(&mut self, index: usize) {
        let waiter = self.waiter(index);
        let client = &mut self.clients[index];
        client.doing = Doing::Syncing(waiter);
        let joined = client.joined.clone().expect("sync follows join");
        let leads = joined.leader == client.member_id && !joined.skip_assignment;
        let assignments: Vec<_> = if leads {
            let part = |id: &String| Bytes::from(format!("{}@{}", id, joined.generation));
            joined.members.iter().map(|(id, ..)| (id.clone(), part(id))).collect()
        } else {
            Vec::new()
        };
        let request = SyncRequest {
            caller: caller(client),
            protocol_type: joined.protocol_type.clone(),
            protocol: joined.protocol.clone(),
            assignments: assignments.clone(),
        };
        let before = self.group.state();
        let effects = self.group.sync(self.now, waiter, request);
        if leads && before == State::CompletingRebalance && self.group.state() == State::Stable {
            for (id, part) in assignments {
                self.decided.insert((joined.generation, id), part);
            }
        }
        self.apply(effects);
    }

    fn heartbeat(&mut self, index: usize) {
        let error = self.group.heartbeat(self.now, &caller(&self.clients[index]));
        self.settle(index, error);
    }

    /// What a client does after an error.
    fn settle(&mut self, index: usize, error: ErrorCode) {
        let client = &mut self.clients[index];
        match error {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress | ErrorCode::MemberIdRequired => client.doing = Doing::Nothing,
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId => {
                client.member_id.clear();
                client.doing = Doing::Nothing;
            }
            other => panic!("client {index} was told {other:?}"),
        }
    }

    fn apply(&mut self, effects: Effects) {
        for (waiter, answer) in effects.answers {
            let index = self.waiting.remove(&waiter).expect("a waiter is answered once");
            let expected = match &answer {
                Answer::Join(_) => Doing::Joining(waiter),
                Answer::Sync(_) => Doing::Syncing(waiter),
                Answer::Beat(_) | Answer::StreamsBeat(_) => unreachable!("nobody here asks for one"),
            };
            if self.clients[index].doing == expected && self.clients[index].alive {
                self.receive(index, answer);
            }
        }
        assert!(self.group.generation >= self.generation, "generations never go back");
        self.generation = self.group.generation;
        for member in self.group.members() {
            let known = member
                .instance_id
                .as_ref()
                .is_none_or(|id| self.group.instances.get(id) == Some(&member.id));
            assert!(known, "every static member is found by its instance id");
        }
        assert_eq!(
            self.group.instances.len(),
            self.group.members().filter(|m| m.instance_id.is_some()).count()
        );
    }

    fn receive(&mut self, index: usize, answer: Answer) {
        match answer {
            Answer::Beat(_) | Answer::StreamsBeat(_) => unreachable!("nobody here asks for one"),
            Answer::Join(joined) => {
                if joined.error == ErrorCode::MemberIdRequired {
                    self.clients[index].member_id.clone_from(&joined.member_id);
                }
                if joined.error != ErrorCode::None {
                    return self.settle(index, joined.error);
                }
                let told = (joined.protocol.clone(), joined.leader.clone());
                let static_leader = joined.skip_assignment || !self.group.members.contains_key(&joined.leader);
                let first = self.told.entry(joined.generation).or_insert_with(|| told.clone());
                assert_eq!(first.0, told.0, "one protocol per generation");
                assert!(first.1 == told.1 || static_leader || self.clients.iter().any(|c| c.instance_id.is_some()));
                let client = &mut self.clients[index];
                client.member_id.clone_from(&joined.member_id);
                client.generation = joined.generation;
                client.joined = Some(joined);
                self.sync(index);
            }
            Answer::Sync(synced) => {
                if synced.error != ErrorCode::None {
                    return self.settle(index, synced.error);
                }
                let client = &mut self.clients[index];
                client.doing = Doing::Working;
                if let Some(part) = self.decided.get(&(client.generation, client.member_id.clone())) {
                    assert_eq!(&synced.assignment, part, "a member gets what its leader decided");
                }
            }
        }
    }

    fn advance(&mut self, by_ms: i64) {
        let until = self.now.monotonic_ms + by_ms;
        while self.group.deadline_ms() <= until {
            let to = self.group.deadline_ms().max(self.now.monotonic_ms);
            self.now.wall_ms += to - self.now.monotonic_ms;
            self.now.monotonic_ms = to;
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

    /// What a well-behaved client does when it is its turn.
    fn turn(&mut self, index: usize) {
        match self.clients[index].doing {
            Doing::Nothing => self.join(index),
            // The client's heartbeat thread; while joining or syncing it is silent.
            Doing::Working => self.heartbeat(index),
            Doing::Joining(_) | Doing::Syncing(_) => {}
        }
    }

    fn misbehave(&mut self, index: usize) {
        match self.random.below(7) {
            // The process dies, and its requests are forgotten.
            0 => self.clients[index].alive = false,
            1 => {
                let client = &mut self.clients[index];
                client.alive = true;
                client.member_id.clear();
                client.doing = Doing::Nothing;
            }
            // A retry while the first request still waits.
            2 if self.clients[index].doing != Doing::Nothing => self.join(index),
            3 => {
                let client = &self.clients[index];
                let (id, instance) = (client.member_id.clone(), client.instance_id.clone());
                let (_, effects) = self.group.leave(self.now, &id, instance.as_deref());
                self.apply(effects);
            }
            4 => {
                self.clients[index].metadata = Bytes::from(format!("topics {}", self.random.below(3)));
                self.clients[index].doing = Doing::Nothing;
            }
            5 => self.restart_broker(),
            _ => {
                let mut stale = caller(&self.clients[index]);
                stale.generation -= 1;
                assert_ne!(
                    self.group.heartbeat(self.now, &stale),
                    ErrorCode::None,
                    "an old generation is refused"
                );
            }
        }
    }

    /// Only what was stored comes back; whoever waited is cut off. Checked when what is stored is what is.
    fn restart_broker(&mut self) {
        if !matches!(self.group.state(), State::Empty | State::Stable) {
            return;
        }
        let stored = self.group.encode().unwrap();
        self.group = Group::restore(stored.clone(), self.limits.clone(), self.now).unwrap();
        assert_eq!(self.group.encode().unwrap(), stored);
        for (_, index) in std::mem::take(&mut self.waiting) {
            if !matches!(self.clients[index].doing, Doing::Working) {
                self.clients[index].doing = Doing::Nothing;
            }
        }
    }
}

fn caller(client: &Client) -> Caller {
    Caller {
        member_id: client.member_id.clone(),
        instance_id: client.instance_id.clone(),
        generation: client.generation,
    }
}

#[test]
fn members_that_misbehave_never_break_the_group() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            let index = world.random.below(CLIENTS as u64) as usize;
            match world.random.below(10) {
                0 => world.misbehave(index),
                1..=3 => {
                    let by_ms = [10, 500, 3_000, 12_000][world.random.below(4) as usize];
                    world.advance(by_ms);
                }
                _ if world.clients[index].alive => world.turn(index),
                _ => {}
            }
        }
        // Peace: everybody lives and behaves. Requests of dead processes are not waited for.
        for client in &mut world.clients {
            if !client.alive {
                client.alive = true;
                client.member_id.clear();
                client.doing = Doing::Nothing;
            }
        }
        for _ in 0..600 {
            for index in 0..CLIENTS {
                world.turn(index);
            }
            world.advance(1_000);
        }
        assert_eq!(world.group.state(), State::Stable, "seed {seed}");
        let members: BTreeSet<_> = world.group.members().map(|member| member.id.clone()).collect();
        let clients: BTreeSet<_> = world.clients.iter().map(|client| client.member_id.clone()).collect();
        assert_eq!(members, clients, "seed {seed}");
        assert!(
            world.clients.iter().all(|client| client.doing == Doing::Working),
            "seed {seed}"
        );
        assert!(world.waiting.is_empty(), "seed {seed}: nobody waits for ever");
        for client in 0..CLIENTS {
            let id = world.clients[client].member_id.clone();
            let (error, effects) = world.group.leave(world.now, &id, None);
            assert_eq!(error, ErrorCode::None);
            world.apply(effects);
        }
        world.advance(REBALANCE_MS);
        assert_eq!(world.group.state(), State::Empty, "seed {seed}");
        assert!(world.group.is_vacant(), "seed {seed}");
    }
}

fn quick_group() -> World {
    let mut world = World::new(1);
    world.limits.initial_rebalance_delay_ms = 0;
    world.group = Group::new(world.limits.clone());
    world
}

#[test]
fn a_static_member_takes_its_place_back_without_a_rebalance() {
    let mut world = quick_group();
    for index in [0, 1] {
        world.turn(index);
        world.advance(1);
    }
    for _ in 0..40 {
        world.turn(0);
        world.turn(1);
        world.advance(1_000);
    }
    assert_eq!(world.group.state(), State::Stable);
    let (generation, old) = (world.group.generation, caller(&world.clients[0]));
    world.clients[0].member_id.clear();
    world.clients[0].doing = Doing::Nothing;
    world.turn(0);
    assert_eq!(
        (world.group.state(), world.group.generation),
        (State::Stable, generation)
    );
    assert_eq!(world.clients[0].doing, Doing::Working);
    assert_eq!(world.group.heartbeat(world.now, &old), ErrorCode::FencedInstanceId);
    assert_eq!(
        world.group.heartbeat(world.now, &caller(&world.clients[0])),
        ErrorCode::None
    );
}

#[test]
fn sessions_outside_the_limits_and_foreign_protocols_are_refused() {
    let mut world = quick_group();
    world.turn(1);
    world.advance(1);
    let refuse = |world: &mut World, change: &dyn Fn(&mut JoinRequest), expected: ErrorCode| {
        let mut request = JoinRequest {
            member_id: String::new(),
            fresh_member_id: "x".to_owned(),
            instance_id: None,
            client_id: "x".to_owned(),
            client_host: "/x".to_owned(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Bytes::new())],
            two_step: true,
            may_skip_assignment: true,
        };
        change(&mut request);
        match world.group.join(world.now, 99, request).answers.pop() {
            Some((99, Answer::Join(joined))) => assert_eq!(joined.error, expected),
            other => panic!("{other:?}"),
        }
    };
    refuse(
        &mut world,
        &|request| request.session_timeout_ms = 5_999,
        ErrorCode::InvalidSessionTimeout,
    );
    refuse(
        &mut world,
        &|request| request.session_timeout_ms = 1_800_001,
        ErrorCode::InvalidSessionTimeout,
    );
    refuse(
        &mut world,
        &|request| request.protocol_type = "connect".to_owned(),
        ErrorCode::InconsistentGroupProtocol,
    );
    refuse(
        &mut world,
        &|request| request.protocols[0].0 = "odd".to_owned(),
        ErrorCode::InconsistentGroupProtocol,
    );
    refuse(
        &mut world,
        &|request| request.protocols.clear(),
        ErrorCode::InconsistentGroupProtocol,
    );
    refuse(
        &mut world,
        &|request| request.member_id = "stranger".to_owned(),
        ErrorCode::UnknownMemberId,
    );
    refuse(&mut world, &|_| {}, ErrorCode::MemberIdRequired);
}

#[test]
fn offsets_may_be_committed_by_members_and_by_tools_while_nobody_is_here() {
    let mut world = quick_group();
    let tool = Caller {
        generation: -1,
        ..Caller::default()
    };
    assert_eq!(world.group.commit(world.now, &tool), ErrorCode::None);
    world.turn(1);
    world.advance(1);
    assert_eq!(world.group.state(), State::Stable);
    assert_eq!(world.group.commit(world.now, &tool), ErrorCode::UnknownMemberId);
    let member = caller(&world.clients[1]);
    assert_eq!(world.group.commit(world.now, &member), ErrorCode::None);
    let late = Caller {
        generation: member.generation - 1,
        ..member
    };
    assert_eq!(world.group.commit(world.now, &late), ErrorCode::IllegalGeneration);
}
