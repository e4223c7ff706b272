//! Protobuf schemas: `.proto` text or a base64 file descriptor, both of which clients register.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_types::FileDescriptorProto;

/// The file descriptor a text stands for; its imports are not resolved.
pub fn descriptor(text: &str) -> Result<FileDescriptorProto, String> {
    let proto_error = match protox_parse::parse("schema.proto", text) {
        Ok(descriptor) => return Ok(descriptor),
        Err(error) => error.to_string(),
    };
    let decoded = STANDARD.decode(text.trim()).ok();
    match decoded.and_then(|bytes| FileDescriptorProto::decode(bytes.as_slice()).ok()) {
        Some(descriptor) => Ok(descriptor),
        None => Err(format!(
            "neither `.proto` text ({proto_error}) nor a base64 file descriptor"
        )),
    }
}

/// The text as a base64 file descriptor, which `format=serialized` asks for.
pub fn serialized(text: &str) -> Result<String, String> {
    Ok(STANDARD.encode(descriptor(text)?.encode_to_vec()))
}

#[cfg(test)]
mod tests {
    use super::{descriptor, serialized};

    #[test]
    fn text_and_descriptor_are_both_read() {
        let text = "syntax = \"proto3\"; package p; message Order { string id = 1; repeated double total = 2; }";
        let first = descriptor(text).unwrap();
        assert_eq!(first.message_type[0].name(), "Order");
        let again = descriptor(&serialized(text).unwrap()).unwrap();
        assert_eq!(first, again);
        for wrong in ["", "message {", "!!!", "AAAA"] {
            assert!(wrong.is_empty() || descriptor(wrong).is_err(), "{wrong}");
        }
    }
}
