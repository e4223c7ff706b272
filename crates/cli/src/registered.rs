//! Schemas as a registry answers them: their language, and the texts of what they refer to.

use std::collections::BTreeSet;

use client::TopicsError;
use project::rest::{Rest, encode};
use schema::SchemaType;
use serde_json::{Value as Json, json};

/// The language of a registry's answer; Avro where older registries leave it out.
pub(crate) fn language(answer: &Json) -> SchemaType {
    let word = answer.get("schemaType").and_then(Json::as_str);
    word.and_then(SchemaType::from_word).unwrap_or_default()
}

/// Names and texts of everything that a registered schema refers to, dependencies first.
pub(crate) async fn referred(registry: &Rest, answer: &Json) -> Result<Vec<(String, String)>, TopicsError> {
    let mut texts: Vec<(String, String)> = Vec::new();
    // Asked for once, also where a registry's schemas refer to each other in a circle.
    let mut asked = BTreeSet::new();
    // Depth first without recursion: what refers to others is put after them.
    let mut waiting: Vec<(Json, bool)> = references(answer).into_iter().rev().map(|one| (one, false)).collect();
    while let Some((reference, is_open)) = waiting.pop() {
        let name = reference["name"].as_str().unwrap_or_default().to_owned();
        if is_open {
            let text = reference["text"].as_str().unwrap_or_default().to_owned();
            texts.push((name, text));
            continue;
        }
        if !asked.insert(name.clone()) {
            continue;
        }
        let subject = reference["subject"].as_str().unwrap_or_default();
        let path = format!(
            "/subjects/{}/versions/{}?deleted=true",
            encode(subject),
            reference["version"]
        );
        let target = registry.get(&path).await?;
        let below = references(&target);
        waiting.push((json!({"name": name, "text": target["schema"]}), true));
        waiting.extend(below.into_iter().rev().map(|one| (one, false)));
    }
    Ok(texts)
}

fn references(answer: &Json) -> Vec<Json> {
    let list = answer.get("references").and_then(Json::as_array);
    list.cloned().unwrap_or_default()
}
