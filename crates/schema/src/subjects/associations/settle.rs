//! What a wished association comes to: it is there, it may be made or changed, or it is refused.

use super::change::{Scratch, filter_of, latest_resource};
use super::request::{Resource, Wish, own_subject, unfit_frozen};
use super::{Association, Lifecycle, exists_for_resource, exists_for_subject, frozen, invalid};
use super::{no_active_version, strong_exists};
use crate::RegistryError;
use crate::subjects::{Mode, Name, Wanted};

impl Scratch {
    /// Decides what a wish comes to; true if the association is there already as wished.
    pub(super) fn settle(
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
    pub(super) fn check_uniform(&self, resource: &Resource, wishes: &[Wish]) -> Result<(), RegistryError> {
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

    pub(super) fn check_subject(
        &self,
        wish: &Wish,
        old: Option<&Association>,
        wishes: &[Wish],
    ) -> Result<(), RegistryError> {
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
