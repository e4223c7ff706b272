//! What a heartbeat may say: refused before the group is touched, in the words of Kafka where it has some.

use std::collections::BTreeSet;

use base::{PartitionIndex, topic_name};
use wire::ErrorCode;
use wire::messages::streams_group_heartbeat_request::{CopartitionGroup, Subtopology, Topology};

use super::StreamsGroup;
use super::heartbeat::{JOINS, LEAVES_FOR_NOW, StreamsBeatRequest};
use super::member::{StreamsMember, Task, Tasks};
use super::topology::size_bytes;
use crate::errors::Refusal;
use crate::group::GroupLimits;
use crate::group::topics::Parts;

/// Topics of the broker, which no application may read or write.
const RESERVED: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

pub(super) fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message.to_owned())
}

fn invalid_topology(message: String) -> Refusal {
    Refusal::new(ErrorCode::StreamsInvalidTopology, message)
}

impl StreamsBeatRequest {
    /// What the group would hold for this member.
    pub(crate) fn size_bytes(&self) -> usize {
        let topology = self.topology.as_ref().map_or(0, size_bytes);
        let tags: usize = self
            .tags
            .iter()
            .flatten()
            .map(|(key, value)| key.len() + value.len() + 64)
            .sum();
        let process = self.process_id.as_ref().map_or(0, String::len);
        self.member_id.len() + self.client_id.len() + process + topology + tags
    }

    /// What can be said without looking at the group.
    pub(crate) fn check(&self, limits: &GroupLimits) -> Result<(), Refusal> {
        if let Some(topology) = &self.topology {
            check_names(topology)?;
        }
        self.check_unsupported()?;
        if self.group_id.trim().is_empty() {
            return Err(invalid("GroupId can't be empty."));
        }
        if self.member_id.trim().is_empty() {
            return Err(invalid("MemberId can't be empty."));
        }
        if self.rack_id.as_ref().is_some_and(|rack| rack.trim().is_empty()) {
            return Err(invalid("RackId can't be empty."));
        }
        match self.epoch {
            JOINS => self.check_join()?,
            epoch if epoch < LEAVES_FOR_NOW => {
                let message = format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
                return Err(invalid(&message));
            }
            LEAVES_FOR_NOW => return Err(invalid("InstanceId can't be null.")),
            _ if self.topology.is_some() => {
                return Err(invalid("Topology can only be provided when (re-)joining."));
            }
            _ => {}
        }
        let said = [&self.active, &self.standby, &self.warmup].map(Option::is_some);
        if said.contains(&true) && said.contains(&false) {
            return Err(invalid("If one task-type is non-null, all must be non-null."));
        }
        if self.size_bytes() > limits.member_bytes_max {
            return Err(invalid("The topology is larger than this broker keeps."));
        }
        Ok(())
    }

    /// What the protocol has fields for, and Kafka 4.3 does not do either.
    fn check_unsupported(&self) -> Result<(), Refusal> {
        if self.instance_id.is_some() {
            return Err(invalid("Static membership is not yet supported."));
        }
        if let Some(field) = self.offsets {
            return Err(invalid(&format!("{field} are not supported yet.")));
        }
        if self.warmup.as_ref().is_some_and(|tasks| !tasks.is_empty()) {
            return Err(invalid("WarmupTasks are not supported yet."));
        }
        let mut subtopologies = self.topology.iter().flat_map(|topology| &topology.subtopologies);
        if subtopologies.any(|one| !one.source_topic_regex.is_empty()) {
            return Err(invalid("Regular expressions for source topics are not supported yet."));
        }
        Ok(())
    }

    fn check_join(&self) -> Result<(), Refusal> {
        if self.rebalance_timeout_ms.is_none() {
            return Err(invalid("RebalanceTimeoutMs must be provided in first request."));
        }
        let owns = |owned: &Option<Parts<String>>| owned.as_ref().is_none_or(|owned| !owned.is_empty());
        for (name, owned) in [
            ("Active", &self.active),
            ("Standby", &self.standby),
            ("Warmup", &self.warmup),
        ] {
            if owns(owned) {
                return Err(invalid(&format!("{name}Tasks must be empty when (re-)joining.")));
            }
        }
        let Some(topology) = &self.topology else {
            return Err(invalid("Topology must be non-null when (re-)joining."));
        };
        check_topology(topology)
    }
}

