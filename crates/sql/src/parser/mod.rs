//! Tokens to statements. After a mistake it reads on, so that a script shows all its mistakes at once.

mod ddl;
mod expr;
mod json;
mod query;
mod types;

use crate::ast::{Ident, ObjectName, Statement, StatementKind};
use crate::error::{Span, SqlError};
use crate::lexer::tokenize;
use crate::token::{Token, TokenKind, is_clause_word, is_reserved};

/// How deep expressions and queries may nest.
const DEPTH_MAX: u32 = 128;
/// The most mistakes one text is told about.
const ERRORS_MAX: usize = 100;

/// A parsed script.
#[derive(Clone, Debug)]
pub struct Script {
    pub items: Vec<ScriptItem>,
    /// In the order of the text.
    pub errors: Vec<SqlError>,
}

/// One statement's place in a script.
#[derive(Clone, Debug)]
pub struct ScriptItem {
    /// `None` if its mistakes leave nothing to check further.
    pub statement: Option<Statement>,
    pub span: Span,
    /// The table or view it was to make, also when it has mistakes: later statements that name it are not to blame.
    pub defines: Option<String>,
}

/// Reads a script of statements separated by `;`.
pub fn parse_script(source: &str) -> Script {
    let (tokens, errors) = tokenize(source);
    let mut parser = Parser {
        source,
        tokens,
        at: 0,
        errors,
        incomplete: false,
        depth: 0,
        defines: None,
    };
    let items = parser.script();
    let mut errors = parser.errors;
    errors.sort_by_key(|error| error.span.start);
    errors.dedup_by(|a, b| a.span == b.span && a.message == b.message);
    errors.truncate(ERRORS_MAX);
    Script { items, errors }
}

/// Reads one type, such as `ARRAY<ROW<a INT>>`.
pub fn parse_type(source: &str) -> Result<crate::DataType, Vec<SqlError>> {
    let (tokens, errors) = tokenize(source);
    let mut parser = Parser {
        source,
        tokens,
        at: 0,
        errors,
        incomplete: false,
        depth: 0,
        defines: None,
    };
    let ty = parser.data_type();
    match ty {
        Ok(ty) if parser.errors.is_empty() => Ok(ty),
        _ => Err(parser.errors),
    }
}

/// A mistake was recorded; whoever can read on does.
pub(crate) struct Failed;
pub(crate) type Parsed<T> = Result<T, Failed>;

pub(crate) struct Parser<'a> {
    pub source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    pub errors: Vec<SqlError>,
    /// Something was refused that the tree does not show: binding what is left would mislead.
    incomplete: bool,
    depth: u32,
    defines: Option<String>,
}

