//! What a step of a job writes, as operations of the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::{ErrorKind, PartitionIndex, TimestampMs, partitioner};
use bytes::Bytes;
use catalog::Topic;
use client::{Output, Step, TopicsError, Written};
use log::{Op, Outcome, PartitionId};
use wire::{BatchBuilder, Compression, NewRecord, TimestampType};

use super::{LocalTopics, partition_of};
use crate::api::LEADER_EPOCH;
use crate::settings::TopicSettings;
use crate::tables::{self, Committed};
use crate::validation::Parts;

/// A batch of a step is closed when it has grown to this, or to the topic's own limit if that is less.
const BATCH_BYTES: usize = 512 * 1024;
/// What a record's place in a batch takes beside its bytes, at most.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// The appends of a step, and where each goes.
#[derive(Default)]
pub(super) struct Appends {
    pub(super) ops: Vec<Op>,
    pub(super) places: Vec<Place>,
}

/// A partition that is appended to.
#[derive(Clone)]
pub(super) struct Place {
    topic: Arc<Topic>,
    index: PartitionIndex,
    partition: PartitionId,
}

impl Place {
    pub(super) fn written(self, outcome: Outcome) -> Option<Written> {
        let Outcome::Appended(appended) = outcome else {
            return None;
        };
        Some(Written {
            topic: Arc::clone(&self.topic.name),
            topic_id: self.topic.id,
            partition: self.index,
            first_offset: appended.base_offset,
            last_offset: appended.last_offset,
        })
    }
}

impl Appends {
    fn add(&mut self, place: &Place, builder: BatchBuilder, stamp: Option<TimestampMs>) -> Result<(), TopicsError> {
        self.ops.push(append(place.partition, builder, stamp)?);
        self.places.push(place.clone());
        Ok(())
    }
}

impl LocalTopics {
    /// The appends of a step: one batch per partition, more where a batch would grow too large.
    pub(super) fn appends(&self, outputs: &[Output]) -> Result<Appends, TopicsError> {
        let now = self.broker.clock.wall_ms();
        let mut topics: Vec<(Arc<Topic>, TopicSettings)> = Vec::new();
        let mut open: Vec<OpenBatch> = Vec::new();
        let mut places: HashMap<PartitionId, usize> = HashMap::new();
        let mut appends = Appends::default();
        for output in outputs {
            // A step writes to a few topics, whatever it writes.
            let known = match topics.iter().position(|(topic, _)| topic.name == output.topic) {
                Some(known) => known,
                None => {
                    let topic = self.topic(&output.topic)?;
                    let settings = self.broker.effective().of_topic(&topic);
                    topics.push((topic, settings));
                    topics.len() - 1
                }
            };
            let (topic, settings) = &topics[known];
            let (index, partition) = self.place(topic, output)?;
            if settings.compacted && output.key.is_none() {
                let why = format!(
                    "topic `{}` is compacted: a record without a key cannot be written",
                    topic.name
                );
                return Err(TopicsError::new(ErrorKind::Invalid, why));
            }
            if settings.demands_schemas() {
                let parts = Parts {
                    key: output.key.as_ref(),
                    value: output.value.as_ref(),
                    headers: &output.headers,
                };
                self.broker
                    .check_schemas(&topic.name, settings, &parts)
                    .map_err(|why| {
                        TopicsError::new(
                            ErrorKind::Invalid,
                            format!("topic `{}` refuses a record: {why}", topic.name),
                        )
                    })?;
            }
            let at = *places.entry(partition).or_insert_with(|| {
                let topic = Arc::clone(topic);
                let place = Place {
                    topic,
                    index,
                    partition,
                };
                open.push(OpenBatch::new(place, settings));
                open.len() - 1
            });
            open[at].make_room(output, now, &mut appends)?;
            open[at].push(output, now)?;
        }
        for batch in open {
            appends.add(&batch.place, batch.builder, batch.stamped.then_some(now))?;
        }
        Ok(appends)
    }

