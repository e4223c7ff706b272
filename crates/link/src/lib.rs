//! Schema linking: has every exporter of the registry run that should, each following the registry's topic and pushing
//! what it finds to another registry over HTTP.
//!
//! Invariants: what is exported is exported in the topic's order; how far an exporter has come is kept only after the
//! destination has it; connections are opened only to addresses that an exporter's owner named.
//!
//! What this crate does not know: who made the exporters, our own REST face.

mod destination;
mod export;
mod run;

use std::collections::HashMap;
use std::sync::Arc;

use catalog::{ExporterRegistry, Registry};
use client::Topics;
use schema::exporter::State;
use tokio::task::JoinHandle;

use run::Run;

/// The exporters at work.
pub struct Linker {
    task: Running,
}

/// A task that ends with whoever holds it.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Linker {
    /// Goes on with every exporter that is not paused, and with those that come.
    pub fn start(topics: Arc<dyn Topics>, registry: Arc<Registry>, exporters: Arc<ExporterRegistry>) -> Linker {
        let task = tokio::spawn(supervise(topics, registry, exporters));
        Linker { task: Running(task) }
    }

    /// Ends all runs where they are.
    pub fn stop(self) {
        drop(self.task);
    }
}

async fn supervise(topics: Arc<dyn Topics>, registry: Arc<Registry>, exporters: Arc<ExporterRegistry>) {
    let mut changes = exporters.changes();
    let mut runs: HashMap<(String, u64), Running> = HashMap::new();
    loop {
        changes.mark_unchanged();
        let state = exporters.state();
        let active = state.iter().filter(|entry| entry.progress.state != State::Paused);
        let active: HashMap<_, _> = active
            .map(|entry| ((entry.exporter.name.clone(), entry.progress.run), entry))
            .collect();
        runs.retain(|key, _| active.contains_key(key));
        for (key, entry) in active {
            let start = || {
                let run = Run::new(
                    Arc::clone(&topics),
                    Arc::clone(&registry),
                    Arc::clone(&exporters),
                    entry,
                );
                Running(tokio::spawn(run.run(entry.clone())))
            };
            runs.entry(key).or_insert_with(start);
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
