//! What a schema says, as compatibility looks at it: a graph of nodes, each of one kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::decimal::Decimal;
use super::pattern::Pattern;
use super::value::{Json, Object as Members};

/// A node's place in its graph. Nodes that say the same at different places are different nodes.
pub(crate) type NodeId = u32;

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
pub(crate) const MOST_STEPS_DOWN: usize = 1_024;

/// A schema's graph.
#[derive(Debug)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    pub(crate) root: NodeId,
    /// What the newer drafts define beside the root, by name.
    pub(crate) definitions: Vec<(String, NodeId)>,
    /// Whether implied combinations of all are written as the keywords they stand for, not as `allOf`.
    pub(crate) inline: bool,
    most_nodes: usize,
}

impl Graph {
    pub(crate) fn new(inline: bool, most_nodes: usize) -> Graph {
        Graph {
            nodes: Vec::new(),
            root: 0,
            definitions: Vec::new(),
            inline,
            most_nodes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub(crate) fn add(&mut self, node: Node) -> Result<NodeId, String> {
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
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) notes: Notes,
    /// What it says to those who make tables of it.
    pub(crate) said: Option<Arc<Said>>,
}

impl Node {
    pub(crate) fn new(kind: Kind) -> Node {
        Node {
            kind,
            notes: Notes::default(),
            said: None,
        }
    }
}

/// What is said beside the keywords of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Notes {
    pub(crate) has_default: bool,
    /// Whether Connect keeps bytes in it (`"connect.type": "bytes"`).
    pub(crate) holds_bytes: bool,
    /// Stands for title, description, default, identifier and members that are no keywords: alike, if they are alike.
    pub(crate) fingerprint: u64,
}

/// Title, description, default and the members that clients write for tables; no comparison of schemas looks at them.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) members: Members,
}

impl Said {
    /// What these members of a schema say; none if nothing.
    pub(crate) fn of(members: &Members) -> Option<Arc<Said>> {
        const OF_TABLES: [&str; 4] = ["connect.", "flink.", "logical.", "confluent:"];
        let text = |key: &str| members.get(key).and_then(Json::as_str).map(str::to_owned);
        let (title, description) = (text("title"), text("description"));
        let kept = |key: &str| key == "default" || OF_TABLES.iter().any(|start| key.starts_with(start));
        let members: Members = members
            .iter()
            .filter(|(key, _)| kept(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let said = Said {
            title,
            description,
            members,
        };
        let says = said.title.is_some() || said.description.is_some() || !said.members.is_empty();
        says.then(|| Arc::new(said))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
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
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Kind::Empty | Kind::True)
    }

    /// Whether it holds no other schemas.
    pub(crate) fn is_leaf(&self) -> bool {
        match self {
            Kind::Empty | Kind::True | Kind::False | Kind::Boolean | Kind::Null => true,
            Kind::Text(_) | Kind::Number(_) | Kind::Const(_) | Kind::Enum(_) => true,
            Kind::Combined(_) | Kind::Not(_) | Kind::Object(_) | Kind::Array(_) => false,
            Kind::Conditional(_) | Kind::Reference(_) => false,
        }
    }

    /// Whether the two are of one kind. `{}` and `true` are not.
    pub(crate) fn is_like(&self, other: &Kind) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Text {
    /// Whether values of other types are invalid.
    pub(crate) only: bool,
    pub(crate) min_length: Option<i32>,
    pub(crate) max_length: Option<i32>,
    pub(crate) pattern: Option<String>,
    pub(crate) format: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    pub(crate) only: bool,
    pub(crate) integer: bool,
    pub(crate) minimum: Option<Decimal>,
    pub(crate) maximum: Option<Decimal>,
    pub(crate) exclusive_minimum: Option<Decimal>,
    pub(crate) exclusive_maximum: Option<Decimal>,
    pub(crate) multiple_of: Option<Decimal>,
    /// Draft 4 says by flags whether minimum and maximum are valid themselves.
    pub(crate) excluded: (bool, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Criterion {
    All,
    Any,
    One,
}

impl Criterion {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Criterion::All => "allOf",
            Criterion::Any => "anyOf",
            Criterion::One => "oneOf",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Combined {
    pub(crate) criterion: Criterion,
    pub(crate) parts: Vec<NodeId>,
    /// Whether it stands for keywords beside each other or a list of types, not for a combining keyword.
    pub(crate) implied: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) only: bool,
    pub(crate) properties: IndexMap<String, NodeId>,
    pub(crate) required: BTreeSet<String>,
    pub(super) patterns: Vec<(Pattern, NodeId)>,
    /// Whether properties beyond those named may be there; `additional` says which.
    pub(crate) more: bool,
    pub(crate) additional: Option<NodeId>,
    pub(crate) unevaluated: Option<NodeId>,
    pub(crate) names: Option<NodeId>,
    pub(crate) min_properties: Option<i32>,
    pub(crate) max_properties: Option<i32>,
    pub(crate) dependent_names: IndexMap<String, BTreeSet<String>>,
    pub(crate) dependent_schemas: IndexMap<String, NodeId>,
}

impl Object {
    pub(crate) fn new(only: bool) -> Object {
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
pub(crate) struct Array {
    pub(crate) only: bool,
    /// What every item must be.
    pub(crate) every: Option<NodeId>,
    /// What the first items must be, one by one.
    pub(crate) items: Vec<NodeId>,
    /// Whether there may be items beyond those; `additional` says which.
    pub(crate) more: bool,
    pub(crate) additional: Option<NodeId>,
    pub(crate) unevaluated: Option<NodeId>,
    pub(crate) contained: Option<NodeId>,
    pub(crate) min_contains: Option<i32>,
    pub(crate) max_contains: Option<i32>,
    pub(crate) min_items: Option<i32>,
    pub(crate) max_items: Option<i32>,
    pub(crate) unique: bool,
}

impl Array {
    pub(crate) fn new(only: bool) -> Array {
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
pub(crate) struct Reference {
    /// The reference as it stands in the text, or where it leads.
    pub(crate) text: String,
    /// What it refers to, once that is loaded.
    pub(crate) target: Option<NodeId>,
}
