//! Topics: names, ids, partitions and settings; and the numbers the cluster gives out once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::{PartitionIndex, Random, topic_name};
use bytes::Bytes;
use log::{CommitCause, CommitError, Log, Op, PartitionId, TableId};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::CatalogError;
use crate::deks::KEYS_TOPIC;
use crate::exporters::EXPORTERS_TOPIC;
use crate::registry::SCHEMAS_TOPIC;

const TOPICS: TableId = TableId(1);
const NUMBERS: TableId = TableId(2);
const CLUSTER_ID: &[u8] = b"cluster_id";
const NEXT_PARTITION: &[u8] = b"next_partition";
const NEXT_PRODUCER: &[u8] = b"next_producer";

/// More partitions than this in one topic is a mistake on one machine.
pub const TOPIC_PARTITIONS_MAX: PartitionIndex = 10_000;
/// Producer ids start here, so that a zero in a trace is seen for what it is.
const FIRST_PRODUCER_ID: u64 = 1_000;

/// One topic as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: Arc<str>,
    pub id: [u8; 16],
    /// The log of each partition, by partition index.
    pub partitions: Vec<PartitionId>,
    /// What was set explicitly; defaults are not stored.
    pub settings: BTreeMap<String, String>,
    /// How many replicas were asked for; there is one.
    pub replication_factor: i16,
    /// The brokers that a partition was said to be on, leader first, where somebody said so.
    pub assignments: BTreeMap<PartitionIndex, Vec<i32>>,
    /// The platform's own; clients may read it but not delete it.
    pub internal: bool,
}

impl Topic {
    pub fn partition(&self, index: PartitionIndex) -> Option<PartitionId> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.partitions.get(index))
            .copied()
    }
}

/// A topic to create.
#[derive(Clone, Debug)]
pub struct NewTopic {
    pub name: String,
    pub partitions: PartitionIndex,
    pub replication_factor: i16,
    pub assignments: BTreeMap<PartitionIndex, Vec<i32>>,
    pub settings: BTreeMap<String, String>,
}

/// How a topic is kept in the table; the key is its name.
#[derive(Serialize, Deserialize)]
struct StoredTopic {
    id: Uuid,
    partitions: Vec<u64>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default = "one")]
    replication_factor: i16,
    #[serde(default)]
    assignments: BTreeMap<PartitionIndex, Vec<i32>>,
}

/// What topics had before they were asked.
fn one() -> i16 {
    1
}

#[derive(Default)]
struct Snapshot {
    /// Grows with every change.
    version: u64,
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<[u8; 16], Arc<Topic>>,
}

/// The catalog: cheap reads from a snapshot, changes one after another.
pub struct Catalog {
    log: Log,
    random: Arc<dyn Random>,
    cluster_id: String,
    snapshot: Arc<RwLock<Snapshot>>,
    /// Held while a change is on its way to the disk.
    changing: Arc<Mutex<()>>,
}

impl Catalog {
    /// Reads what the log keeps; a new log gets its cluster id.
    pub async fn open(log: Log, random: Arc<dyn Random>) -> Result<Catalog, CatalogError> {
        let mut snapshot = Snapshot::default();
        for (key, value) in log.scan(TOPICS, b"") {
            snapshot.insert(decode_topic(&key, &value)?);
        }
        let cluster_id = match log.get(NUMBERS, CLUSTER_ID) {
            Some(id) => String::from_utf8_lossy(&id).into_owned(),
            None => {
                let id = new_cluster_id(&*random);
                let put = Op::Put {
                    table: NUMBERS,
                    key: Bytes::from_static(CLUSTER_ID),
                    value: Some(Bytes::from(id.clone())),
                };
                commit(&log, vec![put]).await?;
                id
            }
        };
        Ok(Catalog {
            log,
            random,
            cluster_id,
            snapshot: Arc::new(RwLock::new(snapshot)),
            changing: Arc::default(),
        })
    }

