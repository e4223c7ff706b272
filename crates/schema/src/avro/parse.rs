//! JSON text to arena: names resolved, shapes checked, as Avro's Java library does it.
//!
//! A name may be used before the type of that name is defined. What is checked of a new schema only stands in
//! `defaults`.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::parts::{aliases_of, check_word, logical_of, name_of, primitive, properties, strings_of, text_of};
use super::{AvroError, Enum, Field, Fixed, Kind, Name, Node, NodeId, Record, Schema, json};

/// Deeper nesting than this is refused before it can exhaust the stack; JSON itself is cut at 128.
const DEPTH_MAX: usize = 100;
/// The same for types that are nested by their names.
const NAMED_DEPTH_MAX: usize = 250;

pub(super) type Parsed<T> = Result<T, AvroError>;

/// Keys that are no properties: of a type, and of a field.
const RESERVED: [&str; 10] = [
    "doc",
    "fields",
    "items",
    "name",
    "namespace",
    "size",
    "symbols",
    "values",
    "type",
    "aliases",
];
const RESERVED_IN_FIELD: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

pub(super) fn parse(text: &str, references: &[(String, String)]) -> Parsed<Schema> {
    let mut parser = Parser::default();
    let mut known = Vec::new();
    for (name, text) in references {
        let in_reference = |error: AvroError| AvroError(format!("in the reference `{name}`: {error}"));
        let json = json::parse(text).map_err(in_reference)?;
        known.push(parser.document(&json).map_err(in_reference)?);
    }
    parser.schema(&json::parse(text)?, &known)
}

/// Parses another schema with the references of one that was parsed before.
pub(super) fn parse_again(json: &Json, before: &Schema) -> Parsed<Schema> {
    let nodes = &before.nodes[..before.own_from as usize];
    let named = nodes.iter().enumerate().filter_map(|(index, node)| {
        let name = node.kind.name()?;
        Some((name.full(), NodeId(index as u32)))
    });
    let mut parser = Parser {
        named: named.collect(),
        nodes: nodes.iter().cloned().map(Some).collect(),
        ..Parser::default()
    };
    parser.schema(json, &before.known)
}

fn plain_node(kind: Kind) -> Node {
    Node {
        kind,
        logical: None,
        properties: Vec::new(),
    }
}

/// A union holds no union, and each type once.
fn check_unions(schema: &Schema) -> Parsed<()> {
    for node in &schema.nodes {
        let Kind::Union(branches) = &node.kind else { continue };
        let mut seen = HashSet::new();
        for branch in branches {
            let kind = &schema.node(*branch).kind;
            if matches!(kind, Kind::Union(_)) {
                return fail("a union may not directly hold another union");
            }
            let word = kind.name().map_or_else(|| kind.word().to_owned(), Name::full);
            if seen.contains(&word) {
                return fail(format!("the union holds `{word}` twice"));
            }
            seen.insert(word);
        }
    }
    Ok(())
}

/// Types that name one another may nest as deeply in print as if they were written inside one another.
fn check_depth(schema: &Schema) -> Parsed<()> {
    let mut seen = HashSet::new();
    let mut stack = vec![(schema.root(), 0)];
    while let Some((id, depth)) = stack.pop() {
        if depth > NAMED_DEPTH_MAX {
            return fail(format!("types are nested more than {NAMED_DEPTH_MAX} deep"));
        }
        let kind = &schema.node(id).kind;
        if kind.name().is_some() && !seen.insert(id) {
            continue;
        }
        // The last on the stack is the next one, as in print.
        stack.extend(inside(kind).into_iter().rev().map(|id| (id, depth + 1)));
    }
    Ok(())
}

/// The types a type is made of.
fn inside(kind: &Kind) -> Vec<NodeId> {
    match kind {
        Kind::Array(inner) | Kind::Map(inner) => vec![*inner],
        Kind::Union(branches) => branches.clone(),
        Kind::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        _ => Vec::new(),
    }
}

