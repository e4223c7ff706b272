//! Checked expressions and how they are computed: a tree over the row, columns by number.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use base::Random;
use jiff::tz::TimeZone;

use crate::ast::BinaryOp;
use crate::types::DataType;
use crate::value::{Moment, Text, Value};

/// How many compiled patterns of changing text are kept.
const PATTERNS_KEPT_MAX: usize = 16;

/// What an expression may look at besides its row. One per job: it also keeps what was parsed last.
pub struct EvalContext {
    /// What `CURRENT_TIMESTAMP` and its kin say.
    pub now: Moment,
    pub zone: TimeZone,
    pub random: Arc<dyn Random>,
    json: RefCell<Option<(Text, Option<Arc<serde_json::Value>>)>>,
    patterns: RefCell<Vec<(Text, Arc<fancy_regex::Regex>)>>,
}

impl EvalContext {
    pub fn new(now: Moment, zone: TimeZone, random: Arc<dyn Random>) -> EvalContext {
        EvalContext {
            now,
            zone,
            random,
            json: RefCell::new(None),
            patterns: RefCell::new(Vec::new()),
        }
    }

    /// The document a text holds; the same text, asked again, is not parsed again.
    pub(crate) fn parse_json(&self, text: &Text) -> Option<Arc<serde_json::Value>> {
        let mut cached = self.json.borrow_mut();
        if let Some((key, document)) = &*cached
            && key == text
        {
            return document.clone();
        }
        let document = serde_json::from_slice(text.as_bytes()).ok().map(Arc::new);
        *cached = Some((text.clone(), document.clone()));
        document
    }

    pub(crate) fn pattern(
        &self,
        text: &Text,
        compile: impl FnOnce(&str) -> Result<fancy_regex::Regex, String>,
    ) -> Result<Arc<fancy_regex::Regex>, EvalError> {
        let mut kept = self.patterns.borrow_mut();
        if let Some((_, regex)) = kept.iter().find(|(key, _)| key == text) {
            return Ok(Arc::clone(regex));
        }
        let regex = Arc::new(compile(text).map_err(EvalError::new)?);
        if kept.len() >= PATTERNS_KEPT_MAX {
            kept.remove(0);
        }
        kept.push((text.clone(), Arc::clone(&regex)));
        Ok(regex)
    }
}

impl fmt::Debug for EvalContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvalContext")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Why a row's expression has no value: division by zero, a failed CAST.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct EvalError(pub String);

impl EvalError {
    pub(crate) fn new(message: impl Into<String>) -> EvalError {
        EvalError(message.into())
    }
}

pub(crate) type Computed = Result<Value, EvalError>;
/// A function's body, made for the types of its arguments.
pub(crate) type Body = Arc<dyn Fn(&[Value], &EvalContext) -> Computed + Send + Sync>;

/// An expression that has been checked: what it computes and its type.
#[derive(Clone, Debug)]
pub struct Expr {
    pub ty: DataType,
    pub(crate) node: Node,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Column(usize, Arc<str>),
    Literal(Value),
    Field(Box<Expr>, usize, Arc<str>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(BinaryOp, Box<Expr>, Box<Expr>),
    Case(Vec<(Expr, Expr)>, Box<Expr>),
    Coalesce(Vec<Expr>),
    Call(Call),
}

#[derive(Clone)]
pub(crate) struct Call {
    pub name: &'static str,
    pub args: Vec<Expr>,
    /// NULL when any argument is, without asking the body.
    pub strict: bool,
    pub deterministic: bool,
    pub body: Body,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name, self.args)
    }
}

impl Expr {
    pub(crate) fn literal(value: Value, ty: DataType) -> Expr {
        Expr {
            ty,
            node: Node::Literal(value),
        }
    }

    pub(crate) fn column(index: usize, name: &str, ty: DataType) -> Expr {
        Expr {
            ty,
            node: Node::Column(index, name.into()),
        }
    }

