//! One member of a KIP-848 group: what it said, where it stands, where it is to go.

use std::collections::{BTreeMap, BTreeSet};

use base::PartitionIndex;
use bytes::Bytes;

use crate::group::reconcile;
pub(crate) use crate::group::reconcile::Progress;
use crate::group::topics::{Parts, TopicId};
use crate::group::{MEMBER_BYTES, Now};

pub(crate) type Held = reconcile::Held<TopicId>;
pub(crate) type Standing = reconcile::Standing<TopicId>;

/// What a member says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i64,
    pub(crate) names: BTreeSet<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) assignor: Option<String>,
    /// Set for members that speak the classic protocol.
    pub(crate) classic: Option<Classic>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Classic {
    pub(crate) session_timeout_ms: i64,
    /// Name and metadata, best first.
    pub(crate) protocols: Vec<(String, Bytes)>,
}

/// When the member counts as gone unless something happens before; none of it outlives a restart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    /// It is heard from.
    pub(super) session_ms: i64,
    /// It leaves this epoch.
    pub(super) rebalance_ms: Option<(i32, i64)>,
    /// A classic member joins the rebalance it was told of.
    pub(super) join_ms: Option<i64>,
    /// A classic member that joined asks for its assignment.
    pub(super) sync_ms: Option<i64>,
}

impl Timers {
    pub(super) fn earliest_ms(&self) -> i64 {
        let rebalance_ms = self.rebalance_ms.map(|(_, deadline_ms)| deadline_ms);
        let others = [rebalance_ms, self.join_ms, self.sync_ms];
        others.into_iter().flatten().fold(self.session_ms, i64::min)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) info: Info,
    pub(crate) standing: Standing,
    pub(crate) target: Parts,
    pub(super) timers: Timers,
}

impl Member {
    pub(super) fn new(id: String) -> Member {
        Member {
            id,
            info: Info::default(),
            standing: Standing::new(),
            target: Parts::new(),
            timers: Timers {
                session_ms: i64::MAX,
                rebalance_ms: None,
                join_ms: None,
                sync_ms: None,
            },
        }
    }

    pub(super) fn is_stored_alike(&self, other: &Member) -> bool {
        self.info == other.info && self.standing == other.standing && self.target == other.target
    }

    /// Every partition nobody else may have.
    pub(super) fn held(&self) -> impl Iterator<Item = (TopicId, PartitionIndex)> {
        let each = |(topic, partitions): (&TopicId, &BTreeMap<PartitionIndex, i32>)| {
            let topic = *topic;
            partitions
                .keys()
                .map(move |partition| (topic, *partition))
                .collect::<Vec<_>>()
        };
        self.standing
            .assigned
            .iter()
            .chain(&self.standing.revoking)
            .flat_map(each)
    }

    pub(crate) fn assigned(&self) -> Parts {
        let partitions = |held: &BTreeMap<PartitionIndex, i32>| held.keys().copied().collect();
        self.standing
            .assigned
            .iter()
            .map(|(topic, held)| (*topic, partitions(held)))
            .collect()
    }

    pub(super) fn session_timeout_ms(&self, default_ms: i64) -> i64 {
        self.info
            .classic
            .as_ref()
            .map_or(default_ms, |classic| classic.session_timeout_ms)
    }

    /// The member was heard from.
    pub(super) fn touch(&mut self, now: Now, default_ms: i64) {
        self.timers.session_ms = now.monotonic_ms + self.session_timeout_ms(default_ms);
    }

    pub(super) fn size_bytes(&self) -> usize {
        let names: usize = self.info.names.iter().map(|name| name.len() + 32).sum();
        let classic = self.info.classic.as_ref().map_or(0, |classic| {
            classic
                .protocols
                .iter()
                .map(|(name, metadata)| name.len() + metadata.len())
                .sum()
        });
        let partitions: usize = self.target.values().map(|partitions| 32 + 32 * partitions.len()).sum();
        let texts = [&self.info.instance_id, &self.info.rack_id, &self.info.pattern];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        MEMBER_BYTES + self.id.len() + self.info.client_id.len() + texts + names + classic + 2 * partitions
    }
}
