//! What an application's topology means with the topics there are: how many tasks, which topics of its own it needs, and
//! what is in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use base::PartitionIndex;
use wire::messages::streams_group_heartbeat_request::{Subtopology, TopicInfo, Topology};

use crate::group::topics::Topics;

/// Status codes, as heartbeats number them.
const MISSING_SOURCE_TOPICS: i8 = 1;
const INCORRECTLY_PARTITIONED_TOPICS: i8 = 2;
const MISSING_INTERNAL_TOPICS: i8 = 3;

/// A topic that the application needs and that is made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InternalTopic {
    pub(crate) name: String,
    pub(crate) partitions: PartitionIndex,
    /// 0 or less: the broker's default.
    pub(crate) replication_factor: i16,
    pub(crate) settings: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configured {
    /// How many tasks each subtopology has.
    pub(crate) tasks: BTreeMap<String, PartitionIndex>,
    /// Subtopologies with state that a standby can keep.
    pub(super) stateful: BTreeSet<String>,
    /// How many partitions each topic has or is to have.
    pub(crate) partitions: BTreeMap<String, PartitionIndex>,
    pub(super) missing: Vec<InternalTopic>,
    /// Status code and words.
    pub(super) problem: Option<(i8, String)>,
}

impl Configured {
    /// Whether tasks can be given out.
    pub(crate) fn is_ready(&self) -> bool {
        self.problem.is_none()
    }

    /// Tells this from what it was before.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.tasks.hash(&mut hasher);
        self.partitions.hash(&mut hasher);
        self.problem.hash(&mut hasher);
        hasher.finish()
    }

    fn failed(code: i8, detail: String) -> Configured {
        Configured {
            problem: Some((code, detail)),
            ..Configured::default()
        }
    }
}

/// The topics a subtopology reads, its own repartition topics among them.
pub(crate) fn inputs(subtopology: &Subtopology) -> impl Iterator<Item = &String> {
    let repartition = subtopology.repartition_source_topics.iter().map(|topic| &topic.name);
    subtopology.source_topics.iter().chain(repartition)
}

pub(super) fn size_bytes(topology: &Topology) -> usize {
    let info = |topic: &TopicInfo| {
        let settings = topic
            .topic_configs
            .iter()
            .map(|pair| pair.key.len() + pair.value.len() + 64);
        topic.name.len() + 64 + settings.sum::<usize>()
    };
    let one = |subtopology: &Subtopology| {
        let names = subtopology
            .source_topics
            .iter()
            .chain(&subtopology.repartition_sink_topics);
        let topics = subtopology
            .state_changelog_topics
            .iter()
            .chain(&subtopology.repartition_source_topics);
        let groups = subtopology.copartition_groups.iter();
        let places = groups.map(|group| 64 + 2 * (group.source_topics.len() + group.repartition_source_topics.len()));
        128 + subtopology.subtopology_id.len()
            + places.sum::<usize>()
            + names.map(|name| name.len() + 32).sum::<usize>()
            + topics.map(info).sum::<usize>()
    };
    topology.subtopologies.iter().map(one).sum()
}

/// The topology with everything in an order of its own, so that two that mean the same are equal.
pub(super) fn normal(mut topology: Topology) -> Topology {
    topology
        .subtopologies
        .sort_by(|one, other| one.subtopology_id.cmp(&other.subtopology_id));
    for subtopology in &mut topology.subtopologies {
        subtopology.repartition_sink_topics.sort();
        subtopology
            .state_changelog_topics
            .sort_by(|one, other| one.name.cmp(&other.name));
        for topic in subtopology
            .state_changelog_topics
            .iter_mut()
            .chain(&mut subtopology.repartition_source_topics)
        {
            topic.topic_configs.sort_by(|one, other| one.key.cmp(&other.key));
        }
    }
    topology
}

pub(super) fn configure(topology: &Topology, topics: &dyn Topics) -> Configured {
    let internal: BTreeMap<&str, &TopicInfo> = topology
        .subtopologies
        .iter()
        .flat_map(|subtopology| &subtopology.repartition_source_topics)
        .map(|topic| (topic.name.as_str(), topic))
        .collect();
    let sources = topology
        .subtopologies
        .iter()
        .flat_map(|subtopology| &subtopology.source_topics);
    let sources: BTreeSet<&str> = sources
        .map(String::as_str)
        .filter(|name| !internal.contains_key(name))
        .collect();
    let mut partitions = BTreeMap::new();
    let mut missing = Vec::new();
    for name in sources {
        match topics.find(name) {
            Some((_, count)) => drop(partitions.insert(name.to_owned(), count)),
            None => missing.push(name),
        }
    }
    if !missing.is_empty() {
        let detail = format!("Source topics {} are missing.", missing.join(", "));
        return Configured::failed(MISSING_SOURCE_TOPICS, detail);
    }
    if let Err(detail) = decide(topology, &internal, &mut partitions) {
        return Configured::failed(INCORRECTLY_PARTITIONED_TOPICS, detail);
    }
    let mut configured = Configured {
        partitions,
        ..Configured::default()
    };
    for subtopology in &topology.subtopologies {
        let counts = inputs(subtopology).filter_map(|name| configured.partitions.get(name));
        let count = counts.copied().max().unwrap_or(0);
        let id = subtopology.subtopology_id.clone();
        if !subtopology.state_changelog_topics.is_empty() {
            configured.stateful.insert(id.clone());
        }
        configured.tasks.insert(id, count);
        for topic in &subtopology.state_changelog_topics {
            configured.partitions.insert(topic.name.clone(), count);
        }
    }
    check_internal(topology, topics, &mut configured);
    configured
}

