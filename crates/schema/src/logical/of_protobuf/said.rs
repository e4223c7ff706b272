//! What options of Protobuf schemas say of types, fields, branches and symbols.

use crate::protobuf::linked::{Enum, EnumValue, Kind, Message, number, whole_number};
use crate::protobuf::meta::{Meta, Rule};

use super::super::java::check_name;
use super::super::literals::{self, Value};
use super::super::{Check, Converted, Said, Symbol, Ty};

/// Whether the numbers of a message's fields are those that follow from their order.
pub(super) fn is_sequential(message: &Message) -> bool {
    let alone = message.fields.iter().filter(|field| field.oneof.is_none());
    let in_oneofs =
        (0..message.oneofs.len()).flat_map(|at| message.fields.iter().filter(move |field| field.oneof == Some(at)));
    alone
        .chain(in_oneofs)
        .zip(1..)
        .all(|(field, number)| field.number == number)
}

/// A text that says something.
fn written(text: &Option<String>) -> Option<String> {
    text.clone()
        .filter(|text| !text.trim_matches(|c: char| c <= ' ').is_empty())
}

/// What clients said of a part, without what says which type it has; a number is told where it does not follow.
pub(super) fn said(meta: &Meta, number: Option<i32>) -> Said {
    const OF_TYPES: [&str; 5] = ["flink.", "connect.", "logical.", "avro.", "protobuf."];
    let is_free =
        |key: &str| !OF_TYPES.iter().any(|start| key.starts_with(start)) && key != "precision" && key != "scale";
    let free = meta.params.iter().filter(|(key, _)| is_free(key)).cloned();
    let number = number.map(|number| ("protobuf.field.number".to_owned(), number.to_string()));
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let check = |rule: &Rule| Check {
        name: some(&rule.name),
        doc: some(&rule.doc),
        sql: rule.sql.clone(),
    };
    let rules = meta
        .rules
        .iter()
        .filter(|rule| !rule.expr.is_empty() && !rule.sql.is_empty());
    Said {
        doc: written(&meta.doc),
        tags: meta.tags.clone(),
        params: free.chain(number).collect(),
        checks: rules.map(check).collect(),
    }
}

/// A default that stands in the file itself. Numbers without a sign are kept as Java keeps them: with one.
pub(super) fn written_default(ty: Kind, text: &str) -> Value {
    let whole = || Value::Plain(whole_number(text).to_string());
    match ty {
        Kind::Scalar("bool") => Value::Bool(text == "true"),
        Kind::Scalar("string") | Kind::Enum(_) | Kind::Message(_) => Value::Text(text.to_owned()),
        Kind::Scalar("bytes") => Value::Bytes(text.as_bytes().to_vec()),
        Kind::Scalar("float") => literals::float(number(text) as f32),
        Kind::Scalar("double") => literals::double(number(text)),
        Kind::Scalar("uint32" | "fixed32") => Value::Plain((whole_number(text) as i32).to_string()),
        Kind::Scalar("uint64" | "fixed64") => Value::Plain((whole_number(text) as i64).to_string()),
        Kind::Scalar(_) => whole(),
    }
}

pub(super) fn symbols(one: &Enum) -> Converted<Ty> {
    let symbol = |value: &EnumValue| {
        check_name(&value.name, "Enum symbol")?;
        Ok(Symbol {
            name: value.name.clone(),
            doc: written(&value.meta.doc),
            params: value.meta.params.clone(),
        })
    };
    let symbols: Converted<_> = one.values.iter().map(symbol).collect();
    symbols.map(Ty::Enum)
}
