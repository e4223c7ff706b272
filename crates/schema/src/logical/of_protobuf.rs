//! Protobuf schemas as types of tables.
//!
//! Messages and enums at the top of the file, and those that hold themselves, are named types; others stand where they
//! are used. What clients say by parameters of `confluent.field_meta` counts as they mean it.

mod kinds;
mod said;

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::json::deeper;
use crate::protobuf::Schema;
use crate::protobuf::linked::{Enum, Field as Member, Id, Kind, Linked, Message};

use super::circles::circles;
use super::ddl;
use super::java::check_name;
use super::validity::names_in;
use super::{Converted, Default, Document, Field, Logical, Said, Ty, texts};
use kinds::{scalar, unwrapped, well_known};
use said::{is_sequential, said, symbols, written_default};

/// Types within each other, but for names.
const LEVELS_MAX: usize = 256;
/// Types and names within each other.
const STEPS_MAX: usize = 4_096;
/// Types of a document: messages that are not named repeat where they are used.
const TYPES_MAX: usize = 500_000;

const TOO_DEEP: &str = "Protobuf schema nests types too deeply to convert";
const NAMED: &str = "logical.named";
const DEFAULT: &str = "logical.default";
const WRAPPED: &str = "flink.wrapped";
/// What a wrapper holds.
const VALUE: &str = "value";

pub(super) fn document(schema: &Schema) -> Converted<Document> {
    if schema.only_passes_on() {
        let root = Logical::of(Ty::Ref(schema.first_type()?), false);
        return Ok(Document::of(schema.package().map(str::to_owned), root));
    }
    schema.first_type()?;
    let linked = schema.linked()?;
    let root = linked.root.ok_or("ProtobufSchema has no root descriptor")?;
    if let Some(ty) = unwrapped(&linked.message(root).full) {
        return Ok(Document::of(
            linked.file(linked.message(root).file).package.clone(),
            Logical::of(ty, true),
        ));
    }
    let messages = 0..linked.message_count();
    let converter = Converter {
        circular: circles(messages, |id| linked.held(id)),
        linked: &linked,
        named: IndexMap::new(),
        open: HashSet::new(),
        path: Vec::new(),
        left: TYPES_MAX,
        steps: 0,
    };
    converter.document(root)
}

struct Converter<'a> {
    linked: &'a Linked,
    /// The messages that hold themselves.
    circular: HashSet<Id>,
    named: IndexMap<String, Logical>,
    /// The nameless messages being converted.
    open: HashSet<Id>,
    path: Vec<&'a str>,
    left: usize,
    steps: usize,
}

impl<'a> Converter<'a> {
    fn document(mut self, root: Id) -> Converted<Document> {
        let linked = self.linked;
        let message = linked.message(root);
        let file = linked.file(message.file);
        for id in &file.messages {
            self.announce(&linked.message(*id).full);
        }
        for id in &file.enums {
            self.announce(&linked.one_enum(*id).full);
        }
        file.messages.iter().for_each(|id| self.announce_nested(*id));
        let body = self.row(root, false, 0)?;
        self.named.insert(message.full.clone(), body.clone());
        for id in file.messages.iter().filter(|id| **id != root) {
            self.name(*id, 1)?;
        }
        for id in &file.enums {
            self.name_enum(linked.one_enum(*id))?;
        }
        file.messages.iter().try_for_each(|id| self.nested(*id))?;
        let root = Logical::of(Ty::Ref(message.full.clone()), false);
        let mut document = Document {
            named: self.named,
            external: linked.external.clone(),
            ..Document::of(file.package.clone(), root)
        };
        let within = format!("{}.", message.full);
        if !holds_itself(&document, &message.full) && !document.named.keys().any(|name| name.starts_with(&within)) {
            document.named.shift_remove(&message.full);
            document.root = body;
        }
        Ok(document)
    }

    /// Makes a name known before its type is.
    fn announce(&mut self, name: &str) {
        self.named
            .insert(name.to_owned(), Logical::of(Ty::Struct(Vec::new()), false));
    }

    fn is_named(&self, id: Id) -> bool {
        self.linked.message(id).meta.param(NAMED) == Some("true") || self.circular.contains(&id)
    }

    fn announce_nested(&mut self, id: Id) {
        let linked = self.linked;
        for nested in &linked.message(id).nested {
            if linked.message(*nested).is_map_entry {
                continue;
            }
            if self.is_named(*nested) {
                self.announce(&linked.message(*nested).full);
            }
            self.announce_nested(*nested);
        }
        for one in named_enums(linked, id) {
            self.announce(&one.full);
        }
    }