/// Decides how many partitions the repartition topics have: what was asked for, else as many as whoever writes to them
/// reads, else as the topics they are joined with.
fn decide(
    topology: &Topology,
    internal: &BTreeMap<&str, &TopicInfo>,
    partitions: &mut BTreeMap<String, PartitionIndex>,
) -> Result<(), String> {
    for (name, topic) in internal {
        if topic.partitions > 0 {
            partitions.insert((*name).to_owned(), topic.partitions);
        }
    }
    while let Some(undecided) = internal.keys().find(|name| !partitions.contains_key(**name)) {
        let open = internal.keys().filter(|name| !partitions.contains_key(**name));
        let decided = open.filter_map(|name| Some(((*name).to_owned(), upstream(topology, name, partitions)?)));
        let decided: Vec<(String, PartitionIndex)> = decided.collect();
        if decided.is_empty() {
            return Err(format!(
                "Failed to compute number of partitions for all repartition topics, among them {undecided}"
            ));
        }
        partitions.extend(decided);
    }
    for subtopology in &topology.subtopologies {
        for group in &subtopology.copartition_groups {
            let name = |at: &i16| usize::try_from(*at).ok();
            let sources = group
                .source_topics
                .iter()
                .filter_map(|at| subtopology.source_topics.get(name(at)?));
            let own = group
                .repartition_source_topics
                .iter()
                .filter_map(|at| Some(&subtopology.repartition_source_topics.get(name(at)?)?.name));
            let names: Vec<&String> = sources.chain(own).collect();
            copartition(&names, internal, partitions)?;
        }
    }
    Ok(())
}

/// As many partitions as those who write to a topic read at most; `None` while that is not decided.
fn upstream(topology: &Topology, name: &str, partitions: &BTreeMap<String, PartitionIndex>) -> Option<PartitionIndex> {
    let writes = |subtopology: &&Subtopology| subtopology.repartition_sink_topics.iter().any(|sink| sink == name);
    let counts: Option<Vec<PartitionIndex>> = topology
        .subtopologies
        .iter()
        .filter(writes)
        .flat_map(inputs)
        .map(|input| partitions.get(input).copied())
        .collect();
    counts?.into_iter().max()
}

fn copartition(
    names: &[&String],
    internal: &BTreeMap<&str, &TopicInfo>,
    partitions: &mut BTreeMap<String, PartitionIndex>,
) -> Result<(), String> {
    let may_change = |name: &&&String| internal.get(name.as_str()).is_some_and(|topic| topic.partitions <= 0);
    let fixed = names.iter().filter(|name| !may_change(name));
    let fixed: BTreeMap<&String, PartitionIndex> = fixed
        .map(|name| (*name, partitions.get(*name).copied().unwrap_or(0)))
        .collect();
    let counts: BTreeSet<PartitionIndex> = fixed.values().copied().collect();
    if counts.len() > 1 {
        let shown: Vec<String> = fixed.iter().map(|(name, count)| format!("{name}={count}")).collect();
        return Err(format!(
            "Following topics do not have the same number of partitions: [{{{}}}]",
            shown.join(", ")
        ));
    }
    let most = names
        .iter()
        .filter_map(|name| partitions.get(*name))
        .copied()
        .max()
        .unwrap_or(0);
    let count = counts.first().copied().unwrap_or(most);
    for name in names.iter().filter(may_change) {
        partitions.insert((*name).clone(), count);
    }
    Ok(())
}

