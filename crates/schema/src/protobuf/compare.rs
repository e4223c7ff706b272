//! Whether messages written with one file can be read with another, by the rules of the wire format.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::difference::{Difference, Policy, Reader};
use crate::logical;

use super::Schema;
use super::file::{Field, Label, Message, Oneof, Type, is_scalar, map_parts};
use super::names::{Found, Names, Scope};
use super::order;

/// So many types of referenced files are compared within one another before the rest is compared on its own.
const DEPTH_MAX: usize = 50;
/// So many comparisons of referenced types repeat those that were made already; later ones take their verdict.
const REPEATS_MAX: usize = 5_000;
/// More differences than this are not listed.
const LISTED_MAX: usize = 1_000;

/// All reasons why `reader` cannot read what `writer` wrote; none if it can.
///
/// Fields are the same by their tags, messages and enums by their names. The policy LOGICAL adds what tables cannot
/// read.
pub fn compare(reader: &Schema, writer: &Schema, is: Reader, policy: Policy) -> Vec<Difference> {
    let mut found = on_the_wire(reader, writer, is);
    if policy == Policy::Logical {
        found.extend(logical::differences(reader, writer, is));
    }
    found
}

fn on_the_wire(reader: &Schema, writer: &Schema, is: Reader) -> Vec<Difference> {
    let (old_package, new_package) = (package(writer), package(reader));
    let mut check = Check {
        is,
        old: Side::new(writer, old_package),
        new: Side::new(reader, new_package),
        path: Vec::new(),
        under_way: HashSet::new(),
        judged: HashMap::new(),
        repeats: 0,
        depth: 0,
        later: Vec::new(),
        put_off: HashSet::new(),
        found: Vec::new(),
    };
    if writer.file.package != reader.file.package {
        check.report("PACKAGE_CHANGED", new_package, old_package);
    }
    check.types(&writer.file.types, &reader.file.types);
    while let Some(pair) = check.later.pop() {
        check.judged.remove(&pair.identity());
        check.referenced(pair);
    }
    check.found
}

fn package(schema: &Schema) -> &str {
    schema.file.package.as_deref().unwrap_or("")
}

/// One of the two schemas, and the place in it that is being compared.
struct Side<'a> {
    names: Names<'a>,
    scope: Scope<'a>,
}

impl<'a> Side<'a> {
    fn new(schema: &'a Schema, package: &'a str) -> Side<'a> {
        Side {
            names: schema.names(),
            scope: Scope {
                package,
                messages: Vec::new(),
            },
        }
    }

    fn found(&self, ty: &str) -> Option<(String, Found<'a>)> {
        self.names.resolve(ty, &self.scope)
    }

    fn is_enum(&self, ty: &str) -> bool {
        self.found(ty)
            .is_some_and(|(_, found)| matches!(found.ty, Type::Enum(_)))
    }

    /// The type, with the entry of a map as the map.
    fn spelled(&self, ty: &str) -> String {
        let map = self.found(ty).and_then(|(_, found)| found.map_type());
        map.unwrap_or_else(|| ty.to_owned())
    }

    fn kind(&self, ty: &str) -> Kind {
        if is_scalar(ty) || (map_parts(ty).is_none() && self.is_enum(ty)) {
            Kind::Scalar
        } else if map_parts(ty).is_some() {
            Kind::Map
        } else {
            Kind::Message
        }
    }

    /// The scalars that read one another.
    fn group(&self, ty: &str) -> Group {
        if self.is_enum(ty) {
            return Group::Varint;
        }
        match ty {
            "sint32" | "sint64" => Group::Zigzag,
            "string" | "bytes" => Group::Bytes,
            "fixed32" | "sfixed32" => Group::Fixed32,
            "fixed64" | "sfixed64" => Group::Fixed64,
            "float" => Group::Float,
            "double" => Group::Double,
            _ => Group::Varint,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    Message,
    Map,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Varint,
    Zigzag,
    Bytes,
    Fixed32,
    Fixed64,
    Float,
    Double,
}

/// Two messages of the same name, at least one of which stands in a referenced file.
#[derive(Clone)]
struct Pair<'a> {
    local_name: String,
    old: Found<'a>,
    new: Found<'a>,
}

/// The two messages by their places in memory.
type Identity = (*const Type, *const Type);

impl Pair<'_> {
    fn identity(&self) -> Identity {
        (self.old.ty, self.new.ty)
    }
}

