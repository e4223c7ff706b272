//! The statement manager: submit, look at, stop, resume, delete.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base::{Clock, ErrorKind, Random};
use client::{NewTopic, Schemas, Topics};
use parking_lot::Mutex;
use sql::{Bound, DataType, Plan, Relation, Sink, TypeKind, Value};
use tokio::sync::watch;

use crate::check::Ready;
use crate::error::FlowError;
use crate::job::{Doors, End, Job, Progress, Wish, is_query};
use crate::options::{Connector, OnError, TableOptions};
use crate::records::{self, Definition};
use crate::results::ResultBuffer;
use crate::sink::{RowWriter, SinkError};
use crate::source::RowReader;
use crate::statement::{NAME_LENGTH_MAX, Phase, ResultColumn, ResultPage, Statement, Submission, TEXT_LENGTH_MAX};
use crate::store::StatementStore;
use crate::tables::complete;

/// Partitions of a topic that `CREATE TABLE` makes, as Confluent's has.
const PARTITIONS_DEFAULT: i32 = 6;
/// Ended queries kept to be looked at; the oldest go first.
const ENDED_QUERIES_MAX: usize = 100;
/// What a job's consumer group is called.
const GROUP_PREFIX: &str = "sql-";

/// Holds tables and statements and runs the jobs. Cloning gives another handle to the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What a script's statement would do, found without doing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// `INSERT_INTO`, `CREATE_TABLE`, ...
    pub kind: &'static str,
    /// 1-based line where the statement begins.
    pub line: u32,
    /// The plan, as `EXPLAIN` prints it; empty for DDL.
    pub plan: String,
    pub warnings: Vec<String>,
}

pub(crate) struct Inner {
    pub doors: Doors,
    store: Arc<dyn StatementStore>,
    definitions: Mutex<BTreeMap<String, Definition>>,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
}

/// A statement and the job behind it.
struct Entry {
    statement: Mutex<Statement>,
    /// What its plan was made with.
    definitions: Mutex<String>,
    is_job: bool,
    results: Option<Arc<ResultBuffer>>,
    progress: Mutex<Arc<Progress>>,
    wish: watch::Sender<Wish>,
    phase: watch::Sender<Phase>,
    /// The process is ending: the phase that is kept stays RUNNING.
    detached: Mutex<bool>,
}

impl Entry {
    fn new(statement: Statement, definitions: String, is_job: bool, results: Option<Arc<ResultBuffer>>) -> Arc<Entry> {
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
    fn view(&self) -> Statement {
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

    async fn until(&self, wanted: impl Fn(Phase) -> bool) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as the entry, so waiting cannot fail.
        let _seen = phase.wait_for(|phase| wanted(*phase)).await;
    }
}

impl Engine {
    pub fn new(
        topics: Arc<dyn Topics>,
        schemas: Arc<dyn Schemas>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        store: Arc<dyn StatementStore>,
    ) -> Engine {
        let doors = Doors {
            topics,
            schemas,
            clock,
            random,
        };
        let inner = Inner {
            doors,
            store,
            definitions: Mutex::default(),
            entries: Mutex::default(),
        };
        Engine { inner: Arc::new(inner) }
    }

    /// Loads what the store keeps and starts the jobs that were running; gives how many.
    pub async fn recover(&self) -> Result<usize, FlowError> {
        let inner = &self.inner;
        for (key, value) in inner.store.list(records::TABLE_PREFIX).await? {
            match Definition::parse(&value) {
                Ok(definition) => drop(
                    inner
                        .definitions
                        .lock()
                        .insert(definition.name().to_owned(), definition),
                ),
                Err(why) => tracing::error!(%key, %why, "a table's definition cannot be read and is left out"),
            }
        }
        let mut started = 0;
        for (key, value) in inner.store.list(records::STATEMENT_PREFIX).await? {
            let Some((statement, definitions)) = records::parse_statement(&value) else {
                tracing::error!(%key, "a statement's record cannot be read and is left out");
                continue;
            };
            let was_running = matches!(statement.phase, Phase::Running | Phase::Pending);
            let is_job = records::is_job(statement.kind);
            let entry = Entry::new(statement, definitions, is_job, None);
            let name = entry.statement.lock().name.clone();
            inner.entries.lock().insert(name, Arc::clone(&entry));
            if was_running && is_job {
                match inner.restart(&entry).await {
                    Ok(()) => started += 1,
                    Err(error) => inner.finish(&entry, Phase::Failed, error.to_string()).await?,
                }
            }
        }
        Ok(started)
    }

