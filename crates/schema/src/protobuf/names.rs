//! Which type a name means: the types of a file, of its references and of the known files, by full name.

use std::collections::{HashMap, HashSet};

use super::file::{Extend, Field, File, Message, Type};
use super::known;

/// A type and where it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) ty: &'a Type,
    /// The package of its file.
    pub(super) package: &'a str,
    /// The referenced file it stands in; none for the schema's own types.
    pub(super) file: Option<&'a str>,
}

impl<'a> Found<'a> {
    pub(super) fn message(&self) -> Option<&'a Message> {
        self.ty.message()
    }

    /// The map type it stands for, if it is the entry of one.
    pub(super) fn map_type(&self) -> Option<String> {
        let entry = self.message().filter(|message| message.is_map_entry())?;
        let (key, value) = (entry.field("key")?, entry.field("value")?);
        Some(format!("map<{}, {}>", key.ty, value.ty))
    }
}

/// The field of an `extend` block: what a custom option's name means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'a> {
    pub(super) field: &'a Field,
    pub(super) file: Option<&'a str>,
}

#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    pub(super) types: HashMap<String, Found<'a>>,
    pub(super) extensions: HashMap<String, Extension<'a>>,
}

impl<'a> Tables<'a> {
    pub(super) fn add(&mut self, file: &'a File, name: Option<&'a str>) {
        let package = file.package.as_deref().unwrap_or("");
        self.extends(&file.extends, package, name);
        self.types(&file.types, package, package, name);
    }

    fn types(&mut self, types: &'a [Type], prefix: &str, package: &'a str, file: Option<&'a str>) {
        for ty in types {
            let full = joined(prefix, ty.name());
            self.types(ty.nested(), &full, package, file);
            if let Some(message) = ty.message() {
                self.extends(&message.extends, &full, file);
            }
            self.types.insert(full, Found { ty, package, file });
        }
    }

    fn extends(&mut self, extends: &'a [Extend], prefix: &str, file: Option<&'a str>) {
        for field in extends.iter().flat_map(|extend| &extend.fields) {
            self.extensions
                .insert(joined(prefix, &field.name), Extension { field, file });
        }
    }
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

/// All names that a schema sees.
pub(super) struct Names<'a> {
    own: Tables<'a>,
    /// Files of the schema's references: they stand before known files of the same name.
    references: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn new(file: &'a File, references: &'a [(String, File)]) -> Names<'a> {
        let mut own = Tables::default();
        for (name, file) in references {
            own.add(file, Some(name));
        }
        own.add(file, None);
        Names {
            own,
            references: references.iter().map(|(name, _)| name.as_str()).collect(),
        }
    }

    fn visible(&self, file: Option<&str>) -> bool {
        file.is_some_and(|file| !self.references.contains(file))
    }

    /// A type by its full name.
    pub(super) fn full(&self, name: &str) -> Option<Found<'a>> {
        let own = self.own.types.get(name).copied();
        own.or_else(|| known::ty(name).filter(|found| self.visible(found.file)))
    }

    /// A custom option by its full name.
    pub(super) fn full_extension(&self, name: &str) -> Option<Extension<'a>> {
        let own = self.own.extensions.get(name).copied();
        own.or_else(|| known::extension(name).filter(|found| self.visible(found.file)))
    }

    /// The type a name means at a place, with its full name.
    pub(super) fn resolve(&self, name: &str, scope: &Scope<'_>) -> Option<(String, Found<'a>)> {
        scope.candidates(name).find_map(|full| {
            let found = self.full(&full)?;
            Some((full, found))
        })
    }

    /// The full name of the custom option a name means at a place.
    pub(super) fn resolve_extension(&self, name: &str, scope: &Scope<'_>) -> Option<String> {
        scope.candidates(name).find(|full| self.full_extension(full).is_some())
    }
}

/// Where a name stands: in a package, inside messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) package: &'a str,
    pub(super) messages: Vec<String>,
}

impl Scope<'_> {
    /// The full names that a name may mean here, the innermost first.
    fn candidates(&self, name: &str) -> impl Iterator<Item = String> {
        let (name, is_full) = match name.strip_prefix('.') {
            Some(full) => (full.to_owned(), true),
            None => (name.to_owned(), false),
        };
        let mut prefix = self.package.to_owned();
        for message in &self.messages {
            prefix = joined(&prefix, message);
        }
        let mut next = if is_full { Some(String::new()) } else { Some(prefix) };
        std::iter::from_fn(move || {
            let prefix = next.take()?;
            let candidate = joined(&prefix, &name);
            if !prefix.is_empty() {
                let outer = prefix.rfind('.').unwrap_or(0);
                let mut shorter = prefix;
                shorter.truncate(outer);
                next = Some(shorter);
            }
            Some(candidate)
        })
    }
}
