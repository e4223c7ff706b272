//! Files to descriptors and back: clients register base64 descriptors, and ask for them by `format=serialized`.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use prost::Message as _;

use super::descriptor_proto::{
    EnumProto, FieldProto, FileProto, LABEL_REPEATED, LABEL_REQUIRED, MessageProto, MethodProto, RangeProto,
    ServiceProto, TYPE_NAMES,
};
use super::file::{
    Constant, Enum, Extend, Extensions, Field, File, Label, Message, Oneof, Opt, Reserved, Rpc, Service, Syntax, Type,
};
use super::option_fields::{self as fields, Spec};

pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The file that a base64 descriptor describes.
pub(super) fn file(text: &str) -> Option<File> {
    let bytes = BASE64.decode(text).ok()?;
    from_proto(&FileProto::decode(bytes.as_slice()).ok()?)
}

fn from_proto(proto: &FileProto) -> Option<File> {
    let syntax = proto.syntax.as_deref().unwrap_or_default();
    let reader = FromProto {
        proto3: syntax == "proto3",
    };
    let messages = proto
        .message_type
        .iter()
        .map(|one| reader.message(one).map(Type::Message));
    let enums = proto
        .enum_type
        .iter()
        .map(|one| reader.enumeration(one).map(Type::Enum));
    let (publics, weaks): (HashSet<&i32>, HashSet<&i32>) = (
        proto.public_dependency.iter().collect(),
        proto.weak_dependency.iter().collect(),
    );
    let dependency = |public: bool| -> Vec<String> {
        let kind = |index: usize| {
            let listed = |list: &HashSet<&i32>| i32::try_from(index).is_ok_and(|index| list.contains(&index));
            (listed(&publics), listed(&weaks))
        };
        let wanted = proto
            .dependency
            .iter()
            .enumerate()
            .filter(|(index, _)| match kind(*index) {
                (true, _) => public,
                (false, weak) => !public && !weak,
            });
        wanted.map(|(_, name)| name.clone()).collect()
    };
    Some(File {
        package: proto.package.clone().filter(|package| !package.is_empty()),
        syntax: match syntax {
            "proto2" => Some(Syntax::Proto2),
            "proto3" => Some(Syntax::Proto3),
            _ => None,
        },
        imports: dependency(false),
        public_imports: dependency(true),
        types: messages.chain(enums).collect::<Option<_>>()?,
        services: proto.service.iter().map(service).collect::<Option<_>>()?,
        extends: reader.extends(&proto.extension)?,
        options: options(proto.options.as_deref(), fields::FILE)?,
    })
}

fn options(bytes: Option<&[u8]>, specs: &[Spec]) -> Option<Vec<Opt>> {
    bytes.map_or(Some(Vec::new()), |bytes| fields::decoded(bytes, specs))
}

