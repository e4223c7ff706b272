//! Records to and from text: Avro and JSON through the registry where a record is framed so, plain text otherwise.

use std::collections::HashMap;

use base::ErrorKind;
use client::{SchemaType, TopicsError};
use project::rest::{Rest, encode};
use schema::avro;
use serde_json::Value as Json;

use crate::registered::{language, referred};

/// The first byte of a record framed by a serializer; four bytes of schema id follow.
const MAGIC: u8 = 0;
const FRAME_BYTES: usize = 5;

/// Turns records into text and back, asking the registry once per schema.
pub(crate) struct RecordText {
    registry: Rest,
    by_id: HashMap<i32, Option<Known>>,
}

/// A schema as far as text needs it.
#[derive(Clone)]
enum Known {
    Avro(avro::Schema),
    Json,
}

impl RecordText {
    pub(crate) fn new(registry: &str) -> RecordText {
        RecordText {
            registry: Rest::registry(registry),
            by_id: HashMap::new(),
        }
    }

    /// The bytes as a JSON value: decoded if framed, text if UTF-8, else hexadecimal.
    pub(crate) async fn show(&mut self, bytes: Option<&[u8]>) -> Json {
        let Some(bytes) = bytes else { return Json::Null };
        if bytes.len() >= FRAME_BYTES && bytes[0] == MAGIC {
            let id = i32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
            let payload = &bytes[FRAME_BYTES..];
            let decoded = match self.schema(id).await {
                Some(Known::Avro(schema)) => schema.decode(payload).ok(),
                Some(Known::Json) => serde_json::from_slice(payload).ok(),
                None => None,
            };
            if let Some(decoded) = decoded {
                return decoded;
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Json::from(text),
            Err(_) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Json::from(format!("0x{digits}"))
            }
        }
    }

    async fn schema(&mut self, id: i32) -> Option<Known> {
        if let Some(known) = self.by_id.get(&id) {
            return known.clone();
        }
        let answer = self.registry.get(&format!("/schemas/ids/{id}")).await;
        // Asked again next time if the registry did not answer; a schema it does not have is remembered as unknown.
        let known = match &answer {
            Err(error) if error.kind == ErrorKind::Unavailable => return None,
            Err(_) => None,
            Ok(answer) => known(answer, &referred(&self.registry, answer).await.ok()?),
        };
        self.by_id.insert(id, known.clone());
        known
    }

    /// How values of a subject are written: framed with its newest schema, or `None` if it has none.
    pub(crate) async fn framing(&self, subject: &str) -> Result<Option<Framing>, TopicsError> {
        let answer = match self
            .registry
            .get(&format!("/subjects/{}/versions/latest", encode(subject)))
            .await
        {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unavailable) => return Ok(None),
            Err(error) => return Err(error),
        };
        let id = answer
            .get("id")
            .and_then(Json::as_i64)
            .and_then(|id| i32::try_from(id).ok());
        let texts = referred(&self.registry, &answer).await?;
        match (id, known(&answer, &texts)) {
            (Some(id), Some(known)) => Ok(Some(Framing { id, known })),
            _ => {
                let word = answer.get("schemaType").and_then(Json::as_str).unwrap_or("unknown");
                let message = format!("`{subject}` is {word}, which text cannot be turned into yet: use `--raw`");
                Err(TopicsError::new(ErrorKind::Invalid, message))
            }
        }
    }
}

/// The schema that a subject's records are written with.
pub(crate) struct Framing {
    id: i32,
    known: Known,
}

impl Framing {
    /// JSON text as a framed record.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u8>, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
        let payload = match &self.known {
            Known::Avro(schema) => schema.encode(&json).map_err(|error| error.to_string())?,
            Known::Json => json.to_string().into_bytes(),
        };
        Ok(frame(self.id, &payload))
    }
}

/// A payload with its schema id before it.
pub(crate) fn frame(id: i32, payload: &[u8]) -> Vec<u8> {
    [&[MAGIC][..], &id.to_be_bytes(), payload].concat()
}

fn known(answer: &Json, references: &[(String, String)]) -> Option<Known> {
    match language(answer) {
        SchemaType::Avro => {
            let text = answer.get("schema").and_then(Json::as_str)?;
            avro::Schema::parse(text, references).ok().map(Known::Avro)
        }
        SchemaType::Json => Some(Known::Json),
        SchemaType::Protobuf => None,
    }
}
