//! The registry as a service: reads `_schemas` at start, then answers from memory and writes every change to the topic
//! before anyone sees it.
//!
//! Readers hold a state of their own: none waits for a change that is being decided or written.

mod validation;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base::{Clock, ErrorKind};
use bytes::Bytes;
use client::{NewTopic, Output, Position, ReadLimits, RegisteredSchema, Schemas, Step, Topics, TopicsError};
use parking_lot::RwLock;
use schema::subjects::{Change, Lookup, Name, Outcome, Registration, Subjects, Wanted};
use schema::{RegistryError, SchemaType};
use tokio::sync::Mutex;

/// Where the registry keeps its records, in Confluent's own form.
pub const SCHEMAS_TOPIC: &str = "_schemas";
/// The writer's name to the log: a second registry on the same topic fences the first.
const WRITER: &str = "_schema-registry";
const READ_BYTES_MAX: usize = 4 << 20;
/// Longer texts are parsed and compared away from the threads that answer everyone.
const QUICK_TEXT_BYTES_MAX: usize = 32 << 10;

/// A registry over a topic.
pub struct Registry {
    topics: Arc<dyn Topics>,
    clock: Arc<dyn Clock>,
    cluster_id: String,
    run: u64,
    state: Arc<RwLock<Arc<Subjects>>>,
    /// Held while a change is decided and on its way to the topic: one id, one version.
    writing: Arc<Mutex<()>>,
}

impl Registry {
    /// Creates the topic if there is none, and takes in what it holds. `cluster_id` is that of the Kafka cluster.
    pub async fn open(
        topics: Arc<dyn Topics>,
        clock: Arc<dyn Clock>,
        cluster_id: &str,
    ) -> Result<Arc<Registry>, TopicsError> {
        match topics.partitions(SCHEMAS_TOPIC).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => {
                let settings = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
                topics
                    .create(NewTopic {
                        name: SCHEMAS_TOPIC.to_owned(),
                        partitions: 1,
                        settings,
                    })
                    .await?;
            }
            Err(error) => return Err(error),
        }
        let run = topics.start_job(WRITER).await?.run;
        let state = replay(&*topics).await?;
        Ok(Arc::new(Registry {
            topics,
            clock,
            cluster_id: cluster_id.to_owned(),
            run,
            state: Arc::new(RwLock::new(Arc::new(state))),
            writing: Arc::default(),
        }))
    }

    /// The Kafka cluster that keeps the schemas.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The state as it stands; later changes make another one.
    pub fn state(&self) -> Arc<Subjects> {
        Arc::clone(&self.state.read())
    }

    /// Reads the state as it stands.
    pub fn read<T>(&self, look: impl FnOnce(&Subjects) -> T) -> T {
        look(&self.state())
    }

    /// Decides on the state as it stands, makes the changes durable, and only then shows them. What is decided is also
    /// told the time its records will carry.
    pub async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Subjects, i64) -> Result<Outcome<T>, RegistryError>,
    ) -> Result<T, RegistryError> {
        let writing = Arc::clone(&self.writing).lock_owned().await;
        let (state, now_ms) = (self.state(), self.clock.wall_ms());
        let outcome = decide(&state, now_ms)?;
        self.write(writing, outcome, now_ms).await
    }

    async fn write<T: Send + 'static>(
        &self,
        writing: tokio::sync::OwnedMutexGuard<()>,
        outcome: Outcome<T>,
        now_ms: i64,
    ) -> Result<T, RegistryError> {
        let Outcome { answer, changes } = outcome;
        if changes.is_empty() {
            return Ok(answer);
        }
        let step = Step {
            job: WRITER.into(),
            run: self.run,
            outputs: outputs(&changes, now_ms),
            ..Step::default()
        };
        let (topics, state) = (Arc::clone(&self.topics), Arc::clone(&self.state));
        // In a task of its own: a client that goes away must not leave the state behind the topic.
        let written = tokio::spawn(async move {
            let _writing = writing;
            topics.commit(step).await.map_err(RegistryError::store)?;
            let mut next = Subjects::clone(&state.read());
            changes.into_iter().for_each(|change| next.apply(change, now_ms));
            *state.write() = Arc::new(next);
            Ok(answer)
        });
        written
            .await
            .unwrap_or_else(|stopped| Err(RegistryError::store(stopped)))
    }

    /// Runs what parses or compares a text: long ones where they hold up nobody.
    pub async fn consider<T: Send + 'static>(
        &self,
        text_bytes: usize,
        look: impl FnOnce(&Subjects) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        consider(self.state(), text_bytes, look).await
    }

    /// Decides whether a schema may be registered and registers it. Most are known already: these are answered without
    /// waiting for others' changes. Others are decided again only if the state has changed meanwhile.
    pub async fn register_with<T: Clone + Send + Sync + 'static>(
        &self,
        text_bytes: usize,
        decide: impl Fn(&Subjects) -> Result<Outcome<T>, RegistryError> + Send + Sync + 'static,
    ) -> Result<T, RegistryError> {
        let decide = Arc::new(decide);
        let seen = self.state();
        let outcome = {
            let decide = Arc::clone(&decide);
            consider(Arc::clone(&seen), text_bytes, move |state| decide(state)).await?
        };
        if outcome.changes.is_empty() {
            return Ok(outcome.answer);
        }
        let writing = Arc::clone(&self.writing).lock_owned().await;
        let now_ms = self.clock.wall_ms();
        let state = self.state();
        let outcome = if Arc::ptr_eq(&seen, &state) {
            outcome
        } else {
            consider(state, text_bytes, move |state| decide(state)).await?
        };
        self.write(writing, outcome, now_ms).await
    }

    /// Registers a schema under a subject, or finds it there.
    pub async fn register_schema(
        &self,
        subject: &str,
        wanted: Registration,
        normalize: bool,
        force: bool,
    ) -> Result<Lookup, RegistryError> {
        let (subject, text_bytes) = (subject.to_owned(), wanted.text.len());
        let decide = move |state: &Subjects| state.register(&subject, &wanted, normalize, force);
        self.register_with(text_bytes, decide).await
    }
}

