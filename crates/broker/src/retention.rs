//! Lets old segments go, by age and size, as each topic says.

use std::sync::Arc;

use log::Retention;

use crate::Broker;

impl Broker {
    /// One round over all partitions.
    pub(crate) async fn retain(self: &Arc<Self>) {
        for topic in self.catalog.topics() {
            let settings = self.effective().of_topic(&topic);
            if !settings.deleted {
                continue;
            }
            let policy = Retention {
                retention_ms: (settings.retention_ms >= 0).then_some(settings.retention_ms),
                retention_bytes: u64::try_from(settings.retention_bytes).ok(),
            };
            for partition in &topic.partitions {
                let started = self
                    .log
                    .delete_segments_before(*partition, policy, self.clock.wall_ms());
                let failed = match started {
                    Ok(None) => continue,
                    Ok(Some(receipt)) => receipt.await.err().map(|error| error.to_string()),
                    Err(error) => Some(error.to_string()),
                };
                if let Some(why) = failed {
                    tracing::warn!(topic = %topic.name, "old segments stay for now: {why}");
                }
            }
        }
    }
}
