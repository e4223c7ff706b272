//! The registry's differential runner: the same requests at Confluent's registry and at Rivulet, and where the answers
//! differ.
//!
//! Requests stand in `tests/registry/scenarios/`, a file for each scenario, a line for each request:
//! `METHOD path [Header: value] body`. The other registry's answers are recorded in `tests/registry/answers.txt` by the
//! program `registry-diff`, from a registry that is empty before each scenario. Each difference must stand in
//! `tests/registry/differences.txt` with its reason, and each line there must still be one.

mod compare;
mod exchange;

pub use compare::{Difference, differences, documented, unexplained};
pub use exchange::{Exchange, Request, answers, play, render, requests};

use std::path::PathBuf;

/// How Rivulet is started for scenarios; the other registry has the same secret in its variable `LOCAL_SECRET`.
pub const SERVER: [&str; 2] = ["--local-kms-secret", "mysecret"];

/// Where scenarios, answers and differences are kept.
pub fn folder() -> PathBuf {
    crate::workspace().join("tests/registry")
}

/// Names of all scenarios, sorted.
pub fn scenarios() -> Vec<String> {
    let files = std::fs::read_dir(folder().join("scenarios")).expect("there are scenarios");
    let names = files.filter_map(|file| {
        let name = file.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".txt").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}
