//! `/schemas`: by id, by GUID, and listed.

use catalog::Registry;
use schema::RegistryError;
use schema::subjects::associations::Lifecycle;
use schema::subjects::{AssociationFilter, Lookup, Name, SchemaFilter, Subjects};
use serde::Serialize;

use super::answer::{AssociationView, Replied, Reply, SchemaView};
use super::call::{Call, SCHEMAS_MAX, not_found};
use super::subjects::formatted;

pub(super) fn list(registry: &Registry, call: &Call) -> Replied {
    let lifecycles = call.params("lifecycle");
    let known = |word: &String| match word.as_str() {
        "NONE" => Ok(None),
        word => Lifecycle::from_word(word).map(Some).ok_or_else(not_found),
    };
    let lifecycles = lifecycles.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    let filter = SchemaFilter {
        prefix: call.param("subjectPrefix").unwrap_or_default().to_owned(),
        aliases: call.flag("aliases"),
        deleted: call.flag("deleted"),
        latest_only: call.flag("latestOnly"),
        rule_type: call
            .param("ruleType")
            .filter(|word| !word.is_empty())
            .map(str::to_owned),
        associations: AssociationFilter {
            resource_type: call.param("resourceType").map(str::to_owned),
            association_types: call.params("associationType"),
            unassociated: lifecycles.contains(&None),
            lifecycles: lifecycles.into_iter().flatten().collect(),
        },
    };
    let listed = registry.state().schemas(&filter, call.page(SCHEMAS_MAX)?);
    let view = |one: &_| {
        let schema::subjects::Listed {
            lookup,
            aliases,
            associations,
        } = one;
        let mut view = SchemaView::of(lookup);
        view.aliases = aliases;
        view.associations = associations.iter().map(AssociationView::of).collect();
        serde_json::to_value(view)
    };
    let views: Result<Vec<_>, _> = listed.iter().map(view).collect();
    Reply::json(&views.map_err(RegistryError::store)?)
}

fn number(id: &str) -> Result<i32, RegistryError> {
    // Anything that is no id is an unknown path to the registry the world knows.
    id.parse().map_err(|_| not_found())
}

fn subject_of(call: &Call) -> Name {
    Name::parse(call.param("subject").unwrap_or_default())
}

fn find(state: &Subjects, call: &Call, id: &str) -> Result<Lookup, RegistryError> {
    let id = number(id)?;
    let found = state.schema(id, &subject_of(call));
    found.ok_or_else(|| RegistryError::schema_id_not_found(id))
}

pub(super) fn by_id(registry: &Registry, call: &Call, id: &str) -> Replied {
    let state = registry.state();
    let found = find(&state, call, id)?;
    let text = formatted(&state, call, &found)?;
    let mut view = SchemaView::of(&found).with_text(text.as_deref());
    view.id = None;
    let tags = call.params("findTags");
    if !tags.is_empty() {
        view.schema_tags = state.find_tags(&found.subject, &found.schema, &tags)?;
    }
    if call.flag("fetchMaxId") {
        view.max_id = Some(state.id_max(&found.subject.context));
    }
    if call.param("referenceFormat") == Some("qualified") {
        view = view.with_qualified_references(&found, false);
    }
    Reply::json(&view)
}

pub(super) fn text_by_id(registry: &Registry, call: &Call, id: &str) -> Replied {
    let state = registry.state();
    let found = find(&state, call, id)?;
    let text = formatted(&state, call, &found)?;
    Ok(Reply::text(text.unwrap_or_else(|| found.schema.text.clone())))
}

fn uses(registry: &Registry, call: &Call, id: &str) -> Result<Vec<(Name, i32)>, RegistryError> {
    let uses = registry
        .state()
        .uses(number(id)?, &subject_of(call), call.flag("deleted"));
    uses.ok_or_else(RegistryError::schema_not_found)
}

pub(super) fn subjects_of(registry: &Registry, call: &Call, id: &str) -> Replied {
    let names = uses(registry, call, id)?.into_iter().map(|(name, _)| name.to_string());
    Reply::json(&call.page(usize::MAX)?.of(names))
}

#[derive(Serialize)]
struct SubjectVersion {
    subject: String,
    version: i32,
}

pub(super) fn versions_of(registry: &Registry, call: &Call, id: &str) -> Replied {
    let uses = uses(registry, call, id)?.into_iter();
    let shown = uses.map(|(name, version)| SubjectVersion {
        subject: name.to_string(),
        version,
    });
    Reply::json(&call.page(usize::MAX)?.of(shown))
}

pub(super) fn by_guid(registry: &Registry, call: &Call, guid: &str) -> Replied {
    let state = registry.state();
    let found = guid.parse().ok().and_then(|guid| state.schema_by_guid(guid));
    let found = found.ok_or_else(|| RegistryError::schema_id_not_found(guid))?;
    let text = formatted(&state, call, &found)?;
    let mut view = SchemaView::of(&found).with_text(text.as_deref());
    (view.subject, view.version, view.id) = (None, None, None);
    Reply::json(&view)
}

#[derive(Serialize)]
struct ContextIdView<'a> {
    context: &'a str,
    id: i32,
}

pub(super) fn ids_of(registry: &Registry, guid: &str) -> Replied {
    let guid = guid.parse().ok();
    let ids = guid.map(|guid| registry.state().ids_of(guid)).unwrap_or_default();
    let view = |one: &schema::subjects::ContextId| {
        serde_json::to_value(ContextIdView {
            context: &one.context,
            id: one.id,
        })
    };
    let views: Result<Vec<_>, _> = ids.iter().map(view).collect();
    Reply::json(&views.map_err(RegistryError::store)?)
}
