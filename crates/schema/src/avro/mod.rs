//! Avro schemas: an arena of nodes, so that recursive types need no special case.
//!
//! Invariant: every [`NodeId`] of a schema points into that schema's arena; a named type has exactly one node.

mod binary;
mod canonical;
mod compat;
mod defaults;
mod json;
mod normalize;
mod parse;
mod parts;

use serde_json::Value as Json;

pub use compat::compare;
pub use json::split;

/// A node's place in its schema's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// A parsed schema with all types it reaches.
#[derive(Clone, Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    root: NodeId,
    /// Nodes below this came from referenced schemas.
    own_from: u32,
    /// What the references define at their top: only these print as names, types inside them are written out.
    known: Vec<NodeId>,
}

/// One type.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    pub logical: Option<Logical>,
    /// Properties that Avro gives no meaning, `logicalType` and its companions among them, in the order written.
    pub properties: Vec<(String, Json)>,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Record),
    Enum(Enum),
    Fixed(Fixed),
}

#[derive(Clone, Debug)]
pub struct Record {
    pub name: Name,
    pub doc: Option<String>,
    pub fields: Vec<Field>,
    pub aliases: Vec<Name>,
    /// Written as `error` rather than `record`.
    pub is_error: bool,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub ty: NodeId,
    pub doc: Option<String>,
    pub default: Option<Json>,
    /// `descending` or `ignore`; ascending is not written.
    pub order: Option<String>,
    pub aliases: Vec<String>,
    pub properties: Vec<(String, Json)>,
}

#[derive(Clone, Debug)]
pub struct Enum {
    pub name: Name,
    pub doc: Option<String>,
    pub symbols: Vec<String>,
    pub default: Option<String>,
    pub aliases: Vec<Name>,
}

#[derive(Clone, Debug)]
pub struct Fixed {
    pub name: Name,
    pub doc: Option<String>,
    pub size: usize,
    pub aliases: Vec<Name>,
}

/// A type's name with its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub namespace: Option<String>,
    pub name: String,
}

impl Name {
    /// `namespace.name`, or the bare name.
    pub fn full(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What a value means beyond its stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logical {
    Decimal { precision: u32, scale: u32 },
    Date,
    TimeMillis,
    TimeMicros,
    TimestampMillis,
    TimestampMicros,
    LocalTimestampMillis,
    LocalTimestampMicros,
    Uuid,
}

/// Why a text is not an Avro schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AvroError(pub String);

impl Schema {
    /// Parses a schema; `references` are the texts of the schemas it names types of, dependencies first.
    pub fn parse(text: &str, references: &[(String, String)]) -> Result<Schema, AvroError> {
        parse::parse(text, references)
    }

    /// The types that references define.
    pub(crate) fn referenced(&self) -> &[Node] {
        &self.nodes[..self.own_from as usize]
    }

    pub fn root(&self) -> NodeId {
        self.root
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The text in the registry's canonical form.
    pub fn canonical(&self) -> String {
        canonical::text(self, &self.known)
    }

    /// The text with everything in it that the references define, which `format=resolved` asks for.
    pub fn resolved(&self) -> String {
        canonical::text(self, &[])
    }

    /// The canonical text of an equivalent schema that no longer depends on how it was written.
    pub fn normalized(&self) -> String {
        normalize::text(self)
    }

    /// Checks every field's default against its type, and the names of types and fields, as a registry does when a
    /// schema is new.
    pub fn check_defaults(&self) -> Result<(), AvroError> {
        defaults::check(self)
    }

    fn is_own(&self, id: NodeId) -> bool {
        id.0 >= self.own_from
    }
}

impl Kind {
    /// The type's name as Avro's own messages print it.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Record(_) => "record",
            Kind::Enum(_) => "enum",
            Kind::Fixed(_) => "fixed",
        }
    }

    /// The name of a record, enum or fixed.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Kind::Record(record) => Some(&record.name),
            Kind::Enum(symbols) => Some(&symbols.name),
            Kind::Fixed(fixed) => Some(&fixed.name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
