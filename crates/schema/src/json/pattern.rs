//! Regular expressions of schemas: which are valid, and whether one matches a property's name.
//!
//! Registries take what their platform's library takes, which knows more than ECMA 262 and more than the library used
//! here. So the grammar is checked here, leniently about what stands behind a backslash, and an expression that is valid
//! but has no counterpart matches nothing.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::{Arc, OnceLock};

use fancy_regex::Regex;

/// Groups and classes within each other that an expression may have.
const MOST_LEVELS: usize = 200;
/// Characters of an expression that is still compiled to look for it in property names.
const MOST_CHARACTERS: usize = 10_000;

/// A regular expression as a schema has it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) text: String,
    compiled: Arc<OnceLock<Option<Regex>>>,
}

/// Two are equal if they are written the same.
impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Pattern, String> {
        check(text)?;
        Ok(Pattern {
            text: text.to_owned(),
            compiled: Arc::new(OnceLock::new()),
        })
    }

    /// Whether it matches somewhere in `name`. Giving up on a search that takes too long counts as no.
    pub(super) fn finds(&self, name: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| {
            let fits = self.text.len() <= MOST_CHARACTERS;
            fits.then(|| Regex::new(&self.text).ok()).flatten()
        });
        compiled
            .as_ref()
            .is_some_and(|regex| regex.is_match(name).unwrap_or(false))
    }
}

/// Checks the grammar.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut scan = Scan {
        rest: text.chars().peekable(),
        levels: 0,
    };
    let checked = scan.alternatives().and_then(|()| match scan.rest.next() {
        Some(_) => Err("a `)` too many"),
        None => Ok(()),
    });
    checked.map_err(|cause| format!("`{text}` is no regular expression: {cause}"))
}

type Scanned = Result<(), &'static str>;

struct Scan<'a> {
    rest: Peekable<Chars<'a>>,
    levels: usize,
}

