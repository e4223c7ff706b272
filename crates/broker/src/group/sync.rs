//! Life within a generation: handing out assignments, heartbeats, leaving.

use bytes::Bytes;
use wire::ErrorCode;

use super::{Answer, Caller, Effects, Group, Now, State, SyncRequest, Synced, Waiter};

impl Group {
    pub(crate) fn sync(&mut self, now: Now, waiter: Waiter, request: SyncRequest) -> Effects {
        let mut effects = Effects::default();
        if let Err(error) = self.check_sync(&request) {
            effects.answer(waiter, Answer::Sync(Synced::refused(error)));
            return effects;
        }
        let id = request.caller.member_id.clone();
        self.unsynced.remove(&id);
        if self.unsynced.is_empty() {
            self.sync_deadline_ms = None;
        }
        match self.state {
            State::Empty => effects.answer(waiter, Answer::Sync(Synced::refused(ErrorCode::UnknownMemberId))),
            State::PreparingRebalance => {
                effects.answer(waiter, Answer::Sync(Synced::refused(ErrorCode::RebalanceInProgress)));
            }
            State::Stable => {
                let answer = self.synced(&id);
                self.touch(now, &id);
                effects.answer(waiter, answer);
            }
            State::CompletingRebalance => {
                if let Some(member) = self.members.get_mut(&id)
                    && let Some(old) = member.sync_waiter.replace(waiter)
                {
                    effects.answer(old, Answer::Sync(Synced::refused(ErrorCode::RebalanceInProgress)));
                }
                if self.leader.as_deref() == Some(id.as_str()) {
                    self.assign(now, request.assignments, &mut effects);
                }
            }
        }
        effects
    }

    fn check_sync(&self, request: &SyncRequest) -> Result<(), ErrorCode> {
        self.check_caller(&request.caller)?;
        let differs = |named: &Option<String>, ours: &Option<String>| named.is_some() && named != ours;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let largest = request
            .assignments
            .iter()
            .map(|(_, assignment)| assignment.len())
            .max()
            .unwrap_or(0);
        if largest > self.limits.member_bytes_max {
            return Err(ErrorCode::InvalidRequest);
        }
        Ok(())
    }

    /// The leader has decided: everybody who waits gets its part, members it forgot an empty one.
    fn assign(&mut self, now: Now, assignments: Vec<(String, Bytes)>, effects: &mut Effects) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.state = State::Stable;
        effects.store = true;
        effects.resized = true;
        let waiting: Vec<(String, Waiter)> = self
            .members
            .values_mut()
            .filter_map(|member| Some((member.id.clone(), member.sync_waiter.take()?)))
            .collect();
        for (id, waiter) in waiting {
            self.touch(now, &id);
            effects.answer(waiter, self.synced(&id));
        }
    }

    fn synced(&self, id: &str) -> Answer {
        Answer::Sync(Synced {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self
                .members
                .get(id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        })
    }

    /// The member was heard from.
    pub(super) fn touch(&mut self, now: Now, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.touch(now);
        let deadline_ms = member.session_deadline_ms;
        self.hint(deadline_ms);
    }

    pub(crate) fn heartbeat(&mut self, now: Now, caller: &Caller) -> ErrorCode {
        if let Err(error) = self.check_caller(caller) {
            return error;
        }
        match self.state {
            State::Empty => ErrorCode::UnknownMemberId,
            State::PreparingRebalance => {
                self.touch(now, &caller.member_id);
                ErrorCode::RebalanceInProgress
            }
            State::CompletingRebalance | State::Stable => {
                self.touch(now, &caller.member_id);
                ErrorCode::None
            }
        }
    }

    /// Lets one member go, by its id or, with an empty id, by its instance id.
    pub(crate) fn leave(&mut self, now: Now, member_id: &str, instance_id: Option<&str>) -> (ErrorCode, Effects) {
        let mut effects = Effects::default();
        let id = match instance_id {
            Some(instance_id) if member_id.is_empty() => match self.instances.get(instance_id) {
                Some(id) => id.clone(),
                None => return (ErrorCode::UnknownMemberId, effects),
            },
            _ => member_id.to_owned(),
        };
        if instance_id.is_none() && self.pending.remove(&id).is_some() {
            effects.resized = true;
            self.complete_join_if_all_here(now, &mut effects);
            return (ErrorCode::None, effects);
        }
        if let Err(error) = self.check_member(&id, instance_id) {
            return (error, effects);
        }
        self.remove_member(now, &id, &mut effects);
        (ErrorCode::None, effects)
    }
}
