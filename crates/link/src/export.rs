//! What a record of the source means at the destination. Everything may be done twice: it leads to the same.
//!
//! A record that later ones have overtaken means nothing: they come as well, and what the destination has by then may be
//! what they made of it.

use std::collections::HashSet;
use std::sync::Arc;

use catalog::Registry;
use schema::RegistryError;
use schema::exporter::Mapping;
use schema::subjects::{Change, Lookup, Name, Reference, Shown, VersionRecord, Wanted};
use serde_json::{Value as Json, json};

use crate::destination::{Remote, Trouble, encode};

/// So much is remembered of what the destination has; then it is asked again.
const REMEMBERED_MAX: usize = 10_000;
/// References of references of references are followed so far.
const DEPTH_MAX: usize = 100;

const SUBJECT_NOT_FOUND: i64 = 40401;
const VERSION_NOT_FOUND: i64 = 40402;
const VERSION_SOFT_DELETED: i64 = 40406;
const VERSION_NOT_SOFT_DELETED: i64 = 40407;

pub(crate) struct Export {
    remote: Remote,
    registry: Arc<Registry>,
    mapping: Mapping,
    /// What takes schemas with their ids, as far as is remembered.
    importing: HashSet<Name>,
    /// Versions the destination has, as far as is remembered.
    present: HashSet<(Name, i32)>,
    /// Versions of the source whose deletion waits for that of others.
    owed: Vec<(Name, i32)>,
}

fn lasting(error: RegistryError) -> Trouble {
    Trouble::Lasting(error.message)
}

impl Export {
    pub(crate) async fn new(remote: Remote, registry: Arc<Registry>, mapping: Mapping) -> Result<Export, Trouble> {
        let mapping = match is_this_registry(&remote, registry.cluster_id()).await? {
            true => mapping.into_itself(),
            false => mapping,
        };
        Ok(Export {
            remote,
            registry,
            mapping,
            importing: HashSet::new(),
            present: HashSet::new(),
            owed: Vec::new(),
        })
    }

    /// Has a change happen at the destination, too; whether it concerns it.
    pub(crate) async fn take(&mut self, change: &Change) -> Result<bool, Trouble> {
        let source = match change {
            Change::Version(record) => &record.subject,
            Change::DropVersion { subject, .. } | Change::DeleteSubject { subject, .. } => subject,
            _ => return Ok(false),
        };
        let Some(target) = self.mapping.target(source).map_err(lasting)? else {
            return Ok(false);
        };
        match change {
            Change::DropVersion { subject, version } => {
                let dropped = self.drop_version(subject, *version, &target).await;
                self.owe(subject, *version, dropped)?;
            }
            Change::DeleteSubject { subject, version } => self.delete_up_to(subject, *version, &target).await?,
            _ if !self.is_current(change) => return Ok(false),
            Change::Version(record) if record.deleted => {
                let withdrawn = self.withdraw(record, &target).await;
                self.owe(&record.subject, record.version, withdrawn)?;
            }
            Change::Version(record) => self.bring(record, &target, 0).await?,
            _ => {}
        }
        Ok(true)
    }

    /// Whether the source is still as a change says. The registry must have shown that change.
    pub(crate) fn is_current(&self, change: &Change) -> bool {
        match change {
            Change::Version(record) => {
                let found = self.version(&record.subject, record.version);
                found.is_some_and(|(found, deleted)| found.schema.id == record.id && deleted == record.deleted)
            }
            Change::DropVersion { subject, version } => self.version(subject, *version).is_none(),
            _ => true,
        }
    }

