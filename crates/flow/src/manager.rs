//! Statements and the jobs behind them: doing, starting, ending, keeping.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::ErrorKind;
use parking_lot::Mutex;
use sql::{Bound, Plan, Relation, Sink, Value};
use tokio::sync::watch;

use crate::check::Ready;
use crate::ddl::{option_error, sink_error, text_column, topic_settings};
use crate::error::FlowError;
use crate::job::{Doors, End, Job, Progress, Wish, is_query};
use crate::names::uuid_text;
use crate::options::{Bound as ScanBound, OnError, TableOptions};
use crate::records::{self, Definition};
use crate::results::ResultBuffer;
use crate::sink::RowWriter;
use crate::source::RowReader;
use crate::statement::{Counters, Phase, ResultColumn, Statement};
use crate::store::StatementStore;

/// Ended queries kept to be looked at; the oldest go first.
const ENDED_QUERIES_MAX: usize = 100;
/// What a job's consumer group is called.
const GROUP_PREFIX: &str = "sql-";
/// How long to wait before a job that could not be planned, because something was not available, is tried again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Inner {
    pub doors: Doors,
    pub store: Arc<dyn StatementStore>,
    pub definitions: Mutex<BTreeMap<String, Definition>>,
    pub entries: Mutex<BTreeMap<String, Arc<Entry>>>,
}

/// A statement and the job behind it.
pub(crate) struct Entry {
    pub statement: Mutex<Statement>,
    /// What its plan was made with.
    pub definitions: Mutex<String>,
    pub is_job: bool,
    pub results: Option<Arc<ResultBuffer>>,
    progress: Mutex<Arc<Progress>>,
    pub wish: watch::Sender<Wish>,
    pub phase: watch::Sender<Phase>,
    /// The process is ending: the phase that is kept stays RUNNING.
    pub detached: Mutex<bool>,
}

impl Entry {
    pub(crate) fn new(
        statement: Statement,
        definitions: String,
        is_job: bool,
        results: Option<Arc<ResultBuffer>>,
    ) -> Arc<Entry> {
        let phase = watch::Sender::new(statement.phase);
        Arc::new(Entry {
            statement: Mutex::new(statement),
            definitions: Mutex::new(definitions),
            is_job,
            results,
            progress: Mutex::default(),
            wish: watch::Sender::new(Wish::Run),
            phase,
            detached: Mutex::new(false),
        })
    }

    /// The statement with what its job did until now.
    pub(crate) fn view(&self) -> Statement {
        let mut statement = self.statement.lock().clone();
        let progress = self.progress.lock().clone();
        if self.is_job {
            statement.counters = progress.counters();
            statement.latest_offsets = progress.offsets.lock().clone();
        }
        if statement.phase == Phase::Running
            && let Some(trouble) = &*progress.trouble.lock()
        {
            statement.detail = format!("waiting: {trouble}");
        }
        statement
    }

    pub(crate) async fn until(&self, wanted: impl Fn(Phase) -> bool) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as the entry, so waiting cannot fail.
        let _seen = phase.wait_for(|phase| wanted(*phase)).await;
    }
}

impl Inner {
    pub(crate) fn entry(&self, name: &str) -> Result<Arc<Entry>, FlowError> {
        let entries = self.entries.lock();
        entries.get(name).cloned().ok_or_else(|| {
            let near = entries
                .keys()
                .min_by_key(|known| strsim::damerau_levenshtein(known, name));
            let hint = match near.filter(|known| strsim::damerau_levenshtein(known, name) <= 3) {
                Some(near) => format!("; hint: did you mean `{near}`?"),
                None => String::new(),
            };
            FlowError::new(ErrorKind::NotFound, format!("there is no statement `{name}`{hint}"))
        })
    }

    pub(crate) fn definition(&self, name: &str) -> Option<Relation> {
        self.definitions.lock().get(name).map(Definition::relation)
    }

    pub(crate) fn definition_names(&self) -> Vec<String> {
        self.definitions.lock().keys().cloned().collect()
    }

    pub(crate) fn is_defined(&self, name: &str, text: &str) -> bool {
        self.definitions
            .lock()
            .get(name)
            .is_some_and(|definition| definition.text() == text)
    }

