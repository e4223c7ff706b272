//! Which metrics are wanted of which clients, as the settings of resources of type client metrics say (KIP-714).

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use super::{Client, InstanceId, text_of};
use crate::settings::items;

/// How often clients push that no subscription names; none pushes less often.
const INTERVAL_MS_DEFAULT: i64 = 300_000;
/// Subscribes to everything there is.
const EVERYTHING: &str = "*";
/// What a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// What is known of a client, by the names that `match` has for it.
const KNOWN: [&str; 6] = [
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// What is wanted of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The same as long as the same is wanted of the client, also by another broker or after a restart.
    pub(super) id: i32,
    pub(super) metrics: Vec<String>,
    pub(super) interval_ms: i64,
}

#[derive(Debug)]
struct Subscription {
    metrics: Vec<String>,
    interval_ms: i64,
    /// All have to match, whole.
    patterns: Vec<(String, Regex)>,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: Vec<Subscription>,
}

impl Subscriptions {
    pub(super) fn read(broker: &catalog::Catalog, kind: &str) -> Subscriptions {
        let names = broker.names_with_settings(kind).into_iter();
        let read = names.filter_map(|name| {
            let set = broker.settings_of(kind, &name);
            let listed = |name: &str| set.get(name).map(String::as_str).unwrap_or_default();
            let patterns = patterns(listed("match"));
            let patterns =
                patterns.inspect_err(|why| tracing::warn!("client metrics `{name}` count for nobody: {why}"));
            Some(Subscription {
                metrics: items(listed("metrics")).map(str::to_owned).collect(),
                interval_ms: listed("interval.ms").trim().parse().unwrap_or(INTERVAL_MS_DEFAULT),
                patterns: patterns.ok()?,
            })
        });
        Subscriptions { all: read.collect() }
    }

    pub(super) fn wanted(&self, instance: &InstanceId, client: &Client) -> Wanted {
        let mut metrics = BTreeSet::new();
        let mut interval_ms = INTERVAL_MS_DEFAULT;
        let matches = |(name, pattern): &(String, Regex)| pattern.is_match(&attribute(instance, client, name));
        for one in self.all.iter().filter(|one| one.patterns.iter().all(matches)) {
            metrics.extend(one.metrics.iter().map(String::as_str));
            interval_ms = interval_ms.min(one.interval_ms);
        }
        if metrics.contains(EVERYTHING) {
            metrics = [EVERYTHING].into();
        }
        let metrics: Vec<String> = metrics.into_iter().map(str::to_owned).collect();
        let said = format!("[{}]{interval_ms}", metrics.join(", "));
        let of_instance = instance.chunks_exact(4).fold(0, |id, word| {
            id ^ u32::from_be_bytes([word[0], word[1], word[2], word[3]])
        });
        Wanted {
            id: (crc32c::crc32c(said.as_bytes()) ^ of_instance) as i32,
            metrics,
            interval_ms,
        }
    }
}

fn attribute(instance: &InstanceId, client: &Client, name: &str) -> String {
    match name {
        "client_id" => client.id.clone(),
        "client_instance_id" => text_of(instance),
        "client_software_name" => client.software_name.clone(),
        "client_software_version" => client.software_version.clone(),
        "client_source_address" => client.address.ip().to_string(),
        _ => client.address.port().to_string(),
    }
}

/// Reads the value of `match`: items of the form `client_id=pattern`. Says what is wrong with it.
pub(crate) fn check_match(value: &str) -> Result<(), String> {
    patterns(value).map(drop)
}

fn patterns(value: &str) -> Result<Vec<(String, Regex)>, String> {
    items(value)
        .map(|item| {
            let illegal = |why: &str| format!("Illegal client matching pattern: {item}: {why}");
            let pair = item.split_once('=').filter(|(_, pattern)| !pattern.contains('='));
            let (name, pattern) = pair.ok_or_else(|| illegal("it has not the form NAME=PATTERN"))?;
            let (name, pattern) = (name.trim(), pattern.trim());
            if !KNOWN.contains(&name) {
                return Err(illegal(&format!("names are {}", KNOWN.join(", "))));
            }
            if pattern.is_empty() {
                return Err(illegal("the pattern is empty"));
            }
            // Compiled alone first: what would only be right within the brackets is not right.
            let whole = format!("^(?:{pattern})$");
            let compiled =
                Regex::new(pattern).and_then(|_| RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build());
            let compiled = compiled.map_err(|error| {
                let why = error.to_string();
                illegal(why.lines().last().unwrap_or_default().trim_start_matches("error: "))
            })?;
            Ok((name.to_owned(), compiled))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_for_the_clients_they_match() {
        let subscription = |metrics: &[&str], interval_ms: i64, matches: &str| Subscription {
            metrics: metrics.iter().map(|&name| name.to_owned()).collect(),
            interval_ms,
            patterns: patterns(matches).unwrap(),
        };
        let subscriptions = Subscriptions {
            all: vec![
                subscription(&["b", "a"], 60_000, "client_software_name=java.*,client_id=shop-[0-9]"),
                subscription(&["c"], 400_000, "client_source_address=127\\.0\\.0\\.1"),
                subscription(&["*"], 200_000, "client_source_port=77|78"),
            ],
        };
        let check = |id: &str, name: &str, address: &str, metrics: &[&str], interval_ms: i64| {
            let client = Client {
                id: id.to_owned(),
                software_name: name.to_owned(),
                software_version: "1".to_owned(),
                address: address.parse().unwrap(),
            };
            let wanted = subscriptions.wanted(&[7; 16], &client);
            assert_eq!(
                (&wanted.metrics[..], wanted.interval_ms),
                (
                    &metrics.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()[..],
                    interval_ms
                )
            );
            assert_ne!(subscriptions.wanted(&[8; 16], &client).id, 0);
            wanted.id
        };
        let one = check("shop-1", "javascript", "10.0.0.1:9", &["a", "b"], 60_000);
        assert_eq!(check("shop-2", "java", "10.0.0.2:9", &["a", "b"], 60_000), one);
        let none = check("shop-12", "java", "10.0.0.2:9", &[], 300_000);
        assert_ne!(none, one);
        check("shop-1", "ajava", "127.0.0.1:9", &["c"], 300_000);
        check("shop-1", "java", "127.0.0.1:9", &["a", "b", "c"], 60_000);
        check("shop-1", "java", "127.0.0.1:78", &["*"], 60_000);
        check("x", "librdkafka", "127.0.0.2:779", &[], 300_000);
    }

    #[test]
    fn what_no_client_could_match_is_refused() {
        for (value, allowed) in [
            ("", true),
            ("client_id=a.*", true),
            ("client_id = a , client_source_port=[0-9]+", true),
            ("client_id", false),
            ("client_id=", false),
            ("client_id=a=b", false),
            ("client_name=a", false),
            ("client_id=(", false),
            ("client_id=a)(b", false),
        ] {
            assert_eq!(check_match(value).is_ok(), allowed, "{value}");
        }
    }
}
