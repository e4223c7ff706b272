//! The heartbeats of groups whose assignments are made here: KIP-848's, and those of share and streams groups.

use std::sync::Arc;

use wire::ErrorCode;

use super::Coordinator;
use crate::errors::Refusal;
use crate::group::{
    Answer, AnyGroup, Beat, BeatRequest, Effects, GroupLimits, Kind, Now, ShareBeatRequest, StreamsBeat,
    StreamsBeatRequest, Topics,
};
use crate::group_settings::GroupSettings;

/// What a heartbeat says of itself before it is looked into.
struct Envelope<'a> {
    group_id: &'a str,
    epoch: i32,
    size_bytes: usize,
    kind: Kind,
    /// What the group is called when there is none.
    noun: &'a str,
}

impl Coordinator {
    /// A heartbeat of KIP-848; answered when what it changed is durable.
    pub(crate) async fn beat(self: &Arc<Self>, request: BeatRequest) -> Result<Beat, Refusal> {
        let envelope = Envelope {
            group_id: &request.group_id,
            epoch: request.epoch,
            size_bytes: request.size_bytes(),
            kind: Kind::Consumer,
            noun: if request.epoch < 0 { "Group" } else { "Consumer group" },
        };
        let change = |group: &mut AnyGroup, now: Now, topics: &dyn Topics, limits: &GroupLimits| {
            let (outcome, effects) = group.beat(now, topics, limits, &request);
            (Answer::Beat(Box::new(outcome)), effects)
        };
        match self.pass_on(envelope, change).await? {
            Answer::Beat(outcome) => *outcome,
            _ => Err(unavailable()),
        }
    }

    /// A heartbeat of a share group's member; answered when what it changed is durable.
    pub(crate) async fn share_beat(self: &Arc<Self>, request: ShareBeatRequest) -> Result<Beat, Refusal> {
        let envelope = Envelope {
            group_id: &request.group_id,
            epoch: request.epoch,
            size_bytes: request.size_bytes(),
            kind: Kind::Share,
            noun: if request.epoch < 0 { "Group" } else { "Share group" },
        };
        let change = |group: &mut AnyGroup, now: Now, topics: &dyn Topics, limits: &GroupLimits| {
            let (outcome, effects) = group.share_beat(now, topics, limits, &request);
            (Answer::Beat(Box::new(outcome)), effects)
        };
        match self.pass_on(envelope, change).await? {
            Answer::Beat(outcome) => *outcome,
            _ => Err(unavailable()),
        }
    }

    /// A heartbeat of a Streams application's member; answered when what it changed is durable.
    pub(crate) async fn streams_beat(self: &Arc<Self>, request: StreamsBeatRequest) -> Result<StreamsBeat, Refusal> {
        let envelope = Envelope {
            group_id: &request.group_id,
            epoch: request.epoch,
            size_bytes: request.size_bytes(),
            kind: Kind::Streams,
            noun: if request.epoch < 0 { "Group" } else { "Streams group" },
        };
        let change = |group: &mut AnyGroup, now: Now, topics: &dyn Topics, limits: &GroupLimits| {
            let (outcome, effects) = group.streams_beat(now, topics, limits, &request);
            (Answer::StreamsBeat(Box::new(outcome)), effects)
        };
        match self.pass_on(envelope, change).await? {
            Answer::StreamsBeat(outcome) => *outcome,
            _ => Err(unavailable()),
        }
    }

    async fn pass_on(
        self: &Arc<Self>,
        envelope: Envelope<'_>,
        change: impl FnOnce(&mut AnyGroup, Now, &dyn Topics, &GroupLimits) -> (Answer, Effects),
    ) -> Result<Answer, Refusal> {
        let id = envelope.group_id;
        let held = self.groups.lock().bytes;
        let joins = envelope.epoch == 0;
        if joins && held.saturating_add(envelope.size_bytes) > self.options.limits.group_bytes_max {
            let message = "The groups of this broker hold all they may.".to_owned();
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
        }
        if joins && !self.ensure(id, false, envelope.kind) {
            return Err(unavailable());
        }
        let limits = GroupSettings::of(&self.catalog, id).apply(&self.options.group);
        let (waiter, answer) = self.groups.lock().waiter();
        let known = self.with_group(id, |group, now, topics| {
            let (answer, mut effects) = change(group, now, topics, &limits);
            effects.answer(waiter, answer);
            ((), effects)
        });
        if known.is_none() {
            self.groups.lock().waiting.remove(&waiter);
            let message = format!("{} {id} not found.", envelope.noun);
            return Err(Refusal::new(ErrorCode::GroupIdNotFound, message));
        }
        answer.await.map_err(|_| unavailable())
    }

    /// Makes sure there is a share group of this name; an error if there is another kind of group, or no room.
    pub(crate) fn keep_share_group(&self, id: &str) -> Result<(), ErrorCode> {
        if !self.ensure(id, true, Kind::Share) {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        match self.look(id, AnyGroup::kind) {
            Some(Kind::Share) => Ok(()),
            _ => Err(ErrorCode::GroupIdNotFound),
        }
    }
}

fn unavailable() -> Refusal {
    Refusal::new(
        ErrorCode::CoordinatorNotAvailable,
        "there is no room for a group".to_owned(),
    )
}
