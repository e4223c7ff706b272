//! What stands around a message: the size, the request header, the response header.

use bytes::Bytes;

use crate::codec::{DecodeError, EncodeError, Message, Reader, Request, Source, Writer};
use crate::messages;
use crate::messages::api_versions_request::ApiVersionsRequest;
use crate::piece::Piece;

/// Bytes of the size that precedes every frame.
pub const SIZE_BYTES: usize = 4;

/// Who asks for what. Versions 1 and 2 differ in tagged fields only, of which none is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    pub key: i16,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Reads the header at the start of a frame. A key not known here is read as if it had no tagged fields: its body
    /// cannot be read anyway.
    pub fn decode(reader: &mut Reader) -> Result<RequestHeader, DecodeError> {
        let header = RequestHeader {
            key: reader.i16()?,
            version: reader.i16()?,
            correlation_id: reader.i32()?,
            client_id: reader.nullable_string(false)?,
        };
        if messages::is_flexible(header.key, header.version).unwrap_or(false) {
            reader.skip_tags()?;
        }
        Ok(header)
    }
}

/// A whole request frame, size included.
pub fn request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    message: &R,
    version: i16,
) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i32(0);
    writer.i16(R::KEY);
    writer.i16(version);
    writer.i32(correlation_id);
    match client_id {
        Some(client_id) => writer.string(false, client_id)?,
        None => writer.null_string(false),
    }
    if R::is_flexible(version) {
        writer.no_tags();
    }
    message.encode(&mut writer, version)?;
    sized(writer)?.joined()
}

/// A whole response frame, size included, in pieces to be sent one after another.
pub fn response<M: Message>(correlation_id: i32, message: &M, version: i16) -> Result<Vec<Piece>, EncodeError> {
    let mut writer = Writer::new();
    writer.i32(0);
    writer.i32(correlation_id);
    if has_tagged_header::<M>(version) {
        writer.no_tags();
    }
    message.encode(&mut writer, version)?;
    Ok(sized(writer)?.pieces())
}

/// Reads a response frame without its size: the correlation id and the message.
pub fn read_response<M: Message>(frame: Bytes, version: i16) -> Result<(i32, M), DecodeError> {
    let mut reader = Reader::new(frame);
    let correlation_id = reader.i32()?;
    if has_tagged_header::<M>(version) {
        reader.skip_tags()?;
    }
    let message = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok((correlation_id, message))
}

/// A client that asks for the versions does not know yet which header a broker would use: the answer keeps the oldest.
fn has_tagged_header<M: Message>(version: i16) -> bool {
    M::KEY != ApiVersionsRequest::KEY && M::is_flexible(version)
}

fn sized(mut writer: Writer) -> Result<Writer, EncodeError> {
    let length = writer.size_bytes() - SIZE_BYTES;
    writer.patch_i32(0, i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
    Ok(writer)
}
