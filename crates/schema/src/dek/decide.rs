//! What a request for keys comes to: an answer from the keys as they are, or changes to write first.

use std::collections::{BTreeMap, BTreeSet};

use super::{Algorithm, Change, Dek, DekId, Kek, Keys};
use crate::RegistryError;

type Decided<T> = Result<T, RegistryError>;

const NAME_CHARS_MAX: usize = 256;
/// More keys of a kind are refused.
const KEYS_MAX: usize = 20_000;
/// Versions of a subject are counted from here; a key may be made below, but is not listed.
const FIRST_VERSION: i32 = 1;
/// For whom a KEK is tried out.
const TEST_SUBJECT: &str = "__TEST";

/// A KEK somebody wants.
#[derive(Clone, Debug, Default)]
pub struct NewKek {
    pub name: Option<String>,
    pub kms_type: Option<String>,
    pub kms_key_id: Option<String>,
    pub kms_props: Option<BTreeMap<String, String>>,
    pub doc: Option<String>,
    pub shared: bool,
    pub deleted: bool,
}

/// What is to be another at a KEK; outer `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct UpdatedKek {
    pub kms_props: Option<Option<BTreeMap<String, String>>>,
    pub doc: Option<Option<String>>,
    pub shared: Option<Option<bool>>,
}

/// A DEK somebody wants.
#[derive(Clone, Debug, Default)]
pub struct NewDek {
    pub version: Option<i32>,
    pub algorithm: Option<Algorithm>,
    pub encrypted: Option<String>,
    pub deleted: bool,
}

fn not_found(name: &str) -> RegistryError {
    RegistryError::new(40470, format!("Key '{name}' not found"))
}

fn invalid(field: &str) -> RegistryError {
    RegistryError::new(42271, format!("Invalid or missing value for field '{field}' of key"))
}

fn not_soft_deleted(name: &str) -> RegistryError {
    let message = format!("Key '{name}' was not deleted first before being permanently deleted");
    RegistryError::new(40471, message)
}

fn exists(name: &str) -> RegistryError {
    RegistryError::new(40971, format!("Key '{name}' already exists; use a different value"))
}

fn check_count(count: usize) -> Decided<()> {
    if count < KEYS_MAX {
        return Ok(());
    }
    Err(RegistryError::new(
        40972,
        format!("A maximum of {KEYS_MAX} keys already exist"),
    ))
}

/// A KEK's name: a letter or `_`, then letters, digits, `_` and `-`.
pub(super) fn check_name(name: &str) -> Decided<()> {
    let mut chars = name.chars();
    let first_fits = chars.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    let fits = first_fits
        && chars.all(|one| one.is_alphanumeric() || one == '_' || one == '-')
        && name.encode_utf16().count() <= NAME_CHARS_MAX;
    if fits { Ok(()) } else { Err(invalid("name")) }
}

pub(super) fn check_subject(subject: &str) -> Decided<()> {
    if subject.is_empty() || subject.chars().any(char::is_control) {
        return Err(invalid("subject"));
    }
    Ok(())
}

impl NewKek {
    /// The KEK itself, if every field has a value that can be.
    pub fn checked(self) -> Decided<Kek> {
        let name = self.name.ok_or_else(|| invalid("name"))?;
        check_name(&name)?;
        let kms_key_id = self
            .kms_key_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| invalid("kmsKeyId"))?;
        let kms_type = self.kms_type.ok_or_else(|| invalid("kmsType"))?;
        let starts: &[&str] = match kms_type.as_str() {
            "aws-kms" => &["arn:aws:kms:"],
            "azure-kms" => &["https://"],
            "gcp-kms" => &["projects/"],
            "hcvault" => &["https://", "http://"],
            _ => &[""],
        };
        if !starts.iter().any(|start| kms_key_id.starts_with(start)) {
            return Err(invalid("kmsKeyId"));
        }
        let lower = kms_type.to_lowercase();
        let known = ["aws", "azure", "gcp"]
            .into_iter()
            .find(|known| lower.starts_with(known));
        Ok(Kek {
            name,
            kms_type: known.map_or(kms_type, |known| format!("{known}-kms")),
            kms_key_id,
            kms_props: self.kms_props.unwrap_or_default(),
            doc: self.doc,
            shared: self.shared,
            deleted: self.deleted,
            ts: 0,
        })
    }
}

impl Keys {
    /// Names of KEKs, or of those with DEKs for subjects that begin so.
    pub fn kek_names(&self, subject_prefixes: &[String], deleted: bool) -> Vec<&str> {
        if subject_prefixes.is_empty() {
            let shown = self.keks.values().filter(|kek| deleted || !kek.deleted);
            return shown.map(|kek| kek.name.as_str()).collect();
        }
        let fits = |id: &DekId| subject_prefixes.iter().any(|prefix| id.subject.starts_with(prefix));
        let shown = self
            .deks
            .iter()
            .filter(|(id, dek)| (deleted || !dek.deleted) && fits(id));
        let names: BTreeSet<&str> = shown.map(|(id, _)| id.kek.as_str()).collect();
        names.into_iter().collect()
    }

