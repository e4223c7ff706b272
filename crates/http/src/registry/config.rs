//! `/config`: settings of a subject, a context, or all.

use catalog::Registry;
use schema::RegistryError;
use schema::subjects::{Config, ConfigUpdate, Name};
use serde_json::Value as Json;

use super::answer::{Replied, Reply};
use super::call::Call;
use super::route::Verb;

pub(super) async fn answer(verb: Verb, registry: &Registry, call: &Call, subject: &str) -> Replied {
    let name = Name::parse(subject);
    match verb {
        Verb::Put => set(registry, call, subject, &name).await,
        Verb::Delete => {
            let old = registry.change(|state, _| state.delete_config(&name)).await?;
            Reply::json(&old)
        }
        Verb::Get | Verb::Post => {
            let state = registry.state();
            let config = if call.flag("defaultToGlobal") {
                Some(state.config_in_scope(&name))
            } else {
                state.own_config(&name)
            };
            Reply::json(&config.ok_or_else(|| RegistryError::no_own_config(&name))?)
        }
    }
}

async fn set(registry: &Registry, call: &Call, subject: &str, name: &Name) -> Replied {
    let argument = if name.is_top() {
        "updateTopLevelConfig.arg1"
    } else {
        "updateSubjectLevelConfig.arg2"
    };
    let update: ConfigUpdate = call.body(argument)?;
    let config = registry.change(|state, _| state.set_config(subject, &update)).await?;
    Reply::json(&as_update(&config)?)
}

/// Settings as an update names them: the level is `compatibility` there.
fn as_update(config: &Config) -> Result<Json, RegistryError> {
    let shown = serde_json::to_value(config).map_err(RegistryError::store)?;
    let Json::Object(fields) = shown else {
        return Ok(shown);
    };
    let renamed = fields.into_iter().map(|(key, value)| match key.as_str() {
        "compatibilityLevel" => ("compatibility".to_owned(), value),
        _ => (key, value),
    });
    Ok(Json::Object(renamed.collect()))
}
