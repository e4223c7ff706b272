//! What may be done to exporters: only one that is paused is changed, begun anew or deleted.

use std::collections::BTreeMap;

use super::{
    Change, ContextType, Destination, EXPORTERS_MAX, Entry, Exporter, Exporters, Mapping, Progress, State, config,
};
use crate::RegistryError;
use crate::error::quoted;

/// Longer names are refused.
const NAME_BYTES_MAX: usize = 255;
/// Why an exporter was paused is told in so many characters.
const TRACE_CHARS_MAX: usize = 4096;
/// The only way keys could be renamed that changes nothing.
const KEK_AS_IT_IS: &str = "${kek}";

/// What a client says of an exporter; what it leaves out stays, or is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExporterRequest {
    pub name: Option<String>,
    pub subjects: Option<Vec<String>>,
    pub context_type: Option<String>,
    pub context: Option<String>,
    pub subject_rename_format: Option<String>,
    pub kek_rename_format: Option<String>,
    pub config: Option<BTreeMap<String, String>>,
}

/// What a run says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub state: State,
    pub offset: i64,
    pub ts: i64,
    pub trace: Option<String>,
}

impl Exporter {
    fn changed_by(&self, request: ExporterRequest) -> Result<Exporter, RegistryError> {
        let context_type = match request.context_type.as_deref() {
            Some(word) => ContextType::from_word(word).ok_or_else(|| wrong_context_type(word))?,
            None => self.context_type,
        };
        let changed = Exporter {
            name: self.name.clone(),
            subjects: request.subjects.unwrap_or_else(|| self.subjects.clone()),
            context_type,
            context: request.context.or_else(|| self.context.clone()),
            subject_rename_format: request
                .subject_rename_format
                .or_else(|| self.subject_rename_format.clone()),
            kek_rename_format: request.kek_rename_format.or_else(|| self.kek_rename_format.clone()),
            config: match request.config {
                Some(new) => config::merged(&self.config, new),
                None => self.config.clone(),
            },
        };
        changed.check()?;
        Ok(changed)
    }

    fn check(&self) -> Result<(), RegistryError> {
        Destination::of(&self.config)?;
        // What it is called at the source does not matter here.
        Mapping::of(self, "")?;
        if self
            .kek_rename_format
            .as_deref()
            .is_some_and(|format| format != KEK_AS_IT_IS)
        {
            let why = "`kekRenameFormat` has no effect: keys of the DEK registry are not exported; leave it out";
            return Err(RegistryError::new(
                40951,
                format!("Missing or invalid exporter config: {why}"),
            ));
        }
        Ok(())
    }

    /// The `config` as answers show it: without secrets.
    pub fn shown_config(&self) -> BTreeMap<String, String> {
        config::shown(&self.config)
    }
}

fn wrong_context_type(word: &str) -> RegistryError {
    let words = ContextType::WORDS.map(|(_, word)| word).join(", ");
    let word = quoted(word);
    RegistryError::new(400, format!("`{word}` is no contextType; there are {words}"))
}

fn not_paused(name: &str) -> RegistryError {
    RegistryError::new(40963, format!("Exporter '{name}' is not paused: pause it first"))
}

impl Exporters {
    pub fn create(&self, request: ExporterRequest) -> Result<Vec<Change>, RegistryError> {
        let name = request.name.clone().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_plain) {
            let rule = format!("1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` and `.`");
            let message = format!("Missing or invalid exporter name '{}': {rule}", quoted(&name));
            return Err(RegistryError::new(40950, message));
        }
        if self.by_name.contains_key(&name) {
            return Err(RegistryError::new(40960, format!("Exporter '{name}' already exists")));
        }
        let empty = Exporter {
            name: name.clone(),
            subjects: vec!["*".to_owned()],
            context_type: ContextType::default(),
            context: None,
            subject_rename_format: None,
            kek_rename_format: None,
            config: BTreeMap::new(),
        };
        let exporter = empty.changed_by(request)?;
        if self.by_name.len() >= EXPORTERS_MAX {
            let message = format!("Too many exporters: there may be {EXPORTERS_MAX}, delete one first");
            return Err(RegistryError::new(40964, message));
        }
        let run = self.next_run();
        Ok(vec![
            Change::Put(exporter),
            Change::Move(name, Progress::beginning(run)),
        ])
    }

    /// Never that of a run there was, also of an exporter that was deleted and made anew meanwhile.
    fn next_run(&self) -> u64 {
        self.run_max + 1
    }

    pub fn update(&self, name: &str, request: ExporterRequest) -> Result<Vec<Change>, RegistryError> {
        let entry = self.paused(name)?;
        Ok(vec![Change::Put(entry.exporter.changed_by(request)?)])
    }

    pub fn delete(&self, name: &str) -> Result<Vec<Change>, RegistryError> {
        self.paused(name)?;
        Ok(vec![
            Change::Drop(name.to_owned()),
            Change::DropProgress(name.to_owned()),
        ])
    }

    fn paused(&self, name: &str) -> Result<&Entry, RegistryError> {
        let entry = self.get(name)?;
        match entry.progress.state {
            State::Paused => Ok(entry),
            State::Starting | State::Running => Err(not_paused(name)),
        }
    }

    /// Pauses an exporter; one that is paused stays so.
    pub fn pause(&self, name: &str) -> Result<Vec<Change>, RegistryError> {
        let entry = self.get(name)?;
        if entry.progress.state == State::Paused {
            return Ok(Vec::new());
        }
        let progress = Progress {
            state: State::Paused,
            trace: None,
            ..entry.progress.clone()
        };
        Ok(vec![Change::Move(name.to_owned(), progress)])
    }

    /// Lets a paused exporter go on where it was.
    pub fn resume(&self, name: &str) -> Result<Vec<Change>, RegistryError> {
        let entry = self.get(name)?;
        if entry.progress.state != State::Paused {
            return Err(RegistryError::new(
                40961,
                format!("Exporter '{name}' is already running"),
            ));
        }
        let progress = Progress {
            state: match entry.progress.offset {
                -1 => State::Starting,
                _ => State::Running,
            },
            trace: None,
            run: self.next_run(),
            ..entry.progress.clone()
        };
        Ok(vec![Change::Move(name.to_owned(), progress)])
    }

    /// Forgets how far a paused exporter has come; it stays paused.
    pub fn reset(&self, name: &str) -> Result<Vec<Change>, RegistryError> {
        let entry = self.paused(name)?;
        let progress = Progress {
            state: State::Paused,
            ..Progress::beginning(entry.progress.run)
        };
        Ok(vec![Change::Move(name.to_owned(), progress)])
    }

    /// Takes in what a run says of itself; none if it is no longer the run that counts.
    pub fn report(&self, name: &str, run: u64, report: Report) -> Option<Vec<Change>> {
        let progress = &self.by_name.get(name)?.progress;
        if progress.run != run || progress.state == State::Paused {
            return None;
        }
        let trace = report.trace.map(|trace| trace.chars().take(TRACE_CHARS_MAX).collect());
        let progress = Progress {
            state: report.state,
            offset: report.offset,
            ts: report.ts,
            trace,
            run,
        };
        Some(vec![Change::Move(name.to_owned(), progress)])
    }
}
