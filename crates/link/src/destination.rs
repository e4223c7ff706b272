//! Another registry over HTTP. Nothing else here opens a connection, and only to an address that an exporter's owner
//! named.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use schema::exporter::{Credentials, Destination};
use serde_json::Value as Json;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A request with its answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Of longer answers the rest is not read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const REFERENCE_EXISTS: i64 = 42206;
const MEDIA: &str = "application/vnd.schemaregistry.v1+json";

/// Why something did not happen at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It may happen if it is tried again.
    Passing(String),
    /// It was refused.
    Lasting(String),
    /// It was refused because something there refers to what should go.
    Referenced(String),
}

pub(crate) struct Remote {
    http: Client,
    destination: Destination,
}

/// What was answered, and to what.
pub(crate) struct Answer {
    asked: String,
    pub(crate) status: u16,
    pub(crate) body: Json,
}

impl Answer {
    /// The registry's own code; the status where there is none.
    pub(crate) fn code(&self) -> i64 {
        let code = self.body.get("error_code").and_then(Json::as_i64);
        code.unwrap_or_else(|| i64::from(self.status))
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a success; anything else is a refusal.
    pub(crate) fn success(self) -> Result<Json, Trouble> {
        match self.is_success() {
            true => Ok(self.body),
            false if self.code() == REFERENCE_EXISTS => Err(Trouble::Referenced(self.told())),
            false => Err(Trouble::Lasting(self.told())),
        }
    }

    fn told(&self) -> String {
        let message = self.body.get("message").and_then(Json::as_str);
        let message = message.unwrap_or("no message");
        format!("{} was answered with {}: {message}", self.asked, self.code())
    }
}

impl Remote {
    pub(crate) fn new(destination: Destination) -> Result<Remote, Trouble> {
        let builder = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            // Credentials go to the address that was named and to no other.
            .redirect(redirect::Policy::none());
        // Without TLS no certificates are needed, and there need not be any.
        let builder = match destination.url.starts_with("https:") {
            true => builder,
            false => builder.tls_certs_only([]),
        };
        let http = builder.build().map_err(|error| {
            let (url, why) = (&destination.url, told(&error));
            let hint = "hint: install the system's CA certificates, or name a file of them in SSL_CERT_FILE";
            Trouble::Lasting(format!("`{url}` cannot be asked: {why}; {hint}"))
        })?;
        Ok(Remote { http, destination })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Trouble> {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Json) -> Result<Answer, Trouble> {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Json) -> Result<Answer, Trouble> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Trouble> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Answer, Trouble> {
        let asked = format!("{method} {}{path}", self.destination.url);
        let passing = |error: reqwest::Error| Trouble::Passing(format!("{asked} was not answered: {}", told(&error)));
        let request = self.http.request(method, format!("{}{path}", self.destination.url));
        let mut request = self.authorized(request).header("Accept", MEDIA);
        if let Some(body) = body {
            request = request.header("Content-Type", MEDIA).body(body.to_string());
        }
        let mut response = request.send().await.map_err(passing)?;
        let status = response.status().as_u16();
        let bytes = read(&mut response).await.map_err(passing)?;
        let answer = Answer {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            asked,
        };
        match status {
            408 | 429 | 500 | 502..=504 => Err(Trouble::Passing(answer.told())),
            _ => Ok(answer),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.destination.credentials {
            Credentials::Nobody => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Bearer {
                token,
                logical_cluster,
                identity_pool,
            } => {
                let headers = [
                    ("target-sr-cluster", logical_cluster),
                    ("Confluent-Identity-Pool-Id", identity_pool),
                ];
                let mut request = request.bearer_auth(token);
                for (name, value) in headers {
                    if let Some(value) = value {
                        request = request.header(name, value);
                    }
                }
                request
            }
        }
    }
}

async fn read(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX
        && let Some(chunk) = response.chunk().await?
    {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// An error down to its cause.
fn told(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// A path segment with everything but the plainest characters escaped.
pub(crate) fn encode(segment: impl std::fmt::Display) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    let mut encoded = String::new();
    for byte in segment.to_string().bytes() {
        match plain(byte) {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
