//! The files that need no reference, as the registry the world knows has them built in.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::file::File;
use super::names::{Extension, Found, Tables};
use super::parser;

macro_rules! texts {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("known/", $name)))),*] };
}

const TEXTS: [(&str, &str); 30] = texts![
    "confluent/meta.proto",
    "confluent/type/decimal.proto",
    "confluent/type/variant.proto",
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
    "google/type/calendar_period.proto",
    "google/type/color.proto",
    "google/type/date.proto",
    "google/type/datetime.proto",
    "google/type/dayofweek.proto",
    "google/type/decimal.proto",
    "google/type/expr.proto",
    "google/type/fraction.proto",
    "google/type/interval.proto",
    "google/type/latlng.proto",
    "google/type/money.proto",
    "google/type/month.proto",
    "google/type/phone_number.proto",
    "google/type/postal_address.proto",
    "google/type/quaternion.proto",
    "google/type/timeofday.proto",
];

static FILES: LazyLock<HashMap<&'static str, File>> = LazyLock::new(|| {
    let parsed = TEXTS
        .iter()
        .map(|(name, text)| Some((*name, parser::parse(text).ok()?)));
    // A test parses every one of them.
    parsed.flatten().collect()
});

static TABLES: LazyLock<Tables<'static>> = LazyLock::new(|| {
    let mut tables = Tables::default();
    for (name, file) in FILES.iter() {
        tables.add(file, Some(name));
    }
    tables
});

pub(super) fn has(name: &str) -> bool {
    FILES.contains_key(name)
}

pub(super) fn file(name: &str) -> Option<&'static File> {
    FILES.get(name)
}

/// A type by its full name.
pub(super) fn ty(full: &str) -> Option<Found<'static>> {
    TABLES.types.get(full).copied()
}

/// A custom option by its full name.
pub(super) fn extension(full: &str) -> Option<Extension<'static>> {
    TABLES.extensions.get(full).copied()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_known_file_is_read() {
        assert_eq!(super::FILES.len(), super::TEXTS.len());
        assert!(super::ty("google.protobuf.Value").is_some());
        assert!(super::extension("confluent.field_meta").is_some());
    }
}
