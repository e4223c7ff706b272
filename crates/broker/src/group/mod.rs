//! The classic group protocol as a pure state machine: events and time in, answers and what to store out.
//!
//! A group knows nothing of connections, tasks or files. Whoever drives it hands every call the time, delivers the
//! [`Effects`], and calls [`Group::tick`] when [`Group::deadline_ms`] has come. A request that may be answered later
//! brings a [`Waiter`]; each waiter is answered exactly once. What clients see follows Kafka's own coordinator
//! (KIP-62 rebalance timeout, KIP-345 static members, KIP-394 two-step member ids, KIP-814 static leaders).

mod any;
mod consumer;
mod handover;
mod join;
mod member;
mod offsets;
mod reconcile;
mod share;
#[cfg(test)]
mod simulation;
mod stored;
mod streams;
mod sync;
mod timers;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use base::PartitionIndex;
use base::TimestampMs;
use bytes::Bytes;
use wire::ErrorCode;

use crate::errors::Refusal;

pub(crate) use any::{AnyGroup, Kind, unavailable};
pub use consumer::{Assignor, ConsumerGroupLimits, MigrationPolicy};
pub(crate) use consumer::{Beat, BeatRequest, ConsumerGroup, Member as ConsumerMember, check_beat};
pub(crate) use member::Member;
pub use share::ShareGroupLimits;
pub(crate) use share::{ShareBeatRequest, ShareGroup};
pub use streams::StreamsGroupLimits;
pub(crate) use streams::{
    Configured, Endpoint, InternalTopic, Role, StreamsBeat, StreamsBeatRequest, StreamsGroup, StreamsMember, Tasks,
};
pub(crate) use topics::{Parts, TopicId, Topics};

/// What members of ordinary consumer groups speak; only then can we read what they subscribe to.
pub(crate) const CONSUMER_PROTOCOL: &str = "consumer";

/// A row of a stored group: its key relative to the group, and its value if there still is one.
pub(crate) type Row = (Bytes, Option<Bytes>);

/// A request that waits for its answer; unique for as long as it waits.
pub(crate) type Waiter = u64;

/// What a member takes beside the bytes it sends.
const MEMBER_BYTES: usize = 512;

/// The time as a call sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// For timeouts: never goes back.
    pub(crate) monotonic_ms: i64,
    /// For what is stored.
    pub(crate) wall_ms: TimestampMs,
}

/// What a group allows.
#[derive(Clone, Debug)]
pub struct GroupLimits {
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members before its first rebalance.
    pub initial_rebalance_delay_ms: i64,
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min_ms: i64,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max_ms: i64,
    /// `group.max.size`.
    pub members_max: usize,
    /// The most bytes of metadata, or of assignment, that one member may have.
    pub member_bytes_max: usize,
    /// Of groups of the KIP-848 protocol.
    pub consumer: ConsumerGroupLimits,
    /// Of share groups.
    pub share: ShareGroupLimits,
    /// Of groups of Kafka Streams.
    pub streams: StreamsGroupLimits,
}

