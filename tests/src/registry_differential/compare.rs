//! Two registries' answers side by side, and the differences that are documented.

use std::fmt;

use serde_json::Value as Json;

use super::Exchange;

/// A request that the two answer differently.
#[derive(Clone, Debug)]
pub struct Difference {
    pub scenario: String,
    pub line: String,
    confluent: String,
    rivulet: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            scenario,
            line,
            confluent,
            rivulet,
        } = self;
        write!(
            out,
            "{scenario}: {line}\n  Confluent {confluent}\n  Rivulet   {rivulet}"
        )
    }
}

/// Where the answers to a scenario differ. Why a text cannot be parsed is said in each parser's own words: the sentences
/// before these are compared.
pub fn differences(scenario: &str, confluent: &[Exchange], rivulet: &[Exchange]) -> Vec<Difference> {
    assert_eq!(
        confluent.iter().map(|exchange| &exchange.line).collect::<Vec<_>>(),
        rivulet.iter().map(|exchange| &exchange.line).collect::<Vec<_>>(),
        "the requests of `{scenario}` are not those whose answers are recorded: record them again"
    );
    let pairs = confluent.iter().zip(rivulet);
    let differing = pairs.filter(|(theirs, ours)| essence(theirs) != essence(ours));
    let difference = |(theirs, ours): (&Exchange, &Exchange)| Difference {
        scenario: scenario.to_owned(),
        line: theirs.line.clone(),
        confluent: format!("{} {}", theirs.head, theirs.body),
        rivulet: format!("{} {}", ours.head, ours.body),
    };
    differing.map(difference).collect()
}

/// What must be the same of an answer.
fn essence(exchange: &Exchange) -> (String, String) {
    let Ok(mut json) = serde_json::from_str::<Json>(&exchange.body) else {
        return (exchange.head.clone(), exchange.body.clone());
    };
    let code = json.get("error_code").and_then(Json::as_i64);
    let message = json.get("message").and_then(Json::as_str).map(str::to_owned);
    if let Some(message) = message {
        match code {
            Some(400) => json["message"] = Json::Null,
            Some(42201) => json["message"] = Json::from(before_details(&message)),
            _ => {}
        }
    }
    if let Some(messages) = json.get_mut("messages").and_then(Json::as_array_mut) {
        for message in messages {
            let text = message.as_str().unwrap_or_default();
            if text.starts_with("Invalid schema") {
                *message = Json::from(before_details(text));
            }
        }
    }
    (exchange.head.clone(), json.to_string())
}

fn before_details(message: &str) -> &str {
    let Some((before, _)) = message.rsplit_once(", details: ") else {
        return message;
    };
    // JSON Schema and Protobuf texts are found wrong at two places there, which say so in two ways.
    if before.contains("schemaType=AVRO") {
        before
    } else {
        "Invalid schema"
    }
}

/// Documented differences: a line `scenario: request` for each (a star at its end stands for anything), reasons in lines
/// that begin with a hash.
pub fn documented(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

fn explains(pattern: &str, difference: &Difference) -> bool {
    let place = format!("{}: {}", difference.scenario, difference.line);
    match pattern.strip_suffix('*') {
        Some(start) => place.starts_with(start),
        None => place == pattern,
    }
}

/// Differences that are documented nowhere, and documented ones that are none.
pub fn unexplained<'a>(
    differences: &'a [Difference],
    patterns: &'a [String],
) -> (Vec<&'a Difference>, Vec<&'a String>) {
    let is_new = |one: &&Difference| !patterns.iter().any(|pattern| explains(pattern, one));
    let is_stale = |pattern: &&String| !differences.iter().any(|one| explains(pattern, one));
    let new = differences.iter().filter(is_new).collect();
    (new, patterns.iter().filter(is_stale).collect())
}
