//! A file as the descriptor that the registry the world knows hands out: type names as written, maps as entries.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use prost::Message as _;

use super::descriptor::BASE64;
use super::descriptor_proto::{
    EnumProto, EnumValueProto, FieldProto, FileProto, LABEL_OPTIONAL, LABEL_REPEATED, LABEL_REQUIRED, MessageProto,
    MethodProto, OneofProto, RangeProto, ServiceProto, TYPE_ENUM, TYPE_MESSAGE, TYPE_NAMES,
};
use super::file::{Enum, Extend, Field, File, Label, Message, Reserved, Service, Syntax, Type, is_scalar, map_parts};
use super::known;
use super::names::{Names, Scope};
use super::option_fields::{self as fields, Spec, encoded};

pub(super) fn base64(file: &File, names: &Names<'_>, references: &[(String, File)]) -> String {
    let mut writer = Writer {
        names,
        scope: Scope {
            package: file.package.as_deref().unwrap_or(""),
            messages: Vec::new(),
        },
        proto3: file.syntax == Some(Syntax::Proto3),
    };
    BASE64.encode(writer.file(file, references).encode_to_vec())
}

struct Writer<'n, 'a> {
    names: &'n Names<'a>,
    scope: Scope<'a>,
    proto3: bool,
}

impl Writer<'_, '_> {
    fn file(&mut self, file: &File, references: &[(String, File)]) -> FileProto {
        let mut proto = FileProto {
            name: Some("default".to_owned()),
            package: file.package.clone(),
            syntax: file.syntax.map(|syntax| syntax.word().to_owned()),
            options: encoded(&file.options, fields::FILE),
            ..FileProto::default()
        };
        for ty in &file.types {
            self.ty(ty, &mut proto.message_type, &mut proto.enum_type);
        }
        proto.service = file.services.iter().map(service).collect();
        proto.extension = self.extends(&file.extends);
        let given: HashSet<&str> = references.iter().map(|(name, _)| name.as_str()).collect();
        let is_there = |name: &str| known::has(name) || given.contains(name);
        let mut places: HashMap<&str, usize> = HashMap::new();
        let public = file.public_imports.iter().map(|name| (name, true));
        for (name, public) in file.imports.iter().map(|name| (name, false)).chain(public) {
            if !is_there(name) {
                continue;
            }
            let index = *places.entry(name).or_insert(proto.dependency.len());
            if index == proto.dependency.len() {
                proto.dependency.push(name.clone());
            }
            if public {
                proto.public_dependency.push(index as i32);
            }
        }
        proto
    }

    fn ty(&mut self, ty: &Type, messages: &mut Vec<MessageProto>, enums: &mut Vec<EnumProto>) {
        self.scope.messages.push(ty.name().to_owned());
        match ty {
            Type::Message(message) => messages.push(self.message(message)),
            Type::Enum(one) => enums.push(enumeration(one)),
        }
        self.scope.messages.pop();
    }

    fn message(&mut self, message: &Message) -> MessageProto {
        let mut proto = MessageProto {
            name: Some(message.name.clone()),
            extension: self.extends(&message.extends),
            options: encoded(&message.options, fields::MESSAGE),
            ..MessageProto::default()
        };
        for ty in &message.types {
            self.ty(ty, &mut proto.nested_type, &mut proto.enum_type);
        }
        let mut in_oneofs: HashSet<&str> = HashSet::new();
        for oneof in &message.oneofs {
            let index = proto.oneof_decl.len() as i32;
            proto.oneof_decl.push(OneofProto {
                name: Some(oneof.name.clone()),
                options: Some(encoded(&oneof.options, fields::ONEOF).unwrap_or_default()),
            });
            for field in &oneof.fields {
                in_oneofs.insert(&field.name);
                proto.field.push(FieldProto {
                    label: Some(LABEL_OPTIONAL),
                    oneof_index: Some(index),
                    ..self.field(field)
                });
            }
        }
        for field in message
            .fields
            .iter()
            .filter(|field| !in_oneofs.contains(field.name.as_str()))
        {
            let written = self.message_field(field, &mut proto);
            proto.field.push(written);
        }
        put_reserved(message, &mut proto);
        for extensions in &message.extensions {
            let options = encoded(&extensions.options, fields::EXTENSION_RANGE).unwrap_or_default();
            proto
                .extension_range
                .extend(extensions.values.iter().filter_map(|value| {
                    let (start, end) = ends(value)?;
                    Some(RangeProto {
                        start: Some(start),
                        end: Some(end.wrapping_add(1)),
                        options: Some(options.clone()),
                    })
                }));
        }
        proto
    }

