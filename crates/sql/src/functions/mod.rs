//! The built-in functions: names, what each takes, and its body made for the types at hand.

mod arithmetic;
mod collection;
mod conditional;
mod encoding;
pub(crate) mod json;
mod numeric;
pub(crate) mod regex;
mod string;
mod time;

pub(crate) use arithmetic::{arithmetic, negate};
pub(crate) use collection::{array, element_at, map, row};
pub(crate) use conditional::{is_distinct, is_null, is_truth, not};
pub(crate) use regex::{LikePattern, similar_to_regex};
pub(crate) use string::{concat_two, predicate, trim};
pub(crate) use time::{extract, interval_literal, round_to, timestamp_add, timestamp_diff};

use std::sync::Arc;

use crate::cast;
use crate::eval::{Body, Call, Computed, EvalContext, Expr, Node};
use crate::types::{DataType, TypeKind};
use crate::value::{Text, Value};

/// Why a call does not fit, and what would.
#[derive(Debug)]
pub(crate) struct Problem {
    pub message: String,
    pub hint: String,
    /// The argument to blame.
    pub arg: Option<usize>,
}

pub(crate) type Bound = Result<Expr, Problem>;

impl Problem {
    pub(crate) fn new<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Problem> {
        Err(Problem {
            message: message.into(),
            hint: hint.into(),
            arg: None,
        })
    }
}

/// One function.
pub(crate) struct Def {
    pub name: &'static str,
    pub args_min: usize,
    pub args_max: usize,
    bind: fn(Args) -> Bound,
}

const fn def(name: &'static str, args_min: usize, args_max: usize, bind: fn(Args) -> Bound) -> Def {
    Def {
        name,
        args_min,
        args_max,
        bind,
    }
}

/// No upper bound on the arguments.
const MANY: usize = usize::MAX;

const GROUPS: &[&[Def]] = &[
    collection::DEFS,
    conditional::DEFS,
    encoding::DEFS,
    json::DEFS,
    numeric::DEFS,
    regex::DEFS,
    string::DEFS,
    time::DEFS,
];

/// Aggregates and window functions Flink has: known, so that they can be refused by name.
const STATEFUL: &[&str] = &[
    "COUNT",
    "SUM",
    "SUM0",
    "AVG",
    "MIN",
    "MAX",
    "COLLECT",
    "LISTAGG",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "STDDEV",
    "VAR_POP",
    "VAR_SAMP",
    "VARIANCE",
    "ARRAY_AGG",
    "FIRST_VALUE",
    "LAST_VALUE",
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "LAG",
    "LEAD",
    "NTILE",
    "PERCENT_RANK",
    "CUME_DIST",
    "JSON_OBJECTAGG",
    "JSON_ARRAYAGG",
    "PERCENTILE",
    "APPROX_COUNT_DISTINCT",
];
const WINDOW: &[&str] = &[
    "TUMBLE",
    "HOP",
    "SESSION",
    "CUMULATE",
    "TUMBLE_START",
    "TUMBLE_END",
    "TUMBLE_ROWTIME",
    "TUMBLE_PROCTIME",
    "HOP_START",
    "HOP_END",
    "HOP_ROWTIME",
    "HOP_PROCTIME",
    "SESSION_START",
    "SESSION_END",
    "SESSION_ROWTIME",
    "SESSION_PROCTIME",
];

pub(crate) fn lookup(name: &str) -> Option<&'static Def> {
    GROUPS
        .iter()
        .flat_map(|group| group.iter())
        .find(|def| def.name.eq_ignore_ascii_case(name))
}

/// Every function's name.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.iter()).map(|def| def.name)
}

