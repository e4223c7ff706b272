//! Members that speak the classic protocol within a KIP-848 group: to them its epochs are generations, and they are told
//! of each step by a rebalance.

use bytes::Bytes;
use wire::messages::consumer_protocol_assignment::{ConsumerProtocolAssignment, TopicPartition};
use wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use wire::{ErrorCode, Message, Reader, Source};

use super::member::{Classic, Member, Progress};
use super::{ConsumerGroup, Effects};
use crate::group::topics::{Parts, Topics};
use crate::group::{
    Answer, CONSUMER_PROTOCOL, Caller, Downgrade, JoinRequest, Joined, Now, SyncRequest, Synced, Waiter,
};

impl ConsumerGroup {
    pub(crate) fn join(&mut self, now: Now, topics: &dyn Topics, waiter: Waiter, request: JoinRequest) -> Effects {
        let mut effects = Effects::default();
        let answer = match self.join_as_classic(now, topics, &request, &mut effects) {
            Ok(joined) => joined,
            Err((error, id)) => Joined::refused(error, &id),
        };
        effects.answer(waiter, Answer::Join(answer));
        effects
    }

    fn join_as_classic(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        request: &JoinRequest,
        effects: &mut Effects,
    ) -> Result<Joined, (ErrorCode, String)> {
        let is_first = request.member_id.is_empty();
        let id = if is_first {
            &request.fresh_member_id
        } else {
            &request.member_id
        };
        let refuse = |error| Err((error, request.member_id.clone()));
        let sessions = self.limits.session_timeout_min_ms..=self.limits.session_timeout_max_ms;
        if !sessions.contains(&request.session_timeout_ms) {
            return refuse(ErrorCode::InvalidSessionTimeout);
        }
        if request.size_bytes() > self.limits.member_bytes_max {
            return refuse(ErrorCode::InvalidRequest);
        }
        if self.members.len() >= self.limits.consumer.members_max && !self.members.contains_key(id) {
            return refuse(ErrorCode::GroupMaxSizeReached);
        }
        let subscription = request
            .protocols
            .first()
            .and_then(|(_, metadata)| subscription(metadata));
        let Some(subscription) = subscription.filter(|_| self.supports(request)) else {
            return refuse(ErrorCode::InconsistentGroupProtocol);
        };
        if is_first && request.two_step && request.instance_id.is_none() {
            return Err((ErrorCode::MemberIdRequired, id.clone()));
        }
        let (mut member, replaces) = self.classic_member(request, id).map_err(|error| (error, id.clone()))?;
        let before = (member.info.names.clone(), member.info.pattern.clone());
        member.info.instance_id.clone_from(&request.instance_id);
        member.info.rack_id.clone_from(&subscription.rack_id);
        member.info.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.info.assignor = None;
        member.info.names = subscription.topics.iter().cloned().collect();
        member.info.pattern = None;
        member.info.client_id.clone_from(&request.client_id);
        member.info.client_host.clone_from(&request.client_host);
        member.info.classic = Some(Classic {
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols.clone(),
        });
        let changed = before != (member.info.names.clone(), member.info.pattern.clone());
        member.touch(now, request.session_timeout_ms);
        member.timers.rebalance_ms = None;
        member.timers.join_ms = None;
        member.timers.sync_ms = Some(now.monotonic_ms + request.rebalance_timeout_ms);
        let owned = owned(&subscription, topics);
        let took_a_place = replaces.is_some();
        self.advance(now, topics, member, replaces, changed, Some(&owned), effects);
        if took_a_place && self.may_become_classic() {
            let settled = self.epoch == self.assignment_epoch && self.members.values().all(|m| self.is_settled(m));
            effects.downgrade = Some(if settled {
                Downgrade::Quiet
            } else {
                Downgrade::WithRebalance
            });
        }
        let epoch = self.members.get(id).map_or(0, |member| member.standing.epoch);
        Ok(Joined {
            error: ErrorCode::None,
            generation: epoch,
            protocol_type: Some(CONSUMER_PROTOCOL.to_owned()),
            protocol: request.protocols.first().map(|(name, _)| name.clone()),
            leader: String::new(),
            member_id: id.clone(),
            skip_assignment: false,
            members: Vec::new(),
        })
    }

