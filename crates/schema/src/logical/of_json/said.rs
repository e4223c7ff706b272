//! What clients write beside the keywords of a JSON Schema.

use crate::json::model::NodeId;
use crate::json::order::{FRESH, map_order};
use crate::json::value::Json;

use super::super::java::{self, cast};
use super::super::{Check, Converted, Logical, Said, Ty, is_free};
use super::Converter;

impl<'a> Converter<'a> {
    /// A member that clients write beside the keywords. The newer drafts' null is none.
    pub(super) fn said(&self, id: NodeId, key: &str) -> Option<&'a Json> {
        let value = self.graph.node(id).said.as_ref()?.members.get(key)?;
        (*value != Json::Null || self.graph.inline).then_some(value)
    }

    pub(super) fn said_text(&self, id: NodeId, key: &str) -> Converted<Option<&'a str>> {
        let text = |value: &'a Json| value.as_str().ok_or_else(|| cast(value, "java.lang.String"));
        self.said(id, key).map(text).transpose()
    }

    pub(super) fn said_int(&self, id: NodeId, key: &str) -> Converted<Option<i64>> {
        let int = |value: &Json| java::int(value).ok_or_else(|| cast(value, "java.lang.Integer"));
        self.said(id, key).map(int).transpose()
    }

    pub(super) fn title(&self, id: NodeId) -> Option<&'a str> {
        self.graph.node(id).said.as_ref()?.title.as_deref()
    }

    /// A type with what is said of it.
    pub(super) fn with_words(&self, id: NodeId, ty: Ty, nullable: bool) -> Logical {
        let said = matches!(ty, Ty::Struct(_) | Ty::Enum(_)).then(|| Box::new(self.of_part(id, true)));
        Logical {
            said,
            ..Logical::of(ty, nullable)
        }
    }

    /// What is said of a property or of a type; parameters that belong to other languages count for types only.
    pub(super) fn of_part(&self, id: NodeId, is_type: bool) -> Said {
        let tags = self.said(id, "confluent:tags");
        let rules = self.said(id, "confluent:rules");
        let mut params = params(self.said(id, "confluent:params"));
        params.retain(|(key, _)| is_type || is_free(key));
        let said = self.graph.node(id).said.as_ref();
        Said {
            doc: said.and_then(|said| said.description.clone()),
            tags: items(tags).iter().map(java::to_string).collect(),
            params,
            checks: items(rules).iter().filter_map(check).collect(),
        }
    }

    /// What is said of the values or branches, one by one.
    pub(super) fn hints(&self, id: NodeId, key: &str) -> Converted<&'a [Json]> {
        match self.said(id, key) {
            None => Ok(&[]),
            Some(Json::Array(hints)) => Ok(hints),
            Some(other) => Err(cast(other, "java.util.List")),
        }
    }
}

fn items(value: Option<&Json>) -> &[Json] {
    match value {
        Some(Json::Array(items)) => items,
        _ => &[],
    }
}

/// Parameters, in the order of a hash map.
fn params(value: Option<&Json>) -> Vec<(String, String)> {
    let Some(Json::Object(params)) = value else {
        return Vec::new();
    };
    let order = map_order(params.keys().map(String::as_str), FRESH);
    let param = |at| {
        params
            .get_index(at)
            .map(|(key, value)| (key.clone(), java::to_string(value)))
    };
    order.into_iter().filter_map(param).collect()
}

fn check(rule: &Json) -> Option<Check> {
    let part = |key: &str| rule.get(key).map(java::to_string).filter(|text| !text.is_empty());
    let name = |key: &str| {
        rule.get(key)?
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let (_, sql) = (part("expr")?, part("sql")?);
    Some(Check {
        name: name("name"),
        doc: name("doc"),
        sql,
    })
}

/// What is said of a value or a branch by its place.
pub(super) fn of_hint(hint: Option<&Json>) -> Said {
    Said {
        doc: hint.and_then(|hint| hint.get("doc")?.as_str()).map(str::to_owned),
        params: params(hint.and_then(|hint| hint.get("params"))),
        ..Said::default()
    }
}

pub(super) fn of_branch(hint: Option<&Json>) -> Said {
    let mut said = of_hint(hint);
    said.params.retain(|(key, _)| is_free(key));
    said
}

pub(super) fn hinted_name(hint: &Json) -> Converted<Option<&str>> {
    match hint.get("name") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(name)) => Ok(Some(name)),
        Some(other) => Err(cast(other, "java.lang.String")),
    }
}

/// What is said of a value or a branch has a text and parameters, if any.
pub(super) fn check_hint(hint: &Json) -> Converted<()> {
    if !matches!(hint, Json::Object(_) | Json::Null) {
        return Err(cast(hint, "java.util.Map"));
    }
    match (hint.get("doc"), hint.get("params")) {
        (Some(doc), _) if !matches!(doc, Json::String(_) | Json::Null) => Err(cast(doc, "java.lang.String")),
        (_, Some(params)) if !matches!(params, Json::Object(_) | Json::Null) => Err(cast(params, "java.util.Map")),
        _ => Ok(()),
    }
}
