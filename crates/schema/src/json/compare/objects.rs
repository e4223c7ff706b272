//! Objects: properties by content model, required ones, dependencies, what else may be there.

use super::plain::Limit;
use super::{At, Compared, Comparison, Scope, words};
use crate::json::model::{Kind, NodeId, Object};
use crate::json::order::{copied_capacity, map_order};
use crate::json::rules;

/// One of the two schemas: whose graph it is of, and what it says.
type Side<'n> = (bool, &'n Object);

impl Comparison<'_> {
    pub(super) fn objects(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        scope.within("required", |scope| self.required(scope, old, new));
        scope.within("properties", |scope| self.properties(scope, old, new))?;
        scope.within("dependencies", |scope| self.dependencies(scope, old, new))?;
        scope.within("additionalProperties", |scope| {
            self.additional_properties(scope, old, new)
        })?;
        scope.within("unevaluatedProperties", |scope| {
            self.unevaluated_properties(scope, old, new)
        })?;
        let limit = Limit {
            key: "maxProperties",
            added: &rules::MAX_PROPERTIES_ADDED,
            tightened: &rules::MAX_PROPERTIES_DECREASED,
            from_below: false,
        };
        self.limit(scope, &limit, old.1.max_properties, new.1.max_properties);
        let limit = Limit {
            key: "minProperties",
            added: &rules::MIN_PROPERTIES_ADDED,
            tightened: &rules::MIN_PROPERTIES_INCREASED,
            from_below: true,
        };
        self.limit(scope, &limit, old.1.min_properties, new.1.min_properties);
        Ok(())
    }

    fn at(&self, (writers, _): Side<'_>, id: NodeId) -> At {
        At { writers, id }
    }

    fn has_default(&self, side: Side<'_>, id: NodeId) -> bool {
        self.node(self.at(side, id)).notes.has_default
    }

    fn is_open_object(&self, side: Side<'_>) -> bool {
        let object = side.1;
        object.more
            && object.additional.is_none()
            && object.patterns.is_empty()
            && object
                .unevaluated
                .is_none_or(|id| self.node(self.at(side, id)).kind.is_open())
    }

    /// The schema that a property that is not named has to fit, in a content model that is open in part.
    fn schema_for(&self, side: Side<'_>, name: &str) -> Option<At> {
        let object = side.1;
        let by_pattern = object
            .patterns
            .iter()
            .find(|(pattern, _)| pattern.finds(name))
            .map(|(_, id)| *id);
        let unevaluated = object.unevaluated.filter(|id| {
            let kind = &self.node(self.at(side, *id)).kind;
            object.more && !matches!(kind, Kind::False) && !kind.is_open()
        });
        by_pattern
            .or(object.additional)
            .or(unevaluated)
            .map(|id| self.at(side, id))
    }

    fn required(&self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) {
        let names: Vec<&String> = old.1.properties.keys().collect();
        for at in map_order(names.iter().map(|name| name.as_str()), super::super::order::FRESH) {
            let name = names[at];
            let Some(schema) = new.1.properties.get(name) else {
                continue;
            };
            let became = new.1.required.contains(name) && !old.1.required.contains(name);
            if became && !self.has_default(new, *schema) {
                scope.within(name, |scope| {
                    let (old, new) = (Some("optional".to_owned()), Some("required".to_owned()));
                    self.found_words(scope, &rules::REQUIRED_ATTRIBUTE_ADDED, old, new);
                });
            }
        }
    }

    fn properties(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        let mut names: Vec<&String> = old.1.properties.keys().collect();
        names.extend(
            new.1
                .properties
                .keys()
                .filter(|name| !old.1.properties.contains_key(*name)),
        );
        let order = map_order(
            names.iter().map(|name| name.as_str()),
            copied_capacity(old.1.properties.len()),
        );
        for at in order {
            let name = names[at];
            scope.within(name, |scope| {
                match (old.1.properties.get(name), new.1.properties.get(name)) {
                    (Some(was), None) => self.property_removed(scope, self.at(old, *was), new, name),
                    (None, Some(is)) => self.property_added(scope, old, new, *is, name),
                    (was, is) => {
                        let (was, is) = (was.map(|id| self.at(old, *id)), is.map(|id| self.at(new, *id)));
                        self.compare(scope, was, is)
                    }
                }
            })?;
        }
        Ok(())
    }

    fn property_removed(&mut self, scope: &mut Scope, was: At, new: Side<'_>, name: &str) -> Compared {
        if self.is_open_object(new) {
            return Ok(());
        }
        let old_words = Some(words(&self.node(was).kind));
        if let Some(schema) = self.schema_for(new, name) {
            let before = scope.found.len();
            self.compare(scope, Some(was), Some(schema))?;
            if scope.found.len() > before {
                let rule = &rules::PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
                self.found_words(scope, rule, old_words, Some(words(&self.node(schema).kind)));
            }
        } else if !matches!(self.node(was).kind, Kind::False) {
            self.found_words(
                scope,
                &rules::PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL,
                old_words,
                None,
            );
        }
        Ok(())
    }

    fn property_added(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>, is: NodeId, name: &str) -> Compared {
        let schema = self.at(new, is);
        let required = new.1.required.contains(name);
        let has_default = self.has_default(new, is);
        let kind = &self.node(schema).kind;
        let new_words = Some(format!(
            "{} {}",
            if required { "required" } else { "optional" },
            words(kind)
        ));
        if self.is_open_object(old) {
            let rule = match (required, has_default) {
                _ if kind.is_open() => return Ok(()),
                (true, true) => &rules::REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL,
                (true, false) => &rules::REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL,
                (false, _) => &rules::OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL,
            };
            self.found_words(scope, rule, None, new_words);
            return Ok(());
        }
        if let Some(covering) = self.schema_for(old, name) {
            let before = scope.found.len();
            self.compare(scope, Some(covering), Some(schema))?;
            if scope.found.len() > before {
                let rule = &rules::PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
                self.found_words(scope, rule, Some(words(&self.node(covering).kind)), new_words.clone());
            }
        }
        if required && !has_default {
            self.found_words(
                scope,
                &rules::REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL,
                None,
                new_words,
            );
        }
        Ok(())
    }

    fn dependencies(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        let mut names: Vec<&String> = old.1.dependent_names.keys().collect();
        names.extend(
            new.1
                .dependent_names
                .keys()
                .filter(|name| !old.1.dependent_names.contains_key(*name)),
        );
        let order = map_order(
            names.iter().map(|name| name.as_str()),
            copied_capacity(old.1.dependent_names.len()),
        );
        for at in order {
            let name = names[at];
            let (was, is) = (old.1.dependent_names.get(name), new.1.dependent_names.get(name));
            let rule = match (was, is) {
                (None, Some(_)) => &rules::DEPENDENCY_ARRAY_ADDED,
                (Some(was), Some(is)) if was == is || is.is_subset(was) => continue,
                (Some(was), Some(is)) if was.is_subset(is) => &rules::DEPENDENCY_ARRAY_EXTENDED,
                (Some(_), Some(_)) => &rules::DEPENDENCY_ARRAY_CHANGED,
                (_, None) => continue,
            };
            let listed = |names: &std::collections::BTreeSet<String>| {
                super::short(&names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            };
            scope.within(name, |scope| {
                self.found_words(scope, rule, was.map(listed), is.map(listed))
            });
        }
        let mut names: Vec<&String> = old.1.dependent_schemas.keys().collect();
        names.extend(
            new.1
                .dependent_schemas
                .keys()
                .filter(|name| !old.1.dependent_schemas.contains_key(*name)),
        );
        let order = map_order(
            names.iter().map(|name| name.as_str()),
            copied_capacity(old.1.dependent_schemas.len()),
        );
        for at in order {
            let name = names[at];
            let was = old.1.dependent_schemas.get(name).map(|id| self.at(old, *id));
            let is = new.1.dependent_schemas.get(name).map(|id| self.at(new, *id));
            scope.within(name, |scope| match (was, is) {
                (_, None) => Ok(()),
                (None, Some(is)) => {
                    let is = Some(words(&self.node(is).kind));
                    self.found_words(scope, &rules::DEPENDENCY_SCHEMA_ADDED, None, is);
                    Ok(())
                }
                (was, is) => self.compare(scope, was, is),
            })?;
        }
        Ok(())
    }

    fn additional_properties(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        if old.1.more != new.1.more {
            if old.1.more {
                let (old, new) = (Some("allowed".to_owned()), Some("not allowed".to_owned()));
                self.found_words(scope, &rules::ADDITIONAL_PROPERTIES_REMOVED, old, new);
            }
            return Ok(());
        }
        match (old.1.additional, new.1.additional) {
            (None, Some(id)) => {
                let new = Some(words(&self.node(self.at(new, id)).kind));
                self.found_words(
                    scope,
                    &rules::ADDITIONAL_PROPERTIES_NARROWED,
                    Some("anything".to_owned()),
                    new,
                );
                Ok(())
            }
            (_, None) => Ok(()),
            (was, is) => self.compare(scope, was.map(|id| self.at(old, id)), is.map(|id| self.at(new, id))),
        }
    }

    fn unevaluated_properties(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        let was = old.1.unevaluated.map(|id| self.at(old, id));
        let is = new.1.unevaluated.map(|id| self.at(new, id));
        self.unevaluated(
            scope,
            was,
            is,
            &rules::UNEVALUATED_PROPERTIES_REMOVED,
            &rules::UNEVALUATED_PROPERTIES_NARROWED,
        )
    }
}
