//! Joining and rebalancing: how members come together into the next generation.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::ErrorCode;

use super::member::FIRST_JOIN_MAX_MS;
use super::{Answer, Effects, Gathering, Group, JoinRequest, Joined, Member, Now, State, Synced, Waiter};

impl Group {
    pub(crate) fn join(&mut self, now: Now, waiter: Waiter, request: JoinRequest) -> Effects {
        let mut effects = Effects {
            resized: true,
            ..Effects::default()
        };
        if let Err(error) = self.check_join(&request) {
            effects.refuse_join(waiter, error, &request.member_id);
            return effects;
        }
        let known_instance = request
            .instance_id
            .as_ref()
            .and_then(|instance_id| self.instances.get(instance_id))
            .cloned();
        match (request.member_id.is_empty(), known_instance) {
            (true, Some(old_id)) => self.replace_static(now, waiter, request, &old_id, &mut effects),
            (true, None) => self.join_first(now, waiter, request, &mut effects),
            (false, _) => self.join_again(now, waiter, request, &mut effects),
        }
        effects
    }

    fn check_join(&self, request: &JoinRequest) -> Result<(), ErrorCode> {
        let sessions = self.limits.session_timeout_min_ms..=self.limits.session_timeout_max_ms;
        if !sessions.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        if request
            .protocols
            .iter()
            .map(|(name, metadata)| name.len() + metadata.len())
            .sum::<usize>()
            > self.limits.member_bytes_max
        {
            return Err(ErrorCode::InvalidRequest);
        }
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if !self.members.is_empty() {
            let same_type = self.protocol_type.as_deref() == Some(request.protocol_type.as_str());
            let common = |name: &str| self.members.values().all(|member| member.supports(name));
            if !same_type || !request.protocols.iter().any(|(name, _)| common(name)) {
                return Err(ErrorCode::InconsistentGroupProtocol);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.members.len() + self.pending.len() >= self.limits.members_max
    }

    /// A member without an id: gets one, and unless it is static or old has to come back with it.
    fn join_first(&mut self, now: Now, waiter: Waiter, request: JoinRequest, effects: &mut Effects) {
        if self.is_full() {
            return effects.refuse_join(waiter, ErrorCode::GroupMaxSizeReached, "");
        }
        let id = request.fresh_member_id.clone();
        if request.two_step && request.instance_id.is_none() {
            let until = now.monotonic_ms + request.session_timeout_ms;
            self.pending.insert(id.clone(), until);
            self.hint(until);
            return effects.refuse_join(waiter, ErrorCode::MemberIdRequired, &id);
        }
        self.add_member(now, waiter, request, id, effects);
    }

    fn join_again(&mut self, now: Now, waiter: Waiter, request: JoinRequest, effects: &mut Effects) {
        let id = request.member_id.clone();
        if self.pending.remove(&id).is_some() && request.instance_id.is_none() {
            return self.add_member(now, waiter, request, id, effects);
        }
        if let Err(error) = self.check_member(&id, request.instance_id.as_deref()) {
            return effects.refuse_join(waiter, error, &id);
        }
        let is_leader = self.leader.as_deref() == Some(id.as_str());
        let unchanged = self
            .members
            .get(&id)
            .is_some_and(|member| member.protocols == request.protocols);
        match self.state {
            // A member that lost our answer gets it again; the leader, when stable, wants a new assignment.
            State::CompletingRebalance if unchanged => self.answer_current(now, waiter, &id, is_leader, effects),
            State::Stable if unchanged && !is_leader => self.answer_current(now, waiter, &id, false, effects),
            State::Empty => effects.refuse_join(waiter, ErrorCode::UnknownMemberId, &id),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update_member(now, waiter, &id, request, effects);
                self.rebalance(now, effects);
            }
        }
    }

    fn answer_current(&mut self, now: Now, waiter: Waiter, id: &str, with_members: bool, effects: &mut Effects) {
        if let Some(member) = self.members.get_mut(id) {
            member.touch(now);
        }
        let joined = self.joined(id, with_members);
        effects.answer(waiter, Answer::Join(joined));
    }

    /// A static member that came back without its member id, most likely after a restart: it takes its old place, and
    /// whoever still uses the old member id is fenced.
    fn replace_static(&mut self, now: Now, waiter: Waiter, request: JoinRequest, old_id: &str, effects: &mut Effects) {
        let Some(mut member) = self.members.remove(old_id) else {
            return effects.refuse_join(waiter, ErrorCode::UnknownMemberId, "");
        };
        if let Some(old) = member.join_waiter.take() {
            effects.refuse_join(old, ErrorCode::FencedInstanceId, old_id);
        }
        if let Some(old) = member.sync_waiter.take() {
            effects.answer(old, Answer::Sync(Synced::refused(ErrorCode::FencedInstanceId)));
        }
        let id = request.fresh_member_id.clone();
        member.id.clone_from(&id);
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(instance_id.clone(), id.clone());
        }
        let was_leader = self.leader.as_deref() == Some(old_id);
        if was_leader {
            self.leader = Some(id.clone());
        }
        if self.unsynced.remove(old_id) {
            self.unsynced.insert(id.clone());
        }
        self.members.insert(id.clone(), member);
        let may_skip = request.may_skip_assignment;
        self.update_member(now, waiter, &id, request, effects);
        if self.state == State::Stable && self.select_protocol() == self.protocol {
            // Nothing changed that an assignment depends on.
            let mut joined = self.joined(&id, was_leader && may_skip);
            joined.skip_assignment = was_leader && may_skip;
            if was_leader && !may_skip {
                // A leader that cannot skip would assign; told that another leads, it only asks for its part.
                old_id.clone_into(&mut joined.leader);
            }
            if let Some(member) = self.members.get_mut(&id) {
                member.join_waiter = None;
                member.is_new = false;
            }
            effects.answer(waiter, Answer::Join(joined));
            effects.store = true;
        } else {
            self.rebalance(now, effects);
        }
    }

