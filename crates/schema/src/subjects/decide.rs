//! What a request comes to: an answer from the state as it is, or changes to write first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Reference;
use super::level::{Earlier, Level, check};
use super::record::Change;
use super::state::{Stored, Subjects, Version};
use crate::{Parsed, RegistryError, SchemaType, guid};

/// References of references, and so on, are followed this deep.
const REFERENCE_DEPTH_MAX: usize = 32;

type Decided<T> = Result<T, RegistryError>;

/// A schema somebody wants registered, looked up or checked.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    pub schema_type: SchemaType,
    pub text: String,
    pub references: Vec<Reference>,
}

/// An answer together with the changes to make durable before it is given.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    pub answer: T,
    pub changes: Vec<Change>,
}

/// A version of a subject as answers show it.
#[derive(Clone, Debug)]
pub struct Lookup {
    pub subject: String,
    pub version: i32,
    pub deleted: bool,
    pub schema: Arc<Stored>,
}

/// Which version a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Latest,
    Number(i32),
}

impl Wanted {
    /// Reads `latest` in any case, -1, or a number from 1.
    pub fn from_path(text: &str) -> Decided<Wanted> {
        if text.eq_ignore_ascii_case("latest") || text == "-1" {
            return Ok(Wanted::Latest);
        }
        match text.parse::<i32>() {
            Ok(number) if number > 0 => Ok(Wanted::Number(number)),
            _ => Err(RegistryError::invalid_version(text)),
        }
    }
}

impl Subjects {
    /// Registers a schema under a subject, or finds it there.
    pub fn register(&self, subject: &str, wanted: &Registration) -> Decided<Outcome<Lookup>> {
        check_subject(subject)?;
        let parsed = self.parse(wanted)?;
        if let Some(found) = self.find(subject, &parsed, wanted, false) {
            return Ok(Outcome {
                answer: found,
                changes: Vec::new(),
            });
        }
        parsed.check_new()?;
        let messages = self.incompatibilities(subject, wanted.schema_type, &parsed, self.versions_down(subject))?;
        if !messages.is_empty() {
            return Err(RegistryError::incompatible(subject, &messages));
        }
        let guid = guid::of(&parsed.canonical, &wanted.references);
        let id = self.ids.get(&guid).copied().unwrap_or(self.id_max + 1);
        let highest = self
            .subjects
            .get(subject)
            .and_then(|versions| versions.keys().next_back().copied());
        let version = highest.unwrap_or(0) + 1;
        let Registration {
            schema_type,
            references,
            ..
        } = wanted.clone();
        let schema = Arc::new(Stored {
            id,
            schema_type,
            text: parsed.canonical.clone(),
            references,
            guid,
        });
        let change = Change::Version {
            subject: subject.to_owned(),
            version,
            id,
            schema_type,
            references: schema.references.clone(),
            schema: parsed.canonical,
            deleted: false,
        };
        let answer = Lookup {
            subject: subject.to_owned(),
            version,
            deleted: false,
            schema,
        };
        Ok(Outcome {
            answer,
            changes: vec![change],
        })
    }

    /// Finds a schema under a subject.
    pub fn look_up(&self, subject: &str, wanted: &Registration, deleted: bool) -> Decided<Lookup> {
        let parsed = self.parse(wanted)?;
        self.versions(subject, deleted)?;
        self.find(subject, &parsed, wanted, deleted)
            .ok_or_else(RegistryError::schema_not_found)
    }

    /// A subject's versions, rising.
    pub fn versions(&self, subject: &str, deleted: bool) -> Decided<Vec<i32>> {
        let versions = self
            .subjects
            .get(subject)
            .ok_or_else(|| RegistryError::subject_not_found(subject))?;
        let shown: Vec<i32> = versions
            .iter()
            .filter(|(_, version)| deleted || !version.deleted)
            .map(|(number, _)| *number)
            .collect();
        if shown.is_empty() {
            Err(RegistryError::subject_not_found(subject))
        } else {
            Ok(shown)
        }
    }

    pub fn version(&self, subject: &str, wanted: Wanted, deleted: bool) -> Decided<Lookup> {
        let shown = self.versions(subject, deleted)?;
        let number = match wanted {
            Wanted::Latest => shown.last().copied().unwrap_or_default(),
            Wanted::Number(number) => number,
        };
        let missing = || RegistryError::version_not_found(number);
        let version = self
            .entry(subject, number)
            .filter(|version| deleted || !version.deleted)
            .ok_or_else(missing)?;
        self.shown(subject, number, version).ok_or_else(missing)
    }

