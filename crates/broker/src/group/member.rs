//! One member of a group.

use bytes::Bytes;

use super::{MEMBER_BYTES, Now, Waiter};

/// A member that has not got its first assignment is given up after this long, however often it asks.
pub(super) const FIRST_JOIN_MAX_MS: i64 = 300_000;

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(super) session_timeout_ms: i64,
    pub(super) rebalance_timeout_ms: i64,
    /// Name and metadata, best first.
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(super) join_waiter: Option<Waiter>,
    pub(super) sync_waiter: Option<Waiter>,
    /// When the member counts as gone unless it is heard from.
    pub(super) session_deadline_ms: i64,
    /// Has never been part of a generation.
    pub(super) is_new: bool,
}

impl Member {
    /// What the member said about itself under `protocol`.
    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, metadata)| metadata)
    }

    pub(super) fn size_bytes(&self) -> usize {
        let protocols: usize = self
            .protocols
            .iter()
            .map(|(name, metadata)| name.len() + metadata.len())
            .sum();
        let instance = self.instance_id.as_ref().map_or(0, String::len);
        MEMBER_BYTES + self.id.len() + instance + self.client_id.len() + protocols + self.assignment.len()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.metadata(protocol).is_some()
    }

    /// The member was heard from.
    pub(super) fn touch(&mut self, now: Now) {
        self.session_deadline_ms = now.monotonic_ms + self.session_timeout_ms;
    }

    /// Whether the session ran out. Waiting for us counts as being alive, except on a first join that lasts too long.
    pub(super) fn is_expired(&self, now: Now) -> bool {
        let excused = !self.is_new && (self.join_waiter.is_some() || self.sync_waiter.is_some());
        !excused && now.monotonic_ms >= self.session_deadline_ms
    }
}
