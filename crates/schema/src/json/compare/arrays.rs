//! Arrays: items one by one, all of them, those beyond, and how many.

use super::plain::Limit;
use super::{At, Compared, Comparison, Scope, words};
use crate::json::model::{Array, Kind, NodeId};
use crate::json::rules::{self, Rule};

/// One of the two schemas: whose graph it is of, and what it says.
type Side<'n> = (bool, &'n Array);

fn at((writers, _): Side<'_>, id: NodeId) -> At {
    At { writers, id }
}

impl Comparison<'_> {
    pub(super) fn arrays(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        let (was, is) = (old.1.every.map(|id| at(old, id)), new.1.every.map(|id| at(new, id)));
        scope.within("items", |scope| self.compare(scope, was, is))?;
        self.items(scope, old, new)?;
        scope.within("additionalItems", |scope| self.additional_items(scope, old, new))?;
        let (was, is) = (
            old.1.unevaluated.map(|id| at(old, id)),
            new.1.unevaluated.map(|id| at(new, id)),
        );
        scope.within("unevaluatedItems", |scope| {
            self.unevaluated(
                scope,
                was,
                is,
                &rules::UNEVALUATED_ITEMS_REMOVED,
                &rules::UNEVALUATED_ITEMS_NARROWED,
            )
        })?;
        self.counts(scope, old.1, new.1);
        Ok(())
    }

    fn counts(&self, scope: &mut Scope, old: &Array, new: &Array) {
        let limit = Limit {
            key: "maxItems",
            added: &rules::MAX_ITEMS_ADDED,
            tightened: &rules::MAX_ITEMS_DECREASED,
            from_below: false,
        };
        self.limit(scope, &limit, old.max_items, new.max_items);
        let limit = Limit {
            key: "minItems",
            added: &rules::MIN_ITEMS_ADDED,
            tightened: &rules::MIN_ITEMS_INCREASED,
            from_below: true,
        };
        self.limit(scope, &limit, old.min_items, new.min_items);
        if new.unique && !old.unique {
            scope.within("uniqueItems", |scope| self.found(scope, &rules::UNIQUE_ITEMS_ADDED));
        }
        let limit = Limit {
            key: "maxContains",
            added: &rules::MAX_CONTAINS_ADDED,
            tightened: &rules::MAX_CONTAINS_DECREASED,
            from_below: false,
        };
        self.limit(scope, &limit, old.max_contains, new.max_contains);
        let limit = Limit {
            key: "minContains",
            added: &rules::MIN_CONTAINS_ADDED,
            tightened: &rules::MIN_CONTAINS_INCREASED,
            from_below: true,
        };
        self.limit(scope, &limit, old.min_contains, new.min_contains);
    }

    fn is_open_array(&self, side: Side<'_>) -> bool {
        let array = side.1;
        array.more
            && array.additional.is_none()
            && array
                .unevaluated
                .is_none_or(|id| self.node(at(side, id)).kind.is_open())
    }

    /// The schema for items beyond those named, in a content model that is open in part.
    fn schema_for_more(&self, side: Side<'_>) -> Option<At> {
        let array = side.1;
        let unevaluated = array.unevaluated.filter(|id| {
            let kind = &self.node(at(side, *id)).kind;
            array.more && !matches!(kind, Kind::False) && !kind.is_open()
        });
        array.additional.or(unevaluated).map(|id| at(side, id))
    }

    fn items(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        for index in 0..old.1.items.len().max(new.1.items.len()) {
            let (was, is) = (old.1.items.get(index), new.1.items.get(index));
            scope.within(&format!("items/{index}"), |scope| match (was, is) {
                (Some(was), None) => self.item_removed(scope, at(old, *was), new),
                (None, Some(is)) => self.item_added(scope, old, at(new, *is)),
                (was, is) => self.compare(scope, was.map(|id| at(old, *id)), is.map(|id| at(new, *id))),
            })?;
        }
        Ok(())
    }

    fn item_removed(&mut self, scope: &mut Scope, was: At, new: Side<'_>) -> Compared {
        if self.is_open_array(new) {
            return Ok(());
        }
        let old_words = Some(words(&self.node(was).kind));
        if let Some(schema) = self.schema_for_more(new) {
            let before = scope.found.len();
            self.compare(scope, Some(was), Some(schema))?;
            if scope.found.len() > before {
                let rule = &rules::ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
                self.found_words(scope, rule, old_words, Some(words(&self.node(schema).kind)));
            }
        } else if !matches!(self.node(was).kind, Kind::False) {
            self.found_words(scope, &rules::ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL, old_words, None);
        }
        Ok(())
    }

    fn item_added(&mut self, scope: &mut Scope, old: Side<'_>, is: At) -> Compared {
        let new_words = Some(words(&self.node(is).kind));
        if self.is_open_array(old) {
            if !self.node(is).kind.is_open() {
                self.found_words(scope, &rules::ITEM_ADDED_TO_OPEN_CONTENT_MODEL, None, new_words);
            }
        } else if let Some(covering) = self.schema_for_more(old) {
            let before = scope.found.len();
            self.compare(scope, Some(covering), Some(is))?;
            if scope.found.len() > before {
                let rule = &rules::ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
                self.found_words(scope, rule, Some(words(&self.node(covering).kind)), new_words);
            }
        }
        Ok(())
    }

    fn additional_items(&mut self, scope: &mut Scope, old: Side<'_>, new: Side<'_>) -> Compared {
        if old.1.more != new.1.more {
            if old.1.more {
                let (old, new) = (Some("allowed".to_owned()), Some("not allowed".to_owned()));
                self.found_words(scope, &rules::ADDITIONAL_ITEMS_REMOVED, old, new);
            }
            return Ok(());
        }
        match (old.1.additional, new.1.additional) {
            (None, Some(id)) => {
                let new = Some(words(&self.node(at(new, id)).kind));
                self.found_words(
                    scope,
                    &rules::ADDITIONAL_ITEMS_NARROWED,
                    Some("anything".to_owned()),
                    new,
                );
                Ok(())
            }
            (_, None) => Ok(()),
            (was, is) => self.compare(scope, was.map(|id| at(old, id)), is.map(|id| at(new, id))),
        }
    }

    /// What is left over for a schema of its own, in objects and in arrays.
    pub(super) fn unevaluated(
        &mut self,
        scope: &mut Scope,
        old: Option<At>,
        new: Option<At>,
        removed: &'static Rule,
        narrowed: &'static Rule,
    ) -> Compared {
        let Some(is) = new else {
            return Ok(());
        };
        let new_kind = &self.node(is).kind;
        let old_kind = old.map(|was| &self.node(was).kind);
        let closed = |kind: &Kind| matches!(kind, Kind::False);
        let old_closed = old_kind.is_some_and(closed);
        let rule = match (old_closed, closed(new_kind)) {
            (true, false) => return Ok(()),
            (false, true) => removed,
            _ => match old_kind {
                None => narrowed,
                Some(old_kind) if old_kind.is_open() && !new_kind.is_open() => narrowed,
                Some(old_kind) if !old_kind.is_open() && new_kind.is_open() => return Ok(()),
                Some(_) => return self.compare(scope, old, new),
            },
        };
        let old_words = old_kind.map_or_else(|| "anything".to_owned(), words);
        self.found_words(scope, rule, Some(old_words), Some(words(new_kind)));
        Ok(())
    }
}