    /// A field, with the entry message of a map and the oneof of a proto3 optional.
    fn message_field(&self, field: &Field, proto: &mut MessageProto) -> FieldProto {
        if let Some((key, value)) = map_parts(&field.ty) {
            let entry = entry_name(&field.name);
            let part = |name: &str, number: i32, ty: &str| {
                self.field(&Field {
                    name: name.to_owned(),
                    tag: number,
                    ty: ty.to_owned(),
                    ..Field::default()
                })
            };
            proto.nested_type.push(MessageProto {
                name: Some(entry.clone()),
                field: vec![part("key", 1, key), part("value", 2, value)],
                options: Some(vec![0x38, 1]),
                ..MessageProto::default()
            });
            let named = Field {
                ty: entry,
                label: Some(Label::Repeated),
                ..field.clone()
            };
            return self.field(&named);
        }
        if self.proto3 && field.label == Some(Label::Optional) {
            let index = proto.oneof_decl.len() as i32;
            proto.oneof_decl.push(OneofProto {
                name: Some(format!("_{}", field.name)),
                options: Some(Vec::new()),
            });
            return FieldProto {
                oneof_index: Some(index),
                proto3_optional: Some(true),
                ..self.field(field)
            };
        }
        self.field(field)
    }

    fn field(&self, field: &Field) -> FieldProto {
        let (mut number, mut type_name) = (None, None);
        if is_scalar(&field.ty) {
            let known = TYPE_NAMES.iter().find(|(name, _)| *name == field.ty);
            number = known.map(|(_, number)| *number);
        } else {
            // In full, as a compiler writes it: readers of descriptors resolve no names.
            let resolved = self.names.resolve(&field.ty, &self.scope);
            type_name = Some(match &resolved {
                Some((full, _)) => format!(".{}", full.trim_start_matches('.')),
                None => field.ty.clone(),
            });
            number = match resolved {
                Some((_, found)) if found.message().is_some() => Some(TYPE_MESSAGE),
                Some(_) => Some(TYPE_ENUM),
                None => number,
            };
        }
        FieldProto {
            name: Some(field.name.clone()),
            number: Some(field.tag),
            label: field.label.map(|label| match label {
                Label::Optional => LABEL_OPTIONAL,
                Label::Required => LABEL_REQUIRED,
                Label::Repeated => LABEL_REPEATED,
            }),
            r#type: number,
            type_name,
            default_value: field.default.clone(),
            json_name: field.json_name.clone(),
            options: encoded(&field.options, fields::FIELD),
            ..FieldProto::default()
        }
    }

    fn extends(&self, extends: &[Extend]) -> Vec<FieldProto> {
        let mut out = Vec::new();
        for extend in extends {
            out.extend(extend.fields.iter().map(|field| FieldProto {
                extendee: Some(extend.name.clone()),
                ..self.field(field)
            }));
        }
        out
    }
}

fn put_reserved(message: &Message, proto: &mut MessageProto) {
    for value in message.reserved.iter().flatten() {
        match (value, ends(value)) {
            (Reserved::Name(name), _) => proto.reserved_name.push(name.clone()),
            (_, Some((start, end))) => proto.reserved_range.push(RangeProto {
                start: Some(start),
                end: Some(end.wrapping_add(1)),
                options: None,
            }),
            _ => {}
        }
    }
}

/// Both ends of a range of tags.
fn ends(value: &Reserved) -> Option<(i32, i32)> {
    match value {
        Reserved::Tag(tag) => Some((*tag, *tag)),
        Reserved::Range(start, end) => Some((*start, *end)),
        Reserved::Name(_) => None,
    }
}

/// The name of a map's entries: `FooBarEntry` for `foo_bar`, `fooEntry` for `foo`.
pub(super) fn entry_name(field: &str) -> String {
    if !field.contains('_') {
        return format!("{field}Entry");
    }
    let capital = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first
            .into_iter()
            .chain(chars.map(|c| c.to_ascii_lowercase()))
            .collect::<String>()
    };
    format!("{}Entry", field.split('_').map(capital).collect::<String>())
}

fn enumeration(one: &Enum) -> EnumProto {
    let mut proto = EnumProto {
        name: Some(one.name.clone()),
        options: encoded(&one.options, fields::ENUM),
        ..EnumProto::default()
    };
    for value in one.reserved.iter().flatten() {
        match (value, ends(value)) {
            (Reserved::Name(name), _) => proto.reserved_name.push(name.clone()),
            (_, Some((start, end))) => proto.reserved_range.push(RangeProto {
                start: Some(start),
                end: Some(end),
                options: None,
            }),
            _ => {}
        }
    }
    proto.value.extend(one.constants.iter().map(|constant| EnumValueProto {
        name: Some(constant.name.clone()),
        number: Some(constant.tag),
        options: encoded(&constant.options, fields::ENUM_VALUE),
    }));
    proto
}

fn service(service: &Service) -> ServiceProto {
    let specs: &[Spec] = fields::METHOD;
    ServiceProto {
        name: Some(service.name.clone()),
        options: encoded(&service.options, fields::SERVICE),
        method: service
            .rpcs
            .iter()
            .map(|rpc| MethodProto {
                name: Some(rpc.name.clone()),
                input_type: Some(rpc.request.clone()),
                output_type: Some(rpc.response.clone()),
                options: encoded(&rpc.options, specs),
                client_streaming: Some(rpc.request_streams),
                server_streaming: Some(rpc.response_streams),
            })
            .collect(),
    }
}
