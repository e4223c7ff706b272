//! `+ - * / %` over numbers, dates and intervals, with Flink's result types.

use std::sync::Arc;

use super::{Bound, Problem, cast_expr};
use crate::ast::BinaryOp;
use crate::cast::wrap;
use crate::decimal::Decimal;
use crate::eval::{Body, Call, Computed, EvalContext, EvalError, Expr, Node};
use crate::temporal;
use crate::types::{DataType, TypeKind};
use crate::value::{Moment, Value};

fn call(op: &'static str, left: Expr, right: Expr, ty: DataType, body: Body) -> Expr {
    Expr {
        ty,
        node: Node::Call(Call {
            name: op,
            args: vec![left, right],
            strict: true,
            deterministic: true,
            body,
        }),
    }
}

/// `left op right`.
pub(crate) fn arithmetic(op: BinaryOp, left: Expr, right: Expr) -> Bound {
    use TypeKind::*;
    let nullable = left.ty.nullable || right.ty.nullable;
    let (a, b) = (left.ty.kind.clone(), right.ty.kind.clone());
    if a == Null && b == Null {
        return Ok(Expr::literal(Value::Null, DataType::new(Null)));
    }
    // A bare NULL takes the other side's type.
    let (a, b) = match (a, b) {
        (Null, b) => (b.clone(), b),
        (a, Null) => (a.clone(), a),
        both => both,
    };
    if a.is_numeric() && b.is_numeric() {
        let kind = result_kind(op, &a, &b);
        return Ok(numeric(op, left, right, kind, nullable));
    }
    if a.is_interval() || b.is_interval() {
        return interval_arithmetic(op, left, right, &a, &b, nullable);
    }
    if op == BinaryOp::Sub && a.is_temporal() && b.is_temporal() {
        return Problem::new(
            format!("`{a} - {b}` has no meaning in Flink"),
            "write TIMESTAMPDIFF(SECOND, earlier, later)",
        );
    }
    if op == BinaryOp::Add && (a.is_string() || b.is_string()) {
        return Problem::new(format!("`+` does not join strings ({a} + {b})"), "write a || b");
    }
    let hint = match (a.is_string(), b.is_string()) {
        (true, _) | (_, true) => "make the string a number first: CAST(x AS DOUBLE)",
        _ if a.is_temporal() || b.is_temporal() => "add an interval: ts + INTERVAL '5' SECOND",
        _ => "both sides must be numbers",
    };
    Problem::new(format!("`{}` does not take {a} and {b}", op.as_str()), hint)
}

/// Flink's result type of arithmetic between two numeric types.
fn result_kind(op: BinaryOp, a: &TypeKind, b: &TypeKind) -> TypeKind {
    use TypeKind::*;
    if op == BinaryOp::Mod && !matches!((a, b), (Decimal { .. }, _) | (_, Decimal { .. })) {
        return b.clone();
    }
    match (a, b) {
        // The left side decides between the two, as measured.
        (Float, Float | Double) => Float,
        (Float | Double, Decimal { .. }) | (Decimal { .. }, Float | Double) => Double,
        (Double, _) | (_, Double) => Double,
        (Float, _) | (_, Float) => Float,
        (x, y) if x.is_integer() && y.is_integer() => {
            if x.as_decimal() >= y.as_decimal() {
                x.clone()
            } else {
                y.clone()
            }
        }
        (x, y) => {
            let (p1, s1) = x.as_decimal().unwrap_or((38, 0));
            let (p2, s2) = y.as_decimal().unwrap_or((38, 0));
            decimal_result(op, (i32::from(p1), i32::from(s1)), (i32::from(p2), i32::from(s2)))
        }
    }
}

fn decimal_result(op: BinaryOp, (p1, s1): (i32, i32), (p2, s2): (i32, i32)) -> TypeKind {
    let (precision, scale) = match op {
        BinaryOp::Mul => (p1 + p2 + 1, s1 + s2),
        BinaryOp::Div => {
            let scale = (s1 + p2 + 1).max(6);
            (p1 - s1 + s2 + scale, scale)
        }
        BinaryOp::Mod => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
        _ => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
    };
    if precision <= 38 {
        return TypeKind::Decimal {
            precision: precision as u8,
            scale: scale as u8,
        };
    }
    // Too wide: the whole digits are kept, and of the fraction at least six.
    let scale = (38 - (precision - scale)).max(scale.min(6));
    TypeKind::Decimal {
        precision: 38,
        scale: scale as u8,
    }
}

