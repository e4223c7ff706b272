//! The catalog as groups see it.

use std::sync::Arc;

use base::PartitionIndex;
use catalog::Catalog;

use crate::group::{TopicId, Topics};

impl Topics for Catalog {
    fn version(&self) -> u64 {
        self.topics_version()
    }

    fn find(&self, name: &str) -> Option<(TopicId, PartitionIndex)> {
        let topic = self.topic(name)?;
        Some((topic.id, topic.partitions.len() as PartitionIndex))
    }

    fn name(&self, id: &TopicId) -> Option<Arc<str>> {
        Some(Arc::clone(&self.topic_by_id(*id)?.name))
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.topics().iter().map(|topic| Arc::clone(&topic.name)).collect()
    }
}
