//! Requests about associations: their bodies, and what is wrong with them by themselves.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Lifecycle, invalid};
use crate::RegistryError;
use crate::subjects::lenient;
use crate::subjects::requests::SchemaRequest;

const TOPIC: &str = "topic";
const NAME_CHARS_MAX: usize = 256;

/// The body that creates or changes associations of one resource.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CreateOrUpdate {
    #[serde(deserialize_with = "lenient::text")]
    pub resource_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub resource_namespace: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub resource_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub resource_type: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub associations: Vec<Wish>,
}

/// One association of a request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Wish {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) subject: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) association_type: Option<String>,
    pub(super) lifecycle: Option<Lifecycle>,
    #[serde(deserialize_with = "lenient::flag")]
    pub(super) frozen: Option<bool>,
    pub(super) schema: Option<SchemaRequest>,
    #[serde(deserialize_with = "lenient::flag")]
    pub(super) normalize: Option<bool>,
}

/// A batch of changes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BatchMutate {
    #[serde(deserialize_with = "lenient::or_default")]
    pub requests: Vec<Operations>,
}

/// The changes of a batch to one resource.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Operations {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_namespace: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_type: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub(super) associations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "opType", rename_all = "UPPERCASE")]
pub(super) enum Operation {
    Create(Wish),
    Upsert(Wish),
    Delete(Removal),
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Removal {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) association_type: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    pub(super) cascade_lifecycle: Option<bool>,
}

/// A batch of questions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BatchGet {
    #[serde(deserialize_with = "lenient::or_default")]
    pub requests: Vec<GetQuery>,
}

/// A question for associations of one resource.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GetQuery {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_namespace: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) resource_type: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub(super) association_types: Vec<String>,
    pub(super) lifecycle: Option<Lifecycle>,
}

fn check_name(name: Option<&str>, property: &str) -> Result<String, RegistryError> {
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid(property, "cannot be null or empty"))?;
    if name.encode_utf16().count() > NAME_CHARS_MAX {
        return Err(invalid(property, format!("exceeds max length of {NAME_CHARS_MAX}")));
    }
    match name.chars().find(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-')) {
        Some(wrong) => Err(invalid(property, format!("illegal character '{wrong}'"))),
        None => Ok(name.to_owned()),
    }
}

fn check_subject(subject: Option<&str>) -> Result<(), RegistryError> {
    match subject {
        Some(subject) if subject.is_empty() || subject.chars().any(char::is_control) => {
            Err(invalid("subject", "must not be empty"))
        }
        _ => Ok(()),
    }
}

fn check_type(association_type: &mut Option<String>) -> Result<(), RegistryError> {
    match association_type.as_deref() {
        Some("key" | "value") => Ok(()),
        None | Some("") => {
            *association_type = Some("value".to_owned());
            Ok(())
        }
        Some(_) => Err(invalid("associationType", "must be either 'key' or 'value'")),
    }
}

/// The subject that is a topic's own.
pub(super) fn own_subject(namespace: &str, name: &str, association_type: &str) -> String {
    format!(":.{namespace}:{name}-{association_type}")
}

impl Wish {
    pub(super) fn kind(&self) -> &str {
        self.association_type.as_deref().unwrap_or("value")
    }

    /// Fills in what a new association has: with a schema it is strong, and strong is frozen.
    pub(super) fn apply_defaults(&mut self, is_create: bool) -> Result<(), RegistryError> {
        if self.schema.is_some() {
            if !is_create {
                let detail = "cannot be provided when adding an association to an existing topic; \
                              an association with a schema must be created with the topic";
                return Err(invalid("schema", detail));
            }
            if self.lifecycle == Some(Lifecycle::Weak) {
                return Err(invalid("lifecycle", "cannot be WEAK when schema is provided"));
            }
            if self.frozen == Some(false) {
                return Err(invalid("frozen", "cannot be false when a schema is provided"));
            }
            self.lifecycle = Some(Lifecycle::Strong);
        }
        let lifecycle = *self.lifecycle.get_or_insert(Lifecycle::Weak);
        let frozen = lifecycle == Lifecycle::Strong;
        if self.frozen.is_some_and(|wanted| wanted != frozen) {
            return Err(unfit_frozen(lifecycle, !frozen));
        }
        self.frozen = Some(frozen);
        Ok(())
    }

    fn check(&mut self, is_create: bool) -> Result<(), RegistryError> {
        check_subject(self.subject.as_deref())?;
        if is_create {
            self.apply_defaults(true)?;
        }
        check_type(&mut self.association_type)?;
        if self.lifecycle != Some(Lifecycle::Weak) {
            return Ok(());
        }
        if self.schema.is_some() {
            return Err(invalid("lifecycle", "cannot be WEAK when schema is provided"));
        }
        if self.frozen == Some(true) {
            return Err(invalid("frozen", "association with lifecycle of WEAK cannot be frozen"));
        }
        if is_create && self.subject.is_none() {
            return Err(invalid("subject", "must be provided for WEAK associations"));
        }
        Ok(())
    }