#[derive(Default)]
struct Parser {
    /// Empty for a type that is being read, and for a name that stands before its type.
    nodes: Vec<Option<Node>>,
    named: HashMap<String, NodeId>,
    /// Names that were used before their types: the place left for each, and the full name.
    pending: Vec<(NodeId, String)>,
    targets: HashMap<NodeId, NodeId>,
}

/// Where in the text a type stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) namespace: Option<&'a str>,
    depth: usize,
}

impl<'a> Place<'a> {
    fn below(self) -> Place<'a> {
        Place {
            depth: self.depth + 1,
            ..self
        }
    }
}

pub(super) fn fail<T>(message: impl Into<String>) -> Parsed<T> {
    Err(AvroError(message.into()))
}

impl Parser {
    /// Parses the schema itself, when its references are parsed.
    fn schema(&mut self, json: &Json, known: &[NodeId]) -> Parsed<Schema> {
        let own_from = self.nodes.len() as u32;
        let root = self.document(json)?;
        let mut schema = Schema {
            known: known.iter().map(|id| self.target(*id)).collect(),
            root: self.target(root),
            own_from,
            nodes: Vec::with_capacity(self.nodes.len()),
        };
        for node in &self.nodes {
            // What is left empty stood for a name: nothing points to it any more.
            let mut node = node.clone().unwrap_or_else(|| plain_node(Kind::Null));
            self.retarget(&mut node.kind);
            schema.nodes.push(node);
        }
        check_unions(&schema)?;
        check_depth(&schema)?;
        Ok(schema)
    }

    fn document(&mut self, json: &Json) -> Parsed<NodeId> {
        let top = Place {
            namespace: None,
            depth: 0,
        };
        let root = self.ty(json, top)?;
        for (id, name) in std::mem::take(&mut self.pending) {
            match self.named.get(&name) {
                Some(target) => drop(self.targets.insert(id, *target)),
                None => return fail(format!("undefined name: `{name}`")),
            }
        }
        Ok(root)
    }

    /// The type that a place left for a name stands for.
    fn target(&self, id: NodeId) -> NodeId {
        self.targets.get(&id).copied().unwrap_or(id)
    }

    fn retarget(&self, kind: &mut Kind) {
        match kind {
            Kind::Array(inner) | Kind::Map(inner) => *inner = self.target(*inner),
            Kind::Union(branches) => branches.iter_mut().for_each(|branch| *branch = self.target(*branch)),
            Kind::Record(record) => record
                .fields
                .iter_mut()
                .for_each(|field| field.ty = self.target(field.ty)),
            _ => {}
        }
    }

    fn add(&mut self, node: Option<Node>) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    fn ty(&mut self, json: &Json, place: Place<'_>) -> Parsed<NodeId> {
        if place.depth > DEPTH_MAX {
            return fail(format!("types are nested more than {DEPTH_MAX} deep"));
        }
        match json {
            Json::String(name) => Ok(self.by_name(name, place)),
            Json::Array(branches) => {
                let ids: Parsed<Vec<NodeId>> = branches.iter().map(|branch| self.ty(branch, place.below())).collect();
                Ok(self.add(Some(plain_node(Kind::Union(ids?)))))
            }
            Json::Object(object) => self.object(object, place),
            other => fail(format!("`{other}` is no type: expected a name, a list or an object")),
        }
    }

    fn by_name(&mut self, name: &str, place: Place<'_>) -> NodeId {
        if let Some(kind) = primitive(name) {
            return self.add(Some(plain_node(kind)));
        }
        let full = match place.namespace {
            Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        };
        // A bare name falls back to the null namespace, if such a type is known by now.
        match self.named.get(&full).or_else(|| self.named.get(name)) {
            Some(id) => *id,
            None => {
                let id = self.add(None);
                self.pending.push((id, full));
                id
            }
        }
    }

