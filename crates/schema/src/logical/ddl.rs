//! Types of tables in the words of data definition.

use super::{Converted, Field, LENGTH_MAX, Logical, Ty};

/// A type as it stands in messages: nothing but types and names.
pub(super) fn plain(schema: &Logical) -> String {
    let list = |fields: &[Field]| {
        let field = |field: &Field| format!("{} {}", identifier(&field.name), plain(&field.schema));
        fields.iter().map(field).collect::<Vec<_>>().join(", ")
    };
    let words = match &schema.ty {
        Ty::Struct(fields) => format!("STRUCT({})", list(fields)),
        Ty::Union(branches) => format!("UNION({})", list(branches)),
        Ty::Array(inner) => format!("ARRAY<{}>", plain(inner)),
        Ty::Multiset(inner) => format!("MULTISET<{}>", plain(inner)),
        Ty::Map(key, value) => format!("MAP<{}, {}>", plain(key), plain(value)),
        Ty::Ref(name) => name.clone(),
        scalar => scalar_words(scalar),
    };
    not_null(words, schema)
}

fn not_null(words: String, schema: &Logical) -> String {
    if schema.nullable {
        words
    } else {
        format!("{words} NOT NULL")
    }
}

pub(super) fn scalar_words(ty: &Ty) -> String {
    match ty {
        Ty::Varchar(LENGTH_MAX) => "STRING".to_owned(),
        Ty::Varbinary(LENGTH_MAX) => "BYTES".to_owned(),
        Ty::Decimal { precision, scale: -1 } => format!("DECIMAL({precision})"),
        Ty::Enum(symbols) => {
            let symbols: Vec<String> = symbols.iter().map(|symbol| format!("'{}'", symbol.name)).collect();
            format!("ENUM({})", symbols.join(", "))
        }
        other => other.rendered(),
    }
}

/// The words of the language that may be no names unless they are quoted.
const RESERVED: [&str; 69] = [
    "AND",
    "ARRAY",
    "AS",
    "BETWEEN",
    "BIGINT",
    "BINARY",
    "BOOLEAN",
    "BOTH",
    "BYTES",
    "CASE",
    "CAST",
    "CHAR",
    "CHARACTER",
    "CHECK",
    "COMMENT",
    "CONSTRAINT",
    "CREATE",
    "CURRENT_TIMESTAMP",
    "DATE",
    "DEC",
    "DECIMAL",
    "DEFAULT",
    "DOUBLE",
    "ELSE",
    "END",
    "ESCAPE",
    "EXTRACT",
    "FALSE",
    "FLOAT",
    "FOR",
    "FROM",
    "IN",
    "INT",
    "INTEGER",
    "IS",
    "LEADING",
    "LIKE",
    "LOCAL",
    "MESSAGE",
    "MULTISET",
    "NOT",
    "NULL",
    "NUMERIC",
    "OR",
    "POSITION",
    "PRECISION",
    "REAL",
    "ROW",
    "SMALLINT",
    "STRING",
    "STRUCT",
    "SUBSTRING",
    "SYMMETRIC",
    "THEN",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "TINYINT",
    "TRAILING",
    "TRIM",
    "TRUE",
    "UNION",
    "USING",
    "VARBINARY",
    "VARCHAR",
    "VARYING",
    "WHEN",
    "WITH",
    "WITHOUT",
];

/// A name, in backquotes if it could be read as something else.
pub(super) fn identifier(name: &str) -> String {
    let is_plain = |(at, c): (usize, char)| c.is_ascii_alphabetic() || c == '_' || (at > 0 && c.is_ascii_digit());
    let is_name = !name.is_empty() && name.chars().enumerate().all(is_plain);
    if is_name && !RESERVED.contains(&name.to_uppercase().as_str()) {
        return name.to_owned();
    }
    format!("`{}`", name.replace('`', "``"))
}

/// A type's kind without its parameters.
pub(super) fn kind(ty: &Ty) -> String {
    match ty {
        Ty::Ref(_) => "NAMED_TYPE_REF".to_owned(),
        other => other.rendered().split('(').next().unwrap_or_default().to_owned(),
    }
}

/// A name with dots, each part on its own.
pub(super) fn qualified(name: &str) -> Converted<String> {
    let parts: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err("identifier must not be empty".to_owned());
    }
    let parts: Vec<String> = parts.into_iter().map(identifier).collect();
    Ok(parts.join("."))
}
