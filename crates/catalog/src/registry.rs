//! The registry as a service: takes in `_schemas` at start and whatever is written there later, answers from memory, and
//! writes every change to the topic before anyone sees it.
//!
//! Readers hold a state of their own: none waits for a change that is being decided or written.

mod validation;

use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use base::{Clock, ErrorKind, Offset, TimestampMs};
use client::{RegisteredSchema, Schemas, Topics, TopicsError};
use schema::subjects::{Change, Lookup, Name, Outcome, Registration, Subjects, Wanted};
use schema::{RegistryError, SchemaType};

use crate::kept::{Kept, Replayed};

/// Where the registry keeps its records, in Confluent's own form.
pub const SCHEMAS_TOPIC: &str = "_schemas";
/// The writer's name to the log.
const WRITER: &str = "_schema-registry";
/// Longer texts are parsed and compared away from the threads that answer everyone.
const QUICK_TEXT_BYTES_MAX: usize = 32 << 10;

/// A registry over a topic.
pub struct Registry {
    kept: Kept<Subjects>,
    cluster_id: String,
}

impl Replayed for Subjects {
    type Change = Change;

    fn read(key: &[u8], value: Option<&[u8]>) -> Result<Option<Change>, String> {
        match Change::decode(key, value)? {
            Change::Unknown { kind } => {
                tracing::warn!("the registry skipped a record of the unknown kind `{kind}`");
                Ok(None)
            }
            change => Ok(Some(change)),
        }
    }

    fn write(change: &Change) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let encoded = change.encode()?;
        Some((encoded.key, encoded.value))
    }

    fn apply(&mut self, change: Change, ts: TimestampMs) {
        Subjects::apply(self, change, ts);
    }
}

impl Registry {
    /// Creates the topic if there is none, takes in what it holds and follows it. `cluster_id` is that of the Kafka cluster.
    pub async fn open(
        topics: Arc<dyn Topics>,
        clock: Arc<dyn Clock>,
        cluster_id: &str,
    ) -> Result<Arc<Registry>, TopicsError> {
        let kept = Kept::open(topics, clock, SCHEMAS_TOPIC, WRITER).await?;
        // Tools look for it, also where no schema is registered yet.
        kept.create().await?;
        Ok(Arc::new(Registry {
            kept,
            cluster_id: cluster_id.to_owned(),
        }))
    }

    /// The Kafka cluster that keeps the schemas.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The state as it stands; later changes make another one.
    pub fn state(&self) -> Arc<Subjects> {
        self.kept.state()
    }

    /// Waits until the state holds what the topic has at an offset.
    pub async fn shows(&self, offset: Offset) -> Result<(), RegistryError> {
        self.kept.shows(offset).await
    }

    /// Reads the state as it stands.
    pub fn read<T>(&self, look: impl FnOnce(&Subjects) -> T) -> T {
        look(&self.state())
    }

    /// Decides on the state as it will be, and answers once the changes are durable and shown. Decides again where others
    /// wrote to the topic first. What is decided is also told the time its records will carry.
    pub async fn change<T: Send + 'static>(
        &self,
        decide: impl Fn(&Subjects, i64) -> Result<Outcome<T>, RegistryError>,
    ) -> Result<T, RegistryError> {
        let decide = |state: Arc<Subjects>, now_ms| ready(decide(&state, now_ms).map(parts));
        self.kept.change(decide).await
    }

    /// Waits for the changes under way; then takes no more, and follows the topic no longer.
    pub async fn stop(&self) {
        self.kept.stop().await;
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
        let look = |state: Arc<Subjects>| {
            let decide = Arc::clone(&decide);
            consider(state, text_bytes, move |state| decide(state))
        };
        let seen = self.state();
        let outcome = look(Arc::clone(&seen)).await?;
        if outcome.changes.is_empty() {
            return Ok(outcome.answer);
        }
        let mut first = Some(outcome);
        let decide = |state: Arc<Subjects>, _| {
            let first = first.take().filter(|_| Arc::ptr_eq(&seen, &state));
            let looked = look(state);
            async move {
                match first {
                    Some(outcome) => Ok(parts(outcome)),
                    None => looked.await.map(parts),
                }
            }
        };
        self.kept.change(decide).await
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

fn parts<T>(outcome: Outcome<T>) -> (T, Vec<Change>) {
    (outcome.answer, outcome.changes)
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
