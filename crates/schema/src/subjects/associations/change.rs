//! Creating, changing and removing associations, one resource at a time or in batches.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use uuid::Uuid;

use super::request::{BatchGet, BatchMutate, CreateOrUpdate, GetQuery, Operation, Operations, Resource, Wish};
use super::request::{appears_twice, own_subject, unfit_frozen};
use super::{Association, Filter, Lifecycle, exists_for_resource, exists_for_subject, frozen, invalid};
use super::{no_active_version, strong_exists};
use crate::RegistryError;
use crate::subjects::record::Change;
use crate::subjects::{Lookup, Mode, Name, Outcome, Subjects, Wanted};

/// What a resource's associations are after a request, with the schemas it registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    pub resource_name: Option<String>,
    pub resource_namespace: Option<String>,
    pub resource_id: Option<String>,
    pub resource_type: String,
    pub associations: Vec<Association>,
    /// By association type.
    pub schemas: BTreeMap<String, Lookup>,
}

/// What became of one request of a batch.
pub type BatchResult = Result<Applied, RegistryError>;

/// Requests of a batch see what those before them changed.
struct Scratch {
    state: Subjects,
    changes: Vec<Change>,
    now_ms: i64,
}

impl Scratch {
    fn of(state: &Subjects, now_ms: i64) -> Scratch {
        Scratch {
            state: state.clone(),
            changes: Vec::new(),
            now_ms,
        }
    }

    fn take<T>(&mut self, outcome: Outcome<T>) -> T {
        for change in outcome.changes {
            self.state.apply(change.clone(), self.now_ms);
            self.changes.push(change);
        }
        outcome.answer
    }
}

fn filter_of(resource: &Resource, kinds: &[&str]) -> Filter {
    Filter {
        resource_type: Some(resource.resource_type.clone()),
        association_types: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        lifecycle: None,
    }
}

/// The associations of the resource that changed last, of several that share a name.
fn latest_resource(mut found: Vec<Association>) -> Vec<Association> {
    let latest = found
        .iter()
        .max_by_key(|one| (one.updated_ms, one.created_ms, one.resource_id.clone()));
    if let Some(id) = latest.map(|one| one.resource_id.clone()) {
        found.retain(|one| one.resource_id == id);
    }
    found
}

impl Subjects {
    /// Creates the associations of a resource (or, without `is_create`, creates and changes them), and registers the
    /// schemas that come along.
    pub fn create_or_update(
        &self,
        context: &str,
        dry_run: bool,
        request: &CreateOrUpdate,
        is_create: bool,
        now_ms: i64,
    ) -> Result<Outcome<Applied>, RegistryError> {
        let (resource, wishes) = request.checked(is_create, dry_run)?;
        let mut scratch = Scratch::of(self, now_ms);
        let applied = scratch.create_or_update(context, dry_run, &resource, wishes, is_create)?;
        Ok(Outcome {
            answer: applied,
            changes: scratch.changes,
        })
    }

    /// Removes associations of a resource; with `cascade` strong ones take their subjects along.
    pub fn delete_associations(
        &self,
        resource_id: &str,
        filter: &Filter,
        cascade: bool,
        dry_run: bool,
        now_ms: i64,
    ) -> Result<Outcome<()>, RegistryError> {
        if self.associations.by_resource_id(resource_id, filter).is_empty() {
            let message = format!("Association for '{resource_id}' not found.");
            return Err(RegistryError::new(40410, message));
        }
        let mut scratch = Scratch::of(self, now_ms);
        scratch.delete(resource_id, filter, cascade, dry_run)?;
        Ok(Outcome {
            answer: (),
            changes: scratch.changes,
        })
    }

