//! Observations as text files: a line `= step`, then a line for each field.

use std::path::Path;

use super::Observation;

pub fn save(path: &Path, observations: &[Observation]) -> std::io::Result<()> {
    let mut text = String::new();
    for observation in observations {
        text.push_str(&format!("= {}\n", observation.step));
        for (field, value) in &observation.fields {
            text.push_str(&format!("{field}: {value}\n"));
        }
    }
    std::fs::write(path, text)
}

pub fn load(path: &Path) -> std::io::Result<Vec<Observation>> {
    Ok(parse(&std::fs::read_to_string(path)?))
}

/// What [`save`] writes, and the Java programs print.
pub(super) fn parse(text: &str) -> Vec<Observation> {
    let mut observations: Vec<Observation> = Vec::new();
    for line in text.lines() {
        if let Some(step) = line.strip_prefix("= ") {
            observations.push(Observation {
                step: step.to_owned(),
                fields: Vec::new(),
            });
        } else if let (Some(last), Some((field, value))) = (observations.last_mut(), line.split_once(": ")) {
            last.fields.push((field.to_owned(), value.to_owned()));
        }
    }
    observations
}
