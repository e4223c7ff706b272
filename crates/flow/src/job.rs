//! A job: reads its sources from all partitions, runs the plan over each record, commits what came of it.
//!
//! Invariant: the records of a step's outputs and the offsets behind which they stand are in the same step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Clock, ErrorKind, Random};
use bytes::Bytes;
use client::{Fetched, Output, Position, ReadLimits, Record, Schemas, Step, Topics, TopicsError};
use parking_lot::Mutex;
use sql::{EvalContext, Input, Moment, Op, Pipeline, Plan, Sink, Value};
use tokio::sync::watch;

use crate::format::ReadFailure;
use crate::options::{Bound, OnError, Startup};
use crate::results::ResultBuffer;
use crate::sink::RowWriter;
use crate::source::{Outcome, RowReader};
use crate::statement::Counters;

/// Bytes of records read at a time.
const READ_BYTES_MAX: usize = 2 << 20;
/// A step is committed when its outputs hold so many bytes.
const STEP_BYTES_MAX: usize = 4 << 20;
/// A step is committed when it has so many outputs.
const STEP_OUTPUTS_MAX: usize = 20_000;
/// How long a read waits for records; after it, new partitions are looked for.
const READ_WAIT: Duration = Duration::from_secs(1);
/// While records flow, new partitions are looked for this often.
const PARTITIONS_EVERY: Duration = Duration::from_secs(5);
/// A query whose rows nobody fetches for so long is stopped.
const READER_AWAY_MAX: Duration = Duration::from_secs(300);
/// Pauses between attempts when something is not available.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// State keys of a job.
const STATE_ENDS: &[u8] = b"ends";
const STATE_DONE: &[u8] = b"done";

/// What a job works with.
#[derive(Clone)]
pub(crate) struct Doors {
    pub topics: Arc<dyn Topics>,
    pub schemas: Arc<dyn Schemas>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// What others see of a running job.
#[derive(Default)]
pub(crate) struct Progress {
    records_in: AtomicU64,
    records_out: AtomicU64,
    records_skipped: AtomicU64,
    records_dead_lettered: AtomicU64,
    /// Where it reads on, as last committed.
    pub offsets: Mutex<Vec<Position>>,
    /// What it waits for, if it does.
    pub trouble: Mutex<Option<String>>,
}

impl Progress {
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            records_in: self.records_in.load(Ordering::Relaxed),
            records_out: self.records_out.load(Ordering::Relaxed),
            records_skipped: self.records_skipped.load(Ordering::Relaxed),
            records_dead_lettered: self.records_dead_lettered.load(Ordering::Relaxed),
        }
    }

    fn add(&self, tally: &Counters) {
        self.records_in.fetch_add(tally.records_in, Ordering::Relaxed);
        self.records_out.fetch_add(tally.records_out, Ordering::Relaxed);
        self.records_skipped.fetch_add(tally.records_skipped, Ordering::Relaxed);
        self.records_dead_lettered
            .fetch_add(tally.records_dead_lettered, Ordering::Relaxed);
    }
}

/// What a job's owner wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Run,
    Stop,
}

/// How a job ended.
#[derive(Debug)]
pub(crate) enum End {
    Completed,
    Stopped,
    Failed(String),
}

/// Why an attempt ended early.
enum Interrupt {
    /// Try again, from what was committed.
    Again(String),
    Fatal(String),
    Stopped,
}

impl From<TopicsError> for Interrupt {
    fn from(error: TopicsError) -> Interrupt {
        match error.kind {
            ErrorKind::Unavailable => Interrupt::Again(error.message),
            ErrorKind::Conflict => Interrupt::Fatal(format!("another run of this job took over: {}", error.message)),
            _ => Interrupt::Fatal(error.message),
        }
    }
}

pub(crate) struct Job {
    /// The consumer group its offsets show as.
    pub name: Arc<str>,
    pub plan: Plan,
    pub readers: Vec<RowReader>,
    pub writers: Vec<Option<RowWriter>>,
    pub results: Option<Arc<ResultBuffer>>,
    /// Read to the ends as they are at the start.
    pub snapshot: bool,
    pub zone: jiff::tz::TimeZone,
    pub doors: Doors,
    pub progress: Arc<Progress>,
    pub wish: watch::Receiver<Wish>,
}