impl Parser<'_> {
    fn script(&mut self) -> Vec<ScriptItem> {
        let mut items = Vec::new();
        loop {
            while self.take_symbol(";") {}
            if self.peek().kind == TokenKind::End {
                return items;
            }
            items.push(self.script_item());
        }
    }

    fn script_item(&mut self) -> ScriptItem {
        let start = self.peek().span;
        self.incomplete = false;
        self.defines = None;
        let parsed = self
            .statement()
            .and_then(|kind| self.expect_statement_end().map(|()| kind));
        let end = self.previous_span();
        let span = start.to(end);
        let statement = match parsed {
            Ok(kind) if !self.incomplete => Some(Statement { kind, span }),
            Ok(_) => None,
            Err(Failed) => {
                self.skip_statement();
                None
            }
        };
        ScriptItem {
            statement,
            span: start.to(self.previous_span()),
            defines: self.defines.take(),
        }
    }

    fn expect_statement_end(&mut self) -> Parsed<()> {
        if self.peek().kind == TokenKind::End || self.peek().is_symbol(";") {
            return Ok(());
        }
        let token = self.peek().clone();
        if token.is_symbol(")") {
            return self.fail(token.span, "this `)` closes nothing", "remove it, or open it with `(`");
        }
        let found = self.describe(&token);
        let starts = [
            "SELECT", "INSERT", "CREATE", "DROP", "SET", "EXPLAIN", "EXECUTE", "SHOW", "DESCRIBE",
        ];
        if starts.iter().any(|word| token.is_word(word)) {
            return self.fail(
                token.span,
                format!("{found} begins a new statement here"),
                "end the one before with `;`",
            );
        }
        self.fail(
            token.span,
            format!("{found} does not belong here"),
            "end the statement with `;`, or check what stands before",
        )
    }

    /// Past the next `;`, or to where a line begins a new statement.
    fn skip_statement(&mut self) {
        while self.peek().kind != TokenKind::End && !self.peek().is_symbol(";") {
            self.at += 1;
            if self.begins_line_and_statement() {
                return;
            }
        }
    }

    fn begins_line_and_statement(&self) -> bool {
        let token = self.peek();
        let starts_line = self.source[..token.span.start].ends_with('\n');
        starts_line
            && ["CREATE", "INSERT", "DROP", "EXECUTE"]
                .iter()
                .any(|word| token.is_word(word))
    }

    /// A statement without its `;`.
    pub(crate) fn statement(&mut self) -> Parsed<StatementKind> {
        let token = self.peek().clone();
        let TokenKind::Word(word) = &token.kind else {
            if token.is_symbol("(") {
                return Ok(StatementKind::Query(self.query()?));
            }
            let found = self.describe(&token);
            return self.fail(
                token.span,
                format!("{found} does not begin a statement"),
                "begin with SELECT, INSERT INTO, CREATE TABLE, …",
            );
        };
        match word.to_ascii_uppercase().as_str() {
            "SELECT" | "VALUES" => Ok(StatementKind::Query(self.query()?)),
            "WITH" => self.with_statement(),
            "INSERT" => Ok(StatementKind::Insert(self.insert(Vec::new())?)),
            "CREATE" => self.create(),
            "DROP" => self.drop_statement(),
            "EXECUTE" => self.execute(),
            "BEGIN" => self.begin_statement_set(),
            "EXPLAIN" => self.explain(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => {
                self.at += 1;
                self.take_word("EXTENDED");
                Ok(StatementKind::Describe(self.object_name()?))
            }
            "SET" => self.set_statement(),
            "RESET" => {
                self.at += 1;
                Ok(StatementKind::Reset(if self.at_statement_end() {
                    None
                } else {
                    Some(self.property_key()?)
                }))
            }
            other => self.other_statement(other, token.span),
        }
    }

    fn other_statement(&mut self, word: &str, span: Span) -> Parsed<StatementKind> {
        let hint = match word {
            "ALTER" => "change the schema in the registry, or DROP TABLE and CREATE TABLE again",
            "USE" => "there is one catalog and one database here: leave it out",
            "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" => "a topic only grows: INSERT INTO it",
            "ANALYZE" | "LOAD" | "UNLOAD" | "ADD" | "REMOVE" | "CALL" | "COMPILE" | "STOP" => {
                "leave it out; nothing here needs it"
            }
            _ => {
                let starts = [
                    "SELECT", "INSERT", "CREATE", "DROP", "EXECUTE", "BEGIN", "EXPLAIN", "SHOW", "DESCRIBE", "SET",
                    "RESET", "WITH", "VALUES",
                ];
                let hint = match nearest(word, starts.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "begin with SELECT, INSERT INTO, CREATE TABLE, EXPLAIN, SHOW TABLES, …".to_owned(),
                };
                return self.fail(span, format!("`{word}` does not begin a statement"), hint);
            }
        };
        self.fail(span, format!("`{word}` is not there yet"), hint)
    }

    fn explain(&mut self) -> Parsed<StatementKind> {
        let start = self.peek().span;
        self.at += 1;
        if self.take_word("PLAN") {
            self.expect_word("FOR")?;
        }
        for word in ["CHANGELOG_MODE", "ESTIMATED_COST", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"] {
            if self.take_word(word) {
                self.take_symbol(",");
            }
        }
        let kind = self.statement()?;
        if !matches!(
            kind,
            StatementKind::Query(_) | StatementKind::Insert(_) | StatementKind::StatementSet(_)
        ) {
            let span = start.to(self.previous_span());
            return self.fail(
                span,
                "only a query, an INSERT or a statement set has a plan",
                "EXPLAIN SELECT …",
            );
        }
        let span = start.to(self.previous_span());
        Ok(StatementKind::Explain(Box::new(Statement { kind, span })))
    }

    fn show(&mut self) -> Parsed<StatementKind> {
        self.at += 1;
        if self.take_word("TABLES") || self.take_word("VIEWS") {
            return Ok(StatementKind::ShowTables);
        }
        if self.take_word("CREATE") {
            if !self.take_word("VIEW") {
                self.expect_word("TABLE")?;
            }
            return Ok(StatementKind::ShowCreateTable(self.object_name()?));
        }
        let token = self.peek().clone();
        let found = self.describe(&token);
        self.fail(
            token.span,
            format!("{found} cannot be shown"),
            "SHOW TABLES, or SHOW CREATE TABLE name",
        )
    }

    fn set_statement(&mut self) -> Parsed<StatementKind> {
        self.at += 1;
        if self.at_statement_end() {
            return Ok(StatementKind::Set(None));
        }
        let key = self.property_key()?;
        self.expect_symbol("=")?;
        let value = match self.peek().kind.clone() {
            TokenKind::String(value) => {
                self.at += 1;
                value
            }
            _ => self.raw_until_statement_end(),
        };
        Ok(StatementKind::Set(Some((key, value))))
    }

    fn property_key(&mut self) -> Parsed<String> {
        if let TokenKind::String(key) = self.peek().kind.clone() {
            self.at += 1;
            return Ok(key);
        }
        let start = self.peek().span;
        while !self.at_statement_end() && !self.peek().is_symbol("=") {
            self.at += 1;
        }
        let key = self.source[start.start..self.previous_span().end.max(start.start)]
            .trim()
            .to_owned();
        if key.is_empty() {
            return self.fail(start, "a setting's name is missing", "SET 'sql.snapshot.mode' = 'now'");
        }
        Ok(key)
    }

    fn raw_until_statement_end(&mut self) -> String {
        let start = self.peek().span.start;
        while !self.at_statement_end() {
            self.at += 1;
        }
        self.source[start..self.previous_span().end.max(start)]
            .trim()
            .to_owned()
    }

    fn at_statement_end(&self) -> bool {
        self.peek().kind == TokenKind::End || self.peek().is_symbol(";")
    }
}

