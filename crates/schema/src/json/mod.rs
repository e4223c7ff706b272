//! JSON Schema texts: parsed as registries parse them, written in their canonical form, and compared.
//!
//! Confluent's registry is followed to the letter: what it refuses, the texts it hands out, which rules it finds broken
//! and in which order it says so. That includes verdicts that are too kind (the tests list them as known holes).
//! Nothing is ever fetched: a reference leads into the schema itself, to a registered reference by its name, or to a
//! published meta-schema. Nesting, size and the steps of a comparison are bounded: see the
//! modules `read`, `model` and `compare`.
//!
//! Where it is left, it is because that registry fails rather than judges, or forgets what it was told:
//! - It answers an internal error when a `const` of null is compared, or an `exclusiveMaximum` that gets smaller beside
//!   no `maximum`, or two schemas that hold `dependencies` of both sorts within a combination.
//! - In drafts from 2019-09 on it forgets the fractions of numbers within values of `enum` and `const`, overflows its
//!   stack or forgets keywords where `$defs` stand within a definition that refers to what surrounds it, cannot resolve
//!   references within a schema that has an anchor and is named by a URN, and overflows its stack on `$dynamicRef`,
//!   which is taken for `$ref` here.
//! - Its stack bounds nesting and chains of references, at a third to a half of what is taken here.

mod classic;
mod classic_kinds;
mod compare;
pub(crate) mod decimal;
mod documents;
mod metaschemas;
pub(crate) mod model;
mod modern;
mod modern_graph;
mod modern_keywords;
pub(crate) mod order;
mod pattern;
mod read;
mod rules;
mod uri;
mod validator;
pub(crate) mod value;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use self::documents::{Document, Draft};
use self::model::{Graph, Kind, Node, most_nodes};
pub use self::validator::Validator;
use self::value::Json;
use crate::difference::{Difference, Policy, Reader};
use crate::logical;

/// A parsed JSON Schema.
#[derive(Clone, Debug)]
pub struct Schema {
    root: Arc<Json>,
    references: Arc<[Document]>,
    graph: Arc<Graph>,
    /// Built when the first payload is checked.
    validator: OnceLock<Arc<Result<Validator, String>>>,
}

impl Schema {
    /// Parses a schema; `references` are name and text of what it refers to, dependencies first.
    ///
    /// The error names the place and what is wrong there.
    pub fn parse(text: &str, references: &[(String, String)]) -> Result<Schema, String> {
        let root = read::read(text)?;
        let bytes = references.iter().map(|(_, text)| text.len()).sum::<usize>() + text.len();
        let references = documents::registered(references)?;
        let graph = graph(&root, &references, most_nodes(bytes))?;
        Ok(Schema {
            root: Arc::new(root),
            references: references.into(),
            graph: Arc::new(graph),
            validator: OnceLock::new(),
        })
    }

    /// The text's JSON, as it was given.
    pub(crate) fn root(&self) -> &Json {
        &self.root
    }

    /// What the schema says, reference by reference.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Whether a record's payload is JSON that the schema takes; the error says where it is not, and why.
    pub fn check_payload(&self, payload: &[u8]) -> Result<(), String> {
        let validator = self.validator.get_or_init(|| Arc::new(self.validator()));
        match &**validator {
            Ok(validator) => validator.check(payload),
            Err(why) => Err(format!("no payload can be checked by the schema: {why}")),
        }
    }

    /// The names of the properties of the root, as far as `properties` lists them.
    pub fn property_names(&self) -> impl Iterator<Item = &str> {
        let listed = self.root.get("properties").and_then(Json::as_object);
        listed
            .into_iter()
            .flat_map(|properties| properties.keys().map(String::as_str))
    }

    /// The text without blanks, its members in their own order and its numbers in one form.
    pub fn canonical(&self) -> String {
        self.root.text()
    }

    /// The canonical text with the members of all objects sorted by name.
    pub fn normalized(&self) -> String {
        self.root.sorted_text()
    }
}

/// All reasons why `reader` cannot read what `writer` wrote; none if it can.
///
/// The policy LOGICAL adds one difference for each kind of tables that cannot follow, whose description is the whole
/// message of a registry; whether a new schema has a place in tables at all is [`logical::invalid`]'s to say.
pub fn compare(reader: &Schema, writer: &Schema, is: Reader, policy: Policy) -> Vec<Difference> {
    let mut found = compare::compare(&reader.graph, &writer.graph, is, policy);
    if policy == Policy::Logical {
        found.extend(logical::differences(reader, writer, is));
    }
    found
}

fn graph(root: &Json, references: &[Document], most_nodes: usize) -> Result<Graph, String> {
    let flag = match root {
        Json::Bool(flag) => *flag,
        Json::Object(_) => return object_graph(root, references, most_nodes),
        other => return Err(format!("a schema is an object or a boolean, not {}", other.noun())),
    };
    let mut graph = Graph::new(true, most_nodes);
    graph.root = graph.add(Node::new(if flag { Kind::True } else { Kind::False }))?;
    Ok(graph)
}

fn object_graph(root: &Json, references: &[Document], most_nodes: usize) -> Result<Graph, String> {
    let draft = match root.get("$schema") {
        Some(Json::String(url)) => Draft::of(url).unwrap_or(Draft::Seven),
        Some(other) => return Err(format!("`#/$schema`: expected a string, found {}", other.noun())),
        None => Draft::Seven,
    };
    let root = documents::with_definitions(Cow::Borrowed(root));
    if draft <= Draft::Seven {
        classic::load(&root, draft, references, most_nodes)
    } else {
        modern_graph::graph(&modern::load(&root, references, most_nodes)?)
    }
}

/// Runs `work`, which goes one level deeper into a schema, with enough room on the stack.
pub(crate) fn deeper<R>(work: impl FnOnce() -> R) -> R {
    const LEFT_AT_LEAST: usize = 256 * 1024;
    const MORE: usize = 4 * 1024 * 1024;
    stacker::maybe_grow(LEFT_AT_LEAST, MORE, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_the_root() {
        let names = |text: &str| -> Vec<String> {
            Schema::parse(text, &[])
                .unwrap()
                .property_names()
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(
            names(r#"{"properties":{"b":{"properties":{"c":{}}},"a":true}}"#),
            ["b", "a"]
        );
        assert!(names("true").is_empty());
        assert!(names(r#"{"allOf":[{"properties":{"a":{}}}]}"#).is_empty());
    }
}
