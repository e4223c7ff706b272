//! Whether a record's payload can be read with a schema: the message indexes before it, and the message itself.
//!
//! A field of a number or a wire type that the schema does not expect is an unknown field, as for every reader; what
//! is refused is what makes a reader fail.

use std::collections::{HashMap, HashSet};

use super::file::{Field, File, Group, Label, Message, Syntax, Type, is_scalar, map_parts};
use super::known;
use super::names::{Found, Names, Scope};
use super::wire::{Fields, Held};

/// Messages are read no deeper than this, as by all readers.
const DEPTH_MAX: usize = 100;
/// A payload's message may be nested this deep in its file.
const INDEXES_MAX: u64 = 64;

/// What a payload is checked against: the messages of a file, and all they hold.
#[derive(Debug)]
pub(super) struct Checker {
    /// The messages at the top of the file.
    top: Vec<usize>,
    messages: Vec<Shape>,
}

#[derive(Debug, Default)]
struct Shape {
    name: String,
    fields: HashMap<u32, Member>,
    required: Vec<(u32, String)>,
    /// The messages written inside this one.
    nested: Vec<usize>,
    /// Whether it has map fields: descriptors count their entries among the nested messages, texts do not.
    has_maps: bool,
}

#[derive(Debug)]
struct Member {
    name: String,
    holds: Holds,
    repeated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Holds {
    Varint,
    Fixed32,
    Fixed64,
    Bytes,
    /// Bytes that must be UTF-8.
    Text,
    Message(usize),
    Group(usize),
}

impl Checker {
    pub(super) fn new<'a>(file: &'a File, references: &'a [(String, File)], names: &Names<'a>) -> Checker {
        let file = effective(file, references);
        let mut builder = Builder {
            names,
            known: HashMap::new(),
            messages: Vec::new(),
            waiting: Vec::new(),
            strict_text: file.syntax == Some(Syntax::Proto3),
        };
        let package = file.package.as_deref().unwrap_or("");
        let top = builder.nested(&file.types, package, &[]);
        builder.finish();
        Checker {
            top,
            messages: builder.messages,
        }
    }

    /// Checks a payload: message indexes, then the message they name.
    pub(super) fn check(&self, payload: &[u8]) -> Result<(), String> {
        let (indexes, message) = indexes(payload)?;
        let mut level = &self.top;
        let mut found = None;
        for index in &indexes {
            let next = usize::try_from(*index).ok().and_then(|index| level.get(index).copied());
            let Some(id) = next else {
                let inside = found.map(|id: usize| &self.messages[id]);
                if inside.is_some_and(|shape| shape.has_maps) {
                    return scan(message);
                }
                return Err(format!("the message indexes {indexes:?} name no message of the schema"));
            };
            found = Some(id);
            level = &self.messages[id].nested;
        }
        let through_maps = indexes.len() > 1 && found.is_some() && self.passes_maps(&indexes);
        match found {
            // Whose count of nested messages holds is not known: only the form can be checked.
            Some(_) if through_maps => scan(message),
            Some(id) => self.message(id, message, 0),
            None => Err("the payload names no message".to_owned()),
        }
    }

    /// Whether a message on the way to the one that is named has map fields.
    fn passes_maps(&self, indexes: &[i64]) -> bool {
        let mut level = &self.top;
        let outer = &indexes[..indexes.len().saturating_sub(1)];
        outer.iter().any(|index| {
            let next = usize::try_from(*index).ok().and_then(|index| level.get(index));
            next.is_some_and(|id| {
                level = &self.messages[*id].nested;
                self.messages[*id].has_maps
            })
        })
    }

    fn message(&self, id: usize, bytes: &[u8], depth: usize) -> Result<(), String> {
        let shape = &self.messages[id];
        if depth > DEPTH_MAX {
            return Err(format!("messages are nested more than {DEPTH_MAX} deep"));
        }
        let mut seen: HashSet<u32> = HashSet::new();
        for field in Fields::of(bytes) {
            let (tag, held) = field.map_err(|error| format!("message `{}`: {error}", shape.name))?;
            if let Some(member) = shape.fields.get(&tag) {
                seen.insert(tag);
                let in_field = |error: String| format!("field `{}` of `{}`: {error}", member.name, shape.name);
                self.member(member, held, depth).map_err(in_field)?;
            }
        }
        match shape.required.iter().find(|(tag, _)| !seen.contains(tag)) {
            Some((_, name)) => Err(format!("the required field `{name}` of `{}` is missing", shape.name)),
            None => Ok(()),
        }
    }

    fn member(&self, member: &Member, held: Held<'_>, depth: usize) -> Result<(), String> {
        match (member.holds, held) {
            (Holds::Message(id), Held::Bytes(bytes)) | (Holds::Group(id), Held::Group(bytes)) => {
                self.message(id, bytes, depth + 1)
            }
            (Holds::Text, Held::Bytes(bytes)) => match std::str::from_utf8(bytes) {
                Ok(_) => Ok(()),
                Err(_) => Err("a string is not UTF-8".to_owned()),
            },
            (holds, Held::Bytes(bytes)) if member.repeated => packed(holds, bytes),
            _ => Ok(()),
        }
    }
}

