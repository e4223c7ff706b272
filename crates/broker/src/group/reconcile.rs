//! One member's next step towards the target assignment: of partitions in consumer groups, of tasks in streams groups.

use std::collections::BTreeMap;

use base::PartitionIndex;

use super::topics::Parts;

/// Partitions of a member, each with the epoch in which it got it.
pub(crate) type Held<K> = BTreeMap<K, BTreeMap<PartitionIndex, i32>>;

/// How far a member is on its way to the target assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has what its epoch says.
    Stable,
    /// It has to give up partitions before it may go on.
    Revoking,
    /// It waits for partitions that others have not given up yet.
    Waiting,
}

/// Where a member stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing<K> {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) progress: Progress,
    pub(crate) assigned: Held<K>,
    /// Taken away, and not yet known to be given up.
    pub(crate) revoking: Held<K>,
}

impl<K> Standing<K> {
    pub(super) fn new() -> Standing<K> {
        Standing {
            epoch: 0,
            previous_epoch: 0,
            progress: Progress::Stable,
            assigned: Held::new(),
            revoking: Held::new(),
        }
    }
}

/// Where a member is to go, and what is known of the way.
pub(super) struct Aim<'a, K> {
    /// The epoch of the target assignment.
    pub(super) epoch: i32,
    pub(super) target: &'a Parts<K>,
    /// Whether the member wants something now, which the target may not know yet.
    pub(super) is_wanted: &'a dyn Fn(&K) -> bool,
    pub(super) subscription_changed: bool,
    /// What the member says it owns; silence confirms nothing.
    pub(super) owned: Option<&'a Parts<K>>,
    /// Whether any member, this one included, holds a partition.
    pub(super) is_held: &'a dyn Fn(&K, PartitionIndex) -> bool,
}

impl<K: Ord> Aim<'_, K> {
    fn owns_any(&self, revoking: &Held<K>) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|(topic, partitions)| {
            let revoking = revoking.get(topic);
            revoking.is_some_and(|revoking| partitions.iter().any(|partition| revoking.contains_key(partition)))
        })
    }
}

pub(super) fn reconcile<K: Ord + Clone>(standing: &Standing<K>, aim: &Aim<'_, K>) -> Standing<K> {
    match standing.progress {
        Progress::Stable if standing.epoch != aim.epoch => next(standing, standing.epoch, aim),
        Progress::Stable if aim.subscription_changed => drop_unsubscribed(standing, aim),
        Progress::Stable => standing.clone(),
        Progress::Revoking => {
            let standing = if aim.subscription_changed {
                drop_unsubscribed(standing, aim)
            } else {
                standing.clone()
            };
            if aim.owns_any(&standing.revoking) {
                return standing;
            }
            let epoch = (standing.epoch + 1).min(aim.epoch);
            next(&standing, epoch, aim)
        }
        Progress::Waiting => next(standing, standing.epoch, aim),
    }
}

/// The target knows nothing yet of topics the member has just given up: they are taken away at once.
fn drop_unsubscribed<K: Ord + Clone>(standing: &Standing<K>, aim: &Aim<'_, K>) -> Standing<K> {
    let mut after = standing.clone();
    after.assigned.retain(|topic, _| (aim.is_wanted)(topic));
    if after.assigned == standing.assigned {
        return after;
    }
    after.previous_epoch = standing.epoch;
    for (topic, partitions) in &standing.assigned {
        if !after.assigned.contains_key(topic) {
            after.revoking.insert(topic.clone(), partitions.clone());
        }
    }
    if aim.owns_any(&after.revoking) {
        after.progress = Progress::Revoking;
    } else {
        after.revoking.clone_from(&standing.revoking);
    }
    after
}

/// Gives up what the target does not have, and only then takes what it has and nobody holds.
fn next<K: Ord + Clone>(standing: &Standing<K>, epoch: i32, aim: &Aim<'_, K>) -> Standing<K> {
    let mut assigned = Held::new();
    let mut revoking = Held::new();
    for (topic, partitions) in &standing.assigned {
        let target = aim.target.get(topic).filter(|_| (aim.is_wanted)(topic));
        for (partition, since) in partitions {
            let stays = target.is_some_and(|target| target.contains(partition));
            let place = if stays { &mut assigned } else { &mut revoking };
            place
                .entry(topic.clone())
                .or_insert_with(BTreeMap::new)
                .insert(*partition, *since);
        }
    }
    if !revoking.is_empty() && aim.owns_any(&revoking) {
        return Standing {
            epoch,
            previous_epoch: standing.epoch,
            progress: Progress::Revoking,
            assigned,
            revoking,
        };
    }
    let mut waits = false;
    for (topic, partitions) in aim.target {
        if !(aim.is_wanted)(topic) {
            continue;
        }
        for partition in partitions {
            let has = standing
                .assigned
                .get(topic)
                .is_some_and(|had| had.contains_key(partition));
            if has {
                continue;
            }
            if (aim.is_held)(topic, *partition) {
                waits = true;
            } else {
                let place = assigned.entry(topic.clone()).or_default();
                place.insert(*partition, aim.epoch);
            }
        }
    }
    Standing {
        epoch: aim.epoch,
        previous_epoch: standing.epoch,
        progress: if waits { Progress::Waiting } else { Progress::Stable },
        assigned,
        revoking: Held::new(),
    }
}
