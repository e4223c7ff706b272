//! The code that writes a message.

use super::{Context, Nullable, condition, flexible_line, integer, nullable, plain_type, rust_name, tagged};
use crate::definitions::{Field, Type};

pub(super) fn encode_code(context: &Context<'_>, fields: &[&Field]) -> String {
    let mut out =
        String::from("@ALLOW@fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {\n");
    out.push_str(&flexible_line(context));
    for field in fields.iter().filter(|field| field.tag.is_none()) {
        let write = encode_field(context, field, "writer");
        match condition(context, field) {
            None => out.push_str(&write),
            Some(condition) => {
                put!(out, "if {condition} {{\n{write}}}");
                if !field.ignorable {
                    put!(out, " else if {} {{ {} }}", is_set(field), absent(context, field));
                }
                out.push('\n');
            }
        }
    }
    let tagged = tagged(fields);
    if context.message.flexible_from.is_some() {
        if tagged.is_empty() {
            out.push_str("if flexible {\nwriter.no_tags();\n}\n");
        } else {
            out.push_str("if flexible {\nlet mut tags = Tags::new();\n");
            for field in &tagged {
                let set = is_set(field);
                let guard = condition(context, field).map_or(set.clone(), |condition| format!("{condition} && {set}"));
                let write = encode_field(context, field, "value");
                put!(
                    out,
                    "if {guard} {{\nlet value = tags.add({});\n{write}}}\n",
                    field.tag.unwrap_or_default()
                );
            }
            out.push_str("writer.tags(tags)?;\n}\n");
            for field in tagged.iter().filter(|field| !field.ignorable) {
                if let Some(condition) = condition(context, field) {
                    put_line!(
                        out,
                        "if {} && {} {{ {} }}",
                        negated(&condition),
                        is_set(field),
                        absent(context, field)
                    );
                }
            }
        }
    }
    out.push_str("Ok(())\n}\n");
    out
}

fn absent(context: &Context<'_>, field: &Field) -> String {
    format!(
        "return Err(EncodeError::absent(\"{}.{}\", version));",
        context.owner,
        rust_name(&field.name)
    )
}

fn encode_field(context: &Context<'_>, field: &Field, writer: &str) -> String {
    let name = format!("self.{}", rust_name(&field.name));
    if field.nullable.is_none() {
        return encode_plain(&field.kind, &name, writer, false) + "\n";
    }
    let some = encode_plain(&field.kind, "value_of_field", writer, true);
    let null = match &field.kind {
        Type::String => format!("{writer}.null_string(flexible)"),
        Type::Bytes | Type::Records | Type::Piece => format!("{writer}.null_bytes(flexible)"),
        Type::Array(_) => format!("{writer}.null_array(flexible)"),
        _ => format!("{writer}.i8(-1)"),
    };
    let some = if matches!(field.kind, Type::Struct(_)) {
        format!("{writer}.i8(1); {some}")
    } else {
        some
    };
    let refuse = format!(
        "return Err(EncodeError::null(\"{}.{}\", version))",
        context.owner,
        rust_name(&field.name)
    );
    let none = match nullable(context, field) {
        Nullable::Never | Nullable::Always => format!("None => {null},"),
        Nullable::When(condition) if condition == "false" => format!("None => {refuse},"),
        Nullable::When(condition) => format!("None if {condition} => {null},\nNone => {refuse},"),
    };
    format!("match &{name} {{ Some(value_of_field) => {{ {some} }} {none} }}\n").replace("value_of_field", "inner")
}

/// `reference`: the expression is a reference already.
fn encode_plain(kind: &Type, expression: &str, writer: &str, reference: bool) -> String {
    let by_value = if reference {
        format!("*{expression}")
    } else {
        expression.to_owned()
    };
    let by_reference = if reference {
        expression.to_owned()
    } else {
        format!("&{expression}")
    };
    match kind {
        Type::Uuid => format!("{writer}.uuid({by_reference});"),
        Type::String => format!("{writer}.string(flexible, {by_reference})?;"),
        Type::Bytes | Type::Records => format!("{writer}.bytes(flexible, {by_reference})?;"),
        Type::Piece => format!("{writer}.piece(flexible, {by_reference})?;"),
        Type::Struct(_) => format!("{expression}.encode({writer}, version)?;"),
        Type::Array(element) => format!(
            "{writer}.array_len(flexible, {expression}.len())?;\nfor element in {by_reference} {{ {} }}",
            encode_plain(element, "element", writer, true)
        ),
        Type::Bool => format!("{writer}.bool({by_value});"),
        number => format!("{writer}.{}({by_value});", plain_type(number)),
    }
}

/// A condition that holds when the field differs from its default.
fn is_set(field: &Field) -> String {
    let name = format!("self.{}", rust_name(&field.name));
    let default = field.default.as_deref();
    if field.nullable.is_some() {
        return match (&field.kind, default) {
            (Type::Records | Type::Piece, _) | (_, Some("null")) => format!("{name}.is_some()"),
            (Type::Struct(inner), _) => format!("{name} != Some({inner}::default())"),
            _ => format!("{name}.as_ref().is_none_or(|value| !value.is_empty())"),
        };
    }
    match (&field.kind, default) {
        (Type::Bool, Some("true")) => format!("!{name}"),
        (Type::Bool, _) => name,
        (Type::String | Type::Bytes | Type::Records | Type::Piece | Type::Array(_), None | Some("")) => {
            format!("!{name}.is_empty()")
        }
        (Type::Uuid, _) => format!("{name} != [0; 16]"),
        (Type::Struct(inner), _) => format!("{name} != {inner}::default()"),
        (Type::String, Some(text)) => format!("{name} != {text:?}"),
        (Type::Float64, text) => format!("{name} != {:?}", text.unwrap_or("0").parse::<f64>().unwrap_or_default()),
        (_, text) => format!("{name} != {}", integer(text).unwrap_or_default()),
    }
}

fn negated(condition: &str) -> String {
    match condition.strip_prefix("version >= ") {
        Some(from) => format!("version < {from}"),
        None => format!("!({condition})"),
    }
}
