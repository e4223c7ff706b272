//! Text to tokens. It never gives up: what does not belong is reported and read as what was probably meant.

use crate::error::{Span, SqlError};
use crate::token::{Token, TokenKind};

const SYMBOLS: &[&str] = &[
    "<=", ">=", "<>", "||", "=>", "(", ")", ",", ".", ";", "=", "<", ">", "+", "-", "*", "/", "%", "[", "]", "{", "}",
    ":", "?", "|", "^", "&",
];

/// The tokens of a text, ending with [`TokenKind::End`], and what is wrong with it.
pub(crate) fn tokenize(source: &str) -> (Vec<Token>, Vec<SqlError>) {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
        errors: Vec::new(),
    };
    while lexer.at < source.len() {
        lexer.next();
    }
    let end = Span::new(source.len(), source.len());
    lexer.tokens.push(Token {
        kind: TokenKind::End,
        span: end,
    });
    (lexer.tokens, lexer.errors)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
    errors: Vec<SqlError>,
}

impl Lexer<'_> {
    fn next(&mut self) {
        let rest = &self.source[self.at..];
        let Some(first) = rest.chars().next() else { return };
        if first.is_whitespace() || first == '\u{feff}' {
            self.at += first.len_utf8();
        } else if rest.starts_with("--") {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*+") {
            self.hint_start();
        } else if rest.starts_with("/*") {
            self.comment(rest);
        } else if rest.starts_with("*/") && self.in_hint() {
            self.push(TokenKind::Symbol("*/"), 2);
        } else if first == '\'' {
            self.string(0);
        } else if first == '`' {
            self.quoted_name('`');
        } else if first == '"' {
            self.quoted_name('"');
        } else if is_hex_string(rest) {
            self.hex_string();
        } else if rest.starts_with("U&'") || rest.starts_with("u&'") {
            self.unicode_string();
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            self.number(rest);
        } else if is_name_start(first) {
            let length = rest.find(|c: char| !is_name_part(c)).unwrap_or(rest.len());
            self.push(TokenKind::Word(rest[..length].to_owned()), length);
        } else {
            self.symbol(rest, first);
        }
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        let span = Span::new(self.at, self.at + length);
        self.tokens.push(Token { kind, span });
        self.at += length;
    }

    fn error(&mut self, span: Span, message: &str, hint: &str) {
        self.errors
            .push(SqlError::new(self.source, span, message).with_hint(hint));
    }

    fn hint_start(&mut self) {
        self.push(TokenKind::Symbol("/*+"), 3);
    }

    /// An optimizer hint is open: `/*+` has no `*/` yet.
    fn in_hint(&self) -> bool {
        let last = self
            .tokens
            .iter()
            .rev()
            .find(|t| t.is_symbol("/*+") || t.is_symbol("*/"));
        last.is_some_and(|token| token.is_symbol("/*+"))
    }

    fn comment(&mut self, rest: &str) {
        match rest.find("*/") {
            Some(end) => self.at += end + 2,
            None => {
                let span = Span::new(self.at, self.at + 2);
                self.error(span, "the comment opened here is never closed", "end it with `*/`");
                self.at = self.source.len();
            }
        }
    }

    /// From the quote `skip` bytes ahead to its end; doubled quotes stand for one.
    fn string(&mut self, skip: usize) {
        let (value, length) = self.read_string(skip);
        self.push(TokenKind::String(value), length);
    }

    fn read_string(&mut self, skip: usize) -> (String, usize) {
        let rest = &self.source[self.at + skip + 1..];
        let mut value = String::new();
        let mut chars = rest.char_indices().peekable();
        while let Some((index, c)) = chars.next() {
            if c != '\'' {
                value.push(c);
            } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
                value.push('\'');
            } else {
                return (value, skip + index + 2);
            }
        }
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let span = Span::new(self.at, self.at + skip + 1 + line_end);
        self.error(
            span,
            "the string opened here is never closed",
            "end it with `'`; a quote inside a string is written `''`",
        );
        // Reading on at the next line finds the mistakes after this one.
        (
            rest[..line_end].trim_end_matches([';', ' ']).to_owned(),
            skip + 1 + line_end,
        )
    }

    fn quoted_name(&mut self, quote: char) {
        let rest = &self.source[self.at + 1..];
        let mut value = String::new();
        let mut chars = rest.char_indices().peekable();
        let mut length = None;
        while let Some((index, c)) = chars.next() {
            if c != quote {
                value.push(c);
            } else if chars.next_if(|(_, next)| *next == quote).is_some() {
                value.push(quote);
            } else {
                length = Some(index + 2);
                break;
            }
        }
        let Some(length) = length else {
            let line_end = rest.find('\n').unwrap_or(rest.len());
            let span = Span::new(self.at, self.at + 1 + line_end);
            let message = format!("the name opened with {quote} here is never closed");
            self.error(span, &message, &format!("end it with {quote}"));
            self.push(
                TokenKind::Quoted(rest[..line_end].trim_end_matches([';', ' ']).to_owned()),
                1 + line_end,
            );
            return;
        };
        if quote == '"' {
            let span = Span::new(self.at, self.at + length);
            let hint = format!("write `{value}` in backquotes for a name, '{value}' in single quotes for a string");
            self.error(span, "double quotes mean nothing in Flink SQL", &hint);
        }
        self.push(TokenKind::Quoted(value), length);
    }

    fn hex_string(&mut self) {
        let start = self.at;
        let (digits, length) = self.read_string(1);
        let bytes = decode_hex(&digits);
        if bytes.is_none() {
            let span = Span::new(start, start + length);
            self.error(
                span,
                "this is not a binary string",
                "write an even number of hex digits, such as x'7f02'",
            );
        }
        self.push(TokenKind::HexString(bytes.unwrap_or_default()), length);
    }

    fn unicode_string(&mut self) {
        let (text, length) = self.read_string(2);
        let mut value = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('\\') {
            value.push_str(&rest[..at]);
            let code = rest
                .get(at + 1..at + 5)
                .and_then(|hex| u32::from_str_radix(hex, 16).ok());
            match code.and_then(char::from_u32) {
                Some(c) => {
                    value.push(c);
                    rest = &rest[at + 5..];
                }
                None => {
                    value.push('\\');
                    rest = &rest[at + 1..];
                }
            }
        }
        value.push_str(rest);
        self.push(TokenKind::String(value), length);
    }

    fn number(&mut self, rest: &str) {
        let bytes = rest.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(end + 1 + sign);
            if after > end + 1 + sign {
                end = after;
            }
        }
        let tail = rest[end..].find(|c: char| !is_name_part(c)).unwrap_or(rest.len() - end);
        if tail > 0 {
            let word = &rest[..end + tail];
            let span = Span::new(self.at, self.at + word.len());
            let hint = format!("a name that begins with a digit needs backquotes: `{word}`");
            self.error(span, &format!("`{word}` is neither a number nor a name"), &hint);
            self.push(TokenKind::Quoted(word.to_owned()), word.len());
            return;
        }
        self.push(TokenKind::Number(rest[..end].to_owned()), end);
    }

    fn symbol(&mut self, rest: &str, first: char) {
        for (wrong, right) in [("!=", "<>"), ("==", "="), ("&&", "AND"), ("^=", "<>")] {
            if rest.starts_with(wrong) {
                let span = Span::new(self.at, self.at + 2);
                self.error(
                    span,
                    &format!("`{wrong}` is not an operator of Flink SQL"),
                    &format!("write `{right}`"),
                );
                let kind = match right {
                    "AND" => TokenKind::Word("AND".to_owned()),
                    "=" => TokenKind::Symbol("="),
                    _ => TokenKind::Symbol("<>"),
                };
                self.push(kind, 2);
                return;
            }
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            self.push(TokenKind::Symbol(symbol), symbol.len());
            return;
        }
        let span = Span::new(self.at, self.at + first.len_utf8());
        let hint = match first {
            '‘' | '’' | '“' | '”' | '´' => "write a plain single quote '".to_owned(),
            '#' | '@' => format!("a name with `{first}` in it needs backquotes; comments begin with `--`"),
            '\\' => "a backslash is only known inside a string".to_owned(),
            _ => "remove it, or put it in backquotes or single quotes".to_owned(),
        };
        self.error(span, &format!("`{first}` has no place in SQL"), &hint);
        self.at += first.len_utf8();
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn is_hex_string(rest: &str) -> bool {
    rest.starts_with("x'") || rest.starts_with("X'")
}

pub(crate) fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}