    /// The cluster's name to clients: 22 characters, given once.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.snapshot.read().by_name.get(name).cloned()
    }

    pub fn topic_by_id(&self, id: [u8; 16]) -> Option<Arc<Topic>> {
        self.snapshot.read().by_id.get(&id).cloned()
    }

    /// Every topic, sorted by name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.snapshot.read().by_name.values().cloned().collect()
    }

    /// Grows whenever a topic changes, comes or goes.
    pub fn topics_version(&self) -> u64 {
        self.snapshot.read().version
    }

    /// Says whether `create_topic` would be refused, without creating anything.
    pub fn check_new_topic(&self, topic: &NewTopic) -> Result<(), CatalogError> {
        topic_name::check(&topic.name).map_err(|why| CatalogError::InvalidName {
            name: topic.name.clone(),
            why,
        })?;
        if !(1..=TOPIC_PARTITIONS_MAX).contains(&topic.partitions) {
            return Err(CatalogError::InvalidPartitions(format!(
                "a topic has 1 to {TOPIC_PARTITIONS_MAX} partitions, not {}",
                topic.partitions
            )));
        }
        let snapshot = self.snapshot.read();
        if snapshot.by_name.contains_key(topic.name.as_str()) {
            return Err(CatalogError::TopicExists(topic.name.clone()));
        }
        let folded = topic_name::folded(&topic.name);
        match snapshot
            .by_name
            .keys()
            .find(|existing| topic_name::folded(existing) == folded)
        {
            Some(existing) => Err(CatalogError::NameCollides {
                name: topic.name.clone(),
                existing: existing.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// Creates a topic with its partitions in one commit.
    pub async fn create_topic(&self, new: NewTopic) -> Result<Arc<Topic>, CatalogError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        self.check_new_topic(&new)?;
        let (partitions, mut ops) = self.new_partitions(new.partitions as usize);
        let topic = Topic {
            internal: is_internal(&new.name),
            name: new.name.into(),
            id: self.random.uuid(),
            partitions,
            replication_factor: new.replication_factor,
            assignments: new.assignments,
            settings: new.settings,
        };
        ops.push(put_topic(&topic));
        self.publish(changing, ops, |snapshot| snapshot.insert(topic)).await
    }

    /// Deletes a topic and its records.
    pub async fn delete_topic(&self, name: &str) -> Result<(), CatalogError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let topic = self.require(name)?;
        if topic.internal {
            return Err(CatalogError::Internal(name.to_owned()));
        }
        let mut ops = vec![Op::Put {
            table: TOPICS,
            key: Bytes::from(name.to_owned()),
            value: None,
        }];
        ops.extend(
            topic
                .partitions
                .iter()
                .map(|partition| Op::DeletePartition { partition: *partition }),
        );
        let remove = move |snapshot: &mut Snapshot| {
            snapshot.version += 1;
            snapshot.by_name.remove(&topic.name);
            snapshot.by_id.remove(&topic.id);
        };
        self.publish(changing, ops, remove).await
    }

    /// Grows a topic to `total` partitions; it never shrinks.
    pub async fn add_partitions(&self, name: &str, total: PartitionIndex) -> Result<Arc<Topic>, CatalogError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let mut topic = Topic::clone(&*self.require(name)?);
        let now = topic.partitions.len();
        let wanted = usize::try_from(total).unwrap_or(0);
        if wanted <= now || total > TOPIC_PARTITIONS_MAX {
            return Err(CatalogError::InvalidPartitions(format!(
                "topic `{name}` currently has {now} partitions, which is higher than or equal to the requested {total}, \
                 or {total} is above {TOPIC_PARTITIONS_MAX}"
            )));
        }
        let (more, mut ops) = self.new_partitions(wanted - now);
        topic.partitions.extend(more);
        ops.push(put_topic(&topic));
        self.publish(changing, ops, |snapshot| snapshot.insert(topic)).await
    }

    /// Replaces a topic's explicit settings.
    pub async fn set_settings(
        &self,
        name: &str,
        settings: BTreeMap<String, String>,
    ) -> Result<Arc<Topic>, CatalogError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let mut topic = Topic::clone(&*self.require(name)?);
        topic.settings = settings;
        self.publish(changing, vec![put_topic(&topic)], |snapshot| snapshot.insert(topic))
            .await
    }

    /// Says which brokers some of a topic's partitions are on.
    pub async fn assign(
        &self,
        name: &str,
        assignments: BTreeMap<PartitionIndex, Vec<i32>>,
    ) -> Result<Arc<Topic>, CatalogError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let mut topic = Topic::clone(&*self.require(name)?);
        topic.assignments.extend(assignments);
        self.publish(changing, vec![put_topic(&topic)], |snapshot| snapshot.insert(topic))
            .await
    }

    /// Sets aside `count` producer ids for the caller; gives the first. They are never given out again.
    pub async fn reserve_producer_ids(&self, count: u64) -> Result<i64, CatalogError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let first = self.number(NEXT_PRODUCER, FIRST_PRODUCER_ID);
        let put = vec![put_number(NEXT_PRODUCER, first + count)];
        self.publish(changing, put, move |_| first as i64).await
    }

    fn require(&self, name: &str) -> Result<Arc<Topic>, CatalogError> {
        self.topic(name)
            .ok_or_else(|| CatalogError::TopicNotFound(name.to_owned()))
    }

    fn number(&self, key: &'static [u8], first: u64) -> u64 {
        let stored = self.log.get(NUMBERS, key);
        stored
            .and_then(|bytes| bytes[..].try_into().ok())
            .map_or(first, u64::from_be_bytes)
    }

    /// Partition ids never used before, and the operations that create them. Call only while `changing` is held.
    fn new_partitions(&self, count: usize) -> (Vec<PartitionId>, Vec<Op>) {
        let first = self.number(NEXT_PARTITION, 1);
        let next = first + count as u64;
        let partitions: Vec<_> = (first..next).map(PartitionId).collect();
        let mut ops = vec![put_number(NEXT_PARTITION, next)];
        ops.extend(
            partitions
                .iter()
                .map(|partition| Op::CreatePartition { partition: *partition }),
        );
        (partitions, ops)
    }

    /// Commits, then changes the snapshot; in a task of its own, because a caller that goes away half-way must not
    /// leave the snapshot behind the disk.
    async fn publish<T: Send + 'static>(
        &self,
        changing: OwnedMutexGuard<()>,
        ops: Vec<Op>,
        change: impl FnOnce(&mut Snapshot) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (log, snapshot) = (self.log.clone(), Arc::clone(&self.snapshot));
        let task = tokio::spawn(async move {
            let _changing = changing;
            commit(&log, ops).await?;
            Ok(change(&mut snapshot.write()))
        });
        task.await
            .unwrap_or_else(|stopped| Err(CatalogError::Log(stopped.to_string())))
    }
}

