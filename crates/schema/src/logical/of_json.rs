//! JSON Schemas as types of tables.
//!
//! A reference is a named type: by the key of the definition it leads to, or else by a name made for its text.

mod said;
mod scalars;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use indexmap::IndexMap;

use crate::json::model::{Array, Combined, Criterion, Graph, Kind, NodeId, Object};
use crate::json::order::{FRESH, map_order};
use crate::json::value::Json;
use crate::json::{Schema, deeper};

use super::ddl;
use super::java::{self, check_name};
use super::{Converted, Default, Document, Field, LENGTH_MAX, Logical, Ty};
use said::{check_hint, hinted_name, of_branch};

/// Types within each other, but for references.
const LEVELS_MAX: usize = 256;
/// Types and references within each other.
const STEPS_MAX: usize = 4_096;
/// Types of a document: combinations of all repeat what they refer to.
const TYPES_MAX: usize = 500_000;

const NO_SCHEMA: &str = "Cannot invoke \"org.everit.json.schema.Schema.getTitle()\" because \"schema\" is null";

pub(super) fn document(schema: &Schema) -> Converted<Document> {
    let mut converter = Converter {
        graph: schema.graph(),
        named: IndexMap::new(),
        external: HashSet::new(),
        bindings: IndexMap::new(),
        names: HashMap::new(),
        next: 1,
        left: TYPES_MAX,
        steps: 0,
    };
    converter.definitions(schema.root())?;
    let root = converter.ty(Some(converter.graph.root), false, 0)?;
    let namespace = converter.said(converter.graph.root, "confluent:namespace");
    Ok(Document {
        named: converter.named,
        external: converter.external,
        bindings: converter.bindings.into_iter().collect(),
        ..Document::of(namespace.and_then(Json::as_str).map(str::to_owned), root)
    })
}

struct Converter<'a> {
    graph: &'a Graph,
    named: IndexMap<String, Logical>,
    /// The names that lead out of the schema.
    external: HashSet<String>,
    /// The names that stand for references, and the references' texts.
    bindings: IndexMap<String, String>,
    /// The names made for references that lead to no definition, by the references' texts.
    names: HashMap<String, String>,
    next: usize,
    left: usize,
    steps: usize,
}

/// What a combination of all comes down to.
enum Simple<'a> {
    Node(NodeId),
    Row(IndexMap<&'a str, (NodeId, bool)>),
}

impl<'a> Converter<'a> {
    /// Names what the root defines, in the order of a hash map.
    fn definitions(&mut self, root: &Json) -> Converted<()> {
        let graph = self.graph;
        let names = graph.definitions.iter().map(|(name, _)| name.as_str());
        for at in map_order(names, FRESH) {
            let (name, id) = &graph.definitions[at];
            let written = root.get("$defs").and_then(|definitions| definitions.get(name));
            let Some(text) = written.and_then(stands_for) else {
                let body = self.ty(Some(*id), false, 0)?;
                self.named.insert(name.clone(), body);
                continue;
            };
            self.bind(name, text);
            if !self.names.contains_key(text) {
                self.names.insert(text.to_owned(), name.clone());
                let number = name.strip_prefix("Ref").and_then(|number| number.parse().ok());
                self.next = self
                    .next
                    .max(number.map_or(0, |number: usize| number.saturating_add(1)));
            }
            if let Kind::Reference(reference) = &graph.node(*id).kind
                && let Some(target) = reference.target
            {
                self.name(name.clone(), target)?;
            }
        }
        Ok(())
    }

