//! Reads queries. What needs state (joins, aggregates, windows, ordering) is read too, and refused by name.

use super::{Failed, Parsed, Parser};
use crate::ast::{Cte, Expr, Ident, OptionPair, Query, Select, SelectItem, SetExpr, TableAlias, TableRef};
use crate::error::Span;
use crate::token::{TokenKind, is_clause_word, is_reserved};

const STATELESS: &str =
    "statements without state run today: SELECT … FROM one table WHERE …, UNION ALL, CROSS JOIN UNNEST";
const WINDOWS: &[&str] = &["TUMBLE", "HOP", "CUMULATE", "SESSION"];

impl Parser<'_> {
    /// `[WITH …] body [ORDER BY …] [LIMIT n]`.
    pub(crate) fn query(&mut self) -> Parsed<Query> {
        self.deeper(|parser| {
            let start = parser.peek().span;
            let ctes = if parser.peek().is_word("WITH") {
                parser.ctes()?
            } else {
                Vec::new()
            };
            let body = parser.set_expr()?;
            let limit = parser.tail()?;
            Ok(Query {
                ctes,
                body,
                limit,
                span: start.to(parser.previous_span()),
            })
        })
    }

    pub(super) fn ctes(&mut self) -> Parsed<Vec<Cte>> {
        self.advance();
        if self.peek().is_word("RECURSIVE") {
            let span = self.advance().span;
            self.refuse(
                span,
                "`WITH RECURSIVE` does not exist in Flink",
                "write the levels out with UNION ALL",
            );
        }
        let mut ctes = Vec::new();
        loop {
            let name = self.ident("a name after WITH")?;
            let columns = if self.peek().is_symbol("(") {
                self.ident_list()?
            } else {
                Vec::new()
            };
            self.expect_word("AS")?;
            self.expect_symbol("(")?;
            let query = self.query()?;
            self.expect_symbol(")")?;
            ctes.push(Cte { name, columns, query });
            if !self.take_symbol(",") {
                return Ok(ctes);
            }
        }
    }

    fn set_expr(&mut self) -> Parsed<SetExpr> {
        let mut left = self.set_operand()?;
        loop {
            let token = self.peek().clone();
            if self.take_word("UNION") {
                if !self.take_word("ALL") {
                    self.take_word("DISTINCT");
                    let hint = "write UNION ALL, which keeps every row";
                    self.refuse(
                        token.span,
                        "`UNION` removes duplicates, which needs state that is not there yet",
                        hint,
                    );
                }
            } else if ["EXCEPT", "INTERSECT", "MINUS"].iter().any(|word| token.is_word(word)) {
                self.advance();
                self.take_word("ALL");
                let what = self.describe(&token);
                self.refuse(
                    token.span,
                    format!("{what} needs state that is not there yet"),
                    "filter with WHERE instead",
                );
            } else {
                return Ok(left);
            }
            let right = self.set_operand()?;
            left = SetExpr::UnionAll(Box::new(left), Box::new(right));
        }
    }

    fn set_operand(&mut self) -> Parsed<SetExpr> {
        if self.take_symbol("(") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(SetExpr::Nested(Box::new(query)));
        }
        if self.take_word("VALUES") {
            return self.values();
        }
        if self.peek().is_word("SELECT") {
            return Ok(SetExpr::Select(Box::new(self.select()?)));
        }
        self.expected("`SELECT` or `VALUES`")
    }

    fn values(&mut self) -> Parsed<SetExpr> {
        let mut rows = Vec::new();
        loop {
            if self.take_symbol("(") {
                let mut row = vec![self.expr()?];
                while self.take_symbol(",") {
                    row.push(self.expr()?);
                }
                self.expect_symbol(")")?;
                rows.push(row);
            } else {
                self.take_word("ROW");
                rows.push(vec![self.expr()?]);
            }
            if !self.take_symbol(",") {
                return Ok(SetExpr::Values(rows));
            }
        }
    }

    fn tail(&mut self) -> Parsed<Option<u64>> {
        let start = self.peek().span;
        if self.take_words(&["ORDER", "BY"]) {
            self.skip_order_list()?;
            let span = start.to(self.previous_span());
            let hint = "leave ORDER BY out: rows come in the order of each partition; sort where you read the result";
            self.refuse(span, "`ORDER BY` over a stream is not there yet", hint);
        }
        let mut limit = None;
        if self.take_word("LIMIT") && !self.take_word("ALL") {
            limit = Some(self.unsigned("a number of rows")?);
        }
        let span = self.peek().span;
        if self.take_word("OFFSET") {
            self.unsigned("a number of rows")?;
            if !self.take_word("ROWS") {
                self.take_word("ROW");
            }
            self.refuse(span, "`OFFSET` is not there yet", "leave it out, or filter with WHERE");
        }
        if self.take_word("FETCH") {
            self.advance();
            if let TokenKind::Number(_) = self.peek().kind {
                limit = Some(self.unsigned("a number of rows")?);
            }
            while ["ROW", "ROWS", "ONLY"].iter().any(|word| self.peek().is_word(word)) {
                self.advance();
            }
        }
        Ok(limit)
    }

    fn skip_order_list(&mut self) -> Parsed<()> {
        loop {
            self.expr()?;
            let _descending = self.take_word("DESC") || self.take_word("ASC");
            if self.take_word("NULLS") {
                self.advance();
            }
            if !self.take_symbol(",") {
                return Ok(());
            }
        }
    }

    fn select(&mut self) -> Parsed<Select> {
        let start = self.advance().span;
        self.skip_hints();
        if self.peek().is_word("DISTINCT") {
            let span = self.advance().span;
            let hint = "leave DISTINCT out and deduplicate where you read, or key the sink topic and compact it";
            self.refuse(span, "`SELECT DISTINCT` needs state that is not there yet", hint);
        } else {
            self.take_word("ALL");
        }
        let items = self.select_items()?;
        let from = if self.take_word("FROM") {
            Some(self.from()?)
        } else {
            None
        };
        let filter = if self.take_word("WHERE") {
            Some(self.expr()?)
        } else {
            None
        };
        self.group_clauses()?;
        Ok(Select {
            items,
            from,
            filter,
            span: start.to(self.previous_span()),
        })
    }

    fn select_items(&mut self) -> Parsed<Vec<SelectItem>> {
        let mut items = Vec::new();
        loop {
            if self.peek().is_word("FROM") && !items.is_empty() {
                let span = self.previous_span();
                self.report(span, "a comma follows the last column", "remove this `,`");
                return Ok(items);
            }
            match self.select_item() {
                Ok(item) => items.push(item),
                Err(Failed) => {
                    self.incomplete = true;
                    self.skip_select_item();
                }
            }
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    fn skip_select_item(&mut self) {
        let mut open = 0;
        while !self.at_statement_end() {
            let token = self.peek();
            if open == 0 && (token.is_symbol(",") || token.is_word("FROM") || token.is_symbol(")")) {
                return;
            }
            open += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
            self.advance();
        }
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        let token = self.peek().clone();
        if self.take_symbol("*") {
            return Ok(SelectItem::Wildcard {
                qualifier: None,
                span: token.span,
            });
        }
        if self.peek_ahead(1).is_symbol(".") && self.peek_ahead(2).is_symbol("*") {
            let qualifier = self.ident("a table's name")?;
            self.advance();
            let end = self.advance().span;
            return Ok(SelectItem::Wildcard {
                span: qualifier.span.to(end),
                qualifier: Some(qualifier),
            });
        }
        let expr = self.expr()?;
        let alias = self.alias()?;
        if alias.is_none() && matches!(self.peek().kind, TokenKind::String(_)) {
            let token = self.advance();
            if let TokenKind::String(text) = token.kind {
                self.report(
                    token.span,
                    "an alias is a name, not a string",
                    format!("write AS `{text}`"),
                );
            }
        }
        Ok(SelectItem::Expr { expr, alias })
    }

    /// `AS name`, or a bare name that nothing else could be.
    fn alias(&mut self) -> Parsed<Option<Ident>> {
        if self.take_word("AS") {
            if let TokenKind::String(text) = self.peek().kind.clone() {
                let span = self.advance().span;
                self.report(span, "an alias is a name, not a string", format!("write AS `{text}`"));
                return Ok(Some(Ident { value: text, span }));
            }
            return Ok(Some(self.ident("an alias")?));
        }
        match &self.peek().kind {
            TokenKind::Quoted(_) => Ok(Some(self.ident("an alias")?)),
            TokenKind::Word(word) if !is_reserved(word) && !is_clause_word(word) && !self.is_clause_start() => {
                Ok(Some(self.ident("an alias")?))
            }
            _ => Ok(None),
        }
    }

    /// Words that are free as names but begin a clause here.
    fn is_clause_start(&self) -> bool {
        ["QUALIFY", "WINDOW", "ASOF", "EMIT", "SEMI", "ANTI"]
            .iter()
            .any(|word| self.peek().is_word(word))
    }

    fn table_alias(&mut self) -> Parsed<Option<TableAlias>> {
        let Some(name) = self.alias()? else { return Ok(None) };
        let columns = if self.peek().is_symbol("(") {
            self.ident_list()?
        } else {
            Vec::new()
        };
        Ok(Some(TableAlias { name, columns }))
    }

    fn from(&mut self) -> Parsed<TableRef> {
        let mut left = self.table_factor(None)?;
        loop {
            let start = self.peek().span;
            if self.take_symbol(",") {
                if self.peek().is_word("UNNEST") {
                    left = self.table_factor(Some(left))?;
                    continue;
                }
                self.table_factor(None)?;
                let hint = format!("read one table and put what else is needed into its records; {STATELESS}");
                self.refuse(start, "a join (`FROM a, b`) is not there yet", hint);
                continue;
            }
            let Some((name, outer)) = self.join_words() else {
                return Ok(left);
            };
            let span = start.to(self.previous_span());
            if self.peek().is_word("UNNEST")
                && (name == "CROSS JOIN" || name == "JOIN" || name == "INNER JOIN" || outer)
            {
                left = self.unnest(Some(left), outer)?;
                self.on_true(&name)?;
                continue;
            }
            self.join(&name, span)?;
        }
    }

    /// `LEFT OUTER JOIN` and the like: its words, and whether unmatched rows of the left side stay.
    fn join_words(&mut self) -> Option<(String, bool)> {
        let mut words = Vec::new();
        let mut ahead = 0;
        while [
            "NATURAL", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "OUTER", "SEMI", "ANTI", "ASOF",
        ]
        .iter()
        .any(|word| self.peek_ahead(ahead).is_word(word))
        {
            if let TokenKind::Word(word) = &self.peek_ahead(ahead).kind {
                words.push(word.to_ascii_uppercase());
            }
            ahead += 1;
        }
        if !self.peek_ahead(ahead).is_word("JOIN") {
            return None;
        }
        for _ in 0..=ahead {
            self.advance();
        }
        let outer = words.iter().any(|word| word == "LEFT");
        words.push("JOIN".to_owned());
        Some((words.join(" "), outer))
    }

    fn on_true(&mut self, join: &str) -> Parsed<()> {
        let span = self.peek().span;
        if !self.take_word("ON") {
            return Ok(());
        }
        if !self.take_word("TRUE") {
            self.expr()?;
            let whole = span.to(self.previous_span());
            self.refuse(
                whole,
                format!("a condition on `{join} UNNEST` is not there"),
                "write ON TRUE, and the condition in WHERE",
            );
        }
        Ok(())
    }

    fn join(&mut self, name: &str, span: Span) -> Parsed<()> {
        let errors_before = self.errors.len();
        self.table_factor(None)?;
        if self.take_word("ON") {
            self.expr()?;
        } else if self.take_word("USING") {
            self.ident_list()?;
        }
        let told = self.errors.len() > errors_before;
        self.incomplete = true;
        if !told {
            let hint = format!("read one table and put what else is needed into its records; {STATELESS}");
            self.refuse(span, format!("`{name}` needs state that is not there yet"), hint);
        }
        Ok(())
    }

    fn table_factor(&mut self, left: Option<TableRef>) -> Parsed<TableRef> {
        let token = self.peek().clone();
        if token.is_word("UNNEST") {
            return self.unnest(left, false);
        }
        if token.is_symbol("(") {
            self.advance();
            let query = Box::new(self.query()?);
            self.expect_symbol(")")?;
            let span = token.span.to(self.previous_span());
            let alias = self.table_alias()?;
            return Ok(TableRef::Derived { query, alias, span });
        }
        if token.is_word("LATERAL") || token.is_word("TABLE") || self.is_window_call() {
            return self.table_function();
        }
        let name = self.object_name()?;
        self.system_time()?;
        let options = self.table_hints()?;
        if self.peek().is_word("MATCH_RECOGNIZE") {
            let span = self.advance().span;
            self.expect_symbol("(")?;
            self.skip_to_close();
            self.refuse(
                span,
                "`MATCH_RECOGNIZE` is not there yet",
                "route the events with WHERE and match them where you read",
            );
        }
        let alias = self.table_alias()?;
        self.system_time()?;
        if self.peek().is_word("MATCH_RECOGNIZE") {
            let span = self.advance().span;
            self.expect_symbol("(")?;
            self.skip_to_close();
            self.refuse(
                span,
                "`MATCH_RECOGNIZE` is not there yet",
                "route the events with WHERE and match them where you read",
            );
            self.table_alias()?;
        }
        Ok(TableRef::Table { name, alias, options })
    }

    fn is_window_call(&self) -> bool {
        WINDOWS.iter().any(|word| self.peek().is_word(word)) && self.peek_ahead(1).is_symbol("(")
    }

    /// `TABLE(f(…))`, `LATERAL TABLE(f(…))`, `LATERAL (…)`, `TUMBLE(…)`.
    fn table_function(&mut self) -> Parsed<TableRef> {
        let start = self.peek().span;
        let lateral = self.take_word("LATERAL");
        if self.take_word("TABLE") && !self.peek().is_symbol("(") {
            return self.expected("`(`");
        }
        let wrapped = self.take_symbol("(");
        let name = match &self.peek().kind {
            TokenKind::Word(word) => word.to_ascii_uppercase(),
            _ => String::new(),
        };
        if !wrapped {
            self.advance();
            self.expect_symbol("(")?;
        }
        self.skip_to_close();
        let span = start.to(self.previous_span());
        let alias = self.table_alias()?;
        if name == "UNNEST" {
            self.refuse(
                span,
                "`LATERAL TABLE(UNNEST(…))` does not exist in Flink",
                "write CROSS JOIN UNNEST(array) AS t (element)",
            );
        } else if WINDOWS.contains(&name.as_str()) {
            let hint = format!("count or sum per window where you read the topic; {STATELESS}");
            self.refuse(
                span,
                format!("the window `{name}` needs state that is not there yet"),
                hint,
            );
        } else if lateral && name == "SELECT" {
            self.refuse(
                span,
                "a `LATERAL` subquery is a join, which is not there yet",
                STATELESS,
            );
        } else {
            self.refuse(
                span,
                format!("the table function `{name}` is not there"),
                "the one that is: CROSS JOIN UNNEST(array)",
            );
        }
        let parts = vec![Ident { value: name, span }];
        Ok(TableRef::Table {
            name: crate::ast::ObjectName { parts },
            alias,
            options: Vec::new(),
        })
    }

    fn system_time(&mut self) -> Parsed<()> {
        let start = self.peek().span;
        if self.take_words(&["FOR", "SYSTEM_TIME", "AS", "OF"]) {
            self.expr()?;
            let span = start.to(self.previous_span());
            let hint = format!(
                "put the looked-up fields into the event where it is produced, then filter it here; {STATELESS}"
            );
            self.refuse(span, "a lookup join (`FOR SYSTEM_TIME AS OF`) is not there yet", hint);
        }
        Ok(())
    }

    /// `/*+ OPTIONS('k' = 'v') */`; other hints change nothing and are skipped.
    fn table_hints(&mut self) -> Parsed<Vec<OptionPair>> {
        let mut options = Vec::new();
        if self.take_symbol("/*+") {
            while !self.take_symbol("*/") {
                if self.at_statement_end() {
                    let span = self.peek().span;
                    return self.fail(span, "the hint begun with `/*+` never ends", "end it with `*/`");
                }
                if self.take_word("OPTIONS") {
                    options.extend(self.option_list()?);
                } else {
                    self.advance();
                }
            }
        }
        Ok(options)
    }

    fn skip_hints(&mut self) {
        if self.take_symbol("/*+") {
            while !self.take_symbol("*/") && !self.at_statement_end() {
                self.advance();
            }
        }
    }

    fn unnest(&mut self, left: Option<TableRef>, outer: bool) -> Parsed<TableRef> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let expr = self.expr()?;
        self.expect_symbol(")")?;
        let ordinality = self.take_words(&["WITH", "ORDINALITY"]);
        let span = start.to(self.previous_span());
        let alias = self.table_alias()?;
        Ok(TableRef::Unnest {
            left: left.map(Box::new),
            expr,
            alias,
            ordinality,
            outer,
            span,
        })
    }

    fn group_clauses(&mut self) -> Parsed<()> {
        let start = self.peek().span;
        if self.take_words(&["GROUP", "BY"]) {
            self.group_by(start)?;
        }
        let span = self.peek().span;
        if self.take_word("HAVING") {
            self.expr()?;
            self.refuse(
                span,
                "`HAVING` filters aggregates, which are not there yet",
                "filter rows with WHERE",
            );
        }
        let span = self.peek().span;
        if self.take_word("WINDOW") {
            self.ident("a window's name")?;
            self.expect_word("AS")?;
            self.expect_symbol("(")?;
            self.skip_to_close();
            self.refuse(span, "`WINDOW` is not there yet", STATELESS);
        }
        let span = self.peek().span;
        if self.take_word("QUALIFY") {
            self.expr()?;
            self.refuse(
                span,
                "`QUALIFY` filters window functions, which are not there yet",
                "filter rows with WHERE",
            );
        }
        let span = self.peek().span;
        if self.take_words(&["EMIT", "CHANGES"]) {
            self.report(
                span.to(self.previous_span()),
                "`EMIT CHANGES` is ksqlDB's",
                "leave it out: a Flink INSERT runs on by itself",
            );
        }
        Ok(())
    }

    fn group_by(&mut self, start: Span) -> Parsed<()> {
        let mut window = None;
        loop {
            let token = self.peek().clone();
            if self.is_window_call()
                && let TokenKind::Word(word) = &token.kind
            {
                window = Some((word.to_ascii_uppercase(), token.span));
            }
            self.expr()?;
            if !self.take_symbol(",") {
                break;
            }
        }
        match window {
            Some((name, span)) => {
                let hint = format!(
                    "the group window `{name}(…)` is Flink's old form: write FROM TABLE({name}(TABLE t, DESCRIPTOR(ts), …)) \
                     GROUP BY window_start, window_end once windows are there; until then route the rows with WHERE and count where you read"
                );
                self.refuse(
                    span,
                    format!("the group window `{name}` needs state that is not there yet"),
                    hint,
                );
            }
            None => {
                let span = start.to(self.previous_span());
                let hint = format!("route the rows with WHERE and aggregate where you read; {STATELESS}");
                self.refuse(span, "`GROUP BY` needs state that is not there yet", hint);
            }
        }
        Ok(())
    }

    /// After a function call: `OVER (…)`, `FILTER (…)`, `WITHIN GROUP (…)`.
    pub(super) fn refuse_window_call(&mut self, call: &Expr) -> Parsed<()> {
        let start = self.peek().span;
        for words in [
            &["OVER"][..],
            &["FILTER"],
            &["WITHIN", "GROUP"],
            &["IGNORE", "NULLS"],
            &["RESPECT", "NULLS"],
        ] {
            if words[0] == "OVER" && self.peek().is_word("OVER") && !self.peek_ahead(1).is_symbol("(") {
                self.advance();
                self.ident("a window's name")?;
            } else if self.take_words(words) {
                if self.take_symbol("(") {
                    self.skip_to_close();
                }
            } else {
                continue;
            }
            let hint = format!("write a plain expression of one row; {STATELESS}");
            self.refuse(
                call.span.to(start),
                format!(
                    "`{}` over several rows needs state that is not there yet",
                    words.join(" ")
                ),
                hint,
            );
        }
        Ok(())
    }
}
