//! What groups see of topics: names, ids and how many partitions; and sets of partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::PartitionIndex;

pub(crate) type TopicId = [u8; 16];
/// Partitions by topic. A topic without partitions has no entry.
pub(crate) type Parts<K = TopicId> = BTreeMap<K, BTreeSet<PartitionIndex>>;

/// The topics as they stand.
pub(crate) trait Topics {
    /// Grows whenever a topic comes, goes or gets more partitions.
    fn version(&self) -> u64;
    /// Id and number of partitions.
    fn find(&self, name: &str) -> Option<(TopicId, PartitionIndex)>;
    fn name(&self, id: &TopicId) -> Option<Arc<str>>;
    /// Every name, sorted.
    fn names(&self) -> Vec<Arc<str>>;
}

/// Whether every partition of `some` is in `all`, which holds sets or maps of partitions.
pub(crate) fn is_within<K>(some: &Parts<K>, mut all: impl FnMut(&K, PartitionIndex) -> bool) -> bool {
    some.iter()
        .all(|(topic, partitions)| partitions.iter().all(|partition| all(topic, *partition)))
}