struct Check<'a> {
    is: Reader,
    old: Side<'a>,
    new: Side<'a>,
    path: Vec<String>,
    /// Messages of the old schema that are being compared: a recursive one is not compared again inside itself.
    under_way: HashSet<*const Message>,
    /// Pairs of referenced types and whether they fit.
    judged: HashMap<Identity, bool>,
    repeats: usize,
    depth: usize,
    later: Vec<Pair<'a>>,
    /// All pairs that were ever put off.
    put_off: HashSet<Identity>,
    found: Vec<Difference>,
}

impl<'a> Check<'a> {
    /// Reports a difference at the current place; the short words are those of the reader and of the writer.
    fn report(&mut self, rule: &'static str, reader: &str, writer: &str) {
        if self.found.len() >= LISTED_MAX {
            return;
        }
        let path = format!("#/{}", self.path.join("/"));
        let word = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
        self.found.push(Difference {
            rule,
            description: describe(rule, &path, self.is),
            path,
            additional: None,
            reader: word(reader),
            writer: word(writer),
        });
    }

    fn at<T>(&mut self, place: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(place.to_owned());
        let result = inside(self);
        self.path.pop();
        result
    }

    /// Goes into a message or an enum: its name is part of the path and of where names are looked up.
    fn in_type(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.old.scope.messages.push(name.to_owned());
        self.new.scope.messages.push(name.to_owned());
        self.at(name, inside);
        self.old.scope.messages.pop();
        self.new.scope.messages.pop();
    }

