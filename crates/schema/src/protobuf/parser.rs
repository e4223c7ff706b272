//! `.proto` text to [`File`]: proto2 and proto3, as leniently as the registry the world knows reads them.
//!
//! It does not check tags, duplicate names or types; editions are refused in text, as there.

use std::collections::HashMap;

use super::file::{
    Constant, Enum, Extend, Extensions, Field, File, Group, Label, Message, Oneof, Opt, Reserved, Rpc, Service, Syntax,
    Type, Value,
};
use super::options;
use super::reader::{MAP_DEPTH_MAX, Place, Read, Reader};

/// Messages nested deeper than this are refused before they can exhaust the stack.
const DEPTH_MAX: usize = 64;
/// `max` in a range of tags.
pub(super) const TAG_MAX: i32 = (1 << 29) - 1;

pub(super) fn parse(text: &str) -> Read<File> {
    let mut parser = Parser {
        reader: Reader::new(text),
        file: File::default(),
        declarations: 0,
        places: HashMap::new(),
        service_places: HashMap::new(),
    };
    parser.file()?;
    Ok(parser.file)
}

struct Parser {
    reader: Reader,
    file: File,
    declarations: usize,
    /// Where the types and services of the file stand.
    places: HashMap<String, Place>,
    service_places: HashMap<String, Place>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    File,
    Message,
    Enum,
    Rpc,
    Extend,
    Service,
}

enum Declared {
    Nothing,
    Type(Type),
    Service(Service),
    Option(Opt),
    Extend(Extend),
    Reserved(Vec<Reserved>),
    Rpc(Rpc),
    Oneof(Oneof),
    Extensions(Extensions),
    Field(Field),
    Group(Group),
    Constant(Constant),
}

impl Parser {
    fn file(&mut self) -> Read<()> {
        loop {
            self.reader.skip_comments()?;
            if self.reader.exhausted() {
                return Ok(());
            }
            let place = self.reader.place();
            match self.declaration(Inside::File, DEPTH_MAX)? {
                Declared::Type(declared) => {
                    let name = declared.name().to_owned();
                    if let Some(known) = self.places.insert(name, place) {
                        return defined_twice(declared.name(), place, known);
                    }
                    self.file.types.push(declared);
                }
                Declared::Service(service) => {
                    if let Some(known) = self.service_places.insert(service.name.clone(), place) {
                        return defined_twice(&service.name, place, known);
                    }
                    self.file.services.push(service);
                }
                Declared::Option(option) => options::push(&self.reader, &mut self.file.options, option)?,
                Declared::Extend(extend) => self.file.extends.push(extend),
                _ => {}
            }
        }
    }

    fn declaration(&mut self, inside: Inside, depth: usize) -> Read<Declared> {
        let index = self.declarations;
        self.declarations += 1;
        if self.reader.take_if(';')? {
            return Ok(Declared::Nothing);
        }
        let place = self.reader.place();
        let label = self.reader.word(inside != Inside::Enum)?;
        let in_file = inside == Inside::File;
        let in_message = inside == Inside::Message;
        Ok(match label.as_str() {
            "package" if in_file => {
                self.file.package = Some(self.reader.name(true, false)?);
                self.reader.require(';')?;
                Declared::Nothing
            }
            "import" if in_file => self.import(place)?,
            "syntax" if in_file => self.syntax(place, index)?,
            "option" => {
                let option = options::option(&mut self.reader, '=')?;
                self.reader.require(';')?;
                Declared::Option(option)
            }
            "reserved" => Declared::Reserved(self.reserved(place)?),
            "message" if in_file || in_message => Declared::Type(Type::Message(self.message(depth)?)),
            "enum" if in_file || in_message => Declared::Type(Type::Enum(self.enumeration()?)),
            "service" if in_file => Declared::Service(self.service()?),
            "extend" if in_file || in_message => Declared::Extend(self.extend()?),
            "rpc" if inside == Inside::Service => Declared::Rpc(self.rpc(place)?),
            "oneof" if in_message => Declared::Oneof(self.oneof()?),
            "extensions" if in_message => Declared::Extensions(self.extensions(place)?),
            _ if in_message || inside == Inside::Extend => self.field_or_group(place, label)?,
            _ if inside == Inside::Enum => Declared::Constant(self.constant(label)?),
            "edition" if in_file => return self.reader.error("edition is not currently supported"),
            _ => return Reader::error_at(place, &format!("unexpected label: {label}")),
        })
    }

