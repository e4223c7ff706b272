//! The share-partitions of KIP-932: who has which records of a topic that many read together.
//!
//! What a member says of its records is stored before it is told so; that records were given to somebody is not, so that
//! after a crash they are given again.

mod partition;
mod read;
mod sessions;

use std::collections::HashMap;
use std::sync::Arc;

use base::{Clock, Offset};
use catalog::Catalog;
use log::{Log, Op, PartitionId, Receipt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::ErrorCode;

pub(crate) use partition::{Acquired, Rules, Verdict, Verdicts, Wish};
pub(crate) use read::Given;
pub(crate) use sessions::{CLOSES, OPENS, Place, SessionKey};

use crate::errors::Refusal;
use crate::group_settings::{AutoReset, GroupSettings};
use crate::options::BrokerOptions;
use crate::storage::CommitFailed;
use crate::tables;
use partition::SharePartition;
use sessions::Sessions;

/// Group, topic and partition.
type Key = (String, Place);

/// All share-partitions of the broker.
pub(crate) struct SharePartitions {
    log: Log,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    options: Arc<BrokerOptions>,
    partitions: Mutex<HashMap<Key, SharePartition>>,
    sessions: Mutex<Sessions>,
    /// Records have become free.
    pub(crate) freed: Notify,
}

/// A share-partition as DescribeShareGroupOffsets shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) start: Offset,
    pub(crate) lag: i64,
}

/// Ends a connection's share sessions when it is dropped.
pub(crate) struct Connected {
    shares: Arc<SharePartitions>,
    connection: u64,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let gone = self.shares.sessions.lock().disconnect(self.connection);
        for key in gone {
            self.shares.release(&key);
        }
    }
}

impl SharePartitions {
    pub(crate) fn new(
        log: Log,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        options: Arc<BrokerOptions>,
    ) -> Arc<SharePartitions> {
        Arc::new(SharePartitions {
            log,
            catalog,
            clock,
            options,
            partitions: Mutex::default(),
            sessions: Mutex::default(),
            freed: Notify::new(),
        })
    }