impl StreamsGroup {
    fn knows_tasks(&self) -> bool {
        self.configured_version.is_some() && self.configured.is_ready()
    }

    /// A member may say that it has tasks of the topology as it is now, and those it was given when it was otherwise.
    pub(super) fn check_owned(&self, member: &StreamsMember, request: &StreamsBeatRequest) -> Result<(), Refusal> {
        let Some(owned) = request.owned().filter(|_| self.knows_tasks()) else {
            return Ok(());
        };
        let held: BTreeSet<(Task, PartitionIndex)> = member.held().into_iter().collect();
        let strange = |tasks: &Tasks| -> Option<(String, PartitionIndex)> {
            let each = tasks
                .iter()
                .flat_map(|(task, partitions)| partitions.iter().map(move |at| (task, *at)));
            let mut strange = each.filter(|(task, at)| {
                let count = self.configured.tasks.get(&task.1).copied().unwrap_or(0);
                !(0..count).contains(at) && !held.contains(&((*task).clone(), *at))
            });
            strange.next().map(|(task, at)| (task.1.clone(), at))
        };
        let Some((id, at)) = strange(&owned) else { return Ok(()) };
        Err(invalid(&match self.configured.tasks.get(&id) {
            None => format!("Subtopology {id} does not exist in the topology."),
            Some(count) => {
                format!("Task {at} for subtopology {id} is invalid. Number of tasks for this subtopology: {count}")
            }
        }))
    }
}

/// Topics whose names can be none, or are the broker's.
fn check_names(topology: &Topology) -> Result<(), Refusal> {
    let names = topology.subtopologies.iter().flat_map(|one| {
        let own = one.repartition_source_topics.iter().chain(&one.state_changelog_topics);
        let named = one.source_topics.iter().chain(&one.repartition_sink_topics);
        named.chain(own.map(|topic| &topic.name))
    });
    for name in names {
        if RESERVED.contains(&name.as_str()) {
            let message = format!("Use of Kafka internal topics {name} in a Kafka Streams topology is prohibited.");
            return Err(invalid_topology(message));
        }
        if let Err(why) = topic_name::check(name) {
            let message = format!("Topic names {name} are not valid topic names: {why}.");
            return Err(invalid_topology(message));
        }
    }
    Ok(())
}

/// A topology that contradicts itself. Of these Kafka 4.3 knows only the changelog's partitions, and fails with
/// UNKNOWN_SERVER_ERROR at the others.
fn check_topology(topology: &Topology) -> Result<(), Refusal> {
    if topology.epoch < 0 {
        let message = format!("The topology's epoch is {}, but must be 0 or more.", topology.epoch);
        return Err(Refusal::new(ErrorCode::StreamsInvalidTopologyEpoch, message));
    }
    let mut ids = BTreeSet::new();
    for subtopology in &topology.subtopologies {
        let id = &subtopology.subtopology_id;
        if !ids.insert(id) {
            return Err(invalid_topology(format!("Subtopology {id} is there twice.")));
        }
        if subtopology.source_topics.is_empty() && subtopology.repartition_source_topics.is_empty() {
            return Err(invalid_topology(format!("Subtopology {id} reads no topic.")));
        }
        if let Some(topic) = subtopology
            .state_changelog_topics
            .iter()
            .find(|topic| topic.partitions != 0)
        {
            return Err(invalid_topology(format!(
                "Changelog topic {} must have an undefined partition count, but it is set to {}.",
                topic.name, topic.partitions
            )));
        }
        if let Some((place, count)) = subtopology
            .copartition_groups
            .iter()
            .find_map(|group| missing_place(subtopology, group))
        {
            return Err(invalid_topology(format!(
                "A copartition group of subtopology {id} names the topic at place {place}, and there are {count}."
            )));
        }
    }
    Ok(())
}

/// A place that a group names and where there is no topic, and how many topics there are.
fn missing_place(subtopology: &Subtopology, group: &CopartitionGroup) -> Option<(i16, usize)> {
    let outside = |places: &[i16], count: usize| {
        let mut places = places.iter().copied();
        let odd = places.find(|place| usize::try_from(*place).map_or(true, |place| place >= count));
        odd.map(|place| (place, count))
    };
    outside(&group.source_topics, subtopology.source_topics.len()).or_else(|| {
        outside(
            &group.repartition_source_topics,
            subtopology.repartition_source_topics.len(),
        )
    })
}
