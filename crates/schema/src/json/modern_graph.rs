//! Turns schemas of 2019-09 and 2020-12 into a graph of the kinds that draft 7 knows, so that both are compared alike.
//!
//! Keywords for one type become one schema of that type; keywords for several types, or beside combinations, become a
//! combination of all of them. A list of types becomes a combination of any of them, which keywords for one of the types
//! go into. How keywords come together depends on their order.

use std::collections::{HashMap, VecDeque};

use super::model::{
    Array, Combined, Criterion, Graph, Kind, MOST_STEPS_DOWN, Node, NodeId, Notes, Number, Object, Reference, Text,
};
use super::modern::{Keyword, Keywords, Loaded, SchemaId, Written};

/// The graph of what was loaded.
pub(super) fn graph(loaded: &Loaded) -> Result<Graph, String> {
    let mut builder = Builder {
        loaded,
        graph: Graph::new(false, loaded.most_nodes),
        built: HashMap::new(),
        begun: Vec::new(),
        waiting: VecDeque::new(),
        leads_to: HashMap::new(),
        depth: 0,
    };
    builder.graph.root = builder.schema(loaded.root)?;
    builder.settle()?;
    if let Written::Keywords(keywords) = &loaded.schemas[loaded.root] {
        let built = |(name, schema): &(String, SchemaId)| Some((name.clone(), *builder.built.get(schema)?));
        builder.graph.definitions = keywords.definitions.iter().filter_map(built).collect();
    }
    Ok(builder.graph)
}

/// What some keywords make together.
enum Part {
    New(Kind),
    /// A reference, which stands in the graph already.
    There(NodeId),
}

struct Builder<'a> {
    loaded: &'a Loaded,
    graph: Graph,
    /// The node of each schema that was built where it stands.
    built: HashMap<SchemaId, NodeId>,
    /// Schemas that are being built.
    begun: Vec<SchemaId>,
    /// References that do not know their target yet.
    waiting: VecDeque<(NodeId, SchemaId)>,
    leads_to: HashMap<NodeId, SchemaId>,
    depth: usize,
}

