//! A classic group taking members over from KIP-848, and handing its own over.

use wire::ErrorCode;

use super::{Answer, CONSUMER_PROTOCOL, Effects, Group, GroupLimits, Member, Now, State, Synced};

impl Group {
    /// A group that goes on from a generation; its members are to come by [`Group::take_over`].
    pub(super) fn restarted(limits: GroupLimits, generation: i32) -> Group {
        Group {
            generation,
            protocol_type: Some(CONSUMER_PROTOCOL.to_owned()),
            ..Group::new(limits)
        }
    }

    pub(super) fn take_over(&mut self, now: Now, mut member: Member) {
        member.touch(now);
        self.hint(member.session_deadline_ms);
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(instance_id.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// All members are here, each with its part.
    pub(super) fn settle_down(&mut self) {
        self.state = State::Stable;
        self.protocol = self.select_protocol();
        self.leader = self.members.keys().next().cloned();
    }

    /// The group ends as a classic one: whoever waits is told to begin again.
    pub(super) fn dismiss(&mut self, effects: &mut Effects) {
        let error = ErrorCode::RebalanceInProgress;
        for member in self.members.values_mut() {
            if let Some(waiter) = member.join_waiter.take() {
                effects.refuse_join(waiter, error, &member.id);
            }
            if let Some(waiter) = member.sync_waiter.take() {
                effects.answer(waiter, Answer::Sync(Synced::refused(error)));
            }
        }
    }
}
