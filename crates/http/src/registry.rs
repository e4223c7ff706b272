//! The schema registry's REST face, with Confluent's paths, codes and content type.

mod answer;
mod subjects;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};
use catalog::Registry;

use answer::Failure;

/// The routes of the registry.
pub fn router(registry: Arc<Registry>) -> Router {
    let versions = get(subjects::versions).post(subjects::register);
    let version = get(subjects::version).delete(subjects::delete_version);
    let config = get(subjects::config)
        .put(subjects::set_config)
        .delete(subjects::unset_config);
    let subject_config = get(subjects::subject_config)
        .put(subjects::set_subject_config)
        .delete(subjects::unset_subject_config);
    Router::new()
        .route("/", get(subjects::alive).post(subjects::alive))
        .route("/subjects", get(subjects::list))
        .route(
            "/subjects/{subject}",
            post(subjects::look_up).delete(subjects::delete_subject),
        )
        .route("/subjects/{subject}/versions", versions)
        .route("/subjects/{subject}/versions/{version}", version)
        .route(
            "/subjects/{subject}/versions/{version}/schema",
            get(subjects::version_text),
        )
        .route("/schemas/types", get(subjects::types))
        .route("/schemas/ids/{id}", get(subjects::by_id))
        .route("/schemas/ids/{id}/schema", get(subjects::text_by_id))
        .route("/schemas/ids/{id}/subjects", get(subjects::subjects_of_id))
        .route("/schemas/ids/{id}/versions", get(subjects::versions_of_id))
        .route("/schemas/guids/{guid}", get(subjects::by_guid))
        .route(
            "/compatibility/subjects/{subject}/versions",
            post(subjects::compatible_with_all),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/",
            post(subjects::compatible_with_all),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            post(subjects::compatible_with_one),
        )
        .route("/config", config.clone())
        .route("/config/", config)
        .route("/config/{subject}", subject_config)
        .route("/mode", get(subjects::mode))
        // Current serializers ask for associations first and take 404 as «there are none».
        .route("/associations/{*rest}", any(not_found))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(registry)
}

async fn not_found() -> Failure {
    Failure::new(404, "HTTP 404 Not Found")
}

async fn wrong_method() -> Failure {
    Failure::new(405, "HTTP 405 Method Not Allowed")
}
