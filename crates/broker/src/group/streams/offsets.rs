//! What a streams group's members mean for committed offsets.

use base::{PartitionIndex, TimestampMs};
use wire::ErrorCode;

use super::member::{Role, StreamsMember};
use super::topology::inputs;
use super::{StreamsGroup, Topology};
use crate::group::topics::{TopicId, Topics};
use crate::group::{Caller, CommitRoute};

/// The first OffsetCommit whose members know of member epochs.
const COMMIT_EPOCHS_FROM: i16 = 9;

impl StreamsGroup {
    /// Whether the caller may commit offsets now; with an older epoch, if it has had the tasks since.
    pub(crate) fn commit(&self, topics: &dyn Topics, caller: &Caller, route: &CommitRoute<'_>) -> ErrorCode {
        if caller.generation < 0 && self.members.is_empty() {
            return ErrorCode::None;
        }
        let Some(member) = self.members.get(&caller.member_id) else {
            return ErrorCode::UnknownMemberId;
        };
        if route.version.is_some_and(|version| version < COMMIT_EPOCHS_FROM) {
            return ErrorCode::UnsupportedVersion;
        }
        let epoch = caller.generation;
        let held = |(topic, partition): &(TopicId, PartitionIndex)| {
            let name = topics.name(topic);
            let since = name.and_then(|name| self.held_since(member, &name, *partition));
            since.is_some_and(|since| epoch >= since)
        };
        let known = member.standing.epoch;
        if epoch == known || epoch < known && route.partitions.iter().all(held) {
            ErrorCode::None
        } else {
            ErrorCode::StaleMemberEpoch
        }
    }

    /// The epoch in which a member got the task that reads a partition.
    fn held_since(&self, member: &StreamsMember, topic: &str, partition: PartitionIndex) -> Option<i32> {
        let reads = |topology: &Topology| {
            let found = topology
                .subtopologies
                .iter()
                .find(|one| inputs(one).any(|input| input == topic));
            found.map(|one| one.subtopology_id.clone())
        };
        let task = (Role::Active, self.topology.as_ref().and_then(reads)?);
        let standing = &member.standing;
        let of = |held: &super::member::HeldTasks| held.get(&task).and_then(|held| held.get(&partition)).copied();
        of(&standing.assigned).or_else(|| of(&standing.revoking))
    }

    /// Whether a member with this epoch may ask for committed offsets.
    pub(crate) fn may_fetch(&self, member_id: &str, epoch: i32) -> ErrorCode {
        match self.members.get(member_id) {
            None => ErrorCode::UnknownMemberId,
            Some(member) if member.standing.epoch == epoch => ErrorCode::None,
            Some(_) => ErrorCode::StaleMemberEpoch,
        }
    }

    /// Whether the application, while somebody runs it, reads a topic.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        let reads = |topology: &Topology| {
            topology
                .subtopologies
                .iter()
                .flat_map(inputs)
                .any(|input| input == topic)
        };
        !self.members.is_empty() && self.topology.as_ref().is_some_and(reads)
    }

    /// When an offset of `topic` committed at `committed_ms` began to be of no use; `None` while it is of use.
    pub(crate) fn idle_since(&self, topic: &str, committed_ms: TimestampMs) -> Option<TimestampMs> {
        (!self.is_subscribed(topic)).then_some(committed_ms)
    }
}