    fn add_member(&mut self, now: Now, waiter: Waiter, request: JoinRequest, id: String, effects: &mut Effects) {
        if self.is_full() {
            return effects.refuse_join(waiter, ErrorCode::GroupMaxSizeReached, &id);
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        if let Some(instance_id) = &request.instance_id {
            self.instances.insert(instance_id.clone(), id.clone());
        }
        if let Some(Gathering::Initial { grew, .. }) = &mut self.gathering {
            *grew = true;
        }
        let deadline = now.monotonic_ms + FIRST_JOIN_MAX_MS;
        let member = Member {
            id: id.clone(),
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            join_waiter: Some(waiter),
            sync_waiter: None,
            session_deadline_ms: deadline,
            is_new: true,
        };
        self.members.insert(id, member);
        self.empty_since_ms = None;
        self.hint(deadline);
        self.rebalance(now, effects);
    }

    fn update_member(&mut self, now: Now, waiter: Waiter, id: &str, request: JoinRequest, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.protocols = request.protocols;
        member.session_timeout_ms = request.session_timeout_ms;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        if !member.is_new {
            member.touch(now);
        }
        if let Some(old) = member.join_waiter.replace(waiter) {
            // The same member asked twice, on a connection it has most likely given up.
            effects.refuse_join(old, ErrorCode::RebalanceInProgress, id);
        }
        let deadline = member.session_deadline_ms;
        self.hint(deadline);
    }

    /// Starts a rebalance, or lets the one under way see whether everybody is here.
    pub(super) fn rebalance(&mut self, now: Now, effects: &mut Effects) {
        if self.state != State::PreparingRebalance {
            self.prepare_rebalance(now, effects);
        }
        self.complete_join_if_all_here(now, effects);
    }

    fn prepare_rebalance(&mut self, now: Now, effects: &mut Effects) {
        for member in self.members.values_mut() {
            if self.state == State::CompletingRebalance {
                member.assignment = Bytes::new();
            }
            if let Some(waiter) = member.sync_waiter.take() {
                effects.answer(waiter, Answer::Sync(Synced::refused(ErrorCode::RebalanceInProgress)));
            }
        }
        self.unsynced.clear();
        self.sync_deadline_ms = None;
        let timeout_ms = self.rebalance_timeout_ms();
        let gathering = if self.state == State::Empty {
            let delay_ms = self.limits.initial_rebalance_delay_ms;
            Gathering::Initial {
                deadline_ms: now.monotonic_ms + delay_ms,
                remaining_ms: (timeout_ms - delay_ms).max(0),
                grew: false,
            }
        } else {
            Gathering::Rejoining {
                deadline_ms: now.monotonic_ms + timeout_ms,
            }
        };
        self.hint(gathering.deadline_ms());
        self.gathering = Some(gathering);
        self.state = State::PreparingRebalance;
    }

    pub(super) fn complete_join_if_all_here(&mut self, now: Now, effects: &mut Effects) {
        let all_here = self.pending.is_empty() && self.members.values().all(|member| member.join_waiter.is_some());
        let gone = self.members.is_empty();
        match self.gathering {
            Some(Gathering::Rejoining { .. }) if all_here => self.complete_join(now, effects),
            // Everybody who came during the delay has left again.
            Some(Gathering::Initial { .. }) if gone => self.complete_join(now, effects),
            _ => {}
        }
    }

    /// The wait for members is over: who is here makes the next generation.
    pub(super) fn complete_join(&mut self, now: Now, effects: &mut Effects) {
        let absent: Vec<String> = self
            .members
            .values()
            .filter(|member| member.join_waiter.is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in absent {
            self.forget_member(&id, effects);
        }
        let first_here = self
            .members
            .values()
            .find(|member| member.join_waiter.is_some())
            .map(|m| m.id.clone());
        if first_here.is_none() && !self.members.is_empty() {
            // Only static members remain, all away: they keep their places until their sessions end.
            let deadline_ms = now.monotonic_ms + self.rebalance_timeout_ms().max(1);
            self.gathering = Some(Gathering::Rejoining { deadline_ms });
            return self.hint(deadline_ms);
        }
        self.gathering = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol = None;
            self.leader = None;
            self.empty_since_ms = Some(now.wall_ms);
            effects.store = true;
            return;
        }
        self.state = State::CompletingRebalance;
        self.protocol = self.select_protocol();
        let leader_here = self
            .leader
            .as_ref()
            .and_then(|id| self.members.get(id))
            .is_some_and(|member| member.join_waiter.is_some());
        if !leader_here {
            self.leader = first_here;
        }
        self.unsynced = self.members.keys().cloned().collect();
        let deadline_ms = now.monotonic_ms + self.rebalance_timeout_ms();
        self.sync_deadline_ms = Some(deadline_ms);
        self.hint(deadline_ms);
        self.answer_joins(now, effects);
    }

    fn answer_joins(&mut self, now: Now, effects: &mut Effects) {
        let mut joined = Vec::new();
        for member in self.members.values_mut() {
            if let Some(waiter) = member.join_waiter.take() {
                member.is_new = false;
                member.touch(now);
                joined.push((waiter, member.id.clone(), member.session_deadline_ms));
            }
        }
        for (waiter, id, deadline_ms) in joined {
            self.hint(deadline_ms);
            let is_leader = self.leader.as_deref() == Some(id.as_str());
            effects.answer(waiter, Answer::Join(self.joined(&id, is_leader)));
        }
    }

    /// What a member of the current generation is told.
    fn joined(&self, id: &str, with_members: bool) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let entry = |member: &Member| {
            let metadata = member.metadata(&protocol).cloned().unwrap_or_default();
            (member.id.clone(), member.instance_id.clone(), metadata)
        };
        Joined {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: Some(protocol.clone()),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.to_owned(),
            skip_assignment: false,
            members: if with_members {
                self.members.values().map(entry).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// Each member votes for the first of its protocols that all support; most votes win.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let common = |name: &str| self.members.values().all(|other| other.supports(name));
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| common(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(name, _)| name.to_owned())
    }

    /// Takes a member out; what it waits for is answered. The caller decides whether that means a rebalance.
    pub(super) fn forget_member(&mut self, id: &str, effects: &mut Effects) {
        let Some(member) = self.members.remove(id) else { return };
        effects.resized = true;
        if let Some(waiter) = member.join_waiter {
            effects.refuse_join(waiter, ErrorCode::UnknownMemberId, id);
        }
        if let Some(waiter) = member.sync_waiter {
            effects.answer(waiter, Answer::Sync(Synced::refused(ErrorCode::UnknownMemberId)));
        }
        if let Some(instance_id) = &member.instance_id {
            self.instances.remove(instance_id);
        }
        self.unsynced.remove(id);
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Takes a member out and lets the others share its part.
    pub(super) fn remove_member(&mut self, now: Now, id: &str, effects: &mut Effects) {
        self.forget_member(id, effects);
        self.rebalance(now, effects);
    }
}
