//! Arrays, maps and rows: making them, looking into them, and functions over them.

use std::sync::Arc;

use super::{Args, Bound, Def, MANY, Problem, cast_expr, def, int, text};
use crate::cast::common_type;
use crate::eval::{Body, Call, EvalError, Expr, Node};
use crate::functions::conditional::common;
use crate::types::{DataType, Field, TypeKind};
use crate::value::Value;

pub(super) const DEFS: &[Def] = &[
    def("CARDINALITY", 1, 1, cardinality),
    def("ELEMENT", 1, 1, element),
    def("ARRAY_CONTAINS", 2, 2, array_contains),
    def("ARRAY_POSITION", 2, 2, array_position),
    def("ARRAY_DISTINCT", 1, 1, array_distinct),
    def("ARRAY_REVERSE", 1, 1, array_reverse),
    def("ARRAY_REMOVE", 2, 2, array_remove),
    def("ARRAY_APPEND", 2, 2, array_append),
    def("ARRAY_PREPEND", 2, 2, array_prepend),
    def("ARRAY_CONCAT", 1, MANY, array_concat),
    def("ARRAY_MAX", 1, 1, array_max),
    def("ARRAY_MIN", 1, 1, array_min),
    def("ARRAY_JOIN", 2, 3, array_join),
    def("ARRAY_SLICE", 2, 3, array_slice),
    def("ARRAY_SORT", 1, 1, array_sort),
    def("ARRAY_UNION", 2, 2, array_union),
    def("ARRAY_INTERSECT", 2, 2, array_intersect),
    def("ARRAY_EXCEPT", 2, 2, array_except),
    def("MAP_KEYS", 1, 1, map_keys),
    def("MAP_VALUES", 1, 1, map_values),
    def("MAP_ENTRIES", 1, 1, map_entries),
    def("MAP_FROM_ARRAYS", 2, 2, map_from_arrays),
];

