//! Reads Kafka's message definitions: JSON with comments, one message a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// An inclusive range of versions; an open end reads as `i16::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) from: i16,
    pub(crate) to: i16,
}

impl Versions {
    /// Of the forms `3`, `3+`, `3-13` and `none`.
    fn parse(text: &str) -> Result<Option<Versions>, String> {
        let number = |text: &str| {
            text.trim()
                .parse::<i16>()
                .map_err(|error| format!("version `{text}`: {error}"))
        };
        if text.trim() == "none" {
            return Ok(None);
        }
        let (from, to) = match (text.strip_suffix('+'), text.split_once('-')) {
            (Some(from), _) => (number(from)?, i16::MAX),
            (None, Some((from, to))) => (number(from)?, number(to)?),
            (None, None) => (number(text)?, number(text)?),
        };
        Ok(Some(Versions { from, to }))
    }

    pub(crate) fn within(self, other: Versions) -> Option<Versions> {
        let both = Versions {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        };
        (both.from <= both.to).then_some(both)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    /// Records that may lie in a file when they are sent.
    Piece,
    Struct(String),
    Array(Box<Type>),
}

impl Type {
    fn parse(text: &str) -> Type {
        match text {
            "bool" => Type::Bool,
            "int8" => Type::Int8,
            "int16" => Type::Int16,
            "uint16" => Type::Uint16,
            "int32" => Type::Int32,
            "uint32" => Type::Uint32,
            "int64" => Type::Int64,
            "float64" => Type::Float64,
            "uuid" => Type::Uuid,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "records" => Type::Records,
            _ => match text.strip_prefix("[]") {
                Some(element) => Type::Array(Box::new(Type::parse(element))),
                None => Type::Struct(text.to_owned()),
            },
        }
    }
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) versions: Option<Versions>,
    pub(crate) nullable: Option<Versions>,
    pub(crate) tag: Option<u32>,
    pub(crate) ignorable: bool,
    pub(crate) default: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) key: Option<i16>,
    pub(crate) valid: Versions,
    pub(crate) flexible_from: Option<i16>,
    /// The message itself first, then the structs it is made of.
    pub(crate) structs: Vec<Struct>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMessage {
    name: String,
    api_key: Option<i16>,
    valid_versions: String,
    flexible_versions: String,
    fields: Vec<RawField>,
    #[serde(default)]
    common_structs: Vec<RawStruct>,
}

#[derive(Deserialize)]
struct RawStruct {
    name: String,
    fields: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawField {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    versions: String,
    nullable_versions: Option<String>,
    tag: Option<u32>,
    #[serde(default)]
    ignorable: bool,
    default: Option<serde_json::Value>,
    #[serde(default)]
    fields: Vec<RawField>,
}

/// The folder in which the definitions lie; a jar is unpacked beside the build first.
pub(crate) fn folder(source: &str) -> Result<PathBuf, String> {
    let mut folder = PathBuf::from(source);
    if folder.is_file() {
        let unpacked = std::env::temp_dir().join(format!("rivulet-wire-{}", std::process::id()));
        let status = Command::new("unzip")
            .args(["-qo", source, "common/message/*", "-d"])
            .arg(&unpacked)
            .status()
            .map_err(|error| format!("`unzip` does not start: {error}"))?;
        if !status.success() {
            return Err(format!("`unzip` found no message definitions in `{source}`"));
        }
        folder = unpacked;
    }
    let inner = folder.join("common/message");
    Ok(if inner.is_dir() { inner } else { folder })
}

impl Message {
    /// Makes its records such that they may lie in files.
    pub(crate) fn lay_records_apart(&mut self) {
        let fields = self.structs.iter_mut().flat_map(|item| &mut item.fields);
        for field in fields.filter(|field| field.kind == Type::Records) {
            field.kind = Type::Piece;
        }
    }
}

/// Reads one message's definition.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Message, String> {
    let path = folder.join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let raw: RawMessage =
        serde_json::from_str(&without_comments(&text)).map_err(|error| format!("`{name}`: {error}"))?;
    let valid = Versions::parse(&raw.valid_versions)?.ok_or_else(|| format!("`{name}` has no valid version"))?;
    let mut structs = Vec::new();
    add_struct(&mut structs, &raw.name, &raw.fields)?;
    for common in &raw.common_structs {
        add_struct(&mut structs, &common.name, &common.fields)?;
    }
    Ok(Message {
        name: raw.name,
        key: raw.api_key,
        valid,
        flexible_from: Versions::parse(&raw.flexible_versions)?.map(|versions| versions.from),
        structs,
    })
}

fn add_struct(structs: &mut Vec<Struct>, name: &str, fields: &[RawField]) -> Result<(), String> {
    let place = structs.len();
    structs.push(Struct {
        name: name.to_owned(),
        fields: Vec::new(),
    });
    for raw in fields {
        let kind = Type::parse(&raw.kind);
        let inner = match &kind {
            Type::Array(element) => element.as_ref().clone(),
            other => other.clone(),
        };
        if let Type::Struct(inner) = inner
            && !raw.fields.is_empty()
        {
            add_struct(structs, &inner, &raw.fields)?;
        }
        let field = Field {
            name: raw.name.clone(),
            kind,
            versions: Versions::parse(&raw.versions)?,
            nullable: raw
                .nullable_versions
                .as_deref()
                .map(Versions::parse)
                .transpose()?
                .flatten(),
            tag: raw.tag,
            ignorable: raw.ignorable,
            default: raw.default.as_ref().map(|value| match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            }),
        };
        structs[place].fields.push(field);
    }
    Ok(())
}

/// Takes `//` comments out, not those within strings.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut quoted = false;
        let mut previous = ' ';
        let mut end = line.len();
        for (at, letter) in line.char_indices() {
            match letter {
                '"' if previous != '\\' => quoted = !quoted,
                '/' if previous == '/' && !quoted => {
                    end = at - 1;
                    break;
                }
                _ => {}
            }
            previous = letter;
        }
        out.push_str(&line[..end]);
        out.push('\n');
    }
    out
}