    /// Checks one statement and does it: DDL at once, a query or `INSERT` as a job. [`ErrorKind::Conflict`] if the
    /// name is taken. Returns when DDL is done or the job is RUNNING.
    pub async fn submit(&self, submission: Submission) -> Result<Statement, FlowError> {
        let inner = &self.inner;
        if submission.text.chars().count() > TEXT_LENGTH_MAX {
            let message = format!("a statement has at most {TEXT_LENGTH_MAX} characters");
            return Err(FlowError::new(ErrorKind::Invalid, message));
        }
        let name = match submission.name {
            Some(name) => {
                check_name(&name)?;
                name
            }
            None => format!("statement-{}", uuid_text(&inner.doors.random.uuid())),
        };
        if inner.entries.lock().contains_key(&name) {
            return Err(FlowError::new(
                ErrorKind::Conflict,
                format!("there is a statement `{name}` already"),
            ));
        }
        let mut ready = inner.ready(&submission.text, &submission.properties).await?;
        if ready.len() != 1 {
            let message = match ready.len() {
                0 => "there is no statement in the text".to_owned(),
                count => {
                    format!("the text has {count} statements; hint: submit each on its own, or apply them as a script")
                }
            };
            return Err(FlowError::new(ErrorKind::Invalid, message));
        }
        let mut one = ready.remove(0);
        if matches!(one.bound, Bound::Set(_) | Bound::Reset(_)) {
            one.warnings
                .push("there is no session here: SET acts on the statements behind it in the same script".to_owned());
        }
        inner.perform(name, one).await
    }

