//! Compares two graphs: what keeps the reader's from taking what is valid under the writer's.
//!
//! Each pair of nodes is compared once; what was found is kept relative to the pair. A pair that comes up again while it
//! is being compared counts as compatible there. If that turns out wrong, everything is compared once more with that
//! known, until nothing changes. All steps are counted, and beyond [`MOST_STEPS`] the comparison is given up.

mod arrays;
mod combined;
mod fingerprint;
mod objects;
mod plain;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::model::{Graph, Kind, Node, NodeId};
use super::rules::{self, Rule};
use crate::difference::{Difference, Policy, Reader};

/// Steps after which a comparison is given up: pairs compared, differences passed on, parts matched.
pub(super) const MOST_STEPS: usize = 2_000_000;
/// Pairs within each other that are followed. Schemas that refer to each other make pairs of each with each.
const MOST_PAIRS_DOWN: usize = 4_096;
/// What a pair costs that is remembered.
const STEPS_TO_REMEMBER: usize = 4;

/// The steps were used up.
struct Exhausted;

type Compared = Result<(), Exhausted>;

/// A node of one of the two graphs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct At {
    writers: bool,
    id: NodeId,
}

/// A broken rule.
#[derive(Clone)]
struct Found {
    rule: &'static Rule,
    /// Below the pair that is compared, without `#/`.
    path: Rc<str>,
    reader: Option<Rc<str>>,
    writer: Option<Rc<str>>,
}

/// What was found in a pair of nodes; none if they are compatible.
type Findings = Option<Rc<[Found]>>;

/// What was found so far in a pair of nodes, and where in it one is.
#[derive(Default)]
struct Scope {
    path: Vec<Rc<str>>,
    found: Vec<Found>,
}

struct Comparison<'a> {
    writer: &'a Graph,
    reader: &'a Graph,
    lenient: bool,
    done: HashMap<(At, At), Findings>,
    begun: HashSet<(At, At)>,
    /// Pairs that an earlier round found incompatible.
    known: HashMap<(At, At), Findings>,
    /// Whether a pair within itself was taken for compatible.
    hoped: bool,
    fingerprints: HashMap<At, u64>,
    steps_left: usize,
    depth: usize,
}

pub(super) fn compare(reader: &Graph, writer: &Graph, is: Reader, policy: Policy) -> Vec<Difference> {
    let found = all_found(reader, writer, policy == Policy::Lenient).unwrap_or_else(|Exhausted| {
        vec![Found {
            rule: &rules::COMPARISON_GIVEN_UP,
            path: "".into(),
            reader: None,
            writer: None,
        }]
    });
    let difference = |found: Found| {
        let path = format!("#/{}", found.path);
        Difference {
            rule: found.rule.name,
            description: found.rule.sentence(&path, is.word(), is.writer_word()),
            path,
            additional: None,
            reader: found.reader.map(|words| words.to_string()),
            writer: found.writer.map(|words| words.to_string()),
        }
    };
    found.into_iter().map(difference).collect()
}

fn all_found(reader: &Graph, writer: &Graph, lenient: bool) -> Result<Vec<Found>, Exhausted> {
    let mut comparison = Comparison {
        writer,
        reader,
        lenient,
        done: HashMap::new(),
        begun: HashSet::new(),
        known: HashMap::new(),
        hoped: false,
        fingerprints: HashMap::new(),
        steps_left: MOST_STEPS,
        depth: 0,
    };
    loop {
        let mut scope = Scope::default();
        let (written, read) = (
            At {
                writers: true,
                id: writer.root,
            },
            At {
                writers: false,
                id: reader.root,
            },
        );
        comparison.compare(&mut scope, Some(written), Some(read))?;
        let mut incompatible = std::mem::take(&mut comparison.done);
        incompatible.retain(|_, found| found.is_some());
        let nothing_new = incompatible.len() == comparison.known.len()
            && incompatible.keys().all(|pair| comparison.known.contains_key(pair));
        if !comparison.hoped || nothing_new {
            return Ok(scope.found);
        }
        comparison.known = incompatible;
        comparison.hoped = false;
    }
}

impl Scope {
    /// Does `work` one step further down.
    fn within<R>(&mut self, step: &str, work: impl FnOnce(&mut Scope) -> R) -> R {
        self.path.push(step.into());
        let result = work(self);
        self.path.pop();
        result
    }

    fn path(&self) -> String {
        self.path.join("/")
    }

    /// Takes out what was found since there were `before` differences.
    fn take_since(&mut self, before: usize) -> Vec<Found> {
        self.found.split_off(before)
    }
}

