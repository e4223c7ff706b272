//! `/dek-registry/v1/keks`: the keys of client-side field encryption.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use catalog::DekRegistry;
use catalog::deks::ShownDek;
use schema::RegistryError;
use schema::dek::{Algorithm, Kek, NewDek, NewKek, UpdatedKek};
use schema::subjects::Wanted;
use serde::{Deserialize, Deserializer, Serialize};

use super::answer::{Replied, Reply};
use super::call::{Call, not_found};
use super::route::Verb;

/// What paths name below `/dek-registry/v1/keks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Keks,
    Kek(&'a str),
    KekTest(&'a str),
    KekUndelete(&'a str),
    Deks(&'a str),
    Dek(&'a str, &'a str),
    DekUndelete(&'a str, &'a str),
    Versions(&'a str, &'a str),
    Version(&'a str, &'a str, &'a str),
    VersionUndelete(&'a str, &'a str, &'a str),
}

/// The key that the rest of a path names, if it names one.
pub(super) fn find<'a>(path: &[&'a str]) -> Option<Key<'a>> {
    Some(match *path {
        [] => Key::Keks,
        [kek] => Key::Kek(kek),
        [kek, "test"] => Key::KekTest(kek),
        [kek, "undelete"] => Key::KekUndelete(kek),
        [kek, "deks"] => Key::Deks(kek),
        [kek, "deks", subject] => Key::Dek(kek, subject),
        [kek, "deks", subject, "undelete"] => Key::DekUndelete(kek, subject),
        [kek, "deks", subject, "versions"] => Key::Versions(kek, subject),
        [kek, "deks", subject, "versions", version] => Key::Version(kek, subject, version),
        [kek, "deks", subject, "versions", version, "undelete"] => Key::VersionUndelete(kek, subject, version),
        _ => return None,
    })
}

impl Key<'_> {
    pub(super) fn verbs(self) -> &'static [Verb] {
        match self {
            Key::Keks | Key::Deks(_) => &[Verb::Get, Verb::Post],
            Key::Kek(_) => &[Verb::Get, Verb::Put, Verb::Delete],
            Key::Dek(..) => &[Verb::Get, Verb::Post, Verb::Delete],
            Key::Versions(..) => &[Verb::Get],
            Key::Version(..) => &[Verb::Get, Verb::Delete],
            Key::KekTest(_) | Key::KekUndelete(_) | Key::DekUndelete(..) | Key::VersionUndelete(..) => &[Verb::Post],
        }
    }

    pub(super) async fn answer(self, verb: Verb, deks: &DekRegistry, call: &Call) -> Replied {
        let (deleted, permanent) = (call.flag("deleted"), call.flag("permanent"));
        match (self, verb) {
            (Key::Keks, Verb::Post) => create_kek(deks, call).await,
            (Key::Keks, _) => {
                let keys = deks.keys();
                let names = keys.kek_names(&call.params("subjectPrefix"), deleted);
                Reply::json(&call.page(usize::MAX)?.of(names))
            }
            (Key::Kek(name), Verb::Put) => update_kek(deks, call, name).await,
            (Key::Kek(name), Verb::Delete) => done(deks.delete_kek(name, permanent).await),
            (Key::Kek(name), _) => Reply::json(&KekView::of(deks.keys().kek(name, deleted)?)),
            (Key::KekTest(name), _) => Reply::json(&KekView::of(&deks.test_kek(name)?)),
            (Key::KekUndelete(name), _) => done(deks.undelete_kek(name).await),
            (Key::Deks(kek), Verb::Post) => {
                let request: DekRequest = call.body("createDek.arg3")?;
                let subject = request.subject.clone().unwrap_or_default();
                create_dek(deks, kek, &subject, false, request).await
            }
            (Key::Deks(kek), _) => {
                let keys = deks.keys();
                Reply::json(&call.page(usize::MAX)?.of(keys.dek_subjects(kek, deleted)?))
            }
            (Key::Dek(kek, subject), Verb::Post) => {
                let request: DekRequest = call.body("createDekWithSubject.arg5")?;
                create_dek(deks, kek, subject, call.flag("rewrap"), request).await
            }
            (Key::Dek(kek, subject), Verb::Delete) => {
                let algorithm = algorithm(call)?;
                done(deks.delete_deks(kek, subject, None, algorithm, permanent).await)
            }
            (Key::Dek(kek, subject), _) => shown(&deks.dek(kek, subject, Some(1), algorithm(call)?, deleted)?),
            (Key::DekUndelete(kek, subject), _) => {
                let algorithm = algorithm(call)?;
                done(deks.undelete_deks(kek, subject, None, algorithm).await)
            }
            (Key::Versions(kek, subject), _) => {
                let versions = deks.keys().dek_versions(kek, subject, algorithm(call)?, deleted)?;
                Reply::json(&call.page(usize::MAX)?.of(versions))
            }
            (Key::Version(kek, subject, version), Verb::Delete) => {
                let (version, algorithm) = (number(version)?, algorithm(call)?);
                done(
                    deks.delete_deks(kek, subject, Some(version), algorithm, permanent)
                        .await,
                )
            }
            (Key::Version(kek, subject, version), _) => {
                shown(&deks.dek(kek, subject, number(version)?, algorithm(call)?, deleted)?)
            }
            (Key::VersionUndelete(kek, subject, version), _) => {
                let (version, algorithm) = (number(version)?, algorithm(call)?);
                done(deks.undelete_deks(kek, subject, Some(version), algorithm).await)
            }
        }
    }
}

