//! Combinations of schemas: of all, of any, of exactly one.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{At, Compared, Comparison, Exhausted, Scope};
use crate::json::model::{Array, Combined, Criterion, Kind, NodeId, Object};
use crate::json::rules;

impl Comparison<'_> {
    /// A combination on one side only: whether one of its parts makes both fit.
    pub(super) fn combined_with_plain(&mut self, scope: &mut Scope, writer: At, reader: At) -> Result<bool, Exhausted> {
        match (&self.node(writer).kind, &self.node(reader).kind) {
            (Kind::Combined(_), Kind::Combined(_)) => {}
            (_, Kind::Combined(new)) if new.parts.len() == 1 || new.criterion != Criterion::All => {
                for part in &new.parts {
                    if self.fits(scope, writer, At { id: *part, ..reader })? {
                        return Ok(true);
                    }
                }
            }
            (Kind::Combined(old), _) if old.parts.len() == 1 || old.criterion == Criterion::All => {
                for part in &old.parts {
                    if self.fits(scope, At { id: *part, ..writer }, reader)? {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
        Ok(false)
    }

    pub(super) fn combined(
        &mut self,
        scope: &mut Scope,
        (old_side, old): (bool, &Combined),
        (new_side, new): (bool, &Combined),
    ) -> Compared {
        let single = |combined: &Combined| combined.parts.len() == 1;
        let allowed = old.criterion == new.criterion
            || new.criterion == Criterion::Any
            || (single(old) && single(new))
            || (single(old) && new.criterion == Criterion::One)
            || (single(new) && old.criterion == Criterion::All);
        if !allowed {
            let words = |combined: &Combined| Some(combined.criterion.word().to_owned());
            self.found_words(scope, &rules::COMBINED_TYPE_CHANGED, words(old), words(new));
            return Ok(());
        }
        let olds = self.distinct(old_side, &old.parts)?;
        let news = self.distinct(new_side, &new.parts)?;
        let words = |parts: &[At]| Some(format!("{} schemas", parts.len()));
        if olds.len() < news.len() && new.criterion == Criterion::All {
            self.found_words(scope, &rules::PRODUCT_TYPE_EXTENDED, words(&olds), words(&news));
        } else if olds.len() > news.len() && old.criterion != Criterion::All {
            self.found_words(scope, &rules::SUM_TYPE_NARROWED, words(&olds), words(&news));
        }
        let mut fitting = Vec::with_capacity(olds.len());
        for old in &olds {
            let mut row = Vec::new();
            for (at, new) in news.iter().enumerate() {
                if self.fits(scope, *old, *new)? {
                    row.push(at);
                }
            }
            fitting.push(row);
        }
        if self.most_pairs(&fitting, news.len())? < olds.len().min(news.len()) {
            self.found(scope, &rules::COMBINED_TYPE_SUBSCHEMAS_CHANGED);
        }
        Ok(())
    }

    /// The parts without those that say the same as one before.
    fn distinct(&mut self, writers: bool, parts: &[NodeId]) -> Result<Vec<At>, Exhausted> {
        let mut seen = HashSet::new();
        let mut distinct = Vec::new();
        for id in parts {
            let at = At { writers, id: *id };
            if seen.insert(self.fingerprint(at)?) {
                distinct.push(at);
            }
        }
        Ok(distinct)
    }

    /// How many of the left can be paired with one of the right each: a maximum bipartite matching, by augmenting
    /// paths found breadth first.
    fn most_pairs(&mut self, fitting: &[Vec<usize>], rights: usize) -> Result<usize, Exhausted> {
        let mut partner_of_right: Vec<Option<usize>> = vec![None; rights];
        let mut partner_of_left: Vec<Option<usize>> = vec![None; fitting.len()];
        let mut pairs = 0;
        for start in 0..fitting.len() {
            let mut came_from: Vec<Option<usize>> = vec![None; rights];
            let mut open = VecDeque::from([start]);
            let mut free = None;
            'search: while let Some(left) = open.pop_front() {
                self.spend(1 + fitting[left].len())?;
                for right in &fitting[left] {
                    if came_from[*right].is_some() {
                        continue;
                    }
                    came_from[*right] = Some(left);
                    match partner_of_right[*right] {
                        Some(next) => open.push_back(next),
                        None => {
                            free = Some(*right);
                            break 'search;
                        }
                    }
                }
            }
            pairs += usize::from(free.is_some());
            // Along the path every left takes the right it came from and leaves its own to the one before.
            while let Some(right) = free {
                let Some(left) = came_from[right] else { break };
                partner_of_right[right] = Some(left);
                free = partner_of_left[left].replace(right);
            }
        }
        Ok(pairs)
    }

    /// A number that is the same for nodes that say the same; references say where they lead, not what is there.
    fn fingerprint(&mut self, at: At) -> Result<u64, Exhausted> {
        if let Some(known) = self.fingerprints.get(&at) {
            return Ok(*known);
        }
        self.spend(1)?;
        let node = self.node(at);
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(&node.kind).hash(&mut hasher);
        node.notes.hash(&mut hasher);
        crate::json::deeper(|| self.hash_kind(at, &node.kind, &mut hasher))?;
        let fingerprint = hasher.finish();
        self.fingerprints.insert(at, fingerprint);
        Ok(fingerprint)
    }

    fn hash_kind(&mut self, at: At, kind: &Kind, hasher: &mut DefaultHasher) -> Compared {
        match kind {
            Kind::Empty | Kind::True | Kind::False | Kind::Boolean | Kind::Null => {}
            Kind::Text(text) => text.hash(hasher),
            Kind::Number(number) => number.hash(hasher),
            Kind::Const(value) => value.hash(hasher),
            Kind::Enum(values) => values.hash(hasher),
            Kind::Reference(reference) => reference.text.hash(hasher),
            Kind::Combined(combined) => {
                (combined.criterion, combined.implied).hash(hasher);
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
