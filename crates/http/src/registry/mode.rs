//! `/mode`: what may be done to a subject, a context, or all.

use catalog::Registry;
use schema::RegistryError;
use schema::subjects::requests::ModeRequest;
use schema::subjects::{Mode, Name};
use serde_json::json;

use super::answer::{Replied, Reply};
use super::call::Call;
use super::route::Verb;

fn shown(mode: Option<Mode>) -> Replied {
    match mode {
        Some(mode) => Reply::json(&json!({"mode": mode.word()})),
        None => Reply::json(&json!({})),
    }
}

pub(super) async fn answer(verb: Verb, registry: &Registry, call: &Call, subject: &str) -> Replied {
    let name = Name::parse(subject);
    match verb {
        Verb::Put => set(registry, call, subject, &name).await,
        Verb::Delete => {
            let recursive = call.flag("recursive");
            let old = registry.change(|state, _| state.delete_mode(&name, recursive)).await?;
            shown(old)
        }
        Verb::Get | Verb::Post => {
            let state = registry.state();
            let mode = if call.flag("defaultToGlobal") {
                Some(state.mode_in_scope(&name))
            } else {
                state.own_mode(&name)
            };
            shown(Some(mode.ok_or_else(|| RegistryError::no_own_mode(&name))?))
        }
    }
}

async fn set(registry: &Registry, call: &Call, subject: &str, name: &Name) -> Replied {
    let argument = if name.is_top() {
        "updateTopLevelMode.arg1"
    } else {
        "updateMode.arg2"
    };
    let request: ModeRequest = call.body(argument)?;
    let word = request.mode.ok_or_else(RegistryError::invalid_mode)?;
    let force = call.flag("force");
    registry
        .change(|state, _| state.set_mode(subject, word.as_deref(), force))
        .await?;
    // The answer repeats the request, also its case.
    Reply::json(&json!({"mode": word}))
}
