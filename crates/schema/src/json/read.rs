//! Reads JSON text: strictly, with a bound on nesting, and without recursion.

use super::decimal::Decimal;
use super::value::{Json, Object};

/// Levels of arrays and objects within each other that a text may have.
pub(super) const MOST_LEVELS: usize = 512;
/// Characters a number may have.
const MOST_NUMBER_CHARACTERS: usize = 1_000;

/// Reads the first value of the text. What follows it is not looked at, as in the registries whose texts are copied here.
pub(super) fn read(text: &str) -> Result<Json, String> {
    let mut reader = Reader {
        text,
        at: 0,
        open: Vec::new(),
    };
    reader.read().map_err(|cause| {
        let before = &text[..text.floor_char_boundary(reader.at)];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{cause} at line {line}, column {column}")
    })
}

enum Open {
    Array(Vec<Json>),
    Object(Object, String),
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Open>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Json, String> {
        loop {
            let mut value = match self.start()? {
                Some(value) => value,
                None => continue,
            };
            // A finished value goes into what surrounds it, which may be finished by that as well.
            loop {
                match self.open.pop() {
                    None => return Ok(value),
                    Some(Open::Array(mut items)) => {
                        items.push(value);
                        if self.more(b']')? {
                            self.open.push(Open::Array(items));
                            break;
                        }
                        value = Json::Array(items);
                    }
                    Some(Open::Object(mut members, key)) => {
                        // Of two members of one name the last counts, at the place of the first.
                        members.insert(key, value);
                        if self.more(b'}')? {
                            let key = self.key()?;
                            self.open.push(Open::Object(members, key));
                            break;
                        }
                        value = Json::Object(members);
                    }
                }
            }
        }
    }

    /// Reads a value, or opens an array or object that has something in it.
    fn start(&mut self) -> Result<Option<Json>, String> {
        match self.skip_blanks() {
            None if self.open.is_empty() => Err("the text is empty".to_owned()),
            None => Err("the text ends too early".to_owned()),
            Some(b'{') => {
                self.enter()?;
                if self.skip_blanks() == Some(b'}') {
                    self.at += 1;
                    return Ok(Some(Json::Object(Object::new())));
                }
                let key = self.key()?;
                self.open.push(Open::Object(Object::new(), key));
                Ok(None)
            }
            Some(b'[') => {
                self.enter()?;
                if self.skip_blanks() == Some(b']') {
                    self.at += 1;
                    return Ok(Some(Json::Array(Vec::new())));
                }
                self.open.push(Open::Array(Vec::new()));
                Ok(None)
            }
            Some(b'"') => Ok(Some(Json::String(self.string()?))),
            Some(_) => self.word(),
        }
    }

    fn enter(&mut self) -> Result<(), String> {
        if self.open.len() >= MOST_LEVELS {
            return Err(format!("the text is nested deeper than {MOST_LEVELS} levels"));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes on behind a comma, or leaves behind the closing character.
    fn more(&mut self, closing: u8) -> Result<bool, String> {
        match self.skip_blanks() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == closing => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Err(format!("expected `,` or `{}`", char::from(closing))),
            None => Err("the text ends too early".to_owned()),
        }
    }

    fn key(&mut self) -> Result<String, String> {
        if self.skip_blanks() != Some(b'"') {
            return Err("expected the name of a member in double quotes".to_owned());
        }
        let key = self.string()?;
        if self.skip_blanks() != Some(b':') {
            return Err("expected `:`".to_owned());
        }
        self.at += 1;
        Ok(key)
    }

    fn skip_blanks(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .bytes()
                .position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')
                .ok_or("a string does not end")?;
            out.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes()[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => out.push(self.escape()?),
                _ => return Err("a control character in a string must be escaped".to_owned()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let byte = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit()?;
                let mut units = vec![first];
                if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u") {
                    let before = self.at;
                    self.at += 2;
                    let second = self.unit()?;
                    if (0xDC00..0xE000).contains(&second) {
                        units.push(second);
                    } else {
                        self.at = before;
                    }
                }
                // Half of a pair alone is no character; encoders of UTF-8 put a question mark for it.
                char::decode_utf16(units).next().and_then(Result::ok).unwrap_or('?')
            }
            _ => return Err("no such escape in a string".to_owned()),
        })
    }

    fn unit(&mut self) -> Result<u16, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| "expected four hexadecimal digits behind `\\u`".to_owned())
    }

    /// Reads `true`, `false`, `null`, a number, or one of the words for what is no number.
    fn word(&mut self) -> Result<Option<Json>, String> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || "+-._".contains(c)))
            .unwrap_or(rest.len());
        let word = &rest[..length];
        let value = match word {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            "null" => Json::Null,
            "NaN" => Json::String("NaN".to_owned()),
            "Infinity" | "+Infinity" | "+INF" => Json::String("Infinity".to_owned()),
            "-Infinity" | "-INF" => Json::String("-Infinity".to_owned()),
            _ if word.len() > MOST_NUMBER_CHARACTERS => {
                return Err(format!("a number has more than {MOST_NUMBER_CHARACTERS} characters"));
            }
            _ if is_number(word) => {
                Json::Number(Decimal::from_json(word).ok_or_else(|| format!("the exponent of `{word}` is too large"))?)
            }
            "" => {
                let found = rest.chars().next().unwrap_or(' ');
                return Err(format!("expected a value, found `{found}`"));
            }
            _ => return Err(format!("expected a value, found `{word}`")),
        };
        self.at += length;
        Ok(Some(value))
    }
}

/// Whether the word is a number of JSON's grammar.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_places() {
        for (text, expected) in [
            (
                "{\"a\":1,\n\"b\": é}",
                "expected a value, found `é` at line 2, column 6",
            ),
            ("[\"\\😀\"]", "no such escape in a string at line 1, column 4"),
            (
                "\"\\u😀",
                "expected four hexadecimal digits behind `\\u` at line 1, column 5",
            ),
            ("[1 2]", "expected `,` or `]` at line 1, column 4"),
        ] {
            assert_eq!(read(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn every_beginning_and_every_byte_out_of_place_is_answered() {
        let text = r#"{"a":[1.5e3,-0,"\ud83d\ude00é\n",{"b":null,"a":true}],"c":{}}"#;
        assert_eq!(
            read(text).unwrap().text(),
            r#"{"a":[1.5E+3,0,"😀é\n",{"b":null,"a":true}],"c":{}}"#
        );
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert!(read(&text[..at]).is_err());
            for inserted in ["\\", "\"", "{", "]", ",", "😀", "\u{0}", "e", "-"] {
                // Whatever comes of it, it is an answer.
                drop(read(&format!("{}{inserted}{}", &text[..at], &text[at..])));
            }
        }
    }
}
