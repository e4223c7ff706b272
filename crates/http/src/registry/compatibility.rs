//! `/compatibility`: whether a schema may follow what a subject holds.

use catalog::Registry;
use schema::RegistryError;
use schema::subjects::requests::SchemaRequest;
use schema::subjects::{Name, Subjects, Wanted};
use serde::Serialize;

use super::answer::{Replied, Reply};
use super::call::Call;

#[derive(Serialize)]
struct Verdict {
    is_compatible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<String>>,
}

pub(super) async fn with_all(registry: &Registry, call: &Call, subject: &str) -> Replied {
    check(registry, call, subject, None, "testCompatibilityForSubject.arg3").await
}

pub(super) async fn with_one(registry: &Registry, call: &Call, subject: &str, version: &str) -> Replied {
    let wanted = Some(Wanted::from_path(version)?);
    check(registry, call, subject, wanted, "testCompatibilityBySubjectName.arg4").await
}

async fn check(registry: &Registry, call: &Call, subject: &str, against: Option<Wanted>, argument: &str) -> Replied {
    let request: SchemaRequest = call.body(argument)?;
    let (name, normalize, verbose) = (Name::parse(subject), call.flag("normalize"), call.flag("verbose"));
    let messages = match request.registration() {
        Ok(request) => {
            let look = move |state: &Subjects| state.compatibility(&name, &request, against, normalize);
            registry.consider(call.body_bytes(), look).await
        }
        Err(error) => Err(error),
    };
    let messages = match messages {
        Ok(messages) => messages,
        // With `verbose` a schema that cannot be read is an answer, not an error.
        Err(RegistryError { code: 42201, message }) if verbose => vec![message],
        Err(error) => return Err(error),
    };
    Reply::json(&Verdict {
        is_compatible: messages.is_empty(),
        messages: verbose.then_some(messages),
    })
}
