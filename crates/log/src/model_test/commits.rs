//! What the clients of a run commit: anything that the log must accept, and now and then what it must refuse.

use std::collections::VecDeque;

use base::Clock;
use bytes::Bytes;
use wire::builder::end_transaction_marker;
use wire::{BatchBuilder, Compression, NewRecord};

use super::model::{Change, Model};
use super::world::{Client, InFlight, World};
use super::{Check, ensure};
use crate::api::*;

/// Producers that write in transactions have ids from here on.
const TRANSACTIONAL_IDS: i64 = 200;
const TRANSACTIONAL_PRODUCERS: u64 = 3;
/// Batches of a producer that may come again.
const BATCHES_REMEMBERED: usize = 5;

/// Partitions of odd numbers are compacted.
pub(super) fn is_compacted(partition: u64) -> bool {
    partition % 2 == 1
}

impl World {
    /// A batch for a partition; the records of compacted ones have keys, most of them few different ones.
    fn batch(&mut self, partition: u64, records: u64, producer: Option<(i64, i16, i32)>) -> Bytes {
        let codec = if self.below(4) == 0 {
            Compression::Lz4
        } else {
            Compression::None
        };
        let mut builder = BatchBuilder::new(codec);
        if let Some((id, epoch, sequence)) = producer {
            builder = builder.producer(id, epoch, sequence);
            if id >= TRANSACTIONAL_IDS {
                builder = builder.transactional();
            }
        }
        for _ in 0..records {
            self.next_value += 1;
            let sizes = if self.bias.small_values { 2 } else { 4 };
            let size = [3, 40, 300, 1500][self.below(sizes) as usize];
            let mut value = self.next_value.to_be_bytes().to_vec();
            value.resize(size + 8, self.next_value as u8);
            let timestamp = 1000 + self.next_value as i64;
            let key = format!("key{}", self.below(5));
            let keyed = is_compacted(partition) && self.below(20) > 0;
            let tombstone = keyed && self.below(4) == 0;
            builder.push(NewRecord {
                timestamp,
                key: keyed.then_some(key.as_bytes()),
                value: (!tombstone).then_some(&value),
                headers: &[],
            });
        }
        builder.build().unwrap()
    }

