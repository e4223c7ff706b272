//! Groups of KIP-848 as a pure state machine: heartbeats, topics and time in, answers and what to store out.
//!
//! Three epochs carry a rebalance: the group's grows when members, subscriptions or topics change; the assignment's says
//! which group epoch the target assignment was computed for; a member's says which assignment it has reached. A member
//! goes there step by step, and a partition goes to its new owner only after the old one has said that it gave it up.
//! Members that still speak the classic protocol take part through JoinGroup, SyncGroup and Heartbeat.

mod assign;
mod classic;
mod convert;
mod heartbeat;
mod member;
mod offsets;
#[cfg(test)]
mod simulation;
mod stored;
mod subscription;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use base::{PartitionIndex, TimestampMs};

pub(crate) use heartbeat::{Beat, BeatRequest, check_beat};
pub(crate) use member::{Member, Progress};
pub use subscription::Assignor;

use super::topics::TopicId;
use super::{Effects, GroupLimits};

/// Whether groups may go from one protocol to the other while members are in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationPolicy {
    #[default]
    Bidirectional,
    Upgrade,
    Downgrade,
    Disabled,
}

impl MigrationPolicy {
    fn allows_upgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Upgrade)
    }

    fn allows_downgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Downgrade)
    }
}

/// What a KIP-848 group allows.
#[derive(Clone, Debug)]
pub struct ConsumerGroupLimits {
    /// `group.consumer.session.timeout.ms`.
    pub session_timeout_ms: i64,
    /// `group.consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.assignment.interval.ms`: a new target assignment is computed at most this often.
    pub assignment_interval_ms: i64,
    /// `group.consumer.max.size`.
    pub members_max: usize,
    /// `group.consumer.assignors`, the default first.
    pub assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub migration_policy: MigrationPolicy,
}

impl Default for ConsumerGroupLimits {
    fn default() -> ConsumerGroupLimits {
        ConsumerGroupLimits {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 1_000,
            members_max: 10_000,
            assignors: vec![Assignor::Uniform, Assignor::Range],
            migration_policy: MigrationPolicy::default(),
        }
    }
}

/// A topic that members subscribe to, as the group last saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    id: TopicId,
    partitions: PartitionIndex,
}

/// One group.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    limits: GroupLimits,
    epoch: i32,
    assignment_epoch: i32,
    /// When the target assignment was last computed.
    assigned_ms: TimestampMs,
    members: BTreeMap<String, Member>,
    /// Instance id to member id.
    instances: BTreeMap<String, String>,
    /// How many members hold a partition, assigned or not yet given up; one, but for what careless classic leaders left.
    holders: HashMap<(TopicId, PartitionIndex), u32>,
    /// The topics subscribed to that exist, by name.
    seen: BTreeMap<Arc<str>, Seen>,
    /// Tells `seen` from what it was before a restart.
    seen_hash: u64,
    /// The version of the topics that `seen` was taken from.
    seen_version: Option<u64>,
    /// The topics that each pattern means.
    patterns: BTreeMap<String, BTreeSet<Arc<str>>>,
    /// Members that changed, or went, since the group was last stored.
    unstored: BTreeSet<String>,
    deadline_hint_ms: i64,
}

impl ConsumerGroup {
    pub(crate) fn new(limits: GroupLimits) -> ConsumerGroup {
        ConsumerGroup {
            limits,
            epoch: 1,
            assignment_epoch: 0,
            assigned_ms: 0,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            holders: HashMap::new(),
            seen: BTreeMap::new(),
            seen_hash: 0,
            seen_version: None,
            patterns: BTreeMap::new(),
            unstored: BTreeSet::new(),
            deadline_hint_ms: i64::MAX,
        }
    }

    pub(crate) fn set_limits(&mut self, limits: GroupLimits) {
        self.limits = limits;
    }

    pub(crate) fn limits(&self) -> &GroupLimits {
        &self.limits
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn assignment_epoch(&self) -> i32 {
        self.assignment_epoch
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty()
    }

    /// What members have made the group hold.
    pub(crate) fn size_bytes(&self) -> usize {
        self.members.values().map(Member::size_bytes).sum()
    }

    /// As ConsumerGroupDescribe and ListGroups spell it.
    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(|member| self.is_settled(member)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    fn is_settled(&self, member: &Member) -> bool {
        member.standing.progress == Progress::Stable && member.standing.epoch == self.assignment_epoch
    }

    fn is_held(&self, topic: &TopicId, partition: PartitionIndex) -> bool {
        self.holders.contains_key(&(*topic, partition))
    }

    /// Takes a member in, or a changed one back.
    fn put(&mut self, member: Member) {
        if let Some(old) = self.members.get(&member.id) {
            if old.is_stored_alike(&member) {
                self.members.insert(member.id.clone(), member);
                return;
            }
            Self::release(&mut self.holders, old);
        }
        for key in member.held() {
            *self.holders.entry(key).or_default() += 1;
        }
        if let Some(instance_id) = &member.info.instance_id {
            self.instances.insert(instance_id.clone(), member.id.clone());
        }
        self.unstored.insert(member.id.clone());
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out; what it held is free.
    fn take(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        Self::release(&mut self.holders, &member);
        if let Some(instance_id) = &member.info.instance_id
            && self.instances.get(instance_id).is_some_and(|current| current == id)
        {
            self.instances.remove(instance_id);
        }
        self.unstored.insert(id.to_owned());
        Some(member)
    }

    fn release(holders: &mut HashMap<(TopicId, PartitionIndex), u32>, member: &Member) {
        for key in member.held() {
            if let Some(count) = holders.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    holders.remove(&key);
                }
            }
        }
    }

    /// Lets a member go: the group enters a new epoch, in which others get its partitions; and becomes a classic group if
    /// only classic members remain.
    fn remove(&mut self, id: &str, effects: &mut Effects) {
        let Some(member) = self.take(id) else { return };
        // Whoever heartbeats next finds out which topics still matter.
        self.seen_version = None;
        let members = &self.members;
        self.patterns.retain(|pattern, _| {
            members
                .values()
                .any(|other| other.info.pattern.as_ref() == Some(pattern))
        });
        effects.store = true;
        effects.resized = true;
        if member.info.classic.is_none() && self.may_become_classic() {
            // The generation its members know: they hear of a rebalance, not that they are strangers.
            effects.downgrade = Some(super::Downgrade::WithRebalance);
        } else {
            self.epoch += 1;
        }
    }

    /// Whether only classic members remain, and the group may go on as theirs.
    pub(crate) fn may_become_classic(&self) -> bool {
        !self.members.is_empty()
            && self.limits.consumer.migration_policy.allows_downgrade()
            && self.members.len() <= self.limits.members_max
            && self.members.values().all(|member| member.info.classic.is_some())
    }
}
