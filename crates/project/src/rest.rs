//! Small clients of the two REST faces a project and the commands use: the registry's and our API's.

use base::ErrorKind;
use client::{SchemaType, TopicsError};
use serde_json::{Value as Json, json};

/// A REST face at an address.
#[derive(Clone, Debug)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    /// What to call it in errors: `registry` or `api`.
    face: &'static str,
}

impl Rest {
    pub fn registry(url: &str) -> Rest {
        Rest::new(url, "registry")
    }

    pub fn api(url: &str) -> Rest {
        Rest::new(url, "api")
    }

    fn new(url: &str, face: &'static str) -> Rest {
        Rest {
            http: http_client(url),
            base: url.trim_end_matches('/').to_owned(),
            face,
        }
    }

    pub async fn get(&self, path: &str) -> Result<Json, TopicsError> {
        self.answer(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: &Json) -> Result<Json, TopicsError> {
        self.answer(self.http.post(self.url(path)).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Json) -> Result<Json, TopicsError> {
        self.answer(self.http.put(self.url(path)).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Json, TopicsError> {
        self.answer(self.http.delete(self.url(path))).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Json, TopicsError> {
        let unreachable = |error: reqwest::Error| {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            TopicsError::new(
                ErrorKind::Unavailable,
                format!("no {} answers at `{}`: {cause}", self.face, self.base),
            )
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text).unwrap_or(Json::Null));
        }
        let body: Json = serde_json::from_str(&text).unwrap_or(Json::Null);
        let message = body
            .pointer("/error/message")
            .or_else(|| body.get("message"))
            .and_then(Json::as_str);
        let message = message.map_or_else(|| format!("the {} answered {status}", self.face), str::to_owned);
        let kind = match status.as_u16() {
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            403 | 401 => ErrorKind::Denied,
            408 | 429 | 502..=504 => ErrorKind::Unavailable,
            400..=499 => ErrorKind::Invalid,
            _ => ErrorKind::Internal,
        };
        Err(TopicsError::new(kind, message))
    }

    /// Registers a schema (or finds it) under a subject of the registry; gives its id.
    pub async fn register(&self, subject: &str, schema_type: SchemaType, text: &str) -> Result<i32, TopicsError> {
        let body = json!({"schemaType": schema_type.word(), "schema": text});
        let answer = self
            .post(&format!("/subjects/{}/versions", encode(subject)), &body)
            .await?;
        let id = answer
            .get("id")
            .and_then(Json::as_i64)
            .and_then(|id| i32::try_from(id).ok());
        id.ok_or_else(|| TopicsError::new(ErrorKind::Internal, format!("the registry gave no id: {answer}")))
    }
}

/// Without TLS no certificates are needed, and there need not be any on the machine.
fn http_client(url: &str) -> reqwest::Client {
    let without = || reqwest::Client::builder().tls_certs_only([]).build();
    let client = match url.starts_with("https:") {
        true => reqwest::Client::builder().build().or_else(|_| without()),
        false => without(),
    };
    client.expect("a client without certificates can always be made")
}

/// A path segment with everything but the plainest characters escaped.
pub fn encode(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    segment
        .bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
