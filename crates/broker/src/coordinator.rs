//! Drives the groups: hands them requests and time, delivers their answers, keeps what must outlive a crash.

mod heartbeats;
mod offsets;
mod storage;
mod topics;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Random};
use bytes::Bytes;
use catalog::Catalog;
use log::{Log, Op, TableId};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use wire::ErrorCode;

use crate::group::{
    Answer, AnyGroup, Caller, Effects, JoinRequest, Joined, Kind, Now, SyncRequest, Synced, Topics, Waiter, unavailable,
};
use crate::options::BrokerOptions;
use crate::tables;

/// All groups of the broker.
pub(crate) struct Coordinator {
    pub(crate) log: Log,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    pub(crate) options: Arc<BrokerOptions>,
    groups: Mutex<Groups>,
    /// Held while changes of committed offsets are checked and queued, so that an offset committed meanwhile does not
    /// expire.
    offsets: Mutex<()>,
    /// A timer earlier than all others was set.
    sooner: Notify,
}

#[derive(Default)]
struct Groups {
    by_id: HashMap<String, Slot>,
    /// Deadline and group, earliest first.
    timers: BTreeSet<(i64, String)>,
    /// What all groups together hold.
    bytes: usize,
    waiting: HashMap<Waiter, oneshot::Sender<Answer>>,
    next_waiter: Waiter,
}

struct Slot {
    group: AnyGroup,
    /// As it stands in `timers`.
    deadline_ms: i64,
    /// As it counts in `bytes`.
    bytes: usize,
    /// Something of this group is, or is about to be, on disk: it does not vanish when nobody is here.
    kept: bool,
    /// Rows of what the group was before it changed its kind.
    stale: Vec<(TableId, Bytes)>,
}

impl Groups {
    fn waiter(&mut self) -> (Waiter, oneshot::Receiver<Answer>) {
        self.next_waiter += 1;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(self.next_waiter, sender);
        (self.next_waiter, receiver)
    }

    fn deliver(&mut self, answers: Vec<(Waiter, Answer)>) {
        for (waiter, answer) in answers {
            // Whoever asked may have gone; then nobody needs the answer.
            if let Some(sender) = self.waiting.remove(&waiter) {
                let _gone = sender.send(answer).is_err();
            }
        }
    }

    fn set_timer(&mut self, id: &str) -> bool {
        let Some(slot) = self.by_id.get_mut(id) else {
            return false;
        };
        let deadline_ms = slot.group.deadline_ms();
        if deadline_ms == slot.deadline_ms {
            return false;
        }
        self.timers.remove(&(slot.deadline_ms, id.to_owned()));
        slot.deadline_ms = deadline_ms;
        if deadline_ms == i64::MAX {
            return false;
        }
        self.timers.insert((deadline_ms, id.to_owned()));
        self.timers.first().is_some_and(|(first, _)| *first == deadline_ms)
    }

    fn remove(&mut self, id: &str) {
        if let Some(slot) = self.by_id.remove(id) {
            self.timers.remove(&(slot.deadline_ms, id.to_owned()));
            self.bytes -= slot.bytes;
        }
    }

    fn resize(&mut self, id: &str) {
        if let Some(slot) = self.by_id.get_mut(id) {
            let bytes = slot.group.size_bytes();
            self.bytes = self.bytes + bytes - slot.bytes;
            slot.bytes = bytes;
        }
    }
}

