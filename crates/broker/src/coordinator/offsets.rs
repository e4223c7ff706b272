//! Committed offsets: who may change them, and when they are of no use any more.

use std::sync::Arc;

use base::PartitionIndex;
use bytes::Bytes;
use log::Op;
use parking_lot::MutexGuard;
use wire::ErrorCode;

use super::Coordinator;
use crate::group::{AnyGroup, Caller, CommitRoute, Effects, Kind, Now, TopicId, Topics};
use crate::storage::CommitFailed;
use crate::tables;

impl Coordinator {
    /// Asks the group whether these offsets may be committed; a caller without a generation needs no group yet.
    pub(crate) fn may_commit(self: &Arc<Self>, id: &str, caller: &Caller, route: CommitRoute<'_>) -> Option<ErrorCode> {
        if tables::is_job(&self.log, id) {
            // The offsets are one with the job's state; a running job counts as the group's member.
            return Some(ErrorCode::UnknownMemberId);
        }
        if caller.generation < 0 && !self.ensure(id, true, Kind::Classic) {
            return Some(ErrorCode::CoordinatorNotAvailable);
        }
        let ask = |group: &mut AnyGroup, now: Now, topics: &dyn Topics| {
            (group.commit(now, topics, caller, &route), Effects::default())
        };
        let answer = self.with_group(id, ask)?;
        if answer.is_none() {
            self.ensure(id, true, Kind::Classic);
        }
        Some(answer)
    }

    /// Asks the group whether a transaction may commit offsets of it. Who names no member may, also while the group has
    /// some: producers of old do not know of members (KIP-447).
    pub(crate) fn may_commit_in_transaction(
        self: &Arc<Self>,
        id: &str,
        caller: &Caller,
        partitions: &[(TopicId, PartitionIndex)],
    ) -> Result<(), ErrorCode> {
        let is_anonymous = caller.generation < 0 && caller.member_id.is_empty() && caller.instance_id.is_none();
        if is_anonymous && !tables::is_job(&self.log, id) {
            return match self.ensure(id, true, Kind::Classic) {
                true => Ok(()),
                false => Err(ErrorCode::CoordinatorNotAvailable),
            };
        }
        let route = CommitRoute {
            version: None,
            partitions,
        };
        match self.may_commit(id, caller, route) {
            // A rebalance under way does not matter: the generation tells who may commit.
            Some(ErrorCode::None | ErrorCode::RebalanceInProgress) => Ok(()),
            None | Some(ErrorCode::StaleMemberEpoch) => Err(ErrorCode::IllegalGeneration),
            Some(code) => Err(code),
        }
    }

    /// Held while an offset is looked at and then changed.
    pub(crate) fn lock_offsets(&self) -> MutexGuard<'_, ()> {
        self.offsets.lock()
    }

    /// Changes committed offsets; done when durable.
    pub(crate) async fn change_offsets(&self, ops: Vec<Op>) -> Result<(), CommitFailed> {
        self.change_offsets_if(ops, |_, _| true).await
    }

    /// Changes those committed offsets that `still` holds for: it sees the key and the value of now.
    async fn change_offsets_if(
        &self,
        ops: Vec<Op>,
        still: impl Fn(&[u8], Option<&Bytes>) -> bool,
    ) -> Result<(), CommitFailed> {
        let holds = |op: &Op| match op {
            Op::Put { table, key, .. } => still(key, self.log.get(*table, key).as_ref()),
            _ => true,
        };
        loop {
            let queued = {
                let _offsets = self.offsets.lock();
                let ops: Vec<Op> = ops.iter().filter(|op| holds(op)).cloned().collect();
                if ops.is_empty() {
                    return Ok(());
                }
                self.log.commit(ops).map_err(CommitFailed::from)
            };
            match queued {
                Ok(receipt) => return receipt.await.map(drop).map_err(CommitFailed::from),
                Err(error) if error.is_busy() => self.log.wait_for_room().await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Drops offsets that are of no use any more, and groups that are nothing without them.
    pub(crate) async fn expire(&self) {
        let now_ms = self.now().wall_ms;
        let is_expired = |key: &[u8], value: Option<&Bytes>| {
            let Some((id, topic, _)) = tables::split_offset_key(key) else {
                return false;
            };
            let Some(Ok(committed)) = value.map(tables::Committed::decode) else {
                return false;
            };
            if tables::is_job(&self.log, id) {
                return false;
            }
            let idle_since = self
                .look(id, |group| group.idle_since(topic, committed.committed_ms))
                .flatten();
            idle_since.is_some_and(|since| match committed.expires_ms {
                Some(expires_ms) => now_ms >= expires_ms,
                None => now_ms - since >= self.options.offsets_retention_ms,
            })
        };
        let offsets = self.log.scan(tables::OFFSETS, b"").into_iter();
        let gone = offsets.filter(|(key, value)| is_expired(key, Some(value)));
        let gone = gone
            .map(|(key, _)| Op::Put {
                table: tables::OFFSETS,
                key,
                value: None,
            })
            .collect();
        if let Err(error) = self.change_offsets_if(gone, is_expired).await {
            return tracing::warn!("expired offsets stay for now: {error}");
        }
        // An empty share group stays until it is deleted.
        let goes = |group: &AnyGroup| group.is_vacant() && group.kind() != Kind::Share;
        let vacant = self.look_at_all(|id, group| goes(group).then(|| id.to_owned()));
        for id in vacant.into_iter().flatten() {
            let prefix = tables::prefix(&id);
            let is_empty = self.log.scan(tables::OFFSETS, &prefix).is_empty()
                && self.log.scan(tables::PENDING_OFFSETS, &prefix).is_empty();
            if is_empty
                && !tables::is_job(&self.log, &id)
                && let Err(error) = self.delete(&id).await
            {
                tracing::debug!(group = id, "empty group stays for now: {error:?}");
            }
        }
    }

    /// Drops every group's offsets of a topic that is no more.
    pub(crate) async fn forget_topic(&self, topic: &str) {
        let of_topic = |key: &[u8]| tables::split_offset_key(key).is_some_and(|(_, name, _)| name == topic);
        let offsets = self
            .log
            .scan(tables::OFFSETS, b"")
            .into_iter()
            .filter(|(key, _)| of_topic(key));
        let ops = offsets
            .map(|(key, _)| Op::Put {
                table: tables::OFFSETS,
                key,
                value: None,
            })
            .collect();
        if let Err(error) = self.change_offsets(ops).await {
            tracing::warn!(topic, "offsets of a deleted topic stay: {error}");
        }
    }
}
