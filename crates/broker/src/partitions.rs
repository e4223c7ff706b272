//! From what a request names to a partition's log.

use std::sync::Arc;

use catalog::{Catalog, Topic};
use log::PartitionId;
use wire::ErrorCode;

/// How a request names a topic: by id from the version on that has ids, by name before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(String),
    Id([u8; 16]),
}

impl TopicKey {
    pub(crate) fn new(by_id: bool, name: String, id: [u8; 16]) -> TopicKey {
        if by_id { TopicKey::Id(id) } else { TopicKey::Name(name) }
    }

    pub(crate) fn find(&self, catalog: &Catalog) -> Result<Arc<Topic>, ErrorCode> {
        match self {
            TopicKey::Name(name) => catalog.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition),
            TopicKey::Id(id) => catalog.topic_by_id(*id).ok_or(ErrorCode::UnknownTopicId),
        }
    }

    pub(crate) fn find_partition(&self, catalog: &Catalog, index: i32) -> Result<PartitionId, ErrorCode> {
        self.find(catalog)?
            .partition(index)
            .ok_or(ErrorCode::UnknownTopicOrPartition)
    }

    /// The name, empty for a topic named by id.
    pub(crate) fn name(&self) -> String {
        match self {
            TopicKey::Name(name) => name.clone(),
            TopicKey::Id(_) => String::new(),
        }
    }

    /// The id, zero for a topic named by name.
    pub(crate) fn id(&self) -> [u8; 16] {
        match self {
            TopicKey::Name(_) => [0; 16],
            TopicKey::Id(id) => *id,
        }
    }
}

/// Compares the leader epoch a client believes in with ours; -1 is no belief.
pub(crate) fn check_leader_epoch(asked: i32) -> Result<(), ErrorCode> {
    match asked {
        ..0 | crate::api::LEADER_EPOCH => Ok(()),
        _ => Err(ErrorCode::UnknownLeaderEpoch),
    }
}
