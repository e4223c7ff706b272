//! Which subjects an exporter takes, and what they are called at the destination.

use super::{ContextType, Exporter};
use crate::RegistryError;
use crate::error::quoted;
use crate::subjects::{DEFAULT_CONTEXT, Name, Reference, context_prefix};

const SUBJECTS_MAX: usize = 1000;
/// Longer patterns, contexts and formats are refused.
const TEXT_BYTES_MAX: usize = 1024;
/// Stands for the source's name in a rename format.
const PLACEHOLDER: &str = "${subject}";

/// An exporter's choice of subjects and their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    patterns: Vec<Pattern>,
    contexts: Contexts,
    rename: Option<(String, String)>,
    /// The context that things of this registry go below at others.
    own: String,
    /// Whether what is exported comes back to where it is from.
    into_itself: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// `None`: any.
    context: Option<String>,
    subject: String,
    /// Whether `subject` is only how it begins.
    is_prefix: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Contexts {
    /// Below this one, which begins with a dot.
    Below(String),
    Same,
    Default,
}

fn wrong_subject(pattern: &str, why: &str) -> RegistryError {
    let pattern = quoted(pattern);
    RegistryError::new(40952, format!("Invalid exporter subjects: `{pattern}` {why}"))
}

fn wrong_config(why: impl std::fmt::Display) -> RegistryError {
    RegistryError::new(40951, format!("Missing or invalid exporter config: {why}"))
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, RegistryError> {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(wrong_subject(text, "is empty or too long"));
        }
        if text.contains('*') && !text.starts_with(":*:") && !text.ends_with('*') {
            return Err(wrong_subject(text, "has its `*` elsewhere than at its end"));
        }
        // A context may be named bare as well.
        let name = match text.strip_prefix('.').is_some_and(|rest| !rest.is_empty()) {
            true => Name::parse(&format!(":{}", text.trim_end_matches('*'))),
            false => Name::parse(text),
        };
        let subject = name.subject.strip_suffix('*').unwrap_or(&name.subject);
        if subject.contains('*') || (&*name.context != "*" && name.context.contains('*')) {
            return Err(wrong_subject(text, "has its `*` elsewhere than at its end"));
        }
        if !Name::is_valid(text, false) {
            return Err(wrong_subject(text, "can be no subject"));
        }
        Ok(Pattern {
            context: (&*name.context != "*").then(|| name.context.to_string()),
            // A context alone stands for all that is in it.
            is_prefix: name.subject.ends_with('*') || name.subject.is_empty(),
            subject: subject.to_owned(),
        })
    }

    fn takes(&self, name: &Name) -> bool {
        let is_context = self.context.as_deref().is_none_or(|context| context == &*name.context);
        is_context
            && match self.is_prefix {
                true => name.subject.starts_with(&self.subject),
                false => *name.subject == *self.subject,
            }
    }
}

impl Mapping {
    /// Reads what an exporter says; `cluster_id` is that of the source.
    pub fn of(exporter: &Exporter, cluster_id: &str) -> Result<Mapping, RegistryError> {
        if exporter.subjects.is_empty() || exporter.subjects.len() > SUBJECTS_MAX {
            let message = format!("Invalid exporter subjects: there must be 1 to {SUBJECTS_MAX}");
            return Err(RegistryError::new(40952, message));
        }
        let patterns = exporter.subjects.iter().map(|text| Pattern::parse(text));
        let own = format!(".{cluster_id}");
        Ok(Mapping {
            patterns: patterns.collect::<Result<_, _>>()?,
            contexts: contexts(exporter, &own)?,
            rename: exporter.subject_rename_format.as_deref().map(rename).transpose()?,
            own,
            into_itself: false,
        })
    }

    /// The same where the destination is the source: what was exported is not exported again.
    pub fn into_itself(self) -> Mapping {
        Mapping {
            into_itself: true,
            ..self
        }
    }

