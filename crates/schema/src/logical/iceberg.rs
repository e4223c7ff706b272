//! What tables of Iceberg's format version 2 can read: fields stay, in their order, and few types grow.

use std::collections::{HashMap, HashSet};

use super::compare::{Rules, Shape, Unions, Walk, change};
use super::{Default, Document, Field, Logical, Ty, child, scale_of};

/// Times finer than this are types of their own.
const MICROS: i64 = 6;

/// Keys of maps are compared no deeper than this.
const DEPTH_MAX: usize = 400;

pub(super) struct Iceberg;

impl Rules for Iceberg {
    fn shape(&self, ty: &Ty) -> Shape {
        match ty {
            Ty::Struct(_) | Ty::Union(_) => Shape::Struct,
            Ty::Array(_) => Shape::List,
            Ty::Map(_, _) | Ty::Multiset(_) => Shape::Map,
            _ => Shape::Scalar,
        }
    }

    fn fields(&self, walk: &mut Walk<'_>, original: &[Field], update: &[Field], path: &str, unions: Unions) {
        let places: HashMap<&str, usize> = original
            .iter()
            .enumerate()
            .rev()
            .map(|(index, field)| (field.name.as_str(), index))
            .collect();
        let mut last: Option<usize> = None;
        for field in update {
            let place = child(path, &field.name);
            let found = places.get(field.name.as_str()).map(|index| (*index, &original[*index]));
            let was_nullable = found.map(|(_, old)| unions.original || old.schema.nullable);
            let optional = unions.update || is_optional(walk.update, field, was_nullable);
            let Some((index, old)) = found else {
                if !optional {
                    walk.add(
                        "REQUIRED_FIELD_ADDED",
                        &place,
                        "added field is neither nullable nor defaulted, so pre-existing rows have no value for it; \
                         format-version 2 cannot store a column default"
                            .to_owned(),
                    );
                }
                continue;
            };
            if last.is_some_and(|last| index < last) {
                walk.add(
                    "FIELD_REORDERED",
                    &place,
                    "field moved ahead of a field that preceded it in the original schema".to_owned(),
                );
            }
            last = Some(index);
            if was_nullable == Some(true) && !optional {
                walk.add(
                    "NULLABLE_TO_NON_NULLABLE",
                    &place,
                    "field was nullable and is now non-nullable; pre-existing rows may hold nulls".to_owned(),
                );
            }
            walk.types(&old.schema, &field.schema, &place);
        }
        let names: HashSet<&str> = update.iter().map(|field| field.name.as_str()).collect();
        for field in original.iter().filter(|field| !names.contains(field.name.as_str())) {
            walk.add(
                "FIELD_DELETED",
                &child(path, &field.name),
                "field present in the original schema is missing from the update".to_owned(),
            );
        }
    }

    fn items(&self, walk: &mut Walk<'_>, original: &Logical, update: &Logical, path: &str) {
        walk.types(original, update, &format!("{path}[]"));
    }

    fn entries(&self, walk: &mut Walk<'_>, original: &Ty, update: &Ty, path: &str) {
        let count = Logical::of(Ty::Int, false);
        let (Some(old), Some(new)) = (parts(original, &count), parts(update, &count)) else {
            return;
        };
        let keys = Keys {
            original: walk.original,
            update: walk.update,
        };
        if !keys.same(old.0, new.0, 0, &mut HashMap::new()) {
            let message = format!(
                "map key type changed from {} to {}",
                old.0.ty.rendered(),
                new.0.ty.rendered()
            );
            walk.add("MAP_KEY_TYPE_MISMATCH", path, message);
        }
        walk.types(old.1, new.1, &format!("{path}{{}}"));
    }

    fn scalars(&self, walk: &mut Walk<'_>, original: &Ty, update: &Ty, path: &str) {
        let why = match (original, update) {
            (
                Ty::Decimal { precision: old, scale },
                Ty::Decimal {
                    precision: new,
                    scale: new_scale,
                },
            ) => (scale_of(*scale) != scale_of(*new_scale) || new < old)
                .then_some(" (decimal scale must be unchanged and precision may not shrink)"),
            (Ty::Binary(old), Ty::Binary(new)) => (old != new).then_some(" (fixed-length binary cannot change length)"),
            (old, new) => {
                let (old, new) = (class(old), class(new));
                let grows = matches!((old, new), ("int", "long") | ("float", "double"));
                (old != new && !grows).then_some("")
            }
        };
        if let Some(why) = why {
            walk.add(
                "UNSUPPORTED_TYPE_CHANGE",
                path,
                format!("{}{why}", change(original, update)),
            );
        }
    }
}

