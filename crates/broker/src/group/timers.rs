//! What happens when time passes: sessions end, waits for members end.

use super::{Effects, Gathering, Group, Now, State};

impl Group {
    /// When [`Group::tick`] must be called at the latest; `i64::MAX` for never.
    pub(crate) fn deadline_ms(&self) -> i64 {
        self.deadline_hint_ms
    }

    pub(super) fn hint(&mut self, deadline_ms: i64) {
        self.deadline_hint_ms = self.deadline_hint_ms.min(deadline_ms);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        self.expire_pending(now, &mut effects);
        self.expire_sessions(now, &mut effects);
        self.expire_gathering(now, &mut effects);
        self.expire_unsynced(now, &mut effects);
        self.deadline_hint_ms = self.earliest_deadline_ms(now);
        effects
    }

    fn earliest_deadline_ms(&self, now: Now) -> i64 {
        // A member that waits for us is excused although its session is over: look again when the wait is.
        let sessions = self
            .members
            .values()
            .map(|m| m.session_deadline_ms)
            .filter(|deadline_ms| *deadline_ms > now.monotonic_ms);
        sessions
            .chain(self.pending.values().copied())
            .chain(self.gathering.map(Gathering::deadline_ms))
            .chain(self.sync_deadline_ms)
            .min()
            .unwrap_or(i64::MAX)
    }

    fn expire_pending(&mut self, now: Now, effects: &mut Effects) {
        let before = self.pending.len();
        self.pending.retain(|_, deadline_ms| *deadline_ms > now.monotonic_ms);
        if self.pending.len() < before {
            effects.resized = true;
            self.complete_join_if_all_here(now, effects);
        }
    }

    fn expire_sessions(&mut self, now: Now, effects: &mut Effects) {
        let expired: Vec<String> = self
            .members
            .values()
            .filter(|member| member.is_expired(now))
            .map(|member| member.id.clone())
            .collect();
        for id in expired {
            // An earlier one's end may have completed the join and so given this one a new session.
            if self.members.get(&id).is_some_and(|member| member.is_expired(now)) {
                self.remove_member(now, &id, effects);
            }
        }
    }

    fn expire_gathering(&mut self, now: Now, effects: &mut Effects) {
        match self.gathering {
            Some(gathering) if gathering.deadline_ms() > now.monotonic_ms => {}
            Some(Gathering::Initial {
                remaining_ms,
                grew: true,
                ..
            }) if remaining_ms.min(self.limits.initial_rebalance_delay_ms) > 0 => {
                let delay_ms = self.limits.initial_rebalance_delay_ms.min(remaining_ms);
                self.gathering = Some(Gathering::Initial {
                    deadline_ms: now.monotonic_ms + delay_ms,
                    remaining_ms: remaining_ms - delay_ms,
                    grew: false,
                });
            }
            Some(_) => self.complete_join(now, effects),
            None => {}
        }
    }

    /// Members that joined and never asked for their part hold everybody up: out they go.
    fn expire_unsynced(&mut self, now: Now, effects: &mut Effects) {
        if self
            .sync_deadline_ms
            .is_none_or(|deadline_ms| deadline_ms > now.monotonic_ms)
        {
            return;
        }
        self.sync_deadline_ms = None;
        let late = std::mem::take(&mut self.unsynced);
        if late.is_empty() || !matches!(self.state, State::CompletingRebalance | State::Stable) {
            return;
        }
        for id in late {
            self.forget_member(&id, effects);
        }
        self.rebalance(now, effects);
    }
}
