//! Words, numbers and strings of a `.proto` text, with the place of whatever does not fit.

/// The cursor over a text.
pub(super) struct Reader {
    text: Vec<char>,
    at: usize,
    line: usize,
    line_start: usize,
}

/// So many maps may stand in one another.
pub(super) const MAP_DEPTH_MAX: usize = 16;

pub(super) type Read<T> = Result<T, String>;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, ":{}:{}", self.line, self.column)
    }
}

impl Reader {
    pub(super) fn new(text: &str) -> Reader {
        Reader {
            text: text.chars().collect(),
            at: 0,
            line: 0,
            line_start: 0,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place {
            line: self.line + 1,
            column: self.at.saturating_sub(self.line_start) + 1,
        }
    }

    pub(super) fn error<T>(&self, message: &str) -> Read<T> {
        Reader::error_at(self.place(), message)
    }

    pub(super) fn error_at<T>(place: Place, message: &str) -> Read<T> {
        Err(format!("Syntax error in {place}: {message}"))
    }

    pub(super) fn expect(&self, condition: bool, message: &str) -> Read<()> {
        if condition { Ok(()) } else { self.error(message) }
    }

    pub(super) fn exhausted(&self) -> bool {
        self.at == self.text.len()
    }

    /// The next character after blanks and comments, left where it is.
    pub(super) fn peek(&mut self) -> Read<char> {
        self.skip(true)?;
        match self.text.get(self.at) {
            Some(c) => Ok(*c),
            None => self.error("unexpected end of file"),
        }
    }

    /// Takes the next character if it is `wanted`.
    pub(super) fn take_if(&mut self, wanted: char) -> Read<bool> {
        let found = self.peek()? == wanted;
        if found {
            self.at += 1;
        }
        Ok(found)
    }

    pub(super) fn take(&mut self) -> Read<char> {
        let c = self.peek()?;
        self.at += 1;
        Ok(c)
    }

    /// Gives back the character that was just taken.
    pub(super) fn put_back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    pub(super) fn require(&mut self, wanted: char) -> Read<()> {
        let found = self.take()?;
        self.expect(found == wanted, &format!("expected '{wanted}' but was '{found}'"))
    }

    /// A quoted or a bare string.
    pub(super) fn string(&mut self) -> Read<String> {
        match self.peek()? {
            '"' | '\'' => self.quoted(),
            _ => self.word(true),
        }
    }

    /// A quoted string; those that follow one another are one.
    pub(super) fn quoted(&mut self) -> Read<String> {
        let mut quote = self.take()?;
        self.expect(matches!(quote, '"' | '\''), "expected quoted string")?;
        let mut out = String::new();
        while let Some(c) = self.text.get(self.at).copied() {
            self.at += 1;
            if c == quote {
                if matches!(self.peek()?, '"' | '\'') {
                    quote = self.take()?;
                    continue;
                }
                return Ok(out);
            }
            let c = if c == '\\' { self.escaped()? } else { c };
            out.push(c);
            if c == '\n' {
                self.newline();
            }
        }
        self.error("unterminated string")
    }

    fn escaped(&mut self) -> Read<char> {
        let Some(c) = self.text.get(self.at).copied() else {
            return self.error("unexpected end of file");
        };
        self.at += 1;
        Ok(match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' | 'X' => self.numeric(16, 2)?,
            '0'..='7' => {
                self.at -= 1;
                self.numeric(8, 3)?
            }
            other => other,
        })
    }

