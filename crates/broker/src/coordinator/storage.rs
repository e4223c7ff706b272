//! Where groups lie in the log's tables: reading them at start, writing what changed.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use catalog::Catalog;
use log::{Log, Op, Receipt, TableId};

use super::{Coordinator, Groups};
use crate::group::{AnyGroup, ConsumerGroup, Group, GroupLimits, Kind, Now, ShareGroup, StreamsGroup};
use crate::group_settings::GroupSettings;
use crate::storage::CommitFailed;
use crate::tables;

/// Table and key of a group's row.
pub(super) fn place(kind: Kind, id: &str, key: &[u8]) -> (TableId, Bytes) {
    match kind {
        Kind::Classic => (tables::GROUPS, Bytes::from(id.to_owned())),
        Kind::Consumer => (tables::CONSUMER_GROUPS, member_key(id, key)),
        Kind::Share => (tables::SHARE_GROUPS, member_key(id, key)),
        Kind::Streams => (tables::STREAMS_GROUPS, member_key(id, key)),
    }
}

fn member_key(id: &str, key: &[u8]) -> Bytes {
    Bytes::from([&tables::prefix(id)[..], key].concat())
}

/// Every group that the log keeps. One that cannot be read is left out and said: its members will join anew, and nothing
/// else is lost.
pub(super) fn read(log: &Log, catalog: &Catalog, limits: &GroupLimits, now: Now) -> HashMap<String, AnyGroup> {
    let mut groups = HashMap::new();
    for (key, value) in log.scan(tables::GROUPS, b"") {
        let id = String::from_utf8_lossy(&key).into_owned();
        match Group::restore(value, limits.clone(), now) {
            Ok(group) => drop(groups.insert(id, AnyGroup::Classic(group))),
            Err(error) => tracing::error!(group = id, "group is not restored: {error}"),
        }
    }
    for (id, rows) in rows_by_group(log, tables::CONSUMER_GROUPS) {
        let limits = GroupSettings::of(catalog, &id).apply(limits);
        match ConsumerGroup::restore(rows, limits, now) {
            Ok(group) => drop(groups.insert(id, AnyGroup::Consumer(group))),
            Err(error) => tracing::error!(group = id, "group is not restored: {error}"),
        }
    }
    for (id, rows) in rows_by_group(log, tables::SHARE_GROUPS) {
        let limits = GroupSettings::of(catalog, &id).apply(limits);
        match ShareGroup::restore(rows, limits, now) {
            Ok(group) => drop(groups.insert(id, AnyGroup::Share(group))),
            Err(error) => tracing::error!(group = id, "group is not restored: {error}"),
        }
    }
    for (id, rows) in rows_by_group(log, tables::STREAMS_GROUPS) {
        let limits = GroupSettings::of(catalog, &id).apply(limits);
        match StreamsGroup::restore(rows, limits, now) {
            Ok(group) => drop(groups.insert(id, AnyGroup::Streams(group))),
            Err(error) => tracing::error!(group = id, "group is not restored: {error}"),
        }
    }
    groups
}

fn rows_by_group(log: &Log, table: TableId) -> BTreeMap<String, Vec<(Bytes, Bytes)>> {
    let mut groups: BTreeMap<String, Vec<(Bytes, Bytes)>> = BTreeMap::new();
    for (key, value) in log.scan(table, b"") {
        if let Some((id, rest)) = tables::split_prefix(&key) {
            let rest = Bytes::copy_from_slice(rest);
            groups.entry(id.to_owned()).or_default().push((rest, value));
        }
    }
    groups
}

impl Coordinator {
    /// Queues what has changed of a group.
    pub(super) fn store(&self, groups: &mut Groups, id: &str) -> Result<Option<Receipt>, CommitFailed> {
        let Some(slot) = groups.by_id.get_mut(id) else {
            return Ok(None);
        };
        let rows = slot
            .group
            .rows()
            .map_err(|error| CommitFailed::Unwritable(error.to_string()))?;
        let kind = slot.group.kind();
        let stale = slot.stale.iter().map(|(table, key)| Op::Put {
            table: *table,
            key: key.clone(),
            value: None,
        });
        let rows = rows.into_iter().map(|(key, value)| {
            let (table, key) = place(kind, id, &key);
            Op::Put { table, key, value }
        });
        let receipt = self.log.commit(stale.chain(rows).collect())?;
        slot.stale.clear();
        slot.group.is_written();
        Ok(Some(receipt))
    }

    pub(super) async fn finish_store(
        &self,
        mut stored: Result<Option<Receipt>, CommitFailed>,
        id: &str,
    ) -> Result<(), CommitFailed> {
        loop {
            match stored {
                Ok(Some(receipt)) => return receipt.await.map(drop).map_err(CommitFailed::from),
                Ok(None) => return Ok(()),
                Err(error) if error.is_busy() => {
                    self.log.wait_for_room().await;
                    // As it stands by then, which is at least as new.
                    stored = self.store(&mut self.groups.lock(), id);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
