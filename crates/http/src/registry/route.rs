//! Which resource a path names, and which methods that takes.

use axum::http::Method;

use super::answer::{Replied, Reply};
use super::call::Call;
use super::{Stores, associations, compatibility, config, deks, exporters, mode, schemas, server, subjects, versions};

/// What paths name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Root,
    Subjects,
    Subject(&'a str),
    LatestWith(&'a str),
    Versions(&'a str),
    Version(&'a str, &'a str),
    VersionText(&'a str, &'a str),
    ReferencedBy(&'a str, &'a str),
    Tags(&'a str, &'a str),
    Schemas,
    Types,
    Id(&'a str),
    IdText(&'a str),
    IdSubjects(&'a str),
    IdVersions(&'a str),
    Guid(&'a str),
    GuidIds(&'a str),
    Compatibility(&'a str),
    CompatibilityWith(&'a str, &'a str),
    TopConfig,
    Config(&'a str),
    TopMode,
    Mode(&'a str),
    Contexts,
    Context(&'a str),
    Associations,
    TiesOfSubject(&'a str),
    TiesOfId(&'a str),
    TiesOfName(&'a str, &'a str),
    BatchGet,
    BatchMutate,
    ServerId,
    ServerVersion,
    Deployment,
    Key(deks::Key<'a>),
    Exporter(exporters::Place<'a>),
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    pub(super) fn has_body(self) -> bool {
        matches!(self, Verb::Post | Verb::Put)
    }
}

/// The resource of a path, if there is one.
pub(super) fn find<'a>(path: &[&'a str]) -> Option<Resource<'a>> {
    Some(match *path {
        [] => Resource::Root,
        ["subjects"] => Resource::Subjects,
        ["subjects", subject] => Resource::Subject(subject),
        ["subjects", subject, "metadata"] => Resource::LatestWith(subject),
        ["subjects", subject, "versions"] => Resource::Versions(subject),
        ["subjects", subject, "versions", version] => Resource::Version(subject, version),
        ["subjects", subject, "versions", version, "schema"] => Resource::VersionText(subject, version),
        ["subjects", subject, "versions", version, "referencedby"] => Resource::ReferencedBy(subject, version),
        ["subjects", subject, "versions", version, "tags"] => Resource::Tags(subject, version),
        ["schemas"] => Resource::Schemas,
        ["schemas", "types"] => Resource::Types,
        ["schemas", "ids", id] => Resource::Id(id),
        ["schemas", "ids", id, "schema"] => Resource::IdText(id),
        ["schemas", "ids", id, "subjects"] => Resource::IdSubjects(id),
        ["schemas", "ids", id, "versions"] => Resource::IdVersions(id),
        ["schemas", "guids", guid] => Resource::Guid(guid),
        ["schemas", "guids", guid, "ids"] => Resource::GuidIds(guid),
        ["compatibility", "subjects", subject, "versions"] => Resource::Compatibility(subject),
        ["compatibility", "subjects", subject, "versions", version] => Resource::CompatibilityWith(subject, version),
        ["config"] => Resource::TopConfig,
        ["config", subject] => Resource::Config(subject),
        ["mode"] => Resource::TopMode,
        ["mode", subject] => Resource::Mode(subject),
        ["contexts"] => Resource::Contexts,
        ["contexts", context] => Resource::Context(context),
        ["associations"] => Resource::Associations,
        ["associations", "subjects", subject] => Resource::TiesOfSubject(subject),
        ["associations", "resources", id] => Resource::TiesOfId(id),
        ["associations", "resources", namespace, name] => Resource::TiesOfName(namespace, name),
        ["associations:batchGet"] => Resource::BatchGet,
        ["associations:batchMutate"] => Resource::BatchMutate,
        ["v1", "metadata", "id"] => Resource::ServerId,
        ["v1", "metadata", "version"] => Resource::ServerVersion,
        ["v1", "metadata", "deployment"] => Resource::Deployment,
        ["dek-registry", "v1", "keks", ref rest @ ..] => Resource::Key(deks::find(rest)?),
        ["exporters", ref rest @ ..] => Resource::Exporter(exporters::find(rest)?),
        _ => return None,
    })
}

impl Resource<'_> {
    fn verbs(self) -> &'static [Verb] {
        match self {
            Resource::Root | Resource::Versions(_) => &[Verb::Get, Verb::Post],
            Resource::Subject(_) => &[Verb::Post, Verb::Delete],
            Resource::Version(..) => &[Verb::Get, Verb::Delete],
            Resource::TopConfig | Resource::Config(_) | Resource::TopMode | Resource::Mode(_) => {
                &[Verb::Get, Verb::Put, Verb::Delete]
            }
            Resource::TiesOfId(_) => &[Verb::Get, Verb::Put, Verb::Delete],
            Resource::Context(_) => &[Verb::Delete],
            Resource::Key(key) => key.verbs(),
            Resource::Exporter(place) => place.verbs(),
            Resource::Tags(..)
            | Resource::Compatibility(_)
            | Resource::CompatibilityWith(..)
            | Resource::Associations
            | Resource::BatchGet
            | Resource::BatchMutate => &[Verb::Post],
            _ => &[Verb::Get],
        }
    }

    /// What a method does to this resource, if it takes it.
    pub(super) fn method(self, method: &Method) -> Option<Verb> {
        let verb = match *method {
            Method::GET | Method::HEAD => Verb::Get,
            Method::POST => Verb::Post,
            Method::PUT => Verb::Put,
            Method::DELETE => Verb::Delete,
            _ => return None,
        };
        self.verbs().contains(&verb).then_some(verb)
    }

    /// The methods this resource takes, as a header names them.
    pub(super) fn allowed(self) -> &'static str {
        match self.verbs() {
            [Verb::Get] => "HEAD, GET, OPTIONS",
            [Verb::Put] => "OPTIONS, PUT",
            [Verb::Get, Verb::Put] => "HEAD, GET, OPTIONS, PUT",
            [Verb::Post] => "POST, OPTIONS",
            [Verb::Delete] => "DELETE, OPTIONS",
            [Verb::Get, Verb::Post] => "POST, HEAD, GET, OPTIONS",
            [Verb::Post, Verb::Delete] => "POST, DELETE, OPTIONS",
            [Verb::Get, Verb::Delete] => "HEAD, DELETE, GET, OPTIONS",
            _ => "HEAD, DELETE, GET, OPTIONS, PUT",
        }
    }

    pub(super) async fn answer(self, verb: Verb, stores: &Stores, call: &Call) -> Replied {
        let registry = &stores.registry;
        match (self, verb) {
            (Resource::Root, _) => Reply::json(&serde_json::json!({})),
            (Resource::Subjects, _) => subjects::list(registry, call),
            (Resource::Subject(subject), Verb::Delete) => subjects::delete(registry, call, subject).await,
            (Resource::Subject(subject), _) => subjects::look_up(registry, call, subject).await,
            (Resource::LatestWith(subject), _) => subjects::latest_with(registry, call, subject),
            (Resource::Versions(subject), Verb::Post) => versions::register(registry, call, subject).await,
            (Resource::Versions(subject), _) => versions::list(registry, call, subject),
            (Resource::Version(subject, version), Verb::Delete) => {
                versions::delete(registry, call, subject, version).await
            }
            (Resource::Version(subject, version), _) => versions::show(registry, call, subject, version),
            (Resource::VersionText(subject, version), _) => versions::text(registry, call, subject, version),
            (Resource::ReferencedBy(subject, version), _) => versions::referenced_by(registry, call, subject, version),
            (Resource::Tags(subject, version), _) => versions::modify_tags(registry, call, subject, version).await,
            (Resource::Schemas, _) => schemas::list(registry, call),
            (Resource::Types, _) => Reply::json(&["JSON", "PROTOBUF", "AVRO"]),
            (Resource::Id(id), _) => schemas::by_id(registry, call, id),
            (Resource::IdText(id), _) => schemas::text_by_id(registry, call, id),
            (Resource::IdSubjects(id), _) => schemas::subjects_of(registry, call, id),
            (Resource::IdVersions(id), _) => schemas::versions_of(registry, call, id),
            (Resource::Guid(guid), _) => schemas::by_guid(registry, call, guid),
            (Resource::GuidIds(guid), _) => schemas::ids_of(registry, guid),
            (Resource::Compatibility(subject), _) => compatibility::with_all(registry, call, subject).await,
            (Resource::CompatibilityWith(subject, version), _) => {
                compatibility::with_one(registry, call, subject, version).await
            }
            (Resource::TopConfig, verb) => config::answer(verb, registry, call, "").await,
            (Resource::Config(subject), verb) => config::answer(verb, registry, call, subject).await,
            (Resource::TopMode, verb) => mode::answer(verb, registry, call, "").await,
            (Resource::Mode(subject), verb) => mode::answer(verb, registry, call, subject).await,
            (Resource::Contexts, _) => server::contexts(registry, call),
            (Resource::Context(context), _) => server::delete_context(registry, context).await,
            (Resource::Associations, _) => associations::create(registry, call).await,
            (Resource::TiesOfSubject(subject), _) => associations::of_subject(registry, call, subject),
            (Resource::TiesOfId(id), Verb::Put) => associations::upsert(registry, call, id).await,
            (Resource::TiesOfId(id), Verb::Delete) => associations::delete(registry, call, id).await,
            (Resource::TiesOfId(id), _) => associations::of_resource(registry, call, id),
            (Resource::TiesOfName(namespace, name), _) => associations::of_name(registry, call, namespace, name),
            (Resource::BatchGet, _) => associations::batch_get(registry, call),
            (Resource::BatchMutate, _) => associations::batch_mutate(registry, call).await,
            (Resource::ServerId, _) => server::id(registry),
            (Resource::ServerVersion, _) => server::version(),
            (Resource::Key(key), verb) => key.answer(verb, &stores.deks, call).await,
            (Resource::Exporter(place), verb) => place.answer(verb, &stores.exporters, call).await,
            (Resource::Deployment, _) => Reply::json(&serde_json::json!({"attributes": []})),
        }
    }
}
