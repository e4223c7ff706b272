//! Fingerprints of nodes: the same for schemas that would be written the same.
//!
//! A combination counts such parts once.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{At, Compared, Comparison, Exhausted};
use crate::json::model::{Array, Criterion, Kind, NodeId, Number, Object, Text};
use crate::json::value::Json;

impl<'a> Comparison<'a> {
    /// A number that is the same for nodes that say the same; references say where they lead, not what is there.
    pub(super) fn fingerprint(&mut self, at: At) -> Result<u64, Exhausted> {
        if let Some(known) = self.fingerprints.get(&at) {
            return Ok(*known);
        }
        self.spend(1)?;
        let node = self.node(at);
        let mut hasher = DefaultHasher::new();
        node.notes.hash(&mut hasher);
        let kind = self.written_kind(at, &node.kind);
        if !self.says_nothing(at, kind) {
            std::mem::discriminant(kind).hash(&mut hasher);
            crate::json::deeper(|| self.hash_kind(at, kind, &mut hasher))?;
        }
        let fingerprint = hasher.finish();
        self.fingerprints.insert(at, fingerprint);
        Ok(fingerprint)
    }

    fn is_inline(&self, at: At) -> bool {
        if at.writers {
            self.writer.inline
        } else {
            self.reader.inline
        }
    }

    /// The kind itself, or of keywords beside each other the only one that says something.
    fn written_kind(&self, at: At, kind: &'a Kind) -> &'a Kind {
        match kind {
            Kind::Combined(combined)
                if combined.implied && combined.criterion == Criterion::All && self.is_inline(at) =>
            {
                let kinds = combined.parts.iter().map(|id| &self.node(At { id: *id, ..at }).kind);
                let mut telling = kinds.filter(|kind| !self.says_nothing(at, kind));
                match (telling.next(), telling.next()) {
                    (Some(only), None) => only,
                    _ => kind,
                }
            }
            _ => kind,
        }
    }

    /// Whether the kind would be written as `{}`.
    fn says_nothing(&self, at: At, kind: &Kind) -> bool {
        match kind {
            Kind::Empty => true,
            Kind::Text(text) => **text == Text::default(),
            Kind::Number(number) => **number == Number::default(),
            Kind::Object(object) => **object == Object::new(false),
            Kind::Array(array) => **array == Array::new(false),
            Kind::Combined(combined) if combined.implied && combined.criterion == Criterion::All => {
                let nothing = |id: &NodeId| self.says_nothing(at, &self.node(At { id: *id, ..at }).kind);
                self.is_inline(at) && combined.parts.iter().all(nothing)
            }
            _ => false,
        }
    }

    fn hash_kind(&mut self, at: At, kind: &Kind, hasher: &mut DefaultHasher) -> Compared {
        match kind {
            Kind::Empty | Kind::True | Kind::False | Kind::Boolean | Kind::Null => {}
            Kind::Text(text) => text.hash(hasher),
            Kind::Number(number) => {
                let limits = [
                    &number.minimum,
                    &number.maximum,
                    &number.exclusive_minimum,
                    &number.exclusive_maximum,
                ];
                let limits = limits.map(|limit| limit.as_ref().map(|limit| limit.simplest()));
                let multiple_of = number.multiple_of.as_ref().map(|number| number.simplest());
                (limits, multiple_of, number.only, number.integer, number.excluded).hash(hasher);
            }
            Kind::Const(value) => value.simplest().hash(hasher),
            Kind::Enum(values) => {
                let hash_of = |value: &Json| {
                    let mut hasher = DefaultHasher::new();
                    value.simplest().hash(&mut hasher);
                    hasher.finish()
                };
                let mut hashes: Vec<u64> = values.iter().map(hash_of).collect();
                hashes.sort_unstable();
                hashes.dedup();
                hashes.hash(hasher);
            }
            Kind::Reference(reference) => reference.text.hash(hasher),
            Kind::Combined(combined) => {
                let inline = combined.implied && combined.criterion == Criterion::All && self.is_inline(at);
                (combined.criterion, inline).hash(hasher);
                self.hash_all(at, combined.parts.iter(), hasher)?;
            }
            Kind::Not(schema) => self.hash_all(at, [schema].into_iter(), hasher)?,
            Kind::Conditional(branches) => {
                for branch in branches.iter() {
                    self.hash_all(at, branch.iter(), hasher)?;
                }
            }
            Kind::Object(object) => self.hash_object(at, object, hasher)?,
            Kind::Array(array) => self.hash_array(at, array, hasher)?,
        }
        Ok(())
    }

    fn hash_object(&mut self, at: At, object: &Object, hasher: &mut DefaultHasher) -> Compared {
        (
            object.only,
            object.more,
            object.min_properties,
            object.max_properties,
            &object.required,
        )
            .hash(hasher);
        let mut named: Vec<(&str, &NodeId)> = object.properties.iter().map(|(name, id)| (name.as_str(), id)).collect();
        named.sort_unstable();
        let mut patterns: Vec<(&str, &NodeId)> = object.patterns.iter().map(|(p, id)| (p.text.as_str(), id)).collect();
        patterns.sort_unstable();
        let mut dependent: Vec<(&str, &NodeId)> = object
            .dependent_schemas
            .iter()
            .map(|(name, id)| (name.as_str(), id))
            .collect();
        dependent.sort_unstable();
        for list in [named, patterns, dependent] {
            for (name, _) in &list {
                name.hash(hasher);
            }
            self.hash_all(at, list.into_iter().map(|(_, id)| id), hasher)?;
        }
        let mut names: Vec<_> = object.dependent_names.iter().collect();
        names.sort_unstable();
        names.hash(hasher);
        for schema in [&object.additional, &object.unevaluated, &object.names] {
            self.hash_all(at, schema.iter(), hasher)?;
        }
        Ok(())
    }

    fn hash_array(&mut self, at: At, array: &Array, hasher: &mut DefaultHasher) -> Compared {
        (array.only, array.more, array.unique, array.min_items, array.max_items).hash(hasher);
        (array.min_contains, array.max_contains).hash(hasher);
        self.hash_all(at, array.items.iter(), hasher)?;
        for schema in [&array.every, &array.additional, &array.unevaluated, &array.contained] {
            self.hash_all(at, schema.iter(), hasher)?;
        }
        Ok(())
    }

    fn hash_all<'n>(
        &mut self,
        at: At,
        schemas: impl Iterator<Item = &'n NodeId>,
        hasher: &mut DefaultHasher,
    ) -> Compared {
        let mut count = 0usize;
        for id in schemas {
            self.fingerprint(At { id: *id, ..at })?.hash(hasher);
            count += 1;
        }
        count.hash(hasher);
        Ok(())
    }
}
