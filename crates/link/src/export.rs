//! What a record of the source means at the destination. Everything may be done twice: it leads to the same.

use std::collections::HashSet;
use std::sync::Arc;

use catalog::Registry;
use schema::RegistryError;
use schema::exporter::Mapping;
use schema::subjects::{Change, Lookup, Name, Reference, VersionRecord, Wanted};
use serde_json::{Value as Json, json};

use crate::destination::{Remote, Trouble, encode};

/// So much is remembered of what the destination has; then it is asked again.
const REMEMBERED_MAX: usize = 10_000;
/// References of references of references are followed so far.
const DEPTH_MAX: usize = 100;

const SUBJECT_NOT_FOUND: i64 = 40401;
const VERSION_NOT_FOUND: i64 = 40402;
const SUBJECT_SOFT_DELETED: i64 = 40404;
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
            Change::Version(record) if record.deleted => self.withdraw(record, &target).await?,
            Change::Version(record) => self.bring(record, &target, 0).await?,
            Change::DropVersion { version, .. } => self.drop_version(&target, *version).await?,
            Change::DeleteSubject { version, .. } => self.delete_up_to(&target, *version).await?,
            _ => {}
        }
        Ok(true)
    }

    /// Whether the source no longer has what a change is about, so that the destination need not have it either.
    pub(crate) fn is_gone(&self, change: &Change) -> bool {
        let Change::Version(record) = change else {
            return false;
        };
        let wanted = Wanted::Number(record.version);
        self.registry
            .state()
            .version_here(&record.subject, wanted, true)
            .is_none()
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

    async fn drop_version(&mut self, target: &Name, version: i32) -> Result<(), Trouble> {
        self.present.remove(&(target.clone(), version));
        // With the last version the subject's mode goes.
        self.importing.remove(target);
        let path = version_path(target, version);
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

    /// Soft-deletes what a subject had when it was deleted; a later version stays.
    async fn delete_up_to(&mut self, target: &Name, version: i32) -> Result<(), Trouble> {
        let path = format!("/subjects/{}", encode(target));
        let answer = self.remote.get(&format!("{path}/versions")).await?;
        if answer.code() == SUBJECT_NOT_FOUND {
            return Ok(());
        }
        let live = answer.success()?;
        let live = live.as_array().into_iter().flatten().filter_map(Json::as_i64);
        let (old, new): (Vec<i64>, Vec<i64>) = live.partition(|number| *number <= i64::from(version));
        if new.is_empty() {
            let answer = self.remote.delete(&path).await?;
            return match answer.code() {
                SUBJECT_NOT_FOUND | SUBJECT_SOFT_DELETED => Ok(()),
                _ => answer.success().map(drop),
            };
        }
        for number in old.into_iter().rev() {
            self.remote
                .delete(&format!("{path}/versions/{number}"))
                .await?
                .success()?;
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
