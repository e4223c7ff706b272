//! How messages are read and written: the traits the generated messages implement, the reader, the writer.
//!
//! Decoding takes its values from a [`Source`]. [`Reader`] is the one over bytes; tests bring one that makes values up,
//! so that every message can be made at random without a second set of generated code.

use bytes::Bytes;

use crate::piece::Piece;
use crate::varint;

/// The most array elements one message may hold, so that a frame of the largest size cannot become gigabytes of small
/// structs.
pub const ELEMENTS_MAX: usize = 1_000_000;
/// Byte fields of at least this size are handed to the socket as they are instead of being copied.
const SPLICE_BYTES_MIN: usize = 4096;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("message ends after {at} bytes, in the middle of a field")]
    Truncated { at: usize },
    #[error("length `{length}` at byte {at} is impossible: {remain} bytes remain")]
    Length { at: usize, length: i64, remain: usize },
    #[error("a field at byte {at} is null, which its version does not allow")]
    Null { at: usize },
    #[error("text at byte {at} is not UTF-8")]
    Utf8 { at: usize },
    #[error("more than {ELEMENTS_MAX} array elements in one message")]
    Elements,
    #[error("a tagged field ends at byte {at} instead of {end}")]
    Tag { at: usize, end: usize },
    #[error("{extra} bytes follow the message")]
    Trailing { extra: usize },
}

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("`{field}` is set, but version {version} does not carry it")]
    Absent { field: &'static str, version: i16 },
    #[error("`{field}` is null, which version {version} does not allow")]
    Null { field: &'static str, version: i16 },
    #[error("a field lies in a file and cannot be joined with what is in memory")]
    Apart,
    #[error("a field of {length} bytes or elements is longer than its length can say")]
    TooLong { length: usize },
}

impl EncodeError {
    pub(crate) fn absent(field: &'static str, version: i16) -> EncodeError {
        EncodeError::Absent { field, version }
    }

    pub(crate) fn null(field: &'static str, version: i16) -> EncodeError {
        EncodeError::Null { field, version }
    }
}

/// One of Kafka's messages. `VERSION_MIN` to `VERSION_MAX` is what can be read and written, not what a broker offers.
pub trait Message: Sized + Clone + Default + PartialEq + std::fmt::Debug {
    const NAME: &'static str;
    /// `-1` for shapes that are no request or response of their own.
    const KEY: i16;
    const VERSION_MIN: i16;
    const VERSION_MAX: i16;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_FROM: Option<i16>;

    fn decode<S: Source>(source: &mut S, version: i16) -> Result<Self, DecodeError>;
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;

    /// How long the client is to wait before its next request; 0 for messages that do not say.
    fn throttle_time_ms(&self) -> i32 {
        0
    }

    /// Nothing, for messages that do not say.
    fn set_throttle_time_ms(&mut self, _ms: i32) {}

    fn is_flexible(version: i16) -> bool {
        Self::FLEXIBLE_FROM.is_some_and(|from| version >= from)
    }

    /// Reads a message that fills `bytes` to the end.
    fn from_bytes(bytes: &Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes.clone());
        let message = Self::decode(&mut reader, version)?;
        reader.finish()?;
        Ok(message)
    }

    /// The message alone, in one piece.
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::new();
        self.encode(&mut writer, version)?;
        writer.joined()
    }
}

/// A message that asks for another.
pub trait Request: Message {
    type Response: Message;
}

/// Sees every message type, for tests that must not forget one.
pub trait Visitor {
    fn visit<M: Message>(&mut self);
}

