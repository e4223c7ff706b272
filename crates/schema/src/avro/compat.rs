//! Whether data written with one schema can be read with another, by Avro's resolution rules.
//!
//! The verdicts, the places and their order are those of `SchemaCompatibility` in Avro's Java library, 1.12: a pair of
//! types that was compared before gives the same differences again, at the places where they were first found.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::difference::{Difference, Policy, Reader};
use crate::logical;

use super::{Enum, Field, Fixed, Kind, Name, NodeId, Record, Schema};

/// Pairs nested deeper than this are said not to fit: types nest no deeper, but two that hold themselves in rings of
/// different lengths meet in many more pairs.
const DEPTH_MAX: usize = 500;
/// After so many pairs, branches of a union that cannot fit by their names are not looked into.
const PAIRS_MAX: usize = 20_000;
/// More differences than this are not listed.
const LISTED_MAX: usize = 1_000;

/// All reasons why `reader` cannot read what `writer` wrote; none if it can.
///
/// The policy LOGICAL adds one difference for each kind of tables that cannot follow, whose description is the whole
/// message of a registry; whether a new schema has a place in tables at all is [`logical::invalid`]'s to say.
pub fn compare(reader: &Schema, writer: &Schema, is: Reader, policy: Policy) -> Vec<Difference> {
    let mut check = Check {
        reader,
        writer,
        known: HashMap::new(),
        depth: 0,
    };
    let mut found = check.pair((reader.root(), writer.root()), "");
    found.truncate(LISTED_MAX);
    let mut told: Vec<Difference> = found.iter().map(|one| one.told(is)).collect();
    if policy == Policy::Logical {
        let messages = logical::incompatible(reader, writer, is);
        told.extend(messages.into_iter().map(|message| Difference {
            rule: logical::RULE,
            path: "/".to_owned(),
            description: message,
            additional: None,
            reader: None,
            writer: None,
        }));
    }
    told
}

type Pair = (NodeId, NodeId);

/// A difference before it is told.
struct Found {
    rule: &'static str,
    place: String,
    detail: String,
    reader: String,
    writer: String,
}

impl Found {
    fn told(&self, is: Reader) -> Difference {
        let path = if self.place.is_empty() {
            "/".to_owned()
        } else {
            self.place.clone()
        };
        Difference {
            rule: self.rule,
            description: describe(self.rule, &path, &self.detail, is),
            path,
            additional: Some(self.detail.clone()),
            reader: Some(self.reader.clone()),
            writer: Some(self.writer.clone()),
        }
    }
}

struct Check<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    /// What was found of each pair; nothing yet of one that is being compared.
    known: HashMap<Pair, Option<Rc<[Rc<Found>]>>>,
    depth: usize,
}

impl<'a> Check<'a> {
    fn pair(&mut self, pair: Pair, place: &str) -> Vec<Rc<Found>> {
        if let Some(known) = self.known.get(&pair) {
            // A recursive type is compatible unless something else in it is not.
            return known.as_ref().map(|known| known.to_vec()).unwrap_or_default();
        }
        if self.depth >= DEPTH_MAX {
            let (read, written) = (&self.reader.node(pair.0).kind, &self.writer.node(pair.1).kind);
            return vec![mismatch(read, written, place)];
        }
        self.known.insert(pair, None);
        self.depth += 1;
        let mut found = self.compare(pair, place);
        self.depth -= 1;
        found.truncate(LISTED_MAX);
        self.known.insert(pair, Some(found.clone().into()));
        found
    }