async fn consider<T: Send + 'static>(
    state: Arc<Subjects>,
    text_bytes: usize,
    look: impl FnOnce(&Subjects) -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    if text_bytes <= QUICK_TEXT_BYTES_MAX {
        return look(&state);
    }
    let looked = tokio::task::spawn_blocking(move || look(&state));
    looked
        .await
        .unwrap_or_else(|stopped| Err(RegistryError::store(stopped)))
}

/// Reads the topic from its start to its present end.
async fn replay(topics: &dyn Topics) -> Result<Subjects, TopicsError> {
    let mut subjects = Subjects::default();
    let bounds = topics.bounds(SCHEMAS_TOPIC, 0).await?;
    let mut position = Position {
        topic: SCHEMAS_TOPIC.into(),
        partition: 0,
        offset: bounds.start,
    };
    let limits = ReadLimits {
        bytes_max: READ_BYTES_MAX,
        wait_max: Duration::ZERO,
    };
    while position.offset < bounds.end {
        let fetched = topics.read(std::slice::from_ref(&position), limits).await?;
        let before = position.offset;
        for partition in fetched {
            position.offset = partition.next_offset;
            for record in partition.records {
                let Some(key) = &record.key else { continue };
                match Change::decode(key, record.value.as_deref()) {
                    Ok(Change::Unknown { kind }) => tracing::warn!(
                        topic = SCHEMAS_TOPIC,
                        offset = record.offset,
                        "the registry skipped a record of the unknown kind `{kind}`"
                    ),
                    Ok(change) => subjects.apply(change, record.timestamp),
                    Err(why) => tracing::error!(
                        topic = SCHEMAS_TOPIC,
                        offset = record.offset,
                        "the registry left out a record it cannot read: {why}"
                    ),
                }
            }
        }
        if position.offset == before {
            let message = format!(
                "`{SCHEMAS_TOPIC}` ends at offset {} but nothing can be read at {before}",
                bounds.end
            );
            return Err(TopicsError::new(ErrorKind::Data, message));
        }
    }
    Ok(subjects)
}

fn outputs(changes: &[Change], now_ms: i64) -> Vec<Output> {
    let output = |record: schema::subjects::Encoded| Output {
        topic: SCHEMAS_TOPIC.into(),
        partition: Some(0),
        key: Some(Bytes::from(record.key)),
        value: record.value.map(Bytes::from),
        timestamp: Some(now_ms),
        ..Output::default()
    };
    changes.iter().filter_map(Change::encode).map(output).collect()
}

#[async_trait]
impl Schemas for Registry {
    async fn by_id(&self, id: i32) -> Result<RegisteredSchema, TopicsError> {
        self.read(|subjects| {
            let found = subjects.schema(id, &Name::top());
            let found = found.ok_or_else(|| RegistryError::schema_id_not_found(id))?;
            registered(subjects, &found)
        })
        .map_err(to_topics_error)
    }

    async fn latest(&self, subject: &str) -> Result<Option<RegisteredSchema>, TopicsError> {
        self.read(
            |subjects| match subjects.version(&Name::parse(subject), Wanted::Latest, false) {
                Ok(found) => registered(subjects, &found).map(Some),
                Err(_) => Ok(None),
            },
        )
        .map_err(to_topics_error)
    }

    async fn register(&self, subject: &str, schema_type: SchemaType, text: &str) -> Result<i32, TopicsError> {
        let wanted = Registration {
            schema_type: schema_type.word().to_owned(),
            text: text.to_owned(),
            ..Registration::default()
        };
        let found = self.register_schema(subject, wanted, false, false).await;
        Ok(found.map_err(to_topics_error)?.schema.id)
    }
}

fn registered(subjects: &Subjects, found: &Lookup) -> Result<RegisteredSchema, RegistryError> {
    let stored = &found.schema;
    let references = subjects.texts_for(&found.subject, stored)?;
    Ok(RegisteredSchema {
        id: stored.id,
        schema_type: stored.schema_type,
        text: stored.text.as_str().into(),
        references: references.into_iter().map(|(name, text)| (name, text.into())).collect(),
    })
}

fn to_topics_error(error: RegistryError) -> TopicsError {
    let kind = match error.status() {
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        422 => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    TopicsError::new(kind, error.to_string())
}