impl Scan<'_> {
    /// Whatever stands up to the end or a closing parenthesis.
    fn alternatives(&mut self) -> Scanned {
        self.levels += 1;
        if self.levels > MOST_LEVELS {
            return Err("it is nested too deeply");
        }
        // What stands before: counts in braces may follow anything, `*` and its like only what is not repeated yet.
        let (mut anything, mut repeatable) = (false, false);
        while let Some(next) = self.rest.next_if(|next| *next != ')') {
            repeatable = match next {
                '|' => false,
                '(' => self.group()?,
                '[' => {
                    self.class()?;
                    true
                }
                '\\' => {
                    self.escape()?;
                    true
                }
                '*' | '+' | '?' if !repeatable => return Err("nothing to repeat is before a `*`, `+` or `?`"),
                '{' if !anything => return Err("nothing is before a `{`"),
                '*' | '+' | '?' | '{' => {
                    if next == '{' {
                        self.counts()?;
                    }
                    self.rest.next_if(|next| *next == '?' || *next == '+');
                    false
                }
                _ => true,
            };
            anything = next != '|';
        }
        self.levels -= 1;
        Ok(())
    }

    /// A group; flags in parentheses, which are no group, cannot be repeated.
    fn group(&mut self) -> Result<bool, &'static str> {
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some(':' | '=' | '!' | '>') => {}
                Some('<') => {
                    if self.rest.next_if(|next| *next == '=' || *next == '!').is_none() {
                        let name = self.until('>')?;
                        let word = name.starts_with(|c: char| c.is_ascii_alphabetic())
                            && name.chars().all(|c| c.is_ascii_alphanumeric());
                        if !word {
                            return Err("the name of a group is no word");
                        }
                    }
                }
                Some(')') => return Ok(false),
                Some(flag) if "-idmsuxU".contains(flag) => loop {
                    match self.rest.next() {
                        Some(':') => break,
                        Some(')') => return Ok(false),
                        Some(flag) if "-idmsuxU".contains(flag) => {}
                        _ => return Err("there is no such flag behind `(?`"),
                    }
                },
                _ => return Err("there is no such group"),
            }
        }
        self.alternatives()?;
        match self.rest.next() {
            Some(')') => Ok(true),
            _ => Err("a `(` is not closed"),
        }
    }

    fn class(&mut self) -> Scanned {
        self.levels += 1;
        if self.levels > MOST_LEVELS {
            return Err("it is nested too deeply");
        }
        self.rest.next_if_eq(&'^');
        // A bracket right at the beginning stands for itself.
        let mut first = true;
        let mut low: Option<char> = None;
        loop {
            match self.rest.next() {
                None => return Err("a `[` is not closed"),
                Some(']') if !first => break,
                Some('[') => {
                    self.class()?;
                    low = None;
                }
                Some('\\') => {
                    self.escape()?;
                    low = None;
                }
                Some('-') if low.is_some() => match self.rest.peek() {
                    Some(']' | '[' | '\\') | None => low = None,
                    Some(high) => {
                        if low.is_some_and(|low| low > *high) {
                            return Err("a range is the wrong way round");
                        }
                        self.rest.next();
                        low = None;
                    }
                },
                Some(character) => low = Some(character),
            }
            first = false;
        }
        self.levels -= 1;
        Ok(())
    }

    fn escape(&mut self) -> Scanned {
        match self.rest.next() {
            None => Err("nothing follows a `\\`"),
            Some('Q') => {
                // Everything up to `\E` or the end stands for itself.
                let mut before = ' ';
                for next in self.rest.by_ref() {
                    if before == '\\' && next == 'E' {
                        break;
                    }
                    before = next;
                }
                Ok(())
            }
            Some('p' | 'P') => match self.rest.next() {
                Some('{') => self.until('}').map(|_| ()),
                Some(_) => Ok(()),
                None => Err("nothing follows a `\\p`"),
            },
            Some('k') => match self.rest.next() {
                Some('<') => self.until('>').map(|_| ()),
                _ => Err("no name of a group follows a `\\k`"),
            },
            Some('u') => self.digits(4),
            Some('x') if self.rest.next_if_eq(&'{').is_some() => self.until('}').map(|_| ()),
            Some('x') => self.digits(2),
            Some('0') => self
                .rest
                .next_if(|next| ('0'..'8').contains(next))
                .map(|_| ())
                .ok_or("no octal digit follows a `\\0`"),
            Some('b') if self.rest.next_if_eq(&'{').is_some() => match self.rest.peek() {
                Some('g') => self.until('}').map(|_| ()),
                _ => self.counts(),
            },
            Some('N') if self.rest.next_if_eq(&'{').is_some() => self.until('}').map(|_| ()),
            Some('c') => self.rest.next().map(|_| ()).ok_or("nothing follows a `\\c`"),
            Some(letter) if letter.is_ascii_alphabetic() && !"aAbBdDefGhHnrRsStvVwWXzZ".contains(letter) => {
                Err("there is no such letter behind a `\\`")
            }
            Some(_) => Ok(()),
        }
    }

    fn digits(&mut self, count: usize) -> Scanned {
        for _ in 0..count {
            if self.rest.next_if(char::is_ascii_hexdigit).is_none() {
                return Err("too few hexadecimal digits behind a `\\`");
            }
        }
        Ok(())
    }

    /// `{2}`, `{2,}` or `{2,5}` behind the brace.
    fn counts(&mut self) -> Scanned {
        let text = self.until('}').map_err(|_| "a `{` is not closed")?;
        let (low, high) = text
            .split_once(',')
            .map_or((text.as_str(), None), |(low, high)| (low, Some(high)));
        let number = |text: &str| -> Result<i32, &'static str> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .then(|| text.parse().ok())
                .flatten()
                .ok_or("no number is in `{}`")
        };
        let low = number(low)?;
        match high {
            Some(high) if !high.is_empty() && number(high)? < low => Err("a range is the wrong way round"),
            _ => Ok(()),
        }
    }

    fn until(&mut self, end: char) -> Result<String, &'static str> {
        let mut text = String::new();
        for next in self.rest.by_ref() {
            if next == end {
                return Ok(text);
            }
            text.push(next);
        }
        Err("a name is not closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for right in [
            "",
            "^a$",
            "a|b",
            "(a|b)*",
            "[a-z&&[^x]]",
            "[]a]",
            "(?<name>x)\\k<name>",
            "\\p{IsAlphabetic}+",
            "a{2,5}?",
            "\\Q(\\E",
            "(?i)a",
            "(?:a)++",
            "}",
            "]",
            "a{2,}",
            "\\u00e9",
            "[^]]",
            "(?<=a)b",
            "\\h\\R",
            "|",
            "[-a]",
            "[a-]",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in [
            "(", ")", "[", "[a", "*", "+a", "a**", "a{", "{", "a{2", "a{5,2}", "\\", "(?<1>a)", "(?#a)", "[z-a]",
            "\\u12", "\\y", "(?P<a>b)", "a{x}", "|*", "\\k", "(?i)*", "a{2}*", "\\E", "\\0", "\\N", "a*?+", "(*)",
            "[]", "[^]",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(check(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn names_are_found() {
        assert!(Pattern::new("^a").unwrap().finds("ab"));
        assert!(!Pattern::new("^a").unwrap().finds("ba"));
        assert!(!Pattern::new("(x+x+)+y").unwrap().finds(&"x".repeat(60)));
    }
}
