//! File descriptors on the wire: the messages of `google/protobuf/descriptor.proto` that a schema needs, their options
//! as bytes, for those hold extensions that generated types would lose.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) package: Option<String>,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<MessageProto>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enum_type: Vec<EnumProto>,
    #[prost(message, repeated, tag = "6")]
    pub(super) service: Vec<ServiceProto>,
    #[prost(message, repeated, tag = "7")]
    pub(super) extension: Vec<FieldProto>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(int32, repeated, packed = "false", tag = "10")]
    pub(super) public_dependency: Vec<i32>,
    #[prost(int32, repeated, packed = "false", tag = "11")]
    pub(super) weak_dependency: Vec<i32>,
    #[prost(string, optional, tag = "12")]
    pub(super) syntax: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<FieldProto>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<MessageProto>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enum_type: Vec<EnumProto>,
    #[prost(message, repeated, tag = "5")]
    pub(super) extension_range: Vec<RangeProto>,
    #[prost(message, repeated, tag = "6")]
    pub(super) extension: Vec<FieldProto>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "8")]
    pub(super) oneof_decl: Vec<OneofProto>,
    #[prost(message, repeated, tag = "9")]
    pub(super) reserved_range: Vec<RangeProto>,
    #[prost(string, repeated, tag = "10")]
    pub(super) reserved_name: Vec<String>,
}

/// A range of tags; the end of a message's does not belong to it, that of an enum's does.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeProto {
    #[prost(int32, optional, tag = "1")]
    pub(super) start: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(super) end: Option<i32>,
    /// Of extension ranges only.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OneofProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) options: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FieldProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) extendee: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub(super) number: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub(super) label: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    pub(super) r#type: Option<i32>,
    #[prost(string, optional, tag = "6")]
    pub(super) type_name: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(super) default_value: Option<String>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "9")]
    pub(super) oneof_index: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub(super) json_name: Option<String>,
    #[prost(bool, optional, tag = "17")]
    pub(super) proto3_optional: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) value: Vec<EnumValueProto>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(super) reserved_range: Vec<RangeProto>,
    #[prost(string, repeated, tag = "5")]
    pub(super) reserved_name: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumValueProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(super) number: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) method: Vec<MethodProto>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) options: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MethodProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) input_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) output_type: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) options: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "5")]
    pub(super) client_streaming: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub(super) server_streaming: Option<bool>,
}

/// The names of field types by their numbers.
pub(super) const TYPE_NAMES: [(&str, i32); 18] = [
    ("double", 1),
    ("float", 2),
    ("int64", 3),
    ("uint64", 4),
    ("int32", 5),
    ("fixed64", 6),
    ("fixed32", 7),
    ("bool", 8),
    ("string", 9),
    ("group", 10),
    ("message", 11),
    ("bytes", 12),
    ("uint32", 13),
    ("enum", 14),
    ("sfixed32", 15),
    ("sfixed64", 16),
    ("sint32", 17),
    ("sint64", 18),
];
pub(super) const TYPE_MESSAGE: i32 = 11;
pub(super) const TYPE_ENUM: i32 = 14;

pub(super) const LABEL_OPTIONAL: i32 = 1;
pub(super) const LABEL_REQUIRED: i32 = 2;
pub(super) const LABEL_REPEATED: i32 = 3;
