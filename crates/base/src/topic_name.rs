//! Which topic names Kafka allows.

/// Kafka's own bound: a topic's folder name must fit a file system's.
const NAME_BYTES_MAX: usize = 249;

/// Checks a name by itself, without looking at other topics; the error says why it is not allowed.
pub fn check(name: &str) -> Result<(), String> {
    let invalid = |why: &str| Err(why.to_owned());
    if name.is_empty() {
        return invalid("the name is empty");
    }
    if name == "." || name == ".." {
        return invalid("`.` and `..` are folders");
    }
    if name.len() > NAME_BYTES_MAX {
        return invalid("it is longer than 249 characters");
    }
    match name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
    {
        Some(odd) => invalid(&format!(
            "it holds `{odd}`; allowed are letters, digits, `.`, `_` and `-`"
        )),
        None => Ok(()),
    }
}

/// The form in which two names collide.
pub fn folded(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_follow_kafkas_rules() {
        for (name, allowed) in [
            ("orders.v1", true),
            ("a-b_c.D9", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a b", false),
            ("ä", false),
            ("a/b", false),
        ] {
            assert_eq!(super::check(name).is_ok(), allowed, "{name:?}");
        }
        assert!(super::check(&"x".repeat(249)).is_ok());
        assert!(super::check(&"x".repeat(250)).is_err());
    }
}