    fn check_own_subject(&mut self, own: String) -> Result<(), RegistryError> {
        let subject = self.subject.get_or_insert_with(|| own.clone());
        if self.frozen == Some(true) && *subject != own {
            return Err(invalid(
                "subject",
                format!("frozen associations must use subject '{own}'"),
            ));
        }
        if self.lifecycle == Some(Lifecycle::Weak) && *subject == own {
            return Err(invalid(
                "subject",
                format!("WEAK associations cannot use subject '{own}'"),
            ));
        }
        Ok(())
    }
}

pub(super) fn unfit_frozen(lifecycle: Lifecycle, frozen: bool) -> RegistryError {
    let word = lifecycle.word();
    invalid(
        "frozen",
        format!("association with lifecycle of {word} cannot be frozen={frozen}"),
    )
}

/// The resource of a request, checked.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) id: Option<String>,
    pub(super) resource_type: String,
}

fn check_resource(
    name: Option<&str>,
    namespace: Option<&str>,
    id: Option<&str>,
    resource_type: Option<&str>,
    dry_run: bool,
) -> Result<Resource, RegistryError> {
    let name = check_name(name, "resourceName")?;
    let namespace = check_name(namespace, "resourceNamespace")?;
    if !dry_run && id.is_none_or(str::is_empty) {
        return Err(invalid("resourceId", "cannot be null or empty"));
    }
    if resource_type.is_some_and(|word| !word.is_empty() && word != TOPIC) {
        return Err(invalid("resourceType", format!("must be '{TOPIC}'")));
    }
    Ok(Resource {
        name,
        namespace,
        id: id.map(str::to_owned),
        resource_type: TOPIC.to_owned(),
    })
}

impl CreateOrUpdate {
    /// The resource and its wishes, with defaults filled in.
    pub(super) fn checked(&self, is_create: bool, dry_run: bool) -> Result<(Resource, Vec<Wish>), RegistryError> {
        let resource = check_resource(
            self.resource_name.as_deref(),
            self.resource_namespace.as_deref(),
            self.resource_id.as_deref(),
            self.resource_type.as_deref(),
            dry_run,
        )?;
        if self.associations.is_empty() {
            return Err(invalid("associations", "cannot be null or empty"));
        }
        let mut wishes = self.associations.clone();
        for wish in &mut wishes {
            wish.check(is_create)?;
            if is_create {
                wish.check_own_subject(own_subject(&resource.namespace, &resource.name, wish.kind()))?;
            }
        }
        Ok((resource, wishes))
    }
}

impl Operations {
    pub(super) fn checked(&self, dry_run: bool) -> Result<(Resource, Vec<Operation>), RegistryError> {
        let resource = check_resource(
            self.resource_name.as_deref(),
            self.resource_namespace.as_deref(),
            self.resource_id.as_deref(),
            self.resource_type.as_deref(),
            dry_run,
        )?;
        if self.associations.is_empty() {
            return Err(invalid("associations", "cannot be null or empty"));
        }
        let mut operations = self.associations.clone();
        let mut kinds = HashSet::new();
        for operation in &mut operations {
            let kind = match operation {
                Operation::Create(wish) => {
                    wish.apply_defaults(true)?;
                    wish.check(false)?;
                    if wish.subject.is_none() && wish.lifecycle == Some(Lifecycle::Weak) {
                        return Err(invalid("subject", "must be provided for WEAK associations"));
                    }
                    wish.kind().to_owned()
                }
                Operation::Upsert(wish) => {
                    wish.check(false)?;
                    wish.kind().to_owned()
                }
                Operation::Delete(removal) => {
                    check_type(&mut removal.association_type)?;
                    removal.association_type.clone().unwrap_or_default()
                }
            };
            if !kinds.insert(kind.clone()) {
                return Err(appears_twice(&kind));
            }
            if let Operation::Create(wish) = operation {
                wish.check_own_subject(own_subject(&resource.namespace, &resource.name, &kind))?;
            }
        }
        Ok((resource, operations))
    }
}

pub(super) fn appears_twice(kind: &str) -> RegistryError {
    let detail = format!("may only appear once per request, but '{kind}' appears more than once");
    invalid("associationType", detail)
}

impl GetQuery {
    pub(super) fn check(&self) -> Result<(), RegistryError> {
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if !is_given(&self.resource_id) && !is_given(&self.resource_name) {
            let detail = "either resourceId or resourceName must be specified";
            return Err(unanswerable("resourceId", detail));
        }
        if is_given(&self.resource_name) && !is_given(&self.resource_namespace) {
            let detail = "resourceNamespace is required when resourceName is specified";
            return Err(unanswerable("resourceNamespace", detail));
        }
        Ok(())
    }
}

/// What a question within a batch is answered with when it asks for nothing.
fn unanswerable(property: &str, detail: &str) -> RegistryError {
    let message = format!("Error while getting associations: property: {property}; detail: {detail}");
    RegistryError::new(500, message)
}
