//! Compacts the partitions of compacted topics, one after another, round after round.

use std::sync::Arc;

use log::{CompactionError, CompactionOptions};

use crate::Broker;
use crate::settings::TopicSettings;

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