impl Builder<'_> {
    fn schema(&mut self, schema: SchemaId) -> Result<NodeId, String> {
        if self.depth >= MOST_STEPS_DOWN {
            return Err(format!(
                "more than {MOST_STEPS_DOWN} schemas and references within each other"
            ));
        }
        self.depth += 1;
        self.begun.push(schema);
        let loaded = self.loaded;
        let node = super::deeper(|| match &loaded.schemas[schema] {
            Written::True => self.graph.add(Node::new(Kind::True)),
            Written::False => self.graph.add(Node::new(Kind::False)),
            Written::Keywords(keywords) => self.keywords(schema, keywords),
        })?;
        self.built.insert(schema, node);
        self.begun.pop();
        self.depth -= 1;
        Ok(node)
    }

    fn keywords(&mut self, schema: SchemaId, keywords: &Keywords) -> Result<NodeId, String> {
        let mut part: Option<Part> = None;
        for keyword in &keywords.list {
            let next = self.keyword(keyword)?;
            part = Some(self.joined(part, next)?);
        }
        if part.is_none() {
            part = Some(Part::New(all(Vec::new())));
        }
        if !keywords.properties.is_empty() {
            let mut object = Object::new(false);
            for (name, schema) in &keywords.properties {
                object.properties.insert(name.clone(), self.schema(*schema)?);
            }
            part = Some(self.joined(part, Part::New(Kind::Object(Box::new(object))))?);
        }
        if !keywords.patterns.is_empty() {
            let mut object = Object::new(false);
            for (pattern, schema) in &keywords.patterns {
                object.patterns.push((pattern.clone(), self.schema(*schema)?));
            }
            part = Some(self.joined(part, Part::New(Kind::Object(Box::new(object))))?);
        }
        if let Some(schema) = keywords.unevaluated_items {
            let array = Array {
                unevaluated: Some(self.schema(schema)?),
                ..Array::new(false)
            };
            part = Some(self.joined(part, Part::New(Kind::Array(Box::new(array))))?);
        }
        if let Some(schema) = keywords.unevaluated_properties {
            let object = Object {
                unevaluated: Some(self.schema(schema)?),
                ..Object::new(false)
            };
            part = Some(self.joined(part, Part::New(Kind::Object(Box::new(object))))?);
        }
        let node = match part {
            Some(part) => self.collapsed(part)?,
            None => self.graph.add(Node::new(Kind::Empty))?,
        };
        let notes = match self.graph.node(node).kind {
            Kind::Reference(_) => Notes {
                has_default: false,
                fingerprint: keywords.plain_fingerprint,
                ..keywords.notes
            },
            _ => keywords.notes,
        };
        let described = self.graph.node_mut(node);
        described.notes = notes;
        described.said.clone_from(&keywords.said);
        self.built.insert(schema, node);
        for (_, definition) in &keywords.definitions {
            self.schema(*definition)?;
            self.settle()?;
        }
        if keywords.has_more {
            // Members beyond the keywords take the place where these are kept.
            match &mut self.graph.node_mut(node).kind {
                Kind::Object(object) => object.unevaluated = None,
                Kind::Array(array) => {
                    array.unevaluated = None;
                    array.min_contains = None;
                    array.max_contains = None;
                }
                _ => {}
            }
        }
        Ok(node)
    }

    fn keyword(&mut self, keyword: &Keyword) -> Result<Part, String> {
        Ok(Part::New(match keyword {
            Keyword::Nothing => all(Vec::new()),
            Keyword::Plain(kind) => kind.clone(),
            Keyword::Types(kinds) => {
                let parts = kinds.iter().map(|kind| self.graph.add(Node::new(kind.clone())));
                Kind::Combined(Box::new(Combined {
                    criterion: Criterion::Any,
                    parts: parts.collect::<Result<_, _>>()?,
                    implied: true,
                }))
            }
            Keyword::Reference(knot, text) => return self.reference(text, self.loaded.targets[*knot]).map(Part::There),
            Keyword::List(criterion, schemas) => {
                let mut parts = Vec::with_capacity(schemas.len());
                for schema in schemas {
                    let node = self.schema(*schema)?;
                    parts.extend(self.flat(node));
                }
                Kind::Combined(Box::new(Combined {
                    criterion: *criterion,
                    parts,
                    implied: false,
                }))
            }
            Keyword::Not(schema) => Kind::Not(self.schema(*schema)?),
            Keyword::Additional(schema) => {
                let node = self.schema(*schema)?;
                let mut object = Object::new(false);
                match self.graph.node(node).kind {
                    Kind::False => object.more = false,
                    Kind::True => {}
                    _ => object.additional = Some(node),
                }
                Kind::Object(Box::new(object))
            }
            Keyword::Items(schema, behind_first) => {
                let node = self.schema(*schema)?;
                let mut array = Array::new(false);
                match self.graph.node(node).kind {
                    Kind::False => array.more = false,
                    Kind::True => {}
                    _ if *behind_first => array.additional = Some(node),
                    _ => array.every = Some(node),
                }
                Kind::Array(Box::new(array))
            }
            Keyword::First(schemas) => {
                let items = schemas
                    .iter()
                    .map(|schema| self.schema(*schema))
                    .collect::<Result<_, _>>()?;
                Kind::Array(Box::new(Array {
                    items,
                    ..Array::new(false)
                }))
            }
            Keyword::Contains(schema, min, max) => Kind::Array(Box::new(Array {
                contained: Some(self.schema(*schema)?),
                min_contains: Some(*min),
                max_contains: *max,
                ..Array::new(false)
            })),
            Keyword::Dependent(schemas) => {
                let mut object = Object::new(false);
                for (name, schema) in schemas {
                    object.dependent_schemas.insert(name.clone(), self.schema(*schema)?);
                }
                Kind::Object(Box::new(object))
            }
            Keyword::Names(schema) => Kind::Object(Box::new(Object {
                names: Some(self.schema(*schema)?),
                ..Object::new(false)
            })),
            Keyword::Conditional(schemas) => {
                let mut branches = [None; 3];
                for (branch, schema) in branches.iter_mut().zip(schemas) {
                    *branch = schema.map(|schema| self.schema(schema)).transpose()?;
                }
                Kind::Conditional(Box::new(branches))
            }
        }))
    }

    fn reference(&mut self, text: &str, target: SchemaId) -> Result<NodeId, String> {
        let node = self.graph.add(Node::new(Kind::Reference(Box::new(Reference {
            text: text.to_owned(),
            target: None,
        }))))?;
        self.waiting.push_back((node, target));
        self.leads_to.insert(node, target);
        Ok(node)
    }

    /// Tells waiting references what they refer to. All references to one schema lead to one copy of it here, which is
    /// not the node where the schema stands.
    fn settle(&mut self) -> Result<(), String> {
        let mut copies: HashMap<SchemaId, NodeId> = HashMap::new();
        let mut later = Vec::new();
        while let Some((reference, schema)) = self.waiting.pop_front() {
            let target = match (copies.get(&schema), self.built.get(&schema)) {
                (Some(copy), _) => *copy,
                (None, Some(built)) => {
                    let copy = self.copy(*built)?;
                    copies.insert(schema, copy);
                    copy
                }
                (None, None) if self.begun.contains(&schema) => {
                    later.push((reference, schema));
                    continue;
                }
                (None, None) => {
                    let built = self.schema(schema)?;
                    // A chain of definitions may be as long as the text lets it be.
                    super::deeper(|| self.settle())?;
                    self.copy(built)?
                }
            };
            if let Kind::Reference(reference) = &mut self.graph.node_mut(reference).kind {
                reference.target = Some(target);
            }
        }
        self.waiting.extend(later);
        Ok(())
    }

    fn copy(&mut self, node: NodeId) -> Result<NodeId, String> {
        match &self.graph.node(node).kind {
            // References are one wherever they are seen from.
            Kind::Reference(_) => Ok(node),
            _ => {
                let copy = self.graph.node(node).clone();
                self.graph.add(copy)
            }
        }
    }

    /// The parts of an implied combination of all, or the node itself.
    fn flat(&self, node: NodeId) -> Vec<NodeId> {
        match &self.graph.node(node).kind {
            Kind::Combined(combined) if combined.implied && combined.criterion == Criterion::All => {
                combined.parts.clone()
            }
            _ => vec![node],
        }
    }

    fn flat_part(&mut self, part: Part) -> Result<Vec<NodeId>, String> {
        match part {
            Part::There(node) => Ok(vec![node]),
            Part::New(Kind::Combined(combined)) if combined.implied && combined.criterion == Criterion::All => {
                Ok(combined.parts)
            }
            Part::New(kind) => Ok(vec![self.graph.add(Node::new(kind))?]),
        }
    }

    /// Puts `next` beside what was there.
    fn joined(&mut self, before: Option<Part>, next: Part) -> Result<Part, String> {
        let Some(before) = before else {
            return Ok(next);
        };
        let (before, next) = match (before, next) {
            (Part::New(before), Part::New(next)) => {
                if merges(&before, &next) {
                    return Ok(Part::New(merged(before, next)));
                }
                match (self.takes(&before, &next), self.takes(&next, &before)) {
                    (Some(any), _) => return self.any_with(any, next).map(Part::New),
                    (None, Some(any)) => return self.any_with(any, before).map(Part::New),
                    (None, None) => (Part::New(before), Part::New(next)),
                }
            }
            other => other,
        };
        let mut parts = Vec::new();
        for node in self.flat_part(before)?.into_iter().chain(self.flat_part(next)?) {
            self.accumulate(&mut parts, node)?;
        }
        Ok(Part::New(all(parts)))
    }

    /// The parts of `any`, if it stands for a list of types with one of the kind of `other`.
    fn takes(&self, any: &Kind, other: &Kind) -> Option<Vec<NodeId>> {
        match any {
            Kind::Combined(combined) if combined.implied && combined.criterion == Criterion::Any => {
                let alike = combined
                    .parts
                    .iter()
                    .any(|part| self.graph.node(*part).kind.is_like(other));
                alike.then(|| combined.parts.clone())
            }
            _ => None,
        }
    }

    fn any_with(&mut self, mut parts: Vec<NodeId>, kind: Kind) -> Result<Kind, String> {
        let node = self.graph.add(Node::new(kind))?;
        self.accumulate(&mut parts, node)?;
        Ok(Kind::Combined(Box::new(Combined {
            criterion: Criterion::Any,
            parts,
            implied: true,
        })))
    }

    /// Merges the node into the first part it can be merged into, or puts it behind them.
    fn accumulate(&mut self, parts: &mut Vec<NodeId>, node: NodeId) -> Result<(), String> {
        let kind = &self.graph.node(node).kind;
        match parts.iter().position(|part| merges(&self.graph.node(*part).kind, kind)) {
            Some(at) => {
                let kind = merged(self.graph.node(parts[at]).kind.clone(), kind.clone());
                parts[at] = self.graph.add(Node::new(kind))?;
            }
            None => parts.push(node),
        }
        Ok(())
    }

    /// Adds a node for what a schema's keywords made, without a combination where there is nothing to combine.
    fn collapsed(&mut self, part: Part) -> Result<NodeId, String> {
        let kind = match part {
            Part::There(node) => return Ok(node),
            Part::New(kind) => kind,
        };
        match kind {
            Kind::Combined(combined) if combined.implied && combined.criterion == Criterion::All => {
                match combined.parts.as_slice() {
                    [] => self.graph.add(Node::new(Kind::Empty)),
                    [only] => match (self.leads_to.get(only), &self.graph.node(*only).kind) {
                        (Some(target), Kind::Reference(reference)) => {
                            let (text, target) = (reference.text.clone(), *target);
                            self.reference(&text, target)
                        }
                        _ => self.copy(*only),
                    },
                    _ => self.graph.add(Node::new(Kind::Combined(combined))),
                }
            }
            kind => self.graph.add(Node::new(kind)),
        }
    }
}

