//! How the registry answers: its content types, its error body, and what of a schema is shown.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use schema::RegistryError;
use schema::subjects::associations::Association;
use schema::subjects::tags::SchemaTags;
use schema::subjects::{Lookup, Metadata, Reference, RuleSet};
use serde::Serialize;
use serde_json::json;

/// A content type that answers can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Media(pub(super) &'static str);

/// The content types, best first.
pub(super) const MEDIA: [Media; 3] = [
    Media("application/vnd.schemaregistry.v1+json"),
    Media("application/vnd.schemaregistry+json"),
    Media("application/json"),
];

/// An answer's status and body.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Option<Vec<u8>>,
}

pub(super) type Replied = Result<Reply, RegistryError>;

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Replied {
        let body = serde_json::to_vec(value).map_err(RegistryError::store)?;
        Ok(Reply {
            status: StatusCode::OK,
            body: Some(body),
        })
    }

    /// A body that is text already, such as a bare schema.
    pub(super) fn text(text: String) -> Reply {
        Reply {
            status: StatusCode::OK,
            body: Some(text.into_bytes()),
        }
    }

    pub(super) fn nothing(status: StatusCode) -> Reply {
        Reply { status, body: None }
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Reply {
        self.status = status;
        self
    }
}

/// Why a request never came to a resource.
#[derive(Debug)]
pub(super) enum Refusal {
    NotFound,
    WrongMethod,
    NotAcceptable,
    /// With a message of its own, before any content type was agreed on.
    Plain(StatusCode, String),
    /// A context that cannot be one.
    WrongContext(String),
    /// In the content type agreed on.
    Agreed(Media, RegistryError),
}

impl Refusal {
    pub(super) fn into_response(self) -> Response {
        let (status, message) = match self {
            Refusal::NotFound => (StatusCode::NOT_FOUND, "HTTP 404 Not Found".to_owned()),
            Refusal::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed".to_owned()),
            Refusal::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "HTTP 406 Not Acceptable".to_owned()),
            Refusal::WrongContext(message) => (StatusCode::BAD_REQUEST, message),
            Refusal::Plain(status, message) => {
                let body = error_body(i32::from(status.as_u16()), &message);
                return response(status, Some(Media("application/json")), Some(body));
            }
            Refusal::Agreed(media, error) => return media.respond(Err(error)),
        };
        let body = error_body(i32::from(status.as_u16()), &message);
        response(status, None, Some(body))
    }
}

fn error_body(code: i32, message: &str) -> Vec<u8> {
    json!({"error_code": code, "message": message}).to_string().into_bytes()
}

fn response(status: StatusCode, media: Option<Media>, body: Option<Vec<u8>>) -> Response {
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = status;
    if let Some(Media(word)) = media {
        let value = HeaderValue::from_static(word);
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// Says which methods a path takes.
pub(super) fn options(allowed: &str) -> Response {
    let mut response = response(
        StatusCode::OK,
        Some(Media("text/plain")),
        Some(allowed.as_bytes().to_vec()),
    );
    if let Ok(value) = HeaderValue::from_str(&allowed.replace(' ', "")) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

impl Media {
    pub(super) fn refused(self, error: RegistryError) -> Refusal {
        Refusal::Agreed(self, error)
    }

    pub(super) fn respond(self, replied: Replied) -> Response {
        match replied {
            Ok(Reply { status, body }) => {
                let media = body.is_some().then_some(self);
                response(status, media, body)
            }
            Err(error) => {
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                response(status, Some(self), Some(error_body(error.code, &error.message)))
            }
        }
    }
}

/// A schema, or a version of one, as answers show it; what is absent or empty is left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<i32>,
    guid: String,
    schema_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_set: Option<&'a RuleSet>,
    schema: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) schema_tags: Vec<SchemaTags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) aliases: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) associations: Vec<AssociationView<'a>>,
}

impl<'a> SchemaView<'a> {
    /// All there is to say of a version.
    pub(super) fn of(found: &'a Lookup) -> SchemaView<'a> {
        let stored = &found.schema;
        SchemaView {
            subject: Some(found.subject.to_string()),
            version: Some(found.version),
            id: Some(stored.id),
            guid: stored.guid.to_string(),
            schema_type: stored.schema_type.word(),
            references: stored.references.clone(),
            metadata: stored.metadata.as_ref(),
            rule_set: stored.rule_set.as_ref(),
            schema: &stored.text,
            ts: found.kept.map(|kept| kept.written_ms),
            deleted: found.kept.map(|kept| kept.deleted),
            ..SchemaView::default()
        }
    }

    /// With another text than the stored one, if there is one.
    pub(super) fn with_text(mut self, text: Option<&'a str>) -> SchemaView<'a> {
        self.schema = text.unwrap_or(self.schema);
        self
    }

    /// With the contexts of references written out, and, with `identify`, the GUID of a schema that has these.
    pub(super) fn with_qualified_references(mut self, found: &Lookup, identify: bool) -> SchemaView<'a> {
        let stored = &found.schema;
        if found.subject.is_in_default() || stored.references.is_empty() {
            return self;
        }
        for reference in &mut self.references {
            reference.subject = found.subject.relative(&reference.subject).to_string();
        }
        if identify {
            let guid = schema::guid::of(
                &stored.text,
                &self.references,
                stored.metadata.as_ref(),
                stored.rule_set.as_ref(),
            );
            self.guid = guid.to_string();
        }
        self
    }
}

/// An association as answers show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssociationView<'a> {
    subject: String,
    guid: &'a str,
    resource_name: &'a str,
    resource_namespace: &'a str,
    resource_id: &'a str,
    resource_type: &'a str,
    association_type: &'a str,
    lifecycle: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<bool>,
    create_ts: i64,
    update_ts: i64,
}

/// Whether something is frozen, where its lifecycle does not say so already.
pub(super) fn frozen(association: &Association) -> Option<bool> {
    let is_strong = association.lifecycle == schema::subjects::associations::Lifecycle::Strong;
    (association.frozen != is_strong).then_some(association.frozen)
}

impl<'a> AssociationView<'a> {
    pub(super) fn of(association: &'a Association) -> AssociationView<'a> {
        AssociationView {
            subject: association.subject.to_string(),
            guid: &association.guid,
            resource_name: &association.resource_name,
            resource_namespace: &association.resource_namespace,
            resource_id: &association.resource_id,
            resource_type: &association.resource_type,
            association_type: &association.association_type,
            lifecycle: association.lifecycle.word(),
            frozen: frozen(association),
            create_ts: association.created_ms,
            update_ts: association.updated_ms,
        }
    }
}
