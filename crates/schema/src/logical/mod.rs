//! The types that tables have, which the LOGICAL policy compares beside a language's own rules: those of Flink, and
//! those of Iceberg's format version 2.
//!
//! Schemas of each language are turned into such types first.

mod circles;
mod compare;
mod ddl;
mod flink;
mod iceberg;
mod java;
mod literals;
mod moments;
mod of_avro;
mod of_json;
mod of_protobuf;
mod script;
mod texts;
mod validity;

use std::collections::{BTreeMap, HashSet};

use indexmap::IndexMap;

pub(crate) use texts::floating;

use crate::difference::{Difference, Reader};
use crate::{avro, json, protobuf};

/// The rule of a difference between tables, in the list of a language's differences.
pub const RULE: &str = "LOGICAL";
/// How the message begins about a schema that has no logical type; nothing more is said of it then.
pub const UNREPRESENTABLE: &str = "Schema cannot be represented as a logical type: ";

/// A length without bound.
const LENGTH_MAX: i64 = i32::MAX as i64;

/// A schema of any language.
#[derive(Clone, Copy)]
pub enum Schema<'a> {
    /// With the properties of its metadata: they name what its text cannot, namespace and branches of a union.
    Avro(&'a avro::Schema, Option<&'a BTreeMap<String, String>>),
    Json(&'a json::Schema),
    Protobuf(&'a protobuf::Schema),
}

impl<'a> From<&'a avro::Schema> for Schema<'a> {
    fn from(schema: &'a avro::Schema) -> Schema<'a> {
        Schema::Avro(schema, None)
    }
}

impl<'a> From<&'a json::Schema> for Schema<'a> {
    fn from(schema: &'a json::Schema) -> Schema<'a> {
        Schema::Json(schema)
    }
}

impl<'a> From<&'a protobuf::Schema> for Schema<'a> {
    fn from(schema: &'a protobuf::Schema) -> Schema<'a> {
        Schema::Protobuf(schema)
    }
}

impl Schema<'_> {
    fn document(self) -> Converted<Document> {
        match self {
            Schema::Avro(schema, properties) => of_avro::document(schema, properties),
            Schema::Json(schema) => of_json::document(schema),
            Schema::Protobuf(schema) => of_protobuf::document(schema),
        }
    }
}

/// What was made of a schema, or why it has no place in tables.
type Converted<T> = Result<T, String>;

/// A schema as types of tables.
#[derive(Debug)]
struct Document {
    namespace: Option<String>,
    root: Logical,
    /// Records and enums by their full names, in the order in which they were met.
    named: IndexMap<String, Logical>,
    /// The names of types that references define.
    external: HashSet<String>,
    /// Names made for references of a schema, with what these say.
    bindings: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Logical {
    ty: Ty,
    nullable: bool,
    said: Option<Box<Said>>,
}

/// What is said of a type, a field or a branch, besides what it is.
#[derive(Clone, Debug, Default)]
struct Said {
    doc: Option<String>,
    tags: Vec<String>,
    params: Vec<(String, String)>,
    checks: Vec<Check>,
}

/// A condition on values.
#[derive(Clone, Debug)]
struct Check {
    name: Option<String>,
    doc: Option<String>,
    sql: String,
}

#[derive(Clone, Debug)]
enum Ty {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal {
        precision: i64,
        scale: i64,
    },
    Char(i64),
    Varchar(i64),
    Binary(i64),
    Varbinary(i64),
    Date,
    Time(i64),
    Timestamp(i64),
    TimestampLtz(i64),
    Variant,
    Enum(Vec<Symbol>),
    Struct(Vec<Field>),
    /// The branches; a value has exactly one of them.
    Union(Vec<Field>),
    Array(Box<Logical>),
    Multiset(Box<Logical>),
    Map(Box<Logical>, Box<Logical>),
    Ref(String),
}

/// A value of an enum.
#[derive(Clone, Debug)]
struct Symbol {
    name: String,
    doc: Option<String>,
    params: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    schema: Logical,
    default: Default,
    said: Said,
}

#[derive(Clone, Debug, PartialEq)]
enum Default {
    Absent,
    Null,
    /// An absent container is an empty one, though nobody wrote that.
    Empty,
    /// A literal.
    Literal(String),
}

impl Default {
    fn is_value(&self) -> bool {
        matches!(self, Default::Empty | Default::Literal(_))
    }
}

/// One finding: a published rule, where, and a sentence.
struct Finding {
    rule: &'static str,
    path: String,
    message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}: {}", self.rule, self.message)
        } else {
            write!(f, "{} at '{}': {}", self.rule, self.path, self.message)
        }
    }
}

