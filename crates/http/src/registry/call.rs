//! A request, read: the path's segments, the query, what is accepted, the body. Everything is taken from a request here.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use schema::RegistryError;
use schema::subjects::{Name, Page, Subjects, context_prefix};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::answer::{MEDIA, Media, Refusal};

/// Larger bodies are refused: no schema needs more.
const BODY_BYTES_MAX: usize = 8 << 20;
/// Lists of schemas show at most this many at once.
pub(super) const SCHEMAS_MAX: usize = 1000;
/// Content types of bodies that are read as JSON.
const BODY_MEDIA: [&str; 4] = [
    "application/vnd.schemaregistry.v1+json",
    "application/vnd.schemaregistry+json",
    "application/json",
    "application/octet-stream",
];

/// A request on its way to a resource.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    /// Decoded segments of the path; an encoded slash is part of its segment.
    pub(super) path: Vec<String>,
    query: Vec<(String, String)>,
    accept: Vec<String>,
    /// The body's content type, if one was given.
    content_type: Option<String>,
    body: Bytes,
}

impl Call {
    pub(super) fn read(parts: &Parts) -> Result<Call, Refusal> {
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if content_type.as_deref().is_some_and(|text| !is_media_type(text)) {
            return Err(Refusal::Plain(StatusCode::BAD_REQUEST, "Bad Request".to_owned()));
        }
        Ok(Call {
            method: parts.method.clone(),
            path: segments(parts.uri.path())?,
            query: pairs(parts.uri.query().unwrap_or_default()),
            accept: accepts(&parts.headers),
            content_type,
            body: Bytes::new(),
        })
    }

    /// Rewrites the path and the query of a request within `/contexts/{context}/`, and follows aliases.
    pub(super) fn rewrite(&mut self, state: &Subjects) -> Result<(), Refusal> {
        if self.path.len() > 1 && self.path[0] == "contexts" {
            self.enter_context()?;
        }
        if let Some(at) = self.subject_at() {
            let name = Name::parse(&self.path[at]);
            let target = if self.is_below(&["dek-registry"]) {
                state.alias_for_deks_of(&name)
            } else {
                state.alias_of(&name)
            };
            if let Some(target) = target {
                self.path[at] = target.to_string();
            }
        }
        if self.is_below(&["schemas", "ids"]) {
            let subject = self.param("subject").map(Name::parse);
            if let Some(target) = subject.and_then(|subject| state.alias_of(&subject)) {
                self.set_param("subject", target.to_string());
            }
        }
        Ok(())
    }

    /// Where in the path a subject stands.
    fn subject_at(&self) -> Option<usize> {
        let is_group = |segment: &String| segment == "subjects" || segment == "deks";
        let at = self.path.iter().position(is_group)? + 1;
        (at < self.path.len()).then_some(at)
    }

    fn is_below(&self, words: &[&str]) -> bool {
        self.path.len() >= words.len() && self.path.iter().zip(words).all(|(segment, word)| segment == word)
    }

    fn enter_context(&mut self) -> Result<(), Refusal> {
        let prefix = context_prefix(&self.path[1]).map_err(Refusal::WrongContext)?;
        self.path.drain(..2);
        if self.path.is_empty() {
            if !prefix.is_empty() {
                self.path = vec!["contexts".to_owned(), prefix];
            }
            return Ok(());
        }
        let is_setting = matches!(self.path[0].as_str(), "config" | "mode");
        if is_setting && self.path.len() == 1 && !prefix.is_empty() {
            self.path.push(prefix.clone());
        } else if let Some(at) = self
            .subject_at()
            .or(is_setting.then_some(1).filter(|_| self.path.len() > 1))
        {
            self.path[at] = qualified(&prefix, &self.path[at]);
        }
        if self.is_below(&["schemas", "ids"]) {
            let subject = qualified(&prefix, self.param("subject").unwrap_or_default());
            self.set_param("subject", subject);
        } else if self.path.len() == 1 && matches!(self.path[0].as_str(), "schemas" | "subjects")
            || self.path[0] == "keks"
        {
            let subject_prefix = qualified(&prefix, self.param("subjectPrefix").unwrap_or_default());
            self.set_param("subjectPrefix", subject_prefix);
        } else if self.path[0].starts_with("associations") && matches!(self.method, Method::POST | Method::PUT) {
            self.set_param("context", prefix);
        }
        Ok(())
    }

