//! The code that reads a message.

use super::{Context, Nullable, condition, flexible_line, nullable, plain_type, rust_name, tagged};
use crate::definitions::{Field, Type};

pub(super) fn decode_code(context: &Context<'_>, fields: &[&Field]) -> String {
    let mut out =
        String::from("@ALLOW@fn decode<S: Source>(source: &mut S, version: i16) -> Result<Self, DecodeError> {\n");
    out.push_str(&flexible_line(context));
    out.push_str("let mut message = Self::default();\n");
    for field in fields.iter().filter(|field| field.tag.is_none()) {
        let read = format!("message.{} = {};", rust_name(&field.name), decode_value(context, field));
        match condition(context, field) {
            None => out.push_str(&read),
            Some(condition) => {
                put!(out, "if {condition} {{ {read} }}");
            }
        }
        out.push('\n');
    }
    let tagged = tagged(fields);
    if context.message.flexible_from.is_some() {
        out.push_str("if flexible {\n");
        if tagged.is_empty() {
            out.push_str("source.skip_tags()?;\n");
        } else {
            out.push_str("for _ in 0..source.tag_count()? {\nlet (tag, end) = source.tag()?;\nmatch tag {\n");
            for field in &tagged {
                let guard = condition(context, field).map_or(String::new(), |condition| format!(" if {condition}"));
                let (tag, name) = (field.tag.unwrap_or_default(), rust_name(&field.name));
                put_line!(
                    out,
                    "{tag}{guard} => message.{name} = {},",
                    decode_value(context, field)
                );
            }
            out.push_str("_ => source.skip_tag(end)?,\n}\nsource.end_tag(end)?;\n}\n");
        }
        out.push_str("}\n");
    }
    out.push_str("Ok(message)\n}\n");
    out
}

fn decode_value(context: &Context<'_>, field: &Field) -> String {
    let plain = decode_plain(context, &field.kind);
    let or_null = match &field.kind {
        Type::String => "source.nullable_string(flexible)?".to_owned(),
        Type::Bytes | Type::Records => "source.nullable_bytes(flexible)?".to_owned(),
        Type::Piece => "source.nullable_bytes(flexible)?.map(Piece::Memory)".to_owned(),
        Type::Struct(name) => {
            format!("if source.present()? {{ Some({name}::decode(source, version)?) }} else {{ None }}")
        }
        Type::Array(element) => format!(
            "source.nullable_array(flexible, {}, |source| {})?",
            bytes_min(context, element),
            element_result(context, element)
        ),
        _ => plain.clone(),
    };
    match nullable(context, field) {
        Nullable::Never => plain,
        Nullable::Always => or_null,
        Nullable::When(condition) if condition == "false" => format!("Some({plain})"),
        Nullable::When(condition) => format!("if {condition} {{ {or_null} }} else {{ Some({plain}) }}"),
    }
}

fn decode_plain(context: &Context<'_>, kind: &Type) -> String {
    match kind {
        Type::Bool => "source.bool()?".into(),
        Type::Uuid => "source.uuid()?".into(),
        Type::String => "source.string(flexible)?".into(),
        Type::Bytes | Type::Records => "source.bytes(flexible)?".into(),
        Type::Piece => "Piece::Memory(source.bytes(flexible)?)".into(),
        Type::Struct(name) => format!("{name}::decode(source, version)?"),
        Type::Array(element) => format!(
            "source.array(flexible, {}, |source| {})?",
            bytes_min(context, element),
            element_result(context, element)
        ),
        number => format!("source.{}()?", plain_type(number)),
    }
}

/// One element as a `Result`.
fn element_result(context: &Context<'_>, kind: &Type) -> String {
    let plain = decode_plain(context, kind);
    plain
        .strip_suffix('?')
        .map_or_else(|| format!("Ok({plain})"), str::to_owned)
}

/// The fewest bytes an element has on the wire in any version; never 0, so that a count is bounded by what remains.
fn bytes_min(context: &Context<'_>, kind: &Type) -> usize {
    match kind {
        Type::Bool | Type::Int8 => 1,
        Type::Int16 | Type::Uint16 => 2,
        Type::Int32 | Type::Uint32 => 4,
        Type::Int64 | Type::Float64 => 8,
        Type::Uuid => 16,
        Type::String | Type::Bytes | Type::Records | Type::Piece | Type::Array(_) => 1,
        Type::Struct(name) => {
            let Some(item) = context.message.structs.iter().find(|item| item.name == *name) else {
                return 1;
            };
            let valid = context.message.valid;
            let always = |field: &&Field| {
                field.tag.is_none() && field.versions.is_some_and(|v| v.from <= valid.from && v.to >= valid.to)
            };
            let sum: usize = item
                .fields
                .iter()
                .filter(always)
                .map(|field| {
                    if field.nullable.is_some() {
                        1
                    } else {
                        bytes_min(context, &field.kind)
                    }
                })
                .sum();
            sum.max(1)
        }
    }
}
