//! The `sticky` assignor: every task once, evenly over members, where it was if that can be; standbys on other processes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use base::PartitionIndex;

use super::member::{Role, Tasks};

/// A member as the assignor sees it.
#[derive(Clone, Debug)]
pub(super) struct Worker<'a> {
    pub(super) process_id: &'a str,
    /// What it was to do before.
    pub(super) has: &'a Tasks,
}

impl Worker<'_> {
    fn had(&self, role: Role, id: &TaskId<'_>) -> bool {
        self.has
            .get(&(role, id.0.to_owned()))
            .is_some_and(|partitions| partitions.contains(&id.1))
    }
}

/// Subtopology and partition.
type TaskId<'a> = (&'a str, PartitionIndex);

/// What each member is to do.
pub(super) fn sticky(
    workers: &[Worker<'_>],
    tasks: &BTreeMap<String, PartitionIndex>,
    stateful: &BTreeSet<String>,
    standby_replicas: usize,
) -> Vec<Tasks> {
    let mut targets = vec![Tasks::new(); workers.len()];
    if workers.is_empty() {
        return targets;
    }
    let ids = tasks
        .iter()
        .flat_map(|(id, count)| (0..*count).map(move |at| (id.as_str(), at)));
    let mut all: Vec<TaskId<'_>> = ids.collect();
    // Partition by partition, so that everybody gets something of every subtopology.
    all.sort_by_key(|(id, partition)| (*partition, *id));
    let active = actives(workers, &all);
    let mut loads: Vec<usize> = vec![0; workers.len()];
    for (id, at) in &active {
        put(&mut targets[*at], Role::Active, id);
        loads[*at] += 1;
    }
    for id in all.iter().filter(|(subtopology, _)| stateful.contains(*subtopology)) {
        let mut processes: BTreeSet<&str> = active.get(id).map(|at| workers[*at].process_id).into_iter().collect();
        for _ in 0..standby_replicas {
            let free = (0..workers.len()).filter(|at| !processes.contains(workers[*at].process_id));
            let knows = |at: &usize| workers[*at].had(Role::Standby, id) || workers[*at].had(Role::Active, id);
            // Who has the state already, else who has least to do.
            let Some(at) = free.min_by_key(|at| (!knows(at), loads[*at])) else {
                break;
            };
            put(&mut targets[at], Role::Standby, id);
            loads[at] += 1;
            processes.insert(workers[at].process_id);
        }
    }
    targets
}

fn put(target: &mut Tasks, role: Role, id: &TaskId<'_>) {
    target.entry((role, id.0.to_owned())).or_default().insert(id.1);
}

fn actives<'a>(workers: &[Worker<'_>], all: &[TaskId<'a>]) -> BTreeMap<TaskId<'a>, usize> {
    let (quota, more) = (all.len() / workers.len(), all.len() % workers.len());
    let mut order: Vec<usize> = (0..workers.len()).collect();
    let had = |at: &usize| all.iter().filter(|id| workers[*at].had(Role::Active, id)).count();
    order.sort_by_key(|at| Reverse(had(at)));
    let mut room = vec![0; workers.len()];
    for (rank, at) in order.iter().enumerate() {
        room[*at] = quota + usize::from(rank < more);
    }
    let mut given: BTreeMap<TaskId<'a>, usize> = BTreeMap::new();
    // First where the task is, then where its state is, in the same process too, then wherever there is room.
    let near = |at: usize, id: &TaskId<'_>| {
        let same_process = |other: &Worker<'_>| other.process_id == workers[at].process_id;
        workers[at].had(Role::Standby, id)
            || workers
                .iter()
                .any(|other| same_process(other) && (other.had(Role::Active, id) || other.had(Role::Standby, id)))
    };
    for round in 0..3 {
        for id in all {
            if given.contains_key(id) {
                continue;
            }
            let fits = |at: &&usize| match round {
                0 => workers[**at].had(Role::Active, id),
                1 => near(**at, id),
                _ => true,
            };
            let place = order
                .iter()
                .filter(|at| room[**at] > 0)
                .filter(fits)
                .max_by_key(|at| room[**at]);
            if let Some(at) = place {
                room[*at] -= 1;
                given.insert(*id, *at);
            }
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use base::{Random, SeededRandom};

    use super::*;

    #[test]
    fn every_task_runs_once_evenly_and_stays_and_standbys_are_elsewhere() {
        for seed in 0..300 {
            let random = SeededRandom::new(seed);
            let tasks: BTreeMap<String, PartitionIndex> = [("0".to_owned(), 4), ("1".to_owned(), 3)].into();
            let stateful: BTreeSet<String> = ["1".to_owned()].into();
            let mut members: Vec<(String, Tasks)> = Vec::new();
            for _ in 0..30 {
                if random.below(3) > 0 || members.is_empty() {
                    members.push((format!("p{}", random.below(3)), Tasks::new()));
                } else {
                    members.remove(random.below(members.len() as u64) as usize);
                }
                let replicas = random.below(3) as usize;
                let workers = |members: &[(String, Tasks)]| -> Vec<Tasks> {
                    let workers: Vec<Worker<'_>> = members
                        .iter()
                        .map(|(process_id, has)| Worker { process_id, has })
                        .collect();
                    sticky(&workers, &tasks, &stateful, replicas)
                };
                let targets = workers(&members);
                let mut running: BTreeMap<(&str, i32), &str> = BTreeMap::new();
                let mut standbys: BTreeMap<(&str, i32), BTreeSet<&str>> = BTreeMap::new();
                for ((process, _), target) in members.iter().zip(&targets) {
                    for ((role, id), partitions) in target {
                        for partition in partitions {
                            let key = (id.as_str(), *partition);
                            let alone = match role {
                                Role::Active => running.insert(key, process).is_none(),
                                Role::Standby => standbys.entry(key).or_default().insert(process),
                            };
                            assert!(alone, "seed {seed}: {key:?} twice");
                        }
                    }
                }
                assert_eq!(running.len(), if members.is_empty() { 0 } else { 7 }, "seed {seed}");
                let processes: BTreeSet<&String> = members.iter().map(|(process, _)| process).collect();
                for (key, process) in &running {
                    let others = standbys.get(key).cloned().unwrap_or_default();
                    assert!(!others.contains(process), "seed {seed}: {key:?} is beside its standby");
                    let wanted = if key.0 == "1" {
                        replicas.min(processes.len() - 1)
                    } else {
                        0
                    };
                    assert_eq!(others.len(), wanted, "seed {seed}: {key:?}");
                }
                let active = |target: &Tasks| -> usize {
                    let active = target.iter().filter(|((role, _), _)| *role == Role::Active);
                    active.map(|(_, partitions)| partitions.len()).sum()
                };
                let sizes: Vec<usize> = targets.iter().map(active).collect();
                if let (Some(most), Some(least)) = (sizes.iter().max(), sizes.iter().min()) {
                    assert!(most - least <= 1, "seed {seed}: {sizes:?}");
                }
                for ((_, has), target) in members.iter_mut().zip(&targets) {
                    has.clone_from(target);
                }
                let again = workers(&members);
                let moved = again.iter().zip(&targets).any(|(one, other)| {
                    let only = |tasks: &Tasks| -> Tasks {
                        tasks
                            .iter()
                            .filter(|((role, _), _)| *role == Role::Active)
                            .map(|(k, v)| (k.clone(), v.clone()))
                            .collect()
                    };
                    only(one) != only(other)
                });
                assert!(!moved, "seed {seed}: nothing moves without need");
            }
        }
    }
}
