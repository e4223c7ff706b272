//! What a schema refers to: found, and its texts gathered for the parser.

use std::collections::HashSet;
use std::sync::Arc;

use md5::{Digest, Md5};

use super::parses::Key;
use super::state::{Stored, Version};
use super::{Name, Reference, Subjects};
use crate::{Parsed, RegistryError, SchemaType};

/// References of references, and so on, are followed this deep.
const DEPTH_MAX: usize = 64;
/// A schema leads to at most this many others.
const COUNT_MAX: usize = 1000;
/// Together the texts a schema leads to are at most this long.
const BYTES_MAX: usize = 32 << 20;

/// Names and texts of what a schema refers to, dependencies first.
pub(super) type Texts = Vec<(String, String)>;

/// A walk over references.
#[derive(Default)]
struct Walk {
    seen: HashSet<String>,
    texts: Texts,
    bytes: usize,
}

impl Subjects {
    /// Names and texts of everything a stored schema refers to, dependencies first.
    pub fn texts_for(&self, subject: &Name, stored: &Stored) -> Result<Vec<(String, String)>, RegistryError> {
        let resolved = self.resolve(subject, &stored.references, true);
        resolved
            .map(|(_, texts)| texts)
            .map_err(|why| RegistryError::invalid_schema(stored.schema_type, &why))
    }

    /// Follows references of something named `subject`; gives them with their versions (-1 stands for the latest) and
    /// the texts they lead to. The error says which one leads nowhere.
    pub(super) fn resolve(
        &self,
        subject: &Name,
        references: &[Reference],
        deleted: bool,
    ) -> Result<(Vec<Reference>, Texts), String> {
        let mut walk = Walk::default();
        let numbered = self.follow(subject, references, deleted, &mut walk, 0)?;
        Ok((numbered, walk.texts))
    }

    fn follow(
        &self,
        subject: &Name,
        references: &[Reference],
        deleted: bool,
        walk: &mut Walk,
        depth: usize,
    ) -> Result<Vec<Reference>, String> {
        if depth > DEPTH_MAX {
            return Err(format!("references are nested more than {DEPTH_MAX} deep"));
        }
        let mut numbered = Vec::with_capacity(references.len());
        for reference in references {
            let target = subject.relative(&reference.subject);
            let found = self.referred(&target, reference.version, deleted).ok_or_else(|| {
                format!(
                    "No schema reference found for subject \"{target}\" and version {}",
                    reference.version
                )
            })?;
            numbered.push(Reference {
                version: found.number,
                ..reference.clone()
            });
            if !walk.seen.insert(reference.name.clone()) {
                continue;
            }
            self.follow(&target, &found.schema.references, deleted, walk, depth + 1)?;
            walk.bytes += found.schema.text.len();
            if walk.texts.len() >= COUNT_MAX || walk.bytes > BYTES_MAX {
                return Err(format!(
                    "references lead to more than {COUNT_MAX} schemas or {BYTES_MAX} bytes"
                ));
            }
            walk.texts.push((reference.name.clone(), found.schema.text.clone()));
        }
        Ok(numbered)
    }

    fn referred(&self, target: &Name, version: i32, deleted: bool) -> Option<&Version> {
        let versions = self.subjects.get(target)?;
        if version == -1 {
            return versions.latest();
        }
        versions.get(version).filter(|version| deleted || !version.deleted)
    }

    /// Parses a text whose references have been followed.
    pub(super) fn parse_text(
        &self,
        schema_type: SchemaType,
        text: &str,
        texts: &[(String, String)],
        normalize: bool,
    ) -> Result<Arc<Parsed>, RegistryError> {
        let mut hash = Md5::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        part(text);
        for (name, text) in texts {
            part(name);
            part(text);
        }
        let key = Key {
            schema_type,
            normalize,
            digest: u128::from_be_bytes(hash.finalize().into()),
        };
        let bytes = text.len() + texts.iter().map(|(_, text)| text.len()).sum::<usize>();
        self.parses
            .get(key, bytes, || Parsed::parse(schema_type, text, texts, normalize))
    }

    /// Parses what is stored under `subject`, or remembers it.
    pub fn parse_stored(&self, subject: &Name, stored: &Stored) -> Result<Arc<Parsed>, RegistryError> {
        let texts = self.texts_for(subject, stored)?;
        self.parse_text(stored.schema_type, &stored.text, &texts, false)
    }

    /// The text of a stored schema in a form a client asked for; words that mean nothing give the text as it is.
    pub fn formatted(&self, subject: &Name, stored: &Stored, format: &str) -> Result<String, RegistryError> {
        Ok(self.parse_stored(subject, stored)?.formatted(format))
    }

    /// A stored schema as a data definition.
    pub fn definition(&self, subject: &Name, stored: &Stored) -> Result<String, RegistryError> {
        let properties = stored.metadata.as_ref().map(|metadata| &metadata.properties);
        self.parse_stored(subject, stored)?.definition(properties)
    }
}
