//! The members of a share group (KIP-932) as a pure state machine: who is here, and which partitions each reads. Several
//! may read the same; nothing has to be given up before somebody else gets it.

mod assign;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use base::{PartitionIndex, TimestampMs};
use wire::ErrorCode;

use super::topics::{Parts, TopicId, Topics};
use super::{Effects, GroupLimits, MEMBER_BYTES, Now};
use crate::errors::Refusal;

/// The epoch with which a member joins.
const JOINS: i32 = 0;
/// The epoch with which a member leaves.
pub(super) const LEAVES: i32 = -1;

/// What a share group allows.
#[derive(Clone, Debug)]
pub struct ShareGroupLimits {
    /// `group.share.session.timeout.ms`.
    pub session_timeout_ms: i64,
    /// `group.share.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.share.assignment.interval.ms`: a new assignment is computed at most this often.
    pub assignment_interval_ms: i64,
    /// `group.share.max.size`.
    pub members_max: usize,
    /// `group.share.record.lock.duration.ms`.
    pub record_lock_ms: i64,
    /// `group.share.delivery.count.limit`.
    pub delivery_count_limit: i16,
    /// `group.share.partition.max.record.locks`.
    pub record_locks_max: i64,
    /// `group.share.max.share.sessions`.
    pub sessions_max: usize,
}

impl Default for ShareGroupLimits {
    fn default() -> ShareGroupLimits {
        ShareGroupLimits {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 1_000,
            members_max: 200,
            record_lock_ms: 30_000,
            delivery_count_limit: 5,
            record_locks_max: 2_000,
            sessions_max: 2_000,
        }
    }
}

/// What a member says; `None` is as before.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShareBeatRequest {
    pub(crate) group_id: String,
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) names: Option<Vec<String>>,
}

impl ShareBeatRequest {
    /// What the group would hold for this member.
    pub(crate) fn size_bytes(&self) -> usize {
        let names: usize = self.names.iter().flatten().map(|name| name.len() + 32).sum();
        self.member_id.len() + self.client_id.len() + self.rack_id.as_ref().map_or(0, String::len) + names
    }

    /// What can be said without looking at the group; in the words of Kafka, which clients show.
    pub(crate) fn check(&self, limits: &GroupLimits) -> Result<(), Refusal> {
        let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message.to_owned()));
        if self.group_id.trim().is_empty() {
            return invalid("GroupId can't be empty.");
        }
        if self.rack_id.as_ref().is_some_and(|rack| rack.trim().is_empty()) {
            return invalid("RackId can't be empty.");
        }
        if self.member_id.trim().is_empty() {
            return invalid("MemberId can't be empty.");
        }
        if self.epoch < LEAVES {
            return invalid("MemberEpoch is invalid.");
        }
        if self.epoch == JOINS && self.names.as_ref().is_none_or(Vec::is_empty) {
            return invalid("SubscribedTopicNames must be set in first request.");
        }
        if self.size_bytes() > limits.member_bytes_max {
            return invalid("The subscription is larger than this broker keeps for one member.");
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareMember {
    pub(crate) id: String,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) names: BTreeSet<String>,
    pub(crate) epoch: i32,
    previous_epoch: i32,
    /// What it was told to read.
    pub(crate) assigned: Parts,
    target: Parts,
}

/// One group.
#[derive(Debug)]
pub(crate) struct ShareGroup {
    limits: GroupLimits,
    epoch: i32,
    assignment_epoch: i32,
    assigned_ms: TimestampMs,
    members: BTreeMap<String, ShareMember>,
    /// When each member counts as gone unless it is heard from.
    sessions: BTreeMap<String, i64>,
    seen: BTreeMap<String, (TopicId, PartitionIndex)>,
    seen_hash: u64,
    seen_version: Option<u64>,
    unstored: BTreeSet<String>,
    deadline_hint_ms: i64,
}