fn numeric(op: BinaryOp, left: Expr, right: Expr, kind: TypeKind, nullable: bool) -> Expr {
    let name = op.as_str();
    match &kind {
        TypeKind::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            let body: Body = Arc::new(move |args, _| decimal_op(op, args, precision, scale));
            // A result that does not fit is NULL.
            call(name, left, right, DataType::new(kind), body)
        }
        TypeKind::Double => {
            let body: Body = Arc::new(move |args, _| {
                let (a, b) = (
                    args[0].as_f64().unwrap_or(f64::NAN),
                    args[1].as_f64().unwrap_or(f64::NAN),
                );
                double_op(op, a, b).map(Value::Double)
            });
            call(name, left, right, DataType { kind, nullable }, body)
        }
        TypeKind::Float => {
            let body: Body = Arc::new(move |args, _| {
                let (a, b) = (
                    args[0].as_f64().unwrap_or(f64::NAN),
                    args[1].as_f64().unwrap_or(f64::NAN),
                );
                double_op(op, a, b).map(|value| Value::Float(value as f32))
            });
            call(name, left, right, DataType { kind, nullable }, body)
        }
        _ => {
            let width = kind.clone();
            let left = if left.ty.kind.is_integer() {
                left
            } else {
                cast_expr(left, &TypeKind::BigInt, false)
            };
            let right = if right.ty.kind.is_integer() {
                right
            } else {
                cast_expr(right, &TypeKind::BigInt, false)
            };
            let body: Body = Arc::new(move |args, _| {
                let (Value::Int(a), Value::Int(b)) = (&args[0], &args[1]) else {
                    return Ok(Value::Null);
                };
                int_op(op, *a, *b).map(|value| Value::Int(wrap(value, &width)))
            });
            call(name, left, right, DataType { kind, nullable }, body)
        }
    }
}

fn by_zero() -> EvalError {
    EvalError::new("division by zero; guard it: CASE WHEN d <> 0 THEN n / d END, or n / NULLIF(d, 0)")
}

fn int_op(op: BinaryOp, a: i64, b: i64) -> Result<i64, EvalError> {
    Ok(match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        _ if b == 0 => return Err(by_zero()),
        BinaryOp::Div => a.wrapping_div(b),
        _ => a.wrapping_rem(b),
    })
}

fn double_op(op: BinaryOp, a: f64, b: f64) -> Result<f64, EvalError> {
    Ok(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        _ if b == 0.0 => return Err(by_zero()),
        BinaryOp::Div => a / b,
        _ => a % b,
    })
}

fn decimal_op(op: BinaryOp, args: &[Value], precision: u8, scale: u8) -> Computed {
    let (Some(a), Some(b)) = (args[0].as_decimal(), args[1].as_decimal()) else {
        return Ok(Value::Null);
    };
    let result: Option<Decimal> = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_add(b.negate()),
        BinaryOp::Mul => a.multiply(b, scale),
        _ if b.is_zero() => return Err(by_zero()),
        BinaryOp::Div => a.divide(b, scale),
        _ => a.remainder(b),
    };
    Ok(result
        .and_then(|value| value.fit(precision, scale))
        .map_or(Value::Null, Value::Decimal))
}

/// `-expr`.
pub(crate) fn negate(expr: Expr) -> Bound {
    let kind = expr.ty.kind.clone();
    if let Some(value) = expr.as_literal() {
        let negative = match value {
            Value::Int(value) => Value::Int(wrap(value.wrapping_neg(), &kind)),
            Value::Decimal(value) => Value::Decimal(value.negate()),
            Value::Double(value) => Value::Double(-value),
            Value::IntervalMonths(value) => Value::IntervalMonths(-value),
            Value::IntervalMillis(value) => Value::IntervalMillis(-value),
            _ => Value::Null,
        };
        if !negative.is_null() || value.is_null() {
            return Ok(Expr::literal(negative, expr.ty));
        }
    }
    if !kind.is_numeric() && !kind.is_interval() {
        return Problem::new(
            format!("`-` does not take {kind}"),
            "only numbers and intervals can be negative",
        );
    }
    let width = kind.clone();
    let body: Body = Arc::new(move |args: &[Value], _: &EvalContext| {
        Ok(match &args[0] {
            Value::Int(value) => Value::Int(wrap(value.wrapping_neg(), &width)),
            Value::Float(value) => Value::Float(-value),
            Value::Double(value) => Value::Double(-value),
            Value::Decimal(value) => Value::Decimal(value.negate()),
            Value::IntervalMonths(value) => Value::IntervalMonths(value.wrapping_neg()),
            Value::IntervalMillis(value) => Value::IntervalMillis(value.wrapping_neg()),
            _ => Value::Null,
        })
    });
    let ty = expr.ty.clone();
    Ok(Expr {
        ty,
        node: Node::Call(Call {
            name: "-",
            args: vec![expr],
            strict: true,
            deterministic: true,
            body,
        }),
    })
}

