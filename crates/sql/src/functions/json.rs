//! JSON in strings: paths, JSON_VALUE and its kin, and writing JSON.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::{Args, Bound, Def, Problem, def, shared_text, text};
use crate::ast::{JsonKind, JsonWrapper, OnJsonExists};
use crate::cast::{self, java_double};
use crate::eval::{EvalContext, EvalError, Expr};
use crate::types::{DataType, TypeKind};
use crate::value::{Text, Value};

/// How deep `..` follows a document.
const DEPTH_MAX: usize = 128;

pub(super) const DEFS: &[Def] = &[
    def("JSON_STRING", 1, 1, json_string),
    def("JSON_LENGTH", 1, 2, json_length),
    def("JSON_QUOTE", 1, 1, json_quote),
    def("JSON_UNQUOTE", 1, 1, json_unquote),
];

/// A JSON path such as `lax $.a[0]['b c']`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    lax: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    /// Negative counts from the end.
    Index(i64),
    All,
    /// `..name`, or everything below for `..*`.
    Descend(Option<String>),
}

/// What a path found.
enum Found<'a> {
    One(&'a Json),
    /// Of a path that may find several.
    Many(Vec<&'a Json>),
    Nothing,
}

impl Path {
    /// Without `lax` a path is strict, as in Flink.
    pub(crate) fn parse(source: &str) -> Result<Path, String> {
        let trimmed = source.trim();
        let (lax, rest) = match trimmed.split_once(char::is_whitespace) {
            Some((mode, rest)) if mode.eq_ignore_ascii_case("lax") => (true, rest.trim_start()),
            Some((mode, rest)) if mode.eq_ignore_ascii_case("strict") => (false, rest.trim_start()),
            _ => (false, trimmed),
        };
        let Some(mut rest) = rest.strip_prefix('$') else {
            return Err(format!("the JSON path '{source}' must begin with `$`"));
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            rest =
                step(rest, &mut steps).ok_or_else(|| format!("the JSON path '{source}' cannot be read at '{rest}'"))?;
        }
        Ok(Path { lax, steps })
    }

    fn is_definite(&self) -> bool {
        self.steps
            .iter()
            .all(|step| matches!(step, Step::Key(_) | Step::Index(_)))
    }

    fn find<'a>(&self, document: &'a Json) -> Found<'a> {
        if self.is_definite() {
            let mut at = document;
            for step in &self.steps {
                let next = match step {
                    Step::Key(key) => at.get(key.as_str()),
                    Step::Index(index) => at.as_array().and_then(|items| items.get(place(*index, items.len())?)),
                    Step::All | Step::Descend(_) => None,
                };
                match next {
                    Some(found) => at = found,
                    None => return Found::Nothing,
                }
            }
            return Found::One(at);
        }
        let mut current = vec![document];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in current {
                match step {
                    Step::Key(key) => next.extend(value.get(key.as_str())),
                    Step::Index(index) => {
                        next.extend(
                            value
                                .as_array()
                                .and_then(|items| items.get(place(*index, items.len())?)),
                        );
                    }
                    Step::All => children(value, &mut next),
                    Step::Descend(name) => descend(value, name.as_deref(), &mut next, 0),
                }
            }
            current = next;
        }
        Found::Many(current)
    }
}

fn place(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        length.checked_sub(index.unsigned_abs() as usize)
    } else {
        usize::try_from(index).ok()
    }
}

fn children<'a>(value: &'a Json, out: &mut Vec<&'a Json>) {
    match value {
        Json::Array(items) => out.extend(items),
        Json::Object(fields) => out.extend(fields.values()),
        _ => {}
    }
}

fn descend<'a>(value: &'a Json, name: Option<&str>, out: &mut Vec<&'a Json>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match name {
        Some(name) => out.extend(value.get(name)),
        None => children(value, out),
    }
    let mut below = Vec::new();
    children(value, &mut below);
    below.into_iter().for_each(|child| descend(child, name, out, depth + 1));
}

