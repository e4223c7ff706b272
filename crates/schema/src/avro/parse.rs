//! JSON text to arena: names resolved, shapes checked.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::{AvroError, Enum, Field, Fixed, Kind, Logical, Name, Node, NodeId, Record, Schema};

/// Deeper nesting than this is refused before it can exhaust the stack; JSON itself is cut at 128.
const DEPTH_MAX: usize = 100;

type Parsed<T> = Result<T, AvroError>;

pub(super) fn parse(text: &str, references: &[(String, String)]) -> Parsed<Schema> {
    let mut parser = Parser::default();
    for (name, text) in references {
        parser
            .document(text)
            .map_err(|error| AvroError(format!("in the reference `{name}`: {error}")))?;
    }
    let own_from = parser.nodes.len() as u32;
    let root = parser.document(text)?;
    let nodes = parser.nodes.into_iter().collect::<Option<Vec<_>>>();
    // `document` fills every node it reserved before it returns.
    Ok(Schema {
        nodes: nodes.expect("every reserved node is filled"),
        root,
        own_from,
    })
}

#[derive(Default)]
struct Parser {
    nodes: Vec<Option<Node>>,
    named: HashMap<String, NodeId>,
}

/// Where in the text a type stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    namespace: Option<&'a str>,
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

fn fail<T>(message: impl Into<String>) -> Parsed<T> {
    Err(AvroError(message.into()))
}

impl Parser {
    fn document(&mut self, text: &str) -> Parsed<NodeId> {
        let json = match serde_json::from_str::<Json>(text) {
            Ok(json) => json,
            Err(error) => {
                let several = serde_json::Deserializer::from_str(text)
                    .into_iter::<Json>()
                    .take(2)
                    .all(|one| one.is_ok());
                let hint = if several && text.trim_start().starts_with('{') {
                    "; the text holds several JSON documents one after another: register each on its own"
                } else {
                    ""
                };
                return fail(format!("the schema is not JSON: {error}{hint}"));
            }
        };
        self.ty(
            &json,
            Place {
                namespace: None,
                depth: 0,
            },
        )
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(Some(node));
        NodeId(self.nodes.len() as u32 - 1)
    }

    fn ty(&mut self, json: &Json, place: Place<'_>) -> Parsed<NodeId> {
        if place.depth > DEPTH_MAX {
            return fail(format!("types are nested more than {DEPTH_MAX} deep"));
        }
        match json {
            Json::String(name) => self.by_name(name, place),
            Json::Array(branches) => self.union(branches, place),
            Json::Object(object) => self.object(object, place),
            other => fail(format!("`{other}` is no type: expected a name, a list or an object")),
        }
    }

    fn by_name(&mut self, name: &str, place: Place<'_>) -> Parsed<NodeId> {
        if let Some(kind) = primitive(name) {
            return Ok(self.add(Node {
                kind,
                logical: None,
                properties: Vec::new(),
            }));
        }
        let full = resolve(name, place.namespace);
        // A bare name falls back to the null namespace, as Avro's own parser does.
        match self.named.get(&full).or_else(|| self.named.get(name)) {
            Some(id) => Ok(*id),
            None => fail(format!("undefined name: `{full}`")),
        }
    }

    fn union(&mut self, branches: &[Json], place: Place<'_>) -> Parsed<NodeId> {
        let mut ids = Vec::with_capacity(branches.len());
        let mut seen: Vec<String> = Vec::new();
        for branch in branches {
            let id = self.ty(branch, place.below())?;
            let word = match self.nodes[id.0 as usize].as_ref().map(|node| &node.kind) {
                Some(Kind::Union(_)) => return fail("a union may not directly hold another union"),
                Some(kind) => kind.name().map_or_else(|| kind.word().to_owned(), Name::full),
                // A record that is still being read: only its name is known.
                None => branch
                    .as_str()
                    .map(|name| resolve(name, place.namespace))
                    .unwrap_or_default(),
            };
            if seen.contains(&word) {
                return fail(format!("the union holds `{word}` twice"));
            }
            seen.push(word);
            ids.push(id);
        }
        Ok(self.add(Node {
            kind: Kind::Union(ids),
            logical: None,
            properties: Vec::new(),
        }))
    }