impl Coordinator {
    /// Reads the groups that the log keeps.
    pub(crate) fn open(
        log: Log,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        options: Arc<BrokerOptions>,
    ) -> Arc<Coordinator> {
        let coordinator = Coordinator {
            log,
            catalog,
            clock,
            random,
            options,
            groups: Mutex::default(),
            offsets: Mutex::default(),
            sooner: Notify::new(),
        };
        let now = coordinator.now();
        let mut groups = coordinator.groups.lock();
        for (id, group) in storage::read(&coordinator.log, &coordinator.catalog, &coordinator.options.group, now) {
            groups.by_id.insert(id, kept(group));
        }
        for (key, _) in coordinator.log.scan(tables::OFFSETS, b"") {
            if let Some((id, ..)) = tables::split_offset_key(&key)
                && !groups.by_id.contains_key(id)
            {
                groups.by_id.insert(
                    id.to_owned(),
                    kept(AnyGroup::new(Kind::Classic, coordinator.options.group.clone())),
                );
            }
        }
        for (key, _) in coordinator.log.scan(tables::SHARE_PARTITIONS, b"") {
            // Offsets were set before anybody joined.
            if let Some((id, _)) = tables::split_share_key(&key)
                && !groups.by_id.contains_key(id)
            {
                let group = AnyGroup::new(Kind::Share, coordinator.options.group.clone());
                groups.by_id.insert(id.to_owned(), kept(group));
            }
        }
        let ids: Vec<String> = groups.by_id.keys().cloned().collect();
        for id in ids {
            groups.set_timer(&id);
            groups.resize(&id);
        }
        drop(groups);
        Arc::new(coordinator)
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic_ms: self.clock.monotonic().as_millis() as i64,
            wall_ms: self.clock.wall_ms(),
        }
    }

    /// A member id nobody has had.
    fn fresh_member_id(&self, stem: &str) -> String {
        format!("{stem}-{}", uuid::Uuid::from_bytes(self.random.uuid()))
    }

    /// A member id for a client that asks for one and says nothing of itself.
    pub(crate) fn fresh_uuid(&self) -> String {
        uuid::Uuid::from_bytes(self.random.uuid()).to_string()
    }

    /// Lets time pass for the groups, until the broker is dropped.
    pub(crate) async fn run_timers(self: Arc<Self>) {
        loop {
            let next_ms = self.groups.lock().timers.first().map(|(deadline_ms, _)| *deadline_ms);
            let wait_ms = next_ms.map_or(i64::MAX, |next_ms| next_ms - self.now().monotonic_ms);
            if wait_ms > 0 {
                let sleep = Duration::from_millis(wait_ms.min(60_000) as u64);
                tokio::select! {
                    () = tokio::time::sleep(sleep) => {}
                    () = self.sooner.notified() => {}
                }
                continue;
            }
            let Some((_, id)) = self.groups.lock().timers.first().cloned() else {
                continue;
            };
            self.with_group(&id, |group, now, topics| ((), group.tick(now, topics)));
        }
    }

    /// Runs `change` on a group, if there is one, and sees its effects through.
    fn with_group<T>(
        self: &Arc<Self>,
        id: &str,
        change: impl FnOnce(&mut AnyGroup, Now, &dyn Topics) -> (T, Effects),
    ) -> Option<T> {
        let mut groups = self.groups.lock();
        let now = self.now();
        let slot = groups.by_id.get_mut(id)?;
        let (outcome, effects) = change(&mut slot.group, now, &*self.catalog);
        slot.kept |= effects.store;
        if let Some((kind, keys)) = &effects.stale {
            slot.stale.extend(keys.iter().map(|key| storage::place(*kind, id, key)));
        }
        let vanishes = !slot.kept && slot.group.is_vacant();
        if effects.resized {
            groups.resize(id);
        }
        if vanishes {
            groups.remove(id);
        } else if groups.set_timer(id) {
            self.sooner.notify_one();
        }
        if effects.store {
            let coordinator = Arc::clone(self);
            let id = id.to_owned();
            // Queued now, so that what is stored of one group keeps the order it happened in.
            let stored = coordinator.store(&mut groups, &id);
            tokio::spawn(async move {
                let mut answers = effects.answers;
                if let Err(error) = coordinator.finish_store(stored, &id).await {
                    tracing::error!(group = id, "group cannot be stored: {error}");
                    answers.iter_mut().for_each(|(_, answer)| *answer = unavailable(answer));
                }
                coordinator.groups.lock().deliver(answers);
            });
        } else {
            groups.deliver(effects.answers);
        }
        Some(outcome)
    }

    /// Makes sure the group exists; `false` if there is no room for another.
    fn ensure(&self, id: &str, is_kept: bool, kind: Kind) -> bool {
        let mut groups = self.groups.lock();
        if let Some(slot) = groups.by_id.get_mut(id) {
            slot.kept |= is_kept;
            return true;
        }
        if groups.by_id.len() >= self.options.limits.groups_max {
            return false;
        }
        let mut slot = kept(AnyGroup::new(kind, self.options.group.clone()));
        slot.kept = is_kept;
        groups.by_id.insert(id.to_owned(), slot);
        true
    }

    pub(crate) async fn join(self: &Arc<Self>, id: &str, mut request: JoinRequest) -> Joined {
        let stem = request.instance_id.as_deref().unwrap_or(&request.client_id);
        request.fresh_member_id = self.fresh_member_id(stem);
        let member_id = request.member_id.clone();
        let held = self.groups.lock().bytes;
        if held.saturating_add(request.size_bytes()) > self.options.limits.group_bytes_max {
            return Joined::refused(ErrorCode::GroupMaxSizeReached, &member_id);
        }
        if member_id.is_empty() && !self.ensure(id, false, Kind::Classic) {
            return Joined::refused(ErrorCode::CoordinatorNotAvailable, "");
        }
        let (waiter, answer) = self.groups.lock().waiter();
        let known = self.with_group(id, |group, now, topics| ((), group.join(now, topics, waiter, request)));
        if known.is_none() {
            self.groups.lock().waiting.remove(&waiter);
            return Joined::refused(ErrorCode::UnknownMemberId, &member_id);
        }
        match answer.await {
            Ok(Answer::Join(joined)) => joined,
            _ => Joined::refused(ErrorCode::CoordinatorNotAvailable, &member_id),
        }
    }

    pub(crate) async fn sync(self: &Arc<Self>, id: &str, request: SyncRequest) -> Synced {
        let (waiter, answer) = self.groups.lock().waiter();
        let known = self.with_group(id, |group, now, topics| ((), group.sync(now, topics, waiter, request)));
        if known.is_none() {
            self.groups.lock().waiting.remove(&waiter);
            return Synced::refused(ErrorCode::UnknownMemberId);
        }
        match answer.await {
            Ok(Answer::Sync(synced)) => synced,
            _ => Synced::refused(ErrorCode::CoordinatorNotAvailable),
        }
    }

    pub(crate) fn heartbeat(self: &Arc<Self>, id: &str, caller: &Caller) -> ErrorCode {
        let beat = |group: &mut AnyGroup, now: Now, _: &dyn Topics| (group.heartbeat(now, caller), Effects::default());
        self.with_group(id, beat).unwrap_or(ErrorCode::UnknownMemberId)
    }

    /// `None` if there is no such group.
    pub(crate) fn leave(self: &Arc<Self>, id: &str, member_id: &str, instance_id: Option<&str>) -> Option<ErrorCode> {
        self.with_group(id, |group, now, topics| {
            group.leave(now, topics, member_id, instance_id)
        })
    }

    /// Lets the group show, so that a job's offsets look like those of a consumer group.
    pub(crate) fn keep(&self, id: &str) {
        self.ensure(id, true, Kind::Classic);
    }

    /// Looks at one group.
    pub(crate) fn look<T>(&self, id: &str, look: impl FnOnce(&AnyGroup) -> T) -> Option<T> {
        self.groups.lock().by_id.get(id).map(|slot| look(&slot.group))
    }

    /// Looks at every group, in order of ids.
    pub(crate) fn look_at_all<T>(&self, mut look: impl FnMut(&str, &AnyGroup) -> T) -> Vec<T> {
        let groups = self.groups.lock();
        let mut ids: Vec<&String> = groups.by_id.keys().collect();
        ids.sort_unstable();
        ids.into_iter()
            .filter_map(|id| groups.by_id.get(id).map(|slot| look(id, &slot.group)))
            .collect()
    }

    /// Deletes a group nobody is in, with its offsets. A job's group goes when the job is forgotten.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), ErrorCode> {
        if tables::is_job(&self.log, id) {
            return Err(ErrorCode::NonEmptyGroup);
        }
        let receipt = {
            let _offsets = self.offsets.lock();
            let mut groups = self.groups.lock();
            let slot = groups.by_id.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
            if !slot.group.is_vacant() {
                return Err(ErrorCode::NonEmptyGroup);
            }
            let places = slot
                .group
                .keys()
                .into_iter()
                .map(|key| storage::place(slot.group.kind(), id, &key));
            let places = places.chain(slot.stale.iter().cloned());
            let mut ops: Vec<Op> = places
                .map(|(table, key)| Op::Put {
                    table,
                    key,
                    value: None,
                })
                .collect();
            let offsets = self.log.scan(tables::OFFSETS, &tables::prefix(id));
            ops.extend(offsets.into_iter().map(|(key, _)| Op::Put {
                table: tables::OFFSETS,
                key,
                value: None,
            }));
            // What a share group's members said of records goes with it.
            let shares = self.log.scan(tables::SHARE_PARTITIONS, &tables::prefix(id));
            ops.extend(shares.into_iter().map(|(key, _)| Op::Put {
                table: tables::SHARE_PARTITIONS,
                key,
                value: None,
            }));
            let receipt = self.log.commit(ops).map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
            groups.remove(id);
            receipt
        };
        receipt.await.map(drop).map_err(|_| ErrorCode::CoordinatorNotAvailable)
    }
}

fn kept(group: AnyGroup) -> Slot {
    Slot {
        group,
        deadline_ms: i64::MAX,
        bytes: 0,
        kept: true,
        stale: Vec::new(),
    }
}
