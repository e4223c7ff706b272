//! The heartbeat of KIP-848: joining, staying, confirming, leaving.

use base::PartitionIndex;
use wire::ErrorCode;

use super::member::{Held, Member, Progress, Standing};
use super::subscription::compile;
use super::{ConsumerGroup, Effects};
use crate::errors::Refusal;
use crate::group::reconcile::{Aim, reconcile};
use crate::group::topics::{Parts, Topics, is_within};
use crate::group::{GroupLimits, Now};

/// The epoch with which a member joins.
const JOINS: i32 = 0;
/// The epoch with which a static member leaves to come back.
const LEAVES_FOR_NOW: i32 = -2;

/// What a member says; `None` is as before.
#[derive(Clone, Debug, Default)]
pub(crate) struct BeatRequest {
    pub(crate) group_id: String,
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) rebalance_timeout_ms: Option<i64>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) pattern: Option<String>,
    pub(crate) assignor: Option<String>,
    pub(crate) owned: Option<Parts>,
}

impl BeatRequest {
    /// What the group would hold for this member.
    pub(crate) fn size_bytes(&self) -> usize {
        let names: usize = self.names.iter().flatten().map(|name| name.len() + 32).sum();
        let texts = [&self.instance_id, &self.rack_id, &self.pattern];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        self.member_id.len() + self.client_id.len() + names + texts
    }

    fn is_complete(&self) -> bool {
        let subscribes = self.names.is_some() || self.pattern.is_some();
        self.epoch == JOINS || self.rebalance_timeout_ms.is_some() && subscribes && self.owned.is_some()
    }
}

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) heartbeat_interval_ms: i32,
    /// Set when the member has to hear it.
    pub(crate) assignment: Option<Parts>,
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message.to_owned())
}

fn is_blank(text: Option<&String>) -> bool {
    text.is_some_and(|text| text.trim().is_empty())
}

/// What can be said of a request without looking at the group; in the words of Kafka, which clients show.
pub(crate) fn check_beat(request: &BeatRequest, limits: &GroupLimits, makes_member_ids: bool) -> Result<(), Refusal> {
    if is_blank(Some(&request.group_id)) {
        return Err(invalid("GroupId can't be empty."));
    }
    if is_blank(request.instance_id.as_ref()) {
        return Err(invalid("InstanceId can't be empty."));
    }
    if is_blank(request.rack_id.as_ref()) {
        return Err(invalid("RackId can't be empty."));
    }
    if is_blank(Some(&request.member_id))
        && (request.epoch != JOINS || makes_member_ids)
        && request.epoch >= LEAVES_FOR_NOW
    {
        return Err(invalid("MemberId can't be empty."));
    }
    match request.epoch {
        JOINS => {
            if request.rebalance_timeout_ms.is_none() {
                return Err(invalid("RebalanceTimeoutMs must be provided in first request."));
            }
            if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
                return Err(invalid("TopicPartitions must be empty when (re-)joining."));
            }
            if request.names.is_none() && request.pattern.is_none() {
                let why = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
                return Err(invalid(why));
            }
        }
        LEAVES_FOR_NOW if request.instance_id.is_none() => return Err(invalid("InstanceId can't be null.")),
        epoch if epoch < LEAVES_FOR_NOW => return Err(invalid("MemberEpoch is invalid.")),
        _ => {}
    }
    if request.size_bytes() > limits.member_bytes_max {
        return Err(invalid(
            "The subscription is larger than this broker keeps for one member.",
        ));
    }
    let allowed = &limits.consumer.assignors;
    match &request.assignor {
        Some(name) if !allowed.iter().any(|assignor| assignor.name() == name) => {
            let names: Vec<&str> = allowed.iter().map(|assignor| assignor.name()).collect();
            let supported = names.join(", ");
            let message = format!("ServerAssignor {name} is not supported. Supported assignors: {supported}.");
            Err(Refusal::new(ErrorCode::UnsupportedAssignor, message))
        }
        _ => Ok(()),
    }
}

impl ConsumerGroup {
    pub(crate) fn heartbeat(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        request: &BeatRequest,
    ) -> (Result<Beat, Refusal>, Effects) {
        let mut effects = Effects::default();
        let outcome = if request.epoch < JOINS {
            self.depart(request, &mut effects)
        } else {
            self.stay(now, topics, request, &mut effects)
        };
        (outcome, effects)
    }

