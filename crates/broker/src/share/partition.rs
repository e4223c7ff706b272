//! One share-partition of KIP-932 as a pure state machine: which records are free, which are somebody's for a while, and
//! which are done with.
//!
//! From `start` to `end` every offset belongs to a run of offsets that fare alike; below `start` all is done with, from
//! `end` on nothing has been given to anybody.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Offset;
use bytes::Bytes;
use wire::{DecodeError, EncodeError, ErrorCode, Reader, Source, Writer};

use crate::errors::Refusal;

const FORMAT: i16 = 1;

/// What becomes of records, as ShareAcknowledge numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is no record at this offset.
    Gap,
    Accept,
    Release,
    Reject,
    /// The member needs more time.
    Renew,
}

impl Verdict {
    pub(crate) fn from_code(code: i8) -> Option<Verdict> {
        Some(match code {
            0 => Verdict::Gap,
            1 => Verdict::Accept,
            2 => Verdict::Release,
            3 => Verdict::Reject,
            4 => Verdict::Renew,
            _ => return None,
        })
    }
}

/// Offsets and what becomes of them: one verdict for all, or one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub(crate) first: Offset,
    pub(crate) last: Offset,
    pub(crate) verdicts: Vec<Verdict>,
}

/// The rules of the group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) lock_ms: i64,
    pub(crate) deliveries_max: i16,
    /// Offsets between the start and the last one given out.
    pub(crate) locks_max: i64,
}

/// How much a member wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) records_max: i64,
    /// No record more than `records_max`; else the batch that exceeds it is given out whole.
    pub(crate) strict: bool,
    /// How many records one line of the answer may have; batches are not split for it.
    pub(crate) line_records_max: i64,
}

/// A batch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) first: Offset,
    pub(crate) last: Offset,
    /// It has nothing for consumers: a marker, or records of an aborted transaction.
    pub(crate) is_void: bool,
}

/// Records given to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) first: Offset,
    pub(crate) last: Offset,
    pub(crate) deliveries: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Available,
    Acquired { member: Arc<str>, until_ms: i64 },
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    last: Offset,
    state: State,
    deliveries: i16,
}

