//! Hashes, encodings and made-up ids.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;

use super::{Args, Bound, Def, Problem, def, text};
use crate::eval::EvalError;
use crate::types::{DataType, TypeKind};
use crate::value::Value;

pub(super) const DEFS: &[Def] = &[
    def("MD5", 1, 1, md5_hash),
    def("SHA1", 1, 1, sha1_hash),
    def("SHA224", 1, 1, sha224_hash),
    def("SHA256", 1, 1, sha256_hash),
    def("SHA384", 1, 1, sha384_hash),
    def("SHA512", 1, 1, sha512_hash),
    def("SHA2", 2, 2, sha2_hash),
    def("UUID", 0, 0, uuid),
    def("TO_BASE64", 1, 1, to_base64),
    def("FROM_BASE64", 1, 1, from_base64),
    def("ENCODE", 2, 2, encode),
    def("DECODE", 2, 2, decode),
];

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(value: &Value) -> &[u8] {
    match value {
        Value::String(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => &[],
    }
}

fn hashed(args: Args, hash: fn(&[u8]) -> String) -> Bound {
    let kind = args.kind(0);
    if !kind.is_string() && !kind.is_binary() && *kind != TypeKind::Null {
        return Problem::new(
            format!("`{}` takes a string, not {kind}", args.name),
            "write CAST(… AS STRING)",
        );
    }
    args.build(TypeKind::STRING, move |a, _| Ok(Value::string(hash(bytes_of(&a[0])))))
}

fn md5_hash(args: Args) -> Bound {
    hashed(args, |bytes| to_hex(&md5::Md5::digest(bytes)))
}

fn sha1_hash(args: Args) -> Bound {
    hashed(args, |bytes| to_hex(&sha1::Sha1::digest(bytes)))
}

fn sha224_hash(args: Args) -> Bound {
    hashed(args, |bytes| to_hex(&sha2::Sha224::digest(bytes)))
}

fn sha256_hash(args: Args) -> Bound {
    hashed(args, |bytes| to_hex(&sha2::Sha256::digest(bytes)))
}

fn sha384_hash(args: Args) -> Bound {
    hashed(args, |bytes| to_hex(&sha2::Sha384::digest(bytes)))
}

fn sha512_hash(args: Args) -> Bound {
    hashed(args, |bytes| to_hex(&sha2::Sha512::digest(bytes)))
}

fn sha2_hash(mut args: Args) -> Bound {
    args.string(0)?;
    args.integer(1)?;
    args.build(TypeKind::STRING, |a, _| {
        let bytes = bytes_of(&a[0]);
        Ok(Value::string(match a[1].as_int() {
            Some(224) => to_hex(&sha2::Sha224::digest(bytes)),
            Some(256) => to_hex(&sha2::Sha256::digest(bytes)),
            Some(384) => to_hex(&sha2::Sha384::digest(bytes)),
            Some(512) => to_hex(&sha2::Sha512::digest(bytes)),
            _ => return Err(EvalError::new("SHA2 knows 224, 256, 384 and 512 bits")),
        }))
    })
}

fn uuid(args: Args) -> Bound {
    let ty = DataType::not_null(TypeKind::Char(36));
    args.build_as(ty, true, false, |_, cx| {
        let hex = to_hex(&cx.random.uuid());
        let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Ok(Value::string(groups.join("-")))
    })
}

fn to_base64(args: Args) -> Bound {
    let kind = args.kind(0);
    if !kind.is_string() && !kind.is_binary() && *kind != TypeKind::Null {
        return Problem::new(
            format!("`TO_BASE64` takes a string, not {kind}"),
            "write CAST(… AS STRING)",
        );
    }
    args.build(TypeKind::STRING, |a, _| {
        Ok(Value::string(STANDARD.encode(bytes_of(&a[0]))))
    })
}

fn from_base64(mut args: Args) -> Bound {
    args.string(0)?;
    args.build_nullable(TypeKind::STRING, |a, _| {
        let decoded = STANDARD
            .decode(text(&a[0]))
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(decoded.map_or(Value::Null, Value::string))
    })
}

fn encode(mut args: Args) -> Bound {
    args.strings()?;
    args.build_nullable(TypeKind::BYTES, |a, _| {
        let source = text(&a[0]);
        Ok(Value::Bytes(match text(&a[1]).to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => source.as_bytes().to_vec().into(),
            "US-ASCII" => source
                .chars()
                .map(|c| if c.is_ascii() { c as u8 } else { b'?' })
                .collect::<Vec<_>>()
                .into(),
            "ISO-8859-1" => source
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect::<Vec<_>>()
                .into(),
            "UTF-16BE" => source
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect::<Vec<_>>()
                .into(),
            "UTF-16LE" => source
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>()
                .into(),
            other => return Err(unknown_charset(other)),
        }))
    })
}

fn decode(mut args: Args) -> Bound {
    args.binary(0)?;
    args.string(1)?;
    args.build_nullable(TypeKind::STRING, |a, _| {
        let bytes = bytes_of(&a[0]);
        let wide = |of: fn([u8; 2]) -> u16| {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        };
        Ok(Value::string(match text(&a[1]).to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" | "US-ASCII" => String::from_utf8_lossy(bytes).into_owned(),
            "ISO-8859-1" => bytes.iter().map(|byte| char::from(*byte)).collect(),
            "UTF-16BE" => wide(u16::from_be_bytes),
            "UTF-16LE" => wide(u16::from_le_bytes),
            other => return Err(unknown_charset(other)),
        }))
    })
}

fn unknown_charset(name: &str) -> EvalError {
    EvalError::new(format!(
        "'{name}' is no known charset: UTF-8, US-ASCII, ISO-8859-1, UTF-16BE, UTF-16LE"
    ))
}