    fn stay(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        request: &BeatRequest,
        effects: &mut Effects,
    ) -> Result<Beat, Refusal> {
        if self.members.len() >= self.limits.consumer.members_max && !self.members.contains_key(&request.member_id) {
            let max = self.limits.consumer.members_max;
            let message = format!("The consumer group has reached its maximum capacity of {max} members.");
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
        }
        if let Some(pattern) = request.pattern.as_ref().filter(|pattern| !pattern.is_empty()) {
            compile(pattern)?;
        }
        let (before, replaces) = match &request.instance_id {
            Some(instance_id) => self.static_member(request, instance_id)?,
            None => (self.dynamic_member(request)?, None),
        };
        let had = before.standing.assigned.clone();
        let mut member = before;
        let changed = update(&mut member, request);
        member.touch(now, self.limits.consumer.session_timeout_ms);
        member.timers.join_ms = None;
        member.timers.sync_ms = None;
        self.advance(now, topics, member, replaces, changed, request.owned.as_ref(), effects);
        let member = self
            .members
            .get(&request.member_id)
            .ok_or_else(|| self.unknown(request))?;
        let assignment_changed = !holds_alike(&member.standing.assigned, &had);
        let tells = request.is_complete() || assignment_changed;
        Ok(Beat {
            member_id: member.id.clone(),
            epoch: member.standing.epoch,
            heartbeat_interval_ms: self.limits.consumer.heartbeat_interval_ms,
            assignment: tells.then(|| member.assigned()),
        })
    }

    fn unknown(&self, request: &BeatRequest) -> Refusal {
        let message = format!(
            "Member {} is not a member of group {}.",
            request.member_id, request.group_id
        );
        Refusal::new(ErrorCode::UnknownMemberId, message)
    }

    fn dynamic_member(&self, request: &BeatRequest) -> Result<Member, Refusal> {
        match self.members.get(&request.member_id) {
            Some(member) => {
                check_epoch(member, request)?;
                Ok(member.clone())
            }
            None if request.epoch == JOINS => Ok(Member::new(request.member_id.clone())),
            None => Err(self.unknown(request)),
        }
    }

    /// The static member as it is, or as it takes the place of the one before, whose id is then the second.
    fn static_member(&self, request: &BeatRequest, instance_id: &str) -> Result<(Member, Option<String>), Refusal> {
        let current = self.instances.get(instance_id).and_then(|id| self.members.get(id));
        let Some(current) = current else {
            if request.epoch == JOINS {
                return Ok((Member::new(request.member_id.clone()), None));
            }
            let message = format!("Instance id {instance_id} is unknown.");
            return Err(Refusal::new(ErrorCode::UnknownMemberId, message));
        };
        if request.epoch != JOINS {
            check_instance(current, instance_id, &request.member_id)?;
            check_epoch(current, request)?;
            return Ok((current.clone(), None));
        }
        let has_left = current.standing.epoch == LEAVES_FOR_NOW;
        if !has_left && current.info.classic.is_none() {
            let message = format!(
                "Static member {} with instance id {instance_id} cannot join the group because the instance id is owned \
                 by {} member.",
                request.member_id, current.id
            );
            return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, message));
        }
        Ok((current.replaced_by(&request.member_id), Some(current.id.clone())))
    }

    /// Takes in what a member said, brings epochs and target up to date, and takes the member its next step.
    #[allow(
        clippy::too_many_arguments,
        reason = "one step of one member needs to know all of this"
    )]
    pub(super) fn advance(
        &mut self,
        now: Now,
        topics: &dyn Topics,
        member: Member,
        replaces: Option<String>,
        subscription_changed: bool,
        owned: Option<&Parts>,
        effects: &mut Effects,
    ) {
        let id = member.id.clone();
        if let Some(old) = replaces.filter(|old| *old != id) {
            self.take(&old);
        }
        let is_new = !self.members.contains_key(&id);
        self.put(member);
        let header = (self.epoch, self.assignment_epoch, self.seen_hash);
        if self.refresh(topics, subscription_changed) || subscription_changed {
            self.epoch += 1;
        }
        self.assign_if_due(now);
        self.step(now, &id, subscription_changed, owned);
        effects.store |= !self.unstored.is_empty() || header != (self.epoch, self.assignment_epoch, self.seen_hash);
        effects.resized |= is_new || effects.store;
    }

    /// A member's next step towards its target.
    fn step(&mut self, now: Now, id: &str, subscription_changed: bool, owned: Option<&Parts>) {
        let Some(member) = self.members.get(id) else { return };
        let mut member = member.clone();
        let subscribed = self.topics_of(&member);
        let aim = Aim {
            epoch: self.assignment_epoch,
            target: &member.target,
            is_wanted: &|topic| subscribed.contains(topic),
            subscription_changed,
            owned,
            is_held: &|topic, partition| self.is_held(topic, partition),
        };
        let standing = reconcile(&member.standing, &aim);
        if standing != member.standing {
            member.standing = standing;
            let revokes = member.standing.progress == Progress::Revoking && member.info.classic.is_none();
            let deadline_ms = now.monotonic_ms + member.info.rebalance_timeout_ms;
            member.timers.rebalance_ms = revokes.then_some((member.standing.epoch, deadline_ms));
        }
        self.hint(member.timers.earliest_ms());
        self.put(member);
    }

    fn depart(&mut self, request: &BeatRequest, effects: &mut Effects) -> Result<Beat, Refusal> {
        let found = match &request.instance_id {
            Some(instance_id) => {
                let current = self.instances.get(instance_id).and_then(|id| self.members.get(id));
                let Some(current) = current else {
                    let message = format!("Instance id {instance_id} is unknown.");
                    return Err(Refusal::new(ErrorCode::UnknownMemberId, message));
                };
                check_instance(current, instance_id, &request.member_id)?;
                Some(current)
            }
            None => self.members.get(&request.member_id),
        };
        let mut member = found.cloned().ok_or_else(|| self.unknown(request))?;
        let gone = Beat {
            member_id: member.id.clone(),
            epoch: request.epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        };
        if request.epoch == LEAVES_FOR_NOW {
            // What it had waits for it, as long as its session lasts.
            member.standing.epoch = LEAVES_FOR_NOW;
            member.standing.revoking = Held::new();
            member.standing.progress = Progress::Stable;
            member.timers.rebalance_ms = None;
            self.put(member);
            effects.store = true;
        } else {
            self.remove(&member.id, effects);
        }
        Ok(gone)
    }
}

