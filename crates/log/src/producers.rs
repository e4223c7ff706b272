//! What a partition remembers of idempotent producers: enough to know a repeated batch from a new one, and which of
//! them have a transaction open.

use std::collections::{BTreeMap, HashMap};

use base::{Offset, TimestampMs};
use bytes::BufMut;
use wire::{BatchHeader, EndMarker};

use crate::aborted::Aborted;
use crate::api::{CommitCause, ProducerInfo};
use crate::codec::Fields;

/// Batches remembered per producer; as many as a client may have in flight.
pub(crate) const BATCHES_REMEMBERED: usize = 5;

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// Who opened a transaction where: the first says up to where all is decided.
    open: BTreeMap<Offset, i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Producer {
    epoch: i16,
    /// When it last wrote, by the log's clock.
    last_timestamp: TimestampMs,
    /// Oldest first.
    batches: [Remembered; BATCHES_REMEMBERED],
    count: usize,
    /// Of the last marker.
    coordinator_epoch: i32,
    open: Option<Open>,
}

/// A transaction that no marker has ended yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    first_offset: Offset,
    since_ms: TimestampMs,
}

#[derive(Clone, Copy, Debug, Default)]
struct Remembered {
    base_sequence: i32,
    last_sequence: i32,
    base_offset: Offset,
    last_offset: Offset,
}

/// What a batch is to its producer's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    Duplicate { base_offset: Offset, last_offset: Offset },
}

impl Producer {
    fn new(epoch: i16, last_timestamp: TimestampMs) -> Producer {
        Producer {
            epoch,
            last_timestamp,
            batches: Default::default(),
            count: 0,
            coordinator_epoch: -1,
            open: None,
        }
    }

    fn last(&self) -> Option<&Remembered> {
        self.batches[..self.count].last()
    }

    fn push(&mut self, batch: Remembered) {
        if self.count == BATCHES_REMEMBERED {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        self.batches[self.count] = batch;
        self.count += 1;
    }

    fn expired(&self, now: TimestampMs, expiration_ms: i64) -> bool {
        self.open.is_none() && now.saturating_sub(self.last_timestamp) > expiration_ms
    }

    /// A new epoch numbers its batches from 0 again.
    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.count = 0;
        }
    }
}

fn is_numbered(header: &BatchHeader) -> bool {
    header.is_idempotent() && !header.is_control() && header.base_sequence >= 0
}

fn following(sequence: i32) -> i32 {
    if sequence == i32::MAX { 0 } else { sequence + 1 }
}

