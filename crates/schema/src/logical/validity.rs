//! Whether a type has a place in tables at all, whatever came before it.

use std::collections::{HashMap, HashSet};

use super::circles::circles;
use super::{Document, Field, Finding, Logical, Mode, Ty, child};

pub(super) fn check(mode: Mode, document: &Document) -> Vec<Finding> {
    let mut walk = Walk {
        mode,
        document,
        walked: HashSet::new(),
        circular: circular(document),
        found: Vec::new(),
    };
    walk.ty(&document.root, "");
    walk.found
}

struct Walk<'a> {
    mode: Mode,
    document: &'a Document,
    walked: HashSet<String>,
    /// The names that can be reached from themselves.
    circular: HashSet<&'a str>,
    found: Vec<Finding>,
}

impl Walk<'_> {
    fn add(&mut self, rule: &'static str, path: &str, message: String) {
        self.found.push(Finding {
            rule,
            path: path.to_owned(),
            message,
        });
    }

    fn ty(&mut self, schema: &Logical, path: &str) {
        match &schema.ty {
            Ty::Struct(fields) => self.fields("struct", fields, path),
            Ty::Union(fields) => self.fields("union", fields, path),
            Ty::Array(inner) | Ty::Multiset(inner) => self.ty(inner, &format!("{path}[]")),
            Ty::Map(key, value) => {
                self.ty(key, &format!("{path}{{key}}"));
                self.ty(value, &format!("{path}{{}}"));
            }
            Ty::Ref(name) => self.named(name, path),
            scalar => self.scalar(scalar, path),
        }
    }

    fn fields(&mut self, kind: &str, fields: &[Field], path: &str) {
        if self.mode == Mode::IcebergV2 {
            if fields.is_empty() {
                self.add("EMPTY_STRUCT", path, format!("a {kind} must have at least one field"));
            }
            self.collisions(fields, path);
        }
        for field in fields {
            self.ty(&field.schema, &child(path, &field.name));
        }
    }

    fn collisions(&mut self, fields: &[Field], path: &str) {
        let mut first: HashMap<String, &str> = HashMap::new();
        let mut told = HashSet::new();
        for field in fields {
            let lower = field.name.to_lowercase();
            let Some(known) = first.get(&lower).copied() else {
                first.insert(lower, &field.name);
                continue;
            };
            if told.insert(lower) {
                let message = format!(
                    "field names '{known}' and '{}' differ only in case, which Iceberg's case-insensitive name index \
                     cannot distinguish",
                    field.name
                );
                self.add("FIELD_NAME_CASE_COLLISION", path, message);
            }
        }
    }

    fn named(&mut self, name: &str, path: &str) {
        let Some(body) = self.document.named.get(name) else {
            let message = format!("named type '{name}' is referenced but not defined");
            return self.add("UNRESOLVED_TYPE_REF", path, message);
        };
        if self.circular.contains(name) {
            let message = format!(
                "named type '{name}' refers to itself, and cannot be represented by a non-recursive type system"
            );
            return self.add("CYCLIC_TYPE", path, message);
        }
        if self.walked.insert(name.to_owned()) {
            // Definitions that refer to each other may do so many times over.
            crate::json::deeper(|| self.ty(body, path));
        }
    }

    fn scalar(&mut self, ty: &Ty, path: &str) {
        let iceberg = self.mode == Mode::IcebergV2;
        match ty {
            Ty::Decimal { precision, scale } => {
                if !(1..=38).contains(precision) {
                    let message = format!("DECIMAL precision {precision} is outside the supported range 1 to 38");
                    self.add("PRECISION_OUT_OF_RANGE", path, message);
                }
                if *scale != -1 && !(0..=*precision).contains(scale) {
                    let message =
                        format!("DECIMAL scale {scale} is outside the supported range 0 to the precision {precision}");
                    self.add("SCALE_OUT_OF_RANGE", path, message);
                }
            }
            Ty::Timestamp(precision) | Ty::TimestampLtz(precision) if iceberg && *precision > 6 => {
                let message = format!(
                    "{} needs Iceberg's nanosecond timestamp types, which arrived in format-version 3",
                    ty.rendered()
                );
                self.add("UNREPRESENTABLE_TYPE", path, message);
            }
            Ty::Char(length) | Ty::Binary(length) => self.length(ty, *length, 1, path),
            Ty::Varchar(length) | Ty::Varbinary(length) => self.length(ty, *length, 0, path),
            Ty::Variant if iceberg => {
                let message = "VARIANT needs Iceberg's variant type, which arrived in format-version 3";
                self.add("UNREPRESENTABLE_TYPE", path, message.to_owned());
            }
            _ => {}
        }
    }

    fn length(&mut self, ty: &Ty, length: i64, least: i64, path: &str) {
        if length < least {
            let rendered = ty.rendered();
            let word = rendered.split('(').next().unwrap_or_default();
            let message = format!("{word} length {length} is below the minimum of {least}");
            self.add("LENGTH_OUT_OF_RANGE", path, message);
        }
    }
}

/// The named types that can be reached from themselves.
fn circular(document: &Document) -> HashSet<&str> {
    let names = document.named.keys().map(String::as_str);
    circles(names, |name| names_in(document, name))
}

/// The named types that one holds.
pub(super) fn names_in<'a>(document: &'a Document, name: &str) -> Vec<&'a str> {
    let names = document.named.get(name).map(Logical::names).unwrap_or_default();
    names
        .into_iter()
        .filter(|name| document.named.contains_key(*name))
        .collect()
}
