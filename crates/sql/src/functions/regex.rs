//! Patterns: LIKE, SIMILAR TO, and Java's regular expressions with a bound on their work.

use std::sync::Arc;

use fancy_regex::{Regex, RegexBuilder};

use super::{Args, Bound, Def, Problem, def, int, shared_text, text};
use crate::eval::{EvalContext, EvalError};
use crate::types::TypeKind;
use crate::value::{Text, Value};

/// How often a pattern may go back before it is given up.
const BACKTRACKS_MAX: usize = 1_000_000;
/// The most memory a compiled pattern may take, in bytes.
const PATTERN_BYTES_MAX: usize = 4 << 20;

pub(super) const DEFS: &[Def] = &[
    def("REGEXP", 2, 2, regexp),
    def("REGEXP_LIKE", 2, 2, regexp),
    def("REGEXP_EXTRACT", 2, 3, regexp_extract),
    def("REGEXP_REPLACE", 3, 3, regexp_replace),
    def("REGEXP_COUNT", 2, 2, regexp_count),
    def("REGEXP_INSTR", 2, 2, regexp_instr),
    def("REGEXP_SUBSTR", 2, 2, regexp_substr),
    def("REGEXP_EXTRACT_ALL", 2, 3, regexp_extract_all),
    def("SIMILAR", 2, 2, regexp),
];

/// Compiles a pattern of `java.util.regex`.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&from_java(pattern))
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| format!("the pattern '{pattern}' is not a regular expression: {error}"))
}

