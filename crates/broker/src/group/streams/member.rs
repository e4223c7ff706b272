//! One member of a streams group: what it said, where it stands, where it is to go.

use std::collections::BTreeMap;

use base::PartitionIndex;

use crate::group::MEMBER_BYTES;
use crate::group::reconcile::{Held, Standing};
use crate::group::topics::Parts;

/// What a member does with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    Active,
    /// Keeps the task's state warm.
    Standby,
}

/// A role, and a subtopology's id; with a partition it is a task.
pub(crate) type Task = (Role, String);
pub(crate) type Tasks = Parts<Task>;
pub(super) type HeldTasks = Held<Task>;

/// Where an application answers questions about its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What a member says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamsInfo {
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i64,
    pub(crate) topology_epoch: i32,
    /// Members with one process id share a directory of state.
    pub(crate) process_id: String,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct StreamsMember {
    pub(crate) id: String,
    pub(crate) info: StreamsInfo,
    pub(crate) standing: Standing<Task>,
    pub(crate) target: Tasks,
    /// When the member counts as gone unless it is heard from.
    pub(super) session_ms: i64,
    /// When it counts as gone unless it leaves this epoch.
    pub(super) rebalance_ms: Option<(i32, i64)>,
}

impl StreamsMember {
    pub(super) fn new(id: String) -> StreamsMember {
        StreamsMember {
            id,
            info: StreamsInfo::default(),
            standing: Standing::new(),
            target: Tasks::new(),
            session_ms: i64::MAX,
            rebalance_ms: None,
        }
    }

    pub(super) fn is_stored_alike(&self, other: &StreamsMember) -> bool {
        self.info == other.info && self.standing == other.standing && self.target == other.target
    }

    pub(super) fn earliest_ms(&self) -> i64 {
        let rebalance_ms = self.rebalance_ms.map_or(i64::MAX, |(_, deadline_ms)| deadline_ms);
        self.session_ms.min(rebalance_ms)
    }

    /// Every task it has or has not given up yet.
    pub(super) fn held(&self) -> Vec<(Task, PartitionIndex)> {
        let each = |(task, partitions): (&Task, &BTreeMap<PartitionIndex, i32>)| {
            let task = task.clone();
            partitions
                .keys()
                .map(|partition| (task.clone(), *partition))
                .collect::<Vec<_>>()
        };
        self.standing
            .assigned
            .iter()
            .chain(&self.standing.revoking)
            .flat_map(each)
            .collect()
    }

    pub(crate) fn assigned(&self) -> Tasks {
        tasks(&self.standing.assigned)
    }

    pub(super) fn size_bytes(&self) -> usize {
        let tags: usize = self
            .info
            .tags
            .iter()
            .map(|(key, value)| key.len() + value.len() + 64)
            .sum();
        let tasks: usize = self.target.values().map(|partitions| 64 + 32 * partitions.len()).sum();
        MEMBER_BYTES + self.id.len() + self.info.client_id.len() + self.info.process_id.len() + tags + 2 * tasks
    }
}

/// The tasks alone, without the epochs.
pub(super) fn tasks(held: &Held<Task>) -> Tasks {
    held.iter()
        .map(|(task, partitions)| (task.clone(), partitions.keys().copied().collect()))
        .collect()
}