    fn place(&self, topic: &Topic, output: &Output) -> Result<(PartitionIndex, PartitionId), TopicsError> {
        let count = topic.partitions.len() as PartitionIndex;
        let index = match (output.partition, &output.key) {
            (Some(index), _) => index,
            (None, Some(key)) => partitioner::partition_of(key, count),
            (None, None) => (self.next_partition.fetch_add(1, Ordering::Relaxed) % count as u32) as PartitionIndex,
        };
        Ok((index, partition_of(topic, index)?))
    }

    /// What a step writes beside its records.
    pub(super) fn puts(&self, step: &Step) -> Vec<Op> {
        let committed_ms = self.broker.clock.wall_ms();
        let offsets = step.offsets.iter().map(|position| {
            let committed = Committed {
                offset: position.offset,
                leader_epoch: -1,
                metadata: String::new(),
                committed_ms,
                expires_ms: None,
            };
            Op::Put {
                table: tables::OFFSETS,
                key: tables::offset_key(&step.job, &position.topic, position.partition),
                value: Some(committed.encode()),
            }
        });
        let prefix = tables::prefix(&step.job);
        let state = step.state.iter().map(|(key, value)| Op::Put {
            table: tables::JOB_STATE,
            key: Bytes::from([&prefix[..], key].concat()),
            value: value.clone(),
        });
        offsets.chain(state).collect()
    }
}

/// The batch that a step is filling for one partition.
struct OpenBatch {
    place: Place,
    builder: BatchBuilder,
    /// What the topic takes.
    bytes_max: usize,
    /// The broker's clock counts, not the record's.
    stamped: bool,
}

impl OpenBatch {
    fn new(place: Place, settings: &TopicSettings) -> OpenBatch {
        OpenBatch {
            place,
            builder: BatchBuilder::new(Compression::None),
            bytes_max: usize::try_from(settings.batch_bytes_max).unwrap_or(0),
            stamped: settings.timestamp_type == TimestampType::LogAppendTime,
        }
    }

    /// Closes the batch if `output` would make it too large.
    fn make_room(&mut self, output: &Output, now: TimestampMs, appends: &mut Appends) -> Result<(), TopicsError> {
        let grown = self.builder.size_bytes() + size_of_output(output);
        if self.builder.count() == 0 || grown <= BATCH_BYTES.min(self.bytes_max) {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.builder, BatchBuilder::new(Compression::None));
        appends.add(&self.place, full, self.stamped.then_some(now))
    }

    fn push(&mut self, output: &Output, now: TimestampMs) -> Result<(), TopicsError> {
        self.builder.push(NewRecord {
            timestamp: output.timestamp.unwrap_or(now),
            key: output.key.as_deref(),
            value: output.value.as_deref(),
            headers: &output.headers,
        });
        let bytes = self.builder.size_bytes();
        if bytes <= self.bytes_max {
            return Ok(());
        }
        let why = format!(
            "a record of {bytes} bytes is larger than the {} that topic `{}` takes; hint: raise its `max.message.bytes`",
            self.bytes_max, self.place.topic.name
        );
        Err(TopicsError::new(ErrorKind::Invalid, why))
    }
}

fn append(partition: PartitionId, builder: BatchBuilder, stamp: Option<TimestampMs>) -> Result<Op, TopicsError> {
    let internal = |error: wire::BatchError| TopicsError::new(ErrorKind::Internal, error.to_string());
    let mut batch = builder.build().map_err(internal)?;
    if let Some(now) = stamp {
        let mut bytes = batch.to_vec();
        wire::batch::stamp_append_time(&mut bytes, now);
        batch = Bytes::from(bytes);
    }
    Ok(Op::Append {
        partition,
        batch,
        leader_epoch: LEADER_EPOCH,
    })
}

fn size_of_output(output: &Output) -> usize {
    let headers: usize = output
        .headers
        .iter()
        .map(|(name, value)| 10 + name.len() + value.as_ref().map_or(0, Bytes::len))
        .sum();
    RECORD_OVERHEAD_BYTES
        + output.key.as_ref().map_or(0, Bytes::len)
        + output.value.as_ref().map_or(0, Bytes::len)
        + headers
}