    /// Checks a whole script, then does its statements in order: DDL is made where it is not there yet, each `INSERT`
    /// or statement set becomes a statement named `<prefix>-<sink>`. A statement of that name with the same text goes
    /// on as it is; with another text it is replaced and reads on where the old one stood. So a script can be applied
    /// again. Queries run to the end of what is there now; their rows are fetched with [`Engine::results`].
    pub async fn apply_script(
        &self,
        prefix: &str,
        text: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Vec<Statement>, FlowError> {
        let inner = &self.inner;
        let mut done = Vec::new();
        let mut used = HashSet::new();
        for mut one in inner.ready(text, properties).await? {
            let name = script_name(prefix, &one.bound, &mut used);
            match &one.bound {
                Bound::CreateTable {
                    table, insert: None, ..
                } if inner.is_defined(&table.name, &table.create_sql()) => continue,
                Bound::CreateTable { .. } | Bound::CreateView { .. } => relax(&mut one.bound),
                Bound::Query(_) => {
                    one.properties.insert("sql.snapshot.mode".to_owned(), "now".to_owned());
                }
                Bound::Set(_) | Bound::Reset(_) => continue,
                _ => {}
            }
            let statement = inner.apply(name, one).await?;
            if statement.is_bounded && records::is_job(statement.kind) {
                // What follows may read what it writes.
                let ended = self.wait(&statement.name).await?;
                let failed = ended.phase == Phase::Failed;
                done.push(ended);
                if failed {
                    break;
                }
                continue;
            }
            done.push(statement);
        }
        Ok(done)
    }

    /// Plans a whole script without doing anything; [`FlowError::Sql`] names every mistake.
    pub async fn check_script(
        &self,
        text: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Vec<Checked>, FlowError> {
        let ready = self.inner.ready(text, properties).await?;
        let checked = ready.into_iter().map(|one| Checked {
            kind: one.bound.kind(),
            line: one.line,
            plan: one.bound.plan().map_or(String::new(), Plan::explain),
            warnings: one.warnings,
        });
        Ok(checked.collect())
    }

    pub async fn get(&self, name: &str) -> Result<Statement, FlowError> {
        Ok(self.inner.entry(name)?.view())
    }

    /// All statements, by name.
    pub async fn list(&self) -> Vec<Statement> {
        let entries: Vec<Arc<Entry>> = self.inner.entries.lock().values().cloned().collect();
        entries.iter().map(|entry| entry.view()).collect()
    }

    /// Stops the job after the step it is in; offsets are kept.
    pub async fn stop(&self, name: &str) -> Result<Statement, FlowError> {
        let entry = self.inner.entry(name)?;
        entry.wish.send_replace(Wish::Stop);
        entry.until(Phase::is_terminal).await;
        Ok(entry.view())
    }

    /// Starts a STOPPED or FAILED job where it stood.
    pub async fn resume(&self, name: &str) -> Result<Statement, FlowError> {
        let entry = self.inner.entry(name)?;
        let phase = entry.statement.lock().phase;
        if !entry.is_job {
            let message = format!("statement `{name}` is not a job: only an INSERT or a statement set is resumed");
            return Err(FlowError::new(ErrorKind::Invalid, message));
        }
        if matches!(phase, Phase::Stopped | Phase::Failed) {
            self.inner.restart(&entry).await?;
        }
        Ok(entry.view())
    }

    /// Stops the job and forgets statement, offsets and state.
    pub async fn delete(&self, name: &str) -> Result<(), FlowError> {
        let entry = self.inner.entry(name)?;
        entry.wish.send_replace(Wish::Stop);
        entry.until(Phase::is_terminal).await;
        if entry.is_job {
            self.inner.doors.topics.forget_job(&group(name)).await?;
        }
        self.inner.store.delete(&records::statement_key(name)).await?;
        self.inner.entries.lock().remove(name);
        Ok(())
    }

    /// A page of results; `token` is the last page's `next`. An empty page with a `next` means: nothing yet.
    pub async fn results(&self, name: &str, token: Option<&str>) -> Result<ResultPage, FlowError> {
        let entry = self.inner.entry(name)?;
        let Some(results) = &entry.results else {
            return Ok(ResultPage::default());
        };
        let gone = || {
            FlowError::new(
                ErrorKind::Invalid,
                "this page token was not given, or its rows are gone",
            )
        };
        let at = token.map_or(Ok(0), str::parse).map_err(|_| gone())?;
        let page = results.page(at).ok_or_else(gone)?;
        if page.rows.is_empty() && page.next.is_none() {
            let statement = entry.statement.lock();
            if statement.phase == Phase::Failed {
                return Err(FlowError::new(ErrorKind::Data, statement.detail.clone()));
            }
        }
        Ok(page)
    }

    /// Waits until the statement is COMPLETED, STOPPED or FAILED.
    pub async fn wait(&self, name: &str) -> Result<Statement, FlowError> {
        let entry = self.inner.entry(name)?;
        entry.until(Phase::is_terminal).await;
        Ok(entry.view())
    }

    /// Ends all jobs after the step each is in; they run again after [`Engine::recover`].
    pub async fn shutdown(&self) {
        let entries: Vec<Arc<Entry>> = self.inner.entries.lock().values().cloned().collect();
        for entry in &entries {
            *entry.detached.lock() = true;
            entry.wish.send_replace(Wish::Stop);
        }
        for entry in &entries {
            entry.until(Phase::is_terminal).await;
        }
    }
}

impl Inner {
    fn entry(&self, name: &str) -> Result<Arc<Entry>, FlowError> {
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

    fn is_defined(&self, name: &str, text: &str) -> bool {
        self.definitions
            .lock()
            .get(name)
            .is_some_and(|definition| definition.text() == text)
    }

    /// Does a statement under a name that may be there already, with the same meaning or another.
    async fn apply(self: &Arc<Self>, name: String, one: Ready) -> Result<Statement, FlowError> {
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
    async fn perform(self: &Arc<Self>, name: String, one: Ready) -> Result<Statement, FlowError> {
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
            counters: crate::Counters::default(),
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

    async fn create_table(&self, table: sql::Table, if_not_exists: bool) -> Result<String, FlowError> {
        if self.definitions.lock().contains_key(&table.name) {
            return match if_not_exists {
                true => Ok(format!("Table '{}' exists already", table.name)),
                false => Err(taken(&table.name)),
            };
        }
        let options = TableOptions::of(&table, &[]).map_err(option_error)?;
        if options.connector == Connector::Confluent {
            let partitions = table
                .buckets
                .and_then(|count| i32::try_from(count).ok())
                .unwrap_or(PARTITIONS_DEFAULT);
            let is_new = self
                .ensure_topic(&options.topic, partitions, topic_settings(&table))
                .await?;
            // Over a topic that is there, the table only names what to read; its schemas are registered when a job
            // writes to it.
            if is_new {
                let writable = table
                    .columns
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| column.is_writable());
                let all: Vec<usize> = writable.map(|(index, _)| index).collect();
                let table = Arc::new(table.clone());
                let registered = RowWriter::prepare(&table, &all, &*self.doors.schemas, false).await;
                registered.map_err(sink_error)?;
            }
        }
        let name = table.name.clone();
        self.define(Definition::table(complete(table))).await?;
        Ok(format!("Table '{name}' created"))
    }

    async fn create_view(&self, view: sql::View, if_not_exists: bool, text: &str) -> Result<String, FlowError> {
        if self.definitions.lock().contains_key(&view.name) {
            return match if_not_exists {
                true => Ok(format!("View '{}' exists already", view.name)),
                false => Err(taken(&view.name)),
            };
        }
        let name = view.name.clone();
        self.define(Definition::view(view, text)).await?;
        Ok(format!("View '{name}' created"))
    }

    async fn define(&self, definition: Definition) -> Result<(), FlowError> {
        let name = definition.name().to_owned();
        self.store
            .put(&records::table_key(&name), definition.to_bytes())
            .await?;
        self.definitions.lock().insert(name, definition);
        Ok(())
    }

    async fn drop_relation(&self, name: &str, if_exists: bool, is_view: bool) -> Result<String, FlowError> {
        let what = if is_view { "View" } else { "Table" };
        let known = self.definitions.lock().get(name).map(Definition::is_view);
        match known {
            Some(view) if view == is_view => {}
            Some(_) => {
                let other = if is_view {
                    "a table: DROP TABLE"
                } else {
                    "a view: DROP VIEW"
                };
                return Err(FlowError::new(
                    ErrorKind::Invalid,
                    format!("`{name}` is {other} `{name}`"),
                ));
            }
            None if if_exists => return Ok(format!("{what} '{name}' does not exist")),
            None => {
                let is_topic = self.doors.topics.partitions(name).await.is_ok();
                let hint = if is_topic {
                    format!("; it is a topic: `rivulet topic delete {name}` deletes it with its data")
                } else {
                    String::new()
                };
                return Err(FlowError::new(
                    ErrorKind::NotFound,
                    format!("there is no {} `{name}`{hint}", what.to_lowercase()),
                ));
            }
        }
        self.store.delete(&records::table_key(name)).await?;
        self.definitions.lock().remove(name);
        Ok(format!("{what} '{name}' dropped; its topic and data stay"))
    }

    async fn table_names(&self) -> Result<Vec<String>, FlowError> {
        let mut names = self.definition_names();
        let topics = self.doors.topics.list().await?;
        names.extend(
            topics
                .iter()
                .filter(|topic| !topic.starts_with('_'))
                .map(ToString::to_string),
        );
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn relation_named(&self, name: &str) -> Result<Relation, FlowError> {
        if let Some(relation) = self.definition(name) {
            return Ok(relation);
        }
        let inferred = crate::tables::infer(&*self.doors.topics, &*self.doors.schemas, name).await?;
        let missing = || FlowError::new(ErrorKind::NotFound, format!("there is no table or topic `{name}`"));
        inferred
            .map(|table| Relation::Table(Arc::new(table)))
            .ok_or_else(missing)
    }

    async fn show_create(&self, name: &str) -> Result<String, FlowError> {
        Ok(match self.relation_named(name).await? {
            Relation::Table(table) => table.create_sql(),
            Relation::View(view) => view.source.to_string(),
            Relation::Broken => String::new(),
        })
    }

    async fn describe(&self, name: &str) -> Result<(Vec<ResultColumn>, Vec<Vec<Value>>), FlowError> {
        let columns = ["Column Name", "Data Type", "Nullable", "Extras"]
            .map(text_column)
            .to_vec();
        let row = |name: &str, ty: &DataType, extras: String| {
            let nullable = if ty.nullable { "NULL" } else { "NOT NULL" };
            vec![
                Value::string(name),
                Value::string(ty.kind.to_string()),
                Value::string(nullable),
                Value::string(extras),
            ]
        };
        let rows = match self.relation_named(name).await? {
            Relation::Table(table) => table
                .columns
                .iter()
                .filter(|column| !column.hidden)
                .map(|column| {
                    let mut extras = Vec::new();
                    match &column.kind {
                        sql::ColumnKind::Metadata { key, is_virtual } => {
                            extras.push(format!(
                                "METADATA FROM '{key}'{}",
                                if *is_virtual { " VIRTUAL" } else { "" }
                            ));
                        }
                        sql::ColumnKind::Computed { text, .. } => extras.push(format!("AS {text}")),
                        sql::ColumnKind::Physical => {}
                    }
                    if table.primary_key.contains(&column.name) {
                        extras.push("PRIMARY KEY".to_owned());
                    }
                    if table.distributed_by.contains(&column.name) {
                        extras.push("BUCKET KEY".to_owned());
                    }
                    row(&column.name, &column.ty, extras.join(", "))
                })
                .collect(),
            Relation::View(view) => {
                let ready = self
                    .ready(&format!("SELECT * FROM {}", sql::quote(&view.name)), &BTreeMap::new())
                    .await?;
                let plan = ready.first().and_then(|one| one.bound.plan());
                let shown = plan.and_then(Plan::result_columns).unwrap_or(&[]);
                shown.iter().map(|(name, ty)| row(name, ty, String::new())).collect()
            }
            Relation::Broken => Vec::new(),
        };
        Ok((columns, rows))
    }

    /// Creates the topic unless it is there; whether it did.
    async fn ensure_topic(
        &self,
        topic: &str,
        partitions: i32,
        settings: Vec<(String, String)>,
    ) -> Result<bool, FlowError> {
        match self.doors.topics.partitions(topic).await {
            Ok(_) => return Ok(false),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let new = NewTopic {
            name: topic.to_owned(),
            partitions,
            settings,
        };
        match self.doors.topics.create(new).await {
            Ok(()) => {
                tracing::info!(topic, partitions, "topic created for a table");
                Ok(true)
            }
            // Somebody else was quicker.
            Err(error) if error.kind == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error.into()),
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
    async fn restart(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(), FlowError> {
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
    async fn finish(&self, entry: &Arc<Entry>, phase: Phase, detail: String) -> Result<(), FlowError> {
        let kept = self.enter(entry, phase, detail).await;
        // Whoever waits must not wait for ever because the store is gone.
        entry.phase.send_replace(phase);
        if !entry.is_job {
            self.keep_ended(entry);
        }
        kept
    }
}

fn group(name: &str) -> String {
    format!("{GROUP_PREFIX}{name}")
}

fn taken(name: &str) -> FlowError {
    let message = format!(
        "there is a table or view `{name}` already; hint: CREATE TABLE IF NOT EXISTS, or DROP TABLE `{name}` first"
    );
    FlowError::new(ErrorKind::Conflict, message)
}

fn option_error(error: crate::options::OptionError) -> FlowError {
    FlowError::new(ErrorKind::Invalid, format!("{}; hint: {}", error.message, error.hint))
}

fn sink_error(error: SinkError) -> FlowError {
    match error {
        SinkError::Option(error) => option_error(error),
        SinkError::Schema(why) => FlowError::new(ErrorKind::Data, why),
        SinkError::Registry(error) => error,
    }
}

fn is_snapshot(properties: &BTreeMap<String, String>) -> bool {
    properties.get("sql.snapshot.mode").is_some_and(|mode| mode == "now")
        || properties
            .get("execution.runtime-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("batch"))
}

fn scans_are_bounded(plan: &Plan) -> bool {
    plan.scans.iter().all(|scan| {
        TableOptions::of(&scan.table, &scan.options)
            .is_ok_and(|options| options.bound != crate::options::Bound::Unbounded)
    })
}

fn text_column(name: &str) -> ResultColumn {
    ResultColumn {
        name: name.to_owned(),
        ty: DataType::not_null(TypeKind::STRING),
    }
}

/// `CREATE` in a script that is applied again is `IF NOT EXISTS`.
fn relax(bound: &mut Bound) {
    match bound {
        Bound::CreateTable { if_not_exists, .. } | Bound::CreateView { if_not_exists, .. } => *if_not_exists = true,
        _ => {}
    }
}

/// A topic's settings from Confluent's `kafka.*` options.
fn topic_settings(table: &sql::Table) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (option, setting) in [
        ("kafka.cleanup-policy", "cleanup.policy"),
        ("kafka.retention.size", "retention.bytes"),
        ("kafka.max-message-size", "max.message.bytes"),
        ("kafka.retention.time", "retention.ms"),
        ("kafka.message-timestamp-type", "message.timestamp.type"),
    ] {
        let Some(value) = table.option(option) else { continue };
        let value = match (option, duration_ms(value)) {
            ("kafka.cleanup-policy", _) => value.replace("delete-compact", "delete,compact"),
            // Zero means: for ever.
            ("kafka.retention.time" | "kafka.retention.size", Some(0)) => "-1".to_owned(),
            ("kafka.retention.time", Some(millis)) => millis.to_string(),
            ("kafka.message-timestamp-type", _) if value == "create-time" => "CreateTime".to_owned(),
            ("kafka.message-timestamp-type", _) => "LogAppendTime".to_owned(),
            _ => value.split_whitespace().next().unwrap_or(value).to_owned(),
        };
        settings.push((setting.to_owned(), value));
    }
    settings
}

/// `7 d`, `30 min`, `5000`: milliseconds.
fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// At most 100 characters of lower-case letters, digits and `-`, in parts joined by dots.
fn check_name(name: &str) -> Result<(), FlowError> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if name.len() <= NAME_LENGTH_MAX && name.split('.').all(part) {
        return Ok(());
    }
    let message = format!(
        "`{name}` is not a statement's name: at most {NAME_LENGTH_MAX} lower-case letters, digits and hyphens, beginning and ending with a letter or digit; hint: `{}`",
        slug(name)
    );
    Err(FlowError::new(ErrorKind::Invalid, message))
}

/// The nearest text that may be a statement's name.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        };
        if c != '-' || !(out.is_empty() || out.ends_with('-')) {
            out.push(c);
        }
    }
    out.truncate(NAME_LENGTH_MAX - 4);
    let trimmed = out.trim_matches('-');
    if trimmed.is_empty() {
        "statement".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// A script's statement is named after what it writes, so that it keeps its name when the script is applied again.
fn script_name(prefix: &str, bound: &Bound, used: &mut HashSet<String>) -> String {
    let sink = bound.plan().and_then(|plan| {
        plan.sinks.iter().find_map(|sink| match sink {
            Sink::Table { table, .. } => Some(table.name.clone()),
            Sink::Result { .. } => None,
        })
    });
    let what = match (bound, sink) {
        (Bound::StatementSet(_), Some(sink)) => format!("set-{sink}"),
        (Bound::CreateTable { table, .. }, None) => format!("create-{}", table.name),
        (Bound::CreateView { view, .. }, _) => format!("create-{}", view.name),
        (_, Some(sink)) => sink,
        (other, None) => other.kind().to_owned(),
    };
    let base = slug(&format!("{prefix}-{what}"));
    let mut name = base.clone();
    let mut number = 1;
    while !used.insert(name.clone()) {
        number += 1;
        name = format!("{base}-{number}");
    }
    name
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