    fn import(&mut self, place: Place) -> Read<Declared> {
        if matches!(self.reader.peek()?, '"' | '\'') {
            let name = import_path(&self.reader.quoted()?);
            self.file.imports.push(name);
        } else {
            match self.reader.string()?.as_str() {
                // A weak import binds nothing and is not printed.
                "weak" => drop(self.reader.quoted()?),
                "public" => {
                    let name = import_path(&self.reader.quoted()?);
                    self.file.public_imports.push(name);
                }
                _ => return Reader::error_at(place, "expected quoted string"),
            }
        }
        self.reader.require(';')?;
        Ok(Declared::Nothing)
    }

    fn syntax(&mut self, place: Place, index: usize) -> Read<Declared> {
        if self.file.syntax.is_some() {
            return Reader::error_at(place, "too many syntax definitions");
        }
        self.reader.require('=')?;
        if index != 0 {
            return Reader::error_at(place, "'syntax' element must be the first declaration in a file");
        }
        self.file.syntax = match self.reader.quoted()?.as_str() {
            "proto2" => Some(Syntax::Proto2),
            "proto3" => Some(Syntax::Proto3),
            other => return Reader::error_at(place, &format!("unexpected syntax: {other}")),
        };
        self.reader.require(';')?;
        Ok(Declared::Nothing)
    }

    /// Whether the block goes on: skips to its next declaration or takes its closing brace.
    fn block_goes_on(&mut self) -> Read<bool> {
        self.reader.skip_comments()?;
        Ok(!self.reader.take_if('}')?)
    }

    fn message(&mut self, depth: usize) -> Read<Message> {
        let Some(depth) = depth.checked_sub(1) else {
            return self
                .reader
                .error(&format!("messages are nested more than {DEPTH_MAX} deep"));
        };
        let mut message = Message {
            name: self.reader.name(true, false)?,
            ..Message::default()
        };
        self.reader.require('{')?;
        while self.block_goes_on()? {
            match self.declaration(Inside::Message, depth)? {
                Declared::Field(field) => message.fields.push(field),
                Declared::Oneof(oneof) => message.oneofs.push(oneof),
                Declared::Group(group) => message.groups.push(group),
                Declared::Type(declared) => message.types.push(declared),
                Declared::Extensions(extensions) => message.extensions.push(extensions),
                Declared::Option(option) => options::push(&self.reader, &mut message.options, option)?,
                Declared::Extend(extend) => message.extends.push(extend),
                Declared::Reserved(reserved) => message.reserved.push(reserved),
                _ => {}
            }
        }
        Ok(message)
    }

    fn extend(&mut self) -> Read<Extend> {
        let name = self.reader.name(true, false)?;
        let mut fields = Vec::new();
        self.reader.require('{')?;
        while self.block_goes_on()? {
            if let Declared::Field(field) = self.declaration(Inside::Extend, DEPTH_MAX)? {
                fields.push(field);
            }
        }
        Ok(Extend { name, fields })
    }

    fn service(&mut self) -> Read<Service> {
        let mut service = Service {
            name: self.reader.name(true, false)?,
            rpcs: Vec::new(),
            options: Vec::new(),
        };
        self.reader.require('{')?;
        while self.block_goes_on()? {
            match self.declaration(Inside::Service, DEPTH_MAX)? {
                Declared::Rpc(rpc) => service.rpcs.push(rpc),
                Declared::Option(option) => options::push(&self.reader, &mut service.options, option)?,
                _ => {}
            }
        }
        Ok(service)
    }

