//! Compacts the partitions of compacted topics, one after another, round after round.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use log::{CompactionError, CompactionOptions};
use tokio::sync::watch;

use crate::Broker;
use crate::settings::TopicSettings;

/// Round after round, until the broker is gone; holds it only during a round.
pub(crate) async fn run(broker: Weak<Broker>, mut backoff: watch::Receiver<Duration>) {
    while rest(&mut backoff).await {
        let Some(broker) = broker.upgrade() else { return };
        if broker.options.compaction {
            broker.compact().await;
        }
    }
}

/// Waits as long as the setting says, counted from now also where it is changed meanwhile; `false` if nobody can change
/// it any more.
async fn rest(backoff: &mut watch::Receiver<Duration>) -> bool {
    let backoff_now = *backoff.borrow_and_update();
    let mut sleep = pin!(tokio::time::sleep(backoff_now));
    let began = sleep.deadline().checked_sub(backoff_now);
    loop {
        tokio::select! {
            () = sleep.as_mut() => return true,
            changed = backoff.changed() => {
                if changed.is_err() {
                    return false;
                }
                let until = began.and_then(|began| began.checked_add(*backoff.borrow_and_update()));
                if let Some(until) = until {
                    sleep.as_mut().reset(until);
                }
            }
        }
    }
}

impl Broker {
    /// One round over all partitions. One is compacted at a time, however many there are.
    pub(crate) async fn compact(self: &Arc<Self>) {
        for topic in self.catalog.topics() {
            let settings = self.effective().of_topic(&topic);
            if !settings.compacted {
                continue;
            }
            let options = options(&settings);
            for partition in topic.partitions.clone() {
                let log = self.log.clone();
                let done = tokio::task::spawn_blocking(move || log.compact(partition, &options)).await;
                match done {
                    Ok(Ok(report)) if report.passes > 0 => tracing::debug!(
                        topic = %topic.name,
                        bytes_before = report.bytes_before,
                        bytes_after = report.bytes_after,
                        "compacted partition {partition:?}"
                    ),
                    // Deleted meanwhile, or nothing to do.
                    Ok(Ok(_) | Err(CompactionError::UnknownPartition)) => {}
                    Ok(Err(error)) => tracing::warn!(topic = %topic.name, "compaction waits: {error}"),
                    Err(stopped) => tracing::error!(topic = %topic.name, "compaction ended early: {stopped}"),
                }
            }
        }
    }
}

fn options(settings: &TopicSettings) -> CompactionOptions {
    CompactionOptions {
        min_lag_ms: settings.compaction_lag_ms_min,
        max_lag_ms: settings.compaction_lag_ms_max,
        delete_retention_ms: settings.delete_retention_ms,
        min_dirty_ratio: settings.dirty_ratio_min,
        force: false,
    }
}
