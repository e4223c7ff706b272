//! The heartbeat of KIP-1071: joining with a topology, taking and giving up tasks, leaving.

use std::collections::BTreeMap;

use base::PartitionIndex;
use wire::ErrorCode;
use wire::messages::streams_group_heartbeat_request::{Subtopology, Topology};

use super::assign::{Worker, sticky};
use super::check::invalid;
use super::member::{Endpoint, Role, StreamsMember, Task, Tasks, tasks};
use super::topology::{InternalTopic, configure, inputs, normal};
use super::{Effects, Now, StreamsGroup};
use crate::errors::Refusal;
use crate::group::reconcile::{Aim, Progress, reconcile};
use crate::group::topics::{Parts, Topics, is_within};

/// The epoch with which a member joins.
pub(super) const JOINS: i32 = 0;
/// The epoch with which a member leaves; with the one below, for now.
const LEAVES: i32 = -1;
pub(super) const LEAVES_FOR_NOW: i32 = -2;

/// Status codes, as heartbeats number them.
const SHUTDOWN_APPLICATION: i8 = 4;
const ASSIGNMENT_DELAYED: i8 = 5;

/// What a member says; `None` is as before.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamsBeatRequest {
    pub(crate) group_id: String,
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) endpoint_epoch: i32,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) rebalance_timeout_ms: Option<i64>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topology: Option<Topology>,
    pub(crate) active: Option<Parts<String>>,
    pub(crate) standby: Option<Parts<String>>,
    /// Tasks that warm up are never given out, so a member has none to speak of.
    pub(crate) warmup: Option<Parts<String>>,
    pub(crate) process_id: Option<String>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// Names the field with offsets of tasks that it has, if there is one.
    pub(crate) offsets: Option<&'static str>,
    pub(crate) shutdown: bool,
}

/// What a member is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamsBeat {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) heartbeat_interval_ms: i32,
    /// Codes and words.
    pub(crate) status: Vec<(i8, String)>,
    /// Set when the member has to hear it.
    pub(crate) tasks: Option<Tasks>,
    pub(crate) endpoint_epoch: i32,
    /// Set when the member has not heard of the endpoints as they are.
    pub(crate) endpoints: Option<Vec<EndpointShown>>,
    /// To be created.
    pub(crate) create: Vec<InternalTopic>,
}

/// An endpoint and the topics' partitions whose state it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointShown {
    pub(crate) endpoint: Endpoint,
    pub(crate) active: Parts<String>,
    pub(crate) standby: Parts<String>,
}

impl StreamsBeatRequest {
    /// The tasks it says it has, if it says it of all kinds.
    pub(super) fn owned(&self) -> Option<Tasks> {
        let (active, standby) = (self.active.as_ref()?, self.standby.as_ref()?);
        self.warmup.as_ref()?;
        let of = |role: Role, parts: &Parts<String>| -> Vec<_> {
            parts
                .iter()
                .map(|(id, partitions)| ((role, id.clone()), partitions.clone()))
                .collect()
        };
        Some(
            of(Role::Active, active)
                .into_iter()
                .chain(of(Role::Standby, standby))
                .collect(),
        )
    }

    fn is_complete(&self) -> bool {
        self.epoch == JOINS || self.rebalance_timeout_ms.is_some() && self.owned().is_some()
    }
}

impl StreamsGroup {
    pub(crate) fn heartbeat(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        request: &StreamsBeatRequest,
    ) -> (Result<StreamsBeat, Refusal>, Effects) {
        let mut effects = Effects::default();
        let outcome = if request.epoch == LEAVES {
            self.depart(request, &mut effects)
        } else {
            self.stay(now, topics, request, &mut effects)
        };
        (outcome, effects)
    }

    fn depart(&mut self, request: &StreamsBeatRequest, effects: &mut Effects) -> Result<StreamsBeat, Refusal> {
        if !self.members.contains_key(&request.member_id) {
            return Err(unknown(request));
        }
        self.remove(&request.member_id, effects);
        Ok(StreamsBeat {
            member_id: request.member_id.clone(),
            epoch: LEAVES,
            ..StreamsBeat::default()
        })
    }