    pub(crate) fn connected(self: &Arc<Self>, connection: u64) -> Connected {
        Connected {
            shares: Arc::clone(self),
            connection,
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.monotonic().as_millis() as i64
    }

    pub(crate) fn settings(&self, group: &str) -> GroupSettings {
        GroupSettings::of(&self.catalog, group)
    }

    pub(crate) fn rules(&self, group: &str) -> Rules {
        self.settings(group).share_rules(&self.options.group.share)
    }

    /// Takes a fetch's session epoch; gives what the member reads now.
    pub(crate) fn session(
        &self,
        key: &SessionKey,
        epoch: i32,
        connection: u64,
        added: &[Place],
        forgotten: &[Place],
    ) -> Result<Vec<Place>, ErrorCode> {
        let sessions_max = self.options.group.share.sessions_max;
        self.sessions
            .lock()
            .fetch(key, epoch, connection, sessions_max, added, forgotten)
    }

    /// Takes the session epoch of a request that only acknowledges.
    pub(crate) fn advance_session(&self, key: &SessionKey, epoch: i32) -> Result<(), ErrorCode> {
        self.sessions.lock().advance(key, epoch)
    }

    /// Ends a session: what the member has is free again.
    pub(crate) fn close_session(&self, key: &SessionKey) {
        self.sessions.lock().close(key);
        self.release(key);
    }

    fn release(&self, (group, member): &SessionKey) {
        let rules = self.rules(group);
        let mut freed = false;
        for ((of, _), partition) in self.partitions.lock().iter_mut() {
            freed |= of == group && partition.release(member, &rules);
        }
        if freed {
            self.freed.notify_waiters();
        }
    }

    /// The share-partition, read from the log's table or begun where the group's settings say. The second is set if it is
    /// new and has to be stored.
    fn open<'a>(
        &self,
        partitions: &'a mut HashMap<Key, SharePartition>,
        group: &str,
        place: Place,
        partition: PartitionId,
    ) -> Result<(&'a mut SharePartition, bool), ErrorCode> {
        let key = (group.to_owned(), place);
        let mut is_new = false;
        if !partitions.contains_key(&key) {
            let opened = match self.stored(group, place)? {
                Some(stored) => stored,
                None => {
                    is_new = true;
                    SharePartition::new(self.reset(group, partition)?)
                }
            };
            partitions.insert(key.clone(), opened);
        }
        let opened = partitions.get_mut(&key).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let bounds = self.log.bounds(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        // What retention took nobody can read any more.
        let moved = opened.advance(bounds.log_start);
        Ok((opened, is_new || moved))
    }

    fn stored(&self, group: &str, place: Place) -> Result<Option<SharePartition>, ErrorCode> {
        let Some(value) = self.log.get(tables::SHARE_PARTITIONS, &tables::share_key(group, place)) else {
            return Ok(None);
        };
        SharePartition::decode(value, &self.rules(group))
            .map(Some)
            .map_err(|error| {
                tracing::error!(group, "a share-partition cannot be read: {error}");
                ErrorCode::KafkaStorageError
            })
    }

    /// Where a share-partition begins that nobody has read yet.
    fn reset(&self, group: &str, partition: PartitionId) -> Result<Offset, ErrorCode> {
        let bounds = self.log.bounds(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        match self.settings(group).share_auto_reset() {
            AutoReset::Earliest => Ok(bounds.log_start),
            AutoReset::Latest => Ok(bounds.high_watermark),
            AutoReset::ByDuration(ago) => {
                let time_ms = self.clock.wall_ms() - ago.as_millis() as i64;
                let found = self.log.find_by_time(partition, time_ms);
                let found = found.map_err(|error| crate::errors::of_read(&error))?;
                Ok(found.map_or(bounds.high_watermark, |found| found.offset))
            }
        }
    }

    /// Lets a member say what became of its records; done when that is durable.
    pub(crate) async fn acknowledge(
        &self,
        (group, member): &SessionKey,
        place: Place,
        all: &[Verdicts],
    ) -> Result<(), Refusal> {
        let queued = {
            let mut partitions = self.partitions.lock();
            let Some(partition) = partitions.get_mut(&(group.clone(), place)) else {
                let message = "This server does not host this topic-partition.".to_owned();
                return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message));
            };
            let (now_ms, rules) = (self.now_ms(), self.rules(group));
            let freed = partition.expire(now_ms, &rules);
            partition.acknowledge(member, now_ms, &rules, all)?;
            let releases = all.iter().any(|one| one.verdicts.contains(&Verdict::Release));
            if freed || releases {
                self.freed.notify_waiters();
            }
            self.store(group, place, partition)
        };
        self.finish(group, place, queued).await.map_err(|error| {
            tracing::error!(group, "acknowledgements are not stored: {error}");
            Refusal::new(
                ErrorCode::KafkaStorageError,
                "the acknowledgement cannot be stored".to_owned(),
            )
        })
    }

    fn store(&self, group: &str, place: Place, partition: &SharePartition) -> Result<Receipt, CommitFailed> {
        let value = partition
            .encode()
            .map_err(|error| CommitFailed::Unwritable(error.to_string()))?;
        let put = Op::Put {
            table: tables::SHARE_PARTITIONS,
            key: tables::share_key(group, place),
            value: Some(value),
        };
        Ok(self.log.commit(vec![put])?)
    }

