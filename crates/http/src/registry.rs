//! The schema registry's REST face, with Confluent's paths, codes and content types.
//!
//! One door takes every request: it is read ([`call`]), its path is found ([`route`]), and the resource's file answers.
//! Paths are routed here rather than by the framework: contexts and aliases rewrite them first.

mod answer;
mod associations;
mod call;
mod compatibility;
mod config;
mod deks;
mod exporters;
mod mode;
mod route;
mod schemas;
mod server;
mod subjects;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use catalog::{DekRegistry, ExporterRegistry, Registry};

use answer::Refusal;
use call::Call;

/// What requests are answered from.
#[derive(Clone)]
struct Stores {
    registry: Arc<Registry>,
    deks: Arc<DekRegistry>,
    exporters: Arc<ExporterRegistry>,
}

/// The routes of the registry.
pub fn router(registry: Arc<Registry>, deks: Arc<DekRegistry>, exporters: Arc<ExporterRegistry>) -> Router {
    let stores = Stores {
        registry,
        deks,
        exporters,
    };
    Router::new().fallback(serve).with_state(stores)
}

async fn serve(State(stores): State<Stores>, request: Request) -> Response {
    match answer(&stores, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer(stores: &Stores, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let mut call = Call::read(&parts)?;
    call.rewrite(&stores.registry.state())?;
    let path = call.path.clone();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let resource = route::find(&path).ok_or(Refusal::NotFound)?;
    let Some(method) = resource.method(&parts.method) else {
        return match parts.method {
            axum::http::Method::OPTIONS => Ok(answer::options(resource.allowed())),
            _ => Err(Refusal::WrongMethod),
        };
    };
    let media = call.accepted()?;
    if method.has_body() {
        call.take_body(body).await.map_err(|error| media.refused(error))?;
    }
    let replied = resource.answer(method, stores, &call).await;
    Ok(media.respond(replied))
}