impl ShareGroup {
    pub(crate) fn new(limits: GroupLimits) -> ShareGroup {
        ShareGroup {
            limits,
            epoch: 1,
            assignment_epoch: 0,
            assigned_ms: 0,
            members: BTreeMap::new(),
            sessions: BTreeMap::new(),
            seen: BTreeMap::new(),
            seen_hash: 0,
            seen_version: None,
            unstored: BTreeSet::new(),
            deadline_hint_ms: i64::MAX,
        }
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

    pub(crate) fn members(&self) -> impl Iterator<Item = &ShareMember> {
        self.members.values()
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() { "Empty" } else { "Stable" }
    }

    /// Topics that members subscribe to, with how many partitions they have.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (TopicId, PartitionIndex)> {
        self.seen.values().copied()
    }

    /// What members have made the group hold.
    pub(crate) fn size_bytes(&self) -> usize {
        let one = |member: &ShareMember| {
            let names: usize = member.names.iter().map(|name| name.len() + 32).sum();
            let partitions: usize = member
                .target
                .values()
                .map(|partitions| 32 + 32 * partitions.len())
                .sum();
            MEMBER_BYTES + member.id.len() + member.client_id.len() + names + 2 * partitions
        };
        self.members.values().map(one).sum()
    }

    pub(crate) fn deadline_ms(&self) -> i64 {
        self.deadline_hint_ms
    }

    pub(crate) fn heartbeat(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        request: &ShareBeatRequest,
    ) -> (Result<super::Beat, Refusal>, Effects) {
        let mut effects = Effects::default();
        let outcome = if request.epoch == LEAVES {
            self.depart(request, &mut effects)
        } else {
            self.stay(now, topics, request, &mut effects)
        };
        (outcome, effects)
    }

    fn stay(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        request: &ShareBeatRequest,
        effects: &mut Effects,
    ) -> Result<super::Beat, Refusal> {
        let mut member = self.member(request)?;
        let before = member.clone();
        member.client_id.clone_from(&request.client_id);
        member.client_host.clone_from(&request.client_host);
        if request.rack_id.is_some() {
            member.rack_id.clone_from(&request.rack_id);
        }
        if let Some(names) = &request.names {
            member.names = names.iter().cloned().collect();
        }
        let changed = member.names != before.names;
        let id = member.id.clone();
        let header = (self.epoch, self.assignment_epoch, self.seen_hash);
        self.put(member);
        if self.refresh(topics, changed) || changed {
            self.epoch += 1;
        }
        self.assign_if_due(now);
        let beat = self.settle(&id, before, request.epoch == JOINS);
        let deadline_ms = now.monotonic_ms + self.limits.share.session_timeout_ms;
        self.sessions.insert(id, deadline_ms);
        self.deadline_hint_ms = self.deadline_hint_ms.min(deadline_ms);
        effects.store |= !self.unstored.is_empty() || header != (self.epoch, self.assignment_epoch, self.seen_hash);
        effects.resized |= effects.store;
        Ok(beat)
    }

    fn member(&self, request: &ShareBeatRequest) -> Result<ShareMember, Refusal> {
        let Some(member) = self.members.get(&request.member_id) else {
            if request.epoch != JOINS {
                return Err(self.unknown(request));
            }
            let max = self.limits.share.members_max;
            if self.members.len() >= max {
                let message = format!("The share group has reached its maximum capacity of {max} members.");
                return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
            }
            return Ok(ShareMember {
                id: request.member_id.clone(),
                rack_id: None,
                client_id: String::new(),
                client_host: String::new(),
                names: BTreeSet::new(),
                epoch: 0,
                previous_epoch: 0,
                assigned: Parts::new(),
                target: Parts::new(),
            });
        };
        let (received, known, previous) = (request.epoch, member.epoch, member.previous_epoch);
        // Our last answer may have been lost: then the member still names the epoch before.
        if received == known || received == previous || received == JOINS {
            return Ok(member.clone());
        }
        let message = if received > known {
            format!(
                "The share group member has a greater member epoch ({received}) than the one known by the group \
                 coordinator ({known}). The member must abandon all its partitions and rejoin."
            )
        } else {
            format!(
                "The share group member has a smaller member epoch ({received}) than the one known by the group \
                 coordinator ({known}), and it does not match the previous member epoch ({previous}). The member must \
                 abandon all its partitions and rejoin."
            )
        };
        Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
    }

