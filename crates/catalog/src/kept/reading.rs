//! Reading a state's topic: where the reader is, and what it takes in.

use std::time::Duration;

use base::{ErrorKind, Offset, TimestampMs};
use client::{Bounds, Position, ReadLimits, Record, TopicId, Topics, TopicsError, Written};

use super::Replayed;

const READ_BYTES_MAX: usize = 4 << 20;

/// Up to where a topic was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// `None` before anything was read.
    pub(super) topic_id: Option<TopicId>,
    pub(super) next: Offset,
}

impl Place {
    pub(super) fn position(&self, topic: &str) -> Position {
        Position {
            topic: topic.into(),
            partition: 0,
            offset: self.next,
        }
    }

    /// Whether nothing is between what was taken in and these records.
    pub(super) fn is_before(&self, written: &Written) -> bool {
        let is_same = self.topic_id.is_none_or(|known| known == written.topic_id);
        is_same && self.next == written.first_offset
    }

    /// Takes in what can be read now up to `end`; whether there was anything. Of another topic under the name nothing is.
    pub(super) async fn read_on<S: Replayed>(
        &mut self,
        topics: &dyn Topics,
        topic: &str,
        end: Offset,
        state: &mut S,
    ) -> Result<bool, TopicsError> {
        let limits = ReadLimits {
            bytes_max: READ_BYTES_MAX,
            wait_max: Duration::ZERO,
        };
        let before = self.next;
        for fetched in topics.read(&[self.position(topic)], limits).await? {
            if self.topic_id.is_some_and(|known| known != fetched.topic_id) {
                continue;
            }
            self.topic_id = Some(fetched.topic_id);
            self.next = fetched.next_offset.min(end);
            let records = fetched.records.iter().filter(|record| record.offset < end);
            for (change, ts) in records.filter_map(|record| change_of::<S>(topic, record)) {
                state.apply(change, ts);
            }
        }
        Ok(self.next > before)
    }
}

/// Reads a topic from its start to its present end.
pub(super) async fn replay<S: Replayed>(topics: &dyn Topics, topic: &str) -> Result<(S, Place), TopicsError> {
    let (mut state, mut place) = (S::default(), Place::default());
    let Bounds { end, .. } = topics.bounds(topic, 0).await?;
    loop {
        let moved = place.read_on(topics, topic, end, &mut state).await?;
        if place.next >= end {
            return Ok((state, place));
        }
        if !moved {
            let next = place.next;
            let message = format!("`{topic}` ends at offset {end} but nothing can be read at {next}");
            return Err(TopicsError::new(ErrorKind::Data, message));
        }
    }
}

/// What a record changes. One that cannot be read is left out and said to be: the others are worth having.
pub(super) fn change_of<S: Replayed>(topic: &str, record: &Record) -> Option<(S::Change, TimestampMs)> {
    match S::read(record.key.as_deref()?, record.value.as_deref()) {
        Ok(change) => Some((change?, record.timestamp)),
        Err(why) => {
            tracing::error!(topic, offset = record.offset, "a record was left out: {why}");
            None
        }
    }
}
