//! `/subjects`: names, lookups, deletion.

use std::collections::BTreeMap;

use catalog::Registry;
use schema::RegistryError;
use schema::subjects::requests::SchemaRequest;
use schema::subjects::{Lookup, Name, Shown, Subjects};

use super::answer::{Replied, Reply, SchemaView};
use super::call::Call;

/// The text of a schema in the form asked for, where one was.
pub(super) fn formatted(state: &Subjects, call: &Call, found: &Lookup) -> Result<Option<String>, RegistryError> {
    let format = call.given("format");
    format
        .map(|format| state.formatted(&found.subject, &found.schema, format))
        .transpose()
}

pub(super) fn list(registry: &Registry, call: &Call) -> Replied {
    let prefix = call.param("subjectPrefix").unwrap_or(":*:");
    let shown = if call.flag("deletedOnly") {
        Shown::DeletedOnly
    } else if call.flag("deleted") {
        Shown::All
    } else {
        Shown::Live
    };
    let page = call.page(usize::MAX)?;
    Reply::json(&page.of(registry.state().subject_names(prefix, shown)))
}

pub(super) async fn look_up(registry: &Registry, call: &Call, subject: &str) -> Replied {
    let request: SchemaRequest = call.body("lookUpSchemaUnderSubject.arg5")?;
    let request = request.registration()?;
    let (normalize, deleted) = (call.flag("normalize"), call.flag("deleted"));
    let name = Name::parse(subject);
    let look = move |state: &Subjects| state.look_up(&name, &request, normalize, deleted);
    let found = registry.consider(call.body_bytes(), look).await?;
    let text = formatted(&registry.state(), call, &found)?;
    Reply::json(&SchemaView::of(&found).with_text(text.as_deref()))
}

pub(super) fn latest_with(registry: &Registry, call: &Call, subject: &str) -> Replied {
    let pairs = call.params("key").into_iter().zip(call.params("value"));
    let properties: BTreeMap<String, String> = pairs.collect();
    let state = registry.state();
    let found = state.latest_with(&Name::parse(subject), &properties, call.flag("deleted"))?;
    let text = formatted(&state, call, &found)?;
    Reply::json(&SchemaView::of(&found).with_text(text.as_deref()))
}

pub(super) async fn delete(registry: &Registry, call: &Call, subject: &str) -> Replied {
    let (name, permanent) = (Name::parse(subject), call.flag("permanent"));
    let versions = registry
        .change(|state, _| state.delete_subject(&name, permanent))
        .await?;
    Reply::json(&versions)
}