/// Java's classes are ASCII unless asked otherwise, and `\Q…\E` quotes; the rest is written alike.
fn from_java(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut in_class = 0_usize;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '[' => in_class += 1,
            ']' => in_class = in_class.saturating_sub(1),
            '\\' => {
                let Some(next) = chars.next() else {
                    out.push('\\');
                    break;
                };
                let set = match next {
                    'd' => Some("0-9"),
                    'w' => Some("a-zA-Z0-9_"),
                    's' => Some(r" \t\n\x0B\f\r"),
                    'h' => Some(r" \t\xA0"),
                    _ => None,
                };
                match (set, next) {
                    (Some(set), _) if in_class > 0 => out.push_str(set),
                    (Some(set), _) => out.push_str(&format!("[{set}]")),
                    (None, 'D') => out.push_str("[^0-9]"),
                    (None, 'W') => out.push_str("[^a-zA-Z0-9_]"),
                    (None, 'S') => out.push_str(r"[^ \t\n\x0B\f\r]"),
                    (None, 'Q') => {
                        let rest = chars.as_str();
                        let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                        out.push_str(&fancy_regex::escape(quoted));
                        chars = after.chars();
                    }
                    (None, 'p' | 'P') => push_class(&mut out, next, &mut chars),
                    (None, other) => {
                        out.push('\\');
                        out.push(other);
                    }
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// `\p{Alpha}` and the like; what is not a POSIX name stays.
fn push_class(out: &mut String, letter: char, chars: &mut std::str::Chars<'_>) {
    let rest = chars.as_str();
    let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let posix = name.and_then(|(name, _)| {
        Some(match name {
            "Alpha" | "IsAlphabetic" => "alpha",
            "Digit" => "digit",
            "Alnum" => "alnum",
            "Upper" | "javaUpperCase" => "upper",
            "Lower" | "javaLowerCase" => "lower",
            "Punct" => "punct",
            "Space" => "space",
            "XDigit" => "xdigit",
            "Blank" => "blank",
            "Cntrl" => "cntrl",
            "Graph" => "graph",
            "Print" => "print",
            "ASCII" => "ascii",
            _ => return None,
        })
    });
    match (posix, name) {
        (Some(class), Some((_, after))) => {
            let not = if letter == 'P' { "^" } else { "" };
            out.push_str(&format!("[[:{not}{class}:]]"));
            *chars = after.chars();
        }
        _ => {
            out.push('\\');
            out.push(letter);
        }
    }
}

/// The pattern argument: compiled now if it is a constant, at most once per text otherwise.
pub(crate) enum Matcher {
    Fixed(Arc<Regex>),
    Changing,
}

impl Matcher {
    fn of(args: &Args, index: usize) -> Result<Matcher, Problem> {
        match args.literal_text(index) {
            Some(pattern) => match compile(&pattern) {
                Ok(regex) => Ok(Matcher::Fixed(Arc::new(regex))),
                Err(message) => {
                    let hint = "patterns are Java's: `\\.` is a dot, `.*` is anything".to_owned();
                    Err(Problem {
                        message,
                        hint,
                        arg: Some(index),
                    })
                }
            },
            None => Ok(Matcher::Changing),
        }
    }

    fn get(&self, pattern: &Value, cx: &EvalContext) -> Result<Arc<Regex>, EvalError> {
        match self {
            Matcher::Fixed(regex) => Ok(Arc::clone(regex)),
            Matcher::Changing => cx.pattern(&shared_text(pattern), compile),
        }
    }
}

fn gave_up(error: fancy_regex::Error) -> EvalError {
    EvalError::new(format!("a regular expression was given up: {error}"))
}

fn regexp(mut args: Args) -> Bound {
    args.strings()?;
    let matcher = Matcher::of(&args, 1)?;
    args.build(TypeKind::Boolean, move |a, cx| {
        matcher
            .get(&a[1], cx)?
            .is_match(text(&a[0]))
            .map(Value::Boolean)
            .map_err(gave_up)
    })
}

fn slice_of(source: &Value, start: usize, end: usize) -> Value {
    let bytes = shared_text(source).into_bytes().slice(start..end);
    Text::from_utf8(bytes).map_or(Value::Null, Value::String)
}

fn regexp_extract(mut args: Args) -> Bound {
    args.string(0)?;
    args.string(1)?;
    if args.len() == 3 {
        args.integer(2)?;
    }
    let matcher = Matcher::of(&args, 1)?;
    args.build_nullable(TypeKind::STRING, move |a, cx| {
        let regex = matcher.get(&a[1], cx)?;
        let group = a.get(2).map_or(0, int);
        let Some(found) = regex.captures(text(&a[0])).map_err(gave_up)? else {
            return Ok(Value::Null);
        };
        let group = usize::try_from(group).ok().and_then(|group| found.get(group));
        Ok(group.map_or(Value::Null, |group| slice_of(&a[0], group.start(), group.end())))
    })
}

fn regexp_extract_all(mut args: Args) -> Bound {
    args.string(0)?;
    args.string(1)?;
    if args.len() == 3 {
        args.integer(2)?;
    }
    let matcher = Matcher::of(&args, 1)?;
    let kind = TypeKind::Array(Box::new(crate::DataType::string()));
    args.build_nullable(kind, move |a, cx| {
        let regex = matcher.get(&a[1], cx)?;
        let default = i64::from(regex.captures_len() > 1);
        let group = usize::try_from(a.get(2).map_or(default, int)).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        for found in regex.captures_iter(text(&a[0])) {
            let found = found.map_err(gave_up)?;
            items.push(
                found
                    .get(group)
                    .map_or(Value::Null, |part| slice_of(&a[0], part.start(), part.end())),
            );
        }
        Ok(Value::Array(Arc::new(items)))
    })
}

/// The replacement is literal, as measured: `$1` stays `$1`.
fn regexp_replace(mut args: Args) -> Bound {
    args.strings()?;
    let matcher = Matcher::of(&args, 1)?;
    args.build(TypeKind::STRING, move |a, cx| {
        let regex = matcher.get(&a[1], cx)?;
        let (source, replacement) = (text(&a[0]), text(&a[2]));
        let mut out = String::with_capacity(source.len());
        let mut from = 0;
        for found in regex.find_iter(source) {
            let found = found.map_err(gave_up)?;
            out.push_str(&source[from..found.start()]);
            out.push_str(replacement);
            from = found.end();
        }
        out.push_str(&source[from..]);
        Ok(Value::string(out))
    })
}

fn regexp_count(mut args: Args) -> Bound {
    args.strings()?;
    let matcher = Matcher::of(&args, 1)?;
    args.build(TypeKind::Int, move |a, cx| {
        let regex = matcher.get(&a[1], cx)?;
        let mut count = 0;
        for found in regex.find_iter(text(&a[0])) {
            found.map_err(gave_up)?;
            count += 1;
        }
        Ok(Value::Int(count))
    })
}

fn regexp_instr(mut args: Args) -> Bound {
    args.strings()?;
    let matcher = Matcher::of(&args, 1)?;
    args.build(TypeKind::Int, move |a, cx| {
        let source = text(&a[0]);
        let found = matcher.get(&a[1], cx)?.find(source).map_err(gave_up)?;
        Ok(Value::Int(
            found.map_or(0, |found| source[..found.start()].chars().count() as i64 + 1),
        ))
    })
}

fn regexp_substr(mut args: Args) -> Bound {
    args.strings()?;
    let matcher = Matcher::of(&args, 1)?;
    args.build_nullable(TypeKind::STRING, move |a, cx| {
        let regex = matcher.get(&a[1], cx)?;
        let found = regex.find(text(&a[0])).map_err(gave_up)?;
        Ok(found.map_or(Value::Null, |found| slice_of(&a[0], found.start(), found.end())))
    })
}

/// A LIKE pattern, ready to match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LikePattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Char(char),
    One,
    Many,
}

impl LikePattern {
    pub(crate) fn parse(pattern: &str, escape: Option<char>) -> Result<LikePattern, String> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if Some(c) == escape {
                match chars.next() {
                    Some(next) if next == '%' || next == '_' || Some(next) == escape => parts.push(Part::Char(next)),
                    _ => {
                        return Err(format!(
                            "in the pattern '{pattern}' the escape character must come before %, _ or itself"
                        ));
                    }
                }
            } else if c == '%' {
                if parts.last() != Some(&Part::Many) {
                    parts.push(Part::Many);
                }
            } else if c == '_' {
                parts.push(Part::One);
            } else {
                parts.push(Part::Char(c));
            }
        }
        Ok(LikePattern(parts))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let (parts, mut at, mut rest) = (&self.0, 0, text);
        // Where the last `%` stands and what it was tried on.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let next = rest.chars().next();
            match (parts.get(at), next) {
                (Some(Part::Many), _) => {
                    retry = Some((at, rest));
                    at += 1;
                    continue;
                }
                (Some(Part::Char(wanted)), Some(c)) if *wanted == c => {
                    at += 1;
                    rest = &rest[c.len_utf8()..];
                    continue;
                }
                (Some(Part::One), Some(c)) => {
                    at += 1;
                    rest = &rest[c.len_utf8()..];
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            match retry {
                Some((star, tried)) if !tried.is_empty() => {
                    let step = tried.chars().next().map_or(1, char::len_utf8);
                    retry = Some((star, &tried[step..]));
                    rest = &tried[step..];
                    at = star + 1;
                }
                _ => return false,
            }
        }
    }
}

/// A SIMILAR TO pattern as a regular expression over the whole text.
pub(crate) fn similar_to_regex(pattern: &str, escape: Option<char>) -> Result<Regex, String> {
    let mut out = String::from("(?s)^(?:");
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some(next) => out.push_str(&fancy_regex::escape(&next.to_string())),
                None => return Err(format!("the pattern '{pattern}' ends with the escape character")),
            }
            continue;
        }
        match c {
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        match c {
            '%' if !in_class => out.push_str(".*"),
            '_' if !in_class => out.push('.'),
            '.' | '^' | '$' | '\\' if !in_class => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\\\"),
            _ => out.push(c),
        }
    }
    out.push_str(")$");
    let named = ["ALPHA", "DIGIT", "ALNUM", "UPPER", "LOWER", "SPACE"];
    for name in named {
        out = out.replace(&format!("[:{name}:]"), &format!("[:{}:]", name.to_lowercase()));
    }
    RegexBuilder::new(&out)
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| format!("the pattern '{pattern}' is not one of SIMILAR TO: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_as_sql_says() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a%", "abcd", true),
            ("%d", "abcd", true),
            ("%b%d%", "abcd", true),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("%", "", true),
            ("_", "", false),
            ("%ß_", "straße", true),
            ("%aab", "aaaab", true),
        ] {
            assert_eq!(
                LikePattern::parse(pattern, None).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(LikePattern::parse("50!%", Some('!')).unwrap().matches("50%"));
        assert!(!LikePattern::parse("50!%", Some('!')).unwrap().matches("500"));
        assert!(LikePattern::parse("a!b", Some('!')).is_err());
    }

    #[test]
    fn java_patterns_compile() {
        for (pattern, text, expected) in [
            (r"\d+", "12", true),
            (r"^\d+$", "٣", false),
            (r"(?<=a)b", "ab", true),
            (r"(a)\1", "aa", true),
            (r"\Q.\E", "x", false),
            (r"\p{Alpha}", "7", false),
            (r"[\w-]+@x", "a-b@x", true),
        ] {
            assert_eq!(
                compile(pattern).unwrap().is_match(text).unwrap(),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(compile("(").is_err());
    }
}