/// Reads one step; gives what follows.
fn step<'a>(rest: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    let name_length = |text: &str| text.find(['.', '[', ' ']).unwrap_or(text.len());
    if let Some(after) = rest.strip_prefix("..") {
        let length = name_length(after);
        let name = &after[..length];
        if name.is_empty() {
            return None;
        }
        steps.push(Step::Descend((name != "*").then(|| name.to_owned())));
        return Some(&after[length..]);
    }
    if let Some(after) = rest.strip_prefix('.') {
        if after.starts_with('[') {
            return Some(after);
        }
        let length = name_length(after);
        let name = &after[..length];
        if name.is_empty() {
            return None;
        }
        steps.push(if name == "*" {
            Step::All
        } else {
            Step::Key(name.trim_matches('"').to_owned())
        });
        return Some(&after[length..]);
    }
    let after = rest.strip_prefix('[')?.trim_start();
    if let Some(quote) = after.chars().next().filter(|c| *c == '\'' || *c == '"') {
        let end = after[1..].find(quote)? + 1;
        steps.push(Step::Key(after[1..end].to_owned()));
        return after[end + 1..].trim_start().strip_prefix(']');
    }
    let end = after.find(']')?;
    let inner = after[..end].trim();
    steps.push(if inner == "*" {
        Step::All
    } else {
        Step::Index(inner.parse().ok()?)
    });
    Some(&after[end + 1..])
}

/// A path argument: read now if it is a constant, as it nearly always is.
pub(crate) enum PathArg {
    Fixed(Path),
    Changing,
}

impl PathArg {
    pub(crate) fn of(expr: &Expr) -> Result<PathArg, Problem> {
        match expr.as_literal().and_then(Value::as_str) {
            Some(source) => match Path::parse(source) {
                Ok(path) => Ok(PathArg::Fixed(path)),
                Err(message) => Err(Problem {
                    message,
                    hint: "such as '$.order.items[0].name'".to_owned(),
                    arg: Some(1),
                }),
            },
            None => Ok(PathArg::Changing),
        }
    }

    fn with<T>(&self, value: &Value, using: impl FnOnce(&Path) -> T) -> Result<T, EvalError> {
        match self {
            PathArg::Fixed(path) => Ok(using(path)),
            PathArg::Changing => Path::parse(text(value))
                .map(|path| using(&path))
                .map_err(EvalError::new),
        }
    }
}

/// What to do when there is nothing, or something wrong.
#[derive(Clone)]
pub(crate) enum Fallback {
    Null,
    Error,
    /// Computed from the arguments after input and path, at this index.
    Arg(usize),
    Fixed(Value),
}

impl Fallback {
    fn give(&self, args: &[Value], what: &str, input: &str) -> Result<Value, EvalError> {
        match self {
            Fallback::Null => Ok(Value::Null),
            Fallback::Arg(index) => Ok(args[*index].clone()),
            Fallback::Fixed(value) => Ok(value.clone()),
            Fallback::Error => {
                let shown: String = input.chars().take(80).collect();
                Err(EvalError::new(format!("{what} in the JSON text '{shown}'")))
            }
        }
    }
}

pub(crate) fn check_input(args: &Args) -> Result<(), Problem> {
    for index in 0..2 {
        let kind = args.kind(index);
        if !kind.is_string() && *kind != TypeKind::Null {
            let what = if index == 0 { "the JSON" } else { "the path" };
            let hint = match kind {
                TypeKind::Row(_) | TypeKind::Map(..) => {
                    "a ROW has fields: write x.field; a MAP has keys: write x['key']".to_owned()
                }
                _ => "write CAST(… AS STRING)".to_owned(),
            };
            let message = format!("{what} given to `{}` must be a string, not {kind}", args.name);
            return Err(Problem {
                message,
                hint,
                arg: Some(index),
            });
        }
    }
    Ok(())
}

