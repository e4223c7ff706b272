//! The handlers: path and body to a request of the state machine, its answer to JSON.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use catalog::Registry;
use schema::subjects::{Level, Lookup, Reference, Registration, Stored, Wanted};
use schema::{Parsed, RegistryError, SchemaType};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::answer::{Answer, Answered, Failure, respond};

type Reg = State<Arc<Registry>>;
type Params = Query<HashMap<String, String>>;
type Body = Result<Bytes, BytesRejection>;

/// The body of a registration, a lookup or a compatibility check.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaBody {
    #[serde(default)]
    schema: String,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
    #[serde(default)]
    metadata: Option<Json>,
    #[serde(default)]
    rule_set: Option<Json>,
    #[serde(default)]
    id: Option<i32>,
}

#[derive(Deserialize)]
struct LevelBody {
    compatibility: Option<String>,
}

fn parse<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let bytes =
        body.map_err(|rejection| Failure::new(i32::from(rejection.status().as_u16()), rejection.body_text()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(400, format!("the request body is not as expected: {error}")))
}

fn registration(body: Body) -> Result<Registration, Failure> {
    let body: SchemaBody = parse(body)?;
    let word = body.schema_type.as_deref().unwrap_or("AVRO");
    let Some(schema_type) = SchemaType::from_word(word) else {
        return Err(Failure::new(
            42201,
            format!("Invalid schema type {word}: this registry knows AVRO, JSON and PROTOBUF"),
        ));
    };
    let is_set = |json: &Option<Json>| json.as_ref().is_some_and(|json| !json.is_null());
    if is_set(&body.metadata) || is_set(&body.rule_set) {
        return Err(Failure::new(
            42210,
            "metadata and rule sets are not supported yet: leave `metadata` and `ruleSet` out",
        ));
    }
    if body.id.is_some_and(|id| id > 0) {
        return Err(Failure::new(
            42205,
            "Subject is not in import mode: leave `id` out, the registry gives it",
        ));
    }
    Ok(Registration {
        schema_type,
        text: body.schema,
        references: body.references.unwrap_or_default(),
    })
}

