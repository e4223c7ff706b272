//! Avro schemas as types of tables.

mod defaults;
mod said;

use std::collections::BTreeMap;

use indexmap::IndexMap;

use serde_json::Value as Json;

use crate::avro::{Kind, Name, Node, NodeId, Record, Schema};

use said::{in_order, of_branch, of_field, said, symbols};

use super::{Converted, Default, Document, Field, LENGTH_MAX, Logical, Ty, ddl};

/// `properties` are those of the schema's metadata.
pub(super) fn document(schema: &Schema, properties: Option<&BTreeMap<String, String>>) -> Converted<Document> {
    let said = |key: &str| properties.and_then(|properties| properties.get(key));
    let branches = said("confluent:union").map(|text| serde_json::from_str::<Json>(text));
    let branches = branches.transpose();
    let branches = branches.map_err(|_| "Failed to deserialize union metadata".to_owned())?;
    let mut converter = Converter {
        schema,
        named: IndexMap::new(),
        open: Vec::new(),
        path: Vec::new(),
        branches: branches.as_ref(),
    };
    let root = converter.ty(schema.root(), false)?;
    let is_type = |node: &&Node| matches!(node.kind, Kind::Record(_) | Kind::Enum(_));
    let external = schema.referenced().iter().filter(is_type);
    Ok(Document {
        named: converter.named,
        external: external.filter_map(|node| node.kind.name().map(Name::full)).collect(),
        ..Document::of(said("confluent:namespace").cloned(), root)
    })
}

struct Converter<'a> {
    schema: &'a Schema,
    named: IndexMap<String, Logical>,
    /// The unions and nameless records being converted: one inside its like has no end.
    open: Vec<NodeId>,
    path: Vec<&'a str>,
    /// What a field says of the branches of its union.
    branches: Option<&'a Json>,
}

fn property<'a>(node: &'a Node, key: &str) -> Option<&'a Json> {
    node.properties
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    property(node, key).and_then(Json::as_str)
}

fn int(node: &Node, key: &str) -> Option<i64> {
    property(node, key).and_then(|json| json.as_i64().or_else(|| json.as_f64().map(|number| number as i64)))
}

impl<'a> Converter<'a> {
    fn ty(&mut self, id: NodeId, nullable: bool) -> Converted<Logical> {
        let node = self.schema.node(id);
        let named = |name: String| Logical::of(Ty::Ref(name), nullable);
        let nameless = text(node, "logical.anonymous") == Some("true");
        if let (Kind::Record(record), false) = (&node.kind, nameless)
            && self.named.contains_key(&record.name.full())
        {
            return Ok(named(record.name.full()));
        }
        let may_hold_itself = matches!(node.kind, Kind::Union(_) | Kind::Record(_));
        if may_hold_itself && self.open.iter().any(|open| self.is_same(*open, id)) {
            return Err(format!(
                "Cyclic schemas are not supported.\nFound a cycle in the field: {}",
                self.path.join(".")
            ));
        }
        if may_hold_itself {
            self.open.push(id);
        }
        let ty = match &node.kind {
            Kind::Record(_) if self.schema.is_variant_record(id) => Ty::Variant,
            Kind::Record(record) if nameless => Ty::Struct(self.fields(record)?),
            Kind::Record(record) => {
                let name = record.name.full();
                self.named
                    .insert(name.clone(), Logical::of(Ty::Struct(Vec::new()), false));
                let fields = self.fields(record)?;
                let body = Logical {
                    said: Some(Box::new(said(record.doc.as_ref(), &node.properties))),
                    ..Logical::of(Ty::Struct(fields), false)
                };
                self.named.insert(name.clone(), body);
                Ty::Ref(name)
            }
            Kind::Enum(one) if nameless => symbols(one, node),
            Kind::Enum(one) => {
                let name = one.name.full();
                let body = Logical {
                    said: Some(Box::new(said(one.doc.as_ref(), &node.properties))),
                    ..Logical::of(symbols(one, node), false)
                };
                self.named.entry(name.clone()).or_insert(body);
                Ty::Ref(name)
            }
            Kind::Union(branches) => {
                let inner = self.union(branches)?;
                self.open.pop();
                return Ok(inner);
            }
            Kind::Array(items) => self.array(id, *items)?,
            Kind::Map(values) => {
                let value = self.ty(*values, false)?;
                let key = Logical::of(map_key(node), false);
                map_like(node, key, value)?
            }
            Kind::Null => return Err("Standalone NULL type is not supported".to_owned()),
            _ => scalar(node)?,
        };
        if may_hold_itself {
            self.open.pop();
        }
        Ok(Logical::of(ty, nullable))
    }