fn all(parts: Vec<NodeId>) -> Kind {
    Kind::Combined(Box::new(Combined {
        criterion: Criterion::All,
        parts,
        implied: true,
    }))
}

/// Whether schemas of the two kinds can be made one.
fn merges(a: &Kind, b: &Kind) -> bool {
    a.is_like(b) && matches!(a, Kind::Array(_) | Kind::Number(_) | Kind::Object(_) | Kind::Text(_))
}

/// Both in one; where both say something, the second counts.
fn merged(first: Kind, second: Kind) -> Kind {
    match (first, second) {
        (Kind::Array(a), Kind::Array(b)) => Kind::Array(Box::new(merged_arrays(*a, *b))),
        (Kind::Object(a), Kind::Object(b)) => Kind::Object(Box::new(merged_objects(*a, *b))),
        (Kind::Number(a), Kind::Number(b)) => Kind::Number(Box::new(Number {
            only: a.only || b.only,
            integer: a.integer || b.integer,
            minimum: b.minimum.or(a.minimum),
            maximum: b.maximum.or(a.maximum),
            exclusive_minimum: b.exclusive_minimum.or(a.exclusive_minimum),
            exclusive_maximum: b.exclusive_maximum.or(a.exclusive_maximum),
            multiple_of: b.multiple_of.or(a.multiple_of),
            excluded: a.excluded,
        })),
        (Kind::Text(a), Kind::Text(b)) => Kind::Text(Box::new(Text {
            only: a.only || b.only,
            min_length: b.min_length.or(a.min_length),
            max_length: b.max_length.or(a.max_length),
            pattern: b.pattern.or(a.pattern),
            format: b.format.or(a.format),
        })),
        (first, _) => first,
    }
}

