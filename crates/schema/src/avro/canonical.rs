//! The text form under which a registry recognises a schema again: keys in a fixed order, no blanks, inherited
//! namespaces dropped, repeated types as names.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::{Field, Kind, Name, NodeId, Schema};

pub(super) fn text(schema: &Schema) -> String {
    written(schema, false)
}

/// The text with the types of referenced schemas spelled out where they are first named.
pub(super) fn resolved(schema: &Schema) -> String {
    written(schema, true)
}

fn written(schema: &Schema, spells_references: bool) -> String {
    let mut printer = Printer {
        schema,
        spells_references,
        written: HashSet::new(),
    };
    printer.ty(schema.root(), None).to_string()
}

struct Printer<'a> {
    schema: &'a Schema,
    /// Whether types of referenced schemas are written as others are.
    spells_references: bool,
    /// Named types that stand in the text already.
    written: HashSet<NodeId>,
}

impl Printer<'_> {
    fn ty(&mut self, id: NodeId, namespace: Option<&str>) -> Json {
        let schema = self.schema;
        let node = schema.node(id);
        if let Some(name) = node.kind.name()
            && (!(self.spells_references || schema.is_own(id)) || !self.written.insert(id))
        {
            let same = name.namespace.as_deref() == namespace;
            return Json::String(if same { name.name.clone() } else { name.full() });
        }
        let mut object = Map::new();
        match &node.kind {
            Kind::Union(branches) => return branches.iter().map(|branch| self.ty(*branch, namespace)).collect(),
            Kind::Array(items) => {
                object.insert("type".into(), json!("array"));
                object.insert("items".into(), self.ty(*items, namespace));
            }
            Kind::Map(values) => {
                object.insert("type".into(), json!("map"));
                object.insert("values".into(), self.ty(*values, namespace));
            }
            Kind::Record(record) => {
                object.insert("type".into(), json!(if record.is_error { "error" } else { "record" }));
                put_name(&mut object, &record.name, record.doc.as_ref(), namespace);
                let inside = record.name.namespace.as_deref();
                let fields: Vec<Json> = record.fields.iter().map(|field| self.field(field, inside)).collect();
                object.insert("fields".into(), fields.into());
            }
            Kind::Enum(symbols) => {
                object.insert("type".into(), json!("enum"));
                put_name(&mut object, &symbols.name, symbols.doc.as_ref(), namespace);
                object.insert("symbols".into(), json!(symbols.symbols));
                if let Some(default) = &symbols.default {
                    object.insert("default".into(), json!(default));
                }
            }
            Kind::Fixed(fixed) => {
                object.insert("type".into(), json!("fixed"));
                put_name(&mut object, &fixed.name, fixed.doc.as_ref(), namespace);
                object.insert("size".into(), json!(fixed.size));
            }
            primitive if node.properties.is_empty() => return json!(primitive.word()),
            primitive => {
                object.insert("type".into(), json!(primitive.word()));
            }
        }
        object.extend(node.properties.iter().cloned());
        put_aliases(&mut object, &node.kind);
        Json::Object(object)
    }

    fn field(&mut self, field: &Field, namespace: Option<&str>) -> Json {
        let mut object = Map::new();
        object.insert("name".into(), json!(field.name));
        object.insert("type".into(), self.ty(field.ty, namespace));
        if let Some(doc) = &field.doc {
            object.insert("doc".into(), json!(doc));
        }
        if let Some(default) = &field.default {
            object.insert("default".into(), default.clone());
        }
        if let Some(order) = &field.order {
            object.insert("order".into(), json!(order));
        }
        if !field.aliases.is_empty() {
            object.insert("aliases".into(), json!(field.aliases));
        }
        object.extend(field.properties.iter().cloned());
        Json::Object(object)
    }
}

fn put_name(object: &mut Map<String, Json>, name: &Name, doc: Option<&String>, namespace: Option<&str>) {
    object.insert("name".into(), json!(name.name));
    if name.namespace.as_deref() != namespace {
        object.insert("namespace".into(), json!(name.namespace.as_deref().unwrap_or("")));
    }
    if let Some(doc) = doc {
        object.insert("doc".into(), json!(doc));
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
    let short = |alias: &Name| {
        if alias.namespace == name.namespace {
            alias.name.clone()
        } else {
            alias.full()
        }
    };
    object.insert("aliases".into(), aliases.iter().map(short).collect());
}