    /// Applies a batch; each request stands or falls by itself.
    pub fn mutate_associations(
        &self,
        context: &str,
        dry_run: bool,
        batch: &BatchMutate,
        now_ms: i64,
    ) -> Result<Outcome<Vec<BatchResult>>, RegistryError> {
        if batch.requests.is_empty() {
            return Err(invalid("requests", "cannot be null or empty"));
        }
        let mut scratch = Scratch::of(self, now_ms);
        let results = batch.requests.iter().map(|one| scratch.operate(context, dry_run, one));
        let answer = results.collect();
        Ok(Outcome {
            answer,
            changes: scratch.changes,
        })
    }

    /// Answers a batch of questions, with the latest schemas of the subjects if these are wanted.
    pub fn batch_get(&self, with_schemas: bool, batch: &BatchGet) -> Result<Vec<BatchResult>, RegistryError> {
        if batch.requests.is_empty() {
            return Err(invalid("requests", "cannot be null or empty"));
        }
        let one = |query: &GetQuery| {
            query.check()?;
            Ok(self.answer(with_schemas, query))
        };
        Ok(batch.requests.iter().map(one).collect())
    }

    fn answer(&self, with_schemas: bool, query: &GetQuery) -> Applied {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let resource_type = given(&query.resource_type).unwrap_or_else(|| "topic".to_owned());
        let filter = Filter {
            resource_type: Some(resource_type.clone()),
            association_types: query.association_types.clone(),
            lifecycle: query.lifecycle,
        };
        let associations = match given(&query.resource_id) {
            Some(id) => self.associations.by_resource_id(&id, &filter),
            None => {
                let namespace = query.resource_namespace.as_deref().unwrap_or_default();
                let name = query.resource_name.as_deref().unwrap_or_default();
                self.associations.by_resource_name(namespace, name, &filter)
            }
        };
        let first = associations.first();
        let from_first = |text: &Option<String>, of: fn(&Association) -> &String| {
            text.clone()
                .or_else(|| first.map(|association| of(association).clone()))
        };
        let latest = |association: &Association| {
            let found = self.version_here(&association.subject, Wanted::Latest, false)?;
            Some((association.association_type.clone(), found))
        };
        let schemas = associations
            .iter()
            .filter(|_| with_schemas)
            .filter_map(latest)
            .collect();
        Applied {
            resource_name: from_first(&query.resource_name, |one| &one.resource_name),
            resource_namespace: from_first(&query.resource_namespace, |one| &one.resource_namespace),
            resource_id: from_first(&query.resource_id, |one| &one.resource_id),
            resource_type,
            associations,
            schemas,
        }
    }
}

impl Scratch {
    fn operate(&mut self, context: &str, dry_run: bool, request: &Operations) -> BatchResult {
        // What fails half-way leaves nothing behind.
        let before = (self.state.clone(), self.changes.len());
        let result = self.operate_all(context, dry_run, request);
        if result.is_err() {
            self.state = before.0;
            self.changes.truncate(before.1);
        }
        result
    }

    fn operate_all(&mut self, context: &str, dry_run: bool, request: &Operations) -> BatchResult {
        let (resource, operations) = request.checked(dry_run)?;
        let mut schemas = BTreeMap::new();
        let mut operations = operations.into_iter().peekable();
        while let Some(operation) = operations.next() {
            let (is_create, first) = match operation {
                Operation::Create(wish) => (true, wish),
                Operation::Upsert(wish) => (false, wish),
                Operation::Delete(removal) => {
                    let kind = removal.association_type.unwrap_or_default();
                    let filter = filter_of(&resource, &[&kind]);
                    let id = resource.id.clone().unwrap_or_default();
                    let cascade = removal.cascade_lifecycle == Some(true);
                    self.delete(&id, &filter, cascade, dry_run)?;
                    continue;
                }
            };
            // Neighbours of one kind are applied together: they may turn a whole resource from weak to strong.
            let mut run = vec![first];
            while let Some(next) = operations.next_if(|next| match next {
                Operation::Create(_) => is_create,
                Operation::Upsert(_) => !is_create,
                Operation::Delete(_) => false,
            }) {
                if let Operation::Create(wish) | Operation::Upsert(wish) = next {
                    run.push(wish);
                }
            }
            let applied = self.create_or_update(context, dry_run, &resource, run, is_create)?;
            schemas.extend(applied.schemas);
        }
        let associations = match &resource.id {
            Some(id) if !dry_run => self.state.associations.by_resource_id(id, &filter_of(&resource, &[])),
            _ => Vec::new(),
        };
        Ok(applied(&resource, associations, schemas))
    }

