//! String functions.

use std::sync::Arc;

use super::{Args, Bound, Def, MANY, Problem, def, int, text};
use crate::ast::TrimSide;
use crate::eval::{Body, Call, Expr, Node};
use crate::types::{DataType, TypeKind};
use crate::value::Value;

/// The longest text a function makes, in bytes: `REPEAT` and `LPAD` could ask for any.
const TEXT_BYTES_MAX: usize = 16 << 20;

pub(super) const DEFS: &[Def] = &[
    def("UPPER", 1, 1, upper),
    def("LOWER", 1, 1, lower),
    def("CHAR_LENGTH", 1, 1, char_length),
    def("CHARACTER_LENGTH", 1, 1, char_length),
    def("OCTET_LENGTH", 1, 1, octet_length),
    def("CONCAT", 1, MANY, concat),
    def("CONCAT_WS", 1, MANY, concat_ws),
    def("SUBSTRING", 2, 3, substring),
    def("SUBSTR", 2, 3, substring),
    def("LEFT", 2, 2, left),
    def("RIGHT", 2, 2, right),
    def("POSITION", 2, 2, position),
    def("LOCATE", 2, 3, position),
    def("INSTR", 2, 2, instr),
    def("REPLACE", 3, 3, replace),
    def("TRANSLATE", 3, 3, translate),
    def("OVERLAY", 3, 4, overlay),
    def("LPAD", 3, 3, lpad),
    def("RPAD", 3, 3, rpad),
    def("LTRIM", 1, 2, ltrim),
    def("RTRIM", 1, 2, rtrim),
    def("BTRIM", 1, 2, btrim),
    def("REVERSE", 1, 1, reverse),
    def("REPEAT", 2, 2, repeat),
    def("INITCAP", 1, 1, initcap),
    def("ASCII", 1, 1, ascii),
    def("CHR", 1, 1, chr),
    def("SPLIT_INDEX", 3, 3, split_index),
    def("SPLIT", 2, 2, split),
    def("PARSE_URL", 2, 3, parse_url),
    def("URL_ENCODE", 1, 1, url_encode),
    def("URL_DECODE", 1, 1, url_decode),
    def("STARTSWITH", 2, 2, starts_with),
    def("ENDSWITH", 2, 2, ends_with),
    def("STR_TO_MAP", 1, 3, str_to_map),
    def("IS_ALPHA", 1, 1, is_alpha),
    def("IS_DIGIT", 1, 1, is_digit),
    def("IS_DECIMAL", 1, 1, is_decimal),
    def("ELT", 2, MANY, elt),
];

fn mapped(mut args: Args, map: fn(&str) -> String) -> Bound {
    args.string(0)?;
    args.build(TypeKind::STRING, move |a, _| Ok(Value::string(map(text(&a[0])))))
}

fn upper(args: Args) -> Bound {
    mapped(args, str::to_uppercase)
}

fn lower(args: Args) -> Bound {
    mapped(args, str::to_lowercase)
}

fn reverse(args: Args) -> Bound {
    mapped(args, |text| text.chars().rev().collect())
}

