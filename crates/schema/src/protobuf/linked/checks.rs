//! What a file is refused for when it is linked: names that mean nothing or two things, numbers that are none.

use std::collections::HashSet;

use super::super::file::{self, Type};
use super::{Field, Id, Kind, Linker, Linking, Message, defaults, joined, scalar};

/// What is said of a file that defines nothing.
const NO_TYPES: &str = "Protobuf schema definition contains no type definitions";

/// The full name of a file's first message or, without one, of its first enum.
pub(super) fn first_type(file: &file::File) -> Linking<String> {
    let message = file.types.iter().find(|ty| ty.message().is_some());
    let first = message.or_else(|| file.types.first()).map(Type::name).ok_or(NO_TYPES)?;
    Ok(joined(file.package.as_deref().unwrap_or(""), first))
}

impl<'a> Linker<'a> {
    /// Gives each field of a file the type it names.
    pub(super) fn link(&mut self, file: Id) -> Linking<()> {
        let (messages, enums) = {
            let file = &self.linked.files[file];
            (file.messages.clone(), file.enums.clone())
        };
        let package = self.linked.files[file].package.clone().unwrap_or_default();
        let mut symbols = HashSet::new();
        for id in &messages {
            self.declare(*id, &package, &mut symbols)?;
        }
        for id in &enums {
            self.declare_enum(*id, &package, &mut symbols)?;
        }
        let visible = self.visible(file);
        let packages = self.packages(&visible);
        let scope = Visible {
            files: &visible,
            packages: &packages,
        };
        messages.iter().try_for_each(|id| self.link_message(*id, &scope))
    }

    fn declare(&self, id: Id, outside: &str, symbols: &mut HashSet<String>) -> Linking<()> {
        let message = &self.linked.messages[id];
        for nested in &message.nested {
            self.declare(*nested, &message.full, symbols)?;
        }
        for one in &message.enums {
            self.declare_enum(*one, &message.full, symbols)?;
        }
        for field in &message.fields {
            if field.number <= 0 {
                return Err(format!(
                    "{}.{}: Field numbers must be positive integers.",
                    message.full, field.name
                ));
            }
            add(symbols, &field.name, &message.full)?;
        }
        add(symbols, &message.name, outside)
    }

    fn declare_enum(&self, id: Id, outside: &str, symbols: &mut HashSet<String>) -> Linking<()> {
        let one = &self.linked.enums[id];
        if one.values.is_empty() {
            return Err(format!("{}: Enums must contain at least one value.", one.full));
        }
        for value in &one.values {
            add(symbols, &value.name, &one.full)?;
        }
        add(symbols, &one.name, outside)
    }

    /// All packages of files, and those around them.
    fn packages(&self, files: &HashSet<Id>) -> HashSet<String> {
        let mut packages = HashSet::new();
        for id in files {
            let mut package = self.linked.files[*id].package.as_deref();
            while let Some(name) = package {
                if !packages.insert(name.to_owned()) {
                    break;
                }
                package = name.rsplit_once('.').map(|(outer, _)| outer);
            }
        }
        packages
    }

    fn link_message(&mut self, id: Id, visible: &Visible<'_>) -> Linking<()> {
        let nested = self.linked.messages[id].nested.clone();
        nested.into_iter().try_for_each(|id| self.link_message(id, visible))?;
        for at in 0..self.linked.messages[id].fields.len() {
            let message = &self.linked.messages[id];
            let ty = self.linked_type(message, &message.fields[at], visible)?;
            self.linked.messages[id].fields[at].ty = ty;
        }
        let message = &self.linked.messages[id];
        let mut fields: Vec<&Field> = message.fields.iter().collect();
        fields.sort_by_key(|field| field.number);
        match fields.windows(2).find(|pair| pair[0].number == pair[1].number) {
            Some(pair) => Err(format!(
                "{full}.{}: Field number {} has already been used in \"{full}\" by field \"{}\".",
                pair[1].name,
                pair[1].number,
                pair[0].name,
                full = message.full
            )),
            None => Ok(()),
        }
    }