    fn create_or_update(
        &mut self,
        context: &str,
        dry_run: bool,
        resource: &Resource,
        mut wishes: Vec<Wish>,
        is_create: bool,
    ) -> Result<Applied, RegistryError> {
        for wish in &mut wishes {
            self.place(context, wish)?;
        }
        let mut kinds: Vec<&str> = Vec::new();
        for wish in &wishes {
            if kinds.contains(&wish.kind()) {
                return Err(appears_twice(wish.kind()));
            }
            kinds.push(wish.kind());
        }
        let old = self.existing(resource, &kinds, is_create && dry_run);
        let mut kept: Vec<bool> = Vec::new();
        for wish in &mut wishes {
            let old = old.iter().find(|one| one.association_type == wish.kind());
            kept.push(self.settle(resource, wish, old, is_create)?);
        }
        self.check_uniform(resource, &wishes)?;
        for wish in &wishes {
            let old = old.iter().find(|one| one.association_type == wish.kind());
            self.check_subject(wish, old, &wishes)?;
        }
        let schemas = self.register_all(&wishes, dry_run)?;
        if dry_run {
            return Ok(applied(resource, Vec::new(), BTreeMap::new()));
        }
        let mut written = Vec::new();
        for (wish, _) in wishes.iter().zip(&kept).filter(|(_, kept)| !**kept) {
            let old = old.iter().find(|one| one.association_type == wish.kind());
            let association = self.association(resource, wish, old);
            self.take(Outcome {
                answer: (),
                changes: vec![Change::Association {
                    key: association.key(),
                    association: Some(Box::new(association.clone())),
                }],
            });
            written.push(association);
        }
        Ok(applied(resource, written, schemas))
    }

    /// Follows contexts and aliases to the subject a wish means.
    fn place(&self, context: &str, wish: &mut Wish) -> Result<(), RegistryError> {
        let Some(subject) = &wish.subject else {
            return Ok(());
        };
        let qualified = if context.is_empty() || subject.starts_with(":.") {
            Name::parse(subject)
        } else {
            Name::parse(&format!("{context}{subject}"))
        };
        let name = self.state.alias_of(&qualified).unwrap_or(qualified);
        self.state.check_writable(&name).map_err(|_| {
            let Name { context, subject } = &name;
            RegistryError::not_permitted(format!("Subject {subject} in context {context} is in read-only mode"))
        })?;
        wish.subject = Some(name.to_string());
        Ok(())
    }

    fn existing(&self, resource: &Resource, kinds: &[&str], by_name: bool) -> Vec<Association> {
        let filter = filter_of(resource, kinds);
        match &resource.id {
            Some(id) => self.state.associations.by_resource_id(id, &filter),
            None if by_name => {
                let found = &self.state.associations;
                latest_resource(found.by_resource_name(&resource.namespace, &resource.name, &filter))
            }
            None => Vec::new(),
        }
    }

