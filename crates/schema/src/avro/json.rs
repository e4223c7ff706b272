//! JSON as Avro's Java library reads and writes it: comments are blanks, fractions have Java's spelling.

use serde_json::{Deserializer, Value as Json};

use super::AvroError;

/// A file of more documents than this is not split.
const DOCUMENTS_MAX: usize = 10_000;

/// The one JSON document a text holds.
pub(super) fn parse(given: &str) -> Result<Json, AvroError> {
    let text = without_comments(given);
    let error = match serde_json::from_str::<Json>(&text) {
        // Comments may stand before and inside the schema only, as for the Java library.
        Ok(json) => match given.get(text.trim_end().len()..).unwrap_or_default().trim() {
            "" => return Ok(json),
            rest => return Err(AvroError(format!("dangling content after the schema: `{rest}`"))),
        },
        Err(error) => error,
    };
    let mut documents = Deserializer::from_str(&text).into_iter::<Json>();
    let first_is_whole = documents.next().is_some_and(|one| one.is_ok_and(|one| one.is_object()));
    let rest = text.get(documents.byte_offset()..).unwrap_or_default();
    let hint = if first_is_whole && rest.trim_start().starts_with(['{', '"', '[']) {
        "; the text holds several JSON documents one after another: register each on its own"
    } else {
        ""
    };
    Err(AvroError(format!("the schema is not JSON: {error}{hint}")))
}

/// Splits a text that holds several schemas one after another, as some tools write them, into the texts of each, in
/// order. Commas between them are tolerated.
pub fn split(text: &str) -> Result<Vec<String>, AvroError> {
    let clean = without_comments(text);
    let mut documents = Vec::new();
    let mut at = 0;
    loop {
        let rest = &clean[at..];
        let blank = rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
        at += blank;
        if at == clean.len() {
            return Ok(documents);
        }
        if documents.len() == DOCUMENTS_MAX {
            return Err(AvroError(format!("the text holds more than {DOCUMENTS_MAX} schemas")));
        }
        let mut stream = Deserializer::from_str(&clean[at..]).into_iter::<Json>();
        match stream.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let number = documents.len() + 1;
                return Err(AvroError(format!("document {number} of the text is not JSON: {error}")));
            }
            None => return Ok(documents),
        }
        let end = at + stream.byte_offset();
        // Comments are as long as the blanks in their place: the same bytes of the text as it was given.
        documents.push(text[at..end].to_owned());
        at = end;
    }
}

/// The text with blanks for comments, of the same length.
fn without_comments(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    let mut in_string = false;
    while at < bytes.len() {
        match (in_string, bytes[at], bytes.get(at + 1)) {
            (true, b'\\', _) => at += 1,
            (_, b'"', _) => in_string = !in_string,
            (false, b'/', Some(b'/')) => at = blank_until(&mut bytes, at, b"\n"),
            (false, b'/', Some(b'*')) => at = blank_until(&mut bytes, at, b"*/"),
            _ => {}
        }
        at += 1;
    }
    // Only whole characters were replaced.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Blanks a comment; an open one stays and is no JSON.
fn blank_until(bytes: &mut [u8], start: usize, end: &[u8]) -> usize {
    let from = start + 2;
    let found = bytes[from..].windows(end.len()).position(|window| window == end);
    let stop = match found {
        Some(length) if end == b"*/" => from + length + 2,
        Some(length) => from + length,
        None if end == b"*/" => return bytes.len(),
        None => bytes.len(),
    };
    for byte in &mut bytes[start..stop] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
    stop.saturating_sub(1)
}

/// Writes JSON without blanks.
pub(super) fn text(json: &Json) -> String {
    let mut out = String::new();
    write(json, &mut out);
    out
}

fn write(json: &Json, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) if number.is_f64() => out.push_str(&fraction(number.as_f64().unwrap_or_default())),
        Json::Number(number) => out.push_str(&number.to_string()),
        Json::String(text) => string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(object) => {
            out.push('{');
            for (index, (key, value)) in object.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                string(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A fraction in Java's spelling: `1.0`, `1.5E-4`, `1.0E10`.
fn fraction(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        let plain = value.to_string();
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    let spelled = format!("{value:E}");
    match spelled.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => spelled,
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, split, text};

    #[test]
    fn json_is_written_as_java_writes_it() {
        for (given, written) in [
            ("1", "1"),
            ("1.0", "1.0"),
            ("1e2", "100.0"),
            ("12345678.5", "1.23456785E7"),
            ("0.0001", "1.0E-4"),
            ("-1.5e300", "-1.5E300"),
            (r#""\u001f\u00fc\/""#, "\"\\u001F\u{fc}/\""),
            ("/* a */ [1, // b\n 2]", "[1,2]"),
            (r#""// no /* comment""#, r#""// no /* comment""#),
        ] {
            assert_eq!(text(&parse(given).unwrap()), written);
        }
        for wrong in ["[1] /* open", "[1] // after", "[1] [2]"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_documents_are_split() {
        let text = "// first\n{\"type\":\"int\"}\n{\"type\": /* x */ \"long\"},\n\"string\"\n";
        let documents = split(text).unwrap();
        assert_eq!(
            documents,
            ["{\"type\":\"int\"}", "{\"type\": /* x */ \"long\"}", "\"string\""]
        );
        assert_eq!(split("  ").unwrap(), Vec::<String>::new());
        assert!(split("{\"a\":1} {").unwrap_err().to_string().contains("document 2"));
    }
}
