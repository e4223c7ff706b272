//! Reads CREATE, DROP, INSERT and statement sets.

use super::{Failed, Parsed, Parser};
use crate::ast::{
    ColumnDef, ColumnKind, CreateTable, CreateView, Cte, Drop, Ident, Insert, OptionPair, PrimaryKey, StatementKind,
    Watermark,
};
use crate::error::Span;
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parsed<StatementKind> {
        let start = self.advance().span;
        if self.take_words(&["OR", "REPLACE"]) {
            let span = start.to(self.previous_span());
            self.refuse(
                span,
                "`CREATE OR REPLACE` is not there yet",
                "DROP TABLE IF EXISTS name; then CREATE TABLE name",
            );
        }
        if self.take_words(&["OR", "ALTER"]) {
            let span = start.to(self.previous_span());
            self.refuse(
                span,
                "`CREATE OR ALTER` is not there yet",
                "CREATE TABLE IF NOT EXISTS name",
            );
        }
        let temporary = self.take_word("TEMPORARY");
        if self.take_word("TABLE") {
            return self.create_table(temporary);
        }
        if self.take_word("VIEW") {
            return self.create_view(temporary);
        }
        let token = self.peek().clone();
        let what = self.describe(&token);
        let hint = match &token.kind {
            TokenKind::Word(word) => match word.to_ascii_uppercase().as_str() {
                "CATALOG" | "DATABASE" => "there is one catalog and one database here: leave the statement out",
                "FUNCTION" | "SYSTEM" => "user-defined functions are not there yet: use the built-in ones",
                "MATERIALIZED" => "write CREATE TABLE … AS SELECT, or INSERT INTO … SELECT",
                "STREAM" => "this is ksqlDB; in Flink SQL write CREATE TABLE … WITH ('connector' = 'kafka', …)",
                "MODEL" | "CONNECTION" | "AGENT" | "TOOL" => "it is not there yet",
                _ => "CREATE TABLE or CREATE VIEW",
            },
            _ => "CREATE TABLE or CREATE VIEW",
        };
        self.fail(token.span, format!("{what} cannot be created here"), hint)
    }

    fn if_not_exists(&mut self) -> bool {
        self.take_words(&["IF", "NOT", "EXISTS"])
    }

    fn create_table(&mut self, temporary: bool) -> Parsed<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        self.define(&name);
        let mut table = CreateTable {
            name,
            if_not_exists,
            temporary,
            columns: Vec::new(),
            primary_key: None,
            watermark: None,
            comment: None,
            partitioned_by: Vec::new(),
            distributed_into: None,
            options: Vec::new(),
            like: None,
            as_query: None,
        };
        if self.take_symbol("(") {
            self.table_elements(&mut table)?;
        }
        self.table_clauses(&mut table)?;
        Ok(StatementKind::CreateTable(Box::new(table)))
    }

    fn table_elements(&mut self, table: &mut CreateTable) -> Parsed<()> {
        if self.take_symbol(")") {
            return Ok(());
        }
        loop {
            if self.table_element(table).is_err() {
                self.incomplete = true;
                self.skip_list_item();
            }
            if self.take_symbol(",") {
                if self.peek().is_symbol(")") {
                    let span = self.previous_span();
                    self.report(span, "a comma follows the last column", "remove this `,`");
                }
                if !self.peek().is_symbol(")") {
                    continue;
                }
            }
            if self.take_symbol(")") {
                return Ok(());
            }
            let token = self.peek().clone();
            if matches!(token.kind, TokenKind::Word(_) | TokenKind::Quoted(_)) && !token.is_word("WITH") {
                let found = self.describe(&token);
                self.report(
                    token.span,
                    format!("expected `,` or `)`, found {found}"),
                    "a comma is missing before it, or it does not belong to a column",
                );
                self.incomplete = true;
                self.skip_list_item();
                self.take_symbol(",");
                if self.take_symbol(")") {
                    return Ok(());
                }
                if self.at_statement_end() {
                    return Err(Failed);
                }
                continue;
            }
            return self.expected("`,` or `)`");
        }
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Parsed<()> {
        let start = self.peek().span;
        if self.peek().is_word("CONSTRAINT") || (self.peek().is_word("PRIMARY") && self.peek_ahead(1).is_word("KEY")) {
            if self.take_word("CONSTRAINT") {
                self.ident("the constraint's name")?;
            }
            if self.take_word("UNIQUE") {
                return self.fail(
                    start,
                    "`UNIQUE` constraints do not exist in Flink",
                    "PRIMARY KEY (…) NOT ENFORCED",
                );
            }
            self.expect_word("PRIMARY")?;
            self.expect_word("KEY")?;
            let columns = self.ident_list()?;
            self.not_enforced(start)?;
            let span = start.to(self.previous_span());
            if table.primary_key.is_some() {
                self.report(
                    span,
                    "the table has two primary keys",
                    "name all key columns in one PRIMARY KEY (…)",
                );
            }
            table.primary_key = Some(PrimaryKey { columns, span });
            return Ok(());
        }
        if self.peek().is_word("WATERMARK") && self.peek_ahead(1).is_word("FOR") {
            table.watermark = Some(self.watermark()?);
            return Ok(());
        }
        let column = self.column(table)?;
        table.columns.push(column);
        Ok(())
    }

    fn not_enforced(&mut self, start: Span) -> Parsed<()> {
        if self.take_words(&["NOT", "ENFORCED"]) {
            return Ok(());
        }
        if self.take_word("ENFORCED") || self.peek().is_symbol(",") || self.peek().is_symbol(")") {
            let span = start.to(self.previous_span());
            self.report(
                span,
                "a primary key cannot be enforced on a topic",
                "write PRIMARY KEY (…) NOT ENFORCED",
            );
            return Ok(());
        }
        Ok(())
    }

    fn watermark(&mut self) -> Parsed<Watermark> {
        let start = self.advance().span;
        self.expect_word("FOR")?;
        let mut column = vec![self.ident("a column's name")?];
        while self.take_symbol(".") {
            column.push(self.ident("a field's name")?);
        }
        self.expect_word("AS")?;
        let expr = self.expr()?;
        Ok(Watermark {
            column,
            expr,
            span: start.to(self.previous_span()),
        })
    }

    fn column(&mut self, table: &mut CreateTable) -> Parsed<ColumnDef> {
        let name = self.column_name()?;
        let start = name.span;
        let kind = if self.take_word("AS") {
            ColumnKind::Computed(self.expr()?)
        } else {
            self.stored_column(&name, table)?
        };
        let comment = if self.take_word("COMMENT") {
            Some(self.string_literal("a comment")?.0)
        } else {
            None
        };
        Ok(ColumnDef {
            name,
            kind,
            comment,
            span: start.to(self.previous_span()),
        })
    }

    /// A column's name; a word that begins a clause elsewhere is one too where a type follows.
    fn column_name(&mut self) -> Parsed<Ident> {
        let token = self.peek().clone();
        match &token.kind {
            TokenKind::Word(word) if matches!(self.peek_ahead(1).kind, TokenKind::Word(_)) => {
                self.advance();
                self.warn_reserved(word, token.span);
                Ok(Ident {
                    value: word.clone(),
                    span: token.span,
                })
            }
            _ => self.ident("a column's name"),
        }
    }

    fn stored_column(&mut self, name: &Ident, table: &mut CreateTable) -> Parsed<ColumnKind> {
        let mut ty = self.data_type()?;
        if self.take_word("METADATA") {
            let from = if self.take_word("FROM") {
                Some(self.string_literal("a metadata key")?.0)
            } else {
                None
            };
            let is_virtual = self.take_word("VIRTUAL");
            return Ok(ColumnKind::Metadata { ty, from, is_virtual });
        }
        let key_start = self.peek().span;
        if self.take_words(&["PRIMARY", "KEY"]) {
            self.not_enforced(key_start)?;
            ty.nullable = false;
            let span = key_start.to(self.previous_span());
            if table.primary_key.is_some() {
                self.report(
                    span,
                    "the table has two primary keys",
                    "name all key columns in one PRIMARY KEY (…)",
                );
            }
            table.primary_key = Some(PrimaryKey {
                columns: vec![name.clone()],
                span,
            });
        }
        if self.peek().is_word("DEFAULT") {
            let span = self.advance().span;
            self.primary()?;
            self.report(
                span.to(self.previous_span()),
                "a column has no DEFAULT in Flink",
                "write COALESCE(x, …) where you INSERT",
            );
        }
        Ok(ColumnKind::Physical(ty))
    }

    fn table_clauses(&mut self, table: &mut CreateTable) -> Parsed<()> {
        loop {
            if self.take_word("COMMENT") {
                table.comment = Some(self.string_literal("a comment")?.0);
            } else if self.take_words(&["PARTITIONED", "BY"]) {
                table.partitioned_by = self.ident_list()?;
            } else if self.take_word("DISTRIBUTED") {
                self.distributed(table)?;
            } else if self.peek().is_word("WITH") {
                self.advance();
                table.options = self.option_list()?;
            } else if self.take_word("LIKE") {
                table.like = Some(self.object_name()?);
                if self.take_symbol("(") {
                    self.skip_to_close();
                }
            } else if self.take_word("AS") {
                table.as_query = Some(self.query()?);
            } else {
                return Ok(());
            }
        }
    }

    fn distributed(&mut self, table: &mut CreateTable) -> Parsed<()> {
        if self.take_word("BY") {
            if !self.take_word("HASH") {
                self.take_word("RANGE");
            }
            table.partitioned_by = self.ident_list()?;
        }
        if self.take_word("INTO") {
            let span = self.peek().span;
            let buckets = self.unsigned("a number of buckets")?;
            if !self.take_word("BUCKETS") {
                self.expect_word("BUCKET")?;
            }
            table.distributed_into = Some((buckets.min(u64::from(u32::MAX)) as u32, span));
        }
        Ok(())
    }

    /// `('k' = 'v', …)`.
    pub(super) fn option_list(&mut self) -> Parsed<Vec<OptionPair>> {
        self.expect_symbol("(")?;
        let mut options: Vec<OptionPair> = Vec::new();
        loop {
            if self.take_symbol(")") {
                return Ok(options);
            }
            match self.option_pair() {
                Ok(pair) => {
                    if options.iter().any(|other| other.key == pair.key) {
                        self.report(
                            pair.key_span,
                            format!("the option '{}' is given twice", pair.key),
                            "keep one",
                        );
                    }
                    options.push(pair);
                }
                Err(Failed) => {
                    self.incomplete = true;
                    self.skip_list_item();
                }
            }
            if self.take_symbol(",") {
                continue;
            }
            if let TokenKind::String(_) = self.peek().kind {
                let span = self.peek().span;
                self.report(
                    span,
                    "a comma is missing before this option",
                    "separate options with `,`",
                );
                continue;
            }
            self.expect_symbol(")")?;
            return Ok(options);
        }
    }

    fn option_pair(&mut self) -> Parsed<OptionPair> {
        let token = self.peek().clone();
        let (key, key_span) = match &token.kind {
            TokenKind::Word(word) => {
                let word = word.clone();
                self.report(
                    token.span,
                    "an option's name is a string",
                    format!("write '{word}' = '…'"),
                );
                self.advance();
                while self.peek().is_symbol(".")
                    || self.peek().is_symbol("-")
                    || (matches!(self.peek().kind, TokenKind::Word(_)) && !self.peek().is_symbol("="))
                {
                    self.advance();
                }
                (word, token.span)
            }
            _ => self.string_literal("an option's name, such as 'connector'")?,
        };
        self.expect_symbol("=")?;
        let token = self.peek().clone();
        let (value, value_span) = match &token.kind {
            TokenKind::Number(text) | TokenKind::Word(text) => {
                self.report(
                    token.span,
                    format!("the option '{key}' needs its value as a string"),
                    format!("write '{text}'"),
                );
                self.advance();
                (text.clone(), token.span)
            }
            _ => self.string_literal("the option's value as a string")?,
        };
        Ok(OptionPair {
            key,
            key_span,
            value,
            value_span,
        })
    }

    fn create_view(&mut self, temporary: bool) -> Parsed<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        self.define(&name);
        let columns = if self.peek().is_symbol("(") {
            self.ident_list()?
        } else {
            Vec::new()
        };
        if self.take_word("COMMENT") {
            self.string_literal("a comment")?;
        }
        self.expect_word("AS")?;
        let query = self.query()?;
        Ok(StatementKind::CreateView(CreateView {
            name,
            columns,
            if_not_exists,
            temporary,
            query,
        }))
    }

    pub(super) fn drop_statement(&mut self) -> Parsed<StatementKind> {
        self.advance();
        self.take_word("TEMPORARY");
        let is_view = self.take_word("VIEW");
        if !is_view && !self.take_word("TABLE") {
            return self.expected("`TABLE` or `VIEW`");
        }
        let if_exists = self.take_words(&["IF", "EXISTS"]);
        let name = self.object_name()?;
        Ok(StatementKind::Drop(Drop {
            name,
            if_exists,
            is_view,
        }))
    }

    /// `INSERT INTO t [(a, b)] query`; `ctes` are those that stood wrongly before it.
    pub(super) fn insert(&mut self, ctes: Vec<Cte>) -> Parsed<Insert> {
        let start = self.advance().span;
        if self.peek().is_word("OVERWRITE") {
            let span = self.advance().span;
            self.report(start.to(span), "a topic cannot be overwritten", "write INSERT INTO");
        } else {
            self.expect_word("INTO")?;
        }
        let table = self.object_name()?;
        if self.take_word("PARTITION") && self.take_symbol("(") {
            let span = self.previous_span();
            self.skip_to_close();
            self.refuse(
                span,
                "`PARTITION (…)` is for file tables",
                "name the columns: INSERT INTO t (a, b) SELECT …",
            );
        }
        let columns = if self.peek().is_symbol("(")
            && !self.peek_ahead(1).is_word("SELECT")
            && !self.peek_ahead(1).is_symbol("(")
        {
            self.ident_list()?
        } else {
            Vec::new()
        };
        let mut query = self.query()?;
        query.ctes.splice(0..0, ctes);
        Ok(Insert {
            table,
            columns,
            query,
            span: start.to(self.previous_span()),
        })
    }

    /// `WITH …` before a query, or wrongly before an INSERT.
    pub(super) fn with_statement(&mut self) -> Parsed<StatementKind> {
        let start = self.peek().span;
        let ctes = self.ctes()?;
        if self.peek().is_word("INSERT") {
            self.report(
                start,
                "`WITH` cannot stand before INSERT INTO in Flink",
                "put it after the table: INSERT INTO t WITH … SELECT …",
            );
            return Ok(StatementKind::Insert(self.insert(ctes)?));
        }
        let mut query = self.query()?;
        query.ctes.splice(0..0, ctes);
        query.span = start.to(query.span);
        Ok(StatementKind::Query(query))
    }

    pub(super) fn execute(&mut self) -> Parsed<StatementKind> {
        self.advance();
        if self.take_words(&["STATEMENT", "SET"]) {
            self.expect_word("BEGIN")?;
            return self.statement_set();
        }
        if self.take_words(&["PLAN"]) {
            let span = self.previous_span();
            return self.fail(span, "compiled plans are not there", "run the INSERT itself");
        }
        self.statement()
    }

    pub(super) fn begin_statement_set(&mut self) -> Parsed<StatementKind> {
        self.advance();
        self.expect_word("STATEMENT")?;
        self.expect_word("SET")?;
        self.expect_symbol(";")?;
        self.statement_set()
    }

    /// From after `BEGIN` to after `END`.
    fn statement_set(&mut self) -> Parsed<StatementKind> {
        let start = self.previous_span();
        let mut inserts = Vec::new();
        loop {
            while self.take_symbol(";") {}
            if self.take_word("END") {
                break;
            }
            if self.peek().kind == TokenKind::End {
                return self.fail(start, "the statement set begun here never ends", "end it with `END;`");
            }
            if !self.peek().is_word("INSERT") && !self.peek().is_word("WITH") {
                let token = self.peek().clone();
                let found = self.describe(&token);
                self.incomplete = true;
                self.report(
                    token.span,
                    format!("a statement set holds INSERT INTO statements, not {found}"),
                    "move it before BEGIN, or end the set with `END;`",
                );
                self.skip_statement();
                continue;
            }
            match self.set_member() {
                Ok(insert) => inserts.push(insert),
                Err(Failed) => {
                    self.incomplete = true;
                    self.skip_statement();
                }
            }
        }
        if inserts.is_empty() && !self.incomplete {
            return self.fail(
                start,
                "the statement set is empty",
                "put INSERT INTO statements between BEGIN and END",
            );
        }
        Ok(StatementKind::StatementSet(inserts))
    }

    fn set_member(&mut self) -> Parsed<Insert> {
        let kind = if self.peek().is_word("WITH") {
            self.with_statement()?
        } else {
            self.statement()?
        };
        let StatementKind::Insert(insert) = kind else {
            let span = self.previous_span();
            return self.fail(
                span,
                "a statement set holds INSERT INTO statements",
                "write INSERT INTO t SELECT …",
            );
        };
        if !self.peek().is_symbol(";") && !self.peek().is_word("END") {
            self.expect_statement_end()?;
        }
        Ok(insert)
    }
}