fn merged_arrays(a: Array, b: Array) -> Array {
    let every = b.every.or(a.every);
    let additional = b.additional.or(a.additional);
    Array {
        only: a.only || b.only,
        every,
        items: a.items.into_iter().chain(b.items).collect(),
        more: every.is_some() || additional.is_some() || (a.more && b.more),
        additional,
        unevaluated: b.unevaluated.or(a.unevaluated),
        contained: b.contained.or(a.contained),
        min_contains: b.min_contains.or(a.min_contains),
        max_contains: b.max_contains.or(a.max_contains),
        min_items: b.min_items.or(a.min_items),
        max_items: b.max_items.or(a.max_items),
        unique: a.unique || b.unique,
    }
}

fn merged_objects(mut a: Object, b: Object) -> Object {
    a.only |= b.only;
    a.more &= b.more;
    a.properties.extend(b.properties);
    a.required.extend(b.required);
    a.patterns.extend(b.patterns);
    a.additional = b.additional.or(a.additional);
    a.unevaluated = b.unevaluated.or(a.unevaluated);
    a.names = b.names.or(a.names);
    a.min_properties = b.min_properties.or(a.min_properties);
    a.max_properties = b.max_properties.or(a.max_properties);
    for (name, wanted) in b.dependent_names {
        a.dependent_names.entry(name).or_default().extend(wanted);
    }
    a.dependent_schemas.extend(b.dependent_schemas);
    a
}
