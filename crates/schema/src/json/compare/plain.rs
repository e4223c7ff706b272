//! Strings, numbers and listed values.

use std::collections::HashSet;

use super::{Comparison, Scope, short};
use crate::json::decimal::Decimal;
use crate::json::model::{Number, Text};
use crate::json::rules::{self, Rule};
use crate::json::value::Json;

/// What may not happen to a limit: that there is one at all, or that it moves to one side.
pub(super) struct Limit {
    pub(super) key: &'static str,
    pub(super) added: &'static Rule,
    pub(super) tightened: &'static Rule,
    /// Whether a larger value is tighter.
    pub(super) from_below: bool,
}

impl Comparison<'_> {
    /// Compares a limit that is an integer.
    pub(super) fn limit(&self, scope: &mut Scope, limit: &Limit, old: Option<i32>, new: Option<i32>) {
        let (rule, new) = match (old, new) {
            (None, Some(new)) => (limit.added, new),
            (Some(old), Some(new)) if old != new && (old < new) == limit.from_below => (limit.tightened, new),
            _ => return,
        };
        let old = old.map(|old| old.to_string());
        scope.within(limit.key, |scope| {
            self.found_words(scope, rule, old, Some(new.to_string()))
        });
    }

    /// Compares a limit that is any number, as doubles.
    fn number_limit(&self, scope: &mut Scope, limit: &Limit, old: Option<&Decimal>, new: Option<&Decimal>) {
        let (rule, new) = match (old, new) {
            (None, Some(new)) => (limit.added, new),
            (Some(old), Some(new)) => {
                let (low, high) = if limit.from_below { (old, new) } else { (new, old) };
                if low.as_f64() >= high.as_f64() {
                    return;
                }
                (limit.tightened, new)
            }
            _ => return,
        };
        let old = old.map(|old| short(old.text()));
        scope.within(limit.key, |scope| {
            self.found_words(scope, rule, old, Some(short(new.text())))
        });
    }

    pub(super) fn texts(&self, scope: &mut Scope, old: &Text, new: &Text) {
        self.limit(
            scope,
            &Limit {
                key: "maxLength",
                added: &rules::MAX_LENGTH_ADDED,
                tightened: &rules::MAX_LENGTH_DECREASED,
                from_below: false,
            },
            old.max_length,
            new.max_length,
        );
        self.limit(
            scope,
            &Limit {
                key: "minLength",
                added: &rules::MIN_LENGTH_ADDED,
                tightened: &rules::MIN_LENGTH_INCREASED,
                from_below: true,
            },
            old.min_length,
            new.min_length,
        );
        let rule = match (&old.pattern, &new.pattern) {
            (None, Some(_)) => &rules::PATTERN_ADDED,
            (Some(old), Some(new)) if old != new => &rules::PATTERN_CHANGED,
            _ => return,
        };
        let (old, new) = (old.pattern.as_deref().map(short), new.pattern.as_deref().map(short));
        scope.within("pattern", |scope| self.found_words(scope, rule, old, new));
    }

    pub(super) fn numbers(&self, scope: &mut Scope, old: &Number, new: &Number) {
        let limit = Limit {
            key: "maximum",
            added: &rules::MAXIMUM_ADDED,
            tightened: &rules::MAXIMUM_DECREASED,
            from_below: false,
        };
        self.number_limit(scope, &limit, old.maximum.as_ref(), new.maximum.as_ref());
        let limit = Limit {
            key: "minimum",
            added: &rules::MINIMUM_ADDED,
            tightened: &rules::MINIMUM_INCREASED,
            from_below: true,
        };
        self.number_limit(scope, &limit, old.minimum.as_ref(), new.minimum.as_ref());
        self.exclusive_maximum(scope, old, new);
        let limit = Limit {
            key: "exclusiveMinimum",
            added: &rules::EXCLUSIVE_MINIMUM_ADDED,
            tightened: &rules::EXCLUSIVE_MINIMUM_INCREASED,
            from_below: true,
        };
        self.number_limit(
            scope,
            &limit,
            old.exclusive_minimum.as_ref(),
            new.exclusive_minimum.as_ref(),
        );
        if let Some(new) = &new.multiple_of {
            let rule = match &old.multiple_of {
                None => Some(&rules::MULTIPLE_OF_ADDED),
                Some(old) if old.same_value(new) => None,
                Some(old) if !old.is_zero() && new.is_multiple_of(old) => Some(&rules::MULTIPLE_OF_EXPANDED),
                Some(old) if !new.is_zero() && old.is_multiple_of(new) => None,
                Some(_) => Some(&rules::MULTIPLE_OF_CHANGED),
            };
            if let Some(rule) = rule {
                let old = old.multiple_of.as_ref().map(|old| short(old.text()));
                scope.within("multipleOf", |scope| {
                    self.found_words(scope, rule, old, Some(short(new.text())))
                });
            }
        }
        if new.integer && !old.integer {
            self.found_words(
                scope,
                &rules::TYPE_NARROWED,
                Some("number".to_owned()),
                Some("integer".to_owned()),
            );
        }
    }

    /// As other limits, but where the reader has `maximum` as well, registries hold the writer's limit against that.
    fn exclusive_maximum(&self, scope: &mut Scope, old: &Number, new: &Number) {
        let limit = Limit {
            key: "exclusiveMaximum",
            added: &rules::EXCLUSIVE_MAXIMUM_ADDED,
            tightened: &rules::EXCLUSIVE_MAXIMUM_DECREASED,
            from_below: false,
        };
        if let (Some(old), Some(new), Some(maximum)) = (&old.exclusive_maximum, &new.exclusive_maximum, &new.maximum) {
            if old == new || old.as_f64() < new.as_f64() || old.as_f64() <= maximum.as_f64() {
                return;
            }
            let old = Some(short(old.text()));
            scope.within(limit.key, |scope| {
                self.found_words(scope, limit.tightened, old, Some(short(new.text())));
            });
            return;
        }
        self.number_limit(
            scope,
            &limit,
            old.exclusive_maximum.as_ref(),
            new.exclusive_maximum.as_ref(),
        );
    }

    pub(super) fn constants(&self, scope: &mut Scope, old: &Json, new: &Json) {
        if old != new {
            let (old, new) = (Some(short(&old.text())), Some(short(&new.text())));
            scope.within("const", |scope| {
                self.found_words(scope, &rules::ENUM_ARRAY_CHANGED, old, new)
            });
        }
    }

    pub(super) fn enums(&self, scope: &mut Scope, old: &[Json], new: &[Json]) {
        let (olds, news): (HashSet<&Json>, HashSet<&Json>) = (old.iter().collect(), new.iter().collect());
        if olds.is_subset(&news) {
            return;
        }
        let rule = if news.is_subset(&olds) {
            &rules::ENUM_ARRAY_NARROWED
        } else {
            &rules::ENUM_ARRAY_CHANGED
        };
        let listed = |values: &[Json]| Some(short(&values.iter().map(Json::text).collect::<Vec<_>>().join(", ")));
        scope.within("enum", |scope| self.found_words(scope, rule, listed(old), listed(new)));
    }
}
