//! Flink's data types, as SQL writes them.

use std::fmt;

/// The length `STRING` and `BYTES` stand for.
pub const LENGTH_MAX: u32 = i32::MAX as u32;
/// The most digits a `DECIMAL` has.
pub(crate) const PRECISION_MAX: u8 = 38;

/// A type and whether it takes NULL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataType {
    pub kind: TypeKind,
    pub nullable: bool,
}

/// The type proper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// Of a bare `NULL`: fits everywhere.
    Null,
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Char(u32),
    VarChar(u32),
    Binary(u32),
    VarBinary(u32),
    Date,
    Time(u8),
    Timestamp(u8),
    TimestampLtz(u8),
    IntervalYearMonth,
    IntervalDayTime,
    Array(Box<DataType>),
    Map(Box<DataType>, Box<DataType>),
    Multiset(Box<DataType>),
    Row(Vec<Field>),
}

/// One field of a `ROW`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: String,
    pub ty: DataType,
}

impl DataType {
    pub fn new(kind: TypeKind) -> DataType {
        DataType { kind, nullable: true }
    }

    pub fn not_null(kind: TypeKind) -> DataType {
        DataType { kind, nullable: false }
    }

    pub fn with_nullable(mut self, nullable: bool) -> DataType {
        self.nullable = nullable;
        self
    }

    pub fn string() -> DataType {
        DataType::new(TypeKind::VarChar(LENGTH_MAX))
    }

    pub fn bytes() -> DataType {
        DataType::new(TypeKind::VarBinary(LENGTH_MAX))
    }
}

impl TypeKind {
    pub const STRING: TypeKind = TypeKind::VarChar(LENGTH_MAX);
    pub const BYTES: TypeKind = TypeKind::VarBinary(LENGTH_MAX);

    pub fn is_integer(&self) -> bool {
        matches!(
            self,
            TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt
        )
    }

    pub fn is_approximate(&self) -> bool {
        matches!(self, TypeKind::Float | TypeKind::Double)
    }

    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_approximate() || matches!(self, TypeKind::Decimal { .. })
    }

    pub fn is_string(&self) -> bool {
        matches!(self, TypeKind::Char(_) | TypeKind::VarChar(_))
    }

    pub fn is_binary(&self) -> bool {
        matches!(self, TypeKind::Binary(_) | TypeKind::VarBinary(_))
    }

    pub fn is_interval(&self) -> bool {
        matches!(self, TypeKind::IntervalYearMonth | TypeKind::IntervalDayTime)
    }

    /// A date, a time or a timestamp.
    pub fn is_temporal(&self) -> bool {
        matches!(
            self,
            TypeKind::Date | TypeKind::Time(_) | TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_)
        )
    }

    /// The decimal an integer type counts as: `INT` is `DECIMAL(10, 0)`.
    pub fn as_decimal(&self) -> Option<(u8, u8)> {
        match self {
            TypeKind::TinyInt => Some((3, 0)),
            TypeKind::SmallInt => Some((5, 0)),
            TypeKind::Int => Some((10, 0)),
            TypeKind::BigInt => Some((19, 0)),
            TypeKind::Decimal { precision, scale } => Some((*precision, *scale)),
            _ => None,
        }
    }

    /// The canonical name that Confluent's statement API gives the type's root.
    pub fn root_name(&self) -> &'static str {
        match self {
            TypeKind::Null => "NULL",
            TypeKind::Boolean => "BOOLEAN",
            TypeKind::TinyInt => "TINYINT",
            TypeKind::SmallInt => "SMALLINT",
            TypeKind::Int => "INTEGER",
            TypeKind::BigInt => "BIGINT",
            TypeKind::Float => "FLOAT",
            TypeKind::Double => "DOUBLE",
            TypeKind::Decimal { .. } => "DECIMAL",
            TypeKind::Char(_) => "CHAR",
            TypeKind::VarChar(_) => "VARCHAR",
            TypeKind::Binary(_) => "BINARY",
            TypeKind::VarBinary(_) => "VARBINARY",
            TypeKind::Date => "DATE",
            TypeKind::Time(_) => "TIME_WITHOUT_TIME_ZONE",
            TypeKind::Timestamp(_) => "TIMESTAMP_WITHOUT_TIME_ZONE",
            TypeKind::TimestampLtz(_) => "TIMESTAMP_WITH_LOCAL_TIME_ZONE",
            TypeKind::IntervalYearMonth => "INTERVAL_YEAR_MONTH",
            TypeKind::IntervalDayTime => "INTERVAL_DAY_TIME",
            TypeKind::Array(_) => "ARRAY",
            TypeKind::Map(..) => "MAP",
            TypeKind::Multiset(_) => "MULTISET",
            TypeKind::Row(_) => "ROW",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind, if self.nullable { "" } else { " NOT NULL" })
    }
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeKind::Null => f.write_str("NULL"),
            TypeKind::Boolean => f.write_str("BOOLEAN"),
            TypeKind::TinyInt => f.write_str("TINYINT"),
            TypeKind::SmallInt => f.write_str("SMALLINT"),
            TypeKind::Int => f.write_str("INT"),
            TypeKind::BigInt => f.write_str("BIGINT"),
            TypeKind::Float => f.write_str("FLOAT"),
            TypeKind::Double => f.write_str("DOUBLE"),
            TypeKind::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            TypeKind::Char(length) => write!(f, "CHAR({length})"),
            TypeKind::VarChar(LENGTH_MAX) => f.write_str("STRING"),
            TypeKind::VarChar(length) => write!(f, "VARCHAR({length})"),
            TypeKind::Binary(length) => write!(f, "BINARY({length})"),
            TypeKind::VarBinary(LENGTH_MAX) => f.write_str("BYTES"),
            TypeKind::VarBinary(length) => write!(f, "VARBINARY({length})"),
            TypeKind::Date => f.write_str("DATE"),
            TypeKind::Time(precision) => write!(f, "TIME({precision})"),
            TypeKind::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
            TypeKind::TimestampLtz(precision) => write!(f, "TIMESTAMP_LTZ({precision})"),
            TypeKind::IntervalYearMonth => f.write_str("INTERVAL YEAR TO MONTH"),
            TypeKind::IntervalDayTime => f.write_str("INTERVAL DAY TO SECOND(3)"),
            TypeKind::Array(element) => write!(f, "ARRAY<{element}>"),
            TypeKind::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            TypeKind::Multiset(element) => write!(f, "MULTISET<{element}>"),
            TypeKind::Row(fields) => {
                f.write_str("ROW<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}`{}` {}", field.name, field.ty)?;
                }
                f.write_str(">")
            }
        }
    }
}
