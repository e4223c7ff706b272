//! Reads types: `DECIMAL(10, 2) NOT NULL`, `ARRAY<ROW<a STRING>>`, `TIMESTAMP(3) WITH LOCAL TIME ZONE`.

use super::{Parsed, Parser, nearest};
use crate::error::Span;
use crate::token::TokenKind;
use crate::types::{DataType, Field, LENGTH_MAX, PRECISION_MAX, TypeKind};

const TYPE_NAMES: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "NUMERIC",
    "CHAR",
    "VARCHAR",
    "STRING",
    "BINARY",
    "VARBINARY",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "INTERVAL",
    "ARRAY",
    "MAP",
    "MULTISET",
    "ROW",
];

impl Parser<'_> {
    /// A type with its `NULL` or `NOT NULL`.
    pub(crate) fn data_type(&mut self) -> Parsed<DataType> {
        self.deeper(|parser| {
            let mut kind = parser.type_kind()?;
            loop {
                if parser.take_word("ARRAY") {
                    kind = TypeKind::Array(Box::new(DataType::new(kind)));
                } else if parser.take_word("MULTISET") {
                    kind = TypeKind::Multiset(Box::new(DataType::new(kind)));
                } else {
                    break;
                }
            }
            let nullable = !parser.take_words(&["NOT", "NULL"]);
            if nullable {
                parser.take_word("NULL");
            }
            Ok(DataType { kind, nullable })
        })
    }

    fn type_kind(&mut self) -> Parsed<TypeKind> {
        let token = self.peek().clone();
        let TokenKind::Word(word) = &token.kind else {
            return self.expected("a type");
        };
        let span = token.span;
        self.advance();
        Ok(match word.to_ascii_uppercase().as_str() {
            "BOOLEAN" => TypeKind::Boolean,
            "TINYINT" => TypeKind::TinyInt,
            "SMALLINT" => TypeKind::SmallInt,
            "INT" | "INTEGER" => TypeKind::Int,
            "BIGINT" => TypeKind::BigInt,
            "FLOAT" | "REAL" => TypeKind::Float,
            "DOUBLE" => {
                self.take_word("PRECISION");
                TypeKind::Double
            }
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal(span)?,
            "CHAR" | "CHARACTER" => {
                if self.take_word("VARYING") {
                    TypeKind::VarChar(self.length(1)?)
                } else {
                    TypeKind::Char(self.length(1)?)
                }
            }
            "VARCHAR" => TypeKind::VarChar(self.length(1)?),
            "STRING" => TypeKind::STRING,
            "BINARY" => {
                if self.take_word("VARYING") {
                    TypeKind::VarBinary(self.length(1)?)
                } else {
                    TypeKind::Binary(self.length(1)?)
                }
            }
            "VARBINARY" => TypeKind::VarBinary(self.length(1)?),
            "BYTES" => TypeKind::BYTES,
            "DATE" => TypeKind::Date,
            "TIME" => {
                let precision = self.precision(0)?;
                self.take_words(&["WITHOUT", "TIME", "ZONE"]);
                TypeKind::Time(precision)
            }
            "TIMESTAMP" => self.timestamp(span)?,
            "TIMESTAMP_LTZ" => TypeKind::TimestampLtz(self.precision(6)?),
            "INTERVAL" => self.interval_type()?,
            "ARRAY" => TypeKind::Array(Box::new(self.in_angles()?)),
            "MULTISET" => TypeKind::Multiset(Box::new(self.in_angles()?)),
            "MAP" => {
                self.expect_symbol("<")?;
                let key = self.data_type()?;
                self.expect_symbol(",")?;
                let value = self.data_type()?;
                self.close_angle()?;
                TypeKind::Map(Box::new(key), Box::new(value))
            }
            "ROW" => TypeKind::Row(self.row_fields()?),
            "NULL" => TypeKind::Null,
            _ => return self.unknown_type(word, span),
        })
    }

    fn unknown_type(&mut self, word: &str, span: Span) -> Parsed<TypeKind> {
        let instead = match word.to_ascii_uppercase().as_str() {
            "TEXT" | "NVARCHAR" | "CLOB" | "UUID" => Some("STRING"),
            "LONG" | "INT64" | "BIGINTEGER" => Some("BIGINT"),
            "INT32" | "SERIAL" => Some("INT"),
            "INT16" | "SHORT" => Some("SMALLINT"),
            "BOOL" => Some("BOOLEAN"),
            "BLOB" | "BYTEA" => Some("BYTES"),
            "DATETIME" => Some("TIMESTAMP(3)"),
            "TIMESTAMPTZ" => Some("TIMESTAMP_LTZ(3)"),
            "STRUCT" => Some("ROW<…>"),
            "JSON" | "JSONB" | "VARIANT" => Some("STRING, and JSON_VALUE to look into it"),
            "FLOAT64" | "NUMBER" => Some("DOUBLE or DECIMAL(p, s)"),
            _ => nearest(word, TYPE_NAMES.iter().copied()),
        };
        let hint = match instead {
            Some(instead) => format!("write {instead}"),
            None => format!("the types are {}", TYPE_NAMES.join(", ")),
        };
        self.fail(span, format!("`{word}` is not a type"), hint)
    }

    fn decimal(&mut self, span: Span) -> Parsed<TypeKind> {
        if !self.take_symbol("(") {
            return Ok(TypeKind::Decimal {
                precision: 10,
                scale: 0,
            });
        }
        let precision = self.unsigned("a precision")?;
        let scale = if self.take_symbol(",") {
            self.unsigned("a scale")?
        } else {
            0
        };
        self.expect_symbol(")")?;
        if precision == 0 || precision > u64::from(PRECISION_MAX) || scale > precision {
            let whole = span.to(self.previous_span());
            let hint = "the precision is 1 to 38, the scale 0 to the precision";
            self.report(whole, format!("`DECIMAL({precision}, {scale})` does not exist"), hint);
            return Ok(TypeKind::Decimal {
                precision: PRECISION_MAX,
                scale: 0,
            });
        }
        Ok(TypeKind::Decimal {
            precision: precision as u8,
            scale: scale as u8,
        })
    }

    fn length(&mut self, default: u32) -> Parsed<u32> {
        if !self.take_symbol("(") {
            return Ok(default);
        }
        let span = self.peek().span;
        let length = self.unsigned("a length")?;
        self.expect_symbol(")")?;
        if length == 0 || length > u64::from(LENGTH_MAX) {
            self.report(
                span,
                format!("a length of {length} does not exist"),
                format!("1 to {LENGTH_MAX}"),
            );
        }
        Ok(length.clamp(1, u64::from(LENGTH_MAX)) as u32)
    }

    fn precision(&mut self, default: u8) -> Parsed<u8> {
        if !self.take_symbol("(") {
            return Ok(default);
        }
        let span = self.peek().span;
        let precision = self.unsigned("a precision")?;
        self.expect_symbol(")")?;
        if precision > 9 {
            self.report(
                span,
                format!("a precision of {precision} does not exist"),
                "0 to 9 digits of a second",
            );
        }
        Ok(precision.min(9) as u8)
    }

    fn timestamp(&mut self, span: Span) -> Parsed<TypeKind> {
        let precision = self.precision(6)?;
        if self.take_words(&["WITH", "LOCAL", "TIME", "ZONE"]) {
            return Ok(TypeKind::TimestampLtz(precision));
        }
        if self.take_words(&["WITH", "TIME", "ZONE"]) {
            let whole = span.to(self.previous_span());
            let hint = format!("write TIMESTAMP_LTZ({precision})");
            self.report(whole, "`TIMESTAMP WITH TIME ZONE` does not exist in Flink", hint);
            return Ok(TypeKind::TimestampLtz(precision));
        }
        self.take_words(&["WITHOUT", "TIME", "ZONE"]);
        Ok(TypeKind::Timestamp(precision))
    }

    fn interval_type(&mut self) -> Parsed<TypeKind> {
        let unit = self.unit()?;
        self.precision(0)?;
        if self.take_word("TO") {
            self.unit()?;
            self.precision(0)?;
        }
        use crate::ast::Unit;
        Ok(match unit {
            Unit::Year | Unit::Month | Unit::Quarter => TypeKind::IntervalYearMonth,
            _ => TypeKind::IntervalDayTime,
        })
    }

    fn in_angles(&mut self) -> Parsed<DataType> {
        self.expect_symbol("<")?;
        let ty = self.data_type()?;
        self.close_angle()?;
        Ok(ty)
    }

    fn close_angle(&mut self) -> Parsed<()> {
        self.expect_symbol(">")
    }

    fn row_fields(&mut self) -> Parsed<Vec<Field>> {
        let close = if self.take_symbol("(") {
            ")"
        } else if self.take_symbol("<>") {
            return Ok(Vec::new());
        } else {
            self.expect_symbol("<")?;
            ">"
        };
        let mut fields = Vec::new();
        loop {
            let name = self.ident("a field's name")?;
            let ty = self.data_type()?;
            if let TokenKind::String(_) = self.peek().kind {
                self.advance();
            }
            if fields.iter().any(|field: &Field| field.name == name.value) {
                self.report(
                    name.span,
                    format!("the row has two fields `{}`", name.value),
                    "rename one",
                );
            }
            fields.push(Field { name: name.value, ty });
            if !self.take_symbol(",") {
                break;
            }
        }
        self.expect_symbol(close)?;
        Ok(fields)
    }
}