    /// Waits until a change is durable; while too much is queued, tries again with what holds by then.
    async fn finish(
        &self,
        group: &str,
        place: Place,
        mut queued: Result<Receipt, CommitFailed>,
    ) -> Result<(), CommitFailed> {
        loop {
            match queued {
                Ok(receipt) => return receipt.await.map(drop).map_err(CommitFailed::from),
                Err(error) if error.is_busy() => {
                    self.log.wait_for_room().await;
                    queued = match self.partitions.lock().get(&(group.to_owned(), place)) {
                        Some(partition) => self.store(group, place, partition),
                        None => return Ok(()),
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What is known of a share-partition; `None` if nobody has read it yet.
    pub(crate) fn show(&self, group: &str, place: Place) -> Option<Shown> {
        let index = place.1;
        let partition = self.catalog.topic_by_id(place.0)?.partition(index)?;
        let end = self.log.bounds(partition)?.high_watermark;
        let shown = |partition: &SharePartition| Shown {
            start: partition.start(),
            lag: partition.lag(end),
        };
        let mut partitions = self.partitions.lock();
        if let Some(known) = partitions.get_mut(&(group.to_owned(), place)) {
            known.expire(self.now_ms(), &self.rules(group));
            return Some(shown(known));
        }
        drop(partitions);
        self.stored(group, place).ok().flatten().as_ref().map(shown)
    }

    /// The topics of which the group has read something, with the partitions.
    pub(crate) fn places(&self, group: &str) -> Vec<Place> {
        let rows = self.log.scan(tables::SHARE_PARTITIONS, &tables::prefix(group));
        rows.iter()
            .filter_map(|(key, _)| Some(tables::split_share_key(key)?.1))
            .collect()
    }

    /// Lets the group go on from other offsets. Nobody may be in it.
    pub(crate) async fn restart_at(&self, group: &str, starts: &[(Place, Offset)]) -> Result<(), CommitFailed> {
        let queued = {
            let mut partitions = self.partitions.lock();
            let mut ops = Vec::with_capacity(starts.len());
            for (place, start) in starts {
                let partition = SharePartition::new(*start);
                let value = partition
                    .encode()
                    .map_err(|error| CommitFailed::Unwritable(error.to_string()))?;
                partitions.insert((group.to_owned(), *place), partition);
                ops.push(Op::Put {
                    table: tables::SHARE_PARTITIONS,
                    key: tables::share_key(group, *place),
                    value: Some(value),
                });
            }
            ops
        };
        crate::storage::commit(&self.log, queued).await.map(drop)
    }

    /// Forgets what the group has read of some partitions.
    pub(crate) async fn forget(&self, group: &str, places: &[Place]) -> Result<(), CommitFailed> {
        {
            let mut partitions = self.partitions.lock();
            for place in places {
                partitions.remove(&(group.to_owned(), *place));
            }
        }
        let gone = places.iter().map(|place| Op::Put {
            table: tables::SHARE_PARTITIONS,
            key: tables::share_key(group, *place),
            value: None,
        });
        crate::storage::commit(&self.log, gone.collect()).await.map(drop)
    }

    /// A group was deleted, with all that was stored of it.
    pub(crate) fn forget_group(&self, group: &str) {
        self.partitions.lock().retain(|(of, _), _| of != group);
    }

    /// Forgets share-partitions of topics that are no more.
    pub(crate) async fn forget_gone(&self) {
        let mut gone: HashMap<String, Vec<Place>> = HashMap::new();
        for (key, _) in self.log.scan(tables::SHARE_PARTITIONS, b"") {
            if let Some((group, place)) = tables::split_share_key(&key)
                && self.catalog.topic_by_id(place.0).is_none()
            {
                gone.entry(group.to_owned()).or_default().push(place);
            }
        }
        for (group, places) in gone {
            if let Err(error) = self.forget(&group, &places).await {
                tracing::warn!(group, "share-partitions of deleted topics stay for now: {error}");
            }
        }
    }

    fn find(&self, (topic, index): Place) -> Result<PartitionId, ErrorCode> {
        let topic = self.catalog.topic_by_id(topic).ok_or(ErrorCode::UnknownTopicId)?;
        topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)
    }

    /// Whether there is such a partition.
    pub(crate) fn check(&self, place: Place) -> Result<(), ErrorCode> {
        self.find(place).map(drop)
    }

    /// The partitions' logs, for waiting.
    pub(crate) fn logs(&self, places: &[Place]) -> Vec<PartitionId> {
        places.iter().filter_map(|place| self.find(*place).ok()).collect()
    }

    /// How long until a lock ends in one of the partitions.
    pub(crate) fn lock_left_ms(&self, group: &str, places: &[Place]) -> Option<i64> {
        let partitions = self.partitions.lock();
        let known = places
            .iter()
            .filter_map(|place| partitions.get(&(group.to_owned(), *place)));
        let deadline_ms = known.filter_map(SharePartition::deadline_ms).min()?;
        Some((deadline_ms - self.now_ms()).max(0))
    }
}