impl Snapshot {
    fn insert(&mut self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        self.version += 1;
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.by_name.insert(Arc::clone(&topic.name), Arc::clone(&topic));
        topic
    }
}

/// The platform's own topics; a name is internal for ever, so nothing needs storing.
fn is_internal(name: &str) -> bool {
    [
        SCHEMAS_TOPIC,
        KEYS_TOPIC,
        EXPORTERS_TOPIC,
        "__consumer_offsets",
        "__transaction_state",
    ]
    .contains(&name)
}

/// 16 random bytes in the 22 characters of URL-safe base64 that Kafka shows. Never begins with a minus, which command
/// lines would take for an option.
fn new_cluster_id(random: &dyn Random) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut id = String::with_capacity(22);
    id.push(char::from(ALPHABET[random.below(62) as usize]));
    while id.len() < 22 {
        id.push(char::from(ALPHABET[random.below(64) as usize]));
    }
    id
}

fn decode_topic(key: &[u8], value: &[u8]) -> Result<Topic, CatalogError> {
    let name = String::from_utf8_lossy(key).into_owned();
    let stored: StoredTopic = serde_json::from_slice(value).map_err(|error| CatalogError::Damaged {
        name: name.clone(),
        why: error.to_string(),
    })?;
    Ok(Topic {
        internal: is_internal(&name),
        name: name.into(),
        id: stored.id.into_bytes(),
        partitions: stored.partitions.into_iter().map(PartitionId).collect(),
        settings: stored.settings,
        replication_factor: stored.replication_factor,
        assignments: stored.assignments,
    })
}

fn put_topic(topic: &Topic) -> Op {
    let stored = StoredTopic {
        id: Uuid::from_bytes(topic.id),
        partitions: topic.partitions.iter().map(|partition| partition.0).collect(),
        settings: topic.settings.clone(),
        replication_factor: topic.replication_factor,
        assignments: topic.assignments.clone(),
    };
    // Strings, numbers and maps of strings always have a JSON form.
    let value = serde_json::to_vec(&stored).expect("a topic serialises");
    Op::Put {
        table: TOPICS,
        key: Bytes::from(topic.name.to_string()),
        value: Some(value.into()),
    }
}

fn put_number(key: &'static [u8], number: u64) -> Op {
    let value = Bytes::copy_from_slice(&number.to_be_bytes());
    Op::Put {
        table: NUMBERS,
        key: Bytes::from_static(key),
        value: Some(value),
    }
}

/// Commits and waits until durable; waits for room where the log is busy.
pub(crate) async fn commit(log: &Log, ops: Vec<Op>) -> Result<(), CatalogError> {
    let receipt = loop {
        match log.commit(ops.clone()) {
            Err(CommitError {
                cause: CommitCause::Busy,
                ..
            }) => log.wait_for_room().await,
            other => break other.map_err(|error| CatalogError::Log(error.to_string()))?,
        }
    };
    receipt
        .await
        .map(|_| ())
        .map_err(|error| CatalogError::Log(error.to_string()))
}
