//! `/associations`: ties of topics to subjects. Every current serializer asks here first.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use catalog::Registry;
use schema::RegistryError;
use schema::subjects::associations::{
    Applied, Association, BatchGet, BatchMutate, BatchResult, CreateOrUpdate, Filter, Lifecycle,
};
use schema::subjects::{Lookup, Name};
use serde_json::{Map, Value as Json, json};

use super::answer::{AssociationView, Replied, Reply, SchemaView, frozen};
use super::call::{Call, SCHEMAS_MAX, not_found};

fn filter(call: &Call) -> Result<Filter, RegistryError> {
    let lifecycle = call.param("lifecycle").filter(|word| !word.is_empty());
    let lifecycle = lifecycle.map(|word| Lifecycle::from_word(word).ok_or_else(not_found));
    Ok(Filter {
        resource_type: Some(call.given("resourceType").unwrap_or("topic").to_owned()),
        association_types: call.params("associationType"),
        lifecycle: lifecycle.transpose()?,
    })
}

fn listed(call: &Call, found: Vec<Association>) -> Replied {
    let page = call.page(SCHEMAS_MAX)?.of(found);
    let views: Vec<AssociationView<'_>> = page.iter().map(AssociationView::of).collect();
    Reply::json(&views)
}

pub(super) fn of_subject(registry: &Registry, call: &Call, subject: &str) -> Replied {
    let filter = filter(call)?;
    let state = registry.state();
    listed(call, state.associations().by_subject(&Name::parse(subject), &filter))
}

pub(super) fn of_resource(registry: &Registry, call: &Call, id: &str) -> Replied {
    let filter = filter(call)?;
    listed(call, registry.state().associations().by_resource_id(id, &filter))
}

pub(super) fn of_name(registry: &Registry, call: &Call, namespace: &str, name: &str) -> Replied {
    let filter = filter(call)?;
    listed(
        call,
        registry
            .state()
            .associations()
            .by_resource_name(namespace, name, &filter),
    )
}

/// A schema as it is shown within an association's answer.
fn schema_view(found: &Lookup) -> Result<Json, RegistryError> {
    serde_json::to_value(SchemaView::of(found)).map_err(RegistryError::store)
}

fn applied(applied: &Applied) -> Result<Json, RegistryError> {
    let mut object = Map::new();
    let parts = [
        ("resourceName", applied.resource_name.as_ref()),
        ("resourceNamespace", applied.resource_namespace.as_ref()),
        ("resourceId", applied.resource_id.as_ref()),
        ("resourceType", Some(&applied.resource_type)),
    ];
    for (key, value) in parts {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            object.insert(key.to_owned(), json!(value));
        }
    }
    let infos = applied.associations.iter().map(|one| info(one, &applied.schemas));
    let infos: Vec<Json> = infos.collect::<Result<_, _>>()?;
    if !infos.is_empty() {
        object.insert("associations".to_owned(), json!(infos));
    }
    Ok(Json::Object(object))
}

fn info(association: &Association, schemas: &BTreeMap<String, Lookup>) -> Result<Json, RegistryError> {
    let mut info = json!({
        "subject": association.subject.to_string(),
        "associationType": association.association_type,
        "lifecycle": association.lifecycle.word(),
    });
    if let Some(frozen) = frozen(association) {
        info["frozen"] = json!(frozen);
    }
    if let Some(found) = schemas.get(&association.association_type) {
        info["schema"] = schema_view(found)?;
    }
    Ok(info)
}

fn context_of(call: &Call) -> String {
    call.param("context").unwrap_or_default().to_owned()
}

async fn change(registry: &Registry, call: &Call, request: CreateOrUpdate, is_create: bool) -> Replied {
    let (context, dry_run) = (context_of(call), call.flag("dryRun"));
    let made = registry
        .change(|state, now_ms| state.create_or_update(&context, dry_run, &request, is_create, now_ms))
        .await?;
    Reply::json(&applied(&made)?)
}

pub(super) async fn create(registry: &Registry, call: &Call) -> Replied {
    let request: CreateOrUpdate = call.body("createAssociation.arg4")?;
    change(registry, call, request, true).await
}

pub(super) async fn upsert(registry: &Registry, call: &Call, id: &str) -> Replied {
    let mut request: CreateOrUpdate = call.body("createOrUpdateAssociation.arg5")?;
    match &request.resource_id {
        Some(given) if given != id => {
            let detail = "Resource ID in the path parameter does not match the resource ID in the request body";
            let message =
                format!("The association specified an invalid value for property: 'resourceId', detail: {detail}");
            return Err(RegistryError::new(42212, message));
        }
        Some(_) => {}
        None => request.resource_id = Some(id.to_owned()),
    }
    change(registry, call, request, false).await
}

pub(super) async fn delete(registry: &Registry, call: &Call, id: &str) -> Replied {
    let filter = Filter {
        lifecycle: None,
        ..filter(call)?
    };
    let (cascade, dry_run) = (call.flag("cascadeLifecycle"), call.flag("dryRun"));
    registry
        .change(|state, now_ms| state.delete_associations(id, &filter, cascade, dry_run, now_ms))
        .await?;
    Ok(Reply::nothing(StatusCode::NO_CONTENT))
}

fn results(results: &[BatchResult]) -> Replied {
    let one = |result: &BatchResult| match result {
        Ok(made) => Ok(json!({"result": applied(made)?})),
        Err(error) => Ok(json!({"error": {"error_code": error.code, "message": error.message}})),
    };
    let results: Vec<Json> = results.iter().map(one).collect::<Result<_, RegistryError>>()?;
    Ok(Reply::json(&json!({"results": results}))?.with_status(StatusCode::MULTI_STATUS))
}

pub(super) fn batch_get(registry: &Registry, call: &Call) -> Replied {
    let batch: BatchGet = call.body("batchGetAssociations.arg1")?;
    results(&registry.state().batch_get(call.flag("includeSchemas"), &batch)?)
}

pub(super) async fn batch_mutate(registry: &Registry, call: &Call) -> Replied {
    let batch: BatchMutate = call.body("mutateAssociations.arg4")?;
    let (context, dry_run) = (context_of(call), call.flag("dryRun"));
    let made = registry
        .change(|state, now_ms| state.mutate_associations(&context, dry_run, &batch, now_ms))
        .await?;
    results(&made)
}
