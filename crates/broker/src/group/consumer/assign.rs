//! The assignors: pure functions from members and partition counts to who is to have what.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::PartitionIndex;

use crate::group::topics::{Parts, TopicId};

/// A member as an assignor sees it.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    /// Only topics that exist.
    pub(crate) topics: BTreeSet<TopicId>,
    /// What it was to have before.
    pub(crate) has: Parts,
}

type Counts = BTreeMap<TopicId, PartitionIndex>;
type Partition = (TopicId, PartitionIndex);

/// Each topic in ranges of one size or one more; members in the order of their instance ids, then of their ids.
pub(crate) fn range(readers: &[Reader], counts: &Counts) -> Vec<Parts> {
    let mut order: Vec<usize> = (0..readers.len()).collect();
    order.sort_by_key(|place| {
        let reader = &readers[*place];
        (reader.instance_id.is_none(), reader.instance_id.as_ref(), &reader.id)
    });
    let mut targets = vec![Parts::new(); readers.len()];
    for (topic, count) in counts {
        let takers: Vec<usize> = order
            .iter()
            .copied()
            .filter(|place| readers[*place].topics.contains(topic))
            .collect();
        let Ok(number) = PartitionIndex::try_from(takers.len()) else {
            continue;
        };
        let mut start = 0;
        for (rank, place) in (0..).zip(takers) {
            let size = count / number + PartitionIndex::from(rank < count % number);
            if size > 0 {
                targets[place].insert(*topic, (start..start + size).collect());
            }
            start += size;
        }
    }
    targets
}

/// Everybody the same number or one more, as far as subscriptions allow, and as little moved as that needs.
pub(crate) fn uniform(readers: &[Reader], counts: &Counts) -> Vec<Parts> {
    let Some(first) = readers.first() else {
        return Vec::new();
    };
    let kept = keep(readers, counts);
    let taken: BTreeSet<Partition> = kept.iter().flatten().copied().collect();
    let wanted: BTreeSet<TopicId> = readers
        .iter()
        .flat_map(|reader| reader.topics.iter().copied())
        .collect();
    let all = wanted.iter().filter_map(|topic| Some((*topic, *counts.get(topic)?)));
    let all = all.flat_map(|(topic, count)| (0..count).map(move |partition| (topic, partition)));
    let free: Vec<Partition> = all.filter(|partition| !taken.contains(partition)).collect();
    let shares = if readers.iter().all(|reader| reader.topics == first.topics) {
        share_alike(kept, free)
    } else {
        share_unlike(readers, kept, free)
    };
    shares.into_iter().map(to_parts).collect()
}

/// What each member has that it may keep; where two claim the same, the first has it.
fn keep(readers: &[Reader], counts: &Counts) -> Vec<Vec<Partition>> {
    let mut taken = BTreeSet::new();
    let mut keep_one = |reader: &Reader| {
        let mut kept = Vec::new();
        for (topic, partitions) in &reader.has {
            let count = counts.get(topic).copied().unwrap_or(0);
            if !reader.topics.contains(topic) {
                continue;
            }
            let stays = |partition: &&PartitionIndex| (0..count).contains(*partition);
            for partition in partitions.iter().filter(stays) {
                if taken.insert((*topic, *partition)) {
                    kept.push((*topic, *partition));
                }
            }
        }
        kept
    };
    readers.iter().map(&mut keep_one).collect()
}

/// All subscribe to the same: those who have most keep the partition more that not all can have.
fn share_alike(mut shares: Vec<Vec<Partition>>, mut free: Vec<Partition>) -> Vec<Vec<Partition>> {
    let total = free.len() + shares.iter().map(Vec::len).sum::<usize>();
    let (quota, more) = (total / shares.len(), total % shares.len());
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|place| Reverse(shares[*place].len()));
    let quota_of = |rank: usize| quota + usize::from(rank < more);
    for (rank, place) in order.iter().enumerate() {
        let excess = shares[*place].len().saturating_sub(quota_of(rank));
        let keeps = shares[*place].len() - excess;
        free.extend(shares[*place].drain(keeps..));
    }
    let mut free = VecDeque::from(free);
    for (rank, place) in order.iter().enumerate() {
        while shares[*place].len() < quota_of(rank) {
            let Some(partition) = free.pop_front() else { break };
            shares[*place].push(partition);
        }
    }
    shares
}

/// Subscriptions differ: free partitions go to whoever may have them and has least, then partitions move as long as that
/// makes two members more alike. Each move lowers the sum of the squares, so there is an end.
fn share_unlike(readers: &[Reader], mut shares: Vec<Vec<Partition>>, mut free: Vec<Partition>) -> Vec<Vec<Partition>> {
    let may = |topic: &TopicId| -> Vec<usize> {
        (0..readers.len())
            .filter(|place| readers[*place].topics.contains(topic))
            .collect()
    };
    let topics: BTreeSet<TopicId> = readers
        .iter()
        .flat_map(|reader| reader.topics.iter().copied())
        .collect();
    let takers: BTreeMap<TopicId, Vec<usize>> = topics.into_iter().map(|topic| (topic, may(&topic))).collect();
    // Those whom few may have first: the others can still level out.
    free.sort_by_key(|(topic, partition)| (takers[topic].len(), *topic, *partition));
    for partition in free {
        if let Some(place) = takers[&partition.0]
            .iter()
            .copied()
            .min_by_key(|place| shares[*place].len())
        {
            shares[place].push(partition);
        }
    }
    loop {
        let mut moved = false;
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|place| Reverse(shares[*place].len()));
        for from in order {
            let mut at = 0;
            while at < shares[from].len() {
                let partition = shares[from][at];
                let to = takers[&partition.0]
                    .iter()
                    .copied()
                    .min_by_key(|place| shares[*place].len());
                match to {
                    Some(to) if shares[to].len() + 1 < shares[from].len() => {
                        shares[from].remove(at);
                        shares[to].push(partition);
                        moved = true;
                    }
                    _ => at += 1,
                }
            }
        }
        if !moved {
            return shares;
        }
    }
}