impl Default for GroupLimits {
    fn default() -> GroupLimits {
        GroupLimits {
            initial_rebalance_delay_ms: 3_000,
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            members_max: 10_000,
            member_bytes_max: 4 << 20,
            consumer: ConsumerGroupLimits::default(),
            share: ShareGroupLimits::default(),
            streams: StreamsGroupLimits::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    /// As DescribeGroups and ListGroups spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// A member that wants to take part in the next generation.
#[derive(Clone, Debug)]
pub(crate) struct JoinRequest {
    /// Empty on a first join.
    pub(crate) member_id: String,
    /// The id to give if one is needed; never used before.
    pub(crate) fresh_member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: i64,
    pub(crate) rebalance_timeout_ms: i64,
    pub(crate) protocol_type: String,
    /// Name and metadata, best first.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// The client knows `MEMBER_ID_REQUIRED` (from JoinGroup 4).
    pub(crate) two_step: bool,
    /// The client knows how to be leader without assigning (from JoinGroup 9).
    pub(crate) may_skip_assignment: bool,
}

impl JoinRequest {
    /// What the group would hold for this member.
    pub(crate) fn size_bytes(&self) -> usize {
        let protocols: usize = self
            .protocols
            .iter()
            .map(|(name, metadata)| name.len() + metadata.len())
            .sum();
        let instance = self.instance_id.as_ref().map_or(0, String::len);
        MEMBER_BYTES + self.fresh_member_id.len() + instance + self.client_id.len() + protocols
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) error: ErrorCode,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    pub(crate) skip_assignment: bool,
    /// For the leader: id, instance, metadata of every member.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

impl Joined {
    pub(crate) fn refused(error: ErrorCode, member_id: &str) -> Joined {
        Joined {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            member_id: member_id.to_owned(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// A member that asks for its assignment; the leader brings everybody's.
#[derive(Clone, Debug)]
pub(crate) struct SyncRequest {
    pub(crate) caller: Caller,
    /// Named from SyncGroup 5 on.
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignments: Vec<(String, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) error: ErrorCode,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

impl Synced {
    pub(crate) fn refused(error: ErrorCode) -> Synced {
        Synced {
            error,
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}

/// Who a member says it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Join(Joined),
    Sync(Synced),
    Beat(Box<Result<Beat, Refusal>>),
    StreamsBeat(Box<Result<StreamsBeat, Refusal>>),
}

/// How an offset comes to be committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitRoute<'a> {
    /// The version of OffsetCommit; `None` for offsets that are part of a transaction.
    pub(crate) version: Option<i16>,
    pub(crate) partitions: &'a [(TopicId, PartitionIndex)],
}

/// How a group of KIP-848 becomes a classic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Downgrade {
    /// Nobody's part changes.
    Quiet,
    /// Somebody left: the others share its part.
    WithRebalance,
}

/// What a call asks of whoever drives the group.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// To be sent; if `store` is set, only once that is durable.
    pub(crate) answers: Vec<(Waiter, Answer)>,
    /// The group as it now stands must outlive a crash.
    pub(crate) store: bool,
    /// The group may hold more or less than before: see [`Group::size_bytes`].
    pub(crate) resized: bool,
    /// Keys of what the group was before it changed its kind; to be removed with the next store.
    pub(crate) stale: Option<(Kind, Vec<Bytes>)>,
    /// The group is to become a classic one; seen to before anybody else gets to see the effects.
    downgrade: Option<Downgrade>,
}

impl Effects {
    pub(crate) fn answer(&mut self, waiter: Waiter, answer: Answer) {
        self.answers.push((waiter, answer));
    }

    fn refuse_join(&mut self, waiter: Waiter, error: ErrorCode, member_id: &str) {
        self.answer(waiter, Answer::Join(Joined::refused(error, member_id)));
    }
}

/// How long a rebalance still waits for members.
#[derive(Clone, Copy, Debug)]
enum Gathering {
    /// The first rebalance of an empty group: waits however soon everybody is here, and longer while more come.
    Initial {
        deadline_ms: i64,
        remaining_ms: i64,
        grew: bool,
    },
    /// Ends as soon as every known member has joined.
    Rejoining { deadline_ms: i64 },
}

impl Gathering {
    fn deadline_ms(self) -> i64 {
        match self {
            Gathering::Initial { deadline_ms, .. } | Gathering::Rejoining { deadline_ms } => deadline_ms,
        }
    }
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    limits: GroupLimits,
    state: State,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Instance id to member id.
    instances: BTreeMap<String, String>,
    /// Ids given out and not joined with yet, and until when they hold.
    pending: BTreeMap<String, i64>,
    gathering: Option<Gathering>,
    /// Members of this generation that have not asked for their assignment, and until when they may.
    unsynced: BTreeSet<String>,
    sync_deadline_ms: Option<i64>,
    /// When the last member left; `None` while there are members, and for groups that never had any.
    empty_since_ms: Option<TimestampMs>,
    /// No timer is earlier than this; heartbeats only move timers back, so it need not be exact.
    deadline_hint_ms: i64,
}

impl Group {
    pub(crate) fn new(limits: GroupLimits) -> Group {
        Group {
            limits,
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            gathering: None,
            unsynced: BTreeSet::new(),
            sync_deadline_ms: None,
            empty_since_ms: None,
            deadline_hint_ms: i64::MAX,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(crate) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Nobody is here and nobody is about to come.
    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// What members have made the group hold.
    pub(crate) fn size_bytes(&self) -> usize {
        let pending: usize = self.pending.keys().map(String::len).sum();
        pending + self.members.values().map(Member::size_bytes).sum::<usize>()
    }

    fn rebalance_timeout_ms(&self) -> i64 {
        self.members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max()
            .unwrap_or(0)
    }

    /// Checks that the caller is a member, and that no newer member took its instance id.
    fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.instances.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    fn check_caller(&self, caller: &Caller) -> Result<(), ErrorCode> {
        self.check_member(&caller.member_id, caller.instance_id.as_deref())?;
        if caller.generation == self.generation {
            Ok(())
        } else {
            Err(ErrorCode::IllegalGeneration)
        }
    }
}
