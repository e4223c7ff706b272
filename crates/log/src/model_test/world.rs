//! One run: a log on a simulated disk, clients that commit, read and compact, and the model beside it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::disk::SimDisk;
use base::{Clock, ManualClock, Offset, Random, SeededRandom};
use bytes::Bytes;

use super::commits::is_compacted;
use super::compare::Compared;
use super::model::{Change, Model};
use super::{Check, ensure};
use crate::api::*;
use crate::{Log, Receipt};

/// A commit that is not known to be durable.
pub(super) struct InFlight {
    pub(super) receipt: Receipt,
    pub(super) changes: Vec<Change>,
}

/// A producer as a client remembers it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: i64,
    pub(super) epoch: i16,
    pub(super) next_sequence: i32,
    pub(super) partition: u64,
    /// The last batches of its epoch and where they went, oldest first; as many as the log must know again.
    pub(super) sent: VecDeque<(Bytes, Offset, Offset)>,
}

/// The taste of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bias {
    pub(super) partitions_max: u64,
    pub(super) mostly_transactions: bool,
    pub(super) often_compacted: bool,
    /// Many records fit into a segment.
    pub(super) small_values: bool,
}

pub(super) struct World {
    pub(super) random: SeededRandom,
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<ManualClock>,
    pub(super) options: LogOptions,
    pub(super) log: Option<Log>,
    /// After every acknowledged commit.
    pub(super) durable: Model,
    /// After every accepted commit.
    pub(super) accepted: Model,
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) clients: Vec<Client>,
    pub(super) next_partition: u64,
    pub(super) next_value: u64,
    pub(super) leader_epoch: i32,
    pub(super) damage: Vec<String>,
    pub(super) compaction: CompactionOptions,
    /// What this run does more of than others: rare meetings need runs that are given to them.
    pub(super) bias: Bias,
    /// Partitions that compaction may have changed.
    pub(super) compacted: BTreeSet<u64>,
}