    /// Decides what a wish comes to; true if the association is there already as wished.
    fn settle(
        &self,
        resource: &Resource,
        wish: &mut Wish,
        old: Option<&Association>,
        is_create: bool,
    ) -> Result<bool, RegistryError> {
        if old.is_none() && !is_create {
            wish.apply_defaults(false)?;
        }
        let own = own_subject(&resource.namespace, &resource.name, wish.kind());
        let subject = match (&wish.subject, old) {
            (Some(subject), _) => subject.clone(),
            (None, Some(old)) => old.subject.to_string(),
            (None, None) if wish.lifecycle == Some(Lifecycle::Strong) => own.clone(),
            (None, None) => return Err(invalid("subject", "must be provided for WEAK associations")),
        };
        wish.subject = Some(subject.clone());
        let name = Name::parse(&subject);
        let lifecycle = wish.lifecycle.or_else(|| old.map(|old| old.lifecycle));
        let lifecycle = lifecycle.ok_or_else(|| invalid("lifecycle", "lifecycle must be set"))?;
        if lifecycle == Lifecycle::Weak {
            if wish.schema.is_some() {
                return Err(invalid("lifecycle", "cannot be WEAK when schema is provided"));
            }
            if subject == own {
                return Err(invalid(
                    "subject",
                    format!("WEAK associations cannot use subject '{own}'"),
                ));
            }
        }
        let is_frozen = old.map_or(wish.frozen == Some(true), |old| old.frozen);
        let wanted = wish.frozen.unwrap_or(is_frozen);
        if wanted != (lifecycle == Lifecycle::Strong) {
            return Err(unfit_frozen(lifecycle, wanted));
        }
        if is_frozen && subject != own {
            return Err(invalid(
                "subject",
                format!("frozen associations must use subject '{own}'"),
            ));
        }
        let Some(old) = old else {
            self.check_new(wish, &name, lifecycle, is_create)?;
            return Ok(false);
        };
        let is_same = old.subject == name
            && wish.lifecycle.is_none_or(|wanted| wanted == old.lifecycle)
            && wish.frozen.is_none_or(|wanted| wanted == old.frozen);
        if is_same {
            if is_create && wish.schema.is_some() && !self.is_registered(wish, &name)? {
                return Err(exists_for_resource(&old.association_type, &old.resource_name));
            }
            return Ok(true);
        }
        if is_create {
            return Err(exists_for_resource(&old.association_type, &old.resource_name));
        }
        if wish.lifecycle.is_none() && wish.schema.is_none() {
            let detail = "at least lifecycle or schema must be provided for update";
            return Err(invalid("lifecycle", detail));
        }
        if old.subject != name {
            let old = &old.subject;
            let detail = format!("subject of association cannot be changed from '{old}' to '{subject}'");
            return Err(invalid("subject", detail));
        }
        if old.lifecycle == Lifecycle::Strong && wish.lifecycle == Some(Lifecycle::Weak) && subject == own {
            let detail = format!("cannot change to WEAK when subject matches default format '{own}'");
            return Err(invalid("lifecycle", detail));
        }
        if wish.frozen.is_some_and(|wanted| wanted != old.frozen) {
            return Err(invalid("frozen", "frozen attribute of association cannot be changed"));
        }
        if old.frozen {
            return Err(frozen(old));
        }
        Ok(false)
    }

    fn check_new(&self, wish: &Wish, name: &Name, lifecycle: Lifecycle, is_create: bool) -> Result<(), RegistryError> {
        let is_import = self.state.mode_in_scope(name) == Mode::Import;
        if is_import {
            return Ok(());
        }
        if !is_create && lifecycle == Lifecycle::Strong {
            let detail = "cannot be STRONG when creating an association; \
                          STRONG associations must be created with the topic";
            return Err(invalid("lifecycle", detail));
        }
        if wish.frozen != Some(true) {
            return Ok(());
        }
        if is_create && wish.schema.is_none() {
            let detail = "schema must be provided when creating a frozen association";
            return Err(invalid("schema", detail));
        }
        let Some(latest) = self.state.version_here(name, Wanted::Latest, false) else {
            return Ok(());
        };
        if wish.schema.is_none() || latest.version != 1 || !self.is_registered(wish, name)? {
            let detail = "cannot create a frozen association when schemas already exist in the subject";
            return Err(invalid("frozen", detail));
        }
        Ok(())
    }