    /// Where a reference leads. The newer drafts know no place that is the schema's own if it has no identifier.
    fn address(&self, text: &'a str) -> Cow<'a, str> {
        if text.starts_with('#') && !self.graph.inline {
            Cow::Owned(format!("UNKNOWN{text}"))
        } else {
            Cow::Borrowed(text)
        }
    }

    fn bind(&mut self, name: &str, text: &str) {
        self.external.insert(name.to_owned());
        self.bindings.insert(name.to_owned(), text.to_owned());
    }

    fn name(&mut self, name: String, target: NodeId) -> Converted<()> {
        // What refers to itself finds the name there already.
        self.named
            .insert(name.clone(), Logical::of(Ty::Struct(Vec::new()), false));
        let body = self.ty(Some(target), false, 0)?;
        self.named.insert(name, body);
        Ok(())
    }

    fn ty(&mut self, id: Option<NodeId>, nullable: bool, level: usize) -> Converted<Logical> {
        if level > LEVELS_MAX {
            return Err(format!("Schema type nesting depth exceeds the maximum of {LEVELS_MAX}"));
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("it has more than {TYPES_MAX} types"))?;
        if self.steps >= STEPS_MAX {
            return Err("JSON schema nests types too deeply to convert".to_owned());
        }
        self.steps += 1;
        let converted = deeper(|| self.node(id.ok_or(NO_SCHEMA)?, nullable, level));
        self.steps -= 1;
        converted
    }

    fn node(&mut self, id: NodeId, nullable: bool, level: usize) -> Converted<Logical> {
        let graph = self.graph;
        let ty = match &graph.node(id).kind {
            Kind::Boolean => Ty::Boolean,
            Kind::Number(number) => self.number(id, number.integer)?,
            Kind::Text(text) => self.text_type(id, text)?,
            Kind::Enum(values) => return Ok(self.with_words(id, self.symbols(id, values)?, nullable)),
            Kind::Combined(combined) => return self.combined(id, combined, nullable, level),
            Kind::Array(array) => self.array(id, array, level)?,
            Kind::Object(object) => {
                let ty = self.object(id, object, level)?;
                return Ok(self.with_words(id, ty, nullable));
            }
            Kind::Empty | Kind::True => Ty::Variant,
            Kind::Reference(reference) => {
                let name = match definition(&reference.text) {
                    Some(name) => name.to_owned(),
                    None => self.made_name(&reference.text),
                };
                let leads_out =
                    definition(&reference.text).is_some() && !self.address(&reference.text).starts_with('#');
                let was_known = self.named.contains_key(&name);
                if let Some(target) = reference.target
                    && !self.named.contains_key(&name)
                {
                    self.name(name.clone(), target)?;
                }
                if leads_out && !was_known {
                    self.external.insert(name.clone());
                }
                Ty::Ref(name)
            }
            Kind::Null => return unsupported("NullSchema"),
            Kind::False => return unsupported("FalseSchema"),
            Kind::Const(_) => return unsupported("ConstSchema"),
            Kind::Not(_) => return unsupported("NotSchema"),
            Kind::Conditional(_) => return unsupported("ConditionalSchema"),
        };
        Ok(Logical::of(ty, nullable))
    }

    fn made_name(&mut self, text: &'a str) -> String {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        let name = loop {
            let name = format!("Ref{}", self.next);
            self.next = self.next.saturating_add(1);
            if !self.named.contains_key(&name) {
                break name;
            }
        };
        self.names.insert(text.to_owned(), name.clone());
        self.bind(&name, &self.address(text));
        name
    }

