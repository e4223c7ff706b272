//! Loads schemas of draft 4, 6 and 7: checks their keywords, resolves their references, and makes their graph.
//!
//! A reference is resolved when it is met, and what it leads to is loaded once for each address, apart from the same
//! text where it stands. Keywords for several types beside each other are a combination of one schema for each type.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::documents::{Document, Draft, plain_token, step};
use super::model::{Combined, Criterion, Graph, Kind, MOST_STEPS_DOWN, Node, NodeId, Notes, Reference, Said};
use super::value::{Json, Object};
use super::{metaschemas, uri};

/// Where a value stands: its document and the address that references in it are relative to.
#[derive(Clone)]
pub(super) struct Place<'a> {
    document: usize,
    pub(super) value: &'a Json,
    scope: Option<Rc<str>>,
}

/// An address that was referred to.
enum Knot {
    /// What is there is being loaded; these references wait for it.
    Loading(Vec<NodeId>),
    Loaded(NodeId),
}

pub(super) struct Loader<'a> {
    /// The schema's own root first.
    documents: Vec<(Option<Rc<str>>, &'a Json)>,
    /// What can be referred to by address, with its place in `documents` once it was.
    known: HashMap<String, (&'a Json, Option<usize>)>,
    pub(super) draft: Draft,
    knots: HashMap<String, Knot>,
    /// Values with an identifier, by identifier, of the documents where one was looked for.
    named: HashMap<usize, HashMap<&'a str, Place<'a>>>,
    pub(super) graph: Graph,
    /// The reference that was followed last, and the keys below it.
    origin: String,
    path: Vec<String>,
    depth: usize,
}

/// Loads `root`; `documents` are the registered ones.
pub(super) fn load<'a>(
    root: &'a Json,
    draft: Draft,
    documents: &'a [Document],
    most_nodes: usize,
) -> Result<Graph, String> {
    let own = match root.get(draft.id_keyword()) {
        Some(Json::String(id)) => {
            uri::check(id)?;
            Some(id.as_str())
        }
        _ => None,
    };
    let mut known = HashMap::new();
    for document in metaschemas::old().iter().chain(documents) {
        let name = match own {
            Some(base) => uri::resolve(base, &document.name)?,
            None => {
                uri::check(&document.name)?;
                document.name.clone()
            }
        };
        known.insert(name, (&document.root, None));
    }
    let mut loader = Loader {
        documents: vec![(None, root)],
        known,
        draft,
        knots: HashMap::new(),
        named: HashMap::new(),
        graph: Graph::new(true, most_nodes),
        origin: "#".to_owned(),
        path: Vec::new(),
        depth: 0,
    };
    let place = loader.root_place(0)?;
    loader.graph.root = loader.load(&place)?;
    Ok(loader.graph)
}

impl<'a> Loader<'a> {
    /// An error with the place that is looked at.
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