impl<'a> Comparison<'a> {
    fn node(&self, at: At) -> &'a Node {
        let graph = if at.writers { self.writer } else { self.reader };
        graph.node(at.id)
    }

    fn spend(&mut self, steps: usize) -> Compared {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }

    /// Notes that `rule` is broken here.
    fn found(&self, scope: &mut Scope, rule: &'static Rule) {
        self.found_words(scope, rule, None, None);
    }

    /// Notes that `rule` is broken here, and what stands here in the writer and in the reader.
    fn found_words(&self, scope: &mut Scope, rule: &'static Rule, writer: Option<String>, reader: Option<String>) {
        if !(self.lenient && rule.lenient) {
            scope.found.push(Found {
                rule,
                path: scope.path().into(),
                reader: reader.map(Rc::from),
                writer: writer.map(Rc::from),
            });
        }
    }

    fn compare(&mut self, scope: &mut Scope, writer: Option<At>, reader: Option<At>) -> Compared {
        self.spend(1)?;
        let (Some(writer), Some(reader)) = (writer, reader) else {
            if writer.is_none() && reader.is_some() {
                self.found(scope, &rules::SCHEMA_ADDED);
            }
            return Ok(());
        };
        let pair = (self.referred(writer), self.referred(reader));
        if self.node(pair.0).kind.is_leaf() && self.node(pair.1).kind.is_leaf() {
            return self.kinds(scope, pair.0, pair.1);
        }
        let Some(found) = self.pair(pair)? else {
            return Ok(());
        };
        let prefix = scope.path();
        self.spend(found.len() * (1 + prefix.len() / 64))?;
        for one in found.iter() {
            let path = match (scope.path.is_empty(), one.path.is_empty()) {
                (true, _) => Rc::clone(&one.path),
                (false, true) => prefix.as_str().into(),
                (false, false) => format!("{prefix}/{}", one.path).into(),
            };
            scope.found.push(Found { path, ..one.clone() });
        }
        Ok(())
    }

    /// Whether the two are compatible, looked at by themselves.
    fn fits(&mut self, scope: &mut Scope, writer: At, reader: At) -> Result<bool, Exhausted> {
        let before = scope.found.len();
        self.compare(scope, Some(writer), Some(reader))?;
        Ok(scope.take_since(before).is_empty())
    }

    /// What a reference refers to; one step only.
    fn referred(&self, at: At) -> At {
        match &self.node(at).kind {
            Kind::Reference(reference) => At {
                id: reference.target.unwrap_or(at.id),
                ..at
            },
            _ => at,
        }
    }

    fn pair(&mut self, pair: (At, At)) -> Result<Findings, Exhausted> {
        if let Some(done) = self.done.get(&pair) {
            return Ok(done.clone());
        }
        if !self.begun.insert(pair) {
            if let Some(known) = self.known.get(&pair) {
                return Ok(known.clone());
            }
            self.hoped = true;
            return Ok(None);
        }
        if self.depth >= MOST_PAIRS_DOWN {
            return Err(Exhausted);
        }
        self.spend(STEPS_TO_REMEMBER)?;
        self.depth += 1;
        let mut scope = Scope::default();
        super::deeper(|| self.kinds(&mut scope, pair.0, pair.1))?;
        self.depth -= 1;
        let found = (!scope.found.is_empty()).then(|| Rc::from(scope.found));
        self.done.insert(pair, found.clone());
        self.begun.remove(&pair);
        Ok(found)
    }

    fn kinds(&mut self, scope: &mut Scope, writer: At, reader: At) -> Compared {
        let (old, new) = (self.node(writer), self.node(reader));
        if self.combined_with_plain(scope, writer, reader)? {
            return Ok(());
        }
        if !old.kind.is_like(&new.kind) {
            let both_hold_bytes = old.notes.holds_bytes && new.notes.holds_bytes;
            let nothing_lost = matches!(old.kind, Kind::False) || new.kind.is_open() || both_hold_bytes;
            if !nothing_lost {
                self.found_words(
                    scope,
                    &rules::TYPE_CHANGED,
                    Some(words(&old.kind)),
                    Some(words(&new.kind)),
                );
            }
            return Ok(());
        }
        match (&old.kind, &new.kind) {
            (Kind::Text(old), Kind::Text(new)) => self.texts(scope, old, new),
            (Kind::Number(old), Kind::Number(new)) => self.numbers(scope, old, new),
            (Kind::Const(old), Kind::Const(new)) => self.constants(scope, old, new),
            (Kind::Enum(old), Kind::Enum(new)) => self.enums(scope, old, new),
            (Kind::Combined(old), Kind::Combined(new)) => {
                self.combined(scope, (writer.writers, old), (reader.writers, new))?;
            }
            (Kind::Not(old), Kind::Not(new)) => {
                let (old, new) = (At { id: *old, ..writer }, At { id: *new, ..reader });
                scope.within("not", |scope| {
                    // What must not be valid is compared the other way round.
                    if !self.fits(scope, new, old)? {
                        self.found(scope, &rules::NOT_TYPE_EXTENDED);
                    }
                    Ok(())
                })?;
            }
            (Kind::Object(old), Kind::Object(new)) => {
                self.objects(scope, (writer.writers, old), (reader.writers, new))?;
            }
            (Kind::Array(old), Kind::Array(new)) => {
                self.arrays(scope, (writer.writers, old), (reader.writers, new))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// What kind of schema it is, in short.
fn words(kind: &Kind) -> String {
    match kind {
        Kind::Empty | Kind::True => "anything".to_owned(),
        Kind::False => "nothing".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Null => "null".to_owned(),
        Kind::Text(_) => "string".to_owned(),
        Kind::Number(number) => if number.integer { "integer" } else { "number" }.to_owned(),
        Kind::Const(value) => short(&value.text()),
        Kind::Enum(values) => short(&values.iter().map(|value| value.text()).collect::<Vec<_>>().join(", ")),
        Kind::Combined(combined) => format!("{} of {}", combined.criterion.word(), combined.parts.len()),
        Kind::Not(_) => "not".to_owned(),
        Kind::Object(_) => "object".to_owned(),
        Kind::Array(_) => "array".to_owned(),
        Kind::Conditional(_) => "if".to_owned(),
        Kind::Reference(reference) => format!("reference to {}", short(&reference.text)),
    }
}

/// The beginning of a text that may be long.
fn short(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