    fn stay(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        request: &StreamsBeatRequest,
        effects: &mut Effects,
    ) -> Result<StreamsBeat, Refusal> {
        let mut member = self.member(request)?;
        let topology = self.accept(request)?;
        self.check_owned(&member, request)?;
        let was_vacant = self.members.is_empty();
        let before = member.clone();
        update(&mut member, request);
        let changed = member.info != before.info || !self.members.contains_key(&member.id);
        member.session_ms = now.monotonic_ms + self.limits.streams.session_timeout_ms;
        let id = member.id.clone();
        if was_vacant {
            self.delayed_until_ms = now.monotonic_ms + self.limits.streams.initial_rebalance_delay_ms;
        }
        let header = (self.epoch, self.assignment_epoch, self.configured_hash);
        let renewed = topology.is_some();
        if renewed {
            self.topology = topology;
            self.configured_version = None;
        }
        self.put(member);
        if self.refresh(topics) || changed {
            self.epoch += 1;
        }
        let mut status = Vec::new();
        if let Some(why) = self.assign_if_due(now) {
            status.push((ASSIGNMENT_DELAYED, why.to_owned()));
        }
        status.extend(self.configured.problem.clone());
        self.step(now, &id, request.owned().as_ref());
        if request.shutdown && self.shutdown.is_none() {
            self.shutdown = Some(id.clone());
        }
        if let Some(member) = &self.shutdown {
            let words = format!(
                "Streams group member {member} encountered a fatal error and requested a shutdown for the entire application."
            );
            status.push((SHUTDOWN_APPLICATION, words));
        }
        effects.store |= renewed || !self.unstored.is_empty();
        effects.store |= header != (self.epoch, self.assignment_epoch, self.configured_hash);
        effects.resized |= effects.store;
        Ok(self.beat(&id, &before, request, status))
    }

    fn beat(
        &mut self,
        id: &str,
        before: &StreamsMember,
        request: &StreamsBeatRequest,
        status: Vec<(i8, String)>,
    ) -> StreamsBeat {
        let (assigned, had) = (
            self.members.get(id).map(StreamsMember::assigned).unwrap_or_default(),
            before.assigned(),
        );
        let endpoint = self.members.get(id).and_then(|member| member.info.endpoint.clone());
        if endpoint != before.info.endpoint || endpoint.is_some() && assigned != had {
            self.endpoint_epoch += 1;
        }
        let hears = request.endpoint_epoch != self.endpoint_epoch;
        let endpoints = hears.then(|| self.endpoints());
        let tells = request.is_complete() || assigned != had;
        StreamsBeat {
            member_id: id.to_owned(),
            epoch: self.members.get(id).map_or(0, |member| member.standing.epoch),
            heartbeat_interval_ms: self.limits.streams.heartbeat_interval_ms,
            status,
            tasks: tells.then_some(assigned),
            endpoint_epoch: self.endpoint_epoch,
            endpoints,
            create: self.configured.missing.clone(),
        }
    }

    /// The member as it is, if its epoch is right.
    fn member(&self, request: &StreamsBeatRequest) -> Result<StreamsMember, Refusal> {
        let Some(member) = self.members.get(&request.member_id) else {
            if request.epoch != JOINS {
                return Err(unknown(request));
            }
            let max = self.limits.streams.members_max;
            if self.members.len() >= max {
                let message = format!("The streams group has reached its maximum capacity of {max} members.");
                return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
            }
            return Ok(StreamsMember::new(request.member_id.clone()));
        };
        let (known, received) = (member.standing.epoch, request.epoch);
        if received == known || received == JOINS {
            return Ok(member.clone());
        }
        let holds = |task: &Task, partition: PartitionIndex| {
            member
                .standing
                .assigned
                .get(task)
                .is_some_and(|held| held.contains_key(&partition))
        };
        // Our last answer may have been lost: then the member still names the epoch before.
        let repeats = received < known
            && received == member.standing.previous_epoch
            && request.owned().is_some_and(|owned| is_within(&owned, holds));
        if repeats {
            return Ok(member.clone());
        }
        let relation = if received > known { "greater" } else { "smaller" };
        let message = format!(
            "The streams group member has a {relation} member epoch ({received}) than the one known by the group coordinator \
             ({known}). The member must abandon all its partitions and rejoin."
        );
        Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
    }

    /// The topology to take over, if it is the group's first; for another one the group has to be deleted.
    fn accept(&self, request: &StreamsBeatRequest) -> Result<Option<Topology>, Refusal> {
        let Some(topology) = request.topology.clone().map(normal) else {
            return Ok(None);
        };
        match &self.topology {
            Some(known) if *known == topology => Ok(None),
            Some(_) => Err(invalid("Topology updates are not supported yet.")),
            None => Ok(Some(topology)),
        }
    }

    /// Looks at the topics again if they may have changed; says whether that matters to members.
    fn refresh(&mut self, topics: &dyn Topics) -> bool {
        let version = topics.version();
        if self.configured_version == Some(version) {
            return false;
        }
        let Some(topology) = &self.topology else { return false };
        self.configured = configure(topology, topics);
        self.configured_version = Some(version);
        let hash = self.configured.hash();
        let matters = hash != self.configured_hash;
        self.configured_hash = hash;
        matters
    }

