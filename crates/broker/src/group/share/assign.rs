//! The `simple` assignor of share groups: with members enough every partition is read by as many, with fewer every member
//! reads as many; and what a member reads changes only if that must be.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use base::PartitionIndex;

use crate::group::topics::{Parts, TopicId};

/// A member as the assignor sees it.
pub(super) struct Reader<'a> {
    /// Only topics that exist.
    pub(super) topics: BTreeSet<TopicId>,
    /// What it was to read before.
    pub(super) has: &'a Parts,
}

type Partition = (TopicId, PartitionIndex);

/// What each member is to read.
pub(super) fn simple(readers: &[Reader<'_>], counts: &BTreeMap<TopicId, PartitionIndex>) -> Vec<Parts> {
    let mut targets = vec![Parts::new(); readers.len()];
    let Some(first) = readers.first() else { return targets };
    if readers.iter().all(|reader| reader.topics == first.topics) {
        let topics: Vec<TopicId> = first.topics.iter().copied().collect();
        share_out(
            readers,
            &(0..readers.len()).collect::<Vec<_>>(),
            &partitions(&topics, counts),
            &mut targets,
        );
        return targets;
    }
    // Subscriptions differ: topic by topic.
    for topic in counts.keys() {
        let takers: Vec<usize> = (0..readers.len())
            .filter(|at| readers[*at].topics.contains(topic))
            .collect();
        share_out(readers, &takers, &partitions(&[*topic], counts), &mut targets);
    }
    targets
}

fn partitions(topics: &[TopicId], counts: &BTreeMap<TopicId, PartitionIndex>) -> Vec<Partition> {
    let of = |topic: &TopicId| {
        let topic = *topic;
        (0..counts.get(&topic).copied().unwrap_or(0)).map(move |partition| (topic, partition))
    };
    topics.iter().flat_map(of).collect()
}

fn share_out(readers: &[Reader<'_>], takers: &[usize], partitions: &[Partition], targets: &mut [Parts]) {
    if takers.is_empty() || partitions.is_empty() {
        return;
    }
    // How many pairs of member and partition there have to be, so that no member and no partition is left out.
    let pairs = takers.len().max(partitions.len());
    let had = |at: usize, partition: &Partition| {
        let has = readers[at].has.get(&partition.0);
        has.is_some_and(|has| has.contains(&partition.1))
    };
    let most_by_member = pairs.div_ceil(takers.len());
    let most_by_partition = pairs.div_ceil(partitions.len());
    let mut by_member: BTreeMap<usize, usize> = takers.iter().map(|at| (*at, 0)).collect();
    let mut by_partition: BTreeMap<Partition, usize> = partitions.iter().map(|partition| (*partition, 0)).collect();
    let mut give = |at: usize, partition: Partition, by_member: &mut BTreeMap<usize, usize>| {
        *by_member.entry(at).or_default() += 1;
        targets[at].entry(partition.0).or_default().insert(partition.1);
    };
    // First what may stay: fewer than all may have the greatest share.
    let mut order = takers.to_vec();
    order.sort_by_key(|at| Reverse(partitions.iter().filter(|partition| had(*at, partition)).count()));
    let mut large_left = pairs - (most_by_member - 1) * takers.len();
    let mut crowded_left = pairs - (most_by_partition - 1) * partitions.len();
    for at in &order {
        for partition in partitions.iter().filter(|partition| had(*at, partition)) {
            let (mine, theirs) = (by_member[at], by_partition[partition]);
            let makes_large = mine + 1 == most_by_member;
            let makes_crowded = theirs + 1 == most_by_partition;
            let fits = mine < most_by_member && theirs < most_by_partition;
            if !fits || makes_large && large_left == 0 || makes_crowded && crowded_left == 0 {
                continue;
            }
            large_left -= usize::from(makes_large);
            crowded_left -= usize::from(makes_crowded);
            give(*at, *partition, &mut by_member);
            *by_partition.entry(*partition).or_default() += 1;
        }
    }
    // Then the rest, always between who has least and what is read least.
    let total = |by_member: &BTreeMap<usize, usize>| by_member.values().sum::<usize>();
    while total(&by_member) < pairs {
        let least_read = partitions.iter().min_by_key(|partition| by_partition[*partition]);
        let Some(partition) = least_read.copied() else { return };
        let Some(at) = takers.iter().copied().min_by_key(|at| by_member[at]) else {
            return;
        };
        give(at, partition, &mut by_member);
        *by_partition.entry(partition).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use base::{Random, SeededRandom};

    use super::*;

    #[test]
    fn nobody_and_nothing_is_left_out_and_what_is_read_stays() {
        let counts: BTreeMap<TopicId, PartitionIndex> = [([1; 16], 4), ([2; 16], 3)].into();
        for seed in 0..300 {
            let random = SeededRandom::new(seed);
            let mut has: Vec<(BTreeSet<TopicId>, Parts)> = Vec::new();
            let same = random.below(2) == 0;
            for _ in 0..40 {
                if random.below(3) > 0 || has.is_empty() {
                    let mask = if same { 3 } else { 1 + random.below(3) };
                    let topics = (1..=2_u8).filter(|topic| mask >> (topic - 1) & 1 == 1);
                    has.push((topics.map(|topic| [topic; 16]).collect(), Parts::new()));
                } else {
                    has.remove(random.below(has.len() as u64) as usize);
                }
                let readers: Vec<Reader<'_>> = has
                    .iter()
                    .map(|(topics, has)| Reader {
                        topics: topics.clone(),
                        has,
                    })
                    .collect();
                let targets = simple(&readers, &counts);
                let again: Vec<Reader<'_>> = has
                    .iter()
                    .zip(&targets)
                    .map(|((topics, _), has)| Reader {
                        topics: topics.clone(),
                        has,
                    })
                    .collect();
                let size = |parts: &Parts| parts.values().map(BTreeSet::len).sum::<usize>();
                for (reader, target) in readers.iter().zip(&targets) {
                    assert!(target.keys().all(|topic| reader.topics.contains(topic)), "seed {seed}");
                    assert!(size(target) > 0, "seed {seed}: everybody reads something");
                }
                for (topic, count) in &counts {
                    for partition in 0..*count {
                        let wanted = has.iter().any(|(topics, _)| topics.contains(topic));
                        let read = targets
                            .iter()
                            .any(|target| target.get(topic).is_some_and(|t| t.contains(&partition)));
                        assert_eq!(read, wanted, "seed {seed}: {topic:?} {partition}");
                    }
                }
                if same && !targets.is_empty() {
                    let sizes: Vec<usize> = targets.iter().map(size).collect();
                    assert!(
                        sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1,
                        "seed {seed}: {sizes:?}"
                    );
                    assert_eq!(
                        simple(&again, &counts),
                        targets,
                        "seed {seed}: nothing moves without need"
                    );
                }
                for ((_, has), target) in has.iter_mut().zip(targets) {
                    *has = target;
                }
            }
        }
    }
}