    /// Does a statement under a name that may be there already, with the same meaning or another.
    pub(crate) async fn apply(self: &Arc<Self>, name: String, one: Ready) -> Result<Statement, FlowError> {
        let known = self.entries.lock().get(&name).cloned();
        if let Some(entry) = known {
            let (same_text, ended) = {
                let statement = entry.statement.lock();
                (
                    statement.text == one.text && *entry.definitions.lock() == one.definitions,
                    statement.phase.is_terminal(),
                )
            };
            let phase = entry.statement.lock().phase;
            if entry.is_job && same_text {
                // A failed job is tried again; one that somebody stopped stays so; one that is done is done.
                if phase == Phase::Failed {
                    self.restart(&entry).await?;
                }
                return Ok(entry.view());
            }
            if !ended {
                entry.wish.send_replace(Wish::Stop);
                entry.until(Phase::is_terminal).await;
            }
            self.entries.lock().remove(&name);
        }
        self.perform(name, one).await
    }

    /// Does a checked statement.
    pub(crate) async fn perform(self: &Arc<Self>, name: String, one: Ready) -> Result<Statement, FlowError> {
        let now = self.doors.clock.wall_ms();
        let mut statement = Statement {
            name,
            uid: uuid_text(&self.doors.random.uuid()),
            text: one.text,
            properties: one.properties,
            created_at: now,
            updated_at: now,
            resource_version: 1,
            phase: Phase::Completed,
            detail: String::new(),
            kind: one.bound.kind(),
            is_bounded: true,
            is_append_only: true,
            columns: None,
            warnings: one.warnings,
            counters: Counters::default(),
            latest_offsets: Vec::new(),
        };
        let rows = match one.bound {
            Bound::CreateTable {
                table,
                if_not_exists,
                insert,
            } => {
                let table_name = table.name.clone();
                statement.detail = self.create_table(table, if_not_exists).await?;
                if let Some(plan) = insert {
                    statement.is_bounded = plan.is_bounded();
                    tracing::info!(table = %table_name, "the new table is filled by its query");
                    return self.launch(statement, one.definitions, plan).await;
                }
                None
            }
            Bound::CreateView { view, if_not_exists } => {
                statement.detail = self.create_view(view, if_not_exists, &statement.text).await?;
                None
            }
            Bound::Drop {
                name,
                if_exists,
                is_view,
            } => {
                statement.detail = self.drop_relation(&name, if_exists, is_view).await?;
                None
            }
            Bound::Insert(plan) | Bound::StatementSet(plan) | Bound::Query(plan) => {
                return self.launch(statement, one.definitions, plan).await;
            }
            Bound::Explain(plan) => Some((vec![text_column("result")], vec![vec![Value::string(plan.explain())]])),
            Bound::ShowTables => {
                let names = self.table_names().await?;
                Some((
                    vec![text_column("table name")],
                    names.into_iter().map(|name| vec![Value::string(name)]).collect(),
                ))
            }
            Bound::ShowCreateTable(name) => {
                let sql = self.show_create(&name).await?;
                Some((vec![text_column("result")], vec![vec![Value::string(sql)]]))
            }
            Bound::Describe(name) => Some(self.describe(&name).await?),
            Bound::Set(_) | Bound::Reset(_) => None,
        };
        let results = rows.map(|(columns, rows)| {
            statement.columns = Some(columns);
            Arc::new(ResultBuffer::filled(rows))
        });
        let entry = Entry::new(statement, String::new(), false, results);
        self.keep_ended(&entry);
        Ok(entry.view())
    }

    /// Puts an ended statement where it can be looked at; of those that nothing depends on, only the latest stay.
    fn keep_ended(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries.lock();
        let name = entry.statement.lock().name.clone();
        entries.insert(name, Arc::clone(entry));
        let mut ended: Vec<(i64, String)> = entries
            .values()
            .filter(|entry| !entry.is_job)
            .filter_map(|entry| {
                let statement = entry.statement.lock();
                statement
                    .phase
                    .is_terminal()
                    .then(|| (statement.created_at, statement.name.clone()))
            })
            .collect();
        ended.sort();
        for (_, name) in ended.iter().take(ended.len().saturating_sub(ENDED_QUERIES_MAX)) {
            entries.remove(name);
        }
    }