    /// A parameter of the query; the first of several.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter that says something.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.param(name).filter(|value| !value.trim().is_empty())
    }

    /// All values of a parameter.
    pub(super) fn params(&self, name: &str) -> Vec<String> {
        let found = self.query.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).collect()
    }

    fn set_param(&mut self, name: &str, value: String) {
        self.query.retain(|(key, _)| key != name);
        self.query.push((name.to_owned(), value));
    }

    /// A flag in any case: Python sends `False`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn number(&self, name: &str) -> Result<Option<i32>, RegistryError> {
        let given = self.param(name).filter(|value| !value.is_empty());
        given.map(|text| text.parse().map_err(|_| not_found())).transpose()
    }

    /// The page of a list that `offset` and `limit` ask for; a limit that is none, or above `limit_max`, is `limit_max`.
    pub(super) fn page(&self, limit_max: usize) -> Result<Page, RegistryError> {
        let offset = self.number("offset")?.unwrap_or(0);
        let limit = self.number("limit")?.unwrap_or(-1);
        let limit = usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=limit_max).contains(limit));
        Ok(Page {
            offset: usize::try_from(offset).unwrap_or(0),
            limit: limit.unwrap_or(limit_max),
        })
    }

    /// The content type the client likes best of those there are.
    pub(super) fn accepted(&self) -> Result<Media, Refusal> {
        if self.accept.is_empty() {
            return Ok(MEDIA[0]);
        }
        let best = MEDIA.iter().map(|media| (*media, quality(media.0, &self.accept)));
        // The first of the best: `max_by` would give the last.
        let mut chosen: Option<(Media, u32)> = None;
        for (media, quality) in best {
            if quality > chosen.map_or(0, |(_, best)| best) {
                chosen = Some((media, quality));
            }
        }
        chosen.map(|(media, _)| media).ok_or(Refusal::NotAcceptable)
    }

    /// Reads the body, up to a limit.
    pub(super) async fn take_body(&mut self, body: Body) -> Result<(), RegistryError> {
        let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
        self.body = bytes
            .map_err(|_| RegistryError::new(413, format!("a request's body is at most {BODY_BYTES_MAX} bytes long")))?;
        let Some(content_type) = self.content_type.as_deref().filter(|_| !self.body.is_empty()) else {
            return Ok(());
        };
        let bare = content_type.split(';').next().unwrap_or_default().trim();
        if BODY_MEDIA.iter().any(|known| known.eq_ignore_ascii_case(bare)) {
            Ok(())
        } else {
            Err(RegistryError::new(415, "HTTP 415 Unsupported Media Type"))
        }
    }

    /// The body as JSON of a shape. `argument` is how the registry the world knows names a body that is missing.
    pub(super) fn body<T: DeserializeOwned>(&self, argument: &str) -> Result<T, RegistryError> {
        let missing = || RegistryError::new(422, format!("{argument} must not be null (was null)"));
        if self.body.trim_ascii().is_empty() {
            return Err(missing());
        }
        let json: Json = serde_json::from_slice(&self.body).map_err(|error| wrong_body(&error))?;
        match &json {
            Json::Object(_) => serde_json::from_value(json).map_err(|error| wrong_body(&error)),
            Json::Null => Err(missing()),
            _ => Err(RegistryError::new(400, "the request body is not a JSON object")),
        }
    }

    /// How long the body is.
    pub(super) fn body_bytes(&self) -> usize {
        self.body.len()
    }
}

/// What an identifier that is no number is answered with.
pub(super) fn not_found() -> RegistryError {
    RegistryError::new(404, "HTTP 404 Not Found")
}

fn wrong_body(error: &serde_json::Error) -> RegistryError {
    RegistryError::new(400, error.to_string())
}

/// A subject or prefix in a context, unless it names one itself.
fn qualified(prefix: &str, subject: &str) -> String {
    if subject.starts_with(":.") || subject.starts_with(":*:") {
        subject.to_owned()
    } else {
        format!("{prefix}{subject}")
    }
}

/// The decoded segments of a path; a slash at its end does not count.
fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let bare = path.strip_prefix('/').unwrap_or(path);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if bare.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |message: &str| Refusal::Plain(StatusCode::BAD_REQUEST, message.to_owned());
    let decoded = bare.split('/').map(|segment| {
        if segment.is_empty() {
            return Err(wrong("Ambiguous URI empty segment"));
        }
        decode(segment, false).ok_or_else(|| wrong("Bad URI"))
    });
    decoded.collect()
}

/// The decoded pairs of a query.
fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let text = |text: &str| decode(text, true).unwrap_or_else(|| text.to_owned());
        (text(key), text(value))
    };
    parts.map(pair).collect()
}

/// Percent-decodes UTF-8; none if it is not.
fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(digits[0])? * 16 + digit(digits[1])?;
                bytes.push(u8::try_from(value).ok()?);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