/// `JSON_VALUE(input, path RETURNING kind …)`; further arguments are what the fallbacks give.
pub(crate) fn json_value(args: Args, kind: TypeKind, on_empty: Fallback, on_error: Fallback) -> Bound {
    check_input(&args)?;
    let path = PathArg::of(&args.list[1])?;
    let result = kind.clone();
    args.build_as(DataType::new(kind), false, true, move |a, cx| {
        let Value::String(input) = &a[0] else {
            return Ok(Value::Null);
        };
        if a[1].is_null() {
            return Ok(Value::Null);
        }
        let Some(document) = cx.parse_json(input) else {
            return on_error.give(a, "there is an error", input);
        };
        let found = path.with(&a[1], |path| match path.find(&document) {
            Found::One(value) => Ok(Some(value.clone())),
            Found::Many(values) if values.len() == 1 => Ok(Some(values[0].clone())),
            Found::Many(_) => Err(()),
            Found::Nothing if path.lax => Ok(None),
            Found::Nothing => Err(()),
        })?;
        match found {
            Err(()) => on_error.give(a, "the path finds nothing", input),
            Ok(None) => on_empty.give(a, "the path finds nothing", input),
            Ok(Some(Json::Null)) => on_empty.give(a, "the path finds null", input),
            Ok(Some(value)) => match scalar(&value, &result, cx) {
                Some(value) => Ok(value),
                None => on_error.give(a, "the path finds no fitting scalar", input),
            },
        }
    })
}

/// A JSON scalar as a type; `None` for an object, an array, or what does not fit.
fn scalar(value: &Json, kind: &TypeKind, cx: &EvalContext) -> Option<Value> {
    let as_text = match value {
        Json::String(text) => Value::string(text.as_str()),
        Json::Bool(value) => match kind {
            TypeKind::Boolean => return Some(Value::Boolean(*value)),
            _ => Value::string(if *value { "true" } else { "false" }),
        },
        Json::Number(number) => match (kind, number.as_i64()) {
            (TypeKind::Double, _) => return number.as_f64().map(Value::Double),
            (_, Some(number)) => Value::string(number.to_string()),
            _ => Value::string(number_text(number)),
        },
        _ => return None,
    };
    if kind.is_string() {
        return Some(as_text);
    }
    cast::cast(&as_text, &TypeKind::STRING, kind, cx)
        .ok()
        .filter(|value| !value.is_null())
}

fn number_text(number: &serde_json::Number) -> String {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(_), _, _) | (_, Some(_), _) => number.to_string(),
        (_, _, Some(double)) => java_double(double),
        _ => number.to_string(),
    }
}

/// `JSON_QUERY(input, path …)`: JSON text, or an array of strings.
pub(crate) fn json_query(
    args: Args,
    as_array: bool,
    wrapper: JsonWrapper,
    on_empty: Fallback,
    on_error: Fallback,
) -> Bound {
    check_input(&args)?;
    let path = PathArg::of(&args.list[1])?;
    let kind = if as_array {
        TypeKind::Array(Box::new(DataType::string()))
    } else {
        TypeKind::STRING
    };
    args.build_as(DataType::new(kind), false, true, move |a, cx| {
        let Value::String(input) = &a[0] else {
            return Ok(Value::Null);
        };
        if a[1].is_null() {
            return Ok(Value::Null);
        }
        let Some(document) = cx.parse_json(input) else {
            return on_error.give(a, "there is an error", input);
        };
        let found = path.with(&a[1], |path| match path.find(&document) {
            Found::One(value) => Ok(Some(value.clone())),
            Found::Many(values) => Ok(Some(Json::Array(values.into_iter().cloned().collect()))),
            Found::Nothing if path.lax => Ok(None),
            Found::Nothing => Err(()),
        })?;
        let value = match found {
            Err(()) => return on_error.give(a, "the path finds nothing", input),
            Ok(None | Some(Json::Null)) => return on_empty.give(a, "the path finds nothing", input),
            Ok(Some(value)) => value,
        };
        let is_container = value.is_array() || value.is_object();
        let wrapped = match wrapper {
            JsonWrapper::Unconditional => Json::Array(vec![value]),
            JsonWrapper::Conditional if !is_container => Json::Array(vec![value]),
            JsonWrapper::Without if !is_container => return on_error.give(a, "the path finds a scalar", input),
            _ => value,
        };
        Ok(match (as_array, &wrapped) {
            (true, Json::Array(items)) => Value::Array(Arc::new(items.iter().map(item_text).collect())),
            (true, _) => return on_error.give(a, "the path finds no array", input),
            (false, json) => Value::string(json.to_string()),
        })
    })
}

fn item_text(item: &Json) -> Value {
    match item {
        Json::Null => Value::Null,
        Json::String(text) => Value::string(text.as_str()),
        other => Value::string(other.to_string()),
    }
}

