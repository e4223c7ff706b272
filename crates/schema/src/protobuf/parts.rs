//! A `.proto` file as a list of its parts in words, for those who compare two of them.

use std::collections::BTreeMap;

use super::Schema;
use super::file::{Enum, Field, Group, Label, Message, Type};

type Parts = BTreeMap<String, String>;

/// Parts are looked for this deep.
const DEPTH_MAX: usize = 32;

impl Schema {
    /// The names of the first message's fields.
    pub(crate) fn field_names(&self) -> Vec<String> {
        let first = self.file.types.iter().find_map(Type::message);
        let Some(first) = first else { return Vec::new() };
        let in_oneofs = first.oneofs.iter().flat_map(|oneof| &oneof.fields);
        let fields = first.fields.iter().chain(in_oneofs);
        fields.map(|field| field.name.clone()).collect()
    }

    /// Where each part is, and what it is in words.
    pub(crate) fn parts(&self) -> Parts {
        let mut parts = Parts::new();
        if let Some(package) = &self.file.package {
            parts.insert("package".to_owned(), package.clone());
        }
        for import in self.file.imports.iter().chain(&self.file.public_imports) {
            parts.insert(format!("import {import}"), "imported".to_owned());
        }
        self.file.types.iter().for_each(|ty| of_type("", ty, 0, &mut parts));
        parts
    }
}

fn inside(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn of_type(path: &str, ty: &Type, depth: usize, parts: &mut Parts) {
    if depth > DEPTH_MAX {
        return;
    }
    let place = inside(path, ty.name());
    match ty {
        Type::Message(message) => of_message(&place, message, depth, parts),
        Type::Enum(one) => of_enum(&place, one, parts),
    }
}

fn of_message(place: &str, message: &Message, depth: usize, parts: &mut Parts) {
    parts.insert(place.to_owned(), "message".to_owned());
    let mut put = |name: &str, words: String| parts.insert(inside(place, name), words);
    for field in &message.fields {
        put(&field.name, words(field));
    }
    for oneof in &message.oneofs {
        for field in &oneof.fields {
            put(&field.name, format!("{}, one of `{}`", words(field), oneof.name));
        }
    }
    for Group { label, name, tag, .. } in &message.groups {
        put(name, format!("{}group, number {tag}", label_word(*label)));
    }
    for nested in &message.types {
        of_type(place, nested, depth + 1, parts);
    }
}

fn of_enum(place: &str, one: &Enum, parts: &mut Parts) {
    parts.insert(place.to_owned(), "enum".to_owned());
    for constant in &one.constants {
        parts.insert(inside(place, &constant.name), format!("number {}", constant.tag));
    }
}

fn words(field: &Field) -> String {
    let default = field.default.as_ref().map(|default| format!(", default {default}"));
    format!(
        "{}{}, number {}{}",
        label_word(field.label),
        field.ty,
        field.tag,
        default.unwrap_or_default()
    )
}

fn label_word(label: Option<Label>) -> String {
    label.map(|label| format!("{} ", label.word())).unwrap_or_default()
}