    /// The classic members must have a protocol in common, so that they could go on alone.
    fn supports(&self, request: &JoinRequest) -> bool {
        let others: Vec<&Classic> = self
            .members
            .values()
            .filter_map(|member| member.info.classic.as_ref())
            .collect();
        let common = |name: &String| {
            others
                .iter()
                .all(|other| other.protocols.iter().any(|(theirs, _)| theirs == name))
        };
        request.protocol_type == CONSUMER_PROTOCOL && request.protocols.iter().any(|(name, _)| common(name))
    }

    fn classic_member(&self, request: &JoinRequest, id: &str) -> Result<(Member, Option<String>), ErrorCode> {
        let Some(instance_id) = &request.instance_id else {
            let known = self.members.get(id).cloned();
            return Ok((known.unwrap_or_else(|| Member::new(id.to_owned())), None));
        };
        let current = self.instances.get(instance_id).and_then(|id| self.members.get(id));
        match (current, request.member_id.is_empty()) {
            (None, true) => Ok((Member::new(id.to_owned()), None)),
            (Some(current), true) => Ok((current.replaced_by(id), Some(current.id.clone()))),
            (None, false) => Err(ErrorCode::UnknownMemberId),
            (Some(current), false) if current.id != id => Err(ErrorCode::FencedInstanceId),
            (Some(current), false) => Ok((current.clone(), None)),
        }
    }

    fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<&Member, ErrorCode> {
        let current = match instance_id {
            None => member_id,
            Some(instance_id) => self.instances.get(instance_id).ok_or(ErrorCode::UnknownMemberId)?,
        };
        if current != member_id {
            return Err(ErrorCode::FencedInstanceId);
        }
        self.members.get(member_id).ok_or(ErrorCode::UnknownMemberId)
    }

    fn check_classic(&self, caller: &Caller) -> Result<(&Member, &Classic), ErrorCode> {
        let member = self.check_member(&caller.member_id, caller.instance_id.as_deref())?;
        let classic = member.info.classic.as_ref().ok_or(ErrorCode::UnknownMemberId)?;
        if member.standing.epoch != caller.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        Ok((member, classic))
    }

    pub(crate) fn sync(&mut self, now: Now, topics: &dyn Topics, waiter: Waiter, request: &SyncRequest) -> Effects {
        let mut effects = Effects::default();
        let synced = self.synced(now, topics, request).unwrap_or_else(Synced::refused);
        effects.answer(waiter, Answer::Sync(synced));
        effects
    }

    fn synced(&mut self, now: Now, topics: &dyn Topics, request: &SyncRequest) -> Result<Synced, ErrorCode> {
        let (member, classic) = self.check_classic(&request.caller)?;
        let protocol = classic.protocols.first();
        let differs = |named: &Option<String>, ours: Option<&str>| named.is_some() && named.as_deref() != ours;
        if differs(&request.protocol_type, Some(CONSUMER_PROTOCOL))
            || differs(&request.protocol, protocol.map(|(name, _)| name.as_str()))
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let id = member.id.clone();
        if self.epoch > member.standing.epoch && member.standing.progress != Progress::Revoking {
            self.await_join(now, &id);
            return Err(ErrorCode::RebalanceInProgress);
        }
        let synced = Synced {
            error: ErrorCode::None,
            protocol_type: request.protocol_type.clone(),
            protocol: request.protocol.clone(),
            assignment: assignment(&member.assigned(), topics, protocol.map(|(_, metadata)| metadata)),
        };
        let default_ms = self.limits.consumer.session_timeout_ms;
        if let Some(member) = self.members.get_mut(&id) {
            member.timers.sync_ms = None;
            member.touch(now, default_ms);
        }
        Ok(synced)
    }

    /// A classic member told to join again has until its rebalance timeout to do so.
    fn await_join(&mut self, now: Now, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        let deadline_ms = now.monotonic_ms + member.info.rebalance_timeout_ms;
        let deadline_ms = *member.timers.join_ms.get_or_insert(deadline_ms);
        self.hint(deadline_ms);
    }

