//! Files as compilers link them: every field with the type it means, as readers of descriptors see a schema.
//!
//! What cannot be linked is refused with the words of the library that Java's readers use.

mod checks;
mod defaults;

use std::collections::{HashMap, HashSet};

use super::Schema;
use super::file::{self, Label, Syntax, Type, is_scalar, map_parts};
use super::known;
use super::meta::Meta;
use super::payload::effective;
use super::serialize::entry_name;

pub(crate) use defaults::{number, whole_number};

/// The place of a message, an enum or a file in its list.
pub(crate) type Id = usize;

type Linking<T> = Result<T, String>;

/// Files that import each other have no end.
const ENDLESS: &str = "Protobuf schema nests types too deeply to convert";

#[derive(Debug, Default)]
pub(crate) struct Linked {
    files: Vec<LinkedFile>,
    messages: Vec<Message>,
    enums: Vec<Enum>,
    /// The first message, if it has one.
    pub(crate) root: Option<Id>,
    /// The full names of the types of referenced files.
    pub(crate) external: HashSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct LinkedFile {
    pub(crate) package: Option<String>,
    pub(crate) messages: Vec<Id>,
    pub(crate) enums: Vec<Id>,
    proto3: bool,
    imports: Vec<Id>,
    public: Vec<Id>,
}

#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) full: String,
    pub(crate) file: Id,
    pub(crate) is_map_entry: bool,
    pub(crate) meta: Meta,
    /// Those of oneofs stand before the others.
    pub(crate) fields: Vec<Field>,
    pub(crate) oneofs: Vec<String>,
    pub(crate) nested: Vec<Id>,
    pub(crate) enums: Vec<Id>,
}

#[derive(Debug, Default)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) ty: Kind,
    pub(crate) repeated: bool,
    /// Whether it may be absent, and a reader can tell.
    pub(crate) optional: bool,
    /// The place of its oneof among those of the message.
    pub(crate) oneof: Option<usize>,
    pub(crate) default: Option<String>,
    pub(crate) meta: Meta,
    packed: bool,
    /// The type as written.
    written: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar(&'static str),
    Message(Id),
    Enum(Id),
}

impl Default for Kind {
    fn default() -> Kind {
        Kind::Scalar("")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Enum {
    name: String,
    pub(crate) full: String,
    pub(crate) meta: Meta,
    pub(crate) values: Vec<EnumValue>,
}

#[derive(Debug, Default)]
pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) meta: Meta,
}

impl Linked {
    pub(crate) fn message(&self, id: Id) -> &Message {
        &self.messages[id]
    }

    pub(crate) fn one_enum(&self, id: Id) -> &Enum {
        &self.enums[id]
    }

    pub(crate) fn file(&self, id: Id) -> &LinkedFile {
        &self.files[id]
    }

    /// The messages that a message's fields hold.
    pub(crate) fn held(&self, id: Id) -> Vec<Id> {
        let message = |field: &Field| match field.ty {
            Kind::Message(id) => Some(id),
            Kind::Scalar(_) | Kind::Enum(_) => None,
        };
        self.messages[id].fields.iter().filter_map(message).collect()
    }

    pub(crate) fn message_count(&self) -> usize {
        self.messages.len()
    }
}

impl Schema {
    /// Whether it has no types of its own and passes on those of another file.
    pub(crate) fn only_passes_on(&self) -> bool {
        self.file.types.is_empty() && !self.file.public_imports.is_empty()
    }

    pub(crate) fn package(&self) -> Option<&str> {
        self.file.package.as_deref().filter(|package| !package.is_empty())
    }

    /// The full name of the first message or, without one, of the first enum.
    pub(crate) fn first_type(&self) -> Linking<String> {
        checks::first_type(effective(&self.file, &self.references))
    }