    /// Messages may be added and moved but not removed; enums may do as they like.
    fn types(&mut self, old: &'a [Type], new: &'a [Type]) {
        let messages = |types: &'a [Type]| -> HashMap<&'a str, &'a Message> {
            let messages = types.iter().filter_map(Type::message);
            messages.map(|message| (message.name.as_str(), message)).collect()
        };
        let (old_by_name, new_by_name) = (messages(old), messages(new));
        let names = |types: &'a [Type]| -> Vec<&'a str> {
            let messages = types.iter().filter_map(Type::message);
            messages.map(|message| message.name.as_str()).collect()
        };
        for name in order::of_both(&names(old), &names(new)) {
            match (old_by_name.get(name), new_by_name.get(name)) {
                (Some(old), Some(new)) => self.in_type(name, |check| check.messages(old, new)),
                (None, _) => {}
                (Some(_), None) => self.in_type(name, |check| {
                    let found = check.old.found(name);
                    if found.is_some_and(|(_, found)| !found.message().is_some_and(Message::is_map_entry)) {
                        check.report("MESSAGE_REMOVED", "no message", &format!("message {name}"));
                    }
                }),
            }
        }
    }

    fn messages(&mut self, old: &'a Message, new: &'a Message) {
        let entered = self.under_way.insert(std::ptr::from_ref(old));
        if entered {
            self.fields(old, new);
        }
        self.types(&old.types, &new.types);
        if entered {
            self.under_way.remove(&std::ptr::from_ref(old));
        }
    }

    fn fields(&mut self, old: &'a Message, new: &'a Message) {
        let (before, after) = (Members::of(old), Members::of(new));
        for oneof in &new.oneofs {
            self.exclusive(oneof, &before);
        }
        let tags: BTreeSet<i32> = before.by_tag.keys().chain(after.by_tag.keys()).copied().collect();
        for tag in tags {
            let (was, is) = (before.oneof_of(tag), after.oneof_of(tag));
            match (before.by_tag.get(&tag), after.by_tag.get(&tag)) {
                (Some(old), Some(new)) => {
                    self.at_member(is, tag, |check| check.field(old, new));
                }
                (Some(old), None) => match was {
                    Some(oneof) if before.is_wholly_gone(oneof, &after) => {}
                    Some(_) => self.at_member(was, tag, |check| {
                        check.report("ONEOF_FIELD_REMOVED", "no field", &named(old));
                    }),
                    None if old.label == Some(Label::Required) => self.at_member(None, tag, |check| {
                        check.report("REQUIRED_FIELD_REMOVED", "no field", &named(old));
                    }),
                    None => {}
                },
                (None, Some(new)) if is.is_none() && new.label == Some(Label::Required) => {
                    self.at_member(None, tag, |check| {
                        check.report("REQUIRED_FIELD_ADDED", &named(new), "no field");
                    });
                }
                _ => {}
            }
        }
    }

    /// Fields that were independent of one another may not come to exclude one another.
    fn exclusive(&mut self, oneof: &Oneof, before: &Members<'_>) {
        let mut origins: BTreeSet<Origin<'_>> = BTreeSet::new();
        for field in &oneof.fields {
            match before.oneof_of(field.tag) {
                Some(oneof) => drop(origins.insert(Origin::Oneof(oneof))),
                None if before.by_tag.contains_key(&field.tag) => drop(origins.insert(Origin::Field(field.tag))),
                None => {}
            }
        }
        if origins.len() < 2 {
            return;
        }
        let fields = origins.iter().filter(|origin| matches!(origin, Origin::Field(_)));
        let rule = if fields.count() > 1 {
            "MULTIPLE_FIELDS_MOVED_TO_ONEOF"
        } else {
            "FIELD_MOVED_TO_EXISTING_ONEOF"
        };
        let words = format!("one of {} in {}", oneof.fields.len(), oneof.name);
        self.at(&oneof.name, |check| check.report(rule, &words, "independent fields"));
    }

    fn at_member(&mut self, oneof: Option<&str>, tag: i32, inside: impl FnOnce(&mut Self)) {
        let tag = tag.to_string();
        match oneof {
            Some(oneof) => self.at(oneof, |check| check.at(&tag, inside)),
            None => self.at(&tag, inside),
        }
    }

    fn field(&mut self, old: &Field, new: &Field) {
        self.field_types((old.label, &old.ty), (new.label, &new.ty));
    }

    fn field_types(&mut self, (old_label, old): (Option<Label>, &str), (new_label, new): (Option<Label>, &str)) {
        let (old, new) = (self.old.spelled(old), self.new.spelled(new));
        let kind = self.old.kind(&old);
        if kind != self.new.kind(&new) {
            return self.report("FIELD_KIND_CHANGED", &new, &old);
        }
        match kind {
            Kind::Scalar => {
                let group = self.old.group(&old);
                if group != self.new.group(&new) {
                    return self.report("FIELD_SCALAR_KIND_CHANGED", &new, &old);
                }
                if let (Some(old), Some(new)) = (old_label, new_label)
                    && old != new
                    && group != Group::Bytes
                {
                    self.report("FIELD_NUMERIC_LABEL_CHANGED", new.word(), old.word());
                }
            }
            Kind::Message => self.message_types(&old, &new),
            Kind::Map => {
                if let (Some(old), Some(new)) = (map_parts(&old), map_parts(&new)) {
                    self.field_types((None, old.0), (None, new.0));
                    self.field_types((None, old.1), (None, new.1));
                }
            }
        }
    }

    fn message_types(&mut self, old: &str, new: &str) {
        let (Some((old_name, old_type)), Some((new_name, new_type))) = (self.old.found(old), self.new.found(new))
        else {
            if old != new {
                self.report("FIELD_NAMED_TYPE_CHANGED", new, old);
            }
            return;
        };
        let (old_local, new_local) = (local(&old_name, &old_type), local(&new_name, &new_type));
        if old_local != new_local {
            return self.report("FIELD_NAMED_TYPE_CHANGED", &new_name, &old_name);
        }
        if old_type.file.is_none() && new_type.file.is_none() {
            // Types of the schemas themselves are compared where they stand.
            return;
        }
        let fits = self.referenced(Pair {
            local_name: old_local.to_owned(),
            old: old_type,
            new: new_type,
        });
        if !fits {
            self.report("FIELD_NAMED_TYPE_CHANGED", &new_name, &old_name);
        }
    }

    /// Compares two types of which one stands in a referenced file, each in its own package.
    fn referenced(&mut self, pair: Pair<'a>) -> bool {
        let (Some(old), Some(new)) = (pair.old.message(), pair.new.message()) else {
            return true;
        };
        let identity = pair.identity();
        if let Some(fits) = self.judged.get(&identity) {
            self.repeats += 1;
            if self.repeats > REPEATS_MAX || self.found.len() >= LISTED_MAX {
                return *fits;
            }
        }
        if self.depth >= DEPTH_MAX {
            if !self.judged.contains_key(&identity) && self.put_off.insert(identity) {
                self.later.push(pair);
            }
            return true;
        }
        let parts: Vec<String> = pair.local_name.split('.').map(str::to_owned).collect();
        let path = std::mem::replace(&mut self.path, parts.clone());
        let old_scope = std::mem::replace(&mut self.old.scope, scope(pair.old.package, &parts));
        let new_scope = std::mem::replace(&mut self.new.scope, scope(pair.new.package, &parts));
        let mark = self.found.len();
        self.depth += 1;
        self.messages(old, new);
        self.depth -= 1;
        let fits = self.found.len() == mark && mark < LISTED_MAX;
        self.path = path;
        self.old.scope = old_scope;
        self.new.scope = new_scope;
        self.judged.insert(identity, fits);
        fits
    }
}

