//! Requests of a scenario, sent one after another, and their answers as they are kept.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

/// No answer is longer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// One line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As it is written.
    pub line: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// A request and what it was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub line: String,
    /// Status and content type.
    pub head: String,
    /// JSON with sorted keys where it is JSON.
    pub body: String,
}

/// The requests of a scenario's file.
pub fn requests(file: &Path) -> Vec<Request> {
    let text = std::fs::read_to_string(file).expect("the scenario can be read");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(request).collect()
}

fn request(line: &str) -> Request {
    let mut parts = line.splitn(3, ' ');
    let method = parts.next().unwrap_or_default().to_owned();
    let path = parts.next().unwrap_or_default().to_owned();
    let mut rest = parts.next().unwrap_or_default();
    let mut headers = Vec::new();
    // A bracket that begins with a letter is a header; a body begins with a bracket only when it is a list.
    while rest
        .strip_prefix('[')
        .is_some_and(|text| text.starts_with(|c: char| c.is_ascii_uppercase()))
    {
        let Some((header, after)) = rest[1..].split_once(']') else {
            break;
        };
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        headers.push((name.to_owned(), value.trim().to_owned()));
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    let body = (!rest.is_empty()).then(|| rest.to_owned());
    if body.is_some() && !headers.iter().any(|(name, _)| name == "Content-Type") {
        let media = "application/vnd.schemaregistry.v1+json";
        headers.push(("Content-Type".to_owned(), media.to_owned()));
    }
    Request {
        line: line.to_owned(),
        method,
        path,
        headers,
        body,
    }
}

/// Sends requests to a registry at `host:port`, each over a connection of its own.
pub fn play(address: &str, requests: &[Request]) -> Vec<Exchange> {
    requests.iter().map(|request| exchange(address, request)).collect()
}

fn exchange(address: &str, request: &Request) -> Exchange {
    let answer = send(address, request).unwrap_or_else(|error| format!("HTTP/1.1 0 {error}\r\n\r\n").into_bytes());
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap_or_default();
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let body = answer.get(end + 4..).unwrap_or_default();
    let is_chunked = header("Transfer-Encoding").is_some_and(|value| value == "chunked");
    let body = if is_chunked { joined(body) } else { body.to_vec() };
    let media = header("Content-Type").unwrap_or_else(|| "-".to_owned());
    Exchange {
        line: request.line.clone(),
        head: format!("{status} {media}"),
        body: shown(&String::from_utf8_lossy(&body)),
    }
}

fn send(address: &str, request: &Request) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut text = format!(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
        request.method, request.path
    );
    for (name, value) in &request.headers {
        let _written = write!(text, "{name}: {value}\r\n");
    }
    let takes_body = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    if takes_body || request.body.is_some() {
        let length = request.body.as_ref().map_or(0, String::len);
        let _written = write!(text, "Content-Length: {length}\r\n");
    }
    text.push_str("\r\n");
    text.push_str(request.body.as_deref().unwrap_or_default());
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    #[allow(clippy::disallowed_methods, reason = "capped by `take`")]
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = chunks.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&chunks[..at]).trim().to_owned();
        let size = usize::from_str_radix(&size, 16).unwrap_or(0);
        let Some(chunk) = chunks.get(at + 2..at + 2 + size).filter(|_| size > 0) else {
            break;
        };
        body.extend_from_slice(chunk);
        chunks = chunks.get(at + size + 4..).unwrap_or_default();
    }
    body
}

/// A body on one line: JSON with its keys sorted and without what changes from run to run.
fn shown(body: &str) -> String {
    match serde_json::from_str::<Json>(body) {
        Ok(json) => steady(json).to_string(),
        Err(_) => body.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', ""),
    }
}

fn steady(json: Json) -> Json {
    match json {
        Json::Array(list) => list.into_iter().map(steady).collect(),
        Json::Object(object) => {
            let is_association = object.contains_key("resourceName") && object.contains_key("createTs");
            let mut fields: Vec<(String, Json)> = object.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            let fields = fields.into_iter().map(|(key, value)| match key.as_str() {
                "ts" | "createTs" | "updateTs" => (key, Json::from("time")),
                // Drawn at random; how long they are tells whether they are right.
                "encryptedKeyMaterial" | "keyMaterial" => {
                    let length = value.as_str().map_or(0, str::len);
                    (key, Json::from(format!("{length} characters")))
                }
                "guid" if is_association => (key, Json::from("guid")),
                "kafka-cluster" | "schema-registry-cluster" | "commitId" => (key, Json::from("name")),
                _ => (key, steady(value)),
            });
            Json::Object(fields.collect())
        }
        other => other,
    }
}

/// Exchanges of a scenario as they are kept.
pub fn render(scenario: &str, exchanges: &[Exchange]) -> String {
    let mut text = format!("= {scenario}\n");
    for exchange in exchanges {
        let Exchange { line, head, body } = exchange;
        let _written = write!(text, "> {line}\n< {head}\n< {body}\n");
    }
    text
}

/// Reads the kept exchanges of all scenarios, in their order.
pub fn answers(file: &Path) -> Vec<(String, Vec<Exchange>)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut kept: Vec<(String, Vec<Exchange>)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(scenario) = line.strip_prefix("= ") {
            kept.push((scenario.to_owned(), Vec::new()));
        } else if let (Some(line), Some((_, exchanges))) = (line.strip_prefix("> "), kept.last_mut()) {
            let mut next = || {
                lines
                    .next()
                    .and_then(|line| line.strip_prefix("< "))
                    .unwrap_or_default()
            };
            exchanges.push(Exchange {
                line: line.to_owned(),
                head: next().to_owned(),
                body: next().to_owned(),
            });
        }
    }
    kept
}
