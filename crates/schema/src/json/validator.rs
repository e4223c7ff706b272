//! Says whether payloads fit a schema.
//!
//! References lead to the registered texts and the published meta-schemas only; nothing is fetched.

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::{Retrieve, Uri};
use serde_json::{Map, Number, Value};

use super::documents::{Document, Draft, with_definitions};
use super::model::{Graph, Kind, NodeId};
use super::value::Json;
use super::{Schema, uri};

/// Room on the stack for schemas whose parts are nested as deeply as a text may be.
const STACK: usize = 64 * 1024 * 1024;
/// Characters of a message, which may quote the payload.
const MOST_CHARACTERS: usize = 500;

/// A schema made ready to check payloads.
#[derive(Debug)]
pub struct Validator {
    inner: jsonschema::Validator,
    /// Whether checks go down as deeply as only a larger stack can hold.
    deep: bool,
}

impl Validator {
    /// Whether the payload is JSON that the schema takes; the error says where it is not, and why.
    pub fn check(&self, payload: &[u8]) -> Result<(), String> {
        let instance: Value =
            serde_json::from_slice(payload).map_err(|cause| format!("the payload is no JSON: {cause}"))?;
        let checked = || match self.inner.validate(&instance) {
            Ok(()) => Ok(()),
            Err(fault) => Err(said(&fault)),
        };
        if self.deep {
            stacker::grow(STACK, checked)
        } else {
            checked()
        }
    }
}

/// Where and why a value does not fit; the value quoted in it may be long.
fn said(fault: &jsonschema::ValidationError<'_>) -> String {
    let cause: String = fault.to_string().chars().take(MOST_CHARACTERS).collect();
    format!("`#{}`: {cause}", fault.instance_path())
}

impl Schema {
    /// Makes the schema ready to check payloads. This takes as long as some thousands of checks, so keep the result.
    ///
    /// Refused are schemas that lead back to themselves without going into the value, that break the meta-schema of
    /// their draft where registration does not look, and that use regular expressions of other platforms only.
    pub fn validator(&self) -> Result<Validator, String> {
        if let Some(text) = endless(&self.graph) {
            return Err(format!(
                "`{text}` leads back to itself, so no payload could ever be checked"
            ));
        }
        let root = with_definitions(std::borrow::Cow::Borrowed(&*self.root));
        let draft = Draft::of_schema(&root).unwrap_or(Draft::Seven);
        let base = root.get(draft.id_keyword()).and_then(Json::as_str);
        let known = Known {
            documents: by_address(&self.references, base),
        };
        let options = jsonschema::options().with_draft(published(draft)).with_retriever(known);
        let root = without_unknown_draft(&root);
        let built = stacker::grow(STACK, || options.build(&root).map_err(|fault| said(&fault)));
        Ok(Validator {
            inner: built?,
            deep: self.root.levels() > 32,
        })
    }
}

/// Gives out the registered texts by the addresses they can be referred to.
struct Known {
    documents: HashMap<String, Arc<Value>>,
}

impl Retrieve for Known {
    fn retrieve(&self, address: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let address = address.as_str();
        match self.documents.get(address) {
            Some(document) => Ok(Value::clone(document)),
            None => Err(super::classic::not_registered(address).into()),
        }
    }
}

/// The address that the library resolves relative references against where a schema has none.
const LIBRARY_BASE: &str = "json-schema:///";

fn by_address(references: &[Document], base: Option<&str>) -> HashMap<String, Arc<Value>> {
    let mut documents = HashMap::new();
    for reference in references {
        let value = Arc::new(without_unknown_draft(&reference.root));
        let relative_to = base.into_iter().chain([LIBRARY_BASE]);
        for address in relative_to.filter_map(|base| uri::resolve(base, &reference.name).ok()) {
            documents.insert(address, Arc::clone(&value));
        }
        documents.insert(reference.name.clone(), value);
    }
    documents
}

fn published(draft: Draft) -> jsonschema::Draft {
    match draft {
        Draft::Four => jsonschema::Draft::Draft4,
        Draft::Six => jsonschema::Draft::Draft6,
        Draft::Seven => jsonschema::Draft::Draft7,
        // Registries read both in the newer way.
        Draft::TwentyNineteen | Draft::TwentyTwenty => jsonschema::Draft::Draft202012,
    }
}

/// The value without a `$schema` that is none of the published ones, which would have to be fetched, or is read as if
/// it were another.
fn without_unknown_draft(root: &Json) -> Value {
    let mut value = plain(root);
    if let Value::Object(members) = &mut value
        && Draft::of_schema(root).is_none_or(|draft| draft == Draft::TwentyNineteen)
    {
        members.remove("$schema");
    }
    value
}

fn plain(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => {
            let simplest = number.simplest();
            let text = simplest.text();
            let whole = text
                .parse::<i64>()
                .map(Number::from)
                .or_else(|_| text.parse::<u64>().map(Number::from))
                .ok();
            let number = whole.or_else(|| Number::from_f64(number.as_f64()));
            // Beyond doubles only the sign is left of a limit.
            let edge = || Number::from_f64(if text.starts_with('-') { f64::MIN } else { f64::MAX });
            number.or_else(edge).map_or(Value::Null, Value::Number)
        }
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Json::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| (key.clone(), plain(value)))
                .collect::<Map<_, _>>(),
        ),
    }
}

/// The text of a reference that is reached from itself without going into a value.
fn endless(graph: &Graph) -> Option<String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; graph.len()];
    for start in 0..graph.len() {
        let mut path: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
        let mut next = Some(start as NodeId);
        loop {
            if let Some(id) = next.take() {
                match marks[id as usize] {
                    Mark::Done => {}
                    Mark::Open => return Some(reference_text(graph, &path)),
                    Mark::New => {
                        marks[id as usize] = Mark::Open;
                        path.push((id, in_place(&graph.node(id).kind)));
                    }
                }
            }
            match path.last_mut() {
                None => break,
                Some((id, open)) => match open.pop() {
                    Some(child) => next = Some(child),
                    None => {
                        marks[*id as usize] = Mark::Done;
                        path.pop();
                    }
                },
            }
        }
    }
    None
}

fn reference_text(graph: &Graph, path: &[(NodeId, Vec<NodeId>)]) -> String {
    let last = path.iter().rev().find_map(|(id, _)| match &graph.node(*id).kind {
        Kind::Reference(reference) => Some(reference.text.clone()),
        _ => None,
    });
    last.unwrap_or_default()
}

/// The schemas that are held against the same value.
fn in_place(kind: &Kind) -> Vec<NodeId> {
    match kind {
        Kind::Reference(reference) => reference.target.into_iter().collect(),
        Kind::Combined(combined) => combined.parts.clone(),
        Kind::Not(schema) => vec![*schema],
        Kind::Conditional(branches) => branches.iter().flatten().copied().collect(),
        Kind::Object(object) => object.dependent_schemas.values().copied().collect(),
        _ => Vec::new(),
    }
}
