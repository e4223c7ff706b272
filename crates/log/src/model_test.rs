//! The log against a plain model, on a disk that loses what it may: after every crash the log must hold exactly what
//! some prefix of the commits made, all acknowledged ones included.
//!
//! `RIVULET_SEED=n` runs one seed, `RIVULET_SEEDS=n` that many. A failure prints its seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::disk::SimDisk;
use base::{Clock, ManualClock, Offset, Random, SeededRandom};
use bytes::Bytes;
use wire::builder::end_transaction_marker;
use wire::{BatchBuilder, Compression, NewRecord};

use crate::api::*;
use crate::{Log, Receipt};

mod compare;
mod model;

use compare::Compared;
use model::{Change, Model};

const SEEDS: u64 = 1200;
const CYCLES: u64 = 5;
const PARTITIONS_MAX: u64 = 5;

/// Producers that write in transactions have ids from here on.
const TRANSACTIONAL_IDS: i64 = 200;
const TRANSACTIONAL_PRODUCERS: u64 = 3;
/// Batches of a producer that may come again.
const BATCHES_REMEMBERED: usize = 5;

type Check<T> = Result<T, String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// A commit that is not known to be durable.
struct InFlight {
    receipt: Receipt,
    changes: Vec<Change>,
}

/// A producer as a client remembers it.
#[derive(Clone, Debug)]
struct Client {
    id: i64,
    epoch: i16,
    next_sequence: i32,
    partition: u64,
    /// The last batches of its epoch and where they went, oldest first; as many as the log must know again.
    sent: VecDeque<(Bytes, Offset, Offset)>,
}

/// Partitions of odd numbers are compacted.
fn is_compacted(partition: u64) -> bool {
    partition % 2 == 1
}

struct World {
    random: SeededRandom,
    disk: SimDisk,
    clock: Arc<ManualClock>,
    options: LogOptions,
    log: Option<Log>,
    /// After every acknowledged commit.
    durable: Model,
    /// After every accepted commit.
    accepted: Model,
    in_flight: VecDeque<InFlight>,
    clients: Vec<Client>,
    next_partition: u64,
    next_value: u64,
    leader_epoch: i32,
    damage: Vec<String>,
    compaction: CompactionOptions,
    /// Partitions that compaction may have changed.
    compacted: BTreeSet<u64>,
}

impl World {
    fn new(seed: u64, planted: Planted) -> World {
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
        World {
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

    fn below(&self, bound: u64) -> u64 {
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
    fn open_stubbornly(&mut self) -> Check<()> {
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
    fn recovered(&mut self) -> Check<()> {
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

    fn collect_acks(&mut self) -> Check<()> {
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
            let size = [3, 40, 300, 1500][self.below(4) as usize];
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
        let (op, change) = match self.below(24) {
            0 | 1 if (model.partitions.len() as u64) < PARTITIONS_MAX => {
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

    fn commit(&mut self) -> Check<()> {
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

    fn commit_as_client(&mut self) -> Check<()> {
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
    fn live(&mut self) -> Check<()> {
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
    fn end(&mut self) -> Check<()> {
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

fn run(seed: u64, planted: Planted) -> Check<u64> {
    let mut world = World::new(seed, planted);
    world.open_stubbornly()?;
    for _ in 0..CYCLES {
        world.live()?;
        world.end()?;
        world.open_stubbornly()?;
        world.recovered()?;
    }
    Ok(world.disk.operations())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn acknowledged_commits_survive_every_crash_whole() {
    let seeds = match number("RIVULET_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RIVULET_SEEDS").unwrap_or(SEEDS),
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let seeds = seeds.clone();
                scope.spawn(move || {
                    let mine = seeds.filter(move |seed| seed % workers == worker);
                    let failed = mine.filter_map(|seed| {
                        let result = std::panic::catch_unwind(|| run(seed, Planted::Nothing));
                        match result {
                            Ok(Ok(_)) => None,
                            Ok(Err(error)) => Some(format!("RIVULET_SEED={seed}: {error}")),
                            Err(_) => Some(format!("RIVULET_SEED={seed}: panicked")),
                        }
                    });
                    failed.take(3).collect::<Vec<String>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn equal_seeds_make_equal_runs() {
    for seed in 0..20 {
        assert_eq!(run(seed, Planted::Nothing), run(seed, Planted::Nothing), "seed {seed}");
    }
}

#[test]
fn planted_faults_are_found() {
    for planted in [
        Planted::NoSync,
        Planted::NoFence,
        Planted::NoNameSync,
        Planted::NoReplaySync,
        Planted::CheckpointBeforeSegments,
        Planted::NoProducers,
        Planted::ReadBeforeSync,
        Planted::EarlyAck,
        Planted::ShortWindow,
        Planted::StaleLastStable,
        Planted::NoAborted,
        Planted::CompactionNotSynced,
        Planted::LiveKeyDropped,
        Planted::HorizonIgnored,
    ] {
        let found = (0..SEEDS).find(|seed| run(*seed, planted).is_err());
        assert!(found.is_some(), "no seed finds {planted:?}");
    }
}