    pub(crate) fn as_literal(&self) -> Option<&Value> {
        match &self.node {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The column it is, if it is just that.
    pub fn as_column(&self) -> Option<usize> {
        match &self.node {
            Node::Column(index, _) => Some(*index),
            _ => None,
        }
    }

    /// The value over a row.
    pub fn eval(&self, row: &[Value], cx: &EvalContext) -> Result<Value, EvalError> {
        match &self.node {
            Node::Column(index, _) => Ok(row[*index].clone()),
            Node::Literal(value) => Ok(value.clone()),
            Node::Field(..) => match self.peek(row) {
                Some(value) => Ok(value.clone()),
                None => self.eval_field(row, cx),
            },
            Node::And(terms) => all_or_any(terms, false, row, cx),
            Node::Or(terms) => all_or_any(terms, true, row, cx),
            Node::Compare(op, left, right) => compare(*op, left, right, row, cx),
            Node::Case(branches, otherwise) => {
                for (when, then) in branches {
                    if when.eval(row, cx)?.as_bool() == Some(true) {
                        return then.eval(row, cx);
                    }
                }
                otherwise.eval(row, cx)
            }
            Node::Coalesce(terms) => {
                for term in terms {
                    let value = term.eval(row, cx)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            Node::Call(call) => call.eval(row, cx),
        }
    }

    /// Whether a filter lets the row through: only TRUE does.
    pub fn accepts(&self, row: &[Value], cx: &EvalContext) -> Result<bool, EvalError> {
        Ok(self.eval(row, cx)?.as_bool() == Some(true))
    }

    /// The value without copying it, where it simply lies in the row or the plan.
    fn peek<'a>(&'a self, row: &'a [Value]) -> Option<&'a Value> {
        match &self.node {
            Node::Column(index, _) => Some(&row[*index]),
            Node::Literal(value) => Some(value),
            Node::Field(inner, index, _) => match inner.peek(row)? {
                Value::Row(fields) => fields.get(*index),
                _ => Some(&NULL),
            },
            _ => None,
        }
    }

    fn eval_field(&self, row: &[Value], cx: &EvalContext) -> Computed {
        let Node::Field(inner, index, _) = &self.node else {
            return Ok(Value::Null);
        };
        match inner.eval(row, cx)? {
            Value::Row(fields) => Ok(fields.get(*index).cloned().unwrap_or_default()),
            _ => Ok(Value::Null),
        }
    }

    /// Whether it gives the same for the same row every time.
    pub fn is_deterministic(&self) -> bool {
        let mut all = true;
        self.visit(&mut |expr| {
            if let Node::Call(call) = &expr.node {
                all &= call.deterministic;
            }
        });
        all
    }

    pub(crate) fn visit(&self, look: &mut dyn FnMut(&Expr)) {
        look(self);
        match &self.node {
            Node::Column(..) | Node::Literal(_) => {}
            Node::Field(inner, ..) => inner.visit(look),
            Node::And(terms) | Node::Or(terms) | Node::Coalesce(terms) => terms.iter().for_each(|t| t.visit(look)),
            Node::Compare(_, left, right) => {
                left.visit(look);
                right.visit(look);
            }
            Node::Case(branches, otherwise) => {
                for (when, then) in branches {
                    when.visit(look);
                    then.visit(look);
                }
                otherwise.visit(look);
            }
            Node::Call(call) => call.args.iter().for_each(|arg| arg.visit(look)),
        }
    }

    /// Gives each column the number it has in another row layout.
    pub(crate) fn renumber(&mut self, new_index: &dyn Fn(usize) -> usize) {
        match &mut self.node {
            Node::Column(index, _) => *index = new_index(*index),
            Node::Literal(_) => {}
            Node::Field(inner, ..) => inner.renumber(new_index),
            Node::And(terms) | Node::Or(terms) | Node::Coalesce(terms) => {
                terms.iter_mut().for_each(|term| term.renumber(new_index));
            }
            Node::Compare(_, left, right) => {
                left.renumber(new_index);
                right.renumber(new_index);
            }
            Node::Case(branches, otherwise) => {
                for (when, then) in branches {
                    when.renumber(new_index);
                    then.renumber(new_index);
                }
                otherwise.renumber(new_index);
            }
            Node::Call(call) => call.args.iter_mut().for_each(|arg| arg.renumber(new_index)),
        }
    }

    pub(crate) fn with_type(mut self, ty: DataType) -> Expr {
        self.ty = ty;
        self
    }
}

static NULL: Value = Value::Null;

/// AND (`stop_at` false) or OR (`stop_at` true) under three-valued logic.
fn all_or_any(terms: &[Expr], stop_at: bool, row: &[Value], cx: &EvalContext) -> Computed {
    let mut unknown = false;
    for term in terms {
        match term.eval(row, cx)?.as_bool() {
            Some(value) if value == stop_at => return Ok(Value::Boolean(stop_at)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::Null } else { Value::Boolean(!stop_at) })
}

fn compare(op: BinaryOp, left: &Expr, right: &Expr, row: &[Value], cx: &EvalContext) -> Computed {
    let (left_owned, right_owned);
    let left = match left.peek(row) {
        Some(value) => value,
        None => {
            left_owned = left.eval(row, cx)?;
            &left_owned
        }
    };
    let right = match right.peek(row) {
        Some(value) => value,
        None => {
            right_owned = right.eval(row, cx)?;
            &right_owned
        }
    };
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    let order = left.compare(right);
    Ok(Value::Boolean(match op {
        BinaryOp::Eq => order == Some(Ordering::Equal),
        BinaryOp::NotEq => order != Some(Ordering::Equal),
        BinaryOp::Lt => order == Some(Ordering::Less),
        BinaryOp::LtEq => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        BinaryOp::Gt => order == Some(Ordering::Greater),
        BinaryOp::GtEq => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        _ => return Ok(Value::Null),
    }))
}

impl Call {
    fn eval(&self, row: &[Value], cx: &EvalContext) -> Computed {
        match self.args.as_slice() {
            [] => (self.body)(&[], cx),
            [a] => self.run(&[a.eval(row, cx)?], cx),
            [a, b] => self.run(&[a.eval(row, cx)?, b.eval(row, cx)?], cx),
            [a, b, c] => self.run(&[a.eval(row, cx)?, b.eval(row, cx)?, c.eval(row, cx)?], cx),
            many => {
                let values: Vec<Value> = many.iter().map(|arg| arg.eval(row, cx)).collect::<Result<_, _>>()?;
                self.run(&values, cx)
            }
        }
    }

    fn run(&self, args: &[Value], cx: &EvalContext) -> Computed {
        if self.strict && args.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        (self.body)(args, cx)
    }
}