fn initcap(args: Args) -> Bound {
    mapped(args, |text| {
        let mut in_word = false;
        text.chars()
            .map(|c| {
                let first = !in_word;
                in_word = c.is_alphanumeric();
                if first {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    })
}

fn char_length(mut args: Args) -> Bound {
    args.string(0)?;
    args.build(TypeKind::Int, |a, _| Ok(Value::Int(text(&a[0]).chars().count() as i64)))
}

fn octet_length(mut args: Args) -> Bound {
    args.string(0)?;
    args.build(TypeKind::Int, |a, _| Ok(Value::Int(text(&a[0]).len() as i64)))
}

/// `CONCAT` and `||` take anything that has a text, as Flink's implicit casts do; NULL makes all NULL.
fn concat(mut args: Args) -> Bound {
    (0..args.len()).for_each(|index| args.cast_to(index, TypeKind::STRING));
    args.build(TypeKind::STRING, |a, _| {
        Ok(Value::string(a.iter().map(text).collect::<String>()))
    })
}

pub(crate) fn concat_two(left: Expr, right: Expr) -> Bound {
    let (a, b) = (&left.ty.kind, &right.ty.kind);
    if a.is_binary() && b.is_binary() {
        let args = Args {
            name: "||",
            list: vec![left, right],
        };
        return args.build(TypeKind::BYTES, |a, _| match (&a[0], &a[1]) {
            (Value::Bytes(x), Value::Bytes(y)) => Ok(Value::Bytes([x.as_ref(), y.as_ref()].concat().into())),
            _ => Ok(Value::Null),
        });
    }
    if !a.is_string() && !b.is_string() && *a != TypeKind::Null && *b != TypeKind::Null {
        return Problem::new(
            format!("`||` does not take {a} and {b}"),
            "write CAST(x AS STRING) || …",
        );
    }
    concat(Args {
        name: "||",
        list: vec![left, right],
    })
}

fn concat_ws(mut args: Args) -> Bound {
    args.string(0)?;
    (1..args.len()).for_each(|index| args.cast_to(index, TypeKind::STRING));
    let ty = args.list[0].ty.clone();
    let ty = DataType {
        kind: TypeKind::STRING,
        nullable: ty.nullable,
    };
    args.build_as(ty, false, true, |a, _| {
        if a[0].is_null() {
            return Ok(Value::Null);
        }
        let parts: Vec<&str> = a[1..].iter().filter(|value| !value.is_null()).map(text).collect();
        Ok(Value::string(parts.join(text(&a[0]))))
    })
}

/// From a 1-based start (0 counts as 1, negative from the end), so many characters.
fn cut(source: &str, start: i64, length: Option<i64>) -> Option<&str> {
    let total = source.chars().count() as i64;
    let from = match start {
        0 => 0,
        start if start > 0 => start - 1,
        start => total + start,
    };
    if from < 0 || from >= total {
        return Some("");
    }
    let until = match length {
        Some(length) if length < 0 => return None,
        Some(length) => from.saturating_add(length).min(total),
        None => total,
    };
    let at = |index: i64| {
        source
            .char_indices()
            .nth(index as usize)
            .map_or(source.len(), |(at, _)| at)
    };
    Some(&source[at(from)..at(until)])
}

fn substring(mut args: Args) -> Bound {
    if args.kind(0).is_binary() {
        return Problem::new(
            "`SUBSTRING` of BYTES is not there",
            "write SUBSTRING(DECODE(x, 'UTF-8'), …)",
        );
    }
    args.string(0)?;
    (1..args.len()).try_for_each(|index| args.integer(index))?;
    let ty = DataType {
        kind: TypeKind::STRING,
        nullable: args.any_nullable() || args.len() == 3,
    };
    args.build_as(ty, true, true, |a, _| {
        Ok(cut(text(&a[0]), int(&a[1]), a.get(2).map(int)).map_or(Value::Null, Value::string))
    })
}

fn left(mut args: Args) -> Bound {
    args.string(0)?;
    args.integer(1)?;
    args.build(TypeKind::STRING, |a, _| {
        Ok(Value::string(
            text(&a[0]).chars().take(int(&a[1]).max(0) as usize).collect::<String>(),
        ))
    })
}

fn right(mut args: Args) -> Bound {
    args.string(0)?;
    args.integer(1)?;
    args.build(TypeKind::STRING, |a, _| {
        let source = text(&a[0]);
        let skip = source.chars().count().saturating_sub(int(&a[1]).max(0) as usize);
        Ok(Value::string(source.chars().skip(skip).collect::<String>()))
    })
}

/// 1-based, in characters; 0 if it is not there.
fn find(what: &str, within: &str, from: i64) -> i64 {
    if from < 1 {
        return 0;
    }
    let skip = within
        .char_indices()
        .nth(from as usize - 1)
        .map_or(within.len(), |(at, _)| at);
    within[skip..]
        .find(what)
        .map_or(0, |at| within[..skip + at].chars().count() as i64 + 1)
}

fn position(mut args: Args) -> Bound {
    args.string(0)?;
    args.string(1)?;
    if args.len() == 3 {
        args.integer(2)?;
    }
    args.build(TypeKind::Int, |a, _| {
        Ok(Value::Int(find(text(&a[0]), text(&a[1]), a.get(2).map_or(1, int))))
    })
}

fn instr(mut args: Args) -> Bound {
    args.strings()?;
    args.build(TypeKind::Int, |a, _| Ok(Value::Int(find(text(&a[1]), text(&a[0]), 1))))
}

fn replace(mut args: Args) -> Bound {
    args.strings()?;
    args.build(TypeKind::STRING, |a, _| {
        let (source, what) = (text(&a[0]), text(&a[1]));
        if what.is_empty() {
            return Ok(a[0].clone());
        }
        Ok(Value::string(source.replace(what, text(&a[2]))))
    })
}

fn translate(mut args: Args) -> Bound {
    args.strings()?;
    args.build(TypeKind::STRING, |a, _| {
        let (from, to): (Vec<char>, Vec<char>) = (text(&a[1]).chars().collect(), text(&a[2]).chars().collect());
        let mapped = text(&a[0])
            .chars()
            .filter_map(|c| match from.iter().position(|f| *f == c) {
                Some(index) => to.get(index).copied(),
                None => Some(c),
            });
        Ok(Value::string(mapped.collect::<String>()))
    })
}

fn overlay(mut args: Args) -> Bound {
    args.string(0)?;
    args.string(1)?;
    (2..args.len()).try_for_each(|index| args.integer(index))?;
    args.build(TypeKind::STRING, |a, _| {
        let source: Vec<char> = text(&a[0]).chars().collect();
        let placed = text(&a[1]);
        let start = int(&a[2]);
        let length = a.get(3).map_or(placed.chars().count() as i64, int);
        if start <= 0 || start as usize > source.len() {
            return Ok(a[0].clone());
        }
        let before = start as usize - 1;
        let after = if length < 0 {
            source.len()
        } else {
            before.saturating_add(length as usize).min(source.len())
        };
        let mut out: String = source[..before].iter().collect();
        out.push_str(placed);
        out.extend(&source[after..]);
        Ok(Value::string(out))
    })
}

fn pad(source: &str, length: i64, fill: &str, at_left: bool) -> Option<String> {
    let length = usize::try_from(length).ok()?;
    let have = source.chars().count();
    if length <= have {
        return Some(source.chars().take(length).collect());
    }
    if fill.is_empty() || length > TEXT_BYTES_MAX {
        return None;
    }
    let padding: String = fill.chars().cycle().take(length - have).collect();
    Some(if at_left {
        padding + source
    } else {
        source.to_owned() + &padding
    })
}

fn padded(mut args: Args, at_left: bool) -> Bound {
    args.string(0)?;
    args.integer(1)?;
    args.string(2)?;
    args.build_nullable(TypeKind::STRING, move |a, _| {
        Ok(pad(text(&a[0]), int(&a[1]), text(&a[2]), at_left).map_or(Value::Null, Value::string))
    })
}

fn lpad(args: Args) -> Bound {
    padded(args, true)
}

fn rpad(args: Args) -> Bound {
    padded(args, false)
}

fn trimmed<'a>(source: &'a str, set: &str, side: TrimSide) -> &'a str {
    let within = |c: char| set.contains(c);
    match side {
        TrimSide::Both => source.trim_matches(within),
        TrimSide::Leading => source.trim_start_matches(within),
        TrimSide::Trailing => source.trim_end_matches(within),
    }
}

fn trim_function(mut args: Args, side: TrimSide) -> Bound {
    args.strings()?;
    args.build(TypeKind::STRING, move |a, _| {
        let set = a.get(1).map_or(" ", text);
        Ok(Value::string(trimmed(text(&a[0]), set, side)))
    })
}

fn ltrim(args: Args) -> Bound {
    trim_function(args, TrimSide::Leading)
}

fn rtrim(args: Args) -> Bound {
    trim_function(args, TrimSide::Trailing)
}

fn btrim(args: Args) -> Bound {
    trim_function(args, TrimSide::Both)
}

/// `TRIM([side] [what FROM] x)`.
pub(crate) fn trim(side: TrimSide, what: Option<Expr>, source: Expr) -> Bound {
    let name = match side {
        TrimSide::Both => "TRIM",
        TrimSide::Leading => "TRIM LEADING",
        TrimSide::Trailing => "TRIM TRAILING",
    };
    trim_function(
        Args {
            name,
            list: std::iter::once(source).chain(what).collect(),
        },
        side,
    )
}

fn repeat(mut args: Args) -> Bound {
    args.string(0)?;
    args.integer(1)?;
    args.build_nullable(TypeKind::STRING, |a, _| {
        let (source, times) = (text(&a[0]), int(&a[1]).max(0) as usize);
        if source.len().saturating_mul(times) > TEXT_BYTES_MAX {
            return Err(crate::EvalError(format!(
                "REPEAT would make more than {TEXT_BYTES_MAX} bytes"
            )));
        }
        Ok(Value::string(source.repeat(times)))
    })
}

fn ascii(mut args: Args) -> Bound {
    args.string(0)?;
    args.build(TypeKind::Int, |a, _| {
        Ok(Value::Int(
            text(&a[0]).bytes().next().map_or(0, |byte| i64::from(byte as i8)),
        ))
    })
}

fn chr(mut args: Args) -> Bound {
    args.integer(0)?;
    args.build(TypeKind::STRING, |a, _| {
        let code = int(&a[0]);
        Ok(Value::string(if code < 0 {
            String::new()
        } else {
            char::from((code & 0xff) as u8).to_string()
        }))
    })
}

/// 0-based; NULL when out of range.
fn split_index(mut args: Args) -> Bound {
    args.string(0)?;
    if args.kind(1).is_integer() {
        // The delimiter may be given as a character's code.
        let code = args.list.remove(1);
        let as_text = chr(Args {
            name: "CHR",
            list: vec![code],
        })?;
        args.list.insert(1, as_text);
    }
    args.string(1)?;
    args.integer(2)?;
    args.build_nullable(TypeKind::STRING, |a, _| {
        let (source, delimiter) = (text(&a[0]), text(&a[1]));
        let Ok(index) = usize::try_from(int(&a[2])) else {
            return Ok(Value::Null);
        };
        if delimiter.is_empty() {
            return Ok(Value::Null);
        }
        Ok(source.split(delimiter).nth(index).map_or(Value::Null, Value::string))
    })
}

fn split(mut args: Args) -> Bound {
    args.strings()?;
    let element = DataType::string();
    args.build(TypeKind::Array(Box::new(element)), |a, _| {
        let (source, delimiter) = (text(&a[0]), text(&a[1]));
        let items: Vec<Value> = if source.is_empty() {
            Vec::new()
        } else if delimiter.is_empty() {
            source.chars().map(|c| Value::string(c.to_string())).collect()
        } else {
            source.split(delimiter).map(Value::string).collect()
        };
        Ok(Value::Array(Arc::new(items)))
    })
}

fn starts_with(mut args: Args) -> Bound {
    args.strings()?;
    args.build(TypeKind::Boolean, |a, _| {
        Ok(Value::Boolean(text(&a[0]).starts_with(text(&a[1]))))
    })
}

fn ends_with(mut args: Args) -> Bound {
    args.strings()?;
    args.build(TypeKind::Boolean, |a, _| {
        Ok(Value::Boolean(text(&a[0]).ends_with(text(&a[1]))))
    })
}

fn tested(args: Args, test: fn(&str) -> bool) -> Bound {
    let list = args
        .list
        .into_iter()
        .map(|arg| super::cast_expr(arg, &TypeKind::STRING, false))
        .collect();
    let ty = DataType::not_null(TypeKind::Boolean);
    Args { name: args.name, list }.build_as(ty, false, true, move |a, _| {
        Ok(Value::Boolean(
            a[0].as_str().is_some_and(|text| !text.is_empty() && test(text)),
        ))
    })
}

fn is_alpha(args: Args) -> Bound {
    tested(args, |text| text.chars().all(char::is_alphabetic))
}

fn is_digit(args: Args) -> Bound {
    tested(args, |text| text.chars().all(char::is_numeric))
}

fn is_decimal(args: Args) -> Bound {
    tested(args, |text| text.parse::<f64>().is_ok_and(f64::is_finite))
}

fn elt(mut args: Args) -> Bound {
    args.integer(0)?;
    (1..args.len()).try_for_each(|index| args.string(index))?;
    let ty = DataType::string();
    args.build_as(ty, false, true, |a, _| {
        let index = a[0].as_int().and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
        Ok(if index == 0 {
            Value::Null
        } else {
            a.get(index).cloned().unwrap_or_default()
        })
    })
}

fn str_to_map(mut args: Args) -> Bound {
    args.strings()?;
    let kind = TypeKind::Map(Box::new(DataType::string()), Box::new(DataType::string()));
    args.build(kind, |a, _| {
        let (between_pairs, within_pair) = (a.get(1).map_or(",", text), a.get(2).map_or("=", text));
        let mut entries: Vec<(Value, Value)> = Vec::new();
        for pair in text(&a[0]).split(between_pairs).filter(|pair| !pair.is_empty()) {
            let (key, value) = match pair.split_once(within_pair) {
                Some((key, value)) => (Value::string(key), Value::string(value)),
                None => (Value::string(pair), Value::Null),
            };
            match entries.iter_mut().find(|(known, _)| known.same(&key)) {
                Some(entry) => entry.1 = value,
                None => entries.push((key, value)),
            }
        }
        Ok(Value::Map(Arc::new(entries)))
    })
}

fn parse_url(mut args: Args) -> Bound {
    args.strings()?;
    args.build_nullable(TypeKind::STRING, |a, _| {
        let part = url_part(text(&a[0]), text(&a[1]), a.get(2).map(text));
        Ok(part.map_or(Value::Null, Value::string))
    })
}

fn url_part<'a>(url: &'a str, part: &str, key: Option<&str>) -> Option<&'a str> {
    let (rest, fragment) = url
        .split_once('#')
        .map_or((url, None), |(rest, fragment)| (rest, Some(fragment)));
    let (protocol, after) = rest.split_once("://")?;
    let slash = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, file) = after.split_at(slash);
    let (path, query) = file
        .split_once('?')
        .map_or((file, None), |(path, query)| (path, Some(query)));
    let (user, host) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(user, host)| (Some(user), host));
    match part {
        "HOST" => Some(host.rsplit_once(':').map_or(host, |(name, _)| name)),
        "PATH" => Some(path),
        "PROTOCOL" => Some(protocol),
        "REF" => fragment,
        "AUTHORITY" => Some(authority),
        "FILE" => Some(file),
        "USERINFO" => user,
        "QUERY" => match key {
            None => query,
            Some(key) => query?.split('&').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                (name == key).then_some(value)
            }),
        },
        _ => None,
    }
}

fn url_encode(args: Args) -> Bound {
    mapped(args, |text| {
        let mut out = String::new();
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
                b' ' => out.push('+'),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
        out
    })
}

fn url_decode(mut args: Args) -> Bound {
    args.string(0)?;
    args.build_nullable(TypeKind::STRING, |a, _| {
        Ok(decode_url(text(&a[0])).map_or(Value::Null, Value::string))
    })
}

fn decode_url(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (high, low) = (
                    char::from(bytes.next()?).to_digit(16)?,
                    char::from(bytes.next()?).to_digit(16)?,
                );
                out.push((high * 16 + low) as u8);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// `a LIKE b` and its kin, as a call with a name of its own.
pub(crate) fn predicate(name: &'static str, args: Vec<Expr>, body: Body) -> Expr {
    let nullable = args.iter().any(|arg| arg.ty.nullable);
    let ty = DataType {
        kind: TypeKind::Boolean,
        nullable,
    };
    Expr {
        ty,
        node: Node::Call(Call {
            name,
            args,
            strict: true,
            deterministic: true,
            body,
        }),
    }
}