    fn unknown(&self, request: &ShareBeatRequest) -> Refusal {
        let message = format!(
            "Member {} is not a member of group {}.",
            request.member_id, request.group_id
        );
        Refusal::new(ErrorCode::UnknownMemberId, message)
    }

    fn put(&mut self, member: ShareMember) {
        if self.members.get(&member.id) != Some(&member) {
            self.unstored.insert(member.id.clone());
            self.members.insert(member.id.clone(), member);
        }
    }

    /// Brings a member to the assignment that holds, and says what it has to hear.
    fn settle(&mut self, id: &str, before: ShareMember, joins: bool) -> super::Beat {
        let mut member = self.members.get(id).cloned().unwrap_or(before.clone());
        if member.epoch != self.assignment_epoch {
            member.previous_epoch = member.epoch;
            member.epoch = self.assignment_epoch;
            member.assigned.clone_from(&member.target);
        }
        let tells = joins || member.assigned != before.assigned;
        let beat = super::Beat {
            member_id: member.id.clone(),
            epoch: member.epoch,
            heartbeat_interval_ms: self.limits.share.heartbeat_interval_ms,
            assignment: tells.then(|| member.assigned.clone()),
        };
        self.put(member);
        beat
    }

    /// Looks at the topics again if they or the subscriptions may have changed; says whether that matters to members.
    fn refresh(&mut self, topics: &dyn Topics, subscriptions_changed: bool) -> bool {
        let version = topics.version();
        if !subscriptions_changed && self.seen_version == Some(version) {
            return false;
        }
        let names: BTreeSet<&String> = self.members.values().flat_map(|member| &member.names).collect();
        let seen = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), topics.find(name)?)));
        let seen: BTreeMap<String, (TopicId, PartitionIndex)> = seen.collect();
        let mut hasher = DefaultHasher::new();
        seen.hash(&mut hasher);
        let hash = if seen.is_empty() { 0 } else { hasher.finish() };
        let matters = hash != self.seen_hash;
        (self.seen, self.seen_hash, self.seen_version) = (seen, hash, Some(version));
        matters
    }

    fn assign_if_due(&mut self, now: Now) {
        let age_ms = now.wall_ms - self.assigned_ms;
        let is_fresh = (0..self.limits.share.assignment_interval_ms).contains(&age_ms);
        if self.epoch == self.assignment_epoch || is_fresh {
            return;
        }
        let readers: Vec<assign::Reader<'_>> = self
            .members
            .values()
            .map(|member| assign::Reader {
                topics: member
                    .names
                    .iter()
                    .filter_map(|name| self.seen.get(name))
                    .map(|(id, _)| *id)
                    .collect(),
                has: &member.target,
            })
            .collect();
        let counts: BTreeMap<TopicId, PartitionIndex> = self.seen.values().copied().collect();
        let targets = assign::simple(&readers, &counts);
        for (member, target) in self.members.values_mut().zip(targets) {
            if member.target != target {
                member.target = target;
                self.unstored.insert(member.id.clone());
            }
        }
        self.assignment_epoch = self.epoch;
        self.assigned_ms = now.wall_ms;
    }

    fn depart(&mut self, request: &ShareBeatRequest, effects: &mut Effects) -> Result<super::Beat, Refusal> {
        if !self.members.contains_key(&request.member_id) {
            return Err(self.unknown(request));
        }
        self.remove(&request.member_id, effects);
        Ok(super::Beat {
            member_id: request.member_id.clone(),
            epoch: LEAVES,
            heartbeat_interval_ms: 0,
            assignment: None,
        })
    }

    fn remove(&mut self, id: &str, effects: &mut Effects) {
        self.members.remove(id);
        self.sessions.remove(id);
        self.unstored.insert(id.to_owned());
        self.epoch += 1;
        self.seen_version = None;
        effects.store = true;
        effects.resized = true;
    }

    /// Does what is due: members that are silent go.
    pub(crate) fn tick(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let late = self
            .sessions
            .iter()
            .filter(|(_, deadline_ms)| **deadline_ms <= now.monotonic_ms);
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        for id in late {
            self.remove(&id, &mut effects);
        }
        self.deadline_hint_ms = self.sessions.values().copied().min().unwrap_or(i64::MAX);
        effects
    }
}
