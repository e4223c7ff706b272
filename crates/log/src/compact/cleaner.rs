//! What stays of each batch: Kafka's cleaner rules, without files and clocks.

use std::collections::{HashMap, HashSet, VecDeque};

use base::{Offset, TimestampMs};
use bytes::Bytes;
use wire::{BatchHeader, EndMarker, Record, RecordLimits, rewrite};

use super::keys::Keys;
use crate::aborted::Aborted;
use crate::api::ProducerInfo;

/// Follows transactions along the batches: which are aborted, and whether anything of them is left.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// By first offset.
    upcoming: VecDeque<Aborted>,
    /// Those whose batches and marker may come now; and whether a batch came.
    aborting: HashMap<i64, (Aborted, bool)>,
    /// Producers of whose unfinished transactions batches came that are not aborted.
    deciding: HashSet<i64>,
}

impl Transactions {
    /// Makes aborted transactions known that begin behind all that are known.
    pub(super) fn add(&mut self, mut aborted: Vec<Aborted>) {
        aborted.sort_unstable_by_key(|aborted| aborted.first_offset);
        self.upcoming.extend(aborted);
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(next) = self.upcoming.pop_front_if(|next| next.first_offset <= offset) {
            self.aborting.entry(next.producer_id).or_insert((next, false));
        }
    }

    /// Whether a data batch is part of an aborted transaction.
    pub(super) fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborting.get_mut(&header.producer_id) {
            Some((_, observed)) => {
                *observed = true;
                true
            }
            None => {
                self.deciding.insert(header.producer_id);
                false
            }
        }
    }

    /// What a control batch ends: whether nothing of it is left, and the aborted transaction of which something was.
    fn end(&mut self, header: &BatchHeader, batch: &[u8]) -> (bool, Option<Aborted>) {
        self.begin_up_to(header.last_offset());
        match EndMarker::read(batch) {
            Some(EndMarker { commit: true, .. }) => (!self.deciding.remove(&header.producer_id), None),
            Some(EndMarker { commit: false, .. }) => match self.aborting.remove(&header.producer_id) {
                Some((aborted, true)) => (false, Some(aborted)),
                _ => (true, None),
            },
            // Emptied by an earlier compaction; or a kind that is not ours to judge.
            None => (header.count == 0, None),
        }
    }

    pub(super) fn pass_marker(&mut self, header: &BatchHeader, batch: &[u8]) {
        self.end(header, batch);
    }
}

/// The batches that carry what is still known of active producers.
#[derive(Debug, Default)]
pub(super) struct LastOfProducers {
    by_id: HashMap<i64, (Offset, i16)>,
}

impl LastOfProducers {
    pub(super) fn of(producers: &[ProducerInfo]) -> LastOfProducers {
        let by_id = producers
            .iter()
            .map(|info| (info.producer_id, (info.last_offset, info.producer_epoch)));
        LastOfProducers { by_id: by_id.collect() }
    }

    fn holds(&self, header: &BatchHeader) -> bool {
        match self.by_id.get(&header.producer_id) {
            Some((last_offset, _)) if *last_offset >= 0 => header.last_offset() == *last_offset,
            Some((_, epoch)) => header.is_control() && header.producer_epoch == *epoch,
            None => false,
        }
    }
}

/// Judges the batches of a partition one after the other.
#[derive(Debug)]
pub(super) struct Cleaner<'a> {
    pub(super) keys: &'a Keys,
    pub(super) transactions: Transactions,
    pub(super) last_of_producers: &'a LastOfProducers,
    pub(super) now: TimestampMs,
    pub(super) delete_retention_ms: i64,
    /// Aborted transactions whose markers stay because something of them was there.
    pub(super) aborted: Vec<Aborted>,
    pub(super) records_dropped: u64,
    pub(super) records_kept: u64,
    #[cfg(test)]
    pub(super) planted: crate::api::Planted,
}

/// What stays of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    Whole,
    Rewritten(Bytes),
    Nothing,
}

impl Cleaner<'_> {
    pub(super) fn clean(&mut self, header: &BatchHeader, batch: &Bytes) -> Left {
        let horizon = header.delete_horizon_ms();
        let passed = horizon.is_some_and(|horizon| horizon <= self.now);
        #[cfg(test)]
        let passed = passed || self.planted == crate::api::Planted::HorizonIgnored;
        let (discarded, over) = if header.is_control() {
            let (over, ended) = self.transactions.end(header, batch);
            self.aborted.extend(ended);
            (over && (passed || header.count == 0), over)
        } else {
            (self.transactions.is_aborted(header), false)
        };
        if discarded {
            self.records_dropped += header.count.max(0) as u64;
            return self.without_records(header);
        }
        // What is not understood is not dropped.
        let Some(records) = read(batch) else {
            tracing::warn!(
                offset = header.base_offset,
                "compaction leaves a batch whole that it cannot read"
            );
            return Left::Whole;
        };
        let count = records.len();
        let keep = |record: &Record| header.is_control() || self.keeps(record, passed);
        let kept: Vec<Record> = records.into_iter().filter(keep).collect();
        self.records_kept += kept.len() as u64;
        self.records_dropped += (count - kept.len()) as u64;
        if kept.is_empty() {
            return self.without_records(header);
        }
        let tombstones = !header.is_control() && kept.iter().any(|record| record.value.is_none());
        let needs_horizon = (tombstones || over) && horizon.is_none();
        if kept.len() == count && !needs_horizon {
            return Left::Whole;
        }
        let horizon = needs_horizon.then(|| self.now.saturating_add(self.delete_retention_ms));
        match rewrite::rewrite(header, &kept, horizon) {
            Ok(batch) => Left::Rewritten(batch),
            Err(error) => {
                tracing::warn!(offset = header.base_offset, %error, "compaction leaves a batch whole");
                Left::Whole
            }
        }
    }

    /// Whether a data record stays; `passed`: the tombstones of its batch have been there long enough.
    fn keeps(&self, record: &Record, passed: bool) -> bool {
        if record.offset >= self.keys.end {
            return true;
        }
        // A topic that was not compacted before may hold records without a key: Kafka drops them, too.
        let Some(key) = &record.key else { return false };
        #[cfg(test)]
        if self.planted == crate::api::Planted::LiveKeyDropped && record.offset % 16 == 5 {
            return false;
        }
        self.keys.is_latest(key, record.offset) && (record.value.is_some() || !passed)
    }

    /// A batch without records stays where it is the last word on its producer or on the offsets that were cleaned.
    fn without_records(&self, header: &BatchHeader) -> Left {
        let producer = header.is_idempotent() && self.last_of_producers.holds(header);
        if !producer && header.next_offset() != self.keys.end {
            Left::Nothing
        } else if header.count == 0 {
            Left::Whole
        } else {
            Left::Rewritten(rewrite::emptied(header))
        }
    }
}

fn read(batch: &Bytes) -> Option<Vec<Record>> {
    wire::records(batch, RecordLimits::default())
        .ok()?
        .collect::<Result<_, _>>()
        .ok()
}

/// Puts the keys of a data batch into the map.
pub(super) fn note_keys(keys: &mut Keys, batch: &Bytes) {
    for record in read(batch).into_iter().flatten() {
        if let Some(key) = &record.key {
            keys.put(key, record.offset);
        }
    }
}
