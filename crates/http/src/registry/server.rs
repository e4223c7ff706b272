//! `/contexts` and `/v1/metadata`: what there is, and who answers.

use axum::http::StatusCode;
use catalog::Registry;
use schema::subjects::Name;
use serde_json::json;

use super::answer::{Replied, Reply};
use super::call::Call;

pub(super) fn contexts(registry: &Registry, call: &Call) -> Replied {
    let prefix = call.param("contextPrefix").unwrap_or_default();
    let state = registry.state();
    let names = state
        .context_names()
        .into_iter()
        .filter(|name| name.starts_with(prefix));
    Reply::json(&call.page(usize::MAX)?.of(names))
}

pub(super) async fn delete_context(registry: &Registry, context: &str) -> Replied {
    let name = Name::parse(context);
    registry.change(|state, _| state.delete_context(&name)).await?;
    Ok(Reply::nothing(StatusCode::NO_CONTENT))
}

pub(super) fn id(registry: &Registry) -> Replied {
    let clusters = json!({"kafka-cluster": registry.cluster_id(), "schema-registry-cluster": "schema-registry"});
    Reply::json(&json!({"scope": {"path": [], "clusters": clusters}}))
}

pub(super) fn version() -> Replied {
    Reply::json(&json!({"version": env!("CARGO_PKG_VERSION"), "commitId": "rivulet"}))
}
