//! `/subjects/{subject}/versions`: registering, reading and deleting versions.

use catalog::Registry;
use schema::RegistryError;
use schema::subjects::requests::{SchemaRequest, TagRequest};
use schema::subjects::{Lookup, Name, Shown, Subjects, Wanted};

use super::answer::{Replied, Reply, SchemaView};
use super::call::{Call, SCHEMAS_MAX};
use super::subjects::formatted;

pub(super) fn list(registry: &Registry, call: &Call, subject: &str) -> Replied {
    let (deleted, deleted_only) = (call.flag("deleted"), call.flag("deletedOnly"));
    let shown = if call.flag("deletedAsNegative") {
        Shown::DeletedAsNegative
    } else if deleted_only {
        Shown::DeletedOnly
    } else if deleted {
        Shown::All
    } else {
        Shown::Live
    };
    let state = registry.state();
    let versions = state.version_numbers(&Name::parse(subject), shown, deleted || deleted_only)?;
    Reply::json(&call.page(usize::MAX)?.of(versions))
}

/// What a registration is answered with.
fn registered(call: &Call, state: &Subjects, found: &Lookup) -> Replied {
    let text = formatted(state, call, found)?;
    let mut view = SchemaView::of(found).with_text(text.as_deref());
    view.subject = None;
    Reply::json(&view)
}

pub(super) async fn register(registry: &Registry, call: &Call, subject: &str) -> Replied {
    let request: SchemaRequest = call.body("register.arg6")?;
    let request = request.registration()?;
    let (normalize, force) = (call.flag("normalize"), call.flag("force"));
    let found = registry.register_schema(subject, request, normalize, force).await?;
    registered(call, &registry.state(), &found)
}

pub(super) async fn modify_tags(registry: &Registry, call: &Call, subject: &str, version: &str) -> Replied {
    let request: TagRequest = call.body("modifyTags.arg4")?;
    let wanted = Wanted::from_path(version)?;
    let subject = subject.to_owned();
    let decide = move |state: &Subjects| state.modify_tags(&subject, wanted, &request);
    let found = registry.register_with(call.body_bytes(), decide).await?;
    registered(call, &registry.state(), &found)
}

fn find(state: &Subjects, subject: &str, version: &str, deleted: bool) -> Result<Lookup, RegistryError> {
    state.version(&Name::parse(subject), Wanted::from_path(version)?, deleted)
}

/// The text of a version in the form asked for, where one was; only versions are shown as data definitions.
fn shown(state: &Subjects, call: &Call, found: &Lookup) -> Result<Option<String>, RegistryError> {
    match call.given("format") {
        Some(format) if format.eq_ignore_ascii_case("logical") => {
            state.definition(&found.subject, &found.schema).map(Some)
        }
        _ => formatted(state, call, found),
    }
}

pub(super) fn show(registry: &Registry, call: &Call, subject: &str, version: &str) -> Replied {
    let state = registry.state();
    let found = find(&state, subject, version, call.flag("deleted"))?;
    let text = shown(&state, call, &found)?;
    let mut view = SchemaView::of(&found).with_text(text.as_deref());
    let tags = call.params("findTags");
    if !tags.is_empty() {
        view.schema_tags = state.find_tags(&found.subject, &found.schema, &tags)?;
    }
    if call.param("referenceFormat") == Some("qualified") {
        view = view.with_qualified_references(&found, true);
    }
    Reply::json(&view)
}

pub(super) fn text(registry: &Registry, call: &Call, subject: &str, version: &str) -> Replied {
    let state = registry.state();
    let found = find(&state, subject, version, call.flag("deleted"))?;
    let text = shown(&state, call, &found)?;
    Ok(Reply::text(text.unwrap_or_else(|| found.schema.text.clone())))
}

pub(super) fn referenced_by(registry: &Registry, call: &Call, subject: &str, version: &str) -> Replied {
    let state = registry.state();
    let found = find(&state, subject, version, true)?;
    let referrers = state.referrers(&found.subject, found.version, call.flag("deleted"));
    let ids = referrers.into_iter().map(|referrer| referrer.id);
    Reply::json(&call.page(SCHEMAS_MAX)?.of(ids))
}

pub(super) async fn delete(registry: &Registry, call: &Call, subject: &str, version: &str) -> Replied {
    let wanted = Wanted::from_path(version)?;
    let (name, permanent) = (Name::parse(subject), call.flag("permanent"));
    let number = registry
        .change(|state, _| state.delete_version(&name, wanted, permanent))
        .await?;
    Reply::json(&number)
}