    fn object(&mut self, object: &Map<String, Json>, place: Place<'_>) -> Parsed<NodeId> {
        let word = match object.get("type") {
            Some(Json::String(word)) => word.as_str(),
            Some(_) => {
                return fail(format!(
                    "the `type` of a type is a name, and that of a field a type: {}",
                    Json::Object(object.clone())
                ));
            }
            None => return fail(format!("no type: {}", Json::Object(object.clone()))),
        };
        match word {
            "record" | "error" => self.record(object, place, word == "error"),
            "enum" => self.symbols(object, place),
            "fixed" => self.fixed(object, place),
            "array" => {
                let items = self.inner(object, "items", place)?;
                Ok(self.plain(Kind::Array(items), object))
            }
            "map" => {
                let values = self.inner(object, "values", place)?;
                Ok(self.plain(Kind::Map(values), object))
            }
            name => match primitive(name) {
                Some(kind) => Ok(self.plain(kind, object)),
                None => Ok(self.by_name(name, place)),
            },
        }
    }

    fn inner(&mut self, object: &Map<String, Json>, key: &str, place: Place<'_>) -> Parsed<NodeId> {
        match object.get(key) {
            Some(json) => self.ty(json, place.below()),
            None => fail(format!(
                "`{}` needs `{key}`",
                object.get("type").and_then(Json::as_str).unwrap_or("type")
            )),
        }
    }

    fn plain(&mut self, kind: Kind, object: &Map<String, Json>) -> NodeId {
        let node = with_properties(kind, object);
        self.add(Some(node))
    }

    /// Reserves the node of a record, so that it may name itself.
    fn reserve(&mut self, name: &Name) -> Parsed<NodeId> {
        if self.named.contains_key(&name.full()) {
            return fail(format!("`{}` is defined twice", name.full()));
        }
        let id = self.add(None);
        self.named.insert(name.full(), id);
        Ok(id)
    }

    /// Adds an enum or a fixed; one that is defined again just the same is the same.
    fn define(&mut self, node: Node, name: &Name) -> Parsed<NodeId> {
        let known = self.named.get(&name.full()).copied();
        match known.map(|id| (id, &self.nodes[id.0 as usize])) {
            None => {
                let id = self.add(Some(node));
                self.named.insert(name.full(), id);
                Ok(id)
            }
            Some((id, Some(old))) if old.properties.is_empty() && is_same(&old.kind, &node.kind) => Ok(id),
            Some(_) => fail(format!("`{}` is defined twice", name.full())),
        }
    }

    fn record(&mut self, object: &Map<String, Json>, place: Place<'_>, is_error: bool) -> Parsed<NodeId> {
        let name = name_of(object, place)?;
        let id = self.reserve(&name)?;
        let Some(list) = object.get("fields").and_then(Json::as_array) else {
            return fail(format!("record `{}` needs a list of `fields`", name.full()));
        };
        let inside = Place {
            namespace: name.namespace.as_deref(),
            depth: place.depth + 1,
        };
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        let mut seen = HashSet::new();
        for json in list {
            let field = self.field(json, &name, inside)?;
            if !seen.insert(field.name.clone()) {
                return fail(format!("duplicate field `{}` in record `{}`", field.name, name.full()));
            }
            fields.push(field);
        }
        let aliases = aliases_of(object, name.namespace.as_deref())?;
        let kind = Kind::Record(Record {
            name,
            doc: text_of(object, "doc"),
            fields,
            aliases,
            is_error,
        });
        self.nodes[id.0 as usize] = Some(with_properties(kind, object));
        Ok(id)
    }

    fn field(&mut self, json: &Json, record: &Name, place: Place<'_>) -> Parsed<Field> {
        let Some(object) = json.as_object() else {
            return fail(format!(
                "a field of record `{}` is not an object: `{json}`",
                record.full()
            ));
        };
        let Some(name) = object.get("name").and_then(Json::as_str) else {
            return fail(format!("a field of record `{}` has no name", record.full()));
        };
        check_word(name, "field name")?;
        let Some(ty) = object.get("type") else {
            return fail(format!("field `{name}` of record `{}` has no type", record.full()));
        };
        let in_field = |error: AvroError| AvroError(format!("field `{name}` of `{}`: {error}", record.full()));
        let ty = self.ty(ty, place.below()).map_err(in_field)?;
        let order = match object.get("order") {
            None => None,
            Some(order) => match order.as_str().map(str::to_ascii_lowercase) {
                Some(word) if word == "ascending" => None,
                Some(word) if word == "descending" || word == "ignore" => Some(word),
                _ => {
                    return fail(format!(
                        "field `{name}`: order `{order}` is none of ascending, descending, ignore"
                    ));
                }
            },
        };
        let number = self.nodes[ty.0 as usize].as_ref();
        let takes_number = number.is_some_and(|node| matches!(node.kind, Kind::Float | Kind::Double));
        let default = match object.get("default") {
            Some(Json::String(text)) if takes_number => Some(number_of(text).map_err(in_field)?),
            other => other.cloned(),
        };
        Ok(Field {
            name: name.to_owned(),
            ty,
            doc: text_of(object, "doc"),
            default,
            order,
            aliases: strings_of(object, "aliases")?,
            properties: properties(object, &RESERVED_IN_FIELD),
        })
    }

