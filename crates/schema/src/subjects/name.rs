//! Names of subjects: a context, and a subject in it.
//!
//! A name is written `:.context:subject`; in the default context it is written bare.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// The context of bare names.
pub const DEFAULT_CONTEXT: &str = ".";
/// Settings of this context hold wherever no nearer ones are set.
pub(super) const GLOBAL_CONTEXT: &str = ".__GLOBAL";
/// At the start of a prefix: every context.
pub(super) const ANY_CONTEXT: &str = ":*:";
/// Subjects that may not be used: permissions are stored under them.
const RESERVED: [&str; 2] = ["__GLOBAL", "__EMPTY"];

/// A subject in its context. With an empty subject it stands for the context itself, and for everything when the context
/// is the default one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Begins with a dot and holds no colon.
    pub context: Arc<str>,
    pub subject: Arc<str>,
}

impl Name {
    /// Reads a name as paths and records hold it. Every text is a name of something.
    pub fn parse(text: &str) -> Name {
        let (context, subject) = match text.strip_prefix(':').filter(|rest| rest.starts_with('.')) {
            Some(rest) => rest.split_once(':').unwrap_or((rest, "")),
            None => match text.strip_prefix(ANY_CONTEXT) {
                Some(rest) => ("*", rest),
                None => (DEFAULT_CONTEXT, text),
            },
        };
        Name::new(context, subject)
    }

    pub fn new(context: &str, subject: &str) -> Name {
        // Nearly every name is in the default context: its text is kept once.
        static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| DEFAULT_CONTEXT.into());
        let context = match context {
            DEFAULT_CONTEXT => Arc::clone(&DEFAULT),
            other => other.into(),
        };
        Name {
            context,
            subject: subject.into(),
        }
    }

    /// What the top-level settings belong to.
    pub fn top() -> Name {
        Name::new(DEFAULT_CONTEXT, "")
    }

    /// What the settings for all contexts belong to.
    pub fn global() -> Name {
        Name::new(GLOBAL_CONTEXT, "")
    }

    /// The context this name is in, as a name.
    pub fn context_of(&self) -> Name {
        Name {
            context: Arc::clone(&self.context),
            subject: "".into(),
        }
    }

    /// The same subject in another context.
    pub fn within(&self, context: &Arc<str>) -> Name {
        Name {
            context: Arc::clone(context),
            subject: Arc::clone(&self.subject),
        }
    }

    /// What `text` names when it stands in something of this name, such as a reference or an alias: a bare name is of
    /// the same context.
    pub fn relative(&self, text: &str) -> Name {
        let name = Name::parse(text);
        if name.is_in_default() && !self.is_in_default() {
            Name {
                context: Arc::clone(&self.context),
                subject: text.into(),
            }
        } else {
            name
        }
    }

    pub fn is_in_default(&self) -> bool {
        &*self.context == DEFAULT_CONTEXT
    }

    /// Whether this names a context and no subject in it.
    pub fn is_context(&self) -> bool {
        self.subject.is_empty()
    }

    /// Whether this names the default context itself, which is everything at once.
    pub fn is_top(&self) -> bool {
        self.is_context() && self.is_in_default()
    }

    /// Whether this names the context of settings for all contexts.
    pub fn is_global(&self) -> bool {
        self.is_context() && &*self.context == GLOBAL_CONTEXT
    }

    /// Whether what is done to this name is done to `other`: to a subject itself, to a context's subjects, or to all.
    pub fn covers(&self, other: &Name) -> bool {
        self == other || (self.is_context() && (self.is_top() || self.is_global() || self.context == other.context))
    }

    /// The context as messages and prefixes hold it: `:.context:`, or nothing for the default one.
    pub fn qualified_context(&self) -> String {
        qualified(&self.context)
    }

    /// Whether schemas (or only settings, with `is_setting`) may be kept under the name as a client wrote it.
    pub fn is_valid(text: &str, is_setting: bool) -> bool {
        let name = Name::parse(text);
        !text.chars().any(char::is_control)
            && !RESERVED.contains(&&*name.subject)
            && (is_setting || &*name.context != GLOBAL_CONTEXT)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_in_default() {
            f.write_str(&self.subject)
        } else {
            write!(f, ":{}:{}", self.context, self.subject)
        }
    }
}

/// A context as it is written before a subject.
fn qualified(context: &str) -> String {
    if context == DEFAULT_CONTEXT {
        String::new()
    } else {
        format!(":{context}:")
    }
}

/// A context as a path names it (`.c`, `c`, `:.c:`) as it is written before a subject; an error says what is wrong.
pub fn context_prefix(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix(':').unwrap_or(text);
    let bare = bare.strip_suffix(':').unwrap_or(bare);
    if bare.contains(':') {
        return Err(format!("Context name '{bare}' cannot contain a colon"));
    }
    if bare.starts_with('.') {
        Ok(qualified(bare))
    } else {
        Ok(qualified(&format!(".{bare}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, context_prefix};

    #[test]
    fn names_are_read_and_written() {
        for (text, context, subject, again) in [
            ("a", ".", "a", "a"),
            ("", ".", "", ""),
            (":.c:a", ".c", "a", ":.c:a"),
            (":.c:a:b", ".c", "a:b", ":.c:a:b"),
            (":.c:", ".c", "", ":.c:"),
            (":.c", ".c", "", ":.c:"),
            (":.:a", ".", "a", "a"),
            (":a:b", ".", ":a:b", ":a:b"),
            (":*:a", "*", "a", ":*:a"),
            ("a/b", ".", "a/b", "a/b"),
        ] {
            let name = Name::parse(text);
            assert_eq!((&*name.context, &*name.subject), (context, subject), "{text}");
            assert_eq!(name.to_string(), again);
        }
    }

    #[test]
    fn bare_names_follow_their_parent() {
        for (parent, text, expected) in [
            ("a", "b", "b"),
            (":.c:a", "b", ":.c:b"),
            (":.c:a", ":.d:b", ":.d:b"),
            ("a", ":.d:b", ":.d:b"),
        ] {
            assert_eq!(Name::parse(parent).relative(text).to_string(), expected);
        }
    }

    #[test]
    fn contexts_cover_their_subjects() {
        for (name, other, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("", ":.c:b", true),
            (":.c:", ":.c:b", true),
            (":.c:", "b", false),
            (":.__GLOBAL:", "b", true),
        ] {
            assert_eq!(
                Name::parse(name).covers(&Name::parse(other)),
                expected,
                "{name} {other}"
            );
        }
    }

    #[test]
    fn some_names_are_refused() {
        for (text, is_setting, expected) in [
            ("a", false, true),
            ("", false, true),
            ("a\u{1}", false, false),
            ("a\u{85}", true, false),
            ("__GLOBAL", true, false),
            (":.c:__EMPTY", false, false),
            (":.__GLOBAL:", true, true),
            (":.__GLOBAL:a", false, false),
            ("grüße/✓", false, true),
        ] {
            assert_eq!(Name::is_valid(text, is_setting), expected, "{text:?}");
        }
    }

    #[test]
    fn contexts_of_paths() {
        for (text, expected) in [
            (".c", Ok(":.c:")),
            ("c", Ok(":.c:")),
            (":.c:", Ok(":.c:")),
            (".", Ok("")),
            ("", Ok("")),
        ] {
            assert_eq!(
                context_prefix(text).as_deref().map_err(String::as_str),
                expected,
                "{text}"
            );
        }
        assert!(context_prefix("a:b").is_err());
    }
}