fn to_parts(partitions: Vec<Partition>) -> Parts {
    let mut parts = Parts::new();
    for (topic, partition) in partitions {
        parts.entry(topic).or_default().insert(partition);
    }
    parts
}

#[cfg(test)]
mod tests {
    use base::{Random, SeededRandom};

    use super::*;

    type Assign = fn(&[Reader], &Counts) -> Vec<Parts>;

    fn reader(id: usize, topics: &[u8]) -> Reader {
        Reader {
            id: format!("m{id}"),
            instance_id: None,
            topics: topics.iter().map(|topic| [*topic; 16]).collect(),
            has: Parts::new(),
        }
    }

    fn counts(counts: &[(u8, i32)]) -> Counts {
        counts.iter().map(|(topic, count)| ([*topic; 16], *count)).collect()
    }

    /// `topic:partition,partition` per member.
    fn shown(targets: &[Parts]) -> Vec<String> {
        let one = |(topic, partitions): (&TopicId, &BTreeSet<i32>)| {
            let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
            format!("{}:{}", topic[0], partitions.join(","))
        };
        let all = |parts: &Parts| parts.iter().map(one).collect::<Vec<_>>().join(" ");
        targets.iter().map(all).collect()
    }

    #[test]
    fn ranges_go_together_and_static_members_come_first() {
        let mut readers = vec![reader(0, &[1, 2]), reader(1, &[1, 2]), reader(2, &[2])];
        let counts = counts(&[(1, 3), (2, 4)]);
        assert_eq!(shown(&range(&readers, &counts)), ["1:0,1 2:0,1", "1:2 2:2", "2:3"]);
        readers[1].instance_id = Some("first".to_owned());
        assert_eq!(shown(&range(&readers, &counts)), ["1:2 2:2", "1:0,1 2:0,1", "2:3"]);
        assert_eq!(shown(&range(&[], &counts)), Vec::<String>::new());
    }

    #[test]
    fn members_keep_what_they_have() {
        let mut readers = vec![reader(0, &[1])];
        let counts = counts(&[(1, 5)]);
        let apply = |readers: &mut Vec<Reader>| {
            let targets = uniform(readers, &counts);
            for (reader, target) in readers.iter_mut().zip(&targets) {
                reader.has.clone_from(target);
            }
            shown(&targets)
        };
        assert_eq!(apply(&mut readers), ["1:0,1,2,3,4"]);
        readers.push(reader(1, &[1]));
        assert_eq!(apply(&mut readers), ["1:0,1,2", "1:3,4"]);
        readers.insert(0, reader(2, &[1]));
        assert_eq!(apply(&mut readers), ["1:2", "1:0,1", "1:3,4"]);
        readers.remove(1);
        assert_eq!(apply(&mut readers), ["1:1,2", "1:0,3,4"]);
    }

    #[test]
    fn whatever_the_subscriptions_all_is_assigned_once_and_evenly() {
        for seed in 0..500 {
            let random = SeededRandom::new(seed);
            let counts = counts(&[(1, 7), (2, 1), (3, 4)]);
            let same = random.below(2) == 0;
            let number = 1 + random.below(6) as usize;
            let topics = |mask: u64| (1..=3).filter(|topic| mask >> topic & 1 == 1).collect::<Vec<u8>>();
            let shared = topics(2 + random.below(14));
            let mut readers: Vec<Reader> = (0..number)
                .map(|id| reader(id, &if same { shared.clone() } else { topics(random.below(16)) }))
                .collect();
            let both = [(uniform as Assign, same), (range as Assign, false)];
            for (assignor, is_even) in both {
                for _ in 0..3 {
                    let targets = assignor(&readers, &counts);
                    check(&readers, &counts, &targets, seed);
                    if is_even {
                        let sizes = targets.iter().map(size);
                        assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1, "seed {seed}");
                    }
                    for (reader, target) in readers.iter_mut().zip(targets) {
                        reader.has = target;
                    }
                    let again = assignor(&readers, &counts);
                    assert!(
                        readers.iter().zip(&again).all(|(reader, parts)| reader.has == *parts),
                        "seed {seed}"
                    );
                    let leaves = random.below(readers.len() as u64) as usize;
                    if readers.len() > 1 {
                        readers.remove(leaves);
                    }
                }
            }
        }
    }

    fn size(parts: &Parts) -> usize {
        parts.values().map(BTreeSet::len).sum()
    }

    fn check(readers: &[Reader], counts: &Counts, targets: &[Parts], seed: u64) {
        let mut given = BTreeSet::new();
        for (reader, target) in readers.iter().zip(targets) {
            for (topic, partitions) in target {
                assert!(reader.topics.contains(topic), "seed {seed}: only what is subscribed to");
                for partition in partitions {
                    assert!((0..counts[topic]).contains(partition), "seed {seed}: only what exists");
                    assert!(given.insert((*topic, *partition)), "seed {seed}: only once");
                }
            }
        }
        let wanted: BTreeSet<TopicId> = readers
            .iter()
            .flat_map(|reader| reader.topics.iter().copied())
            .collect();
        let total: i32 = wanted.iter().map(|topic| counts[topic]).sum();
        assert_eq!(given.len(), total as usize, "seed {seed}: all of it");
    }
}
