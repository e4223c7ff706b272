//! Two series of observations side by side, and the differences that are documented.

use std::collections::BTreeMap;
use std::fmt;

use super::Observation;

/// One field that the two answer differently; `None` where one of them has no such field.
#[derive(Clone, Debug)]
pub struct Difference {
    pub step: String,
    pub field: String,
    pub kafka: Option<String>,
    pub rivulet: Option<String>,
}

impl Difference {
    fn place(&self) -> String {
        format!("{} {}", self.step, self.field)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(
            out,
            "{}: {}: Kafka {}, Rivulet {}",
            self.step,
            self.field,
            word(&self.kafka),
            word(&self.rivulet)
        )
    }
}

pub fn differences(kafka: &[Observation], rivulet: &[Observation]) -> Vec<Difference> {
    let ours: BTreeMap<&str, &Observation> = rivulet.iter().map(|seen| (seen.step.as_str(), seen)).collect();
    let theirs: BTreeMap<&str, &Observation> = kafka.iter().map(|seen| (seen.step.as_str(), seen)).collect();
    let mut found = Vec::new();
    let nothing = Observation::default();
    let steps = kafka
        .iter()
        .chain(rivulet.iter().filter(|seen| !theirs.contains_key(seen.step.as_str())));
    for step in steps.map(|seen| seen.step.as_str()) {
        let pair = [theirs.get(step), ours.get(step)].map(|seen| fields(seen.copied().unwrap_or(&nothing)));
        let mut names: Vec<&str> = pair[0].keys().chain(pair[1].keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        for field in names {
            let [kafka, rivulet] = [&pair[0], &pair[1]].map(|fields| fields.get(field).map(|&value| value.to_owned()));
            if kafka != rivulet {
                let (step, field) = (step.to_owned(), field.to_owned());
                found.push(Difference {
                    step,
                    field,
                    kafka,
                    rivulet,
                });
            }
        }
    }
    found
}

fn fields(observation: &Observation) -> BTreeMap<&str, &str> {
    let pairs = observation.fields.iter();
    pairs.map(|(field, value)| (field.as_str(), value.as_str())).collect()
}

/// The patterns in the tables of the document: what stands in backticks in a row's first column.
pub fn documented(text: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`'))
        .map(|(pattern, _)| pattern.to_owned())
        .collect()
}

/// What no pattern explains, and the patterns that explain nothing.
pub fn unexplained<'a>(found: &'a [Difference], patterns: &'a [String]) -> (Vec<&'a Difference>, Vec<&'a str>) {
    let explains = |pattern: &str, difference: &Difference| matches(pattern, &difference.place());
    let left = found
        .iter()
        .filter(|difference| !patterns.iter().any(|pattern| explains(pattern, difference)));
    let stale = patterns
        .iter()
        .map(String::as_str)
        .filter(|pattern| !found.iter().any(|difference| explains(pattern, difference)));
    (left.collect(), stale.collect())
}

/// `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(before) else {
        return false;
    };
    (0..=text.len())
        .filter(|&at| text.is_char_boundary(at))
        .any(|at| matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(step: &str, fields: &[(&str, &str)]) -> Observation {
        let fields = fields
            .iter()
            .map(|&(field, value)| (field.to_owned(), value.to_owned()));
        Observation {
            step: step.to_owned(),
            fields: fields.collect(),
        }
    }

    #[test]
    fn a_difference_is_found_and_a_document_explains_it() {
        let kafka = [seen("a", &[("x", "1"), ("y", "2")]), seen("b", &[("x", "1")])];
        let ours = [seen("a", &[("x", "1"), ("y", "3")])];
        let found = differences(&kafka, &ours);
        let places: Vec<String> = found.iter().map(Difference::place).collect();
        assert_eq!(places, ["a y", "b x"]);
        let patterns = documented("| pattern | why |\n|---|---|\n| `a *` | because |\n| `c x` | gone |\n");
        let (left, stale) = unexplained(&found, &patterns);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].step, "b");
        assert_eq!(stale, ["c x"]);
    }
}