    /// Compares a schema with what a subject holds; the messages say why it does not fit. An unknown subject fits.
    pub fn compatibility(&self, subject: &str, wanted: &Registration, against: Option<Wanted>) -> Decided<Vec<String>> {
        let parsed = self.parse(wanted)?;
        let versions = match against {
            None => self.versions_down(subject),
            Some(Wanted::Latest) => self.versions_down(subject).into_iter().take(1).collect(),
            Some(number) => {
                let found = self
                    .version(subject, number, false)
                    .map_err(|error| match (error.code, number) {
                        (40401, Wanted::Number(number)) => RegistryError::version_not_found(number),
                        _ => error,
                    })?;
                vec![(found.version, found.schema)]
            }
        };
        self.incompatibilities(subject, wanted.schema_type, &parsed, versions)
    }

    /// Deletes one version: softly first, for good with `permanent`.
    pub fn delete_version(&self, subject: &str, wanted: Wanted, permanent: bool) -> Decided<Outcome<i32>> {
        if !permanent {
            let found = self.version(subject, wanted, true)?;
            if found.deleted {
                let message = format!(
                    "Subject '{subject}' Version {} was soft deleted. Set permanent=true to delete permanently",
                    found.version
                );
                return Err(RegistryError::new(40406, message));
            }
            self.check_unreferenced(subject, found.version)?;
            let change = deleted_version(&found);
            return Ok(Outcome {
                answer: found.version,
                changes: vec![change],
            });
        }
        let found = self.version(subject, wanted, true)?;
        if !found.deleted {
            let message = format!(
                "Subject '{subject}' Version {} was not deleted first before being permanently deleted",
                found.version
            );
            return Err(RegistryError::new(40407, message));
        }
        let change = Change::DropVersion {
            subject: subject.to_owned(),
            version: found.version,
        };
        Ok(Outcome {
            answer: found.version,
            changes: vec![change],
        })
    }

    /// Deletes a subject: softly first, for good with `permanent`.
    pub fn delete_subject(&self, subject: &str, permanent: bool) -> Decided<Outcome<Vec<i32>>> {
        let all = self
            .subjects
            .get(subject)
            .ok_or_else(|| RegistryError::subject_not_found(subject))?;
        let live: Vec<i32> = all
            .iter()
            .filter(|(_, version)| !version.deleted)
            .map(|(number, _)| *number)
            .collect();
        if permanent {
            if !live.is_empty() {
                let message = format!("Subject '{subject}' was not deleted first before being permanently deleted");
                return Err(RegistryError::new(40405, message));
            }
            let drop = |version: &i32| Change::DropVersion {
                subject: subject.to_owned(),
                version: *version,
            };
            let mut changes: Vec<Change> = all.keys().map(drop).collect();
            if self.own_level(subject).is_some() {
                changes.push(Change::Level {
                    subject: Some(subject.to_owned()),
                    level: None,
                });
            }
            return Ok(Outcome {
                answer: all.keys().copied().collect(),
                changes,
            });
        }
        let Some(last) = live.last().copied() else {
            let message = format!("Subject '{subject}' was soft deleted. Set permanent=true to delete permanently");
            return Err(RegistryError::new(40404, message));
        };
        for version in &live {
            self.check_unreferenced(subject, *version)?;
        }
        let change = Change::DeleteSubject {
            subject: subject.to_owned(),
            version: last,
        };
        Ok(Outcome {
            answer: live,
            changes: vec![change],
        })
    }

    /// Sets or takes back a level, for one subject or for all.
    pub fn set_level(&self, subject: Option<&str>, level: Option<Level>) -> Decided<Outcome<()>> {
        if let Some(subject) = subject {
            check_subject(subject)?;
        }
        let change = Change::Level {
            subject: subject.map(str::to_owned),
            level: level.map(|level| level.word().to_owned()),
        };
        Ok(Outcome {
            answer: (),
            changes: vec![change],
        })
    }

    /// Names and texts of everything a schema refers to, dependencies first.
    pub fn resolve(&self, references: &[Reference]) -> Decided<Vec<(String, String)>> {
        let mut resolved = Vec::new();
        self.resolve_into(references, &mut resolved, 0)?;
        Ok(resolved)
    }