/// Whose tables: the names are those of a registry's messages.
const MODES: [Mode; 2] = [Mode::Flink, Mode::IcebergV2];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Flink,
    IcebergV2,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Mode::Flink => "FLINK",
            Mode::IcebergV2 => "ICEBERG_V2",
        }
    }
}

/// The schema as a data definition, which `format=logical` asks for; the error says why it has none.
pub fn definition<'a>(schema: impl Into<Schema<'a>>) -> Result<String, String> {
    script::script(&schema.into().document()?)
}

/// Why a new schema has no place in tables, whatever came before it: the messages of a registry, none if it has one.
pub fn invalid<'a>(schema: impl Into<Schema<'a>>) -> Vec<String> {
    let document = match schema.into().document() {
        Ok(document) => document,
        Err(error) => return vec![format!("{UNREPRESENTABLE}{error}")],
    };
    let told = MODES.into_iter().filter_map(|mode| {
        let found = validity::check(mode, &document);
        told(&found).map(|told| format!("Logical validity ({}): {told}", mode.word()))
    });
    told.collect()
}

/// Why a table of `reader`'s cannot hold what `writer` wrote: the messages of a registry, none if it can. A schema that
/// has no place in tables is not compared.
pub fn incompatible<'a>(reader: impl Into<Schema<'a>>, writer: impl Into<Schema<'a>>, is: Reader) -> Vec<String> {
    let (Ok(update), Ok(original)) = (reader.into().document(), writer.into().document()) else {
        return Vec::new();
    };
    let direction = match is {
        Reader::New => "backward",
        Reader::Old => "forward",
    };
    let told = MODES.into_iter().filter_map(|mode| {
        let found = match mode {
            Mode::Flink => compare::run(&flink::Flink, &original, &update),
            Mode::IcebergV2 => compare::run(&iceberg::Iceberg, &original, &update),
        };
        told(&found).map(|told| format!("Logical compatibility ({}, {direction}): {told}", mode.word()))
    });
    told.collect()
}

/// The same as differences, to stand behind those of a language.
pub(crate) fn differences<'a>(
    reader: impl Into<Schema<'a>>,
    writer: impl Into<Schema<'a>>,
    is: Reader,
) -> Vec<Difference> {
    let difference = |description| Difference {
        rule: RULE,
        path: "/".to_owned(),
        description,
        additional: None,
        reader: None,
        writer: None,
    };
    incompatible(reader, writer, is).into_iter().map(difference).collect()
}

fn told(found: &[Finding]) -> Option<String> {
    let lines: Vec<String> = found.iter().map(Finding::to_string).collect();
    Some(lines.join("\n")).filter(|_| !found.is_empty())
}

impl Document {
    /// The type a name stands for, at the end of all names.
    fn resolved<'a>(&'a self, schema: &'a Logical) -> &'a Logical {
        let mut current = schema;
        let mut seen = HashSet::new();
        while let Ty::Ref(name) = &current.ty {
            match self.named.get(name) {
                Some(next) if seen.insert(name) => current = next,
                _ => return current,
            }
        }
        current
    }
}

impl Document {
    /// A type that names no others.
    fn of(namespace: Option<String>, root: Logical) -> Document {
        Document {
            namespace,
            root,
            named: IndexMap::new(),
            external: HashSet::new(),
            bindings: Vec::new(),
        }
    }
}