    /// Whether the schema that comes with a wish is the subject's already.
    fn is_registered(&self, wish: &Wish, name: &Name) -> Result<bool, RegistryError> {
        let Some(schema) = wish.schema.clone() else {
            return Ok(false);
        };
        let request = self.state.with_tags(name, &schema.registration()?)?;
        match self.state.look_up(name, &request, wish.normalize == Some(true), false) {
            Ok(found) => Ok(found.subject == *name),
            Err(error) if error.status() == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A topic's associations are all strong or all weak.
    fn check_uniform(&self, resource: &Resource, wishes: &[Wish]) -> Result<(), RegistryError> {
        let filter = filter_of(resource, &[]);
        let found = &self.state.associations;
        let existing = match &resource.id {
            Some(id) => found.by_resource_id(id, &filter),
            None => latest_resource(found.by_resource_name(&resource.namespace, &resource.name, &filter)),
        };
        let mut lives: Vec<(String, Lifecycle)> = existing
            .into_iter()
            .map(|one| (one.association_type, one.lifecycle))
            .collect();
        for wish in wishes {
            let Some(lifecycle) = wish.lifecycle else {
                continue;
            };
            match lives.iter_mut().find(|(kind, _)| kind == wish.kind()) {
                Some(known) => known.1 = lifecycle,
                None => lives.push((wish.kind().to_owned(), lifecycle)),
            }
        }
        if lives.windows(2).all(|pair| pair[0].1 == pair[1].1) {
            return Ok(());
        }
        let shown: Vec<String> = lives
            .iter()
            .map(|(kind, lifecycle)| format!("{kind}={}", lifecycle.word()))
            .collect();
        let detail = format!(
            "all associations for a resource must have the same lifecycle, but got {}",
            shown.join(", ")
        );
        Err(invalid("lifecycle", detail))
    }

    fn check_subject(&self, wish: &Wish, old: Option<&Association>, wishes: &[Wish]) -> Result<(), RegistryError> {
        let subject = wish.subject.as_deref().unwrap_or_default();
        let name = Name::parse(subject);
        if wish.schema.is_some() && self.state.mode_in_scope(&name) == Mode::Import {
            let detail = format!("cannot be provided while subject '{subject}' is in IMPORT mode");
            return Err(invalid("schema", detail));
        }
        if wish.schema.is_none() && self.state.version_here(&name, Wanted::Latest, false).is_none() {
            return Err(no_active_version(subject));
        }
        let is_other = |one: &Association| {
            old.is_none_or(|old| {
                one.resource_id != old.resource_id
                    || one.resource_type != old.resource_type
                    || one.association_type != old.association_type
            })
        };
        let mut others = self.state.associations.of_subject(&name);
        others.retain(is_other);
        let lifecycle = wish.lifecycle.or_else(|| old.map(|old| old.lifecycle));
        match lifecycle.ok_or_else(|| invalid("lifecycle", "lifecycle must be set"))? {
            Lifecycle::Strong => {
                if !others.is_empty() {
                    return Err(exists_for_subject(subject));
                }
                if self.is_referenced(&name) || refers(wishes, &name) {
                    return Err(RegistryError::reference_exists(subject));
                }
            }
            Lifecycle::Weak => {
                if wish.frozen == Some(true) {
                    return Err(invalid("frozen", "association with lifecycle of WEAK cannot be frozen"));
                }
                if others.iter().any(|one| one.lifecycle == Lifecycle::Strong) {
                    return Err(strong_exists(subject));
                }
            }
        }
        Ok(())
    }

    fn is_referenced(&self, name: &Name) -> bool {
        let versions = self.state.subjects.get(name);
        let mut versions = versions.into_iter().flat_map(|versions| &versions.0);
        versions.any(|version| !self.state.referrers(name, version.number, true).is_empty())
    }

    /// Registers the schemas that come with wishes, or only checks whether they fit.
    fn register_all(&mut self, wishes: &[Wish], dry_run: bool) -> Result<BTreeMap<String, Lookup>, RegistryError> {
        let mut requests = Vec::new();
        for wish in wishes {
            let (Some(schema), Some(subject)) = (wish.schema.clone(), wish.subject.clone()) else {
                continue;
            };
            let request = schema.registration()?;
            let name = Name::parse(&subject);
            let normalize = wish.normalize == Some(true);
            let messages = self.state.compatibility(&name, &request, None, normalize)?;
            if !messages.is_empty() {
                return Err(RegistryError::new(40901, format!("[{}]", messages.join(", "))));
            }
            requests.push((wish.kind().to_owned(), subject, request, normalize));
        }
        let mut schemas = BTreeMap::new();
        for (kind, subject, request, normalize) in requests.into_iter().filter(|_| !dry_run) {
            let name = Name::parse(&subject);
            let request = self.state.with_tags(&name, &request)?;
            let outcome = self.state.register_as(&name, request, normalize, false)?;
            schemas.insert(kind, self.take(outcome));
        }
        Ok(schemas)
    }

    fn association(&self, resource: &Resource, wish: &Wish, old: Option<&Association>) -> Association {
        let lifecycle = wish.lifecycle.or_else(|| old.map(|old| old.lifecycle));
        let lifecycle = lifecycle.unwrap_or(Lifecycle::Weak);
        if let Some(old) = old {
            return Association {
                lifecycle,
                frozen: wish.frozen.unwrap_or(old.frozen),
                ..old.clone()
            };
        }
        let subject = Name::parse(wish.subject.as_deref().unwrap_or_default());
        let resource_id = resource.id.clone().unwrap_or_default();
        let mut hash = Md5::new();
        for part in [&resource.namespace, &resource.name, &resource_id, wish.kind()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(subject.to_string().as_bytes());
        hash.update(self.now_ms.to_be_bytes());
        let mut guid: [u8; 16] = hash.finalize().into();
        // The version and variant of a UUID made from a hash.
        guid[6] = (guid[6] & 0x0f) | 0x30;
        guid[8] = (guid[8] & 0x3f) | 0x80;
        Association {
            subject,
            guid: Uuid::from_bytes(guid).to_string(),
            resource_name: resource.name.clone(),
            resource_namespace: resource.namespace.clone(),
            resource_id,
            resource_type: resource.resource_type.clone(),
            association_type: wish.kind().to_owned(),
            lifecycle,
            frozen: wish.frozen == Some(true),
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
        }
    }

    fn delete(
        &mut self,
        resource_id: &str,
        filter: &Filter,
        cascade: bool,
        dry_run: bool,
    ) -> Result<(), RegistryError> {
        let found = self.state.associations.by_resource_id(resource_id, filter);
        for one in &found {
            self.state.check_writable(&one.subject).map_err(|_| {
                let Name { context, subject } = &one.subject;
                RegistryError::not_permitted(format!("Subject {subject} in context {context} is in read-only mode"))
            })?;
            if !cascade && one.frozen {
                return Err(frozen(one));
            }
        }
        for one in found.into_iter().filter(|_| !dry_run) {
            self.take(Outcome {
                answer: (),
                changes: vec![Change::Association {
                    key: one.key(),
                    association: None,
                }],
            });
            let is_import = self.state.mode_in_scope(&one.subject) == Mode::Import;
            if is_import || !cascade || one.lifecycle != Lifecycle::Strong {
                continue;
            }
            for permanent in [false, true] {
                let outcome = self.state.delete_subject(&one.subject, permanent)?;
                self.take(outcome);
            }
        }
        Ok(())
    }
}

/// Whether a schema that comes with the same request refers to a subject.
fn refers(wishes: &[Wish], target: &Name) -> bool {
    wishes.iter().any(|wish| {
        let (Some(schema), Some(subject)) = (&wish.schema, &wish.subject) else {
            return false;
        };
        let referrer = Name::parse(subject);
        schema
            .referred_subjects()
            .any(|subject| referrer.relative(subject) == *target)
    })
}

fn applied(resource: &Resource, associations: Vec<Association>, schemas: BTreeMap<String, Lookup>) -> Applied {
    Applied {
        resource_name: Some(resource.name.clone()),
        resource_namespace: Some(resource.namespace.clone()),
        resource_id: resource.id.clone(),
        resource_type: resource.resource_type.clone(),
        associations,
        schemas,
    }
}
