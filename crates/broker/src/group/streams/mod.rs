//! The members of a Kafka Streams application (KIP-1071) as a pure state machine: heartbeats, topics and time in, tasks,
//! and topics to be made, out.
//!
//! A task is one partition of a subtopology: active, or a standby that keeps its state warm elsewhere. Like partitions
//! in a consumer group, tasks go to a new owner only once the old one has given them up; and one process, whose members
//! share a directory of state, never has a task twice.

mod assign;
mod check;
mod heartbeat;
mod member;
mod offsets;
#[cfg(test)]
mod simulation;
mod stored;
mod topology;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base::{PartitionIndex, TimestampMs};
use wire::messages::streams_group_heartbeat_request::Topology;

pub(crate) use heartbeat::{StreamsBeat, StreamsBeatRequest};
pub(crate) use member::{Endpoint, Role, StreamsMember, Task, Tasks};
pub(crate) use topology::{Configured, InternalTopic};

use super::reconcile::Progress;
use super::{Effects, GroupLimits, Now};

/// What a streams group allows.
#[derive(Clone, Debug)]
pub struct StreamsGroupLimits {
    /// `group.streams.session.timeout.ms`.
    pub session_timeout_ms: i64,
    /// `group.streams.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.streams.assignment.interval.ms`: a new assignment is computed at most this often.
    pub assignment_interval_ms: i64,
    /// `group.streams.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay_ms: i64,
    /// `group.streams.num.standby.replicas`.
    pub standby_replicas: usize,
    /// `group.streams.max.size`.
    pub members_max: usize,
}

impl Default for StreamsGroupLimits {
    fn default() -> StreamsGroupLimits {
        StreamsGroupLimits {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 1_000,
            initial_rebalance_delay_ms: 3_000,
            standby_replicas: 0,
            members_max: 10_000,
        }
    }
}

/// One group.
#[derive(Debug)]
pub(crate) struct StreamsGroup {
    limits: GroupLimits,
    epoch: i32,
    assignment_epoch: i32,
    assigned_ms: TimestampMs,
    members: BTreeMap<String, StreamsMember>,
    /// What the application does, as its first member said.
    topology: Option<Topology>,
    /// What that means with the topics there are.
    configured: Configured,
    configured_hash: u64,
    configured_version: Option<u64>,
    /// Which processes hold a task, and by how many members.
    holders: HashMap<(Task, PartitionIndex), BTreeMap<String, u32>>,
    /// Until then an empty group waits for more members.
    delayed_until_ms: i64,
    /// Grows when an endpoint has other tasks than before.
    endpoint_epoch: i32,
    /// The member that wants all to end.
    shutdown: Option<String>,
    unstored: BTreeSet<String>,
    deadline_hint_ms: i64,
}

impl StreamsGroup {
    pub(crate) fn new(limits: GroupLimits) -> StreamsGroup {
        StreamsGroup {
            limits,
            epoch: 1,
            assignment_epoch: 1,
            assigned_ms: 0,
            members: BTreeMap::new(),
            topology: None,
            configured: Configured::default(),
            configured_hash: 0,
            configured_version: None,
            holders: HashMap::new(),
            delayed_until_ms: 0,
            endpoint_epoch: 0,
            shutdown: None,
            unstored: BTreeSet::new(),
            deadline_hint_ms: i64::MAX,
        }
    }

    pub(crate) fn limits(&self) -> &GroupLimits {
        &self.limits
    }

