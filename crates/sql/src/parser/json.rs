//! Reads the JSON functions, which have words among their arguments.

use super::{Parsed, Parser};
use crate::ast::{Expr, ExprKind, JsonWrapper, OnJson, OnJsonExists};
use crate::token::TokenKind;

impl Parser<'_> {
    fn input_and_path(&mut self) -> Parsed<(Box<Expr>, Box<Expr>)> {
        self.advance();
        self.expect_symbol("(")?;
        let input = Box::new(self.expr()?);
        self.expect_symbol(",")?;
        let path = Box::new(self.expr()?);
        Ok((input, path))
    }

    fn returning(&mut self) -> Parsed<Option<crate::DataType>> {
        if self.take_word("RETURNING") {
            Ok(Some(self.data_type()?))
        } else {
            Ok(None)
        }
    }

    pub(super) fn json_value(&mut self) -> Parsed<ExprKind> {
        let (input, path) = self.input_and_path()?;
        let returning = self.returning()?;
        let (on_empty, on_error) = self.on_clauses()?;
        self.expect_symbol(")")?;
        Ok(ExprKind::JsonValue {
            input,
            path,
            returning,
            on_empty,
            on_error,
        })
    }

    pub(super) fn json_query(&mut self) -> Parsed<ExprKind> {
        let (input, path) = self.input_and_path()?;
        let returning = self.returning()?;
        let wrapper = if self.take_word("WITHOUT") {
            self.take_word("ARRAY");
            self.expect_word("WRAPPER")?;
            JsonWrapper::Without
        } else if self.take_word("WITH") {
            let conditional = self.take_word("CONDITIONAL");
            if !conditional {
                self.take_word("UNCONDITIONAL");
            }
            self.take_word("ARRAY");
            self.expect_word("WRAPPER")?;
            if conditional {
                JsonWrapper::Conditional
            } else {
                JsonWrapper::Unconditional
            }
        } else {
            JsonWrapper::Without
        };
        let (on_empty, on_error) = self.on_clauses()?;
        self.expect_symbol(")")?;
        Ok(ExprKind::JsonQuery {
            input,
            path,
            returning,
            wrapper,
            on_empty,
            on_error,
        })
    }

    /// `NULL ON EMPTY ERROR ON ERROR`, in this order, each optional.
    fn on_clauses(&mut self) -> Parsed<(OnJson, OnJson)> {
        let (mut on_empty, mut on_error) = (OnJson::Null, OnJson::Null);
        while let Some(what) = self.on_what()? {
            self.expect_word("ON")?;
            if self.take_word("EMPTY") {
                on_empty = what;
            } else {
                self.expect_word("ERROR")?;
                on_error = what;
            }
        }
        Ok((on_empty, on_error))
    }

    fn on_what(&mut self) -> Parsed<Option<OnJson>> {
        if self.take_word("NULL") {
            return Ok(Some(OnJson::Null));
        }
        if self.take_word("ERROR") {
            return Ok(Some(OnJson::Error));
        }
        if self.take_word("EMPTY") {
            if self.take_word("OBJECT") {
                return Ok(Some(OnJson::EmptyObject));
            }
            self.take_word("ARRAY");
            return Ok(Some(OnJson::EmptyArray));
        }
        if self.take_word("DEFAULT") {
            return Ok(Some(OnJson::Default(Box::new(self.expr()?))));
        }
        Ok(None)
    }

    pub(super) fn json_exists(&mut self) -> Parsed<ExprKind> {
        let (input, path) = self.input_and_path()?;
        let on_error = if self.take_word("TRUE") {
            Some(OnJsonExists::True)
        } else if self.take_word("FALSE") {
            Some(OnJsonExists::False)
        } else if self.take_word("UNKNOWN") {
            Some(OnJsonExists::Unknown)
        } else if self.take_word("ERROR") {
            Some(OnJsonExists::Error)
        } else {
            None
        };
        if on_error.is_some() {
            self.expect_word("ON")?;
            self.expect_word("ERROR")?;
        }
        self.expect_symbol(")")?;
        Ok(ExprKind::JsonExists {
            input,
            path,
            on_error: on_error.unwrap_or(OnJsonExists::False),
        })
    }

    pub(super) fn json_object(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.expect_symbol("(")?;
        let mut pairs = Vec::new();
        if !self.peek().is_symbol(")") && !self.on_null_follows() {
            loop {
                let keyed = self.peek().is_word("KEY")
                    && !self.peek_ahead(1).is_word("VALUE")
                    && !self.peek_ahead(1).is_symbol(":");
                if keyed {
                    self.advance();
                }
                let key = self.expr()?;
                if !self.take_word("VALUE") && !self.take_symbol(":") {
                    self.expect_symbol(",")?;
                }
                pairs.push((key, self.expr()?));
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        let absent_on_null = self.null_clause(false)?;
        self.expect_symbol(")")?;
        Ok(ExprKind::JsonObject { pairs, absent_on_null })
    }

    pub(super) fn json_array(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.expect_symbol("(")?;
        let mut items = Vec::new();
        if !self.peek().is_symbol(")") && !self.on_null_follows() {
            items.push(self.expr()?);
            while self.take_symbol(",") {
                items.push(self.expr()?);
            }
        }
        let absent_on_null = self.null_clause(true)?;
        self.expect_symbol(")")?;
        Ok(ExprKind::JsonArray { items, absent_on_null })
    }

    fn on_null_follows(&self) -> bool {
        matches!(&self.peek().kind, TokenKind::Word(_))
            && self.peek_ahead(1).is_word("ON")
            && self.peek_ahead(2).is_word("NULL")
    }

    fn null_clause(&mut self, default_absent: bool) -> Parsed<bool> {
        if self.take_words(&["NULL", "ON", "NULL"]) {
            return Ok(false);
        }
        if self.take_words(&["ABSENT", "ON", "NULL"]) {
            return Ok(true);
        }
        Ok(default_absent)
    }
}
