//! The statement manager's face: submit, look at, stop, resume, delete.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base::{Clock, ErrorKind, Random};
use client::{Schemas, Topics};
use parking_lot::Mutex;
use sql::{Bound, Plan};

use crate::error::FlowError;
use crate::job::{Doors, Wish};
use crate::manager::{Entry, Inner, group};
use crate::names::{check_name, script_name, uuid_text};
use crate::records::{self, Definition};
use crate::statement::{Phase, ResultPage, Statement, Submission, TEXT_LENGTH_MAX};
use crate::store::StatementStore;

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
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        inner.restart_later(&entry, error);
                        started += 1;
                    }
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

/// `CREATE` in a script that is applied again is `IF NOT EXISTS`.
fn relax(bound: &mut Bound) {
    match bound {
        Bound::CreateTable { if_not_exists, .. } | Bound::CreateView { if_not_exists, .. } => *if_not_exists = true,
        _ => {}
    }
}
