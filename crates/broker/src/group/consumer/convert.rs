//! From the classic protocol to KIP-848 and back, with the members staying where they are.

use std::collections::BTreeMap;

use super::classic::{assigned, assignment, subscription};
use super::member::{Classic, Held, Info, Member, Progress, Standing};
use super::{ConsumerGroup, Effects};
use crate::group::topics::{Parts, Topics};
use crate::group::{CONSUMER_PROTOCOL, Downgrade, Group, GroupLimits, Now};

/// Why a classic group stays one.
pub(crate) type Unfit = &'static str;

impl ConsumerGroup {
    /// The classic group as one of KIP-848: generation is epoch, what its leader gave is the assignment. Its members go on
    /// in the classic protocol; whoever waits for a rebalance is told to join again.
    pub(crate) fn from_classic(
        old: &Group,
        limits: GroupLimits,
        now: Now,
        topics: &dyn Topics,
    ) -> Result<ConsumerGroup, Unfit> {
        if !limits.consumer.migration_policy.allows_upgrade() {
            return Err("the online upgrade is disabled");
        }
        if old.protocol_type() != Some(CONSUMER_PROTOCOL) {
            return Err("the group does not use the consumer embedded protocol");
        }
        if old.members.len() > limits.consumer.members_max {
            return Err("the group size exceeds the consumer group maximum size");
        }
        let mut group = ConsumerGroup::new(limits);
        group.epoch = old.generation.max(1);
        group.assignment_epoch = group.epoch;
        for member in old.members.values() {
            let protocols = &member.protocols;
            let metadata = old.protocol().and_then(|protocol| member.metadata(protocol));
            let metadata = metadata.or_else(|| protocols.first().map(|(_, metadata)| metadata));
            let subscription = metadata.and_then(subscription);
            let target = assigned(&member.assignment, topics);
            let (Some(subscription), Some(target)) = (subscription, target) else {
                return Err("the embedded consumer protocol is malformed");
            };
            let held = |partitions: &std::collections::BTreeSet<i32>| -> BTreeMap<i32, i32> {
                partitions.iter().map(|partition| (*partition, group.epoch)).collect()
            };
            let assigned: Held = target
                .iter()
                .map(|(topic, partitions)| (*topic, held(partitions)))
                .collect();
            let mut converted = Member::new(member.id.clone());
            converted.info = Info {
                instance_id: member.instance_id.clone(),
                rack_id: subscription.rack_id,
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                names: subscription.topics.into_iter().collect(),
                pattern: None,
                assignor: None,
                classic: Some(Classic {
                    session_timeout_ms: member.session_timeout_ms,
                    protocols: protocols.clone(),
                }),
            };
            converted.standing = Standing {
                epoch: group.epoch,
                previous_epoch: group.epoch,
                progress: Progress::Stable,
                assigned,
                ..Standing::new()
            };
            converted.target = target;
            converted.touch(now, member.session_timeout_ms);
            group.hint(converted.timers.earliest_ms());
            group.put(converted);
        }
        Ok(group)
    }

    /// The group as a classic one, once only members of that protocol remain.
    pub(crate) fn into_classic(self, now: Now, topics: &dyn Topics, how: Downgrade, effects: &mut Effects) -> Group {
        let mut group = Group::restarted(self.limits.clone(), self.epoch);
        for member in self.members.into_values() {
            // What it may still read, not what it is to read: should the group be upgraded again before it rebalances,
            // nobody else gets that before it is given up.
            let mut held = Parts::new();
            for (topic, partition) in member.held() {
                held.entry(topic).or_default().insert(partition);
            }
            let Some(classic) = member.info.classic else { continue };
            let metadata = classic.protocols.first().map(|(_, metadata)| metadata);
            let assignment = assignment(&held, topics, metadata);
            group.take_over(
                now,
                crate::group::Member {
                    id: member.id,
                    instance_id: member.info.instance_id,
                    client_id: member.info.client_id,
                    client_host: member.info.client_host,
                    session_timeout_ms: classic.session_timeout_ms,
                    rebalance_timeout_ms: member.info.rebalance_timeout_ms,
                    protocols: classic.protocols,
                    assignment,
                    join_waiter: None,
                    sync_waiter: None,
                    session_deadline_ms: 0,
                    is_new: false,
                },
            );
        }
        group.settle_down();
        if how == Downgrade::WithRebalance {
            group.rebalance(now, effects);
        }
        effects.store = true;
        effects.resized = true;
        group
    }
}
