//! One run of an exporter: follows the registry's topic in its order until it is stopped or refused.

use std::sync::Arc;
use std::time::Duration;

use base::{ErrorKind, Offset, TimestampMs};
use catalog::registry::SCHEMAS_TOPIC;
use catalog::{ExporterRegistry, Registry};
use client::{Fetched, Position, ReadLimits, Record, Topics};
use schema::exporter::{Destination, Entry, Mapping, Progress, Report, State};
use schema::subjects::Change;

use crate::destination::{Remote, Trouble};
use crate::export::Export;

/// What is read of the topic at once.
const READ_BYTES_MAX: usize = 256 << 10;
/// How long one read waits for something new; the wait costs nothing.
const READ_WAIT: Duration = Duration::from_secs(60);
/// After a crash at most so much is exported once more.
const UNSAVED_MAX: usize = 32;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// What does not work for so long pauses the exporter.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the topic has is shown by the registry much sooner than this.
const SHOWN_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Run {
    topics: Arc<dyn Topics>,
    registry: Arc<Registry>,
    exporters: Arc<ExporterRegistry>,
    name: String,
    progress: Progress,
    saved: Progress,
    /// Offset and time of the last record that was taken care of, but for what is owed.
    reached: (Offset, TimestampMs),
    unsaved: usize,
}

/// Why a run ends.
enum End {
    /// Another one counts now, or none.
    Superseded,
    /// It cannot go on.
    Refused(String),
}

/// How long to wait before the next try, longer each time, and how long all waits were.
#[derive(Default)]
struct Patience {
    waited: Duration,
    last: Duration,
}

impl Patience {
    async fn wait(&mut self) {
        self.last = (self.last * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        tokio::time::sleep(self.last).await;
        self.waited += self.last;
    }
}

impl Run {
    pub(crate) fn new(
        topics: Arc<dyn Topics>,
        registry: Arc<Registry>,
        exporters: Arc<ExporterRegistry>,
        entry: &Entry,
    ) -> Run {
        Run {
            topics,
            registry,
            exporters,
            name: entry.exporter.name.clone(),
            progress: entry.progress.clone(),
            saved: entry.progress.clone(),
            reached: (entry.progress.offset, entry.progress.ts),
            unsaved: 0,
        }
    }

    pub(crate) async fn run(mut self, entry: Entry) {
        if let Err(End::Refused(why)) = self.follow(&entry).await {
            tracing::warn!(exporter = self.name, "the exporter pauses: {why}");
            self.progress.state = State::Paused;
            self.progress.trace = Some(why);
            // There is nothing left to end.
            drop(self.save().await);
        }
    }

    async fn follow(&mut self, entry: &Entry) -> Result<(), End> {
        let mut export = self.open(entry).await?;
        let mut next = self.progress.offset + 1;
        let end = match self.topics.bounds(SCHEMAS_TOPIC, 0).await {
            Ok(bounds) => bounds.end,
            Err(error) => return Err(End::Refused(error.to_string())),
        };
        loop {
            if self.progress.state == State::Starting && next >= end {
                self.progress.state = State::Running;
            }
            self.save().await?;
            for fetched in self.read(&mut next).await? {
                for record in &fetched.records {
                    self.export(&mut export, record).await?;
                }
                next = fetched.next_offset;
                if next >= fetched.end_offset {
                    self.settle(&mut export).await?;
                    (self.progress.offset, self.progress.ts) = self.reached;
                }
            }
        }
    }

    async fn open(&mut self, entry: &Entry) -> Result<Export, End> {
        let refused = |error: schema::RegistryError| End::Refused(error.message);
        let destination = Destination::of(&entry.exporter.config).map_err(refused)?;
        let mapping = Mapping::of(&entry.exporter, self.registry.cluster_id()).map_err(refused)?;
        let mut patience = Patience::default();
        loop {
            let opened = match Remote::new(destination.clone()) {
                Ok(remote) => Export::new(remote, Arc::clone(&self.registry), mapping.clone()).await,
                Err(trouble) => Err(trouble),
            };
            match opened {
                Ok(export) => return Ok(export),
                Err(trouble) => self.bear(trouble, &mut patience).await?,
            }
        }
    }