/// Where decoding takes its values from.
pub trait Source {
    fn bool(&mut self) -> Result<bool, DecodeError>;
    fn i8(&mut self) -> Result<i8, DecodeError>;
    fn i16(&mut self) -> Result<i16, DecodeError>;
    fn u16(&mut self) -> Result<u16, DecodeError>;
    fn i32(&mut self) -> Result<i32, DecodeError>;
    fn i64(&mut self) -> Result<i64, DecodeError>;
    fn f64(&mut self) -> Result<f64, DecodeError>;
    fn uuid(&mut self) -> Result<[u8; 16], DecodeError>;
    fn string(&mut self, flexible: bool) -> Result<String, DecodeError>;
    fn nullable_string(&mut self, flexible: bool) -> Result<Option<String>, DecodeError>;
    fn bytes(&mut self, flexible: bool) -> Result<Bytes, DecodeError>;
    fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError>;
    /// How many elements follow, each of at least `element_bytes_min`; `None` for null.
    fn count(&mut self, flexible: bool, element_bytes_min: usize, nullable: bool)
    -> Result<Option<usize>, DecodeError>;
    /// Whether a nullable struct follows.
    fn present(&mut self) -> Result<bool, DecodeError>;
    fn tag_count(&mut self) -> Result<u32, DecodeError>;
    /// The next tagged field's number, and a mark for [`Source::skip_tag`] and [`Source::end_tag`].
    fn tag(&mut self) -> Result<(u32, usize), DecodeError>;
    fn skip_tag(&mut self, end: usize) -> Result<(), DecodeError>;
    fn end_tag(&mut self, end: usize) -> Result<(), DecodeError>;

    fn skip_tags(&mut self) -> Result<(), DecodeError> {
        for _ in 0..self.tag_count()? {
            let (_, end) = self.tag()?;
            self.skip_tag(end)?;
            self.end_tag(end)?;
        }
        Ok(())
    }

    fn array<T>(
        &mut self,
        flexible: bool,
        element_bytes_min: usize,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(flexible, element_bytes_min, false)?.unwrap_or_default();
        self.elements(count, element)
    }

    fn nullable_array<T>(
        &mut self,
        flexible: bool,
        element_bytes_min: usize,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let count = self.count(flexible, element_bytes_min, true)?;
        count.map(|count| self.elements(count, element)).transpose()
    }

    fn elements<T>(
        &mut self,
        count: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        // Grown as elements turn out to be there: a count is a claim.
        let mut elements = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }
}

/// Reads a message from bytes; byte fields are slices of them.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
    elements_left: usize,
}

impl Reader {
    pub fn new(bytes: Bytes) -> Reader {
        Reader {
            bytes,
            at: 0,
            elements_left: ELEMENTS_MAX,
        }
    }

    /// Demands that everything was read.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remain() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing { extra }),
        }
    }

    fn remain(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some(bytes) = self.bytes[self.at..].first_chunk::<N>() else {
            return Err(DecodeError::Truncated { at: self.bytes.len() });
        };
        self.at += N;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<u32, DecodeError> {
        varint::read_u32(&self.bytes, &mut self.at).ok_or(DecodeError::Truncated { at: self.at })
    }

    /// A length as every field has it: plus one in a varint, or fixed; `None` for null.
    fn length(&mut self, flexible: bool, wide: bool) -> Result<Option<usize>, DecodeError> {
        let at = self.at;
        let length = match (flexible, wide) {
            (true, _) => i64::from(self.varint()?) - 1,
            (false, true) => i64::from(self.i32()?),
            (false, false) => i64::from(self.i16()?),
        };
        if length == -1 {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(length) if length <= self.remain() => Ok(Some(length)),
            _ => Err(DecodeError::Length {
                at,
                length,
                remain: self.remain(),
            }),
        }
    }

    fn slice(&mut self, length: usize) -> Bytes {
        let slice = self.bytes.slice(self.at..self.at + length);
        self.at += length;
        slice
    }
}

impl Source for Reader {
    fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    fn i8(&mut self) -> Result<i8, DecodeError> {
        self.take().map(i8::from_be_bytes)
    }

