//! Makes a running platform what the project says: topics, then schemas, then SQL. Applying again changes nothing.

use base::ErrorKind;
use client::kafka::{Admin, Connection};
use client::{NewTopic, TopicsError};
use serde_json::{Value as Json, json};

use crate::model::{Project, Topic};
use crate::rest::{Rest, encode};

/// Where the platform answers.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `host:port`.
    pub kafka: String,
    /// `http://host:port`.
    pub registry: String,
    pub api: String,
}

/// One step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// `topic`, `schema` or `statement`.
    pub what: &'static str,
    pub name: String,
    /// `created`, `unchanged`, ...
    pub outcome: String,
}

/// Applies the project; the first refusal ends it, and what was done until then stays.
pub async fn apply(project: &Project, endpoints: &Endpoints) -> Result<Vec<Applied>, TopicsError> {
    let mut applied = Vec::new();
    let admin = Admin::new(&Connection::new(endpoints.kafka.clone()))?;
    for topic in &project.topics {
        let outcome = apply_topic(&admin, topic).await?;
        applied.push(Applied {
            what: "topic",
            name: topic.name.clone(),
            outcome,
        });
    }
    let registry = Rest::registry(&endpoints.registry);
    for schema in &project.schemas {
        if let Some(level) = &schema.compatibility {
            let path = format!("/config/{}", encode(&schema.subject));
            registry.put(&path, &json!({"compatibility": level})).await?;
        }
        let id = registry
            .register(&schema.subject, schema.schema_type, &schema.text)
            .await?;
        applied.push(Applied {
            what: "schema",
            name: schema.subject.clone(),
            outcome: format!("id {id}"),
        });
    }
    let api = Rest::api(&endpoints.api);
    for sql in &project.sql {
        let body = json!({"name": project.name, "script": sql.text});
        let answer = api.post("/api/v1/sql/scripts", &body).await;
        let answer =
            answer.map_err(|error| TopicsError::new(error.kind, format!("{}: {}", sql.file, error.message)))?;
        for statement in answer.get("statements").and_then(Json::as_array).into_iter().flatten() {
            let text = |key: &str| statement.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
            applied.push(Applied {
                what: "statement",
                name: text("name"),
                outcome: text("phase").to_lowercase(),
            });
        }
    }
    Ok(applied)
}

async fn apply_topic(admin: &Admin, topic: &Topic) -> Result<String, TopicsError> {
    let new = NewTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        settings: topic.settings.clone().into_iter().collect(),
    };
    match admin.create(&new).await {
        Ok(()) => return Ok("created".to_owned()),
        Err(error) if error.kind == ErrorKind::Conflict => {}
        Err(error) => return Err(error),
    }
    let now = admin.topic(&topic.name)?.partitions;
    if now > topic.partitions {
        let message = format!(
            "topic `{}` has {now} partitions and the project says {}: a topic never shrinks",
            topic.name, topic.partitions
        );
        return Err(TopicsError::new(ErrorKind::Conflict, message));
    }
    let mut outcome = "unchanged".to_owned();
    if now < topic.partitions {
        admin.add_partitions(&topic.name, topic.partitions).await?;
        outcome = format!("grown from {now} to {} partitions", topic.partitions);
    }
    let settings = admin.settings(&topic.name).await?;
    let differs = |(name, value): &(&String, &String)| settings.get(*name).is_none_or(|(now, _)| now != *value);
    let changed: Vec<(String, String)> = topic
        .settings
        .iter()
        .filter(differs)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !changed.is_empty() {
        let own = settings
            .into_iter()
            .filter(|(_, (_, own))| *own)
            .map(|(name, (value, _))| (name, value));
        admin
            .set_settings(&topic.name, own.chain(changed.clone()).collect())
            .await?;
        let names: Vec<&str> = changed.iter().map(|(name, _)| name.as_str()).collect();
        outcome = format!("changed {}", names.join(", "));
    }
    Ok(outcome)
}