impl World {
    pub(super) fn new(seed: u64, planted: Planted) -> World {
        let random = SeededRandom::new(seed);
        let pick = |choices: &[u64]| choices[random.below(choices.len() as u64) as usize];
        let options = LogOptions {
            dir: PathBuf::from("/data"),
            segment_bytes_max: pick(&[300, 1500, 6000, 40_000]),
            wal_segment_bytes: pick(&[1 << 10, 4 << 10, 16 << 10]),
            checkpoint_wal_bytes: pick(&[1 << 10, 6 << 10, 30 << 10]),
            group_bytes_max: pick(&[500, 4 << 10, 1 << 20]),
            unsynced_bytes_max: pick(&[1 << 10, 8 << 10, 1 << 20]),
            open_files_max: 8,
            compaction_keys_max: pick(&[2, 4, 1000]) as usize,
            driven: true,
            planted,
            ..LogOptions::default()
        };
        let compaction = CompactionOptions {
            min_lag_ms: pick(&[0, 0, 2000]) as i64,
            max_lag_ms: [i64::MAX, 3000][random.below(2) as usize],
            delete_retention_ms: pick(&[0, 1000, 8000]) as i64,
            min_dirty_ratio: 0.0,
            force: random.below(2) == 0,
        };
        let bias = Bias {
            partitions_max: pick(&[1, 2, 5]),
            mostly_transactions: random.below(3) == 0,
            often_compacted: random.below(3) == 0,
            small_values: random.below(2) == 0,
        };
        World {
            bias,
            compaction,
            compacted: BTreeSet::new(),
            disk: SimDisk::new(random.next_u64()),
            clock: Arc::new(ManualClock::at(1_000_000)),
            options,
            log: None,
            durable: Model::default(),
            accepted: Model::default(),
            in_flight: VecDeque::new(),
            clients: Vec::new(),
            next_partition: 1,
            next_value: 0,
            leader_epoch: 0,
            damage: Vec::new(),
            random,
        }
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    fn env(&self) -> Env {
        Env {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::<ManualClock>::clone(&self.clock),
        }
    }

    fn open(&mut self) -> Result<(), LogError> {
        let (log, report) = Log::open(self.options.clone(), self.env())?;
        self.damage.extend(report.damage);
        self.log = Some(log);
        Ok(())
    }

    /// Opens until it succeeds; the power may go while it does.
    pub(super) fn open_stubbornly(&mut self) -> Check<()> {
        for attempt in 0..20 {
            if self.below(4) == 0 && attempt < 10 {
                self.disk.power_off_after(1 + self.below(30));
            }
            match self.open() {
                Ok(()) => {
                    if self.disk.powered() {
                        self.disk.power_off_after(u64::MAX >> 1);
                        return Ok(());
                    }
                }
                Err(error) => {
                    let injected = !self.disk.powered() || error.to_string().contains("simulated");
                    ensure!(injected, "opening failed without a fault: {error}");
                }
            }
            self.log = None;
            if !self.disk.powered() || self.below(2) == 0 {
                self.disk.crash();
            }
        }
        Err("opening never succeeded".into())
    }

    /// Everything that the log shows must equal the model.
    fn compare(&self, model: &Model) -> Check<()> {
        let Some(log) = &self.log else {
            return Err("no log".into());
        };
        let ids: Vec<PartitionId> = model.partitions.keys().map(|id| PartitionId(*id)).collect();
        ensure!(
            log.partitions() == ids,
            "partitions {:?}, expected {ids:?}",
            log.partitions()
        );
        for (id, partition) in &model.partitions {
            let compared = Compared {
                log,
                id: PartitionId(*id),
                model: partition,
                random: &self.random,
                compacted: self.compacted.contains(id),
                settled: self.in_flight.is_empty(),
                now: self.clock.wall_ms(),
                delete_retention_ms: self.compaction.delete_retention_ms,
            };
            compared.check().map_err(|error| format!("partition {id}: {error}"))?;
        }
        let mut tables = BTreeMap::new();
        for table in 0..3 {
            for (key, value) in log.scan(TableId(table), b"") {
                tables.insert((table, key), value);
            }
        }
        ensure!(tables == model.tables, "tables {tables:?}, expected {:?}", model.tables);
        Ok(())
    }

    /// After a restart: the state must be that after the acknowledged commits and some of those in flight.
    pub(super) fn recovered(&mut self) -> Check<()> {
        let mut model = self.durable.clone();
        let mut tried = Vec::new();
        let in_flight = std::mem::take(&mut self.in_flight);
        let mut candidates = in_flight.iter();
        loop {
            match self.compare(&model) {
                Ok(()) => break,
                Err(error) => tried.push(error),
            }
            match candidates.next() {
                Some(commit) => model.apply(&commit.changes),
                None => {
                    let shown: Vec<String> = tried.iter().map(|error| error.chars().take(400).collect()).collect();
                    return Err(format!("no prefix of the commits matches: {shown:#?}"));
                }
            }
        }
        ensure!(
            self.damage.is_empty(),
            "damage reported after a mere crash: {:?}",
            self.damage
        );
        self.durable = model.clone();
        self.accepted = model;
        self.check_clients()
    }

    /// Repeated batches must answer with their first offsets, or be new if they were lost.
    fn check_clients(&mut self) -> Check<()> {
        for index in 0..self.clients.len() {
            let client = self.clients[index].clone();
            let Some(partition) = self.durable.partitions.get(&client.partition) else {
                continue;
            };
            let kept = |(batch, base_offset, _): &(Bytes, Offset, Offset)| {
                let mut known = partition.batches.iter();
                known.any(|known| known.base_offset == *base_offset && known.bytes[21..] == batch[21..])
            };
            if client.sent.is_empty() || !client.sent.iter().all(kept) {
                self.clients[index].sent.clear();
                self.clients[index].epoch += 1;
                self.clients[index].next_sequence = 0;
                continue;
            }
            let repeated = self.below(client.sent.len() as u64) as usize;
            let (batch, base_offset, last_offset) = client.sent[repeated].clone();
            let op = Op::Append {
                partition: PartitionId(client.partition),
                batch,
                leader_epoch: self.leader_epoch,
            };
            let Some(log) = &self.log else { continue };
            let receipt = match log.commit(vec![op]) {
                Ok(receipt) => receipt,
                Err(error) => return Err(format!("the repeated batch of {client:?} was refused: {error}")),
            };
            let Some(Outcome::Appended(appended)) = receipt.outcomes().first().copied() else {
                return Err("an append without offsets".into());
            };
            let found = (appended.duplicate, appended.base_offset, appended.last_offset);
            ensure!(
                found == (true, base_offset, last_offset),
                "repeat of {client:?} answered {found:?}"
            );
            self.in_flight.push_back(InFlight {
                receipt,
                changes: Vec::new(),
            });
        }
        Ok(())
    }

    pub(super) fn collect_acks(&mut self) -> Check<()> {
        while let Some(front) = self.in_flight.front_mut() {
            match front.receipt.try_done() {
                Some(Ok(())) => {
                    let Some(done) = self.in_flight.pop_front() else { break };
                    self.durable.apply(&done.changes);
                }
                Some(Err(_)) | None => break,
            }
        }
        // Acknowledgements come in order: none behind one that is missing.
        let out_of_order = self
            .in_flight
            .iter_mut()
            .skip(1)
            .any(|later| matches!(later.receipt.try_done(), Some(Ok(()))));
        ensure!(!out_of_order, "a commit was acknowledged before an earlier one");
        Ok(())
    }

    /// Compacts a partition; the power may go at any point of it.
    fn compact(&mut self) -> Check<()> {
        let ids: Vec<u64> = self
            .accepted
            .partitions
            .keys()
            .copied()
            .filter(|id| is_compacted(*id))
            .collect();
        let (Some(log), false) = (&self.log, ids.is_empty()) else {
            return Ok(());
        };
        let id = ids[self.below(ids.len() as u64) as usize];
        self.compacted.insert(id);
        if let Err(error) = log.compact(PartitionId(id), &self.compaction) {
            let text = format!("{error} {error:?}");
            // It may not be there yet, or not any more.
            let unknown = matches!(
                error,
                CompactionError::UnknownPartition | CompactionError::Commit(CommitCause::UnknownPartition(_))
            );
            let stopped = matches!(error, CompactionError::Commit(CommitCause::Log(_)));
            let expected = unknown || stopped || !self.disk.powered();
            ensure!(
                expected || text.contains("simulated"),
                "compacting partition {id} failed: {text}"
            );
        }
        self.collect_acks()
    }

    /// One life of the process: commits and turns of the log until something ends it.
    pub(super) fn live(&mut self) -> Check<()> {
        match self.below(8) {
            0..4 => self.disk.power_off_after(1 + self.below(120)),
            4 => self.disk.fail_syncs(1),
            _ => {}
        }
        for _ in 0..5 + self.below(40) {
            match self.below(13) {
                0..4 => self.commit()?,
                4 | 5 => self.commit_as_client()?,
                6 => self.compact()?,
                7 if self.bias.often_compacted => self.compact()?,
                7 | 8 => self.clock.advance(Duration::from_millis(self.below(1000))),
                _ => {
                    if let Some(log) = &self.log {
                        log.drive_step();
                    }
                    self.collect_acks()?;
                    if self.below(6) == 0 && self.disk.powered() {
                        let compared = self.compare(&self.durable);
                        // Looking costs writes, too: the power may go meanwhile.
                        if self.disk.powered() {
                            compared.map_err(|error| format!("while running: {error}"))?;
                        }
                    }
                }
            }
            if !self.disk.powered() {
                break;
            }
            if self.below(30) == 0 {
                self.leader_epoch += 1;
            }
        }
        self.collect_acks()
    }

    /// Ends the process in one of the ways a process can end.
    pub(super) fn end(&mut self) -> Check<()> {
        let Some(log) = self.log.take() else { return Ok(()) };
        match self.below(4) {
            0 if self.disk.powered() => {
                if log.close().is_ok() {
                    self.collect_acks()?;
                    ensure!(self.in_flight.is_empty(), "an orderly stop left commits unanswered");
                }
                drop(log);
                if self.below(2) == 0 {
                    self.disk.crash();
                }
            }
            1 if self.disk.powered() => drop(log), // killed
            2 if self.disk.powered() => {
                // Killed, and the power goes while the next process starts.
                drop(log);
                self.disk.power_off_after(1 + self.below(20));
            }
            _ => {
                self.disk.crash();
                drop(log);
            }
        }
        if !self.disk.powered() {
            self.disk.crash();
        }
        Ok(())
    }
}