impl Run {
    /// What was somebody's is free again, unless that was the last try.
    fn free(&mut self, rules: &Rules) {
        self.state = if self.deliveries >= rules.deliveries_max {
            State::Done
        } else {
            State::Available
        };
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharePartition {
    start: Offset,
    /// By first offset.
    runs: BTreeMap<Offset, Run>,
}

impl SharePartition {
    pub(crate) fn new(start: Offset) -> SharePartition {
        SharePartition {
            start,
            runs: BTreeMap::new(),
        }
    }

    pub(crate) fn start(&self) -> Offset {
        self.start
    }

    fn end(&self) -> Offset {
        self.runs.last_key_value().map_or(self.start, |(_, run)| run.last + 1)
    }

    /// Where to read from to find something to give out.
    pub(crate) fn next_offset(&self) -> Offset {
        let free = self.runs.iter().find(|(_, run)| run.state == State::Available);
        free.map_or_else(|| self.end(), |(first, _)| *first)
    }

    /// How many records up to `log_end` are not done with.
    pub(crate) fn lag(&self, log_end: Offset) -> i64 {
        let done = self.runs.iter().filter(|(_, run)| run.state == State::Done);
        let done: i64 = done.map(|(first, run)| run.last + 1 - first).sum();
        (log_end - self.start - done).max(0)
    }

    /// When the first lock ends.
    pub(crate) fn deadline_ms(&self) -> Option<i64> {
        let locks = self.runs.values().filter_map(|run| match run.state {
            State::Acquired { until_ms, .. } => Some(until_ms),
            _ => None,
        });
        locks.min()
    }

    /// Frees what was locked for too long.
    pub(crate) fn expire(&mut self, now_ms: i64, rules: &Rules) -> bool {
        self.free_if(rules, |_, until_ms| until_ms <= now_ms)
    }

    /// Frees all that a member has.
    pub(crate) fn release(&mut self, member: &str, rules: &Rules) -> bool {
        self.free_if(rules, |owner, _| owner == member)
    }

    fn free_if(&mut self, rules: &Rules, is_over: impl Fn(&str, i64) -> bool) -> bool {
        let mut freed = false;
        for run in self.runs.values_mut() {
            if let State::Acquired { member, until_ms } = &run.state
                && is_over(member, *until_ms)
            {
                run.free(rules);
                freed = true;
            }
        }
        if freed {
            self.tidy();
        }
        freed
    }

    /// The log begins later now.
    pub(crate) fn advance(&mut self, log_start: Offset) -> bool {
        if log_start <= self.start {
            return false;
        }
        self.split(log_start);
        self.runs = self.runs.split_off(&log_start);
        self.start = log_start;
        self.tidy();
        true
    }

    /// Gives a member what is free in `batches`, which begin at or before [`SharePartition::next_offset`].
    pub(crate) fn acquire(
        &mut self,
        member: &Arc<str>,
        now_ms: i64,
        rules: &Rules,
        wish: &Wish,
        batches: &[Batch],
    ) -> Vec<Acquired> {
        let mut lines: Vec<Acquired> = Vec::new();
        let mut taken = 0;
        for batch in batches {
            if taken >= wish.records_max {
                break;
            }
            let is_new = batch.last >= self.end();
            if is_new && !batch.is_void && self.end() - self.start >= rules.locks_max {
                break;
            }
            self.cover(batch);
            let mut in_batch = Vec::new();
            for (first, last) in self.free_within(batch) {
                let left = wish.records_max - taken;
                if left <= 0 && wish.strict {
                    break;
                }
                let last = if wish.strict { last.min(first + left - 1) } else { last };
                taken += last + 1 - first;
                in_batch.push(self.take(member, now_ms + rules.lock_ms, first, last));
            }
            push_lines(&mut lines, in_batch, wish.line_records_max);
        }
        // What a strict wish left of a new batch is as if never looked at.
        self.forget_untouched();
        self.tidy();
        lines
    }

    /// Makes every offset of a batch, and those missing before it, part of a run.
    fn cover(&mut self, batch: &Batch) {
        let end = self.end();
        let first = batch.first.max(self.start);
        if first > end {
            self.put(end, first - 1, State::Done);
        }
        let end = self.end();
        if batch.last >= end {
            let state = if batch.is_void { State::Done } else { State::Available };
            self.put(end, batch.last, state);
        } else if batch.is_void {
            for (first, last) in self.free_within(batch) {
                self.split(first);
                self.split(last + 1);
                if let Some(run) = self.runs.get_mut(&first) {
                    run.state = State::Done;
                }
            }
        }
    }

    fn put(&mut self, first: Offset, last: Offset, state: State) {
        let run = Run {
            last,
            state,
            deliveries: 0,
        };
        self.runs.insert(first, run);
    }

    fn free_within(&self, batch: &Batch) -> Vec<(Offset, Offset)> {
        let overlaps = |(first, run): &(&Offset, &Run)| **first <= batch.last && run.last >= batch.first;
        let free = self
            .runs
            .iter()
            .filter(overlaps)
            .filter(|(_, run)| run.state == State::Available);
        free.map(|(first, run)| (*first.max(&batch.first), run.last.min(batch.last)))
            .collect()
    }

    fn take(&mut self, member: &Arc<str>, until_ms: i64, first: Offset, last: Offset) -> Acquired {
        self.split(first);
        self.split(last + 1);
        let mut deliveries = 0;
        if let Some(run) = self.runs.get_mut(&first) {
            run.deliveries += 1;
            deliveries = run.deliveries;
            run.state = State::Acquired {
                member: Arc::clone(member),
                until_ms,
            };
        }
        Acquired {
            first,
            last,
            deliveries,
        }
    }

    /// Offsets at the end that nobody was ever given.
    fn forget_untouched(&mut self) {
        while let Some((first, run)) = self.runs.last_key_value()
            && run.state == State::Available
            && run.deliveries == 0
        {
            let first = *first;
            self.runs.remove(&first);
        }
    }

    /// Lets a member say what became of its records; all of it, or nothing if some of them are not its own.
    pub(crate) fn acknowledge(
        &mut self,
        member: &str,
        now_ms: i64,
        rules: &Rules,
        all: &[Verdicts],
    ) -> Result<(), Refusal> {
        let mut after = self.clone();
        for one in all {
            after.judge(member, now_ms, rules, one)?;
        }
        after.tidy();
        *self = after;
        Ok(())
    }

    fn judge(&mut self, member: &str, now_ms: i64, rules: &Rules, one: &Verdicts) -> Result<(), Refusal> {
        if one.last < self.start {
            // Done with already, or gone from the log.
            return Ok(());
        }
        let (first, end) = (one.first.max(self.start), self.end());
        for (name, offset) in [("first", first), ("last", one.last)] {
            if offset >= end {
                let message = format!("Batch record not found. The {name} offset in request is past acquired records.");
                return Err(Refusal::new(ErrorCode::InvalidRequest, message));
            }
        }
        self.split(first);
        self.split(one.last + 1);
        let mut at = first;
        while at <= one.last {
            let place = usize::try_from(at - one.first).unwrap_or(0);
            let verdict = match one.verdicts[..] {
                [all] => all,
                ref each => each[place.min(each.len() - 1)],
            };
            // As far as the verdict and the run are the same.
            let alike = one.verdicts[..]
                .iter()
                .skip(place)
                .take_while(|other| **other == verdict)
                .count();
            let upto = if one.verdicts.len() == 1 {
                one.last
            } else {
                at + alike as Offset - 1
            };
            let Some((_, run)) = self.runs.range(..=at).next_back() else {
                break;
            };
            let upto = upto.min(run.last).min(one.last);
            self.split(at);
            self.split(upto + 1);
            let Some(run) = self.runs.get_mut(&at) else { break };
            match &run.state {
                State::Acquired { member: owner, .. } if &**owner == member => {}
                State::Acquired { .. } => return Err(not_owned("Member is not the owner of offset")),
                _ => {
                    return Err(not_owned(
                        "The offset cannot be acknowledged. The offset is not acquired.",
                    ));
                }
            }
            match verdict {
                Verdict::Gap | Verdict::Accept | Verdict::Reject => run.state = State::Done,
                Verdict::Release => run.free(rules),
                Verdict::Renew => {
                    if let State::Acquired { until_ms, .. } = &mut run.state {
                        *until_ms = now_ms + rules.lock_ms;
                    }
                }
            }
            at = upto + 1;
        }
        Ok(())
    }

    /// Lets a run begin at `offset`, if one goes across it.
    fn split(&mut self, offset: Offset) {
        let Some((first, run)) = self.runs.range_mut(..offset).next_back() else {
            return;
        };
        if *first < offset && run.last >= offset {
            let rest = run.clone();
            run.last = offset - 1;
            self.runs.insert(offset, rest);
        }
    }

    /// Moves the start past what is done with, and makes one run of neighbours that fare alike.
    fn tidy(&mut self) {
        while let Some((_, run)) = self.runs.first_key_value()
            && run.state == State::Done
        {
            self.start = run.last + 1;
            self.runs.pop_first();
        }
        let mut tidied: BTreeMap<Offset, Run> = BTreeMap::new();
        for (first, run) in std::mem::take(&mut self.runs) {
            if let Some(mut before) = tidied.last_entry()
                && before.get().state == run.state
                && (before.get().deliveries == run.deliveries || run.state == State::Done)
            {
                before.get_mut().last = run.last;
            } else {
                tidied.insert(first, run);
            }
        }
        self.runs = tidied;
    }

    /// What has to outlive a crash. Locks do not: their records are free again, with their deliveries counted.
    pub(crate) fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut out = Writer::new();
        out.i16(FORMAT);
        out.i64(self.start);
        out.array_len(false, self.runs.len())?;
        for (first, run) in &self.runs {
            out.i64(*first);
            out.i64(run.last);
            out.bool(run.state == State::Done);
            out.i16(run.deliveries);
        }
        out.joined()
    }

    /// The share-partition as stored; a record whose last try was lost to a crash is done with.
    pub(crate) fn decode(bytes: Bytes, rules: &Rules) -> Result<SharePartition, DecodeError> {
        const RUN_BYTES: usize = 19;
        let mut input = Reader::new(bytes);
        input.i16()?;
        let start = input.i64()?;
        let runs = input.array(false, RUN_BYTES, |input| {
            let (first, last) = (input.i64()?, input.i64()?);
            let is_done = input.bool()?;
            let mut run = Run {
                last,
                state: State::Done,
                deliveries: input.i16()?,
            };
            if !is_done {
                run.free(rules);
            }
            Ok((first, run))
        })?;
        let mut partition = SharePartition {
            start,
            runs: runs.into_iter().collect(),
        };
        partition.tidy();
        Ok(partition)
    }
}

fn not_owned(message: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRecordState, message.to_owned())
}