    pub fn kek(&self, name: &str, deleted: bool) -> Decided<&Kek> {
        check_name(name)?;
        let kek = self.keks.get(name).filter(|kek| deleted || !kek.deleted);
        kek.ok_or_else(|| not_found(name))
    }

    /// The DEK by which a shared KEK is tried out.
    pub fn trial(kek: &Kek) -> Decided<DekId> {
        if !kek.shared {
            return Err(invalid("shared"));
        }
        Ok(DekId {
            kek: kek.name.clone(),
            subject: TEST_SUBJECT.to_owned(),
            algorithm: Algorithm::default(),
            version: FIRST_VERSION,
        })
    }

    /// Makes a KEK; one that was deleted comes back by making it again as it was.
    pub fn create_kek(&self, kek: Kek) -> Decided<Vec<Change>> {
        if let Some(old) = self.keks.get(&kek.name)
            && (old.deleted == kek.deleted || !old.is_equivalent(&kek))
        {
            return Err(exists(&kek.name));
        }
        check_count(self.keks.len())?;
        Ok(vec![Change::PutKek(kek)])
    }

    /// The KEK as it would be with the changes.
    pub fn updated_kek(&self, name: &str, update: UpdatedKek) -> Decided<Kek> {
        let old = self.kek(name, false)?;
        let kms_props = update.kms_props.map(Option::unwrap_or_default);
        Ok(Kek {
            kms_props: kms_props.unwrap_or_else(|| old.kms_props.clone()),
            doc: update.doc.unwrap_or_else(|| old.doc.clone()),
            shared: update.shared.map_or(old.shared, Option::unwrap_or_default),
            ..old.clone()
        })
    }

    pub fn update_kek(&self, name: &str, update: UpdatedKek) -> Decided<Vec<Change>> {
        let new = self.updated_kek(name, update)?;
        let is_same = self.keks.get(name).is_some_and(|old| old.is_equivalent(&new));
        Ok(if is_same { Vec::new() } else { vec![Change::PutKek(new)] })
    }

    pub fn delete_kek(&self, name: &str, permanent: bool) -> Decided<Vec<Change>> {
        let kek = self.kek(name, true)?;
        let of_kek = self.deks.iter().filter(|(id, _)| id.kek == name);
        if of_kek.filter(|(_, dek)| permanent || !dek.deleted).count() > 0 {
            let message = format!("One or more references exist to the key '{name}'");
            return Err(RegistryError::new(42272, message));
        }
        match (permanent, kek.deleted) {
            (true, false) => Err(not_soft_deleted(name)),
            (true, true) => Ok(vec![Change::DropKek(name.to_owned())]),
            (false, true) => Ok(Vec::new()),
            (false, false) => Ok(vec![Change::PutKek(Kek {
                deleted: true,
                ..kek.clone()
            })]),
        }
    }

    pub fn undelete_kek(&self, name: &str) -> Decided<Vec<Change>> {
        let kek = self.kek(name, true)?;
        let back = Kek {
            deleted: false,
            ..kek.clone()
        };
        Ok(if kek.deleted {
            vec![Change::PutKek(back)]
        } else {
            Vec::new()
        })
    }

    /// Subjects for which a KEK has DEKs.
    pub fn dek_subjects(&self, kek: &str, deleted: bool) -> Decided<Vec<&str>> {
        self.kek(kek, deleted)?;
        let shown = self
            .deks
            .iter()
            .filter(|(id, dek)| id.kek == kek && (deleted || !dek.deleted));
        let subjects: BTreeSet<&str> = shown.map(|(id, _)| id.subject.as_str()).collect();
        Ok(subjects.into_iter().collect())
    }

    /// A subject's DEKs of an algorithm, by version.
    fn deks_of(&self, kek: &str, subject: &str, algorithm: Algorithm, deleted: bool) -> Vec<(&DekId, &Dek)> {
        let id = |version| DekId {
            kek: kek.to_owned(),
            subject: subject.to_owned(),
            algorithm,
            version,
        };
        let all = self.deks.range(id(FIRST_VERSION)..=id(i32::MAX));
        all.filter(|(_, dek)| deleted || !dek.deleted).collect()
    }

    pub fn dek_versions(
        &self,
        kek: &str,
        subject: &str,
        algorithm: Option<Algorithm>,
        deleted: bool,
    ) -> Decided<Vec<i32>> {
        check_name(kek)?;
        check_subject(subject)?;
        self.kek(kek, deleted)?;
        let deks = self.deks_of(kek, subject, algorithm.unwrap_or_default(), deleted);
        Ok(deks.into_iter().map(|(id, _)| id.version).collect())
    }

