//! What a KIP-848 group's members mean for committed offsets.

use base::{PartitionIndex, TimestampMs};
use wire::ErrorCode;

use super::{ConsumerGroup, Member};
use crate::group::topics::TopicId;
use crate::group::{Caller, CommitRoute};

/// The first OffsetCommit whose members know of member epochs.
const COMMIT_EPOCHS_FROM: i16 = 9;

impl ConsumerGroup {
    /// Whether the caller may commit offsets now. An offset that carries an older epoch of the member is good as long as
    /// the member has had the partition since (KIP-1251).
    pub(crate) fn commit(&self, caller: &Caller, route: &CommitRoute<'_>) -> ErrorCode {
        if caller.generation < 0 && self.members.is_empty() {
            // A tool, or a consumer that assigns itself its partitions.
            return ErrorCode::None;
        }
        let Some(member) = self.members.get(&caller.member_id) else {
            return ErrorCode::UnknownMemberId;
        };
        let is_classic = member.info.classic.is_some();
        if route.version.is_some_and(|version| version < COMMIT_EPOCHS_FROM) && !is_classic {
            return ErrorCode::UnsupportedVersion;
        }
        let epoch = caller.generation;
        let is_current = epoch == member.standing.epoch
            || epoch < member.standing.epoch
                && route.partitions.iter().all(|(topic, partition)| {
                    held_since(member, topic, *partition).is_some_and(|since| epoch >= since)
                });
        match (is_current, is_classic) {
            (true, _) => ErrorCode::None,
            (false, true) => ErrorCode::IllegalGeneration,
            (false, false) => ErrorCode::StaleMemberEpoch,
        }
    }

    /// Whether a member with this epoch may ask for committed offsets.
    pub(crate) fn may_fetch(&self, member_id: &str, epoch: i32) -> ErrorCode {
        match self.members.get(member_id) {
            None => ErrorCode::UnknownMemberId,
            Some(member) if member.standing.epoch == epoch => ErrorCode::None,
            Some(member) if member.info.classic.is_some() => ErrorCode::IllegalGeneration,
            Some(_) => ErrorCode::StaleMemberEpoch,
        }
    }

    /// When an offset of `topic` committed at `committed_ms` began to be of no use; `None` while it is of use.
    pub(crate) fn idle_since(&self, topic: &str, committed_ms: TimestampMs) -> Option<TimestampMs> {
        (!self.is_subscribed(topic)).then_some(committed_ms)
    }
}

/// The epoch in which a member got a partition that it has, or has not given up yet.
fn held_since(member: &Member, topic: &TopicId, partition: PartitionIndex) -> Option<i32> {
    let of = |held: &super::member::Held| held.get(topic).and_then(|held| held.get(&partition)).copied();
    of(&member.standing.assigned).or_else(|| of(&member.standing.revoking))
}