    fn fields(&mut self, record: &'a Record) -> Converted<Vec<Field>> {
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            self.path.push(&field.name);
            let branches = field.properties.iter().find(|(key, _)| key == "confluent:union");
            let before = std::mem::replace(&mut self.branches, branches.map(|(_, value)| value));
            let schema = self.ty(field.ty, false)?;
            self.branches = before;
            self.path.pop();
            if matches!(&self.schema.node(field.ty).kind, Kind::Union(branches) if branches.is_empty()) {
                // The words of the registry the world knows, which looks for the first branch.
                return Err("Index 0 out of bounds for length 0".to_owned());
            }
            let default = match self.schema.typed_default(field) {
                None => Default::Absent,
                Some(Json::Null) => Default::Null,
                Some(default) => {
                    let default = in_order(default, field.default.as_ref());
                    Default::Literal(defaults::value(&schema.ty, &default)?.literal(&schema.ty))
                }
            };
            fields.push(Field {
                name: field.name.clone(),
                schema,
                default,
                said: of_field(field),
            });
        }
        Ok(fields)
    }

    fn union(&mut self, branches: &[NodeId]) -> Converted<Logical> {
        let is_null = |id: &&NodeId| matches!(self.schema.node(**id).kind, Kind::Null);
        let members: Vec<NodeId> = branches.iter().filter(|id| !is_null(id)).copied().collect();
        let nullable = members.len() != branches.len();
        if let [only] = members.as_slice() {
            return self.ty(*only, nullable);
        }
        let hints = self.branches;
        let mut fields = Vec::with_capacity(members.len());
        let simple = |id: &NodeId| {
            let kind = &self.schema.node(*id).kind;
            kind.name()
                .map_or_else(|| kind.word().to_owned(), |name| name.name.clone())
        };
        let names: Vec<String> = members.iter().map(simple).collect();
        for (index, member) in members.iter().enumerate() {
            let hint = hints.and_then(|hints| hints.get(index)?.get("name")?.as_str());
            let alone = names.iter().filter(|name| **name == names[index]).count() == 1;
            let full = self
                .schema
                .node(*member)
                .kind
                .name()
                .map(|name| name.full().replace('.', "_"));
            let name = match (hint, full) {
                (Some(hint), _) => hint.to_owned(),
                (None, Some(full)) if !alone => full,
                _ => names[index].clone(),
            };
            fields.push(Field {
                name,
                schema: self.ty(*member, false)?,
                default: Default::Absent,
                said: of_branch(hints.and_then(|hints| hints.get(index))),
            });
        }
        Ok(Logical::of(Ty::Union(fields), nullable))
    }

    fn array(&mut self, id: NodeId, items: NodeId) -> Converted<Ty> {
        let node = self.schema.node(id);
        let element = self.schema.node(items);
        if !self.schema.is_logical_map(id) && !is_entry(element) {
            return Ok(Ty::Array(Box::new(self.ty(items, false)?)));
        }
        let part = |name: &str| match &element.kind {
            Kind::Record(record) if record.fields.len() == 2 => record
                .fields
                .iter()
                .find(|field| field.name == name)
                .map(|field| field.ty),
            _ => None,
        };
        let (Some(key), Some(value)) = (part("key"), part("value")) else {
            return Err(
                "Found map encoded as array of key-value pairs, but array elements do not match the expected format."
                    .to_owned(),
            );
        };
        let (key, value) = (self.ty(key, false)?, self.ty(value, false)?);
        map_like(node, key, value)
    }

    /// Whether two types are written alike; those with names are alike if they are one.
    fn is_same(&self, one: NodeId, other: NodeId) -> bool {
        if one == other {
            return true;
        }
        let (one, other) = (self.schema.node(one), self.schema.node(other));
        let inside = match (&one.kind, &other.kind) {
            (Kind::Array(one), Kind::Array(other)) | (Kind::Map(one), Kind::Map(other)) => self.is_same(*one, *other),
            (Kind::Union(one), Kind::Union(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| self.is_same(*one, *other))
            }
            (one, other) => one.name().is_none() && other.name().is_none() && one.word() == other.word(),
        };
        inside && one.properties == other.properties
    }
}

/// An array's element that clients wrote for the entry of a map.
fn is_entry(element: &Node) -> bool {
    let Kind::Record(record) = &element.kind else {
        return false;
    };
    let by_name =
        record.name.namespace.as_deref() == Some("io.confluent.connect.avro") && record.name.name == "MapEntry";
    by_name || text(element, "connect.internal.type") == Some("MapEntry")
}

fn map_like(node: &Node, key: Logical, value: Logical) -> Converted<Ty> {
    if text(node, "flink.type") != Some("multiset") {
        return Ok(Ty::Map(Box::new(key), Box::new(value)));
    }
    match value.ty {
        Ty::Int => Ok(Ty::Multiset(Box::new(key))),
        _ => Err(format!(
            "Unexpected value type for a MULTISET type: {}",
            ddl::plain(&value)
        )),
    }
}