fn construct(name: &'static str, args: Vec<Expr>, kind: TypeKind, body: Body) -> Expr {
    let ty = DataType::not_null(kind);
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

/// `ROW(a, b)`.
pub(crate) fn row(items: Vec<Expr>) -> Expr {
    let field = |(index, item): (usize, &Expr)| Field {
        name: format!("EXPR${index}"),
        ty: item.ty.clone(),
    };
    let fields = items.iter().enumerate().map(field).collect();
    construct(
        "ROW",
        items,
        TypeKind::Row(fields),
        Arc::new(|args, _| Ok(Value::Row(Arc::new(args.to_vec())))),
    )
}

/// `ARRAY[a, b]`.
pub(crate) fn array(items: Vec<Expr>) -> Bound {
    if items.is_empty() {
        return Problem::new("an ARRAY without elements has no type", "write CAST(NULL AS ARRAY<…>)");
    }
    let ty = common(&items, "ARRAY[…]")?;
    let items = items.into_iter().map(|item| cast_expr(item, &ty.kind, false)).collect();
    let kind = TypeKind::Array(Box::new(ty));
    Ok(construct(
        "ARRAY",
        items,
        kind,
        Arc::new(|args, _| Ok(Value::Array(Arc::new(args.to_vec())))),
    ))
}

/// `MAP[k, v, …]`.
pub(crate) fn map(items: Vec<Expr>) -> Bound {
    if items.is_empty() || items.len() % 2 == 1 {
        return Problem::new("MAP[…] takes keys and values in turn", "write MAP['k1', v1, 'k2', v2]");
    }
    let keys: Vec<Expr> = items.iter().step_by(2).cloned().collect();
    let values: Vec<Expr> = items.iter().skip(1).step_by(2).cloned().collect();
    let (key, value) = (
        common(&keys, "the keys of MAP[…]")?,
        common(&values, "the values of MAP[…]")?,
    );
    let cast =
        |(index, item): (usize, Expr)| cast_expr(item, if index % 2 == 0 { &key.kind } else { &value.kind }, false);
    let items = items.into_iter().enumerate().map(cast).collect();
    let kind = TypeKind::Map(Box::new(key), Box::new(value));
    let body: Body = Arc::new(|args, _| {
        let entries = args
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect();
        Ok(Value::Map(Arc::new(entries)))
    });
    Ok(construct("MAP", items, kind, body))
}

/// `array[1]` or `map['k']`: NULL when it is not there.
pub(crate) fn element_at(container: Expr, index: Expr) -> Bound {
    match container.ty.kind.clone() {
        TypeKind::Array(element) => {
            if !index.ty.kind.is_integer() {
                return Problem::new(
                    format!("an array's index is an integer, not {}", index.ty.kind),
                    "the first element is [1]",
                );
            }
            if index
                .as_literal()
                .and_then(Value::as_int)
                .is_some_and(|index| index < 1)
            {
                return Problem::new("arrays begin at 1 in Flink", "the first element is [1]");
            }
            Args {
                name: "ITEM",
                list: vec![container, index],
            }
            .build_nullable(element.kind, |a, _| match &a[0] {
                Value::Array(items) => {
                    let index = int(&a[1]);
                    if index < 1 {
                        return Err(EvalError::new(format!("array index {index}: arrays begin at 1")));
                    }
                    Ok(items.get(index as usize - 1).cloned().unwrap_or_default())
                }
                _ => Ok(Value::Null),
            })
        }
        TypeKind::Map(key, value) => {
            if common_type(&key, &index.ty).is_none() {
                return Problem::new(
                    format!("the map's keys are {}, not {}", key.kind, index.ty.kind),
                    format!("write [CAST(… AS {})]", key.kind),
                );
            }
            Args {
                name: "ITEM",
                list: vec![container, index],
            }
            .build_nullable(value.kind, |a, _| match &a[0] {
                Value::Map(entries) => {
                    let found = entries.iter().find(|(key, _)| key.same(&a[1]));
                    Ok(found.map(|(_, value)| value.clone()).unwrap_or_default())
                }
                _ => Ok(Value::Null),
            })
        }
        TypeKind::Row(fields) => match index.as_literal() {
            Some(Value::Int(position)) if *position >= 1 && *position as usize <= fields.len() => {
                let at = *position as usize - 1;
                let field = &fields[at];
                let ty = field
                    .ty
                    .clone()
                    .with_nullable(field.ty.nullable || container.ty.nullable);
                Ok(Expr {
                    ty,
                    node: Node::Field(Box::new(container), at, field.name.as_str().into()),
                })
            }
            _ => Problem::new("a ROW's field is named, not indexed", "write row.field"),
        },
        other if other.is_string() => Problem::new(
            format!("{other} has no elements to index"),
            "for JSON text write JSON_VALUE(x, '$.a[0]'); for a character SUBSTRING(x, 1, 1)",
        ),
        other => Problem::new(
            format!("{other} has no elements to index"),
            "only ARRAY, MAP and ROW have",
        ),
    }
}

impl Args {
    fn array(&self, index: usize) -> Result<DataType, Problem> {
        match self.kind(index) {
            TypeKind::Array(element) => Ok((**element).clone()),
            other => {
                let message = format!(
                    "argument {} of `{}` must be an ARRAY, not {other}",
                    index + 1,
                    self.name
                );
                Err(Problem {
                    message,
                    hint: "pass an array column, or ARRAY[…]".to_owned(),
                    arg: Some(index),
                })
            }
        }
    }

    fn map(&self, index: usize) -> Result<(DataType, DataType), Problem> {
        match self.kind(index) {
            TypeKind::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
            other => {
                let message = format!("argument {} of `{}` must be a MAP, not {other}", index + 1, self.name);
                Err(Problem {
                    message,
                    hint: "pass a map column, or MAP[k, v]".to_owned(),
                    arg: Some(index),
                })
            }
        }
    }

    /// The array's element type, to which argument `index` is cast.
    fn element(&mut self, index: usize) -> Result<DataType, Problem> {
        let element = self.array(0)?;
        match common_type(&element, &self.list[index].ty) {
            Some(common) => {
                self.cast_to(index, common.kind);
                Ok(element)
            }
            None => {
                let message = format!(
                    "`{}` looks for {} among {}",
                    self.name, self.list[index].ty.kind, element.kind
                );
                Err(Problem {
                    message,
                    hint: format!("write CAST(… AS {})", element.kind),
                    arg: Some(index),
                })
            }
        }
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

fn entries(value: &Value) -> &[(Value, Value)] {
    match value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

fn array_value(items: Vec<Value>) -> Value {
    Value::Array(Arc::new(items))
}

fn contains(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| item.same(wanted))
}

fn cardinality(args: Args) -> Bound {
    if !matches!(
        args.kind(0),
        TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Multiset(_)
    ) {
        let message = format!("`CARDINALITY` counts an ARRAY or MAP, not {}", args.kind(0));
        return Problem::new(message, "for a string write CHAR_LENGTH(x)");
    }
    args.build(TypeKind::Int, |a, _| {
        Ok(Value::Int((items(&a[0]).len() + entries(&a[0]).len()) as i64))
    })
}

fn element(args: Args) -> Bound {
    let element = args.array(0)?;
    args.build_nullable(element.kind, |a, _| match items(&a[0]) {
        [] => Ok(Value::Null),
        [one] => Ok(one.clone()),
        _ => Err(EvalError::new("ELEMENT of an array with more than one element")),
    })
}

fn array_contains(mut args: Args) -> Bound {
    args.element(1)?;
    let ty = DataType {
        kind: TypeKind::Boolean,
        nullable: args.list[0].ty.nullable,
    };
    args.build_as(ty, false, true, |a, _| match &a[0] {
        Value::Array(items) => Ok(Value::Boolean(contains(items, &a[1]))),
        _ => Ok(Value::Null),
    })
}

fn array_position(mut args: Args) -> Bound {
    args.element(1)?;
    args.build(TypeKind::Int, |a, _| {
        Ok(Value::Int(
            items(&a[0])
                .iter()
                .position(|item| item.same(&a[1]))
                .map_or(0, |at| at as i64 + 1),
        ))
    })
}

fn same_array(args: Args, body: fn(&[Value]) -> Vec<Value>) -> Bound {
    args.array(0)?;
    let kind = args.kind(0).clone();
    args.build(kind, move |a, _| Ok(array_value(body(items(&a[0])))))
}

fn distinct(items: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        if !contains(&kept, item) {
            kept.push(item.clone());
        }
    }
    kept
}

fn array_distinct(args: Args) -> Bound {
    same_array(args, distinct)
}

fn array_reverse(args: Args) -> Bound {
    same_array(args, |items| items.iter().rev().cloned().collect())
}

fn array_sort(args: Args) -> Bound {
    same_array(args, |items| {
        let mut sorted = items.to_vec();
        sorted.sort_by(|a, b| match (a.is_null(), b.is_null()) {
            (false, false) => a.compare(b).unwrap_or(std::cmp::Ordering::Equal),
            (a_null, b_null) => b_null.cmp(&a_null),
        });
        sorted
    })
}

/// An array with one more or less element.
fn with_element(mut args: Args, body: fn(&[Value], &Value) -> Vec<Value>) -> Bound {
    args.element(1)?;
    let element = args.array(0)?;
    let element = element
        .clone()
        .with_nullable(element.nullable || args.list[1].ty.nullable);
    let ty = DataType {
        kind: TypeKind::Array(Box::new(element)),
        nullable: args.list[0].ty.nullable,
    };
    args.build_as(ty, false, true, move |a, _| {
        Ok(if a[0].is_null() {
            Value::Null
        } else {
            array_value(body(items(&a[0]), &a[1]))
        })
    })
}

fn array_remove(args: Args) -> Bound {
    with_element(args, |items, gone| {
        items.iter().filter(|item| !item.same(gone)).cloned().collect()
    })
}

fn array_append(args: Args) -> Bound {
    with_element(args, |items, last| {
        items.iter().chain(std::iter::once(last)).cloned().collect()
    })
}

fn array_prepend(args: Args) -> Bound {
    with_element(args, |items, first| {
        std::iter::once(first).chain(items).cloned().collect()
    })
}

fn arrays(mut args: Args, body: fn(&[Value]) -> Vec<Value>) -> Bound {
    (0..args.len()).try_for_each(|index| args.array(index).map(drop))?;
    let ty = common(&args.list, &format!("`{}`", args.name))?;
    (0..args.len()).for_each(|index| args.cast_to(index, ty.kind.clone()));
    args.build(ty.kind, move |a, _| Ok(array_value(body(a))))
}

fn array_concat(args: Args) -> Bound {
    arrays(args, |all| all.iter().flat_map(items).cloned().collect())
}

fn array_union(args: Args) -> Bound {
    arrays(args, |all| {
        distinct(&all.iter().flat_map(items).cloned().collect::<Vec<_>>())
    })
}

fn array_intersect(args: Args) -> Bound {
    arrays(args, |all| {
        distinct(items(&all[0]))
            .into_iter()
            .filter(|item| contains(items(&all[1]), item))
            .collect()
    })
}

fn array_except(args: Args) -> Bound {
    arrays(args, |all| {
        distinct(items(&all[0]))
            .into_iter()
            .filter(|item| !contains(items(&all[1]), item))
            .collect()
    })
}

fn array_extreme(args: Args, wanted: std::cmp::Ordering) -> Bound {
    let element = args.array(0)?;
    args.build_nullable(element.kind, move |a, _| {
        let mut best = &Value::Null;
        for item in items(&a[0]) {
            if !item.is_null() && (best.is_null() || item.compare(best) == Some(wanted)) {
                best = item;
            }
        }
        Ok(best.clone())
    })
}

fn array_max(args: Args) -> Bound {
    array_extreme(args, std::cmp::Ordering::Greater)
}

fn array_min(args: Args) -> Bound {
    array_extreme(args, std::cmp::Ordering::Less)
}

fn array_join(mut args: Args) -> Bound {
    let element = args.array(0)?;
    if !element.kind.is_string() {
        return Problem::new(
            format!("`ARRAY_JOIN` joins strings, not {}", element.kind),
            "write CAST(x AS ARRAY<STRING>)",
        );
    }
    (1..args.len()).try_for_each(|index| args.string(index))?;
    args.build(TypeKind::STRING, |a, _| {
        let shown = items(&a[0])
            .iter()
            .filter_map(|item| item.as_str().or(a.get(2).map(text)));
        Ok(Value::string(shown.collect::<Vec<_>>().join(text(&a[1]))))
    })
}

fn array_slice(mut args: Args) -> Bound {
    args.array(0)?;
    (1..args.len()).try_for_each(|index| args.integer(index))?;
    let kind = args.kind(0).clone();
    args.build(kind, |a, _| {
        let all = items(&a[0]);
        let count = all.len() as i64;
        let place = |index: i64| if index < 0 { count + index + 1 } else { index.max(1) };
        let (start, end) = (
            place(int(&a[1])).max(1),
            a.get(2).map_or(count, |end| place(int(end))).min(count),
        );
        Ok(array_value(if start > end {
            Vec::new()
        } else {
            all[start as usize - 1..end as usize].to_vec()
        }))
    })
}

fn map_keys(args: Args) -> Bound {
    let (key, _) = args.map(0)?;
    args.build(TypeKind::Array(Box::new(key)), |a, _| {
        Ok(array_value(entries(&a[0]).iter().map(|(key, _)| key.clone()).collect()))
    })
}

fn map_values(args: Args) -> Bound {
    let (_, value) = args.map(0)?;
    args.build(TypeKind::Array(Box::new(value)), |a, _| {
        Ok(array_value(
            entries(&a[0]).iter().map(|(_, value)| value.clone()).collect(),
        ))
    })
}

fn map_entries(args: Args) -> Bound {
    let (key, value) = args.map(0)?;
    let fields = vec![
        Field {
            name: "key".to_owned(),
            ty: key,
        },
        Field {
            name: "value".to_owned(),
            ty: value,
        },
    ];
    args.build(
        TypeKind::Array(Box::new(DataType::not_null(TypeKind::Row(fields)))),
        |a, _| {
            let rows = entries(&a[0])
                .iter()
                .map(|(key, value)| Value::Row(Arc::new(vec![key.clone(), value.clone()])));
            Ok(array_value(rows.collect()))
        },
    )
}

fn map_from_arrays(args: Args) -> Bound {
    let (key, value) = (args.array(0)?, args.array(1)?);
    args.build(TypeKind::Map(Box::new(key), Box::new(value)), |a, _| {
        let (keys, values) = (items(&a[0]), items(&a[1]));
        if keys.len() != values.len() {
            return Err(EvalError::new(format!(
                "MAP_FROM_ARRAYS got {} keys and {} values",
                keys.len(),
                values.len()
            )));
        }
        Ok(Value::Map(Arc::new(
            keys.iter().cloned().zip(values.iter().cloned()).collect(),
        )))
    })
}