/// The cursor: looking at tokens, taking them, and saying what was expected.
impl Parser<'_> {
    pub(crate) fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub(crate) fn peek_ahead(&self, by: usize) -> &Token {
        &self.tokens[(self.at + by).min(self.tokens.len() - 1)]
    }

    pub(crate) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    pub(crate) fn previous_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)].span
    }

    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_word(word);
        self.at += usize::from(found);
        found
    }

    /// Both words in a row, or neither.
    pub(crate) fn take_words(&mut self, words: &[&str]) -> bool {
        let all = words
            .iter()
            .enumerate()
            .all(|(index, word)| self.peek_ahead(index).is_word(word));
        if all {
            self.at += words.len();
        }
        all
    }

    pub(crate) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) {
            Ok(())
        } else {
            self.expected(&format!("`{word}`"))
        }
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.take_symbol(symbol) {
            Ok(())
        } else {
            self.expected(&format!("`{symbol}`"))
        }
    }

    /// Records that `what` was expected where the cursor stands.
    pub(crate) fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        let token = self.peek().clone();
        let found = self.describe(&token);
        let error = SqlError::new(self.source, token.span, format!("expected {what}, found {found}"));
        let error = match &token.kind {
            TokenKind::Word(word) => match nearest(word, what.split('`').filter(|piece| piece.len() > 2)) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None if is_reserved(word) => {
                    error.with_hint(format!("if it is a name, put it in backquotes: `{word}`"))
                }
                None => error,
            },
            _ => error,
        };
        self.errors.push(error);
        Err(Failed)
    }

    pub(crate) fn fail<T>(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Parsed<T> {
        self.report(span, message, hint);
        Err(Failed)
    }

    pub(crate) fn report(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.errors
            .push(SqlError::new(self.source, span, message).with_hint(hint));
    }

    /// Reports what Flink has and this does not run, and reads on.
    pub(crate) fn refuse(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.report(span, message, hint);
        self.incomplete = true;
    }

    pub(crate) fn describe(&self, token: &Token) -> String {
        match &token.kind {
            TokenKind::End => "the end of the text".to_owned(),
            TokenKind::String(value) => format!("the string '{value}'"),
            _ => format!("`{}`", &self.source[token.span.start..token.span.end]),
        }
    }

    pub(crate) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            let span = self.peek().span;
            return self.fail(
                span,
                "this is nested too deeply",
                format!("at most {DEPTH_MAX} levels are read"),
            );
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// A name; a reserved word is reported and taken for the name that was meant.
    pub(crate) fn ident(&mut self, what: &str) -> Parsed<Ident> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Quoted(value) => {
                self.at += 1;
                Ok(Ident {
                    value,
                    span: token.span,
                })
            }
            TokenKind::Word(ref word) if !is_clause_word(word) => {
                let value = word.clone();
                self.at += 1;
                self.warn_reserved(&value, token.span);
                Ok(Ident {
                    value,
                    span: token.span,
                })
            }
            TokenKind::String(ref value) => {
                let hint = format!("single quotes make a string; write the name as `{value}`");
                let message = format!("expected {what}, found the string '{value}'");
                self.fail(token.span, message, hint)
            }
            _ => self.expected(what),
        }
    }

    pub(crate) fn warn_reserved(&mut self, word: &str, span: Span) {
        if is_reserved(word) {
            let message = format!("`{word}` is a reserved word and cannot be a bare name");
            self.report(span, message, format!("put it in backquotes: `{word}`"));
        }
    }

    pub(crate) fn object_name(&mut self) -> Parsed<ObjectName> {
        let mut parts = vec![self.ident("a table's name")?];
        while self.take_symbol(".") {
            parts.push(self.ident("a name after the dot")?);
        }
        // A hyphen outside backquotes would be a minus: topics are often named so.
        let last = parts[parts.len() - 1].span;
        if self.peek().is_symbol("-") && self.peek().span.start == last.end {
            let mut end = last;
            while (self.peek().is_symbol("-") && self.peek().span.start == end.end)
                || (matches!(self.peek().kind, TokenKind::Word(_) | TokenKind::Number(_))
                    && self.peek().span.start == end.end)
            {
                end = self.advance().span;
            }
            let span = parts[0].span.to(end);
            let name = self.source[span.start..span.end].to_owned();
            self.report(
                span,
                format!("`{name}` has a hyphen and cannot be a bare name"),
                format!("put it in backquotes: `{name}`"),
            );
            return Ok(ObjectName {
                parts: vec![Ident { value: name, span }],
            });
        }
        Ok(ObjectName { parts })
    }

    /// `(a, b, c)`.
    pub(crate) fn ident_list(&mut self) -> Parsed<Vec<Ident>> {
        self.expect_symbol("(")?;
        let mut names = vec![self.ident("a column's name")?];
        while self.take_symbol(",") {
            names.push(self.ident("a column's name")?);
        }
        self.expect_symbol(")")?;
        Ok(names)
    }

    pub(crate) fn string_literal(&mut self, what: &str) -> Parsed<(String, Span)> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::String(value) => {
                self.at += 1;
                Ok((value, token.span))
            }
            TokenKind::Quoted(value) => {
                self.at += 1;
                if self.source[token.span.start..].starts_with('`') {
                    self.report(
                        token.span,
                        format!("expected {what} in single quotes"),
                        format!("write '{value}'"),
                    );
                }
                Ok((value, token.span))
            }
            _ => self.expected(what),
        }
    }

    pub(crate) fn unsigned(&mut self, what: &str) -> Parsed<u64> {
        if let TokenKind::Number(text) = &self.peek().kind
            && let Ok(number) = text.parse()
        {
            self.at += 1;
            return Ok(number);
        }
        self.expected(what)
    }

    /// Past the `)` that closes the `(` just taken.
    pub(crate) fn skip_to_close(&mut self) {
        let mut open = 1;
        while open > 0 && !self.at_statement_end() {
            let token = self.advance();
            open += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
        }
    }

    /// To the next `,` or closing `)` of the list the cursor is in.
    pub(crate) fn skip_list_item(&mut self) {
        let mut open = 0;
        while !self.at_statement_end() {
            let token = self.peek();
            if open == 0 && (token.is_symbol(",") || token.is_symbol(")")) {
                return;
            }
            open += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
            self.at += 1;
        }
    }

    pub(crate) fn define(&mut self, name: &ObjectName) {
        self.defines = Some(name.table().to_owned());
    }
}

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let scored = candidates.map(|candidate| {
        (
            strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
            candidate,
        )
    });
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    let length = word.chars().count();
    let allowed = (length.max(candidate.chars().count()) / 3).clamp(1, 3);
    (distance <= allowed && distance < length).then_some(candidate)
}
