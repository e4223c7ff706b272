//! What Flink's tables can read: fields by name, implicit casts, lengths and precisions.

use std::collections::HashMap;

use super::compare::{Rules, Shape, Unions, Walk, change};
use super::{Field, LENGTH_MAX, Logical, Ty, child, scale_of};

pub(super) struct Flink;

impl Rules for Flink {
    fn shape(&self, ty: &Ty) -> Shape {
        match ty {
            Ty::Struct(_) | Ty::Union(_) => Shape::Struct,
            Ty::Array(_) => Shape::List,
            Ty::Multiset(_) => Shape::Multiset,
            Ty::Map(_, _) => Shape::Map,
            _ => Shape::Scalar,
        }
    }

    fn fields(&self, walk: &mut Walk<'_>, original: &[Field], update: &[Field], path: &str, unions: Unions) {
        let before: HashMap<&str, &Field> = original.iter().map(|field| (field.name.as_str(), field)).collect();
        for field in update {
            let place = child(path, &field.name);
            let nullable = unions.update || field.schema.nullable;
            let Some(old) = before.get(field.name.as_str()) else {
                if !nullable && !field.default.is_value() {
                    walk.add(
                        "REQUIRED_FIELD_ADDED",
                        &place,
                        "added column is neither nullable nor defaulted, so rows written before it existed have no \
                         value for it"
                            .to_owned(),
                    );
                }
                continue;
            };
            let was_nullable = unions.original || old.schema.nullable;
            if was_nullable && !nullable {
                walk.add(
                    "NULLABLE_TO_NON_NULLABLE",
                    &place,
                    "column was nullable and is now NOT NULL; pre-existing rows may hold nulls".to_owned(),
                );
            }
            if !was_nullable && !nullable && old.default.is_value() && !field.default.is_value() {
                walk.add(
                    "NON_NULLABLE_DEFAULT_REMOVED",
                    &place,
                    "NOT NULL column lost its default; rows that omitted the column have no value to read".to_owned(),
                );
            }
            walk.types(&old.schema, &field.schema, &place);
        }
    }

    fn items(&self, walk: &mut Walk<'_>, original: &Logical, update: &Logical, path: &str) {
        inner(walk, original, update, &format!("{path}[]"));
    }

    fn entries(&self, walk: &mut Walk<'_>, original: &Ty, update: &Ty, path: &str) {
        if let (Ty::Map(old_key, old_value), Ty::Map(new_key, new_value)) = (original, update) {
            inner(walk, old_key, new_key, &format!("{path}{{key}}"));
            inner(walk, old_value, new_value, &format!("{path}{{}}"));
        }
    }

    fn scalars(&self, walk: &mut Walk<'_>, original: &Ty, update: &Ty, path: &str) {
        if let Some(why) = refused(original, update) {
            walk.add(
                "UNSUPPORTED_TYPE_CHANGE",
                path,
                format!("{}{why}", change(original, update)),
            );
        }
    }
}

fn inner(walk: &mut Walk<'_>, original: &Logical, update: &Logical, path: &str) {
    if original.nullable && !update.nullable {
        walk.add(
            "NULLABLE_TO_NON_NULLABLE",
            path,
            "container child was nullable and is now NOT NULL; existing collections may hold nulls".to_owned(),
        );
    }
    walk.types(original, update, path);
}

/// Whether Flink casts one type to another by itself.
fn casts(from: &Ty, to: &Ty) -> bool {
    use Ty::{
        BigInt, Binary, Char, Decimal, Double, Enum, Float, Int, SmallInt, Time, Timestamp, TimestampLtz, TinyInt,
        Varbinary, Varchar,
    };
    matches!(
        (from, to),
        (Char(_), Char(_))
            | (Char(_) | Varchar(_) | Enum(_), Varchar(_) | Enum(_))
            | (Binary(_), Binary(_))
            | (Binary(_) | Varbinary(_), Varbinary(_))
            | (TinyInt, TinyInt)
            | (TinyInt | SmallInt, SmallInt)
            | (TinyInt | SmallInt | Int, Int)
            | (TinyInt | SmallInt | Int | BigInt, BigInt)
            | (TinyInt | SmallInt | Int | BigInt | Decimal { .. }, Decimal { .. })
            | (TinyInt | SmallInt | Float, Float)
            | (TinyInt | SmallInt | Int | Float | Double, Double)
            | (Ty::Boolean, Ty::Boolean)
            | (Ty::Date, Ty::Date)
            | (Ty::Variant, Ty::Variant)
            | (Time(_), Time(_))
            | (Timestamp(_), Timestamp(_))
            | (TimestampLtz(_), TimestampLtz(_))
    )
}

/// Why a type cannot become another, behind the sentence that says so; none if it can.
fn refused(from: &Ty, to: &Ty) -> Option<&'static str> {
    const SHRINKS: &str = " (length may not shrink)";
    if !casts(from, to) {
        return Some("");
    }
    match (from, to) {
        (Ty::Char(old), Ty::Char(new)) | (Ty::Binary(old), Ty::Binary(new)) => {
            (old != new).then_some(" (a fixed-length type cannot change length)")
        }
        (Ty::Char(_) | Ty::Varchar(_) | Ty::Enum(_) | Ty::Binary(_) | Ty::Varbinary(_), _) => {
            (length(to) < length(from)).then_some(SHRINKS)
        }
        (Ty::Time(old), Ty::Time(new))
        | (Ty::Timestamp(old), Ty::Timestamp(new))
        | (Ty::TimestampLtz(old), Ty::TimestampLtz(new)) => {
            (old != new).then_some(" (precision selects the unit of the stored value and cannot change)")
        }
        (
            Ty::Decimal { precision: old, scale },
            Ty::Decimal {
                precision: new,
                scale: new_scale,
            },
        ) => (scale_of(*scale) != scale_of(*new_scale) || new < old)
            .then_some(" (decimal scale must be unchanged and precision may not shrink)"),
        (whole, Ty::Decimal { precision, scale }) => {
            let digits = match whole {
                Ty::TinyInt => 3,
                Ty::SmallInt => 5,
                Ty::Int => 10,
                Ty::BigInt => 19,
                _ => 0,
            };
            (precision - scale_of(*scale) < digits).then_some(" (target cannot represent the full range of the source)")
        }
        _ => None,
    }
}

/// A length as Flink reads it: none means no bound.
fn length(ty: &Ty) -> i64 {
    match ty {
        Ty::Varchar(length) | Ty::Varbinary(length) if *length > 0 => *length,
        Ty::Char(length) | Ty::Binary(length) => *length,
        _ => LENGTH_MAX,
    }
}
