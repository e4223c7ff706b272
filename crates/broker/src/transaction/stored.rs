//! A transactional id as bytes in the log. Its offsets lie in a table of their own, beside those of the groups.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use log::PartitionId;
use wire::{DecodeError, EncodeError, Reader, Source, Writer};

use super::{Place, Producer, State, Transaction};

/// Read by later formats too: fields are only added.
const FORMAT: i8 = 1;
/// Of a partition: its number, the length of its topic's name, its index.
const PARTITION_BYTES_MIN: usize = 14;
const GROUP_BYTES_MIN: usize = 2;

impl State {
    fn code(self) -> i8 {
        match self {
            State::Empty => 0,
            State::Ongoing => 1,
            State::CompleteCommit => 4,
            State::CompleteAbort => 5,
        }
    }

    fn of_code(code: i8) -> State {
        match code {
            1 => State::Ongoing,
            4 => State::CompleteCommit,
            5 => State::CompleteAbort,
            _ => State::Empty,
        }
    }
}

impl Transaction {
    pub(crate) fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut out = Writer::new();
        out.i8(FORMAT);
        out.i64(self.producer.id);
        out.i16(self.producer.epoch);
        out.i16(self.last_epoch);
        out.i64(self.previous_producer_id);
        out.i32(self.timeout_ms);
        out.i8(self.state.code());
        out.i64(self.started_ms);
        out.i64(self.updated_ms);
        out.array_len(false, self.partitions.len())?;
        for (id, place) in &self.partitions {
            out.i64(id.0 as i64);
            out.string(false, &place.topic)?;
            out.i32(place.index);
        }
        out.array_len(false, self.groups.len())?;
        for group in &self.groups {
            out.string(false, group)?;
        }
        out.joined()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Transaction, DecodeError> {
        let mut input = Reader::new(bytes);
        input.i8()?;
        let producer = Producer {
            id: input.i64()?,
            epoch: input.i16()?,
        };
        let (last_epoch, previous_producer_id) = (input.i16()?, input.i64()?);
        let (timeout_ms, state) = (input.i32()?, State::of_code(input.i8()?));
        let (started_ms, updated_ms) = (input.i64()?, input.i64()?);
        let partitions = input.array(false, PARTITION_BYTES_MIN, |input| {
            let id = PartitionId(input.i64()? as u64);
            let topic = input.string(false)?;
            Ok((
                id,
                Place {
                    topic,
                    index: input.i32()?,
                },
            ))
        })?;
        let groups = input.array(false, GROUP_BYTES_MIN, |input| input.string(false))?;
        Ok(Transaction {
            producer,
            last_epoch,
            previous_producer_id,
            timeout_ms,
            state,
            started_ms,
            updated_ms,
            partitions: partitions.into_iter().collect(),
            groups: groups.into_iter().collect::<BTreeSet<_>>(),
            offsets: BTreeMap::new(),
        })
    }
}
