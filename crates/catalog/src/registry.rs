//! The registry as a service: reads `_schemas` at start, then answers from memory and writes every change to the topic
//! before anyone sees it.

mod validation;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base::ErrorKind;
use bytes::Bytes;
use client::{NewTopic, Output, Position, ReadLimits, RegisteredSchema, Schemas, Step, Topics, TopicsError};
use parking_lot::RwLock;
use schema::subjects::{Change, Outcome, Reference, Registration, Stored, Subjects, Wanted};
use schema::{RegistryError, SchemaType};
use tokio::sync::Mutex;

/// Where the registry keeps its records, in Confluent's own form.
pub const SCHEMAS_TOPIC: &str = "_schemas";
/// The writer's name to the log: a second registry on the same topic fences the first.
const WRITER: &str = "_schema-registry";
const READ_BYTES_MAX: usize = 4 << 20;

/// A registry over a topic.
pub struct Registry {
    topics: Arc<dyn Topics>,
    run: u64,
    subjects: Arc<RwLock<Subjects>>,
    /// Held while a change is on its way to the topic: one id, one version.
    writing: Arc<Mutex<()>>,
}

impl Registry {
    /// Creates the topic if there is none, and takes in what it holds.
    pub async fn open(topics: Arc<dyn Topics>) -> Result<Arc<Registry>, TopicsError> {
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
        let subjects = replay(&*topics).await?;
        Ok(Arc::new(Registry {
            topics,
            run,
            subjects: Arc::new(RwLock::new(subjects)),
            writing: Arc::default(),
        }))
    }

    /// Reads the state as it stands.
    pub fn read<T>(&self, look: impl FnOnce(&Subjects) -> T) -> T {
        look(&self.subjects.read())
    }

    /// Decides on the state as it stands, makes the changes durable, and only then shows them.
    pub async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Subjects) -> Result<Outcome<T>, RegistryError>,
    ) -> Result<T, RegistryError> {
        let writing = Arc::clone(&self.writing).lock_owned().await;
        let Outcome { answer, changes } = decide(&self.subjects.read())?;
        if changes.is_empty() {
            return Ok(answer);
        }
        let step = Step {
            job: WRITER.into(),
            run: self.run,
            outputs: outputs(&changes),
            ..Step::default()
        };
        let (topics, subjects) = (Arc::clone(&self.topics), Arc::clone(&self.subjects));
        // In a task of its own: a client that goes away must not leave the state behind the topic.
        let written = tokio::spawn(async move {
            let _writing = writing;
            topics.commit(step).await.map_err(RegistryError::store)?;
            let mut subjects = subjects.write();
            changes.into_iter().for_each(|change| subjects.apply(change));
            Ok(answer)
        });
        written
            .await
            .unwrap_or_else(|stopped| Err(RegistryError::store(stopped)))
    }

    /// Registers a schema under a subject, or finds it there.
    pub async fn register_schema(
        &self,
        subject: &str,
        wanted: &Registration,
    ) -> Result<schema::subjects::Lookup, RegistryError> {
        // Most registrations are of something known: answer those without the lock.
        let known = self.read(|subjects| subjects.register(subject, wanted))?;
        if known.changes.is_empty() {
            return Ok(known.answer);
        }
        self.change(|subjects| subjects.register(subject, wanted)).await
    }
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
                    Ok(change) => subjects.apply(change),
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

fn outputs(changes: &[Change]) -> Vec<Output> {
    let output = |(key, value): (serde_json::Value, Option<serde_json::Value>)| Output {
        topic: SCHEMAS_TOPIC.into(),
        partition: Some(0),
        key: Some(Bytes::from(key.to_string())),
        value: value.map(|value| Bytes::from(value.to_string())),
        ..Output::default()
    };
    changes.iter().filter_map(Change::encode).map(output).collect()
}

#[async_trait]
impl Schemas for Registry {
    async fn by_id(&self, id: i32) -> Result<RegisteredSchema, TopicsError> {
        self.read(|subjects| {
            let stored = subjects
                .schema(id)
                .ok_or_else(|| RegistryError::schema_id_not_found(id))?;
            registered(subjects, stored)
        })
        .map_err(to_topics_error)
    }

    async fn latest(&self, subject: &str) -> Result<Option<RegisteredSchema>, TopicsError> {
        self.read(|subjects| match subjects.version(subject, Wanted::Latest, false) {
            Ok(found) => registered(subjects, &found.schema).map(Some),
            Err(_) => Ok(None),
        })
        .map_err(to_topics_error)
    }

    async fn register(&self, subject: &str, schema_type: SchemaType, text: &str) -> Result<i32, TopicsError> {
        let wanted = Registration {
            schema_type,
            text: text.to_owned(),
            references: Vec::<Reference>::new(),
        };
        let found = self.register_schema(subject, &wanted).await.map_err(to_topics_error)?;
        Ok(found.schema.id)
    }
}

fn registered(subjects: &Subjects, stored: &Stored) -> Result<RegisteredSchema, RegistryError> {
    let references = subjects.resolve(&stored.references)?;
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