/// Adds a batch's records to the lines of the answer: to the last line if they follow it, fare alike and fit.
fn push_lines(lines: &mut Vec<Acquired>, in_batch: Vec<Acquired>, line_records_max: i64) {
    for acquired in in_batch {
        match lines.last_mut() {
            Some(line)
                if line.last + 1 == acquired.first
                    && line.deliveries == acquired.deliveries
                    && acquired.last + 1 - line.first <= line_records_max =>
            {
                line.last = acquired.last;
            }
            _ => lines.push(acquired),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{Random, SeededRandom};

    use super::*;

    const RULES: Rules = Rules {
        lock_ms: 1_000,
        deliveries_max: 3,
        locks_max: 40,
    };

    fn wish(records_max: i64, strict: bool) -> Wish {
        Wish {
            records_max,
            strict,
            line_records_max: 500,
        }
    }

    fn batch(first: Offset, last: Offset) -> Batch {
        Batch {
            first,
            last,
            is_void: false,
        }
    }

    fn verdicts(first: Offset, last: Offset, verdicts: &[Verdict]) -> Verdicts {
        Verdicts {
            first,
            last,
            verdicts: verdicts.to_vec(),
        }
    }

    /// `first-last×deliveries` per line.
    fn shown(lines: &[Acquired]) -> String {
        let one = |line: &Acquired| format!("{}-{}x{}", line.first, line.last, line.deliveries);
        lines.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn records_are_given_to_one_until_they_are_done_with() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut partition = SharePartition::new(0);
        let log = [batch(0, 9), batch(10, 10), batch(11, 11)];
        assert_eq!(
            shown(&partition.acquire(&a, 0, &RULES, &wish(500, false), &log)),
            "0-11x1"
        );
        assert_eq!(shown(&partition.acquire(&b, 0, &RULES, &wish(500, false), &log)), "");
        partition
            .acknowledge("a", 0, &RULES, &[verdicts(0, 3, &[Verdict::Accept])])
            .unwrap();
        assert_eq!((partition.start(), partition.lag(12)), (4, 8));
        // What lies below the start is done with, whoever says so.
        partition
            .acknowledge("b", 0, &RULES, &[verdicts(0, 3, &[Verdict::Accept])])
            .unwrap();
        let each = [Verdict::Release, Verdict::Release, Verdict::Reject, Verdict::Gap];
        partition.acknowledge("a", 0, &RULES, &[verdicts(4, 7, &each)]).unwrap();
        assert_eq!((partition.start(), partition.lag(12)), (4, 6));
        assert_eq!(
            shown(&partition.acquire(&b, 0, &RULES, &wish(500, false), &log)),
            "4-5x2"
        );
        for (member, first, last, error) in [
            ("a", 4, 4, ErrorCode::InvalidRecordState),
            ("b", 6, 6, ErrorCode::InvalidRecordState),
            ("b", 4, 99, ErrorCode::InvalidRequest),
            ("b", 98, 99, ErrorCode::InvalidRequest),
        ] {
            let before = partition.clone();
            let refused = partition.acknowledge(member, 0, &RULES, &[verdicts(first, last, &[Verdict::Accept])]);
            assert_eq!(refused.unwrap_err().code, error, "{member} {first}-{last}");
            assert_eq!(partition, before, "all or nothing");
        }
        // `a` keeps 8 a little longer than the rest.
        partition
            .acknowledge("a", 500, &RULES, &[verdicts(8, 8, &[Verdict::Renew])])
            .unwrap();
        assert!(partition.expire(1_000, &RULES));
        assert_eq!(
            shown(&partition.acquire(&b, 1_000, &RULES, &wish(500, false), &log)),
            "4-5x3 9-11x2"
        );
        assert!(partition.expire(1_500, &RULES));
        assert_eq!(
            shown(&partition.acquire(&b, 1_500, &RULES, &wish(500, false), &log)),
            "8-8x2"
        );
        // The third delivery is the last.
        assert!(partition.release("b", &RULES));
        assert_eq!((partition.start(), partition.lag(12)), (8, 4));
    }

    #[test]
    fn wishes_and_limits_are_kept() {
        let a: Arc<str> = "a".into();
        let log = [batch(0, 9), batch(10, 19), batch(20, 29), batch(30, 39), batch(40, 49)];
        let mut partition = SharePartition::new(5);
        assert_eq!(shown(&partition.acquire(&a, 0, &RULES, &wish(3, true), &log)), "5-7x1");
        assert_eq!(
            partition.next_offset(),
            8,
            "the rest of the batch is as if never looked at"
        );
        assert_eq!(shown(&partition.acquire(&a, 0, &RULES, &wish(1, false), &log)), "8-9x1");
        let lines = Wish {
            line_records_max: 12,
            ..wish(500, false)
        };
        assert_eq!(
            shown(&partition.acquire(&a, 0, &RULES, &lines, &log)),
            "10-19x1 20-29x1 30-39x1 40-49x1"
        );
        let mut small = SharePartition::new(0);
        let rules = Rules { locks_max: 20, ..RULES };
        assert_eq!(shown(&small.acquire(&a, 0, &rules, &wish(500, false), &log)), "0-19x1");
        // Gaps and what is void are done with at once.
        let mut holes = SharePartition::new(0);
        let void = Batch {
            is_void: true,
            ..batch(4, 6)
        };
        let log = [batch(2, 3), void, batch(9, 9)];
        assert_eq!(
            shown(&holes.acquire(&a, 0, &RULES, &wish(500, false), &log)),
            "2-3x1 9-9x1"
        );
        assert_eq!((holes.start(), holes.lag(10)), (2, 3));
        assert!(holes.advance(8));
        assert_eq!((holes.start(), holes.next_offset()), (9, 10));
    }

    /// A model: what each offset's fate is, one by one.
    #[test]
    fn whatever_members_do_each_record_is_done_with_once() {
        for seed in 0..400 {
            let random = SeededRandom::new(seed);
            let members: [Arc<str>; 3] = ["a".into(), "b".into(), "c".into()];
            let mut partition = SharePartition::new(0);
            let mut owners: BTreeMap<Offset, usize> = BTreeMap::new();
            let mut done: BTreeMap<Offset, ()> = BTreeMap::new();
            let mut deliveries: BTreeMap<Offset, i16> = BTreeMap::new();
            let log: Vec<Batch> = (0..10).map(|number| batch(number * 7, number * 7 + 6)).collect();
            let mut now_ms = 0;
            for _ in 0..300 {
                let index = random.below(3) as usize;
                let member = &members[index];
                match random.below(8) {
                    0..=2 => {
                        let from = partition.next_offset();
                        let ahead: Vec<Batch> = log.iter().copied().filter(|batch| batch.last >= from).collect();
                        let wish = wish(1 + random.below(12) as i64, random.below(2) == 0);
                        for line in partition.acquire(member, now_ms, &RULES, &wish, &ahead) {
                            for offset in line.first..=line.last {
                                assert!(!done.contains_key(&offset), "seed {seed}: {offset} was done with");
                                assert_eq!(
                                    owners.insert(offset, index),
                                    None,
                                    "seed {seed}: {offset} is somebody's"
                                );
                                let count = deliveries.entry(offset).or_default();
                                *count += 1;
                                assert_eq!(*count, line.deliveries, "seed {seed}: {offset}");
                            }
                        }
                    }
                    3..=5 => {
                        let Some((&first, _)) = owners.iter().find(|(_, owner)| **owner == index) else {
                            continue;
                        };
                        let last = first + random.below(5) as i64;
                        let all = [Verdict::Accept, Verdict::Release, Verdict::Reject, Verdict::Gap];
                        let each: Vec<Verdict> = (first..=last).map(|_| all[random.below(4) as usize]).collect();
                        let said = [verdicts(first, last, &each)];
                        let own = (first..=last).all(|offset| owners.get(&offset) == Some(&index));
                        let outcome = partition.acknowledge(member, now_ms, &RULES, &said);
                        assert_eq!(outcome.is_ok(), own, "seed {seed}: {first}-{last}");
                        for (offset, verdict) in (first..=last).zip(each).filter(|_| own) {
                            owners.remove(&offset);
                            if verdict != Verdict::Release || deliveries[&offset] >= RULES.deliveries_max {
                                done.insert(offset, ());
                            }
                        }
                    }
                    6 => {
                        now_ms += 1_000;
                        partition.expire(now_ms, &RULES);
                        for offset in std::mem::take(&mut owners).into_keys() {
                            if deliveries[&offset] >= RULES.deliveries_max {
                                done.insert(offset, ());
                            }
                        }
                    }
                    _ => {
                        partition = SharePartition::decode(partition.encode().unwrap(), &RULES).unwrap();
                        owners.clear();
                        // The last try counts although nobody said what became of it.
                        let spent = |offset: &Offset| deliveries.get(offset) == Some(&RULES.deliveries_max);
                        let tried: Vec<Offset> = deliveries.keys().copied().filter(spent).collect();
                        done.extend(tried.into_iter().map(|offset| (offset, ())));
                    }
                }
                let left: i64 = (0..70).filter(|offset| !done.contains_key(offset)).count() as i64;
                assert_eq!(partition.lag(70), left, "seed {seed}");
                assert!(
                    (0..partition.start()).all(|offset| done.contains_key(&offset)),
                    "seed {seed}"
                );
            }
        }
    }
}