    fn root_place(&self, document: usize) -> Result<Place<'a>, String> {
        let (address, value) = &self.documents[document];
        Ok(Place {
            document,
            value,
            scope: self.scope(address.as_ref(), value)?,
        })
    }

    /// What references in `value` are relative to, if those around it are relative to `outer`.
    fn scope(&self, outer: Option<&Rc<str>>, value: &Json) -> Result<Option<Rc<str>>, String> {
        match value.get(self.draft.id_keyword()) {
            Some(Json::String(id)) => {
                let resolved = match outer {
                    Some(outer) => uri::resolve(outer, id),
                    None => uri::check(id).map(|()| id.clone()),
                };
                Ok(Some(resolved.map_err(|cause| self.fault(cause))?.into()))
            }
            _ => Ok(outer.cloned()),
        }
    }

    fn place(&self, around: &Place<'a>, value: &'a Json) -> Result<Place<'a>, String> {
        Ok(Place {
            document: around.document,
            value,
            scope: self.scope(around.scope.as_ref(), value)?,
        })
    }

    /// Does `work` at `value`, which stands under `key` in what is looked at.
    pub(super) fn within<R>(
        &mut self,
        around: &Place<'a>,
        key: &str,
        value: &'a Json,
        work: impl FnOnce(&mut Self, &Place<'a>) -> Result<R, String>,
    ) -> Result<R, String> {
        self.path.push(key.to_owned());
        let place = self.place(around, value)?;
        let result = work(self, &place)?;
        self.path.pop();
        Ok(result)
    }

    /// Loads the schema that stands under `key`.
    pub(super) fn child(&mut self, around: &Place<'a>, key: &str, value: &'a Json) -> Result<NodeId, String> {
        self.within(around, key, value, Loader::load)
    }

    pub(super) fn load(&mut self, place: &Place<'a>) -> Result<NodeId, String> {
        if self.depth >= MOST_STEPS_DOWN {
            return Err(self.fault(format!(
                "more than {MOST_STEPS_DOWN} schemas and references within each other"
            )));
        }
        self.depth += 1;
        let node = super::deeper(|| match place.value {
            Json::Bool(true) => self.graph.add(Node::new(Kind::True)),
            Json::Bool(false) => self.graph.add(Node::new(Kind::False)),
            Json::Object(members) => self.load_object(place, members),
            other => Err(self.fault(format!("expected a schema, found {}", other.noun()))),
        })?;
        self.depth -= 1;
        Ok(node)
    }

    fn load_object(&mut self, place: &Place<'a>, members: &'a Object) -> Result<NodeId, String> {
        let mut taken: HashSet<&str> = HashSet::new();
        if let Some(reference) = members.get("$ref") {
            taken.insert("$ref");
            let text = self.string("$ref", reference)?;
            let (id, waits) = self.refer(text, place)?;
            // Only a reference to what is still being loaded keeps its default and identifier.
            let notes = self.notes(members, &taken, waits)?;
            let node = self.graph.node_mut(id);
            node.notes = notes;
            node.said = Said::of(members);
            return Ok(id);
        }
        let mut kinds = self.combining(place, members, &mut taken)?;
        if let Some(kind) = self.typed(place, members, &mut taken)? {
            kinds.push(kind);
        }
        self.untyped(place, members, &mut taken, &mut kinds)?;
        let mut kind = match kinds.len() {
            0 => Kind::Empty,
            1 => kinds.remove(0),
            _ => {
                let parts = kinds
                    .into_iter()
                    .map(|kind| self.graph.add(Node::new(kind)))
                    .collect::<Result<_, _>>()?;
                Kind::Combined(Box::new(Combined {
                    criterion: Criterion::All,
                    parts,
                    implied: true,
                }))
            }
        };
        if let Kind::Array(array) = &mut kind {
            // No keywords of these drafts, but looked at nevertheless.
            let number = |key: &str| match members.get(key) {
                Some(Json::Number(number)) => Some(number.to_i32()),
                _ => None,
            };
            array.min_contains = number("minContains");
            array.max_contains = number("maxContains");
        }
        let notes = self.notes(members, &taken, true)?;
        let said = Said::of(members);
        self.graph.add(Node { kind, notes, said })
    }

    /// The keywords that make a schema of schemas or of values.
    fn combining(
        &mut self,
        place: &Place<'a>,
        members: &'a Object,
        taken: &mut HashSet<&'a str>,
    ) -> Result<Vec<Kind>, String> {
        let mut kinds = Vec::new();
        if let Some(values) = members.get("enum") {
            taken.insert("enum");
            kinds.push(Kind::Enum(self.array("enum", values)?.clone()));
        }
        for criterion in [Criterion::All, Criterion::Any, Criterion::One] {
            let Some(list) = members.get(criterion.word()) else {
                continue;
            };
            taken.insert(criterion.word());
            let items = self.array(criterion.word(), list)?;
            let parts = self.within(place, criterion.word(), list, |loader, place| {
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| loader.child(place, &at.to_string(), item))
                    .collect()
            })?;
            kinds.push(Kind::Combined(Box::new(Combined {
                criterion,
                parts,
                implied: false,
            })));
        }
        if let Some(schema) = members.get("not") {
            taken.insert("not");
            kinds.push(Kind::Not(self.child(place, "not", schema)?));
        }
        if let Some(value) = members.get("const").filter(|_| self.draft != Draft::Four) {
            taken.insert("const");
            kinds.push(Kind::Const(Box::new(value.clone())));
        }
        Ok(kinds)
    }

    /// Checks what stands beside the keywords of a kind and takes its fingerprint.
    fn notes(&self, members: &Object, taken: &HashSet<&str>, whole: bool) -> Result<Notes, String> {
        let id = self.draft.id_keyword();
        for key in [id, "title", "description"] {
            if let Some(value) = members.get(key) {
                self.string(key, value)?;
            }
        }
        if self.draft == Draft::Seven {
            for key in ["readOnly", "writeOnly"] {
                if let Some(value) = members.get(key) {
                    self.boolean(key, value)?;
                }
            }
        }
        let keeps = |key: &str| whole || (key != id && key != "default");
        let mut said: Vec<(&String, &Json)> = members
            .iter()
            .filter(|(key, _)| !taken.contains(key.as_str()) && keeps(key))
            .collect();
        if said.is_empty() {
            return Ok(Notes::default());
        }
        said.sort_by_key(|(key, _)| *key);
        let mut hasher = DefaultHasher::new();
        for (key, value) in said {
            (key, value.simplest()).hash(&mut hasher);
        }
        Ok(Notes {
            has_default: whole && members.contains_key("default"),
            holds_bytes: members.get("connect.type").and_then(Json::as_str) == Some("bytes"),
            fingerprint: hasher.finish(),
        })
    }

    /// The node for a reference, and whether it has to wait for what it refers to.
    fn refer(&mut self, text: &str, place: &Place<'a>) -> Result<(NodeId, bool), String> {
        let address = match &place.scope {
            Some(scope) => uri::resolve(scope, text),
            None => uri::check(text).map(|()| text.to_owned()),
        };
        let address = address.map_err(|cause| self.fault(cause))?;
        if self.knots.contains_key(&address) {
            let id = self.reference_node(&address)?;
            match self.knots.get_mut(&address) {
                Some(Knot::Loading(waiting)) => waiting.push(id),
                Some(Knot::Loaded(target)) => {
                    let target = *target;
                    self.resolve(id, target);
                    return Ok((id, false));
                }
                None => {}
            }
            return Ok((id, true));
        }
        let found = if let Some(named) = self.by_name(place.document, &address)? {
            named
        } else if text.starts_with('#') {
            self.by_pointer(place.document, text)?
        } else {
            return self.refer_to_document(text, address).map(|id| (id, false));
        };
        self.tie(text, address, &found).map(|id| (id, false))
    }

    /// Refers to what stands in another document, whose own draft and address count there.
    fn refer_to_document(&mut self, text: &str, address: String) -> Result<NodeId, String> {
        let (document_address, fragment) = uri::split(&address);
        let (key, fragment) = if self.known.contains_key(&address) {
            (address.as_str(), "#")
        } else {
            (document_address, fragment)
        };
        let Some((root, number)) = self.known.get(key).copied() else {
            return Err(self.fault(not_registered(key)));
        };
        let number = number.unwrap_or_else(|| {
            self.documents.push((Some(key.into()), root));
            self.known
                .insert(key.to_owned(), (root, Some(self.documents.len() - 1)));
            self.documents.len() - 1
        });
        if !matches!(root, Json::Object(_)) {
            return Err(self.fault(format!("reference `{key}` is {}, not a schema object", root.noun())));
        }
        let found = self.by_pointer(number, fragment)?;
        let scope: Rc<str> = document_address.into();
        let place = Place {
            scope: self.scope(Some(&scope), found.value)?,
            ..found
        };
        let outer = self.draft;
        match root.get("$schema") {
            None => {}
            Some(Json::String(url)) => match Draft::of_old(url) {
                Some(draft) => self.draft = draft,
                None if outer == Draft::Four => {
                    return Err(self.fault(format!("reference `{key}` is of an unknown draft, `{url}`")));
                }
                None => {}
            },
            Some(other) => {
                return Err(self.fault(format!(
                    "`$schema` of reference `{key}` is {}, not a string",
                    other.noun()
                )));
            }
        }
        let id = self.tie(text, address.clone(), &place);
        self.draft = outer;
        id
    }

    /// Loads what is at `address`, which nobody referred to before.
    fn tie(&mut self, text: &str, address: String, found: &Place<'a>) -> Result<NodeId, String> {
        let id = self.reference_node(text)?;
        self.knots.insert(address.clone(), Knot::Loading(vec![id]));
        let path = std::mem::take(&mut self.path);
        let origin = std::mem::replace(&mut self.origin, text.to_owned());
        let target = self.load(found)?;
        self.path = path;
        self.origin = origin;
        if let Some(Knot::Loading(waiting)) = self.knots.insert(address, Knot::Loaded(target)) {
            for id in waiting {
                self.resolve(id, target);
            }
        }
        Ok(id)
    }

    fn reference_node(&mut self, text: &str) -> Result<NodeId, String> {
        self.graph.add(Node::new(Kind::Reference(Box::new(Reference {
            text: text.to_owned(),
            target: None,
        }))))
    }

    fn resolve(&mut self, reference: NodeId, target: NodeId) {
        if let Kind::Reference(reference) = &mut self.graph.node_mut(reference).kind {
            reference.target = Some(target);
        }
    }

    /// The value of the document with that identifier.
    fn by_name(&mut self, document: usize, name: &str) -> Result<Option<Place<'a>>, String> {
        if !self.named.contains_key(&document) {
            let mut named = HashMap::new();
            let mut open = vec![self.root_place(document)?];
            while let Some(place) = open.pop() {
                if let Some(Json::String(id)) = place.value.get(self.draft.id_keyword()) {
                    named.insert(id.as_str(), place.clone());
                }
                let inner: Box<dyn Iterator<Item = &'a Json>> = match place.value {
                    Json::Object(members) => Box::new(members.values()),
                    Json::Array(items) => Box::new(items.iter()),
                    _ => continue,
                };
                for value in inner {
                    if matches!(value, Json::Object(_) | Json::Array(_)) {
                        open.push(self.place(&place, value)?);
                    }
                }
            }
            self.named.insert(document, named);
        }
        Ok(self.named.get(&document).and_then(|named| named.get(name)).cloned())
    }

    /// The value a fragment leads to: `#/a/b`, or by an identifier such as `#a`, or the root.
    fn by_pointer(&mut self, document: usize, fragment: &str) -> Result<Place<'a>, String> {
        if let Some(named) = self.by_name(document, fragment)? {
            return Ok(named);
        }
        let mut place = self.root_place(document)?;
        for token in fragment.trim_end_matches('/').split('/').skip(1) {
            let token = plain_token(token).map_err(|cause| self.fault(cause))?;
            let token = token.replace("\\\"", "\"").replace("\\\\", "\\");
            let value = step(place.value, &token)
                .map_err(|cause| self.fault(format!("reference `{fragment}` leads nowhere: {cause}")))?;
            place = self.place(&place, value)?;
        }
        Ok(place)
    }

    pub(super) fn wrong<R>(&self, key: &str, expected: &str, found: &Json) -> Result<R, String> {
        Err(self.fault_below(key, format!("expected {expected}, found {}", found.noun())))
    }

    pub(super) fn string<'v>(&self, key: &str, value: &'v Json) -> Result<&'v str, String> {
        value.as_str().map_or_else(|| self.wrong(key, "a string", value), Ok)
    }

    pub(super) fn boolean(&self, key: &str, value: &Json) -> Result<bool, String> {
        match value {
            Json::Bool(flag) => Ok(*flag),
            other => self.wrong(key, "a boolean", other),
        }
    }

    pub(super) fn array<'v>(&self, key: &str, value: &'v Json) -> Result<&'v Vec<Json>, String> {
        match value {
            Json::Array(items) => Ok(items),
            other => self.wrong(key, "an array", other),
        }
    }

    pub(super) fn object<'v>(&self, key: &str, value: &'v Json) -> Result<&'v Object, String> {
        value
            .as_object()
            .map_or_else(|| self.wrong(key, "an object", value), Ok)
    }

    pub(super) fn names(&self, key: &str, value: &Json) -> Result<BTreeSet<String>, String> {
        let items = self.array(key, value)?;
        let name = |(at, item): (usize, &Json)| self.string(&format!("{key}/{at}"), item).map(str::to_owned);
        items.iter().enumerate().map(name).collect()
    }

    pub(super) fn number<'v>(&self, key: &str, value: &'v Json) -> Result<&'v super::decimal::Decimal, String> {
        match value {
            Json::Number(number) => Ok(number),
            other => self.wrong(key, "a number", other),
        }
    }

    pub(super) fn limit(&self, key: &str, members: &Object) -> Result<Option<i32>, String> {
        match members.get(key) {
            None => Ok(None),
            Some(Json::Number(number)) => match number.as_i32() {
                Some(limit) => Ok(Some(limit)),
                None => Err(self.fault_below(
                    key,
                    format!("expected an integer of 32 bits, found `{}`", number.text()),
                )),
            },
            Some(other) => self.wrong(key, "an integer", other),
        }
    }
}

/// What is said of a reference to what is not there.
pub(super) fn not_registered(address: &str) -> String {
    match uri::scheme(address) {
        Some("http" | "https" | "file" | "classpath" | "ftp" | "jar") => {
            format!("`{address}` is no registered reference, and nothing is fetched from elsewhere")
        }
        _ => format!("`{address}` is no registered reference"),
    }
}