    /// Remembers a deletion that something at the destination is in the way of: it may have to go, too, by what comes next.
    fn owe(&mut self, source: &Name, version: i32, outcome: Result<(), Trouble>) -> Result<(), Trouble> {
        match outcome {
            Err(Trouble::Referenced(why)) if self.owed.len() >= REMEMBERED_MAX => Err(Trouble::Lasting(why)),
            Err(Trouble::Referenced(_)) => {
                self.owed.push((source.clone(), version));
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Whether deletions are still to be made.
    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Makes the deletions that were in each other's way, once there is nothing more to take in.
    pub(crate) async fn settle(&mut self) -> Result<(), Trouble> {
        while self.owes() {
            let before = self.owed.len();
            let mut refused = None;
            let mut left = std::mem::take(&mut self.owed).into_iter();
            while let Some((source, version)) = left.next() {
                match self.settle_one(&source, version).await {
                    Ok(()) => {}
                    Err(Trouble::Referenced(why)) => {
                        refused = Some(why);
                        self.owed.push((source, version));
                    }
                    Err(trouble) => {
                        self.owed.push((source, version));
                        self.owed.extend(left);
                        return Err(trouble);
                    }
                }
            }
            if let Some(why) = refused.filter(|_| self.owed.len() == before) {
                return Err(Trouble::Lasting(why));
            }
        }
        Ok(())
    }

    async fn settle_one(&mut self, source: &Name, version: i32) -> Result<(), Trouble> {
        let Some(target) = self.mapping.target(source).map_err(lasting)? else {
            return Ok(());
        };
        match self.version(source, version) {
            None => self.drop_version(source, version, &target).await,
            Some((found, true)) => self.withdraw(&record_of(found), &target).await,
            Some((_, false)) => Ok(()),
        }
    }

    /// A version of the source as it is now, and whether it is soft-deleted.
    fn version(&self, subject: &Name, version: i32) -> Option<(Lookup, bool)> {
        let wanted = Wanted::Number(version);
        let found = self.registry.state().version_here(subject, wanted, true)?;
        let deleted = found.kept.is_some_and(|kept| kept.deleted);
        Some((found, deleted))
    }

    /// Registers a version with its id and number, and before it what it refers to.
    async fn bring(&mut self, record: &VersionRecord, target: &Name, depth: usize) -> Result<(), Trouble> {
        if depth > DEPTH_MAX {
            let source = &record.subject;
            let message = format!("the references of subject '{source}' go more than {DEPTH_MAX} deep");
            return Err(Trouble::Lasting(message));
        }
        self.have_import(target).await?;
        for reference in &record.references {
            Box::pin(self.have_reference(&record.subject, reference, depth)).await?;
        }
        let references = self.mapping.references(&record.subject, &record.references);
        let body = json!({
            "schemaType": record.schema_type.word(),
            "schema": record.schema,
            "references": references,
            "metadata": record.metadata,
            "ruleSet": record.rule_set,
            "id": record.id,
            "version": record.version,
        });
        let path = format!("/subjects/{}/versions", encode(target));
        let answer = self.remote.post(&path, &body).await?.success()?;
        let same = |field: &str, wanted: i32| answer.get(field).is_none_or(|given| *given == json!(wanted));
        if !same("id", record.id) || !same("version", record.version) {
            let (id, version) = (record.id, record.version);
            let message = format!("'{target}' version {version} with id {id} was taken as something else: {answer}");
            return Err(Trouble::Lasting(message));
        }
        self.remember(target, record.version);
        Ok(())
    }

    fn remember(&mut self, target: &Name, version: i32) {
        if self.present.len() >= REMEMBERED_MAX {
            self.present.clear();
        }
        self.present.insert((target.clone(), version));
    }

    /// What is referred to is there, whether the exporter was told to take it or not.
    async fn have_reference(&mut self, from: &Name, reference: &Reference, depth: usize) -> Result<(), Trouble> {
        let source = from.relative(&reference.subject);
        let wanted = match reference.version {
            version if version > 0 => Wanted::Number(version),
            _ => Wanted::Latest,
        };
        let found = self.registry.state().version_here(&source, wanted, true);
        let version = found.as_ref().map_or(reference.version, |found| found.version);
        let target = self.mapping.name_of(&source);
        if self.present.contains(&(target.clone(), version)) {
            return Ok(());
        }
        let path = format!("/subjects/{}/versions/{version}?deleted=true", encode(&target));
        let answer = self.remote.get(&path).await?;
        if answer.status != 404 {
            answer.success()?;
            self.remember(&target, version);
            return Ok(());
        }
        // It may be so new that it is not shown here yet.
        let missing = || {
            Trouble::Passing(format!(
                "'{from}' refers to '{source}' version {version}, which is not here"
            ))
        };
        let record = record_of(found.ok_or_else(missing)?);
        self.bring(&record, &target, depth + 1).await
    }

    /// Puts the target into the mode in which schemas come with their ids, unless it is in it.
    async fn have_import(&mut self, target: &Name) -> Result<(), Trouble> {
        let scope = self.mapping.import_scope(target);
        if self.importing.contains(&scope) {
            return Ok(());
        }
        let path = format!("/mode/{}", encode(&scope));
        let mode = self
            .remote
            .get(&format!("{path}?defaultToGlobal=true"))
            .await?
            .success()?;
        if !matches!(mode["mode"].as_str(), Some("IMPORT" | "FORWARD")) {
            self.remote.put(&path, &json!({"mode": "IMPORT"})).await?.success()?;
        }
        if self.importing.len() >= REMEMBERED_MAX {
            self.importing.clear();
        }
        self.importing.insert(scope);
        Ok(())
    }

    /// Soft-deletes a version, which the destination may not even have: its id is to be known there.
    async fn withdraw(&mut self, record: &VersionRecord, target: &Name) -> Result<(), Trouble> {
        let path = version_path(target, record.version);
        let answer = self.remote.delete(&path).await?;
        match answer.code() {
            VERSION_SOFT_DELETED => Ok(()),
            SUBJECT_NOT_FOUND | VERSION_NOT_FOUND => {
                self.bring(record, target, 0).await?;
                self.remote.delete(&path).await?.success().map(drop)
            }
            _ => answer.success().map(drop),
        }
    }

    /// Deletes a version for good, unless the destination has already what took its number since.
    async fn drop_version(&mut self, source: &Name, version: i32, target: &Name) -> Result<(), Trouble> {
        let path = version_path(target, version);
        let successor = self.version(source, version).map(|(found, _)| found.schema.id);
        if let Some(id) = successor {
            let there = self.remote.get(&format!("{path}?deleted=true")).await?;
            if !there.is_success() || there.body["id"] == id {
                return Ok(());
            }
        }
        self.present.remove(&(target.clone(), version));
        // With the last version the subject's mode goes.
        self.importing.remove(target);
        let permanently = format!("{path}?permanent=true");
        let answer = self.remote.delete(&permanently).await?;
        match answer.code() {
            VERSION_NOT_SOFT_DELETED => {
                self.remote.delete(&path).await?.success()?;
                self.remote.delete(&permanently).await?.success().map(drop)
            }
            SUBJECT_NOT_FOUND | VERSION_NOT_FOUND => Ok(()),
            _ => answer.success().map(drop),
        }
    }

    /// Soft-deletes what a subject had when it was deleted, if it still is.
    async fn delete_up_to(&mut self, source: &Name, version: i32, target: &Name) -> Result<(), Trouble> {
        let numbers = self.registry.state().version_numbers(source, Shown::DeletedOnly, true);
        // From the newest on, for versions that refer to earlier ones.
        for number in numbers.unwrap_or_default().into_iter().rev() {
            let found = self.version(source, number).filter(|_| number <= version);
            if let Some((found, true)) = found {
                let withdrawn = self.withdraw(&record_of(found), target).await;
                self.owe(source, number, withdrawn)?;
            }
        }
        Ok(())
    }
}

fn version_path(target: &Name, version: i32) -> String {
    format!("/subjects/{}/versions/{version}", encode(target))
}

fn record_of(found: Lookup) -> VersionRecord {
    let stored = &found.schema;
    VersionRecord {
        version: found.version,
        id: stored.id,
        md5: None,
        schema_type: stored.schema_type,
        references: stored.references.clone(),
        metadata: stored.metadata.clone(),
        rule_set: stored.rule_set.clone(),
        schema: stored.text.clone(),
        deleted: false,
        subject: found.subject,
    }
}

/// Whether the destination is the registry that exports. Confluent's own on this cluster is another one.
async fn is_this_registry(remote: &Remote, cluster_id: &str) -> Result<bool, Trouble> {
    let id = remote.get("/v1/metadata/id").await?.body;
    let cluster = id.pointer("/scope/clusters/kafka-cluster").and_then(Json::as_str);
    if cluster != Some(cluster_id) {
        return Ok(false);
    }
    let version = remote.get("/v1/metadata/version").await?.body;
    Ok(version["commitId"] == "rivulet")
}
