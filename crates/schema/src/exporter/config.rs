//! How a destination is reached: an exporter's `config`, by the names Confluent's clients know.

use std::collections::BTreeMap;

use crate::RegistryError;
use crate::error::quoted;

/// What answers show in a secret's place; sent back, the secret stays what it is.
pub const HIDDEN: &str = "[hidden]";

const URL: &str = "schema.registry.url";
const BASIC_SOURCE: &str = "basic.auth.credentials.source";
const BASIC_USER: &str = "basic.auth.user.info";
const BEARER_SOURCE: &str = "bearer.auth.credentials.source";
const BEARER_TOKEN: &str = "bearer.auth.token";
const BEARER_CLUSTER: &str = "bearer.auth.logical.cluster";
const BEARER_POOL: &str = "bearer.auth.identity.pool.id";
const KNOWN: [&str; 7] = [
    URL,
    BASIC_SOURCE,
    BASIC_USER,
    BEARER_SOURCE,
    BEARER_TOKEN,
    BEARER_CLUSTER,
    BEARER_POOL,
];
const SECRETS: [&str; 2] = [BASIC_USER, BEARER_TOKEN];
/// No value needs to be longer.
const VALUE_BYTES_MAX: usize = 8 << 10;

/// Where schemas go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `http` or `https`; no slash at its end, no credentials.
    pub url: String,
    pub credentials: Credentials,
}

/// What a destination wants to know of who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    Nobody,
    Basic {
        user: String,
        password: String,
    },
    Bearer {
        token: String,
        logical_cluster: Option<String>,
        identity_pool: Option<String>,
    },
}

fn wrong(why: impl std::fmt::Display) -> RegistryError {
    RegistryError::new(40951, format!("Missing or invalid exporter config: {why}"))
}

impl Destination {
    /// Reads a `config`; the error says what of it cannot be followed.
    pub fn of(config: &BTreeMap<String, String>) -> Result<Destination, RegistryError> {
        for (key, value) in config {
            if !KNOWN.contains(&key.as_str()) {
                let (key, known) = (quoted(key), KNOWN.join("`, `"));
                return Err(wrong(format_args!("`{key}` is no setting here; there are `{known}`")));
            }
            if value.len() > VALUE_BYTES_MAX || value.chars().any(char::is_control) {
                return Err(wrong(format_args!(
                    "the value of `{key}` is too long or not plain text"
                )));
            }
        }
        let url = given(config, URL).ok_or_else(|| wrong(format_args!("`{URL}` is missing")))?;
        let url = url.trim_end_matches('/');
        check_url(url).map_err(|why| wrong(format_args!("`{URL}` {why}")))?;
        Ok(Destination {
            url: url.to_owned(),
            credentials: credentials(config)?,
        })
    }
}

/// A setting that says something.
fn given<'a>(config: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    config
        .get(key)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let rest = rest.ok_or("is not an `http://` or `https://` address")?;
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("holds credentials: they belong into `basic.auth.user.info`");
    }
    if url
        .chars()
        .any(|c| c.is_whitespace() || matches!(c, '?' | '#' | ',' | '\\' | '"' | '<' | '>'))
    {
        return Err("is not one plain address");
    }
    // The colons of an IPv6 address stand in brackets.
    let after = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after..].split_once(':') {
        Some((host, port)) => (authority[..after].len() + host.len(), Some(port)),
        None => (authority.len(), None),
    };
    if host == 0 {
        return Err("names no host");
    }
    match port.map(str::parse::<u16>) {
        None => Ok(()),
        Some(Ok(port)) if port > 0 => Ok(()),
        Some(_) => Err("names no port from 1 to 65535"),
    }
}

fn credentials(config: &BTreeMap<String, String>) -> Result<Credentials, RegistryError> {
    match (given(config, BASIC_SOURCE), given(config, BEARER_SOURCE)) {
        (Some(_), Some(_)) => Err(wrong(format_args!(
            "only one of `{BASIC_SOURCE}` and `{BEARER_SOURCE}` can be given"
        ))),
        (Some("USER_INFO"), None) => {
            let pair = given(config, BASIC_USER).and_then(|info| info.split_once(':'));
            let (user, password) = pair.ok_or_else(|| wrong(format_args!("`{BASIC_USER}` is not `USER:PASSWORD`")))?;
            Ok(Credentials::Basic {
                user: user.to_owned(),
                password: password.to_owned(),
            })
        }
        (None, Some("STATIC_TOKEN")) => {
            let token = given(config, BEARER_TOKEN);
            let token = token.ok_or_else(|| wrong(format_args!("`{BEARER_TOKEN}` is missing")))?;
            let header = |key| given(config, key).map(str::to_owned);
            let credentials = Credentials::Bearer {
                token: token.to_owned(),
                logical_cluster: header(BEARER_CLUSTER),
                identity_pool: header(BEARER_POOL),
            };
            match credentials {
                Credentials::Bearer { ref token, .. } if !token.is_ascii() => {
                    Err(wrong(format_args!("`{BEARER_TOKEN}` is not ASCII")))
                }
                credentials => Ok(credentials),
            }
        }
        (Some(_), None) => Err(wrong(format_args!("`{BASIC_SOURCE}` can only be `USER_INFO`"))),
        (None, Some(_)) => Err(wrong(format_args!("`{BEARER_SOURCE}` can only be `STATIC_TOKEN`"))),
        (None, None) if SECRETS.iter().any(|key| given(config, key).is_some()) => Err(wrong(format_args!(
            "credentials without `{BASIC_SOURCE}` or `{BEARER_SOURCE}`"
        ))),
        (None, None) => Ok(Credentials::Nobody),
    }
}

/// A config as answers show it.
pub(super) fn shown(config: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let hide = |(key, value): (&String, &String)| {
        let value = if SECRETS.contains(&key.as_str()) { HIDDEN } else { value };
        (key.clone(), value.to_owned())
    };
    config.iter().map(hide).collect()
}

/// A config as a client wants it, which may have been told only that there is a secret.
pub(super) fn merged(old: &BTreeMap<String, String>, new: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let fill = |(key, value): (String, String)| {
        let kept = old.get(&key).filter(|_| value == HIDDEN);
        let value = kept.cloned().unwrap_or(value);
        (key, value)
    };
    new.into_iter().map(fill).collect()
}