    fn symbols(&mut self, object: &Map<String, Json>, place: Place<'_>) -> Parsed<NodeId> {
        let name = name_of(object, place)?;
        let Some(list) = object.get("symbols").and_then(Json::as_array) else {
            return fail(format!("enum `{}` needs a list of `symbols`", name.full()));
        };
        let mut symbols: Vec<String> = Vec::with_capacity(list.len());
        let mut seen = HashSet::new();
        for symbol in list {
            let Some(symbol) = symbol.as_str() else {
                return fail(format!("enum `{}`: the symbol `{symbol}` is not a string", name.full()));
            };
            check_word(symbol, "enum symbol")?;
            if !seen.insert(symbol) {
                return fail(format!("enum `{}` lists `{symbol}` twice", name.full()));
            }
            symbols.push(symbol.to_owned());
        }
        let default = text_of(object, "default");
        if let Some(default) = default.as_ref().filter(|default| !symbols.contains(default)) {
            return fail(format!(
                "the default `{default}` of enum `{}` is not one of its symbols",
                name.full()
            ));
        }
        let aliases = aliases_of(object, name.namespace.as_deref())?;
        let kind = Kind::Enum(Enum {
            name: name.clone(),
            doc: text_of(object, "doc"),
            symbols,
            default,
            aliases,
        });
        let mut node = with_properties(kind, object);
        node.properties.retain(|(key, _)| key != "default");
        self.define(node, &name)
    }

    fn fixed(&mut self, object: &Map<String, Json>, place: Place<'_>) -> Parsed<NodeId> {
        let name = name_of(object, place)?;
        let size = object.get("size").and_then(Json::as_u64);
        // The Java library sets this limit.
        let size = size.filter(|size| *size <= i32::MAX as u64 - 8);
        let Some(size) = size.and_then(|size| usize::try_from(size).ok()) else {
            return fail(format!("fixed `{}` needs a `size` of 0 or more", name.full()));
        };
        let aliases = aliases_of(object, name.namespace.as_deref())?;
        let kind = Kind::Fixed(Fixed {
            name: name.clone(),
            doc: text_of(object, "doc"),
            size,
            aliases,
        });
        self.define(with_properties(kind, object), &name)
    }
}

fn is_same(old: &Kind, new: &Kind) -> bool {
    match (old, new) {
        (Kind::Enum(old), Kind::Enum(new)) => old.symbols == new.symbols,
        (Kind::Fixed(old), Kind::Fixed(new)) => old.size == new.size,
        _ => false,
    }
}

fn with_properties(kind: Kind, object: &Map<String, Json>) -> Node {
    let logical = logical_of(object, &kind);
    Node {
        kind,
        logical,
        properties: properties(object, &RESERVED),
    }
}

/// The default of a fraction may be written as a string; not a number and the infinities have to be.
fn number_of(text: &str) -> Parsed<Json> {
    let digits = text.trim().trim_end_matches(['f', 'F', 'd', 'D']);
    let odd = ["NaN", "+NaN", "-NaN", "Infinity", "+Infinity", "-Infinity"].contains(&text.trim());
    let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
    match number.and_then(serde_json::Number::from_f64) {
        _ if odd => Ok(Json::String(text.trim().trim_start_matches('+').replace("-NaN", "NaN"))),
        Some(number) => Ok(Json::Number(number)),
        None => fail(format!("the default `{text}` is not a number")),
    }
}
