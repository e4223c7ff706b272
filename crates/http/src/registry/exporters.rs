//! `/exporters`: schemas copied to other registries.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use catalog::ExporterRegistry;
use schema::RegistryError;
use schema::exporter::{Change, Entry, Exporter, ExporterRequest, Exporters};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::{Replied, Reply};
use super::call::Call;
use super::route::Verb;

/// What paths name below `/exporters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    All,
    One(&'a str),
    Status(&'a str),
    Config(&'a str),
    Pause(&'a str),
    Resume(&'a str),
    Reset(&'a str),
}

/// What the rest of a path names, if it names something.
pub(super) fn find<'a>(path: &[&'a str]) -> Option<Place<'a>> {
    Some(match *path {
        [] => Place::All,
        [name] => Place::One(name),
        [name, "status"] => Place::Status(name),
        [name, "config"] => Place::Config(name),
        [name, "pause"] => Place::Pause(name),
        [name, "resume"] => Place::Resume(name),
        [name, "reset"] => Place::Reset(name),
        _ => return None,
    })
}

impl Place<'_> {
    pub(super) fn verbs(self) -> &'static [Verb] {
        match self {
            Place::All => &[Verb::Get, Verb::Post],
            Place::One(_) => &[Verb::Get, Verb::Put, Verb::Delete],
            Place::Status(_) => &[Verb::Get],
            Place::Config(_) => &[Verb::Get, Verb::Put],
            Place::Pause(_) | Place::Resume(_) | Place::Reset(_) => &[Verb::Put],
        }
    }

    pub(super) async fn answer(self, verb: Verb, exporters: &ExporterRegistry, call: &Call) -> Replied {
        let state = exporters.state();
        match (self, verb) {
            (Place::All, Verb::Post) => {
                let request: Request = call.body("createExporter.arg1")?;
                let request = ExporterRequest::from(request);
                let name = request.name.clone().unwrap_or_default();
                named(exporters, &name, |state| state.create(request.clone())).await
            }
            (Place::All, _) => Reply::json(&call.page(usize::MAX)?.of(state.names())),
            (Place::One(name), Verb::Put) => {
                let request: Request = call.body("updateExporter.arg2")?;
                let request = ExporterRequest::from(request);
                named(exporters, name, |state| state.update(name, request.clone())).await
            }
            (Place::One(name), Verb::Delete) => {
                exporters.change(|state| state.delete(name)).await?;
                Ok(Reply::nothing(StatusCode::NO_CONTENT))
            }
            (Place::One(name), _) => Reply::json(&ExporterView::of(&state.get(name)?.exporter)),
            (Place::Status(name), _) => Reply::json(&StatusView::of(state.get(name)?)),
            (Place::Config(name), Verb::Put) => {
                let request = ExporterRequest {
                    config: Some(call.body("updateExporterConfig.arg2")?),
                    ..ExporterRequest::default()
                };
                named(exporters, name, |state| state.update(name, request.clone())).await
            }
            (Place::Config(name), _) => Reply::json(&state.get(name)?.exporter.shown_config()),
            (Place::Pause(name), _) => named(exporters, name, |state| state.pause(name)).await,
            (Place::Resume(name), _) => named(exporters, name, |state| state.resume(name)).await,
            (Place::Reset(name), _) => named(exporters, name, |state| state.reset(name)).await,
        }
    }
}

/// Changes an exporter and answers with its name.
async fn named(
    exporters: &ExporterRegistry,
    name: &str,
    decide: impl Fn(&Exporters) -> Result<Vec<Change>, RegistryError>,
) -> Replied {
    exporters.change(decide).await?;
    Reply::json(&json!({"name": name}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    name: Option<String>,
    subjects: Option<Vec<String>>,
    context_type: Option<String>,
    context: Option<String>,
    subject_rename_format: Option<String>,
    kek_rename_format: Option<String>,
    config: Option<BTreeMap<String, String>>,
}

impl From<Request> for ExporterRequest {
    fn from(request: Request) -> ExporterRequest {
        // Tools send what was not filled in as empty text.
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        ExporterRequest {
            name: request.name,
            subjects: request.subjects,
            context_type: given(request.context_type),
            context: given(request.context),
            subject_rename_format: given(request.subject_rename_format),
            kek_rename_format: given(request.kek_rename_format),
            config: request.config,
        }
    }
}

/// An exporter as answers show it: without secrets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExporterView<'a> {
    name: &'a str,
    context_type: schema::exporter::ContextType,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    subjects: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_rename_format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kek_rename_format: Option<&'a str>,
    config: BTreeMap<String, String>,
}

impl<'a> ExporterView<'a> {
    fn of(exporter: &'a Exporter) -> ExporterView<'a> {
        ExporterView {
            name: &exporter.name,
            context_type: exporter.context_type,
            context: exporter.context.as_deref(),
            subjects: &exporter.subjects,
            subject_rename_format: exporter.subject_rename_format.as_deref(),
            kek_rename_format: exporter.kek_rename_format.as_deref(),
            config: exporter.shown_config(),
        }
    }
}

/// How far an exporter has come, as answers show it.
#[derive(Serialize)]
struct StatusView<'a> {
    name: &'a str,
    state: schema::exporter::State,
    offset: i64,
    ts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
}

impl<'a> StatusView<'a> {
    fn of(entry: &'a Entry) -> StatusView<'a> {
        StatusView {
            name: &entry.exporter.name,
            state: entry.progress.state,
            offset: entry.progress.offset,
            ts: entry.progress.ts,
            trace: entry.progress.trace.as_deref(),
        }
    }
}