pub(crate) fn json_exists(args: Args, on_error: OnJsonExists) -> Bound {
    check_input(&args)?;
    let path = PathArg::of(&args.list[1])?;
    args.build_as(DataType::new(TypeKind::Boolean), true, true, move |a, cx| {
        let wrong = || match on_error {
            OnJsonExists::True => Ok(Value::Boolean(true)),
            OnJsonExists::False => Ok(Value::Boolean(false)),
            OnJsonExists::Unknown => Ok(Value::Null),
            OnJsonExists::Error => Err(EvalError::new("JSON_EXISTS: the path finds nothing")),
        };
        let Some(document) = cx.parse_json(&shared_text(&a[0])) else {
            return wrong();
        };
        let found = path.with(&a[1], |path| match path.find(&document) {
            Found::One(_) => Some(true),
            Found::Many(values) => Some(!values.is_empty()),
            Found::Nothing if path.lax => Some(false),
            Found::Nothing => None,
        })?;
        found.map_or_else(wrong, |found| Ok(Value::Boolean(found)))
    })
}

pub(crate) fn is_json(expr: Expr, what: JsonKind, negated: bool) -> Bound {
    let args = Args {
        name: if negated { "IS NOT JSON" } else { "IS JSON" },
        list: vec![expr],
    };
    if !args.kind(0).is_string() && *args.kind(0) != TypeKind::Null {
        return Problem::new(
            format!("IS JSON asks about a string, not {}", args.kind(0)),
            "write CAST(… AS STRING)",
        );
    }
    args.build(TypeKind::Boolean, move |a, cx| {
        let document = cx.parse_json(&shared_text(&a[0]));
        let fits = document.is_some_and(|document| match what {
            JsonKind::Any => true,
            JsonKind::Object => document.is_object(),
            JsonKind::Array => document.is_array(),
            JsonKind::Scalar => !document.is_object() && !document.is_array(),
        });
        Ok(Value::Boolean(fits != negated))
    })
}

/// A value as JSON, as JSON_STRING, JSON_OBJECT and the JSON format write it.
pub fn to_json(value: &Value, kind: &TypeKind, zone: &TimeZone) -> Json {
    match (value, kind) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(value), _) => Json::Bool(*value),
        (Value::Int(value), _) => Json::from(*value),
        (Value::Float(value), _) => value.to_string().parse::<f64>().ok().map_or(Json::Null, Json::from),
        (Value::Double(value), _) => Json::from(*value),
        (Value::Decimal(decimal), _) => match (decimal.scale, i64::try_from(decimal.unscaled)) {
            (0, Ok(whole)) => Json::from(whole),
            _ => Json::from(decimal.to_f64()),
        },
        (Value::Bytes(bytes), _) => {
            use base64::Engine as _;
            Json::String(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        (Value::Array(items), TypeKind::Array(element)) => {
            Json::Array(items.iter().map(|item| to_json(item, &element.kind, zone)).collect())
        }
        (Value::Map(entries), TypeKind::Map(key, value)) => {
            let entry = |(k, v): &(Value, Value)| (cast::to_text(k, &key.kind, zone), to_json(v, &value.kind, zone));
            Json::Object(entries.iter().map(entry).collect())
        }
        (Value::Row(values), TypeKind::Row(fields)) => {
            let field =
                |(value, field): (&Value, &crate::Field)| (field.name.clone(), to_json(value, &field.ty.kind, zone));
            Json::Object(values.iter().zip(fields).map(field).collect())
        }
        (Value::Timestamp(_) | Value::TimestampLtz(_), _) => {
            let text = cast::to_text(value, kind, zone).replacen(' ', "T", 1);
            Json::String(if matches!(value, Value::TimestampLtz(_)) {
                text + "Z"
            } else {
                text
            })
        }
        (other, _) => Json::String(cast::to_text(other, kind, zone)),
    }
}

fn json_string(args: Args) -> Bound {
    let kind = args.kind(0).clone();
    args.build(TypeKind::STRING, move |a, cx| {
        Ok(Value::string(to_json(&a[0], &kind, &cx.zone).to_string()))
    })
}