    /// What is new in the topic; none if nothing is.
    async fn read(&mut self, next: &mut Offset) -> Result<Vec<Fetched>, End> {
        let limits = ReadLimits {
            bytes_max: READ_BYTES_MAX,
            wait_max: READ_WAIT,
        };
        let position = |offset| Position {
            topic: SCHEMAS_TOPIC.into(),
            partition: 0,
            offset,
        };
        let mut patience = Patience::default();
        loop {
            match self.topics.read(&[position(*next)], limits).await {
                Ok(fetched) => return Ok(fetched),
                // The topic ends before our place: it is another one.
                Err(error) if error.kind == ErrorKind::Invalid && *next > 0 => *next = 0,
                Err(error) => self.bear(Trouble::Passing(error.to_string()), &mut patience).await?,
            }
        }
    }

    /// Has a record happen at the destination, as often as that takes.
    async fn export(&mut self, export: &mut Export, record: &Record) -> Result<(), End> {
        let key = record.key.as_deref().unwrap_or_default();
        // One that cannot be read is no part of the registry either, which has said so.
        if let Ok(change) = Change::decode(key, record.value.as_deref()) {
            let mut patience = Patience::default();
            loop {
                let taken = match self.shown(record.offset).await {
                    Ok(()) => export.take(&change).await,
                    Err(trouble) => Err(trouble),
                };
                match taken {
                    Ok(concerned) => {
                        self.unsaved += usize::from(concerned);
                        break;
                    }
                    // Something later made it impossible, and comes next.
                    Err(Trouble::Lasting(_)) if !export.is_current(&change) => break,
                    Err(trouble) => self.bear(trouble, &mut patience).await?,
                }
            }
        }
        self.reached = (record.offset, record.timestamp);
        // What is owed would be forgotten.
        if !export.owes() {
            (self.progress.offset, self.progress.ts) = self.reached;
        }
        self.progress.trace = None;
        match self.unsaved >= UNSAVED_MAX {
            true => self.save().await,
            false => Ok(()),
        }
    }

    /// Makes the deletions that are left over.
    async fn settle(&mut self, export: &mut Export) -> Result<(), End> {
        let mut patience = Patience::default();
        while let Err(trouble) = export.settle().await {
            self.bear(trouble, &mut patience).await?;
        }
        Ok(())
    }

    /// Waits until the registry's state holds a record.
    async fn shown(&self, offset: Offset) -> Result<(), Trouble> {
        let passing = |why: String| Trouble::Passing(format!("the record at offset {offset} is not shown: {why}"));
        match tokio::time::timeout(SHOWN_MAX, self.registry.shows(offset)).await {
            Ok(shown) => shown.map_err(|error| passing(error.message)),
            Err(late) => Err(passing(late.to_string())),
        }
    }

    /// Waits before the next try, or gives up.
    async fn bear(&mut self, trouble: Trouble, patience: &mut Patience) -> Result<(), End> {
        let why = match trouble {
            Trouble::Lasting(why) | Trouble::Referenced(why) => return Err(End::Refused(why)),
            Trouble::Passing(why) if patience.waited >= PATIENCE => return Err(End::Refused(why)),
            Trouble::Passing(why) => why,
        };
        if patience.waited.is_zero() {
            tracing::warn!(exporter = self.name, "tried again until it works: {why}");
            self.progress.trace = Some(why);
            self.save().await?;
        }
        patience.wait().await;
        Ok(())
    }

    /// Keeps how far this run has come, if that is news.
    async fn save(&mut self) -> Result<(), End> {
        if self.progress == self.saved {
            return Ok(());
        }
        let Progress {
            state,
            offset,
            ts,
            trace,
            run,
        } = self.progress.clone();
        let report = Report {
            state,
            offset,
            ts,
            trace,
        };
        let mut patience = Patience::default();
        loop {
            match self.exporters.report(&self.name, run, &report).await {
                Ok(true) => break,
                Ok(false) => return Err(End::Superseded),
                Err(error) => {
                    tracing::error!(exporter = self.name, "its progress is not kept: {error}");
                    patience.wait().await;
                }
            }
        }
        self.saved = self.progress.clone();
        self.unsaved = 0;
        Ok(())
    }
}