    fn combined(&mut self, id: NodeId, combined: &Combined, nullable: bool, level: usize) -> Converted<Logical> {
        let parts = &combined.parts;
        if combined.criterion == Criterion::All {
            return match self.simplified(parts)? {
                Simple::Node(node) => self.ty(Some(node), nullable, level),
                Simple::Row(properties) => {
                    let fields = properties.iter().map(|(name, (node, wanted))| (*name, *node, *wanted));
                    Ok(Logical::of(self.row(fields.collect(), level)?, nullable))
                }
            };
        }
        let members: Vec<NodeId> = parts
            .iter()
            .filter(|part| !matches!(self.graph.node(**part).kind, Kind::Null))
            .copied()
            .collect();
        let nullable = nullable || members.len() < parts.len();
        if let [only] = members.as_slice() {
            return self.ty(Some(*only), nullable, level);
        }
        let hints = self.hints(id, "confluent:union")?;
        let mut fields: Vec<Field> = Vec::with_capacity(members.len());
        for (at, member) in members.into_iter().enumerate() {
            let hint = hints.get(at);
            let name = match (hint.map(hinted_name).transpose()?.flatten(), self.title(member)) {
                (Some(name), _) | (None, Some(name)) => name.to_owned(),
                (None, None) => format!("connect_union_field_{at}"),
            };
            if let Some(hint) = hint {
                check_hint(hint)?;
            }
            let schema = self.ty(Some(member), true, level + 1)?;
            check_name(&name, "Union branch")?;
            fields.push(Field {
                name,
                schema,
                default: Default::Absent,
                said: of_branch(hint),
            });
        }
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name.as_str())) {
            return Err(format!("Duplicate union branch: {}", twice.name));
        }
        Ok(Logical::of(Ty::Union(fields), nullable))
    }

    /// What the parts of a combination of all come down to, if that can be said.
    fn simplified(&mut self, parts: &[NodeId]) -> Converted<Simple<'a>> {
        let mut properties = IndexMap::new();
        let graph = self.graph;
        let kind = |id: NodeId| &graph.node(id).kind;
        for part in parts {
            if let Kind::Conditional(_) | Kind::Not(_) = kind(*part) {
                return Err(
                    "JSON Schema if/then/else and `not` are not supported: a property declared only under a condition \
                     has no column to be read into, so its values would be silently dropped"
                        .to_owned(),
                );
            }
            self.collect(*part, &mut properties, &mut HashSet::new())?;
        }
        if !properties.is_empty() {
            return Ok(Simple::Row(properties));
        }
        let last = |wanted: fn(&Kind) -> bool| parts.iter().rev().copied().find(|part| wanted(kind(*part)));
        let combined = last(|kind| matches!(kind, Kind::Combined(_)));
        let text = last(|kind| matches!(kind, Kind::Text(_)));
        let number = last(|kind| matches!(kind, Kind::Number(_)));
        let values = last(|kind| matches!(kind, Kind::Const(_) | Kind::Enum(_)));
        let chosen = match (combined, values, text, number) {
            (Some(combined), ..) => Some(combined),
            (None, Some(_), Some(text), _) => Some(text),
            (None, Some(_), None, number) => number,
            // Text and number beside each other are a number, for some reason.
            (None, None, Some(_), number) => number,
            (None, None, None, _) => None,
        };
        if let Some(chosen) = chosen {
            return Ok(Simple::Node(chosen));
        }
        if let [first, second] = parts {
            let (object, other) = match (kind(*first), kind(*second)) {
                (Kind::Object(_), Kind::Object(_)) => (None, *first),
                (Kind::Object(object), _) => (Some(object), *second),
                (_, Kind::Object(object)) => (Some(object), *first),
                _ => (None, *first),
            };
            let says_nothing =
                |object: &Object| !object.only || (object.required.is_empty() && matches!(kind(other), Kind::Array(_)));
            if object.is_some_and(|object| says_nothing(object)) {
                return Ok(Simple::Node(other));
            }
        }
        Err("Unsupported criterion allOf for such schemas".to_owned())
    }

    /// The properties of an object, of what it refers to, and of combinations of all of them.
    fn collect(
        &mut self,
        id: NodeId,
        properties: &mut IndexMap<&'a str, (NodeId, bool)>,
        visited: &mut HashSet<NodeId>,
    ) -> Converted<()> {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !visited.insert(id) {
                continue;
            }
            match &self.graph.node(id).kind {
                Kind::Combined(combined) if combined.criterion == Criterion::All => {
                    open.extend(combined.parts.iter().rev());
                }
                Kind::Object(object) => {
                    self.left = self
                        .left
                        .checked_sub(object.properties.len())
                        .ok_or_else(|| format!("it has more than {TYPES_MAX} types"))?;
                    for (name, property) in &object.properties {
                        properties.insert(name, (*property, object.required.contains(name)));
                    }
                }
                Kind::Reference(reference) => open.extend(reference.target),
                _ => {}
            }
        }
        Ok(())
    }

    fn array(&mut self, id: NodeId, array: &Array, level: usize) -> Converted<Ty> {
        let Some(every) = array.every else {
            return Err(if array.items.is_empty() {
                "Array schema did not specify the items type".to_owned()
            } else {
                "JSON tuples (i.e. arrays that contain items of different types) are not supported".to_owned()
            });
        };
        let is_map = self.said_text(id, "connect.type")? == Some("map");
        if let (true, Kind::Object(entry)) = (is_map, &self.graph.node(every).kind) {
            let key = self.ty(entry.properties.get("key").copied(), false, level + 1)?;
            let value = self.ty(entry.properties.get("value").copied(), false, level + 1)?;
            return self.map_like(id, key, value);
        }
        Ok(Ty::Array(Box::new(self.ty(Some(every), false, level + 1)?)))
    }

    fn object(&mut self, id: NodeId, object: &'a Object, level: usize) -> Converted<Ty> {
        if self.said_text(id, "connect.type")? == Some("map") {
            let value = self.ty(object.additional, false, level + 1)?;
            let key = match self.said(id, "logical.key.length").and_then(java::int) {
                Some(length) if self.said_text(id, "logical.key.type")? == Some("CHAR") => {
                    Ty::Char(super::length(length))
                }
                Some(length) => Ty::Varchar(super::length(length)),
                None => Ty::Varchar(LENGTH_MAX),
            };
            return self.map_like(id, Logical::of(key, false), value);
        }
        let required: &BTreeSet<String> = &object.required;
        let fields = object.properties.iter();
        let fields = fields.map(|(name, property)| (name.as_str(), *property, required.contains(name)));
        self.row(fields.collect(), level)
    }

    fn map_like(&self, id: NodeId, key: Logical, value: Logical) -> Converted<Ty> {
        if self.said(id, "flink.type").and_then(Json::as_str) != Some("multiset") {
            return Ok(Ty::Map(Box::new(key), Box::new(value)));
        }
        if let Ty::Int = value.ty {
            return Ok(Ty::Multiset(Box::new(key)));
        }
        Err(format!(
            "Unexpected value type for a MULTISET type: {}",
            ddl::plain(&value)
        ))
    }

    /// A row of name, type and whether it must be there; in the order that clients wrote, else by name.
    fn row(&mut self, mut properties: Vec<(&'a str, NodeId, bool)>, level: usize) -> Converted<Ty> {
        let mut order: HashMap<NodeId, i64> = HashMap::new();
        if properties.len() > 1 {
            for (_, id, _) in &properties {
                if let Some(index) = self.said_int(*id, "connect.index")? {
                    order.insert(*id, index);
                }
            }
        }
        let place = |id: &NodeId| order.get(id).copied().unwrap_or(i64::MAX);
        properties.sort_by(|(a, one, _), (b, other, _)| {
            let by_index = place(one).cmp(&place(other));
            by_index.then_with(|| a.encode_utf16().cmp(b.encode_utf16()))
        });
        let mut fields = Vec::with_capacity(properties.len());
        for (name, id, wanted) in properties {
            let schema = self.ty(Some(id), !wanted, level + 1)?;
            let default = self.default(id).and_then(|default| java::value(&schema.ty, default));
            let default = default.map_or(Default::Absent, |value| Default::Literal(value.literal(&schema.ty)));
            check_name(name, "Field")?;
            fields.push(Field {
                name: name.to_owned(),
                schema,
                default,
                said: self.of_part(id, false),
            });
        }
        Ok(Ty::Struct(fields))
    }

    /// The default of what a reference leads to; a reference's own does not count.
    fn default(&self, id: NodeId) -> Option<&'a Json> {
        let mut current = id;
        for _ in 0..STEPS_MAX {
            match &self.graph.node(current).kind {
                Kind::Reference(reference) => match reference.target {
                    Some(target) => current = target,
                    None => break,
                },
                _ => break,
            }
        }
        self.said(current, "default")
    }
}

fn unsupported<T>(kind: &str) -> Converted<T> {
    Err(format!("Unsupported JSON schema type org.everit.json.schema.{kind}"))
}

/// The key of the definition that a reference leads to.
fn definition(text: &str) -> Option<&str> {
    let tail = |marker: &str| text.split_once(marker).map(|(_, tail)| tail);
    tail("/$defs/")
        .or_else(|| tail("/definitions/"))
        .filter(|tail| !tail.contains('/'))
}

/// The reference that a definition stands for, if a client marked it so.
fn stands_for(written: &Json) -> Option<&str> {
    let is_marked = match written.get("logical.ref")? {
        Json::Bool(flag) => *flag,
        Json::String(text) => text.trim() == "true",
        Json::Number(number) => !number.is_zero(),
        _ => false,
    };
    is_marked.then(|| written.get("$ref"))?.and_then(Json::as_str)
}