    fn enumeration(&mut self) -> Read<Enum> {
        let mut declared = Enum {
            name: self.reader.name(true, false)?,
            ..Enum::default()
        };
        self.reader.require('{')?;
        while self.block_goes_on()? {
            match self.declaration(Inside::Enum, DEPTH_MAX)? {
                Declared::Constant(constant) => declared.constants.push(constant),
                Declared::Option(option) => options::push(&self.reader, &mut declared.options, option)?,
                Declared::Reserved(reserved) => declared.reserved.push(reserved),
                _ => {}
            }
        }
        Ok(declared)
    }

    fn field_or_group(&mut self, place: Place, word: String) -> Read<Declared> {
        let proto3 = self.file.syntax == Some(Syntax::Proto3);
        let label = match word.as_str() {
            "required" if proto3 => {
                return Reader::error_at(place, "'required' label forbidden in proto3 field declarations");
            }
            "required" => Some(Label::Required),
            "optional" => Some(Label::Optional),
            "repeated" => Some(Label::Repeated),
            _ => None,
        };
        let ty = if label.is_some() {
            self.reader.data_type()?
        } else {
            if !(proto3 || word == "map" && self.reader.peek()? == '<') {
                return Reader::error_at(place, &format!("unexpected label: {word}"));
            }
            self.reader.data_type_after(word, MAP_DEPTH_MAX)?
        };
        if ty.starts_with("map<") && label.is_some() {
            return Reader::error_at(place, "'map' type cannot have label");
        }
        if ty == "group" {
            return self.group(label).map(Declared::Group);
        }
        self.field(label, ty).map(Declared::Field)
    }

    fn field(&mut self, label: Option<Label>, ty: String) -> Read<Field> {
        let name = self.reader.name(false, false)?;
        self.reader.require('=')?;
        let tag = self.reader.int()?;
        let mut options = options::bracketed(&mut self.reader)?;
        let default = strip(&mut options, "default");
        let json_name = strip(&mut options, "json_name");
        self.reader.require(';')?;
        self.reader.trailing_comment()?;
        Ok(Field {
            label,
            ty,
            name,
            tag,
            default,
            json_name,
            options,
        })
    }

    fn oneof(&mut self) -> Read<Oneof> {
        let mut oneof = Oneof {
            name: self.reader.name(true, false)?,
            ..Oneof::default()
        };
        self.reader.require('{')?;
        while self.block_goes_on()? {
            match self.reader.data_type()?.as_str() {
                "group" => oneof.groups.push(self.group(None)?),
                "option" => {
                    let option = options::option(&mut self.reader, '=')?;
                    options::push(&self.reader, &mut oneof.options, option)?;
                    self.reader.require(';')?;
                }
                ty => oneof.fields.push(self.field(None, ty.to_owned())?),
            }
        }
        Ok(oneof)
    }

    fn group(&mut self, label: Option<Label>) -> Read<Group> {
        let name = self.reader.word(true)?;
        self.reader.require('=')?;
        let tag = self.reader.int()?;
        let mut fields = Vec::new();
        self.reader.require('{')?;
        while self.block_goes_on()? {
            let place = self.reader.place();
            let word = self.reader.word(true)?;
            match self.field_or_group(place, word)? {
                Declared::Field(field) => fields.push(field),
                _ => return self.reader.error("expected field declaration, was a group"),
            }
        }
        Ok(Group {
            label,
            name,
            tag,
            fields,
        })
    }

    fn reserved(&mut self, place: Place) -> Read<Vec<Reserved>> {
        let mut values = Vec::new();
        loop {
            values.push(match self.reader.peek()? {
                '"' | '\'' => Reserved::Name(self.reader.quoted()?),
                _ => self.tags(place, "expected ',', ';', or 'to'")?,
            });
            match self.reader.take()? {
                ';' => break,
                ',' => {}
                _ => return self.reader.error("expected ',' or ';'"),
            }
        }
        self.reader.trailing_comment()?;
        Ok(values)
    }

    /// A tag, or a range of tags.
    fn tags(&mut self, place: Place, expected: &str) -> Read<Reserved> {
        let start = self.reader.int()?;
        let next = self.reader.peek()?;
        if matches!(next, ',' | ';') || (next == '[' && expected.contains('[')) {
            return Ok(Reserved::Tag(start));
        }
        if self.reader.word(true)? != "to" {
            return Reader::error_at(place, expected);
        }
        let word = self.reader.word(true)?;
        let end = if word == "max" {
            TAG_MAX
        } else {
            word.parse().map_err(|_| format!("For input string: \"{word}\""))?
        };
        Ok(Reserved::Range(start, end))
    }