    pub(crate) fn linked(&self) -> Linking<Linked> {
        let mut linker = Linker {
            references: &self.references,
            by_name: HashMap::new(),
            types: HashMap::new(),
            open: Vec::new(),
            linked: Linked::default(),
        };
        let own = linker.file(&self.file)?;
        linker.check_names(own)?;
        linker.linked.root = linker.root_of(own, &self.file)?;
        for (name, file) in self.references.iter() {
            let id = linker.named(name, file)?;
            if let Some(root) = linker.root_of(id, file)? {
                let file = linker.linked.messages[root].file;
                linker.add_external(file);
            }
        }
        Ok(linker.linked)
    }
}

struct Linker<'a> {
    references: &'a [(String, file::File)],
    by_name: HashMap<&'a str, Id>,
    /// Types by their full names, with the file each stands in.
    types: HashMap<String, Vec<(Id, Kind)>>,
    open: Vec<&'a str>,
    linked: Linked,
}

impl<'a> Linker<'a> {
    fn named(&mut self, name: &'a str, file: &'a file::File) -> Linking<Id> {
        if let Some(id) = self.by_name.get(name) {
            return Ok(*id);
        }
        if self.open.contains(&name) {
            return Err(ENDLESS.to_owned());
        }
        self.open.push(name);
        let id = crate::json::deeper(|| self.file(file))?;
        self.open.pop();
        self.by_name.insert(name, id);
        Ok(id)
    }

    fn file(&mut self, file: &'a file::File) -> Linking<Id> {
        let id = self.linked.files.len();
        let package = file.package.clone().filter(|package| !package.is_empty());
        self.linked.files.push(LinkedFile {
            proto3: file.syntax == Some(Syntax::Proto3),
            package: package.clone(),
            ..LinkedFile::default()
        });
        let (messages, enums) = self.types(&file.types, package.as_deref().unwrap_or(""), id)?;
        let imports = self.imported(&file.imports)?;
        let public = self.imported(&file.public_imports)?;
        let linked = &mut self.linked.files[id];
        (linked.messages, linked.enums) = (messages, enums);
        linked.imports = [imports, public.clone()].concat();
        linked.public = public;
        self.link(id)
            .map_err(|error| format!("Invalid protobuf schema definition: {error}"))?;
        Ok(id)
    }

    /// The files among the names that are there.
    fn imported(&mut self, names: &'a [String]) -> Linking<Vec<Id>> {
        let mut files = Vec::new();
        for name in names {
            let given = self.references.iter().find(|(known, _)| known == name);
            if let Some(file) = given.map(|(_, file)| file).or_else(|| known::file(name)) {
                files.push(self.named(name, file)?);
            }
        }
        Ok(files)
    }

    fn types(&mut self, types: &'a [Type], outside: &str, file: Id) -> Linking<(Vec<Id>, Vec<Id>)> {
        let (mut messages, mut enums) = (Vec::new(), Vec::new());
        for ty in types {
            match ty {
                Type::Message(message) => messages.push(self.read_message(message, outside, file)?),
                Type::Enum(one) => enums.push(self.read_enum(one, outside, file)?),
            }
        }
        Ok((messages, enums))
    }

    fn push_message(&mut self, message: Message) -> Id {
        let id = self.linked.messages.len();
        let found = self.types.entry(message.full.clone()).or_default();
        found.push((message.file, Kind::Message(id)));
        self.linked.messages.push(message);
        id
    }

    fn read_enum(&mut self, one: &file::Enum, outside: &str, file: Id) -> Linking<Id> {
        let mut values = Vec::with_capacity(one.constants.len());
        for constant in &one.constants {
            values.push(EnumValue {
                name: constant.name.clone(),
                meta: Meta::of(&constant.options, "confluent.enum_value_meta")?,
            });
        }
        let full = joined(outside, &one.name);
        let id = self.linked.enums.len();
        self.types.entry(full.clone()).or_default().push((file, Kind::Enum(id)));
        self.linked.enums.push(Enum {
            name: one.name.clone(),
            full,
            meta: Meta::of(&one.options, "confluent.enum_meta")?,
            values,
        });
        Ok(id)
    }

