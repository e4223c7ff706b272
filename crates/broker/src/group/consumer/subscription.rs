//! What members subscribe to: names and patterns into topics, and who is to have which partition.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use wire::ErrorCode;

use super::assign::{self, Reader};
use super::{ConsumerGroup, Member, Seen};
use crate::errors::Refusal;
use crate::group::Now;
use crate::group::topics::{TopicId, Topics};

/// What a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The ways to share partitions among members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Everybody gets the same number, and keeps what it has as far as possible.
    Uniform,
    /// Each topic in ranges, so that equal numbers of different topics go together.
    Range,
}

impl Assignor {
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }
}

/// Reads a pattern, which has to match a whole name.
pub(super) fn compile(pattern: &str) -> Result<Regex, Refusal> {
    let whole = format!("^(?:{pattern})$");
    // Compiled alone first: what would only be right within the brackets is not right.
    let compiled = Regex::new(pattern).and_then(|_| RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build());
    compiled.map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let message = format!("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {why}.");
        Refusal::new(ErrorCode::InvalidRegularExpression, message)
    })
}

impl ConsumerGroup {
    /// The topics a member subscribes to that exist.
    pub(super) fn topics_of(&self, member: &Member) -> BTreeSet<TopicId> {
        let names = member.info.names.iter().map(String::as_str);
        let meant = member
            .info
            .pattern
            .as_ref()
            .and_then(|pattern| self.patterns.get(pattern));
        let meant = meant.into_iter().flatten().map(|name| &**name);
        names
            .chain(meant)
            .filter_map(|name| self.seen.get(name))
            .map(|seen| seen.id)
            .collect()
    }

    /// Every topic that a member subscribes to, whether it exists or not.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.info.names.contains(topic))
            || self.patterns.values().any(|meant| meant.contains(topic))
    }

    /// Looks at the topics again if they or the subscriptions may have changed; says whether that matters to members.
    pub(super) fn refresh(&mut self, topics: &dyn Topics, subscriptions_changed: bool) -> bool {
        let version = topics.version();
        if !subscriptions_changed && self.seen_version == Some(version) {
            return false;
        }
        let wanted: BTreeSet<&String> = self.members.values().filter_map(|m| m.info.pattern.as_ref()).collect();
        let is_known = |pattern: &String| self.seen_version == Some(version) && self.patterns.contains_key(pattern);
        let names = if wanted.iter().all(|pattern| is_known(pattern)) {
            Vec::new()
        } else {
            topics.names()
        };
        let meaning = |pattern: &String| -> BTreeSet<Arc<str>> {
            if let Some(known) = self.patterns.get(pattern).filter(|_| is_known(pattern)) {
                return known.clone();
            }
            // Checked when the member brought it.
            let Ok(pattern) = compile(pattern) else {
                return BTreeSet::new();
            };
            names.iter().filter(|name| pattern.is_match(name)).cloned().collect()
        };
        let patterns: BTreeMap<String, BTreeSet<Arc<str>>> = wanted
            .into_iter()
            .map(|pattern| (pattern.clone(), meaning(pattern)))
            .collect();
        let mut seen = BTreeMap::new();
        let named = self.members.values().flat_map(|member| &member.info.names);
        for name in named
            .map(String::as_str)
            .chain(patterns.values().flatten().map(|name| &**name))
        {
            if !seen.contains_key(name)
                && let Some((id, partitions)) = topics.find(name)
            {
                seen.insert(Arc::from(name), Seen { id, partitions });
            }
        }
        let hash = hash(&seen);
        let matters = hash != self.seen_hash;
        self.seen = seen;
        self.seen_hash = hash;
        self.seen_version = Some(version);
        self.patterns = patterns;
        matters
    }

    /// The assignor most members name, else the default.
    pub(crate) fn assignor(&self) -> Assignor {
        let allowed = &self.limits.consumer.assignors;
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self
            .members
            .values()
            .filter_map(|member| member.info.assignor.as_deref())
        {
            *votes.entry(name).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name);
        let chosen = allowed
            .iter()
            .find(|assignor| Some(assignor.name()) == most)
            .or(allowed.first());
        chosen.copied().unwrap_or(Assignor::Uniform)
    }

    /// Computes the target assignment of the group's epoch, unless there is one or the last one is too fresh.
    pub(super) fn assign_if_due(&mut self, now: Now) {
        let age_ms = now.wall_ms - self.assigned_ms;
        let is_fresh = (0..self.limits.consumer.assignment_interval_ms).contains(&age_ms);
        if self.epoch == self.assignment_epoch || is_fresh {
            return;
        }
        let counts: BTreeMap<TopicId, i32> = self.seen.values().map(|seen| (seen.id, seen.partitions)).collect();
        let readers: Vec<Reader> = self
            .members
            .values()
            .map(|member| Reader {
                id: member.id.clone(),
                instance_id: member.info.instance_id.clone(),
                topics: self.topics_of(member),
                has: member.target.clone(),
            })
            .collect();
        let targets = match self.assignor() {
            Assignor::Uniform => assign::uniform(&readers, &counts),
            Assignor::Range => assign::range(&readers, &counts),
        };
        for (reader, target) in readers.into_iter().zip(targets) {
            if let Some(member) = self.members.get_mut(&reader.id)
                && member.target != target
            {
                member.target = target;
                self.unstored.insert(reader.id);
            }
        }
        self.assignment_epoch = self.epoch;
        self.assigned_ms = now.wall_ms;
    }
}

/// Differs between versions of the standard library at most; then a group rebalances once more after an upgrade.
fn hash(seen: &BTreeMap<Arc<str>, Seen>) -> u64 {
    if seen.is_empty() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    seen.hash(&mut hasher);
    hasher.finish()
}