    /// Starts the job of a new statement.
    async fn launch(
        self: &Arc<Self>,
        mut statement: Statement,
        definitions: String,
        plan: Plan,
    ) -> Result<Statement, FlowError> {
        let query = is_query(&plan);
        if query {
            statement.columns = plan.result_columns().map(|columns| {
                columns
                    .iter()
                    .map(|(name, ty)| ResultColumn {
                        name: name.clone(),
                        ty: ty.clone(),
                    })
                    .collect()
            });
        }
        let results = query.then(|| Arc::new(ResultBuffer::default()));
        let snapshot = is_snapshot(&statement.properties);
        statement.is_bounded = snapshot || plan.is_bounded() || scans_are_bounded(&plan);
        statement.phase = Phase::Pending;
        let entry = Entry::new(statement, definitions, !query, results);
        {
            let mut entries = self.entries.lock();
            let name = entry.statement.lock().name.clone();
            if entries.contains_key(&name) {
                return Err(FlowError::new(
                    ErrorKind::Conflict,
                    format!("there is a statement `{name}` already"),
                ));
            }
            entries.insert(name, Arc::clone(&entry));
        }
        if let Err(error) = self.start(&entry, plan).await {
            let name = entry.statement.lock().name.clone();
            self.entries.lock().remove(&name);
            return Err(error);
        }
        Ok(entry.view())
    }

    /// Plans a statement's text anew, as tables and schemas are now, and starts its job where it stood.
    pub(crate) async fn restart(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(), FlowError> {
        let (text, properties) = {
            let statement = entry.statement.lock();
            (statement.text.clone(), statement.properties.clone())
        };
        let mut ready = self.ready(&text, &properties).await?;
        let gone = || FlowError::new(ErrorKind::Internal, "the statement's text no longer holds a job");
        let one = if ready.len() == 1 {
            ready.remove(0)
        } else {
            return Err(gone());
        };
        let plan = one.bound.plan().cloned().ok_or_else(gone)?;
        *entry.definitions.lock() = one.definitions;
        self.start(entry, plan).await
    }

    /// Goes on trying to start a job whose plan needs something that is not available now.
    pub(crate) fn restart_later(self: &Arc<Self>, entry: &Arc<Entry>, error: FlowError) {
        let (inner, entry) = (Arc::clone(self), Arc::clone(entry));
        *entry.progress.lock().trouble.lock() = Some(error.to_string());
        tokio::spawn(async move {
            let mut wish = entry.wish.subscribe();
            let ended = loop {
                let stopped = wish.wait_for(|wish| *wish == Wish::Stop);
                if tokio::time::timeout(RESTART_PAUSE, stopped).await.is_ok() {
                    break inner.finish(&entry, Phase::Stopped, String::new()).await;
                }
                match inner.restart(&entry).await {
                    Ok(()) => break Ok(()),
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        *entry.progress.lock().trouble.lock() = Some(error.to_string());
                    }
                    Err(error) => break inner.finish(&entry, Phase::Failed, error.to_string()).await,
                }
            };
            if let Err(error) = ended {
                tracing::error!(%error, "a statement's end could not be kept");
            }
        });
    }

    /// Prepares the job and lets it run; the statement is RUNNING when this returns.
    async fn start(self: &Arc<Self>, entry: &Arc<Entry>, mut plan: Plan) -> Result<(), FlowError> {
        let (name, properties) = {
            let statement = entry.statement.lock();
            (statement.name.clone(), statement.properties.clone())
        };
        // `sql.tables.scan.startup.mode` and the like say for all tables what each could say for itself.
        for scan in &mut plan.scans {
            let for_all = properties.iter().filter_map(|(key, value)| {
                let option = key
                    .strip_prefix("sql.tables.")
                    .filter(|option| option.starts_with("scan."))?;
                Some((option.to_owned(), value.clone()))
            });
            scan.options.extend(for_all);
        }
        let progress = Arc::new(Progress::default());
        entry.wish.send_replace(Wish::Run);
        let (readers, writers) = self.prepare(&plan).await?;
        let zone = match properties
            .get("sql.local-time-zone")
            .or(properties.get("table.local-time-zone"))
        {
            None => jiff::tz::TimeZone::UTC,
            Some(name) => sql::time_zone(name).ok_or_else(|| {
                FlowError::new(
                    ErrorKind::Invalid,
                    format!("`{name}` is not a time zone; hint: UTC, or +02:00"),
                )
            })?,
        };
        let job = Job {
            name: group(&name).into(),
            plan,
            readers,
            writers,
            results: entry.results.clone(),
            snapshot: is_snapshot(&properties),
            zone,
            doors: self.doors.clone(),
            progress: Arc::clone(&progress),
            wish: entry.wish.subscribe(),
        };
        *entry.progress.lock() = progress;
        self.enter(entry, Phase::Running, String::new()).await?;
        let (inner, entry) = (Arc::clone(self), Arc::clone(entry));
        tokio::spawn(async move {
            let (phase, detail) = match job.run().await {
                End::Completed => (Phase::Completed, String::new()),
                End::Stopped => (Phase::Stopped, String::new()),
                End::Failed(why) => (Phase::Failed, why),
            };
            if phase == Phase::Failed {
                tracing::error!(statement = %entry.statement.lock().name, why = %detail, "a statement failed");
            }
            if let Err(error) = inner.finish(&entry, phase, detail).await {
                tracing::error!(%error, "a statement's end could not be kept");
            }
        });
        Ok(())
    }