    fn resolve_into(&self, references: &[Reference], into: &mut Vec<(String, String)>, depth: usize) -> Decided<()> {
        if depth > REFERENCE_DEPTH_MAX {
            return Err(RegistryError::new(
                42201,
                format!("references are nested more than {REFERENCE_DEPTH_MAX} deep"),
            ));
        }
        for reference in references {
            if into.iter().any(|(name, _)| *name == reference.name) {
                continue;
            }
            let wanted = if reference.version == -1 {
                Wanted::Latest
            } else {
                Wanted::Number(reference.version)
            };
            let found = self.version(&reference.subject, wanted, true).map_err(|_| {
                let Reference { name, subject, version } = reference;
                let message = format!(
                    "No schema reference found for subject \"{subject}\" and version {version} (named \"{name}\")"
                );
                RegistryError::new(42201, message)
            })?;
            self.resolve_into(&found.schema.references, into, depth + 1)?;
            into.push((reference.name.clone(), found.schema.text.clone()));
        }
        Ok(())
    }

    fn parse(&self, wanted: &Registration) -> Decided<Parsed> {
        if wanted.text.trim().is_empty() {
            return Err(RegistryError::new(42201, "Empty schema"));
        }
        Parsed::parse(
            wanted.schema_type,
            &wanted.text,
            &self.resolve(&wanted.references)?,
            false,
        )
    }

    fn find(&self, subject: &str, parsed: &Parsed, wanted: &Registration, deleted: bool) -> Option<Lookup> {
        let id = self.ids.get(&guid::of(&parsed.canonical, &wanted.references))?;
        let versions = self.subjects.get(subject)?;
        let fits = |(_, version): &(&i32, &Version)| version.id == *id && (deleted || !version.deleted);
        let (number, version) = versions.iter().rev().find(fits)?;
        let found = self.shown(subject, *number, *version)?;
        (found.schema.schema_type == wanted.schema_type).then_some(found)
    }

    fn entry(&self, subject: &str, number: i32) -> Option<Version> {
        self.subjects.get(subject)?.get(&number).copied()
    }

    fn shown(&self, subject: &str, number: i32, version: Version) -> Option<Lookup> {
        let schema = Arc::clone(self.schemas.get(&version.id)?);
        Some(Lookup {
            subject: subject.to_owned(),
            version: number,
            deleted: version.deleted,
            schema,
        })
    }

    /// Live versions, newest first.
    fn versions_down(&self, subject: &str) -> Vec<(i32, Arc<Stored>)> {
        let empty = BTreeMap::new();
        let versions = self.subjects.get(subject).unwrap_or(&empty);
        let live = versions.iter().rev().filter(|(_, version)| !version.deleted);
        live.filter_map(|(number, version)| Some((*number, Arc::clone(self.schemas.get(&version.id)?))))
            .collect()
    }

    fn incompatibilities(
        &self,
        subject: &str,
        schema_type: SchemaType,
        parsed: &Parsed,
        mut versions: Vec<(i32, Arc<Stored>)>,
    ) -> Decided<Vec<String>> {
        let level = self.level_of(subject);
        if level == Level::None {
            return Ok(Vec::new());
        }
        if !level.is_transitive() {
            versions.truncate(1);
        }
        let mut earlier = Vec::with_capacity(versions.len());
        for (version, stored) in &versions {
            let references = self.resolve(&stored.references)?;
            earlier.push((
                *version,
                stored.schema_type,
                Parsed::parse(stored.schema_type, &stored.text, &references, false)?,
            ));
        }
        let earlier: Vec<Earlier<'_>> = earlier
            .iter()
            .map(|(version, schema_type, parsed)| Earlier {
                version: *version,
                schema_type: *schema_type,
                parsed,
            })
            .collect();
        Ok(check(level, schema_type, parsed, &earlier))
    }

    fn check_unreferenced(&self, subject: &str, version: i32) -> Decided<()> {
        let refers = |stored: &Stored| {
            stored
                .references
                .iter()
                .any(|reference| reference.subject == subject && reference.version == version)
        };
        let live = self
            .subjects
            .values()
            .flat_map(|versions| versions.values().filter(|version| !version.deleted));
        let referenced = live
            .filter_map(|version| self.schemas.get(&version.id))
            .any(|stored| refers(stored));
        if referenced {
            let message =
                format!("One or more references exist to the schema {{subject={subject},version={version}}}.");
            return Err(RegistryError::new(42206, message));
        }
        Ok(())
    }
}

fn deleted_version(found: &Lookup) -> Change {
    Change::Version {
        subject: found.subject.clone(),
        version: found.version,
        id: found.schema.id,
        schema_type: found.schema.schema_type,
        references: found.schema.references.clone(),
        schema: found.schema.text.clone(),
        deleted: true,
    }
}

