//! What a schema says, as compatibility looks at it: a graph of nodes, each of one kind.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::decimal::Decimal;
use super::pattern::Pattern;
use super::value::Json;

/// A node's place in its graph. Nodes that say the same at different places are different nodes.
pub(super) type NodeId = u32;

/// Nodes that the graph of any schema may have.
const MOST_NODES: usize = 500_000;
/// Nodes that the graph of a short text may have.
const ENOUGH_NODES: usize = 50_000;

/// Nodes that the graph of texts of so many bytes may have. They hardly hold more schemas, but lists of types and
/// references multiply what they hold.
pub(super) fn most_nodes(bytes: usize) -> usize {
    (bytes * 2).clamp(ENOUGH_NODES, MOST_NODES)
}

/// What is said of texts that make more nodes than they may.
pub(super) fn too_many(nodes: usize) -> String {
    format!("it unfolds to more than {nodes} schemas")
}
/// Schemas and references within each other that are followed.
pub(super) const MOST_STEPS_DOWN: usize = 1_024;

/// A schema's graph.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    pub(super) root: NodeId,
    /// Whether implied combinations of all are written as the keywords they stand for, not as `allOf`.
    pub(super) inline: bool,
    most_nodes: usize,
}

impl Graph {
    pub(super) fn new(inline: bool, most_nodes: usize) -> Graph {
        Graph {
            nodes: Vec::new(),
            root: 0,
            inline,
            most_nodes,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub(super) fn add(&mut self, node: Node) -> Result<NodeId, String> {
        if self.nodes.len() >= self.most_nodes {
            return Err(too_many(self.most_nodes));
        }
        self.nodes.push(node);
        // The bound above is far below what the number holds.
        Ok((self.nodes.len() - 1) as NodeId)
    }
}

/// A schema: what kind it is and what is said beside that.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) notes: Notes,
}

impl Node {
    pub(super) fn new(kind: Kind) -> Node {
        Node {
            kind,
            notes: Notes::default(),
        }
    }
}

/// What is said beside the keywords of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Notes {
    pub(super) has_default: bool,
    /// Whether Connect keeps bytes in it (`"connect.type": "bytes"`).
    pub(super) holds_bytes: bool,
    /// Stands for title, description, default, identifier and members that are no keywords: alike, if they are alike.
    pub(super) fingerprint: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A schema object that restricts nothing.
    Empty,
    True,
    False,
    Boolean,
    Null,
    Text(Box<Text>),
    Number(Box<Number>),
    Const(Box<Json>),
    Enum(Vec<Json>),
    Combined(Box<Combined>),
    Not(NodeId),
    Object(Box<Object>),
    Array(Box<Array>),
    Conditional(Box<[Option<NodeId>; 3]>),
    Reference(Box<Reference>),
}

impl Kind {
    /// Whether every value is valid because nothing is restricted.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Kind::Empty | Kind::True)
    }

    /// Whether it holds no other schemas.
    pub(super) fn is_leaf(&self) -> bool {
        match self {
            Kind::Empty | Kind::True | Kind::False | Kind::Boolean | Kind::Null => true,
            Kind::Text(_) | Kind::Number(_) | Kind::Const(_) | Kind::Enum(_) => true,
            Kind::Combined(_) | Kind::Not(_) | Kind::Object(_) | Kind::Array(_) => false,
            Kind::Conditional(_) | Kind::Reference(_) => false,
        }
    }

    /// Whether the two are of one kind. `{}` and `true` are not.
    pub(super) fn is_like(&self, other: &Kind) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Text {
    /// Whether values of other types are invalid.
    pub(super) only: bool,
    pub(super) min_length: Option<i32>,
    pub(super) max_length: Option<i32>,
    pub(super) pattern: Option<String>,
    pub(super) format: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Number {
    pub(super) only: bool,
    pub(super) integer: bool,
    pub(super) minimum: Option<Decimal>,
    pub(super) maximum: Option<Decimal>,
    pub(super) exclusive_minimum: Option<Decimal>,
    pub(super) exclusive_maximum: Option<Decimal>,
    pub(super) multiple_of: Option<Decimal>,
    /// Draft 4 says by flags whether minimum and maximum are valid themselves.
    pub(super) excluded: (bool, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Criterion {
    All,
    Any,
    One,
}

impl Criterion {
    pub(super) fn word(self) -> &'static str {
        match self {
            Criterion::All => "allOf",
            Criterion::Any => "anyOf",
            Criterion::One => "oneOf",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Combined {
    pub(super) criterion: Criterion,
    pub(super) parts: Vec<NodeId>,
    /// Whether it stands for keywords beside each other or a list of types, not for a combining keyword.
    pub(super) implied: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    pub(super) only: bool,
    pub(super) properties: IndexMap<String, NodeId>,
    pub(super) required: BTreeSet<String>,
    pub(super) patterns: Vec<(Pattern, NodeId)>,
    /// Whether properties beyond those named may be there; `additional` says which.
    pub(super) more: bool,
    pub(super) additional: Option<NodeId>,
    pub(super) unevaluated: Option<NodeId>,
    pub(super) names: Option<NodeId>,
    pub(super) min_properties: Option<i32>,
    pub(super) max_properties: Option<i32>,
    pub(super) dependent_names: IndexMap<String, BTreeSet<String>>,
    pub(super) dependent_schemas: IndexMap<String, NodeId>,
}

impl Object {
    pub(super) fn new(only: bool) -> Object {
        Object {
            only,
            properties: IndexMap::new(),
            required: BTreeSet::new(),
            patterns: Vec::new(),
            more: true,
            additional: None,
            unevaluated: None,
            names: None,
            min_properties: None,
            max_properties: None,
            dependent_names: IndexMap::new(),
            dependent_schemas: IndexMap::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) only: bool,
    /// What every item must be.
    pub(super) every: Option<NodeId>,
    /// What the first items must be, one by one.
    pub(super) items: Vec<NodeId>,
    /// Whether there may be items beyond those; `additional` says which.
    pub(super) more: bool,
    pub(super) additional: Option<NodeId>,
    pub(super) unevaluated: Option<NodeId>,
    pub(super) contained: Option<NodeId>,
    pub(super) min_contains: Option<i32>,
    pub(super) max_contains: Option<i32>,
    pub(super) min_items: Option<i32>,
    pub(super) max_items: Option<i32>,
    pub(super) unique: bool,
}

impl Array {
    pub(super) fn new(only: bool) -> Array {
        Array {
            only,
            every: None,
            items: Vec::new(),
            more: true,
            additional: None,
            unevaluated: None,
            contained: None,
            min_contains: None,
            max_contains: None,
            min_items: None,
            max_items: None,
            unique: false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// The reference as it stands in the text, or where it leads.
    pub(super) text: String,
    /// What it refers to, once that is loaded.
    pub(super) target: Option<NodeId>,
}
