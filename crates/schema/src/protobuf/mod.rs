//! Protobuf schemas: `.proto` text or a base64 file descriptor, both of which clients register.
//!
//! The parser reads what is written and resolves no names, for a registry gives the text back: `print` writes it in
//! the canonical form, `normalize` resolves names and sorts, `compare` judges by the rules of the wire format.
//!
//! Invariant: a schema that was parsed by [`Schema::parse`] names no type that cannot be found in itself, in its
//! references or in the files every registry knows.

mod compare;
mod descriptor;
mod descriptor_proto;
mod file;
mod indexes;
mod known;
pub(crate) mod linked;
pub(crate) mod meta;
mod names;
mod normalize;
mod number;
mod option_fields;
mod options;
mod order;
mod parser;
mod parts;
mod payload;
mod print;
mod reader;
mod serialize;
mod tags;
mod wire;

use std::sync::{Arc, OnceLock};

pub use compare::compare;
use file::{File, Type};
use names::Names;
use payload::Checker;
pub use tags::{Edit, Tagged};

/// A parsed `.proto` file.
#[derive(Clone, Debug)]
pub struct Schema {
    file: File,
    /// Name and content of the files it may import, dependencies first.
    references: Arc<[(String, File)]>,
    /// Built when the first payload is checked.
    checker: OnceLock<Arc<Checker>>,
}

impl Schema {
    /// Parses a schema; `references` are import name and text of what it imports, dependencies first.
    pub fn parse(text: &str, references: &[(String, String)]) -> Result<Schema, String> {
        let schema = Schema::parse_unresolved(text, references)?;
        let normalized = normalize::normalized(&schema.file, &schema.names()).map_err(|error| schema.hint(error))?;
        // Some options are read that cannot be written: the registry the world knows refuses them as well.
        file_of(&print::text(&normalized))?;
        Ok(schema)
    }

    /// The same for a schema that was registered long ago: a name that cannot be found is no error.
    pub fn parse_unresolved(text: &str, references: &[(String, String)]) -> Result<Schema, String> {
        let file = file_of(text)?;
        let mut parsed: Vec<(String, File)> = Vec::with_capacity(references.len());
        for (name, text) in references {
            let file = file_of(text).map_err(|error| format!("in the reference `{name}`: {error}"))?;
            parsed.push((name.clone(), file));
        }
        Ok(Schema {
            file,
            references: parsed.into(),
            checker: OnceLock::new(),
        })
    }

    /// The text under which the registry recognises the schema again.
    pub fn canonical(&self) -> String {
        print::text(&self.file)
    }

    /// The canonical text of an equivalent schema that no longer depends on how it was written.
    pub fn normalized(&self) -> String {
        match normalize::normalized(&self.file, &self.names()) {
            Ok(file) => print::text(&file),
            // Only a schema that was never checked holds names that cannot be found.
            Err(_) => self.canonical(),
        }
    }

    /// The canonical text without custom options and extensions, which `format=ignore_extensions` asks for.
    pub fn without_extensions(&self) -> String {
        print::text(&normalize::without_extensions(&self.file))
    }

    /// The schema as a base64 file descriptor, which `format=serialized` asks for.
    pub fn serialized(&self) -> String {
        serialize::base64(&self.file, &self.names(), &self.references)
    }

    /// Whether a reader with this schema can read a record's payload: the message indexes, and the message they name.
    pub fn check_payload(&self, payload: &[u8]) -> Result<(), String> {
        let new = || Arc::new(Checker::new(&self.file, &self.references, &self.names()));
        self.checker.get_or_init(new).check(payload)
    }

    fn names(&self) -> Names<'_> {
        Names::new(&self.file, &self.references)
    }

    /// Adds to an error about a type the imports that nobody gave.
    fn hint(&self, error: String) -> String {
        let imports = self.file.imports.iter().chain(&self.file.public_imports);
        let missing: Vec<String> = imports
            .filter(|import| !known::has(import) && !self.references.iter().any(|(name, _)| name == *import))
            .map(|import| format!("`{import}`"))
            .collect();
        if missing.is_empty() || !error.starts_with("Could not resolve") {
            return error;
        }
        format!(
            "{error}; no reference has the name of the import {}",
            missing.join(", ")
        )
    }
}

/// The files that a text imports.
pub fn imports(text: &str) -> Result<Vec<String>, String> {
    let File {
        imports,
        public_imports,
        ..
    } = file_of(text)?;
    Ok([imports, public_imports].concat())
}

/// Full names longer than this are refused: every use of a name prints it in full.
const NAME_MAX: usize = 1_000;

/// Reads `.proto` text or, failing that, a base64 file descriptor.
fn file_of(text: &str) -> Result<File, String> {
    let parsed = parser::parse(text).or_else(|error| {
        let described = descriptor::file(text);
        described.ok_or_else(|| format!("Could not parse Protobuf - {error}"))
    });
    let file = parsed?;
    check_names(&file.types, file.package.as_ref().map_or(0, String::len))?;
    Ok(file)
}

fn check_names(types: &[Type], outside: usize) -> Result<(), String> {
    types.iter().try_for_each(|ty| {
        let length = outside + 1 + ty.name().len();
        if length > NAME_MAX {
            return Err(format!("the full name of a type is longer than {NAME_MAX} characters"));
        }
        check_names(ty.nested(), length)
    })
}

#[cfg(test)]
mod tests;
