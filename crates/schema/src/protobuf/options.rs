//! Options: a name, perhaps with inner fields, and a value in the text format.

use std::collections::HashMap;

use super::file::{Opt, Value};
use super::reader::{Read, Reader};

/// Values nested deeper than this are refused before they can exhaust the stack.
const DEPTH_MAX: usize = 64;

/// More options than this at one place are refused: those of one name are put together one by one.
const COUNT_MAX: usize = 1_000;

/// The same for the entries of a value.
const ENTRIES_MAX: usize = 10_000;

/// The options in brackets after a field, if there are any.
pub(super) fn bracketed(reader: &mut Reader) -> Read<Vec<Opt>> {
    let mut options = Vec::new();
    if !reader.take_if('[')? {
        return Ok(options);
    }
    loop {
        let one = option(reader, '=')?;
        push(reader, &mut options, one)?;
        if reader.take_if(']')? {
            return Ok(options);
        }
        let comma = reader.take_if(',')?;
        reader.expect(comma, "Expected ',' or ']")?;
    }
}

/// Adds an option to those of its place.
pub(super) fn push(reader: &Reader, options: &mut Vec<Opt>, option: Opt) -> Read<()> {
    reader.expect(options.len() < COUNT_MAX, &format!("more than {COUNT_MAX} options"))?;
    options.push(option);
    Ok(())
}

/// One option with its value.
pub(super) fn option(reader: &mut Reader, separator: char) -> Read<Opt> {
    option_at(reader, separator, DEPTH_MAX)
}

fn option_at(reader: &mut Reader, separator: char, depth: usize) -> Read<Opt> {
    let first = reader.peek()?;
    let name = reader.name(true, first == '[')?;
    let mut inner: Vec<String> = Vec::new();
    let after = loop {
        let c = reader.take()?;
        if c != '.' {
            break c;
        }
        let part = reader.name(true, true)?;
        if part.starts_with('(') {
            inner.push(part);
        } else {
            inner.extend(part.split('.').map(str::to_owned));
        }
    };
    if inner.len() > DEPTH_MAX {
        return reader.error("an option's name has too many parts");
    }
    if separator == ':' && after == '{' {
        // A map may follow its key without a colon.
        reader.put_back();
    } else {
        reader.expect(after == separator, &format!("expected '{separator}' in option"))?;
    }
    let mut value = value_at(reader, depth)?;
    for part in inner.into_iter().rev() {
        let bare = part.strip_prefix('(').and_then(|part| part.strip_suffix(')'));
        value = Value::Inner(Box::new(Opt {
            name: bare.unwrap_or(&part).to_owned(),
            value,
            parenthesized: bare.is_some(),
        }));
    }
    Ok(Opt {
        name,
        value,
        parenthesized: first == '(',
    })
}

fn value_at(reader: &mut Reader, depth: usize) -> Read<Value> {
    let Some(depth) = depth.checked_sub(1) else {
        return reader.error("an option's value is nested too deeply");
    };
    match reader.peek()? {
        '{' => map(reader, depth).map(Value::Map),
        '[' => list(reader, depth).map(Value::List),
        '"' | '\'' => reader.string().map(Value::Text),
        c if c == '-' || c.is_ascii_digit() => reader.word(true).map(Value::Number),
        _ => Ok(match reader.word(true)? {
            word if word == "true" || word == "false" => Value::Boolean(word),
            word => Value::Constant(word),
        }),
    }
}

/// `{ key: value ... }`, entries separated by commas, semicolons or nothing; what stands twice is a list.
fn map(reader: &mut Reader, depth: usize) -> Read<Vec<(String, Value)>> {
    reader.require('{')?;
    let mut entries: Vec<(String, Value)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut left = ENTRIES_MAX;
    while !reader.take_if('}')? {
        let entry = option_at(reader, ':', depth)?;
        left = match left.checked_sub(1) {
            Some(left) => left,
            None => return reader.error(&format!("more than {ENTRIES_MAX} entries in a map")),
        };
        let known = *places.entry(entry.name.clone()).or_insert(entries.len());
        let old = entries.get_mut(known).map(|(_, value)| value);
        match (entry.value, old) {
            (Value::Inner(inner), old) => {
                let nested = match old {
                    Some(Value::Map(nested)) => nested,
                    Some(other) => {
                        *other = Value::Map(Vec::new());
                        match other {
                            Value::Map(nested) => nested,
                            _ => return reader.error("a map was expected"),
                        }
                    }
                    None => {
                        entries.push((entry.name, Value::Map(Vec::new())));
                        match entries.last_mut() {
                            Some((_, Value::Map(nested))) => nested,
                            _ => return reader.error("a map was expected"),
                        }
                    }
                };
                put(nested, inner.name, bare(inner.value));
            }
            (value, None) => entries.push((entry.name, value)),
            (value, Some(Value::List(list))) => append(list, value),
            (value, Some(old)) => {
                let mut list = vec![std::mem::replace(old, Value::List(Vec::new()))];
                append(&mut list, value);
                *old = Value::List(list);
            }
        }
        let _separated = reader.take_if(',')? || reader.take_if(';')?;
    }
    Ok(entries)
}

/// The registry the world knows forgets here of what kind a single value was: it prints as a string.
fn bare(value: Value) -> Value {
    match value {
        Value::Boolean(word) | Value::Number(word) | Value::Constant(word) => Value::Text(word),
        other => other,
    }
}

pub(super) fn put(entries: &mut Vec<(String, Value)>, key: String, value: Value) {
    match entries.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key, value)),
    }
}

fn append(list: &mut Vec<Value>, value: Value) {
    match value {
        Value::List(more) => list.extend(more),
        one => list.push(one),
    }
}

fn list(reader: &mut Reader, depth: usize) -> Read<Vec<Value>> {
    reader.require('[')?;
    let mut values = Vec::new();
    while !reader.take_if(']')? {
        values.push(value_at(reader, depth)?);
        if !reader.take_if(',')? {
            let ends = reader.peek()? == ']';
            reader.expect(ends, "expected ',' or ']'")?;
        }
    }
    Ok(values)
}
