//! What is wrong with a text, where, and what to write instead.

use std::fmt;

/// The most characters of an offending token that are shown.
const TOKEN_SHOWN_MAX: usize = 40;

/// A stretch of the source, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// From the beginning of this to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// One mistake in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// A lower-case sentence: what is wrong.
    pub message: String,
    pub span: Span,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The offending piece of text, cut if long.
    pub token: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SqlError {
    pub fn new(source: &str, span: Span, message: impl Into<String>) -> SqlError {
        let (line, column) = line_and_column(source, span.start);
        let piece = source.get(span.start..span.end.min(source.len())).unwrap_or("");
        let mut token: String = piece.chars().take_while(|c| *c != '\n').take(TOKEN_SHOWN_MAX).collect();
        if token.len() < piece.len() {
            token.push('…');
        }
        SqlError {
            message: message.into(),
            span,
            line,
            column,
            token,
            hint: None,
        }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> SqlError {
        self.hint = Some(hint.into());
        self
    }

    /// The message with its source line and a caret line under it; ends with a line break.
    pub fn render(&self, source: &str) -> String {
        let line = source.lines().nth(self.line as usize - 1).unwrap_or("");
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let before: String = line
            .chars()
            .take(self.column as usize - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let start = line
            .char_indices()
            .nth(self.column as usize - 1)
            .map_or(line.len(), |(at, _)| at);
        let length = self.span.end.saturating_sub(self.span.start).min(line.len() - start);
        let width = line
            .get(start..start + length)
            .map_or(1, |piece| piece.chars().count())
            .max(1);
        let mut out = format!(
            "error: {}\n{margin}--> line {}, column {}\n",
            self.message, self.line, self.column
        );
        out.push_str(&format!(
            "{margin} |\n{number} | {line}\n{margin} | {before}{}\n",
            "^".repeat(width)
        ));
        if let Some(hint) = &self.hint {
            out.push_str(&format!("{margin} = hint: {hint}\n"));
        }
        out
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

/// Both from 1; the column counts characters.
pub(crate) fn line_and_column(source: &str, at: usize) -> (u32, u32) {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    let before = &source[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() as u32 + 1;
    (line, before[line_start..].chars().count() as u32 + 1)
}