impl Logical {
    fn of(ty: Ty, nullable: bool) -> Logical {
        Logical {
            ty,
            nullable,
            said: None,
        }
    }

    /// The names that it holds.
    fn names(&self) -> HashSet<&str> {
        let mut names = HashSet::new();
        let mut waiting = vec![self];
        while let Some(schema) = waiting.pop() {
            match &schema.ty {
                Ty::Ref(name) => drop(names.insert(name.as_str())),
                Ty::Struct(fields) | Ty::Union(fields) => waiting.extend(fields.iter().map(|field| &field.schema)),
                Ty::Array(inner) | Ty::Multiset(inner) => waiting.push(inner),
                Ty::Map(key, value) => waiting.extend([&**key, &**value]),
                _ => {}
            }
        }
        names
    }
}

/// Whether a parameter belongs to no language in particular.
fn is_free(key: &str) -> bool {
    !key.starts_with("avro.") && !key.starts_with("protobuf.")
}

/// A length; -1 is not given, which is the shortest.
fn length(given: i64) -> i64 {
    if given == -1 { 1 } else { given }
}

/// A path with one more name.
fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

impl Ty {
    fn decimal(precision: i64, scale: i64) -> Ty {
        let precision = if precision == -1 { 10 } else { precision };
        Ty::Decimal { precision, scale }
    }

    fn time(precision: i64) -> Converted<Ty> {
        fraction("TIME", if precision == -1 { 0 } else { precision }).map(Ty::Time)
    }

    fn timestamp(precision: i64) -> Converted<Ty> {
        fraction("TIMESTAMP", if precision == -1 { 6 } else { precision }).map(Ty::Timestamp)
    }

    fn timestamp_ltz(precision: i64) -> Converted<Ty> {
        fraction("TIMESTAMP_LTZ", if precision == -1 { 6 } else { precision }).map(Ty::TimestampLtz)
    }

    /// The type in the words of a message.
    fn rendered(&self) -> String {
        match self {
            Ty::Boolean => "BOOLEAN".to_owned(),
            Ty::TinyInt => "TINYINT".to_owned(),
            Ty::SmallInt => "SMALLINT".to_owned(),
            Ty::Int => "INT".to_owned(),
            Ty::BigInt => "BIGINT".to_owned(),
            Ty::Float => "FLOAT".to_owned(),
            Ty::Double => "DOUBLE".to_owned(),
            Ty::Decimal { precision, scale } => format!("DECIMAL({precision}, {})", scale_of(*scale)),
            Ty::Char(length) => format!("CHAR({length})"),
            Ty::Varchar(length) => format!("VARCHAR({length})"),
            Ty::Binary(length) => format!("BINARY({length})"),
            Ty::Varbinary(length) => format!("VARBINARY({length})"),
            Ty::Date => "DATE".to_owned(),
            Ty::Time(precision) => format!("TIME({precision})"),
            Ty::Timestamp(precision) => format!("TIMESTAMP({precision})"),
            Ty::TimestampLtz(precision) => format!("TIMESTAMP_LTZ({precision})"),
            Ty::Variant => "VARIANT".to_owned(),
            Ty::Enum(_) => "ENUM".to_owned(),
            Ty::Struct(_) => "STRUCT".to_owned(),
            Ty::Union(_) => "UNION".to_owned(),
            Ty::Array(_) => "ARRAY".to_owned(),
            Ty::Multiset(_) => "MULTISET".to_owned(),
            Ty::Map(_, _) => "MAP".to_owned(),
            Ty::Ref(name) => format!("ref({name})"),
        }
    }
}

/// A number of digits behind the second.
fn fraction(name: &str, precision: i64) -> Converted<i64> {
    if (0..=9).contains(&precision) {
        return Ok(precision);
    }
    Err(format!("{name} precision must be in [0, 9], got {precision}"))
}

/// A scale that was not given is none.
fn scale_of(scale: i64) -> i64 {
    if scale == -1 { 0 } else { scale }
}