    fn numeric(&mut self, radix: u32, digits: usize) -> Read<char> {
        let mut value = None;
        for _ in 0..digits {
            let Some(digit) = self.text.get(self.at).and_then(|c| c.to_digit(radix)) else {
                break;
            };
            value = Some(value.unwrap_or(0) * radix + digit);
            self.at += 1;
        }
        match value.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => self.error("expected a digit after \\x or \\X"),
        }
    }

    /// A bare name, or one in parentheses or brackets; with its wrapping if `wrapped`.
    pub(super) fn name(&mut self, leading_digit: bool, wrapped: bool) -> Read<String> {
        let (open, close) = match self.peek()? {
            '(' => ('(', ')'),
            '[' => ('[', ']'),
            _ => return self.word(leading_digit),
        };
        self.at += 1;
        let word = self.word(leading_digit)?;
        let found = self.take()?;
        self.expect(found == close, &format!("expected '{close}'"))?;
        Ok(if wrapped { format!("{open}{word}{close}") } else { word })
    }

    /// A scalar, a type's name or `map<key, value>`.
    pub(super) fn data_type(&mut self) -> Read<String> {
        let first = self.word(true)?;
        self.data_type_after(first, MAP_DEPTH_MAX)
    }

    /// The same, when its first word is read already; `depth` maps may stand in one another.
    pub(super) fn data_type_after(&mut self, first: String, depth: usize) -> Read<String> {
        if first != "map" {
            let mut name = first;
            while self.peek()? == '.' {
                self.at += 1;
                name = format!("{name}.{}", self.word(true)?);
            }
            return Ok(name);
        }
        let Some(depth) = depth.checked_sub(1) else {
            return self.error("maps are nested too deeply");
        };
        self.separator('<')?;
        let word = self.word(true)?;
        let key = self.data_type_after(word, depth)?;
        self.separator(',')?;
        let word = self.word(true)?;
        let value = self.data_type_after(word, depth)?;
        self.separator('>')?;
        Ok(format!("map<{key}, {value}>"))
    }

    fn separator(&mut self, wanted: char) -> Read<()> {
        let found = self.take()?;
        self.expect(found == wanted, &format!("expected '{wanted}'"))
    }

    /// A word of letters, digits, `_`, `-` and `.`.
    pub(super) fn word(&mut self, leading_digit: bool) -> Read<String> {
        self.skip(true)?;
        let start = self.at;
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        self.at += self.text[start..].iter().take_while(|c| fits(c)).count();
        self.expect(start < self.at, "expected a word")?;
        if !leading_digit && self.text[start].is_ascii_digit() {
            let place = Place {
                line: self.line + 1,
                column: start.saturating_sub(self.line_start),
            };
            return Reader::error_at(place, "field and constant names cannot start with a digit");
        }
        Ok(self.text[start..self.at].iter().collect())
    }

    pub(super) fn int(&mut self) -> Read<i32> {
        let word = self.word(true)?;
        let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let value = match hex {
            Some(digits) => i32::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        };
        match value {
            Some(value) => Ok(value),
            None => self.error(&format!("expected an integer but was {}", hex.unwrap_or(&word))),
        }
    }

    /// Skips blanks and comments before a declaration.
    pub(super) fn skip_comments(&mut self) -> Read<()> {
        self.skip(true)
    }

    fn skip(&mut self, comments: bool) -> Read<()> {
        while let Some(c) = self.text.get(self.at) {
            match c {
                ' ' | '\t' | '\r' => self.at += 1,
                '\n' => {
                    self.at += 1;
                    self.newline();
                }
                '/' if comments => self.comment()?,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn comment(&mut self) -> Read<()> {
        self.at += 1;
        let second = self.text.get(self.at).copied();
        self.at = (self.at + 1).min(self.text.len());
        match second {
            Some('*') => self.block_comment(),
            Some('/') => {
                self.line_comment();
                Ok(())
            }
            _ => self.error("unexpected '/'"),
        }
    }

    fn block_comment(&mut self) -> Read<()> {
        while self.at + 1 < self.text.len() {
            match (self.text[self.at], self.text[self.at + 1]) {
                ('*', '/') => {
                    self.at += 2;
                    return Ok(());
                }
                ('\n', _) => {
                    // The line end counts as the next line's first column here, as it does for everyone else.
                    self.newline();
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        self.error("unterminated comment")
    }

    fn line_comment(&mut self) {
        while let Some(c) = self.text.get(self.at).copied() {
            self.at += 1;
            if c == '\n' {
                self.newline();
                return;
            }
        }
    }

    /// The comment that may follow a declaration on its line: nothing may follow it there.
    pub(super) fn trailing_comment(&mut self) -> Read<()> {
        while matches!(self.text.get(self.at), Some(' ' | '\t')) {
            self.at += 1;
        }
        match self.text.get(self.at) {
            Some('/') => self.at += 1,
            Some(_) => return Ok(()),
            None => return self.error("expected '//' or '/*'"),
        }
        match self.text.get(self.at) {
            Some('/') => {
                self.line_comment();
                return Ok(());
            }
            Some('*') => self.at += 1,
            _ => return self.error("expected '//' or '/*'"),
        }
        loop {
            match (self.text.get(self.at), self.text.get(self.at + 1)) {
                (Some('*'), Some('/')) => break,
                (Some(_), _) => self.at += 1,
                (None, _) => return self.error("trailing comment must be closed"),
            }
        }
        self.at += 2;
        while let Some(c) = self.text.get(self.at).copied() {
            self.at += 1;
            match c {
                '\n' => {
                    self.newline();
                    return Ok(());
                }
                ' ' | '\t' | '\r' => {}
                _ => return self.error("no syntax may follow trailing comment"),
            }
        }
        Ok(())
    }

    fn newline(&mut self) {
        self.line += 1;
        self.line_start = self.at;
    }
}