/// Many numbers in one field.
fn packed(holds: Holds, bytes: &[u8]) -> Result<(), String> {
    let whole = match holds {
        Holds::Fixed32 => bytes.len().is_multiple_of(4),
        Holds::Fixed64 => bytes.len().is_multiple_of(8),
        // The last byte of a number has its high bit clear, and no number is longer than ten bytes.
        Holds::Varint => bytes
            .split_inclusive(|byte| byte & 0x80 == 0)
            .all(|one| one.len() <= 10 && one.last().is_some_and(|last| last & 0x80 == 0)),
        _ => true,
    };
    if whole {
        Ok(())
    } else {
        Err("the packed numbers are cut off".to_owned())
    }
}

/// Whether bytes have the form of a message, whichever it is.
fn scan(bytes: &[u8]) -> Result<(), String> {
    Fields::of(bytes).try_for_each(|field| field.map(drop))
}

/// The path to the message, and the rest; a single zero stands for the first message.
pub(super) fn indexes(payload: &[u8]) -> Result<(Vec<i64>, &[u8]), String> {
    let mut rest = payload;
    let mut next = || -> Result<i64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some((byte, after)) = rest.split_first() else {
                return Err("the payload ends in its message indexes".to_owned());
            };
            rest = after;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("a message index is too large".to_owned())
    };
    let count = next()?;
    if count == 0 {
        return Ok((vec![0], rest));
    }
    let count = u64::try_from(count).ok().filter(|count| *count <= INDEXES_MAX);
    let Some(count) = count else {
        return Err("the count of message indexes is out of range".to_owned());
    };
    let indexes: Result<Vec<i64>, String> = (0..count).map(|_| next()).collect();
    Ok((indexes?, rest))
}

/// A file that only passes on another one stands for it.
pub(super) fn effective<'a>(file: &'a File, references: &'a [(String, File)]) -> &'a File {
    let only_passes_on =
        file.types.is_empty() && file.imports.is_empty() && file.services.is_empty() && file.extends.is_empty();
    let [name] = file.public_imports.as_slice() else {
        return file;
    };
    let reference = references.iter().find(|(known, _)| known == name).map(|(_, file)| file);
    let passed = reference
        .or_else(|| known::file(name))
        .filter(|file| !file.types.is_empty());
    passed.filter(|_| only_passes_on).unwrap_or(file)
}

struct Builder<'n, 'a> {
    names: &'n Names<'a>,
    /// Messages by their places in memory.
    known: HashMap<*const Message, usize>,
    messages: Vec<Shape>,
    /// Messages whose fields are not described yet, and where they stand.
    waiting: Vec<(usize, &'a Message, Scope<'a>)>,
    strict_text: bool,
}

impl<'a> Builder<'_, 'a> {
    /// All messages of a list of types, those inside them too.
    fn nested(&mut self, types: &'a [Type], package: &'a str, path: &[String]) -> Vec<usize> {
        let mut ids = Vec::new();
        for message in types.iter().filter_map(Type::message) {
            let mut path = path.to_vec();
            path.push(message.name.clone());
            ids.push(self.add(message, package, path));
        }
        ids
    }

    fn add(&mut self, message: &'a Message, package: &'a str, path: Vec<String>) -> usize {
        if let Some(id) = self.known.get(&std::ptr::from_ref(message)) {
            return *id;
        }
        let id = self.messages.len();
        self.known.insert(message, id);
        self.messages.push(Shape {
            name: path.join("."),
            ..Shape::default()
        });
        let nested = self.nested(&message.types, package, &path);
        self.messages[id].nested = nested;
        let scope = Scope {
            package,
            messages: path,
        };
        self.waiting.push((id, message, scope));
        id
    }

    fn finish(&mut self) {
        while let Some((id, message, scope)) = self.waiting.pop() {
            let in_oneofs = message.oneofs.iter().flat_map(|oneof| &oneof.fields);
            for field in message.fields.iter().chain(in_oneofs) {
                self.field(id, field, &scope);
            }
            let in_oneofs = message.oneofs.iter().flat_map(|oneof| &oneof.groups);
            for group in message.groups.iter().chain(in_oneofs) {
                self.group(id, group, &scope);
            }
        }
    }

    fn field(&mut self, id: usize, field: &Field, scope: &Scope<'a>) {
        let Ok(tag) = u32::try_from(field.tag) else { return };
        let is_map = map_parts(&field.ty).is_some();
        if let Some(holds) = self.holds(&field.ty, scope) {
            let member = Member {
                name: field.name.clone(),
                holds,
                repeated: is_map || field.label == Some(Label::Repeated),
            };
            self.messages[id].fields.insert(tag, member);
        }
        self.messages[id].has_maps |= is_map;
        if field.label == Some(Label::Required) {
            self.messages[id].required.push((tag, field.name.clone()));
        }
    }

    fn group(&mut self, id: usize, group: &Group, scope: &Scope<'a>) {
        let Ok(tag) = u32::try_from(group.tag) else { return };
        let inner = self.messages.len();
        self.messages.push(Shape {
            name: group.name.clone(),
            ..Shape::default()
        });
        for field in &group.fields {
            self.field(inner, field, scope);
        }
        let member = Member {
            name: group.name.clone(),
            holds: Holds::Group(inner),
            repeated: group.label == Some(Label::Repeated),
        };
        self.messages[id].fields.insert(tag, member);
    }

    /// What a field of a type holds; nothing can be said of a type that is not found.
    fn holds(&mut self, ty: &str, scope: &Scope<'a>) -> Option<Holds> {
        if let Some((key, value)) = map_parts(ty) {
            let (key, value) = (self.holds(key, scope)?, self.holds(value, scope)?);
            let member = |name: &str, holds: Holds| Member {
                name: name.to_owned(),
                holds,
                repeated: false,
            };
            let entry = self.messages.len();
            self.messages.push(Shape {
                name: "map entry".to_owned(),
                fields: HashMap::from([(1, member("key", key)), (2, member("value", value))]),
                ..Shape::default()
            });
            return Some(Holds::Message(entry));
        }
        if is_scalar(ty) {
            return Some(match ty {
                "fixed32" | "sfixed32" | "float" => Holds::Fixed32,
                "fixed64" | "sfixed64" | "double" => Holds::Fixed64,
                "string" if self.strict_text => Holds::Text,
                "string" | "bytes" => Holds::Bytes,
                _ => Holds::Varint,
            });
        }
        let (full, found) = self.names.resolve(ty, scope)?;
        Some(match found.message() {
            Some(message) => Holds::Message(self.add(message, found.package, path_of(&full, &found))),
            None => Holds::Varint,
        })
    }
}

