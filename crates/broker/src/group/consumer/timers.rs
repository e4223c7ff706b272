//! What happens to a KIP-848 group when time passes: members that are silent, or hold others up, go.

use super::ConsumerGroup;
use crate::group::{Effects, Now};

impl ConsumerGroup {
    /// When [`ConsumerGroup::tick`] must be called at the latest; `i64::MAX` for never.
    pub(crate) fn deadline_ms(&self) -> i64 {
        self.deadline_hint_ms
    }

    pub(super) fn hint(&mut self, deadline_ms: i64) {
        self.deadline_hint_ms = self.deadline_hint_ms.min(deadline_ms);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let due = |deadline_ms: i64| deadline_ms <= now.monotonic_ms;
        let is_late = |member: &super::Member| {
            let timers = &member.timers;
            let holds_up = timers
                .rebalance_ms
                .is_some_and(|(epoch, deadline_ms)| due(deadline_ms) && epoch == member.standing.epoch);
            due(timers.session_ms) || timers.join_ms.is_some_and(due) || timers.sync_ms.is_some_and(due) || holds_up
        };
        let late: Vec<String> = self
            .members
            .values()
            .filter(|m| is_late(m))
            .map(|member| member.id.clone())
            .collect();
        for id in late {
            self.remove(&id, &mut effects);
        }
        for member in self.members.values_mut() {
            // A deadline for an epoch the member has left says nothing.
            member.timers.rebalance_ms = member.timers.rebalance_ms.filter(|(_, deadline_ms)| !due(*deadline_ms));
        }
        let earliest = self.members.values().map(|member| member.timers.earliest_ms()).min();
        self.deadline_hint_ms = earliest.unwrap_or(i64::MAX);
        effects
    }
}
