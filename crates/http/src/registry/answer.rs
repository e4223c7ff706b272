//! How the registry answers: its content type, and its error body.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schema::RegistryError;
use serde_json::{Value as Json, json};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A JSON answer.
pub(super) struct Answer(pub Json);

/// An error answer, `{"error_code", "message"}`.
pub(super) struct Failure(RegistryError);

pub(super) type Answered = Result<Answer, Failure>;

impl Failure {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure(RegistryError::new(code, message))
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Failure {
        Failure(error)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, self.0.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        respond(
            status,
            json!({"error_code": self.0.code, "message": self.0.message}).to_string(),
        )
    }
}

/// A body that is text already, such as a bare schema.
pub(super) fn respond(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(CONTENT_TYPE));
    response
}