    fn compare(&mut self, (reader, writer): Pair, place: &str) -> Vec<Rc<Found>> {
        let (read, written) = (&self.reader.node(reader).kind, &self.writer.node(writer).kind);
        match (read, written) {
            (Kind::Union(_), Kind::Union(branches)) => {
                let mut found = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    if !self.reads((reader, *branch)) {
                        found.push(self.lacking(reader, *branch, format!("{place}/{index}")));
                    }
                }
                found
            }
            // Every branch of a writer's union must be readable.
            (_, Kind::Union(branches)) => {
                let mut found = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    found.append(&mut self.pair((reader, *branch), &format!("{place}/{index}")));
                }
                found
            }
            (Kind::Union(branches), _) => {
                if branches.iter().any(|branch| self.reads((*branch, writer))) {
                    return Vec::new();
                }
                vec![self.lacking(reader, writer, place.to_owned())]
            }
            (Kind::Record(read), Kind::Record(written)) => {
                let mut found = names(&read.name, &read.aliases, &written.name, place);
                found.append(&mut self.fields(read, written, writer, place));
                found
            }
            (Kind::Enum(read), Kind::Enum(written)) => {
                let mut found = names(&read.name, &read.aliases, &written.name, place);
                found.extend(symbols(read, written, place));
                found
            }
            (Kind::Fixed(read), Kind::Fixed(written)) => {
                let mut found = names(&read.name, &read.aliases, &written.name, place);
                found.extend(sizes(read, written, place));
                found
            }
            (Kind::Array(read), Kind::Array(written)) => self.pair((*read, *written), &format!("{place}/items")),
            (Kind::Map(read), Kind::Map(written)) => self.pair((*read, *written), &format!("{place}/values")),
            (read, written) if promotes(read, written) => Vec::new(),
            (read, written) => vec![mismatch(read, written, place)],
        }
    }

    /// Whether a branch of a union reads a type. What cannot fit by its name is looked into all the same, for what was
    /// found inside it counts wherever those types meet again; but not without end.
    fn reads(&mut self, pair: Pair) -> bool {
        let (read, written) = (&self.reader.node(pair.0).kind, &self.writer.node(pair.1).kind);
        if self.known.len() > PAIRS_MAX && !may_fit(read, written) {
            return false;
        }
        self.pair(pair, "").is_empty()
    }

    fn lacking(&self, union: NodeId, branch: NodeId, place: String) -> Rc<Found> {
        let written = &self.writer.node(branch).kind;
        Rc::new(Found {
            rule: "MISSING_UNION_BRANCH",
            place,
            detail: format!("reader union lacking writer type: {}", written.word().to_uppercase()),
            reader: self.reader.spelled(union),
            writer: self.writer.spelled(branch),
        })
    }

    /// Fields are the same by their names, or by an alias in the reader.
    fn fields(&mut self, read: &'a Record, written: &'a Record, writer: NodeId, place: &str) -> Vec<Rc<Found>> {
        let by_name: HashMap<&str, &Field> = written
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field))
            .collect();
        let mut found = Vec::new();
        for (index, field) in read.fields.iter().enumerate() {
            let place = format!("{place}/fields/{index}");
            let names = std::iter::once(&field.name).chain(&field.aliases);
            let others: Vec<&Field> = names.filter_map(|name| by_name.get(name.as_str()).copied()).collect();
            if others.len() > 1 {
                found.push(ambiguous(field, &place));
                continue;
            }
            let has_symbol = matches!(
                &self.reader.node(field.ty).kind,
                Kind::Enum(Enum { default: Some(_), .. })
            );
            match others.first() {
                Some(other) => found.append(&mut self.pair((field.ty, other.ty), &format!("{place}/type"))),
                None if field.default.is_some() => {}
                // The library compares the enum with the whole record here: its default helps no one.
                None if has_symbol => found.append(&mut self.pair((field.ty, writer), &format!("{place}/type"))),
                None => found.push(Rc::new(Found {
                    rule: "READER_FIELD_MISSING_DEFAULT_VALUE",
                    place,
                    detail: field.name.clone(),
                    reader: format!("{} without default", self.reader.spelled(field.ty)),
                    writer: "no field".to_owned(),
                })),
            }
        }
        found
    }
}

impl Schema {
    /// A type in short words for people.
    fn spelled(&self, id: NodeId) -> String {
        let kind = &self.node(id).kind;
        match kind {
            Kind::Union(branches) => {
                let words = branches.iter().map(|branch| self.node(*branch).kind.word());
                let more = if branches.len() > 8 { ", ..." } else { "" };
                format!("[{}{more}]", words.take(8).collect::<Vec<_>>().join(", "))
            }
            other => in_words(other),
        }
    }
}

