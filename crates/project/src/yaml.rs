//! YAML with line numbers, reduced to what a project file uses.

use saphyr::{LoadableYamlNode, MarkedYamlOwned, ScalarOwned, YamlDataOwned};

/// A value and the line it begins on.
pub(crate) struct Node {
    pub line: usize,
    pub value: Value,
}

pub(crate) enum Value {
    Empty,
    /// Any scalar, as written: `3`, `true` and `"x"` alike.
    Scalar(String),
    List(Vec<Node>),
    /// Keys in the order written, each with its line.
    Map(Vec<(String, usize, Node)>),
}

impl Value {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Value::Empty => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Parses one document; the error is its line and what is wrong.
pub(crate) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let documents = MarkedYamlOwned::load_from_str(text)
        .map_err(|error| (error.marker().line(), format!("this is not YAML: {}", error.info())))?;
    let mut documents = documents.into_iter();
    match (documents.next(), documents.next()) {
        (None, _) => Ok(Node {
            line: 1,
            value: Value::Empty,
        }),
        (Some(only), None) => node(only),
        (Some(_), Some(second)) => Err((second.span.start.line(), "a project file holds one document".to_owned())),
    }
}

fn node(marked: MarkedYamlOwned) -> Result<Node, (usize, String)> {
    let line = marked.span.start.line();
    let value = match marked.data {
        YamlDataOwned::Value(scalar) => scalar_value(scalar),
        YamlDataOwned::Representation(text, ..) => Value::Scalar(text),
        YamlDataOwned::Sequence(items) => Value::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        YamlDataOwned::Mapping(entries) => {
            let mut map = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let key = node(key)?;
                let Value::Scalar(name) = key.value else {
                    return Err((
                        key.line,
                        format!("a key must be a single value, not {}", key.value.word()),
                    ));
                };
                map.push((name, key.line, node(value)?));
            }
            Value::Map(map)
        }
        YamlDataOwned::Tagged(_, inner) => return node(*inner),
        YamlDataOwned::Alias(_) => return Err((line, "aliases (`*name`) are not allowed here".to_owned())),
        YamlDataOwned::BadValue => return Err((line, "this value cannot be read".to_owned())),
    };
    Ok(Node { line, value })
}

fn scalar_value(scalar: ScalarOwned) -> Value {
    match scalar {
        ScalarOwned::Null => Value::Empty,
        ScalarOwned::Boolean(value) => Value::Scalar(value.to_string()),
        ScalarOwned::Integer(value) => Value::Scalar(value.to_string()),
        ScalarOwned::FloatingPoint(value) => Value::Scalar(value.to_string()),
        ScalarOwned::String(value) => Value::Scalar(value),
    }
}