fn scope<'a>(package: &'a str, messages: &[String]) -> Scope<'a> {
    Scope {
        package,
        messages: messages.to_vec(),
    }
}

/// A type's name without its package.
fn local<'a>(full: &'a str, found: &Found<'_>) -> &'a str {
    let rest = full.strip_prefix(found.package).and_then(|rest| rest.strip_prefix('.'));
    rest.filter(|_| !found.package.is_empty()).unwrap_or(full)
}

/// Where the fields of a oneof were before.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Origin<'a> {
    Oneof(&'a str),
    Field(i32),
}

/// The fields of a message by tag, those of its oneofs among them.
struct Members<'a> {
    by_tag: BTreeMap<i32, &'a Field>,
    oneof_by_tag: HashMap<i32, &'a str>,
    oneofs: HashMap<&'a str, &'a Oneof>,
}

impl<'a> Members<'a> {
    fn of(message: &'a Message) -> Members<'a> {
        let mut members = Members {
            by_tag: message.fields.iter().map(|field| (field.tag, field)).collect(),
            oneof_by_tag: HashMap::new(),
            oneofs: HashMap::new(),
        };
        for oneof in &message.oneofs {
            members.oneofs.insert(&oneof.name, oneof);
            for field in &oneof.fields {
                members.by_tag.insert(field.tag, field);
                members.oneof_by_tag.insert(field.tag, &oneof.name);
            }
        }
        members
    }

    fn oneof_of(&self, tag: i32) -> Option<&'a str> {
        self.oneof_by_tag.get(&tag).copied()
    }

    /// Whether neither the oneof nor any of its fields is left.
    fn is_wholly_gone(&self, oneof: &str, after: &Members<'_>) -> bool {
        let fields = self.oneofs.get(oneof).map_or(&[][..], |oneof| &oneof.fields);
        !after.oneofs.contains_key(oneof) && !fields.iter().any(|field| after.by_tag.contains_key(&field.tag))
    }
}

fn named(field: &Field) -> String {
    let label = field
        .label
        .map(|label| format!("{} ", label.word()))
        .unwrap_or_default();
    format!("{label}{} {}", field.ty, field.name)
}

/// The sentence of a rule in a registry's message.
fn describe(rule: &str, path: &str, is: Reader) -> String {
    let (reader, writer) = (is.word(), is.writer_word());
    match rule {
        "PACKAGE_CHANGED" => {
            format!("The package at '{path}' in the {reader} schema does not match the package in the {writer} schema")
        }
        "MESSAGE_REMOVED" => {
            format!("The {reader} schema is missing a MESSAGE type at path '{path}' in the {writer} schema")
        }
        "FIELD_KIND_CHANGED" => {
            format!("The type of a field at path '{path}' in the {reader} schema does not match the {writer} schema")
        }
        "FIELD_SCALAR_KIND_CHANGED" => format!(
            "The kind of a SCALAR field at path '{path}' in the {reader} schema does not match its kind in the {writer} schema"
        ),
        "FIELD_NAMED_TYPE_CHANGED" => format!(
            "The type of a MESSAGE field at path '{path}' in the {reader} schema does not match its type in the {writer} schema"
        ),
        "FIELD_NUMERIC_LABEL_CHANGED" => format!(
            "The label for a NUMERIC field at path '{path}' in the {reader} schema does not match its label in the {writer} schema"
        ),
        // Two blanks, as the registry the world knows writes it.
        "REQUIRED_FIELD_ADDED" => {
            format!("A required field  at path '{path}' in the {reader} schema is missing in the {writer} schema")
        }
        "REQUIRED_FIELD_REMOVED" => {
            format!("The {reader} schema is missing a required field at path: '{path}' in the {writer} schema")
        }
        "ONEOF_FIELD_REMOVED" => {
            format!("The {reader} schema is missing a oneof field at path '{path}' in the {writer} schema")
        }
        "MULTIPLE_FIELDS_MOVED_TO_ONEOF" => format!(
            "Multiple fields in the oneof at path '{path}' in the {reader} schema are outside a oneof in the {writer} schema"
        ),
        _ => format!(
            "A field in the oneof at path '{path}' in the {reader} schema is outside an existing oneof in the {writer} schema"
        ),
    }
}