fn map_key(node: &Node) -> Ty {
    match property(node, "logical.key.length").and_then(Json::as_i64) {
        Some(length) if text(node, "logical.key.type") == Some("CHAR") => Ty::Char(length),
        Some(length) => Ty::Varchar(length),
        None => Ty::Varchar(LENGTH_MAX),
    }
}

fn scalar(node: &Node) -> Converted<Ty> {
    let logical = text(node, "logicalType").map(str::to_ascii_lowercase);
    let logical = logical.as_deref();
    Ok(match &node.kind {
        Kind::Boolean => Ty::Boolean,
        Kind::Bytes | Kind::Fixed(_) if logical == Some("decimal") => {
            let precision = match property(node, "precision") {
                Some(json) if !json.is_number() => {
                    return Err("precision property must be a JSON Integer.".to_owned());
                }
                Some(_) => int(node, "precision").unwrap_or(0),
                None => 10,
            };
            Ty::Decimal {
                precision: if precision == -1 { 10 } else { precision },
                scale: property(node, "scale")
                    .filter(|json| json.is_number())
                    .and(int(node, "scale"))
                    .unwrap_or(0),
            }
        }
        Kind::Fixed(fixed) => Ty::Binary(fixed.size as i64),
        Kind::Bytes => Ty::Varbinary(int(node, "flink.maxLength").unwrap_or(LENGTH_MAX)),
        Kind::Double => Ty::Double,
        Kind::Float => Ty::Float,
        Kind::Int => match (
            logical,
            text(node, "connect.type").map(str::to_ascii_lowercase).as_deref(),
        ) {
            (Some("date"), _) => Ty::Date,
            (Some("time-millis"), _) => Ty::Time(checked("TIME", precision(node, "time-millis", 3)?)?),
            (Some(_), _) | (None, None) => Ty::Int,
            (None, Some("int8")) => Ty::TinyInt,
            (None, Some("int16")) => Ty::SmallInt,
            (None, Some(_)) => return Err("Connect type annotation for Avro int field is null".to_owned()),
        },
        Kind::Long => long(node, logical)?,
        Kind::String => {
            let longest = int(node, "flink.maxLength").unwrap_or(LENGTH_MAX);
            match int(node, "flink.minLength") {
                Some(shortest) if shortest == longest => Ty::Char(shortest),
                _ => Ty::Varchar(longest),
            }
        }
        other => {
            return Err(format!(
                "Couldn't translate unsupported Avro schema type {}.",
                other.word()
            ));
        }
    })
}

fn long(node: &Node, logical: Option<&str>) -> Converted<Ty> {
    let Some(word) = logical else {
        return Ok(Ty::BigInt);
    };
    let free = |most: i64| {
        property(node, "flink.precision")
            .filter(|json| json.is_number())
            .and(int(node, "flink.precision"))
            .unwrap_or(most)
    };
    Ok(match word {
        "time-micros" => Ty::Time(checked("TIME", free(6))?),
        "timestamp-millis" => Ty::TimestampLtz(checked("TIMESTAMP_LTZ", precision(node, word, 3)?)?),
        "timestamp-micros" => Ty::TimestampLtz(checked("TIMESTAMP_LTZ", precision(node, word, 6)?)?),
        "timestamp-nanos" => Ty::TimestampLtz(checked("TIMESTAMP_LTZ", free(9))?),
        "local-timestamp-millis" => Ty::Timestamp(checked("TIMESTAMP", precision(node, word, 3)?)?),
        "local-timestamp-micros" => Ty::Timestamp(checked("TIMESTAMP", precision(node, word, 6)?)?),
        "local-timestamp-nanos" => Ty::Timestamp(checked("TIMESTAMP", free(9))?),
        _ => Ty::BigInt,
    })
}

/// The precision a property gives, which may not be beyond that of the stored number.
fn precision(node: &Node, word: &str, stored: i64) -> Converted<i64> {
    let given = property(node, "flink.precision")
        .filter(|json| json.is_number())
        .and(int(node, "flink.precision"));
    match given {
        Some(precision) if precision > stored => Err(format!(
            "flink.precision {precision} exceeds the precision carried by Avro logical type '{word}' ({stored})"
        )),
        Some(precision) => Ok(precision),
        None => Ok(stored),
    }
}

fn checked(name: &str, precision: i64) -> Converted<i64> {
    if (0..=9).contains(&precision) {
        return Ok(precision);
    }
    Err(format!("{name} precision must be in [0, 9], got {precision}"))
}