fn check_subject(subject: &str) -> Decided<()> {
    let odd = subject.is_empty() || subject.chars().any(char::is_control) || matches!(subject, "__GLOBAL" | "__EMPTY");
    if odd {
        return Err(RegistryError::new(
            42208,
            format!("The specified subject '{subject}' is not a valid."),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays requests against a state that takes in its own records, and gives what a client would see.
    struct World(Subjects);

    impl World {
        fn register(&mut self, subject: &str, text: &str) -> Result<(i32, i32), i32> {
            let wanted = Registration {
                text: text.to_owned(),
                ..Registration::default()
            };
            let outcome = self.0.register(subject, &wanted).map_err(|error| error.code)?;
            self.take(outcome.changes);
            Ok((outcome.answer.schema.id, outcome.answer.version))
        }

        fn take(&mut self, changes: Vec<Change>) {
            for change in changes {
                let (key, value) = change.encode().unwrap();
                let value = value.map(|value| value.to_string().into_bytes());
                self.0
                    .apply(Change::decode(key.to_string().as_bytes(), value.as_deref()).unwrap());
            }
        }
    }

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
    }

    const A: &str = r#"{"name":"a","type":"int"}"#;
    const A_B: &str = r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":0}"#;
    const A_C: &str = r#"{"name":"a","type":"int"},{"name":"c","type":"int"}"#;

    #[test]
    fn ids_follow_content_and_versions_follow_subjects() {
        let mut world = World(Subjects::default());
        assert_eq!(world.register("s", &record(A)), Ok((1, 1)));
        assert_eq!(world.register("s", &record(A)), Ok((1, 1)), "the same schema again");
        assert_eq!(world.register("s", &record(A_B)), Ok((2, 2)));
        assert_eq!(world.register("t", &record(A_B)), Ok((2, 1)), "one id per content");
        assert_eq!(
            world.register("s", &record(A_C)),
            Err(409),
            "a field without default breaks readers"
        );
        assert_eq!(world.register("s", "{"), Err(42201));
        let outcome = world.0.set_level(Some("s"), Some(Level::None)).unwrap();
        world.take(outcome.changes);
        assert_eq!(world.register("s", &record(A_C)), Ok((3, 3)));
    }

    #[test]
    fn deletion_is_soft_first_and_numbers_are_not_used_again() {
        let mut world = World(Subjects::default());
        world.register("s", &record(A)).unwrap();
        world.register("s", &record(A_B)).unwrap();
        assert_eq!(world.0.delete_subject("s", true).unwrap_err().code, 40405);
        let outcome = world.0.delete_version("s", Wanted::Latest, false).unwrap();
        assert_eq!(outcome.answer, 2);
        world.take(outcome.changes);
        assert_eq!(world.0.versions("s", false).unwrap(), [1]);
        assert_eq!(world.0.versions("s", true).unwrap(), [1, 2]);
        assert_eq!(
            world.register("s", &record(A_B)),
            Ok((2, 3)),
            "soft-deleted versions count"
        );
        let outcome = world.0.delete_subject("s", false).unwrap();
        assert_eq!(outcome.answer, [1, 3]);
        world.take(outcome.changes);
        assert_eq!(world.0.delete_subject("s", false).unwrap_err().code, 40404);
        assert_eq!(world.0.versions("s", false).unwrap_err().code, 40401);
        assert!(world.0.schema(2).is_some(), "ids still resolve");
        let outcome = world.0.delete_subject("s", true).unwrap();
        world.take(outcome.changes);
        assert_eq!(
            world.register("s", &record(A)),
            Ok((1, 1)),
            "gone for good, numbers start anew"
        );
    }

    #[test]
    fn referenced_versions_stay() {
        let mut world = World(Subjects::default());
        world
            .register("part", r#"{"type":"record","name":"P","fields":[]}"#)
            .unwrap();
        let reference = Reference {
            name: "P".into(),
            subject: "part".into(),
            version: 1,
        };
        let text = record(r#"{"name":"p","type":"P"}"#);
        let wanted = Registration {
            text,
            references: vec![reference],
            ..Registration::default()
        };
        let outcome = world.0.register("whole", &wanted).unwrap();
        world.take(outcome.changes);
        assert_eq!(
            world
                .0
                .delete_version("part", Wanted::Number(1), false)
                .unwrap_err()
                .code,
            42206
        );
        let missing = Reference {
            name: "Q".into(),
            subject: "nowhere".into(),
            version: 1,
        };
        let wanted = Registration {
            references: vec![missing],
            ..wanted
        };
        assert_eq!(world.0.register("whole", &wanted).unwrap_err().code, 42201);
    }
}
