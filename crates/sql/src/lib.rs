//! SQL text to checked plan: Flink's dialect.
pub mod types;
pub use types::{DataType, Field, TypeKind};
mod error;
mod value;
pub use error::{Span, SqlError};
pub use value::Value;