    pub(crate) fn set_limits(&mut self, limits: GroupLimits) {
        self.limits = limits;
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn assignment_epoch(&self) -> i32 {
        self.assignment_epoch
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &StreamsMember> {
        self.members.values()
    }

    pub(crate) fn topology(&self) -> Option<&Topology> {
        self.topology.as_ref()
    }

    pub(crate) fn configured(&self) -> &Configured {
        &self.configured
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty()
    }

    /// What members have made the group hold.
    pub(crate) fn size_bytes(&self) -> usize {
        let topology = self.topology.as_ref().map_or(0, topology::size_bytes);
        topology + self.members.values().map(StreamsMember::size_bytes).sum::<usize>()
    }

    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if !self.configured.is_ready() {
            "NotReady"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(|member| self.is_settled(member)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    fn is_settled(&self, member: &StreamsMember) -> bool {
        member.standing.progress == Progress::Stable && member.standing.epoch == self.assignment_epoch
    }

    /// Whether a process could not have a task now: an active one that is active anywhere, or whose state it keeps; a
    /// standby of what it has already.
    fn is_held(&self, process: &str, (role, subtopology): &Task, partition: PartitionIndex) -> bool {
        let holders = |role: Role| self.holders.get(&((role, subtopology.clone()), partition));
        let here = |role: Role| holders(role).is_some_and(|processes| processes.contains_key(process));
        match role {
            Role::Active => holders(Role::Active).is_some() || here(Role::Standby),
            Role::Standby => here(Role::Active) || here(Role::Standby),
        }
    }

    /// Takes a member in, or a changed one back.
    fn put(&mut self, member: StreamsMember) {
        if let Some(old) = self.members.get(&member.id) {
            if old.is_stored_alike(&member) {
                self.members.insert(member.id.clone(), member);
                return;
            }
            Self::release(&mut self.holders, old);
        }
        for key in member.held() {
            let processes = self.holders.entry(key).or_default();
            *processes.entry(member.info.process_id.clone()).or_default() += 1;
        }
        self.unstored.insert(member.id.clone());
        self.members.insert(member.id.clone(), member);
    }

    fn release(holders: &mut HashMap<(Task, PartitionIndex), BTreeMap<String, u32>>, member: &StreamsMember) {
        for key in member.held() {
            let Some(processes) = holders.get_mut(&key) else {
                continue;
            };
            if let Some(count) = processes.get_mut(&member.info.process_id) {
                *count -= 1;
                if *count == 0 {
                    processes.remove(&member.info.process_id);
                }
            }
            if processes.is_empty() {
                holders.remove(&key);
            }
        }
    }

    /// Lets a member go: the group enters a new epoch, in which others get its tasks.
    fn remove(&mut self, id: &str, effects: &mut Effects) {
        let Some(member) = self.members.remove(id) else { return };
        Self::release(&mut self.holders, &member);
        self.unstored.insert(id.to_owned());
        self.epoch += 1;
        if member.info.endpoint.is_some() {
            self.endpoint_epoch += 1;
        }
        if self.members.is_empty() {
            self.shutdown = None;
        }
        effects.store = true;
        effects.resized = true;
    }

    /// When [`StreamsGroup::tick`] must be called at the latest; `i64::MAX` for never.
    pub(crate) fn deadline_ms(&self) -> i64 {
        self.deadline_hint_ms
    }

    /// Does what is due: members that are silent, or hold others up, go.
    pub(crate) fn tick(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let due = |deadline_ms: i64| deadline_ms <= now.monotonic_ms;
        let is_late = |member: &&StreamsMember| {
            let holds_up = member
                .rebalance_ms
                .is_some_and(|(epoch, deadline_ms)| due(deadline_ms) && epoch == member.standing.epoch);
            due(member.session_ms) || holds_up
        };
        let late: Vec<String> = self
            .members
            .values()
            .filter(is_late)
            .map(|member| member.id.clone())
            .collect();
        for id in late {
            self.remove(&id, &mut effects);
        }
        for member in self.members.values_mut() {
            // A deadline for an epoch the member has left says nothing.
            member.rebalance_ms = member.rebalance_ms.filter(|(_, deadline_ms)| !due(*deadline_ms));
        }
        let earliest = self.members.values().map(StreamsMember::earliest_ms).min();
        self.deadline_hint_ms = earliest.unwrap_or(i64::MAX);
        effects
    }
}