impl Producers {
    /// Judges a batch before it gets its offsets; the last `window` batches are known again.
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        now: TimestampMs,
        expiration_ms: i64,
        window: usize,
    ) -> Result<Standing, CommitCause> {
        if !header.is_idempotent() {
            return Ok(Standing::New);
        }
        let producer_id = header.producer_id;
        let known = self.by_id.get(&producer_id);
        let Some(known) = known.filter(|known| !known.expired(now, expiration_ms)) else {
            // Its history may have expired or been trimmed away: it may go on anywhere.
            return Ok(Standing::New);
        };
        let found = header.producer_epoch;
        if found < known.epoch {
            return Err(CommitCause::InvalidProducerEpoch {
                producer_id,
                current: known.epoch,
                found,
            });
        }
        if header.is_control() {
            return Ok(Standing::New);
        }
        let standing = if is_numbered(header) {
            known.judge(header, window)?
        } else {
            Standing::New
        };
        if standing == Standing::New && known.open.is_some() && !header.is_transactional() {
            return Err(CommitCause::InvalidTxnState { producer_id });
        }
        Ok(standing)
    }

    /// Takes note of a batch that has its offsets.
    pub(crate) fn record(&mut self, header: &BatchHeader, now: TimestampMs) {
        if !header.is_idempotent() || header.is_control() {
            return;
        }
        let (producer_id, epoch) = (header.producer_id, header.producer_epoch);
        let opens = header.is_transactional();
        if !opens && !is_numbered(header) {
            return;
        }
        let producer = self.by_id.entry(producer_id);
        let producer = producer.or_insert_with(|| Producer::new(epoch, now));
        producer.enter_epoch(epoch);
        producer.last_timestamp = now;
        if is_numbered(header) {
            producer.push(Remembered {
                base_sequence: header.base_sequence,
                last_sequence: header.last_sequence(),
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
            });
        }
        if opens && producer.open.is_none() {
            let first_offset = header.base_offset;
            producer.open = Some(Open {
                first_offset,
                since_ms: now,
            });
            self.open.insert(first_offset, producer_id);
        }
    }

    /// Ends the producer's transaction; tells of it if there was one and it is aborted.
    pub(crate) fn end(&mut self, header: &BatchHeader, marker: EndMarker, now: TimestampMs) -> Option<Aborted> {
        let (producer_id, epoch) = (header.producer_id, header.producer_epoch);
        let producer = self.by_id.entry(producer_id);
        let producer = producer.or_insert_with(|| Producer::new(epoch, now));
        producer.enter_epoch(epoch);
        producer.last_timestamp = now;
        producer.coordinator_epoch = marker.coordinator_epoch;
        let open = producer.open.take()?;
        self.open.remove(&open.first_offset);
        let last_offset = header.last_offset();
        (!marker.commit).then(|| Aborted {
            producer_id,
            first_offset: open.first_offset,
            last_offset,
            last_stable: self.first_open().unwrap_or(last_offset + 1),
        })
    }

    /// Where the oldest open transaction begins.
    pub(crate) fn first_open(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(offset, _)| *offset)
    }

    pub(crate) fn get(&self, producer_id: i64) -> Option<&Producer> {
        self.by_id.get(&producer_id)
    }

    /// Puts back what [`Producers::get`] gave before a commit that was then refused.
    pub(crate) fn restore(&mut self, producer_id: i64, before: Option<Producer>) {
        let opened = before.as_ref().and_then(|producer| producer.open);
        let after = match before {
            Some(before) => self.by_id.insert(producer_id, before),
            None => self.by_id.remove(&producer_id),
        };
        if let Some(open) = after.and_then(|producer| producer.open) {
            self.open.remove(&open.first_offset);
        }
        if let Some(open) = opened {
            self.open.insert(open.first_offset, producer_id);
        }
    }

    pub(crate) fn expire(&mut self, now: TimestampMs, expiration_ms: i64) {
        self.by_id.retain(|_, producer| !producer.expired(now, expiration_ms));
    }

    /// Sorted by id.
    pub(crate) fn list(&self) -> Vec<ProducerInfo> {
        let infos = self.by_id.iter().map(|(&producer_id, producer)| ProducerInfo {
            producer_id,
            producer_epoch: producer.epoch,
            last_sequence: producer.last().map_or(-1, |last| last.last_sequence),
            last_offset: producer.last().map_or(-1, |last| last.last_offset),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            open_since: producer.open.map(|open| open.first_offset),
            open_since_ms: producer.open.map(|open| open.since_ms),
        });
        let mut infos: Vec<ProducerInfo> = infos.collect();
        infos.sort_unstable_by_key(|info| info.producer_id);
        infos
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut ids: Vec<i64> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        out.put_u32_le(ids.len() as u32);
        for id in ids {
            out.put_i64_le(id);
            self.by_id[&id].encode(out);
        }
    }

    /// `transactions`: the layout tells of them, as all but the first one do.
    pub(crate) fn decode(fields: &mut Fields<'_>, transactions: bool) -> Option<Producers> {
        let mut producers = Producers::default();
        for _ in 0..fields.u32()? {
            let id = fields.i64()?;
            let producer = Producer::decode(fields, transactions)?;
            if let Some(open) = producer.open {
                producers.open.insert(open.first_offset, id);
            }
            producers.by_id.insert(id, producer);
        }
        Some(producers)
    }
}

