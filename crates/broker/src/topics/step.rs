//! What a step of a job writes, as operations of the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::{ErrorKind, PartitionIndex, TimestampMs, partitioner};
use bytes::Bytes;
use catalog::Topic;
use client::{Output, Step, TopicsError};
use log::{Op, PartitionId};
use wire::{BatchBuilder, Compression, NewRecord, TimestampType};

use super::LocalTopics;
use crate::api::LEADER_EPOCH;
use crate::settings::TopicSettings;
use crate::tables::{self, Committed};
use crate::validation::Parts;

/// A batch of a step is closed when it has grown to this, or to the topic's own limit if that is less.
const BATCH_BYTES: usize = 512 * 1024;
/// What a record's place in a batch takes beside its bytes, at most.
const RECORD_OVERHEAD_BYTES: usize = 64;

impl LocalTopics {
    /// The appends of a step: one batch per partition, more where a batch would grow too large.
    pub(super) fn appends(&self, outputs: &[Output]) -> Result<Vec<Op>, TopicsError> {
        let now = self.broker.clock.wall_ms();
        let mut topics: Vec<(Arc<Topic>, TopicSettings)> = Vec::new();
        let mut open: Vec<OpenBatch> = Vec::new();
        let mut places: HashMap<PartitionId, usize> = HashMap::new();
        let mut ops = Vec::new();
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
            let partition = self.place(topic, output)?;
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
            let place = *places.entry(partition).or_insert_with(|| {
                open.push(OpenBatch::new(partition, settings));
                open.len() - 1
            });
            ops.extend(open[place].make_room(output, now)?);
            open[place].push(output, now, topic)?;
        }
        for batch in open {
            ops.push(append(batch.partition, batch.builder, batch.stamped.then_some(now))?);
        }
        Ok(ops)
    }

    fn place(&self, topic: &Topic, output: &Output) -> Result<PartitionId, TopicsError> {
        let count = topic.partitions.len() as PartitionIndex;
        let index = match (output.partition, &output.key) {
            (Some(index), _) => index,
            (None, Some(key)) => partitioner::partition_of(key, count),
            (None, None) => (self.next_partition.fetch_add(1, Ordering::Relaxed) % count as u32) as PartitionIndex,
        };
        let missing = || {
            TopicsError::new(
                ErrorKind::NotFound,
                format!("topic `{}` has no partition {index}", topic.name),
            )
        };
        topic.partition(index).ok_or_else(missing)
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
    partition: PartitionId,
    builder: BatchBuilder,
    /// What the topic takes.
    bytes_max: usize,
    /// The broker's clock counts, not the record's.
    stamped: bool,
}

impl OpenBatch {
    fn new(partition: PartitionId, settings: &TopicSettings) -> OpenBatch {
        OpenBatch {
            partition,
            builder: BatchBuilder::new(Compression::None),
            bytes_max: usize::try_from(settings.batch_bytes_max).unwrap_or(0),
            stamped: settings.timestamp_type == TimestampType::LogAppendTime,
        }
    }

    /// Closes the batch if `output` would make it too large.
    fn make_room(&mut self, output: &Output, now: TimestampMs) -> Result<Option<Op>, TopicsError> {
        let grown = self.builder.size_bytes() + size_of_output(output);
        if self.builder.count() == 0 || grown <= BATCH_BYTES.min(self.bytes_max) {
            return Ok(None);
        }
        let full = std::mem::replace(&mut self.builder, BatchBuilder::new(Compression::None));
        append(self.partition, full, self.stamped.then_some(now)).map(Some)
    }

    fn push(&mut self, output: &Output, now: TimestampMs, topic: &Topic) -> Result<(), TopicsError> {
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
            self.bytes_max, topic.name
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
