//! The texts a schema is made of: its own, those it refers to by name, and the published meta-schemas.

use std::borrow::Cow;

use super::read::read;
use super::value::{Json, Object};

/// The drafts of JSON Schema. Schemas up to draft 7 are understood in the old way, the others in the new way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    Four,
    Six,
    Seven,
    TwentyNineteen,
    TwentyTwenty,
}

const DRAFTS: [(&str, Draft); 6] = [
    ("json-schema.org/draft-04/schema", Draft::Four),
    ("json-schema.org/schema", Draft::Four),
    ("json-schema.org/draft-06/schema", Draft::Six),
    ("json-schema.org/draft-07/schema", Draft::Seven),
    ("json-schema.org/draft/2019-09/schema", Draft::TwentyNineteen),
    ("json-schema.org/draft/2020-12/schema", Draft::TwentyTwenty),
];

impl Draft {
    /// The draft of a schema by what `$schema` says, if that is known.
    pub(super) fn of(url: &str) -> Option<Draft> {
        let bare = without_protocol(url.strip_suffix('#').unwrap_or(url))?;
        DRAFTS.iter().find(|(name, _)| *name == bare).map(|(_, draft)| *draft)
    }

    /// The draft that a schema says it is of, if that is known.
    pub(super) fn of_schema(root: &Json) -> Option<Draft> {
        root.get("$schema").and_then(Json::as_str).and_then(Draft::of)
    }

    /// As [`Draft::of`], for the older drafts and with anything behind the address.
    pub(super) fn of_old(url: &str) -> Option<Draft> {
        let bare = without_protocol(url)?;
        let found = DRAFTS
            .iter()
            .find(|(name, _)| bare.starts_with(name))
            .map(|(_, draft)| *draft);
        found.filter(|draft| *draft <= Draft::Seven)
    }

    /// The keyword that names a schema.
    pub(super) fn id_keyword(self) -> &'static str {
        if self == Draft::Four { "id" } else { "$id" }
    }
}

fn without_protocol(url: &str) -> Option<&str> {
    url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))
}

/// A text that schemas can refer to.
#[derive(Debug)]
pub(super) struct Document {
    /// The name it is registered under, or the address of a meta-schema.
    pub(super) name: String,
    pub(super) root: Json,
}

/// Reads the registered texts.
pub(super) fn registered(references: &[(String, String)]) -> Result<Vec<Document>, String> {
    let read_one = |(name, text): &(String, String)| {
        let root = read(text).map_err(|cause| format!("reference `{name}`: {cause}"))?;
        Ok(Document {
            name: name.clone(),
            root: with_definitions(Cow::Owned(root)).into_owned(),
        })
    };
    references.iter().map(read_one).collect()
}

/// Copies `definitions` of the root to `$defs`, so that references to either place find them.
pub(super) fn with_definitions(root: Cow<'_, Json>) -> Cow<'_, Json> {
    let Some(definitions) = root
        .get("definitions")
        .and_then(Json::as_object)
        .filter(|found| !found.is_empty())
    else {
        return root;
    };
    let mut merged = match root.get("$defs") {
        None => Object::new(),
        Some(Json::Object(present)) => present.clone(),
        Some(_) => return root,
    };
    for (name, definition) in definitions {
        if !merged.contains_key(name) {
            merged.insert(name.clone(), definition.clone());
        }
    }
    let mut root = root.into_owned();
    if let Json::Object(members) = &mut root {
        members.insert("$defs".to_owned(), Json::Object(merged));
    }
    Cow::Owned(root)
}

/// The member a JSON pointer's token leads to, with the reason if there is none.
pub(super) fn step<'a>(value: &'a Json, token: &str) -> Result<&'a Json, String> {
    match value {
        Json::Object(members) => members.get(token).ok_or_else(|| format!("there is no `{token}`")),
        Json::Array(items) => {
            let index: usize = token
                .parse()
                .map_err(|_| format!("`{token}` is no place in an array"))?;
            items.get(index).ok_or_else(|| format!("there is no item {index}"))
        }
        other => Err(format!("`{token}` is looked for in {}", other.noun())),
    }
}

/// A JSON pointer's token as it stands in a URI, made plain.
pub(super) fn plain_token(token: &str) -> Result<String, String> {
    let bytes = token.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex = token
                    .get(at..at + 2)
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                out.push(hex.ok_or_else(|| format!("`{token}` is not escaped rightly"))?);
                at += 2;
            }
            other => out.push(*other),
        }
    }
    Ok(String::from_utf8_lossy(&out).replace("~1", "/").replace("~0", "~"))
}