/// One run of a job between two starts.
struct Run {
    number: u64,
    /// Where to read on, by topic and partition.
    positions: BTreeMap<(Arc<str>, i32), i64>,
    /// Where to end, if the job is bounded.
    ends: Option<BTreeMap<(Arc<str>, i32), i64>>,
    rows_left: Option<u64>,
    partitions_checked_at: Duration,
}

/// What a step has gathered.
#[derive(Default)]
struct Gathered {
    outputs: Vec<Output>,
    bytes: usize,
    rows: Vec<Vec<Value>>,
    tally: Counters,
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.bytes >= STEP_BYTES_MAX || self.outputs.len() + self.rows.len() >= STEP_OUTPUTS_MAX
    }
}

impl Job {
    /// Runs until it is done, stopped or broken; what is unavailable is tried again.
    pub(crate) async fn run(mut self) -> End {
        let mut pause = BACKOFF_MIN;
        loop {
            let committed_before = self.progress.counters();
            match self.attempt().await {
                Ok(()) => return self.end(End::Completed),
                Err(Interrupt::Stopped) => return self.end(End::Stopped),
                Err(Interrupt::Fatal(why)) => return self.end(End::Failed(why)),
                Err(Interrupt::Again(why)) => {
                    tracing::warn!(job = %self.name, %why, "a job waits and starts again");
                    *self.progress.trouble.lock() = Some(why);
                    if self.progress.counters() != committed_before {
                        pause = BACKOFF_MIN;
                    }
                    if self.wait(pause).await {
                        return self.end(End::Stopped);
                    }
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    fn end(&self, end: End) -> End {
        if let Some(results) = &self.results {
            results.complete();
        }
        end
    }

    /// Waits, unless the job is told to stop: then `true`.
    async fn wait(&mut self, pause: Duration) -> bool {
        let stopped = self.wish.wait_for(|wish| *wish == Wish::Stop);
        tokio::time::timeout(pause, stopped).await.is_ok()
    }

    fn is_query(&self) -> bool {
        self.results.is_some()
    }

    async fn attempt(&mut self) -> Result<(), Interrupt> {
        let mut run = self.start().await?;
        if run.number == u64::MAX {
            return Ok(());
        }
        *self.progress.trouble.lock() = None;
        if self.written_rows(&mut run).await? {
            return Ok(());
        }
        loop {
            if *self.wish.borrow() == Wish::Stop {
                return Err(Interrupt::Stopped);
            }
            let wanted = self.wanted_positions(&run);
            if run.ends.is_some() && wanted.is_empty() {
                return Ok(());
            }
            let limits = ReadLimits {
                bytes_max: READ_BYTES_MAX,
                wait_max: READ_WAIT,
            };
            let mut wish = self.wish.clone();
            let topics = Arc::clone(&self.doors.topics);
            let fetched = tokio::select! {
                biased;
                _ = wish.wait_for(|wish| *wish == Wish::Stop) => return Err(Interrupt::Stopped),
                fetched = topics.read(&wanted, limits) => fetched?,
            };
            self.process(&mut run, fetched).await?;
            if run.rows_left == Some(0) {
                return Ok(());
            }
            let now = self.doors.clock.monotonic();
            if now.saturating_sub(run.partitions_checked_at) >= PARTITIONS_EVERY {
                run.partitions_checked_at = now;
                self.new_partitions(&mut run).await?;
            }
        }
    }

    fn wanted_positions(&self, run: &Run) -> Vec<Position> {
        let unfinished = run.positions.iter().filter(|(place, offset)| match &run.ends {
            Some(ends) => ends.get(*place).is_some_and(|end| **offset < *end),
            None => true,
        });
        unfinished
            .map(|((topic, partition), offset)| Position {
                topic: Arc::clone(topic),
                partition: *partition,
                offset: *offset,
            })
            .collect()
    }

    /// Begins a run: takes the job's number, its offsets and, if it is bounded, its ends.
    async fn start(&mut self) -> Result<Run, Interrupt> {
        let start = if self.is_query() {
            client::JobStart::default()
        } else {
            self.doors.topics.start_job(&self.name).await?
        };
        let state = |key: &[u8]| {
            start
                .state
                .iter()
                .find(|(name, _)| name.as_ref() == key)
                .map(|(_, value)| value.clone())
        };
        let mut run = Run {
            number: start.run,
            positions: start
                .offsets
                .into_iter()
                .map(|p| ((p.topic, p.partition), p.offset))
                .collect(),
            ends: None,
            rows_left: self.plan.limit,
            partitions_checked_at: self.doors.clock.monotonic(),
        };
        if state(STATE_DONE).is_some() {
            run.number = u64::MAX;
            return Ok(run);
        }
        let known: Vec<Arc<str>> = self
            .readers
            .iter()
            .map(|reader| reader.options.topic.as_str().into())
            .collect();
        run.positions.retain(|(topic, _), _| known.contains(topic));
        self.first_positions(&mut run, true).await?;
        let bounded = self.snapshot
            || self
                .readers
                .iter()
                .all(|reader| reader.options.bound != Bound::Unbounded);
        if bounded && !self.readers.is_empty() {
            run.ends = Some(match state(STATE_ENDS) {
                Some(text) => parse_ends(&text),
                None => self.find_ends(&run).await?,
            });
            self.keep_ends(&run).await?;
        }
        *self.progress.offsets.lock() = positions_of(&run);
        Ok(run)
    }

    /// Gives each partition that has no offset yet its first.
    async fn first_positions(&self, run: &mut Run, at_start: bool) -> Result<(), Interrupt> {
        for reader in &self.readers {
            let topic: Arc<str> = reader.options.topic.as_str().into();
            let partitions = self.doors.topics.partitions(&topic).await?;
            for partition in 0..partitions {
                let place = (Arc::clone(&topic), partition);
                if run.positions.contains_key(&place) {
                    continue;
                }
                let startup = &reader.options.startup;
                let bounds = self.doors.topics.bounds(&topic, partition).await?;
                let offset = match startup {
                    // A partition that appears later is read whole: its records came after the job began.
                    _ if !at_start => bounds.start,
                    Startup::Earliest => bounds.start,
                    Startup::Latest => bounds.end,
                    Startup::Timestamp(millis) => self.doors.topics.offset_for_time(&topic, partition, *millis).await?,
                    Startup::Offsets(offsets) => {
                        let named = offsets.iter().find(|(index, _)| *index == partition);
                        named.map_or(bounds.start, |(_, offset)| *offset)
                    }
                };
                run.positions.insert(place, offset);
            }
        }
        Ok(())
    }

    async fn new_partitions(&self, run: &mut Run) -> Result<(), Interrupt> {
        if run.ends.is_some() {
            Ok(())
        } else {
            self.first_positions(run, false).await
        }
    }

    async fn find_ends(&self, run: &Run) -> Result<BTreeMap<(Arc<str>, i32), i64>, Interrupt> {
        let mut ends = BTreeMap::new();
        for (topic, partition) in run.positions.keys() {
            let now = self.doors.topics.bounds(topic, *partition).await?.end;
            let reader = self.readers.iter().find(|reader| *reader.options.topic == **topic);
            let end = match reader.map(|reader| &reader.options.bound) {
                Some(Bound::Timestamp(millis)) => self.doors.topics.offset_for_time(topic, *partition, *millis).await?,
                Some(Bound::Offsets(offsets)) => offsets
                    .iter()
                    .find(|(index, _)| index == partition)
                    .map_or(now, |(_, offset)| *offset),
                _ => now,
            };
            ends.insert((Arc::clone(topic), *partition), end);
        }
        Ok(ends)
    }

    /// A bounded job that restarts ends where it was to end, not where the topics have grown to.
    async fn keep_ends(&self, run: &Run) -> Result<(), Interrupt> {
        if self.is_query() {
            return Ok(());
        }
        let Some(ends) = &run.ends else { return Ok(()) };
        let state = vec![(Bytes::from_static(STATE_ENDS), Some(write_ends(ends)))];
        let step = Step {
            job: Arc::clone(&self.name),
            run: run.number,
            offsets: positions_of(run),
            state,
            ..Step::default()
        };
        self.doors.topics.commit(step).await?;
        Ok(())
    }

    /// Rows that the statement itself holds; `true` if there is nothing else to do.
    async fn written_rows(&mut self, run: &mut Run) -> Result<bool, Interrupt> {
        let written: Vec<Pipeline> = self
            .plan
            .pipelines
            .iter()
            .filter(|p| matches!(p.input, Input::Rows(_)))
            .cloned()
            .collect();
        if written.is_empty() {
            return Ok(false);
        }
        let cx = self.context();
        let mut gathered = Gathered::default();
        for pipeline in &written {
            let Input::Rows(rows) = &pipeline.input else { continue };
            for source in rows {
                let values: Result<Vec<Value>, _> = source.iter().map(|expr| expr.eval(&[], &cx)).collect();
                let mut row = values.map_err(|error| Interrupt::Fatal(error.to_string()))?;
                self.run_ops(pipeline, 0, &mut row, &cx, &mut gathered, run)
                    .map_err(Interrupt::Fatal)?;
            }
        }
        drop(cx);
        let last = self.readers.is_empty();
        let done = if last {
            vec![(Bytes::from_static(STATE_DONE), Some(Bytes::from_static(b"1")))]
        } else {
            Vec::new()
        };
        self.flush(run, &mut gathered, done).await?;
        Ok(last)
    }

    fn context(&self) -> EvalContext {
        let now = Moment::from_millis(self.doors.clock.wall_ms());
        EvalContext::new(now, self.zone.clone(), Arc::clone(&self.doors.random))
    }

    /// Runs fetched records through the plan and commits, in several steps if much comes out.
    async fn process(&mut self, run: &mut Run, fetched: Vec<Fetched>) -> Result<(), Interrupt> {
        let mut gathered = Gathered::default();
        let mut moved = false;
        for batch in &fetched {
            let place = (Arc::clone(&batch.topic), batch.partition);
            let end = run.ends.as_ref().and_then(|ends| ends.get(&place).copied());
            let mut at = 0;
            while at < batch.records.len() {
                at = self.records(run, batch, at, end, &mut gathered).await?;
                let done = run.rows_left == Some(0);
                if gathered.is_full() || done {
                    if let Some(last) = batch.records[..at].last() {
                        run.positions.insert(place.clone(), last.offset + 1);
                    }
                    self.flush(run, &mut gathered, Vec::new()).await?;
                    moved = false;
                    if done {
                        return Ok(());
                    }
                }
            }
            let before = run.positions.insert(place, batch.next_offset);
            moved |= before != Some(batch.next_offset);
        }
        if moved {
            self.flush(run, &mut gathered, Vec::new()).await?;
        }
        Ok(())
    }

    /// Runs records from `at` on until the step is full; gives the first one left.
    async fn records(
        &mut self,
        run: &mut Run,
        batch: &Fetched,
        mut at: usize,
        end: Option<i64>,
        gathered: &mut Gathered,
    ) -> Result<usize, Interrupt> {
        loop {
            match self.until_schema(run, batch, at, end, gathered)? {
                Pause::At(next) => return Ok(next),
                Pause::Schema { scan, id, record } => {
                    at = record;
                    let learned = self.readers[scan].learn(id, &*self.doors.schemas).await;
                    learned.map_err(|error| Interrupt::Again(format!("the schema registry: {}", error.message)))?;
                }
            }
        }
    }

    /// The synchronous stretch: no record in it needs a schema that is not known yet.
    fn until_schema(
        &self,
        run: &mut Run,
        batch: &Fetched,
        from: usize,
        end: Option<i64>,
        gathered: &mut Gathered,
    ) -> Result<Pause, Interrupt> {
        let cx = self.context();
        let mut rows: Vec<Vec<Value>> = vec![Vec::new(); self.readers.len()];
        let mut outcomes: Vec<Option<Result<Outcome, String>>> = vec![None; self.readers.len()];
        for (index, record) in batch.records.iter().enumerate().skip(from) {
            if end.is_some_and(|end| record.offset >= end) {
                return Ok(Pause::At(batch.records.len()));
            }
            // All scans must be able to read the record before any of them puts something out.
            for (scan, reader) in self.readers.iter().enumerate() {
                if *reader.options.topic != *batch.topic {
                    continue;
                }
                let row = &mut rows[scan];
                row.clear();
                row.resize(reader.width(), Value::Null);
                outcomes[scan] = Some(match reader.read(&batch.topic, batch.partition, record, row) {
                    Ok(outcome) => Ok(outcome),
                    Err(ReadFailure::Bad(why)) => Err(why),
                    Err(ReadFailure::SchemaNeeded(id)) => {
                        return Ok(Pause::Schema {
                            scan,
                            id,
                            record: index,
                        });
                    }
                });
            }
            gathered.tally.records_in += 1;
            for scan in 0..self.readers.len() {
                match outcomes[scan].take() {
                    None => {}
                    Some(Ok(Outcome::Row)) => {
                        self.pipelines(run, scan, batch, record, &mut rows[scan], &cx, gathered)?
                    }
                    Some(Ok(Outcome::Skipped)) => gathered.tally.records_skipped += 1,
                    Some(Err(why)) => self.undecodable(scan, batch, record, &why, gathered)?,
                }
            }
            if gathered.is_full() || run.rows_left == Some(0) {
                return Ok(Pause::At(index + 1));
            }
        }
        Ok(Pause::At(batch.records.len()))
    }

    /// Runs one decoded row through every pipeline of its scan.
    #[allow(
        clippy::too_many_arguments,
        reason = "the record, where it stands, and where its rows go"
    )]
    fn pipelines(
        &self,
        run: &mut Run,
        scan: usize,
        batch: &Fetched,
        record: &Record,
        row: &mut Vec<Value>,
        cx: &EvalContext,
        gathered: &mut Gathered,
    ) -> Result<(), Interrupt> {
        let width = self.readers[scan].width();
        for pipeline in &self.plan.pipelines {
            if matches!(pipeline.input, Input::Scan(index) if index == scan) {
                row.truncate(width);
                self.run_ops(pipeline, 0, row, cx, gathered, run).map_err(|why| {
                    let place = format!(
                        "topic `{}`, partition {}, offset {}",
                        batch.topic, batch.partition, record.offset
                    );
                    Interrupt::Fatal(format!("{place}: {why}"))
                })?;
            }
        }
        Ok(())
    }

    /// What the table says becomes of a record that cannot be read.
    fn undecodable(
        &self,
        scan: usize,
        batch: &Fetched,
        record: &Record,
        why: &str,
        gathered: &mut Gathered,
    ) -> Result<(), Interrupt> {
        let place = format!(
            "topic `{}`, partition {}, offset {}",
            batch.topic, batch.partition, record.offset
        );
        match &self.readers[scan].options.on_error {
            OnError::Fail => Err(Interrupt::Fatal(format!(
                "{place}: {why}; hint: 'error-handling.mode' = 'log' on the table skips such records, with 'error-handling.log.target' = 'topic' they are kept there"
            ))),
            OnError::Skip => {
                if gathered.tally.records_skipped == 0 {
                    tracing::warn!(job = %self.name, "{place}: {why}; the record is skipped");
                }
                gathered.tally.records_skipped += 1;
                Ok(())
            }
            OnError::DeadLetter(target) => {
                gathered.tally.records_dead_lettered += 1;
                let output = self.dead_letter(target, batch, record, why);
                gathered.bytes += size_of(&output);
                gathered.outputs.push(output);
                Ok(())
            }
        }
    }

    /// The record as it is, with headers that say where it came from and what is wrong.
    fn dead_letter(&self, target: &str, batch: &Fetched, record: &Record, why: &str) -> Output {
        let mut headers = record.headers.clone();
        let mut add = |name: &'static str, value: String| {
            headers.push((Bytes::from_static(name.as_bytes()), Some(Bytes::from(value))));
        };
        add("error.topic", batch.topic.to_string());
        add("error.partition", batch.partition.to_string());
        add("error.offset", record.offset.to_string());
        add("error.reason", why.to_owned());
        add("error.statement", self.name.to_string());
        Output {
            topic: target.into(),
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            headers,
            timestamp: Some(record.timestamp),
        }
    }

    /// The rest of a pipeline over the row, from operator `from` on.
    fn run_ops(
        &self,
        pipeline: &Pipeline,
        from: usize,
        row: &mut Vec<Value>,
        cx: &EvalContext,
        gathered: &mut Gathered,
        run: &mut Run,
    ) -> Result<(), String> {
        for (index, op) in pipeline.ops.iter().enumerate().skip(from) {
            match op {
                Op::Filter(expr) => {
                    if !expr.accepts(row, cx).map_err(|error| error.to_string())? {
                        return Ok(());
                    }
                }
                Op::Extend(expr) => {
                    let value = expr.eval(row, cx).map_err(|error| error.to_string())?;
                    row.push(value);
                }
                Op::Unnest {
                    array,
                    fields,
                    ordinality,
                    outer,
                } => {
                    let container = array.eval(row, cx).map_err(|error| error.to_string())?;
                    let width = row.len();
                    let elements = elements(&container);
                    if elements.is_empty() && *outer {
                        row.resize(width + op.width(), Value::Null);
                        return self.run_ops(pipeline, index + 1, row, cx, gathered, run);
                    }
                    for (number, element) in elements.into_iter().enumerate() {
                        row.truncate(width);
                        match (fields, element) {
                            (None, element) => row.push(element),
                            (Some(count), Value::Row(values)) => {
                                row.extend(values.iter().cloned());
                                row.resize(width + count, Value::Null);
                            }
                            (Some(count), _) => row.resize(width + count, Value::Null),
                        }
                        if *ordinality {
                            row.push(Value::Int(number as i64 + 1));
                        }
                        self.run_ops(pipeline, index + 1, row, cx, gathered, run)?;
                    }
                    return Ok(());
                }
            }
        }
        self.emit(pipeline, row, cx, gathered, run)
    }

    fn emit(
        &self,
        pipeline: &Pipeline,
        row: &[Value],
        cx: &EvalContext,
        gathered: &mut Gathered,
        run: &mut Run,
    ) -> Result<(), String> {
        if run.rows_left == Some(0) {
            return Ok(());
        }
        let values: Result<Vec<Value>, _> = pipeline.outputs.iter().map(|expr| expr.eval(row, cx)).collect();
        let values = values.map_err(|error| error.to_string())?;
        match &self.writers[pipeline.sink] {
            Some(writer) => {
                let output = writer.write(&values)?;
                gathered.bytes += size_of(&output);
                gathered.outputs.push(output);
            }
            None => gathered.rows.push(values),
        }
        gathered.tally.records_out += 1;
        if let Some(left) = &mut run.rows_left {
            *left -= 1;
        }
        Ok(())
    }

    /// Makes what was gathered and the positions behind it durable, as one step.
    async fn flush(
        &self,
        run: &Run,
        gathered: &mut Gathered,
        state: Vec<(Bytes, Option<Bytes>)>,
    ) -> Result<(), Interrupt> {
        let gathered = std::mem::take(gathered);
        let offsets = positions_of(run);
        match &self.results {
            Some(results) => {
                let mut wish = self.wish.clone();
                tokio::select! {
                    biased;
                    _ = wish.wait_for(|wish| *wish == Wish::Stop) => return Err(Interrupt::Stopped),
                    pushed = tokio::time::timeout(READER_AWAY_MAX, results.push(gathered.rows)) => {
                        pushed.map_err(|_| Interrupt::Stopped)?;
                    }
                }
            }
            None => {
                let step = Step {
                    job: Arc::clone(&self.name),
                    run: run.number,
                    outputs: gathered.outputs,
                    offsets: offsets.clone(),
                    state,
                };
                self.doors.topics.commit(step).await?;
            }
        }
        self.progress.add(&gathered.tally);
        *self.progress.offsets.lock() = offsets;
        Ok(())
    }
}

/// Where the synchronous stretch stopped.
enum Pause {
    /// The schema is needed before this record can be read.
    Schema { scan: usize, id: i32, record: usize },
    /// The first record left.
    At(usize),
}

fn elements(container: &Value) -> Vec<Value> {
    match container {
        Value::Array(items) => items.to_vec(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| Value::Row(Arc::new(vec![key.clone(), value.clone()])))
            .collect(),
        _ => Vec::new(),
    }
}

fn positions_of(run: &Run) -> Vec<Position> {
    let position = |((topic, partition), offset): (&(Arc<str>, i32), &i64)| Position {
        topic: Arc::clone(topic),
        partition: *partition,
        offset: *offset,
    };
    run.positions.iter().map(position).collect()
}

fn size_of(output: &Output) -> usize {
    output.key.as_ref().map_or(0, Bytes::len) + output.value.as_ref().map_or(0, Bytes::len)
}

fn write_ends(ends: &BTreeMap<(Arc<str>, i32), i64>) -> Bytes {
    let all: Vec<serde_json::Value> = ends
        .iter()
        .map(|((topic, partition), offset)| serde_json::json!([topic.as_ref(), partition, offset]))
        .collect();
    Bytes::from(serde_json::Value::Array(all).to_string())
}

fn parse_ends(text: &[u8]) -> BTreeMap<(Arc<str>, i32), i64> {
    let all: Vec<(String, i32, i64)> = serde_json::from_slice(text).unwrap_or_default();
    all.into_iter()
        .map(|(topic, partition, offset)| ((Arc::from(topic), partition), offset))
        .collect()
}

/// Whether a plan's rows go to whoever asked.
pub(crate) fn is_query(plan: &Plan) -> bool {
    plan.sinks.iter().any(|sink| matches!(sink, Sink::Result { .. }))
}
