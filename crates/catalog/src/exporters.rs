//! The exporters as a service: kept in a topic, shown as a state, and whoever runs them told of changes.

use std::future::ready;
use std::sync::Arc;

use base::{Clock, TimestampMs};
use client::{Topics, TopicsError};
use schema::RegistryError;
use schema::exporter::{Change, Exporters, Report};
use tokio::sync::watch;

use crate::kept::{Kept, Replayed};

/// Where exporters and how far they have come are kept.
pub const EXPORTERS_TOPIC: &str = "_exporters";
const WRITER: &str = "_schema-exporters";

/// The exporters there are.
pub struct ExporterRegistry {
    kept: Kept<Exporters>,
    /// Moves with every change.
    changed: watch::Sender<()>,
}

impl Replayed for Exporters {
    type Change = Change;

    fn read(key: &[u8], value: Option<&[u8]>) -> Result<Option<Change>, String> {
        Change::decode(key, value).map(Some)
    }

    fn write(change: &Change) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        change.encode().ok()
    }

    fn apply(&mut self, change: Change, _: TimestampMs) {
        Exporters::apply(self, change);
    }
}

impl ExporterRegistry {
    /// Takes in what the topic holds; there is none before the first exporter.
    pub async fn open(topics: Arc<dyn Topics>, clock: Arc<dyn Clock>) -> Result<Arc<ExporterRegistry>, TopicsError> {
        Ok(Arc::new(ExporterRegistry {
            kept: Kept::open(topics, clock, EXPORTERS_TOPIC, WRITER).await?,
            changed: watch::channel(()).0,
        }))
    }

    /// The exporters as they are.
    pub fn state(&self) -> Arc<Exporters> {
        self.kept.state()
    }

    /// Wakes whoever waits for changes.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Decides on the exporters as they will be; done once the changes are durable.
    pub async fn change(
        &self,
        decide: impl Fn(&Exporters) -> Result<Vec<Change>, RegistryError>,
    ) -> Result<(), RegistryError> {
        let decide = |state: Arc<Exporters>, _| ready(decide(&state).map(|changes| ((), changes)));
        self.kept.change(decide).await?;
        self.changed.send_replace(());
        Ok(())
    }

    /// Keeps what a run says of itself; whether that run still counts.
    pub async fn report(&self, name: &str, run: u64, report: &Report) -> Result<bool, RegistryError> {
        let decide = |state: Arc<Exporters>, _| {
            let changes = state.report(name, run, report.clone());
            ready(Ok((changes.is_some(), changes.unwrap_or_default())))
        };
        self.kept.change(decide).await
    }

    /// Waits for the changes under way; then takes no more, and follows the topic no longer.
    pub async fn stop(&self) {
        self.kept.stop().await;
    }
}