fn interval_arithmetic(op: BinaryOp, left: Expr, right: Expr, a: &TypeKind, b: &TypeKind, nullable: bool) -> Bound {
    use TypeKind::*;
    let name = op.as_str();
    let refuse = || {
        Problem::new(
            format!("`{name}` does not take {a} and {b}"),
            "write ts + INTERVAL '5' MINUTE, or INTERVAL '1' DAY * n",
        )
    };
    match (op, a, b) {
        (BinaryOp::Add, _, _) if a.is_interval() && b.is_temporal() => {
            interval_arithmetic(op, right, left, b, a, nullable)
        }
        (BinaryOp::Add | BinaryOp::Sub, _, _) if a.is_temporal() && b.is_interval() => {
            let sign = if op == BinaryOp::Add { 1 } else { -1 };
            // A date moved by hours becomes a timestamp.
            let kind = if matches!((a, b), (Date, IntervalDayTime)) && !is_whole_days(&right) {
                Timestamp(3)
            } else {
                a.clone()
            };
            let result = kind.clone();
            let body: Body = Arc::new(move |args, _| Ok(shift(&args[0], &args[1], sign, &result).unwrap_or_default()));
            Ok(call(name, left, right, DataType { kind, nullable }, body))
        }
        (BinaryOp::Add | BinaryOp::Sub, _, _) if a == b => {
            let body: Body = Arc::new(move |args, _| {
                let sign = if op == BinaryOp::Add { 1 } else { -1 };
                Ok(match (&args[0], &args[1]) {
                    (Value::IntervalMonths(x), Value::IntervalMonths(y)) => Value::IntervalMonths(x + sign * y),
                    (Value::IntervalMillis(x), Value::IntervalMillis(y)) => Value::IntervalMillis(x + sign * y),
                    _ => Value::Null,
                })
            });
            Ok(call(
                name,
                left,
                right,
                DataType {
                    kind: a.clone(),
                    nullable,
                },
                body,
            ))
        }
        (BinaryOp::Mul, _, _) if a.is_interval() && b.is_numeric() => {
            let body: Body = Arc::new(|args, _| {
                let factor = args[1].as_f64().unwrap_or_default();
                Ok(match &args[0] {
                    Value::IntervalMonths(x) => Value::IntervalMonths((*x as f64 * factor) as i64),
                    Value::IntervalMillis(x) => Value::IntervalMillis((*x as f64 * factor) as i64),
                    _ => Value::Null,
                })
            });
            Ok(call(
                name,
                left,
                right,
                DataType {
                    kind: a.clone(),
                    nullable,
                },
                body,
            ))
        }
        (BinaryOp::Mul, _, _) if b.is_interval() && a.is_numeric() => {
            interval_arithmetic(op, right, left, b, a, nullable)
        }
        _ => refuse(),
    }
}

fn is_whole_days(interval: &Expr) -> bool {
    matches!(interval.as_literal(), Some(Value::IntervalMillis(millis)) if millis % temporal::MILLIS_PER_DAY == 0)
}

fn shift(from: &Value, by: &Value, sign: i64, kind: &TypeKind) -> Option<Value> {
    let moved = |moment: Moment| match by {
        Value::IntervalMonths(months) => temporal::add_months(moment, sign * months),
        Value::IntervalMillis(millis) => temporal::add_millis(moment, sign * millis),
        _ => None,
    };
    Some(match from {
        Value::Timestamp(moment) => Value::Timestamp(moved(*moment)?),
        Value::TimestampLtz(moment) => Value::TimestampLtz(moved(*moment)?),
        Value::Date(days) => {
            let moment = moved(Moment::from_millis(i64::from(*days) * temporal::MILLIS_PER_DAY))?;
            if *kind == TypeKind::Date {
                Value::Date(temporal::date_of(moment))
            } else {
                Value::Timestamp(moment)
            }
        }
        Value::Time(millis) => Value::Time(temporal::time_of(moved(Moment::from_millis(i64::from(*millis)))?)),
        _ => return None,
    })
}
