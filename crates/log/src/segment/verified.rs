//! Which stretches of a segment hold for certain: what this process wrote from batches it had checked, or has read and
//! checked once. They may be given where they lie, without being read again.

use std::ops::Range;

/// So many stretches are remembered; of more, the shortest is forgotten.
const STRETCHES_MAX: usize = 8;

#[derive(Default)]
pub(super) struct Verified {
    /// By their beginning; none touches another.
    stretches: Vec<Range<u64>>,
}

impl Verified {
    pub(super) fn add(&mut self, added: Range<u64>) {
        if added.is_empty() {
            return;
        }
        let first = self.stretches.partition_point(|stretch| stretch.end < added.start);
        let behind = self.stretches.partition_point(|stretch| stretch.start <= added.end);
        let touched = &self.stretches[first..behind];
        let start = touched
            .first()
            .map_or(added.start, |stretch| stretch.start.min(added.start));
        let end = touched.last().map_or(added.end, |stretch| stretch.end.max(added.end));
        self.stretches.splice(first..behind, std::iter::once(start..end));
        if self.stretches.len() > STRETCHES_MAX {
            let shortest = (0..self.stretches.len()).min_by_key(|at| {
                let stretch = &self.stretches[*at];
                stretch.end - stretch.start
            });
            self.stretches.remove(shortest.unwrap_or_default());
        }
    }

    /// Up to where all that follows `position` holds.
    pub(super) fn end(&self, position: u64) -> Option<u64> {
        let at = self.stretches.partition_point(|stretch| stretch.end <= position);
        let stretch = self.stretches.get(at)?;
        (stretch.start <= position).then_some(stretch.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_grow_together_and_the_shortest_is_forgotten() {
        let mut verified = Verified::default();
        for added in [10..20, 40..50, 20..30, 60..60] {
            verified.add(added);
        }
        assert_eq!(verified.stretches, [10..30, 40..50]);
        let ends = [9, 10, 29, 30, 45, 50].map(|position| verified.end(position));
        assert_eq!(ends, [None, Some(30), Some(30), None, Some(50), None]);
        verified.add(25..45);
        assert_eq!((verified.stretches.len(), verified.end(10)), (1, Some(50)));
        for at in 1..=STRETCHES_MAX as u64 {
            verified.add(at * 100..at * 100 + at);
        }
        assert_eq!(verified.stretches.len(), STRETCHES_MAX);
        assert_eq!((verified.end(100), verified.end(200)), (None, Some(202)));
    }
}