    fn object(&mut self, object: &Map<String, Json>, place: Place<'_>) -> Parsed<NodeId> {
        let Some(ty) = object.get("type") else {
            return fail(format!("no type: {}", Json::Object(object.clone())));
        };
        let Json::String(word) = ty else {
            return self.ty(ty, place.below());
        };
        match word.as_str() {
            "record" | "error" => self.record(object, place, word == "error"),
            "enum" => self.symbols(object, place),
            "fixed" => self.fixed(object, place),
            "array" => {
                let items = self.inner(object, "items", place)?;
                Ok(self.plain(Kind::Array(items), object, &["type", "items"]))
            }
            "map" => {
                let values = self.inner(object, "values", place)?;
                Ok(self.plain(Kind::Map(values), object, &["type", "values"]))
            }
            name => match primitive(name) {
                Some(kind) => Ok(self.plain(kind, object, &["type"])),
                None => self.by_name(name, place),
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

    fn plain(&mut self, kind: Kind, object: &Map<String, Json>, reserved: &[&str]) -> NodeId {
        let logical = logical_of(object, &kind);
        self.add(Node {
            kind,
            logical,
            properties: properties(object, reserved),
        })
    }

    /// Reserves the node of a named type, so that the type may name itself.
    fn reserve(&mut self, name: &Name) -> Parsed<NodeId> {
        self.nodes.push(None);
        let id = NodeId(self.nodes.len() as u32 - 1);
        match self.named.insert(name.full(), id) {
            None => Ok(id),
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
        for json in list {
            let field = self.field(json, &name, inside)?;
            if fields.iter().any(|other| other.name == field.name) {
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
        self.fill(
            id,
            kind,
            object,
            &["type", "name", "namespace", "doc", "fields", "aliases"],
        );
        Ok(id)
    }

    fn fill(&mut self, id: NodeId, kind: Kind, object: &Map<String, Json>, reserved: &[&str]) {
        let logical = logical_of(object, &kind);
        self.nodes[id.0 as usize] = Some(Node {
            kind,
            logical,
            properties: properties(object, reserved),
        });
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
        let order = match object.get("order").and_then(Json::as_str) {
            None => None,
            Some(order) => match order.to_ascii_lowercase().as_str() {
                "ascending" => None,
                "descending" | "ignore" => Some(order.to_ascii_lowercase()),
                _ => {
                    return fail(format!(
                        "field `{name}`: order `{order}` is none of ascending, descending, ignore"
                    ));
                }
            },
        };
        let reserved = ["name", "type", "doc", "default", "order", "aliases"];
        Ok(Field {
            name: name.to_owned(),
            ty,
            doc: text_of(object, "doc"),
            default: object.get("default").cloned(),
            order,
            aliases: strings_of(object, "aliases")?,
            properties: properties(object, &reserved),
        })
    }

    fn symbols(&mut self, object: &Map<String, Json>, place: Place<'_>) -> Parsed<NodeId> {
        let name = name_of(object, place)?;
        let id = self.reserve(&name)?;
        if !object.contains_key("symbols") {
            return fail(format!("enum `{}` needs `symbols`", name.full()));
        }
        let symbols = strings_of(object, "symbols")?;
        for (index, symbol) in symbols.iter().enumerate() {
            check_word(symbol, "enum symbol")?;
            if symbols[..index].contains(symbol) {
                return fail(format!("enum `{}` lists `{symbol}` twice", name.full()));
            }
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
            name,
            doc: text_of(object, "doc"),
            symbols,
            default,
            aliases,
        });
        self.fill(
            id,
            kind,
            object,
            &["type", "name", "namespace", "doc", "symbols", "default", "aliases"],
        );
        Ok(id)
    }

    fn fixed(&mut self, object: &Map<String, Json>, place: Place<'_>) -> Parsed<NodeId> {
        let name = name_of(object, place)?;
        let id = self.reserve(&name)?;
        let size = object
            .get("size")
            .and_then(Json::as_u64)
            .and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| *size <= i32::MAX as usize) else {
            return fail(format!("fixed `{}` needs a `size` of 0 or more", name.full()));
        };
        let aliases = aliases_of(object, name.namespace.as_deref())?;
        let kind = Kind::Fixed(Fixed {
            name,
            doc: text_of(object, "doc"),
            size,
            aliases,
        });
        self.fill(
            id,
            kind,
            object,
            &["type", "name", "namespace", "doc", "size", "aliases"],
        );
        Ok(id)
    }
}

fn primitive(word: &str) -> Option<Kind> {
    Some(match word {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

fn resolve(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if !name.contains('.') && !namespace.is_empty() => format!("{namespace}.{name}"),
        _ => name.to_owned(),
    }
}

fn name_of(object: &Map<String, Json>, place: Place<'_>) -> Parsed<Name> {
    let Some(given) = object.get("name").and_then(Json::as_str) else {
        return fail(format!(
            "a `{}` has no name",
            object.get("type").and_then(Json::as_str).unwrap_or("type")
        ));
    };
    let namespace = object.get("namespace").and_then(Json::as_str).or(place.namespace);
    let name = split(given, namespace);
    check_word(&name.name, "name")?;
    if primitive(&name.name).is_some() && name.namespace.is_none() {
        return fail(format!(
            "`{}` is a primitive type's name and cannot be defined",
            name.name
        ));
    }
    for part in name.namespace.iter().flat_map(|namespace| namespace.split('.')) {
        check_word(part, "namespace")?;
    }
    Ok(name)
}

fn split(given: &str, namespace: Option<&str>) -> Name {
    match given.rsplit_once('.') {
        Some((space, name)) => Name {
            namespace: Some(space.to_owned()).filter(|s| !s.is_empty()),
            name: name.to_owned(),
        },
        None => Name {
            namespace: namespace.filter(|s| !s.is_empty()).map(str::to_owned),
            name: given.to_owned(),
        },
    }
}

fn check_word(word: &str, what: &str) -> Parsed<()> {
    let mut chars = word.chars();
    let first_fits = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first_fits && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    fail(format!(
        "illegal {what} `{word}`: it must start with a letter or `_` and hold only letters, digits and `_`"
    ))
}

fn text_of(object: &Map<String, Json>, key: &str) -> Option<String> {
    object.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn strings_of(object: &Map<String, Json>, key: &str) -> Parsed<Vec<String>> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(list)) => {
            let string = |json: &Json| match json.as_str() {
                Some(text) => Ok(text.to_owned()),
                None => fail(format!("`{key}` holds `{json}`, which is not a string")),
            };
            list.iter().map(string).collect()
        }
        Some(other) => fail(format!("`{key}` must be a list of strings, not `{other}`")),
    }
}

fn aliases_of(object: &Map<String, Json>, namespace: Option<&str>) -> Parsed<Vec<Name>> {
    Ok(strings_of(object, "aliases")?
        .iter()
        .map(|alias| split(alias, namespace))
        .collect())
}

fn properties(object: &Map<String, Json>, reserved: &[&str]) -> Vec<(String, Json)> {
    let is_property = |(key, _): &(&String, &Json)| !reserved.contains(&key.as_str());
    object
        .iter()
        .filter(is_property)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The logical type, if it fits the stored one; Avro ignores one that does not.
fn logical_of(object: &Map<String, Json>, kind: &Kind) -> Option<Logical> {
    let number = |key: &str| {
        object
            .get(key)
            .and_then(Json::as_u64)
            .and_then(|number| u32::try_from(number).ok())
    };
    let word = object.get("logicalType").and_then(Json::as_str)?;
    match (word, kind) {
        ("decimal", Kind::Bytes | Kind::Fixed(_)) => {
            let precision = number("precision").filter(|precision| *precision > 0)?;
            let scale = number("scale").unwrap_or(0);
            (scale <= precision).then_some(Logical::Decimal { precision, scale })
        }
        ("date", Kind::Int) => Some(Logical::Date),
        ("time-millis", Kind::Int) => Some(Logical::TimeMillis),
        ("time-micros", Kind::Long) => Some(Logical::TimeMicros),
        ("timestamp-millis", Kind::Long) => Some(Logical::TimestampMillis),
        ("timestamp-micros", Kind::Long) => Some(Logical::TimestampMicros),
        ("local-timestamp-millis", Kind::Long) => Some(Logical::LocalTimestampMillis),
        ("local-timestamp-micros", Kind::Long) => Some(Logical::LocalTimestampMicros),
        ("uuid", Kind::String) => Some(Logical::Uuid),
        _ => None,
    }
}
