//! Creating, changing and removing associations, one resource at a time or in batches.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use uuid::Uuid;

use super::request::appears_twice;
use super::request::{BatchGet, BatchMutate, CreateOrUpdate, GetQuery, Operation, Operations, Resource, Wish};
use super::{Association, Filter, Lifecycle, frozen, invalid};
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
pub(super) struct Scratch {
    pub(super) state: Subjects,
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

pub(super) fn filter_of(resource: &Resource, kinds: &[&str]) -> Filter {
    Filter {
        resource_type: Some(resource.resource_type.clone()),
        association_types: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        lifecycle: None,
    }
}

/// The associations of the resource that changed last, of several that share a name.
pub(super) fn latest_resource(mut found: Vec<Association>) -> Vec<Association> {
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