    fn linked_type(&self, message: &Message, field: &Field, visible: &Visible<'_>) -> Linking<Kind> {
        let fail = |why: &str| Err(format!("{}.{}: {why}", message.full, field.name));
        let ty = match scalar(&field.written) {
            Some(name) => Kind::Scalar(name),
            None => match self.lookup(&field.written, &message.full, visible) {
                Some(found) => found,
                None => return fail(&format!("\"{}\" is not defined.", field.written)),
            },
        };
        if let (Kind::Message(_), Some(_)) = (ty, &field.default) {
            return fail("Messages can't have default values.");
        }
        let is_number = !matches!(ty, Kind::Message(_) | Kind::Scalar("string" | "bytes"));
        if field.packed && !(field.repeated && is_number) {
            return fail("[packed = true] can only be specified for repeated primitive fields.");
        }
        match &field.default {
            Some(_) if field.repeated => fail("Repeated fields cannot have default values."),
            Some(default) => match ty {
                Kind::Enum(id) if !self.linked.enums[id].values.iter().any(|value| value.name == *default) => {
                    fail(&format!("Unknown enum default value: \"{default}\""))
                }
                Kind::Scalar(name) if !defaults::fits(name, default) => {
                    fail(&format!("Could not parse default value: \"{default}\""))
                }
                _ => Ok(ty),
            },
            None => Ok(ty),
        }
    }

    /// The type that a name means inside a message: the innermost place that knows its first part decides.
    fn lookup(&self, name: &str, message: &str, visible: &Visible<'_>) -> Option<Kind> {
        if let Some(full) = name.strip_prefix('.') {
            return self.found(full, visible);
        }
        let first = name.split('.').next().unwrap_or(name);
        let mut scope = message;
        while !scope.is_empty() {
            let candidate = joined(scope, first);
            if visible.packages.contains(&candidate) || self.found(&candidate, visible).is_some() {
                return self.found(&joined(scope, name), visible);
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
        self.found(name, visible)
    }

    fn found(&self, full: &str, visible: &Visible<'_>) -> Option<Kind> {
        let found = self
            .types
            .get(full)?
            .iter()
            .find(|(file, _)| visible.files.contains(file));
        found.map(|(_, kind)| *kind)
    }

    /// All files that a file needs, itself among them.
    fn needed(&self, file: Id) -> HashSet<Id> {
        let mut seen = HashSet::new();
        let mut waiting = vec![file];
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                waiting.extend(&self.linked.files[id].imports);
            }
        }
        seen
    }

    /// No two files may define the same type.
    pub(super) fn check_names(&self, file: Id) -> Linking<()> {
        let needed = self.needed(file);
        let twice = self.types.iter().filter(|(_, found)| {
            let files = found.iter().filter(|(file, _)| needed.contains(file));
            files.count() > 1
        });
        // Which of several is named first hangs on the order of a hash map there.
        match twice.map(|(name, _)| name).min() {
            Some(name) => Err(format!("duplicate name: {name}")),
            None => Ok(()),
        }
    }

    /// The message that stands for a file: its first. A name without its package, if it is the only one, goes first.
    pub(super) fn root_of(&self, id: Id, file: &file::File) -> Linking<Option<Id>> {
        let full = first_type(super::effective(file, self.references))?;
        let needed = self.needed(id);
        let short = |message: &Message| {
            let package = self.linked.files[message.file].package.as_deref();
            let rest = package.and_then(|package| message.full.strip_prefix(package)?.strip_prefix('.'));
            rest.unwrap_or(&message.full) == full
        };
        let mut alike = Vec::new();
        for (id, message) in self.linked.messages.iter().enumerate() {
            if needed.contains(&message.file) && short(message) {
                alike.push(id);
            }
        }
        if let [only] = alike.as_slice() {
            return Ok(Some(*only));
        }
        let found = self.types.get(&full).into_iter().flatten();
        let messages = found.filter(|(file, _)| needed.contains(file));
        Ok(messages.into_iter().find_map(|(_, kind)| match kind {
            Kind::Message(id) => Some(*id),
            Kind::Scalar(_) | Kind::Enum(_) => None,
        }))
    }
}

/// What a file sees.
struct Visible<'v> {
    files: &'v HashSet<Id>,
    packages: &'v HashSet<String>,
}

fn add(symbols: &mut HashSet<String>, name: &str, outside: &str) -> Linking<()> {
    let full = joined(outside, name);
    let is_valid = |(at, c): (usize, char)| c.is_ascii_alphabetic() || c == '_' || (at > 0 && c.is_ascii_digit());
    if !name.chars().enumerate().all(is_valid) {
        return Err(format!("{full}: \"{name}\" is not a valid identifier."));
    }
    if symbols.contains(&full) {
        return Err(match outside {
            "" => format!("{full}: \"{name}\" is already defined."),
            _ => format!("{full}: \"{name}\" is already defined in \"{outside}\"."),
        });
    }
    symbols.insert(full);
    Ok(())
}
