//! What a group's members and its emptiness mean for committed offsets.

use std::collections::BTreeSet;

use base::TimestampMs;
use bytes::Bytes;
use wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use wire::{ErrorCode, Message, Reader, Source};

use super::{CONSUMER_PROTOCOL, Caller, Group, Now, State};

impl Group {
    /// Whether the caller may commit offsets now.
    pub(crate) fn commit(&mut self, now: Now, caller: &Caller) -> ErrorCode {
        let anonymous = caller.generation < 0 && caller.member_id.is_empty() && caller.instance_id.is_none();
        if caller.generation < 0 && self.state == State::Empty {
            // A tool, or a consumer that assigns itself its partitions.
            return ErrorCode::None;
        }
        if anonymous {
            return ErrorCode::UnknownMemberId;
        }
        if let Err(error) = self.check_caller(caller) {
            return error;
        }
        self.touch(now, &caller.member_id);
        if self.state == State::CompletingRebalance {
            ErrorCode::RebalanceInProgress
        } else {
            ErrorCode::None
        }
    }

    /// Whether the members' metadata tells which topics they read.
    pub(crate) fn is_consumer(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL)
    }

    /// Every topic that a member subscribes to; `None` if that cannot be known.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        if !self.is_consumer() {
            return None;
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription(member.metadata(protocol)?)?);
        }
        Some(topics)
    }

    /// When an offset of `topic` committed at `committed_ms` began to be of no use; `None` while it is of use.
    pub(crate) fn idle_since(&self, topic: &str, committed_ms: TimestampMs) -> Option<TimestampMs> {
        match (self.state, &self.protocol_type) {
            // Never had members: a standalone consumer's.
            (State::Empty, None) => Some(committed_ms),
            (State::Empty, Some(_)) => Some(self.empty_since_ms.unwrap_or(committed_ms)),
            (State::Stable, Some(_)) if self.is_consumer() => {
                let topics = self.subscribed_topics()?;
                (!topics.contains(topic)).then_some(committed_ms)
            }
            _ => None,
        }
    }
}

fn subscription(metadata: &Bytes) -> Option<Vec<String>> {
    let mut reader = Reader::new(metadata.clone());
    let version = reader.i16().ok()?;
    // Later versions only add fields at the end.
    let version = version.clamp(
        ConsumerProtocolSubscription::VERSION_MIN,
        ConsumerProtocolSubscription::VERSION_MAX,
    );
    Some(ConsumerProtocolSubscription::decode(&mut reader, version).ok()?.topics)
}