fn json_length(mut args: Args) -> Bound {
    args.strings()?;
    let path = if args.len() == 2 {
        Some(PathArg::of(&args.list[1])?)
    } else {
        None
    };
    args.build_nullable(TypeKind::Int, move |a, cx| {
        let Some(document) = cx.parse_json(&shared_text(&a[0])) else {
            return Ok(Value::Null);
        };
        let count = |json: &Json| match json {
            Json::Array(items) => items.len(),
            Json::Object(fields) => fields.len(),
            _ => 1,
        };
        let counted = match &path {
            None => Some(count(&document)),
            Some(path) => path.with(&a[1], |path| match path.find(&document) {
                Found::One(value) => Some(count(value)),
                Found::Many(values) => Some(values.len()),
                Found::Nothing => None,
            })?,
        };
        Ok(counted.map_or(Value::Null, |count| Value::Int(count as i64)))
    })
}

fn json_quote(mut args: Args) -> Bound {
    args.string(0)?;
    args.build(TypeKind::STRING, |a, _| {
        Ok(Value::string(Json::from(text(&a[0])).to_string()))
    })
}

fn json_unquote(mut args: Args) -> Bound {
    args.string(0)?;
    args.build(TypeKind::STRING, |a, _| {
        Ok(match serde_json::from_str::<Json>(text(&a[0])) {
            Ok(Json::String(text)) => Value::string(text),
            _ => a[0].clone(),
        })
    })
}

/// Whether an argument is JSON text already, so that JSON_OBJECT nests it instead of quoting it.
fn is_json_call(expr: &Expr) -> bool {
    matches!(&expr.node, crate::eval::Node::Call(call) if matches!(call.name, "JSON_OBJECT" | "JSON_ARRAY" | "JSON_QUERY" | "JSON"))
}

fn member(value: &Value, kind: &TypeKind, nested: bool, cx: &EvalContext) -> Json {
    match value {
        Value::String(text) if nested => json_or_text(text),
        _ => to_json(value, kind, &cx.zone),
    }
}

fn json_or_text(text: &Text) -> Json {
    serde_json::from_slice(text.as_bytes()).unwrap_or_else(|_| Json::from(text.as_str()))
}

/// `JSON_OBJECT(k VALUE v, …)`: keys and values in turn.
pub(crate) fn json_object(list: Vec<Expr>, absent_on_null: bool) -> Bound {
    let shapes: Vec<(TypeKind, bool)> = list
        .iter()
        .map(|arg| (arg.ty.kind.clone(), is_json_call(arg)))
        .collect();
    for key in list.iter().step_by(2) {
        if !key.ty.kind.is_string() {
            return Problem::new(
                format!("a key of `JSON_OBJECT` must be a string, not {}", key.ty.kind),
                "JSON_OBJECT('name' VALUE x)",
            );
        }
    }
    let ty = DataType::not_null(TypeKind::STRING);
    Args {
        name: "JSON_OBJECT",
        list,
    }
    .build_as(ty, false, true, move |a, cx| {
        let mut object = serde_json::Map::new();
        for (pair, shape) in a.chunks_exact(2).zip(shapes.chunks_exact(2)) {
            if pair[1].is_null() && absent_on_null {
                continue;
            }
            let Some(key) = pair[0].as_str() else {
                return Err(EvalError::new("JSON_OBJECT: a key is NULL"));
            };
            object.insert(key.to_owned(), member(&pair[1], &shape[1].0, shape[1].1, cx));
        }
        Ok(Value::string(Json::Object(object).to_string()))
    })
}

/// `JSON_ARRAY(a, b)`.
pub(crate) fn json_array(list: Vec<Expr>, absent_on_null: bool) -> Bound {
    let shapes: Vec<(TypeKind, bool)> = list
        .iter()
        .map(|arg| (arg.ty.kind.clone(), is_json_call(arg)))
        .collect();
    let ty = DataType::not_null(TypeKind::STRING);
    Args {
        name: "JSON_ARRAY",
        list,
    }
    .build_as(ty, false, true, move |a, cx| {
        let items = a
            .iter()
            .zip(&shapes)
            .filter(|(value, _)| !(absent_on_null && value.is_null()));
        let items = items
            .map(|(value, (kind, nested))| member(value, kind, *nested, cx))
            .collect();
        Ok(Value::string(Json::Array(items).to_string()))
    })
}