    fn extensions(&mut self, place: Place) -> Read<Extensions> {
        let mut extensions = Extensions {
            values: Vec::new(),
            options: Vec::new(),
        };
        loop {
            extensions
                .values
                .push(self.tags(place, "expected ',', ';', '[' or 'to'")?);
            if self.reader.peek()? == '[' {
                extensions.options = options::bracketed(&mut self.reader)?;
                self.reader.require(';')?;
                return Ok(extensions);
            }
            match self.reader.take()? {
                ';' => return Ok(extensions),
                ',' => {}
                _ => return self.reader.error("expected ',' or ';'"),
            }
        }
    }

    fn constant(&mut self, name: String) -> Read<Constant> {
        self.reader.require('=')?;
        let tag = self.reader.int()?;
        let options = options::bracketed(&mut self.reader)?;
        self.reader.require(';')?;
        self.reader.trailing_comment()?;
        Ok(Constant { name, tag, options })
    }

    fn rpc(&mut self, place: Place) -> Read<Rpc> {
        let name = self.reader.name(true, false)?;
        let (request_streams, request) = self.rpc_type()?;
        if self.reader.word(true)? != "returns" {
            return Reader::error_at(place, "expected 'returns'");
        }
        let (response_streams, response) = self.rpc_type()?;
        let mut options = Vec::new();
        if self.reader.take_if('{')? {
            while self.block_goes_on()? {
                if let Declared::Option(option) = self.declaration(Inside::Rpc, DEPTH_MAX)? {
                    options::push(&self.reader, &mut options, option)?;
                }
            }
        } else {
            self.reader.require(';')?;
        }
        Ok(Rpc {
            name,
            request,
            response,
            request_streams,
            response_streams,
            options,
        })
    }

    fn rpc_type(&mut self) -> Read<(bool, String)> {
        self.reader.require('(')?;
        let word = self.reader.word(true)?;
        let streams = word == "stream";
        let ty = if streams {
            self.reader.data_type()?
        } else {
            self.reader.data_type_after(word, MAP_DEPTH_MAX)?
        };
        self.reader.require(')')?;
        Ok((streams, ty))
    }
}

fn defined_twice<T>(name: &str, place: Place, known: Place) -> Read<T> {
    Err(format!("{name} ({place}) is already defined at {known}"))
}

/// Takes the options of a name out of the list and gives the last one's value.
fn strip(options: &mut Vec<Opt>, name: &str) -> Option<String> {
    let mut found = None;
    options.retain(|option| {
        let matches = option.name == name;
        if matches {
            found = Some(spelled(&option.value));
        }
        !matches
    });
    found
}

/// A value in one word, for a default that should have been a single value.
fn spelled(value: &Value) -> String {
    match value {
        Value::Inner(inner) => format!("{}={}", inner.name, spelled(&inner.value)),
        Value::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{key}={}", nested(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::List(values) => format!("[{}]", values.iter().map(nested).collect::<Vec<_>>().join(", ")),
        single => single.word().unwrap_or_default().to_owned(),
    }
}

/// The same inside a map or a list, spelled as the registry the world knows spells what is no default at all.
fn nested(value: &Value) -> String {
    match value {
        Value::Boolean(word) => format!("OptionPrimitive(kind=BOOLEAN, value={word})"),
        Value::Number(word) => format!("OptionPrimitive(kind=NUMBER, value={word})"),
        Value::Constant(word) => format!("OptionPrimitive(kind=ENUM, value={word})"),
        other => spelled(other),
    }
}

/// A path with single slashes and without `.`.
fn import_path(path: &str) -> String {
    let parts: Vec<&str> = path
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let root = if path.starts_with(['/', '\\']) { "/" } else { "" };
    match (root, parts.as_slice()) {
        ("", []) => ".".to_owned(),
        _ => format!("{root}{}", parts.join("/")),
    }
}
