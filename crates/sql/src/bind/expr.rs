//! Binds expressions: names to columns, operators and functions to typed bodies.

use std::collections::HashSet;
use std::sync::Arc;

use super::Binder;
use super::scope::Scope;
use crate::ast::{BinaryOp, Expr as AstExpr, ExprKind, Ident, LikeKind, OnJson, TemporalLiteral, UnaryOp};
use crate::cast::{common_type, exists};
use crate::decimal::Decimal;
use crate::error::Span;
use crate::eval::{Body, Call, Expr, Node};
use crate::functions::json::{self, Fallback};
use crate::functions::{self, Args, Bound, LikePattern, cast_expr};
use crate::parser::nearest;
use crate::temporal;
use crate::types::{DataType, TypeKind};
use crate::value::{Text, Value};

/// From so many strings on, IN looks them up instead of going through them.
const IN_SET_FROM: usize = 6;

impl Binder<'_> {
    /// The checked expression; `None` after recording what is wrong.
    pub(crate) fn expr(&mut self, ast: &AstExpr, scope: &Scope) -> Option<Expr> {
        let span = ast.span;
        match &ast.kind {
            ExprKind::Null => Some(Expr::literal(Value::Null, DataType::new(TypeKind::Null))),
            ExprKind::Boolean(value) => Some(Expr::literal(
                Value::Boolean(*value),
                DataType::not_null(TypeKind::Boolean),
            )),
            ExprKind::Number(text) => self.number(text, span),
            ExprKind::String(text) => Some(string_literal(text)),
            ExprKind::Bytes(bytes) => {
                let kind = TypeKind::Binary(bytes.len().max(1) as u32);
                Some(Expr::literal(
                    Value::Bytes(bytes.clone().into()),
                    DataType::not_null(kind),
                ))
            }
            ExprKind::Temporal(what, text) => self.temporal(*what, text, span),
            ExprKind::Interval {
                text,
                negative,
                from,
                to,
            } => self.done(functions::interval_literal(text, *negative, *from, *to), span, &[]),
            ExprKind::Name(parts) => self.name(parts, span, scope),
            ExprKind::Unary(op, inner) => self.unary(*op, inner, span, scope),
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right, span, scope),
            ExprKind::Is { expr, what, negated } => {
                let bound = self.expr(expr, scope)?;
                if *what == crate::ast::IsWhat::Null {
                    return Some(functions::is_null(bound, *negated));
                }
                let bound = self.boolean(bound, expr.span)?;
                Some(functions::is_truth(bound, *what, *negated))
            }
            ExprKind::IsDistinctFrom { left, right, negated } => {
                let (a, b) = self.pair(left, right, scope)?;
                let (a, b) = self.comparable(a, b, "IS DISTINCT FROM", span)?;
                Some(functions::is_distinct(a, b, *negated))
            }
            ExprKind::IsJson { expr, what, negated } => {
                let bound = self.expr(expr, scope)?;
                self.done(json::is_json(bound, *what, *negated), span, &[])
            }
            ExprKind::Between {
                expr,
                low,
                high,
                symmetric,
                negated,
            } => self.between(expr, low, high, *symmetric, *negated, span, scope),
            ExprKind::In { expr, list, negated } => self.in_list(expr, list, *negated, span, scope),
            ExprKind::Like {
                expr,
                pattern,
                escape,
                how,
                negated,
            } => self.like(expr, pattern, escape.as_deref(), *how, *negated, span, scope),
            ExprKind::Case {
                operand,
                branches,
                otherwise,
            } => self.case(operand.as_deref(), branches, otherwise.as_deref(), span, scope),
            ExprKind::Cast { expr, ty, is_try } => self.cast(expr, ty, *is_try, span, scope),
            ExprKind::Function {
                name,
                args,
                distinct,
                star,
            } => self.function(name, args, *distinct || *star, span, scope),
            ExprKind::Extract(unit, inner) => {
                let bound = self.expr(inner, scope)?;
                self.done(functions::extract(*unit, bound), span, &[inner.span])
            }
            ExprKind::TimestampAdd(unit, count, to) => {
                let (count_bound, to_bound) = self.pair(count, to, scope)?;
                self.done(
                    functions::timestamp_add(*unit, count_bound, to_bound),
                    span,
                    &[to.span, count.span],
                )
            }
            ExprKind::TimestampDiff(unit, from, to) => {
                let (from, to) = self.pair(from, to, scope)?;
                self.done(functions::timestamp_diff(*unit, from, to), span, &[])
            }
            ExprKind::RoundTo { up, expr, unit } => {
                let bound = self.expr(expr, scope)?;
                self.done(functions::round_to(*up, bound, *unit), span, &[expr.span])
            }
            ExprKind::Trim { side, what, expr } => {
                let what = match what {
                    Some(what) => Some(self.expr(what, scope)?),
                    None => None,
                };
                let source = self.expr(expr, scope)?;
                self.done(functions::trim(*side, what, source), span, &[expr.span])
            }
            ExprKind::Index(container, index) => {
                let (bound, at) = self.pair(container, index, scope)?;
                self.done(functions::element_at(bound, at), span, &[])
            }
            ExprKind::Field(inner, name) => {
                let bound = self.expr(inner, scope)?;
                self.field(bound, name)
            }
            ExprKind::Row(items) => Some(functions::row(self.all(items, scope)?)),
            ExprKind::Array(items) => {
                let bound = self.all(items, scope)?;
                self.done(functions::array(bound), span, &spans(items))
            }
            ExprKind::Map(items) => {
                let bound = self.all(items, scope)?;
                self.done(functions::map(bound), span, &[])
            }
            ExprKind::JsonValue {
                input,
                path,
                returning,
                on_empty,
                on_error,
            } => {
                let kind = returning.as_ref().map_or(TypeKind::STRING, |ty| ty.kind.clone());
                let mut list = self.all(&[(**input).clone(), (**path).clone()], scope)?;
                let on_empty = self.fallback(on_empty, &kind, &mut list, scope)?;
                let on_error = self.fallback(on_error, &kind, &mut list, scope)?;
                let args = Args {
                    name: "JSON_VALUE",
                    list,
                };
                self.done(
                    json::json_value(args, kind, on_empty, on_error),
                    span,
                    &[input.span, path.span],
                )
            }
            ExprKind::JsonQuery {
                input,
                path,
                returning,
                wrapper,
                on_empty,
                on_error,
            } => {
                let kind = returning.as_ref().map_or(TypeKind::STRING, |ty| ty.kind.clone());
                let as_array = match &kind {
                    TypeKind::Array(element) if element.kind.is_string() => true,
                    kind if kind.is_string() => false,
                    other => {
                        self.error(
                            span,
                            format!("JSON_QUERY cannot return {other}"),
                            "RETURNING STRING or ARRAY<STRING>",
                        );
                        return None;
                    }
                };
                let mut list = self.all(&[(**input).clone(), (**path).clone()], scope)?;
                let on_empty = self.fallback(on_empty, &kind, &mut list, scope)?;
                let on_error = self.fallback(on_error, &kind, &mut list, scope)?;
                let args = Args {
                    name: "JSON_QUERY",
                    list,
                };
                let bound = json::json_query(args, as_array, *wrapper, on_empty, on_error);
                self.done(bound, span, &[input.span, path.span])
            }
            ExprKind::JsonExists { input, path, on_error } => {
                let list = self.all(&[(**input).clone(), (**path).clone()], scope)?;
                let args = Args {
                    name: "JSON_EXISTS",
                    list,
                };
                self.done(json::json_exists(args, *on_error), span, &[input.span, path.span])
            }
            ExprKind::JsonObject { pairs, absent_on_null } => {
                let items: Vec<AstExpr> = pairs
                    .iter()
                    .flat_map(|(key, value)| [key.clone(), value.clone()])
                    .collect();
                let list = self.all(&items, scope)?;
                self.done(json::json_object(list, *absent_on_null), span, &spans(&items))
            }
            ExprKind::JsonArray { items, absent_on_null } => {
                let list = self.all(items, scope)?;
                self.done(json::json_array(list, *absent_on_null), span, &spans(items))
            }
        }
    }

    fn done(&mut self, bound: Bound, span: Span, args: &[Span]) -> Option<Expr> {
        match bound {
            Ok(expr) => Some(expr),
            Err(problem) => {
                self.problem(problem, span, args);
                None
            }
        }
    }

    /// All of them; each one's mistakes are recorded even if an earlier one fails.
    fn all(&mut self, items: &[AstExpr], scope: &Scope) -> Option<Vec<Expr>> {
        let bound: Vec<Option<Expr>> = items.iter().map(|item| self.expr(item, scope)).collect();
        bound.into_iter().collect()
    }

    fn pair(&mut self, left: &AstExpr, right: &AstExpr, scope: &Scope) -> Option<(Expr, Expr)> {
        let (left, right) = (self.expr(left, scope), self.expr(right, scope));
        Some((left?, right?))
    }

    fn number(&mut self, text: &str, span: Span) -> Option<Expr> {
        if text.contains(['e', 'E']) {
            let value = text.parse().ok()?;
            return Some(Expr::literal(
                Value::Double(value),
                DataType::not_null(TypeKind::Double),
            ));
        }
        if !text.contains('.')
            && let Ok(value) = text.parse::<i64>()
        {
            let kind = if i32::try_from(value).is_ok() {
                TypeKind::Int
            } else {
                TypeKind::BigInt
            };
            return Some(Expr::literal(Value::Int(value), DataType::not_null(kind)));
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        match Decimal::parse(text) {
            Some(decimal) if digits <= 38 => {
                let kind = TypeKind::Decimal {
                    precision: digits as u8,
                    scale: decimal.scale,
                };
                Some(Expr::literal(Value::Decimal(decimal), DataType::not_null(kind)))
            }
            _ => {
                self.error(
                    span,
                    "a number has at most 38 digits",
                    "write it with an exponent for a DOUBLE: 1.5E40",
                );
                None
            }
        }
    }

    fn temporal(&mut self, what: TemporalLiteral, text: &str, span: Span) -> Option<Expr> {
        let (value, kind, form) = match what {
            TemporalLiteral::Date => (
                temporal::parse_date(text).map(Value::Date),
                TypeKind::Date,
                "DATE '2026-01-02'",
            ),
            TemporalLiteral::Time => (
                temporal::parse_time(text).map(Value::Time),
                TypeKind::Time(0),
                "TIME '03:04:05'",
            ),
            TemporalLiteral::Timestamp => {
                let digits = text.rsplit_once('.').map_or(0, |(_, fraction)| fraction.len().min(9)) as u8;
                let value = temporal::parse_timestamp(text).map(Value::Timestamp);
                (value, TypeKind::Timestamp(digits), "TIMESTAMP '2026-01-02 03:04:05'")
            }
        };
        match value {
            Some(value) => Some(Expr::literal(value, DataType::not_null(kind))),
            None => {
                self.error(span, format!("'{text}' is not a {kind}"), format!("write {form}"));
                None
            }
        }
    }

    fn name(&mut self, parts: &[Ident], span: Span, scope: &Scope) -> Option<Expr> {
        let (column, rest) = self.column(parts, span, scope)?;
        let mut expr = column;
        for part in rest {
            expr = self.field(expr, part)?;
        }
        Some(expr)
    }

    /// The column the first parts name, and the parts that are fields of it.
    fn column<'p>(&mut self, parts: &'p [Ident], span: Span, scope: &Scope) -> Option<(Expr, &'p [Ident])> {
        let first = &parts[0];
        if parts.len() > 1 && scope.has_qualifier(&first.value) {
            let found: Vec<Expr> = scope
                .find(Some(&first.value), &parts[1].value)
                .map(|column| column.expr.clone())
                .collect();
            match found.len() {
                0 if scope.find(None, &first.value).next().is_none() => {
                    self.no_column(&parts[1].value, parts[1].span, scope, Some(&first.value));
                    return None;
                }
                0 => {}
                _ => return Some((found.into_iter().next()?, &parts[2..])),
            }
        }
        let found: Vec<Expr> = scope
            .find(None, &first.value)
            .map(|column| column.expr.clone())
            .collect();
        match found.len() {
            0 => {
                self.no_column(&first.value, first.span, scope, None);
                None
            }
            1 => Some((found.into_iter().next()?, &parts[1..])),
            _ => {
                let message = format!("`{}` could be a column of several tables", first.value);
                self.error(
                    span,
                    message,
                    format!("write t.{} with the table's name or alias", first.value),
                );
                None
            }
        }
    }

    fn no_column(&mut self, name: &str, span: Span, scope: &Scope, table: Option<&str>) {
        let names = scope.names();
        let message = match table {
            Some(table) => format!("`{table}` has no column `{name}`"),
            None => format!("there is no column `{name}`"),
        };
        let hint = match names.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) => format!("names are case-sensitive: did you mean `{known}`?"),
            None => match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "there is no FROM; a text goes in single quotes".to_owned(),
                None => format!("the columns are {}", names.join(", ")),
            },
        };
        self.error(span, message, hint);
    }

    fn field(&mut self, inner: Expr, name: &Ident) -> Option<Expr> {
        match &inner.ty.kind {
            TypeKind::Row(fields) => {
                if let Some((index, field)) = fields.iter().enumerate().find(|(_, field)| field.name == name.value) {
                    let ty = field.ty.clone().with_nullable(field.ty.nullable || inner.ty.nullable);
                    return Some(Expr {
                        ty,
                        node: Node::Field(Box::new(inner), index, name.value.as_str().into()),
                    });
                }
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                let hint = match names.iter().find(|known| known.eq_ignore_ascii_case(&name.value)) {
                    Some(known) => format!("names are case-sensitive: did you mean `{known}`?"),
                    None => match nearest(&name.value, names.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its fields are {}", names.join(", ")),
                    },
                };
                self.error(name.span, format!("`{inner}` has no field `{}`", name.value), hint);
            }
            kind => {
                let hint = match kind {
                    TypeKind::Array(_) => format!("take an element first: {inner}[1].{}", name.value),
                    TypeKind::Map(..) => format!("write {inner}['{}']", name.value),
                    kind if kind.is_string() => {
                        format!("if it holds JSON, write JSON_VALUE({inner}, '$.{}')", name.value)
                    }
                    _ => "only a ROW has fields".to_owned(),
                };
                self.error(
                    name.span,
                    format!("`{inner}` is {kind} and has no field `{}`", name.value),
                    hint,
                );
            }
        }
        None
    }

    fn boolean(&mut self, expr: Expr, span: Span) -> Option<Expr> {
        if matches!(expr.ty.kind, TypeKind::Boolean | TypeKind::Null) {
            return Some(expr);
        }
        self.error(
            span,
            format!("a condition must be BOOLEAN, not {}", expr.ty.kind),
            "write a comparison, such as x = 'a'",
        );
        None
    }

    fn unary(&mut self, op: UnaryOp, inner: &AstExpr, span: Span, scope: &Scope) -> Option<Expr> {
        let bound = self.expr(inner, scope)?;
        match op {
            UnaryOp::Not => {
                let bound = self.boolean(bound, inner.span)?;
                Some(functions::not(bound))
            }
            UnaryOp::Plus => Some(bound),
            UnaryOp::Minus => self.done(functions::negate(bound), span, &[inner.span]),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &AstExpr, right: &AstExpr, span: Span, scope: &Scope) -> Option<Expr> {
        let (a, b) = self.pair(left, right, scope)?;
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let (a, b) = (self.boolean(a, left.span), self.boolean(b, right.span));
                Some(logic(op, a?, b?))
            }
            BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq => {
                self.compare(op, a, b, span)
            }
            BinaryOp::Concat => self.done(functions::concat_two(a, b), span, &[left.span, right.span]),
            _ => self.done(functions::arithmetic(op, a, b), span, &[left.span, right.span]),
        }
    }

    fn compare(&mut self, op: BinaryOp, a: Expr, b: Expr, span: Span) -> Option<Expr> {
        let (a, b) = self.comparable(a, b, op.as_str(), span)?;
        let ordered = !matches!(op, BinaryOp::Eq | BinaryOp::NotEq);
        if ordered && matches!(a.ty.kind, TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Row(_)) {
            self.error(
                span,
                format!("{} has no order", a.ty.kind),
                "compare with = or <>, or compare a field",
            );
            return None;
        }
        Some(comparison(op, a, b))
    }

    /// Both sides in a form that can be compared.
    fn comparable(&mut self, a: Expr, b: Expr, op: &str, span: Span) -> Option<(Expr, Expr)> {
        let (x, y) = (a.ty.kind.clone(), b.ty.kind.clone());
        if x.is_numeric() && y.is_numeric() {
            return Some((a, b));
        }
        if x.is_temporal() && y.is_string() {
            return Some((a, cast_expr(b, &x, false)));
        }
        if x.is_string() && y.is_temporal() {
            return Some((cast_expr(a, &y, false), b));
        }
        match common_type(&a.ty, &b.ty) {
            Some(ty) if x.is_string() || x.is_binary() || x == y || ty.kind == TypeKind::Null => Some((a, b)),
            Some(ty) => Some((cast_expr(a, &ty.kind, false), cast_expr(b, &ty.kind, false))),
            None => {
                let hint = match (&x, &y) {
                    (x, y) if x.is_string() && y.is_numeric() => {
                        format!("write CAST({a} AS {y}) {op} …, or put the number in quotes")
                    }
                    (x, y) if x.is_numeric() && y.is_string() => match b.as_literal() {
                        Some(_) => "write the number without quotes".to_owned(),
                        None => format!("write … {op} CAST({b} AS {x})"),
                    },
                    (TypeKind::Boolean, y) if y.is_string() => "write TRUE or FALSE without quotes".to_owned(),
                    (x, TypeKind::Boolean) if x.is_string() => {
                        "write 'true' in quotes, or CAST(x AS BOOLEAN)".to_owned()
                    }
                    (x, _) if x.is_temporal() => {
                        "for milliseconds since 1970 write TO_TIMESTAMP_LTZ(millis, 3)".to_owned()
                    }
                    _ => "CAST one side to the other's type".to_owned(),
                };
                self.error(span, format!("`{op}` cannot compare {x} with {y}"), hint);
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one BETWEEN")]
    fn between(
        &mut self,
        expr: &AstExpr,
        low: &AstExpr,
        high: &AstExpr,
        symmetric: bool,
        negated: bool,
        span: Span,
        scope: &Scope,
    ) -> Option<Expr> {
        let (value, low, high) = (self.expr(expr, scope), self.expr(low, scope), self.expr(high, scope));
        let (value, low, high) = (value?, low?, high?);
        let mut within = |low: Expr, high: Expr| -> Option<Expr> {
            let above = self.compare(BinaryOp::GtEq, value.clone(), low, span);
            let below = self.compare(BinaryOp::LtEq, value.clone(), high, span);
            Some(logic(BinaryOp::And, above?, below?))
        };
        let mut result = within(low.clone(), high.clone())?;
        if symmetric {
            result = logic(BinaryOp::Or, result, within(high, low)?);
        }
        Some(if negated { functions::not(result) } else { result })
    }

    fn in_list(&mut self, expr: &AstExpr, list: &[AstExpr], negated: bool, span: Span, scope: &Scope) -> Option<Expr> {
        let (value, items) = (self.expr(expr, scope), self.all(list, scope));
        let (value, items) = (value?, items?);
        let mut pairs = Vec::new();
        for (item, source) in items.into_iter().zip(list) {
            pairs.push(self.comparable(value.clone(), item, "IN", source.span.to(span)));
        }
        let pairs: Vec<(Expr, Expr)> = pairs.into_iter().collect::<Option<_>>()?;
        let texts: Option<HashSet<Text>> = pairs
            .iter()
            .map(|(_, item)| match item.as_literal() {
                Some(Value::String(text)) => Some(text.clone()),
                _ => None,
            })
            .collect();
        let found = match texts {
            Some(texts) if texts.len() >= IN_SET_FROM && value.ty.kind.is_string() => {
                let mut args = vec![value.clone()];
                args.extend(pairs.into_iter().map(|(_, item)| item));
                let body: Body = Arc::new(move |args, _| match &args[0] {
                    Value::String(text) => Ok(Value::Boolean(texts.contains(text))),
                    _ => Ok(Value::Null),
                });
                let ty = DataType {
                    kind: TypeKind::Boolean,
                    nullable: value.ty.nullable,
                };
                Expr {
                    ty,
                    node: Node::Call(Call {
                        name: "IN",
                        args,
                        strict: true,
                        deterministic: true,
                        body,
                    }),
                }
            }
            _ => {
                let mut terms: Vec<Expr> = pairs.into_iter().map(|(a, b)| comparison(BinaryOp::Eq, a, b)).collect();
                if terms.len() == 1 {
                    terms.remove(0)
                } else {
                    let nullable = terms.iter().any(|term| term.ty.nullable);
                    Expr {
                        ty: DataType {
                            kind: TypeKind::Boolean,
                            nullable,
                        },
                        node: Node::Or(terms),
                    }
                }
            }
        };
        Some(if negated { functions::not(found) } else { found })
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one LIKE")]
    fn like(
        &mut self,
        expr: &AstExpr,
        pattern: &AstExpr,
        escape: Option<&AstExpr>,
        how: LikeKind,
        negated: bool,
        span: Span,
        scope: &Scope,
    ) -> Option<Expr> {
        let (value, pattern_expr) = self.pair(expr, pattern, scope)?;
        for (side, source) in [(&value, expr), (&pattern_expr, pattern)] {
            if !side.ty.kind.is_string() && side.ty.kind != TypeKind::Null {
                self.error(
                    source.span,
                    format!("a pattern matches strings, not {}", side.ty.kind),
                    "write CAST(… AS STRING)",
                );
                return None;
            }
        }
        let escape = match escape {
            None => None,
            Some(source) => {
                let bound = self.expr(source, scope)?;
                match bound
                    .as_literal()
                    .and_then(Value::as_str)
                    .map(|text| text.chars().collect::<Vec<_>>())
                {
                    Some(chars) if chars.len() == 1 => Some(chars[0]),
                    _ => {
                        self.error(source.span, "ESCAPE takes one character", "write ESCAPE '\\'");
                        return None;
                    }
                }
            }
        };
        let literal = pattern_expr.as_literal().and_then(Value::as_str).map(str::to_owned);
        let args = vec![value, pattern_expr];
        let found = match how {
            LikeKind::Regexp => {
                let def = functions::lookup("REGEXP").expect("REGEXP is a function");
                self.done(def.bind(args), span, &[expr.span, pattern.span])?
            }
            LikeKind::Like => functions::predicate("LIKE", args, self.like_body(literal, escape, pattern.span)?),
            LikeKind::SimilarTo => {
                functions::predicate("SIMILAR TO", args, self.similar_body(literal, escape, pattern.span)?)
            }
        };
        Some(if negated { functions::not(found) } else { found })
    }

    fn like_body(&mut self, literal: Option<String>, escape: Option<char>, span: Span) -> Option<Body> {
        let Some(pattern) = literal else {
            return Some(Arc::new(move |args, _| {
                let pattern = args[1].as_str().unwrap_or_default();
                let pattern = LikePattern::parse(pattern, escape).map_err(crate::EvalError)?;
                Ok(Value::Boolean(pattern.matches(args[0].as_str().unwrap_or_default())))
            }));
        };
        match LikePattern::parse(&pattern, escape) {
            Ok(pattern) => Some(Arc::new(move |args, _| {
                Ok(Value::Boolean(pattern.matches(args[0].as_str().unwrap_or_default())))
            })),
            Err(message) => {
                self.error(span, message, "escape % or _ only");
                None
            }
        }
    }

    fn similar_body(&mut self, literal: Option<String>, escape: Option<char>, span: Span) -> Option<Body> {
        let matches = |regex: &fancy_regex::Regex, text: &Value| {
            let text = text.as_str().unwrap_or_default();
            regex
                .is_match(text)
                .map(Value::Boolean)
                .map_err(|error| crate::EvalError(error.to_string()))
        };
        let Some(pattern) = literal else {
            return Some(Arc::new(move |args, _| {
                let pattern = args[1].as_str().unwrap_or_default();
                let regex = functions::similar_to_regex(pattern, escape).map_err(crate::EvalError)?;
                matches(&regex, &args[0])
            }));
        };
        match functions::similar_to_regex(&pattern, escape) {
            Ok(regex) => Some(Arc::new(move |args, _| matches(&regex, &args[0]))),
            Err(message) => {
                self.error(
                    span,
                    message,
                    "SIMILAR TO knows % _ | * + ? { } ( ) and [ ]; for Java's patterns write REGEXP(x, p)",
                );
                None
            }
        }
    }

    fn case(
        &mut self,
        operand: Option<&AstExpr>,
        branches: &[(AstExpr, AstExpr)],
        otherwise: Option<&AstExpr>,
        span: Span,
        scope: &Scope,
    ) -> Option<Expr> {
        let operand = match operand {
            Some(operand) => Some(self.expr(operand, scope)?),
            None => None,
        };
        let mut whens = Vec::new();
        let mut thens = Vec::new();
        for (when, then) in branches {
            let bound = self.expr(when, scope);
            let bound = match (&operand, bound) {
                (Some(operand), Some(bound)) => self.compare(BinaryOp::Eq, operand.clone(), bound, when.span),
                (None, Some(bound)) => self.boolean(bound, when.span),
                (_, None) => None,
            };
            whens.push(bound);
            thens.push(self.expr(then, scope));
        }
        let otherwise_bound = match otherwise {
            Some(otherwise) => self.expr(otherwise, scope),
            None => Some(Expr::literal(Value::Null, DataType::new(TypeKind::Null))),
        };
        let whens: Vec<Expr> = whens.into_iter().collect::<Option<_>>()?;
        let thens: Vec<Expr> = thens.into_iter().collect::<Option<_>>()?;
        let otherwise_bound = otherwise_bound?;
        let mut ty = thens[0].ty.clone();
        let rest = thens[1..].iter().chain(std::iter::once(&otherwise_bound));
        for (index, value) in rest.enumerate() {
            match common_type(&ty, &value.ty) {
                Some(common) => ty = common,
                None => {
                    let at = branches
                        .get(index + 1)
                        .map(|(_, then)| then.span)
                        .or(otherwise.map(|e| e.span))
                        .unwrap_or(span);
                    let message = format!("this CASE gives {} here and {} above", value.ty.kind, ty.kind);
                    self.error(at, message, format!("write CAST(… AS {})", ty.kind));
                    return None;
                }
            }
        }
        let branches = whens
            .into_iter()
            .zip(thens)
            .map(|(when, then)| (when, cast_expr(then, &ty.kind, false)))
            .collect();
        let otherwise = Box::new(cast_expr(otherwise_bound, &ty.kind, false));
        Some(Expr {
            ty,
            node: Node::Case(branches, otherwise),
        })
    }

    fn cast(&mut self, inner: &AstExpr, ty: &DataType, is_try: bool, span: Span, scope: &Scope) -> Option<Expr> {
        let bound = self.expr(inner, scope)?;
        if !exists(&bound.ty.kind, &ty.kind) {
            let hint = match (&bound.ty.kind, &ty.kind) {
                (from, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_)) if from.is_numeric() => {
                    "write TO_TIMESTAMP_LTZ(millis, 3)"
                }
                (TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_), to) if to.is_numeric() => {
                    "write UNIX_TIMESTAMP(CAST(ts AS STRING)), or EXTRACT(EPOCH FROM ts)"
                }
                (from, _) if from.is_binary() => "write DECODE(x, 'UTF-8') first",
                _ => "go through STRING if that is meant",
            };
            self.error(span, format!("{} cannot be cast to {}", bound.ty.kind, ty.kind), hint);
            return None;
        }
        Some(cast_expr(bound, &ty.kind, is_try))
    }

    fn function(
        &mut self,
        name: &Ident,
        args: &[AstExpr],
        aggregate_form: bool,
        span: Span,
        scope: &Scope,
    ) -> Option<Expr> {
        let upper = name.value.to_ascii_uppercase();
        if functions::is_window(&upper) {
            let hint = "windows keep state: route the rows with WHERE today, and count where you read";
            self.error(span, format!("the window function `{upper}` is not there yet"), hint);
            return None;
        }
        if functions::is_aggregate(&upper) {
            let hint = match upper.as_str() {
                "MIN" | "MAX" => "of several values in one row, write LEAST(a, b) or GREATEST(a, b)",
                _ => "aggregates keep state: route the rows with WHERE today, and aggregate where you read",
            };
            self.error(span, format!("the aggregate `{upper}` is not there yet"), hint);
            return None;
        }
        let bound = self.all(args, scope);
        let Some(def) = functions::lookup(&upper) else {
            let hint = match instead_of(&upper) {
                Some(instead) => format!("write {instead}"),
                None => match nearest(&upper, functions::names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "user-defined functions are not there; see the list of built-in ones".to_owned(),
                },
            };
            self.error(name.span, format!("there is no function `{}`", name.value), hint);
            return None;
        };
        if aggregate_form {
            self.error(
                span,
                format!("`{upper}` takes neither * nor DISTINCT"),
                "give it its arguments",
            );
            return None;
        }
        self.done(def.bind(bound?), span, &spans(args))
    }

    fn fallback(&mut self, on: &OnJson, kind: &TypeKind, list: &mut Vec<Expr>, scope: &Scope) -> Option<Fallback> {
        Some(match on {
            OnJson::Null => Fallback::Null,
            OnJson::Error => Fallback::Error,
            OnJson::EmptyArray if matches!(kind, TypeKind::Array(_)) => {
                Fallback::Fixed(Value::Array(Arc::new(Vec::new())))
            }
            OnJson::EmptyArray => Fallback::Fixed(Value::string("[]")),
            OnJson::EmptyObject => Fallback::Fixed(Value::string("{}")),
            OnJson::Default(ast) => {
                let bound = self.expr(ast, scope)?;
                if !exists(&bound.ty.kind, kind) {
                    self.error(
                        ast.span,
                        format!("the DEFAULT is {}, the result {kind}", bound.ty.kind),
                        "give both one type",
                    );
                    return None;
                }
                let is_boolean = bound.ty.kind == TypeKind::Boolean && kind.is_string();
                let bound = match bound.as_literal() {
                    // As the documents show it: DEFAULT FALSE gives the text "false".
                    Some(Value::Boolean(value)) if is_boolean => string_literal(if *value { "true" } else { "false" }),
                    _ => bound,
                };
                list.push(cast_expr(bound, kind, false));
                Fallback::Arg(list.len() - 1)
            }
        })
    }
}

fn spans(items: &[AstExpr]) -> Vec<Span> {
    items.iter().map(|item| item.span).collect()
}

fn string_literal(text: &str) -> Expr {
    let kind = TypeKind::Char(text.chars().count().max(1) as u32);
    Expr::literal(Value::string(text), DataType::not_null(kind))
}

fn comparison(op: BinaryOp, a: Expr, b: Expr) -> Expr {
    let nullable = a.ty.nullable || b.ty.nullable;
    Expr {
        ty: DataType {
            kind: TypeKind::Boolean,
            nullable,
        },
        node: Node::Compare(op, Box::new(a), Box::new(b)),
    }
}

/// AND or OR; a chain of one kind becomes one node.
fn logic(op: BinaryOp, a: Expr, b: Expr) -> Expr {
    let nullable = a.ty.nullable || b.ty.nullable;
    let ty = DataType {
        kind: TypeKind::Boolean,
        nullable,
    };
    let is_and = op == BinaryOp::And;
    let mut terms = Vec::new();
    for side in [a, b] {
        match side.node {
            Node::And(inner) if is_and => terms.extend(inner),
            Node::Or(inner) if !is_and => terms.extend(inner),
            node => terms.push(Expr { ty: side.ty, node }),
        }
    }
    Expr {
        ty,
        node: if is_and { Node::And(terms) } else { Node::Or(terms) },
    }
}

/// Functions of other systems, and what Flink calls them.
fn instead_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "NVL" | "ISNULL" => "COALESCE(a, b)",
        "LENGTH" | "LEN" => "CHAR_LENGTH(x)",
        "STRPOS" | "INDEXOF" => "POSITION(a IN b)",
        "GET_JSON_OBJECT" | "JSON_EXTRACT" | "JSON_EXTRACT_SCALAR" | "EXTRACTJSONFIELD" => "JSON_VALUE(x, '$.path')",
        "TO_CHAR" | "FORMAT_DATETIME" => "DATE_FORMAT(ts, 'yyyy-MM-dd')",
        "TO_JSON" | "TO_JSON_STRING" => "JSON_STRING(x)",
        "DATEADD" | "DATE_ADD" => "ts + INTERVAL '1' DAY, or TIMESTAMPADD(DAY, 1, ts)",
        "DATEDIFF" | "DATE_DIFF" => "TIMESTAMPDIFF(DAY, a, b)",
        "POW" => "POWER(a, b)",
        "UCASE" => "UPPER(x)",
        "LCASE" => "LOWER(x)",
        "DATE_TRUNC" => "FLOOR(ts TO DAY)",
        "DECODE_UTF8" => "DECODE(x, 'UTF-8')",
        "SIZE" | "ARRAY_LENGTH" => "CARDINALITY(x)",
        "GETDATE" | "SYSDATE" => "NOW()",
        "FROM_JSON" => "JSON_VALUE(x, '$.path')",
        _ => return None,
    })
}