    fn nested(&mut self, id: Id) -> Converted<()> {
        let linked = self.linked;
        for nested in &linked.message(id).nested {
            if linked.message(*nested).is_map_entry {
                continue;
            }
            if self.is_named(*nested) {
                self.name(*nested, 0)?;
            }
            self.nested(*nested)?;
        }
        named_enums(linked, id).try_for_each(|one| self.name_enum(one))
    }

    fn name(&mut self, id: Id, level: usize) -> Converted<()> {
        let body = self.row(id, false, level)?;
        self.named.insert(self.linked.message(id).full.clone(), body);
        Ok(())
    }

    fn name_enum(&mut self, one: &Enum) -> Converted<()> {
        let ty = symbols(one)?;
        let body = Logical {
            said: Some(Box::new(said(&one.meta, None))),
            ..Logical::of(ty, false)
        };
        self.named.insert(one.full.clone(), body);
        Ok(())
    }

    /// The fields of a message, then its oneofs.
    fn row(&mut self, id: Id, nullable: bool, level: usize) -> Converted<Logical> {
        if level > LEVELS_MAX {
            return Err(format!("Schema type nesting depth exceeds the maximum of {LEVELS_MAX}"));
        }
        let message = self.linked.message(id);
        let numbered = !is_sequential(message);
        let mut fields = Vec::new();
        for member in message.fields.iter().filter(|member| member.oneof.is_none()) {
            fields.push(self.field(member, message, numbered, level + 1)?);
        }
        for (at, name) in message.oneofs.iter().enumerate() {
            fields.push(Field {
                schema: self.union(message, at, level + 1)?,
                name: name.clone(),
                default: Default::Absent,
                said: Said::default(),
            });
        }
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name.as_str())) {
            return Err(format!("Duplicate field: {}", twice.name));
        }
        Ok(Logical {
            said: Some(Box::new(said(&message.meta, None))),
            ..Logical::of(Ty::Struct(fields), nullable)
        })
    }

    fn union(&mut self, message: &'a Message, oneof: usize, level: usize) -> Converted<Logical> {
        let numbered = !is_sequential(message);
        let mut branches = Vec::new();
        for member in message.fields.iter().filter(|member| member.oneof == Some(oneof)) {
            let mut schema = self.inside(member, message, level + 1)?;
            schema.nullable = true;
            check_name(&member.name, "Union branch")?;
            branches.push(Field {
                name: member.name.clone(),
                schema,
                default: Default::Absent,
                said: said(&member.meta, numbered.then_some(member.number)),
            });
        }
        Ok(Logical::of(Ty::Union(branches), true))
    }

    fn field(&mut self, member: &'a Member, message: &Message, numbered: bool, level: usize) -> Converted<Field> {
        let schema = self.inside(member, message, level)?;
        let is_container = matches!(schema.ty, Ty::Array(_) | Ty::Map(_, _) | Ty::Multiset(_));
        let default = match (member.meta.param(DEFAULT), &member.default) {
            (Some(text), _) => Default::Literal(texts::value(&schema.ty, text)?.literal(&schema.ty)),
            (None, Some(text)) => Default::Literal(written_default(member.ty, text).literal(&schema.ty)),
            (None, None) if is_container && !schema.nullable => Default::Empty,
            (None, None) => Default::Absent,
        };
        check_name(&member.name, "Field")?;
        Ok(Field {
            name: member.name.clone(),
            schema,
            default,
            said: said(&member.meta, numbered.then_some(member.number)),
        })
    }

    fn inside(&mut self, member: &'a Member, message: &Message, level: usize) -> Converted<Logical> {
        self.path.push(&member.name);
        let schema = self.ty(member, message, level)?;
        self.path.pop();
        Ok(schema)
    }

    fn ty(&mut self, member: &'a Member, message: &Message, level: usize) -> Converted<Logical> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("it has more than {TYPES_MAX} types"))?;
        if self.steps >= STEPS_MAX {
            return Err(TOO_DEEP.to_owned());
        }
        self.steps += 1;
        let is_one_message = matches!(member.ty, Kind::Message(_)) && !member.repeated;
        let nullable = member.meta.flag("flink.notNull").map_or(is_one_message, |flag| !flag);
        let schema = deeper(|| {
            if member.repeated {
                self.repeated(member, message, nullable, level)
            } else {
                self.single(member, member.optional || nullable, level)
            }
        });
        self.steps -= 1;
        schema
    }

    fn repeated(&mut self, member: &'a Member, message: &Message, nullable: bool, level: usize) -> Converted<Logical> {
        if let Kind::Message(id) = member.ty
            && is_entry(self.linked.message(id))
        {
            return Ok(Logical::of(self.map(member, id, level)?, nullable));
        }
        let element = match (member.meta.flag(WRAPPED), member.ty) {
            (Some(true), Kind::Message(id)) => self.wrapped(id, level)?,
            (Some(true), _) => {
                return Err(format!(
                    "This field is not of message type. ({}.{})",
                    message.full, member.name
                ));
            }
            _ => self.single(member, false, level)?,
        };
        Ok(Logical::of(Ty::Array(Box::new(element)), nullable))
    }

    fn map(&mut self, member: &Member, entry: Id, level: usize) -> Converted<Ty> {
        let Ty::Struct(fields) = self.row(entry, false, level)?.ty else {
            return Err(TOO_DEEP.to_owned());
        };
        let (mut key, mut value) = (None, None);
        for field in fields {
            match field.name.as_str() {
                "key" => key = Some(field.schema),
                VALUE => value = Some(field.schema),
                _ => {}
            }
        }
        let (Some(key), Some(value)) = (key, value) else {
            return Err("an entry of a map has no key or no value".to_owned());
        };
        if member.meta.param("flink.type") != Some("multiset") {
            return Ok(Ty::Map(Box::new(key), Box::new(value)));
        }
        if let Ty::Int = value.ty {
            return Ok(Ty::Multiset(Box::new(key)));
        }
        Err(format!(
            "Unexpected value type for a MULTISET type: {}",
            ddl::plain(&value)
        ))
    }

    /// What a wrapper holds in the field or the oneof that is its value.
    fn wrapped(&mut self, id: Id, level: usize) -> Converted<Logical> {
        let message = self.linked.message(id);
        let field = message.fields.iter().find(|field| field.name == VALUE);
        if let Some(field) = field.filter(|field| field.oneof.is_none()) {
            return self.ty(field, message, level);
        }
        match message.oneofs.iter().position(|name| name == VALUE) {
            Some(oneof) => self.union(message, oneof, level),
            None => Err(format!(
                "flink.wrapped wrapper missing 'value' payload: {}",
                message.full
            )),
        }
    }

    fn single(&mut self, member: &'a Member, nullable: bool, level: usize) -> Converted<Logical> {
        let ty = match member.ty {
            Kind::Scalar(name) => scalar(name, &member.meta)?,
            Kind::Enum(id) => self.enumeration(id)?,
            Kind::Message(id) => return self.message(member, id, nullable, level),
        };
        Ok(Logical::of(ty, nullable))
    }

    fn enumeration(&mut self, id: Id) -> Converted<Ty> {
        let one = self.linked.one_enum(id);
        if self.named.contains_key(&one.full) {
            return Ok(Ty::Ref(one.full.clone()));
        }
        if self.linked.external.contains(&one.full) {
            self.name_enum(one)?;
            return Ok(Ty::Ref(one.full.clone()));
        }
        symbols(one)
    }

    fn message(&mut self, member: &'a Member, id: Id, nullable: bool, level: usize) -> Converted<Logical> {
        let full = &self.linked.message(id).full;
        if let Some(ty) = well_known(full, &member.meta)? {
            return Ok(Logical::of(ty, nullable));
        }
        if let Some(ty) = unwrapped(full) {
            return Ok(Logical::of(ty, true));
        }
        if self.linked.external.contains(full) && !self.named.contains_key(full) {
            self.announce(full);
            self.name(id, 0)?;
        }
        if self.named.contains_key(full) {
            return Ok(Logical::of(Ty::Ref(full.clone()), nullable));
        }
        if !self.open.insert(id) {
            return Err(format!(
                "Cyclic schemas are not supported.\nFound a cycle in the field: {}",
                self.path.join(".")
            ));
        }
        let schema = if member.meta.flag(WRAPPED) == Some(true) {
            let inner = self.wrapped(id, level)?;
            Logical::of(inner.ty, true)
        } else {
            self.row(id, nullable, level)?
        };
        self.open.remove(&id);
        Ok(schema)
    }
}

fn named_enums(linked: &Linked, id: Id) -> impl Iterator<Item = &Enum> {
    let enums = linked.message(id).enums.iter().map(|id| linked.one_enum(*id));
    enums.filter(|one| one.meta.param(NAMED) == Some("true"))
}

/// Whether a type leads back to itself by names.
fn holds_itself(document: &Document, name: &str) -> bool {
    let mut seen = HashSet::new();
    let mut waiting = names_in(document, name);
    while let Some(next) = waiting.pop() {
        if next == name {
            return true;
        }
        if seen.insert(next) {
            waiting.extend(names_in(document, next));
        }
    }
    false
}

/// Whether a message is the entry of a map: by its name, a key that may be a oneof, and a value.
fn is_entry(message: &Message) -> bool {
    if !message.name.ends_with("Entry") {
        return false;
    }
    let mut alone = message.fields.iter().filter(|field| field.oneof.is_none());
    let count = alone.clone().count() + message.oneofs.len();
    let has_key = alone.clone().any(|field| field.name == "key") || message.oneofs.iter().any(|name| name == "key");
    count == 2 && has_key && alone.any(|field| field.name == VALUE)
}