    fn i16(&mut self) -> Result<i16, DecodeError> {
        self.take().map(i16::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.take().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, DecodeError> {
        self.take().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, DecodeError> {
        self.take().map(i64::from_be_bytes)
    }

    fn f64(&mut self) -> Result<f64, DecodeError> {
        self.take().map(f64::from_be_bytes)
    }

    fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        self.take()
    }

    fn string(&mut self, flexible: bool) -> Result<String, DecodeError> {
        let at = self.at;
        self.nullable_string(flexible)?.ok_or(DecodeError::Null { at })
    }

    fn nullable_string(&mut self, flexible: bool) -> Result<Option<String>, DecodeError> {
        let Some(length) = self.length(flexible, false)? else {
            return Ok(None);
        };
        let at = self.at;
        self.at += length;
        match std::str::from_utf8(&self.bytes[at..at + length]) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(DecodeError::Utf8 { at }),
        }
    }

    fn bytes(&mut self, flexible: bool) -> Result<Bytes, DecodeError> {
        let at = self.at;
        self.nullable_bytes(flexible)?.ok_or(DecodeError::Null { at })
    }

    fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        Ok(self.length(flexible, true)?.map(|length| self.slice(length)))
    }

    fn count(
        &mut self,
        flexible: bool,
        element_bytes_min: usize,
        nullable: bool,
    ) -> Result<Option<usize>, DecodeError> {
        let at = self.at;
        let Some(count) = self.length(flexible, true)? else {
            return if nullable {
                Ok(None)
            } else {
                Err(DecodeError::Null { at })
            };
        };
        if count.saturating_mul(element_bytes_min) > self.remain() {
            return Err(DecodeError::Length {
                at,
                length: count as i64,
                remain: self.remain(),
            });
        }
        self.elements_left = self.elements_left.checked_sub(count).ok_or(DecodeError::Elements)?;
        Ok(Some(count))
    }

    fn present(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? >= 0)
    }

    fn tag_count(&mut self) -> Result<u32, DecodeError> {
        let at = self.at;
        let count = self.varint()?;
        // A tagged field has a number and a size.
        if count as usize > self.remain() / 2 {
            return Err(DecodeError::Length {
                at,
                length: i64::from(count),
                remain: self.remain(),
            });
        }
        Ok(count)
    }

    fn tag(&mut self) -> Result<(u32, usize), DecodeError> {
        let tag = self.varint()?;
        let at = self.at;
        let length = self.varint()? as usize;
        if length > self.remain() {
            return Err(DecodeError::Length {
                at,
                length: length as i64,
                remain: self.remain(),
            });
        }
        Ok((tag, self.at + length))
    }

    fn skip_tag(&mut self, end: usize) -> Result<(), DecodeError> {
        self.at = end;
        Ok(())
    }

    fn end_tag(&mut self, end: usize) -> Result<(), DecodeError> {
        if self.at == end {
            Ok(())
        } else {
            Err(DecodeError::Tag { at: self.at, end })
        }
    }
}