    /// Topics that must be there, readers and writers.
    async fn prepare(&self, plan: &Plan) -> Result<(Vec<RowReader>, Vec<Option<RowWriter>>), FlowError> {
        let mut readers = Vec::new();
        let mut widest = 1;
        for scan in &plan.scans {
            let mut reader = RowReader::new(scan).map_err(option_error)?;
            // A job may wait for its source's first record; who only looks wants to know that there is nothing to see.
            if !is_query(plan) {
                self.ensure_topic(&reader.options.topic, 1, Vec::new()).await?;
            }
            widest = widest.max(self.doors.topics.partitions(&reader.options.topic).await?);
            if let OnError::DeadLetter(target) = &reader.options.on_error {
                self.ensure_topic(target, 1, Vec::new()).await?;
            }
            let mismatch = |why| FlowError::new(ErrorKind::Data, format!("table `{}`: {why}", scan.table.name));
            reader.prepare(&*self.doors.schemas).await.map_err(mismatch)?;
            readers.push(reader);
        }
        let mut writers = Vec::new();
        for sink in &plan.sinks {
            writers.push(match sink {
                Sink::Result { .. } => None,
                Sink::Table { table, columns } => {
                    let writer = RowWriter::prepare(table, columns, &*self.doors.schemas, false)
                        .await
                        .map_err(sink_error)?;
                    let partitions = table
                        .buckets
                        .and_then(|count| i32::try_from(count).ok())
                        .unwrap_or(widest);
                    self.ensure_topic(writer.topic(), partitions, topic_settings(table))
                        .await?;
                    Some(writer)
                }
            });
        }
        Ok((readers, writers))
    }

    /// Changes a statement's phase, kept before it shows.
    async fn enter(&self, entry: &Arc<Entry>, phase: Phase, detail: String) -> Result<(), FlowError> {
        let statement = {
            let mut statement = entry.statement.lock();
            statement.phase = phase;
            statement.detail = detail;
            statement.resource_version += 1;
            statement.updated_at = self.doors.clock.wall_ms();
            statement.clone()
        };
        if entry.is_job && !*entry.detached.lock() {
            let bytes = records::statement_bytes(&statement, &entry.definitions.lock());
            self.store.put(&records::statement_key(&statement.name), bytes).await?;
        }
        entry.phase.send_replace(phase);
        Ok(())
    }

    /// A job has ended.
    pub(crate) async fn finish(&self, entry: &Arc<Entry>, phase: Phase, detail: String) -> Result<(), FlowError> {
        let kept = self.enter(entry, phase, detail).await;
        // Whoever waits must not wait for ever because the store is gone.
        entry.phase.send_replace(phase);
        if !entry.is_job {
            self.keep_ended(entry);
        }
        kept
    }
}

pub(crate) fn group(name: &str) -> String {
    format!("{GROUP_PREFIX}{name}")
}

fn is_snapshot(properties: &BTreeMap<String, String>) -> bool {
    properties.get("sql.snapshot.mode").is_some_and(|mode| mode == "now")
        || properties
            .get("execution.runtime-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("batch"))
}

fn scans_are_bounded(plan: &Plan) -> bool {
    plan.scans.iter().all(|scan| {
        TableOptions::of(&scan.table, &scan.options).is_ok_and(|options| options.bound != ScanBound::Unbounded)
    })
}