    pub(crate) fn classic_heartbeat(&mut self, now: Now, caller: &Caller) -> ErrorCode {
        let member = match self.check_classic(caller) {
            Ok((member, _)) => member,
            Err(error) => return error,
        };
        let must_join = member.standing.epoch < self.epoch
            || match member.standing.progress {
                Progress::Stable => false,
                Progress::Revoking => true,
                // What it waits for has become free: it gets it by joining.
                Progress::Waiting => !self.waits_for_others(member),
            };
        let default_ms = self.limits.consumer.session_timeout_ms;
        if let Some(member) = self.members.get_mut(&caller.member_id) {
            member.touch(now, default_ms);
            let deadline_ms = member.timers.session_ms;
            self.hint(deadline_ms);
        }
        if must_join {
            self.await_join(now, &caller.member_id);
            return ErrorCode::RebalanceInProgress;
        }
        ErrorCode::None
    }

    fn waits_for_others(&self, member: &Member) -> bool {
        member.target.iter().any(|(topic, partitions)| {
            let has = member.standing.assigned.get(topic);
            partitions
                .iter()
                .any(|partition| !has.is_some_and(|has| has.contains_key(partition)) && self.is_held(topic, *partition))
        })
    }

    /// Lets one member go, by its id or, with an empty id, by its instance id.
    pub(crate) fn leave(&mut self, member_id: &str, instance_id: Option<&str>) -> (ErrorCode, Effects) {
        let mut effects = Effects::default();
        let id = match instance_id.map(|instance_id| self.instances.get(instance_id)) {
            Some(None) => return (ErrorCode::UnknownMemberId, effects),
            Some(Some(current)) if member_id.is_empty() => current.clone(),
            _ => member_id.to_owned(),
        };
        if let Err(error) = self.check_member(&id, instance_id) {
            return (error, effects);
        }
        self.remove(&id, &mut effects);
        (ErrorCode::None, effects)
    }
}

/// What a classic consumer says it subscribes to and owns.
pub(super) fn subscription(metadata: &Bytes) -> Option<ConsumerProtocolSubscription> {
    let mut reader = Reader::new(metadata.clone());
    let version = reader.i16().ok()?;
    if version < 0 {
        return None;
    }
    // Later versions only add fields at the end.
    let version = version.min(ConsumerProtocolSubscription::VERSION_MAX);
    ConsumerProtocolSubscription::decode(&mut reader, version).ok()
}

fn owned(subscription: &ConsumerProtocolSubscription, topics: &dyn Topics) -> Parts {
    let mut parts = Parts::new();
    for owned in &subscription.owned_partitions {
        if let Some((id, _)) = topics.find(&owned.topic) {
            parts.entry(id).or_default().extend(&owned.partitions);
        }
    }
    parts
}

/// An assignment in the version of the member's own metadata.
pub(super) fn assignment(parts: &Parts, topics: &dyn Topics, metadata: Option<&Bytes>) -> Bytes {
    let version = metadata
        .and_then(|metadata| Reader::new(metadata.clone()).i16().ok())
        .unwrap_or(0)
        .clamp(
            ConsumerProtocolAssignment::VERSION_MIN,
            ConsumerProtocolAssignment::VERSION_MAX,
        );
    let named = parts.iter().filter_map(|(id, partitions)| {
        Some(TopicPartition {
            topic: topics.name(id)?.to_string(),
            partitions: partitions.iter().copied().collect(),
        })
    });
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: named.collect(),
        ..ConsumerProtocolAssignment::default()
    };
    // Names and numbers that came in through the same shapes fit into them.
    let body = assignment.to_bytes(version).unwrap_or_default();
    Bytes::from([&version.to_be_bytes()[..], &body].concat())
}

/// What a classic leader gave a member.
pub(super) fn assigned(bytes: &Bytes, topics: &dyn Topics) -> Option<Parts> {
    let mut parts = Parts::new();
    if bytes.is_empty() {
        return Some(parts);
    }
    let mut reader = Reader::new(bytes.clone());
    let version = reader.i16().ok().filter(|version| *version >= 0)?;
    let version = version.min(ConsumerProtocolAssignment::VERSION_MAX);
    let assignment = ConsumerProtocolAssignment::decode(&mut reader, version).ok()?;
    for given in assignment.assigned_partitions {
        if let Some((id, _)) = topics.find(&given.topic) {
            parts.entry(id).or_default().extend(given.partitions);
        }
    }
    parts.retain(|_, partitions| !partitions.is_empty());
    Some(parts)
}
