//! What the log must hold, in the plainest terms: lists of batches, a map of rows.

use std::collections::BTreeMap;

use base::Offset;
use bytes::Bytes;
use wire::{BatchHeader, EndMarker, RecordLimits};

use crate::api::*;
use crate::intake::walk;

/// What a partition must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ModelPartition {
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) batches: Vec<ModelBatch>,
    /// Of transactional producers.
    pub(super) producers: BTreeMap<i64, ModelProducer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelBatch {
    pub(super) base_offset: Offset,
    pub(super) last_offset: Offset,
    pub(super) bytes: Bytes,
    pub(super) written_ms: i64,
    pub(super) producer_id: i64,
    pub(super) fate: Fate,
}

/// What becomes of a batch in the eyes of a read-committed consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    Aborted,
    Open,
    Marker,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ModelProducer {
    pub(super) epoch: i16,
    pub(super) next_sequence: i32,
    pub(super) open_since: Option<Offset>,
}

/// What the whole log must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) partitions: BTreeMap<u64, ModelPartition>,
    pub(super) tables: BTreeMap<(u16, Bytes), Bytes>,
}

/// One commit, as the model applies it.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create(u64),
    Delete(u64),
    Append {
        partition: u64,
        written_ms: i64,
        batches: Bytes,
        next_offset: Offset,
    },
    Start {
        partition: u64,
        log_start: Offset,
    },
    Put {
        table: u16,
        key: Bytes,
        value: Option<Bytes>,
    },
}

/// One record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) offset: Offset,
    pub(super) timestamp: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
}

pub(super) fn records_of(batch: &Bytes) -> Vec<Seen> {
    let records = wire::records(batch, RecordLimits::default()).unwrap();
    records
        .map(|record| record.unwrap())
        .map(|record| Seen {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
        })
        .collect()
}

impl ModelPartition {
    fn append(&mut self, batches: &Bytes, written_ms: i64) {
        let mut at = 0;
        for (header, batch) in walk(batches) {
            let fate = self.fate(&header, batch);
            self.batches.push(ModelBatch {
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                bytes: batches.slice(at..at + header.size_bytes()),
                written_ms,
                producer_id: header.producer_id,
                fate,
            });
            at += header.size_bytes();
        }
    }

    fn fate(&mut self, header: &BatchHeader, batch: &[u8]) -> Fate {
        if !header.is_transactional() {
            return Fate::Committed;
        }
        let producer = self.producers.entry(header.producer_id).or_default();
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.next_sequence = 0;
        }
        if !header.is_control() {
            producer.next_sequence = header.last_sequence() + 1;
            producer.open_since.get_or_insert(header.base_offset);
            return Fate::Open;
        }
        producer.open_since = None;
        let commit = EndMarker::read(batch).unwrap().commit;
        for batch in &mut self.batches {
            if batch.producer_id == header.producer_id && batch.fate == Fate::Open {
                batch.fate = if commit { Fate::Committed } else { Fate::Aborted };
            }
        }
        Fate::Marker
    }

    pub(super) fn last_stable(&self) -> Offset {
        let open = self.producers.values().filter_map(|producer| producer.open_since).min();
        open.map_or(self.log_end, |open| open.max(self.log_start).min(self.log_end))
    }

    /// What a read-committed consumer must get, without compaction.
    pub(super) fn committed(&self) -> Vec<Seen> {
        let last_stable = self.last_stable();
        let batches = self.batches.iter();
        batches
            .filter(|batch| batch.fate == Fate::Committed)
            .flat_map(|batch| records_of(&batch.bytes))
            .filter(|record| (self.log_start..last_stable).contains(&record.offset))
            .collect()
    }
}

impl Model {
    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply_one(change);
        }
    }

    fn apply_one(&mut self, change: &Change) {
        match change {
            Change::Create(id) => {
                self.partitions.insert(*id, ModelPartition::default());
            }
            Change::Delete(id) => {
                self.partitions.remove(id);
            }
            Change::Append {
                partition,
                written_ms,
                batches,
                next_offset,
            } => {
                if let Some(partition) = self.partitions.get_mut(partition) {
                    partition.append(batches, *written_ms);
                    partition.log_end = *next_offset;
                }
            }
            Change::Start { partition, log_start } => {
                if let Some(partition) = self.partitions.get_mut(partition) {
                    partition.log_start = partition.log_start.max(*log_start);
                }
            }
            Change::Put { table, key, value } => {
                match value {
                    Some(value) => self.tables.insert((*table, key.clone()), value.clone()),
                    None => self.tables.remove(&(*table, key.clone())),
                };
            }
        }
    }
}

/// Passes over aborted records as Kafka's consumer does, from what a read gave it.
pub(super) fn consume(read: &ReadResult, offset: Offset) -> Vec<Seen> {
    let mut upcoming = read.aborted.iter().peekable();
    let mut aborting = std::collections::BTreeSet::new();
    let mut seen = Vec::new();
    let mut at = 0;
    for (header, batch) in walk(&read.records) {
        let bytes = read.records.slice(at..at + header.size_bytes());
        at += header.size_bytes();
        while let Some(aborted) = upcoming.next_if(|aborted| aborted.first_offset <= header.last_offset()) {
            aborting.insert(aborted.producer_id);
        }
        if header.is_control() {
            if EndMarker::read(batch).is_some_and(|marker| !marker.commit) {
                aborting.remove(&header.producer_id);
            }
        } else if !(header.is_transactional() && aborting.contains(&header.producer_id)) {
            seen.extend(records_of(&bytes).into_iter().filter(|record| record.offset >= offset));
        }
    }
    seen
}