impl Producer {
    /// Compares a numbered batch of this epoch or a later one with those remembered.
    fn judge(&self, header: &BatchHeader, window: usize) -> Result<Standing, CommitCause> {
        let out_of_order = |expected| CommitCause::OutOfOrderSequence {
            producer_id: header.producer_id,
            expected,
            found: header.base_sequence,
        };
        let last_sequence = header.last_sequence();
        let same_epoch = header.producer_epoch == self.epoch;
        let remembered = if same_epoch { &self.batches[..self.count] } else { &[] };
        let repeated = remembered
            .iter()
            .rev()
            .take(window)
            .find(|batch| batch.base_sequence == header.base_sequence && batch.last_sequence == last_sequence);
        if let Some(batch) = repeated {
            return Ok(Standing::Duplicate {
                base_offset: batch.base_offset,
                last_offset: batch.last_offset,
            });
        }
        let expected = remembered.last().map_or(0, |last| following(last.last_sequence));
        if header.base_sequence == expected {
            Ok(Standing::New)
        } else {
            Err(out_of_order(expected))
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_i16_le(self.epoch);
        out.put_i64_le(self.last_timestamp);
        out.put_i32_le(self.coordinator_epoch);
        out.put_u8(u8::from(self.open.is_some()));
        if let Some(open) = self.open {
            out.put_i64_le(open.first_offset);
            out.put_i64_le(open.since_ms);
        }
        out.put_u8(self.count as u8);
        for batch in &self.batches[..self.count] {
            out.put_i32_le(batch.base_sequence);
            out.put_i32_le(batch.last_sequence);
            out.put_i64_le(batch.base_offset);
            out.put_i64_le(batch.last_offset);
        }
    }

    fn decode(fields: &mut Fields<'_>, transactions: bool) -> Option<Producer> {
        let mut producer = Producer::new(fields.i16()?, fields.i64()?);
        if transactions {
            producer.coordinator_epoch = fields.i32()?;
            if fields.u8()? == 1 {
                producer.open = Some(Open {
                    first_offset: fields.i64()?,
                    since_ms: fields.i64()?,
                });
            }
        }
        for _ in 0..fields.u8()? {
            producer.push(Remembered {
                base_sequence: fields.i32()?,
                last_sequence: fields.i32()?,
                base_offset: fields.i64()?,
                last_offset: fields.i64()?,
            });
        }
        Some(producer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRATION_MS: i64 = 1000;

    fn header(epoch: i16, base_sequence: i32, count: i32, base_offset: Offset) -> BatchHeader {
        BatchHeader {
            base_offset,
            length: 100,
            leader_epoch: 0,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: 9,
            producer_epoch: epoch,
            base_sequence,
            count,
        }
    }

    /// Feeds batches of three records with these sequences, then asks about one more.
    fn check(history: &[(i16, i32)], asked: (i16, i32), now: i64) -> Result<Standing, &'static str> {
        let mut producers = Producers::default();
        for (index, &(epoch, sequence)) in history.iter().enumerate() {
            producers.record(&header(epoch, sequence, 3, index as i64 * 3), 0);
        }
        let mut encoded = Vec::new();
        producers.encode(&mut encoded);
        let read = Producers::decode(&mut Fields::new(&encoded), true).unwrap();
        let judge = |producers: &Producers| {
            producers
                .check(&header(asked.0, asked.1, 3, 0), now, EXPIRATION_MS, BATCHES_REMEMBERED)
                .map_err(|cause| match cause {
                    CommitCause::OutOfOrderSequence { .. } => "order",
                    CommitCause::InvalidProducerEpoch { .. } => "epoch",
                    _ => "other",
                })
        };
        assert_eq!(judge(&producers), judge(&read), "a snapshot remembers the same");
        judge(&read)
    }

    #[test]
    fn batches_are_judged_as_kafka_judges_them() {
        let six: Vec<(i16, i32)> = (0..6).map(|index| (0, index * 3)).collect();
        let duplicate = |base_offset| {
            Ok(Standing::Duplicate {
                base_offset,
                last_offset: base_offset + 2,
            })
        };
        assert_eq!(
            check(&[], (0, 700), 0),
            Ok(Standing::New),
            "an unknown producer starts anywhere"
        );
        assert_eq!(check(&six, (0, 18), 0), Ok(Standing::New));
        assert_eq!(check(&six, (0, 15), 0), duplicate(15));
        assert_eq!(check(&six, (0, 3), 0), duplicate(3), "the fifth from last");
        assert_eq!(check(&six, (0, 0), 0), Err("order"), "older than what is remembered");
        assert_eq!(check(&six, (0, 21), 0), Err("order"), "a gap");
        assert_eq!(check(&six, (0, 16), 0), Err("order"), "overlaps");
        assert_eq!(check(&six, (1, 0), 0), Ok(Standing::New));
        assert_eq!(check(&six, (1, 18), 0), Err("order"), "a new epoch starts at 0");
        assert_eq!(check(&[(3, 0), (4, 0)], (3, 3), 0), Err("epoch"));
        assert_eq!(
            check(&[(0, i32::MAX - 2)], (0, 0), 0),
            Ok(Standing::New),
            "sequences go on at 0"
        );
        assert_eq!(
            check(&[(0, i32::MAX - 1)], (0, 1), 0),
            Ok(Standing::New),
            "a batch may cross the end"
        );
        assert_eq!(check(&[(0, i32::MAX - 1)], (0, i32::MAX - 1), 0), duplicate(0));
        assert_eq!(check(&six, (0, 500), EXPIRATION_MS + 1), Ok(Standing::New), "expired");
    }
}