/// A flag in any case: Python sends `False`.
fn flag(params: &Params, name: &str) -> bool {
    params.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The page of a list that `offset` and `limit` ask for.
fn page<T>(params: &Params, list: Vec<T>) -> Vec<T> {
    let number = |name: &str| params.get(name).and_then(|text| text.parse::<usize>().ok());
    let limit = number("limit").unwrap_or(usize::MAX);
    list.into_iter()
        .skip(number("offset").unwrap_or(0))
        .take(limit)
        .collect()
}

/// The text in the form asked for; unknown forms are ignored.
fn text_of(stored: &Stored, params: &Params) -> Result<String, Failure> {
    let serialized = params.get("format").is_some_and(|format| format == "serialized");
    if serialized && stored.schema_type == SchemaType::Protobuf {
        let parsed = Parsed::parse(stored.schema_type, &stored.text, &[], false)?;
        return Ok(parsed.formatted("serialized"));
    }
    Ok(stored.text.clone())
}

fn describe(stored: &Stored, params: &Params) -> Result<Map<String, Json>, Failure> {
    let mut object = Map::new();
    object.insert("guid".into(), json!(stored.guid.to_string()));
    object.insert("schemaType".into(), json!(stored.schema_type.word()));
    if !stored.references.is_empty() {
        object.insert("references".into(), json!(stored.references));
    }
    object.insert("schema".into(), json!(text_of(stored, params)?));
    Ok(object)
}

fn describe_version(found: &Lookup, params: &Params) -> Answered {
    let mut object = Map::new();
    object.insert("subject".into(), json!(found.subject));
    object.insert("version".into(), json!(found.version));
    object.insert("id".into(), json!(found.schema.id));
    object.extend(describe(&found.schema, params)?);
    if found.deleted {
        object.insert("deleted".into(), json!(true));
    }
    Ok(Answer(object.into()))
}

pub(super) async fn alive() -> Answer {
    Answer(json!({}))
}

pub(super) async fn types() -> Answer {
    Answer(json!(["JSON", "PROTOBUF", "AVRO"]))
}

pub(super) async fn mode() -> Answer {
    Answer(json!({"mode": "READWRITE"}))
}

pub(super) async fn list(State(registry): Reg, params: Params) -> Answer {
    let prefix = params
        .get("subjectPrefix")
        .filter(|prefix| *prefix != ":*:")
        .cloned()
        .unwrap_or_default();
    let names: Vec<String> = registry.read(|subjects| {
        let names = subjects.names(flag(&params, "deleted"));
        names
            .into_iter()
            .filter(|name| name.starts_with(&prefix))
            .map(str::to_owned)
            .collect()
    });
    Answer(json!(page(&params, names)))
}

pub(super) async fn register(
    State(registry): Reg,
    Path(subject): Path<String>,
    params: Params,
    body: Body,
) -> Answered {
    let wanted = registration(body)?;
    let found = registry.register_schema(&subject, &wanted).await?;
    let mut object = Map::new();
    object.insert("id".into(), json!(found.schema.id));
    object.insert("version".into(), json!(found.version));
    object.extend(describe(&found.schema, &params)?);
    Ok(Answer(object.into()))
}

pub(super) async fn look_up(State(registry): Reg, Path(subject): Path<String>, params: Params, body: Body) -> Answered {
    let wanted = registration(body)?;
    let found = registry.read(|subjects| subjects.look_up(&subject, &wanted, flag(&params, "deleted")))?;
    describe_version(&found, &params)
}

pub(super) async fn versions(State(registry): Reg, Path(subject): Path<String>, params: Params) -> Answered {
    let versions = registry.read(|subjects| subjects.versions(&subject, flag(&params, "deleted")))?;
    Ok(Answer(json!(page(&params, versions))))
}

fn find(registry: &Registry, subject: &str, version: &str, params: &Params) -> Result<Lookup, Failure> {
    let wanted = Wanted::from_path(version)?;
    Ok(registry.read(|subjects| subjects.version(subject, wanted, flag(params, "deleted")))?)
}

pub(super) async fn version(
    State(registry): Reg,
    Path((subject, version)): Path<(String, String)>,
    params: Params,
) -> Answered {
    describe_version(&find(&registry, &subject, &version, &params)?, &params)
}

pub(super) async fn version_text(
    State(registry): Reg,
    Path((subject, version)): Path<(String, String)>,
    params: Params,
) -> Result<Response, Failure> {
    let found = find(&registry, &subject, &version, &params)?;
    Ok(respond(StatusCode::OK, text_of(&found.schema, &params)?))
}

pub(super) async fn delete_version(
    State(registry): Reg,
    Path((subject, version)): Path<(String, String)>,
    params: Params,
) -> Answered {
    let wanted = Wanted::from_path(&version)?;
    let permanent = flag(&params, "permanent");
    let number = registry
        .change(|subjects| subjects.delete_version(&subject, wanted, permanent))
        .await?;
    Ok(Answer(json!(number)))
}

pub(super) async fn delete_subject(State(registry): Reg, Path(subject): Path<String>, params: Params) -> Answered {
    let permanent = flag(&params, "permanent");
    let versions = registry
        .change(|subjects| subjects.delete_subject(&subject, permanent))
        .await?;
    Ok(Answer(json!(versions)))
}

fn stored(registry: &Registry, id: &str) -> Result<Arc<Stored>, Failure> {
    // Anything that is no id is an unknown path to the real registry.
    let id: i32 = id.parse().map_err(|_| Failure::new(404, "HTTP 404 Not Found"))?;
    let found = registry.read(|subjects| subjects.schema(id).cloned());
    found.ok_or_else(|| RegistryError::schema_id_not_found(id).into())
}

pub(super) async fn by_id(State(registry): Reg, Path(id): Path<String>, params: Params) -> Answered {
    let stored = stored(&registry, &id)?;
    let mut object = describe(&stored, &params)?;
    if let Some(subject) = params.get("subject").filter(|subject| !subject.is_empty()) {
        let uses = registry.read(|subjects| {
            let uses = subjects.uses(stored.id, true).into_iter();
            uses.filter(|(name, _)| name == subject)
                .map(|(_, version)| version)
                .max()
        });
        if let Some(version) = uses {
            object.insert("subject".into(), json!(subject));
            object.insert("version".into(), json!(version));
        }
    }
    if flag(&params, "fetchMaxId") {
        object.insert("maxId".into(), json!(registry.read(|subjects| subjects.id_max())));
    }
    Ok(Answer(object.into()))
}

pub(super) async fn text_by_id(
    State(registry): Reg,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Failure> {
    Ok(respond(StatusCode::OK, text_of(&*stored(&registry, &id)?, &params)?))
}

pub(super) async fn subjects_of_id(State(registry): Reg, Path(id): Path<String>, params: Params) -> Answered {
    let id = stored(&registry, &id)?.id;
    let mut names: Vec<String> = registry.read(|subjects| {
        let uses = subjects.uses(id, flag(&params, "deleted"));
        uses.into_iter().map(|(name, _)| name.to_owned()).collect()
    });
    names.dedup();
    Ok(Answer(json!(page(&params, names))))
}

pub(super) async fn versions_of_id(State(registry): Reg, Path(id): Path<String>, params: Params) -> Answered {
    let id = stored(&registry, &id)?.id;
    let uses: Vec<Json> = registry.read(|subjects| {
        let uses = subjects.uses(id, flag(&params, "deleted")).into_iter();
        uses.map(|(subject, version)| json!({"subject": subject, "version": version}))
            .collect()
    });
    Ok(Answer(json!(page(&params, uses))))
}

pub(super) async fn by_guid(State(registry): Reg, Path(guid): Path<String>, params: Params) -> Answered {
    let unknown = || Failure::new(40403, format!("Schema {guid} not found"));
    let guid = guid.parse().map_err(|_| unknown())?;
    let stored = registry
        .read(|subjects| subjects.schema_by_guid(guid).cloned())
        .ok_or_else(unknown)?;
    Ok(Answer(describe(&stored, &params)?.into()))
}

async fn compatible(
    registry: &Registry,
    subject: &str,
    against: Option<Wanted>,
    params: &Params,
    body: Body,
) -> Answered {
    let verbose = flag(params, "verbose");
    let wanted = registration(body)?;
    let checked = registry.read(|subjects| subjects.compatibility(subject, &wanted, against));
    let messages = match checked {
        Ok(messages) => messages,
        // With `verbose` a schema that cannot be parsed is an answer, not an error.
        Err(error) if verbose && error.code == 42201 => vec![error.message],
        Err(error) => return Err(error.into()),
    };
    let mut object = Map::new();
    object.insert("is_compatible".into(), json!(messages.is_empty()));
    if verbose {
        object.insert("messages".into(), json!(messages));
    }
    Ok(Answer(object.into()))
}

pub(super) async fn compatible_with_all(
    State(registry): Reg,
    Path(subject): Path<String>,
    params: Params,
    body: Body,
) -> Answered {
    compatible(&registry, &subject, None, &params, body).await
}

pub(super) async fn compatible_with_one(
    State(registry): Reg,
    Path((subject, version)): Path<(String, String)>,
    params: Params,
    body: Body,
) -> Answered {
    compatible(&registry, &subject, Some(Wanted::from_path(&version)?), &params, body).await
}

pub(super) async fn config(State(registry): Reg) -> Answer {
    Answer(json!({"compatibilityLevel": registry.read(|subjects| subjects.global_level()).word()}))
}

pub(super) async fn subject_config(State(registry): Reg, Path(subject): Path<String>, params: Params) -> Answered {
    let own = registry.read(|subjects| subjects.own_level(&subject));
    let level = match own {
        Some(level) => level,
        None if flag(&params, "defaultToGlobal") => registry.read(|subjects| subjects.global_level()),
        None => {
            let message = format!("Subject '{subject}' does not have subject-level compatibility configured");
            return Err(Failure::new(40408, message));
        }
    };
    Ok(Answer(json!({"compatibilityLevel": level.word()})))
}

fn level(body: Body) -> Result<Level, Failure> {
    let body: LevelBody = parse(body)?;
    let word = body
        .compatibility
        .ok_or_else(|| Failure::from(RegistryError::invalid_level("")))?;
    Ok(Level::from_word(&word)?)
}

pub(super) async fn set_config(State(registry): Reg, body: Body) -> Answered {
    let level = level(body)?;
    registry
        .change(|subjects| subjects.set_level(None, Some(level)))
        .await?;
    Ok(Answer(json!({"compatibility": level.word()})))
}

pub(super) async fn set_subject_config(State(registry): Reg, Path(subject): Path<String>, body: Body) -> Answered {
    let level = level(body)?;
    registry
        .change(|subjects| subjects.set_level(Some(&subject), Some(level)))
        .await?;
    Ok(Answer(json!({"compatibility": level.word()})))
}

pub(super) async fn unset_config(State(registry): Reg) -> Answered {
    let old = registry.read(|subjects| subjects.global_level());
    registry.change(|subjects| subjects.set_level(None, None)).await?;
    Ok(Answer(json!({"compatibilityLevel": old.word()})))
}

pub(super) async fn unset_subject_config(State(registry): Reg, Path(subject): Path<String>) -> Answered {
    let Some(old) = registry.read(|subjects| subjects.own_level(&subject)) else {
        return Err(RegistryError::subject_not_found(&subject).into());
    };
    registry
        .change(|subjects| subjects.set_level(Some(&subject), None))
        .await?;
    Ok(Answer(json!({"compatibilityLevel": old.word()})))
}
