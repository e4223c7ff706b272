//! The text of a schema that no longer depends on how it was written: properties sorted, aliases in full, defaults in
//! the form of their types.
//!
//! The order of steps is that of the registry the world knows: it writes its own form of the schema, reads that again
//! and prints it. So an `error` becomes a record, and a type without a namespace takes that of what it stands in.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value as Json, json as value};

use super::{Enum, Field, Kind, Name, Node, NodeId, Record, Schema, canonical, parse};

pub(super) fn text(schema: &Schema) -> String {
    let mut writer = Writer {
        schema,
        written: schema.known.iter().copied().collect(),
    };
    let json = writer.ty(schema.root());
    match parse::parse_again(&json, schema) {
        Ok(normal) => canonical::text(&normal, &normal.known),
        // Some names cannot be read back where they are moved to: such a schema has no other form.
        Err(_) => schema.canonical(),
    }
}

struct Writer<'a> {
    schema: &'a Schema,
    /// Named types that stand in the text already.
    written: HashSet<NodeId>,
}

impl Schema {
    /// A field's default in the form of its type; none if it has no default that its type can have.
    pub(crate) fn typed_default(&self, field: &Field) -> Option<Json> {
        let writer = Writer {
            schema: self,
            written: HashSet::new(),
        };
        writer.default(field)
    }

    /// Whether a type is a record that holds a value with its own type.
    pub(crate) fn is_variant_record(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let Kind::Record(record) = &node.kind else {
            return false;
        };
        let by_name = record.name.full() == "confluent.type.Variant" && is_variant(self, record);
        by_name || fitting_logical(self, node) == Some("variant")
    }

    /// Whether a type is an array that stands for a map.
    pub(crate) fn is_logical_map(&self, id: NodeId) -> bool {
        fitting_logical(self, self.node(id)) == Some("map")
    }
}

impl Writer<'_> {
    fn ty(&mut self, id: NodeId) -> Json {
        let schema = self.schema;
        let node = schema.node(id);
        if let Some(name) = node.kind.name()
            && !self.written.insert(id)
        {
            return value!(name.full());
        }
        let mut object = Map::new();
        match &node.kind {
            Kind::Union(branches) => return branches.iter().map(|branch| self.ty(*branch)).collect(),
            Kind::Array(items) => {
                object.insert("type".into(), value!("array"));
                object.insert("items".into(), self.ty(*items));
            }
            Kind::Map(values) => {
                object.insert("type".into(), value!("map"));
                object.insert("values".into(), self.ty(*values));
            }
            Kind::Record(record) => {
                object.insert("name".into(), value!(record.name.full()));
                object.insert("type".into(), value!("record"));
                let fields: Vec<Json> = record.fields.iter().map(|field| self.field(field)).collect();
                object.insert("fields".into(), fields.into());
            }
            Kind::Enum(symbols) => {
                object.insert("name".into(), value!(symbols.name.full()));
                object.insert("type".into(), value!("enum"));
                object.insert("symbols".into(), value!(symbols.symbols));
            }
            Kind::Fixed(fixed) => {
                object.insert("name".into(), value!(fixed.name.full()));
                object.insert("type".into(), value!("fixed"));
                object.insert("size".into(), value!(fixed.size));
            }
            primitive => {
                object.insert("type".into(), value!(primitive.word()));
            }
        }
        self.put_logical(&mut object, node);
        put_named(&mut object, &node.kind);
        put_sorted(&mut object, &node.properties);
        Json::Object(object)
    }

    /// A logical type that fits stands before all other properties.
    fn put_logical(&self, object: &mut Map<String, Json>, node: &Node) {
        let Some(word) = fitting_logical(self.schema, node) else {
            return;
        };
        object.insert("logicalType".into(), value!(word));
        if word == "decimal" {
            for key in ["precision", "scale"] {
                let number = property(node, key).filter(|number| key == "precision" || **number != value!(0));
                if let Some(number) = number {
                    object.insert(key.into(), number.clone());
                }
            }
        }
    }

    fn field(&mut self, field: &Field) -> Json {
        let mut object = Map::new();
        object.insert("name".into(), value!(field.name));
        object.insert("type".into(), self.ty(field.ty));
        if let Some(order) = &field.order {
            object.insert("order".into(), value!(order));
        }
        if let Some(doc) = &field.doc {
            object.insert("doc".into(), value!(doc));
        }
        if !field.aliases.is_empty() {
            let mut aliases = field.aliases.clone();
            aliases.sort();
            object.insert("aliases".into(), value!(aliases));
        }
        if let Some(default) = self.default(field) {
            object.insert("default".into(), default);
        }
        put_sorted(&mut object, &field.properties);
        Json::Object(object)
    }

    fn default(&self, field: &Field) -> Option<Json> {
        // What is not a number is spelled as a string, and only right in a field of fractions.
        let odd = matches!(self.schema.node(field.ty).kind, Kind::Float | Kind::Double);
        match field.default.as_ref()? {
            Json::String(text) if odd => Some(value!(text)),
            other => self.typed(other, field.ty),
        }
    }

    /// A default in the form of its type; none if the type has no such value, and then the default is lost.
    fn typed(&self, json: &Json, ty: NodeId) -> Option<Json> {
        let kind = &self.schema.node(ty).kind;
        Some(match (kind, json) {
            (Kind::Union(branches), _) => return self.typed(json, *branches.first()?),
            (_, Json::Null | Json::Bool(_)) => json.clone(),
            (Kind::Double, Json::Number(number)) => value!(number.as_f64()?),
            (Kind::Float, Json::Number(number)) => {
                let single = number.as_f64()? as f32;
                value!(single.to_string().parse::<f64>().ok()?)
            }
            (Kind::Int | Kind::Long, Json::Number(number)) if !number.is_f64() => json.clone(),
            (Kind::String | Kind::Enum(_), Json::String(_)) => json.clone(),
            (Kind::Bytes | Kind::Fixed(_), Json::String(text)) => {
                // Bytes are characters 0 to 255; others are lost.
                let latin = |c: char| if u32::from(c) < 256 { c } else { '?' };
                value!(text.chars().map(latin).collect::<String>())
            }
            (Kind::Array(items), Json::Array(list)) => list.iter().map(|item| self.part(item, *items)).collect(),
            (_, Json::Array(_)) => ordered(json),
            (kind, Json::Object(object)) => {
                let part = |(key, value): (&String, &Json)| {
                    let ty = match kind {
                        Kind::Map(values) => Some(*values),
                        Kind::Record(record) => {
                            let field = record.fields.iter().find(|field| field.name == *key);
                            field.map(|field| field.ty)
                        }
                        _ => None,
                    };
                    (
                        key.clone(),
                        ty.map_or_else(|| ordered(value), |ty| self.part(value, ty)),
                    )
                };
                sorted(object.iter().map(part).collect())
            }
            _ => return None,
        })
    }

    /// A part of a default, which stays as it is when its type has no such value.
    fn part(&self, json: &Json, ty: NodeId) -> Json {
        self.typed(json, ty).unwrap_or_else(|| json.clone())
    }
}