impl Member {
    /// The static member that takes this one's place, with all it had.
    pub(super) fn replaced_by(&self, id: &str) -> Member {
        let mut member = self.clone();
        id.clone_into(&mut member.id);
        member.standing = Standing {
            epoch: 0,
            previous_epoch: 0,
            ..member.standing
        };
        member
    }
}

/// Writes what the member said into it; says whether it subscribes to anything else now.
fn update(member: &mut Member, request: &BeatRequest) -> bool {
    let info = &mut member.info;
    let subscribed = (info.names.clone(), info.pattern.clone());
    let set = |place: &mut Option<String>, value: &Option<String>| {
        if value.is_some() {
            place.clone_from(value);
        }
    };
    set(&mut info.instance_id, &request.instance_id);
    set(&mut info.rack_id, &request.rack_id);
    set(&mut info.assignor, &request.assignor);
    set(&mut info.pattern, &request.pattern);
    // An empty pattern takes the one before back.
    info.pattern = info.pattern.take().filter(|pattern| !pattern.is_empty());
    if let Some(timeout_ms) = request.rebalance_timeout_ms {
        info.rebalance_timeout_ms = timeout_ms;
    }
    if let Some(names) = &request.names {
        info.names = names.iter().cloned().collect();
    }
    info.client_id.clone_from(&request.client_id);
    info.client_host.clone_from(&request.client_host);
    info.classic = None;
    subscribed != (info.names.clone(), info.pattern.clone())
}

fn check_epoch(member: &Member, request: &BeatRequest) -> Result<(), Refusal> {
    let (known, received) = (member.standing.epoch, request.epoch);
    if received == known || received == JOINS {
        return Ok(());
    }
    let holds = |topic: &[u8; 16], partition: PartitionIndex| {
        let assigned = member.standing.assigned.get(topic);
        assigned.is_some_and(|held| held.contains_key(&partition))
    };
    // Our last answer may have been lost: then the member still names the epoch before.
    let repeats = received == member.standing.previous_epoch
        && received < known
        && request.owned.as_ref().is_some_and(|owned| is_within(owned, holds));
    if repeats {
        return Ok(());
    }
    let relation = if received > known { "greater" } else { "smaller" };
    let message = format!(
        "The consumer group member has a {relation} member epoch ({received}) than the one known by the group \
         coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
}

fn check_instance(current: &Member, instance_id: &str, member_id: &str) -> Result<(), Refusal> {
    if current.id == member_id {
        return Ok(());
    }
    let message = format!(
        "Static member {member_id} with instance id {instance_id} was fenced by member {}.",
        current.id
    );
    Err(Refusal::new(ErrorCode::FencedInstanceId, message))
}

/// The same partitions, whenever they were given.
fn holds_alike(one: &Held, other: &Held) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|((topic, held), (other_topic, other_held))| topic == other_topic && held.keys().eq(other_held.keys()))
}