    /// What a subject is called at the destination; none if it stays here.
    pub fn target(&self, source: &Name) -> Result<Option<Name>, RegistryError> {
        if !self.patterns.iter().any(|pattern| pattern.takes(source)) || self.is_echo(source) {
            return Ok(None);
        }
        let target = self.name_of(source);
        if self.into_itself && !self.is_echo(&target) && self.patterns.iter().any(|pattern| pattern.takes(&target)) {
            let message = format!(
                "subject '{source}' would become '{target}' of this same registry and be exported again and again: \
                 name a `context` of contextType CUSTOM, or other `subjects`"
            );
            return Err(RegistryError::new(40952, message));
        }
        Ok(Some(target))
    }

    /// What a subject is called at the destination, taken or not: something that is refers to it.
    pub fn name_of(&self, source: &Name) -> Name {
        let context = match &self.contexts {
            Contexts::Below(above) if source.is_in_default() => above.clone(),
            Contexts::Below(above) => format!("{above}{}", source.context),
            Contexts::Same => source.context.to_string(),
            Contexts::Default => DEFAULT_CONTEXT.to_owned(),
        };
        match &self.rename {
            Some((before, after)) => Name::new(&context, &format!("{before}{}{after}", source.subject)),
            None => Name::new(&context, &source.subject),
        }
    }

    /// References of a schema of `source`, as its target must hold them.
    pub fn references(&self, source: &Name, references: &[Reference]) -> Vec<Reference> {
        let target = self.name_of(source);
        let renamed = |reference: &Reference| {
            let subject = self.name_of(&source.relative(&reference.subject));
            let subject = if subject.context == target.context {
                subject.subject.to_string()
            } else if subject.is_in_default() {
                format!(":{DEFAULT_CONTEXT}:{}", subject.subject)
            } else {
                subject.to_string()
            };
            Reference {
                subject,
                ..reference.clone()
            }
        };
        references.iter().map(renamed).collect()
    }

    /// What must be in the mode that takes ids: a context that is the exporter's own, or only the subject.
    pub fn import_scope(&self, target: &Name) -> Name {
        match &self.contexts {
            Contexts::Below(_) => target.context_of(),
            Contexts::Same | Contexts::Default => target.clone(),
        }
    }

    /// Whether this came here from an exporter: from this registry by way of another, or from this exporter itself.
    fn is_echo(&self, name: &Name) -> bool {
        let below = |above: &str| {
            let rest = name.context.strip_prefix(above);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let came_back = self.own.len() > 1 && format!("{}.", name.context).contains(&format!("{}.", self.own));
        came_back || matches!(&self.contexts, Contexts::Below(above) if self.into_itself && below(above))
    }
}

fn contexts(exporter: &Exporter, own: &str) -> Result<Contexts, RegistryError> {
    match exporter.context_type {
        ContextType::Auto => Ok(Contexts::Below(own.to_owned())),
        ContextType::None => Ok(Contexts::Same),
        ContextType::Default => Ok(Contexts::Default),
        ContextType::Custom => {
            let given = exporter.context.as_deref().filter(|text| !text.trim().is_empty());
            let given = given.ok_or_else(|| wrong_config("contextType CUSTOM needs a `context`"))?;
            let prefix = context_prefix(given).map_err(wrong_config)?;
            if prefix.is_empty() {
                return Ok(Contexts::Same);
            }
            let name = Name::parse(&prefix);
            let is_plain = !name.is_global() && !given.contains('*') && Name::is_valid(&prefix, true);
            if !is_plain || given.len() > TEXT_BYTES_MAX {
                return Err(wrong_config("`context` can be no context of schemas"));
            }
            Ok(Contexts::Below(name.context.to_string()))
        }
    }
}

fn rename(format: &str) -> Result<(String, String), RegistryError> {
    let parts = format.split_once(PLACEHOLDER);
    let (before, after) =
        parts.ok_or_else(|| wrong_config(format_args!("`subjectRenameFormat` does not hold `{PLACEHOLDER}`")))?;
    let is_plain = !format.starts_with(':') && !format.chars().any(char::is_control) && !after.contains(PLACEHOLDER);
    if !is_plain || format.len() > TEXT_BYTES_MAX {
        return Err(wrong_config("`subjectRenameFormat` can make no subject"));
    }
    Ok((before.to_owned(), after.to_owned()))
}
