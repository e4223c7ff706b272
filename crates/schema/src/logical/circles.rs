//! Which things can be reached from themselves.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Those of `starts`, and of all that `next` leads to, which lie in circles: Tarjan's search finds them in one walk.
pub(super) fn circles<T: Copy + Eq + Hash>(starts: impl Iterator<Item = T>, next: impl Fn(T) -> Vec<T>) -> HashSet<T> {
    let mut numbers: HashMap<T, Number> = HashMap::new();
    let mut stack: Vec<T> = Vec::new();
    let mut found = HashSet::new();
    for start in starts {
        if numbers.contains_key(&start) {
            continue;
        }
        let mut walk = vec![begin(start, next(start), &mut numbers, &mut stack)];
        while let Some(step) = walk.last_mut() {
            let at = step.at;
            if let Some(other) = step.open.pop() {
                if other == at {
                    found.insert(at);
                }
                match numbers.get(&other) {
                    None => walk.push(begin(other, next(other), &mut numbers, &mut stack)),
                    Some(number) if number.is_open => {
                        let lowest = number.own;
                        lower(&mut numbers, at, lowest);
                    }
                    Some(_) => {}
                }
                continue;
            }
            walk.pop();
            let Some(number) = numbers.get(&at).copied() else {
                continue;
            };
            if let Some(above) = walk.last() {
                lower(&mut numbers, above.at, number.lowest);
            }
            if number.lowest < number.own {
                continue;
            }
            let first = stack.iter().rposition(|other| *other == at).unwrap_or(stack.len());
            let circle = stack.split_off(first);
            for member in &circle {
                if let Some(number) = numbers.get_mut(member) {
                    number.is_open = false;
                }
            }
            if circle.len() > 1 {
                found.extend(circle);
            }
        }
    }
    found
}

/// When a thing was met, and the first thing met that it leads back to.
#[derive(Clone, Copy)]
struct Number {
    own: usize,
    lowest: usize,
    is_open: bool,
}

struct Step<T> {
    at: T,
    open: Vec<T>,
}

fn begin<T: Copy + Eq + Hash>(at: T, open: Vec<T>, numbers: &mut HashMap<T, Number>, stack: &mut Vec<T>) -> Step<T> {
    let own = numbers.len();
    let number = Number {
        own,
        lowest: own,
        is_open: true,
    };
    numbers.insert(at, number);
    stack.push(at);
    Step { at, open }
}

fn lower<T: Eq + Hash>(numbers: &mut HashMap<T, Number>, at: T, lowest: usize) {
    if let Some(number) = numbers.get_mut(&at) {
        number.lowest = number.lowest.min(lowest);
    }
}
