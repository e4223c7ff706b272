//! The note a running platform leaves in its data folder, by which other commands find it.

use std::path::{Path, PathBuf};

use base::ErrorKind;
use project::Endpoints;
use serde::{Deserialize, Serialize};

use crate::args::Target;
use crate::error::CliError;

const NOTE: &str = "server.json";
const DEFAULT_DATA_DIR: &str = ".rivulet";

/// Where a platform answers, and which process it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub pid: u32,
    pub kafka: String,
    pub registry: String,
    pub api: String,
    pub durability: String,
}

fn note_of(data_dir: &Path) -> PathBuf {
    data_dir.join(NOTE)
}

impl Running {
    /// The platform that runs on this folder now; a note left by a killed one does not count.
    pub(crate) fn find(data_dir: &Path) -> Option<Running> {
        let text = std::fs::read_to_string(note_of(data_dir)).ok()?;
        let running: Running = serde_json::from_str(&text).ok()?;
        running.is_alive().then_some(running)
    }

    pub(crate) fn require(data_dir: &Path) -> Result<Running, CliError> {
        Running::find(data_dir).ok_or_else(|| {
            let message = format!("nothing runs on the data in `{}`", data_dir.display());
            CliError::new(ErrorKind::Unavailable, message).hint("start a platform with `rivulet up`")
        })
    }

    /// Leaves the note, whole or not at all.
    pub(crate) fn leave(&self, data_dir: &Path) -> Result<(), CliError> {
        std::fs::create_dir_all(data_dir)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| CliError::internal(error.to_string()))?;
        let draft = data_dir.join(format!("{NOTE}.new"));
        std::fs::write(&draft, text)?;
        Ok(std::fs::rename(draft, note_of(data_dir))?)
    }

    pub(crate) fn remove(data_dir: &Path) {
        // A note that stays behind is recognised by its dead process.
        if let Err(error) = std::fs::remove_file(note_of(data_dir)) {
            eprintln!("note: `{}` stays: {error}", note_of(data_dir).display());
        }
    }

    /// Whether the process still is there, and is one of ours: numbers are used again.
    pub(crate) fn is_alive(&self) -> bool {
        std::fs::read(format!("/proc/{}/cmdline", self.pid)).is_ok_and(|line| {
            let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
            program.ends_with(b"rivulet")
        })
    }
}

impl Target {
    /// What was named, else what runs in this folder, else the standard ports on localhost.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let running = Running::find(Path::new(DEFAULT_DATA_DIR));
        let found = |pick: fn(&Running) -> &String| running.as_ref().map(pick).cloned();
        let or = |named: &Option<String>, found: Option<String>, standard: &str| {
            named.clone().or(found).unwrap_or_else(|| standard.to_owned())
        };
        Endpoints {
            kafka: or(&self.bootstrap, found(|running| &running.kafka), "localhost:9092"),
            registry: or(
                &self.registry,
                found(|running| &running.registry),
                "http://localhost:8081",
            ),
            api: or(&self.api, found(|running| &running.api), "http://localhost:8090"),
        }
    }
}
