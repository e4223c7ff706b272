//! The text form under which a registry recognises a schema again: keys in a fixed order, no blanks, inherited
//! namespaces dropped, repeated types as names.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json as value};

use super::{Field, Kind, Name, NodeId, Schema, json};

/// The schema's text; `known` types print as names.
pub(super) fn text(schema: &Schema, known: &[NodeId]) -> String {
    let mut printer = Printer {
        schema,
        written: known.iter().copied().collect(),
    };
    json::text(&printer.ty(schema.root(), None))
}

struct Printer<'a> {
    schema: &'a Schema,
    /// Named types that stand in the text already.
    written: HashSet<NodeId>,
}

impl Printer<'_> {
    fn ty(&mut self, id: NodeId, namespace: Option<&str>) -> Json {
        let schema = self.schema;
        let node = schema.node(id);
        if let Some(name) = node.kind.name()
            && !self.written.insert(id)
        {
            return Json::String(qualified(name, namespace));
        }
        let mut object = Map::new();
        match &node.kind {
            Kind::Union(branches) => return branches.iter().map(|branch| self.ty(*branch, namespace)).collect(),
            Kind::Array(items) => {
                object.insert("type".into(), value!("array"));
                object.insert("items".into(), self.ty(*items, namespace));
            }
            Kind::Map(values) => {
                object.insert("type".into(), value!("map"));
                object.insert("values".into(), self.ty(*values, namespace));
            }
            Kind::Record(record) => {
                object.insert("type".into(), value!(if record.is_error { "error" } else { "record" }));
                put_name(&mut object, &record.name, record.doc.as_ref(), namespace);
                let inside = record.name.namespace.as_deref();
                let fields: Vec<Json> = record.fields.iter().map(|field| self.field(field, inside)).collect();
                object.insert("fields".into(), fields.into());
            }
            Kind::Enum(symbols) => {
                object.insert("type".into(), value!("enum"));
                put_name(&mut object, &symbols.name, symbols.doc.as_ref(), namespace);
                object.insert("symbols".into(), value!(symbols.symbols));
                if let Some(default) = &symbols.default {
                    object.insert("default".into(), value!(default));
                }
            }
            Kind::Fixed(fixed) => {
                object.insert("type".into(), value!("fixed"));
                put_name(&mut object, &fixed.name, fixed.doc.as_ref(), namespace);
                object.insert("size".into(), value!(fixed.size));
            }
            primitive if node.properties.is_empty() => return value!(primitive.word()),
            primitive => {
                object.insert("type".into(), value!(primitive.word()));
            }
        }
        object.extend(node.properties.iter().cloned());
        put_aliases(&mut object, &node.kind);
        Json::Object(object)
    }

    fn field(&mut self, field: &Field, namespace: Option<&str>) -> Json {
        let mut object = Map::new();
        object.insert("name".into(), value!(field.name));
        object.insert("type".into(), self.ty(field.ty, namespace));
        if let Some(doc) = &field.doc {
            object.insert("doc".into(), value!(doc));
        }
        if let Some(default) = &field.default {
            object.insert("default".into(), default.clone());
        }
        if let Some(order) = &field.order {
            object.insert("order".into(), value!(order));
        }
        if !field.aliases.is_empty() {
            object.insert("aliases".into(), value!(field.aliases));
        }
        object.extend(field.properties.iter().cloned());
        Json::Object(object)
    }
}

fn put_name(object: &mut Map<String, Json>, name: &Name, doc: Option<&String>, namespace: Option<&str>) {
    object.insert("name".into(), value!(name.name));
    if name.namespace.as_deref() != namespace {
        object.insert("namespace".into(), value!(name.namespace.as_deref().unwrap_or("")));
    }
    if let Some(doc) = doc {
        object.insert("doc".into(), value!(doc));
    }
}

fn put_aliases(object: &mut Map<String, Json>, kind: &Kind) {
    let (name, aliases) = match kind {
        Kind::Record(record) => (&record.name, &record.aliases),
        Kind::Enum(symbols) => (&symbols.name, &symbols.aliases),
        Kind::Fixed(fixed) => (&fixed.name, &fixed.aliases),
        _ => return,
    };
    if aliases.is_empty() {
        return;
    }
    let namespace = name.namespace.as_deref();
    let aliases = aliases.iter().map(|alias| qualified(alias, namespace));
    object.insert("aliases".into(), aliases.collect());
}

/// A name as it is written in a namespace: in full unless it is of this very namespace and no word of Avro's own.
fn qualified(name: &Name, namespace: Option<&str>) -> String {
    let is_word = [
        "record", "enum", "array", "map", "union", "fixed", "string", "bytes", "int", "long", "float", "double",
        "boolean", "null",
    ];
    let same = name.namespace.is_some() && name.namespace.as_deref() == namespace;
    if same && !is_word.contains(&name.name.as_str()) {
        name.name.clone()
    } else {
        name.full()
    }
}
