//! Loads schemas of 2019-09 and 2020-12: checks their keywords and ties their references together.
//!
//! Identifiers and anchors are collected first; then everything that has an address is loaded, with what it refers to.
//! What comes out is turned into a graph by [`super::modern_graph`].

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::classic::not_registered;
use super::documents::{Document, plain_token, step};
use super::model::{Kind, MOST_STEPS_DOWN, Notes, Said, too_many};
use super::order::{FRESH, map_order};
use super::pattern::Pattern;
use super::value::{Json, Object};
use super::{metaschemas, uri};

/// What addresses are relative to where a schema has no identifier.
const NO_ADDRESS: &str = "UNKNOWN";

pub(super) type SchemaId = usize;

/// A schema as it is written.
pub(super) enum Written {
    True,
    False,
    Keywords(Box<Keywords>),
}

#[derive(Default)]
pub(super) struct Keywords {
    /// In the order in which they count.
    pub(super) list: Vec<Keyword>,
    pub(super) properties: Vec<(String, SchemaId)>,
    pub(super) patterns: Vec<(Pattern, SchemaId)>,
    pub(super) unevaluated_items: Option<SchemaId>,
    pub(super) unevaluated_properties: Option<SchemaId>,
    pub(super) definitions: Vec<(String, SchemaId)>,
    /// Title, description and default.
    pub(super) notes: Notes,
    pub(super) said: Option<Arc<Said>>,
    /// The same without the default, with which references are compared.
    pub(super) plain_fingerprint: u64,
    /// Whether there are members beside known keywords, or definitions.
    pub(super) has_more: bool,
}

pub(super) enum Keyword {
    /// Restricts nothing, as `format`.
    Nothing,
    /// Restricts by itself.
    Plain(Kind),
    Types(Vec<Kind>),
    Reference(usize, String),
    List(super::model::Criterion, Vec<SchemaId>),
    Not(SchemaId),
    Additional(SchemaId),
    Items(SchemaId, bool),
    First(Vec<SchemaId>),
    Contains(SchemaId, i32, Option<i32>),
    Dependent(Vec<(String, SchemaId)>),
    Names(SchemaId),
    Conditional([Option<SchemaId>; 3]),
}

/// An address, what is there and what came of it.
struct Knot<'a> {
    address: String,
    found: Option<Found<'a>>,
    schema: Option<SchemaId>,
}

#[derive(Clone)]
struct Found<'a> {
    value: &'a Json,
    base: Rc<str>,
    /// Whether the members of the document are looked at in the order of a hash map.
    hashed: bool,
}

pub(super) struct Loader<'a> {
    known: HashMap<String, &'a Json>,
    knots: IndexMap<String, Knot<'a>>,
    schemas: Vec<Written>,
    pub(super) base: Rc<str>,
    hashed: bool,
    /// The address that is being loaded, and the keys below it.
    origin: String,
    pub(super) path: Vec<String>,
    depth: usize,
    most_nodes: usize,
}

/// What was loaded: schemas, the root among them, and which schema each address has.
pub(super) struct Loaded {
    pub(super) schemas: Vec<Written>,
    pub(super) root: SchemaId,
    pub(super) targets: Vec<SchemaId>,
    pub(super) most_nodes: usize,
}