/// Finds the application's own topics that are missing, or other than they should be.
fn check_internal(topology: &Topology, topics: &dyn Topics, configured: &mut Configured) {
    let own = topology.subtopologies.iter().flat_map(|subtopology| {
        subtopology
            .repartition_source_topics
            .iter()
            .chain(&subtopology.state_changelog_topics)
    });
    let own: BTreeMap<&str, &TopicInfo> = own.map(|topic| (topic.name.as_str(), topic)).collect();
    let mut odd = Vec::new();
    for (name, topic) in own {
        let wanted = configured.partitions.get(name).copied().unwrap_or(0);
        match topics.find(name) {
            Some((_, count)) if count == wanted => {}
            Some((_, count)) => odd.push(format!("{name} has {count} partitions instead of {wanted}")),
            None => configured.missing.push(InternalTopic {
                name: name.to_owned(),
                partitions: wanted,
                replication_factor: topic.replication_factor,
                settings: topic
                    .topic_configs
                    .iter()
                    .map(|pair| (pair.key.clone(), pair.value.clone()))
                    .collect(),
            }),
        }
    }
    if !odd.is_empty() {
        configured.missing.clear();
        let detail = format!("Existing internal topics are not as they should be: {}", odd.join(", "));
        configured.problem = Some((INCORRECTLY_PARTITIONED_TOPICS, detail));
    } else if !configured.missing.is_empty() {
        let names: Vec<&str> = configured.missing.iter().map(|topic| topic.name.as_str()).collect();
        let detail = format!("Internal topics are missing: {}", names.join(", "));
        configured.problem = Some((MISSING_INTERNAL_TOPICS, detail));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::messages::streams_group_heartbeat_request::CopartitionGroup;

    use super::*;
    use crate::group::topics::TopicId;

    struct Known(Vec<(&'static str, PartitionIndex)>);

    impl Topics for Known {
        fn version(&self) -> u64 {
            0
        }

        fn find(&self, name: &str) -> Option<(TopicId, PartitionIndex)> {
            self.0
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, count)| ([1; 16], *count))
        }

        fn name(&self, _: &TopicId) -> Option<Arc<str>> {
            None
        }

        fn names(&self) -> Vec<Arc<str>> {
            self.0.iter().map(|(name, _)| Arc::from(*name)).collect()
        }
    }

    fn info(name: &str, partitions: i32) -> TopicInfo {
        TopicInfo {
            name: name.to_owned(),
            partitions,
            ..TopicInfo::default()
        }
    }

    /// Reads `a`, writes `r`; joins `r` with `b` and keeps `s`.
    fn topology(copartitioned: bool) -> Topology {
        let first = Subtopology {
            subtopology_id: "0".to_owned(),
            source_topics: vec!["a".to_owned()],
            repartition_sink_topics: vec!["r".to_owned()],
            ..Subtopology::default()
        };
        let second = Subtopology {
            subtopology_id: "1".to_owned(),
            source_topics: vec!["b".to_owned()],
            repartition_source_topics: vec![info("r", 0)],
            state_changelog_topics: vec![info("s", 0)],
            copartition_groups: if copartitioned {
                vec![CopartitionGroup {
                    source_topics: vec![0],
                    repartition_source_topics: vec![0],
                    ..CopartitionGroup::default()
                }]
            } else {
                Vec::new()
            },
            ..Subtopology::default()
        };
        Topology {
            epoch: 0,
            subtopologies: vec![first, second],
        }
    }

    #[test]
    fn topics_decide_tasks_and_what_is_missing() {
        let check = |topology: &Topology, known: &[(&'static str, i32)], problem: Option<i8>, tasks: &[i32]| {
            let configured = configure(topology, &Known(known.to_vec()));
            assert_eq!(
                configured.problem.as_ref().map(|(code, _)| *code),
                problem,
                "{configured:?}"
            );
            assert_eq!(
                configured.tasks.values().copied().collect::<Vec<_>>(),
                tasks,
                "{configured:?}"
            );
            configured
        };
        let plain = topology(false);
        check(&plain, &[("a", 2)], Some(MISSING_SOURCE_TOPICS), &[]);
        let missing = check(&plain, &[("a", 2), ("b", 3)], Some(MISSING_INTERNAL_TOPICS), &[2, 3]);
        let counts: Vec<_> = missing
            .missing
            .iter()
            .map(|topic| (topic.name.as_str(), topic.partitions))
            .collect();
        assert_eq!(counts, [("r", 2), ("s", 3)]);
        check(&plain, &[("a", 2), ("b", 3), ("r", 2), ("s", 3)], None, &[2, 3]);
        check(
            &plain,
            &[("a", 2), ("b", 3), ("r", 2), ("s", 2)],
            Some(INCORRECTLY_PARTITIONED_TOPICS),
            &[2, 3],
        );
        let joined = topology(true);
        let missing = check(&joined, &[("a", 2), ("b", 3)], Some(MISSING_INTERNAL_TOPICS), &[2, 3]);
        let counts: Vec<_> = missing
            .missing
            .iter()
            .map(|topic| (topic.name.as_str(), topic.partitions))
            .collect();
        assert_eq!(
            counts,
            [("r", 3), ("s", 3)],
            "a repartition topic follows what it is joined with"
        );
        let mut fixed = topology(true);
        fixed.subtopologies[1].repartition_source_topics[0].partitions = 5;
        let odd = check(&fixed, &[("a", 2), ("b", 3)], Some(INCORRECTLY_PARTITIONED_TOPICS), &[]);
        let words = odd.problem.unwrap().1;
        assert_eq!(
            words,
            "Following topics do not have the same number of partitions: [{b=3, r=5}]"
        );
        let mut loose = topology(false);
        loose.subtopologies[0].repartition_sink_topics.clear();
        check(&loose, &[("a", 2), ("b", 3)], Some(INCORRECTLY_PARTITIONED_TOPICS), &[]);
    }
}