fn path_of(full: &str, found: &Found<'_>) -> Vec<String> {
    let local = full.strip_prefix(found.package).unwrap_or(full);
    let parts = local.split('.').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Schema;

    #[test]
    fn payloads_are_read_as_readers_read_them() {
        let text = "syntax = \"proto3\"; message A { string s = 1; repeated int32 n = 2; map<string, B> m = 3; B b = 4; \
                    message C { fixed32 f = 1; } } message B { bytes x = 1; E e = 2; message D { string s = 1; } } \
                    enum E { Z = 0; }";
        let schema = Schema::parse(text, &[]).unwrap();
        for (payload, fits) in [
            (&[0][..], true),
            (&[2, 2], true),
            (&[4, 2, 0, 0x0a, 1, b'x'], true),
            (&[4, 2, 2], false),
            (&[2, 4], false),
            (&[], false),
            (&[1], false),
            (&[0, 0x0a, 2, b'o', b'k'], true),
            (&[0, 0x0a, 2, 0xff, 0xfe], false),
            (&[0, 0x0a, 9, b'x'], false),
            (&[0, 0x12, 2, 0x80, 1], true),
            (&[0, 0x12, 2, 0x80, 0x80], false),
            (&[0, 0x10, 5, 0x10, 6], true),
            (&[0, 0x1a, 6, 0x0a, 1, b'k', 0x12, 1, 0x0a], false),
            (&[0, 0x1a, 7, 0x0a, 1, b'k', 0x12, 2, 0x0a, 0], true),
            (&[0, 0x22, 2, 0x0a, 5], false),
            (&[0, 0x7a, 1, 0xff], true),
            (&[0, 0x0f], false),
            (&[0, 0x00], false),
            // The first message has a map: whose count of nested messages holds is open.
            (&[4, 0, 2, 0x08, 1], true),
            (&[4, 0, 2, 0x0f], false),
        ] {
            assert_eq!(
                schema.check_payload(payload).is_ok(),
                fits,
                "{payload:?}: {:?}",
                schema.check_payload(payload)
            );
        }
    }

    #[test]
    fn what_is_required_must_be_there_and_depth_ends() {
        let schema = Schema::parse(
            "message A { required int32 a = 1; optional group G = 2 { optional A x = 3; } }",
            &[],
        );
        let schema = schema.unwrap();
        assert!(schema.check_payload(&[0, 8, 1]).is_ok());
        assert!(schema.check_payload(&[0]).unwrap_err().contains("required field `a`"));
        assert!(schema.check_payload(&[0, 8, 1, 0x13, 0x14]).is_ok());
        assert!(
            schema.check_payload(&[0, 8, 1, 0x13, 0x1a, 0, 0x14]).is_err(),
            "the inner one lacks it"
        );
        assert!(schema.check_payload(&[0, 8, 1, 0x13]).is_err());
        let open = [&[0_u8][..], &[0x13; 100_000]].concat();
        assert!(schema.check_payload(&open).is_err());
        let passes_on = Schema::parse("syntax = \"proto3\"; import public \"google/type/date.proto\";", &[]).unwrap();
        assert!(passes_on.check_payload(&[0, 8, 5]).is_ok());
        assert!(passes_on.check_payload(&[2, 2]).is_err());
    }
}