    fn some_partition(&self, model: &Model) -> Option<u64> {
        let ids: Vec<u64> = model.partitions.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[self.below(ids.len() as u64) as usize])
    }

    /// A random operation that the log must accept, and what the model makes of it.
    fn operation(&mut self, model: &mut Model) -> Option<(Op, Change)> {
        let kind = self.below(24);
        let kind = if self.bias.mostly_transactions && kind > 12 {
            8
        } else {
            kind
        };
        let (op, change) = match kind {
            0 | 1 if (model.partitions.len() as u64) < self.bias.partitions_max => {
                let id = self.next_partition;
                self.next_partition += 1;
                (
                    Op::CreatePartition {
                        partition: PartitionId(id),
                    },
                    Change::Create(id),
                )
            }
            2 if self.below(4) == 0 => {
                let id = self.some_partition(model)?;
                (
                    Op::DeletePartition {
                        partition: PartitionId(id),
                    },
                    Change::Delete(id),
                )
            }
            3 => {
                let id = self.some_partition(model)?;
                let end = model.partitions[&id].log_end;
                let log_start = if self.below(4) == 0 {
                    end
                } else {
                    self.below(end as u64 + 1) as i64
                };
                let partition = PartitionId(id);
                (
                    Op::AdvanceStart { partition, log_start },
                    Change::Start {
                        partition: id,
                        log_start,
                    },
                )
            }
            4..8 => {
                let table = self.below(3) as u16;
                let key = Bytes::from(format!("key{}", self.below(6)));
                self.next_value += 1;
                let value = (self.below(4) > 0).then(|| Bytes::from(format!("value{}", self.next_value)));
                let change = Change::Put {
                    table,
                    key: key.clone(),
                    value: value.clone(),
                };
                (
                    Op::Put {
                        table: TableId(table),
                        key,
                        value,
                    },
                    change,
                )
            }
            8..11 => self.in_transaction(model)?,
            11 | 12 => {
                let id = self.some_partition(model)?;
                let mut joined = Vec::new();
                let mut next_offset = model.partitions[&id].log_end;
                for _ in 0..1 + self.below(3) {
                    let records = 1 + self.below(3);
                    let mut batch = self.batch(id, records, None).to_vec();
                    let base_offset = next_offset + self.below(3) as i64;
                    wire::patch_base_offset(&mut batch, base_offset);
                    wire::patch_leader_epoch(&mut batch, self.leader_epoch);
                    next_offset = base_offset + records as i64;
                    joined.extend_from_slice(&batch);
                }
                let batches = Bytes::from(joined);
                let op = Op::AppendAsFollower {
                    partition: PartitionId(id),
                    batches: batches.clone(),
                };
                (
                    op,
                    Change::Append {
                        partition: id,
                        written_ms: self.clock.wall_ms(),
                        batches,
                        next_offset,
                    },
                )
            }
            _ => {
                let id = self.some_partition(model)?;
                let records = 1 + self.below(4);
                let batch = self.batch(id, records, None);
                self.append(model, id, batch, records)
            }
        };
        model.apply(std::slice::from_ref(&change));
        Some((op, change))
    }

    /// A batch of a transaction, or the marker that ends one.
    fn in_transaction(&mut self, model: &Model) -> Option<(Op, Change)> {
        let id = self.some_partition(model)?;
        let producer_id = TRANSACTIONAL_IDS + self.below(TRANSACTIONAL_PRODUCERS) as i64;
        let known = model.partitions[&id].producers.get(&producer_id);
        let known = known.copied().unwrap_or_default();
        let ends = if known.open_since.is_some() {
            self.below(3) == 0
        } else {
            self.below(30) == 0
        };
        if ends {
            let epoch = known.epoch + self.below(2) as i16;
            let marker = end_transaction_marker(producer_id, epoch, 0, self.below(2) == 0, 1000);
            return Some(self.append(model, id, marker, 1));
        }
        let records = 1 + self.below(3);
        let batch = self.batch(id, records, Some((producer_id, known.epoch, known.next_sequence)));
        Some(self.append(model, id, batch, records))
    }

    fn append(&self, model: &Model, id: u64, batch: Bytes, records: u64) -> (Op, Change) {
        let base_offset = model.partitions[&id].log_end;
        let mut patched = batch.to_vec();
        wire::patch_base_offset(&mut patched, base_offset);
        wire::patch_leader_epoch(&mut patched, self.leader_epoch);
        let next_offset = base_offset + records as i64;
        let change = Change::Append {
            partition: id,
            written_ms: self.clock.wall_ms(),
            batches: Bytes::from(patched),
            next_offset,
        };
        (
            Op::Append {
                partition: PartitionId(id),
                batch,
                leader_epoch: self.leader_epoch,
            },
            change,
        )
    }

    pub(super) fn commit(&mut self) -> Check<()> {
        let mut model = self.accepted.clone();
        let (mut ops, mut changes) = (Vec::new(), Vec::new());
        for _ in 0..1 + self.below(4) {
            if let Some((op, change)) = self.operation(&mut model) {
                ops.push(op);
                changes.push(change);
            }
        }
        // Half of the refused commits are refused at their last operation: what came before must be taken back.
        let refused = self.below(10) == 0;
        if refused {
            ops.push(Op::AdvanceStart {
                partition: PartitionId(u64::MAX),
                log_start: 0,
            });
        }
        let Some(log) = &self.log else { return Ok(()) };
        match log.commit(ops) {
            Ok(receipt) => {
                ensure!(!refused, "a commit with an unknown partition was accepted");
                self.accepted = model;
                self.in_flight.push_back(InFlight { receipt, changes });
            }
            Err(error) => {
                let expected = refused || matches!(error.cause, CommitCause::Log(_));
                ensure!(expected, "a good commit was refused: {error}");
            }
        }
        Ok(())
    }

    pub(super) fn commit_as_client(&mut self) -> Check<()> {
        if self.clients.len() < 3 {
            let id = self.clients.len() as i64 + 100;
            self.clients.push(Client {
                id,
                epoch: 0,
                next_sequence: 0,
                partition: 0,
                sent: VecDeque::new(),
            });
        }
        let index = self.below(self.clients.len() as u64) as usize;
        let mut client = self.clients[index].clone();
        if !self.accepted.partitions.contains_key(&client.partition) {
            let Some(id) = self.some_partition(&self.accepted) else {
                return Ok(());
            };
            client.partition = id;
            client.epoch += 1;
            client.next_sequence = 0;
            client.sent.clear();
        }
        let records = 1 + self.below(3);
        let numbering = (client.id, client.epoch, client.next_sequence);
        let batch = self.batch(client.partition, records, Some(numbering));
        let (op, change) = self.append(&self.accepted, client.partition, batch.clone(), records);
        let Some(log) = &self.log else { return Ok(()) };
        let receipt = match log.commit(vec![op]) {
            Ok(receipt) => receipt,
            Err(error) if matches!(error.cause, CommitCause::Log(_)) => return Ok(()),
            Err(error) => return Err(format!("a batch of {client:?} was refused: {error}")),
        };
        let Some(Outcome::Appended(appended)) = receipt.outcomes().first().copied() else {
            return Err("an append without offsets".into());
        };
        ensure!(
            !appended.duplicate,
            "a new batch of {client:?} was taken for a repeated one"
        );
        client.next_sequence += records as i32;
        if client.sent.len() == BATCHES_REMEMBERED {
            client.sent.pop_front();
        }
        client
            .sent
            .push_back((batch, appended.base_offset, appended.last_offset));
        self.accepted.apply(std::slice::from_ref(&change));
        self.in_flight.push_back(InFlight {
            receipt,
            changes: vec![change],
        });
        self.clients[index] = client;
        Ok(())
    }
}