/// Key and value of a map; a multiset counts its elements.
fn parts<'a>(ty: &'a Ty, count: &'a Logical) -> Option<(&'a Logical, &'a Logical)> {
    match ty {
        Ty::Map(key, value) => Some((key, value)),
        Ty::Multiset(element) => Some((element, count)),
        _ => None,
    }
}

/// A container that has a default may be absent, where nothing was before or something that might be null.
fn is_optional(document: &Document, field: &Field, was_nullable: Option<bool>) -> bool {
    if field.schema.nullable {
        return true;
    }
    let is_container = matches!(
        document.resolved(&field.schema).ty,
        Ty::Array(_) | Ty::Map(_, _) | Ty::Multiset(_)
    );
    field.default != Default::Absent && is_container && was_nullable != Some(false)
}

/// The type a column has, without its parameters.
fn class(ty: &Ty) -> &'static str {
    match ty {
        Ty::Boolean => "boolean",
        Ty::TinyInt | Ty::SmallInt | Ty::Int => "int",
        Ty::BigInt => "long",
        Ty::Float => "float",
        Ty::Double => "double",
        Ty::Decimal { .. } => "decimal",
        Ty::Date => "date",
        Ty::Time(_) => "time",
        Ty::Timestamp(precision) if *precision > MICROS => "timestamp_ns",
        Ty::Timestamp(_) => "timestamp",
        Ty::TimestampLtz(precision) if *precision > MICROS => "timestamptz_ns",
        Ty::TimestampLtz(_) => "timestamptz",
        Ty::Char(_) | Ty::Varchar(_) | Ty::Enum(_) => "string",
        Ty::Varbinary(_) => "binary",
        Ty::Binary(_) => "fixed",
        Ty::Variant => "variant",
        _ => "nested",
    }
}

/// Keys of maps, which have to stay the same.
struct Keys<'a> {
    original: &'a Document,
    update: &'a Document,
}

impl Keys<'_> {
    fn same(&self, old: &Logical, new: &Logical, depth: usize, known: &mut HashMap<(String, String), bool>) -> bool {
        if depth > DEPTH_MAX {
            return false;
        }
        let pair = match (&old.ty, &new.ty) {
            (Ty::Ref(old), Ty::Ref(new)) => Some((old.clone(), new.clone())),
            _ => None,
        };
        if let Some(pair) = &pair {
            // A type inside itself is the same unless something else in it is not.
            if let Some(same) = known.get(pair) {
                return *same;
            }
            known.insert(pair.clone(), true);
        }
        let (left, right) = (&self.original.resolved(old).ty, &self.update.resolved(new).ty);
        let same = self.same_types(left, right, depth, known);
        if let Some(pair) = pair {
            known.insert(pair, same);
        }
        same
    }

    fn same_types(&self, old: &Ty, new: &Ty, depth: usize, known: &mut HashMap<(String, String), bool>) -> bool {
        let mut both = |old: &Logical, new: &Logical| self.same(old, new, depth + 1, known);
        let count = Logical::of(Ty::Int, false);
        match (old, new) {
            (Ty::Ref(old), Ty::Ref(new)) => old == new,
            (Ty::Struct(old) | Ty::Union(old), Ty::Struct(new) | Ty::Union(new)) => {
                let alike = |(old, new): (&Field, &Field)| old.name == new.name && both(&old.schema, &new.schema);
                old.len() == new.len() && old.iter().zip(new).all(alike)
            }
            (Ty::Array(old), Ty::Array(new)) => both(old, new),
            (
                Ty::Decimal { precision, scale },
                Ty::Decimal {
                    precision: new,
                    scale: new_scale,
                },
            ) => precision == new && scale_of(*scale) == scale_of(*new_scale),
            (Ty::Binary(old), Ty::Binary(new)) => old == new,
            (old, new) => match (parts(old, &count), parts(new, &count)) {
                (Some(old), Some(new)) => both(old.0, new.0) && both(old.1, new.1),
                (None, None) => class(old) == class(new) && class(old) != "nested",
                _ => false,
            },
        }
    }
}