    fn read_message(&mut self, message: &'a file::Message, outside: &str, file: Id) -> Linking<Id> {
        let full = joined(outside, &message.name);
        let proto3 = self.linked.files[file].proto3;
        let id = self.push_message(Message {
            name: message.name.clone(),
            full: full.clone(),
            file,
            is_map_entry: message.is_map_entry(),
            ..Message::default()
        });
        let (mut nested, enums) = self.types(&message.types, &full, file)?;
        let mut fields = Vec::new();
        let mut in_oneofs: HashSet<&str> = HashSet::new();
        for (at, oneof) in message.oneofs.iter().enumerate() {
            for field in &oneof.fields {
                in_oneofs.insert(&field.name);
                fields.push(Field {
                    oneof: Some(at),
                    ..read_field(field)?
                });
            }
        }
        for field in message
            .fields
            .iter()
            .filter(|field| !in_oneofs.contains(field.name.as_str()))
        {
            let mut read = read_field(field)?;
            if let Some((key, value)) = map_parts(&field.ty) {
                let name = entry_name(&field.name);
                nested.push(self.map_entry(&name, &full, file, (key, value)));
                (read.written, read.repeated) = (name, true);
            }
            read.optional = match field.label {
                _ if read.repeated => false,
                Some(Label::Optional) => true,
                None => !proto3,
                Some(Label::Required | Label::Repeated) => false,
            };
            fields.push(read);
        }
        let meta = Meta::of(&message.options, "confluent.message_meta")?;
        let read = &mut self.linked.messages[id];
        read.oneofs = message.oneofs.iter().map(|oneof| oneof.name.clone()).collect();
        (read.meta, read.fields, read.nested, read.enums) = (meta, fields, nested, enums);
        Ok(id)
    }

    fn map_entry(&mut self, name: &str, outside: &str, file: Id, (key, value): (&str, &str)) -> Id {
        let optional = !self.linked.files[file].proto3;
        let part = |name: &str, number: i32, ty: &str| Field {
            name: name.to_owned(),
            number,
            optional,
            written: ty.to_owned(),
            ..Field::default()
        };
        self.push_message(Message {
            name: name.to_owned(),
            full: joined(outside, name),
            file,
            is_map_entry: true,
            fields: vec![part("key", 1, key), part("value", 2, value)],
            ..Message::default()
        })
    }

    /// The files that a file sees: its own, those it imports, and what these pass on.
    fn visible(&self, id: Id) -> HashSet<Id> {
        let mut seen = HashSet::from([id]);
        let mut waiting = self.linked.files[id].imports.clone();
        while let Some(file) = waiting.pop() {
            if seen.insert(file) {
                waiting.extend(&self.linked.files[file].public);
            }
        }
        seen
    }

    fn add_external(&mut self, file: Id) {
        let LinkedFile { messages, enums, .. } = &self.linked.files[file];
        let mut waiting = messages.clone();
        let mut names: Vec<String> = enums.iter().map(|id| self.linked.enums[*id].full.clone()).collect();
        while let Some(id) = waiting.pop() {
            let message = &self.linked.messages[id];
            names.push(message.full.clone());
            names.extend(message.enums.iter().map(|id| self.linked.enums[*id].full.clone()));
            waiting.extend(&message.nested);
        }
        self.linked.external.extend(names);
    }
}

fn read_field(field: &file::Field) -> Linking<Field> {
    let packed = field
        .options
        .iter()
        .rev()
        .find(|option| option.plain_name() == "packed");
    Ok(Field {
        name: field.name.clone(),
        number: field.tag,
        repeated: field.label == Some(Label::Repeated),
        default: field.default.clone(),
        meta: Meta::of(&field.options, "confluent.field_meta")?,
        packed: packed.is_some_and(|option| option.value.is_true()),
        written: field.ty.clone(),
        ..Field::default()
    })
}

fn joined(outside: &str, name: &str) -> String {
    if outside.is_empty() {
        name.to_owned()
    } else {
        format!("{outside}.{name}")
    }
}

/// A scalar by its name.
fn scalar(name: &str) -> Option<&'static str> {
    let found = file::SCALARS.iter().find(|scalar| **scalar == name);
    found.copied().filter(|name| is_scalar(name))
}