/// Loads `root`; `documents` are the registered ones.
pub(super) fn load<'a>(root: &'a Json, documents: &'a [Document], most_nodes: usize) -> Result<Loaded, String> {
    let mut known: HashMap<String, &Json> = HashMap::new();
    for document in metaschemas::new().iter().chain(metaschemas::old()) {
        known.insert(document.name.clone(), &document.root);
    }
    for document in documents {
        uri::check(&document.name)?;
        known.insert(document.name.clone(), &document.root);
        if !uri::is_absolute(&document.name) && !document.name.starts_with('.') {
            known.insert(format!("./{}", document.name), &document.root);
        }
        known.insert(uri::resolve("mem://input", &document.name)?, &document.root);
    }
    let mut loader = Loader {
        known,
        knots: IndexMap::new(),
        schemas: Vec::new(),
        base: NO_ADDRESS.into(),
        hashed: true,
        origin: "#".to_owned(),
        path: Vec::new(),
        depth: 0,
        most_nodes,
    };
    loader.collect(root, None)?;
    loader.enter(root)?;
    let (knot, _) = loader.refer("#")?;
    let found = Found {
        value: root,
        base: Rc::clone(&loader.base),
        hashed: true,
    };
    let address = loader.base.to_string();
    loader.register(&address, found)?;
    loader.load_all()?;
    let target = |knot: &Knot<'_>| knot.schema.ok_or_else(|| format!("`{}` was not loaded", knot.address));
    let targets: Vec<SchemaId> = loader.knots.values().map(target).collect::<Result<_, _>>()?;
    Ok(Loaded {
        schemas: loader.schemas,
        root: targets[knot],
        targets,
        most_nodes,
    })
}

fn without_end(address: &str) -> &str {
    address.strip_suffix('#').unwrap_or(address)
}

impl<'a> Loader<'a> {
    pub(super) fn fault(&self, cause: impl std::fmt::Display) -> String {
        format!("`{}`: {cause}", self.here())
    }

    /// An error with the place that is `key` below the one that is looked at.
    pub(super) fn fault_below(&self, key: &str, cause: impl std::fmt::Display) -> String {
        format!("`{}/{key}`: {cause}", self.here())
    }

    fn here(&self) -> String {
        let below: String = self.path.iter().flat_map(|part| ["/", part]).collect();
        format!("{}{below}", self.origin)
    }

    /// Collects what has an identifier or anchor. `around` are the last two keys above, in documents where what stands
    /// under unknown keywords does not count.
    fn collect(&mut self, value: &'a Json, around: Option<(Option<&str>, Option<&str>)>) -> Result<(), String> {
        if let Some((before, Some(last))) = around {
            let map = before.is_some_and(|key| MAPS.contains(&key));
            if !super::modern_keywords::is_known(last) && !map {
                return Ok(());
            }
        }
        let outer = Rc::clone(&self.base);
        let result = super::deeper(|| self.collect_here(value, around));
        self.base = outer;
        result
    }

