//! URIs as schemas use them: which texts are URIs, and how one is resolved against another.
//!
//! This follows RFC 2396 with the habits of the library that registries resolve references with, because names of
//! references are found by exact text.

/// A URI taken apart. The fragment is without its `#`.
#[derive(Clone, Debug, Default)]
struct Parts<'a> {
    scheme: Option<&'a str>,
    /// Scheme-specific part of a URI such as `urn:a:b`, which has no path.
    opaque: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

/// Checks that the text is a URI or a relative reference.
pub(super) fn check(text: &str) -> Result<(), String> {
    parts(text).map(|_| ())
}

pub(super) fn is_absolute(text: &str) -> bool {
    parts(text).is_ok_and(|parts| parts.scheme.is_some())
}

/// The scheme, if the text has one.
pub(super) fn scheme(text: &str) -> Option<&str> {
    parts(text).ok()?.scheme
}

/// The text in front of `#`, and the fragment with its `#` (empty if there is none).
pub(super) fn split(text: &str) -> (&str, &str) {
    match text.find('#') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    }
}

/// Resolves `reference` against `base`.
pub(super) fn resolve(base: &str, reference: &str) -> Result<String, String> {
    let (given, base_parts) = (parts(reference)?, parts(base)?);
    if given.opaque.is_some() || base_parts.opaque.is_some() || given.scheme.is_some() {
        return Ok(reference.to_owned());
    }
    if given.authority.is_none() && given.path.is_empty() && given.query.is_none() && given.fragment.is_some() {
        return Ok(Parts {
            fragment: given.fragment,
            ..base_parts
        }
        .text(base_parts.path));
    }
    let result = Parts {
        scheme: base_parts.scheme,
        authority: given.authority.or(base_parts.authority),
        query: given.query,
        fragment: given.fragment,
        ..Parts::default()
    };
    if given.authority.is_some() || given.path.starts_with('/') {
        return Ok(result.text(given.path));
    }
    let directory = match base_parts.path.rfind('/') {
        Some(at) => &base_parts.path[..=at],
        None if base_parts.scheme.is_some() && !given.path.is_empty() => "/",
        None => "",
    };
    Ok(result.text(&without_dots(&format!("{directory}{}", given.path))))
}

impl Parts<'_> {
    fn text(&self, path: &str) -> String {
        let mut out = String::new();
        if let Some(scheme) = self.scheme {
            out.push_str(scheme);
            out.push(':');
        }
        if let Some(authority) = self.authority {
            out.push_str("//");
            out.push_str(authority);
        }
        out.push_str(path);
        if let Some(query) = self.query {
            out.push('?');
            out.push_str(query);
        }
        if let Some(fragment) = self.fragment {
            out.push('#');
            out.push_str(fragment);
        }
        out
    }
}

/// Takes out `.` and what `..` takes back, and doubled slashes when anything is taken out.
fn without_dots(path: &str) -> String {
    let needed = path.split('/').any(|segment| segment == "." || segment == "..") || path.contains("//");
    if !needed {
        return path.to_owned();
    }
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in &segments {
        match *segment {
            "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let directory = path.ends_with('/') || matches!(segments.last(), Some(&("." | "..")));
    let directory =
        directory && kept.last().is_some_and(|last| *last != "..") || path.ends_with('/') && !kept.is_empty();
    let mut out = String::new();
    if absolute {
        out.push('/');
    } else if kept.first().is_some_and(|first| first.contains(':')) {
        out.push_str("./");
    }
    out.push_str(&kept.join("/"));
    if directory {
        out.push('/');
    }
    out
}

/// Bytes that a URI may have: those of schemas within each other add up.
const MOST_BYTES: usize = 8_192;

fn parts(text: &str) -> Result<Parts<'_>, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("an address has more than {MOST_BYTES} bytes"));
    }
    let fault = |what: &str| Err(format!("`{text}` is no URI: {what}"));
    let (rest, fragment) = match text.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (text, None),
    };
    if let Some(found) = illegal(rest).or_else(|| fragment.and_then(illegal)) {
        return fault(&format!("`{found}` must be escaped"));
    }
    if fragment.is_some_and(|fragment| fragment.contains('#')) {
        return fault("it has two fragments");
    }
    let colon = rest.find([':', '/', '?']).filter(|at| rest[*at..].starts_with(':'));
    let (scheme, rest) = match colon {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    };
    if let Some(scheme) = scheme {
        let word = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !word {
            return fault("its scheme is no word");
        }
        if rest.is_empty() {
            return fault("nothing follows its scheme");
        }
        if !rest.starts_with('/') {
            return Ok(Parts {
                scheme: Some(scheme),
                opaque: Some(rest),
                fragment,
                ..Parts::default()
            });
        }
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            if end == 0 && rest.is_empty() {
                return fault("nothing follows `//`");
            }
            // `file:///x` has an empty authority, which is none.
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, rest),
    };
    Ok(Parts {
        scheme,
        opaque: None,
        authority,
        path,
        query,
        fragment,
    })
}

/// The first character that may not stand in a URI.
fn illegal(text: &str) -> Option<char> {
    let bytes = text.as_bytes();
    text.char_indices().find_map(|(at, c)| {
        let fine = match c {
            '%' => bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            // Brackets are for addresses of IPv6 only.
            '[' | ']' => text.contains("//["),
            c if c.is_ascii() => c.is_ascii_alphanumeric() || "-_.!~*'();/?:@&=+$,".contains(c),
            c => !c.is_control() && !c.is_whitespace(),
        };
        (!fine).then_some(c)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve() {
        for (base, reference, expected) in [
            ("mem://input", "x.json", "mem://input/x.json"),
            ("mem://input", "", "mem://input"),
            ("mem://input", "../x.json", "mem://input/../x.json"),
            ("mem://input", "#/a", "mem://input#/a"),
            ("UNKNOWN", "../x.json", "../x.json"),
            ("UNKNOWN", "#", "UNKNOWN#"),
            ("http://a.b/c/d.json", "../../x", "http://a.b/../x"),
            ("http://a.b/c/d.json", "", "http://a.b/c/"),
            ("http://a.b/c/d.json", "a//b", "http://a.b/c/a/b"),
            ("http://a.b/c/d.json", "..", "http://a.b/"),
            ("http://a.b/c/d.json", "a:b/c", "a:b/c"),
            ("http://a.b/c?q=1#f", "#x", "http://a.b/c?q=1#x"),
            ("urn:a:b", "#/a", "#/a"),
            ("a/b/c", "../../x", "x"),
            ("a/b/c", "?q", "a/b/?q"),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), Ok(expected), "{base} {reference}");
        }
        for wrong in ["x y", "%zz", "a|b", "http://", "[x]", "x#y#z", ":", "1a:b", "a:"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
