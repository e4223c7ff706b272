//! How anything of ours reads and writes topics: the [`Topics`] trait, and the [`Schemas`] trait beside it.
//!
//! The broker implements [`Topics`] in process, straight on the log; SQL jobs and the registry see only these traits.
//! With the feature `kafka`, module `kafka` talks to any Kafka cluster over the network, for commands and projects.
//!
//! What this crate does not know: our broker.

#[cfg(feature = "kafka")]
pub mod kafka;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base::{ErrorKind, Offset, PartitionIndex, TimestampMs};
use bytes::Bytes;
pub use schema::SchemaType;

/// One record as read from a topic. Its bytes are slices of what the log gave: cloning copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// In the order written; names may repeat.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// A place in a partition: the offset of the next record to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub topic: Arc<str>,
    pub partition: PartitionIndex,
    pub offset: Offset,
}

/// What one partition had for a reader.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub topic: Arc<str>,
    pub partition: PartitionIndex,
    pub records: Vec<Record>,
    /// Where to read on; past control batches and gaps, so it may exceed the last record's offset + 1.
    pub next_offset: Offset,
    /// One past the last record a reader may see now.
    pub end_offset: Offset,
    /// Of the topic that was read: one made anew under the same name has another.
    pub topic_id: TopicId,
}

/// Names a topic for ever, whatever is deleted and made anew under its name.
pub type TopicId = [u8; 16];

/// One record to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub topic: Arc<str>,
    /// `None`: by the key's hash ([`base::partitioner`]), or spread evenly without a key.
    pub partition: Option<PartitionIndex>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// `None`: now.
    pub timestamp: Option<TimestampMs>,
}

/// Everything one step of a job changes; it happens as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Whose offsets and state these are. Offsets show as those of a consumer group of this name.
    pub job: Arc<str>,
    /// The number [`Topics::start_job`] gave: an older run of the same job can commit no more.
    pub run: u64,
    pub outputs: Vec<Output>,
    /// Where to read on after this step.
    pub offsets: Vec<Position>,
    /// The job's own keyed state: put, or deleted when `None`.
    pub state: Vec<(Bytes, Option<Bytes>)>,
}

/// Where records of a step are: these offsets of a partition and none between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub topic: Arc<str>,
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    pub first_offset: Offset,
    pub last_offset: Offset,
}

/// Bounds of one [`Topics::read`].
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Stop adding records past this many bytes; at least one batch is returned when there is one.
    pub bytes_max: usize,
    /// How long to wait for the first record; zero returns at once.
    pub wait_max: Duration,
}

/// Where a partition begins and ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub start: Offset,
    pub end: Offset,
}

/// A topic to create.
#[derive(Clone, Debug)]
pub struct NewTopic {
    pub name: String,
    pub partitions: PartitionIndex,
    pub settings: Vec<(String, String)>,
}

/// Why a call to [`Topics`] or [`Schemas`] failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct TopicsError {
    pub kind: ErrorKind,
    pub message: String,
}

impl TopicsError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> TopicsError {
        TopicsError {
            kind,
            message: message.into(),
        }
    }
}

/// Reading topics from offsets, and the atomic commit of outputs, state and offsets.
#[async_trait]
pub trait Topics: Send + Sync + 'static {
    /// Every topic's name, sorted; internal ones too.
    async fn list(&self) -> Result<Vec<Arc<str>>, TopicsError>;
    /// How many partitions the topic has; [`ErrorKind::NotFound`] if there is none of this name.
    async fn partitions(&self, topic: &str) -> Result<PartitionIndex, TopicsError>;
    async fn create(&self, topic: NewTopic) -> Result<(), TopicsError>;
    async fn bounds(&self, topic: &str, partition: PartitionIndex) -> Result<Bounds, TopicsError>;
    /// The first offset whose record's timestamp is at or after `timestamp`; the end if there is none.
    async fn offset_for_time(
        &self,
        topic: &str,
        partition: PartitionIndex,
        timestamp: TimestampMs,
    ) -> Result<Offset, TopicsError>;
    /// Records from each position on, waiting up to the limit while none has any. Positions before a partition's start
    /// read from the start.
    async fn read(&self, from: &[Position], limits: ReadLimits) -> Result<Vec<Fetched>, TopicsError>;
    /// Begins a new run of a job and fences all earlier ones; gives its number and the offsets and state the job's
    /// last step left.
    async fn start_job(&self, job: &str) -> Result<JobStart, TopicsError>;
    /// Makes the whole step durable, or none of it; says where its records are, those of a partition in one piece or
    /// in several that follow each other.
    async fn commit(&self, step: Step) -> Result<Vec<Written>, TopicsError>;
    /// Forgets a job's offsets and state.
    async fn forget_job(&self, job: &str) -> Result<(), TopicsError>;
}

/// What [`Topics::start_job`] answers.
#[derive(Clone, Debug, Default)]
pub struct JobStart {
    pub run: u64,
    pub offsets: Vec<Position>,
    pub state: Vec<(Bytes, Bytes)>,
}

/// A schema as the registry keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSchema {
    pub id: i32,
    pub schema_type: SchemaType,
    pub text: Arc<str>,
    /// Names referenced, each with its own text, dependencies first.
    pub references: Vec<(String, Arc<str>)>,
}

/// What a job asks of a schema registry.
#[async_trait]
pub trait Schemas: Send + Sync + 'static {
    async fn by_id(&self, id: i32) -> Result<RegisteredSchema, TopicsError>;
    /// The subject's newest version; `None` if the subject has none.
    async fn latest(&self, subject: &str) -> Result<Option<RegisteredSchema>, TopicsError>;
    /// Registers (or finds) a schema and gives its id; [`ErrorKind::Conflict`] if it is incompatible.
    async fn register(&self, subject: &str, schema_type: SchemaType, text: &str) -> Result<i32, TopicsError>;
}
