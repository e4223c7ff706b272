//! A group of whichever protocol its members speak: one place that knows which requests go to which kind, and when a
//! group changes its kind.

use base::TimestampMs;
use bytes::Bytes;
use wire::{EncodeError, ErrorCode};

use super::consumer::{Beat, BeatRequest, ConsumerGroup};
use super::share::{ShareBeatRequest, ShareGroup};
use super::streams::{StreamsBeat, StreamsBeatRequest, StreamsGroup};
use super::topics::Topics;
use super::{
    Answer, Caller, CommitRoute, Effects, Group, GroupLimits, JoinRequest, Joined, Now, Row, SyncRequest, Synced,
    Waiter,
};
use crate::errors::Refusal;

/// The kinds of groups, as ListGroups spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Classic,
    Consumer,
    Share,
    Streams,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Classic => "classic",
            Kind::Consumer => "consumer",
            Kind::Share => "share",
            Kind::Streams => "streams",
        }
    }
}

#[derive(Debug)]
pub(crate) enum AnyGroup {
    Classic(Group),
    Consumer(ConsumerGroup),
    Share(ShareGroup),
    Streams(StreamsGroup),
}

impl AnyGroup {
    /// A group that nobody is in yet.
    pub(crate) fn new(kind: Kind, limits: GroupLimits) -> AnyGroup {
        match kind {
            Kind::Classic => AnyGroup::Classic(Group::new(limits)),
            Kind::Consumer => AnyGroup::Consumer(ConsumerGroup::new(limits)),
            Kind::Share => AnyGroup::Share(ShareGroup::new(limits)),
            Kind::Streams => AnyGroup::Streams(StreamsGroup::new(limits)),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            AnyGroup::Classic(_) => Kind::Classic,
            AnyGroup::Consumer(_) => Kind::Consumer,
            AnyGroup::Share(_) => Kind::Share,
            AnyGroup::Streams(_) => Kind::Streams,
        }
    }

