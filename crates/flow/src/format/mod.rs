//! Formats: bytes of a record's key or value to columns, and back.

pub(crate) mod avro;
pub(crate) mod json;
pub(crate) mod raw;

use bytes::{BufMut, Bytes, BytesMut};

/// The byte before a schema id.
const MAGIC: u8 = 0;
/// Magic byte and id.
pub(crate) const PREFIX_BYTES: usize = 5;

/// How a key or value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// Avro behind magic byte and schema id.
    AvroRegistry,
    /// Avro without a prefix: the table's own columns are the schema.
    AvroPlain,
    /// JSON behind magic byte and schema id.
    JsonRegistry,
    Json,
    /// One column, as its bytes are.
    Raw,
}

impl Format {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Format::AvroRegistry => "avro-registry",
            Format::AvroPlain => "avro",
            Format::JsonRegistry => "json-registry",
            Format::Json => "json",
            Format::Raw => "raw",
        }
    }
}

/// A column that a key or value holds, and where its value goes or comes from.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The field's name in the record, without any prefix the table adds.
    pub field: String,
    /// The column's name, for messages.
    pub column: String,
    pub ty: sql::DataType,
    /// The place in the row.
    pub slot: usize,
}

/// Why bytes could not be read.
#[derive(Debug, PartialEq)]
pub(crate) enum ReadFailure {
    /// The schema of this id is needed first.
    SchemaNeeded(i32),
    /// The bytes do not fit.
    Bad(String),
}

impl From<String> for ReadFailure {
    fn from(message: String) -> ReadFailure {
        ReadFailure::Bad(message)
    }
}

/// The schema id in front, and what follows.
pub(crate) fn split_prefix(bytes: &Bytes) -> Result<(i32, Bytes), String> {
    if bytes.len() < PREFIX_BYTES || bytes[0] != MAGIC {
        let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let looks = match bytes.first() {
            Some(b'{' | b'[') => "; it looks like plain JSON: use 'value.format' = 'json'",
            _ => "",
        };
        return Err(format!(
            "it begins with the bytes `{}`, not with 00 and a schema id of 4 bytes{looks}",
            shown.join(" ")
        ));
    }
    let id = i32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
    Ok((id, bytes.slice(PREFIX_BYTES..)))
}

pub(crate) fn put_prefix(out: &mut BytesMut, id: i32) {
    out.put_u8(MAGIC);
    out.put_i32(id);
}