    fn collect_here(&mut self, value: &'a Json, around: Option<(Option<&str>, Option<&str>)>) -> Result<(), String> {
        match value {
            Json::Object(members) => {
                self.enter(value)?;
                let found = Found {
                    value,
                    base: Rc::clone(&self.base),
                    hashed: around.is_none(),
                };
                if let Some(Json::String(_)) = members.get("$id") {
                    let address = self.base.to_string();
                    self.register(&address, found.clone())?;
                }
                if let Some(Json::String(anchor)) = members.get("$anchor") {
                    let address = self.against_base(&format!("#{anchor}"))?;
                    self.register(&address, found.clone())?;
                }
                if let Some(Json::String(anchor)) = members.get("$dynamicAnchor") {
                    let address = self.against_base(&format!("#{anchor}"))?;
                    let knot = self.knot(&address)?;
                    self.knots[knot].found = Some(found);
                }
                for (key, inner) in members {
                    if key != "enum" && key != "const" {
                        self.collect(inner, around.map(|(_, last)| (last, Some(key.as_str()))))?;
                    }
                }
            }
            Json::Array(items) => {
                for (at, inner) in items.iter().enumerate() {
                    let key = at.to_string();
                    self.collect(inner, around.map(|(_, last)| (last, Some(key.as_str()))))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Moves the base to the identifier of `value`, if it has one.
    fn enter(&mut self, value: &Json) -> Result<(), String> {
        if let Some(Json::String(id)) = value.get("$id")
            && !self.base.ends_with(id.as_str())
        {
            self.base = self.against_base(id)?.into();
        }
        Ok(())
    }

    fn against_base(&self, reference: &str) -> Result<String, String> {
        let resolved = match uri::scheme(&self.base) {
            Some("urn" | "tag") => {
                let address = format!("{}{reference}", self.base);
                uri::check(&address).map(|()| address)
            }
            _ => uri::resolve(&self.base, reference),
        };
        resolved.map_err(|cause| self.fault(cause))
    }

    /// The place of that address among the knots.
    fn knot(&mut self, address: &str) -> Result<usize, String> {
        let key = without_end(address);
        if let Some(found) = self.knots.get_index_of(key) {
            return Ok(found);
        }
        uri::check(address).map_err(|cause| self.fault(cause))?;
        let knot = Knot {
            address: address.to_owned(),
            found: None,
            schema: None,
        };
        Ok(self.knots.insert_full(key.to_owned(), knot).0)
    }

    fn register(&mut self, address: &str, found: Found<'a>) -> Result<(), String> {
        let knot = self.knot(address)?;
        match &self.knots[knot].found {
            Some(other) if !std::ptr::eq(other.value, found.value) => {
                Err(format!("two schemas have the address `{}`", without_end(address)))
            }
            Some(_) => Ok(()),
            None => {
                self.knots[knot].found = Some(found);
                Ok(())
            }
        }
    }

    /// The knot a reference leads to, with its address.
    pub(super) fn refer(&mut self, reference: &str) -> Result<(usize, String), String> {
        let direct = uri::check(reference).is_ok()
            && (uri::is_absolute(reference) || self.known.contains_key(uri::split(reference).0));
        let address = if direct {
            reference.to_owned()
        } else {
            self.against_base(reference)?
        };
        Ok((self.knot(&address)?, address))
    }

    /// Loads whatever has an address, and finds what was referred to, until nothing is left.
    fn load_all(&mut self) -> Result<(), String> {
        let mut at = 0;
        while at < self.knots.len() {
            let knot = &self.knots[at];
            if knot.schema.is_none() {
                let found = match &knot.found {
                    Some(found) => found.clone(),
                    None => {
                        let address = knot.address.clone();
                        self.origin = without_unknown(&address).to_owned();
                        self.find(&address)?
                    }
                };
                self.knots[at].found = Some(found.clone());
                self.base = found.base;
                self.hashed = found.hashed;
                let schema = self.load(found.value)?;
                self.knots[at].schema = Some(schema);
                self.origin = "#".to_owned();
            }
            at += 1;
        }
        Ok(())
    }

    /// Finds what nobody gave this address.
    fn find(&mut self, address: &str) -> Result<Found<'a>, String> {
        uri::check(address)?;
        let (document, fragment) = uri::split(address);
        let present = self
            .knots
            .get(without_end(document))
            .and_then(|knot| knot.found.clone());
        let root = match present {
            Some(found) => found,
            None => {
                let Some(value) = self.known.get(document).copied() else {
                    return Err(self.fault(not_registered(without_unknown(document))));
                };
                let found = Found {
                    value,
                    base: document.into(),
                    hashed: false,
                };
                self.register(document, found.clone())?;
                self.base = address.into();
                self.enter(value)?;
                self.collect(value, Some((None, None)))?;
                found
            }
        };
        if fragment.is_empty() || fragment == "#" {
            return Ok(Found {
                base: document.into(),
                ..root
            });
        }
        if let Some(found) = self.knots.get(without_end(address)).and_then(|knot| knot.found.clone()) {
            return Ok(Found {
                base: address.into(),
                ..found
            });
        }
        let Some(tokens) = fragment.strip_prefix("#/") else {
            return Err(self.fault(format!("nothing has the anchor `{fragment}`")));
        };
        self.base = match root.value.get("$id") {
            Some(Json::String(id)) => id.as_str().into(),
            Some(other) => return Err(self.fault(format!("`$id` is {}, not a string", other.noun()))),
            None if root.hashed => NO_ADDRESS.into(),
            None => document.into(),
        };
        let mut value = root.value;
        self.enter(value)?;
        for token in tokens.split('/') {
            let token = plain_token(token).map_err(|cause| self.fault(cause))?;
            value = step(value, &token).map_err(|cause| self.fault(format!("the reference leads nowhere: {cause}")))?;
            self.enter(value)?;
        }
        Ok(Found {
            value,
            base: Rc::clone(&self.base),
            hashed: root.hashed,
        })
    }

    /// Loads the schema that stands under `key`.
    pub(super) fn child(&mut self, key: &str, value: &'a Json) -> Result<SchemaId, String> {
        self.path.push(key.to_owned());
        let schema = self.load(value)?;
        self.path.pop();
        Ok(schema)
    }

    fn load(&mut self, value: &'a Json) -> Result<SchemaId, String> {
        if self.depth >= MOST_STEPS_DOWN {
            return Err(self.fault(format!("more than {MOST_STEPS_DOWN} schemas within each other")));
        }
        self.depth += 1;
        let schema = super::deeper(|| match value {
            Json::Bool(true) => Ok(Written::True),
            Json::Bool(false) => Ok(Written::False),
            Json::Object(members) => {
                let outer = Rc::clone(&self.base);
                self.enter(value)?;
                let keywords = self.keywords(members)?;
                self.base = outer;
                Ok(Written::Keywords(Box::new(keywords)))
            }
            other => Err(self.fault(format!("expected a schema, found {}", other.noun()))),
        })?;
        self.depth -= 1;
        if self.schemas.len() >= self.most_nodes {
            return Err(too_many(self.most_nodes));
        }
        self.schemas.push(schema);
        Ok(self.schemas.len() - 1)
    }

    /// The members in the order in which they count.
    pub(super) fn in_order(&self, members: &'a Object) -> impl Iterator<Item = (&'a String, &'a Json)> + use<'a> {
        let order: Vec<usize> = match self.hashed {
            true => map_order(members.keys().map(String::as_str), FRESH),
            false => (0..members.len()).collect(),
        };
        order.into_iter().filter_map(|at| members.get_index(at))
    }

    fn keywords(&mut self, members: &'a Object) -> Result<Keywords, String> {
        let mut keywords = Keywords::default();
        for (key, value) in self.in_order(members) {
            self.keyword(key, value, members, &mut keywords)?;
        }
        let beside = |key: &str| match key {
            "title" | "description" => true,
            "$defs" => !keywords.definitions.is_empty(),
            key => !super::modern_keywords::is_known(key),
        };
        let mut said: Vec<(&String, &Json)> = members.iter().filter(|(key, _)| beside(key)).collect();
        said.sort_by_key(|(key, _)| *key);
        keywords.has_more = said.iter().any(|(key, _)| *key != "title" && *key != "description");
        let mut hasher = DefaultHasher::new();
        for (key, value) in &said {
            (key, value.simplest()).hash(&mut hasher);
        }
        keywords.plain_fingerprint = if said.is_empty() { 0 } else { hasher.finish() };
        keywords.said = Said::of(members);
        let default = members.get("default");
        default.map(Json::simplest).hash(&mut hasher);
        keywords.notes = Notes {
            // A default that is null counts as none.
            has_default: default.is_some_and(|value| *value != Json::Null),
            holds_bytes: members.get("connect.type").and_then(Json::as_str) == Some("bytes"),
            fingerprint: if default.is_some() {
                hasher.finish()
            } else {
                keywords.plain_fingerprint
            },
        };
        Ok(keywords)
    }
}

/// Keywords under which the names of members are no keywords.
const MAPS: [&str; 6] = ["$defs", "allOf", "anyOf", "oneOf", "properties", "patternProperties"];

/// The address as it is written where a schema has no identifier.
pub(super) fn without_unknown(address: &str) -> &str {
    address
        .strip_prefix(NO_ADDRESS)
        .filter(|rest| rest.starts_with('#'))
        .unwrap_or(address)
}