    /// Computes the target assignment of the group's epoch, or says why not yet.
    fn assign_if_due(&mut self, now: Now) -> Option<&'static str> {
        if now.monotonic_ms < self.delayed_until_ms {
            return Some("Assignment delayed due to the configured initial rebalance delay.");
        }
        if self.epoch == self.assignment_epoch {
            return None;
        }
        let age_ms = now.wall_ms - self.assigned_ms;
        if (0..self.limits.streams.assignment_interval_ms).contains(&age_ms) {
            return Some("Assignment delayed due to the configured assignment interval.");
        }
        let workers: Vec<Worker<'_>> = self
            .members
            .values()
            .map(|member| Worker {
                process_id: &member.info.process_id,
                has: &member.target,
            })
            .collect();
        let targets = if self.configured.is_ready() {
            let configured = &self.configured;
            sticky(
                &workers,
                &configured.tasks,
                &configured.stateful,
                self.limits.streams.standby_replicas,
            )
        } else {
            vec![Tasks::new(); workers.len()]
        };
        for (member, target) in self.members.values_mut().zip(targets) {
            if member.target != target {
                member.target = target;
                self.unstored.insert(member.id.clone());
            }
        }
        self.assignment_epoch = self.epoch;
        self.assigned_ms = now.wall_ms;
        None
    }

    /// A member's next step towards its target.
    fn step(&mut self, now: Now, id: &str, owned: Option<&Tasks>) {
        let Some(member) = self.members.get(id) else { return };
        let mut member = member.clone();
        let process = &member.info.process_id;
        let aim = Aim {
            epoch: self.assignment_epoch,
            target: &member.target,
            is_wanted: &|_| true,
            subscription_changed: false,
            owned,
            is_held: &|task, partition| self.is_held(process, task, partition),
        };
        let standing = reconcile(&member.standing, &aim);
        if standing != member.standing {
            member.standing = standing;
            let revokes = member.standing.progress == Progress::Revoking;
            let deadline_ms = now.monotonic_ms + member.info.rebalance_timeout_ms;
            member.rebalance_ms = revokes.then_some((member.standing.epoch, deadline_ms));
        }
        self.deadline_hint_ms = self.deadline_hint_ms.min(member.earliest_ms());
        self.put(member);
    }

    /// Who answers questions about which partitions' state.
    fn endpoints(&self) -> Vec<EndpointShown> {
        let shown = self.members.values().filter_map(|member| {
            let endpoint = member.info.endpoint.clone()?;
            let held = tasks(&member.standing.assigned);
            Some(EndpointShown {
                endpoint,
                active: self.partitions_of(Role::Active, &held),
                standby: self.partitions_of(Role::Standby, &held),
            })
        });
        shown.collect()
    }

    /// The topics' partitions that tasks read.
    fn partitions_of(&self, role: Role, held: &Tasks) -> Parts<String> {
        let mut parts = Parts::new();
        let subtopologies: &[Subtopology] = self.topology.as_ref().map_or(&[], |topology| &topology.subtopologies);
        for subtopology in subtopologies {
            let Some(partitions) = held.get(&(role, subtopology.subtopology_id.clone())) else {
                continue;
            };
            for topic in inputs(subtopology) {
                let count = self.configured.partitions.get(topic).copied().unwrap_or(0);
                let read: std::collections::BTreeSet<i32> = partitions
                    .iter()
                    .copied()
                    .filter(|partition| *partition < count)
                    .collect();
                if !read.is_empty() {
                    parts.insert(topic.clone(), read);
                }
            }
        }
        parts
    }
}

fn unknown(request: &StreamsBeatRequest) -> Refusal {
    let message = format!(
        "Member {} is not a member of group {}.",
        request.member_id, request.group_id
    );
    Refusal::new(ErrorCode::UnknownMemberId, message)
}

fn update(member: &mut StreamsMember, request: &StreamsBeatRequest) {
    let info = &mut member.info;
    info.client_id.clone_from(&request.client_id);
    info.client_host.clone_from(&request.client_host);
    if request.rack_id.is_some() {
        info.rack_id.clone_from(&request.rack_id);
    }
    if let Some(timeout_ms) = request.rebalance_timeout_ms {
        info.rebalance_timeout_ms = timeout_ms;
    }
    if let Some(topology) = &request.topology {
        info.topology_epoch = topology.epoch;
    }
    if let Some(process_id) = &request.process_id {
        info.process_id.clone_from(process_id);
    }
    if request.endpoint.is_some() {
        info.endpoint.clone_from(&request.endpoint);
    }
    if let Some(tags) = &request.tags {
        info.tags.clone_from(tags);
    }
}