fn sorted(entries: BTreeMap<String, Json>) -> Json {
    Json::Object(entries.into_iter().collect())
}

fn put_named(object: &mut Map<String, Json>, kind: &Kind) {
    let (name, doc, aliases) = match kind {
        Kind::Record(record) => (&record.name, &record.doc, &record.aliases),
        Kind::Enum(symbols) => (&symbols.name, &symbols.doc, &symbols.aliases),
        Kind::Fixed(fixed) => (&fixed.name, &fixed.doc, &fixed.aliases),
        _ => return,
    };
    if let Some(doc) = doc.as_ref().filter(|doc| !doc.is_empty()) {
        object.insert("doc".into(), value!(doc));
    }
    if !aliases.is_empty() {
        let mut full: Vec<String> = aliases.iter().map(|alias| alias_of(alias, name)).collect();
        full.sort();
        object.insert("aliases".into(), value!(full));
    }
    if let Kind::Enum(Enum {
        default: Some(default), ..
    }) = kind
    {
        object.insert("default".into(), value!(default));
    }
}

/// An alias in full; a dot leads one without a namespace where the type has one.
fn alias_of(alias: &Name, name: &Name) -> String {
    if alias.namespace.is_none() && name.namespace.is_some() {
        format!(".{}", alias.name)
    } else {
        alias.full()
    }
}

fn put_sorted(object: &mut Map<String, Json>, properties: &[(String, Json)]) {
    let sorted: BTreeMap<&String, &Json> = properties.iter().map(|(key, value)| (key, value)).collect();
    for (key, value) in sorted {
        object.insert(key.clone(), ordered(value));
    }
}

/// Keys in order, at every level.
fn ordered(json: &Json) -> Json {
    match json {
        Json::Array(items) => items.iter().map(ordered).collect(),
        Json::Object(object) => sorted(
            object
                .iter()
                .map(|(key, value)| (key.clone(), ordered(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn property<'a>(node: &'a Node, key: &str) -> Option<&'a Json> {
    let found = node.properties.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value)
}

/// The node's logical type, if Avro knows it and it fits the type.
fn fitting_logical<'a>(schema: &Schema, node: &'a Node) -> Option<&'a str> {
    let word = property(node, "logicalType")?.as_str()?;
    let fits = match (word, &node.kind) {
        ("date" | "time-millis", Kind::Int) => true,
        (
            "time-micros"
            | "timestamp-millis"
            | "timestamp-micros"
            | "timestamp-nanos"
            | "local-timestamp-millis"
            | "local-timestamp-micros"
            | "local-timestamp-nanos",
            Kind::Long,
        ) => true,
        ("uuid", Kind::String) => true,
        ("uuid", Kind::Fixed(fixed)) => fixed.size == 16,
        ("decimal", Kind::Bytes) => decimal_fits(node, i64::from(i32::MAX)),
        ("decimal", Kind::Fixed(fixed)) => {
            let digits = (8.0 * fixed.size as f64 - 1.0) * 2_f64.log10();
            decimal_fits(node, digits.floor() as i64)
        }
        ("map", Kind::Array(items)) => match &schema.node(*items).kind {
            Kind::Record(pair) => is_pair(pair),
            _ => false,
        },
        ("variant", Kind::Record(record)) => is_variant(schema, record),
        _ => false,
    };
    fits.then_some(word)
}

fn decimal_fits(node: &Node, most: i64) -> bool {
    let int = |json: &Json| json.as_i64().filter(|number| i32::try_from(*number).is_ok());
    let precision = property(node, "precision").and_then(int);
    let scale = property(node, "scale").map_or(Some(0), int);
    match (precision, scale) {
        (Some(precision), Some(scale)) => (1..=most).contains(&precision) && (0..=precision).contains(&scale),
        _ => false,
    }
}

fn is_pair(record: &Record) -> bool {
    let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
    names == ["key", "value"]
}

fn is_variant(schema: &Schema, record: &Record) -> bool {
    let bytes = |name: &str| {
        let field = record.fields.iter().find(|field| field.name == name);
        field.is_some_and(|field| matches!(schema.node(field.ty).kind, Kind::Bytes))
    };
    record.fields.len() == 2 && bytes("metadata") && bytes("value")
}
