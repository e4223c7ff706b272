//! COALESCE, NULLIF, IF and the rest that choose, and the tests of truth.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Args, Bound, Def, MANY, Problem, cast_expr, def};
use crate::ast::IsWhat;
use crate::cast::common_type;
use crate::eval::{Body, Call, Expr, Node};
use crate::types::{DataType, TypeKind};
use crate::value::Value;

pub(super) const DEFS: &[Def] = &[
    def("COALESCE", 1, MANY, coalesce),
    def("NULLIF", 2, 2, nullif),
    def("IF", 3, 3, if_else),
    def("IFNULL", 2, 2, coalesce),
    def("GREATEST", 1, MANY, greatest),
    def("LEAST", 1, MANY, least),
    def("TYPEOF", 1, 2, typeof_),
];

/// The type all expressions meet at.
pub(crate) fn common(exprs: &[Expr], what: &str) -> Result<DataType, Problem> {
    let mut ty = exprs[0].ty.clone();
    for (index, expr) in exprs.iter().enumerate().skip(1) {
        ty = match common_type(&ty, &expr.ty) {
            Some(common) => common,
            None => {
                let message = format!("{what} mixes {} and {}", ty.kind, expr.ty.kind);
                let hint = format!("bring both to one type, such as CAST(… AS {})", ty.kind);
                return Err(Problem {
                    message,
                    hint,
                    arg: Some(index),
                });
            }
        };
    }
    Ok(ty)
}

fn coalesce(args: Args) -> Bound {
    let ty = common(&args.list, &format!("`{}`", args.name))?;
    let nullable = args.list.iter().all(|arg| arg.ty.nullable);
    let terms = args
        .list
        .into_iter()
        .map(|arg| cast_expr(arg, &ty.kind, false))
        .collect();
    Ok(Expr {
        ty: ty.with_nullable(nullable),
        node: Node::Coalesce(terms),
    })
}

fn nullif(args: Args) -> Bound {
    let ty = args.list[0].ty.clone().with_nullable(true);
    if common_type(&args.list[0].ty, &args.list[1].ty).is_none() {
        let message = format!("`NULLIF` compares {} with {}", args.kind(0), args.kind(1));
        return Problem::new(message, format!("write CAST(… AS {})", args.kind(0)));
    }
    args.build_as(ty, false, true, |a, _| {
        let equal = !a[0].is_null() && a[0].compare(&a[1]) == Some(Ordering::Equal);
        Ok(if equal { Value::Null } else { a[0].clone() })
    })
}

fn if_else(mut args: Args) -> Bound {
    args.boolean(0)?;
    let ty = common(&args.list[1..], "`IF`")?;
    let mut list = args.list.into_iter().map(Some).collect::<Vec<_>>();
    let mut take = |index: usize| list[index].take().expect("each argument is taken once");
    let (when, then, otherwise) = (take(0), take(1), take(2));
    let then = cast_expr(then, &ty.kind, false);
    let otherwise = cast_expr(otherwise, &ty.kind, false);
    Ok(Expr {
        ty,
        node: Node::Case(vec![(when, then)], Box::new(otherwise)),
    })
}

fn greatest(args: Args) -> Bound {
    extreme(args, Ordering::Greater)
}

fn least(args: Args) -> Bound {
    extreme(args, Ordering::Less)
}

fn extreme(mut args: Args, wanted: Ordering) -> Bound {
    let ty = common(&args.list, &format!("`{}`", args.name))?;
    (0..args.len()).for_each(|index| args.cast_to(index, ty.kind.clone()));
    args.build(ty.kind, move |a, _| {
        let mut best = &a[0];
        for value in &a[1..] {
            if value.compare(best) == Some(wanted) {
                best = value;
            }
        }
        Ok(best.clone())
    })
}

fn typeof_(args: Args) -> Bound {
    let name = args.list[0].ty.to_string();
    Ok(Expr::literal(Value::string(name), DataType::not_null(TypeKind::STRING)))
}

fn test(name: &'static str, args: Vec<Expr>, body: Body) -> Expr {
    let ty = DataType::not_null(TypeKind::Boolean);
    Expr {
        ty,
        node: Node::Call(Call {
            name,
            args,
            strict: false,
            deterministic: true,
            body,
        }),
    }
}

pub(crate) fn is_null(expr: Expr, negated: bool) -> Expr {
    let name = if negated { "IS NOT NULL" } else { "IS NULL" };
    test(
        name,
        vec![expr],
        Arc::new(move |args, _| Ok(Value::Boolean(args[0].is_null() != negated))),
    )
}

pub(crate) fn is_truth(expr: Expr, what: IsWhat, negated: bool) -> Expr {
    let (name, wanted) = match (what, negated) {
        (IsWhat::True, false) => ("IS TRUE", Some(true)),
        (IsWhat::True, true) => ("IS NOT TRUE", Some(true)),
        (IsWhat::False, false) => ("IS FALSE", Some(false)),
        (IsWhat::False, true) => ("IS NOT FALSE", Some(false)),
        (_, false) => ("IS UNKNOWN", None),
        (_, true) => ("IS NOT UNKNOWN", None),
    };
    test(
        name,
        vec![expr],
        Arc::new(move |args, _| Ok(Value::Boolean((args[0].as_bool() == wanted) != negated))),
    )
}

pub(crate) fn is_distinct(left: Expr, right: Expr, negated: bool) -> Expr {
    let name = if negated {
        "IS NOT DISTINCT FROM"
    } else {
        "IS DISTINCT FROM"
    };
    test(
        name,
        vec![left, right],
        Arc::new(move |args, _| Ok(Value::Boolean(args[0].same(&args[1]) == negated))),
    )
}

pub(crate) fn not(expr: Expr) -> Expr {
    let ty = expr.ty.clone();
    let body: Body = Arc::new(|args, _| Ok(args[0].as_bool().map_or(Value::Null, |value| Value::Boolean(!value))));
    Expr {
        ty,
        node: Node::Call(Call {
            name: "NOT",
            args: vec![expr],
            strict: true,
            deterministic: true,
            body,
        }),
    }
}