/// Writes a message into one buffer, with large byte fields spliced in by reference.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
    /// What belongs before the given place in the buffer, in order.
    splices: Vec<(usize, Piece)>,
    spliced_bytes: usize,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    pub fn size_bytes(&self) -> usize {
        self.buffer.len() + self.spliced_bytes
    }

    /// What was written, in pieces to be sent one after another.
    pub fn pieces(self) -> Vec<Piece> {
        let mut rest = Bytes::from(self.buffer);
        let mut pieces = Vec::with_capacity(self.splices.len() * 2 + 1);
        let mut done = 0;
        for (place, splice) in self.splices {
            if place > done {
                pieces.push(Piece::Memory(rest.split_to(place - done)));
                done = place;
            }
            pieces.push(splice);
        }
        if !rest.is_empty() {
            pieces.push(Piece::Memory(rest));
        }
        pieces
    }

    /// What was written, in one piece.
    pub fn joined(self) -> Result<Bytes, EncodeError> {
        let mut joined = Vec::with_capacity(self.size_bytes());
        for piece in self.pieces() {
            joined.extend_from_slice(piece.memory().ok_or(EncodeError::Apart)?);
        }
        Ok(Bytes::from(joined))
    }

    /// Replaces four bytes written before: sizes are known last.
    pub(crate) fn patch_i32(&mut self, at: usize, value: i32) {
        self.buffer[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub fn bool(&mut self, value: bool) {
        self.buffer.push(u8::from(value));
    }

    pub fn i8(&mut self, value: i8) {
        self.buffer.push(value as u8);
    }

    pub fn i16(&mut self, value: i16) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub fn u16(&mut self, value: u16) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub fn f64(&mut self, value: f64) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub fn uuid(&mut self, value: &[u8; 16]) {
        self.buffer.extend_from_slice(value);
    }

    pub fn string(&mut self, flexible: bool, value: &str) -> Result<(), EncodeError> {
        if value.len() > i16::MAX as usize {
            return Err(EncodeError::TooLong { length: value.len() });
        }
        if flexible {
            self.varint(value.len() as u32 + 1)
        } else {
            self.i16(value.len() as i16)
        }
        self.buffer.extend_from_slice(value.as_bytes());
        Ok(())
    }

    pub fn null_string(&mut self, flexible: bool) {
        if flexible { self.varint(0) } else { self.i16(-1) }
    }

    pub fn bytes(&mut self, flexible: bool, value: &Bytes) -> Result<(), EncodeError> {
        self.array_len(flexible, value.len())?;
        if value.len() >= SPLICE_BYTES_MIN {
            self.splice(Piece::Memory(value.clone()));
        } else {
            self.buffer.extend_from_slice(value);
        }
        Ok(())
    }

    pub fn piece(&mut self, flexible: bool, value: &Piece) -> Result<(), EncodeError> {
        match value {
            Piece::Memory(bytes) => self.bytes(flexible, bytes),
            Piece::File(slice) => {
                self.array_len(flexible, slice.bytes)?;
                self.splice(value.clone());
                Ok(())
            }
        }
    }

    fn splice(&mut self, piece: Piece) {
        self.spliced_bytes += piece.len();
        self.splices.push((self.buffer.len(), piece));
    }

    pub fn null_bytes(&mut self, flexible: bool) {
        self.null_array(flexible);
    }

    pub fn array_len(&mut self, flexible: bool, length: usize) -> Result<(), EncodeError> {
        let small = i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?;
        if flexible {
            self.varint(small as u32 + 1)
        } else {
            self.i32(small)
        }
        Ok(())
    }

    pub fn null_array(&mut self, flexible: bool) {
        if flexible { self.varint(0) } else { self.i32(-1) }
    }

    pub fn no_tags(&mut self) {
        self.buffer.push(0);
    }

    pub(crate) fn tags(&mut self, tags: Tags) -> Result<(), EncodeError> {
        self.varint(tags.fields.len() as u32);
        for (tag, value) in tags.fields {
            let length = value.size_bytes();
            self.varint(tag);
            self.varint(u32::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
            let base = self.buffer.len();
            self.buffer.extend_from_slice(&value.buffer);
            self.splices
                .extend(value.splices.into_iter().map(|(place, splice)| (base + place, splice)));
            self.spliced_bytes += value.spliced_bytes;
        }
        Ok(())
    }

    fn varint(&mut self, value: u32) {
        varint::write_u32(&mut self.buffer, value);
    }
}

/// The tagged fields of one struct, written apart because each is preceded by its size.
pub(crate) struct Tags {
    fields: Vec<(u32, Writer)>,
}

impl Tags {
    pub(crate) fn new() -> Tags {
        Tags { fields: Vec::new() }
    }

    /// The writer for the next field; tags come in rising order.
    pub(crate) fn add(&mut self, tag: u32) -> &mut Writer {
        debug_assert!(self.fields.last().is_none_or(|(last, _)| *last < tag), "tags rise");
        self.fields.push((tag, Writer::new()));
        let last = self.fields.len() - 1;
        &mut self.fields[last].1
    }
}
