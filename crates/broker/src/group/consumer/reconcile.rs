//! One member's next step towards the target assignment.

use std::collections::{BTreeMap, BTreeSet};

use base::PartitionIndex;

use super::member::{Held, Progress, Standing};
use crate::group::topics::{Parts, TopicId};

/// Where a member is to go, and what is known of the way.
pub(super) struct Aim<'a> {
    /// The epoch of the target assignment.
    pub(super) epoch: i32,
    pub(super) target: &'a Parts,
    /// What the member subscribes to now, which the target may not know yet.
    pub(super) subscribed: &'a BTreeSet<TopicId>,
    pub(super) subscription_changed: bool,
    /// What the member says it owns; silence confirms nothing.
    pub(super) owned: Option<&'a Parts>,
    /// Whether any member, this one included, holds a partition.
    pub(super) is_held: &'a dyn Fn(&TopicId, PartitionIndex) -> bool,
}

impl Aim<'_> {
    fn owns_any(&self, revoking: &Held) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|(topic, partitions)| {
            let revoking = revoking.get(topic);
            revoking.is_some_and(|revoking| partitions.iter().any(|partition| revoking.contains_key(partition)))
        })
    }
}

pub(super) fn reconcile(standing: &Standing, aim: &Aim<'_>) -> Standing {
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
fn drop_unsubscribed(standing: &Standing, aim: &Aim<'_>) -> Standing {
    let mut after = standing.clone();
    after.assigned.retain(|topic, _| aim.subscribed.contains(topic));
    if after.assigned == standing.assigned {
        return after;
    }
    after.previous_epoch = standing.epoch;
    for (topic, partitions) in &standing.assigned {
        if !after.assigned.contains_key(topic) {
            after.revoking.insert(*topic, partitions.clone());
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
fn next(standing: &Standing, epoch: i32, aim: &Aim<'_>) -> Standing {
    let mut assigned = Held::new();
    let mut revoking = Held::new();
    for (topic, partitions) in &standing.assigned {
        let target = aim.target.get(topic).filter(|_| aim.subscribed.contains(topic));
        for (partition, since) in partitions {
            let stays = target.is_some_and(|target| target.contains(partition));
            let place = if stays { &mut assigned } else { &mut revoking };
            place
                .entry(*topic)
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
        if !aim.subscribed.contains(topic) {
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
                let place = assigned.entry(*topic).or_default();
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