fn owned(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

/// A range whose end does not belong to it.
fn range(proto: &RangeProto) -> Reserved {
    inclusive(proto.start.unwrap_or(0), proto.end.unwrap_or(0).wrapping_sub(1))
}

fn inclusive(start: i32, end: i32) -> Reserved {
    if start == end {
        Reserved::Tag(start)
    } else {
        Reserved::Range(start, end)
    }
}

fn reserved(ranges: impl Iterator<Item = Reserved>, names: &[String]) -> Vec<Vec<Reserved>> {
    let names = names.iter().cloned().map(Reserved::Name);
    ranges.chain(names).map(|one| vec![one]).collect()
}

fn service(proto: &ServiceProto) -> Option<Service> {
    let rpc = |method: &MethodProto| {
        Some(Rpc {
            name: owned(method.name.as_ref()),
            request: owned(method.input_type.as_ref()),
            response: owned(method.output_type.as_ref()),
            request_streams: method.client_streaming == Some(true),
            response_streams: method.server_streaming == Some(true),
            options: options(method.options.as_deref(), fields::METHOD)?,
        })
    };
    Some(Service {
        name: owned(proto.name.as_ref()),
        rpcs: proto.method.iter().map(rpc).collect::<Option<_>>()?,
        options: options(proto.options.as_deref(), fields::SERVICE)?,
    })
}

struct FromProto {
    proto3: bool,
}

impl FromProto {
    fn message(&self, proto: &MessageProto) -> Option<Message> {
        let mut message = Message {
            name: owned(proto.name.as_ref()),
            extends: self.extends(&proto.extension)?,
            options: options(proto.options.as_deref(), fields::MESSAGE)?,
            reserved: reserved(proto.reserved_range.iter().map(range), &proto.reserved_name),
            ..Message::default()
        };
        for oneof in &proto.oneof_decl {
            message.oneofs.push(Oneof {
                name: owned(oneof.name.as_ref()),
                options: options(oneof.options.as_deref(), fields::ONEOF)?,
                ..Oneof::default()
            });
        }
        for field in &proto.field {
            match field.oneof_index.filter(|_| field.proto3_optional != Some(true)) {
                Some(index) => {
                    let oneof = message.oneofs.get_mut(usize::try_from(index).ok()?)?;
                    oneof.fields.push(self.field(field, true)?);
                }
                None => message.fields.push(self.field(field, false)?),
            }
        }
        message.oneofs.retain(|oneof| !oneof.fields.is_empty());
        for nested in &proto.nested_type {
            message.types.push(Type::Message(self.message(nested)?));
        }
        for nested in &proto.enum_type {
            message.types.push(Type::Enum(self.enumeration(nested)?));
        }
        for extension in &proto.extension_range {
            message.extensions.push(Extensions {
                values: vec![range(extension)],
                options: options(extension.options.as_deref(), fields::EXTENSION_RANGE)?,
            });
        }
        Some(message)
    }

    fn enumeration(&self, proto: &EnumProto) -> Option<Enum> {
        let mut constants = Vec::with_capacity(proto.value.len());
        for value in &proto.value {
            constants.push(Constant {
                name: owned(value.name.as_ref()),
                tag: value.number.unwrap_or(0),
                options: options(value.options.as_deref(), fields::ENUM_VALUE)?,
            });
        }
        let range = |range: &RangeProto| inclusive(range.start.unwrap_or(0), range.end.unwrap_or(0));
        Some(Enum {
            name: owned(proto.name.as_ref()),
            constants,
            options: options(proto.options.as_deref(), fields::ENUM)?,
            reserved: reserved(proto.reserved_range.iter().map(range), &proto.reserved_name),
        })
    }

    fn extends(&self, protos: &[FieldProto]) -> Option<Vec<Extend>> {
        let mut extends: Vec<Extend> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for proto in protos {
            let (name, field) = (owned(proto.extendee.as_ref()), self.field(proto, false)?);
            let place = *places.entry(name.clone()).or_insert(extends.len());
            match extends.get_mut(place) {
                Some(known) => known.fields.push(field),
                None => extends.push(Extend {
                    name,
                    fields: vec![field],
                }),
            }
        }
        Some(extends)
    }

    fn field(&self, proto: &FieldProto, in_oneof: bool) -> Option<Field> {
        let label = match proto.label {
            _ if in_oneof => None,
            _ if proto.proto3_optional == Some(true) => Some(Label::Optional),
            Some(LABEL_REPEATED) => Some(Label::Repeated),
            _ if self.proto3 => None,
            Some(LABEL_REQUIRED) => Some(Label::Required),
            _ => Some(Label::Optional),
        };
        let named = TYPE_NAMES
            .iter()
            .find(|(_, number)| *number == proto.r#type.unwrap_or(1));
        let scalar = named.map_or("double", |(name, _)| name);
        Some(Field {
            label,
            ty: proto.type_name.clone().unwrap_or_else(|| scalar.to_owned()),
            name: owned(proto.name.as_ref()),
            tag: proto.number.unwrap_or(0),
            default: proto.default_value.clone().filter(|_| !self.proto3),
            json_name: proto.json_name.clone(),
            options: options(proto.options.as_deref(), fields::FIELD)?,
        })
    }
}