fn is_media_type(text: &str) -> bool {
    let bare = text.split(';').next().unwrap_or_default().trim();
    let parts = bare.split_once('/');
    parts.is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty())
}

fn accepts(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::ACCEPT).iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let listed: Vec<String> = texts
        .flat_map(|text| text.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>())
        .filter(|one| !one.is_empty())
        .collect();
    listed
}

/// How much a client likes a content type, in thousandths.
fn quality(media: &str, accept: &[String]) -> u32 {
    let mut best = (0, 0);
    for range in accept {
        let mut parts = range.split(';').map(str::trim);
        let bare = parts.next().unwrap_or_default();
        let precision = if bare.eq_ignore_ascii_case(media) {
            3
        } else if bare.eq_ignore_ascii_case("application/*") {
            2
        } else if bare == "*/*" || bare == "*" {
            1
        } else {
            continue;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight
            .map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0))
            .clamp(0.0, 1.0);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1000"
        )]
        let weight = (weight * 1000.0) as u32;
        best = best.max((precision, weight));
    }
    best.1
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use schema::subjects::Subjects;

    use super::Call;

    fn rewritten(method: &str, uri: &str) -> String {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        let (parts, ()) = request.into_parts();
        let mut call = match Call::read(&parts) {
            Ok(call) => call,
            Err(refusal) => return format!("{refusal:?}"),
        };
        if let Err(refusal) = call.rewrite(&Subjects::default()) {
            return format!("{refusal:?}");
        }
        let query: Vec<String> = call.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{} {}", call.path.join("|"), query.join("&"))
    }

    #[test]
    fn paths_within_contexts_are_rewritten() {
        for (method, uri, expected) in [
            ("GET", "/", " "),
            ("GET", "/subjects/", "subjects "),
            ("GET", "/subjects/a%2Fb/versions", "subjects|a/b|versions "),
            ("GET", "/subjects/gr%C3%BC%C3%9Fe", "subjects|grüße "),
            ("GET", "/contexts", "contexts "),
            ("GET", "/contexts/.c", "contexts|:.c: "),
            ("GET", "/contexts/c", "contexts|:.c: "),
            ("GET", "/contexts/.", " "),
            ("GET", "/contexts/.c/subjects", "subjects subjectPrefix=:.c:"),
            (
                "GET",
                "/contexts/.c/subjects?subjectPrefix=a",
                "subjects subjectPrefix=:.c:a",
            ),
            (
                "GET",
                "/contexts/.c/subjects?subjectPrefix=:.d:a",
                "subjects subjectPrefix=:.d:a",
            ),
            (
                "GET",
                "/contexts/.c/subjects?subjectPrefix=:*:",
                "subjects subjectPrefix=:*:",
            ),
            (
                "GET",
                "/contexts/.c/subjects/a/versions/1",
                "subjects|:.c:a|versions|1 ",
            ),
            (
                "GET",
                "/contexts/:.c:/subjects/:.d:a/versions",
                "subjects|:.d:a|versions ",
            ),
            (
                "POST",
                "/contexts/.c/compatibility/subjects/a/versions",
                "compatibility|subjects|:.c:a|versions ",
            ),
            ("GET", "/contexts/.c/config", "config|:.c: "),
            ("GET", "/contexts/.c/config/a", "config|:.c:a "),
            ("GET", "/contexts/./config", "config "),
            ("GET", "/contexts/.c/mode/a", "mode|:.c:a "),
            ("GET", "/contexts/.c/schemas", "schemas subjectPrefix=:.c:"),
            ("GET", "/contexts/.c/schemas/ids/1", "schemas|ids|1 subject=:.c:"),
            (
                "GET",
                "/contexts/.c/schemas/ids/1?subject=a",
                "schemas|ids|1 subject=:.c:a",
            ),
            ("POST", "/contexts/.c/associations", "associations context=:.c:"),
            (
                "GET",
                "/contexts/.c/associations/resources/-/t",
                "associations|resources|-|t ",
            ),
            ("GET", "/subjects?deleted&x=a+b%20c", "subjects deleted=&x=a b c"),
            ("GET", "//subjects", "Plain(400, \"Ambiguous URI empty segment\")"),
            ("GET", "/subjects/%FF", "Plain(400, \"Bad URI\")"),
            (
                "GET",
                "/contexts/a:b/subjects",
                "WrongContext(\"Context name 'a:b' cannot contain a colon\")",
            ),
        ] {
            assert_eq!(rewritten(method, uri), expected, "{method} {uri}");
        }
    }
}
