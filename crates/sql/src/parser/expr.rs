//! Reads expressions by precedence.

use super::{Parsed, Parser};
use crate::ast::{
    BinaryOp, Expr, ExprKind, Ident, IsWhat, JsonKind, LikeKind, TemporalLiteral, TrimSide, UnaryOp, Unit,
};
use crate::error::Span;
use crate::token::{Token, TokenKind};

/// Reserved words that are functions when `(` follows.
const NILADIC: &[&str] = &[
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_USER",
];

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

impl Parser<'_> {
    pub(crate) fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(Self::or_expr)
    }

    fn or_expr(&mut self) -> Parsed<Expr> {
        let mut left = self.and_expr()?;
        while self.take_word("OR") {
            let right = self.and_expr()?;
            left = binary(BinaryOp::Or, left, right);
        }
        Ok(left)
    }

    fn and_expr(&mut self) -> Parsed<Expr> {
        let mut left = self.not_expr()?;
        while self.take_word("AND") {
            let right = self.not_expr()?;
            left = binary(BinaryOp::And, left, right);
        }
        Ok(left)
    }

    fn not_expr(&mut self) -> Parsed<Expr> {
        let start = self.peek().span;
        if self.take_word("NOT") {
            let inner = self.deeper(Self::not_expr)?;
            let span = start.to(inner.span);
            return Ok(Expr {
                kind: ExprKind::Unary(UnaryOp::Not, boxed(inner)),
                span,
            });
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let mut left = self.additive()?;
        loop {
            let op = match &self.peek().kind {
                TokenKind::Symbol("=") => BinaryOp::Eq,
                TokenKind::Symbol("<>") => BinaryOp::NotEq,
                TokenKind::Symbol("<") => BinaryOp::Lt,
                TokenKind::Symbol("<=") => BinaryOp::LtEq,
                TokenKind::Symbol(">") => BinaryOp::Gt,
                TokenKind::Symbol(">=") => BinaryOp::GtEq,
                TokenKind::Word(_) => match self.predicate(left)? {
                    (expr, true) => {
                        left = expr;
                        continue;
                    }
                    (expr, false) => return Ok(expr),
                },
                _ => return Ok(left),
            };
            self.advance();
            if ["ANY", "ALL", "SOME"].iter().any(|word| self.peek().is_word(word)) && self.peek_ahead(1).is_symbol("(")
            {
                let span = self.peek().span;
                return self.fail(
                    span,
                    "a comparison with a subquery is not there",
                    "list the values: x IN ('a', 'b')",
                );
            }
            let right = self.additive()?;
            left = binary(op, left, right);
        }
    }

    /// `IS …`, `[NOT] IN …`, `[NOT] LIKE …` and their kin; `true` if there was one.
    fn predicate(&mut self, left: Expr) -> Parsed<(Expr, bool)> {
        if self.take_word("IS") {
            return Ok((self.is_predicate(left)?, true));
        }
        let negated = self.peek().is_word("NOT");
        let next = self.peek_ahead(usize::from(negated)).clone();
        let TokenKind::Word(word) = &next.kind else {
            return Ok((left, false));
        };
        let word = word.to_ascii_uppercase();
        if !matches!(
            word.as_str(),
            "IN" | "BETWEEN" | "LIKE" | "SIMILAR" | "REGEXP" | "RLIKE" | "ILIKE"
        ) {
            return Ok((left, false));
        }
        if negated {
            self.advance();
        }
        self.advance();
        let expr = match word.as_str() {
            "IN" => self.in_list(left, negated)?,
            "BETWEEN" => self.between(left, negated)?,
            "SIMILAR" => {
                self.expect_word("TO")?;
                self.like(left, LikeKind::SimilarTo, negated)?
            }
            "REGEXP" | "RLIKE" => self.like(left, LikeKind::Regexp, negated)?,
            "ILIKE" => {
                self.report(
                    next.span,
                    "`ILIKE` does not exist in Flink",
                    "write LOWER(x) LIKE 'pattern in lower case'",
                );
                self.like(left, LikeKind::Like, negated)?
            }
            _ => self.like(left, LikeKind::Like, negated)?,
        };
        Ok((expr, true))
    }

    fn is_predicate(&mut self, left: Expr) -> Parsed<Expr> {
        let negated = self.take_word("NOT");
        let start = left.span;
        let kind = if self.take_word("NULL") {
            ExprKind::Is {
                expr: boxed(left),
                what: IsWhat::Null,
                negated,
            }
        } else if self.take_word("TRUE") {
            ExprKind::Is {
                expr: boxed(left),
                what: IsWhat::True,
                negated,
            }
        } else if self.take_word("FALSE") {
            ExprKind::Is {
                expr: boxed(left),
                what: IsWhat::False,
                negated,
            }
        } else if self.take_word("UNKNOWN") {
            ExprKind::Is {
                expr: boxed(left),
                what: IsWhat::Unknown,
                negated,
            }
        } else if self.take_word("JSON") {
            let what = if self.take_word("OBJECT") {
                JsonKind::Object
            } else if self.take_word("ARRAY") {
                JsonKind::Array
            } else if self.take_word("SCALAR") {
                JsonKind::Scalar
            } else {
                self.take_word("VALUE");
                JsonKind::Any
            };
            ExprKind::IsJson {
                expr: boxed(left),
                what,
                negated,
            }
        } else if self.take_words(&["DISTINCT", "FROM"]) {
            let right = self.additive()?;
            ExprKind::IsDistinctFrom {
                left: boxed(left),
                right: boxed(right),
                negated,
            }
        } else {
            return self.expected("`NULL`, `TRUE`, `FALSE`, `UNKNOWN`, `JSON` or `DISTINCT FROM`");
        };
        Ok(Expr {
            kind,
            span: start.to(self.previous_span()),
        })
    }

    fn in_list(&mut self, left: Expr, negated: bool) -> Parsed<Expr> {
        let open = self.peek().span;
        self.expect_symbol("(")?;
        if self.peek().is_word("SELECT") || self.peek().is_word("WITH") {
            self.query()?;
            self.expect_symbol(")")?;
            let span = open.to(self.previous_span());
            self.refuse(
                span,
                "`IN (SELECT …)` is a join, which is not there yet",
                "list the values: x IN ('a', 'b')",
            );
            return Ok(left);
        }
        let mut list = vec![self.expr()?];
        while self.take_symbol(",") {
            list.push(self.expr()?);
        }
        self.expect_symbol(")")?;
        let span = left.span.to(self.previous_span());
        Ok(Expr {
            kind: ExprKind::In {
                expr: boxed(left),
                list,
                negated,
            },
            span,
        })
    }

    fn between(&mut self, left: Expr, negated: bool) -> Parsed<Expr> {
        let symmetric = self.take_word("SYMMETRIC");
        if !symmetric {
            self.take_word("ASYMMETRIC");
        }
        let low = boxed(self.additive()?);
        self.expect_word("AND")?;
        let high = boxed(self.additive()?);
        let span = left.span.to(high.span);
        Ok(Expr {
            kind: ExprKind::Between {
                expr: boxed(left),
                low,
                high,
                symmetric,
                negated,
            },
            span,
        })
    }

    fn like(&mut self, left: Expr, how: LikeKind, negated: bool) -> Parsed<Expr> {
        let pattern = boxed(self.additive()?);
        let escape = if self.take_word("ESCAPE") {
            Some(boxed(self.additive()?))
        } else {
            None
        };
        let span = left.span.to(self.previous_span());
        Ok(Expr {
            kind: ExprKind::Like {
                expr: boxed(left),
                pattern,
                escape,
                how,
                negated,
            },
            span,
        })
    }

    fn additive(&mut self) -> Parsed<Expr> {
        let mut left = self.multiplicative()?;
        loop {
            let op = match &self.peek().kind {
                TokenKind::Symbol("+") => BinaryOp::Add,
                TokenKind::Symbol("-") => BinaryOp::Sub,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.multiplicative()?;
            left = binary(op, left, right);
        }
    }

    fn multiplicative(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let op = match &self.peek().kind {
                TokenKind::Symbol("*") => BinaryOp::Mul,
                TokenKind::Symbol("/") => BinaryOp::Div,
                TokenKind::Symbol("%") => BinaryOp::Mod,
                TokenKind::Symbol("||") => BinaryOp::Concat,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.unary()?;
            left = binary(op, left, right);
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let start = self.peek().span;
        let op = if self.take_symbol("-") {
            UnaryOp::Minus
        } else if self.take_symbol("+") {
            UnaryOp::Plus
        } else {
            return self.postfix();
        };
        let inner = self.deeper(Self::unary)?;
        let span = start.to(inner.span);
        Ok(Expr {
            kind: ExprKind::Unary(op, boxed(inner)),
            span,
        })
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        loop {
            if self.take_symbol("[") {
                let index = self.expr()?;
                self.expect_symbol("]")?;
                let span = expr.span.to(self.previous_span());
                expr = Expr {
                    kind: ExprKind::Index(boxed(expr), boxed(index)),
                    span,
                };
            } else if self.peek().is_symbol(".") && !matches!(expr.kind, ExprKind::Number(_)) {
                self.advance();
                let name = self.ident("a field's name")?;
                let span = expr.span.to(name.span);
                expr = Expr {
                    kind: ExprKind::Field(boxed(expr), name),
                    span,
                };
            } else {
                return Ok(expr);
            }
        }
    }

    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        let token = self.peek().clone();
        let kind = match &token.kind {
            TokenKind::Number(text) => {
                self.advance();
                ExprKind::Number(text.clone())
            }
            TokenKind::String(text) => {
                self.advance();
                let mut text = text.clone();
                // Two strings with only space between are one.
                while let TokenKind::String(more) = self.peek().kind.clone() {
                    let gap = &self.source[self.previous_span().end..self.peek().span.start];
                    if !gap.contains('\n') {
                        break;
                    }
                    text.push_str(&more);
                    self.advance();
                }
                ExprKind::String(text)
            }
            TokenKind::HexString(bytes) => {
                self.advance();
                ExprKind::Bytes(bytes.clone())
            }
            TokenKind::Symbol("(") => return self.parenthesised(),
            TokenKind::Symbol("*") => {
                return self.fail(
                    token.span,
                    "`*` cannot stand here",
                    "`*` stands alone in SELECT, or in COUNT(*)",
                );
            }
            TokenKind::Quoted(_) => return self.name_or_call(),
            TokenKind::Word(word) => {
                let word = word.to_ascii_uppercase();
                return self.word_expr(&word, &token);
            }
            _ => return self.expected("an expression"),
        };
        Ok(Expr {
            kind,
            span: token.span.to(self.previous_span()),
        })
    }

    fn parenthesised(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        if self.peek().is_word("SELECT") || self.peek().is_word("WITH") {
            self.query()?;
            self.expect_symbol(")")?;
            let span = start.to(self.previous_span());
            self.refuse(
                span,
                "a subquery as a value is a join, which is not there yet",
                "write the value, or put it into the record",
            );
            return Ok(Expr {
                kind: ExprKind::Null,
                span,
            });
        }
        let first = self.expr()?;
        if !self.peek().is_symbol(",") {
            self.expect_symbol(")")?;
            return Ok(Expr {
                span: start.to(self.previous_span()),
                ..first
            });
        }
        let mut items = vec![first];
        while self.take_symbol(",") {
            items.push(self.expr()?);
        }
        self.expect_symbol(")")?;
        Ok(Expr {
            kind: ExprKind::Row(items),
            span: start.to(self.previous_span()),
        })
    }

    fn word_expr(&mut self, word: &str, token: &Token) -> Parsed<Expr> {
        let next = self.peek_ahead(1).clone();
        let before_paren = next.is_symbol("(");
        let before_string = matches!(next.kind, TokenKind::String(_));
        let kind = match word {
            "NULL" => self.taken(ExprKind::Null),
            "TRUE" => self.taken(ExprKind::Boolean(true)),
            "FALSE" => self.taken(ExprKind::Boolean(false)),
            "UNKNOWN" => self.taken(ExprKind::Null),
            "DATE" | "TIME" | "TIMESTAMP" if before_string => self.temporal_literal(word)?,
            "INTERVAL" if before_string || next.is_symbol("-") || next.is_symbol("+") => self.interval()?,
            "INTERVAL" if matches!(next.kind, TokenKind::Number(_)) => {
                return self.fail(
                    next.span,
                    "an interval's length is a string",
                    "write INTERVAL '5' SECOND",
                );
            }
            "CASE" => self.case()?,
            "CAST" | "TRY_CAST" if before_paren => self.cast(word == "TRY_CAST")?,
            "EXTRACT" if before_paren => self.extract()?,
            "POSITION" if before_paren => self.position()?,
            "SUBSTRING" if before_paren => self.substring()?,
            "TRIM" if before_paren => self.trim()?,
            "OVERLAY" if before_paren => self.overlay()?,
            "CEIL" | "CEILING" | "FLOOR" if before_paren => return self.round_to(word, token.span),
            "TIMESTAMPADD" | "TIMESTAMPDIFF" if before_paren => self.timestamp_arithmetic(word)?,
            "JSON_VALUE" if before_paren => self.json_value()?,
            "JSON_QUERY" if before_paren => self.json_query()?,
            "JSON_EXISTS" if before_paren => self.json_exists()?,
            "JSON_OBJECT" if before_paren => self.json_object()?,
            "JSON_ARRAY" if before_paren => self.json_array()?,
            "EXISTS" if before_paren => {
                self.advance();
                self.advance();
                self.skip_to_close();
                let span = token.span.to(self.previous_span());
                self.refuse(
                    span,
                    "`EXISTS (SELECT …)` is a join, which is not there yet",
                    "filter with WHERE on the record's own fields",
                );
                ExprKind::Null
            }
            "ROW" => self.row(token.span)?,
            "ARRAY" if next.is_symbol("[") => ExprKind::Array(self.bracketed()?),
            "MAP" if next.is_symbol("[") => ExprKind::Map(self.bracketed()?),
            _ if NILADIC.contains(&word) => {
                self.advance();
                if self.peek().is_symbol("(") && self.peek_ahead(1).is_symbol(")") {
                    self.advance();
                    self.advance();
                }
                let name = Ident {
                    value: word.to_owned(),
                    span: token.span,
                };
                ExprKind::Function {
                    name,
                    args: Vec::new(),
                    distinct: false,
                    star: false,
                }
            }
            _ => return self.name_or_call(),
        };
        Ok(Expr {
            kind,
            span: token.span.to(self.previous_span()),
        })
    }

    fn taken(&mut self, kind: ExprKind) -> ExprKind {
        self.advance();
        kind
    }

    fn name_or_call(&mut self) -> Parsed<Expr> {
        let token = self.peek().clone();
        let is_call = self.peek_ahead(1).is_symbol("(");
        if is_call && matches!(token.kind, TokenKind::Word(_)) {
            return self.call();
        }
        let mut parts = vec![self.ident("an expression")?];
        while self.peek().is_symbol(".") && !self.peek_ahead(1).is_symbol("*") {
            self.advance();
            parts.push(self.ident("a name after the dot")?);
        }
        let span = token.span.to(self.previous_span());
        Ok(Expr {
            kind: ExprKind::Name(parts),
            span,
        })
    }

    fn call(&mut self) -> Parsed<Expr> {
        let token = self.advance();
        let value = self.source[token.span.start..token.span.end].to_owned();
        let name = Ident {
            value,
            span: token.span,
        };
        self.expect_symbol("(")?;
        let distinct = self.take_word("DISTINCT");
        let mut star = false;
        let mut args = Vec::new();
        if self.take_symbol("*") {
            star = true;
        } else if !self.peek().is_symbol(")") {
            args.push(self.expr()?);
            while self.take_symbol(",") {
                args.push(self.expr()?);
            }
        }
        self.expect_symbol(")")?;
        let span = token.span.to(self.previous_span());
        let call = Expr {
            kind: ExprKind::Function {
                name,
                args,
                distinct,
                star,
            },
            span,
        };
        self.refuse_window_call(&call)?;
        Ok(call)
    }

    fn temporal_literal(&mut self, word: &str) -> Parsed<ExprKind> {
        self.advance();
        let (text, _) = self.string_literal("a string")?;
        let what = match word {
            "DATE" => TemporalLiteral::Date,
            "TIME" => TemporalLiteral::Time,
            _ => TemporalLiteral::Timestamp,
        };
        Ok(ExprKind::Temporal(what, text))
    }

    fn interval(&mut self) -> Parsed<ExprKind> {
        self.advance();
        let negative = self.take_symbol("-");
        if !negative {
            self.take_symbol("+");
        }
        let (text, _) = self.string_literal("a string")?;
        let from = self.unit()?;
        self.interval_precision()?;
        let to = if self.take_word("TO") {
            let unit = self.unit()?;
            self.interval_precision()?;
            Some(unit)
        } else {
            None
        };
        Ok(ExprKind::Interval {
            text,
            negative,
            from,
            to,
        })
    }

    fn interval_precision(&mut self) -> Parsed<()> {
        if self.take_symbol("(") {
            self.unsigned("a precision")?;
            if self.take_symbol(",") {
                self.unsigned("a precision")?;
            }
            self.expect_symbol(")")?;
        }
        Ok(())
    }

    /// `SECOND`, `DAY`, ...
    pub(super) fn unit(&mut self) -> Parsed<Unit> {
        if let TokenKind::Word(word) = &self.peek().kind
            && let Some(unit) = Unit::parse(word)
        {
            self.advance();
            return Ok(unit);
        }
        self.expected("a unit of time (`SECOND`, `MINUTE`, `HOUR`, `DAY`, `WEEK`, `MONTH`, `QUARTER`, `YEAR`)")
    }

    fn case(&mut self) -> Parsed<ExprKind> {
        let start = self.advance().span;
        let operand = if self.peek().is_word("WHEN") {
            None
        } else {
            Some(boxed(self.expr()?))
        };
        let mut branches = Vec::new();
        while self.take_word("WHEN") {
            let mut when = self.expr()?;
            // `CASE x WHEN 1, 2 THEN` means either.
            while operand.is_some() && self.take_symbol(",") {
                let other = self.expr()?;
                branches.push((
                    when,
                    Expr {
                        kind: ExprKind::Null,
                        span: start,
                    },
                ));
                when = other;
            }
            self.expect_word("THEN")?;
            let then = self.expr()?;
            for branch in branches
                .iter_mut()
                .rev()
                .take_while(|(_, t)| t.span == start && t.kind == ExprKind::Null)
            {
                branch.1 = then.clone();
            }
            branches.push((when, then));
        }
        if branches.is_empty() {
            return self.expected("`WHEN`");
        }
        let otherwise = if self.take_word("ELSE") {
            Some(boxed(self.expr()?))
        } else {
            None
        };
        if !self.take_word("END") {
            let token = self.peek().clone();
            let found = self.describe(&token);
            return self.fail(
                start,
                format!("the CASE begun here never ends; found {found}"),
                "end it with END",
            );
        }
        Ok(ExprKind::Case {
            operand,
            branches,
            otherwise,
        })
    }

    fn cast(&mut self, is_try: bool) -> Parsed<ExprKind> {
        self.advance();
        self.expect_symbol("(")?;
        let expr = boxed(self.expr()?);
        self.expect_word("AS")?;
        let ty = self.data_type()?;
        self.expect_symbol(")")?;
        Ok(ExprKind::Cast { expr, ty, is_try })
    }

    fn extract(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.expect_symbol("(")?;
        let unit = self.unit()?;
        self.expect_word("FROM")?;
        let expr = boxed(self.expr()?);
        self.expect_symbol(")")?;
        Ok(ExprKind::Extract(unit, expr))
    }

    /// `POSITION(a IN b)`.
    fn position(&mut self) -> Parsed<ExprKind> {
        let span = self.advance().span;
        self.expect_symbol("(")?;
        let what = self.additive()?;
        if !self.take_word("IN") {
            self.expect_symbol(",")?;
        }
        let within = self.additive()?;
        self.expect_symbol(")")?;
        Ok(function("POSITION", span, vec![what, within]))
    }

    /// `SUBSTRING(x FROM a FOR b)` or `SUBSTRING(x, a, b)`.
    fn substring(&mut self) -> Parsed<ExprKind> {
        let span = self.advance().span;
        self.expect_symbol("(")?;
        let mut args = vec![self.expr()?];
        if self.take_word("FROM") || self.take_symbol(",") {
            args.push(self.expr()?);
            if self.take_word("FOR") || self.take_symbol(",") {
                args.push(self.expr()?);
            }
        }
        self.expect_symbol(")")?;
        Ok(function("SUBSTRING", span, args))
    }

    fn overlay(&mut self) -> Parsed<ExprKind> {
        let span = self.advance().span;
        self.expect_symbol("(")?;
        let mut args = vec![self.expr()?];
        if !self.take_word("PLACING") {
            self.expect_symbol(",")?;
        }
        args.push(self.expr()?);
        if !self.take_word("FROM") {
            self.expect_symbol(",")?;
        }
        args.push(self.expr()?);
        if self.take_word("FOR") || self.take_symbol(",") {
            args.push(self.expr()?);
        }
        self.expect_symbol(")")?;
        Ok(function("OVERLAY", span, args))
    }

    fn trim(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.expect_symbol("(")?;
        let side = if self.take_word("LEADING") {
            Some(TrimSide::Leading)
        } else if self.take_word("TRAILING") {
            Some(TrimSide::Trailing)
        } else if self.take_word("BOTH") {
            Some(TrimSide::Both)
        } else {
            None
        };
        let (what, expr) = if side.is_some() && self.take_word("FROM") {
            (None, self.expr()?)
        } else {
            let first = self.expr()?;
            if self.take_word("FROM") {
                (Some(boxed(first)), self.expr()?)
            } else {
                (None, first)
            }
        };
        self.expect_symbol(")")?;
        Ok(ExprKind::Trim {
            side: side.unwrap_or(TrimSide::Both),
            what,
            expr: boxed(expr),
        })
    }

    fn round_to(&mut self, word: &str, span: Span) -> Parsed<Expr> {
        let up = word != "FLOOR";
        self.advance();
        self.expect_symbol("(")?;
        let expr = self.expr()?;
        let kind = if self.take_word("TO") {
            ExprKind::RoundTo {
                up,
                expr: boxed(expr),
                unit: self.unit()?,
            }
        } else {
            function(if up { "CEIL" } else { "FLOOR" }, span, vec![expr])
        };
        self.expect_symbol(")")?;
        Ok(Expr {
            kind,
            span: span.to(self.previous_span()),
        })
    }

    fn timestamp_arithmetic(&mut self, word: &str) -> Parsed<ExprKind> {
        self.advance();
        self.expect_symbol("(")?;
        let unit = self.unit()?;
        self.expect_symbol(",")?;
        let first = boxed(self.expr()?);
        self.expect_symbol(",")?;
        let second = boxed(self.expr()?);
        self.expect_symbol(")")?;
        Ok(match word {
            "TIMESTAMPADD" => ExprKind::TimestampAdd(unit, first, second),
            _ => ExprKind::TimestampDiff(unit, first, second),
        })
    }

    fn row(&mut self, start: Span) -> Parsed<ExprKind> {
        self.advance();
        if self.take_symbol("<") {
            let mut open = 1;
            while open > 0 && !self.at_statement_end() {
                let token = self.advance();
                open += i32::from(token.is_symbol("<")) - i32::from(token.is_symbol(">"));
            }
            let span = start.to(self.previous_span());
            let hint = "write the value as ROW(a, b); for named fields CAST(ROW(a, b) AS ROW<x STRING, y INT>)";
            self.report(span, "`ROW<…>` is a type, not a value", hint);
        }
        self.expect_symbol("(")?;
        let mut items = Vec::new();
        if !self.peek().is_symbol(")") {
            items.push(self.row_item()?);
            while self.take_symbol(",") {
                items.push(self.row_item()?);
            }
        }
        self.expect_symbol(")")?;
        Ok(ExprKind::Row(items))
    }

    fn row_item(&mut self) -> Parsed<Expr> {
        let item = self.expr()?;
        let span = self.peek().span;
        if self.take_word("AS") {
            let name = self.ident("a field's name")?;
            let hint = "name the fields with CAST(ROW(…) AS ROW<name TYPE, …>), or let the sink's column name them";
            self.report(span.to(name.span), "a field of ROW(…) takes no alias in Flink", hint);
        }
        Ok(item)
    }

    fn bracketed(&mut self) -> Parsed<Vec<Expr>> {
        self.advance();
        self.expect_symbol("[")?;
        let mut items = Vec::new();
        if !self.peek().is_symbol("]") {
            items.push(self.expr()?);
            while self.take_symbol(",") {
                items.push(self.expr()?);
            }
        }
        self.expect_symbol("]")?;
        Ok(items)
    }
}

fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr {
        kind: ExprKind::Binary(op, boxed(left), boxed(right)),
        span,
    }
}

fn function(name: &str, span: Span, args: Vec<Expr>) -> ExprKind {
    let name = Ident {
        value: name.to_owned(),
        span,
    };
    ExprKind::Function {
        name,
        args,
        distinct: false,
        star: false,
    }
}