/// Whether two types can fit at all, by their kinds and names.
fn may_fit(read: &Kind, written: &Kind) -> bool {
    match (read, written) {
        (Kind::Union(_), _) | (_, Kind::Union(_)) => true,
        (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => true,
        (Kind::Record(read), Kind::Record(written)) => is_called(&read.name, &read.aliases, &written.name),
        (Kind::Enum(read), Kind::Enum(written)) => is_called(&read.name, &read.aliases, &written.name),
        (Kind::Fixed(read), Kind::Fixed(written)) => is_called(&read.name, &read.aliases, &written.name),
        (read, written) => promotes(read, written),
    }
}

fn in_words(kind: &Kind) -> String {
    match kind.name() {
        Some(name) => format!("{} {}", kind.word(), name.full()),
        None => kind.word().to_owned(),
    }
}

/// The library gives up here: name and aliases of the field are several fields of the writer.
fn ambiguous(field: &Field, place: &str) -> Rc<Found> {
    Rc::new(Found {
        rule: "NAME_MISMATCH",
        place: format!("{place}/name"),
        detail: format!("reader field {} matches several fields of the writer", field.name),
        reader: format!("{} with aliases", field.name),
        writer: "several fields".to_owned(),
    })
}

fn mismatch(read: &Kind, written: &Kind, place: &str) -> Rc<Found> {
    let (reader, writer) = (read.word().to_uppercase(), written.word().to_uppercase());
    Rc::new(Found {
        rule: "TYPE_MISMATCH",
        place: place.to_owned(),
        detail: format!("reader type: {reader} not compatible with writer type: {writer}"),
        reader: in_words(read),
        writer: in_words(written),
    })
}

/// Only the unqualified name counts, or an alias that gives the writer's full name.
fn is_called(read: &Name, aliases: &[Name], written: &Name) -> bool {
    // An alias without namespace never fits in a type that has one, for the library writes a dot before it.
    let is_alias = |alias: &Name| alias == written && (alias.namespace.is_some() || read.namespace.is_none());
    read.name == written.name || aliases.iter().any(is_alias)
}

fn names(read: &Name, aliases: &[Name], written: &Name, place: &str) -> Vec<Rc<Found>> {
    if is_called(read, aliases, written) {
        return Vec::new();
    }
    vec![Rc::new(Found {
        rule: "NAME_MISMATCH",
        place: format!("{place}/name"),
        detail: format!("expected: {}", written.full()),
        reader: read.full(),
        writer: written.full(),
    })]
}

fn symbols(read: &Enum, written: &Enum, place: &str) -> Option<Rc<Found>> {
    let known: HashSet<&String> = read.symbols.iter().collect();
    let mut missing: Vec<&str> = written
        .symbols
        .iter()
        .filter(|symbol| !known.contains(symbol))
        .map(String::as_str)
        .collect();
    if missing.is_empty() || read.default.is_some() {
        return None;
    }
    missing.sort_unstable();
    Some(Rc::new(Found {
        rule: "MISSING_ENUM_SYMBOLS",
        place: format!("{place}/symbols"),
        detail: format!("[{}]", missing.join(", ")),
        reader: format!("{} symbols", read.symbols.len()),
        writer: format!("{} symbols", written.symbols.len()),
    }))
}

fn sizes(read: &Fixed, written: &Fixed, place: &str) -> Option<Rc<Found>> {
    (read.size != written.size).then(|| {
        Rc::new(Found {
            rule: "FIXED_SIZE_MISMATCH",
            place: format!("{place}/size"),
            detail: format!("expected: {}, found: {}", written.size, read.size),
            reader: format!("{} bytes", read.size),
            writer: format!("{} bytes", written.size),
        })
    })
}

/// Whether a primitive of the writer may be read as one of the reader's.
fn promotes(read: &Kind, written: &Kind) -> bool {
    use Kind::{Boolean, Bytes, Double, Float, Int, Long, Null, String};
    matches!(
        (read, written),
        (Null, Null)
            | (Boolean, Boolean)
            | (Int, Int)
            | (Long, Int | Long)
            | (Float, Int | Long | Float)
            | (Double, Int | Long | Float | Double)
            | (String | Bytes, String | Bytes)
    )
}

/// The sentence of a rule in a registry's message.
fn describe(rule: &str, path: &str, detail: &str, is: Reader) -> String {
    let (reader, writer) = (is.word(), is.writer_word());
    match rule {
        "READER_FIELD_MISSING_DEFAULT_VALUE" => format!(
            "The field '{detail}' at path '{path}' in the {reader} schema has no default value and is missing in the {writer} schema"
        ),
        "NAME_MISMATCH" => format!("The name of the schema has changed (path '{path}')"),
        "FIXED_SIZE_MISMATCH" => {
            format!(
                "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema"
            )
        }
        "MISSING_ENUM_SYMBOLS" => {
            format!("The {reader} schema is missing enum symbols '{detail}' at path '{path}' in the {writer} schema")
        }
        "MISSING_UNION_BRANCH" => {
            format!(
                "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema"
            )
        }
        _ => format!(
            "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema"
        ),
    }
}