pub(crate) fn is_aggregate(name: &str) -> bool {
    STATEFUL.iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(crate) fn is_window(name: &str) -> bool {
    WINDOW.iter().any(|known| known.eq_ignore_ascii_case(name))
}

impl Def {
    pub(crate) fn bind(&self, args: Vec<Expr>) -> Bound {
        if args.len() < self.args_min || args.len() > self.args_max {
            let takes = match (self.args_min, self.args_max) {
                (min, MANY) => format!("at least {min}"),
                (min, max) if min == max => min.to_string(),
                (min, max) => format!("{min} to {max}"),
            };
            let plural = if self.args_max == 1 { "" } else { "s" };
            return Problem::new(
                format!("`{}` takes {takes} argument{plural}, not {}", self.name, args.len()),
                "check the arguments",
            );
        }
        (self.bind)(Args {
            name: self.name,
            list: args,
        })
    }
}

/// A call's arguments on their way to a body.
pub(crate) struct Args {
    pub name: &'static str,
    pub list: Vec<Expr>,
}

impl Args {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn kind(&self, index: usize) -> &TypeKind {
        &self.list[index].ty.kind
    }

    fn wrong<T>(&self, index: usize, wanted: &str, cast_to: &str) -> Result<T, Problem> {
        let message = format!(
            "argument {} of `{}` must be {wanted}, not {}",
            index + 1,
            self.name,
            self.list[index].ty.kind
        );
        Err(Problem {
            message,
            hint: format!("write CAST(… AS {cast_to})"),
            arg: Some(index),
        })
    }

    pub(crate) fn string(&mut self, index: usize) -> Result<(), Problem> {
        if self.kind(index).is_string() || *self.kind(index) == TypeKind::Null {
            return Ok(());
        }
        self.wrong(index, "a string", "STRING")
    }

    pub(crate) fn strings(&mut self) -> Result<(), Problem> {
        (0..self.len()).try_for_each(|index| self.string(index))
    }

    pub(crate) fn binary(&mut self, index: usize) -> Result<(), Problem> {
        if self.kind(index).is_binary() || *self.kind(index) == TypeKind::Null {
            return Ok(());
        }
        self.wrong(index, "binary", "BYTES")
    }

    pub(crate) fn integer(&mut self, index: usize) -> Result<(), Problem> {
        if self.kind(index).is_integer() || *self.kind(index) == TypeKind::Null {
            return Ok(());
        }
        self.wrong(index, "an integer", "INT")
    }

    pub(crate) fn numeric(&mut self, index: usize) -> Result<(), Problem> {
        if self.kind(index).is_numeric() || *self.kind(index) == TypeKind::Null {
            return Ok(());
        }
        self.wrong(index, "a number", "DOUBLE")
    }

    /// A number, handed to the body as a double.
    pub(crate) fn double(&mut self, index: usize) -> Result<(), Problem> {
        self.numeric(index)?;
        self.cast_to(index, TypeKind::Double);
        Ok(())
    }

    pub(crate) fn boolean(&mut self, index: usize) -> Result<(), Problem> {
        if matches!(self.kind(index), TypeKind::Boolean | TypeKind::Null) {
            return Ok(());
        }
        self.wrong(index, "BOOLEAN", "BOOLEAN")
    }

    pub(crate) fn cast_to(&mut self, index: usize, kind: TypeKind) {
        let arg = std::mem::replace(
            &mut self.list[index],
            Expr::literal(Value::Null, DataType::new(TypeKind::Null)),
        );
        self.list[index] = cast_expr(arg, &kind, false);
    }

    pub(crate) fn any_nullable(&self) -> bool {
        self.list.iter().any(|arg| arg.ty.nullable)
    }

    pub(crate) fn literal_text(&self, index: usize) -> Option<String> {
        self.list.get(index)?.as_literal()?.as_str().map(str::to_owned)
    }

    /// A call that is NULL when an argument is.
    pub(crate) fn build<F>(self, kind: TypeKind, body: F) -> Bound
    where
        F: Fn(&[Value], &EvalContext) -> Computed + Send + Sync + 'static,
    {
        let ty = DataType {
            kind,
            nullable: self.any_nullable(),
        };
        self.build_as(ty, true, true, body)
    }

    /// A call that may be NULL though its arguments are not.
    pub(crate) fn build_nullable<F>(self, kind: TypeKind, body: F) -> Bound
    where
        F: Fn(&[Value], &EvalContext) -> Computed + Send + Sync + 'static,
    {
        self.build_as(DataType::new(kind), true, true, body)
    }

    pub(crate) fn build_as<F>(self, ty: DataType, strict: bool, deterministic: bool, body: F) -> Bound
    where
        F: Fn(&[Value], &EvalContext) -> Computed + Send + Sync + 'static,
    {
        let body: Body = Arc::new(body);
        Ok(Expr {
            ty,
            node: Node::Call(Call {
                name: self.name,
                args: self.list,
                strict,
                deterministic,
                body,
            }),
        })
    }
}

/// The argument's text; a strict body never sees NULL, and the binder saw to the type.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn shared_text(value: &Value) -> Text {
    match value {
        Value::String(text) => text.clone(),
        _ => Text::default(),
    }
}

fn int(value: &Value) -> i64 {
    value.as_int().unwrap_or_default()
}

fn double(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// `CAST(expr AS kind)`, or nothing where the value's form stays. The cast must exist.
pub(crate) fn cast_expr(expr: Expr, kind: &TypeKind, is_try: bool) -> Expr {
    let ty = DataType {
        kind: kind.clone(),
        nullable: expr.ty.nullable || is_try,
    };
    if cast::is_free(&expr.ty.kind, kind) {
        return expr.with_type(ty);
    }
    let Some(body) = cast::body(&expr.ty.kind, kind) else {
        return expr;
    };
    if let Some(value) = expr.as_literal()
        && cast_is_pure(&expr.ty.kind, kind)
    {
        let cx = EvalContext::new(
            crate::Moment::default(),
            jiff::tz::TimeZone::UTC,
            Arc::new(base::SeededRandom::new(0)),
        );
        match body(std::slice::from_ref(value), &cx) {
            Ok(value) => return Expr::literal(value, ty),
            Err(_) if is_try => return Expr::literal(Value::Null, ty),
            Err(_) => {}
        }
    }
    // Too many digits for a DECIMAL give NULL.
    let may_be_null = matches!(kind, TypeKind::Decimal { .. }) && !fits_decimal(&expr.ty.kind, kind);
    let ty = DataType {
        nullable: ty.nullable || may_be_null,
        ..ty
    };
    let body: Body = if is_try {
        Arc::new(move |args, cx| Ok(body(args, cx).unwrap_or_default()))
    } else {
        body
    };
    let name = if is_try { "TRY_CAST" } else { "CAST" };
    Expr {
        ty,
        node: Node::Call(Call {
            name,
            args: vec![expr],
            strict: true,
            deterministic: true,
            body,
        }),
    }
}

fn fits_decimal(from: &TypeKind, to: &TypeKind) -> bool {
    match (from.as_decimal(), to) {
        (Some((p, s)), TypeKind::Decimal { precision, scale }) => s <= *scale && p - s <= precision - scale,
        _ => false,
    }
}

/// Whether the cast looks at neither clock nor zone, so that a constant can be cast once.
fn cast_is_pure(from: &TypeKind, to: &TypeKind) -> bool {
    let zoned = |kind: &TypeKind| matches!(kind, TypeKind::TimestampLtz(_) | TypeKind::Time(_));
    !zoned(from) && !zoned(to)
}