    /// A DEK with its KEK; without a version the latest.
    pub fn dek(
        &self,
        kek: &str,
        subject: &str,
        version: Option<i32>,
        algorithm: Option<Algorithm>,
        deleted: bool,
    ) -> Decided<(&Kek, DekId, &Dek)> {
        check_name(kek)?;
        check_subject(subject)?;
        let kek = self.kek(kek, deleted)?;
        let algorithm = algorithm.unwrap_or_default();
        let found = match version {
            None => self.deks_of(&kek.name, subject, algorithm, deleted).pop(),
            Some(version) => {
                let id = DekId {
                    kek: kek.name.clone(),
                    subject: subject.to_owned(),
                    algorithm,
                    version,
                };
                let found = self.deks.get_key_value(&id);
                found.filter(|(_, dek)| deleted || !dek.deleted)
            }
        };
        let (id, dek) = found.ok_or_else(|| not_found(subject))?;
        Ok((kek, id.clone(), dek))
    }

    /// Checks that a DEK may be made, and gives what is needed for it: its KEK, its id, and the DEK of this id there is.
    pub fn may_create_dek(
        &self,
        kek: &str,
        subject: &str,
        rewrap: bool,
        wanted: &NewDek,
    ) -> Decided<(&Kek, DekId, Option<&Dek>)> {
        check_name(kek)?;
        check_subject(subject)?;
        let kek = self.kek(kek, wanted.deleted)?;
        let id = DekId {
            kek: kek.name.clone(),
            subject: subject.to_owned(),
            algorithm: wanted.algorithm.unwrap_or_default(),
            version: wanted.version.unwrap_or(FIRST_VERSION),
        };
        let old = self.deks.get(&id);
        if let Some(old) = old
            && !rewrap
            && (old.deleted == wanted.deleted || old.encrypted != wanted.encrypted)
        {
            return Err(exists(subject));
        }
        match &wanted.encrypted {
            Some(_) if kek.shared && old.is_some() => return Err(exists(subject)),
            None if !kek.shared => return Err(invalid("encryptedKeyMaterial")),
            _ => {}
        }
        if old.is_none() {
            check_count(self.deks.len())?;
        }
        Ok((kek, id, old))
    }

    /// Deletes DEKs: one version, or all of an algorithm.
    pub fn delete_deks(
        &self,
        kek: &str,
        subject: &str,
        version: Option<Option<i32>>,
        algorithm: Option<Algorithm>,
        permanent: bool,
    ) -> Decided<Vec<Change>> {
        let chosen = self.chosen(kek, subject, version, algorithm)?;
        let mut changes = Vec::new();
        for (id, dek) in chosen {
            match (permanent, dek.deleted) {
                (true, false) => return Err(not_soft_deleted(subject)),
                (true, true) => changes.push(Change::DropDek(id)),
                (false, true) => {}
                (false, false) => changes.push(Change::PutDek(
                    id,
                    Dek {
                        deleted: true,
                        ..dek.clone()
                    },
                )),
            }
        }
        Ok(changes)
    }

    /// Takes a deletion back: of one version, or of all of an algorithm.
    pub fn undelete_deks(
        &self,
        kek: &str,
        subject: &str,
        version: Option<Option<i32>>,
        algorithm: Option<Algorithm>,
    ) -> Decided<Vec<Change>> {
        let chosen = self.chosen(kek, subject, version, algorithm)?;
        if self.kek(kek, true)?.deleted {
            return Err(RegistryError::new(
                40472,
                format!("Key '{kek}' must be undeleted first"),
            ));
        }
        let back = |(id, dek): (DekId, &Dek)| {
            let dek = Dek {
                deleted: false,
                ..dek.clone()
            };
            Change::PutDek(id, dek)
        };
        let deleted = chosen.into_iter().filter(|(_, dek)| dek.deleted);
        Ok(deleted.map(back).collect())
    }

    /// One version (`Some(None)`: the latest), or all of an algorithm; deleted ones too.
    fn chosen(
        &self,
        kek: &str,
        subject: &str,
        version: Option<Option<i32>>,
        algorithm: Option<Algorithm>,
    ) -> Decided<Vec<(DekId, &Dek)>> {
        if let Some(version) = version {
            let (_, id, dek) = self.dek(kek, subject, version, algorithm, true)?;
            return Ok(vec![(id, dek)]);
        }
        check_name(kek)?;
        check_subject(subject)?;
        self.kek(kek, true)?;
        let all = self.deks_of(kek, subject, algorithm.unwrap_or_default(), true);
        if all.is_empty() {
            return Err(not_found(subject));
        }
        Ok(all.into_iter().map(|(id, dek)| (id.clone(), dek)).collect())
    }
}