fn done(outcome: Result<(), RegistryError>) -> Replied {
    outcome.map(|()| Reply::nothing(StatusCode::NO_CONTENT))
}

/// The algorithm asked for; a word that is none names nothing.
fn algorithm(call: &Call) -> Result<Option<Algorithm>, RegistryError> {
    let word = call.param("algorithm").filter(|word| !word.is_empty());
    word.map(|word| Algorithm::from_word(word).ok_or_else(not_found))
        .transpose()
}

/// A version of a path; none for the latest.
fn number(version: &str) -> Result<Option<i32>, RegistryError> {
    Ok(match Wanted::from_path(version)? {
        Wanted::Latest => None,
        Wanted::Number(number) => Some(number),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KekRequest {
    name: Option<String>,
    kms_type: Option<String>,
    kms_key_id: Option<String>,
    kms_props: Option<BTreeMap<String, String>>,
    doc: Option<String>,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    deleted: bool,
}

async fn create_kek(deks: &DekRegistry, call: &Call) -> Replied {
    let request: KekRequest = call.body("createKek.arg3")?;
    let kek = NewKek {
        name: request.name,
        kms_type: request.kms_type,
        kms_key_id: request.kms_key_id,
        kms_props: request.kms_props,
        doc: request.doc,
        shared: request.shared,
        deleted: request.deleted,
    };
    Reply::json(&KekView::of(&deks.create_kek(kek, call.flag("testSharing")).await?))
}

/// Outer `None`: not mentioned; inner `None`: mentioned as null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KekUpdate {
    #[serde(default, deserialize_with = "mentioned")]
    kms_props: Option<Option<BTreeMap<String, String>>>,
    #[serde(default, deserialize_with = "mentioned")]
    doc: Option<Option<String>>,
    #[serde(default, deserialize_with = "mentioned")]
    shared: Option<Option<bool>>,
}

fn mentioned<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

async fn update_kek(deks: &DekRegistry, call: &Call, name: &str) -> Replied {
    let request: KekUpdate = call.body("putKek.arg4")?;
    let update = UpdatedKek {
        kms_props: request.kms_props,
        doc: request.doc,
        shared: request.shared,
    };
    let updated = deks.update_kek(name, update, call.flag("testSharing")).await?;
    Reply::json(&KekView::of(&updated))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DekRequest {
    subject: Option<String>,
    version: Option<i32>,
    algorithm: Option<Algorithm>,
    encrypted_key_material: Option<String>,
    #[serde(default)]
    deleted: bool,
}

async fn create_dek(deks: &DekRegistry, kek: &str, subject: &str, rewrap: bool, request: DekRequest) -> Replied {
    let wanted = NewDek {
        version: request.version,
        algorithm: request.algorithm,
        encrypted: request.encrypted_key_material,
        deleted: request.deleted,
    };
    shown(&deks.create_dek(kek, subject, rewrap, wanted).await?)
}

/// A KEK as answers show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KekView<'a> {
    name: &'a str,
    kms_type: &'a str,
    kms_key_id: &'a str,
    kms_props: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<&'a str>,
    shared: bool,
    ts: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

impl<'a> KekView<'a> {
    fn of(kek: &'a Kek) -> KekView<'a> {
        KekView {
            name: &kek.name,
            kms_type: &kek.kms_type,
            kms_key_id: &kek.kms_key_id,
            kms_props: &kek.kms_props,
            doc: kek.doc.as_deref(),
            shared: kek.shared,
            ts: kek.ts,
            deleted: kek.deleted,
        }
    }
}

/// A DEK as answers show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DekView<'a> {
    kek_name: &'a str,
    subject: &'a str,
    version: i32,
    algorithm: Algorithm,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_key_material: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material: Option<&'a str>,
    ts: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

fn shown(shown: &ShownDek) -> Replied {
    let ShownDek { id, dek, material } = shown;
    Reply::json(&DekView {
        kek_name: &id.kek,
        subject: &id.subject,
        version: id.version,
        algorithm: id.algorithm,
        encrypted_key_material: dek.encrypted.as_deref(),
        key_material: material.as_deref(),
        ts: dek.ts,
        deleted: dek.deleted,
    })
}
