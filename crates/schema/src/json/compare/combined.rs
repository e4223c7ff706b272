//! Combinations of schemas: of all, of any, of exactly one.

use std::collections::{HashSet, VecDeque};

use super::{At, Compared, Comparison, Exhausted, Scope};
use crate::json::model::{Combined, Criterion, Kind, NodeId};
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
}