    pub(crate) fn state_name(&self) -> &'static str {
        match self {
            AnyGroup::Classic(group) => group.state().name(),
            AnyGroup::Consumer(group) => group.state_name(),
            AnyGroup::Share(group) => group.state_name(),
            AnyGroup::Streams(group) => group.state_name(),
        }
    }

    pub(crate) fn protocol_type(&self) -> &str {
        match self {
            AnyGroup::Classic(group) => group.protocol_type().unwrap_or_default(),
            AnyGroup::Consumer(_) => super::CONSUMER_PROTOCOL,
            AnyGroup::Share(_) => Kind::Share.name(),
            AnyGroup::Streams(_) => Kind::Streams.name(),
        }
    }

    pub(crate) fn is_vacant(&self) -> bool {
        match self {
            AnyGroup::Classic(group) => group.is_vacant(),
            AnyGroup::Consumer(group) => group.is_vacant(),
            AnyGroup::Share(group) => group.is_vacant(),
            AnyGroup::Streams(group) => group.is_vacant(),
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            AnyGroup::Classic(group) => group.size_bytes(),
            AnyGroup::Consumer(group) => group.size_bytes(),
            AnyGroup::Share(group) => group.size_bytes(),
            AnyGroup::Streams(group) => group.size_bytes(),
        }
    }

    pub(crate) fn deadline_ms(&self) -> i64 {
        match self {
            AnyGroup::Classic(group) => group.deadline_ms(),
            AnyGroup::Consumer(group) => group.deadline_ms(),
            AnyGroup::Share(group) => group.deadline_ms(),
            AnyGroup::Streams(group) => group.deadline_ms(),
        }
    }

    pub(crate) fn tick(&mut self, now: Now, topics: &dyn Topics) -> Effects {
        let effects = match self {
            AnyGroup::Classic(group) => group.tick(now),
            AnyGroup::Consumer(group) => group.tick(now),
            AnyGroup::Share(group) => group.tick(now),
            AnyGroup::Streams(group) => group.tick(now),
        };
        self.settle(now, topics, effects)
    }

    /// A heartbeat of KIP-848; the first one in a classic group, or in one without members, makes it a group of that kind.
    pub(crate) fn beat(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        limits: &GroupLimits,
        request: &BeatRequest,
    ) -> (Result<Beat, Refusal>, Effects) {
        let old = match self {
            AnyGroup::Consumer(group) => {
                group.set_limits(limits.clone());
                let (outcome, effects) = group.heartbeat(now, topics, request);
                return (outcome, self.settle(now, topics, effects));
            }
            AnyGroup::Classic(old) if request.epoch == 0 => old,
            _ => return (Err(other_kind(&request.group_id, Kind::Consumer)), Effects::default()),
        };
        let upgraded = if old.is_vacant() {
            Ok(ConsumerGroup::new(limits.clone()))
        } else {
            ConsumerGroup::from_classic(old, limits.clone(), now, topics)
        };
        let mut group = match upgraded {
            Ok(group) => group,
            Err(why) => {
                let message = format!(
                    "Cannot upgrade classic group {} to consumer group because {why}.",
                    request.group_id
                );
                return (
                    Err(Refusal::new(ErrorCode::GroupIdNotFound, message)),
                    Effects::default(),
                );
            }
        };
        let (outcome, mut effects) = group.heartbeat(now, topics, request);
        if outcome.is_ok() {
            old.dismiss(&mut effects);
            effects.store = true;
            effects.resized = true;
            *self = AnyGroup::Consumer(group);
            effects.stale = Some((Kind::Classic, vec![Bytes::new()]));
        }
        (outcome, effects)
    }

    /// A heartbeat of a share group's member.
    pub(crate) fn share_beat(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        limits: &GroupLimits,
        request: &ShareBeatRequest,
    ) -> (Result<Beat, Refusal>, Effects) {
        match self {
            AnyGroup::Share(group) => {
                group.set_limits(limits.clone());
                group.heartbeat(now, topics, request)
            }
            _ => (Err(other_kind(&request.group_id, Kind::Share)), Effects::default()),
        }
    }

    /// A heartbeat of a Streams application's member.
    pub(crate) fn streams_beat(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        limits: &GroupLimits,
        request: &StreamsBeatRequest,
    ) -> (Result<StreamsBeat, Refusal>, Effects) {
        match self {
            AnyGroup::Streams(group) => {
                group.set_limits(limits.clone());
                group.heartbeat(now, topics, request)
            }
            AnyGroup::Classic(old) if old.is_vacant() && request.epoch == 0 => {
                let mut group = StreamsGroup::new(limits.clone());
                let (outcome, mut effects) = group.heartbeat(now, topics, request);
                if outcome.is_ok() {
                    *self = AnyGroup::Streams(group);
                    effects.stale = Some((Kind::Classic, vec![Bytes::new()]));
                }
                (outcome, effects)
            }
            _ => (Err(other_kind(&request.group_id, Kind::Streams)), Effects::default()),
        }
    }

    pub(crate) fn join(&mut self, now: Now, topics: &dyn Topics, waiter: Waiter, request: JoinRequest) -> Effects {
        match self {
            AnyGroup::Classic(group) => group.join(now, waiter, request),
            AnyGroup::Consumer(group) if group.is_vacant() => self.become_classic(now, waiter, request),
            AnyGroup::Consumer(group) => {
                let effects = group.join(now, topics, waiter, request);
                self.settle(now, topics, effects)
            }
            AnyGroup::Streams(group) if group.is_vacant() => self.become_classic(now, waiter, request),
            AnyGroup::Share(_) | AnyGroup::Streams(_) => {
                let mut effects = Effects::default();
                effects.refuse_join(waiter, ErrorCode::InconsistentGroupProtocol, &request.member_id);
                effects
            }
        }
    }

    /// An empty group of another kind whose first member speaks the classic protocol.
    fn become_classic(&mut self, now: Now, waiter: Waiter, request: JoinRequest) -> Effects {
        let limits = match self {
            AnyGroup::Consumer(group) => group.limits().clone(),
            AnyGroup::Streams(group) => group.limits().clone(),
            AnyGroup::Classic(_) | AnyGroup::Share(_) => return Effects::default(),
        };
        let mut classic = Group::new(limits);
        let mut effects = classic.join(now, waiter, request);
        if !classic.is_vacant() {
            effects.stale = Some((self.kind(), self.keys()));
            effects.store = true;
            *self = AnyGroup::Classic(classic);
        }
        effects
    }

    pub(crate) fn sync(&mut self, now: Now, topics: &dyn Topics, waiter: Waiter, request: SyncRequest) -> Effects {
        match self {
            AnyGroup::Classic(group) => group.sync(now, waiter, request),
            AnyGroup::Consumer(group) => group.sync(now, topics, waiter, &request),
            AnyGroup::Share(_) | AnyGroup::Streams(_) => {
                let mut effects = Effects::default();
                effects.answer(waiter, Answer::Sync(Synced::refused(ErrorCode::UnknownMemberId)));
                effects
            }
        }
    }

    pub(crate) fn heartbeat(&mut self, now: Now, caller: &Caller) -> ErrorCode {
        match self {
            AnyGroup::Classic(group) => group.heartbeat(now, caller),
            AnyGroup::Consumer(group) => group.classic_heartbeat(now, caller),
            AnyGroup::Share(_) | AnyGroup::Streams(_) => ErrorCode::UnknownMemberId,
        }
    }

    pub(crate) fn leave(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> (ErrorCode, Effects) {
        let (error, effects) = match self {
            AnyGroup::Classic(group) => group.leave(now, member_id, instance_id),
            AnyGroup::Consumer(group) => group.leave(member_id, instance_id),
            AnyGroup::Share(_) | AnyGroup::Streams(_) => (ErrorCode::UnknownMemberId, Effects::default()),
        };
        (error, self.settle(now, topics, effects))
    }

    /// Whether the caller may commit offsets now.
    pub(crate) fn commit(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        caller: &Caller,
        route: &CommitRoute<'_>,
    ) -> ErrorCode {
        match self {
            AnyGroup::Classic(group) => group.commit(now, caller),
            AnyGroup::Consumer(group) => group.commit(caller, route),
            // How far these have read is kept record by record.
            AnyGroup::Share(_) => ErrorCode::GroupIdNotFound,
            AnyGroup::Streams(group) => group.commit(topics, caller, route),
        }
    }

    /// Whether a member with this epoch may ask for committed offsets; classic members say nothing of themselves.
    pub(crate) fn may_fetch(&self, member_id: &str, epoch: i32) -> ErrorCode {
        match self {
            AnyGroup::Classic(_) | AnyGroup::Share(_) => ErrorCode::None,
            AnyGroup::Consumer(group) => group.may_fetch(member_id, epoch),
            AnyGroup::Streams(group) => group.may_fetch(member_id, epoch),
        }
    }

    /// When an offset of `topic` committed at `committed_ms` began to be of no use; `None` while it is of use.
    pub(crate) fn idle_since(&self, topic: &str, committed_ms: TimestampMs) -> Option<TimestampMs> {
        match self {
            AnyGroup::Classic(group) => group.idle_since(topic, committed_ms),
            AnyGroup::Consumer(group) => group.idle_since(topic, committed_ms),
            AnyGroup::Share(_) => None,
            AnyGroup::Streams(group) => group.idle_since(topic, committed_ms),
        }
    }

    /// What has to be written for the group to be on disk as it is; keys are relative to the group.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, EncodeError> {
        match self {
            AnyGroup::Classic(group) => Ok(vec![(Bytes::new(), Some(group.encode()?))]),
            AnyGroup::Consumer(group) => group.rows(),
            AnyGroup::Share(group) => group.rows(),
            AnyGroup::Streams(group) => group.rows(),
        }
    }

    /// Every key that may be on disk, relative to the group.
    pub(crate) fn keys(&self) -> Vec<Bytes> {
        match self {
            AnyGroup::Classic(_) => vec![Bytes::new()],
            AnyGroup::Consumer(group) => group.keys(),
            AnyGroup::Share(group) => group.keys(),
            AnyGroup::Streams(group) => group.keys(),
        }
    }

    /// What `rows` gave is on its way to the disk.
    pub(crate) fn is_written(&mut self) {
        match self {
            AnyGroup::Classic(_) => {}
            AnyGroup::Consumer(group) => group.is_written(),
            AnyGroup::Share(group) => group.is_written(),
            AnyGroup::Streams(group) => group.is_written(),
        }
    }

    /// Makes a classic group of one whose last member of the new protocol has gone.
    fn settle(&mut self, now: Now, topics: &dyn Topics, mut effects: Effects) -> Effects {
        let Some(how) = effects.downgrade.take() else {
            return effects;
        };
        // More members may have gone since it was said.
        if let AnyGroup::Consumer(group) = self
            && group.may_become_classic()
        {
            let limits = group.limits().clone();
            let old = std::mem::replace(group, ConsumerGroup::new(limits));
            let keys = old.keys();
            *self = AnyGroup::Classic(old.into_classic(now, topics, how, &mut effects));
            effects.stale = Some((Kind::Consumer, keys));
        }
        effects
    }
}

fn other_kind(group_id: &str, wanted: Kind) -> Refusal {
    let message = format!("Group {group_id} is not a {} group.", wanted.name());
    Refusal::new(ErrorCode::GroupIdNotFound, message)
}

/// What a member is told instead when its group could not be stored.
pub(crate) fn unavailable(answer: &Answer) -> Answer {
    match answer {
        Answer::Join(joined) => Answer::Join(Joined::refused(ErrorCode::CoordinatorNotAvailable, &joined.member_id)),
        Answer::Sync(_) => Answer::Sync(Synced::refused(ErrorCode::CoordinatorNotAvailable)),
        Answer::Beat(_) => {
            let refusal = Refusal::new(
                ErrorCode::CoordinatorNotAvailable,
                "the group cannot be stored".to_owned(),
            );
            Answer::Beat(Box::new(Err(refusal)))
        }
        Answer::StreamsBeat(_) => {
            let refusal = Refusal::new(
                ErrorCode::CoordinatorNotAvailable,
                "the group cannot be stored".to_owned(),
            );
            Answer::StreamsBeat(Box::new(Err(refusal)))
        }
    }
}
